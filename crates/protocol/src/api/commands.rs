//! Answers a command: what becomes of it, or why nothing does.

use std::cell::OnceCell;

use serde::Serialize;
use serde_json::value::RawValue;

use super::consequences::{self, Consequences};
use super::moves::{Moves, moves};
use super::problem::{Problem, raw};
use super::view::{self, Present, RolloutView};
use super::ways::{BlockerView, EndsView, blocker, ends};
use super::{Call, Reply, body, forecast};
use tidegate_decide::ahead::{Ahead, Step};
use tidegate_decide::ends as decide;
use tidegate_decide::forecast::Forecast;
use tidegate_decide::rollout::{Change, Order, Rollout};
use tidegate_decide::transition::Refusal;
use tidegate_model::command::Command;
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::{Name, Percentage};

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
    #[serde(flatten)]
    ahead: AheadView,
    explanation: Consequences,
}

#[derive(Serialize)]
struct Tried<'a> {
    dry_run: bool,
    from: &'a LiveState,
    to: &'a LiveState,
    moves: Moves,
    #[serde(flatten)]
    ahead: AheadView,
    /// Of a start: what chance will do to the plan, at what was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    forecast: Option<Forecast>,
    explanation: Consequences,
}

/// What the schedule makes of a command at once.
#[derive(Serialize)]
struct AheadView {
    /// Its steps, until it next waits.
    then: Vec<StepView>,
    /// What it waits for then.
    waits: Vec<BlockerView>,
    /// What ends, where all this completes the rollout.
    ends: Vec<EndsView>,
}

#[derive(Serialize)]
struct StepView {
    command: &'static str,
    stage: Name,
    percentage: Percentage,
    phase: Phase,
}

fn view_ahead(before: &Rollout, ahead: &Ahead) -> AheadView {
    let step = |step: &Step| StepView {
        command: step.command.name(),
        stage: step.state.stage.clone(),
        percentage: step.state.percentage,
        phase: step.state.phase,
    };
    AheadView {
        then: ahead.steps.iter().map(step).collect(),
        waits: ahead.outlook.blocked.iter().map(blocker).collect(),
        ends: ends(&decide::ends(&before.plan, &before.record, &ahead.rollout.record)),
    }
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
    let command = asked.command.clone();
    let order = Order::new(asked.command, call.actor.clone(), asked.reason);
    let change = present
        .deployment
        .change(rollout, order, present.now)
        .map_err(|refusal| refused(rollout, &refusal, revision, current()))?;
    let foreseen = present.deployment.ahead(&change.rollout, present.now);
    let moves = moves(present, rollout, &foreseen.rollout);
    let ahead = view_ahead(rollout, &foreseen);
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
            from: &rollout.record.live,
            to: &change.rollout.record.live,
            moves,
            ahead,
            forecast,
            explanation,
        };
        return Ok(Outcome { change: None, reply: Reply::json(200, &tried).at(revision) });
    }
    let entry = RawValue::from_string(change.text.clone()).unwrap_or_default();
    let done = Done { rollout: after(present, &change), entry, moves, ahead, explanation };
    let reply = Reply::json(200, &done).at(change.entry.revision);
    Ok(Outcome { change: Some(change), reply })
}

/// The rollout as a change leaves it.
fn after<'a>(present: &Present<'a>, change: &'a Change) -> RolloutView<'a> {
    let mut shown = view::rollout(present, &change.rollout);
    if matches!(change.entry.command, Command::Kill(_)) {
        shown.begin_reach(present.isolates);
    }
    shown
}

/// A refusal; where naming the rollout goes around it, with the name and with what would end.
fn refused(rollout: &Rollout, refusal: &Refusal, revision: u64, current: Box<RawValue>) -> Problem {
    let problem = Problem::refused(refusal, revision, current);
    match refusal {
        Refusal::Unconfirmed(key, _) => {
            problem.with("confirm", raw(key)).with("ends", raw(&ends(&decide::at_completion(&rollout.plan))))
        }
        _ => problem,
    }
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
            "all at once are only killed, revived or noted upon; name a rollout for the others",
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
                refused.push(Refused { rollout: rollout.plan.key.to_string(), detail: refusal.to_string() })
            }
        }
    }
    let rollouts = changes.iter().map(|change| after(present, change)).collect();
    let reply = Reply::json(200, &AllDone { rollouts, refused });
    Ok((changes, reply))
}
