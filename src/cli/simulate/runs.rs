//! Many runs: how often each outcome comes, and what it costs. Runs are spread over the cores; each has
//! a seed of its own, so that any of them can be looked at alone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::timeline::{counted, hours, warn_of_never};
use crate::cli::Failure;
use crate::cli::paint::{BAD, BOLD, DIM, GOOD, WARN, cell, paint, print, print_raw};
use crate::cli::words::number;
use crate::model::Name;
use crate::model::plan::Plan;
use crate::simulate::scenario::Scenario;
use crate::simulate::{Fate, Outcome, Report, Settings, Simulation};

/// The quantile of the normal distribution for intervals of 95 %.
const DEVIATIONS: f64 = 1.959_964;

/// What has become of one rollout in all runs.
#[derive(Serialize)]
struct Summary<'a> {
    summary: bool,
    rollout: &'a Name,
    runs: usize,
    outcomes: Vec<Rate>,
}

/// One outcome.
#[derive(Serialize)]
struct Rate {
    outcome: Outcome,
    runs: usize,
    rate: f64,
    /// Wilson's interval of 95 %.
    low: f64,
    high: f64,
    at_hours: Spread,
    subjects_exposed: Spread,
    requests_failed: Spread,
    requests_until_detection: Option<Spread>,
}

#[derive(Clone, Copy, Serialize)]
struct Spread {
    median: f64,
    p90: f64,
}

pub fn run(plans: &[Plan], scenario: &Scenario, settings: &Settings, runs: u32, json: bool) -> Result<(), Failure> {
    let mut reports = live(plans, scenario, settings, runs);
    reports.sort_by_key(|report| report.fates.first().map(|fate| fate.seed));
    if let Some(first) = reports.first() {
        warn_of_never(first);
    }
    let fates: Vec<&Fate> = reports.iter().flat_map(|report| counted(report, settings)).collect();
    if json {
        fates.iter().try_for_each(|fate| print_raw(&serde_json::to_string(fate).unwrap_or_default()))?;
    }
    let mut keys: Vec<&Name> = fates.iter().map(|fate| &fate.rollout).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let own: Vec<&Fate> = fates.iter().filter(|fate| fate.rollout == *key).copied().collect();
        let summary = summary(key, &own);
        if json { print_raw(&serde_json::to_string(&summary).unwrap_or_default())? } else { show(&summary)? }
    }
    Ok(())
}

/// All runs, over the cores.
fn live(plans: &[Plan], scenario: &Scenario, settings: &Settings, runs: u32) -> Vec<Report> {
    let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} runs, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
    let progress = ProgressBar::new(u64::from(runs)).with_style(style);
    let next = AtomicU32::new(0);
    let done = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= runs {
                        return;
                    }
                    let own = Settings { seed: settings.seed.wrapping_add(u64::from(index)), ..settings.clone() };
                    let report = Simulation::new(plans, scenario, &own).run();
                    // Of many runs nobody reads what happened in each.
                    let report = Report { events: Vec::new(), ..report };
                    if let Ok(mut done) = done.lock() {
                        done.push(report);
                    }
                    progress.inc(1);
                }
            });
        }
    });
    progress.finish_and_clear();
    done.into_inner().unwrap_or_default()
}

fn summary<'a>(key: &'a Name, fates: &[&Fate]) -> Summary<'a> {
    let rate = |outcome: Outcome| {
        let own: Vec<&&Fate> = fates.iter().filter(|fate| fate.outcome == outcome).collect();
        let (low, high) = wilson(own.len(), fates.len());
        let figures = |of: &dyn Fn(&Fate) -> f64| spread(own.iter().map(|fate| of(fate)).collect());
        let detected: Vec<f64> = own.iter().filter_map(|fate| fate.requests_until_detection).map(|requests| requests as f64).collect();
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
    Summary { summary: true, rollout: key, runs: fates.len(), outcomes: outcomes.into_iter().filter(|rate| rate.runs > 0).collect() }
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

fn show(summary: &Summary<'_>) -> Result<(), Failure> {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    print(&format!("{}: {} runs", paint(BOLD, summary.rollout), number(summary.runs as u64)))?;
    for rate in &summary.outcomes {
        let style = match rate.outcome {
            Outcome::Completed => GOOD,
            Outcome::RolledBack => BAD,
            Outcome::Paused | Outcome::Unfinished => WARN,
        };
        let name = rate.outcome.as_str().replace('_', " ");
        let interval = format!("{} to {}", percent(rate.low), percent(rate.high));
        print(&format!("  {}{:>7}  {} of 95 %: {interval}", cell(style, &name, 13), percent(rate.rate), paint(DIM, "interval")))?;
        print(&format!("    after {} (median), {} (p90)", hours(rate.at_hours.median), hours(rate.at_hours.p90)))?;
        print(&format!("    subjects on new {} (median), {} (p90); requests failed {}, {}", whole(rate.subjects_exposed.median), whole(rate.subjects_exposed.p90), whole(rate.requests_failed.median), whole(rate.requests_failed.p90)))?;
        if let Some(requests) = rate.requests_until_detection {
            print(&format!("    noticed after {} requests to new (median), {} (p90)", whole(requests.median), whole(requests.p90)))?;
        }
    }
    Ok(())
}

fn whole(value: f64) -> String {
    number(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        let near = |(low, high): (f64, f64), expected: (f64, f64)| (low - expected.0).abs() < 5e-4 && (high - expected.1).abs() < 5e-4;
        assert!(near(wilson(0, 10), (0.0, 0.2775)) && near(wilson(5, 10), (0.2366, 0.7634)) && near(wilson(998, 1_000), (0.9927, 0.9995)), "{:?}", wilson(998, 1_000));
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let spread = spread((1..=10).rev().map(f64::from).collect());
        assert_eq!((spread.median, spread.p90), (5.0, 9.0));
    }
}
