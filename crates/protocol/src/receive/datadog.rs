//! Datadog's monitors, by its integration for webhooks.
//!
//! Datadog sends what the webhook's template says, so Tidegate documents one:
//! ```json
//! {"id":"$ID","alert_id":"$ALERT_ID","alert_transition":"$ALERT_TRANSITION","alert_cycle_key":"$ALERT_CYCLE_KEY",
//!  "title":"$EVENT_TITLE","priority":"$ALERT_PRIORITY","scope":"$ALERT_SCOPE","tags":"$TAGS","date":"$DATE"}
//! ```
//! A monitor alerts once for each group (`scope`) that it watches. What has no transition is an event, and counts
//! once by its id.

use serde_json::Value;

use super::{Alert, Once, moment_at, scalars, text_at};
use tidegate_decide::sources::AlertStatus;
use tidegate_model::Instant;

/// Reads a delivery.
pub fn read(document: Value, now: Instant) -> Result<Vec<Alert>, String> {
    if !document.is_object() {
        return Err("the body is no JSON object".to_owned());
    }
    let at = |name: &str| text_at(&document, &format!("/{name}")).filter(|text| !text.starts_with('$'));
    let status = match at("alert_transition").unwrap_or_default().to_ascii_lowercase().as_str() {
        "triggered" | "re-triggered" | "warn" | "re-warn" | "renotify" => AlertStatus::Firing,
        "recovered" => AlertStatus::Resolved,
        "no data" | "re-no data" => AlertStatus::NoData,
        _ => AlertStatus::Moment,
    };
    let scope = at("scope").or_else(|| at("alert_scope")).unwrap_or_default();
    let key = at("alert_id")
        .map(|monitor| format!("{monitor}|{scope}"))
        .or_else(|| at("alert_cycle_key"))
        .or_else(|| at("aggreg_key"));
    let once = at("id").map(Once::Id).filter(|_| status == AlertStatus::Moment);
    let mut fields: Vec<(String, String)> = scalars(&document).into_iter().filter(|(name, _)| name != "tags").collect();
    fields.extend(at("alert_id").map(|monitor| ("monitor".to_owned(), monitor)));
    for tag in [at("tags"), Some(scope)].into_iter().flatten().flat_map(|tags| split(&tags)) {
        if !fields.contains(&tag) {
            fields.push(tag);
        }
    }
    let date = moment_at(&document, "/date").or_else(|| moment_at(&document, "/last_updated")).unwrap_or(now);
    let key = key.unwrap_or_else(|| at("title").unwrap_or_default());
    Ok(vec![Alert { key, status, at: date, is_beginning: false, once, fields, document }])
}

/// Tags as Datadog writes them: `env:prod,service:checkout`.
fn split(tags: &str) -> Vec<(String, String)> {
    let pairs = tags.split(',').filter_map(|tag| tag.trim().split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
