//! The one clock that the command reads.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_model::Instant;

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Instant::from_epoch_ms(i64::try_from(since).unwrap_or(i64::MAX))
}
