//! The console's sign-in: a token comes, a session's cookie goes.

use std::cell::RefCell;

use serde::Serialize;
use web_sys::Response;

use super::api::{Sent, admitted};
use super::own::{Own, answer};
use super::{clock, glue};
use crate::model::Instant;
use crate::protocol::api::auth::{Person, Role, by_token, is_cross_site};
use crate::protocol::api::problem::Problem;
use crate::protocol::api::session::{LIFE_S, SessionKey, begin, end};
use crate::protocol::api::{BODY_BYTES_MAX, body};
use crate::protocol::limiter::{self, Limiter};

pub const PATH: &str = "/_tidegate/api/session";

thread_local! {
    static FAILURES: RefCell<Limiter> = const { RefCell::new(Limiter::new(limiter::SIGN_INS)) };
}

/// Answers who is signed in, signs in, or signs out.
pub async fn serve(own: &Own<'_>) -> Response {
    let answered = match own.method.as_str() {
        "GET" | "HEAD" => admitted(own).map(|(person, ends_s)| whose(own, &person, ends_s, "")),
        "POST" => sign_in(own).await,
        "DELETE" => sign_out(own),
        method => Err(Problem::method_not_allowed(method, "GET, HEAD, POST, DELETE")),
    };
    answered.unwrap_or_else(|problem| answer(own, &problem.into()))
}

async fn sign_in(own: &Own<'_>) -> Result<Response, Problem> {
    if is_cross_site(&Sent::read(own).credentials(own)) {
        return Err(Problem::cross_site());
    }
    let address = own.header("cf-connecting-ip").unwrap_or_default();
    // Counted before anything is waited for, so that many at once are no way around; a right token gives it back.
    let wait_s = FAILURES
        .with_borrow_mut(|failures| (!failures.admit(&address, clock::now_ms())).then(|| failures.wait_s(&address)));
    if let Some(wait_s) = wait_s {
        return Err(Problem::too_many_sign_ins(wait_s));
    }
    let token = body::sign_in(&own.body(BODY_BYTES_MAX).await?)?;
    let (person, digest) = by_token(glue::text(own.env, "ADMIN_TOKENS").as_deref(), &token)?;
    FAILURES.with_borrow_mut(|failures| failures.give_back(&address));
    let key = glue::text(own.env, "SIGNING_KEY")
        .and_then(|key| SessionKey::derive(&key))
        .ok_or_else(Problem::no_signing_key)?;
    if !own.address.keeps_secure_cookies() {
        return Err(Problem::plain_http());
    }
    let ends_s = (clock::now_ms() / 1_000.0) as u64 + LIFE_S;
    let cookie = begin(&key, &person, &digest, ends_s);
    Ok(whose(own, &person, Some(ends_s), &format!("set-cookie:{cookie}")))
}

fn sign_out(own: &Own<'_>) -> Result<Response, Problem> {
    if is_cross_site(&Sent::read(own).credentials(own)) {
        return Err(Problem::cross_site());
    }
    Ok(glue::empty(&format!("set-cookie:{}", end())))
}

#[derive(Serialize)]
struct Whose<'a> {
    name: &'a str,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Instant>,
}

fn whose(own: &Own<'_>, person: &Person, ends_s: Option<u64>, headers: &str) -> Response {
    let expires = ends_s
        .and_then(|ends_s| i64::try_from(ends_s).ok())
        .map(|ends_s| Instant::from_epoch_ms(ends_s.saturating_mul(1_000)));
    let body = serde_json::to_string(&Whose { name: &person.name, role: person.role, expires }).unwrap_or_default();
    glue::plain(200, "application/json", headers, if own.method == "HEAD" { "" } else { &body })
}
