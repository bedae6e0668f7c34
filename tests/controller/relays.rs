//! Relays of the virtual world: each an object with a storage of its own, which dies, and whose storage refuses.

use std::collections::{BTreeMap, HashMap};

use tidegate::controller::relay::{Ask, Effect, Input, Relay};
use tidegate::model::Instant;
use tidegate::protocol::flush::{Answer, Batch};
use tidegate::protocol::relays::Place;

use crate::sqlite::Sqlite;

/// Who sends a flush.
#[derive(Clone, Debug)]
pub enum Caller {
    /// The isolate of a place, in one of its lives: which of its flushes, and its name.
    Isolate(usize, u32, u64, String),
    /// A relay, in one of its lives: which of its flushes.
    Relay(Place, u32, u64),
}

/// What is to be done outside.
#[derive(Debug)]
pub enum Outside {
    Answer(Caller, Result<Answer, String>),
    Ask(Option<Place>, Caller, String),
    Push(Vec<Place>, String),
    TickIn(i64, u32),
    WakeAt(Instant),
}

/// One relay.
pub struct Object {
    pub place: Place,
    relay: Relay,
    pub database: Sqlite,
    pub life: u32,
    held: HashMap<u64, Caller>,
    asks: HashMap<u64, Ask>,
    ids: u64,
    /// It dies before so many effects more are carried out.
    pub effects_left: Option<u32>,
    pub crashes: u32,
}

impl Object {
    pub fn new(place: Place) -> Self {
        Self {
            place,
            relay: Relay::default(),
            database: Sqlite::new(),
            life: 0,
            held: HashMap::new(),
            asks: HashMap::new(),
            ids: 0,
            effects_left: None,
            crashes: 0,
        }
    }

    pub fn flush(&mut self, caller: Caller, text: &str, now: Instant) -> Vec<Outside> {
        let flush = tidegate::protocol::flush::Flush::parse(text).unwrap();
        self.ids += 1;
        self.held.insert(self.ids, caller);
        self.input(Input::Flush(self.ids, Box::new(flush)), now)
    }

    pub fn answered(&mut self, ask: u64, outcome: Result<String, String>, now: Instant) -> Vec<Outside> {
        match self.asks.remove(&ask) {
            Some(ask) => self.input(Input::Answered(ask, outcome), now),
            None => Vec::new(),
        }
    }

    pub fn input(&mut self, input: Input, now: Instant) -> Vec<Outside> {
        let faults = self.database.faults;
        let effects = match self.relay.handle(&mut self.database, self.place, input, now) {
            Ok(effects) => {
                assert_eq!(self.database.faults, faults, "the storage has refused, and there are effects all the same");
                effects
            }
            Err(error) => {
                assert!(self.database.faults > faults, "{error}");
                if error.0.contains("lost") {
                    self.crash();
                }
                let held = std::mem::take(&mut self.held).into_values();
                return held.map(|caller| Outside::Answer(caller, Err("it refuses".to_owned()))).collect();
            }
        };
        let mut outside = Vec::new();
        for effect in effects {
            match &mut self.effects_left {
                Some(0) => {
                    self.crash();
                    return outside;
                }
                Some(left) => *left -= 1,
                None => {}
            }
            match effect {
                Effect::Answer(number, answer) => {
                    let caller = self.held.remove(&number).expect("it is answered once");
                    outside.push(Outside::Answer(caller, Ok(*answer)));
                }
                Effect::Refuse(number, why) => {
                    let caller = self.held.remove(&number).expect("it is answered once");
                    outside.push(Outside::Answer(caller, Err(why.to_owned())));
                }
                Effect::Ask(ask) => {
                    self.ids += 1;
                    let caller = Caller::Relay(self.place, self.life, self.ids);
                    outside.push(Outside::Ask(ask.receiver, caller, ask.text.clone()));
                    self.asks.insert(self.ids, ask);
                }
                Effect::Push(places, text) => outside.push(Outside::Push(places, text)),
                Effect::TickIn(ms) => outside.push(Outside::TickIn(ms, self.life)),
                Effect::WakeAt(at) => outside.push(Outside::WakeAt(at)),
                Effect::Log(_) => {}
            }
        }
        outside
    }

    /// It dies, and with it whatever is in memory and whoever waits.
    pub fn crash(&mut self) {
        self.crashes += 1;
        self.life += 1;
        self.effects_left = None;
        self.relay = Relay::default();
        self.held.clear();
        self.asks.clear();
    }

    /// Whether it has brought anything up, or tried to.
    pub fn has_sent(&self) -> bool {
        self.ids > 0
            && self.database.number("SELECT COUNT(*) FROM relay_batches", &[])
                + self.database.number("SELECT value FROM relay_numbers WHERE name = 'gone'", &[])
                > 0
    }

    /// What it has stored and may not have brought up: requests by rollout.
    pub fn stored(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        // One that was never called has no tables.
        if self.ids == 0 {
            return counts;
        }
        for text in self.database.texts("SELECT batch FROM relay_batches WHERE batch != ''", &[]) {
            for counted in Batch::parse(&text).unwrap().counted {
                let requests: u64 = counted.window.sides.iter().map(|(_, tally)| tally.requests).sum();
                *counts.entry(counted.rollout.to_string()).or_default() += requests;
            }
        }
        counts
    }
}
