//! The steps on a request's way, as whoever drives it gets them.

use super::headers::HeaderEdits;

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send the request here; without headers within `timeout_ms` (0: no limit) it has failed.
    Ask {
        /// The service binding to send it by; `None` for the network.
        service: Option<String>,
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
        /// How long its body may take, where it is watched whether that ends as it should (0: it is not).
        watch_ms: u64,
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
    /// Answer with a service worker that unregisters itself.
    Unregister {
        /// The value of `tidegate-reason`.
        reason: &'static str,
        /// The script.
        script: &'static str,
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

/// Why an upstream has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It sent no headers in time.
    Timeout(String),
    /// It could not be reached, or closed the connection.
    Unreachable(String),
    /// The request's own body has not all been sent: the client broke off, and nobody has failed.
    Unsent(String),
}

impl NoAnswer {
    /// What the platform says.
    pub fn message(&self) -> &str {
        match self {
            Self::Timeout(message) | Self::Unreachable(message) | Self::Unsent(message) => message,
        }
    }
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
