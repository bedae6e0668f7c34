//! The controller: one Durable Object for each deployment, the only writer of its rollouts' states.
//!
//! 1. Commit first, publish second: a change is stored together with its history, then written to
//!    KV, and that is tried until it succeeds. The alarm for it is stored with the change.
//! 2. Before a state is written over in KV, what stands there is read: an edit that nobody has seen
//!    yet is adopted first.
//! 3. What is in memory can be lost at any time; it is loaded again from the storage. What could not be
//!    stored is forgotten in the same way.

mod answer;
mod counting;
mod desk;
mod heard;
mod intake;
mod measures;
mod plans;
mod store;

use std::cell::RefCell;
use std::collections::HashMap;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use self::desk::Desk;
use self::plans::{keys, plan_keys};
use self::store::Batch;
use super::{clock, glue, kv, log};
use crate::model::Name;
use crate::protocol::api::{Call, Reply};
use crate::protocol::flush::Flush;

/// What KV says is asked for again after this long, where somebody wants to know.
const LOOK_FRESH_MS: i64 = 2_000;
/// How long a question waits for KV.
const LOOK_WAIT_MS: f64 = 300.0;
/// How long a command waits for KV that depends on what KV says.
const LOOK_NEEDED_WAIT_MS: f64 = 2_000.0;
/// What is in memory is loaded anew after this long.
const LOADED_MS_MAX: i64 = 86_400_000;
/// A publication goes on until nothing is left, but not forever: the alarm takes over.
const ROUNDS_MAX: usize = 20;

thread_local! {
    static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) };
}

/// The object has been made anew: what is in memory may be of another one.
#[wasm_bindgen(js_name = controllerOpened)]
pub fn opened() {
    DESK.with_borrow_mut(|desk| *desk = None);
}

fn with_desk<T>(context: &JsValue, act: impl FnOnce(&mut Desk) -> Result<T, JsValue>) -> Result<T, JsValue> {
    DESK.with_borrow_mut(|slot| {
        let outcome = loaded(slot, context).and_then(act);
        if outcome.is_err() || slot.as_ref().is_some_and(is_old) {
            *slot = None;
        }
        outcome
    })
}

/// Memory only grows: what was counted long ago is loaded shorter than it is counted.
fn is_old(desk: &Desk) -> bool {
    clock::now().as_epoch_ms() - desk.loaded_at.as_epoch_ms() > LOADED_MS_MAX
}

#[inline(never)]
fn loaded<'d>(slot: &'d mut Option<Desk>, context: &JsValue) -> Result<&'d mut Desk, JsValue> {
    if slot.is_none() {
        // The figures are stored, but not what was made of them.
        slot.insert(Desk::load(context)?).go_on(context, clock::now())?;
    }
    slot.as_mut().ok_or(JsValue::UNDEFINED)
}

/// Answers an isolate: a `Flush` in, an `Answer` out, both as JSON.
///
/// # Errors
/// When the storage refuses, or the text is no flush.
#[wasm_bindgen(js_name = controllerFlush)]
pub fn flush(context: JsValue, text: String) -> Result<String, JsValue> {
    let flush = Flush::parse(&text).ok_or_else(|| JsValue::from_str("this is no flush"))?;
    with_desk(&context, |desk| {
        let now = clock::now();
        let receipt = desk.hear(&context, &flush, now)?;
        // What the counts lead to is in the answer already.
        if !desk.is_quiet(&flush, now) {
            desk.go_on(&context, now)?;
        }
        Ok(serde_json::to_string(&desk.answer(&flush, receipt, now)).unwrap_or_default())
    })
}

/// So many flushes took so long.
#[wasm_bindgen(js_name = controllerTook)]
pub fn took(ms: f64, flushes: u32) {
    DESK.with_borrow_mut(|desk| {
        if let Some(desk) = desk {
            desk.pace.note(ms, flushes);
        }
    });
}

/// Answers the API: a `Call` in, a `Reply` out, both as JSON.
///
/// # Errors
/// When the storage refuses.
#[wasm_bindgen(js_name = controllerCall)]
pub async fn call(context: JsValue, env: JsValue, text: String) -> Result<String, JsValue> {
    let call = Call::parse(&text).ok_or_else(|| JsValue::from_str("this is no call"))?;
    let look = answer::poll_wanted(&call);
    let texts = match look {
        answer::Poll::None => HashMap::new(),
        answer::Poll::Fresh => {
            if is_poll_due(&context, LOOK_FRESH_MS)? {
                poll_within(&context, &env, LOOK_WAIT_MS).await;
            }
            HashMap::new()
        }
        answer::Poll::Now => {
            poll_within(&context, &env, LOOK_NEEDED_WAIT_MS).await;
            HashMap::new()
        }
        answer::Poll::Texts(keys) => kv::texts_within(&env, keys, LOOK_NEEDED_WAIT_MS).await,
    };
    let reply = with_desk(&context, |desk| {
        let now = clock::now();
        let reply = answer::answer(desk, &context, &call, &texts, now)?.unwrap_or_else(Reply::from);
        desk.go_on(&context, now)?;
        Ok(reply)
    })?;
    Ok(serde_json::to_string(&reply).unwrap_or_default())
}

/// Wakes up: does what is due, and looks at KV.
///
/// # Errors
/// When the storage refuses.
#[wasm_bindgen(js_name = controllerAlarm)]
pub async fn alarm(context: JsValue, env: JsValue) -> Result<(), JsValue> {
    with_desk(&context, |desk| {
        desk.note_alarm();
        let late = store::late_writes();
        for rollout in
            desk.deployment.rollouts.iter_mut().filter(|rollout| late.contains(&format!("stage/{}", rollout.plan.key)))
        {
            rollout.published = 0;
        }
        desk.go_on(&context, clock::now())
    })?;
    // While this waits no other alarm rings, so it must not wait for long.
    if is_poll_due(&context, LOOK_FRESH_MS)? {
        poll_within(&context, &env, LOOK_NEEDED_WAIT_MS).await;
    }
    with_desk(&context, |desk| desk.go_on(&context, clock::now()))
}

fn is_poll_due(context: &JsValue, after_ms: i64) -> Result<bool, JsValue> {
    with_desk(context, |desk| Ok(clock::now().as_epoch_ms() - desk.polled_at.as_epoch_ms() >= after_ms))
}

async fn poll_within(context: &JsValue, env: &JsValue, ms: f64) {
    let (context, env) = (context.clone(), env.clone());
    let looked = future_to_promise(async move { poll(&context, &env).await.map(|()| JsValue::UNDEFINED) });
    if let Err(error) = glue::is_fulfilled_within(&looked, ms).await {
        log::warn("kv_unreadable", "controller", &glue::message(&error));
    }
}

/// Reads what people may have written into KV, and takes it in.
async fn poll(context: &JsValue, env: &JsValue) -> Result<(), JsValue> {
    let keys = with_desk(context, |desk| {
        desk.polled_at = clock::now();
        Ok(keys(desk.deployment.rollouts.keys()))
    })?;
    let mut texts = kv::texts(env, &keys).await?;
    // Plans that are new here bring rollouts whose states are not among the keys yet.
    let unknown = texts.get("plans").map(|plans| plan_keys(plans)).unwrap_or_default();
    let unknown: Vec<String> = unknown.into_iter().filter(|key| !keys.contains(key)).collect();
    if !unknown.is_empty() {
        texts.extend(kv::texts(env, &unknown).await?);
    }
    with_desk(context, |desk| desk.see_plans(context, texts.get("plans"), &texts, clock::now()))?;
    with_desk(context, |desk| {
        let now = clock::now();
        let text = |key: &str| texts.get(key);
        let rollouts: Vec<Name> = desk.deployment.rollouts.keys().cloned().collect();
        for key in rollouts {
            let own = format!("kill/{key}");
            let kill_key = [own.as_str(), "kill/*"].into_iter().find(|key| text(key).is_some());
            desk.see_kill_key(context, &key, kill_key.map(str::to_owned), now)?;
            match text(&format!("stage/{key}")) {
                Some(text) => desk.see_text(context, &key, text, now)?,
                None => {
                    if let Some(rollout) = desk.deployment.rollouts.get_mut(&key) {
                        rollout.note_missing(now);
                    }
                }
            }
        }
        Ok(())
    })
}

/// Whether something is to be published.
#[wasm_bindgen(js_name = controllerHasUnpublished)]
pub fn has_unpublished() -> bool {
    DESK.with_borrow(|desk| desk.as_ref().is_some_and(Desk::has_unpublished))
}

/// Writes to KV what it lacks, until it lacks nothing or refuses.
///
/// # Errors
/// When the storage refuses.
#[wasm_bindgen(js_name = controllerPublish)]
pub async fn publish(context: JsValue, env: JsValue) -> Result<(), JsValue> {
    for _ in 0..ROUNDS_MAX {
        let unpublished = with_desk(&context, |desk| {
            let unpublished = desk.deployment.rollouts.iter().filter(|rollout| !rollout.is_published());
            Ok(unpublished.map(|rollout| format!("stage/{}", rollout.plan.key)).collect::<Vec<_>>())
        })?;
        // An edit that nobody has seen yet is adopted before it is written over.
        match kv::texts_within(&env, unpublished, LOOK_NEEDED_WAIT_MS).await {
            texts if texts.is_empty() => {}
            texts => with_desk(&context, |desk| {
                for (key, text) in &texts {
                    if let Some(Ok(key)) = key.strip_prefix("stage/").map(str::parse) {
                        desk.see_text(&context, &key, text, clock::now())?;
                    }
                }
                desk.go_on(&context, clock::now())
            })?,
        }
        let writes = with_desk(&context, |desk| Ok(writes(desk)))?;
        if writes.is_empty() {
            return Ok(());
        }
        let pairs: Vec<(&str, Option<&str>)> =
            writes.iter().map(|write| (write.key.as_str(), write.text.as_deref())).collect();
        let outcome = store::write_texts(&context, &env, &serde_json::to_string(&pairs).unwrap_or_default()).await?;
        let errors: Vec<Option<String>> =
            outcome.as_string().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let has_failed = with_desk(&context, |desk| note_written(desk, &context, &writes, &errors))?;
        if has_failed {
            break;
        }
    }
    Ok(())
}

struct Write {
    what: What,
    key: String,
    revision: u64,
    /// `None` takes the key away.
    text: Option<String>,
}

enum What {
    Plans,
    Rollout(Name),
    Removed(String),
}

fn writes(desk: &Desk) -> Vec<Write> {
    let deployment = &desk.deployment;
    let plans = (deployment.plans != deployment.plans_published).then(|| Write {
        what: What::Plans,
        key: "plans".into(),
        revision: deployment.plans,
        text: Some(desk.plans_text()),
    });
    let states = deployment.rollouts.iter().filter(|rollout| !rollout.is_published()).map(|rollout| Write {
        what: What::Rollout(rollout.plan.key.clone()),
        key: format!("stage/{}", rollout.plan.key),
        revision: rollout.record.live.revision,
        text: Some(rollout.record.live.to_json()),
    });
    // A key that has been taken by a new rollout is written by that.
    let is_taken = |key: &str| deployment.rollouts.keys().any(|own| own.as_str() == key);
    let removed = desk.removed.iter().filter(|removed| removed.is_in_kv).map(|removed| Write {
        what: What::Removed(removed.key.clone()),
        key: if is_taken(&removed.key) { String::new() } else { format!("stage/{}", removed.key) },
        revision: removed.revision,
        text: None,
    });
    plans.into_iter().chain(states).chain(removed).collect()
}

/// Stores what KV has taken; returns whether it has refused something.
fn note_written(
    desk: &mut Desk,
    context: &JsValue,
    writes: &[Write],
    errors: &[Option<String>],
) -> Result<bool, JsValue> {
    let now = clock::now();
    let mut batch = Batch::default();
    let mut has_failed = false;
    for (index, write) in writes.iter().enumerate() {
        match (errors.get(index), &write.what) {
            (Some(None), What::Plans) => {
                desk.deployment.plans_published = write.revision;
                desk.plans_published_at = now;
                batch.number("plans_published", write.revision);
            }
            (Some(None), What::Removed(key)) => {
                desk.removed
                    .iter_mut()
                    .filter(|removed| removed.key == *key)
                    .for_each(|removed| removed.is_in_kv = false);
                batch.gone(key);
            }
            (Some(None), What::Rollout(key)) => {
                if let Some(rollout) = desk.deployment.rollouts.get_mut(key) {
                    rollout.note_published(write.revision, now);
                    batch.save(rollout);
                }
            }
            (error, _) => {
                has_failed = true;
                let message = error.and_then(Option::as_deref).unwrap_or("no answer");
                log::warn("kv_unwritable", &write.key, &format!("{message}; it is tried again until it succeeds"));
            }
        }
    }
    batch.commit(context)?;
    desk.go_on(context, now)?;
    Ok(has_failed)
}
