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
mod beacon;
mod api;
mod controller;
mod log;
mod clock;
mod glue;

use worker::{Context, Env, event};

/// Answers Tidegate's own paths.
#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, _context: Context) -> worker::Result<web_sys::Response> {
    Ok(own::serve(&request, env.as_ref()).await)
}
