//! Prints and rounds numbers as the standard library does, without its tables.
//!
//! The shortest digits of a number come with serde_json already. The standard library would bring a
//! second way to them, and a third one to a number of decimals: 7 KB of wasm gzipped, for the same texts.

use std::fmt;

/// A number that prints as an `f64` does: in the fewest digits that read back as the same number, and
/// never with an exponent.
#[derive(Clone, Copy, Debug)]
pub struct Plain(pub f64);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() {
            return f.write_str("NaN");
        }
        if self.0.is_sign_negative() {
            f.write_str("-")?;
        }
        if self.0.is_infinite() {
            return f.write_str("inf");
        }
        let size = self.0.abs();
        // With so few digits there is no shorter text that reads back as the same number.
        let thousandths = (size * 1_000.0).round_ties_even();
        if thousandths < 1e15 && thousandths / 1_000.0 == size {
            return print_thousandths(thousandths as u64, f);
        }
        let text = serde_json::to_string(&size).unwrap_or_default();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let point = exponent.parse::<isize>().unwrap_or_default().saturating_add_unsigned(whole.len());
        // Zeros are put where the point lies outside of the digits.
        let zeros = "0".repeat(usize::try_from(-point).unwrap_or_default());
        let point = usize::try_from(point).unwrap_or_default();
        let digits = format!("{:0<point$}", format!("{zeros}{whole}{decimals}"));
        let (whole, decimals) = digits.split_at_checked(point).unwrap_or(("", &digits));
        f.write_str(match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        })?;
        match decimals.trim_end_matches('0') {
            "" => Ok(()),
            decimals => write!(f, ".{decimals}"),
        }
    }
}

fn print_thousandths(thousandths: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (whole, mut rest, mut places) = (thousandths / 1_000, thousandths % 1_000, 3);
    if rest == 0 {
        return write!(f, "{whole}");
    }
    while rest % 10 == 0 {
        (rest, places) = (rest / 10, places - 1);
    }
    write!(f, "{whole}.{rest:0places$}")
}

/// The number nearest to `value` with so many decimals, of two the even one: `{value:.places$}` as a
/// number. For at most three decimals.
pub fn rounded(value: f64, places: u32) -> f64 {
    const MANTISSA_BITS: u32 = 52;
    let size = value.abs();
    // From here on, all are whole.
    if size.is_nan() || size >= (2_u64 << MANTISSA_BITS) as f64 {
        return value;
    }
    // The value is exactly `mantissa` halved `halvings` times.
    let exponent = (size.to_bits() >> MANTISSA_BITS).max(1);
    let implied = if exponent << MANTISSA_BITS <= size.to_bits() { 1 << MANTISSA_BITS } else { 0 };
    let mantissa = size.to_bits() % (1 << MANTISSA_BITS) + implied;
    let halvings = 1_075 - exponent;
    let scale = 10_u64.pow(places);
    let scaled = mantissa * scale;
    let units = if halvings < 64 { scaled >> halvings } else { 0 };
    let is_up = halvings < 64 && {
        let (rest, one) = (scaled - (units << halvings), 1 << halvings);
        rest * 2 > one || rest * 2 == one && units % 2 == 1
    };
    ((units + u64::from(is_up)) as f64 / scale as f64).copysign(value)
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

    #[track_caller]
    fn is_as_before(value: f64) {
        assert_eq!(Plain(value).to_string(), value.to_string());
        for places in 0..=3 {
            if value.abs() < 1e12 {
                let printed = format!("{value:.*}", places as usize);
                let printed =
                    if printed.contains('.') { printed.trim_end_matches('0').trim_end_matches('.') } else { &printed };
                assert_eq!(Plain(rounded(value, places)).to_string(), printed, "{value} to {places} places");
            }
        }
    }

    #[test]
    fn numbers_print_as_those_of_the_standard_library() {
        for value in [
            0.0,
            -0.0,
            1.0,
            0.1,
            -0.25,
            1.005,
            1.115,
            2.5,
            3.5,
            0.0005,
            99.95,
            0.5,
            1234.6,
            1e15,
            1e16,
            1e21,
            1.5e300,
            1e-7,
            1.234e-5,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            f64::EPSILON,
        ] {
            is_as_before(value);
            is_as_before(-value);
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9_007_199_254_740_993.0] {
            assert_eq!(Plain(rounded(value, 0)).to_string(), format!("{value:.0}"));
        }
        let mut chance = fastrand::Rng::with_seed(1);
        for _ in 0..100_000 {
            is_as_before((chance.f64() - 0.5) * 10_f64.powi(chance.i32(-10..12)));
            is_as_before(f64::from(chance.u32(..400_000)) / 2_000.0);
            // Where two are shortest and equally near, serde_json takes the even one.
            let value = f64::from_bits(chance.u64(..));
            let (own, other) = (Plain(value).to_string(), value.to_string());
            assert!(
                value.is_nan() || own == other || own.len() == other.len() && own.parse() == Ok(value),
                "{value:e}"
            );
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
