//! Visits: nobody changes sides in the middle of what they do (`sticky_moves = "visit"`).
//!
//! ```text
//! cookie  = __Host-tidegate-visit-KEY = payload "." base64url(HMAC-SHA-256(key, payload))
//! payload = KEY "~" VARIANT "~" BEGUN "~" SEEN "~" HOST            in seconds since 1970
//! ```
//! 1. A visit ends after 30 minutes without a request. It is kept in the browser alone: the cookie is renewed with
//!    documents when it is five minutes old, and with data that a page fetches when it is ten; never with assets, of
//!    which many come at once.
//! 2. Whose visit began before the last step stays on its side until it ends, up and down. A kill, a rollback to 0 %
//!    and what the user has chosen are above it.
//! 3. Those are compared on neither side, whichever it is. Were only those left out whom the step would have moved,
//!    the side that they should be on would have too few users.

use super::{cookie, signing};
use tidegate_decide::assign::{Reason, Variant, Visit};

/// The start of the names of the cookies; the rollout's key follows.
pub const COOKIE: &str = "__Host-tidegate-visit-";
/// A visit without a request for so long is over, in seconds.
const IDLE_S: u64 = 1_800;
/// The cookie is renewed with a document when it is so old, and with other data, in seconds.
const DOCUMENT_S: u64 = 300;
const DATA_S: u64 = 600;
const USE: &[u8] = b"tidegate visit 1";

/// The key that visits are signed with, made from `SIGNING_KEY`.
pub struct VisitKey(signing::Key);

/// The visit that a cookie tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The visit.
    pub visit: Visit,
    seen_s: u64,
}

/// What a browser asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A document.
    Document,
    /// Data that a page fetches.
    Data,
    /// What a page is made of.
    Asset,
}

impl VisitKey {
    /// Derives the key; `None` where the signing key is too short to be one.
    pub fn derive(signing_key: &str) -> Option<Self> {
        signing::derive(signing_key, USE).map(Self)
    }

    /// The visit that a browser's cookies tell of, unless it is over at `now_s`.
    pub fn presented(&self, cookies: &str, rollout: &str, host: &str, now_s: f64) -> Option<Presented> {
        let name = format!("{COOKIE}{rollout}");
        let presented = cookie::values(cookies, &name).find_map(|token| self.verify(token, rollout, host))?;
        (now_s < (presented.seen_s + IDLE_S) as f64).then_some(presented)
    }

    fn verify(&self, token: &str, rollout: &str, host: &str) -> Option<Presented> {
        let mut parts = signing::open(&self.0, token)?.splitn(5, '~');
        let is_its = parts.next()? == rollout;
        let variant = parts.next()?.parse().ok()?;
        let begun_s = parts.next()?.parse().ok()?;
        let seen_s = parts.next()?.parse().ok()?;
        let is_here = parts.next()?.eq_ignore_ascii_case(host);
        (is_its && is_here).then_some(Presented { visit: Visit { variant, begun_s }, seen_s })
    }

    /// The `Set-Cookie` by which a visit begins or goes on, where one is due.
    pub fn renewed(&self, presented: Option<&Presented>, given: &Given<'_>, now_s: f64) -> Option<String> {
        let Given { rollout, host, variant, reason, asked } = *given;
        let now_s = now_s as u64;
        let is_old = |presented: &Presented| match asked {
            Asked::Document => now_s >= presented.seen_s + DOCUMENT_S || presented.visit.variant != variant,
            Asked::Data => now_s >= presented.seen_s + DATA_S,
            Asked::Asset => false,
        };
        let is_due = presented.map_or(asked != Asked::Asset, is_old);
        if !is_due || !has_side(reason) {
            return None;
        }
        let begun_s = presented.map_or(now_s, |presented| presented.visit.begun_s);
        let token = signing::seal(&self.0, &format!("{rollout}~{variant}~{begun_s}~{now_s}~{host}"));
        Some(format!("{COOKIE}{rollout}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={IDLE_S}"))
    }
}

/// What a request was given.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The rollout's key.
    pub rollout: &'a str,
    /// The host that it was sent to.
    pub host: &'a str,
    /// The side.
    pub variant: Variant,
    /// Why.
    pub reason: Reason,
    /// What was asked for.
    pub asked: Asked,
}

/// Whether a side is one to stay on: not what is forced for a while, nor what nobody in particular gets.
const fn has_side(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Chosen
            | Reason::Visit
            | Reason::Group
            | Reason::Ineligible
            | Reason::Holdout
            | Reason::SteppedDown
            | Reason::Bucketed
    )
}

/// What a request asks for, by `Sec-Fetch-Dest`, else by `Accept`.
pub fn asked(destination: Option<&str>, accept: Option<&str>) -> Asked {
    match destination {
        Some("document" | "iframe" | "frame") => Asked::Document,
        Some("empty") => Asked::Data,
        Some(_) => Asked::Asset,
        None if accept.is_some_and(|accept| accept.contains("text/html")) => Asked::Document,
        None => Asked::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "shop.example.com";
    const NOW_S: f64 = 1_000_000.0;

    fn key() -> VisitKey {
        VisitKey::derive("a key of thirty-two bytes, or so").unwrap_or_else(|| unreachable!())
    }

    fn given(variant: Variant, reason: Reason, asked: Asked) -> Given<'static> {
        Given { rollout: "shop", host: HOST, variant, reason, asked }
    }

    /// The cookie that a request at this second sets, given the one before.
    fn next(cookies: &str, given: &Given<'_>, after_s: f64) -> Option<String> {
        let presented = key().presented(cookies, "shop", HOST, NOW_S + after_s);
        let set = key().renewed(presented.as_ref(), given, NOW_S + after_s)?;
        assert!(set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1800"), "{set}");
        set.split(';').next().map(str::to_owned)
    }

    const PAGE: fn(Variant) -> Given<'static> = |variant| given(variant, Reason::Bucketed, Asked::Document);

    #[test]
    fn a_visit_lasts_until_nothing_was_asked_for_half_an_hour() {
        let cookies = next("", &PAGE(Variant::Legacy), 0.0).unwrap_or_else(|| unreachable!());
        let at =
            |after_s: f64| key().presented(&cookies, "shop", HOST, NOW_S + after_s).map(|presented| presented.visit);
        assert_eq!(at(1_799.0), Some(Visit { variant: Variant::Legacy, begun_s: 1_000_000 }));
        assert_eq!(at(1_800.0), None);
        let later = next(&cookies, &PAGE(Variant::Legacy), 1_500.0).unwrap_or_else(|| unreachable!());
        let presented = key().presented(&later, "shop", HOST, NOW_S + 3_000.0);
        assert_eq!(presented.map(|presented| presented.visit.begun_s), Some(1_000_000), "it is the same visit");
    }

    #[test]
    fn the_cookie_is_set_at_most_once_in_five_minutes_and_never_with_assets() {
        let cookies = next("", &PAGE(Variant::New), 0.0).unwrap_or_else(|| unreachable!());
        let is_set = |asked, after_s| next(&cookies, &given(Variant::New, Reason::Bucketed, asked), after_s).is_some();
        assert!(!is_set(Asked::Document, 299.0) && is_set(Asked::Document, 300.0));
        assert!(!is_set(Asked::Data, 599.0) && is_set(Asked::Data, 600.0));
        assert!(!is_set(Asked::Asset, 1_700.0));
        assert!(next("", &given(Variant::New, Reason::Bucketed, Asked::Asset), 0.0).is_none());
    }

    #[test]
    fn what_is_forced_begins_no_visit() {
        for reason in [Reason::Killed, Reason::Override, Reason::Inactive, Reason::Robot, Reason::Unidentified] {
            assert_eq!(next("", &given(Variant::Legacy, reason, Asked::Document), 0.0), None, "{reason}");
        }
    }

    #[test]
    fn a_forged_one_and_one_of_another_rollout_or_host_are_none() {
        let cookies = next("", &PAGE(Variant::Legacy), 0.0).unwrap_or_else(|| unreachable!());
        let presented =
            |cookies: &str, rollout: &str, host: &str| key().presented(cookies, rollout, host, NOW_S).is_some();
        assert!(presented(&cookies, "shop", "SHOP.example.com"));
        assert!(!presented(&cookies.replace("legacy", "new"), "shop", HOST));
        assert!(!presented(&cookies, "shop", "evil.example"));
        assert!(!presented(&cookies.replace("visit-shop=", "visit-other="), "other", HOST));
    }

    #[test]
    fn what_is_asked_for_is_known_by_its_metadata() {
        assert_eq!(asked(Some("document"), None), Asked::Document);
        assert_eq!(asked(Some("empty"), Some("text/html")), Asked::Data);
        assert_eq!(asked(Some("script"), None), Asked::Asset);
        assert_eq!(asked(None, Some("text/html,*/*")), Asked::Document);
        assert_eq!(asked(None, Some("*/*")), Asked::Data);
    }
}
