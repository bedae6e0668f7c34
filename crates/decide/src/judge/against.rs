//! A comparison with legacy: what it shows as a guardrail, and as a gate.
//!
//! `>` and `<` ask for superiority: that new is shown to be more, or less. `>=` and `<=` ask for
//! non-inferiority, with the bound as its margin; a margin of less than a tenth nobody could show in a
//! reasonable time, so it reads "not shown to be worse".

use super::comparing::{ComparisonKey, ComparisonTracker, Direction};
use super::metrics_view::Reading;
use super::term::{Evaluator, Truth, holds, min};
use crate::interval::{Interval, RATIO_ASKED, log_missing};
use tidegate_model::Duration;
use tidegate_model::condition::{Metric, Op, Term, Window};
use tidegate_model::figure::{Basis, Because, Exposures, Figure, Missing, Needs, Ratio, Shows, Stands};
use tidegate_model::plan::ALPHA_DEFAULT;
use tidegate_model::variant::Variant;

/// No comparison with less than a tenth more can be shown in a reasonable time.
const LENIENT: f64 = 1.1;
/// New is not worse where it is at most so many times the bound.
const NOT_WORSE: f64 = 1.25;
/// Less evidence than this is as good as none, as a logarithm.
const LOG_E_SOME: f64 = 1.0;
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
        let Some((gathering, alpha)) = self.gathering(term, direction) else { return (Truth::Unknown, figure) };
        self.add_evidence(&mut figure, gathering, alpha);
        if gathering.alone.as_ref().is_some_and(|alone| alone.is_shown(alpha)) {
            return self.guardrail_without_legacy(term);
        }
        self.add_interval(&mut figure, gathering, alpha);
        if !gathering.is_ready() {
            figure.because = Because::FewAffected;
            return (Truth::Unknown, figure);
        }
        // A handful of subjects that fail for the first time is no small number of observations.
        if term.min.is_none() && term.min_subjects.is_none() && gathering.is_shown_by_subjects(alpha) {
            (figure.because, figure.stands, figure.needs) = (Because::Significant, Some(Stands::Worse), None);
            return (Truth::True, figure);
        }
        if self.is_too_few(term, Window::Attempt, &mut figure) {
            return (Truth::Unknown, figure);
        }
        let is_shown = gathering.is_shown(alpha);
        figure.because = if is_shown { Because::Significant } else { Because::NotSignificant };
        if is_shown {
            (figure.stands, figure.needs) = (Some(Stands::Worse), None);
        }
        (is_shown.into(), figure)
    }

    /// A gate's term that compares.
    pub(super) fn gate_against_legacy(&mut self, term: &Term) -> (Truth, Figure) {
        let direction = Direction::of(term.op);
        if !self.metrics_view.has_legacy() {
            return self.gate_without_legacy(term);
        }
        let mut figure = self.compared(term);
        let (Some((gathering, alpha)), Some((against, _))) =
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
        let is_refuted = against.is_ready() && against.is_shown(alpha)
            || against.alone.as_ref().is_some_and(|alone| alone.is_shown(alpha));
        let is_lenient = is_lenient(term);
        self.add_evidence(&mut figure, if is_lenient || is_refuted { against } else { gathering }, alpha);
        self.add_interval(&mut figure, against, alpha);
        if is_refuted {
            (figure.because, figure.stands, figure.needs) = (Because::Contrary, Some(Stands::Worse), None);
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
        let is_shown = gathering.is_shown(alpha);
        figure.because = if is_shown { Because::Significant } else { Because::NotSignificant };
        if is_shown {
            (figure.stands, figure.needs) = (Some(Stands::NotWorse), None);
        }
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

    /// The evidence for a term, and the level that it has to reach.
    fn gathering(&self, term: &Term, direction: Direction) -> Option<(&'c ComparisonTracker, f64)> {
        let question = ComparisonKey::of(term, direction, self.metrics_view.after)?;
        let index = self.gatherings.iter().position(|gathering| gathering.question == question)?;
        Some((self.gatherings.get(index)?, self.alphas.get(index).copied()?))
    }

    /// Between what the ratio lies, what that says, and how much longer it takes to say more.
    fn add_interval(&self, figure: &mut Figure, tracker: &ComparisonTracker, alpha: f64) {
        if !self.metrics_view.manner.explains || tracker.question.quantities().is_none() {
            return;
        }
        let (factor, margin) = tracker.corrections();
        let level = self.metrics_view.plan.alpha.unwrap_or(ALPHA_DEFAULT);
        let Some(Interval { from, to, minutes }) = tracker.ratios.interval(level, margin) else { return };
        figure.ratio = Some(Ratio { from, to, level: 1.0 - level, minutes });
        let is_more = tracker.question.direction == Direction::More;
        let theta = tracker.question.theta;
        let is_fine = if is_more {
            to.is_some_and(|to| to <= theta * NOT_WORSE)
        } else {
            from.is_some_and(|from| from >= theta / NOT_WORSE)
        };
        figure.stands = Some(if is_fine { Stands::NotWorse } else { Stands::Unclear });
        if is_fine || !is_more {
            return;
        }
        let (log_e, log_needed) = (tracker.log_e_ready(), -alpha.ln());
        let seems = tracker.ratios.ratio_over(minutes).filter(|seems| log_e > LOG_E_SOME && *seems > theta * margin);
        let ratio = seems.unwrap_or(theta * RATIO_ASKED);
        let missing = match seems {
            Some(_) => (log_needed - log_e).max(0.0),
            None => log_missing(log_needed, self.metrics_view.length_ms(Window::Attempt) as f64 / 60_000.0),
        };
        figure.needs = tracker
            .ratios
            .minutes_needed(theta * margin, ratio, factor, missing)
            .map(|minutes| Needs { minutes, ratio: seems.is_none().then_some(ratio) });
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
    fn add_evidence(&self, figure: &mut Figure, gathering: &ComparisonTracker, alpha: f64) {
        let [legacy, new] = gathering.used();
        figure.exposures = Some(Exposures { new, legacy });
        let is_more = gathering.question.direction == Direction::More;
        self.add(figure, gathering.log_e(), if is_more { Shows::More } else { Shows::Less }, alpha);
    }

    /// Evidence, as a logarithm.
    fn add(&self, figure: &mut Figure, log_e: f64, shows: Shows, alpha: f64) {
        figure.e_value = Some(log_e.exp().min(1e300));
        figure.e_needed = Some(1.0 / alpha);
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
        let Some((gathering, alpha)) = self.gathering(term, Direction::of(term.op)) else {
            return (Truth::Unknown, figure);
        };
        let Some(alone) = &gathering.alone else {
            figure.because = Because::LegacyGone { last: gathering.added_at };
            return (Truth::Unknown, figure);
        };
        self.add(&mut figure, alone.log_e(), Shows::Doubled, alpha);
        figure.legacy_most = Some(alone.rate);
        figure.exposures = None;
        if !alone.is_ready() {
            figure.because = Because::FewAffected;
            return (Truth::Unknown, figure);
        }
        let is_shown = alone.is_shown(alpha);
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
            let against = self.gathering(term, Direction::of(term.op).other());
            if against.is_some_and(|(own, alpha)| own.alone.as_ref().is_some_and(|alone| alone.is_shown(alpha))) {
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
