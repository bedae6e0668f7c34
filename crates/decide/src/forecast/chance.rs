//! How often a count among observations reaches a level by chance alone.
//!
//! Observations come one by one and each counts with the same small chance, independently. Over a sliding
//! window of so many of them, the level is reached again whenever one that counts arrives and closes the
//! gap, one that does not falls out of the window, or there are enough observations at all; each of these
//! has a binomial chance at a Poisson number of observations. What is reached again soon after it was
//! reached before belongs to the same episode, which the factor 1 − expected/level takes into account
//! (Alm, "On the distributions of scan statistics of a two-dimensional Poisson process", 1997, in one
//! dimension). Over all observations since a beginning, the same is summed from the first look on.
//!
//! Tails are sums of their terms, each from the one before, since a level lies in the tail of what is
//! healthy and a few terms are all of it.

/// Between so many numbers of observations, one window's chance hardly changes.
const STEPS: f64 = 400.0;
/// Further from the mean than this many standard deviations nothing is summed.
const DEVIATIONS_MAX: f64 = 8.0;
/// A term that is so small beside the sum ends it.
const NEGLIGIBLE: f64 = 1e-12;
/// So many terms are summed at the most.
const TERMS_MAX: u32 = 100_000;

/// When a count fires: among n observations, once more than `per_observation` · n + `base` count, or so many
/// where it need not be more; and never among fewer than `min`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The share of the observations.
    pub per_observation: f64,
    /// A number of them.
    pub base: f64,
    /// Whether it has to be exceeded.
    pub is_strict: bool,
    /// The least number of observations.
    pub min: f64,
}

/// What a sliding window sees by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sliding {
    /// How often the level is reached, per length of the window.
    pub rate: f64,
    /// The share of the time for which it is.
    pub share: f64,
}

impl Level {
    /// The smallest count that fires among so many observations.
    fn least(&self, observations: f64) -> f64 {
        let edge = self.per_observation * observations + self.base;
        let least = if self.is_strict { (edge + 1e-9).floor() + 1.0 } else { (edge - 1e-9).ceil() };
        least.max(0.0)
    }

    /// Over a window that sees `mean` observations on average, of which `share` count.
    pub fn sliding(&self, mean: f64, share: f64) -> Sliding {
        let min = self.min.max(1.0);
        let reach = DEVIATIONS_MAX * mean.sqrt() + 10.0;
        let (low, high) = ((mean - reach).floor().max(min), (mean + reach).ceil());
        if mean <= 0.0 || high < min {
            return Sliding::default();
        }
        let stride = ((high - low) / STEPS).ceil().max(1.0);
        let (mut arriving, mut wavering, mut fires) = (0.0, 0.0, 0.0);
        let mut n = low;
        while n <= high {
            let least = self.least(n);
            let of_n = poisson(n, mean);
            // Where not every number is looked at, how often the level rises with it stands for whether.
            let rises_before = if stride > 1.0 { self.per_observation } else { self.least(n) - self.least(n - 1.0) };
            let rises_behind = if stride > 1.0 { self.per_observation } else { self.least(n + 1.0) - self.least(n) };
            let arrives = if n > min {
                (1.0 - rises_before).max(0.0) * share * poisson(n - 1.0, mean) * binomial(least - 1.0, n - 1.0, share)
            } else {
                0.0
            };
            let leaves = rises_behind.min(1.0) * (1.0 - share) * of_n * binomial(least, n, share);
            arriving += stride * mean * arrives;
            wavering += stride * mean * leaves;
            fires += stride * of_n * tail(least, n, share);
            n += stride;
        }
        if low <= min {
            wavering += mean * poisson(min - 1.0, mean) * tail(self.least(min), min, share);
        }
        let rate = arriving + wavering.min(arriving / 2.0);
        let typical = self.least(mean.max(min));
        let alone = (1.0 - mean * share / typical.max(1.0)).clamp(0.0, 1.0);
        let share = fires.clamp(0.0, 1.0);
        // Healthy figures over the level fire at once, and an episode lasts for its part of a window.
        let rate = if alone > 0.0 { (rate * alone).min(share * (typical + 1.0)) } else { share };
        Sliding { rate, share }
    }

    /// How often, as observations come up to `to`, of which the first `from` were looked at before, the
    /// count of all of them reaches the level.
    pub fn growing(&self, from: f64, to: f64, share: f64) -> f64 {
        let min = self.min.max(1.0);
        let first = min.max(from + 1.0);
        if to < first {
            return 0.0;
        }
        let mut sum = if from < min { tail(self.least(min), min, share) } else { 0.0 };
        let mut n = first + 1.0;
        while n <= to {
            let stride = ((n - first) / STEPS).floor().max(1.0);
            let least = self.least(n);
            let rises = if stride > 1.0 { self.per_observation } else { self.least(n) - self.least(n - 1.0) };
            let alone = (1.0 - n * share / least.max(1.0)).clamp(0.0, 1.0);
            sum += stride * (1.0 - rises).max(0.0) * alone * share * binomial(least - 1.0, n - 1.0, share);
            n += stride;
        }
        sum
    }
}

/// The chance of exactly `count` where `mean` are expected.
fn poisson(count: f64, mean: f64) -> f64 {
    if count < 0.0 || mean <= 0.0 {
        return if count == 0.0 { 1.0 } else { 0.0 };
    }
    (count * mean.ln() - mean - libm::lgamma(count + 1.0)).exp()
}

/// The chance of exactly `count` of `n`.
fn binomial(count: f64, n: f64, share: f64) -> f64 {
    if count < 0.0 || count > n {
        return 0.0;
    }
    if share <= 0.0 || share >= 1.0 {
        let only = if share <= 0.0 { 0.0 } else { n };
        return if (count - only).abs() < 0.5 { 1.0 } else { 0.0 };
    }
    let ways = libm::lgamma(n + 1.0) - libm::lgamma(count + 1.0) - libm::lgamma(n - count + 1.0);
    (ways + count * share.ln() + (n - count) * (-share).ln_1p()).exp()
}

/// The chance of at least `count` of `n`.
fn tail(count: f64, n: f64, share: f64) -> f64 {
    if count <= 0.0 {
        return 1.0;
    }
    if count > n || share <= 0.0 {
        return 0.0;
    }
    if share >= 1.0 {
        return 1.0;
    }
    // Away from the mean terms fall, so the sum is short; the other side is what is left of 1.
    let odds = share / (1.0 - share);
    let is_over = count > n * share;
    let mut at = if is_over { count } else { count - 1.0 };
    let mut term = binomial(at, n, share);
    let mut sum = 0.0;
    for _ in 0..TERMS_MAX {
        sum += term;
        term *= if is_over { (n - at) / (at + 1.0) * odds } else { at / (n - at + 1.0) / odds };
        at += if is_over { 1.0 } else { -1.0 };
        if term <= sum * NEGLIGIBLE {
            break;
        }
    }
    if is_over { sum.min(1.0) } else { (1.0 - sum).max(0.0) }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        // Sums of the binomial terms, worked out apart.
        for (count, n, share, expected) in [
            (2.0, 50.0, 0.002, 0.004_597_2),
            (1.0, 50.0, 0.002, 0.095_253_2),
            (60.0, 100.0, 0.5, 0.028_444),
            (40.0, 100.0, 0.5, 0.982_399_9),
            (0.0, 10.0, 0.1, 1.0),
            (11.0, 10.0, 0.9, 0.0),
        ] {
            let found = tail(count, n, share);
            assert!((found - expected).abs() < 1e-5, "at least {count} of {n} at {share}: {found}");
        }
    }

    /// How often per window, and for which share of the time, a window of length 1 over a Poisson process
    /// fires; it is armed again when nothing of what fired it is left.
    fn lived(level: Level, mean: f64, share: f64, windows: f64, seed: u64) -> (f64, f64) {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut wait = || -(1.0 - chance.f64()).ln() / mean;
        let mut counts = fastrand::Rng::with_seed(seed + 1);
        let mut seen = VecDeque::<(f64, f64)>::new();
        let (mut now, mut next, mut counting, mut is_firing) = (0.0, wait(), 0.0, false);
        let (mut fired, mut armed_at, mut armed_for, mut firing_for) = (0.0, 2.0, 0.0, 0.0);
        while now < windows {
            let leaves = seen.front().map_or(f64::INFINITY, |(at, _)| at + 1.0);
            let at = leaves.min(next);
            firing_for += if is_firing { at - now } else { 0.0 };
            now = at;
            if leaves <= next {
                counting -= seen.pop_front().map_or(0.0, |(_, count)| count);
            } else {
                let count = f64::from(u8::from(counts.f64() < share));
                seen.push_back((now, count));
                counting += count;
                next = now + wait();
            }
            let n = seen.len() as f64;
            let fires = n >= level.min && counting >= level.least(n);
            if fires && !is_firing && now >= armed_at {
                fired += 1.0;
                armed_for += now - armed_at;
                armed_at = now + 2.0;
            }
            is_firing = fires;
        }
        (fired / armed_for, firing_for / windows)
    }

    #[test]
    fn a_sliding_window_fires_as_often_as_is_forecast() {
        let level = |per_observation, base, min| Level { per_observation, base, is_strict: true, min };
        for (level, mean, share) in [
            (level(0.02, 0.0, 50.0), 60.0, 0.002),
            (level(0.02, 0.0, 50.0), 200.0, 0.006),
            (level(0.05, 0.0, 50.0), 400.0, 0.03),
            (level(0.0, 5.0, 0.0), 1_000.0, 0.001),
            (level(0.02, 0.0, 50.0), 45.0, 0.002),
            (level(0.02, 0.0, 50.0), 100.0, 0.002),
        ] {
            let (rate, share_of_time) = lived(level, mean, share, 40_000.0, 7);
            let forecast = level.sliding(mean, share);
            assert!(
                (0.6..1.7).contains(&(forecast.rate / rate)),
                "{level:?} {mean}: {rate} lived, {forecast:?} forecast"
            );
            assert!(
                (0.7..1.4).contains(&(forecast.share / share_of_time)),
                "{level:?} {mean}: {share_of_time} lived, {forecast:?} forecast"
            );
        }
    }

    #[test]
    fn what_grows_fires_as_often_as_is_forecast() {
        let mut chance = fastrand::Rng::with_seed(3);
        for (per_observation, share, to) in [(0.02, 0.002, 2_000), (0.05, 0.02, 5_000), (0.01, 0.002, 3_000)] {
            let level = Level { per_observation, base: 0.0, is_strict: true, min: 50.0 };
            let runs = 4_000;
            let fired = (0..runs).filter(|_| {
                let mut count = 0.0;
                (1..=to).any(|n| {
                    count += f64::from(u8::from(chance.f64() < share));
                    f64::from(n) >= level.min && count >= level.least(f64::from(n))
                })
            });
            let lived = fired.count() as f64 / f64::from(runs);
            let forecast = 1.0 - (-level.growing(0.0, f64::from(to), share)).exp();
            assert!((0.6..1.7).contains(&(forecast / lived)), "{level:?}: {lived} lived, {forecast} forecast");
        }
    }

    #[test]
    fn what_is_over_the_level_fires_at_once_and_what_is_never_there_does_not() {
        let level = Level { per_observation: 0.02, base: 0.0, is_strict: true, min: 50.0 };
        assert!(level.sliding(1_000.0, 0.05).share > 0.99);
        assert!(level.sliding(1_000.0, 0.05).rate > 0.9);
        assert_eq!(level.sliding(5.0, 0.002), Sliding::default());
        assert_eq!(level.growing(0.0, 49.0, 0.5), 0.0);
        assert_eq!(level.sliding(0.0, 0.1), Sliding::default());
        let busy = level.sliding(50_000.0, 0.002);
        assert!(busy.rate < 1e-9, "{busy:?}");
    }
}
