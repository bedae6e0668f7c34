//! What comes into an isolate's machine, and what it wants done.
//!
//! Whatever waits can go down with its request, without a word. So what a read or a flush needs to go on travels in
//! its effect and comes back with its input: nothing is left behind but a mark that expires.

use std::collections::HashMap;
pub use tidegate_protocol::log::LogLine;

use super::flushing::{Ask, FlushRun};
use super::reading::Read;
use super::tokens::{SignatureCheck, TokenCheck};
use tidegate_model::plan::Token;

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// [`super::Isolate::work_due`] said that KV is to be read again.
    ReadDue,
    /// It, or [`super::Isolate::are_counts_due`], said that the controller is to be asked.
    FlushDue,
    /// A request for this host and path waits for its configuration.
    RequestWaits {
        /// The host.
        host: String,
        /// The path.
        path: String,
    },
    /// The effects of that are done, or the time that a request waits is over.
    RequestWaited {
        /// Whether they are done.
        is_done: bool,
    },
    /// Somebody asks for this rollout.
    RolloutWanted(String),
    /// The same, and the controller has been asked: what is lacking now is read.
    RolloutAsked(String),
    /// The controller has been changed, and its news is wanted at once.
    News,
    /// The texts that a read asked for, or why there are none. Keys that do not exist are absent.
    Texts(Read, Result<HashMap<String, String>, String>),
    /// The list that a read asked for; `None` where the key does not exist.
    List(Read, Result<Option<Vec<u8>>, String>),
    /// The cache's copy, if there is one.
    CopyLoaded(Result<Option<String>, String>),
    /// What came of saving the copy.
    CopySaved(Result<(), String>),
    /// The controller's answer, or why there is none.
    Answered(Ask, Result<String, String>),
    /// The time of [`Effect::Wait`] is over.
    Waited(FlushRun),
    /// A request brings a token that has not been verified: [`super::tokens::TokenCache::pending`].
    TokenBrought(Token, String),
    /// The set of published keys that a check asked for.
    KeysRead(TokenCheck, Result<String, String>),
    /// Whether the signature is right.
    SignatureChecked(TokenCheck, bool),
}

/// What is to be done. Each but [`Effect::Log`] takes time, and may have an input for its result.
#[derive(Debug)]
pub enum Effect {
    /// Read [`Read::keys`] from KV as texts, then [`Input::Texts`].
    ReadTexts(Read),
    /// Read [`Read::list_key`] from KV as bytes, then [`Input::List`].
    ReadList(Read),
    /// Load the copy from the cache, then [`Input::CopyLoaded`].
    LoadCopy,
    /// Save this as the copy in the cache, then [`Input::CopySaved`].
    SaveCopy(String),
    /// Send [`Ask::text`] to the controller, then [`Input::Answered`].
    AskController(Ask),
    /// Wait for so many milliseconds, then [`Input::Waited`].
    Wait(f64, FlushRun),
    /// Read the keys that are published at [`TokenCheck::address`], then [`Input::KeysRead`].
    ReadKeys(TokenCheck),
    /// Check a signature, then [`Input::SignatureChecked`].
    CheckSignature(SignatureCheck),
    /// Write a line to the log.
    Log(LogLine),
}

/// The lines that are still to be written.
#[derive(Default)]
pub struct Log(Vec<LogLine>);

impl Log {
    /// A fault.
    pub fn warn(&mut self, event: &'static str, subject: &str, message: &str) {
        self.push(true, event, subject, message);
    }

    /// Something that is as it should be, such as a new state.
    pub fn note(&mut self, event: &'static str, subject: &str, message: &str) {
        self.push(false, event, subject, message);
    }

    fn push(&mut self, is_warning: bool, event: &'static str, subject: &str, message: &str) {
        self.0.push(LogLine { is_warning, event, subject: subject.to_owned(), message: message.to_owned() });
    }

    /// Takes them out.
    pub fn take(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.0)
    }
}
