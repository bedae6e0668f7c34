//! `tidegate history`: what has happened to a rollout, as a person would tell it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Answer, Client};
use super::operator::HistoryArguments;
use super::paint::{BOLD, DIM, NEXT, WARN, cell, paint, print, print_raw};
use super::problem::Error;
use super::view::{Asked, Entry, Explanation, Message, Messages, Rollout};
use super::words::{number, percent, plain, stamp};
use super::{Failure, verify, wrap};

/// The API's largest page.
const PAGE_ENTRIES_MAX: u64 = 1_000;

/// Entries as they came, newest first, and the revision before which there are more.
pub struct Pages {
    pub entries: Vec<Box<RawValue>>,
    /// What led to them, in the server's words; of an older deployment they have it themselves.
    pub explanations: Vec<Explanation>,
    pub before: Option<u64>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    entries: Vec<Box<RawValue>>,
    #[serde(default)]
    explanations: Vec<Explanation>,
    before: Option<u64>,
}

pub fn run(arguments: &HistoryArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let key = arguments.key.as_str();
    if arguments.verify {
        // Asked first: what happens meanwhile makes the history longer, never shorter.
        let known: Rollout = client.get(&format!("rollouts/{key}"), &[])?.read()?;
        let pages = fetch(&client, key, u64::MAX)?;
        let oldest_first: Vec<&str> = pages.entries.iter().rev().map(|entry| entry.get()).collect();
        let plan = |revision: u64| {
            client
                .get(&format!("rollouts/{key}/plan"), &[("revision", revision.to_string().as_str())])
                .ok()
                .map(|answer| answer.text)
        };
        return report(key, &verify::verify(&oldest_first, plan, known.state.revision), json);
    }
    let pages = fetch(&client, key, arguments.limit)?;
    if json {
        let entries: Vec<&str> = pages.entries.iter().map(|entry| entry.get()).collect();
        let before = pages.before.map_or_else(|| "null".to_owned(), |before| before.to_string());
        return print_raw(&format!("{{\"entries\":[{}],\"before\":{before}}}", entries.join(",")));
    }
    let mut entries: Vec<Entry> =
        pages.entries.iter().filter_map(|entry| serde_json::from_str(entry.get()).ok()).collect();
    explain(&mut entries, pages.explanations);
    print(&wrap::lines(
        &timeline(key, &entries, &messages(&client, key, &entries), pages.before.is_some()),
        wrap::of_stdout(),
    ))
}

/// What people were told since the oldest of the entries; nothing from a deployment that is older than
/// messages are.
fn messages(client: &Client, key: &str, entries: &[Entry]) -> Vec<Message> {
    let since = entries.last().and_then(|entry| entry.at);
    let limit = PAGE_ENTRIES_MAX.to_string();
    let answer = client.get(&format!("rollouts/{key}/messages"), &[("limit", limit.as_str())]);
    let read: Messages = answer.and_then(|answer| answer.read()).unwrap_or_default();
    read.messages.into_iter().filter(|message| message.at >= since).collect()
}

/// Reads pages until there are `limit` entries or no more.
fn fetch(client: &Client, key: &str, limit: u64) -> Result<Pages, Error> {
    let mut pages = Pages { entries: Vec::new(), explanations: Vec::new(), before: None };
    let mut left = limit;
    loop {
        let count = left.min(PAGE_ENTRIES_MAX).to_string();
        let before = pages.before.map(|before| before.to_string());
        let mut query = vec![("limit", count.as_str())];
        query.extend(before.as_deref().map(|before| ("before", before)));
        let answer: Answer = client.get(&format!("rollouts/{key}/history"), &query)?;
        let page: Page = answer.read()?;
        left = left.saturating_sub(u64::try_from(page.entries.len()).unwrap_or(u64::MAX));
        // A page that leads nowhere new would lead there for ever.
        let goes_on =
            page.before.filter(|before| !page.entries.is_empty() && pages.before.is_none_or(|last| *before < last));
        pages.entries.extend(page.entries);
        pages.explanations.extend(page.explanations);
        pages.before = page.before;
        if left == 0 || goes_on.is_none() {
            return Ok(pages);
        }
    }
}

/// Puts what led to the entries with them.
fn explain(entries: &mut [Entry], explanations: Vec<Explanation>) {
    for explanation in explanations {
        if let Some(entry) = entries.iter_mut().find(|entry| entry.revision == explanation.revision) {
            (entry.reason, entry.figures) = (explanation.reason, explanation.figures);
        }
    }
}

fn report(key: &str, verified: &verify::Verified, json: bool) -> Result<(), Failure> {
    if json {
        print_raw(&serde_json::to_string(verified).unwrap_or_default())?;
    } else if verified.faults.is_empty() {
        let count = u64::try_from(verified.entries).unwrap_or(u64::MAX);
        let entries = if count == 1 { "1 entry".to_owned() } else { format!("{} entries", number(count)) };
        print(&format!("{}: {entries}, none missing, changed or added", paint(BOLD, key)))?;
    }
    if verified.faults.is_empty() {
        return Ok(());
    }
    let places: Vec<String> =
        verified.faults.iter().map(|fault| format!("\n  - revision {}: {}", fault.revision, fault.message)).collect();
    Err(Failure::Told {
        message: format!(
            "the history of {key} does not hold together: it was changed, or is damaged{}",
            places.concat()
        ),
        help: format!("keep a copy before anything else: tidegate history {key} --limit 1000000 --json > {key}.json"),
    })
}

/// The entries, newest first.
fn timeline(key: &str, entries: &[Entry], messages: &[Message], has_more: bool) -> String {
    if entries.is_empty() {
        return format!("Nothing has happened to {key} yet.");
    }
    let width =
        |of: fn(&Entry) -> String| entries.iter().map(|entry| of(entry).chars().count()).max().unwrap_or_default();
    let (revision_width, actor_width) = (width(revision), width(|entry| entry.actor.clone()));
    let mut lines = Vec::new();
    let mut messages = messages.iter().peekable();
    for entry in entries {
        while let Some(message) = messages.next_if(|message| message.at >= entry.at) {
            lines.push(said(message, revision_width));
            // An alert's figures stand with the change that it led to.
            let is_said = message.figures.iter().all(|figure| entry.figures.contains(figure));
            lines.extend(message.figures.iter().filter(|_| !is_said).map(|figure| figure_line(figure)));
        }
        let at = entry.at.map(stamp).unwrap_or_default();
        let revision = format!("{:>revision_width$}", revision(entry));
        let outcome = paint(NEXT, format!("→ {}", entry.state.told()));
        lines.push(format!(
            "{}  {}  {}  {}  {outcome}",
            paint(DIM, at),
            paint(DIM, revision),
            cell(BOLD, &entry.actor, actor_width),
            told(&entry.command)
        ));
        if !entry.reason.is_empty() {
            lines.push(format!("    “{}”", entry.reason));
        }
        lines.extend(entry.figures.iter().map(|figure| figure_line(figure)));
    }
    if has_more {
        lines.push(paint(
            DIM,
            format!("… and older ones: tidegate history {key} --limit {}", entries.len().saturating_mul(10)),
        ));
    }
    lines.join("\n")
}

fn figure_line(figure: &str) -> String {
    format!("    {}", paint(DIM, format!("· {figure}")))
}

/// A message, under the columns of the entries.
fn said(message: &Message, revision_width: usize) -> String {
    let at = message.at.map(stamp).unwrap_or_default();
    let to = if message.to.is_empty() { String::new() } else { format!(" to {}", message.to.join(", ")) };
    let style = if message.kind == "alert" || message.kind == "escalation" { WARN } else { DIM };
    format!(
        "{}  {:revision_width$}  {}{to}: {}",
        paint(DIM, at),
        "",
        paint(style, message.kind.replace("checkin", "check-in")),
        message.text
    )
}

fn revision(entry: &Entry) -> String {
    format!("r{}", entry.revision)
}

/// A command of the past.
pub fn told(asked: &Asked) -> String {
    let from_kv = |text: String| match (&asked.key, &asked.kv) {
        (Some(key), _) => format!("{text}: the key {key} in KV"),
        (None, Some(value)) => format!("{text}: `{value}` in KV"),
        (None, None) => text,
    };
    match asked.command.as_str() {
        "start" => "started it".into(),
        "advance" => "advanced".into(),
        "set" => from_kv(format!("set {}", percent(asked.percentage.unwrap_or_default()))),
        "pause" => "paused it".into(),
        "resume" => {
            format!("resumed it{}", asked.stage.as_ref().map(|stage| format!(" in {stage}")).unwrap_or_default())
        }
        "rollback" => match asked.to.as_ref().map(plain).unwrap_or_default().as_str() {
            "" | "off" => "rolled it back to 0 %".into(),
            "previous" => "rolled it back to the stage before".into(),
            to => format!("rolled it back to {to}"),
        },
        "kill" => from_kv("killed it".into()),
        "revive" => match &asked.key {
            Some(key) => format!("revived it: the key {key} is gone from KV"),
            None => from_kv("revived it".into()),
        },
        "approve" => format!("approved “{}”", asked.item.as_deref().unwrap_or_default()),
        "complete" => "completed it".into(),
        "note" => "noted".into(),
        "apply" => {
            format!("applied the plans{}", asked.plan.map(|plan| format!(" of revision {plan}")).unwrap_or_default())
        }
        "take_over" => "took it over as it was set through KV".into(),
        "release" => "released it: the rollouts before it have ended".into(),
        "wait" => "made it wait: a rollout before it runs again".into(),
        "end" => "ended it: the bake time of its last stage is over".into(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_told_as_what_was_done() {
        for (asked, text) in [
            (r#"{"command":"start"}"#, "started it"),
            (r#"{"command":"set","percentage":2.5}"#, "set 2.5 %"),
            (r#"{"command":"set","percentage":25,"kv":"25"}"#, "set 25 %: `25` in KV"),
            (r#"{"command":"resume","stage":"canary"}"#, "resumed it in canary"),
            (r#"{"command":"rollback"}"#, "rolled it back to 0 %"),
            (r#"{"command":"rollback","to":"previous"}"#, "rolled it back to the stage before"),
            (r#"{"command":"rollback","to":5}"#, "rolled it back to 5 %"),
            (r#"{"command":"kill","key":"kill/*"}"#, "killed it: the key kill/* in KV"),
            (r#"{"command":"revive","key":"kill/demo"}"#, "revived it: the key kill/demo is gone from KV"),
            (r#"{"command":"approve","item":"Backups"}"#, "approved “Backups”"),
            (r#"{"command":"apply","plan":7,"digest":"ab"}"#, "applied the plans of revision 7"),
            (r#"{"command":"dance"}"#, "dance"),
        ] {
            assert_eq!(told(&serde_json::from_str(asked).unwrap()), text);
        }
    }

    #[test]
    fn the_timeline_is_aligned_and_says_why() {
        let entries: Vec<Entry> = serde_json::from_str(
            r#"[{"revision":10,"at":"2026-12-02T14:05:09Z","actor":"guardrail","command":{"command":"rollback","to":"off"},"reason":"","state":{"phase":"rolled_back","stage":"canary","percentage":0}},
                {"revision":9,"at":"2026-12-02T13:00:00Z","actor":"ana","command":{"command":"advance"},"reason":"fine so far","state":{"phase":"running","stage":"canary","percentage":10}}]"#,
        )
        .unwrap();
        let messages: Vec<Message> = serde_json::from_str(r#"[{"at":"2026-12-02T14:05:10Z","kind":"alert","to":["chat","pager"],"text":"critical","figures":["error_rate is 7.1 % over 5m"]},{"at":"2026-12-02T13:30:00Z","kind":"checkin","to":["ben"],"text":"all well","figures":["lcp.p75 is 2 s"]}]"#).unwrap();
        let mut entries = entries;
        explain(&mut entries, serde_json::from_str(r#"[{"revision":10,"reason":"the guardrail `error_rate > 5% over 5m` came true","figures":["error_rate is 7.1 % over 5m"]}]"#).unwrap());
        assert_eq!(
            anstream::adapter::strip_str(&timeline("demo", &entries, &messages, true)).to_string(),
            "2026-12-02 14:05:10 UTC       alert to chat, pager: critical
2026-12-02 14:05:09 UTC  r10  guardrail  rolled it back to 0 %  → rolled back to 0 %
    “the guardrail `error_rate > 5% over 5m` came true”
    · error_rate is 7.1 % over 5m
2026-12-02 13:30:00 UTC       check-in to ben: all well
    · lcp.p75 is 2 s
2026-12-02 13:00:00 UTC   r9  ana        advanced  → running in canary at 10 %
    “fine so far”
… and older ones: tidegate history demo --limit 20"
        );
        assert_eq!(timeline("demo", &[], &[], false), "Nothing has happened to demo yet.");
    }
}
