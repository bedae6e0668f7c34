//! What came of asking a side: whether that is a failure, and what is counted of it.
//!
//! A file that the other side gives is counted as given: whoever is moved from one side to the other asks for
//! files of the side that was left, and that is nobody's error.

use super::{Exchange, Outcome, Stage};
use crate::measuring::{Instruments, Seen};
use crate::message::AnswerText;
use crate::step::NoAnswer;
use tidegate_decide::assign::Variant;
use tidegate_model::plan::{FailureKind, Plan};

impl Exchange {
    /// Why the outcome is a failure of the side that was asked, if it is one.
    pub(super) fn failure(&self, outcome: &Outcome) -> Option<String> {
        let side = self.variant();
        match outcome {
            Err(error) => Some(format!("{side} did not answer: {}", error.message())),
            Ok(answer) if self.terms().map_or(answer.status() >= 500, |terms| terms.is_failure(answer.status())) => {
                Some(format!("{side} answered {}", answer.status()))
            }
            Ok(answer) if self.leads_back(answer, side) => {
                Some(format!("{side} redirects to the address that was asked for"))
            }
            Ok(_) => None,
        }
    }

    /// What an answer of new says of its version, where the plan names a header for it.
    pub fn version<'a>(&'a self, answer: &'a AnswerText) -> Option<(&'a Plan, &'a str)> {
        let terms = self.terms().filter(|_| matches!(self.stage, Stage::First) && self.variant() == Variant::New)?;
        Some((terms.plan, answer.named(terms.new_version()?.header()?)?))
    }

    /// Whether headers came after the time that the plan gives, on whichever side. How long an upload takes is
    /// its client's affair.
    fn is_late(&self, outcome: &Outcome, now_ms: f64) -> bool {
        match outcome {
            Err(error) => matches!(error, NoAnswer::Timeout(_)),
            Ok(_) => {
                !self.request.has_body()
                    && self
                        .terms()
                        .is_some_and(|terms| now_ms - self.started_ms > terms.limit(self.variant(), false).ms as f64)
            }
        }
    }

    /// What is counted of an outcome. What is late counts alike on both sides, whether it was given up or came
    /// after all.
    pub(super) fn seen(&self, outcome: &Outcome, has_failed: bool, now_ms: f64) -> Seen {
        let is_late = self.is_late(outcome, now_ms);
        let counts_late = is_late && self.terms().is_some_and(|terms| terms.counts(FailureKind::Timeout));
        Seen {
            status: outcome.as_ref().ok().map(AnswerText::status),
            is_failure: counts_late || (has_failed && (outcome.is_ok() || !is_late)),
            is_timeout: is_late,
            latency_ms: (outcome.is_ok() && !self.request.has_body()).then_some(now_ms - self.started_ms),
        }
    }

    /// Counts what was seen, where requests like this are measured.
    pub(super) fn count(&self, seen: &Seen, instruments: &mut Instruments<'_>) {
        if self.is_measured() {
            self.measured().count(seen, instruments);
        }
    }
}
