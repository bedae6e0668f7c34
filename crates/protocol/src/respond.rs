//! The answer that goes to the browser: the upstream's own, marked with the side that it comes from, kept
//! out of shared caches where it depends on the cohort, its addresses in the terms of the public host.
//!
//! While browsers may hold either side's copies, nothing that they keep may outlive a way back: pages and
//! permanent redirects are revalidated each time they are used, and a missing file is not kept at all.
//! Files that are there keep their lives, since each side names its own.

use super::headers::{HOP_BY_HOP, HeaderEdits, named_by_connection};
use super::message::AnswerText;
use super::translate::Translator;
use super::validators;
use tidegate_decide::assign::Variant;

/// Why and how the answer came about.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    /// The side that answered; `None` where no rollout takes the request.
    pub variant: Option<Variant>,
    /// Why that side.
    pub reason: &'a str,
    /// Whether another subject might have got another answer, and shared caches cannot distinguish them.
    pub is_private: bool,
    /// Whether browsers may hold either side's copy.
    pub is_varying: bool,
    /// How long the browser may keep it.
    pub life: Life,
    /// Whether the request was a GET or HEAD.
    pub is_read: bool,
    /// The exposure token of a page.
    pub token: Option<&'a str>,
}

/// How long a browser may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// As long as the upstream says.
    Own,
    /// It may keep it, and asks again before each use.
    Revalidated,
    /// Not at all.
    None,
}

/// The headers by which a site steers caches apart from the browser's; they would overrule `private`.
const TARGETED: [&str; 3] = ["cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control"];

/// The statuses that caches store without being given a time (RFC 9110 §15.1).
const HEURISTIC: [u16; 12] = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501];

/// The changes to the upstream's headers.
pub fn edits(
    answer: &AnswerText,
    provenance: &Provenance<'_>,
    translator: &Translator<'_>,
    cookies: &[String],
) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    // The runtime takes away what belongs to its own connections, but not what these name.
    if answer.header("proxy-connection").is_some() {
        edits.remove("proxy-connection");
    }
    for name in answer
        .header("connection")
        .into_iter()
        .flat_map(named_by_connection)
        .filter(|name| !HOP_BY_HOP.contains(&name.as_str()))
    {
        edits.remove(&name);
    }
    translate(&mut edits, answer, translator);
    if let Some(variant) = provenance.variant.filter(|_| provenance.is_varying)
        && let Some(etag) = answer.header("etag")
    {
        edits.set("etag", &validators::marked(etag, variant));
    }
    steer_caches(&mut edits, answer, provenance);
    if let Some(variant) = provenance.variant {
        edits.set("tidegate-variant", variant.as_str());
    }
    edits.set("tidegate-reason", provenance.reason);
    if answer.status() > 599 {
        edits.set("tidegate-status", &answer.status().to_string());
    }
    if let Some(token) = provenance.token {
        edits.append("server-timing", &format!("tidegate;desc=\"{token}\""));
    }
    for cookie in cookies {
        edits.append("set-cookie", cookie);
    }
    edits
}

/// Puts the addresses of upstreams into the terms of the public host, and takes `Alt-Svc` away: it would
/// lead browsers past Tidegate.
fn translate(edits: &mut HeaderEdits, answer: &AnswerText, translator: &Translator<'_>) {
    let mut has_cookies = false;
    for (name, value) in answer.headers() {
        let translated = match name {
            "location" | "content-location" => translator.address(value),
            "refresh" => translator.refresh(value),
            "link" => translator.link(value),
            "access-control-allow-origin" => translator.origin(value),
            "alt-svc" => {
                edits.remove(name);
                None
            }
            "set-cookie" => {
                has_cookies = true;
                None
            }
            _ => None,
        };
        if let Some(value) = translated {
            edits.set(name, &value);
        }
    }
    if has_cookies {
        let translated: Vec<Option<String>> =
            answer.values("set-cookie").map(|cookie| translator.cookie(cookie)).collect();
        if translated.iter().any(Option::is_some) {
            edits.remove("set-cookie");
            for (own, translated) in answer.values("set-cookie").zip(&translated) {
                edits.append("set-cookie", translated.as_deref().unwrap_or(own));
            }
        }
    }
}

fn steer_caches(edits: &mut HeaderEdits, answer: &AnswerText, provenance: &Provenance<'_>) {
    let own = answer.header("cache-control");
    let value = match provenance.life {
        Life::None => Some("no-store".to_owned()).filter(|_| provenance.is_read),
        Life::Revalidated if provenance.is_read || matches!(answer.status(), 301 | 308) => made_revalidated(own),
        Life::Own | Life::Revalidated if provenance.is_private => {
            let is_stored_anyway = provenance.is_read && HEURISTIC.contains(&answer.status());
            made_private(own, answer.header("expires").is_some() || is_stored_anyway)
        }
        Life::Own | Life::Revalidated => None,
    };
    if let Some(value) = value {
        edits.set("cache-control", &value);
    }
    if provenance.is_private || provenance.life != Life::Own {
        for name in TARGETED.into_iter().filter(|name| answer.header(name).is_some()) {
            edits.remove(name);
        }
    }
}

/// The `Cache-Control` of an answer that browsers may keep and must ask for again, or `None` where they do
/// not keep it anyway.
fn made_revalidated(cache_control: Option<&str>) -> Option<String> {
    let directives: Vec<&str> = cache_control.map(split_directives).unwrap_or_default();
    if directives.iter().any(|directive| directive.eq_ignore_ascii_case("no-store")) {
        return None;
    }
    // `no-cache` overrules them by the letter (RFC 9111 §5.2.2.4); not every browser has always known that.
    let lasts = |directive: &&str| {
        let lives = [
            "public",
            "private",
            "s-maxage",
            "max-age",
            "immutable",
            "stale-while-revalidate",
            "stale-if-error",
            "proxy-revalidate",
            "no-cache",
        ];
        is_one_of(&lives, directive)
    };
    let kept = directives.into_iter().filter(|directive| !lasts(directive));
    Some(kept.chain(["no-cache", "private"]).collect::<Vec<_>>().join(", "))
}

/// Whether a directive has one of these names.
fn is_one_of(names: &[&str], directive: &str) -> bool {
    let own = directive.split('=').next().unwrap_or_default().trim();
    names.iter().any(|name| name.eq_ignore_ascii_case(own))
}

/// The `Cache-Control` that keeps an answer out of shared caches, or `None` where they would not
/// store it anyway.
fn made_private(cache_control: Option<&str>, is_stored_without: bool) -> Option<String> {
    let directives: Vec<&str> = cache_control.map(split_directives).unwrap_or_default();
    if directives.is_empty() && !is_stored_without {
        return None;
    }
    // `private="field"` names single fields and leaves the rest to shared caches.
    let is_unshared =
        directives.iter().any(|own| ["private", "no-store"].iter().any(|name| name.eq_ignore_ascii_case(own)));
    if is_unshared {
        return None;
    }
    let kept = directives
        .into_iter()
        .filter(|directive| !is_one_of(&["public", "s-maxage", "proxy-revalidate", "private"], directive));
    Some(kept.chain(["private"]).collect::<Vec<_>>().join(", "))
}

/// The directives of a `Cache-Control`, split at the commas outside of quotes.
fn split_directives(value: &str) -> Vec<&str> {
    let mut is_quoted = false;
    let parts = value.split(move |c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use tidegate_model::upstream::Upstream;

    #[track_caller]
    fn caches(given: Option<&str>, expected: Option<&str>) {
        assert_eq!(made_private(given, true).as_deref(), expected, "{given:?}");
    }

    #[test]
    fn what_shared_caches_may_store_becomes_private() {
        caches(None, Some("private"));
        caches(Some(""), Some("private"));
        caches(Some("public, max-age=31536000, immutable"), Some("max-age=31536000, immutable, private"));
        caches(Some("Public,S-MaxAge=60, max-age=5"), Some("max-age=5, private"));
        caches(Some("no-cache"), Some("no-cache, private"));
        caches(Some("no-cache=\"set-cookie, x\", max-age=5"), Some("no-cache=\"set-cookie, x\", max-age=5, private"));
        caches(Some("private=\"x-user\", max-age=5"), Some("max-age=5, private"));
    }

    #[test]
    fn what_they_do_not_store_stays() {
        caches(Some("private, max-age=60"), None);
        caches(Some("no-store"), None);
        caches(Some("max-age=0, No-Store"), None);
        assert_eq!(made_private(None, false), None);
    }

    #[track_caller]
    fn revalidates(given: Option<&str>, expected: Option<&str>) {
        assert_eq!(made_revalidated(given).as_deref(), expected, "{given:?}");
    }

    #[test]
    fn what_browsers_keep_is_asked_for_again() {
        revalidates(None, Some("no-cache, private"));
        revalidates(Some("public, max-age=600, stale-while-revalidate=60"), Some("no-cache, private"));
        revalidates(Some("max-age=31536000, immutable, no-transform"), Some("no-transform, no-cache, private"));
        revalidates(
            Some("private, no-cache=\"set-cookie\", must-revalidate"),
            Some("must-revalidate, no-cache, private"),
        );
        revalidates(Some("No-Store, max-age=5"), None);
    }

    const PUBLIC: Address<'_> =
        Address { scheme: "https", authority: "shop.example.com", path: "/", path_and_query: "/" };

    #[track_caller]
    fn changes(answer: &str, life: Life, expected: &str) {
        let upstream: Option<Upstream> = "https://new.example.com".parse().ok();
        let all: Vec<&Upstream> = upstream.iter().collect();
        let translator = Translator { public: PUBLIC, answering: upstream.as_ref(), upstreams: &all };
        let provenance = Provenance {
            variant: Some(Variant::New),
            reason: "bucketed",
            is_private: true,
            is_varying: true,
            life,
            is_read: true,
            token: None,
        };
        let edits = edits(&AnswerText::new(answer.to_owned()), &provenance, &translator, &["id=1".to_owned()]);
        let expected = [expected, "=tidegate-variant:new", "=tidegate-reason:bucketed", "+set-cookie:id=1"];
        assert_eq!(
            edits.as_str(),
            expected.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"),
            "{answer}"
        );
    }

    #[test]
    fn an_answer_is_marked_and_its_addresses_are_public() {
        changes(
            "200\n\netag:\"x\"\ncache-control:max-age=9",
            Life::Own,
            "=etag:\"x~tg-n\"\n=cache-control:max-age=9, private",
        );
        changes(
            "404\n\ncache-control:max-age=9\ncdn-cache-control:max-age=9",
            Life::None,
            "=cache-control:no-store\n-cdn-cache-control",
        );
        changes(
            "301\nhttps://new.example.com/a\nlocation:https://new.example.com/a",
            Life::Revalidated,
            "=location:https://shop.example.com/a\n=cache-control:no-cache, private",
        );
        changes(
            "204\n\nalt-svc:h3\nset-cookie:a=1\nset-cookie:b=2; Domain=new.example.com",
            Life::Own,
            "-alt-svc\n-set-cookie\n+set-cookie:a=1\n+set-cookie:b=2\n=cache-control:private",
        );
        changes("204\n\nset-cookie:a=1", Life::Own, "=cache-control:private");
    }
}
