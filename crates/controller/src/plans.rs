//! Plans as they come to the controller: sent to the API, or written into KV by hand.

use std::collections::HashSet;

use super::state::State;
use super::store::{Batch, Removed, StorageError};
use super::turn::{KvTexts, Turn};
use serde::Deserialize;
use tidegate_decide::reconcile::isolate::ECHO_MS;
use tidegate_decide::rollout::Order;
use tidegate_decide::transition::KV;
use tidegate_model::command::Command;
use tidegate_model::fault::listed;
use tidegate_model::history::KvFound;
use tidegate_model::live::{LiveText, Phase};
use tidegate_model::node::{Node, Value};
use tidegate_model::plan::limits::{ROLLOUTS_MAX, SET_BYTES_MAX};
use tidegate_model::plan::set::PlanSet;
use tidegate_model::subject::fnv1a64;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::body::Plans;
use tidegate_protocol::api::plans::{self, Applied};
use tidegate_protocol::api::problem::Problem;

/// What faults of the KV key `plans` are noticed under: it cannot be read, or it could not be adopted.
const MALFORMED: &str = "plans";
const REFUSED: &str = "plans by hand";

/// A key that has been written is read as it was for so long.
const STALE_MS: i64 = ECHO_MS;
/// A set that lacks rollouts is written over sooner.
const LACKING_MS: i64 = 10_000;

impl State {
    /// Takes in the value of the KV key `plans`: a newer revision was written by hand. What would take
    /// rollouts away, or cannot be read, is written over.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn see_plans(
        &mut self,
        turn: &mut Turn<'_>,
        text: Option<&String>,
        texts: &KvTexts,
    ) -> Result<(), StorageError> {
        let (own, now) = (self.deployment.plans, turn.now);
        let Some(text) = text else {
            self.write_again(STALE_MS, now);
            return Ok(());
        };
        let hash = fnv1a64(text.as_bytes());
        if self.written_over.is_some_and(|(known, at)| known == hash && now.ms_since(at) < STALE_MS) {
            return Ok(());
        }
        let set = match PlanSet::parse_by_hand(text) {
            Ok(set) if set.revision > own => set,
            Ok(set) => {
                self.faults.retain(|known| known.subject != MALFORMED);
                return self.see_old_plans(turn, &set, text, hash);
            }
            Err(error) if own > 0 => {
                self.notice(
                    turn,
                    REFUSED,
                    format!("the KV key `plans` could not be read and was written over: {error}"),
                );
                return self.write_over(turn, hash, own + 1);
            }
            Err(error) => {
                self.notice(turn, MALFORMED, error.to_string());
                return Ok(());
            }
        };
        let revision = set.revision + 1;
        let node = |text: &&serde_json::value::RawValue| serde_json::from_str(text.get()).unwrap_or_default();
        let sent = Plans {
            rollouts: set.rollouts.iter().map(node).collect(),
            prune: false,
            reason: String::new(),
            is_dry_run: false,
        };
        let lacking = self.lacking(&sent.rollouts);
        let kept = format!(
            "the KV key `plans` was written by hand without {}, and was written over: `tidegate apply --prune` takes rollouts away",
            listed(lacking.iter().map(String::as_str))
        );
        match plans::apply(&self.deployment, sent, KV, revision, |key| self.last_revision(texts, key), now) {
            Ok(applied) => {
                let is_unchanged = applied.changes.is_empty();
                self.apply(turn, applied, Batch::default(), texts)?;
                if !lacking.is_empty() {
                    self.notice(turn, REFUSED, kept);
                }
                // Where nothing is known here, nothing is lost either.
                if is_unchanged && own > 0 { self.write_over(turn, hash, revision) } else { Ok(()) }
            }
            // Isolates follow what they read, so what cannot be adopted is written over.
            Err(problem) => {
                self.notice(
                    turn,
                    REFUSED,
                    format!(
                        "the KV key `plans` was written by hand and is written over, since it cannot be adopted: {}",
                        problem.detail
                    ),
                );
                self.write_over(turn, hash, revision)
            }
        }
    }

    /// Takes in plans under a revision that is no newer: mostly a stale read.
    fn see_old_plans(
        &mut self,
        turn: &mut Turn<'_>,
        set: &PlanSet<'_>,
        text: &str,
        hash: u64,
    ) -> Result<(), StorageError> {
        let own = self.deployment.plans;
        if own == 0 || self.deployment.plans_published != own || text == self.plans_text() {
            return Ok(());
        }
        if set.revision == own {
            self.notice(turn, REFUSED, format!("the KV key `plans` was changed by hand under its own revision {own}, and was written over: `tidegate apply` changes plans"));
            return self.write_over(turn, hash, own + 1);
        }
        let is_lacking = set.rollouts.len() < self.deployment.rollouts.iter().count();
        self.write_again(if is_lacking { LACKING_MS } else { STALE_MS }, turn.now);
        Ok(())
    }

    /// The rollouts that are not among these.
    fn lacking(&self, rollouts: &[Node]) -> Vec<String> {
        let keys: HashSet<String> = rollouts.iter().filter_map(key_of).map(|key| key.to_string()).collect();
        self.deployment.rollouts.keys().map(ToString::to_string).filter(|key| !keys.contains(key)).collect()
    }

    /// Sees to it that the plans of the controller take the place of what stands in KV.
    fn write_over(&mut self, turn: &mut Turn<'_>, hash: u64, revision: u64) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        batch.number("plans", revision);
        turn.commit(batch)?;
        self.deployment.plans = revision;
        self.written_over = Some((hash, turn.now));
        Ok(())
    }

    /// The same, where KV shows what it held before, once no stale read can be the reason.
    fn write_again(&mut self, after_ms: i64, now: Instant) {
        if self.deployment.plans > 0 && now.ms_since(self.plans_published_at) >= after_ms {
            self.deployment.plans_published = 0;
        }
    }

    /// Stores what has become of plans. `texts` is what KV holds of their rollouts.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn apply(
        &mut self,
        turn: &mut Turn<'_>,
        applied: Applied,
        mut batch: Batch,
        texts: &KvTexts,
    ) -> Result<(), StorageError> {
        self.faults.retain(|known| known.subject != REFUSED);
        if applied.changes.is_empty() && applied.removed.is_empty() {
            return turn.commit(batch);
        }
        let removed: Vec<Removed> = applied
            .removed
            .iter()
            .filter_map(|key| self.deployment.rollouts.get(key))
            .map(|rollout| {
                batch.remove(rollout, turn.now);
                Removed { key: rollout.plan.key.to_string(), revision: rollout.record.live.revision, is_in_kv: true }
            })
            .collect();
        batch.number("plans", applied.revision);
        let is_new = |key: &&Name| self.deployment.rollouts.get(key).is_none();
        let added: Vec<Name> = applied.changes.iter().map(|change| &change.key).filter(is_new).cloned().collect();
        self.commit(turn, applied.changes, batch)?;
        self.deployment.plans = applied.revision;
        for key in &applied.removed {
            self.deployment.rollouts.remove(key);
            self.deployment.metrics.remove(key);
            self.counting.forget(key);
            self.networks.forget(key);
            turn.note("removed", key.as_str(), "the rollout is gone from the plans");
        }
        self.removed.extend(removed);
        for key in &added {
            self.take_over(turn, key, texts)?;
        }
        Ok(())
    }

    /// Works out plans that were sent. `texts` is what KV holds of their rollouts.
    ///
    /// # Errors
    /// With the problem to answer.
    pub fn work_out(&self, sent: Plans, actor: &str, texts: &KvTexts, now: Instant) -> Result<Applied, Problem> {
        let in_kv = texts.get("plans").and_then(|text| PlanSet::parse_by_hand(text).ok()).map_or(0, |set| set.revision);
        let revision = self.deployment.plans.max(in_kv) + 1;
        plans::apply(&self.deployment, sent, actor, revision, |key| self.last_revision(texts, key), now)
    }

    /// The last revision that anybody has seen of a rollout that is new here.
    fn last_revision(&self, texts: &KvTexts, key: &Name) -> u64 {
        let own =
            self.removed.iter().filter(|removed| removed.key == key.as_str()).map(|removed| removed.revision).max();
        revision_in(texts, key).max(own.unwrap_or_default())
    }

    /// A rollout that is new here may have been led through KV so far: it goes on as it is there. `texts`
    /// is what KV holds.
    fn take_over(&mut self, turn: &mut Turn<'_>, key: &Name, texts: &KvTexts) -> Result<(), StorageError> {
        let Some(text) = texts.get(&format!("stage/{key}")) else { return Ok(()) };
        // What this controller has left there itself belongs to a rollout that is gone.
        let is_own = self.removed.iter().any(|removed| removed.key == key.as_str());
        let state = match LiveText::parse(text) {
            Ok(LiveText::Written(_)) if is_own => return Ok(()),
            Ok(LiveText::Written(state) | LiveText::Edited(state)) if state.phase != Phase::Draft => state,
            _ => return self.see_text(turn, key, text),
        };
        let take_over = Command::TakeOver(Box::new(state));
        let order = Order::of_kv(take_over, format!("stage/{key}"), None, KvFound::EarlierState);
        self.carry_out(turn, key, order).map(|_| ())
    }
}

/// The revision of the state that KV holds of a rollout; 0 where it holds none that a controller wrote.
fn revision_in(texts: &KvTexts, key: &Name) -> u64 {
    match texts.get(&format!("stage/{key}")).map(|text| LiveText::parse(text)) {
        Some(Ok(LiveText::Written(state) | LiveText::Edited(state))) => state.revision,
        _ => 0,
    }
}

/// The KV keys of rollouts, and those of all of them.
pub fn keys<'a>(rollouts: impl Iterator<Item = &'a Name>) -> Vec<String> {
    let of_rollouts = rollouts.flat_map(|key| [format!("stage/{key}"), format!("kill/{key}")]);
    ["plans".to_owned(), "kill/*".to_owned()].into_iter().chain(of_rollouts).collect()
}

/// The KV keys of the rollouts of these plans.
pub fn plan_keys(plans: &str) -> Vec<String> {
    if plans.len() > SET_BYTES_MAX {
        return Vec::new();
    }
    let Ok(Keyed { rollouts }) = serde_json::from_str::<Keyed>(plans) else { return Vec::new() };
    let names: Vec<Name> =
        rollouts.iter().take(ROLLOUTS_MAX).filter_map(|rollout| rollout.key.as_deref()?.parse().ok()).collect();
    keys(names.iter())
}

/// Of plans, their keys alone: all else is passed over.
#[derive(Deserialize)]
struct Keyed {
    rollouts: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    key: Option<String>,
}

fn key_of(rollout: &Node) -> Option<Name> {
    match rollout.field("key").map(|key| &key.value) {
        Some(Value::Text(key)) => key.parse().ok(),
        _ => None,
    }
}
