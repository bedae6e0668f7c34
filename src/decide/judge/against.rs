//! A comparison with legacy: what it shows as a guardrail, and as a gate.
//!
//! `>` and `<` ask for superiority: that new is shown to be more, or less. `>=` and `<=` ask for
//! non-inferiority, with the bound as its margin; a margin of less than a tenth nobody could show in a
//! reasonable time, so it reads "not shown to be worse".

use super::comparing::{ComparisonKey, ComparisonTracker, Direction};
use super::metrics_view::Reading;
use super::term::{Evaluator, Truth, holds, min};
use super::{Figure, words};
use crate::model::Duration;
use crate::model::condition::{Metric, Op, Term, Window};
use crate::model::number::Plain;
use crate::model::variant::Variant;

/// No comparison with less than a tenth more can be shown in a reasonable time.
const LENIENT: f64 = 1.1;
/// Where this share of new's requests fails, and so many times legacy's, nothing is taken for chance.
const MOST: f64 = 0.5;
const MOST_TIMES: f64 = 2.0;
const MOST_MIN: f64 = 10.0;
/// Why evidence does not count yet: a few subjects may have all of it.
const TOO_FEW: &str = "; too few different subjects have had such events yet";

impl<'c> Evaluator<'c, '_> {
    /// A guardrail's term that compares.
    pub(super) fn guardrail_against_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let direction = Direction::of(term.op);
        if !self.metrics_view.has_legacy() {
            return self.guardrail_without_legacy(term);
        }
        let mut figure = self.compared(term);
        let Some(gathering) = self.gathering(term, direction) else { return (Truth::Unknown, figure) };
        self.tell_evidence(&mut figure, gathering);
        if gathering.alone.as_ref().is_some_and(|alone| alone.is_shown(self.alpha)) {
            return self.guardrail_without_legacy(term);
        }
        if !gathering.is_ready() {
            figure.text.push_str(TOO_FEW);
            return (Truth::Unknown, figure);
        }
        // A handful of subjects that fail for the first time is no small number of observations.
        if term.min.is_none() && term.min_subjects.is_none() && gathering.is_shown_by_subjects(self.alpha) {
            return (Truth::True, figure);
        }
        let told = figure.text.clone();
        if self.is_too_few(term, Window::Attempt, &mut figure) {
            figure.text = format!("{told}; {}", figure.text);
            return (Truth::Unknown, figure);
        }
        (gathering.is_shown(self.alpha).into(), figure)
    }

    /// A gate's term that compares.
    pub(super) fn gate_against_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let direction = Direction::of(term.op);
        if !self.metrics_view.has_legacy() {
            return self.gate_without_legacy(term);
        }
        let mut figure = self.compared(term);
        let (Some(gathering), Some(against)) =
            (self.gathering(term, direction), self.gathering(term, direction.other()))
        else {
            return (Truth::Unknown, figure);
        };
        if let Metric::Event(name) = &term.metric
            && self.metrics_view.reporters(name.as_str()) <= 0.0
        {
            figure.text = format!("{}: nobody has ever reported it, so it shows nothing", words::metric(term));
            return (Truth::Unknown, figure);
        }
        let is_refuted = against.is_ready() && against.is_shown(self.alpha)
            || against.alone.as_ref().is_some_and(|alone| alone.is_shown(self.alpha));
        let is_lenient = is_lenient(term);
        self.tell_evidence(&mut figure, if is_lenient || is_refuted { against } else { gathering });
        if is_refuted {
            figure.text.push_str(": the contrary is shown");
            return (Truth::False, figure);
        }
        // What new has shown in an earlier stage says nothing of this one.
        figure.observations =
            self.metrics_view.read(&term.metric, term.endpoint.as_ref(), Window::Stage, Variant::New).observations;
        if self.is_too_few(term, Window::Stage, &mut figure) {
            return (Truth::Unknown, figure);
        }
        if is_lenient {
            return self.not_shown_worse(term, gathering.comparison.observations().legacy.n, figure);
        }
        if !gathering.is_ready() {
            figure.text.push_str(TOO_FEW);
            return (Truth::Unknown, figure);
        }
        // Neither shown nor refuted: more figures are needed.
        if gathering.is_shown(self.alpha) { (Truth::True, figure) } else { (Truth::Unknown, figure) }
    }

    /// The answer of a gate that nothing speaks against, beside so many observations of legacy.
    fn not_shown_worse(&mut self, term: &Term, legacy: f64, mut figure: Figure) -> (Truth, Figure) {
        let needed = min(term);
        if legacy < needed {
            figure.text = format!(
                "{}: {} of the {} observations needed of legacy",
                words::metric(term),
                words::count(legacy),
                Plain(needed)
            );
            return (Truth::Unknown, figure);
        }
        let mut is_most = |over: Window| {
            let new = self.metrics_view.read(&term.metric, term.endpoint.as_ref(), over, Variant::New);
            new.observations >= MOST_MIN
                && new.value.is_ok_and(|new| new >= MOST && new >= MOST_TIMES * figure.legacy.unwrap_or_default())
        };
        let is_failing = term.metric.of_requests().is_some()
            && (is_most(Window::Stage) || is_most(Window::Last(Duration::minutes(30))));
        if is_failing && Direction::of(term.op) == Direction::Less {
            figure.text.push_str(": too few subjects to show anything, but this is no good share to go on with");
            return (Truth::Unknown, figure);
        }
        figure.text.push_str(": not shown to be worse");
        (Truth::True, figure)
    }

    fn gathering(&self, term: &Term, direction: Direction) -> Option<&'c ComparisonTracker> {
        let question = ComparisonKey::of(term, direction, self.metrics_view.after)?;
        self.gatherings.iter().find(|gathering| gathering.question == question)
    }

    /// The figures of both sides: of now, and in this attempt.
    fn compared(&mut self, term: &Term) -> Figure {
        let now = self.now(term, true);
        let endpoint = term.endpoint.as_ref();
        let mut read = |variant: Variant| self.metrics_view.read(&term.metric, endpoint, Window::Attempt, variant);
        let (new, legacy) = (read(Variant::New), read(Variant::Legacy));
        let say = |reading: &Reading| match &reading.value {
            Ok(value) => words::figure(&term.metric, term.bound, *value),
            Err(_) => "unknown".to_owned(),
        };
        let name = words::metric(term);
        let of = || {
            format!(
                "in this attempt, of {} and {} observations",
                words::count(new.observations),
                words::count(legacy.observations)
            )
        };
        let text = match (&new.value, &legacy.value, now) {
            (Err(why), Err(_), _) => format!("{name}: {why}"),
            (_, _, Some(now)) => format!("{name} is {now}; {} and {} {}", say(&new), say(&legacy), of()),
            (_, _, None) => format!("{name} is {} on new and {} on legacy {}", say(&new), say(&legacy), of()),
        };
        Figure {
            metric: name,
            value: new.value.ok(),
            legacy: legacy.value.ok(),
            bound: term.bound.figure(),
            observations: new.observations,
            e_value: None,
            e_needed: None,
            text,
        }
    }

    fn tell_evidence(&self, figure: &mut Figure, gathering: &ComparisonTracker) {
        let direction = if gathering.question.direction == Direction::More { "more" } else { "less" };
        self.tell(
            figure,
            gathering.log_e(),
            &format!("it is {direction} than {}legacy's", times(gathering.question.theta)),
        );
    }

    /// Says how much evidence there is, as a logarithm, for what.
    fn tell(&self, figure: &mut Figure, log_e: f64, what: &str) {
        let (e_value, e_needed) = (log_e.exp(), 1.0 / self.alpha);
        figure.text.push_str(&format!(
            "; evidence that {what}: {} of the {} needed",
            words::evidence(e_value),
            words::evidence(e_needed)
        ));
        (figure.e_value, figure.e_needed) = (Some(e_value.min(1e300)), Some(e_needed));
    }

    /// New's figure over the stage beside legacy's of its last day.
    fn beside_last(&mut self, term: &Term) -> Result<(Figure, Reading), Figure> {
        let endpoint = term.endpoint.as_ref();
        let now = self.now(term, false);
        let new = self.metrics_view.read(&term.metric, endpoint, Window::Stage, Variant::New);
        let (legacy, until) = self.metrics_view.read_last_of_legacy(&term.metric, endpoint);
        let name = words::metric(term);
        let mut figure = Figure {
            metric: name.clone(),
            value: new.value.clone().ok(),
            legacy: legacy.value.clone().ok(),
            bound: term.bound.figure(),
            observations: new.observations,
            e_value: None,
            e_needed: None,
            text: String::new(),
        };
        let (Ok(value), Ok(reference)) = (&new.value, &legacy.value) else {
            let why = new.value.err().or(legacy.value.clone().err()).unwrap_or_default();
            figure.text = format!("{name}: {why}");
            return Err(figure);
        };
        let say = |value: f64| words::figure(&term.metric, term.bound, value);
        let old = until.map(|until| format!(", measured until {until}")).unwrap_or_default();
        let now = now.map(|now| format!("{now}, ")).unwrap_or_default();
        figure.text = format!(
            "{name} is {now}{} on new over stage, and was {} on legacy in its last day{old}",
            say(*value),
            say(*reference)
        );
        Ok((figure, legacy))
    }

    /// A guardrail's comparison where nobody is on legacy.
    fn guardrail_without_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let mut figure = match self.beside_last(term) {
            Ok((figure, _)) | Err(figure) => figure,
        };
        let Some(gathering) = self.gathering(term, Direction::of(term.op)) else { return (Truth::Unknown, figure) };
        let Some(alone) = &gathering.alone else {
            let at = gathering.added_at.map_or_else(|| "never".to_owned(), |at| format!("last at {at}"));
            figure.text =
                format!("{}: nobody comparable is on legacy any more; evidence was gathered {at}", words::metric(term));
            return (Truth::Unknown, figure);
        };
        self.tell(
            &mut figure,
            alone.log_e(),
            &format!(
                "it is more than twice {}what legacy's can have been, {}",
                times(gathering.question.theta),
                words::figure(&term.metric, term.bound, alone.rate)
            ),
        );
        if !alone.is_ready() {
            figure.text.push_str(TOO_FEW);
            return (Truth::Unknown, figure);
        }
        (alone.is_shown(self.alpha).into(), figure)
    }

    /// A gate's comparison where nobody is on legacy: with its figures of the last day that it had.
    fn gate_without_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let (mut figure, legacy) = match self.beside_last(term) {
            Ok(both) => both,
            Err(figure) => return (Truth::Unknown, figure),
        };
        if self.is_too_few(term, Window::Stage, &mut figure) {
            return (Truth::Unknown, figure);
        }
        if is_lenient(term) {
            let against =
                self.gathering(term, Direction::of(term.op).other()).and_then(|against| against.alone.as_ref());
            if against.is_some_and(|alone| alone.is_shown(self.alpha)) {
                figure.text.push_str(": the contrary is shown");
                return (Truth::False, figure);
            }
            if term.metric.of_requests().is_some() {
                return self.not_shown_worse(term, legacy.observations, figure);
            }
        }
        if legacy.observations < min(term) {
            return (Truth::Unknown, figure);
        }
        let (value, reference) = (figure.value.unwrap_or_default(), figure.legacy.unwrap_or_default());
        (holds(term.op, value, reference * term.bound.figure()).into(), figure)
    }
}

/// A factor as it stands before legacy's figure.
fn times(theta: f64) -> String {
    if (theta - 1.0).abs() < 1e-9 { String::new() } else { format!("{}x ", Plain(theta)) }
}

/// Whether a gate asks for no more than that new is not shown to be worse.
fn is_lenient(term: &Term) -> bool {
    let theta = term.bound.figure();
    match term.op {
        Op::AtMost | Op::Equal => theta < LENIENT,
        Op::AtLeast => theta > 1.0 / LENIENT,
        Op::Less | Op::More => false,
    }
}
