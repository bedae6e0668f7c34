//! Tidegate releases a new frontend step by step, in front of a legacy and a new upstream.
pub mod model;
pub mod decide;
pub mod protocol;
#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
#[cfg(target_arch = "wasm32")]
mod edge;
