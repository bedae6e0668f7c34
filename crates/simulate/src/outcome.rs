//! The result of a simulated run: what happened and when, and how each rollout ended.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use tidegate_model::live::{LiveState, Phase};
use tidegate_model::{Instant, Name, Percentage};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A step forward, by the schedule or by hand.
    Forward,
    /// A step back, a pause or a kill, by a guardrail or by hand.
    Back,
    /// Anything else that was changed.
    Change,
    /// A guardrail that tells someone.
    Alert,
    /// The scenario's doing.
    Scenario,
    /// A command that was refused.
    Refused,
    /// Something stands in the way.
    Waiting,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// To which rollout.
    pub rollout: Name,
    /// What kind of thing.
    pub kind: Kind,
    /// By whom or what.
    pub by: String,
    /// What was done, in a word: a command's name, or none.
    pub command: &'static str,
    /// What, and why, in a sentence.
    pub text: String,
    /// The figures that decided.
    pub figures: Vec<String>,
    /// The stage afterwards.
    pub stage: Name,
    /// The percentage afterwards.
    pub percentage: Percentage,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everybody is on new, or it has done its time in a last stage under 100 %.
    Completed,
    /// Sent back, or killed.
    RolledBack,
    /// Held.
    Paused,
    /// Still under way, or not even begun.
    Unfinished,
}

impl Outcome {
    /// Of a rollout in this state.
    pub const fn of(live: &LiveState) -> Self {
        match live.phase {
            _ if live.killed => Self::RolledBack,
            Phase::Completed => Self::Completed,
            Phase::RolledBack => Self::RolledBack,
            Phase::Paused => Self::Paused,
            Phase::Running if live.ended => Self::Completed,
            Phase::Draft | Phase::Running => Self::Unfinished,
        }
    }

    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::RolledBack => "rolled_back",
            Self::Paused => "paused",
            Self::Unfinished => "unfinished",
        }
    }
}

/// What has become of one rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// Its key.
    #[serde(deserialize_with = "name")]
    pub rollout: Name,
    /// The seed of the run.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The stage that it was in; of a rollback, the one that it came from.
    #[serde(deserialize_with = "name")]
    pub stage: Name,
    /// The share of subjects on new at the end.
    #[serde(deserialize_with = "percentage")]
    pub percentage: Percentage,
    /// When that was, in hours since the start.
    pub at_hours: f64,
    /// Why.
    pub reason: String,
    /// Different subjects who were on new at any time.
    pub subjects_exposed: u64,
    /// Those of them who stayed on new when the percentage stepped down, by `keep = "used"`.
    #[serde(default)]
    pub subjects_kept: u64,
    /// Requests to new.
    pub requests_on_new: u64,
    /// Those of them whose users saw a failure.
    pub requests_failed: u64,
    /// Those of them that failed, and that legacy answered.
    pub requests_rescued: u64,
    /// Requests to new from the first injection to the guardrail that acted on it; of one that only
    /// alerts, where none acted.
    pub requests_until_detection: Option<u64>,
    /// The hours from the first injection until then.
    pub hours_until_detection: Option<f64>,
    /// How many alerts fired.
    pub alerts: usize,
}

/// What has become of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When it began.
    pub start: Instant,
    /// When it ended.
    pub end: Instant,
    /// In the order in which it happened.
    pub events: Vec<Event>,
    /// Of each rollout, in the order of their keys.
    pub fates: Vec<RunOutcome>,
    /// Lines of the scenario whose time never came.
    pub never: Vec<String>,
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

fn percentage<'de, D: Deserializer<'de>>(from: D) -> Result<Percentage, D::Error> {
    f64::deserialize(from)?.to_string().parse().map_err(D::Error::custom)
}
