//! Probes and hooks that could not do what their writer wants.

use super::Rules;
use super::Step::{Index, Key};
use super::names::Known;
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
