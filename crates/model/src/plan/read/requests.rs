//! What a plan says of requests: upstreams, rules for paths, failures, identity, robots.

use crate::fault::Explain;
use crate::node::{Node, Value};
use crate::plan::fields::Reader;
use crate::plan::words::WordError;
use crate::plan::{
    Backend, Breaker, Failures, Identity, OriginPolicy, PathRule, Place, Rescue, Robots, TIMEOUT_DEFAULT, Table, Token,
    Upstreams,
};
use crate::route::PathPattern;
use crate::source::Source;
use crate::variant::Variant;

pub(super) fn upstreams(r: &mut Reader, node: &Node) -> Option<Upstreams> {
    let mut f = r.fields(node)?;
    let legacy = f.required(r, "legacy", backend);
    let new = f.required(r, "new", backend);
    let rescue = f.optional(r, "rescue", rescue).unwrap_or_default();
    let breaker = f.optional(r, "breaker", breaker).unwrap_or_default();
    let timeout = f.optional(r, "timeout", Reader::parsed).unwrap_or(TIMEOUT_DEFAULT);
    f.end(r);
    Some(Upstreams { legacy: legacy?, new: new?, rescue, breaker, timeout })
}

/// An address, a service binding, or a table with either as its `url`.
fn backend(r: &mut Reader, node: &Node) -> Option<Backend> {
    if !matches!(node.value, Value::Table(_)) {
        return r.parsed::<Place>(node).map(Backend::from);
    }
    let mut f = r.fields(node)?;
    let place = f.required(r, "url", Reader::parsed);
    let origin = f.optional(r, "origin", Reader::parsed).unwrap_or(OriginPolicy::Public);
    let timeout = f.optional(r, "timeout", Reader::parsed);
    let version = f.optional(r, "version", Reader::parsed);
    f.end(r);
    Some(Backend { place: place?, origin, timeout, version })
}

fn rescue(r: &mut Reader, node: &Node) -> Option<Rescue> {
    match &node.value {
        Value::Bool(true) => Some(Rescue::On),
        Value::Bool(false) => Some(Rescue::Off),
        Value::Text(text) if text == "until_completed" => Some(Rescue::UntilCompleted),
        other => {
            let help = "`true`, `false` or `\"until_completed\"`";
            r.error(
                node.span.clone(),
                format_args!("{other} says not how long legacy answers for new"),
                Some(help.into()),
            );
            None
        }
    }
}

fn breaker(r: &mut Reader, node: &Node) -> Option<Breaker> {
    match &node.value {
        Value::Bool(true) => Some(Breaker::On),
        Value::Bool(false) => Some(Breaker::Off),
        Value::Text(text) if text == "reads" => Some(Breaker::Reads),
        other => {
            r.error(
                node.span.clone(),
                format_args!("{other} says not which requests legacy answers while new fails"),
                Some("`true`, `false` or `\"reads\"`".into()),
            );
            None
        }
    }
}

pub(super) fn failures(r: &mut Reader, node: &Node) -> Option<Failures> {
    r.parsed_one_or_more(node).map(Failures)
}

pub(super) fn path_rule(r: &mut Reader, node: &Node) -> Option<PathRule> {
    let mut f = r.fields(node)?;
    let paths = f.required(r, "match", |r, node| r.one_or_more(node, path_pattern));
    let rule = PathRule {
        paths: paths.unwrap_or_default(),
        timeout: f.optional(r, "timeout", Reader::parsed),
        rescue: f.optional(r, "rescue", Reader::boolean),
        breaker: f.optional(r, "breaker", breaker),
        measure: f.optional(r, "measure", Reader::boolean),
        side: f.optional(r, "side", |r, node| r.parsed_by(node, side)),
        failure: f.optional(r, "failure", failures),
        upstream: f.optional(r, "upstream", backend),
    };
    f.end(r);
    Some(rule)
}

fn side(text: &str) -> Result<Variant, WordError> {
    text.parse().map_err(|()| WordError::new(text, "a side", "`legacy` or `new`"))
}

pub(in crate::plan) fn path_pattern(r: &mut Reader, node: &Node) -> Option<PathPattern> {
    r.parsed_by(node, |text| text.parse().map_err(|why| PathError(text.to_owned(), why)))
}

/// Why a text is no pattern of paths.
struct PathError(String, &'static str);

impl std::fmt::Display for PathError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is not a path: {}", self.0, self.1)
    }
}

impl Explain for PathError {
    fn help(&self) -> Option<String> {
        Some("`/api/*` for everything under it, or `/search` for one path; without a host".into())
    }
}

pub(super) fn identity(r: &mut Reader, node: &Node) -> Option<Identity> {
    let mut f = r.fields(node)?;
    let from: Vec<Source> = f.optional(r, "from", Reader::parsed_one_or_more).unwrap_or_default();
    let anonymous = f.optional(r, "anonymous", Reader::boolean).unwrap_or(from.is_empty());
    let identity = Identity {
        anonymous,
        domain: f.optional(r, "domain", Reader::text),
        sticky: f.optional(r, "sticky", Reader::parsed).unwrap_or_default(),
        same_site: f.optional(r, "same_site", Reader::parsed).unwrap_or_default(),
        not_ids: f.optional(r, "not_ids", Reader::text_or_more).unwrap_or_default(),
        ids: f.optional(r, "ids", Reader::text_or_more).unwrap_or_default(),
        jwt: f.optional(r, "jwt", tokens).unwrap_or_default(),
        from,
    };
    f.end(r);
    Some(identity)
}

pub(super) fn robots(r: &mut Reader, node: &Node) -> Option<Robots> {
    let mut f = r.fields(node)?;
    let side = f.optional(r, "side", Reader::parsed).unwrap_or_default();
    let also = f.optional(r, "also", Reader::parsed_one_or_more).unwrap_or_default();
    f.end(r);
    Some(Robots { side, also })
}

fn tokens(r: &mut Reader, node: &Node) -> Option<Table<Token>> {
    let mut tokens = Vec::new();
    r.each_named(node, &mut |r, name, node| {
        let Some(mut f) = r.fields(node) else { return };
        let from = f.optional(r, "from", Reader::parsed);
        let secret = f.optional(r, "secret", Reader::parsed);
        let jwks = f.optional(r, "jwks", Reader::parsed);
        let issuer = f.optional(r, "issuer", Reader::text);
        let audience = f.optional(r, "audience", Reader::text);
        f.end(r);
        if let Some(name) = name {
            let from = from.unwrap_or_else(|| Source::Cookie(name.to_string()));
            tokens.push((name, Token { from, secret, jwks, issuer, audience }));
        }
    })?;
    Some(Table(tokens))
}
