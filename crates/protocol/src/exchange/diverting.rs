//! Requests that a breaker keeps from new: legacy answers at once, whatever their method, since new was not asked.
//!
//! 1. Each counts as a request to new that failed as the last one did, so that who judges sees the outage, and as
//!    rescued where legacy has answered it. What is kept from it on other isolates' word counts nowhere.
//! 2. It is never worse for the visitor than without a breaker: where legacy fails or lacks the asset, new is asked
//!    after all, and the breaker learns that legacy is no help.

use super::{Exchange, Outcome, Stage, Target};
use crate::assets::Asset;
use crate::diversion::{Failure, Guarded, News, Passage, Trial};
use crate::measuring::{Instruments, Seen};
use crate::message::AnswerText;
use crate::step::{NoAnswer, Remark, Step, Which};
use tidegate_decide::assign::Variant;

impl Exchange {
    /// The request as its breaker sees it; `None` where none may keep it from new.
    pub fn guarded(&self) -> Option<Guarded<'_>> {
        let Target::Rollout(number) = self.target else { return None };
        let terms = self.terms().filter(|_| self.variant() == Variant::New)?;
        if !terms.has_breaker(self.request.is_read())
            || self.request.is_preflight()
            || self.asset() == Some(Asset::ServiceWorker)
        {
            return None;
        }
        let limit_ms = terms.limit(Variant::New, true).ms as f64;
        let is_repeatable = self.is_repeatable();
        Some(Guarded { number, plan: terms.plan, path: self.address().path, limit_ms, is_repeatable })
    }

    /// Begins the way of a request, as its breaker lets it. What is kept from new is counted here.
    pub fn begin(&mut self, passage: Option<Passage>, instruments: &mut Instruments<'_>) -> Step {
        self.is_guarded = passage.is_some();
        self.passage = passage.unwrap_or_default();
        let Passage::Diverted(failure) = self.passage else { return self.first() };
        if let Some(Failure { status, is_timeout }) = failure {
            self.count(&Seen { status, is_failure: true, is_timeout, latency_ms: None }, instruments);
        }
        self.stage = Stage::Diverted;
        let limit = self.terms().map(|terms| terms.limit(Variant::Legacy, false)).filter(|limit| limit.is_enforced);
        self.ask_side(Variant::Legacy, limit.map_or(0, |limit| limit.ms))
    }

    /// What its breaker is to learn since this was asked last.
    pub const fn take_news(&mut self) -> Option<News> {
        self.news.take()
    }

    /// A client's error says nothing of the upstream, whatever the plan counts as a failure; and one that answers late
    /// does not hang.
    pub(super) fn note_trial(&mut self, outcome: &Outcome, has_failed: bool, now_ms: f64) {
        if !self.is_guarded {
            return;
        }
        let is_clients = outcome.as_ref().is_ok_and(|answer| (400..500).contains(&answer.status()));
        let status = outcome.as_ref().ok().map(AnswerText::status);
        let is_timeout = matches!(outcome, Err(NoAnswer::Timeout(_)));
        self.news = Some(News::Tried(Trial {
            failure: (has_failed && !is_clients).then_some(Failure { status, is_timeout }),
            took_ms: now_ms - self.started_ms,
            is_probe: matches!(self.passage, Passage::Probe(_)),
        }));
    }

    pub(super) fn after_diverted(
        &mut self,
        outcome: Outcome,
        instruments: &mut Instruments<'_>,
    ) -> (Step, Option<Remark>) {
        if let Err(NoAnswer::Unsent(error)) = &outcome {
            return self.unsent(error);
        }
        let limit_ms = self.terms().map_or(0, |terms| terms.limit(Variant::New, true).ms);
        let is_late = !self.request.has_body() && instruments.now_ms - self.started_ms > limit_ms as f64;
        if is_late || outcome.as_ref().map_or(true, |answer| answer.status() >= 500) {
            self.news = Some(News::LegacyFailed);
        }
        if let Some(answer) = outcome.as_ref().ok().filter(|answer| self.can_replace(answer)) {
            let is_counted = matches!(self.passage, Passage::Diverted(Some(_)));
            if is_counted && answer.status() < 400 && self.is_measured() {
                self.measured().count_rescue(self.started_ms, instruments);
            }
            return (self.answer(answer, Which::Last, Variant::Legacy, "rescued", None), None);
        }
        if self.is_repeatable() {
            let is_asset = self.asset().is_some();
            let limit_ms = if is_asset { self.terms().map_or(0, |terms| terms.skew_limit_ms()) } else { limit_ms };
            self.stage = Stage::Back { own: outcome.ok() };
            return (self.ask_side(Variant::New, limit_ms), None);
        }
        match outcome {
            Ok(answer) => (self.answer(&answer, Which::Last, Variant::Legacy, "rescued", None), None),
            Err(error) => self.no_answer(&error),
        }
    }

    pub(super) fn after_back(&self, outcome: Outcome, own: Option<AnswerText>) -> (Step, Option<Remark>) {
        let has_failed = self.failure(&outcome).is_some();
        match (outcome, own) {
            (Ok(answer), _) if !has_failed => {
                (self.answer(&answer, Which::Last, Variant::New, self.reason(), None), None)
            }
            (_, Some(own)) => (self.answer(&own, Which::Before, Variant::Legacy, "rescued", None), None),
            (Ok(answer), None) => (self.answer(&answer, Which::Last, Variant::New, self.reason(), None), None),
            (Err(error), None) => self.no_answer(&error),
        }
    }
}
