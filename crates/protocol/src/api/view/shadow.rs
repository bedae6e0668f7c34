//! What copies of legacy's requests have shown of new, as the API shows it: since the stage began.

use crate::api::shapes::{Shadow, ShadowAnswer, ShadowSample};
use tidegate_decide::metrics::RolloutMetrics;
use tidegate_decide::series::Span;
use tidegate_model::Percentage;
use tidegate_model::live::Phase;
use tidegate_model::measured::{Measure, Tally};
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;
use tidegate_model::shadow::{self, Answered};
use tidegate_model::variant::Variant;

/// Shows it, where the plan copies anything.
pub fn shadow(plan: &Plan, metrics: Option<&RolloutMetrics>, record: &Record) -> Option<Shadow> {
    if !plan.has_shadow() {
        return None;
    }
    let sum = |variant: Variant| {
        let mut sum = Tally::default();
        let span = Span { revision: record.entered_revision.max(record.begun_revision), minute: None };
        let windows = metrics.into_iter().flat_map(|metrics| metrics.series.over(span));
        windows.filter_map(|window| window.tally(variant, None)).for_each(|tally| sum.merge(tally));
        sum
    };
    let (legacy, new) = (sum(Variant::Legacy), sum(Variant::New));
    let rate = |count: u64| (new.shadowed > 0).then(|| count as f64 / new.shadowed as f64);
    let latency = |tally: &Tally| tally.sketch(&Measure::ShadowLatency).and_then(|sketch| sketch.quantile(950));
    let samples = metrics.map_or(&[][..], |metrics| &metrics.shadow.0);
    Some(Shadow {
        share: share(plan, record).into(),
        copies: new.shadowed,
        mismatch_rate: rate(new.shadow_mismatches),
        error_rate: rate(new.shadow_errors),
        latency_ms_legacy: latency(&legacy),
        latency_ms_new: latency(&new),
        samples: samples.iter().map(sample).collect(),
    })
}

fn share(plan: &Plan, record: &Record) -> Percentage {
    let live = &record.live;
    let is_on = matches!(live.phase, Phase::Running | Phase::Paused) && !live.killed && !record.is_waiting;
    let index = plan.stage_index(live.stage.as_str()).filter(|_| is_on);
    index.map_or(Percentage::ZERO, |index| plan.shadow_share(index))
}

fn sample(own: &shadow::ShadowSample) -> ShadowSample {
    let answer = |own: &Answered| ShadowAnswer {
        status: own.status,
        content_type: own.content_type.clone(),
        title: own.title.clone(),
    };
    ShadowSample {
        at: Some(own.at).into(),
        path: own.path.clone(),
        differences: own.differences.iter().map(|own| own.as_str().to_owned()).collect(),
        place: own.place.clone(),
        legacy: answer(&own.legacy),
        new: answer(&own.new),
    }
}
