//! What an isolate knows of its configuration, and how what was read changes it.
//!
//! What does not parse changes nothing but the log; what is older never replaces what is newer.

mod plans;
mod update;

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use self::plans::Plans;
use self::update::{Echoes, Faults};
use super::cached_copy::CachedCopy;
use super::effect::Log;
use super::{FRESH_MS, MARK_MS_MAX};
use tidegate_decide::reconcile::isolate::settle;
use tidegate_model::fault::Explain as _;
use tidegate_model::group::Fingerprints;
use tidegate_model::live::{LiveState, LiveText};
use tidegate_model::plan::Plan;
use tidegate_model::{Instant, Percentage};
use tidegate_protocol::config::{Catalogue, Snapshot, States};
use tidegate_protocol::needed::Named;

/// KV that could not be read is tried again after this long, in milliseconds.
const RETRY_MS: f64 = 5_000.0;
/// What the controller said of a rollout that is not served yet counts for so long, in milliseconds.
const UPDATE_MS: f64 = 5_000.0;
const PLANS: &str = "plans";
const KILL_ALL: &str = "kill/*";

/// The configuration of an isolate.
#[derive(Default)]
pub struct Configuration {
    /// The configuration compiled.
    pub snapshot: Rc<Snapshot>,
    /// The texts that it was compiled from, by KV key.
    pub texts: HashMap<String, String>,
    /// When KV was last read whole.
    pub read_at_ms: Option<f64>,
    /// When KV last could not be read, unless it has been since.
    pub failed_at_ms: Option<f64>,
    /// When the background read that is under way began.
    pub refreshing_since_ms: Option<f64>,
    /// When the copy in the cache was last written.
    pub copied_at_ms: Option<f64>,
    /// When the controller last answered.
    pub answered_at_ms: Option<f64>,
    /// The headers that the plans in use have named, these and those before.
    pub named: Named,
    /// What is still to be logged.
    pub log: Log,
    states: States,
    /// By rollout: what stands under `stage/KEY` and no controller wrote, echoes aside.
    by_hand: HashMap<String, String>,
    /// By rollout: what the controller said of texts that it has adopted and that may still be read.
    echoes: HashMap<String, Echoes>,
    lists: HashMap<String, List>,
    /// The rollouts whose states are read; it only grows.
    served: BTreeSet<String>,
    /// By rollout: when the controller last said something of it.
    updated_at_ms: HashMap<String, f64>,
    /// What is wrong with what was read last.
    faults: Faults,
    /// Of the faults that requests show, when one was noted last.
    noted_at_ms: HashMap<String, f64>,
    /// The plans that stand in KV, and those in use.
    plans: Plans,
    /// The rollouts (or none) found ready under this catalogue, so that a request walks no dependencies.
    ready: Vec<Option<usize>>,
}

struct List {
    fingerprints: Option<Rc<Fingerprints>>,
    read_at_ms: f64,
}

impl Configuration {
    /// Whether any plans have been read.
    pub fn is_configured(&self) -> bool {
        self.texts.contains_key(PLANS)
    }

    /// Whether that is all of them, so that a request which no rollout takes is nobody's.
    pub const fn is_whole(&self) -> bool {
        !self.plans.is_partial
    }

    /// Since KV was last read whole; infinite where it never was.
    pub fn kv_age_ms(&self, now_ms: f64) -> f64 {
        self.read_at_ms.map_or(f64::INFINITY, |at_ms| now_ms - at_ms)
    }

    /// Since KV or the controller last said what the states are; infinite where neither has.
    pub fn age_ms(&self, now_ms: f64) -> f64 {
        self.answered_at_ms.map_or(f64::INFINITY, |at_ms| now_ms - at_ms).min(self.kv_age_ms(now_ms))
    }

    /// Whether KV could not be read a moment ago.
    pub fn has_just_failed(&self, now_ms: f64) -> bool {
        self.failed_at_ms.is_some_and(|at_ms| now_ms - at_ms < RETRY_MS)
    }

    /// Whether KV is to be read again behind this request, which then does it.
    pub fn take_read_due(&mut self, now_ms: f64) -> bool {
        let is_refreshing = self.refreshing_since_ms.is_some_and(|at_ms| now_ms - at_ms < MARK_MS_MAX);
        let is_due = self.kv_age_ms(now_ms) > FRESH_MS && !is_refreshing && !self.has_just_failed(now_ms);
        if is_due {
            self.refreshing_since_ms = Some(now_ms);
        }
        is_due
    }

    /// The number of the rollout that takes a request.
    pub fn find(&self, host: &str, path: &str) -> Option<usize> {
        self.snapshot.catalogue.router.find(host, path)
    }

    /// Whether every state is known that a request for this rollout depends on.
    pub fn is_ready(&mut self, number: Option<usize>, now_ms: f64) -> bool {
        if self.ready.contains(&number) {
            return true;
        }
        let is_ready = self.is_configured() && self.needed(number, now_ms).is_empty();
        if is_ready {
            let keys: Vec<String> = self.dependencies(number).into_iter().map(|plan| plan.key.to_string()).collect();
            self.served.extend(keys);
            self.ready.push(number);
        }
        is_ready
    }

    /// The rollouts whose states are still to be read for a request for this rollout.
    pub fn needed(&self, number: Option<usize>, now_ms: f64) -> Vec<String> {
        let is_updated = |key: &str| self.updated_at_ms.get(key).is_some_and(|at_ms| now_ms - at_ms < UPDATE_MS);
        let unread = self
            .dependencies(number)
            .into_iter()
            .filter(|plan| !self.served.contains(plan.key.as_str()) && !is_updated(plan.key.as_str()));
        unread.map(|plan| plan.key.to_string()).collect()
    }

    /// The rollouts whose states KV has not been asked for.
    pub fn unserved(&self, number: Option<usize>) -> Vec<String> {
        let unserved = self.dependencies(number).into_iter().filter(|plan| !self.served.contains(plan.key.as_str()));
        unserved.map(|plan| plan.key.to_string()).collect()
    }

    /// The rollout itself, every flag, and what these wait for and require.
    fn dependencies(&self, number: Option<usize>) -> Vec<&Plan> {
        let catalogue = &self.snapshot.catalogue;
        let mut open: Vec<usize> = number.into_iter().chain(catalogue.flags.numbers()).collect();
        let mut is_seen = vec![false; catalogue.rollouts.len()];
        let mut plans = Vec::new();
        while let Some(number) = open.pop() {
            let is_first = is_seen.get_mut(number).is_some_and(|is_seen| !std::mem::replace(is_seen, true));
            if let Some(plan) = catalogue.plan(number).filter(|_| is_first) {
                open.extend(
                    plan.after.iter().chain(&plan.requires).filter_map(|name| catalogue.number_of(name.as_str())),
                );
                plans.push(plan.as_ref());
            }
        }
        plans
    }

    /// The rollouts served so far and those wanted now.
    pub fn served_and(&self, wanted: &[String]) -> BTreeSet<String> {
        self.served.iter().chain(wanted).cloned().collect()
    }

    /// Takes in what was read for these rollouts. Another request's read may have brought others
    /// in the meantime, so what was not asked for stays as it is.
    pub fn absorb(&mut self, texts: &HashMap<String, String>, rollouts: &BTreeSet<String>, now: Instant) {
        self.served.extend(rollouts.iter().cloned());
        let catalogue = self.read_plans(texts.get(PLANS));
        let states = self.settle(&catalogue, texts, rollouts, now);
        let is_same = Rc::ptr_eq(&catalogue, &self.snapshot.catalogue) && states == self.states;
        for key in keys(rollouts).into_iter().filter(|key| key != PLANS) {
            match texts.get(&key) {
                Some(text) => self.texts.insert(key, text.clone()),
                None => self.texts.remove(&key),
            };
        }
        if !is_same {
            log_changes(&mut self.log, &self.states, &states);
            self.states = states;
            self.rebuild(catalogue);
        }
    }

    fn settle(
        &mut self,
        catalogue: &Catalogue,
        texts: &HashMap<String, String>,
        rollouts: &BTreeSet<String>,
        now: Instant,
    ) -> States {
        let mut states = States { all_killed: texts.contains_key(KILL_ALL), ..self.states.clone() };
        for key in rollouts.iter() {
            let Some(plan) = catalogue.number_of(key).and_then(|number| catalogue.plan(number)) else {
                states.live.remove(key);
                continue;
            };
            states.killed.retain(|killed| killed != key);
            if texts.contains_key(&format!("kill/{key}")) {
                let at = states.killed.partition_point(|killed| killed < key);
                states.killed.insert(at, key.clone());
            }
            let name = format!("stage/{key}");
            let text = texts.get(&name).map(String::as_str);
            self.faults.set(&name, Vec::new());
            if text.zip(self.echoes.get(key)).is_some_and(|(text, echoes)| echoes.contain(text, now)) {
                continue;
            }
            self.by_hand.remove(key);
            match settle(plan, states.live.get(key), text, now) {
                Ok(state) => {
                    if let Some(text) = text.filter(|text| !matches!(LiveText::parse(text), Ok(LiveText::Written(_)))) {
                        self.by_hand.insert(key.clone(), text.to_owned());
                    }
                    states.live.insert(key.clone(), state);
                }
                Err(error) => {
                    self.by_hand.extend(text.map(|text| (key.clone(), text.to_owned())));
                    let message = format!("{error}; the last good state stays");
                    self.log.warn("stage_unreadable", &name, &message);
                    self.faults.set(&name, vec![message]);
                }
            }
        }
        states
    }

    /// Takes in the copy from the cache. An old one is believed in everything but its percentages.
    pub fn absorb_copy(&mut self, copy: &CachedCopy, now: Instant) {
        let rollouts = copy.texts.keys().filter_map(|key| key.strip_prefix("stage/")).map(str::to_owned).collect();
        self.absorb(&copy.texts, &rollouts, now);
        if !copy.is_trusted(now.as_epoch_ms() as f64) {
            for state in self.states.live.values_mut() {
                *state = LiveState { percentage: Percentage::ZERO, groups: Vec::new(), ..state.clone() };
            }
            let catalogue = Rc::clone(&self.snapshot.catalogue);
            self.rebuild(catalogue);
        }
    }

    /// The lists that KV holds and that were last read before `before_ms`, or never.
    pub fn lists_older_than(&self, before_ms: f64) -> Vec<String> {
        let is_old = |name: &&String| self.lists.get(*name).is_none_or(|list| list.read_at_ms < before_ms);
        self.snapshot.catalogue.lists.iter().filter(is_old).cloned().collect()
    }

    /// The last good version of a list.
    fn list(&self, name: &str) -> Option<&Rc<Fingerprints>> {
        self.lists.get(name).and_then(|list| list.fingerprints.as_ref())
    }

    /// Takes in a list; one that cannot be read leaves the last good one in place.
    pub fn absorb_list(&mut self, name: &str, bytes: Option<&[u8]>, now_ms: f64) {
        let key = format!("group/{name}");
        let read = match bytes {
            Some(bytes) => Fingerprints::read(bytes)
                .map(Rc::new)
                .map_err(|error| format!("{error}; {}", error.help().unwrap_or_default())),
            None => Err("the key does not exist".to_owned()),
        };
        self.faults.set(&key, read.as_ref().err().cloned().into_iter().collect());
        let fingerprints = match read {
            Ok(list) => Some(list),
            Err(error) => {
                self.log.warn("group_unreadable", &key, &error);
                self.list(name).cloned()
            }
        };
        self.lists.insert(name.to_owned(), List { fingerprints, read_at_ms: now_ms });
        let catalogue = Rc::clone(&self.snapshot.catalogue);
        self.rebuild(catalogue);
    }

    fn rebuild(&mut self, catalogue: Rc<Catalogue>) {
        if !Rc::ptr_eq(&catalogue, &self.snapshot.catalogue) {
            self.ready.clear();
            self.named.learn(&catalogue);
        }
        let lists = catalogue.lists.iter().map(|name| self.list(name).cloned()).collect();
        self.snapshot = Rc::new(Snapshot::new(catalogue, &self.states, lists));
    }
}

/// The KV keys of the plans, the kill of everything, and these rollouts' states and kills.
pub fn keys(rollouts: &BTreeSet<String>) -> Vec<String> {
    let of_rollouts = rollouts.iter().flat_map(|key| [format!("stage/{key}"), format!("kill/{key}")]);
    [PLANS.to_owned(), KILL_ALL.to_owned()].into_iter().chain(of_rollouts).collect()
}

fn log_changes(log: &mut Log, last: &States, next: &States) {
    if last.all_killed != next.all_killed {
        log.note("kill", "*", if next.all_killed { "everything is killed" } else { "no longer everything is killed" });
    }
    for (key, state) in &next.live {
        let was_killed = last.killed.contains(key);
        let is_killed = next.killed.contains(key);
        if last.live.get(key) != Some(state) || was_killed != is_killed {
            let killed = if is_killed || state.killed { ", killed" } else { "" };
            log.note(
                "state",
                key,
                &format!("{} at {} % in stage {}{killed}", state.phase, state.percentage, state.stage),
            );
        }
    }
}
