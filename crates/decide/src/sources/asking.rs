//! When a source is asked again, and what its answers leave known.

use tidegate_model::{Duration, Instant};

/// A question that has had no answer for so long is given up, in milliseconds.
const UNANSWERED_MS: i64 = 30_000;
/// However often a source fails, it is asked again after this long, in milliseconds; later where the plan asks
/// less often.
const PAUSE_MS_MAX: i64 = 300_000;

/// What is known of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullState {
    /// Since when it has no value, and why.
    pub error: Option<(Instant, String)>,
    /// Whether it has said itself that it has none.
    pub is_blank: bool,
    /// How often in a row it has failed.
    pub failures: u32,
    /// When it was asked, while there is no answer.
    pub asked_at: Option<Instant>,
    /// When it is asked next; at once where that is not known.
    next_at: Option<Instant>,
}

/// How the times at which sources are asked are spread.
#[derive(Clone, Copy, Debug)]
pub struct Spacing {
    /// How often a source is asked.
    pub every: Duration,
    /// A number of its own, so that not all are asked at once.
    pub number: u64,
}

impl PullState {
    /// When it is to be asked.
    pub fn due_at(&self, now: Instant) -> Instant {
        match (self.asked_at, self.next_at) {
            // A clock that was set back says nothing.
            (Some(asked), _) if asked <= now => asked.plus_ms(UNANSWERED_MS),
            (_, Some(next)) => next,
            (_, None) => now,
        }
    }

    /// It is asked.
    pub fn ask(&mut self, now: Instant) {
        self.asked_at = Some(now);
    }

    /// It has answered, or not. Returns whether what has to be stored has changed.
    pub fn answer(&mut self, error: Option<(String, bool)>, spacing: Spacing, now: Instant) -> bool {
        let before = (self.error.clone(), self.is_blank);
        self.asked_at = None;
        let every_ms = i64::try_from(spacing.every.as_ms()).unwrap_or(i64::MAX);
        let pause_ms = match error {
            None => {
                (self.error, self.is_blank, self.failures) = (None, false, 0);
                every_ms
            }
            Some((why, is_blank)) => {
                let since = self.error.take().map_or(now, |(since, _)| since);
                self.error = Some((since, why));
                // A source that cannot be reached has said nothing: what it said before stands.
                self.is_blank |= is_blank;
                self.failures = self.failures.saturating_add(1);
                let doubled = every_ms.saturating_mul(1 << self.failures.min(10));
                doubled.min(PAUSE_MS_MAX.max(every_ms))
            }
        };
        // Up to a tenth more or less, so that those who wait for one source do not come at once.
        let spread = spacing.number.wrapping_add(u64::from(self.failures).wrapping_mul(7)) % 21;
        let share = if self.failures == 0 { 0 } else { i64::try_from(spread).unwrap_or_default() - 10 };
        let pause_ms = pause_ms.saturating_add(pause_ms.saturating_mul(share) / 100);
        self.next_at = Some(now.plus_ms(pause_ms));
        before != (self.error.clone(), self.is_blank)
    }
}
