//! The figures at an hour of the day. An hour that passed while nothing ran is made up for, once.

use super::memory::Memory;
use super::words::Words;
use super::{Outgoing, address};
use crate::explain;
use crate::judge::words::count;
use crate::judge::{Evaluation, Verdict};
use crate::metrics::RolloutMetrics;
use crate::rollout::Rollout;
use tidegate_model::Instant;
use tidegate_model::figure::Unit;
use tidegate_model::live::Phase;
use tidegate_model::minute::DAY_MINUTES;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::variant::Variant;

/// Whether digests are sent: from the start to the end.
fn is_under_way(rollout: &Rollout) -> bool {
    let live = &rollout.record.live;
    live.phase != Phase::Draft && !live.has_ended()
}

/// The digests that have become due since they were last looked for.
pub(super) fn messages(words: &Words<'_>, metrics: &RolloutMetrics, memory: &mut Memory) -> Vec<Outgoing> {
    let (plan, now) = (words.plan(), words.now);
    if plan.digests.is_empty() {
        return Vec::new();
    }
    if !is_under_way(words.rollout) {
        memory.is_changed |= memory.digested.take().is_some();
        return Vec::new();
    }
    let Some(looked) = memory.digested else {
        (memory.digested, memory.is_changed) = (Some(now), true);
        return Vec::new();
    };
    let mut outgoing = Vec::new();
    for digest in &plan.digests {
        let due = digest.at.iter().filter_map(|at| at.last(now)).max().filter(|due| *due > looked);
        let Some(due) = due else { continue };
        let channels = address::resolve(plan, &digest.to, Urgency::Info, now);
        let mut notification = digest_at(words, metrics.last.as_ref(), due);
        notification.figures.insert(0, traffic(metrics, now));
        outgoing.push(Outgoing { channels, notification });
    }
    if !outgoing.is_empty() {
        (memory.digested, memory.is_changed) = (Some(now), true);
    }
    outgoing
}

/// When the next digest is due.
pub(super) fn due_at(rollout: &Rollout, memory: Option<&Memory>, now: Instant) -> Option<Instant> {
    if !is_under_way(rollout) {
        return None;
    }
    let looked = memory.and_then(|memory| memory.digested).unwrap_or(now);
    rollout.plan.digests.iter().flat_map(|digest| &digest.at).filter_map(|at| at.next(looked)).min()
}

/// The requests of the last day, on both sides.
fn traffic(metrics: &RolloutMetrics, now: Instant) -> String {
    let from = now.minute() - DAY_MINUTES;
    let windows = || metrics.series.iter().filter(|window| window.minute >= from);
    let of = |variant: Variant| {
        let tallies = windows().filter_map(|window| window.tally(variant, None));
        let (requests, errors) =
            tallies.fold((0, 0), |(requests, errors), own| (requests + own.requests, errors + own.errors));
        if requests == 0 {
            return "none".to_owned();
        }
        let share = errors as f64 / requests as f64;
        format!("{} ({} errors)", count(requests as f64), explain::amount(Unit::Share, share))
    };
    format!("Requests in the last 24 hours: {} to new, {} to legacy.", of(Variant::New), of(Variant::Legacy))
}

fn digest_at(words: &Words<'_>, evaluation: Option<&Evaluation>, due: Instant) -> Notification {
    let live = &words.rollout.record.live;
    let phase = if live.killed { "killed".to_owned() } else { live.phase.to_string().replace('_', " ") };
    let (gates, guardrails) =
        evaluation.map_or((&[][..], &[][..]), |own| (own.gates.as_slice(), own.guardrails.as_slice()));
    let failing = guardrails.iter().filter(|own| own.verdict == Verdict::Fail).count();
    let what = format!("{}: {phase} at {}", words.key(), words.place());
    let action = (failing > 0).then(|| match failing {
        1 => "1 guardrail is true: look at it.".to_owned(),
        failing => format!("{failing} guardrails are true: look at them."),
    });
    let word = if guardrails.len() == 1 { "guardrail" } else { "guardrails" };
    let verb = if failing == 1 { "is" } else { "are" };
    let why = format!("{}; {failing} of {} {word} {verb} true.", explain::gates(gates), guardrails.len());
    let why = explain::sentence(&why);
    let figures = gates.iter().map(|gate| explain::sentence(&gate.text)).collect();
    Notification {
        at: due,
        why,
        figures,
        command: Some(format!("tidegate rollback {}", words.key())),
        revision: Some(live.revision),
        ..words.message(NotificationKind::Digest, Urgency::Info, &what, action)
    }
}
