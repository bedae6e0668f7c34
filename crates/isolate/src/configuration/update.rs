//! What the configuration says to the controller, and what the controller's answer changes in it.

use std::rc::Rc;

use super::{Configuration, KILL_ALL, log_changes};
use tidegate_decide::reconcile::isolate::ECHO_MS;
use tidegate_model::live::{LiveText, edit_text};
use tidegate_model::number::Grouped;
use tidegate_model::plan::limits::FLAGS_BYTES_MAX;
use tidegate_model::{Instant, Name};
use tidegate_protocol::flags::LeftOut;
use tidegate_protocol::flush::{Answer, Flush, LISTS_MAX, RolloutUpdate, TEXT_BYTES_MAX};

/// What KV said is news for so long; it is read again every 5 s while there is traffic.
const NEWS_MS: f64 = 10_000.0;

/// Before the rollout's key: what is wrong with its ids.
const IDENTITY: &str = "identity";
/// What faults of the header of flags are reported under.
const FLAGS: &str = "flags";
/// So long what a request has shown counts as a fault.
const NOTED_MS: f64 = 600_000.0;
/// After so long it is written down anew.
const NOTED_AGAIN_MS: f64 = 60_000.0;

/// So many faults are reported; who has more sees the rest once these are mended.
const FAULTS_MAX: usize = 20;
/// A longer sentence is cut, in bytes.
const SENTENCE_BYTES_MAX: usize = 500;

/// What is wrong with the configuration as it was read last, until it is read without fault:
/// pairs of a KV key and a sentence.
#[derive(Default)]
pub struct Faults(Vec<(String, String)>);

impl Faults {
    /// What is wrong with the value of a key; nothing, where it is in order.
    pub fn set(&mut self, key: &str, sentences: Vec<String>) {
        self.0.retain(|(faulty, _)| faulty != key);
        self.0.extend(sentences.into_iter().map(|sentence| (key.to_owned(), cut(sentence))));
    }

    /// The faults of keys that matter.
    pub fn matching(&self, matters: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        self.0.iter().filter(|(key, _)| matters(key)).take(FAULTS_MAX).cloned().collect()
    }
}

fn cut(mut sentence: String) -> String {
    sentence.truncate(sentence.floor_char_boundary(SENTENCE_BYTES_MAX));
    sentence
}

/// What the controller said of texts that it has adopted and that may still be read.
pub struct Echoes {
    texts: Vec<String>,
    said_at: Instant,
}

impl Echoes {
    /// Whether a text is one of them.
    pub fn contain(&self, text: &str, now: Instant) -> bool {
        let age_ms = now.ms_since(self.said_at);
        age_ms < ECHO_MS && self.texts.contains(&edit_text(text))
    }
}

impl Configuration {
    /// What the controller is to know. What KV said a while ago is no news: an isolate that has slept must
    /// not bring back a kill or an edit that is gone.
    pub fn report(&self, now_ms: f64, wanted: &[String]) -> Flush {
        let is_news = self.kv_age_ms(now_ms) < NEWS_MS;
        let revision = |key: &String| self.states.live.get(key).map_or(0, |state| state.revision);
        let all = self.states.all_killed.then(|| KILL_ALL.to_owned());
        let kills = all.into_iter().chain(self.states.killed.iter().map(|key| format!("kill/{key}")));
        let texts = self.by_hand.iter().filter(|(_, text)| is_news && text.len() <= TEXT_BYTES_MAX);
        let catalogue = &self.snapshot.catalogue;
        let matters = |key: &str| match key.split_once('/') {
            Some(("stage" | IDENTITY, rollout)) => catalogue.number_of(rollout).is_some(),
            Some((_, list)) => catalogue.lists.iter().any(|name| name == list),
            None => true,
        };
        let count = |name: &String| self.list(name).map(|list| (name.clone(), list.len() as u64));
        Flush {
            lists: catalogue.lists.iter().filter_map(count).take(LISTS_MAX).collect(),
            faults: if is_news { self.faults.matching(matters) } else { Vec::new() },
            plans: catalogue.revision,
            seen: self.unused_revision(),
            known: self.is_configured().then(|| {
                self.served
                    .iter()
                    .map(|key| (key.clone(), revision(key)))
                    .chain(wanted.iter().map(|key| (key.clone(), 0)))
                    .collect()
            }),
            texts: texts.map(|(key, text)| (key.clone(), text.clone())).collect(),
            kills: kills.filter(|_| is_news).collect(),
            ..Flush::default()
        }
    }

    /// Takes note that one id makes too large a share of a rollout's requests, so that it is somebody's
    /// constant and not a user.
    pub fn note_suspect(&mut self, (rollout, share): &(Name, f64), now_ms: f64) {
        let sentence = format!(
            "one id makes {:.0} % of the requests of `{rollout}`: a constant where an id belongs puts all who share it on one side; add it to `not_ids` under [identity]",
            share * 100.0
        );
        self.note(format!("{IDENTITY}/{rollout}"), sentence, now_ms);
    }

    /// Takes note that flags have no room in the header.
    pub fn note_left_out(&mut self, left_out: &LeftOut, now_ms: f64) {
        if self.noted_at_ms.get(FLAGS).is_some_and(|at_ms| now_ms - at_ms < NOTED_AGAIN_MS) {
            return;
        }
        let LeftOut { first, count } = *left_out;
        let first = self.snapshot.catalogue.plan(first).map_or("?", |plan| plan.key.as_str());
        let sentence = format!(
            "`tidegate-flags` has at most {} bytes, and no room for {} of the flags that are started, from `{first}` on: nobody gets them, and nothing is measured there; take flags that are done out of the plans (`tidegate stale`)",
            Grouped(FLAGS_BYTES_MAX),
            Grouped(count),
        );
        self.note(FLAGS.to_owned(), sentence, now_ms);
    }

    /// A fault that requests show: it is over when none has shown it for a while.
    fn note(&mut self, key: String, sentence: String, now_ms: f64) {
        self.faults.set(&key, vec![sentence]);
        self.noted_at_ms.insert(key, now_ms);
    }

    /// Forgets what no request has shown for a while.
    pub fn forget_noted(&mut self, now_ms: f64) {
        let Self { noted_at_ms, faults, .. } = self;
        noted_at_ms.retain(|key, at_ms| {
            let is_recent = now_ms - *at_ms <= NOTED_MS;
            if !is_recent {
                faults.set(key, Vec::new());
            }
            is_recent
        });
    }

    /// Takes in what the controller has answered. An edit by hand that it has not adopted yet stands
    /// under the same revision and stays. `known` is what the flush said that it answers. Returns whether the
    /// controller does not know yet that a kill is known here.
    pub fn absorb_answer(&mut self, answer: &Answer, known: Option<&[(String, u64)]>, now: Instant) -> bool {
        self.answered_at_ms = Some(now.as_epoch_ms() as f64);
        let catalogue = match &answer.plans {
            Some(plans) => self.take_answered_plans(plans),
            None => Rc::clone(&self.snapshot.catalogue),
        };
        let mut states = self.states.clone();
        let said = |key: &str| known?.iter().find(|(own, _)| own == key).map(|(_, revision)| *revision);
        let mut is_kill_unconfirmed = false;
        for RolloutUpdate { key, state, echoes } in &answer.states {
            let Ok(LiveText::Written(state)) = LiveText::parse(state) else {
                self.log.warn("answer_unreadable", key, "the controller's state cannot be read");
                continue;
            };
            self.updated_at_ms.insert(key.clone(), now.as_epoch_ms() as f64);
            is_kill_unconfirmed |= state.killed && said(key).is_none_or(|revision| revision < state.revision);
            let is_newer = states.live.get(key).is_none_or(|known| known.revision < state.revision);
            let echoes = Echoes { texts: echoes.clone(), said_at: now };
            let is_echo = self.by_hand.get(key).is_some_and(|text| echoes.contain(text, now));
            if is_newer || is_echo {
                self.by_hand.remove(key);
                states.live.insert(key.clone(), state);
            }
            self.echoes.insert(key.clone(), echoes);
        }
        if states != self.states || !Rc::ptr_eq(&catalogue, &self.snapshot.catalogue) {
            log_changes(&mut self.log, &self.states, &states);
            self.states = states;
            self.rebuild(catalogue);
        }
        is_kill_unconfirmed
    }
}
