//! One turn of the controller: what it does with one input, and what is to be done about it outside.
//!
//! Commit first, by ownership: a turn collects its effects and keeps them. [`Turn::finish`] hands them out once
//! everything that the turn wanted stored is stored; a turn in which the storage refused anything is dropped,
//! with its effects, and so is the state that it was changing. So nobody outside learns of what is not stored.

use std::collections::HashMap;

use super::errands::Errand;
use super::store::{Batch, Storage, StorageError};
use tidegate_model::notification::{Notification, NotificationKind};
use tidegate_model::plan::channel::ChannelKind;
use tidegate_model::plan::{Channel, Signal};
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::{Call, Reply};
use tidegate_protocol::flush::Answer;
pub use tidegate_protocol::log::LogLine;
use tidegate_protocol::relays::Place;

/// What KV holds under keys; those that do not exist are left out.
pub type KvTexts = HashMap<String, String>;

/// What the platform is to do.
#[allow(clippy::large_enum_variant, reason = "a turn has few effects, and each is handed on at once")]
#[derive(Debug)]
pub enum Effect {
    /// Answer the isolate whose flush this was.
    Answer(Answer),
    /// Answer the call that this was, or that a read of KV kept waiting.
    Reply(Reply),
    /// Read KV, and hand in what it says. Whose input this comes of is kept waiting meanwhile.
    ReadKv(ReadKv),
    /// Ask a source of signals in the background, and hand in what it answers.
    Fetch(Fetch),
    /// Ask another host in the background, and hand in what comes of it.
    Errand(Errand),
    /// Read KV or write to it in the background, and hand in what came of it.
    Publish(Publication),
    /// Send this to these relays, and do not wait for them: whoever misses it asks within a second.
    Push(Vec<Place>, String),
    /// Send these messages in the background, and hand in what became of each.
    Send(Vec<Outgoing>),
    /// Send samples, and hand in what came back. The call is kept waiting meanwhile.
    Try(Trial),
    /// Look which of these variables and secrets are not set, and hand their names in at once.
    FindUnset(Vec<String>),
    /// Call again at this time, in the place of any other.
    WakeAt(Instant),
    /// Log this.
    Log(LogLine),
}

/// A question to a source of signals.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// The rollouts and signals that want the answer.
    pub wanted: Vec<(Name, Name)>,
    /// One of these signals: all of them have the same source.
    pub signal: Box<Signal>,
    /// Whether it is to be asked now.
    pub(super) is_due: bool,
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its id: the same each time that it is sent.
    pub id: String,
    /// The channel's name.
    pub channel: Name,
    /// The channel.
    pub target: Channel,
    /// What it says.
    pub notification: Notification,
    /// What the receiver called what it made of an earlier message of the same incident.
    pub reference: Option<String>,
}

impl Outgoing {
    /// What closes the incident that a sample has opened; nothing where it has opened none that closes by itself.
    pub fn closing(&self) -> Option<Self> {
        let own = &self.notification;
        let opens = matches!(self.target.kind(), ChannelKind::PagerDuty | ChannelKind::Opsgenie | ChannelKind::Jsm);
        (opens && own.kind == NotificationKind::Test).then(|| Self {
            notification: Notification {
                kind: NotificationKind::Resolved,
                headline: format!("{}: the test of the channel {} is over.", own.rollout, self.channel),
                incident: Some(self.id.clone()),
                ..own.clone()
            },
            ..self.clone()
        })
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has taken it.
    Sent {
        /// What the receiver calls what it has made of it.
        reference: Option<String>,
    },
    /// The channel has no use for it.
    Nothing,
    /// It was not sent, and is to be tried again.
    Failed {
        /// After how many milliseconds at the least, where the receiver has said so.
        after_ms: Option<u64>,
        /// Why, as a sentence.
        error: String,
        /// Whether that is how things are set up here, such as a secret that is missing.
        is_configuration: bool,
    },
    /// The receiver will never take it.
    Dead {
        /// Why, as a sentence.
        error: String,
    },
}

impl Delivery {
    /// The outcome as the API has it, and what went wrong.
    pub fn reported(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Sent { .. } => ("sent", None),
            Self::Nothing => ("nothing", None),
            Self::Failed { error, .. } => ("failed", Some(error)),
            Self::Dead { error } => ("refused", Some(error)),
        }
    }
}

/// What became of which message.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub delivery: Delivery,
}

/// Samples that are sent for whoever wants to know whether channels work.
#[derive(Debug)]
pub struct Trial {
    /// The call that is answered afterwards.
    pub call: Box<Call>,
    /// The samples, each with the rollouts whose plans define its channel alike.
    pub outgoing: Vec<(Outgoing, Vec<Name>)>,
}

/// What came back from a try.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What became of it.
    pub delivery: Delivery,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// The beginning of the answer's body.
    pub body: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl Tried {
    /// A try that nobody has answered over HTTP.
    pub const fn without_answer(delivery: Delivery) -> Self {
        Self { delivery, status: None, body: String::new(), took_ms: 0 }
    }
}

/// A read of KV.
#[derive(Debug)]
pub struct ReadKv {
    /// The keys to be read.
    pub keys: Vec<String>,
    /// Whoever waits for it does so until then. The read goes on, and what it brings is handed in all the same.
    pub until: Instant,
    /// What it is read for.
    pub purpose: Purpose,
    /// The call that is answered afterwards.
    pub call: Option<Box<Call>>,
}

/// What KV is read for.
#[derive(Debug)]
pub enum Purpose {
    /// What people have written there; the texts were read before.
    Poll(KvTexts),
    /// What the call names.
    Call,
}

/// A step of writing to KV what it lacks.
#[derive(Debug)]
pub struct Publication {
    /// How many times something was written before.
    pub round: usize,
    /// What is to be done.
    pub step: PublicationStep,
}

/// What a publication does next.
#[derive(Debug)]
pub enum PublicationStep {
    /// Read what stands under these keys, until then at the latest.
    Read(Vec<String>, Instant),
    /// Write.
    Write(Vec<KvWrite>),
}

/// A write to KV.
#[derive(Clone, Debug)]
pub struct KvWrite {
    /// What is written.
    pub(super) what: Written,
    /// The key.
    pub key: String,
    /// The revision that the text holds.
    pub(super) revision: u64,
    /// The text; `None` takes the key away.
    pub text: Option<String>,
}

/// What a write to KV holds.
#[derive(Clone, Debug)]
pub(super) enum Written {
    /// The plans.
    Plans,
    /// The state of a rollout.
    Rollout(Name),
    /// Nothing any more, of a rollout that went.
    Removed(String),
}

/// What one input leads to.
pub struct Turn<'a> {
    /// The storage.
    pub storage: &'a mut dyn Storage,
    /// The time, which stands still during a turn.
    pub now: Instant,
    effects: Vec<Effect>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(storage: &'a mut dyn Storage, now: Instant) -> Self {
        Self { storage, now, effects: Vec::new() }
    }

    /// Stores a batch: all of it or nothing.
    ///
    /// # Errors
    /// When the storage refuses; then the turn is over.
    pub(super) fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        batch.commit(self.storage)
    }

    /// Takes note of an effect, for when the turn is finished.
    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Something is wrong.
    pub(super) fn warn(&mut self, event: &'static str, subject: &str, message: &str) {
        self.log(true, event, subject, message);
    }

    /// Something is as it should be, such as a new state.
    pub(super) fn note(&mut self, event: &'static str, subject: &str, message: &str) {
        self.log(false, event, subject, message);
    }

    fn log(&mut self, is_warning: bool, event: &'static str, subject: &str, message: &str) {
        let line = LogLine { is_warning, event, subject: subject.to_owned(), message: message.to_owned() };
        self.effects.push(Effect::Log(line));
    }

    /// Ends the turn.
    pub(super) fn finish(self) -> Vec<Effect> {
        self.effects
    }
}
