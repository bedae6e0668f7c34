//! The laws of the controller, in virtual time and on SQLite itself: what holds whatever dies, refuses, is late, stale
//! or twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

mod adoption;
mod backup;
mod bins;
mod breakers;
mod crashes;
mod errands;
mod isolates;
mod kept;
mod limits;
mod outbox;
mod papers;
mod people;
mod problems;
mod races;
mod reach;
mod receivers;
mod relays;
mod scale;
mod schedule;
mod schema;
mod sources;
mod sqlite;
mod versions;
mod whole;
mod world;

/// The seeds of a test: `SEED` alone where it is given.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=count).collect(),
    }
}
