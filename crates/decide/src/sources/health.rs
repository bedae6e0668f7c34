//! How long what was said counts, and what is wrong with the receivers and sources of a plan.

use super::Sources;
use crate::rollout::Noticed;
use crate::signals::Signals;
use tidegate_model::plan::receiver::RuleOutcome;
use tidegate_model::plan::signal::FRESH_DEFAULT;
use tidegate_model::plan::{Plan, Receiver};
use tidegate_model::{Duration, Instant, Name};

/// How long a gauge counts: what the plan says, else as long as the receiver that sets it is not silent.
///
/// Returns `None` where it counts until something else is said.
pub fn fresh_for(plan: &Plan, signal: &str) -> Option<Duration> {
    if let Some(fresh) = plan.signals.get(signal).and_then(|own| own.fresh) {
        return Some(fresh);
    }
    let sets = |receiver: &&Receiver| {
        receiver.signals.iter().any(|rule| matches!(&rule.outcome, RuleOutcome::Set(own) if own.as_str() == signal))
    };
    let mut receivers = plan.receivers.0.iter().map(|(_, receiver)| receiver).filter(sets).peekable();
    if receivers.peek().is_none() {
        return Some(FRESH_DEFAULT);
    }
    receivers.filter_map(|receiver| receiver.heartbeat).min_by_key(|heartbeat| heartbeat.as_ms())
}

/// How long silence of a counted signal means none: the plan's `heartbeat`, else that of the receiver that counts.
pub fn heartbeat_of(plan: &Plan, signal: &str) -> Option<Duration> {
    if let Some(heartbeat) = plan.signals.get(signal).and_then(|own| own.heartbeat) {
        return Some(heartbeat);
    }
    let counts = |receiver: &&Receiver| {
        receiver.signals.iter().any(|rule| matches!(&rule.outcome, RuleOutcome::Count(own) if own.as_str() == signal))
    };
    let receivers = plan.receivers.0.iter().map(|(_, receiver)| receiver).filter(counts);
    receivers.filter_map(|receiver| receiver.heartbeat).min_by_key(|heartbeat| heartbeat.as_ms())
}

/// What is wrong with the receivers and sources of a plan.
pub fn faults(plan: &Plan, sources: &Sources, signals: &Signals, now: Instant) -> Vec<Noticed> {
    let mut faults = Vec::new();
    for (name, receiver) in &plan.receivers.0 {
        let Some(heartbeat) = receiver.heartbeat else { continue };
        let last_at = sources.receiver(name.as_str()).and_then(|state| state.last_at);
        let silent_ms = last_at.map(|at| now.ms_since(at));
        let message = match silent_ms {
            None => format!("no delivery has arrived at /_tidegate/in/{name} yet; one is expected every {heartbeat}"),
            Some(ms) if u64::try_from(ms).unwrap_or_default() > heartbeat.as_ms() => {
                format!("no delivery has arrived at /_tidegate/in/{name} for longer than its heartbeat of {heartbeat}")
            }
            Some(_) => continue,
        };
        faults.push(Noticed { subject: format!("receiver/{name}"), message, at: last_at.unwrap_or(now) });
    }
    for (name, signal) in &plan.signals.0 {
        if signal.pull().is_some()
            && let Some((at, error)) = sources.pull(name.as_str()).and_then(|state| state.error.as_ref())
        {
            let message = format!("the source of `{name}` has no value: {error}");
            faults.push(Noticed { subject: format!("signal/{name}"), message, at: *at });
        } else if let Some(at) = signals.blank_since(name.as_str()) {
            let message = format!("whoever watches `{name}` says that it has no data");
            faults.push(Noticed { subject: format!("signal/{name}"), message, at });
        }
    }
    faults
}

/// The receiver that a signal comes from, if one does.
pub fn receiver_of<'p>(plan: &'p Plan, signal: &str) -> Option<&'p Name> {
    let is_its = |receiver: &Receiver| receiver.signals.iter().any(|rule| rule.outcome.signal().as_str() == signal);
    plan.receivers.0.iter().find(|(_, receiver)| is_its(receiver)).map(|(name, _)| name)
}
