//! Answers a command: what becomes of it, or why nothing does.

use std::cell::OnceCell;

use serde::Serialize;
use serde_json::value::RawValue;

use super::problem::{Problem, raw};
use super::moves::{Moves, moves};
use super::view::{self, Present, RolloutView};
use super::{Call, Reply, body, forecast};
use crate::decide::forecast::Forecast;
use crate::decide::rollout::{Change, Order, Rollout};
use crate::model::command::Command;
use crate::model::live::LiveState;

/// What becomes of a command.
pub struct Outcome {
    /// The change to be stored; none for a dry run.
    pub change: Option<Change>,
    /// The answer, once that is done.
    pub reply: Reply,
}

#[derive(Serialize)]
struct Done<'a> {
    rollout: RolloutView<'a>,
    entry: Box<RawValue>,
    moves: Moves,
}

#[derive(Serialize)]
struct Tried<'a> {
    dry_run: bool,
    from: &'a LiveState,
    to: &'a LiveState,
    moves: Moves,
    /// Of a start: what chance will do to the plan, at what was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    forecast: Option<Forecast>,
}

/// Works out a command to one rollout.
///
/// # Errors
/// With the problem to answer.
pub fn answer(present: &Present<'_>, rollout: &Rollout, call: &Call) -> Result<Outcome, Problem> {
    let asked = body::command(&call.body)?;
    let revision = rollout.record.live.revision;
    let current = OnceCell::new();
    let current = || current.get_or_init(|| raw(&view::rollout(present, rollout))).clone();
    match call.if_match.as_deref().map(str::trim) {
        Some("*") => {}
        Some(asked) if asked.trim_matches('"') == revision.to_string() => {}
        Some(asked) => return Err(Problem::stale_revision(asked, revision, current())),
        None if asked.is_dry_run || asked.command.needs_no_revision() => {}
        None => return Err(Problem::revision_required(revision)),
    }
    let is_start = asked.command == Command::Start;
    let order = Order::new(asked.command, call.actor.clone(), asked.reason);
    let change = rollout.change(order, present.now).map_err(|refusal| Problem::refused(&refusal, revision, current()))?;
    let moves = moves(present, rollout, &change.rollout);
    if asked.is_dry_run {
        let forecast = if is_start { forecast::measured(present, rollout) } else { None };
        let tried = Tried { dry_run: true, from: &rollout.record.live, to: &change.rollout.record.live, moves, forecast };
        return Ok(Outcome { change: None, reply: Reply::json(200, &tried).at(revision) });
    }
    let entry = RawValue::from_string(change.text.clone()).unwrap_or_default();
    let done = Done { rollout: view::rollout(present, &change.rollout), entry, moves };
    let reply = Reply::json(200, &done).at(change.entry.revision);
    Ok(Outcome { change: Some(change), reply })
}


#[derive(Serialize)]
struct AllDone<'a> {
    rollouts: Vec<RolloutView<'a>>,
    refused: Vec<Refused>,
}

#[derive(Serialize)]
struct Refused {
    rollout: String,
    detail: String,
}

/// Works out a kill or a revive of every rollout.
///
/// # Errors
/// With the problem to answer.
pub fn answer_all(present: &Present<'_>, call: &Call) -> Result<(Vec<Change>, Reply), Problem> {
    let asked = body::command(&call.body)?;
    if !matches!(asked.command, Command::Kill(_) | Command::Revive(_)) {
        let message = format!("`{}` is not a command to all rollouts", asked.command.name());
        return Err(Problem::field("command", &message, "all at once are only killed or revived; name a rollout for the others"));
    }
    if asked.is_dry_run {
        return Err(Problem::field("dry_run", "a dry run is for one rollout at a time", "leave it out, or name a rollout"));
    }
    let mut changes = Vec::new();
    let mut refused = Vec::new();
    for rollout in present.deployment.rollouts.iter() {
        let order = Order::new(asked.command.clone(), call.actor.clone(), asked.reason.clone());
        match rollout.change(order, present.now) {
            Ok(change) => changes.push(change),
            Err(refusal) => refused.push(Refused { rollout: rollout.plan.key.to_string(), detail: refusal.to_string() }),
        }
    }
    let rollouts = changes.iter().map(|change| view::rollout(present, &change.rollout)).collect();
    let reply = Reply::json(200, &AllDone { rollouts, refused });
    Ok((changes, reply))
}
