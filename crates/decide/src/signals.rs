//! What others report of a rollout: counted events by the minute, and the last value of each.
//!
//! An attempt begins in the middle of a minute, and what was reported in that minute before it is none of its own: a
//! resume would roll back again at once. So what comes in the rest of the minute stands with the next one.

use tidegate_model::minute::DAY_MINUTES;
use tidegate_model::{Instant, Minute};

/// Reports are kept this long.
const MINUTES_MAX: u64 = 90 * DAY_MINUTES;

/// The reports of one rollout, by name.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    of: Vec<(String, Reports)>,
    /// The first minute that belongs to the attempt alone.
    first_minute: Minute,
}

/// The reports of one signal.
#[derive(Clone, Debug, Default)]
struct Reports {
    /// Sums by minute, ascending.
    minutes: Vec<(Minute, f64)>,
    /// The last one.
    last: Option<(Instant, f64)>,
    /// Since when whoever watches it says that there is no data.
    blank: Option<Instant>,
}

impl Signals {
    /// An attempt begins: nothing that was reported before counts in it.
    pub fn begin(&mut self, at: Instant) {
        self.first_minute = at.minute() + 1;
    }

    /// The minute with which a report at this moment stands.
    pub fn minute(&self, at: Instant) -> Minute {
        let minute = at.minute();
        if minute + 1 == self.first_minute { self.first_minute } else { minute }
    }

    /// Takes a report.
    pub fn report(&mut self, name: &str, value: f64, at: Instant) {
        let minute = self.minute(at);
        self.restore(name, minute, value, at, value);
        let reports = self.reports(name);
        if let Some(reports) = reports {
            reports.blank = None;
            let old = reports.minutes.partition_point(|(own, _)| *own + MINUTES_MAX < minute);
            reports.minutes.drain(..old);
        }
    }

    /// Whoever watches it says that there is no data: what was reported before counts no more.
    pub fn blank(&mut self, name: &str, at: Instant) {
        if let Some(reports) = self.reports(name) {
            reports.blank.get_or_insert(at);
        }
    }

    /// Since when whoever watches it says that there is no data.
    pub fn blank_since(&self, name: &str) -> Option<Instant> {
        self.get(name).and_then(|reports| reports.blank)
    }

    /// Takes in what was stored of one minute: the sum, and the last report.
    pub fn restore(&mut self, name: &str, minute: Minute, sum: f64, last_at: Instant, last: f64) {
        let Some(reports) = self.reports(name) else { return };
        match reports.minutes.binary_search_by_key(&minute, |(own, _)| *own) {
            Ok(index) => {
                if let Some((_, own)) = reports.minutes.get_mut(index) {
                    *own += sum;
                }
            }
            // A zero says that somebody is there, and adds nothing.
            Err(_) if sum == 0.0 => {}
            Err(index) => reports.minutes.insert(index, (minute, sum)),
        }
        if reports.last.is_none_or(|(at, _)| at <= last_at) {
            reports.last = Some((last_at, last));
        }
    }

    fn reports(&mut self, name: &str) -> Option<&mut Reports> {
        let index = self.of.iter().position(|(own, _)| own == name).unwrap_or_else(|| {
            self.of.push((name.to_owned(), Reports::default()));
            self.of.len() - 1
        });
        self.of.get_mut(index).map(|(_, reports)| reports)
    }

    fn get(&self, name: &str) -> Option<&Reports> {
        self.of.iter().find(|(own, _)| own == name).map(|(_, reports)| reports)
    }

    /// How much was reported since a moment, which counts by its whole minute, and in this attempt.
    pub fn sum_since(&self, name: &str, since: Instant) -> f64 {
        let minute = since.minute().max(self.first_minute);
        let Some(reports) = self.get(name) else { return 0.0 };
        reports.minutes.iter().rev().take_while(|(own, _)| *own >= minute).fold(0.0, |sum, (_, own)| sum + own)
    }

    /// The last report and when it came.
    pub fn last(&self, name: &str) -> Option<(Instant, f64)> {
        self.get(name).and_then(|reports| reports.last)
    }
}

/// The moment so many milliseconds before another.
pub fn before(now: Instant, ms: u64) -> Instant {
    now.minus_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_epoch_ms(seconds * 1_000)
    }

    #[test]
    fn what_was_reported_before_an_attempt_in_its_first_minute_does_not_count_and_what_comes_after_does() {
        let mut signals = Signals::default();
        signals.report("p1", 3.0, at(600));
        assert_eq!(signals.sum_since("p1", at(595)), 3.0);
        signals.begin(at(620));
        assert_eq!(signals.sum_since("p1", at(615)), 0.0, "a window that reaches before it");
        assert_eq!(signals.sum_since("p1", at(0)), 0.0);
        signals.report("p1", 1.0, at(625));
        assert_eq!(signals.sum_since("p1", at(620)), 1.0);
        signals.report("p1", 1.0, at(700));
        assert_eq!(signals.sum_since("p1", at(620)), 2.0);
        assert_eq!(signals.minute(at(59)), Minute::EPOCH, "another minute stays itself");
    }

    #[test]
    fn what_is_stored_by_its_minute_counts_the_same_once_it_is_read_again() {
        let mut signals = Signals::default();
        signals.begin(at(620));
        let minute = signals.minute(at(625));
        let mut again = Signals::default();
        again.restore("p1", Minute::new(10), 3.0, at(600), 3.0);
        again.restore("p1", minute, 1.0, at(625), 1.0);
        again.begin(at(620));
        assert_eq!(again.sum_since("p1", at(615)), 1.0);
    }
}
