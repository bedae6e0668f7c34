//! What a timeline says.

use super::{Forecast, Premise};
use crate::explain;
use tidegate_model::Duration;
use tidegate_model::number::counted;
use tidegate_model::plan::{Item, Plan, Stage, Start};
use tidegate_model::zone::Zone;

/// A role with its person, else the name as it stands.
pub(super) fn person(plan: &Plan, name: &str) -> String {
    match plan.roles.get(name).and_then(|role| role.person.as_deref()) {
        Some(person) => format!("{name} ({person})"),
        None => name.to_owned(),
    }
}

/// What a stage asks of people and figures.
pub(super) fn stage(plan: &Plan, index: usize, stage: &Stage) -> Option<String> {
    let mut parts = Vec::new();
    let spelled = |duration: Duration| explain::spelled(&duration.to_string());
    match (stage.hold, stage.deadline) {
        (Some(hold), Some(deadline)) => parts.push(format!("lasts {} to {}", spelled(hold), spelled(deadline))),
        (Some(hold), None) => parts.push(format!("lasts at least {}", spelled(hold))),
        (None, Some(deadline)) => parts.push(format!("is meant to last at most {}", spelled(deadline))),
        (None, None) => {}
    }
    if !stage.groups.is_empty() {
        let names: Vec<&str> = stage.groups.iter().map(tidegate_model::Name::as_str).collect();
        let group = if names.len() == 1 { "group" } else { "groups" };
        parts.push(format!("with the {group} {}", explain::listed(&names)));
    }
    let (gates, built_in) = (plan.gates_in_force(index).count(), plan.built_in_gates(index).count());
    if gates > 0 {
        let built_in = if built_in == 0 { String::new() } else { format!(", {built_in} of them built in") };
        parts.push(format!("{}{built_in}", counted(gates, "gate")));
    }
    if !stage.checklist.is_empty() {
        parts.push(format!("{} to tick", counted(stage.checklist.len(), "item")));
    }
    (!parts.is_empty()).then(|| explain::sentence(&parts.join("; ")))
}

/// What follows a stage's bake time.
pub(super) fn after_hold(plan: &Plan, index: usize) -> String {
    let next = match plan.stages.get(index + 1) {
        Some(next) => format!("{} ({} %) follows", next.name, next.percentage),
        None => "the rollout ends".to_owned(),
    };
    let open = plan.stages.get(index).map_or(0, |stage| stage.checklist.len());
    let are = if open == 1 { "is" } else { "are" };
    let items = if open == 0 { String::new() } else { format!(" and {} {are} ticked", counted(open, "item")) };
    explain::sentence(&format!("once all gates pass{items}, {next}"))
}

/// What an item is for.
pub(super) fn item(item: &Item, what: &str) -> String {
    let mut parts = vec![what.to_owned()];
    if item.approvals > 1 {
        parts.push(format!("by {} different people", item.approvals));
    }
    if let Some(role) = &item.role {
        parts.push(format!("by the role {role}"));
    }
    parts.extend(item.note.clone());
    parts.extend(item.link.as_ref().map(ToString::to_string));
    explain::sentence(&parts.join("; "))
}

/// When it will be done, in a sentence.
pub fn outlook(plan: &Plan, forecast: &Forecast, zone: &Zone) -> String {
    if forecast.stays.is_empty() {
        return match forecast.end {
            Some(_) => "It is done.".to_owned(),
            None => "When it will be done is unknown: the calendar leaves no time for its first stage.".to_owned(),
        };
    }
    let Some(end) = forecast.end else {
        let stuck = forecast.stays.last().and_then(|stay| plan.stages.get(stay.stage + 1));
        let stage = stuck.map(|stage| format!(" the stage {}", stage.name)).unwrap_or_default();
        return format!("When it will be done is unknown: the calendar leaves no time for{stage}.");
    };
    let premise = match forecast.premise {
        Some(Premise::Start) if plan.start == Some(Start::OnDeploy) => "if new is deployed now, ",
        Some(Premise::Start) => "if it is started now, ",
        Some(Premise::Resume) => "if it is resumed now, ",
        Some(Premise::Revive) => "if it is revived now, ",
        Some(Premise::Manual) => "if each step is taken as soon as it can be, ",
        None => "",
    };
    let zone_name = zone.name();
    explain::sentence(&format!(
        "{premise}it is done on {} ({zone_name}) at the earliest: every gate passes, and every item is ticked in time",
        end.shown_by(zone)
    ))
}
