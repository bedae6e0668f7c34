//! One run, as people read it and as programs do.

use crate::Failure;
use crate::paint::{BAD, BOLD, DIM, GOOD, NEXT, WARN, cell, note, paint, print, print_raw};
use crate::words::{moment, sentence, span};
use tidegate_model::number::{Grouped, counted};
use tidegate_simulate::{Event, Kind, Outcome, Report, RunOutcome, Settings};

const TIME_WIDTH: usize = 10;

/// A line for each rollout that counts.
pub fn print_json(report: &Report, settings: &Settings) -> Result<(), Failure> {
    warn_of_never(report);
    judged(report, settings)
        .into_iter()
        .try_for_each(|fate| print_raw(&serde_json::to_string(fate).unwrap_or_default()))
}

/// The fates of the rollouts that count.
pub fn judged<'a>(report: &'a Report, settings: &Settings) -> Vec<&'a RunOutcome> {
    report.fates.iter().filter(|fate| settings.rollout.as_ref().is_none_or(|key| *key == fate.rollout)).collect()
}

/// A line of the scenario that nothing came of would look as if the plan had endured it.
pub fn warn_of_never(report: &Report) {
    for line in &report.never {
        note(&format!("{} the time of this line never came: {line}", paint(WARN.bold(), "note:")));
    }
}

pub fn show(report: &Report, settings: &Settings, has_figures: bool) -> Result<(), Failure> {
    let fates = judged(report, settings);
    let is_shown = |event: &&Event| fates.iter().any(|fate| fate.rollout == event.rollout);
    let width = |of: fn(&Event) -> usize, head: &str| {
        report.events.iter().filter(is_shown).map(of).max().unwrap_or_default().max(head.len())
    };
    let rollouts = if fates.len() > 1 { width(|event| event.rollout.as_str().len(), "rollout") + 2 } else { 0 };
    let stages = width(|event| event.stage.as_str().len(), "stage") + 2;
    let heads = fates.iter().map(|fate| fate.rollout.as_str()).collect::<Vec<_>>().join(", ");
    print(&format!(
        "{}: {}, {} an hour, from {}, seed {}\n",
        paint(BOLD, heads),
        counted(settings.subjects as u64, "user"),
        counted(settings.requests_per_hour as u64, "request"),
        moment(report.start, tidegate_model::Instant::from_epoch_ms(0)),
        settings.seed
    ))?;
    let rollout_head = if rollouts > 0 { cell(DIM, "rollout", rollouts) } else { String::new() };
    print(&format!(
        "{}  {rollout_head}{}{}",
        cell(DIM, "after", TIME_WIDTH),
        cell(DIM, "stage", stages),
        paint(DIM, " on new")
    ))?;
    for event in report.events.iter().filter(is_shown) {
        let rollout = if rollouts > 0 { cell(DIM, event.rollout.as_str(), rollouts) } else { String::new() };
        let after = span(event.at.ms_since(report.start));
        let share = format!("{:>7}", format!("{} %", event.percentage));
        print(&format!(
            "{}  {rollout}{}{share}  {}",
            cell(DIM, &after, TIME_WIDTH),
            cell(BOLD, event.stage.as_str(), stages),
            what(event)
        ))?;
        if has_figures {
            let indent = " ".repeat(TIME_WIDTH + 2 + rollouts + stages + 9);
            event.figures.iter().try_for_each(|figure| print(&paint(DIM, format!("{indent}{figure}"))))?;
        }
    }
    print("")?;
    for fate in &fates {
        print(&summary(fate, fates.len() > 1))?;
    }
    warn_of_never(report);
    Ok(())
}

fn what(event: &Event) -> String {
    let style = match event.kind {
        Kind::Forward => GOOD,
        Kind::Back | Kind::Refused => BAD,
        Kind::Alert | Kind::Scenario => WARN,
        Kind::Waiting => NEXT,
        Kind::Change => DIM,
    };
    let word = match event.kind {
        Kind::Scenario => "scenario",
        Kind::Refused => "refused",
        Kind::Waiting => "waits",
        _ => event.command,
    };
    format!("{} {}", cell(style, word, 9), event.text)
}

/// How a rollout ended, and what it has cost.
fn summary(fate: &RunOutcome, is_named: bool) -> String {
    let (style, ended) = match fate.outcome {
        Outcome::Completed => (GOOD, "completed"),
        Outcome::RolledBack => (BAD, "rolled back"),
        Outcome::Paused => (WARN, "paused"),
        Outcome::Unfinished => (WARN, "unfinished"),
    };
    let name = if is_named { format!("{}: ", fate.rollout) } else { String::new() };
    let mut lines = vec![format!(
        "{} in {} at {} % after {}",
        paint(style.bold(), sentence(&format!("{name}{ended}"))),
        fate.stage,
        fate.percentage,
        hours(fate.at_hours)
    )];
    if !fate.reason.is_empty() {
        lines.push(format!("  {}", fate.reason));
    }
    let mut cost = format!(
        "  {} on new, with {}: {} failed",
        counted(fate.subjects_exposed, "user"),
        counted(fate.requests_on_new, "request"),
        Grouped(fate.requests_failed)
    );
    if fate.requests_rescued > 0 {
        cost.push_str(&format!(", {} rescued by legacy", Grouped(fate.requests_rescued)));
    }
    lines.push(cost);
    if fate.subjects_kept > 0 {
        lines.push(format!("  {} stayed on new after a step down", counted(fate.subjects_kept, "user")));
    }
    if let Some((requests, took)) = fate.requests_until_detection.zip(fate.hours_until_detection) {
        lines.push(format!(
            "  detected {} after it began, and after {} to new",
            hours(took),
            counted(requests, "request")
        ));
    }
    if fate.alerts > 0 {
        lines.push(format!("  {} fired", counted(fate.alerts, "alert")));
    }
    lines.join("\n")
}

/// A time in hours as people say it.
pub fn hours(hours: f64) -> String {
    span((hours * 3_600_000.0).round() as i64)
}
