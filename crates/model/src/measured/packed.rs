//! Lists of small numbers as one text: `3 12 0 4 10 1` for `[[3, 12, 0], [4, 10, 1]]`.
//!
//! A tree of JSON numbers costs an allocation for each; isolates send thousands of them a minute.

use std::fmt::Write as _;

/// Numbers, one space between them.
pub fn pack<const N: usize>(rows: impl IntoIterator<Item = [i64; N]>) -> String {
    let mut text = String::new();
    rows.into_iter().for_each(|row| push(&mut text, &row));
    text
}

#[inline(never)]
fn push(text: &mut String, row: &[i64]) {
    for number in row {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{number}");
    }
}

/// The rows of a packed text; `None` where it is none, or its last row is not whole.
pub fn unpack<const N: usize>(text: &str) -> Option<Vec<[i64; N]>> {
    let numbers = numbers(text)?;
    let (rows, rest) = numbers.as_chunks();
    rest.is_empty().then(|| rows.to_vec())
}

#[inline(never)]
fn numbers(text: &str) -> Option<Vec<i64>> {
    text.split_ascii_whitespace().map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        let rows = vec![[1, -2, 3], [i64::MAX, 0, i64::MIN]];
        assert_eq!(unpack::<3>(&pack(rows.clone())), Some(rows));
        assert_eq!(unpack::<2>(""), Some(vec![]));
        assert_eq!(unpack::<2>("1 2 3"), None);
        assert_eq!(unpack::<1>("1e3"), None);
        assert_eq!(unpack::<1>("99999999999999999999"), None);
    }
}
