//! A rollout's signals as the API shows them: the last value of each, when it came, from where, and what is wrong
//! with that; and its receivers.

use serde::Serialize;

use crate::receive::PREFIX;

use tidegate_decide::metrics::RolloutMetrics;
use tidegate_decide::sources::{AlertStatus, fresh_for, heartbeat_of, receiver_of};
use tidegate_model::plan::receiver::ReceiverKind;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::plan::{Plan, Receiver, Signal};
use tidegate_model::{Duration, Instant, Name};

/// A signal.
#[derive(Serialize)]
pub struct SignalView<'a> {
    name: &'a Name,
    kind: SignalKind,
    /// `reported`, `receiver`, `prometheus` or `json`.
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<&'a Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// The last report: a gauge's value, or how many events it told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Instant>,
    /// Whether that is too old to count, or is known no more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_stale: bool,
    /// Why its source has no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Instant>,
}

/// A receiver.
#[derive(Serialize)]
pub struct ReceiverView<'a> {
    name: &'a Name,
    kind: ReceiverKind,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<Duration>,
    /// When something last arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<Instant>,
    /// Whether that is longer ago than its heartbeat.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_silent: bool,
    /// How many alerts that rules are about fire.
    firing: usize,
}

fn is_within(at: Instant, limit: Duration, now: Instant) -> bool {
    now.as_epoch_ms().saturating_sub(at.as_epoch_ms()) <= i64::try_from(limit.as_ms()).unwrap_or(i64::MAX)
}

/// Shows the signals of a plan.
pub fn signals<'a>(plan: &'a Plan, metrics: Option<&RolloutMetrics>, now: Instant) -> Vec<SignalView<'a>> {
    plan.signals.0.iter().map(|(name, own)| signal(plan, (name, own), metrics, now)).collect()
}

fn signal<'a>(
    plan: &'a Plan,
    (name, signal): (&'a Name, &'a Signal),
    metrics: Option<&RolloutMetrics>,
    now: Instant,
) -> SignalView<'a> {
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
    SignalView {
        name,
        kind: signal.kind,
        source: match (&signal.prometheus, &signal.json, receiver) {
            (Some(_), ..) => "prometheus",
            (_, Some(_), _) => "json",
            (_, _, Some(_)) => "receiver",
            _ => "reported",
        },
        receiver,
        description: signal.description.as_deref(),
        value: last.map(|(_, value)| value),
        at: last.map(|(at, _)| at),
        is_stale: is_old || blank.is_some(),
        error: error.or_else(|| blank.map(|_| "its source says that there is no data".to_owned())),
        since: failed.map(|(since, _)| since).or(blank),
    }
}

/// Shows the receivers of a plan.
pub fn receivers<'a>(plan: &'a Plan, metrics: Option<&RolloutMetrics>, now: Instant) -> Vec<ReceiverView<'a>> {
    let view = |(name, receiver): &'a (Name, Receiver)| {
        let state = metrics.and_then(|metrics| metrics.sources.receiver(name.as_str()));
        let last_at = state.and_then(|state| state.last_at);
        let is_heard = |heartbeat: Duration| last_at.is_some_and(|at| is_within(at, heartbeat, now));
        let alerts = state.into_iter().flat_map(|state| state.alerts.values());
        ReceiverView {
            name,
            kind: receiver.kind,
            path: format!("{PREFIX}{name}"),
            heartbeat: receiver.heartbeat,
            last_at,
            is_silent: receiver.heartbeat.is_some_and(|heartbeat| !is_heard(heartbeat)),
            firing: alerts.filter(|alert| alert.status == AlertStatus::Firing).count(),
        }
    };
    plan.receivers.0.iter().map(view).collect()
}
