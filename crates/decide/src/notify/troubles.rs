//! What is wrong with what a rollout relies on: its configuration, its sources, its traffic, its split.

use super::Facts;
use super::standing::Standing;
use super::watch::reached;
use super::words::{self, Words};
use crate::explain;
use crate::judge::words::count;
use crate::judge::{Evaluation, Verdict};
use crate::metrics::RolloutMetrics;
use crate::series::{Series, minute_of};
use tidegate_model::condition::Metric;
use tidegate_model::live::Phase;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::Plan;
use tidegate_model::plan::signal::FRESH_DEFAULT;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::variant::Variant;
use tidegate_model::{Name, Percentage};

/// No request for this long is reported, where so many came in the hour before that chance does not explain it.
const SILENCE_MS: i64 = 15 * 60_000;
/// At this rate chance leaves a quarter of an hour empty once in 10^10 times.
const REQUESTS_AN_HOUR_MIN: f64 = 100.0;

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
        if standing.iter().any(|own| own.what == what) {
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
        why: explain::sentence(&judgement.text),
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

/// The rates of new that are not what they were, where nobody is on legacy.
pub(super) fn own_past(words: &Words<'_>, evaluation: &Evaluation) -> Vec<Standing> {
    let changed = evaluation.own_past.iter().filter(|own| own.verdict == Verdict::Fail);
    let standing = changed.filter_map(|judgement| {
        let metric = &judgement.figures.first()?.metric;
        let what = format!("{}: {metric} is higher than is usual at this time of day", words.key());
        let action = "Look at what was deployed or has changed since; nothing is rolled back for this.".to_owned();
        let notification = Notification {
            why: explain::sentence(&judgement.text),
            command: Some(format!("tidegate status {}", words.key())),
            ..words.message(NotificationKind::Alert, Urgency::Warning, &what, Some(action))
        };
        Some(Standing {
            what: format!("own_past {metric}"),
            after_ms: 0,
            again_ms: None,
            title: Some(format!("{metric} higher than usual")),
            channels: reached(words, &[], Urgency::Warning),
            notification,
        })
    });
    standing.collect()
}

/// The signals that conditions use and that were reported once, and are not any more.
pub(super) fn silent_signals(words: &Words<'_>, metrics: &RolloutMetrics, known: &[Standing]) -> Vec<Standing> {
    let plan = words.plan();
    let mut silent = Vec::new();
    for (name, signal) in plan.signals.0.iter().filter(|(name, _)| is_used(plan, name)) {
        let limit = match signal.kind {
            SignalKind::Count => signal.heartbeat,
            SignalKind::Gauge => Some(signal.fresh.unwrap_or(FRESH_DEFAULT)),
        };
        let last = metrics.signals.last(name.as_str()).map(|(at, _)| at);
        let (Some(limit), Some(last)) = (limit, last) else { continue };
        // Whoever pulls it says more about it.
        let what = format!("fault signal/{name}");
        if last.plus(limit) >= words.now || known.iter().any(|own| own.what == what) {
            continue;
        }
        let headline = format!("{}: the signal {name} has gone silent", words.key());
        let notification = Notification {
            why: format!(
                "It was last reported at {} and counts for {limit}; conditions that use it can neither pass nor act until it comes again.",
                last.to_words()
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

fn is_used(plan: &Plan, name: &Name) -> bool {
    let guardrails = plan.guardrails.iter().map(|own| &own.when);
    let gates = plan.stages.iter().flat_map(|stage| &stage.gates).map(|own| &own.when);
    guardrails
        .chain(gates)
        .flat_map(|own| &own.terms)
        .any(|term| matches!(&term.metric, Metric::Signal(own) if own == name))
}

/// No requests at all, where many came before; or none on new, where legacy has many.
pub(super) fn no_traffic(words: &Words<'_>, metrics: &RolloutMetrics) -> Option<Standing> {
    let (record, now) = (&words.rollout.record, words.now);
    if record.is_waiting {
        return None;
    }
    let last = metrics.arrived_at?;
    let since = last.max(record.live.since);
    let is_quiet = now.as_epoch_ms() - since.as_epoch_ms() >= SILENCE_MS;
    let before = requests(&metrics.series, minute_of(last).saturating_sub(60), Variant::Legacy)
        + requests(&metrics.series, minute_of(last).saturating_sub(60), Variant::New);
    let (what, headline, why) = if is_quiet && before >= REQUESTS_AN_HOUR_MIN {
        let why = format!("The last request came at {}; in the hour before it there were {before}.", last.to_words());
        ("traffic", format!("{}: no requests arrive", words.key()), why)
    } else {
        let share = f64::from(record.live.percentage.limit()) / f64::from(Percentage::FULL.limit());
        let from = minute_of(now).saturating_sub(15);
        let is_settled = now.as_epoch_ms() - record.live.since.as_epoch_ms() >= SILENCE_MS;
        let (legacy, new) =
            (requests(&metrics.series, from, Variant::Legacy), requests(&metrics.series, from, Variant::New));
        let expected = if share < 1.0 { legacy * share / (1.0 - share) } else { 0.0 };
        if !is_settled || new > 0.0 || expected < REQUESTS_AN_HOUR_MIN {
            return None;
        }
        let why = format!(
            "In the last 15 minutes legacy had {} requests and new had none, where about {} should have gone there.",
            count(legacy),
            count(expected)
        );
        ("traffic on new", format!("{}: no requests arrive at new", words.key()), why)
    };
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

fn requests(series: &Series, from_minute: u64, variant: Variant) -> f64 {
    let windows = series.iter().filter(|window| window.minute >= from_minute);
    windows.filter_map(|window| window.tally(variant, None)).map(|tally| tally.requests as f64).sum()
}
