//! Sentences in which code stands between backticks, for formats that show code as such.
//!
//! Tidegate's own sentences quote conditions and commands so. What people wrote may hold backticks too; the
//! most that they do is to show a word as code.

/// A part of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span<'a> {
    /// Words.
    Text(&'a str),
    /// What stood between two backticks.
    Code(&'a str),
}

/// No sentence quotes so much code; formats spend a hundred bytes on each.
const SPANS_MAX: usize = 24;

/// The parts of a text. A backtick without another on its line is a character like any other, and so are all of
/// a text that is full of them.
pub fn spans(text: &str) -> Vec<Span<'_>> {
    let spans = all_spans(text);
    if spans.len() > SPANS_MAX { vec![Span::Text(text)] } else { spans }
}

fn all_spans(text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(start) = rest.get(from..).and_then(|tail| tail.find('`')).map(|at| from + at) {
        let run = rest.get(start..).unwrap_or_default().bytes().take_while(|byte| *byte == b'`').count();
        if run > 1 {
            from = start + run;
            continue;
        }
        let inner = rest.get(start + 1..).unwrap_or_default();
        match inner.find(['`', '\n']) {
            Some(length) if length > 0 && inner.as_bytes().get(length) == Some(&b'`') => {
                push_text(&mut spans, rest.get(..start));
                spans.extend(inner.get(..length).map(Span::Code));
                (rest, from) = (inner.get(length + 1..).unwrap_or_default(), 0);
            }
            _ => from = start + 1,
        }
    }
    push_text(&mut spans, Some(rest));
    spans
}

fn push_text<'a>(spans: &mut Vec<Span<'a>>, text: Option<&'a str>) {
    spans.extend(text.filter(|text| !text.is_empty()).map(Span::Text));
}

/// Writes a character of a text as HTML.
pub fn html(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        _ => out.push(c),
    }
}

/// A text as HTML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| html(c, &mut out));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stands_between_two_backticks_of_one_line() {
        assert_eq!(
            spans("the guardrail `error_rate > 5%` came true"),
            [Span::Text("the guardrail "), Span::Code("error_rate > 5%"), Span::Text(" came true")]
        );
        assert_eq!(spans("`a``b`"), [Span::Code("a"), Span::Code("b")]);
        assert_eq!(spans("one ` alone"), [Span::Text("one ` alone")]);
        assert_eq!(spans("``` `x`"), [Span::Text("``` "), Span::Code("x")]);
        assert_eq!(spans("a `b\nc` d"), [Span::Text("a `b\nc` d")]);
        assert_eq!(spans(""), []);
    }
}
