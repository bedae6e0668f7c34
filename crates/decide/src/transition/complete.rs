//! Completing: 100 % on new for good, and legacy may stop to answer for it.
//!
//! So it is refused while something speaks against it: an open checklist, a rollback, a guardrail
//! that has acted and that nobody has answered. Whoever names the rollout completes it all the same.

use super::{Moving, Refusal};
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::record::Record;
use tidegate_model::{Name, Percentage};

impl Moving<'_> {
    pub(super) fn complete(&self, confirm: Option<&Name>) -> Result<Record, Refusal> {
        let is_rolled_back = self.phase() == Phase::RolledBack;
        if !is_rolled_back {
            self.is_under_way("`start` begins it", "")?;
        }
        self.is_not_killed()?;
        match confirm {
            None => self.is_sound().map_err(|why| Refusal::Unconfirmed(self.plan.key.clone(), Box::new(why)))?,
            Some(key) if *key != self.plan.key => return Err(Refusal::OtherKey(key.clone(), self.plan.key.clone())),
            Some(_) => {}
        }
        self.is_time(None)?;
        let last = self.plan.stages.len().saturating_sub(1);
        let attempt = self.last.live.attempt.saturating_add(u32::from(is_rolled_back));
        let live = self.in_stage(last, Percentage::FULL);
        Ok(self.with(LiveState { phase: Phase::Completed, attempt, ..live }))
    }

    /// Whether nothing speaks against it.
    fn is_sound(&self) -> Result<(), Refusal> {
        let is_rolled_back = self.phase() == Phase::RolledBack;
        if !is_rolled_back || self.is_asked {
            self.is_checked()?;
        }
        if !self.is_asked {
            return Ok(());
        }
        match self.last.acted {
            _ if is_rolled_back => Err(Refusal::Phase(Phase::RolledBack, "`resume` starts the next attempt")),
            Some(at) => Err(Refusal::Acted(at)),
            None => Ok(()),
        }
    }
}
