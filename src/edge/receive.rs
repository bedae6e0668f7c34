//! `POST /_tidegate/in/NAME`: what other tools send. An isolate finds out whether it is genuine, since secrets are in
//! its environment; the controller reads it.

use std::cell::{Cell, RefCell};

use web_sys::Response;

use super::admin::{AdminRequest, answer};
use super::{api, clock, glue, isolate, log};
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::{Call, Reply};
use tidegate_protocol::limiter::{self, Limiter};
use tidegate_protocol::receive::proof::{SECRET_BYTES_MIN, is_genuine};
use tidegate_protocol::receive::{BODY_BYTES_MAX, Received};

/// Plans that are younger than this, in milliseconds, are not asked for before a delivery is looked at.
const FRESH_MS: f64 = 5_000.0;
/// So long a delivery waits for them, in milliseconds.
const LEARNED_MS_MAX: f64 = 1_000.0;

thread_local! {
    static FAILURES: RefCell<Limiter> = const { RefCell::new(Limiter::new(limiter::DELIVERIES)) };
    static LEARNED_AT_MS: Cell<f64> = const { Cell::new(0.0) };
}

/// Answers a delivery for the receiver of this name.
pub async fn serve(request: &AdminRequest<'_>, name: &str) -> Response {
    match take(request, name).await {
        Ok(reply) => answer(request, &reply),
        Err(problem) => answer(request, &problem.into()),
    }
}

async fn take(request: &AdminRequest<'_>, name: &str) -> Result<Reply, Problem> {
    // Grafana can be told to PUT.
    if !matches!(request.method.as_str(), "POST" | "PUT") {
        return Err(Problem::method_not_allowed(&request.method, "POST, PUT"));
    }
    // Counted before anything is waited for; what is genuine gives it back.
    let address = request.header("cf-connecting-ip").unwrap_or_default();
    let now_ms = clock::now_ms();
    if !FAILURES.with_borrow_mut(|failures| failures.admit(&address, now_ms)) {
        return Err(Problem::too_many_deliveries(FAILURES.with_borrow(|failures| failures.wait_s(&address))));
    }
    learn(request).await;
    if isolate::with(|isolate| isolate.receivers(name)).is_empty() {
        return Err(Problem::unknown_receiver(name));
    }
    let body = request.body(BODY_BYTES_MAX).await?;
    let received = proved(request, name, &body)?;
    FAILURES.with_borrow_mut(|failures| failures.give_back(&address));
    let call = Call {
        method: "POST".to_owned(),
        path: format!("in/{name}"),
        actor: format!("receiver {name}"),
        body,
        received: Some(received),
        ..Call::default()
    };
    api::ask(request, &call, None).await
}

/// What proves the delivery, of each rollout whose plan has the receiver.
fn proved(request: &AdminRequest<'_>, name: &str, body: &str) -> Result<Received, Problem> {
    let header = |name: &str| request.header(name);
    let mut received = Received {
        receiver: name.to_owned(),
        resource: request.header("sentry-hook-resource"),
        id: ["webhook-id", "idempotency-key"].into_iter().find_map(header).filter(|id| !id.is_empty()),
        ..Received::default()
    };
    let mut is_unset = false;
    for (rollout, receiver) in isolate::with(|isolate| isolate.receivers(name)) {
        let Some(secret) = receiver.secret() else { continue };
        let value = glue::text(request.env, secret.0.as_str()).filter(|value| value.len() >= SECRET_BYTES_MIN);
        let Some(value) = value else {
            is_unset = true;
            log::warn(
                "secret_unset",
                rollout.as_str(),
                &format!("the receiver {name} needs the secret {}, of {SECRET_BYTES_MIN} characters or more", secret.0),
            );
            continue;
        };
        if is_genuine(&receiver, value.trim(), &header, body, clock::now_ms() / 1_000.0) {
            received.proved.push((rollout.to_string(), secret.0.to_string()));
        }
    }
    match (received.proved.is_empty(), is_unset) {
        (false, _) => Ok(received),
        (true, true) => Err(Problem::no_receiver_secret(name)),
        (true, false) => Err(Problem::not_genuine()),
    }
}

/// An isolate without traffic may know nothing of new plans.
async fn learn(request: &AdminRequest<'_>) {
    let now_ms = clock::now_ms();
    if now_ms - LEARNED_AT_MS.get() > FRESH_MS {
        LEARNED_AT_MS.set(now_ms);
        isolate::learn(request.env, Some(LEARNED_MS_MAX)).await;
    }
}
