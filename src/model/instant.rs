//! A point in time as people write it: RFC 3339, such as `2026-12-02T09:00:00Z`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::fault::Explain;
use super::serialize_as_text;

/// A point in time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Timestamp);

impl Instant {
    /// Milliseconds since 1970-01-01T00:00Z.
    pub fn as_epoch_ms(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The instant `epoch_ms` milliseconds after 1970-01-01T00:00Z, held within the years -9999 to 9999.
    pub fn from_epoch_ms(epoch_ms: i64) -> Self {
        let fallback = if epoch_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Self(Timestamp::from_millisecond(epoch_ms).unwrap_or(fallback))
    }
}

/// Why a text is no instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstantError(String);

impl std::error::Error for InstantError {}

impl fmt::Display for InstantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a date and time", self.0)
    }
}

impl Explain for InstantError {
    fn help(&self) -> Option<String> {
        Some("RFC 3339 with a zone, such as 2026-12-02T09:00:00Z or 2026-12-02T09:00:00+01:00".into())
    }
}

impl FromStr for Instant {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, InstantError> {
        let instant: Timestamp = text.parse().map_err(|_| InstantError(text.to_owned()))?;
        Ok(Self::from_epoch_ms(instant.as_millisecond()))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serialize_as_text!(Instant);
