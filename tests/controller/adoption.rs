//! What people write into KV by hand is adopted once, in whatever order reads, writes and commands come, and what is
//! read late is no news.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidegate::model::command::{Command, Setting};
use tidegate::model::history::Entry;
use tidegate::protocol::flush::Flush;

use crate::people::{command, deployed, get, grant, history, rollout, seen, settled};
use crate::world::World;

/// So long what was written over may still be read, in milliseconds.
const ECHO_MS: i64 = 120_000;

/// What may happen to a settled rollout, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Somebody writes this into KV.
    Edit(&'static str),
    /// An operator sets 50 %.
    Set,
    /// An operator asks for the rollout, which makes the controller read KV.
    Poll,
    /// An isolate reads KV and passes on what people wrote there.
    Flush,
}

/// All the ways through a tree of choices, one after the other.
#[derive(Default)]
struct Ways {
    /// What was chosen, of how many.
    chosen: Vec<(usize, usize)>,
    depth: usize,
}

impl Ways {
    fn choose(&mut self, count: usize) -> usize {
        if self.depth == self.chosen.len() {
            self.chosen.push((0, count));
        }
        self.depth += 1;
        self.chosen[self.depth - 1].0
    }

    /// Turns to the next way; whether there is one.
    fn next(&mut self) -> bool {
        self.depth = 0;
        while let Some((choice, count)) = self.chosen.last_mut() {
            *choice += 1;
            if choice < count {
                return true;
            }
            self.chosen.pop();
        }
        false
    }
}

fn act(world: &mut World, act: Act) {
    match act {
        Act::Edit(text) => world.put("stage/shop", Some(text)),
        Act::Set => {
            let fields = json!({"command": "set", "percentage": 50});
            world.begin(command("ana", "shop", "half", Some("*"), fields));
        }
        Act::Poll => {
            world.begin(get("rollouts/shop", ""));
        }
        Act::Flush => {
            let text = world.held("stage/shop").unwrap().to_owned();
            if !text.starts_with('{') {
                world.flush(seen("isolate", "shop", &text));
            }
        }
    }
}

fn adopted(entries: &[Entry]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.actor == "kv") {
        let Command::Set(Setting { percentage, .. }) = &entry.command else { panic!("{}", entry.command) };
        *counts.entry(percentage.to_string()).or_default() += 1;
    }
    counts
}

/// Plays every order of the acts and of all that they lead to. How many there are.
fn interleave(acts: &[Act]) -> usize {
    let mut ways = Ways::default();
    let mut count = 0;
    loop {
        count += 1;
        let mut world = deployed(1, &["shop"], 100);
        // The last look at KV is no longer fresh.
        world.now_ms += 5_000;
        let mut left = acts.to_vec();
        let mut story = Vec::new();
        let mut order = Vec::new();
        while !left.is_empty() || world.open() > 0 {
            let choice = ways.choose(left.len() + world.open());
            if choice < left.len() {
                order.push(left.remove(choice));
                story.push(format!("{:?}", order[order.len() - 1]));
                act(&mut world, order[order.len() - 1]);
            } else {
                story.push(world.step_at(choice - left.len()));
            }
        }
        let entries = settled(&mut world, "shop");
        let adopted = adopted(&entries);
        let set_at = order.iter().position(|act| *act == Act::Set);
        for (index, act) in order.iter().enumerate() {
            if let Act::Edit(text) = act {
                // Between the last read and the write over it, KV takes an edit that nobody ever sees. One that stands
                // before that read is seen.
                let must_be_seen = set_at.is_some_and(|set_at| index < set_at);
                let expected = usize::from(must_be_seen || world.seen.contains(*text));
                assert_eq!(adopted.get(*text).copied().unwrap_or(0), expected, "{text} after {story:#?}");
            }
        }
        let sets = entries.iter().filter(|entry| entry.reason == "half").count();
        assert_eq!(sets, usize::from(acts.contains(&Act::Set)), "after {story:#?}");
        if !ways.next() {
            return count;
        }
    }
}

#[test]
fn an_edit_counts_once_in_every_order_of_a_command_a_poll_and_an_isolate() {
    let count = interleave(&[Act::Edit("25"), Act::Set, Act::Poll, Act::Flush]);
    assert!(count > 500, "{count} orders");
}

#[test]
fn two_edits_count_once_each_in_every_order() {
    let count = interleave(&[Act::Edit("25"), Act::Edit("30"), Act::Poll, Act::Flush]);
    assert!(count > 300, "{count} orders");
}

/// An edit that was adopted, and written over since; the world and when that was.
fn edited() -> (World, i64) {
    let mut world = deployed(1, &["shop"], 100);
    world.put("stage/shop", Some("0"));
    world.pass(31_000);
    assert_eq!(adopted(&history(&world, "shop")), BTreeMap::from([("0".to_owned(), 1)]));
    grant(&mut world, command("ana", "shop", "half", Some("*"), json!({"command": "set", "percentage": 50})));
    let overwritten = world.kv.versions("stage/shop").iter().rev().find(|(_, text)| text.as_deref() == Some("0"));
    let overwritten = overwritten.map(|(at_ms, _)| *at_ms).unwrap();
    let landed = world.kv.versions("stage/shop").iter().map(|(at_ms, _)| *at_ms).find(|at_ms| *at_ms > overwritten);
    (world, landed.unwrap())
}

#[test]
fn an_edit_that_is_read_again_within_two_minutes_is_an_echo() {
    let (mut world, landed_ms) = edited();
    let revision = rollout(&mut world, "shop")["state"]["revision"].clone();
    while world.now_ms < landed_ms + ECHO_MS - 1_000 {
        world.flush(seen("sleeper", "shop", "0")).unwrap();
        assert_eq!(rollout(&mut world, "shop")["state"]["revision"], revision, "{} ms", world.now_ms - landed_ms);
        world.pass(999);
    }
    world.now_ms = landed_ms + ECHO_MS - 1;
    world.flush(seen("sleeper", "shop", "0")).unwrap();
    assert_eq!(rollout(&mut world, "shop")["state"]["revision"], revision, "a millisecond before the two minutes");
    let known = world.flush(seen("sleeper", "shop", "0")).unwrap();
    assert_eq!(known.states.len(), 1, "the isolate learns what counts");
}

#[test]
fn after_two_minutes_the_same_text_is_a_new_edit() {
    let (mut world, landed_ms) = edited();
    world.now_ms = landed_ms + ECHO_MS;
    world.flush(seen("sleeper", "shop", "0")).unwrap();
    assert_eq!(adopted(&settled(&mut world, "shop")), BTreeMap::from([("0".to_owned(), 2)]));
}

#[test]
fn a_kill_ends_two_minutes_after_its_key_is_gone_and_not_by_a_stale_read() {
    let mut world = deployed(1, &["shop"], 100);
    world.put("kill/shop", Some("on"));
    world.now_ms += 5_000;
    assert_eq!(rollout(&mut world, "shop")["kill_key"], "kill/shop");
    // One read misses the key, and the next one finds it.
    world.put("kill/shop", None);
    world.now_ms += 3_000;
    rollout(&mut world, "shop");
    world.put("kill/shop", Some("on"));
    world.now_ms += 3_000;
    rollout(&mut world, "shop");
    world.put("kill/shop", None);
    let gone_ms = world.now_ms;
    let is_killed = |world: &mut World| rollout(world, "shop")["state"]["killed"] == Value::Bool(true);
    while world.now_ms < gone_ms + ECHO_MS {
        assert!(is_killed(&mut world), "{} ms after the key", world.now_ms - gone_ms);
        world.pass(1_000);
    }
    world.pass(35_000);
    assert!(!is_killed(&mut world));
    // An isolate that slept still has the key, and then it is no news; much later it is.
    let kills = || Flush { isolate: "sleeper".into(), kills: vec!["kill/shop".into()], ..Flush::default() };
    world.flush(kills()).unwrap();
    assert!(!is_killed(&mut world), "an echo");
    let commands: Vec<&str> = history(&world, "shop").iter().map(|entry| entry.command.name()).skip(3).collect();
    assert_eq!(commands, ["kill", "revive"]);
    world.pass(ECHO_MS);
    world.flush(kills()).unwrap();
    assert!(is_killed(&mut world), "a new key");
}

#[test]
fn a_kill_key_that_stands_cannot_be_revived_and_one_that_is_gone_can() {
    let mut world = deployed(1, &["shop"], 100);
    let revive = |reason: &str| command("ana", "shop", reason, Some("*"), json!({"command": "revive"}));
    world.put("kill/shop", Some("on"));
    world.now_ms += 5_000;
    rollout(&mut world, "shop");
    let refused = world.call(revive("too soon")).unwrap();
    let body: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((refused.status, &body["refusal"]), (409, &json!("kill-key")));
    world.put("kill/shop", None);
    grant(&mut world, revive("the key is gone"));
    assert_eq!(settled(&mut world, "shop").last().unwrap().reason, "the key is gone");
}

#[test]
fn what_cannot_be_read_is_a_fault_until_it_is_gone() {
    let mut world = deployed(1, &["shop"], 100);
    world.put("stage/shop", Some("ten percent"));
    world.pass(31_000);
    assert!(rollout(&mut world, "shop")["faults"].to_string().contains("ten percent"));
    assert_eq!(adopted(&history(&world, "shop")), BTreeMap::new());
    grant(&mut world, command("ana", "shop", "half", Some("*"), json!({"command": "set", "percentage": 50})));
    settled(&mut world, "shop");
    assert!(!rollout(&mut world, "shop")["faults"].to_string().contains("ten percent"));
}

#[test]
fn a_revive_waits_half_a_second_for_a_late_kv_and_a_key_that_is_seen_later_kills_again() {
    let mut granted = 0;
    for seed in 1..=20 {
        let mut world = deployed(seed, &["shop"], 100);
        grant(&mut world, command("ana", "shop", "stop", Some("*"), json!({"command": "kill"})));
        world.pass(60_000);
        world.kv.jitter_ms = 4_000;
        world.put("kill/shop", Some("on"));
        let from_ms = world.now_ms;
        let revive = command("ana", "shop", "go on", Some("*"), json!({"command": "revive"}));
        let reply = world.call(revive).expect("nothing dies");
        assert!(world.now_ms - from_ms <= 500, "it took {} ms", world.now_ms - from_ms);
        granted += u32::from(reply.status == 200);
        world.pass(60_000);
        assert_eq!(rollout(&mut world, "shop")["state"]["killed"], true, "the key stands: seed {seed}");
    }
    assert!(granted > 5, "KV was late for {granted} of them");
}
