//! Verifies a JSON Web Token (RFC 7519) with a shared key, and checks what any token must fulfil.
//!
//! A token that is not verified is ignored, never half believed. Only HS256 is verified here; keys
//! that are published (RS256, ES256) are the platform's to check, which then asks [`accepted`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use tidegate_model::node::{Node, Value};
use tidegate_model::plan::Token;

/// Clocks may differ by so much.
const LEEWAY_S: f64 = 60.0;

/// Why a token whose keys are published could not be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// It cannot be taken apart, or names an extension that must be known.
    NoToken,
    /// It claims another algorithm than those that count.
    Algorithm,
    /// There are no keys.
    NoKeys,
    /// It names a key that is not published.
    UnknownKey,
    /// The signature is not the key's, or the key is not for the algorithm.
    Signature,
}

impl std::fmt::Display for Unverified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoToken => "it is no JWT",
            Self::Algorithm => "it is not signed with RS256 or ES256",
            Self::NoKeys => "the published keys cannot be read",
            Self::UnknownKey => "it is signed with a key that is not published",
            Self::Signature => "its signature is wrong",
        })
    }
}

/// A token's parts, not verified.
pub struct Parts<'a> {
    /// The signed text.
    pub signed: &'a str,
    /// The algorithm that it claims.
    pub algorithm: String,
    /// The key that it names.
    pub key_id: Option<String>,
    /// The signature.
    pub signature: Vec<u8>,
    /// What it says.
    pub claims: Node,
}

impl<'a> Parts<'a> {
    /// Takes a token apart, or returns `None` when it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = decoded(header)?;
        // RFC 7515 §4.1.11: whoever does not know an extension named here must refuse.
        if header.field("crit").is_some() {
            return None;
        }
        let (algorithm, key_id) = (text_of(&header, "alg")?.to_owned(), text_of(&header, "kid").map(str::to_owned));
        Some(Self {
            signed,
            algorithm,
            key_id,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            claims: decoded(claims)?,
        })
    }
}

fn decoded(part: &str) -> Option<Node> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_str(str::from_utf8(&json).ok()?).ok()
}

/// The text that a field of a header, of claims or of a key holds.
pub fn text_of<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    node.field(name).and_then(as_text)
}

/// The text that a claim is.
pub fn as_text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// The time that a claim is, in seconds since 1970.
pub fn time_of(claims: &Node, name: &str) -> Option<f64> {
    match claims.field(name)?.value {
        Value::Integer(seconds) => Some(seconds as f64),
        Value::Float(seconds) => Some(seconds),
        _ => None,
    }
}

/// The claims of a token signed with HS256 and this key, if it is valid at `now_s` (seconds since 1970),
/// or has been where it `may_have_expired`.
pub fn verify_hs256(text: &str, key: &[u8], token: &Token, now_s: f64, may_have_expired: bool) -> Option<Node> {
    let parts = Parts::parse(text).filter(|parts| parts.algorithm == "HS256" && !key.is_empty())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(parts.signed.as_bytes());
    mac.verify_slice(&parts.signature).ok()?;
    accepted(&parts.claims, token, now_s, may_have_expired).then_some(parts.claims)
}

/// Whether the claims of a token whose signature is good are within their time (or past it, where that may be)
/// and meant for us.
pub fn accepted(claims: &Node, token: &Token, now_s: f64, may_have_expired: bool) -> bool {
    let time = |name: &str| claims.field(name).map(|_| time_of(claims, name));
    let is_in_time = match (time("exp"), time("nbf")) {
        (Some(None), _) | (_, Some(None)) => false,
        (expires, starts) => {
            expires.flatten().is_none_or(|expires| may_have_expired || now_s < expires + LEEWAY_S)
                && starts.flatten().is_none_or(|starts| now_s > starts - LEEWAY_S)
        }
    };
    let is_from = token.issuer.as_deref().is_none_or(|issuer| text_of(claims, "iss") == Some(issuer));
    let is_for = token.audience.as_deref().is_none_or(|audience| match claims.field("aud").map(|claim| &claim.value) {
        Some(Value::Text(own)) => own == audience,
        Some(Value::List(list)) => list.iter().any(|own| as_text(own) == Some(audience)),
        _ => false,
    });
    is_in_time && is_from && is_for
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::source::Source;

    const KEY: &[u8] = b"a key of at least thirty-two bytes";

    fn token() -> Token {
        Token {
            from: Source::Cookie("session".into()),
            secret: None,
            jwks: None,
            issuer: Some("https://id.example".into()),
            audience: Some("shop".into()),
        }
    }

    fn signed(header: &str, claims: &str, key: &[u8]) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
    const CLAIMS: &str = r#"{"sub":"user-1","iss":"https://id.example","aud":["shop","api"],"exp":2000}"#;

    #[track_caller]
    fn is_verified(text: &str, now_s: f64, expected: bool) {
        assert_eq!(verify_hs256(text, KEY, &token(), now_s, false).is_some(), expected);
    }

    #[test]
    fn only_a_signed_token_in_time_and_meant_for_us_is_verified() {
        is_verified(&signed(HEADER, CLAIMS, KEY), 1_000.0, true);
        is_verified(&signed(HEADER, CLAIMS, KEY), 2_059.0, true);
        is_verified(&signed(HEADER, CLAIMS, KEY), 2_061.0, false);
        is_verified(&signed(HEADER, CLAIMS, b"another key"), 1_000.0, false);
        is_verified(&signed(r#"{"alg":"none"}"#, CLAIMS, KEY), 1_000.0, false);
        is_verified(&signed(r#"{"alg":"HS256","crit":["b64"]}"#, CLAIMS, KEY), 1_000.0, false);
        is_verified(&signed(HEADER, &CLAIMS.replace("id.example", "evil.example"), KEY), 1_000.0, false);
        is_verified(&signed(HEADER, &CLAIMS.replace("shop", "bank"), KEY), 1_000.0, false);
        is_verified(&signed(HEADER, &CLAIMS.replace("2000", "\"soon\""), KEY), 1_000.0, false);
        is_verified(&signed(HEADER, &CLAIMS.replace("exp", "nbf"), KEY), 1_000.0, false);
        for text in ["", "a.b.c", "..", "é"] {
            is_verified(text, 1_000.0, false);
        }
    }
}
