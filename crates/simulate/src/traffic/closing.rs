//! Puts what a minute of traffic has counted into its window.

use super::{SIDES, Traffic};
use crate::counts::{runs, unpack};
use tidegate_model::measured::sliced::Failed;
use tidegate_model::measured::{Sample, SlicedCounts, Window};

impl Traffic {
    /// Puts what was counted into the window, and what may be compared beside it.
    pub(super) fn close(&mut self, mut window: Window) -> (Window, SlicedCounts) {
        let mut compared = SlicedCounts::default();
        for (variant, accs) in SIDES.into_iter().zip(&mut self.accs) {
            for (place, acc) in accs.iter_mut().enumerate().filter(|(_, acc)| acc.requests > 0) {
                let endpoint = place.checked_sub(1).and_then(|index| self.endpoints.get(index));
                let Some(tally) = window.tally_mut(variant, endpoint) else { continue };
                for ((measure, values), places) in self.measures.iter().zip(&mut acc.values).zip(&self.compared) {
                    values.sort_unstable();
                    if let Some(sketch) = tally.sketch_mut(measure).filter(|_| !values.is_empty()) {
                        runs(values.iter().map(|value| unpack(*value).0), |bucket, count| sketch.add(bucket, count));
                    }
                    if places.contains(&place)
                        && let Some(own) = compared.values(measure, endpoint, variant)
                    {
                        let dealt = values
                            .iter()
                            .map(|value| unpack(*value))
                            .filter_map(|(bucket, slice)| slice.map(|slice| (slice, bucket)));
                        runs(dealt, |(slice, bucket), count| {
                            own.buckets.push((slice, bucket, u32::try_from(count).unwrap_or(u32::MAX)))
                        });
                    }
                    values.clear();
                }
                acc.close(tally);
            }
        }
        for asked in &mut self.asked {
            let endpoint = asked.place.checked_sub(1).and_then(|index| self.endpoints.get(index));
            for (variant, slices) in SIDES.into_iter().zip(&mut asked.slices) {
                if slices.iter().any(|(n, x)| n + x > 0)
                    && let Some(trials) = compared.trials(&asked.of, endpoint, variant)
                {
                    let counted = slices.iter().enumerate().filter(|(_, (n, x))| n + x > 0);
                    trials
                        .slices
                        .extend(counted.filter_map(|(slice, (n, x))| Some((u8::try_from(slice).ok()?, *n, *x))));
                    slices.fill((0, 0));
                }
            }
            if !asked.who.is_empty() {
                compared
                    .failed
                    .push(Failed { of: asked.of.clone(), subjects: std::mem::replace(&mut asked.who, Sample::EMPTY) });
            }
        }
        (window, compared)
    }
}
