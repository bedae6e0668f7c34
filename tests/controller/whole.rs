//! Lives of the whole system from a seed: the controller on SQLite, isolates in several places, operators who race, and
//! people who edit KV by hand, while the network, KV, the storage and the machines fail.
//!
//! 1. What is acknowledged is counted once, and nothing is counted twice.
//! 2. A history is one chain, and its commands lead to its states.
//! 3. What is published or answered is stored (the world checks it), and KV comes to hold what is stored.
//! 4. No isolate goes back to an older revision. Once nothing fails any more, each acts by the last one, and a kill
//!    reaches all within seconds.
//! 5. All of that holds whether isolates report to the controller or to relays, however many levels of these there are,
//!    and while that changes; and where relays die and their storage refuses.
//! 6. What was edited by hand is adopted once at the most, and no stale read ends a kill.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant as Clock};

use serde_json::{Value, json};
use tidegate::controller::Rhythm;
use tidegate::decide::assign::Variant;
use tidegate::model::Instant;
use tidegate::model::command::{Cause, Command, Setting};
use tidegate::model::history::Entry;
use tidegate::protocol::api::Call;
use tidegate::protocol::relays::{Place, Sizes};

use crate::isolates::{Network, System};
use crate::people::{command, deployed, get, grant, history, settled};
use crate::seeds;
use crate::sqlite::Fault;

/// So many lives with so many steps each.
const LIVES: u64 = 200;
const STEPS: u32 = 250;
const KEYS: [&str; 2] = ["one", "two"];
const PLACES: usize = 3;
/// A read of KV may be so old, in milliseconds.
const STALE_MS: i64 = 60_000;
/// A kill by key ends so long after its key at the latest: two minutes of polls that do not see it, the oldest of what
/// they see, and a poll.
const KEY_GONE_MS: i64 = 120_000 + STALE_MS + 60_000;
/// Whoever is asked every half second acts by the last revision after this, in milliseconds, where nothing fails.
const REACH_MS: i64 = 5_000;

struct Life {
    system: System,
    /// The calls that are under way.
    calls: Vec<(u64, String)>,
    /// How many there have been.
    called: u32,
    /// What people have written into KV under `stage/KEY`.
    edits: Vec<(&'static str, String)>,
    /// Of each kill key: whether it stands in KV, and since when.
    keys: HashMap<&'static str, (bool, i64)>,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let world = deployed(seed, &KEYS, 40);
        let mut system = System::new(seed, world, PLACES);
        let dice = &mut system.world.dice;
        let share = |dice: &mut fastrand::Rng, most: f64| if dice.bool() { dice.f64() * most } else { 0.0 };
        let network = Network {
            lost: share(dice, 0.3),
            twice: share(dice, 0.3),
            late_ms: dice.i64(0..7_000),
            unread: share(dice, 0.3),
        };
        let (fail_rate, late_rate) = (share(dice, 0.3), share(dice, 0.1));
        let (stale_ms, jitter_ms) = (dice.i64(0..=STALE_MS), dice.i64(0..3_000));
        system.network = network;
        let kv = &mut system.world.kv;
        (kv.stale_ms, kv.jitter_ms, kv.fail_rate, kv.late_rate) = (stale_ms, jitter_ms, fail_rate, late_rate);
        let has_relays = system.world.dice.u32(0..4) > 0;
        let mut life = Self { system, calls: Vec::new(), called: 0, edits: Vec::new(), keys: HashMap::new() };
        if has_relays {
            life.move_isolates();
        }
        life
    }

    fn key(&mut self) -> &'static str {
        KEYS[self.system.world.dice.usize(0..KEYS.len())]
    }

    fn place(&mut self) -> usize {
        self.system.world.dice.usize(0..PLACES)
    }

    fn act(&mut self) {
        match self.system.world.dice.u32(0..100) {
            0..=59 => {
                let (place, key) = (self.place(), self.key());
                self.system.request(place, key);
            }
            60..=67 => self.operate(),
            68..=71 => self.edit(),
            72..=73 => self.turn_kill_key(),
            74..=75 => {
                let place = self.place();
                self.system.restart(place);
                let name = self.system.name(place);
                self.system.note(format!("{name} begins"));
            }
            76..=77 => self.fail(),
            78..=81 => self.fail_a_relay(),
            82 => self.move_isolates(),
            _ => {
                let ms = self.system.world.dice.i64(0..4_000);
                self.system.pass(ms);
            }
        }
        let ms = self.system.world.dice.i64(0..300);
        self.system.pass(ms);
        self.hear();
    }

    /// One of two operators commands; some are refused, and the other's command may come in between.
    fn operate(&mut self) {
        let key = self.key();
        self.called += 1;
        let dice = &mut self.system.world.dice;
        let percentage = dice.u32(0..=100);
        let commands = [
            json!({"command": "set", "percentage": percentage}),
            json!({"command": "pause"}),
            json!({"command": "kill"}),
            json!({"command": "revive"}),
            json!({"command": "rollback"}),
            json!({"command": "resume"}),
            json!({"command": "advance"}),
        ];
        let fields = commands[dice.usize(0..commands.len())].clone();
        let actor = if dice.bool() { "ana" } else { "ben" };
        let reason = format!("call {}", self.called);
        let is_again = dice.u32(0..4) == 0;
        self.system.note(format!("{actor}: {key} {fields}"));
        let call = || Call { key: Some(reason.clone()), ..command(actor, key, &reason, Some("*"), fields.clone()) };
        // Whoever gets no answer sends it again.
        for _ in 0..1 + u32::from(is_again) {
            let id = self.system.world.begin(call());
            self.calls.push((id, reason.clone()));
        }
    }

    fn hear(&mut self) {
        let world = &mut self.system.world;
        self.calls.retain(|(id, reason)| match world.reply(*id) {
            Some(Ok(reply)) => {
                let body: Value = serde_json::from_str(&reply.body).unwrap();
                assert!(reply.status == 200 || reply.is_problem, "{reason}: {body}");
                false
            }
            Some(Err(())) => false,
            None => true,
        });
    }

    /// Somebody edits a state by hand, to a percentage that nobody ever writes again.
    fn edit(&mut self) {
        let key = self.key();
        let text = format!("{}.{:03}", self.edits.len() / 999 + 1, self.edits.len() % 999 + 1);
        self.system.note(format!("stage/{key} := {text}"));
        self.system.world.put(&format!("stage/{key}"), Some(&text));
        self.edits.push((key, text));
    }

    /// Somebody sets a kill key, or takes it away; not so soon that a read cannot tell.
    fn turn_kill_key(&mut self) {
        let key = self.key();
        let now_ms = self.system.world.now_ms;
        let (stands, since_ms) = self.keys.get(key).copied().unwrap_or((false, 0));
        if now_ms - since_ms > KEY_GONE_MS || stands {
            self.system.note(format!("kill/{key} {}", if stands { "goes" } else { "comes" }));
            self.system.world.put(&format!("kill/{key}"), (!stands).then_some(""));
            self.keys.insert(key, (!stands, now_ms));
        }
    }

    /// The controller dies, or its storage refuses.
    fn fail(&mut self) {
        let world = &mut self.system.world;
        let reported = match world.dice.u32(0..4) {
            0 | 1 => {
                world.effects_left = Some(world.dice.u32(0..8));
                format!("the controller dies after {:?} effects", world.effects_left)
            }
            2 => {
                world.database.fault = Some(Fault::Refuse(world.dice.u32(1..6)));
                format!("{:?}", world.database.fault)
            }
            _ => {
                world.database.fault = Some(Fault::Swallow(world.dice.u32(1..6)));
                format!("{:?}", world.database.fault)
            }
        };
        self.system.note(reported);
    }

    /// A relay dies, or its storage refuses.
    fn fail_a_relay(&mut self) {
        let places: Vec<Place> = self.system.relays.keys().copied().collect();
        if places.is_empty() {
            return;
        }
        let dice = &mut self.system.world.dice;
        let place = places[dice.usize(0..places.len())];
        let (which, after) = (dice.u32(0..4), dice.u32(0..4));
        let relay = self.system.relay(place);
        match which {
            0 => relay.crash(),
            1 => relay.effects_left = Some(after),
            2 => relay.database.fault = Some(Fault::Refuse(after + 1)),
            _ => relay.database.fault = Some(Fault::Swallow(after + 1)),
        }
        self.system.note(format!("{place} fails: {which} after {after}"));
    }

    /// The controller wants more relays, or fewer, or none.
    fn move_isolates(&mut self) {
        let dice = &mut self.system.world.dice;
        let grow = Sizes { direct_max: 1, per_relay: dice.usize(1..4), fan: dice.u32(2..4), calm_ms: 1_000 };
        let shrink = Sizes { direct_max: 1_000, per_relay: 1_000, ..grow };
        let sizes = if dice.u32(0..4) > 0 { grow } else { shrink };
        self.system.note(format!("{sizes:?}"));
        self.system.world.input(None, tidegate::controller::Input::Rhythm(Rhythm { sizes, ..Rhythm::default() }));
    }

    /// Nothing fails any more, and everything settles.
    fn calm(&mut self) {
        let system = &mut self.system;
        system.note("nothing fails any more".to_owned());
        system.network = Network::default();
        let world = &mut system.world;
        (world.effects_left, world.database.fault) = (None, None);
        for relay in system.relays.values_mut() {
            (relay.effects_left, relay.database.fault) = (None, None);
        }
        let world = &mut system.world;
        (world.kv.jitter_ms, world.kv.fail_rate, world.kv.late_rate) = (0, 0.0, 0.0);
        for key in KEYS {
            world.put(&format!("kill/{key}"), None);
        }
        world.input(None, tidegate::controller::Input::Alarm);
        self.visit(KEY_GONE_MS);
        self.system.world.kv.stale_ms = 0;
        self.visit(STALE_MS);
        self.hear();
        assert!(self.calls.is_empty(), "nobody waits for a reply: {:?}", self.calls);
    }

    /// Requests come to every isolate for some time.
    fn visit(&mut self, ms: i64) {
        for _ in 0..ms / 500 {
            for place in 0..PLACES {
                for key in KEYS {
                    self.system.request(place, key);
                }
            }
            self.system.pass(500);
        }
    }

    fn verify(&mut self) {
        for key in KEYS {
            let entries = settled(&mut self.system.world, key);
            let last = entries.last().unwrap();
            for place in 0..PLACES {
                let served = self.system.request(place, key).map(|(_, revision)| revision);
                assert_eq!(served, Some(last.revision), "the isolate of place {place} acts by the last state of {key}");
            }
            self.verify_kills(key, &entries);
            self.verify_edits(key, &entries);
        }
    }

    /// A kill ends by somebody's command, by an edit that nobody had seen before, or because its key is gone.
    fn verify_kills(&self, key: &str, entries: &[Entry]) {
        for pair in entries.windows(2) {
            let [before, after] = pair else { continue };
            if !before.state.killed || after.state.killed || ["ana", "ben"].contains(&after.actor.as_str()) {
                continue;
            }
            match &after.command {
                Command::Revive(Cause::Key(own)) => {
                    let stood = self.system.world.kv.at(own, after.at.as_epoch_ms());
                    assert_eq!(stood, None, "{own} ends the kill of {key} while it stands");
                }
                Command::Set(Setting { kv: Some(text), .. }) => {
                    let is_edit = self.edits.iter().any(|(own, edit)| *own == key && edit == text);
                    assert!(is_edit, "{text} ends the kill of {key}, and nobody wrote it");
                }
                command => panic!("{command} by {} ends the kill of {key}", after.actor),
            }
        }
    }

    fn verify_edits(&self, key: &str, entries: &[Entry]) {
        let mut adopted: BTreeMap<&str, u32> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.actor == "kv") {
            if let Some(text) = entry.command.kv_text() {
                *adopted.entry(text).or_default() += 1;
            }
        }
        for (text, times) in adopted {
            assert_eq!(times, 1, "{text}, written once, is adopted {times} times by {key}");
        }
    }

    /// The controller has counted what was acknowledged, unless relays still have it, and no more than was sent.
    fn verify_counts(&mut self, is_settled: bool) {
        let shown = self.system.world.call(get("/_tidegate/metrics", "")).expect("nothing dies").body;
        for key in KEYS {
            let of = |variant: &str| {
                let sample = format!("tidegate_requests_total{{rollout=\"{key}\",variant=\"{variant}\"}} ");
                let count = shown.lines().find_map(|line| line.strip_prefix(&sample));
                count.map_or(0, |count| count.parse::<f64>().unwrap() as u64)
            };
            let (counted, (sure, most)) = (of("new") + of("legacy"), self.system.requests(key));
            let on_the_way = if is_settled { 0 } else { self.system.at_relays(key) };
            assert!(
                counted <= most && sure <= counted + on_the_way,
                "{key}: {counted} counted, {sure} acknowledged, {on_the_way} at relays, {most} sent"
            );
        }
    }

    /// What living isolates have counted is acknowledged to the last request.
    fn verify_nothing_is_left(&self) {
        for place in 0..PLACES {
            let name = self.system.name(place);
            for key in KEYS {
                let counted = self.system.counted.get(&name).and_then(|own| own.get(key)).copied().unwrap_or_default();
                assert_eq!(self.system.acknowledged_of(&name, key), counted, "{name} has counted that of {key}");
            }
        }
    }

    /// A kill is everywhere within seconds.
    fn verify_reach(&mut self) {
        grant(&mut self.system.world, command("ana", KEYS[0], "the end", Some("*"), json!({"command": "kill"})));
        self.visit(REACH_MS);
        for place in 0..PLACES {
            let served = self.system.request(place, KEYS[0]);
            assert!(matches!(served, Some((Variant::Legacy, _))), "the kill has come to place {place}: {served:?}");
        }
    }
}

/// What the faults of lives met.
#[derive(Clone, Copy, Default)]
struct Met {
    /// How often the controller died or its storage refused.
    controller: u64,
    /// The same of relays.
    relays: u64,
    /// Batches that isolates had acknowledged by relays, and those by the controller itself.
    relayed: u64,
    direct: u64,
    /// The most levels of relays that a batch went through.
    levels: u8,
}

impl Met {
    fn and(self, other: Self) -> Self {
        Self {
            controller: self.controller + other.controller,
            relays: self.relays + other.relays,
            relayed: self.relayed + other.relayed,
            direct: self.direct + other.direct,
            levels: self.levels.max(other.levels),
        }
    }
}

/// One life.
fn live(seed: u64) -> Met {
    let mut life = Life::begin(seed);
    for step in 0..STEPS {
        life.act();
        if step % 50 == 49 {
            (life.system.world.effects_left, life.system.world.database.fault) = (None, None);
            life.verify_counts(false);
            KEYS.iter().for_each(|key| drop(history(&life.system.world, key)));
        }
    }
    life.calm();
    life.verify_counts(false);
    life.verify();
    life.verify_reach();
    life.visit(REACH_MS);
    for _ in 0..20 {
        life.system.drain();
        life.system.pass(3_000);
    }
    life.verify_nothing_is_left();
    life.verify_counts(true);
    let (world, relays) = (&life.system.world, life.system.relays.values());
    assert!(world.now() > Instant::from_epoch_ms(crate::world::START_MS));
    Met {
        controller: u64::from(world.crashes + world.database.faults),
        relays: relays.clone().map(|relay| u64::from(relay.crashes + relay.database.faults)).sum(),
        relayed: life.system.relayed,
        direct: life.system.direct,
        levels: relays.filter(|relay| relay.has_sent()).map(|relay| relay.place.level).max().unwrap_or(0),
    }
}

#[test]
fn the_whole_system_keeps_its_promises_whatever_fails() {
    let lives = seeds(LIVES);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let met = std::thread::scope(|scope| {
        let workers = lives
            .chunks(lives.len().div_ceil(cores))
            .map(|seeds| scope.spawn(|| seeds.iter().map(|seed| live(*seed)).fold(Met::default(), Met::and)));
        let workers: Vec<_> = workers.collect();
        workers.into_iter().map(|worker| worker.join().expect("its lives hold")).fold(Met::default(), Met::and)
    });
    if lives.len() > 1 {
        let each = lives.len() as u64;
        assert!(met.controller >= each, "the lives saw {} faults of controllers", met.controller);
        assert!(met.relays >= each, "the lives saw {} faults of relays", met.relays);
        assert!(met.relayed >= 20 * each, "relays acknowledged {} batches", met.relayed);
        assert!(met.direct >= 5 * each, "controllers acknowledged {} batches", met.direct);
        assert!(met.levels >= 3, "relays stood above each other on {} levels", met.levels);
    }
}

/// `make soak`: lives one after the other, from `SEED` on, for so many `MINUTES`; without them until one fails.
#[test]
#[ignore = "goes on until it is stopped: make soak"]
#[allow(clippy::disallowed_methods, reason = "somebody waits for it by the clock")]
fn soak() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (begun, minutes) = (Clock::now(), number("MINUTES"));
    let mut faults = 0;
    for (lives, seed) in (1_u64..).zip(number("SEED").unwrap_or(1)..) {
        let met = live(seed);
        faults += met.controller + met.relays;
        if lives % 100 == 0 {
            eprintln!("{lives} lives, {faults} faults, {} s: the last seed was {seed}", begun.elapsed().as_secs());
        }
        if minutes.is_some_and(|minutes| begun.elapsed() >= Duration::from_secs(60 * minutes)) {
            return;
        }
    }
}
