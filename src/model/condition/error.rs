//! Why a text is no condition, and at which column.

use std::fmt;
use std::ops::Range;

use crate::model::fault::Explain;

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
    UnknownMetric(String, Option<&'static str>),
    /// A metric that takes a quantile has none, or a malformed one.
    Quantile(String),
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
        match &self.problem {
            Problem::Ended(expected) => write!(f, "the condition ends where {expected} must follow"),
            Problem::UnknownMetric(name, _) => write!(f, "`{name}` is not a metric"),
            Problem::Quantile(name) => write!(f, "`{name}` names no quantile"),
            Problem::Unnamed(kind) => write!(f, "`{kind}` needs a name"),
            Problem::Op(text) => write!(f, "`{text}` is not a comparison"),
            Problem::Bound(text) => write!(f, "`{text}` is not a bound"),
            Problem::Unit { metric, bound, .. } => write!(f, "`{metric}` cannot be compared with `{bound}`"),
            Problem::NoLegacy(metric) => write!(f, "`{metric}` cannot be compared with legacy"),
            Problem::LegacyClause(word) => write!(f, "a comparison with legacy takes no `{word}`"),
            Problem::LegacyEqual => write!(f, "a comparison with legacy takes no `=`"),
            Problem::NoEndpoint(metric) => write!(f, "`{metric}` is not measured per endpoint"),
            Problem::Window(text) => write!(f, "`{text}` is not a window"),
            Problem::Duration(text) => write!(f, "`{text}` is not a duration"),
            Problem::Count(text) => write!(f, "`{text}` is not a number of observations"),
            Problem::Unexpected(text) => write!(f, "`{text}` is not expected here"),
        }
    }
}

impl Explain for ConditionError {
    fn span(&self) -> Option<Range<usize>> {
        Some(self.span.clone())
    }

    fn help(&self) -> Option<String> {
        Some(match &self.problem {
            Problem::Ended(_) => "metric op bound, as in `error_rate < 1% over 5m`".into(),
            Problem::UnknownMetric(_, Some(nearest)) => format!("did you mean `{nearest}`?"),
            Problem::UnknownMetric(_, None) => format!("one of {}", super::parse::METRICS.join(", ")),
            Problem::Quantile(_) => "a quantile from p1 to p99.9, as in `latency.p95`".into(),
            Problem::Unnamed(kind) => format!("as in `{kind}.NAME`"),
            Problem::Op(_) => "one of <, <=, >, >=, =".into(),
            Problem::Bound(_) => "a bound such as 5, 0.05%, 500ms, 2.5s, legacy or `1.3x legacy`".into(),
            Problem::Unit { allowed, .. } => format!("it takes {allowed}"),
            Problem::NoLegacy(_) => "rates, latencies, web vitals, timings and events can be; counts grow with the traffic".into(),
            Problem::LegacyClause(_) => "it is a sequential test over the whole attempt".into(),
            Problem::LegacyEqual => "use <= or >".into(),
            Problem::NoEndpoint(_) => "requests, errors, rescued, latencies, web vitals and JavaScript errors are".into(),
            Problem::Window(_) => "a duration such as 5m, `stage` or `attempt`".into(),
            Problem::Duration(_) => "a whole number and a unit: 500ms, 10s, 15m, 48h, 1d or 2w".into(),
            Problem::Count(_) => "a whole number, as in `min 200`".into(),
            Problem::Unexpected(_) => "`over WINDOW`, then `for DURATION`, then `min COUNT`, or `and` with another comparison".into(),
        })
    }
}
