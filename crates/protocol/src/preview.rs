//! Previews: a signed choice of side for one browser, one rollout and one host, for a while.
//!
//! ```text
//! token  = payload "." base64url(HMAC-SHA-256(key, payload))
//! payload = KEY "~" VARIANT "~" EXPIRES "~" HOST                  EXPIRES in seconds since 1970
//! key    = HMAC-SHA-256(SIGNING_KEY, "tidegate preview 1")        so that no other use shares it
//! ```
//! A token that is expired, forged, or meant for another rollout or host does nothing. It stands in
//! the link that an operator gives away and in the cookie that the link sets.

use std::fmt::Write as _;

use super::answer::Answer;
use super::api::parameter;
use super::{cookie, signing};
use tidegate_decide::assign::Variant;
use tidegate_model::Name;

/// The start of the names of the cookies; the rollout's key follows.
pub const COOKIE: &str = "__Host-tidegate-preview-";
/// The path of the link.
pub const PATH: &str = "/_tidegate/preview";
const USE: &[u8] = b"tidegate preview 1";

/// The key that previews are signed with, made from `SIGNING_KEY`.
pub struct PreviewKey(signing::Key);

impl PreviewKey {
    /// Derives the key; `None` where the signing key is too short to be one.
    pub fn derive(signing_key: &str) -> Option<Self> {
        Self::derive_for(signing_key, USE)
    }

    /// Derives a key for another use.
    pub(super) fn derive_for(signing_key: &str, used_for: &[u8]) -> Option<Self> {
        signing::derive(signing_key, used_for).map(Self)
    }

    /// Signs a choice that counts until `expires_s` (seconds since 1970).
    pub fn sign(&self, rollout: &str, variant: Variant, host: &str, expires_s: u64) -> String {
        signing::seal(&self.0, &format!("{rollout}~{variant}~{expires_s}~{host}"))
    }

    /// The choice that a token makes, if it counts on this host at `now_s` (seconds since 1970).
    pub fn verify<'t>(&self, token: &'t str, host: &str, now_s: f64) -> Option<Choice<'t>> {
        let mut parts = signing::open(&self.0, token)?.splitn(4, '~');
        let rollout = parts.next()?;
        let variant = match parts.next()? {
            "new" => Variant::New,
            "legacy" => Variant::Legacy,
            _ => return None,
        };
        let expires_s: u64 = parts.next()?.parse().ok()?;
        let is_here = parts.next()?.eq_ignore_ascii_case(host);
        (is_here && now_s < expires_s as f64).then_some(Choice { rollout, variant, expires_s })
    }
}

/// What a valid token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<'t> {
    /// The rollout's key.
    pub rollout: &'t str,
    /// The side chosen.
    pub variant: Variant,
    /// Until when, in seconds since 1970.
    pub expires_s: u64,
}

/// The side that a browser's cookies choose in a rollout.
pub fn chosen(cookies: &str, rollout: &str, host: &str, key: &PreviewKey, now_s: f64) -> Option<Variant> {
    let name = format!("{COOKIE}{rollout}");
    let choice = cookie::values(cookies, &name).find_map(|token| key.verify(token, host, now_s))?;
    (choice.rollout == rollout).then_some(choice.variant)
}

/// The `Set-Cookie` that makes a browser keep a token, or forget it with `None`.
pub fn set_cookie(rollout: &str, token: Option<&str>, life_s: u64) -> String {
    let life_s = if token.is_some() { life_s } else { 0 };
    format!("{COOKIE}{rollout}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={life_s}", token.unwrap_or_default())
}

/// Where a link leads: a path of the same host, or `/` where none is asked for. What would not stand
/// in a header, or a browser might read as another host, does not get there.
pub fn destination(asked: Option<&str>) -> String {
    let path =
        asked.filter(|path| path.starts_with('/') && !path.starts_with("//") && !path.contains('\\')).unwrap_or("/");
    path.bytes().fold(String::with_capacity(path.len()), |mut safe, byte| {
        if byte.is_ascii_graphic() {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02X}");
        }
        safe
    })
}

/// Opens a preview's link: makes the browser keep the choice of its token, or end it, and leads to the rollout.
pub fn open(query: &str, host: &str, key: Option<&PreviewKey>, now_s: f64) -> Answer {
    let cookie = match parameter(query, "end") {
        Some(rollout) if rollout.parse::<Name>().is_ok() => set_cookie(&rollout, None, 0),
        Some(_) => return Answer::text(400, "This link ends no preview: its rollout has no valid name."),
        None => {
            let token = parameter(query, "token").unwrap_or_default();
            match key.and_then(|key| key.verify(&token, host, now_s)) {
                Some(choice) => set_cookie(choice.rollout, Some(&token), choice.expires_s.saturating_sub(now_s as u64)),
                None => {
                    let text = "This preview link is expired, damaged, or meant for another host. Ask for a new one.";
                    return Answer::text(403, text);
                }
            }
        }
    };
    Answer::redirect(303, &destination(parameter(query, "to").as_deref()))
        .with("set-cookie", &cookie)
        .with("referrer-policy", "no-referrer")
        .with("clear-site-data", "\"cache\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: f64 = 1_000_000.0;

    fn key(text: &str) -> PreviewKey {
        PreviewKey::derive(text).unwrap_or_else(|| unreachable!())
    }

    #[track_caller]
    fn chooses(cookies: &str, rollout: &str, host: &str, at_s: f64, expected: Option<Variant>) {
        assert_eq!(
            chosen(cookies, rollout, host, &key("a key of thirty-two bytes, or so"), at_s),
            expected,
            "{cookies}"
        );
    }

    #[test]
    fn a_token_counts_for_its_rollout_and_host_until_it_expires() {
        let token = key("a key of thirty-two bytes, or so").sign("shop", Variant::New, "shop.example.com", 1_000_060);
        let cookies = format!("a=b; {COOKIE}shop={token}");
        chooses(&cookies, "shop", "shop.example.com", NOW_S, Some(Variant::New));
        chooses(&cookies, "shop", "Shop.Example.com", NOW_S, Some(Variant::New));
        chooses(&cookies, "shop", "shop.example.com", NOW_S + 60.0, None);
        chooses(&cookies, "shop", "evil.example.com", NOW_S, None);
        chooses(&cookies, "other", "shop.example.com", NOW_S, None);
        chooses(&format!("{COOKIE}other={token}"), "other", "shop.example.com", NOW_S, None);
    }

    #[test]
    fn a_link_leads_to_a_path_of_its_own_host() {
        for (asked, expected) in [
            ("/shop/?a=b", "/shop/?a=b"),
            ("//evil.example/", "/"),
            ("https://evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example/", "/%09/evil.example/"),
            ("/a\0b", "/a%00b"),
            ("/é", "/%C3%A9"),
            ("", "/"),
        ] {
            assert_eq!(destination(Some(asked)), expected, "{asked:?}");
        }
        assert_eq!(destination(None), "/");
    }

    #[test]
    fn a_forged_token_does_nothing() {
        let token = key("another key, of thirty-two bytes").sign("shop", Variant::New, "shop.example.com", 1_000_060);
        chooses(&format!("{COOKIE}shop={token}"), "shop", "shop.example.com", NOW_S, None);
        let own = key("a key of thirty-two bytes, or so").sign("shop", Variant::Legacy, "shop.example.com", 1_000_060);
        chooses(&format!("{COOKIE}shop={}", own.replace("legacy", "new")), "shop", "shop.example.com", NOW_S, None);
        for token in ["", ".", "shop~new~9999999999~shop.example.com.", "shop~new~9999999999~shop.example.com"] {
            chooses(&format!("{COOKIE}shop={token}"), "shop", "shop.example.com", NOW_S, None);
        }
        assert!(PreviewKey::derive("short").is_none());
    }

    #[test]
    fn a_link_sets_its_choice_or_ends_it_and_leads_to_the_rollout() {
        let own = key("a key of thirty-two bytes, or so");
        let token = own.sign("shop", Variant::New, "shop.example.com", 1_000_060);
        let answer = open(&format!("token={token}&to=/shop/"), "shop.example.com", Some(&own), NOW_S);
        assert_eq!(answer.status, 303);
        let cookie = set_cookie("shop", Some(&token), 60);
        let headers =
            format!("location:/shop/\nset-cookie:{cookie}\nreferrer-policy:no-referrer\nclear-site-data:\"cache\"");
        assert_eq!(answer.headers, headers);
        let ended = open("end=shop", "shop.example.com", None, NOW_S);
        assert!(ended.status == 303 && ended.headers.contains("-shop=; ") && ended.headers.contains("Max-Age=0"));
        assert_eq!(open("end=a%0Ab", "shop.example.com", Some(&own), NOW_S).status, 400);
        for (query, host, key) in [
            (format!("token={token}"), "evil.example.com", Some(&own)),
            (format!("token={token}x"), "shop.example.com", Some(&own)),
            (format!("token={token}"), "shop.example.com", None),
            (String::new(), "shop.example.com", Some(&own)),
        ] {
            assert_eq!(open(&query, host, key, NOW_S).status, 403, "{query}");
        }
    }
}
