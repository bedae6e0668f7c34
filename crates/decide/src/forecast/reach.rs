//! Whether a stage ever sees as many observations as its conditions ask for, and how long that takes.
//!
//! Fewer than asked for are inconclusive: a gate then never passes, and a guardrail never fires.

use serde::Serialize;

use super::{Basis, HOUR_MS, hours, on_new, words};
use tidegate_model::Name;
use tidegate_model::condition::{MIN_DEFAULT, Term, WINDOW_DEFAULT, Window};
use tidegate_model::figure::Counted;
use tidegate_model::plan::{Plan, Stage};
use tidegate_model::{Duration, Percentage};

/// A stage at the traffic that is expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "StageReach"))]
pub struct Reach {
    /// The stage.
    pub stage: Name,
    /// Its share of subjects.
    pub percentage: Percentage,
    /// How long it lasts at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Duration>,
    /// Requests an hour to new.
    pub new_per_hour: f64,
    /// Requests an hour to legacy, from those who are compared.
    pub legacy_per_hour: f64,
    /// What has to be seen.
    pub needs: Vec<Need>,
}

/// Something that has to be seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Need {
    /// The term that asks for it; absent for what every comparison needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// How much.
    pub count: f64,
    /// Of what, and on which side.
    pub what: &'static str,
    /// How long it takes, in milliseconds; absent for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takes_ms: Option<u64>,
    /// Within what it has to be, in milliseconds: the stage's hold, or the term's own window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u64>,
    /// Whether it is.
    pub is_reached: bool,
    /// All of this in a sentence.
    pub text: String,
}

/// All stages with anybody on new by percentage.
pub(super) fn stages(plan: &Plan, basis: &Basis<'_>) -> Vec<Reach> {
    let mut before_hours = Vec::new();
    let mut all = Vec::new();
    for stage in &plan.stages {
        let share = on_new(plan, stage);
        if share > 0.0 {
            all.push(Stretch { plan, basis, stage, share, before: &before_hours }.reach());
        }
        before_hours.push((share, hours(stage).unwrap_or_default()));
    }
    all
}

/// One stage, and those before it: shares on new, and hours.
struct Stretch<'a> {
    plan: &'a Plan,
    basis: &'a Basis<'a>,
    stage: &'a Stage,
    share: f64,
    before: &'a [(f64, f64)],
}

impl Stretch<'_> {
    fn reach(&self) -> Reach {
        let Self { plan, basis, stage, share, .. } = self;
        let legacy = 1.0 - share;
        let mut needs = Vec::new();
        if plan.upstreams.is_some() {
            for (side, what) in [(*share, "requests on new"), (legacy, "requests on legacy")] {
                if side > 0.0 {
                    needs.push(self.need(
                        None,
                        f64::from(MIN_DEFAULT),
                        what,
                        basis.requests_per_hour * side,
                        Some(Window::Stage),
                    ));
                }
            }
        }
        let watches = |stages: &[Name]| stages.is_empty() || stages.contains(&stage.name);
        let gates = plan
            .stage_index(stage.name.as_str())
            .into_iter()
            .flat_map(|index| plan.gates_in_force(index))
            .flat_map(|gate| &gate.when.terms);
        let guardrails = plan
            .guardrails_in_force()
            .filter(|guardrail| watches(&guardrail.stages))
            .flat_map(|guardrail| &guardrail.when.terms);
        for term in gates.chain(guardrails) {
            for need in self.of_term(term) {
                if !needs.contains(&need) {
                    needs.push(need);
                }
            }
        }
        Reach {
            stage: stage.name.clone(),
            percentage: stage.percentage,
            hold: stage.hold,
            new_per_hour: basis.requests_per_hour * share,
            legacy_per_hour: basis.requests_per_hour * legacy,
            needs,
        }
    }

    fn of_term(&self, term: &Term) -> Vec<Need> {
        let mut needs = Vec::new();
        let window = if term.bound.is_legacy() { Window::Attempt } else { term.over.unwrap_or(WINDOW_DEFAULT) };
        let spec = term.metric.spec();
        let what = match spec.of {
            Counted::PageViews if term.metric.name().is_some() => "reports on new",
            Counted::PageViews => "page views on new",
            _ => "requests on new",
        };
        let is_counted = spec.min > 0 && matches!(spec.of, Counted::Requests | Counted::PageViews);
        // What every comparison of requests needs stands there already.
        let is_said = term.bound.is_legacy()
            && term.min.is_none()
            && term.endpoint.is_none()
            && what == "requests on new"
            && self.plan.upstreams.is_some();
        if let Some(expected) = (self.basis.expected)(term).filter(|_| is_counted && !is_said) {
            let min = f64::from(term.min.unwrap_or(MIN_DEFAULT));
            needs.push(self.need(Some(term), min, what, expected.per_hour * self.share, Some(window)));
        }
        if let (Some(least), Some(subjects)) = (term.min_subjects, self.basis.subjects) {
            let (least, there) = (f64::from(least), subjects * self.share);
            let mut need = self.need(Some(term), least, "subjects on new", 0.0, None);
            need.is_reached = there >= least;
            need.text = words::subjects(&need, there);
            needs.push(need);
        }
        needs
    }

    fn need(&self, term: Option<&Term>, count: f64, what: &'static str, per_hour: f64, window: Option<Window>) -> Need {
        let hold = self.stage.hold.map(Duration::as_ms);
        // What the attempt has seen in earlier stages counts where it is measured over all of it.
        let before = match window {
            Some(Window::Attempt) => {
                self.before.iter().map(|(share, hours)| per_hour / self.share * share * hours).sum()
            }
            _ => 0.0,
        };
        let takes_ms = (per_hour > 0.0).then(|| ((count - before).max(0.0) / per_hour * HOUR_MS).ceil() as u64);
        let within_ms = match window {
            Some(Window::Last(length)) => Some(length.as_ms()),
            _ => hold,
        };
        let is_reached = takes_ms.is_some_and(|takes| within_ms.is_none_or(|within| takes <= within));
        let mut need =
            Need { of: term.map(Term::to_string), count, what, takes_ms, within_ms, is_reached, text: String::new() };
        need.text = words::need(&need, matches!(window, Some(Window::Last(_))));
        need
    }
}
