//! Sentry's integration platform: issue alerts (`event_alert`), metric alerts (`metric_alert`) and issues (`issue`).
//!
//! An issue alert is about one event of an issue: the issue is there until Sentry says that it is resolved or
//! archived, which needs the integration's webhook for issues. Whatever else Sentry sends (installations, comments)
//! is taken and says nothing.

use serde_json::Value;

use super::{Alert, Once, text_at};
use tidegate_decide::sources::AlertStatus;
use tidegate_model::Instant;

/// Reads a delivery.
pub fn read(document: Value, resource: Option<&str>, now: Instant) -> Result<Vec<Alert>, String> {
    let Some(data) = document.get("data") else { return Err("`data` is missing".to_owned()) };
    let resource = resource.map(str::to_owned).or_else(|| guessed(data));
    let action = text_at(&document, "/action").unwrap_or_default();
    let alert = match resource.as_deref() {
        Some("metric_alert") => metric_alert(document, &action, now),
        Some("event_alert") => event_alert(document, now),
        Some("issue") => issue(document, &action, now),
        _ => None,
    };
    Ok(alert.into_iter().collect())
}

/// What it is about, where the header is missing.
fn guessed(data: &Value) -> Option<String> {
    let known = [("metric_alert", "metric_alert"), ("event", "event_alert"), ("issue", "issue")];
    known.into_iter().find(|(field, _)| data.get(field).is_some()).map(|(_, resource)| resource.to_owned())
}

fn named(fields: &mut Vec<(String, String)>, name: &str, value: Option<String>) {
    fields.extend(value.map(|value| (name.to_owned(), value)));
}

fn metric_alert(document: Value, action: &str, now: Instant) -> Option<Alert> {
    let status = match action {
        "critical" | "warning" => AlertStatus::Firing,
        "resolved" => AlertStatus::Resolved,
        _ => return None,
    };
    let at = |path: &str| text_at(&document, &format!("/data/metric_alert{path}"));
    let rule = at("/alert_rule/id").or_else(|| at("/alert_rule/name"))?;
    let mut fields = vec![("resource".to_owned(), "metric_alert".to_owned()), ("action".to_owned(), action.to_owned())];
    named(&mut fields, "rule", at("/alert_rule/name"));
    named(&mut fields, "query", at("/alert_rule/query"));
    named(&mut fields, "environment", at("/alert_rule/environment"));
    named(&mut fields, "title", text_at(&document, "/data/description_title"));
    if let Some(Value::Array(projects)) = document.pointer("/data/metric_alert/projects") {
        let projects = projects.iter().filter_map(Value::as_str);
        fields.extend(projects.map(|project| ("project".to_owned(), project.to_owned())));
    }
    // The incident begins once, whether at `warning` or at `critical`.
    Some(Alert {
        key: format!("metric_alert/{rule}"),
        status,
        at: now,
        is_beginning: false,
        once: None,
        fields,
        document,
    })
}

fn event_alert(document: Value, now: Instant) -> Option<Alert> {
    let at = |path: &str| text_at(&document, &format!("/data{path}"));
    let issue = at("/event/issue_id").or_else(|| at("/event/event_id"))?;
    let rule = at("/triggered_rule").or_else(|| at("/issue_alert/title"));
    let event = at("/event/event_id").map(|event| Once::Id(format!("{event}/{}", rule.as_deref().unwrap_or_default())));
    let mut fields = vec![("resource".to_owned(), "event_alert".to_owned())];
    named(&mut fields, "rule", rule);
    for name in ["title", "level", "environment", "platform", "release", "transaction", "project", "project_slug"] {
        named(&mut fields, name, at(&format!("/event/{name}")));
    }
    if let Some(Value::Array(tags)) = document.pointer("/data/event/tags") {
        let tags = tags.iter().filter_map(|tag| Some((text_at(tag, "/0")?, text_at(tag, "/1")?)));
        let tags: Vec<_> = tags.filter(|(name, _)| !fields.iter().any(|(own, _)| own == name)).collect();
        fields.extend(tags);
    }
    Some(Alert {
        key: format!("issue/{issue}"),
        status: AlertStatus::Firing,
        at: now,
        is_beginning: false,
        once: event,
        fields,
        document,
    })
}

fn issue(document: Value, action: &str, now: Instant) -> Option<Alert> {
    let status = match action {
        "created" | "unresolved" => AlertStatus::Firing,
        "resolved" | "archived" | "ignored" => AlertStatus::Resolved,
        _ => return None,
    };
    let at = |path: &str| text_at(&document, &format!("/data/issue{path}"));
    let issue = at("/id")?;
    let mut fields = vec![("resource".to_owned(), "issue".to_owned()), ("action".to_owned(), action.to_owned())];
    named(&mut fields, "project", at("/project/slug"));
    for name in ["title", "level", "platform", "status", "substatus", "priority"] {
        named(&mut fields, name, at(&format!("/{name}")));
    }
    Some(Alert { key: format!("issue/{issue}"), status, at: now, is_beginning: false, once: None, fields, document })
}
