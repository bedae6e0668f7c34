//! The signed webhook: a CloudEvents 1.0 event, signed as Standard Webhooks says.
//!
//! The receiver knows a repetition by `webhook-id`, a replay by `webhook-timestamp`, and a forgery by
//! `webhook-signature`. A secret may hold several keys, separated by blanks: each signs, so that a receiver
//! can be moved from one to the next without a moment in which neither fits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tidegate_model::Instant;
use tidegate_model::notification::Notification;
use tidegate_model::plan::words::SecretName;

use super::Request;
use super::answer::{Answer, Outcome};
use super::keys::Keys;

/// Standard Webhooks asks for a key of 24 to 64 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A message.
///
/// # Errors
/// When the address or the key is not set, or the key is none.
pub fn request(
    keys: &Keys<'_>,
    url: &SecretName,
    signing_secret: Option<&SecretName>,
    id: &str,
    n: &Notification,
    sent_at: Instant,
) -> Result<Request, String> {
    let url = keys.address(url)?;
    let body = event(id, n).to_string();
    let timestamp = sent_at.as_epoch_ms().div_euclid(1_000).to_string();
    let mut headers = vec![
        ("content-type".to_owned(), "application/cloudevents+json; charset=utf-8".to_owned()),
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), timestamp.clone()),
    ];
    if let Some(secret) = signing_secret {
        headers.push(("webhook-signature".to_owned(), signature(keys, secret, id, &timestamp, &body)?));
    }
    Ok(Request::Http { method: "POST", url, headers, body })
}

/// The header `webhook-signature`: one signature of each key that the secret holds.
///
/// # Errors
/// When the secret is not set, or holds what is no key.
pub fn signature(
    keys: &Keys<'_>,
    secret: &SecretName,
    id: &str,
    timestamp: &str,
    body: &str,
) -> Result<String, String> {
    let value = keys.text(secret)?;
    let sign = |key: Vec<u8>| {
        let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body.as_bytes()];
        format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &parts)))
    };
    let signatures: Option<Vec<String>> = value.split_whitespace().map(|text| key(text).map(sign)).collect();
    let signatures = signatures.ok_or_else(|| {
        format!(
            "the secret {} is no key of Standard Webhooks, `whsec_` and 24 to 64 bytes in base64: `echo \"whsec_$(openssl rand -base64 32)\"` makes one",
            secret.0
        )
    })?;
    Ok(signatures.join(" "))
}

/// The event.
fn event(id: &str, n: &Notification) -> Value {
    let mut notification = serde_json::to_value(n).unwrap_or_default();
    let entry = notification.as_object_mut().and_then(|fields| fields.remove("entry"));
    // What is about no entry, such as a digest, has the rollout alone.
    let mut data = match entry {
        Some(Value::Object(entry)) => entry,
        _ => [("rollout".to_owned(), json!(n.rollout))].into_iter().collect(),
    };
    data.insert("notification".to_owned(), notification);
    json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/_tidegate/api/rollouts/{}", n.rollout),
        "type": format!("dev.tidegate.rollout.{}", n.kind.as_str()),
        "subject": n.rollout,
        "time": n.at,
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// A key as Standard Webhooks writes it.
fn key(text: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
    KEY_BYTES.contains(&key.len()).then_some(key)
}

/// HMAC-SHA-256 of parts that follow each other.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// What an answer means: as Standard Webhooks says, whatever is not a success is tried again, but for an
/// address that is gone.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    answer.by_status("the receiver", false)
}
