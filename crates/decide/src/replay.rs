//! Rebuilds a rollout's state from its history, through the same transition that made it.

use std::fmt;

use super::transition::{Refusal, replayed};
use tidegate_model::command::Command;
use tidegate_model::history::{Entry, FIRST};
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;

/// Where a history does not hold together.
#[derive(Clone, Debug, PartialEq)]
pub enum Break {
    /// An entry that does not follow the one before: its revision, or the hash of the one before.
    Link(u64),
    /// The plan of an `apply` is missing or is another one.
    Plan(u64),
    /// A command that would have been refused.
    Refused(u64, Refusal),
    /// A command that leads to another state than the entry's.
    State(u64),
}

impl std::error::Error for Break {}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(revision) => write!(f, "revision {revision} does not follow the entry before it"),
            Self::Plan(revision) => write!(f, "the plan that revision {revision} applied is missing or another one"),
            Self::Refused(revision, why) => {
                write!(f, "the command of revision {revision} would have been refused: {why}")
            }
            Self::State(revision) => {
                write!(f, "the command of revision {revision} leads to another state than its entry tells")
            }
        }
    }
}

/// A history as far as it has been replayed.
#[derive(Default)]
pub struct Replay {
    plan: Option<Plan>,
    /// The record after the last entry.
    pub record: Option<Record>,
    hash: Option<String>,
}

impl Replay {
    /// Takes the next entry and its hash. `plan` is asked for the plan that an `apply` names.
    ///
    /// # Errors
    /// When the entry does not follow from those before.
    pub fn next(
        &mut self,
        entry: &Entry,
        hash: &str,
        plan: impl FnOnce(u64, &str) -> Option<Plan>,
    ) -> Result<(), Break> {
        let revision = entry.revision;
        let expected = self.record.as_ref().map_or(0, |record| record.live.revision);
        if entry.previous != self.hash.as_deref().unwrap_or(FIRST)
            || (self.record.is_some() && revision != expected + 1)
        {
            return Err(Break::Link(revision));
        }
        if let Command::Apply { plan: number, digest } = &entry.command {
            self.plan = Some(plan(*number, digest).ok_or(Break::Plan(revision))?);
        }
        let plan = self.plan.as_ref().ok_or(Break::Plan(revision))?;
        let draft = || {
            let mut draft = Record::draft(plan, entry.at);
            // A controller that takes over from states in KV goes on with their revisions.
            draft.live.revision = revision.saturating_sub(1);
            draft
        };
        let last = self.record.take().unwrap_or_else(draft);
        let next = replayed(plan, &last, &entry.command, &entry.actor, entry.at)
            .map_err(|why| Break::Refused(revision, why))?;
        if next.live != entry.state {
            return Err(Break::State(revision));
        }
        self.hash = Some(hash.to_owned());
        self.record = Some(next);
        Ok(())
    }
}
