//! When the controller is asked.
//!
//! The first request after a flush schedules the next one behind its answer, so an isolate with traffic is never
//! further behind than the interval that the controller has set. Each flush is due for one request only; one that
//! does not come back went down with its request, and its mark expires.

/// The interval until the controller sets one, in milliseconds.
const INTERVAL_MS_DEFAULT: f64 = 1_000.0;
/// How long a controller that does not answer is left alone, in milliseconds.
const INTERVAL_MS_AFTER_FAILURE: f64 = 5_000.0;
/// The runtime lets go of work behind an answer after 30 s. No flush begins after this long, in milliseconds.
const WORK_MS_MAX: f64 = 20_000.0;

/// When the controller is asked, and whether with a batch.
#[derive(Debug)]
pub struct FlushSchedule {
    /// When the flush that is scheduled or under way was scheduled, in milliseconds since 1970.
    scheduled_at_ms: Option<f64>,
    /// When the last one began, in milliseconds since 1970.
    last_ms: f64,
    interval_ms: f64,
    /// The deployment has no controller.
    is_absent: bool,
    /// The last flush failed and had a batch. The next one goes without: a batch that the controller
    /// cannot take must not keep the states away.
    has_failed_with_batch: bool,
}

impl Default for FlushSchedule {
    fn default() -> Self {
        Self {
            scheduled_at_ms: None,
            last_ms: 0.0,
            interval_ms: INTERVAL_MS_DEFAULT,
            is_absent: false,
            has_failed_with_batch: false,
        }
    }
}

impl FlushSchedule {
    /// Whether a flush is to be scheduled behind this request, which then is.
    pub fn take_due(&mut self, now_ms: f64) -> bool {
        let mark_ms_max = self.interval_ms + super::MARK_MS_MAX;
        let is_scheduled = self.scheduled_at_ms.is_some_and(|at_ms| now_ms - at_ms < mark_ms_max);
        let is_due = !self.is_absent && !is_scheduled;
        if is_due {
            self.scheduled_at_ms = Some(now_ms);
        }
        is_due
    }

    /// How long the flush that is scheduled waits, in milliseconds; not at all, where that is not positive.
    pub fn wait_ms(&self, now_ms: f64) -> f64 {
        self.last_ms + self.interval_ms - now_ms
    }

    /// A flush begins.
    pub const fn begin(&mut self, now_ms: f64) {
        self.last_ms = now_ms;
    }

    /// There is nobody to be asked.
    pub const fn give_up(&mut self) {
        self.is_absent = true;
    }

    /// Whether the flush that begins may have a batch.
    pub const fn takes_batch(&mut self) -> bool {
        !std::mem::replace(&mut self.has_failed_with_batch, false)
    }

    /// The controller has set the interval.
    pub fn answered(&mut self, interval_ms: u32) {
        self.interval_ms = f64::from(interval_ms);
    }

    /// The controller has not answered.
    pub const fn failed(&mut self, had_batch: bool) {
        self.interval_ms = INTERVAL_MS_AFTER_FAILURE;
        self.has_failed_with_batch = had_batch;
    }

    /// Whether another flush follows behind the same request, whose first one began at `begun_ms`. It is scheduled
    /// then.
    pub fn follows(&mut self, has_more: bool, begun_ms: f64, now_ms: f64) -> bool {
        let is_next = has_more && now_ms - begun_ms + self.interval_ms < WORK_MS_MAX;
        self.scheduled_at_ms = is_next.then_some(now_ms);
        is_next
    }
}
