//! The edge: wasm only, and the one place that names the platform.
//!
//! `entry.js` drives a request through [`proxy`], which says at each step what is to be done. Only
//! what waits for something other than an upstream is asynchronous here: reading the configuration,
//! and Tidegate's own paths.

mod admin;
mod api;
mod clock;
mod controller;
mod glue;
mod isolate;
mod kv;
mod log;
mod messages;
mod mint;
mod proxy;
mod relay;
mod storage;

use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
use worker::Env;

/// Answers Tidegate's own paths.
#[wasm_bindgen]
pub async fn fetch(request: Request, env: Env) -> Response {
    admin::serve(&request, &env).await
}
