//! A CORS preflight carries neither cookie nor id, so nobody can tell which side the request behind it goes
//! to. It gets the more permissive answer of the two: new's if that allows an origin, else legacy's if that
//! does, else new's if it is a 2xx, else legacy's if it is, else new's. New is asked only while it is in use.

use super::{Exchange, Outcome, Stage};
use crate::message::AnswerText;
use crate::step::{Remark, Step, Which};
use crate::terms::Terms;
use tidegate_decide::assign::Variant;

/// The side that is asked first. New gets no requests before it is in use.
pub(super) fn first(terms: &Terms<'_>) -> Variant {
    let open = if terms.is_in_use() && terms.shared().is_none() { Variant::New } else { Variant::Legacy };
    terms.pinned().unwrap_or(open)
}

/// How much an answer permits.
fn permission(answer: Option<&AnswerText>) -> u8 {
    let is_ok = answer.is_some_and(|answer| (200..300).contains(&answer.status()));
    let is_allowing = is_ok && answer.is_some_and(|answer| answer.header("access-control-allow-origin").is_some());
    u8::from(answer.is_some()) + u8::from(is_ok) + u8::from(is_allowing)
}

impl Exchange {
    /// Asks a side; new is given up where it takes too long, since legacy can answer too.
    pub(super) fn ask_permission(&self, variant: Variant) -> Step {
        let limit =
            self.terms().map(|terms| terms.limit(variant, variant == Variant::New)).filter(|limit| limit.is_enforced);
        self.ask_side(variant, limit.map_or(0, |limit| limit.ms))
    }

    pub(super) fn after_preflight(&mut self, outcome: Outcome) -> (Step, Option<Remark>) {
        let first = self.terms().map_or(Variant::Legacy, |terms| first(&terms));
        let has_second = first == Variant::New && self.terms().is_some_and(|terms| terms.pinned().is_none());
        match outcome {
            Ok(answer) if !has_second || permission(Some(&answer)) == 3 => {
                (self.answer(&answer, Which::Last, first, "preflight", None), None)
            }
            Err(error) if !has_second => self.no_answer(&error),
            outcome => {
                self.stage = Stage::Preflight { first, own: outcome.ok() };
                (self.ask_permission(first.other()), None)
            }
        }
    }

    pub(super) fn after_both(
        &self,
        first: Variant,
        own: Option<AnswerText>,
        outcome: Outcome,
    ) -> (Step, Option<Remark>) {
        let second = outcome.as_ref().ok();
        // New's answer stands where both permit the same.
        let is_second = match permission(second).cmp(&permission(own.as_ref())) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => first == Variant::Legacy,
            std::cmp::Ordering::Less => false,
        };
        match (outcome, own) {
            (Ok(answer), _) if is_second => (self.answer(&answer, Which::Last, first.other(), "preflight", None), None),
            (_, Some(own)) => (self.answer(&own, Which::Before, first, "preflight", None), None),
            (Ok(answer), None) => (self.answer(&answer, Which::Last, first.other(), "preflight", None), None),
            (Err(error), None) => self.no_answer(&error),
        }
    }
}
