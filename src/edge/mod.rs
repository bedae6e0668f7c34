//! The edge: wasm only, and the one place that names the platform.
//!
//! A request goes straight through [`proxy`]: route, subject, snapshot, assignment, upstream,
//! answer, with no await but the upstream's own while the snapshot is warm.

mod proxy;
mod facts;
mod snapshot;
mod memory;
mod kv;
mod copy;
mod mint;
mod upstream;
mod own;
mod log;
mod clock;
mod glue;

use worker::{Context, Env, event};

/// Answers every request. It never returns an error, which the runtime would turn into a bare 500.
#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let env = env.into();
    Ok(proxy::handle(request, &env, &context).await)
}
