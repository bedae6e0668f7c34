//! What evaluations and the time show of a rollout.

use super::address;
use super::change::incident_of;
use super::digest;
use super::memory::{Incident, Memory};
use super::standing::{self, Standing};
use super::words::{self, Words};
use super::{Facts, Outgoing};
use crate::explain;
use crate::judge::guard::guardrail_key;
use crate::judge::notifications::Message;
use crate::judge::{Evaluation, Judge, Verdict};
use crate::metrics::RolloutMetrics;
use crate::rollout::Rollout;
use crate::schedule::Blocker;
use crate::series::{Series, minute_of};
use crate::sources;
use tidegate_model::condition::Metric;
use tidegate_model::live::Phase;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::signal::FRESH_DEFAULT;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::plan::{Guardrail, Plan};
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Name, Percentage};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A rollout whose gates are not met when its time has come is told to be blocked after this long: many are met soon.
const BLOCKED_MS: i64 = HOUR_MS;
/// Whoever is waited for is reminded this often.
const REMINDER_MS: i64 = DAY_MS;
/// No request for this long is told, where so many came in the hour before that chance does not explain it.
const SILENCE_MS: i64 = 15 * MINUTE_MS;
/// At this rate chance leaves a quarter of an hour empty once in 10^10 times.
const REQUESTS_AN_HOUR_MIN: f64 = 100.0;

/// What is told after an evaluation, or because of the time.
pub(super) fn told(words: &Words<'_>, metrics: &mut RolloutMetrics, facts: &Facts) -> Vec<Outgoing> {
    let mut memory = std::mem::take(&mut metrics.judge.notified);
    let mut outgoing = Vec::new();
    let evaluation = metrics.last.as_ref().filter(|last| last.at == Some(words.now) && words.rollout.unread.is_none());
    if let Some(evaluation) = evaluation {
        outgoing.extend(alerts(words, evaluation, &mut memory));
        outgoing.extend(evaluation.messages.iter().filter_map(|message| of_message(words, message, &memory)));
        outgoing.extend(resolved(words, &metrics.judge, &mut memory));
    }
    let mut now_so = faults(words, metrics, facts);
    if let Some(evaluation) = evaluation {
        now_so.extend(sample_ratio(words, evaluation));
    }
    if words.rollout.record.live.phase == Phase::Running && !words.rollout.record.live.killed {
        now_so.extend(silent_signals(words, metrics, &now_so));
        now_so.extend(no_traffic(words, metrics));
    }
    now_so.extend(waiting(words, &memory));
    now_so.extend(unsent(words, &metrics.judge));
    outgoing.extend(standing::told(words, &mut memory, now_so));
    outgoing.extend(digest::told(words, metrics, &mut memory));
    metrics.judge.notified = memory;
    outgoing
}

/// When there is something to be told because of the time alone.
pub(super) fn due_at(rollout: &Rollout, judge: Option<&Judge>, now: Instant) -> Option<Instant> {
    let memory = judge.map(|judge| &judge.notified);
    let standing = memory.into_iter().flat_map(|memory| &memory.standing).filter_map(|own| own.due).min();
    if rollout.unread.is_some() {
        return standing.filter(|at| *at > now);
    }
    let digest = digest::due_at(rollout, memory, now);
    let notices = Judge::notices_due_at(judge, &rollout.plan, &rollout.record, now);
    [standing, digest, notices].into_iter().flatten().min()
}

fn alerts(words: &Words<'_>, evaluation: &Evaluation, memory: &mut Memory) -> Vec<Outgoing> {
    // The severest one that acts is told with the change that it makes.
    let acting = evaluation.fired.iter().position(|fired| fired.order.is_some());
    let mut alerts = Vec::new();
    for (_, fired) in evaluation.fired.iter().enumerate().filter(|(index, _)| Some(*index) != acting) {
        let Some(guardrail) = words.plan().guardrail(fired.guardrail) else { continue };
        let figures = evaluation.guardrails.get(fired.guardrail).map_or_else(Vec::new, |judgement| {
            judgement.figures.iter().map(|figure| explain::sentence(&figure.text)).collect()
        });
        let urgency = words::urgency(guardrail.severity);
        let key = words.key();
        let what = format!("{key}: `{}` came true at {}", guardrail.when, words.place());
        let condition = guardrail.when.to_string();
        let incident = incident_of(key, &condition, words.now.as_epoch_ms());
        let notification = Notification {
            why: explain::sentence(&fired.text),
            figures,
            text: guardrail.text.clone(),
            links: words.links(None, Some(&guardrail.links)),
            command: Some(format!("tidegate rollback {key}")),
            incident: Some(incident.clone()),
            revision: Some(words.rollout.record.live.revision),
            ..words.message(NotificationKind::Alert, urgency, &what, Some(to_do(guardrail)))
        };
        let channels = reached(words, &guardrail.notify, urgency);
        memory.open(Incident {
            key: incident,
            guardrail: Some(guardrail_key(fired.guardrail, guardrail)),
            has_acted: false,
            is_kill: false,
            title: format!("guardrail `{condition}`"),
            channels: channels.clone(),
        });
        alerts.push(Outgoing { channels, notification });
    }
    alerts
}

fn to_do(guardrail: &Guardrail) -> String {
    match guardrail.severity {
        tidegate_model::plan::words::Severity::Critical => "Decide now: go on, or roll it back.".to_owned(),
        tidegate_model::plan::words::Severity::Warning => "Look at it, and decide whether to go on.".to_owned(),
    }
}

/// Those who are named, else those whom what nobody is named for reaches; and those who look after the stage.
fn reached(words: &Words<'_>, names: &[Name], urgency: Urgency) -> Vec<Name> {
    let mut channels = address::resolve(words.plan(), names, urgency, words.now);
    if urgency > Urgency::Info {
        for name in address::of_owner(words.plan(), words.owner(), urgency, words.now) {
            if !channels.contains(&name) {
                channels.push(name);
            }
        }
    }
    channels
}

/// Those who look after the stage, else those whom what nobody is named for reaches.
fn owners(words: &Words<'_>, urgency: Urgency) -> Vec<Name> {
    let owners = address::of_owner(words.plan(), words.owner(), urgency, words.now);
    if owners.is_empty() { address::resolve(words.plan(), &[], urgency, words.now) } else { owners }
}

/// A message of the plan's schedule: a check-in, an escalation, a notice.
fn of_message(words: &Words<'_>, message: &Message, memory: &Memory) -> Option<Outgoing> {
    let to: Vec<Name> = message.to.iter().filter_map(|name| name.parse().ok()).collect();
    let guardrail = message.guardrail.and_then(|index| Some((index, words.plan().guardrail(index)?)));
    let outgoing = match (message.kind, guardrail) {
        ("escalation", Some((index, guardrail))) => {
            let key = guardrail_key(index, guardrail);
            let incident = memory.incidents.iter().rfind(|own| own.guardrail.as_deref() == Some(key.as_str()));
            let urgency = words::urgency(guardrail.severity);
            let what = format!("{}: `{}` is still true", words.key(), guardrail.when);
            let action = message.own_text.clone().map(|text| explain::ended(&text));
            let notification = Notification {
                why: explain::sentence(&message.text),
                text: message.own_text.clone().or_else(|| guardrail.text.clone()),
                links: words.links(None, Some(&guardrail.links)),
                command: Some(format!("tidegate rollback {}", words.key())),
                incident: incident.map(|own| own.key.clone()),
                ..words.message(
                    NotificationKind::Escalation,
                    urgency,
                    &what,
                    Some(action.unwrap_or_else(|| to_do(guardrail))),
                )
            };
            Outgoing { channels: address::resolve(words.plan(), &to, urgency, words.now), notification }
        }
        ("checkin", _) => {
            let what = format!("{}: {}", words.key(), message.text);
            let notification = Notification {
                why: explain::sentence(&message.text),
                figures: message.figures.iter().map(|figure| explain::sentence(figure)).collect(),
                command: Some(format!("tidegate rollback {}", words.key())),
                ..words.message(NotificationKind::Checkin, Urgency::Info, &what, None)
            };
            Outgoing { channels: owners(words, Urgency::Info), notification }
        }
        ("notice", _) => notice(words, message, &to)?,
        // Alerts are told with all that is known of them.
        _ => return None,
    };
    Some(Outgoing { notification: Notification { at: message.at, ..outgoing.notification }, ..outgoing })
}

/// A message of the communication plan: it goes out, or a person gets the text to send.
fn notice(words: &Words<'_>, message: &Message, to: &[Name]) -> Option<Outgoing> {
    let notice = message.notice.and_then(|index| words.plan().notices.get(index))?;
    let whom = notice.audience.map(|audience| format!(" to {}", audience.with_article()));
    let (what, action, command) = if notice.by.is_some() {
        let whom = whom.unwrap_or_default();
        let what = format!("{}: a message{whom} is to be sent", words.key());
        let command = format!("tidegate approve {} {}", words.key(), words::quoted(&notice.item()));
        (what, Some("Send the text, then tick it off.".to_owned()), Some(command))
    } else {
        let what = whom.map(|whom| format!(", message{whom}")).unwrap_or_default();
        (format!("{}{what}: {}", words.key(), notice.text), None, None)
    };
    let notification = Notification {
        why: format!("The plan has this message for {}.", notice.at),
        command,
        audience: notice.audience.map(|audience| audience.to_string()),
        text: Some(notice.text.clone()),
        ..words.message(NotificationKind::Notice, Urgency::Info, &what, action)
    };
    let names = notice.by.as_ref().map_or(to, std::slice::from_ref);
    Some(Outgoing { channels: address::resolve(words.plan(), names, Urgency::Info, words.now), notification })
}

/// Incidents that are over: the guardrail is false and, where the rollout was changed by it, a person has acted.
fn resolved(words: &Words<'_>, judge: &Judge, memory: &mut Memory) -> Vec<Outgoing> {
    let record = &words.rollout.record;
    let is_over = |own: &Incident| {
        let is_true = own.guardrail.as_ref().is_some_and(|guardrail| judge.is_true(guardrail));
        let has_person_acted = match (own.has_acted, own.is_kill, &own.guardrail) {
            (false, ..) => true,
            (true, true, _) => !record.live.killed,
            (true, false, Some(_)) => record.acted.is_none(),
            (true, false, None) => record.live.phase != Phase::RolledBack,
        };
        !is_true && has_person_acted
    };
    let (over, open): (Vec<Incident>, Vec<Incident>) =
        std::mem::take(&mut memory.incidents).into_iter().partition(is_over);
    memory.incidents = open;
    memory.is_changed |= !over.is_empty();
    let told = over.into_iter().map(|own| {
        let what = format!("{}: resolved: {}", words.key(), own.title);
        let why = if own.has_acted {
            format!("Somebody has acted: {} is {} at {}.", words.key(), phase(words), words.place())
        } else {
            "Its condition is not true any more.".to_owned()
        };
        let notification = Notification {
            why,
            incident: Some(own.key),
            ..words.message(NotificationKind::Resolved, Urgency::Info, &what, None)
        };
        Outgoing { channels: own.channels, notification }
    });
    told.collect()
}

fn phase(words: &Words<'_>) -> String {
    words.rollout.record.live.phase.to_string().replace('_', " ")
}

fn faults(words: &Words<'_>, metrics: &RolloutMetrics, facts: &Facts) -> Vec<Standing> {
    let rollout = words.rollout;
    let mut standing: Vec<Standing> = Vec::new();
    // Before the start nobody relies on a source.
    let of_sources = match rollout.record.live.phase {
        Phase::Draft => Vec::new(),
        _ => sources::faults(words.plan(), &metrics.sources, &metrics.signals, words.now),
    };
    for fault in facts.faults.iter().chain(&rollout.fault).chain(&rollout.unread).chain(&of_sources) {
        let what = format!("fault {}", fault.subject);
        if standing.iter().any(|own| own.what == what) {
            continue;
        }
        let headline = format!("{}: fault of {}", words.key(), fault.subject);
        let notification = Notification {
            why: explain::sentence(&fault.message),
            command: Some(format!("tidegate status {}", words.key())),
            ..words.message(
                NotificationKind::Fault,
                Urgency::Warning,
                &headline,
                Some("Mend it: until then the last good state stays.".to_owned()),
            )
        };
        standing.push(Standing {
            what,
            after_ms: patience_ms(words.plan(), metrics, &fault.subject),
            again_ms: None,
            title: Some(format!("fault of {}", fault.subject)),
            channels: reached(words, &[], Urgency::Warning),
            notification,
        });
    }
    standing
}

/// How long a fault has to last before it is told. A receiver to which nobody has ever sent anything has its time.
fn patience_ms(plan: &Plan, metrics: &RolloutMetrics, subject: &str) -> i64 {
    let Some(name) = subject.strip_prefix("receiver/") else { return 0 };
    let has_sent = metrics.sources.receiver(name).is_some_and(|state| state.last_at.is_some());
    let heartbeat = plan.receivers.get(name).and_then(|receiver| receiver.heartbeat).filter(|_| !has_sent);
    heartbeat.map_or(0, |heartbeat| i64::try_from(heartbeat.as_ms()).unwrap_or(i64::MAX))
}

fn sample_ratio(words: &Words<'_>, evaluation: &Evaluation) -> Option<Standing> {
    let judgement = evaluation.sample_ratio.as_ref().filter(|own| own.verdict == Verdict::Fail)?;
    let what = format!("{}: users are not split as the percentage says", words.key());
    let action = "Find the cause: until then no comparison of both sides can be trusted.".to_owned();
    let notification = Notification {
        why: explain::sentence(&judgement.text),
        command: Some(format!("tidegate rollback {}", words.key())),
        ..words.message(NotificationKind::Alert, Urgency::Warning, &what, Some(action))
    };
    Some(Standing {
        what: format!("sample_ratio {}", words.rollout.record.exposed_revision),
        after_ms: 0,
        again_ms: None,
        title: None,
        channels: reached(words, &[], Urgency::Warning),
        notification,
    })
}

/// The signals that conditions use and that were reported once, and are not any more.
fn silent_signals(words: &Words<'_>, metrics: &RolloutMetrics, known: &[Standing]) -> Vec<Standing> {
    let plan = words.plan();
    let mut silent = Vec::new();
    for (name, signal) in plan.signals.0.iter().filter(|(name, _)| is_used(plan, name)) {
        let limit = match signal.kind {
            SignalKind::Count => signal.heartbeat,
            SignalKind::Gauge => Some(signal.fresh.unwrap_or(FRESH_DEFAULT)),
        };
        let last = metrics.signals.last(name.as_str()).map(|(at, _)| at);
        let (Some(limit), Some(last)) = (limit, last) else { continue };
        // Whoever pulls it says more about it.
        let what = format!("fault signal/{name}");
        if last.plus(limit) >= words.now || known.iter().any(|own| own.what == what) {
            continue;
        }
        let headline = format!("{}: the signal {name} has gone silent", words.key());
        let notification = Notification {
            why: format!(
                "It was last reported at {} and counts for {limit}; conditions that use it can neither pass nor act until it comes again.",
                last.to_words()
            ),
            command: Some(format!("tidegate status {}", words.key())),
            ..words.message(
                NotificationKind::Fault,
                Urgency::Warning,
                &headline,
                Some("Mend what reports it.".to_owned()),
            )
        };
        silent.push(Standing {
            what,
            after_ms: 0,
            again_ms: None,
            title: Some(format!("the silence of the signal {name}")),
            channels: reached(words, &[], Urgency::Warning),
            notification,
        });
    }
    silent
}

fn is_used(plan: &Plan, name: &Name) -> bool {
    let guardrails = plan.guardrails.iter().map(|own| &own.when);
    let gates = plan.stages.iter().flat_map(|stage| &stage.gates).map(|own| &own.when);
    guardrails
        .chain(gates)
        .flat_map(|own| &own.terms)
        .any(|term| matches!(&term.metric, Metric::Signal(own) if own == name))
}

/// No requests at all, where many came before; or none on new, where legacy has many.
fn no_traffic(words: &Words<'_>, metrics: &RolloutMetrics) -> Option<Standing> {
    let (record, now) = (&words.rollout.record, words.now);
    if record.is_waiting {
        return None;
    }
    let last = metrics.arrived_at?;
    let since = last.max(record.live.since);
    let is_quiet = now.as_epoch_ms() - since.as_epoch_ms() >= SILENCE_MS;
    let before = requests(&metrics.series, minute_of(last).saturating_sub(60), Variant::Legacy)
        + requests(&metrics.series, minute_of(last).saturating_sub(60), Variant::New);
    let (what, headline, why) = if is_quiet && before >= REQUESTS_AN_HOUR_MIN {
        let why = format!("The last request came at {}; in the hour before it there were {before}.", last.to_words());
        ("traffic", format!("{}: no requests arrive", words.key()), why)
    } else {
        let share = f64::from(record.live.percentage.limit()) / f64::from(Percentage::FULL.limit());
        let from = minute_of(now).saturating_sub(15);
        let is_settled = now.as_epoch_ms() - record.live.since.as_epoch_ms() >= SILENCE_MS;
        let (legacy, new) =
            (requests(&metrics.series, from, Variant::Legacy), requests(&metrics.series, from, Variant::New));
        let expected = if share < 1.0 { legacy * share / (1.0 - share) } else { 0.0 };
        if !is_settled || new > 0.0 || expected < REQUESTS_AN_HOUR_MIN {
            return None;
        }
        let why = format!(
            "In the last 15 minutes legacy had {} requests and new had none, where about {} should have gone there.",
            crate::judge::words::count(legacy),
            crate::judge::words::count(expected)
        );
        ("traffic on new", format!("{}: no requests arrive at new", words.key()), why)
    };
    let notification = Notification {
        why,
        command: Some(format!("tidegate rollback {}", words.key())),
        ..words.message(
            NotificationKind::Fault,
            Urgency::Warning,
            &headline,
            Some("Check the routes and whatever stands before Tidegate.".to_owned()),
        )
    };
    Some(Standing {
        what: what.to_owned(),
        after_ms: 0,
        again_ms: None,
        title: Some(format!("no {what}")),
        channels: reached(words, &[], Urgency::Warning),
        notification,
    })
}

fn requests(series: &Series, from_minute: u64, variant: Variant) -> f64 {
    let windows = series.iter().filter(|window| window.minute >= from_minute);
    windows.filter_map(|window| window.tally(variant, None)).map(|tally| tally.requests as f64).sum()
}

/// Messages that somebody was handed and has not sent: they are handed over again each day.
fn unsent(words: &Words<'_>, judge: &Judge) -> Vec<Standing> {
    let (plan, record) = (words.plan(), &words.rollout.record);
    if record.live.has_ended() {
        return Vec::new();
    }
    let open = judge.handed(plan, record).filter(|own| own.sent.is_none());
    let standing = open.map(|own| {
        let headline = format!("{}: not sent yet: {}", words.key(), own.item);
        let action = "Send the text, then tick it off.".to_owned();
        let notification = Notification {
            why: format!("It was handed over on {}.", own.since.to_words()),
            command: Some(format!("tidegate approve {} {}", words.key(), words::quoted(&own.item))),
            audience: own.notice.audience.map(|audience| audience.to_string()),
            text: Some(own.notice.text.clone()),
            ..words.message(NotificationKind::Waiting, Urgency::Info, &headline, Some(action))
        };
        let by = own.notice.by.as_ref().map(std::slice::from_ref).unwrap_or_default();
        Standing {
            what: format!("unsent {} {}", own.since.as_epoch_ms(), own.item),
            after_ms: REMINDER_MS,
            again_ms: Some(REMINDER_MS),
            title: None,
            channels: address::resolve(plan, by, Urgency::Info, words.now),
            notification,
        }
    });
    standing.collect()
}

/// A person who is waited for, and gates that are not met though the time has come.
fn waiting(words: &Words<'_>, memory: &Memory) -> Option<Standing> {
    let (key, live, blocked) = (words.key(), &words.rollout.record.live, &words.outlook.blocked);
    let is_person = |own: &Blocker| matches!(own, Blocker::Checklist(_) | Blocker::Manual);
    let is_figures = |own: &Blocker| matches!(own, Blocker::Gates(..) | Blocker::SampleRatio(_));
    let is_asked = words.outlook.next.is_some() && !blocked.is_empty();
    let reasons: Vec<String> = blocked.iter().map(ToString::to_string).collect();
    let (what, kind, after_ms, headline, action, command) = if live.killed {
        let headline = format!("{key} is still killed");
        let action = "Revive it, or roll it back.".to_owned();
        ("killed".to_owned(), NotificationKind::Waiting, REMINDER_MS, headline, action, "revive")
    } else if matches!(live.phase, Phase::RolledBack | Phase::Paused) {
        let word = phase(words);
        let headline = format!("{key} is still {word} at {} %", live.percentage);
        (
            word,
            NotificationKind::Waiting,
            REMINDER_MS,
            headline,
            "Resume it when the cause is found.".to_owned(),
            "resume",
        )
    } else if is_asked && blocked.iter().all(is_person) {
        let open =
            blocked.iter().find_map(|own| if let Blocker::Checklist(items) = own { Some(items.len()) } else { None });
        let place = words.stage().map(|stage| stage.name.to_string()).unwrap_or_default();
        let (action, command) = match open {
            Some(1) => ("Approve 1 item.".to_owned(), "approve"),
            Some(items) => (format!("Approve {items} items."), "approve"),
            None => ("Advance it, or leave it where it is.".to_owned(), "advance"),
        };
        let of = if live.phase == Phase::Draft { "to start".to_owned() } else { format!("to leave {place}") };
        let headline = format!("{key} waits for a person {of}");
        (
            format!("waiting {} {place} {}", live.attempt, command),
            NotificationKind::Waiting,
            0,
            headline,
            action,
            command,
        )
    } else if is_asked && live.phase == Phase::Running && blocked.iter().all(|own| is_person(own) || is_figures(own)) {
        let headline = format!("{key} does not leave {}: its time is over, but not all gates pass", live.stage);
        let action = "Look at the gates.".to_owned();
        (
            format!("blocked {} {}", live.attempt, live.stage),
            NotificationKind::Blocked,
            BLOCKED_MS,
            headline,
            action,
            "status",
        )
    } else {
        return None;
    };
    let since = memory.since(&what).unwrap_or(words.now);
    let urgency = if kind == NotificationKind::Waiting && after_ms == 0 { Urgency::Info } else { Urgency::Warning };
    let notification = Notification {
        why: format!("{} This has been so since {}.", explain::sentence(&reasons.join("; ")), since.to_words()),
        command: Some(format!("tidegate {command} {key}")),
        revision: Some(live.revision),
        ..words.message(kind, urgency, &headline, Some(action))
    };
    Some(Standing {
        what,
        after_ms,
        again_ms: Some(REMINDER_MS),
        title: None,
        channels: owners(words, urgency),
        notification,
    })
}
