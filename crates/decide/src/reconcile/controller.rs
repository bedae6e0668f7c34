//! What a value seen in KV asks of the controller.
//!
//! KV is read late, twice and out of order, so a text is an edit only where it can be nothing else:
//! not a state that the controller wrote, and not a text that it has adopted and whose stale copies
//! may still be about. Such a text is an echo until [`ECHO_MS`] after the controller wrote over it.

use super::isolate::{ECHO_MS, edited_stage};
use tidegate_model::Instant;
use tidegate_model::command::{Cause, Command, Setting};
use tidegate_model::live::{LiveError, LiveText, edit_text};
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;

/// An adopted text whose stale copies may still be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The text, as [`edit_text`] has it.
    pub text: String,
    /// When the controller wrote over it; not yet, if `None`.
    pub overwritten: Option<Instant>,
}

impl Echo {
    /// Whether the text may still be read.
    pub fn is_about(&self, now: Instant) -> bool {
        self.overwritten.is_none_or(|at| now.ms_since(at) < ECHO_MS)
    }
}

/// What a value under `stage/KEY` means to the controller.
#[derive(Debug, PartialEq)]
pub enum KvObservation {
    /// Nothing new: its own state, or an echo.
    Known,
    /// An older state of its own.
    Older,
    /// An edit, and the command that it stands for.
    Edit(Command),
    /// A state that is newer than any that this controller wrote.
    Foreign(u64),
    /// Nobody can tell what is meant.
    Garbage(LiveError),
}

/// Looks at the value of `stage/KEY`.
pub fn sight(plan: &Plan, record: &Record, echoes: &[Echo], text: &str, now: Instant) -> KvObservation {
    let known_by = edit_text(text);
    if echoes.iter().any(|echo| echo.text == known_by && echo.is_about(now)) {
        return KvObservation::Known;
    }
    let kv = Some(known_by);
    match LiveText::parse(text) {
        Err(error) => KvObservation::Garbage(error),
        Ok(LiveText::Written(state)) if state.revision > record.live.revision => KvObservation::Foreign(state.revision),
        Ok(LiveText::Written(state)) if state.revision < record.live.revision => KvObservation::Older,
        Ok(LiveText::Written(_)) => KvObservation::Known,
        Ok(LiveText::Off) => KvObservation::Edit(Command::Kill(Cause::Text(edit_text(text)))),
        Ok(LiveText::Percentage(percentage)) => {
            KvObservation::Edit(Command::Set(Setting { percentage, stage: None, killed: Some(false), kv }))
        }
        Ok(LiveText::Edited(edit)) => {
            let stage = plan.stages.get(edited_stage(plan, &record.live, &edit)).map(|stage| stage.name.clone());
            // A killed state that was merely moved is not a kill of its own: the key may be the cause.
            let killed = (edit.killed != record.live.killed).then_some(edit.killed);
            KvObservation::Edit(Command::Set(Setting { percentage: edit.percentage, stage, killed, kv }))
        }
    }
}
