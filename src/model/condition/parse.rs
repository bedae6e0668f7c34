//! Reads a condition from left to right, one token of look-ahead, no backtracking.

use std::ops::Range;
use std::str::FromStr;

use super::{Bound, Condition, ConditionError, Dimension, Metric, Op, Problem, Quantile, Term, Vital, Window};
use crate::model::name::is_name_byte;
use crate::model::{Duration, Name};

/// The metrics as an error lists them.
pub(super) const METRICS: [&str; 21] = [
    "error_rate", "errors", "requests", "latency.pNN", "rescued", "subjects", "share", "adoption", "lcp.pNN", "fcp.pNN",
    "cls.pNN", "inp.pNN", "ttfb.pNN", "js_error_rate", "js_errors", "timing.NAME.pNN", "event.NAME", "reporters.NAME",
    "signal.NAME", "faults", "percentage",
];

type Result<T> = std::result::Result<T, ConditionError>;

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = Words { text, at: 0 };
        let mut terms = vec![term(&mut words)?];
        while let Some(word) = words.next() {
            match word.text {
                "and" => terms.push(term(&mut words)?),
                other => return Err(word.fault(Problem::Unexpected(other.into()))),
            }
        }
        Ok(Self { terms })
    }
}

/// The tokens of a condition: comparisons, `@`, and words between white space.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
}

impl Word<'_> {
    fn fault(self, problem: Problem) -> ConditionError {
        ConditionError { span: self.at..self.at + self.text.len(), problem }
    }
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<Word<'a>> {
        let rest = self.text.get(self.at..)?;
        let trimmed = rest.trim_start();
        let at = self.at + (rest.len() - trimmed.len());
        let is_op = |c: char| matches!(c, '<' | '>' | '=');
        let first = trimmed.chars().next()?;
        let end = if is_op(first) {
            trimmed.find(|c| !is_op(c))
        } else if first == '@' {
            Some(1)
        } else {
            trimmed.find(|c: char| c.is_whitespace() || is_op(c) || c == '@')
        };
        let text = trimmed.get(..end.unwrap_or(trimmed.len()))?;
        Some(Word { text, at })
    }

    fn next(&mut self) -> Option<Word<'a>> {
        let word = self.peek()?;
        self.at = word.at + word.text.len();
        Some(word)
    }

    fn expect(&mut self, what: &'static str) -> Result<Word<'a>> {
        let end = self.text.trim_end().len();
        self.next().ok_or(ConditionError { span: end..end, problem: Problem::Ended(what) })
    }

    /// Takes the word `expected` if it comes next.
    fn take(&mut self, expected: &str) -> Option<Word<'a>> {
        self.peek().filter(|word| word.text == expected).and_then(|_| self.next())
    }
}

fn term(words: &mut Words<'_>) -> Result<Term> {
    let metric_word = words.expect("a metric")?;
    let metric = metric(metric_word)?;
    let endpoint = match words.take("@") {
        Some(at) => Some(endpoint(words, at, &metric)?),
        None => None,
    };
    let op_word = words.expect("a comparison")?;
    let op = op(op_word)?;
    let (bound, span) = bound(words)?;
    fits(&metric, bound, &span)?;
    if bound.is_legacy() && op == Op::Equal {
        return Err(op_word.fault(Problem::LegacyEqual));
    }
    let over = clause(words, "over", bound, |word| window(word))?;
    let hold = clause(words, "for", bound, |word| {
        word.text.parse::<Duration>().map_err(|_| word.fault(Problem::Duration(word.text.into())))
    })?;
    let min = match words.take("min") {
        Some(_) => Some(count(words.expect("a number of observations")?)?),
        None => None,
    };
    Ok(Term { metric, endpoint, op, bound, over, hold, min })
}

fn clause<'a, T>(words: &mut Words<'a>, keyword: &'static str, bound: Bound, read: impl Fn(Word<'a>) -> Result<T>) -> Result<Option<T>> {
    let Some(word) = words.take(keyword) else { return Ok(None) };
    if bound.is_legacy() {
        return Err(word.fault(Problem::LegacyClause(keyword)));
    }
    read(words.expect("a span of time")?).map(Some)
}

fn endpoint(words: &mut Words<'_>, at: Word<'_>, metric: &Metric) -> Result<Name> {
    if !metric.has_endpoints() {
        return Err(at.fault(Problem::NoEndpoint(metric.to_string())));
    }
    let word = words.expect("an endpoint")?;
    word.text.parse().map_err(|_| word.fault(Problem::Unexpected(word.text.into())))
}

fn metric(word: Word<'_>) -> Result<Metric> {
    let (head, rest) = word.text.split_once('.').unwrap_or((word.text, ""));
    let quantile_of = |text: &str| quantile(text).ok_or_else(|| word.fault(Problem::Quantile(word.text.into())));
    let name_of = |text: &str, kind| text.parse::<Name>().map_err(|_| word.fault(Problem::Unnamed(kind)));
    let plain = match head {
        "error_rate" => Some(Metric::ErrorRate),
        "errors" => Some(Metric::Errors),
        "requests" => Some(Metric::Requests),
        "rescued" => Some(Metric::Rescued),
        "subjects" => Some(Metric::Subjects),
        "share" => Some(Metric::Share),
        "adoption" => Some(Metric::Adoption),
        "js_error_rate" => Some(Metric::JsErrorRate),
        "js_errors" => Some(Metric::JsErrors),
        "faults" => Some(Metric::Faults),
        "percentage" => Some(Metric::Percentage),
        _ => None,
    };
    match (plain, head) {
        (Some(metric), _) if rest.is_empty() && !word.text.ends_with('.') => Ok(metric),
        (_, "latency") => Ok(Metric::Latency(quantile_of(rest)?)),
        (_, "lcp") => Ok(Metric::Vital(Vital::Lcp, quantile_of(rest)?)),
        (_, "fcp") => Ok(Metric::Vital(Vital::Fcp, quantile_of(rest)?)),
        (_, "cls") => Ok(Metric::Vital(Vital::Cls, quantile_of(rest)?)),
        (_, "inp") => Ok(Metric::Vital(Vital::Inp, quantile_of(rest)?)),
        (_, "ttfb") => Ok(Metric::Vital(Vital::Ttfb, quantile_of(rest)?)),
        (_, "timing") => {
            // p99.9 has a point of its own, so the quantile starts at the last `.p` and a digit.
            let split = rest.rmatch_indices(".p").map(|(at, _)| at).find(|at| quantile(rest.get(at + 1..).unwrap_or_default()).is_some());
            let at = split.ok_or_else(|| word.fault(Problem::Quantile(word.text.into())))?;
            let (name, text) = rest.split_at(at);
            Ok(Metric::Timing(name_of(name, "timing")?, quantile_of(text.trim_start_matches('.'))?))
        }
        (_, "event") => Ok(Metric::Event(name_of(rest, "event")?)),
        (_, "reporters") => Ok(Metric::Reporters(name_of(rest, "reporters")?)),
        (_, "signal") => Ok(Metric::Signal(name_of(rest, "signal")?)),
        _ => {
            let heads = METRICS.iter().map(|metric| metric.split_once('.').map_or(*metric, |(head, _)| head));
            let nearest = crate::model::fault::nearest(head, heads);
            let nearest = nearest.and_then(|head| METRICS.iter().find(|metric| metric.starts_with(head)).copied());
            Err(word.fault(Problem::UnknownMetric(word.text.into(), nearest)))
        }
    }
}

fn quantile(text: &str) -> Option<Quantile> {
    let number = text.strip_prefix('p')?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str, most: usize| !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 2) || !digits(tenth, 1) {
        return None;
    }
    let per_mille = whole.parse::<u16>().ok()? * 10 + tenth.parse::<u16>().ok()?;
    (per_mille > 0).then_some(Quantile(per_mille))
}

fn op(word: Word<'_>) -> Result<Op> {
    match word.text {
        "<" => Ok(Op::Less),
        "<=" => Ok(Op::AtMost),
        ">" => Ok(Op::More),
        ">=" => Ok(Op::AtLeast),
        "=" => Ok(Op::Equal),
        other => Err(word.fault(Problem::Op(other.into()))),
    }
}

fn bound(words: &mut Words<'_>) -> Result<(Bound, Range<usize>)> {
    let word = words.expect("a bound")?;
    let span = word.at..word.at + word.text.len();
    let malformed = || word.fault(Problem::Bound(word.text.into()));
    if word.text == "legacy" {
        return Ok((Bound::Legacy(None), span));
    }
    let unit_at = word.text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.text.len());
    let (number, unit) = word.text.split_at(unit_at);
    let number = decimal(number).ok_or_else(malformed)?;
    let bound = match unit {
        "" => Bound::Number(number),
        "%" => Bound::Percent(number),
        "ms" => Bound::Milliseconds(number),
        "s" => Bound::Seconds(number),
        "x" if number > 0.0 => {
            let legacy = words.take("legacy").ok_or_else(malformed)?;
            return Ok((Bound::Legacy(Some(number)), word.at..legacy.at + legacy.text.len()));
        }
        _ => return Err(malformed()),
    };
    Ok((bound, span))
}

/// A plain decimal of at most 15 digits, which a double holds and prints back exactly.
fn decimal(text: &str) -> Option<f64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole) && digits(decimals) && whole.len() + decimals.len() <= 15 { text.parse().ok() } else { None }
}

fn fits(metric: &Metric, bound: Bound, span: &Range<usize>) -> Result<()> {
    let fault = |problem| Err(ConditionError { span: span.clone(), problem });
    if bound.is_legacy() {
        return if metric.is_comparable() { Ok(()) } else { fault(Problem::NoLegacy(metric.to_string())) };
    }
    let allowed = match (metric.dimension(), bound) {
        (Dimension::Share, Bound::Percent(percent)) if percent <= 100.0 => return Ok(()),
        (Dimension::Count, Bound::Number(number)) if number.fract() == 0.0 => return Ok(()),
        (Dimension::Time, Bound::Milliseconds(_) | Bound::Seconds(_)) => return Ok(()),
        (Dimension::Score, Bound::Number(_)) | (Dimension::Free, _) => return Ok(()),
        (Dimension::Share, _) => "a percentage up to 100 with its sign, such as 0.5%",
        (Dimension::Count, _) => "a whole number, such as 5",
        (Dimension::Time, _) => "a time, such as 500ms or 2.5s",
        (Dimension::Score, _) => "a number without a unit, such as 0.1",
    };
    fault(Problem::Unit { metric: metric.to_string(), bound: bound.to_string(), allowed })
}

fn window(word: Word<'_>) -> Result<Window> {
    match word.text {
        "stage" => Ok(Window::Stage),
        "attempt" => Ok(Window::Attempt),
        text => match text.parse::<Duration>() {
            Ok(duration) if duration.as_ms() > 0 => Ok(Window::Last(duration)),
            _ => Err(word.fault(Problem::Window(text.into()))),
        },
    }
}

fn count(word: Word<'_>) -> Result<u32> {
    let digits = word.text.bytes().all(is_name_byte);
    let count = word.text.parse::<u32>().ok().filter(|count| digits && *count > 0);
    count.ok_or_else(|| word.fault(Problem::Count(word.text.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::Explain;

    #[track_caller]
    fn prints_back(text: &str) {
        assert_eq!(text.parse::<Condition>().map(|c| c.to_string()), Ok(text.to_owned()));
    }

    #[track_caller]
    fn refuses(text: &str, column: usize, message: &str, help: &str) {
        let error = text.parse::<Condition>().map_err(|e| (e.span.start + 1, e.to_string(), e.help().unwrap_or_default()));
        assert_eq!(error, Err((column, message.to_owned(), help.to_owned())), "{text}");
    }

    #[test]
    fn conditions_print_back_exactly() {
        for text in [
            "error_rate < 0.1% over stage",
            "lcp.p75 <= 1.2x legacy",
            "signal.p1 = 0 over stage",
            "error_rate > 5% over 5m",
            "error_rate > legacy",
            "latency.p95@api < 500ms over 1h for 10m min 200",
            "latency.p99.9 < 2.5s",
            "timing.tti.p75 < 3.5s",
            "timing.a.p50.x.p99.9 < 3.5s",
            "cls.p75 < 0.1 and inp.p75 <= 200ms and js_error_rate <= legacy",
            "signal.db_cpu > 85% for 10m",
            "signal.db_p95 < 200ms",
            "percentage = 100% and reporters.failure < 5 over attempt",
            "event.used > 12.5% over 1d",
        ] {
            prints_back(text);
        }
    }

    #[test]
    fn white_space_is_free_around_comparisons() {
        let condition = "  errors<2   over stage ".parse::<Condition>().map(|c| c.to_string());
        assert_eq!(condition, Ok("errors < 2 over stage".to_owned()));
    }

    #[test]
    fn errors_point_at_the_column_and_say_what_is_allowed() {
        refuses("", 1, "the condition ends where a metric must follow", "metric op bound, as in `error_rate < 1% over 5m`");
        refuses("eror_rate > 5%", 1, "`eror_rate` is not a metric", "did you mean `error_rate`?");
        refuses("latency > 5s", 1, "`latency` names no quantile", "a quantile from p1 to p99.9, as in `latency.p95`");
        refuses("latency.p100 > 5s", 1, "`latency.p100` names no quantile", "a quantile from p1 to p99.9, as in `latency.p95`");
        refuses("error_rate => 5%", 12, "`=>` is not a comparison", "one of <, <=, >, >=, =");
        refuses("error_rate > 0.05", 14, "`error_rate` cannot be compared with `0.05`", "it takes a percentage up to 100 with its sign, such as 0.5%");
        refuses("latency.p95 > 500", 15, "`latency.p95` cannot be compared with `500`", "it takes a time, such as 500ms or 2.5s");
        refuses("errors > 1.3x legacy", 10, "`errors` cannot be compared with legacy", "rates, latencies, web vitals, timings and events can be; counts grow with the traffic");
        refuses("error_rate > legacy over 5m", 21, "a comparison with legacy takes no `over`", "it is a sequential test over the whole attempt");
        refuses("error_rate > 5% for 5m over 5m", 24, "`over` is not expected here", "`over WINDOW`, then `for DURATION`, then `min COUNT`, or `and` with another comparison");
        refuses("error_rate > 5% over 5min", 22, "`5min` is not a window", "a duration such as 5m, `stage` or `attempt`");
        refuses("share@api > 5%", 6, "`share` is not measured per endpoint", "requests, errors, rescued, latencies, web vitals and JavaScript errors are");
        refuses("errors > 5 min 0", 16, "`0` is not a number of observations", "a whole number, as in `min 200`");
        refuses("errors > 5 and", 15, "the condition ends where a metric must follow", "metric op bound, as in `error_rate < 1% over 5m`");
    }
}
