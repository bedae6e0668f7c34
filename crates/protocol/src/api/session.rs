//! The console's session: a cookie that stands for a token, for 12 hours.
//!
//! ```text
//! value = NAME "~" EXPIRES "." base64url(HMAC-SHA-256(key, NAME "~" EXPIRES "~" SHA256HEX))
//! key   = HMAC-SHA-256(SIGNING_KEY, "tidegate session 1")         EXPIRES in seconds since 1970
//! ```
//! 1. It holds neither the token nor its hash. It ends with its time, with its entry in `ADMIN_TOKENS`,
//!    with another token of the same name, and with another `SIGNING_KEY`.
//! 2. Its path is Tidegate's own, so it never travels to a frontend.
//! 3. No script can read it, and no other site's page can make a browser send it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::auth::{Digest, Person};
use crate::{cookie, signing};

const COOKIE: &str = "__Secure-tidegate-session";
const USE: &[u8] = b"tidegate session 1";
/// So many cookies of the name are tried; browsers keep no more of a site.
const BROUGHT_MAX: usize = 200;
/// How long a session lasts, in seconds.
pub const LIFE_S: u64 = 12 * 3_600;

/// The key that sessions are signed with, made from `SIGNING_KEY`.
pub struct SessionKey(signing::Key);

impl SessionKey {
    /// Derives the key; `None` where the signing key is too short to be one.
    pub fn derive(signing_key: &str) -> Option<Self> {
        signing::derive(signing_key, USE).map(Self)
    }

    fn sign(&self, person: &Person, digest: &Digest, expires_s: u64) -> [u8; 32] {
        signing::sign(&self.0, &signed(person, digest, expires_s))
    }
}

fn signed(person: &Person, digest: &Digest, expires_s: u64) -> String {
    format!("{}~{expires_s}~{}", person.name, URL_SAFE_NO_PAD.encode(digest))
}

/// The `Set-Cookie` that begins a session of whoever has the token with this hash.
pub fn begin(key: &SessionKey, person: &Person, digest: &Digest, expires_s: u64) -> String {
    let mac = URL_SAFE_NO_PAD.encode(key.sign(person, digest, expires_s));
    set_cookie(&format!("{}~{expires_s}.{mac}", person.name), LIFE_S)
}

/// The `Set-Cookie` that ends it.
pub fn end() -> String {
    set_cookie("", 0)
}

fn set_cookie(value: &str, life_s: u64) -> String {
    format!("{COOKIE}={value}; Path=/_tidegate/; Secure; HttpOnly; SameSite=Strict; Max-Age={life_s}")
}

/// The sessions that a request's `Cookie` header brings. Another host of the same site can set a cookie of
/// this name too, so none of them may stand in the way of the one that counts.
pub fn brought(cookies: &str) -> Vec<&str> {
    cookie::values(cookies, COOKIE).filter(|value| !value.is_empty()).take(BROUGHT_MAX).collect()
}

/// Whose session the first of these is that counts at `now_s`, and when it ends, in seconds since 1970.
pub fn find(key: &SessionKey, known: &[(Person, Digest)], values: &[&str], now_s: f64) -> Option<(Person, u64)> {
    values.iter().find_map(|value| find_one(key, known, value, now_s))
}

fn find_one(key: &SessionKey, known: &[(Person, Digest)], value: &str, now_s: f64) -> Option<(Person, u64)> {
    let (claim, mac) = value.rsplit_once('.')?;
    let (name, expires) = claim.split_once('~')?;
    let expires_s: u64 = expires.parse().ok()?;
    if now_s >= expires_s as f64 {
        return None;
    }
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    let is_it = |(person, digest): &&(Person, Digest)| {
        person.name == name && signing::is_signed(&key.0, &signed(person, digest, expires_s), &mac)
    };
    known.iter().find(is_it).map(|(person, _)| (person.clone(), expires_s))
}

#[cfg(test)]
mod tests {
    use super::super::auth::Role;
    use super::*;

    const ANA: Digest = [1; 32];
    const BEN: Digest = [2; 32];

    fn key(text: &str) -> SessionKey {
        SessionKey::derive(text).unwrap_or_else(|| unreachable!())
    }

    fn person(name: &str) -> Person {
        Person { name: name.into(), role: Role::Operator, scope: super::super::auth::Scope::default() }
    }

    #[track_caller]
    fn is_of(cookies: &str, known: &[(&str, Digest)], now_s: f64, expected: Option<&str>) {
        let known: Vec<(Person, Digest)> = known.iter().map(|(name, digest)| (person(name), *digest)).collect();
        let found = find(&key("a key of thirty-two bytes, or so"), &known, &brought(cookies), now_s);
        assert_eq!(found.map(|(person, _)| person.name).as_deref(), expected, "{cookies}");
    }

    #[test]
    fn a_session_ends_with_its_time_and_with_its_token() {
        let cookie = begin(&key("a key of thirty-two bytes, or so"), &person("ana.b"), &ANA, 1_000);
        is_of(&cookie, &[("ben", BEN), ("ana.b", ANA)], 999.0, Some("ana.b"));
        is_of(&cookie, &[("ana.b", BEN), ("ana.b", ANA)], 999.0, Some("ana.b"));
        is_of(&cookie, &[("ana.b", ANA)], 1_000.0, None);
        is_of(&cookie, &[("ben", BEN)], 999.0, None);
        is_of(&cookie, &[("ana.b", BEN)], 999.0, None);
        is_of(&end(), &[("ana.b", ANA)], 999.0, None);
    }

    #[test]
    fn cookies_that_do_not_count_are_in_nobodys_way() {
        let cookie = begin(&key("a key of thirty-two bytes, or so"), &person("ana"), &ANA, 1_000);
        let (cookie, _) = cookie.split_once(';').unwrap();
        for before in ["x", "ana~9000.AAAA", "ben~1000.AAAA", ""] {
            is_of(
                &format!("{COOKIE}={before}; a=b; {cookie}; {COOKIE}={before}"),
                &[("ana", ANA), ("ben", BEN)],
                1.0,
                Some("ana"),
            );
        }
        let many = format!("{COOKIE}=ana~9000.AAAA; ").repeat(150);
        is_of(&format!("{many}{cookie}"), &[("ana", ANA)], 1.0, Some("ana"));
    }

    #[test]
    fn a_forged_session_is_none() {
        let cookie = begin(&key("another key, of thirty-two bytes"), &person("ana"), &ANA, 1_000);
        is_of(&cookie, &[("ana", ANA)], 1.0, None);
        let cookie = begin(&key("a key of thirty-two bytes, or so"), &person("ana"), &ANA, 1_000);
        is_of(&cookie.replace("ana~1000", "ana~9000"), &[("ana", ANA)], 1.0, None);
        is_of(&cookie.replace("ana~1000", "ben~1000"), &[("ana", ANA), ("ben", BEN)], 1.0, None);
        for value in ["", ".", "ana", "ana~1000", "ana~1000.", "ana~1000.%", "~.", "ana~-1.AA"] {
            is_of(&format!("{COOKIE}={value}"), &[("ana", ANA)], 1.0, None);
        }
        assert!(SessionKey::derive("short").is_none());
    }
}
