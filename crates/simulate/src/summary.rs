//! What came of many runs: how often each outcome, after how long and at what cost.

use serde::Serialize;

use super::outcome::{Outcome, RunOutcome};
use tidegate_model::Name;

/// The quantile of the normal distribution for intervals of 95 %.
const DEVIATIONS: f64 = 1.959_964;

/// What has become of one rollout in all runs.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Tells it from the runs, which are printed likewise.
    summary: bool,
    /// Its key.
    pub rollout: Name,
    /// How many runs there were.
    pub runs: usize,
    /// The outcomes that came.
    pub outcomes: Vec<Rate>,
}

/// One outcome.
#[derive(Debug, Serialize)]
pub struct Rate {
    /// Which.
    pub outcome: Outcome,
    /// How many runs ended so.
    pub runs: usize,
    /// Their share.
    pub rate: f64,
    /// Wilson's interval of 95 %: from here
    pub low: f64,
    /// to here.
    pub high: f64,
    /// When it came, in hours since the start.
    pub at_hours: Spread,
    /// Different subjects who were on new at any time.
    pub subjects_exposed: Spread,
    /// Failures that users saw.
    pub requests_failed: Spread,
    /// Requests to new until a guardrail acted, where one did.
    pub requests_until_detection: Option<Spread>,
}

/// How a figure varies among runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// Half of them have at most this.
    pub median: f64,
    /// Nine tenths have.
    pub p90: f64,
}

/// What has become of each rollout, in the order of their keys.
pub fn summaries(fates: &[&RunOutcome]) -> Vec<Summary> {
    let mut keys: Vec<&Name> = fates.iter().map(|fate| &fate.rollout).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .map(|key| summary(key, &fates.iter().filter(|fate| fate.rollout == *key).copied().collect::<Vec<_>>()))
        .collect()
}

fn summary(key: &Name, fates: &[&RunOutcome]) -> Summary {
    let rate = |outcome: Outcome| {
        let own: Vec<&&RunOutcome> = fates.iter().filter(|fate| fate.outcome == outcome).collect();
        let (low, high) = wilson(own.len(), fates.len());
        let figures = |of: &dyn Fn(&RunOutcome) -> f64| spread(own.iter().map(|fate| of(fate)).collect());
        let detected: Vec<f64> =
            own.iter().filter_map(|fate| fate.requests_until_detection).map(|requests| requests as f64).collect();
        Rate {
            outcome,
            runs: own.len(),
            rate: own.len() as f64 / fates.len().max(1) as f64,
            low,
            high,
            at_hours: figures(&|fate| fate.at_hours),
            subjects_exposed: figures(&|fate| fate.subjects_exposed as f64),
            requests_failed: figures(&|fate| fate.requests_failed as f64),
            requests_until_detection: (!detected.is_empty()).then(|| spread(detected)),
        }
    };
    let outcomes = [Outcome::Completed, Outcome::RolledBack, Outcome::Paused, Outcome::Unfinished].map(rate);
    Summary {
        summary: true,
        rollout: key.clone(),
        runs: fates.len(),
        outcomes: outcomes.into_iter().filter(|rate| rate.runs > 0).collect(),
    }
}

fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let rank = (values.len() as f64 * share).ceil() as usize;
        values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    };
    Spread { median: at(0.5), p90: at(0.9) }
}

/// Wilson's interval of 95 % for a rate.
fn wilson(hits: usize, of: usize) -> (f64, f64) {
    let (n, z2) = (of as f64, DEVIATIONS * DEVIATIONS);
    if of == 0 {
        return (0.0, 1.0);
    }
    let rate = hits as f64 / n;
    let middle = (rate + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = DEVIATIONS * (rate * (1.0 - rate) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        let near = |(low, high): (f64, f64), expected: (f64, f64)| {
            (low - expected.0).abs() < 5e-4 && (high - expected.1).abs() < 5e-4
        };
        assert!(
            near(wilson(0, 10), (0.0, 0.2775))
                && near(wilson(5, 10), (0.2366, 0.7634))
                && near(wilson(998, 1_000), (0.9927, 0.9995)),
            "{:?}",
            wilson(998, 1_000)
        );
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let spread = spread((1..=10).rev().map(f64::from).collect());
        assert_eq!((spread.median, spread.p90), (5.0, 9.0));
    }
}
