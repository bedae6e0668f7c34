//! The console's sign-in: a token comes, a session's cookie goes.

use std::cell::RefCell;

use web_sys::Response;

use super::admin::{AdminRequest, answer};
use super::api::{Sent, admitted};
use super::{clock, glue};
use tidegate_model::Instant;
use tidegate_protocol::api::auth::{Person, by_token, is_cross_site};
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::session::{LIFE_S, SessionKey, begin, end};
use tidegate_protocol::api::shapes::{Session, Text};
use tidegate_protocol::api::{BODY_BYTES_MAX, body};
use tidegate_protocol::limiter::{self, Limiter};

pub const PATH: &str = "/_tidegate/api/session";

thread_local! {
    static FAILURES: RefCell<Limiter> = const { RefCell::new(Limiter::new(limiter::SIGN_INS)) };
}

/// Answers who is signed in, signs in, or signs out.
pub async fn serve(request: &AdminRequest<'_>) -> Response {
    let answered = match request.method.as_str() {
        "GET" | "HEAD" => admitted(request).map(|(person, ends_s)| whose(request, &person, ends_s, "")),
        "POST" => sign_in(request).await,
        "DELETE" => sign_out(request),
        method => Err(Problem::method_not_allowed(method, "GET, HEAD, POST, DELETE")),
    };
    answered.unwrap_or_else(|problem| answer(request, &problem.into()))
}

async fn sign_in(request: &AdminRequest<'_>) -> Result<Response, Problem> {
    if is_cross_site(&Sent::read(request).credentials(request)) {
        return Err(Problem::cross_site());
    }
    let address = request.header("cf-connecting-ip").unwrap_or_default();
    // Counted before anything is waited for, so that many at once are no way around; a right token gives it back.
    let wait_s = FAILURES
        .with_borrow_mut(|failures| (!failures.admit(&address, clock::now_ms())).then(|| failures.wait_s(&address)));
    if let Some(wait_s) = wait_s {
        return Err(Problem::too_many_sign_ins(wait_s));
    }
    let token = body::sign_in(&request.body(BODY_BYTES_MAX).await?)?;
    let (person, digest) = by_token(glue::text(request.env, "ADMIN_TOKENS").as_deref(), &token)?;
    FAILURES.with_borrow_mut(|failures| failures.give_back(&address));
    let key = glue::text(request.env, "SIGNING_KEY")
        .and_then(|key| SessionKey::derive(&key))
        .ok_or_else(Problem::no_signing_key)?;
    if !request.address.keeps_secure_cookies() {
        return Err(Problem::plain_http());
    }
    let ends_s = (clock::now_ms() / 1_000.0) as u64 + LIFE_S;
    let cookie = begin(&key, &person, &digest, ends_s);
    Ok(whose(request, &person, Some(ends_s), &format!("set-cookie:{cookie}")))
}

fn sign_out(request: &AdminRequest<'_>) -> Result<Response, Problem> {
    if is_cross_site(&Sent::read(request).credentials(request)) {
        return Err(Problem::cross_site());
    }
    Ok(glue::empty(&format!("set-cookie:{}", end())))
}

fn whose(request: &AdminRequest<'_>, person: &Person, ends_s: Option<u64>, headers: &str) -> Response {
    let expires = ends_s
        .and_then(|ends_s| i64::try_from(ends_s).ok())
        .map(|ends_s| Instant::from_epoch_ms(ends_s.saturating_mul(1_000)));
    let body = serde_json::to_string(&Session {
        name: person.name.clone(),
        role: Text::word(person.role.as_str()),
        expires: expires.into(),
    })
    .unwrap_or_default();
    glue::plain(200, "application/json", headers, if request.method == "HEAD" { "" } else { &body })
}
