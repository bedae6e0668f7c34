//! `tidegate check`: every fault of the plans, or what they will do.

use serde::Serialize;

use super::plan_file::load;
use super::{Failure, report};
use super::plans::PlanArguments;
use crate::model::fault::Severity;
use crate::model::plan::Plan;
use crate::text::plans::Loaded;
use crate::text::told::{FaultLine, lines};

#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    rollouts: Vec<&'a str>,
    faults: Vec<FaultLine<'a>>,
}

pub fn run(arguments: &PlanArguments, json: bool) -> Result<(), Failure> {
    tell(&load(arguments)?, json)
}

/// Shows what is wrong with plans, and what they do where nothing is.
pub fn tell(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    if json {
        let rollouts = loaded.plans.iter().map(|(_, plan)| plan.key.as_str()).collect();
        let checked = Checked { ok: !loaded.has_errors(), rollouts, faults: lines(&loaded.sources) };
        println!("{}", serde_json::to_string(&checked).unwrap_or_default());
    } else {
        report::show(&loaded.sources)?;
        summarise(loaded);
    }
    if loaded.has_errors() { Err(Failure::Refused) } else { Ok(()) }
}

fn summarise(loaded: &Loaded) {
    for (index, source) in loaded.sources.iter().enumerate() {
        let count = |severity| source.faults.iter().filter(|fault| fault.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let verdict = match (errors, warnings) {
            (0, 0) => "ok".to_owned(),
            (0, warnings) => format!("ok, {}", counted(warnings, "warning")),
            (errors, 0) => counted(errors, "error"),
            (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
        };
        println!("{}: {verdict}", source.name);
        if errors == 0 {
            for (_, plan) in loaded.plans.iter().filter(|(own, _)| *own == index) {
                println!("  {}", outline(plan));
            }
        }
    }
}

/// What no plan says and every frontend meets.
const REQUESTS: &str = "
    service workers: never from the other side; where a side has none at a path, one that unregisters itself
    forms: Django and SvelteKit refuse them with 403 until they know the public host; other frameworks: docs/frameworks.md";

fn outline(plan: &Plan) -> String {
    let stages: Vec<String> = plan.stages.iter().map(|stage| format!("{} {} %", stage.name, stage.percentage)).collect();
    let kind = if plan.is_flag() { " (flag)" } else { "" };
    let gates = plan.stages.iter().map(|stage| stage.gates.len()).sum();
    let guards = [counted(gates, "gate"), counted(plan.guardrails.len(), "guardrail")].join(", ");
    let built_in: Vec<String> = plan.built_in_guardrails().map(|guardrail| format!("`{}` → {}", guardrail.when, guardrail.then)).collect();
    let built_in = if built_in.is_empty() { String::new() } else { format!("\n    built in: {}", built_in.join(", ")) };
    let requests = if plan.is_flag() { "" } else { REQUESTS };
    format!("{}{kind}: {} ({guards}){built_in}{requests}", plan.key, stages.join(" → "))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
