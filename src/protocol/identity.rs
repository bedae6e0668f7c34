//! Who the subject of a request is.
//!
//! Decided before the variant, so that a first visit's page and its assets agree. An id is minted
//! only where the browser will keep it: a cross-site request that is not a navigation carries no
//! `SameSite=Lax` cookie for a reason, and a visitor who has an id must never get a second one.

use super::address::Address;
use super::cookie;
use super::facts::{Facts, Known};
use crate::model::plan::Identity;
use crate::model::subject::SubjectHash;

/// 400 days, the longest that browsers keep a cookie.
const ID_AGE_MAX_S: u32 = 34_560_000;
/// 128 bits in base64 without padding.
const ID_LENGTH: usize = 22;

/// Who a request is from, for one identity list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The hash of the id, unless there is none.
    pub hash: Option<SubjectHash>,
    /// Whether the id is the minted one, which the browser does not have yet.
    pub is_minted: bool,
}

/// Resolves an identity list. `minted` is called where a new id is needed and may be kept.
pub fn resolve<F: Facts>(identity: &Identity, known: &Known<'_, F>, address: &Address<'_>, method: &str, minted: impl FnOnce() -> Option<String>) -> Subject {
    let named = identity.from.iter().find_map(|source| known.value(source, |name| identity.jwt.get(name)));
    if let Some(id) = named {
        return Subject { hash: Some(SubjectHash::of(id.as_bytes())), is_minted: false };
    }
    if !identity.anonymous {
        return Subject { hash: None, is_minted: false };
    }
    if let Some(id) = cookie::values(known.cookies(), cookie_name(identity)).find(|id| is_minted_id(id)) {
        return Subject { hash: Some(SubjectHash::of(id.as_bytes())), is_minted: false };
    }
    let minted = if may_mint(known, address, method) { minted() } else { None };
    Subject { hash: minted.as_ref().map(|id| SubjectHash::of(id.as_bytes())), is_minted: minted.is_some() }
}

/// The cookie of minted ids. The prefixes make browsers refuse it from plain HTTP and other hosts.
pub fn cookie_name(identity: &Identity) -> &'static str {
    if identity.domain.is_some() { "__Secure-tidegate-id" } else { "__Host-tidegate-id" }
}

/// The value of `Set-Cookie` that keeps a minted id.
pub fn set_cookie(identity: &Identity, id: &str) -> String {
    let name = cookie_name(identity);
    let domain = identity.domain.as_ref().map(|domain| format!("; Domain={domain}")).unwrap_or_default();
    format!("{name}={id}; Path=/{domain}; Max-Age={ID_AGE_MAX_S}; Secure; HttpOnly; SameSite=Lax")
}

/// Whether a cookie's value is an id that Tidegate minted.
fn is_minted_id(id: &str) -> bool {
    id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn may_mint<F: Facts>(known: &Known<'_, F>, address: &Address<'_>, method: &str) -> bool {
    if !address.keeps_secure_cookies() {
        return false;
    }
    match known.header("sec-fetch-site").as_deref() {
        Some("cross-site") => method == "GET" && known.header("sec-fetch-mode").as_deref() == Some("navigate") && known.header("sec-fetch-dest").as_deref() == Some("document"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::model::plan::Token;

    struct Headers(&'static [(&'static str, &'static str)]);

    impl Facts for Headers {
        fn header(&self, name: &str) -> Option<Cow<'_, str>> {
            self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| Cow::Borrowed(*value))
        }

        fn country(&self) -> Option<Cow<'_, str>> {
            None
        }

        fn preview(&self, _: &str, _: &str, _: &str) -> Option<crate::decide::assign::Variant> {
            None
        }

        fn claims(&self, _: &Token, _: &str) -> Option<crate::model::node::Node> {
            None
        }
    }

    const MINTED: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn identity() -> Identity {
        Identity { from: ["header:x-user-id", "cookie:uid"].iter().filter_map(|text| text.parse().ok()).collect(), anonymous: true, ..Identity::default() }
    }

    #[track_caller]
    fn resolves(method: &str, url: &'static str, headers: &'static [(&'static str, &'static str)], id: Option<&str>, is_minted: bool) {
        let facts = Headers(headers);
        let address = Address::parse(url).unwrap_or_else(|| unreachable!("{url}"));
        let subject = resolve(&identity(), &Known::new(&facts), &address, method, || Some(MINTED.into()));
        assert_eq!(subject, Subject { hash: id.map(|id| SubjectHash::of(id.as_bytes())), is_minted }, "{headers:?}");
    }

    #[test]
    fn the_first_that_is_present_and_not_empty_counts() {
        resolves("GET", "https://a/", &[("x-user-id", " u1 "), ("cookie", "uid=u2")], Some("u1"), false);
        resolves("GET", "https://a/", &[("x-user-id", "  "), ("cookie", "uid=u2")], Some("u2"), false);
        resolves("GET", "https://a/", &[("cookie", "uid=; uid=u%33")], Some("u%33"), false);
    }

    #[test]
    fn a_visitor_without_any_gets_an_id_and_keeps_it() {
        resolves("GET", "https://a/", &[], Some(MINTED), true);
        resolves("GET", "https://a/", &[("cookie", "__Host-tidegate-id=BBBBBBBBBBBBBBBBBBBBBB")], Some("BBBBBBBBBBBBBBBBBBBBBB"), false);
        resolves("GET", "https://a/", &[("cookie", "__Host-tidegate-id=short")], Some(MINTED), true);
    }

    #[test]
    fn no_id_is_minted_where_the_browser_withholds_or_refuses_the_cookie() {
        resolves("POST", "https://a/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], None, false);
        resolves("GET", "https://a/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], None, false);
        resolves("GET", "https://a/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], None, false);
        resolves("GET", "https://a/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], Some(MINTED), true);
        resolves("GET", "http://a.example/", &[], None, false);
        resolves("GET", "http://localhost:8787/", &[], Some(MINTED), true);
    }
}
