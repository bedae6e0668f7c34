//! Papers as the API hands them out: runbook, report, timeline and calendar, made of what the controller knows.

use super::answer::{Answered, Shown};
use super::measures;
use super::state::State;
use super::store::{self, Storage, StorageError};
use super::turn::Turn;
use tidegate_decide::deployment::Deployment;
use tidegate_decide::rollout::Rollout;
use tidegate_decide::timeline::{Ahead, Event, Forecast, events, forecast, outlook};
use tidegate_model::history::Entry;
use tidegate_model::live::Phase;
use tidegate_model::measured::Window;
use tidegate_model::minute::{DAY_MINUTES, MINUTE_MS};
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Name};
use tidegate_paper::dates::{Dates, dates};
use tidegate_paper::document::Document;
use tidegate_paper::report::{self, SideFigures, Stretch};
use tidegate_paper::runbook::{self, Load, Subject};
use tidegate_paper::{html, ics, markdown};
use tidegate_protocol::api::metrics::Asked;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::shapes::{self, Measured, MeasuredSide, Message};
use tidegate_protocol::api::view::{self, timeline as shown};
use tidegate_protocol::api::{Call, Media, Reply, parameter};

/// So many entries of a history make a paper, the newest.
const ENTRIES_MAX: u64 = 1_000;
/// Of each where all rollouts are listed together.
const ENTRIES_OF_ALL_MAX: u64 = 30;
/// And so many messages to people.
const MESSAGES_MAX: u64 = 200;
/// What was measured before the first attempt shows how it was, in milliseconds.
const BEFORE_MS: i64 = 15 * MINUTE_MS;
/// Minutes are kept for two days, less a little; hours for ninety days.
const MINUTES_MS: i64 = 2 * 86_400_000 - 60_000;
const HOURS_MS: i64 = 90 * 86_400_000 - 60_000;

/// The paper, in the form that is asked for.
fn printed(call: &Call, document: &Document) -> Answered {
    match parameter(&call.query, "format").as_deref() {
        None | Some("html") => Ok(Reply::paper(Media::Html, html::print(document))),
        Some("markdown" | "md") => Ok(Reply::paper(Media::Markdown, markdown::print(document))),
        Some(other) => Err(Problem::malformed(format!("`format={other}`"), "`html` or `markdown`")),
    }
}

/// The runbook of a rollout.
pub fn runbook(state: &State, rollout: &Rollout, call: &Call, now: Instant) -> Answered {
    let deployment = &state.deployment;
    let plan = deployment.in_force(rollout);
    let subject = Subject { plan: &plan, record: Some(&rollout.record), load: load(deployment, &plan, now) };
    let input =
        runbook::Input { name: plan.key.as_str(), rollouts: vec![subject], console: state.console.as_deref(), now };
    printed(call, &runbook::runbook(&input))
}

/// The traffic of the last day, or of as much of it as was measured.
fn load(deployment: &Deployment, plan: &Plan, now: Instant) -> Option<Load> {
    let metrics = deployment.metrics.get(&plan.key)?;
    let minute = now.minute();
    let since = minute - DAY_MINUTES;
    let windows: Vec<&Window> = metrics.series.iter().filter(|window| window.minute >= since).collect();
    let first = windows.iter().map(|window| window.minute).min()?;
    let hours = (minute.minutes_since(first) + 1) as f64 / 60.0;
    let requests = |variant: Variant| {
        let of = windows.iter().filter_map(|window| window.tally(variant, None)).map(|tally| tally.requests);
        of.sum::<u64>() as f64
    };
    let (legacy, new) = (requests(Variant::Legacy), requests(Variant::New));
    let mut subjects = tidegate_model::measured::Sample::default();
    windows.iter().for_each(|window| subjects.merge(&window.subjects));
    let users = subjects.distinct(|_| true);
    (legacy + new > 0.0).then(|| Load {
        requests_per_hour: (legacy + new) / hours,
        new_per_hour: new / hours,
        users: (users > 0.0).then_some(users),
    })
}

/// The report of a rollout.
///
/// # Errors
/// When the storage refuses.
pub fn report(
    state: &State,
    storage: &mut dyn Storage,
    shown: &Shown,
    rollout: &Rollout,
    call: &Call,
    now: Instant,
) -> Result<Answered, StorageError> {
    let key = &rollout.plan.key;
    let history = history(storage, key, ENTRIES_MAX)?;
    let present = shown.present(state);
    let now_ms = now.as_epoch_ms();
    // The report is of all attempts.
    let started = history.iter().find(|entry| entry.state.phase != Phase::Draft).map(|entry| entry.at);
    let begun_ms = started.unwrap_or(rollout.record.begun).as_epoch_ms() - BEFORE_MS;
    let mut windows = |since_ms: i64, minutes: u32| {
        let asked = Asked { since: Instant::from_epoch_ms(since_ms), minutes, endpoint: None };
        measures::windows(&present, storage, rollout, &asked)
    };
    let is_short = now_ms - begun_ms <= MINUTES_MS;
    let fine = windows(begun_ms.max(now_ms - MINUTES_MS), 1)?;
    let coarse = if is_short { fine.clone() } else { windows(begun_ms.max(now_ms - HOURS_MS), 60)? };
    let read = |texts: &[Box<serde_json::value::RawValue>]| -> Vec<Stretch> {
        texts
            .iter()
            .filter_map(|text| serde_json::from_str::<Measured>(text.get()).ok())
            .map(|own| stretch(&own))
            .collect()
    };
    let (minutes, measured) = (read(&fine), read(&coarse));
    let sent = sent(storage, key, rollout.record.begun)?;
    let metrics = state.deployment.metrics.get(key);
    let users = metrics.map(|metrics| {
        let mut sample = tidegate_model::measured::Sample::default();
        let attempt = metrics.series.iter().filter(|window| window.revision >= rollout.record.begun_revision);
        attempt.for_each(|window| sample.merge(&window.subjects));
        sample.distinct(|seen| seen.is_new)
    });
    let gates = state.deployment.look_at(rollout).map_or(&[][..], |evaluation| &evaluation.gates);
    let plan = state.deployment.in_force(rollout);
    let wrong = wrong(&view::rollout(&present, rollout));
    let input = report::Input {
        plan: &plan,
        record: &rollout.record,
        history: &history,
        measured: &measured,
        minutes: &minutes,
        users: users.filter(|users| *users > 0.0),
        sent: &sent,
        gates,
        wrong: &wrong,
        console: state.console.as_deref(),
        now,
    };
    Ok(printed(call, &report::report(&input)))
}

/// What is wrong with a rollout now. What broke before it was taken back stands with the incident.
fn wrong(own: &shapes::Rollout) -> Vec<String> {
    let is_on = matches!(own.state.phase.as_str(), "running" | "paused" | "completed") && !own.state.killed;
    let problems = own.problems.iter().filter(|own| own.is_found).map(|own| format!("{}: {}", own.what, own.text));
    let faults = own.faults.iter().map(|fault| format!("{}: {}", fault.subject, fault.message));
    let broke = own.what_broke.iter().filter(|_| is_on).cloned();
    problems.chain(faults).chain(broke).collect()
}

fn stretch(own: &Measured) -> Stretch {
    let side = |wanted: Variant| {
        let found =
            own.sides.iter().find(|side| side.endpoint.is_none() && side.variant == wanted.to_string().as_str());
        found.map(side_figures).unwrap_or_default()
    };
    Stretch {
        at_ms: own.at.get().map_or(0, Instant::as_epoch_ms),
        minutes: own.minutes,
        percentage: own.percentage.as_ref().map(|percentage| percentage.0),
        new: side(Variant::New),
        legacy: side(Variant::Legacy),
        users: own.subjects.as_ref().map(|subjects| subjects.new),
        opt_out_rate: own.opt_out_rate,
    }
}

fn side_figures(side: &MeasuredSide) -> SideFigures {
    let quantiles = |name: &str| side.measures.get(name);
    SideFigures {
        requests: side.requests,
        errors: side.errors,
        failing_users: side.errors.saturating_sub(side.repeats.get("errors").copied().unwrap_or_default()),
        client_errors: side.client_errors.unwrap_or_default(),
        rescued: side.rescued,
        pages: side.pages,
        failed_pages: side.failed_pages,
        latency_p95_ms: quantiles("latency").and_then(|own| own.p95),
        lcp_p75_ms: quantiles("lcp").and_then(|own| own.p75),
    }
}

/// The messages of this attempt.
fn sent(storage: &mut dyn Storage, key: &Name, since: Instant) -> Result<Vec<(Instant, String)>, StorageError> {
    let messages = store::counts::messages(storage, key, Instant::from_epoch_ms(i64::MAX), MESSAGES_MAX)?;
    let read = |(at, text): &(Option<Instant>, String)| {
        let message: Message = serde_json::from_str(text).ok()?;
        let at = at.filter(|at| *at >= since)?;
        (message.kind == "alert" || message.kind == "escalation").then_some((at, message.text))
    };
    Ok(messages.iter().filter_map(read).collect())
}

/// The history of a rollout, the oldest entry first.
fn history(storage: &mut dyn Storage, key: &Name, most: u64) -> Result<Vec<Entry>, StorageError> {
    let mut entries = store::history(storage, key, u64::MAX, most)?;
    entries.reverse();
    Ok(entries.iter().filter_map(|(_, text)| Entry::parse(text).ok()).map(|(entry, _)| entry).collect())
}

/// The dates of one rollout, or of all.
///
/// # Errors
/// When the storage refuses.
pub fn timeline(
    state: &State,
    turn: &mut Turn<'_>,
    only: Option<&Rollout>,
    call: &Call,
) -> Result<Answered, StorageError> {
    let now = turn.now;
    let deployment = &state.deployment;
    let plans: Vec<_> = deployment.rollouts.iter().map(|rollout| (rollout, deployment.in_force(rollout))).collect();
    let ahead: Vec<Ahead<'_>> =
        plans.iter().map(|(rollout, plan)| Ahead { plan, record: Some(&rollout.record) }).collect();
    let forecasts: Vec<Forecast> = forecast(&ahead, now);
    let mut sent: Vec<(Ahead<'_>, &Forecast, Vec<Event>)> = Vec::new();
    for (own, forecast) in ahead.iter().zip(&forecasts) {
        if only.is_some_and(|only| only.plan.key != own.plan.key) {
            continue;
        }
        let entries = if only.is_some() { ENTRIES_MAX } else { ENTRIES_OF_ALL_MAX };
        let history = history(turn.storage, &own.plan.key, entries)?;
        sent.push((*own, forecast, events(own, forecast, &history, now)));
    }
    Ok(match parameter(&call.query, "format").as_deref() {
        None | Some("json") => {
            let rollouts = sent.iter().map(|(own, forecast, events)| {
                shown::rollout(own.plan, forecast, events, &outlook(own.plan, forecast, &own.plan.zone()))
            });
            let mut timeline = shown::all(rollouts.collect(), now);
            timeline.feed = call.feed.clone();
            Ok(Reply::json(200, &timeline))
        }
        Some("ics") => {
            let name = only.map_or_else(|| "Tidegate".to_owned(), |rollout| format!("Tidegate: {}", rollout.plan.key));
            let host = state.console.as_deref().and_then(|console| console.split("://").nth(1)).unwrap_or("tidegate");
            let events =
                sent.iter().flat_map(|(own, _, events)| events.iter().map(|event| (own.plan.key.as_str(), event)));
            Ok(Reply::paper(Media::Calendar, ics::print(&name, host, events, now)))
        }
        Some("html" | "markdown") => {
            let name = only.map_or_else(
                || "all rollouts".to_owned(),
                |own| own.plan.description.clone().unwrap_or_else(|| own.plan.key.to_string()),
            );
            let all: Vec<Dates<'_>> =
                sent.iter().map(|(own, forecast, events)| Dates { plan: own.plan, forecast, events }).collect();
            printed(call, &dates(&name, &all, now))
        }
        Some(other) => Err(Problem::malformed(format!("`format={other}`"), "`json`, `ics`, `html` or `markdown`")),
    })
}
