//! `tidegate stale`: rollouts and flags that nobody needs any more, who left them, since when, and where the code still
//! asks for them.
//!
//! A flag that has ended is a branch of the code that nobody takes; a rollout that was rolled back long ago is a plan
//! that nobody follows. Neither goes away by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde::Serialize;

use super::Failure;
use super::client::Client;
use super::clock::now;
use super::operator::{Connection, explained};
use super::paint::{BOLD, DIM, GOOD, paint, print, print_raw};
use super::standing::Standing;
use super::words::span;
use tidegate_model::{Duration, Instant};
use tidegate_protocol::api::shapes::{Entry, History, Rollout, Rollouts};

/// So many places of the code are shown of one rollout.
const PLACES_MAX: usize = 20;

#[derive(Args)]
pub struct StaleArguments {
    /// How long something has to have been as it is
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = explained::<Duration>)]
    pub after: Duration,
    /// A folder of the code, in a git repository: show the lines that name the rollout
    #[arg(long, value_name = "FOLDER")]
    pub code: Option<PathBuf>,
    #[command(flatten)]
    pub connection: Connection,
}

/// A rollout that nobody needs any more.
#[derive(Debug, PartialEq, Serialize)]
struct Stale {
    rollout: String,
    is_flag: bool,
    /// How it is, and what to do about it.
    what: &'static str,
    todo: String,
    since: Option<Instant>,
    for_ms: i64,
    /// Who has made the last change, and what that was.
    by: String,
    command: String,
    /// The lines of the code that name it; absent where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Vec<String>>,
}

pub fn run(arguments: &StaleArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let all: Rollouts = client.get("rollouts", &[])?.read()?;
    let now = all.at.get().unwrap_or_else(now);
    let mut found = Vec::new();
    for rollout in &all.rollouts {
        let query = [("limit", "50")];
        let history: History = client.get(&format!("rollouts/{}/history", rollout.key), &query)?.read()?;
        let entries = history.entries.iter().filter_map(|entry| serde_json::from_str::<Entry>(entry.get()).ok());
        if let Some(mut stale) = of(rollout, &entries.collect::<Vec<_>>(), arguments.after, now) {
            stale.code = arguments.code.as_deref().map(|folder| lines(folder, &stale.rollout)).transpose()?;
            found.push(stale);
        }
    }
    found.sort_by_key(|own| std::cmp::Reverse(own.for_ms));
    if json {
        return print_raw(&serde_json::json!({ "stale": found }).to_string());
    }
    if found.is_empty() {
        return print(&format!("{} nothing is stale", paint(GOOD, "✓")));
    }
    for own in &found {
        print(&shown(own))?;
    }
    Ok(())
}

/// A rollout that has been as it is for so long.
fn of(rollout: &Rollout, entries: &[Entry], after: Duration, now: Instant) -> Option<Stale> {
    // A note changes nothing.
    let last = entries.iter().find(|entry| entry.command.command != "note" && entry.command.command != "apply");
    let last = last.or_else(|| entries.first());
    let since = last.and_then(|entry| entry.at.get()).or(rollout.state.since.get());
    let for_ms = since.map_or(0, |since| now.ms_since(since));
    if u64::try_from(for_ms).unwrap_or_default() < after.as_ms() {
        return None;
    }
    let key = &rollout.key;
    let code = if rollout.is_flag { "take the flag out of the code, then " } else { "" };
    let state = &rollout.state;
    let (what, todo) = match Standing::of(rollout) {
        Standing::Done => ("has ended", format!("{code}archive it: tidegate archive {key}")),
        Standing::RolledBack if state.killed => {
            ("is killed", format!("revive it, or archive it: tidegate archive {key}"))
        }
        Standing::RolledBack => ("is rolled back", format!("resume it, or {code}archive it: tidegate archive {key}")),
        _ if state.phase == "draft" => {
            ("was never started", format!("start it, or archive it: tidegate archive {key}"))
        }
        _ if state.phase == "paused" => ("is paused", format!("resume it, or roll it back: tidegate resume {key}")),
        Standing::WaitingForPerson => ("waits for a person", format!("see what for: tidegate status {key}")),
        // What goes on by itself has a hold, and may be long.
        Standing::GoingOn => return None,
    };
    Some(Stale {
        rollout: key.to_string(),
        is_flag: rollout.is_flag,
        what,
        todo,
        since,
        for_ms,
        by: last.map(|entry| entry.actor.clone()).unwrap_or_default(),
        command: last.map(|entry| entry.command.command.to_string()).unwrap_or_default(),
        code: None,
    })
}

fn shown(own: &Stale) -> String {
    let kind = if own.is_flag { "flag" } else { "rollout" };
    let by = if own.by.is_empty() { String::new() } else { format!(" ({} by {})", own.command, own.by) };
    let mut lines = vec![
        format!("{}  {kind}, {} for {}{}", paint(BOLD, &own.rollout), own.what, span(own.for_ms), paint(DIM, by)),
        format!("  {}", own.todo),
    ];
    if let Some(code) = &own.code {
        if code.is_empty() {
            lines.push("  the code does not name it".to_owned());
        }
        lines.extend(code.iter().take(PLACES_MAX).map(|line| format!("  {line}")));
        if code.len() > PLACES_MAX {
            lines.push(format!("  … and {} more", code.len() - PLACES_MAX));
        }
    }
    lines.join("\n")
}

/// The lines of a repository that name something, as `git grep` prints them: file, line, text.
fn lines(folder: &Path, name: &str) -> Result<Vec<String>, Failure> {
    let name_of = || format!("git grep in {}", folder.display());
    let out = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["grep", "--line-number", "--fixed-strings", "--word-regexp", "-I", "--no-color", "-e", name, "--", "."])
        .output()
        .map_err(|error| Failure::Io(name_of(), error))?;
    // 1: nothing was found.
    if out.status.success() || out.status.code() == Some(1) {
        let text = String::from_utf8_lossy(&out.stdout);
        return Ok(text.lines().map(|line| line.chars().take(200).collect()).collect());
    }
    Err(Failure::WithHelp {
        message: format!("{}: {}", name_of(), String::from_utf8_lossy(&out.stderr).trim()),
        help: "name a folder inside a git repository".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stale(state: &str, entries: &str) -> Option<(&'static str, String, String)> {
        let rollout: Rollout =
            serde_json::from_str(&format!(r#"{{"key":"new-cart","is_flag":true,{state}}}"#)).unwrap();
        let entries: Vec<Entry> = serde_json::from_str(entries).unwrap();
        let now = "2026-12-20T09:00:00Z".parse().unwrap();
        of(&rollout, &entries, "14d".parse().unwrap(), now).map(|own| (own.what, own.by, own.todo))
    }

    const OLD: &str = r#"[{"at":"2026-12-19T09:00:00Z","actor":"ben","command":{"command":"note"}},
        {"at":"2026-12-01T09:00:00Z","actor":"ana","command":{"command":"complete"}}]"#;

    #[test]
    fn what_has_ended_long_ago_is_reported_with_who_left_it() {
        assert_eq!(
            stale(r#""state":{"phase":"completed"}"#, OLD),
            Some((
                "has ended",
                "ana".into(),
                "take the flag out of the code, then archive it: tidegate archive new-cart".into()
            ))
        );
        assert_eq!(stale(r#""state":{"phase":"rolled_back"}"#, OLD).unwrap().0, "is rolled back");
        assert_eq!(stale(r#""state":{"phase":"paused"},"blocked":[{"by":"paused"}]"#, OLD).unwrap().0, "is paused");
    }

    #[test]
    fn what_goes_on_or_has_ended_lately_is_not_stale() {
        assert_eq!(stale(r#""state":{"phase":"running"},"blocked":[{"by":"hold"}]"#, OLD), None);
        let new = r#"[{"at":"2026-12-18T09:00:00Z","actor":"ana","command":{"command":"complete"}}]"#;
        assert_eq!(stale(r#""state":{"phase":"completed"}"#, new), None);
    }
}
