//! Plans as they come to the controller: sent to the API, or written into KV by hand.

use std::collections::HashMap;

use wasm_bindgen::prelude::*;

use super::desk::Desk;
use super::store::{Batch, Removed};
use crate::decide::rollout::Order;
use crate::decide::transition::KV;
use crate::edge::{clock, log};
use crate::model::command::Command;
use crate::model::live::{LiveText, Phase};
use crate::model::node::{Node, Value};
use crate::model::plan::set::PlanSet;
use crate::model::{Instant, Name};
use crate::protocol::api::body::Plans;
use crate::protocol::api::plans::{self, Applied};
use crate::protocol::api::problem::Problem;

/// What faults of the KV key `plans` are noticed under: it cannot be read, or it could not be adopted.
const MALFORMED: &str = "plans";
const REFUSED: &str = "plans by hand";

impl Desk {
    /// Takes in the value of the KV key `plans`: a newer revision was written by hand.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn see_plans(&mut self, context: &JsValue, text: &str, texts: &HashMap<String, String>, now: Instant) -> Result<(), JsValue> {
        let set = match PlanSet::parse(text) {
            Ok(set) if set.revision > self.deployment.plans => set,
            Ok(_) => {
                self.faults.retain(|known| known.subject != MALFORMED);
                return Ok(());
            }
            Err(error) => {
                self.notice(MALFORMED, error.to_string(), now);
                return Ok(());
            }
        };
        let node = |text: &&serde_json::value::RawValue| serde_json::from_str(text.get()).unwrap_or_default();
        let sent = Plans { rollouts: set.rollouts.iter().map(node).collect(), prune: false, reason: "the KV key `plans` was written by hand".into(), is_dry_run: false };
        match plans::apply(&self.deployment, sent, KV, set.revision + 1, |key| self.last_revision(texts, key), now) {
            Ok(applied) => self.apply(context, applied, Batch::default(), texts, now),
            // Isolates follow what they read, so what cannot be adopted is written over.
            Err(problem) => {
                self.notice(REFUSED, format!("the KV key `plans` was written by hand and is written over, since it cannot be adopted: {}", problem.detail), now);
                let mut batch = Batch::default();
                batch.number("plans", set.revision + 1);
                batch.commit(context)?;
                self.deployment.plans = set.revision + 1;
                Ok(())
            }
        }
    }

    /// Stores what has become of plans. `texts` is what KV holds of their rollouts.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn apply(&mut self, context: &JsValue, applied: Applied, mut batch: Batch, texts: &HashMap<String, String>, now: Instant) -> Result<(), JsValue> {
        self.faults.retain(|known| known.subject != REFUSED);
        if applied.changes.is_empty() && applied.removed.is_empty() {
            return batch.commit(context);
        }
        let removed: Vec<Removed> = applied.removed.iter().filter_map(|key| self.deployment.rollouts.get(key)).map(|rollout| {
            batch.remove(rollout, clock::now());
            Removed { key: rollout.plan.key.to_string(), revision: rollout.record.live.revision, is_in_kv: true }
        }).collect();
        batch.number("plans", applied.revision);
        let is_new = |key: &&Name| self.deployment.rollouts.get(key).is_none();
        let added: Vec<Name> = applied.changes.iter().map(|change| &change.key).filter(is_new).cloned().collect();
        self.commit(context, applied.changes, batch)?;
        self.deployment.plans = applied.revision;
        for key in &applied.removed {
            self.deployment.rollouts.remove(key);
            self.deployment.books.remove(key);
            self.counting.forget(key);
            self.networks.forget(key);
            log::note("removed", key.as_str(), "the rollout is gone from the plans");
        }
        self.removed.extend(removed);
        for key in &added {
            self.take_over(context, key, texts, now)?;
        }
        Ok(())
    }

    /// Works out plans that were sent. `texts` is what KV holds of their rollouts.
    ///
    /// # Errors
    /// With the problem to answer.
    pub fn work_out(&self, sent: Plans, actor: &str, texts: &HashMap<String, String>, now: Instant) -> Result<Applied, Problem> {
        let in_kv = texts.get("plans").and_then(|text| PlanSet::parse(text).ok()).map_or(0, |set| set.revision);
        let revision = self.deployment.plans.max(in_kv) + 1;
        plans::apply(&self.deployment, sent, actor, revision, |key| self.last_revision(texts, key), now)
    }

    /// The last revision that anybody has seen of a rollout that is new here.
    fn last_revision(&self, texts: &HashMap<String, String>, key: &Name) -> u64 {
        let own = self.removed.iter().filter(|removed| removed.key == key.as_str()).map(|removed| removed.revision).max();
        revision_in(texts, key).max(own.unwrap_or_default())
    }

    /// A rollout that is new here may have been led through KV so far: it goes on as it is there. `texts`
    /// is what KV holds.
    fn take_over(&mut self, context: &JsValue, key: &Name, texts: &HashMap<String, String>, now: Instant) -> Result<(), JsValue> {
        let Some(text) = texts.get(&format!("stage/{key}")) else { return Ok(()) };
        // What this controller has left there itself belongs to a rollout that is gone.
        let is_own = self.removed.iter().any(|removed| removed.key == key.as_str());
        let state = match LiveText::parse(text) {
            Ok(LiveText::Written(_)) if is_own => return Ok(()),
            Ok(LiveText::Written(state) | LiveText::Edited(state)) if state.phase != Phase::Draft => state,
            _ => return self.see_text(context, key, text, now),
        };
        let reason = format!("the KV key `stage/{key}` held this before the controller knew the rollout");
        self.carry_out(context, key, Order::new(Command::TakeOver(Box::new(state)), KV, reason), now).map(|_| ())
    }
}

/// The revision of the state that KV holds of a rollout; 0 where it holds none that a controller wrote.
fn revision_in(texts: &HashMap<String, String>, key: &Name) -> u64 {
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
    let node: Node = serde_json::from_str(plans).unwrap_or_default();
    let Some(Value::List(rollouts)) = node.field("rollouts").map(|list| &list.value) else { return Vec::new() };
    let key = |rollout: &Node| match rollout.field("key").map(|key| &key.value) {
        Some(Value::Text(key)) => key.parse::<Name>().ok(),
        _ => None,
    };
    let names: Vec<Name> = rollouts.iter().filter_map(key).collect();
    keys(names.iter())
}
