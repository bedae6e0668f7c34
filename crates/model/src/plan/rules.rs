//! What no single field can tell: references that lead nowhere, percentages that fall, stages
//! that cannot be reached, figures that nobody measures.

mod channels;
mod checklists;
mod messages;
mod names;
mod probes;
mod receivers;
mod requests;
pub mod safety;
mod stages;

use std::collections::HashSet;
use std::fmt::Write as _;

use self::names::{Known, Names};
use super::limits::PLAN_BYTES_MAX;
use super::{ALPHA_DEFAULT, ENDPOINTS_MAX, Plan, Table};
use crate::condition::{Condition, Metric};
use crate::fault::{Fault, Faults, Severity, listed, nearest};
use crate::node::{Node, Value};
use crate::number::Grouped;
use crate::source::Source;
use crate::{Name, Percentage};

/// One step into a tree.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}
use Step::{Index, Key};

/// Collects faults about one plan and finds where they stand.
pub(super) struct Rules<'a> {
    pub(super) plan: &'a Plan,
    pub(super) root: &'a Node,
    /// Whether only that counts which tells what is to happen at all.
    pub(super) is_of_meaning: bool,
    pub faults: Faults,
}

/// Checks one plan. One that was accepted before and `is_stored` is checked by those rules alone without which
/// nobody could tell what is to happen: what is only unwise, or has no effect, was its writer's decision.
pub fn check(plan: &Plan, root: &Node, is_stored: bool) -> Faults {
    let mut rules = Rules { is_of_meaning: is_stored, ..Rules::new(plan, root) };
    let known = Known::of(plan);
    rules.kind();
    requests::check(&mut rules);
    channels::check(&mut rules);
    rules.identity();
    rules.groups(&known);
    stages::check(&mut rules, &known);
    rules.guardrails(&known);
    messages::check(&mut rules, &known);
    checklists::check(&mut rules, &known);
    receivers::check(&mut rules, &known);
    probes::check(&mut rules, &known);
    probes::problems(&mut rules);
    rules.numbers();
    rules.size();
    rules.faults
}

impl<'a> Rules<'a> {
    pub fn new(plan: &'a Plan, root: &'a Node) -> Self {
        Self { plan, root, is_of_meaning: false, faults: Faults::default() }
    }

    fn note(&mut self, severity: Severity, steps: &[Step<'_>], message: String, help: impl Into<Option<String>>) {
        if severity == Severity::Warning && self.is_of_meaning {
            return;
        }
        if !self.faults.has_room(severity) {
            self.faults.count(severity);
            return;
        }
        let mut path = String::new();
        let mut node = Some(self.root);
        let mut span = self.root.span.clone();
        for step in steps {
            let _ = match step {
                Key(key) if path.is_empty() => write!(path, "{key}"),
                Key(key) => write!(path, ".{key}"),
                Index(index) => write!(path, "[{index}]"),
            };
            node = node.and_then(|node| child(node, *step));
            span = node.and_then(|node| node.span.clone()).or(span);
        }
        self.faults.push(Fault { severity, path, span, message, help: help.into() });
    }

    /// Without this nobody could tell what is to happen.
    pub fn error(&mut self, steps: &[Step<'_>], message: String, help: impl Into<Option<String>>) {
        self.note(Severity::Error, steps, message, help);
    }

    /// This is unwise, or has no effect; a plan with it can be carried out all the same.
    pub fn unwise(&mut self, steps: &[Step<'_>], message: String, help: impl Into<Option<String>>) {
        if !self.is_of_meaning {
            self.error(steps, message, help);
        }
    }

    /// What is longer than this is not stored.
    fn size(&mut self) {
        // Isolates read what is stored at their start, and have no use for this.
        if self.is_of_meaning {
            return;
        }
        let bytes = serde_json::to_string(self.plan).map_or(0, |text| text.len());
        if bytes > PLAN_BYTES_MAX {
            let message = format!("the plan has {} bytes; at most {}", Grouped(bytes), Grouped(PLAN_BYTES_MAX));
            let help = "long lists of ids belong under the KV key `group/NAME`, with `kv = true`".to_owned();
            self.error(&[Key("key")], message, help);
        }
    }

    pub(super) fn warn(&mut self, steps: &[Step<'_>], message: String, help: impl Into<Option<String>>) {
        self.note(Severity::Warning, steps, message, help);
    }

    /// `known` are the names of the table. Without a group nobody could tell who is meant; what else has a name
    /// may be unknown to this release, and then does nothing.
    fn refers<T>(&mut self, steps: &[Step<'_>], what: &str, name: &Name, table: &Table<T>, known: &Names<'_>) {
        if !known.contain(name.as_str()) && (what == "group" || !self.is_of_meaning) {
            let help = || match nearest(name.as_str(), table.names()) {
                Some(known) => format!("did you mean `{known}`?"),
                None if table.is_empty() => format!("the plan has no {what}s"),
                None => format!("known: {}", listed(table.names())),
            };
            let help = self.faults.are_few().then(help);
            self.error(steps, format!("no {what} is called `{name}`"), help);
        }
    }

    /// A rollout has routes and upstreams; a flag has neither.
    fn kind(&mut self) {
        let plan = self.plan;
        // A field that could not be read has its own fault; that something was written there is what counts
        // here. An empty list says nothing, and is left out where the plan is printed.
        let is_there = |key| {
            self.root.given(key).is_some_and(|node| !matches!(&node.value, Value::List(items) if items.is_empty()))
        };
        match &plan.upstreams {
            None if !plan.routes.is_empty() && !is_there("upstreams") => {
                self.error(
                    &[Key("routes")],
                    "a rollout with routes needs upstreams".into(),
                    "add [upstreams] with `legacy` and `new`; a flag has neither".to_owned(),
                );
            }
            Some(_) if plan.routes.is_empty() && !is_there("routes") => {
                self.error(
                    &[Key("upstreams")],
                    "a rollout with upstreams needs routes".into(),
                    "such as `routes = [\"/*\"]`".to_owned(),
                );
            }
            Some(upstreams) if upstreams.legacy.place == upstreams.new.place => {
                self.unwise(&[Key("upstreams"), Key("new")], "both upstreams are the same".into(), None);
            }
            _ => {}
        }
        if plan.values.is_some() && !plan.is_flag() {
            self.unwise(
                &[Key("values")],
                "only a flag has values".into(),
                "upstreams of a rollout get `tidegate-variant`".to_owned(),
            );
        }
        let mut seen = HashSet::new();
        for (index, route) in plan.routes.iter().enumerate() {
            if !seen.insert(route) {
                self.unwise(&[Key("routes"), Index(index)], format!("`{route}` stands here twice"), None);
            }
        }
    }

    fn identity(&mut self) {
        let identity = &self.plan.identity;
        if identity.from.is_empty() && !identity.anonymous {
            self.unwise(
                &[Key("identity")],
                "no user could be identified".into(),
                "name a place in `from`, or set `anonymous = true`".to_owned(),
            );
        }
        if let Some(domain) = &identity.domain
            && !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        {
            self.error(&[Key("identity"), Key("domain")], format!("`{domain}` is not a domain"), None);
        }
        if !identity.anonymous {
            for key in ["sticky", "same_site"]
                .into_iter()
                .filter(|key| self.root.given("identity").is_some_and(|node| node.given(key).is_some()))
            {
                self.unwise(
                    &[Key("identity"), Key(key)],
                    format!("`{key}` is about the id that Tidegate mints, and this plan mints none"),
                    "set `anonymous = true`, or leave it out".to_owned(),
                );
            }
        }
        for (index, source) in identity.from.iter().enumerate() {
            self.verifiable(&[Key("identity"), Key("from"), Index(index)], source);
        }
        for (name, token) in &identity.jwt.0 {
            let steps = [Key("identity"), Key("jwt"), Key(name.as_str())];
            let is_there = |key| {
                self.root
                    .given("identity")
                    .and_then(|node| node.given("jwt")?.field(name.as_str())?.given(key))
                    .is_some()
            };
            if is_there("secret") == is_there("jwks") {
                self.error(&steps, format!("the token `{name}` needs either `secret` or `jwks`"), None);
            }
            if !matches!(token.from, Source::Header(_) | Source::Cookie(_)) {
                self.error(&steps, format!("the token `{name}` comes from a header or a cookie"), None);
            }
        }
    }

    fn verifiable(&mut self, steps: &[Step<'_>], source: &Source) {
        if let Source::Claim { token, .. } = source
            && !self.plan.identity.jwt.contains(token.as_str())
        {
            self.warn(
                steps,
                format!("the token `{token}` is never verified, so `{source}` is always absent"),
                format!("describe it in [identity.jwt.{token}] with `secret` or `jwks`"),
            );
        }
    }

    fn groups(&mut self, known: &Known<'_>) {
        let plan = self.plan;
        let used: Names<'_> = plan
            .exclude
            .iter()
            .chain(&plan.eligible)
            .chain(plan.stages.iter().flat_map(|stage| &stage.groups))
            .chain(plan.notices.iter().filter_map(|notice| notice.in_app.as_ref()).flat_map(|in_app| &in_app.groups))
            .map(Name::as_str)
            .collect();
        for (name, group) in &plan.groups.0 {
            let steps = [Key("groups"), Key(name.as_str())];
            if group.ids.is_empty() && group.matches.is_none() && !group.kv {
                self.unwise(
                    &steps,
                    format!("the group `{name}` can have no members"),
                    "give it `ids`, `match`, or `kv = true` for the KV key `group/NAME`".to_owned(),
                );
            }
            if let Some(matches) = &group.matches {
                self.verifiable(&steps, &matches.source);
            }
            if !used.contain(name.as_str()) {
                self.warn(&steps, format!("no stage uses the group `{name}`"), None);
            }
        }
        for (index, name) in plan.exclude.iter().enumerate() {
            self.refers(&[Key("exclude"), Index(index)], "group", name, &plan.groups, &known.groups);
        }
        if let Some(name) = &plan.eligible {
            self.refers(&[Key("eligible")], "group", name, &plan.groups, &known.groups);
        }
    }

    fn guardrails(&mut self, known: &Known<'_>) {
        let plan = self.plan;
        for (index, guardrail) in plan.guardrails.iter().enumerate() {
            let at = |rest: &[Step<'a>]| [&[Key("guardrail"), Index(index)], rest].concat();
            self.condition(&at(&[Key("when")]), &guardrail.when, known);
            for (n, name) in guardrail.stages.iter().enumerate() {
                if !known.stages.contain(name.as_str()) {
                    let stages = plan.stages.iter().map(|stage| stage.name.as_str());
                    let help = nearest(name.as_str(), stages)
                        .filter(|_| self.faults.are_few())
                        .map(|known| format!("did you mean `{known}`?"));
                    self.error(&at(&[Key("stages"), Index(n)]), format!("no stage is called `{name}`"), help);
                }
            }
        }
    }

    /// A condition on something that nobody measures could only ever be inconclusive.
    pub(super) fn condition(&mut self, steps: &[Step<'_>], condition: &Condition, known: &Known<'_>) {
        let plan = self.plan;
        for term in &condition.terms {
            if let Metric::Signal(name) = &term.metric
                && !known.signals.contain(name.as_str())
            {
                let near = if self.faults.are_few() { nearest(name.as_str(), plan.signals.names()) } else { None };
                let help = near.map_or_else(
                    || format!("declare it in [signals.{name}] with `kind = \"count\"` or `\"gauge\"`"),
                    |known| format!("did you mean `{known}`?"),
                );
                self.unwise(steps, format!("`{}` is not measured", term.metric), help);
            }
            requests::chosen(self, steps, term);
            probes::measured(self, steps, term, known);
            requests::is_shadow_measured(self, steps, term);
            if let Some(endpoint) = &term.endpoint {
                self.refers(steps, "endpoint", endpoint, &plan.endpoints, &known.endpoints);
                if known.late_endpoints.contain(endpoint.as_str()) {
                    self.unwise(
                        steps,
                        format!("the endpoint `{endpoint}` is not measured: {ENDPOINTS_MAX} come before it"),
                        format!(
                            "only a plan's first {ENDPOINTS_MAX} endpoints are measured: let it stand before others"
                        ),
                    );
                }
            }
        }
    }

    fn numbers(&mut self) {
        let plan = self.plan;
        let alpha = plan.alpha.unwrap_or(ALPHA_DEFAULT);
        // What KV holds is read again, by a reader that is exact to fifteen digits.
        let read_again = serde_json::to_string(&alpha).ok().and_then(|text| serde_json::from_str::<f64>(&text).ok());
        if !(alpha > 0.0 && alpha <= 0.5) {
            self.error(
                &[Key("alpha")],
                format!("{alpha} is not an error probability"),
                "more than 0 and at most 0.5; 0.01 where it is left out".to_owned(),
            );
        } else if read_again != Some(alpha) {
            self.unwise(
                &[Key("alpha")],
                format!("{alpha} has more digits than are kept"),
                "at most fifteen".to_owned(),
            );
        }
        if plan.holdout == Percentage::FULL {
            self.unwise(&[Key("holdout")], "a holdout of 100 % leaves no users for new".into(), None);
        }
        for (list, key) in [(&plan.after, "after"), (&plan.requires, "requires")] {
            if let Some(index) = list.iter().position(|name| *name == plan.key) {
                self.unwise(&[Key(key), Index(index)], format!("`{}` waits for itself", plan.key), None);
            }
        }
    }
}

fn child<'n>(node: &'n Node, step: Step<'_>) -> Option<&'n Node> {
    match (step, &node.value) {
        (Key(key), _) => node.field(key),
        (Index(index), Value::List(nodes)) => nodes.get(index),
        // Where one value may stand for a list of one.
        (Index(0), _) => Some(node),
        (Index(_), _) => None,
    }
}
