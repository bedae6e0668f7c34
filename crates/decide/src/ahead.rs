//! What the schedule makes of a change at once: its steps until it next waits, worked out as the
//! controller would take them, with nothing stored.
//!
//! Gates of a stage that has yet to be entered have no verdict, so they are waited for.

use super::deployment::{Deployment, SCHEDULE};
use super::rollout::Rollout;
use super::schedule::Outlook;
use super::transition::transition;
use tidegate_model::Instant;
use tidegate_model::command::Command;

/// Beside a step for each stage: the release of what waited, and the end.
const OTHER_STEPS_MAX: usize = 3;

/// What follows a change at once.
pub struct Ahead {
    /// The schedule's steps, each with the state that it leads to.
    pub steps: Vec<Step>,
    /// The rollout after them.
    pub rollout: Rollout,
    /// What it waits for then.
    pub outlook: Outlook,
}

/// A step of the schedule.
pub struct Step {
    /// What it does.
    pub command: Command,
    /// The state afterwards.
    pub state: tidegate_model::live::LiveState,
}

impl Deployment {
    /// Follows the schedule from `rollout`, as it would be after a change, to where it next waits.
    pub fn ahead(&self, rollout: &Rollout, now: Instant) -> Ahead {
        let mut rollout = rollout.clone();
        let mut steps = Vec::new();
        let mut outlook = self.outlook(&rollout, now);
        for _ in 0..rollout.plan.stages.len() + OTHER_STEPS_MAX {
            let Some(command) = outlook.due.clone() else { break };
            let Ok(record) = transition(&rollout.plan, &rollout.record, &command, SCHEDULE, now) else { break };
            rollout.record = record;
            steps.push(Step { command, state: rollout.record.live.clone() });
            outlook = self.outlook(&rollout, now);
        }
        Ahead { steps, rollout, outlook }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::rollout::Order;
    use tidegate_model::plan::set::read_rollout;

    fn rollout(key: &str, more: &str, stages: &str) -> Rollout {
        let text = format!(r#"{{"key":"{key}",{more}"identity":{{"from":["header:x-user-id"]}},"stage":[{stages}]}}"#);
        let mut plan = read_rollout(&text).unwrap();
        // A hold of a second stands for none, which is no good plan where the percentage rises.
        plan.stages
            .iter_mut()
            .filter(|stage| stage.hold.is_some_and(|hold| hold.as_ms() == 1_000))
            .for_each(|stage| stage.hold = None);
        Rollout::new(Rc::new(plan), text.into(), 0, Instant::from_epoch_ms(0))
    }

    fn ahead(deployment: &Deployment, rollout: &Rollout, command: Command) -> (Vec<String>, Vec<&'static str>) {
        let now = Instant::from_epoch_ms(1_780_000_000_000);
        let changed = rollout.change(Order::new(command, "ana", "why".into()), now).unwrap().rollout;
        let ahead = deployment.ahead(&changed, now);
        let reported = |step: &Step| {
            format!("{}: {} {} %, {}", step.command, step.state.stage, step.state.percentage, step.state.phase)
        };
        (ahead.steps.iter().map(reported).collect(), ahead.outlook.blocked.iter().map(|own| own.code()).collect())
    }

    const FREE: &str = r#"{"name":"a","percentage":0,"hold":"1s"},{"name":"b","percentage":100,"hold":"1s"}"#;

    #[test]
    fn stages_without_hold_and_gates_lead_to_the_end_at_once() {
        let (steps, blocked) = ahead(&Deployment::default(), &rollout("shop", "", FREE), Command::Start);
        assert_eq!(steps, ["advance: b 100 %, running", "complete: b 100 %, completed"]);
        assert_eq!(blocked, ["completed"]);
    }

    #[test]
    fn it_follows_to_the_first_hold_gate_or_checklist() {
        for (stage, by) in [
            (r#""hold":"1h""#, "hold"),
            (r#""hold":"1s","gates":["error_rate < 1%"]"#, "gates"),
            (r#""hold":"1s","checklist":["Tested"]"#, "checklist"),
        ] {
            let stages = format!(
                r#"{{"name":"a","percentage":1,"hold":"1s"}},{{"name":"b","percentage":10,{stage}}},{{"name":"c","percentage":100,"hold":"1s"}}"#
            );
            assert_eq!(
                ahead(&Deployment::default(), &rollout("shop", "", &stages), Command::Start),
                (vec!["advance: b 10 %, running".to_owned()], vec![by])
            );
        }
    }

    #[test]
    fn what_comes_after_another_waits_for_it_and_goes_on_where_it_has_ended() {
        let mut deployment = Deployment::default();
        let mut core = rollout("core", "", FREE);
        deployment.rollouts.insert(core.clone());
        let search = rollout("search", r#""after":["core"],"#, FREE);
        assert_eq!(ahead(&deployment, &search, Command::Start), (vec![], vec!["after"]));
        core.record.live.ended = true;
        deployment.rollouts.insert(core);
        let (steps, _) = ahead(&deployment, &search, Command::Start);
        assert_eq!(steps.first().map(String::as_str), Some("release: a 0 %, running"));
        assert_eq!(steps.last().map(String::as_str), Some("complete: b 100 %, completed"));
    }
}
