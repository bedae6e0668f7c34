//! Counts by slice: what a question takes of them.

use super::comparing::ComparisonKey;
use crate::overdispersion::SideSlices;
use tidegate_model::measured::SlicedCounts;
use tidegate_model::measured::sketch::{shift, value};
use tidegate_model::variant::Variant;

/// Exposures and events of what has arrived; `None` for nothing, or without an edge.
pub(super) fn slices_of(
    question: &ComparisonKey,
    edge: Option<(i16, u64)>,
    compared: &SlicedCounts,
) -> Option<SideSlices> {
    let mut slices = SideSlices::default();
    let mut is_empty = true;
    let endpoint = question.endpoint.as_ref();
    let mut add = |variant: Variant, slice: u8, n: u32, x: u32| {
        is_empty = false;
        let side = if variant == Variant::New { &mut slices.new } else { &mut slices.legacy };
        side.add(usize::from(slice), f64::from(n), f64::from(x));
    };
    if let Some(measure) = question.metric.mean_of() {
        for values in
            compared.values.iter().filter(|values| values.of == measure && values.endpoint.as_ref() == endpoint)
        {
            let side = if values.variant == Variant::New { &mut slices.new } else { &mut slices.legacy };
            for (slice, bucket, count) in &values.buckets {
                let count = f64::from(*count);
                side.add(usize::from(*slice), count, count * value(*bucket));
            }
        }
        return (slices.legacy.total().n + slices.new.total().n > 0.0).then_some(slices);
    }
    if let Some((measure, _)) = question.quantile() {
        let (edge, _) = edge?;
        let higher = edge.saturating_add(shift(question.theta));
        for values in
            compared.values.iter().filter(|values| values.of == measure && values.endpoint.as_ref() == endpoint)
        {
            let edge = if values.variant == Variant::New { higher } else { edge };
            for (slice, bucket, count) in &values.buckets {
                add(values.variant, *slice, *count, if *bucket > edge { *count } else { 0 });
            }
        }
        return (!is_empty).then_some(slices);
    }
    let (exposures, events) = question.quantities()?;
    for trials in compared.trials.iter().filter(|trials| trials.endpoint.as_ref() == endpoint) {
        for (slice, n, x) in &trials.slices {
            let n = if trials.of == exposures { *n } else { 0 };
            let x = if trials.of == events { *x } else { 0 };
            if n + x > 0 {
                add(trials.variant, *slice, n, x);
            }
        }
    }
    (!is_empty).then_some(slices)
}
