//! The controller's desk: what it knows, and how what comes in changes it. Nothing here waits, so
//! nothing can come in between working a change out and storing it.

use std::collections::HashMap;

use wasm_bindgen::prelude::*;

use super::store::{self, Batch, Removed};
use crate::decide::deployment::Deployment;
use crate::decide::rollout::{Change, Noticed, Order};
use crate::edge::{clock, log};
use crate::model::{Instant, Name};
use crate::protocol::flush::{Answer, Flush, Told};

/// KV is looked at for edits after this long, even where nobody asks.
const LOOK_MS: i64 = 30_000;
/// The same where isolates have seen that somebody wrote plans.
const LOOK_SOON_MS: i64 = 2_000;
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
    /// Isolates have newer plans than these: somebody wrote them into KV by hand.
    is_outdated: bool,
    /// For when the alarm is set, in milliseconds since 1970.
    wakes_at_ms: Option<i64>,
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
        Ok(Self { deployment, looked_at: Instant::from_epoch_ms(0), faults, removed, isolates: HashMap::new(), is_outdated: false, wakes_at_ms: None })
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

    /// Carries out an order of the schedule or of KV; a refusal is told in the log. Returns whether it was
    /// carried out.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn carry_out(&mut self, context: &JsValue, key: &Name, order: Order, now: Instant) -> Result<bool, JsValue> {
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
        let after_ms = if self.is_outdated { LOOK_SOON_MS } else { LOOK_MS };
        let look_ms = self.looked_at.as_epoch_ms().saturating_add(after_ms).max(now.as_epoch_ms());
        // Where there is no rollout there is nothing in KV to be adopted, but plans at the beginning.
        let is_idle = self.deployment.rollouts.iter().next().is_none() && self.looked_at.as_epoch_ms() > 0 && !self.is_outdated;
        let publish_ms = self.has_unpublished().then(|| in_ms(RETRY_MS));
        let due_ms = self.deployment.wake(now).map(Instant::as_epoch_ms);
        let wake_ms = [(!is_idle).then_some(look_ms), publish_ms, due_ms].into_iter().flatten().min();
        // Each setting of the alarm is a write; one that rings too early does no harm.
        if let Some(wake_ms) = wake_ms
            && self.wakes_at_ms.is_none_or(|set_ms| set_ms > wake_ms || set_ms < now.as_epoch_ms())
        {
            store::wake_at(context, wake_ms as f64);
            self.wakes_at_ms = Some(wake_ms);
        }
        Ok(())
    }

    /// The alarm has rung, so none is set.
    pub fn note_alarm(&mut self) {
        self.wakes_at_ms = None;
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

    /// Takes in which kill key of a rollout stands in KV.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn see_kill_key(&mut self, context: &JsValue, key: &Name, kill_key: Option<String>, now: Instant) -> Result<(), JsValue> {
        let Some(rollout) = self.deployment.rollouts.get_mut(key) else { return Ok(()) };
        let last = rollout.key_absent_since;
        if let Some(order) = rollout.see_kill_key(kill_key, now) {
            return self.carry_out(context, key, order, now).map(|_| ());
        }
        if rollout.key_absent_since == last {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.save(rollout);
        batch.commit(context)
    }

    /// Takes note of something wrong with the deployment as a whole.
    pub fn notice(&mut self, subject: &str, message: String, now: Instant) {
        if !self.faults.iter().any(|known| known.subject == subject && known.message == message) {
            log::warn("fault", subject, &message);
            self.faults.retain(|known| known.subject != subject);
            self.faults.push(Noticed { subject: subject.to_owned(), message, at: now });
        }
    }

    /// Answers an isolate, after taking in what it saw in KV.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn flush(&mut self, context: &JsValue, flush: &Flush, now: Instant) -> Result<Answer, JsValue> {
        let now_ms = clock::now_ms();
        self.is_outdated = flush.plans > self.deployment.plans;
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
        Ok(Answer { interval_ms: u32::try_from(interval_ms).unwrap_or(u32::MAX), plans, states, acknowledged: None })
    }

    /// The plans as the KV key `plans` holds them.
    pub fn plans_text(&self) -> String {
        let rollouts: Vec<&str> = self.deployment.rollouts.iter().map(|rollout| &*rollout.plan_text).collect();
        format!("{{\"v\":1,\"revision\":{},\"rollouts\":[{}]}}", self.deployment.plans, rollouts.join(","))
    }
}
