//! A controller in a virtual world: its clock, its alarm, and a KV that is late, stale and fails. Whatever is due next
//! happens next, so minutes pass in milliseconds, and a seed repeats a life.
//!
//! The world watches what comes out of the controller: nothing may be published, answered or acknowledged that is not
//! stored.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use tidegate::controller::{
    Controller, Delivered, Effect, Errand, Fetch, Fetched, Input, KvTexts, KvWrite, LogLine, Outgoing, Publication,
    PublicationStep, ReadKv, Trial,
};
use tidegate::model::Instant;
use tidegate::model::history::Entry;
use tidegate::protocol::api::{Call, Reply};
use tidegate::protocol::errand::{ErrandAnswer, ErrandRequest};
use tidegate::protocol::flush::{Answer, Flush};
use tidegate::protocol::relays::Place;

use crate::receivers::Receivers;
use crate::sqlite::Sqlite;

/// A Monday, 09:00.
pub const START_MS: i64 = 1_795_424_400_000;
/// A write to KV is given up after this long.
const WRITE_MS_MAX: i64 = 10_000;
/// A receiver has so long to answer.
const LIMIT_MS: i64 = 10_000;
/// A source of signals answers after this long.
const SOURCE_MS: i64 = 50;

/// The values that a key has had, and since when.
type Versions = Vec<(i64, Option<String>)>;

/// Workers KV, as far as it can be trusted.
#[derive(Default)]
pub struct Kv {
    values: HashMap<String, Versions>,
    /// A read may be so old, in milliseconds.
    pub stale_ms: i64,
    /// A read takes up to so many milliseconds, a write too.
    pub jitter_ms: i64,
    /// The share of writes that fail, of which a half are carried out all the same.
    pub fail_rate: f64,
    /// The share of writes that take longer than they are waited for.
    pub late_rate: f64,
    /// Whether no write reaches it at all.
    pub is_down: bool,
}

impl Kv {
    pub fn at(&self, key: &str, ms: i64) -> Option<&str> {
        self.values.get(key)?.iter().rev().find(|(at, _)| *at <= ms)?.1.as_deref()
    }

    pub fn versions(&self, key: &str) -> &[(i64, Option<String>)] {
        self.values.get(key).map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug)]
enum Event {
    Alarm,
    /// A read has come back; whose it is, what it says, and since when the read goes on unwaited for.
    Read(Option<u64>, ReadKv, KvTexts),
    /// A read is waited for no longer: its event.
    Late(u64),
    Looked(Publication, KvTexts),
    /// A write reaches KV; whether it was given up before.
    Land(KvWrite, bool),
    Written(Publication, Vec<Option<String>>),
    /// A message reaches its receiver.
    Arrive(Box<Outgoing>),
    /// What became of it comes back.
    Delivered(Delivered),
    /// Samples have come back; whose call that was.
    Tried(Option<u64>, Trial),
    /// A source of signals has answered, or not.
    Fetched(Fetched),
    /// Something has come of an errand, or not.
    Returned(Box<Errand>, Result<ErrandAnswer, String>),
}

pub struct World {
    pub now_ms: i64,
    pub database: Sqlite,
    pub kv: Kv,
    /// Whom messages go to.
    pub receivers: Receivers,
    pub dice: fastrand::Rng,
    pub log: Vec<LogLine>,
    controller: Controller,
    events: BTreeMap<(i64, u64), Event>,
    alarm: Option<(i64, u64)>,
    ids: u64,
    /// The object dies before so many effects more are carried out.
    pub effects_left: Option<u32>,
    /// How often it has died.
    pub crashes: u32,
    replies: HashMap<u64, Reply>,
    waiting: HashSet<u64>,
    answer: Option<Answer>,
    /// Every text of KV that was handed in.
    pub seen: HashSet<String>,
    /// What sources of signals answer from now on; nothing where they hang.
    pub source: Option<Result<(u16, String), String>>,
    /// What sources were asked, and when.
    pub asked: Vec<(i64, Fetch)>,
    /// What errands are answered from now on, by the beginning of their addresses; what is not here hangs.
    pub hosts: Vec<(&'static str, Result<ErrandAnswer, String>)>,
    /// What errands have asked, and when.
    pub errands: Vec<(i64, ErrandRequest)>,
    /// What the environment holds.
    pub environment: HashMap<&'static str, &'static str>,
    /// What it is said to lack, of what plans name.
    pub unset: Vec<&'static str>,
    /// What goes to relays unasked.
    pub pushed: Vec<(Vec<Place>, String)>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            now_ms: START_MS,
            database: Sqlite::new(),
            kv: Kv::default(),
            receivers: Receivers::default(),
            dice: fastrand::Rng::with_seed(seed),
            log: Vec::new(),
            controller: Controller::default(),
            events: BTreeMap::new(),
            alarm: None,
            ids: 0,
            effects_left: None,
            crashes: 0,
            replies: HashMap::new(),
            waiting: HashSet::new(),
            answer: None,
            seen: HashSet::new(),
            source: None,
            asked: Vec::new(),
            hosts: Vec::new(),
            errands: Vec::new(),
            environment: HashMap::new(),
            unset: Vec::new(),
            pushed: Vec::new(),
        }
    }

    pub fn now(&self) -> Instant {
        Instant::from_epoch_ms(self.now_ms)
    }

    /// Somebody writes into KV, which shows it at once.
    pub fn put(&mut self, key: &str, text: Option<&str>) {
        self.kv.values.entry(key.to_owned()).or_default().push((self.now_ms, text.map(str::to_owned)));
    }

    /// What KV holds now.
    pub fn held(&self, key: &str) -> Option<&str> {
        self.kv.at(key, self.now_ms)
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn schedule(&mut self, at_ms: i64, event: Event) -> u64 {
        let id = self.id();
        self.events.insert((at_ms.max(self.now_ms), id), event);
        id
    }

    /// What reads see of these keys, each as old as it happens to be.
    pub fn sample(&mut self, keys: &[String]) -> KvTexts {
        let mut texts = KvTexts::new();
        for key in keys {
            let age_ms = if self.kv.stale_ms > 0 { self.dice.i64(0..=self.kv.stale_ms) } else { 0 };
            if let Some(text) = self.kv.at(key, self.now_ms - age_ms) {
                texts.insert(key.clone(), text.to_owned());
            }
        }
        texts
    }

    fn jitter(&mut self) -> i64 {
        if self.kv.jitter_ms > 0 { self.dice.i64(0..=self.kv.jitter_ms) } else { 0 }
    }

    /// Hands an input in, and carries out what the controller says.
    pub fn input(&mut self, owner: Option<u64>, input: Input) {
        match &input {
            Input::KvRead(_, Ok(texts)) | Input::Looked(_, Ok(texts)) => self.seen.extend(texts.values().cloned()),
            Input::Flush(flush) => self.seen.extend(flush.texts.iter().map(|(_, text)| text.clone())),
            _ => {}
        }
        let now = self.now();
        let faults = self.database.faults;
        match self.controller.handle(&mut self.database, input, now) {
            Ok(effects) => {
                assert_eq!(self.database.faults, faults, "the storage has refused, and there are effects all the same");
                for effect in effects {
                    match &mut self.effects_left {
                        Some(0) => return self.crash(),
                        Some(left) => *left -= 1,
                        None => {}
                    }
                    self.carry_out(owner, effect);
                }
            }
            Err(error) => {
                assert!(self.database.faults > faults, "{error}");
                // Whoever waits gets an error, and does not know what has become of it.
                owner.map(|owner| self.waiting.remove(&owner));
                if error.0.contains("lost") {
                    self.crash();
                }
            }
        }
    }

    fn carry_out(&mut self, owner: Option<u64>, effect: Effect) {
        match effect {
            Effect::Log(line) => self.log.push(line),
            Effect::WakeAt(at) => {
                self.alarm.take().map(|old| self.events.remove(&old));
                let at_ms = at.as_epoch_ms().max(self.now_ms);
                let id = self.schedule(at_ms, Event::Alarm);
                self.alarm = Some((at_ms, id));
            }
            Effect::Answer(answer) => {
                for reported in &answer.states {
                    self.assert_stored(&reported.key, &reported.state);
                }
                self.answer = Some(answer);
            }
            Effect::Reply(reply) => {
                self.assert_on_record(&reply);
                let owner = owner.expect("somebody is replied to");
                self.waiting.remove(&owner);
                self.replies.insert(owner, reply);
            }
            Effect::ReadKv(read) => {
                let (texts, takes_ms) = (self.sample(&read.keys), self.jitter());
                let (back_ms, until_ms) = (self.now_ms + takes_ms, read.until.as_epoch_ms());
                let id = self.schedule(back_ms, Event::Read(owner, read, texts));
                if back_ms > until_ms {
                    self.schedule(until_ms, Event::Late(id));
                }
            }
            Effect::Publish(publication) => self.publish(publication),
            Effect::Fetch(fetch) => {
                self.asked.push((self.now_ms, fetch.clone()));
                if let Some(answer) = self.source.clone() {
                    self.schedule(self.now_ms + SOURCE_MS, Event::Fetched(Fetched { fetch, answer }));
                }
            }
            Effect::Errand(errand) => self.run_errand(errand),
            Effect::Push(places, text) => {
                for reported in &Answer::parse(&text).unwrap().states {
                    self.assert_stored(&reported.key, &reported.state);
                }
                self.pushed.push((places, text));
            }
            Effect::Send(outgoing) => outgoing.into_iter().for_each(|own| self.send(own)),
            Effect::Try(trial) => {
                self.schedule(self.now_ms + 50, Event::Tried(owner, trial));
            }
            Effect::FindUnset(names) => {
                let unset = names.into_iter().filter(|name| self.unset.contains(&name.as_str())).collect();
                self.input(None, Input::Unset(unset));
            }
        }
    }

    fn run_errand(&mut self, errand: Errand) {
        let text = |name: &str| self.environment.get(name).map(|value| (*value).to_owned());
        let answer = match errand.request(&text, self.now()) {
            Ok(request) => {
                self.errands.push((self.now_ms, request.clone()));
                let found = self.hosts.iter().find(|(host, _)| request.url.starts_with(host));
                let Some((_, answer)) = found else { return };
                answer.clone()
            }
            Err(why) => Err(why),
        };
        self.schedule(self.now_ms + SOURCE_MS, Event::Returned(Box::new(errand), answer));
    }

    /// A message goes out: it reaches its receiver, and what that says comes back.
    fn send(&mut self, outgoing: Outgoing) {
        let sql = "SELECT COUNT(*) FROM outbox WHERE id = ? AND state = 'waiting'";
        assert_eq!(self.database.number(sql, &[&outgoing.id]), 1, "what is sent is stored");
        let (answer, takes_ms) = self.receivers.answer(&outgoing, self.now_ms);
        if takes_ms < LIMIT_MS {
            self.schedule(self.now_ms + takes_ms / 2, Event::Arrive(Box::new(outgoing.clone())));
        }
        let delivered = Delivered { id: outgoing.id, delivery: answer };
        self.schedule(self.now_ms + takes_ms.min(LIMIT_MS), Event::Delivered(delivered));
    }

    fn publish(&mut self, publication: Publication) {
        match &publication.step {
            PublicationStep::Read(keys, until) => {
                let (texts, takes_ms) = (self.sample(keys), self.jitter());
                let (back_ms, until_ms) = (self.now_ms + takes_ms, until.as_epoch_ms());
                let texts = if back_ms > until_ms { KvTexts::new() } else { texts };
                self.schedule(back_ms.min(until_ms), Event::Looked(publication, texts));
            }
            PublicationStep::Write(writes) => {
                let mut errors = Vec::new();
                let mut done_ms = self.now_ms;
                for write in writes.clone() {
                    if let (Some(key), Some(text)) = (write.key.strip_prefix("stage/"), &write.text) {
                        self.assert_stored(key, text);
                    }
                    let fails = self.kv.is_down || self.dice.f64() < self.kv.fail_rate;
                    let is_late = self.dice.f64() < self.kv.late_rate;
                    let takes_ms = self.jitter() + if is_late { WRITE_MS_MAX + 1 } else { 0 };
                    done_ms = done_ms.max(self.now_ms + takes_ms.min(WRITE_MS_MAX));
                    errors.push((fails || is_late).then(|| "KV is out of order".to_owned()));
                    if !fails || !self.kv.is_down && self.dice.bool() {
                        self.schedule(self.now_ms + takes_ms, Event::Land(write, is_late));
                    }
                }
                self.schedule(done_ms, Event::Written(publication, errors));
            }
        }
    }

    /// What KV and isolates learn of a rollout is the state of an entry in its stored history.
    fn assert_stored(&self, key: &str, text: &str) {
        let revision = serde_json::from_str::<Value>(text).unwrap()["revision"].to_string();
        let sql = "SELECT entry FROM history WHERE rollout = ? AND revision = CAST(? AS INTEGER)";
        let stored = self.database.texts(sql, &[key, &revision]);
        let stored = stored.first().unwrap_or_else(|| panic!("revision {revision} of {key} is published, not stored"));
        assert_eq!(Entry::parse(stored).unwrap().0.state.to_json(), text, "what is published is what is stored");
    }

    /// An entry that is granted is stored.
    fn assert_on_record(&self, reply: &Reply) {
        let Ok(body) = serde_json::from_str::<Value>(&reply.body) else { return };
        let entry = &body["entry"];
        if reply.status == 200 && entry.is_object() {
            let (key, revision) = (entry["rollout"].as_str().unwrap(), entry["revision"].to_string());
            let sql = "SELECT entry FROM history WHERE rollout = ? AND revision = CAST(? AS INTEGER)";
            let stored = self.database.texts(sql, &[key, &revision]);
            let stored =
                stored.first().unwrap_or_else(|| panic!("revision {revision} of {key} is granted, not stored"));
            assert_eq!(&serde_json::from_str::<Value>(stored).unwrap(), entry);
        }
    }

    /// The object dies, and with it all that waits. Writes that are under way may reach KV or not.
    pub fn crash(&mut self) {
        self.crashes += 1;
        self.effects_left = None;
        self.controller = Controller::default();
        self.waiting.clear();
        let events = std::mem::take(&mut self.events);
        for (at, event) in events {
            match event {
                Event::Alarm => drop(self.events.insert(at, event)),
                // What is on the wire may get there.
                Event::Arrive(_) if self.dice.bool() => drop(self.events.insert(at, event)),
                Event::Land(write, _) if self.dice.bool() => drop(self.events.insert(at, Event::Land(write, false))),
                _ => {}
            }
        }
    }

    /// Does what is due next; whether anything was.
    pub fn step(&mut self) -> bool {
        let Some(((at_ms, _), event)) = self.events.pop_first() else { return false };
        self.now_ms = self.now_ms.max(at_ms);
        match event {
            Event::Alarm => {
                self.alarm = None;
                self.input(None, Input::Alarm);
            }
            Event::Read(owner, read, texts) => self.input(owner, Input::KvRead(read, Ok(texts))),
            Event::Late(of) => {
                let found = self.events.iter_mut().find(|((_, id), _)| *id == of);
                if let Some((_, Event::Read(owner, read, _))) = found {
                    let (owner, call) = (owner.take(), read.call.take());
                    self.input(owner, Input::KvLate(call));
                }
            }
            Event::Looked(publication, texts) => self.input(None, Input::Looked(publication, Ok(texts))),
            Event::Land(write, is_late) => {
                self.put(&write.key, write.text.as_deref());
                if is_late {
                    self.input(None, Input::WrittenLate(write.key));
                }
            }
            Event::Written(publication, errors) => self.input(None, Input::Written(publication, errors)),
            Event::Arrive(outgoing) => self.receivers.take(*outgoing, self.now_ms),
            Event::Delivered(delivered) => self.input(None, Input::Delivered(delivered)),
            Event::Tried(owner, trial) => {
                let tried = trial.outgoing.iter().map(|(own, _)| self.receivers.tried(own)).collect();
                self.input(owner, Input::Tried(trial, tried));
            }
            Event::Fetched(fetched) => self.input(None, Input::Fetched(fetched)),
            Event::Returned(errand, answer) => self.input(None, Input::Returned(errand, answer)),
        }
        true
    }

    /// The events that may come next, in any order, where KV takes its time. A write is reported after it has landed,
    /// and the alarm comes by itself.
    fn open_events(&self) -> Vec<(i64, u64)> {
        let is_landing = self.events.values().any(|event| matches!(event, Event::Land(..)));
        let is_open = |event: &Event| match event {
            Event::Alarm => false,
            Event::Written(..) => !is_landing,
            _ => true,
        };
        self.events.iter().filter(|(_, event)| is_open(event)).map(|(at, _)| *at).collect()
    }

    /// How many of them there are.
    pub fn open(&self) -> usize {
        self.open_events().len()
    }

    /// Does one of them, out of its turn; which.
    pub fn step_at(&mut self, index: usize) -> String {
        let at = self.open_events()[index];
        let event = self.events.remove(&at).unwrap();
        let reported = format!("{event:?}");
        self.events.insert((0, 0), event);
        self.step();
        reported
    }

    /// Lets time pass, with all that falls due in it.
    pub fn pass(&mut self, ms: i64) {
        let end_ms = self.now_ms + ms;
        while self.events.first_key_value().is_some_and(|((at_ms, _), _)| *at_ms <= end_ms) {
            self.step();
        }
        self.now_ms = end_ms;
    }

    /// Begins a call; its number.
    pub fn begin(&mut self, call: Call) -> u64 {
        let id = self.id();
        self.waiting.insert(id);
        self.input(Some(id), Input::Call(call));
        id
    }

    /// The reply to a call; an error where the object died over it; nothing while it goes on.
    pub fn reply(&mut self, id: u64) -> Option<Result<Reply, ()>> {
        match self.replies.remove(&id) {
            Some(reply) => Some(Ok(reply)),
            None => (!self.waiting.contains(&id)).then_some(Err(())),
        }
    }

    /// Calls, and waits for the reply.
    pub fn call(&mut self, call: Call) -> Result<Reply, ()> {
        let id = self.begin(call);
        loop {
            if let Some(reply) = self.reply(id) {
                return reply;
            }
            assert!(self.step(), "somebody waits for nothing");
        }
    }

    /// Comes as an isolate; no answer where the object died over it.
    pub fn flush(&mut self, flush: Flush) -> Option<Answer> {
        self.answer = None;
        let (isolate, batch) = (flush.isolate.clone(), flush.batch.as_ref().map(|batch| batch.sequence));
        let crashes = self.crashes;
        self.input(None, Input::Flush(flush));
        let answer = self.answer.take()?;
        if let (Some(acknowledged), Some(_)) = (answer.acknowledged, batch) {
            let stored = self.database.number("SELECT sequence FROM isolates WHERE isolate = ?", &[&isolate]);
            assert_eq!(acknowledged, stored, "what is acknowledged is stored");
        }
        // The answer is on its way before the object dies over what comes after it.
        (self.crashes == crashes || self.dice.bool()).then_some(answer)
    }
}
