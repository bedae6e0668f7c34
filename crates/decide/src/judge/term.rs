//! One comparison of a condition: whether it is true, and the figure that says so.

use super::adoption::VIEW;
use super::comparing::ComparisonTracker;
use super::metrics_view::{MetricsView, Reading};
use tidegate_model::condition::{Bound, Dimension, Metric, Op, Term, WINDOW_DEFAULT, Window};
use tidegate_model::figure::{Basis, Because, Figure, Missing, Now, Unit};
use tidegate_model::minute::MINUTE_MS;
use tidegate_model::plan::words::Action;
use tidegate_model::variant::Variant;
use tidegate_model::{Duration, Instant};

/// How evaluations are made. What comes of them is the same, but for what must hold without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// A break between two evaluations that is longer than this, in milliseconds, breaks what must hold without one.
    pub gap_ms: i64,
    /// Whether each figure is put into words, with what happens now beside it. Where not, only a guardrail that comes
    /// true is.
    pub explains: bool,
}

impl Default for Manner {
    /// That of operation, in which there is an evaluation every ten seconds, and people read each.
    fn default() -> Self {
        Self { gap_ms: 150_000, explains: true }
    }
}

/// What happens now: over so many minutes, where there are so many observations.
const NOW: [(u32, f64); 3] = [(1, 20.0), (5, 5.0), (60, 1.0)];

/// A longer span does not tell what happens now.
const NOW_MAX: Duration = Duration::minutes(5);

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
    /// The level that each has to reach, in the order of `gatherings`.
    pub alphas: Vec<f64>,
    /// What the guardrail that is judged does where it comes true; none for a gate.
    pub then: Option<Action>,
}

impl<'c> Evaluator<'c, '_> {
    /// A guardrail's term.
    pub fn guardrail(&mut self, term: &Term) -> (Truth, Figure) {
        if term.bound.is_legacy() { self.guardrail_against_legacy(term) } else { self.absolute(term) }
    }

    /// A gate's term.
    pub fn gate(&mut self, term: &Term) -> (Truth, Figure) {
        if term.bound.is_legacy() { self.gate_against_legacy(term) } else { self.absolute(term) }
    }

    /// What is known of a term's figure before anything else is looked at.
    pub(super) fn figure(&self, term: &Term, new: &Reading, basis: Basis, span: Option<Window>) -> Figure {
        Figure {
            metric: term.metric_at_endpoint(),
            endpoint: term.endpoint.as_ref().map(ToString::to_string),
            unit: unit(term),
            value: new.value.ok(),
            op: term.op.as_str().to_owned(),
            bound: term.bound.figure(),
            basis,
            then: self.then.map(|then| then.to_string()),
            span: span.map(|span| span.to_string()),
            of: term.metric.spec().of,
            observations: new.observations,
            ..Figure::default()
        }
    }

    /// Too few observations, or users, make nothing true or false; the figure says so.
    pub(super) fn is_too_few(&mut self, term: &Term, over: Window, figure: &mut Figure) -> bool {
        let needed = min(term);
        if figure.observations < needed {
            (figure.because, figure.span) = (self.too_few(figure.observations, needed, over), Some(over.to_string()));
            return true;
        }
        let Some(needed) = term.min_subjects.map(f64::from) else { return false };
        let found = self.metrics_view.read(&Metric::Subjects, None, over, Variant::New).value.unwrap_or_default();
        let is_too_few = found < needed;
        if is_too_few {
            (figure.because, figure.span) = (Because::TooFewUsers { found, needed }, Some(over.to_string()));
        }
        is_too_few
    }

    /// How many observations there are of those needed, and how long the rest takes at this rate.
    fn too_few(&self, found: f64, needed: f64, over: Window) -> Because {
        let elapsed_ms = self.metrics_view.length_ms(over);
        if matches!(over, Window::Last(_)) || found <= 0.0 || elapsed_ms < MINUTE_MS {
            return Because::TooFew { found, needed, rest_ms: None };
        }
        let rest_ms = (needed - found) / found * elapsed_ms as f64;
        // A cast beyond the largest number ends there.
        Because::TooFew { found, needed, rest_ms: Some(rest_ms as i64) }
    }

    /// The figures of the last minute, or of the last five where a minute has few: what happens now leads.
    pub(super) fn now(&mut self, term: &Term, with_legacy: bool) -> Option<Now> {
        if !self.metrics_view.manner.explains {
            return None;
        }
        let endpoint = term.endpoint.as_ref();
        let mut over = |minutes: u32| {
            let over = Window::Last(Duration::minutes(minutes));
            self.metrics_view.read(&term.metric, endpoint, over, Variant::New)
        };
        let all = NOW.last().map_or(0.0, |(minutes, _)| over(*minutes).observations);
        let (reading, minutes) = NOW.iter().find_map(|(minutes, least)| {
            let reading = over(*minutes);
            // A longer span in which nothing else happened says no more, and sounds older than it is.
            let is_all = reading.observations > 0.0 && reading.observations >= all;
            (reading.observations >= *least || is_all).then_some((reading, *minutes))
        })?;
        let over = Window::Last(Duration::minutes(minutes));
        let mut of =
            |metric: &Metric, variant: Variant| self.metrics_view.read(metric, endpoint, over, variant).value.ok();
        let legacy = if with_legacy { of(&term.metric, Variant::Legacy) } else { None };
        let is_rescued = term.metric.of_requests().is_some();
        let rescued = if is_rescued { of(&Metric::Rescued, Variant::New) } else { None };
        Some(Now { minutes, value: reading.value.ok(), legacy, rescued: rescued.unwrap_or_default() })
    }

    /// A comparison with a number.
    fn absolute(&mut self, term: &Term) -> (Truth, Figure) {
        let over = term.over.unwrap_or(WINDOW_DEFAULT);
        let reading = self.metrics_view.read(&term.metric, term.endpoint.as_ref(), over, Variant::New);
        let has_window = term.metric.spec().has_window && !self.is_gauge(term);
        let mut figure = self.figure(term, &reading, Basis::Limit, has_window.then_some(over));
        if self.is_never_reported(term) {
            (figure.because, figure.span) = (Because::Missing { why: Missing::NoBeacon }, None);
            return (Truth::Unknown, figure);
        }
        let value = match reading.value {
            Ok(value) => value,
            Err(why) => {
                figure.because = Because::Missing { why };
                return (Truth::Unknown, figure);
            }
        };
        if self.is_too_few(term, over, &mut figure) {
            return (Truth::Unknown, figure);
        }
        let is_long = has_window && !matches!(over, Window::Last(over) if over.as_ms() <= NOW_MAX.as_ms());
        if is_long && term.metric.is_comparable() {
            figure.now = self.now(term, false);
        }
        let is_true = holds(term.op, value, term.bound.figure());
        let Some(duration) = term.hold else { return (is_true.into(), figure) };
        if !is_true {
            return (Truth::False, figure);
        }
        let since = self.holding_since(term.to_string());
        let for_ms = self.metrics_view.now.ms_since(since);
        let needed_ms = duration.as_ms();
        figure.because = Because::Held { for_ms, needed_ms };
        let is_long = u64::try_from(for_ms).unwrap_or_default() >= needed_ms;
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
        matches!(&term.metric, Metric::Signal(name) if self.metrics_view.plan.signals.get(name.as_str()).is_some_and(|signal| signal.kind == tidegate_model::plan::words::SignalKind::Gauge))
    }

    /// Since when this term has been true without a break, now included.
    fn holding_since(&mut self, key: String) -> Instant {
        let now = self.metrics_view.now;
        match self.held.iter_mut().find(|(own, _, _)| *own == key) {
            Some((_, since, seen)) => {
                let gap_ms = now.ms_since(*seen);
                if !(0..=self.metrics_view.manner.gap_ms).contains(&gap_ms) {
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

/// The unit in which a term's figures are shown.
fn unit(term: &Term) -> Unit {
    match (term.metric.dimension(), term.bound) {
        (Dimension::Share, _) | (Dimension::Free, Bound::Percent(_)) => Unit::Share,
        (Dimension::Time, _) | (Dimension::Free, Bound::Milliseconds(_) | Bound::Seconds(_)) => Unit::Milliseconds,
        _ => Unit::Number,
    }
}

/// The least number of observations.
pub(super) fn min(term: &Term) -> f64 {
    f64::from(term.min.unwrap_or(term.metric.spec().min))
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
