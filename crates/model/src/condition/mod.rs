//! Conditions: the one small language of gates and guardrails.
//!
//! ```text
//! condition = term { "and" term }
//! term      = metric [ "@" endpoint ] op bound [ "over" window ] [ "for" duration ]
//!             [ "min" count ] [ "min" count "subjects" ]
//! metric    = error_rate | errors | requests | latency.pNN | rescued | subjects | share | adoption | opt_out_rate
//!           | client_error_rate | timeout_rate | status.NNN_rate | abandoned_rate | broken_rate | waited.pNN
//!           | lcp.pNN | fcp.pNN | cls.pNN | inp.pNN | ttfb.pNN | js_error_rate | js_errors
//!           | timing.NAME.pNN | value.NAME.mean | value.NAME.pNN | event.NAME | reporters.NAME | signal.NAME | probe.NAME | faults | percentage
//! op        = < | <= | > | >= | =
//! bound     = 5 | 0.05% | 500ms | 2.5s | legacy | 1.3x legacy
//! window    = duration | "stage" | "attempt"
//! ```
//!
//! A condition is parsed once and printed back as it was written (white space and numbers in
//! their shortest form). What cannot be measured or compared is refused here, so that a verdict
//! never has to deal with a latency in percent.
//!
//! ```
//! use tidegate_model::condition::Condition;
//! let condition: Condition = "lcp.p75 <= 1.2x legacy and signal.p1 = 0 over stage".parse()?;
//! assert_eq!(condition.to_string(), "lcp.p75 <= 1.2x legacy and signal.p1 = 0 over stage");
//! # Ok::<(), tidegate_model::condition::ConditionError>(())
//! ```

mod display;
mod error;
pub mod metric;
mod parse;

pub use error::{ConditionError, Problem};
pub use metric::{MIN_DEFAULT, Metric};

use super::{Duration, Name};

/// The window of a term that names none.
pub const WINDOW_DEFAULT: Window = Window::Last(Duration::minutes(5));
/// Terms that must all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// At least one.
    pub terms: Vec<Term>,
    /// The terms as text: it names the condition at every look.
    text: String,
}

/// One comparison of a metric with a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// What is measured, on `new`.
    pub metric: Metric,
    /// Only requests to this endpoint of the plan.
    pub endpoint: Option<Name>,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub bound: Bound,
    /// The span measured; absent means [`WINDOW_DEFAULT`].
    pub over: Option<Window>,
    /// How long the comparison must hold without a break.
    pub hold: Option<Duration>,
    /// The least number of observations; absent means [`MIN_DEFAULT`] where the metric needs one.
    pub min: Option<u32>,
    /// The least number of different subjects on new.
    pub min_subjects: Option<u32>,
}

/// Google's web vitals and two of their companions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vital {
    /// Largest Contentful Paint, a time.
    Lcp,
    /// First Contentful Paint, a time.
    Fcp,
    /// Cumulative Layout Shift, a score without a unit.
    Cls,
    /// Interaction to Next Paint, a time.
    Inp,
    /// Time to First Byte, a time.
    Ttfb,
}

/// A quantile in thousandths: p75 is 750, p99.9 is 999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantile(u16);

impl Quantile {
    /// The quantile in thousandths, 1..=999.
    pub const fn per_mille(self) -> u16 {
        self.0
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `=`
    Equal,
}

/// What a metric is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// A number without a unit.
    Number(f64),
    /// A share in percent: `5%` is 5.0 here and 0.05 as a figure.
    Percent(f64),
    /// A time in milliseconds, written in `ms`.
    Milliseconds(f64),
    /// A time in seconds, written in `s`.
    Seconds(f64),
    /// The same figure of legacy, times a factor; absent means 1.
    Legacy(Option<f64>),
}

/// The span over which a metric is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so long.
    Last(Duration),
    /// Since the current stage was entered.
    Stage,
    /// Since the current attempt began.
    Attempt,
}

/// The unit in which a metric is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Percent.
    Share,
    /// A whole number.
    Count,
    /// A time.
    Time,
    /// A number without a unit.
    Score,
    /// Whatever the reporter of a signal means: a number, a share as percent, a time in milliseconds.
    Free,
}

impl Vital {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lcp, Self::Fcp, Self::Cls, Self::Inp, Self::Ttfb];
}

impl Term {
    /// The metric with its endpoint: `latency.p95@api`.
    pub fn metric_at_endpoint(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{}@{endpoint}", self.metric),
            None => self.metric.to_string(),
        }
    }
}

impl Bound {
    /// Whether the metric is compared with legacy's.
    pub const fn is_legacy(self) -> bool {
        matches!(self, Self::Legacy(_))
    }

    /// The bound as a figure: shares as fractions of 1, times in milliseconds, `legacy` as its factor.
    pub fn figure(self) -> f64 {
        match self {
            Self::Number(number) | Self::Milliseconds(number) => number,
            Self::Percent(percent) => percent / 100.0,
            Self::Seconds(seconds) => seconds * 1_000.0,
            Self::Legacy(factor) => factor.unwrap_or(1.0),
        }
    }
}

super::serialize_as_text!(Condition);
