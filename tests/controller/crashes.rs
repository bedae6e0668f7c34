//! The controller dies between any two of its effects, and the storage refuses any of its commits.

use std::collections::HashMap;

use serde_json::{Value, json};
use tidegate::protocol::api::Call;

use crate::people::{command, counted, counts, deployed, grant, rollout, settled};
use crate::seeds;
use crate::sqlite::Fault;
use crate::world::World;

/// So many deployments see so many faults each.
const LIVES: u64 = 20;
const FAULTS: u32 = 50;
const KEYS: [&str; 3] = ["one", "two", "three"];

/// An isolate, which sends each batch until it is acknowledged.
#[derive(Default)]
struct Isolate {
    sequence: u64,
    /// The batch that is under way: its rollout and its requests.
    open: Option<(&'static str, u64)>,
}

/// A change that somebody sends until it is answered.
struct Change {
    key: &'static str,
    reason: String,
    percentage: u64,
    revision: Option<u64>,
    /// The call that is under way.
    call: Option<u64>,
}

impl Change {
    fn call(&self) -> Call {
        let fields = json!({"command": "set", "percentage": self.percentage});
        Call { key: Some(self.reason.clone()), ..command("ana", self.key, &self.reason, Some("*"), fields) }
    }
}

#[derive(Default)]
struct Life {
    isolates: Vec<Isolate>,
    changes: Vec<Change>,
    acknowledged: HashMap<&'static str, u64>,
    sent_again: u32,
}

impl Life {
    fn act(&mut self, world: &mut World) {
        match world.dice.u32(0..10) {
            0..=3 => self.flush(world),
            4..=5 => self.change(world),
            6 => world.pass(1_000),
            _ => drop(world.step()),
        }
        self.hear(world);
    }

    fn flush(&mut self, world: &mut World) {
        let index = world.dice.usize(0..self.isolates.len());
        let isolate = &mut self.isolates[index];
        if isolate.open.is_none() {
            isolate.sequence += 1;
            isolate.open = Some((KEYS[world.dice.usize(0..KEYS.len())], world.dice.u64(1..10)));
        } else {
            self.sent_again += 1;
        }
        let (key, requests) = isolate.open.unwrap();
        let flush = counts(world, &format!("isolate-{index}"), isolate.sequence, key, requests);
        if world.flush(flush).is_some_and(|answer| answer.acknowledged == Some(isolate.sequence)) {
            *self.acknowledged.entry(key).or_default() += requests;
            isolate.open = None;
        }
    }

    /// Sends a new change, or again one that died on its way.
    fn change(&mut self, world: &mut World) {
        let open = self.changes.iter().position(|change| change.revision.is_none() && change.call.is_none());
        let index = open.unwrap_or_else(|| {
            let reason = format!("change {}", self.changes.len() + 1);
            let (key, percentage) = (KEYS[world.dice.usize(0..KEYS.len())], world.dice.u64(0..=100));
            self.changes.push(Change { key, reason, percentage, revision: None, call: None });
            self.changes.len() - 1
        });
        self.sent_again += u32::from(open.is_some());
        let id = world.begin(self.changes[index].call());
        self.changes[index].call = Some(id);
    }

    fn hear(&mut self, world: &mut World) {
        for change in &mut self.changes {
            match change.call.and_then(|call| world.reply(call)) {
                Some(Ok(reply)) => {
                    assert_eq!(reply.status, 200, "{}", reply.body);
                    let body: Value = serde_json::from_str(&reply.body).unwrap();
                    (change.revision, change.call) = (body["entry"]["revision"].as_u64(), None);
                }
                Some(Err(())) => change.call = None,
                None => {}
            }
        }
    }

    /// What is acknowledged is counted, and what is open is counted once or not at all.
    fn verify_counts(&self, world: &mut World) {
        for key in KEYS {
            let sure = self.acknowledged.get(key).copied().unwrap_or_default();
            let open = self.isolates.iter().filter_map(|isolate| isolate.open).filter(|(own, _)| *own == key);
            let most = sure + open.map(|(_, requests)| requests).sum::<u64>();
            let counted = counted(world, key);
            assert!((sure..=most).contains(&counted), "{key}: {counted} counted, {sure} acknowledged, {most} sent");
        }
    }
}

#[test]
fn a_thousand_faults_lose_nothing_that_was_granted_and_double_nothing() {
    for seed in seeds(LIVES) {
        let mut world = deployed(seed, &KEYS, 10);
        (world.kv.jitter_ms, world.kv.fail_rate, world.kv.late_rate) = (500, 0.05, 0.01);
        let mut life = Life { isolates: (0..4).map(|_| Isolate::default()).collect(), ..Life::default() };
        let happened = |world: &World| world.crashes + world.database.faults;
        for _ in 0..FAULTS {
            let before = happened(&world);
            match world.dice.u32(0..4) {
                0 | 1 => world.effects_left = Some(world.dice.u32(0..12)),
                2 => world.database.fault = Some(Fault::Refuse(world.dice.u32(1..8))),
                _ => world.database.fault = Some(Fault::Swallow(world.dice.u32(1..8))),
            }
            while happened(&world) == before {
                life.act(&mut world);
            }
            life.verify_counts(&mut world);
        }
        while life.changes.iter().any(|change| change.revision.is_none())
            || life.isolates.iter().any(|isolate| isolate.open.is_some())
        {
            life.act(&mut world);
        }
        life.verify_counts(&mut world);
        assert!(life.sent_again >= FAULTS / 4, "the faults of {seed} met something under way");
        // A write that outlived its controller may have come after the next one's: reads show that, two minutes later.
        (world.kv.fail_rate, world.kv.late_rate) = (0.0, 0.0);
        world.pass(300_000);
        for key in KEYS {
            let entries = settled(&mut world, key);
            let of = |reason: &str| entries.iter().filter(|entry| entry.reason == reason).count();
            for change in life.changes.iter().filter(|change| change.key == key) {
                let entry = entries.iter().find(|entry| Some(entry.revision) == change.revision).unwrap();
                assert_eq!((&entry.reason, of(&change.reason)), (&change.reason, 1), "seed {seed}");
            }
        }
    }
}

#[test]
fn what_kv_refuses_is_written_once_it_takes_it_whoever_died_meanwhile() {
    for dies in [false, true] {
        let mut world = deployed(1, &["shop"], 10);
        world.kv.is_down = true;
        grant(&mut world, command("ana", "shop", "on", Some("*"), json!({"command": "set", "percentage": 20})));
        world.pass(20_000);
        assert_eq!(rollout(&mut world, "shop")["published"]["is_current"], false);
        if dies {
            world.crash();
        }
        world.kv.is_down = false;
        world.pass(3_000);
        let held: Value = serde_json::from_str(world.held("stage/shop").unwrap()).unwrap();
        assert_eq!((held["percentage"].as_f64(), &held["revision"]), (Some(20.0), &json!(4)), "dies: {dies}");
    }
}
