//! All plans of a deployment, as the KV key `plans` holds them.
//!
//! The rollouts are kept apart as texts until each is read by itself, so that a broken one spoils
//! no other and an unchanged one is not read again.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Plan, read};
use crate::model::fault::Fault;
use crate::model::node::Node;

/// The version of the format.
const VERSION: u32 = 1;

/// The value of the KV key `plans`.
#[derive(Debug, Deserialize)]
pub struct PlanSet<'a> {
    v: u32,
    /// Grows with each change; an older one never replaces a newer one.
    pub revision: u64,
    /// Each rollout's plan as JSON.
    #[serde(borrow)]
    pub rollouts: Vec<&'a RawValue>,
}

/// Why a value of the KV key `plans` cannot be used at all.
#[derive(Debug)]
pub enum PlanSetError {
    /// It is no JSON of this shape.
    Malformed(serde_json::Error),
    /// It was written by a newer Tidegate.
    Version(u32),
}

impl std::error::Error for PlanSetError {}

impl fmt::Display for PlanSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the value of `plans` is malformed: {error}"),
            Self::Version(v) => write!(f, "the value of `plans` has the version {v}; this build reads {VERSION}"),
        }
    }
}

impl<'a> PlanSet<'a> {
    /// Reads the value, leaving its rollouts as they are.
    ///
    /// # Errors
    /// When it is no JSON of this shape and version.
    pub fn parse(text: &'a str) -> Result<Self, PlanSetError> {
        let set: Self = serde_json::from_str(text).map_err(PlanSetError::Malformed)?;
        if set.v == VERSION { Ok(set) } else { Err(PlanSetError::Version(set.v)) }
    }
}

/// Reads one rollout of a set, which was checked when it was made.
///
/// # Errors
/// With every fault that it has, its key first if that can be told.
pub fn read_rollout(text: &str) -> Result<Plan, Vec<Fault>> {
    let node: Node = serde_json::from_str(text).unwrap_or_default();
    let (plan, faults) = read::accepted(&node);
    plan.ok_or(faults)
}

/// Prints plans as the value of the KV key `plans`.
///
/// # Errors
/// Never for plans that were read; serde's signature allows one.
pub fn print(plans: &[Plan], revision: u64) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Printed<'a> {
        v: u32,
        revision: u64,
        rollouts: &'a [Plan],
    }
    serde_json::to_string(&Printed { v: VERSION, revision, rollouts: plans })
}
