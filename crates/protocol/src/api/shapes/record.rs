//! The history of a rollout, and the messages about it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidegate_model::Name;
use tidegate_model::broke::Broke;
use tidegate_model::figure::Figure;
use tidegate_model::history::EntryCause;

use super::rollout::State;
use super::text::readable;
use super::vocabulary::{Hash, MessageKind, RecordedName, RollbackWord};
use super::{Percent, Text, Time, shape};

/// A page of a history.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct History {
    /// The newest first, byte for byte as their hashes cover them.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Entry>"))]
    pub entries: Vec<Box<RawValue>>,
    /// What led to each of them, in sentences.
    pub explanations: Vec<Explanation>,
    /// Pass it on for the next page; null on the last.
    pub before: Option<u64>,
}

shape! {
    /// An entry of the history, read tolerantly. Replaying the entries rebuilds the state.
    pub struct Entry {
        /// The rollout's key.
        pub rollout: Text<Name>,
        /// Of the rollout, after the change.
        pub revision: u64,
        /// When.
        pub at: Time,
        /// The name of the token; or `schedule` (the plan), `kv` (an edit by hand in KV), `guardrail`.
        pub actor: String,
        /// What was asked for.
        pub command: RecordedCommand,
        /// What led to it; absent in entries of older versions.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cause: Option<EntryCause>,
        /// Why, in the actor's words; empty where `cause` says all. Entries of older versions have the controller's
        /// own words here.
        pub reason: String,
        /// The figures that decided, as sentences: in entries of older versions alone.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub figures: Vec<String>,
        /// The figures that decided: those of the guardrail, or of the gates of the stage that was left.
        #[serde(deserialize_with = "readable", skip_serializing_if = "Vec::is_empty")]
        pub measured: Vec<Figure>,
        /// What broke, of what took something back.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub broke: Option<Broke>,
        /// The state after the change.
        pub state: State,
        /// `hash` of the entry before; zeros for the first.
        pub previous: Text<Hash>,
        /// SHA-256 of this entry and of `previous`: a history that was tampered with does not add up.
        pub hash: Text<Hash>,
    }
}

shape! {
    /// A command as the history keeps it, with the arguments that it has.
    pub struct RecordedCommand {
        /// What was asked for.
        pub command: Text<RecordedName>,
        /// Of `set`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub percentage: Option<Percent>,
        /// Of `resume` after a rollback, and of `set` where an edit in KV named another stage than the percentage
        /// reaches.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub stage: Option<Text<Name>>,
        /// Of `set`, where an edit in KV killed or revived too.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub killed: Option<bool>,
        /// Of `rollback`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub to: Option<RollbackTo>,
        /// Of `approve`: the exact text of the item.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub item: Option<String>,
        /// Of `complete`, where something spoke against it: the rollout's key.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub confirm: Option<Text<Name>>,
        /// Of `note`, where it says which version of new was deployed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub version: Option<String>,
        /// Of `apply`: the revision of the plans.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub plan: Option<u64>,
        /// Of `apply`: of the plan as JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub digest: Option<Text<Hash>>,
        /// The key in KV that killed or revived it, where the actor is `kv`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub key: Option<String>,
        /// The value of `stage/KEY` in KV that asked for it, where the actor is `kv`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kv: Option<String>,
        /// Of `take_over`: the state that KV held.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub state: Option<State>,
    }
}

/// Where a rollback goes: `off` (0 %, and no groups), `previous` (the stage before), or a smaller percentage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum RollbackTo {
    /// A percentage.
    Percent(Percent),
    /// A word.
    Word(Text<RollbackWord>),
}

shape! {
    /// What led to an entry, in sentences.
    pub struct Explanation {
        /// Whose.
        pub revision: u64,
        /// What was done: `rolled it back to 0 %`.
        pub done: String,
        /// Where the rollout was afterwards: `running in canary at 10 %`.
        pub outcome: String,
        /// The actor's own words, else what `cause` says.
        pub reason: String,
        /// The figures that decided.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub figures: Vec<String>,
    }
}

/// A page of messages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Messages {
    /// The newest first, as they are stored.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Message>"))]
    pub messages: Vec<Box<RawValue>>,
    /// Pass it on for the next page; null on the last.
    pub before: Option<Time>,
}

shape! {
    /// A message to people.
    pub struct Message {
        /// When it was due.
        pub at: Time,
        /// What it is.
        pub kind: Text<MessageKind>,
        /// Channels; of an escalation and a check-in the role.
        pub to: Vec<String>,
        /// What it says.
        pub text: String,
        /// The figures that go with it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub figures: Vec<String>,
        /// Which guardrail it is about, by its place in `guardrails` of the rollout.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub guardrail: Option<usize>,
    }
}
