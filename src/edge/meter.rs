//! The isolate's instruments: its meter, and the key of its pages' tokens, which is derived once.

use std::cell::RefCell;

use wasm_bindgen::JsValue;

use super::{glue, mint};
use crate::protocol::exposure::{ExposureKey, Issuer};
use crate::protocol::measuring::Instruments;
use crate::protocol::meter::Meter;

thread_local! {
    static METER: RefCell<Meter> = RefCell::default();
    /// `None` while the environment has not been looked at; then `None` inside without a usable key.
    static ISSUER: RefCell<Option<Option<Issuer>>> = const { RefCell::new(None) };
}

/// Reads the signing key, unless it has been read.
pub fn prepare(env: &JsValue) {
    ISSUER.with_borrow_mut(|issuer| {
        issuer.get_or_insert_with(|| {
            let key = ExposureKey::derive(&glue::text(env, "SIGNING_KEY")?)?;
            Some(Issuer::new(key, mint::number()?))
        });
    });
}

/// Uses all of the instruments.
pub fn with_instruments<T>(now_ms: f64, act: impl FnOnce(&mut Instruments<'_>) -> T) -> T {
    METER.with_borrow_mut(|meter| {
        ISSUER.with_borrow_mut(|issuer| {
            act(&mut Instruments { now_ms, meter, issuer: issuer.as_mut().and_then(Option::as_mut) })
        })
    })
}

/// Uses the meter.
pub fn with_meter<T>(act: impl FnOnce(&mut Meter) -> T) -> T {
    METER.with_borrow_mut(act)
}

/// Uses the key of tokens; `None` where there is none.
pub fn with_key<T>(act: impl FnOnce(&ExposureKey) -> T) -> Option<T> {
    ISSUER.with_borrow(|issuer| issuer.as_ref()?.as_ref().map(|issuer| act(issuer.key())))
}
