//! Whether a guardrail may come true before the next evaluation. Where none may, an evaluation more or less changes
//! nothing, so a simulated controller evaluates less often; what has been counted is watched here window by window, and
//! the evaluation comes as soon as a guardrail may have come true.
//!
//! A guardrail may come true where each of its terms may:
//! - a bound on what is counted over at most an hour, once so much of it has been counted in about that time, whichever
//!   windows an evaluation would take;
//! - a comparison with legacy, once it has half of the evidence that it needs (evidence multiplies, so: its root);
//! - what others state, where it is so already: the scenario says when that changes;
//! - anything else, where its figure is at half of its bound.
//!
//! But not one that chance alone makes fire less often than once in a thousand years, as
//! [the forecast](tidegate_decide::forecast) has it. The others say how fine the windows have to be.

use std::collections::VecDeque;

use tidegate_decide::forecast::{Basis, alarms_per_hour};
use tidegate_decide::judge::{Evaluation, Figure};
use tidegate_model::condition::metric::Source;
use tidegate_model::condition::{Op, Term, WINDOW_DEFAULT, Window as Over};
use tidegate_model::live::LiveState;
use tidegate_model::measured::sketch::bucket;
use tidegate_model::measured::{Tally, Window};
use tidegate_model::minute::MINUTE_MS;
use tidegate_model::plan::{Guardrail, Plan};
use tidegate_model::variant::Variant;
use tidegate_model::{Minute, Name};

use super::healthy::Healthy;
use super::rhythm::CALM_MS;

/// A longer span is watched by its figure alone.
const MINUTES_MAX: u64 = 60;
/// Of a span so many windows are watched at the least,
const WINDOWS_MIN: i64 = 3;
/// and no finer ones than this.
const WINDOW_MS_MIN: i64 = 2 * MINUTE_MS;
/// What chance does less often than this, no life sees: once in a thousand years.
const ALARMS_PER_HOUR_MIN: f64 = 1e-7;
/// What is so near a bound may be over it.
const NEAR: f64 = 0.9;
/// A figure that is watched by itself alone is near its bound from this share of it on.
const HALF: f64 = 0.5;

/// What is watched of one rollout.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// By guardrail in force: whether chance alone may make it fire, and what has been counted for each of its terms.
    guardrails: Vec<(bool, Vec<Option<Counted>>)>,
    /// By guardrail in force: how often an hour chance alone makes it fire in each stage, where that can be forecast.
    forecast: Vec<Option<Vec<(Name, f64)>>>,
    /// How long a window may be while all is calm, in milliseconds.
    window_ms: i64,
}

/// What has been counted lately for one term.
#[derive(Clone, Debug)]
struct Counted {
    /// The length of its span, in minutes.
    minutes: u64,
    /// By window: its minute, the observations, and those of them that count.
    windows: VecDeque<(Minute, u64, u64)>,
}

impl Watch {
    /// Watches the guardrails of a plan, of which nothing has been counted yet.
    pub fn new(plan: &Plan) -> Self {
        let of = |term: &Term| minutes(term).map(|minutes| Counted { minutes, windows: VecDeque::new() });
        let counted = |own: &Guardrail| own.when.terms.iter().map(of).collect();
        let guardrails = plan.guardrails_in_force().map(|own| (true, counted(own))).collect();
        Self { guardrails, forecast: Vec::new(), window_ms: WINDOW_MS_MIN }
    }

    /// How long a window may be while all is calm, in milliseconds.
    pub const fn window_ms(&self) -> i64 {
        self.window_ms
    }

    /// Another stage has been entered, or the percentage is another one, at so many requests an hour.
    pub fn enter(&mut self, plan: &Plan, healthy: &Healthy, live: &LiveState, requests_per_hour: f64) {
        if self.forecast.is_empty() {
            let expected = |term: &Term| healthy.expected(plan, term, requests_per_hour);
            let basis = Basis { requests_per_hour, subjects: None, expected: &expected };
            let all = plan.guardrails_in_force();
            self.forecast = all.map(|guardrail| alarms_per_hour(plan, guardrail, &basis)).collect();
        }
        let index = plan.stage_index(live.stage.as_str());
        let is_as_planned =
            index.and_then(|index| plan.stages.get(index)).is_some_and(|stage| stage.percentage == live.percentage);
        let mut window_ms = CALM_MS;
        let mut narrow = |term: &Term| {
            if let (Over::Last(length), false) = (term.over.unwrap_or(WINDOW_DEFAULT), is_static(term)) {
                window_ms = window_ms.min(i64::try_from(length.as_ms()).unwrap_or(i64::MAX) / WINDOWS_MIN);
            }
        };
        let guardrails = plan.guardrails_in_force().zip(&mut self.guardrails).zip(&self.forecast);
        for ((guardrail, (is_watched, _)), forecast) in guardrails {
            let is_in_force = guardrail.stages.is_empty() || guardrail.stages.contains(&live.stage);
            let happens = |(stage, per_hour): &(Name, f64)| *stage == live.stage && *per_hour >= ALARMS_PER_HOUR_MIN;
            *is_watched = !is_as_planned || forecast.as_ref().is_none_or(|stages| stages.iter().any(happens));
            if *is_watched && is_in_force && !guardrail.when.terms.first().is_some_and(is_static) {
                guardrail.when.terms.iter().for_each(&mut narrow);
            }
        }
        let gates = index.into_iter().flat_map(|index| plan.gates_in_force(index));
        gates.flat_map(|gate| &gate.when.terms).for_each(&mut narrow);
        // Windows begin at whole multiples of their length.
        let lengths = [CALM_MS, 5 * MINUTE_MS];
        self.window_ms = lengths.into_iter().find(|own| *own <= window_ms).unwrap_or(WINDOW_MS_MIN);
        if !is_as_planned {
            self.window_ms = WINDOW_MS_MIN;
        }
    }

    /// Takes in what was counted in a window.
    pub fn note(&mut self, plan: &Plan, window: &Window) {
        let margin = self.margin();
        for (guardrail, (_, counted)) in plan.guardrails_in_force().zip(&mut self.guardrails) {
            let terms = guardrail.when.terms.iter().zip(counted);
            for (term, counted) in terms.filter_map(|(term, counted)| Some((term, counted.as_mut()?))) {
                let tally = window.tally(Variant::New, term.endpoint.as_ref());
                let (observed, counting) = tally.map_or((0, 0), |tally| counts(term, tally));
                counted.windows.push_back((window.minute, observed, counting));
                let kept = counted.minutes + margin;
                while counted.windows.front().is_some_and(|(minute, ..)| *minute + kept < window.minute) {
                    counted.windows.pop_front();
                }
            }
        }
    }

    /// Whether a guardrail may have come true since the last evaluation, or may do so unseen.
    pub fn is_near(&self, plan: &Plan, evaluation: &Evaluation) -> bool {
        let mut guardrails = plan.guardrails_in_force().zip(&self.guardrails).zip(&evaluation.guardrails);
        guardrails.any(|((guardrail, (is_watched, counted)), judgement)| {
            // Without figures it is not in force in this stage.
            let mut terms = guardrail.when.terms.iter().zip(counted).zip(&judgement.figures);
            *is_watched
                && !judgement.figures.is_empty()
                && terms.all(|((term, counted), figure)| match counted {
                    Some(counted) => counted.is_near(term, self.margin()),
                    None => is_near(term, figure),
                })
        })
    }
}

impl Watch {
    /// An evaluation's span may begin and end so much earlier or later than what is watched, in minutes.
    fn margin(&self) -> u64 {
        (self.window_ms / MINUTE_MS).unsigned_abs() + 2
    }
}

impl Counted {
    /// Whether a term may be true, whichever of these windows its span has.
    fn is_near(&self, term: &Term, margin: u64) -> bool {
        let last = self.windows.back().map_or(Minute::EPOCH, |(minute, ..)| *minute);
        let (mut all, mut least, mut counting) = (0, 0, 0);
        for (minute, observed, own) in &self.windows {
            all += observed;
            counting += own;
            if *minute + self.minutes > last + margin {
                least += observed;
            }
        }
        let spec = term.metric.spec();
        let min = f64::from(term.min.unwrap_or(spec.min));
        let (all, least, counting) = (all as f64, (least as f64).max(min * NEAR), counting as f64);
        let edge = match (spec.source, term.metric.quantile()) {
            (Source::Count(_), _) => term.bound.figure(),
            (_, Some(quantile)) => (1.0 - f64::from(quantile.per_mille()) / 1_000.0) * least,
            _ => term.bound.figure() * least,
        };
        all >= min * NEAR && counting > 0.0 && counting >= edge * NEAR
    }
}

/// Whether a term is about what others state, or compares: no window is too long for it.
fn is_static(term: &Term) -> bool {
    matches!(term.metric.spec().source, Source::Stated) || term.bound.is_legacy()
}

/// The length of a term's span, in minutes, where what is counted can be watched.
fn minutes(term: &Term) -> Option<u64> {
    let is_upwards = matches!(term.op, Op::More | Op::AtLeast) && !term.bound.is_legacy();
    let is_counted = matches!(
        term.metric.spec().source,
        Source::Rate(_) | Source::Count(_) | Source::PageShare(_) | Source::CopyShare(_) | Source::Quantile(_)
    );
    let Over::Last(length) = term.over.unwrap_or(WINDOW_DEFAULT) else { return None };
    let minutes = length.as_ms().div_ceil(MINUTE_MS.unsigned_abs());
    (is_upwards && is_counted && minutes <= MINUTES_MAX).then_some(minutes)
}

/// The observations of a term in a window, and those of them that count.
fn counts(term: &Term, tally: &Tally) -> (u64, u64) {
    let metric = &term.metric;
    if let Some(of) = metric.of_requests() {
        let repeats = tally.repeats(&of);
        return (tally.requests.saturating_sub(repeats), tally.count(&of).saturating_sub(repeats));
    }
    match (metric.spec().source, metric.distribution(), bucket(term.bound.figure())) {
        (_, Some((measure, _)), Some(edge)) => {
            tally.sketch(&measure).map_or((0, 0), |sketch| (sketch.count(), sketch.count_over(edge.saturating_sub(1))))
        }
        (Source::Count(count), ..) if metric.spec().is_from_browsers => (tally.pages, count(tally)),
        (Source::Count(count), ..) => (tally.requests, count(tally)),
        (Source::PageShare(count), ..) => (tally.pages, count(tally)),
        (Source::CopyShare(count), ..) => (tally.shadowed, count(tally)),
        _ => (0, 0),
    }
}

/// Whether a term may be true soon that is watched by its figure alone.
fn is_near(term: &Term, figure: &Figure) -> bool {
    if let Some((value, needed)) = figure.e_value.zip(figure.e_needed) {
        return value * value > needed;
    }
    if term.bound.is_legacy() {
        return false;
    }
    let bound = term.bound.figure();
    let is_stated = matches!(term.metric.spec().source, Source::Stated);
    let reach = if is_stated { 1.0 } else { HALF };
    match (figure.value, term.op) {
        // Nothing is stated, or nobody knows yet.
        (None, _) => !is_stated,
        (Some(value), Op::More) if is_stated => value > bound,
        (Some(value), Op::Less) if is_stated => value < bound,
        (Some(value), Op::More | Op::AtLeast) => value >= bound * reach,
        (Some(value), Op::Less | Op::AtMost) => value * reach <= bound,
        (Some(value), Op::Equal) => !is_stated || (value - bound).abs() < 1e-9,
    }
}
