//! An interval of new's rate over legacy's that may be read at any time, and how long a test still needs.
//!
//! **The interval.** In a window with exposures a, b and events x, y of legacy and new, the likelihood of
//! the ratio λ is `y ln λ − (x + y) ln(a + λb)`, up to a constant. The mean of the likelihoods of a grid of
//! ratios over that of the true ratio is a martingale that begins at 1, whatever the share on new does. So
//! the ratios whose likelihood is less than α of that mean can be left out, and the chance that the true one
//! is *ever* left out is at most α (Ville; Waudby-Smith and Ramdas, "Confidence sequences for sampling
//! without replacement", NeurIPS 2020, call it the prior-posterior ratio). As in [`evidence`](super::evidence),
//! the logarithms are divided by φ, and the bounds are moved apart by the margin.
//!
//! **Since when.** A ratio that has changed is in no single stretch of time. So there is an interval since
//! the attempt began and since each of the last quarters of an hour, each at α times the weight with which
//! the evidence starts there: together they miss the truth with a chance of at most α. What is shown is the
//! one that says most: that new differs, and where none does, the narrowest.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::evidence::{Evidence, Window};
use tidegate_model::measured::packed::{pack, unpack};

/// Ratios from 1/32 to 32, each a sixth of an octave from the next.
const GRID: usize = 61;
const STEPS_PER_OCTAVE: f64 = 6.0;
const MIDDLE: f64 = 30.0;
/// Intervals since so many quarters of an hour, beside that since the attempt began.
const QUARTERS_MAX: usize = 12;
const QUARTER_MINUTES: f64 = 15.0;
/// What averaging over a grid of ratios costs, about, as a logarithm.
const GRID_COST: f64 = 1.5;
/// Where nothing is wrong, the time is that of this ratio.
pub const RATIO_ASKED: f64 = 2.0;

/// An interval of new's rate over legacy's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The least that it can be, from 0; `None` for no bound.
    pub from: Option<f64>,
    /// The most; `None` for no bound.
    pub to: Option<f64>,
    /// Over the last so many minutes.
    pub minutes: f64,
}

/// What is known of the ratio, growing window by window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// That since the attempt began first, then since the last quarters of an hour, ascending.
    starts: Vec<Start>,
    /// The end of the last window, in minutes after the attempt began.
    now: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Start {
    minute: f64,
    /// The part of α that it may use up.
    weight: f64,
    seen: Sums,
    likelihoods: Likelihoods,
}

/// Exposures and events of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    a: f64,
    x: f64,
    b: f64,
    y: f64,
}

#[derive(Clone, Debug, PartialEq)]
struct Likelihoods([f64; GRID]);

impl Serialize for Likelihoods {
    /// As thousandths.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&pack(self.0.iter().map(|own| [(own * 1_000.0).round() as i64])))
    }
}

impl<'de> Deserialize<'de> for Likelihoods {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = tidegate_model::serial::text(deserializer, unpack::<1>)?;
        let mut own = [0.0; GRID];
        own.iter_mut().zip(numbers).for_each(|(own, [number])| *own = number as f64 / 1_000.0);
        Ok(Self(own))
    }
}

fn log_ratio(index: f64) -> f64 {
    (index - MIDDLE) / STEPS_PER_OCTAVE * std::f64::consts::LN_2
}

/// Each ratio of the grid, with its logarithm first.
static RATIOS: LazyLock<[(f64, f64); GRID]> = LazyLock::new(|| {
    std::array::from_fn(|index| {
        let log = log_ratio(index as f64);
        (log, log.exp())
    })
});

impl Ratios {
    /// Takes a window in, which began `minute` minutes after the attempt; `factor` (from 1) says by how much
    /// events cluster.
    pub fn add(&mut self, window: &Window, factor: f64, minute: f64) {
        let Window { legacy, new } = window;
        if legacy.n <= 0.0 || new.n <= 0.0 {
            return;
        }
        self.start(minute);
        self.now = self.now.max(minute);
        let (a, b, x, y) = (legacy.n, new.n, legacy.x, new.x);
        let mut more = [0.0; GRID];
        // Without events all ratios are as likely as they were.
        let has_events = x + y > 0.0;
        if has_events {
            for (more, (log, ratio)) in more.iter_mut().zip(&*RATIOS) {
                *more = (y * log - (x + y) * ((a + ratio * b) / (a + b)).ln()) / factor;
            }
        }
        for start in &mut self.starts {
            if has_events {
                start.likelihoods.0.iter_mut().zip(&more).for_each(|(own, more)| *own += more);
            }
            let Sums { a: all_a, x: all_x, b: all_b, y: all_y } = start.seen;
            start.seen = Sums { a: all_a + a, x: all_x + x, b: all_b + b, y: all_y + y };
        }
    }

    fn start(&mut self, minute: f64) {
        let quarter = (minute.max(0.0) / QUARTER_MINUTES).floor();
        let at = quarter * QUARTER_MINUTES;
        let weight = match self.starts.last() {
            None => Evidence::weight_first(),
            Some(last) if last.minute < at => Evidence::weight_of(quarter + 1.0),
            Some(_) => return,
        };
        let minute = if self.starts.is_empty() { minute } else { at };
        self.starts.push(Start { minute, weight, seen: Sums::default(), likelihoods: Likelihoods([0.0; GRID]) });
        if self.starts.len() > QUARTERS_MAX + 1 {
            self.starts.remove(1);
        }
    }

    /// The interval that says most, at 1 − `alpha`; `margin` (from 1) is by how much the hash may have set the
    /// sides apart. `None` before there is anything.
    #[must_use]
    pub fn interval(&self, alpha: f64, margin: f64) -> Option<Interval> {
        let all = self.starts.iter().filter_map(|start| {
            let (from, to) = start.bounds(alpha)?;
            let from = from.map(|from| from / margin);
            let to = to.map(|to| to * margin);
            Some(Interval { from, to, minutes: self.now - start.minute })
        });
        // How far from 1 an interval lies, and beside that how narrow it is.
        let says = |own: &Interval| {
            let (from, to) = (own.from.map_or(f64::NEG_INFINITY, f64::ln), own.to.map_or(f64::INFINITY, f64::ln));
            (from.max(-to).max(0.0), from - to)
        };
        all.max_by(|one, other| {
            let (one, other) = (says(one), says(other));
            one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
        })
    }

    /// About how many minutes more a test of "more than `theta` times" needs at the traffic of the last quarters,
    /// were new's rate `ratio` times legacy's. `log_missing` is the evidence that is missing, as a logarithm.
    #[must_use]
    pub fn minutes_needed(&self, theta: f64, ratio: f64, factor: f64, log_missing: f64) -> Option<f64> {
        // The start before the last: so at least a quarter of an hour, once there is one.
        let start = self.starts.iter().rev().nth(1).or(self.starts.first())?;
        let minutes = self.now - start.minute;
        let Sums { a, x, b, y } = start.seen;
        if minutes <= 0.0 {
            return None;
        }
        minutes_needed([a / minutes, b / minutes], (x + y) / (a + b), theta, ratio, factor, log_missing)
    }

    /// New's rate over legacy's, over as many minutes as the interval; `None` without events on legacy.
    #[must_use]
    pub fn ratio_over(&self, minutes: f64) -> Option<f64> {
        let start = self.starts.iter().find(|start| self.now - start.minute <= minutes)?;
        let Sums { a, x, b, y } = start.seen;
        (x > 0.0 && a > 0.0 && b > 0.0).then(|| y / b / (x / a))
    }
}

/// What is missing of the evidence of a test that begins now, as a logarithm: `weight` is that of its start.
#[must_use]
pub fn log_missing(log_needed: f64, minute: f64) -> f64 {
    let weight = if minute < QUARTER_MINUTES {
        Evidence::weight_first()
    } else {
        Evidence::weight_of((minute / QUARTER_MINUTES).floor() + 1.0)
    };
    log_needed - weight.ln() + GRID_COST
}

/// About how many minutes a test of "more than `theta` times" needs with so many exposures of legacy and new a
/// minute, at this rate of events on both together, were new's rate `ratio` times legacy's. `None` for never.
#[must_use]
pub fn minutes_needed(
    [a, b]: [f64; 2],
    rate: f64,
    theta: f64,
    ratio: f64,
    factor: f64,
    log_missing: f64,
) -> Option<f64> {
    if ratio <= theta || a <= 0.0 || b <= 0.0 || rate <= 0.0 {
        return None;
    }
    let level = rate * (a + b) / (a + b * ratio).max(a + b);
    let (x, y) = (level * a, level * ratio * b);
    let growth = (y * (ratio / theta).ln() - (x + y) * ((a + ratio * b) / (a + theta * b)).ln()) / factor;
    (growth > 0.0).then(|| (log_missing / growth).max(0.0))
}

impl Start {
    /// The ratios that are not left out at 1 − α; `None` where they all are.
    fn bounds(&self, alpha: f64) -> Option<(Option<f64>, Option<f64>)> {
        let own = &self.likelihoods.0;
        let best = own.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = best + (own.iter().map(|one| (one - best).exp()).sum::<f64>() / GRID as f64).ln();
        let least = mean + (alpha * self.weight).ln();
        let first = own.iter().position(|one| *one >= least)?;
        let last = own.iter().rposition(|one| *one >= least)?;
        // Between two ratios of the grid the logarithm of the likelihood is nearly straight.
        let between = |out: usize, within: usize| {
            let (low, high) = (own.get(out).copied()?, own.get(within).copied()?);
            let part = (high - least) / (high - low);
            Some(log_ratio(within as f64 + part * (out as f64 - within as f64)).exp())
        };
        Some((first.checked_sub(1).and_then(|out| between(out, first)), between(last + 1, last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Count;

    /// A Poisson number of a small mean.
    fn poisson(random: &mut fastrand::Rng, mean: f64) -> f64 {
        let (mut left, mut count) = (mean, 0.0);
        while left > 0.0 {
            let part = left.min(500.0);
            left -= part;
            let (limit, mut product) = ((-part).exp(), random.f64());
            while product > limit {
                count += 1.0;
                product *= random.f64();
            }
        }
        count
    }

    fn minute(random: &mut fastrand::Rng, ratio: f64) -> Window {
        Window {
            legacy: Count { n: 5_700.0, x: poisson(random, 57.0) },
            new: Count { n: 300.0, x: poisson(random, 3.0 * ratio) },
        }
    }

    #[test]
    fn the_true_ratio_is_hardly_ever_left_out_and_the_interval_narrows() {
        for ratio in [0.5, 1.0, 1.5, 5.0] {
            let mut missed = 0;
            let mut widths = Vec::new();
            for seed in 0..200 {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut ratios = Ratios::default();
                let mut is_missed = false;
                for at in 0..240 {
                    ratios.add(&minute(&mut random, ratio), 1.0, f64::from(at));
                    let Interval { from, to, .. } = ratios.interval(0.05, 1.0).unwrap();
                    is_missed |= from.is_some_and(|from| from > ratio) || to.is_some_and(|to| to < ratio);
                }
                missed += usize::from(is_missed);
                let Interval { from, to, .. } = ratios.interval(0.05, 1.0).unwrap();
                widths.push(to.unwrap() / from.unwrap());
            }
            assert!(missed <= 10, "ratio {ratio}: {missed} of 200");
            widths.sort_by(f64::total_cmp);
            assert!(widths[100] < 2.0, "ratio {ratio}: {}", widths[100]);
        }
    }

    #[test]
    fn a_ratio_that_has_changed_shows_since_it_has() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut ratios = Ratios::default();
        for at in 0..600 {
            ratios.add(&minute(&mut random, if at < 540 { 1.0 } else { 3.0 }), 1.0, f64::from(at));
        }
        let interval = ratios.interval(0.01, 1.0).unwrap();
        assert!(interval.from.is_some_and(|from| from > 1.5) && interval.minutes < 100.0, "{interval:?}");
    }

    #[test]
    fn the_time_that_a_test_needs_is_about_what_it_takes() {
        for (ratio, begun) in [(2.0, 0), (2.0, 720), (5.0, 0), (1.5, 0)] {
            let mut taken = Vec::new();
            let mut said = 0.0;
            for seed in 0..60 {
                let mut random = fastrand::Rng::with_seed(seed);
                let (mut evidence, mut ratios) = (Evidence::restarting(1.0), Ratios::default());
                for at in 0..begun {
                    let window = minute(&mut random, 1.0);
                    evidence.add(&window, 1.0, f64::from(at));
                    ratios.add(&window, 1.0, f64::from(at));
                }
                let missing = log_missing(100_f64.ln(), f64::from(begun));
                said = minutes_needed([5_700.0, 300.0], 0.01, 1.0, ratio, 1.0, missing).unwrap();
                let after = (0..2_000).find(|more| {
                    evidence.add(&minute(&mut random, ratio), 1.0, f64::from(begun + more));
                    evidence.is_shown(0.01)
                });
                taken.push(f64::from(after.unwrap() + 1));
            }
            taken.sort_by(f64::total_cmp);
            let share = said / taken[30];
            assert!((0.6..1.7).contains(&share), "×{ratio} after {begun}: {said} said, {} taken", taken[30]);
        }
    }

    #[test]
    fn what_is_stored_reads_back() {
        let mut random = fastrand::Rng::with_seed(2);
        let mut ratios = Ratios::default();
        (0..600).for_each(|at| ratios.add(&minute(&mut random, 1.0), 1.3, f64::from(at)));
        let text = serde_json::to_string(&ratios).unwrap();
        assert!(text.len() < 8_000, "{}", text.len());
        let read: Ratios = serde_json::from_str(&text).unwrap();
        let (one, other) = (ratios.interval(0.01, 1.1).unwrap(), read.interval(0.01, 1.1).unwrap());
        assert!((one.to.unwrap() - other.to.unwrap()).abs() < 0.01 && one.minutes == other.minutes);
    }
}
