//! The parts of a request's URL, borrowed from it, and the parts of those that are asked.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The URL of a request as the runtime gives it: absolute, normalised, without a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host with its port, unless that is the scheme's own.
    pub authority: &'a str,
    /// Starts with `/`.
    pub path: &'a str,
    /// Path and query as they go upstream.
    pub path_and_query: &'a str,
}

impl<'a> Address<'a> {
    /// Scheme and host, as browsers write where something comes from.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The path as logs may have it: what looks like somebody's id is masked.
    pub fn masked_path(&self) -> String {
        tidegate_model::shadow::masked(self.path)
    }

    /// Splits a URL, or returns `None` when it has no scheme.
    pub fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path_and_query) = rest.split_at(end);
        let path_and_query = if path_and_query.is_empty() { "/" } else { path_and_query };
        let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
        Some(Self { scheme, authority, path: if path.is_empty() { "/" } else { path }, path_and_query })
    }

    /// The host without its port.
    pub fn host(&self) -> &'a str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => self.authority,
        }
    }

    /// Whether a browser keeps a `Secure` cookie that is set here: over TLS, or on the same machine.
    pub fn keeps_secure_cookies(&self) -> bool {
        let host = self.host();
        self.scheme == "https"
            || host == "localhost"
            || host.ends_with(".localhost")
            || host.starts_with("127.")
            || host == "[::1]"
    }
}

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as one part of a URL: a segment of its path, or a value of its query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_where_urls_are() {
        let parts = |url| Address::parse(url).map(|a| (a.scheme, a.authority, a.host(), a.path, a.path_and_query));
        assert_eq!(
            parts("https://shop.example.com/a/b?c=/d#e"),
            Some(("https", "shop.example.com", "shop.example.com", "/a/b", "/a/b?c=/d"))
        );
        assert_eq!(parts("http://localhost:8787"), Some(("http", "localhost:8787", "localhost", "/", "/")));
        assert_eq!(parts("http://[::1]:80/"), Some(("http", "[::1]:80", "[::1]", "/", "/")));
        assert_eq!(parts("/relative"), None);
    }
}
