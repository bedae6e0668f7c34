//! What the site's own pages show to users: messages of the communication plan, from their moment on and for as long
//! as they say.
//!
//! 1. Nothing is stored for it: the plan says what, and the judge remembers since when. So a crash loses none and
//!    makes none twice, and a message is gone once the plan lacks it.
//! 2. Where everybody has been taken back to legacy, nothing new is praised: incidents alone are shown then.
//! 3. A message keeps its id for as long as it is shown. A resume after a rollback begins anew.

use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::metrics::RolloutMetrics;
use crate::rollout::Rollout;
use tidegate_model::live::Phase;
use tidegate_model::plan::{InAppKind, ShownTo};
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Name};

/// So many messages of all rollouts are shown at a time.
pub const SHOWN_MAX: usize = 100;

/// A message as isolates know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InAppMessage {
    /// The rollout that it is about.
    pub rollout: Name,
    /// What sets it apart from all others, for whoever knows the plan: the attempt, its place there and its moment.
    pub id: String,
    /// `preview`, `launch` or `incident`.
    pub kind: String,
    /// The side on whose pages it is shown; both without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Variant>,
    /// And only to whoever is in one of these groups; to everybody if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Name>,
    /// What it says.
    pub text: String,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Until when it is shown.
    pub until: Instant,
}

impl Deployment {
    /// What pages show now, at most [`SHOWN_MAX`] messages.
    pub fn shown(&self, now: Instant) -> Vec<InAppMessage> {
        let of = |rollout| shown(rollout, self.metrics.get(&rollout.plan.key), now);
        let asked = self.rollouts.iter().filter(|rollout| rollout.plan.notices.iter().any(|own| own.in_app.is_some()));
        asked.flat_map(of).take(SHOWN_MAX).collect()
    }
}

fn shown(rollout: &Rollout, metrics: Option<&RolloutMetrics>, now: Instant) -> Vec<InAppMessage> {
    let (plan, live) = (&rollout.plan, &rollout.record.live);
    let Some(metrics) = metrics.filter(|_| rollout.unread.is_none()) else { return Vec::new() };
    let is_back = live.killed || live.phase == Phase::RolledBack;
    let of = |(index, notice, at): (u64, &tidegate_model::plan::Notice, Instant)| {
        let (in_app, kind) = (notice.in_app.as_ref()?, notice.in_app_kind()?);
        let until = at.plus(in_app.lasts());
        let is_shown = at <= now && now < until && (kind == InAppKind::Incident || !is_back);
        is_shown.then(|| InAppMessage {
            rollout: plan.key.clone(),
            id: format!("{}-{index}-{}", live.attempt, at.as_epoch_ms()),
            kind: kind.to_string(),
            side: match in_app.to {
                ShownTo::All => None,
                ShownTo::New => Some(Variant::New),
                ShownTo::Legacy => Some(Variant::Legacy),
            },
            groups: in_app.groups.clone(),
            text: notice.text.clone(),
            link: in_app.link.as_ref().map(ToString::to_string),
            until,
        })
    };
    metrics.judge.shown(plan).filter_map(of).collect()
}
