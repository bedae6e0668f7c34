//! Messages to people, and the channels that they go to.

use tidegate_model::Name;
use tidegate_model::notification::{NotificationKind, Urgency};
use tidegate_model::plan::channel::ChannelKind;

use super::vocabulary::{DeliveryState, TestOutcome};
use super::{Text, Time, shape};

shape! {
    /// Messages out, and the channels that they go to.
    pub struct Outbox {
        /// The newest first.
        pub messages: Vec<OutboxMessage>,
        /// The channels of all plans, and those that something waits for.
        pub channels: Vec<OutboxChannel>,
        /// When this was so.
        pub at: Time,
    }
}

shape! {
    /// A message.
    pub struct OutboxMessage {
        /// Its receiver gets it too, each time that it is sent.
        pub id: String,
        /// When what it tells of happened.
        pub at: Time,
        /// The rollout that it is about; of several, one of them.
        pub rollout: Text<Name>,
        /// The history entry that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub revision: Option<u64>,
        /// The channel.
        pub channel: Text<Name>,
        /// What carries it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub channel_kind: Option<Text<ChannelKind>>,
        /// What it is about.
        pub kind: Text<NotificationKind>,
        /// How soon somebody should look.
        pub urgency: Text<Urgency>,
        /// Its first line.
        pub headline: String,
        /// Whether it was sent.
        pub state: Text<DeliveryState>,
        /// How often it was tried.
        pub tries: u32,
        /// When it is tried next, of one that waits.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub next_try: Time,
        /// Until when it is held back, of one that waits and was not tried: to be one message with what comes until then,
        /// or since one before it fails.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub held_until: Time,
        /// Why the last try failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error: Option<String>,
        /// How many messages it is made of.
        pub folded: u64,
        /// When it was sent or given up.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub ended_at: Time,
    }
}

shape! {
    /// A channel as one or several plans define it alike.
    pub struct OutboxChannel {
        /// Its name.
        pub channel: Text<Name>,
        /// What carries its messages.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kind: Option<Text<ChannelKind>>,
        /// The rollouts whose plans define it like this.
        pub rollouts: Vec<Text<Name>>,
        /// How many messages wait.
        pub waiting: usize,
        /// When the oldest of them was caused.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub oldest: Time,
        /// Whether its last message was given up.
        pub is_dead: bool,
        /// What is wrong with it, as a sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub fault: Option<String>,
        /// What its last try failed over.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error: Option<String>,
        /// Messages that were ever sent to channels of this name.
        pub sent: u64,
        /// Tries that have ever failed.
        pub failed: u64,
        /// Messages that were ever given up.
        pub dead: u64,
    }
}

shape! {
    /// Messages that are sent again.
    pub struct Retried {
        /// The ids of the messages that are sent again now.
        pub retried: Vec<String>,
        /// Those that are not.
        pub skipped: Vec<NotRetried>,
    }
}

shape! {
    /// A message that is not sent again.
    pub struct NotRetried {
        /// Its id.
        pub id: String,
        /// Why not.
        pub why: String,
    }
}

shape! {
    /// Samples that were sent to channels.
    pub struct ChannelTests {
        /// For each channel.
        pub tests: Vec<ChannelTest>,
    }
}

shape! {
    /// A sample that was sent to a channel.
    pub struct ChannelTest {
        /// The channel.
        pub channel: Text<Name>,
        /// What carries its messages.
        pub kind: Text<ChannelKind>,
        /// The rollouts whose plans define it like this.
        pub rollouts: Vec<Text<Name>>,
        /// What has become of it.
        pub outcome: Text<TestOutcome>,
        /// What went wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error: Option<String>,
        /// The status of the answer, where there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub status: Option<u16>,
        /// The beginning of the answer's body.
        #[serde(skip_serializing_if = "String::is_empty")]
        pub body: String,
        /// How long it took, in milliseconds.
        pub took_ms: u64,
    }
}
