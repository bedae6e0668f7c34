//! An hour of the day at which something is sent: `09:00`, `09:00 Europe/Berlin`, `Mon-Fri 09:00 Europe/Berlin`.
//!
//! Without a zone it is UTC. What counts is what clocks there show: where they skip the hour it comes as much
//! later, and where they show it twice the first time counts.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::fault::Explain;
use super::minute::MINUTE_MS;
use super::weekly::{DAY_MINUTES, days_of, time};
use super::zone::{Zone, ZoneError};
use super::{Instant, serialize_as_text};

const DAY_MS: i64 = DAY_MINUTES as i64 * MINUTE_MS;
/// One of its days is at most this far away; a day more, since clocks are changed.
const DAYS_AROUND: i64 = 8;
/// 1970-01-01 was a Thursday.
const EPOCH_DAY: i64 = 3;

/// An hour of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    text: String,
    /// From Monday on, the days on which it is.
    days: [bool; 7],
    minute: u32,
    zone: Zone,
}

impl Daily {
    /// Whose clocks count.
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The last time that it was, now included.
    pub fn last(&self, now: Instant) -> Option<Instant> {
        self.around(now).rfind(|at| *at <= now)
    }

    /// The next time that it is, after now.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.around(now).find(|at| *at > now)
    }

    fn around(&self, now: Instant) -> impl DoubleEndedIterator<Item = Instant> {
        let today = self.zone.local_ms(now.as_epoch_ms()).div_euclid(DAY_MS);
        let is_its = |day: &i64| {
            let weekday = usize::try_from((day + EPOCH_DAY).rem_euclid(7)).unwrap_or_default();
            self.days.get(weekday).copied().unwrap_or_default()
        };
        let days = (today - DAYS_AROUND..=today + DAYS_AROUND).filter(is_its);
        days.map(|day| Instant::from_epoch_ms(self.zone.moments(day * DAY_MS + i64::from(self.minute) * MINUTE_MS).0))
    }
}

/// Why a text is no hour of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyError {
    text: String,
    zone: Option<ZoneError>,
}

impl std::error::Error for DailyError {}

impl fmt::Display for DailyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => zone.fmt(f),
            None => write!(f, "`{}` is not an hour of the day", self.text),
        }
    }
}

impl Explain for DailyError {
    fn help(&self) -> Option<String> {
        match &self.zone {
            Some(zone) => zone.help(),
            None => Some("`09:00`, `09:00 Europe/Berlin` or `Mon-Fri 09:00 Europe/Berlin`; UTC without a zone".into()),
        }
    }

    fn span(&self) -> Option<Range<usize>> {
        let zone = &self.zone.as_ref()?.text;
        let start = self.text.rfind(zone.as_str())?;
        Some(start..start + zone.len())
    }
}

impl FromStr for Daily {
    type Err = DailyError;

    fn from_str(text: &str) -> Result<Self, DailyError> {
        let malformed = || DailyError { text: text.to_owned(), zone: None };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, rest) = match words.split_first() {
            Some((first, rest)) if time(first).is_none() => (days_of(first).ok_or_else(malformed)?, rest),
            _ => (days_of("Mon-Sun").ok_or_else(malformed)?, words.as_slice()),
        };
        let (hour, zone) = match rest {
            [hour] => (hour, Zone::UTC),
            [hour, zone] => {
                let zone = zone.parse();
                (hour, zone.map_err(|error| DailyError { zone: Some(error), ..malformed() })?)
            }
            _ => return Err(malformed()),
        };
        let minute = time(hour).filter(|minute| *minute < DAY_MINUTES).ok_or_else(malformed)?;
        let mut is_its = [false; 7];
        for day in days {
            if let Some(own) = is_its.get_mut(day as usize % 7) {
                *own = true;
            }
        }
        Ok(Self { text: text.to_owned(), days: is_its, minute, zone })
    }
}

impl fmt::Display for Daily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

serialize_as_text!(Daily);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn around(text: &str, now: &str, last: &str, next: &str) {
        let (own, now): (Daily, Instant) = (text.parse().unwrap(), now.parse().unwrap());
        let shown = |at: Option<Instant>| at.map(|at| at.to_string()).unwrap_or_default();
        assert_eq!((shown(own.last(now)).as_str(), shown(own.next(now)).as_str()), (last, next), "{text} at {now}");
    }

    #[test]
    fn it_is_each_day_or_on_its_days() {
        around("09:00", "2026-11-29T09:00:00Z", "2026-11-29T09:00:00Z", "2026-11-30T09:00:00Z");
        around("09:00 Europe/Berlin", "2026-11-29T07:59:59Z", "2026-11-28T08:00:00Z", "2026-11-29T08:00:00Z");
        around("Mon-Fri 09:00 Asia/Kolkata", "2026-11-29T12:00:00Z", "2026-11-27T03:30:00Z", "2026-11-30T03:30:00Z");
        around("Mon 09:00 UTC", "2026-11-30T08:00:00Z", "2026-11-23T09:00:00Z", "2026-11-30T09:00:00Z");
        around("Sat-Mon 00:00 -03:30", "2026-11-29T00:00:00Z", "2026-11-28T03:30:00Z", "2026-11-29T03:30:00Z");
    }

    #[test]
    fn it_is_once_on_both_days_of_a_change() {
        around("09:00 Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z");
        around("09:00 America/New_York", "2026-10-31T20:00:00Z", "2026-10-31T13:00:00Z", "2026-11-01T14:00:00Z");
        // 02:30 is skipped, and comes as 03:30.
        around("02:30 Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z");
        around("02:30 Europe/Berlin", "2026-03-29T02:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z");
        // 02:30 comes twice, and counts once.
        around("02:30 Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
        around("01:30 America/New_York", "2026-11-01T06:45:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z");
    }

    #[test]
    fn what_is_no_hour_is_refused() {
        for text in ["", "9:00", "24:00", "Mon-Fri", "09:00 10:00 UTC", "Mon-Fri 09:00-10:00", "noon"] {
            let error = text.parse::<Daily>().unwrap_err();
            assert!(
                error.zone.is_none() && error.to_string().ends_with("is not an hour of the day"),
                "{text}: {error}"
            );
        }
        let error = "09:00 Europe/Berln".parse::<Daily>().unwrap_err();
        assert_eq!((error.help().as_deref(), error.span()), (Some("did you mean `Europe/Berlin`?"), Some(6..18)));
    }
}
