//! Colour and the two streams: text is always written with its colours, and the stream drops them
//! where it is no terminal or `NO_COLOR` asks for none.

use std::fmt::Display;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use super::Failure;

/// All is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Worth a look.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Something is wrong, or stopped.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What comes next.
pub const NEXT: Style = AnsiColor::Cyan.on_default();
/// The main thing of a line.
pub const BOLD: Style = Style::new().bold();
/// What matters less.
pub const DIM: Style = Style::new().dimmed();

pub fn paint(style: Style, text: impl Display) -> String {
    let text = text.to_string();
    // Colours around nothing would hide that a line ends in white space.
    if text.is_empty() { text } else { format!("{style}{text}{style:#}") }
}

/// Pads before it paints, since colours would count as characters.
pub fn cell(style: Style, text: &str, width: usize) -> String {
    let padding = " ".repeat(width.saturating_sub(text.chars().count()));
    format!("{}{padding}", paint(style, text))
}

/// Writes a text that people read, and a line feed, to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", text.trim_end_matches('\n'))
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Io("standard output".into(), error))
}

/// Writes a text byte for byte, with the end that it has.
pub fn print_exactly(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Io("standard output".into(), error))
}

/// Writes a text that programs read, never with colours.
pub fn print_raw(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.trim_end())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::Io("standard output".into(), error))
}

/// Tells people something that is no result. Nobody is left to hear of it where that fails.
pub fn note(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_as_wide_as_what_shows_of_it() {
        let plain = |text: &str| anstream::adapter::strip_str(text).to_string();
        assert_eq!(plain(&cell(GOOD, "ja", 4)), "ja  ");
        assert_eq!(plain(&cell(GOOD, "größer", 4)), "größer");
    }
}
