//! What was done, step by step, and the skeleton of a post-mortem with what is known filled in.

use super::Writing;
use super::incident::{is_incident, span};
use crate::document::{Block, Table, Text, Tone};
use tidegate_decide::explain::{self, sentence};
use tidegate_model::Instant;
use tidegate_model::command::Command;
use tidegate_model::history::{Entry, EntryCause};

/// So many steps are shown in full; of a longer history, the last.
const STEPS_MAX: usize = 200;

/// Whether an entry is a step that changes who gets what.
pub fn is_step(entry: &Entry) -> bool {
    !matches!(entry.command, Command::Approve(_) | Command::Note | Command::Apply { .. })
}

impl Writing<'_> {
    pub(super) fn log(&self) -> Vec<Block> {
        let mut table = Table::new(&["", "When", "What", "By", "On new"]);
        let mut rows: Vec<(Instant, Vec<Text>)> = Vec::new();
        for (index, entry) in self.input.history.iter().enumerate() {
            let by = match &entry.cause {
                Some(EntryCause::Schedule { .. }) => "the plan's schedule".to_owned(),
                Some(EntryCause::Guardrail { .. }) => "a guardrail".to_owned(),
                Some(EntryCause::Problem { .. }) => "the plan".to_owned(),
                Some(EntryCause::Kv { .. }) => "by hand in KV".to_owned(),
                _ => entry.actor.clone(),
            };
            let what = sentence(&explain::done(&entry.command));
            let what =
                if is_incident(entry) { Text::default().toned(Tone::Bad, what) } else { Text::default().strong(what) };
            let why = explain::of_entry(entry);
            let why = if why.is_empty() { Text::default() } else { Text::from(format!(" {}", sentence(&why))) };
            let share =
                if entry.state.killed { "0 % (killed)".to_owned() } else { format!("{} %", entry.state.percentage) };
            let text = Text(what.0.into_iter().chain(why.0).collect());
            rows.push((
                entry.at,
                vec![
                    Text::from((index + 1).to_string()),
                    Text::from(self.when(entry.at)),
                    text,
                    Text::from(by),
                    Text::from(share),
                ],
            ));
        }
        for (at, text) in self.input.sent {
            rows.push((
                *at,
                vec![
                    Text::default(),
                    Text::from(self.when(*at)),
                    Text::from(text.as_str()),
                    Text::from("message"),
                    Text::default(),
                ],
            ));
        }
        rows.sort_by_key(|(at, _)| *at);
        let skipped = rows.len().saturating_sub(STEPS_MAX);
        table.rows = rows.into_iter().skip(skipped).map(|(_, row)| row).collect();
        if table.rows.is_empty() {
            return Vec::new();
        }
        let mut blocks = vec![Block::Table(table)];
        if skipped > 0 {
            blocks.push(Block::Paragraph(Text::from(format!(
                "{} earlier steps are in `tidegate history {}`.",
                skipped, self.plan.key
            ))));
        }
        blocks
    }

    fn when(&self, at: Instant) -> String {
        format!("{}:{:02}", self.at(at), at.as_epoch_ms().rem_euclid(60_000) / 1_000)
    }

    pub(super) fn post_mortem(&self) -> Vec<Block> {
        let write = |asked: &str| Block::Write(asked.to_owned());
        let heading = |title: &str| Block::Heading(3, title.to_owned());
        let mut blocks = vec![Block::Paragraph(Text::from(
            "This part is for people. It blames nobody: whoever acted did what made sense with what they knew. What is known is filled in above; write what the figures cannot know.",
        ))];
        let Some(incident) = self.incidents.last() else {
            blocks.extend([
                heading("Lessons"),
                write("What went well? What would you do differently the next time?"),
                heading("Follow-ups"),
                Block::Table(follow_ups(Vec::new())),
            ]);
            return blocks;
        };
        let seen = match &incident.entry.cause {
            Some(EntryCause::Guardrail { condition, .. }) => {
                let detection = incident
                    .began
                    .map(|began| format!(", at most {} after it began", span(incident.entry.at.ms_since(began))));
                format!("The guardrail `{condition}` saw it{}, and acted by itself.", detection.unwrap_or_default())
            }
            Some(EntryCause::Problem { problem, .. }) => {
                format!("The problem `{problem}` was found, and the plan acted by itself.")
            }
            _ => format!("{} saw it and acted; no guardrail did.", incident.entry.actor),
        };
        blocks.extend([
            heading("Root cause"),
            write("Why did it happen? Ask why five times; name conditions, not people."),
            heading("Detection"),
            Block::Paragraph(Text::from(seen)),
            write("Could it have been seen earlier: in staging, in a smaller stage, by another figure?"),
            heading("Response and recovery"),
            Block::Paragraph(Text::from(self.impact(incident))),
            write("What helped, and what stood in the way?"),
            heading("What went well, what went badly, where we were lucky"),
            write("Well: …   Badly: …   Lucky: …"),
            heading("Lessons"),
            write("What do we know now that we did not know before?"),
            heading("Follow-ups"),
        ]);
        let items = self.plan.after_rollback.iter().map(|item| item.text.clone()).collect();
        blocks.push(Block::Table(follow_ups(items)));
        blocks
    }
}

/// Rows to be filled in: first what the plan asks for after a rollback.
fn follow_ups(known: Vec<String>) -> Table {
    const EMPTY: usize = 3;
    let mut table = Table::new(&["What", "Owner", "Due", "Ticket"]);
    let blank = || Text::default().plain("\u{a0}");
    for text in known.into_iter().map(Some).chain(std::iter::repeat_n(None, EMPTY)) {
        table.rows.push(vec![text.map_or_else(blank, |text| Text::from(text.as_str())), blank(), blank(), blank()]);
    }
    table
}
