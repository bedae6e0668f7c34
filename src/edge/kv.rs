//! Reads Workers KV, by the crate `worker`.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use wasm_bindgen::JsValue;
use worker::kv::KvStore;

/// The binding of the KV namespace.
const ROLLOUTS: &str = "ROLLOUTS";
/// The most keys that one read may ask for.
const KEYS_MAX: usize = 100;
/// So long KV may answer from its cache, in seconds: the least that it allows.
const TEXT_CACHE_S: u64 = 30;
/// The same for lists, which are large and change seldom.
const BYTES_CACHE_S: u64 = 60;

/// The texts of these keys; those that do not exist are left out.
///
/// # Errors
/// When KV cannot be read.
pub async fn texts(env: &JsValue, keys: &[String]) -> Result<HashMap<String, String>, JsValue> {
    let kv = KvStore::from_this(env, ROLLOUTS)?;
    let reads = keys.chunks(KEYS_MAX).map(|chunk| kv.get_bulk(chunk).cache_ttl(TEXT_CACHE_S).text());
    let found = try_join_all(reads).await?;
    Ok(found.into_iter().flatten().filter_map(|(key, text)| Some((key, text?))).collect())
}

/// The bytes of a key, unless it does not exist.
///
/// # Errors
/// When KV cannot be read.
pub async fn bytes(env: &JsValue, key: &str) -> Result<Option<Vec<u8>>, JsValue> {
    Ok(KvStore::from_this(env, ROLLOUTS)?.get(key).cache_ttl(BYTES_CACHE_S).bytes().await?)
}
