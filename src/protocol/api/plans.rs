//! Applies plans: all or nothing, and nothing that would deal started rollouts out anew.

use std::rc::Rc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::body::Plans;
use super::problem::Problem;
use crate::decide::deployment::Deployment;
use crate::decide::rollout::{Change, Order, Rollout};
use crate::decide::transition::{KV, Refusal, amend};
use crate::model::command::Command;
use crate::model::fault::{Fault, Severity};
use crate::model::history::sha256_hex;
use crate::model::live::Phase;
use crate::model::node::Node;
use crate::model::plan::{Plan, read, together};
use crate::model::{Instant, Name, Percentage};

/// What becomes of each rollout.
pub struct Applied {
    /// The plans' revision afterwards.
    pub revision: u64,
    /// The changes to be stored.
    pub changes: Vec<Change>,
    /// The rollouts that go.
    pub removed: Vec<Name>,
    /// What is told of each.
    pub told: Vec<Told>,
}

/// What is told of a rollout.
#[derive(Serialize)]
pub struct Told {
    rollout: Name,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Box<RawValue>>,
}

/// A plan that was sent, read.
struct Sent {
    plan: Plan,
    node: Node,
}

/// Works out what a set of plans changes. `seen` tells the last revision that KV holds of a rollout.
///
/// # Errors
/// When a plan has errors, or a started rollout does not allow its change.
pub fn apply(deployment: &Deployment, plans: Plans, actor: &str, revision: u64, seen: impl Fn(&Name) -> u64, now: Instant) -> Result<Applied, Problem> {
    let sent = read_all(plans.rollouts, actor == KV)?;
    let is_sent = |key: &Name| sent.iter().any(|sent| sent.plan.key == *key);
    let removed: Vec<Name> = if plans.prune { deployment.rollouts.keys().filter(|key| !is_sent(key)).cloned().collect() } else { Vec::new() };
    check_together(deployment, &sent, &removed)?;
    let mut refusals: Vec<(String, Refusal)> = Vec::new();
    for rollout in removed.iter().filter_map(|key| deployment.rollouts.get(key)).filter(|rollout| is_in_use(rollout)) {
        refusals.push((rollout.plan.key.to_string(), Refusal::InUse));
    }
    let mut changes = Vec::new();
    let mut told = Vec::new();
    for Sent { plan, .. } in sent {
        let text: Rc<str> = serde_json::to_string(&plan).unwrap_or_default().into();
        let known = deployment.rollouts.get(&plan.key);
        if known.is_some_and(|known| known.plan_text == text) {
            told.push(Told { rollout: plan.key, change: "unchanged", entry: None });
            continue;
        }
        if let Some(Err(refusal)) = known.map(|known| amend::check(&known.plan, &plan, &known.record)) {
            refusals.push((plan.key.to_string(), refusal));
            continue;
        }
        let key = plan.key.clone();
        let plan = Rc::new(plan);
        let rollout = match known {
            Some(known) => Rollout { plan, plan_text: Rc::clone(&text), ..known.clone() },
            None => Rollout::new(plan, Rc::clone(&text), seen(&key), now),
        };
        let reason = if plans.reason.is_empty() { "a plan was applied" } else { &plans.reason };
        let command = Command::Apply { plan: revision, digest: sha256_hex(text.as_bytes()) };
        match rollout.change(Order::new(command, actor, reason.to_owned()), now) {
            Ok(change) => {
                told.push(Told { rollout: key, change: if known.is_some() { "changed" } else { "added" }, entry: RawValue::from_string(change.text.clone()).ok() });
                changes.push(change);
            }
            Err(refusal) => refusals.push((key.to_string(), refusal)),
        }
    }
    told.extend(removed.iter().map(|key| Told { rollout: key.clone(), change: "removed", entry: None }));
    if refusals.is_empty() { Ok(Applied { revision, changes, removed, told }) } else { Err(Problem::refused_plans(&refusals)) }
}

/// Whether subjects are on new because of it.
fn is_in_use(rollout: &Rollout) -> bool {
    let live = &rollout.record.live;
    let is_nobody = live.killed || (live.percentage == Percentage::ZERO && live.groups.is_empty());
    !is_nobody && !matches!(live.phase, Phase::Draft | Phase::Completed)
}

/// What stands in KV is in force already.
fn read_all(nodes: Vec<Node>, is_in_force: bool) -> Result<Vec<Sent>, Problem> {
    let mut sent: Vec<Sent> = Vec::new();
    let mut faults = Vec::new();
    for (index, node) in nodes.into_iter().enumerate() {
        let (plan, found) = if is_in_force { read::accepted(&node) } else { read::plan(&node) };
        let name = plan.as_ref().map_or_else(|| named(&node, index), |plan| plan.key.to_string());
        if let Some(plan) = &plan && sent.iter().any(|other| other.plan.key == plan.key) {
            let message = "the key is used twice".to_owned();
            faults.push((name.clone(), Fault { severity: Severity::Error, path: "key".into(), span: None, message, help: Some("give each rollout its own key".into()) }));
        }
        faults.extend(found.into_iter().filter(|fault| fault.severity == Severity::Error).map(|fault| (name.clone(), fault)));
        sent.extend(plan.map(|plan| Sent { plan, node }));
    }
    if faults.is_empty() { Ok(sent) } else { Err(Problem::invalid_plans(&faults)) }
}

fn named(node: &Node, index: usize) -> String {
    match node.field("key").map(|key| &key.value) {
        Some(crate::model::node::Value::Text(key)) => key.clone(),
        _ => format!("rollouts[{index}]"),
    }
}

/// Checks the plans sent together with those that stay.
fn check_together(deployment: &Deployment, sent: &[Sent], removed: &[Name]) -> Result<(), Problem> {
    let stays = |key: &Name| !removed.contains(key) && !sent.iter().any(|sent| sent.plan.key == *key);
    let others: Vec<Sent> = deployment
        .rollouts
        .iter()
        .filter(|rollout| stays(&rollout.plan.key))
        .map(|rollout| Sent { plan: rollout.plan.as_ref().clone(), node: serde_json::from_str(&rollout.plan_text).unwrap_or_default() })
        .collect();
    let all: Vec<&Sent> = sent.iter().chain(&others).collect();
    let pairs: Vec<(&Plan, &Node)> = all.iter().map(|sent| (&sent.plan, &sent.node)).collect();
    let name = |index: usize| all.get(index).map_or_else(String::new, |sent| sent.plan.key.to_string());
    let faults: Vec<(String, Fault)> = together::check(&pairs)
        .into_iter()
        .filter(|(_, fault)| fault.severity == Severity::Error)
        .map(|(index, fault)| (name(index), fault))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid_plans(&faults)) }
}
