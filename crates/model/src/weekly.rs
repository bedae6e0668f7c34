//! A recurring part of the week in which a stage may be entered, or in which advancing is frozen.
//!
//! Two forms: `Mon-Thu 08:00-16:00 UTC` is that time on each of those days, and
//! `Fri 17:00-Mon 08:00 UTC` is one stretch. A fixed offset (`+02:00`) may stand for `UTC`; named
//! zones are left out, since their tables would weigh more than the rest of the program.

use std::fmt;
use std::str::FromStr;

use super::fault::Explain;
use super::serialize_as_text;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY_MINUTES: u32 = 24 * 60;
const WEEK_MINUTES: u32 = 7 * DAY_MINUTES;
/// 1970-01-01 was a Thursday, three days into its week.
const EPOCH_OFFSET_MINUTES: i64 = 3 * DAY_MINUTES as i64;

/// A recurring part of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weekly {
    text: String,
    /// Half-open stretches in minutes of the week, Monday 00:00 UTC being 0. An end may lie
    /// beyond the week's, for a stretch that runs into the next one.
    stretches: Vec<(u32, u32)>,
}

impl Weekly {
    /// Whether `epoch_ms` (milliseconds since 1970-01-01T00:00Z) lies inside.
    pub fn contains(&self, epoch_ms: i64) -> bool {
        let minute = (epoch_ms.div_euclid(60_000) + EPOCH_OFFSET_MINUTES).rem_euclid(i64::from(WEEK_MINUTES));
        u32::try_from(minute).is_ok_and(|minute| self.contains_minute(minute))
    }

    fn contains_minute(&self, minute: u32) -> bool {
        self.stretches
            .iter()
            .any(|(from, to)| (*from..*to).contains(&minute) || (*from..*to).contains(&(minute + WEEK_MINUTES)))
    }
}

/// The minutes of the week that lie in none of several windows: to each minute, how many before it do.
pub struct Closed(Vec<u32>);

impl Closed {
    /// Those of these windows.
    pub fn of(windows: &[Weekly]) -> Self {
        let mut minutes = vec![false; WEEK_MINUTES as usize];
        for minute in windows.iter().flat_map(|window| &window.stretches).flat_map(|(from, to)| *from..*to) {
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
        Self(open)
    }

    /// Whether no minute is in this window without being in one of those.
    pub fn covers(&self, window: &Weekly) -> bool {
        window.stretches.iter().all(|(from, to)| self.0.get(*from as usize) == self.0.get(*to as usize))
    }
}

/// The first moment from `epoch_ms` on that lies in one of these windows, if `is_inside`, or else in
/// none of them; `None` where the week has no such moment.
pub fn first_moment(windows: &[Weekly], epoch_ms: i64, is_inside: bool) -> Option<i64> {
    let is_it = |ms: &i64| windows.iter().any(|window| window.contains(*ms)) == is_inside;
    if is_it(&epoch_ms) {
        return Some(epoch_ms);
    }
    // Only where a stretch begins or ends can that change.
    let now = epoch_ms.div_euclid(60_000);
    let next =
        |edge: u32| now + 1 + (i64::from(edge) - now - 1 - EPOCH_OFFSET_MINUTES).rem_euclid(i64::from(WEEK_MINUTES));
    let mut first: Option<i64> = None;
    for window in windows {
        for (from, to) in &window.stretches {
            for edge in [*from, *to] {
                let at = next(edge) * 60_000;
                if first.is_none_or(|first| at < first) && is_it(&at) {
                    first = Some(at);
                }
            }
        }
    }
    first
}

/// Why a text is no weekly window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeeklyError(String);

impl std::error::Error for WeeklyError {}

impl fmt::Display for WeeklyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a weekly window", self.0)
    }
}

impl Explain for WeeklyError {
    fn help(&self) -> Option<String> {
        Some(
            "`Mon-Thu 08:00-16:00 UTC`, `Fri 17:00-Mon 08:00 UTC`, or with an offset such as `+02:00` for `UTC`".into(),
        )
    }
}

impl FromStr for Weekly {
    type Err = WeeklyError;

    fn from_str(text: &str) -> Result<Self, WeeklyError> {
        let stretches = parse(text).filter(|stretches| !stretches.is_empty());
        let stretches = stretches.ok_or_else(|| WeeklyError(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), stretches })
    }
}

fn parse(text: &str) -> Option<Vec<(u32, u32)>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [days, times, zone] => {
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            let (from, to) = times.split_once('-')?;
            let (first, last, from, to, zone) = (day(first)?, day(last)?, time(from)?, time(to)?, offset(zone)?);
            let count = (last + 7 - first) % 7 + 1;
            let length = if to > from { to - from } else { to + DAY_MINUTES - from };
            Some((0..count).map(|n| stretch((first + n) * DAY_MINUTES + from, length, zone)).collect())
        }
        [from_day, middle, to_time, zone] => {
            let (from_time, to_day) = middle.split_once('-')?;
            let from = day(from_day)? * DAY_MINUTES + time(from_time)?;
            let to = day(to_day)? * DAY_MINUTES + time(to_time)?;
            let length = if to > from { to - from } else { to + WEEK_MINUTES - from };
            Some(vec![stretch(from, length, offset(zone)?)])
        }
        _ => None,
    }
}

/// A stretch of `length` minutes from the local minute `from`, `zone` minutes east of UTC.
fn stretch(from: u32, length: u32, zone: i32) -> (u32, u32) {
    let from = (i64::from(from) - i64::from(zone)).rem_euclid(i64::from(WEEK_MINUTES));
    let from = u32::try_from(from).unwrap_or_default();
    (from, from + length)
}

fn day(text: &str) -> Option<u32> {
    DAYS.iter().position(|day| *day == text).and_then(|index| u32::try_from(index).ok())
}

fn time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str| if part.len() == 2 { part.parse::<u32>().ok() } else { None };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY_MINUTES).then_some(total)
}

fn offset(text: &str) -> Option<i32> {
    if text == "UTC" {
        return Some(0);
    }
    let minutes =
        |rest| time(rest).and_then(|minutes| i32::try_from(minutes).ok()).filter(|minutes| *minutes <= 14 * 60);
    match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => minutes(rest),
        (_, Some(rest)) => minutes(rest).map(|minutes| -minutes),
        _ => None,
    }
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

    #[track_caller]
    fn holds(window: &str, at: &str, expected: bool) {
        let ms = at.parse::<crate::Instant>().map(|instant| instant.as_epoch_ms()).unwrap_or_default();
        assert_eq!(window.parse::<Weekly>().map(|w| w.contains(ms)), Ok(expected), "{window} at {at}");
    }

    #[test]
    fn daily_windows_open_on_each_of_their_days() {
        holds("Mon-Thu 08:00-16:00 UTC", "2026-11-19T08:00:00Z", true);
        holds("Mon-Thu 08:00-16:00 UTC", "2026-11-19T16:00:00Z", false);
        holds("Mon-Thu 08:00-16:00 UTC", "2026-11-20T09:00:00Z", false);
        holds("Sat-Mon 22:00-02:00 UTC", "2026-11-24T01:59:00Z", true);
        holds("Wed 08:00-09:00 +02:00", "2026-11-18T06:30:00Z", true);
        holds("Mon 00:00-01:00 +02:00", "2026-11-22T22:30:00Z", true);
    }

    #[test]
    fn stretches_run_over_the_end_of_the_week() {
        holds("Fri 17:00-Mon 08:00 UTC", "2026-11-20T17:00:00Z", true);
        holds("Fri 17:00-Mon 08:00 UTC", "2026-11-22T23:59:00Z", true);
        holds("Fri 17:00-Mon 08:00 UTC", "2026-11-23T07:59:00Z", true);
        holds("Fri 17:00-Mon 08:00 UTC", "2026-11-23T08:00:00Z", false);
    }

    #[test]
    fn the_next_moment_inside_or_outside_is_found() {
        let ms = |at: &str| at.parse::<crate::Instant>().map(|instant| instant.as_epoch_ms()).unwrap_or_default();
        let windows = |text: &str| -> Vec<Weekly> { text.parse().into_iter().collect() };
        let freeze = windows("Fri 17:00-Mon 08:00 UTC");
        assert_eq!(first_moment(&freeze, ms("2026-11-20T18:30:12Z"), false), Some(ms("2026-11-23T08:00:00Z")));
        assert_eq!(first_moment(&freeze, ms("2026-11-19T18:30:12Z"), false), Some(ms("2026-11-19T18:30:12Z")));
        let enter = windows("Mon-Thu 08:00-16:00 UTC");
        assert_eq!(first_moment(&enter, ms("2026-11-20T18:30:12Z"), true), Some(ms("2026-11-23T08:00:00Z")));
        assert_eq!(first_moment(&windows("Mon-Sun 00:00-24:00 UTC"), ms("2026-11-20T18:30:12Z"), false), None);
    }

    #[test]
    fn the_first_moment_is_the_one_that_a_look_at_every_minute_finds() {
        let sets: [&[&str]; 4] = [
            &["Mon-Thu 08:00-16:00 UTC"],
            &["Fri 17:00-Mon 08:00 UTC", "Wed 00:00-24:00 UTC"],
            &["Sun 22:00-02:30 +02:00", "Mon-Sun 09:15-09:16 UTC"],
            &[],
        ];
        for set in sets {
            let windows: Vec<Weekly> = set.iter().map(|text| text.parse().unwrap()).collect();
            for minute in (0..i64::from(WEEK_MINUTES)).step_by(7) {
                let from = 1_799_049_600_000 + minute * 60_000 + 12_345;
                for is_inside in [true, false] {
                    let is_it = |ms: &i64| windows.iter().any(|window| window.contains(*ms)) == is_inside;
                    let minutes =
                        (1..=i64::from(WEEK_MINUTES)).map(|minute| (from.div_euclid(60_000) + minute) * 60_000);
                    let expected = std::iter::once(from).chain(minutes).find(is_it);
                    assert_eq!(first_moment(&windows, from, is_inside), expected, "{set:?} {from} {is_inside}");
                }
            }
        }
    }

    #[test]
    fn malformed_windows_are_refused() {
        for text in [
            "",
            "Mon",
            "Mon 08:00 UTC",
            "Mon 25:00-26:00 UTC",
            "Mon 8:00-9:00 UTC",
            "mon 08:00-09:00 UTC",
            "Mon 08:00-09:00 CET",
            "Mon 08:60-09:00 UTC",
        ] {
            assert_eq!(text.parse::<Weekly>(), Err(WeeklyError(text.into())));
        }
    }
}
