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
    let ApplyArguments { plans, prune, dry_run, consent } = arguments;
    let loaded = load(plans)?;
    if loaded.has_errors() {
        return check::tell(&loaded, json);
    }
    if !json {
        super::report::show(&loaded.sources)?;
    }
    if !dry_run {
        ask::check(consent, false)?;
    }
    let client = Client::new(&consent.connection)?;
    let rollouts = rollouts(loaded)?;
    let put =
        |reason: Option<&str>, is_dry_run| client.send("PUT", "plans", &body(&rollouts, *prune, reason, is_dry_run));
    let looked = put(consent.reason.as_deref(), true)?;
    let foreseen: PlansApplied = looked.read()?;
    if *dry_run && json {
        return print_raw(&looked.text);
    }
    if !(json && consent.yes) {
        let has_changed = foreseen.changes.iter().any(|change| change.change == "changed");
        let known: Value = if has_changed { client.get("plans", &[])?.read()? } else { Value::Null };
        let before = known.get("rollouts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let changes = table(&foreseen, &|key| differences(found(before, "key", key), found(&rollouts, "key", key)));
        if *dry_run {
            return print(&format!("{changes}\n{}", paint(DIM, "Nothing was changed (--dry-run).")));
        }
        note(&changes);
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

/// So many differences of a plan are listed.
const DIFFERENCES_MAX: usize = 20;
/// So much is shown of a value.
const VALUE_CHARS: usize = 60;

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

/// A part of a document, or nothing.
fn part<'a>(of: &'a Value, name: &str) -> &'a Value {
    of.get(name).unwrap_or(&Value::Null)
}

/// The one of a list whose field says so, or nothing.
fn found<'a>(list: &'a [Value], field: &str, wanted: &str) -> &'a Value {
    list.iter().find(|own| *part(own, field) == *wanted).unwrap_or(&Value::Null)
}

/// Where two plans differ, a line each: `upstreams.new: "https://a" → "https://b"`.
fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", before, after, &mut lines);
    let more = lines.len().saturating_sub(DIFFERENCES_MAX);
    if more > 0 {
        lines.truncate(DIFFERENCES_MAX);
        lines.push(format!("and {}", counted(more, "more difference")));
    }
    lines
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                compare(&below(name), part(before, name), part(after, name), lines);
            }
        }
        // Stages and the like have names; of other lists the places are compared.
        (Value::Array(old), Value::Array(new)) => {
            let named = |list: &[Value]| list.iter().all(|own| part(own, "name").is_string());
            if named(old) && named(new) {
                let name = |own: &Value| part(own, "name").as_str().unwrap_or_default().to_owned();
                let mut names: Vec<String> = old.iter().map(name).collect();
                names.extend(new.iter().map(name).filter(|own| !old.iter().any(|known| name(known) == *own)));
                for own in names {
                    compare(&below(&own), found(old, "name", &own), found(new, "name", &own), lines);
                }
            } else {
                for index in 0..old.len().max(new.len()) {
                    let (old, new) = (old.get(index), new.get(index));
                    let (old, new) = (old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null));
                    compare(&below(&(index + 1).to_string()), old, new, lines);
                }
            }
        }
        (Value::Null, new) => lines.push(format!("{path}: added {}", shortened(new))),
        (old, Value::Null) => lines.push(format!("{path}: removed {}", shortened(old))),
        (old, new) => lines.push(format!("{path}: {} → {}", shortened(old), shortened(new))),
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARS {
        return text;
    }
    text.chars().take(VALUE_CHARS - 1).chain(['…']).collect()
}

/// The changes; `differs` says where the plan of a rollout that is changed differs.
fn table(foreseen: &PlansApplied, differs: &dyn Fn(&str) -> Vec<String>) -> String {
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
        if change.change == "changed" {
            lines.extend(differs(&change.rollout).into_iter().map(|own| format!("    {}", paint(DIM, own))));
        }
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
            anstream::adapter::strip_str(&table(&foreseen, &|_| vec!["start: added \"2026-12-10\"".into()]))
                .to_string(),
            "+ shop      added\n~ checkout  changed\n    start: added \"2026-12-10\"\n= ai        unchanged\n- old       removed\n! 1 rollout will be removed; its history is kept, but no longer shown"
        );
    }

    #[test]
    fn where_two_plans_differ_is_listed_by_the_names_of_their_parts() {
        let before = json(
            r#"{"key":"shop","upstreams":{"legacy":"http://a","new":"http://b"},"stage":[{"name":"canary","hold":"1d"},{"name":"full","hold":"1d"}],"alpha":0.01}"#,
        );
        let after = json(
            r#"{"key":"shop","upstreams":{"legacy":"http://a","new":"http://c"},"stage":[{"name":"canary","hold":"2d"},{"name":"half"},{"name":"full","hold":"1d"}]}"#,
        );
        // A build with the document's schemas keeps the order of members.
        let found: std::collections::BTreeSet<String> = differences(&before, &after).into_iter().collect();
        assert_eq!(
            found.iter().map(String::as_str).collect::<Vec<_>>(),
            [
                r#"alpha: removed 0.01"#,
                r#"stage.canary.hold: "1d" → "2d""#,
                r#"stage.half: added {"name":"half"}"#,
                r#"upstreams.new: "http://b" → "http://c""#,
            ]
        );
        assert_eq!(differences(&before, &before), [""; 0]);
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
