//! Requests and answers as the edge reads them: one text for each, made in one crossing.

use std::ops::Range;

use super::address::Address;
use super::headers::HOP_BY_HOP;
use super::needed::{OF_ANSWERS, OF_REQUESTS};

/// A request: its method, its URL, then its headers as `name:value`, a line each.
#[derive(Debug)]
pub struct RequestText {
    text: String,
    method: Range<usize>,
    url: Range<usize>,
    /// Where the URL's parts are; `None` where it has to be split again.
    parts: Option<Parts>,
    headers: Headers,
}

/// Where the parts of a URL end, in bytes from its beginning: it is asked for its parts some forty times.
#[derive(Clone, Copy, Debug)]
struct Parts {
    scheme: usize,
    authority: usize,
    path: usize,
    query: usize,
}

impl Parts {
    const SCHEME_END: usize = "://".len();

    fn of(url: &str) -> Option<Self> {
        let address = Address::parse(url)?;
        let scheme = address.scheme.len();
        let authority = scheme + Self::SCHEME_END + address.authority.len();
        let parts = Self {
            scheme,
            authority,
            path: authority + address.path.len(),
            query: authority + address.path_and_query.len(),
        };
        // What a URL leaves out, such as its path, stands nowhere in it.
        (parts.split(url) == Some(address)).then_some(parts)
    }

    fn split(self, url: &str) -> Option<Address<'_>> {
        Some(Address {
            scheme: url.get(..self.scheme)?,
            authority: url.get(self.scheme + Self::SCHEME_END..self.authority)?,
            path: url.get(self.authority..self.path)?,
            path_and_query: url.get(self.authority..self.query)?,
        })
    }
}

impl RequestText {
    /// Takes the text that the edge made, and finds its parts once: a request's headers are asked
    /// for some twenty times.
    pub fn new(text: String) -> Self {
        let mut lines = Lines { text: &text, at: 0 };
        let method = lines.next().unwrap_or_default();
        let url = lines.next().unwrap_or_default();
        let headers = Headers::read(&text, lines);
        let parts = text.get(url.clone()).and_then(Parts::of);
        Self { method, url, parts, headers, text }
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

    /// The parts of the URL; `None` where it has no scheme.
    pub fn address(&self) -> Option<Address<'_>> {
        let url = self.url();
        self.parts.and_then(|parts| parts.split(url)).or_else(|| Address::parse(url))
    }

    /// The names of the headers, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.headers.all(&self.text).map(|(name, _)| name)
    }

    /// The headers, their names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.all(&self.text)
    }

    /// The value of a header that is always there if it was sent: one of [`OF_REQUESTS`], or one that ends at this hop.
    pub fn header(&self, name: &str) -> Option<&str> {
        debug_assert!(OF_REQUESTS.contains(&name) || HOP_BY_HOP.contains(&name), "{name} may have been left out");
        self.named(name)
    }

    /// The value of a header that a plan names, its name in lower case.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.headers.values(&self.text, name).next()
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
    headers: Headers,
}

impl AnswerText {
    /// Takes the text that the edge made, and finds its parts once.
    pub fn new(text: String) -> Self {
        let mut lines = Lines { text: &text, at: 0 };
        // A malformed status, which the runtime never gives, counts as a failure.
        let status = lines.next().and_then(|line| text.get(line)?.parse().ok()).unwrap_or(599);
        let target = lines.next().unwrap_or_default();
        let headers = Headers::read(&text, lines);
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

    /// The first value of a header that is always there if it was sent: one of [`OF_ANSWERS`], or one that ends at
    /// this hop.
    pub fn header(&self, name: &str) -> Option<&str> {
        debug_assert!(OF_ANSWERS.contains(&name) || HOP_BY_HOP.contains(&name), "{name} may have been left out");
        self.named(name)
    }

    /// The first value of a header that a plan names, its name in lower case.
    pub fn named(&self, name: &str) -> Option<&str> {
        self.headers.values(&self.text, name).next()
    }

    /// The values of a header, which are several for `set-cookie`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.values(&self.text, name)
    }

    /// The headers, their names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.all(&self.text)
    }

    /// The `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.header("content-type")
    }
}

/// Where the headers of a text are.
#[derive(Debug)]
struct Headers(Vec<Line>);

#[derive(Debug)]
struct Line {
    /// Sets most names apart without a look at them.
    mark: u32,
    name: Range<usize>,
    value: Range<usize>,
}

impl Headers {
    fn read(text: &str, lines: Lines<'_>) -> Self {
        let mut headers = Vec::with_capacity(32);
        for line in lines {
            if let Some(colon) = text.get(line.clone()).and_then(|line| line.find(':')) {
                let colon = line.start + colon;
                let name = line.start..colon;
                headers.push(Line { mark: text.get(name.clone()).map_or(0, mark), name, value: colon + 1..line.end });
            }
        }
        Self(headers)
    }

    /// All of them, in their order.
    fn all<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let part = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
        self.0.iter().map(move |line| (part(&line.name), part(&line.value)))
    }

    /// The values of those with a name, in their order.
    fn values<'a, 'n>(&'a self, text: &'a str, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        let mark = mark(name);
        let is_it = move |line: &&Line| line.mark == mark && text.get(line.name.clone()) == Some(name);
        self.0.iter().filter(is_it).filter_map(|line| text.get(line.value.clone()))
    }
}

/// A name's length, its first and last letters and the one in the middle.
fn mark(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
    u32::from_le_bytes([bytes.len() as u8, at(0), at(bytes.len() / 2), at(bytes.len().saturating_sub(1))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requests_address_is_its_urls_whatever_that_leaves_out() {
        for url in [
            "https://shop.example.com/a/b?c=/d",
            "https://shop.example.com/a#e",
            "https://shop.example.com/?#e",
            "http://localhost:8787",
            "http://localhost:8787?a",
            "http://[::1]:80/",
            "https:///x",
            "https://höst/ü?ö",
            "/relative",
            "",
        ] {
            let request = RequestText::new(format!("GET\n{url}\na:b"));
            assert_eq!(request.address(), Address::parse(url), "{url}");
        }
    }

    #[test]
    fn headers_are_distinguished_whose_marks_are_the_same() {
        let request = RequestText::new("GET\nhttps://a/\nx-aa-z:1\nx-ab-z:2\nx-aa-z:3\nab:4\n:5\nabc:".into());
        assert_eq!(mark("x-aa-z"), mark("x-ba-z"), "the same mark");
        let of = |name| request.named(name);
        assert_eq!((of("x-aa-z"), of("x-ab-z"), of("x-ba-z")), (Some("1"), Some("2"), None));
        assert_eq!((of("ab"), of(""), of("abc"), of("ac"), of("b")), (Some("4"), Some("5"), Some(""), None, None));
        assert_eq!(request.names().collect::<Vec<_>>(), ["x-aa-z", "x-ab-z", "x-aa-z", "ab", "", "abc"]);
    }

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
