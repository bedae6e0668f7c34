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
use super::measuring::{self, Instruments, Measured};
use super::message::{AnswerText, RequestText};
use super::respond::{self, Provenance};
use super::step::{Remark, Step, Which};
use crate::decide::assign::{Reason, Variant};
use crate::decide::standing::Mode;
use crate::model::plan::{CachePolicy, Plan, Upstreams};
use crate::model::upstream::Upstream;

/// A request that was decided.
#[derive(Debug)]
pub struct Begun {
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
pub struct Way {
    request: RequestText,
    snapshot: Rc<Snapshot>,
    decision: Decision,
    target: Target,
    started_ms: f64,
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
    /// Legacy, since new has failed; whether new's failure was an answer, and when that was.
    Rescue { has_answer: bool, failed_ms: f64 },
    /// The other side, since this one lacks the asset; its answer stands if the other lacks it too.
    Skew { asset: Asset, kept: AnswerText, variant: Variant, reason: &'static str },
}

const NO_ANSWER: &str = "The site did not answer. Please try again.";

impl Way {
    /// Begins the way of a request.
    ///
    /// `fallback` is where requests go that no rollout takes, and `is_configured` whether any
    /// configuration could be read.
    ///
    /// # Errors
    /// With the sentence to answer, when there is nobody to ask.
    pub fn start(begun: Begun, fallback: Option<Upstream>, is_configured: bool) -> Result<(Self, Step), Step> {
        let Begun { request, snapshot, decision, number, started_ms } = begun;
        let has_upstreams = |number: &usize| snapshot.catalogue.plan(*number).is_some_and(|plan| plan.upstreams.is_some());
        let target = match (number.filter(has_upstreams), fallback) {
            (Some(number), _) => Target::Rollout { number, mode: snapshot.standings.get(number).map_or(Mode::Unknown, |standing| standing.mode) },
            (None, Some(upstream)) => Target::Fallback { upstream, is_configured },
            (None, None) if is_configured => return Err(Step::Sentence { status: 404, reason: "unrouted", text: "No rollout takes this address." }),
            (None, None) => return Err(Step::Sentence { status: 503, reason: "no_config", text: "The site is being set up. Please try again in a moment." }),
        };
        let way = Self { request, snapshot, decision, target, started_ms, stage: Stage::First };
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
    pub fn next(&mut self, outcome: Result<AnswerText, String>, instruments: &mut Instruments<'_>) -> (Step, Option<Remark>) {
        match std::mem::replace(&mut self.stage, Stage::First) {
            Stage::First => self.after_first(outcome, instruments),
            Stage::Rescue { has_answer, failed_ms } => match outcome {
                Ok(answer) => {
                    self.measured().count_rescue(failed_ms, instruments.meter);
                    (self.answer(&answer, Which::Last, Variant::Legacy, "rescued", None), None)
                }
                Err(error) if has_answer => (Step::Answer { which: Which::Before, edits: Some(self.marks(Variant::New, "rescued")) }, Some(self.failure(&error))),
                Err(error) => self.no_answer(&error),
            },
            Stage::Skew { asset, kept, variant, reason } => match outcome {
                Ok(answer) if asset.is_found(answer.status(), answer.content_type()) => (self.answer(&answer, Which::Last, variant.other(), "skew", None), None),
                Ok(_) | Err(_) => (self.answer(&kept, Which::Before, variant, reason, None), None),
            },
        }
    }

    fn after_first(&mut self, outcome: Result<AnswerText, String>, instruments: &mut Instruments<'_>) -> (Step, Option<Remark>) {
        self.measured().count(self.started_ms, outcome.as_ref().ok().map(AnswerText::status), instruments);
        let (variant, reason) = (self.variant(), self.reason());
        let failure = match &outcome {
            Ok(answer) if fallback::is_failure(answer.status()) => Some(format!("new answered {}", answer.status())),
            Ok(_) => None,
            Err(error) => Some(format!("new did not answer: {error}")),
        };
        if let Some(why) = failure.filter(|_| self.may_rescue()) {
            self.stage = Stage::Rescue { has_answer: outcome.is_ok(), failed_ms: instruments.now_ms };
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
            None => {
                // What shared caches may keep must not carry one visitor's token.
                let is_given = measuring::is_page(&self.request, &answer) && self.is_private();
                let token = if is_given { self.measured().token(instruments) } else { None };
                (self.answer(&answer, Which::Last, variant, reason, token.as_deref()), None)
            }
        }
    }

    fn measured(&self) -> Measured<'_> {
        let number = match self.target {
            Target::Rollout { number, .. } => Some(number),
            Target::Fallback { .. } => None,
        };
        Measured { snapshot: &self.snapshot, decision: &self.decision, number, path: self.address().path }
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

    fn answer(&self, answer: &AnswerText, which: Which, variant: Variant, reason: &'static str, token: Option<&str>) -> Step {
        // A switched connection is passed on as it is: a copy would lose its socket.
        if answer.status() == 101 {
            return Step::Answer { which, edits: None };
        }
        let upstreams: Vec<&Upstream> = match &self.target {
            Target::Fallback { upstream, .. } => vec![upstream],
            Target::Rollout { .. } => self.upstreams().into_iter().flat_map(|upstreams| [&upstreams.legacy, &upstreams.new]).collect(),
        };
        let provenance = Provenance { token, ..self.provenance(variant, reason) };
        let edits = respond::edits(&answer.outbound(), &provenance, &self.address(), &upstreams, &self.decision.cookies);
        Step::Answer { which, edits: Some(edits) }
    }

    /// The marks alone, for new's own failure where legacy fails too.
    fn marks(&self, variant: Variant, reason: &'static str) -> HeaderEdits {
        respond::edits(&Default::default(), &self.provenance(variant, reason), &self.address(), &[], &self.decision.cookies)
    }

    /// Whether the answer depends on who asks, and shared caches are not told to tell them apart.
    fn is_private(&self) -> bool {
        let has_flags = !self.decision.flags.is_empty();
        match self.plan() {
            // Even of a completed rollout, who is excluded or unidentified stays on legacy.
            Some(plan) => plan.cache == CachePolicy::Private && (has_flags || self.is_varying()),
            None => has_flags,
        }
    }

    fn provenance<'p>(&self, variant: Variant, reason: &'p str) -> Provenance<'p> {
        Provenance {
            variant: self.plan().map(|_| variant.as_str()),
            reason,
            is_private: self.is_private(),
            is_read: self.request.is_read(),
            token: None,
        }
    }
}
