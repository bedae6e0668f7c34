//! Numbers as people read them.

use tidegate_model::number::{self, Grouped, rounded};

/// A number with three digits that matter, and none that say nothing.
pub fn short(value: f64) -> String {
    let size = value.abs();
    let places = match size {
        _ if size >= 100.0 || size == 0.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ => 3,
    };
    rounded(value, places).to_string()
}

/// A whole number, with thousands apart.
pub fn count(value: f64) -> String {
    Grouped(value.max(0.0).round_ties_even() as u64).to_string()
}

/// So many of something, named in the singular: `1 request`, `1,234 requests`.
pub fn counted(value: f64, what: &str) -> String {
    number::counted(value.max(0.0).round_ties_even() as u64, what)
}

/// Evidence: beyond a million nobody needs to know how much more.
pub fn evidence(value: f64) -> String {
    match value {
        _ if value > 1e6 => "more than 1,000,000".to_owned(),
        _ if value >= 1_000.0 => count(value),
        _ => short(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (5.25, "5.25"),
            (12.04, "12"),
            (1234.6, "1235"),
            (0.05, "0.05"),
            (0.0004, "0"),
            (1.5, "1.5"),
            (-0.25, "-0.25"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(
            (count(1_234_567.0).as_str(), count(12.0).as_str(), count(123_456.0).as_str()),
            ("1,234,567", "12", "123,456")
        );
        assert_eq!(
            (evidence(0.25).as_str(), evidence(79_321.4).as_str(), evidence(1e300).as_str()),
            ("0.25", "79,321", "more than 1,000,000")
        );
    }
}
