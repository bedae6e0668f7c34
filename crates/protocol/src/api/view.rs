//! A rollout as the API shows it: where it stands, what happens next, what stands in its way, and
//! what may be asked of it now.

mod probes;
mod shadow;
mod signals;
pub mod timeline;

use std::fmt::Display;

use super::consequences::silent;
use super::moves::effective;
use super::shapes::{self, Reached, Text};
use crate::flush::HeldList;
use crate::reach::Reach;
use tidegate_decide::broke;
use tidegate_decide::deployment::Deployment;
use tidegate_decide::ends::Ends;
use tidegate_decide::explain::{self, ELSEWHERE, UNJUDGED, listed, sentence};
use tidegate_decide::judge::guard::{Handed, guardrail_key};
use tidegate_decide::judge::{Evaluation, Judge, Judgement};
use tidegate_decide::metrics::RolloutMetrics;
use tidegate_decide::offers::NotNow;
use tidegate_decide::reports::never_reported;
use tidegate_decide::rollout::{Noticed, Rollout};
use tidegate_decide::schedule::{Blocker, Next};
use tidegate_decide::transition::Refusal;
use tidegate_model::Instant;
use tidegate_model::Name;
use tidegate_model::command::UNCONDITIONAL;
use tidegate_model::condition::{Condition, Term};
use tidegate_model::fault::Explain as _;
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::plan::{Gate, Guardrail, Item, Mode, Plan, ProblemKind, Stage};
use tidegate_model::record::{Approval, Checklist, Record};

/// What there is to be shown.
pub struct Present<'a> {
    /// All rollouts, and what was measured of them.
    pub deployment: &'a Deployment,
    /// The faults that isolates report of their configurations.
    pub faults: &'a [Noticed],
    /// The lists of KV that isolates hold.
    pub lists: &'a [HeldList],
    /// What is wrong with channels, and what lacks a secret, by the rollouts whose plans have it.
    pub setup: &'a [(Name, Noticed)],
    /// How far kills have come.
    pub reaches: &'a [Reach],
    /// How many isolates have reported in the last minute.
    pub isolates: usize,
    /// The time.
    pub now: Instant,
}

/// Shows a rollout.
pub fn rollout(present: &Present<'_>, rollout: &Rollout) -> shapes::Rollout {
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
    let silent_names = never_reported(plan, metrics);
    let sources = metrics.map_or_else(Vec::new, |metrics| metrics.faults(plan, record, now));
    let reported = present.faults.iter().filter(|fault| is_about(plan, &fault.subject));
    let is_its_list = |list: &&HeldList| plan.groups.get(&list.group).is_some_and(|group| group.kv);
    let setup = present.setup.iter().filter(|(key, _)| *key == plan.key).map(|(_, fault)| fault);
    let setup: Vec<&Noticed> = setup.collect();
    // What lacks its secret gives no other reason for being silent.
    let sources = sources.iter().filter(|own| !setup.iter().any(|known| known.subject == own.subject));
    let reported = reported.chain(setup.iter().copied());
    // What broke before everybody was taken back is what it is about then.
    let is_back = record.live.killed || record.live.phase == Phase::RolledBack;
    let upto = if is_back { record.live.since } else { now };
    let broke = metrics.and_then(|metrics| broke::of(plan, record, metrics, upto));
    shapes::Rollout {
        key: (&plan.key).into(),
        description: plan.description.clone(),
        routes: plan.routes.iter().map(ToString::to_string).collect(),
        is_flag: plan.is_flag(),
        summary: explain::state(&record.live),
        state: state(&record.live),
        percentage: effective(plan, record).into(),
        kill_key: record.kill_key.clone(),
        stages: (0..).zip(&plan.stages).map(|(index, own)| stage(plan, record, (index, own), gates)).collect(),
        guardrails: plan
            .guardrails_in_force()
            .enumerate()
            .map(|(index, own)| {
                let observed_at = metrics.and_then(|metrics| metrics.judge.observed_at(&guardrail_key(index, own)));
                let judged = (judgements.get(index), observed_at);
                guardrail(own, index >= plan.guardrails.len(), judged)
            })
            .collect(),
        own_past: last.map_or_else(Vec::new, |evaluation| evaluation.own_past.iter().map(judgement).collect()),
        problems: problems(plan, last),
        what_broke: broke.iter().flat_map(explain::broke).collect(),
        broke,
        sample_ratio: evaluation.and_then(|evaluation| evaluation.sample_ratio.as_ref()).map(judgement),
        checklist: record
            .checklist(plan)
            .map(|of| shapes::Checklist { of: Text::word(of.kind()), items: items(record, &of, of.items(plan)) }),
        to_send: metrics.map_or_else(Vec::new, |metrics| to_send(plan, record, &metrics.judge)),
        versions: metrics.map_or_else(Vec::new, |metrics| versions(metrics, now)),
        hold: hold(plan, record, now),
        next: outlook.next.map(|own| next(own, &outlook.blocked)),
        blocked: outlook.blocked.iter().map(blocker).collect(),
        commands: offers.now.into_iter().map(Text::word).collect(),
        unconditional: UNCONDITIONAL.map(Text::word).to_vec(),
        not_now: offers.not_now.iter().map(not_now).collect(),
        reach: present.reaches.iter().find(|reach| record.live.killed && reach.key == plan.key).map(reach),
        advance: (&plan.advance).into(),
        freeze: texts(&deployment.in_force(rollout).freeze),
        after: texts(&plan.after),
        after_rollback: plan.after_rollback.iter().map(|item| item.text.clone()).collect(),
        notes: plan.notes.clone(),
        faults: rollout.unread.iter().chain(&rollout.fault).chain(reported).chain(sources).map(fault).collect(),
        signals: signals::signals(plan, metrics, now),
        receivers: signals::receivers(plan, metrics, now),
        probes: probes::probes(plan, metrics, record, now),
        shadow: shadow::shadow(plan, metrics, record),
        known: metrics
            .and_then(|metrics| explain::known_before(plan, record, &metrics.pasts))
            .map(|text| sentence(&text)),
        silence: silent(&silent_names, record.live.phase).map(|text| sentence(&text)),
        never_reported: silent_names.iter().map(ToString::to_string).collect(),
        lists: present.lists.iter().filter(is_its_list).map(list).collect(),
        published: shapes::Published { revision: rollout.published, is_current: rollout.is_published() },
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

/// The versions of new that answer now, where they are several.
fn versions(metrics: &RolloutMetrics, now: Instant) -> Vec<String> {
    let serving: Vec<String> = metrics.versions.serving(now).map(ToString::to_string).collect();
    if serving.len() > 1 { serving } else { Vec::new() }
}

/// Shows a live state.
pub fn state(live: &LiveState) -> shapes::State {
    shapes::State {
        revision: live.revision,
        plan: live.plan,
        attempt: live.attempt,
        phase: (&live.phase).into(),
        killed: live.killed,
        stage: (&live.stage).into(),
        percentage: live.percentage.into(),
        groups: texts(&live.groups),
        since: live.since.into(),
        ended: live.ended,
        version: live.version.as_ref().map(ToString::to_string),
        reached: live.reached.map(|own| Reached { percentage: own.percentage.into(), from: own.from.into() }),
        kv: live.kv.as_ref().map(|kv| shapes::Adopted { text: kv.text.clone(), at: kv.at.into() }),
    }
}

/// Shows a fault of a configuration.
pub fn fault(fault: &Noticed) -> shapes::ConfigFault {
    shapes::ConfigFault { subject: fault.subject.clone(), message: fault.message.clone(), at: fault.at.into() }
}

/// Shows how far a kill has come.
pub fn reach(reach: &Reach) -> shapes::Reach {
    let Reach { revision, isolates, behind, quiet_ms, .. } = *reach;
    let text = explain::kill_reach(isolates, behind, quiet_ms.unwrap_or_default());
    shapes::Reach { revision, isolates, behind, quiet_ms: quiet_ms.and_then(|ms| u64::try_from(ms).ok()), text }
}

fn list(list: &HeldList) -> shapes::HeldList {
    shapes::HeldList {
        group: list.group.as_str().into(),
        ids: list.ids.clone(),
        text: explain::held_list(&list.group, &list.ids),
    }
}

/// Shows what keeps the schedule from going on.
pub fn blocker(blocker: &Blocker) -> shapes::Blocker {
    shapes::Blocker {
        by: Text::word(blocker.code()),
        text: blocker.to_string(),
        until: blocker.until().into(),
        is_state: blocker.is_state(),
    }
}

/// Shows why a command is not possible.
fn not_now(own: &NotNow) -> shapes::NotNow {
    let first = own.refusals.first();
    shapes::NotNow {
        command: Text::word(own.command),
        refusal: Text::word(first.map_or("", Refusal::code)),
        reason: own.reason(),
        help: first.and_then(Refusal::help),
        at: own.at.into(),
        waits: own.is_waited_for(),
        confirmable: own.is_confirmable(),
    }
}

/// Shows what a completion ends.
pub fn ends(ends: &[Ends]) -> Vec<shapes::Ends> {
    ends.iter().map(|own| shapes::Ends { what: Text::word(own.code()), text: own.to_string() }).collect()
}

fn texts<T: Display>(values: &[T]) -> Vec<Text<T>> {
    values.iter().map(Text::from).collect()
}

fn stage(plan: &Plan, record: &Record, (index, stage): (usize, &Stage), judgements: &[Judgement]) -> shapes::StageView {
    let is_current = record.live.stage == stage.name;
    let gate = |(index, gate): (usize, &Gate)| {
        let own = judgements.get(index).filter(|_| is_current);
        let let_through = own.is_some_and(Judgement::is_let_through);
        let judged = own.map(judgement);
        let unjudged = if is_current { UNJUDGED } else { ELSEWHERE };
        let shapes::Judgement { verdict, since, text, figures } = judged.unwrap_or_else(|| open(unjudged));
        let built_in = index >= stage.gates.len();
        let (condition, terms) = (gate.to_string(), terms(&gate.when));
        shapes::Gate { condition, terms, verdict, text, since, figures, built_in, let_through }
    };
    shapes::StageView {
        name: (&stage.name).into(),
        percentage: stage.percentage.into(),
        groups: texts(&stage.groups),
        hold: stage.hold.as_ref().map(Text::from),
        deadline: stage.deadline.as_ref().map(Text::from),
        owner: stage.owner.as_ref().map(Text::from),
        enter: texts(&stage.enter),
        not_before: stage.not_before.into(),
        gates: plan.gates_in_force(index).enumerate().map(gate).collect(),
        checklist: items(record, &Checklist::Stage(stage.name.clone()), &stage.checklist),
        skipped: record.has_skipped(plan, index),
    }
}

fn problems(plan: &Plan, last: Option<&Evaluation>) -> Vec<shapes::ProblemState> {
    let found = last.map_or(&[][..], |last| &last.problems);
    let view = |kind: ProblemKind| {
        let own = found.iter().find(|own| own.kind == kind);
        shapes::ProblemState {
            on: (&kind).into(),
            what: kind.what().to_owned(),
            then: (&plan.response(kind)).into(),
            is_found: own.is_some(),
            text: own.map_or_else(String::new, |own| sentence(&own.text)),
            since: own.map(|own| own.since).into(),
        }
    };
    ProblemKind::ALL.map(view).to_vec()
}

fn guardrail(
    guardrail: &Guardrail,
    built_in: bool,
    (judged, observed_at): (Option<&Judgement>, Option<Instant>),
) -> shapes::Guardrail {
    let then = guardrail.then.to_string();
    let acts = if guardrail.mode == Mode::Observe { explain::would_have(&then) } else { explain::acts(&then) };
    let shapes::Judgement { verdict, since, text, figures } = judged.map_or_else(|| open(UNJUDGED), judgement);
    shapes::Guardrail {
        when: guardrail.when.to_string(),
        terms: terms(&guardrail.when),
        after: guardrail.after.as_ref().map(Text::from),
        then,
        acts,
        mode: (&guardrail.mode).into(),
        observed_at: observed_at.into(),
        severity: (&guardrail.severity).into(),
        verdict,
        text,
        since,
        figures,
        stages: texts(&guardrail.stages),
        built_in,
    }
}

fn terms(condition: &Condition) -> Vec<shapes::Term> {
    let term = |own: &Term| shapes::Term {
        metric: own.metric_at_endpoint(),
        bound: (!own.bound.is_legacy()).then(|| own.bound.figure()),
    };
    condition.terms.iter().map(term).collect()
}

fn judgement(own: &Judgement) -> shapes::Judgement {
    let Judgement { verdict, since, text, figures } = own.clone();
    shapes::Judgement { verdict, since: since.into(), text, figures }
}

/// No verdict, for this reason.
fn open(why: &str) -> shapes::Judgement {
    shapes::Judgement { text: why.to_owned(), ..shapes::Judgement::default() }
}

fn items(record: &Record, of: &Checklist, items: &[Item]) -> Vec<shapes::Item> {
    let approved = |own: &Approval| shapes::Approved { by: own.by.clone(), at: own.at.into() };
    let view = |item: &Item| shapes::Item {
        item: item.text.clone(),
        approved: record.approval(of, item).map(approved),
        approvals: if item.approvals > 1 {
            record.approvals(of, &item.text).map(approved).collect()
        } else {
            Vec::new()
        },
        needed: (item.approvals > 1).then_some(item.approvals),
        owner: item.owner.clone(),
        role: item.role.as_ref().map(Text::from),
        due: item.due.as_ref().map(ToString::to_string),
        note: item.note.clone(),
        link: item.link.as_ref().map(ToString::to_string),
    };
    items.iter().map(view).collect()
}

fn to_send(plan: &Plan, record: &Record, judge: &Judge) -> Vec<shapes::Item> {
    let view = |own: Handed<'_>| shapes::Item {
        item: own.item,
        approved: own.sent.map(|sent| shapes::Approved { by: sent.by.clone(), at: sent.at.into() }),
        ..shapes::Item::default()
    };
    judge.handed(plan, record).map(view).collect()
}

fn hold(plan: &Plan, record: &Record, now: Instant) -> Option<shapes::Hold> {
    if !matches!(record.live.phase, Phase::Running | Phase::Paused) {
        return None;
    }
    let length = plan.stages.get(plan.stage_index(record.live.stage.as_str())?)?.hold?;
    let elapsed_ms = record.held_since.map_or(0, |since| now.ms_since(since));
    let elapsed_ms = u64::try_from(elapsed_ms).unwrap_or_default().min(length.as_ms());
    let until = record.held_since.map(|since| since.plus(length));
    Some(shapes::Hold { length_ms: length.as_ms(), elapsed_ms, until: until.into() })
}

fn next(next: Next, blocked: &[Blocker]) -> shapes::Next {
    let conditions: Vec<String> = blocked.iter().filter_map(Blocker::condition).collect();
    let earliest = blocked.iter().filter_map(Blocker::until).max().filter(|_| next.at.is_none());
    shapes::Next {
        command: Text::word(next.command.name()),
        text: explain::step(next.command.name(), next.stage.as_ref(), next.percentage),
        stage: next.stage.as_ref().map(Text::from),
        percentage: next.percentage.map(Into::into),
        at: next.at.into(),
        earliest: earliest.into(),
        condition: (!conditions.is_empty()).then(|| listed(&conditions)),
    }
}
