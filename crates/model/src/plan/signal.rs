//! Signals: facts from outside, that others report or that Tidegate asks for.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::fields::Reader;
use super::receiver::Pointer;
use super::words::{SecretName, SignalKind, WordError};
use crate::node::Node;
use crate::{Duration, serialize_as_text};

/// A fact from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signal {
    /// Events or a level.
    pub kind: SignalKind,
    /// For events: silence longer than this is inconclusive instead of zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Duration>,
    /// For a level: how long a value counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh: Option<Duration>,
    /// Where Prometheus is asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusQuery>,
    /// Where plain JSON has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonQuery>,
    /// What it is and who reports it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// How long a level counts where the plan says nothing.
pub const FRESH_DEFAULT: Duration = Duration::minutes(5);
/// How often a source is asked where the plan says nothing.
pub const EVERY_DEFAULT: Duration = Duration::minutes(1);
/// It is not asked more often than this.
pub const EVERY_MIN: Duration = Duration::seconds(10);

/// A query that Prometheus, or what speaks its API, answers with one number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrometheusQuery {
    /// Its address, without `/api/v1/query`.
    pub url: Address,
    /// The query, in PromQL.
    pub query: String,
    /// How often it is asked.
    pub every: Duration,
    /// What it takes to be allowed to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretName>,
}

/// A document that has a number at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JsonQuery {
    /// Its address.
    pub url: Address,
    /// Where the number stands.
    pub at: Pointer,
    /// How often it is asked for.
    pub every: Duration,
    /// What it takes to be allowed to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretName>,
}

/// Where a source is: an address, or the secret that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// The name of the secret.
    Secret(SecretName),
    /// The address itself, of `http` or `https`.
    Plain(String),
}

impl FromStr for Address {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        if text.starts_with("secret:") {
            let malformed = |_| {
                WordError::new(
                    "the value",
                    "the name of a secret",
                    "`secret:NAME`, with the value set by `wrangler secret put NAME`",
                )
            };
            return text.parse().map(Self::Secret).map_err(malformed);
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        // A password in a plan would be no secret any more.
        let is_address = authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@'))
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_address {
            Ok(Self::Plain(text.to_owned()))
        } else {
            Err(WordError::new(
                if text.contains('@') { "the value" } else { text },
                "the address of a source",
                "`secret:NAME`, or an address such as `https://metrics.example.com`, without a password",
            ))
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(secret) => secret.fmt(f),
            Self::Plain(url) => f.write_str(url),
        }
    }
}

serialize_as_text!(Address);

/// A source that is asked for a gauge, as all kinds of sources have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pull<'a> {
    /// Where it is.
    pub url: &'a Address,
    /// How often it is asked.
    pub every: Duration,
    /// What it takes to be allowed to ask.
    pub token: Option<&'a SecretName>,
    /// What is asked.
    pub what: Asked<'a>,
}

/// What a source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A query in PromQL.
    Prometheus(&'a str),
    /// A document, for the number at a path.
    Json(&'a Pointer),
}

impl Signal {
    /// The source that is asked for it; none where others report it.
    pub fn pull(&self) -> Option<Pull<'_>> {
        let prometheus = self.prometheus.as_ref().map(|own| Pull {
            url: &own.url,
            every: own.every,
            token: own.token.as_ref(),
            what: Asked::Prometheus(&own.query),
        });
        prometheus.or_else(|| {
            self.json.as_ref().map(|own| Pull {
                url: &own.url,
                every: own.every,
                token: own.token.as_ref(),
                what: Asked::Json(&own.at),
            })
        })
    }
}

/// Reads a signal.
pub fn signal(r: &mut Reader, node: &Node) -> Option<Signal> {
    let mut f = r.fields(node)?;
    let is_pulled = node.given("prometheus").is_some() || node.given("json").is_some();
    let kind = if is_pulled {
        f.optional(r, "kind", Reader::parsed).or(if node.given("kind").is_some() {
            None
        } else {
            Some(SignalKind::Gauge)
        })
    } else {
        f.required(r, "kind", Reader::parsed)
    };
    let heartbeat = f.optional(r, "heartbeat", Reader::parsed);
    let fresh: Option<Duration> = f.optional(r, "fresh", Reader::parsed);
    let prometheus = f.optional(r, "prometheus", prometheus);
    let json = f.optional(r, "json", json);
    let description = f.optional(r, "description", Reader::text);
    f.end(r);
    match kind {
        Some(SignalKind::Count) if fresh.is_some() => {
            r.error(node.span.clone(), "`fresh` is for gauges", Some("a count takes `heartbeat`".into()))
        }
        Some(SignalKind::Gauge) if heartbeat.is_some() => {
            r.error(node.span.clone(), "`heartbeat` is for counts", Some("a gauge takes `fresh`".into()))
        }
        Some(SignalKind::Count) if is_pulled => {
            let help = "a source has a level, not events: `increase(…)` makes one of a counter";
            r.error(node.span.clone(), "what is asked for is a gauge", Some(help.into()))
        }
        _ => {}
    }
    if node.given("prometheus").is_some() && node.given("json").is_some() {
        r.error(node.span.clone(), "a signal has one source", Some("leave out `prometheus` or `json`".into()));
    }
    let signal = Signal { kind: kind?, heartbeat, fresh, prometheus, json, description };
    if let Some(pull) = signal.pull()
        && pull.every.as_ms() >= fresh.unwrap_or(FRESH_DEFAULT).as_ms()
    {
        let message =
            format!("it is asked for every {}, and counts for {}", pull.every, fresh.unwrap_or(FRESH_DEFAULT));
        r.error(node.span.clone(), message, Some("`fresh` has to be longer than `every`".into()));
    }
    Some(signal)
}

fn every(r: &mut Reader, node: &Node) -> Option<Duration> {
    let every: Duration = r.parsed(node)?;
    if every.as_ms() < EVERY_MIN.as_ms() {
        r.error(node.span.clone(), format_args!("`{every}` is too often"), Some(format!("{EVERY_MIN} or longer")));
        return None;
    }
    Some(every)
}

fn prometheus(r: &mut Reader, node: &Node) -> Option<PrometheusQuery> {
    let mut f = r.fields(node)?;
    let url = f.required(r, "url", Reader::parsed);
    let query = f.required(r, "query", Reader::text);
    let every = f.optional(r, "every", every).unwrap_or(EVERY_DEFAULT);
    let token = f.optional(r, "token", Reader::parsed);
    f.end(r);
    if query.as_ref().is_some_and(|query| query.trim().is_empty()) {
        r.error(
            node.span.clone(),
            "the query is empty",
            Some("PromQL that yields one number, such as `avg(db_cpu)`".into()),
        );
    }
    Some(PrometheusQuery { url: url?, query: query?, every, token })
}

fn json(r: &mut Reader, node: &Node) -> Option<JsonQuery> {
    let mut f = r.fields(node)?;
    let url = f.required(r, "url", Reader::parsed);
    let at = f.required(r, "at", Reader::parsed);
    let every = f.optional(r, "every", every).unwrap_or(EVERY_DEFAULT);
    let token = f.optional(r, "token", Reader::parsed);
    f.end(r);
    Some(JsonQuery { url: url?, at: at?, every, token })
}
