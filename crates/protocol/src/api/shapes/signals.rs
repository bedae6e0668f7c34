//! Signals: what others report, and where it comes from.

use tidegate_model::plan::receiver::ReceiverKind;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::variant::Variant;
use tidegate_model::{Duration, Name};

use super::vocabulary::SignalSource;
use super::{Text, Time, shape};

shape! {
    /// A signal, as it was last reported.
    pub struct SignalState {
        /// Its name.
        pub name: Text<Name>,
        /// What it is.
        pub kind: Text<SignalKind>,
        /// Whether somebody reports it, a receiver gets it, or Tidegate asks for it.
        pub source: Text<SignalSource>,
        /// The receiver that gets it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub receiver: Option<Text<Name>>,
        /// For people.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub description: Option<String>,
        /// The last report: a gauge's value, or a number of events.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub value: Option<f64>,
        /// Of events: how many there were in this attempt.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub counted: Option<f64>,
        /// When the last report came.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub at: Time,
        /// It is too old to count, or its source has no data now.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub is_stale: bool,
        /// Why its source has no value.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error: Option<String>,
        /// Since when it has none.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub since: Time,
    }
}

shape! {
    /// A receiver, and what has arrived there.
    pub struct ReceiverState {
        /// Its name.
        pub name: Text<Name>,
        /// What sends to it.
        pub kind: Text<ReceiverKind>,
        /// Where the tool posts to, on any host that Tidegate serves.
        pub path: String,
        /// No delivery for longer is a fault.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub heartbeat: Option<Text<Duration>>,
        /// When something last arrived.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub last_at: Time,
        /// That is longer ago than its heartbeat.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub is_silent: bool,
        /// How many alerts fire that its rules are about.
        pub firing: usize,
    }
}

shape! {
    /// A probe of one side, as it was last made.
    pub struct ProbeState {
        /// Its name, as in `probe.NAME`.
        pub name: Text<Name>,
        /// The path that is asked for.
        pub path: String,
        /// The side that is asked.
        pub on: Text<Variant>,
        /// How often.
        pub every: Text<Duration>,
        /// The share that passed since the stage was entered, from 0 to 1; absent where none was made.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub passed: Option<f64>,
        /// When the last one was answered.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub at: Time,
        /// How long that took, in milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub took_ms: Option<u64>,
        /// What was not as expected; absent where it passed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub failure: Option<String>,
    }
}

shape! {
    /// A delivery that was taken in.
    pub struct DeliveryTaken {
        /// The receiver.
        pub receiver: Text<Name>,
        /// Those whose plan has it, and whose secret proves the delivery.
        pub rollouts: Vec<DeliveryTakenBy>,
    }
}

shape! {
    /// What a delivery was to one rollout.
    pub struct DeliveryTakenBy {
        /// The rollout.
        pub rollout: Text<Name>,
        /// How many alerts or facts it held.
        pub alerts: usize,
        /// How many of them were news.
        pub new: usize,
        /// The signals that were reported.
        pub signals: Vec<Text<Name>>,
        /// Those of which nothing was taken in: where the receiver's `at` leads there is no number.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub without_number: Vec<Text<Name>>,
    }
}
