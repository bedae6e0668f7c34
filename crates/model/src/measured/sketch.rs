//! A histogram with logarithmic buckets: quantiles with a relative error of at most 2 %.
//!
//! Bucket `i` holds the values in `(γ^(i−1), γ^i]`, γ = 1.04, and stands for `2γ^i / (γ + 1)`, which is
//! off by at most (γ − 1)/(γ + 1) = 1.96 %. Buckets of two sketches are the same, so merging adds them.
//! A comparison with legacy counts what lies over one bucket's edge, which is why the buckets are
//! visible; sketches of libraries hide theirs.
//! (Masson, Rim, Lee, "DDSketch", VLDB 2019.)

use super::packed::{pack, unpack};
use crate::serial::text;

/// The ratio of a bucket's edges.
pub const GAMMA: f64 = 1.04;
/// Smaller values count as this much: a shift of 0.0001 or a ten-thousandth of a millisecond.
const VALUE_MIN: f64 = 1e-4;
/// Larger values count as this much: an hour in milliseconds.
const VALUE_MAX: f64 = 3.6e6;

/// The buckets of `VALUE_MIN` and `VALUE_MAX`: there are no others.
const BUCKETS: std::ops::RangeInclusive<i16> = -234..=385;

/// How many values fell into which bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// The bucket of the first count.
    low: i16,
    /// By bucket, without a break; the first and the last are not 0.
    counts: Vec<u64>,
}

/// The bucket of a value; `None` for what is no finite number from 0.
pub fn bucket(value: f64) -> Option<i16> {
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    let index = (value.clamp(VALUE_MIN, VALUE_MAX).ln() / GAMMA.ln()).ceil();
    Some(index as i16)
}

/// The value that a bucket stands for.
pub fn value(bucket: i16) -> f64 {
    2.0 * GAMMA.powi(i32::from(bucket)) / (GAMMA + 1.0)
}

/// By how many buckets a value lies higher that is `factor` times as much, rounded up.
pub fn shift(factor: f64) -> i16 {
    (factor.max(f64::MIN_POSITIVE).ln() / GAMMA.ln() - 1e-9).ceil() as i16
}

impl Sketch {
    /// Adds `count` values of one bucket.
    pub fn add(&mut self, bucket: i16, count: u64) {
        let bucket = bucket.clamp(*BUCKETS.start(), *BUCKETS.end());
        if count > 0
            && let [own, ..] = self.reach(bucket, 1)
        {
            *own = own.saturating_add(count);
        }
    }

    /// Adds another sketch.
    pub fn merge(&mut self, other: &Self) {
        for (own, theirs) in self.reach(other.low, other.counts.len()).iter_mut().zip(&other.counts) {
            *own = own.saturating_add(*theirs);
        }
    }

    /// Adds so many values of each bucket, from `low` on. What lies beyond the buckets that there are is left out.
    pub fn add_all(&mut self, low: i16, counts: &[u64]) {
        let is_some = |(bucket, count): &(i16, &u64)| **count > 0 && BUCKETS.contains(bucket);
        let mut found = (low..).zip(counts).filter(is_some);
        let Some((first, _)) = found.next() else { return };
        let last = found.last().map_or(first, |(bucket, _)| bucket);
        let length = usize::try_from(last - first).unwrap_or_default() + 1;
        let skipped = usize::try_from(first - low).unwrap_or_default();
        for (own, count) in self.reach(first, length).iter_mut().zip(counts.iter().skip(skipped).take(length)) {
            *own = own.saturating_add(*count);
        }
    }

    /// The counts from this bucket on, for at least so many buckets.
    fn reach(&mut self, low: i16, length: usize) -> &mut [u64] {
        if length == 0 {
            return &mut [];
        }
        if self.counts.is_empty() {
            self.low = low;
        }
        let before = usize::try_from(self.low - low).unwrap_or_default();
        if before > 0 {
            self.counts.splice(0..0, std::iter::repeat_n(0, before));
            self.low = low;
        }
        let at = usize::try_from(low - self.low).unwrap_or_default();
        if self.counts.len() < at + length {
            self.counts.resize(at + length, 0);
        }
        self.counts.get_mut(at..).unwrap_or_default()
    }

    /// Gives back the room that it has to grow.
    pub fn shrink(&mut self) {
        self.counts.shrink_to_fit();
    }

    /// About how much memory it takes, in bytes.
    pub const fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u64>()
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many values lie in higher buckets than this one.
    pub fn count_over(&self, bucket: i16) -> u64 {
        self.bins().filter(|(own, _)| *own > bucket).fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// The bucket in which the quantile lies, in thousandths; `None` without values.
    pub fn bucket_at(&self, per_mille: u16) -> Option<i16> {
        let count = self.count();
        // The smallest value that so many of all do not exceed.
        let rank = (count as f64 * f64::from(per_mille) / 1_000.0).ceil().max(1.0);
        let mut below = 0_u64;
        self.bins().find_map(|(bucket, own)| {
            below = below.saturating_add(own);
            (below as f64 >= rank).then_some(bucket)
        })
    }

    /// The quantile, in thousandths; `None` without values.
    pub fn quantile(&self, per_mille: u16) -> Option<f64> {
        self.bucket_at(per_mille).map(value)
    }

    /// The buckets with values, ascending, each with its count.
    pub fn bins(&self) -> impl Iterator<Item = (i16, u64)> {
        (self.low..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// Reads what [`Sketch`] prints: `bucket count bucket count …`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut sketch = Self::default();
        for [bucket, count] in unpack::<2>(text)? {
            sketch.add(i16::try_from(bucket).ok()?, u64::try_from(count).ok()?);
        }
        Some(sketch)
    }
}

impl serde::Serialize for Sketch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        serializer.serialize_str(&pack(self.bins().map(|(bucket, count)| [i64::from(bucket), whole(count)])))
    }
}

impl<'de> serde::Deserialize<'de> for Sketch {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_two_percent() {
        let mut sketch = Sketch::default();
        let values: Vec<f64> = (1..=10_000).map(|n| f64::from(n) * 0.37).collect();
        values.iter().filter_map(|value| bucket(*value)).for_each(|bucket| sketch.add(bucket, 1));
        for per_mille in [1_u16, 100, 500, 750, 950, 999] {
            let exact = f64::from(per_mille) * 10.0 * 0.37;
            let found = sketch.quantile(per_mille).unwrap_or_default();
            assert!((found / exact - 1.0).abs() <= 0.02, "p{per_mille}: {found} for {exact}");
        }
    }

    #[test]
    fn what_is_no_measure_has_no_bucket() {
        for value in [f64::NAN, f64::INFINITY, -1.0, f64::NEG_INFINITY] {
            assert_eq!(bucket(value), None);
        }
        assert_eq!(bucket(0.0), bucket(1e-4));
        assert_eq!(bucket(1e300), bucket(3.6e6));
        assert_eq!(bucket(0.0).zip(bucket(1e300)), Some((*BUCKETS.start(), *BUCKETS.end())));
        assert_eq!(Sketch::parse("-30000 1 -234 2 30000 3"), Sketch::parse("-234 3 385 3"));
    }

    #[test]
    fn what_is_merged_is_what_both_hold() {
        let (lower, upper) = (Sketch::parse("-9 2 3 1"), Sketch::parse("3 4 20 1"));
        let (Some(lower), Some(upper)) = (lower, upper) else { panic!("both can be read") };
        for (mut one, other) in [(lower.clone(), &upper), (upper.clone(), &lower)] {
            one.merge(other);
            assert_eq!(Some(&one), Sketch::parse("-9 2 3 5 20 1").as_ref());
            one.merge(&Sketch::default());
            assert_eq!((one.count(), one.count_over(3), one.bucket_at(500)), (8, 1, Some(3)));
            let mut none = Sketch::default();
            none.merge(&one);
            assert_eq!(none, one);
        }
    }

    #[test]
    fn merging_adds_and_text_comes_back() {
        let mut sketch = Sketch::default();
        sketch.add(3, u64::MAX);
        let other = sketch.clone();
        sketch.merge(&other);
        assert_eq!(sketch.count(), u64::MAX);
        let mut small = Sketch::default();
        small.add(-5, 2);
        small.add(90, 7);
        let text = serde_json::to_string(&small).unwrap_or_default();
        assert_eq!(Sketch::parse(text.trim_matches('"')), Some(small.clone()));
        assert_eq!((small.count_over(-5), small.count_over(90)), (7, 0));
        assert_eq!(Sketch::default().quantile(750), None);
    }

    #[test]
    fn a_factor_is_a_shift_of_buckets() {
        assert_eq!(shift(1.0), 0);
        assert_eq!(shift(1.04), 1);
        assert_eq!(shift(1.3), 7);
    }
}
