//! `tidegate check`: every fault of the plans, or what they will do.

use serde::Serialize;

use super::forecast::{self, PerHour};
use super::plan_file::load;
use super::plans::CheckArguments;
use super::words::counted;
use super::{Failure, report};
use tidegate_decide::forecast::Forecast;
use tidegate_decide::reports::{Reported, relied_on};
use tidegate_decide::sources::receiver_of;
use tidegate_model::fault::Severity;
use tidegate_model::plan::signal::Address;
use tidegate_model::plan::words::SecretName;
use tidegate_model::plan::{Gate, Plan, Signal};
use tidegate_protocol::receive::PREFIX;
use tidegate_text::fault_lines::{FaultLine, lines};
use tidegate_text::plans::Loaded;

#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    rollouts: Vec<&'a str>,
    plans: Vec<Shown<'a>>,
    faults: Vec<FaultLine<'a>>,
}

/// A plan that can be used.
#[derive(Serialize)]
struct Shown<'a> {
    rollout: &'a str,
    built_in: Vec<BuiltIn>,
    relies_on: Vec<Reported>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forecast: Option<Forecast>,
}

/// What is in force without being in the plan.
#[derive(Serialize)]
struct BuiltIn {
    what: &'static str,
    condition: String,
    /// What comes of it.
    then: String,
}

impl<'a> Shown<'a> {
    fn of(plan: &'a Plan, traffic: Option<Traffic>) -> Self {
        Shown {
            rollout: plan.key.as_str(),
            built_in: built_in(plan),
            relies_on: relied_on(plan),
            forecast: traffic.map(|traffic| forecast::of(plan, traffic)),
        }
    }
}

/// At which traffic a plan is looked at.
#[derive(Clone, Copy)]
pub struct Traffic {
    pub requests: PerHour,
    pub subjects: Option<u32>,
}

pub fn run(arguments: &CheckArguments, json: bool) -> Result<(), Failure> {
    let traffic = arguments.traffic.map(|requests| Traffic { requests, subjects: arguments.subjects });
    tell_at(&load(&arguments.plans)?, traffic, json)
}

/// Shows what is wrong with plans, and what they do where nothing is.
pub fn tell(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    tell_at(loaded, None, json)
}

fn tell_at(loaded: &Loaded, traffic: Option<Traffic>, json: bool) -> Result<(), Failure> {
    if json {
        let checked = Checked {
            ok: !loaded.has_errors(),
            rollouts: loaded.plans.iter().map(|(_, plan)| plan.key.as_str()).collect(),
            plans: loaded.plans.iter().map(|(_, plan)| Shown::of(plan, traffic)).collect(),
            faults: lines(&loaded.sources),
        };
        println!("{}", serde_json::to_string(&checked).unwrap_or_default());
    } else {
        report::show(&loaded.sources)?;
        summarise(loaded, traffic);
    }
    if loaded.has_errors() { Err(Failure::Refused) } else { Ok(()) }
}

fn summarise(loaded: &Loaded, traffic: Option<Traffic>) {
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
                for line in traffic.iter().flat_map(|traffic| forecast::lines(&forecast::of(plan, *traffic))) {
                    println!("    {line}");
                }
            }
        }
    }
}

/// What no plan says and every frontend meets.
const REQUESTS: &str = "
    service workers: never from the other side; where a side has none at a path, one that unregisters itself
    forms: Django and SvelteKit refuse them with 403 until they know the public host; other frameworks: docs/frameworks.md";

fn outline(plan: &Plan) -> String {
    let stages: Vec<String> =
        plan.stages.iter().map(|stage| format!("{} {} %", stage.name, stage.percentage)).collect();
    let kind = if plan.is_flag() { " (flag)" } else { "" };
    let gates: usize = plan.stages.iter().map(|stage| stage.gates.len()).sum();
    let guards = [counted(gates, "gate"), counted(plan.guardrails.len(), "guardrail")].join(", ");
    let (guardrails, built_in_gates): (Vec<BuiltIn>, Vec<BuiltIn>) =
        built_in(plan).into_iter().partition(|own| own.what == "guardrail");
    let guardrails: Vec<String> = guardrails.iter().map(|own| format!("`{}` → {}", own.condition, own.then)).collect();
    let mut built_in =
        if guardrails.is_empty() { String::new() } else { format!("\n    built in: {}", guardrails.join(", ")) };
    for stages in built_in_gates.chunk_by(|one, other| one.then == other.then) {
        let conditions: Vec<String> = stages.iter().map(|own| format!("`{}`", own.condition)).collect();
        let to_leave = stages.first().map_or("", |own| own.then.as_str());
        built_in.push_str(&format!("\n    built in, {to_leave}: {}", conditions.join(", ")));
    }
    let requests = if plan.is_flag() { "" } else { REQUESTS };
    format!("{}{kind}: {} ({guards}){built_in}{}{requests}", plan.key, stages.join(" → "), reliance(plan))
}

/// What is in force although the plan does not name it.
fn built_in(plan: &Plan) -> Vec<BuiltIn> {
    let mut all: Vec<BuiltIn> = plan
        .built_in_guardrails()
        .map(|guardrail| BuiltIn {
            what: "guardrail",
            condition: guardrail.when.to_string(),
            then: guardrail.then.to_string(),
        })
        .collect();
    let mut gates: Vec<(String, Vec<&str>)> = Vec::new();
    for (index, stage) in plan.stages.iter().enumerate() {
        for gate in plan.built_in_gates(index).map(Gate::to_string) {
            match gates.iter_mut().find(|(own, _)| *own == gate) {
                Some((_, stages)) => stages.push(stage.name.as_str()),
                None => gates.push((gate, vec![stage.name.as_str()])),
            }
        }
    }
    all.extend(gates.into_iter().map(|(condition, stages)| BuiltIn {
        what: "gate",
        condition,
        then: format!("to leave {}", stages.join(", ")),
    }));
    all
}

/// What others have to report, and where.
fn reliance(plan: &Plan) -> String {
    let (from_pages, signals): (Vec<Reported>, Vec<Reported>) =
        relied_on(plan).into_iter().partition(Reported::is_from_pages);
    let named = |all: &[Reported]| all.iter().map(Reported::to_string).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if !from_pages.is_empty() {
        parts.push(format!("{} (pages load /_tidegate/beacon.js)", named(&from_pages)));
    }
    let mut places: Vec<(String, Vec<Reported>)> = Vec::new();
    for reported in signals {
        let place = place(plan, &reported);
        match places.iter_mut().find(|(own, _)| *own == place) {
            Some((_, all)) => all.push(reported),
            None => places.push((place, vec![reported])),
        }
    }
    parts.extend(places.iter().map(|(place, all)| format!("{} ({place})", named(all))));
    if parts.is_empty() { String::new() } else { format!("\n    relies on reports of: {}", parts.join("; ")) }
}

/// Where a signal comes from, and which secrets that takes.
fn place(plan: &Plan, reported: &Reported) -> String {
    let Reported::Signal(name) = reported else { return String::new() };
    if let Some(pull) = plan.signals.get(name.as_str()).and_then(Signal::pull) {
        let url = match pull.url {
            Address::Secret(secret) => Some(secret),
            Address::Plain(_) => None,
        };
        return format!("Tidegate asks for it{}", secrets(url.into_iter().chain(pull.token)));
    }
    match receiver_of(plan, name.as_str()).and_then(|name| Some((name, plan.receivers.get(name.as_str())?))) {
        Some((name, receiver)) => format!("{PREFIX}{name}{}", secrets(receiver.secret().into_iter())),
        None => {
            format!("POST /_tidegate/api/rollouts/{}/signals, or `tidegate signal {} NAME`", plan.key, plan.key)
        }
    }
}

fn secrets<'s>(names: impl Iterator<Item = &'s SecretName>) -> String {
    let names: Vec<&str> = names.map(|secret| secret.0.as_str()).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => format!(", with the secret {one}"),
        several => format!(", with the secrets {}", several.join(" and ")),
    }
}
