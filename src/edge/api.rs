//! The API's requests as an isolate gets them: who asks is settled here, then most go to the
//! controller. A change has reached this isolate when its answer leaves.

use super::admin::{AdminRequest, Sent};
use super::{clock, glue, isolate};
use tidegate_protocol::answer::Answer;
use tidegate_protocol::api::access;
use tidegate_protocol::api::asking::Asking;
use tidegate_protocol::api::auth::{Admitted, Credentials, admit, all_tokens};
use tidegate_protocol::api::local::{Explaining, Linking};
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::session;
use tidegate_protocol::api::{Call, DESCRIPTION, EXPOSITION, Reply, Route, reported_on};
use tidegate_protocol::feed;

/// Answers Prometheus, which has a path of its own.
pub async fn expose(request: &AdminRequest<'_>) -> Result<Answer, Problem> {
    handle(request, EXPOSITION).await.map(Answer::exposition)
}

/// Who asks.
///
/// # Errors
/// When they may not do it.
pub async fn admitted(request: &AdminRequest<'_>) -> Result<Admitted, Problem> {
    let (authorization, cookies) = (request.header("authorization"), request.header("cookie").unwrap_or_default());
    let (sent, tokens) = (Sent::read(request), all_tokens(|name| request.text(name)));
    let assertion = request.header(access::HEADER).filter(|_| authorization.is_none());
    let unverified = |text: &String| isolate::with(|isolate| isolate.unverified_access(text, clock::now_ms()));
    if let Some(input) = assertion.as_ref().and_then(unverified) {
        isolate::run(request.env, input).await;
    }
    let credentials = Credentials {
        authorization: authorization.as_deref(),
        sessions: session::brought(&cookies),
        access: assertion.and_then(|text| isolate::act(|isolate| isolate.access(&text, clock::now_ms()))),
        reports: reported_on(&request.method, request.address.path),
        ..sent.credentials()
    };
    isolate::with(|isolate| admit(tokens.as_deref(), isolate.settings().sessions.as_ref(), &credentials))
}

/// Answers a path of the API.
///
/// # Errors
/// With the problem to answer.
pub async fn handle(request: &AdminRequest<'_>, path: &str) -> Result<Reply, Problem> {
    let Admitted { person, .. } = admitted(request).await?;
    let route = Route::find(&request.method, path)?;
    route.admits(&person)?;
    let body = match route.body_bytes_max(&request.method) {
        Some(bytes_max) => request.body(bytes_max).await?,
        None => String::new(),
    };
    match &route {
        Route::Description => Ok(Reply::text(DESCRIPTION.to_owned())),
        Route::Assign => {
            let asked = Explaining::read(request.query())?;
            isolate::prepare_rollout(request.env, &asked.rollout).await;
            asked.answer(&isolate::with(|isolate| isolate.snapshot()))
        }
        Route::Previews(key) => {
            let asked = Linking::read(key, &body)?;
            isolate::prepare_rollout(request.env, &asked.rollout).await;
            isolate::with(|isolate| {
                let settings = isolate.settings();
                let (key, console) = (settings.previews.as_ref(), &settings.console);
                asked.answer(&isolate.snapshot(), key, console, &request.address, clock::now_ms())
            })
        }
        _ => {
            let call = Call {
                method: request.method.clone(),
                path: path.to_owned(),
                query: request.query().to_owned(),
                if_match: request.header("if-match"),
                key: request.header("idempotency-key"),
                origin: Some(request.address.origin()),
                feed: isolate::with(|isolate| {
                    let own = feed::shown_by(path).zip(isolate.settings().feeds.as_ref());
                    own.map(|(rollout, key)| key.address(&request.address.origin(), rollout))
                }),
                console_host: request.text("CONSOLE_HOST"),
                body,
                ..Call::default()
            };
            ask(request, &Asking::new(&route, person, call)).await
        }
    }
}

/// Answers a calendar, whose address is signed.
///
/// # Errors
/// When it is not, or there is no answer.
pub async fn calendar(request: &AdminRequest<'_>, name: &str) -> Result<Reply, Problem> {
    let call =
        isolate::with(|isolate| isolate.settings().feeds.as_ref().and_then(|key| key.call(name, request.query())));
    let call = call.ok_or_else(|| Problem::not_found(request.address.path))?;
    ask(request, &Asking::delivery(call)).await
}

/// Asks the controller.
///
/// # Errors
/// When there is none, or it does not answer.
pub async fn ask(request: &AdminRequest<'_>, asking: &Asking) -> Result<Reply, Problem> {
    if !glue::has_controller(request.env) {
        return Err(Problem::no_controller());
    }
    let answer = glue::ask_controller(request.env, "call", &asking.text(), asking.ms_max()).await;
    let reply = asking.answered(answer.map_err(|error| glue::message(&error)))?;
    if let Some(ms_max) = asking.news_ms_max(&reply) {
        isolate::learn(request.env, ms_max).await;
    }
    Ok(reply)
}
