//! Relays of the virtual world: each an object with a storage of its own, which dies, and whose storage refuses.

use std::collections::{BTreeMap, HashMap};

use tidegate::controller::relay::{Ask, Effect, Input, Relay};
use tidegate::model::Instant;
use tidegate::protocol::flush::{Answer, Batch};
use tidegate::protocol::relays::Place;

use crate::people::counts;
use crate::sqlite::Sqlite;
use crate::world::World;

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

/// An alarm that failed rings again after so long, in milliseconds.
const ALARM_AGAIN_MS: i64 = 2_000;

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
        // The platform rings again after an alarm that failed.
        let again = matches!(input, Input::Alarm).then(|| Outside::WakeAt(now.plus_ms(ALARM_AGAIN_MS)));
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
                let refused = held.map(|caller| Outside::Answer(caller, Err("it refuses".to_owned())));
                return refused.chain(again).collect();
            }
        };
        // An alarm is set in the transaction of what is stored in the same turn.
        let is_set = |effect: &Effect| matches!(effect, Effect::WakeAt(_));
        let (set, effects): (Vec<_>, Vec<_>) = effects.into_iter().partition(is_set);
        let mut outside: Vec<Outside> = Vec::new();
        for effect in set {
            if let Effect::WakeAt(at) = effect {
                outside.push(Outside::WakeAt(at));
            }
        }
        for effect in effects {
            match &mut self.effects_left {
                Some(0) => {
                    self.crash();
                    outside.extend(again);
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
                Effect::WakeAt(_) => unreachable!("it was set before"),
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

/// A relay on its own, under a controller that acknowledges whatever comes.
struct Alone {
    object: Object,
    now_ms: i64,
    /// The numbers of the batches that were brought up.
    brought: Vec<u64>,
}

impl Alone {
    fn new() -> Self {
        let place = Place { level: 1, number: 3 };
        Self { object: Object::new(place), now_ms: crate::world::START_MS, brought: Vec::new() }
    }

    fn now(&self) -> Instant {
        Instant::from_epoch_ms(self.now_ms)
    }

    /// Does what the relay wants done; the answers to isolates.
    fn follow(&mut self, outside: Vec<Outside>) -> Vec<Result<Answer, String>> {
        let mut answers = Vec::new();
        let mut open = std::collections::VecDeque::from(outside);
        while let Some(own) = open.pop_front() {
            match own {
                Outside::Answer(_, outcome) => answers.push(outcome),
                Outside::Ask(_, Caller::Relay(_, _, id), text) => {
                    let flush = tidegate::protocol::flush::Flush::parse(&text).unwrap();
                    let acknowledged = flush.batch.map(|batch| batch.sequence);
                    self.brought.extend(acknowledged);
                    let answer = Answer { acknowledged, ..Answer::default() };
                    let now = self.now();
                    open.extend(self.object.answered(id, Ok(serde_json::to_string(&answer).unwrap()), now));
                }
                _ => {}
            }
        }
        answers
    }

    fn flush(&mut self, isolate: &str, sequence: Option<u64>) -> Vec<Result<Answer, String>> {
        let mut world = World::new(1);
        world.now_ms = self.now_ms;
        let mut flush = counts(&world, isolate, sequence.unwrap_or(1), "shop", 10);
        flush.batch = flush.batch.filter(|_| sequence.is_some());
        let (now, text) = (self.now(), serde_json::to_string(&flush).unwrap());
        let outside = self.object.flush(Caller::Isolate(0, 0, 0, isolate.to_owned()), &text, now);
        self.follow(outside)
    }

    fn tick(&mut self, after_ms: i64) -> Vec<Result<Answer, String>> {
        self.now_ms += after_ms;
        let now = self.now();
        let outside = self.object.input(Input::Tick, now);
        self.follow(outside)
    }
}

fn acknowledged(answers: &[Result<Answer, String>]) -> Vec<Option<u64>> {
    answers.iter().map(|answer| answer.as_ref().unwrap().acknowledged).collect()
}

#[test]
fn a_batch_is_acknowledged_when_it_is_stored_and_a_second_of_them_is_one() {
    let mut alone = Alone::new();
    assert_eq!(acknowledged(&alone.flush("warm", None)), [None], "who brings nothing waits for nobody");
    for isolate in ["a", "b", "c"] {
        assert!(alone.flush(isolate, Some(1)).is_empty(), "it waits for the tick");
    }
    assert_eq!(acknowledged(&alone.tick(1_000)), [Some(1); 3]);
    assert_eq!(alone.brought, [1], "it is one batch");
    assert!(alone.flush("a", Some(1)).is_empty());
    assert_eq!(acknowledged(&alone.tick(1_000)), [Some(1)]);
    assert_eq!(alone.brought, [1], "one that comes again counts no more");
}

#[test]
fn numbers_go_on_after_everything_has_gone_and_the_relay_has_died() {
    let mut alone = Alone::new();
    alone.flush("a", Some(1));
    alone.tick(1_000);
    alone.tick(1_000);
    alone.now_ms += 61_000;
    alone.flush("a", None);
    alone.tick(1_000);
    assert_eq!(alone.object.database.number("SELECT COUNT(*) FROM relay_batches", &[]), 0, "it has gone");
    alone.object.crash();
    alone.flush("a", Some(1));
    alone.flush("a", Some(2));
    alone.tick(1_000);
    alone.tick(1_000);
    assert_eq!(alone.brought, [1, 2], "a number is used once, and what has gone is known");
}

#[test]
fn news_do_not_wait_for_the_tick_and_the_batch_that_came_for_them_counts_once() {
    let mut alone = Alone::new();
    alone.flush("warm", None);
    let mut world = crate::people::deployed(1, &["shop"], 50);
    let known = tidegate::protocol::flush::Flush { isolate: "other".into(), ..Default::default() };
    let states = world.flush(known).unwrap().states;
    let news = serde_json::to_string(&Answer { states, ..Answer::default() }).unwrap();
    let now = alone.now();
    let outside = alone.object.input(Input::News(news), now);
    alone.follow(outside);
    let mut flush = counts(&world, "a", 1, "shop", 10);
    flush.known = Some(vec![("shop".into(), 1)]);
    let text = serde_json::to_string(&flush).unwrap();
    let outside = alone.object.flush(Caller::Isolate(0, 0, 0, "a".into()), &text, now);
    let answers = alone.follow(outside);
    let answer = answers[0].as_ref().unwrap();
    assert_eq!(
        (answer.states.len(), answer.acknowledged),
        (1, None),
        "it is reported at once, and nothing is stored yet"
    );
    assert!(alone.flush("a", Some(1)).is_empty(), "it comes again, knowing that");
    assert_eq!(acknowledged(&alone.tick(1_000)), [Some(1)]);
    assert_eq!(alone.brought, [1]);
}
