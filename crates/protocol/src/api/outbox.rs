//! The outbox as the API shows it: messages that wait, were given up or sent, and the channels that they go to.

use serde::Serialize;

use super::problem::Problem;
use tidegate_model::notification::{NotificationKind, Urgency};
use tidegate_model::plan::channel::ChannelKind;
use tidegate_model::{Instant, Name};

/// `GET outbox`.
#[derive(Serialize)]
pub struct OutboxView<'a> {
    /// The newest first.
    pub messages: Vec<MessageView<'a>>,
    /// The channels that plans define, and those that something waits for.
    pub channels: Vec<ChannelView<'a>>,
    /// When this was so.
    pub at: Instant,
}

/// A message.
#[derive(Serialize)]
pub struct MessageView<'a> {
    /// Its id, which its receiver gets too, each time it is sent.
    pub id: &'a str,
    /// When what it tells of happened.
    pub at: Instant,
    /// The rollout that it is about; of several, one of them.
    pub rollout: &'a Name,
    /// The history entry that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The channel.
    pub channel: &'a Name,
    /// What carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_kind: Option<ChannelKind>,
    /// What it is about.
    pub kind: NotificationKind,
    /// How loud it is.
    pub urgency: Urgency,
    /// Its first line.
    pub headline: &'a str,
    /// `waiting`, `sent` or `dead`.
    pub state: &'a str,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, of one that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Instant>,
    /// Why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// How many messages it is made of.
    pub folded: u64,
    /// When it was sent or given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Instant>,
}

/// A channel as one or several plans define it alike.
#[derive(Serialize)]
pub struct ChannelView<'a> {
    /// Its name.
    pub channel: &'a Name,
    /// What carries its messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ChannelKind>,
    /// The rollouts whose plans have it.
    pub rollouts: Vec<Name>,
    /// How many messages wait.
    pub waiting: usize,
    /// When the oldest of them was caused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Instant>,
    /// Whether its last message was given up.
    pub is_dead: bool,
    /// What is wrong with it, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What its last try failed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// Messages that were ever sent to channels of this name.
    pub sent: u64,
    /// Tries that have ever failed.
    pub failed: u64,
    /// Messages that were ever given up.
    pub dead: u64,
}

/// What `POST outbox/ID/retry` has done.
#[derive(Serialize)]
pub struct Retried {
    /// The messages that are sent again now.
    pub retried: Vec<String>,
    /// Those that are not, and why.
    pub skipped: Vec<Skipped>,
}

/// A message that is not sent again.
#[derive(Serialize)]
pub struct Skipped {
    /// Its id.
    pub id: String,
    /// Why not.
    pub why: &'static str,
}

/// What `POST channels/NAME/test` has brought back.
#[derive(Serialize)]
pub struct Trials<'a> {
    /// For each channel.
    pub tests: Vec<TrialView<'a>>,
}

/// A sample that was sent.
#[derive(Serialize)]
pub struct TrialView<'a> {
    /// The channel.
    pub channel: &'a Name,
    /// What carries its messages.
    pub kind: ChannelKind,
    /// The rollouts whose plans define it like this.
    pub rollouts: &'a [Name],
    /// `sent`, `failed`, `refused` or `nothing`.
    pub outcome: &'static str,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// The status of the answer, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The beginning of the answer's body.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub body: &'a str,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl Problem {
    /// No such message.
    pub fn unknown_message(id: &str) -> Self {
        Self::new(
            "unknown-message",
            404,
            "No such message",
            format!("no message has the id `{id}`"),
            "`tidegate outbox` lists them; those that were sent are kept for a week",
        )
    }

    /// No plan has such a channel, or none at all.
    pub fn unknown_channel(name: &str, rollout: Option<&str>, known: &[String]) -> Self {
        let whose = rollout.map_or_else(|| "no plan has".to_owned(), |key| format!("the plan of `{key}` has not"));
        let what = if matches!(name, "*" | "%2A") { "a channel".to_owned() } else { format!("a channel `{name}`") };
        let mut problem = Self::new("unknown-channel", 404, "No such channel", format!("{whose} {what}"), None);
        problem.help = Some(match tidegate_model::fault::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => {
                "`[channels.chat]` with `slack = \"secret:CHAT_URL\"` in a plan adds one".to_owned()
            }
            None => format!("known: {}", known.join(", ")),
        });
        problem
    }
}
