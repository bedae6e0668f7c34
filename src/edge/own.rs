//! Answers that are Tidegate's own: its paths under `/_tidegate/`, and the plain sentences for
//! when there is no upstream to ask.

use web_sys::Response;

use super::{glue, snapshot};
use crate::protocol::headers::HeaderEdits;

/// A plain sentence. `reason` says in the header why it is not a page.
pub fn sentence(status: u16, reason: &str, text: &str) -> Response {
    let mut headers = HeaderEdits::default();
    headers.set("content-type", "text/plain; charset=utf-8");
    headers.set("cache-control", "no-store");
    headers.set("tidegate-reason", reason);
    glue::plain(status, headers.as_str(), &format!("{text}\n"))
}

/// Answers a path under `/_tidegate/`.
pub fn route(method: &str, path: &str) -> Response {
    match (method, path) {
        ("GET" | "HEAD", "/_tidegate/health") => health(),
        (_, "/_tidegate/health") => problem(405, "method-not-allowed", "Method not allowed", "health answers GET"),
        _ => problem(404, "not-found", "Not found", "no such path; `/_tidegate/health` exists"),
    }
}

fn health() -> Response {
    let health = snapshot::health();
    let body = serde_json::json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "snapshot": { "revision": health.revision, "rollouts": health.rollouts, "age_ms": health.age_ms },
    });
    json(200, "application/json", &body)
}

fn problem(status: u16, kind: &str, title: &str, detail: &str) -> Response {
    let body = serde_json::json!({ "type": format!("urn:tidegate:problem:{kind}"), "title": title, "status": status, "detail": detail });
    json(status, "application/problem+json", &body)
}

fn json(status: u16, content_type: &str, body: &serde_json::Value) -> Response {
    let mut headers = HeaderEdits::default();
    headers.set("content-type", content_type);
    headers.set("cache-control", "no-store");
    glue::plain(status, headers.as_str(), &body.to_string())
}
