//! A request as it is counted: for which rollout, in which minute, at which places.

use super::by_value::Traits;
use crate::decision::Assigned;
use tidegate_decide::assign::Reason;
use tidegate_model::plan::{ENDPOINTS_MAX, Endpoint, Plan};
use tidegate_model::subject::SubjectHash;
use tidegate_model::{Minute, Name};

/// A request in the eyes of one rollout.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The rollout's plan.
    pub plan: &'a Plan,
    /// What the request was assigned there.
    pub assigned: Assigned,
    /// The path that it asked for.
    pub path: &'a str,
    /// Whether its subject has chosen legacy, though the hash has it on new.
    pub has_opted_out: bool,
    /// When the answer came, or it was clear that none would.
    pub minute: Minute,
    /// Stands in for the subject of a request without one: at most one failure of it counts in a minute.
    pub client: Option<SubjectHash>,
    /// What it says of itself; `None` where nobody asks.
    pub traits: Option<Traits<'a>>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The status of its answer; `None` where none came.
    pub status: Option<u16>,
    /// Whether that is a failure, as the plan defines it.
    pub is_failure: bool,
    /// Whether there were no headers in time, also where legacy answered later than the limit.
    pub is_timeout: bool,
    /// The bucket of the time to headers; `None` where none came, or where the request had a body.
    pub latency: Option<i16>,
}

/// Whether the hash alone has put a subject on its side.
pub const fn is_compared(reason: Reason) -> bool {
    matches!(reason, Reason::Bucketed | Reason::Holdout)
}

/// The bit of everywhere among places.
pub const EVERYWHERE: u32 = 1;

/// Where a path lies: everywhere, and at each endpoint that takes it.
pub fn places(plan: &Plan, path: &str) -> u32 {
    let taken = |(index, (_, endpoint)): (usize, &(Name, Endpoint))| u32::from(endpoint.0.matches(path)) << (index + 1);
    plan.endpoints.0.iter().take(ENDPOINTS_MAX).enumerate().map(taken).fold(EVERYWHERE, |places, bit| places | bit)
}

/// The places of a mask, each with its bit; `None` is everywhere.
pub fn at(plan: &Plan, places: u32) -> impl Iterator<Item = (u32, Option<&Name>)> {
    let endpoints = plan.endpoints.0.iter().map(|(name, _)| Some(name));
    let bits = (0..=ENDPOINTS_MAX).map(|bit| 1_u32 << bit);
    bits.zip(std::iter::once(None).chain(endpoints)).filter(move |(bit, _)| places & bit != 0)
}
