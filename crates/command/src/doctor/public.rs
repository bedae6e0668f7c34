//! The public host: that it leads to the worker, that the worker is well there, that no cache stands in front, and
//! that its pages lead somewhere.

use std::collections::BTreeSet;

use super::web::{Answer, Web, joined};
use super::{Findings, Site};
use tidegate_protocol::api::shapes::Health;

/// A browser gives up after twenty; a site that needs so many has a fault.
const REDIRECTS_MAX: usize = 8;
/// A configuration that is older has not been read for long, in milliseconds.
const AGE_MS_MAX: i64 = 120_000;

/// Looks at the public host. Returns the page that a visitor gets there, where it is Tidegate that answers.
pub fn check(site: &Site<'_>, web: &mut Web, findings: &mut Findings) -> Option<Answer> {
    let url = format!("{}{}", site.public, site.path);
    let first = match web.document(&url, &[]) {
        Ok(first) => first,
        Err(why) => {
            findings.error(
                "public-unreachable",
                &url,
                format!("the public host does not answer: {why}"),
                "no visitor reaches the site, whatever the rollout does",
                "check the host's name, its DNS record and its certificate; --public names another address",
            );
            return None;
        }
    };
    if first.header("tidegate-reason").is_none() {
        findings.error(
            "route-misses-worker",
            &url,
            "the answer does not come from Tidegate: it has no `tidegate-reason`".to_owned(),
            "visitors pass it by, so no percentage, no kill and no rollback reaches them",
            "a route of the worker must take this host and path: `routes` in wrangler.toml, proxied (orange) in DNS",
        );
        return None;
    }
    health(site, web, findings);
    if first.header("tidegate-reason") == Some("no_config") || first.header("tidegate-variant").is_none() {
        findings.error(
            "no-rollout-here",
            &url,
            format!("no rollout takes this address (reason `{}`)", first.header("tidegate-reason").unwrap_or_default()),
            "the plan would change nothing for its visitors",
            format!("apply the plan of {}, and see that its routes have this host", site.plan.key),
        );
    }
    let last = follow(site, first.clone(), web, findings);
    cached(&url, &first, web, findings);
    Some(last)
}

fn health(site: &Site<'_>, web: &mut Web, findings: &mut Findings) {
    let url = format!("{}/_tidegate/health", site.public);
    let Ok(answer) = web.get(&url, &[]) else { return };
    let health: Option<Health> = serde_json::from_str(&answer.body).ok();
    let Some(health) = health.filter(|own| answer.status == 200 && own.status == "ok") else {
        findings.warn(
            "health",
            &url,
            format!("the worker's health is not to be had there: status {}", answer.status),
            "nobody sees from outside whether isolates have their configuration",
            "let the worker's route take /_tidegate/* too, and no page rule or firewall rule stop it",
        );
        return;
    };
    if let Some(age_ms) = health.snapshot.age_ms.filter(|age_ms| *age_ms > AGE_MS_MAX) {
        findings.warn(
            "stale-configuration",
            &url,
            format!("this isolate has read its configuration last {} s ago", age_ms / 1_000),
            "a kill written into KV does not reach it",
            "see whether KV can be read: `npx wrangler tail` shows `kv_unreadable`",
        );
    }
    if health.snapshot.rollouts == 0 {
        findings.error(
            "no-plans",
            &url,
            "isolates have no rollout at all".to_owned(),
            "everything goes to FALLBACK_UPSTREAM",
            "tidegate apply PLAN",
        );
    }
}

/// Follows redirects as a browser does, cookies included, and finds those that end nowhere.
fn follow(site: &Site<'_>, first: Answer, web: &mut Web, findings: &mut Findings) -> Answer {
    let mut seen = BTreeSet::from([first.url.clone()]);
    let mut cookies: Vec<String> = Vec::new();
    let mut last = first;
    for _ in 0..REDIRECTS_MAX {
        let set = last.all("set-cookie").filter_map(|own| own.split(';').next()).map(str::to_owned);
        cookies.extend(set.collect::<Vec<_>>());
        let Some(to) = last.location() else { return last };
        if !to.starts_with(&site.public) {
            return last;
        }
        if !seen.insert(to.clone()) {
            break;
        }
        let cookie = cookies.join("; ");
        let headers = if cookie.is_empty() { vec![] } else { vec![("cookie", cookie.as_str())] };
        match web.document(&to, &headers) {
            Ok(next) => last = next,
            Err(_) => return last,
        }
    }
    if let Some(to) = last.location() {
        findings.error(
            "redirect-loop",
            &joined(&last.url, site.path.as_str()),
            format!("redirects go round: {} leads to {to} again", last.url),
            "visitors see an error page of their browser, and no measure of an upstream shows why",
            "let the upstream believe `x-forwarded-host` and `x-forwarded-proto`, or leave redirects of host and scheme to the edge",
        );
    }
    last
}

/// Asks twice: whatever answers the second time from before Tidegate is a cache.
fn cached(url: &str, first: &Answer, web: &mut Web, findings: &mut Findings) {
    let Ok(second) = web.document(url, &[]) else { return };
    let is_hit = |name: &str| second.header(name).is_some_and(|own| own.to_ascii_uppercase().contains("HIT"));
    let age: u64 = second.header("age").and_then(|own| own.parse().ok()).unwrap_or_default();
    let has_served = is_hit("cf-cache-status") || is_hit("x-cache") || is_hit("cache-status") || age > 0;
    if has_served && first.is_html() {
        findings.error(
            "cache-in-front",
            url,
            "the page comes from a cache in front of Tidegate".to_owned(),
            "everybody gets the side of whoever came first, and a rollback changes nothing until it expires",
            "take the page out of that cache: no “cache everything” rule, and no CDN in front of the worker's host",
        );
    }
}
