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
//!    beyond twice what its past leads to expect: a heavy account is not cut down to an ordinary one.
//! 3. Nothing is shown until 20 bins of one side hold events, or with fewer than [`NEW_BINS_MIN`] bins on
//!    new: one bin alone has no others.
//!
//! **Where the past does not predict**, β tells: the slope of what bins do in this attempt upon what they
//! did before, from earlier windows of both sides. It begins at 1, and weights count as
//! `1 + β (r_i − 1)`. So if all heavy accounts have gone and others have come, weights fade to 1 within
//! minutes of the whole site's traffic.
//!
//! φ of few bins varies by chance, so what counts of it is what is left after one standard deviation, for
//! both sides together, or after two, for new alone.

use serde::{Deserialize, Serialize};

use super::bins::{BinCounts, SideBins};
use super::evidence::{Evidence, Window};
use super::overdispersion::Spread;
use super::past::Weights;

/// So many bins of one side have to hold events.
const BINS_MIN: usize = 20;
/// And so many have to be on either side.
pub const NEW_BINS_MIN: usize = 5;
/// The margin in standard deviations.
const MARGIN_DEVIATIONS: f64 = 2.0;
const MARGIN_MAX: f64 = 20.0;
const HOUR_MINUTES: f64 = 60.0;
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
    /// Since the weights were last set.
    seen: SideBins,
    /// The hour under way.
    hour: SideBins,
    hour_start: f64,
    /// What the hours before told of both sides, and of new.
    hours: [Spread; 2],
    /// What φ, the margin and β were after the last window.
    now: Corrections,
}

/// What the next window is corrected by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Corrections {
    factor: f64,
    margin: f64,
    slope: f64,
}

impl Default for Corrections {
    fn default() -> Self {
        Self { factor: 1.0, margin: 1.0, slope: 1.0 }
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
        }
    }

    /// Sets the weights: at the beginning, and whenever bins move. The evidence stays; what was seen under
    /// other weights tells nothing of these, since it is part of the past that made them.
    pub fn weigh(&mut self, weights: Weights) {
        if !(self.weights.is_even() && weights.is_even()) {
            self.hours = self.all_hours();
            (self.hour, self.seen) = (SideBins::default(), SideBins::default());
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
            (self.hour, self.hour_start) = (SideBins::default(), minute);
        }
        let mut weighed = self.weighed(window);
        let new_x = self.corroborated(window);
        if self.is_mirrored {
            weighed = weighed.mirrored();
        }
        weighed.new.x = new_x;
        self.evidence.add_beyond(&weighed, self.now.margin, self.now.factor, minute);
        self.seen.merge(window);
        self.hour.merge(window);
        self.correct();
    }

    /// What is to be expected of an exposure of a bin.
    fn weight(&self, bin: usize) -> f64 {
        1.0 + self.now.slope * (self.weights.get(bin) - 1.0)
    }

    /// A window as its bins weigh: A in the place of exposures.
    #[must_use]
    pub fn weighed(&self, window: &SideBins) -> Window {
        let mut total = window.total();
        let sum = |own: &BinCounts| own.n.iter().map(|(bin, n)| f64::from(n) * self.weight(bin)).sum();
        (total.legacy.n, total.new.n) = (sum(&window.legacy), sum(&window.new));
        total
    }

    /// The events of the suspected side, without those that a bin has alone.
    fn corroborated(&self, window: &SideBins) -> f64 {
        let (suspect, before) =
            if self.is_mirrored { (&window.legacy, &self.hour.legacy) } else { (&window.new, &self.hour.new) };
        let all = before.x.sum() + suspect.x.sum();
        let hour = self.weighed(&self.hour);
        let level = if hour.legacy.n + hour.new.n > 0.0 {
            (hour.legacy.x + hour.new.x) / (hour.legacy.n + hour.new.n)
        } else {
            0.0
        };
        let counted = |(bin, x): (usize, f32)| {
            let (now, so_far) = (f64::from(x), f64::from(before.x.get(bin)));
            let expected = self.weight(bin) * f64::from(before.n.get(bin) + suspect.n.get(bin)) * level;
            let known = if self.weights.is_even() { 0.0 } else { ALONE_TIMES_MAX * expected };
            let most = ALONE_EVENTS_MAX.max((all - so_far - now) * ALONE_SHARE_MAX).max(known);
            now.min((most - so_far).max(0.0))
        };
        suspect.x.iter().map(counted).sum()
    }

    fn spreads(&self, of: &SideBins) -> [Spread; 2] {
        let new = of.new.spread(|bin| self.weight(bin));
        [of.legacy.spread(|bin| self.weight(bin)).plus(new), new]
    }

    fn all_hours(&self) -> [Spread; 2] {
        let [both, new] = self.hours;
        let [now_both, now_new] = self.spreads(&self.hour);
        [both.plus(now_both), new.plus(now_new)]
    }

    /// Makes what the next window is corrected by.
    fn correct(&mut self) {
        self.now.slope = self.slope();
        let bins_of = |own: &BinCounts| own.n.iter().count() as f64;
        let (legacy, new) = (bins_of(&self.seen.legacy), bins_of(&self.seen.new));
        // The standard deviation of φ of independent events.
        let chance = |bins: f64, deviations: f64| 1.0 + deviations * (2.0 / bins.max(1.0)).sqrt();
        let beyond = |spread: Spread, by: f64| (spread.factor() / by).max(1.0);
        let [both, of_new] = self.all_hours();
        self.now.factor = beyond(both, chance(legacy + new, 1.0)).max(beyond(of_new, chance(new, 2.0)));
        let [both, _] = self.spreads(&self.seen);
        let phi = beyond(both, chance(legacy + new, 1.0));
        let Window { legacy, new } = self.weighed(&self.seen);
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
    fn slope(&self) -> f64 {
        if self.weights.is_even() {
            return 1.0;
        }
        let (mut found, mut expected) = (TRUST, TRUST);
        for side in [&self.seen.legacy, &self.seen.new] {
            let exposures = side.n.sum();
            let level = side.x.sum() / exposures;
            if !(level > 0.0) {
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

    /// The sides as their bins weigh, with their events.
    #[must_use]
    pub fn observations(&self) -> Window {
        self.weighed(&self.seen)
    }

    /// Whether anything was seen on both sides since the weights were set.
    #[must_use]
    pub fn has_exposures(&self) -> bool {
        self.seen.is_closed()
    }

    /// Whether enough has been seen to show anything.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let SideBins { legacy, new } = &self.seen;
        let bins = |own: &BinCounts| own.n.iter().take(NEW_BINS_MIN).count();
        bins(legacy).min(bins(new)) >= NEW_BINS_MIN && legacy.x.iter().count().max(new.x.iter().count()) >= BINS_MIN
    }

    /// The natural logarithm of the evidence; 0 is none.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        self.evidence.log_e()
    }
}
