//! A plan as far as the page needs it: to name stages and guardrails, and to offer what can be injected.

use serde::Serialize;

use tidegate_decide::explain::acts;
use tidegate_model::plan::Plan;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::{Name, Percentage};
use tidegate_simulate::healthy::Healthy;
use tidegate_simulate::point::{Compared, comparisons};

/// One rollout's plan.
#[derive(Serialize)]
pub struct Outline {
    key: Name,
    description: Option<String>,
    stages: Vec<Stage>,
    guardrails: Vec<Guardrail>,
    comparisons: Vec<Compared>,
    endpoints: Vec<String>,
    signals: Vec<Signal>,
    timings: Vec<Name>,
    events: Vec<Name>,
    checklist: Vec<String>,
}

#[derive(Serialize)]
struct Stage {
    name: Name,
    percentage: Percentage,
    hold_ms: u64,
}

#[derive(Serialize)]
struct Guardrail {
    when: String,
    then: String,
    /// What it does, in words.
    acts: String,
}

#[derive(Serialize)]
struct Signal {
    name: Name,
    /// Whether it counts events, which come at one time; else it is a level, which lasts.
    is_count: bool,
}

impl Outline {
    /// The outline of a plan.
    pub fn of(plan: &Plan, requests_per_hour: f64) -> Self {
        let healthy = Healthy::of(plan, requests_per_hour);
        let names = |list: Vec<(Name, f64)>| list.into_iter().map(|(name, _)| name).collect();
        let items = plan
            .checklist
            .iter()
            .chain(plan.stages.iter().flat_map(|stage| &stage.checklist))
            .chain(&plan.after_rollback);
        Self {
            key: plan.key.clone(),
            description: plan.description.clone(),
            stages: plan
                .stages
                .iter()
                .map(|stage| Stage {
                    name: stage.name.clone(),
                    percentage: stage.percentage,
                    hold_ms: stage.hold.map_or(0, |hold| hold.as_ms()),
                })
                .collect(),
            guardrails: plan
                .guardrails_in_force()
                .map(|guardrail| Guardrail {
                    when: guardrail.when.to_string(),
                    then: guardrail.then.to_string(),
                    acts: acts(&guardrail.then.to_string()),
                })
                .collect(),
            comparisons: comparisons(plan),
            endpoints: plan.endpoints.names().map(str::to_owned).collect(),
            signals: plan
                .signals
                .0
                .iter()
                .map(|(name, signal)| Signal { name: name.clone(), is_count: signal.kind == SignalKind::Count })
                .collect(),
            timings: names(healthy.timings),
            events: names(healthy.events),
            checklist: items.map(|item| item.text.clone()).collect(),
        }
    }
}
