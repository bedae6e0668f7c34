//! Hooks: what is asked before a step, and what its answer does.
//!
//! 1. Only `go` lets a step happen. `wait` asks again later, `stop` pauses the rollout.
//! 2. No answer, or one that cannot be read, is none of them: the step waits, and that is a fault.
//! 3. An answer counts for one visit of one stage: after a rollback, a resume or a step it is asked anew.

use std::collections::BTreeMap;

use crate::rollout::Noticed;
use tidegate_model::live::Phase;
use tidegate_model::plan::probe::HookSide;
use tidegate_model::plan::{Hook, Plan};
use tidegate_model::record::Record;
use tidegate_model::{Duration, Instant};

/// The actor of what a hook says.
pub const HOOK: &str = "hook";
/// A question that has had no answer for so long is given up, in milliseconds: longer than it may take.
const UNANSWERED_MS: i64 = 60_000;
/// A hook that says `wait` is asked again after this long where it says nothing else.
pub const AGAIN_DEFAULT: Duration = Duration::seconds(30);
/// It is not asked again sooner than this, in milliseconds.
const AGAIN_MS_MIN: i64 = 5_000;
/// It is asked again after this long at the latest, in milliseconds.
const AGAIN_MS_MAX: i64 = 3_600_000;
/// One that fails is asked again after twice as long each time, in milliseconds: from here, to there.
const RETRY_MS: (i64, i64) = (10_000, 300_000);

/// What a hook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookAnswer {
    /// The step may happen.
    Go,
    /// Not yet; ask again after this.
    Wait(Duration, String),
    /// The rollout is to be paused.
    Stop(String),
}

/// What is known of the hooks of one rollout, each by its place in the plan.
#[derive(Clone, Debug, Default)]
pub struct Hooks(BTreeMap<usize, HookState>);

/// A visit of a stage: when it was entered, and since when its hold runs.
type Visit = (u64, Option<Instant>);

#[derive(Clone, Debug, Default)]
struct HookState {
    visit: Visit,
    asked_at: Option<Instant>,
    next_at: Option<Instant>,
    answer: Option<HookAnswer>,
    failures: u32,
    error: Option<(Instant, String)>,
}

/// A hook that a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHook {
    /// Its place in the plan.
    pub index: usize,
    /// When it is asked: `before canary`.
    pub at: String,
    /// What it has said, or why it has not: a part of a sentence.
    pub said: String,
    /// Whether it is asked only once nothing else blocks the step.
    pub is_last: bool,
}

const fn visit(record: &Record) -> Visit {
    (record.entered_revision, record.held_since)
}

impl Hooks {
    fn state(&self, index: usize, record: &Record) -> Option<&HookState> {
        self.0.get(&index).filter(|state| state.visit == visit(record))
    }

    fn state_mut(&mut self, index: usize, record: &Record) -> &mut HookState {
        let state = self.0.entry(index).or_default();
        if state.visit != visit(record) {
            *state = HookState { visit: visit(record), ..HookState::default() };
        }
        state
    }

    /// The hooks that the next step of a rollout waits for.
    pub fn open(&self, plan: &Plan, record: &Record) -> Vec<OpenHook> {
        if record.live.phase != Phase::Running {
            return Vec::new();
        }
        let stage = plan.stage_index(record.live.stage.as_str()).unwrap_or(0);
        let concerns = |hook: &Hook| match hook.at.side {
            HookSide::After => plan.stages.get(stage).is_some_and(|own| own.name == hook.at.stage),
            HookSide::Before => plan.stages.get(stage + 1).is_some_and(|own| own.name == hook.at.stage),
        };
        let hooks = plan.hooks.iter().enumerate().filter(|(_, hook)| concerns(hook));
        hooks
            .filter_map(|(index, hook)| {
                let state = self.state(index, record);
                if state.is_some_and(|state| state.answer == Some(HookAnswer::Go)) {
                    return None;
                }
                let said = match state.map(|state| (&state.error, &state.answer)) {
                    Some((Some((_, why)), _)) => format!("has not answered: {why}"),
                    Some((_, Some(HookAnswer::Wait(_, why)))) if why.is_empty() => "says wait".to_owned(),
                    Some((_, Some(HookAnswer::Wait(_, why)))) => format!("says wait: {why}"),
                    Some((_, Some(HookAnswer::Stop(why)))) if why.is_empty() => "says stop".to_owned(),
                    Some((_, Some(HookAnswer::Stop(why)))) => format!("says stop: {why}"),
                    _ => "has not answered yet".to_owned(),
                };
                let is_last = hook.at.side == HookSide::Before;
                Some(OpenHook { index, at: hook.at.to_string(), said, is_last })
            })
            .collect()
    }

    /// When a hook is to be asked.
    pub fn due_at(&self, index: usize, record: &Record, now: Instant) -> Instant {
        let Some(state) = self.state(index, record) else { return now };
        match (state.asked_at, state.next_at) {
            // A clock that was set back says nothing.
            (Some(asked), _) if asked <= now => asked.plus_ms(UNANSWERED_MS),
            (_, next) => next.unwrap_or(now),
        }
    }

    /// It is asked.
    pub fn ask(&mut self, index: usize, record: &Record, now: Instant) {
        self.state_mut(index, record).asked_at = Some(now);
    }

    /// It has answered, or why it has not. Returns whether what people see has changed.
    pub fn answer(&mut self, index: usize, record: &Record, answer: Result<HookAnswer, String>, now: Instant) -> bool {
        let state = self.state_mut(index, record);
        let before = (state.answer.clone(), state.error.as_ref().map(|(_, why)| why.clone()));
        state.asked_at = None;
        let pause_ms = match answer {
            Ok(answer) => {
                let again = match &answer {
                    HookAnswer::Wait(again, _) => *again,
                    _ => AGAIN_DEFAULT,
                };
                (state.answer, state.error, state.failures) = (Some(answer), None, 0);
                i64::try_from(again.as_ms()).unwrap_or(i64::MAX).clamp(AGAIN_MS_MIN, AGAIN_MS_MAX)
            }
            Err(why) => {
                let since = state.error.take().map_or(now, |(since, _)| since);
                // What it said before counts no more: nobody knows whether it still says so.
                (state.answer, state.error) = (None, Some((since, why)));
                let pause_ms = RETRY_MS.0.saturating_mul(1 << state.failures.min(10)).min(RETRY_MS.1);
                state.failures = state.failures.saturating_add(1);
                pause_ms
            }
        };
        state.next_at = Some(now.plus_ms(pause_ms));
        before != (state.answer.clone(), state.error.as_ref().map(|(_, why)| why.clone()))
    }
}

/// What is wrong with the hooks of a plan that are to be asked now.
pub fn faults(plan: &Plan, record: &Record, hooks: &Hooks) -> Vec<Noticed> {
    let open = hooks.open(plan, record);
    let failing = open.iter().filter_map(|own| {
        let (at, why) = hooks.state(own.index, record)?.error.clone()?;
        let message = format!("the hook `{}` does not answer, so the step waits: {why}", own.at);
        Some(Noticed { subject: format!("hook/{}", own.at.replace(' ', "/")), message, at })
    });
    failing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::plan::set::read_rollout;

    const PLAN: &str = r#"{"key":"shop","identity":{"from":["header:x-user-id"]},
        "stage":[{"name":"team","percentage":0,"hold":"1h"},{"name":"canary","percentage":10,"hold":"1h"},{"name":"full","percentage":100}],
        "hook":[{"at":"before canary","webhook":"secret:U","signing_secret":"secret:K"},{"at":"after canary","webhook":"secret:U","signing_secret":"secret:K"}]}"#;

    fn at(s: i64) -> Instant {
        Instant::from_epoch_ms(1_780_000_000_000 + s * 1_000)
    }

    fn running(plan: &Plan, stage: &str, revision: u64) -> Record {
        let mut record = Record::draft(plan, at(0));
        (record.live.phase, record.live.stage) = (Phase::Running, stage.parse().unwrap());
        (record.entered_revision, record.held_since) = (revision, Some(at(0)));
        record
    }

    fn open(hooks: &Hooks, plan: &Plan, record: &Record) -> Vec<String> {
        hooks.open(plan, record).into_iter().map(|own| format!("{} {}", own.at, own.said)).collect()
    }

    #[test]
    fn a_step_waits_for_the_hooks_on_both_of_its_sides_until_each_says_go() {
        let (plan, mut hooks) = (read_rollout(PLAN).unwrap(), Hooks::default());
        let team = running(&plan, "team", 2);
        assert_eq!(open(&hooks, &plan, &team), ["before canary has not answered yet"]);
        hooks.ask(0, &team, at(0));
        hooks.answer(0, &team, Ok(HookAnswer::Wait(Duration::seconds(60), "load test runs".into())), at(1));
        assert_eq!(open(&hooks, &plan, &team), ["before canary says wait: load test runs"]);
        assert_eq!(hooks.due_at(0, &team, at(2)), at(61));
        hooks.answer(0, &team, Ok(HookAnswer::Go), at(62));
        assert!(open(&hooks, &plan, &team).is_empty());
        let canary = running(&plan, "canary", 3);
        assert_eq!(open(&hooks, &plan, &canary), ["after canary has not answered yet"]);
    }

    #[test]
    fn no_answer_is_a_fault_and_never_a_go() {
        let (plan, mut hooks) = (read_rollout(PLAN).unwrap(), Hooks::default());
        let team = running(&plan, "team", 2);
        hooks.answer(0, &team, Err("no answer within 10 s".into()), at(0));
        hooks.answer(0, &team, Err("no answer within 10 s".into()), at(10));
        assert_eq!(open(&hooks, &plan, &team), ["before canary has not answered: no answer within 10 s"]);
        let found = faults(&plan, &team, &hooks);
        assert_eq!((found[0].subject.as_str(), found[0].at), ("hook/before/canary", at(0)));
        assert_eq!(hooks.due_at(0, &team, at(11)), at(30), "it is asked less and less often");
    }

    #[test]
    fn a_go_counts_for_one_visit() {
        let (plan, mut hooks) = (read_rollout(PLAN).unwrap(), Hooks::default());
        hooks.answer(0, &running(&plan, "team", 2), Ok(HookAnswer::Go), at(0));
        assert_eq!(open(&hooks, &plan, &running(&plan, "team", 9)), ["before canary has not answered yet"]);
        let mut resumed = running(&plan, "team", 2);
        resumed.held_since = Some(at(50));
        assert_eq!(open(&hooks, &plan, &resumed), ["before canary has not answered yet"]);
        let mut paused = running(&plan, "team", 9);
        paused.live.phase = Phase::Paused;
        assert!(open(&hooks, &plan, &paused).is_empty());
    }
}
