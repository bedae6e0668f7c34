//! One comparison of a condition: whether it is true, and the figure that says so.

use super::adoption::VIEW;
use super::comparing::ComparisonTracker;
use super::metrics_view::{MetricsView, Reading, rounded};
use super::{Figure, words};
use crate::decide::series::MINUTE_MS;
use crate::model::condition::{MIN_DEFAULT, Metric, Op, Term, WINDOW_DEFAULT, Window};
use crate::model::number::Plain;
use crate::model::variant::Variant;
use crate::model::{Duration, Instant};

/// A break between two looks that is longer than this breaks what must hold without one.
const GAP_MS: i64 = 150_000;
/// What happens now: over so many minutes, where there are so many observations, and how that is said.
const NOW: [(u32, f64, &str); 3] =
    [(1, 20.0, "in the last minute"), (5, 5.0, "in the last five minutes"), (60, 1.0, "in the last hour")];

/// A longer span does not tell what happens now.
const NOW_MAX: Duration = Duration::minutes(5);
/// Why an event says nothing.
pub(super) const NO_PAGE: &str = "no page has reported anything, so nobody can tell; pages load /_tidegate/beacon.js";

/// Whether a condition is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody can tell.
    Unknown,
}

impl From<bool> for Truth {
    fn from(is_true: bool) -> Self {
        if is_true { Self::True } else { Self::False }
    }
}

/// What conditions are judged by.
pub struct Evaluator<'c, 's> {
    /// What is measured.
    pub metrics_view: &'c mut MetricsView<'s>,
    /// The evidence of each comparison.
    pub gatherings: &'c [ComparisonTracker],
    /// Since when each term has been true, and when that was last seen.
    pub held: &'c mut Vec<(String, Instant, Instant)>,
    /// The error that each comparison may spend.
    pub alpha: f64,
}

impl<'c> Evaluator<'c, '_> {
    /// A guardrail's term.
    pub fn guardrail(&mut self, term: &Term) -> (Truth, Figure) {
        if term.bound.is_legacy() { self.guardrail_against_legacy(term) } else { self.absolute(term, "acts") }
    }

    /// A gate's term.
    pub fn gate(&mut self, term: &Term) -> (Truth, Figure) {
        if term.bound.is_legacy() { self.gate_against_legacy(term) } else { self.absolute(term, "passes") }
    }

    /// Too few observations, or subjects, make nothing true or false; the figure says so.
    pub(super) fn is_too_few(&mut self, term: &Term, over: Window, figure: &mut Figure) -> bool {
        let needed = min(term);
        if figure.observations < needed {
            figure.text = format!("{}: {}", words::metric(term), self.still_needed(figure.observations, needed, over));
            return true;
        }
        let Some(needed) = term.min_subjects.map(f64::from) else { return false };
        let subjects = self.metrics_view.read(&Metric::Subjects, None, over, Variant::New).value.unwrap_or_default();
        let is_too_few = subjects < needed;
        if is_too_few {
            figure.text = format!(
                "{} over {over}: {} different subjects on new, fewer than {}",
                words::metric(term),
                words::count(subjects),
                Plain(needed)
            );
        }
        is_too_few
    }

    /// How many observations there are of those needed, and how long the rest takes at this rate.
    pub(super) fn still_needed(&self, observations: f64, needed: f64, over: Window) -> String {
        let found =
            format!("{} of the {} observations needed on new over {over}", words::count(observations), Plain(needed));
        let elapsed_ms = self.metrics_view.length_ms(over);
        if matches!(over, Window::Last(_)) || observations <= 0.0 || elapsed_ms < MINUTE_MS {
            return found;
        }
        let rest_ms = (needed - observations) / observations * elapsed_ms as f64;
        // A cast beyond the largest number ends there.
        format!("{found}; the rest takes about {} at this traffic", rounded(rest_ms as i64))
    }

    /// The figures of the last minute, or of the last five where a minute has few: what happens now leads.
    pub(super) fn now(&mut self, term: &Term, with_legacy: bool) -> Option<String> {
        let endpoint = term.endpoint.as_ref();
        let (reading, over) = NOW.iter().find_map(|(minutes, least, over)| {
            let reading =
                self.metrics_view.read(&term.metric, endpoint, Window::Last(Duration::minutes(*minutes)), Variant::New);
            (reading.observations >= *least).then_some((reading, (*minutes, *over)))
        })?;
        let (minutes, over) = over;
        let window = Window::Last(Duration::minutes(minutes));
        let say = |reading: &Reading| {
            reading
                .value
                .as_ref()
                .map_or_else(|_| "unknown".to_owned(), |value| words::figure(&term.metric, term.bound, *value))
        };
        let legacy = with_legacy.then(|| self.metrics_view.read(&term.metric, endpoint, window, Variant::Legacy));
        let legacy = legacy.map(|legacy| format!(" on new and {} on legacy", say(&legacy))).unwrap_or_default();
        let is_rescued = term.metric.of_requests().is_some();
        let rescued = if is_rescued {
            self.metrics_view.read(&Metric::Rescued, endpoint, window, Variant::New).value.unwrap_or_default()
        } else {
            0.0
        };
        let rescued = if rescued > 0.0 {
            format!(" ({} {} rescued)", words::count(rescued), if rescued < 2.0 { "request" } else { "requests" })
        } else {
            String::new()
        };
        Some(format!("{}{legacy} {over}{rescued}", say(&reading)))
    }

    /// A comparison with a number; `does` is what happens where it is true.
    fn absolute(&mut self, term: &Term, does: &str) -> (Truth, Figure) {
        let over = term.over.unwrap_or(WINDOW_DEFAULT);
        let reading = self.metrics_view.read(&term.metric, term.endpoint.as_ref(), over, Variant::New);
        let name = words::metric(term);
        let has_window = !matches!(term.metric, Metric::Percentage | Metric::Faults) && !self.is_gauge(term);
        let span = if has_window { format!(" over {over}") } else { String::new() };
        let mut figure = Figure {
            metric: name.clone(),
            value: reading.value.clone().ok(),
            legacy: None,
            bound: term.bound.figure(),
            observations: reading.observations,
            e_value: None,
            e_needed: None,
            text: String::new(),
        };
        if self.is_never_reported(term) {
            figure.text = format!("{name}: {NO_PAGE}");
            return (Truth::Unknown, figure);
        }
        let value = match reading.value {
            Ok(value) => value,
            Err(why) => {
                figure.text = format!("{name}{span}: {why}");
                return (Truth::Unknown, figure);
            }
        };
        let min = min(term);
        if reading.observations < min {
            figure.text = format!("{name}: {}", self.still_needed(reading.observations, min, over));
            return (Truth::Unknown, figure);
        }
        if self.is_too_few(term, over, &mut figure) {
            return (Truth::Unknown, figure);
        }
        let of = if matches!(
            term.metric,
            Metric::Signal(_) | Metric::Percentage | Metric::Faults | Metric::Requests | Metric::Reporters(_)
        ) {
            String::new()
        } else {
            format!(", of {} observations", words::count(reading.observations))
        };
        let is_long = has_window && !matches!(over, Window::Last(over) if over.as_ms() <= NOW_MAX.as_ms());
        let now = if is_long && term.metric.is_comparable() {
            self.now(term, false).map(|now| format!("{now}; ")).unwrap_or_default()
        } else {
            String::new()
        };
        figure.text = format!(
            "{name} is {now}{}{span}{of}; it {does} at {} {}",
            words::figure(&term.metric, term.bound, value),
            term.op,
            term.bound
        );
        let is_true = holds(term.op, value, term.bound.figure());
        let Some(duration) = term.hold else { return (is_true.into(), figure) };
        if !is_true {
            return (Truth::False, figure);
        }
        let since = self.holding_since(term.to_string());
        let held_ms = self.metrics_view.now.as_epoch_ms().saturating_sub(since.as_epoch_ms());
        let is_long = u64::try_from(held_ms).unwrap_or_default() >= duration.as_ms();
        figure.text.push_str(&format!(", for {} of {duration}", rounded(held_ms)));
        (if is_long { Truth::True } else { Truth::Unknown }, figure)
    }

    /// Whether an event may have happened unseen, since no page reports at all.
    fn is_never_reported(&mut self, term: &Term) -> bool {
        let mut nobody = |event: &str| self.metrics_view.reporters(event) <= 0.0;
        match &term.metric {
            Metric::Event(name) | Metric::Reporters(name) => nobody(name.as_str()) && nobody(VIEW),
            _ => false,
        }
    }

    fn is_gauge(&self, term: &Term) -> bool {
        matches!(&term.metric, Metric::Signal(name) if self.metrics_view.plan.signals.get(name.as_str()).is_some_and(|signal| signal.kind == crate::model::plan::words::SignalKind::Gauge))
    }

    /// Since when this term has been true without a break, now included.
    fn holding_since(&mut self, key: String) -> Instant {
        let now = self.metrics_view.now;
        match self.held.iter_mut().find(|(own, _, _)| *own == key) {
            Some((_, since, seen)) => {
                let gap_ms = now.as_epoch_ms().saturating_sub(seen.as_epoch_ms());
                if !(0..=GAP_MS).contains(&gap_ms) {
                    *since = now;
                }
                *seen = now;
                *since
            }
            None => {
                self.held.push((key, now, now));
                now
            }
        }
    }
}

/// The least number of observations.
pub(super) fn min(term: &Term) -> f64 {
    let needs_some = !matches!(
        term.metric,
        Metric::Requests
            | Metric::Rescued
            | Metric::Subjects
            | Metric::Reporters(_)
            | Metric::Signal(_)
            | Metric::Faults
            | Metric::Percentage
    );
    f64::from(term.min.unwrap_or(if needs_some { MIN_DEFAULT } else { 0 }))
}

pub(super) fn holds(op: Op, value: f64, bound: f64) -> bool {
    match op {
        Op::Less => value < bound,
        Op::AtMost => value <= bound,
        Op::More => value > bound,
        Op::AtLeast => value >= bound,
        Op::Equal => (value - bound).abs() < 1e-9,
    }
}
