//! What a command does, in words, made once for everybody who shows it: where the rollout goes, who moves,
//! what the schedule makes of it, and what a person should know before they agree.
//!
//! The command `tidegate` and the console lay these sentences out and add none of their own. What they can
//! do without is this: a kill must not wait for an answer to a dry run.

use super::moves::effective;
use super::shapes::{Consequences, Moves, Standing, Text, Warning};
use crate::api::view::Present;
use tidegate_decide::ahead::{Ahead, Step};
use tidegate_decide::ends;
use tidegate_decide::explain::{acts, known_before, listed, sentence};
use tidegate_decide::forecast::Forecast;
use tidegate_decide::judge::guard::true_from_outside;
use tidegate_decide::judge::words::count;
use tidegate_decide::reports::{Reported, never_reported};
use tidegate_decide::rollout::Rollout;
use tidegate_decide::schedule::{Blocker, frozen};
use tidegate_model::Percentage;
use tidegate_model::command::Command;
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::number::Grouped;
use tidegate_model::plan::limits::{FLAG_SEPARATOR, FLAGS_BYTES_MAX};
use tidegate_model::variant::Variant;

/// So many stages are named that a change jumps over; of more, the first and the last.
const STAGES_NAMED: usize = 4;

/// A command's change, and what follows of it.
pub struct Change<'a> {
    /// All rollouts, and the time.
    pub present: &'a Present<'a>,
    /// The rollout before.
    pub before: &'a Rollout,
    /// The rollout after the command alone.
    pub after: &'a Rollout,
    /// What the schedule makes of that.
    pub ahead: &'a Ahead,
    /// Whom all this moves.
    pub moves: &'a Moves,
    /// Of a start: what chance will do.
    pub forecast: Option<&'a Forecast>,
}

impl Change<'_> {
    /// Says what `command` does.
    pub fn by(&self, command: &Command) -> Consequences {
        Consequences {
            before: self.standing(self.before),
            after: self.standing(self.after),
            following: self.following().into_iter().chain(self.known(command)).collect(),
            movers: self.movers(),
            warnings: self.warnings(command),
            is_unconditional: command.is_stop(),
            needs_revision: !command.needs_no_revision(),
        }
    }

    fn states(&self) -> (&LiveState, &LiveState) {
        (&self.before.record.live, &self.after.record.live)
    }

    fn standing(&self, rollout: &Rollout) -> Standing {
        let (from, to) = self.states();
        let live = &rollout.record.live;
        let mut facts = Vec::new();
        if (from.phase, from.killed, from.attempt) != (to.phase, to.killed, to.attempt) {
            facts.push(live.phase.to_string().replace('_', " "));
            facts.extend(live.killed.then(|| "killed".to_owned()));
        }
        if from.attempt != to.attempt {
            facts.push(format!("attempt {}", live.attempt));
        }
        Standing { stage: (&live.stage).into(), percentage: effective(&rollout.plan, &rollout.record).into(), facts }
    }

    /// What the schedule makes of it at once, and what it waits for then.
    fn following(&self) -> Vec<String> {
        let steps: Vec<String> = self.ahead.steps.iter().map(step).collect();
        let mut lines = Vec::new();
        if !steps.is_empty() {
            lines.push(sentence(&format!("and then at once: {}", steps.join(", "))));
        }
        let waits: Vec<String> =
            self.ahead.outlook.blocked.iter().filter(|own| !own.is_state()).map(ToString::to_string).collect();
        let live = &self.ahead.rollout.record.live;
        if live.killed {
            lines.push("Nothing goes up by itself: it is 0 % until somebody revives it.".to_owned());
        } else if live.phase == Phase::Running && !waits.is_empty() {
            lines.push(sentence(&format!("then it waits: {}", waits.join("; "))));
        }
        lines
    }

    /// Before a start: what is known of legacy, and what that is worth.
    fn known(&self, command: &Command) -> Option<String> {
        let Rollout { plan, record, .. } = self.before;
        let metrics = self.present.deployment.metrics.get(&plan.key).filter(|_| *command == Command::Start)?;
        known_before(plan, record, &metrics.pasts).map(|text| sentence(&text))
    }

    fn movers(&self) -> Vec<String> {
        let (from, to) = self.states();
        let groups = group_lines(from, to);
        let (old, new) = match self.moves.direction.as_str() {
            "new" => ("legacy", "new"),
            "legacy" => ("new", "legacy"),
            _ if from.killed && to.killed => return vec!["Already killed: 0 % on new.".to_owned()],
            _ => {
                let nobody = if groups.is_empty() { "Nobody moves." } else { "Nobody moves by percentage." };
                return [vec![nobody.to_owned()], groups].concat();
            }
        };
        let seen = self
            .moves
            .subjects
            .map(|subjects| format!(": about {} of those seen in the last day", count(subjects as f64)))
            .unwrap_or_default();
        let kept = (new == "legacy" && !to.killed && !to.left_behind().is_empty())
            .then(|| "Browsers that have used new keep it: the plan has keep = \"used\".".to_owned());
        let moved = format!("{} of users move from {old} to {new}{seen}.", self.moves.share);
        [vec![moved], kept.into_iter().collect(), groups].concat()
    }

    fn warnings(&self, command: &Command) -> Vec<Warning> {
        let mut warnings: Vec<(&'static str, String)> = self.against(command);
        warnings.extend(self.skipped(command).into_iter().map(|text| ("skipped", format!("skipped: {text}"))));
        if *command == Command::Start {
            warnings.extend(self.forecast.into_iter().flat_map(by_chance).map(|text| ("chance", text)));
            let names = never_reported(&self.before.plan, self.present.deployment.metrics.get(&self.before.plan.key));
            warnings.extend(silent(&names, self.before.record.live.phase).map(|text| ("never_reported", text)));
        }
        warnings.extend(self.has_no_room(command).map(|text| ("no_room", text)));
        warnings.extend(self.still_true(command).into_iter().map(|text| ("still_true", text)));
        warnings.extend(self.jump().map(|text| ("jump", text)));
        warnings.extend(self.of_command(command));
        let ends = ends::ends(&self.before.plan, &self.before.record, &self.ahead.rollout.record);
        warnings.extend(ends.iter().map(|own| ("ends", own.to_string())));
        warnings.into_iter().map(|(code, text)| Warning { code: Text::word(code), text: sentence(&text) }).collect()
    }

    /// Of a flag that begins: that the header which names those on new has no room for all of them.
    fn has_no_room(&self, command: &Command) -> Option<String> {
        let Rollout { plan, .. } = self.before;
        if !plan.is_flag() || self.before.record.live.phase != Phase::Draft || command.is_stop() {
            return None;
        }
        let is_in_use = |rollout: &&Rollout| {
            let live = &rollout.record.live;
            rollout.plan.is_flag() && rollout.plan.key != plan.key && live.phase != Phase::Draft && !live.killed
        };
        let others = self.present.deployment.rollouts.iter().filter(is_in_use).map(|rollout| &rollout.plan);
        let bytes: usize = others.chain([plan]).map(|plan| plan.flag(Variant::New).len() + FLAG_SEPARATOR.len()).sum();
        (bytes > FLAGS_BYTES_MAX + FLAG_SEPARATOR.len()).then(|| {
            format!(
                "the flags that are started may need {} bytes of `tidegate-flags`, which has {}: those without room are on legacy for everybody, while their stages go on. `tidegate stale` lists flags that are done",
                Grouped(bytes),
                Grouped(FLAGS_BYTES_MAX)
            )
        })
    }

    /// The guardrails with which another attempt would end again.
    fn still_true(&self, command: &Command) -> Vec<String> {
        let Rollout { plan, record, .. } = self.before;
        let begins = record.live.phase == Phase::RolledBack && matches!(command, Command::Resume(_) | Command::Set(_));
        let metrics = self.present.deployment.metrics.get(&plan.key).filter(|_| begins);
        let now = self.present.now;
        let all = metrics.into_iter().flat_map(|metrics| true_from_outside(plan, &metrics.signals, now));
        all.map(|own| format!("`{}` is still true, and {} again", own.when, acts(&own.then.to_string()))).collect()
    }

    /// What speaks against a command that is done because somebody has named the rollout.
    fn against(&self, command: &Command) -> Vec<(&'static str, String)> {
        if !matches!(command, Command::Complete(Some(_))) {
            return Vec::new();
        }
        let rollout = self.before;
        let all = self.present.deployment.offers(rollout, self.present.now);
        let complete = all.not_now.iter().filter(|own| own.command == command.name());
        complete.map(|own| ("confirmed", format!("done all the same: {}", own.reason()))).collect()
    }

    /// What would keep the schedule from doing this now.
    fn skipped(&self, command: &Command) -> Vec<String> {
        let is_rise = self.moves.direction == "new";
        let is_skipped = |own: &Blocker| match (command, own) {
            (Command::Advance | Command::Complete(_), Blocker::Hold(..) | Blocker::Gates(..) | Blocker::Hook(_)) => {
                true
            }
            (
                Command::Set(_),
                Blocker::Hold(..)
                | Blocker::Gates(..)
                | Blocker::Hook(_)
                | Blocker::Checklist(_)
                | Blocker::Freeze(_)
                | Blocker::Enter(..),
            ) => is_rise,
            _ => false,
        };
        let (deployment, now) = (self.present.deployment, self.present.now);
        let mut blocked = deployment.outlook(self.before, now).blocked;
        // What is paused or rolled back is asked for nothing else.
        let is_known = blocked.iter().any(|own| matches!(own, Blocker::Freeze(_)));
        blocked.extend(frozen(&deployment.in_force(self.before), now).filter(|_| !is_known));
        blocked.iter().filter(|own| is_skipped(own)).map(ToString::to_string).collect()
    }

    /// The stages that a change jumps over.
    fn jump(&self) -> Option<String> {
        let (from, to) = self.states();
        let plan = &self.before.plan;
        let place = |state: &LiveState| plan.stage_index(state.stage.as_str());
        let (first, last) = (place(from)? + 1, place(to)?);
        if from.phase == Phase::Draft {
            return None;
        }
        let over: Vec<String> =
            plan.stages.get(first..last).unwrap_or_default().iter().map(|stage| stage.name.to_string()).collect();
        match over.as_slice() {
            [] => None,
            [first, .., last] if over.len() > STAGES_NAMED => {
                Some(format!("this jumps over {} stages, {first} to {last}", over.len()))
            }
            _ => Some(format!("this jumps over {}", listed(&over))),
        }
    }

    fn of_command(&self, command: &Command) -> Vec<(&'static str, String)> {
        let (from, to) = self.states();
        let attempt = format!("this begins attempt {}", to.attempt);
        match command {
            Command::Set(_) => [
                (from.phase == Phase::Running).then(|| ("held", "it stays there until it is resumed".to_owned())),
                (from.phase == Phase::RolledBack).then_some(("attempt", attempt)),
                to.killed.then(|| ("killed", "it stays killed: 0 % on new until it is revived".to_owned())),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Command::Resume(_) if from.phase == Phase::RolledBack => {
                vec![("attempt", format!("{attempt}, in {}; its checklists start over", to.stage))]
            }
            Command::Complete(_) => vec![("all", "100 % of users go to new, and no stage follows".to_owned())],
            Command::Advance if to.percentage == Percentage::FULL => {
                vec![("all", "100 % of users go to new".to_owned())]
            }
            _ => Vec::new(),
        }
    }
}

/// What gates and guardrails rely on, and nobody has ever reported.
pub fn silent(names: &[Reported], phase: Phase) -> Option<String> {
    let is_too_early = phase == Phase::Draft && names.iter().any(Reported::is_from_pages);
    let why = if is_too_early { " (pages report once the rollout has started)" } else { "" };
    let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then(|| {
        format!(
            "never reported: {}{why}; gates and guardrails that need it stay inconclusive until then",
            listed(&texts)
        )
    })
}

/// What chance alone does to the plan at the traffic that was measured.
fn by_chance(forecast: &Forecast) -> Vec<String> {
    let alarms = forecast.alarms.iter().filter(|alarm| alarm.is_frequent).map(|alarm| alarm.text.clone());
    let needs = forecast.stages.iter().flat_map(|reach| {
        let open = reach.needs.iter().filter(|need| !need.is_reached);
        open.map(|need| format!("in {}: {}", reach.stage, need.text))
    });
    alarms.chain(needs).collect()
}

/// A kill takes groups off new too.
fn group_lines(from: &LiveState, to: &LiveState) -> Vec<String> {
    let groups = |state: &LiveState| {
        if state.killed { Vec::new() } else { state.groups.iter().map(ToString::to_string).collect::<Vec<_>>() }
    };
    let (before, after) = (groups(from), groups(to));
    let only = |these: &[String], those: &[String]| {
        these.iter().filter(|group| !those.contains(group)).cloned().collect::<Vec<_>>()
    };
    let ways = [(only(&before, &after), "back to legacy"), (only(&after, &before), "to new")];
    ways.into_iter()
        .filter(|(groups, _)| !groups.is_empty())
        .map(|(groups, way)| match groups.as_slice() {
            [one] => format!("The group {one} goes {way}."),
            several => format!("The groups {} go {way}.", listed(several)),
        })
        .collect()
}

fn step(step: &Step) -> String {
    let place = || format!("{} {} %", step.state.stage, step.state.percentage);
    match step.command {
        Command::Complete(_) => "completed".to_owned(),
        Command::End => "ended".to_owned(),
        Command::Release => format!("released in {}", place()),
        Command::Wait => "waits for the rollouts before it".to_owned(),
        _ => place(),
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::moves::moves;
    use super::super::shapes::Percent;
    use super::*;
    use tidegate_decide::deployment::Deployment;
    use tidegate_decide::rollout::Order;
    use tidegate_model::Instant;
    use tidegate_model::command::{Cause, Setting, Target};
    use tidegate_model::plan::set::read_rollout;

    const LADDER: &str = r#"{"key":"demo","defaults":"none","identity":{"from":["header:x-user-id"]},"groups":{"team":{"ids":["ana"]},"sales":{"ids":["ben"]}},
        "stage":[{"name":"canary","percentage":10,"groups":["team"],"hold":"48m","checklist":["Backups"]},{"name":"quarter","percentage":25,"groups":["team","sales"],"hold":"1h"},
        {"name":"half","percentage":50,"groups":["team","sales"],"hold":"1h"},{"name":"full","percentage":100,"groups":["team","sales"],"hold":"1h"}]}"#;

    fn now() -> Instant {
        Instant::from_epoch_ms(1_780_000_000_000)
    }

    /// A rollout after these commands.
    fn after(commands: &[Command]) -> Rollout {
        let plan = Rc::new(read_rollout(LADDER).unwrap());
        commands.iter().fold(Rollout::new(plan, LADDER.into(), 0, now()), |rollout, command| {
            rollout.change(Order::new(command.clone(), "ana", "why".into()), now()).unwrap().rollout
        })
    }

    fn answer(before: &Rollout, command: &Command) -> Consequences {
        let deployment = Deployment::default();
        let present = Present {
            deployment: &deployment,
            faults: &[],
            lists: &[],
            setup: &[],
            reaches: &[],
            isolates: 0,
            now: now(),
        };
        let changed = before.change(Order::new(command.clone(), "ana", "why".into()), now()).unwrap().rollout;
        let ahead = deployment.ahead(&changed, now());
        let moves = moves(&present, before, &ahead.rollout);
        Change { present: &present, before, after: &changed, ahead: &ahead, moves: &moves, forecast: None }.by(command)
    }

    fn texts(answer: &Consequences) -> Vec<&str> {
        answer.warnings.iter().map(|warning| warning.text.as_str()).collect()
    }

    fn set(percentage: &str) -> Command {
        Command::Set(Setting::percentage(percentage.parse().unwrap()))
    }

    #[test]
    fn a_step_says_from_where_to_where_who_moves_what_follows_and_what_it_skips() {
        let running = after(&[Command::Start, Command::Approve("Backups".into())]);
        let answer = answer(&running, &Command::Advance);
        assert_eq!((answer.before.percentage, answer.after.stage.as_str()), (Percent(10.0), "quarter"));
        assert_eq!(answer.before.facts, Vec::<String>::new(), "only what differs is named");
        assert_eq!(answer.movers, ["15 % of users move from legacy to new.", "The group sales goes to new."]);
        assert_eq!(answer.following, ["Then it waits: bake time of 1h not over."]);
        assert_eq!(texts(&answer), ["Skipped: bake time of 48m not over."]);
        assert!(answer.needs_revision && !answer.is_unconditional);
    }

    #[test]
    fn a_kill_takes_groups_off_new_too_and_a_second_one_moves_nobody() {
        let running = after(&[Command::Start]);
        let kill = Command::Kill(Cause::Command);
        let first = answer(&running, &kill);
        assert_eq!(first.movers, ["10 % of users move from new to legacy.", "The group team goes back to legacy."]);
        assert_eq!((first.after.percentage, first.after.facts.join(", ").as_str()), (Percent(0.0), "running, killed"));
        assert!(first.is_unconditional && !first.needs_revision && first.warnings.is_empty());
        assert_eq!(first.following, ["Nothing goes up by itself: it is 0 % until somebody revives it."]);
        assert_eq!(answer(&after(&[Command::Start, kill.clone()]), &kill).movers, ["Already killed: 0 % on new."]);
    }

    #[test]
    fn a_set_warns_of_all_that_it_goes_around_over_what_it_jumps_and_that_it_stays_killed() {
        let running = after(&[Command::Start]);
        assert_eq!(
            texts(&answer(&running, &set("100"))),
            [
                "Skipped: bake time of 48m not over.",
                "Skipped: not approved yet: Backups.",
                "This jumps over quarter and half.",
                "It stays there until it is resumed.",
            ]
        );
        assert_eq!(texts(&answer(&running, &set("5"))), ["It stays there until it is resumed."]);
        let killed = after(&[Command::Start, Command::Kill(Cause::Command)]);
        let low = answer(&killed, &set("5"));
        assert!(texts(&low).contains(&"It stays killed: 0 % on new until it is revived."), "{low:?}");
    }

    #[test]
    fn after_a_rollback_it_says_which_attempt_begins_and_what_speaks_against_completing() {
        let back = after(&[Command::Start, Command::Rollback(Target::Off)]);
        let resumed = answer(&back, &Command::Resume(None));
        assert_eq!(texts(&resumed), ["This begins attempt 2, in canary; its checklists start over."]);
        assert_eq!(
            (resumed.before.facts.join(", ").as_str(), resumed.after.facts.join(", ").as_str()),
            ("rolled back, attempt 1", "running, attempt 2")
        );
        let completed = answer(&back, &Command::Complete(Some("demo".parse().unwrap())));
        assert_eq!(
            texts(&completed),
            [
                "Done all the same: the rollout is rolled back.",
                "This jumps over quarter and half.",
                "100 % of users go to new, and no stage follows.",
            ]
        );
    }

    #[test]
    fn what_was_never_reported_is_reported_with_the_reason_where_it_is_too_early() {
        let event = Reported::Event("order".parse().unwrap());
        let signal = Reported::Signal("p1".parse().unwrap());
        assert_eq!(silent(&[], Phase::Draft), None);
        let draft = silent(&[event, signal.clone()], Phase::Draft).unwrap();
        assert!(draft.starts_with("never reported: event.order and signal.p1 (pages report once"), "{draft}");
        let started = silent(&[signal], Phase::Running).unwrap();
        assert!(started.starts_with("never reported: signal.p1; gates"), "{started}");
    }
}
