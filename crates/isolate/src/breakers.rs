//! The breakers of one isolate: one for each upstream that is new, and one for each endpoint that a plan names, so
//! that `/api/x` alone is left alone where it alone fails. Never one for legacy, for which nobody could answer.
//!
//! A path belongs to the most specific endpoint that takes it. What another plan or another upstream says of an
//! address says nothing of this one: a rollout whose `new` has moved begins anew.
//!
//! Isolates report to each other which are open, with their flushes. What that does is the breaker's affair.

use super::breaker::{Breaker, SUSPECTED_MS, Turn};
use tidegate_model::Name;
use tidegate_model::plan::{Place, Plan};
use tidegate_model::subject::fnv1a64;
use tidegate_protocol::diversion::{Guarded, News, OPEN_MAX, OpenBreaker, Passage};

/// So many breakers are kept; with more, all of them begin anew.
const BREAKERS_MAX: usize = 4_096;

/// Which breaker a request has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// A breaker has opened or closed, or others say that new fails: for the log.
#[derive(Debug, PartialEq, Eq)]
pub struct BreakerRemark {
    /// Whether something is wrong.
    pub is_warning: bool,
    /// The log's event.
    pub event: &'static str,
    /// The rollout.
    pub rollout: String,
    /// What has happened, in a sentence.
    pub message: String,
}

struct Entry {
    rollout: Name,
    new: Place,
    endpoint: Option<Name>,
    breaker: Breaker,
}

impl Entry {
    fn is_of(&self, plan: &Plan, new: &Place, endpoint: Option<&Name>) -> bool {
        self.endpoint.as_ref() == endpoint && self.rollout == plan.key && self.new == *new
    }

    fn shared(&self) -> OpenBreaker {
        open(&self.rollout, &self.new, self.endpoint.as_ref())
    }
}

fn open(rollout: &Name, new: &Place, endpoint: Option<&Name>) -> OpenBreaker {
    let endpoint = endpoint.map(Name::to_string);
    OpenBreaker { rollout: rollout.to_string(), new: new.to_string(), endpoint }
}

/// All breakers.
#[derive(Default)]
pub struct Breakers {
    entries: Vec<Entry>,
    /// By number of rollout, and then by endpoint, the first for what no endpoint takes: where its breaker probably is.
    places: Vec<Vec<usize>>,
    /// Tells this isolate's pauses from another's.
    seed: u64,
    /// What is open elsewhere as it came last, and when: for breakers that there are not yet.
    reported: (Vec<OpenBreaker>, f64),
}

impl Breakers {
    /// Those of the isolate with this name.
    pub fn of(isolate: &str) -> Self {
        Self { seed: fnv1a64(isolate.as_bytes()), ..Self::default() }
    }

    /// What becomes of a request, and which breaker needs to learn what comes of it.
    pub fn pass(&mut self, guarded: &Guarded<'_>, now_ms: f64) -> Option<(Slot, Passage, Option<BreakerRemark>)> {
        let slot = self.slot(guarded, now_ms)?;
        let seed = self.seed;
        let entry = self.entries.get_mut(slot)?;
        let (passage, turn) = entry.breaker.pass(guarded.limit_ms, guarded.is_repeatable, seed, now_ms);
        Some((Slot(slot), passage, turn.map(|turn| remark(entry, turn))))
    }

    /// Whether new is asked for a path as if there were no breaker.
    pub fn is_closed(&self, Guarded { plan, path, .. }: &Guarded<'_>, now_ms: f64) -> bool {
        let Some(upstreams) = &plan.upstreams else { return true };
        let (_, endpoint) = endpoint_of(plan, path);
        let own = self.entries.iter().find(|entry| entry.is_of(plan, &upstreams.new.place, endpoint));
        own.map_or_else(
            || !self.is_reported(now_ms, |own| *own == open(&plan.key, &upstreams.new.place, endpoint)),
            |entry| entry.breaker.is_closed(now_ms),
        )
    }

    /// Whether such a breaker is open elsewhere.
    fn is_reported(&self, now_ms: f64, is_it: impl FnMut(&OpenBreaker) -> bool) -> bool {
        let (reported, at_ms) = &self.reported;
        now_ms - at_ms < SUSPECTED_MS && reported.iter().any(is_it)
    }

    /// Those that are open by what this isolate has seen, for the others.
    pub fn open(&self, now_ms: f64) -> Vec<OpenBreaker> {
        let open = self.entries.iter().filter(|entry| entry.breaker.is_shared(now_ms));
        open.take(OPEN_MAX).map(Entry::shared).collect()
    }

    /// Takes note of those that are open elsewhere.
    pub fn learn(&mut self, reported: Vec<OpenBreaker>, now_ms: f64) {
        if !reported.is_empty() {
            for entry in self.entries.iter_mut().filter(|entry| reported.contains(&entry.shared())) {
                entry.breaker.suspect(now_ms);
            }
        }
        self.reported = (reported, now_ms);
    }

    /// Takes note of what has come of a request.
    pub fn note(&mut self, Slot(slot): Slot, news: News, now_ms: f64) -> Option<BreakerRemark> {
        let seed = self.seed;
        let entry = self.entries.get_mut(slot)?;
        let turn = match news {
            News::Tried(trial) => entry.breaker.note(trial, seed, now_ms),
            News::LegacyFailed => entry.breaker.close(),
            News::Left { is_probe } => {
                entry.breaker.note_left(is_probe, now_ms);
                None
            }
        };
        turn.map(|turn| remark(entry, turn))
    }

    fn slot(&mut self, guarded: &Guarded<'_>, now_ms: f64) -> Option<usize> {
        let Guarded { number, plan, path, .. } = *guarded;
        let new = &plan.upstreams.as_ref()?.new.place;
        let (at, endpoint) = endpoint_of(plan, path);
        let likely = self.places.get(number).and_then(|places| places.get(at)).copied();
        let is_it = |slot: &usize| self.entries.get(*slot).is_some_and(|entry| entry.is_of(plan, new, endpoint));
        if let Some(slot) = likely.filter(is_it) {
            return Some(slot);
        }
        let slot = match self.entries.iter().position(|entry| entry.is_of(plan, new, endpoint)) {
            Some(slot) => slot,
            None => {
                if self.entries.len() >= BREAKERS_MAX {
                    self.entries.clear();
                }
                let (rollout, new, endpoint) = (plan.key.clone(), new.clone(), endpoint.cloned());
                let mut entry = Entry { rollout, new, endpoint, breaker: Breaker::default() };
                if self.is_reported(now_ms, |own| *own == entry.shared()) {
                    entry.breaker.suspect(self.reported.1);
                }
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        if self.places.len() <= number {
            self.places.resize_with(number + 1, Vec::new);
        }
        let places = self.places.get_mut(number)?;
        if places.len() <= at {
            places.resize(at + 1, usize::MAX);
        }
        *places.get_mut(at)? = slot;
        Some(slot)
    }
}

/// The most specific endpoint that takes a path, and its number from 1; 0 where none does.
fn endpoint_of<'a>(plan: &'a Plan, path: &str) -> (usize, Option<&'a Name>) {
    let taking = plan.endpoints.0.iter().enumerate().filter(|(_, (_, endpoint))| endpoint.0.matches(path));
    taking
        .max_by_key(|(_, (_, endpoint))| endpoint.0.specificity())
        .map_or((0, None), |(index, (name, _))| (index + 1, Some(name)))
}

fn remark(entry: &Entry, turn: Turn) -> BreakerRemark {
    let of = entry.endpoint.as_ref().map_or_else(String::new, |endpoint| format!(", endpoint {endpoint}"));
    let new = &entry.new;
    let (event, message) = match turn {
        Turn::Suspected => {
            ("breaker_reported", format!("new ({new}{of}) fails for other isolates; one request tries it here"))
        }
        Turn::Opened(why) => ("breaker_open", format!("new ({new}{of}) is not asked for now: {why}; legacy answers")),
        Turn::Closed => ("breaker_closed", format!("new ({new}{of}) is asked again")),
    };
    let is_warning = matches!(turn, Turn::Opened(_));
    BreakerRemark { is_warning, event, rollout: entry.rollout.to_string(), message }
}
