//! Addresses that an upstream writes into its answers, in the terms of the public host.
//!
//! 1. An absolute address of an upstream's host and port, in whatever scheme, gets the public scheme and
//!    host. Behind a proxy that ends TLS, many applications write `http`.
//! 2. The upstream's base path comes off, also of addresses that begin with `/`.
//! 3. A cookie's `Domain` that names an upstream and does not cover the public host goes; browsers would
//!    refuse the cookie. The base path comes off its `Path`.
//! 4. What comes off never makes another host of a path: `/base//evil.example` is no address of that host.
//! 5. Everything else stays as it is.

use super::address::Address;
use tidegate_model::upstream::Upstream;

/// Translates what one upstream answered.
#[derive(Clone, Copy, Debug)]
pub struct Translator<'a> {
    /// The address that the browser asked for.
    pub public: Address<'a>,
    /// The one that answered, unless it is a Worker, which sees the public address.
    pub answering: Option<&'a Upstream>,
    /// Every upstream of the rollout.
    pub upstreams: &'a [&'a Upstream],
}

impl Translator<'_> {
    /// The public form of an address, or `None` where it stays as it is.
    pub fn address(&self, text: &str) -> Option<String> {
        let text = text.trim();
        if let Some((authority, rest)) = absolute(text) {
            let fits = |upstream: &&Upstream| {
                upstream.authority() == authority && strip_base(rest, upstream.base_path()).is_some()
            };
            // The one that answered first, then the one with the longest base path.
            let others = || {
                self.upstreams
                    .iter()
                    .copied()
                    .filter(|upstream| fits(upstream))
                    .max_by_key(|upstream| upstream.base_path().len())
            };
            let rest = strip_base(rest, self.answering.filter(fits).or_else(others)?.base_path())?;
            return Some(format!("{}://{}{rest}", self.public.scheme, self.public.authority));
        }
        let base = self.answering.map(Upstream::base_path).filter(|base| !base.is_empty())?;
        if !text.starts_with('/') {
            return None;
        }
        let rest = strip_base(text, base)?;
        Some(match rest.strip_prefix('/') {
            // Browsers leave control characters out.
            Some(behind) if behind.trim_start_matches(|c: char| c.is_ascii_control()).starts_with(['/', '\\']) => {
                format!("{}://{}{rest}", self.public.scheme, self.public.authority)
            }
            Some(_) => rest.to_owned(),
            None => format!("/{rest}"),
        })
    }

    /// Whether a redirect leads to the address asked for. `location` is as the upstream wrote it, and `resolved`
    /// what that is beside the public address.
    pub fn leads_back(&self, location: &str, resolved: &str) -> bool {
        let target = match self.address(location) {
            Some(path) if path.starts_with('/') => format!("{}://{}{path}", self.public.scheme, self.public.authority),
            Some(address) => address,
            None => resolved.to_owned(),
        };
        let Some(to) = Address::parse(&target) else { return false };
        let authority = |address: &Address<'_>| {
            without_default_port(&address.authority.to_ascii_lowercase(), address.scheme).to_owned()
        };
        to.scheme == self.public.scheme
            && authority(&to) == authority(&self.public)
            && to.path_and_query == self.public.path_and_query
    }

    /// The public form of `Refresh`: `5; url=https://…`.
    pub fn refresh(&self, value: &str) -> Option<String> {
        let lower = value.to_ascii_lowercase();
        let at = lower.find("url")? + 3;
        let (head, rest) = value.split_at_checked(at)?;
        let address = rest.trim_start().strip_prefix('=')?.trim();
        let quote = address.chars().next().filter(|c| matches!(c, '"' | '\''));
        let bare = quote.map_or(address, |quote| address.trim_matches(quote));
        let translated = self.address(bare)?;
        let quote = quote.map(String::from).unwrap_or_default();
        Some(format!("{head}={quote}{translated}{quote}"))
    }

    /// The public form of `Link`: `<https://…>; rel=preload, </a>; rel=next`.
    pub fn link(&self, value: &str) -> Option<String> {
        let mut translated = String::with_capacity(value.len());
        let mut rest = value;
        let mut is_changed = false;
        while let Some((before, (target, after))) =
            rest.split_once('<').and_then(|(before, rest)| Some((before, rest.split_once('>')?)))
        {
            let public = self.address(target);
            is_changed |= public.is_some();
            translated.extend([before, "<", public.as_deref().unwrap_or(target), ">"]);
            rest = after;
        }
        translated.push_str(rest);
        is_changed.then_some(translated)
    }

    /// The public form of one `Set-Cookie`.
    pub fn cookie(&self, value: &str) -> Option<String> {
        let mut is_changed = false;
        let attributes = value.split(';').enumerate().filter_map(|(index, part)| {
            let (name, argument) =
                part.split_once('=').map_or((part.trim(), ""), |(name, argument)| (name.trim(), argument.trim()));
            if index == 0 {
                return Some(part.to_owned());
            }
            if name.eq_ignore_ascii_case("domain") && self.is_foreign_domain(argument) {
                is_changed = true;
                return None;
            }
            if name.eq_ignore_ascii_case("path")
                && let Some(path) = self.cookie_path(argument)
            {
                is_changed = true;
                return Some(format!(" {name}={path}"));
            }
            Some(part.to_owned())
        });
        let attributes: Vec<String> = attributes.collect();
        is_changed.then(|| attributes.join(";"))
    }

    fn is_foreign_domain(&self, domain: &str) -> bool {
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        let covers =
            |host: &str| host == domain || host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        !covers(&self.public.host().to_ascii_lowercase())
            && self.upstreams.iter().any(|upstream| covers(upstream.host()))
    }

    fn cookie_path(&self, path: &str) -> Option<String> {
        let base = self.answering.map(Upstream::base_path).filter(|base| !base.is_empty())?;
        let rest = strip_base(path, base)?;
        Some(if rest.is_empty() { "/".to_owned() } else { rest.to_owned() })
    }

    /// The public origin, where a header allows an upstream's.
    pub fn origin(&self, value: &str) -> Option<String> {
        let (authority, rest) = absolute(value.trim())?;
        let is_upstream = rest.is_empty() && self.upstreams.iter().any(|upstream| upstream.authority() == authority);
        is_upstream.then(|| format!("{}://{}", self.public.scheme, self.public.authority))
    }
}

/// Host and port of an address (in lower case, without the port that its scheme has anyway), and what follows.
fn absolute(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = match text.split_once("//") {
        Some(("", rest)) => ("", rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https:") => ("https", rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http:") => ("http", rest),
        _ => return None,
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    // Who is named before `@` is nobody whom the public host knows.
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    Some((without_default_port(&authority.to_ascii_lowercase(), scheme).to_owned(), rest))
}

fn without_default_port<'a>(authority: &'a str, scheme: &str) -> &'a str {
    match scheme {
        "https" => authority.strip_suffix(":443").unwrap_or(authority),
        "http" => authority.strip_suffix(":80").unwrap_or(authority),
        "" => authority.strip_suffix(":443").or_else(|| authority.strip_suffix(":80")).unwrap_or(authority),
        _ => authority,
    }
}

/// What follows the base path, if the address lies under it.
fn strip_base<'a>(rest: &'a str, base: &str) -> Option<&'a str> {
    rest.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Address<'_> =
        Address { scheme: "https", authority: "shop.example.com", path: "/cart", path_and_query: "/cart?a=1" };

    /// Translates what the second upstream has answered, which has a base path.
    fn translated<T>(act: impl FnOnce(&Translator<'_>) -> T) -> T {
        let upstreams: Vec<Upstream> =
            ["https://legacy.example.com", "http://apps.example.net:8802/base", "https://[::1]:9000"]
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect();
        let all: Vec<&Upstream> = upstreams.iter().collect();
        act(&Translator { public: PUBLIC, answering: upstreams.get(1), upstreams: &all })
    }

    #[track_caller]
    fn locates(location: &str, expected: Option<&str>) {
        assert_eq!(translated(|t| t.address(location)).as_deref(), expected, "{location}");
    }

    #[test]
    fn addresses_of_an_upstream_become_public_in_every_scheme() {
        locates("https://legacy.example.com/a?b#c", Some("https://shop.example.com/a?b#c"));
        locates("http://legacy.example.com/a", Some("https://shop.example.com/a"));
        locates("HTTP://LEGACY.example.com:80/", Some("https://shop.example.com/"));
        locates("https://legacy.example.com:443", Some("https://shop.example.com"));
        locates("https://user:secret@legacy.example.com/a", Some("https://shop.example.com/a"));
        locates("//legacy.example.com:443/a", Some("https://shop.example.com/a"));
        locates("//legacy.example.com/a", Some("https://shop.example.com/a"));
        locates("https://apps.example.net:8802/base/a", Some("https://shop.example.com/a"));
        locates("http://apps.example.net:8802/base", Some("https://shop.example.com"));
        locates("http://[::1]:9000/a", Some("https://shop.example.com/a"));
    }

    #[test]
    fn a_base_path_comes_off() {
        locates("/base/login?next=/base/x", Some("/login?next=/base/x"));
        locates("/base", Some("/"));
        locates("/base?q", Some("/?q"));
        locates("/base//evil.example/a", Some("https://shop.example.com//evil.example/a"));
        locates("/base/\\evil.example/a", Some("https://shop.example.com/\\evil.example/a"));
        locates("/base/\t/evil.example/a", Some("https://shop.example.com/\t/evil.example/a"));
        locates("/based", None);
        locates("/login", None);
    }

    #[test]
    fn other_addresses_are_left_alone() {
        for location in [
            "a",
            "",
            "?q",
            "#x",
            "../base/x",
            "https://legacy.example.com.evil/",
            "https://legacy.example.com:8443/",
            "http://legacy.example.com:443/",
            "https://legacy.example.com@evil.example/",
            "http://apps.example.net:8802/other",
            "https://pay.example.net/",
            "mailto:a@legacy.example.com",
            "/\\legacy.example.com/",
            "javascript://legacy.example.com/",
            "https:/legacy.example.com/",
        ] {
            locates(location, None);
        }
    }

    #[test]
    fn links_and_refreshes_are_addresses_among_words() {
        let link = |value: &str| translated(|t| t.link(value));
        assert_eq!(
            link("<https://legacy.example.com/a.css>; rel=preload; as=style, </base/b>; rel=next").as_deref(),
            Some("<https://shop.example.com/a.css>; rel=preload; as=style, </b>; rel=next")
        );
        assert_eq!(link("</a>; rel=preload"), None);
        assert_eq!(link("<unclosed"), None);
        let refresh = |value: &str| translated(|t| t.refresh(value));
        assert_eq!(refresh("5; url=http://legacy.example.com/x").as_deref(), Some("5; url=https://shop.example.com/x"));
        assert_eq!(refresh("0;URL='/base/x'").as_deref(), Some("0;URL='/x'"));
        assert_eq!(refresh("5"), None);
        assert_eq!(refresh("5; url=/x"), None);
    }

    #[test]
    fn cookies_are_for_the_public_host_and_path() {
        let cookie = |value: &str| translated(|t| t.cookie(value));
        assert_eq!(cookie("a=1; Domain=legacy.example.com; Path=/; Secure").as_deref(), Some("a=1; Path=/; Secure"));
        assert_eq!(cookie("a=1; domain=.APPS.example.net; path=/base").as_deref(), Some("a=1; path=/"));
        assert_eq!(cookie("a=1; Domain=example.net").as_deref(), Some("a=1"));
        assert_eq!(cookie("a=1; Path=/base/cart; HttpOnly").as_deref(), Some("a=1; Path=/cart; HttpOnly"));
        assert_eq!(cookie("Domain=legacy.example.com; Path=/x"), None, "the cookie's own name");
        for kept in [
            "a=1",
            "a=1; Domain=example.com; Path=/",
            "a=1; Domain=other.org",
            "a=b=c; Path=/based; Expires=Wed, 21 Oct 2026 07:28:00 GMT",
        ] {
            assert_eq!(cookie(kept), None, "{kept}");
        }
    }

    #[test]
    fn a_redirect_to_the_address_asked_for_is_seen_in_every_spelling() {
        let leads_back = |target: &str| translated(|t| t.leads_back(target, target));
        assert!(translated(|t| t.leads_back("/base/cart?a=1", "https://shop.example.com/base/cart?a=1")));
        assert!(translated(|t| t.leads_back("?a=1", "https://shop.example.com/cart?a=1")));
        for target in [
            "https://shop.example.com/cart?a=1",
            "https://SHOP.example.com:443/cart?a=1#x",
            "http://legacy.example.com/cart?a=1",
            "http://apps.example.net:8802/base/cart?a=1",
        ] {
            assert!(leads_back(target), "{target}");
        }
        for target in [
            "http://shop.example.com/cart?a=1",
            "https://shop.example.com/cart",
            "https://shop.example.com/cart/?a=1",
            "https://www.example.com/cart?a=1",
            "nonsense",
        ] {
            assert!(!leads_back(target), "{target}");
        }
    }

    #[test]
    fn an_allowed_origin_that_is_an_upstreams_becomes_the_public_one() {
        assert_eq!(translated(|t| t.origin("http://legacy.example.com")).as_deref(), Some("https://shop.example.com"));
        assert_eq!(translated(|t| t.origin("*")), None);
        assert_eq!(translated(|t| t.origin("https://other.example.com")), None);
    }
}
