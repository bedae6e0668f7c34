//! Answers the API's calls: finds what is asked for, decides, stores, tells.

use std::collections::HashMap;

use serde::Serialize;
use wasm_bindgen::JsValue;

use super::desk::Desk;
use super::measures;
use super::store::{self, Batch};
use crate::decide::rollout::{Noticed, Rollout};
use crate::model::history::sha256_hex;
use crate::model::{Instant, Name};
use crate::protocol::api::history::page;
use crate::protocol::api::problem::Problem;
use crate::protocol::api::view::Present;
use crate::protocol::api::{Call, Reply, Route, body, commands, parameter, view};
use crate::protocol::console::Console;

/// The longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 128;
/// Entries of a history on one page where nobody says how many.
const HISTORY_DEFAULT: u64 = 100;
const HISTORY_MAX: u64 = 1_000;

/// What a call needs to know of KV.
pub enum Poll {
    /// Nothing.
    None,
    /// What it said a moment ago.
    Fresh,
    /// What it says now.
    Now,
    /// The texts of these keys.
    Texts(Vec<String>),
}

/// What a call needs to know of KV before it is answered.
pub fn poll_wanted(call: &Call) -> Poll {
    match Route::find(&call.method, &call.path) {
        Ok(Route::Rollouts | Route::Rollout(_)) => Poll::Fresh,
        Ok(Route::Commands(_) | Route::AllCommands) if call.body.contains("revive") => Poll::Now,
        Ok(Route::Plans) if call.method == "PUT" => Poll::Texts(super::plans::plan_keys(&call.body)),
        _ => Poll::None,
    }
}

type Answered = Result<Reply, Problem>;

/// Answers a call. `texts` is what KV holds of what the call names.
///
/// # Errors
/// When the storage refuses.
pub fn answer(
    desk: &mut Desk,
    context: &JsValue,
    call: &Call,
    texts: &HashMap<String, String>,
    now: Instant,
) -> Result<Answered, JsValue> {
    let route = match Route::find(&call.method, &call.path) {
        Ok(route) => route,
        Err(problem) => return Ok(Err(problem)),
    };
    let rollout = |key: &str| find(desk, key);
    let faults = desk.heard.faults(now);
    let lists = desk.heard.lists(now);
    let reaches = desk.heard.reaches(now);
    let present = Present {
        deployment: &desk.deployment,
        faults: &faults,
        lists: &lists,
        reaches: &reaches,
        isolates: desk.heard.isolates(),
        now,
    };
    match &route {
        Route::Rollouts => Ok(Ok(list(desk, &present))),
        Route::Rollout(key) => Ok(rollout(key)
            .map(|rollout| Reply::json(200, &view::rollout(&present, rollout)).at(rollout.record.live.revision))),
        Route::Metrics(key) => match rollout(key) {
            Ok(rollout) => measures::answer(&present, context, rollout, call),
            Err(problem) => Ok(Err(problem)),
        },
        Route::Exposition => measures::expose(desk, context, now).map(Ok),
        Route::History(key) => match rollout(key) {
            Ok(rollout) => history(context, &rollout.plan.key, call),
            Err(problem) => Ok(Err(problem)),
        },
        Route::Messages(key) => match rollout(key) {
            Ok(rollout) => messages(context, &rollout.plan.key, call),
            Err(problem) => Ok(Err(problem)),
        },
        Route::Plan(key) => match rollout(key) {
            Ok(rollout) => plan(context, rollout, call),
            Err(problem) => Ok(Err(problem)),
        },
        Route::Plans if call.method != "PUT" => Ok(Ok(Reply::text(desk.plans_text()))),
        Route::Commands(_) | Route::AllCommands | Route::Plans | Route::Signals(_) => {
            once(desk, context, call, &route, texts, now)
        }
        Route::Previews(_) | Route::Assign | Route::Description => Ok(Err(Problem::not_found(&call.path))),
    }
}

fn find<'d>(desk: &'d Desk, key: &str) -> Result<&'d Rollout, Problem> {
    let found = key.parse::<Name>().ok().and_then(|name| desk.deployment.rollouts.get(&name));
    found.ok_or_else(|| {
        let known: Vec<String> = desk.deployment.rollouts.keys().map(ToString::to_string).collect();
        Problem::unknown_rollout(key, &known)
    })
}

#[derive(Serialize)]
struct List<'a> {
    rollouts: Vec<view::RolloutView<'a>>,
    plans: u64,
    at: Instant,
    faults: Vec<&'a Noticed>,
}

fn list(desk: &Desk, present: &Present<'_>) -> Reply {
    let own = || desk.deployment.rollouts.iter();
    let rollouts = own().map(|rollout| view::rollout(present, rollout)).collect();
    // Those of one rollout stand with it.
    let of_all =
        present.faults.iter().filter(|fault| !own().any(|rollout| view::is_about(&rollout.plan, &fault.subject)));
    let faults = desk.faults.iter().chain(of_all).collect();
    Reply::json(200, &List { rollouts, plans: desk.deployment.plans, at: present.now, faults })
}

fn number(call: &Call, name: &'static str) -> Result<Option<u64>, Problem> {
    let text = parameter(&call.query, name);
    let number = text.as_deref().map(str::parse::<u64>).transpose();
    number.map_err(|_| {
        Problem::malformed(
            format!("`{name}={}` is not a whole number", text.unwrap_or_default()),
            "a number such as 100",
        )
    })
}

/// How many items a page is to have.
fn limit(call: &Call) -> Result<u64, Problem> {
    let limit = number(call, "limit")?.unwrap_or(HISTORY_DEFAULT);
    if (1..=HISTORY_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(Problem::malformed(format!("`limit={limit}` is out of range"), "1 to 1000"))
    }
}

fn messages(context: &JsValue, key: &Name, call: &Call) -> Result<Answered, JsValue> {
    let before = parameter(&call.query, "before").map(|text| text.parse::<Instant>()).transpose();
    let before =
        before.map_err(|error| Problem::malformed(format!("`before`: {error}"), "a time such as 2026-12-02T09:00:00Z"));
    let (before, limit) = match (before, limit(call)) {
        (Ok(before), Ok(limit)) => (before.unwrap_or(Instant::from_epoch_ms(i64::MAX)), limit),
        (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
    };
    let messages = store::counts::messages(context, key, before, limit)?;
    let last = messages.last().and_then(|(at, _)| *at).filter(|_| messages.len() as u64 == limit);
    let texts: Vec<&str> = messages.iter().map(|(_, text)| text.as_str()).collect();
    let before = last.map_or_else(|| "null".to_owned(), |at| format!("\"{at}\""));
    Ok(Ok(Reply::text(format!("{{\"messages\":[{}],\"before\":{before}}}", texts.join(",")))))
}

fn history(context: &JsValue, key: &Name, call: &Call) -> Result<Answered, JsValue> {
    let (before, limit) = match (number(call, "before"), limit(call)) {
        (Ok(before), Ok(limit)) => (before.unwrap_or(u64::MAX), limit),
        (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
    };
    let entries = store::history(context, key, before, limit)?;
    let last = entries.last().map(|(revision, _)| *revision);
    let is_full = entries.len() as u64 == limit;
    Ok(Ok(page(&entries, last.filter(|revision| is_full && *revision > 1))))
}

fn plan(context: &JsValue, rollout: &Rollout, call: &Call) -> Result<Answered, JsValue> {
    let revision = match number(call, "revision") {
        Ok(revision) => revision.unwrap_or(rollout.record.live.plan),
        Err(problem) => return Ok(Err(problem)),
    };
    Ok(match store::plan(context, &rollout.plan.key, revision)? {
        Some(body) => Ok(Reply::text(body)),
        None => Err(Problem::not_found(&format!("{}?revision={revision}", call.path))),
    })
}

/// Answers a change; one that was sent before gets the answer that it got then.
fn once(
    desk: &mut Desk,
    context: &JsValue,
    call: &Call,
    route: &Route,
    texts: &HashMap<String, String>,
    now: Instant,
) -> Result<Answered, JsValue> {
    let Some(key) = &call.key else {
        return change(desk, context, call, route, texts, Batch::default(), &|_, _| {}, now);
    };
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Ok(Err(Problem::malformed(format!("the Idempotency-Key has {} bytes", key.len()), "1 to 128 bytes")));
    }
    let key = format!("{}:{key}", call.actor);
    let request = sha256_hex(
        format!("{}\n{}\n{}\n{}", call.method, call.path, call.if_match.as_deref().unwrap_or_default(), call.body)
            .as_bytes(),
    );
    match store::answer(context, &key)? {
        Some((known, reply)) if known == request => return Ok(Ok(reply)),
        Some(_) => return Ok(Err(Problem::key_reused())),
        None => {}
    }
    change(
        desk,
        context,
        call,
        route,
        texts,
        Batch::default(),
        &|batch, reply| batch.answer(&key, &request, reply, now),
        now,
    )
}

/// Works a change out and stores it, with what `keep` adds for its answer.
#[expect(clippy::too_many_arguments, reason = "the parts of one request, passed on once")]
fn change(
    desk: &mut Desk,
    context: &JsValue,
    call: &Call,
    route: &Route,
    texts: &HashMap<String, String>,
    mut batch: Batch,
    keep: &dyn Fn(&mut Batch, &Reply),
    now: Instant,
) -> Result<Answered, JsValue> {
    let faults = desk.heard.faults(now);
    let lists = desk.heard.lists(now);
    let reaches = desk.heard.reaches(now);
    let present = Present {
        deployment: &desk.deployment,
        faults: &faults,
        lists: &lists,
        reaches: &reaches,
        isolates: desk.heard.isolates(),
        now,
    };
    match route {
        Route::Commands(key) => {
            let outcome = match find(desk, key).and_then(|rollout| commands::answer(&present, rollout, call)) {
                Ok(outcome) => outcome,
                Err(problem) => return Ok(Err(problem)),
            };
            if outcome.change.is_some() {
                keep(&mut batch, &outcome.reply);
            }
            desk.commit(context, outcome.change.into_iter().collect(), batch)?;
            Ok(Ok(outcome.reply))
        }
        Route::AllCommands => {
            let (changes, reply) = match commands::answer_all(&present, call) {
                Ok(done) => done,
                Err(problem) => return Ok(Err(problem)),
            };
            keep(&mut batch, &reply);
            desk.commit(context, changes, batch)?;
            Ok(Ok(reply))
        }
        Route::Signals(key) => signal(desk, context, call, key, batch, keep, now),
        _ => apply(desk, context, call, texts, batch, keep, now),
    }
}

fn signal(
    desk: &mut Desk,
    context: &JsValue,
    call: &Call,
    key: &str,
    mut batch: Batch,
    keep: &dyn Fn(&mut Batch, &Reply),
    now: Instant,
) -> Result<Answered, JsValue> {
    let reported = find(desk, key).and_then(|rollout| {
        body::signal(&call.body, &rollout.plan).map(|reported| (rollout.plan.key.clone(), reported))
    });
    let (key, reported) = match reported {
        Ok(found) => found,
        Err(problem) => return Ok(Err(problem)),
    };
    #[derive(Serialize)]
    struct Accepted<'a> {
        rollout: &'a Name,
        name: &'a str,
        at: Instant,
    }
    let reply = Reply::json(202, &Accepted { rollout: &key, name: &reported.name, at: now });
    batch.signal(&key, &reported.name, reported.value, now);
    keep(&mut batch, &reply);
    batch.commit(context)?;
    desk.deployment.metrics.get_mut(&key).signals.report(&reported.name, reported.value, now);
    Ok(Ok(reply))
}

fn apply(
    desk: &mut Desk,
    context: &JsValue,
    call: &Call,
    texts: &HashMap<String, String>,
    mut batch: Batch,
    keep: &dyn Fn(&mut Batch, &Reply),
    now: Instant,
) -> Result<Answered, JsValue> {
    let worked_out =
        body::plans(&call.body).and_then(|sent| Ok((sent.is_dry_run, desk.work_out(sent, &call.actor, texts, now)?)));
    let (is_dry_run, applied) = match worked_out {
        Ok(found) => found,
        Err(problem) => return Ok(Err(problem)),
    };
    let console = Console::read(call.console_host.as_deref());
    let naming = applied
        .changes
        .iter()
        .find_map(|change| console.named_by(&change.rollout.plan.routes).map(|route| (&change.key, route)));
    if let Some((key, route)) = naming {
        return Ok(Err(Problem::route_of_console(key.as_str(), &route.to_string())));
    }
    let is_changed = !applied.changes.is_empty() || !applied.removed.is_empty();
    let revision = if is_changed { applied.revision } else { desk.deployment.plans };
    #[derive(Serialize)]
    struct Told<'a> {
        revision: u64,
        changes: &'a [crate::protocol::api::plans::Told],
        dry_run: bool,
    }
    let reply = Reply::json(200, &Told { revision, changes: &applied.told, dry_run: is_dry_run });
    if is_dry_run {
        return Ok(Ok(reply));
    }
    keep(&mut batch, &reply);
    desk.apply(context, applied, batch, texts, now)?;
    Ok(Ok(reply))
}
