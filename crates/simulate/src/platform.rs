//! The controller of a simulated run, and the platform around it: the same controller that runs in operation, in a
//! rhythm of its own.
//!
//! What it wants done is done at once: KV is never stale and never fails, and nobody edits it by hand. The storage
//! keeps nothing but the history, from which it is read what the controller has done. So a life has no files and no
//! database, and a browser can live it too.

use std::collections::VecDeque;

use serde::Deserialize;

use tidegate_controller::{
    Controller, Effect, Input, KvTexts, Publication, PublicationStep, Rhythm, Row, Statement, Storage, StorageError,
    Value,
};
use tidegate_decide::deployment::Deployment;
use tidegate_decide::judge::term::Manner;
use tidegate_model::command::Command;
use tidegate_model::history::Entry;
use tidegate_model::plan::Item;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::body::Reported;
use tidegate_protocol::api::{Call, Reply};
use tidegate_protocol::flush::{Batch, Counted, Flush};
use tidegate_protocol::relays::Sizes;

use super::rhythm::CALM_MS;

/// Whose commands an operator's are.
pub const OPERATOR: &str = "operator";
/// The one isolate of a simulated run: whoever comes is counted there.
const ISOLATE: &str = "simulated";
/// A flush tells of so many faults at the most, so more of them come in several.
const FAULTS_PER_FLUSH: usize = 32;
/// KV is polled this often, in milliseconds: nobody edits it.
const POLL_MS: i64 = 86_400_000;
/// Old minutes become hours this often, in minutes.
const FOLD_MINUTES: u64 = 60;
/// An alarm that has rung is set again at most so often for the same moment.
const ALARMS_MAX: usize = 10;

/// The controller and what it is connected to.
#[derive(Default)]
pub struct Platform {
    controller: Controller,
    history: History,
    kv: KvTexts,
    /// The number of the isolate's last batch.
    sequence: u64,
    /// From one evaluation to the next, in milliseconds, and whether they are put into words.
    rhythm: Option<(i64, bool)>,
    /// Stands in where the controller knows nothing.
    nothing: Deployment,
}

/// Why the controller refuses something.
#[derive(Debug, Default, Deserialize)]
pub struct Refused {
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub help: Option<String>,
}

impl Platform {
    /// All rollouts as the controller has them.
    pub fn deployment(&self) -> &Deployment {
        self.controller.deployment().unwrap_or(&self.nothing)
    }

    /// When the controller wants to be called again.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        self.controller.wake(now)
    }

    /// The changes since they were last taken, in their order.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.history.0)
    }

    /// Lets the controller evaluate so often from now on, in milliseconds, and in words where somebody reads them.
    pub fn evaluate_every(&mut self, evaluate_ms: i64, explains: bool, now: Instant) {
        if self.rhythm.replace((evaluate_ms, explains)) != Some((evaluate_ms, explains)) {
            let rhythm = Rhythm {
                evaluate_ms,
                evaluate_soon_ms: evaluate_ms,
                poll_ms: POLL_MS,
                poll_fresh_ms: POLL_MS,
                manner: Manner { gap_ms: 2 * CALM_MS, explains },
                fold_minutes: FOLD_MINUTES,
                asks: false,
                sizes: Sizes::default(),
            };
            self.handle(Input::Rhythm(rhythm), now);
        }
    }

    /// An operator applies plans, as the JSON list of them.
    ///
    /// # Errors
    /// When they are refused.
    pub fn apply(&mut self, plans: &str, now: Instant) -> Result<(), Refused> {
        let body = format!("{{\"rollouts\":{plans},\"reason\":\"a life begins\"}}");
        self.call("PUT", "plans".to_owned(), body, now)
    }

    /// An operator commands.
    ///
    /// # Errors
    /// When the command is refused.
    pub fn command(&mut self, key: &Name, command: &Command, reason: &str, now: Instant) -> Result<(), Refused> {
        let mut body = serde_json::to_value(command).unwrap_or_default();
        if let Some(fields) = body.as_object_mut() {
            fields.insert("reason".to_owned(), reason.into());
        }
        self.call("POST", format!("rollouts/{key}/commands"), body.to_string(), now)
    }

    /// As many operators as an item asks for tick it, in the role that it asks for.
    ///
    /// # Errors
    /// When one of them is refused.
    pub fn approve(&mut self, key: &Name, item: &Item, reason: &str, now: Instant) -> Result<(), Refused> {
        let body = serde_json::json!({ "command": "approve", "item": item.text, "reason": reason }).to_string();
        for person in 1..=item.approvals.max(1) {
            let actor = if person == 1 { OPERATOR.to_owned() } else { format!("{OPERATOR}-{person}") };
            let roles = item.role.iter().map(ToString::to_string).collect();
            let call = Call { actor, roles, ..Self::asked("POST", format!("rollouts/{key}/commands"), body.clone()) };
            self.send_call(call, now)?;
        }
        Ok(())
    }

    fn call(&mut self, method: &str, path: String, body: String, now: Instant) -> Result<(), Refused> {
        self.send_call(Self::asked(method, path, body), now)
    }

    fn asked(method: &str, path: String, body: String) -> Call {
        Call {
            method: method.to_owned(),
            path,
            actor: OPERATOR.to_owned(),
            if_match: Some("*".to_owned()),
            body,
            ..Call::default()
        }
    }

    fn send_call(&mut self, call: Call, now: Instant) -> Result<(), Refused> {
        match self.handle(Input::Call(call), now) {
            Some(reply) if !reply.is_problem => Ok(()),
            reply => Err(reply.and_then(|reply| serde_json::from_str(&reply.body).ok()).unwrap_or_default()),
        }
    }

    /// A signal is reported.
    pub fn report(&mut self, key: &Name, name: &str, value: f64, now: Instant) {
        self.handle(Input::Signal(key.clone(), Reported { name: name.to_owned(), value, note: None }), now);
    }

    /// The isolate sends what it has counted, and what is wrong with its configuration.
    pub fn flush(&mut self, counted: Vec<Counted>, mut faults: Vec<(String, String)>, now: Instant) {
        let batch = (!counted.is_empty()).then(|| {
            self.sequence += 1;
            Batch { sequence: self.sequence, counted, ..Batch::default() }
        });
        let later = faults.split_off(faults.len().min(FAULTS_PER_FLUSH));
        self.send(batch, faults, now);
        for faults in later.chunks(FAULTS_PER_FLUSH) {
            self.send(None, faults.to_vec(), now);
        }
    }

    fn send(&mut self, batch: Option<Batch>, faults: Vec<(String, String)>, now: Instant) {
        let deployment = self.deployment();
        let known = deployment.rollouts.iter();
        let known = known.map(|rollout| (rollout.plan.key.to_string(), rollout.record.live.revision)).collect();
        let plans = deployment.plans;
        let isolate = ISOLATE.to_owned();
        let flush = Flush { isolate, plans, known: Some(known), faults, batch, ..Flush::default() };
        self.handle(Input::Flush(flush), now);
    }

    /// Rings the alarm, where its time has come.
    pub fn ring(&mut self, now: Instant) {
        for _ in 0..ALARMS_MAX {
            if self.wake(now).is_none_or(|at| at > now) {
                return;
            }
            self.handle(Input::Alarm, now);
        }
    }

    /// Hands an input in, and does what the controller wants done. Returns the reply to a call.
    fn handle(&mut self, input: Input, now: Instant) -> Option<Reply> {
        let mut reply = None;
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            // The storage refuses nothing.
            for effect in self.controller.handle(&mut self.history, input, now).unwrap_or_default() {
                match effect {
                    Effect::Reply(own) => reply = Some(own),
                    Effect::ReadKv(read) => {
                        let texts = self.texts(&read.keys);
                        inputs.push_back(Input::KvRead(read, Ok(texts)));
                    }
                    Effect::Publish(publication) => inputs.push_back(self.publish(publication)),
                    // Nothing is sent about what is made up, and nothing is asked.
                    Effect::Answer(_)
                    | Effect::WakeAt(_)
                    | Effect::Log(_)
                    | Effect::Fetch(_)
                    | Effect::Errand(_)
                    | Effect::Push(..)
                    | Effect::Send(_)
                    | Effect::FindUnset(_)
                    | Effect::Try(_) => {}
                }
            }
        }
        reply
    }

    fn texts(&self, keys: &[String]) -> KvTexts {
        keys.iter()
            .filter_map(|key| self.kv.get_key_value(key))
            .map(|(key, text)| (key.clone(), text.clone()))
            .collect()
    }

    fn publish(&mut self, publication: Publication) -> Input {
        match &publication.step {
            PublicationStep::Read(keys, _) => {
                let texts = self.texts(keys);
                Input::Looked(publication, Ok(texts))
            }
            PublicationStep::Write(writes) => {
                for write in writes {
                    match &write.text {
                        Some(text) => self.kv.insert(write.key.clone(), text.clone()),
                        None => self.kv.remove(&write.key),
                    };
                }
                let errors = vec![None; writes.len()];
                Input::Written(publication, errors)
            }
        }
    }
}

/// A storage that keeps the history, until it is taken, and nothing else.
#[derive(Default)]
struct History(Vec<Entry>);

impl Storage for History {
    fn rows(&mut self, _: &str, _: &[Value]) -> Result<Vec<Row>, StorageError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, statements: &[Statement]) -> Result<(), StorageError> {
        let entries = statements.iter().filter(|statement| statement.sql.starts_with("INSERT INTO history "));
        self.0.extend(entries.filter_map(|statement| match statement.parameters.last() {
            Some(Value::Text(text)) => Entry::parse(text).ok().map(|(entry, _)| entry),
            _ => None,
        }));
        Ok(())
    }

    fn keeps(&self) -> bool {
        false
    }
}
