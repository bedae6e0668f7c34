//! A point in time as people write it: RFC 3339, such as `2026-12-02T09:00:00Z`.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Duration;
use super::fault::Explain;
use super::zone::Zone;
use super::{deserialize_from_text, serialize_as_text};

/// A point in time, to the millisecond: milliseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(i64);

/// 9999-12-31T23:59:59.999Z, the last that RFC 3339 can write.
const LATEST_MS: i64 = 253_402_300_799_999;

impl Instant {
    /// Milliseconds since 1970-01-01T00:00Z.
    pub const fn as_epoch_ms(self) -> i64 {
        self.0
    }

    /// The instant `epoch_ms` milliseconds after 1970-01-01T00:00Z, held within 1970 to 9999.
    pub fn from_epoch_ms(epoch_ms: i64) -> Self {
        Self(epoch_ms.clamp(0, LATEST_MS))
    }

    /// The instant as people say it: `Tue 1 Dec 2026 09:00 UTC`.
    pub fn to_words(self) -> String {
        format!("{} UTC", self.shown_by(&Zone::UTC))
    }

    /// What calendar and clock of a zone show: `Tue 1 Dec 2026 10:00`.
    pub fn shown_by(self, zone: &Zone) -> String {
        let Ok(at) = OffsetDateTime::from_unix_timestamp(zone.local_ms(self.0).div_euclid(1_000)) else {
            return self.to_string();
        };
        let short = |name: String| name.chars().take(3).collect::<String>();
        let (day, month) = (short(at.weekday().to_string()), short(at.month().to_string()));
        format!("{day} {} {month} {} {:02}:{:02}", at.day(), at.year(), at.hour(), at.minute())
    }

    /// The instant so long after this one, at the latest the last of the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        self.plus_ms(i64::try_from(duration.as_ms()).unwrap_or(i64::MAX))
    }

    /// The instant so many milliseconds after this one, held within 1970 to 9999.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_epoch_ms(self.0.saturating_add(ms))
    }

    /// The instant so many milliseconds before this one, held within 1970 to 9999.
    #[must_use]
    pub fn minus_ms(self, ms: i64) -> Self {
        Self::from_epoch_ms(self.0.saturating_sub(ms))
    }

    /// How long after `earlier` this is, in milliseconds; negative where it is before.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
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
        let malformed = || InstantError(text.to_owned());
        let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| malformed())?;
        let epoch_ms = instant.unix_timestamp() * 1_000 + i64::from(instant.millisecond());
        if (0..=LATEST_MS).contains(&epoch_ms) { Ok(Self(epoch_ms)) } else { Err(malformed()) }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = OffsetDateTime::from_unix_timestamp(self.0 / 1_000).map_err(|_| fmt::Error)?;
        let millisecond = u16::try_from(self.0 % 1_000).map_err(|_| fmt::Error)?;
        let instant = second.replace_millisecond(millisecond).map_err(|_| fmt::Error)?;
        f.write_str(&instant.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

serialize_as_text!(Instant);
deserialize_from_text!(Instant);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_back_in_utc() {
        for (text, printed) in [
            ("2026-12-02T09:00:00Z", "2026-12-02T09:00:00Z"),
            ("2026-12-02T09:00:00+01:00", "2026-12-02T08:00:00Z"),
            ("1970-01-01T00:00:00.25Z", "1970-01-01T00:00:00.25Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text.parse::<Instant>().map(|instant| instant.to_string()), Ok(printed.to_owned()));
        }
        assert_eq!(Instant::from_epoch_ms(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn people_read_the_day_too() {
        let words = |text: &str| text.parse::<Instant>().unwrap().to_words();
        assert_eq!(words("2026-12-01T09:00:59Z"), "Tue 1 Dec 2026 09:00 UTC");
        assert_eq!(words("2026-12-01T00:05:00+01:00"), "Mon 30 Nov 2026 23:05 UTC");
    }

    #[test]
    fn an_instant_without_a_zone_is_refused() {
        for text in ["", "2026-12-02", "2026-12-02T09:00:00", "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z", "soon"] {
            assert_eq!(text.parse::<Instant>(), Err(InstantError(text.into())));
        }
    }
}
