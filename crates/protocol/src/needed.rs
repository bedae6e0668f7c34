//! The headers on which anything depends. The others need not cross into wasm: they pass as they are, and nobody asks
//! for them.
//!
//! 1. What is left out changes nothing: a text without it leads to the same steps and the same counts as all of it.
//! 2. Besides those that the rules ask for by name there are those that plans name: an id's, a condition's, a token's,
//!    a version's, a dimension's. They only grow, so that an answer is read by no less than its request was.
//! 3. A text with more than is needed is always right. So whoever does not know a name keeps it.

use std::collections::BTreeSet;

use super::config::Catalogue;
use super::forward;
use super::headers::{HOP_BY_HOP, named_by_connection};
use tidegate_model::dimension::Dimension;
use tidegate_model::plan::Plan;
use tidegate_model::source::Source;

/// Of a request: those that some rule reads. [`super::message::RequestText::header`] takes no other.
pub const OF_REQUESTS: [&str; 20] = [
    "accept",
    "access-control-request-method",
    "authorization",
    "cf-connecting-ip",
    "content-length",
    "cookie",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "range",
    "referer",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "service-worker",
    "transfer-encoding",
    "user-agent",
];

/// Of an answer: those that some rule reads or changes. [`super::message::AnswerText::header`] takes no other.
pub const OF_ANSWERS: [&str; 17] = [
    "access-control-allow-origin",
    "alt-svc",
    "cache-control",
    "cdn-cache-control",
    "cloudflare-cdn-cache-control",
    "content-encoding",
    "content-length",
    "content-location",
    "content-type",
    "etag",
    "expires",
    "link",
    "location",
    "refresh",
    "set-cookie",
    "surrogate-control",
    "vary",
];

/// More names than so many are not kept apart: then every header is needed.
const NAMED_MAX: usize = 256;

/// What is to be done with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing depends on it.
    None,
    /// It is needed.
    Own,
    /// With it, all of them are where it [names others](names_others).
    All,
}

impl Need {
    /// As JavaScript has it.
    pub const fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Own => 1,
            Self::All => 2,
        }
    }
}

/// Whether a `Connection` header names headers that would not end at this hop anyway.
pub fn names_others(connection: &str) -> bool {
    named_by_connection(connection).any(|name| name != "close" && !HOP_BY_HOP.contains(&name.as_str()))
}

/// The headers that plans name.
#[derive(Debug, Default)]
pub struct Named {
    names: BTreeSet<String>,
    /// How often there came more.
    mark: u32,
}

impl Named {
    /// Takes in what these plans name.
    pub fn learn(&mut self, catalogue: &Catalogue) {
        let before = self.names.len();
        for entry in &catalogue.rollouts {
            if self.names.len() <= NAMED_MAX {
                self.names.extend(of_plan(&entry.plan));
            }
        }
        self.mark += u32::from(self.names.len() > before);
    }

    /// Another number whenever there are more. What was found out before that is to be asked anew.
    pub const fn mark(&self) -> u32 {
        self.mark
    }

    /// Whether a request's header is needed, its name in lower case.
    pub fn of_request(&self, name: &str) -> Need {
        if name == "connection" {
            return Need::All;
        }
        let is_needed = self.has(name) || OF_REQUESTS.contains(&name) || forward::is_edited(name);
        if is_needed { Need::Own } else { Need::None }
    }

    /// Whether an answer's header is needed, its name in lower case.
    pub fn of_answer(&self, name: &str) -> Need {
        if name == "connection" {
            return Need::All;
        }
        let is_needed = self.has(name) || OF_ANSWERS.contains(&name) || HOP_BY_HOP.contains(&name);
        if is_needed { Need::Own } else { Need::None }
    }

    fn has(&self, name: &str) -> bool {
        self.names.len() > NAMED_MAX || self.names.contains(name)
    }
}

/// The headers that a plan names, in lower case.
fn of_plan(plan: &Plan) -> impl Iterator<Item = String> {
    let tokens = plan.identity.jwt.0.iter().map(|(_, token)| &token.from);
    let groups = plan.groups.0.iter().filter_map(|(_, group)| group.matches.as_ref());
    let matches = groups.chain(&plan.robots.also).map(|matches| &matches.source);
    let sources = plan.identity.from.iter().chain(tokens).chain(matches);
    let headers = sources.filter_map(|source| match source {
        Source::Header(name) => Some(name.clone()),
        Source::Cookie(_) | Source::Country | Source::Claim { .. } => None,
    });
    let sides = plan.upstreams.iter().flat_map(|upstreams| [&upstreams.legacy, &upstreams.new]);
    let versions = sides.filter_map(|backend| backend.version.as_ref()?.header());
    let dimensions = plan.dimensions.iter().filter_map(|own| match own {
        Dimension::Header(name) => Some(name.clone()),
        Dimension::Country | Dimension::Browser | Dimension::Device => None,
    });
    headers.chain(versions.map(str::to_owned)).chain(dimensions).map(|name| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_upstream_gets_changed_is_needed_and_what_passes_is_not() {
        let named = Named::default();
        for name in ["x-forwarded-for", "x_custom", "tidegate-variant", "te", "x-real-ip", "forwarded", "cookie"] {
            assert_eq!(named.of_request(name), Need::Own, "{name}");
        }
        for name in ["accept-encoding", "sec-ch-ua", "x-request-id", "cf-ray", "cache-control"] {
            assert_eq!(named.of_request(name), Need::None, "{name}");
        }
        assert_eq!((named.of_request("connection"), named.of_answer("connection")), (Need::All, Need::All));
        assert!(names_others("keep-alive, X-Secret") && !names_others("Keep-Alive, Upgrade") && !names_others("close"));
        assert_eq!((named.of_answer("date"), named.of_answer("etag")), (Need::None, Need::Own));
    }

    #[test]
    fn what_plans_name_is_needed_from_then_on() {
        let plans = r#"{"v":1,"revision":1,"rollouts":[{"key":"a","routes":["/a/*"],
            "upstreams":{"legacy":"https://l.example","new":{"url":"https://n.example","version":"header:X-Build"}},
            "identity":{"from":["jwt:login.sub","header:X-User"],"jwt":{"login":{"from":"header:x-login","secret":"secret:S"}}},
            "robots":{"also":["header:x-probe = yes"]},
            "groups":{"team":{"match":"header:x-team = red"}},"dimensions":["country","header:X-Tier"],
            "stage":[{"name":"all","percentage":100}]}]}"#;
        let (catalogue, broken) = Catalogue::compile(plans, None).unwrap_or_else(|error| unreachable!("{error}"));
        assert!(broken.is_empty(), "{broken:?}");
        let mut named = Named::default();
        named.learn(&catalogue);
        for name in ["x-user", "x-login", "x-probe", "x-team", "x-tier"] {
            assert_eq!(named.of_request(name), Need::Own, "{name}");
        }
        assert_eq!(named.of_answer("x-build"), Need::Own);
        let mark = named.mark();
        named.learn(&catalogue);
        assert_eq!((mark, named.mark()), (1, 1), "nothing new");
        named.learn(&Catalogue::default());
        assert_eq!(named.of_request("x-user"), Need::Own, "whoever is on the way was decided by it");
    }
}
