//! The one place that reads the clock.

use tidegate_model::Instant;

/// Milliseconds since 1970. In production it stands still between two awaits.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now_ms() -> f64 {
    js_sys::Date::now()
}

/// The same as an instant.
pub fn now() -> Instant {
    Instant::from_epoch_ms(now_ms() as i64)
}
