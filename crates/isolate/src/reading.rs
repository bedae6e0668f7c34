//! How KV is read: the plans first, then the states of the rollouts that the plans name, then the lists.
//!
//! One request's await is never another's, which the runtime forbids: each does its own read, and what is read is
//! taken in at once. While a background read is under way no other one begins; a read that does not come back went
//! down with its request, and its mark expires.

use std::collections::{BTreeSet, HashMap};

use super::cached_copy::CachedCopy;
use super::configuration::keys;
use super::effect::Effect;
use super::{FRESH_MS, Isolate};
use tidegate_model::Instant;

/// Lists are large and change seldom, so they are read again only after this long, in milliseconds.
const LIST_FRESH_MS: f64 = 60_000.0;
/// The copy in the cache is renewed at most so often, in milliseconds.
const COPY_FRESH_MS: f64 = 60_000.0;

/// A read of KV under way.
#[derive(Debug)]
pub struct Read {
    /// The rollouts whose states it asks for.
    rollouts: BTreeSet<String>,
    /// The lists that it still asks for, the next one last.
    lists: Vec<String>,
    purpose: Purpose,
}

/// Who reads.
#[derive(Debug)]
enum Purpose {
    /// Nobody waits.
    Refresh,
    /// A request for a host and path waits. Only from the plans a cold isolate learns which rollouts it needs: then
    /// there is a second read.
    Request(String, String),
    /// A request waits, and this is the second read.
    RequestAgain,
    /// Somebody asked for a rollout; what they wait for ends with them.
    Rollout,
}

impl Read {
    /// The keys that are read as texts.
    pub fn keys(&self) -> Vec<String> {
        keys(&self.rollouts)
    }

    /// The key of the list that is read next.
    pub fn list_key(&self) -> Option<String> {
        self.lists.last().map(|name| format!("group/{name}"))
    }
}

impl Isolate {
    pub(super) fn refresh(&self) -> Vec<Effect> {
        vec![self.read(&[], Purpose::Refresh)]
    }

    /// What a request lacks is read from KV and asked of the controller together.
    pub(super) fn read_for_request(&mut self, host: String, path: String, now: Instant) -> Vec<Effect> {
        let wanted = self.configuration.unserved(self.configuration.find(&host, &path));
        let is_old = self.configuration.kv_age_ms(ms(now)) > FRESH_MS;
        let mut effects = match (is_old, wanted.is_empty()) {
            (true, _) => vec![self.read(&wanted, Purpose::Request(host, path))],
            (false, false) => vec![self.read(&wanted, Purpose::RequestAgain)],
            (false, true) => self.end_read(&Purpose::RequestAgain, None, now),
        };
        effects.extend(self.ask_near(&wanted, now));
        effects
    }

    /// The last rung: an isolate that has no configuration at all takes the cache's copy.
    pub(super) fn request_waited(&mut self, is_done: bool) -> Vec<Effect> {
        if !is_done {
            self.configuration.log.warn(
                "kv_slow",
                "configuration",
                "KV or the controller has not answered within 200 ms; the request goes on with what is known",
            );
        }
        if self.configuration.is_configured() { Vec::new() } else { vec![Effect::LoadCopy] }
    }

    pub(super) fn read_for_rollout(&self, key: String, now: Instant) -> Vec<Effect> {
        let number = self.configuration.snapshot.catalogue.number_of(&key);
        if self.configuration.is_configured() && self.configuration.needed(number, ms(now)).is_empty() {
            return Vec::new();
        }
        vec![self.read(&[key], Purpose::Rollout)]
    }

    pub(super) fn texts_read(
        &mut self,
        read: Read,
        texts: Result<HashMap<String, String>, String>,
        now: Instant,
    ) -> Vec<Effect> {
        let texts = match texts {
            Ok(texts) => texts,
            Err(error) => return self.end_read(&read.purpose, Some(&error), now),
        };
        self.configuration.absorb(&texts, &read.rollouts, now);
        self.configuration.read_at_ms = Some(ms(now));
        let mut lists = self.configuration.lists_older_than(ms(now) - LIST_FRESH_MS);
        lists.reverse();
        self.go_on_reading(Read { lists, ..read }, now)
    }

    pub(super) fn list_read(
        &mut self,
        mut read: Read,
        bytes: Result<Option<Vec<u8>>, String>,
        now: Instant,
    ) -> Vec<Effect> {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return self.end_read(&read.purpose, Some(&error), now),
        };
        if let Some(name) = read.lists.pop() {
            self.configuration.absorb_list(&name, bytes.as_deref(), ms(now));
        }
        self.go_on_reading(read, now)
    }

    pub(super) fn copy_loaded(&mut self, text: Result<Option<String>, String>, now: Instant) -> Vec<Effect> {
        let log = &mut self.configuration.log;
        match text {
            Ok(text) => {
                if let Some(copy) = text.as_deref().and_then(CachedCopy::parse) {
                    log.warn("copy_used", "configuration", "KV cannot be read, so the copy in the cache serves");
                    self.configuration.absorb_copy(&copy, now);
                }
            }
            Err(error) => log.warn("copy_unreadable", "configuration", &error),
        }
        Vec::new()
    }

    pub(super) fn copy_saved(&mut self, outcome: Result<(), String>) -> Vec<Effect> {
        if let Err(error) = outcome {
            self.configuration.log.warn("copy_unwritable", "configuration", &error);
        }
        Vec::new()
    }

    /// A read of the plans, and of the states of the rollouts served so far and of `wanted`.
    fn read(&self, wanted: &[String], purpose: Purpose) -> Effect {
        Effect::ReadTexts(Read { rollouts: self.configuration.served_and(wanted), lists: Vec::new(), purpose })
    }

    fn go_on_reading(&mut self, read: Read, now: Instant) -> Vec<Effect> {
        if !read.lists.is_empty() {
            return vec![Effect::ReadList(read)];
        }
        if let Purpose::Request(host, path) = &read.purpose {
            let wanted = self.configuration.unserved(self.configuration.find(host, path));
            if !wanted.is_empty() {
                return vec![self.read(&wanted, Purpose::RequestAgain)];
            }
        }
        self.end_read(&read.purpose, None, now)
    }

    fn end_read(&mut self, purpose: &Purpose, error: Option<&str>, now: Instant) -> Vec<Effect> {
        let configuration = &mut self.configuration;
        configuration.refreshing_since_ms = None;
        configuration.failed_at_ms = error.map(|_| ms(now));
        if let Some(error) = error {
            configuration.log.warn("kv_unreadable", "configuration", error);
        }
        let is_copy_old = configuration.copied_at_ms.is_none_or(|at_ms| ms(now) - at_ms > COPY_FRESH_MS);
        if error.is_some() || !is_copy_old || matches!(purpose, Purpose::Rollout) {
            return Vec::new();
        }
        configuration.copied_at_ms = Some(ms(now));
        if configuration.texts.is_empty() {
            return Vec::new();
        }
        vec![Effect::SaveCopy(CachedCopy { saved_ms: ms(now), texts: configuration.texts.clone() }.to_json())]
    }
}

/// Milliseconds since 1970.
pub(super) const fn ms(now: Instant) -> f64 {
    now.as_epoch_ms() as f64
}
