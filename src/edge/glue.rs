//! What is asked of the platform: of the environment by the crate `worker`, and by bindings to `glue.js`.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
use worker::Env;

use tidegate_protocol::answer::Answer;

#[wasm_bindgen(module = "/src/edge/glue.js")]
extern "C" {
    fn plain(status: u16, content_type: &str, headers: &str, body: &str) -> Response;

    /// One of the worker's static assets with these headers, where there is such a one.
    pub async fn asset(env: &JsValue, request: &Request, headers: &str) -> Option<Response>;

    pub fn country(request: &Request) -> Option<String>;

    #[wasm_bindgen(js_name = hasController)]
    pub fn has_controller(env: &JsValue) -> bool;

    #[wasm_bindgen(catch, js_name = askController)]
    pub async fn ask_controller(env: &JsValue, what: &str, text: &str, ms: f64) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = askRelay)]
    pub async fn ask_relay(env: &JsValue, name: &str, text: &str, ms: f64) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = tellRelay)]
    pub async fn tell_relay(env: &JsValue, name: &str, text: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(js_name = areSettledWithin)]
    pub async fn are_settled_within(promises: &Array, ms: f64) -> bool;

    #[wasm_bindgen(catch, js_name = bodyText)]
    pub async fn body_text(request: &Request, bytes_max: u32) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(catch, js_name = loadCopy)]
    pub async fn load_copy() -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(catch, js_name = saveCopy)]
    pub async fn save_copy(copy: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = fetchText)]
    pub async fn fetch_text(url: &str) -> Result<String, JsValue>;

    /// What another host has answered.
    pub type SourceAnswer;

    #[wasm_bindgen(method, getter)]
    pub fn status(this: &SourceAnswer) -> u16;

    #[wasm_bindgen(method, getter)]
    pub fn body(this: &SourceAnswer) -> String;

    #[wasm_bindgen(catch, js_name = askSource)]
    pub async fn ask_source(
        url: &str,
        authorization: Option<String>,
        bytes_max: u32,
        ms_max: u32,
    ) -> Result<SourceAnswer, JsValue>;

    #[wasm_bindgen(catch)]
    pub async fn deliver(
        method: &str,
        url: &str,
        headers: &str,
        body: &str,
        ms: u32,
        bytes_max: u32,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    #[allow(clippy::too_many_arguments, reason = "it is a function of JavaScript")]
    pub async fn ask(
        env: &JsValue,
        service: Option<String>,
        method: &str,
        url: &str,
        headers: &str,
        body: &str,
        ms: u32,
        bytes_max: u32,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = sendMail)]
    pub async fn send_mail(env: &JsValue, binding: &str, mail: &str, ms: u32) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = isSigned)]
    pub async fn is_signed(jwk: &str, algorithm: &str, text: &str, signature: &Uint8Array) -> Result<bool, JsValue>;
}

/// One of Tidegate's own answers as a response.
pub fn answer(Answer { status, content_type, headers, body }: &Answer) -> Response {
    plain(*status, content_type, headers, body)
}

/// A text of the environment: a variable or a secret. Not by `Env::var`, which throws past Rust where a variable
/// is null, as one from a JSON file may be.
pub fn text(env: &Env, name: &str) -> Option<String> {
    js_sys::Reflect::get(env, &JsValue::from_str(name)).ok()?.as_string()
}

/// An exception as text.
pub fn message(exception: &JsValue) -> String {
    let error = exception.dyn_ref::<js_sys::Error>();
    error.map_or_else(|| format!("{exception:?}"), |error| String::from(error.message()))
}
