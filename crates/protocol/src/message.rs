//! Requests and answers as the edge reads them: one text for each, made in one crossing.

use std::ops::Range;

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
        let mut lines = Lines { text: &text, at: 0 };
        let method = lines.next().unwrap_or_default();
        let url = lines.next().unwrap_or_default();
        let headers = header_lines(&text, lines);
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

    /// The headers, their names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (self.part(name), self.part(value)))
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

    /// Whether it asks, before another request, what that may do (the Fetch standard's CORS preflight).
    pub fn is_preflight(&self) -> bool {
        self.method() == "OPTIONS"
            && self.header("origin").is_some()
            && self.header("access-control-request-method").is_some()
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

/// An answer: its status, where it redirects to (resolved by the platform; empty where nowhere), then its
/// headers as `name:value`, a line each.
#[derive(Debug)]
pub struct AnswerText {
    text: String,
    status: u16,
    target: Range<usize>,
    /// The name and the value of each header.
    headers: Vec<(Range<usize>, Range<usize>)>,
}

impl AnswerText {
    /// Takes the text that the edge made, and finds its parts once.
    pub fn new(text: String) -> Self {
        let mut lines = Lines { text: &text, at: 0 };
        // A malformed status, which the runtime never gives, counts as a failure.
        let status = lines.next().and_then(|line| text.get(line)?.parse().ok()).unwrap_or(599);
        let target = lines.next().unwrap_or_default();
        let headers = header_lines(&text, lines);
        Self { status, target, headers, text }
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The absolute address to which a 3xx answer redirects, seen from the public address.
    pub fn target(&self) -> Option<&str> {
        Some(self.part(&self.target)).filter(|target| !target.is_empty())
    }

    /// The first value of a header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The values of a header, which are several for `set-cookie`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(own, _)| own.len() == name.len() && self.part(own) == name)
            .map(|(_, value)| self.part(value))
    }

    /// The headers, their names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (self.part(name), self.part(value)))
    }

    /// The `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.header("content-type")
    }
}

/// The name and the value in each of these lines.
fn header_lines(text: &str, lines: Lines<'_>) -> Vec<(Range<usize>, Range<usize>)> {
    let mut headers = Vec::with_capacity(32);
    for line in lines {
        if let Some(colon) = text.get(line.clone()).and_then(|line| line.find(':')) {
            let colon = line.start + colon;
            headers.push((line.start..colon, colon + 1..line.end));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_parts_are_found() {
        let answer = AnswerText::new(
            "302\nhttps://h/x\nset-cookie:a=1\ncontent-type:text/html\nset-cookie:b=2; Expires=Wed, 21 Oct".into(),
        );
        assert_eq!(
            (answer.status(), answer.target(), answer.content_type()),
            (302, Some("https://h/x"), Some("text/html"))
        );
        assert_eq!(answer.values("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2; Expires=Wed, 21 Oct"]);
        let bare = AnswerText::new("204\n".into());
        assert_eq!((bare.status(), bare.target(), bare.headers().count()), (204, None, 0));
        assert_eq!(AnswerText::new(String::new()).status(), 599);
    }
}
