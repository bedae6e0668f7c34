//! The address of a frontend.

use std::fmt;
use std::str::FromStr;

use super::fault::Explain;
use super::serialize_as_text;

/// An origin and, where the frontend lives under one, a base path:
/// `https://new.shop.example.com` or `https://apps.example.com/shop`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    text: String,
    /// The bytes of `text` before the base path.
    origin_length: usize,
}

impl Upstream {
    /// Scheme, host and port, in lower case, without a trailing slash.
    pub fn origin(&self) -> &str {
        self.text.get(..self.origin_length).unwrap_or_default()
    }

    /// The base path: empty, or `/…` without a trailing slash.
    pub fn base_path(&self) -> &str {
        self.text.get(self.origin_length..).unwrap_or_default()
    }

    /// Origin and base path: what a request's path and query are appended to.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host with its port, unless that is the scheme's own; in lower case.
    pub fn authority(&self) -> &str {
        self.origin().split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The host without its port.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        }
    }
}

/// Why a text is no upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamError(String, &'static str);

impl std::error::Error for UpstreamError {}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an upstream: {}", self.0, self.1)
    }
}

impl Explain for UpstreamError {
    fn help(&self) -> Option<String> {
        Some("`https://new.shop.example.com`, or with a base path `https://apps.example.com/shop`".into())
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let refuse = |why| UpstreamError(text.to_owned(), why);
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "https" && scheme != "http" {
            return Err(refuse("its scheme is neither https nor http"));
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        check_authority(authority).map_err(refuse)?;
        if path.contains(['?', '#']) {
            return Err(refuse("it takes no query"));
        }
        if path.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
            return Err(refuse("its path has characters that a URL carries percent-encoded"));
        }
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        let origin = format!("{scheme}://{authority}");
        Ok(Self { text: format!("{origin}{}", path.trim_end_matches('/')), origin_length: origin.len() })
    }
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    if authority.contains('@') {
        return Err("it takes no user name");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port == "0") {
        return Err("its port is malformed");
    }
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_valid = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    if is_valid { Ok(()) } else { Err("its host is malformed") }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

serialize_as_text!(Upstream);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_are_an_origin_and_a_base_path() {
        for (text, origin, base, host) in [
            ("https://New.example.com/", "https://new.example.com", "", "new.example.com"),
            ("http://127.0.0.1:8801", "http://127.0.0.1:8801", "", "127.0.0.1"),
            ("https://a.example:443/shop/", "https://a.example", "/shop", "a.example"),
            ("http://[::1]:80", "http://[::1]", "", "[::1]"),
        ] {
            let upstream = text.parse::<Upstream>();
            let parts = upstream.as_ref().map(|u| (u.origin(), u.base_path(), u.host()));
            assert_eq!(parts, Ok((origin, base, host)), "{text}");
        }
    }

    #[test]
    fn malformed_upstreams_are_refused() {
        for text in [
            "",
            "example.com",
            "ftp://a",
            "https://",
            "https://a b",
            "https://u@a",
            "https://a:x",
            "https://a:0",
            "https://a?b",
            "https://[::g]",
            "https://a/\\b",
        ] {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }
}
