//! Messages on their way: secrets out of the environment, a request or a mail within ten seconds, and what came of it.
//!
//! 1. A message goes behind the turn that hands it out, and nobody waits for it.
//! 2. Secrets are read here, when a message goes, and stand nowhere else.
//! 3. A redirect is not followed: it would take the message, and what signs it, to somebody who was not named.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use worker::Env;

use super::{clock, glue};
use tidegate_controller::{Delivery, Outgoing, Tried};
use tidegate_model::plan::words::SecretName;
use tidegate_protocol::errand::{ErrandAnswer, ErrandRequest};
use tidegate_protocol::notify::{Outcome, Request, outcome, request};
use tidegate_protocol::receive::pull;

/// A receiver has so long to answer, in milliseconds.
const ANSWER_MS_MAX: u32 = 10_000;
/// The same for a sample, and for what closes the incident of one: whoever has asked for it waits for both.
const SAMPLE_MS_MAX: u32 = 5_000;
const CLOSING_MS_MAX: u32 = 3_000;
/// So much of an answer is read, in bytes.
const BODY_BYTES_MAX: u32 = 8 << 10;
/// So much of an answer is shown to whoever has sent a sample, in characters.
const SHOWN_CHARS_MAX: usize = 500;

/// Sends a message, and says what came back.
pub async fn deliver(env: &Env, outgoing: &Outgoing) -> Tried {
    deliver_within(env, outgoing, ANSWER_MS_MAX).await
}

async fn deliver_within(env: &Env, outgoing: &Outgoing, ms_max: u32) -> Tried {
    let began_ms = clock::now_ms();
    let secrets = |name: &SecretName| glue::text(env, name.0.as_str());
    let asked = request(
        &outgoing.id,
        &outgoing.target,
        &secrets,
        &outgoing.notification,
        outgoing.reference.as_deref(),
        clock::now(),
    );
    let mut tried = match asked {
        // Nothing can be sent as things are set up.
        Err(error) => Tried::without_answer(Delivery::Failed { after_ms: None, error, is_configuration: true }),
        Ok(Request::Nothing) => Tried::without_answer(Delivery::Nothing),
        Ok(Request::Http { method, url, headers, body }) => {
            let headers = serde_json::to_string(&headers).unwrap_or_default();
            post(outgoing, method, &url, &headers, &body, ms_max).await
        }
        Ok(Request::Mail { binding, from, to, subject, text, html, headers }) => {
            let mail = serde_json::json!({
                "from": from, "to": to, "subject": subject, "text": text, "html": html,
                "headers": headers.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            });
            send_mail(env, outgoing, &binding, &mail.to_string(), ms_max).await
        }
    };
    tried.took_ms = (clock::now_ms() - began_ms) as u64;
    tried
}

/// Sends a sample, and closes the incident that it has opened.
pub async fn try_out(env: &Env, outgoing: &Outgoing) -> Tried {
    let mut tried = deliver_within(env, outgoing, SAMPLE_MS_MAX).await;
    // Where nothing came back it may have arrived all the same.
    let may_be_open = matches!(tried.delivery, Delivery::Sent { .. }) || tried.status.is_none();
    if let Some(closing) = outgoing.closing().filter(|_| may_be_open)
        && let (_, Some(error)) = deliver_within(env, &closing, CLOSING_MS_MAX).await.delivery.reported()
    {
        tried.body.push_str(&format!("\nThe incident that the sample has opened could not be closed: {error}"));
    }
    tried
}

async fn post(outgoing: &Outgoing, method: &str, url: &str, headers: &str, body: &str, ms_max: u32) -> Tried {
    let answer = glue::deliver(method, url, headers, body, ms_max, BODY_BYTES_MAX).await;
    let parts: Array = match answer.map(JsCast::dyn_into) {
        Ok(Ok(parts)) => parts,
        Ok(Err(_)) => return Tried::without_answer(failed("the answer cannot be read".to_owned())),
        Err(error) => return Tried::without_answer(failed(glue::message(&error))),
    };
    let status = parts.get(0).as_f64().map_or(0, |status| status as u16);
    let headers: Vec<(String, String)> =
        parts.get(1).as_string().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let body = parts.get(2).as_string().unwrap_or_default();
    let delivery = of(outcome(&outgoing.target, status, &headers, &body));
    Tried { delivery, status: Some(status), body: body.chars().take(SHOWN_CHARS_MAX).collect(), took_ms: 0 }
}

/// Asks another host, or a Worker that is bound to this one.
///
/// # Errors
/// When there is no answer: why.
pub async fn ask(env: &Env, request: &ErrandRequest) -> Result<ErrandAnswer, String> {
    let ErrandRequest { service, method, url, headers, body, ms_max, bytes_max } = request;
    let headers = serde_json::to_string(headers).unwrap_or_default();
    let began_ms = clock::now_ms();
    let asked = glue::ask(env, service.clone(), method, url, &headers, body, *ms_max, *bytes_max).await;
    // What the platform says may have an address in it, which is a secret.
    let parts = asked.map_err(|error| pull::said(&glue::message(&error), url))?;
    let parts: Array = parts.dyn_into().map_err(|_| "the answer cannot be read".to_owned())?;
    Ok(ErrandAnswer {
        status: parts.get(0).as_f64().map_or(0, |status| status as u16),
        headers: parts.get(1).as_string().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        body: parts.get(2).as_string().unwrap_or_default(),
        took_ms: (clock::now_ms() - began_ms).max(0.0) as u64,
    })
}

async fn send_mail(env: &Env, outgoing: &Outgoing, binding: &str, mail: &str, ms_max: u32) -> Tried {
    let (status, reported) = match glue::send_mail(env, binding, mail, ms_max).await {
        Ok(()) => (200, String::new()),
        Err(error) => (0, glue::message(&error)),
    };
    Tried::without_answer(of(outcome(&outgoing.target, status, &[], &reported)))
}

const fn failed(error: String) -> Delivery {
    Delivery::Failed { after_ms: None, error, is_configuration: false }
}

fn of(outcome: Outcome) -> Delivery {
    match outcome {
        Outcome::Sent { reference } => Delivery::Sent { reference },
        Outcome::Retry { after_ms, error } => Delivery::Failed { after_ms, error, is_configuration: false },
        Outcome::Dead { error } => Delivery::Dead { error },
    }
}
