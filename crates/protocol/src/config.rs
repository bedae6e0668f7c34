//! A deployment's configuration, compiled: what the edge keeps in memory.
//!
//! A [`Catalogue`] is made when the plans change and a [`Snapshot`] when a live state, a kill or a
//! list does. Each rollout is read by itself: a broken one keeps its last good plan, or is left
//! out, and spoils no other.

pub mod by_hand;

use std::fmt;
use std::rc::Rc;

use fnv::FnvHashMap;

use super::address::Address;
use super::flags::Flags;
use super::routing::Router;
use tidegate_decide::compiled::{CompiledRollout, GroupIndex};
use tidegate_model::dimension::Dimension;
use tidegate_model::fault::Severity;
use tidegate_model::group::Fingerprints;
use tidegate_model::live::LiveState;
use tidegate_model::node::{Node, Value};
use tidegate_model::plan::set::{PlanSet, PlanSetError, read_rollout, remains_of};
use tidegate_model::plan::{Backend, Group, Identity, Plan};
use tidegate_model::subject::fnv1a64;

/// The plans of a deployment, ready to be looked up.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// The plans' revision.
    pub revision: u64,
    /// In the order of the plans.
    pub rollouts: Vec<Entry>,
    /// Which rollout takes a request.
    pub router: Router,
    /// The rollouts that are flags.
    pub flags: Flags,
    /// Whether any of them tells failures apart by country: no request looks at a thousand plans for it.
    pub has_flags_by_country: bool,
    /// The different identity lists.
    pub identities: Vec<Identity>,
    /// Every group of every plan.
    pub groups: Vec<GroupEntry>,
    /// The names of the lists that KV holds.
    pub lists: Vec<String>,
    list_numbers: FnvHashMap<String, usize>,
    by_key: FnvHashMap<String, usize>,
}

/// A rollout of the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// Its plan.
    pub plan: Rc<Plan>,
    /// The number of its identity list.
    pub identity: usize,
    /// The number of its first group.
    first_group: usize,
    /// The hash of the text that the plan was read from.
    source: u64,
    /// Its plan has errors, and no good one is known: all that it is for is that legacy answers.
    is_broken: bool,
    /// Whether its plan says who else is a robot. A request with a thousand flags does not look into their plans for it.
    pub has_own_robots: bool,
}

/// A group of one plan.
#[derive(Debug)]
pub struct GroupEntry {
    plan: Rc<Plan>,
    index: usize,
    /// The number of its identity list.
    pub identity: usize,
    /// The number of the KV list with more ids.
    pub list: Option<usize>,
}

impl GroupEntry {
    /// The group as the plan has it.
    pub fn group(&self) -> Option<&Group> {
        self.plan.groups.0.get(self.index).map(|(_, group)| group)
    }

    /// The plan that it belongs to.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// A rollout of `plans` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRollout {
    /// Its key, or its place in the list where it has none.
    pub key: String,
    /// Whether its last good plan goes on.
    pub keeps_last: bool,
    /// Whether legacy answers its requests: its routes and upstreams could be read.
    pub is_legacy: bool,
    /// What is wrong.
    pub faults: Vec<String>,
}

impl fmt::Display for BrokenRollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let consequence = match (self.keeps_last, self.is_legacy) {
            (true, _) => "its last good plan goes on",
            (false, true) => "legacy answers its requests",
            (false, false) => "it is left out",
        };
        write!(f, "the plan of `{}` has errors, so {consequence}: {}", self.key, self.faults.join("; "))
    }
}

impl Catalogue {
    /// Compiles the value of the KV key `plans`. Plans that are in `last` with the same text are
    /// taken from there.
    ///
    /// # Errors
    /// When the value as a whole cannot be read.
    pub fn compile(text: &str, last: Option<&Self>) -> Result<(Self, Vec<BrokenRollout>), PlanSetError> {
        let (catalogue, broken, _) = Self::of(&PlanSet::parse(text)?, last);
        Ok((catalogue, broken))
    }

    /// The same, and the number of rollouts that have no key, so that nobody knows which ones they are.
    fn of(set: &PlanSet<'_>, last: Option<&Self>) -> (Self, Vec<BrokenRollout>, usize) {
        let known = last.map_or(&[][..], |last| &last.rollouts);
        let mut catalogue = Self { revision: set.revision, ..Self::default() };
        let mut broken = Vec::new();
        let mut keyless = 0;
        for (index, raw) in set.rollouts.iter().enumerate() {
            let source = fnv1a64(raw.get().as_bytes());
            // An unchanged plan mostly stands where it stood.
            let is_it = |entry: &&Entry| entry.source == source && !entry.is_broken;
            let read = match known.get(index).filter(is_it).or_else(|| known.iter().find(is_it)) {
                Some(entry) => Ok(Rc::clone(&entry.plan)),
                None => read_rollout(raw.get()).map(Rc::new),
            };
            match read {
                Ok(plan) if catalogue.by_key.contains_key(plan.key.as_str()) => {
                    broken.push(BrokenRollout {
                        key: plan.key.to_string(),
                        keeps_last: true,
                        is_legacy: false,
                        faults: vec!["its key is taken by the rollout before it".into()],
                    });
                }
                Ok(plan) => catalogue.add(plan, source, false),
                Err(faults) => {
                    let key = key_of(raw.get()).unwrap_or_else(|| {
                        keyless += 1;
                        format!("rollouts[{index}]")
                    });
                    let kept = last
                        .and_then(|last| last.rollouts.get(last.number_of(&key)?))
                        .filter(|kept| !kept.is_broken && catalogue.number_of(&key).is_none());
                    let remains = if kept.is_none() {
                        remains_of(raw.get())
                            .filter(|plan| plan.upstreams.is_some() && catalogue.number_of(plan.key.as_str()).is_none())
                    } else {
                        None
                    };
                    broken.push(BrokenRollout {
                        key,
                        keeps_last: kept.is_some(),
                        is_legacy: remains.is_some(),
                        faults: faults
                            .iter()
                            .filter(|fault| fault.severity == Severity::Error)
                            .map(ToString::to_string)
                            .collect(),
                    });
                    match (kept, remains) {
                        (Some(kept), _) => catalogue.add(Rc::clone(&kept.plan), kept.source, false),
                        (None, Some(plan)) => catalogue.add(Rc::new(plan), source, true),
                        (None, None) => {}
                    }
                }
            }
        }
        (catalogue, broken, keyless)
    }

    fn add(&mut self, plan: Rc<Plan>, source: u64, is_broken: bool) {
        let number = self.rollouts.len();
        let identity = self.identities.iter().position(|identity| *identity == plan.identity).unwrap_or_else(|| {
            self.identities.push(plan.identity.clone());
            self.identities.len() - 1
        });
        let first_group = self.groups.len();
        for (index, (name, group)) in plan.groups.0.iter().enumerate() {
            let list = group.kv.then(|| self.list_number(name.as_str()));
            self.groups.push(GroupEntry { plan: Rc::clone(&plan), index, identity, list });
        }
        for route in &plan.routes {
            self.router.add(route, number);
        }
        self.router.except(&plan.except, number);
        if plan.is_flag() {
            self.flags.add(number, &plan);
            self.has_flags_by_country |= plan.dimensions.contains(&Dimension::Country);
        }
        self.by_key.insert(plan.key.to_string(), number);
        let has_own_robots = !plan.robots.also.is_empty();
        self.rollouts.push(Entry { plan, identity, first_group, source, is_broken, has_own_robots });
    }

    fn list_number(&mut self, name: &str) -> usize {
        if let Some(number) = self.list_numbers.get(name) {
            return *number;
        }
        self.list_numbers.insert(name.to_owned(), self.lists.len());
        self.lists.push(name.to_owned());
        self.lists.len() - 1
    }

    /// The number of the rollout with this key.
    pub fn number_of(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// Where requests go that a rollout takes but for its exceptions: to its legacy, untouched.
    pub fn excepting(&self, address: &Address<'_>) -> Option<&Backend> {
        let plan = self.plan(self.router.find_excepting(address.host(), address.path)?)?;
        plan.upstreams.as_ref().map(|upstreams| &upstreams.legacy)
    }

    /// The plan of a rollout.
    pub fn plan(&self, number: usize) -> Option<&Rc<Plan>> {
        self.rollouts.get(number).map(|entry| &entry.plan)
    }
}

impl GroupIndex for Catalogue {
    fn group(&self, plan: &Plan, name: &str) -> Option<usize> {
        let entry = self.rollouts.get(self.number_of(plan.key.as_str())?)?;
        let index = plan.groups.names().position(|own| own == name)?;
        Some(entry.first_group + index)
    }

    fn rollout(&self, key: &str) -> Option<usize> {
        self.number_of(key)
    }
}

fn key_of(text: &str) -> Option<String> {
    let node: Node = serde_json::from_str(text).ok()?;
    match &node.field("key")?.value {
        Value::Text(key) => Some(key.clone()),
        _ => None,
    }
}

/// The live states and kills by which a snapshot is made, by key of rollout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States {
    /// The live states that could be read.
    pub live: FnvHashMap<String, LiveState>,
    /// The rollouts whose `kill/KEY` exists.
    pub killed: Vec<String>,
    /// Whether `kill/*` exists.
    pub all_killed: bool,
}

impl States {
    fn is_killed(&self, key: &str) -> bool {
        self.all_killed || self.killed.iter().any(|killed| killed == key)
    }

    fn has_ended(&self, key: &str) -> bool {
        self.live.get(key).is_some_and(LiveState::has_ended)
    }
}

/// Everything that a request is decided on, at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The plans.
    pub catalogue: Rc<Catalogue>,
    /// Each rollout's standing, by number.
    pub standings: Vec<CompiledRollout>,
    /// The lists of `catalogue.lists`, by number; `None` where one could not be read.
    pub lists: Vec<Option<Rc<Fingerprints>>>,
}

impl Snapshot {
    /// Boils every rollout down to what an assignment needs.
    pub fn new(catalogue: Rc<Catalogue>, states: &States, lists: Vec<Option<Rc<Fingerprints>>>) -> Self {
        let standing = |entry: &Entry| {
            let plan = &entry.plan;
            let key = plan.key.as_str();
            let is_waiting = plan.after.iter().any(|name| !states.has_ended(name.as_str()));
            CompiledRollout::new(
                plan,
                states.live.get(key).filter(|_| !entry.is_broken),
                states.is_killed(key),
                is_waiting,
                catalogue.as_ref(),
            )
        };
        let standings = catalogue.rollouts.iter().map(standing).collect();
        Self { catalogue, standings, lists }
    }
}
