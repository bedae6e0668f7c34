//! The way of one request, as a machine without input or output: given what happened, it says what
//! is done next. Whoever drives it only asks upstreams and passes answers on.
//!
//! ```text
//! start ─▶ Ask ─┬─▶ Answer                          the side of the assignment, or legacy for new
//!               ├─▶ Ask legacy ─▶ Answer            rescue: new has failed
//!               ├─▶ Recall ─▶ Answer                this side has lost the asset, and it was kept
//!               ├─▶ Ask the other ─▶ Answer         skew: this side lacks the asset
//!               ├─▶ Unregister                      this side lacks the service worker
//!               ├─▶ Ask the other ─▶ Answer         preflight: this side permits nothing
//!               └─▶ Sentence                        nobody answers
//! ```

mod answering;
mod asking;
mod diverting;
mod keeping;
mod outcome;
mod preflight;
mod shadowing;

pub use self::shadowing::Copyable;
use std::rc::Rc;

use super::address::Address;
use super::assets::{self, Asset};
use super::config::Snapshot;
use super::decision::Decision;
use super::diversion::{News, Passage};
use super::measuring::{Instruments, Measured, Seen};
use super::message::{AnswerText, RequestText};
use super::step::{NoAnswer, Remark, Step, Which};
use super::terms::Terms;
use tidegate_decide::assign::{Reason, Variant};
use tidegate_model::plan::{Backend, FailureKind};

/// A request that was decided.
#[derive(Debug)]
pub struct Accepted {
    /// The request.
    pub request: RequestText,
    /// What it was decided on.
    pub snapshot: Rc<Snapshot>,
    /// What was decided.
    pub decision: Decision,
    /// The number of the rollout that takes it.
    pub number: Option<usize>,
    /// When, in milliseconds since 1970.
    pub started_ms: f64,
}

/// A request on its way.
#[derive(Debug)]
pub struct Exchange {
    request: RequestText,
    snapshot: Rc<Snapshot>,
    decision: Decision,
    target: Target,
    started_ms: f64,
    stage: Stage,
    /// Whether a breaker wants to know what comes of it.
    is_guarded: bool,
    passage: Passage,
    news: Option<News>,
    holds: Holds,
    /// The side whose file is to be kept, once that is clear.
    kept: Option<Variant>,
}

/// What holds for a request on all of its way, worked out once: it is asked for some fifty times.
#[derive(Clone, Copy, Debug)]
struct Holds {
    /// The side of the assignment, or the one to which a rule pins the path.
    variant: Variant,
    /// The asset that the request asks for, while either side's may be wanted.
    asset: Option<Asset>,
    /// Whether another visitor may get another answer.
    is_split: bool,
    /// Whether browsers may hold either side's copies; what both sides share is one and the same.
    is_varying: bool,
    is_measured: bool,
    may_rescue: bool,
}

impl Holds {
    const NOTHING: Self = Self {
        variant: Variant::Legacy,
        asset: None,
        is_split: false,
        is_varying: false,
        is_measured: false,
        may_rescue: false,
    };

    fn of(way: &Exchange) -> Self {
        let terms = way.terms();
        let terms = terms.as_ref();
        let assignment = way.decision.assignment;
        let assigned = assignment.map_or(Variant::Legacy, |assignment| assignment.variant);
        let variant = terms.and_then(Terms::pinned).unwrap_or(assigned);
        let has_sides = terms.is_some_and(|terms| terms.has_started() && terms.shared().is_none());
        let asset = if has_sides && way.is_repeatable() { Asset::of(&way.request, way.address().path) } else { None };
        let is_preview = assignment.is_some_and(|assignment| assignment.reason == Reason::Override);
        let is_split = terms.is_some_and(|terms| terms.keeps_apart() && (terms.has_started() || is_preview));
        Self {
            variant,
            asset,
            is_split,
            is_varying: is_split && terms.is_some_and(|terms| terms.shared().is_none()),
            is_measured: !way.decision.is_unmeasured && terms.is_none_or(Terms::is_measured),
            may_rescue: way.is_repeatable()
                && asset != Some(Asset::ServiceWorker)
                && variant == Variant::New
                && terms.is_some_and(Terms::has_rescue),
        }
    }
}

/// Where a request goes.
#[derive(Debug)]
enum Target {
    Rollout(usize),
    /// No rollout takes it.
    Fallback {
        backend: Backend,
        is_configured: bool,
    },
}

/// What was asked last.
#[derive(Debug)]
enum Stage {
    First,
    /// Legacy, since new has failed; the answer by which it failed, and when it did.
    Rescue {
        own: Option<AnswerText>,
        failed_ms: f64,
    },
    /// The other side, since this one lacks the asset; its answer stands if the other lacks it too. What was
    /// seen of it is counted by what the visitor gets.
    Skew {
        own: AnswerText,
        seen: Seen,
    },
    /// What was kept of the file on one side; of the other, after that has lost it too.
    Recall {
        side: Variant,
        own: AnswerText,
        seen: Seen,
    },
    /// Legacy, since a breaker keeps the request from new.
    Diverted,
    /// New after all, since legacy has failed or lacks the asset; its answer stands where new fails as well.
    Back {
        own: Option<AnswerText>,
    },
    /// The second side of a preflight, and what the first has answered.
    Preflight {
        first: Variant,
        own: Option<AnswerText>,
    },
    /// Nothing more is to be asked.
    Done,
}

/// What came of asking an upstream.
pub type Outcome = Result<AnswerText, NoAnswer>;

const NO_ANSWER: &str = "The site did not answer. Please try again.";
const TOO_LATE: &str = "The site took too long to answer. Please try again.";
impl Exchange {
    /// Begins the way of a request.
    ///
    /// `fallback` is where requests go that no rollout takes, and `is_configured` whether any
    /// configuration could be read.
    ///
    /// # Errors
    /// With the sentence to answer, when there is nobody to ask.
    pub fn start(begun: Accepted, fallback: Option<Backend>, is_configured: bool) -> Result<(Self, Step), Step> {
        let way = Self::of(begun, fallback, is_configured)?;
        let step = way.first();
        Ok((way, step))
    }

    /// A request whose way is to begin, with [`Exchange::begin`].
    ///
    /// # Errors
    /// With the sentence to answer, when there is nobody to ask.
    pub fn of(begun: Accepted, fallback: Option<Backend>, is_configured: bool) -> Result<Self, Step> {
        let Accepted { request, snapshot, decision, number, started_ms } = begun;
        let has_upstreams =
            |number: &usize| snapshot.catalogue.plan(*number).is_some_and(|plan| plan.upstreams.is_some());
        let target = match (number.filter(has_upstreams), fallback) {
            (Some(number), _) => Target::Rollout(number),
            (None, Some(backend)) => Target::Fallback { backend, is_configured },
            (None, None) if is_configured => {
                return Err(Step::Sentence { status: 404, reason: "unrouted", text: "No rollout takes this address." });
            }
            (None, None) => {
                return Err(Step::Sentence {
                    status: 503,
                    reason: "no_config",
                    text: "The site is being set up. Please try again in a moment.",
                });
            }
        };
        let mut way = Self {
            request,
            snapshot,
            decision,
            target,
            started_ms,
            stage: Stage::First,
            is_guarded: false,
            passage: Passage::Free,
            news: None,
            holds: Holds::NOTHING,
            kept: None,
        };
        way.holds = Holds::of(&way);
        Ok(way)
    }

    fn first(&self) -> Step {
        let Some(terms) = self.terms() else {
            return match &self.target {
                Target::Fallback { backend, .. } => {
                    self.ask(backend, None, backend.timeout.map_or(0, |timeout| timeout.as_ms()))
                }
                Target::Rollout(_) => Step::Sentence { status: 503, reason: "no_config", text: NO_ANSWER },
            };
        };
        if self.request.is_preflight() {
            return self.ask_permission(preflight::first(&terms));
        }
        let variant = self.variant();
        let may_rescue = self.may_rescue();
        let limit = terms.limit(variant, may_rescue);
        let limit_ms = match self.passage {
            Passage::Probe(limit_ms) if may_rescue => limit_ms,
            _ => limit.ms,
        };
        self.ask_side(variant, if limit.is_enforced { limit_ms } else { 0 })
    }

    /// Goes on with an upstream's answer, or with why there is none. The second value is for the log.
    pub fn next(&mut self, outcome: Outcome, instruments: &mut Instruments<'_>) -> (Step, Option<Remark>) {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::First if self.request.is_preflight() && self.terms().is_some() => self.after_preflight(outcome),
            Stage::First => self.after_first(outcome, instruments),
            Stage::Rescue { own, failed_ms } => self.after_rescue(outcome, own, failed_ms, instruments),
            Stage::Diverted => self.after_diverted(outcome, instruments),
            Stage::Back { own } => self.after_back(outcome, own),
            Stage::Recall { side, own, seen } => (self.after_recall(side, outcome, own, seen, instruments), None),
            Stage::Skew { own, seen } => (self.after_skew(outcome, own, seen, instruments), None),
            Stage::Preflight { first, own } => self.after_both(first, own, outcome),
            Stage::Done => (Step::Answer { which: Which::Last, edits: None, watch_ms: 0 }, None),
        }
    }

    fn after_first(&mut self, outcome: Outcome, instruments: &mut Instruments<'_>) -> (Step, Option<Remark>) {
        if let Err(NoAnswer::Unsent(error)) = &outcome {
            return self.unsent(error);
        }
        let failure = self.failure(&outcome);
        self.note_trial(&outcome, failure.is_some(), instruments.now_ms);
        let seen = self.seen(&outcome, failure.is_some(), instruments.now_ms);
        if let (Ok(answer), Some(asset)) = (&outcome, self.asset())
            && Asset::is_missed(answer.status(), answer.content_type())
        {
            if asset == Asset::ServiceWorker {
                self.count(&seen.replaced(200), instruments);
                return (Step::Unregister { reason: self.reason(), script: assets::UNREGISTER }, None);
            }
            if self.keeps(self.variant()).is_some() || self.terms().is_some_and(|terms| terms.has_skew()) {
                return (self.missed(outcome, seen, instruments), None);
            }
        }
        self.count(&seen, instruments);
        if let Some(why) = failure.filter(|_| self.may_rescue()) {
            self.stage = Stage::Rescue { own: outcome.ok(), failed_ms: instruments.now_ms };
            let place = self.address().masked_path();
            let remark = self.remark("rescued", format!("{why} at {place}; legacy answers instead"));
            let limit = self.terms().map(|terms| terms.limit(Variant::Legacy, false)).filter(|limit| limit.is_enforced);
            return (self.ask_side(Variant::Legacy, limit.map_or(0, |limit| limit.ms)), Some(remark));
        }
        match outcome {
            Ok(answer) => {
                let step = self.pass_on(&answer, instruments);
                (self.keeping(step, &answer, self.variant()), None)
            }
            Err(error) => self.no_answer(&error),
        }
    }

    fn after_rescue(
        &mut self,
        outcome: Outcome,
        own: Option<AnswerText>,
        failed_ms: f64,
        instruments: &mut Instruments<'_>,
    ) -> (Step, Option<Remark>) {
        let is_taken = outcome.as_ref().is_ok_and(|answer| self.can_replace(answer));
        match (outcome, own) {
            (Ok(answer), _) if is_taken => {
                if answer.status() < 400 && self.is_measured() {
                    self.measured().count_rescue(failed_ms, instruments);
                }
                (self.answer(&answer, Which::Last, Variant::Legacy, "rescued", None), None)
            }
            (Ok(_), Some(own)) => (self.answer(&own, Which::Before, self.variant(), self.reason(), None), None),
            // A page in a file's place is worse than no file.
            (Ok(_), None) if self.asset().is_some() => {
                (Step::Sentence { status: 502, reason: self.reason(), text: NO_ANSWER }, None)
            }
            (Ok(answer), None) => (self.answer(&answer, Which::Last, Variant::Legacy, "rescued", None), None),
            (Err(error), Some(own)) => {
                (self.answer(&own, Which::Before, self.variant(), self.reason(), None), Some(self.failed(&error)))
            }
            (Err(error), None) => self.no_answer(&error),
        }
    }

    /// Whether legacy's answer is better than new's failure.
    fn can_replace(&self, answer: &AnswerText) -> bool {
        if self.asset().is_some() {
            return Asset::is_found(answer.status(), answer.content_type());
        }
        self.terms().is_some_and(|terms| !terms.is_failure(answer.status()))
            && !self.leads_back(answer, Variant::Legacy)
    }

    /// Takes note that the client has left before any answer. It counts as abandoned unless its own body was still
    /// being sent.
    pub fn abandon(&mut self, is_sent: bool, instruments: &mut Instruments<'_>) {
        if self.is_guarded && matches!(self.stage, Stage::First) {
            self.news = Some(News::Left { is_probe: matches!(self.passage, Passage::Probe(_)) });
        }
        if is_sent && matches!(self.stage, Stage::First) && self.is_measured() && !self.request.is_preflight() {
            self.measured().count_abandoned(instruments.now_ms - self.started_ms, instruments);
        }
    }

    /// Takes note that the body of the page that was passed on has ended early, or stalled.
    pub fn note_broken(&self, instruments: &mut Instruments<'_>) {
        let is_failure = self.terms().is_some_and(|terms| terms.counts(FailureKind::Broken));
        self.measured().count_broken(is_failure, instruments);
    }

    const fn is_measured(&self) -> bool {
        self.holds.is_measured
    }

    fn measured(&self) -> Measured<'_> {
        let number = match self.target {
            Target::Rollout(number) => Some(number),
            Target::Fallback { .. } => None,
        };
        let Address { authority: host, path, .. } = self.address();
        Measured { snapshot: &self.snapshot, decision: &self.decision, number, host, path, request: &self.request }
    }

    fn unsent(&self, error: &str) -> (Step, Option<Remark>) {
        (
            Step::Sentence { status: 502, reason: self.reason(), text: NO_ANSWER },
            Some(self.remark("upload_broken", error.to_owned())),
        )
    }

    fn no_answer(&self, error: &NoAnswer) -> (Step, Option<Remark>) {
        let (status, text) = if matches!(error, NoAnswer::Timeout(_)) { (504, TOO_LATE) } else { (502, NO_ANSWER) };
        (Step::Sentence { status, reason: self.reason(), text }, Some(self.failed(error)))
    }

    fn failed(&self, error: &NoAnswer) -> Remark {
        self.remark("upstream_failed", error.message().to_owned())
    }

    fn remark(&self, event: &'static str, message: String) -> Remark {
        let subject = self.terms().map_or_else(|| "FALLBACK_UPSTREAM".to_owned(), |terms| terms.plan.key.to_string());
        Remark { event, subject, message }
    }

    /// What holds for the request, where a rollout takes it.
    fn terms(&self) -> Option<Terms<'_>> {
        let Target::Rollout(number) = self.target else { return None };
        Terms::of(self.snapshot.catalogue.plan(number)?, self.snapshot.standings.get(number), self.address().path)
    }

    const fn is_split(&self) -> bool {
        self.holds.is_split
    }

    const fn is_varying(&self) -> bool {
        self.holds.is_varying
    }

    const fn variant(&self) -> Variant {
        self.holds.variant
    }

    fn reason(&self) -> &'static str {
        match (&self.target, self.decision.assignment) {
            (Target::Rollout(_), _) if self.request.is_preflight() => "preflight",
            (Target::Rollout(_), _) if self.terms().is_some_and(|terms| terms.pinned().is_some()) => "path",
            (Target::Rollout(_), Some(assignment)) => assignment.reason.as_str(),
            (Target::Fallback { is_configured: true, .. }, _) => "unrouted",
            _ => "no_config",
        }
    }

    /// Whether the request can be asked twice: it changes nothing, and it has no body that the first attempt
    /// would have consumed.
    fn is_repeatable(&self) -> bool {
        self.request.is_read() && !self.request.has_body()
    }

    const fn may_rescue(&self) -> bool {
        self.holds.may_rescue
    }

    const fn asset(&self) -> Option<Asset> {
        self.holds.asset
    }

    fn address(&self) -> Address<'_> {
        // The URL was an address when the way began.
        self.request.address().unwrap_or(Address { scheme: "https", authority: "", path: "/", path_and_query: "/" })
    }
}
