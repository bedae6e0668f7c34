//! Lists of small numbers as one text: `3 12 0 4 10 1` for `[[3, 12, 0], [4, 10, 1]]`.
//!
//! A tree of JSON numbers costs an allocation for each; isolates send thousands of them a minute.

use std::fmt::Write as _;

/// Numbers, one space between them.
pub fn pack<const N: usize>(rows: impl IntoIterator<Item = [i64; N]>) -> String {
    let mut text = String::new();
    for number in rows.into_iter().flatten() {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{number}");
    }
    text
}

/// The rows of a packed text; `None` where it is none, or its last row is not whole.
pub fn unpack<const N: usize>(text: &str) -> Option<Vec<[i64; N]>> {
    let mut rows = Vec::new();
    let mut row = [0; N];
    let mut filled = 0;
    for word in text.split_ascii_whitespace() {
        *row.get_mut(filled)? = word.parse().ok()?;
        filled += 1;
        if filled == N {
            rows.push(row);
            filled = 0;
        }
    }
    (filled == 0).then_some(rows)
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
