//! A rollout as the API shows it: where it stands, what happens next, what stands in its way, and
//! what may be asked of it now.

use serde::Serialize;

use crate::decide::deployment::Deployment;
use crate::decide::rollout::{Noticed, Rollout};
use crate::decide::judge::Verdict;
use crate::decide::schedule::{Blocker, Next};
use crate::decide::standing::{Directory, Mode, Standing};
use crate::decide::transition::transition;
use crate::model::command::{Cause, Command, Setting, Target};
use crate::model::live::{LiveState, Phase};
use crate::model::plan::{Advance, Guardrail, Plan, Stage};
use crate::model::record::{Checklist, Record};
use crate::model::{Instant, Name, Percentage};

/// A rollout.
#[derive(Serialize)]
pub struct RolloutView<'a> {
    key: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    routes: &'a [crate::model::route::Route],
    is_flag: bool,
    state: &'a LiveState,
    percentage: Percentage,
    #[serde(skip_serializing_if = "Option::is_none")]
    kill_key: Option<&'a str>,
    stages: Vec<StageView<'a>>,
    guardrails: Vec<GuardrailView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checklist: Option<ChecklistView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextView>,
    blocked: Vec<BlockerView>,
    commands: Vec<&'static str>,
    advance: Advance,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    freeze: &'a [crate::model::weekly::Weekly],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    after: &'a [Name],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    after_rollback: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    faults: Vec<&'a Noticed>,
    published: Published,
}

#[derive(Serialize)]
struct StageView<'a> {
    name: &'a Name,
    percentage: Percentage,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [Name],
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<crate::model::Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a Name>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    enter: &'a [crate::model::weekly::Weekly],
    gates: Vec<GateView>,
    checklist: Vec<ItemView<'a>>,
}

#[derive(Serialize)]
struct GateView {
    condition: String,
    verdict: &'static str,
    text: &'static str,
}

#[derive(Serialize)]
struct GuardrailView<'a> {
    when: String,
    then: String,
    severity: crate::model::plan::words::Severity,
    verdict: &'static str,
    text: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stages: &'a [Name],
}

#[derive(Serialize)]
struct ChecklistView<'a> {
    of: &'static str,
    items: Vec<ItemView<'a>>,
}

#[derive(Serialize)]
struct ItemView<'a> {
    item: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<ApprovedView<'a>>,
}

#[derive(Serialize)]
struct ApprovedView<'a> {
    by: &'a str,
    at: Instant,
}

#[derive(Serialize)]
struct HoldView {
    length_ms: u64,
    elapsed_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Instant>,
}

#[derive(Serialize)]
struct NextView {
    command: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentage: Option<Percentage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Instant>,
}

#[derive(Serialize)]
struct BlockerView {
    by: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Instant>,
}

#[derive(Serialize)]
struct Published {
    revision: u64,
    is_current: bool,
}

/// What nobody measures yet is inconclusive, and says so.
const UNMEASURED: &str = "not measured yet";

/// Shows a rollout.
pub fn rollout<'a>(deployment: &Deployment, rollout: &'a Rollout, now: Instant) -> RolloutView<'a> {
    let (plan, record) = (rollout.plan.as_ref(), &rollout.record);
    let outlook = deployment.outlook(rollout, now);
    RolloutView {
        key: &plan.key,
        description: plan.description.as_deref(),
        routes: &plan.routes,
        is_flag: plan.is_flag(),
        state: &record.live,
        percentage: effective(plan, record),
        kill_key: record.kill_key.as_deref(),
        stages: plan.stages.iter().map(|own| stage(record, own)).collect(),
        guardrails: plan.guardrails.iter().map(guardrail).collect(),
        checklist: record.checklist(plan).map(|of| ChecklistView { of: of.kind(), items: items(record, &of, of.items(plan)) }),
        hold: hold(plan, record, now),
        next: outlook.next.map(next),
        blocked: outlook.blocked.iter().map(blocker).collect(),
        commands: allowed(plan, record, now),
        advance: plan.advance,
        freeze: &plan.freeze,
        after: &plan.after,
        after_rollback: &plan.after_rollback,
        notes: &plan.notes,
        faults: rollout.fault.iter().collect(),
        published: Published { revision: rollout.published, is_current: rollout.is_published() },
    }
}

fn stage<'a>(record: &'a Record, stage: &'a Stage) -> StageView<'a> {
    let gate = |condition: &crate::model::condition::Condition| GateView { condition: condition.to_string(), verdict: Verdict::Inconclusive.as_str(), text: UNMEASURED };
    StageView {
        name: &stage.name,
        percentage: stage.percentage,
        groups: &stage.groups,
        hold: stage.hold,
        owner: stage.owner.as_ref(),
        enter: &stage.enter,
        gates: stage.gates.iter().map(gate).collect(),
        checklist: items(record, &Checklist::Stage(stage.name.clone()), &stage.checklist),
    }
}

fn guardrail(guardrail: &Guardrail) -> GuardrailView<'_> {
    GuardrailView {
        when: guardrail.when.to_string(),
        then: guardrail.then.to_string(),
        severity: guardrail.severity,
        verdict: Verdict::Inconclusive.as_str(),
        text: UNMEASURED,
        stages: &guardrail.stages,
    }
}

fn items<'a>(record: &'a Record, of: &Checklist, items: &'a [String]) -> Vec<ItemView<'a>> {
    let view = |item: &'a String| ItemView { item, approved: record.approval(of, item).map(|approval| ApprovedView { by: &approval.by, at: approval.at }) };
    items.iter().map(view).collect()
}

fn hold(plan: &Plan, record: &Record, now: Instant) -> Option<HoldView> {
    if !matches!(record.live.phase, Phase::Running | Phase::Paused) {
        return None;
    }
    let length = plan.stages.get(plan.stage_index(record.live.stage.as_str())?)?.hold?;
    let length_ms = i64::try_from(length.as_ms()).unwrap_or(i64::MAX);
    let elapsed_ms = record.held_since.map_or(0, |since| now.as_epoch_ms().saturating_sub(since.as_epoch_ms()));
    let until = record.held_since.map(|since| Instant::from_epoch_ms(since.as_epoch_ms().saturating_add(length_ms)));
    Some(HoldView { length_ms: length.as_ms(), elapsed_ms: elapsed_ms.clamp(0, length_ms), until })
}

fn next(next: Next) -> NextView {
    NextView { command: next.command.name(), stage: next.stage, percentage: next.percentage, at: next.at }
}

fn blocker(blocker: &Blocker) -> BlockerView {
    BlockerView { by: blocker.code(), text: blocker.to_string(), until: blocker.until() }
}

/// The commands that would be accepted now, found by trying each.
fn allowed(plan: &Plan, record: &Record, now: Instant) -> Vec<&'static str> {
    let open = record.checklist(plan).map(|of| record.open_items(&of, plan)).unwrap_or_default();
    let commands = [
        Command::Start,
        Command::Advance,
        Command::Set(Setting::percentage(record.live.percentage)),
        Command::Pause,
        Command::Resume(None),
        Command::Rollback(Target::Off),
        Command::Kill(Cause::Command),
        Command::Revive(Cause::Command),
        Command::Approve(open.into_iter().next().unwrap_or_default()),
        Command::Complete,
    ];
    commands.iter().filter(|command| transition(plan, record, command, "", now).is_ok()).map(Command::name).collect()
}

/// A rollout alone: a percentage needs neither groups nor others.
struct Alone;

impl Directory for Alone {
    fn group(&self, _: &Plan, _: &str) -> Option<usize> {
        None
    }

    fn rollout(&self, _: &str) -> Option<usize> {
        None
    }
}

/// The percentage that is in force: nobody while killed, not started or waiting.
pub fn effective(plan: &Plan, record: &Record) -> Percentage {
    match Standing::new(plan, Some(&record.live), false, record.is_waiting, &Alone).mode {
        Mode::Killed | Mode::Unknown | Mode::Inactive => Percentage::ZERO,
        Mode::Active => record.live.percentage,
        Mode::Completed => Percentage::FULL,
    }
}

/// How many subjects a change moves, and to which side.
#[derive(Debug, PartialEq, Serialize)]
pub struct Moves {
    from: Percentage,
    to: Percentage,
    direction: &'static str,
    share: Percentage,
    subjects: Option<u64>,
    basis: &'static str,
}

/// Compares what is in force before and after a change.
pub fn moves(plan: &Plan, before: &Record, after: &Record) -> Moves {
    let (from, to) = (effective(plan, before), effective(plan, after));
    let direction = match from.cmp(&to) {
        std::cmp::Ordering::Less => "new",
        std::cmp::Ordering::Greater => "legacy",
        std::cmp::Ordering::Equal => "none",
    };
    let share = Percentage::from_limit(from.limit().abs_diff(to.limit())).unwrap_or_default();
    Moves { from, to, direction, share, subjects: None, basis: "percentage" }
}
