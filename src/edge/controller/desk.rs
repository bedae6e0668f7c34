//! The controller's desk: what it knows, and how what comes in changes it. Nothing here waits, so
//! nothing can come in between working a change out and storing it.

use std::collections::HashMap;

use wasm_bindgen::prelude::*;

use super::store::{self, Batch, Removed};
use crate::decide::transition::KV;
use crate::decide::deployment::{Change, Deployment, Noticed, Order};
use crate::edge::{clock, log};
use crate::model::command::Command;
use crate::model::plan::set::PlanSet;
use crate::model::{Instant, Name};
use crate::protocol::api::body::Plans;
use crate::protocol::api::plans::{self, Applied};
use crate::protocol::api::problem::Problem;
use crate::protocol::flush::{Answer, Flush, Told};

/// KV is looked at for edits after this long, even where nobody asks.
const LOOK_MS: i64 = 30_000;
/// A publication that failed is tried again after this long.
const RETRY_MS: i64 = 1_000;
/// An isolate that has not come for this long is gone.
const ISOLATE_MS: f64 = 60_000.0;
/// How often an isolate comes while there is time.
const INTERVAL_MS_MIN: usize = 1_000;
/// How often at the least, under load.
const INTERVAL_MS_MAX: usize = 30_000;
/// How much of the controller's time an isolate gets: 5 ms each make 200 flushes a second, a fifth
/// of what a Durable Object is said to take.
const MS_PER_ISOLATE: usize = 5;
/// One change calls for another at most so often, however the plans refer to each other.
const CONSEQUENCES_MAX: usize = 1_000;

/// What the controller knows.
pub struct Desk {
    /// All rollouts.
    pub deployment: Deployment,
    /// When KV was last looked at.
    pub looked_at: Instant,
    /// What is wrong with the deployment as a whole.
    pub faults: Vec<Noticed>,
    /// Rollouts that have been taken out of the plans.
    pub removed: Vec<Removed>,
    /// When each isolate last came.
    isolates: HashMap<String, f64>,
}

impl Desk {
    /// Loads what is stored.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn load(context: &JsValue) -> Result<Self, JsValue> {
        let mut faults = Vec::new();
        let (deployment, removed) = store::load(context, |key| {
            let message = "what is stored of it cannot be read by this version; it is left alone".to_owned();
            log::warn("rollout_unreadable", key, &message);
            faults.push(Noticed { subject: key.to_owned(), message, at: clock::now() });
        })?;
        Ok(Self { deployment, looked_at: Instant::from_epoch_ms(0), faults, removed, isolates: HashMap::new() })
    }

    /// Stores changes, together with what else is in the batch, and takes them in. Then does what
    /// the schedule makes of them.
    ///
    /// # Errors
    /// When the storage refuses; then nothing has changed.
    pub fn commit(&mut self, context: &JsValue, changes: Vec<Change>, mut batch: Batch) -> Result<(), JsValue> {
        for change in &changes {
            batch.change(change);
        }
        batch.commit(context)?;
        for change in changes {
            let entry = &change.entry;
            let state = &entry.state;
            let killed = if state.killed { ", killed" } else { "" };
            log::note("change", entry.rollout.as_str(), &format!("revision {}: {} by {}: {} at {} % in stage {}{killed} ({})", entry.revision, entry.command, entry.actor, state.phase, state.percentage, state.stage, entry.reason));
            self.deployment.accept(change);
        }
        Ok(())
    }

    /// Carries out an order of the schedule or of KV; a refusal is told in the log.
    fn carry_out(&mut self, context: &JsValue, key: &Name, order: Order, now: Instant) -> Result<bool, JsValue> {
        let Some(rollout) = self.deployment.rollouts.get(key) else { return Ok(false) };
        match rollout.change(order, now) {
            Ok(change) => self.commit(context, vec![change], Batch::default()).map(|()| true),
            Err(refusal) => {
                log::warn("refused", key.as_str(), &refusal.to_string());
                Ok(false)
            }
        }
    }

    /// Does what the schedule wants done now, then sees to it that the controller wakes in time.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn go_on(&mut self, context: &JsValue, now: Instant) -> Result<(), JsValue> {
        for _ in 0..CONSEQUENCES_MAX {
            let Some((key, order)) = self.deployment.due(now) else { break };
            if !self.carry_out(context, &key, order, now)? {
                break;
            }
        }
        let in_ms = |ms: i64| now.as_epoch_ms().saturating_add(ms);
        let look_ms = self.looked_at.as_epoch_ms().saturating_add(LOOK_MS).max(now.as_epoch_ms());
        let publish_ms = self.has_unpublished().then(|| in_ms(RETRY_MS));
        let due_ms = self.deployment.wake(now).map(Instant::as_epoch_ms);
        let wake_ms = [Some(look_ms), publish_ms, due_ms].into_iter().flatten().min().unwrap_or(look_ms);
        store::wake_at(context, wake_ms as f64);
        Ok(())
    }

    /// Whether KV lacks something that has been stored here.
    pub fn has_unpublished(&self) -> bool {
        self.deployment.plans != self.deployment.plans_published || self.deployment.rollouts.iter().any(|rollout| !rollout.is_published()) || self.removed.iter().any(|removed| removed.is_in_kv)
    }

    /// Takes in the value of a `stage/KEY`.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn see_text(&mut self, context: &JsValue, key: &Name, text: &str, now: Instant) -> Result<(), JsValue> {
        let order = self.deployment.rollouts.get_mut(key).and_then(|rollout| rollout.see_text(text, now));
        match order {
            Some(order) => self.carry_out(context, key, order, now).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Goes on with a rollout as another controller has left it in KV.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn take_over(&mut self, context: &JsValue, key: &Name, command: Command, now: Instant) -> Result<(), JsValue> {
        let order = Order { command, actor: KV.to_owned(), reason: format!("`stage/{key}` held this before the controller knew the rollout") };
        self.carry_out(context, key, order, now).map(|_| ())
    }

    /// Takes in which kill key of a rollout stands in KV.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn see_kill_key(&mut self, context: &JsValue, key: &Name, kill_key: Option<String>, now: Instant) -> Result<(), JsValue> {
        let order = self.deployment.rollouts.get_mut(key).and_then(|rollout| rollout.see_kill_key(kill_key, now));
        match order {
            Some(order) => self.carry_out(context, key, order, now).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Takes in the value of the KV key `plans`: a newer revision was written by hand.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn see_plans(&mut self, context: &JsValue, text: &str, texts: &HashMap<String, String>, now: Instant) -> Result<(), JsValue> {
        let set = match PlanSet::parse(text) {
            Ok(set) if set.revision > self.deployment.plans => set,
            Ok(_) => {
                self.faults.retain(|known| known.subject != "plans");
                return Ok(());
            }
            Err(error) => {
                self.notice("plans", error.to_string(), now);
                return Ok(());
            }
        };
        let node = |text: &&serde_json::value::RawValue| serde_json::from_str(text.get()).unwrap_or_default();
        let sent = Plans { rollouts: set.rollouts.iter().map(node).collect(), prune: false, reason: "the KV key `plans` was written by hand".into(), is_dry_run: false };
        match plans::apply(&self.deployment, sent, KV, set.revision + 1, |key| self.last_revision(texts, key), now) {
            Ok(applied) => {
                self.faults.retain(|known| known.subject != "plans");
                self.apply(context, applied, Batch::default())
            }
            Err(problem) => {
                self.notice("plans", format!("the KV key `plans` was written by hand and cannot be adopted: {}", problem.detail), now);
                Ok(())
            }
        }
    }

    /// Takes note of something wrong with the deployment as a whole.
    pub fn notice(&mut self, subject: &str, message: String, now: Instant) {
        if !self.faults.iter().any(|known| known.subject == subject && known.message == message) {
            log::warn("fault", subject, &message);
            self.faults.retain(|known| known.subject != subject);
            self.faults.push(Noticed { subject: subject.to_owned(), message, at: now });
        }
    }

    /// Stores what has become of plans.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn apply(&mut self, context: &JsValue, applied: Applied, mut batch: Batch) -> Result<(), JsValue> {
        if applied.changes.is_empty() && applied.removed.is_empty() {
            return batch.commit(context);
        }
        let removed: Vec<Removed> = applied.removed.iter().filter_map(|key| self.deployment.rollouts.get(key)).map(|rollout| {
            batch.remove(rollout, clock::now());
            Removed { key: rollout.plan.key.to_string(), revision: rollout.record.live.revision, is_in_kv: true }
        }).collect();
        batch.number("plans", applied.revision);
        self.commit(context, applied.changes, batch)?;
        self.deployment.plans = applied.revision;
        for key in &applied.removed {
            self.deployment.rollouts.remove(key);
            log::note("removed", key.as_str(), "the rollout is gone from the plans");
        }
        self.removed.extend(removed);
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

    /// Answers an isolate, after taking in what it saw in KV.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn flush(&mut self, context: &JsValue, flush: &Flush, now: Instant) -> Result<Answer, JsValue> {
        let now_ms = clock::now_ms();
        self.isolates.insert(flush.isolate.clone(), now_ms);
        if self.isolates.len() > INTERVAL_MS_MIN / MS_PER_ISOLATE {
            self.isolates.retain(|_, at_ms| now_ms - *at_ms < ISOLATE_MS);
        }
        for (key, text) in &flush.texts {
            if let Ok(key) = key.parse() {
                self.see_text(context, &key, text, now)?;
            }
        }
        for kill in &flush.kills {
            let is_its = |key: &&Name| kill == "kill/*" || kill.strip_prefix("kill/") == Some(key.as_str());
            let keys: Vec<Name> = self.deployment.rollouts.keys().filter(is_its).cloned().collect();
            for key in keys {
                if let Some(order) = self.deployment.rollouts.get_mut(&key).and_then(|rollout| rollout.hear_of_kill_key(kill, now)) {
                    self.carry_out(context, &key, order, now)?;
                }
            }
        }
        let wants = |key: &Name, revision: u64| match &flush.known {
            None => true,
            Some(known) => known.iter().any(|(own, known)| own == key.as_str() && (*known < revision || flush.texts.iter().any(|(told, _)| told == own))),
        };
        let states = self
            .deployment
            .rollouts
            .iter()
            .filter(|rollout| wants(&rollout.plan.key, rollout.record.live.revision))
            .map(|rollout| Told { key: rollout.plan.key.to_string(), state: rollout.record.live.to_json(), echoes: rollout.echoes(now).map(str::to_owned).collect() })
            .collect();
        let interval_ms = (self.isolates.len() * MS_PER_ISOLATE).clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX);
        let plans = (flush.plans < self.deployment.plans).then(|| self.plans_text());
        Ok(Answer { interval_ms: u32::try_from(interval_ms).unwrap_or(u32::MAX), plans, states })
    }

    /// The plans as the KV key `plans` holds them.
    pub fn plans_text(&self) -> String {
        let rollouts: Vec<&str> = self.deployment.rollouts.iter().map(|rollout| &*rollout.plan_text).collect();
        format!("{{\"v\":1,\"revision\":{},\"rollouts\":[{}]}}", self.deployment.plans, rollouts.join(","))
    }
}

/// The revision of the state that KV holds of a rollout; 0 where it holds none that a controller wrote.
fn revision_in(texts: &HashMap<String, String>, key: &Name) -> u64 {
    use crate::model::live::LiveText;
    match texts.get(&format!("stage/{key}")).map(|text| LiveText::parse(text)) {
        Some(Ok(LiveText::Written(state) | LiveText::Edited(state))) => state.revision,
        _ => 0,
    }
}
