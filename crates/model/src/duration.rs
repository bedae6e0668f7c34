//! A span of time as people write it: one whole number and one unit.
//!
//! The unit is kept, so `48h` prints back as `48h` and not as `2d`.

use std::fmt;
use std::str::FromStr;

use super::fault::Explain;
use super::{deserialize_from_text, serialize_as_text};

/// The units, longest name first where one is the start of another.
const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// A span of time, 1 ms to about 82 million years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Duration {
    count: u32,
    unit: &'static str,
    unit_ms: u64,
}

impl Duration {
    /// The length in milliseconds.
    pub const fn as_ms(self) -> u64 {
        (self.count as u64).saturating_mul(self.unit_ms)
    }

    /// `count` minutes.
    pub const fn minutes(count: u32) -> Self {
        Self { count, unit: "m", unit_ms: 60_000 }
    }

    /// `count` seconds.
    pub const fn seconds(count: u32) -> Self {
        Self { count, unit: "s", unit_ms: 1_000 }
    }
}

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError(String);

impl std::error::Error for DurationError {}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a duration", self.0)
    }
}

impl Explain for DurationError {
    fn help(&self) -> Option<String> {
        Some("a whole number and a unit: 500ms, 10s, 15m, 48h, 1d or 2w".into())
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let malformed = || DurationError(text.to_owned());
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        let (count, unit) = text.split_at(split);
        let (unit, unit_ms) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        let count = count.parse().map_err(|_| malformed())?;
        Ok(Self { count, unit, unit_ms })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit)
    }
}

serialize_as_text!(Duration);
deserialize_from_text!(Duration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_unit_it_was_written_in() {
        for (text, ms) in
            [("500ms", 500), ("10s", 10_000), ("15m", 900_000), ("48h", 172_800_000), ("2w", 1_209_600_000)]
        {
            let duration: Duration = text.parse().unwrap_or(Duration::minutes(0));
            assert_eq!((duration.as_ms(), duration.to_string().as_str()), (ms, text));
        }
    }

    #[test]
    fn refuses_what_has_no_number_or_no_unit() {
        for text in ["", "10", "h", "1.5h", "-1h", "1 h", "1h30m", "10sec", "99999999999s"] {
            assert_eq!(text.parse::<Duration>(), Err(DurationError(text.into())));
        }
    }
}
