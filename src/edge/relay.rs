//! Relays: objects of the controller's class under other names. Hands what comes in to the [`Relay`], and does what it
//! says. One isolate of the platform may hold several of them, and the controller beside.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use worker::worker_sys::DurableObjectState;
use worker::{Delay, Env};

use super::controller::{Object, wake_at};
use super::storage::ObjectStorage;
use super::{clock, glue, log};
use tidegate_controller::relay::{Ask, Effect, Input, Relay};
use tidegate_protocol::flush::Flush;
use tidegate_protocol::relays::Place;

/// The longest that an answer from above is waited for, in milliseconds.
const ANSWER_MS_MAX: f64 = 5_000.0;

/// A relay, and who waits for its answers: how to settle each call's promise.
#[derive(Default)]
struct Running {
    relay: Relay,
    calls: HashMap<u64, (Function, Function)>,
    last: u64,
}

thread_local! {
    /// By the objects' ids.
    static RELAYS: RefCell<HashMap<String, Running>> = RefCell::default();
}

/// The object has been made anew: what is in memory was another one's.
#[wasm_bindgen(js_name = relayOpened)]
pub fn opened(id: &str) {
    RELAYS.with_borrow_mut(|relays| relays.remove(id));
}

/// Answers an isolate or another relay, mostly not at once: a `Flush` in, an `Answer` out, both as JSON.
///
/// # Errors
/// When the text is no flush, or the name no relay's.
#[wasm_bindgen(js_name = relayFlush)]
pub fn flush(state: DurableObjectState, env: Env, name: &str, text: &str) -> Result<Promise, JsValue> {
    let flush = Flush::parse(text).ok_or_else(|| JsValue::from_str("this is no flush"))?;
    let (object, place) = (Object::new(state, env), place(name)?);
    let mut number = 0;
    let answer = Promise::new(&mut |resolve, reject| {
        with(&object, |running| {
            running.last += 1;
            number = running.last;
            running.calls.insert(number, (resolve, reject));
        });
    });
    handle(&object, place, Input::Flush(number, Box::new(flush)));
    Ok(answer)
}

/// Takes news from above.
///
/// # Errors
/// When the name is no relay's.
#[wasm_bindgen(js_name = relayNews)]
pub fn news(state: DurableObjectState, env: Env, name: &str, text: String) -> Result<(), JsValue> {
    handle(&Object::new(state, env), place(name)?, Input::News(text));
    Ok(())
}

/// So many flushes took so long.
///
/// # Errors
/// When the name is no relay's.
#[wasm_bindgen(js_name = relayTook)]
pub fn took(state: DurableObjectState, env: Env, name: &str, ms: f64, flushes: u32) -> Result<(), JsValue> {
    handle(&Object::new(state, env), place(name)?, Input::FlushCost(ms, flushes));
    Ok(())
}

/// The alarm rings.
///
/// # Errors
/// When the storage refuses.
#[wasm_bindgen(js_name = relayAlarm)]
pub fn alarm(state: DurableObjectState, env: Env) -> Result<(), JsValue> {
    let object = Object::new(state, env);
    let stored = Relay::place(&mut ObjectStorage::of(&object.state));
    if let Some(place) = stored.map_err(|error| JsValue::from_str(&error.to_string()))? {
        // The platform rings again after an alarm that failed.
        try_handle(&object, place, Input::Alarm).map_err(|error| JsValue::from_str(&error))?;
    }
    Ok(())
}

fn place(name: &str) -> Result<Place, JsValue> {
    name.parse().map_err(|()| JsValue::from_str("this is no relay's name"))
}

fn with<T>(object: &Object, act: impl FnOnce(&mut Running) -> T) -> T {
    let id = object.state.id().to_string();
    RELAYS.with_borrow_mut(|relays| act(relays.entry(id).or_default()))
}

/// Hands an input in, and does what the relay says. Where its storage refuses, whoever waits gets an error, and only an
/// alarm comes again by itself.
fn handle(object: &Rc<Object>, place: Place, input: Input) {
    let _ = try_handle(object, place, input);
}

fn try_handle(object: &Rc<Object>, place: Place, input: Input) -> Result<(), String> {
    let handled =
        with(object, |running| running.relay.handle(&mut ObjectStorage::of(&object.state), place, input, clock::now()));
    let effects = match handled {
        Ok(effects) => effects,
        Err(error) => {
            log::warn("storage", &place.to_string(), &error.to_string());
            let calls = with(object, |running| std::mem::take(&mut running.calls));
            for (_, reject) in calls.into_values() {
                settle(&reject, &error.to_string());
            }
            return Err(error.to_string());
        }
    };
    for effect in effects {
        match effect {
            Effect::Answer(number, answer) => {
                let text = serde_json::to_string(&answer).unwrap_or_default();
                if let Some((resolve, _)) = with(object, |running| running.calls.remove(&number)) {
                    let _ = resolve.call1(&JsValue::UNDEFINED, &JsValue::from_str(&text));
                }
            }
            Effect::Refuse(number, why) => {
                if let Some((_, reject)) = with(object, |running| running.calls.remove(&number)) {
                    settle(&reject, why);
                }
            }
            Effect::Ask(asked) => object.in_background(ask(Rc::clone(object), place, asked)),
            Effect::Push(places, text) => push(object, &places, &text),
            Effect::TickIn(ms) => object.in_background(tick(Rc::clone(object), place, ms)),
            Effect::WakeAt(at) => wake_at(object, at),
            Effect::Log(line) => log::write(&line),
        }
    }
    Ok(())
}

fn settle(reject: &Function, why: &str) {
    let _ = reject.call1(&JsValue::UNDEFINED, &js_sys::Error::new(why));
}

/// Asks above, and hands in what is answered.
async fn ask(object: Rc<Object>, place: Place, asked: Ask) {
    let answer = match asked.receiver {
        Some(receiver) => glue::ask_relay(&object.env, &receiver.to_string(), &asked.text, ANSWER_MS_MAX).await,
        None => glue::ask_controller(&object.env, "flush", &asked.text, ANSWER_MS_MAX).await,
    };
    handle(&object, place, Input::Answered(asked, answer.map_err(|error| glue::message(&error))));
}

async fn tick(object: Rc<Object>, place: Place, ms: i64) {
    Delay::from(Duration::from_millis(u64::try_from(ms).unwrap_or_default())).await;
    handle(&object, place, Input::Tick);
}

/// Tells relays something, and does not wait for them.
pub fn push(object: &Rc<Object>, places: &[Place], text: &str) {
    for place in places {
        let (env, name, text) = (object.env.clone(), place.to_string(), text.to_owned());
        spawn_local(async move {
            if let Err(error) = glue::tell_relay(&env, &name, &text).await {
                log::warn("relay_unreached", &name, &glue::message(&error));
            }
        });
    }
}
