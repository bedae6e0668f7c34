//! The answer that goes to the browser: the upstream's own, marked, kept out of shared caches
//! where it depends on the cohort, its redirects kept on the public host.

use super::address::Address;
use super::headers::{HOP_BY_HOP, HeaderEdits, named_by_connection};
use crate::model::upstream::Upstream;

/// What the rules need to know of the upstream's answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outbound<'a> {
    /// Its status.
    pub status: u16,
    /// Its `Cache-Control`.
    pub cache_control: Option<&'a str>,
    /// Whether it has an `Expires`.
    pub has_expires: bool,
    /// Its `Connection`.
    pub connection: Option<&'a str>,
    /// Its `Location`.
    pub location: Option<&'a str>,
}

/// Why and how the answer came about.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    /// The side that answered; `None` where no rollout takes the request.
    pub variant: Option<&'a str>,
    /// Why that side.
    pub reason: &'a str,
    /// Whether another subject might have got another answer, and shared caches are not told to tell them apart.
    pub is_private: bool,
    /// Whether the request was a GET or HEAD.
    pub is_read: bool,
    /// The exposure token of a page.
    pub token: Option<&'a str>,
}

/// The headers by which a site steers caches apart from the browser's; they would overrule `private`.
const TARGETED: [&str; 3] = ["cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control"];

/// The statuses that caches store without being told how long (RFC 9110 §15.1).
const HEURISTIC: [u16; 12] = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501];

/// The changes to the upstream's headers.
pub fn edits(outbound: &Outbound<'_>, provenance: &Provenance<'_>, public: &Address<'_>, upstreams: &[&Upstream], cookies: &[String]) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    // The runtime takes away what belongs to its own connections, but not what these two name.
    edits.remove("proxy-connection");
    for name in outbound.connection.into_iter().flat_map(named_by_connection).filter(|name| !HOP_BY_HOP.contains(&name.as_str())) {
        edits.remove(&name);
    }
    if let Some(location) = outbound.location.and_then(|location| public_location(location, public, upstreams)) {
        edits.set("location", &location);
    }
    if provenance.is_private {
        let is_stored_anyway = provenance.is_read && HEURISTIC.contains(&outbound.status);
        if let Some(value) = made_private(outbound.cache_control, outbound.has_expires || is_stored_anyway) {
            edits.set("cache-control", &value);
        }
        for name in TARGETED {
            edits.remove(name);
        }
    }
    if let Some(variant) = provenance.variant {
        edits.set("tidegate-variant", variant);
    }
    edits.set("tidegate-reason", provenance.reason);
    if let Some(token) = provenance.token {
        edits.append("server-timing", &format!("tidegate;desc=\"{token}\""));
    }
    for cookie in cookies {
        edits.append("set-cookie", cookie);
    }
    edits
}

/// A `Location` that names an upstream, with the public origin in its place.
fn public_location(location: &str, public: &Address<'_>, upstreams: &[&Upstream]) -> Option<String> {
    upstreams.iter().find_map(|upstream| {
        let rest = strip_origin(location, upstream.origin())?;
        let rest = rest.strip_prefix(upstream.base_path())?;
        let is_whole = rest.is_empty() || rest.starts_with(['/', '?', '#']);
        is_whole.then(|| format!("{}://{}{rest}", public.scheme, public.authority))
    })
}

/// What follows the origin, written in full or without its scheme, in any case of its letters.
fn strip_origin<'l>(location: &'l str, origin: &str) -> Option<&'l str> {
    let without_scheme = origin.find("//").and_then(|at| origin.get(at..))?;
    [origin, without_scheme].into_iter().find_map(|prefix| {
        let start = location.get(..prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then(|| location.get(prefix.len()..)).flatten()
    })
}

/// The `Cache-Control` that keeps an answer out of shared caches, or `None` where they would not
/// store it anyway.
fn made_private(cache_control: Option<&str>, is_stored_without: bool) -> Option<String> {
    let directives: Vec<&str> = cache_control.map(split_directives).unwrap_or_default();
    let name = |directive: &str| directive.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    if directives.is_empty() && !is_stored_without {
        return None;
    }
    // `private="field"` names single fields and leaves the rest to shared caches.
    let is_unshared = directives.iter().any(|directive| matches!(directive.to_ascii_lowercase().as_str(), "private" | "no-store"));
    if is_unshared {
        return None;
    }
    let kept = directives.into_iter().filter(|directive| !matches!(name(directive).as_str(), "public" | "s-maxage" | "proxy-revalidate" | "private"));
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
    fn locates(location: &str, expected: Option<&str>) {
        let public = Address { scheme: "https", authority: "shop.example.com", path: "/", path_and_query: "/" };
        let upstreams: Vec<Upstream> = ["https://legacy.example.com", "http://127.0.0.1:8802/base"].iter().filter_map(|text| text.parse().ok()).collect();
        let upstreams: Vec<&Upstream> = upstreams.iter().collect();
        assert_eq!(public_location(location, &public, &upstreams).as_deref(), expected, "{location}");
    }

    #[test]
    fn redirects_to_an_upstream_stay_on_the_public_host() {
        locates("https://legacy.example.com/a?b#c", Some("https://shop.example.com/a?b#c"));
        locates("https://LEGACY.example.com", Some("https://shop.example.com"));
        locates("//legacy.example.com/a", Some("https://shop.example.com/a"));
        locates("http://127.0.0.1:8802/base/a", Some("https://shop.example.com/a"));
    }

    #[test]
    fn other_redirects_are_left_alone() {
        for location in ["/a", "a", "https://legacy.example.com.evil/", "https://legacy.example.com:8443/", "http://legacy.example.com/", "http://127.0.0.1:8802/other", "http://127.0.0.1:8802/based", "https://pay.example.net/"] {
            locates(location, None);
        }
    }
}
