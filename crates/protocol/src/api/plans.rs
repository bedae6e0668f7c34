//! Applies plans: all or nothing, and nothing that would assign users of a started rollout again.

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::value::RawValue;

use super::body::Plans;
use super::problem::Problem;
use super::shapes::{PlanApplied, Text};
use tidegate_decide::deployment::Deployment;
use tidegate_decide::rollout::{Change, Order, Rollout};
use tidegate_decide::transition::{KV, Refusal, amend};
use tidegate_model::command::Command;
use tidegate_model::fault::{Fault, Faults, Severity};
use tidegate_model::history::{KvFound, sha256_hex};
use tidegate_model::live::Phase;
use tidegate_model::node::Node;
use tidegate_model::number::Grouped;
use tidegate_model::plan::limits::{ROLLOUTS_MAX, SET_BYTES_MAX};
use tidegate_model::plan::set::read_rollout;
use tidegate_model::plan::{Plan, read, together};
use tidegate_model::{Instant, Name, Percentage};

/// What stands around the plans where isolates get them, at the most.
const SET_BYTES_FRAME: usize = 2 * ROLLOUTS_MAX;

/// What becomes of each rollout.
pub struct Applied {
    /// The plans' revision afterwards.
    pub revision: u64,
    /// The changes to be stored.
    pub changes: Vec<Change>,
    /// The rollouts that go.
    pub removed: Vec<Name>,
    /// What is answered of each.
    pub reported: Vec<PlanApplied>,
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
pub fn apply(
    deployment: &Deployment,
    plans: Plans,
    actor: &str,
    revision: u64,
    seen: impl Fn(&Name) -> u64,
    now: Instant,
) -> Result<Applied, Problem> {
    let sent = read_all(plans.rollouts, actor == KV)?;
    let keys: HashSet<&Name> = sent.iter().map(|sent| &sent.plan.key).collect();
    let is_sent = |key: &Name| keys.contains(key);
    let removed: Vec<Name> = if plans.prune {
        deployment.rollouts.keys().filter(|key| !is_sent(key)).cloned().collect()
    } else {
        Vec::new()
    };
    check_together(deployment, &sent, &removed)?;
    let mut refusals: Vec<(String, Refusal)> = Vec::new();
    for rollout in removed.iter().filter_map(|key| deployment.rollouts.get(key)).filter(|rollout| is_in_use(rollout)) {
        refusals.push((rollout.plan.key.to_string(), Refusal::InUse));
    }
    let mut changes = Vec::new();
    let mut reported = Vec::new();
    for Sent { plan, .. } in sent {
        let text: Rc<str> = serde_json::to_string(&plan).unwrap_or_default().into();
        let known = deployment.rollouts.get(&plan.key);
        if known.is_some_and(|known| known.plan_text == text && known.unread.is_none()) {
            reported.push(PlanApplied { rollout: (&plan.key).into(), change: Text::word("unchanged"), entry: None });
            continue;
        }
        if let Some(Err(refusal)) =
            known.filter(|known| known.unread.is_none()).map(|known| amend::check(&known.plan, &plan, &known.record))
        {
            refusals.push((plan.key.to_string(), refusal));
            continue;
        }
        let key = plan.key.clone();
        let plan = Rc::new(plan);
        let rollout = match known {
            Some(known) => Rollout { plan, plan_text: Rc::clone(&text), unread: None, ..known.clone() },
            None => Rollout::new(plan, Rc::clone(&text), seen(&key), now),
        };
        let command = Command::Apply { plan: revision, digest: sha256_hex(text.as_bytes()) };
        let order = if actor == KV {
            Order { reason: plans.reason.clone(), ..Order::of_kv(command, "plans", None, KvFound::Text) }
        } else {
            Order::new(command, actor, plans.reason.clone())
        };
        match rollout.change(order, now) {
            Ok(change) => {
                reported.push(PlanApplied {
                    rollout: (&key).into(),
                    change: Text::word(if known.is_some() { "changed" } else { "added" }),
                    entry: RawValue::from_string(change.text.clone()).ok(),
                });
                changes.push(change);
            }
            Err(refusal) => refusals.push((key.to_string(), refusal)),
        }
    }
    reported.extend(removed.iter().map(|key| PlanApplied {
        rollout: key.into(),
        change: Text::word("removed"),
        entry: None,
    }));
    if !refusals.is_empty() {
        return Err(Problem::refused_plans(&refusals));
    }
    check_size(deployment, &changes, &removed)?;
    Ok(Applied { revision, changes, removed, reported })
}

/// Whether users are on new because of it.
fn is_in_use(rollout: &Rollout) -> bool {
    let live = &rollout.record.live;
    let is_nobody = live.killed || (live.percentage == Percentage::ZERO && live.groups.is_empty());
    !is_nobody && !matches!(live.phase, Phase::Draft | Phase::Completed)
}

/// What stands in KV is in force already.
fn read_all(nodes: Vec<Node>, is_in_force: bool) -> Result<Vec<Sent>, Problem> {
    if nodes.len() > ROLLOUTS_MAX {
        return Err(Problem::invalid_plans(&[], vec![too_many(nodes.len())]));
    }
    let mut sent: Vec<Sent> = Vec::new();
    let mut keys: HashSet<Name> = HashSet::new();
    let mut faults = Named::default();
    for (index, node) in nodes.into_iter().enumerate() {
        let (plan, mut found) = read::judged(&node, !is_in_force);
        let name = plan.as_ref().map_or_else(|| named(&node, index), |plan| plan.key.to_string());
        if let Some(plan) = &plan {
            if !keys.insert(plan.key.clone()) {
                let message = "the key is used twice".to_owned();
                found.push(Fault {
                    severity: Severity::Error,
                    path: "key".into(),
                    span: None,
                    message,
                    help: Some("give each rollout its own key".into()),
                });
            } else if !is_read_again(plan) {
                let message = "what is printed of this plan would not be read as the same plan, so it cannot be stored"
                    .to_owned();
                found.push(Fault {
                    severity: Severity::Error,
                    path: String::new(),
                    span: None,
                    message,
                    help: Some("this is a fault of Tidegate: leave out what is unusual about the plan".into()),
                });
            }
        }
        faults.add(&name, found);
        sent.extend(plan.map(|plan| Sent { plan, node }));
    }
    faults.into_result().map(|()| sent)
}

/// Whether the plan is the same once it has been stored. What is stored and cannot be read any more would
/// take its rollout away.
fn is_read_again(plan: &Plan) -> bool {
    let text = serde_json::to_string(plan).unwrap_or_default();
    read_rollout(&text).is_ok_and(|read| read == *plan)
}

fn too_many(count: usize) -> Fault {
    let message =
        format!("{} rollouts are too many for one deployment: at most {}", Grouped(count), Grouped(ROLLOUTS_MAX));
    Fault { severity: Severity::Error, path: "rollouts".into(), span: None, message, help: None }
}

/// The errors of several plans, each with its rollout's name: the first of them, and how many there are.
#[derive(Default)]
struct Named {
    /// The rollout of each error that is listed.
    names: Vec<String>,
    all: Faults,
}

impl Named {
    fn add(&mut self, name: &str, found: Faults) {
        self.all.extend(found, |_, fault| Some(fault).filter(|fault| fault.severity == Severity::Error));
        self.names.resize(self.all.reported().len(), name.to_owned());
    }

    fn into_result(self) -> Result<(), Problem> {
        if self.all.has_errors() { Err(Problem::invalid_plans(&self.names, self.all.into_errors())) } else { Ok(()) }
    }
}

fn named(node: &Node, index: usize) -> String {
    match node.field("key").map(|key| &key.value) {
        Some(tidegate_model::node::Value::Text(key)) => key.clone(),
        _ => format!("rollouts[{index}]"),
    }
}

/// Checks the plans sent together with those that stay.
fn check_together(deployment: &Deployment, sent: &[Sent], removed: &[Name]) -> Result<(), Problem> {
    let gone: HashSet<&Name> = removed.iter().chain(sent.iter().map(|sent| &sent.plan.key)).collect();
    let stays = |key: &Name| !gone.contains(key);
    let others: Vec<Sent> = deployment
        .rollouts
        .iter()
        .filter(|rollout| stays(&rollout.plan.key))
        // Nobody reads of places in plans that were not sent.
        .map(|rollout| Sent { plan: rollout.plan.as_ref().clone(), node: Node::default() })
        .collect();
    let all: Vec<&Sent> = sent.iter().chain(&others).collect();
    if all.len() > ROLLOUTS_MAX {
        return Err(Problem::invalid_plans(&[], vec![too_many(all.len())]));
    }
    let pairs: Vec<(&Plan, &Node)> = all.iter().map(|sent| (&sent.plan, &sent.node)).collect();
    let mut faults = Named::default();
    for (index, found) in together::check(&pairs) {
        let name = all.get(index).map_or_else(String::new, |sent| sent.plan.key.to_string());
        faults.add(&name, found);
    }
    faults.into_result()
}

/// Whether all plans of a deployment together can still be sent to isolates.
fn check_size(deployment: &Deployment, changes: &[Change], removed: &[Name]) -> Result<(), Problem> {
    let changed: HashSet<&Name> = changes.iter().map(|change| &change.key).chain(removed).collect();
    let stays = deployment
        .rollouts
        .iter()
        .filter(|rollout| !changed.contains(&rollout.plan.key))
        .map(|rollout| rollout.plan_text.len());
    let bytes: usize = stays.chain(changes.iter().map(|change| change.rollout.plan_text.len())).sum();
    if bytes + SET_BYTES_FRAME <= SET_BYTES_MAX {
        return Ok(());
    }
    let message = format!("all plans together have {} bytes; at most {}", Grouped(bytes), Grouped(SET_BYTES_MAX));
    let help = "long lists of ids belong under the KV key `group/NAME`; other rollouts into a second deployment";
    let (path, help) = ("rollouts".to_owned(), Some(help.to_owned()));
    let fault = Fault { severity: Severity::Error, path, span: None, message, help };
    Err(Problem::invalid_plans(&[], vec![fault]))
}
