//! The controller's desk: what it knows, and how what comes in changes it. Nothing here waits, so
//! nothing can come in between working a change out and storing it.

use std::borrow::Cow;

use wasm_bindgen::prelude::*;

use super::counting::Counting;
use super::heard::Heard;
use super::store::{self, Batch, Removed, Stored, counts};
use crate::decide::deployment::Deployment;
use crate::decide::explain;
use crate::decide::rollout::{Change, Noticed, Order, Rollout};
use crate::edge::{clock, log};
use crate::model::{Instant, Name};
use crate::protocol::beacon::networks::Networks;
use crate::protocol::flush::{Answer, Flush, Told};
use crate::protocol::pace::Pace;

/// KV is looked at for edits after this long, even where nobody asks.
const LOOK_MS: i64 = 30_000;
/// The same where isolates have seen that somebody wrote plans.
const LOOK_SOON_MS: i64 = 2_000;
/// What isolates find wrong with the plans makes it look so often.
const ALARM_MS: i64 = 10_000;
/// A publication that failed is tried again after this long.
const RETRY_MS: i64 = 1_000;
/// One change calls for another at most so often, however the plans refer to each other.
const CONSEQUENCES_MAX: usize = 1_000;

/// What the controller knows.
pub struct Desk {
    /// All rollouts.
    pub deployment: Deployment,
    /// When KV was last looked at.
    pub polled_at: Instant,
    /// What is wrong with the deployment as a whole.
    pub faults: Vec<Noticed>,
    /// Rollouts that have been taken out of the plans.
    pub removed: Vec<Removed>,
    /// What has been counted.
    pub counting: Counting,
    /// What isolates have said lately.
    pub heard: Heard,
    /// Which networks have reported lately.
    pub networks: Networks,
    /// What flushes cost.
    pub pace: Pace,
    /// Isolates have newer plans than these: somebody wrote them into KV by hand.
    is_outdated: bool,
    /// When KV last took the plans, or all this was loaded.
    pub plans_published_at: Instant,
    /// What stood under the KV key `plans` and was written over, by its hash, and when.
    pub written_over: Option<(u64, Instant)>,
    /// When isolates last made this look at plans that they cannot read.
    alarmed_at: Option<Instant>,
    /// When all this was loaded.
    pub loaded_at: Instant,
    /// For when the alarm is set, in milliseconds since 1970.
    wakes_at_ms: Option<i64>,
}

impl Desk {
    /// Loads what is stored.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn load(context: &JsValue) -> Result<Self, JsValue> {
        let mut faults: Vec<Noticed> = Vec::new();
        let mut broken = |key: &str| {
            let message = "what was counted of it cannot be read by this version; it is left alone".to_owned();
            log::warn("rollout_unreadable", key, &message);
            if !faults.iter().any(|known| known.subject == key) {
                faults.push(Noticed { subject: key.to_owned(), message, at: clock::now() });
            }
        };
        let now = clock::now();
        let Stored { mut deployment, removed, pruned_minute } = store::load(context, now, &mut broken)?;
        let totals = counts::load(context, &mut deployment, now, &mut broken)?;
        let mut heard = Heard::default();
        for (isolate, sequence, at) in counts::isolates_since(context, Heard::since_ms(now))? {
            heard.note_sequence(isolate, sequence, at);
        }
        for rollout in deployment.rollouts.iter().filter(|rollout| {
            rollout.record.live.killed && rollout.record.live.since.as_epoch_ms() >= Heard::since_ms(now)
        }) {
            heard.note_kill(&rollout.plan.key, rollout.record.live.revision, now);
        }
        let counting = Counting::new(totals, pruned_minute);
        let mut desk = Self {
            deployment,
            polled_at: Instant::from_epoch_ms(0),
            faults,
            removed,
            counting,
            heard,
            networks: Networks::default(),
            pace: Pace::default(),
            is_outdated: false,
            plans_published_at: now,
            written_over: None,
            alarmed_at: None,
            loaded_at: now,
            wakes_at_ms: None,
        };
        desk.replay_log(context)?;
        Ok(desk)
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
            log::note(
                "change",
                entry.rollout.as_str(),
                &format!(
                    "revision {}: {} by {}: {} at {} % in stage {}{killed} ({})",
                    entry.revision,
                    entry.command,
                    entry.actor,
                    state.phase,
                    state.percentage,
                    state.stage,
                    explain::why(entry)
                ),
            );
            self.heard.note_change(&change, entry.at);
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

    /// Looks at what has come in where that is due, and does what guardrails and the schedule want done
    /// now. Then sees to it that the controller wakes in time.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn go_on(&mut self, context: &JsValue, now: Instant) -> Result<(), JsValue> {
        let is_due = self.evaluate_ms(now).is_some_and(|ms| ms <= now.as_epoch_ms());
        if is_due || self.deployment.due(now).is_some() {
            self.evaluate(context, now)?;
        }
        for _ in 0..CONSEQUENCES_MAX {
            let Some((key, order)) = self.deployment.due(now) else { break };
            if !self.carry_out(context, &key, order, now)? {
                break;
            }
        }
        let in_ms = |ms: i64| now.as_epoch_ms().saturating_add(ms);
        let after_ms = if self.is_outdated { LOOK_SOON_MS } else { LOOK_MS };
        let evaluate_ms = self.polled_at.as_epoch_ms().saturating_add(after_ms).max(now.as_epoch_ms());
        // Where there is no rollout there is nothing in KV to be adopted, but plans at the beginning.
        let is_idle =
            self.deployment.rollouts.iter().next().is_none() && self.polled_at.as_epoch_ms() > 0 && !self.is_outdated;
        let publish_ms = self.has_unpublished().then(|| in_ms(RETRY_MS));
        let due_ms = self.deployment.wake(now).map(Instant::as_epoch_ms);
        let judge_ms = self.evaluate_ms(now).map(|ms| ms.max(now.as_epoch_ms()));
        let wake_ms = [(!is_idle).then_some(evaluate_ms), publish_ms, due_ms, judge_ms].into_iter().flatten().min();
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
        self.deployment.plans != self.deployment.plans_published
            || self.deployment.rollouts.iter().any(|rollout| !rollout.is_published())
            || self.removed.iter().any(|removed| removed.is_in_kv)
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
    pub fn see_kill_key(
        &mut self,
        context: &JsValue,
        key: &Name,
        kill_key: Option<String>,
        now: Instant,
    ) -> Result<(), JsValue> {
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

    /// Takes in what an isolate has counted and what it saw in KV. Returns the number of its last batch
    /// that is stored, where it sent one.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn hear(&mut self, context: &JsValue, flush: &Flush, now: Instant) -> Result<Option<u64>, JsValue> {
        self.is_outdated =
            flush.plans.max(flush.seen.unwrap_or_default()) > self.deployment.plans || self.is_alarmed(flush, now);
        self.heard.note(&flush.isolate, now);
        self.heard.note_known(flush, now);
        self.heard.note_faults(&flush.faults, now);
        self.heard.note_lists(&flush.isolate, &flush.lists);
        for (key, text) in &flush.texts {
            if let Ok(key) = key.parse() {
                self.see_text(context, &key, text, now)?;
            }
        }
        for kill in &flush.kills {
            let is_its = |key: &&Name| kill == "kill/*" || kill.strip_prefix("kill/") == Some(key.as_str());
            let keys: Vec<Name> = self.deployment.rollouts.keys().filter(is_its).cloned().collect();
            for key in keys {
                if let Some(order) =
                    self.deployment.rollouts.get_mut(&key).and_then(|rollout| rollout.hear_of_kill_key(kill, now))
                {
                    self.carry_out(context, &key, order, now)?;
                }
            }
        }
        flush.batch.as_ref().map(|batch| self.take_in(context, &flush.isolate, batch, now)).transpose()
    }

    /// Whether an isolate has found something wrong with the plans in KV, which is looked at now and then.
    fn is_alarmed(&mut self, flush: &Flush, now: Instant) -> bool {
        let is_due = |at: Instant| now.as_epoch_ms().saturating_sub(at.as_epoch_ms()) >= ALARM_MS;
        let is_alarmed =
            flush.faults.iter().any(|(subject, _)| subject == "plans") && self.alarmed_at.is_none_or(is_due);
        if is_alarmed {
            self.alarmed_at = Some(now);
        }
        is_alarmed
    }

    /// Whether nothing is due, a flush has told nothing that changes anything, and the controller wakes in
    /// time for what it counted.
    pub fn is_quiet(&self, flush: &Flush, now: Instant) -> bool {
        let now_ms = now.as_epoch_ms();
        let is_told = self.is_outdated || !flush.texts.is_empty() || !flush.kills.is_empty();
        let evaluate_ms = self.evaluate_ms(now);
        !is_told
            && self.wakes_at_ms.is_some_and(|wakes_ms| {
                wakes_ms > now_ms
                    && evaluate_ms.is_none_or(|evaluate_ms| evaluate_ms > now_ms && wakes_ms <= evaluate_ms)
            })
    }

    /// What an isolate is answered.
    pub fn answer(&self, flush: &Flush, acknowledged: Option<u64>, now: Instant) -> Answer {
        let tell = |rollout: &Rollout| Told {
            key: rollout.plan.key.to_string(),
            state: rollout.record.live.to_json(),
            echoes: rollout.echoes(now).map(str::to_owned).collect(),
        };
        let is_news = |key: &str, known: u64, rollout: &Rollout| {
            known < rollout.record.live.revision || flush.texts.iter().any(|(told, _)| told == key)
        };
        let states = match &flush.known {
            None => self.deployment.rollouts.iter().map(tell).collect(),
            Some(known) => {
                let found = |(key, known): &(String, u64)| {
                    self.deployment.rollouts.get(&key.parse().ok()?).filter(|rollout| is_news(key, *known, rollout))
                };
                known.iter().filter_map(found).map(tell).collect()
            }
        };
        let interval_ms = self.pace.interval_ms(self.heard.isolates(), &flush.isolate);
        let plans = (flush.plans < self.deployment.plans).then(|| self.plans_text());
        Answer { interval_ms, plans, states, acknowledged }
    }

    /// The plans as the KV key `plans` holds them.
    pub fn plans_text(&self) -> String {
        let rollouts: Vec<Cow<'_, str>> = self.deployment.rollouts.iter().map(store::unread::published).collect();
        format!("{{\"v\":1,\"revision\":{},\"rollouts\":[{}]}}", self.deployment.plans, rollouts.join(","))
    }
}
