//! What is read and answered, however old, late or damaged, and what an isolate makes of it.

use tidegate::isolate::Input;

use crate::world::{SECOND_MS, World, plans, update, written};

/// Longer than a read is fresh.
const NEXT_READ_MS: i64 = 6 * SECOND_MS;

fn obeys(world: &mut World, key: &str) -> String {
    world.pass(NEXT_READ_MS);
    world.ask(key);
    world.remembers(key)
}

fn warm(keys: &[&str]) -> World {
    let mut world = World::new(keys);
    for key in keys {
        world.ask(key);
    }
    world
}

#[test]
fn what_people_write_is_obeyed_and_what_nobody_can_read_is_not() {
    for (first, second, expected) in [
        ("0", "100", "new bucketed"),
        ("100", "0", "legacy bucketed"),
        ("100", "off", "legacy killed"),
        ("off", "100", "new bucketed"),
        ("100", "150", "new bucketed"),
        ("100", "", "new bucketed"),
    ] {
        let mut world = World::new(&["a"]);
        world.put("stage/a", first);
        world.ask("a");
        world.put("stage/a", second);
        assert_eq!(obeys(&mut world, "a"), expected, "{first} → {second}");
        let is_fault = second.is_empty() || second == "150";
        assert_eq!(world.logged("stage_unreadable") > 0, is_fault, "{second}");
    }
}

#[test]
fn an_older_state_never_replaces_a_newer_one_whoever_brings_it() {
    let mut world = warm(&["a"]);
    world.put("stage/a", &written(9, "100"));
    assert_eq!(obeys(&mut world, "a"), "new bucketed");
    world.put("stage/a", &written(8, "0"));
    assert_eq!(obeys(&mut world, "a"), "new bucketed", "KV is late");
    world.controller.updates = vec![update("a", 8, "0", &[])];
    world.input(Input::News);
    assert_eq!(world.remembers("a"), "new bucketed", "the controller's answer is late");
    world.controller.updates = vec![update("a", 10, "0", &[])];
    world.input(Input::News);
    assert_eq!(world.remembers("a"), "legacy bucketed");
    world.kv.remove("stage/a");
    assert_eq!(obeys(&mut world, "a"), "legacy bucketed", "a state that is gone from KV is a stale read");
}

#[test]
fn newer_plans_are_taken_and_older_ones_are_not() {
    let mut world = warm(&["a"]);
    world.put("plans", &plans(5, &["a", "b"]));
    world.put("stage/b", "100");
    obeys(&mut world, "a");
    assert_eq!(world.ask("b"), "new bucketed");
    world.put("plans", &plans(4, &["a", "b"]).replace("/b/*", "/elsewhere/*"));
    assert_eq!(obeys(&mut world, "b"), "new bucketed");
    world.controller.plans = Some(plans(3, &["a"]));
    world.input(Input::News);
    assert_eq!(world.remembers("b"), "new bucketed");
    world.controller.plans = Some(plans(6, &["a"]));
    world.input(Input::News);
    assert_eq!(world.remembers("b"), "nobody's", "only the controller takes rollouts away");
}

#[test]
fn damaged_plans_keep_the_last_good_ones_and_are_reported() {
    for text in ["{\"v\":1,\"revision\":6,\"rollouts\":", "{\"v\":1,\"revision\":6,\"rollouts\":[]}", "", "null"] {
        let mut world = warm(&["a"]);
        world.put("plans", text);
        assert_eq!(obeys(&mut world, "a"), "new bucketed", "{text}");
        assert_eq!(world.logged("plans_unreadable") + world.logged("plans_partial"), 1, "{text}");
        obeys(&mut world, "a");
        assert_eq!(world.logged("plans_unreadable") + world.logged("plans_partial"), 1, "once for each text: {text}");
    }
    let mut world = warm(&["a"]);
    world.kv.remove("plans");
    assert_eq!(obeys(&mut world, "a"), "new bucketed");
    assert!(world.logged("plans_missing") > 0);
}

#[test]
fn a_broken_rollout_keeps_its_last_good_plan_and_spoils_no_other() {
    let mut world = warm(&["a", "b"]);
    world.put("plans", &plans(6, &["a", "b"]).replace(r#""key":"a","#, r#""key":"a","advance":"surprise","#));
    assert_eq!(obeys(&mut world, "a"), "new bucketed");
    assert_eq!(world.remembers("b"), "new bucketed");
    assert_eq!(world.logged("plan_broken"), 1);
    world.pass(2 * SECOND_MS);
    let (key, why) = &world.controller.flushes.last().unwrap().faults[0];
    assert!(key == "plans" && why.contains("surprise"), "{key}: {why}");
}

#[test]
fn a_text_that_was_adopted_is_an_echo_for_two_minutes_and_an_edit_after_them() {
    let mut world = warm(&["a"]);
    world.controller.updates = vec![update("a", 3, "0", &[])];
    world.input(Input::News);
    world.put("stage/a", "100");
    assert_eq!(obeys(&mut world, "a"), "new bucketed", "an edit by hand");
    // The controller has adopted it, and changed its mind since. KV is late with both.
    world.controller.updates = vec![update("a", 5, "0", &["100"])];
    world.input(Input::News);
    assert_eq!(world.remembers("a"), "legacy bucketed");
    for _ in 0..10 {
        assert_eq!(obeys(&mut world, "a"), "legacy bucketed", "an echo");
        world.pass(5 * SECOND_MS);
    }
    world.put("stage/a", "off");
    assert_eq!(obeys(&mut world, "a"), "legacy killed", "another text is none");
    world.put("stage/a", "100");
    world.pass(10 * SECOND_MS);
    assert_eq!(obeys(&mut world, "a"), "new bucketed", "after two minutes it is an edit");
}

#[test]
fn an_edit_by_hand_stands_until_the_controller_has_adopted_it() {
    let mut world = warm(&["a"]);
    world.put("stage/a", &written(7, "0"));
    assert_eq!(obeys(&mut world, "a"), "legacy bucketed");
    world.put("stage/a", "100");
    assert_eq!(obeys(&mut world, "a"), "new bucketed");
    world.controller.updates = vec![update("a", 7, "0", &[])];
    world.input(Input::News);
    assert_eq!(world.remembers("a"), "new bucketed", "the answer was on its way already");
}

#[test]
fn kills_and_edits_seen_in_kv_reach_the_controller_while_they_are_news() {
    let mut world = World::new(&["a", "b"]);
    world.put("kill/a", "");
    world.put("kill/*", "");
    world.put("stage/b", "25");
    world.ask("b");
    assert_eq!(world.ask("a"), "legacy killed");
    world.input(Input::News);
    let flush = world.controller.flushes.last().unwrap();
    assert_eq!(flush.kills, ["kill/*", "kill/a"]);
    assert_eq!(flush.texts.iter().find(|(key, _)| key == "b"), Some(&("b".to_owned(), "25".to_owned())));
    world.pass(10 * SECOND_MS);
    world.input(Input::News);
    let flush = world.controller.flushes.last().unwrap();
    assert!(flush.kills.is_empty() && flush.texts.is_empty(), "an isolate that slept brings nothing back: {flush:?}");
    world.kv.remove("kill/a");
    world.kv.remove("kill/*");
    assert_eq!(obeys(&mut world, "a"), "new bucketed");
}

#[test]
fn a_state_that_was_not_read_is_learned_from_the_controller() {
    let mut world = warm(&["a", "b"]);
    world.restart(true);
    world.ask("a");
    world.controller.updates = vec![update("b", 4, "0", &[])];
    world.input(Input::RolloutWanted("b".into()));
    let known = world.controller.flushes.last().unwrap().known.clone().unwrap();
    assert_eq!(known, [("a".to_owned(), 0), ("b".to_owned(), 0)]);
    world.pass(5 * SECOND_MS);
    assert!(world.waits("b"), "after five seconds KV is asked");
    world.controller.updates = vec![update("b", 4, "0", &[])];
    world.input(Input::RolloutWanted("b".into()));
    assert_eq!(world.remembers("b"), "legacy bucketed");
    assert!(!world.waits("b"), "until then the controller's word is enough");
    world.reads.clear();
    obeys(&mut world, "b");
    assert!(world.reads.concat().contains(&"stage/b".to_owned()), "and from then on it is read with the others");
}
