//! A forecast in sentences.

use super::Alarm;
use super::reach::Need;
use crate::judge::words::{count, short};

/// What is said where page views were not measured.
pub(super) const ASSUMED: &str =
    " (no page view has been reported yet: with as many, and as few errors, as a healthy site has)";

/// Rarer than this, it is the first minutes that count, while there are few observations, in hours.
const RARE_HOURS: f64 = 24.0 * 365.0;

/// `… fires by chance about once in 2 days in canary at 20,000 requests an hour; … would not`.
pub(super) fn alarm(alarm: &Alarm, only_tells: bool, requests_per_hour: f64) -> String {
    let Alarm { when, stage, .. } = alarm;
    let at = format!("at {} requests an hour", count(requests_per_hour));
    if !alarm.is_reported() {
        return format!("`{when}` hardly ever fires by chance {at}");
    }
    let does = if only_tells { "fires" } else { "acts" };
    let releases = format!("on {} of healthy releases", share(alarm.chance));
    let forms: Vec<String> = alarm.would_not.iter().map(|form| format!("`{form}`")).collect();
    let would_not = if forms.is_empty() { String::new() } else { format!("; {} would not", forms.join(", or ")) };
    match alarm.every_hours.filter(|hours| *hours < RARE_HOURS) {
        Some(hours) if alarm.chance >= super::TOLD_CHANCE => format!(
            "`{when}` fires by chance about {} in {stage} {at}, and so {does} {releases}{would_not}",
            once_in(hours)
        ),
        Some(hours) => format!("`{when}` fires by chance about {} in {stage} {at}{would_not}", once_in(hours)),
        None => format!("`{when}` {does} {releases} by chance {at}, while it has few observations yet{would_not}"),
    }
}

/// `50 requests on new take 3 min`, `… do not arrive within the bake time of 10 min: they take 2 h 30 min`.
pub(super) fn need(need: &Need, is_window: bool) -> String {
    let Need { count: of, what, takes_ms, within_ms, .. } = need;
    let named = format!("{} {what}", count(*of));
    let name = need.of.as_ref().map(|term| format!("`{term}`: ")).unwrap_or_default();
    let Some(takes) = takes_ms else { return format!("{name}{named} never come") };
    let takes = span(*takes);
    match within_ms.map(span) {
        Some(within) if is_window && !need.is_reached => {
            format!("{name}{named} do not come within {within}, so it is mostly inconclusive: they take {takes}")
        }
        Some(within) if !need.is_reached => {
            format!("{name}{named} do not arrive within the bake time of {within}: they take {takes}")
        }
        _ => format!("{name}{named} take {takes}"),
    }
}

/// `20 subjects on new never come: there are about 8`.
pub(super) fn subjects(need: &Need, there: f64) -> String {
    let name = need.of.as_ref().map(|term| format!("`{term}`: ")).unwrap_or_default();
    let named = format!("{name}{} {}", count(need.count), need.what);
    if need.is_reached {
        format!("{named} are there")
    } else {
        format!("{named} never come: there are about {}", count(there))
    }
}

/// `once in 2 days`.
fn once_in(hours: f64) -> String {
    const UNITS: [(f64, &str); 5] =
        [(24.0 * 365.0, "year"), (24.0 * 30.0, "month"), (24.0 * 7.0, "week"), (24.0, "day"), (1.0, "hour")];
    let of = |length: f64, unit: &str| {
        let number = (hours / length).round().max(1.0);
        if number < 1.5 {
            format!("once {} {unit}", if unit == "hour" { "an" } else { "a" })
        } else {
            format!("once in {} {unit}s", count(number))
        }
    };
    // The largest unit of which there are two, or the smallest.
    let unit = UNITS.iter().find(|(length, _)| hours >= 1.5 * length);
    match unit {
        Some((length, unit)) => of(*length, unit),
        None if hours >= 0.75 => of(1.0, "hour"),
        None => {
            let minutes = (hours * 60.0).round().max(1.0);
            if minutes < 1.5 { "once a minute".to_owned() } else { format!("once in {} minutes", count(minutes)) }
        }
    }
}

/// `12 %`, `all`.
fn share(chance: f64) -> String {
    if chance > 0.995 {
        "all".to_owned()
    } else {
        format!("{} %", if chance >= 0.095 { count(chance * 100.0) } else { short((chance * 1_000.0).round() / 10.0) })
    }
}

/// `45 s`, `12 min`, `2 h 30 min`, `3 d 4 h`.
pub fn span(ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {small_unit}") }
    };
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds.div_ceil(60)),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_reported_in_the_largest_unit_that_fits() {
        for (hours, text) in [
            (0.01, "once a minute"),
            (0.2, "once in 12 minutes"),
            (1.0, "once an hour"),
            (5.2, "once in 5 hours"),
            (30.0, "once in 30 hours"),
            (50.0, "once in 2 days"),
            (200.0, "once in 8 days"),
            (24.0 * 16.0, "once in 2 weeks"),
            (24.0 * 70.0, "once in 2 months"),
            (24.0 * 800.0, "once in 2 years"),
        ] {
            assert_eq!(once_in(hours), text, "{hours}");
        }
        assert_eq!([share(0.9999), share(0.123), share(0.012)], ["all", "12 %", "1.2 %"]);
        assert_eq!(
            [span(1), span(59_001), span(9_000_000), span(90_000_000)],
            ["1 s", "1 min", "2 h 30 min", "1 d 1 h"]
        );
    }
}
