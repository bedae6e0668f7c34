//! An evaluation judges what has come in, and a checkpoint stores what the log adds up to. What an evaluation
//! decides is stored together with it.

use std::collections::BTreeSet;

use super::is_over;
use super::state::State;
use super::store::counts::Totals;
use super::store::{Batch, StorageError};
use super::turn::Turn;
use tidegate_decide::judge::notifications::Message;
use tidegate_decide::rollout::{Change, Rollout};
use tidegate_model::live::Phase;
use tidegate_model::measured::Window;
use tidegate_model::record::Record;
use tidegate_model::{Instant, Minute, Name, Percentage};

/// What is kept by bin is stored this often: there is more of it, and less is lost with it.
const BINS_MS: i64 = 60_000;
/// The log is checkpointed this often, and whenever something was decided.
const CHECKPOINT_MS: i64 = 10_000;

/// What is known of counts beside the metrics.
#[derive(Default)]
pub struct Counting {
    /// Everything that was ever counted, without the subjects. In the order of the keys.
    totals: Totals,
    /// The minutes that have changed since the last checkpoint: rollout, minute, revision. In order.
    changed: Vec<(Name, Minute, u64)>,
    /// The number of the last batch in the log; 0 while it is empty.
    pub logged: u64,
    /// Whether something has come in since the last evaluation.
    has_arrived: bool,
    evaluated_at: Option<Instant>,
    stored_at: Option<Instant>,
    /// When what is kept by bin was last stored.
    bins_at: Option<Instant>,
    /// When what is too old last went.
    pruned_minute: Minute,
    /// How frugal the series are.
    frugality: usize,
}

impl Counting {
    /// What was loaded.
    pub fn new(totals: Totals, pruned_minute: Minute) -> Self {
        Self { totals, pruned_minute, ..Self::default() }
    }

    /// Everything that was ever counted, without the subjects, in the order of the keys.
    pub fn totals(&self) -> &[(Name, Window)] {
        &self.totals
    }

    /// What was ever counted of a rollout.
    fn total(&self, key: &Name) -> Option<&Window> {
        self.totals
            .binary_search_by(|(own, _)| own.cmp(key))
            .ok()
            .and_then(|index| self.totals.get(index))
            .map(|(_, total)| total)
    }

    /// The same, to be added to.
    pub fn total_mut(&mut self, key: &Name) -> Option<&mut Window> {
        let index = self.totals.binary_search_by(|(own, _)| own.cmp(key)).unwrap_or_else(|index| {
            self.totals.insert(index, (key.clone(), Window::at(Minute::EPOCH, 0)));
            index
        });
        self.totals.get_mut(index).map(|(_, total)| total)
    }

    /// Something has come that the next evaluation makes something of.
    pub const fn note_arrival(&mut self) {
        self.has_arrived = true;
    }

    /// A minute of a rollout has changed.
    pub fn note_changed(&mut self, key: &Name, (minute, revision): (Minute, u64)) {
        let own = (key.clone(), minute, revision);
        self.note_arrival();
        if let Err(index) = self.changed.binary_search(&own) {
            self.changed.insert(index, own);
        }
    }

    /// A rollout is gone.
    pub fn forget(&mut self, key: &Name) {
        self.totals.retain(|(own, _)| own != key);
        self.changed.retain(|(own, ..)| own != key);
    }
}

/// Whether somebody may be on new, so that guardrails watch.
pub(super) fn serves(record: &Record) -> bool {
    let live = &record.live;
    let is_somebody = live.percentage > Percentage::ZERO || !live.groups.is_empty();
    !live.killed && live.phase != Phase::Draft && (live.phase != Phase::RolledBack || is_somebody)
}

impl State {
    /// When the rollouts are to be evaluated next.
    pub fn evaluate_at(&self, now: Instant) -> Option<Instant> {
        let own = &self.counting;
        let is_stale = |rollout: &Rollout| {
            let evaluation = self.deployment.metrics.get(&rollout.plan.key).and_then(|metrics| metrics.last.as_ref());
            rollout.record.live.phase != Phase::Draft
                && evaluation.is_none_or(|evaluation| evaluation.revision != rollout.record.live.revision)
        };
        let mut rollouts = self.deployment.rollouts.iter();
        let after_ms = if own.has_arrived || self.deployment.rollouts.iter().any(is_stale) {
            self.rhythm.evaluate_soon_ms
        } else if own.logged > 0 || rollouts.any(|rollout| serves(&rollout.record)) {
            self.rhythm.evaluate_ms
        } else {
            return None;
        };
        Some(own.evaluated_at.filter(|at| *at <= now).map_or(now, |at| at.plus_ms(after_ms)))
    }

    /// Evaluates all rollouts, and stores what comes of it.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn evaluate(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        let now = turn.now;
        let faults = self.isolates.by_rollout(&self.deployment, now);
        let of = |key: &Name| faults.iter().find(|(own, _)| own == key).map_or(0, |(_, count)| *count);
        let orders = self.deployment.evaluate(of, now);
        self.counting.evaluated_at = Some(now);
        self.counting.has_arrived = false;
        let has_fired = self.log_fired(turn);
        let messages = self.messages();
        let mut changes: Vec<Change> = Vec::new();
        for (key, order) in orders {
            let Some(rollout) = self.deployment.rollouts.get(&key) else { continue };
            match rollout.change(order, now) {
                Ok(change) => changes.push(change),
                Err(refusal) => turn.warn("refused", key.as_str(), &refusal.to_string()),
            }
        }
        let mut reported = Batch::default();
        let is_reported = self.notify(turn, &mut reported)?;
        let is_decided = has_fired
            || is_reported
            || !messages.is_empty()
            || !changes.is_empty()
            || self.deployment.due(now).is_some();
        let is_due = is_decided || self.counting.stored_at.is_none_or(|at| is_over(at, CHECKPOINT_MS, now));
        let mut batch = if is_due { self.checkpoint(turn) } else { Batch::default() };
        batch.append(reported);
        for (key, message) in &messages {
            batch.message(key, message);
        }
        self.commit(turn, changes, batch)
    }

    /// The messages that are due since the evaluation before.
    fn messages(&self) -> Vec<(Name, Message)> {
        let of = |rollout: &Rollout| {
            let key = rollout.plan.key.clone();
            let evaluation = self.deployment.metrics.get(&key).and_then(|metrics| metrics.last.as_ref());
            let messages = evaluation.map_or_else(Vec::new, |evaluation| evaluation.messages.clone());
            messages.into_iter().map(move |message| (key.clone(), message))
        };
        self.deployment.rollouts.iter().flat_map(of).collect()
    }

    /// Logs the guardrails that have come true; whether there are any.
    fn log_fired(&self, turn: &mut Turn<'_>) -> bool {
        let mut has_fired = false;
        for rollout in self.deployment.rollouts.iter() {
            let evaluation = self.deployment.metrics.get(&rollout.plan.key).and_then(|metrics| metrics.last.as_ref());
            for fired in evaluation.map(|evaluation| &evaluation.fired[..]).unwrap_or_default() {
                let guardrail = rollout.plan.guardrail(fired.guardrail).map(|guardrail| guardrail.when.to_string());
                turn.note(
                    "guardrail",
                    rollout.plan.key.as_str(),
                    &format!("{} has come true: {}", guardrail.unwrap_or_default(), fired.text),
                );
                has_fired = true;
            }
        }
        has_fired
    }

    /// What makes the log superfluous.
    fn checkpoint(&mut self, turn: &mut Turn<'_>) -> Batch {
        let now = turn.now;
        let mut batch = if turn.storage.keeps() { self.figures() } else { Batch::default() };
        let own = &mut self.counting;
        own.changed.clear();
        if own.logged > 0 {
            batch.settle(own.logged);
            own.logged = 0;
        }
        own.stored_at = Some(now);
        if turn.storage.keeps() && own.bins_at.is_none_or(|at| is_over(at, BINS_MS, now)) {
            own.bins_at = Some(now);
            for rollout in self.deployment.rollouts.iter() {
                let key = &rollout.plan.key;
                if let Some(metrics) = self.deployment.metrics.get(key) {
                    batch.bins(key, metrics);
                }
            }
        }
        let minute = now.minute();
        if minute >= own.pruned_minute + self.rhythm.fold_minutes {
            own.pruned_minute = minute;
            batch.number("pruned_minute", minute.get());
            self.fold(turn, &mut batch);
            batch.prune(self.deployment.rollouts.keys(), now);
        }
        batch
    }

    /// What has changed since the last checkpoint.
    fn figures(&self) -> Batch {
        let mut batch = Batch::default();
        let own = &self.counting;
        let changed = &own.changed;
        let mut values = BTreeSet::new();
        for (key, minute, revision) in changed {
            let Some(metrics) = self.deployment.metrics.get(key) else { continue };
            if let Some(window) = metrics.series.get(*minute, 1, *revision) {
                batch.window(key, window);
            }
            values.extend(metrics.values.at(*minute, *revision).map(|own| (key, own.minute, own.revision)));
        }
        for (key, minute, revision) in values {
            if let Some(own) = self.deployment.metrics.get(key).and_then(|metrics| metrics.values.at(minute, revision))
            {
                batch.window(key, own);
            }
        }
        for rollout in self.deployment.rollouts.iter() {
            let (plan, key) = (&rollout.plan, &rollout.plan.key);
            let has_changed = changed.iter().any(|(own, ..)| own == key);
            let Some(metrics) = self.deployment.metrics.get(key) else { continue };
            if has_changed && let Some(total) = own.total(key) {
                batch.total(key, total, metrics.arrived_at);
            }
            if has_changed
                || plan.guardrails_in_force().next().is_some()
                || (0..plan.stages.len()).any(|index| plan.gates_in_force(index).next().is_some())
            {
                batch.judge(key, &metrics.judge);
            }
        }
        batch
    }

    /// Makes longer windows of old ones.
    fn fold(&mut self, turn: &mut Turn<'_>, batch: &mut Batch) {
        let so_far = self.counting.frugality;
        let keeps = turn.storage.keeps();
        for (key, metrics) in self.deployment.metrics.iter_mut() {
            let grown = metrics.series.fold_frugally(so_far, turn.now, &mut |window| {
                if keeps {
                    batch.fold(key, window);
                }
            });
            for (minute, minutes, revision) in grown.into_iter().filter(|_| keeps) {
                if let Some(window) = metrics.series.get(minute, minutes, revision) {
                    batch.window(key, window);
                }
            }
        }
        // What is old has been folded by now; what still takes too much room is too much.
        let frugality = self.deployment.metrics.frugality(so_far);
        if frugality > so_far {
            turn.note(
                "frugal",
                "controller",
                &format!("many rollouts are busy, so what was measured is kept less finely from now on ({frugality})"),
            );
            self.counting.frugality = frugality;
        }
    }
}
