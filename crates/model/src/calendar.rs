//! Days of the calendar, and windows of time that are either days or a part of each week.
//!
//! `2026-12-24` is one day and `2026-12-24/2027-01-02` are several, the last one included, from midnight to midnight
//! of a zone that may follow (`Europe/Berlin`, `+02:00`); without one it is UTC. A day is as long as clocks there make
//! it: 23 hours where they are put forward, 25 where they are put back.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::fault::Explain;
use super::minute::MINUTE_MS;
use super::weekly::{AHEAD_MS, NEAR_MS, WEEKEND_MS, Weekly, WeeklyError, time};
use super::zone::{Zone, ZoneError};
use super::{Instant, serialize_as_text};

const DAY_MS: i64 = 86_400_000;
/// The Julian day of 1970-01-01.
const EPOCH_JULIAN_DAY: i64 = 2_440_588;
/// Weekly windows are looked at again from the end of each stretch of days; more ends than this are no calendar.
const ENDS_MAX: usize = 400;

/// One day or several, in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    text: String,
    start_ms: i64,
    end_ms: i64,
    zone: Zone,
}

impl Days {
    /// When the first of them begins.
    pub fn start(&self) -> Instant {
        Instant::from_epoch_ms(self.start_ms)
    }

    /// When the last of them is over.
    pub fn end(&self) -> Instant {
        Instant::from_epoch_ms(self.end_ms)
    }

    /// Whether `epoch_ms` (milliseconds since 1970-01-01T00:00Z) lies inside.
    pub const fn contains(&self, epoch_ms: i64) -> bool {
        self.start_ms <= epoch_ms && epoch_ms < self.end_ms
    }
}

/// When something is closed, or open: days, or a part of each week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// A part of each week.
    Weekly(Weekly),
    /// Days.
    Days(Days),
}

impl Window {
    /// Whether `epoch_ms` (milliseconds since 1970-01-01T00:00Z) lies inside.
    pub fn contains(&self, epoch_ms: i64) -> bool {
        match self {
            Self::Weekly(weekly) => weekly.contains(epoch_ms),
            Self::Days(days) => days.contains(epoch_ms),
        }
    }

    /// Whose clocks count.
    pub const fn zone(&self) -> &Zone {
        match self {
            Self::Weekly(weekly) => weekly.zone(),
            Self::Days(days) => &days.zone,
        }
    }

    /// The part of each week that it is, if it is one.
    pub const fn weekly(&self) -> Option<&Weekly> {
        match self {
            Self::Weekly(weekly) => Some(weekly),
            Self::Days(_) => None,
        }
    }

    /// The days that it is, if it is some.
    pub const fn days(&self) -> Option<&Days> {
        match self {
            Self::Days(days) => Some(days),
            Self::Weekly(_) => None,
        }
    }
}

/// The first moment from `epoch_ms` on that lies in one of these windows, if `is_inside`, or else in none of them;
/// `None` where there is no such moment within some weeks behind the last of their days.
pub fn first_moment(windows: &[Window], epoch_ms: i64, is_inside: bool) -> Option<i64> {
    let is_it = |ms: &i64| windows.iter().any(|window| window.contains(*ms)) == is_inside;
    if is_it(&epoch_ms) {
        return Some(epoch_ms);
    }
    // Only where a stretch begins or ends, or clocks are changed, can that change.
    let mut bases: Vec<i64> = windows
        .iter()
        .filter_map(Window::days)
        .flat_map(|days| [days.start_ms, days.end_ms])
        .filter(|at| *at > epoch_ms)
        .collect();
    bases.sort_unstable();
    bases.dedup();
    bases.truncate(ENDS_MAX);
    bases.insert(0, epoch_ms);
    // Between two of them the weeks are all alike, so what is not found behind the one is sought behind the next.
    bases.iter().enumerate().find_map(|(index, base)| {
        if is_it(base) {
            return Some(*base);
        }
        let until = bases.get(index + 1).copied().unwrap_or(i64::MAX);
        // What is near comes first: the moments at which clocks show a time are dear to find out.
        [NEAR_MS, WEEKEND_MS, AHEAD_MS].into_iter().find_map(|ahead_ms| {
            let mut edges: Vec<i64> = windows
                .iter()
                .filter_map(Window::weekly)
                .flat_map(|weekly| weekly.edges_ahead(*base, ahead_ms))
                .filter(|at| *at < until)
                .collect();
            edges.sort_unstable();
            edges.dedup();
            edges.into_iter().find(is_it)
        })
    })
}

/// Why a text is neither days nor a part of each week, or no point in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalendarError {
    /// It begins like a date.
    Days {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: &'static str,
        /// What would have been right.
        help: &'static str,
    },
    /// Its zone is none.
    Zone(String, ZoneError),
    /// It does not begin like a date.
    Weekly(WeeklyError),
}

const DAYS_HELP: &str = "`2026-12-24`, or `2026-12-24/2027-01-02` with its last day included, in UTC or with a zone such as `Europe/Berlin` behind it";
const POINT_HELP: &str = "`2026-12-02T09:00:00+01:00`, `2026-12-02 09:00 Europe/Berlin`, or `2026-12-02 Europe/Berlin` for the beginning of that day";

impl std::error::Error for CalendarError {}

impl fmt::Display for CalendarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days { text, why, .. } => write!(f, "`{text}` {why}"),
            Self::Zone(_, error) => error.fmt(f),
            Self::Weekly(error) => error.fmt(f),
        }
    }
}

impl Explain for CalendarError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Days { help, .. } => Some((*help).to_owned()),
            Self::Zone(_, error) => error.help(),
            Self::Weekly(error) => {
                let days =
                    if error.is_zone() { "" } else { "; or days, such as `2026-12-24/2027-01-02 Europe/Berlin`" };
                error.help().map(|help| format!("{help}{days}"))
            }
        }
    }

    fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Days { .. } => None,
            Self::Zone(text, error) => {
                let start = text.rfind(error.text.as_str())?;
                Some(start..start + error.text.len())
            }
            Self::Weekly(error) => error.span(),
        }
    }
}

fn wrong(text: &str, why: &'static str, help: &'static str) -> CalendarError {
    CalendarError::Days { text: text.to_owned(), why, help }
}

fn zone_of(text: &str, zone: &str) -> Result<Zone, CalendarError> {
    zone.parse().map_err(|error| CalendarError::Zone(text.to_owned(), error))
}

impl FromStr for Days {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (dates, zone) = match words.as_slice() {
            [dates] => (*dates, Zone::UTC),
            [dates, zone] => (*dates, zone_of(text, zone)?),
            _ => return Err(wrong(text, "is neither a day nor several", DAYS_HELP)),
        };
        let (first, last) = dates.split_once('/').unwrap_or((dates, dates));
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            return Err(wrong(text, "names a day that there is not", DAYS_HELP));
        };
        if last < first {
            return Err(wrong(text, "ends before it begins", DAYS_HELP));
        }
        let (start_ms, end_ms) = (zone.moments(first * DAY_MS).0, zone.moments((last + 1) * DAY_MS).0);
        Ok(Self { text: text.to_owned(), start_ms, end_ms, zone })
    }
}

impl FromStr for Window {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        if text.trim_start().starts_with(|letter: char| letter.is_ascii_digit()) {
            text.parse().map(Self::Days)
        } else {
            text.parse().map(Self::Weekly).map_err(CalendarError::Weekly)
        }
    }
}

/// A point in time as people write it: `2026-12-02T09:00:00+01:00`, `2026-12-02 09:00 Europe/Berlin`, or
/// `2026-12-02 Europe/Berlin`, which is the beginning of that day.
///
/// # Errors
/// When it is none of these.
pub fn point(text: &str) -> Result<Instant, CalendarError> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let no_point = || wrong(text, "is not a date and time", POINT_HELP);
    let (date, minutes, zone) = match words.as_slice() {
        [date] => (date, 0, Zone::UTC),
        [date, hour] if time(hour).is_some() => (date, time(hour).unwrap_or_default(), Zone::UTC),
        [date, zone] => (date, 0, zone_of(text, zone)?),
        [date, hour, zone] => (date, time(hour).ok_or_else(no_point)?, zone_of(text, zone)?),
        _ => return Err(no_point()),
    };
    let day = day(date).ok_or_else(no_point)?;
    Ok(Instant::from_epoch_ms(zone.moments(day * DAY_MS + i64::from(minutes) * MINUTE_MS).0))
}

/// The days from 1970-01-01 to `2026-12-24`.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse::<u16>().ok() } else { None }
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() || year < 1970 {
        return None;
    }
    let month = ::time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = ::time::Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
    Some(i64::from(date.to_julian_day()) - EPOCH_JULIAN_DAY)
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weekly(weekly) => weekly.fmt(f),
            Self::Days(days) => days.fmt(f),
        }
    }
}

serialize_as_text!(Days);
serialize_as_text!(Window);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(at: &str) -> i64 {
        at.parse::<Instant>().unwrap().as_epoch_ms()
    }

    #[track_caller]
    fn spans(text: &str, start: &str, end: &str) {
        let days: Days = text.parse().unwrap();
        assert_eq!((days.start().to_string().as_str(), days.end().to_string().as_str()), (start, end), "{text}");
        assert!(days.contains(ms(start)) && !days.contains(ms(end)) && !days.contains(ms(start) - 1));
        assert_eq!(days.to_string(), text);
    }

    #[test]
    fn a_day_is_from_midnight_to_midnight_of_its_zone() {
        spans("2026-12-24", "2026-12-24T00:00:00Z", "2026-12-25T00:00:00Z");
        spans("2026-12-24/2027-01-02 Europe/Berlin", "2026-12-23T23:00:00Z", "2027-01-02T23:00:00Z");
        spans("2026-07-01 America/New_York", "2026-07-01T04:00:00Z", "2026-07-02T04:00:00Z");
        spans("2028-02-29 +02:00", "2028-02-28T22:00:00Z", "2028-02-29T22:00:00Z");
    }

    #[test]
    fn a_day_on_which_clocks_are_changed_is_an_hour_shorter_or_longer() {
        spans("2026-03-29 Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        spans("2026-10-25 Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        spans("2026-03-28/2026-03-29 Europe/Berlin", "2026-03-27T23:00:00Z", "2026-03-29T22:00:00Z");
    }

    #[test]
    fn what_is_no_day_is_refused_with_what_is_wrong() {
        let error = |text: &str| text.parse::<Window>().unwrap_err().to_string();
        for (text, why) in [
            ("2026-02-29", "`2026-02-29` names a day that there is not"),
            ("2026-12-24/2026-12-23", "`2026-12-24/2026-12-23` ends before it begins"),
            ("2026-1-2", "`2026-1-2` names a day that there is not"),
            ("2026-12-24 9:00 UTC", "`2026-12-24 9:00 UTC` is neither a day nor several"),
            ("2026-12-24 Europe/Berln", "no time zone is called `Europe/Berln`"),
            ("tomorrow", "`tomorrow` is not a weekly window"),
        ] {
            assert_eq!(error(text), why);
        }
        assert_eq!("2026-12-24 Europe/Berln".parse::<Window>().unwrap_err().span(), Some(11..23));
    }

    #[test]
    fn the_next_moment_is_found_behind_days_and_weekends() {
        let windows = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Window>>();
        let freeze = windows(&["Fri 17:00-Mon 08:00 Europe/Berlin", "2026-12-24/2027-01-02 Europe/Berlin"]);
        let free = |at: &str| first_moment(&freeze, ms(at), false).map(|ms| Instant::from_epoch_ms(ms).to_string());
        assert_eq!(free("2026-12-23T12:00:00Z").as_deref(), Some("2026-12-23T12:00:00Z"));
        // The 2nd is a Saturday: it goes on to Monday morning.
        assert_eq!(free("2026-12-24T12:00:00Z").as_deref(), Some("2027-01-04T07:00:00Z"));
        assert_eq!(free("2026-12-04T20:00:00Z").as_deref(), Some("2026-12-07T07:00:00Z"));
        let enter = windows(&["2027-03-28 Europe/Berlin"]);
        let open = |at: &str| first_moment(&enter, ms(at), true).map(|ms| Instant::from_epoch_ms(ms).to_string());
        assert_eq!(open("2026-12-24T12:00:00Z").as_deref(), Some("2027-03-27T23:00:00Z"), "months ahead");
        assert_eq!(open("2027-03-28T23:00:00Z"), None, "it is over");
        let both = windows(&["2026-03-29 Europe/Berlin", "2026-10-25 Europe/Berlin"]);
        assert_eq!(first_moment(&both, ms("2026-03-28T23:00:00Z"), false), Some(ms("2026-03-29T22:00:00Z")));
        assert_eq!(first_moment(&both, ms("2026-10-24T22:00:00Z"), false), Some(ms("2026-10-25T23:00:00Z")));
        let always = windows(&["Mon-Sun", "2026-12-24"]);
        assert_eq!(first_moment(&always, ms("2026-12-24T12:00:00Z"), false), None);
    }

    #[test]
    fn a_point_in_time_may_be_written_as_clocks_show_it() {
        for (text, at) in [
            ("2026-12-02T09:00:00+01:00", "2026-12-02T08:00:00Z"),
            ("2026-12-02 09:00 Europe/Berlin", "2026-12-02T08:00:00Z"),
            ("2026-07-02 09:00 Europe/Berlin", "2026-07-02T07:00:00Z"),
            ("2026-12-02 09:00", "2026-12-02T09:00:00Z"),
            ("2026-12-02", "2026-12-02T00:00:00Z"),
            ("2026-12-02 Europe/Berlin", "2026-12-01T23:00:00Z"),
            // Skipped: 02:30 is 03:30 there. Twice: the first time counts.
            ("2026-03-29 02:30 Europe/Berlin", "2026-03-29T01:30:00Z"),
            ("2026-10-25 02:30 Europe/Berlin", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(point(text).map(|at| at.to_string()).as_deref(), Ok(at), "{text}");
        }
        for text in ["", "soon", "2026-12-02T09:00:00", "2026-12-02 9:00 UTC", "2026-12-02 09:00 UTC UTC"] {
            assert!(point(text).is_err(), "{text}");
        }
    }
}
