//! Receivers: where other tools send what they watch, and which of the plan's signals become of it.
//!
//! A receiver has one secret, and it opens nothing but this receiver. What a delivery holds is read by
//! `tidegate_protocol::receive`; here stands what the plan makes of it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::ser::SerializeMap as _;

use super::fields::Reader;
use super::words::{SecretName, WordError, words};
use crate::node::{Node, Value};
use crate::{Duration, Name, serialize_as_text};

words! {
    /// Which tool sends.
    ReceiverKind is "a kind of receiver" of {
        /// Prometheus' Alertmanager.
        Alertmanager = "alertmanager",
        /// Grafana's alerting.
        Grafana = "grafana",
        /// Sentry's issue and metric alerts.
        Sentry = "sentry",
        /// Datadog's monitors.
        Datadog = "datadog",
        /// PagerDuty's incidents.
        PagerDuty = "pagerduty",
        /// Anything that posts JSON.
        Json = "json",
    } allows "`alertmanager`, `grafana`, `sentry`, `datadog`, `pagerduty` or `json`"
}

impl ReceiverKind {
    /// Whether this sender can sign what it sends, in a way that is known here.
    pub const fn signs(self) -> bool {
        matches!(self, Self::Grafana | Self::Sentry | Self::PagerDuty)
    }

    /// Whether what it sends is an alert, which is there or over; otherwise it is a fact of one moment.
    pub const fn has_alerts(self) -> bool {
        !matches!(self, Self::Json)
    }
}

/// Where another tool sends what it watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receiver {
    /// The tool.
    pub kind: ReceiverKind,
    /// The secret that each delivery carries: a bearer token, or the password of basic authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretName>,
    /// The secret that the tool signs each delivery with. One of the two is there, never both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<SecretName>,
    /// No delivery for longer than this is a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Duration>,
    /// What becomes of what arrives. Each rule is tried for each alert.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<ReceiverRule>,
    /// What it is and who set it up, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Receiver {
    /// The secret that proves a delivery.
    pub fn secret(&self) -> Option<&SecretName> {
        self.token.as_ref().or(self.signing_secret.as_ref())
    }
}

/// What becomes of an alert, or of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverRule {
    /// What has to be so; all of it, and nothing where it is empty.
    pub matches: Vec<Matcher>,
    /// Which signal becomes of it.
    pub outcome: RuleOutcome,
    /// Where the number stands, for `value` and `count`.
    pub at: Option<Pointer>,
}

/// What a rule does to a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// The gauge is 1 while an alert of this rule fires, and 0 when all of them are resolved.
    Set(Name),
    /// One event is counted for each alert that begins, or for each fact.
    Count(Name),
    /// The gauge takes a number of the delivery.
    Value(Name),
}

impl RuleOutcome {
    /// The signal.
    pub const fn signal(&self) -> &Name {
        match self {
            Self::Set(name) | Self::Count(name) | Self::Value(name) => name,
        }
    }

    /// The field that says so.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Count(_) => "count",
            Self::Value(_) => "value",
        }
    }
}

/// A field of an alert, and the values that it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// A label or a field by its name, or the path to it where it starts with `/`.
    pub field: String,
    /// The values, letter by letter.
    pub values: Vec<String>,
}

/// A path into JSON (RFC 6901), such as `/data/0/value`; empty for the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(String);

impl Pointer {
    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest path, in bytes.
const POINTER_BYTES_MAX: usize = 1_000;

impl FromStr for Pointer {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let mut escapes = text.split('~').skip(1);
        let is_pointer = (text.is_empty() || text.starts_with('/'))
            && text.len() <= POINTER_BYTES_MAX
            && escapes.all(|rest| rest.starts_with(['0', '1']));
        if is_pointer {
            Ok(Self(text.to_owned()))
        } else {
            Err(WordError::new(text, "a path into JSON", "a JSON pointer such as `/data/0/value`"))
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serialize_as_text!(Pointer);

struct Matchers<'a>(&'a [Matcher]);

impl Serialize for Matchers<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|matcher| (&matcher.field, &matcher.values)))
    }
}

impl Serialize for ReceiverRule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.matches.is_empty() {
            map.serialize_entry("match", &Matchers(&self.matches))?;
        }
        map.serialize_entry(self.outcome.field(), self.outcome.signal())?;
        if let Some(at) = &self.at {
            map.serialize_entry("at", at)?;
        }
        map.end()
    }
}

/// Reads a receiver.
pub fn receiver(r: &mut Reader, node: &Node) -> Option<Receiver> {
    let mut f = r.fields(node)?;
    // A kind of a later release does nothing here, and harms nothing.
    if r.is_tolerant() && !is_known(node) {
        return None;
    }
    let kind: Option<ReceiverKind> = f.required(r, "kind", Reader::parsed);
    let token = f.optional(r, "token", Reader::parsed);
    let signing_secret = f.optional(r, "signing_secret", Reader::parsed);
    let heartbeat = f.optional(r, "heartbeat", Reader::parsed);
    let signals = f.optional(r, "signals", |r, node| r.list(node, |r, node| rule(r, node, kind))).unwrap_or_default();
    let description = f.optional(r, "description", Reader::text);
    f.end(r);
    let has = |key| node.given(key).is_some();
    let kind = kind?;
    match (has("token"), has("signing_secret")) {
        (false, false) => {
            let help = if kind.signs() {
                "`signing_secret = \"secret:NAME\"`, which the sender signs with, or `token = \"secret:NAME\"`"
            } else {
                "`token = \"secret:NAME\"`: the sender brings it as a bearer token, or as the password of basic authentication"
            };
            r.error(
                node.span.clone(),
                "a receiver without a secret would take signals from anybody",
                Some(help.into()),
            );
        }
        (true, true) => r.error(node.span.clone(), "a receiver has either `token` or `signing_secret`", None),
        (false, true) if !kind.signs() => {
            let message = format!("the signature of `{kind}` is not known here");
            r.error(node.span.clone(), message, Some("give it `token = \"secret:NAME\"`".into()));
        }
        _ => {}
    }
    Some(Receiver { kind, token, signing_secret, heartbeat, signals, description })
}

fn is_known(node: &Node) -> bool {
    matches!(node.given("kind").map(|kind| &kind.value), Some(Value::Text(kind)) if kind.parse::<ReceiverKind>().is_ok())
}

fn rule(r: &mut Reader, node: &Node, kind: Option<ReceiverKind>) -> Option<ReceiverRule> {
    let mut f = r.fields(node)?;
    let matches = f.optional(r, "match", matchers).unwrap_or_default();
    let set = f.optional(r, "set", Reader::parsed).map(RuleOutcome::Set);
    let count = f.optional(r, "count", Reader::parsed).map(RuleOutcome::Count);
    let value = f.optional(r, "value", Reader::parsed).map(RuleOutcome::Value);
    let at = f.optional(r, "at", Reader::parsed);
    f.end(r);
    let named = ["set", "count", "value"].into_iter().filter(|key| node.given(key).is_some()).count();
    if named != 1 {
        let help = "`set = \"SIGNAL\"` (1 while it fires), `count = \"SIGNAL\"` or `value = \"SIGNAL\"` with `at`";
        r.error(node.span.clone(), "a rule names one signal", Some(help.into()));
    }
    let outcome = set.or(count).or(value)?;
    let is_json = kind.is_some_and(|kind| !kind.has_alerts());
    match (&outcome, node.given("at").is_some()) {
        (RuleOutcome::Set(_), _) if is_json => {
            let help = "`value` with `at`: `true` is 1, `false` is 0";
            r.error(node.span.clone(), "plain JSON neither fires nor is resolved", Some(help.into()));
        }
        (RuleOutcome::Set(_), true) => r.error(node.span.clone(), "`at` is for `value` and `count`", None),
        (RuleOutcome::Value(_), false) => {
            let help = "`at = \"/score\"`, a path into what arrives";
            r.error(node.span.clone(), "`value` needs `at`, where the number stands", Some(help.into()));
        }
        _ => {}
    }
    Some(ReceiverRule { matches, outcome, at })
}

fn matchers(r: &mut Reader, node: &Node) -> Option<Vec<Matcher>> {
    let Value::Table(entries) = &node.value else {
        r.error(node.span.clone(), "`match` is a table", Some("such as `{ alertname = \"DbCpuHigh\" }`".into()));
        return None;
    };
    let mut matchers = Vec::with_capacity(entries.len());
    for entry in entries {
        r.enter_field(&entry.key);
        if entry.key.starts_with('/')
            && let Err(error) = entry.key.parse::<Pointer>()
        {
            r.error(entry.key_span.clone(), &error, Some("a JSON pointer such as `/data/0/value`".into()));
        }
        if let Some(values) = r.one_or_more(&entry.node, text) {
            matchers.push(Matcher { field: entry.key.clone(), values });
        }
        r.leave();
    }
    Some(matchers)
}

/// A text, or a number or a truth as its text: labels are texts, fields of JSON need not be.
fn text(r: &mut Reader, node: &Node) -> Option<String> {
    match &node.value {
        Value::Integer(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => r.text(node),
    }
}
