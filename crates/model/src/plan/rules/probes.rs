//! Probes, hooks and problems that could not do what their writer wants.

use super::Step::{Index, Key};
use super::names::Known;
use super::{Rules, Step};
use crate::condition::{Metric, Term};
use crate::fault::nearest;
use crate::plan::probe::HookSide;

/// Checks the probes and hooks of one plan.
pub fn check(rules: &mut Rules<'_>, known: &Known<'_>) {
    let plan = rules.plan;
    if plan.is_flag() && !plan.probes.is_empty() {
        rules.unwise(
            &[Key("probe")],
            "a flag has no upstreams that could be probed".into(),
            "probe in the plan of the rollout that has them".to_owned(),
        );
    }
    for (index, probe) in plan.probes.iter().enumerate() {
        let at = |key| [Key("probe"), Index(index), Key(key)];
        if plan.probes.iter().take(index).any(|other| other.name == probe.name) {
            rules.unwise(
                &at("path"),
                format!("two probes are called `{}`", probe.name),
                "give one of them a `name` of its own".to_owned(),
            );
        }
        if probe.on.is_empty() {
            rules.unwise(&at("on"), "no side is probed".into(), "`on = [\"new\", \"legacy\"]`".to_owned());
        }
    }
    for (index, hook) in plan.hooks.iter().enumerate() {
        let at = [Key("hook"), Index(index), Key("at")];
        let stage = hook.at.stage.as_str();
        if !known.stages.contain(stage) {
            let stages: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
            rules.error(&at, format!("no stage is called `{stage}`"), format!("known: {}", stages.join(", ")));
        } else if hook.at.side == HookSide::Before && plan.stage_index(stage) == Some(0) {
            rules.unwise(
                &at,
                format!("`{stage}` is entered by the start, which asks no hook"),
                format!("`after {stage}` holds it in its first stage; a checklist holds the start"),
            );
        }
    }
}

/// Of each kind of problem, one thing is done.
pub fn problems(rules: &mut Rules<'_>) {
    let plan = rules.plan;
    for (index, problem) in plan.problems.iter().enumerate() {
        if plan.problems.iter().take(index).any(|other| other.on == problem.on) {
            rules.unwise(
                &[Key("problem"), Index(index), Key("on")],
                format!("`{}` stands here twice", problem.on),
                "say once what is done about it".to_owned(),
            );
        }
    }
}

/// A term about a probe that new is never asked by could only ever be inconclusive.
pub fn measured(rules: &mut Rules<'_>, steps: &[Step<'_>], term: &Term, known: &Known<'_>) {
    let Metric::Probe(name) = &term.metric else { return };
    if known.probes.contain(name.as_str()) {
        return;
    }
    let names = rules.plan.probes.iter().map(|own| own.name.as_str());
    let near = if rules.faults.are_few() { nearest(name.as_str(), names) } else { None };
    let help = near.filter(|near| *near != name.as_str()).map_or_else(
        || format!("add [[probe]] with `name = \"{name}\"` and `new` among `on`"),
        |known| format!("did you mean `{known}`?"),
    );
    rules.unwise(steps, format!("`{}` is not measured", term.metric), help);
}
