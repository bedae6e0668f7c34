//! What holds for one request of a rollout: the plan's word, and that of its rules for single paths.

use tidegate_decide::assign::Variant;
use tidegate_decide::compiled::{CompiledRollout, Mode};
use tidegate_model::Duration;
use tidegate_model::plan::{
    Backend, Breaker, CachePolicy, FailureKind, PathRules, Plan, Rescue, Upstreams, VersionSource,
};

/// So long an asset is waited for that the other side may have.
const SKEW_MS_MAX: u64 = 3_000;

/// What holds for one request.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// The rollout's plan.
    pub plan: &'a Plan,
    upstreams: &'a Upstreams,
    rules: PathRules<'a>,
    mode: Mode,
    has_started: bool,
}

/// How long an upstream may take to send headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// In milliseconds.
    pub ms: u64,
    /// Whether it is given up then; where it is not, taking longer is still a time-out.
    pub is_enforced: bool,
}

impl<'a> Terms<'a> {
    /// What holds for a path, or `None` for a plan without upstreams.
    pub fn of(plan: &'a Plan, standing: Option<&CompiledRollout>, path: &str) -> Option<Self> {
        let upstreams = plan.upstreams.as_ref()?;
        let (mode, has_started) =
            standing.map_or((Mode::Unknown, true), |standing| (standing.mode, standing.has_started));
        Some(Self { plan, upstreams, rules: PathRules::of(&plan.paths, path), mode, has_started })
    }

    /// Whether new is in use, so that its frontend may be asked before anything is known of the visitor.
    pub const fn is_in_use(&self) -> bool {
        matches!(self.mode, Mode::Active | Mode::Completed)
    }

    /// Whether browsers may hold either side's copies: a draft has only ever had one.
    pub const fn has_started(&self) -> bool {
        self.has_started
    }

    /// Whether Tidegate keeps the sides' copies apart, and not the site's own caches.
    pub fn keeps_apart(&self) -> bool {
        self.plan.cache == CachePolicy::Private
    }

    /// The side to which a rule pins the path, while new is in use.
    pub fn pinned(&self) -> Option<Variant> {
        self.rules.find(|rule| rule.side).filter(|_| self.is_in_use())
    }

    /// The backend that both sides share.
    pub fn shared(&self) -> Option<&'a Backend> {
        self.rules.find(|rule| rule.upstream.as_ref())
    }

    /// The backend that answers for a side.
    pub fn backend(&self, variant: Variant) -> &'a Backend {
        self.shared().unwrap_or_else(|| self.upstreams.side(variant))
    }

    /// Where new's answers say which version it is.
    pub fn new_version(&self) -> Option<&'a VersionSource> {
        self.upstreams.new.version.as_ref().filter(|_| self.shared().is_none())
    }

    /// Every backend whose addresses are to become public.
    pub fn backends(&self) -> impl Iterator<Item = &'a Backend> {
        [&self.upstreams.legacy, &self.upstreams.new].into_iter().chain(self.shared())
    }

    /// Whether requests are measured.
    pub fn is_measured(&self) -> bool {
        self.pinned().is_none() && self.rules.find(|rule| rule.measure).unwrap_or(true)
    }

    /// How long a side may take. `may_rescue` is whether legacy can answer in its place.
    pub fn limit(&self, variant: Variant, may_rescue: bool) -> Limit {
        match self.rules.find(|rule| rule.timeout).or(self.backend(variant).timeout) {
            Some(timeout) => Limit { ms: timeout.as_ms(), is_enforced: true },
            None => Limit { ms: self.upstreams.timeout.as_ms(), is_enforced: may_rescue },
        }
    }

    /// How long the other side may take to give an asset. A page waits for its scripts, and a side that was left
    /// may have been left because it hangs.
    pub fn skew_limit_ms(&self) -> u64 {
        self.upstreams.timeout.as_ms().min(if self.is_in_use() { SKEW_MS_MAX } else { SKEW_MS_MAX / 2 })
    }

    /// Whether legacy answers where new fails.
    pub fn has_rescue(&self) -> bool {
        let is_wanted = self.rules.find(|rule| rule.rescue).unwrap_or(self.upstreams.rescue != Rescue::Off);
        is_wanted && self.shared().is_none() && !self.has_ended()
    }

    /// Whether a breaker may keep a request from new while new fails.
    pub fn has_breaker(&self, is_read: bool) -> bool {
        let breaker = self.rules.find(|rule| rule.breaker).unwrap_or(self.upstreams.breaker);
        let is_wanted = match breaker {
            Breaker::On => true,
            Breaker::Reads => is_read,
            Breaker::Off => false,
        };
        is_wanted && self.has_rescue()
    }

    /// For how long files of builds that are gone are kept. What both sides share is no side's.
    pub fn keeps_assets(&self) -> Option<Duration> {
        self.plan.keep_assets.filter(|_| self.has_started && self.shared().is_none())
    }

    /// Whether the other side may give an asset that one side lacks.
    pub fn has_skew(&self) -> bool {
        self.has_started && self.shared().is_none() && !self.has_ended()
    }

    fn has_ended(&self) -> bool {
        self.mode == Mode::Completed && self.upstreams.rescue == Rescue::UntilCompleted
    }

    /// Whether an answer with this status is a failure.
    pub fn is_failure(&self, status: u16) -> bool {
        self.rules.find(|rule| rule.failure.as_ref()).unwrap_or(&self.plan.failure).has_status(status)
    }

    /// Whether this is a failure.
    pub fn counts(&self, kind: FailureKind) -> bool {
        self.rules.find(|rule| rule.failure.as_ref()).unwrap_or(&self.plan.failure).has(kind)
    }
}
