//! A file that its side has lost: what was kept of it, the other side's, what was kept of that; and which files are to
//! be kept.

use super::{Exchange, NO_ANSWER, Outcome, Stage, Target};
use crate::assets::Asset;
use crate::kept::{self, Copy};
use crate::measuring::{Instruments, Seen};
use crate::message::AnswerText;
use crate::step::{Step, Which};
use tidegate_decide::assign::Variant;

impl Exchange {
    /// Under which URL the file is kept that a request asks for, where the plan wants that and it is such a file.
    pub(super) fn keeps(&self, side: Variant) -> Option<String> {
        self.asset()?;
        let terms = self.terms()?;
        terms.keeps_assets()?;
        let address = self.address();
        kept::is_wanted(&self.request, self.asset(), address.path)
            .then(|| kept::key(terms.plan.key.as_str(), side, &address))
            .flatten()
    }

    /// The same step, or that and a copy of the file behind it, where an answer of this side is worth keeping.
    pub(super) fn keeping(&mut self, step: Step, answer: &AnswerText, side: Variant) -> Step {
        match step {
            Step::Answer { which: Which::Last, edits: Some(edits), watch_ms: 0 }
                if self.keeps(side).is_some() && kept::is_worth_keeping(&self.request, self.address().path, answer) =>
            {
                self.kept = Some(side);
                Step::Keep { edits }
            }
            step => step,
        }
    }

    /// Under which URL the file is to be kept that was answered.
    pub fn copied(&self) -> Option<String> {
        self.keeps(self.kept?)
    }

    /// The copy that is to be made behind the answer.
    pub fn copy(&self) -> Option<Copy> {
        let side = self.kept?;
        let key = self.keeps(side)?;
        let terms = self.terms()?;
        let (life_s, fresh_s) = Copy::times(terms.keeps_assets()?);
        let edits = kept::asking(terms.plan.key.as_str(), side, &self.address());
        let Step::Ask { service, url, .. } = self.ask_side(side, 0) else { return None };
        Some(Copy { key, life_s, fresh_s, service, url, edits })
    }

    /// The first side lacks the file.
    pub(super) fn missed(&mut self, outcome: Outcome, seen: Seen, instruments: &mut Instruments<'_>) -> Step {
        let Ok(own) = outcome else { return Step::Sentence { status: 502, reason: self.reason(), text: NO_ANSWER } };
        let side = self.variant();
        match self.keeps(side) {
            Some(key) => {
                self.stage = Stage::Recall { side, own, seen };
                Step::Recall { key }
            }
            None => self.ask_other_side(own, seen, instruments),
        }
    }

    fn ask_other_side(&mut self, own: AnswerText, seen: Seen, instruments: &mut Instruments<'_>) -> Step {
        let limit_ms = self.terms().filter(|terms| terms.has_skew()).map(|terms| terms.skew_limit_ms());
        let Some(limit_ms) = limit_ms else {
            return self.lost(&own, &seen, Which::Last, instruments);
        };
        self.stage = Stage::Skew { own, seen };
        self.ask_side(self.variant().other(), limit_ms)
    }

    /// What was kept of a side where that is the file, else what comes next.
    pub(super) fn after_recall(
        &mut self,
        side: Variant,
        outcome: Outcome,
        own: AnswerText,
        seen: Seen,
        instruments: &mut Instruments<'_>,
    ) -> Step {
        match outcome {
            Ok(answer) if kept::answers(&self.request, &answer) => {
                self.count(&seen.replaced(answer.status()), instruments);
                self.answer(&answer, Which::Kept, side, "kept", None)
            }
            _ if side == self.variant() => self.ask_other_side(own, seen, instruments),
            _ => self.lost(&own, &seen, Which::Before, instruments),
        }
    }

    /// The other side's answer where it is the asset, else what was kept of it, else the own one.
    pub(super) fn after_skew(
        &mut self,
        outcome: Outcome,
        own: AnswerText,
        seen: Seen,
        instruments: &mut Instruments<'_>,
    ) -> Step {
        let side = self.variant().other();
        match outcome {
            Ok(answer) if Asset::is_found(answer.status(), answer.content_type()) => {
                self.count(&seen.replaced(answer.status()), instruments);
                let step = self.answer(&answer, Which::Last, side, "skew", None);
                self.keeping(step, &answer, side)
            }
            Ok(_) | Err(_) => match self.keeps(side) {
                Some(key) => {
                    self.stage = Stage::Recall { side, own, seen };
                    Step::Recall { key }
                }
                None => self.lost(&own, &seen, Which::Before, instruments),
            },
        }
    }

    /// Nobody has the file: the answer of the first side, which a page can know as one of a build that is gone.
    fn lost(&self, own: &AnswerText, seen: &Seen, which: Which, instruments: &mut Instruments<'_>) -> Step {
        self.count(seen, instruments);
        let is_kept = matches!(self.target, Target::Rollout(_)) && self.keeps(self.variant()).is_some();
        let mut step = self.answer(own, which, self.variant(), self.reason(), None);
        if let Step::Answer { edits: Some(edits), .. } = &mut step
            && is_kept
        {
            edits.set(kept::STALE, "1");
        }
        step
    }
}
