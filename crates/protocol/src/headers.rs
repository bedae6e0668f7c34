//! Changes to a list of headers, and which headers end at this hop.

/// Changes to a list of headers, in one text: a line each, so that they cross into JavaScript at
/// once. No value can hold a line break, since none can in HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits(String);

impl HeaderEdits {
    /// Takes a header away.
    pub fn remove(&mut self, name: &str) {
        self.line("-", name, "", "");
    }

    /// Replaces a header by one value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.line("=", name, ":", value);
    }

    /// Replaces a header by one value, or takes it away where there is none.
    pub fn set_or_remove(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Adds one more value of a header.
    pub fn append(&mut self, name: &str, value: &str) {
        self.line("+", name, ":", value);
    }

    /// The changes: `-name`, `=name:value` or `+name:value`, separated by line feeds.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn line(&mut self, mark: &str, name: &str, colon: &str, value: &str) {
        debug_assert!(!name.contains('\n') && !value.contains('\n'), "a header value holds a line break");
        // Most requests have a dozen of some 30 bytes each.
        self.0.reserve(if self.0.is_empty() { 512 } else { name.len() + value.len() + 3 });
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        for part in [mark, name, colon, value] {
            self.0.push_str(part);
        }
    }
}

/// The headers that are meant for one connection only: RFC 9110 §7.6.1, and those that proxies of
/// old took for such.
pub const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The names that a `Connection` header lists, in lower case.
pub fn named_by_connection(connection: &str) -> impl Iterator<Item = String> + '_ {
    connection.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty())
}
