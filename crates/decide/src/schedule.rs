//! What happens next to a rollout by itself, when, and what stands in its way.
//!
//! Pure: the same plan, record, facts and time give the same outlook, for the controller that acts
//! on it, for the status that shows it and for a simulation.

use std::fmt;

use super::hooks::OpenHook;
use super::judge::Verdict;
use tidegate_model::calendar::first_moment;
use tidegate_model::command::Command;
use tidegate_model::live::Phase;
use tidegate_model::plan::{Advance, Plan, ProblemKind, Stage, Start};
use tidegate_model::record::Record;
use tidegate_model::{Duration, Instant, Name, Percentage};

/// What the schedule knows beside the plan and the record.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The rollouts of `after` that have not ended.
    pub awaited: Vec<Name>,
    /// The verdicts of the current stage's gates, in their order.
    pub gates: Vec<Verdict>,
    /// Why the sides cannot be compared, where the deal was shown to be unfair.
    pub unfair: Option<String>,
    /// The problems because of which no stage is left, and how each shows.
    pub held: Vec<(ProblemKind, String)>,
    /// The hooks that have not said that the next step may happen.
    pub hooks: Vec<OpenHook>,
}

/// What happens next, and what stands in its way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// What is to be done now.
    pub due: Option<Command>,
    /// What will be done once nothing blocks it.
    pub next: Option<Next>,
    /// What blocks it now.
    pub blocked: Vec<Blocker>,
    /// When to look again at the latest, because of the time alone.
    pub wake: Option<Instant>,
}

/// The schedule's next step.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    /// What will be done.
    pub command: Command,
    /// The stage entered.
    pub stage: Option<Name>,
    /// The percentage that will be in force.
    pub percentage: Option<Percentage>,
    /// When, where only the time stands in the way.
    pub at: Option<Instant>,
}

/// One thing that stands in the way.
#[derive(Clone, Debug, PartialEq)]
pub enum Blocker {
    /// Nobody has started it.
    Draft,
    /// It is held.
    Paused,
    /// It is rolled back.
    RolledBack,
    /// Nothing is left to do.
    Completed,
    /// A kill.
    Killed,
    /// A last stage under 100 % stays as it is.
    LastStage,
    /// Rollouts named in `after`.
    After(Vec<Name>),
    /// The plan's `start`.
    Start(Instant),
    /// The same, which is a deployment of new.
    Deploy,
    /// `advance = "manual"`.
    Manual,
    /// The stage's hold, which has lasted for so many milliseconds.
    Hold(Duration, Instant),
    /// Gates: those that fail, and those of which nobody can tell yet.
    Gates(Vec<String>, Vec<String>),
    /// The deal was shown to be unfair.
    SampleRatio(String),
    /// A problem, and how it shows.
    Problem(ProblemKind, String),
    /// Open items.
    Checklist(Vec<String>),
    /// Hooks that have not said go.
    Hook(Vec<OpenHook>),
    /// A freeze.
    Freeze(Option<Instant>),
    /// The next stage's `enter`.
    Enter(Name, Option<Instant>),
}

impl Blocker {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Paused => "paused",
            Self::RolledBack => "rolled_back",
            Self::Completed => "completed",
            Self::Killed => "killed",
            Self::LastStage => "last_stage",
            Self::After(_) => "after",
            Self::Start(_) | Self::Deploy => "start",
            Self::Manual => "manual",
            Self::Hold(..) => "hold",
            Self::Gates(..) => "gates",
            Self::SampleRatio(_) => "sample_ratio",
            Self::Problem(..) => "problem",
            Self::Checklist(_) => "checklist",
            Self::Hook(_) => "hook",
            Self::Freeze(_) => "freeze",
            Self::Enter(..) => "enter",
        }
    }

    /// Whether the state says the same, so that whoever shows the state need not show it again.
    pub const fn is_state(&self) -> bool {
        matches!(self, Self::Draft | Self::Killed | Self::Paused | Self::RolledBack | Self::Completed)
    }

    /// When it ends by itself.
    pub const fn until(&self) -> Option<Instant> {
        match self {
            Self::Start(at) | Self::Hold(_, at) => Some(*at),
            Self::Freeze(at) | Self::Enter(_, at) => *at,
            _ => None,
        }
    }
}

impl Blocker {
    /// What has to be met before it is gone, where that is not a matter of time: `2 gates pass`.
    pub fn condition(&self) -> Option<String> {
        let counted = |count: usize, one: &str, many: &str| {
            if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
        };
        Some(match self {
            Self::Gates(failing, unknown) => counted(failing.len() + unknown.len(), "gate passes", "gates pass"),
            Self::Checklist(items) => counted(items.len(), "item is approved", "items are approved"),
            Self::Hook(hooks) => counted(hooks.len(), "hook says go", "hooks say go"),
            Self::After(names) => counted(names.len(), "rollout before it has ended", "rollouts before it have ended"),
            Self::Manual => "an operator advances it".to_owned(),
            Self::SampleRatio(_) => "the sample ratio is OK".to_owned(),
            Self::Problem(kind, _) => format!("`{kind}` is over"),
            Self::Killed => "it is revived".to_owned(),
            _ => return None,
        })
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draft => f.write_str("not started: an operator starts it"),
            Self::Paused => f.write_str("paused: nothing happens until an operator resumes it"),
            Self::RolledBack => f.write_str("rolled back: nothing happens until an operator resumes it"),
            Self::Completed => f.write_str("completed: 100 % on new"),
            Self::Killed => f.write_str("killed: 0 % on new until it is revived"),
            Self::LastStage => f.write_str("a last stage under 100 % stays until it is completed"),
            Self::After(names) => {
                let names: Vec<&str> = names.iter().map(Name::as_str).collect();
                write!(f, "waits until {} {} ended", names.join(", "), if names.len() == 1 { "has" } else { "have" })
            }
            Self::Start(at) => write!(f, "the plan starts at {at}"),
            Self::Deploy => f.write_str("the plan starts once another version of new is deployed"),
            Self::Manual => f.write_str("the plan leaves advancing to an operator"),
            Self::Hold(hold, _) => write!(f, "bake time of {hold} not over"),
            Self::Gates(failing, unknown) => {
                if !failing.is_empty() {
                    write!(f, "not met: {}", named(failing))?;
                }
                if !unknown.is_empty() {
                    write!(f, "{}waiting for data: {}", if failing.is_empty() { "" } else { "; " }, named(unknown))?;
                }
                Ok(())
            }
            Self::SampleRatio(why) => f.write_str(why),
            Self::Problem(kind, why) => write!(f, "{}: {why}", kind.what()),
            Self::Checklist(items) => write!(f, "not approved yet: {}", items.join("; ")),
            Self::Hook(hooks) => {
                let hooks: Vec<String> =
                    hooks.iter().map(|own| format!("the hook `{}` {}", own.at, own.said)).collect();
                f.write_str(&hooks.join("; "))
            }
            Self::Freeze(_) => f.write_str("change freeze"),
            Self::Enter(stage, _) => write!(f, "the stage {stage} may not be entered at this time"),
        }
    }
}

/// Some gates, all of them: whoever has to do something about them has to know each.
fn named(gates: &[String]) -> String {
    gates.iter().map(|gate| format!("`{gate}`")).collect::<Vec<_>>().join(", ")
}

/// The gates of the present stage that fail: those that were judged, and that new has not met.
pub fn failing_gates(plan: &Plan, record: &Record, facts: &Facts, now: Instant) -> Vec<String> {
    let stage = plan.stage_index(record.live.stage.as_str()).unwrap_or(0);
    match (Looking { plan, record, facts, now }).gates(stage) {
        Some(Blocker::Gates(failing, _)) => failing,
        _ => Vec::new(),
    }
}

/// Whether nothing can be due, since the bake time of the present stage is not over and nobody is waited for.
pub fn is_held(plan: &Plan, record: &Record, now: Instant) -> bool {
    let stage = plan.stages.get(plan.stage_index(record.live.stage.as_str()).unwrap_or(0));
    let hold = stage.and_then(|stage| stage.hold);
    record.live.phase == Phase::Running
        && !record.is_waiting
        && plan.after.is_empty()
        && hold.is_some_and(|hold| record.held_since.unwrap_or(now).plus(hold) > now)
}

/// Looks ahead.
pub fn outlook(plan: &Plan, record: &Record, facts: &Facts, now: Instant) -> Outlook {
    let looking = Looking { plan, record, facts, now };
    let is_started = !matches!(record.live.phase, Phase::Draft | Phase::Completed);
    // Whether others have ended is reported at once, whatever else blocks.
    let reported = match (is_started, record.is_waiting, facts.awaited.is_empty()) {
        (true, true, true) => Some(Command::Release),
        (true, false, false) => Some(Command::Wait),
        _ => None,
    };
    if let Some(command) = reported {
        return Outlook { due: Some(command), ..Outlook::default() };
    }
    let (step, blocked) = looking.next();
    let Some((command, index)) = step else {
        return Outlook { blocked, wake: None, ..Outlook::default() };
    };
    let stage = index.and_then(|index| plan.stages.get(index));
    let until: Vec<Option<Instant>> = blocked.iter().map(Blocker::until).collect();
    let at = if until.iter().all(Option::is_some) { until.iter().flatten().max().copied() } else { None };
    let percentage = match command {
        Command::Complete(_) => Some(Percentage::FULL),
        _ => stage.map(|stage| stage.percentage.max(record.live.percentage)),
    };
    let next = Next {
        command: command.clone(),
        stage: stage.map(|stage| stage.name.clone()),
        percentage,
        at: if blocked.is_empty() { Some(now) } else { at },
    };
    Outlook {
        due: blocked.is_empty().then_some(command),
        next: Some(next),
        wake: until.into_iter().flatten().min(),
        blocked,
    }
}

struct Looking<'a> {
    plan: &'a Plan,
    record: &'a Record,
    facts: &'a Facts,
    now: Instant,
}

impl Looking<'_> {
    /// The next step (with the stage that it enters) and what blocks it.
    fn next(&self) -> (Option<(Command, Option<usize>)>, Vec<Blocker>) {
        let live = &self.record.live;
        let killed = live.killed.then_some(Blocker::Killed);
        match live.phase {
            Phase::Draft => match self.plan.start_at() {
                None if self.plan.start == Some(Start::OnDeploy) => {
                    let open = (!self.record.is_deployed).then_some(Blocker::Deploy);
                    let blocked = killed.into_iter().chain(open).chain(self.before_start(None)).collect();
                    (Some((Command::Start, Some(0))), blocked)
                }
                None => (
                    None,
                    [Some(Blocker::Draft), killed].into_iter().flatten().chain(self.before_start(None)).collect(),
                ),
                Some(start) => (
                    Some((Command::Start, Some(0))),
                    killed.into_iter().chain(self.before_start(Some(start))).collect(),
                ),
            },
            Phase::Paused => (None, [killed, Some(Blocker::Paused)].into_iter().flatten().collect()),
            Phase::RolledBack => {
                (None, [killed, Some(Blocker::RolledBack)].into_iter().flatten().chain(self.checklist()).collect())
            }
            Phase::Completed => (None, [killed, Some(Blocker::Completed)].into_iter().flatten().collect()),
            Phase::Running => {
                let (step, blocked) = self.while_running();
                (step, killed.into_iter().chain(blocked).collect())
            }
        }
    }

    fn before_start(&self, start: Option<Instant>) -> Vec<Blocker> {
        let start = start.filter(|start| *start > self.now).map(Blocker::Start);
        start
            .into_iter()
            .chain(self.after())
            .chain(self.checklist())
            .chain(self.freeze())
            .chain(self.enter(self.plan.stages.first()))
            .collect()
    }

    fn while_running(&self) -> (Option<(Command, Option<usize>)>, Vec<Blocker>) {
        let index = self.plan.stage_index(self.record.live.stage.as_str()).unwrap_or(0);
        let Some(stage) = self.plan.stages.get(index) else { return (None, Vec::new()) };
        let following = self.plan.stages.get(index + 1);
        let unfair = self.facts.unfair.clone().map(Blocker::SampleRatio);
        let own: Vec<Blocker> = self
            .after()
            .into_iter()
            .chain(self.hold(stage))
            .chain(self.gates(index))
            .chain(unfair)
            .chain(self.facts.held.iter().map(|(kind, why)| Blocker::Problem(*kind, why.clone())))
            .chain(self.checklist())
            .chain(self.hooks(following.is_some()))
            .collect();
        let is_whole = self.record.live.percentage == Percentage::FULL;
        match following {
            None if !is_whole && self.record.live.ended => (None, vec![Blocker::LastStage]),
            None if !is_whole => (Some((Command::End, None)), own),
            _ => {
                let manual = (self.plan.advance == Advance::Manual).then_some(Blocker::Manual);
                let blocked = own.into_iter().chain(manual).chain(self.freeze()).chain(self.enter(following)).collect();
                let step = if following.is_some() {
                    (Command::Advance, Some(index + 1))
                } else {
                    (Command::Complete(None), None)
                };
                (Some(step), blocked)
            }
        }
    }

    fn after(&self) -> Option<Blocker> {
        (!self.facts.awaited.is_empty()).then(|| Blocker::After(self.facts.awaited.clone()))
    }

    fn hold(&self, stage: &Stage) -> Option<Blocker> {
        let hold = stage.hold?;
        let until = self.record.held_since.unwrap_or(self.now).plus(hold);
        (until > self.now).then_some(Blocker::Hold(hold, until))
    }

    fn gates(&self, stage: usize) -> Option<Blocker> {
        let verdict = |index: usize| self.facts.gates.get(index).copied().unwrap_or(Verdict::Inconclusive);
        let those = |wanted: Verdict| {
            self.plan
                .gates_in_force(stage)
                .enumerate()
                .filter(|(index, _)| verdict(*index) == wanted)
                .map(|(_, gate)| gate.to_string())
                .collect::<Vec<_>>()
        };
        let (failing, unknown) = (those(Verdict::Fail), those(Verdict::Inconclusive));
        (!failing.is_empty() || !unknown.is_empty()).then_some(Blocker::Gates(failing, unknown))
    }

    fn checklist(&self) -> Option<Blocker> {
        let open = self.record.open_items(&self.record.checklist(self.plan)?, self.plan);
        (!open.is_empty()).then_some(Blocker::Checklist(open))
    }

    fn hooks(&self, has_following: bool) -> Option<Blocker> {
        // What stands before a stage that does not follow is never asked.
        let open: Vec<OpenHook> =
            self.facts.hooks.iter().filter(|own| has_following || !own.is_last).cloned().collect();
        (!open.is_empty()).then_some(Blocker::Hook(open))
    }

    fn freeze(&self) -> Option<Blocker> {
        frozen(self.plan, self.now)
    }

    fn enter(&self, stage: Option<&Stage>) -> Option<Blocker> {
        let stage = stage?;
        let open = stage.opens(self.now);
        (open != Some(self.now)).then(|| Blocker::Enter(stage.name.clone(), open))
    }
}

/// The change freeze that is in force, of a plan with the freeze of the deployment in it.
pub fn frozen(plan: &Plan, now: Instant) -> Option<Blocker> {
    if plan.freeze.is_empty() {
        return None;
    }
    let free = first_moment(&plan.freeze, now.as_epoch_ms(), false).map(Instant::from_epoch_ms);
    (free != Some(now)).then_some(Blocker::Freeze(free))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transition::transition;
    use tidegate_model::plan::set::read_rollout;

    #[test]
    fn a_draft_that_starts_with_a_deployment_waits_for_one_and_for_its_checklist() {
        let text = r#"{"key":"shop","start":"on deploy","checklist":["Signed off"],
            "identity":{"from":["header:x-user-id"]},"stage":[{"name":"full","percentage":100,"hold":"1h"}]}"#;
        let plan = read_rollout(text).unwrap();
        assert_eq!(serde_json::to_value(&plan).unwrap()["start"], "on deploy");
        let now = Instant::from_epoch_ms(1_780_000_000_000);
        let after = |record: &Record, command: Command, actor: &str| {
            transition(&plan, record, &command, actor, now).unwrap_or_else(|refusal| unreachable!("{refusal}"))
        };
        let look = |record: &Record| outlook(&plan, record, &Facts::default(), now);
        let deployed = |version: &str| Command::Deployed(version.parse().unwrap());
        let draft = Record::draft(&plan, now);
        let by_hand = after(&draft, deployed("v1"), "ana");
        assert_eq!(look(&by_hand).blocked, [Blocker::Checklist(vec!["Signed off".into()])]);
        let approved = after(&draft, Command::Approve("Signed off".into()), "ana");
        let seen = after(&approved, deployed("v1"), "schedule");
        assert_eq!(look(&seen).blocked, [Blocker::Deploy], "the first that is seen was there all along");
        let other = after(&seen, deployed("v2"), "schedule");
        assert_eq!(look(&other).due, Some(Command::Start));
        assert_eq!(Record::parse(&other.to_json()).as_ref(), Some(&other), "it is stored");
        assert!(!after(&other, Command::Start, "schedule").is_deployed);
    }
}
