//! What other tools send: whether it is theirs, and what it says, as values.
//!
//! 1. A delivery is proved by the receiver's own secret before anything of it is read, in constant time.
//! 2. Each tool's format becomes alerts, which begin and end, or facts of one moment. Fields that are not known do
//!    no harm, and what lacks the fields that are needed is left out; only what is no JSON at all is refused.
//! 3. An alert has a key under which it begins and ends, and times that tell a late delivery from a new one. Whether
//!    it was counted before is the controller's to know.
//!
//! The formats are those that the tools publish; `tests/fixtures/receivers/` has them, with their sources.

mod alertmanager;
mod datadog;
mod pagerduty;
pub mod proof;
pub mod pull;
mod sentry;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use tidegate_decide::sources::{About, AlertStatus, Matched, Occurrence};
use tidegate_model::Instant;
use tidegate_model::history::sha256_hex;
use tidegate_model::plan::receiver::{Matcher, Pointer, Receiver, ReceiverKind, ReceiverRule};

/// The paths of receivers begin with this.
pub const PREFIX: &str = "/_tidegate/in/";
/// The longest delivery, in bytes.
pub const BODY_BYTES_MAX: u32 = 256 << 10;
/// So many alerts of one delivery are read.
const ALERTS_MAX: usize = 2_000;
/// A longer text of a delivery is cut.
const TEXT_CHARS_MAX: usize = 500;

/// A delivery that an isolate has found genuine, beside its body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Received {
    /// The name of the receiver.
    pub receiver: String,
    /// The rollouts whose plan has this receiver, each with the name of the secret that proves the delivery.
    pub proved: Vec<(String, String)>,
    /// What the sender says that it is about (Sentry's `Sentry-Hook-Resource`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What the sender calls the delivery, if it has a name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// An alert, or a fact of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// What it is known by as long as it lasts. Two deliveries of one key are about the same alert.
    pub key: String,
    /// Whether it is there.
    pub status: AlertStatus,
    /// Since when it is so, or when the sender noticed; the time of the delivery where the sender does not say.
    pub at: Instant,
    /// Whether `at` of one that fires is when it began, so that a later time means another one.
    pub is_beginning: bool,
    /// What this occurrence is known by, where several are counted while the alert lasts.
    pub once: Option<Once>,
    /// The labels, or the fields, that rules match.
    pub fields: Vec<(String, String)>,
    /// The same as it was sent, for paths.
    pub document: Value,
}

/// What one occurrence is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once {
    /// The sender's own name for it.
    Id(String),
    /// The hash of the body, since the sender has no name for it. It counts for ten minutes.
    Body(String),
}

/// Reads a delivery.
///
/// # Errors
/// When it is no JSON, or nothing that this tool sends; in words.
pub fn read(kind: ReceiverKind, received: &Received, body: &str, now: Instant) -> Result<Vec<Alert>, String> {
    let document: Value = serde_json::from_str(body).map_err(|error| format!("the body is no JSON: {error}"))?;
    let mut alerts = match kind {
        ReceiverKind::Alertmanager | ReceiverKind::Grafana => alertmanager::read(document, now),
        ReceiverKind::Sentry => sentry::read(document, received.resource.as_deref(), now),
        ReceiverKind::Datadog => datadog::read(document, now),
        ReceiverKind::PagerDuty => pagerduty::read(document, now),
        ReceiverKind::Json => Ok(vec![plain(document, now)]),
    }?;
    alerts.truncate(ALERTS_MAX);
    for alert in &mut alerts {
        alert.at = alert.at.min(now);
        if alert.once.is_none() && alert.status == AlertStatus::Moment {
            alert.once = Some(match &received.id {
                Some(id) => Once::Id(cut(id)),
                None => Once::Body(sha256_hex(body.as_bytes())),
            });
        }
    }
    Ok(alerts)
}

fn plain(document: Value, now: Instant) -> Alert {
    Alert {
        key: String::new(),
        status: AlertStatus::Moment,
        at: now,
        is_beginning: false,
        once: None,
        fields: scalars(&document),
        document,
    }
}

/// What the rules of a receiver make of alerts. `once` names are made comparable: those of bodies have a prefix.
pub fn occurrences(receiver: &Receiver, alerts: Vec<Alert>) -> Vec<Occurrence> {
    let occurrence = |alert: Alert| Occurrence {
        rules: receiver
            .signals
            .iter()
            .filter(|rule| alert.is_matched_by(rule))
            .map(|rule| Matched { outcome: rule.outcome.clone(), number: rule.at.as_ref().map(|at| alert.number(at)) })
            .collect(),
        once: alert.once.map(|once| match once {
            Once::Id(id) => format!("id:{id}"),
            Once::Body(hash) => format!("{BODY_PREFIX}{hash}"),
        }),
        about: about(receiver.kind, &alert.fields, &alert.document),
        key: alert.key,
        status: alert.status,
        at: alert.at,
        is_beginning: alert.is_beginning,
    };
    alerts.into_iter().map(occurrence).collect()
}

/// What the sender calls an alert: its rule's name, what the rule says of it, and where to look. Titles that quote what
/// users did, as those of Sentry's issues, are left out.
fn about(kind: ReceiverKind, fields: &[(String, String)], document: &Value) -> Option<About> {
    let field = |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, text)| text.clone());
    let first = |paths: &[&str]| paths.iter().find_map(|path| text_at(document, path));
    let (name, text, url) = match kind {
        ReceiverKind::Alertmanager | ReceiverKind::Grafana => (
            field("alertname"),
            first(&["/annotations/summary", "/annotations/description", "/annotations/message", "/message"]),
            first(&["/panelURL", "/dashboardURL", "/generatorURL", "/ruleUrl"]),
        ),
        ReceiverKind::Sentry => (
            field("rule"),
            None,
            first(&["/data/web_url", "/data/event/web_url", "/data/issue/web_url", "/data/issue/permalink"]),
        ),
        ReceiverKind::Datadog => (field("title"), None, first(&["/link", "/url"])),
        ReceiverKind::PagerDuty => (field("title"), None, first(&["/data/html_url"])),
        ReceiverKind::Json => (None, None, None),
    };
    let (text, url) = (text.unwrap_or_default(), url.unwrap_or_default());
    let runbook = first(&["/annotations/runbook_url"]).unwrap_or_default();
    name.map(|name| About { name, text, url, runbook, ..About::default() })
}

/// Before the hash of a body that stands for a name.
pub const BODY_PREFIX: &str = "body:";

impl Alert {
    /// Whether a rule is about it.
    pub fn is_matched_by(&self, rule: &ReceiverRule) -> bool {
        rule.matches.iter().all(|matcher| self.has(matcher))
    }

    fn has(&self, matcher: &Matcher) -> bool {
        let is_wanted = |text: &str| matcher.values.iter().any(|wanted| wanted == text);
        if matcher.field.starts_with('/') {
            return self.document.pointer(&matcher.field).and_then(text_of).is_some_and(|text| is_wanted(&text));
        }
        // Tags may stand there more than once.
        self.fields.iter().any(|(field, text)| *field == matcher.field && is_wanted(text))
    }

    /// The number at a path; none where there is none.
    pub fn number(&self, at: &Pointer) -> Option<f64> {
        self.document.pointer(at.as_str()).and_then(number_of)
    }
}

/// A number, a number in a text, or a truth; nothing that is infinite.
pub(crate) fn number_of(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// A scalar as a text.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(cut(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// The scalars among the fields of an object.
fn scalars(value: &Value) -> Vec<(String, String)> {
    let Value::Object(fields) = value else { return Vec::new() };
    fields.iter().filter_map(|(name, value)| Some((name.clone(), text_of(value)?))).collect()
}

/// The text at a path; a number is one too.
fn text_at(value: &Value, path: &str) -> Option<String> {
    value.pointer(path).and_then(text_of).filter(|text| !text.is_empty())
}

/// A moment at a path: RFC 3339, or seconds or milliseconds since 1970.
fn moment_at(value: &Value, path: &str) -> Option<Instant> {
    let value = value.pointer(path)?;
    if let Value::String(text) = value
        && let Ok(at) = text.parse()
    {
        return Some(at);
    }
    /// The first of these in seconds would be in the year 5138.
    const SECONDS_MAX: f64 = 1e11;
    let number = number_of(value).filter(|number| *number > 0.0)?;
    let ms = if number < SECONDS_MAX { number * 1_000.0 } else { number };
    // A cast beyond the largest number ends there.
    Some(Instant::from_epoch_ms(ms as i64))
}
