//! What is wrong with what a rollout relies on: its configuration, its sources, its traffic, its split.

use super::Facts;
use super::standing::Standing;
use super::watch::reached;
use super::words::{self, Words};
use crate::explain;
use crate::judge::{Evaluation, Verdict};
use crate::metrics::RolloutMetrics;
use crate::problems::{self, Silence, SilentSignal};
use tidegate_model::live::Phase;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::{Plan, ProblemKind, Response};

pub(super) fn faults(words: &Words<'_>, metrics: &RolloutMetrics, facts: &Facts) -> Vec<Standing> {
    let rollout = words.rollout;
    let mut standing: Vec<Standing> = Vec::new();
    // Before the start nobody relies on a source.
    let of_sources = match rollout.record.live.phase {
        Phase::Draft => Vec::new(),
        _ => metrics.faults(words.plan(), &rollout.record, words.now),
    };
    for fault in facts.faults.iter().chain(&rollout.fault).chain(&rollout.unread).chain(&of_sources) {
        let what = format!("fault {}", fault.subject);
        let is_shown = is_config(&fault.subject) && !words.plan().response(ProblemKind::ConfigFault).notifies();
        if is_shown || standing.iter().any(|own| own.what == what) {
            continue;
        }
        let (trouble, action) = words::trouble(&fault.subject);
        let headline = format!("{}: {trouble}", words.key());
        let command =
            if fault.subject.starts_with("channel/") { "outbox".to_owned() } else { format!("status {}", words.key()) };
        let notification = Notification {
            why: explain::sentence(&fault.message),
            command: Some(format!("tidegate {command}")),
            ..words.message(NotificationKind::Fault, Urgency::Warning, &headline, Some(action.to_owned()))
        };
        standing.push(Standing {
            what,
            after_ms: patience_ms(words.plan(), metrics, &fault.subject),
            again_ms: None,
            title: Some(trouble),
            channels: reached(words, &[], Urgency::Warning),
            notification,
        });
    }
    standing
}

/// Whether a fault is about what KV holds, and not about what others send.
fn is_config(subject: &str) -> bool {
    matches!(subject.split_once('/').map(|(kind, _)| kind), Some("stage" | "kill" | "group" | "identity"))
}

/// How long a fault has to last before it is reported. A receiver that has never got anything has its time.
fn patience_ms(plan: &Plan, metrics: &RolloutMetrics, subject: &str) -> i64 {
    let Some(name) = subject.strip_prefix("receiver/") else { return 0 };
    let has_sent = metrics.sources.receiver(name).is_some_and(|state| state.last_at.is_some());
    let heartbeat = plan.receivers.get(name).and_then(|receiver| receiver.heartbeat).filter(|_| !has_sent);
    heartbeat.map_or(0, |heartbeat| i64::try_from(heartbeat.as_ms()).unwrap_or(i64::MAX))
}

pub(super) fn sample_ratio(words: &Words<'_>, evaluation: &Evaluation) -> Option<Standing> {
    let judgement = evaluation.sample_ratio.as_ref().filter(|own| own.verdict == Verdict::Fail)?;
    let what = format!("{}: users are not split as the percentage says", words.key());
    let action = "Find the cause: until then no comparison of both sides can be trusted.".to_owned();
    let notification = Notification {
        why: format!("{}{}", explain::sentence(&judgement.text), responds(words.plan(), ProblemKind::Srm)),
        command: Some(format!("tidegate rollback {}", words.key())),
        ..words.message(NotificationKind::Alert, Urgency::Warning, &what, Some(action))
    };
    Some(Standing {
        what: format!("sample_ratio {}", words.rollout.record.exposed_revision),
        after_ms: 0,
        again_ms: None,
        title: None,
        channels: reached(words, &[], Urgency::Warning),
        notification,
    })
}

/// The signals that conditions use and that were reported once, and are not any more.
pub(super) fn silent_signals(words: &Words<'_>, metrics: &RolloutMetrics, known: &[Standing]) -> Vec<Standing> {
    let mut silent = Vec::new();
    for SilentSignal { name, last, limit } in problems::silent_signals(words.plan(), metrics, words.now) {
        // Whoever pulls it says more about it.
        let what = format!("fault signal/{name}");
        if known.iter().any(|own| own.what == what) {
            continue;
        }
        let headline = format!("{}: the signal {name} has gone silent", words.key());
        let notification = Notification {
            why: format!(
                "It was last reported at {} and counts for {limit}; conditions that use it can neither pass nor act until it comes again.{}",
                last.to_words(),
                responds(words.plan(), ProblemKind::MeasuringStopped)
            ),
            command: Some(format!("tidegate status {}", words.key())),
            ..words.message(
                NotificationKind::Fault,
                Urgency::Warning,
                &headline,
                Some("Mend what reports it.".to_owned()),
            )
        };
        silent.push(Standing {
            what,
            after_ms: 0,
            again_ms: None,
            title: Some(format!("the silence of the signal {name}")),
            channels: reached(words, &[], Urgency::Warning),
            notification,
        });
    }
    silent
}

/// What a plan itself has done about a problem, as a further sentence.
fn responds(plan: &Plan, kind: ProblemKind) -> String {
    let acts = plan.own_response(kind).and_then(Response::acts);
    acts.map_or_else(String::new, |acts| format!(" The plan has Tidegate act on it: it {acts}."))
}

/// What else was found at the last look that has no message otherwise.
pub(super) fn found(words: &Words<'_>, metrics: &RolloutMetrics) -> Vec<Standing> {
    let record = &words.rollout.record;
    let last = metrics.last.as_ref().filter(|last| last.revision >= record.begun_revision);
    let all = last.map_or(&[][..], |last| &last.problems).iter().filter(|own| own.then.notifies());
    all.filter_map(|own| {
        let (what, action) = match own.kind {
            ProblemKind::LowTraffic => ("too little traffic on new", "Give it more time, or a larger percentage."),
            ProblemKind::IdentityMixed => ("one browser gets both sides", "Check where the plan takes ids from."),
            // Silent signals have messages of their own.
            ProblemKind::MeasuringStopped if problems::silent_signals(words.plan(), metrics, words.now).is_empty() => {
                ("pages report nothing any more", "Check that new's pages load the beacon.")
            }
            _ => return None,
        };
        let notification = Notification {
            why: format!("{}{}", explain::sentence(&own.text), responds(words.plan(), own.kind)),
            command: Some(format!("tidegate status {}", words.key())),
            ..words.message(
                NotificationKind::Fault,
                Urgency::Warning,
                &format!("{}: {what}", words.key()),
                Some(action.to_owned()),
            )
        };
        Some(Standing {
            what: format!("problem {}", own.kind),
            after_ms: 0,
            again_ms: None,
            title: Some(what.to_owned()),
            channels: reached(words, &[], Urgency::Warning),
            notification,
        })
    })
    .collect()
}

/// No requests at all, where many came before; or none on new, where legacy has many.
pub(super) fn no_traffic(words: &Words<'_>, metrics: &RolloutMetrics) -> Option<Standing> {
    let record = &words.rollout.record;
    if record.is_waiting {
        return None;
    }
    let Silence { of: what, why } = problems::no_traffic(record, metrics, words.now)?;
    let at = if what == "traffic" { "" } else { " at new" };
    let headline = format!("{}: no requests arrive{at}", words.key());
    let why = format!("{why}{}", responds(words.plan(), ProblemKind::NoTraffic));
    let notification = Notification {
        why,
        command: Some(format!("tidegate rollback {}", words.key())),
        ..words.message(
            NotificationKind::Fault,
            Urgency::Warning,
            &headline,
            Some("Check the routes and whatever stands before Tidegate.".to_owned()),
        )
    };
    Some(Standing {
        what: what.to_owned(),
        after_ms: 0,
        again_ms: None,
        title: Some(format!("no {what}")),
        channels: reached(words, &[], Urgency::Warning),
        notification,
    })
}
