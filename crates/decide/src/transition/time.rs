//! What the clock has to say: the plan's `start`, its freeze, and when a stage may be entered.

use super::{Moving, Refusal};
use tidegate_model::Instant;
use tidegate_model::calendar::first_moment;

impl Moving<'_> {
    /// Whether the plan's own time to start has come.
    pub(super) fn is_begun(&self) -> Result<(), Refusal> {
        match self.plan.start_at() {
            Some(start) if self.is_asked && start > self.now => Err(Refusal::Early(start)),
            _ => Ok(()),
        }
    }

    /// Whether the time allows to expose more subjects, in the stage at `index` if one is entered.
    pub(super) fn is_time(&self, index: Option<usize>) -> Result<(), Refusal> {
        let now_ms = self.now.as_epoch_ms();
        let at = |moment: Option<i64>| moment.map(Instant::from_epoch_ms);
        let free = first_moment(&self.plan.freeze, now_ms, false);
        if !self.plan.freeze.is_empty() && free != Some(now_ms) {
            return Err(Refusal::Frozen(at(free)));
        }
        match index.and_then(|index| self.plan.stages.get(index)) {
            Some(stage) => {
                let open = stage.opens(self.now);
                if open == Some(self.now) { Ok(()) } else { Err(Refusal::Enter(stage.name.clone(), open)) }
            }
            None => Ok(()),
        }
    }
}
