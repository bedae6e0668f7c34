//! Whether a delivery is genuine: it carries the receiver's secret, or is signed with it.
//!
//! Comparisons take the same time wherever two values differ ([`is_equal`], and the `hmac` crate, which does likewise).
//! A signature covers the body letter by letter, so the body is read as text and never written anew before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::signing::is_equal;
use tidegate_model::plan::receiver::{Receiver, ReceiverKind};

/// A shorter secret is guessed.
pub const SECRET_BYTES_MIN: usize = 16;
/// Of several signatures so many are looked at: a sender has a new secret and an old one at the most.
const SIGNATURES_MAX: usize = 8;
/// A signature that says when it was made counts for so long, either way, in seconds.
const SIGNED_S_MAX: f64 = 300.0;

/// Whether a delivery is proved by the secret. `header` gives a header of the request.
pub fn is_genuine(
    receiver: &Receiver,
    secret: &str,
    header: &dyn Fn(&str) -> Option<String>,
    body: &str,
    now_s: f64,
) -> bool {
    if receiver.token.is_some() {
        return header("authorization").is_some_and(|authorization| brings(&authorization, secret));
    }
    match receiver.kind {
        ReceiverKind::Sentry => {
            header("sentry-hook-signature").is_some_and(|signature| is_signed(secret, &[body], &signature))
        }
        ReceiverKind::PagerDuty => header("x-pagerduty-signature").is_some_and(|signatures| {
            let versions = signatures.split(',').take(SIGNATURES_MAX).filter_map(|one| one.trim().strip_prefix("v1="));
            // Each is looked at, whichever is right.
            versions.fold(false, |found, signature| is_signed(secret, &[body], signature) | found)
        }),
        ReceiverKind::Grafana => header("x-grafana-alerting-signature").is_some_and(|signature| {
            // With a header for the time, Grafana signs `TIME:BODY`.
            match header("x-grafana-alerting-timestamp").or_else(|| header("x-grafana-alerting-signature-timestamp")) {
                Some(time) => {
                    let is_fresh = time.trim().parse().is_ok_and(|at: f64| (now_s - at).abs() <= SIGNED_S_MAX);
                    is_fresh & is_signed(secret, &[time.trim(), ":", body], &signature)
                }
                None => is_signed(secret, &[body], &signature),
            }
        }),
        ReceiverKind::Alertmanager | ReceiverKind::Datadog | ReceiverKind::Json => false,
    }
}

/// Whether `Authorization` brings the secret: as a bearer token, or as the password of anybody.
fn brings(authorization: &str, secret: &str) -> bool {
    let Some((scheme, value)) = authorization.trim().split_once(' ') else { return false };
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return is_equal(value.as_bytes(), secret.as_bytes());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let Ok(decoded) = STANDARD.decode(value) else { return false };
    let password = decoded.iter().position(|byte| *byte == b':').and_then(|colon| decoded.get(colon + 1..));
    password.is_some_and(|password| is_equal(password, secret.as_bytes()))
}

/// Whether this is the signature of a text, in hexadecimal digits.
fn is_signed(secret: &str, parts: &[&str], signature: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    let Ok(signature) = base16ct::mixed::decode_vec(signature.trim()) else { return false };
    mac.verify_slice(&signature).is_ok()
}
