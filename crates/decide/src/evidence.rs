//! Evidence that new's rate of events is more than θ times legacy's, valid at every look.
//!
//! **Why it may be looked at as often as one likes.** In a window let `a`, `b` be the exposures and
//! `x`, `y` the events of legacy and new, and let the hypothesis to be refuted be that new's rate is
//! at most θ times legacy's. Events are rare and independent, so given how many there are in all,
//! each is new's with probability at most `θb / (a + θb)`. For λ > θ the factor
//! ```text
//! ln LR(λ) = y · ln(λ/θ) − (x + y) · ln((a + λb) / (a + θb))
//! ```
//! is the likelihood ratio of `λb / (a + λb)` against that bound; its expectation, given the past,
//! is at most 1 whatever the share `b / (a + b)` was in this window. So the product over windows is
//! a supermartingale, every average of such products over a grid of λ is one, and so is every
//! average over the windows at which one starts multiplying, with weights that were fixed before.
//! By Ville's inequality the chance that it *ever* reaches `1/α` is at most α.
//!
//! **The grid**: 32 values of λ/θ from 1.1, since nobody acts upon less than a tenth more, to 20,
//! where a handful of events is enough; log-spaced, so that a λ within 5 % of the truth is on it.
//!
//! **Restarts**: a product that has run for two healthy days lies so deep that a failure has first to
//! pay that debt off. So half of the weight starts with the attempt, and the rest with each quarter
//! of an hour, the j-th getting 1/2 · (T(j−1) − T(j)); what has not started yet counts as 1. T falls with
//! the logarithm of j to a tenth after four weeks, and more slowly from then on:
//! ```text
//! T(j) = 0.9 · max(0, 1 − ln(1 + j)/ln(1 + 2688)) + 0.1/(1 + ln(1 + j))
//! ```
//! So after two days, when j is 192, a quarter of an hour still has 1/3,300 of the weight; 1/(j(j+1)), which
//! attempts had that began under an earlier release, leaves it 1/74,000.
//!
//! **Which λ are likely**: a regression is more often a small one, and a large one is found soon anyway. So
//! the weights of the grid fall with λ/θ to the power of −1.5.
//!
//! Ville's inequality: Ville 1939; e-processes by mixing: Shafer 2021, Ramdas et al. 2023.

use std::cell::Cell;
use std::sync::LazyLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The values of λ/θ that are tried.
pub(super) const GRID: usize = 32;
const RATIO_MIN: f64 = 1.1;
const RATIO_MAX: f64 = 20.0;
/// The share of the weight that starts with the attempt.
const WEIGHT_FIRST: f64 = 0.5;
/// New starts come so often, in minutes.
const QUARTER_MINUTES: f64 = 15.0;

/// How many were exposed, and to how many the event happened.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Exposures.
    pub n: f64,
    /// Events among them.
    pub x: f64,
}

/// What arrived between two looks, under one revision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    /// On legacy.
    pub legacy: Count,
    /// On new.
    pub new: Count,
}

impl Window {
    /// The same with the sides exchanged, for the question whether new is *not* worse.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        Self { legacy: self.new, new: self.legacy }
    }
}

/// How starting points are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Starts {
    /// Everything counts from the beginning.
    Once,
    /// Half from the beginning, half spread over the quarters of an hour.
    Quarterly,
}

/// Nine tenths of the weight of the quarters are spent on so many, which is four weeks.
const QUARTERS: f64 = 2_688.0;
const LATER: f64 = 0.1;
/// The weights of the grid fall with this power of λ/θ.
const POWER: f64 = 1.5;

/// What is left of the weight of all quarters after the j-th.
fn left_after(quarter: f64) -> f64 {
    let log = quarter.ln_1p();
    (1.0 - LATER) * (1.0 - log / QUARTERS.ln_1p()).max(0.0) + LATER / (1.0 + log)
}

/// Evidence that grows window by window.
/// What is read of it differs from what was printed in the last digit at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    #[serde(deserialize_with = "above_zero")]
    theta: f64,
    starts: Starts,
    /// By λ: the logarithm of the weighed products. JSON has no −∞, where nothing has started: it is
    /// printed as `null`.
    #[serde(deserialize_with = "products")]
    log_products: [f64; GRID],
    /// The weight that has not started.
    waiting: f64,
    /// The quarter of the last window, from 1.
    quarter: f64,
    /// Whether the weights of the quarters fall slowly, and those of the grid with λ. An attempt keeps what it
    /// began with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_slow: bool,
    /// What it comes to, once that has been asked for: each look asks several times.
    #[serde(skip)]
    known: Known,
}

/// What has been worked out of what stands beside it; so it makes nothing different from anything.
#[derive(Clone, Debug, Default)]
struct Known(Cell<Option<f64>>);

impl PartialEq for Known {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Known {
    const fn nothing() -> Self {
        Self(Cell::new(None))
    }
}

impl Evidence {
    /// No evidence yet that new's rate is more than `theta` (above 0) times legacy's, all of it to be
    /// counted from the first window.
    pub const fn plain(theta: f64) -> Self {
        let log_products = [0.0; GRID];
        Self {
            theta,
            starts: Starts::Once,
            log_products,
            waiting: 0.0,
            quarter: 0.0,
            is_slow: false,
            known: Known::nothing(),
        }
    }

    /// The same with a new start in each quarter of an hour.
    pub const fn restarting(theta: f64) -> Self {
        Self { is_slow: true, ..Self::restarting_quickly(theta) }
    }

    /// The same with the weights of earlier releases, of which late quarters have hardly any.
    #[must_use]
    pub const fn restarted_quickly(self) -> Self {
        Self::restarting_quickly(self.theta)
    }

    const fn restarting_quickly(theta: f64) -> Self {
        Self {
            theta,
            starts: Starts::Quarterly,
            log_products: [f64::NEG_INFINITY; GRID],
            waiting: 1.0,
            quarter: 0.0,
            is_slow: false,
            known: Known::nothing(),
        }
    }

    /// Whether it has the weights of earlier releases.
    pub(super) const fn is_restarted_quickly(&self) -> bool {
        !self.is_slow
    }

    /// The weight that starts with an attempt.
    #[must_use]
    pub const fn weight_first() -> f64 {
        WEIGHT_FIRST
    }

    /// The weight that starts with a quarter of an hour, counted from 1.
    #[must_use]
    pub fn weight_of(quarter: f64) -> f64 {
        (1.0 - WEIGHT_FIRST) * (left_after(quarter - 1.0) - left_after(quarter))
    }

    /// Takes a window in, which began `minute` minutes after the attempt. `factor` (at least 1)
    /// says by how much the events cluster; the logarithms are divided by it.
    pub fn add(&mut self, window: &Window, factor: f64, minute: f64) {
        self.add_beyond(window, 1.0, factor, minute);
    }

    /// The same where θ counts as `margin` times (at least 1) what it is: evidence against new's rate
    /// being at most margin · θ times legacy's. The margin must be known before the window.
    pub fn add_beyond(&mut self, window: &Window, margin: f64, factor: f64, minute: f64) {
        let weight = self.weight_at(minute);
        if weight > 0.0 || says_anything(window) {
            self.known = Known::nothing();
        }
        if weight > 0.0 {
            let log_weight = weight.ln();
            self.log_products.iter_mut().for_each(|own| *own = log_sum(*own, log_weight));
        }
        if !says_anything(window) {
            return;
        }
        let theta = self.theta * margin;
        for (log_product, ratio) in self.log_products.iter_mut().zip(&*RATIOS) {
            *log_product += log_likelihood_ratio(window, theta, ratio) / factor;
        }
    }

    /// The weight that starts with a window of this minute.
    fn weight_at(&mut self, minute: f64) -> f64 {
        if self.starts == Starts::Once {
            return 0.0;
        }
        let quarter = (minute.max(0.0) / QUARTER_MINUTES).floor() + 1.0;
        let first = if self.quarter == 0.0 { WEIGHT_FIRST } else { 0.0 };
        let share = match (quarter > self.quarter, self.is_slow) {
            (false, _) => 0.0,
            (true, true) => left_after(quarter - 1.0) - left_after(quarter),
            (true, false) => 1.0 / (quarter * (quarter + 1.0)),
        };
        self.quarter = self.quarter.max(quarter);
        let weight = (first + (1.0 - WEIGHT_FIRST) * share).min(self.waiting);
        self.waiting = (self.waiting - weight).max(0.0);
        weight
    }

    /// The natural logarithm of the evidence; 0 is none. It refutes the hypothesis at the level α once
    /// it has reached ln(1/α).
    pub fn log_e(&self) -> f64 {
        let log_e = self.known.0.get().unwrap_or_else(|| self.work_out());
        self.known.0.set(Some(log_e));
        log_e
    }

    fn work_out(&self) -> f64 {
        let largest = self.log_products.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return self.waiting.ln();
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        for (log_product, ratio) in self.log_products.iter().zip(&*RATIOS) {
            let weight = if self.is_slow { ratio.weight } else { 1.0 };
            sum += weight * (log_product - largest).exp();
            weights += weight;
        }
        let products = largest + (sum / weights).ln();
        if self.waiting > 0.0 { log_sum(products, self.waiting.ln()) } else { products }
    }

    /// Whether it refutes the hypothesis at the level `alpha`.
    pub fn is_shown(&self, alpha: f64) -> bool {
        self.log_e() >= -alpha.ln()
    }
}

fn above_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let theta = f64::deserialize(deserializer)?;
    if theta > 0.0 { Ok(theta) } else { Err(D::Error::custom("a ratio of rates is above 0")) }
}

fn products<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; GRID], D::Error> {
    let products = <[Option<f64>; GRID]>::deserialize(deserializer)?;
    Ok(products.map(|product| product.unwrap_or(f64::NEG_INFINITY)))
}

/// A value of λ/θ that is tried.
pub(super) struct Tried {
    pub log: f64,
    pub ratio: f64,
    /// How likely it is, in proportion.
    pub weight: f64,
}

pub(super) static RATIOS: LazyLock<[Tried; GRID]> = LazyLock::new(|| {
    let mut logs = log_ratios();
    std::array::from_fn(|_| {
        let log = logs.next().unwrap_or_default();
        Tried { log, ratio: log.exp(), weight: (-POWER * log).exp() }
    })
});

/// The logarithms of the values of λ/θ.
fn log_ratios() -> impl Iterator<Item = f64> {
    let (first, last) = (RATIO_MIN.ln(), RATIO_MAX.ln());
    (0..GRID).map(move |index| first + (last - first) * index as f64 / (GRID - 1) as f64)
}

/// Whether a window says anything of the ratio of both rates: it has exposures on both sides, and events.
fn says_anything(window: &Window) -> bool {
    window.legacy.n > 0.0 && window.new.n > 0.0 && window.legacy.x + window.new.x > 0.0
}

/// The logarithm of the likelihood ratio of λ against θ. A window without exposures on one side, or without
/// events, says nothing.
fn log_likelihood_ratio(window: &Window, theta: f64, tried: &Tried) -> f64 {
    let (a, b) = (window.legacy.n, window.new.n);
    let (x, y) = (window.legacy.x, window.new.x);
    if !says_anything(window) {
        return 0.0;
    }
    y * tried.log - (x + y) * ((a + theta * tried.ratio * b) / (a + theta * b)).ln()
}

/// ln(e^a + e^b) without overflow.
/// The logarithm of a sum of two numbers, of which it has the logarithms.
pub fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(a: f64, x: f64, b: f64, y: f64) -> Window {
        Window { legacy: Count { n: a, x }, new: Count { n: b, x: y } }
    }

    #[test]
    fn the_plain_formula_is_the_mean_of_the_products() {
        let mut evidence = Evidence::plain(1.3);
        let windows = [window(950.0, 9.0, 50.0, 2.0), window(900.0, 7.0, 100.0, 6.0)];
        windows.iter().for_each(|window| evidence.add(window, 1.0, 0.0));
        let product = |tried: &Tried| -> f64 {
            windows.iter().map(|window| log_likelihood_ratio(window, 1.3, tried).exp()).product()
        };
        let mean = RATIOS.iter().map(product).sum::<f64>() / GRID as f64;
        assert!((evidence.log_e() - mean.ln()).abs() < 1e-12);
        let ratios: Vec<f64> = log_ratios().map(f64::exp).collect();
        assert!((ratios[0] - 1.1).abs() < 1e-12 && (ratios[GRID - 1] - 20.0).abs() < 1e-12 && ratios.len() == GRID);
    }

    #[test]
    fn no_data_is_no_evidence() {
        assert_eq!(Evidence::plain(1.0).log_e(), 0.0);
        assert_eq!(Evidence::restarting(1.0).log_e(), 0.0);
        let mut evidence = Evidence::restarting(1.0);
        for minute in 0..600 {
            evidence.add(&window(0.0, 0.0, 40.0, 9.0), 1.0, f64::from(minute));
            evidence.add(&window(40.0, 9.0, 0.0, 0.0), 1.0, f64::from(minute));
        }
        assert!(evidence.log_e().abs() < 1e-9, "one side alone says nothing: {}", evidence.log_e());
    }

    #[test]
    fn huge_counts_neither_overflow_nor_wait() {
        let mut evidence = Evidence::plain(1.0);
        (0..1_000).for_each(|_| evidence.add(&window(1e9, 1e6, 1e9, 5e6), 1.0, 0.0));
        assert!(evidence.log_e().is_finite() && evidence.is_shown(1e-12));
    }

    #[test]
    fn two_healthy_days_delay_a_restarting_alarm_little() {
        let minutes_until = |mut evidence: Evidence| {
            for minute in 0..2_880 {
                evidence.add(&window(950.0, 9.5, 50.0, 0.5), 1.0, f64::from(minute));
            }
            let fails = |minute: &i32| {
                evidence.add(&window(950.0, 9.5, 50.0, 1.0), 1.0, 2_880.0 + f64::from(*minute));
                evidence.is_shown(0.01)
            };
            (0..5_000).find(fails).unwrap_or(5_000)
        };
        let (plain, restarting) = (minutes_until(Evidence::plain(1.0)), minutes_until(Evidence::restarting(1.0)));
        assert!(restarting * 3 < plain, "{restarting} of {plain} minutes");
    }
}
