//! One turn of a relay: what it stores, and what is to be done then. Like the controller's, it keeps its effects back
//! until everything is stored.

use super::Effect;
use crate::store::{Batch as Statements, Storage, StorageError};
use tidegate_model::Instant;
use tidegate_protocol::log::LogLine;

/// What one input leads to.
pub struct Turn<'a> {
    /// The relay's storage.
    pub storage: &'a mut dyn Storage,
    /// The time, which stands still during a turn.
    pub now: Instant,
    /// What is to be done when everything is stored.
    pub effects: Vec<Effect>,
}

impl Turn<'_> {
    /// Stores a batch: all of it or nothing.
    ///
    /// # Errors
    /// When the storage refuses; then the turn is over.
    pub fn commit(&mut self, statements: Statements) -> Result<(), StorageError> {
        statements.commit(self.storage)
    }

    /// Takes note of an effect.
    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Something is wrong.
    pub fn warn(&mut self, event: &'static str, subject: &str, message: &str) {
        let line = LogLine { is_warning: true, event, subject: subject.to_owned(), message: message.to_owned() };
        self.push(Effect::Log(line));
    }
}
