//! Whom a change moves.

use super::metrics;
use super::shapes::{Moves, Text};
use super::view::Present;
use tidegate_decide::compiled::{Alone, CompiledRollout, Mode};
use tidegate_decide::rollout::Rollout;
use tidegate_model::Percentage;
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;

/// Compares what is in force before and after a change. The subjects are those of the last day.
pub fn moves(present: &Present<'_>, before: &Rollout, after: &Rollout) -> Moves {
    let (from, to) = (effective(&before.plan, &before.record), effective(&after.plan, &after.record));
    let direction = match from.cmp(&to) {
        std::cmp::Ordering::Less => "new",
        std::cmp::Ordering::Greater => "legacy",
        std::cmp::Ordering::Equal => "none",
    };
    let limit = from.limit().abs_diff(to.limit());
    let share = Percentage::from_limit(limit).unwrap_or_default();
    let all = metrics::subjects_of_day(present, &before.plan.key).map(|sample| sample.distinct(|_| true));
    let subjects = all.map(|all| (all * f64::from(limit) / f64::from(Percentage::FULL.limit())).round() as u64);
    Moves {
        from: from.into(),
        to: to.into(),
        direction: Text::word(direction),
        share: share.into(),
        subjects,
        basis: Text::word("percentage"),
    }
}

/// The percentage that is in effect: 0 while killed, not started or waiting. It needs neither groups nor others.
pub fn effective(plan: &Plan, record: &Record) -> Percentage {
    match CompiledRollout::new(plan, Some(&record.live), false, record.is_waiting, &Alone).mode {
        Mode::Killed | Mode::Unknown | Mode::Inactive => Percentage::ZERO,
        Mode::Active => record.live.percentage,
        Mode::Completed => Percentage::FULL,
    }
}
