//! One rollout as the controller holds it: its plan, its state, and what it knows of KV.
//!
//! A change is worked out by `change`, which leaves everything as it is: the caller stores it first,
//! and then goes on with the rollout that is in it.

use std::rc::Rc;

use serde::Serialize;

use super::deployment::SCHEDULE;
use super::reconcile::controller::{Echo, KvObservation, sight};
use super::reconcile::isolate::ECHO_MS;
use super::transition::{KV, Refusal, transition};
use super::versions::Versions;
use tidegate_model::broke::Broke;
use tidegate_model::command::{Cause, Command, Target};
use tidegate_model::figure::Figure;
use tidegate_model::history::{Entry, EntryCause, FIRST, KvFound};
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;
use tidegate_model::{Instant, Name};

/// A rollout of a deployment.
#[derive(Clone)]
pub struct Rollout {
    /// Its plan.
    pub plan: Rc<Plan>,
    /// Its plan as JSON.
    pub plan_text: Rc<str>,
    /// Its state.
    pub record: Record,
    /// The hash of its last entry.
    pub hash: String,
    /// The revision that KV holds; 0 where it holds none of ours.
    pub published: u64,
    /// When KV last took its state.
    pub published_at: Instant,
    /// Adopted texts that may still be read.
    pub echoes: Vec<Echo>,
    /// Since when its kill key has been read as absent.
    pub key_absent_since: Option<Instant>,
    /// When a kill by key ended.
    pub key_gone_at: Option<Instant>,
    /// What is wrong with its `stage/KEY`.
    pub fault: Option<Noticed>,
    /// Why what is stored of it cannot be read. Its plan is then what could be reported it, on which nobody
    /// acts: it is held where it is, and only taken back or killed.
    pub unread: Option<Noticed>,
}

/// Something wrong that was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Noticed {
    /// What it concerns, such as a KV key.
    pub subject: String,
    /// What is wrong.
    pub message: String,
    /// Since when.
    pub at: Instant,
}

/// What is asked, by whom and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// What.
    pub command: Command,
    /// Whose command it is.
    pub actor: String,
    /// What led to it.
    pub cause: EntryCause,
    /// Why, in the words of whoever asks.
    pub reason: String,
    /// The figures that decided.
    pub measured: Vec<Figure>,
    /// What broke, of what takes something back.
    pub broke: Option<Broke>,
}

impl Order {
    /// What a person asks for.
    pub fn new(command: Command, actor: impl Into<String>, reason: String) -> Self {
        Self { command, actor: actor.into(), cause: EntryCause::Operator, reason, measured: Vec::new(), broke: None }
    }

    /// What the controller asks for itself, because of this.
    pub fn caused(command: Command, actor: &str, cause: EntryCause, measured: Vec<Figure>) -> Self {
        Self { command, actor: actor.to_owned(), cause, reason: String::new(), measured, broke: None }
    }

    /// What a KV key asks for, in which this was found.
    pub fn of_kv(command: Command, key: impl Into<String>, text: Option<String>, found: KvFound) -> Self {
        Self::caused(command, KV, EntryCause::Kv { key: key.into(), text, found }, Vec::new())
    }
}

/// A change that has been worked out and not yet stored.
pub struct Change {
    /// The rollout's key.
    pub key: Name,
    /// What goes into the history.
    pub entry: Entry,
    /// The entry's text.
    pub text: String,
    /// The rollout afterwards.
    pub rollout: Rollout,
}

impl Rollout {
    /// A rollout with this plan that has no history yet. `revision` is the last one that KV has
    /// seen of it, from which its own go on.
    pub fn new(plan: Rc<Plan>, plan_text: Rc<str>, revision: u64, now: Instant) -> Self {
        let mut record = Record::draft(&plan, now);
        record.live.revision = revision;
        Self {
            plan,
            plan_text,
            record,
            hash: FIRST.to_owned(),
            published: 0,
            published_at: now,
            echoes: Vec::new(),
            key_absent_since: None,
            key_gone_at: None,
            fault: None,
            unread: None,
        }
    }

    /// What becomes of it under an order, in force under `self.plan`.
    ///
    /// # Errors
    /// With the reason, when the command is refused.
    pub fn change(&self, order: Order, now: Instant) -> Result<Change, Refusal> {
        if !self.allows(&order.command) {
            return Err(Refusal::UnreadPlan);
        }
        let order = self.with_key_gone(order);
        let record = transition(&self.plan, &self.record, &order.command, &order.actor, now)?;
        let mut rollout = Self { record, ..self.clone() };
        if let Some(text) = order.command.kv_text() {
            rollout.echoes.push(Echo { text: text.to_owned(), overwritten: None });
        }
        match order.command {
            Command::Kill(Cause::Key(_)) => (rollout.key_absent_since, rollout.key_gone_at) = (None, None),
            Command::Revive(Cause::Key(_)) => (rollout.key_absent_since, rollout.key_gone_at) = (None, Some(now)),
            _ => {}
        }
        let entry = Entry {
            rollout: self.plan.key.clone(),
            revision: rollout.record.live.revision,
            at: now,
            actor: order.actor,
            command: order.command,
            cause: Some(order.cause),
            reason: order.reason,
            figures: Vec::new(),
            // Their sentences are made of them again.
            measured: order.measured.into_iter().map(|figure| Figure { text: String::new(), ..figure }).collect(),
            broke: order.broke,
            state: rollout.record.live.clone(),
            previous: self.hash.clone(),
        };
        let (text, hash) = entry.print();
        rollout.hash = hash;
        Ok(Change { key: self.plan.key.clone(), entry, text, rollout })
    }

    /// What is to be noted of the versions that new's answers name.
    pub fn deployed(&self, versions: &Versions, now: Instant) -> Option<Order> {
        let source = self.plan.upstreams.as_ref()?.new.version.as_ref()?;
        let version = versions.settled(self.record.live.version.as_ref(), now)?;
        let cause = EntryCause::Served { header: source.header().map_or_else(|| source.to_string(), str::to_owned) };
        Some(Order::caused(Command::Deployed(version.clone()), SCHEDULE, cause, Vec::new()))
    }

    /// Whether a command needs no more than what can be read of a rollout whose plan cannot be read.
    pub fn allows(&self, command: &Command) -> bool {
        let needs_no_plan = || {
            matches!(
                command,
                Command::Kill(_)
                    | Command::Revive(_)
                    | Command::Pause
                    | Command::Note
                    | Command::Deployed(_)
                    | Command::Rollback(Target::Off)
                    | Command::Apply { .. }
            )
        };
        self.unread.is_none() || needs_no_plan()
    }

    /// An operator's `revive` after the kill key was taken away ends the key's kill too.
    fn with_key_gone(&self, order: Order) -> Order {
        match (&order.command, &self.record.kill_key) {
            (Command::Revive(Cause::Command), Some(key)) if self.key_absent_since.is_some() => {
                Order { command: Command::Revive(Cause::Key(key.clone())), ..order }
            }
            _ => order,
        }
    }

    /// Whether KV holds its state.
    pub fn is_published(&self) -> bool {
        self.published == self.record.live.revision
    }

    /// Takes note that KV holds the state of this revision now.
    pub fn note_published(&mut self, revision: u64, now: Instant) {
        self.published = self.published.max(revision);
        self.published_at = now;
        self.echoes.retain(|echo| echo.is_about(now));
        if self.is_published() {
            for echo in self.echoes.iter_mut().filter(|echo| echo.overwritten.is_none()) {
                echo.overwritten = Some(now);
            }
        }
    }

    /// Takes note that KV shows an older state, or none. Within the time that a read may be stale that
    /// means nothing; after it somebody took the key away, or a write came late: it is written again.
    pub fn note_missing(&mut self, now: Instant) {
        if now.ms_since(self.published_at) >= ECHO_MS {
            self.published = 0;
        }
    }

    /// The texts in KV that are none but echoes.
    pub fn echoes(&self, now: Instant) -> impl Iterator<Item = &str> {
        self.echoes.iter().filter(move |echo| echo.is_about(now)).map(|echo| echo.text.as_str())
    }

    /// What a value of its `stage/KEY` asks for. What is wrong with it is noted.
    pub fn see_text(&mut self, text: &str, now: Instant) -> Option<Order> {
        let subject = format!("stage/{}", self.plan.key);
        let message = match sight(&self.plan, &self.record, &self.echoes, text, now) {
            KvObservation::Known => {
                self.fault = None;
                return None;
            }
            KvObservation::Older => {
                self.fault = None;
                self.note_missing(now);
                return None;
            }
            KvObservation::Edit(command) => {
                self.fault = None;
                let (text, found) = match &command {
                    Command::Set(setting) if setting.stage.is_some() => (None, KvFound::EditedState),
                    _ => (Some(text.trim().to_owned()), KvFound::Text),
                };
                return Some(Order::of_kv(command, subject, text, found));
            }
            KvObservation::Foreign(revision) => format!(
                "KV holds revision {revision}, which is newer than this controller's {}: does another deployment write to the same namespace?",
                self.record.live.revision
            ),
            KvObservation::Garbage(error) => format!("{error}; the last good state stays"),
        };
        if self.fault.as_ref().is_none_or(|reported| reported.message != message) {
            self.fault = Some(Noticed { subject, message, at: now });
        }
        None
    }

    /// What an isolate's word that it saw this kill key asks for. Isolates look at KV some seconds
    /// apart: just after a kill has ended, what they saw is the key that is gone.
    pub fn hear_of_kill_key(&mut self, key: &str, now: Instant) -> Option<Order> {
        let is_echo = self.key_gone_at.is_some_and(|at| now.ms_since(at) < ECHO_MS);
        if is_echo { None } else { self.see_kill_key(Some(key.to_owned()), now) }
    }

    /// What a look at its kill keys asks for; `key` is the one that stands in KV.
    ///
    /// That a key is gone is believed once it has not been seen for as long as a stale read may
    /// last: a kill must not end by one.
    pub fn see_kill_key(&mut self, key: Option<String>, now: Instant) -> Option<Order> {
        let order = |command: Command, key: String, found: KvFound| Some(Order::of_kv(command, key, None, found));
        match (key, &self.record.kill_key) {
            (Some(key), None) => order(Command::Kill(Cause::Key(key.clone())), key, KvFound::Key),
            (Some(_), Some(_)) => {
                self.key_absent_since = None;
                None
            }
            (None, None) => None,
            (None, Some(known)) => {
                let since = *self.key_absent_since.get_or_insert(now);
                let is_gone = now.ms_since(since) >= ECHO_MS;
                let key = known.clone();
                if is_gone { order(Command::Revive(Cause::Key(key.clone())), key, KvFound::Gone) } else { None }
            }
        }
    }
}
