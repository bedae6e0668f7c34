//! PagerDuty's webhooks (V3): incidents that are opened, change hands and are resolved.
//!
//! Each event tells the incident's status, so those that only tell who looks after it say as well that it is there.
//! Events of other resources (services, notes, `pagey.ping`) are taken and say nothing.

use serde_json::Value;

use super::{Alert, moment_at, text_at};
use tidegate_decide::sources::AlertStatus;
use tidegate_model::Instant;

/// Reads a delivery.
pub fn read(mut document: Value, now: Instant) -> Result<Vec<Alert>, String> {
    let Some(event) = document.get_mut("event").map(Value::take).filter(Value::is_object) else {
        return Err("`event` is missing; only webhooks of version 3 are read".to_owned());
    };
    Ok(incident(event, now).into_iter().collect())
}

fn incident(event: Value, now: Instant) -> Option<Alert> {
    let at = |path: &str| text_at(&event, path);
    let kind = at("/event_type")?;
    if !kind.starts_with("incident.") || at("/data/type").is_some_and(|what| what != "incident") {
        return None;
    }
    let status = match (kind.as_str(), at("/data/status").as_deref()) {
        ("incident.resolved", _) | (_, Some("resolved")) => AlertStatus::Resolved,
        ("incident.triggered" | "incident.acknowledged" | "incident.reopened" | "incident.unacknowledged", _)
        | (_, Some("triggered" | "acknowledged")) => AlertStatus::Firing,
        _ => return None,
    };
    let key = at("/data/id")?;
    let mut fields = vec![("event_type".to_owned(), kind)];
    for (name, path) in [
        ("title", "/data/title"),
        ("urgency", "/data/urgency"),
        ("status", "/data/status"),
        ("priority", "/data/priority/summary"),
        ("service", "/data/service/summary"),
        ("service_id", "/data/service/id"),
        ("incident_type", "/data/incident_type/name"),
    ] {
        fields.extend(at(path).map(|value| (name.to_owned(), value)));
    }
    if let Some(Value::Array(teams)) = event.pointer("/data/teams") {
        fields.extend(teams.iter().filter_map(|team| Some(("team".to_owned(), text_at(team, "/summary")?))));
    }
    let occurred = moment_at(&event, "/occurred_at").unwrap_or(now);
    Some(Alert { key, status, at: occurred, is_beginning: false, once: None, fields, document: event })
}
