//! The tests of what is public, as one program: one to link instead of one for each file, and the tests
//! of all files share the processors. `cargo test --test it judging` runs the tests of one file.
//! `tests/memory.rs` counts the allocations of a whole process and stays a program of its own.

#![recursion_limit = "512"]

mod careless;
mod command;
mod configuration;
mod control;
mod dimensions;
mod evidence;
mod exchange;
mod flush_size;
mod forecast;
mod judge;
mod judging;
mod measuring;
mod openapi;
mod operate;
mod papers;
mod plans;
mod printing;
mod reading;
mod receiving;
mod rehearse;
mod shadow;
mod simulate;
mod structure;
