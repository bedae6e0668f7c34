//! One isolate of the edge in virtual time: what it reads and when, what it believes, what it sends and when.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

mod believing;
mod breakers;
mod flushing;
mod reading;
mod relays;
mod reports;
mod requests;
mod shadows;
mod tokens;
mod world;
