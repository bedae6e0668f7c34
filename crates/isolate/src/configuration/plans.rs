//! The plans as an isolate takes them in: from the controller as it sends them, from KV with care.
//!
//! What stands in KV may be empty, damaged or half of what was there. Then the rollouts that are known stay,
//! the revision too, and the controller sends its own set.

use std::rc::Rc;

use super::{Configuration, PLANS};
use crate::effect::Log;
use tidegate_model::subject::fnv1a64;
use tidegate_protocol::config::by_hand::Partial;
use tidegate_protocol::config::{BrokenRollout, Catalogue};

/// What is known of the plans beside the catalogue.
#[derive(Default)]
pub struct Plans {
    /// What is wrong with the plans that are in use.
    broken: Vec<String>,
    /// The text in KV that was not taken in as a whole: its hash, and what is wrong with it.
    refused: Option<(u64, Vec<String>)>,
    /// The greatest revision that was seen in KV.
    seen: u64,
    /// Rollouts may be missing, and none were known before.
    pub is_partial: bool,
}

impl Configuration {
    /// Takes in what KV shows.
    pub(super) fn read_plans(&mut self, text: Option<&String>) -> Rc<Catalogue> {
        let last = Rc::clone(&self.snapshot.catalogue);
        let Some(text) = text else {
            self.log.warn(
                "plans_missing",
                PLANS,
                "the KV key `plans` does not exist; write it with `tidegate compile`",
            );
            return last;
        };
        if self.texts.get(PLANS) == Some(text) {
            self.faults.set(PLANS, self.plans.broken.clone());
            return last;
        }
        let hash = fnv1a64(text.as_bytes());
        if let Some((_, faults)) = self.plans.refused.as_ref().filter(|(refused, _)| *refused == hash) {
            self.faults.set(PLANS, faults.clone());
            return last;
        }
        let read = match Catalogue::read(text, &last, self.answered_at_ms.is_some()) {
            Ok(read) => read,
            Err(error) => {
                self.log.warn("plans_unreadable", PLANS, &error.to_string());
                self.faults.set(PLANS, vec![error.to_string()]);
                self.plans.refused = Some((hash, vec![error.to_string()]));
                return last;
            }
        };
        self.plans.seen = self.plans.seen.max(read.revision);
        // An older set is a stale read, or the controller sees to it.
        if read.revision < last.revision {
            return last;
        }
        let broken = sentences(&mut self.log, &read.broken);
        let Some(why) = read.why_partial else {
            return self.take_in(read.catalogue, broken, text);
        };
        self.log.warn("plans_partial", PLANS, &why.to_string());
        let is_empty = why == Partial::Empty;
        let faults: Vec<String> = std::iter::once(why.to_string()).chain(broken).collect();
        // The controller writes no rollout without a key, but it may have taken rollouts away, which it says
        // before KV is read again.
        if matches!(why, Partial::Keyless(_)) {
            self.faults.set(PLANS, faults.clone());
        }
        self.plans.refused = Some((hash, faults));
        if is_empty {
            return last;
        }
        if last.rollouts.is_empty() {
            self.plans.is_partial = true;
            self.texts.insert(PLANS.to_owned(), text.clone());
        }
        Rc::new(read.catalogue)
    }

    /// Takes in what the controller sends, which is as it says.
    pub(super) fn take_answered_plans(&mut self, text: &str) -> Rc<Catalogue> {
        let last = Rc::clone(&self.snapshot.catalogue);
        match Catalogue::compile(text, Some(&last)) {
            Ok((catalogue, _)) if catalogue.revision < last.revision => last,
            Ok((catalogue, broken)) => {
                let broken = sentences(&mut self.log, &broken);
                self.take_in(catalogue, broken, text)
            }
            Err(error) => {
                self.log.warn("plans_unreadable", "controller", &error.to_string());
                last
            }
        }
    }

    fn take_in(&mut self, catalogue: Catalogue, broken: Vec<String>, text: &str) -> Rc<Catalogue> {
        self.faults.set(PLANS, broken.clone());
        self.plans.broken = broken;
        self.plans.is_partial = false;
        self.texts.insert(PLANS.to_owned(), text.to_owned());
        Rc::new(catalogue)
    }

    /// The revision in KV that is not in use.
    pub(super) fn unused_revision(&self) -> Option<u64> {
        Some(self.plans.seen).filter(|seen| *seen > self.snapshot.catalogue.revision)
    }
}

fn sentences(log: &mut Log, broken: &[BrokenRollout]) -> Vec<String> {
    for rollout in broken {
        log.warn("plan_broken", &rollout.key, &rollout.to_string());
    }
    broken.iter().map(ToString::to_string).collect()
}
