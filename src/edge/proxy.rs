//! Drives requests on their way, one synchronous call for each step.
//!
//! Futures of Rust in JavaScript cost a closure and a finalizer for each await, as much as the rest
//! of the proxy together. So JavaScript does the awaiting, and between two awaits asks here what
//! to do; the answers are texts, whose first line names the step.

use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::Env;

use super::{clock, glue, isolate, mint};
use tidegate_isolate::{Input, Platform};
use tidegate_protocol::kept;
use tidegate_protocol::message::{AnswerText, RequestText};
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

/// Begins a request at a time.
#[wasm_bindgen]
pub fn start(text: String, request: &Request, env: &Env, has_waited: bool, now_ms: f64) -> String {
    isolate::prepare(env);
    let text = RequestText::new(text);
    isolate::act(|isolate| isolate.arrive(text, &Asked { request, env }, has_waited, now_ms)).to_text()
}

/// Waits for what a request needs and lacks: its configuration, and the proof of its tokens.
#[wasm_bindgen]
pub async fn prepare(env: Env, text: String, request: Request, wait_until: js_sys::Function) {
    let text = RequestText::new(text);
    isolate::prepare_request(&env, text.url(), &wait_until).await;
    let asked = Asked { request: &request, env: &env };
    for (token, text) in isolate::act(|isolate| isolate.pending(&text, &asked, clock::now_ms())) {
        isolate::run(&env, Input::TokenBrought(token, text)).await;
    }
}

/// Goes on with a request whose upstream has answered.
#[wasm_bindgen]
pub fn answered(number: u32, answer: String, now_ms: f64) -> String {
    isolate::act(|isolate| isolate.go_on(number, Ok(AnswerText::new(answer)), now_ms)).to_text(number)
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
