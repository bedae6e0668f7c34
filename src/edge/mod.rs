//! The edge: wasm only, and the one place that names the platform.
//!
//! `entry.js` drives a request through [`proxy`], which says at each step what is to be done. Only
//! what waits for something other than an upstream is asynchronous here: reading the configuration,
//! and Tidegate's own paths.

mod proxy;
mod facts;
mod tokens;
mod snapshot;
mod meter;
mod contact;
mod memory;
mod kv;
mod copy;
mod mint;
mod own;
mod console;
mod beacon;
mod api;
mod session;
mod controller;
mod log;
mod clock;
mod glue;

use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};

/// Answers Tidegate's own paths.
#[wasm_bindgen]
pub async fn fetch(request: Request, env: JsValue) -> Response {
    own::serve(&request, &env).await
}
