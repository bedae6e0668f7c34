//! Counts by bin: a thousand equal parts of a rollout's buckets.
//!
//! A bin is on one side at a time, but for the one in which the percentage lies. So what a bin's subjects
//! did on legacy before they moved tells what is to be expected of them on new.
//!
//! A text of counts is the shorter of two, by its first letter. The digits are those of base64url.
//! ```text
//! s  one digit for each thing counted, ascending by bin: how many bins after the one before; 63 skips 63
//! d  the count of each bin from the first on: five bits a digit, the lowest first, 32 more where it goes on
//! ```

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::sliced::Quantity;
use crate::Name;
use crate::serial::text;
use crate::variant::Variant;

/// The bins of a rollout.
pub const BINS: u16 = 1_000;
/// More of one bin is no count, but damage.
const COUNT_MAX: u64 = 1 << 32;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const SKIP: u32 = 63;
const MORE: u32 = 32;

/// Exposures and events of one side by bin, as an isolate sends them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinnedCounts {
    /// What happens.
    pub of: Quantity,
    /// Where, if not anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// On which side.
    pub variant: Variant,
    /// Exposures by bin, ascending, none twice. They stand with [`Quantity::Errors`]: other kinds of
    /// failures have the same.
    #[serde(default, with = "bins", skip_serializing_if = "Vec::is_empty")]
    pub exposures: Vec<(u16, u32)>,
    /// Events by bin, ascending, none twice.
    #[serde(default, with = "bins", skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<(u16, u32)>,
}

impl BinnedCounts {
    /// Adds exposures and events of a bin; one from [`BINS`] on is left out.
    pub fn add(&mut self, bin: u16, n: u32, x: u32) {
        if bin < BINS {
            add_to(&mut self.exposures, bin, n);
            add_to(&mut self.events, bin, x);
        }
    }

    /// Adds another of the same kind.
    pub fn merge(&mut self, other: &Self) {
        other.exposures.iter().for_each(|(bin, n)| add_to(&mut self.exposures, *bin, *n));
        other.events.iter().for_each(|(bin, x)| add_to(&mut self.events, *bin, *x));
    }
}

fn add_to(rows: &mut Vec<(u16, u32)>, bin: u16, count: u32) {
    if count == 0 {
        return;
    }
    // Most come in order when they are read.
    if rows.last().is_none_or(|(last, _)| *last < bin) {
        return rows.push((bin, count));
    }
    match rows.binary_search_by_key(&bin, |(own, _)| *own) {
        Ok(index) => {
            if let Some((_, own)) = rows.get_mut(index) {
                *own = own.saturating_add(count);
            }
        }
        Err(index) => rows.insert(index, (bin, count)),
    }
}

/// Counts by bin, ascending, as a text.
#[must_use]
pub fn encode(rows: &[(u16, u32)]) -> String {
    let all: u64 = rows.iter().map(|(_, count)| u64::from(*count)).sum();
    let last = rows.last().map_or(0, |(bin, _)| u64::from(*bin) + 1);
    // Each count of the dense text has a digit at least.
    if all > 2 * last { dense(rows) } else { shorter(sparse(rows), dense(rows)) }
}

fn shorter(one: String, other: String) -> String {
    if one.len() <= other.len() { one } else { other }
}

fn sparse(rows: &[(u16, u32)]) -> String {
    let mut out = String::from("s");
    let mut at = 0;
    for (bin, count) in rows {
        let mut gap = u32::from(*bin).saturating_sub(at);
        at = u32::from(*bin);
        for _ in 0..*count {
            while gap >= SKIP {
                push(&mut out, SKIP);
                gap -= SKIP;
            }
            push(&mut out, std::mem::take(&mut gap));
        }
    }
    out
}

fn dense(rows: &[(u16, u32)]) -> String {
    let mut out = String::from("d");
    let mut next = 0;
    for (bin, count) in rows {
        (next..*bin).for_each(|_| push(&mut out, 0));
        next = bin.saturating_add(1);
        let mut left = *count;
        while left >= MORE {
            push(&mut out, left % MORE + MORE);
            left /= MORE;
        }
        push(&mut out, left);
    }
    out
}

fn push(out: &mut String, digit: u32) {
    out.push(char::from(DIGITS.get(digit as usize).copied().unwrap_or(b'A')));
}

/// Reads what [`encode`] wrote; `None` for what it never writes.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<(u16, u32)>> {
    let (form, digits) = text.as_bytes().split_first()?;
    let mut digits = digits.iter().map(|byte| DIGITS.iter().position(|own| own == byte).map(|digit| digit as u32));
    let mut rows: Vec<(u16, u32)> = Vec::new();
    match form {
        b's' => {
            let mut at = 0;
            for digit in digits {
                let digit = digit?;
                at += digit;
                if digit == SKIP {
                    continue;
                }
                let bin = u16::try_from(at).ok().filter(|bin| *bin < BINS)?;
                add_to(&mut rows, bin, 1);
            }
        }
        b'd' => {
            for bin in 0.. {
                let Some(first) = digits.next() else { break };
                let (mut digit, mut count, mut bits) = (first?, 0_u64, 0_u32);
                loop {
                    count |= u64::from(digit % MORE) << bits;
                    bits += 5;
                    if digit < MORE {
                        break;
                    }
                    if count > COUNT_MAX || bits > 35 {
                        return None;
                    }
                    digit = digits.next()??;
                }
                match (bin.cmp(&BINS), u32::try_from(count)) {
                    (Ordering::Less, Ok(count)) => add_to(&mut rows, bin, count),
                    _ => return None,
                }
            }
        }
        _ => return None,
    }
    Some(rows)
}

/// Rows as a text, for `#[serde(with = "bins")]`.
mod bins {
    use super::{decode, encode, text};

    pub fn serialize<S: serde::Serializer>(rows: &[(u16, u32)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(rows))
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(u16, u32)>, D::Error> {
        text(deserializer, decode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_in_either_form() {
        let few = vec![(0, 1), (3, 2), (400, 1), (999, 1)];
        let many: Vec<(u16, u32)> = (0..BINS).map(|bin| (bin, u32::from(bin) * 7 + 1)).collect();
        for rows in [Vec::new(), few.clone(), many, vec![(5, u32::MAX)]] {
            assert_eq!(decode(&encode(&rows)), Some(rows.clone()), "{}", encode(&rows));
        }
        assert!(encode(&few).starts_with('s') && encode(&few).len() < 25, "{}", encode(&few));
    }

    #[test]
    fn a_hundred_exposures_take_little_more_than_a_hundred_letters_and_any_number_little_over_a_thousand() {
        let hundred: Vec<(u16, u32)> = (0..100).map(|index| (index * 10, 1)).collect();
        assert!(encode(&hundred).len() < 120);
        let thousands: Vec<(u16, u32)> = (0..BINS).map(|bin| (bin, 30)).collect();
        assert_eq!(encode(&thousands).len(), 1_001);
    }

    #[test]
    fn what_is_no_text_of_counts_is_refused() {
        for text in ["", "x", "s!", "s_________________A", "d!", "dggggggggA", "dg", &format!("d{}", "A".repeat(1_001))]
        {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
