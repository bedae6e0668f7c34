//! What others report of a rollout: counted events by the minute, and the last value of each.

use super::series::minute_of;
use tidegate_model::Instant;

/// Reports are kept this long.
const MINUTES_MAX: u64 = 90 * 24 * 60;

/// The reports of one rollout, by name.
#[derive(Clone, Debug, Default)]
pub struct Signals(Vec<(String, Reports)>);

/// The reports of one signal.
#[derive(Clone, Debug, Default)]
struct Reports {
    /// Sums by minute, ascending.
    minutes: Vec<(u64, f64)>,
    /// The last one.
    last: Option<(Instant, f64)>,
    /// Since when whoever watches it says that there is no data.
    blank: Option<Instant>,
}

impl Signals {
    /// Takes a report.
    pub fn report(&mut self, name: &str, value: f64, at: Instant) {
        let minute = minute_of(at);
        self.restore(name, minute, value, at, value);
        let reports = self.reports(name);
        if let Some(reports) = reports {
            reports.blank = None;
            let old = reports.minutes.partition_point(|(own, _)| own + MINUTES_MAX < minute);
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
    pub fn restore(&mut self, name: &str, minute: u64, sum: f64, last_at: Instant, last: f64) {
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
        let index = self.0.iter().position(|(own, _)| own == name).unwrap_or_else(|| {
            self.0.push((name.to_owned(), Reports::default()));
            self.0.len() - 1
        });
        self.0.get_mut(index).map(|(_, reports)| reports)
    }

    fn get(&self, name: &str) -> Option<&Reports> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, reports)| reports)
    }

    /// How much was reported since a moment, which counts by its whole minute.
    pub fn sum_since(&self, name: &str, since: Instant) -> f64 {
        let minute = minute_of(since);
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
    Instant::from_epoch_ms(now.as_epoch_ms().saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)))
}
