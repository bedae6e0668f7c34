//! The next or the previous business day at an hour, behind a moment of a plan: `full+1d, next business day 09:00`,
//! `start-5d, previous business day 09:00`.
//!
//! 1. Business days are Monday to Friday, without the days off: the dates of `freeze`, of the plan and of the whole
//!    deployment. Its weekly windows are hours, not days off.
//! 2. The moment itself counts: on a business day, the next one is still that day up to that hour, and the previous one
//!    is that day from that hour on.
//! 3. The day and the hour are what clocks show in the zone that is named, else in the plan's. An hour that they skip
//!    comes as much later; of one that they show twice, the first counts.

use std::fmt;
use std::str::FromStr;

use super::Plan;
use super::words::WordError;
use crate::minute::MINUTE_MS;
use crate::weekly::{DAY_MINUTES, time};
use crate::zone::Zone;
use crate::{Instant, serialize_as_text};

const DAY_MS: i64 = DAY_MINUTES as i64 * MINUTE_MS;
/// 1970-01-01 was a Thursday, three days into its week.
const EPOCH_DAY: i64 = 3;
/// A freeze that lasts longer than two years leaves no day.
const DAYS_MAX: i64 = 2 * 366;
const WORDS: [&str; 2] = ["business", "day"];

/// On which side of a moment the day is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Next,
    Previous,
}

impl Side {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Previous => "previous",
        }
    }
}

/// The next or the previous business day, at an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessDay {
    side: Side,
    minute: u32,
    hour: String,
    zone: Option<(Zone, String)>,
}

impl BusinessDay {
    /// When that is, seen from a moment, in a plan with the freeze of the deployment in it; `None` where no day is left.
    pub fn near(&self, at: Instant, plan: &Plan) -> Option<Instant> {
        let zone = self.zone.as_ref().map_or_else(|| plan.zone(), |(zone, _)| zone.clone());
        let is_off =
            |ms: i64| plan.freeze.iter().filter_map(crate::calendar::Window::days).any(|days| days.contains(ms));
        let here = zone.local_ms(at.as_epoch_ms()).div_euclid(DAY_MS);
        let is_open = |away: i64| {
            let day = match self.side {
                Side::Next => here + away,
                Side::Previous => here - away,
            };
            let of = |minute: u32| zone.moments(day * DAY_MS + i64::from(minute) * MINUTE_MS).0;
            let (hour, noon) = (of(self.minute), of(DAY_MINUTES / 2));
            let is_on_that_side = match self.side {
                Side::Next => hour >= at.as_epoch_ms(),
                Side::Previous => hour <= at.as_epoch_ms(),
            };
            let is_weekday = (day + EPOCH_DAY).rem_euclid(7) < 5;
            // A day off of another zone is one where its noon, or the hour itself, lies in it.
            (is_weekday && is_on_that_side && !is_off(hour) && !is_off(noon)).then(|| Instant::from_epoch_ms(hour))
        };
        (0..DAYS_MAX).find_map(is_open)
    }
}

impl FromStr for BusinessDay {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let wrong = || {
            let help = "`next business day 09:00` or `previous business day 09:00`, in the plan's zone, or with another: `next business day 09:00 Europe/Berlin`";
            WordError::new(text, "a business day with an hour", help)
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (side, rest) = match words.as_slice() {
            [side, one, two, rest @ ..] if [*one, *two] == WORDS => (*side, rest),
            _ => return Err(wrong()),
        };
        let side = [Side::Next, Side::Previous].into_iter().find(|own| own.as_str() == side).ok_or_else(wrong)?;
        let (hour, zone) = match rest {
            [hour] => (*hour, None),
            [hour, zone] => (*hour, Some(*zone)),
            _ => return Err(wrong()),
        };
        let minute = time(hour)
            .filter(|minute| *minute < DAY_MINUTES)
            .ok_or_else(|| WordError::new(hour, "an hour of the day", "four digits such as `09:00`, up to `23:59`"))?;
        let zone = match zone {
            None => None,
            Some(name) => {
                let zone = name.parse::<Zone>().map_err(|_| {
                    WordError::new(name, "a time zone", "a name such as `Europe/Berlin`, or an offset such as `+02:00`")
                })?;
                Some((zone, name.to_owned()))
            }
        };
        Ok(Self { side, minute, hour: hour.to_owned(), zone })
    }
}

/// Parts a moment from the business day behind it.
///
/// # Errors
/// When what stands behind a comma is no business day.
pub fn parted(text: &str) -> Result<(&str, Option<BusinessDay>), WordError> {
    match text.split_once(',') {
        None => Ok((text, None)),
        Some((moment, day)) => Ok((moment.trim_end(), Some(day.trim().parse()?))),
    }
}

impl fmt::Display for BusinessDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.side.as_str(), WORDS.join(" "), self.hour)?;
        match &self.zone {
            Some((_, name)) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

serialize_as_text!(BusinessDay);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Explain as _;
    use crate::plan::Due;
    use crate::plan::moment::Moment;
    use crate::plan::set::read_rollout;

    fn plan(freeze: &str) -> Plan {
        let text = format!(
            r#"{{"key":"shop","freeze":[{freeze}],"stage":[{{"name":"beta-1","percentage":10,"hold":"1h"}},{{"name":"full","percentage":100,"hold":"1h"}}]}}"#
        );
        read_rollout(&text).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    #[track_caller]
    fn is(freeze: &str, day: &str, from: &str, expected: &str) {
        let own: BusinessDay = day.parse().unwrap();
        assert_eq!(own.to_string(), day);
        let at = own.near(from.parse().unwrap(), &plan(freeze));
        assert_eq!(at.map(|at| at.to_string()).as_deref(), Some(expected), "{day} from {from}");
    }

    const BERLIN: &str = r#""Fri 17:00-Mon 08:00 Europe/Berlin""#;

    #[test]
    fn a_weekend_is_passed_over_and_the_moment_itself_counts() {
        for (from, expected) in [
            ("2027-01-23T08:00:00Z", "2027-01-25T08:00:00Z"), // a Saturday
            ("2027-01-24T22:59:00Z", "2027-01-25T08:00:00Z"), // Sunday 23:59 in Berlin
            ("2027-01-24T23:30:00Z", "2027-01-25T08:00:00Z"), // Monday 0:30 in Berlin
            ("2027-01-22T08:00:00Z", "2027-01-22T08:00:00Z"), // Friday at 9: that day
            ("2027-01-22T08:00:01Z", "2027-01-25T08:00:00Z"), // a second later
            ("2027-01-20T03:00:00Z", "2027-01-20T08:00:00Z"), // a Wednesday night
        ] {
            is(BERLIN, "next business day 09:00", from, expected);
        }
    }

    #[test]
    fn the_previous_one_lies_before_weekends_and_days_off() {
        for (from, expected) in [
            ("2027-01-23T08:00:00Z", "2027-01-22T08:00:00Z"), // a Saturday: the Friday
            ("2027-01-25T08:00:00Z", "2027-01-25T08:00:00Z"), // Monday at 9: that day
            ("2027-01-25T07:59:59Z", "2027-01-22T08:00:00Z"), // a second earlier
            ("2027-01-20T23:30:00Z", "2027-01-20T08:00:00Z"), // Thursday 0:30 in Berlin
        ] {
            is(BERLIN, "previous business day 09:00", from, expected);
        }
        let holidays = r#""2026-12-24/2027-01-01 Europe/Berlin","2027-01-06 Europe/Berlin""#;
        is(holidays, "previous business day 09:00", "2027-01-02T09:00:00Z", "2026-12-23T08:00:00Z");
        is(holidays, "previous business day 18:30", "2027-01-06T18:00:00Z", "2027-01-05T17:30:00Z");
        let own: BusinessDay = "previous business day 09:00".parse().unwrap();
        let at = "2029-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(own.near(at, &plan(r#""2026-01-01/2030-01-01 Europe/Berlin""#)), None, "no day is left");
    }

    #[test]
    fn days_of_a_freeze_are_off_and_its_weekly_hours_are_not() {
        let holidays =
            r#""2026-12-24/2027-01-01 Europe/Berlin","2027-01-06 Europe/Berlin","Mon-Thu 17:00-08:00 Europe/Berlin""#;
        // 2 January is a Saturday.
        is(holidays, "next business day 09:00", "2026-12-23T09:00:00Z", "2027-01-04T08:00:00Z");
        is(holidays, "next business day 09:00", "2027-01-05T20:00:00Z", "2027-01-07T08:00:00Z");
        is(holidays, "next business day 18:30", "2027-01-05T12:00:00Z", "2027-01-05T17:30:00Z");
        let own: BusinessDay = "next business day 09:00".parse().unwrap();
        let at = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(own.near(at, &plan(r#""2026-01-01/2030-01-01 Europe/Berlin""#)), None, "no day is left");
    }

    #[test]
    fn the_hour_is_what_clocks_show_on_both_days_of_change() {
        // Clocks are put forward on Sunday 28 March 2027, and back on Sunday 31 October.
        is(BERLIN, "next business day 09:00", "2027-03-26T09:00:00Z", "2027-03-29T07:00:00Z");
        is(BERLIN, "next business day 09:00", "2027-10-29T08:00:00Z", "2027-11-01T08:00:00Z");
        // In Israel they are put forward on a Friday at 2:00: there is no 2:30 that day.
        is("", "next business day 02:30 Asia/Jerusalem", "2027-03-25T12:00:00Z", "2027-03-26T00:30:00Z");
        // In Cairo they are put back on a Friday at 0:00: 23:30 of Thursday comes twice, and counts once.
        is("", "next business day 23:30 Africa/Cairo", "2027-10-28T12:00:00Z", "2027-10-28T20:30:00Z");
    }

    #[test]
    fn a_zone_that_is_named_stands_before_the_plans() {
        is(BERLIN, "next business day 09:00 America/New_York", "2027-01-23T08:00:00Z", "2027-01-25T14:00:00Z");
        is("", "next business day 09:00 +02:00", "2027-01-23T08:00:00Z", "2027-01-25T07:00:00Z");
        is("", "next business day 09:00", "2027-01-23T08:00:00Z", "2027-01-25T09:00:00Z");
    }

    #[test]
    fn it_stands_behind_a_moment_and_prints_back() {
        let stages = ["beta-1", "full"];
        for text in [
            "full+1d, next business day 09:00",
            "beta-1, next business day 09:00 Europe/Berlin",
            "rollback+1h, next business day 14:30",
            "start-3d, next business day 09:00",
            "start-5d, previous business day 09:00",
        ] {
            assert_eq!(Moment::parse(text, &stages).map(|own| own.to_string()).as_deref(), Ok(text));
            if !text.starts_with("rollback") {
                assert_eq!(text.parse::<Due>().map(|own| own.to_string()).as_deref(), Ok(text));
            }
        }
        let loose = Moment::parse("full+1d ,  next  business day 09:00", &stages).map(|own| own.to_string());
        assert_eq!(loose.as_deref(), Ok("full+1d, next business day 09:00"));
    }

    #[test]
    fn what_is_none_is_refused_with_its_value_and_the_way_out() {
        let day = "a business day with an hour";
        for (text, value, what) in [
            ("full+1d, next business day", "next business day", day),
            ("full+1d, next business day 9:00", "9:00", "an hour of the day"),
            ("full+1d, next business day 24:00", "24:00", "an hour of the day"),
            ("full+1d, next business day 09:60", "09:60", "an hour of the day"),
            ("full+1d, next business day 09:00 Europe/Berln", "Europe/Berln", "a time zone"),
            ("full+1d, next business day 09:00 in Berlin", "next business day 09:00 in Berlin", day),
            ("full+1d, next working day 09:00", "next working day 09:00", day),
            ("full+1d, last business day 09:00", "last business day 09:00", day),
            ("full+1d, Next Business Day 09:00", "Next Business Day 09:00", day),
            ("full+1d,", "", day),
            ("full+1d, next business day 09:00, +1h", "09:00,", "an hour of the day"),
            ("ful+1d, next business day 09:00", "ful+1d", "a moment of this plan"),
            (
                "2027-01-23T09:00:00Z, next business day 09:00",
                "2027-01-23T09:00:00Z, next business day 09:00",
                "a moment of this plan",
            ),
        ] {
            let error = Moment::parse(text, &["full"]).unwrap_err();
            assert_eq!(error.to_string(), format!("`{value}` is not {what}"), "{text}");
            assert!(error.help().is_some_and(|help| help.contains(':') || help.contains("day")), "{text}");
        }
        let error = "2027-01-23, next business day 09:00".parse::<Due>().unwrap_err();
        assert_eq!(error.to_string(), "`2027-01-23, next business day 09:00` is not a day by which something is due");
        assert!(error.help().is_some_and(|help| help.contains("name the day itself")));
    }
}
