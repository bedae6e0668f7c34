//! Sentry's change tracking of feature flags, as its generic provider: who changed what, and when, beside
//! the errors that began then. Only what changes which users get the new side is a change of a flag.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tidegate_model::notification::{Notification, NotificationKind};
use tidegate_model::plan::words::SecretName;

use super::Request;
use super::answer::{Answer, Outcome};
use super::keys::Keys;
use super::text::{cut, line};
use super::webhook::hmac_sha256;

/// Sentry refuses a longer flag or author.
const NAME_CHARS: usize = 100;

/// A message.
///
/// # Errors
/// When the address or the signing secret is not set.
pub fn request(
    keys: &Keys<'_>,
    url: &SecretName,
    signing_secret: &SecretName,
    id: &str,
    n: &Notification,
) -> Result<Request, String> {
    use NotificationKind as Kind;
    let (url, secret) = (keys.address(url)?, keys.text(signing_secret)?);
    if !matches!(n.kind, Kind::Stage | Kind::Rollback | Kind::Kill | Kind::Test) {
        return Ok(Request::Nothing);
    }
    let by = author(n);
    // A sample is no change of the rollout.
    let flag = if n.kind == Kind::Test { "tidegate-test" } else { n.rollout.as_str() };
    let body = json!({
        "data": [{
            "action": if n.revision == Some(1) { "created" } else { "updated" },
            "change_id": change_id(id),
            "created_at": n.at,
            "created_by": { "id": cut(&by, NAME_CHARS), "type": if by.contains('@') { "email" } else { "name" } },
            "flag": flag,
        }],
        "meta": { "version": 1 },
    });
    let signature = base16ct::lower::encode_string(&hmac_sha256(secret.as_bytes(), &[body.to_string().as_bytes()]));
    Ok(Request::json("POST", url, &[("x-sentry-signature", signature)], &body))
}

/// Whose command it was.
fn author(n: &Notification) -> String {
    let actor = n.entry.as_ref().and_then(|entry| entry.get("actor")).and_then(Value::as_str).map(line);
    actor.filter(|actor| !actor.is_empty()).unwrap_or_else(|| "tidegate".into())
}

/// A number for a message that stays its own: Sentry tells changes apart by it.
fn change_id(id: &str) -> u64 {
    let digest = Sha256::digest(id.as_bytes());
    // As many bits as a number in JSON holds exactly.
    digest.iter().take(6).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What an answer means. Sentry answers 200 to what it could not read, and says so in the body.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    if answer.is_success() {
        return match answer.json() {
            Value::Object(errors) if !errors.is_empty() => {
                Outcome::Dead { error: format!("{}: Sentry could not read the change", answer.describe("Sentry")) }
            }
            _ => Outcome::Sent { reference: None },
        };
    }
    match answer.by_status("Sentry", true) {
        Outcome::Dead { .. } if answer.status == 401 => Outcome::Dead {
            error: "Sentry answered 401: the signing secret is not the one of its generic provider".into(),
        },
        outcome => outcome,
    }
}
