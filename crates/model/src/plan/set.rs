//! All plans of a deployment, as the KV key `plans` holds them.
//!
//! The rollouts are kept apart as texts until each is read by itself, so that a broken one spoils
//! no other and an unchanged one is not read again.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::limits::{REVISION_BY_HAND_MAX, REVISION_MAX, ROLLOUTS_MAX, SET_BYTES_MAX};
use super::{Plan, read};
use crate::fault::Fault;
use crate::node::Node;
use crate::number::Grouped;

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
    /// It has so many bytes.
    Long(usize),
    /// It has so many rollouts.
    Many(usize),
    /// Nobody could count on from its revision.
    Revision(u64),
}

impl std::error::Error for PlanSetError {}

impl fmt::Display for PlanSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the value of `plans` is malformed: {error}"),
            Self::Version(v) => write!(f, "the value of `plans` has the version {v}; this build reads {VERSION}"),
            Self::Long(bytes) => write!(
                f,
                "the value of `plans` has {} bytes; at most {} are read",
                Grouped(*bytes),
                Grouped(SET_BYTES_MAX)
            ),
            Self::Many(count) => write!(
                f,
                "the value of `plans` has {} rollouts; at most {} are read",
                Grouped(*count),
                Grouped(ROLLOUTS_MAX)
            ),
            Self::Revision(revision) => {
                write!(f, "the value of `plans` has the revision {revision}; at most {REVISION_BY_HAND_MAX} is read")
            }
        }
    }
}

impl<'a> PlanSet<'a> {
    /// Reads the value, leaving its rollouts as they are.
    ///
    /// # Errors
    /// When it is no JSON of this shape and version, or larger than what is read.
    pub fn parse(text: &'a str) -> Result<Self, PlanSetError> {
        if text.len() > SET_BYTES_MAX {
            return Err(PlanSetError::Long(text.len()));
        }
        let set: Self = serde_json::from_str(text).map_err(PlanSetError::Malformed)?;
        match set {
            Self { v, .. } if v != VERSION => Err(PlanSetError::Version(v)),
            Self { revision, .. } if revision > REVISION_MAX => Err(PlanSetError::Revision(revision)),
            Self { rollouts, .. } if rollouts.len() > ROLLOUTS_MAX => Err(PlanSetError::Many(rollouts.len())),
            set => Ok(set),
        }
    }

    /// Reads what stands in KV, where somebody may have written it: others must be able to count on from its
    /// revision.
    ///
    /// # Errors
    /// As [`Self::parse`] does, and when its revision is out of the question.
    pub fn parse_by_hand(text: &'a str) -> Result<Self, PlanSetError> {
        let set = Self::parse(text)?;
        if set.revision > REVISION_BY_HAND_MAX { Err(PlanSetError::Revision(set.revision)) } else { Ok(set) }
    }
}

/// Reads one rollout of a set, which was checked when it was made: leniently, as [`read::stored`] does.
///
/// # Errors
/// With every fault for which it cannot be understood, its key first if that can be read.
pub fn read_rollout(text: &str) -> Result<Plan, Vec<Fault>> {
    let node: Node = serde_json::from_str(text).unwrap_or_default();
    let (plan, faults) = read::stored(&node);
    plan.ok_or(faults)
}

/// What can be read of a rollout whose plan has errors.
pub fn remains_of(text: &str) -> Option<Plan> {
    let node: Node = serde_json::from_str(text).ok()?;
    read::remains(&node)
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
