//! `tidegate apply`: plans from files into force, all or none of them.

use serde_json::{Value, json};

use super::client::Client;
use super::operator::ApplyArguments;
use super::paint::{BAD, BOLD, DIM, GOOD, WARN, cell, note, paint, print, print_raw};
use super::plan_file::load;
use super::words::counted;
use super::{Failure, ask, check};
use tidegate_model::plan::Plan;
use tidegate_protocol::api::shapes::PlansApplied;
use tidegate_text::plans::Loaded;

pub fn run(arguments: &ApplyArguments, json: bool) -> Result<(), Failure> {
    let ApplyArguments { plans, prune, consent } = arguments;
    let loaded = load(plans)?;
    if loaded.has_errors() {
        return check::tell(&loaded, json);
    }
    if !json {
        super::report::show(&loaded.sources)?;
    }
    ask::check(consent, false)?;
    let client = Client::new(&consent.connection)?;
    let rollouts = rollouts(loaded)?;
    let put =
        |reason: Option<&str>, is_dry_run| client.send("PUT", "plans", &body(&rollouts, *prune, reason, is_dry_run));
    let looked = put(consent.reason.as_deref(), true)?;
    let foreseen: PlansApplied = looked.read()?;
    if !(json && consent.yes) {
        note(&table(&foreseen));
    }
    let count = foreseen.changes.iter().filter(|change| change.change != "unchanged").count();
    if count == 0 {
        return if json { print_raw(&looked.text) } else { print("Nothing to change.") };
    }
    if !consent.yes {
        ask::confirm(&format!("Apply {}?", counted(count, "change")))?;
    }
    let answer = put(consent.reason.as_deref(), false)?;
    if json {
        return print_raw(&answer.text);
    }
    let applied: PlansApplied = answer.read()?;
    print(&format!("{} applied; the plans are at revision {}", counted(count, "change"), applied.revision))
}

/// Each plan as `tidegate compile` prints it.
fn rollouts(loaded: Loaded) -> Result<Vec<Value>, Failure> {
    let plans: Vec<Plan> = loaded.plans.into_iter().map(|(_, plan)| plan).collect();
    plans
        .iter()
        .map(|plan| serde_json::to_value(plan).map_err(|error| Failure::Io(plan.key.to_string(), error.into())))
        .collect()
}

fn body(rollouts: &[Value], prune: bool, reason: Option<&str>, is_dry_run: bool) -> Value {
    let mut body = json!({ "rollouts": rollouts, "prune": prune, "dry_run": is_dry_run });
    if let (Value::Object(fields), Some(reason)) = (&mut body, reason) {
        fields.insert("reason".into(), json!(reason));
    }
    body
}

fn table(foreseen: &PlansApplied) -> String {
    let width = foreseen.changes.iter().map(|change| change.rollout.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for change in &foreseen.changes {
        let (mark, style) = match change.change.as_str() {
            "added" => ("+", GOOD),
            "changed" => ("~", WARN),
            "removed" => ("-", BAD),
            _ => ("=", DIM),
        };
        lines.push(format!(
            "{} {}  {}",
            paint(style, mark),
            cell(BOLD, &change.rollout, width),
            paint(style, &change.change)
        ));
    }
    let removed = foreseen.changes.iter().filter(|change| change.change == "removed").count();
    if removed > 0 {
        lines.push(format!(
            "{} {} will be removed; {} history is kept, but no longer shown",
            paint(WARN, "!"),
            counted(removed, "rollout"),
            if removed == 1 { "its" } else { "their" }
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_would_change_is_marked() {
        let foreseen: PlansApplied = serde_json::from_str(r#"{"changes":[{"rollout":"shop","change":"added"},{"rollout":"checkout","change":"changed"},{"rollout":"ai","change":"unchanged"},{"rollout":"old","change":"removed"}]}"#).unwrap();
        assert_eq!(
            anstream::adapter::strip_str(&table(&foreseen)).to_string(),
            "+ shop      added\n~ checkout  changed\n= ai        unchanged\n- old       removed\n! 1 rollout will be removed; its history is kept, but no longer shown"
        );
    }

    #[test]
    fn a_reason_is_sent_only_where_there_is_one() {
        assert_eq!(body(&[], true, None, true), json(r#"{"dry_run":true,"prune":true,"rollouts":[]}"#));
        assert_eq!(
            body(&[], false, Some("why"), false),
            json(r#"{"dry_run":false,"prune":false,"reason":"why","rollouts":[]}"#)
        );
    }
}
