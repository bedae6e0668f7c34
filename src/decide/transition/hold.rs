//! The hold runs only while the rollout is running, not killed and not waiting for another one.

use crate::model::Instant;
use crate::model::live::Phase;
use crate::model::record::Record;

impl Record {
    /// Lets the hold go on, begin anew or stop, after a change from `last`.
    pub(super) fn restart_hold(&mut self, last: &Self, now: Instant) {
        let runs = |record: &Self| record.live.phase == Phase::Running && !record.live.killed && !record.is_waiting;
        let goes_on = runs(last) && last.live.stage == self.live.stage && last.live.attempt == self.live.attempt;
        self.held_since = match (runs(self), last.held_since) {
            (false, _) => None,
            (true, Some(since)) if goes_on => Some(since),
            (true, _) => Some(now),
        };
    }
}
