//! A rollout's signals as the API shows them: the last value of each, when it came, from where, and what is wrong
//! with that; and its receivers.

use crate::api::shapes::{ReceiverState, SignalState, Text};
use crate::receive::PREFIX;
use tidegate_decide::metrics::RolloutMetrics;
use tidegate_decide::sources::{AlertStatus, fresh_for, heartbeat_of, receiver_of};
use tidegate_model::plan::words::SignalKind;
use tidegate_model::plan::{Plan, Receiver, Signal};
use tidegate_model::{Duration, Instant, Name};

fn is_within(at: Instant, limit: Duration, now: Instant) -> bool {
    now.ms_since(at) <= i64::try_from(limit.as_ms()).unwrap_or(i64::MAX)
}

/// Shows the signals of a plan.
pub fn signals(plan: &Plan, metrics: Option<&RolloutMetrics>, now: Instant) -> Vec<SignalState> {
    plan.signals.0.iter().map(|(name, own)| signal(plan, (name, own), metrics, now)).collect()
}

fn signal(
    plan: &Plan,
    (name, signal): (&Name, &Signal),
    metrics: Option<&RolloutMetrics>,
    now: Instant,
) -> SignalState {
    let last = metrics.and_then(|metrics| metrics.signals.last(name.as_str()));
    let blank = metrics.and_then(|metrics| metrics.signals.blank_since(name.as_str()));
    let failed = metrics.and_then(|metrics| metrics.sources.pull(name.as_str())?.error.clone());
    let failed = failed.filter(|_| signal.pull().is_some());
    let receiver = receiver_of(plan, name.as_str());
    let limit = match signal.kind {
        SignalKind::Gauge => fresh_for(plan, name.as_str()),
        SignalKind::Count => heartbeat_of(plan, name.as_str()),
    };
    let is_old = last.zip(limit).is_some_and(|((at, _), limit)| !is_within(at, limit, now));
    let error = failed.as_ref().map(|(_, why)| why.clone());
    SignalState {
        name: name.into(),
        kind: (&signal.kind).into(),
        source: Text::word(match (&signal.prometheus, &signal.json, receiver) {
            (Some(_), ..) => "prometheus",
            (_, Some(_), _) => "json",
            (_, _, Some(_)) => "receiver",
            _ => "reported",
        }),
        receiver: receiver.map(Text::from),
        description: signal.description.clone(),
        value: last.map(|(_, value)| value),
        counted: metrics
            .filter(|_| signal.kind == SignalKind::Count && last.is_some())
            .map(|metrics| metrics.signals.sum_since(name.as_str(), Instant::from_epoch_ms(0))),
        at: last.map(|(at, _)| at).into(),
        is_stale: is_old || blank.is_some(),
        error: error.or_else(|| blank.map(|_| "its source says that there is no data".to_owned())),
        since: failed.map(|(since, _)| since).or(blank).into(),
    }
}

/// Shows the receivers of a plan.
pub fn receivers(plan: &Plan, metrics: Option<&RolloutMetrics>, now: Instant) -> Vec<ReceiverState> {
    let view = |(name, receiver): &(Name, Receiver)| {
        let state = metrics.and_then(|metrics| metrics.sources.receiver(name.as_str()));
        let last_at = state.and_then(|state| state.last_at);
        let is_reporting = |heartbeat: Duration| last_at.is_some_and(|at| is_within(at, heartbeat, now));
        let alerts = state.into_iter().flat_map(|state| state.alerts.values());
        ReceiverState {
            name: name.into(),
            kind: (&receiver.kind).into(),
            path: format!("{PREFIX}{name}"),
            heartbeat: receiver.heartbeat.as_ref().map(Text::from),
            last_at: last_at.into(),
            is_silent: receiver.heartbeat.is_some_and(|heartbeat| !is_reporting(heartbeat)),
            firing: alerts.filter(|alert| alert.status == AlertStatus::Firing).count(),
        }
    };
    plan.receivers.0.iter().map(view).collect()
}
