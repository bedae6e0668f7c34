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

use super::access;
use super::auth::{Admitted, By, Credentials, Digest, Person, Role, by_token, is_cross_site};
use super::body;
use super::problem::Problem;
use super::shapes::{Session, Text};
use crate::address::Address;
use crate::answer::Answer;
use crate::limiter::{self, Limiter};
use crate::{cookie, signing};
use tidegate_model::Instant;

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

/// The path of the console's session.
pub const PATH: &str = "/_tidegate/api/session";

/// Who has tried to sign in lately.
pub struct SignIns(Limiter);

impl Default for SignIns {
    fn default() -> Self {
        Self(Limiter::new(limiter::SIGN_INS))
    }
}

impl SignIns {
    /// Admits an attempt from a network address. It is counted before anything is waited for, so that many at once
    /// are no way around; a right token gives it back.
    ///
    /// # Errors
    /// When another site's page sends it, or there were too many.
    pub fn admit(&mut self, credentials: &Credentials<'_>, from: &str, now_ms: f64) -> Result<(), Problem> {
        if is_cross_site(credentials) {
            return Err(Problem::cross_site());
        }
        if self.0.admit(from, now_ms) { Ok(()) } else { Err(Problem::too_many_sign_ins(self.0.wait_s(from))) }
    }

    /// Begins the session of whoever sends a token in the body `text`. `tokens` is the value of `ADMIN_TOKENS`.
    ///
    /// # Errors
    /// When it is nobody's token, or there can be no session.
    pub fn begin(
        &mut self,
        text: &str,
        from: &str,
        tokens: Option<&str>,
        key: Option<&SessionKey>,
        address: &Address<'_>,
        now_ms: f64,
    ) -> Result<Answer, Problem> {
        let (person, digest) = by_token(tokens, &body::sign_in(text)?)?;
        self.0.give_back(from);
        if person.role == Role::Reporter {
            return Err(Problem::only_reports(&person));
        }
        let key = key.ok_or_else(Problem::no_signing_key)?;
        if !address.keeps_secure_cookies() {
            return Err(Problem::plain_http());
        }
        let ends_s = (now_ms / 1_000.0) as u64 + LIFE_S;
        let cookie = begin(key, &person, &digest, ends_s);
        Ok(whose(Admitted { person, ends_s: Some(ends_s), by: By::Session }).with("set-cookie", &cookie))
    }
}

/// Ends the session.
///
/// # Errors
/// When another site's page sends it.
pub fn sign_out(credentials: &Credentials<'_>) -> Result<Answer, Problem> {
    if is_cross_site(credentials) { Err(Problem::cross_site()) } else { Ok(Answer::empty().with("set-cookie", &end())) }
}

/// Who is signed in, until when, and where that is ended other than here.
pub fn whose(admitted: Admitted) -> Answer {
    let expires = admitted
        .ends_s
        .and_then(|ends_s| i64::try_from(ends_s).ok())
        .map(|ends_s| Instant::from_epoch_ms(ends_s.saturating_mul(1_000)));
    let session = Session {
        role: Text::word(admitted.person.role.as_str()),
        name: admitted.person.name,
        expires: expires.into(),
        sign_out: (admitted.by == By::Access).then(|| access::SIGN_OUT.to_owned()),
    };
    let body = serde_json::to_string(&session);
    Answer::json(body.unwrap_or_default())
}

#[cfg(test)]
mod tests {
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

    /// A sign-in from 192.0.2.1, with a body, at an address.
    fn sign_in(sign_ins: &mut SignIns, origin: Option<&str>, body: &str, at: &str) -> Result<Answer, Problem> {
        let address = Address::parse(at).unwrap();
        let own_origin = format!("{}://{}", address.scheme, address.authority);
        let credentials = Credentials {
            reports: None,
            authorization: None,
            sessions: Vec::new(),
            access: None,
            origin,
            fetch_site: None,
            own_origin: &own_origin,
            is_read: false,
            now_s: 0.0,
        };
        sign_ins.admit(&credentials, "192.0.2.1", 0.0)?;
        // SHA-256 of `token`.
        let tokens = "ana:operator:3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";
        let key = key("a key of thirty-two bytes, or so");
        sign_ins.begin(body, "192.0.2.1", Some(tokens), Some(&key), &address, 5_000.0)
    }

    const OPS: &str = "https://ops.example/_tidegate/api/session";

    #[test]
    fn a_token_begins_a_session_that_no_script_can_read() {
        let answer = sign_in(&mut SignIns::default(), None, r#"{"token":"token"}"#, OPS).unwrap();
        assert_eq!(answer.body, r#"{"name":"ana","role":"operator","expires":"1970-01-01T12:00:05Z"}"#);
        assert!(answer.headers.starts_with("set-cookie:__Secure-tidegate-session=ana~43205."), "{}", answer.headers);
        assert!(answer.headers.contains("HttpOnly; SameSite=Strict; Max-Age=43200"), "{}", answer.headers);
        let plain = sign_in(&mut SignIns::default(), None, r#"{"token":"token"}"#, "http://ops.example/").unwrap_err();
        assert_eq!(plain.kind, Problem::plain_http().kind);
    }

    #[test]
    fn wrong_tokens_are_limited_and_right_ones_are_not() {
        let mut sign_ins = SignIns::default();
        for _ in 0..20 {
            assert!(sign_in(&mut sign_ins, None, r#"{"token":"token"}"#, OPS).is_ok());
        }
        for _ in 0..10 {
            assert_eq!(sign_in(&mut sign_ins, None, r#"{"token":"guess"}"#, OPS).unwrap_err().status, 401);
        }
        let refused = sign_in(&mut sign_ins, None, r#"{"token":"token"}"#, OPS).unwrap_err();
        assert_eq!((refused.status, refused.retry_after_s), (429, Some(6)));
    }

    #[test]
    fn another_sites_page_signs_nobody_in_and_uses_nothing_up() {
        let mut sign_ins = SignIns::default();
        for _ in 0..20 {
            let refused = sign_in(&mut sign_ins, Some("https://evil.example"), r#"{"token":"token"}"#, OPS);
            assert_eq!(refused.unwrap_err().kind, Problem::cross_site().kind);
        }
        assert!(sign_in(&mut sign_ins, Some("https://ops.example"), r#"{"token":"token"}"#, OPS).is_ok());
    }
}
