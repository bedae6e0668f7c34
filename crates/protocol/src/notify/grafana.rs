//! Grafana: an annotation on the plots for what changed what they show. What belongs to an incident becomes
//! a span of time once it is over.

use serde_json::{Value, json};
use tidegate_model::Name;
use tidegate_model::notification::{Notification, NotificationKind};
use tidegate_model::plan::words::SecretName;

use super::answer::{Answer, Outcome};
use super::keys::Keys;
use super::markup::escaped;
use super::text::{self, cut, line};
use super::{Request, put};
use crate::address::encoded;

/// What is readable in a box beside a plot.
const TEXT_CHARS: usize = 1_000;

/// A message.
///
/// # Errors
/// When the address or the token is not set.
pub fn request(
    keys: &Keys<'_>,
    url: &SecretName,
    token: &SecretName,
    dashboard: Option<&Name>,
    n: &Notification,
    reference: Option<&str>,
) -> Result<Request, String> {
    use NotificationKind as Kind;
    let annotations = format!("{}/api/annotations", keys.base(url, "/api/annotations")?);
    let headers = [("authorization", format!("Bearer {}", keys.text(token)?))];
    let at = n.at.as_epoch_ms();
    match (n.kind, reference) {
        (Kind::Resolved, Some(id)) => {
            let url = format!("{annotations}/{}", encoded(id));
            Ok(Request::json("PATCH", url, &headers, &json!({ "timeEnd": at })))
        }
        (Kind::Alert | Kind::Stage | Kind::Rollback | Kind::Kill | Kind::Test, _) => {
            let mut body = json!({
                "time": at,
                "tags": ["tidegate", format!("rollout:{}", n.rollout), n.kind.as_str(), n.urgency.as_str()],
                "text": words(n),
            });
            if let Some(dashboard) = dashboard {
                put(&mut body, "dashboardUID", dashboard.as_str());
            }
            Ok(Request::json("POST", annotations, &headers, &body))
        }
        _ => Ok(Request::Nothing),
    }
}

/// Grafana shows HTML.
fn words(n: &Notification) -> String {
    let mut words = escaped(&cut(&line(&n.headline), TEXT_CHARS));
    let why = line(&n.why);
    if !why.is_empty() {
        words.push_str("<br>");
        words.push_str(&escaped(&cut(&why, TEXT_CHARS)));
    }
    if let Some((title, url)) = text::links(n).next() {
        words.push_str(&format!("<br><a href=\"{}\">{}</a>", escaped(url), escaped(&cut(&title, 100))));
    }
    words
}

/// What an answer means. The annotation's id is what ends it.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    match answer.by_status("Grafana", true) {
        Outcome::Sent { .. } => {
            Outcome::Sent { reference: answer.json().get("id").and_then(Value::as_u64).map(|id| id.to_string()) }
        }
        Outcome::Dead { .. } if matches!(answer.status, 401 | 403) => {
            Outcome::Dead { error: format!("{}: the token may not write annotations", answer.describe("Grafana")) }
        }
        outcome => outcome,
    }
}
