//! What the API answers of what is possible, what would happen, and how far a kill has come.

use crate::cli::chance::Forecast;
use serde::Deserialize;

use super::{Block, Moves, Rollout, State, instant};
use crate::model::Instant;

/// The answer to a command, and to a dry run of one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Changed {
    pub rollout: Rollout,
    pub from: State,
    pub to: State,
    pub moves: Moves,
    /// What the schedule does then at once.
    pub then: Vec<Step>,
    /// What it waits for after that.
    pub waits: Vec<Block>,
    /// What ends where all this completes the rollout.
    pub ends: Vec<End>,
    /// Of a start: what chance will do to the plan.
    pub forecast: Option<Forecast>,
}

/// A step of the schedule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Step {
    pub command: String,
    pub stage: String,
    pub percentage: f64,
    pub phase: String,
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
