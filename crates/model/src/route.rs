//! Routes: which requests a rollout takes.
//!
//! `shop.example.com/checkout/*` takes `/checkout` and everything under it on that host; without
//! the star only the path itself. `*.example.com/…` takes every host under that domain, and a
//! route that starts with `/` every host. A `*` stands only for whole trailing segments, so that
//! of any two routes that take a request one is the more specific, and which one never depends on
//! their order.

use std::fmt;
use std::str::FromStr;

use super::fault::Explain;
use super::serialize_as_text;

/// A pattern of hosts and paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The hosts taken.
    pub host: HostPattern,
    /// The path, or the prefix of it without its last `/`.
    pub path: PathPattern,
}

/// The hosts of a route, in lower case and without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Every host.
    Any,
    /// Every host under this domain, not the domain itself.
    Under(String),
    /// This host on any port.
    Exactly(String),
}

/// The paths of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// This path.
    Exactly(String),
    /// This path and everything under it; `""` is everything.
    Under(String),
}

impl PathPattern {
    /// Orders the patterns that take one path: the longer, and of equally long ones the exact, is the greater.
    pub fn specificity(&self) -> usize {
        match self {
            Self::Exactly(path) => path.len() * 2 + 1,
            Self::Under(path) => path.len() * 2,
        }
    }

    /// Whether `path` (of a URL, starting with `/`) is taken.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exactly(own) => own == path,
            Self::Under(own) => {
                path.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl HostPattern {
    /// Whether `host` (in lower case, without a port) is taken.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Under(domain) => host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.')),
            Self::Exactly(own) => own == host,
        }
    }
}

impl Route {
    /// Whether a request for `path` on `host` is taken.
    pub fn matches(&self, host: &str, path: &str) -> bool {
        self.path.matches(path) && self.host.matches(host)
    }

    /// A path that the route takes, to begin at.
    pub fn start(&self) -> String {
        match &self.path {
            PathPattern::Exactly(path) => path.clone(),
            PathPattern::Under(prefix) => format!("{prefix}/"),
        }
    }
}

/// The longest path of a pattern; servers take hardly more.
const PATH_BYTES_MAX: usize = 2_000;

/// Why a text is no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteError(String, &'static str);

impl std::error::Error for RouteError {}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a route: {}", self.0, self.1)
    }
}

impl Explain for RouteError {
    fn help(&self) -> Option<String> {
        Some("`shop.example.com/checkout/*`, `*.example.com/*`, `/about` or `/*`".into())
    }
}

/// Whether a path is one of those that Tidegate keeps for itself on every host.
pub fn is_own(path: &str) -> bool {
    path.strip_prefix("/_tidegate").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let refuse = |why| Err(RouteError(text.to_owned(), why));
        if text.contains("://") {
            return refuse("it takes no scheme");
        }
        let Some(slash) = text.find('/') else { return refuse("it has no path") };
        let (host, path) = text.split_at(slash);
        let host = match (host, host.strip_prefix("*.")) {
            ("", _) => HostPattern::Any,
            (_, Some(domain)) if is_host(domain) => HostPattern::Under(domain.to_ascii_lowercase()),
            (host, None) if is_host(host) => HostPattern::Exactly(host.to_ascii_lowercase()),
            _ => return refuse("its host is malformed"),
        };
        let path = path.parse().map_err(|why| RouteError(text.to_owned(), why))?;
        Ok(Self { host, path })
    }
}

impl FromStr for PathPattern {
    type Err = &'static str;

    fn from_str(path: &str) -> Result<Self, &'static str> {
        if !path.starts_with('/') {
            return Err("its path does not start with `/`");
        }
        if path.len() > PATH_BYTES_MAX {
            return Err("its path is longer than 2,000 bytes");
        }
        if path.contains(['?', '#']) {
            return Err("it takes no query");
        }
        if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err("its path has characters that a URL carries percent-encoded");
        }
        if is_own(path) {
            return Err("`/_tidegate/` belongs to Tidegate");
        }
        match path.strip_suffix("/*") {
            Some(prefix) if !prefix.contains('*') => Ok(Self::Under(prefix.to_owned())),
            None if !path.contains('*') => Ok(Self::Exactly(path.to_owned())),
            _ => Err("`*` stands only as the whole last segment"),
        }
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && !host.starts_with('.')
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Any => {}
            HostPattern::Under(domain) => write!(f, "*.{domain}")?,
            HostPattern::Exactly(host) => f.write_str(host)?,
        }
        write!(f, "{}", self.path)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(path) => f.write_str(path),
            Self::Under(path) => write!(f, "{path}/*"),
        }
    }
}

serialize_as_text!(Route, PathPattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_print_back() {
        for text in ["/*", "/about", "/", "shop.example.com/checkout/*", "*.example.com/*", "localhost/a/b"] {
            assert_eq!(text.parse::<Route>().map(|route| route.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_star_takes_whole_segments() {
        let pattern = PathPattern::Under("/checkout".into());
        for (path, taken) in
            [("/checkout", true), ("/checkout/", true), ("/checkout/a/b", true), ("/checkouts", false), ("/", false)]
        {
            assert_eq!(pattern.matches(path), taken, "{path}");
        }
        assert!(PathPattern::Under(String::new()).matches("/anything"));
    }

    #[test]
    fn malformed_routes_are_refused() {
        for text in [
            "",
            "shop.example.com",
            "https://a/b",
            "a b/c",
            "/a*",
            "/a/*/b",
            "a.*.b/c",
            "/a?b",
            "/_tidegate/x",
            "/_tidegate",
            "*./x",
            "/ä",
        ] {
            assert!(text.parse::<Route>().is_err(), "{text}");
        }
    }
}
