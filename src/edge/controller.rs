//! The controller's Durable Object: hands what comes in to the [`Controller`], and does what it says.
//!
//! Storage, KV, alarm and environment are those of the crate `worker`. The object's class is `controller.js` all the
//! same, and not one of the macro `durable_object`: it takes calls of its methods rather than requests, which costs an
//! isolate's flush no `Request`, no `Response` and no JSON around its JSON; and it notes a trap of the module, which
//! Rust cannot.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select, try_join_all};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use worker::kv::KvError;
use worker::worker_sys::DurableObjectState;
use worker::{Delay, Env};

use super::storage::ObjectStorage;
use super::{clock, glue, log, messages, relay};
use tidegate_controller::{
    Controller, Delivered, Effect, Errand, Fetch, Fetched, Input, KvTexts, KvWrite, Outgoing, Publication,
    PublicationStep, ReadKv, Trial,
};
use tidegate_model::Instant;
use tidegate_model::plan::signal::Address;
use tidegate_model::plan::words::SecretName;
use tidegate_protocol::api::{Call, Reply};
use tidegate_protocol::flush::{Answer, Flush};
use tidegate_protocol::receive::pull;

/// The binding of the KV namespace.
const ROLLOUTS: &str = "ROLLOUTS";
/// The most keys that one read of KV may ask for.
const KEYS_MAX: usize = 100;
/// So long KV may answer from its cache, in seconds: the least that it allows.
const CACHE_S: u64 = 30;
/// A write to KV is given up after this long, in milliseconds.
const WRITE_MS_MAX: u64 = 10_000;

thread_local! {
    static CONTROLLER: RefCell<Controller> = RefCell::default();
}

/// The object, as its events find it.
pub struct Object {
    /// Its storage and its alarm.
    pub state: worker::State,
    /// The worker's bindings.
    pub env: Env,
}

impl Object {
    /// The object of an event.
    pub fn new(state: DurableObjectState, env: Env) -> Rc<Self> {
        Rc::new(Self { state: state.into(), env })
    }

    /// Lets something go on after the event that called for it.
    pub fn in_background(&self, act: impl Future<Output = ()> + 'static) {
        let done = future_to_promise(async move {
            act.await;
            Ok(JsValue::UNDEFINED)
        });
        if let Err(error) = self.state.as_raw().wait_until(&done) {
            log::warn("not_awaited", "controller", &glue::message(&error));
        }
    }
}

/// What an event waits for, or is answered with.
#[derive(Default)]
struct Outcome {
    answer: Option<Answer>,
    reply: Option<Reply>,
    read: Option<ReadKv>,
    trial: Option<Trial>,
}

/// The object has been made anew: what is in memory may be of another one.
#[wasm_bindgen(js_name = controllerOpened)]
pub fn opened() {
    CONTROLLER.set(Controller::default());
}

/// Answers an isolate: a `Flush` in, an `Answer` out, both as JSON.
///
/// # Errors
/// When the storage refuses, or the text is no flush.
#[wasm_bindgen(js_name = controllerFlush)]
pub fn flush(state: DurableObjectState, env: Env, text: String) -> Result<String, JsValue> {
    let flush = Flush::parse(&text).ok_or_else(|| JsValue::from_str("this is no flush"))?;
    let outcome = handle(&Object::new(state, env), Input::Flush(flush))?;
    Ok(serde_json::to_string(&outcome.answer).unwrap_or_default())
}

/// So many flushes took so long.
///
/// # Errors
/// Never: nothing is stored.
#[wasm_bindgen(js_name = controllerTook)]
pub fn took(state: DurableObjectState, env: Env, ms: f64, flushes: u32) -> Result<(), JsValue> {
    handle(&Object::new(state, env), Input::FlushCost(ms, flushes)).map(|_| ())
}

/// Answers the API: a `Call` in, a `Reply` out, both as JSON.
///
/// # Errors
/// When the storage refuses, or the text is no call.
#[wasm_bindgen(js_name = controllerCall)]
pub async fn call(state: DurableObjectState, env: Env, text: String) -> Result<String, JsValue> {
    let call = Call::parse(&text).ok_or_else(|| JsValue::from_str("this is no call"))?;
    let reply = settled(&Object::new(state, env), Input::Call(call)).await?;
    Ok(serde_json::to_string(&reply).unwrap_or_default())
}

/// The alarm rings. While this lasts no other one does.
///
/// # Errors
/// When the storage refuses.
#[wasm_bindgen(js_name = controllerAlarm)]
pub async fn alarm(state: DurableObjectState, env: Env) -> Result<(), JsValue> {
    settled(&Object::new(state, env), Input::Alarm).await.map(|_| ())
}

/// Hands an input in, and reads KV as long as that is asked for; what is replied then.
async fn settled(object: &Rc<Object>, input: Input) -> Result<Option<Reply>, JsValue> {
    if CONTROLLER.with_borrow(|controller| controller.deployment().is_none()) {
        // The first answer after a start has what the environment lacks, too.
        handle(object, Input::Unset(Vec::new()))?;
    }
    let mut outcome = handle(object, input)?;
    while let Some(read) = outcome.read {
        outcome = read_in_time(object, read).await?;
    }
    if let Some(trial) = outcome.trial {
        let tried = join_all(trial.outgoing.iter().map(|(own, _)| messages::try_out(&object.env, own))).await;
        outcome = handle(object, Input::Tried(trial, tried))?;
    }
    Ok(outcome.reply)
}

/// Hands an input in, and does what the controller says.
fn handle(object: &Rc<Object>, input: Input) -> Result<Outcome, JsValue> {
    let effects = CONTROLLER
        .with_borrow_mut(|controller| controller.handle(&mut ObjectStorage::of(&object.state), input, clock::now()));
    let mut outcome = Outcome::default();
    for effect in effects.map_err(|error| JsValue::from_str(&error.to_string()))? {
        match effect {
            Effect::Answer(answer) => outcome.answer = Some(answer),
            Effect::Reply(reply) => outcome.reply = Some(reply),
            Effect::ReadKv(read) => outcome.read = Some(read),
            Effect::Errand(errand) => object.in_background(run_errand(Rc::clone(object), errand)),
            Effect::Fetch(fetch) => object.in_background(ask_source(Rc::clone(object), fetch)),
            Effect::Publish(publication) => object.in_background(publish(Rc::clone(object), publication)),
            Effect::Push(places, text) => relay::push(object, &places, &text),
            Effect::Send(outgoing) => {
                for own in outgoing {
                    object.in_background(send(Rc::clone(object), own));
                }
            }
            Effect::Try(trial) => outcome.trial = Some(trial),
            Effect::FindUnset(names) => {
                let is_unset =
                    |name: &String| glue::text(&object.env, name).is_none_or(|value| value.trim().is_empty());
                handle_alone(object, Input::Unset(names.into_iter().filter(is_unset).collect()));
            }
            Effect::WakeAt(at) => wake_at(object, at),
            Effect::Log(line) => log::write(&line),
        }
    }
    Ok(outcome)
}

/// Hands an input in that nobody waits for.
fn handle_alone(object: &Rc<Object>, input: Input) -> Outcome {
    handle(object, input).unwrap_or_else(|error| {
        log::warn("storage", "controller", &glue::message(&error));
        Outcome::default()
    })
}

/// Sets the alarm. The call itself is part of this turn, as the commits are; what it may say later is logged.
pub fn wake_at(object: &Object, at: Instant) {
    let date = js_sys::Date::new(&JsValue::from_f64(at.as_epoch_ms() as f64));
    let set = object.state.storage().as_raw().set_alarm(date, js_sys::Object::new());
    spawn_local(async move {
        let done = match set {
            Ok(promise) => JsFuture::from(promise).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            log::warn("alarm_unset", "controller", &glue::message(&error));
        }
    });
}

/// Sends a message, and hands in what became of it.
async fn send(object: Rc<Object>, outgoing: Outgoing) {
    let tried = messages::deliver(&object.env, &outgoing).await;
    handle_alone(&object, Input::Delivered(Delivered { id: outgoing.id, delivery: tried.delivery }));
}

type Reading = Pin<Box<dyn Future<Output = Result<KvTexts, String>>>>;

/// Reads KV. What comes too late is handed in when it comes.
async fn read_in_time(object: &Rc<Object>, mut read: ReadKv) -> Result<Outcome, JsValue> {
    match within(texts(&object.env, &read.keys), until(read.until)).await {
        Ok(texts) => handle(object, Input::KvRead(read, texts)),
        Err(reading) => {
            let call = read.call.take();
            object.in_background(read_late(Rc::clone(object), read, reading));
            handle(object, Input::KvLate(call))
        }
    }
}

async fn read_late(object: Rc<Object>, mut read: ReadKv, mut reading: Reading) {
    loop {
        let texts = reading.await;
        match handle_alone(&object, Input::KvRead(read, texts)).read {
            Some(next) => (reading, read) = (texts_of(&object, &next), next),
            None => return,
        }
    }
}

/// Asks a source of signals, and hands in what it answers.
async fn ask_source(object: Rc<Object>, fetch: Fetch) {
    let answer = answer_of(&object.env, &fetch).await;
    handle_alone(&object, Input::Fetched(Fetched { fetch, answer }));
}

/// Runs an errand, and hands in what comes of it.
async fn run_errand(object: Rc<Object>, errand: Errand) {
    let text = |name: &str| glue::text(&object.env, name).filter(|value| !value.trim().is_empty());
    let answer = match errand.request(&text, clock::now()) {
        Ok(request) => messages::ask(&object.env, &request).await,
        Err(why) => Err(why),
    };
    handle_alone(&object, Input::Returned(Box::new(errand), answer));
}

async fn answer_of(env: &Env, fetch: &Fetch) -> Result<(u16, String), String> {
    let pull = fetch.signal.pull().ok_or("it has no source")?;
    let secret = |name: &SecretName| {
        let value = glue::text(env, name.0.as_str()).filter(|value| !value.trim().is_empty());
        value.ok_or_else(|| format!("the secret {} is not set", name.0))
    };
    let address = match pull.url {
        Address::Secret(name) => secret(name)?,
        Address::Plain(url) => url.clone(),
    };
    let authorization = pull.token.map(|name| secret(name).map(|value| pull::authorization(&value))).transpose()?;
    let url = pull::url(&pull, &address)?;
    let asked = glue::ask_source(&url, authorization, pull::ANSWER_BYTES_MAX, pull::ANSWER_MS_MAX).await;
    // What the platform says may have the address in it, which is a secret.
    let answer = asked.map_err(|error| format!("it cannot be asked: {}", pull::said(&glue::message(&error), &url)))?;
    Ok((answer.status(), answer.body()))
}

/// Does one step of a publication, and hands in what came of it.
async fn publish(object: Rc<Object>, publication: Publication) {
    let input = match &publication.step {
        PublicationStep::Read(keys, at) => {
            // What is late is not waited for: the next poll sees it.
            let texts = within(texts(&object.env, keys), until(*at)).await.unwrap_or_else(|_| Ok(HashMap::new()));
            Input::Looked(publication, texts)
        }
        PublicationStep::Write(writes) => {
            let errors = join_all(writes.iter().map(|own| write(&object, own))).await;
            Input::Written(publication, errors)
        }
    };
    handle_alone(&object, input);
}

/// Writes to KV; what goes wrong, if anything. A write that comes too late is handed in when it comes.
async fn write(object: &Rc<Object>, KvWrite { key, text, .. }: &KvWrite) -> Option<String> {
    let (env, own, text) = (object.env.clone(), key.clone(), text.clone());
    let writing: Pin<Box<dyn Future<Output = Result<(), String>>>> = Box::pin(async move {
        let kv = env.kv(ROLLOUTS).map_err(|error| error.to_string())?;
        let written = match text {
            Some(text) => match kv.put(&own, text) {
                Ok(put) => put.execute().await,
                Err(error) => Err(error),
            },
            None => kv.delete(&own).await,
        };
        written.map_err(said)
    });
    match within(writing, Duration::from_millis(WRITE_MS_MAX)).await {
        Ok(written) => written.err(),
        Err(writing) => {
            let (late, key) = (Rc::clone(object), key.clone());
            object.in_background(async move {
                if writing.await.is_ok() {
                    handle_alone(&late, Input::WrittenLate(key));
                }
            });
            Some(format!("KV took longer than {WRITE_MS_MAX} ms"))
        }
    }
}

/// What a future yields within a time; after it the future, which goes on.
async fn within<T>(
    act: Pin<Box<dyn Future<Output = T>>>,
    time: Duration,
) -> Result<T, Pin<Box<dyn Future<Output = T>>>> {
    match select(act, Box::pin(Delay::from(time))).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(((), act)) => Err(act),
    }
}

fn until(at: Instant) -> Duration {
    let ms = at.as_epoch_ms().saturating_sub(clock::now().as_epoch_ms());
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

fn texts_of(object: &Object, read: &ReadKv) -> Reading {
    texts(&object.env, &read.keys)
}

/// The texts of these keys; those that do not exist are left out.
fn texts(env: &Env, keys: &[String]) -> Reading {
    let (env, keys) = (env.clone(), keys.to_vec());
    Box::pin(async move {
        let kv = env.kv(ROLLOUTS).map_err(|error| error.to_string())?;
        // At once: a thousand rollouts are twenty reads, and a command may wait for them.
        let reads = keys.chunks(KEYS_MAX).map(|chunk| kv.get_bulk(chunk).cache_ttl(CACHE_S).text());
        let found = try_join_all(reads).await.map_err(said)?;
        Ok(found.into_iter().flatten().filter_map(|(key, text)| Some((key, text?))).collect())
    })
}

fn said(error: KvError) -> String {
    glue::message(&error.into())
}
