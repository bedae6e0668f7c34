//! Rounds numbers for people to read, and counts things in words.

use std::fmt;

/// The number nearest to `value` with so many decimals, of two the even one: `{value:.places$}` as a number.
pub fn rounded(value: f64, places: usize) -> f64 {
    format!("{value:.places$}").parse().unwrap_or(value)
}

/// A whole number with its thousands set apart: `4,900`.
#[derive(Clone, Copy, Debug)]
pub struct Grouped<T>(pub T);

impl<T: Copy + TryInto<u64>> fmt::Display for Grouped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.try_into().unwrap_or(u64::MAX);
        if number < 1_000 {
            return write!(f, "{number}");
        }
        write!(f, "{},{:03}", Grouped(number / 1_000), number % 1_000)
    }
}

/// So many of something, named in the singular: `1 gate`, `1,234 entries`.
pub fn counted(count: impl TryInto<u64>, what: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    if count == 1 { format!("1 {what}") } else { format!("{} {}", Grouped(count), plural(what)) }
}

/// The plural of a noun that has a regular one.
pub fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_number_prints_without_zeros_at_its_end() {
        for (value, places, printed) in
            [(0.125, 2, "0.12"), (0.375, 2, "0.38"), (1.0, 2, "1"), (99.995, 1, "100"), (2.5, 0, "2"), (3.5, 0, "4")]
        {
            assert_eq!(rounded(value, places).to_string(), printed, "{value} to {places} places");
        }
        for (value, printed) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (1e21, "1000000000000000000000")] {
            assert_eq!(rounded(value, 2).to_string(), printed);
        }
    }

    #[test]
    fn one_is_singular_and_all_else_is_plural() {
        for (count, text) in [(0_u64, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1_234_567, "1,234,567 entries")]
        {
            assert_eq!(counted(count, "entry"), text);
        }
        assert_eq!(counted(2_usize, "day"), "2 days");
    }
}
