//! What is wrong, or will hurt, in what a plan says of requests: upstreams, exceptions, rules for paths,
//! failures, and what other sites post.

use std::collections::HashSet;

use super::Step::{Index, Key};
use super::{Rules, Step};
use crate::condition::{Metric, Term};
use crate::dimension::{DIMENSIONS_MAX, Dimension};
use crate::plan::words::SignalKind;
use crate::plan::{Backend, Breaker, FailureKind, Failures, PathRule, Plan, Rescue};
use crate::route::{HostPattern, PathPattern, Route};
use crate::source::Source;
use crate::variant::Variant;
use crate::{Duration, Percentage};

/// Longer than this no page stays open that anybody would miss a file of.
const KEEP_ASSETS_MAX: Duration = Duration::minutes(30 * 24 * 60);

/// Checks a plan.
pub(super) fn check(rules: &mut Rules<'_>) {
    let plan = rules.plan;
    upstreams(rules);
    let routes: HashSet<&Route> = plan.routes.iter().collect();
    let taken = TakenPaths::of(&plan.routes);
    for (index, route) in plan.except.iter().enumerate() {
        if !taken.overlap(&route.path) || !plan.routes.iter().any(|own| overlap(own, route)) {
            rules.warn(
                &[Key("except"), Index(index)],
                format!("no route takes `{route}`, so there is nothing to except"),
                None,
            );
        }
        if routes.contains(route) {
            rules.unwise(
                &[Key("except"), Index(index)],
                format!("`{route}` is a route of this rollout too"),
                "leave it out of one of the two".to_owned(),
            );
        }
    }
    failures(rules, &plan.failure, None);
    let mut earlier = HashSet::new();
    for (index, rule) in plan.paths.iter().enumerate() {
        path(rules, index, rule, &taken, &earlier);
        earlier.extend(&rule.paths);
    }
    posts_of_other_sites(rules);
    choice(rules);
    keep(rules);
    keep_assets(rules);
    shadow(rules, &taken);
    dimensions(rules);
}

/// A few, each once, and nothing that says who somebody is.
fn dimensions(rules: &mut Rules<'_>) {
    let plan = rules.plan;
    if plan.dimensions.len() > DIMENSIONS_MAX {
        let message = format!("{} dimensions are more than {DIMENSIONS_MAX}", plan.dimensions.len());
        rules.unwise(&[Key("dimensions")], message, "keep those that would tell you where to look".to_owned());
    }
    let tokens = plan.identity.jwt.0.iter().map(|(_, token)| &token.from);
    let ids: Vec<&Source> = plan.identity.from.iter().chain(tokens).collect();
    for (index, own) in plan.dimensions.iter().enumerate() {
        let steps = [Key("dimensions"), Index(index)];
        let is_id = |name: &String| ids.iter().any(|id| matches!(id, Source::Header(header) if header == name));
        if matches!(own, Dimension::Header(name) if own.is_identifying() || is_id(name)) {
            let help = "choose a header that many users share, such as a tier, a language or the version of an app";
            rules.unwise(&steps, format!("`{own}` says who somebody is, or which request it was"), help.to_owned());
        } else if plan.dimensions.iter().take(index).any(|earlier| earlier == own) {
            rules.unwise(&steps, format!("`{own}` is there twice"), None);
        }
    }
}

fn keep(rules: &mut Rules<'_>) {
    if rules.plan.keep.is_some() && rules.plan.is_flag() {
        rules.unwise(
            &[Key("keep")],
            "a flag sets no cookie, so it cannot know who has used new".into(),
            "leave it out; what users of a flag keep is the application's own".to_owned(),
        );
    }
}

fn keep_assets(rules: &mut Rules<'_>) {
    let Some(life) = rules.plan.keep_assets else { return };
    if rules.plan.is_flag() {
        rules.unwise(&[Key("keep_assets")], "a flag routes no requests, so it has no assets".into(), None);
    } else if life.as_ms() == 0 || life.as_ms() > KEEP_ASSETS_MAX.as_ms() {
        rules.error(
            &[Key("keep_assets")],
            format!("assets are kept for more than 0s and at most {KEEP_ASSETS_MAX}, not for {life}"),
            "as long as a page may stay open, such as `7d`".to_owned(),
        );
    }
}

/// Copies need a second side, and paths that a route takes.
fn shadow(rules: &mut Rules<'_>, taken: &TakenPaths<'_>) {
    let plan = rules.plan;
    let own = plan.shadow.as_ref().map(|_| vec![Key("shadow")]);
    let stages = plan.stages.iter().enumerate().filter(|(_, stage)| stage.shadow.is_some());
    let of_stages = stages.map(|(index, _)| vec![Key("stage"), Index(index), Key("shadow")]);
    if plan.is_flag()
        && let Some(steps) = own.into_iter().chain(of_stages).next()
    {
        rules.unwise(&steps, "a flag routes no requests that could be copied to new".into(), None);
    }
    for (n, pattern) in plan.shadow.iter().flat_map(|shadow| &shadow.paths).enumerate() {
        if !plan.routes.is_empty() && !taken.overlap(pattern) {
            let steps = [Key("shadow"), Key("paths"), Index(n)];
            rules.warn(&steps, format!("no route of this rollout takes `{pattern}`"), None);
        }
    }
}

/// A term about copies where none are made could only ever be inconclusive.
pub(super) fn is_shadow_measured(rules: &mut Rules<'_>, steps: &[super::Step<'_>], term: &Term) {
    if !term.metric.is_of_shadow() {
        return;
    }
    let plan = rules.plan;
    let is_copied = |index: usize| plan.shadow_share(index) > Percentage::ZERO;
    let metric = &term.metric;
    if let [Key("stage"), Index(index), ..] = *steps
        && let Some(stage) = plan.stages.get(index)
        && plan.has_shadow()
    {
        let is_everybody = stage.percentage == Percentage::FULL && plan.holdout == Percentage::ZERO;
        if !is_copied(index) {
            let message = format!("`{metric}` is not measured in `{}`, which copies nothing to new", stage.name);
            rules.unwise(steps, message, "`shadow = \"5%\"` in the stage copies".to_owned());
        } else if is_everybody && plan.eligible.is_none() && plan.exclude.is_empty() {
            let message = format!("`{metric}` is not measured at 100 %: legacy answers nothing that could be copied");
            rules.unwise(steps, message, "ask for it in a stage before".to_owned());
        }
    } else if !plan.has_shadow() {
        let help = "add [shadow] with `share = \"5%\"`, or `shadow = \"5%\"` to a stage".to_owned();
        rules.unwise(steps, format!("`{metric}` is not measured: nothing is copied to new"), help);
    }
}

fn choice(rules: &mut Rules<'_>) {
    let Plan { choice, choice_for, .. } = rules.plan;
    if choice_for.as_ms() == 0 {
        rules.error(&[Key("choice_for")], "a choice would end at once".into(), None);
    }
    if choice.is_none() && rules.root.given("choice_for").is_some() {
        rules.unwise(
            &[Key("choice_for")],
            "nothing can be chosen".into(),
            "`choice = \"out\"` lets people go back to legacy".to_owned(),
        );
    }
    let is_counted = |name: &str| rules.plan.signals.get(name).is_some_and(|own| own.kind == SignalKind::Count);
    if !rules.plan.feedback.is_empty() && !is_counted("opt_out") && !is_counted("opt_in") {
        rules.unwise(
            &[Key("feedback")],
            "no words come in: they come with the signals `opt_out` and `opt_in`".into(),
            "declare [signals.opt_out] with `kind = \"count\"`".to_owned(),
        );
    }
}

/// Checks a term on what people choose.
pub(super) fn chosen(rules: &mut Rules<'_>, steps: &[Step<'_>], term: &Term) {
    if term.metric == Metric::OptOutRate && !rules.plan.choice.is_some_and(|choice| choice.allows(Variant::Legacy)) {
        rules.unwise(
            steps,
            "nobody can choose to go back to legacy, so `opt_out_rate` is not measured".into(),
            "`choice = \"out\"` or `\"both\"` lets people do so".to_owned(),
        );
    }
}

fn upstreams(rules: &mut Rules<'_>) {
    let Some(upstreams) = &rules.plan.upstreams else {
        if let Some(key) = ["path", "except", "failure"].into_iter().find(|key| rules.root.given(key).is_some()) {
            rules.unwise(&[Key(key)], format!("a flag routes no requests, so it has no `{key}`"), None);
        }
        return;
    };
    if upstreams.timeout.as_ms() == 0 {
        rules.error(&[Key("upstreams"), Key("timeout")], "the timeout is zero".into(), None);
    }
    let says_breaker = rules.root.given("upstreams").is_some_and(|node| node.given("breaker").is_some());
    if upstreams.rescue == Rescue::Off && says_breaker && upstreams.breaker != Breaker::Off {
        rules.unwise(
            &[Key("upstreams"), Key("breaker")],
            "without `rescue` legacy answers for new at no time, so there is nothing for a breaker to do".into(),
            "leave `breaker` out, or `rescue = true`".to_owned(),
        );
    }
    for (side, backend) in [("legacy", &upstreams.legacy), ("new", &upstreams.new)] {
        self::backend(rules, &[Key("upstreams"), Key(side)], backend);
    }
}

fn backend(rules: &mut Rules<'_>, steps: &[Step<'_>], backend: &Backend) {
    if backend.version.is_some() && !matches!(steps.last(), Some(Key("new"))) {
        rules.unwise(steps, "only new's version is looked at".into(), "leave `version` out here".to_owned());
    }
    if backend.timeout.is_some_and(|timeout| timeout.as_ms() == 0) {
        rules.error(steps, "the timeout is zero".into(), None);
    }
    let Some(upstream) = backend.place.url() else {
        if backend.origin != crate::plan::OriginPolicy::Public {
            rules.warn(steps, "a Worker sees the public address, so its origin needs no rewriting".into(), None);
        }
        return;
    };
    if upstream.host().ends_with(".workers.dev") {
        rules.warn(
            steps,
            format!("`{upstream}` is a Worker: a fetch between Workers of one account fails with error 1042 unless the flag `global_fetch_strictly_public` is set"),
            "bind it in wrangler.toml ([[services]] binding = \"NEW\") and write `service:NEW`".to_owned(),
        );
    }
    let is_own = |route: &&Route| !matches!(route.host, HostPattern::Any) && route.host.matches(upstream.host());
    if let Some(route) = rules.plan.routes.iter().find(is_own) {
        let message = format!("`{upstream}` is a host of the route `{route}`: requests to it would come back here");
        rules.warn(steps, message, "an upstream needs a host of its own".to_owned());
    }
}

fn failures(rules: &mut Rules<'_>, failures: &Failures, path: Option<usize>) {
    if !failures.has(FailureKind::Class(5)) && !failures.0.iter().any(|kind| matches!(kind, FailureKind::Status(500..)))
    {
        let steps: &[Step<'_>] = match path {
            Some(index) => &[Key("path"), Index(index), Key("failure")],
            None => &[Key("failure")],
        };
        rules.warn(
            steps,
            "an answer of 5xx is no failure here: it is neither counted nor rescued".into(),
            "add `\"5xx\"`".to_owned(),
        );
    }
}

/// `earlier` are the patterns of the rules before it.
fn path(rules: &mut Rules<'_>, index: usize, rule: &PathRule, taken: &TakenPaths<'_>, earlier: &HashSet<&PathPattern>) {
    let plan = rules.plan;
    let at = |key| [Key("path"), Index(index), Key(key)];
    if rule.paths.is_empty() {
        rules.unwise(&at("match"), "the rule matches no path".into(), None);
    }
    for (n, pattern) in rule.paths.iter().enumerate() {
        let steps = [Key("path"), Index(index), Key("match"), Index(n)];
        if earlier.contains(pattern) {
            rules.unwise(
                &steps,
                format!("`{pattern}` is in a rule before this one"),
                "make one rule of the two".to_owned(),
            );
        }
        if !plan.routes.is_empty() && !taken.overlap(pattern) {
            rules.warn(&steps, format!("no route of this rollout takes `{pattern}`"), None);
        }
    }
    let says_nothing = *rule == PathRule { paths: rule.paths.clone(), ..PathRule::default() };
    if says_nothing && !rule.paths.is_empty() {
        rules.warn(
            &[Key("path"), Index(index)],
            "the rule changes nothing".into(),
            "one of timeout, rescue, breaker, measure, side, failure, upstream".to_owned(),
        );
    }
    if rule.timeout.is_some_and(|timeout| timeout.as_ms() == 0) {
        rules.error(&at("timeout"), "the timeout is zero".into(), None);
    }
    if let Some(failures) = &rule.failure {
        self::failures(rules, failures, Some(index));
    }
    if rule.side.is_some() && rule.measure == Some(true) {
        rules.unwise(
            &at("measure"),
            "a path that is pinned to one side compares nothing, so it is not measured".into(),
            "leave `measure` out".to_owned(),
        );
    }
    if let Some(backend) = &rule.upstream {
        self::backend(rules, &at("upstream"), backend);
        for (key, is_there) in [("rescue", rule.rescue == Some(true)), ("side", rule.side.is_some())] {
            if is_there {
                rules.unwise(
                    &at(key),
                    format!("both sides share the upstream of this path, so `{key}` changes nothing"),
                    None,
                );
            }
        }
    }
}

/// Log-ins through other sites and payments come back as forms that those sites post, without the cookie of
/// an anonymous visitor.
fn posts_of_other_sites(rules: &mut Rules<'_>) {
    let Plan { identity, paths, upstreams, .. } = rules.plan;
    let is_decided = rules.root.given("identity").is_some_and(|node| node.given("same_site").is_some())
        || paths.iter().any(|rule| rule.side.is_some());
    if upstreams.is_some() && identity.anonymous && !is_decided {
        rules.warn(
            &[Key("identity")],
            "forms that other sites post (Apple, SAML, 3-D Secure) come without an anonymous visitor's cookie, and go to legacy".into(),
            "`same_site = \"none\"` lets the cookie come along; a [[path]] with `side` pins such a path; `same_site = \"lax\"` says that it is meant so".to_owned(),
        );
    }
}

fn overlap(a: &Route, b: &Route) -> bool {
    paths_overlap(&a.path, &b.path) && hosts_overlap(&a.host, &b.host)
}

fn hosts_overlap(a: &HostPattern, b: &HostPattern) -> bool {
    let is_under = |domain: &str, other: &str| domain.strip_suffix(other).is_some_and(|rest| rest.ends_with('.'));
    match (a, b) {
        (HostPattern::Any, _) | (_, HostPattern::Any) => true,
        (HostPattern::Exactly(host), other) | (other, HostPattern::Exactly(host)) => other.matches(host),
        (HostPattern::Under(a), HostPattern::Under(b)) => a == b || is_under(a, b) || is_under(b, a),
    }
}

fn paths_overlap(a: &PathPattern, b: &PathPattern) -> bool {
    match (a, b) {
        (PathPattern::Exactly(path), other) | (other, PathPattern::Exactly(path)) => other.matches(path),
        (PathPattern::Under(a), PathPattern::Under(b)) => is_under(a, b) || is_under(b, a),
    }
}

/// Whether a path is `prefix`, or under it.
fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The paths of all routes in order, so that what overlaps with one is found without trying each.
struct TakenPaths<'a> {
    exact: Vec<&'a str>,
    under: Vec<&'a str>,
}

impl<'a> TakenPaths<'a> {
    fn of(routes: &'a [Route]) -> Self {
        let mut paths = Self { exact: Vec::new(), under: Vec::new() };
        for route in routes {
            match &route.path {
                PathPattern::Exactly(path) => paths.exact.push(path),
                PathPattern::Under(path) => paths.under.push(path),
            }
        }
        paths.exact.sort_unstable();
        paths.under.sort_unstable();
        paths
    }

    /// Whether a route takes a path that the pattern takes too.
    fn overlap(&self, pattern: &PathPattern) -> bool {
        match pattern {
            PathPattern::Exactly(path) => self.exact.binary_search(&path.as_str()).is_ok() || self.covers(path),
            PathPattern::Under(prefix) => {
                self.covers(prefix) || has_under(&self.exact, prefix) || has_under(&self.under, prefix)
            }
        }
    }

    /// Whether a route takes everything under the path, or under one above it.
    fn covers(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.filter_map(|end| path.get(..end)).any(|prefix| self.under.binary_search(&prefix).is_ok())
    }
}

/// Whether one of the paths, which are in order, is `prefix` or under it.
fn has_under(paths: &[&str], prefix: &str) -> bool {
    let under = format!("{prefix}/");
    let first = paths.partition_point(|path| *path < under.as_str());
    paths.binary_search(&prefix).is_ok() || paths.get(first).is_some_and(|path| path.starts_with(&under))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_found_as_by_trying_each() {
        let words = ["/*", "/", "/a", "/a/*", "/a/b", "/a/b/*", "/ab", "/ab/*", "/a-b/*", "/a/b/c/d", "/b/*"];
        let patterns: Vec<PathPattern> = words.iter().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(patterns.len(), words.len());
        for one in &patterns {
            for other in &patterns {
                let routes: Vec<Route> =
                    [one, other].into_iter().map(|path| Route { host: HostPattern::Any, path: path.clone() }).collect();
                for pattern in &patterns {
                    let expected = routes.iter().any(|route| paths_overlap(&route.path, pattern));
                    assert_eq!(TakenPaths::of(&routes).overlap(pattern), expected, "{one} {other} {pattern}");
                }
            }
        }
    }
}
