//! `POST /_tidegate/beacon`: what pages report goes into the isolate's next batch. And the name that the
//! operator gives the beacon's paths.

use std::cell::{OnceCell, RefCell};

use web_sys::Response;
use worker::Env;

use super::admin::{AdminRequest, answer};
use super::{clock, glue, isolate, log};
use tidegate_protocol::address::Address;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::beacon::body::{self, BODY_BYTES_MAX};
use tidegate_protocol::beacon::path::{BeaconPath, REPORTS};
use tidegate_protocol::beacon::{is_foreign, own_path};
use tidegate_protocol::limiter::{self, Limiter};
use tidegate_protocol::meter::minute_of;

pub const PATH: &str = REPORTS;

thread_local! {
    static LIMITER: RefCell<Limiter> = const { RefCell::new(Limiter::new(limiter::REPORTS)) };
    /// Whether all visitors may come from one network: an intranet's, or the developer's.
    static ONE_NETWORK: OnceCell<bool> = const { OnceCell::new() };
    /// What `BEACON_PATH` says, read once: the environment never changes in an isolate.
    static NAMED: OnceCell<Option<BeaconPath>> = const { OnceCell::new() };
}

/// The standard URL of what is asked for where the operator has named the beacon's paths and it is one of
/// them.
pub fn standard_url(env: &Env, address: &Address<'_>) -> Option<String> {
    let path = NAMED.with(|named| own_path(named.get_or_init(|| named_path(env)).as_ref(), address.path))?;
    let query = address.path_and_query.strip_prefix(address.path).unwrap_or_default();
    Some(format!("{}://{}{path}{query}", address.scheme, address.authority))
}

fn named_path(env: &Env) -> Option<BeaconPath> {
    let text = glue::text(env, "BEACON_PATH").filter(|text| !text.is_empty())?;
    let path = text.parse();
    if let Err(why) = path {
        log::warn(
            "beacon_path_unusable",
            "BEACON_PATH",
            &format!("`{text}` is no path for the beacon: {why}. It is ignored; write `/assets/m`"),
        );
    }
    path.ok()
}

/// Answers a beacon.
pub async fn serve(request: &AdminRequest<'_>) -> Response {
    match take(request).await {
        Ok(()) => glue::empty(""),
        Err(problem) => answer(request, &problem.into()),
    }
}

async fn take(request: &AdminRequest<'_>) -> Result<(), Problem> {
    if request.method != "POST" {
        return Err(Problem::method_not_allowed(&request.method, "POST"));
    }
    let address = request.header("cf-connecting-ip").unwrap_or_default();
    if !LIMITER.with_borrow_mut(|limiter| limiter.admit(&address, clock::now_ms())) {
        return Err(body::too_many());
    }
    if is_foreign(
        request.header("origin").as_deref(),
        request.header("sec-fetch-site").as_deref(),
        request.address.authority,
    ) {
        return Err(Problem::foreign_report());
    }
    let text = request.body(BODY_BYTES_MAX).await?;
    let minute = minute_of(clock::now_ms());
    let are_networks_one = ONE_NETWORK
        .with(|known| *known.get_or_init(|| glue::text(request.env, "BEACON_ONE_NETWORK").as_deref() == Some("allow")));
    let dropped = isolate::with(|isolate| {
        let key = isolate.exposure_key().ok_or_else(Problem::no_signing_key)?;
        let network = (!are_networks_one).then(|| key.network(&address, minute));
        let mut reports = body::reports(&text, key, request.address.authority, minute)?;
        reports.iter_mut().for_each(|report| report.network = network);
        Ok::<_, Problem>(isolate.report(reports))
    })?;
    if dropped > 0 {
        log::warn(
            "reports_dropped",
            "beacon",
            "more pages report than the controller takes; what came last is dropped",
        );
    }
    Ok(())
}
