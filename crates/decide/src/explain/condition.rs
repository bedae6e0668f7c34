//! Conditions in plain words, for readers who have never seen the language of plans: `error_rate < 0.1% over stage`
//! becomes `the share of requests that fail is below 0.1 %, over the whole stage`.

use tidegate_model::condition::{Bound, Condition, Metric, Op, Quantile, Term, Vital, Window};
use tidegate_model::plan::Plan;

/// A condition in words. What a signal is, the plan says.
pub fn condition(condition: &Condition, plan: &Plan) -> String {
    let terms: Vec<String> = condition.terms.iter().map(|own| term(own, plan)).collect();
    // A comma stands inside of a term, so a semicolon stands between two.
    terms.join("; and ")
}

fn term(own: &Term, plan: &Plan) -> String {
    let Term { metric, endpoint, bound, over, hold, min, min_subjects, .. } = own;
    let at = endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
    let mut text = format!("{}{at} {}", subject(metric, plan), compared(own.op, *bound));
    match over {
        Some(Window::Last(length)) => text.push_str(&format!(", over the last {}", counted_from_two(length))),
        Some(Window::Stage) => text.push_str(", over the whole stage"),
        Some(Window::Attempt) => text.push_str(", since this try began"),
        None => {}
    }
    if let Some(hold) = hold {
        text.push_str(&format!(", for {} without a break", spelled(&hold.to_string())));
    }
    if let Some(min) = min.filter(|min| *min > 0) {
        text.push_str(&format!(", with at least {} of them seen", tidegate_model::number::Grouped(min)));
    }
    if let Some(users) = min_subjects {
        text.push_str(&format!(", with at least {} users", tidegate_model::number::Grouped(*users)));
    }
    text
}

/// What is measured, on new.
pub fn metric(metric: &Metric) -> String {
    let of = |quantile: &Quantile, what: &str| format!("the {} of {what}", percentile(*quantile));
    match metric {
        Metric::ErrorRate => "the share of requests that fail".to_owned(),
        Metric::ClientErrorRate => "the share of requests answered with a 4xx".to_owned(),
        Metric::TimeoutRate => "the share of requests that time out".to_owned(),
        Metric::AbandonedRate => "the share of requests that users give up waiting for".to_owned(),
        Metric::BrokenRate => "the share of pages that break off".to_owned(),
        Metric::StatusRate(status) => format!("the share of requests answered with {status}"),
        Metric::Errors => "the number of failed requests".to_owned(),
        Metric::Requests => "the number of requests".to_owned(),
        Metric::Rescued => "the number of requests that legacy answered in new's place".to_owned(),
        Metric::Subjects => "the number of users on new".to_owned(),
        Metric::Share => "the share of users on new".to_owned(),
        Metric::Adoption => "of the users who reported anything, the share who reported “used”".to_owned(),
        Metric::OptOutRate => "the share of users on new who choose to go back to legacy".to_owned(),
        Metric::JsErrorRate => "the share of page views with a JavaScript error".to_owned(),
        Metric::JsErrors => "the number of JavaScript errors".to_owned(),
        Metric::ShadowMismatchRate => "the share of copied requests that new answers otherwise than legacy".to_owned(),
        Metric::ShadowErrorRate => "the share of copied requests that new fails".to_owned(),
        Metric::ShadowLatency(quantile) => of(quantile, "response times to copied requests"),
        Metric::Sessions => "the number of sessions on new".to_owned(),
        Metric::ErrorsPerSession => "the number of failed requests per session".to_owned(),
        Metric::Probe(name) => format!("the share of the probes “{}” that pass", readable(name.as_str())),
        Metric::Faults => "the number of configuration faults".to_owned(),
        Metric::Percentage => "the percentage in force".to_owned(),
        Metric::Latency(quantile) => of(quantile, "response times"),
        Metric::Waited(quantile) => of(quantile, "how long those waited who gave up"),
        Metric::Event(name) => format!("the share of users on new who reported “{}”", readable(name.as_str())),
        Metric::Reporters(name) => format!("the number of different users who reported “{}”", readable(name.as_str())),
        Metric::Signal(name) => format!("“{}”", readable(name.as_str())),
        Metric::ValueMean(name) => format!("the mean of “{}”", readable(name.as_str())),
        Metric::Value(name, quantile) => of(quantile, &format!("“{}”", readable(name.as_str()))),
        Metric::Timing(name, quantile) => of(quantile, &format!("the timing “{}”", readable(name.as_str()))),
        Metric::Vital(vital, quantile) => of(quantile, vital_words(*vital)),
    }
}

const fn vital_words(vital: Vital) -> &'static str {
    match vital {
        Vital::Lcp => "the time to the largest content (LCP)",
        Vital::Fcp => "the time to the first content (FCP)",
        Vital::Cls => "the layout shift (CLS)",
        Vital::Inp => "the time to react to input (INP)",
        Vital::Ttfb => "the time to the first byte (TTFB)",
    }
}

/// The same, with what the plan says of a signal.
fn subject(own: &Metric, plan: &Plan) -> String {
    let Metric::Signal(name) = own else { return metric(own) };
    let described = plan.signals.get(name.as_str()).and_then(|signal| signal.description.as_deref());
    match described.and_then(|text| text.split(';').next()).map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => format!("“{}” ({text})", readable(name.as_str())),
        None => format!("“{}”", readable(name.as_str())),
    }
}

fn compared(op: Op, bound: Bound) -> String {
    if let Bound::Legacy(factor) = bound {
        let times = factor.map(|factor| format!("{factor} times ")).unwrap_or_default();
        return match op {
            Op::More => format!("is measurably above {times}legacy's"),
            Op::Less => format!("is measurably below {times}legacy's"),
            Op::AtMost => format!("is not measurably above {times}legacy's"),
            Op::AtLeast => format!("is not measurably below {times}legacy's"),
            Op::Equal => format!("equals {times}legacy's"),
        };
    }
    let amount = match bound {
        Bound::Number(number) => number.to_string(),
        Bound::Percent(percent) => format!("{percent} %"),
        Bound::Milliseconds(ms) => format!("{ms} ms"),
        Bound::Seconds(s) => format!("{s} s"),
        Bound::Legacy(_) => String::new(),
    };
    match op {
        Op::More => format!("is above {amount}"),
        Op::Less => format!("is below {amount}"),
        Op::AtMost => format!("is {amount} or less"),
        Op::AtLeast => format!("is {amount} or more"),
        Op::Equal => format!("is exactly {amount}"),
    }
}

/// `75th percentile`, `99.9th percentile`.
fn percentile(quantile: Quantile) -> String {
    let per_mille = quantile.per_mille();
    let (whole, rest) = (per_mille / 10, per_mille % 10);
    if rest > 0 {
        return format!("{whole}.{rest}th percentile");
    }
    let ending = match (whole % 10, whole % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{whole}{ending} percentile")
}

/// A name with its words apart: `db_p95` is `db p95`.
pub fn readable(name: &str) -> String {
    name.replace(['_', '-'], " ")
}

/// A duration behind `the last` or `every`: `hour`, but `15 minutes`.
pub fn counted_from_two(duration: &impl ToString) -> String {
    let words = spelled(&duration.to_string());
    words.strip_prefix("1 ").map_or(words.clone(), str::to_owned)
}

/// A duration as it is written, in words: `15m` is `15 minutes`.
pub fn spelled(duration: &str) -> String {
    let split = duration.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(duration.len());
    let (count, unit) = duration.split_at(split);
    // A time that was not written but counted in minutes.
    let days = count.parse::<u32>().ok().filter(|minutes| unit == "m" && *minutes >= 1_440 && minutes % 1_440 == 0);
    if let Some(days) = days.map(|minutes| minutes / 1_440) {
        return spelled(&format!("{days}d"));
    }
    let word = match unit {
        "ms" => "millisecond",
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        _ => return duration.to_owned(),
    };
    if count == "1" { format!("1 {word}") } else { format!("{count} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::plan::set::read_rollout;

    #[test]
    fn a_condition_reads_as_a_sentence() {
        let plan = read_rollout(
            r#"{"key":"shop","signals":{"db_p95":{"kind":"gauge","description":"95th percentile of query times; DevOps"},"p1":{"kind":"count"}},"stage":[{"name":"full","percentage":100,"hold":"1h"}]}"#,
        )
        .unwrap();
        for (text, words) in [
            ("error_rate < 0.1% over stage", "the share of requests that fail is below 0.1 %, over the whole stage"),
            (
                "error_rate < 0.1% over 1d for 7d min 400",
                "the share of requests that fail is below 0.1 %, over the last day, for 7 days without a break, with at least 400 of them seen",
            ),
            ("latency.p95@api < 500ms", "the 95th percentile of response times at api is below 500 ms"),
            (
                "lcp.p75 > 1.3x legacy",
                "the 75th percentile of the time to the largest content (LCP) is measurably above 1.3 times legacy's",
            ),
            (
                "signal.db_p95 < 200ms for 1h",
                "“db p95” (95th percentile of query times) is below 200 ms, for 1 hour without a break",
            ),
            (
                "signal.p1 > 0 over 1h and percentage = 100%",
                "“p1” is above 0, over the last hour; and the percentage in force is exactly 100 %",
            ),
            ("timing.tti.p99.9 <= 3.5s", "the 99.9th percentile of the timing “tti” is 3.5 s or less"),
            ("value.charts.mean > 3 over 7d", "the mean of “charts” is above 3, over the last 7 days"),
            ("error_rate <= legacy", "the share of requests that fail is not measurably above legacy's"),
        ] {
            assert_eq!(condition(&text.parse().unwrap(), &plan), words);
        }
    }
}
