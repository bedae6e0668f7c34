//! The isolate's contact with the controller: what it saw goes there, what is newer comes back.
//!
//! The first request after a contact schedules the next one behind its answer, so an isolate with
//! traffic is never further behind than the interval that the controller has set. What comes back
//! is merged at once; the highest revision wins.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::{clock, glue, log, meter, mint, snapshot};
use crate::protocol::flush::{Answer, Flush};
use crate::protocol::meter::Meter;

/// The interval until the controller sets one.
const INTERVAL_MS_DEFAULT: f64 = 1_000.0;
/// How long a controller that does not answer is left alone.
const INTERVAL_MS_AFTER_FAILURE: f64 = 5_000.0;
/// A contact that has not come back by then went down with its request.
const MARK_MAX_MS: f64 = 5_000.0;
/// The longest that an answer of the controller is waited for.
const ANSWER_MS_MAX: f64 = 5_000.0;
/// The runtime lets go of work behind an answer after 30 s.
const WORK_MS_MAX: f64 = 20_000.0;

thread_local! {
    static CONTACT: RefCell<Contact> = const { RefCell::new(Contact { isolate: None, scheduled_at_ms: None, last_ms: 0.0, interval_ms: INTERVAL_MS_DEFAULT, is_absent: false, has_failed_with_batch: false }) };
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
    /// The last contact failed and had a batch. The next one goes without: a batch that the controller
    /// cannot take must not keep the states away.
    has_failed_with_batch: bool,
}

/// Whether a contact is to be scheduled behind this request. It is told to one request only.
pub fn is_due(now_ms: f64) -> bool {
    CONTACT.with_borrow_mut(|contact| {
        let is_scheduled =
            contact.scheduled_at_ms.is_some_and(|at_ms| now_ms - at_ms < contact.interval_ms + MARK_MAX_MS);
        let is_due = !contact.is_absent && !is_scheduled;
        if is_due {
            contact.scheduled_at_ms = Some(now_ms);
        }
        is_due
    })
}

/// Whether a contact is to be scheduled behind an answer, which may have been counted too late for the
/// one before it. It is told to one request only.
#[wasm_bindgen(js_name = countsDue)]
pub fn are_counts_due(now_ms: f64) -> bool {
    meter::with_meter(|meter| meter.has_counts()) && is_due(now_ms)
}

/// Waits until the interval is over, then tells the controller what was counted; and again, while
/// there is more to tell and the runtime still lets this request's work go on.
#[wasm_bindgen(js_name = flush)]
pub async fn flush_in_time(env: JsValue) {
    let begun_ms = clock::now_ms();
    loop {
        let wait_ms = CONTACT.with_borrow(|contact| contact.last_ms + contact.interval_ms - clock::now_ms());
        if wait_ms > 0.0 {
            glue::delay(wait_ms).await;
        }
        tell(&env, &[], true).await;
        let now_ms = clock::now_ms();
        let has_more = meter::with_meter(|meter| meter.has_counts());
        let is_next = CONTACT.with_borrow_mut(|contact| {
            let is_next = has_more && now_ms - begun_ms + contact.interval_ms < WORK_MS_MAX;
            contact.scheduled_at_ms = is_next.then_some(now_ms);
            is_next
        });
        if !is_next {
            return;
        }
    }
}

/// Asks the controller now, for the states of `wanted` too. What was counted waits for its own time.
pub async fn flush(env: &JsValue, wanted: &[String]) {
    tell(env, wanted, false).await;
}

/// Asks the controller now, and tells it what was counted too, if that is wanted.
async fn tell(env: &JsValue, wanted: &[String], with_counts: bool) {
    let now_ms = clock::now_ms();
    let isolate = CONTACT.with_borrow_mut(|contact| {
        contact.last_ms = now_ms;
        contact.isolate.get_or_insert_with(|| mint::id().unwrap_or_default()).clone()
    });
    if !glue::has_controller(env) {
        CONTACT.with_borrow_mut(|contact| contact.is_absent = true);
        meter::with_meter(Meter::stop);
        return;
    }
    let suspect = meter::with_meter(Meter::take_suspect);
    let report = snapshot::with_memory(|memory| {
        memory.note_suspect(suspect, now_ms);
        memory.report(now_ms, wanted)
    });
    let has_failed = CONTACT.with_borrow_mut(|contact| std::mem::take(&mut contact.has_failed_with_batch));
    // Without a name the controller could not tell this isolate's batches from another's.
    let takes_counts = with_counts && !isolate.is_empty() && !has_failed;
    let text = meter::with_meter(|meter| {
        let batch = if takes_counts { meter.take() } else { None };
        let mut flush = Flush { isolate, batch, ..report };
        flush.faults.extend(meter.fault(now_ms));
        let text = serde_json::to_string(&flush).unwrap_or_default();
        flush.batch.into_iter().for_each(|batch| meter.keep(batch));
        text
    });
    let lost = meter::with_meter(Meter::take_lost);
    if lost > 0 {
        log::warn(
            "counts_lost",
            "controller",
            &format!("it takes less than is counted here; {lost} counts of minutes or requests had no room"),
        );
    }
    let outcome = glue::ask_controller(env, "flush", &text, ANSWER_MS_MAX).await;
    let answer = outcome
        .map_err(|error| glue::message(&error))
        .and_then(|text| Answer::parse(&text).ok_or_else(|| "its answer cannot be read".to_owned()));
    match answer {
        Ok(answer) => {
            CONTACT.with_borrow_mut(|contact| contact.interval_ms = f64::from(answer.interval_ms));
            snapshot::with_memory(|memory| memory.absorb_answer(&answer, clock::now()));
            if let Some(sequence) = answer.acknowledged {
                meter::with_meter(|meter| meter.acknowledge(sequence));
            }
            let lost =
                answer.refused.and_then(|refused| meter::with_meter(|meter| meter.refuse(&refused, clock::now_ms())));
            if let Some(sentence) = lost {
                log::warn("counts_lost", "controller", &sentence);
            }
        }
        Err(error) => {
            CONTACT.with_borrow_mut(|contact| {
                contact.interval_ms = INTERVAL_MS_AFTER_FAILURE;
                contact.has_failed_with_batch = takes_counts;
            });
            log::warn("controller_unreachable", "controller", &error);
        }
    }
}
