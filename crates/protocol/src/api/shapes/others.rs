//! Plans, signals, assignments, previews, sessions, health.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidegate_model::Name;
use tidegate_model::plan::{ProblemKind, Response};
use tidegate_model::variant::Variant;

use super::vocabulary::{AssignmentReason, PlanChange, RoleName};
use super::{Text, Time, shape};

/// What applying plans has done, or would do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PlansApplied {
    /// Of the plans, after the change.
    pub revision: u64,
    /// By rollout.
    pub changes: Vec<PlanApplied>,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// What applying plans has done to one rollout.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PlanApplied {
    /// The rollout.
    pub rollout: Text<Name>,
    /// What has become of it.
    pub change: Text<PlanChange>,
    /// The entry of its history, where there is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::Entry>"))]
    pub entry: Option<Box<RawValue>>,
}

shape! {
    /// Something that makes a rollout's figures worth less.
    pub struct ProblemState {
        /// Which.
        pub on: Text<ProblemKind>,
        /// What it is, in a clause.
        pub what: String,
        /// What is done about it.
        pub then: Text<Response>,
        /// Whether it is found now.
        pub is_found: bool,
        /// How it shows, in words; empty where it is not found.
        #[serde(skip_serializing_if = "String::is_empty")]
        pub text: String,
        /// Since when it is found.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub since: Time,
    }
}

shape! {
    /// A signal that was taken in.
    pub struct SignalTaken {
        /// The rollout.
        pub rollout: Text<Name>,
        /// The signal.
        pub name: Text<Name>,
        /// When.
        pub at: Time,
    }
}

shape! {
    /// What one user gets, and why. An id alone says nothing about groups that match a header, a cookie, a claim or
    /// a country.
    pub struct Assignment {
        /// The rollout.
        pub rollout: Text<Name>,
        /// The id that was asked for.
        pub id: String,
        /// In steps of 0.001 %: under the percentage × 1,000 is new.
        pub bucket: u32,
        /// The side.
        pub variant: Text<Variant>,
        /// Why.
        pub reason: Text<AssignmentReason>,
        /// The same as the end of a sentence: `bucket 46.629 % is above the current 25 %`.
        pub why: String,
        /// The current stage.
        pub stage: Text<Name>,
        /// The revision of the state that decided.
        pub revision: u64,
    }
}

shape! {
    /// A link that shows one browser the side of its choice.
    pub struct Preview {
        /// Open it in a browser. It holds a signature: whoever has it sees this variant.
        pub url: String,
        /// The side.
        pub variant: Text<Variant>,
        /// The host that it is for.
        pub host: String,
        /// When the link and its cookie end.
        pub expires: Time,
    }
}

shape! {
    /// Who is signed in.
    pub struct Session {
        /// The actor in the history.
        pub name: String,
        /// What they may do.
        pub role: Text<RoleName>,
        /// When the session ends; a token has no such time.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub expires: Time,
        /// Where the sign-in is ended, where `DELETE` does not end it: of Cloudflare Access.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub sign_out: Option<String>,
    }
}

shape! {
    /// That the worker runs, and what the isolate that answers knows.
    pub struct Health {
        /// Always `ok`.
        pub status: String,
        /// Of the worker.
        pub version: String,
        /// The configuration in the memory of the isolate that answers.
        pub snapshot: SnapshotHealth,
    }
}

shape! {
    /// The configuration in the memory of an isolate.
    pub struct SnapshotHealth {
        /// Of the plans.
        pub revision: u64,
        /// How many.
        pub rollouts: usize,
        /// Milliseconds since KV last confirmed it; null before the first read.
        pub age_ms: Option<i64>,
    }
}

shape! {
    /// A configuration fault. The last good value stays in force.
    pub struct ConfigFault {
        /// What is at fault, such as a KV key.
        pub subject: String,
        /// What is wrong with it.
        pub message: String,
        /// Since when.
        pub at: Time,
    }
}

shape! {
    /// The value of `group/NAME` in KV, as isolates hold it.
    pub struct HeldList {
        /// The group.
        pub group: Text<Name>,
        /// How many ids it has; several numbers while isolates hold different versions.
        pub ids: Vec<u64>,
        /// The same in words.
        pub text: String,
    }
}

shape! {
    /// How far a kill has come, for the first ten minutes. An isolate that gets no requests confirms nothing; its
    /// next request may still be answered from what it knew.
    pub struct Reach {
        /// The revision that killed it.
        pub revision: u64,
        /// How many isolates have reported in the last minute.
        pub isolates: usize,
        /// How many of them have not confirmed the kill.
        pub behind: usize,
        /// For how long no request to new was reported, where none is behind.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub quiet_ms: Option<u64>,
        /// The same in words.
        pub text: String,
    }
}

shape! {
    /// The revision that KV holds.
    pub struct Published {
        /// The revision.
        pub revision: u64,
        /// Whether that is the current one. If not, publishing is tried again until it succeeds.
        pub is_current: bool,
    }
}
