//! Writes the log of both roles.

use std::cell::RefCell;

use super::clock;
use tidegate_protocol::log::{LogLine, Repeats};

thread_local! {
    static REPEATS: RefCell<Repeats> = const { RefCell::new(Repeats::new()) };
}

/// Writes a line, unless it was written a moment ago.
pub fn write(line: &LogLine) {
    let Some(text) = REPEATS.with_borrow_mut(|repeats| repeats.text(line, clock::now_ms())) else { return };
    if line.is_warning {
        web_sys::console::warn_1(&text.into());
    } else {
        web_sys::console::log_1(&text.into());
    }
}

/// Writes that something is wrong.
pub fn warn(event: &'static str, subject: &str, message: &str) {
    write(&LogLine::warning(event, subject, message));
}
