//! The configuration in memory, and when it is read again.
//!
//! Fresh for 5 s; then served stale while a background read renews it; after 60 s, or cold, the
//! request waits for KV, at most 200 ms. Ladder: memory → KV → the copy in the cache → nothing, and
//! then the caller falls back to `FALLBACK_UPSTREAM`.
//!
//! One request's await is never another's, which the runtime forbids: each does its own read, and
//! what is read is merged into memory at once, without an await in between.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::memory::{self, Memory};
use super::{clock, contact, copy, glue, kv, log};
use crate::model::upstream::Upstream;
use crate::protocol::address::Address;
use crate::protocol::config::Snapshot;

/// Younger than this, nothing is read.
const FRESH_MS: f64 = 5_000.0;
/// Older than this, the request waits.
const STALE_MAX_MS: f64 = 60_000.0;
/// The longest that a request waits.
const WAIT_MAX_MS: f64 = 200.0;
/// A read that has not come back by then went down with its request.
const MARK_MAX_MS: f64 = 5_000.0;
/// Lists are large and change seldom.
const LIST_FRESH_MS: f64 = 60_000.0;
/// The copy in the cache is renewed at most so often.
const COPY_FRESH_MS: f64 = 60_000.0;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::default());
}

/// What a request is decided on.
pub struct Ready {
    /// The configuration.
    pub snapshot: Rc<Snapshot>,
    /// The rollout that takes the request.
    pub number: Option<usize>,
    /// Whether any configuration could be read.
    pub is_configured: bool,
}

/// Looks at the memory, or changes it.
pub fn with_memory<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with_borrow_mut(act)
}

/// What `health` tells of the snapshot.
pub struct Health {
    /// The plans' revision.
    pub revision: u64,
    /// The number of rollouts.
    pub rollouts: usize,
    /// Since it was last confirmed.
    pub age_ms: Option<f64>,
}

/// The state of the snapshot.
pub fn health() -> Health {
    MEMORY.with_borrow(|memory| Health {
        revision: memory.snapshot.catalogue.revision,
        rollouts: memory.snapshot.catalogue.rollouts.len(),
        age_ms: memory.read_at_ms.map(|at_ms| clock::now_ms() - at_ms),
    })
}

/// The configuration for a request, or `None` where it must be waited for with [`prepare`] first.
pub fn ready(address: &Address<'_>, has_waited: bool, now_ms: f64) -> Option<Ready> {
    MEMORY.with_borrow_mut(|memory| {
        let number = memory.find(address.host(), address.path);
        // While KV fails, one request in a while finds out; the others do not wait for it.
        let must_wait = !memory.has_just_failed(now_ms)
            && (memory.age_ms(now_ms) > STALE_MAX_MS || !memory.is_ready(number, now_ms));
        let is_due = has_waited || !must_wait;
        is_due.then(|| Ready {
            snapshot: Rc::clone(&memory.snapshot),
            number,
            is_configured: memory.is_configured() && (number.is_some() || memory.is_whole()),
        })
    })
}

/// What is to be done behind this request: 1 to read KV again, 2 to ask the controller, 3 both. Each
/// is told to one request only.
#[wasm_bindgen(js_name = workDue)]
pub fn work_due(now_ms: f64) -> u32 {
    u32::from(is_refresh_due(now_ms)) | u32::from(contact::is_due(now_ms)) << 1
}

fn is_refresh_due(now_ms: f64) -> bool {
    MEMORY.with_borrow_mut(|memory| {
        let is_refreshing = memory.refreshing_since_ms.is_some_and(|at_ms| now_ms - at_ms < MARK_MAX_MS);
        let is_due = memory.kv_age_ms(now_ms) > FRESH_MS && !is_refreshing && !memory.has_just_failed(now_ms);
        if is_due {
            memory.refreshing_since_ms = Some(now_ms);
        }
        is_due
    })
}

/// Reads the configuration again.
#[wasm_bindgen(js_name = refresh)]
pub async fn refresh_behind(env: JsValue) {
    note_outcome(&refresh(&env, Vec::new()).await);
    save_copy().await;
}

/// Where requests go that no rollout takes.
pub fn fallback(env: &JsValue) -> Option<Upstream> {
    let text = glue::text(env, "FALLBACK_UPSTREAM")?;
    let upstream = text.parse();
    if let Err(error) = &upstream {
        log::warn("fallback_unusable", "FALLBACK_UPSTREAM", &format!("{error}"));
    }
    upstream.ok()
}

/// Reads what a request for this URL needs and lacks, from KV and from the controller together, and
/// waits for it at most 200 ms. What takes longer goes on behind the answer.
pub async fn prepare(env: &JsValue, address: &Address<'_>, wait_until: &js_sys::Function) {
    if ready(address, false, clock::now_ms()).is_some() {
        return;
    }
    let (own_env, host, path) = (env.clone(), address.host().to_owned(), address.path.to_owned());
    let read = future_to_promise(async move {
        let outcome = read_for(&own_env, &host, &path).await;
        note_outcome(&outcome);
        save_copy().await;
        outcome.map(|()| JsValue::UNDEFINED)
    });
    let own_env = env.clone();
    let wanted = MEMORY.with_borrow(|memory| memory.unserved(memory.find(address.host(), address.path)));
    let asked = future_to_promise(async move {
        contact::flush(&own_env, &wanted).await;
        Ok(JsValue::UNDEFINED)
    });
    let both = js_sys::Array::of2(&read, &asked);
    // Without it both would merely end with their request.
    for promise in both.iter() {
        let _ = wait_until.call1(&JsValue::UNDEFINED, &promise);
    }
    if !glue::are_settled_within(&both, WAIT_MAX_MS).await {
        log::warn(
            "kv_slow",
            "configuration",
            "KV or the controller has not answered within 200 ms; the request goes on with what is known",
        );
    }
    if !MEMORY.with_borrow(Memory::is_configured)
        && let Some(copy) = copy::load().await
    {
        log::warn("copy_used", "configuration", "KV cannot be read, so the copy in the cache serves");
        MEMORY.with_borrow_mut(|memory| memory.absorb_copy(&copy));
    }
}

/// Reads what a rollout needs and lacks, and waits for it as long.
pub async fn prepare_rollout(env: &JsValue, key: &str) {
    contact::flush(env, &[key.to_owned()]).await;
    let needed =
        || MEMORY.with_borrow(|memory| memory.needed(memory.snapshot.catalogue.number_of(key), clock::now_ms()));
    if MEMORY.with_borrow(Memory::is_configured) && needed().is_empty() {
        return;
    }
    let (own_env, own_key) = (env.clone(), key.to_owned());
    let read = future_to_promise(async move {
        let outcome = refresh(&own_env, vec![own_key]).await;
        note_outcome(&outcome);
        outcome.map(|()| JsValue::UNDEFINED)
    });
    glue::are_settled_within(&js_sys::Array::of1(&read), WAIT_MAX_MS).await;
}

/// Reads the plans, then the states of the rollouts that this request needs: a cold isolate learns
/// only from the plans which these are.
async fn read_for(env: &JsValue, host: &str, path: &str) -> Result<(), JsValue> {
    let now_ms = clock::now_ms();
    let needed = || MEMORY.with_borrow(|memory| memory.unserved(memory.find(host, path)));
    let is_old = MEMORY.with_borrow(|memory| memory.kv_age_ms(now_ms) > FRESH_MS);
    if is_old {
        refresh(env, needed()).await?;
    }
    let needed = needed();
    if needed.is_empty() { Ok(()) } else { refresh(env, needed).await }
}

/// Reads the plans, and the states of the rollouts served so far and of `wanted`.
async fn refresh(env: &JsValue, wanted: Vec<String>) -> Result<(), JsValue> {
    let rollouts = MEMORY.with_borrow(|memory| memory.served_and(&wanted));
    let texts = kv::texts(env, &memory::keys(&rollouts)).await?;
    let lists = MEMORY.with_borrow_mut(|memory| {
        memory.absorb(&texts, &rollouts, clock::now());
        memory.read_at_ms = Some(clock::now_ms());
        memory.lists_older_than(clock::now_ms() - LIST_FRESH_MS)
    });
    for name in lists {
        let key = format!("group/{name}");
        let bytes = kv::bytes(env, &key).await?;
        MEMORY.with_borrow_mut(|memory| memory.absorb_list(&name, bytes.as_deref(), clock::now_ms()));
    }
    Ok(())
}

fn note_outcome(outcome: &Result<(), JsValue>) {
    let now_ms = clock::now_ms();
    MEMORY.with_borrow_mut(|memory| {
        memory.refreshing_since_ms = None;
        memory.failed_at_ms = outcome.is_err().then_some(now_ms);
    });
    if let Err(error) = outcome {
        log::warn("kv_unreadable", "configuration", &glue::message(error));
    }
}

async fn save_copy() {
    let now_ms = clock::now_ms();
    let texts = MEMORY.with_borrow_mut(|memory| {
        let is_due =
            memory.failed_at_ms.is_none() && memory.copied_at_ms.is_none_or(|at_ms| now_ms - at_ms > COPY_FRESH_MS);
        is_due.then(|| {
            memory.copied_at_ms = Some(now_ms);
            memory.texts.clone()
        })
    });
    if let Some(texts) = texts.filter(|texts| !texts.is_empty()) {
        copy::save(texts).await;
    }
}
