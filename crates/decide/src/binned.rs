//! A comparison in which each bin is measured by its own past ([`past`](super::past)).
//!
//! In a window, side s has `A_s = Σ r_i n_i` over its bins, with `n_i` the exposures of bin i and `r_i` its
//! weight, and A takes the place of exposures in the likelihood ratio of [`evidence`](super::evidence):
//! while nothing is wrong with new, each event falls on a bin in proportion to `r_i n_i`. The rules of
//! [`comparison`](super::comparison) hold for what the past does not explain:
//!
//! 1. ln LR is divided by φ within hours, and the margin comes from φ over the whole attempt; both are of
//!    what is left beside `r_i n_i`. The variance of the past itself adds to the margin.
//! 2. The events of one bin count up to a quarter of those of all others in the hour, beyond two, and
//!    beyond twice what its past leads to expect: a heavy account is not cut down to an ordinary one. And no
//!    more count than are likely there in the hour, by its past or by its hours before in this attempt.
//! 3. Nothing is shown until 20 bins of one side hold events, or with fewer than [`NEW_BINS_MIN`] bins on
//!    new: one bin alone has no others.
//!
//! **Where the past does not predict**, β tells: the slope of what bins do in this attempt upon what they
//! did before, from earlier windows of both sides. It begins at 1, and weights count as
//! `1 + β (r_i − 1)`. So if all heavy accounts have gone and others have come, weights fade to 1 within
//! minutes of the whole site's traffic.
//!
//! All corrections come from earlier windows, and are made anew as time goes on: with each window in the first
//! five minutes, later each time that a thirtieth of the attempt has passed, and at least every five minutes.
//!
//! φ of few bins varies by chance, so what counts of it is what is left after one standard deviation, for
//! both sides together, or after two, for new alone.

use serde::{Deserialize, Serialize};

use super::bins::{BinCounts, SideBins};
use super::evidence::{Evidence, Window};
use super::overdispersion::{Spread, likely_at_most};
use super::past::Weights;

/// So many bins of one side have to hold events.
const BINS_MIN: usize = 20;
/// And so many have to be on either side.
pub const NEW_BINS_MIN: usize = 5;
/// The margin in standard deviations: half a one more than without a past, where that made it small.
/// With two, one of 60 harmless releases was rolled back of those whose heavy users were all others than before.
const MARGIN_DEVIATIONS: f64 = 2.5;
const MARGIN_MAX: f64 = 20.0;
const HOUR_MINUTES: f64 = 60.0;
/// In the first minutes corrections are made with each window.
const CLOSE_MINUTES: f64 = 5.0;
/// So many events an hour a bin may have whatever the others have,
const ALONE_EVENTS_MAX: f64 = 2.0;
/// or this share of those of all others,
const ALONE_SHARE_MAX: f64 = 0.25;
/// or so many times what its past leads to expect.
const ALONE_TIMES_MAX: f64 = 2.0;
/// How many events' worth of trust the past has before the attempt shows what it predicts.
const TRUST: f64 = 20.0;

/// A comparison by bins, growing window by window. It starts over with each attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinnedComparison {
    evidence: Evidence,
    is_mirrored: bool,
    weights: Weights,
    /// Since the weights were last set, without the hour under way.
    seen: SideBins,
    /// The hour under way.
    hour: SideBins,
    hour_start: f64,
    /// What the hours before reported both sides, and of new.
    hours: [Spread; 2],
    /// What φ, the margin and β were when they were last made.
    now: Corrections,
    /// The minute from which they are to be made again.
    #[serde(default)]
    correct_at: f64,
    /// The events of the hour under way on the suspected side, and the level of both, since each window asks for them.
    #[serde(default)]
    hour_sums: HourSums,
}

/// What the hour under way adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct HourSums {
    suspect: f64,
    events: f64,
    weighed: f64,
}

/// What the next window is corrected by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Corrections {
    factor: f64,
    margin: f64,
    slope: f64,
    /// Whether enough has been seen to show anything.
    #[serde(default)]
    is_ready: bool,
}

impl Default for Corrections {
    fn default() -> Self {
        Self { factor: 1.0, margin: 1.0, slope: 1.0, is_ready: false }
    }
}

impl BinnedComparison {
    /// Is new's rate of events more than `theta` (above 0) times legacy's? For guardrails.
    #[must_use]
    pub fn worse(theta: f64) -> Self {
        Self::new(theta, false)
    }

    /// Is new's rate of events less than `theta` (above 0) times legacy's? For gates.
    #[must_use]
    pub fn not_worse(theta: f64) -> Self {
        Self::new(1.0 / theta, true)
    }

    fn new(theta: f64, is_mirrored: bool) -> Self {
        Self {
            evidence: Evidence::restarting(theta),
            is_mirrored,
            weights: Weights::default(),
            seen: SideBins::default(),
            hour: SideBins::default(),
            hour_start: 0.0,
            hours: [Spread::default(); 2],
            now: Corrections::default(),
            correct_at: 0.0,
            hour_sums: HourSums::default(),
        }
    }

    /// Sets the weights: at the beginning, and whenever bins move. The evidence stays; what was seen under
    /// other weights tells nothing of these, since it is part of the past that made them.
    pub fn weigh(&mut self, weights: Weights) {
        if !(self.weights.is_even() && weights.is_even()) {
            self.hours = self.all_hours();
            (self.hour, self.seen) = (SideBins::default(), SideBins::default());
            self.hour_sums = HourSums::default();
        }
        self.weights = weights;
        self.correct();
    }

    /// Takes a window in, which began `minute` minutes (from 0) after the attempt. One in which only one
    /// side has exposures is left out.
    pub fn add(&mut self, window: &SideBins, minute: f64) {
        if !window.is_closed() {
            return;
        }
        if minute >= self.hour_start + HOUR_MINUTES {
            self.hours = self.all_hours();
            self.seen.merge(&self.hour);
            (self.hour, self.hour_start) = (SideBins::default(), minute);
            self.hour_sums = HourSums::default();
        }
        let all = self.weighed(window);
        let mut weighed = if self.is_mirrored { all.mirrored() } else { all };
        let suspect = weighed.new.x;
        weighed.new.x = self.corroborated(window, &all, suspect);
        self.evidence.add_beyond(&weighed, self.now.margin, self.now.factor, minute);
        self.hour.merge(window);
        self.hour_sums.suspect += suspect;
        self.hour_sums.events += all.legacy.x + all.new.x;
        self.hour_sums.weighed += all.legacy.n + all.new.n;
        if minute >= self.correct_at {
            self.correct();
            self.correct_at = if minute < CLOSE_MINUTES { 0.0 } else { minute + (minute / 30.0).clamp(0.5, 5.0) };
        }
    }

    /// What is to be expected of an exposure of a bin.
    fn weight(&self, bin: usize) -> f64 {
        1.0 + self.now.slope * (self.weights.get(bin) - 1.0)
    }

    /// A window as its bins weigh: A in the place of exposures.
    #[must_use]
    pub fn weighed(&self, window: &SideBins) -> Window {
        let mut total = window.total();
        let slope = self.now.slope;
        let sum = |own: &BinCounts| own.n.weighed(1.0 - slope, slope, self.weights.all());
        (total.legacy.n, total.new.n) = (sum(&window.legacy), sum(&window.new));
        total
    }

    /// The events of the suspected side, `suspect` in all, without those that a bin has alone, and beyond what is
    /// likely there. `all` is the window as its bins weigh.
    fn corroborated(&self, window: &SideBins, all: &Window, suspect: f64) -> f64 {
        let (side, before, seen) = if self.is_mirrored {
            (&window.legacy, &self.hour.legacy, &self.seen.legacy)
        } else {
            (&window.new, &self.hour.new, &self.seen.new)
        };
        let sums = self.hour_sums;
        let events = sums.suspect + suspect;
        let weighed = sums.weighed + all.legacy.n + all.new.n;
        let level = if weighed > 0.0 { (sums.events + all.legacy.x + all.new.x) / weighed } else { 0.0 };
        let counted = |(bin, x): (usize, f32)| {
            let (now, so_far) = (f64::from(x), f64::from(before.x.get(bin)));
            let exposures = f64::from(before.n.get(bin) + side.n.get(bin));
            let expected = self.weight(bin) * exposures * level;
            let known = if self.weights.is_even() { 0.0 } else { ALONE_TIMES_MAX * expected };
            let exposures_before = f64::from(seen.n.get(bin));
            let own = if exposures_before > 0.0 { f64::from(seen.x.get(bin)) / exposures_before } else { 0.0 };
            let likely = likely_at_most(expected.max(own * exposures));
            let others = (events - so_far - now) * ALONE_SHARE_MAX;
            let most = ALONE_EVENTS_MAX.max(others.min(likely)).max(known);
            now.min((most - so_far).max(0.0))
        };
        side.x.iter().map(counted).sum()
    }

    fn spreads(&self, of: &SideBins) -> [Spread; 2] {
        let (slope, weights) = (self.now.slope, self.weights.all());
        let new = of.new.spread(slope, weights);
        [of.legacy.spread(slope, weights).plus(new), new]
    }

    fn all_hours(&self) -> [Spread; 2] {
        let [both, new] = self.hours;
        let [now_both, now_new] = self.spreads(&self.hour);
        [both.plus(now_both), new.plus(now_new)]
    }

    /// Makes what the next window is corrected by.
    fn correct(&mut self) {
        let mut seen = self.seen.clone();
        seen.merge(&self.hour);
        let SideBins { legacy, new } = &seen;
        let bins = |own: &BinCounts| own.n.iter().take(NEW_BINS_MIN).count();
        self.now.is_ready = bins(legacy).min(bins(new)) >= NEW_BINS_MIN
            && legacy.x.iter().count().max(new.x.iter().count()) >= BINS_MIN;
        self.now.slope = self.slope(&seen);
        let bins_of = |own: &BinCounts| own.n.iter().count() as f64;
        let (legacy, new) = (bins_of(&seen.legacy), bins_of(&seen.new));
        // The standard deviation of φ of independent events.
        let chance = |bins: f64, deviations: f64| 1.0 + deviations * (2.0 / bins.max(1.0)).sqrt();
        let beyond = |spread: Spread, by: f64| (spread.factor() / by).max(1.0);
        let [both, of_new] = self.all_hours();
        self.now.factor = beyond(both, chance(legacy + new, 1.0)).max(beyond(of_new, chance(new, 2.0)));
        let [both, _] = self.spreads(&seen);
        let phi = beyond(both, chance(legacy + new, 1.0));
        let Window { legacy, new } = self.weighed(&seen);
        let level = (legacy.x + new.x) / (legacy.n + new.n);
        if !(level > 0.0 && legacy.n > 0.0 && new.n > 0.0) {
            self.now.margin = 1.0;
            return;
        }
        let mut variance = (phi - 1.0) / level * (1.0 / legacy.n + 1.0 / new.n);
        if self.weights.events > 0.0 {
            let share = new.n / (legacy.n + new.n);
            variance += self.now.slope.powi(2) * self.weights.noise / self.weights.events / (share * (1.0 - share));
        }
        self.now.margin = (MARGIN_DEVIATIONS * variance.sqrt()).exp().min(MARGIN_MAX);
    }

    /// β: how much of what the past leads to expect has come true, from 0 to 1.
    fn slope(&self, seen: &SideBins) -> f64 {
        if self.weights.is_even() {
            return 1.0;
        }
        let (mut found, mut expected) = (TRUST, TRUST);
        for side in [&seen.legacy, &seen.new] {
            let exposures = side.n.sum();
            let level = side.x.sum() / exposures;
            if level.is_nan() || level <= 0.0 {
                continue;
            }
            let mean = side.n.iter().map(|(bin, n)| f64::from(n) * self.weights.get(bin)).sum::<f64>() / exposures;
            for (bin, n) in side.n.iter() {
                let (n, x) = (f64::from(n), f64::from(side.x.get(bin)));
                let more = self.weights.get(bin) / mean - 1.0;
                found += (x - level * n) * more;
                expected += level * n * more * more;
            }
        }
        (found / expected).clamp(0.0, 1.0)
    }

    /// By how much what is left beside the past clusters, from 1.
    #[must_use]
    pub const fn factor(&self) -> f64 {
        self.now.factor
    }

    /// By how much the two rates may differ by chance of the hash, as a ratio from 1 to 20.
    #[must_use]
    pub const fn margin(&self) -> f64 {
        self.now.margin
    }

    /// How much of the past has come true in this attempt, from 0 to 1.
    #[must_use]
    pub const fn came_true(&self) -> f64 {
        self.now.slope
    }

    /// How much memory its bins take, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.seen.bytes() + self.hour.bytes()
    }

    /// Whether anything was seen on both sides since the weights were set.
    #[must_use]
    pub fn has_exposures(&self) -> bool {
        self.seen.is_closed() || self.hour.is_closed()
    }

    /// Whether enough has been seen to show anything.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.now.is_ready
    }

    /// The natural logarithm of the evidence; 0 is none.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        self.evidence.log_e()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bins::BINS;
    use crate::past::Past;
    use tidegate_model::Minute;
    use tidegate_model::measured::Quantity;

    /// Who causes most errors: each 50th bin, from this one on, eight times as many as all others.
    fn events(bin: usize, heavy_from: usize) -> f32 {
        if bin % 50 == heavy_from { 0.8 } else { 0.02 }
    }

    fn weights(heavy_from: usize) -> Weights {
        let mut past = Past::new(Quantity::Errors, None);
        for minute in 0..1_440 {
            let mut counts = BinCounts::default();
            for bin in 0..BINS {
                counts.n.add(bin, 6.0);
                counts.x.add(bin, events(bin, heavy_from));
            }
            past.take(&counts, Minute::new(60 + minute));
        }
        past.take(&BinCounts::default(), Minute::new(1_600));
        past.weights()
    }

    /// A minute with so many bins on new, whose events are so many times those of legacy.
    fn window(new: usize, ratio: f32, heavy_from: usize) -> SideBins {
        let mut window = SideBins::default();
        for bin in 0..BINS {
            let (side, times) = if bin < new { (&mut window.new, ratio) } else { (&mut window.legacy, 1.0) };
            side.n.add(bin, 6.0);
            side.x.add(bin, times * events(bin, heavy_from));
        }
        window
    }

    /// Seven bins on new, of which the first is a heavy one: more than its part of them.
    #[test]
    fn a_heavy_bin_that_the_hash_assigned_to_new_is_expected_there() {
        let run = |weights: Weights| {
            let mut comparison = BinnedComparison::worse(1.0);
            comparison.weigh(weights);
            (0..600).for_each(|minute| comparison.add(&window(7, 1.0, 0), f64::from(minute)));
            comparison
        };
        let known = run(weights(0));
        assert!(known.is_ready() && known.log_e() < 0.5, "{}", known.log_e());
        assert!(known.margin() < 1.4 && known.factor() < 1.1, "{} {}", known.margin(), known.factor());
        // Without a past the margin has to be wide enough for such luck, and hides a regression as large.
        assert!(run(Weights::default()).margin() > 1.8);
    }

    #[test]
    fn a_regression_shows_through_what_heavy_bins_always_do() {
        let found = |weights: Weights| {
            let mut comparison = BinnedComparison::worse(1.0);
            comparison.weigh(weights);
            (0..720).for_each(|minute| comparison.add(&window(50, 1.0, 0), f64::from(minute)));
            (720..1_440).find(|minute| {
                comparison.add(&window(50, 2.0, 0), f64::from(*minute));
                comparison.is_ready() && comparison.log_e() >= 100_f64.ln()
            })
        };
        assert!(found(weights(0)).is_some_and(|minute| minute < 770), "{:?}", found(weights(0)));
        assert!(found(Weights::default()).is_none_or(|minute| minute > 800));
    }

    #[test]
    fn a_past_that_does_not_come_true_fades() {
        let mut comparison = BinnedComparison::worse(1.0);
        comparison.weigh(weights(0));
        for minute in 0..720 {
            comparison.add(&window(50, 1.0, 7), f64::from(minute));
            assert!(!(comparison.is_ready() && comparison.log_e() >= 100_f64.ln()), "minute {minute}");
        }
        assert!(comparison.came_true() < 0.1, "{}", comparison.came_true());
    }

    #[test]
    fn one_bin_alone_shows_nothing_and_a_bin_or_two_on_new_neither() {
        let mut comparison = BinnedComparison::worse(1.0);
        for minute in 0..600 {
            let mut window = window(50, 1.0, 60);
            window.new.x.add(3, if minute < 60 { 0.0 } else { 1.0 });
            comparison.add(&window, f64::from(minute));
        }
        assert!(comparison.log_e() < 2.0, "{}", comparison.log_e());
        let mut small = BinnedComparison::worse(1.0);
        (0..600).for_each(|minute| small.add(&window(4, 9.0, 60), f64::from(minute)));
        assert!(!small.is_ready());
    }

    /// After two quiet hours 40 robots begin to come, an event each minute, and new has got seven of them, of which
    /// two would be its part.
    #[test]
    fn robots_show_nothing_before_it_is_known_that_they_are_few() {
        let mut comparison = BinnedComparison::worse(1.0);
        for minute in 0..240 {
            let mut window = SideBins::default();
            for bin in 0..BINS {
                let side = if bin < 50 { &mut window.new } else { &mut window.legacy };
                side.n.add(bin, 6.0);
                let is_robot = minute >= 120 && (bin < 7 || (bin >= 50 && bin % 29 == 0));
                side.x.add(bin, if is_robot { 1.06 } else { 0.06 });
            }
            comparison.add(&window, f64::from(minute));
            assert!(comparison.log_e() < 100_f64.ln(), "minute {minute}: {}", comparison.log_e());
        }
    }

    #[test]
    fn a_gate_asks_with_the_sides_exchanged() {
        let mut gate = BinnedComparison::not_worse(1.3);
        (0..600).for_each(|minute| gate.add(&window(500, 1.0, 60), f64::from(minute)));
        assert!(gate.is_ready() && gate.log_e() >= 100_f64.ln(), "{}", gate.log_e());
    }

    #[test]
    fn what_is_stored_reads_back_and_goes_on_alike() {
        let mut comparison = BinnedComparison::worse(1.0);
        comparison.weigh(weights(0));
        (0..90).for_each(|minute| comparison.add(&window(50, 1.0, 0), f64::from(minute)));
        let text = serde_json::to_string(&comparison).unwrap();
        assert!(text.len() < 25_000, "{}", text.len());
        let mut read: BinnedComparison = serde_json::from_str(&text).unwrap();
        for comparison in [&mut comparison, &mut read] {
            (90..120).for_each(|minute| comparison.add(&window(50, 2.0, 0), f64::from(minute)));
        }
        assert!((read.log_e() - comparison.log_e()).abs() < 0.1, "{} {}", read.log_e(), comparison.log_e());
    }
}
