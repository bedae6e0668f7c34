//! What was measured, as it is asked for: windows for plots, and everything for Prometheus.

use serde_json::value::RawValue;
use wasm_bindgen::JsValue;

use super::desk::Desk;
use super::store::counts::{percentages, windows};
use super::store::last_changes;
use crate::decide::rollout::Rollout;
use crate::model::Instant;
use crate::model::measured::Window;
use crate::protocol::api::metrics::{self, Asked};
use crate::protocol::api::prometheus::{Exposed, exposition};
use crate::protocol::api::view::Present;
use crate::protocol::api::{Call, Reply, parameter};
use crate::protocol::api::problem::Problem;

const HOUR: u64 = 60;

/// A window's time and revision, and the window as JSON.
type Shown = ((u64, u64), Box<RawValue>);

/// Answers with the windows of a rollout.
///
/// # Errors
/// When the storage refuses.
pub fn answer(present: &Present<'_>, context: &JsValue, rollout: &Rollout, call: &Call) -> Result<Result<Reply, Problem>, JsValue> {
    let asked = match metrics::asked(parameter(&call.query, "since").as_deref(), present.now) {
        Ok(asked) => asked,
        Err(problem) => return Ok(Err(problem)),
    };
    let percentages = percentages(context, &rollout.plan.key, asked.minute())?;
    let percentage = |revision: u64| percentages.binary_search_by_key(&revision, |(own, _)| *own).ok().and_then(|index| percentages.get(index)).map(|(_, percentage)| *percentage);
    let shown = collect(present, context, rollout, asked, |window| ((window.minute, window.revision), metrics::window(window, percentage(window.revision))))?;
    // Nearly all of them come in order.
    let mut sorted: Vec<Shown> = Vec::with_capacity(shown.len());
    for (key, window) in shown {
        let at = sorted.partition_point(|(own, _)| *own <= key);
        sorted.insert(at, (key, window));
    }
    let windows: Vec<Box<RawValue>> = sorted.into_iter().map(|(_, window)| window).collect();
    Ok(Ok(Reply::json(200, &metrics::metrics(present, rollout, asked, &windows))))
}

/// Shows every window: what is in memory is newer than what is stored, and there is more stored than in
/// memory.
fn collect(present: &Present<'_>, context: &JsValue, rollout: &Rollout, asked: Asked, show: impl Fn(&Window) -> Shown) -> Result<Vec<Shown>, JsValue> {
    let key = &rollout.plan.key;
    let series = present.deployment.books.get(key).map(|book| &book.series);
    let in_memory = |minutes: u32| series.into_iter().flat_map(|series| series.iter()).filter(move |window| window.minutes == minutes && window.minute >= asked.minute());
    let is_in_memory = |window: &Window| series.is_some_and(|series| series.get(window.minute, window.minutes, window.revision).is_some());
    let mut shown: Vec<Shown> = Vec::new();
    if asked.minutes == 1 {
        windows(context, key, 1, asked.minute(), "1", &mut |window| shown.extend(window.filter(|window| !is_in_memory(window)).map(|window| show(&window))))?;
        shown.extend(in_memory(1).map(&show));
        return Ok(shown);
    }
    // Minutes that are part of no hour yet.
    let mut open: Vec<Window> = Vec::new();
    let mut add = |window: &Window| {
        let hour = window.minute - window.minute % HOUR;
        let index = open.iter().position(|own| (own.minute, own.revision) == (hour, window.revision)).unwrap_or_else(|| {
            open.push(Window { minutes: asked.minutes, ..Window::at(hour, window.revision) });
            open.len() - 1
        });
        if let Some(own) = open.get_mut(index) {
            own.merge(window);
        }
    };
    in_memory(1).for_each(&mut add);
    windows(context, key, 1, asked.minute(), "is_folded = 0", &mut |window| {
        if let Some(window) = window.filter(|window| !is_in_memory(window)) {
            add(&window);
        }
    })?;
    let mut take = |window: &Window| match open.iter_mut().find(|own| (own.minute, own.revision) == (window.minute, window.revision)) {
        Some(own) => own.merge(window),
        None => shown.push(show(window)),
    };
    in_memory(asked.minutes).for_each(&mut take);
    windows(context, key, asked.minutes, asked.minute(), "1", &mut |window| {
        if let Some(window) = window.filter(|window| !is_in_memory(window)) {
            take(&window);
        }
    })?;
    shown.extend(open.iter().map(show));
    Ok(shown)
}

/// Answers Prometheus.
///
/// # Errors
/// When the storage refuses.
pub fn expose(desk: &Desk, context: &JsValue, now: Instant) -> Result<Reply, JsValue> {
    let faults = desk.heard.faults(now);
    let present = Present { deployment: &desk.deployment, faults: &faults, now };
    let exposed = Exposed { present, totals: desk.counting.totals(), isolates: desk.heard.isolates(), changes: &last_changes(context)? };
    Ok(Reply::text(exposition(&exposed)))
}
