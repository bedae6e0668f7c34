//! Why a text is no condition, and at which column.

use std::fmt;
use std::ops::Range;

use super::metric::{METRICS, Row};
use crate::fault::Explain;

/// A fault in a condition and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    /// The bytes of the condition that are meant.
    pub span: Range<usize>,
    /// What is wrong with them.
    pub problem: Problem,
}

/// What can be wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The text ends where something must follow.
    Ended(&'static str),
    /// No metric has this name; the nearest that does.
    UnknownMetric(String, Option<String>),
    /// A metric that takes a quantile has none, or a malformed one.
    Quantile(String),
    /// A value that pages report, without the mean or a quantile of it.
    Statistic(String),
    /// A rate of a status that is none, or not counted by itself.
    Status(String),
    /// A metric that takes a name has none.
    Unnamed(&'static str),
    /// Not a comparison.
    Op(String),
    /// Not a bound.
    Bound(String),
    /// A bound in a unit that the metric does not have.
    Unit {
        /// The metric.
        metric: String,
        /// The bound as written.
        bound: String,
        /// What the metric takes.
        allowed: &'static str,
    },
    /// A comparison with legacy of a figure that legacy does not have.
    NoLegacy(String),
    /// `over` or `for` in a comparison with legacy.
    LegacyClause(&'static str),
    /// `=` with legacy: two measured figures are never exactly equal.
    LegacyEqual,
    /// An endpoint on a metric that is not measured per endpoint.
    NoEndpoint(String),
    /// Not a window.
    Window(String),
    /// Not a duration.
    Duration(String),
    /// Not a number of observations.
    Count(String),
    /// A word that is not part of the language at this place.
    Unexpected(String),
}

impl std::error::Error for ConditionError {}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, fault) = match &self.problem {
            Problem::Ended(expected) => return write!(f, "the condition ends where {expected} must follow"),
            Problem::Unit { metric, bound, .. } => return write!(f, "`{metric}` cannot be compared with `{bound}`"),
            Problem::LegacyClause(word) => return write!(f, "a comparison with legacy takes no `{word}`"),
            Problem::LegacyEqual => return f.write_str("a comparison with legacy takes no `=`"),
            Problem::Unnamed(kind) => (*kind, "needs a name"),
            Problem::UnknownMetric(name, _) => (name.as_str(), "is not a metric"),
            Problem::Quantile(name) => (name.as_str(), "names no quantile"),
            Problem::Statistic(name) => (name.as_str(), "names neither the mean nor a quantile"),
            Problem::Status(name) => (name.as_str(), "names no status"),
            Problem::Op(text) => (text.as_str(), "is not a comparison"),
            Problem::Bound(text) => (text.as_str(), "is not a bound"),
            Problem::NoLegacy(metric) => (metric.as_str(), "cannot be compared with legacy"),
            Problem::NoEndpoint(metric) => (metric.as_str(), "is not measured per endpoint"),
            Problem::Window(text) => (text.as_str(), "is not a window"),
            Problem::Duration(text) => (text.as_str(), "is not a duration"),
            Problem::Count(text) => (text.as_str(), "is not a number of observations"),
            Problem::Unexpected(text) => (text.as_str(), "is not expected here"),
        };
        write!(f, "`{text}` {fault}")
    }
}

impl Explain for ConditionError {
    fn span(&self) -> Option<Range<usize>> {
        Some(self.span.clone())
    }

    fn help(&self) -> Option<String> {
        let help = match &self.problem {
            Problem::UnknownMetric(_, Some(nearest)) => return Some(format!("did you mean `{nearest}`?")),
            Problem::UnknownMetric(_, None) => {
                return Some(format!("one of {}", METRICS.iter().flat_map(Row::syntax).collect::<Vec<_>>().join(", ")));
            }
            Problem::Unnamed(kind) => return Some(format!("as in `{kind}.NAME`")),
            Problem::Unit { allowed, .. } => return Some(format!("it takes {allowed}")),
            Problem::Ended(_) => "metric op bound, as in `error_rate < 1% over 5m`",
            Problem::Quantile(_) => "a quantile from p1 to p99.9, as in `latency.p95`",
            Problem::Statistic(_) => "as in `value.charts.mean` or `value.charts.p95`",
            Problem::Status(_) => "a status from 400 to 599, as in `status.403_rate`",
            Problem::Op(_) => "one of <, <=, >, >=, =",
            Problem::Bound(_) => "a bound such as 5, 0.05%, 500ms, 2.5s, legacy or `1.3x legacy`",
            Problem::NoLegacy(_) => {
                "rates, latencies, waiting times, web vitals, timings, values and events can be; counts grow with the traffic"
            }
            Problem::LegacyClause(_) => "it is a sequential test over the whole attempt",
            Problem::LegacyEqual => "use <= or >",
            Problem::NoEndpoint(_) => {
                "requests and what comes of them, latencies, waiting times, web vitals and JavaScript errors are"
            }
            Problem::Window(_) => "a duration such as 5m, `stage` or `attempt`",
            Problem::Duration(_) => "a whole number and a unit: 500ms, 10s, 15m, 48h, 1d or 2w",
            Problem::Count(_) => "a whole number, as in `min 200` or `min 20 subjects`",
            Problem::Unexpected(_) => {
                "`over WINDOW`, then `for DURATION`, then `min COUNT` and `min COUNT subjects`, or `and` with another comparison"
            }
        };
        Some(help.to_owned())
    }
}
