//! The steps on a request's way, as whoever drives it gets them.

use super::headers::HeaderEdits;

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the request here; without headers within `timeout_ms` (0: no limit) it has failed.
    Ask {
        /// The URL.
        url: String,
        /// The changes to its headers.
        edits: HeaderEdits,
        /// The limit.
        timeout_ms: u64,
    },
    /// Pass an answer on.
    Answer {
        /// Which of the answers so far.
        which: Which,
        /// The changes to its headers; `None` leaves it untouched.
        edits: Option<HeaderEdits>,
    },
    /// Answer with a plain sentence.
    Sentence {
        /// The status.
        status: u16,
        /// The value of `tidegate-reason`.
        reason: &'static str,
        /// The sentence.
        text: &'static str,
    },
}

/// One of the answers to a request that was asked twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one that came last.
    Last,
    /// The one before.
    Before,
}

/// Something that an operator may have to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Remark {
    /// Its stable name.
    pub event: &'static str,
    /// What it concerns.
    pub subject: String,
    /// What happened.
    pub message: String,
}
