//! What the headers of one answer say: cookies that browsers refuse, pages that caches share, policies that stop the
//! beacon, answers that caches mix up.

use super::Findings;
use super::page::Page;
use super::web::{Answer, host_of};

/// A page that browsers may use for so long without asking, in seconds, outlives a rollback: a day.
const PAGE_LIFE_S_MAX: u64 = 86_400;

/// A cookie that an answer sets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cookie {
    pub name: String,
    pub domain: Option<String>,
    pub path: Option<String>,
    pub same_site: Option<String>,
    pub is_secure: bool,
}

impl Cookie {
    /// Reads a `Set-Cookie`.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (name, _) = parts.next()?.split_once('=')?;
        let mut cookie = Self { name: name.trim().to_owned(), ..Self::default() };
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => cookie.domain = Some(value.trim_start_matches('.').to_ascii_lowercase()),
                "path" => cookie.path = Some(value.to_owned()),
                "samesite" => cookie.same_site = Some(value.to_ascii_lowercase()),
                "secure" => cookie.is_secure = true,
                _ => {}
            }
        }
        Some(cookie).filter(|cookie| !cookie.name.is_empty())
    }

    /// Why a browser at `public` drops it, as it comes from an upstream at `upstream`.
    fn refused(&self, public: &str, upstream: &str) -> Option<String> {
        let name = &self.name;
        if let Some(domain) = self.domain.as_deref().filter(|domain| !domain.is_empty()) {
            let is_its =
                |host: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
            // The upstream's own name is taken off on the way.
            if !is_its(public) && domain != upstream {
                return Some(format!("the cookie `{name}` is for {domain}, and visitors are on {public}"));
            }
        }
        let is_none = self.same_site.as_deref() == Some("none");
        if is_none && !self.is_secure {
            return Some(format!("the cookie `{name}` has SameSite=None without Secure"));
        }
        let is_bound_to_host = name.starts_with("__Host-");
        if (is_bound_to_host || name.starts_with("__Secure-")) && !self.is_secure {
            return Some(format!("the cookie `{name}` lacks Secure, which its name asks for"));
        }
        if is_bound_to_host && (self.domain.is_some() || self.path.as_deref() != Some("/")) {
            return Some(format!("the cookie `{name}` needs Path=/ and no Domain, which its name asks for"));
        }
        None
    }
}

/// Cookies that the browser drops.
pub fn cookies(answer: &Answer, public: &str, findings: &mut Findings) {
    for cookie in answer.all("set-cookie").filter_map(Cookie::read) {
        if let Some(what) = cookie.refused(&host_of(public), &host_of(&answer.url)) {
            findings.error(
                "cookie-refused",
                &answer.url,
                what,
                "browsers drop it without a word, so whoever gets this side is signed out, or loses the basket",
                "set cookies without a Domain: they then belong to the host that the visitor sees",
            );
        }
    }
}

/// Pages that caches may share.
pub fn caching(answer: &Answer, is_kept_upstream: bool, findings: &mut Findings) {
    if !answer.is_html() {
        return;
    }
    let directives = answer.caching();
    let seconds = |name: &str| -> Option<u64> {
        directives.iter().find_map(|own| own.strip_prefix(name)?.strip_prefix('=')?.trim_matches('"').parse().ok())
    };
    let has = |name: &str| directives.iter().any(|own| own == name);
    let is_shared = !has("private")
        && !has("no-store")
        && !has("no-cache")
        && (has("public") || seconds("s-maxage").is_some_and(|s| s > 0) || seconds("max-age").is_some_and(|s| s > 0));
    if is_shared && answer.header("set-cookie").is_some() {
        findings.error(
            "shared-page-with-cookie",
            &answer.url,
            format!("the page may be kept by shared caches ({}) and sets a cookie", directives.join(", ")),
            "a cache on the way hands one visitor's cookie, and with it the session or the side, to the next ones",
            "`Cache-Control: private, no-cache` on pages that set cookies",
        );
    } else if is_shared && is_kept_upstream {
        findings.error(
            "shared-page",
            &answer.url,
            format!(
                "the page may be kept by shared caches ({}), and the plan has cache = \"upstream\"",
                directives.join(", ")
            ),
            "a cache in front of Tidegate answers users of one side with the page of the other",
            "`Cache-Control: private, no-cache` on pages, or leave `cache` out of the plan",
        );
    }
    if let Some(life) = seconds("max-age").filter(|life| *life > PAGE_LIFE_S_MAX && !has("no-cache")) {
        findings.warn(
            "long-lived-page",
            &answer.url,
            format!("browsers may use the page for {} days without asking", life / 86_400),
            "copies from before the rollout show the old page to whoever is on new, and nothing can call them back",
            "`no-cache` on pages; long lives are for files whose names change with their content",
        );
    }
}

/// Answers to scripts of one origin that a cache would hand to another.
pub fn cross_origin(answer: &Answer, asked_as: &str, findings: &mut Findings) {
    let varies = answer.all("vary").flat_map(|value| value.split(',')).any(|own| {
        let own = own.trim();
        own == "*" || own.eq_ignore_ascii_case("origin")
    });
    let is_mirrored = answer.header("access-control-allow-origin") == Some(asked_as);
    let is_kept = !answer.caching().iter().any(|own| own == "no-store" || own == "private");
    if is_mirrored && !varies && is_kept {
        findings.warn(
            "vary-origin",
            &answer.url,
            "it allows whichever origin asks, and does not say `Vary: Origin`".to_owned(),
            "a cache hands the answer for one origin to another, whose scripts and fonts then fail on new only",
            "`Vary: Origin` wherever Access-Control-Allow-Origin repeats the request's origin",
        );
    }
}

/// Policies that keep the beacon out, where the plan counts on it.
pub fn beacon(answer: &Answer, page: &Page, findings: &mut Findings) {
    let in_headers = answer.all("content-security-policy").flat_map(|value| value.split(','));
    for policy in in_headers.chain(page.policies.iter().map(String::as_str)) {
        for (directive, what) in [("script-src-elem", "its script"), ("connect-src", "its reports")] {
            if let Some(sources) = stops(policy, directive) {
                findings.error(
                    "csp-beacon",
                    &answer.url,
                    format!("the Content-Security-Policy stops the beacon: {what} would need 'self' in `{sources}`"),
                    "no page of this side reports, so every gate on web vitals, events or JavaScript errors waits for ever",
                    "add 'self' to script-src and connect-src",
                );
            }
        }
    }
}

/// The directive in force that does not let the site's own origin, if there is one.
fn stops(policy: &str, wanted: &str) -> Option<String> {
    let directives: Vec<(String, &str)> = policy
        .split(';')
        .filter_map(|own| {
            let own = own.trim();
            let (name, sources) = own.split_once(char::is_whitespace).unwrap_or((own, ""));
            (!name.is_empty()).then(|| (name.to_ascii_lowercase(), sources))
        })
        .collect();
    let names = match wanted {
        "script-src-elem" => &["script-src-elem", "script-src", "default-src"][..],
        _ => &["connect-src", "default-src"][..],
    };
    let (name, sources) =
        names.iter().find_map(|name| directives.iter().find(|(own, _)| own == name).map(|(_, own)| (name, own)))?;
    let lets = sources.split_whitespace().any(|own| {
        let own = own.to_ascii_lowercase();
        // A host or a hash may be meant; only what plainly lets nothing of the site is reported.
        matches!(own.as_str(), "'self'" | "*" | "https:" | "http:")
            || own.contains('.')
            || own.contains("localhost")
            || own.contains("127.0.0.1")
    });
    (!lets).then(|| format!("{name} {sources}").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { url: "https://new.example/".into(), status: 200, headers, ..Answer::default() }
    }

    #[test]
    fn a_cookie_that_browsers_drop_is_found() {
        let refused = |text: &str| Cookie::read(text).unwrap().refused("shop.example.com", "new.example.com");
        for text in [
            "a=1; Domain=other.example",
            "a=1; SameSite=None",
            "__Host-a=1; Secure; Path=/x",
            "__Host-a=1; Path=/",
            "__Secure-a=1",
            "a=1; Domain=op.example.com",
        ] {
            assert!(refused(text).is_some(), "{text}");
        }
        for text in [
            "a=1",
            "a=1; Domain=.example.com; Path=/",
            "a=1; Domain=new.example.com",
            "a=1; SameSite=None; Secure",
            "__Host-a=1; Secure; Path=/",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
        assert_eq!(Cookie::read("nothing"), None);
    }

    #[test]
    fn pages_that_caches_share_are_found() {
        let found = |cache: &str, cookie: bool, is_kept: bool| {
            let mut headers = vec![("content-type", "text/html"), ("cache-control", cache)];
            headers.extend(cookie.then_some(("set-cookie", "a=1")));
            let mut findings = Findings::default();
            caching(&answer(&headers), is_kept, &mut findings);
            findings.codes()
        };
        assert_eq!(found("public, max-age=60", true, false), ["shared-page-with-cookie"]);
        assert_eq!(found("s-maxage=60", false, true), ["shared-page"]);
        assert_eq!(found("max-age=31536000", false, false), ["long-lived-page"]);
        for fine in ["no-cache", "private, max-age=60", "public, max-age=60, no-store", "max-age=0"] {
            assert!(found(fine, true, true).is_empty(), "{fine}");
        }
        assert!(found("public, max-age=60", false, false).is_empty());
    }

    #[test]
    fn a_policy_that_stops_the_beacon_is_found() {
        for (policy, wanted, expected) in [
            ("default-src 'none'", "script-src-elem", Some("default-src 'none'")),
            ("default-src 'self'; script-src 'nonce-a'", "script-src-elem", Some("script-src 'nonce-a'")),
            ("default-src 'self'; script-src 'nonce-a'", "connect-src", None),
            ("script-src 'self'", "connect-src", None),
            ("connect-src", "connect-src", Some("connect-src")),
            ("connect-src https://api.example", "connect-src", None),
            ("frame-ancestors 'none'", "script-src-elem", None),
        ] {
            assert_eq!(stops(policy, wanted).as_deref(), expected, "{policy} {wanted}");
        }
    }

    #[test]
    fn an_origin_that_is_repeated_has_to_vary() {
        let found = |headers: &[(&str, &str)]| {
            let mut findings = Findings::default();
            cross_origin(&answer(headers), "https://a.example", &mut findings);
            findings.codes()
        };
        let allowed = ("access-control-allow-origin", "https://a.example");
        assert_eq!(found(&[allowed]), ["vary-origin"]);
        assert!(found(&[allowed, ("vary", "Accept, origin")]).is_empty());
        assert!(found(&[("access-control-allow-origin", "*")]).is_empty());
        assert!(found(&[allowed, ("cache-control", "no-store")]).is_empty());
    }
}
