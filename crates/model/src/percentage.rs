//! A share of subjects, exact to 0.001 %.
//!
//! A percentage is kept as the number of buckets that it covers, so that comparing a bucket with
//! it needs no arithmetic and no rounding. A finer or malformed one is refused, never rounded: an
//! operator who asks for 0.0005 % must not get 0 % or 0.001 % instead.

use std::fmt;
use std::str::FromStr;

use super::fault::Explain;

/// The number of buckets, and so the limit of 100 %.
pub const BUCKETS: u32 = 100_000;

const BUCKETS_PER_PERCENT: u32 = BUCKETS / 100;

/// A share of subjects from 0 % to 100 % in steps of 0.001 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percentage(u32);

impl Percentage {
    /// Nobody.
    pub const ZERO: Self = Self(0);
    /// Everybody.
    pub const FULL: Self = Self(BUCKETS);

    /// The number of buckets covered, 0..=100_000: a bucket is inside when it is less than this.
    pub const fn limit(self) -> u32 {
        self.0
    }

    /// The percentage that covers `limit` buckets, or `None` over 100 %.
    pub const fn from_limit(limit: u32) -> Option<Self> {
        if limit <= BUCKETS { Some(Self(limit)) } else { None }
    }
}

/// Why a text is no percentage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PercentageError {
    /// Not a plain decimal number.
    Malformed(String),
    /// More than 100.
    OverHundred(String),
    /// Finer than 0.001 %.
    TooFine(String),
}

impl std::error::Error for PercentageError {}

impl fmt::Display for PercentageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(f, "`{text}` is not a percentage"),
            Self::OverHundred(text) => write!(f, "`{text}` is more than 100 %"),
            Self::TooFine(text) => write!(f, "`{text}` is finer than 0.001 %"),
        }
    }
}

impl Explain for PercentageError {
    fn help(&self) -> Option<String> {
        Some("a number from 0 to 100 with at most three decimals, such as 10, 2.5 or 0.001".into())
    }
}

impl FromStr for Percentage {
    type Err = PercentageError;

    /// Reads `10`, `10%`, `2.5` or `0.001`; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, PercentageError> {
        let number = text.trim();
        let number = number.strip_suffix('%').map_or(number, str::trim_end);
        let malformed = || PercentageError::Malformed(shortened(text));
        let (whole, decimals) = match number.split_once('.') {
            Some((_, "")) => return Err(malformed()),
            Some(parts) => parts,
            None => (number, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) {
            return Err(malformed());
        }
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > 3 {
            return Err(PercentageError::TooFine(shortened(text)));
        }
        let over = || PercentageError::OverHundred(shortened(text));
        let whole: u32 = whole.parse().map_err(|_| over())?;
        let thousandths: u32 = format!("{decimals:0<3}").parse().map_err(|_| malformed())?;
        whole
            .checked_mul(BUCKETS_PER_PERCENT)
            .and_then(|limit| limit.checked_add(thousandths))
            .and_then(Self::from_limit)
            .ok_or_else(over)
    }
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl fmt::Display for Percentage {
    /// Prints the shortest number that reads back as the same percentage, without the sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / BUCKETS_PER_PERCENT, self.0 % BUCKETS_PER_PERCENT);
        if decimals == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{decimals:03}").trim_end_matches('0'))
    }
}

impl serde::Serialize for Percentage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(BUCKETS_PER_PERCENT) {
            serializer.serialize_u32(self.0 / BUCKETS_PER_PERCENT)
        } else {
            serializer.serialize_f64(f64::from(self.0) / f64::from(BUCKETS_PER_PERCENT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, limit: u32) {
        assert_eq!(text.parse::<Percentage>().map(Percentage::limit), Ok(limit), "{text:?}");
    }

    #[track_caller]
    fn refuses(text: &str, message: &str) {
        assert_eq!(text.parse::<Percentage>().map_err(|e| e.to_string()), Err(message.to_owned()));
    }

    #[test]
    fn reads_numbers_with_up_to_three_decimals() {
        reads("0", 0);
        reads("10", 10_000);
        reads("10%", 10_000);
        reads(" 2.5 \n", 2_500);
        reads("0.001", 1);
        reads("99.999 %", 99_999);
        reads("100", 100_000);
        reads("100.000000", 100_000);
    }

    #[test]
    fn refuses_what_is_finer_or_malformed() {
        refuses("0.0005", "`0.0005` is finer than 0.001 %");
        refuses("150", "`150` is more than 100 %");
        refuses("100.001", "`100.001` is more than 100 %");
        refuses("99999999999999999999", "`99999999999999999999` is more than 100 %");
        for text in ["", "%", ".5", "5.", "-1", "+1", "1e1", "ten", "1,5", "1.2.3", "NaN", "٣"] {
            refuses(text, &format!("`{text}` is not a percentage"));
        }
    }

    #[test]
    fn every_percentage_prints_back_as_itself() {
        for limit in 0..=BUCKETS {
            let percentage = Percentage(limit);
            assert_eq!(percentage.to_string().parse(), Ok(percentage));
            let json = serde_json::to_string(&percentage).unwrap_or_default();
            assert_eq!(json.parse(), Ok(percentage), "{json}");
        }
    }
}
