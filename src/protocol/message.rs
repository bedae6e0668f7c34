//! Requests and answers as the edge reads them: one text for each, made in one crossing.

use std::ops::Range;

use super::respond::Outbound;

/// A request: its method, its URL, then its headers as `name:value`, a line each.
#[derive(Debug)]
pub struct RequestText {
    text: String,
    method: Range<usize>,
    url: Range<usize>,
    /// The name and the value of each header.
    headers: Vec<(Range<usize>, Range<usize>)>,
}

impl RequestText {
    /// Takes the text that the edge made, and finds its parts once: a request's headers are asked
    /// for some twenty times.
    pub fn new(text: String) -> Self {
        let mut headers = Vec::with_capacity(32);
        let mut lines = Lines { text: &text, at: 0 };
        let method = lines.next().unwrap_or_default();
        let url = lines.next().unwrap_or_default();
        for line in lines {
            if let Some(colon) = text.get(line.clone()).and_then(|line| line.find(':')) {
                let colon = line.start + colon;
                headers.push((line.start..colon, colon + 1..line.end));
            }
        }
        Self { method, url, headers, text }
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The method, as sent.
    pub fn method(&self) -> &str {
        self.part(&self.method)
    }

    /// The URL.
    pub fn url(&self) -> &str {
        self.part(&self.url)
    }

    /// The names of the headers, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| self.part(name))
    }

    /// The value of a header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |own: &Range<usize>| own.len() == name.len() && self.part(own) == name;
        self.headers.iter().find(|(own, _)| is_it(own)).map(|(_, value)| self.part(value))
    }

    /// Whether it only reads: GET or HEAD.
    pub fn is_read(&self) -> bool {
        matches!(self.method(), "GET" | "HEAD")
    }

    /// Whether a body comes with it.
    pub fn has_body(&self) -> bool {
        self.header("content-length").is_some_and(|length| length != "0") || self.header("transfer-encoding").is_some()
    }

    /// Whether it asks to switch to a WebSocket.
    pub fn is_upgrade(&self) -> bool {
        self.header("upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
    }
}

/// The lines of a text, as ranges of its bytes.
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.text.get(self.at..).filter(|_| self.at <= self.text.len())?;
        let start = self.at;
        let end = rest.find('\n').map_or(self.text.len(), |at| start + at);
        self.at = end + 1;
        Some(start..end)
    }
}

/// An answer: its status, then the headers that the rules need, a line each.
#[derive(Debug)]
pub struct AnswerText(String);

impl AnswerText {
    /// Takes the text that the edge made.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    fn line(&self, index: usize) -> Option<&str> {
        self.0.split('\n').nth(index).filter(|line| !line.is_empty())
    }

    /// The status; a malformed one, which the runtime never gives, counts as a failure.
    pub fn status(&self) -> u16 {
        self.line(0).and_then(|line| line.parse().ok()).unwrap_or(599)
    }

    /// The `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.line(1)
    }

    /// What the rules of the answer need.
    pub fn outbound(&self) -> Outbound<'_> {
        Outbound { status: self.status(), cache_control: self.line(2), has_expires: self.line(3).is_some(), connection: self.line(4), location: self.line(5) }
    }
}
