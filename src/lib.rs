//! Tidegate releases a new frontend step by step, in front of a legacy and a new upstream.
//!
//! The modules in the order in which to read them:
//!
//! - [`model`]: nouns. Plans, stages, percentages, conditions, live states, parsed once.
//! - [`decide`]: verbs, pure. Buckets, assignments, what an edit in KV means.
//! - [`protocol`]: HTTP as values. Which rollout, who, what goes upstream, what comes back.
//! - [`controller`]: the one writer of a deployment's states, as a machine: inputs and the time in, effects out.
//! - [`isolate`]: what one isolate of the edge knows, as a machine likewise.
//! - [`simulate`]: a rollout's whole life under a made-up clock and traffic, lived by that controller.
//! - [`text`]: plans as people write them. Not for the edge, which reads what was compiled.
//! - [`rehearse`]: a simulation as the console's page has it, with the feature `rehearse` on wasm.
//! - `edge`: wasm only, with the feature `edge`, which is the default. The one place that names the platform.
//! - [`cli`]: native only. The command `tidegate`.
//!
//! Each layer uses only those above it in this list; `cli` stands beside `edge`. What is absent:
//! a clock, randomness or an environment anywhere but in `edge` and `cli`, and an `unwrap` on any
//! path that input can reach.

#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
pub mod controller;
pub mod decide;
#[cfg(all(feature = "edge", target_arch = "wasm32"))]
mod edge;
pub mod isolate;
pub mod model;
pub mod protocol;
#[cfg(any(feature = "rehearse", not(target_arch = "wasm32")))]
pub mod rehearse;
pub mod simulate;
#[cfg(any(feature = "rehearse", not(target_arch = "wasm32")))]
pub mod text;
