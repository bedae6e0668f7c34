//! What a circuit breaker and a request's way tell each other: whether new is asked, and what came of it.

use tidegate_model::plan::Plan;

/// What becomes of a request to new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passage {
    /// It is sent.
    #[default]
    Free,
    /// It is sent, and tells whether others may be. Where legacy can answer in its place, it is given up after so many
    /// milliseconds.
    Probe(u64),
    /// It is not sent, and counts as what the last one that failed was; legacy answers.
    Diverted(Failure),
}

/// How new has failed last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The status; `None` where no answer came.
    pub status: Option<u16>,
    /// Whether headers did not come in time.
    pub is_timeout: bool,
}

/// A request that a breaker may keep from new.
#[derive(Clone, Copy, Debug)]
pub struct Guarded<'a> {
    /// The number of the rollout that takes it.
    pub number: usize,
    /// Its plan.
    pub plan: &'a Plan,
    /// The path that is asked for.
    pub path: &'a str,
    /// How long new may take to send headers, in milliseconds.
    pub limit_ms: f64,
    /// Whether legacy can answer it after new has failed.
    pub is_repeatable: bool,
}

/// What came of a request that a breaker has let through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// How new failed, where it did.
    pub failure: Option<Failure>,
    /// From the request's arrival to headers or to the failure, in milliseconds.
    pub took_ms: f64,
    /// Whether it was a probe.
    pub is_probe: bool,
}

/// What a request tells its breaker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum News {
    /// New was asked.
    Tried(Trial),
    /// Legacy was asked in its place, and failed as well.
    LegacyFailed,
    /// The client has left before there was an answer; of a probe, or of another.
    Left {
        /// Whether it was a probe.
        is_probe: bool,
    },
}
