//! Writes to KV what it lacks.
//!
//! 1. What is written has been stored before.
//! 2. Before a state is written over, what stands there is read: an edit that nobody has seen yet is adopted first.
//! 3. What KV has taken is stored, so that a crash writes a state twice at the most; writing it twice does no harm.
//! 4. A write that was given up may reach KV late, after what was written next: the state is then written again.

use super::state::State;
use super::store::{Batch, StorageError};
use super::turn::{Effect, KvTexts, KvWrite, Publication, PublicationStep, Turn, Written};

/// A publication goes on until nothing is left, but not forever: the alarm takes over.
const ROUNDS_MAX: usize = 20;
/// How long what stands in KV is waited for before it is written over, in milliseconds.
const READ_MS_MAX: i64 = 2_000;

impl State {
    /// Whether KV lacks something that has been stored here.
    pub fn has_unpublished(&self) -> bool {
        self.deployment.plans != self.deployment.plans_published
            || self.deployment.rollouts.iter().any(|rollout| !rollout.is_published())
            || self.removed.iter().any(|removed| removed.is_in_kv)
    }

    /// Begins a round of a publication. Returns whether there was anything to be done.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn publish(&mut self, turn: &mut Turn<'_>, round: usize) -> Result<bool, StorageError> {
        let unpublished = self.deployment.rollouts.iter().filter(|rollout| !rollout.is_published());
        let keys: Vec<String> = unpublished.map(|rollout| format!("stage/{}", rollout.plan.key)).collect();
        if keys.is_empty() {
            return self.write(turn, round);
        }
        let until = turn.now.plus_ms(READ_MS_MAX);
        turn.push(Effect::Publish(Publication { round, step: PublicationStep::Read(keys, until) }));
        Ok(true)
    }

    /// Takes in what stands in KV, and then writes over it. Returns whether there was anything to be written.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn looked(
        &mut self,
        turn: &mut Turn<'_>,
        publication: &Publication,
        texts: Result<KvTexts, String>,
    ) -> Result<bool, StorageError> {
        let texts = texts.unwrap_or_else(|error| {
            turn.warn("kv_unreadable", "controller", &error);
            KvTexts::new()
        });
        let mut keys: Vec<&String> = texts.keys().collect();
        keys.sort_unstable();
        for key in keys {
            if let (Some(Ok(name)), Some(text)) = (key.strip_prefix("stage/").map(str::parse), texts.get(key)) {
                self.see_text(turn, &name, text)?;
            }
        }
        self.advance(turn)?;
        self.write(turn, publication.round)
    }

    fn write(&mut self, turn: &mut Turn<'_>, round: usize) -> Result<bool, StorageError> {
        self.leave_taken_keys(turn)?;
        let writes = self.writes();
        let is_something = !writes.is_empty();
        if is_something {
            turn.push(Effect::Publish(Publication { round, step: PublicationStep::Write(writes) }));
        }
        Ok(is_something)
    }

    /// A key of a rollout that went, which a new rollout has taken, is written by that.
    fn leave_taken_keys(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        let rollouts = &self.deployment.rollouts;
        let is_taken = |key: &str| rollouts.keys().any(|own| own.as_str() == key);
        let mut batch = Batch::default();
        for removed in self.removed.iter_mut().filter(|removed| removed.is_in_kv && is_taken(&removed.key)) {
            removed.is_in_kv = false;
            batch.gone(&removed.key);
        }
        turn.commit(batch)
    }

    fn writes(&self) -> Vec<KvWrite> {
        let deployment = &self.deployment;
        let plans = (deployment.plans != deployment.plans_published).then(|| KvWrite {
            what: Written::Plans,
            key: "plans".into(),
            revision: deployment.plans,
            text: Some(self.plans_text()),
        });
        let states = deployment.rollouts.iter().filter(|rollout| !rollout.is_published()).map(|rollout| KvWrite {
            what: Written::Rollout(rollout.plan.key.clone()),
            key: format!("stage/{}", rollout.plan.key),
            revision: rollout.record.live.revision,
            text: Some(rollout.record.live.to_json()),
        });
        let removed = self.removed.iter().filter(|removed| removed.is_in_kv).map(|removed| KvWrite {
            what: Written::Removed(removed.key.clone()),
            key: format!("stage/{}", removed.key),
            revision: removed.revision,
            text: None,
        });
        plans.into_iter().chain(states).chain(removed).collect()
    }

    /// Stores what KV has taken, and begins the next round. Returns whether there is one.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn written(
        &mut self,
        turn: &mut Turn<'_>,
        publication: Publication,
        errors: &[Option<String>],
    ) -> Result<bool, StorageError> {
        let PublicationStep::Write(writes) = publication.step else { return Ok(false) };
        let mut batch = Batch::default();
        let mut has_failed = false;
        for (index, write) in writes.iter().enumerate() {
            match errors.get(index) {
                Some(None) => self.note_written(&mut batch, write, turn),
                error => {
                    has_failed = true;
                    let message = error.and_then(Option::as_deref).unwrap_or("no answer");
                    turn.warn("kv_unwritable", &write.key, &format!("{message}; it is tried again until it succeeds"));
                }
            }
        }
        turn.commit(batch)?;
        self.advance(turn)?;
        if has_failed || publication.round + 1 >= ROUNDS_MAX {
            return Ok(false);
        }
        self.publish(turn, publication.round + 1)
    }

    fn note_written(&mut self, batch: &mut Batch, write: &KvWrite, turn: &Turn<'_>) {
        match &write.what {
            Written::Plans => {
                self.deployment.plans_published = write.revision;
                self.plans_published_at = turn.now;
                batch.number("plans_published", write.revision);
            }
            Written::Removed(key) => {
                let gone = self.removed.iter_mut().filter(|removed| removed.key == *key);
                gone.for_each(|removed| removed.is_in_kv = false);
                batch.gone(key);
            }
            Written::Rollout(key) => {
                if let Some(rollout) = self.deployment.rollouts.get_mut(key) {
                    rollout.note_published(write.revision, turn.now);
                    batch.save(rollout);
                }
            }
        }
    }

    /// A write that was given up has reached KV, and may stand in the place of a newer one.
    pub fn note_written_late(&mut self, key: &str) {
        let is_its = |key_of: &str| key.strip_prefix("stage/") == Some(key_of);
        for rollout in self.deployment.rollouts.iter_mut().filter(|rollout| is_its(rollout.plan.key.as_str())) {
            rollout.published = 0;
        }
    }
}
