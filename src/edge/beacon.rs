//! `POST /_tidegate/beacon`: what pages report goes into the isolate's next batch. And the name that the
//! operator gives the beacon's paths.

use std::cell::{OnceCell, RefCell};

use wasm_bindgen::JsValue;
use web_sys::Response;

use super::own::{Own, answer};
use super::{clock, glue, log, meter};
use crate::protocol::address::Address;
use crate::protocol::api::problem::Problem;
use crate::protocol::beacon::body::{self, BODY_BYTES_MAX};
use crate::protocol::beacon::own_path;
use crate::protocol::beacon::path::{BeaconPath, REPORTS};
use crate::protocol::limiter::{self, Limiter};
use crate::protocol::meter::minute_of;

pub const PATH: &str = REPORTS;

thread_local! {
    static LIMITER: RefCell<Limiter> = const { RefCell::new(Limiter::new(limiter::REPORTS)) };
    /// What `BEACON_PATH` says, read once: the environment never changes in an isolate.
    static NAMED: OnceCell<Option<BeaconPath>> = const { OnceCell::new() };
}

/// The standard URL of what is asked for where the operator has named the beacon's paths and it is one of
/// them.
pub fn standard_url(env: &JsValue, address: &Address<'_>) -> Option<String> {
    let path = NAMED.with(|named| own_path(named.get_or_init(|| named_path(env)).as_ref(), address.path))?;
    let query = address.path_and_query.strip_prefix(address.path).unwrap_or_default();
    Some(format!("{}://{}{path}{query}", address.scheme, address.authority))
}

fn named_path(env: &JsValue) -> Option<BeaconPath> {
    let text = glue::text(env, "BEACON_PATH").filter(|text| !text.is_empty())?;
    let path = text.parse();
    if let Err(why) = path {
        log::warn("beacon_path_unusable", "BEACON_PATH", &format!("`{text}` is no path for the beacon: {why}. It is ignored; write `/assets/m`"));
    }
    path.ok()
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
