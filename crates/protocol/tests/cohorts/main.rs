//! The laws of cohorts and assignments, as one program that runs natively and on wasm.

mod assignment;
mod cohort;
