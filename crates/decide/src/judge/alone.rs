//! New alone: what is watched where nobody comparable is on legacy any more, or a tenth and less.
//!
//! Legacy's rate of its last day with traffic stands in: the most that it can have been by chance (three
//! standard deviations and five events more), since it was measured once, and that twice, since no day is
//! like another. A rate that is known is the limit of the likelihood ratio of [`crate::evidence`]
//! where legacy's exposures grow without end. Half the evidence counts: so the chance of a false alarm is
//! half as much again as α at the most.

use serde::{Deserialize, Serialize};

use super::metrics_view::Reading;
use crate::evidence::{Count, Evidence, Window};
use crate::firsts::average;
use crate::overdispersion::Slices;

/// Fewer observations of legacy tell nothing.
pub const LEGACY_MIN: f64 = 50.0;
const DEVIATIONS: f64 = 3.0;
const EVENTS_MORE: f64 = 5.0;
/// So many times that, and times its own factor, is what new is held to.
pub const MARGIN: f64 = 2.0;
/// As good as endless, and small enough for the arithmetic to stay exact.
const ENDLESS: f64 = 1e9;
/// Failures of so many hundredths of the subjects show something.
const SLICES_MIN: usize = 5;
const HOUR_MINUTES: f64 = 60.0;

/// What new's rate tells beside legacy's last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    evidence: Evidence,
    /// The most that legacy's rate can have been, from 0 to 1.
    pub rate: f64,
    /// Everything since legacy has gone.
    seen: Slices,
    /// The hour under way.
    hour: Slices,
    hour_start: f64,
}

impl Alone {
    /// Begins beside legacy's last rate; `None` where that is unknown. `factor` tells by how much events
    /// cluster, from 1.
    pub fn new(theta: f64, legacy: &Reading, factor: f64) -> Option<Self> {
        let n = legacy.observations;
        let x = legacy.value.as_ref().ok()? * n;
        if n < LEGACY_MIN {
            return None;
        }
        let rate = ((x + DEVIATIONS * (factor * x).sqrt() + EVENTS_MORE) / n).min(1.0);
        Some(Self {
            evidence: Evidence::restarting(theta * MARGIN),
            rate,
            seen: Slices::default(),
            hour: Slices::default(),
            hour_start: 0.0,
        })
    }

    /// Takes in what has arrived of new, `minute` minutes after the attempt began.
    pub fn add(&mut self, arrived: &Slices, factor: f64, minute: f64) {
        if minute >= self.hour_start + HOUR_MINUTES {
            (self.hour, self.hour_start) = (Slices::default(), minute);
        }
        let new = Count { n: arrived.total().n, x: arrived.corroborated(&self.hour) };
        self.evidence.add(&Window { legacy: Count { n: ENDLESS, x: self.rate * ENDLESS }, new }, factor, minute);
        self.seen.merge(arrived);
        self.hour.merge(arrived);
    }

    /// The natural logarithm of the evidence; 0 is none.
    pub fn log_e(&self) -> f64 {
        average(Some(self.evidence.log_e()), None)
    }

    /// Whether enough has been seen to show anything.
    pub fn is_ready(&self) -> bool {
        self.seen.with_events() >= SLICES_MIN
    }

    /// Whether new is shown at the level `alpha` to be worse.
    pub fn is_shown(&self, alpha: f64) -> bool {
        self.is_ready() && self.log_e() >= -alpha.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legacy(rate: f64, observations: f64) -> Reading {
        Reading { value: Ok(rate), observations }
    }

    /// One exposure in each slice, of which these have the event.
    fn minute(events: usize) -> Slices {
        let mut slices = Slices::default();
        (0..100).for_each(|slice| slices.add(slice, 1.0, f64::from(u8::from(slice * 37 % 100 < events))));
        slices
    }

    #[test]
    fn what_fails_for_many_is_shown_within_minutes_and_what_does_not_is_not() {
        let mut failing = Alone::new(1.0, &legacy(0.01, 10_000.0), 1.0).unwrap();
        let shown = (0..600).find(|at| {
            failing.add(&minute(30), 1.0, f64::from(*at));
            failing.is_shown(0.005)
        });
        assert!(shown.is_some_and(|at| at < 5), "{shown:?}");
        let mut healthy = Alone::new(1.0, &legacy(0.01, 10_000.0), 1.0).unwrap();
        for at in 0..2_880 {
            healthy.add(&minute(usize::from(at % 2 == 0) * 3), 1.0, f64::from(at));
            assert!(!healthy.is_shown(0.005), "half as many errors again, after {at} minutes");
        }
    }

    #[test]
    fn one_subject_alone_shows_nothing() {
        let mut alone = Alone::new(1.0, &legacy(0.001, 10_000.0), 1.0).unwrap();
        let mut one = Slices::default();
        one.add(7, 1.0, 1.0);
        (0..600).for_each(|at| alone.add(&one, 1.0, f64::from(at)));
        assert!(!alone.is_shown(0.01));
    }

    #[test]
    fn without_figures_of_legacy_there_is_nothing_to_say() {
        assert_eq!(Alone::new(1.0, &legacy(0.0, 49.0), 1.0), None);
        assert_eq!(
            Alone::new(1.0, &Reading { value: Err(tidegate_model::figure::Missing::Nothing), observations: 90.0 }, 1.0),
            None
        );
    }

    #[test]
    fn what_is_printed_reads_back() {
        let mut alone = Alone::new(1.3, &legacy(0.01, 10_000.0), 1.5).unwrap();
        (0..90).for_each(|at| alone.add(&minute(2), 1.5, f64::from(at)));
        let read: Alone = serde_json::from_str(&serde_json::to_string(&alone).unwrap()).unwrap();
        assert!((read.log_e() - alone.log_e()).abs() < 1e-9 && read.rate == alone.rate && read.seen == alone.seen);
    }
}
