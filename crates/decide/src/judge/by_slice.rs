//! Counts by slice: what a question takes of them.

use super::comparing::ComparisonKey;
use crate::overdispersion::SideSlices;
use tidegate_model::Minute;
use tidegate_model::measured::SlicedCounts;
use tidegate_model::measured::sketch::{shift, value};
use tidegate_model::variant::Variant;

/// Exposures and events of what has arrived; `None` for nothing, or without an edge.
pub(super) fn slices_of(
    question: &ComparisonKey,
    edge: Option<(i16, Minute)>,
    compared: &SlicedCounts,
) -> Option<SideSlices> {
    let mut slices = SideSlices::default();
    let mut is_empty = true;
    let endpoint = question.endpoint.as_ref();
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
            let (side, edge) = match values.variant {
                Variant::New => (&mut slices.new, higher),
                Variant::Legacy => (&mut slices.legacy, edge),
            };
            is_empty &= values.buckets.is_empty();
            for (slice, bucket, count) in &values.buckets {
                let count = f64::from(*count);
                side.add(usize::from(*slice), count, if *bucket > edge { count } else { 0.0 });
            }
        }
        return (!is_empty).then_some(slices);
    }
    let (exposures, events) = question.quantities()?;
    for trials in compared.trials.iter().filter(|trials| trials.endpoint.as_ref() == endpoint) {
        let (is_exposure, is_event) = (trials.of == exposures, trials.of == events);
        if !is_exposure && !is_event {
            continue;
        }
        let side = if trials.variant == Variant::New { &mut slices.new } else { &mut slices.legacy };
        for (slice, n, x) in &trials.slices {
            let n = if is_exposure { *n } else { 0 };
            let x = if is_event { *x } else { 0 };
            if n > 0 || x > 0 {
                is_empty = false;
                side.add(usize::from(*slice), f64::from(n), f64::from(x));
            }
        }
    }
    (!is_empty).then_some(slices)
}
