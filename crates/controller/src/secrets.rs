//! Secrets that plans name: which of them the environment lacks, known before the first message or delivery needs one.
//!
//! 1. The environment is asked once all is loaded, and again once other secrets are named. It changes by a deployment
//!    alone, which ends the memory too.
//! 2. Which names are unset comes in, and never a secret.

use std::collections::BTreeSet;

use super::State;
use super::turn::{Effect, Turn};
use tidegate_decide::rollout::{Noticed, Rollout};
use tidegate_model::plan::Plan;
use tidegate_model::plan::channel::MAIL_FROM;
use tidegate_model::{Instant, Name};

/// What is known of the environment.
#[derive(Debug, Default)]
pub struct Secrets {
    /// The revision of the plans whose secrets were asked for.
    plans: Option<u64>,
    /// The names that were asked for.
    asked: BTreeSet<String>,
    /// Those that are not set, and when that was found.
    unset: BTreeSet<String>,
    found: Option<Instant>,
}

impl State {
    /// Asks for what plans name, where that was not asked for yet.
    pub(super) fn ask_for_secrets(&mut self, turn: &mut Turn<'_>) {
        let plans = Some(self.deployment.plans);
        if !self.rhythm.asks || !turn.storage.keeps() || self.secrets.plans == plans {
            return;
        }
        let readable = self.deployment.rollouts.iter().filter(|rollout| rollout.unread.is_none());
        let named = |rollout: &Rollout| -> Vec<String> {
            rollout.plan.named_secrets().into_iter().map(|(_, name)| name.to_owned()).collect()
        };
        let asked: BTreeSet<String> = readable.flat_map(named).collect();
        self.secrets.plans = plans;
        if asked != self.secrets.asked {
            turn.push(Effect::FindUnset(asked.iter().cloned().collect()));
            self.secrets.asked = asked;
        }
    }

    /// Takes note of those that are not set.
    pub(super) fn note_unset(&mut self, unset: Vec<String>, now: Instant) {
        let unset = unset.into_iter().collect();
        if self.secrets.unset != unset {
            self.secrets.found = Some(now);
            self.secrets.unset = unset;
        }
    }

    /// What cannot work for want of a secret, by the rollouts whose plans have it.
    pub(super) fn secret_faults(&self, now: Instant) -> Vec<(Name, Noticed)> {
        let at = self.secrets.found.unwrap_or(now);
        let mut faults: Vec<(Name, Noticed)> = Vec::new();
        if self.secrets.unset.is_empty() {
            return faults;
        }
        for rollout in self.deployment.rollouts.iter().filter(|rollout| rollout.unread.is_none()) {
            let key = &rollout.plan.key;
            for (subject, name) in self.unset_of(&rollout.plan) {
                let message = if name == MAIL_FROM {
                    format!("the variable {MAIL_FROM} is not set, and the channel has no `from`")
                } else {
                    format!("the secret {name} is not set: npx wrangler secret put {name}")
                };
                // One is enough to be mended first.
                if !faults.iter().any(|(own, fault)| own == key && fault.subject == subject) {
                    faults.push((key.clone(), Noticed { subject, message, at }));
                }
            }
        }
        faults
    }

    /// Whether something of a plan cannot work for want of a secret.
    pub(super) fn lacks_secret(&self, plan: &Plan, subject: &str) -> bool {
        !self.secrets.unset.is_empty() && self.unset_of(plan).any(|(own, _)| own == subject)
    }

    fn unset_of<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = (String, &'p str)> {
        plan.named_secrets().into_iter().filter(|(_, name)| self.secrets.unset.contains(*name))
    }
}
