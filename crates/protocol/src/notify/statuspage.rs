//! Statuspage: an incident on a public page.
//!
//! The public reads it. So it says what the plan's own words say, or that something is being looked into:
//! no figures, no conditions, no names of people, stages or guardrails.

use serde_json::{Map, Value, json};
use tidegate_model::Name;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::words::SecretName;

use super::answer::{Answer, Outcome};
use super::keys::Keys;
use super::text::{cut, line, lines};
use super::{Request, put};
use crate::address::encoded;

/// Statuspage's address.
const BASE: &str = "https://api.statuspage.io";
/// So long a name is shown whole.
const NAME_CHARS: usize = 200;
/// Statuspage refuses a longer text.
const BODY_CHARS: usize = 10_000;
/// Statuspage takes one request a second, measured over a minute.
const AFTER_429_MS: u64 = 60_000;

/// Where incidents are shown.
pub struct Page<'a> {
    /// The key of the API.
    pub key: &'a SecretName,
    /// The page's id.
    pub page: &'a Name,
    /// The components concerned.
    pub components: &'a [Name],
    /// Another address that speaks the same.
    pub url: Option<&'a SecretName>,
}

/// What the page says of an incident.
struct Report {
    status: &'static str,
    words: String,
    component: &'static str,
}

impl Page<'_> {
    /// A message.
    ///
    /// # Errors
    /// When the key is not set.
    pub fn request(&self, keys: &Keys<'_>, n: &Notification, reference: Option<&str>) -> Result<Request, String> {
        let authorization = format!("OAuth {}", keys.text(self.key)?);
        let base = self.url.map_or_else(|| Ok(BASE.to_owned()), |url| keys.base(url, "/v1"))?;
        let page = format!("{base}/v1/pages/{}", encoded(self.page.as_str()));
        if n.kind == NotificationKind::Test {
            // The public must not read a sample: whether the key fits shows without one.
            let headers = vec![("authorization".to_owned(), authorization)];
            return Ok(Request::Http { method: "GET", url: page, headers, body: String::new() });
        }
        let headers = [("authorization", authorization)];
        let incidents = format!("{page}/incidents");
        let Some(report) = report(n, reference.is_some()) else { return Ok(Request::Nothing) };
        let mut incident = json!({ "status": report.status, "body": cut(&report.words, BODY_CHARS) });
        if !self.components.is_empty() {
            let states = self.components.iter().map(|id| (id.to_string(), report.component.into()));
            put(&mut incident, "components", states.collect::<Map<String, Value>>());
            put(&mut incident, "component_ids", json!(self.components));
        }
        if let Some(id) = reference {
            let url = format!("{incidents}/{}", encoded(id));
            return Ok(Request::json("PATCH", url, &headers, &json!({ "incident": incident })));
        }
        put(&mut incident, "name", cut(&name(n), NAME_CHARS));
        if self.components.is_empty() {
            put(&mut incident, "impact_override", if n.urgency == Urgency::Critical { "major" } else { "minor" });
        }
        Ok(Request::json("POST", incidents, &headers, &json!({ "incident": incident })))
    }
}

fn name(n: &Notification) -> String {
    let what = n.description.as_deref().map_or_else(|| n.rollout.to_string(), line);
    format!("Problems with {what}")
}

/// What there is to report to the public; `None` for what is none of its business.
fn report(n: &Notification, is_open: bool) -> Option<Report> {
    use NotificationKind as Kind;
    // An incident that nothing could close again is not opened.
    n.incident.as_ref()?;
    let trouble = if n.urgency == Urgency::Critical { "partial_outage" } else { "degraded_performance" };
    let (status, words, component) = match n.kind {
        Kind::Alert | Kind::Fault => ("investigating", "We are looking into it.", trouble),
        Kind::Rollback | Kind::Kill => (
            "monitoring",
            "We have gone back to the previous version, and are watching that all is well.",
            "degraded_performance",
        ),
        Kind::Notice if n.text.is_some() => ("identified", "", trouble),
        Kind::Resolved if is_open => ("resolved", "The problem is over.", "operational"),
        _ => return None,
    };
    let words = n.text.as_deref().map_or_else(|| words.to_owned(), |text| lines(text).trim().to_owned());
    Some(Report { status, words, component })
}

/// What an answer means. The incident's id is what later reports name.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    let json = answer.json();
    // A page has an id too, and belongs to none.
    let incident = json.get("id").filter(|_| json.get("page_id").is_some()).and_then(Value::as_str);
    match answer.by_status("Statuspage", true) {
        Outcome::Sent { .. } => Outcome::Sent { reference: incident.map(str::to_owned) },
        Outcome::Retry { after_ms: None, error } if matches!(answer.status, 420 | 429) => {
            Outcome::Retry { after_ms: Some(AFTER_429_MS), error }
        }
        outcome => outcome,
    }
}
