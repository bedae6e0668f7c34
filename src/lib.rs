//! Tidegate releases a new frontend step by step, in front of a legacy and a new upstream.
pub mod model;
pub mod decide;
#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
