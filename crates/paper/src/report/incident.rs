//! Incidents: what had to be taken back, since when it was so, how soon it was seen, how soon it was over.
//!
//! When it began is worked out from the minutes: the first of those in a row, up to the step back, in which the figure
//! that decided stands out. A minute is all that is known of it. What has no such figure is for people to find out.

use super::figures::{SideFigures, Stretch, sum};
use super::{Input, Writing};
use crate::document::{Block, Table, Text, Tone};
use tidegate_decide::explain::{self, sentence};
use tidegate_model::command::{Cause, Command};
use tidegate_model::condition::Condition;
use tidegate_model::figure::{Basis, Figure, Unit};
use tidegate_model::history::{Entry, EntryCause};
use tidegate_model::minute::MINUTE_MS;
use tidegate_model::number::{Grouped, counted};
use tidegate_model::{Instant, Percentage};

/// What is looked for before a step back, in milliseconds.
const BEFORE_MS: i64 = 6 * 60 * MINUTE_MS;
/// And behind it.
const BEHIND_MS: i64 = 30 * MINUTE_MS;
/// A share that is so many times legacy's stands out.
const TIMES: f64 = 2.0;

/// Something that had to be taken back.
pub struct Incident<'a> {
    /// The step back.
    pub entry: &'a Entry,
    /// The state before it.
    pub before: Option<&'a Entry>,
    /// The first minute in which the figure stood out.
    pub began: Option<Instant>,
    /// The last moment at which new was asked by users, where that is known.
    pub over: Option<Instant>,
    /// The minutes from its beginning to its end.
    pub minutes: Vec<Stretch>,
}

/// Whether a step takes something back, or holds it because of figures.
pub fn is_incident(entry: &Entry) -> bool {
    let is_guardrail = matches!(entry.cause, Some(EntryCause::Guardrail { .. } | EntryCause::Problem { .. }));
    match &entry.command {
        Command::Rollback(_) => true,
        Command::Kill(Cause::Command | Cause::Text(_) | Cause::Key(_)) => true,
        Command::Set(_) | Command::Pause => is_guardrail,
        _ => false,
    }
}

/// The incidents of a history.
pub fn incidents<'a>(input: &Input<'a>, minutes: &[Stretch]) -> Vec<Incident<'a>> {
    let history = input.history;
    let steps = history.iter().enumerate().filter(|(index, entry)| {
        let was_on = index
            .checked_sub(1)
            .and_then(|before| history.get(before))
            .is_some_and(|before| before.state.percentage > Percentage::ZERO || !before.state.groups.is_empty());
        is_incident(entry) && was_on
    });
    steps
        .map(|(index, entry)| {
            let before = index.checked_sub(1).and_then(|before| history.get(before));
            let next = history
                .get(index + 1..)
                .unwrap_or_default()
                .iter()
                .find(|next| next.state.percentage > entry.state.percentage);
            one(entry, before, next.map(|next| next.at), minutes)
        })
        .collect()
}

fn one<'a>(entry: &'a Entry, before: Option<&'a Entry>, until: Option<Instant>, minutes: &[Stretch]) -> Incident<'a> {
    let at_ms = entry.at.as_epoch_ms();
    let earlier: Vec<&Stretch> =
        minutes.iter().filter(|minute| minute.at_ms <= at_ms && minute.at_ms >= at_ms - BEFORE_MS).collect();
    let began = entry.measured.first().and_then(|figure| began(figure, &earlier));
    let until_ms = until.map_or(at_ms + BEHIND_MS, Instant::as_epoch_ms);
    let is_asked = |minute: &&Stretch| minute.new.requests > 0;
    let later = minutes.iter().filter(|minute| minute.at_ms + MINUTE_MS > at_ms && minute.at_ms < until_ms);
    // While a share stays on new it goes on being asked.
    let is_nobody = entry.state.percentage == Percentage::ZERO || entry.state.killed;
    let last_asked =
        later.clone().filter(is_asked).map(|minute| minute.at_ms + i64::from(minute.minutes) * MINUTE_MS).max();
    let is_measured_behind = later.clone().any(|minute| minute.at_ms > at_ms && minute.new.requests == 0);
    let over = match last_asked {
        _ if !is_nobody => None,
        Some(last) if is_measured_behind => Some(last),
        Some(_) => None,
        None => Some(at_ms),
    };
    let from_ms = began.map_or(at_ms - at_ms.rem_euclid(MINUTE_MS), Instant::as_epoch_ms);
    let to_ms = over.unwrap_or(at_ms + MINUTE_MS);
    let own = minutes.iter().filter(|minute| minute.at_ms >= from_ms && minute.at_ms < to_ms.max(from_ms + MINUTE_MS));
    Incident { entry, before, began, over: over.map(Instant::from_epoch_ms), minutes: own.cloned().collect() }
}

/// The first of the minutes in a row, up to the last, in which the figure stands out.
fn began(figure: &Figure, earlier: &[&Stretch]) -> Option<Instant> {
    let whole = sum(earlier.iter().copied());
    let usual = of(figure, &whole.legacy).unwrap_or_default();
    let mut first = None;
    for minute in earlier.iter().rev() {
        if minute.new.requests == 0 {
            continue;
        }
        match of(figure, &minute.new) {
            Some(value) if stands_out(figure, value, of(figure, &minute.legacy).unwrap_or(usual).max(usual)) => {
                first = Some(minute.at_ms);
            }
            // The minute in which it went back may have hardly begun.
            _ if first.is_none() => {}
            _ => break,
        }
    }
    first.map(Instant::from_epoch_ms)
}

fn stands_out(figure: &Figure, value: f64, legacy: f64) -> bool {
    match figure.basis {
        Basis::Legacy | Basis::LegacyBefore => value > 0.0 && value > legacy * figure.bound.max(TIMES),
        _ => match figure.op.as_str() {
            ">" => value > figure.bound,
            ">=" => value >= figure.bound,
            "<" => value < figure.bound,
            "<=" => value <= figure.bound,
            _ => false,
        },
    }
}

/// A metric as minutes have it.
fn of(figure: &Figure, side: &SideFigures) -> Option<f64> {
    let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
    match figure.metric.split('@').next().unwrap_or_default() {
        "error_rate" => share(side.errors, side.requests),
        "client_error_rate" => share(side.client_errors, side.requests),
        "js_error_rate" => share(side.failed_pages, side.pages),
        "errors" => Some(side.errors as f64),
        metric if metric.starts_with("latency.") => side.latency_p95_ms,
        metric if metric.starts_with("lcp.") => side.lcp_p75_ms,
        _ => None,
    }
}

impl Writing<'_> {
    /// The step back, as the end of a sentence.
    pub(super) fn what_happened(&self, incident: &Incident<'_>) -> String {
        let entry = incident.entry;
        let who = match &entry.cause {
            Some(EntryCause::Guardrail { .. } | EntryCause::Problem { .. }) => "Tidegate".to_owned(),
            Some(EntryCause::Kv { .. }) => "somebody, by hand in KV,".to_owned(),
            _ => entry.actor.clone(),
        };
        let stage =
            incident.before.map(|before| format!(", from {} at {} %", before.state.stage, before.state.percentage));
        // Names stay as they are written.
        let what = format!("{who} {}{}", explain::done(&entry.command), stage.unwrap_or_default());
        explain::ended(&format!("{what}{}", self.because(entry)))
    }

    /// Why, in words that need no others; the figures follow.
    fn because(&self, entry: &Entry) -> String {
        let condition = match &entry.cause {
            Some(EntryCause::Guardrail { condition, .. }) => condition.parse::<Condition>().ok(),
            _ => None,
        };
        match condition {
            Some(condition) => {
                format!(", because {} (the guardrail `{condition}`)", explain::condition(&condition, self.plan))
            }
            None => {
                let why = explain::why(entry);
                if why.is_empty() { why } else { format!(": {why}") }
            }
        }
    }

    /// Who was affected, in a sentence.
    pub(super) fn impact(&self, incident: &Incident<'_>) -> String {
        let sum = sum(&incident.minutes);
        if sum.new.requests == 0 {
            let is_kept = sum.legacy.requests > 0;
            let what = if is_kept { "No request to the new version was" } else { "Of that time nothing is" };
            return format!("{what} measured.");
        }
        let seen = sum.new.errors.saturating_sub(sum.new.rescued);
        let rescued = if sum.new.rescued > 0 {
            format!("; legacy answered {} of them in its place, which the users did not see", Grouped(sum.new.rescued))
        } else {
            String::new()
        };
        let lasted = incident
            .over
            .zip(incident.began)
            .map(|(over, began)| format!("It lasted about {}. ", span(over.ms_since(began))));
        let users = incident.minutes.iter().filter_map(|minute| minute.users).fold(0.0, f64::max);
        let users = if users >= 1.0 {
            format!(" About {} users were on the new version then.", Grouped(users.round() as u64))
        } else {
            String::new()
        };
        format!(
            "{}In that time {} of {} to the new version failed{rescued}: {} reached users.{users}",
            lasted.unwrap_or_default(),
            Grouped(sum.new.errors),
            counted(sum.new.requests, "request"),
            counted(seen, "failure"),
        )
    }

    pub(super) fn incident(&self, incident: &Incident<'_>) -> Vec<Block> {
        let entry = incident.entry;
        let mut table = Table::new(&["", "", ""]);
        let mut row = |name: &str, when: String, what: Text| {
            table.rows.push(vec![Text::default().strong(name), Text::from(when), what]);
        };
        let began = incident.began.map_or_else(|| "to be found out".to_owned(), |began| self.at(began));
        row("Began", began, Text::from("the first minute in which the figure that decided stands out"));
        row(
            "Detected",
            format!("{}:{:02}", self.at(entry.at), entry.at.as_epoch_ms().rem_euclid(60_000) / 1_000),
            Text::from(self.what_happened(incident)),
        );
        let left = entry.state.percentage;
        let (over, what) = match incident.over {
            Some(over) => (
                self.at(over),
                "the end of the last minute in which a user's request reached the new version".to_owned(),
            ),
            None if left > Percentage::ZERO && !entry.state.killed => {
                ("–".to_owned(), format!("{left} % of the users stayed on the new version"))
            }
            None => ("not known".to_owned(), "when a user's request last reached the new version".to_owned()),
        };
        row("Over", over, Text::from(what));
        if let Some(began) = incident.began {
            let detection = entry.at.ms_since(began);
            row(
                "Time to detect",
                format!("at most {}", span(detection)),
                Text::from("from the beginning of that minute to the step back"),
            );
        }
        if let Some(over) = incident.over {
            let recovery = over.ms_since(entry.at).max(0);
            row(
                "Time to recover",
                format!("at most {}", span(recovery)),
                Text::from("from the step back to the end of the last minute with requests to the new version"),
            );
        }
        let mut blocks = vec![Block::Table(table), Block::Paragraph(Text::from(self.impact(incident)))];
        let figures = explain::figures(entry);
        if !figures.is_empty() {
            blocks.push(Block::Heading(3, "Why: the figures that decided".into()));
            blocks.push(Block::List(figures.iter().map(|figure| Text::from(sentence(figure))).collect()));
        }
        blocks.extend(self.minute_by_minute(incident));
        blocks
    }

    /// What was measured around the step back.
    fn minute_by_minute(&self, incident: &Incident<'_>) -> Vec<Block> {
        const BEFORE: i64 = 5 * MINUTE_MS;
        const BEHIND: i64 = 5 * MINUTE_MS;
        const ROWS_MAX: usize = 40;
        let at_ms = incident.entry.at.as_epoch_ms();
        let from_ms = incident.began.map_or(at_ms, Instant::as_epoch_ms) - BEFORE;
        let shown: Vec<&Stretch> =
            self.minutes.iter().filter(|minute| minute.at_ms >= from_ms && minute.at_ms <= at_ms + BEHIND).collect();
        if shown.is_empty() {
            return Vec::new();
        }
        let mut table = Table::new(&[
            "Minute",
            "Requests to new",
            "Failed",
            "Answered by the old version",
            "95 of 100 answers within",
            "Failed on the old version",
        ]);
        let skipped = shown.len().saturating_sub(ROWS_MAX);
        for minute in shown.into_iter().skip(skipped) {
            let within = minute.new.latency_p95_ms.map(|value| explain::amount(Unit::Milliseconds, value));
            let is_its = incident.minutes.iter().any(|own| own.at_ms == minute.at_ms);
            let failed = failed_of(minute.new.errors, minute.new.error_rate());
            let failed = if is_its && minute.new.errors > 0 {
                Text::default().toned(Tone::Bad, failed)
            } else {
                Text::from(failed)
            };
            table.rows.push(vec![
                Text::from(self.at(Instant::from_epoch_ms(minute.at_ms)).rsplit(' ').next().unwrap_or_default()),
                Text::from(Grouped(minute.new.requests).to_string()),
                failed,
                Text::from(Grouped(minute.new.rescued).to_string()),
                Text::from(within.unwrap_or_else(|| "–".to_owned())),
                Text::from(failed_of(minute.legacy.errors, minute.legacy.error_rate())),
            ]);
        }
        let mut blocks = vec![Block::Heading(3, "Minute by minute".into()), Block::Table(table)];
        if skipped > 0 {
            let text = format!("{} before them are left out; the plots have them.", counted(skipped as u64, "minute"));
            blocks.push(Block::Paragraph(Text::from(text)));
        }
        blocks
    }
}

/// `3 (0.32 %)`; without requests there is no share, and nothing could fail.
fn failed_of(errors: u64, rate: Option<f64>) -> String {
    rate.map_or_else(
        || "no requests".to_owned(),
        |rate| format!("{} ({})", Grouped(errors), explain::amount(Unit::Share, rate)),
    )
}

/// A span of time as people say it, in two units at most.
pub fn span(ms: i64) -> String {
    let s = ms.max(0) / 1_000;
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| {
        let small = if small == 0 { String::new() } else { format!(" {small} {small_unit}") };
        format!("{large} {large_unit}{small}")
    };
    match s {
        ..60 => format!("{s} s"),
        60..3_600 => two(s / 60, "min", s % 60, "s"),
        3_600..172_800 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}
