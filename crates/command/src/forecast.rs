//! What chance does to a plan, as `check` tells it: on a healthy release as a simulation has it.

use std::fmt;
use std::str::FromStr;

use super::check::Traffic;
use super::words::counted;
use tidegate_decide::forecast::{Alarm, Basis, Forecast, Need, Reach, forecast};
use tidegate_decide::judge::words::{count, short};
use tidegate_model::condition::Term;
use tidegate_model::plan::Plan;
use tidegate_simulate::healthy::Healthy;

/// The units of a rate, each with how many of it an hour has.
const UNITS: [(&str, f64); 4] = [("s", 3_600.0), ("min", 60.0), ("h", 1.0), ("day", 1.0 / 24.0)];
/// More than all requests of the largest sites.
const MAX: f64 = 1e10;

/// Requests an hour, as people write a rate: `20000/h`, `300/min`, `5/s`, `400000/day`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerHour(pub f64);

impl FromStr for PerHour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate: a number and a unit, such as 20000/h, 300/min, 5/s or 400000/day");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let (_, times) = UNITS.into_iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
        let count: f64 = count.trim().replace([',', '_'], "").parse().map_err(|_| wrong())?;
        let per_hour = count * times;
        if per_hour > 0.0 && per_hour <= MAX { Ok(Self(per_hour)) } else { Err(wrong()) }
    }
}

impl fmt::Display for PerHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests an hour", rate(self.0))
    }
}

/// What chance does to a plan at this traffic.
pub fn of(plan: &Plan, traffic: Traffic) -> Forecast {
    // At no requests: a simulation has so few failures that a counted bound is hardly ever reached.
    let healthy = Healthy::of(plan, 0.0);
    let expected = |term: &Term| healthy.expected(plan, term, traffic.requests.0);
    forecast(
        plan,
        &Basis {
            requests_per_hour: traffic.requests.0,
            subjects: traffic.subjects.map(f64::from),
            expected: &expected,
        },
    )
}

/// The same for people: what fires by chance, and what each stage sees.
pub fn lines(forecast: &Forecast) -> Vec<String> {
    let mut lines = vec![format!("by chance alone, at {}:", PerHour(forecast.requests_per_hour))];
    let (shown, quiet): (Vec<&Alarm>, Vec<&Alarm>) = forecast.alarms.iter().partition(|alarm| alarm.is_reported());
    lines.extend(shown.iter().map(|alarm| format!("  {} {}", if alarm.is_frequent { "!" } else { "·" }, alarm.text)));
    if !quiet.is_empty() {
        let all: Vec<String> = quiet.iter().map(|alarm| format!("`{}`", alarm.when)).collect();
        lines.push(format!("  · hardly ever on a healthy release: {}", all.join(", ")));
    }
    if !forecast.unforeseen.is_empty() {
        lines.push(format!(
            "  · {} on what others report or decide: not predicted",
            counted(forecast.unforeseen.len(), "guardrail")
        ));
    }
    lines.extend(forecast.stages.iter().flat_map(stage));
    lines
}

/// Few are not none.
fn rate(per_hour: f64) -> String {
    if per_hour < 10.0 { short(per_hour) } else { count(per_hour) }
}

fn stage(reach: &Reach) -> Vec<String> {
    let (out_of_reach, reached): (Vec<&Need>, Vec<&Need>) = reach.needs.iter().partition(|need| !need.is_reached);
    let slowest = reached.iter().filter(|need| need.of.is_none()).max_by_key(|need| need.takes_ms);
    let seen = slowest.map(|need| format!("; {}", need.text)).unwrap_or_default();
    let legacy = if reach.legacy_per_hour > 0.0 {
        format!("{} on legacy", rate(reach.legacy_per_hour))
    } else {
        "none on legacy".to_owned()
    };
    let mark = if out_of_reach.is_empty() { "·" } else { "!" };
    let head = format!(
        "  {mark} {} {} %: {} requests an hour on new, {legacy}{seen}",
        reach.stage,
        reach.percentage,
        rate(reach.new_per_hour)
    );
    std::iter::once(head).chain(out_of_reach.iter().map(|need| format!("      {}", need.text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_a_unit() {
        for (text, per_hour) in [
            ("20000/h", 20_000.0),
            ("20,000/h", 20_000.0),
            ("300/min", 18_000.0),
            ("5/s", 18_000.0),
            ("48/day", 2.0),
            ("0.5/s", 1_800.0),
        ] {
            assert_eq!(text.parse(), Ok(PerHour(per_hour)), "{text}");
        }
        for text in ["20000", "20000/w", "/h", "-1/h", "0/h", "NaN/h", "inf/h", "many/h", "1e30/s", ""] {
            assert!(text.parse::<PerHour>().is_err(), "{text}");
        }
    }
}
