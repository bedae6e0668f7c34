//! Conditions: the one small language of gates and guardrails.
//!
//! ```text
//! condition = term { "and" term }
//! term      = metric [ "@" endpoint ] op bound [ "over" window ] [ "for" duration ]
//!             [ "min" count ] [ "min" count "subjects" ]
//! metric    = error_rate | errors | requests | latency.pNN | rescued | subjects | share | adoption
//!           | client_error_rate | timeout_rate | status.NNN_rate | abandoned_rate | broken_rate | waited.pNN
//!           | lcp.pNN | fcp.pNN | cls.pNN | inp.pNN | ttfb.pNN | js_error_rate | js_errors
//!           | timing.NAME.pNN | event.NAME | reporters.NAME | signal.NAME | faults | percentage
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
//! use tidegate::model::condition::Condition;
//! let condition: Condition = "lcp.p75 <= 1.2x legacy and signal.p1 = 0 over stage".parse()?;
//! assert_eq!(condition.to_string(), "lcp.p75 <= 1.2x legacy and signal.p1 = 0 over stage");
//! # Ok::<(), tidegate::model::condition::ConditionError>(())
//! ```

mod display;
mod error;
mod parse;

pub use error::{ConditionError, Problem};

use super::measured::Quantity;
use super::{Duration, Name};

/// The window of a term that names none.
pub const WINDOW_DEFAULT: Window = Window::Last(Duration::minutes(5));
/// The least number of observations for rates, quantiles and counted errors that name none:
/// below it a single unlucky request would decide.
pub const MIN_DEFAULT: u32 = 50;

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

/// Something measured, always on the variant `new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of requests that failed, as the plan defines it: answered with a 5xx, too late or not at all.
    ErrorRate,
    /// Number of such requests.
    Errors,
    /// Share of requests answered with a 4xx.
    ClientErrorRate,
    /// Share of requests without headers in time.
    TimeoutRate,
    /// Share of requests answered with this status.
    StatusRate(u16),
    /// Share of requests that their clients gave up before there were headers.
    AbandonedRate,
    /// Pages whose body ended early or stalled, as a share of requests.
    BrokenRate,
    /// How long those waited who gave up.
    Waited(Quantile),
    /// Number of requests.
    Requests,
    /// Upstream time to headers.
    Latency(Quantile),
    /// Requests that legacy answered because new failed.
    Rescued,
    /// Distinct subjects on new.
    Subjects,
    /// Subjects on new among all.
    Share,
    /// Subjects that reported the event `used` among all subjects seen.
    Adoption,
    /// A web vital that browsers reported.
    Vital(Vital, Quantile),
    /// Page views with a JavaScript error.
    JsErrorRate,
    /// Number of JavaScript errors.
    JsErrors,
    /// A timing that the page reported under a name.
    Timing(Name, Quantile),
    /// Share of subjects on new that reported the event, among those exposed.
    Event(Name),
    /// Number of distinct subjects on new that reported the event.
    Reporters(Name),
    /// A fact from outside, declared under `signals`.
    Signal(Name),
    /// Configuration faults that isolates reported.
    Faults,
    /// The rollout's current percentage.
    Percentage,
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

impl Metric {
    /// What it is measured in.
    pub fn dimension(&self) -> Dimension {
        match self {
            Self::ErrorRate
            | Self::ClientErrorRate
            | Self::TimeoutRate
            | Self::StatusRate(_)
            | Self::AbandonedRate
            | Self::BrokenRate => Dimension::Share,
            Self::Share | Self::Adoption | Self::JsErrorRate | Self::Event(_) | Self::Percentage => Dimension::Share,
            Self::Errors
            | Self::Requests
            | Self::Rescued
            | Self::Subjects
            | Self::JsErrors
            | Self::Reporters(_)
            | Self::Faults => Dimension::Count,
            Self::Vital(Vital::Cls, _) => Dimension::Score,
            Self::Latency(_) | Self::Waited(_) | Self::Vital(..) | Self::Timing(..) => Dimension::Time,
            Self::Signal(_) => Dimension::Free,
        }
    }

    /// Whether legacy has a figure of the same kind that does not depend on how many subjects it has.
    pub fn is_comparable(&self) -> bool {
        self.of_requests().is_some()
            || matches!(
                self,
                Self::Latency(_)
                    | Self::Waited(_)
                    | Self::Vital(..)
                    | Self::JsErrorRate
                    | Self::Timing(..)
                    | Self::Event(_)
            )
    }

    /// Whether the metric is measured per endpoint.
    pub fn has_endpoints(&self) -> bool {
        self.of_requests().is_some()
            || matches!(
                self,
                Self::Errors
                    | Self::Requests
                    | Self::Latency(_)
                    | Self::Waited(_)
                    | Self::Rescued
                    | Self::Vital(..)
                    | Self::JsErrorRate
                    | Self::JsErrors
            )
    }

    /// What it is the rate of, where that is something that comes of requests.
    pub const fn of_requests(&self) -> Option<Quantity> {
        match self {
            Self::ErrorRate => Some(Quantity::Errors),
            Self::ClientErrorRate => Some(Quantity::ClientErrors),
            Self::TimeoutRate => Some(Quantity::Timeouts),
            Self::StatusRate(status) => Some(Quantity::Status(*status)),
            Self::AbandonedRate => Some(Quantity::Abandoned),
            Self::BrokenRate => Some(Quantity::Broken),
            _ => None,
        }
    }

    /// Whether a browser has to report it.
    pub fn is_from_browsers(&self) -> bool {
        matches!(
            self,
            Self::Vital(..)
                | Self::JsErrorRate
                | Self::JsErrors
                | Self::Timing(..)
                | Self::Event(_)
                | Self::Reporters(_)
                | Self::Adoption
        )
    }
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
