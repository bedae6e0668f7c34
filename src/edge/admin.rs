//! The admin paths, under `/_tidegate/`: on every host, or on the console's alone where it has one.

use web_sys::{Request, Response};
use worker::Env;

use super::{api, beacon, clock, console, glue, isolate, session};
use tidegate_model::number::rounded;
use tidegate_protocol::address::Address;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::{EXPOSITION, PREFIX, Reply, parameter};
use tidegate_protocol::console::is_for_everybody;
use tidegate_protocol::preview::{self, PreviewKey};
use tidegate_protocol::www;

/// A request to one of the paths.
pub struct AdminRequest<'a> {
    /// Its method.
    pub method: String,
    /// Where it goes.
    pub address: Address<'a>,
    /// For its headers and its body.
    pub raw: &'a Request,
    /// The worker's bindings.
    pub env: &'a Env,
}

impl AdminRequest<'_> {
    /// The query, without `?`.
    pub fn query(&self) -> &str {
        self.address.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.raw.headers().get(name).ok().flatten()
    }

    /// Its body as text.
    ///
    /// # Errors
    /// When it is longer than `bytes_max`, or cannot be read.
    pub async fn body(&self, bytes_max: u32) -> Result<String, Problem> {
        let read = glue::body_text(self.raw, bytes_max)
            .await
            .map_err(|error| Problem::malformed(glue::message(&error), "send the body again"))?;
        read.ok_or_else(|| Problem::too_large(bytes_max))
    }

    /// Whether it only reads.
    pub fn is_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// Answers a request to one of the paths.
pub async fn serve(request: &Request, env: &Env) -> Response {
    isolate::prepare(env);
    let url = request.url();
    // The URL was an address when the request was found to be one of these.
    let address =
        Address::parse(&url).unwrap_or(Address { scheme: "https", authority: "", path: "/", path_and_query: "/" });
    route(&AdminRequest { method: request.method(), address, raw: request, env }).await
}

/// Answers a path under `/_tidegate/`.
async fn route(request: &AdminRequest<'_>) -> Response {
    if !is_for_everybody(request.address.path)
        && !console::with(request.env, |console| console.serves(&request.address))
    {
        return glue::plain(
            404,
            "text/plain; charset=utf-8",
            "",
            if request.method == "HEAD" { "" } else { "Not found.\n" },
        );
    }
    if request.address.path == session::PATH {
        return session::serve(request).await;
    }
    if let Some(path) = request.address.path.strip_prefix(PREFIX) {
        return api::route(request, path).await;
    }
    let is_read = request.is_read();
    match request.address.path {
        EXPOSITION => api::expose(request).await,
        "/_tidegate/health" if is_read => health(),
        preview::PATH if is_read => open_preview(request),
        beacon::PATH => beacon::serve(request).await,
        "/_tidegate/health" | preview::PATH => {
            answer(request, &Problem::method_not_allowed(&request.method, "GET, HEAD").into())
        }
        // The page names its files beside itself. Nothing else is on a host that is the console's own.
        "/_tidegate" | "/" if is_read => glue::plain(308, "text/plain; charset=utf-8", "location:/_tidegate/", ""),
        path if is_read && www::is_file(path) => file(request).await,
        path => answer(request, &Problem::not_found(path).into()),
    }
}

/// The console or the beacon's script.
async fn file(request: &AdminRequest<'_>) -> Response {
    let found = glue::asset(request.env, request.raw, &www::headers(request.address.path)).await;
    found.unwrap_or_else(|| answer(request, &Problem::not_found(request.address.path).into()))
}

/// A reply as a response.
pub fn answer(request: &AdminRequest<'_>, reply: &Reply) -> Response {
    let content_type = if reply.is_problem { "application/problem+json" } else { "application/json" };
    let etag = reply.revision.map(|revision| format!("etag:\"{revision}\"\n")).unwrap_or_default();
    let allow = reply.allow.as_ref().map(|allow| format!("allow:{allow}\n")).unwrap_or_default();
    let retry = reply.retry_after_s.map(|seconds| format!("retry-after:{seconds}\n")).unwrap_or_default();
    let challenge = if reply.status == 401 { "www-authenticate:Bearer realm=\"tidegate\"\n" } else { "" };
    let body = if request.method == "HEAD" { "" } else { &reply.body };
    glue::plain(
        reply.status,
        content_type,
        &format!("{etag}{allow}{retry}{challenge}x-content-type-options:nosniff"),
        body,
    )
}

fn health() -> Response {
    let health = isolate::with(|isolate| isolate.health(clock::now_ms()));
    let age_ms = health.age_ms.map_or_else(|| "null".to_owned(), |age_ms| rounded(age_ms, 0).to_string());
    let body = format!(
        r#"{{"status":"ok","version":"{}","snapshot":{{"revision":{},"rollouts":{},"age_ms":{age_ms}}}}}"#,
        env!("CARGO_PKG_VERSION"),
        health.revision,
        health.rollouts
    );
    glue::plain(200, "application/json", "", &body)
}

/// Makes the browser keep the choice that the link's token makes, and sends it to the rollout.
fn open_preview(request: &AdminRequest<'_>) -> Response {
    let query = request.query();
    let to = preview::destination(parameter(query, "to").as_deref());
    let cookie = match parameter(query, "end") {
        Some(key) if key.parse::<tidegate_model::Name>().is_ok() => preview::set_cookie(&key, None, 0),
        Some(_) => {
            return glue::plain(
                400,
                "text/plain; charset=utf-8",
                "",
                "This link ends no preview: its rollout has no valid name.\n",
            );
        }
        None => {
            let now_s = clock::now_ms() / 1_000.0;
            let token = parameter(query, "token").unwrap_or_default();
            let key = glue::text(request.env, "SIGNING_KEY").and_then(|key| PreviewKey::derive(&key));
            match key.as_ref().and_then(|key| key.verify(&token, request.address.authority, now_s)) {
                Some(choice) => {
                    preview::set_cookie(choice.rollout, Some(&token), choice.expires_s.saturating_sub(now_s as u64))
                }
                None => {
                    return glue::plain(
                        403,
                        "text/plain; charset=utf-8",
                        "",
                        "This preview link is expired, damaged, or meant for another host. Ask for a new one.\n",
                    );
                }
            }
        }
    };
    glue::plain(
        303,
        "text/plain; charset=utf-8",
        &format!("location:{to}\nset-cookie:{cookie}\nreferrer-policy:no-referrer\nclear-site-data:\"cache\""),
        "",
    )
}
