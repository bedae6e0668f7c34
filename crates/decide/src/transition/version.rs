//! What another version of new changes: a stage that is under way begins anew, and a draft may start with it.

use super::Moving;
use crate::deployment::SCHEDULE;
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::plan::Redeploy;
use tidegate_model::record::Record;
use tidegate_model::version::Version;

impl Moving<'_> {
    /// Another version of new is there.
    pub(super) fn deployed(&self, version: &Version, actor: &str) -> Record {
        let live = LiveState { version: Some(version.clone()), ..self.last.live.clone() };
        let is_deployed = self.last.is_deployed
            || live.phase == Phase::Draft
                && self.last.live.version != live.version
                && (self.last.live.version.is_some() || actor != SCHEDULE);
        Record { live, is_deployed, ..self.last.clone() }
    }

    /// Whether a stage that is under way, its figures and its evidence begin anew: another version of new answers. The
    /// first that its answers name is the one that was there all along; one that somebody deploys is not.
    pub(super) fn is_other_build(&self, next: &LiveState, actor: &str) -> bool {
        let (last, version) = (&self.last.live, &next.version);
        let is_under_way = !matches!(last.phase, Phase::Draft | Phase::Completed);
        self.plan.redeploy == Redeploy::Restart
            && is_under_way
            && last.version != *version
            && (last.version.is_some() || actor != SCHEDULE)
    }
}
