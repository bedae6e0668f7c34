//! Many runs: how often each outcome comes, and what it costs. Runs are spread over the cores; each has
//! a seed of its own, so that any of them can be looked at alone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};

use super::timeline::{hours, judged, warn_of_never};
use crate::Failure;
use crate::paint::{BAD, BOLD, DIM, GOOD, WARN, cell, paint, print, print_raw};
use tidegate_model::number::{Grouped, counted};
use tidegate_model::plan::Plan;
use tidegate_simulate::scenario::Scenario;
use tidegate_simulate::summary::{Summary, summaries};
use tidegate_simulate::{Outcome, Report, RunOutcome, Settings, Simulation};

pub fn run(plans: &[Plan], scenario: &Scenario, settings: &Settings, runs: u32, json: bool) -> Result<(), Failure> {
    let mut reports = live(plans, scenario, settings, runs);
    reports.sort_by_key(|report| report.fates.first().map(|fate| fate.seed));
    if let Some(first) = reports.first() {
        warn_of_never(first);
    }
    let fates: Vec<&RunOutcome> = reports.iter().flat_map(|report| judged(report, settings)).collect();
    if json {
        fates.iter().try_for_each(|fate| print_raw(&serde_json::to_string(fate).unwrap_or_default()))?;
    }
    for summary in summaries(&fates) {
        if json { print_raw(&serde_json::to_string(&summary).unwrap_or_default())? } else { show(&summary)? }
    }
    Ok(())
}

/// All runs, over the cores.
fn live(plans: &[Plan], scenario: &Scenario, settings: &Settings, runs: u32) -> Vec<Report> {
    let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} runs, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
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

fn show(summary: &Summary) -> Result<(), Failure> {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    print(&format!("{}: {}", paint(BOLD, &summary.rollout), counted(summary.runs as u64, "run")))?;
    for rate in &summary.outcomes {
        let style = match rate.outcome {
            Outcome::Completed => GOOD,
            Outcome::RolledBack => BAD,
            Outcome::Paused | Outcome::Unfinished => WARN,
        };
        let name = rate.outcome.as_str().replace('_', " ");
        let interval = format!("{} to {}", percent(rate.low), percent(rate.high));
        print(&format!(
            "  {}{:>7}  {} of 95 %: {interval}",
            cell(style, &name, 13),
            percent(rate.rate),
            paint(DIM, "interval")
        ))?;
        print(&format!("    after {} (median), {} (p90)", hours(rate.at_hours.median), hours(rate.at_hours.p90)))?;
        print(&format!(
            "    users on new {} (median), {} (p90); requests failed {}, {}",
            whole(rate.subjects_exposed.median),
            whole(rate.subjects_exposed.p90),
            whole(rate.requests_failed.median),
            whole(rate.requests_failed.p90)
        ))?;
        if let Some(requests) = rate.requests_until_detection {
            print(&format!(
                "    detected after {} requests to new (median), {} (p90)",
                whole(requests.median),
                whole(requests.p90)
            ))?;
        }
    }
    Ok(())
}

fn whole(value: f64) -> String {
    Grouped(value as u64).to_string()
}
