//! The controller: the only writer of a deployment's rollouts, as a machine without clock, network or platform.
//!
//! An [`Input`] and the time go in, [`Effect`]s come out; in between there is nothing but the [`Storage`].
//!
//! 1. Commit first, publish second: a change is stored together with its history, then written to
//!    KV, and that is tried until it succeeds.
//! 2. What depends on a commit comes out after it. [`Controller::handle`] takes the state out of the controller,
//!    puts it back when every commit of the turn has succeeded, and only then hands out the effects. Where the
//!    storage refuses, state and effects are dropped together; the next turn loads what is stored.
//! 3. Before a state is written over in KV, what stands there is read: an edit that nobody has seen
//!    yet is adopted first.
//! 4. What is in memory can be lost at any time: each turn leaves everything stored that was acknowledged, or that
//!    an effect speaks of.

mod answer;
mod backup;
mod errands;
mod evaluation;
mod freeze;
mod intake;
mod measures;
mod outbox;
mod papers;
mod plans;
mod publication;
mod registry;
pub mod relay;
mod rhythm;
mod secrets;
mod sources;
mod state;
mod store;
mod telling;
mod turn;

use std::collections::HashMap;

use self::answer::{Poll, poll_wanted};
pub use self::errands::Errand;
pub use self::rhythm::Rhythm;
pub use self::sources::Fetched;
use self::state::State;
use self::store::Batch;
pub use self::store::schema::migrate;
pub use self::store::{Row, Statement, Storage, StorageError, Value};
use self::turn::Turn;
pub use self::turn::{
    Delivered, Delivery, Effect, Fetch, KvTexts, KvWrite, LogLine, Outgoing, Publication, PublicationStep, Purpose,
    ReadKv, Trial, Tried,
};
use tidegate_decide::deployment::Deployment;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::body::Reported;
use tidegate_protocol::api::{Call, Route};
use tidegate_protocol::errand::ErrandAnswer;
use tidegate_protocol::flush::Flush;

/// How long a question waits for KV, in milliseconds.
const POLL_WAIT_MS: i64 = 300;
/// How long plans wait for KV, which may hold states of theirs already, and an alarm; in milliseconds.
const POLL_NEEDED_WAIT_MS: i64 = 2_000;
/// How long a `revive` waits for KV, where a kill key may stand, in milliseconds. It is to be in force within two
/// seconds, of which isolates take more than one. A key that is seen later kills again, and isolates that see it never
/// stop obeying it.
const POLL_REVIVE_WAIT_MS: i64 = 500;

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// An isolate has come: [`Effect::Answer`].
    Flush(Flush),
    /// So many flushes took so many milliseconds.
    FlushCost(f64, u32),
    /// The API is called: [`Effect::Reply`], at once or after a read of KV.
    Call(Call),
    /// A signal of this rollout's plan is reported, as the API takes it in a call.
    Signal(Name, Reported),
    /// What a source of signals has answered to [`Effect::Fetch`], or why it has not.
    Fetched(Fetched),
    /// What has come of an errand, or why nothing has.
    Returned(Box<Errand>, Result<ErrandAnswer, String>),
    /// From now on things are done this often.
    Rhythm(Rhythm),
    /// The time has come that [`Effect::WakeAt`] named.
    Alarm,
    /// What KV said to a read: texts, or why there are none.
    KvRead(ReadKv, Result<KvTexts, String>),
    /// KV has not answered in time: the call that waited is not to wait any longer.
    KvLate(Option<Box<Call>>),
    /// What KV said to the read of a publication; no texts where it has not answered in time.
    Looked(Publication, Result<KvTexts, String>),
    /// What became of the writes of a publication: for each, what went wrong.
    Written(Publication, Vec<Option<String>>),
    /// A write that was given up has reached KV after all, under this key.
    WrittenLate(String),
    /// What became of a message.
    Delivered(Delivered),
    /// What came back from samples.
    Tried(Trial, Vec<Tried>),
    /// Those of the names of [`Effect::FindUnset`] that the environment lacks.
    Unset(Vec<String>),
}

/// The controller of one deployment.
#[derive(Default)]
pub struct Controller {
    /// What it knows; nothing before the first input, and after the storage has refused.
    state: Option<State>,
    /// Whether a publication is under way. There is one at a time: of two writes to one key, KV may keep either.
    is_publishing: bool,
    /// The messages that are under way, and since when: they are so whatever the storage refuses meanwhile.
    in_flight: Vec<(String, Instant)>,
}

impl Controller {
    /// Takes an input in, and stores what comes of it. Returns what is to be done then, in this order.
    ///
    /// # Errors
    /// When the storage refuses. Then nothing is to be done, and the controller goes on from what is stored.
    pub fn handle(
        &mut self,
        storage: &mut dyn Storage,
        input: Input,
        now: Instant,
    ) -> Result<Vec<Effect>, StorageError> {
        if matches!(input, Input::FlushCost(..)) && self.state.is_none() {
            return Ok(Vec::new());
        }
        let mut turn = Turn::new(storage, now);
        let is_publication = matches!(input, Input::Looked(..) | Input::Written(..));
        if let Input::Delivered(delivered) = &input {
            self.in_flight.retain(|(id, _)| *id != delivered.id);
        }
        let done = self.loaded(&mut turn).and_then(|mut state| {
            let publishing = act(&mut state, &mut turn, input)?;
            if publishing == Publishing::Ended {
                self.is_publishing = false;
            }
            if publishing == Publishing::Wanted && !self.is_publishing && state.has_unpublished() {
                self.is_publishing = state.publish(&mut turn, 0)?;
            }
            state.ask_for_secrets(&mut turn);
            // Last: whatever else a turn does comes out before its messages.
            state.dispatch(&mut turn)?;
            Ok(state)
        });
        match done {
            Ok(state) => {
                self.in_flight.clone_from(&state.outbox.in_flight);
                self.state = Some(state);
                Ok(turn.finish())
            }
            Err(error) => {
                self.is_publishing &= !is_publication;
                Err(error)
            }
        }
    }

    /// When it wants to be called again, with [`Input::Alarm`]: the time of the last [`Effect::WakeAt`]; at once
    /// where nothing is known.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        self.state.as_ref().map_or(Some(now), State::wakes_at)
    }

    /// What is known of all rollouts; nothing before the first input, and after the storage has refused.
    pub fn deployment(&self) -> Option<&Deployment> {
        self.state.as_ref().map(|state| &state.deployment)
    }

    /// The state, out of the controller: as it was after the last turn, or as it is stored.
    fn loaded(&mut self, turn: &mut Turn<'_>) -> Result<State, StorageError> {
        match self.state.take().filter(|state| !state.is_old(turn.now) || !turn.storage.keeps()) {
            Some(state) => Ok(state),
            None => {
                let mut state = State::load(turn)?;
                state.outbox.in_flight.clone_from(&self.in_flight);
                // The figures are stored, but not what was made of them.
                state.advance(turn)?;
                Ok(state)
            }
        }
    }
}

/// What an input means to publications.
#[derive(PartialEq, Eq)]
enum Publishing {
    /// One may begin.
    Wanted,
    /// The one under way goes on, or there is none.
    AsItIs,
    /// The one under way has ended.
    Ended,
}

fn act(state: &mut State, turn: &mut Turn<'_>, input: Input) -> Result<Publishing, StorageError> {
    match input {
        Input::Flush(flush) => flushed(state, turn, flush)?,
        Input::FlushCost(ms, flushes) => {
            state.pace.note(ms, flushes);
            return Ok(Publishing::AsItIs);
        }
        Input::Call(call) => called(state, turn, call)?,
        Input::Signal(key, reported) => {
            // It makes nothing due earlier: the next evaluation is as soon as it was.
            state.take_signal(turn, &key, &reported, Batch::default())?;
            return Ok(Publishing::AsItIs);
        }
        Input::Fetched(fetched) => {
            state.fetched(turn, &fetched)?;
            return Ok(Publishing::AsItIs);
        }
        // A step may have waited for it.
        Input::Returned(errand, answer) => state.returned(turn, *errand, answer)?,
        Input::Rhythm(rhythm) => {
            state.set_rhythm(turn, rhythm);
            return Ok(Publishing::AsItIs);
        }
        Input::Alarm => {
            state.note_alarm();
            state.advance(turn)?;
            if state.is_poll_due(turn.now) {
                // While this waits no other alarm rings, so it must not wait for long.
                poll(state, turn, POLL_NEEDED_WAIT_MS, None);
            }
        }
        Input::KvRead(read, texts) => kv_read(state, turn, read, texts)?,
        Input::KvLate(call) => reply(state, turn, call, &HashMap::new())?,
        Input::Looked(publication, texts) => return state.looked(turn, &publication, texts).map(under_way),
        Input::Written(publication, errors) => return state.written(turn, publication, &errors).map(under_way),
        Input::WrittenLate(key) => {
            state.note_written_late(&key);
            state.advance(turn)?;
        }
        Input::Delivered(delivered) => {
            state.delivered(turn, delivered)?;
            return Ok(Publishing::AsItIs);
        }
        Input::Unset(names) => {
            state.note_unset(names, turn.now);
            return Ok(Publishing::AsItIs);
        }
        Input::Tried(trial, tried) => {
            turn.push(Effect::Reply(outbox::answer::tried(&trial, &tried)));
            return Ok(Publishing::AsItIs);
        }
    }
    Ok(Publishing::Wanted)
}

const fn under_way(goes_on: bool) -> Publishing {
    if goes_on { Publishing::AsItIs } else { Publishing::Ended }
}

fn flushed(state: &mut State, turn: &mut Turn<'_>, mut flush: Flush) -> Result<(), StorageError> {
    let acknowledged = state.take_flush(turn, &mut flush)?;
    // What the counts lead to is in the answer already.
    if !state.is_quiet(&flush, turn.now) {
        state.advance(turn)?;
    }
    let answer = state.answer(&flush, acknowledged, turn.now);
    turn.push(Effect::Answer(answer));
    Ok(())
}

fn called(state: &mut State, turn: &mut Turn<'_>, call: Call) -> Result<(), StorageError> {
    // Whoever changes something does so where the console answers too.
    if let Some(origin) = call.origin.as_ref().filter(|_| !call.is_read()) {
        state.see_console(turn, origin)?;
    }
    if let Ok(Route::ChannelTest(name)) = Route::find(&call.method, &call.path) {
        outbox::answer::begin_trial(state, turn, &name, Box::new(call));
        return Ok(());
    }
    let wanted = poll_wanted(&call);
    let call = Some(Box::new(call));
    match wanted {
        Poll::Fresh if state.is_poll_due(turn.now) => poll(state, turn, POLL_WAIT_MS, call),
        Poll::Now => poll(state, turn, POLL_REVIVE_WAIT_MS, call),
        Poll::Texts(keys) if !keys.is_empty() => {
            let until = turn.now.plus_ms(POLL_NEEDED_WAIT_MS);
            turn.push(Effect::ReadKv(ReadKv { keys, until, purpose: Purpose::Call, call }));
        }
        Poll::None | Poll::Fresh | Poll::Texts(_) => reply(state, turn, call, &HashMap::new())?,
    }
    Ok(())
}

/// Reads what people may have written into KV.
fn poll(state: &mut State, turn: &mut Turn<'_>, wait_ms: i64, call: Option<Box<Call>>) {
    state.polled_at = turn.now;
    let until = turn.now.plus_ms(wait_ms);
    let keys = plans::keys(state.deployment.rollouts.keys());
    turn.push(Effect::ReadKv(ReadKv { keys, until, purpose: Purpose::Poll(HashMap::new()), call }));
}

fn kv_read(
    state: &mut State,
    turn: &mut Turn<'_>,
    read: ReadKv,
    texts: Result<KvTexts, String>,
) -> Result<(), StorageError> {
    let ReadKv { keys, until, purpose, call } = read;
    let found = match texts {
        Ok(found) => found,
        // Of what could not be read, nothing is known: not that a key is absent either.
        Err(error) => {
            turn.warn("kv_unreadable", "controller", &error);
            return reply(state, turn, call, &HashMap::new());
        }
    };
    let Purpose::Poll(mut texts) = purpose else { return reply(state, turn, call, &found) };
    let is_first = texts.is_empty();
    texts.extend(found);
    // Plans that are new here bring rollouts whose states are not among the keys yet.
    let unknown = texts.get("plans").filter(|_| is_first).map(|plans| plans::plan_keys(plans)).unwrap_or_default();
    let unknown: Vec<String> = unknown.into_iter().filter(|key| !keys.contains(key)).collect();
    if !unknown.is_empty() {
        turn.push(Effect::ReadKv(ReadKv { keys: unknown, until, purpose: Purpose::Poll(texts), call }));
        return Ok(());
    }
    state.take_poll(turn, &texts)?;
    reply(state, turn, call, &HashMap::new())
}

/// Answers the call that waited, if one did.
fn reply(state: &mut State, turn: &mut Turn<'_>, call: Option<Box<Call>>, texts: &KvTexts) -> Result<(), StorageError> {
    if let Some(call) = call {
        let reply = answer::answer(state, turn, &call, texts)?;
        turn.push(Effect::Reply(reply));
    }
    state.advance(turn)
}

/// Whether so much time has passed. A clock that was set back says nothing about how long ago that was, so it has.
fn is_over(since: Instant, ms: i64, now: Instant) -> bool {
    !(0..ms).contains(&(now.ms_since(since)))
}
