//! What was and what is to come, as the API shows it.

use crate::api::shapes;
use tidegate_decide::timeline::{Event, Forecast};
use tidegate_model::Instant;
use tidegate_model::plan::Plan;

/// The dates of one rollout; `outlook` says when it will be done.
pub fn rollout(plan: &Plan, forecast: &Forecast, events: &[Event], outlook: &str) -> shapes::RolloutTimeline {
    let event = |own: &Event| shapes::TimelineEvent {
        id: own.id.clone(),
        at: own.at.into(),
        until: own.until.into(),
        kind: own.kind.into(),
        title: own.title.clone(),
        detail: own.detail.clone(),
        who: own.who.clone(),
        past: own.is_past,
    };
    shapes::RolloutTimeline {
        rollout: (&plan.key).into(),
        outlook: outlook.to_owned(),
        start: forecast.start.into(),
        end: forecast.end.into(),
        events: events.iter().map(event).collect(),
    }
}

/// The dates of several.
pub fn all(rollouts: Vec<shapes::RolloutTimeline>, now: Instant) -> shapes::Timeline {
    shapes::Timeline { at: now.into(), feed: None, rollouts }
}
