//! How often isolates are to come, so that the controller keeps up with them all.
//!
//! `isolates / interval` flushes a second, each of them `cost`, keep the controller busy for a share of
//! its time; the interval is the one that makes this [`BUSY_SHARE`]. The cost is measured, not assumed:
//! while the controller has time nobody waits longer than a second, and thousands of isolates wait a few.

use tidegate_model::subject::fnv1a64;

/// How often an isolate comes while there is time, in milliseconds.
const INTERVAL_MS_MIN: f64 = 1_000.0;
/// After how long an isolate comes that is to report to another object from now on, which has a pace of its own.
pub const ELSEWHERE_MS: u32 = INTERVAL_MS_MIN as u32;
/// How often at the least. What has not come for twice as long is gone.
const INTERVAL_MS_MAX: f64 = 30_000.0;
/// The share of the controller's time that flushes may take. The rest is for everything else.
const BUSY_SHARE: f64 = 0.5;
/// What a flush costs until one was measured.
const COST_MS_ASSUMED: f64 = 2.0;
/// What one measurement changes.
const WEIGHT: f64 = 0.1;
/// One measurement says no more than this: the machine was asleep, or the clock was set.
const COST_MS_MAX: f64 = 50.0;
/// Isolates that got the same time would come together forever.
const SPREAD: f64 = 0.125;

/// What flushes cost.
#[derive(Clone, Debug)]
pub struct Pace {
    cost_ms: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { cost_ms: COST_MS_ASSUMED }
    }
}

impl Pace {
    /// Takes note that so many flushes took so long.
    pub fn note(&mut self, took_ms: f64, flushes: u32) {
        let cost_ms = took_ms / f64::from(flushes.max(1));
        if cost_ms.is_finite() && cost_ms >= 0.0 {
            self.cost_ms += (cost_ms.min(COST_MS_MAX) - self.cost_ms) * WEIGHT;
        }
    }

    /// After how long an isolate is to come again, in milliseconds, where there are so many.
    pub fn interval_ms(&self, isolates: usize, isolate: &str) -> u32 {
        let fair_ms = isolates as f64 * self.cost_ms / BUSY_SHARE;
        let interval_ms = fair_ms.clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX);
        let spread = f64::from(fnv1a64(isolate.as_bytes()) as u16) / f64::from(u16::MAX);
        // While there is time, there is nothing to be spread.
        let is_free = fair_ms * 2.0 < INTERVAL_MS_MIN;
        let spread_ms = if is_free { 0.0 } else { interval_ms * SPREAD * spread };
        (interval_ms + spread_ms) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(cost_ms: f64) -> Pace {
        let mut pace = Pace::default();
        (0..200).for_each(|_| pace.note(cost_ms * 3.0, 3));
        pace
    }

    #[test]
    fn a_few_come_every_second() {
        assert_eq!(settled(1.0).interval_ms(200, "a"), 1_000);
        assert_eq!(Pace::default().interval_ms(0, ""), 1_000);
    }

    #[test]
    fn thousands_keep_the_controller_busy_for_half_of_its_time() {
        for isolates in [1_000_u32, 5_000, 10_000] {
            let interval_ms = settled(1.0).interval_ms(isolates as usize, "b");
            let busy = f64::from(isolates) / f64::from(interval_ms);
            assert!((0.44..=0.5).contains(&busy), "{isolates}: {busy}");
        }
        assert!(settled(40.0).interval_ms(100_000, "b") <= 34_000);
    }

    #[test]
    fn nonsense_is_not_learned() {
        let mut pace = Pace::default();
        for took_ms in [f64::NAN, f64::INFINITY, -5.0] {
            pace.note(took_ms, 0);
        }
        assert_eq!(pace.interval_ms(100, "c"), 1_000);
        pace.note(1e9, 1);
        assert!(pace.interval_ms(1_000, "c") < 20_000);
    }
}
