//! Answers the API's calls: finds what is asked for, decides, stores, replies.

use serde_json::value::RawValue;

use super::state::State;
use super::store::{self, Batch, Storage, StorageError};
use super::turn::{KvTexts, Turn};
use super::{freeze, measures, outbox, papers};
use tidegate_decide::rollout::{Noticed, Rollout};
use tidegate_model::history::sha256_hex;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::history::page;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::shapes;
use tidegate_protocol::api::view::Present;
use tidegate_protocol::api::{Call, Reply, Route, body, commands, parameter, view};
use tidegate_protocol::console::Console;
use tidegate_protocol::flush::HeldList;
use tidegate_protocol::reach::Reach;

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

pub type Answered = Result<Reply, Problem>;

/// Answers a call. `texts` is what KV holds of what the call names.
///
/// # Errors
/// When the storage refuses.
pub fn answer(state: &mut State, turn: &mut Turn<'_>, call: &Call, texts: &KvTexts) -> Result<Reply, StorageError> {
    if let Some(received) = &call.received {
        return state.receive(turn, received, &call.body);
    }
    let answered = match Route::find(&call.method, &call.path) {
        Ok(route) if is_change(call, &route) => once(state, turn, call, &route, texts)?,
        Ok(route) => show(state, turn, call, &route)?,
        Err(problem) => Err(problem),
    };
    Ok(answered.unwrap_or_else(Reply::from))
}

fn is_change(call: &Call, route: &Route) -> bool {
    match route {
        Route::Plans | Route::Backup | Route::Freeze => call.method == "PUT",
        Route::Commands(_) | Route::AllCommands | Route::Signals(_) | Route::OutboxRetry(_) => true,
        _ => false,
    }
}

/// Answers a question, which changes nothing.
fn show(state: &State, turn: &mut Turn<'_>, call: &Call, route: &Route) -> Result<Answered, StorageError> {
    let shown = Shown::of(state, turn.now);
    let present = shown.present(state);
    let of = |key: &str| find(state, key);
    Ok(match route {
        Route::Rollouts => Ok(list(state, &present)),
        Route::Exposition => Ok(measures::expose(state, turn)?),
        Route::Plans => Ok(Reply::text(state.plans_text())),
        Route::Backup => Ok(super::backup::show(turn)?),
        Route::Rollout(key) => {
            of(key).map(|rollout| Reply::json(200, &view::rollout(&present, rollout)).at(rollout.record.live.revision))
        }
        Route::Outbox => outbox::answer::show(state, turn.storage, call, turn.now)?,
        Route::Metrics(key) => match of(key) {
            Ok(rollout) => measures::answer(&present, turn.storage, rollout, call)?,
            Err(problem) => Err(problem),
        },
        Route::History(key) => match of(key) {
            Ok(rollout) => history(turn.storage, &rollout.plan.key, call)?,
            Err(problem) => Err(problem),
        },
        Route::Messages(key) => match of(key) {
            Ok(rollout) => messages(turn.storage, &rollout.plan.key, call)?,
            Err(problem) => Err(problem),
        },
        Route::Timeline(key) => match of(key) {
            Ok(rollout) => papers::timeline(state, turn, Some(rollout), call)?,
            Err(problem) => Err(problem),
        },
        Route::AllTimelines => papers::timeline(state, turn, None, call)?,
        Route::Runbook(key) => of(key).and_then(|rollout| papers::runbook(state, rollout, call, turn.now)),
        Route::Report(key) => match of(key) {
            Ok(rollout) => papers::report(state, turn.storage, &shown, rollout, call, turn.now)?,
            Err(problem) => Err(problem),
        },
        Route::Freeze => freeze::show(turn.storage)?,
        Route::Plan(key) => match of(key) {
            Ok(rollout) => plan(turn.storage, rollout, call)?,
            Err(problem) => Err(problem),
        },
        _ => Err(Problem::not_found(&call.path)),
    })
}

/// What views show beside the deployment.
pub struct Shown {
    faults: Vec<Noticed>,
    lists: Vec<HeldList>,
    reaches: Vec<Reach>,
    setup: Vec<(Name, Noticed)>,
    now: Instant,
}

impl Shown {
    fn of(state: &State, now: Instant) -> Self {
        let isolates = &state.isolates;
        Self {
            faults: isolates.faults(now),
            lists: isolates.lists(now),
            reaches: isolates.reaches(now),
            setup: state.setup_faults(now),
            now,
        }
    }

    pub fn present<'a>(&'a self, state: &'a State) -> Present<'a> {
        Present {
            deployment: &state.deployment,
            faults: &self.faults,
            lists: &self.lists,
            reaches: &self.reaches,
            setup: &self.setup,
            isolates: state.isolates.count(),
            now: self.now,
        }
    }
}

fn find<'d>(state: &'d State, key: &str) -> Result<&'d Rollout, Problem> {
    let found = key.parse::<Name>().ok().and_then(|name| state.deployment.rollouts.get(&name));
    found.ok_or_else(|| {
        let known: Vec<String> = state.deployment.rollouts.keys().map(ToString::to_string).collect();
        Problem::unknown_rollout(key, &known)
    })
}

fn list(state: &State, present: &Present<'_>) -> Reply {
    let own = || state.deployment.rollouts.iter();
    // Those of one rollout stand with it.
    let of_all =
        present.faults.iter().filter(|fault| !own().any(|rollout| view::is_about(&rollout.plan, &fault.subject)));
    let all = shapes::Rollouts {
        rollouts: own().map(|rollout| view::rollout(present, rollout)).collect(),
        plans: state.deployment.plans,
        at: present.now.into(),
        faults: state.faults.iter().chain(of_all).map(view::fault).collect(),
    };
    Reply::json(200, &all)
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
pub fn limit(call: &Call) -> Result<u64, Problem> {
    let limit = number(call, "limit")?.unwrap_or(HISTORY_DEFAULT);
    if (1..=HISTORY_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(Problem::malformed(format!("`limit={limit}` is out of range"), "1 to 1000"))
    }
}

fn messages(storage: &mut dyn Storage, key: &Name, call: &Call) -> Result<Answered, StorageError> {
    let before = parameter(&call.query, "before").map(|text| text.parse::<Instant>()).transpose();
    let before =
        before.map_err(|error| Problem::malformed(format!("`before`: {error}"), "a time such as 2026-12-02T09:00:00Z"));
    let (before, limit) = match (before, limit(call)) {
        (Ok(before), Ok(limit)) => (before.unwrap_or(Instant::from_epoch_ms(i64::MAX)), limit),
        (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
    };
    let messages = store::counts::messages(storage, key, before, limit)?;
    let last = messages.last().and_then(|(at, _)| *at).filter(|_| messages.len() as u64 == limit);
    let messages = messages.into_iter().filter_map(|(_, text)| RawValue::from_string(text).ok()).collect();
    Ok(Ok(Reply::json(200, &shapes::Messages { messages, before: last.map(Into::into) })))
}

fn history(storage: &mut dyn Storage, key: &Name, call: &Call) -> Result<Answered, StorageError> {
    let (before, limit) = match (number(call, "before"), limit(call)) {
        (Ok(before), Ok(limit)) => (before.unwrap_or(u64::MAX), limit),
        (Err(problem), _) | (_, Err(problem)) => return Ok(Err(problem)),
    };
    let entries = store::history(storage, key, before, limit)?;
    let last = entries.last().map(|(revision, _)| *revision);
    let is_full = entries.len() as u64 == limit;
    Ok(Ok(page(&entries, last.filter(|revision| is_full && *revision > 1))))
}

fn plan(storage: &mut dyn Storage, rollout: &Rollout, call: &Call) -> Result<Answered, StorageError> {
    let revision = match number(call, "revision") {
        Ok(revision) => revision.unwrap_or(rollout.record.live.plan),
        Err(problem) => return Ok(Err(problem)),
    };
    Ok(match store::plan(storage, &rollout.plan.key, revision)? {
        Some(body) => Ok(Reply::text(body)),
        None => Err(Problem::not_found(&format!("{}?revision={revision}", call.path))),
    })
}

/// Where the answer to a change is kept, for when the request is sent again.
struct Kept {
    key: String,
    request: String,
}

impl Kept {
    /// The answer is stored together with the change.
    fn keep(kept: Option<&Self>, batch: &mut Batch, reply: &Reply, now: Instant) {
        if let Some(Self { key, request }) = kept {
            batch.answer(key, request, reply, now);
        }
    }
}

/// Answers a change; one that was sent before gets the answer that it got then.
fn once(
    state: &mut State,
    turn: &mut Turn<'_>,
    call: &Call,
    route: &Route,
    texts: &KvTexts,
) -> Result<Answered, StorageError> {
    let Some(key) = &call.key else { return change(state, turn, call, route, texts, None) };
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Ok(Err(Problem::malformed(format!("the Idempotency-Key has {} bytes", key.len()), "1 to 128 bytes")));
    }
    let key = format!("{}:{key}", call.actor);
    let request = sha256_hex(
        format!("{}\n{}\n{}\n{}", call.method, call.path, call.if_match.as_deref().unwrap_or_default(), call.body)
            .as_bytes(),
    );
    match store::answer(turn.storage, &key)? {
        Some((known, reply)) if known == request => Ok(Ok(reply)),
        Some(_) => Ok(Err(Problem::key_reused())),
        None => change(state, turn, call, route, texts, Some(&Kept { key, request })),
    }
}

/// Works a change out and stores it.
fn change(
    state: &mut State,
    turn: &mut Turn<'_>,
    call: &Call,
    route: &Route,
    texts: &KvTexts,
    kept: Option<&Kept>,
) -> Result<Answered, StorageError> {
    let shown = Shown::of(state, turn.now);
    let mut batch = Batch::default();
    match route {
        Route::Backup => super::backup::restore(state, turn, call),
        Route::Commands(key) => {
            let present = shown.present(state);
            let outcome = match find(state, key).and_then(|rollout| commands::answer(&present, rollout, call)) {
                Ok(outcome) => outcome,
                Err(problem) => return Ok(Err(problem)),
            };
            if outcome.change.is_some() {
                Kept::keep(kept, &mut batch, &outcome.reply, turn.now);
            }
            state.commit(turn, outcome.change.into_iter().collect(), batch)?;
            Ok(Ok(outcome.reply))
        }
        Route::AllCommands => {
            let (changes, reply) = match commands::answer_all(&shown.present(state), call) {
                Ok(done) => done,
                Err(problem) => return Ok(Err(problem)),
            };
            Kept::keep(kept, &mut batch, &reply, turn.now);
            state.commit(turn, changes, batch)?;
            Ok(Ok(reply))
        }
        Route::Signals(key) => signal(state, turn, call, key, kept),
        Route::Freeze => {
            let now = turn.now;
            freeze::set(state, turn, call, |batch, reply| Kept::keep(kept, batch, reply, now))
        }
        Route::OutboxRetry(id) => {
            let now = turn.now;
            outbox::answer::retry(state, turn, id, |batch, reply| Kept::keep(kept, batch, reply, now))
        }
        _ => apply(state, turn, call, texts, kept),
    }
}

fn signal(
    state: &mut State,
    turn: &mut Turn<'_>,
    call: &Call,
    key: &str,
    kept: Option<&Kept>,
) -> Result<Answered, StorageError> {
    let reported = find(state, key).and_then(|rollout| {
        body::signal(&call.body, &rollout.plan).map(|reported| (rollout.plan.key.clone(), reported))
    });
    let (key, reported) = match reported {
        Ok((_, reported)) if call.signal.as_ref().is_some_and(|own| *own != reported.name) => {
            return Ok(Err(Problem::not_its_signal(&call.actor, &reported.name)));
        }
        Ok(found) => found,
        Err(problem) => return Ok(Err(problem)),
    };
    let now = turn.now;
    let taken = shapes::SignalTaken { rollout: (&key).into(), name: reported.name.as_str().into(), at: now.into() };
    let reply = Reply::json(202, &taken);
    let mut batch = Batch::default();
    Kept::keep(kept, &mut batch, &reply, now);
    state.overrule(&key, &reported.name, &mut batch);
    if let Some(note) = &reported.note {
        state.tell_note(turn, &mut batch, &key, &reported.name, note)?;
    }
    state.take_signal(turn, &key, &reported, batch)?;
    Ok(Ok(reply))
}

fn apply(
    state: &mut State,
    turn: &mut Turn<'_>,
    call: &Call,
    texts: &KvTexts,
    kept: Option<&Kept>,
) -> Result<Answered, StorageError> {
    let worked_out = body::plans(&call.body)
        .and_then(|sent| Ok((sent.is_dry_run, state.work_out(sent, &call.actor, texts, turn.now)?)));
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
    let revision = if is_changed { applied.revision } else { state.deployment.plans };
    let changes = applied.reported.clone();
    let reply = Reply::json(200, &shapes::PlansApplied { revision, changes, dry_run: is_dry_run });
    if is_dry_run {
        return Ok(Ok(reply));
    }
    let mut batch = Batch::default();
    Kept::keep(kept, &mut batch, &reply, turn.now);
    state.apply(turn, applied, batch, texts)?;
    Ok(Ok(reply))
}
