//! A rollout as the API shows it: where it stands, what happens next, what stands in its way, and
//! what may be asked of it now.

mod signals;

use std::borrow::Cow;

use serde::Serialize;

use self::signals::{ReceiverView, SignalView};
use super::consequences::silent;
use super::moves::effective;
use super::ways::{BlockerView, NotNowView, blocker, not_now};
use crate::flush::HeldList;
use crate::reach::Reach;
use tidegate_decide::deployment::Deployment;
use tidegate_decide::explain::{ELSEWHERE, UNJUDGED, listed, sentence};
use tidegate_decide::judge::guard::Handed;
use tidegate_decide::judge::{Figure, Judge, Judgement, Verdict};
use tidegate_decide::reports::{Reported, never_reported};
use tidegate_decide::rollout::{Noticed, Rollout};
use tidegate_decide::schedule::{Blocker, Next};
use tidegate_decide::sources::faults;
use tidegate_model::command::UNCONDITIONAL;
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::plan::{Advance, Gate, Guardrail, Plan, Stage};
use tidegate_model::record::{Checklist, Record};
use tidegate_model::{Duration, Instant, Name, Percentage};

/// What there is to be shown.
pub struct Present<'a> {
    /// All rollouts, and what was measured of them.
    pub deployment: &'a Deployment,
    /// The faults that isolates report of their configurations.
    pub faults: &'a [Noticed],
    /// The lists of KV that isolates hold.
    pub lists: &'a [HeldList],
    /// What is wrong with channels, by the rollouts whose plans have them.
    pub channels: &'a [(Name, Noticed)],
    /// How far kills have come.
    pub reaches: &'a [Reach],
    /// How many isolates were heard in the last minute.
    pub isolates: usize,
    /// The time.
    pub now: Instant,
}

/// A rollout.
#[derive(Serialize)]
pub struct RolloutView<'a> {
    key: &'a Name,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    routes: &'a [tidegate_model::route::Route],
    is_flag: bool,
    state: &'a LiveState,
    percentage: Percentage,
    #[serde(skip_serializing_if = "Option::is_none")]
    kill_key: Option<&'a str>,
    stages: Vec<StageView<'a>>,
    guardrails: Vec<GuardrailView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_ratio: Option<&'a Judgement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checklist: Option<ChecklistView<'a>>,
    /// The messages that people were handed to send.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    to_send: Vec<ItemView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<HoldView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextView>,
    blocked: Vec<BlockerView>,
    commands: Vec<&'static str>,
    /// The commands that may be sent without the revision that they were decided on.
    unconditional: Vec<&'static str>,
    not_now: Vec<NotNowView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
    advance: Advance,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    freeze: &'a [tidegate_model::weekly::Weekly],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    after: &'a [Name],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    after_rollback: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    faults: Vec<Cow<'a, Noticed>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signals: Vec<SignalView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    receivers: Vec<ReceiverView<'a>>,
    /// What conditions rely on, and nobody has ever reported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    never_reported: Vec<Reported>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    silence: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lists: Vec<&'a HeldList>,
    published: Published,
}

#[derive(Serialize)]
struct StageView<'a> {
    name: &'a Name,
    percentage: Percentage,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [Name],
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<tidegate_model::Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a Name>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    enter: &'a [tidegate_model::weekly::Weekly],
    gates: Vec<GateView<'a>>,
    checklist: Vec<ItemView<'a>>,
}

#[derive(Serialize)]
struct GateView<'a> {
    condition: String,
    verdict: Verdict,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Instant>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    figures: &'a [Figure],
    /// Whether it is in force without being in the plan.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    built_in: bool,
}

#[derive(Serialize)]
struct GuardrailView<'a> {
    when: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Duration>,
    then: String,
    severity: tidegate_model::plan::words::Severity,
    verdict: Verdict,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Instant>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    figures: &'a [Figure],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stages: &'a [Name],
    /// Whether it is in force without being in the plan.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    built_in: bool,
}

#[derive(Serialize)]
struct ChecklistView<'a> {
    of: &'static str,
    items: Vec<ItemView<'a>>,
}

#[derive(Serialize)]
struct ItemView<'a> {
    item: Cow<'a, str>,
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
    /// When, where the time alone stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Instant>,
    /// When at the earliest, where `condition` has to be met as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest: Option<Instant>,
    /// What has to be met beside the time: `2 gates pass and 1 item is approved`.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
}

#[derive(Serialize)]
struct Published {
    revision: u64,
    is_current: bool,
}

/// Shows a rollout.
pub fn rollout<'a>(present: &Present<'a>, rollout: &'a Rollout) -> RolloutView<'a> {
    let &Present { deployment, now, .. } = present;
    let (plan, record) = (rollout.plan.as_ref(), &rollout.record);
    let outlook = deployment.outlook(rollout, now);
    let offers = deployment.offers(rollout, now);
    let evaluation = deployment.look_at(rollout);
    // Guardrails go on from stage to stage.
    let last = deployment
        .metrics
        .get(&plan.key)
        .and_then(|metrics| metrics.last.as_ref())
        .filter(|evaluation| evaluation.revision >= record.begun_revision);
    let gates = evaluation.map_or(&[][..], |evaluation| &evaluation.gates);
    let judgements = last.map_or(&[][..], |evaluation| &evaluation.guardrails);
    let metrics = deployment.metrics.get(&plan.key);
    let sources = metrics.map_or_else(Vec::new, |metrics| faults(plan, &metrics.sources, &metrics.signals, now));
    let silent_names = never_reported(plan, deployment.metrics.get(&plan.key));
    let reported = present.faults.iter().filter(|fault| is_about(plan, &fault.subject));
    let channels = present.channels.iter().filter(|(key, _)| *key == plan.key).map(|(_, fault)| fault);
    RolloutView {
        key: &plan.key,
        description: plan.description.as_deref(),
        routes: &plan.routes,
        is_flag: plan.is_flag(),
        state: &record.live,
        percentage: effective(plan, record),
        kill_key: record.kill_key.as_deref(),
        stages: plan.stages.iter().enumerate().map(|(index, own)| stage(plan, record, (index, own), gates)).collect(),
        guardrails: plan
            .guardrails_in_force()
            .enumerate()
            .map(|(index, own)| guardrail(own, index >= plan.guardrails.len(), judgements.get(index)))
            .collect(),
        sample_ratio: evaluation.and_then(|evaluation| evaluation.sample_ratio.as_ref()),
        checklist: record
            .checklist(plan)
            .map(|of| ChecklistView { of: of.kind(), items: items(record, &of, of.items(plan)) }),
        to_send: metrics.map_or_else(Vec::new, |metrics| to_send(plan, record, &metrics.judge)),
        hold: hold(plan, record, now),
        next: outlook.next.map(|own| next(own, &outlook.blocked)),
        blocked: outlook.blocked.iter().map(blocker).collect(),
        commands: offers.now,
        unconditional: UNCONDITIONAL.to_vec(),
        not_now: offers.not_now.iter().map(not_now).collect(),
        reach: present.reaches.iter().find(|reach| record.live.killed && reach.key == plan.key).cloned(),
        advance: plan.advance,
        freeze: &plan.freeze,
        after: &plan.after,
        after_rollback: &plan.after_rollback,
        notes: &plan.notes,
        faults: rollout
            .unread
            .iter()
            .chain(&rollout.fault)
            .chain(reported)
            .chain(channels)
            .map(Cow::Borrowed)
            .chain(sources.into_iter().map(Cow::Owned))
            .collect(),
        signals: signals::signals(plan, metrics, now),
        receivers: signals::receivers(plan, metrics, now),
        silence: silent(&silent_names, record.live.phase).map(|text| sentence(&text)),
        never_reported: silent_names,
        lists: present.lists.iter().filter(|list| plan.groups.get(&list.group).is_some_and(|group| group.kv)).collect(),
        published: Published { revision: rollout.published, is_current: rollout.is_published() },
    }
}

impl RolloutView<'_> {
    /// The same just after it was killed: none of so many isolates has told that it knows.
    pub fn begin_reach(&mut self, isolates: usize) {
        self.reach = Some(Reach::begun(self.key, self.state.revision, isolates));
    }
}

/// Whether a KV key, or `identity/KEY`, is one that a rollout alone depends on, or its groups: its state, its kill switch.
pub fn is_about(plan: &Plan, subject: &str) -> bool {
    match subject.split_once('/') {
        Some(("stage" | "kill" | "identity", key)) => key == plan.key.as_str(),
        Some(("group", name)) => plan.groups.get(name).is_some_and(|group| group.kv),
        _ => false,
    }
}

fn stage<'a>(
    plan: &'a Plan,
    record: &'a Record,
    (index, stage): (usize, &'a Stage),
    judgements: &'a [Judgement],
) -> StageView<'a> {
    let is_current = record.live.stage == stage.name;
    let gate = |(index, gate): (usize, &Gate)| {
        let judgement = judgements.get(index).filter(|_| is_current);
        GateView {
            condition: gate.to_string(),
            built_in: index >= stage.gates.len(),
            verdict: judgement.map_or(Verdict::Inconclusive, |own| own.verdict),
            text: judgement.map_or(if is_current { UNJUDGED } else { ELSEWHERE }, |own| &own.text),
            since: judgement.and_then(|own| own.since),
            figures: judgement.map_or(&[], |own| &own.figures),
        }
    };
    StageView {
        name: &stage.name,
        percentage: stage.percentage,
        groups: &stage.groups,
        hold: stage.hold,
        owner: stage.owner.as_ref(),
        enter: &stage.enter,
        gates: plan.gates_in_force(index).enumerate().map(gate).collect(),
        checklist: items(record, &Checklist::Stage(stage.name.clone()), &stage.checklist),
    }
}

fn guardrail<'a>(guardrail: &'a Guardrail, built_in: bool, judgement: Option<&'a Judgement>) -> GuardrailView<'a> {
    GuardrailView {
        when: guardrail.when.to_string(),
        after: guardrail.after,
        then: guardrail.then.to_string(),
        severity: guardrail.severity,
        verdict: judgement.map_or(Verdict::Inconclusive, |own| own.verdict),
        text: judgement.map_or(UNJUDGED, |own| &own.text),
        since: judgement.and_then(|own| own.since),
        figures: judgement.map_or(&[], |own| &own.figures),
        stages: &guardrail.stages,
        built_in,
    }
}

fn items<'a>(record: &'a Record, of: &Checklist, items: &'a [String]) -> Vec<ItemView<'a>> {
    let view = |item: &'a String| ItemView {
        item: Cow::Borrowed(item),
        approved: record.approval(of, item).map(|approval| ApprovedView { by: &approval.by, at: approval.at }),
    };
    items.iter().map(view).collect()
}

fn to_send<'a>(plan: &'a Plan, record: &'a Record, judge: &'a Judge) -> Vec<ItemView<'a>> {
    let view = |own: Handed<'a>| ItemView {
        item: Cow::Owned(own.item),
        approved: own.sent.map(|sent| ApprovedView { by: &sent.by, at: sent.at }),
    };
    judge.handed(plan, record).map(view).collect()
}

fn hold(plan: &Plan, record: &Record, now: Instant) -> Option<HoldView> {
    if !matches!(record.live.phase, Phase::Running | Phase::Paused) {
        return None;
    }
    let length = plan.stages.get(plan.stage_index(record.live.stage.as_str())?)?.hold?;
    let length_ms = i64::try_from(length.as_ms()).unwrap_or(i64::MAX);
    let elapsed_ms = record.held_since.map_or(0, |since| now.as_epoch_ms().saturating_sub(since.as_epoch_ms()));
    let until = record.held_since.map(|since| since.plus(length));
    Some(HoldView { length_ms: length.as_ms(), elapsed_ms: elapsed_ms.clamp(0, length_ms), until })
}

fn next(next: Next, blocked: &[Blocker]) -> NextView {
    let conditions: Vec<String> = blocked.iter().filter_map(Blocker::condition).collect();
    NextView {
        command: next.command.name(),
        stage: next.stage,
        percentage: next.percentage,
        at: next.at,
        earliest: blocked.iter().filter_map(Blocker::until).max().filter(|_| next.at.is_none()),
        condition: (!conditions.is_empty()).then(|| listed(&conditions)),
    }
}
