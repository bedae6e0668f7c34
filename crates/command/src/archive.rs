//! `tidegate archive`: a rollout that is over becomes one file, and what it took in the deployment is free again.
//!
//! 1. The file is written and checked first: its history is whole, and replays. Only then the rollout is removed.
//! 2. Only what is over is archived: it has ended, is rolled back to nobody, or was never started.
//! 3. While users are on new by it, it is not removed unless somebody says that they get there without it: its plan is
//!    what takes them there.
//! 4. The controller keeps the history and the plans of what is removed; counts, windows and evidence go.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::backup::write_new;
use super::client::Client;
use super::history::{fetch, verified};
use super::operator::{Consent, explained};
use super::paint::{GOOD, note, paint, print, print_raw};
use super::{Failure, ask, keys};
use tidegate_model::Name;
use tidegate_protocol::api::shapes::{PlansApplied, Rollout};

#[derive(Args)]
pub struct ArchiveArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// Where to write it, as JSON lines [default: KEY.archive.ndjson]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the file, and leave the rollout where it is
    #[arg(long)]
    pub keep: bool,
    /// Its users get to new without its plan: FALLBACK_UPSTREAM is new's address by now, or DNS leads there
    #[arg(long)]
    pub routed: bool,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Plans {
    rollouts: Vec<Value>,
}

pub fn run(arguments: &ArchiveArguments, json: bool) -> Result<(), Failure> {
    let ArchiveArguments { key, out, keep, routed, consent } = arguments;
    let client = Client::new(&consent.connection)?;
    let shown = client.get(&format!("rollouts/{key}"), &[])?;
    let rollout: Rollout = shown.read()?;
    if !keep && !is_over(&rollout) {
        return Err(Failure::WithHelp {
            message: format!("{key} is not over: it is {}", super::ladder::summary(&rollout)),
            help: format!("complete it or roll it back first; `tidegate archive {key} --keep` writes the file alone"),
        });
    }
    if !keep {
        ask::check(consent, false)?;
    }
    let file = out.clone().unwrap_or_else(|| PathBuf::from(format!("{key}.archive.ndjson")));
    let text = document(&client, key, &shown.text)?;
    write_new(&file, &text)?;
    note(&format!("{} {}", paint(GOOD, "✓"), file.display()));
    if *keep {
        return printed(json, key, &file, false);
    }
    if rollout.percentage.to_string() != "0 %" && !rollout.is_flag && !routed {
        return Err(Failure::WithHelp {
            message: format!(
                "{key} stays in the deployment: its plan is what sends {} of its users to new, and without it all of them would go to FALLBACK_UPSTREAM",
                rollout.percentage
            ),
            help: "set FALLBACK_UPSTREAM to new's address and deploy that; then archive it again with --routed and another --out".to_owned(),
        });
    }
    if !consent.yes {
        ask::confirm(&format!("Remove {key} from the deployment? Its history stays stored, its figures go."))?;
    }
    remove(&client, key, consent.reason.as_deref())?;
    printed(json, key, &file, true)
}

/// Whether nothing is lost by its removal: nobody is on new by it that a plan moves.
fn is_over(rollout: &Rollout) -> bool {
    let state = &rollout.state;
    let is_nobody = rollout.percentage.to_string() == "0 %" && state.groups.is_empty();
    state.phase == "completed" || state.ended || state.phase == "draft" || state.phase == "rolled_back" && is_nobody
}

/// The archive, one JSON document a line: what it is, the plan, the state, the history from its first entry, messages,
/// measured hours, and the report as a page, which only the deployment can still write now.
fn document(client: &Client, key: &Name, state: &str) -> Result<String, Failure> {
    let history = fetch(client, key.as_str(), u64::MAX)?;
    verified(client, key.as_str(), &history)?;
    let line = |kind: &str, value: &str| -> String {
        let value = RawValue::from_string(value.to_owned()).ok();
        json!({ "kind": kind, "value": value }).to_string()
    };
    let mut lines = vec![json!({ "kind": "archive", "v": 1, "rollout": key }).to_string()];
    lines.push(line("plan", &client.get(&format!("rollouts/{key}/plan"), &[])?.text));
    lines.push(line("state", state));
    lines.extend(history.entries.iter().rev().map(|entry| line("entry", entry.get())));
    // A deployment that is older than messages has none.
    if let Ok(messages) = client.get(&format!("rollouts/{key}/messages"), &[("limit", "1000")]) {
        lines.push(line("messages", &messages.text));
    }
    lines.push(line("metrics", &client.get(&format!("rollouts/{key}/metrics"), &[])?.text));
    let report = client.text(&format!("rollouts/{key}/report"), &[("format", "html")])?;
    lines.push(json!({ "kind": "report", "value": report }).to_string());
    Ok(lines.join("\n") + "\n")
}

/// Takes one rollout out of the plans, and nothing else: what a dry run shows beside it is refused.
fn remove(client: &Client, key: &Name, reason: Option<&str>) -> Result<(), Failure> {
    let plans: Plans = client.get("plans", &[])?.read()?;
    let others: Vec<Value> = plans
        .rollouts
        .into_iter()
        .filter(|plan| plan.get("key").and_then(Value::as_str) != Some(key.as_str()))
        .collect();
    let body = |is_dry_run: bool| {
        let reason = reason.map_or_else(|| format!("{key} is archived"), str::to_owned);
        json!({ "rollouts": others, "prune": true, "dry_run": is_dry_run, "reason": reason })
    };
    let foreseen: PlansApplied = client.send("PUT", "plans", &body(true))?.read()?;
    let changed: Vec<&str> = foreseen
        .changes
        .iter()
        .filter(|change| change.change != "unchanged")
        .map(|change| change.rollout.as_str())
        .collect();
    if changed != [key.as_str()] {
        return Err(Failure::WithHelp {
            message: format!("more than {key} would change: {}", changed.join(", ")),
            help: "somebody has changed plans meanwhile: try again".to_owned(),
        });
    }
    client.send("PUT", "plans", &body(false))?;
    Ok(())
}

fn printed(json: bool, key: &Name, file: &std::path::Path, is_removed: bool) -> Result<(), Failure> {
    if json {
        return print_raw(&json!({ "rollout": key, "file": file, "removed": is_removed }).to_string());
    }
    if is_removed { print(&format!("{key} is archived")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_is_archived() {
        for (state, percentage, expected) in [
            (r#""phase":"completed""#, 100, true),
            (r#""phase":"running","ended":true"#, 50, true),
            (r#""phase":"rolled_back""#, 0, true),
            (r#""phase":"rolled_back","groups":["team"]"#, 0, false),
            (r#""phase":"rolled_back""#, 5, false),
            (r#""phase":"running""#, 0, false),
            (r#""phase":"draft""#, 0, true),
        ] {
            let text = format!(r#"{{"key":"demo","percentage":{percentage},"state":{{{state}}}}}"#);
            assert_eq!(is_over(&serde_json::from_str(&text).unwrap()), expected, "{state}");
        }
    }
}
