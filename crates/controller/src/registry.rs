//! The isolates that have come lately: which there are, how long their lists are, and what is wrong with
//! their configuration. Nothing of it is stored: within a minute of a restart each of them has come again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tidegate_decide::deployment::Deployment;
use tidegate_decide::rollout::{Change, Noticed};
use tidegate_model::command::Command;
use tidegate_model::plan::Plan;
use tidegate_model::subject::fnv1a64;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::view::is_about;
use tidegate_protocol::diversion::{OpenBreaker, OpenBreakers};
use tidegate_protocol::flush::{Flush, HeldList, LISTS_MAX, Relayed};
use tidegate_protocol::reach::{Kills, Reach};

/// An isolate that has not come for this long is gone, and so is a fault that nobody reports.
const PRESENT_MS: i64 = 60_000;
/// So many faults of one flush count.
const FAULTS_PER_FLUSH_MAX: usize = 32;
/// So many faults are kept.
const FAULTS_MAX: usize = 200;
const MESSAGE_CHARS_MAX: usize = 300;
/// Who is gone is looked for this often.
const SWEEP_MS: i64 = 1_000;

/// The isolates that have come lately, and the relays, each of which speaks for isolates.
#[derive(Default)]
pub struct IsolateRegistry {
    isolates: HashMap<String, Isolate>,
    swept_ms: i64,
    faults: Vec<Fault>,
    kills: Kills,
    /// The same of everything that takes users back, kills and rollbacks.
    backs: Kills,
    /// The breakers that are open in some of them.
    breakers: OpenBreakers,
}

/// An isolate.
struct Isolate {
    last: Instant,
    /// The number of its last batch that is stored, where that is known.
    sequence: Option<u64>,
    /// The lists that it holds, and how many ids each has.
    lists: Vec<(String, u64)>,
    /// The revisions that it knows, by the hashes of their rollouts' keys, where that was noted; `None` where it
    /// knows none.
    known: Option<Vec<(u64, u64)>>,
    /// What it tells as a relay.
    relayed: Option<Relayed>,
}

impl Isolate {
    const fn new(last: Instant) -> Self {
        Self { last, sequence: None, lists: Vec::new(), known: None, relayed: None }
    }

    /// How many isolates it is, or speaks for.
    fn isolates(&self) -> usize {
        self.relayed.as_ref().map_or(1, |relayed| relayed.isolates)
    }

    /// How many of them may not know this revision of a rollout. One that does not serve the rollout cannot serve it
    /// wrongly; one that asks for everything may.
    fn behind(&self, key: &str, revision: u64) -> usize {
        if let Some(relayed) = &self.relayed {
            return relayed.behind(key, revision);
        }
        let hash = fnv1a64(key.as_bytes());
        let is_behind = |known: &Vec<(u64, u64)>| known.iter().any(|(own, at)| *own == hash && *at < revision);
        usize::from(self.known.as_ref().is_none_or(is_behind))
    }
}

/// A fault, each once, whoever reports it.
struct Fault {
    noticed: Noticed,
    last: Instant,
}

/// A clock that has been set back must not make anybody stay forever.
fn is_recent(at: Instant, now: Instant) -> bool {
    now.ms_since(at).abs() < PRESENT_MS
}

impl IsolateRegistry {
    /// Since when isolates count as being there.
    pub const fn since_ms(now: Instant) -> i64 {
        now.as_epoch_ms() - PRESENT_MS
    }

    /// An isolate has come, or a relay. Returns whether those who are gone were looked for.
    pub fn note(&mut self, flush: &Flush, now: Instant) -> bool {
        match self.isolates.get_mut(&flush.isolate) {
            Some(own) => (own.last, own.relayed) = (now, flush.relay.clone()),
            None => {
                let own = Isolate { relayed: flush.relay.clone(), ..Isolate::new(now) };
                self.isolates.insert(flush.isolate.clone(), own);
            }
        }
        self.breakers.note(&flush.breakers, now);
        let is_due = (now.as_epoch_ms() - self.swept_ms).abs() >= SWEEP_MS;
        if is_due {
            self.swept_ms = now.as_epoch_ms();
            self.isolates.retain(|_, own| is_recent(own.last, now));
        }
        is_due
    }

    /// The breakers that are open in some isolate, as isolates and relays have reported lately.
    pub fn open_breakers(&self, now: Instant) -> Vec<OpenBreaker> {
        self.breakers.current(now)
    }

    /// The number of an isolate's last batch that is stored, where that is known.
    pub fn sequence(&self, isolate: &str) -> Option<u64> {
        self.isolates.get(isolate).and_then(|own| own.sequence)
    }

    /// A batch of an isolate is stored.
    pub fn note_sequence(&mut self, isolate: String, sequence: u64, at: Instant) {
        let own = self.isolates.entry(isolate).or_insert_with(|| Isolate::new(at));
        own.last = at;
        own.sequence = Some(sequence);
    }

    /// The lists that an isolate holds.
    pub fn note_lists(&mut self, isolate: &str, lists: &[(String, u64)]) {
        if let Some(own) = self.isolates.get_mut(isolate).filter(|own| own.lists != lists) {
            own.lists = lists.iter().take(LISTS_MAX).cloned().collect();
        }
    }

    /// The lists that isolates hold now, by name, each with the numbers of ids in its versions.
    pub fn lists(&self, now: Instant) -> Vec<HeldList> {
        let mut held: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for (group, ids) in self.present(now).flat_map(|(_, own)| &own.lists) {
            held.entry(group).or_default().insert(*ids);
        }
        held.into_iter()
            .map(|(group, ids)| HeldList { group: group.to_owned(), ids: ids.into_iter().collect() })
            .collect()
    }

    /// An isolate has been sent elsewhere, so it is to be counted there.
    pub fn dismiss(&mut self, isolate: &str) {
        self.isolates.remove(isolate);
    }

    /// An isolate has sent which states it knows.
    pub fn note_known(&mut self, flush: &Flush, now: Instant) {
        self.kills.hear(flush, now);
        self.backs.hear(flush, now);
    }

    /// The same, to be asked for later with [`Self::behind`].
    pub fn note_revisions(&mut self, flush: &Flush) {
        if let Some(own) = self.isolates.get_mut(&flush.isolate) {
            let hashed = |(key, revision): &(String, u64)| (fnv1a64(key.as_bytes()), *revision);
            own.known = flush.known.as_ref().map(|known| known.iter().map(hashed).collect());
        }
    }

    /// How many isolates may not know this revision of a rollout, of those whose revisions were noted.
    pub fn behind(&self, key: &str, revision: u64, now: Instant) -> usize {
        self.present(now).map(|(_, own)| own.behind(key, revision)).sum()
    }

    /// Those that have come within the last minute, by name.
    fn present(&self, now: Instant) -> impl Iterator<Item = (&str, &Isolate)> {
        let there = self.isolates.iter().filter(move |(_, own)| is_recent(own.last, now));
        there.map(|(isolate, own)| (isolate.as_str(), own))
    }

    /// A rollout has been changed: a kill is watched on its way.
    pub fn note_change(&mut self, change: &Change, now: Instant) {
        match change.entry.command {
            Command::Kill(_) => self.note_kill(&change.key, change.entry.revision, now),
            _ if !change.entry.state.killed => self.kills.end(&change.key),
            _ => {}
        }
    }

    /// A rollout is killed by this revision, which isolates may not know yet.
    pub fn note_kill(&mut self, key: &Name, revision: u64, now: Instant) {
        let there: Vec<String> = self.present(now).map(|(isolate, _)| isolate.to_owned()).collect();
        self.kills.begin(key, revision, there.iter().map(String::as_str), now);
    }

    /// A rollout is taken back by this revision, which isolates may not know yet.
    pub fn note_back(&mut self, key: &Name, revision: u64, now: Instant) {
        let there: Vec<String> = self.present(now).map(|(isolate, _)| isolate.to_owned()).collect();
        self.backs.begin(key, revision, there.iter().map(String::as_str), now);
    }

    /// How many isolates there are, and how many of them may go by a state from before a rollout was taken back.
    pub fn back(&self, key: &Name, now: Instant) -> (usize, usize) {
        let there = self.present(now).map(|(isolate, own)| (isolate, own.relayed.as_ref()));
        let own = self.backs.reaches(there, now).into_iter().find(|own| own.key == *key);
        own.map_or((0, 0), |own| (own.isolates, own.behind))
    }

    /// How far kills have come.
    pub fn reaches(&self, now: Instant) -> Vec<Reach> {
        self.kills.reaches(self.present(now).map(|(isolate, own)| (isolate, own.relayed.as_ref())), now)
    }

    /// How many isolates there are, whomever they report to.
    pub fn count(&self) -> usize {
        self.isolates.values().map(Isolate::isolates).sum()
    }

    /// How many report to this object itself.
    pub fn reporters(&self) -> usize {
        self.isolates.len()
    }

    /// What is wrong with an isolate's configuration.
    pub fn note_faults(&mut self, faults: &[(String, String)], now: Instant) {
        self.faults.retain(|fault| is_recent(fault.last, now));
        for (subject, message) in faults.iter().take(FAULTS_PER_FLUSH_MAX) {
            let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
            let subject: String = subject.chars().take(MESSAGE_CHARS_MAX).collect();
            let is_full = self.faults.len() >= FAULTS_MAX;
            match self.faults.iter_mut().find(|own| own.noticed.subject == subject && own.noticed.message == message) {
                Some(own) => own.last = now,
                None if !is_full => {
                    self.faults.push(Fault { noticed: Noticed { subject, message, at: now }, last: now })
                }
                None => {}
            }
        }
    }

    /// The faults that are reported now.
    pub fn faults(&self, now: Instant) -> Vec<Noticed> {
        self.faults.iter().filter(|fault| is_recent(fault.last, now)).map(|fault| fault.noticed.clone()).collect()
    }

    /// How many faults each rollout has that has any.
    pub fn by_rollout(&self, deployment: &Deployment, now: Instant) -> Vec<(Name, u64)> {
        let faults = self.faults(now);
        if faults.is_empty() {
            return Vec::new();
        }
        let count = |plan: &Plan| faults.iter().filter(|fault| is_about(plan, &fault.subject)).count() as u64;
        deployment.rollouts.iter().map(|rollout| (rollout.plan.key.clone(), count(&rollout.plan))).collect()
    }
}
