//! `tidegate history`: what has happened to a rollout, as a person would tell it.

use tidegate_protocol::api::shapes::{Entry, Explanation, History, Message, Messages, Rollout};

use super::client::{Answer, Client};
use super::operator::HistoryArguments;
use super::paint::{BOLD, DIM, NEXT, WARN, cell, paint, print, print_raw};
use super::problem::Error;
use super::words::{counted, stamp};
use super::{Failure, verify, wrap};

/// The API's largest page.
const PAGE_ENTRIES_MAX: u64 = 1_000;

pub fn run(arguments: &HistoryArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let key = arguments.key.as_str();
    if arguments.verify {
        // Asked first: what happens meanwhile makes the history longer, never shorter.
        let known: Rollout = client.get(&format!("rollouts/{key}"), &[])?.read()?;
        let pages = fetch(&client, key, u64::MAX)?;
        return report(key, &replayed(&client, key, &pages, known.state.revision), json);
    }
    if arguments.export {
        let pages = fetch(&client, key, u64::MAX)?;
        for entry in pages.entries.iter().rev() {
            print_raw(entry.get())?;
        }
        return Ok(());
    }
    let pages = fetch(&client, key, arguments.limit)?;
    if json {
        return print_raw(&serde_json::to_string(&pages).unwrap_or_default());
    }
    let entries = explained(&pages);
    let messages = messages(&client, key, &entries);
    let timeline =
        Timeline { entries: &entries, messages: &messages, limit: arguments.limit, has_more: pages.before.is_some() };
    print(&wrap::lines(&timeline.text(key), wrap::of_stdout()))
}

/// Replays a whole history.
fn replayed(client: &Client, key: &str, pages: &History, revision: u64) -> verify::Verified {
    let oldest_first: Vec<&str> = pages.entries.iter().rev().map(|entry| entry.get()).collect();
    let plan = |revision: u64| {
        client
            .get(&format!("rollouts/{key}/plan"), &[("revision", revision.to_string().as_str())])
            .ok()
            .map(|answer| answer.text)
    };
    verify::verify(&oldest_first, plan, revision)
}

/// Refuses a history that does not hold together.
pub fn verified(client: &Client, key: &str, pages: &History) -> Result<(), Failure> {
    let last = pages.entries.first().and_then(|entry| serde_json::from_str::<Entry>(entry.get()).ok());
    let found = replayed(client, key, pages, last.map_or(0, |entry| entry.revision));
    if found.faults.is_empty() { Ok(()) } else { report(key, &found, true) }
}

/// The messages since the oldest of the entries; nothing from a deployment that is older than
/// messages are.
fn messages(client: &Client, key: &str, entries: &[Explained]) -> Vec<Message> {
    let since = entries.last().map(|entry| entry.entry.at).unwrap_or_default();
    let limit = PAGE_ENTRIES_MAX.to_string();
    let answer = client.get(&format!("rollouts/{key}/messages"), &[("limit", limit.as_str())]);
    let read: Messages = answer.and_then(|answer| answer.read()).unwrap_or_default();
    let known = read.messages.iter().filter_map(|message| serde_json::from_str::<Message>(message.get()).ok());
    known.filter(|message| message.at >= since).collect()
}

/// Reads pages until there are `limit` entries or no more.
pub fn fetch(client: &Client, key: &str, limit: u64) -> Result<History, Error> {
    let mut pages = History::default();
    let mut left = limit;
    loop {
        let count = left.min(PAGE_ENTRIES_MAX).to_string();
        let before = pages.before.map(|before| before.to_string());
        let mut query = vec![("limit", count.as_str())];
        query.extend(before.as_deref().map(|before| ("before", before)));
        let answer: Answer = client.get(&format!("rollouts/{key}/history"), &query)?;
        let page: History = answer.read()?;
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

/// An entry, and what it says in the server's words.
struct Explained {
    entry: Entry,
    words: Explanation,
}

/// The entries with their words. Those of an older deployment have some themselves.
fn explained(pages: &History) -> Vec<Explained> {
    let read = pages.entries.iter().filter_map(|entry| serde_json::from_str::<Entry>(entry.get()).ok());
    read.map(|entry| {
        let known = pages.explanations.iter().find(|own| own.revision == entry.revision).cloned();
        let words = known.unwrap_or_else(|| Explanation {
            reason: entry.reason.clone(),
            figures: entry.figures.clone(),
            ..Explanation::default()
        });
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        let done = or(words.done, entry.command.command.as_str());
        let outcome = or(words.outcome, entry.state.phase.as_str());
        Explained { words: Explanation { done, outcome, ..words }, entry }
    })
    .collect()
}

fn report(key: &str, verified: &verify::Verified, json: bool) -> Result<(), Failure> {
    if json {
        print_raw(&serde_json::to_string(verified).unwrap_or_default())?;
    } else if verified.faults.is_empty() {
        let entries = counted(verified.entries, "entry");
        print(&format!("{}: {entries}, none missing, changed or added", paint(BOLD, key)))?;
    }
    if verified.faults.is_empty() {
        return Ok(());
    }
    let places: Vec<String> =
        verified.faults.iter().map(|fault| format!("\n  - revision {}: {}", fault.revision, fault.message)).collect();
    Err(Failure::WithHelp {
        message: format!(
            "the history of {key} does not hold together: it was changed, or is damaged{}",
            places.concat()
        ),
        help: format!("keep a copy before anything else: tidegate history {key} --limit 1000000 --json > {key}.json"),
    })
}

/// What is printed of a history: entries and messages, each newest first, and of both together no more than were asked for.
struct Timeline<'a> {
    entries: &'a [Explained],
    messages: &'a [Message],
    limit: u64,
    /// Whether there are older entries.
    has_more: bool,
}

/// One item of a history.
enum Item<'a> {
    Entry(&'a Explained),
    /// A message, and whether its figures stand with the change that it led to.
    Message(&'a Message, bool),
}

impl<'a> Timeline<'a> {
    /// Entries and messages in one order, newest first.
    fn items(&self) -> Vec<Item<'a>> {
        let mut items = Vec::new();
        let mut messages = self.messages.iter().peekable();
        for own in self.entries {
            while let Some(message) = messages.next_if(|message| message.at >= own.entry.at) {
                let is_said = message.figures.iter().all(|figure| own.words.figures.contains(figure));
                items.push(Item::Message(message, is_said));
            }
            items.push(Item::Entry(own));
        }
        items
    }

    fn text(&self, key: &str) -> String {
        let mut items = self.items();
        if items.is_empty() {
            return format!("Nothing has happened to {key} yet.");
        }
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let has_more = self.has_more || items.len() > limit;
        items.truncate(limit);
        let entries =
            || items.iter().filter_map(|item| if let Item::Entry(own) = item { Some(&own.entry) } else { None });
        let revision_width = entries().map(|entry| revision(entry).chars().count()).max().unwrap_or_default();
        let actor_width = entries().map(|entry| entry.actor.chars().count()).max().unwrap_or_default();
        let mut lines = Vec::new();
        for item in &items {
            match item {
                Item::Entry(own) => entry_lines(own, revision_width, actor_width, &mut lines),
                Item::Message(message, is_said) => {
                    lines.push(said(message, revision_width));
                    lines.extend(message.figures.iter().filter(|_| !is_said).map(|figure| figure_line(figure)));
                }
            }
        }
        if has_more {
            let limit = self.limit.saturating_mul(10);
            lines.push(paint(DIM, format!("… and older ones: tidegate history {key} --limit {limit}")));
        }
        lines.join("\n")
    }
}

fn entry_lines(
    Explained { entry, words }: &Explained,
    revision_width: usize,
    actor_width: usize,
    lines: &mut Vec<String>,
) {
    let at = entry.at.get().map(stamp).unwrap_or_default();
    let revision = format!("{:>revision_width$}", revision(entry));
    let outcome = paint(NEXT, format!("→ {}", words.outcome));
    lines.push(format!(
        "{}  {}  {}  {}  {outcome}",
        paint(DIM, at),
        paint(DIM, revision),
        cell(BOLD, &entry.actor, actor_width),
        words.done
    ));
    if !words.reason.is_empty() {
        lines.push(format!("    “{}”", words.reason));
    }
    lines.extend(words.figures.iter().map(|figure| figure_line(figure)));
}

fn figure_line(figure: &str) -> String {
    format!("    {}", paint(DIM, format!("· {figure}")))
}

/// A message, under the columns of the entries.
fn said(message: &Message, revision_width: usize) -> String {
    let at = message.at.get().map(stamp).unwrap_or_default();
    let to = if message.to.is_empty() { String::new() } else { format!(" to {}", message.to.join(", ")) };
    let is_loud = message.kind == "alert" || message.kind == "escalation";
    let style = if is_loud { WARN } else { DIM };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeline_is_aligned_and_says_why() {
        let pages: History = serde_json::from_str(
            r#"{"entries":[{"revision":10,"at":"2026-12-02T14:05:09Z","actor":"guardrail","command":{"command":"rollback","to":"off"},"reason":"","state":{"phase":"rolled_back","stage":"canary","percentage":0}},
                {"revision":9,"at":"2026-12-02T13:00:00Z","actor":"ana","command":{"command":"advance"},"reason":"fine so far","state":{"phase":"running","stage":"canary","percentage":10}}],
                "explanations":[{"revision":10,"done":"rolled it back to 0 %","outcome":"rolled back to 0 %","reason":"the guardrail `error_rate > 5% over 5m` came true","figures":["error_rate is 7.1 % over 5m"]}]}"#,
        )
        .unwrap();
        let messages: Vec<Message> = serde_json::from_str(r#"[{"at":"2026-12-02T14:05:10Z","kind":"alert","to":["chat","pager"],"text":"critical","figures":["error_rate is 7.1 % over 5m"]},{"at":"2026-12-02T13:30:00Z","kind":"checkin","to":["ben"],"text":"all well","figures":["lcp.p75 is 2 s"]}]"#).unwrap();
        let entries = explained(&pages);
        assert_eq!(
            printed(&entries, &messages, 10, true),
            "2026-12-02 14:05:10 UTC       alert to chat, pager: critical
2026-12-02 14:05:09 UTC  r10  guardrail  rolled it back to 0 %  → rolled back to 0 %
    “the guardrail `error_rate > 5% over 5m` came true”
    · error_rate is 7.1 % over 5m
2026-12-02 13:30:00 UTC       check-in to ben: all well
    · lcp.p75 is 2 s
2026-12-02 13:00:00 UTC   r9  ana        advance  → running
    “fine so far”
… and older ones: tidegate history demo --limit 100"
        );
        assert_eq!(printed(&[], &[], 10, false), "Nothing has happened to demo yet.");
        // What is limited is what is printed, messages too.
        let stamps = |limit: u64, has_more: bool| -> Vec<String> {
            let text = printed(&entries, &messages, limit, has_more);
            let lines = text.lines().filter(|line| line.starts_with(['2', '…']));
            lines.map(|line| line.chars().take(19).collect()).collect()
        };
        let all = ["2026-12-02 14:05:10", "2026-12-02 14:05:09", "2026-12-02 13:30:00", "2026-12-02 13:00:00"];
        assert_eq!(stamps(4, false), all);
        assert_eq!(stamps(3, false), [all[0], all[1], all[2], "… and older ones: t"]);
        assert_eq!(stamps(1, true), [all[0], "… and older ones: t"]);
    }

    fn printed(entries: &[Explained], messages: &[Message], limit: u64, has_more: bool) -> String {
        let timeline = Timeline { entries, messages, limit, has_more };
        anstream::adapter::strip_str(&timeline.text("demo")).to_string()
    }
}
