//! A rollout's probes as the API shows them: what came of the last one on each side, and how many passed.

use crate::api::shapes::ProbeState;
use tidegate_decide::metrics::RolloutMetrics;
use tidegate_decide::probes::share;
use tidegate_model::Instant;
use tidegate_model::plan::{Plan, Probe};
use tidegate_model::record::Record;
use tidegate_model::variant::Variant;

/// Shows the probes of a plan.
pub fn probes(plan: &Plan, metrics: Option<&RolloutMetrics>, record: &Record, now: Instant) -> Vec<ProbeState> {
    let sides = plan.probes.iter().flat_map(|probe| probe.on.iter().map(move |variant| (probe, *variant)));
    sides.map(|(probe, variant)| of(probe, variant, metrics, record, now)).collect()
}

fn of(probe: &Probe, variant: Variant, metrics: Option<&RolloutMetrics>, record: &Record, now: Instant) -> ProbeState {
    let last = metrics.and_then(|metrics| metrics.probes.get(&probe.name, variant)?.last.as_ref());
    let passed = metrics.and_then(|metrics| share(probe, variant, &metrics.signals, record.entered, now).ok());
    ProbeState {
        name: (&probe.name).into(),
        path: probe.path.to_string(),
        on: (&variant).into(),
        every: (&probe.every).into(),
        passed: passed.map(|(share, _)| share),
        at: last.map(|last| last.at).into(),
        took_ms: last.map(|last| last.took_ms),
        failure: last.and_then(|last| last.failure.clone()),
    }
}
