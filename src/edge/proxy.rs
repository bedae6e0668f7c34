//! Drives requests on their way, one synchronous call for each step.
//!
//! Futures of Rust in JavaScript cost a closure and a finalizer for each await, as much as the rest
//! of the proxy together. So JavaScript does the awaiting, and between two awaits asks here what
//! to do; the answers are texts, whose first line names the step, or the numbers of steps that it knows.
//!
//! What comes in comes as bytes: a text would be copied letter by letter in JavaScript.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::Env;

use super::{clock, glue, isolate, mint};
use tidegate_isolate::{Encoded, Input, Platform};
use tidegate_protocol::kept;
use tidegate_protocol::message::{AnswerText, RequestText};
use tidegate_protocol::needed::{self, Named};
use tidegate_protocol::shadow::{Body, Finished};
use tidegate_protocol::step::NoAnswer;

/// What is asked of the platform in the middle of a request.
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// The worker's bindings.
    pub env: &'a Env,
}

impl Platform for Asked<'_> {
    fn country(&self) -> Option<String> {
        glue::country(self.request)
    }

    fn text(&self, name: &str) -> Option<String> {
        glue::text(self.env, name)
    }

    fn id(&self) -> Option<String> {
        mint::id()
    }
}

/// The last step with a shape.
#[derive(Default)]
struct Last {
    number: u32,
    shape: u32,
    own: String,
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::default();
}

/// The step as text, or `None` for one that [`shape`], [`number`] and [`own`] give.
fn handed_over(step: Encoded) -> Option<String> {
    match step {
        Encoded::Text(text) => Some(text),
        Encoded::Shape { number, shape, own } => {
            LAST.set(Last { number, shape, own });
            None
        }
    }
}

/// The number of the request of that step.
#[wasm_bindgen]
pub fn number() -> u32 {
    LAST.with_borrow(|last| last.number)
}

/// The number of its shape.
#[wasm_bindgen]
pub fn shape() -> u32 {
    LAST.with_borrow(|last| last.shape)
}

/// Its shape.
#[wasm_bindgen(js_name = shapeText)]
pub fn shape_text() -> String {
    let number = shape();
    isolate::with(|isolate| isolate.shape(number)).map_or_else(String::new, |text| text.to_string())
}

/// Its edits beyond those of the shape.
#[wasm_bindgen]
pub fn own() -> String {
    LAST.with_borrow_mut(|last| std::mem::take(&mut last.own))
}

/// Another number whenever more headers are needed than before.
#[wasm_bindgen(js_name = neededMark)]
pub fn needed_mark() -> u32 {
    isolate::with(|isolate| isolate.named().mark())
}

/// Whether a header of requests, or of answers, is needed: 0 for no, 1 for yes, 2 for all of them with it.
#[wasm_bindgen(js_name = isNeeded)]
pub fn is_needed(is_of_request: bool, name: &str) -> u32 {
    let need = |named: &Named| if is_of_request { named.of_request(name) } else { named.of_answer(name) };
    isolate::with(|isolate| need(isolate.named())).number()
}

/// Whether a `Connection` header names others, so that all headers are needed.
#[wasm_bindgen(js_name = namesOthers)]
pub fn names_others(connection: &str) -> bool {
    needed::names_others(connection)
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Begins a request at a time.
#[wasm_bindgen]
pub fn start(text: Vec<u8>, request: &Request, env: &Env, has_waited: bool, now_ms: f64) -> Option<String> {
    isolate::prepare(env);
    let text = RequestText::new(text_of(text));
    handed_over(isolate::act(|isolate| isolate.arrive_encoded(text, &Asked { request, env }, has_waited, now_ms)))
}

/// Waits for what a request needs and lacks: its configuration, and the proof of its tokens. `text` has all of its
/// headers: only what is read now says which are needed.
#[wasm_bindgen]
pub async fn prepare(env: Env, text: Vec<u8>, request: Request, wait_until: js_sys::Function) {
    let text = RequestText::new(text_of(text));
    isolate::prepare_request(&env, text.url(), &wait_until).await;
    let asked = Asked { request: &request, env: &env };
    for (token, text) in isolate::act(|isolate| isolate.pending(&text, &asked, clock::now_ms())) {
        isolate::run(&env, Input::TokenBrought(token, text)).await;
    }
}

/// Goes on with a request whose upstream has answered.
#[wasm_bindgen]
pub fn answered(number: u32, answer: Vec<u8>, now_ms: f64) -> Option<String> {
    handed_over(isolate::act(|isolate| isolate.go_on_encoded(number, AnswerText::new(text_of(answer)), now_ms)))
}

/// Goes on with a request whose upstream has not answered.
#[wasm_bindgen]
pub fn failed(number: u32, why: &str, error: String, now_ms: f64) -> String {
    isolate::act(|isolate| isolate.go_on(number, Err(NoAnswer::new(why, error)), now_ms)).to_text(number)
}

/// Lets go of a request whose client has left.
#[wasm_bindgen]
pub fn left(number: u32, is_sent: bool, now_ms: f64) {
    isolate::act(|isolate| isolate.abandon(number, is_sent, now_ms));
}

/// Lets go of a request whose answer was watched: whether its body ended as it should, and all of it where it is
/// short.
#[wasm_bindgen]
pub fn ended(number: u32, is_whole: bool, page: Option<String>, now_ms: f64) {
    isolate::act(|isolate| isolate.end(number, is_whole, page.as_deref(), now_ms));
}

/// Lets go of a request whose answer was to be watched and has no body.
#[wasm_bindgen]
pub fn bodiless(number: u32, status: u16, now_ms: f64) {
    isolate::act(|isolate| isolate.end_without_body(number, status, now_ms));
}

/// Lets go of a request whose file is to be kept: the copy that is to be made of it, or an empty text.
#[wasm_bindgen]
pub fn copying(number: u32) -> String {
    isolate::act(|isolate| isolate.copy(number)).map(|copy| copy.to_text()).unwrap_or_default()
}

/// The headers to keep with a file, a line each; `undefined` where it is not to be kept.
#[wasm_bindgen(js_name = headersToKeep)]
pub fn headers_to_keep(answer: String) -> Option<String> {
    kept::headers(&AnswerText::new(answer))
}

/// How the copy of a request goes to new: how much of each answer's body is read, then the step; empty where there is
/// none.
#[wasm_bindgen]
pub fn copy(number: u32) -> String {
    isolate::with(|isolate| {
        let copy = isolate.copy_beside(number);
        copy.map(|(ask, bytes_max)| format!("{bytes_max}\n{}", ask.to_text(number))).unwrap_or_default()
    })
}

/// What is asked for of what new's page loads, and how: the service binding, how long each may take in milliseconds, the
/// addresses, the headers; empty for nothing.
#[wasm_bindgen(js_name = assetsBeside)]
pub fn assets_beside(number: u32, answer: String, new: Vec<u8>, is_new_whole: bool, now_ms: f64) -> String {
    let (answer, body) = (AnswerText::new(answer), Body { bytes: Some(&new), is_whole: is_new_whole });
    isolate::act(|isolate| isolate.assets_beside(number, &answer, body, now_ms))
}

/// Ends the copy of a request: new's answer, or why there is none, and what was read of both bodies.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments, reason = "it is called from JavaScript")]
pub fn copied(
    number: u32,
    answer: Option<String>,
    why: &str,
    took_ms: f64,
    legacy: Option<Vec<u8>>,
    is_legacy_whole: bool,
    new: Option<Vec<u8>>,
    is_new_whole: bool,
    assets: &str,
    now_ms: f64,
) {
    let outcome = answer.map(AnswerText::new).ok_or_else(|| NoAnswer::new(why, String::new()));
    let legacy = Body { bytes: legacy.as_deref(), is_whole: is_legacy_whole };
    let new = Body { bytes: new.as_deref(), is_whole: is_new_whole };
    isolate::act(|isolate| isolate.copied(number, &Finished { outcome, took_ms, legacy, new, assets }, now_ms));
}
