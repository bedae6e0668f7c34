//! What was measured, as it is asked for: windows for plots, and everything for Prometheus.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::state::State;
use super::store::counts::{in_force, views};
use super::store::{Storage, StorageError, last_changes};
use super::turn::Turn;
use tidegate_decide::rollout::Rollout;
use tidegate_model::Minute;
use tidegate_model::measured::Window;
use tidegate_protocol::api::metrics::{self, Asked, InForce};
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::prometheus::{Exposed, exposition};
use tidegate_protocol::api::view::Present;
use tidegate_protocol::api::{Call, Reply, parameter};

/// A window's time and revision, and the window as JSON.
type Shown = ((Minute, u64), Box<RawValue>);

/// Answers with the windows of a rollout.
///
/// # Errors
/// When the storage refuses.
pub fn answer(
    present: &Present<'_>,
    storage: &mut dyn Storage,
    rollout: &Rollout,
    call: &Call,
) -> Result<Result<Reply, Problem>, StorageError> {
    let of = |name: &str| parameter(&call.query, name);
    let asked = match metrics::asked(of("since").as_deref(), of("endpoint").as_deref(), &rollout.plan, present.now) {
        Ok(asked) => asked,
        Err(problem) => return Ok(Err(problem)),
    };
    let windows = windows(present, storage, rollout, &asked)?;
    Ok(Ok(Reply::json(200, &metrics::metrics(present, rollout, &asked, windows))))
}

/// The windows that are asked for, in the order of time, each as JSON.
///
/// # Errors
/// When the storage refuses.
pub fn windows(
    present: &Present<'_>,
    storage: &mut dyn Storage,
    rollout: &Rollout,
    asked: &Asked,
) -> Result<Vec<Box<RawValue>>, StorageError> {
    let in_force = in_force(storage, &rollout.plan.key, asked.minute())?;
    let under = |revision: u64| {
        in_force
            .binary_search_by_key(&revision, |(own, _)| *own)
            .ok()
            .and_then(|index| in_force.get(index))
            .map(|(_, under)| under)
    };
    let mut shown = stored(storage, rollout, asked, &under)?;
    // Nearly all of them come in order.
    for window in in_memory(present, rollout, asked) {
        let key = (window.minute, window.revision);
        let at = shown.partition_point(|(own, _)| *own <= key);
        shown.insert(at, (key, metrics::window(&window, asked.endpoint.as_ref(), under(window.revision))));
    }
    Ok(shown.into_iter().map(|(_, window)| window).collect())
}

/// The windows that are part of longer ones, as they were last.
fn stored<'f>(
    storage: &mut dyn Storage,
    rollout: &Rollout,
    asked: &Asked,
    under: &dyn Fn(u64) -> Option<&'f InForce>,
) -> Result<Vec<Shown>, StorageError> {
    let mut shown: Vec<Shown> = Vec::new();
    views(storage, &rollout.plan.key, asked, &mut |minute, revision, view| {
        shown.extend(metrics::with_state(view, under(revision)).map(|view| ((minute, revision), view)));
    })?;
    Ok(shown)
}

/// The windows that are not: of the length asked for, and what is shorter made into such.
fn in_memory<'a>(present: &Present<'a>, rollout: &Rollout, asked: &Asked) -> Vec<Cow<'a, Window>> {
    let series = present.deployment.metrics.get(&rollout.plan.key).map(|metrics| &metrics.series);
    let mut windows: Vec<Cow<'_, Window>> = Vec::new();
    for window in series
        .into_iter()
        .flat_map(|series| series.iter())
        .filter(|window| window.minutes <= asked.minutes && window.minute >= asked.minute())
    {
        let minute = window.minute.first_of(u64::from(asked.minutes));
        match windows.iter_mut().find(|own| (own.minute, own.revision) == (minute, window.revision)) {
            Some(own) => own.to_mut().merge(window),
            None if window.minutes == asked.minutes => windows.push(Cow::Borrowed(window)),
            None => windows.push(Cow::Owned(Window { minute, minutes: asked.minutes, ..window.clone() })),
        }
    }
    windows
}

/// Answers Prometheus.
///
/// # Errors
/// When the storage refuses.
pub fn expose(state: &State, turn: &mut Turn<'_>) -> Result<Reply, StorageError> {
    let now = turn.now;
    let faults = state.isolates.faults(now);
    let present = Present {
        deployment: &state.deployment,
        faults: &faults,
        lists: &[],
        setup: &[],
        reaches: &[],
        isolates: state.isolates.count(),
        now,
    };
    let exposed = Exposed {
        present,
        totals: state.counting.totals(),
        isolates: state.isolates.count(),
        changes: &last_changes(turn.storage)?,
        messages: &state.outbox.counts(turn.storage)?,
    };
    Ok(Reply::text(exposition(&exposed)))
}
