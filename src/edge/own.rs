//! Tidegate's own paths, under `/_tidegate/` on every host.

use web_sys::Response;

use super::{glue, snapshot};
use crate::protocol::address::Address;

/// Answers a path under `/_tidegate/`.
pub fn route(method: &str, url: &str) -> Response {
    let path = Address::parse(url).map_or("", |address| address.path);
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
    glue::plain(status, content_type, &body.to_string())
}
