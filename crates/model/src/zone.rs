//! A time zone: `UTC`, an offset such as `+02:00`, or a name of the IANA database such as `Europe/Berlin`.
//!
//! The database is compiled in, the same for the edge and the command: nothing asks the system that it runs on,
//! which at the edge has none.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use super::fault::{Explain, nearest};
use super::minute::MINUTE_MS;

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// No zone has a larger offset, in minutes.
const OFFSET_MINUTES_MAX: i32 = 14 * 60;

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// How far its clocks are ahead of UTC at a moment, in milliseconds.
    pub fn offset_ms(&self, epoch_ms: i64) -> i64 {
        timestamp(epoch_ms).map_or(0, |at| i64::from(self.0.to_offset(at).seconds()) * 1_000)
    }

    /// What its clocks show at a moment, as milliseconds since they showed 1970-01-01T00:00.
    pub fn local_ms(&self, epoch_ms: i64) -> i64 {
        epoch_ms.saturating_add(self.offset_ms(epoch_ms))
    }

    /// The first and the last moment at which its clocks show this; the same one on all but two days of a year.
    /// What they skip is taken for as much later: 02:30 for 03:30 where they go from 02:00 to 03:00.
    pub fn moments(&self, local_ms: i64) -> (i64, i64) {
        let found = || {
            let shown = TimeZone::UTC.to_datetime(timestamp(local_ms)?);
            let found = self.0.to_ambiguous_timestamp(shown);
            if !found.is_ambiguous() {
                let only = found.compatible().ok()?.as_millisecond();
                return Some((only, only));
            }
            let first = found.compatible().ok()?.as_millisecond();
            Some((first, found.later().ok()?.as_millisecond()))
        };
        found().unwrap_or((local_ms, local_ms))
    }

    /// What it is called: `UTC`, `Europe/Berlin`, `+02:00`.
    pub fn name(&self) -> String {
        if let Some(name) = self.0.iana_name() {
            return name.to_owned();
        }
        let minutes = self.offset_ms(0) / MINUTE_MS;
        if minutes == 0 {
            return "UTC".to_owned();
        }
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }

    /// The next moment after this one at which its clocks are changed.
    pub fn next_change(&self, epoch_ms: i64) -> Option<i64> {
        self.0.following(timestamp(epoch_ms)?).next().map(|change| change.timestamp().as_millisecond())
    }
}

fn timestamp(epoch_ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(epoch_ms).ok()
}

/// Why a text is no time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneError {
    /// The text.
    pub text: String,
    /// The name that it was meant to be, where one is like it.
    pub near: Option<String>,
}

impl std::error::Error for ZoneError {}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no time zone is called `{}`", self.text)
    }
}

impl Explain for ZoneError {
    fn help(&self) -> Option<String> {
        Some(match &self.near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`UTC`, a name such as `Europe/Berlin`, or an offset such as `+02:00`".to_owned(),
        })
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let unknown = |near| ZoneError { text: text.to_owned(), near };
        if text == "UTC" {
            return Ok(Self::UTC);
        }
        if text.starts_with(['+', '-']) {
            let offset = offset(text).and_then(|minutes| Offset::from_seconds(minutes * 60).ok());
            return offset.map(|offset| Self(TimeZone::fixed(offset))).ok_or_else(|| unknown(None));
        }
        let database = TimeZoneDatabase::bundled();
        // Names are read as they are written: a database elsewhere may tell upper from lower case.
        match database.get(text).ok().filter(|zone| zone.iana_name() == Some(text)) {
            Some(zone) => Ok(Self(zone)),
            None => {
                let names: Vec<String> = database.available().map(|name| name.as_str().to_owned()).collect();
                let same = names.iter().find(|name| name.eq_ignore_ascii_case(text)).cloned();
                let city = |name: &&String| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text));
                let begins =
                    |name: &&str| name.get(..1).zip(text.get(..1)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
                let alike = names.iter().map(String::as_str).filter(begins);
                let near = || nearest(text, alike).map(str::to_owned);
                Err(unknown(same.or_else(|| names.iter().find(city).cloned()).or_else(near)))
            }
        }
    }
}

/// Minutes east of UTC, of `+02:00`.
fn offset(text: &str) -> Option<i32> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let minutes = i32::try_from(super::weekly::time(text.get(1..)?)?).ok()?;
    (minutes <= OFFSET_MINUTES_MAX).then_some(sign * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instant;

    fn ms(at: &str) -> i64 {
        at.parse::<Instant>().unwrap().as_epoch_ms()
    }

    /// The moments at which the clocks of a zone show this, written with `Z` for no zone at all.
    #[track_caller]
    fn shown(zone: &str, local: &str, first: &str, last: &str) {
        let (own_first, own_last) = zone.parse::<Zone>().unwrap().moments(ms(local));
        let text = |ms: i64| Instant::from_epoch_ms(ms).to_string();
        assert_eq!((text(own_first).as_str(), text(own_last).as_str()), (first, last), "{local} in {zone}");
    }

    #[test]
    fn clocks_show_a_time_once_twice_or_never() {
        let once = |zone, local, at| shown(zone, local, at, at);
        once("Europe/Berlin", "2026-03-28T09:00:00Z", "2026-03-28T08:00:00Z");
        once("Europe/Berlin", "2026-03-29T09:00:00Z", "2026-03-29T07:00:00Z");
        once("America/New_York", "2026-03-08T09:00:00Z", "2026-03-08T13:00:00Z");
        once("America/New_York", "2026-11-01T09:00:00Z", "2026-11-01T14:00:00Z");
        once("Asia/Kolkata", "2026-06-01T09:00:00Z", "2026-06-01T03:30:00Z");
        once("UTC", "2026-06-01T09:00:00Z", "2026-06-01T09:00:00Z");
        once("-03:30", "2026-06-01T09:00:00Z", "2026-06-01T12:30:00Z");
        // Skipped: 02:30 is 03:30 there.
        once("Europe/Berlin", "2026-03-29T02:30:00Z", "2026-03-29T01:30:00Z");
        once("America/New_York", "2026-03-08T02:30:00Z", "2026-03-08T07:30:00Z");
        // Twice.
        shown("Europe/Berlin", "2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z");
        shown("America/New_York", "2026-11-01T01:30:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z");
        // Lord Howe Island changes its clocks by half an hour.
        shown("Australia/Lord_Howe", "2026-04-05T01:45:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z");
    }

    #[test]
    fn the_next_change_of_the_clocks_is_known() {
        let next = |zone: &str, at| zone.parse::<Zone>().unwrap().next_change(ms(at)).map(Instant::from_epoch_ms);
        assert_eq!(next("Europe/Berlin", "2026-11-29T00:00:00Z"), Some("2027-03-28T01:00:00Z".parse().unwrap()));
        assert_eq!(next("Europe/Berlin", "2060-01-01T00:00:00Z"), Some("2060-03-28T01:00:00Z".parse().unwrap()));
        assert_eq!((next("UTC", "2026-11-29T00:00:00Z"), next("+02:00", "2026-11-29T00:00:00Z")), (None, None));
    }

    #[test]
    fn what_is_no_zone_is_refused_with_the_one_that_was_meant() {
        let near = |text: &str| text.parse::<Zone>().unwrap_err().near;
        for (text, meant) in [
            ("Europe/Berln", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("New_York", "America/New_York"),
            ("utc", "UTC"),
        ] {
            assert_eq!(near(text).as_deref(), Some(meant), "{text}");
        }
        for text in ["", "+2", "+15:00", "Mars/Olympus_Mons_Base_Camp"] {
            assert_eq!(near(text), None, "{text}");
        }
    }
}
