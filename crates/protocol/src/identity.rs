//! Who the subject of a request is.
//!
//! 1. Decided before the variant, so that a first visit's page and its assets agree.
//! 2. An id is minted only with a document, and only where the browser will keep it: a visitor who has an id
//!    must never get a second one.
//! 3. A client that brings no cookies is decided by its network and program, all of its requests alike, and
//!    is nobody's subject.
//! 4. Texts that clients send for want of an id are none, and a token that has expired still says whose it
//!    was: neither the one nor the other moves anybody.

use super::address::Address;
use super::cookie;
use super::facts::{Facts, Known};
use super::forward;
use tidegate_model::no_id::is_no_id;
use tidegate_model::plan::{Identity, SameSite, Sticky};
use tidegate_model::subject::SubjectHash;

/// 400 days, the longest that browsers keep a cookie.
const ID_AGE_MAX_S: u32 = 34_560_000;
/// 128 bits in base64 without padding.
const ID_LENGTH: usize = 22;
/// Ends an id's cookie that was set with `SameSite=None`.
const NONE_MARK: &str = ".n";
/// Begins the value of a cookie that ties a browser to an account: the hash of its id, in hexadecimal.
const ACCOUNT_MARK: &str = "h.";

/// Who a request is from, for one identity list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The hash of the id, or of what stands in for it; `None` where there is neither.
    pub hash: Option<SubjectHash>,
    /// The hash by which lists know the subject: never one that a cookie merely repeats.
    pub listed: Option<SubjectHash>,
    /// Whether nobody is known, and the hash is that of the client's network and program.
    pub is_stand_in: bool,
    /// The value of the cookie that the browser is to keep, where it does not have it.
    pub cookie: Option<String>,
}

impl Subject {
    const NOBODY: Self = Self { hash: None, listed: None, is_stand_in: false, cookie: None };

    fn known(hash: SubjectHash) -> Self {
        Self { hash: Some(hash), listed: Some(hash), ..Self::NOBODY }
    }
}

/// What the edge knows of visitors who have no id yet.
pub trait Newcomers {
    /// A new id.
    fn mint(&self) -> Option<String>;
    /// Takes note that a document of this client was given to this subject.
    fn note_document(&self, client: SubjectHash, subject: SubjectHash);
    /// Whom the client's last document was for, if that was a moment ago.
    fn last_document(&self, client: SubjectHash) -> Option<SubjectHash>;
}

/// A function that mints ids: it remembers no client.
impl<M: Fn() -> Option<String>> Newcomers for M {
    fn mint(&self) -> Option<String> {
        self()
    }

    fn note_document(&self, _: SubjectHash, _: SubjectHash) {}

    fn last_document(&self, _: SubjectHash) -> Option<SubjectHash> {
        None
    }
}

/// A request in the eyes of its identity.
pub struct Asking<'k, 'a, F> {
    /// What it says.
    pub known: &'k Known<'a, F>,
    /// Where it goes.
    pub address: &'k Address<'a>,
    /// The hour, counted since 1970.
    pub hour: u64,
    /// Whether it can come from somebody who is to be remembered: robots are not, nor what browsers fetch
    /// without cookies.
    pub is_person: bool,
}

/// Resolves an identity list.
pub fn resolve<F: Facts>(identity: &Identity, asking: &Asking<'_, '_, F>, newcomers: &impl Newcomers) -> Subject {
    let known = asking.known;
    let named = || {
        let ids = identity.from.iter().filter_map(|source| known.identifying(source, |name| identity.jwt.get(name)));
        ids.into_iter().find(|id| is_id(identity, id)).map(|id| SubjectHash::of(id.as_bytes()))
    };
    if !identity.anonymous {
        return named().map_or(Subject::NOBODY, Subject::known);
    }
    let kept =
        || cookie::values(known.cookies(), cookie_name(identity)).find_map(|value| kept_id(value, identity.sticky));
    let can_keep =
        || asking.is_person && asking.address.keeps_secure_cookies() && is_document(known) && !is_withheld(known);
    match identity.sticky {
        Sticky::Account => {
            if let Some(hash) = named() {
                return Subject::known(hash);
            }
            if let Some(kept) = kept() {
                return keep(identity, kept, can_keep);
            }
        }
        Sticky::Device => {
            let named = named();
            if let Some(kept) = kept() {
                let subject = keep(identity, kept, can_keep);
                return Subject { listed: named.or(subject.listed), ..subject };
            }
            if let Some(hash) = named {
                let cookie = can_keep().then(|| format!("{ACCOUNT_MARK}{:016x}", hash.get()));
                return Subject { cookie, ..Subject::known(hash) };
            }
        }
    }
    // Where no id can be kept there is none: whoever has one must not be taken for another.
    if !asking.address.keeps_secure_cookies() || is_withheld(known) {
        return Subject::NOBODY;
    }
    newcomer(asking, newcomers)
}

/// Whoever has no id gets one with a document. Everything else is decided by the client's network and
/// program, so that what a client without cookies asks for at one moment comes from one side.
fn newcomer<F: Facts>(asking: &Asking<'_, '_, F>, newcomers: &impl Newcomers) -> Subject {
    let client = client(asking.known, asking.hour);
    // What is remembered goes on when the hour changes.
    let remembered = self::client(asking.known, 0);
    let minted = if asking.is_person && is_document(asking.known) { newcomers.mint() } else { None };
    let Some(id) = minted else {
        let hash = newcomers.last_document(remembered).unwrap_or(client);
        return Subject { hash: Some(hash), is_stand_in: true, ..Subject::NOBODY };
    };
    let hash = SubjectHash::of(id.as_bytes());
    newcomers.note_document(remembered, hash);
    Subject { cookie: Some(id), ..Subject::known(hash) }
}

/// Somebody whose cookie came back. One that was set with `SameSite=Lax` is set again where the plan has come
/// to say `none`.
fn keep(identity: &Identity, kept: Kept<'_>, can_keep: impl Fn() -> bool) -> Subject {
    let is_short = identity.same_site == SameSite::None && !kept.is_none;
    let cookie = (is_short && can_keep()).then(|| kept.id.to_owned());
    Subject { cookie, listed: Some(kept.hash).filter(|_| !kept.is_account), ..Subject::known(kept.hash) }
}

/// Whether a text is an id: not one of those that clients send where they have none.
fn is_id(identity: &Identity, text: &str) -> bool {
    let is_listed = |list: &[String]| list.iter().any(|own| own.eq_ignore_ascii_case(text));
    is_listed(&identity.ids) || !(is_no_id(text) || is_listed(&identity.not_ids))
}

/// The network, program and hour of a client, as the hash of a subject.
pub fn client<F: Facts>(known: &Known<'_, F>, hour: u64) -> SubjectHash {
    let ip = known.header("cf-connecting-ip").unwrap_or_default();
    let network = match ip.parse::<std::net::Ipv6Addr>() {
        Ok(address) => address.segments().iter().take(4).map(|part| format!("{part:x}:")).collect(),
        Err(_) => ip.into_owned(),
    };
    let program = known.header("user-agent").unwrap_or_default();
    SubjectHash::of(format!("client\n{network}\n{program}\n{hour}").as_bytes())
}

/// The cookie of minted ids. The prefixes make browsers refuse it from plain HTTP and other hosts.
pub fn cookie_name(identity: &Identity) -> &'static str {
    if identity.domain.is_some() { "__Secure-tidegate-id" } else { "__Host-tidegate-id" }
}

/// The value of `Set-Cookie` that keeps an id.
pub fn set_cookie(identity: &Identity, id: &str) -> String {
    let name = cookie_name(identity);
    let domain = identity.domain.as_ref().map(|domain| format!("; Domain={domain}")).unwrap_or_default();
    let (mark, same_site) = match identity.same_site {
        SameSite::Lax => ("", "Lax"),
        SameSite::None => (NONE_MARK, "None"),
    };
    format!("{name}={id}{mark}; Path=/{domain}; Max-Age={ID_AGE_MAX_S}; Secure; HttpOnly; SameSite={same_site}")
}

/// A cookie that came back.
struct Kept<'a> {
    hash: SubjectHash,
    /// The value without the mark of `SameSite=None`.
    id: &'a str,
    is_none: bool,
    /// Whether it repeats an account's hash.
    is_account: bool,
}

/// The subject that a cookie's value names, if Tidegate has set it.
fn kept_id(value: &str, sticky: Sticky) -> Option<Kept<'_>> {
    let (id, is_none) = value.strip_suffix(NONE_MARK).map_or((value, false), |id| (id, true));
    if let Some(hash) = id.strip_prefix(ACCOUNT_MARK) {
        let is_hash = sticky == Sticky::Device && hash.len() == 16;
        let hash = if is_hash { u64::from_str_radix(hash, 16).ok()? } else { return None };
        return Some(Kept { hash: SubjectHash::from_number(hash), id, is_none, is_account: true });
    }
    let is_minted =
        id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_minted.then(|| Kept { hash: SubjectHash::of(id.as_bytes()), id, is_none, is_account: false })
}

fn is_document<F: Facts>(known: &Known<'_, F>) -> bool {
    let destination = known.header("sec-fetch-dest");
    let is_read = matches!(known.method(), "GET" | "HEAD");
    (destination.is_some() || is_read)
        && forward::asks_for_document(destination.as_deref(), known.header("accept").as_deref())
}

/// Whether a browser may have left out a cookie that it has: a request from another site that is no
/// navigation by a link carries no `SameSite=Lax` cookie.
fn is_withheld<F: Facts>(known: &Known<'_, F>) -> bool {
    let is_navigation = || {
        known.method() == "GET"
            && known.header("sec-fetch-mode").as_deref() == Some("navigate")
            && known.header("sec-fetch-dest").as_deref() == Some("document")
    };
    known.header("sec-fetch-site").as_deref() == Some("cross-site") && !is_navigation()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::cell::Cell;

    use super::*;
    use tidegate_model::plan::Token;

    /// Mints one id, and remembers one client.
    struct One(Cell<Option<SubjectHash>>);

    impl Newcomers for One {
        fn mint(&self) -> Option<String> {
            Some(MINTED.into())
        }

        fn note_document(&self, _: SubjectHash, subject: SubjectHash) {
            self.0.set(Some(subject));
        }

        fn last_document(&self, _: SubjectHash) -> Option<SubjectHash> {
            self.0.get()
        }
    }

    struct Headers(&'static [(&'static str, &'static str)]);

    impl Facts for Headers {
        fn header(&self, name: &str) -> Option<Cow<'_, str>> {
            self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| Cow::Borrowed(*value))
        }

        fn country(&self) -> Option<Cow<'_, str>> {
            None
        }

        fn preview(&self, _: &str, _: &str, _: &str) -> Option<tidegate_decide::assign::Variant> {
            None
        }

        fn claims(&self, _: &Token, _: &str, _: bool) -> Option<tidegate_model::node::Node> {
            None
        }
    }

    const MINTED: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    fn identity() -> Identity {
        Identity {
            from: ["header:x-user-id", "cookie:uid"].iter().filter_map(|text| text.parse().ok()).collect(),
            anonymous: true,
            ..Identity::default()
        }
    }

    const DOCUMENT: (&str, &str) = ("sec-fetch-dest", "document");

    fn asked(
        identity: &Identity,
        method: &'static str,
        url: &'static str,
        headers: &'static [(&'static str, &'static str)],
        newcomers: &One,
    ) -> Subject {
        let facts = Headers(headers);
        let address = Address::parse(url).unwrap_or_else(|| unreachable!("{url}"));
        resolve(
            identity,
            &Asking { known: &Known::new(&facts, method), address: &address, hour: 1, is_person: true },
            newcomers,
        )
    }

    #[track_caller]
    fn resolves(
        method: &'static str,
        url: &'static str,
        headers: &'static [(&'static str, &'static str)],
        id: Option<&str>,
        is_minted: bool,
    ) {
        let subject = asked(&identity(), method, url, headers, &One(Cell::default()));
        let hash = id.map(|id| SubjectHash::of(id.as_bytes()));
        let expected = Subject { hash, listed: hash, is_stand_in: false, cookie: is_minted.then(|| MINTED.to_owned()) };
        assert_eq!(subject, expected, "{headers:?}");
    }

    #[test]
    fn the_first_that_is_present_and_not_empty_counts() {
        resolves("GET", "https://a/", &[("x-user-id", " u1 "), ("cookie", "uid=u2")], Some("u1"), false);
        resolves("GET", "https://a/", &[("x-user-id", "  "), ("cookie", "uid=u2")], Some("u2"), false);
        resolves("GET", "https://a/", &[("cookie", "uid=; uid=u%33")], Some("u%33"), false);
    }

    #[test]
    fn what_clients_send_for_want_of_an_id_is_none() {
        resolves("GET", "https://a/", &[("x-user-id", "undefined"), ("cookie", "uid=u2")], Some("u2"), false);
        resolves("GET", "https://a/", &[("x-user-id", "NULL"), DOCUMENT], Some(MINTED), true);
        resolves("GET", "https://a/", &[("x-user-id", "0"), DOCUMENT], Some("0"), false);
        let identity = Identity { ids: vec!["anonymous".into()], not_ids: vec!["guest".into()], ..identity() };
        let hash = |headers| asked(&identity, "GET", "https://a/", headers, &One(Cell::default())).hash;
        assert_eq!(hash(&[("x-user-id", "anonymous")]), Some(SubjectHash::of(b"anonymous")));
        assert_ne!(hash(&[("x-user-id", "Guest")]), Some(SubjectHash::of(b"Guest")));
    }

    #[test]
    fn a_visitor_without_any_gets_an_id_with_a_document_and_keeps_it() {
        resolves("GET", "https://a/", &[DOCUMENT], Some(MINTED), true);
        resolves("GET", "https://a/", &[("accept", "text/html")], Some(MINTED), true);
        resolves(
            "GET",
            "https://a/",
            &[("cookie", "__Host-tidegate-id=BBBBBBBBBBBBBBBBBBBBBB")],
            Some("BBBBBBBBBBBBBBBBBBBBBB"),
            false,
        );
        resolves(
            "GET",
            "https://a/",
            &[("cookie", "__Host-tidegate-id=BBBBBBBBBBBBBBBBBBBBBB.n")],
            Some("BBBBBBBBBBBBBBBBBBBBBB"),
            false,
        );
        resolves("GET", "https://a/", &[("cookie", "__Host-tidegate-id=short"), DOCUMENT], Some(MINTED), true);
    }

    #[test]
    fn what_a_client_without_cookies_asks_for_comes_from_one_side() {
        let newcomers = One(Cell::default());
        let page = || asked(&identity(), "GET", "https://a/", &[DOCUMENT], &newcomers);
        let data = || asked(&identity(), "GET", "https://a/x", &[("sec-fetch-dest", "empty")], &newcomers);
        let unknown = data();
        assert_eq!((unknown.hash.is_some(), unknown.is_stand_in, unknown.cookie), (true, true, None));
        assert_eq!(data().hash, unknown.hash);
        let first = page();
        assert_eq!((first.hash, first.is_stand_in), (Some(SubjectHash::of(MINTED.as_bytes())), false));
        assert_eq!(data(), Subject { hash: first.hash, is_stand_in: true, ..Subject::NOBODY });
    }

    #[test]
    fn no_id_is_minted_where_the_browser_withholds_or_refuses_the_cookie() {
        resolves(
            "POST",
            "https://a/",
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), DOCUMENT],
            None,
            false,
        );
        resolves(
            "GET",
            "https://a/",
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            None,
            false,
        );
        resolves(
            "GET",
            "https://a/",
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            None,
            false,
        );
        resolves(
            "GET",
            "https://a/",
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), DOCUMENT],
            Some(MINTED),
            true,
        );
        resolves("GET", "http://a.example/", &[DOCUMENT], None, false);
        resolves("GET", "http://localhost:8787/", &[DOCUMENT], Some(MINTED), true);
    }

    #[test]
    fn whoever_was_assigned_in_a_browser_stays_where_the_plan_says_so() {
        let device = Identity { sticky: Sticky::Device, ..identity() };
        let subject = |headers| asked(&device, "GET", "https://a/", headers, &One(Cell::default()));
        assert_eq!(
            subject(&[("x-user-id", "u1"), ("cookie", "__Host-tidegate-id=BBBBBBBBBBBBBBBBBBBBBB")]).hash,
            Some(SubjectHash::of(b"BBBBBBBBBBBBBBBBBBBBBB"))
        );
        let first = subject(&[("x-user-id", "user-1"), DOCUMENT]);
        let hash = SubjectHash::of(b"user-1");
        assert_eq!((first.hash, first.cookie), (Some(hash), Some(format!("h.{:016x}", hash.get()))));
        let cookie = format!("h.{:016x}", hash.get());
        assert_eq!(kept_id(&cookie, Sticky::Device).map(|kept| (kept.hash, kept.is_account)), Some((hash, true)));
        assert!(kept_id(&cookie, Sticky::Account).is_none(), "who is in a list is nothing that a cookie may say");
        assert_eq!(subject(&[("x-user-id", "user-1"), ("sec-fetch-dest", "empty")]).cookie, None);
    }

    #[test]
    fn a_cookie_that_other_sites_requests_lack_is_set_again_where_they_are_to_bring_it() {
        let none = Identity { same_site: SameSite::None, ..identity() };
        let cookie = |headers| asked(&none, "GET", "https://a/", headers, &One(Cell::default())).cookie;
        assert_eq!(
            cookie(&[("cookie", "__Host-tidegate-id=BBBBBBBBBBBBBBBBBBBBBB"), DOCUMENT]).as_deref(),
            Some("BBBBBBBBBBBBBBBBBBBBBB")
        );
        assert_eq!(cookie(&[("cookie", "__Host-tidegate-id=BBBBBBBBBBBBBBBBBBBBBB.n"), DOCUMENT]), None);
        assert_eq!(
            set_cookie(&none, MINTED),
            format!("__Host-tidegate-id={MINTED}.n; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=None")
        );
    }
}
