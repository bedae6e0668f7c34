//! A minute of time. What is measured is counted by the minute, and is kept, sent and stored under its number.

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

use super::Instant;

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Minutes in an hour.
pub const HOUR_MINUTES: u64 = 60;
/// Minutes in a day.
pub const DAY_MINUTES: u64 = 24 * HOUR_MINUTES;

/// A minute of time: how many minutes after 1970-01-01T00:00Z it begins.
///
/// Any number is one, since batches and tokens come from elsewhere: what is added to it or taken off it ends at 0 and
/// at `u64::MAX`, and it begins in the year 9999 at the latest. How many minutes something takes is a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Minute(u64);

impl Minute {
    /// The first of 1970.
    pub const EPOCH: Self = Self(0);

    /// The one that begins so many minutes after [`Minute::EPOCH`].
    pub const fn new(since_epoch: u64) -> Self {
        Self(since_epoch)
    }

    /// The one in which a time lies, in milliseconds since 1970; [`Minute::EPOCH`] for what is before that or no number.
    pub const fn of_epoch_ms(epoch_ms: f64) -> Self {
        Self((epoch_ms / MINUTE_MS as f64) as u64)
    }

    /// How many minutes after [`Minute::EPOCH`] it begins.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// When it begins, held within 1970 to 9999.
    pub fn start(self) -> Instant {
        Instant::from_epoch_ms(i64::try_from(self.0).unwrap_or(i64::MAX).saturating_mul(MINUTE_MS))
    }

    /// The hour in which it lies, counted since 1970.
    pub const fn hour(self) -> u64 {
        self.0 / HOUR_MINUTES
    }

    /// The day of UTC in which it lies, counted since 1970.
    pub const fn day(self) -> u64 {
        self.0 / DAY_MINUTES
    }

    /// The first minute of the span in which it lies, where time is divided into spans of so many `minutes` from 1970
    /// on.
    #[must_use]
    pub const fn first_of(self, minutes: u64) -> Self {
        match self.0.checked_rem(minutes) {
            Some(past) => Self(self.0 - past),
            None => self,
        }
    }

    /// How many minutes after `earlier` it begins; 0 where it is before.
    #[must_use]
    pub const fn minutes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Instant {
    /// The minute in which it lies.
    pub fn minute(self) -> Minute {
        Minute(u64::try_from(self.as_epoch_ms() / MINUTE_MS).unwrap_or_default())
    }
}

impl Add<u64> for Minute {
    type Output = Self;

    fn add(self, minutes: u64) -> Self {
        Self(self.0.saturating_add(minutes))
    }
}

impl Sub<u64> for Minute {
    type Output = Self;

    fn sub(self, minutes: u64) -> Self {
        Self(self.0.saturating_sub(minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_begins_with_its_first_millisecond_and_ends_before_that_of_the_next() {
        let minute = Minute::new(29_000_000);
        assert_eq!(minute.start().to_string(), "2025-02-19T21:20:00Z");
        for (ms, expected) in [(-1, minute - 1), (0, minute), (59_999, minute), (60_000, minute + 1)] {
            assert_eq!(minute.start().plus_ms(ms).minute(), expected, "{ms}");
            assert_eq!(Minute::of_epoch_ms(minute.start().plus_ms(ms).as_epoch_ms() as f64), expected, "{ms}");
        }
    }

    #[test]
    fn what_is_before_1970_lies_in_its_first_minute() {
        for ms in [-1, -60_001, i64::MIN] {
            assert_eq!(Instant::from_epoch_ms(ms).minute(), Minute::EPOCH, "{ms}");
        }
        for ms in [-0.5, -60_001.0, f64::MIN, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(Minute::of_epoch_ms(ms), Minute::EPOCH, "{ms}");
        }
    }

    #[test]
    fn arithmetic_ends_at_the_first_and_at_the_last() {
        let last = Minute::new(u64::MAX);
        assert_eq!((last + 1, last + u64::MAX, last - 1), (last, last, Minute::new(u64::MAX - 1)));
        assert_eq!((Minute::EPOCH - 1, Minute::new(7) - u64::MAX), (Minute::EPOCH, Minute::EPOCH));
        assert_eq!((last.minutes_since(Minute::EPOCH), Minute::EPOCH.minutes_since(last)), (u64::MAX, 0));
        assert_eq!(Minute::of_epoch_ms(f64::INFINITY), last);
    }

    #[test]
    fn the_far_future_begins_in_the_year_9999() {
        let end = Instant::from_epoch_ms(i64::MAX);
        assert_eq!(end.minute().start().to_string(), "9999-12-31T23:59:00Z");
        for minute in [end.minute() + 1, Minute::new(i64::MAX as u64), Minute::new(u64::MAX)] {
            assert_eq!(minute.start(), end, "{minute:?}");
        }
    }

    #[test]
    fn hours_days_and_other_spans_are_those_of_utc() {
        let minute = Instant::from_epoch_ms(3 * 86_400_000 - 1).minute();
        assert_eq!((minute.day(), minute.hour()), (2, 71));
        assert_eq!((minute + 1).first_of(DAY_MINUTES), minute + 1);
        assert_eq!(minute.first_of(30), minute - 29);
        assert_eq!(minute.first_of(1), minute);
        assert_eq!(minute.first_of(0), minute, "there is no such span");
    }

    #[test]
    fn it_is_written_and_read_as_a_number() {
        let minute = Minute::new(u64::MAX);
        let text = serde_json::to_string(&(minute, Minute::EPOCH)).unwrap();
        assert_eq!(text, "[18446744073709551615,0]");
        assert_eq!(serde_json::from_str::<(Minute, Minute)>(&text).unwrap(), (minute, Minute::EPOCH));
        for text in ["-1", "1.5", "\"1\"", "null", "18446744073709551616"] {
            assert!(serde_json::from_str::<Minute>(text).is_err(), "{text}");
        }
    }
}
