//! Which forms of a guardrail's condition see the same and would hardly ever fire by chance.

use super::{Basis, Odds, odds};
use tidegate_model::Duration;
use tidegate_model::condition::{Bound, Condition, Op, Term, WINDOW_DEFAULT, Window};
use tidegate_model::plan::{Guardrail, Plan, Stage};

/// Least numbers of observations to be tried.
const MINS: [u32; 10] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];
/// Windows to be tried, in minutes.
const MINUTES: [u32; 7] = [10, 15, 30, 60, 120, 360, 720];
/// A form is quiet when it fires at most once in so many hours,
const QUIET_HOURS: f64 = 90.0 * 24.0;
/// and on at most this share of healthy releases.
const QUIET_CHANCE: f64 = 0.01;
/// A least number is one that a window has mostly, where it has so many times as much on average.
const SPARE: f64 = 1.3;
/// With less than half as much again nothing real is found soon.
const FACTOR: f64 = 1.5;

/// The forms, the best first: against legacy, and with more observations.
pub(super) fn forms(plan: &Plan, basis: &Basis<'_>, guardrail: &Guardrail) -> Vec<String> {
    let [term] = guardrail.when.terms.as_slice() else { return Vec::new() };
    let mut forms = Vec::new();
    if term.metric.is_comparable() && matches!(term.op, Op::More | Op::AtLeast) && plan.upstreams.is_some() {
        let compared = Term {
            bound: Bound::Legacy(Some(FACTOR)),
            op: Op::More,
            over: None,
            hold: None,
            min: None,
            ..term.clone()
        };
        forms.push(compared.to_string());
    }
    forms.extend(with_more(plan, basis, guardrail, term).map(|term| term.to_string()));
    forms
}

/// With as few changes as will do: more observations, or of a longer time.
fn with_more(plan: &Plan, basis: &Basis<'_>, guardrail: &Guardrail, term: &Term) -> Option<Term> {
    let Window::Last(own) = term.over.unwrap_or(WINDOW_DEFAULT) else { return None };
    let expected = (basis.expected)(term)?;
    let is_watched = |stage: &&Stage| {
        (guardrail.stages.is_empty() || guardrail.stages.contains(&stage.name)) && super::on_new(plan, stage) > 0.0
    };
    let least_per_hour = plan
        .stages
        .iter()
        .filter(is_watched)
        .map(|stage| expected.per_hour * super::on_new(plan, stage))
        .fold(f64::INFINITY, f64::min);
    let windows = std::iter::once(term.over).chain(
        MINUTES
            .into_iter()
            .map(Duration::minutes)
            .filter(|longer| longer.as_ms() > own.as_ms())
            .map(|longer| Some(Window::Last(reported(longer)))),
    );
    for over in windows {
        let length = match over {
            Some(Window::Last(length)) => length,
            _ => own,
        };
        let observations = least_per_hour * length.as_ms() as f64 / super::HOUR_MS;
        let mins = MINS
            .into_iter()
            .filter(|min| f64::from(*min) * SPARE <= observations && term.min.is_none_or(|own| own < *min));
        for min in mins {
            let other = Term { over, min: Some(min), ..term.clone() };
            let condition: Option<Condition> = other.to_string().parse().ok();
            if condition
                .and_then(|condition| odds(plan, basis, guardrail, &condition))
                .is_some_and(|odds| is_quiet(&odds))
            {
                return Some(other);
            }
        }
    }
    None
}

/// An hour is no sixty minutes to people.
fn reported(length: Duration) -> Duration {
    let hours = length.as_ms() / 3_600_000;
    if hours > 0 && length.as_ms().is_multiple_of(3_600_000) {
        format!("{hours}h").parse().unwrap_or(length)
    } else {
        length
    }
}

fn is_quiet(odds: &Odds) -> bool {
    odds.every_hours().is_none_or(|hours| hours >= QUIET_HOURS) && odds.chance() <= QUIET_CHANCE
}
