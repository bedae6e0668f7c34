//! The one host on which people operate, where `CONSOLE_HOST` names one.
//!
//! A script of a page acts as whoever is signed in at the page's origin. So a console that answers on the
//! site's own host can be operated by whatever script runs in the site's pages: a third party's tag, the
//! new frontend itself. On a host of its own, browsers keep them apart.
//!
//! 1. Console, sessions, API and metrics answer on that host alone. Elsewhere they are not found, and
//!    nothing there tells where they are.
//! 2. What pages and probes need answers on every host: the beacon, previews and `health`.
//! 3. Nothing of the site is on that host: no route takes it, and no request to it reaches an upstream.
//! 4. A text that is no host opens nothing: then they answer on no host at all.

use super::address::Address;
use super::beacon::path::{REPORTS, SCRIPT};
use super::{choice, preview, receive};
use tidegate_model::route::{HostPattern, Route};

/// Where the console answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Console {
    /// On every host: `CONSOLE_HOST` is not set.
    #[default]
    Everywhere,
    /// On this host, in lower case; on any port, unless one is named.
    On(String),
    /// On no host: this text names none.
    Nowhere(String),
}

impl Console {
    /// Reads `CONSOLE_HOST`. An address of which only the host matters is taken as well.
    pub fn read(text: Option<&str>) -> Self {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Self::Everywhere };
        let host = text.to_ascii_lowercase();
        let host = host.strip_prefix("https://").or_else(|| host.strip_prefix("http://")).unwrap_or(&host);
        let host = host.strip_suffix('/').unwrap_or(host);
        if is_host(host) { Self::On(host.to_owned()) } else { Self::Nowhere(text.to_owned()) }
    }

    /// Whether what people operate with answers at this address.
    pub fn serves(&self, address: &Address<'_>) -> bool {
        matches!(self, Self::Everywhere) || self.owns(address)
    }

    /// Whether the address is on the console's own host.
    pub fn owns(&self, address: &Address<'_>) -> bool {
        matches!(self, Self::On(own) if own == address.authority || own == address.host())
    }

    /// The first of these routes that names the console's host. One for any host, or for a whole domain,
    /// means all others.
    pub fn named_by<'r>(&self, routes: &'r [Route]) -> Option<&'r Route> {
        let Self::On(own) = self else { return None };
        let own = own.split(':').next().unwrap_or(own);
        routes.iter().find(|route| matches!(&route.host, HostPattern::Exactly(host) if host == own))
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "80"));
    let is_name = !host.is_empty()
        && !host.starts_with('.')
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    is_name && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a path is one that pages, probes and other tools need on every host. A receiver has a secret of its own.
pub fn is_for_everybody(path: &str) -> bool {
    matches!(path, "/_tidegate/health" | preview::PATH | choice::PATH | REPORTS | SCRIPT)
        || path.starts_with(receive::PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Address<'_> {
        Address::parse(url).unwrap()
    }

    #[test]
    fn without_a_host_of_its_own_it_answers_on_all() {
        for text in [None, Some(""), Some(" ")] {
            let console = Console::read(text);
            assert!(
                console.serves(&at("https://shop.example.com/")) && !console.owns(&at("https://shop.example.com/"))
            );
            assert_eq!(console.named_by(&["shop.example.com/*".parse().unwrap()]), None);
        }
    }

    #[test]
    fn it_answers_on_its_own_host_alone() {
        for text in ["ops.example.com", " Ops.Example.com", "https://ops.example.com", "https://ops.example.com/"] {
            let console = Console::read(Some(text));
            assert_eq!(console, Console::On("ops.example.com".into()), "{text}");
            assert!(
                console.serves(&at("https://ops.example.com/x")) && console.owns(&at("https://ops.example.com:8443/"))
            );
            for other in [
                "https://shop.example.com/",
                "https://example.com/",
                "https://ops.example.com.evil.example/",
                "https://x.ops.example.com/",
            ] {
                assert!(!console.serves(&at(other)) && !console.owns(&at(other)), "{other}");
            }
        }
        let console = Console::read(Some("localhost:8787"));
        assert!(console.serves(&at("http://localhost:8787/")) && !console.serves(&at("http://localhost:8788/")));
    }

    #[test]
    fn what_is_no_host_opens_nothing() {
        for text in [
            "https://ops.example.com/console",
            "ops example",
            "*.example.com",
            ".example.com",
            "ops.example.com:",
            "ops:x",
            "a,b",
        ] {
            let console = Console::read(Some(text));
            assert_eq!(console, Console::Nowhere(text.into()));
            assert!(!console.serves(&at("https://ops.example.com/")) && !console.owns(&at("https://ops.example.com/")));
        }
    }

    #[test]
    fn a_route_may_not_name_it_and_one_for_all_hosts_means_the_others() {
        let routes = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Route>>();
        let console = Console::read(Some("ops.example.com"));
        assert_eq!(console.named_by(&routes(&["/*", "*.example.com/*", "shop.example.com/*"])), None);
        let naming = routes(&["/*", "OPS.example.com/x/*"]);
        assert_eq!(console.named_by(&naming), naming.get(1));
    }
}
