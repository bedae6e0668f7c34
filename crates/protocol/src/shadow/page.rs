//! What a page is, without how it looks: its title, its parts, and where it leads.
//!
//! A page that was built anew has other elements nearly everywhere. So it is asked whether a part is there at all, and
//! how much of where legacy's page leads new's page leads to as well.

use std::collections::BTreeSet;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};

use super::compare::Comparison;
use tidegate_model::shadow::Difference;
use tidegate_model::subject::fnv1a64;

/// So many of what a page loads are looked at.
const LOADS_MAX: usize = 50;
/// So many of a page's links are compared.
const LINKS_MAX: usize = 500;
/// So many of legacy's links, of ten, must be on new's page too.
const LINKS_OF_TEN: usize = 8;
/// A page with fewer links says nothing by them.
const LINKS_MIN: usize = 3;

/// Parts of a page that say what it is for. A role goes for its element.
const LANDMARKS: [(&str, &str); 7] = [
    ("h1", "heading"),
    ("main", "main"),
    ("nav", "navigation"),
    ("header", "banner"),
    ("footer", "contentinfo"),
    ("form", "form"),
    ("table", "table"),
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    title: Option<String>,
    /// A bit for each of the landmarks.
    landmarks: u32,
    /// Hashes of the paths that it leads to.
    links: BTreeSet<u64>,
}

/// Compares two pages. Where one was not read to its end, its title alone says anything.
pub fn differing(legacy: &[u8], new: &[u8], is_whole: bool) -> Comparison {
    let (legacy, new) = (Page::read(legacy), Page::read(new));
    let mut differences = Vec::new();
    let has_titles = is_whole || (legacy.title.is_some() && new.title.is_some());
    if has_titles && legacy.title != new.title {
        differences.push(Difference::Title);
    }
    if is_whole && legacy.landmarks & !new.landmarks != 0 {
        differences.push(Difference::Landmarks);
    }
    let found = legacy.links.intersection(&new.links).count();
    let wanted = legacy.links.len();
    if is_whole && wanted >= LINKS_MIN && found * 10 < wanted * LINKS_OF_TEN {
        differences.push(Difference::Links);
    }
    let hash = |title: &String| format!("{:08x}", fnv1a64(title.as_bytes()) >> 32);
    let titles = (legacy.title.as_ref().map(hash), new.title.as_ref().map(hash));
    Comparison { differences, place: None, titles }
}

/// What a page loads that it does not work without, as it is written there: scripts and style sheets.
pub fn loads(bytes: &[u8]) -> Vec<String> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut loads = Vec::new();
    for Ok(token) in Tokenizer::new_with_emitter(bytes, emitter) {
        let Token::StartTag(tag) = token else { continue };
        let value = |key: &[u8]| {
            let found = tag.attributes.iter().find(|(own, _)| own.0.as_slice() == key)?.1;
            std::str::from_utf8(found.value.0.as_slice()).ok()
        };
        let own = match tag.name.0.as_slice() {
            b"script" => value(b"src"),
            b"link" => {
                let is_wanted =
                    |rel: &str| rel.eq_ignore_ascii_case("stylesheet") || rel.eq_ignore_ascii_case("modulepreload");
                value(b"rel").filter(|rel| rel.split_ascii_whitespace().any(is_wanted)).and(value(b"href"))
            }
            // Addresses mean something else from here on.
            b"base" => return loads,
            _ => None,
        };
        loads.extend(own.map(str::to_owned));
        if loads.len() >= LOADS_MAX {
            break;
        }
    }
    loads
}

impl Page {
    fn read(bytes: &[u8]) -> Self {
        let mut page = Self::default();
        let mut is_title = false;
        let mut emitter = DefaultEmitter::default();
        // A script's text is no markup.
        emitter.naively_switch_states(true);
        for Ok(token) in Tokenizer::new_with_emitter(bytes, emitter) {
            match token {
                Token::StartTag(tag) => {
                    is_title = tag.name.0.as_slice() == b"title" && page.title.is_none();
                    page.element(&tag);
                }
                Token::String(text) if is_title => {
                    let title = page.title.get_or_insert_default();
                    title.push_str(&String::from_utf8_lossy(&text));
                }
                Token::EndTag(_) => is_title = false,
                _ => {}
            }
        }
        page.title = page.title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
        page
    }

    fn element(&mut self, tag: &StartTag<()>) {
        let name = tag.name.0.as_slice();
        let value = |key: &[u8]| {
            tag.attributes.iter().find(|(own, _)| own.0.as_slice() == key).map(|(_, value)| value.value.0.as_slice())
        };
        let role = value(b"role").unwrap_or_default();
        let is_it = |(element, own): &(&str, &str)| name == element.as_bytes() || role == own.as_bytes();
        for (bit, _) in LANDMARKS.iter().enumerate().filter(|(_, landmark)| is_it(landmark)) {
            self.landmarks |= 1 << bit;
        }
        if name == b"a"
            && self.links.len() < LINKS_MAX
            && let Some(href) = value(b"href").and_then(|href| std::str::from_utf8(href).ok()).and_then(path_of)
        {
            self.links.insert(fnv1a64(href.as_bytes()));
        }
    }
}

/// The path that a link leads to within the site, without query; `None` for what leads elsewhere.
fn path_of(href: &str) -> Option<&str> {
    let href = href.trim();
    if !href.starts_with('/') || href.starts_with("//") {
        return None;
    }
    let path = href.split(['?', '#']).next().unwrap_or_default();
    Some(path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn differ(legacy: &str, new: &str, expected: &[Difference]) {
        assert_eq!(differing(legacy.as_bytes(), new.as_bytes(), true).differences, expected, "{legacy} {new}");
    }

    #[test]
    fn a_page_that_was_built_anew_is_the_same_page() {
        differ(
            "<!doctype html><title>Blue\n shoe &amp; more</title><body><h1>Blue shoe</h1><div role=main>
             <a href=/cart>Cart</a><a href=/a/>A</a><a href='/b?x=1'>B</a></div>",
            "<html><head><title>Blue shoe & more</title></head><body><nav></nav><main><h1 class=x>Shoe</h1>
             <a href='/cart'>Cart</a><a href=/a>A</a><a href=/b#y>B</a><a href=/c>C</a></main>",
            &[],
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let (title, links) = ("<title>A</title>", "<a href=/a>1</a><a href=/b>2</a><a href=/c>3</a>");
        differ(title, "", &[Difference::Title]);
        differ("<title>A", "<title>B", &[Difference::Title]);
        differ("<h1>A</h1><form></form>", "<h1>A</h1>", &[Difference::Landmarks]);
        differ("<h1>A</h1>", "<h1>A</h1><form></form>", &[]);
        differ(links, "<a href=/a>1</a>", &[Difference::Links]);
        differ(links, &format!("{links}<a href=/d>"), &[]);
        differ("<a href=/a><a href=https://x.example/><a href=#y>", "", &[]);
        differ("<script>'<h1>'</script><svg><title>x</title></svg>", "<title>x</title>", &[]);
    }

    #[test]
    fn a_page_loads_scripts_and_style_sheets() {
        let page = "<link rel='preload stylesheet' href=/a.css><link rel=icon href=/i.png><script src='/b.js?x=1&amp;y'></script>
                    <script>'<script src=/no.js>'</script><img src=/c.png><link rel=ModulePreload href=//cdn.example/d.js>";
        assert_eq!(loads(page.as_bytes()), ["/a.css", "/b.js?x=1&y", "//cdn.example/d.js"]);
        assert_eq!(loads(b"<script src=/a.js></script><base href=/b/><script src=/c.js>"), ["/a.js"]);
        assert_eq!(loads("<script src=/a.js></script>".repeat(900).as_bytes()).len(), LOADS_MAX);
    }

    #[test]
    fn half_a_page_says_no_more_than_its_title() {
        let half = |legacy: &str, new: &str| differing(legacy.as_bytes(), new.as_bytes(), false);
        assert_eq!(half("<title>A</title><h1>A", "<title>A</title>").differences, []);
        assert_eq!(half("<title>A</title>", "<title>B</title>").differences, [Difference::Title]);
        assert_eq!(half("<p>", "<title>B</title>").differences, []);
    }

    #[test]
    fn titles_are_kept_as_hashes() {
        let titles = differing(b"<title>Ana's account</title>", b"<title>Ana's account</title>", true).titles;
        assert_eq!(titles.0, titles.1);
        assert!(titles.0.is_some_and(|own| own.len() == 8));
    }
}
