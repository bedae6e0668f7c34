//! What a value read from KV makes of the state known so far.
//!
//! KV is read late, twice, and out of order, and people write into it. Three rules keep that safe:
//! an older revision is ignored; a bare text that the controller has just adopted is ignored for a
//! while, since it is the stale copy of what was adopted; and what does not parse changes nothing.

use tidegate_model::live::{LiveError, LiveState, LiveText, Phase, edit_text};
use tidegate_model::plan::Plan;
use tidegate_model::{Instant, Percentage};

/// How long after its adoption a bare text may still be a stale read: KV's caches hold a value for
/// 60 s, and two of them may stand one behind the other.
pub const ECHO_MS: i64 = 120_000;

/// The state of a rollout after a read of its `stage/KEY`.
///
/// `last` is the state known so far and `text` what was read, `None` when the key does not exist.
///
/// # Errors
/// When the text cannot be used; the last good state then stays.
pub fn settle(plan: &Plan, last: Option<&LiveState>, text: Option<&str>, now: Instant) -> Result<LiveState, LiveError> {
    let known = || last.cloned().unwrap_or_else(|| LiveState::draft(plan));
    let Some(text) = text else {
        // A key that the controller has written is never taken away; not seeing it is a stale read.
        return Ok(last.filter(|last| last.revision > 0).cloned().unwrap_or_else(|| LiveState::draft(plan)));
    };
    let read = LiveText::parse(text)?;
    if last.is_some_and(|last| is_echo(last, text, now)) {
        return Ok(known());
    }
    Ok(match read {
        LiveText::Percentage(percentage) => at_percentage(plan, known(), percentage, now),
        LiveText::Off => LiveState { killed: true, ..known() },
        LiveText::Written(state) => match last {
            Some(last) if last.revision > state.revision => last.clone(),
            _ => state,
        },
        LiveText::Edited(state) => edited(plan, &known(), &state, now),
    })
}

fn is_echo(last: &LiveState, text: &str, now: Instant) -> bool {
    last.kv.as_ref().is_some_and(|adopted| {
        let age_ms = now.ms_since(adopted.at);
        age_ms < ECHO_MS && adopted.text == edit_text(text)
    })
}

/// What a bare number makes of a state: held at this percentage, in the last stage that it reaches,
/// and no longer killed.
pub fn at_percentage(plan: &Plan, state: LiveState, percentage: Percentage, now: Instant) -> LiveState {
    let index = plan.stage_reached_by(percentage);
    let ended = index + 1 == plan.stages.len();
    LiveState { killed: false, ended, ..held_at(plan, &state, index, percentage, now) }
}

fn edited(plan: &Plan, last: &LiveState, edit: &LiveState, now: Instant) -> LiveState {
    let index = edited_stage(plan, last, edit);
    LiveState { killed: edit.killed, ..held_at(plan, last, index, edit.percentage, now) }
}

/// The index of the stage that an edited state asks for: the one that it names, where that was
/// edited, else the last that its percentage reaches.
pub fn edited_stage(plan: &Plan, last: &LiveState, edit: &LiveState) -> usize {
    let named = plan.stage_index(edit.stage.as_str()).filter(|_| edit.stage != last.stage);
    named.unwrap_or_else(|| plan.stage_reached_by(edit.percentage))
}

/// A state held at this percentage in the stage at `index`. Leaving a rollback begins the next attempt.
pub fn held_at(plan: &Plan, state: &LiveState, index: usize, percentage: Percentage, now: Instant) -> LiveState {
    let stage = plan.stages.get(index).map_or_else(|| state.stage.clone(), |stage| stage.name.clone());
    let is_same = state.phase == Phase::Paused && state.percentage == percentage && state.stage == stage;
    let since = if is_same { state.since } else { now };
    let attempt = state.attempt.saturating_add(u32::from(state.phase == Phase::RolledBack));
    LiveState {
        phase: Phase::Paused,
        attempt,
        stage,
        percentage,
        groups: plan.groups_through(index),
        since,
        ended: false,
        ..state.clone()
    }
    .reaching(plan, now)
}
