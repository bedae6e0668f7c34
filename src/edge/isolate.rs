//! Does what the [`Isolate`] says: reads KV and the cache, asks the controller, waits.
//!
//! The runtime forbids that one request awaits another's promise. So each request does what its own inputs bring, and
//! between two awaits what came back is handed in at once. What a request waits for no longer goes on behind its
//! answer, if the runtime is asked for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use js_sys::{Array, Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use worker::{Delay, Env};

use super::{clock, glue, kv, log, mint};
use tidegate_isolate::{ANSWER_MS_MAX, Effect, Input, Isolate, Setup, SignatureCheck, WAIT_MS_MAX};
use tidegate_protocol::address::Address;

thread_local! {
    static ISOLATE: RefCell<Isolate> = RefCell::default();
}

/// Looks at the isolate, or changes it.
pub fn with<T>(act: impl FnOnce(&mut Isolate) -> T) -> T {
    ISOLATE.with_borrow_mut(act)
}

/// The same, and writes what there is to be logged.
pub fn act<T>(act: impl FnOnce(&mut Isolate) -> T) -> T {
    let (done, log) = with(|isolate| (act(isolate), isolate.take_log()));
    log.iter().for_each(log::write);
    done
}

/// Gives the isolate its name and its settings, unless it has them. The environment never changes in an isolate.
pub fn prepare(env: &Env) {
    if with(|isolate| isolate.is_set_up()) {
        return;
    }
    let text = |name: &str| glue::text(env, name);
    let (setup, log) = Setup::read(text, mint::id(), mint::number(), glue::has_controller(env));
    log.iter().for_each(log::write);
    with(|isolate| isolate.set_up(setup));
}

/// What is to be done behind this request: 1 to read KV again, 2 to ask the controller, 3 both. Each is due for one
/// request only.
#[wasm_bindgen(js_name = workDue)]
pub fn work_due(now_ms: f64) -> u32 {
    let due = with(|isolate| isolate.work_due(now_ms));
    u32::from(due.is_read_due) | u32::from(due.is_flush_due) << 1
}

/// Whether the controller is to be asked behind an answer. It is due for one request only.
#[wasm_bindgen(js_name = countsDue)]
pub fn are_counts_due(now_ms: f64) -> bool {
    with(|isolate| isolate.are_counts_due(now_ms))
}

/// Reads the configuration again.
#[wasm_bindgen(js_name = refresh)]
pub async fn refresh(env: Env) {
    run(&env, Input::ReadDue).await;
}

/// Tells the controller what was counted, as long as there is more and the runtime lets it go on.
#[wasm_bindgen(js_name = flush)]
pub async fn flush(env: Env) {
    run(&env, Input::FlushDue).await;
}

/// Reads what a request for this URL needs and lacks, and waits for it at most 200 ms. What takes longer goes on
/// behind the answer.
pub async fn prepare_request(env: &Env, url: &str, wait_until: &Function) {
    let Some(address) = Address::parse(url) else { return };
    if with(|isolate| isolate.ready(&address, false, clock::now_ms())).is_some() {
        return;
    }
    let (host, path) = (address.host().to_owned(), address.path.to_owned());
    let promises = start(env, Input::RequestWaits { host, path });
    // Without it they would merely end with their request.
    for promise in promises.iter() {
        let _ = wait_until.call1(&JsValue::UNDEFINED, &promise);
    }
    let is_done = glue::are_settled_within(&promises, WAIT_MS_MAX).await;
    run(env, Input::RequestWaited { is_done }).await;
}

/// Reads what a rollout needs and lacks, and waits for it as long, after the controller has been asked.
pub async fn prepare_rollout(env: &Env, key: &str) {
    run(env, Input::RolloutWanted(key.to_owned())).await;
    let promises = start(env, Input::RolloutAsked(key.to_owned()));
    if promises.length() > 0 {
        glue::are_settled_within(&promises, WAIT_MS_MAX).await;
    }
}

/// Asks the controller for its news, and waits for them for so many milliseconds; infinite for as long as it takes.
pub async fn learn(env: &Env, ms_max: f64) {
    // A timer of the platform's for infinity is over at once.
    if ms_max.is_finite() {
        glue::are_settled_within(&start(env, Input::News), ms_max).await;
    } else {
        run(env, Input::News).await;
    }
}

/// Does what an input brings, one thing after the other.
pub async fn run(env: &Env, input: Input) {
    follow(env, handle(input)).await;
}

/// Begins what an input brings, each as a promise of its own.
fn start(env: &Env, input: Input) -> Array {
    let begin = |effect: Effect| -> Promise {
        let env = env.clone();
        future_to_promise(async move {
            follow(&env, vec![effect]).await;
            Ok(JsValue::UNDEFINED)
        })
    };
    handle(input).into_iter().map(begin).collect()
}

async fn follow(env: &Env, effects: Vec<Effect>) {
    let mut open = VecDeque::from(effects);
    while let Some(effect) = open.pop_front() {
        if let Some(input) = perform(env, effect).await {
            open.extend(handle(input));
        }
    }
}

/// Hands an input in, and logs what there is to log; the other effects.
fn handle(input: Input) -> Vec<Effect> {
    let effects = with(|isolate| isolate.handle(input, clock::now()));
    let is_open = |effect: Effect| match effect {
        Effect::Log(line) => {
            log::write(&line);
            None
        }
        effect => Some(effect),
    };
    effects.into_iter().filter_map(is_open).collect()
}

/// Does one thing; what came of it.
async fn perform(env: &Env, effect: Effect) -> Option<Input> {
    Some(match effect {
        Effect::ReadTexts(read) => {
            let texts = kv::texts(env, &read.keys()).await;
            Input::Texts(read, said(texts))
        }
        Effect::ReadList(read) => {
            let bytes = kv::bytes(env, &read.list_key().unwrap_or_default()).await;
            Input::List(read, said(bytes))
        }
        Effect::LoadCopy => Input::CopyLoaded(said(glue::load_copy().await)),
        Effect::SaveCopy(copy) => Input::CopySaved(said(glue::save_copy(&copy).await)),
        Effect::AskController(ask) => {
            let answer = match ask.receiver {
                Some(relay) => glue::ask_relay(env, &relay.to_string(), &ask.text, ANSWER_MS_MAX).await,
                None => glue::ask_controller(env, "flush", &ask.text, ANSWER_MS_MAX).await,
            };
            Input::Answered(ask, said(answer))
        }
        Effect::Wait(ms, run) => {
            Delay::from(Duration::from_millis(ms as u64)).await;
            Input::Waited(run)
        }
        Effect::ReadKeys(check) => {
            let keys = glue::fetch_text(&check.address).await;
            Input::KeysRead(check, said(keys))
        }
        Effect::CheckSignature(SignatureCheck { key, algorithm, signed, signature, check }) => {
            let signature = Uint8Array::from(signature.as_slice());
            let is_signed = glue::is_signed(&key, &algorithm, &signed, &signature).await;
            Input::SignatureChecked(check, is_signed.unwrap_or(false))
        }
        Effect::Log(_) => return None,
    })
}

fn said<T>(outcome: Result<T, JsValue>) -> Result<T, String> {
    outcome.map_err(|error| glue::message(&error))
}
