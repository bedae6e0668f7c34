//! Answers a command: what becomes of it, or why nothing does.

use serde_json::value::RawValue;

use super::moves::moves;
use super::problem::Problem;
use super::shapes::{self, AllDone, Done, Refused, Step, Text, Tried};
use super::view::{self, Present};
use super::{Call, Reply, body, consequences, forecast};
use crate::reach::Reach;
use tidegate_decide::ahead;
use tidegate_decide::checklists::may_tick;
use tidegate_decide::ends as decide;
use tidegate_decide::rollout::{Change, Order, Rollout};
use tidegate_decide::transition::Refusal;
use tidegate_model::command::Command;
use tidegate_model::fault::Explain as _;

/// What becomes of a command.
pub struct Outcome {
    /// The change to be stored; none for a dry run.
    pub change: Option<Change>,
    /// The answer, once that is done.
    pub reply: Reply,
}

fn step(step: &ahead::Step) -> Step {
    Step {
        command: Text::word(step.command.name()),
        stage: (&step.state.stage).into(),
        percentage: step.state.percentage.into(),
        phase: (&step.state.phase).into(),
    }
}

/// Works out a command to one rollout.
///
/// # Errors
/// With the problem to answer.
pub fn answer(present: &Present<'_>, rollout: &Rollout, call: &Call) -> Result<Outcome, Problem> {
    let asked = body::command(&call.body)?;
    let revision = rollout.record.live.revision;
    let current = || view::rollout(present, rollout);
    match call.if_match.as_deref().map(str::trim) {
        Some("*") => {}
        Some(asked) if asked.trim_matches('"') == revision.to_string() => {}
        Some(asked) => return Err(Problem::stale_revision(asked, revision, current())),
        None if asked.is_dry_run || asked.command.needs_no_revision() => {}
        None => return Err(Problem::revision_required(revision)),
    }
    let command = asked.command.clone();
    if let Command::Approve(item) = &command {
        may_tick(&rollout.plan, &rollout.record, item, &call.actor, &call.roles)
            .map_err(|refusal| refused(rollout, &refusal, revision, current()))?;
    }
    let order = Order::new(asked.command, call.actor.clone(), asked.reason);
    let change = present
        .deployment
        .change(rollout, order, present.now)
        .map_err(|refusal| refused(rollout, &refusal, revision, current()))?;
    let foreseen = present.deployment.ahead(&change.rollout, present.now);
    let moves = moves(present, rollout, &foreseen.rollout);
    let then = foreseen.steps.iter().map(step).collect();
    let waits = foreseen.outlook.blocked.iter().map(view::blocker).collect();
    let ends = view::ends(&decide::ends(&rollout.plan, &rollout.record, &foreseen.rollout.record));
    let is_forecast = asked.is_dry_run && command == Command::Start;
    let forecast = if is_forecast { forecast::measured(present, rollout) } else { None };
    let explanation = consequences::Change {
        present,
        before: rollout,
        after: &change.rollout,
        ahead: &foreseen,
        moves: &moves,
        forecast: forecast.as_ref(),
    }
    .by(&command);
    if asked.is_dry_run {
        let tried = Tried {
            dry_run: true,
            from: view::state(&rollout.record.live),
            to: view::state(&change.rollout.record.live),
            moves,
            then,
            waits,
            ends,
            forecast,
            explanation,
        };
        return Ok(Outcome { change: None, reply: Reply::json(200, &tried).at(revision) });
    }
    let entry = RawValue::from_string(change.text.clone()).unwrap_or_default();
    let done = Done { rollout: after(present, &change), entry, moves, then, waits, ends, explanation };
    let reply = Reply::json(200, &done).at(change.entry.revision);
    Ok(Outcome { change: Some(change), reply })
}

/// The rollout as a change leaves it.
fn after(present: &Present<'_>, change: &Change) -> shapes::Rollout {
    let mut shown = view::rollout(present, &change.rollout);
    if matches!(change.entry.command, Command::Kill(_)) {
        // Just now: none of the isolates can have confirmed it.
        let Rollout { plan, record, .. } = &change.rollout;
        shown.reach = Some(view::reach(&Reach::begun(&plan.key, record.live.revision, present.isolates)));
    }
    shown
}

/// A refusal; where naming the rollout goes around it, with the name and with what would end.
fn refused(rollout: &Rollout, refusal: &Refusal, revision: u64, current: shapes::Rollout) -> Problem {
    let mut problem = Problem::refused(refusal, revision, current);
    if let Refusal::Unconfirmed(key, _) = refusal {
        problem.more.confirm = Some(key.into());
        problem.more.ends = view::ends(&decide::at_completion(&rollout.plan));
    }
    problem
}

/// Works out a kill or a revive of every rollout, or a note to each.
///
/// # Errors
/// With the problem to answer.
pub fn answer_all(present: &Present<'_>, call: &Call) -> Result<(Vec<Change>, Reply), Problem> {
    let asked = body::command(&call.body)?;
    if !matches!(asked.command, Command::Kill(_) | Command::Revive(_) | Command::Note) {
        let message = format!("`{}` is not a command to all rollouts", asked.command.name());
        return Err(Problem::field(
            "command",
            &message,
            "only kill, revive and note work on all rollouts at once; name a rollout for the others",
        ));
    }
    if asked.is_dry_run {
        return Err(Problem::field(
            "dry_run",
            "a dry run is for one rollout at a time",
            "leave it out, or name a rollout",
        ));
    }
    let mut changes = Vec::new();
    let mut refused = Vec::new();
    for rollout in present.deployment.rollouts.iter() {
        let order = Order::new(asked.command.clone(), call.actor.clone(), asked.reason.clone());
        match rollout.change(order, present.now) {
            Ok(change) => changes.push(change),
            Err(refusal) => {
                let rollout = (&rollout.plan.key).into();
                refused.push(Refused { rollout, detail: refusal.to_string(), help: refusal.help() });
            }
        }
    }
    let rollouts = changes.iter().map(|change| after(present, change)).collect();
    let reply = Reply::json(200, &AllDone { rollouts, refused });
    Ok((changes, reply))
}
