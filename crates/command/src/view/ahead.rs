//! What the API answers of what is possible, what would happen, and how far a kill has come.

use serde::Deserialize;

use super::{Rollout, State, instant};
use tidegate_model::Instant;
use tidegate_protocol::api::consequences::Consequences;

/// The answer to a command, and to a dry run of one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Changed {
    pub rollout: Rollout,
    pub from: State,
    /// What it does, in the server's words.
    pub explanation: Consequences,
}

/// Something that a completion ends.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct End {
    pub what: String,
    pub text: String,
}

/// A command that would be refused now.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NotNow {
    pub command: String,
    pub reason: String,
    #[serde(deserialize_with = "instant")]
    pub at: Option<Instant>,
    /// Whether it is possible here once the reason is gone.
    pub waits: bool,
    /// Whether it is done for whoever names the rollout.
    pub confirmable: bool,
}

/// How far a kill has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Reach {
    pub isolates: usize,
    pub behind: usize,
    pub quiet_ms: Option<i64>,
}
