//! Prints a condition as it was written.

use std::fmt::{Display, Formatter, Result};

use super::{Bound, Condition, Metric, Op, Quantile, Term, Vital, Window};

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(" and ")?;
            }
            write!(f, "{term}")?;
        }
        Ok(())
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.metric)?;
        if let Some(endpoint) = &self.endpoint {
            write!(f, "@{endpoint}")?;
        }
        write!(f, " {} {}", self.op, self.bound)?;
        if let Some(window) = &self.over {
            write!(f, " over {window}")?;
        }
        if let Some(hold) = &self.hold {
            write!(f, " for {hold}")?;
        }
        if let Some(min) = &self.min {
            write!(f, " min {min}")?;
        }
        Ok(())
    }
}

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::ErrorRate => f.write_str("error_rate"),
            Self::Errors => f.write_str("errors"),
            Self::Requests => f.write_str("requests"),
            Self::Latency(quantile) => write!(f, "latency.{quantile}"),
            Self::Rescued => f.write_str("rescued"),
            Self::Subjects => f.write_str("subjects"),
            Self::Share => f.write_str("share"),
            Self::Adoption => f.write_str("adoption"),
            Self::Vital(vital, quantile) => write!(f, "{vital}.{quantile}"),
            Self::JsErrorRate => f.write_str("js_error_rate"),
            Self::JsErrors => f.write_str("js_errors"),
            Self::Timing(name, quantile) => write!(f, "timing.{name}.{quantile}"),
            Self::Event(name) => write!(f, "event.{name}"),
            Self::Reporters(name) => write!(f, "reporters.{name}"),
            Self::Signal(name) => write!(f, "signal.{name}"),
            Self::Faults => f.write_str("faults"),
            Self::Percentage => f.write_str("percentage"),
        }
    }
}

impl Display for Vital {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Lcp => "lcp",
            Self::Fcp => "fcp",
            Self::Cls => "cls",
            Self::Inp => "inp",
            Self::Ttfb => "ttfb",
        })
    }
}

impl Display for Quantile {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 % 10 {
            0 => write!(f, "p{}", self.0 / 10),
            tenth => write!(f, "p{}.{tenth}", self.0 / 10),
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Equal => "=",
        })
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Percent(number) => write!(f, "{number}%"),
            Self::Milliseconds(number) => write!(f, "{number}ms"),
            Self::Seconds(number) => write!(f, "{number}s"),
            Self::Legacy(None) => f.write_str("legacy"),
            Self::Legacy(Some(factor)) => write!(f, "{factor}x legacy"),
        }
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Last(duration) => write!(f, "{duration}"),
            Self::Stage => f.write_str("stage"),
            Self::Attempt => f.write_str("attempt"),
        }
    }
}
