//! What a new plan may change of a rollout that has been started: nothing that deals the subjects
//! out anew, since they would change sides behind the back of whoever measures them.

use super::Refusal;
use tidegate_model::live::Phase;
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;

/// Checks a new plan for a rollout that has one.
///
/// # Errors
/// With what a started rollout must keep.
pub fn check(last: &Plan, next: &Plan, record: &Record) -> Result<(), Refusal> {
    if record.live.phase == Phase::Draft {
        return Ok(());
    }
    let changes = [
        (last.salt() != next.salt(), "changes its salt"),
        (last.identity != next.identity, "changes its identity"),
        (last.eligible != next.eligible, "changes its eligible group"),
        (last.holdout != next.holdout, "changes its holdout"),
        (last.is_flag() != next.is_flag(), "turns a rollout into a flag or a flag into a rollout"),
        (next.stage_index(record.live.stage.as_str()).is_none(), "has lost its current stage"),
    ];
    match changes.into_iter().find(|(is_changed, _)| *is_changed) {
        Some((_, what)) => Err(Refusal::RunningPlan(what)),
        None => Ok(()),
    }
}
