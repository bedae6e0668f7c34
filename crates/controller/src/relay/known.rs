//! What a relay knows of the deployment: what came from above, which it passes on to those below.

use std::collections::BTreeMap;

use serde::Deserialize;

use tidegate_decide::reconcile::isolate::ECHO_MS;
use tidegate_model::Instant;
use tidegate_model::live::LiveText;
use tidegate_protocol::diversion::OpenBreakers;
use tidegate_protocol::flush::{Answer, Flush, PageMessages, RolloutUpdate, Version};
use tidegate_protocol::relays::{Layout, digest};

/// Where nothing has come from above for so long, in milliseconds, nothing is passed on below: whoever asks is to ask
/// elsewhere.
const FRESH_MS: i64 = 5_000;
/// News are passed on at once for so long after they came, in milliseconds: by then who wants to know does.
const NEWS_MS: i64 = 5_000;
/// Kills are spoken of for so long, in milliseconds: longer than the controller watches them.
const KILL_MS: i64 = 700_000;

/// The states, the plans and the layout, as they last came.
#[derive(Default)]
pub struct Known {
    states: BTreeMap<String, State>,
    /// The plans' revision, and the value of the KV key `plans`.
    plans: Option<(u64, String)>,
    /// What pages show.
    messages: PageMessages,
    /// Which relays there are.
    pub layout: Layout,
    /// The breakers that are open in isolates of whichever relay.
    breakers: OpenBreakers,
    /// When something last came from above.
    received_at: Option<Instant>,
}

struct State {
    update: RolloutUpdate,
    revision: u64,
    killed: bool,
    at: Instant,
}

impl Known {
    /// Whether it may speak for those above.
    pub fn is_fresh(&self, now: Instant) -> bool {
        self.received_at.is_some_and(|at| now.ms_since(at).abs() < FRESH_MS)
    }

    /// The plans' revision; 0 for none.
    pub fn plans(&self) -> u64 {
        self.plans.as_ref().map_or(0, |(revision, _)| *revision)
    }

    /// The digest of what pages show.
    pub const fn messages(&self) -> u64 {
        self.messages.digest
    }

    /// What its states are, as one number.
    pub fn digest(&self) -> u64 {
        digest(self.states.iter().map(|(key, state)| (key.as_str(), state.revision)))
    }

    /// The rollouts that have been killed lately, each with the revision.
    pub fn kills(&self, now: Instant) -> impl Iterator<Item = (&str, u64)> {
        let is_late = move |state: &State| state.killed && now.ms_since(state.at) < KILL_MS;
        self.states.iter().filter(move |(_, state)| is_late(state)).map(|(key, state)| (key.as_str(), state.revision))
    }

    /// Takes in an answer from above. Returns what of it is news to those below.
    pub fn absorb(&mut self, answer: Answer, now: Instant) -> Option<Answer> {
        // One of an earlier release knows nothing of relays, and has sent no states.
        if answer.v >= Version::RELAYS {
            self.received_at = Some(now);
        }
        self.hear(answer, now)
    }

    /// Takes in news that came unasked.
    pub fn hear(&mut self, answer: Answer, now: Instant) -> Option<Answer> {
        let layout = answer.layout.filter(|layout| layout.at > self.layout.at);
        self.layout = layout.unwrap_or(self.layout);
        self.breakers.note(&answer.breakers, now);
        let plans = answer.plans.and_then(|text| Some((revision(&text)?, text)));
        let plans = plans.filter(|(revision, _)| *revision > self.plans());
        let are_plans_new = plans.is_some();
        self.messages = answer.messages.unwrap_or_else(|| std::mem::take(&mut self.messages));
        if plans.is_some() {
            self.plans = plans;
        }
        if answer.is_whole {
            self.states.retain(|key, _| answer.states.iter().any(|reported| reported.key == *key));
        }
        let states: Vec<RolloutUpdate> =
            answer.states.into_iter().filter_map(|reported| self.take(reported, now)).collect();
        let is_news = layout.is_some() || are_plans_new || !states.is_empty();
        // Plans are long, and asked for within the second.
        is_news.then(|| Answer { states, layout, ..Answer::default() })
    }

    /// Takes in a state; gives it back where it is newer.
    fn take(&mut self, update: RolloutUpdate, now: Instant) -> Option<RolloutUpdate> {
        let Ok(LiveText::Written(state)) = LiveText::parse(&update.state) else { return None };
        let (known, revision) = (self.states.get(&update.key), state.revision);
        let is_newer = known.is_none_or(|known| known.revision < revision);
        if known.is_some_and(|known| known.revision > revision) {
            return None;
        }
        let reported = update.clone();
        self.states.insert(update.key.clone(), State { update, revision, killed: state.killed, at: now });
        is_newer.then_some(reported)
    }

    /// Whether an isolate lacks a state that came just now. It is answered at once then, and not with the next tick:
    /// held for a second, a kill would take longer than it may.
    pub fn has_news_for(&self, flush: &Flush, now: Instant) -> bool {
        let is_late = |state: &State| now.ms_since(state.at).abs() < NEWS_MS;
        let lacks = |(key, known): &(String, u64)| {
            self.states.get(key).is_some_and(|state| *known < state.revision && is_late(state))
        };
        flush.relay.is_none() && flush.known.iter().flatten().any(lacks)
    }

    /// What it answers to a flush, without what became of its batch.
    pub fn answer(&self, flush: &Flush, interval_ms: u32, now: Instant) -> Answer {
        let is_reported = |key: &str| flush.texts.iter().any(|(reported, _)| reported == key);
        let tell = |state: &State| {
            let mut update = state.update.clone();
            // Echoes are such for a while after they were reported.
            if now.ms_since(state.at) >= ECHO_MS {
                update.echoes.clear();
            }
            update
        };
        let is_whole = flush.relay.as_ref().is_some_and(|relay| relay.digest != self.digest());
        let states = match &flush.known {
            None => self.states.values().map(tell).collect(),
            Some(_) if is_whole => self.states.values().map(tell).collect(),
            Some(_) if flush.relay.is_some() => {
                self.states.iter().filter(|(key, _)| is_reported(key)).map(|(_, state)| tell(state)).collect()
            }
            Some(known) => {
                let found = |(key, known): &(String, u64)| {
                    self.states.get(key).filter(|state| *known < state.revision || is_reported(key))
                };
                known.iter().filter_map(found).map(tell).collect()
            }
        };
        let plans = self.plans.as_ref().filter(|(revision, _)| flush.plans < *revision).map(|(_, text)| text.clone());
        let messages = flush.messages.filter(|known| *known != self.messages.digest).map(|_| self.messages.clone());
        let (breakers, layout) = (self.breakers.current(now), Some(self.layout));
        Answer { interval_ms, plans, states, is_whole, messages, breakers, layout, ..Answer::default() }
    }
}

/// The revision of plans as the KV key `plans` holds them.
fn revision(plans: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Plans {
        revision: u64,
    }
    serde_json::from_str(plans).ok().map(|Plans { revision }| revision)
}
