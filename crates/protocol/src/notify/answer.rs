//! What an answer means: sent, to be sent again, or never.
//!
//! An answer that another try cannot change is final, so that somebody hears of it now and not in a day:
//! what the vendor says is wrong with the request, the key or the address. Everything else is tried again.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::text::cut;

/// What came of sending a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there.
    Sent {
        /// What a later message about the same incident is to name: a ticket's key, an incident's id.
        reference: Option<String>,
    },
    /// It may get there later.
    Retry {
        /// How long the receiver asks to wait, in milliseconds, at most a day.
        after_ms: Option<u64>,
        /// What was wrong, for operators.
        error: String,
    },
    /// It will never get there.
    Dead {
        /// What is wrong, for operators.
        error: String,
    },
}

/// Nothing is waited for longer: after a day a message is given up.
const AFTER_MS_MAX: f64 = 86_400_000.0;
/// So much of an answer's body is quoted.
const EXCERPT_CHARS: usize = 200;

/// An answer over HTTP.
pub struct Answer<'a> {
    /// Its status; 0 for mail that the platform refused.
    pub status: u16,
    /// Its headers, their names in lower case.
    pub headers: &'a [(String, String)],
    /// Its body, or the start of it.
    pub body: &'a str,
}

impl Answer<'_> {
    /// Whether the status says that all is well.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.body).unwrap_or(Value::Null)
    }

    /// What `receiver` answered, in a sentence.
    pub fn describe(&self, receiver: &str) -> String {
        let body = self.body.trim();
        // A page is no sentence.
        if body.is_empty() || body.starts_with('<') {
            return format!("{receiver} answered {}", self.status);
        }
        let line: String = body.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("{receiver} answered {}: {}", self.status, cut(line.trim(), EXCERPT_CHARS))
    }

    /// How long `Retry-After` asks to wait: seconds, or a date, counted from the answer's own.
    pub fn after_ms(&self) -> Option<u64> {
        let after = self.header("retry-after")?;
        let seconds = after.parse().ok().or_else(|| {
            let date = |text: &str| OffsetDateTime::parse(text, &Rfc2822).ok();
            Some((date(after)? - date(self.header("date")?)?).as_seconds_f64())
        })?;
        after_seconds(seconds)
    }

    /// To be sent again.
    pub fn retry(&self, error: String) -> Outcome {
        Outcome::Retry { after_ms: self.after_ms(), error }
    }

    /// What the status alone means. `is_final` says whether a refusal (4xx) that names no other meaning is.
    pub fn by_status(&self, receiver: &str, is_final: bool) -> Outcome {
        let error = || self.describe(receiver);
        match self.status {
            200..=299 => Outcome::Sent { reference: None },
            301 | 308 => Outcome::Dead {
                error: format!(
                    "{receiver} answered {} with a redirect, which is not followed: put the new address into the secret",
                    self.status
                ),
            },
            404 | 410 => Outcome::Dead { error: format!("{}: nothing takes messages at that address", error()) },
            408 | 420 | 425 | 429 => self.retry(error()),
            400..=499 if is_final => Outcome::Dead { error: error() },
            _ => self.retry(error()),
        }
    }
}

/// So many seconds in milliseconds, from 0 to a day; `None` for what is no time.
pub fn after_seconds(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1_000.0).clamp(0.0, AFTER_MS_MAX);
    // Held between 0 and a day just before.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within the range")]
    if ms.is_nan() { None } else { Some(ms.ceil() as u64) }
}
