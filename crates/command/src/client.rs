//! One request, one answer.
//!
//! A command to a rollout carries a key of its own, so that it can be sent once more when nobody
//! knows whether it arrived, and still counts once. Nothing else is ever sent twice.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::ErrorKind;
use std::thread::sleep;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{HeaderMap, Request, Response};
use ureq::{Body, Timeout};

use super::Failure;
use super::connection::Settings;
use super::operator::Connection;
use super::problem::{self, Contact, Error};
use tidegate_protocol::address::encoded;

/// Under what every path of the API stands.
const BASE: &str = "/_tidegate/api/";
/// The longest answer that is read; plans have at most 4 MB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// A pause for what broke the connection to be over.
const RESEND_AFTER: Duration = Duration::from_millis(300);

pub struct Client {
    settings: Settings,
}

/// An answer of the API that is no problem.
#[derive(Debug)]
pub struct Answer {
    /// The revision, as `If-Match` takes it.
    pub etag: Option<String>,
    /// The body, JSON.
    pub text: String,
    url: String,
}

impl Answer {
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.text)
            .map_err(|error| Error::Unreadable { url: self.url.clone(), why: error.to_string() })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Api(Box::new(error), None)
    }
}

impl Client {
    pub fn new(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self { settings: Settings::read(connection)? })
    }

    /// One for whoever waits for an answer no longer than this; nothing is said where there cannot be one.
    pub fn quick(url: Option<String>, patience: Duration) -> Option<Self> {
        Some(Self { settings: Settings::quick(url, patience)? })
    }

    /// Asks for a paper, which is no JSON; `query` is escaped here.
    pub fn text(&self, path: &str, query: &[(&str, &str)]) -> Result<String, Error> {
        let path = asked(path, query);
        self.run_for("GET", &path, None, &[], is_paper).map(|answer| answer.text)
    }

    /// Asks; `query` is escaped here.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        self.run("GET", &asked(path, query), None, &[])
    }

    /// Sends something that must not be sent twice.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Result<Answer, Error> {
        self.run(method, path, Some(body), &[])
    }

    /// Sends a command to `rollout`, or to all (`*`), once more where the first try may be lost.
    pub fn command(&self, rollout: &str, body: &Value, if_match: Option<&str>) -> Result<Answer, Error> {
        let path = format!("rollouts/{rollout}/commands");
        let key = unique_key();
        let mut headers = vec![("idempotency-key", key.as_str())];
        headers.extend(if_match.map(|revision| ("if-match", revision)));
        match self.run("POST", &path, Some(body), &headers) {
            Err(error) if error.may_have_arrived() => {
                sleep(RESEND_AFTER);
                self.run("POST", &path, Some(body), &headers)
            }
            done => done,
        }
    }

    fn run(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Result<Answer, Error> {
        self.run_for(method, path, body, headers, is_json)
    }

    fn run_for(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
        is_wanted: fn(&str, &str) -> bool,
    ) -> Result<Answer, Error> {
        let Settings { agent, origin, authorization } = &self.settings;
        let url = format!("{origin}{BASE}{path}");
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", authorization)
            .header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string())
                .map_err(ureq::Error::Http)
                .and_then(|request| agent.run(request)),
            None => request.body(()).map_err(ureq::Error::Http).and_then(|request| agent.run(request)),
        };
        answer(origin, url, response.map_err(|error| lost(origin, error))?, is_wanted)
    }
}

fn asked(path: &str, query: &[(&str, &str)]) -> String {
    let mut path = path.to_owned();
    for (index, (name, value)) in query.iter().enumerate() {
        path.push_str(if index == 0 { "?" } else { "&" });
        path.push_str(&format!("{name}={}", encoded(value)));
    }
    path
}

fn is_json(content_type: &str, text: &str) -> bool {
    content_type.contains("json") && text.trim_start().starts_with(['{', '['])
}

/// Whether it is a paper of Tidegate's: a page of another service is none.
fn is_paper(content_type: &str, text: &str) -> bool {
    [("text/html", "<!doctype html>"), ("text/markdown", "# "), ("text/calendar", "BEGIN:VCALENDAR")]
        .iter()
        .any(|(kind, begin)| content_type.starts_with(kind) && text.starts_with(begin))
}

fn answer(
    origin: &str,
    url: String,
    mut response: Response<Body>,
    is_wanted: fn(&str, &str) -> bool,
) -> Result<Answer, Error> {
    let status = response.status();
    let header =
        |headers: &HeaderMap, name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // A proxy that compresses makes a revision weak; it still names the same state.
    let etag = header(response.headers(), "etag").map(|etag| etag.trim_start_matches("W/").to_owned());
    let content_type = header(response.headers(), "content-type").unwrap_or_default();
    if status.is_redirection() {
        let to = header(response.headers(), "location").unwrap_or_else(|| "nowhere".into());
        return Err(Error::Moved { url, to });
    }
    let text = response
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .lossy_utf8(true)
        .read_to_string()
        .map_err(|error| lost(origin, error))?;
    if status.is_success() && is_wanted(&content_type, &text) {
        return Ok(Answer { etag, text, url });
    }
    Err(match problem::read(&text) {
        Some(problem) => Error::Problem(Box::new(problem)),
        None => Error::Foreign { url, status: status.as_u16(), content_type },
    })
}

fn lost(origin: &str, error: ureq::Error) -> Error {
    let kind = match error {
        ureq::Error::HostNotFound => Contact::UnknownHost,
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            Contact::Unreachable("no connection within 5 s".into())
        }
        ureq::Error::Timeout(_) => Contact::Slow,
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => Contact::Refused,
            // TLS reports what it cannot accept as data that is invalid.
            ErrorKind::InvalidData => Contact::Tls(error.to_string()),
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable => Contact::Unreachable(error.to_string()),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Contact::Slow,
            _ => Contact::Broken(error.to_string()),
        },
        ureq::Error::Tls(why) => Contact::Tls(why.into()),
        ureq::Error::Rustls(error) => Contact::Tls(error.to_string()),
        error => Contact::Other(error.to_string()),
    };
    Error::Contact { origin: origin.to_owned(), kind }
}

/// A key that no other command has: the standard library seeds its hashers from the system.
fn unique_key() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_passes_a_query_unharmed() {
        assert_eq!(encoded("ana+1@example.com&x=ü"), "ana%2B1%40example.com%26x%3D%C3%BC");
    }

    #[test]
    fn keys_do_not_repeat() {
        let mut keys: Vec<String> = (0..1_000).map(|_| unique_key()).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 1_000);
    }
}
