//! Both sides beside each other: what one has and the other lacks shows only once users are moved.

use std::collections::BTreeSet;

use super::upstream::{Seen, forwarded};
use super::web::{Answer, Web, origin_of};
use super::{Findings, Site, headers, sitemap};
use tidegate_model::condition::Condition;
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;
use tidegate_protocol::kept::is_hashed;

/// So many pages of the sitemap are asked for on each side.
const PAGES_MAX: usize = 8;
/// So many files are asked for to see whether they are `immutable`.
const FILES_MAX: usize = 3;
/// Words of titles that say nothing of the page.
const TITLE_WORD_MIN: usize = 3;
/// Titles that say that something is wrong.
const BROKEN_TITLES: [&str; 6] = ["error", "not found", "404", "500", "application error", "untitled"];

pub fn check(site: &Site<'_>, visited: Option<&Answer>, seen: &[Seen], web: &mut Web, findings: &mut Findings) {
    let counts_on_pages = needs_beacon(site.plan);
    for side in seen.iter().filter(|side| side.answer.is_html()) {
        mixed(side, site, findings);
        if counts_on_pages {
            headers::beacon(&side.answer, &side.page, findings);
        }
        if site.plan.keep_assets.is_some() {
            kept(side, web, findings);
        }
    }
    let of = |variant: Variant| seen.iter().find(|side| side.variant == variant);
    if let (Some(legacy), Some(new)) = (of(Variant::Legacy), of(Variant::New)) {
        indexing(legacy, new, findings);
        titles(legacy, new, findings);
        workers(legacy, new, findings);
        pages(site, legacy, new, web, findings);
    }
    if let Some(visited) = visited.filter(|own| own.is_html()) {
        headers::cookies(visited, &site.public, findings);
    }
}

/// Whether a condition of the plan counts on what pages report.
fn needs_beacon(plan: &Plan) -> bool {
    let is_theirs = |condition: &Condition| condition.terms.iter().any(|term| term.metric.spec().is_from_browsers);
    plan.guardrails.iter().any(|own| is_theirs(&own.when))
        || plan.stages.iter().flat_map(|stage| &stage.gates).any(|own| is_theirs(&own.when))
}

/// Whether `keep_assets` has anything to keep of a side: a script or style sheet under a hashed name, or `immutable`.
fn kept(side: &Seen, web: &mut Web, findings: &mut Findings) {
    let path_of = |address: &str| address.split(['?', '#']).next().unwrap_or_default().to_owned();
    let is_code = |address: &&String| [".js", ".mjs", ".css"].iter().any(|own| path_of(address).ends_with(own));
    let own = side.page.loads.iter().filter(|address| origin_of(address) == origin_of(&side.base));
    let code: Vec<&String> = own.filter(is_code).collect();
    if code.is_empty() || code.iter().any(|address| is_hashed(&path_of(address))) {
        return;
    }
    let mut is_lasting = |address: &&&String| {
        web.get(address, &[]).ok().is_none_or(|answer| answer.caching().iter().any(|own| own == "immutable"))
    };
    if code.iter().take(FILES_MAX).find(&mut is_lasting).is_some() {
        return;
    }
    findings.warn(
        "keep-assets",
        &side.answer.url,
        format!(
            "`keep_assets` keeps nothing of {}: of the scripts and style sheets that its page loads ({}), none has a hash in its name or is `immutable`",
            side.side(),
            code.len()
        ),
        "pages that are open while it is deployed lose their files, though the plan looks as if they were kept",
        "let the build put a hash into file names (`app-3f2a1b9c.js`), or send `Cache-Control: immutable` with files that never change; or drop `keep_assets`",
    );
}

/// What the page loads without encryption, or from where only this machine reaches it; and links past Tidegate.
fn mixed(side: &Seen, site: &Site<'_>, findings: &mut Findings) {
    let (upstream, public) = (origin_of(&side.base), origin_of(&site.public));
    let loads = &side.page.loads;
    let plain = |own: &&String| {
        let origin = origin_of(own);
        own.starts_with("http://") && origin != upstream && origin != public
    };
    if let Some(own) = loads.iter().find(plain) {
        findings.error(
            "mixed-content",
            &side.answer.url,
            format!("the {} page loads {own} without encryption", side.side()),
            "browsers block it on the public host, which has https, though it works under the upstream's own name",
            "write https://, or an address without scheme and host",
        );
    }
    if upstream == public {
        return;
    }
    let past = side.page.leads.iter().find(|own| origin_of(own) == upstream && is_absolute(own, side));
    if let Some(own) = past {
        findings.error(
            "link-past-gate",
            &side.answer.url,
            format!("the {} page leads to {own}, the upstream's own name", side.side()),
            "who follows it is out of the rollout: signed out, not counted, and out of reach of a kill",
            "links without scheme and host, or let the framework make addresses from `x-forwarded-host`",
        );
    }
}

/// Whether the page itself names the host: its own references were made absolute when they were read.
fn is_absolute(address: &str, side: &Seen) -> bool {
    side.answer.body.contains(address)
        || address.split_once("://").is_some_and(|(_, rest)| side.answer.body.contains(&format!("\"//{rest}")))
}

fn indexing(legacy: &Seen, new: &Seen, findings: &mut Findings) {
    // What is asked as Tidegate asks it goes out to the public host as it is.
    let hides = |side: &Seen| side.page.is_noindex || side.answer.all("x-robots-tag").any(super::page::has_noindex);
    if hides(new) && !hides(legacy) {
        findings.error(
            "noindex",
            &new.answer.url,
            "new asks search engines to leave the page out, and legacy does not".to_owned(),
            "the site falls out of search results as the percentage rises, and it takes weeks to come back",
            "drop `noindex` where `x-forwarded-host` is the public host",
        );
    }
}

fn titles(legacy: &Seen, new: &Seen, findings: &mut Findings) {
    if !legacy.answer.is_html() || !new.answer.is_html() || new.answer.status != 200 || legacy.answer.status != 200 {
        return;
    }
    let (old, own) = (legacy.page.title.clone().unwrap_or_default(), new.page.title.clone().unwrap_or_default());
    if old.is_empty() {
        return;
    }
    let lower = own.to_lowercase();
    let is_broken = own.is_empty() || BROKEN_TITLES.iter().any(|broken| lower.starts_with(broken));
    if is_broken || words(&old).is_disjoint(&words(&own)) {
        findings.warn(
            "title",
            &new.answer.url,
            format!("the titles have nothing in common: legacy `{old}`, new `{own}`"),
            "new may show another page or an error page with status 200, which no error rate shows",
            "look at both pages; give them titles that share the page's or the site's name",
        );
    }
}

fn words(title: &str) -> BTreeSet<String> {
    let words = title.split(|own: char| !own.is_alphanumeric()).filter(|own| own.chars().count() >= TITLE_WORD_MIN);
    words.map(str::to_lowercase).collect()
}

fn workers(legacy: &Seen, new: &Seen, findings: &mut Findings) {
    let (with, without) = match (legacy.has_worker, new.has_worker) {
        (true, false) => (legacy, new),
        (false, true) => (new, legacy),
        _ => return,
    };
    findings.warn(
        "service-worker",
        &with.answer.url,
        format!("{} has a service worker, and {} has none", with.side(), without.side()),
        "it goes on answering from its cache after its visitors were moved, in either direction",
        format!(
            "Tidegate unregisters it where its script is asked for again; before the rollout, let {} serve a worker at the same path, or one that unregisters itself",
            without.side()
        ),
    );
}

/// Pages of the sitemap that one side has and the other has not.
fn pages(site: &Site<'_>, legacy: &Seen, new: &Seen, web: &mut Web, findings: &mut Findings) {
    let paths = sitemap::paths(&legacy.base, web);
    let taken = |path: &String| {
        let bare = path.split('?').next().unwrap_or_default();
        site.plan.routes.iter().any(|route| route.path.matches(bare))
            && !site.plan.except.iter().any(|route| route.path.matches(bare))
            && *bare != site.path
    };
    let own = forwarded(site);
    let headers: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for path in paths.into_iter().filter(taken).take(PAGES_MAX) {
        let mut status =
            |side: &Seen| web.document(&format!("{}{path}", side.base), &headers).ok().map(|answer| answer.status);
        let (Some(old), Some(other)) = (status(legacy), status(new)) else { return };
        if old < 400 && other >= 400 {
            findings.error(
                "page-missing",
                &format!("{}{path}", new.base),
                format!("a page of the sitemap answers {old} on legacy and {other} on new"),
                "bookmarks and search results lead users of new to an error; a 4xx is not rescued",
                "add the page or a redirect to new, or leave its path to legacy: [[path]] with side = \"legacy\"",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::Page;
    use super::*;

    fn seen(variant: Variant, html: &str) -> Seen {
        let url = format!("https://{}.example/", variant.as_str());
        let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
        let answer = Answer { url: url.clone(), status: 200, headers, body: html.to_owned(), ..Answer::default() };
        Seen {
            variant,
            base: format!("https://{}.example", variant.as_str()),
            page: Page::read(&url, html),
            answer,
            has_worker: false,
        }
    }

    fn titles_of(legacy: &str, new: &str) -> Vec<&'static str> {
        let mut findings = Findings::default();
        let page = |title: &str| format!("<title>{title}</title>");
        titles(&seen(Variant::Legacy, &page(legacy)), &seen(Variant::New, &page(new)), &mut findings);
        findings.codes()
    }

    #[test]
    fn titles_of_one_page_have_a_word_in_common() {
        assert!(titles_of("Home | Harbour Supply", "Harbour Supply").is_empty());
        assert!(titles_of("", "anything").is_empty());
        for new in ["", "404: Not Found", "Create Next App", "Error"] {
            assert_eq!(titles_of("Home | Harbour Supply", new), ["title"], "{new}");
        }
    }

    #[test]
    fn a_link_counts_only_where_the_page_itself_names_the_host() {
        let side = seen(Variant::New, r#"<a href="/a">a</a><a href="https://new.example/b">b</a>"#);
        assert_eq!(side.page.leads, ["https://new.example/a", "https://new.example/b"]);
        assert!(!is_absolute("https://new.example/a", &side));
        assert!(is_absolute("https://new.example/b", &side));
    }
}
