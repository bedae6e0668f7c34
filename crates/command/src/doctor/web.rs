//! Requests to the sites: few, one after the other, each with an end in time and in size.

use std::collections::BTreeMap;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Request;

use crate::Failure;
use crate::clock::now;
use crate::connection;

/// A page that takes longer hurts whoever waits for it, and a check must end.
const TIMEOUT: Duration = Duration::from_secs(10);
/// So much of a body is read, in bytes: more than any page's head, and most pages.
const BODY_BYTES_MAX: u64 = 1 << 20;
/// So many requests one host gets, whatever is found there.
const REQUESTS_MAX: usize = 40;
/// What a browser says of itself: robots get another answer from many sites, and from Tidegate.
const USER_AGENT: &str = concat!(
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 tidegate-doctor/",
    env!("CARGO_PKG_VERSION")
);

/// Asks the sites.
pub struct Web {
    agent: Agent,
    asked: BTreeMap<String, usize>,
    requests_max: usize,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub url: String,
    pub status: u16,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, as text.
    pub body: String,
    /// How long all of it took, in milliseconds.
    pub took_ms: i64,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Every header of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub fn is_html(&self) -> bool {
        self.header("content-type").is_some_and(|own| own.contains("html"))
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<String> {
        let to = self.header("location").filter(|_| matches!(self.status, 301 | 302 | 303 | 307 | 308))?;
        Some(joined(&self.url, to))
    }

    /// The directives of `Cache-Control`, in lower case.
    pub fn caching(&self) -> Vec<String> {
        let directives = self.all("cache-control").flat_map(|value| value.split(','));
        directives.map(|own| own.trim().to_ascii_lowercase()).collect()
    }
}

impl Web {
    /// With a few requests for each host.
    pub fn new() -> Result<Self, Failure> {
        Self::patient(REQUESTS_MAX)
    }

    /// With so many requests for each host.
    pub fn patient(requests_max: usize) -> Result<Self, Failure> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(Duration::from_secs(5)))
            .user_agent(USER_AGENT);
        let config = match connection::tls()? {
            Some(tls) => config.tls_config(tls),
            None => config,
        };
        Ok(Self { agent: config.build().new_agent(), asked: BTreeMap::new(), requests_max })
    }

    /// How many requests were sent.
    pub fn requests(&self) -> usize {
        self.asked.values().sum()
    }

    /// Asks for a document, as a browser does that opens it.
    pub fn document(&mut self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let mut all = vec![
            ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "none"),
        ];
        all.extend_from_slice(headers);
        self.send("GET", url, &all)
    }

    /// Asks for anything.
    pub fn get(&mut self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        self.send("GET", url, headers)
    }

    /// Sends an empty form.
    pub fn post(&mut self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send("POST", url, &all)
    }

    fn send(&mut self, method: &str, url: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let asked = self.asked.entry(origin_of(url).to_owned()).or_default();
        if *asked >= self.requests_max {
            return Err(format!("it has been asked {asked} times already"));
        }
        *asked += 1;
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let began = now();
        let sent = if method == "POST" {
            request.body("").map_err(ureq::Error::Http).and_then(|request| self.agent.run(request))
        } else {
            request.body(()).map_err(ureq::Error::Http).and_then(|request| self.agent.run(request))
        };
        let mut response = sent.map_err(|error| why(&error))?;
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        let reader = response.body_mut().with_config().limit(u64::MAX).reader();
        // What breaks off after its beginning has begun all the same.
        let _ = std::io::Read::read_to_end(&mut std::io::Read::take(reader, BODY_BYTES_MAX), &mut bytes);
        Ok(Answer {
            url: url.to_owned(),
            status,
            headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
            took_ms: now().ms_since(began),
        })
    }
}

fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "its host has no address".into(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "nothing listens there".into()
        }
        error => error.to_string(),
    }
}

/// Scheme, host and port of an address.
pub fn origin_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or(url)
}

/// The host of an address, without its port, in lower case.
pub fn host_of(url: &str) -> String {
    let origin = origin_of(url);
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

/// The path of an address, with its query.
pub fn path_of(url: &str) -> &str {
    let path = url.strip_prefix(origin_of(url)).unwrap_or_default();
    let path = path.split('#').next().unwrap_or_default();
    if path.is_empty() { "/" } else { path }
}

/// A reference in a page or a header, as an address.
pub fn joined(base: &str, reference: &str) -> String {
    let reference = reference.trim();
    let origin = origin_of(base);
    let scheme = origin.split("://").next().unwrap_or("https");
    if reference.contains("://") {
        reference.to_owned()
    } else if let Some(rest) = reference.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if reference.starts_with('/') {
        format!("{origin}{reference}")
    } else {
        let path = path_of(base).split('?').next().unwrap_or("/");
        let folder = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or("/");
        let mut parts: Vec<&str> = folder.split('/').collect();
        parts.pop();
        let (own, query) = reference.split_at(reference.find(['?', '#']).unwrap_or(reference.len()));
        for part in own.split('/') {
            match part {
                "." => {}
                ".." if parts.len() > 1 => {
                    parts.pop();
                }
                ".." => {}
                part => parts.push(part),
            }
        }
        format!("{origin}{}{query}", parts.join("/"))
    }
}

/// Whether a host is this machine's, or one of a network of its own: not in reach of the internet.
pub fn is_private(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    if host == "localhost" || host.ends_with(".localhost") || host.ends_with(".internal") {
        return true;
    }
    match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(own)) => own.is_loopback() || own.is_private() || own.is_link_local(),
        Ok(std::net::IpAddr::V6(own)) => own.is_loopback() || own.is_unique_local(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_addresses() {
        let base = "https://shop.example/a/b?x=1";
        for (reference, expected) in [
            ("https://other.example/x", "https://other.example/x"),
            ("//cdn.example/x.js", "https://cdn.example/x.js"),
            ("/x?y", "https://shop.example/x?y"),
            ("c/d", "https://shop.example/a/c/d"),
            ("./logo.svg", "https://shop.example/a/logo.svg"),
            ("../x", "https://shop.example/x"),
            ("../../../x", "https://shop.example/x"),
        ] {
            assert_eq!(joined(base, reference), expected, "{reference}");
        }
    }

    #[test]
    fn an_address_has_an_origin_a_host_and_a_path() {
        assert_eq!(origin_of("https://shop.example?x"), "https://shop.example");
        assert_eq!(
            (host_of("http://Shop.Example:80/a").as_str(), host_of("http://[::1]:8/").as_str()),
            ("shop.example", "[::1]")
        );
        assert_eq!((path_of("https://shop.example"), path_of("https://shop.example/a?b#c")), ("/", "/a?b"));
    }

    #[test]
    fn private_hosts_are_known() {
        for host in ["localhost", "127.0.0.1", "[::1]", "10.1.2.3", "192.168.0.9", "shop.internal"] {
            assert!(is_private(host), "{host}");
        }
        for host in ["new.example.com", "8.8.8.8", "172.15.0.1"] {
            assert!(!is_private(host), "{host}");
        }
    }
}
