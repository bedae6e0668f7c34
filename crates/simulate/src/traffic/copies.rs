//! Copies of legacy's requests, in stages that send any: how new answers them, and how long that takes.
//!
//! A copy is of any of legacy's requests, so nothing of it depends on whose it was. Nothing is drawn where nothing is
//! copied: a life without copies is the same as before there were any.

use rand::RngExt as _;
use tidegate_model::Percentage;
use tidegate_model::measured::sliced::SLICES;
use tidegate_model::measured::{Measure, SlicedCounts, Window};
use tidegate_model::variant::Variant;

use super::Traffic;
use crate::chance::{Chance, Spread, poisson};
use crate::healthy::LATENCY_SIGMA;

/// What comparisons may use of copies: by side, slice and bucket.
pub type Compared = Vec<(Variant, u8, i16)>;

impl Traffic {
    /// Copies so much of what legacy was asked in a window.
    pub fn copy(&mut self, window: &mut Window, share: Percentage, chance: &mut Chance) {
        let requests = window.tally(Variant::Legacy, None).map_or(0, |tally| tally.requests);
        if share == Percentage::ZERO || requests == 0 {
            return;
        }
        let of = f64::from(share.limit()) / f64::from(Percentage::FULL.limit());
        let mean = requests as f64 * of;
        let copies = if of < 1.0 { (poisson(chance, mean) as u64).min(requests) } else { requests };
        let conditions = &self.conditions;
        let everywhere = |list: &[Vec<f64>; 2], side: usize| list.get(side).and_then(|own| own.first()).copied();
        let [_, is_new_down] = conditions.is_down;
        let errors = if is_new_down { 1.0 } else { everywhere(&conditions.errors, 1).unwrap_or_default() };
        let failed = (poisson(chance, copies as f64 * errors) as u64).min(copies);
        let other = poisson(chance, (copies - failed) as f64 * conditions.mismatches) as u64;
        let spreads =
            [0, 1].map(|side| Spread::around(everywhere(&conditions.latency, side).unwrap_or(1.0), LATENCY_SIGMA));
        if let Some(tally) = window.tally_mut(Variant::New, None) {
            tally.shadowed = copies;
            tally.shadow_errors = failed;
            tally.shadow_mismatches = (failed + other).min(copies);
        }
        for _ in failed..copies {
            let slice = chance.random_range(0..SLICES);
            for (variant, spread) in [Variant::Legacy, Variant::New].into_iter().zip(&spreads) {
                let bucket = spread.pick(chance.random::<u32>());
                let bucket = spread.first.saturating_add_unsigned(u16::try_from(bucket).unwrap_or_default());
                let tally = window.tally_mut(variant, None);
                if let Some(sketch) = tally.and_then(|tally| tally.sketch_mut(&Measure::ShadowLatency)) {
                    sketch.add(bucket, 1);
                }
                if let Some(copies) = &mut self.copies {
                    copies.push((variant, slice, bucket));
                }
            }
        }
    }

    /// Adds what comparisons may use of copies since this was last asked for.
    pub(super) fn compare_copies(&mut self, all: &mut SlicedCounts) {
        for (variant, slice, bucket) in self.copies.iter_mut().flat_map(|own| own.drain(..)) {
            if let Some(values) = all.values(&Measure::ShadowLatency, None, variant) {
                values.add(slice, bucket, 1);
            }
        }
    }
}
