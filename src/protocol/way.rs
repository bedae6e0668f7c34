//! The way of one request, as a machine without input or output: told what happened, it says what
//! is done next. Whoever drives it only asks upstreams and passes answers on.
//!
//! ```text
//! start ─▶ Ask ─┬─▶ Answer                          the side of the assignment
//!               ├─▶ Ask legacy ─▶ Answer            rescue: new has failed
//!               ├─▶ Ask the other ─▶ Answer         skew: this side lacks the asset
//!               └─▶ Sentence                        nobody answers
//! ```

use std::rc::Rc;

use super::address::Address;
use super::config::Snapshot;
use super::decision::Decision;
use super::fallback::{self, Asset};
use super::forward::{self, Inbound, Marks};
use super::headers::HeaderEdits;
use super::message::{AnswerText, RequestText};
use super::respond::{self, Provenance};
use crate::decide::assign::{Reason, Variant};
use crate::decide::standing::Mode;
use crate::model::plan::{CachePolicy, Plan, Upstreams};
use crate::model::upstream::Upstream;

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the request here; without headers within `timeout_ms` (0: no limit) it has failed.
    Ask {
        /// The URL.
        url: String,
        /// The changes to its headers.
        edits: HeaderEdits,
        /// The limit.
        timeout_ms: u64,
    },
    /// Pass an answer on.
    Answer {
        /// Which of the answers so far.
        which: Which,
        /// The changes to its headers; `None` leaves it untouched.
        edits: Option<HeaderEdits>,
    },
    /// Answer with a plain sentence.
    Sentence {
        /// The status.
        status: u16,
        /// The value of `tidegate-reason`.
        reason: &'static str,
        /// The sentence.
        text: &'static str,
    },
}

/// One of the answers to a request that was asked twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that came last.
    Last,
    /// The one before.
    Before,
}

/// Something that an operator may have to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Remark {
    /// Its stable name.
    pub event: &'static str,
    /// What it concerns.
    pub subject: String,
    /// What happened.
    pub message: String,
}

/// A request on its way.
#[derive(Debug)]
pub struct Way {
    request: RequestText,
    snapshot: Rc<Snapshot>,
    decision: Decision,
    target: Target,
    stage: Stage,
}

/// Where a request goes.
#[derive(Debug)]
enum Target {
    Rollout { number: usize, mode: Mode },
    /// No rollout takes it.
    Fallback { upstream: Upstream, is_configured: bool },
}

/// What was asked last.
#[derive(Debug)]
enum Stage {
    First,
    /// Legacy, since new has failed; whether new's failure was an answer.
    Rescue { has_answer: bool },
    /// The other side, since this one lacks the asset; its answer stands if the other lacks it too.
    Skew { asset: Asset, kept: AnswerText, variant: Variant, reason: &'static str },
}

const NO_ANSWER: &str = "The site did not answer. Please try again.";

impl Way {
    /// Begins the way of a request that the rollout `number` takes, or none.
    ///
    /// `fallback` is where requests go that no rollout takes, and `is_configured` whether any
    /// configuration could be read.
    ///
    /// # Errors
    /// With the sentence to answer, when there is nobody to ask.
    pub fn start(request: RequestText, snapshot: Rc<Snapshot>, decision: Decision, number: Option<usize>, fallback: Option<Upstream>, is_configured: bool) -> Result<(Self, Step), Step> {
        let has_upstreams = |number: &usize| snapshot.catalogue.plan(*number).is_some_and(|plan| plan.upstreams.is_some());
        let target = match (number.filter(has_upstreams), fallback) {
            (Some(number), _) => Target::Rollout { number, mode: snapshot.standings.get(number).map_or(Mode::Unknown, |standing| standing.mode) },
            (None, Some(upstream)) => Target::Fallback { upstream, is_configured },
            (None, None) if is_configured => return Err(Step::Sentence { status: 404, reason: "unrouted", text: "No rollout takes this address." }),
            (None, None) => return Err(Step::Sentence { status: 503, reason: "no_config", text: "The site is being set up. Please try again in a moment." }),
        };
        let way = Self { request, snapshot, decision, target, stage: Stage::First };
        let step = way.first();
        Ok((way, step))
    }

    fn first(&self) -> Step {
        match &self.target {
            Target::Fallback { upstream, .. } => self.ask(upstream, None, 0),
            Target::Rollout { .. } => {
                let variant = self.variant();
                let timeout_ms = self.upstreams().filter(|_| self.may_rescue()).map_or(0, |upstreams| upstreams.timeout.as_ms());
                self.ask_side(variant, timeout_ms)
            }
        }
    }

    /// Goes on with an upstream's answer, or with why there is none. The second value is for the log.
    pub fn next(&mut self, outcome: Result<AnswerText, String>) -> (Step, Option<Remark>) {
        match std::mem::replace(&mut self.stage, Stage::First) {
            Stage::First => self.after_first(outcome),
            Stage::Rescue { has_answer } => match outcome {
                Ok(answer) => (self.answer(&answer, Which::Last, Variant::Legacy, "rescued"), None),
                Err(error) if has_answer => (Step::Answer { which: Which::Before, edits: Some(self.marks(Variant::New, "rescued")) }, Some(self.failure(&error))),
                Err(error) => self.no_answer(&error),
            },
            Stage::Skew { asset, kept, variant, reason } => match outcome {
                Ok(answer) if asset.is_found(answer.status(), answer.content_type()) => (self.answer(&answer, Which::Last, variant.other(), "skew"), None),
                Ok(_) | Err(_) => (self.answer(&kept, Which::Before, variant, reason), None),
            },
        }
    }

    fn after_first(&mut self, outcome: Result<AnswerText, String>) -> (Step, Option<Remark>) {
        let (variant, reason) = (self.variant(), self.reason());
        let failure = match &outcome {
            Ok(answer) if fallback::is_failure(answer.status()) => Some(format!("new answered {}", answer.status())),
            Ok(_) => None,
            Err(error) => Some(format!("new did not answer: {error}")),
        };
        if let Some(why) = failure.filter(|_| self.may_rescue()) {
            self.stage = Stage::Rescue { has_answer: outcome.is_ok() };
            let remark = self.remark("rescued", format!("{why}; legacy answers instead"));
            return (self.ask_side(Variant::Legacy, 0), Some(remark));
        }
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => return self.no_answer(&error),
        };
        match self.missed_asset(&answer) {
            Some(asset) => {
                self.stage = Stage::Skew { asset, kept: answer, variant, reason };
                let timeout_ms = self.upstreams().map_or(0, |upstreams| upstreams.timeout.as_ms());
                (self.ask_side(variant.other(), timeout_ms), None)
            }
            None => (self.answer(&answer, Which::Last, variant, reason), None),
        }
    }

    fn no_answer(&self, error: &str) -> (Step, Option<Remark>) {
        (Step::Sentence { status: 502, reason: self.reason(), text: NO_ANSWER }, Some(self.failure(error)))
    }

    fn failure(&self, error: &str) -> Remark {
        self.remark("upstream_failed", error.to_owned())
    }

    fn remark(&self, event: &'static str, message: String) -> Remark {
        let subject = self.plan().map_or_else(|| "FALLBACK_UPSTREAM".to_owned(), |plan| plan.key.to_string());
        Remark { event, subject, message }
    }

    fn plan(&self) -> Option<&Plan> {
        match self.target {
            Target::Rollout { number, .. } => self.snapshot.catalogue.plan(number).map(Rc::as_ref),
            Target::Fallback { .. } => None,
        }
    }

    fn upstreams(&self) -> Option<&Upstreams> {
        self.plan().and_then(|plan| plan.upstreams.as_ref())
    }

    fn mode(&self) -> Mode {
        match self.target {
            Target::Rollout { mode, .. } => mode,
            Target::Fallback { .. } => Mode::Unknown,
        }
    }

    /// Whether browsers may get either side: a draft has only ever had one, but for previews.
    fn is_varying(&self) -> bool {
        self.mode() != Mode::Inactive || self.decision.assignment.is_some_and(|assignment| assignment.reason == Reason::Override)
    }

    fn variant(&self) -> Variant {
        self.decision.assignment.map_or(Variant::Legacy, |assignment| assignment.variant)
    }

    fn reason(&self) -> &'static str {
        match (&self.target, self.decision.assignment) {
            (Target::Rollout { .. }, Some(assignment)) => assignment.reason.as_str(),
            (Target::Fallback { is_configured: true, .. }, _) => "unrouted",
            _ => "no_config",
        }
    }

    fn is_repeatable(&self) -> bool {
        fallback::is_repeatable(self.request.method(), self.request.has_body())
    }

    fn may_rescue(&self) -> bool {
        self.upstreams().is_some_and(|upstreams| fallback::may_rescue(upstreams.rescue, self.mode(), self.variant(), self.is_repeatable()))
    }

    fn missed_asset(&self, answer: &AnswerText) -> Option<Asset> {
        let is_skewable = self.plan().is_some() && self.mode() != Mode::Completed && self.is_repeatable();
        let asset = Asset::of(self.request.header("sec-fetch-dest")).filter(|_| is_skewable)?;
        asset.is_missed(answer.status(), answer.content_type()).then_some(asset)
    }

    fn address(&self) -> Address<'_> {
        // The URL was an address when the way began.
        Address::parse(self.request.url()).unwrap_or(Address { scheme: "https", authority: "", path: "/", path_and_query: "/" })
    }

    fn ask_side(&self, variant: Variant, timeout_ms: u64) -> Step {
        match self.upstreams() {
            Some(Upstreams { legacy, .. }) if variant == Variant::Legacy => self.ask(legacy, Some(variant), timeout_ms),
            Some(Upstreams { new, .. }) => self.ask(new, Some(variant), timeout_ms),
            None => Step::Sentence { status: 503, reason: "no_config", text: NO_ANSWER },
        }
    }

    fn ask(&self, upstream: &Upstream, variant: Option<Variant>, timeout_ms: u64) -> Step {
        let request = &self.request;
        let address = self.address();
        let is_document = forward::asks_for_document(request.header("sec-fetch-dest"), request.header("accept"));
        let inbound = Inbound {
            request,
            address,
            is_unconditional: is_document && variant.is_some() && self.is_varying(),
        };
        let stage = self.plan().zip(self.decision.assignment).and_then(|(plan, assignment)| plan.stages.get(assignment.stage));
        let rollout = variant.zip(self.plan()).map(|(variant, plan)| (variant, plan.key.as_str(), stage.map_or("", |stage| stage.name.as_str())));
        let edits = forward::edits(&inbound, &Marks { rollout, flags: &self.decision.flags });
        Step::Ask { url: forward::url(upstream, &address), edits, timeout_ms }
    }

    fn answer(&self, answer: &AnswerText, which: Which, variant: Variant, reason: &'static str) -> Step {
        // A switched connection is passed on as it is: a copy would lose its socket.
        if answer.status() == 101 {
            return Step::Answer { which, edits: None };
        }
        let upstreams: Vec<&Upstream> = match &self.target {
            Target::Fallback { upstream, .. } => vec![upstream],
            Target::Rollout { .. } => self.upstreams().into_iter().flat_map(|upstreams| [&upstreams.legacy, &upstreams.new]).collect(),
        };
        let provenance = self.provenance(variant, reason);
        let edits = respond::edits(&answer.outbound(), &provenance, &self.address(), &upstreams, &self.decision.cookies);
        Step::Answer { which, edits: Some(edits) }
    }

    /// The marks alone, for new's own failure where legacy fails too.
    fn marks(&self, variant: Variant, reason: &'static str) -> HeaderEdits {
        respond::edits(&Default::default(), &self.provenance(variant, reason), &self.address(), &[], &self.decision.cookies)
    }

    fn provenance<'p>(&self, variant: Variant, reason: &'p str) -> Provenance<'p> {
        let has_flags = !self.decision.flags.is_empty();
        match self.plan() {
            // Even of a completed rollout, who is excluded or unidentified stays on legacy.
            Some(plan) => Provenance {
                variant: Some(variant.as_str()),
                reason,
                is_private: plan.cache == CachePolicy::Private && (has_flags || self.is_varying()),
                is_read: self.request.is_read(),
            },
            None => Provenance { variant: None, reason, is_private: has_flags, is_read: self.request.is_read() },
        }
    }
}
