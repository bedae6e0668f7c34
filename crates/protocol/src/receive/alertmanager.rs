//! Prometheus' Alertmanager, and Grafana's alerting, which sends the same and more.
//!
//! One delivery has the alerts of one group, firing and resolved ones mixed. An alert is known by its fingerprint,
//! and one occurrence of it by the time at which it began; the same is sent again and again while it lasts
//! (`repeat_interval`). Grafana has alerts of its own where a query fails or finds nothing: they stand for the rule
//! that they name, of which nothing is known then.

use serde_json::Value;

use super::{Alert, moment_at, scalars, text_at};
use tidegate_decide::sources::AlertStatus;
use tidegate_model::Instant;
use tidegate_model::history::sha256_hex;

/// Reads a delivery.
pub fn read(mut document: Value, now: Instant) -> Result<Vec<Alert>, String> {
    let alerts = match document.get_mut("alerts").map(Value::take) {
        Some(Value::Array(alerts)) => alerts,
        // What Grafana sent before it had groups of alerts.
        None | Some(Value::Null) if document.get("ruleId").is_some() => return Ok(legacy(document, now)),
        Some(_) => return Err("`alerts` is not a list".to_owned()),
        None => return Err("`alerts` is missing".to_owned()),
    };
    Ok(alerts.into_iter().filter_map(|alert| one(alert, now)).collect())
}

fn one(document: Value, now: Instant) -> Option<Alert> {
    let mut fields = scalars(document.get("labels")?);
    let status = match document.get("status").and_then(Value::as_str)? {
        "firing" => AlertStatus::Firing,
        "resolved" => AlertStatus::Resolved,
        _ => return None,
    };
    let fingerprint = text_at(&document, "/fingerprint");
    let key = fingerprint.unwrap_or_else(|| sha256_hex(format!("{fields:?}").as_bytes()));
    let is_blank = is_without_data(&mut fields);
    let began = moment_at(&document, "/startsAt");
    let ended = moment_at(&document, "/endsAt");
    let (status, at) = match status {
        AlertStatus::Resolved => (AlertStatus::Resolved, ended.or(began).unwrap_or(now)),
        _ if is_blank => (AlertStatus::NoData, began.unwrap_or(now)),
        _ => (AlertStatus::Firing, began.unwrap_or(now)),
    };
    Some(Alert { key, status, at, is_beginning: true, once: None, fields, document })
}

/// Whether it tells that a rule's query failed or found nothing; the alert is then known by the rule's name.
fn is_without_data(fields: &mut [(String, String)]) -> bool {
    let is_blank = fields
        .iter()
        .any(|(name, value)| name == "alertname" && matches!(value.as_str(), "DatasourceNoData" | "DatasourceError"));
    let rule = fields.iter().find(|(name, _)| name == "rulename").map(|(_, rule)| rule.clone());
    let Some(rule) = rule.filter(|_| is_blank) else { return false };
    for (name, value) in fields {
        if name == "alertname" {
            value.clone_from(&rule);
        }
    }
    true
}

fn legacy(document: Value, now: Instant) -> Vec<Alert> {
    let status = match document.get("state").and_then(Value::as_str) {
        Some("alerting") => AlertStatus::Firing,
        Some("ok") => AlertStatus::Resolved,
        Some("no_data") => AlertStatus::NoData,
        // Neither `pending` nor `paused` says anything.
        _ => return Vec::new(),
    };
    let Some(key) = text_at(&document, "/ruleId") else { return Vec::new() };
    let mut fields = document.get("tags").map(scalars).unwrap_or_default();
    if let Some(rule) = text_at(&document, "/ruleName") {
        fields.push(("alertname".to_owned(), rule));
    }
    vec![Alert { key: format!("rule/{key}"), status, at: now, is_beginning: false, once: None, fields, document }]
}
