//! The ladder memory → KV → the cache's copy → the fallback, and when each rung is used.

use tidegate::isolate::{CachedCopy, Effect, Input};
use tidegate::model::Instant;

use crate::world::{Mood, SECOND_MS, World};

const FRESH_MS: i64 = 5 * SECOND_MS;
const STALE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 3_600 * SECOND_MS;

#[test]
fn a_cold_isolate_reads_the_plans_and_the_states_that_the_request_needs_and_no_others() {
    let mut world = World::new(&["a", "b", "c"]);
    assert_eq!(world.ask("b"), "new bucketed");
    assert_eq!(world.reads, [vec!["plans", "kill/*"], vec!["plans", "kill/*", "stage/b", "kill/b"]]);
}

#[test]
fn a_rollout_that_waits_for_another_brings_its_state_along() {
    let mut world = World::new(&["a", "b"]);
    let text = String::from_utf8(world.kv["plans"].clone()).unwrap();
    world.put("plans", &text.replace(r#""key":"b","#, r#""key":"b","after":["a"],"#));
    world.put("stage/a", "10");
    assert_eq!(world.ask("b"), "legacy inactive", "`a` has not ended");
    assert!(world.reads.concat().contains(&"stage/a".to_owned()), "{:?}", world.reads);
}

#[test]
fn nothing_is_read_for_five_seconds_then_once_behind_one_request() {
    let mut world = World::new(&["a"]);
    world.ask("a");
    let reads = world.reads.len();
    world.pass(FRESH_MS);
    world.put("stage/a", "0");
    assert_eq!(world.ask("a"), "new bucketed");
    assert_eq!(world.reads.len(), reads, "what is five seconds old is fresh");
    world.pass(1);
    world.kv_mood = Mood::Hangs;
    assert_eq!(world.ask("a"), "new bucketed", "nobody waits for what is behind the answer");
    world.ask("a");
    assert_eq!(world.hanging.len(), 1, "it is due for one request only");
    world.kv_mood = Mood::Works;
    world.release();
    assert_eq!(world.ask("a"), "legacy bucketed");
}

#[test]
fn a_read_that_goes_down_with_its_request_is_done_again_after_five_seconds() {
    let mut world = World::new(&["a"]);
    world.ask("a");
    let reads = world.reads.len();
    world.pass(FRESH_MS + 1);
    world.ask_and_die("a");
    world.pass(FRESH_MS - 1);
    world.ask("a");
    assert_eq!(world.reads.len(), reads, "it may still be under way");
    world.pass(1);
    world.ask("a");
    assert_eq!(world.reads.len(), reads + 1);
}

#[test]
fn after_a_minute_without_news_a_request_waits_and_the_controllers_answer_is_news() {
    let mut world = World::new(&["a"]);
    world.restart(false);
    world.ask("a");
    world.pass(STALE_MS);
    assert!(!world.waits("a"));
    world.pass(1);
    assert!(world.waits("a"));
    let mut world = World::new(&["a"]);
    world.ask("a");
    world.pass(STALE_MS);
    world.input(Input::News);
    world.pass(STALE_MS);
    assert!(!world.waits("a"));
}

#[test]
fn while_kv_fails_one_request_in_five_seconds_finds_out_and_the_others_are_served_from_memory() {
    let mut world = World::new(&["a"]);
    world.ask("a");
    world.kv_mood = Mood::Fails;
    world.put("stage/a", "off");
    world.pass(STALE_MS + 1);
    world.controller.mood = Mood::Fails;
    let reads = world.reads.len();
    for _ in 0..10 {
        assert_eq!(world.ask("a"), "new bucketed");
    }
    assert_eq!(world.reads.len(), reads + 1);
    assert_eq!(world.logged("kv_unreadable"), 1);
    world.pass(FRESH_MS - 1);
    assert!(!world.waits("a"));
    world.pass(1);
    world.kv_mood = Mood::Works;
    assert_eq!(world.ask("a"), "legacy killed", "KV is obeyed again when it is back");
}

#[test]
fn a_kv_that_hangs_is_waited_for_once_and_obeyed_as_soon_as_it_answers() {
    let mut world = World::new(&["a"]);
    world.kv_mood = Mood::Hangs;
    let begun_ms = world.now_ms;
    assert_eq!(world.ask("a"), "fallback");
    assert_eq!(world.now_ms - begun_ms, 200);
    assert_eq!(world.logged("kv_slow"), 1);
    world.kv_mood = Mood::Works;
    world.release();
    assert_eq!(world.remembers("a"), "new bucketed");
}

#[test]
fn requests_that_find_a_cold_isolate_at_once_do_not_undo_what_each_other_have_read() {
    let mut world = World::new(&["a", "b"]);
    world.kv_mood = Mood::Hangs;
    for key in ["a", "b"] {
        world.input(Input::RequestWaits { host: "shop.example".into(), path: format!("/{key}/page") });
    }
    world.kv_mood = Mood::Works;
    // The read for `a` ends before that for `b` has read its plans.
    let second = world.hanging.pop().unwrap();
    world.release();
    assert_eq!(world.remembers("a"), "new bucketed");
    world.hanging.push(second);
    world.release();
    assert_eq!((world.remembers("a"), world.remembers("b")), ("new bucketed".into(), "new bucketed".into()));
    assert!(!world.waits("a") && !world.waits("b"));
}

#[test]
fn without_kv_a_cold_isolate_takes_the_copy_and_without_that_the_fallback_answers() {
    let mut world = World::new(&["a"]);
    world.ask("a");
    world.kv_mood = Mood::Fails;
    world.restart(true);
    assert_eq!(world.ask("a"), "new bucketed");
    assert_eq!(world.logged("copy_used"), 1);
    world.cache = None;
    world.restart(true);
    assert_eq!(world.ask("a"), "fallback");
    world.cache = Some("{\"saved".into());
    world.restart(true);
    assert_eq!(world.ask("a"), "fallback", "a damaged copy is none");
}

#[test]
fn in_a_copy_older_than_an_hour_no_percentage_counts_but_a_kill_does() {
    for (age_ms, expected) in [(HOUR_MS - 1, "new bucketed"), (HOUR_MS, "legacy bucketed")] {
        let mut world = World::new(&["a", "b"]);
        world.put("kill/b", "");
        world.ask("a");
        world.pass(STALE_MS + 1);
        world.ask("b");
        assert_eq!(CachedCopy::parse(world.cache.as_ref().unwrap()).unwrap().saved_ms, world.now_ms as f64);
        world.kv_mood = Mood::Fails;
        world.restart(true);
        world.now_ms += age_ms;
        assert_eq!(world.ask("a"), expected);
        assert_eq!(world.remembers("b"), "legacy killed");
    }
}

#[test]
fn the_copy_is_renewed_once_a_minute_and_never_after_a_failure() {
    let mut world = World::new(&["a"]);
    world.ask("a");
    assert!(world.cache.take().is_some());
    for _ in 0..11 {
        world.pass(FRESH_MS + 1);
        world.ask("a");
    }
    assert!(world.cache.is_none());
    world.kv_mood = Mood::Fails;
    world.pass(FRESH_MS + 1);
    world.ask("a");
    assert!(world.cache.is_none());
    world.kv_mood = Mood::Works;
    world.pass(FRESH_MS + 1);
    world.ask("a");
    assert!(world.cache.is_some());
}

#[test]
fn a_rollout_that_the_api_asks_for_is_read_and_no_copy_is_left_behind() {
    let mut world = World::new(&["a"]);
    world.input(Input::RolloutAsked("a".into()));
    world.input(Input::RolloutAsked("a".into()));
    assert_eq!(world.remembers("a"), "new bucketed");
    assert_eq!(world.reads.len(), 1, "what is known is not read again");
    assert!(world.cache.is_none(), "whoever asked is gone, and their work with them");
}

#[test]
fn lists_are_read_once_a_minute_and_a_damaged_one_leaves_the_last_good_one() {
    let mut world = World::new(&["a"]);
    let text = String::from_utf8(world.kv["plans"].clone()).unwrap();
    world.put("plans", &text.replace(r#""key":"a","#, r#""key":"a","groups":{"beta":{"kv":true}},"#));
    world.ask("a");
    let lists = |world: &World| world.reads.concat().iter().filter(|key| *key == "group/beta").count();
    assert_eq!((lists(&world), world.logged("group_unreadable")), (1, 1), "the key does not exist");
    world.pass(FRESH_MS + 1);
    world.ask("a");
    assert_eq!(lists(&world), 1);
    world.pass(STALE_MS);
    world.kv.insert("group/beta".into(), vec![0xff, 0xfe]);
    world.ask("a");
    assert_eq!((lists(&world), world.logged("group_unreadable")), (2, 2));
    let flush = world.controller.flushes.last().unwrap();
    assert!(flush.faults.iter().any(|(key, _)| key == "group/beta"), "{:?}", flush.faults);
}

#[test]
fn what_is_to_be_logged_comes_out_before_what_takes_time() {
    let mut world = World::new(&["a"]);
    world.kv.remove("plans");
    world.kv_mood = Mood::Hangs;
    world.input(Input::ReadDue);
    let Some(Effect::ReadTexts(read)) = world.hanging.pop() else { unreachable!("a read") };
    let now = Instant::from_epoch_ms(world.now_ms);
    let effects = world.isolate.handle(Input::Texts(read, Err("down".into())), now);
    assert!(matches!(&effects[0], Effect::Log(line) if line.event == "kv_unreadable" && line.is_warning));
}
