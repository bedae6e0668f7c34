//! Each upstream under its own name, asked as Tidegate asks it: that it answers, what it makes of the public host and
//! origin, and whether the internet finds it there.

use super::headers;
use super::page::{Page, has_noindex};
use super::web::{Answer, Web, host_of, is_private, joined};
use super::{Findings, Site};
use tidegate_model::plan::words::CachePolicy;
use tidegate_model::plan::{OriginPolicy, Place};
use tidegate_model::variant::Variant;

/// Where a form is sent that nothing takes.
const NOWHERE: &str = "/tidegate-doctor-asks-for-nothing";
/// Files that service workers are usually called.
const WORKERS: [&str; 2] = ["/sw.js", "/service-worker.js"];

/// What one side has answered.
pub struct Seen {
    pub variant: Variant,
    /// The address that its paths are appended to.
    pub base: String,
    pub answer: Answer,
    pub page: Page,
    /// Whether it has a service worker.
    pub has_worker: bool,
}

impl Seen {
    pub fn side(&self) -> &'static str {
        self.variant.as_str()
    }
}

/// Looks at both upstreams; what each has answered, where it did.
pub fn check(site: &Site<'_>, web: &mut Web, findings: &mut Findings) -> Vec<Seen> {
    let mut seen = Vec::new();
    let Some(upstreams) = &site.plan.upstreams else { return seen };
    for variant in [Variant::Legacy, Variant::New] {
        let backend = upstreams.side(variant);
        // Another Worker has no address of its own.
        let Place::Url(upstream) = &backend.place else { continue };
        let base = upstream.as_str().to_owned();
        let timeout_ms = backend.timeout.unwrap_or(upstreams.timeout).as_ms();
        let Some(answer) = answers(site, variant, &base, timeout_ms, web, findings) else { continue };
        host(site, variant, &answer, &base, web, findings);
        if backend.origin == OriginPolicy::Public {
            origin(site, variant, &base, upstream.origin(), web, findings);
        }
        let page = if answer.is_html() { Page::read(&answer.url, &answer.body) } else { Page::default() };
        is_open(&answer.url, &site.public, web, findings);
        headers::cookies(&answer, &site.public, findings);
        headers::caching(&answer, site.plan.cache == CachePolicy::Upstream, findings);
        let has_worker = page.registers_worker || WORKERS.iter().any(|path| is_script(&format!("{base}{path}"), web));
        assets(&page, &base, &site.public, web, findings);
        seen.push(Seen { variant, base, answer, page, has_worker });
    }
    seen
}

/// The headers with which Tidegate asks.
pub fn forwarded(site: &Site<'_>) -> [(&'static str, String); 2] {
    let (scheme, authority) = site.public.split_once("://").unwrap_or(("https", &site.public));
    [("x-forwarded-host", authority.to_owned()), ("x-forwarded-proto", scheme.to_owned())]
}

fn answers(
    site: &Site<'_>,
    variant: Variant,
    base: &str,
    timeout_ms: u64,
    web: &mut Web,
    findings: &mut Findings,
) -> Option<Answer> {
    let url = format!("{base}{}", site.path);
    let side = variant.as_str();
    let own = forwarded(site);
    let headers: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let why = "whoever is assigned to it gets an error, or the other side's page by rescue";
    let answer = match web.document(&url, &headers) {
        Ok(answer) => answer,
        Err(error) => {
            findings.error(
                "upstream-unreachable",
                &url,
                format!("the {side} upstream does not answer: {error}"),
                why,
                format!("check `{side}` in [upstreams] and that it lets Tidegate in; it needs a host of its own"),
            );
            return None;
        }
    };
    if answer.status >= 500 || answer.status == 404 {
        findings.error(
            "upstream-fails",
            &url,
            format!("the {side} upstream answers {} at the rollout's own path", answer.status),
            why,
            "deploy the page there before the rollout starts, or mend the route's path",
        );
    }
    let took_ms = u64::try_from(answer.took_ms).unwrap_or_default();
    if took_ms > timeout_ms {
        findings.warn(
            "upstream-slow",
            &url,
            format!("the {side} upstream took {took_ms} ms, and the plan's `timeout` is {timeout_ms} ms"),
            "such answers count as failures, so the guardrails roll a healthy release back",
            "make it faster, or raise `timeout` for this upstream or for a [[path]]",
        );
    }
    Some(answer)
}

/// What it makes of the public host: it must neither refuse it nor lead back to it.
fn host(site: &Site<'_>, variant: Variant, answer: &Answer, base: &str, web: &mut Web, findings: &mut Findings) {
    let side = variant.as_str();
    if let Some(to) = answer.location() {
        let public = format!("{}{}", site.public, site.path);
        let is_same = |other: &str| to.trim_end_matches('/') == other.trim_end_matches('/');
        // The upstream's own name becomes the public one on the way, so a redirect to itself is one too.
        if is_same(&public) || is_same(&answer.url) || host_of(&to) == host_of(&public) && is_same_path(&to, &public) {
            findings.error(
                "redirect-to-public",
                &answer.url,
                format!("the {side} upstream redirects to {to}, which Tidegate asks it for"),
                "the visitor is sent round in a loop; Tidegate takes it for a failure of this side",
                "let it believe `x-forwarded-host` and `x-forwarded-proto` where it makes its own address",
            );
        }
    }
    if !matches!(answer.status, 400 | 403 | 421) {
        return;
    }
    let Ok(plain) = web.document(&answer.url, &[]) else { return };
    if plain.status < 400 {
        findings.error(
            "host-refused",
            base,
            format!("the {side} upstream answers {} for the public host, and {} without", answer.status, plain.status),
            "everybody who is assigned to it gets an error",
            "add the public host to the framework's allowed hosts (docs/frameworks.md)",
        );
    }
}

fn is_same_path(a: &str, b: &str) -> bool {
    let path = |url: &str| super::web::path_of(url).trim_end_matches('/').to_owned();
    path(a) == path(b)
}

/// A form from the public origin, to a path that nothing takes: a check of origins refuses it before it is missed.
fn origin(site: &Site<'_>, variant: Variant, base: &str, own_origin: &str, web: &mut Web, findings: &mut Findings) {
    let url = format!("{base}{NOWHERE}");
    let forwarded = forwarded(site);
    let mut headers: Vec<(&str, &str)> = forwarded.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("origin", site.public.as_str()));
    let Ok(public) = web.post(&url, &headers) else { return };
    if !matches!(public.status, 400 | 403) {
        return;
    }
    let Ok(own) = web.post(&url, &[("origin", own_origin)]) else { return };
    if own.status != public.status {
        findings.error(
            "origin-refused",
            base,
            format!(
                "the {} upstream answers {} to a form from {}, and {} to one from its own origin",
                variant.as_str(),
                public.status,
                site.public,
                own.status
            ),
            "pages load and every form fails, such as the sign-in, which no error rate of pages shows",
            format!(
                "`{} = {{ url = \"{base}\", origin = \"rewrite\" }}` in [upstreams], or add the public origin to those the framework trusts",
                variant.as_str()
            ),
        );
    }
}

/// Whether the internet finds the upstream under its own name, asked as anybody asks.
fn is_open(url: &str, public: &str, web: &mut Web, findings: &mut Findings) {
    if host_of(url) == host_of(public) && super::web::origin_of(url) == public {
        return;
    }
    let Ok(answer) = web.document(url, &[]) else { return };
    if answer.status != 200 || !answer.is_html() {
        return;
    }
    let page = Page::read(&answer.url, &answer.body);
    let is_hidden = page.is_noindex
        || answer.all("x-robots-tag").any(has_noindex)
        || page.canonical.as_deref().is_some_and(|own| host_of(own) == host_of(public));
    if !is_hidden {
        findings.warn(
            "upstream-indexed",
            url,
            "the upstream shows its pages under its own name, and does not ask search engines to leave them out"
                .to_owned(),
            "people come in by search results or bookmarks past Tidegate: no kill and no rollback reaches them",
            "`X-Robots-Tag: noindex` unless `x-forwarded-host` is the public host, or a canonical link there",
        );
    }
    if !is_private(&host_of(url)) {
        findings.warn(
            "upstream-open",
            url,
            "the upstream is open to the internet under its own name".to_owned(),
            "whoever knows the name gets a side of their choice, past the kill switch, the firewall and every limit",
            "let in Cloudflare alone: a Tunnel, Access with a service token, authenticated origin pulls, or its addresses",
        );
    }
}

fn is_script(url: &str, web: &mut Web) -> bool {
    web.get(url, &[("service-worker", "script"), ("sec-fetch-dest", "serviceworker")]).is_ok_and(|answer| {
        answer.status == 200 && answer.header("content-type").is_some_and(|own| own.contains("javascript"))
    })
}

/// One of the files that the page loads from its own host, asked for by a script of the public origin.
fn assets(page: &Page, base: &str, public: &str, web: &mut Web, findings: &mut Findings) {
    let own = page.loads.iter().find(|own| own.starts_with(base) && !own.contains("/_tidegate/"));
    let Some(own) = own else { return };
    let Ok(answer) = web.get(&joined(base, own), &[("origin", public), ("sec-fetch-mode", "cors")]) else { return };
    if answer.status == 200 {
        headers::cross_origin(&answer, public, findings);
    } else if matches!(answer.status, 404 | 410) {
        findings.error(
            "asset-missing",
            own,
            format!("a file that the page loads is missing: status {}", answer.status),
            "the page shows without its style or its script, which no error rate of pages shows",
            "deploy the files before the page that names them, and keep those of the release before",
        );
    }
}
