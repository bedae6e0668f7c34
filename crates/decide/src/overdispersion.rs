//! By how much the events of a side cluster: many of them may come from few subjects.
//!
//! The hash assigns subjects once, so a subject with many events puts them all on one side. Counts
//! are therefore kept in 100 slices of a second hash of the subject. A subject lies in one slice, so
//! slices are independent however their subjects behave, and events that cluster show as slices that
//! differ by more than independent events would:
//! ```text
//! φ = Σ (x_i − e_i)² / Σ e_i (1 − n_i/N)        e_i = X · n_i/N
//! ```
//! with `n_i`, `x_i` the exposures and events of slice i, `N`, `X` their sums: the variance of the
//! events between slices over that of independent events. With equal slices this is Pearson's
//! χ²/(m − 1). It is not divided by `e_i` slice by slice, since what is to be corrected is the variance
//! of the sum, and since one event in a slice of hardly any exposures must not outweigh everything.
//!
//! **What holds.** Independent events have φ = 1 on average, with a standard deviation of 0.14 however
//! few they are. φ never exceeds the number of events. Subjects that have k events each give k.
//!
//! **What does not.** It is an estimate, and with few clusters a low one: before the first subject with
//! many events has been seen nobody knows of such subjects. So what it corrects holds approximately.

use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::evidence::{Count, Window};

/// The slices of a side.
pub const SLICES: usize = 100;
/// So many events an hour a slice may have whatever the others have,
const ALONE_EVENTS_MAX: f64 = 2.0;
/// or this share of the events of all others, which makes a fifth of the whole: five subjects who
/// agree are a finding, one with a reload loop is none.
const ALONE_SHARE_MAX: f64 = 0.25;
/// Of events that are expected, so many deviations by chance are likely, and two more where hardly any are expected.
const LIKELY_DEVIATIONS: f64 = 4.0;
const LIKELY_EVENTS: f64 = 2.0;
/// A regression that multiplies everybody's events by up to so many counts in full.
const LIKELY_TIMES: f64 = 3.0;

/// How many events a slice or a bin may have in an hour that is to have `expected` (from 0) of them.
#[must_use]
pub fn likely_at_most(expected: f64) -> f64 {
    let by_chance = expected + LIKELY_DEVIATIONS * expected.sqrt() + LIKELY_EVENTS;
    by_chance.max(LIKELY_TIMES * expected)
}

/// The two variances whose ratio is φ. Those of several sides or stretches of time may be added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Of the events between slices, from 0.
    pub between: f64,
    /// The same of as many independent events, from 0.
    pub independent: f64,
}

impl Spread {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { between: self.between + other.between, independent: self.independent + other.independent }
    }

    /// φ, from 1: less than independent is chance.
    #[must_use]
    pub fn factor(self) -> f64 {
        if self.independent > 0.0 { (self.between / self.independent).max(1.0) } else { 1.0 }
    }
}

/// The counts of one side by slice of the second hash.
#[derive(Clone, Debug, PartialEq)]
pub struct Slices {
    counts: [Count; SLICES],
}

impl Default for Slices {
    fn default() -> Self {
        Self { counts: [Count { n: 0.0, x: 0.0 }; SLICES] }
    }
}

impl Slices {
    /// Adds `n` exposures and `x` events (both from 0) to a slice. One from [`SLICES`] on is none, and
    /// what should be in it is left out.
    pub fn add(&mut self, slice: usize, n: f64, x: f64) {
        if let Some(count) = self.counts.get_mut(slice) {
            count.n += n;
            count.x += x;
        }
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            count.n += more.n;
            count.x += more.x;
        }
    }

    /// The sums over all slices.
    #[must_use]
    pub fn total(&self) -> Count {
        self.counts.iter().fold(Count::default(), |sum, count| Count { n: sum.n + count.n, x: sum.x + count.x })
    }

    /// What each slice holds, in order.
    #[must_use]
    pub const fn counts(&self) -> &[Count; SLICES] {
        &self.counts
    }

    /// Whether any slice has exposures.
    fn has_exposures(&self) -> bool {
        self.counts.iter().any(|count| count.n > 0.0)
    }

    /// How many slices hold events.
    #[must_use]
    pub fn with_events(&self) -> usize {
        self.counts.iter().filter(|count| count.x > 0.0).count()
    }

    /// How the events differ between slices. Without exposures there is nothing to tell it from.
    #[must_use]
    pub fn spread(&self) -> Spread {
        let total = self.total();
        let mut spread = Spread::default();
        if total.x <= 0.0 {
            return spread;
        }
        for count in self.counts.iter().filter(|count| count.n > 0.0) {
            let share = count.n / total.n;
            let expected = total.x * share;
            spread.between += (count.x - expected).powi(2);
            spread.independent += expected * (1.0 - share);
        }
        spread
    }

    /// The events of this window without those that a slice has beyond a quarter of what all other
    /// slices have had in the hour (`hour`: without this window), or beyond two where that is less.
    #[must_use]
    pub fn corroborated(&self, hour: &Self) -> f64 {
        self.corroborated_within(hour, |_, _| f64::INFINITY)
    }

    /// The same, and of a slice no more than is likely in the hour, where exposures have `level` events on average
    /// or, in this slice, as many as in the hours before. `seen` is all before this window, with the hour.
    #[must_use]
    pub fn likely(&self, hour: &Self, seen: &Self, level: f64) -> f64 {
        self.corroborated_within(hour, |slice, n| {
            let of = |own: &Self| own.counts.get(slice).copied().unwrap_or_default();
            let (seen, hour) = (of(seen), of(hour));
            let own = if seen.n > hour.n { (seen.x - hour.x) / (seen.n - hour.n) } else { 0.0 };
            likely_at_most(n * level.max(own))
        })
    }

    /// `most` says of a slice and its exposures in the hour how many events may count.
    fn corroborated_within(&self, hour: &Self, most: impl Fn(usize, f64) -> f64) -> f64 {
        let all = hour.total().x + self.total().x;
        let counted = |(slice, (now, before)): (usize, (&Count, &Count))| {
            let others = all - before.x - now.x;
            let most = (others * ALONE_SHARE_MAX).min(most(slice, before.n + now.n));
            now.x.min((ALONE_EVENTS_MAX.max(most) - before.x).max(0.0))
        };
        self.counts.iter().zip(&hour.counts).enumerate().filter(|(_, (now, _))| now.x > 0.0).map(counted).sum()
    }
}

impl Serialize for Slices {
    /// Only slices that hold something are printed.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (slice, count) in self.counts.iter().enumerate().filter(|(_, count)| count.n > 0.0 || count.x > 0.0) {
            list.serialize_element(&(slice, Plain(count.n), Plain(count.x)))?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Slices {
    /// Reads a list of lists of three: the slice, its exposures, its events.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut slices = Self::default();
        let counts = Vec::<(usize, f64, f64)>::deserialize(deserializer)?;
        counts.into_iter().for_each(|(slice, n, x)| slices.add(slice, n, x));
        Ok(slices)
    }
}

/// A number that is printed without a fraction where it has none.
struct Plain(f64);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Doubles hold whole numbers exactly up to this one.
        let is_whole = self.0.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&self.0);
        if is_whole { serializer.serialize_u64(self.0 as u64) } else { serializer.serialize_f64(self.0) }
    }
}

/// What arrived on both sides between two looks, by slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SideSlices {
    /// On legacy.
    pub legacy: Slices,
    /// On new.
    pub new: Slices,
}

impl SideSlices {
    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.legacy.merge(&other.legacy);
        self.new.merge(&other.new);
    }

    /// The sums over all slices.
    #[must_use]
    pub fn total(&self) -> Window {
        Window { legacy: self.legacy.total(), new: self.new.total() }
    }

    /// Whether both sides have exposures. A window that is not closed waits, merged with those after
    /// it, until it is: one side alone cannot be compared with anything.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.legacy.has_exposures() && self.new.has_exposures()
    }
}

/// φ of both sides, from 1: the larger of the two. Where subjects behave alike on both sides it is the
/// same on both, however they are shared out, so the side with more events lends its estimate to the
/// other.
#[must_use]
pub fn factor(legacy: Spread, new: Spread) -> f64 {
    legacy.factor().max(new.factor())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slices(counts: impl IntoIterator<Item = (f64, f64)>) -> Slices {
        let mut slices = Slices::default();
        counts.into_iter().enumerate().for_each(|(slice, (n, x))| slices.add(slice, n, x));
        slices
    }

    #[test]
    fn equal_slices_give_pearsons_figure() {
        let events: Vec<f64> = (0..100).map(|slice| f64::from(slice % 7)).collect();
        let mean = events.iter().sum::<f64>() / 100.0;
        let pearson = events.iter().map(|x| (x - mean).powi(2) / mean).sum::<f64>() / 99.0;
        let own = slices(events.into_iter().map(|x| (50.0, x))).spread().factor();
        assert!((own - pearson).abs() < 1e-12, "{own} and {pearson}");
    }

    #[test]
    fn hardly_any_events_neither_explode_nor_divide_by_zero() {
        assert_eq!(Slices::default().spread().factor(), 1.0);
        assert_eq!(slices([(10.0, 0.0), (20.0, 0.0)]).spread().factor(), 1.0);
        assert_eq!(slices([(10.0, 3.0)]).spread().factor(), 1.0, "one slice differs from no other");
        assert_eq!(slices([(0.0, 3.0)]).spread().factor(), 1.0, "events without exposures");
        let one = slices((0..100).map(|slice| (10.0, f64::from(u8::from(slice == 3)))));
        assert!((one.spread().factor() - 1.0).abs() < 1e-9, "{}", one.spread().factor());
        let rare = slices((0..100).map(|slice| if slice == 0 { (1.0, 1.0) } else { (1e6, 1.0) }));
        assert!(rare.spread().factor() < 1.1, "an event in a tiny slice: {}", rare.spread().factor());
    }

    #[test]
    fn subjects_with_ten_events_each_give_ten() {
        let mut random = fastrand::Rng::with_seed(7);
        let mean = (0..50).map(|_| {
            let mut slices = slices((0..100).map(|_| (1_000.0, 0.0)));
            (0..400).for_each(|_| slices.add(random.usize(..100), 0.0, 10.0));
            slices.spread().factor()
        });
        let mean = mean.sum::<f64>() / 50.0;
        assert!((mean - 10.0).abs() < 0.6, "{mean}");
    }

    #[test]
    fn independent_events_give_about_one_however_few() {
        let mut random = fastrand::Rng::with_seed(8);
        for events in [20, 200, 20_000] {
            let factors: Vec<f64> = (0..200)
                .map(|_| {
                    let mut sides = [slices((0..100).map(|_| (1_000.0, 0.0))), slices((0..100).map(|_| (50.0, 0.0)))];
                    for side in &mut sides {
                        (0..events).for_each(|_| side.add(random.usize(..100), 0.0, 1.0));
                    }
                    factor(sides[0].spread(), sides[1].spread())
                })
                .collect();
            let mean = factors.iter().sum::<f64>() / 200.0;
            let most = factors.iter().copied().fold(0.0, f64::max);
            assert!(mean < 1.12 && most < 2.5, "{events} events: {mean}, at most {most}");
        }
    }

    #[test]
    fn a_slice_alone_counts_for_little() {
        let one = |slice: usize, x: f64| {
            let mut slices = Slices::default();
            slices.add(slice, 10.0, x);
            slices
        };
        assert_eq!(one(3, 30.0).corroborated(&Slices::default()), 2.0);
        assert_eq!(one(3, 1.0).corroborated(&one(3, 2.0)), 0.0, "it has had its two");
        let spread = slices((0..100).map(|_| (10.0, 1.0)));
        assert_eq!(spread.corroborated(&Slices::default()), 100.0);
        assert_eq!(one(3, 30.0).corroborated(&spread), 99.0 / 4.0 - 1.0, "a quarter of the others, less what it had");
        assert_eq!(one(3, 5.0).corroborated(&spread), 5.0);
    }

    #[test]
    fn of_a_few_slices_no_more_counts_than_is_likely_and_a_regression_of_all_counts_in_full() {
        let even = |x: f64| slices((0..100).map(|_| (10.0, x)));
        let nothing = Slices::default();
        let mut loud = even(0.1);
        (0..5).for_each(|slice| loud.add(slice, 0.0, 8.0));
        let within = loud.likely(&nothing, &nothing, 0.01);
        let each = 0.1 + 4.0 * 0.1_f64.sqrt() + 2.0;
        assert!((within - 9.5 - 5.0 * each).abs() < 1e-9, "{within}");
        assert!(loud.corroborated(&nothing) > 45.0, "the others would let five of them pass");
        assert!((even(30.0).likely(&nothing, &nothing, 1.0) - 3_000.0).abs() < 1e-9);
        // Who had as many in the hours before is to be expected to have them again.
        assert!((loud.likely(&nothing, &loud, 0.01) - loud.corroborated(&nothing)).abs() < 1e-9);
    }

    #[test]
    fn what_is_printed_is_sparse_and_reads_back() {
        let mut window = SideSlices::default();
        window.legacy.add(3, 950.0, 9.0);
        window.new.add(99, 50.5, 2.0);
        window.new.add(100, 1.0, 1.0);
        let text = serde_json::to_string(&window).unwrap();
        assert_eq!(text, r#"{"legacy":[[3,950,9]],"new":[[99,50.5,2]]}"#);
        assert_eq!(serde_json::from_str::<SideSlices>(&text).ok(), Some(window));
        assert!(serde_json::from_str::<SideSlices>(r#"{"legacy":[[3,950]],"new":[]}"#).is_err());
    }
}
