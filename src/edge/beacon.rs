//! `POST /_tidegate/beacon`: what pages report goes into the isolate's next batch.

use std::cell::RefCell;

use web_sys::Response;

use super::own::{Own, answer};
use super::{clock, glue, log, meter};
use crate::protocol::api::problem::Problem;
use crate::protocol::beacon::body::{self, BODY_BYTES_MAX};
use crate::protocol::limiter::Limiter;
use crate::protocol::meter::minute_of;

pub const PATH: &str = "/_tidegate/beacon";

thread_local! {
    static LIMITER: RefCell<Limiter> = RefCell::default();
}

/// Answers a beacon.
pub async fn serve(own: &Own<'_>) -> Response {
    match take(own).await {
        Ok(()) => glue::empty(""),
        Err(problem) => answer(own, &problem.into()),
    }
}

async fn take(own: &Own<'_>) -> Result<(), Problem> {
    if own.method != "POST" {
        return Err(Problem::method_not_allowed(&own.method, "POST"));
    }
    let address = own.header("cf-connecting-ip").unwrap_or_default();
    if !LIMITER.with_borrow_mut(|limiter| limiter.admit(&address, clock::now_ms())) {
        return Err(body::too_many());
    }
    let text = own.body(BODY_BYTES_MAX).await?;
    meter::prepare(own.env);
    let reports = meter::with_key(|key| body::reports(&text, key, minute_of(clock::now_ms()))).ok_or_else(Problem::no_signing_key)??;
    let dropped = meter::with_meter(|meter| reports.into_iter().map(|report| meter.report(report)).filter(|is_kept| !is_kept).count());
    if dropped > 0 {
        log::warn("reports_dropped", "beacon", "more pages report than the controller takes; what came last is dropped");
    }
    Ok(())
}
