//! Reads a condition from left to right, one token of look-ahead, no backtracking.

use std::ops::Range;
use std::str::FromStr;

use super::metric::{METRICS, Make, Row};
use super::{Bound, Condition, ConditionError, Dimension, Metric, Op, Problem, Quantile, Term, Vital, Window};
use crate::measured::tally::status;
use crate::name::is_name_byte;
use crate::{Duration, Name};

/// The error is boxed, since it is large and handed on by every function here.
type Result<T> = std::result::Result<T, Box<ConditionError>>;

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> std::result::Result<Self, ConditionError> {
        terms(text).map(Self::of).map_err(|error| *error)
    }
}

fn terms(text: &str) -> Result<Vec<Term>> {
    let mut words = Tokens { text, at: 0 };
    let mut terms = Vec::new();
    loop {
        terms.push(term(&mut words)?);
        match words.next() {
            None => return Ok(terms),
            Some(word) if word.text == "and" => {}
            Some(word) => return Err(word.refused(Problem::Unexpected)),
        }
    }
}

/// The tokens of a condition: comparisons, `@`, and words between white space.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    at: usize,
}

impl Token<'_> {
    fn span(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    #[inline(never)]
    fn fault(self, problem: Problem) -> Box<ConditionError> {
        Box::new(ConditionError { span: self.span(), problem })
    }

    /// The fault of which the word itself is all that there is to say.
    #[inline(never)]
    fn refused(self, problem: fn(String) -> Problem) -> Box<ConditionError> {
        self.fault(problem(self.text.to_owned()))
    }
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        let rest = self.text.get(self.at..)?;
        let trimmed = rest.trim_start();
        let at = self.at + (rest.len() - trimmed.len());
        let is_op = |c: char| matches!(c, '<' | '>' | '=');
        let mut chars = trimmed.char_indices();
        let (_, first) = chars.next()?;
        let is_end = |c: char| match first {
            '@' => true,
            first if is_op(first) => !is_op(c),
            _ => c.is_whitespace() || is_op(c) || c == '@',
        };
        let end = chars.find(|(_, c)| is_end(*c)).map(|(at, _)| at);
        let text = trimmed.get(..end.unwrap_or(trimmed.len()))?;
        Some(Token { text, at })
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let word = self.peek()?;
        self.at = word.at + word.text.len();
        Some(word)
    }

    fn expect(&mut self, what: &'static str) -> Result<Token<'a>> {
        let end = Token { text: "", at: self.text.trim_end().len() };
        self.next().ok_or_else(|| end.fault(Problem::Ended(what)))
    }

    /// Takes the word `expected` if it comes next.
    fn take(&mut self, expected: &str) -> Option<Token<'a>> {
        self.peek().filter(|word| word.text == expected).and_then(|_| self.next())
    }
}

fn term(words: &mut Tokens<'_>) -> Result<Term> {
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
    let over = clause(words, "over", bound)?.map(window).transpose()?;
    let hold = clause(words, "for", bound)?.map(duration).transpose()?;
    let (min, min_subjects) = least(words)?;
    Ok(Term { metric, endpoint, op, bound, over, hold, min, min_subjects })
}

/// The least number of observations, then that of subjects.
fn least(words: &mut Tokens<'_>) -> Result<(Option<u32>, Option<u32>)> {
    if words.take("min").is_none() {
        return Ok((None, None));
    }
    let observations = count(words.expect("a number of observations")?)?;
    if words.take("subjects").is_some() {
        return Ok((None, Some(observations)));
    }
    if words.take("min").is_none() {
        return Ok((Some(observations), None));
    }
    let subjects = count(words.expect("a number of subjects")?)?;
    let word = words.expect("`subjects`")?;
    if word.text == "subjects" {
        Ok((Some(observations), Some(subjects)))
    } else {
        Err(word.refused(Problem::Unexpected))
    }
}

/// The word behind `keyword`, if that comes next.
fn clause<'a>(words: &mut Tokens<'a>, keyword: &'static str, bound: Bound) -> Result<Option<Token<'a>>> {
    let Some(word) = words.take(keyword) else { return Ok(None) };
    if bound.is_legacy() {
        return Err(word.fault(Problem::LegacyClause(keyword)));
    }
    words.expect("a span of time").map(Some)
}

fn endpoint(words: &mut Tokens<'_>, at: Token<'_>, metric: &Metric) -> Result<Name> {
    if !metric.spec().has_endpoints {
        return Err(at.fault(Problem::NoEndpoint(metric.to_string())));
    }
    let word = words.expect("an endpoint")?;
    word.text.parse().map_err(|_| word.refused(Problem::Unexpected))
}

fn metric(word: Token<'_>) -> Result<Metric> {
    let (head, rest) = word.text.split_once('.').unwrap_or((word.text, ""));
    let quantile_of = |text: &str| quantile(text).ok_or_else(|| word.refused(Problem::Quantile));
    let name_of = |kind: &'static str, text: &str| text.parse::<Name>().map_err(|_| word.fault(Problem::Unnamed(kind)));
    let vital = Vital::ALL.into_iter().find(|vital| vital.word() == head);
    for Row { spec, make } in METRICS {
        let is_meant = spec.head == head;
        match make {
            Make::Plain(metric) if spec.head == word.text => return Ok(metric.clone()),
            Make::Quantile(make) if is_meant => return Ok(make(quantile_of(rest)?)),
            Make::Quantile(make) if is_under(word.text, spec.head) => {
                return Ok(make(quantile_of(word.text.get(spec.head.len() + 1..).unwrap_or_default())?));
            }
            Make::Name(make) if is_meant => return Ok(make(name_of(spec.head, rest)?)),
            Make::NameAndMean(make) if is_meant && rest.ends_with(".mean") => {
                return Ok(make(name_of(spec.head, rest.strip_suffix(".mean").unwrap_or(rest))?));
            }
            Make::NameAndQuantile(make) if is_meant => {
                // p99.9 has a point of its own, so the quantile starts at the last `.p` and a digit.
                let split = rest
                    .rmatch_indices(".p")
                    .find_map(|(at, _)| Some((rest.get(..at)?, quantile(rest.get(at + 1..)?)?)));
                let has_mean =
                    METRICS.iter().any(|row| row.spec.head == head && matches!(row.make, Make::NameAndMean(_)));
                let refused = || word.refused(if has_mean { Problem::Statistic } else { Problem::Quantile });
                let (name, quantile) = split.ok_or_else(refused)?;
                return Ok(make(name_of(spec.head, name)?, quantile));
            }
            Make::Status(make) if is_meant => {
                let status = rest.strip_suffix("_rate").and_then(status);
                return status.map(make).ok_or_else(|| word.refused(Problem::Status));
            }
            Make::Vital(make) => {
                if let Some(vital) = vital {
                    return Ok(make(vital, quantile_of(rest)?));
                }
            }
            _ => {}
        }
    }
    let all: Vec<String> = METRICS.iter().flat_map(Row::syntax).collect();
    let heads = all.iter().map(|metric| metric.split_once('.').map_or(metric.as_str(), |(head, _)| head));
    let nearest = crate::fault::nearest(head, heads);
    let nearest = nearest.and_then(|head| all.iter().find(|metric| metric.starts_with(head)).cloned());
    Err(word.fault(Problem::UnknownMetric(word.text.into(), nearest)))
}

/// Whether a metric's name is a head that has a point in it, and something behind another point.
fn is_under(text: &str, head: &str) -> bool {
    head.contains('.') && text.strip_prefix(head).is_some_and(|rest| rest.starts_with('.'))
}

fn quantile(text: &str) -> Option<Quantile> {
    let number = text.strip_prefix('p')?;
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let digits =
        |part: &str, most: usize| !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 2) || !digits(tenth, 1) {
        return None;
    }
    let per_mille = whole.parse::<u16>().ok()? * 10 + tenth.parse::<u16>().ok()?;
    (per_mille > 0).then_some(Quantile(per_mille))
}

fn op(word: Token<'_>) -> Result<Op> {
    match word.text {
        "<" => Ok(Op::Less),
        "<=" => Ok(Op::AtMost),
        ">" => Ok(Op::More),
        ">=" => Ok(Op::AtLeast),
        "=" => Ok(Op::Equal),
        _ => Err(word.refused(Problem::Op)),
    }
}

fn bound(words: &mut Tokens<'_>) -> Result<(Bound, Range<usize>)> {
    let word = words.expect("a bound")?;
    let malformed = || word.refused(Problem::Bound);
    if word.text == "legacy" {
        return Ok((Bound::Legacy(None), word.span()));
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
            return Ok((Bound::Legacy(Some(number)), word.at..legacy.span().end));
        }
        _ => return Err(malformed()),
    };
    Ok((bound, word.span()))
}

/// A plain decimal of at most 15 digits, which a double holds and prints back exactly.
fn decimal(text: &str) -> Option<f64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() + decimals.len() > 15 {
        return None;
    }
    // Both are exact, so one division rounds as reading the text would: the tables for that are 13 KB.
    let units: u64 = format!("{whole}{decimals}").parse().ok()?;
    Some(units as f64 / 10_u64.pow(u32::try_from(decimals.len()).ok()?) as f64)
}

fn fits(metric: &Metric, bound: Bound, span: &Range<usize>) -> Result<()> {
    let fault = |problem| Err(Box::new(ConditionError { span: span.clone(), problem }));
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

fn window(word: Token<'_>) -> Result<Window> {
    match word.text {
        "stage" => Ok(Window::Stage),
        "attempt" => Ok(Window::Attempt),
        text => match text.parse::<Duration>() {
            Ok(duration) if duration.as_ms() > 0 => Ok(Window::Last(duration)),
            _ => Err(word.refused(Problem::Window)),
        },
    }
}

fn duration(word: Token<'_>) -> Result<Duration> {
    word.text.parse().map_err(|_| word.refused(Problem::Duration))
}

fn count(word: Token<'_>) -> Result<u32> {
    let digits = word.text.bytes().all(is_name_byte);
    let count = word.text.parse::<u32>().ok().filter(|count| digits && *count > 0);
    count.ok_or_else(|| word.refused(Problem::Count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Explain;

    #[track_caller]
    fn prints_back(text: &str) {
        assert_eq!(text.parse::<Condition>().map(|c| c.to_string()), Ok(text.to_owned()));
    }

    #[track_caller]
    fn refuses(text: &str, column: usize, message: &str, help: &str) {
        let error =
            text.parse::<Condition>().map_err(|e| (e.span.start + 1, e.to_string(), e.help().unwrap_or_default()));
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
            "value.charts.mean >= 3 over 1d min 200",
            "value.charts.mean > 0.98x legacy",
            "value.charts.mean.p95 > 1.5x legacy",
            "cls.p75 < 0.1 and inp.p75 <= 200ms and js_error_rate <= legacy",
            "signal.db_cpu > 85% for 10m",
            "signal.db_p95 < 200ms",
            "percentage = 100% and reporters.failure < 5 over attempt",
            "event.used > 12.5% over 1d",
            "client_error_rate > legacy",
            "client_error_rate@api > 5% over 5m min 50 min 20 subjects",
            "timeout_rate > 1.5x legacy min 20 subjects",
            "status.403_rate > 1% over 5m",
            "status.599_rate@api <= 1.3x legacy",
            "abandoned_rate > legacy",
            "broken_rate > 0.5% over stage min 20 subjects and waited.p75 > 1.3x legacy",
            "waited.p95@api < 20s",
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
        refuses(
            "",
            1,
            "the condition ends where a metric must follow",
            "metric op bound, as in `error_rate < 1% over 5m`",
        );
        refuses("eror_rate > 5%", 1, "`eror_rate` is not a metric", "did you mean `error_rate`?");
        refuses("latency > 5s", 1, "`latency` names no quantile", "a quantile from p1 to p99.9, as in `latency.p95`");
        refuses(
            "value.charts > 5",
            1,
            "`value.charts` names neither the mean nor a quantile",
            "as in `value.charts.mean` or `value.charts.p95`",
        );
        refuses(
            "value.charts.mean >= 3s",
            22,
            "`value.charts.mean` cannot be compared with `3s`",
            "it takes a number without a unit, such as 0.1",
        );
        refuses(
            "latency.p100 > 5s",
            1,
            "`latency.p100` names no quantile",
            "a quantile from p1 to p99.9, as in `latency.p95`",
        );
        refuses("error_rate => 5%", 12, "`=>` is not a comparison", "one of <, <=, >, >=, =");
        refuses(
            "error_rate > 0.05",
            14,
            "`error_rate` cannot be compared with `0.05`",
            "it takes a percentage up to 100 with its sign, such as 0.5%",
        );
        refuses(
            "latency.p95 > 500",
            15,
            "`latency.p95` cannot be compared with `500`",
            "it takes a time, such as 500ms or 2.5s",
        );
        refuses(
            "errors > 1.3x legacy",
            10,
            "`errors` cannot be compared with legacy",
            "rates, latencies, waiting times, web vitals, timings, values and events can be; counts grow with the traffic",
        );
        refuses(
            "error_rate > legacy over 5m",
            21,
            "a comparison with legacy takes no `over`",
            "it is a sequential test over the whole attempt",
        );
        refuses(
            "error_rate > 5% for 5m over 5m",
            24,
            "`over` is not expected here",
            "`over WINDOW`, then `for DURATION`, then `min COUNT` and `min COUNT subjects`, or `and` with another comparison",
        );
        refuses(
            "error_rate > 5% over 5min",
            22,
            "`5min` is not a window",
            "a duration such as 5m, `stage` or `attempt`",
        );
        refuses(
            "share@api > 5%",
            6,
            "`share` is not measured per endpoint",
            "requests and what comes of them, latencies, waiting times, web vitals and JavaScript errors are",
        );
        refuses(
            "errors > 5 min 0",
            16,
            "`0` is not a number of observations",
            "a whole number, as in `min 200` or `min 20 subjects`",
        );
        refuses(
            "errors > 5 min x subjects",
            16,
            "`x` is not a number of observations",
            "a whole number, as in `min 200` or `min 20 subjects`",
        );
        refuses(
            "errors > 5 min 20 min 30",
            25,
            "the condition ends where `subjects` must follow",
            "metric op bound, as in `error_rate < 1% over 5m`",
        );
        refuses(
            "errors > 5 min 20 subjects min 30",
            28,
            "`min` is not expected here",
            "`over WINDOW`, then `for DURATION`, then `min COUNT` and `min COUNT subjects`, or `and` with another comparison",
        );
        refuses(
            "status.302_rate > 5%",
            1,
            "`status.302_rate` names no status",
            "a status from 400 to 599, as in `status.403_rate`",
        );
        refuses(
            "status.4040_rate > 5%",
            1,
            "`status.4040_rate` names no status",
            "a status from 400 to 599, as in `status.403_rate`",
        );
        refuses(
            "status.403 > 5%",
            1,
            "`status.403` names no status",
            "a status from 400 to 599, as in `status.403_rate`",
        );
        refuses("waited > 5s", 1, "`waited` names no quantile", "a quantile from p1 to p99.9, as in `latency.p95`");
        refuses("client_errors > 5", 1, "`client_errors` is not a metric", "did you mean `client_error_rate`?");
        refuses("timout_rate > 5%", 1, "`timout_rate` is not a metric", "did you mean `timeout_rate`?");
        refuses(
            "broken_rate > 5",
            15,
            "`broken_rate` cannot be compared with `5`",
            "it takes a percentage up to 100 with its sign, such as 0.5%",
        );
        refuses(
            "errors > 5 and",
            15,
            "the condition ends where a metric must follow",
            "metric op bound, as in `error_rate < 1% over 5m`",
        );
    }
}
