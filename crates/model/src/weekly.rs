//! A recurring part of the week in which a stage may be entered, in which advancing is frozen, or in which
//! somebody is there.
//!
//! Three forms: `Mon-Thu 08:00-16:00` is that time on each of those days, `Fri 17:00-Mon 08:00` is one stretch, and
//! `Sat-Sun` is whole days. A zone may follow (`Europe/Berlin`, `+02:00`); without one it is UTC. What counts is what
//! clocks there show: where an hour is skipped a window that lies in it does not open, and where one comes twice so
//! does the window.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::fault::Explain;
use super::minute::MINUTE_MS;
use super::serialize_as_text;
use super::zone::{Zone, ZoneError};

pub(crate) const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
pub(crate) const DAY_MINUTES: u32 = 24 * 60;
const WEEK_MINUTES: u32 = 7 * DAY_MINUTES;
const WEEK_MS: i64 = WEEK_MINUTES as i64 * MINUTE_MS;
/// 1970-01-01 was a Thursday, three days into its week.
const EPOCH_OFFSET_MS: i64 = 3 * DAY_MINUTES as i64 * MINUTE_MS;
/// A window whose time is skipped on the day of a change opens a week later; so many weeks are looked at.
const WEEKS_AHEAD: i64 = 2;
/// Where nothing changes within so long, all that is ahead is looked at: most windows open or close within a day.
pub(crate) const NEAR_MS: i64 = DAY_MINUTES as i64 * MINUTE_MS;
/// Most others do so behind a weekend.
pub(crate) const WEEKEND_MS: i64 = 4 * NEAR_MS;
/// All that is ahead: behind it every week is like the last.
pub(crate) const AHEAD_MS: i64 = (WEEKS_AHEAD + 1) * WEEK_MS;
/// Clocks are changed by a day at the most: Samoa skipped one in 2011.
const CHANGE_MS_MAX: i64 = DAY_MINUTES as i64 * MINUTE_MS;
/// Moments in the winter and in the summer of a year, when no zone changes its clocks.
const REFERENCES_MS: [i64; 2] = [1_768_435_200_000, 1_784_073_600_000];

/// A recurring part of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weekly {
    text: String,
    /// Half-open stretches in minutes of the week that clocks show, Monday 00:00 being 0. An end may lie
    /// beyond the week's, for a stretch that runs into the next one.
    stretches: Vec<(u32, u32)>,
    zone: Zone,
}

impl Weekly {
    /// Whether `epoch_ms` (milliseconds since 1970-01-01T00:00Z) lies inside.
    pub fn contains(&self, epoch_ms: i64) -> bool {
        let minute = (self.zone.local_ms(epoch_ms) + EPOCH_OFFSET_MS).rem_euclid(WEEK_MS) / MINUTE_MS;
        u32::try_from(minute).is_ok_and(|minute| self.contains_minute(minute))
    }

    /// Whose clocks count.
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    fn contains_minute(&self, minute: u32) -> bool {
        self.stretches
            .iter()
            .any(|(from, to)| (*from..*to).contains(&minute) || (*from..*to).contains(&(minute + WEEK_MINUTES)))
    }

    /// The moments around `epoch_ms` at which it may open or close, all of those in the next `ahead_ms` among them.
    fn edges(&self, epoch_ms: i64, ahead_ms: i64) -> impl Iterator<Item = i64> {
        let local_ms = self.zone.local_ms(epoch_ms);
        let week = (local_ms + EPOCH_OFFSET_MS).div_euclid(WEEK_MS);
        let edges = self.stretches.iter().flat_map(|(from, to)| [*from, *to]);
        let shown = edges.flat_map(move |minute| {
            (week - 1..=week + WEEKS_AHEAD)
                .map(move |week| week * WEEK_MS - EPOCH_OFFSET_MS + i64::from(minute) * MINUTE_MS)
        });
        // When clocks show a time is dear to find out.
        let near = local_ms - CHANGE_MS_MAX..=local_ms + ahead_ms + CHANGE_MS_MAX;
        let moments = shown
            .filter(move |shown_ms| near.contains(shown_ms))
            .flat_map(|local_ms| <[i64; 2]>::from(self.zone.moments(local_ms)));
        moments.chain(self.zone.next_change(epoch_ms))
    }

    /// Those of them that lie ahead, at most `ahead_ms` milliseconds.
    pub(crate) fn edges_ahead(&self, epoch_ms: i64, ahead_ms: i64) -> impl Iterator<Item = i64> {
        let horizon = epoch_ms.saturating_add(ahead_ms);
        self.edges(epoch_ms, ahead_ms).filter(move |at| *at > epoch_ms && *at <= horizon)
    }

    /// Its stretches in minutes of the week of UTC, as clocks are set at a moment.
    fn in_utc(&self, reference_ms: i64) -> impl Iterator<Item = (u32, u32)> {
        let offset = self.zone.offset_ms(reference_ms).div_euclid(MINUTE_MS);
        self.stretches.iter().map(move |(from, to)| {
            let start = (i64::from(*from) - offset).rem_euclid(i64::from(WEEK_MINUTES));
            let start = u32::try_from(start).unwrap_or_default();
            (start, start + (to - from))
        })
    }
}

/// The minutes of the week that lie in none of several windows: to each minute, how many before it do. Once with the
/// clocks of winter, and once with those of summer.
pub struct Closed(Vec<Vec<u32>>);

impl Closed {
    /// Those of these windows.
    pub fn of<'w>(windows: impl IntoIterator<Item = &'w Weekly>) -> Self {
        let windows: Vec<&Weekly> = windows.into_iter().collect();
        Self(REFERENCES_MS.iter().map(|reference_ms| open_before(&windows, *reference_ms)).collect())
    }

    /// Whether every minute of the week is in one of those.
    pub fn is_everything(&self) -> bool {
        self.0.iter().all(|open| open.last() == Some(&0))
    }

    /// Whether no minute is in this window without being in one of those.
    pub fn covers(&self, window: &Weekly) -> bool {
        self.0
            .iter()
            .zip(REFERENCES_MS)
            .all(|(open, at)| window.in_utc(at).all(|(from, to)| open.get(from as usize) == open.get(to as usize)))
    }
}

fn open_before(windows: &[&Weekly], reference_ms: i64) -> Vec<u32> {
    let mut minutes = vec![false; WEEK_MINUTES as usize];
    for minute in windows.iter().flat_map(|window| window.in_utc(reference_ms)).flat_map(|(from, to)| from..to) {
        if let Some(is_closed) = minutes.get_mut((minute % WEEK_MINUTES) as usize) {
            *is_closed = true;
        }
    }
    // Twice the week, for stretches that run into the next one.
    let mut open = vec![0];
    let mut count = 0;
    for is_closed in minutes.iter().chain(&minutes) {
        count += u32::from(!is_closed);
        open.push(count);
    }
    open
}

/// Why a text is no weekly window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeeklyError {
    text: String,
    zone: Option<ZoneError>,
}

impl WeeklyError {
    fn of(text: &str) -> Self {
        Self { text: text.to_owned(), zone: None }
    }

    /// Whether its zone alone is wrong.
    pub const fn is_zone(&self) -> bool {
        self.zone.is_some()
    }
}

impl std::error::Error for WeeklyError {}

impl fmt::Display for WeeklyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => zone.fmt(f),
            None => write!(f, "`{}` is not a weekly window", self.text),
        }
    }
}

impl Explain for WeeklyError {
    fn help(&self) -> Option<String> {
        match &self.zone {
            Some(zone) => zone.help(),
            None => Some(
                "`Mon-Thu 08:00-16:00`, `Fri 17:00-Mon 08:00` or `Sat-Sun`, in UTC or with a zone such as `Europe/Berlin` or `+02:00` behind it"
                    .into(),
            ),
        }
    }

    fn span(&self) -> Option<Range<usize>> {
        let zone = &self.zone.as_ref()?.text;
        let start = self.text.rfind(zone.as_str())?;
        Some(start..start + zone.len())
    }
}

impl FromStr for Weekly {
    type Err = WeeklyError;

    fn from_str(text: &str) -> Result<Self, WeeklyError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        // What is no zone may still be one misspelt, so the rest is read without it too.
        let (stretches, zone) = match (stretches(&words), words.split_last()) {
            (Some(stretches), _) => (stretches, Zone::UTC),
            (None, Some((zone, rest))) => {
                let stretches = stretches(rest).ok_or_else(|| WeeklyError::of(text))?;
                let zone = zone.parse();
                (stretches, zone.map_err(|error| WeeklyError { zone: Some(error), ..WeeklyError::of(text) })?)
            }
            (None, None) => return Err(WeeklyError::of(text)),
        };
        Ok(Self { text: text.to_owned(), stretches, zone })
    }
}

fn stretches(words: &[&str]) -> Option<Vec<(u32, u32)>> {
    match words {
        [days] => Some(each_day(days, 0, DAY_MINUTES)?.collect()),
        [days, times] => {
            let (from, to) = times.split_once('-')?;
            let (from, to) = (time(from)?, time(to)?);
            let length = if to > from { to - from } else { to + DAY_MINUTES - from };
            Some(each_day(days, from, length)?.collect())
        }
        [from_day, middle, to_time] => {
            let (from_time, to_day) = middle.split_once('-')?;
            let from = day(from_day)? * DAY_MINUTES + time(from_time)?;
            let to = day(to_day)? * DAY_MINUTES + time(to_time)?;
            let length = if to > from { to - from } else { to + WEEK_MINUTES - from };
            Some(vec![(from, from + length)])
        }
        _ => None,
    }
}

/// A stretch of `length` minutes from the minute `from` of each day of `Mon-Thu`.
fn each_day(days: &str, from: u32, length: u32) -> Option<impl Iterator<Item = (u32, u32)>> {
    let at = move |day: u32| {
        let from = (day * DAY_MINUTES + from) % WEEK_MINUTES;
        (from, from + length)
    };
    Some(days_of(days)?.map(at))
}

/// The days of `Mon-Thu` or `Wed`, which may be beyond the week's end.
pub(crate) fn days_of(text: &str) -> Option<impl Iterator<Item = u32> + use<>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    Some(first..=first + (last + 7 - first) % 7)
}

fn day(text: &str) -> Option<u32> {
    DAYS.iter().position(|day| *day == text).and_then(|index| u32::try_from(index).ok())
}

/// The minutes of `08:30` since midnight.
pub(crate) fn time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str| {
        let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { part.parse::<u32>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY_MINUTES).then_some(total)
}

impl fmt::Display for Weekly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

serialize_as_text!(Weekly);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(at: &str) -> i64 {
        at.parse::<crate::Instant>().unwrap().as_epoch_ms()
    }

    fn first_moment(windows: &[Weekly], epoch_ms: i64, is_inside: bool) -> Option<i64> {
        let windows: Vec<_> = windows.iter().cloned().map(crate::calendar::Window::Weekly).collect();
        crate::calendar::first_moment(&windows, epoch_ms, is_inside)
    }

    fn windows(text: &str) -> Vec<Weekly> {
        vec![text.parse().unwrap()]
    }

    #[track_caller]
    fn holds(window: &str, at: &str, expected: bool) {
        assert_eq!(window.parse::<Weekly>().map(|w| w.contains(ms(at))), Ok(expected), "{window} at {at}");
    }

    #[test]
    fn daily_windows_open_on_each_of_their_days() {
        holds("Mon-Thu 08:00-16:00 UTC", "2026-11-19T08:00:00Z", true);
        holds("Mon-Thu 08:00-16:00", "2026-11-19T16:00:00Z", false);
        holds("Mon-Thu 08:00-16:00 UTC", "2026-11-20T09:00:00Z", false);
        holds("Sat-Mon 22:00-02:00 UTC", "2026-11-24T01:59:00Z", true);
        holds("Wed 08:00-09:00 +02:00", "2026-11-18T06:30:00Z", true);
        holds("Mon 00:00-01:00 +02:00", "2026-11-22T22:30:00Z", true);
        holds("Sat-Sun", "2026-11-22T23:59:00Z", true);
        holds("Sat-Sun Europe/Berlin", "2026-11-22T23:00:00Z", false);
    }

    #[test]
    fn stretches_run_over_the_end_of_the_week() {
        holds("Fri 17:00-Mon 08:00 UTC", "2026-11-20T17:00:00Z", true);
        holds("Fri 17:00-Mon 08:00", "2026-11-22T23:59:00Z", true);
        holds("Fri 17:00-Mon 08:00 UTC", "2026-11-23T07:59:00Z", true);
        holds("Fri 17:00-Mon 08:00 UTC", "2026-11-23T08:00:00Z", false);
    }

    #[test]
    fn clocks_count_on_both_days_of_a_change() {
        // 08:00 in Berlin is 07:00 UTC in winter and 06:00 UTC in summer.
        holds("Sat-Sun 08:00-18:00 Europe/Berlin", "2026-03-28T06:59:00Z", false);
        holds("Sat-Sun 08:00-18:00 Europe/Berlin", "2026-03-29T06:00:00Z", true);
        holds("Sat-Sun 08:00-18:00 Europe/Berlin", "2026-10-25T06:59:00Z", false);
        holds("Sat-Sun 08:00-18:00 Europe/Berlin", "2026-10-25T07:00:00Z", true);
        holds("Sun 08:00-18:00 America/New_York", "2026-03-08T12:00:00Z", true);
        holds("Sun 08:00-18:00 America/New_York", "2026-11-01T12:00:00Z", false);
        holds("Mon 09:00-10:00 Asia/Kolkata", "2026-11-23T03:30:00Z", true);
        holds("Mon 09:00-10:00 Asia/Kolkata", "2026-11-23T03:29:00Z", false);
    }

    #[test]
    fn the_next_moment_inside_or_outside_is_found() {
        let freeze = windows("Fri 17:00-Mon 08:00 UTC");
        assert_eq!(first_moment(&freeze, ms("2026-11-20T18:30:12Z"), false), Some(ms("2026-11-23T08:00:00Z")));
        assert_eq!(first_moment(&freeze, ms("2026-11-19T18:30:12Z"), false), Some(ms("2026-11-19T18:30:12Z")));
        let enter = windows("Mon-Thu 08:00-16:00 UTC");
        assert_eq!(first_moment(&enter, ms("2026-11-20T18:30:12Z"), true), Some(ms("2026-11-23T08:00:00Z")));
        assert_eq!(first_moment(&windows("Mon-Sun 00:00-24:00 UTC"), ms("2026-11-20T18:30:12Z"), false), None);
        assert_eq!(first_moment(&windows("Mon-Sun Europe/Berlin"), ms("2026-11-20T18:30:12Z"), false), None);
    }

    #[test]
    fn a_window_whose_time_is_skipped_opens_a_week_later_and_one_that_comes_twice_opens_twice() {
        let night = windows("Sun 02:15-02:45 Europe/Berlin");
        assert_eq!(first_moment(&night, ms("2026-03-28T00:00:00Z"), true), Some(ms("2026-04-05T00:15:00Z")));
        assert_eq!(first_moment(&night, ms("2026-10-25T00:00:00Z"), true), Some(ms("2026-10-25T00:15:00Z")));
        assert_eq!(first_moment(&night, ms("2026-10-25T00:45:00Z"), true), Some(ms("2026-10-25T01:15:00Z")));
    }

    #[test]
    fn the_first_moment_is_the_one_that_a_look_at_every_minute_finds() {
        let sets: [&[&str]; 6] = [
            &["Mon-Thu 08:00-16:00 UTC"],
            &["Fri 17:00-Mon 08:00 UTC", "Wed 00:00-24:00 UTC"],
            &["Sun 22:00-02:30 +02:00", "Mon-Sun 09:15-09:16 UTC"],
            &["Sun 02:10-03:20 Europe/Berlin", "Sat 23:30-Sun 02:05 America/New_York"],
            &["Sat-Sun Australia/Lord_Howe", "Thu 12:00-13:00 Asia/Kolkata"],
            &[],
        ];
        // Weeks without a change of the clocks, and those of Berlin's and New York's.
        for begin in ["2027-01-04T00:00:00Z", "2026-03-26T00:00:00Z", "2026-10-22T00:00:00Z", "2026-10-29T00:00:00Z"] {
            for set in sets {
                let windows: Vec<Weekly> = set.iter().map(|text| text.parse().unwrap()).collect();
                let begin = ms(begin) / MINUTE_MS;
                let minutes = i64::from(WEEK_MINUTES);
                let inside: Vec<bool> = (0..=2 * minutes)
                    .map(|minute| windows.iter().any(|window| window.contains((begin + minute) * MINUTE_MS)))
                    .collect();
                for minute in (0..minutes).step_by(7) {
                    let from = (begin + minute) * MINUTE_MS + 12_345;
                    for is_inside in [true, false] {
                        let now = usize::try_from(minute).unwrap();
                        let expected = if inside[now] == is_inside {
                            Some(from)
                        } else {
                            let found = inside.iter().skip(now + 1).position(|own| *own == is_inside);
                            found.map(|found| (begin + minute + 1 + i64::try_from(found).unwrap()) * MINUTE_MS)
                        };
                        assert_eq!(first_moment(&windows, from, is_inside), expected, "{set:?} {from} {is_inside}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_window_is_covered_only_if_it_is_in_winter_and_in_summer() {
        let covers = |freeze: &str, window: &str| Closed::of(&windows(freeze)).covers(&windows(window)[0]);
        assert!(covers("Fri 17:00-Mon 08:00 Europe/Berlin", "Sat 09:00-12:00 Europe/Berlin"));
        assert!(covers("Fri 17:00-Mon 08:00 Europe/Berlin", "Mon 06:00-08:00 Europe/Berlin"));
        assert!(!covers("Fri 17:00-Mon 08:00 Europe/Berlin", "Mon 06:00-07:00 UTC"), "in summer that is 08:00 there");
        assert!(covers("Fri 17:00-Mon 08:00 Europe/Berlin", "Mon 04:00-06:00 UTC"));
    }

    #[test]
    fn malformed_windows_are_refused() {
        for text in [
            "",
            "Mon 08:00 UTC",
            "Mon 25:00-26:00 UTC",
            "Mon 8:00-9:00 UTC",
            "mon 08:00-09:00 UTC",
            "Mon 08:60-09:00 UTC",
            "Mon +8:00-09:00 UTC",
            "Mon 08:00-09:00 UTC UTC",
        ] {
            assert_eq!(text.parse::<Weekly>(), Err(WeeklyError::of(text)));
        }
        let error = "Mon-Fri 08:00-09:00 Europe/Berln".parse::<Weekly>().unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.help().as_deref(), error.span()),
            ("no time zone is called `Europe/Berln`", Some("did you mean `Europe/Berlin`?"), Some(20..32))
        );
    }
}
