//! A comparison with legacy: what it shows as a guardrail, and as a gate.
//!
//! `>` and `<` ask for superiority: that new is shown to be more, or less. `>=` and `<=` ask for
//! non-inferiority, with the bound as its margin; a margin of less than a tenth nobody could show in a
//! reasonable time, so it reads "not shown to be worse".

use super::comparing::{ComparisonKey, ComparisonTracker, Direction};
use super::metrics_view::Reading;
use super::term::{Evaluator, Truth, holds, min};
use tidegate_model::Duration;
use tidegate_model::condition::{Metric, Op, Term, Window};
use tidegate_model::figure::{Basis, Because, Exposures, Figure, Missing, Shows};
use tidegate_model::variant::Variant;

/// No comparison with less than a tenth more can be shown in a reasonable time.
const LENIENT: f64 = 1.1;
/// Where this share of new's requests fails, and so many times legacy's, nothing is taken for chance.
const MOST: f64 = 0.5;
const MOST_TIMES: f64 = 2.0;
const MOST_MIN: f64 = 10.0;

impl<'c> Evaluator<'c, '_> {
    /// A guardrail's term that compares.
    pub(super) fn guardrail_against_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let direction = Direction::of(term.op);
        if !self.metrics_view.has_legacy() {
            return self.guardrail_without_legacy(term);
        }
        let mut figure = self.compared(term);
        let Some(gathering) = self.gathering(term, direction) else { return (Truth::Unknown, figure) };
        self.add_evidence(&mut figure, gathering);
        if gathering.alone.as_ref().is_some_and(|alone| alone.is_shown(self.alpha)) {
            return self.guardrail_without_legacy(term);
        }
        if !gathering.is_ready() {
            figure.because = Because::FewAffected;
            return (Truth::Unknown, figure);
        }
        // A handful of subjects that fail for the first time is no small number of observations.
        if term.min.is_none() && term.min_subjects.is_none() && gathering.is_shown_by_subjects(self.alpha) {
            figure.because = Because::Significant;
            return (Truth::True, figure);
        }
        if self.is_too_few(term, Window::Attempt, &mut figure) {
            return (Truth::Unknown, figure);
        }
        let is_shown = gathering.is_shown(self.alpha);
        figure.because = if is_shown { Because::Significant } else { Because::NotSignificant };
        (is_shown.into(), figure)
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
            figure.because = Because::Missing { why: Missing::NoEvent };
            return (Truth::Unknown, figure);
        }
        let is_refuted = against.is_ready() && against.is_shown(self.alpha)
            || against.alone.as_ref().is_some_and(|alone| alone.is_shown(self.alpha));
        let is_lenient = is_lenient(term);
        self.add_evidence(&mut figure, if is_lenient || is_refuted { against } else { gathering });
        if is_refuted {
            figure.because = Because::Contrary;
            return (Truth::False, figure);
        }
        // What new has shown in an earlier stage says nothing of this one.
        let of_attempt = figure.observations;
        figure.observations =
            self.metrics_view.read(&term.metric, term.endpoint.as_ref(), Window::Stage, Variant::New).observations;
        let is_too_few = self.is_too_few(term, Window::Stage, &mut figure);
        figure.observations = of_attempt;
        if is_too_few {
            return (Truth::Unknown, figure);
        }
        if is_lenient {
            return self.not_shown_worse(term, gathering.comparison.observations().legacy.n, figure);
        }
        if !gathering.is_ready() {
            figure.because = Because::FewAffected;
            return (Truth::Unknown, figure);
        }
        // Neither shown nor refuted: more figures are needed.
        let is_shown = gathering.is_shown(self.alpha);
        figure.because = if is_shown { Because::Significant } else { Because::NotSignificant };
        (if is_shown { Truth::True } else { Truth::Unknown }, figure)
    }

    /// The answer of a gate that nothing speaks against, beside so many observations of legacy.
    fn not_shown_worse(&mut self, term: &Term, legacy: f64, mut figure: Figure) -> (Truth, Figure) {
        let needed = min(term);
        if legacy < needed {
            figure.because = Because::TooFewOfLegacy { found: legacy, needed };
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
            figure.because = Because::MostFail;
            return (Truth::Unknown, figure);
        }
        figure.because = Because::NotShownWorse;
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
        let mut figure = self.figure(term, &new, Basis::Legacy, Some(Window::Attempt));
        (figure.legacy, figure.observations_legacy, figure.now) = (legacy.value.ok(), Some(legacy.observations), now);
        if let (Err(why), Err(_)) = (new.value, legacy.value) {
            figure.because = Because::Missing { why };
        }
        figure
    }

    /// How much evidence there is, for what, and from how many exposures.
    fn add_evidence(&self, figure: &mut Figure, gathering: &ComparisonTracker) {
        let used = gathering.comparison.observations();
        figure.exposures = Some(Exposures { new: used.new.n, legacy: used.legacy.n });
        let is_more = gathering.question.direction == Direction::More;
        self.add(figure, gathering.log_e(), if is_more { Shows::More } else { Shows::Less });
    }

    /// Evidence, as a logarithm.
    fn add(&self, figure: &mut Figure, log_e: f64, shows: Shows) {
        figure.e_value = Some(log_e.exp().min(1e300));
        figure.e_needed = Some(1.0 / self.alpha);
        figure.shows = Some(shows);
    }

    /// New's figure over the stage beside legacy's of its last day; no reading of legacy where one is missing.
    fn beside_last(&mut self, term: &Term) -> (Figure, Option<Reading>) {
        let endpoint = term.endpoint.as_ref();
        let now = self.now(term, false);
        let new = self.metrics_view.read(&term.metric, endpoint, Window::Stage, Variant::New);
        let (legacy, until) = self.metrics_view.read_last_of_legacy(&term.metric, endpoint);
        let mut figure = self.figure(term, &new, Basis::LegacyBefore, Some(Window::Stage));
        (figure.legacy, figure.observations_legacy) = (legacy.value.ok(), Some(legacy.observations));
        if let Some(why) = new.value.err().or(legacy.value.err()) {
            figure.because = Because::Missing { why };
            return (figure, None);
        }
        (figure.legacy_until, figure.now) = (until, now);
        (figure, Some(legacy))
    }

    /// A guardrail's comparison where nobody is on legacy.
    fn guardrail_without_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let (mut figure, _) = self.beside_last(term);
        let Some(gathering) = self.gathering(term, Direction::of(term.op)) else { return (Truth::Unknown, figure) };
        let Some(alone) = &gathering.alone else {
            figure.because = Because::LegacyGone { last: gathering.added_at };
            return (Truth::Unknown, figure);
        };
        self.add(&mut figure, alone.log_e(), Shows::Doubled);
        figure.legacy_most = Some(alone.rate);
        figure.exposures = None;
        if !alone.is_ready() {
            figure.because = Because::FewAffected;
            return (Truth::Unknown, figure);
        }
        let is_shown = alone.is_shown(self.alpha);
        figure.because = if is_shown { Because::Significant } else { Because::NotSignificant };
        (is_shown.into(), figure)
    }

    /// A gate's comparison where nobody is on legacy: with its figures of the last day that it had.
    fn gate_without_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let (mut figure, legacy) = self.beside_last(term);
        let Some(legacy) = legacy else { return (Truth::Unknown, figure) };
        if self.is_too_few(term, Window::Stage, &mut figure) {
            return (Truth::Unknown, figure);
        }
        if is_lenient(term) {
            let against =
                self.gathering(term, Direction::of(term.op).other()).and_then(|against| against.alone.as_ref());
            if against.is_some_and(|alone| alone.is_shown(self.alpha)) {
                figure.because = Because::Contrary;
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

/// Whether a gate asks for no more than that new is not shown to be worse.
fn is_lenient(term: &Term) -> bool {
    let theta = term.bound.figure();
    match term.op {
        Op::AtMost | Op::Equal => theta < LENIENT,
        Op::AtLeast => theta > 1.0 / LENIENT,
        Op::Less | Op::More => false,
    }
}
