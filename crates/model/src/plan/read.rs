//! From a tree to a plan.

mod messages;
mod requests;

use self::messages::{checklist, digest, links, notice, role};
pub(super) use self::requests::path_pattern;
use self::requests::{failures, identity, path_rule, robots, upstreams};
use super::channel::read as channel;
use super::fields::Reader;
use super::probe::{hook, probe};
use super::problem::Problem;
use super::receiver::receiver;
use super::shadow::read as shadow;
use super::signal::signal;
use super::stage::{Escalation, Gate, Guardrail, Mode, Risk, Stage};
use super::start::Start;
use super::words::{Action, Advance, CachePolicy, Level, Severity, WordError};
use super::{CHOICE_DEFAULT, Defaults, Endpoint, Group, Identity, Plan, Redeploy, Values, limits, rules};
use crate::calendar::point;
use crate::fault::{Explain, Fault, Faults};
use crate::group::Fingerprints;
use crate::node::{Node, Value};
use crate::{Instant, Name, Percentage};

/// Reads one rollout's plan, as somebody has written it.
///
/// The second value holds every fault that was found, warnings included; the first is `None`
/// when one of them is an error.
pub fn plan(node: &Node) -> (Option<Plan>, Vec<Fault>) {
    let (plan, faults) = judged(node, true);
    (plan, faults.into_vec())
}

/// Reads one that was accepted before, and stored, maybe by another release. Fields that are not known are
/// passed over, and of the rules those alone count without which nobody could tell what is to happen: a
/// rule that a release adds or tightens must not stop a rollout that is under way.
pub fn stored(node: &Node) -> (Option<Plan>, Vec<Fault>) {
    let (plan, faults) = attempted(node, Origin::Stored);
    (plan.filter(|_| !faults.has_errors()), faults.into_vec())
}

/// The same as [`plan`], for those who put the faults of several plans together. What only asks its writer to
/// be careful keeps nothing that is in force (not `is_new`) from being read.
pub fn judged(node: &Node, is_new: bool) -> (Option<Plan>, Faults) {
    let (plan, faults) = attempted(node, if is_new { Origin::New } else { Origin::InForce });
    (plan.filter(|_| !faults.has_errors()), faults)
}

/// Where a plan comes from, which says how strictly it is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Somebody wants it to be in force.
    New,
    /// Somebody has put it into force by hand.
    InForce,
    /// It was accepted, and stored.
    Stored,
}

/// What can be read of a plan that has errors: what could not be read is as if it were not there. Nobody may
/// act on it; it tells what a rollout was about whose plan is broken.
pub fn remains(node: &Node) -> Option<Plan> {
    attempted(node, Origin::Stored).0
}

fn attempted(node: &Node, origin: Origin) -> (Option<Plan>, Faults) {
    let mut reader = if origin == Origin::Stored { Reader::of_stored() } else { Reader::default() };
    limits::check(&mut reader, node);
    if reader.found() > 0 {
        return (None, reader.into_faults());
    }
    let plan = read_plan(&mut reader, node);
    let mut faults = reader.into_faults();
    // What could not be read is not missing.
    let is_whole = !faults.has_errors();
    if let Some(plan) = &plan {
        faults.extend(rules::check(plan, node, origin == Origin::Stored), |_, fault| Some(fault));
        if origin == Origin::New && is_whole {
            faults.extend(rules::safety::check(plan, node), |_, fault| Some(fault));
        }
    }
    (plan, faults)
}

/// The plan of one environment: the rollout's tree with `[environments.NAME]` laid over it.
///
/// Returns `None` when the plan has no environment of that name.
pub fn in_environment(node: &Node, environment: &str) -> Option<Node> {
    let over = node.field("environments")?.field(environment)?;
    let Value::Table(entries) = &node.value else { return None };
    let entries = entries.iter().filter(|entry| entry.key != "environments").cloned().collect();
    Some(Node { value: Value::Table(entries), span: node.span.clone() }.overlaid_with(over))
}

/// The names of a rollout's environments.
pub fn environments(node: &Node) -> Vec<&str> {
    match node.field("environments").map(|node| &node.value) {
        Some(Value::Table(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => Vec::new(),
    }
}

fn read_plan(r: &mut Reader, node: &Node) -> Option<Plan> {
    let mut f = r.fields(node)?;
    // Read in any case, so that every fault is found; a plan comes of it only if none is missing.
    let key = f.required(r, "key", Reader::parsed);
    let stages = f.required(r, "stage", |r, node| r.list(node, stage)).unwrap_or_default();
    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    f.optional(r, "environments", environment_tables);
    let plan = Plan {
        description: f.optional(r, "description", Reader::text),
        routes: f.optional(r, "routes", Reader::parsed_list).unwrap_or_default(),
        except: f.optional(r, "except", Reader::parsed_one_or_more).unwrap_or_default(),
        upstreams: f.optional(r, "upstreams", upstreams),
        failure: f.optional(r, "failure", failures).unwrap_or_default(),
        paths: f.optional(r, "path", |r, node| r.list(node, path_rule)).unwrap_or_default(),
        cache: f.optional(r, "cache", Reader::parsed).unwrap_or(CachePolicy::Private),
        identity: f
            .optional(r, "identity", identity)
            .unwrap_or_else(|| Identity { anonymous: true, ..Identity::default() }),
        robots: f.optional(r, "robots", robots).unwrap_or_default(),
        endpoints: f.optional(r, "endpoints", |r, node| r.table(node, endpoint)).unwrap_or_default(),
        dimensions: f.optional(r, "dimensions", Reader::parsed_one_or_more).unwrap_or_default(),
        groups: f.optional(r, "groups", |r, node| r.table(node, group)).unwrap_or_default(),
        signals: f.optional(r, "signals", |r, node| r.table(node, signal)).unwrap_or_default(),
        receivers: f.optional(r, "receivers", |r, node| r.table(node, receiver)).unwrap_or_default(),
        probes: f.optional(r, "probe", |r, node| r.list(node, probe)).unwrap_or_default(),
        hooks: f.optional(r, "hook", |r, node| r.list(node, hook)).unwrap_or_default(),
        roles: f.optional(r, "roles", |r, node| r.table(node, role)).unwrap_or_default(),
        start: f.optional(r, "start", start),
        checklist: f.optional(r, "checklist", checklist).unwrap_or_default(),
        advance: f.optional(r, "advance", Reader::parsed).unwrap_or(Advance::Auto),
        redeploy: f.optional(r, "redeploy", Reader::parsed).unwrap_or(Redeploy::Restart),
        shadow: f.optional(r, "shadow", shadow),
        freeze: f.optional(r, "freeze", Reader::parsed_one_or_more).unwrap_or_default(),
        choice: f.optional(r, "choice", Reader::parsed),
        feedback: f.optional(r, "feedback", Reader::parsed_one_or_more).unwrap_or_default(),
        sticky_moves: f.optional(r, "sticky_moves", Reader::parsed),
        keep: f.optional(r, "keep", Reader::parsed),
        keep_assets: f.optional(r, "keep_assets", Reader::parsed),
        choice_for: f.optional(r, "choice_for", Reader::parsed).unwrap_or(CHOICE_DEFAULT),
        holdout: f.optional(r, "holdout", Reader::percentage).unwrap_or(Percentage::ZERO),
        exclude: f.optional(r, "exclude", Reader::parsed_one_or_more).unwrap_or_default(),
        eligible: f.optional(r, "eligible", Reader::parsed),
        salt: f.optional(r, "salt", Reader::text),
        alpha: f.optional(r, "alpha", Reader::number),
        after: f.optional(r, "after", Reader::parsed_one_or_more).unwrap_or_default(),
        requires: f.optional(r, "requires", Reader::parsed_one_or_more).unwrap_or_default(),
        values: f.optional(r, "values", values),
        after_rollback: f.optional(r, "after_rollback", checklist).unwrap_or_default(),
        notes: f.optional(r, "notes", Reader::text_or_more).unwrap_or_default(),
        links: f.optional(r, "links", links).unwrap_or_default(),
        channels: f.optional(r, "channels", |r, node| r.table(node, channel)).unwrap_or_default(),
        defaults: f.optional(r, "defaults", Reader::parsed).unwrap_or(Defaults::BuiltIn),
        guardrails: f.optional(r, "guardrail", |r, node| r.list(node, guardrail)).unwrap_or_default(),
        problems: f.optional(r, "problem", |r, node| r.list(node, problem)).unwrap_or_default(),
        digests: f.optional(r, "digest", |r, node| r.list(node, digest)).unwrap_or_default(),
        notices: f.optional(r, "notice", |r, node| r.list(node, |r, node| notice(r, node, &names))).unwrap_or_default(),
        risks: f.optional(r, "risk", |r, node| r.list(node, risk)).unwrap_or_default(),
        key: key.clone().unwrap_or_else(Name::unreadable),
        stages,
    };
    f.end(r);
    key.map(|_| plan)
}

fn environment_tables(r: &mut Reader, node: &Node) -> Option<()> {
    r.each_named(node, &mut |r, _, node| {
        let Some(mut fields) = r.fields(node) else { return };
        for fixed in ["key", "environments"] {
            if let Some(node) = fields.node(fixed) {
                r.error(node.span.clone(), format_args!("`{fixed}` cannot differ between environments"), None);
            }
        }
    })
}

fn endpoint(r: &mut Reader, node: &Node) -> Option<Endpoint> {
    r.parsed_by(node, |text| {
        let path = text
            .strip_prefix("path:")
            .ok_or_else(|| EndpointError(text.to_owned(), "it does not start with `path:`"))?;
        path.parse().map(Endpoint).map_err(|why| EndpointError(text.to_owned(), why))
    })
}

/// Why a text is no endpoint.
struct EndpointError(String, &'static str);

impl std::fmt::Display for EndpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is not an endpoint: {}", self.0, self.1)
    }
}

impl Explain for EndpointError {
    fn help(&self) -> Option<String> {
        Some("`path:/checkout/api/*` or `path:/search`".into())
    }
}

fn group(r: &mut Reader, node: &Node) -> Option<Group> {
    let mut f = r.fields(node)?;
    let ids = f.optional(r, "ids", Reader::texts).unwrap_or_default();
    let matches = f.optional(r, "match", Reader::parsed);
    let kv = f.optional(r, "kv", Reader::boolean).unwrap_or(false);
    f.end(r);
    let fingerprints = Fingerprints::of_ids(ids.iter().map(String::as_str));
    Some(Group { ids, fingerprints, matches, kv })
}

fn values(r: &mut Reader, node: &Node) -> Option<Values> {
    let mut f = r.fields(node)?;
    let new = f.required(r, "new", Reader::parsed);
    let legacy = f.required(r, "legacy", Reader::parsed);
    f.end(r);
    Some(Values { new: new?, legacy: legacy? })
}

fn stage(r: &mut Reader, node: &Node) -> Option<Stage> {
    let mut f = r.fields(node)?;
    let name = f.required(r, "name", Reader::parsed);
    let percentage = f.required(r, "percentage", Reader::percentage);
    let stage = Stage {
        groups: f.optional(r, "groups", Reader::parsed_one_or_more).unwrap_or_default(),
        shadow: f.optional(r, "shadow", Reader::percentage),
        hold: f.optional(r, "hold", Reader::parsed),
        deadline: f.optional(r, "deadline", Reader::parsed),
        enter: f.optional(r, "enter", Reader::parsed_one_or_more).unwrap_or_default(),
        not_before: f.optional(r, "not_before", point_in_time),
        owner: f.optional(r, "owner", Reader::parsed),
        checkins: f.optional(r, "checkins", Reader::parsed_one_or_more).unwrap_or_default(),
        gates: f.optional(r, "gates", |r, node| r.list(node, gate)).unwrap_or_default(),
        checklist: f.optional(r, "checklist", checklist).unwrap_or_default(),
        notes: f.optional(r, "notes", Reader::text_or_more).unwrap_or_default(),
        name: name.unwrap_or_else(Name::unreadable),
        percentage: percentage.unwrap_or(Percentage::ZERO),
    };
    f.end(r);
    Some(stage)
}

/// A moment, or `on deploy`.
fn start(r: &mut Reader, node: &Node) -> Option<Start> {
    match &node.value {
        Value::Text(text) if text == Start::ON_DEPLOY => Some(Start::OnDeploy),
        Value::Text(text) if text.starts_with("on") => r.parsed_by(node, |text| {
            let allowed = "`on deploy`, or a date and time such as `2026-12-02T09:00:00Z`";
            Err(WordError::new(text, "when a draft starts", allowed))
        }),
        _ => point_in_time(r, node).map(Start::At),
    }
}

fn point_in_time(r: &mut Reader, node: &Node) -> Option<Instant> {
    r.parsed_by(node, point)
}

/// A condition, or a table of one and `after`.
fn gate(r: &mut Reader, node: &Node) -> Option<Gate> {
    if !matches!(node.value, Value::Table(_)) {
        return r.parsed(node).map(Gate::new);
    }
    let mut f = r.fields(node)?;
    let when = f.required(r, "when", Reader::parsed);
    let after = f.optional(r, "after", Reader::parsed);
    f.end(r);
    Some(Gate { when: when?, after })
}

fn guardrail(r: &mut Reader, node: &Node) -> Option<Guardrail> {
    let mut f = r.fields(node)?;
    let when = f.required(r, "when", Reader::parsed);
    let then = f.required(r, "then", Reader::parsed::<Action>);
    let after = f.optional(r, "after", Reader::parsed);
    let mode = f.optional(r, "mode", Reader::parsed).unwrap_or(Mode::Act);
    let severity = f.optional(r, "severity", Reader::parsed);
    let notify = f.optional(r, "notify", Reader::parsed_one_or_more).unwrap_or_default();
    let stages = f.optional(r, "stages", Reader::parsed_one_or_more).unwrap_or_default();
    let escalate = f.optional(r, "escalate", |r, node| r.list(node, escalation)).unwrap_or_default();
    let text = f.optional(r, "text", Reader::text);
    let links = f.optional(r, "links", links).unwrap_or_default();
    f.end(r);
    let then = then?;
    let is_quiet = then == Action::Alert || mode == Mode::Observe;
    let quiet = if is_quiet { Severity::Warning } else { Severity::Critical };
    let severity = severity.unwrap_or(quiet);
    Some(Guardrail { when: when?, after, then, mode, severity, notify, stages, escalate, text, links })
}

fn problem(r: &mut Reader, node: &Node) -> Option<Problem> {
    let mut f = r.fields(node)?;
    let on = f.required(r, "on", Reader::parsed);
    let then = f.required(r, "then", Reader::parsed);
    f.end(r);
    Some(Problem { on: on?, then: then? })
}

fn escalation(r: &mut Reader, node: &Node) -> Option<Escalation> {
    let mut f = r.fields(node)?;
    let after = f.required(r, "after", Reader::parsed);
    let to = f.required(r, "to", Reader::parsed);
    let text = f.optional(r, "text", Reader::text);
    f.end(r);
    Some(Escalation { after: after?, to: to?, text })
}

fn risk(r: &mut Reader, node: &Node) -> Option<Risk> {
    let mut f = r.fields(node)?;
    let what = f.required(r, "what", Reader::text);
    let likelihood = f.required(r, "likelihood", Reader::parsed::<Level>);
    let impact = f.required(r, "impact", Reader::parsed::<Level>);
    let mitigation = f.required(r, "mitigation", Reader::text);
    f.end(r);
    Some(Risk { what: what?, likelihood: likelihood?, impact: impact?, mitigation: mitigation? })
}
