//! What is sent to the controller and when, and that each request counts once whatever becomes of the answers.

use tidegate::isolate::{Effect, Input};
use tidegate::model::live::{LiveState, LiveText};
use tidegate::protocol::flush::RolloutUpdate;

use crate::world::{Mood, SECOND_MS, World, update, written};

const MINUTE_MS: i64 = 60 * SECOND_MS;

fn warm() -> World {
    let mut world = World::new(&["a"]);
    world.ask("a");
    world.pass(2 * SECOND_MS);
    world
}

/// Counts requests, and lets the flush behind one of them happen.
fn counted(world: &mut World, requests: u64) {
    world.count(0, requests);
    world.ask("a");
    world.pass(6 * SECOND_MS);
}

#[test]
fn the_first_request_after_a_flush_schedules_the_next_one_and_no_other_does() {
    let mut world = warm();
    world.ask("a");
    world.pass(1);
    let flushes = world.controller.flushes.len();
    for _ in 0..11 {
        world.ask("a");
        world.pass(99);
    }
    let after = world.controller.flushes.len();
    assert_eq!(after - flushes, 1, "one in each interval");
    world.pass(MINUTE_MS);
    assert_eq!(world.controller.flushes.len(), after, "none without traffic");
}

#[test]
fn the_controller_sets_the_interval() {
    let mut world = warm();
    world.controller.interval_ms = 20_000;
    world.ask("a");
    world.pass(2 * SECOND_MS);
    let flushes = world.controller.flushes.len();
    world.ask("a");
    world.pass(17 * SECOND_MS);
    assert_eq!(world.controller.flushes.len(), flushes);
    world.pass(3 * SECOND_MS);
    assert_eq!(world.controller.flushes.len(), flushes + 1);
}

#[test]
fn a_batch_is_sent_again_unchanged_until_it_is_acknowledged_and_never_after() {
    let mut world = warm();
    world.controller.flushes.clear();
    world.controller.mood = Mood::LosesAnswers;
    counted(&mut world, 3);
    counted(&mut world, 4);
    counted(&mut world, 5);
    world.controller.mood = Mood::Works;
    for _ in 0..4 {
        counted(&mut world, 0);
    }
    let batches: Vec<_> = world.controller.flushes.iter().filter_map(|flush| flush.batch.as_ref()).collect();
    let first: Vec<_> = batches.iter().filter(|batch| batch.sequence == 1).collect();
    assert!(first.len() >= 2 && first.iter().all(|batch| *batch == first[0]), "{:?}", world.controller.sequences());
    let sequences: Vec<u64> = batches.iter().map(|batch| batch.sequence).collect();
    assert!(sequences.is_sorted() && sequences.last() == Some(&2), "{sequences:?}");
    assert_eq!(sequences.iter().filter(|sequence| **sequence == 2).count(), 1, "{sequences:?}");
    assert_eq!(world.stored_requests(), 12, "each counts once");
    assert!(!world.isolate.are_counts_due(world.now_ms as f64), "nothing is left");
}

#[test]
fn after_a_failure_with_a_batch_the_next_flush_goes_without_one_so_that_states_still_come() {
    let mut world = warm();
    world.controller.flushes.clear();
    world.controller.mood = Mood::LosesAnswers;
    world.count(0, 1);
    for _ in 0..6 {
        world.ask("a");
        world.pass(11 * SECOND_MS);
    }
    let has_batch: Vec<bool> = world.controller.sequences().iter().map(Option::is_some).collect();
    assert!(has_batch.len() >= 4 && has_batch.windows(2).all(|pair| pair[0] != pair[1]), "{has_batch:?}");
}

#[test]
fn a_controller_that_fails_is_left_alone_for_five_seconds() {
    let mut world = warm();
    world.controller.mood = Mood::Fails;
    world.ask("a");
    world.pass(1);
    assert_eq!(world.logged("controller_unreachable"), 1);
    world.ask("a");
    world.pass(5 * SECOND_MS - 2);
    assert_eq!(world.logged("controller_unreachable"), 1);
    world.pass(2);
    assert_eq!(world.logged("controller_unreachable"), 2);
    assert_eq!(world.remembers("a"), "new bucketed", "nobody is the worse for it");
}

#[test]
fn a_controller_that_hangs_keeps_no_request_and_is_asked_again_when_its_mark_has_expired() {
    let mut world = warm();
    world.controller.mood = Mood::Hangs;
    world.count(0, 2);
    world.ask("a");
    world.pass(SECOND_MS);
    assert_eq!(world.hanging.len(), 1);
    world.cancel();
    world.ask("a");
    world.pass(4 * SECOND_MS);
    assert_eq!(world.hanging.len(), 0, "it may still answer");
    world.pass(SECOND_MS);
    world.controller.mood = Mood::Works;
    world.ask("a");
    world.pass(SECOND_MS);
    assert_eq!(world.stored_requests(), 2, "what went down with the request is sent again");
}

#[test]
fn an_answer_that_nobody_can_read_acknowledges_nothing_and_changes_nothing() {
    let mut world = warm();
    world.controller.mood = Mood::Babbles;
    counted(&mut world, 2);
    assert!(world.logged("controller_unreachable") > 0);
    assert_eq!(world.remembers("a"), "new bucketed");
    world.controller.mood = Mood::Works;
    world.controller.flushes.clear();
    counted(&mut world, 0);
    counted(&mut world, 0);
    assert_eq!(world.controller.sequences().iter().flatten().count(), 1, "it is sent once more");
    assert_eq!(world.stored_requests(), 2);
}

#[test]
fn a_batch_that_is_refused_is_kept() {
    let mut world = warm();
    world.controller.mood = Mood::RefusesBatches;
    counted(&mut world, 2);
    assert_eq!(world.stored_requests(), 0);
    world.controller.mood = Mood::Works;
    counted(&mut world, 3);
    counted(&mut world, 0);
    assert_eq!(world.stored_requests(), 5);
}

#[test]
fn counts_that_find_no_room_are_counted_as_lost() {
    let mut world = warm();
    world.controller.mood = Mood::Fails;
    for _ in 0..2_100 {
        world.count(0, 1);
        world.now_ms += MINUTE_MS;
    }
    world.ask("a");
    world.pass(SECOND_MS);
    let line = world.log.iter().find(|line| line.event == "counts_lost").unwrap();
    assert!(line.message.contains("; 52 counts"), "2,048 minutes have room: {}", line.message);
}

#[test]
fn more_flushes_follow_behind_one_request_while_there_is_more_and_end_before_the_runtime_does() {
    let mut world = warm();
    // Far more than one batch may hold.
    world.controller.flushes.clear();
    world.controller.mood = Mood::RefusesBatches;
    world.count(0, 1);
    world.ask("a");
    world.pass(MINUTE_MS);
    let flushes = world.controller.flushes.len();
    assert!((18..=21).contains(&flushes), "one a second for twenty seconds: {flushes}");
    assert!(world.isolate.are_counts_due(world.now_ms as f64), "the next request goes on with it");
}

#[test]
fn what_was_counted_behind_an_answer_is_due_once() {
    let mut world = warm();
    assert!(!world.isolate.are_counts_due(world.now_ms as f64), "nothing was counted");
    world.count(0, 1);
    assert!(world.isolate.are_counts_due(world.now_ms as f64));
    assert!(!world.isolate.are_counts_due(world.now_ms as f64));
}

#[test]
fn without_a_controller_nothing_is_asked_and_nothing_counted() {
    let mut world = World::new(&["a"]);
    world.restart(false);
    assert_eq!(world.ask("a"), "new bucketed");
    world.pass(2 * SECOND_MS);
    counted(&mut world, 5);
    world.count(0, 5);
    assert!(!world.isolate.has_counts(), "nothing piles up that nobody will take");
    assert!(world.controller.flushes.is_empty());
    assert!(!world.isolate.are_counts_due(world.now_ms as f64));
    assert!(!world.isolate.work_due(world.now_ms as f64).is_flush_due);
}

#[test]
fn without_a_name_an_isolate_sends_no_counts() {
    let mut world = World::new(&["a"]);
    world.isolate.set_up(tidegate::isolate::Setup { has_controller: true, ..Default::default() });
    world.ask("a");
    counted(&mut world, 5);
    assert!(!world.controller.flushes.is_empty());
    assert!(world.controller.sequences().iter().all(Option::is_none));
}

#[test]
fn a_command_is_learned_at_once_and_takes_no_counts_along() {
    let mut world = warm();
    world.count(0, 1);
    world.controller.flushes.clear();
    let now = tidegate::model::Instant::from_epoch_ms(world.now_ms);
    let effects = world.isolate.handle(tidegate::isolate::Input::News, now);
    assert!(matches!(effects.as_slice(), [Effect::AskController(ask)] if !ask.text.contains("\"batch\"")));
}

#[test]
fn a_kill_that_the_controller_tells_of_is_confirmed_at_once_and_once() {
    let mut world = warm();
    let killed = |revision: u64| {
        let Ok(LiveText::Written(state)) = LiveText::parse(&written(revision, "100")) else { unreachable!() };
        let state = LiveState { killed: true, ..state }.to_json();
        RolloutUpdate { key: "a".into(), state, echoes: Vec::new() }
    };
    world.controller.flushes.clear();
    world.controller.updates = vec![killed(8)];
    world.input(Input::News);
    let known: Vec<_> = world.controller.flushes.iter().map(|flush| flush.known.clone().unwrap()[0].1).collect();
    assert_eq!(known, [0, 8], "without another request");
    // What the flush before has said already is not said again, however often the state comes.
    world.controller.updates = vec![killed(8)];
    world.input(Input::News);
    assert_eq!(world.controller.flushes.len(), 3);
    world.controller.updates = vec![update("a", 9, "0", &[])];
    world.input(Input::News);
    assert_eq!(world.controller.flushes.len(), 4, "only a kill is waited for");
}
