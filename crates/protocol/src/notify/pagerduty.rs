//! PagerDuty: the Events API v2.
//!
//! What somebody has to act on is an alert, triggered and resolved under one `dedup_key`, the incident's;
//! so the page goes by itself once all is well. What merely happened, a stage or a notice, is a change event:
//! PagerDuty shows it beside the incident and wakes nobody. Digests and the like are not for a pager.

use serde_json::{Map, Value, json};
use tidegate_model::history::sha256_hex;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::channel::Region;
use tidegate_model::plan::words::SecretName;

use super::Request;
use super::answer::{Answer, Outcome};
use super::keys::Keys;
use super::text::{self, cut, line};

/// PagerDuty refuses a longer summary.
const SUMMARY_CHARS: usize = 1_024;
/// PagerDuty refuses a longer key.
const DEDUP_CHARS: usize = 255;
/// PagerDuty takes 512 KB; so long may each detail be.
const DETAIL_CHARS: usize = 8_000;
/// Where events go; PagerDuty's documents name it with the host.
const ENQUEUE: &str = "/v2/enqueue";
/// Keys of rulesets begin with it, and take no change events.
const RULESET: char = 'R';

/// A message.
///
/// # Errors
/// When the key is not set, or is an address.
pub fn request(
    keys: &Keys<'_>,
    key: &SecretName,
    region: Region,
    url: Option<&SecretName>,
    id: &str,
    n: &Notification,
) -> Result<Request, String> {
    use NotificationKind as Kind;
    let routing_key = keys.text(key)?;
    if routing_key.contains("://") {
        return Err(format!(
            "the secret {} holds an address, where PagerDuty's integration key belongs: 32 letters and digits, shown with the service's integration Events API v2",
            key.0
        ));
    }
    let base = match (url, region) {
        (Some(url), _) => keys.base(url, ENQUEUE)?,
        (None, Region::Us) => "https://events.pagerduty.com".into(),
        (None, Region::Eu) => "https://events.eu.pagerduty.com".into(),
    };
    let enqueue = |body: &Value| Ok(Request::json("POST", format!("{base}{ENQUEUE}"), &[], body));
    let dedup_key = dedup_key(n.incident.as_deref().unwrap_or(id));
    match n.kind {
        Kind::Resolved if n.incident.is_none() => Ok(Request::Nothing),
        Kind::Resolved => {
            enqueue(&json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key }))
        }
        Kind::Digest | Kind::Checkin | Kind::Report => Ok(Request::Nothing),
        _ if n.urgency != Urgency::Info || n.kind == Kind::Test => enqueue(&json!({
            "routing_key": routing_key,
            "event_action": "trigger",
            "dedup_key": dedup_key,
            "client": "Tidegate",
            "client_url": text::links(n).next().map(|(_, url)| url),
            "links": links(n),
            "payload": {
                "summary": cut(&summary(n), SUMMARY_CHARS),
                "source": n.rollout,
                "severity": n.urgency.as_str(),
                "timestamp": n.at,
                "component": n.rollout,
                "class": n.kind.as_str(),
                "custom_details": details(n),
            },
        })),
        _ if routing_key.starts_with(RULESET) => Ok(Request::Nothing),
        _ => Ok(Request::json(
            "POST",
            format!("{base}/v2/change/enqueue"),
            &[],
            &json!({
                "routing_key": routing_key,
                "links": links(n),
                "payload": {
                    "summary": cut(&summary(n), SUMMARY_CHARS),
                    "source": n.rollout,
                    "timestamp": n.at,
                    "custom_details": details(n),
                },
            }),
        )),
    }
}

/// What is read on a phone, and read out by it: what happened and what to do, each once.
pub fn summary(n: &Notification) -> String {
    match text::to_do(n) {
        Some(action) => format!("{} {action}", stopped(&line(&n.headline))),
        None => line(&n.headline),
    }
}

fn stopped(sentence: &str) -> String {
    if sentence.ends_with(['.', '!', '?', ':']) { sentence.to_owned() } else { format!("{sentence}.") }
}

/// An incident's key: the same for all messages about it.
fn dedup_key(incident: &str) -> String {
    if incident.encode_utf16().count() <= DEDUP_CHARS {
        return incident.to_owned();
    }
    sha256_hex(incident.as_bytes())
}

fn links(n: &Notification) -> Vec<Value> {
    text::links(n).map(|(title, url)| json!({ "href": url, "text": cut(&title, 100) })).collect()
}

/// What an alert's page shows as a table.
fn details(n: &Notification) -> Map<String, Value> {
    let mut details = Map::new();
    let mut add = |label: &str, words: String| {
        if !words.is_empty() {
            details.insert(label.to_owned(), cut(&words, DETAIL_CHARS).into());
        }
    };
    add("why", line(&n.why));
    add("figures", text::figures(n).map(|own| own.trim_end_matches('.').to_owned()).collect::<Vec<_>>().join("; "));
    add("what to do", text::to_do(n).unwrap_or_default());
    add("text", n.text.as_deref().map(text::lines).unwrap_or_default());
    for (label, words) in text::facts(n) {
        add(&label.to_lowercase(), words);
    }
    add(&text::command_label(n).to_lowercase(), text::commands(n).join("\n"));
    add("revision", n.revision.map(|revision| revision.to_string()).unwrap_or_default());
    details
}

/// PagerDuty asks for some minutes after a 429, and sends no `Retry-After`.
const AFTER_429_MS: u64 = 120_000;

/// What an answer means.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    let json = answer.json();
    let errors = json
        .get("errors")
        .and_then(Value::as_array)
        .map(|errors| errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "));
    match answer.by_status("PagerDuty", true) {
        Outcome::Retry { after_ms, error } if answer.status == 429 => {
            Outcome::Retry { after_ms: after_ms.or(Some(AFTER_429_MS)), error }
        }
        Outcome::Dead { .. } if errors.as_ref().is_some_and(|errors| !errors.is_empty()) => Outcome::Dead {
            error: cut(&line(&format!("PagerDuty answered {}: {}", answer.status, errors.unwrap_or_default())), 400),
        },
        outcome => outcome,
    }
}
