//! Who gets which message, and when: from what has happened to messages with an address.
//!
//! Nothing is sent from here. What a turn gives back is stored with what caused it, in one commit, together with
//! what is remembered of it ([`Memory`], a part of what the judge remembers). So a crash loses no message and makes
//! none twice: each occurrence makes one, however often it is looked at.
//!
//! 1. A change of a rollout is reported with its history entry: [`Deployment::notify_change`].
//! 2. What evaluations and the time show is reported when it begins, some of it again while it lasts, and its end to
//!    those who got a message of its beginning: [`Deployment::notify`].
//! 3. Names become channels at the moment at which this is decided, since roles have hours.

pub mod address;
mod change;
mod digest;
pub mod in_app;
mod memory;
mod report;
mod standing;
mod troubles;
mod waiting;
mod watch;
pub mod words;

use serde::{Deserialize, Serialize};

pub use self::memory::Memory;
use crate::deployment::Deployment;
use crate::explain;
use crate::rollout::{Change, Noticed, Rollout};
use crate::verification::{self, Found};
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::Plan;
use tidegate_model::plan::channel::ChannelKind;
use tidegate_model::{Instant, Name};

/// A message with its address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Addressed {
    /// A channel of the rollout's plan.
    pub channel: Name,
    /// The message.
    pub notification: Notification,
}

/// What is known of a rollout from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What is wrong with its configuration and its sources, each for as long as it is.
    pub faults: Vec<Noticed>,
}

/// One notification, and the channels that it goes to.
pub(crate) struct Outgoing {
    channels: Vec<Name>,
    notification: Notification,
}

impl Outgoing {
    fn addressed(self) -> impl Iterator<Item = Addressed> {
        let notification = self.notification;
        self.channels.into_iter().map(move |channel| Addressed { channel, notification: notification.clone() })
    }
}

impl Deployment {
    /// The messages about a change, before it is accepted; of an end also how it went. `console` is the public address of the console, without a
    /// slash at its end.
    pub fn notify_change(&mut self, change: &Change, console: Option<&str>) -> Vec<Addressed> {
        let outlook = self.outlook(&change.rollout, change.entry.at);
        let before = self.rollouts.get(&change.key).map(|rollout| rollout.record.clone());
        let metrics = self.metrics.get_mut(&change.key);
        let words = words::Words { rollout: &change.rollout, outlook: &outlook, console, now: change.entry.at };
        let outgoing = change::messages(&words, before.as_ref(), change, &metrics.sources, &mut metrics.judge.notified);
        let has_ended = before.is_some_and(|before| !before.live.has_ended()) && change.entry.state.has_ended();
        let report = has_ended.then(|| report::message(&words, metrics));
        outgoing.into_iter().chain(report).flat_map(Outgoing::addressed).collect()
    }

    /// What evaluations and the time show. To be called after each evaluation, and at [`Deployment::notify_at`].
    pub fn notify(&mut self, facts: &dyn Fn(&Rollout) -> Facts, console: Option<&str>, now: Instant) -> Vec<Addressed> {
        let mut outgoing = Vec::new();
        let keys: Vec<Name> = self.rollouts.keys().cloned().collect();
        for key in keys {
            let Some(rollout) = self.rollouts.get(&key) else { continue };
            let (outlook, facts) = (self.outlook(rollout, now), facts(rollout));
            let words = words::Words { rollout, outlook: &outlook, console, now };
            let metrics = self.metrics.get_mut(&key);
            outgoing.extend(watch::messages(&words, metrics, &facts));
        }
        outgoing.into_iter().flat_map(Outgoing::addressed).collect()
    }

    /// When the deployment has to be evaluated, and [`Deployment::notify`] called, because of the time alone. That
    /// is now, or in the past, for as long as it was not done.
    pub fn notify_at(&self, now: Instant) -> Option<Instant> {
        let of = |rollout: &Rollout| {
            let judge = self.metrics.get(&rollout.plan.key).map(|metrics| &metrics.judge);
            watch::due_at(rollout, &self.with_days_off(rollout), judge, now)
        };
        self.rollouts.iter().filter_map(of).min()
    }
}

/// What was found after a rollback or a kill, for those whom rollbacks reach.
pub fn verified(
    deployment: &Deployment,
    key: &Name,
    found: &[Found],
    console: Option<&str>,
    now: Instant,
) -> Vec<Addressed> {
    let Some(rollout) = deployment.rollouts.get(key) else { return Vec::new() };
    let outlook = deployment.outlook(rollout, now);
    let words = words::Words { rollout, outlook: &outlook, console, now };
    let is_wrong = found.iter().any(|own| own.is_fine == Some(false));
    let is_in_part = found.iter().any(|own| own.is_fine.is_none());
    let (kind, urgency, what) = if is_wrong {
        (NotificationKind::Fault, Urgency::Critical, format!("{key}: the way back is not in force as it should be"))
    } else if is_in_part {
        (
            NotificationKind::Report,
            Urgency::Warning,
            format!("{key}: the way back is in force, as far as could be checked"),
        )
    } else {
        (NotificationKind::Report, Urgency::Info, format!("{key}: it was verified that the way back is in force"))
    };
    let action = if is_wrong {
        Some("See whether the site works, and whether visitors are still on new.".to_owned())
    } else {
        is_in_part.then(|| "See whether the site works.".to_owned())
    };
    let notification = Notification {
        why: explain::ended(&explain::sentence(&verification::reported(found))),
        command: (is_wrong || is_in_part).then(|| format!("tidegate verify {key}")),
        revision: Some(rollout.record.live.revision),
        ..words.message(kind, urgency, &what, action)
    };
    let mut channels = address::resolve(&rollout.plan, &[], urgency, now);
    // What keeps incidents has no use for a report.
    channels.retain(|name| is_wrong || rollout.plan.channels.get(name.as_str()).is_some_and(|own| is_read(own.kind())));
    Outgoing { channels, notification }.addressed().collect()
}

/// Somebody's words about a signal that they have reported, for those whom the plan names for it.
pub fn feedback(
    deployment: &Deployment,
    key: &Name,
    signal: &str,
    note: &str,
    console: Option<&str>,
    now: Instant,
) -> Vec<Addressed> {
    let Some(rollout) = deployment.rollouts.get(key).filter(|own| !own.plan.feedback.is_empty()) else {
        return Vec::new();
    };
    let outlook = deployment.outlook(rollout, now);
    let words = words::Words { rollout, outlook: &outlook, console, now };
    let what = match signal {
        "opt_out" => format!("{key}: somebody went back to the old version and said why"),
        "opt_in" => format!("{key}: somebody went to the new version and said why"),
        _ => format!("{key}: somebody said something about {signal}"),
    };
    let why = format!("“{note}”");
    let notification = Notification { why, ..words.message(NotificationKind::Notice, Urgency::Info, &what, None) };
    let channels = address::resolve(&rollout.plan, &rollout.plan.feedback, Urgency::Info, now);
    Outgoing { channels, notification }.addressed().collect()
}

/// Whether people read what goes there.
const fn is_read(kind: ChannelKind) -> bool {
    matches!(kind, ChannelKind::Slack | ChannelKind::Teams | ChannelKind::Mail | ChannelKind::Webhook)
}

/// A sample, to see whether a channel works.
pub fn sample(plan: &Plan, channel: &Name, console: Option<&str>, now: Instant) -> Notification {
    Notification {
        kind: NotificationKind::Test,
        at: now,
        rollout: plan.key.clone(),
        description: plan.description.clone(),
        headline: format!("{}: test of the channel {channel}. No action needed.", plan.key),
        why: format!("Somebody asked for it by `tidegate notify test {channel}`."),
        links: words::links(plan, None, None, console),
        ..Notification::default()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::judge::Judge;
    use crate::rollout::Order;
    use tidegate_model::command::{Cause, Command, Setting, Target};
    use tidegate_model::history::KvFound;
    use tidegate_model::measured::{SlicedCounts, Window};
    use tidegate_model::minute::MINUTE_MS;
    use tidegate_model::plan::set::read_rollout;
    use tidegate_model::variant::Variant;

    const HOUR_MS: i64 = 60 * MINUTE_MS;
    const DAY_MS: i64 = 24 * HOUR_MS;
    /// A Tuesday.
    const START: &str = "2026-12-01T08:00:00Z";

    /// One rollout, its controller in short, and what was sent.
    struct World {
        deployment: Deployment,
        now: Instant,
        faults: Vec<Noticed>,
        /// Requests a minute to legacy and new.
        requests: (u64, u64),
        /// Whether what is remembered is stored and read again at each step, as after a crash.
        is_evicted: bool,
        sent: Vec<Addressed>,
    }

    const HEAD: &str = r#""key":"shop","description":"The new shop","routes":["/*"],"identity":{"from":["header:x-user-id"]},"defaults":"none","upstreams":{"legacy":"https://old.example.com","new":"https://new.example.com"},"signals":{"p1":{"kind":"count"}},"#;
    const CHANNELS: &str = r#""channels":{"chat":{"slack":"secret:CHAT"},"page":{"pager":"secret:PAGE"},"mail":{"email":"ops@example.com"},"client":{"email":"client@example.com"}},"#;
    const STAGES: &str = r#""stage":[{"name":"canary","percentage":10,"hold":"1d","owner":"lead"},{"name":"full","percentage":100,"hold":"1d"}]"#;

    impl World {
        fn new(rest: &str) -> Self {
            Self::of(&format!("{{{HEAD}{CHANNELS}{rest}{STAGES}}}"))
        }

        fn of(plan: &str) -> Self {
            let plan = read_rollout(plan).unwrap_or_else(|error| panic!("{error:?}"));
            let now: Instant = START.parse().unwrap();
            let mut deployment = Deployment::default();
            deployment.rollouts.insert(Rollout::new(Rc::new(plan), Rc::from(""), 0, now));
            Self { deployment, now, faults: Vec::new(), requests: (0, 0), is_evicted: true, sent: Vec::new() }
        }

        fn key(&self) -> Name {
            "shop".parse().unwrap()
        }

        fn do_as(&mut self, order: Order) {
            let key = self.key();
            let change = self
                .deployment
                .rollouts
                .get(&key)
                .unwrap()
                .change(order, self.now)
                .unwrap_or_else(|error| panic!("{error}"));
            let sent = self.deployment.notify_change(&change, Some("https://console.example.com"));
            self.sent.extend(sent);
            self.deployment.accept(change);
            self.store();
        }

        fn ana(&mut self, command: Command, reason: &str) {
            self.do_as(Order::new(command, "ana", reason.to_owned()));
        }

        fn store(&mut self) {
            let key = self.key();
            let judge = &mut self.deployment.metrics.get_mut(&key).judge;
            if self.is_evicted {
                *judge = Judge::parse(&judge.to_json()).unwrap();
            }
        }

        /// One look, and what it and the schedule ask for.
        fn look(&mut self) {
            let key = self.key();
            let (legacy, new) = self.requests;
            if legacy + new > 0 {
                let revision = self.deployment.rollouts.get(&key).unwrap().record.live.revision;
                let mut window = Window::at(self.now.minute(), revision);
                window.tally_mut(Variant::Legacy, None).unwrap().requests = legacy;
                window.tally_mut(Variant::New, None).unwrap().requests = new;
                self.deployment.metrics.get_mut(&key).count(window, &SlicedCounts::default(), self.now);
            }
            let orders = self.deployment.evaluate(|_| 0, self.now);
            let facts = Facts { faults: self.faults.clone() };
            let sent = self.deployment.notify(&|_| facts.clone(), Some("https://console.example.com"), self.now);
            self.sent.extend(sent);
            self.store();
            for (_, order) in orders {
                self.do_as(order);
            }
            while let Some((_, order)) = self.deployment.due(self.now) {
                self.do_as(order);
            }
            let next = self.deployment.notify_at(self.now);
            assert!(next.is_none_or(|next| next > self.now), "it would be called again and again");
        }

        /// Looks every minute for so long.
        fn go(&mut self, ms: i64) {
            for _ in 0..ms / MINUTE_MS {
                self.now = self.now.plus_ms(MINUTE_MS);
                self.look();
            }
        }

        /// Looks when `notify_at` says so, and at no other time.
        fn sleep(&mut self, ms: i64) {
            let end = self.now.plus_ms(ms);
            while let Some(at) = self.deployment.notify_at(self.now).filter(|at| *at <= end) {
                self.now = at.max(self.now);
                self.look();
            }
            self.now = end;
        }

        fn p1(&mut self, count: f64) {
            let key = self.key();
            self.deployment.metrics.get_mut(&key).signals.report("p1", count, self.now);
        }

        fn start(&mut self) {
            self.ana(Command::Start, "");
            self.p1(0.0);
            self.look();
            self.sent.clear();
        }

        /// What was sent since this was last asked: kind, channels, headline.
        fn sent(&mut self) -> Vec<(&'static str, String, String)> {
            let mut sent: Vec<(&'static str, String, String)> = Vec::new();
            for Addressed { channel, notification } in std::mem::take(&mut self.sent) {
                let (kind, headline) = (notification.kind.as_str(), notification.headline);
                match sent.last_mut().filter(|(own, _, text)| *own == kind && *text == headline) {
                    Some((_, channels, _)) => *channels = format!("{channels} {channel}"),
                    None => sent.push((kind, channel.to_string(), headline)),
                }
            }
            sent
        }
    }

    /// Brings what was sent into a form to be compared with.
    #[track_caller]
    fn sends(world: &mut World, expected: &[(&str, &str, &str)]) {
        let sent = world.sent();
        let sent: Vec<(&str, &str, &str)> =
            sent.iter().map(|(kind, channels, headline)| (*kind, channels.as_str(), headline.as_str())).collect();
        assert_eq!(sent, expected);
    }

    const ROLLBACK: &str = r#""guardrail":[{"when":"signal.p1 > 1 over 10m","then":"rollback","notify":["chat","page"],"text":"See the payment logs.","links":{"logs":"https://logs.example.com"}}],"links":{"dashboard":"https://dash.example.com"},"roles":{"lead":{"person":"ben","tell":["mail"]}},"after_rollback":["Cause found"],"#;

    #[test]
    fn a_rollback_is_reported_once_with_all_that_somebody_needs_at_night_and_ends_when_it_is_resumed() {
        let mut world = World::new(ROLLBACK);
        world.start();
        world.p1(3.0);
        world.look();
        let first = world.sent.first().cloned().unwrap().notification;
        sends(
            &mut world,
            &[(
                "rollback",
                "chat page mail",
                "shop was rolled back from canary, 10 %, to 0 % (everybody is on legacy): signal.p1 is 3 over 10m. Find the cause and approve 1 item; then resume it.",
            )],
        );
        assert_eq!((first.urgency, first.revision), (Urgency::Critical, Some(2)));
        assert_eq!(first.why, "The guardrail `signal.p1 > 1 over 10m` came true: signal.p1 is 3 over 10m.");
        assert_eq!(first.figures, ["signal.p1 is 3 over 10m; rolls back above 1"]);
        assert_eq!(first.owner.as_deref(), Some("lead (ben)"));
        assert_eq!(first.next.as_deref(), Some("Rolled back: nothing happens until an operator resumes it."));
        assert_eq!(first.text.as_deref(), Some("See the payment logs."));
        assert_eq!(first.command.as_deref(), Some("tidegate approve shop 'Cause found'\ntidegate resume shop"));
        let links: Vec<(&str, &str)> = first.links.iter().map(|own| (own.title.as_str(), own.url.as_str())).collect();
        assert_eq!(
            links,
            [
                ("console", "https://console.example.com/_tidegate/#/rollouts/shop/history/2"),
                ("logs", "https://logs.example.com"),
                ("dashboard", "https://dash.example.com")
            ]
        );
        assert_eq!(first.entry.as_ref().and_then(|entry| entry["revision"].as_u64()), Some(2));

        world.go(HOUR_MS);
        sends(&mut world, &[]);
        world.ana(Command::Approve("Cause found".into()), "a bad deploy");
        world.ana(Command::Resume(None), "fixed");
        world.sent();
        world.go(5 * MINUTE_MS);
        let end = world.sent.first().cloned().unwrap().notification;
        assert_eq!(end.incident, first.incident);
        assert!(first.incident.is_some_and(|own| own.starts_with("tidegate-shop-") && own.len() < 255));
        sends(
            &mut world,
            &[("resolved", "chat page mail", "shop: resolved: guardrail `signal.p1 > 1 over 10m`. No action needed.")],
        );
        world.go(HOUR_MS);
        sends(&mut world, &[]);
    }

    #[test]
    fn what_the_alert_of_another_tool_is_called_stands_in_the_message_that_it_leads_to() {
        use crate::sources::About;
        let mut world = World::new(ROLLBACK);
        world.start();
        world.p1(3.0);
        let key = world.key();
        let about = About {
            receiver: "alerts".into(),
            name: "PaymentsDown".into(),
            text: "Cards of one bank fail".into(),
            url: "https://prom.example.com/graph?g0".into(),
            runbook: "https://wiki.example.com/payments".into(),
            at: Some(world.now),
        };
        world.deployment.metrics.get_mut(&key).sources.remember_about("p1".into(), about);
        world.look();
        let own = world.sent.first().cloned().unwrap().notification;
        assert_eq!(own.figures.first().unwrap(), "p1: the alert “PaymentsDown” of alerts: Cards of one bank fail.");
        let links: Vec<&str> = own.links.iter().map(|link| link.title.as_str()).collect();
        assert_eq!(links, ["console", "PaymentsDown", "PaymentsDown: runbook", "logs", "dashboard"]);
        assert!(
            own.headline.contains("(everybody is on legacy): the alert “PaymentsDown” fires. Find"),
            "{}",
            own.headline
        );
    }

    #[test]
    fn an_alert_goes_higher_while_it_lasts_and_ends_by_itself() {
        let mut world = World::new(
            r#""guardrail":[{"when":"signal.p1 > 1 over 10m","then":"alert","notify":"chat","escalate":[{"after":"5m","to":"duty","text":"Decide"},{"after":"8m","to":"page"},{"after":"1h","to":"page"}]}],"roles":{"lead":"ben","duty":{"tell":["mail"]}},"#,
        );
        world.start();
        world.p1(3.0);
        world.go(30 * MINUTE_MS);
        sends(
            &mut world,
            &[
                (
                    "alert",
                    "chat",
                    "shop: `signal.p1 > 1 over 10m` came true at canary, 10 %. Look at it, and decide whether to go on.",
                ),
                ("escalation", "mail", "shop: `signal.p1 > 1 over 10m` is still true. Decide."),
                (
                    "escalation",
                    "page",
                    "shop: `signal.p1 > 1 over 10m` is still true. Look at it, and decide whether to go on.",
                ),
                ("resolved", "chat", "shop: resolved: guardrail `signal.p1 > 1 over 10m`. No action needed."),
            ],
        );
    }

    #[test]
    fn what_people_do_is_reported_to_the_conversation_and_wakes_nobody() {
        let mut world = World::new(r#""roles":{"lead":{"tell":["page"]}},"#);
        world.ana(Command::Start, "signed off");
        sends(&mut world, &[("stage", "chat", "shop has started by ana: canary, 10 %. No action needed.")]);
        world.look();
        world.ana(Command::Kill(Cause::Command), "");
        sends(
            &mut world,
            &[(
                "kill",
                "chat",
                "shop was killed by ana: everybody is on legacy until it is revived. Find the cause; then revive it.",
            )],
        );
        world.go(10 * MINUTE_MS);
        world.ana(Command::Revive(Cause::Command), "it was the cache");
        world.go(10 * MINUTE_MS);
        sends(
            &mut world,
            &[
                ("stage", "chat", "shop was revived by ana: running in canary at 10 %. No action needed."),
                ("resolved", "chat", "shop: resolved: the kill. No action needed."),
            ],
        );
        let setting = Setting { kv: Some("25".into()), ..Setting::percentage("25".parse().unwrap()) };
        world.do_as(Order::of_kv(Command::Set(setting), "stage/shop", Some("25".into()), KvFound::Text));
        let by_hand = world.sent.first().cloned().unwrap().notification;
        assert_eq!(by_hand.command.as_deref(), Some("tidegate set shop 10"));
        assert_eq!(by_hand.why, "The KV key `stage/shop` was set to `25`.");
        sends(
            &mut world,
            &[(
                "stage",
                "chat",
                "shop was set from 10 % to 25 % by hand in KV, and is held there. Check that this was meant.",
            )],
        );
        world.ana(Command::Rollback(Target::Off), "cart is empty");
        let back = world.sent.first().cloned().unwrap().notification;
        assert_eq!((back.why.as_str(), back.urgency), ("ana: cart is empty.", Urgency::Warning));
    }

    #[test]
    fn a_role_reaches_the_channels_of_the_hour() {
        let plan = |roles: &str| {
            read_rollout(&format!("{{{HEAD}{CHANNELS}\"roles\":{roles},{STAGES}}}"))
                .unwrap_or_else(|error| panic!("{error:?}"))
        };
        let names = |list: &[&str]| list.iter().map(|name| name.parse().unwrap()).collect::<Vec<Name>>();
        let office = plan(
            r#"{"lead":{"person":"ben","tell":["chat"],"hours":"Mon-Fri 08:00-18:00 Europe/Berlin","otherwise":"duty"},"duty":{"tell":["page","mail"]}}"#,
        );
        let reached = |plan: &Plan, name: &str, at: &str| {
            address::resolve(plan, &names(&[name]), Urgency::Warning, at.parse().unwrap())
        };
        assert_eq!(reached(&office, "lead", "2026-12-01T16:59:00Z"), names(&["chat"]));
        assert_eq!(reached(&office, "lead", "2026-12-01T17:00:00Z"), names(&["page", "mail"]));
        assert_eq!(reached(&office, "lead", "2026-07-01T16:00:00Z"), names(&["page", "mail"]), "summer");
        assert_eq!(reached(&office, "mail", "2026-12-01T17:00:00Z"), names(&["mail"]));
        let nobody = plan(r#"{"lead":"ben"}"#);
        assert_eq!(reached(&nobody, "lead", START), names(&["chat"]), "silence would be worst");
        let critical = address::resolve(&nobody, &[], Urgency::Critical, START.parse().unwrap());
        assert_eq!(critical, names(&["chat", "page"]));
        let both = address::resolve(
            &office,
            &names(&["chat", "lead", "chat"]),
            Urgency::Info,
            "2026-12-01T12:00:00Z".parse().unwrap(),
        );
        assert_eq!(both, names(&["chat"]), "each channel once");
    }

    #[test]
    fn a_digest_comes_at_its_hour_and_after_a_downtime_once() {
        let mut world = World::new(r#""roles":{"lead":"ben"},"digest":[{"at":"09:00 Europe/Berlin","to":["mail"]}],"#);
        world.sleep(3 * DAY_MS);
        sends(&mut world, &[]);
        world.start();
        world.go(10 * MINUTE_MS);
        sends(&mut world, &[]);
        world.ana(Command::Pause, "");
        world.sent.clear();
        world.look();
        let digest = |world: &mut World| world.sent().iter().filter(|(kind, ..)| *kind == "digest").count();
        world.sleep(20 * HOUR_MS);
        assert_eq!(digest(&mut world), 0);
        world.sleep(5 * HOUR_MS);
        assert_eq!(
            world.sent.first().map(|own| own.notification.at.to_string()).as_deref(),
            Some("2026-12-05T08:00:00Z")
        );
        assert_eq!(
            world.sent.first().map(|own| own.notification.headline.as_str()),
            Some("shop: paused at canary, 10 %. No action needed.")
        );
        assert_eq!(digest(&mut world), 1);
        // Nobody was there for three days.
        world.now = world.now.plus_ms(3 * DAY_MS);
        world.look();
        world.look();
        assert_eq!(digest(&mut world), 1);
    }

    #[test]
    fn whoever_is_waited_for_is_asked_at_once_and_reminded_each_day() {
        let mut world = World::of(&format!(
            r#"{{{HEAD}{CHANNELS}"roles":{{"lead":{{"tell":["mail"]}}}},"stage":[{{"name":"canary","percentage":10,"hold":"1h","owner":"lead","checklist":["Tested","Signed off"]}},{{"name":"full","percentage":100,"hold":"1d"}}]}}"#
        ));
        world.start();
        world.go(59 * MINUTE_MS);
        sends(&mut world, &[]);
        world.go(2 * MINUTE_MS);
        sends(&mut world, &[("waiting", "mail", "shop waits for a person before it leaves canary. Approve 2 items.")]);
        world.go(23 * HOUR_MS);
        sends(&mut world, &[]);
        world.go(HOUR_MS);
        sends(&mut world, &[("waiting", "mail", "shop waits for a person before it leaves canary. Approve 2 items.")]);
        world.ana(Command::Pause, "");
        world.look();
        world.sent.clear();
        world.sleep(25 * HOUR_MS);
        sends(&mut world, &[("waiting", "mail", "shop is still paused at 10 %. Resume it when the cause is found.")]);
    }

    #[test]
    fn a_start_that_waits_for_a_person_is_reported_when_its_time_has_come() {
        let mut world = World::of(&format!(
            r#"{{{HEAD}{CHANNELS}"start":"2026-12-10T08:00:00Z","checklist":["Tested"],"roles":{{"lead":{{"tell":["mail"]}}}},{STAGES}}}"#
        ));
        world.look();
        world.sleep(8 * DAY_MS);
        sends(&mut world, &[]);
        world.sleep(DAY_MS + MINUTE_MS);
        sends(&mut world, &[("waiting", "mail", "shop waits for a person before it starts. Approve 1 item.")]);
        world.ana(Command::Approve("Tested".into()), "");
        world.look();
        sends(&mut world, &[("stage", "chat", "shop has started: canary, 10 %. No action needed.")]);
    }

    #[test]
    fn gates_that_are_not_met_when_the_time_has_come_are_reported_after_an_hour() {
        let mut world = World::of(&format!(
            r#"{{{HEAD}{CHANNELS}"roles":{{"lead":{{"tell":["mail"]}}}},"stage":[{{"name":"canary","percentage":10,"hold":"1h","owner":"lead","gates":["signal.p1 < 1 over stage"]}},{{"name":"full","percentage":100,"hold":"1d"}}]}}"#
        ));
        world.start();
        world.p1(3.0);
        world.go(119 * MINUTE_MS);
        sends(&mut world, &[]);
        world.go(2 * MINUTE_MS);
        let first = world.sent.first().cloned().unwrap().notification;
        assert_eq!(first.why, "Not met: `signal.p1 < 1 over stage`. This has been so since Tue 1 Dec 2026 09:00 UTC.");
        sends(
            &mut world,
            &[(
                "blocked",
                "mail",
                "shop does not leave canary: its time is over, but not all gates pass. Look at the gates.",
            )],
        );
    }

    #[test]
    fn silence_of_signals_and_faults_begin_and_end_once() {
        let mut world = World::of(&format!(
            r#"{{{},"signals":{{"p1":{{"kind":"count"}},"cpu":{{"kind":"gauge","fresh":"10m"}}}},{CHANNELS}"guardrail":[{{"when":"signal.cpu > 90%","then":"alert"}}],"roles":{{"lead":"ben"}},{STAGES}}}"#,
            HEAD.replace(r#","signals":{"p1":{"kind":"count"}},"#, "")
        ));
        world.start();
        let key = world.key();
        let now = world.now;
        world.deployment.metrics.get_mut(&key).signals.report("cpu", 0.5, now);
        world.go(10 * MINUTE_MS);
        sends(&mut world, &[]);
        world.go(30 * MINUTE_MS);
        sends(&mut world, &[("fault", "chat", "shop: the signal cpu has gone silent. Mend what reports it.")]);
        let now = world.now;
        world.deployment.metrics.get_mut(&key).signals.report("cpu", 0.5, now);
        world.go(2 * MINUTE_MS);
        sends(&mut world, &[("resolved", "chat", "shop: resolved: the silence of the signal cpu. No action needed.")]);
        world.faults =
            vec![Noticed { subject: "group/beta".into(), message: "it cannot be read".into(), at: world.now }];
        world.go(3 * MINUTE_MS);
        sends(
            &mut world,
            &[(
                "fault",
                "chat",
                "shop: the list of the group beta is faulty. Mend it: until then the last good list stays.",
            )],
        );
        world.faults.clear();
        world.go(3 * MINUTE_MS);
        sends(
            &mut world,
            &[("resolved", "chat", "shop: resolved: the list of the group beta is faulty. No action needed.")],
        );
    }

    #[test]
    fn no_traffic_is_reported_only_where_there_was_enough_for_chance_not_to_explain_it() {
        let mut world = World::new(r#""roles":{"lead":"ben"},"#);
        world.start();
        world.requests = (1, 0);
        world.go(2 * HOUR_MS);
        world.requests = (0, 0);
        world.go(2 * HOUR_MS);
        sends(&mut world, &[]);
        world.requests = (20, 2);
        world.go(2 * HOUR_MS);
        sends(&mut world, &[]);
        world.requests = (0, 0);
        world.go(2 * HOUR_MS);
        sends(
            &mut world,
            &[("fault", "chat", "shop: no requests arrive. Check the routes and whatever stands before Tidegate.")],
        );
        world.requests = (200, 0);
        world.go(HOUR_MS);
        sends(
            &mut world,
            &[
                ("resolved", "chat", "shop: resolved: no traffic. No action needed."),
                (
                    "fault",
                    "chat",
                    "shop: no requests arrive at new. Check the routes and whatever stands before Tidegate.",
                ),
            ],
        );
    }

    #[test]
    fn notices_come_before_a_start_weekly_by_a_person_and_on_dates() {
        let mut world = World::of(&format!(
            r#"{{{HEAD}{CHANNELS}"start":"2026-12-10T08:00:00Z","roles":{{"lead":{{"tell":["mail"]}}}},"notice":[
            {{"at":"start-3d","to":"client","audience":"client","text":"It starts in three days"}},
            {{"at":"canary","every":"1w","by":"lead","audience":"client","text":"How the week went"}},
            {{"at":"2026-11-01T08:00:00Z","to":"chat","text":"Long ago"}},
            {{"at":"2026-12-11T08:00:00Z","to":"chat","text":"It's Friday"}}],
            "stage":[{{"name":"canary","percentage":10,"hold":"15d"}},{{"name":"full","percentage":100,"hold":"1d"}}]}}"#
        ));
        world.look();
        sends(&mut world, &[]);
        world.sleep(8 * DAY_MS);
        sends(
            &mut world,
            &[("notice", "client", "shop, message to the client: It starts in three days. No action needed.")],
        );
        world.go(2 * DAY_MS);
        let own = world.sent.iter().find(|own| own.channel.as_str() == "mail").cloned().unwrap().notification;
        assert_eq!(own.command.as_deref(), Some("tidegate approve shop 'Send to the client: How the week went'"));
        assert_eq!((own.text.as_deref(), own.audience.as_deref()), (Some("How the week went"), Some("client")));
        let names: Vec<String> =
            world.sent().into_iter().map(|(kind, to, text)| format!("{kind} {to}: {text}")).collect();
        assert_eq!(
            names,
            [
                "stage chat: shop has started: canary, 10 %. No action needed.",
                "notice mail: shop: a message to the client is to be sent. Send the text, then tick it off.",
                "notice chat: shop: It's Friday. No action needed.",
            ]
        );
        world.go(HOUR_MS);
        let item = "Send to the client: How the week went";
        world.ana(Command::Approve(item.into()), "");
        let handed = |world: &World| {
            let rollout = world.deployment.rollouts.get(&world.key()).unwrap();
            let judge = &world.deployment.metrics.get(&rollout.plan.key).unwrap().judge;
            judge.handed(&rollout.plan, &rollout.record).map(|own| (own.item, own.sent.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(handed(&world), [(item.to_owned(), true)]);
        world.go(7 * DAY_MS);
        assert_eq!(handed(&world), [(item.to_owned(), false)], "the next one is to be sent too");
        world.go(12 * DAY_MS);
        let reminders = world.sent.iter().filter(|own| own.notification.kind == NotificationKind::Waiting).count();
        assert_eq!(reminders, 9, "each day until it is sent or the rollout has ended");
        let weekly = world.sent().into_iter().filter(|(kind, to, _)| *kind == "notice" && to == "mail").count();
        assert_eq!(weekly, 2, "at the stage's entry, and after one week and two");
    }

    /// What pages show: kind, and the side.
    fn shown(world: &World) -> Vec<(String, Option<Variant>)> {
        world.deployment.shown(world.now).into_iter().map(|own| (own.kind, own.side)).collect()
    }

    #[test]
    fn pages_show_a_message_from_its_moment_on_while_it_lasts_and_an_incident_alone_after_a_rollback() {
        let mut world = World::of(&format!(
            r#"{{{HEAD}{CHANNELS}"start":"2026-12-10T08:00:00Z","groups":{{"beta":{{"ids":["a"]}}}},"notice":[
            {{"at":"start-3d","audience":"users","text":"Try it","in_app":{{"to":"legacy","group":"beta","link":"/try"}}}},
            {{"at":"full","to":"client","audience":"users","text":"It is here","in_app":"new"}},
            {{"at":"rollback","audience":"users","text":"We have gone back","in_app":{{"to":"all","for":"1h"}}}}],
            "guardrail":[{{"when":"signal.p1 > 1 over 10m","then":"rollback"}}],
            "stage":[{{"name":"canary","percentage":10,"hold":"1d"}},{{"name":"full","percentage":100,"hold":"9d"}}]}}"#
        ));
        world.look();
        assert_eq!(shown(&world), []);
        world.sleep(7 * DAY_MS);
        let invitation = ("preview".to_owned(), Some(Variant::Legacy));
        assert_eq!(shown(&world), std::slice::from_ref(&invitation));
        let own = world.deployment.shown(world.now).remove(0);
        assert_eq!((own.link.as_deref(), own.groups.len(), own.text.as_str()), (Some("/try"), 1, "Try it"));
        assert_eq!(world.sent(), [], "what pages alone show goes to nobody else");
        world.sleep(3 * DAY_MS);
        world.go(DAY_MS + HOUR_MS);
        let launch = ("launch".to_owned(), Some(Variant::New));
        assert_eq!(shown(&world), std::slice::from_ref(&launch), "the invitation was to what has begun now");
        let id = |world: &World| world.deployment.shown(world.now).into_iter().map(|own| own.id).collect::<Vec<_>>();
        let before = id(&world);
        world.store();
        world.go(HOUR_MS);
        assert_eq!(id(&world), before, "it is the same one");
        assert!(world.sent().iter().any(|(kind, to, _)| *kind == "notice" && to == "client"), "and goes out");
        world.p1(3.0);
        world.go(2 * MINUTE_MS);
        assert_eq!(shown(&world), [("incident".to_owned(), None)]);
        world.go(HOUR_MS);
        assert_eq!(shown(&world), [], "an hour is over");
        world.ana(Command::Resume(None), "");
        world.go(DAY_MS + HOUR_MS);
        assert_eq!(shown(&world), [launch], "the next attempt begins anew");
        assert_ne!(id(&world), before);
    }

    #[test]
    fn a_kill_is_an_incident_each_time_and_a_public_page_gets_its_end() {
        let channels =
            CHANNELS.replace(r#""mail":"#, r#""public":{"statuspage":"secret:KEY","page":"kctbh9vrtdwd"},"mail":"#);
        let mut world = World::of(&format!(
            r#"{{{HEAD}{channels}"notice":[
            {{"at":"incident","to":["client","public"],"audience":"users","text":"We have gone back","in_app":{{"to":"all","for":"1d"}}}},
            {{"at":"incident+1h","to":"client","audience":"client","text":"It takes an hour"}},
            {{"at":"rollback","to":"chat","text":"Rolled back"}}],{STAGES}}}"#
        ));
        world.ana(Command::Kill(Cause::Command), "");
        world.go(2 * HOUR_MS);
        assert!(world.sent().iter().all(|(kind, ..)| *kind != "notice"), "nobody is on new before the start");
        world.ana(Command::Revive(Cause::Command), "");
        world.start();
        world.sent.clear();
        let notices = |world: &mut World| -> Vec<String> {
            let all = world.sent().into_iter().filter(|(kind, ..)| ["notice", "resolved"].contains(kind));
            all.map(|(kind, to, text)| format!("{kind} {to}: {text}")).collect()
        };
        for _ in 0..2 {
            world.ana(Command::Kill(Cause::Command), "");
            world.go(30 * MINUTE_MS);
            let own = world.sent.iter().find(|own| own.channel.as_str() == "public").cloned().unwrap().notification;
            assert_eq!(own.text.as_deref(), Some("We have gone back"));
            assert!(own.incident.is_some(), "without one a public page could not be closed");
            assert_eq!(
                notices(&mut world),
                ["notice client public: shop, message to users: We have gone back. No action needed."]
            );
            assert_eq!(shown(&world), [("incident".to_owned(), None)]);
            world.store();
            world.ana(Command::Revive(Cause::Command), "");
            world.go(2 * HOUR_MS);
            let resolved = notices(&mut world);
            assert!(resolved.iter().all(|own| own.starts_with("resolved ") && !own.contains("client")), "{resolved:?}");
            assert!(resolved.iter().any(|own| own.contains("public")), "{resolved:?}");
            assert_eq!(shown(&world), []);
        }
        world.ana(Command::Kill(Cause::Command), "");
        world.go(MINUTE_MS);
        notices(&mut world);
        world.ana(Command::Rollback(Target::Off), "");
        world.ana(Command::Revive(Cause::Command), "");
        world.go(2 * HOUR_MS);
        assert_eq!(
            notices(&mut world),
            [
                "notice chat: shop: Rolled back. No action needed.",
                "resolved chat public: shop: resolved: the kill. No action needed.",
                "notice client: shop, message to the client: It takes an hour. No action needed."
            ],
            "it is the same incident"
        );
    }

    #[test]
    fn a_stage_that_lasts_longer_than_it_is_meant_to_is_reported_once_to_whoever_looks_after_it() {
        let mut world = World::of(&format!(
            r#"{{{HEAD}{CHANNELS}"roles":{{"lead":{{"tell":["mail"]}}}},"stage":[{{"name":"canary","percentage":10,"hold":"1d","deadline":"2d","owner":"lead","gates":["signal.p1 < 1 over stage"]}},{{"name":"full","percentage":100,"hold":"1d","deadline":"2d"}}]}}"#
        ));
        let overdue = |world: &mut World| -> Vec<String> {
            let all = world.sent().into_iter().filter(|(_, _, text)| text.contains("meant to"));
            all.map(|(kind, to, text)| format!("{kind} {to}: {text}")).collect()
        };
        world.start();
        world.p1(3.0);
        world.sleep(2 * DAY_MS - MINUTE_MS);
        assert_eq!(overdue(&mut world), [""; 0]);
        world.store();
        world.sleep(2 * DAY_MS);
        let late = "waiting mail: shop is still at canary after 2 days, as long as it is meant to be there. Decide: go on, or back.";
        assert_eq!(overdue(&mut world), [late], "once");
        world.ana(Command::Advance, "");
        world.go(DAY_MS + HOUR_MS);
        assert_eq!(overdue(&mut world), [""; 0], "the next one is left in time");
    }

    #[test]
    fn approvals_are_asked_for_when_the_stage_begins_once_and_by_those_who_look_after_it() {
        let mut world = World::of(&format!(
            r#"{{{HEAD}{CHANNELS}"roles":{{"lead":{{"tell":["mail"]}}}},"stage":[{{"name":"canary","percentage":10,"hold":"1d","owner":"lead","checklist":["Tested","Signed off"]}},{{"name":"full","percentage":100,"hold":"1d"}}]}}"#
        ));
        world.ana(Command::Start, "");
        world.sent.clear();
        world.look();
        let own = world.sent.first().cloned().unwrap().notification;
        assert_eq!(own.figures, ["Tested.", "Signed off."]);
        assert_eq!(own.command.as_deref(), Some("tidegate approve shop"));
        let asked = "shop asks for 2 approvals before it leaves canary. Approve each once it is done.";
        sends(&mut world, &[("waiting", "mail", asked)]);
        world.ana(Command::Approve("Tested".into()), "");
        world.go(HOUR_MS);
        sends(&mut world, &[]);
        world.ana(Command::Rollback(Target::Off), "");
        world.ana(Command::Resume(None), "");
        world.look();
        let again = world
            .sent()
            .into_iter()
            .filter(|(kind, to, text)| (*kind, to.as_str(), text.as_str()) == ("waiting", "mail", asked));
        assert_eq!(again.count(), 1, "the next attempt asks anew");
    }

    #[test]
    fn an_end_is_reported_with_how_it_went_once() {
        let mut world = World::new(r#""roles":{"lead":"ben"},"digest":[{"at":"09:00 Europe/Berlin","to":["mail"]}],"#);
        world.start();
        world.requests = (90, 10);
        world.go(DAY_MS + HOUR_MS);
        world.requests = (0, 100);
        world.go(DAY_MS + 2 * HOUR_MS);
        let reports: Vec<Addressed> =
            world.sent.iter().filter(|own| own.notification.kind == NotificationKind::Report).cloned().collect();
        let [report] = reports.as_slice() else { panic!("{reports:?}") };
        assert_eq!(report.channel.as_str(), "mail");
        let own = &report.notification;
        assert_eq!(own.headline, "shop: how it went: 2d to 100 % on new. No action needed.");
        assert_eq!(own.why, "It has come through 2 stages in 2d, in the first attempt.");
        assert_eq!(
            own.figures,
            [
                "Requests: 153,000 (0 % failed) on new, 135,000 (0 % failed) on legacy.",
                "Users: 0 on new, 0 on legacy; sessions: 0 and 0."
            ]
        );
    }

    #[test]
    fn a_resume_within_a_signals_window_does_not_fire_the_guardrail_again() {
        let mut world =
            World::new(r#""roles":{"lead":"ben"},"guardrail":[{"when":"signal.p1 > 0 over 10s","then":"rollback"}],"#);
        world.start();
        world.go(5 * MINUTE_MS);
        world.p1(3.0);
        world.look();
        sends(
            &mut world,
            &[(
                "rollback",
                "chat page",
                "shop was rolled back from canary, 10 %, to 0 % (everybody is on legacy): signal.p1 is 3 over 10s. Find the cause; then resume it.",
            )],
        );
        world.now = world.now.plus_ms(5_000);
        world.ana(Command::Resume(None), "it was the cache");
        world.sent.clear();
        world.look();
        let phase = |world: &World| world.deployment.rollouts.get(&world.key()).unwrap().record.live.phase;
        assert_eq!(phase(&world), tidegate_model::live::Phase::Running);
        world.now = world.now.plus_ms(5_000);
        world.p1(1.0);
        world.look();
        assert_eq!(phase(&world), tidegate_model::live::Phase::RolledBack, "what comes after it counts at once");
    }

    #[test]
    fn what_is_remembered_outlives_a_crash_at_each_step() {
        let run = |is_evicted: bool| {
            let mut world = World::new(ROLLBACK);
            world.is_evicted = is_evicted;
            world.start();
            world.p1(3.0);
            world.go(20 * MINUTE_MS);
            world.ana(Command::Approve("Cause found".into()), "");
            world.ana(Command::Resume(None), "");
            world.go(20 * MINUTE_MS);
            world.sent()
        };
        let kept = run(false);
        assert_eq!(kept.len(), 3, "{kept:?}");
        assert_eq!(run(true), kept);
    }
}
