//! Lines as wide as the terminal: broken between words, and what is broken off stands under the
//! words that it belongs to.
//!
//! On a pipe nothing is broken, since programs read by lines.

use terminal_size::{Width, terminal_size_of};
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// On a pipe.
pub const UNBROKEN: usize = usize::MAX;
/// Narrower than this, words would be broken anyway.
const WIDTH_MIN: usize = 20;
/// A head leaves at least this much to what stands beside it, or that goes under it.
const BODY_MIN: usize = 24;
/// How far what does not fit beside its head is moved in.
const INDENT: &str = "    ";

/// The width of standard output.
pub fn of_stdout() -> usize {
    width(terminal_size_of(std::io::stdout()))
}

/// The width of standard error.
pub fn of_stderr() -> usize {
    width(terminal_size_of(std::io::stderr()))
}

fn width(size: Option<(Width, terminal_size::Height)>) -> usize {
    // A terminal that does not know its size says 0.
    size.map_or(
        UNBROKEN,
        |(Width(columns), _)| if columns == 0 { UNBROKEN } else { usize::from(columns).max(WIDTH_MIN) },
    )
}

/// A line of a head, such as a label or a mark, and a body that hangs beside it. Colours take no room.
pub fn hung(head: &str, body: &str, width: usize) -> String {
    let whole = format!("{head}{body}");
    if width == UNBROKEN || display_width(&whole) <= width {
        return whole.trim_end().to_owned();
    }
    let indent = display_width(head);
    if indent + BODY_MIN > width {
        let margin: String = head.chars().take_while(|letter| *letter == ' ').collect();
        return fill(whole.trim_start(), &margin, &format!("{margin}{INDENT}"), width);
    }
    fill(body, head, &" ".repeat(indent), width)
}

/// Each line of a text; what is broken off is moved in a little further than its line.
pub fn lines(text: &str, width: usize) -> String {
    let line = |line: &str| {
        let margin: String = line.chars().take_while(|letter| *letter == ' ').collect();
        if width == UNBROKEN {
            line.to_owned()
        } else {
            fill(line.trim_start(), &margin, &format!("{margin}  "), width)
        }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn fill(text: &str, first: &str, others: &str, width: usize) -> String {
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(others)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::fill(text, options)
}

#[cfg(test)]
mod tests {
    use super::super::paint::{BAD, DIM, paint};
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_body_hangs_beside_its_head() {
        let shown = hung(
            &format!("Next        {} ", paint(BAD, "!")),
            &paint(DIM, "evidence that it is more than legacy's: 57,739 of 400"),
            40,
        );
        assert_eq!(
            plain(&shown),
            "Next        ! evidence that it is more\n              than legacy's: 57,739 of\n              400"
        );
    }

    #[test]
    fn a_head_that_takes_the_whole_line_is_part_of_the_text() {
        assert_eq!(
            hung("  checkout  running  quarter 25 %  ", "hold 4 min, gates 1/2", 40),
            "  checkout  running  quarter 25 %  hold\n      4 min, gates 1/2"
        );
    }

    #[test]
    fn what_fits_and_what_goes_into_a_pipe_is_left_alone() {
        assert_eq!(hung("a ", "b  ", 40), "a b");
        assert_eq!(hung("a ", &"b ".repeat(90), UNBROKEN).len(), 181);
    }

    #[test]
    fn a_word_is_never_broken() {
        let address = "http://localhost:8787/_tidegate/preview?token=demo~new~1795242409";
        assert_eq!(lines(&format!("  see {address} soon"), 30), format!("  see\n    {address}\n    soon"));
    }
}
