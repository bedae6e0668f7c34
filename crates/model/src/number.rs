//! Rounds numbers for people to read.

/// The number nearest to `value` with so many decimals, of two the even one: `{value:.places$}` as a number.
pub fn rounded(value: f64, places: usize) -> f64 {
    format!("{value:.places$}").parse().unwrap_or(value)
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
}
