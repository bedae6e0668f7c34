//! What the controller knows of its deployment, and how a turn changes it. Nothing here waits, so
//! nothing can come in between working a change out and storing it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::evaluation::Counting;
use super::freeze;
use super::intake::Receipt;
use super::outbox::{Outbox, sending};
use super::registry::IsolateRegistry;
use super::rhythm::Rhythm;
use super::secrets::Secrets;
use super::store::{self, Batch, Removed, StorageError, Stored, counts, incoming};
use super::turn::{Effect, KvTexts, Turn};
use tidegate_decide::deployment::Deployment;
use tidegate_decide::explain;
use tidegate_decide::rollout::{Change, Noticed, Order};
use tidegate_decide::verification::Verification;
use tidegate_model::command::Command;
use tidegate_model::shadow::SampleOf;
use tidegate_model::{Instant, Name};
use tidegate_protocol::beacon::networks::Networks;
use tidegate_protocol::flush::{Flush, VERSIONS_MAX};
use tidegate_protocol::pace::Pace;
use tidegate_protocol::relays::Planner;

/// KV is polled this soon where isolates have seen that somebody wrote plans.
const POLL_SOON_MS: i64 = 2_000;
/// What isolates find wrong with the plans makes it look so often.
const ALARM_MS: i64 = 10_000;
/// Messages that are due are looked for at most so often, in milliseconds.
const NOTIFY_MS_MIN: i64 = 1_000;
/// A publication that failed is tried again after this long.
const RETRY_MS: i64 = 1_000;
/// One change calls for another at most so often, however the plans refer to each other.
const CONSEQUENCES_MAX: usize = 1_000;
/// What is in memory is loaded anew after this long, in milliseconds.
const LOADED_MS_MAX: i64 = 86_400_000;

/// What the controller knows.
pub struct State {
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
    pub isolates: IsolateRegistry,
    /// Which networks have reported lately.
    pub networks: Networks,
    /// What flushes cost.
    pub pace: Pace,
    /// Which relays there are.
    pub planner: Planner,
    /// How often things are done.
    pub rhythm: Rhythm,
    /// Rollbacks and kills that are verified.
    pub verifications: BTreeMap<Name, Verification>,
    /// Isolates have newer plans than these: somebody wrote them into KV by hand.
    is_outdated: bool,
    /// When KV last took the plans, or all this was loaded.
    pub plans_published_at: Instant,
    /// What stood under the KV key `plans` and was written over, by its hash, and when.
    pub written_over: Option<(u64, Instant)>,
    /// Messages out.
    pub outbox: Outbox,
    /// Where people find the console, once that is known.
    pub console: Option<String>,
    /// What is known of the environment.
    pub secrets: Secrets,
    /// When isolates last made this look at plans that they cannot read.
    alarmed_at: Option<Instant>,
    /// When all this was loaded.
    pub loaded_at: Instant,
    /// For when the alarm is set.
    wakes_at: Option<Instant>,
}

impl State {
    /// Loads what is stored.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn load(turn: &mut Turn<'_>) -> Result<Self, StorageError> {
        let now = turn.now;
        let mut unreadable: Vec<String> = Vec::new();
        let Stored { mut deployment, removed, pruned_minute, layout } = store::load(turn, &mut unreadable)?;
        let totals = counts::load(turn, &mut deployment, &mut unreadable)?;
        incoming::load(turn.storage, &mut deployment)?;
        deployment.freeze = freeze::load(turn.storage)?;
        let mut faults: Vec<Noticed> = Vec::new();
        for subject in unreadable {
            let message = "what was counted of it cannot be read by this version; it is left alone".to_owned();
            turn.warn("rollout_unreadable", &subject, &message);
            if !faults.iter().any(|known| known.subject == subject) {
                faults.push(Noticed { subject, message, at: now });
            }
        }
        let mut isolates = IsolateRegistry::default();
        for (isolate, sequence, at) in counts::isolates_since(turn.storage, IsolateRegistry::since_ms(now))? {
            isolates.note_sequence(isolate, sequence, at);
        }
        for rollout in deployment.rollouts.iter().filter(|rollout| {
            rollout.record.live.killed && rollout.record.live.since.as_epoch_ms() >= IsolateRegistry::since_ms(now)
        }) {
            isolates.note_kill(&rollout.plan.key, rollout.record.live.revision, now);
        }
        let counting = Counting::new(totals, pruned_minute);
        let outbox = Outbox::load(turn.storage, &deployment, now)?;
        let console = store::outbox::setting(turn.storage, sending::CONSOLE)?;
        let mut state = Self {
            deployment,
            polled_at: Instant::from_epoch_ms(0),
            faults,
            removed,
            counting,
            isolates,
            networks: Networks::default(),
            pace: Pace::default(),
            planner: Planner::new(layout),
            rhythm: Rhythm::default(),
            verifications: BTreeMap::new(),
            is_outdated: false,
            plans_published_at: now,
            written_over: None,
            outbox,
            console,
            secrets: Secrets::default(),
            alarmed_at: None,
            loaded_at: now,
            wakes_at: None,
        };
        state.replay_log(turn)?;
        state.restore_verifications(now);
        Ok(state)
    }

    /// Stores changes, together with what else is in the batch, and takes them in: the one place where a change
    /// becomes known.
    ///
    /// # Errors
    /// When the storage refuses; then nothing has changed.
    pub fn commit(&mut self, turn: &mut Turn<'_>, changes: Vec<Change>, mut batch: Batch) -> Result<(), StorageError> {
        for change in &changes {
            batch.change(change);
            self.post_change(turn, &mut batch, change)?;
        }
        turn.commit(batch)?;
        self.push(turn, changes.iter().map(|change| &change.rollout));
        let are_plans_new = changes.iter().any(|change| matches!(change.entry.command, Command::Apply { .. }));
        for change in changes {
            let entry = &change.entry;
            let state = &entry.state;
            let killed = if state.killed { ", killed" } else { "" };
            turn.note(
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
            self.isolates.note_change(&change, entry.at);
            self.note_errands(&change, turn.now);
            self.deployment.accept(change);
        }
        if are_plans_new {
            self.outbox.regroup(&self.deployment);
        }
        Ok(())
    }

    /// Carries out an order of the schedule or of KV; a refusal is logged. Returns whether it was
    /// carried out.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn carry_out(&mut self, turn: &mut Turn<'_>, key: &Name, order: Order) -> Result<bool, StorageError> {
        let Some(rollout) = self.deployment.rollouts.get(key) else { return Ok(false) };
        match rollout.change(order, turn.now) {
            Ok(change) => self.commit(turn, vec![change], Batch::default()).map(|()| true),
            Err(refusal) => {
                turn.warn("refused", key.as_str(), &refusal.to_string());
                Ok(false)
            }
        }
    }

    /// Evaluates what has come in where that is due, and does what guardrails and the schedule want done
    /// now. Then sees to it that the controller wakes in time.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn advance(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        let now = turn.now;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        // Notices, digests and check-ins are found by an evaluation too, also where nothing is measured.
        let is_to_be_reported = turn.storage.keeps() && is_due(self.deployment.notify_at(now));
        if is_due(self.evaluate_at(now)) || is_to_be_reported || self.deployment.due(now).is_some() {
            self.evaluate(turn)?;
        }
        for _ in 0..CONSEQUENCES_MAX {
            let Some((key, order)) = self.deployment.due(now) else { break };
            if !self.carry_out(turn, &key, order)? {
                break;
            }
        }
        self.ask_sources(turn);
        self.run_errands(turn)?;
        self.wake_in_time(turn);
        Ok(())
    }

    /// Each setting of the alarm is a write, so it is set where it would be too late; one that rings too early does
    /// no harm.
    pub(super) fn wake_in_time(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let poll_at =
            self.polled_at.plus_ms(if self.is_outdated { POLL_SOON_MS } else { self.rhythm.poll_ms }).max(now);
        // Where there is no rollout there is nothing in KV to be adopted, but plans at the beginning.
        let is_idle =
            self.deployment.rollouts.iter().next().is_none() && self.polled_at.as_epoch_ms() > 0 && !self.is_outdated;
        let publish_at = self.has_unpublished().then(|| now.plus_ms(RETRY_MS));
        let evaluate_at = self.evaluate_at(now).map(|at| at.max(now));
        let due_at = self.deployment.wake(now);
        let notify_at = self.deployment.notify_at(now).filter(|_| turn.storage.keeps());
        let notify_at = notify_at.map(|at| at.max(now.plus_ms(NOTIFY_MS_MIN)));
        let send_at = self.outbox.wake(now);
        let own = [publish_at, due_at, evaluate_at, self.ask_at(now), self.errands_at(now), notify_at, send_at];
        let wake_at = own.into_iter().chain([(!is_idle).then_some(poll_at)]).flatten().min();
        if let Some(wake_at) = wake_at
            && self.wakes_at.is_none_or(|set| set > wake_at || set < now)
        {
            turn.push(Effect::WakeAt(wake_at));
            self.wakes_at = Some(wake_at);
        }
    }

    /// For when the alarm is set.
    pub const fn wakes_at(&self) -> Option<Instant> {
        self.wakes_at
    }

    /// The alarm has rung, so none is set.
    pub fn note_alarm(&mut self) {
        self.wakes_at = None;
    }

    /// Whether somebody who wants to know what KV says is not content with the last poll.
    pub fn is_poll_due(&self, now: Instant) -> bool {
        now.ms_since(self.polled_at) >= self.rhythm.poll_fresh_ms
    }

    /// Memory only grows: what was counted long ago is loaded shorter than it is counted.
    pub fn is_old(&self, now: Instant) -> bool {
        now.ms_since(self.loaded_at) > LOADED_MS_MAX
    }

    /// Takes in what a poll has found in KV.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn take_poll(&mut self, turn: &mut Turn<'_>, texts: &KvTexts) -> Result<(), StorageError> {
        self.see_plans(turn, texts.get("plans"), texts)?;
        let rollouts: Vec<Name> = self.deployment.rollouts.keys().cloned().collect();
        for key in rollouts {
            let own = format!("kill/{key}");
            let kill_key = [own.as_str(), "kill/*"].into_iter().find(|key| texts.contains_key(*key));
            self.see_kill_key(turn, &key, kill_key.map(str::to_owned))?;
            match texts.get(&format!("stage/{key}")) {
                Some(text) => self.see_text(turn, &key, text)?,
                None => {
                    if let Some(rollout) = self.deployment.rollouts.get_mut(&key) {
                        rollout.note_missing(turn.now);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes in the value of a `stage/KEY`.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn see_text(&mut self, turn: &mut Turn<'_>, key: &Name, text: &str) -> Result<(), StorageError> {
        let order = self.deployment.rollouts.get_mut(key).and_then(|rollout| rollout.see_text(text, turn.now));
        match order {
            Some(order) => self.carry_out(turn, key, order).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Takes in which kill key of a rollout stands in KV.
    ///
    /// # Errors
    /// When the storage refuses.
    fn see_kill_key(&mut self, turn: &mut Turn<'_>, key: &Name, kill_key: Option<String>) -> Result<(), StorageError> {
        let Some(rollout) = self.deployment.rollouts.get_mut(key) else { return Ok(()) };
        let last = rollout.key_absent_since;
        if let Some(order) = rollout.see_kill_key(kill_key, turn.now) {
            return self.carry_out(turn, key, order).map(|_| ());
        }
        if rollout.key_absent_since == last {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.save(rollout);
        turn.commit(batch)
    }

    /// Takes note of something wrong with the deployment as a whole.
    pub fn notice(&mut self, turn: &mut Turn<'_>, subject: &str, message: String) {
        if !self.faults.iter().any(|known| known.subject == subject && known.message == message) {
            turn.warn("fault", subject, &message);
            self.faults.retain(|known| known.subject != subject);
            self.faults.push(Noticed { subject: subject.to_owned(), message, at: turn.now });
        }
    }

    /// Takes in what an isolate has counted and what it saw in KV. Returns what became of its batch, where it
    /// sent one; the batch itself is taken out of the flush.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn take_flush(&mut self, turn: &mut Turn<'_>, flush: &mut Flush) -> Result<Option<Receipt>, StorageError> {
        let now = turn.now;
        self.is_outdated =
            flush.plans.max(flush.seen.unwrap_or_default()) > self.deployment.plans || self.is_alarmed(flush, now);
        if self.isolates.note(flush, now) {
            self.plan_relays(turn)?;
        }
        self.isolates.note_known(flush, now);
        self.isolates.note_faults(&flush.faults, now);
        self.isolates.note_lists(&flush.isolate, &flush.lists);
        self.see_versions(flush, now);
        self.see_samples(flush);
        for (key, text) in &flush.texts {
            if let Ok(key) = key.parse() {
                self.see_text(turn, &key, text)?;
            }
        }
        for kill in &flush.kills {
            let is_its = |key: &&Name| kill == "kill/*" || kill.strip_prefix("kill/") == Some(key.as_str());
            let keys: Vec<Name> = self.deployment.rollouts.keys().filter(is_its).cloned().collect();
            for key in keys {
                if let Some(order) =
                    self.deployment.rollouts.get_mut(&key).and_then(|rollout| rollout.hear_of_kill_key(kill, now))
                {
                    self.carry_out(turn, &key, order)?;
                }
            }
        }
        self.take_batch(turn, flush)
    }

    /// Takes note of the versions that answers of new have named.
    fn see_versions(&mut self, flush: &Flush, now: Instant) {
        for (key, version) in flush.versions.iter().take(VERSIONS_MAX) {
            if let (Ok(key), Ok(version)) = (key.parse(), version.parse())
                && self.deployment.rollouts.get(&key).is_some()
            {
                self.deployment.metrics.get_mut(&key).versions.note(version, now);
            }
        }
    }

    /// Takes note of copies that new has answered otherwise than legacy.
    fn see_samples(&mut self, flush: &mut Flush) {
        for SampleOf { rollout, sample } in flush.shadow.drain(..) {
            if self.deployment.rollouts.get(&rollout).is_some() {
                self.deployment.metrics.get_mut(&rollout).shadow.add(sample);
            }
        }
    }

    /// Whether an isolate has found something wrong with the plans in KV, which is looked at now and then.
    fn is_alarmed(&mut self, flush: &Flush, now: Instant) -> bool {
        let is_due = |at: Instant| now.ms_since(at) >= ALARM_MS;
        let is_alarmed =
            flush.faults.iter().any(|(subject, _)| subject == "plans") && self.alarmed_at.is_none_or(is_due);
        if is_alarmed {
            self.alarmed_at = Some(now);
        }
        is_alarmed
    }

    /// Whether nothing is due, no flush has brought anything that changes anything, and the controller wakes in
    /// time for what it counted.
    pub fn is_quiet(&self, flush: &Flush, now: Instant) -> bool {
        let brings_news = self.is_outdated || !flush.texts.is_empty() || !flush.kills.is_empty();
        let evaluate_at = self.evaluate_at(now);
        !brings_news
            && self.wakes_at.is_some_and(|wakes_at| {
                wakes_at > now && evaluate_at.is_none_or(|evaluate_at| evaluate_at > now && wakes_at <= evaluate_at)
            })
    }

    /// The plans as the KV key `plans` holds them.
    pub fn plans_text(&self) -> String {
        let rollouts: Vec<Cow<'_, str>> = self.deployment.rollouts.iter().map(store::unread::published).collect();
        format!("{{\"v\":1,\"revision\":{},\"rollouts\":[{}]}}", self.deployment.plans, rollouts.join(","))
    }
}
