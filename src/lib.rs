//! Tidegate releases a new frontend step by step, in front of a legacy and a new upstream.
//!
//! The crates in the order in which to read them:
//!
//! - [`model`]: nouns. Plans, stages, percentages, conditions, live states, parsed once.
//! - [`decide`]: verbs, pure. Buckets, assignments, what an edit in KV means.
//! - [`protocol`]: HTTP as values. Which rollout, who, what goes upstream, what comes back.
//! - [`controller`]: the one writer of a deployment's states, as a machine: inputs and the time in, effects out.
//! - [`isolate`]: what one isolate of the edge knows, as a machine likewise.
//! - `edge`: wasm only, and the one place that names the platform. It stands in this package.
//! - `simulate`: a rollout's whole course under a virtual clock and generated traffic, run by that controller.
//! - `text`: plans as people write them. Not for the edge, which reads what was compiled.
//! - `rehearse`: a simulation as the console's page has it, a wasm of its own.
//! - `cli`: native only. The command `tidegate`.
//!
//! Each crate uses only those above it in this list; `cli` stands beside `edge`. What is absent:
//! a clock, randomness or an environment anywhere but in `edge` and `cli`, and an `unwrap` on any
//! path that input can reach.

#[cfg(target_arch = "wasm32")]
mod edge;

#[cfg(not(target_arch = "wasm32"))]
pub use tidegate_command as cli;
pub use tidegate_controller as controller;
pub use tidegate_decide as decide;
pub use tidegate_isolate as isolate;
pub use tidegate_model as model;
pub use tidegate_protocol as protocol;
#[cfg(not(target_arch = "wasm32"))]
pub use tidegate_rehearse as rehearse;
#[cfg(not(target_arch = "wasm32"))]
pub use tidegate_simulate as simulate;
#[cfg(not(target_arch = "wasm32"))]
pub use tidegate_text as text;
