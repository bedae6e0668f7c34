//! Drives requests on their way, one synchronous call for each step.
//!
//! Futures of Rust in JavaScript cost a closure and a finalizer for each await, as much as the rest
//! of the proxy together. So JavaScript does the awaiting, and between two awaits asks here what
//! to do; the answers are texts, whose first line names the step.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;
use web_sys::Request;
use worker::Env;

use super::facts::{EdgeFacts, EdgeNewcomers};
use super::{beacon, clock, console, glue, isolate, log};
use tidegate_isolate::{Input, Ready};
use tidegate_model::plan::{Backend, Place, Token};
use tidegate_model::route::is_own;
use tidegate_model::upstream::Upstream;
use tidegate_protocol::address::Address;
use tidegate_protocol::decision::{self, Decision};
use tidegate_protocol::exchange::{Accepted, Exchange, Outcome};
use tidegate_protocol::message::{AnswerText, RequestText};
use tidegate_protocol::step::{NoAnswer, Remark, Step, Which};

/// So many requests may wait for their upstreams at once in one isolate. A cancelled request never
/// comes back to take its place away, so the oldest make room; workerd itself allows far fewer.
const ON_THE_WAY_MAX: usize = 4_096;
const HOUR_MS: f64 = 3_600_000.0;

thread_local! {
    static ON_THE_WAY: RefCell<OnTheWay> = const { RefCell::new(OnTheWay { next: 0, ways: Vec::new() }) };
}

struct OnTheWay {
    next: u32,
    /// The least number first; boxed, so that making room moves little.
    ways: Vec<(u32, Box<Exchange>)>,
}

impl OnTheWay {
    fn keep(&mut self, number: u32, way: Box<Exchange>) {
        if self.ways.len() >= ON_THE_WAY_MAX {
            self.ways.remove(0);
        }
        let at = self.ways.partition_point(|(own, _)| *own < number);
        self.ways.insert(at, (number, way));
    }

    fn take(&mut self, number: u32) -> Option<Box<Exchange>> {
        let at = self.ways.binary_search_by_key(&number, |(own, _)| *own).ok()?;
        Some(self.ways.remove(at).1)
    }
}

/// Begins a request at a time: `own` (a path of Tidegate's, with its URL where it was asked for under
/// another name, or anything on the console's host), `wait` (the configuration must be read first) or a step.
#[wasm_bindgen]
pub fn start(text: String, request: &Request, env: &Env, has_waited: bool, now_ms: f64) -> String {
    let text = RequestText::new(text);
    let Some(address) = Address::parse(text.url()) else {
        return print(
            0,
            &Step::Sentence { status: 400, reason: "unreadable", text: "The request's address could not be read." },
        );
    };
    if is_own(address.path) {
        return "own".to_owned();
    }
    if let Some(url) = beacon::standard_url(env, &address) {
        return format!("own\n{url}");
    }
    if console::with(env, |console| console.owns(&address)) {
        return "own".to_owned();
    }
    isolate::prepare(env);
    let Some(ready) = isolate::with(|isolate| isolate.ready(&address, has_waited, now_ms)) else {
        return "wait".to_owned();
    };
    let facts = EdgeFacts { text: &text, request, env };
    if !has_waited && !pending(&ready, &facts, now_ms).is_empty() {
        return "wait".to_owned();
    }
    let decision = if text.is_preflight() {
        Decision { is_unmeasured: true, ..Decision::default() }
    } else {
        let asked =
            decision::Request { facts: &facts, address, method: text.method(), hour: (now_ms / HOUR_MS) as u64 };
        decision::decide(&ready.snapshot, &asked, ready.number, &EdgeNewcomers { now_ms })
    };
    let fallback = if ready.number.is_some() {
        None
    } else {
        fallback(env)
            .map(|upstream| Backend::from(Place::Url(upstream)))
            .or_else(|| ready.snapshot.catalogue.excepting(&address).cloned())
    };
    if !ready.is_configured {
        log::warn(
            "no_config",
            "configuration",
            if fallback.is_some() {
                "no configuration could be read; FALLBACK_UPSTREAM answers"
            } else {
                "no configuration could be read, and FALLBACK_UPSTREAM names no upstream"
            },
        );
    }
    let begun =
        Accepted { request: text, snapshot: ready.snapshot, decision, number: ready.number, started_ms: now_ms };
    match Exchange::start(begun, fallback, ready.is_configured) {
        Err(step) => print(0, &step),
        Ok((way, step)) => ON_THE_WAY.with_borrow_mut(|all| {
            all.next = all.next.wrapping_add(1);
            let number = all.next;
            all.keep(number, Box::new(way));
            print(number, &step)
        }),
    }
}

/// Waits for what a request needs and lacks: its configuration, and the proof of its tokens.
#[wasm_bindgen]
pub async fn prepare(env: Env, text: String, request: Request, wait_until: js_sys::Function) {
    let text = RequestText::new(text);
    let Some(address) = Address::parse(text.url()) else { return };
    isolate::prepare_request(&env, &address, &wait_until).await;
    let now_ms = clock::now_ms();
    let Some(ready) = isolate::with(|isolate| isolate.ready(&address, true, now_ms)) else { return };
    for (token, text) in pending(&ready, &EdgeFacts { text: &text, request: &request, env: &env }, now_ms) {
        isolate::run(&env, Input::TokenBrought(token, text)).await;
    }
}

/// The tokens of a request that are still to be verified.
fn pending(ready: &Ready, facts: &EdgeFacts<'_>, now_ms: f64) -> Vec<(Token, String)> {
    isolate::with(|isolate| isolate.tokens().pending(&ready.snapshot, ready.number, facts, now_ms))
}

/// Where requests go that no rollout takes.
fn fallback(env: &Env) -> Option<Upstream> {
    let text = glue::text(env, "FALLBACK_UPSTREAM")?;
    let upstream = text.parse();
    if let Err(error) = &upstream {
        log::warn("fallback_unusable", "FALLBACK_UPSTREAM", &format!("{error}"));
    }
    upstream.ok()
}

/// Goes on with a request whose upstream has answered.
#[wasm_bindgen]
pub fn answered(number: u32, answer: String, now_ms: f64) -> String {
    go_on(number, Ok(AnswerText::new(answer)), now_ms)
}

/// Goes on with a request whose upstream has not answered: it sent no headers in time (`timeout`), the request's
/// own body has not all been sent (`unsent`), or anything else.
#[wasm_bindgen]
pub fn failed(number: u32, why: &str, error: String, now_ms: f64) -> String {
    let error = match why {
        "timeout" => NoAnswer::Timeout(error),
        "unsent" => NoAnswer::Unsent(error),
        _ => NoAnswer::Unreachable(error),
    };
    go_on(number, Err(error), now_ms)
}

/// Lets go of a request whose client has left. It counts as given up unless its own body was still being sent.
#[wasm_bindgen]
pub fn left(number: u32, is_sent: bool, now_ms: f64) {
    let way = ON_THE_WAY.with_borrow_mut(|all| all.take(number));
    if let Some(way) = way.filter(|_| is_sent) {
        isolate::with(|isolate| way.abandon(&mut isolate.instruments(now_ms)));
    }
}

/// Lets go of a request whose answer was watched; whether its body ended as it should.
#[wasm_bindgen]
pub fn ended(number: u32, is_whole: bool, now_ms: f64) {
    let way = ON_THE_WAY.with_borrow_mut(|all| all.take(number));
    if let Some(way) = way.filter(|_| !is_whole) {
        log::warn("page_broken", "proxy", "a page's body ended early, took too long, or was blank");
        isolate::with(|isolate| way.note_broken(&mut isolate.instruments(now_ms)));
    }
}

fn go_on(number: u32, outcome: Outcome, now_ms: f64) -> String {
    let Some(mut way) = ON_THE_WAY.with_borrow_mut(|all| all.take(number)) else {
        log::warn("way_lost", "proxy", "too many requests were on their way at once; the answer is passed on unmarked");
        return print(number, &Step::Answer { which: Which::Last, edits: None, watch_ms: 0 });
    };
    let (step, remark) = isolate::with(|isolate| way.next(outcome, &mut isolate.instruments(now_ms)));
    if let Some(Remark { event, subject, message }) = remark {
        log::warn(event, &subject, &message);
    }
    if matches!(step, Step::Ask { .. } | Step::Answer { watch_ms: 1.., .. }) {
        ON_THE_WAY.with_borrow_mut(|all| all.keep(number, way));
    }
    print(number, &step)
}

/// A step as `entry.js` reads it.
fn print(number: u32, step: &Step) -> String {
    match step {
        Step::Ask { service, url, edits, timeout_ms } => format!(
            "ask\n{number}\n{timeout_ms}\n{}\n{url}\n{}",
            service.as_deref().unwrap_or_default(),
            edits.as_str()
        ),
        Step::Answer { which, edits, watch_ms } => {
            let which = if *which == Which::Last { "last" } else { "before" };
            match edits {
                Some(edits) => format!("answer\n{number}\n{watch_ms}\n{which}\n{}", edits.as_str()),
                None => format!("untouched\n{which}"),
            }
        }
        Step::Sentence { status, reason, text } => format!("sentence\n{status}\n{reason}\n{text}"),
        Step::Unregister { reason, script } => format!("unregister\n{reason}\n{script}"),
    }
}
