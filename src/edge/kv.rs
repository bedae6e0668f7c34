//! Reads Workers KV.

use std::collections::HashMap;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;

use super::glue;

/// The most keys that one read may ask for.
const KEYS_MAX: usize = 100;

/// The texts of these keys; those that do not exist are left out.
///
/// # Errors
/// When KV cannot be read.
pub async fn texts(env: &JsValue, keys: &[String]) -> Result<HashMap<String, String>, JsValue> {
    let mut texts = HashMap::with_capacity(keys.len());
    for chunk in keys.chunks(KEYS_MAX) {
        let asked: Array = chunk.iter().map(|key| JsValue::from_str(key)).collect();
        let values = glue::read_texts(env, &asked).await?;
        for (key, value) in chunk.iter().zip(values.iter()) {
            if let Some(text) = value.as_string() {
                texts.insert(key.clone(), text);
            }
        }
    }
    Ok(texts)
}

/// The bytes of a key, unless it does not exist.
///
/// # Errors
/// When KV cannot be read.
pub async fn bytes(env: &JsValue, key: &str) -> Result<Option<Vec<u8>>, JsValue> {
    let value = glue::read_bytes(env, key).await?;
    Ok(value.as_ref().map(Uint8Array::to_vec))
}
