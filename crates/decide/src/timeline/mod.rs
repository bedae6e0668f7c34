//! What was and what is to come: when each stage is entered if nothing but the time stands in the way, and so when a
//! rollout will be done at the earliest; and everything with a date, for people who have to be there.
//!
//! The forecast takes it that every gate passes and every item is ticked in time. It waits as the schedule does: for
//! bake times, for what a gate asks to last (`for`), for freezes, for the windows and days of stages, and for rollouts
//! that come before.

mod events;
mod words;

pub use events::{Event, Kind, events};
pub use words::outlook;

use tidegate_model::calendar::{Window, first_moment};
use tidegate_model::live::Phase;
use tidegate_model::plan::business_day::BusinessDay;
use tidegate_model::plan::moment::Moment;
use tidegate_model::plan::words::Sign;
use tidegate_model::plan::{Advance, Due, Plan, Stage};
use tidegate_model::record::Record;
use tidegate_model::{Duration, Instant, Name, Percentage};

/// A freeze and a stage's windows are asked in turn at most so often: a plan that never agrees has no date.
const TURNS_MAX: usize = 60;

/// A rollout whose way is forecast.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    /// Its plan, with the freeze of the deployment in it.
    pub plan: &'a Plan,
    /// Where it is; `None` for a plan that is not deployed.
    pub record: Option<&'a Record>,
}

/// How a rollout goes on if nothing but the time stands in the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// When it starts, or when its attempt began; `None` where nobody can tell.
    pub start: Option<Instant>,
    /// The present stage and those ahead, as far as there are dates.
    pub stays: Vec<Stay>,
    /// When it completes, or has done its time in a last stage under 100 %.
    pub end: Option<Instant>,
    /// What has to happen first, of which nobody knows when: the dates are as if it happened now.
    pub premise: Option<Premise>,
}

/// A stage's time.
#[derive(Clone, Debug, PartialEq)]
pub struct Stay {
    /// Its place among the plan's stages.
    pub stage: usize,
    /// When it is entered, or was.
    pub from: Instant,
    /// When its bake time is over, and what its gates ask to last.
    pub baked: Instant,
    /// When it is left at the earliest; `None` where the calendar leaves no time for it.
    pub until: Option<Instant>,
}

/// What has to happen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premise {
    /// Somebody starts it.
    Start,
    /// Somebody resumes it.
    Resume,
    /// Somebody revives it.
    Revive,
    /// Somebody advances it at each step.
    Manual,
}

/// Foretells several rollouts together: what comes after another waits for its end.
pub fn forecast(all: &[Ahead<'_>], now: Instant) -> Vec<Forecast> {
    let mut done: Vec<Option<Forecast>> = vec![None; all.len()];
    // One more of them is known in each round; what waits in a circle, or for what there is not, waits for nothing.
    for round in 0..=all.len() {
        for (index, ahead) in all.iter().enumerate() {
            if done.get(index).is_some_and(Option::is_some) {
                continue;
            }
            let awaited = ahead.plan.after.iter().filter_map(|name| all.iter().position(|own| own.plan.key == *name));
            let ends: Vec<Option<Option<Instant>>> =
                awaited.map(|other| done.get(other).and_then(Option::as_ref).map(|own| own.end)).collect();
            if ends.iter().all(Option::is_some) || round == all.len() {
                let from = ends.into_iter().flatten().flatten().max();
                if let Some(place) = done.get_mut(index) {
                    *place = Some(one(ahead, from, now));
                }
            }
        }
    }
    done.into_iter().map(Option::unwrap_or_default).collect()
}

/// Foretells one, which waits for others until `after`.
fn one(ahead: &Ahead<'_>, after: Option<Instant>, now: Instant) -> Forecast {
    let plan = ahead.plan;
    let from = after.map_or(now, |after| after.max(now));
    let Some(record) = ahead.record else {
        let start = plan.start_at().map_or(from, |start| start.max(from));
        let premise = plan.start_at().is_none().then_some(Premise::Start);
        return walk(plan, premise, Enter { stage: 0, at: start, now, is_inside: false, held_since: None });
    };
    let index = plan.stage_index(record.live.stage.as_str()).unwrap_or(0);
    if record.live.has_ended() && record.live.phase != Phase::RolledBack {
        return Forecast { start: Some(record.begun), end: Some(record.live.since), ..Forecast::default() };
    }
    let inside = |premise, held_since: Instant| {
        let enter =
            Enter { stage: index, at: record.entered, now, is_inside: true, held_since: Some(held_since.max(from)) };
        Forecast { start: Some(record.begun), ..walk(plan, premise, enter) }
    };
    let killed = record.live.killed.then_some(Premise::Revive);
    match record.live.phase {
        Phase::Draft => {
            let start = plan.start_at().map_or(from, |start| start.max(from));
            let premise = killed.or_else(|| plan.start_at().is_none().then_some(Premise::Start));
            walk(plan, premise, Enter { stage: 0, at: start, now, is_inside: false, held_since: None })
        }
        Phase::Running => {
            let manual = (plan.advance == Advance::Manual).then_some(Premise::Manual);
            let held = record.held_since.filter(|_| after.is_none_or(|after| after <= now));
            let enter = Enter {
                stage: index,
                at: record.entered,
                now,
                is_inside: true,
                held_since: Some(held.unwrap_or(from)),
            };
            Forecast { start: Some(record.begun), ..walk(plan, killed.or(manual), enter) }
        }
        Phase::Paused => inside(killed.or(Some(Premise::Resume)), from),
        Phase::RolledBack => {
            let premise = killed.or(Some(Premise::Resume));
            walk(plan, premise, Enter { stage: 0, at: from, now, is_inside: false, held_since: None })
        }
        Phase::Completed => Forecast::default(),
    }
}

impl Forecast {
    /// When the stage at an index is entered.
    pub fn entry(&self, stage: usize) -> Option<Instant> {
        self.stays.iter().find(|stay| stay.stage == stage).map(|stay| stay.from)
    }

    /// When a moment of the plan comes, as far as it can be forecast: no rollback can.
    pub fn moment(&self, plan: &Plan, moment: &Moment) -> Option<Instant> {
        match moment {
            Moment::Date(at) => Some(*at),
            Moment::Near { anchor, offset, then } => self.near(plan, anchor, offset.as_ref(), then.as_ref()),
        }
    }

    /// By when an item is due; where it says nothing, when `else_at` comes.
    pub fn due(&self, plan: &Plan, due: Option<&Due>, else_at: Option<Instant>) -> Option<Instant> {
        match due {
            None => else_at,
            Some(Due::Day(day)) => Some(day.end()),
            Some(Due::At(at)) => Some(*at),
            Some(Due::Near { anchor, offset, then }) => self.near(plan, anchor, offset.as_ref(), then.as_ref()),
        }
    }

    fn near(
        &self,
        plan: &Plan,
        anchor: &Name,
        offset: Option<&(Sign, Duration)>,
        then: Option<&BusinessDay>,
    ) -> Option<Instant> {
        let at = match anchor.as_str() {
            "start" => self.start,
            "end" => self.end,
            stage => self.entry(plan.stage_index(stage)?),
        }?;
        let at = match offset {
            None => at,
            Some((Sign::Plus, duration)) => at.plus(*duration),
            Some((Sign::Minus, duration)) => at.minus_ms(i64::try_from(duration.as_ms()).unwrap_or(i64::MAX)),
        };
        then.map_or(Some(at), |then| then.near(at, plan))
    }
}

/// Where a way begins.
struct Enter {
    stage: usize,
    at: Instant,
    /// Nothing ahead lies before this: what is late is due now.
    now: Instant,
    /// Whether that stage has been entered already.
    is_inside: bool,
    held_since: Option<Instant>,
}

fn walk(plan: &Plan, premise: Option<Premise>, enter: Enter) -> Forecast {
    let mut forecast = Forecast { premise, ..Forecast::default() };
    let entry =
        if enter.is_inside { Some(enter.at) } else { opens(&plan.freeze, plan.stages.get(enter.stage), enter.at) };
    forecast.start = entry;
    let Some(mut from) = entry else { return forecast };
    let mut held_since = enter.held_since.unwrap_or(from);
    for (index, stage) in plan.stages.iter().enumerate().skip(enter.stage) {
        let baked = baked(stage, held_since);
        let following = plan.stages.get(index + 1);
        let is_under = following.is_none() && stage.percentage < Percentage::FULL;
        // A last stage under 100 % ends where it is, whatever the calendar says.
        let ready = baked.max(enter.now);
        let until = if is_under { Some(ready) } else { opens(&plan.freeze, following, ready) };
        forecast.stays.push(Stay { stage: index, from, baked, until });
        let Some(until) = until else { return forecast };
        (from, held_since) = (until, until);
        if following.is_none() {
            forecast.end = Some(until);
        }
    }
    forecast
}

/// When a stage has lasted as long as it must: its bake time, and what its gates ask to last.
fn baked(stage: &Stage, held_since: Instant) -> Instant {
    let lasting = stage.gates.iter().flat_map(|gate| gate.when.terms.iter().filter_map(|term| term.hold));
    let after = stage.gates.iter().filter_map(|gate| gate.after);
    let longest = stage.hold.into_iter().chain(lasting).chain(after).max_by_key(|duration| duration.as_ms());
    longest.map_or(held_since, |longest| held_since.plus(longest))
}

/// The first moment from `from` on at which nothing is frozen and the stage, if one is entered, may be.
fn opens(freeze: &[Window], stage: Option<&Stage>, from: Instant) -> Option<Instant> {
    let mut at = from;
    for _ in 0..TURNS_MAX {
        let free =
            if freeze.is_empty() { at } else { Instant::from_epoch_ms(first_moment(freeze, at.as_epoch_ms(), false)?) };
        let open = stage.map_or(Some(free), |stage| stage.opens(free))?;
        if open == at {
            return Some(at);
        }
        at = open;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::command::Command;
    use tidegate_model::plan::set::read_rollout;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn plan(more: &str, stages: &str) -> Plan {
        let text = format!(r#"{{"key":"shop",{more}"identity":{{"from":["header:x-user-id"]}},"stage":[{stages}]}}"#);
        read_rollout(&text).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn reported(forecast: &Forecast, plan: &Plan) -> Vec<String> {
        let stays = forecast.stays.iter().map(|stay| format!("{} {}", plan.stages[stay.stage].name, stay.from));
        stays.chain(forecast.end.map(|end| format!("end {end}"))).collect()
    }

    const WEEKDAYS: &str = r#""freeze":["Fri 17:00-Mon 08:00 Europe/Berlin","2026-12-24/2027-01-02 Europe/Berlin"],"#;
    const STAGES: &str = r#"{"name":"canary","percentage":10,"hold":"48h"},{"name":"half","percentage":50,"hold":"24h","enter":"Mon-Fri 09:15-12:00 Europe/Berlin"},{"name":"full","percentage":100,"hold":"3d"}"#;

    #[test]
    fn stages_wait_for_bake_times_windows_weekends_and_holidays() {
        let plan = plan(WEEKDAYS, STAGES);
        let forecast = forecast(&[Ahead { plan: &plan, record: None }], at("2026-12-18T10:00:00Z")).remove(0);
        assert_eq!(
            reported(&forecast, &plan),
            [
                "canary 2026-12-18T10:00:00Z",
                // Sunday is frozen; Monday 9:15 it is.
                "half 2026-12-21T08:15:00Z",
                "full 2026-12-22T08:15:00Z",
                // 25 December is frozen, until the Monday after 2 January.
                "end 2027-01-04T07:00:00Z",
            ]
        );
        assert_eq!(forecast.premise, Some(Premise::Start));
    }

    #[test]
    fn a_running_rollout_goes_on_from_where_its_bake_time_is() {
        let plan = plan("", STAGES);
        let begin = at("2026-12-01T10:00:00Z");
        let record =
            crate::transition::transition(&plan, &Record::draft(&plan, begin), &Command::Start, "ana", begin).unwrap();
        let own = Ahead { plan: &plan, record: Some(&record) };
        let forecast_at = |now: &str| forecast(&[own], at(now)).remove(0);
        let expected = [
            "canary 2026-12-01T10:00:00Z",
            "half 2026-12-03T10:00:00Z",
            "full 2026-12-04T10:00:00Z",
            "end 2026-12-07T10:00:00Z",
        ];
        assert_eq!(reported(&forecast_at("2026-12-02T00:00:00Z"), &plan), expected);
        // Its gates do not pass yet: on Friday afternoon the next window is Monday's.
        let late = forecast_at("2026-12-04T12:30:00Z");
        assert_eq!(late.stays[0].until, Some(at("2026-12-07T08:15:00Z")));
        let paused = crate::transition::transition(&plan, &record, &Command::Pause, "ana", begin).unwrap();
        let own = Ahead { plan: &plan, record: Some(&paused) };
        assert_eq!(forecast(&[own], begin).remove(0).premise, Some(Premise::Resume));
    }

    #[test]
    fn what_comes_after_another_begins_with_its_end_and_a_circle_waits_for_nothing() {
        let of = |key: &str, after: &str| {
            let text = format!(
                r#"{{"key":"{key}",{after}"identity":{{"from":["header:x-user-id"]}},"stage":[{{"name":"full","percentage":100,"hold":"1d"}}]}}"#
            );
            read_rollout(&text).unwrap()
        };
        let plans = [of("c", r#""after":["a","b"],"#), of("a", ""), of("b", r#""after":"a","#)];
        let all: Vec<Ahead<'_>> = plans.iter().map(|plan| Ahead { plan, record: None }).collect();
        let starts: Vec<String> =
            forecast(&all, at("2026-12-01T00:00:00Z")).iter().map(|own| own.start.unwrap().to_string()).collect();
        assert_eq!(starts, ["2026-12-03T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"]);
        let circle = [of("a", r#""after":"b","#), of("b", r#""after":"a","#)];
        let all: Vec<Ahead<'_>> = circle.iter().map(|plan| Ahead { plan, record: None }).collect();
        assert!(forecast(&all, at("2026-12-01T00:00:00Z")).iter().all(|own| own.end.is_some()));
    }

    #[test]
    fn a_message_and_an_item_wait_for_a_business_day_behind_weekend_and_holidays() {
        let more = r#""freeze":["Fri 17:00-Mon 08:00 Europe/Berlin","2027-01-25 Europe/Berlin"],"channels":{"chat":{"slack":"secret:CHAT"}},"notice":[{"at":"full+1d, next business day 09:00","to":"chat","text":"Announced"}],"#;
        let stages = r#"{"name":"full","percentage":100,"hold":"7d","checklist":[{"text":"Validated","due":"full+1d, next business day 09:00"}]}"#;
        let plan = plan(more, stages);
        // A Friday at 9:00 in Berlin; Saturday is no business day, and Monday is frozen.
        let now = at("2027-01-22T08:00:00Z");
        let own = forecast(&[Ahead { plan: &plan, record: None }], now).remove(0);
        assert_eq!(own.moment(&plan, &plan.notices[0].at), Some(at("2027-01-26T08:00:00Z")));
        let item = &plan.stages[0].checklist[0];
        assert_eq!(own.due(&plan, item.due.as_ref(), None), Some(at("2027-01-26T08:00:00Z")));
    }

    #[test]
    fn a_stage_has_a_date_of_its_own_and_a_gate_may_last_longer_than_the_bake_time() {
        let stages = r#"{"name":"canary","percentage":10,"hold":"1h","gates":["error_rate < 1% over 1d for 7d"]},{"name":"full","percentage":100,"hold":"1d","not_before":"2027-03-28 09:00 Europe/Berlin"}"#;
        let plan = plan("", stages);
        let own = forecast(&[Ahead { plan: &plan, record: None }], at("2026-12-01T00:00:00Z")).remove(0);
        assert_eq!(own.stays[0].baked, at("2026-12-08T00:00:00Z"));
        assert_eq!(
            reported(&own, &plan)[1..],
            ["full 2027-03-28T07:00:00Z", "end 2027-03-29T07:00:00Z"],
            "9:00 is 7:00 UTC on the day on which clocks are put forward"
        );
    }
}
