//! Where the API is and who asks: the URL, the token, and what TLS and proxies need.
//!
//! The token comes from the environment alone and is shown nowhere.

use std::net::Ipv4Addr;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::Failure;
use super::operator::Connection;
use super::paint::{WARN, note, paint};

/// How long one request may take, from its first byte to the answer's last.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Whatever cannot be reached in this time is reported while there is still time to act.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_URL: &str = "http://localhost:8787";

/// What it takes to ask.
pub struct Settings {
    pub agent: Agent,
    /// Scheme, host and port.
    pub origin: String,
    /// The value of the header `authorization`.
    pub authorization: String,
}

impl Settings {
    pub fn read(connection: &Connection) -> Result<Self, Failure> {
        let (given, source) = given(connection.url.clone());
        let origin = origin(&given).map_err(|why| Failure::Usage(format!("{source}: {why}")))?;
        let token = own_token().map_err(Failure::Usage)?;
        if origin.starts_with("http:") && !is_this_machine(&origin) {
            note(&format!(
                "{} {origin} is not encrypted, so anybody on the way can read the token: use https://",
                paint(WARN, "warning:")
            ));
        }
        Self::new(origin, &token, TIMEOUT, CONNECT_TIMEOUT)
    }

    /// The same for whoever waits for an answer no longer than this, and wants to hear of nothing else.
    pub fn quick(url: Option<String>, patience: Duration) -> Option<Self> {
        let origin = origin(&given(url).0).ok()?;
        Self::new(origin, &own_token().ok()?, patience, patience).ok()
    }

    fn new(origin: String, token: &str, timeout: Duration, connect_timeout: Duration) -> Result<Self, Failure> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(connect_timeout))
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        if is_this_machine(&origin) {
            config = config.proxy(None);
        }
        if let Some(tls) = tls()? {
            config = config.tls_config(tls);
        }
        Ok(Self { agent: config.build().new_agent(), origin, authorization: format!("Bearer {token}") })
    }
}

/// The URL, and what it comes from.
pub fn given(url: Option<String>) -> (String, &'static str) {
    match (url, std::env::var("TIDEGATE_URL")) {
        (Some(url), _) => (url, "--url"),
        (None, Ok(url)) if !url.trim().is_empty() => (url, "TIDEGATE_URL"),
        _ => (DEFAULT_URL.to_owned(), "--url"),
    }
}

fn own_token() -> Result<String, String> {
    token(std::env::var("TIDEGATE_TOKEN").ok().as_deref()).map(str::to_owned)
}

/// Scheme, host and port of a URL, whatever page of the site it names.
pub fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    let help = "write an address of a site behind Tidegate, such as https://shop.example.com";
    let uri: Uri = text.parse().map_err(|_| format!("`{text}` is not a URL: {help}"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            Err(format!("a URL takes no user and password: {help}, and the token in TIDEGATE_TOKEN"))
        }
        (Some(scheme @ ("http" | "https")), Some(authority)) => Ok(format!("{scheme}://{authority}")),
        _ => Err(format!("`{text}` is not a URL that begins with https:// or http://: {help}")),
    }
}

fn is_this_machine(origin: &str) -> bool {
    let uri: Option<Uri> = origin.parse().ok();
    uri.as_ref().and_then(Uri::host).is_some_and(|host| {
        host == "localhost"
            || host.ends_with(".localhost")
            || host == "[::1]"
            || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    })
}

fn token(value: Option<&str>) -> Result<&str, String> {
    let help = "  help: export TIDEGATE_TOKEN=…; the owner of the deployment creates one with `tidegate token NAME --role operator`";
    let token = value.map(str::trim).unwrap_or_default();
    if token.is_empty() {
        return Err(format!("TIDEGATE_TOKEN is not set, so Tidegate cannot know who asks\n{help}"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(format!("TIDEGATE_TOKEN holds characters that no header can carry\n{help}"));
    }
    Ok(token)
}

/// How TLS is spoken, where that is not as usual.
pub fn tls() -> Result<Option<TlsConfig>, Failure> {
    Ok(roots()?.map(|roots| TlsConfig::builder().root_certs(roots).build()))
}

/// The certificates that `SSL_CERT_FILE` names, for deployments behind a private authority.
fn roots() -> Result<Option<RootCerts>, Failure> {
    let Some(path) = std::env::var("SSL_CERT_FILE").ok().filter(|path| !path.is_empty()) else { return Ok(None) };
    let pem = std::fs::read(&path).map_err(|error| Failure::Io(format!("SSL_CERT_FILE: {path}"), error))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Failure::Usage(format!(
            "SSL_CERT_FILE: {path} holds no certificate: it takes PEM, which begins with -----BEGIN CERTIFICATE-----"
        )));
    }
    Ok(Some(RootCerts::new_with_certs(&certificates)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_of_the_site_leads_to_its_origin() {
        for (text, expected) in [
            ("https://shop.example.com", "https://shop.example.com"),
            ("https://shop.example.com/_tidegate/?x=1", "https://shop.example.com"),
            (" http://localhost:8787/ ", "http://localhost:8787"),
            ("http://[::1]:8787", "http://[::1]:8787"),
        ] {
            assert_eq!(origin(text), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in [
            "",
            "shop.example.com",
            "localhost:8787",
            "ftp://shop.example.com",
            "https://",
            "https://ana:pw@shop.example.com",
            "not a url",
        ] {
            assert!(origin(text).unwrap_err().contains("such as https://shop.example.com"), "{text}");
        }
    }

    #[test]
    fn plain_http_is_fine_on_this_machine_only() {
        for (url, expected) in [
            ("http://localhost:8787", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:1", true),
            ("http://shop.localhost", true),
            ("http://127.example.com", false),
            ("http://shop.example.com", false),
        ] {
            assert_eq!(is_this_machine(url), expected, "{url}");
        }
    }

    #[test]
    fn a_token_is_what_a_header_can_carry() {
        assert_eq!(token(Some(" tg_abc\n")), Ok("tg_abc"));
        for value in [None, Some(""), Some("  "), Some("a\nb"), Some("ä")] {
            assert!(token(value).unwrap_err().contains("tidegate token NAME"), "{value:?}");
        }
    }
}
