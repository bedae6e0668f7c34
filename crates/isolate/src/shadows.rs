//! The copies of one isolate: which requests are copied to new, those that are under way, and samples of what they
//! have shown.
//!
//! 1. The share is drawn, then the budget of copies a second has to have room, then there must not be too many under
//!    way. What is not copied for want of room is not made up for.
//! 2. Nothing is copied while new's breaker is not closed.
//! 3. Of what new's page loads, a few are asked for out of the same budget.
//! 4. A copy that is forgotten, since its isolate went or its reading hung, counts nowhere.

use std::rc::Rc;

use super::keeping::Keeping;
use tidegate_model::Name;
use tidegate_model::plan::Plan;
use tidegate_model::shadow::SampleOf;
use tidegate_protocol::exchange::Copyable;
use tidegate_protocol::message::AnswerText;
use tidegate_protocol::shadow::assets::ASSETS_MAX;
use tidegate_protocol::shadow::{Body, Budget, LIMIT_MS_MAX, ShadowCopy, is_drawn};

/// So many copies are under way at once: with what is read of both answers, 8 MB.
const UNDER_WAY_MAX: usize = 16;
/// A copy that has not ended by then never will, in milliseconds: headers and body each have their time.
const LOST_MS: f64 = 2.0 * LIMIT_MS_MAX as f64;
/// So many samples wait for a flush.
const SAMPLES_MAX: usize = 20;
/// So many rollouts have a budget; with more, all of them begin anew.
const BUDGETS_MAX: usize = 256;

/// The copies of one isolate.
#[derive(Default)]
pub struct Shadows {
    /// Tells this isolate's draws from another's.
    seed: u64,
    drawn: u64,
    budgets: Vec<(Name, Budget)>,
    /// By the number of the request: since when, and the copy.
    under_way: Vec<(u32, f64, ShadowCopy)>,
    samples: Vec<SampleOf>,
    /// What was there of what pages of new load.
    found: Keeping,
}

impl Shadows {
    /// Those of an isolate; `seed` is its own.
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Whether a request is copied.
    pub fn choose(&mut self, copyable: &Copyable<'_>, now_ms: f64) -> bool {
        self.drawn = self.drawn.wrapping_add(1);
        if !is_drawn(mixed(self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15))), copyable.share) {
            return false;
        }
        self.under_way.retain(|(_, since_ms, _)| now_ms - since_ms < LOST_MS);
        if self.under_way.len() >= UNDER_WAY_MAX {
            return false;
        }
        self.admit(copyable.plan, now_ms)
    }

    /// Whether the budget of a rollout has room for a request to new.
    fn admit(&mut self, plan: &Plan, now_ms: f64) -> bool {
        let per_second =
            plan.shadow.as_ref().map_or(tidegate_model::plan::shadow::RPS_DEFAULT, |shadow| shadow.max_rps);
        let key = &plan.key;
        let index = self.budgets.iter().position(|(own, _)| own == key).unwrap_or_else(|| {
            if self.budgets.len() >= BUDGETS_MAX {
                self.budgets.clear();
            }
            self.budgets.push((key.clone(), Budget::new(per_second, now_ms)));
            self.budgets.len() - 1
        });
        self.budgets.get_mut(index).is_some_and(|(_, budget)| budget.admit(per_second, now_ms))
    }

    /// Keeps a copy until it ends.
    pub fn begin(&mut self, number: u32, copy: ShadowCopy, now_ms: f64) {
        self.under_way.retain(|(own, _, _)| *own != number);
        if self.under_way.len() < UNDER_WAY_MAX {
            self.under_way.push((number, now_ms, copy));
        }
    }

    /// The copy of a request.
    pub fn get(&self, number: u32) -> Option<&ShadowCopy> {
        self.under_way.iter().find(|(own, _, _)| *own == number).map(|(_, _, copy)| copy)
    }

    /// Chooses what is asked for of what new's page loads, and how: [`ShadowCopy::asking`].
    pub fn ask_assets(&mut self, number: u32, answer: &AnswerText, body: Body<'_>, now_ms: f64) -> String {
        let Some(index) = self.under_way.iter().position(|(own, _, _)| *own == number) else { return String::new() };
        let (_, since_ms, mut copy) = self.under_way.swap_remove(index);
        let mut found = copy.assets(answer, body);
        self.drawn = self.drawn.wrapping_add(1);
        let first = mixed(self.seed.wrapping_add(self.drawn)) as usize % found.len().max(1);
        found.rotate_left(first);
        let snapshot = Rc::clone(&copy.snapshot);
        let plan = snapshot.catalogue.plan(copy.assigned.number);
        for path in found {
            let Some(plan) = plan.filter(|_| copy.asked.len() < ASSETS_MAX) else { break };
            let key = format!("{} {path}", plan.key);
            if !self.found.is_due(Some(&key), now_ms) {
                continue;
            }
            if !self.admit(plan, now_ms) {
                self.found.forget(&key);
                break;
            }
            copy.asked.push(path);
        }
        let asking = copy.asking();
        self.under_way.push((number, since_ms, copy));
        asking
    }

    /// Takes note of what was missing: it is asked for again.
    pub fn note_missing<'a>(&mut self, rollout: &Name, missing: impl Iterator<Item = &'a str>) {
        missing.for_each(|path| self.found.forget(&format!("{rollout} {path}")));
    }

    /// Lets go of a copy.
    pub fn take(&mut self, number: u32) -> Option<ShadowCopy> {
        let index = self.under_way.iter().position(|(own, _, _)| *own == number)?;
        Some(self.under_way.swap_remove(index).2)
    }

    /// Keeps a sample for the next flush.
    pub fn keep(&mut self, sample: SampleOf) {
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(sample);
        }
    }

    /// The samples that are to be reported, each once.
    pub fn take_samples(&mut self) -> Vec<SampleOf> {
        std::mem::take(&mut self.samples)
    }
}

/// Spreads a number over all (`SplitMix64`).
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
