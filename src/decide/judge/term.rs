//! One comparison of a condition: whether it is true, and the figure that says so.

use super::comparing::{Direction, Gathering, Question};
use super::scene::{Reading, Scene, rounded};
use super::{Figure, words};
use crate::model::Instant;
use crate::model::condition::{MIN_DEFAULT, Metric, Op, Term, WINDOW_DEFAULT, Window};
use crate::model::number::Plain;
use crate::model::variant::Variant;

/// A break between two looks that is longer than this breaks what must hold without one.
const GAP_MS: i64 = 150_000;
/// No comparison with less than a tenth more can be shown in a reasonable time.
const LENIENT: f64 = 1.1;

/// Why evidence does not count yet: a few subjects may have all of it.
const TOO_FEW: &str = "; too few different subjects have had such events yet";

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
pub struct Court<'c, 's> {
    /// What is measured.
    pub scene: &'c mut Scene<'s>,
    /// The evidence of each comparison.
    pub gatherings: &'c [Gathering],
    /// Since when each term has been true, and when that was last seen.
    pub held: &'c mut Vec<(String, Instant, Instant)>,
    /// The error that each comparison may spend.
    pub alpha: f64,
}

impl<'c> Court<'c, '_> {
    /// A guardrail's term.
    pub fn guardrail(&mut self, term: &Term) -> (Truth, Figure) {
        if !term.bound.is_legacy() {
            return self.absolute(term, "acts");
        }
        let direction = Direction::of(term.op);
        let mut figure = self.compared(term);
        let Some(gathering) = self.gathering(term, direction) else { return (Truth::Unknown, figure) };
        let is_shown = gathering.comparison.is_shown(self.alpha);
        self.tell_evidence(&mut figure, gathering);
        if !self.scene.has_legacy() {
            let at = gathering.added_at.map_or_else(|| "never".to_owned(), |at| format!("last at {at}"));
            figure.text = format!("{}: nobody comparable is on legacy any more; evidence was gathered {at}", words::metric(term));
            return (Truth::Unknown, figure);
        }
        if !gathering.comparison.is_ready() {
            figure.text.push_str(TOO_FEW);
            return (Truth::Unknown, figure);
        }
        if self.is_too_few(term, Window::Attempt, &mut figure) {
            return (Truth::Unknown, figure);
        }
        (is_shown.into(), figure)
    }

    /// A gate's term.
    pub fn gate(&mut self, term: &Term) -> (Truth, Figure) {
        if !term.bound.is_legacy() {
            return self.absolute(term, "passes");
        }
        let direction = Direction::of(term.op);
        if !self.scene.has_legacy() {
            return self.without_legacy(term);
        }
        let mut figure = self.compared(term);
        let (Some(gathering), Some(against)) = (self.gathering(term, direction), self.gathering(term, direction.other())) else { return (Truth::Unknown, figure) };
        let is_refuted = against.comparison.is_shown(self.alpha) && against.comparison.is_ready();
        let theta = term.bound.figure();
        let is_lenient = match direction {
            Direction::Less => theta < LENIENT,
            Direction::More => theta > 1.0 / LENIENT,
        };
        self.tell_evidence(&mut figure, if is_lenient || is_refuted { against } else { gathering });
        if is_refuted {
            figure.text.push_str(": the contrary is shown");
            return (Truth::False, figure);
        }
        if self.is_too_few(term, Window::Attempt, &mut figure) {
            return (Truth::Unknown, figure);
        }
        if is_lenient {
            let min = f64::from(term.min.unwrap_or(MIN_DEFAULT));
            let legacy = gathering.comparison.observations().legacy.n;
            if legacy < min {
                figure.text = format!("{}: {} observations of legacy, fewer than {}", words::metric(term), words::count(legacy), Plain(min));
                return (Truth::Unknown, figure);
            }
            figure.text.push_str(": not shown to be worse");
            return (Truth::True, figure);
        }
        if !gathering.comparison.is_ready() {
            figure.text.push_str(TOO_FEW);
            return (Truth::Unknown, figure);
        }
        // Neither shown nor refuted: more figures are needed.
        if gathering.comparison.is_shown(self.alpha) { (Truth::True, figure) } else { (Truth::Unknown, figure) }
    }

    fn gathering(&self, term: &Term, direction: Direction) -> Option<&'c Gathering> {
        let question = Question::of(term, direction)?;
        self.gatherings.iter().find(|gathering| gathering.question == question)
    }

    /// Too few observations, or subjects, make nothing true or false; the figure says so.
    fn is_too_few(&mut self, term: &Term, over: Window, figure: &mut Figure) -> bool {
        if figure.observations < min(term) {
            return true;
        }
        let Some(needed) = term.min_subjects.map(f64::from) else { return false };
        let subjects = self.scene.read(&Metric::Subjects, None, over, Variant::New).value.unwrap_or_default();
        let is_too_few = subjects < needed;
        if is_too_few {
            figure.text = format!("{} over {over}: {} different subjects on new, fewer than {}", words::metric(term), words::count(subjects), Plain(needed));
        }
        is_too_few
    }

    /// The figures of both sides in this attempt.
    fn compared(&mut self, term: &Term) -> Figure {
        let endpoint = term.endpoint.as_ref();
        let mut read = |variant: Variant| self.scene.read(&term.metric, endpoint, Window::Attempt, variant);
        let (new, legacy) = (read(Variant::New), read(Variant::Legacy));
        let say = |reading: &Reading| match &reading.value {
            Ok(value) => words::figure(&term.metric, term.bound, *value),
            Err(_) => "unknown".to_owned(),
        };
        let text = match (&new.value, &legacy.value) {
            (Err(why), Err(_)) => format!("{}: {why}", words::metric(term)),
            _ => format!("{} is {} on new and {} on legacy in this attempt, of {} and {} observations", words::metric(term), say(&new), say(&legacy), words::count(new.observations), words::count(legacy.observations)),
        };
        Figure { metric: words::metric(term), value: new.value.ok(), legacy: legacy.value.ok(), bound: term.bound.figure(), observations: new.observations, e_value: None, e_needed: None, text }
    }

    fn tell_evidence(&self, figure: &mut Figure, gathering: &Gathering) {
        let (e_value, e_needed) = (gathering.comparison.log_e().exp(), 1.0 / self.alpha);
        let direction = if gathering.question.direction == Direction::More { "more" } else { "less" };
        let theta = gathering.question.theta;
        let times = if (theta - 1.0).abs() < 1e-9 { String::new() } else { format!("{}x ", Plain(theta)) };
        figure.text.push_str(&format!("; evidence that it is {direction} than {times}legacy's: {} of the {} needed", words::evidence(e_value), words::evidence(e_needed)));
        (figure.e_value, figure.e_needed) = (Some(e_value.min(1e300)), Some(e_needed));
    }

    /// A gate's comparison where nobody is on legacy: with its figures of the last day that it had.
    fn without_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let endpoint = term.endpoint.as_ref();
        let new = self.scene.read(&term.metric, endpoint, Window::Stage, Variant::New);
        let (legacy, until) = self.scene.read_last_of_legacy(&term.metric, endpoint);
        let name = words::metric(term);
        let mut figure = Figure { metric: name.clone(), value: new.value.clone().ok(), legacy: legacy.value.clone().ok(), bound: term.bound.figure(), observations: new.observations, e_value: None, e_needed: None, text: String::new() };
        let (Ok(value), Ok(reference)) = (&new.value, &legacy.value) else {
            let why = new.value.err().or(legacy.value.err()).unwrap_or_default();
            figure.text = format!("{name}: {why}");
            return (Truth::Unknown, figure);
        };
        let say = |value: f64| words::figure(&term.metric, term.bound, value);
        let old = until.map(|until| format!(", measured until {until}")).unwrap_or_default();
        figure.text = format!("{name} is {} on new over stage, and was {} on legacy in its last day{old}", say(*value), say(*reference));
        if self.is_too_few(term, Window::Stage, &mut figure) || legacy.observations < min(term) {
            return (Truth::Unknown, figure);
        }
        (holds(term.op, *value, reference * term.bound.figure()).into(), figure)
    }

    /// A comparison with a number; `does` is what happens where it is true.
    fn absolute(&mut self, term: &Term, does: &str) -> (Truth, Figure) {
        let over = term.over.unwrap_or(WINDOW_DEFAULT);
        let reading = self.scene.read(&term.metric, term.endpoint.as_ref(), over, Variant::New);
        let name = words::metric(term);
        let has_window = !matches!(term.metric, Metric::Percentage | Metric::Faults) && !self.is_gauge(term);
        let span = if has_window { format!(" over {over}") } else { String::new() };
        let mut figure = Figure { metric: name.clone(), value: reading.value.clone().ok(), legacy: None, bound: term.bound.figure(), observations: reading.observations, e_value: None, e_needed: None, text: String::new() };
        let value = match reading.value {
            Ok(value) => value,
            Err(why) => {
                figure.text = format!("{name}{span}: {why}");
                return (Truth::Unknown, figure);
            }
        };
        let min = min(term);
        if reading.observations < min {
            figure.text = format!("{name}{span}: {} observations, fewer than {}", words::count(reading.observations), Plain(min));
            return (Truth::Unknown, figure);
        }
        if self.is_too_few(term, over, &mut figure) {
            return (Truth::Unknown, figure);
        }
        let of = if matches!(term.metric, Metric::Signal(_) | Metric::Percentage | Metric::Faults | Metric::Requests | Metric::Reporters(_)) { String::new() } else { format!(", of {} observations", words::count(reading.observations)) };
        figure.text = format!("{name} is {}{span}{of}; it {does} at {} {}", words::figure(&term.metric, term.bound, value), term.op, term.bound);
        let is_true = holds(term.op, value, term.bound.figure());
        let Some(duration) = term.hold else { return (is_true.into(), figure) };
        if !is_true {
            return (Truth::False, figure);
        }
        let since = self.holding_since(term.to_string());
        let held_ms = self.scene.now.as_epoch_ms().saturating_sub(since.as_epoch_ms());
        let is_long = u64::try_from(held_ms).unwrap_or_default() >= duration.as_ms();
        figure.text.push_str(&format!(", for {} of {duration}", rounded(held_ms)));
        (if is_long { Truth::True } else { Truth::Unknown }, figure)
    }

    fn is_gauge(&self, term: &Term) -> bool {
        matches!(&term.metric, Metric::Signal(name) if self.scene.plan.signals.get(name.as_str()).is_some_and(|signal| signal.kind == crate::model::plan::words::SignalKind::Gauge))
    }

    /// Since when this term has been true without a break, now included.
    fn holding_since(&mut self, key: String) -> Instant {
        let now = self.scene.now;
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
fn min(term: &Term) -> f64 {
    let needs_some = !matches!(
        term.metric,
        Metric::Requests | Metric::Rescued | Metric::Subjects | Metric::Reporters(_) | Metric::Signal(_) | Metric::Faults | Metric::Percentage
    );
    f64::from(term.min.unwrap_or(if needs_some { MIN_DEFAULT } else { 0 }))
}

fn holds(op: Op, value: f64, bound: f64) -> bool {
    match op {
        Op::Less => value < bound,
        Op::AtMost => value <= bound,
        Op::More => value > bound,
        Op::AtLeast => value >= bound,
        Op::Equal => (value - bound).abs() < 1e-9,
    }
}

