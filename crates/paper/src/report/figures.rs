//! What was measured, by minutes or hours, and the plots of it.

use super::Writing;
use crate::document::{Block, Line, Mark, Plot, Side, Text, Tone};
use tidegate_model::Instant;
use tidegate_model::figure::Unit;
use tidegate_model::minute::MINUTE_MS;

/// Before an incident so many milliseconds are shown, and behind it.
const AROUND_MS: i64 = 20 * MINUTE_MS;

/// What was measured under one revision in a span of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// When it begins, in milliseconds since 1970-01-01T00:00Z.
    pub at_ms: i64,
    /// How many minutes it spans.
    pub minutes: u32,
    /// The share of users on new that was in force, in percent, where it is known.
    pub percentage: Option<f64>,
    /// The new side.
    pub new: SideFigures,
    /// Legacy.
    pub legacy: SideFigures,
    /// Different users on new.
    pub users: Option<f64>,
    /// The share of users who chose legacy though the percentage has them on new; `None` where nobody did.
    pub opt_out_rate: Option<f64>,
}

/// What happened on a side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SideFigures {
    /// Requests.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that failed, each user once a minute.
    pub failing_users: u64,
    /// Those answered with a 4xx.
    pub client_errors: u64,
    /// Those of new that legacy answered.
    pub rescued: u64,
    /// Page views that reported.
    pub pages: u64,
    /// Those with a JavaScript error.
    pub failed_pages: u64,
    /// The 95th percentile of response times, in milliseconds.
    pub latency_p95_ms: Option<f64>,
    /// The third quartile of the time to the largest content, in milliseconds.
    pub lcp_p75_ms: Option<f64>,
}

impl SideFigures {
    /// The share of requests that failed.
    pub fn error_rate(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.errors as f64 / self.requests as f64)
    }

    fn add(&mut self, other: &Self) {
        let weighted = |own: Option<f64>, theirs: Option<f64>| match (own, theirs) {
            (Some(own), Some(theirs)) => {
                let (a, b) = (self.requests as f64, other.requests as f64);
                Some(if a + b > 0.0 { (own * a + theirs * b) / (a + b) } else { own.max(theirs) })
            }
            (own, theirs) => own.or(theirs),
        };
        let latency = weighted(self.latency_p95_ms, other.latency_p95_ms);
        let lcp = weighted(self.lcp_p75_ms, other.lcp_p75_ms);
        self.requests += other.requests;
        self.errors += other.errors;
        self.failing_users += other.failing_users;
        self.client_errors += other.client_errors;
        self.rescued += other.rescued;
        self.pages += other.pages;
        self.failed_pages += other.failed_pages;
        (self.latency_p95_ms, self.lcp_p75_ms) = (latency, lcp);
    }
}

/// All of them together.
pub fn sum<'a>(minutes: impl IntoIterator<Item = &'a Stretch>) -> Stretch {
    let mut sum = Stretch::default();
    for minute in minutes {
        sum.new.add(&minute.new);
        sum.legacy.add(&minute.legacy);
    }
    sum
}

/// As fine as each time was kept: minutes, and before the first of them hours.
pub fn finest(measured: &[Stretch], minutes: &[Stretch]) -> Vec<Stretch> {
    let first_ms = minutes.iter().map(|minute| minute.at_ms).min().unwrap_or(i64::MAX);
    let is_before = |hour: &&Stretch| hour.at_ms + i64::from(hour.minutes) * MINUTE_MS <= first_ms;
    let all: Vec<Stretch> = measured.iter().filter(is_before).chain(minutes).cloned().collect();
    by_time(&all)
}

/// One for each span of time: revisions of one minute are put together.
pub fn by_time(minutes: &[Stretch]) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for minute in minutes {
        match all.last_mut().filter(|own| own.at_ms == minute.at_ms) {
            Some(own) => {
                own.new.add(&minute.new);
                own.legacy.add(&minute.legacy);
                own.percentage = minute.percentage.or(own.percentage);
                own.opt_out_rate = larger(own.opt_out_rate, minute.opt_out_rate);
                own.users = larger(own.users, minute.users);
            }
            None => all.push(minute.clone()),
        }
    }
    all
}

fn larger(own: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (own, other) {
        (Some(own), Some(other)) => Some(own.max(other)),
        (own, other) => own.or(other),
    }
}

impl Writing<'_> {
    pub(super) fn plots(&self) -> Vec<Block> {
        let input = self.input;
        // Of an incident, the time around it; else all of it.
        let window = self.incidents.last().map(|incident| {
            let from = incident.began.unwrap_or(incident.entry.at).as_epoch_ms() - AROUND_MS;
            (from, incident.entry.at.as_epoch_ms() + AROUND_MS)
        });
        let is_shown = |minute: &&Stretch| window.is_none_or(|(from, to)| (from..=to).contains(&minute.at_ms));
        let fine: Vec<Stretch> = input.minutes.iter().filter(is_shown).cloned().collect();
        let coarse: Vec<Stretch> = input.measured.iter().filter(is_shown).cloned().collect();
        let minutes = by_time(if window.is_some() && fine.len() > 1 { &fine } else { &coarse });
        let (Some(first), Some(last)) = (minutes.first(), minutes.last()) else { return Vec::new() };
        let length = i64::from(last.minutes.max(1)) * MINUTE_MS;
        let span = (Instant::from_epoch_ms(first.at_ms), Instant::from_epoch_ms(last.at_ms + length));
        let plot = |title: &str, unit: Unit, of: &dyn Fn(&SideFigures) -> Option<f64>| {
            let line = |name, side, figures: &dyn Fn(&Stretch) -> SideFigures| Line {
                name,
                side,
                is_stepped: false,
                points: minutes
                    .iter()
                    .map(|minute| (Instant::from_epoch_ms(minute.at_ms + length / 2), of(&figures(minute))))
                    .collect(),
            };
            Plot {
                title: title.to_owned(),
                unit,
                lines: vec![
                    line("new", Side::New, &|minute| minute.new),
                    line("legacy", Side::Legacy, &|minute| minute.legacy),
                ],
                marks: self.marks(),
                bound: None,
                span,
                zone: self.zone.clone(),
            }
        };
        let has = |of: &dyn Fn(&SideFigures) -> Option<f64>| {
            minutes.iter().any(|minute| of(&minute.new).is_some() || of(&minute.legacy).is_some())
        };
        let each = if last.minutes > 1 { "hour" } else { "minute" };
        let mut blocks = vec![Block::Paragraph(Text::from(format!(
            "Each point is one {each}. The numbers at the lines are those of the steps in the next section."
        )))];
        blocks.push(Block::Plot(self.share(&plot("", Unit::Share, &|_| None))));
        blocks.push(Block::Plot(plot("Share of requests that failed", Unit::Share, &SideFigures::error_rate)));
        blocks.push(Block::Plot(plot(&format!("Requests each {each}"), Unit::Number, &|side| {
            Some(side.requests as f64)
        })));
        if has(&|side| side.latency_p95_ms) {
            blocks.push(Block::Plot(plot(
                "Response times: 95 of 100 answers come within",
                Unit::Milliseconds,
                &|side| side.latency_p95_ms,
            )));
        }
        if has(&|side| (side.pages > 0).then_some(0.0)) {
            blocks.push(Block::Plot(plot("Share of page views with a JavaScript error", Unit::Share, &|side| {
                (side.pages > 0).then(|| side.failed_pages as f64 / side.pages as f64)
            })));
        }
        if minutes.iter().any(|minute| minute.opt_out_rate.is_some()) {
            let point = |minute: &Stretch| {
                let none = (minute.new.requests > 0).then_some(0.0);
                (Instant::from_epoch_ms(minute.at_ms + length / 2), minute.opt_out_rate.or(none))
            };
            let points = minutes.iter().map(point).collect();
            let own = Line { name: "new", side: Side::New, is_stepped: false, points };
            let like = plot("Share of users on new who went back to legacy", Unit::Share, &|_| None);
            blocks.push(Block::Plot(Plot { lines: vec![own], ..like }));
        }
        blocks
    }

    /// The share of users on new, as the history has it.
    fn share(&self, like: &Plot) -> Plot {
        let (from, to) = like.span;
        let share = |percentage: tidegate_model::Percentage| {
            f64::from(percentage.limit()) / f64::from(tidegate_model::Percentage::FULL.limit())
        };
        let in_force = |entry: &tidegate_model::history::Entry| {
            if entry.state.killed { 0.0 } else { share(entry.state.percentage) }
        };
        let mut points: Vec<(Instant, Option<f64>)> = Vec::new();
        let before = self.input.history.iter().rfind(|entry| entry.at < from);
        points.push((from, Some(before.map_or(0.0, in_force))));
        points.extend(
            self.input
                .history
                .iter()
                .filter(|entry| entry.at >= from && entry.at <= to)
                .map(|entry| (entry.at, Some(in_force(entry)))),
        );
        let last = points.last().and_then(|(_, value)| *value);
        points.push((to, last));
        Plot {
            title: "Share of users on the new version".to_owned(),
            lines: vec![Line { name: "new", side: Side::New, is_stepped: true, points }],
            ..like.clone()
        }
    }

    /// The steps of the history, by their numbers.
    fn marks(&self) -> Vec<Mark> {
        let steps = self.input.history.iter().enumerate();
        steps
            .filter(|(_, entry)| super::log::is_step(entry))
            .map(|(index, entry)| Mark {
                at: entry.at,
                label: (index + 1).to_string(),
                tone: if super::incident::is_incident(entry) { Tone::Bad } else { Tone::Plain },
            })
            .collect()
    }
}
