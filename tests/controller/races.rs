//! Two operators and a third hand in KV, all at once, over a KV that is late, stale and fails: no accepted command is
//! lost, no edit counts twice, no revision has two changes, and everybody ends with the same state.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use tidegate::model::command::{Cause, Command, Setting};
use tidegate::model::history::Entry;
use tidegate::model::live::LiveText;
use tidegate::protocol::api::Call;
use tidegate::protocol::flush::Flush;

use crate::people::{command, deployed, settled};
use crate::seeds;
use crate::world::World;

const LIVES: u64 = 8;
const ROUNDS: usize = 200;
const KEYS: [&str; 4] = ["one", "two", "three", "four"];
const PEOPLE: [&str; 2] = ["ana", "ben"];
const STALE_MS: i64 = 3_000;
const JITTER_MS: i64 = 200;
/// Weighted by repetition. `set` brings a percentage.
const COMMANDS: [&str; 14] = [
    "set", "set", "set", "set", "advance", "pause", "resume", "resume", "rollback", "kill", "revive", "revive",
    "complete", "start",
];

/// A command that was sent, and what came of it.
struct Sent {
    actor: &'static str,
    command: &'static str,
    decided_on: Option<u64>,
    call: Option<u64>,
    /// The status, and the revision that was granted.
    answered: Option<(u16, Option<u64>)>,
}

/// Everything that happens to one rollout.
struct Lane {
    key: &'static str,
    known: HashMap<&'static str, u64>,
    sent: BTreeMap<String, Sent>,
    edits: HashSet<String>,
}

impl Lane {
    fn command(&mut self, world: &mut World, actor: &'static str) {
        let name = COMMANDS[world.dice.usize(0..COMMANDS.len())];
        let reason = format!("{actor} wants {name}, the {}th", self.sent.len() + 1);
        let needs_none = ["kill", "pause", "rollback"].contains(&name) && world.dice.f64() < 0.8;
        let decided_on = (!needs_none).then(|| self.known.get(actor).copied().unwrap_or(1));
        let mut fields = json!({"command": name});
        if name == "set" {
            fields["percentage"] = world.dice.u32(0..=100).into();
        }
        let if_match = decided_on.map(|revision| format!("\"{revision}\""));
        let call = command(actor, self.key, &reason, if_match.as_deref(), fields);
        let call = Call { key: (world.dice.f64() < 0.3).then(|| reason.clone()), ..call };
        let id = world.begin(call);
        self.sent.insert(reason, Sent { actor, command: name, decided_on, call: Some(id), answered: None });
    }

    fn hear(&mut self, world: &mut World) {
        for sent in self.sent.values_mut() {
            let Some(Ok(reply)) = sent.call.and_then(|call| world.reply(call)) else { continue };
            let body: Value = serde_json::from_str(&reply.body).unwrap();
            let shown = if body["rollout"].is_object() { &body["rollout"] } else { &body["current"] };
            if let Some(revision) = shown["state"]["revision"].as_u64() {
                self.known.insert(sent.actor, revision);
            }
            (sent.call, sent.answered) = (None, Some((reply.status, body["entry"]["revision"].as_u64())));
        }
    }

    /// An edit by hand, of a percentage that nobody sets otherwise.
    fn edit(&mut self, world: &mut World) {
        let percentage = (((self.edits.len() + 1) * 7_919) % 99_000 + 500) as f64 / 1_000.0;
        self.edits.insert(percentage.to_string());
        let sign = if world.dice.f64() < 0.3 { "%" } else { "" };
        world.put(&format!("stage/{}", self.key), Some(&format!("{percentage}{sign}")));
    }

    /// Kills by a key of its own, or takes that key away.
    fn switch(&self, world: &mut World) {
        let key = format!("kill/{}", self.key);
        let text = world.held(&key).is_none().then_some("on");
        world.put(&key, text);
    }

    /// An isolate reads KV, and passes on what people wrote there.
    fn flush(&self, world: &mut World) {
        let (stage, kill) = (format!("stage/{}", self.key), format!("kill/{}", self.key));
        let texts = world.sample(&[stage.clone(), kill.clone()]);
        let by_hand = texts.get(&stage).filter(|text| !matches!(LiveText::parse(text), Ok(LiveText::Written(_))));
        let flush = Flush {
            isolate: format!("isolate-{}", world.dice.u32(0..3)),
            texts: by_hand.map(|text| (self.key.to_owned(), text.clone())).into_iter().collect(),
            kills: texts.contains_key(&kill).then_some(kill).into_iter().collect(),
            ..Flush::default()
        };
        world.flush(flush);
    }

    fn round(&mut self, world: &mut World) {
        for actor in PEOPLE {
            if world.dice.f64() < 0.7 {
                self.command(world, actor);
            }
            // What begins together does not arrive in one order.
            let pause_ms = world.dice.i64(0..100);
            world.pass(pause_ms);
        }
        for (share, act) in [(0.2, Self::edit as fn(&mut Self, &mut World)), (0.05, |own, world| own.switch(world))] {
            if world.dice.f64() < share {
                act(self, world);
            }
        }
        if world.dice.f64() < 0.4 {
            self.flush(world);
        }
        self.hear(world);
    }

    /// What must hold whatever has happened.
    fn verify(&self, world: &World, entries: &[Entry]) {
        self.nothing_is_lost(entries);
        self.nothing_is_added_or_doubled(entries);
        self.nothing_revives_but_a_revive(world, entries);
    }

    fn nothing_is_lost(&self, entries: &[Entry]) {
        let mut granted = HashSet::new();
        for (reason, sent) in &self.sent {
            let (status, revision) = sent.answered.expect("a command is answered whatever KV does");
            assert!(status < 500, "{reason}: {status}");
            if status != 200 {
                continue;
            }
            let revision = revision.unwrap();
            let entry = &entries[revision as usize - 1];
            assert_eq!(
                (&*entry.actor, entry.command.name(), &*entry.reason),
                (sent.actor, sent.command, &**reason),
                "revision {revision} of {}",
                self.key
            );
            assert!(granted.insert(revision), "revision {revision} of {} was granted twice", self.key);
            if let Some(decided_on) = sent.decided_on {
                assert_eq!(revision, decided_on + 1, "{reason}: it was decided on revision {decided_on}");
            }
        }
    }

    fn nothing_is_added_or_doubled(&self, entries: &[Entry]) {
        let mut adopted = HashSet::new();
        for entry in entries.iter().filter(|entry| entry.reason != "begin" && entry.reason != "ana applies") {
            if PEOPLE.contains(&&*entry.actor) {
                let answered = self.sent[&entry.reason].answered.unwrap();
                assert_eq!(answered, (200, Some(entry.revision)), "{} is what was answered", entry.reason);
            } else if let Command::Set(Setting { percentage, .. }) = &entry.command {
                assert_eq!(entry.actor, "kv");
                assert!(self.edits.contains(&percentage.to_string()), "{percentage} was written into KV");
                assert!(adopted.insert(percentage.to_string()), "{percentage} was adopted twice");
            }
        }
    }

    fn nothing_revives_but_a_revive(&self, world: &World, entries: &[Entry]) {
        let (mut by_key, mut was_killed) = (false, false);
        for Entry { actor, command, state, revision, at, .. } in entries {
            by_key |= matches!(command, Command::Kill(Cause::Key(_)));
            if was_killed && !state.killed {
                let by_number = actor == "kv" && matches!(command, Command::Set(_));
                assert!(
                    matches!(command, Command::Revive(_)) || by_number && !by_key,
                    "{actor}'s {command} revives {} at revision {revision}",
                    self.key
                );
                assert!(
                    !by_key || !self.stood(world, at.as_epoch_ms()),
                    "revision {revision} revives {} under its standing kill key",
                    self.key
                );
                by_key = false;
            }
            was_killed = state.killed;
        }
    }

    /// Whether the kill key stood so long before this time that every read must have found it.
    fn stood(&self, world: &World, at_ms: i64) -> bool {
        let versions = world.kv.versions(&format!("kill/{}", self.key));
        let start = versions.iter().rev().find(|(since, _)| *since < at_ms - STALE_MS - JITTER_MS);
        start.is_some_and(|(since, text)| {
            text.is_some() && !versions.iter().any(|(later, _)| later > since && *later < at_ms)
        })
    }
}

#[test]
fn a_thousand_rounds_of_two_operators_and_edits_by_hand() {
    let mut sums = [0; 5];
    for seed in seeds(LIVES) {
        let mut world = deployed(seed, &KEYS, 10);
        (world.kv.stale_ms, world.kv.jitter_ms, world.kv.fail_rate) = (STALE_MS, JITTER_MS, 0.05);
        let lane = |key| Lane { key, known: HashMap::new(), sent: BTreeMap::new(), edits: HashSet::new() };
        let mut lanes: Vec<Lane> = KEYS.into_iter().map(lane).collect();
        for _ in 0..ROUNDS {
            lanes.iter_mut().for_each(|lane| lane.round(&mut world));
        }
        world.pass(10_000);
        for lane in &mut lanes {
            lane.hear(&mut world);
            let entries = settled(&mut world, lane.key);
            lane.verify(&world, &entries);
            let count = |status: u16| lane.sent.values().filter(|sent| sent.answered.unwrap().0 == status).count();
            let by_hand = entries.iter().filter(|entry| entry.actor == "kv").count();
            let figures = [count(200), count(412), count(409), by_hand, lane.edits.len()];
            sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
        }
    }
    let [accepted, stale, refused, adopted, edits] = sums;
    println!("{accepted} accepted, {stale} stale, {refused} refused; {edits} edits, {adopted} entries of them");
    assert!(accepted > 200 && stale > 50 && refused > 50 && adopted > 20, "the race was one");
}

#[test]
fn of_two_who_decide_on_one_revision_one_is_stale() {
    for first in PEOPLE {
        let mut world = deployed(1, &["shop"], 10);
        let set = |actor: &str, percentage: u32| {
            let fields = json!({"command": "set", "percentage": percentage});
            command(actor, "shop", &format!("{actor} sets"), Some("\"3\""), fields)
        };
        let second = if first == "ana" { "ben" } else { "ana" };
        let won = world.call(set(first, 20)).unwrap();
        let lost = world.call(set(second, 30)).unwrap();
        assert_eq!((won.status, won.revision, lost.status, lost.revision), (200, Some(4), 412, Some(4)));
        let current: Value = serde_json::from_str(&lost.body).unwrap();
        assert_eq!(current["current"]["percentage"], 20.0, "who lost sees what won");
        assert_eq!(settled(&mut world, "shop").len(), 4);
    }
}
