//! Numbers, times and names as people read them. Times are UTC, and say so.

pub use tidegate_decide::explain::listed;
pub use tidegate_model::number::counted;
use time::OffsetDateTime;

use tidegate_model::Instant;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// `45 s`, `12 min`, `1 h 5 min`, `2 d 3 h`: the two largest units, rounded down.
pub fn span(length_ms: i64) -> String {
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {small_unit}") }
    };
    match length_ms.max(0) {
        ms if ms < MINUTE_MS => format!("{} s", ms / SECOND_MS),
        ms if ms < HOUR_MS => format!("{} min", ms / MINUTE_MS),
        ms if ms < DAY_MS => two(ms / HOUR_MS, "h", ms % HOUR_MS / MINUTE_MS, "min"),
        ms => two(ms / DAY_MS, "d", ms % DAY_MS / HOUR_MS, "h"),
    }
}

/// `in 4 min`, `4 min ago`, `now`.
pub fn relative(at: Instant, now: Instant) -> String {
    match at.ms_since(now) {
        ms if ms >= SECOND_MS => format!("in {}", span(ms)),
        ms if ms <= -SECOND_MS => format!("{} ago", span(-ms)),
        _ => "now".into(),
    }
}

/// `14:05 UTC` today, `Wed 2 Dec 14:05 UTC` on another day, with the year where it is another.
pub fn moment(at: Instant, now: Instant) -> String {
    let (Some(at), Some(now)) = (date_time(at), date_time(now)) else { return at.to_string() };
    let clock = format!("{:02}:{:02} UTC", at.hour(), at.minute());
    if at.date() == now.date() {
        return clock;
    }
    let day = format!("{} {} {}", short(&at.weekday().to_string()), at.day(), short(&at.month().to_string()));
    if at.year() == now.year() { format!("{day} {clock}") } else { format!("{day} {} {clock}", at.year()) }
}

/// `in 4 min (14:05 UTC)`.
pub fn when(at: Instant, now: Instant) -> String {
    format!("{} ({})", relative(at, now), moment(at, now))
}

/// `2026-12-02 14:05:09 UTC`.
pub fn stamp(at: Instant) -> String {
    let Some(at) = date_time(at) else { return at.to_string() };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// The text with its first letter large.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn date_time(at: Instant) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.as_epoch_ms().div_euclid(SECOND_MS)).ok()
}

fn short(name: &str) -> String {
    name.chars().take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn spans_name_their_two_largest_units() {
        for (ms, text) in [
            (-5, "0 s"),
            (45_900, "45 s"),
            (60_000, "1 min"),
            (3_900_000, "1 h 5 min"),
            (7_200_000, "2 h"),
            (183_600_000, "2 d 3 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn moments_are_as_short_as_the_day_allows() {
        let now = at("2026-12-02T14:01:00Z");
        for (text, shown) in [
            ("2026-12-02T14:05:09Z", "in 4 min (14:05 UTC)"),
            ("2026-12-02T13:59:00Z", "2 min ago (13:59 UTC)"),
            ("2026-12-02T14:01:00.5Z", "now (14:01 UTC)"),
            ("2026-12-04T09:00:00Z", "in 1 d 18 h (Fri 4 Dec 09:00 UTC)"),
            ("2027-01-01T00:00:00Z", "in 29 d 9 h (Fri 1 Jan 2027 00:00 UTC)"),
        ] {
            assert_eq!(when(at(text), now), shown);
        }
        assert_eq!(stamp(at("2026-12-02T14:05:09.25Z")), "2026-12-02 14:05:09 UTC");
    }

    #[test]
    fn lists_read_as_sentences_do() {
        assert_eq!(
            (listed(&["a"]), listed(&["a", "b"]), listed(&["a", "b", "c"])),
            ("a".into(), "a and b".into(), "a, b and c".into())
        );
        assert_eq!(sentence("élan"), "Élan");
    }
}
