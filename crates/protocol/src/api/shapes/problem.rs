//! Problem documents (RFC 9457).

use tidegate_model::Name;

use super::change::Ends;
use super::rollout::Rollout;
use super::vocabulary::{ProblemType, RefusalCode};
use super::{Text, shape};

shape! {
    /// RFC 9457.
    pub struct Problem {
        /// Stable: programs decide by it.
        pub r#type: Text<ProblemType>,
        /// The kind in words.
        pub title: String,
        /// The HTTP status.
        pub status: u16,
        /// What is wrong with the value.
        pub detail: String,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub help: Option<String>,
        /// Each fault, with its place.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub faults: Vec<Fault>,
        /// Why the command was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub refusal: Option<Text<RefusalCode>>,
        /// The rollout as it is now.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub current: Option<Box<Rollout>>,
        /// The key that has to be sent as `confirm` to do it all the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub confirm: Option<Text<Name>>,
        /// What would end then.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub ends: Vec<Ends>,
        /// Which plans were refused. None was applied.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub refusals: Vec<RefusedPlan>,
    }
}

shape! {
    /// One of several things that are wrong with a body.
    pub struct Fault {
        /// Whose plan it is in: its key, or `rollouts[N]` where that cannot be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub rollout: Option<String>,
        /// The field, such as `percentage` or `stage[1].gates[0]`; empty for the whole.
        pub path: String,
        /// What is wrong with the value.
        pub message: String,
        /// What is allowed, or what to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub help: Option<String>,
    }
}

shape! {
    /// A plan that a started rollout does not allow.
    pub struct RefusedPlan {
        /// Its key.
        pub rollout: Text<Name>,
        /// Why.
        pub refusal: Text<RefusalCode>,
        /// Why, in a sentence.
        pub detail: String,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub help: Option<String>,
    }
}
