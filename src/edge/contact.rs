//! The isolate's contact with the controller: what it saw goes there, what is newer comes back.
//!
//! The first request after a contact schedules the next one behind its answer, so an isolate with
//! traffic is never further behind than the interval that the controller has set. What comes back
//! is merged at once; the highest revision wins.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::{clock, glue, log, mint, snapshot};
use crate::protocol::flush::{Answer, Flush};

/// The interval until the controller sets one.
const INTERVAL_MS_DEFAULT: f64 = 1_000.0;
/// How long a controller that does not answer is left alone.
const INTERVAL_MS_AFTER_FAILURE: f64 = 5_000.0;
/// A contact that has not come back by then went down with its request.
const MARK_MAX_MS: f64 = 5_000.0;
/// The longest that an answer of the controller is waited for.
const ANSWER_MS_MAX: f64 = 5_000.0;

thread_local! {
    static CONTACT: RefCell<Contact> = const { RefCell::new(Contact { isolate: None, scheduled_at_ms: None, last_ms: 0.0, interval_ms: INTERVAL_MS_DEFAULT, is_absent: false }) };
}

struct Contact {
    /// This isolate's name.
    isolate: Option<String>,
    /// When the contact that is scheduled or under way was scheduled.
    scheduled_at_ms: Option<f64>,
    /// When the last one began.
    last_ms: f64,
    interval_ms: f64,
    /// The deployment has no controller.
    is_absent: bool,
}

/// Whether a contact is to be scheduled behind this request. It is told to one request only.
pub fn is_due(now_ms: f64) -> bool {
    CONTACT.with_borrow_mut(|contact| {
        let is_scheduled = contact.scheduled_at_ms.is_some_and(|at_ms| now_ms - at_ms < contact.interval_ms + MARK_MAX_MS);
        let is_due = !contact.is_absent && !is_scheduled;
        if is_due {
            contact.scheduled_at_ms = Some(now_ms);
        }
        is_due
    })
}

/// Waits until the interval is over, then asks the controller.
#[wasm_bindgen(js_name = flush)]
pub async fn flush_in_time(env: JsValue) {
    let wait_ms = CONTACT.with_borrow(|contact| contact.last_ms + contact.interval_ms - clock::now_ms());
    if wait_ms > 0.0 {
        worker::Delay::from(std::time::Duration::from_millis(wait_ms as u64)).await;
    }
    flush(&env, &[]).await;
    CONTACT.with_borrow_mut(|contact| contact.scheduled_at_ms = None);
}

/// Asks the controller now, for the states of `wanted` too.
pub async fn flush(env: &JsValue, wanted: &[String]) {
    let now_ms = clock::now_ms();
    let isolate = CONTACT.with_borrow_mut(|contact| {
        contact.last_ms = now_ms;
        contact.isolate.get_or_insert_with(|| mint::id().unwrap_or_default()).clone()
    });
    if !glue::has_controller(env) {
        CONTACT.with_borrow_mut(|contact| contact.is_absent = true);
        return;
    }
    let flush = snapshot::with_memory(|memory| Flush { isolate, ..memory.report(now_ms, wanted) });
    let text = serde_json::to_string(&flush).unwrap_or_default();
    let outcome = glue::ask_controller(env, "flush", &text, ANSWER_MS_MAX).await;
    let answer = outcome.map_err(|error| glue::message(&error)).and_then(|text| Answer::parse(&text).ok_or_else(|| "its answer cannot be read".to_owned()));
    match answer {
        Ok(answer) => {
            CONTACT.with_borrow_mut(|contact| contact.interval_ms = f64::from(answer.interval_ms));
            snapshot::with_memory(|memory| memory.absorb_answer(&answer, clock::now()));
        }
        Err(error) => {
            CONTACT.with_borrow_mut(|contact| contact.interval_ms = INTERVAL_MS_AFTER_FAILURE);
            log::warn("controller_unreachable", "controller", &error);
        }
    }
}
