//! Whom an isolate reports to: the relay that it was reported, and one receiver for a batch whatever it is reported later.

use tidegate::isolate::{Ask, Effect, Input};
use tidegate::model::Instant;
use tidegate::protocol::flush::{Answer, Flush};
use tidegate::protocol::relays::{Layout, Place};

use crate::world::{SECOND_MS, World};

/// The isolate's name in these worlds.
const NAME: &str = "one";

/// An isolate that is configured, and nothing of whose is under way.
fn warm() -> World {
    let mut world = World::new(&["a"]);
    world.ask("a");
    world.pass(10 * SECOND_MS);
    world
}

/// Counts a request and lets the next flush begin, which is on its way then.
fn flush(world: &mut World) -> Ask {
    world.now_ms += 10 * SECOND_MS;
    world.count(0, 1);
    let now = Instant::from_epoch_ms(world.now_ms);
    asks(world.isolate.handle(Input::FlushDue, now)).pop().expect("it flushes")
}

fn asks(effects: Vec<Effect>) -> Vec<Ask> {
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::AskController(ask) => Some(ask),
            _ => None,
        })
        .collect()
}

fn sequence(ask: &Ask) -> Option<u64> {
    Flush::parse(&ask.text).unwrap().batch.map(|batch| batch.sequence)
}

/// Answers a flush; what is asked next behind the same request.
fn answer(world: &mut World, ask: Ask, answer: Option<Answer>) -> Vec<Ask> {
    let now = Instant::from_epoch_ms(world.now_ms);
    let outcome = answer.map(|answer| serde_json::to_string(&answer).unwrap()).ok_or_else(|| "no answer".to_owned());
    asks(world.isolate.handle(Input::Answered(ask, outcome), now))
}

fn reported(leaves: u32, at: i64, acknowledged: Option<u64>) -> Option<Answer> {
    let layout = Some(Layout { leaves, fan: 4, at });
    Some(Answer { interval_ms: 1_000, layout, acknowledged, ..Answer::default() })
}

fn relay_of(leaves: u32) -> Place {
    Layout { leaves, fan: 4, at: 1 }.of(NAME).unwrap()
}

#[test]
fn a_batch_has_one_receiver_until_it_is_acknowledged_and_the_next_one_goes_where_it_was_sent_last() {
    let mut world = warm();
    let first = flush(&mut world);
    let begun = sequence(&first).expect("it has a batch");
    assert_eq!(first.receiver, None);
    answer(&mut world, first, reported(1_000, 1, None));
    let again = flush(&mut world);
    assert_eq!((again.receiver, sequence(&again)), (None, Some(begun)), "the controller alone can tell");
    answer(&mut world, again, reported(1_000, 1, Some(begun)));
    let next = flush(&mut world);
    assert_eq!((next.receiver, sequence(&next)), (Some(relay_of(1_000)), Some(begun + 1)));
    answer(&mut world, next, reported(7, 2, None));
    assert_ne!(relay_of(7), relay_of(1_000));
    let again = flush(&mut world);
    assert_eq!(again.receiver, Some(relay_of(1_000)), "it was sent there");
    answer(&mut world, again, reported(0, 1, Some(begun + 1)));
    let moved = flush(&mut world);
    assert_eq!(moved.receiver, Some(relay_of(7)), "an older layout is no news");
    answer(&mut world, moved, reported(0, 3, Some(begun + 2)));
    assert_eq!(flush(&mut world).receiver, None, "there are no relays any more");
}

#[test]
fn after_a_failure_the_next_relay_is_asked_without_a_batch_and_then_the_same_one_with_it() {
    let mut world = warm();
    let first = flush(&mut world);
    let begun = sequence(&first).unwrap();
    answer(&mut world, first, reported(9, 1, Some(begun)));
    let lost = flush(&mut world);
    assert_eq!(lost.receiver, Some(relay_of(9)));
    answer(&mut world, lost, None);
    let beside = flush(&mut world);
    assert_eq!((beside.receiver, sequence(&beside)), (Layout { leaves: 9, fan: 4, at: 1 }.beside(relay_of(9)), None));
    assert!(beside.receiver.is_some_and(|own| own != relay_of(9)), "it is another one, and not the controller");
    answer(&mut world, beside, reported(9, 1, None));
    let again = flush(&mut world);
    assert_eq!((again.receiver, sequence(&again)), (Some(relay_of(9)), Some(begun + 1)));
}

#[test]
fn a_new_isolate_that_is_sent_to_its_relay_asks_there_at_once_and_an_operator_asks_the_controller() {
    let mut world = warm();
    world.restart(true);
    let now = Instant::from_epoch_ms(world.now_ms);
    let waits = Input::RequestWaits { host: "shop.example".to_owned(), path: "/a/page".to_owned() };
    let cold = asks(world.isolate.handle(waits, now)).pop().expect("it asks");
    assert_eq!(cold.receiver, None, "it knows of no relay yet");
    let elsewhere = reported(9, 1, None).map(|answer| Answer { is_elsewhere: true, ..answer });
    let next = answer(&mut world, cold, elsewhere).pop().expect("it asks there");
    assert_eq!(next.receiver, Some(relay_of(9)));
    assert_eq!(Flush::parse(&next.text).unwrap().known, None, "for everything");
    let news = asks(world.isolate.handle(Input::News, now)).pop().expect("it asks");
    assert_eq!(news.receiver, None);
}
