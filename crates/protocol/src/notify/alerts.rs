//! Opsgenie, and the alerts of Jira Service Management, which speak the same: an alert is created under
//! an alias, the incident's, and closed by it. An alert that is open already is counted, not opened twice.

use serde_json::{Map, Value, json};
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::channel::Region;
use tidegate_model::plan::words::SecretName;

use super::answer::{Answer, Outcome, after_seconds};
use super::keys::Keys;
use super::pagerduty::summary;
use super::text::{self, cut, line};
use super::{Request, put};
use crate::address::encoded;

/// The gateway to Jira Service Management.
pub const JSM: &str = "https://api.atlassian.com/jsm/ops/integration";
/// Both refuse a longer message.
const MESSAGE_CHARS: usize = 130;
/// Both refuse a longer description.
const DESCRIPTION_CHARS: usize = 15_000;
/// Both cut a longer alias, and would then not find it again.
const ALIAS_CHARS: usize = 512;
/// Both take 8,000 characters of details.
const DETAIL_CHARS: usize = 1_000;

/// Opsgenie's address.
pub const fn opsgenie(region: Region) -> &'static str {
    match region {
        Region::Us => "https://api.opsgenie.com",
        Region::Eu => "https://api.eu.opsgenie.com",
    }
}

/// Where alerts go.
pub struct Alerts<'a> {
    /// The key of the integration.
    pub key: &'a SecretName,
    /// The vendor's address.
    pub base: &'static str,
    /// The team that answers.
    pub team: Option<&'a str>,
    /// Another address that speaks the same.
    pub url: Option<&'a SecretName>,
}

impl Alerts<'_> {
    /// A message.
    ///
    /// # Errors
    /// When the key is not set.
    pub fn request(&self, keys: &Keys<'_>, id: &str, n: &Notification) -> Result<Request, String> {
        use NotificationKind as Kind;
        let headers = [("authorization", format!("GenieKey {}", keys.text(self.key)?))];
        let base = self.url.map_or_else(|| Ok(self.base.to_owned()), |url| keys.base(url, "/v2/alerts"))?;
        let alias = cut(n.incident.as_deref().unwrap_or(id), ALIAS_CHARS);
        match n.kind {
            Kind::Resolved if n.incident.is_none() => Ok(Request::Nothing),
            Kind::Resolved => {
                let url = format!("{base}/v2/alerts/{}/close?identifierType=alias", encoded(&alias));
                let note = cut(&line(&format!("{} {}", n.headline, n.why)), DESCRIPTION_CHARS);
                Ok(Request::json("POST", url, &headers, &json!({ "source": "Tidegate", "note": note })))
            }
            Kind::Digest | Kind::Checkin | Kind::Report | Kind::Stage | Kind::Notice => Ok(Request::Nothing),
            _ => Ok(Request::json("POST", format!("{base}/v2/alerts"), &headers, &self.alert(&alias, n))),
        }
    }

    fn alert(&self, alias: &str, n: &Notification) -> Value {
        let mut details = Map::new();
        let command = n.command.as_ref().map(|_| (text::command_label(n), text::commands(n).join("\n")));
        for (label, words) in text::facts(n).into_iter().chain(command) {
            details.insert(label.to_owned(), cut(&words, DETAIL_CHARS).into());
        }
        let priority = match n.urgency {
            Urgency::Critical => "P1",
            Urgency::Warning => "P3",
            Urgency::Info => "P5",
        };
        let mut alert = json!({
            "message": text::title(&[&summary(n), &line(&n.headline), &line(n.what())], MESSAGE_CHARS),
            "alias": alias,
            "description": cut(&format!("{}\n\n{}", line(&n.headline), text::plain(n)), DESCRIPTION_CHARS),
            "details": details,
            "entity": n.rollout,
            "source": "Tidegate",
            "priority": priority,
            "tags": ["tidegate", n.kind.as_str()],
        });
        if let Some(team) = self.team {
            put(&mut alert, "responders", json!([{ "name": team, "type": "team" }]));
        }
        alert
    }
}

/// What an answer means. A throttled request says in a header of its own for how long.
pub fn outcome(answer: &Answer<'_>, vendor: &str) -> Outcome {
    match answer.by_status(vendor, true) {
        Outcome::Retry { after_ms: None, error } => {
            let period = answer.header("x-ratelimit-period-in-sec").and_then(|seconds| seconds.parse().ok());
            Outcome::Retry { after_ms: period.and_then(after_seconds), error }
        }
        // Closing an alert that is gone is what was wanted, but a create never finds nothing.
        outcome => outcome,
    }
}
