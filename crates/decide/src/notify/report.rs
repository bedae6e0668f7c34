//! How a rollout went, once, when it has ended: for those who read the digests.

use super::words::Words;
use super::{Outgoing, address};
use crate::explain;
use crate::judge::words::count;
use crate::metrics::RolloutMetrics;
use crate::series::Span;
use tidegate_model::Name;
use tidegate_model::figure::Unit;
use tidegate_model::measured::Sample;
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::variant::Variant;

/// The report on an attempt that has led to the end.
pub(super) fn message(words: &Words<'_>, metrics: &RolloutMetrics) -> Outgoing {
    let (plan, record) = (words.plan(), &words.rollout.record);
    let live = &record.live;
    let took_ms = words.now.ms_since(record.begun);
    let took = explain::rounded(took_ms);
    let what = format!("{}: how it went: {took} to {} % on new", words.key(), live.percentage);
    let before = match live.attempt.saturating_sub(1) {
        0 => "in the first attempt".to_owned(),
        1 => "after 1 attempt that was rolled back".to_owned(),
        attempts => format!("after {attempts} attempts that were rolled back"),
    };
    let notification = Notification {
        why: format!("It has come through {} in {took}, {before}.", stages(plan.stages.len())),
        figures: figures(metrics, record.begun_revision),
        revision: Some(live.revision),
        ..words.message(NotificationKind::Report, Urgency::Info, &what, None)
    };
    let names: Vec<Name> = plan.digests.iter().flat_map(|digest| digest.to.iter().cloned()).collect();
    Outgoing { channels: address::resolve(plan, &names, Urgency::Info, words.now), notification }
}

fn stages(number: usize) -> String {
    if number == 1 { "1 stage".to_owned() } else { format!("{number} stages") }
}

/// Requests, users and sessions of the attempt, on both sides; and how the last stage's gates stood.
fn figures(metrics: &RolloutMetrics, begun_revision: u64) -> Vec<String> {
    let span = Span { revision: begun_revision, minute: None };
    let requests = |variant: Variant| {
        let tallies = metrics.series.over(span).filter_map(|window| window.tally(variant, None));
        let (all, failed) = tallies.fold((0, 0), |(all, failed), own| (all + own.requests, failed + own.errors));
        let share = if all > 0 { failed as f64 / all as f64 } else { 0.0 };
        format!("{} ({} failed)", count(all as f64), explain::amount(Unit::Share, share))
    };
    let mut subjects = Sample::default();
    metrics.series.over(span).for_each(|window| subjects.merge(&window.subjects));
    let users = |is_new: bool| count(subjects.distinct(|seen| seen.is_new == is_new).round());
    let sessions = metrics.series.sessions(span);
    let mut figures = vec![
        format!("Requests: {} on new, {} on legacy.", requests(Variant::New), requests(Variant::Legacy)),
        format!(
            "Users: {} on new, {} on legacy; sessions: {} and {}.",
            users(true),
            users(false),
            count(sessions.new.round()),
            count(sessions.legacy.round())
        ),
    ];
    let gates = metrics.last.iter().flat_map(|last| &last.gates);
    figures.extend(gates.map(|gate| explain::sentence(&gate.text)));
    figures
}
