//! What a page says that matters to a rollout, read by a tokenizer that follows the standard.

use std::collections::BTreeMap;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};

use super::web::joined;

/// So many of a page's references are kept.
const REFERENCES_MAX: usize = 500;

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub title: Option<String>,
    /// What the page loads: scripts, styles, images, frames; as addresses.
    pub loads: Vec<String>,
    /// Where it leads: links and forms; as addresses.
    pub leads: Vec<String>,
    /// `<link rel=canonical>`.
    pub canonical: Option<String>,
    /// Whether it asks search engines to leave it out.
    pub is_noindex: bool,
    /// Policies that the page itself has, beside those of its headers.
    pub policies: Vec<String>,
    /// Whether it registers a service worker.
    pub registers_worker: bool,
}

/// Where an element loads from.
const LOADING: [(&str, &str); 9] = [
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("audio", "src"),
    ("video", "src"),
    ("source", "src"),
    ("track", "src"),
    ("embed", "src"),
    ("object", "data"),
];

impl Page {
    /// Reads a page that was loaded from `url`.
    pub fn read(url: &str, html: &str) -> Self {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        let mut page = Self::default();
        let mut base = url.to_owned();
        let mut inside = String::new();
        for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
            match token {
                Token::StartTag(tag) => {
                    let name = text(&tag.name);
                    let attributes: BTreeMap<String, String> =
                        tag.attributes.iter().map(|(name, value)| (text(name), text(value))).collect();
                    if name == "base"
                        && let Some(href) = attributes.get("href")
                    {
                        base = joined(url, href);
                    }
                    page.element(&name, &attributes, &base);
                    inside = name;
                }
                Token::String(content) if inside == "title" => {
                    let title = page.title.get_or_insert_default();
                    title.push_str(&text(&content));
                }
                Token::String(content) if inside == "script" => {
                    page.registers_worker |= text(&content).contains("serviceWorker.register");
                }
                Token::EndTag(_) => inside.clear(),
                _ => {}
            }
        }
        page.title = page.title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
        page
    }

    fn element(&mut self, name: &str, attributes: &BTreeMap<String, String>, base: &str) {
        let value = |key: &str| attributes.get(key).map(String::as_str).filter(|value| !value.trim().is_empty());
        let address = |reference: &str| (!is_other(reference)).then(|| joined(base, reference));
        if let Some((_, key)) = LOADING.iter().find(|(own, _)| *own == name) {
            keep(&mut self.loads, value(key).and_then(address));
        }
        match name {
            "link" => {
                let rel = value("rel").unwrap_or_default().to_ascii_lowercase();
                let href = value("href").and_then(address);
                if rel.split_whitespace().any(|own| own == "canonical") {
                    self.canonical = href;
                } else if rel
                    .split_whitespace()
                    .any(|own| matches!(own, "stylesheet" | "icon" | "preload" | "modulepreload" | "manifest"))
                {
                    keep(&mut self.loads, href);
                }
            }
            "a" | "area" => keep(&mut self.leads, value("href").and_then(address)),
            "form" => keep(&mut self.leads, value("action").and_then(address)),
            "meta" => {
                let content = value("content").unwrap_or_default();
                let is_robots = value("name").is_some_and(|own| own.eq_ignore_ascii_case("robots"));
                self.is_noindex |= is_robots && has_noindex(content);
                if value("http-equiv").is_some_and(|own| own.eq_ignore_ascii_case("content-security-policy")) {
                    self.policies.push(content.to_owned());
                }
            }
            _ => {}
        }
    }
}

/// Whether a list of directives for robots asks to be left out.
pub fn has_noindex(directives: &str) -> bool {
    directives.split([',', ':', ' ']).any(|own| matches!(own.trim().to_ascii_lowercase().as_str(), "noindex" | "none"))
}

fn keep(list: &mut Vec<String>, address: Option<String>) {
    if let Some(address) = address.filter(|_| list.len() < REFERENCES_MAX) {
        list.push(address);
    }
}

/// Whether a reference is none that a browser asks a host for.
fn is_other(reference: &str) -> bool {
    let lower = reference.trim().to_ascii_lowercase();
    lower.starts_with('#')
        || ["data:", "blob:", "javascript:", "mailto:", "tel:", "about:"].iter().any(|scheme| lower.starts_with(scheme))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_a_browser_reads_it() {
        let page = Page::read(
            "https://shop.example/a/",
            "<!doctype html><HTML><head><title>The\n shop &amp; more</title><base href='/b/'>
            <meta name=Robots content='nofollow, NOINDEX'><link rel=canonical href=https://www.example/>
            <meta http-equiv=Content-Security-Policy content=\"script-src 'self'\">
            <link rel='stylesheet' href=style.css><script src=//cdn.example/x.js></script>
            <script>if (a<b) navigator.serviceWorker.register('/sw.js'); '<img src=no.png>'</script></head>
            <body><!-- <img src=no.png> --><a href='c?d'>x</a><a href='#top'>y</a><a href='mailto:a@b'>z</a>
            <img src='data:image/png;base64,AA'><form action=/cart></form>",
        );
        assert_eq!(page.title.as_deref(), Some("The shop & more"));
        assert_eq!(page.loads, ["https://shop.example/b/style.css", "https://cdn.example/x.js"]);
        assert_eq!(page.leads, ["https://shop.example/b/c?d", "https://shop.example/cart"]);
        assert_eq!(page.canonical.as_deref(), Some("https://www.example/"));
        assert_eq!(page.policies, ["script-src 'self'"]);
        assert!(page.is_noindex && page.registers_worker);
    }

    #[test]
    fn what_is_no_page_says_nothing() {
        assert_eq!(Page::read("https://shop.example/", "{\"a\":1}"), Page::default());
        assert_eq!(Page::read("https://shop.example/", "<title"), Page::default());
    }
}
