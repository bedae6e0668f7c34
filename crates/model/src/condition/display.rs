//! Prints a condition as it was written.

use std::fmt::{Display, Formatter, Result};

use super::{Bound, Condition, Metric, Op, Quantile, Term, Vital, Window};
use crate::Name;

impl Condition {
    /// All of these terms.
    pub(super) fn of(terms: Vec<Term>) -> Self {
        let texts: Vec<String> = terms.iter().map(Term::to_string).collect();
        Self { terms, text: texts.join(" and ") }
    }

    /// The same condition, of another endpoint wherever it names one.
    #[must_use]
    pub fn at_endpoint(&self, name: &Name) -> Self {
        let renamed = |term: &Term| Term { endpoint: term.endpoint.as_ref().map(|_| name.clone()), ..term.clone() };
        Self::of(self.terms.iter().map(renamed).collect())
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.text)
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
        if let Some(min) = &self.min_subjects {
            write!(f, " min {min} subjects")?;
        }
        Ok(())
    }
}

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::StatusRate(status) => return write!(f, "status.{status}_rate"),
            Self::Vital(vital, _) => f.write_str(vital.word())?,
            _ => f.write_str(self.spec().head)?,
        }
        if let Some(name) = self.name() {
            f.write_str(".")?;
            f.write_str(name.as_str())?;
        }
        if let Self::ValueMean(_) = self {
            return f.write_str(".mean");
        }
        match self.quantile() {
            Some(quantile) => {
                f.write_str(".")?;
                quantile.fmt(f)
            }
            None => Ok(()),
        }
    }
}

impl Vital {
    /// Its name in conditions.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lcp => "lcp",
            Self::Fcp => "fcp",
            Self::Cls => "cls",
            Self::Inp => "inp",
            Self::Ttfb => "ttfb",
        }
    }
}

impl Display for Vital {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.word())
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

impl Op {
    /// Its sign.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Equal => "=",
        }
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.as_str())
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (number, unit) = match self {
            Self::Number(number) => (number, ""),
            Self::Percent(number) => (number, "%"),
            Self::Milliseconds(number) => (number, "ms"),
            Self::Seconds(number) => (number, "s"),
            Self::Legacy(None) => return f.write_str("legacy"),
            Self::Legacy(Some(factor)) => (factor, "x legacy"),
        };
        write!(f, "{number}{unit}")
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
