//! Which requests may be copied to new, and the copy's own request.
//!
//! 1. Legacy answers it, by the assignment, in a stage that copies; nobody has chosen legacy, nobody is a robot, and
//!    nothing is killed or rolled back.
//! 2. It only reads, or the plan names its path. A part of an answer, or none for want of a change, compares nothing,
//!    and neither does what both sides share.
//! 3. A copy carries what a request to new would, and says that it is one.

use std::rc::Rc;

use super::{Exchange, Stage, Target};
use crate::assets::Asset;
use crate::decision::Assigned;
use crate::diversion::Guarded;
use crate::message::AnswerText;
use crate::shadow::{Kind, LIMIT_MS_MAX, MARK, Redirects, Seen, ShadowCopy, UPLOAD_BYTES_MAX};
use crate::step::Step;
use tidegate_decide::assign::{Reason, Variant};
use tidegate_model::Percentage;
use tidegate_model::plan::Plan;

/// Headers that ask for a part, or for a change alone.
const CONDITIONS: [&str; 6] =
    ["range", "if-range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since"];
/// What identifies somebody.
const CREDENTIALS: [&str; 3] = ["cookie", "authorization", "proxy-authorization"];

/// A request that may be copied.
#[derive(Clone, Copy, Debug)]
pub struct Copyable<'a> {
    /// The rollout's plan.
    pub plan: &'a Plan,
    /// The share of such requests that is copied.
    pub share: Percentage,
    /// As a breaker sees it.
    pub guarded: Guarded<'a>,
}

impl Exchange {
    /// Whether the request may be copied to new while legacy answers it.
    pub fn copyable(&self) -> Option<Copyable<'_>> {
        let Target::Rollout(number) = self.target else { return None };
        let plan = self.snapshot.catalogue.plan(number)?.as_ref();
        let assignment = self.decision.assignment?;
        // Most plans copy nothing, and nothing more is asked then.
        let share = plan.shadow_share(assignment.stage);
        if share == Percentage::ZERO {
            return None;
        }
        let is_legacys = self.variant() == Variant::Legacy
            && matches!(
                assignment.reason,
                Reason::Bucketed | Reason::Holdout | Reason::Ineligible | Reason::Visit | Reason::Unidentified
            );
        let terms = self.terms().filter(|terms| is_legacys && terms.is_in_use() && terms.shared().is_none())?;
        let address = self.address();
        if !self.is_measured() || self.request.is_upgrade() || !self.is_safe(plan, address.path) {
            return None;
        }
        if CONDITIONS.iter().any(|name| self.request.header(name).is_some()) {
            return None;
        }
        let limit_ms = terms.limit(Variant::New, true).ms as f64;
        Some(Copyable {
            plan,
            share,
            guarded: Guarded { number, plan, path: address.path, limit_ms, is_repeatable: true },
        })
    }

    /// Whether nothing is changed by asking twice.
    fn is_safe(&self, plan: &Plan, path: &str) -> bool {
        if self.is_repeatable() {
            return true;
        }
        let length = self.request.header("content-length").map_or(Some(0), |length| length.parse::<u64>().ok());
        let is_named = plan.shadow.iter().flat_map(|shadow| &shadow.paths).any(|pattern| pattern.matches(path));
        is_named
            && !self.request.is_preflight()
            && self.request.header("transfer-encoding").is_none()
            && length.is_some_and(|length| length <= UPLOAD_BYTES_MAX)
    }

    /// Whether the copy needs the request's body, which the upstream that is asked first takes.
    pub fn has_body(&self) -> bool {
        self.request.has_body()
    }

    /// The copy of a request that legacy has answered; `None` where its answer compares nothing.
    pub fn shadow_copy(&self, answer: &AnswerText, now_ms: f64) -> Option<ShadowCopy> {
        let Target::Rollout(number) = self.target else { return None };
        let terms = self.terms().filter(|_| matches!(self.stage, Stage::First))?;
        let status = answer.status();
        let is_missed = self.asset().is_some() && Asset::is_missed(status, answer.content_type());
        if !(200..500).contains(&status) || matches!(status, 206 | 304) || terms.is_failure(status) || is_missed {
            return None;
        }
        let limit_ms = terms.limit(Variant::New, true).ms.min(LIMIT_MS_MAX);
        let shadow = terms.plan.shadow.clone().unwrap_or_default();
        let Step::Ask { service, url, mut edits, timeout_ms } = self.ask_side(Variant::New, limit_ms) else {
            return None;
        };
        let base = url.strip_suffix(self.address().path_and_query).map(str::to_owned);
        edits.set(MARK, "1");
        for name in CREDENTIALS.iter().filter(|_| !shadow.credentials) {
            edits.remove(name);
        }
        let is_read = (200..300).contains(&status)
            && self.request.method() != "HEAD"
            && Kind::of(answer.content_type()) != Kind::Other;
        let redirects = self.redirects();
        let target = answer.target().map(|target| redirects.public(target));
        let latency_ms = (!self.request.has_body()).then_some(now_ms - self.started_ms);
        Some(ShadowCopy {
            snapshot: Rc::clone(&self.snapshot),
            assigned: Assigned { number, assignment: self.decision.assignment?, subject: self.decision.subject },
            client: self.decision.client,
            path: self.address().path.to_owned(),
            legacy: Seen::of(answer, target, latency_ms),
            ask: Step::Ask { service, url, edits, timeout_ms },
            bytes_max: if is_read { shadow.max_kb * 1_024 } else { 0 },
            has_latency: latency_ms.is_some(),
            redirects,
            base,
            asked: Vec::new(),
        })
    }

    fn redirects(&self) -> Redirects {
        let backends = self.terms().into_iter().flat_map(|terms| terms.backends().collect::<Vec<_>>());
        let upstreams = backends
            .filter_map(|backend| backend.place.url())
            .map(|upstream| (upstream.authority().to_owned(), upstream.base_path().to_owned()));
        Redirects { origin: self.address().origin(), upstreams: upstreams.collect() }
    }
}
