//! Exposures and events by bin ([`binned`](tidegate_model::measured::binned)), of one side or of both.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::evidence::{Count, Window};
use super::overdispersion::Spread;
use tidegate_model::measured::binned::{self, decode, encode};

/// The bins of a rollout.
pub const BINS: usize = binned::BINS as usize;
/// Stored counts are whole multiples of a part of one, since what is expected is no whole number.
const PARTS: f32 = 16.0;

/// Numbers by bin. It takes no memory until there is one that is not 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByBin(Vec<f32>);

impl ByBin {
    /// Adds to a bin; one from [`BINS`] on is left out.
    pub fn add(&mut self, bin: usize, number: f32) {
        if bin >= BINS || number == 0.0 {
            return;
        }
        if self.0.is_empty() {
            self.0 = vec![0.0; BINS];
        }
        if let Some(own) = self.0.get_mut(bin) {
            *own += number;
        }
    }

    /// The number of a bin.
    #[must_use]
    pub fn get(&self, bin: usize) -> f32 {
        self.0.get(bin).copied().unwrap_or_default()
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
        } else {
            self.0.iter_mut().zip(&other.0).for_each(|(own, more)| *own += more);
        }
    }

    /// Multiplies all of them.
    pub fn scale(&mut self, by: f32) {
        self.0.iter_mut().for_each(|own| *own *= by);
    }

    /// The bins that are not 0, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (usize, f32)> {
        self.0.iter().copied().enumerate().filter(|(_, number)| *number != 0.0)
    }

    /// How much memory it takes, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.0.len() * size_of::<f32>()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        // Several sums at once, since each addition waits for the one before.
        let (eights, rest) = self.0.as_chunks::<8>();
        let mut sums = [0.0; 8];
        for eight in eights {
            sums.iter_mut().zip(eight).for_each(|(sum, number)| *sum += f64::from(*number));
        }
        sums.iter().sum::<f64>() + rest.iter().map(|number| f64::from(*number)).sum::<f64>()
    }

    /// Their sum, each times `base + slope · weights`; weights that are missing are 1.
    #[must_use]
    pub fn weighed(&self, base: f64, slope: f64, weights: &[f32]) -> f64 {
        if weights.len() < self.0.len() {
            return (base + slope) * self.sum();
        }
        let ((eights, rest), (heavy, heavy_rest)) = (self.0.as_chunks::<8>(), weights.as_chunks::<8>());
        let mut sums = [0.0; 8];
        for (eight, heavy) in eights.iter().zip(heavy) {
            for ((sum, number), weight) in sums.iter_mut().zip(eight).zip(heavy) {
                *sum += f64::from(*number) * (base + slope * f64::from(*weight));
            }
        }
        let rest = rest
            .iter()
            .zip(heavy_rest)
            .map(|(number, weight)| f64::from(*number) * (base + slope * f64::from(*weight)));
        sums.iter().sum::<f64>() + rest.sum::<f64>()
    }
}

impl Serialize for ByBin {
    /// As a text of sixteenths.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<(u16, u32)> = self
            .iter()
            .map(|(bin, number)| (u16::try_from(bin).unwrap_or(u16::MAX), (number * PARTS).round() as u32))
            .collect();
        serializer.serialize_str(&encode(&rows))
    }
}

impl<'de> Deserialize<'de> for ByBin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = tidegate_model::serial::text(deserializer, decode)?;
        let mut own = Self::default();
        rows.into_iter().for_each(|(bin, parts)| own.add(usize::from(bin), parts as f32 / PARTS));
        Ok(own)
    }
}

/// Exposures and events by bin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BinCounts {
    /// Exposures, or the events that are expected.
    #[serde(default)]
    pub n: ByBin,
    /// Events.
    #[serde(default)]
    pub x: ByBin,
}

impl BinCounts {
    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.n.merge(&other.n);
        self.x.merge(&other.x);
    }

    /// How much memory it takes, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.n.bytes() + self.x.bytes()
    }

    /// Multiplies everything.
    pub fn scale(&mut self, by: f32) {
        self.n.scale(by);
        self.x.scale(by);
    }

    /// How the events differ from those that are expected of a bin with so many exposures, at the level of the
    /// whole: the variance of what is left, beside that of independent events. An exposure of a bin counts
    /// `1 + slope · (weight − 1)`; weights that are missing are 1.
    #[must_use]
    pub fn spread(&self, slope: f64, weights: &[f32]) -> Spread {
        let base = 1.0 - slope;
        let expected = self.n.weighed(base, slope, weights);
        let mut spread = Spread::default();
        if expected <= 0.0 {
            return spread;
        }
        let (level, share) = (self.x.sum(), 1.0 / expected);
        let mut add = |n: f32, x: f32, weight: f32| {
            let share = f64::from(n) * (base + slope * f64::from(weight)) * share;
            let left = f64::from(x) - level * share;
            // Bins without exposures are none of this side's.
            if n > 0.0 {
                spread.between += left * left;
                spread.independent += level * share * (1.0 - share);
            }
        };
        let events = self.x.0.iter().copied().chain(std::iter::repeat(0.0));
        let weights = weights.iter().copied().chain(std::iter::repeat(1.0));
        self.n.0.iter().zip(events).zip(weights).for_each(|((n, x), weight)| add(*n, x, weight));
        spread
    }
}

/// Those of both sides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideBins {
    /// On legacy.
    pub legacy: BinCounts,
    /// On new.
    pub new: BinCounts,
}

impl SideBins {
    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.legacy.merge(&other.legacy);
        self.new.merge(&other.new);
    }

    /// How much memory it takes, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.legacy.bytes() + self.new.bytes()
    }

    /// The sums over all bins.
    #[must_use]
    pub fn total(&self) -> Window {
        let count = |own: &BinCounts| Count { n: own.n.sum(), x: own.x.sum() };
        Window { legacy: count(&self.legacy), new: count(&self.new) }
    }

    /// Whether both sides have exposures; a window that is not closed waits.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.legacy.n.iter().next().is_some() && self.new.n.iter().next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        let mut bins = SideBins::default();
        bins.legacy.n.add(999, 40.0);
        bins.legacy.n.add(1_000, 40.0);
        bins.legacy.x.add(3, 2.5);
        bins.new.n.add(0, 1.0);
        let text = serde_json::to_string(&bins).unwrap();
        assert_eq!(serde_json::from_str::<SideBins>(&text).ok(), Some(bins.clone()), "{text}");
        assert_eq!((bins.total().legacy.n, bins.total().new.x), (40.0, 0.0));
    }

    #[test]
    fn independent_events_spread_by_one_and_those_of_one_bin_by_their_number() {
        let mut even = BinCounts::default();
        (0..BINS).for_each(|bin| {
            even.n.add(bin, 10.0);
            even.x.add(bin, if bin % 2 == 0 { 2.0 } else { 0.0 });
        });
        let phi = even.spread(1.0, &[]);
        assert!((phi.between / phi.independent - 1.0).abs() < 0.01);
        let known: Vec<f32> = (0..BINS).map(|bin| if bin % 2 == 0 { 2.0 } else { 0.0 }).collect();
        assert!(even.spread(1.0, &known).between < 1e-6, "the past explains it");
        let mut one = BinCounts { n: even.n, x: ByBin::default() };
        one.x.add(7, 50.0);
        assert!((one.spread(1.0, &[]).factor() - 50.0).abs() < 0.1);
    }
}
