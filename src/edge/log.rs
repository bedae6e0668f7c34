//! The log: one JSON line for each thing that an operator may have to know.
//!
//! A fault that meets every request is told once in a while, with how often it happened since.

use std::cell::RefCell;

use super::clock;

/// The same fault of the same subject is told again after this long.
const QUIET_MS: f64 = 10_000.0;
/// So many subjects are told apart; a flood of different ones must not fill the memory.
const SUBJECTS_MAX: usize = 1_000;

thread_local! {
    static TOLD: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
}

struct Told {
    event: &'static str,
    subject: String,
    at_ms: f64,
    since: u32,
}

/// Tells of the fault `event` (its stable name), which concerns `subject` (a rollout's key, a KV key).
pub fn warn(event: &'static str, subject: &str, message: &str) {
    if let Some(repeated) = repeats(event, subject) {
        web_sys::console::warn_1(&line(event, subject, message, repeated).into());
    }
}

/// Tells of something that is as it should be, such as a new state.
pub fn note(event: &'static str, subject: &str, message: &str) {
    web_sys::console::log_1(&line(event, subject, message, 0).into());
}

fn line(event: &str, subject: &str, message: &str, repeated: u32) -> String {
    let repeated = if repeated == 0 { String::new() } else { format!(",\"repeated\":{repeated}") };
    format!(
        "{{\"tidegate\":{},\"subject\":{},\"message\":{}{repeated}}}",
        quoted(event),
        quoted(subject),
        quoted(message)
    )
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// How often it happened unmentioned, or `None` while it is too early to tell it again.
fn repeats(event: &'static str, subject: &str) -> Option<u32> {
    let now_ms = clock::now_ms();
    TOLD.with_borrow_mut(|told| {
        if told.len() > SUBJECTS_MAX {
            told.clear();
        }
        match told.iter_mut().find(|last| last.subject == subject && last.event == event) {
            Some(last) if now_ms - last.at_ms < QUIET_MS => {
                last.since += 1;
                None
            }
            Some(last) => {
                last.at_ms = now_ms;
                Some(std::mem::take(&mut last.since))
            }
            None => {
                told.push(Told { event, subject: subject.to_owned(), at_ms: now_ms, since: 0 });
                Some(0)
            }
        }
    })
}
