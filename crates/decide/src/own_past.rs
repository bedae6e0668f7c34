//! New against its own past: where nobody is on legacy, a change is found beside what new did at this time of
//! day before.
//!
//! **What is usual.** Per hour of the day, the events and exposures of the days before, half of them forgotten
//! after a week: `r_h = (x_h + 20)/(n_h + 20/r)`, with r the rate of all hours, so an hour with few events is
//! taken for an ordinary one. No two days are alike, so what is to be refuted is not that the rate is what it
//! was, but that it is at most `exp(3.3σ)` times that, a quarter more at least: σ² is by how much hours have
//! differed from what was usual beyond chance, and by how much what is usual may itself be chance. Until there
//! are days to know it by, σ is 0.15.
//!
//! **When it is a change.** For each λ of the grid of [`evidence`](super::evidence), a window with n exposures
//! and x events multiplies by
//! ```text
//! ln LR(λ) = (x · ln λ − (λ − 1) · n · margin · r_h) / φ
//! ```
//! which is at most 1 on average while nothing has changed. In each minute every λ begins anew, with what it has
//! of a weight of 1 in all, and the sum M is compared with c: the Shiryaev–Roberts e-detector (Shin, Ramdas,
//! Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", 2022). However often one
//! looks, the mean time until it alarms for nothing is at least c minutes; c is 90 days. φ is by how much events
//! cluster in slices, or in the minutes of an hour, of earlier hours; the rule against one subject alone is that
//! of [`comparison`](super::comparison).
//!
//! **What lasts is usual after some days**, since what new does is always learned from. M is kept below a
//! hundred times c, so that an alarm ends within about as long as it took.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::evidence::{GRID, RATIOS, log_sum};
use super::overdispersion::{Slices, Spread};
use tidegate_model::Minute;
use tidegate_model::measured::packed::{pack, unpack};

/// On average there is at most one alarm for nothing in so many minutes: 90 days.
pub const MINUTES_PER_ALARM: f64 = 90.0 * 24.0 * 60.0;
/// So much past there has to be, in hours.
const HOURS_MIN: f64 = 24.0;
/// Half is forgotten after so many hours.
const HALF_LIFE_HOURS: f64 = 7.0 * 24.0;
/// Events of the average by which an hour of the day is shrunk, and those that all hours together begin with.
const SHRUNK_BY: f64 = 20.0;
const EVENTS_MORE: f64 = 3.0;
/// How much days differ until some have been seen, and so many hours of that count.
const SIGMA_FIRST: f64 = 0.15;
const SIGMA_HOURS: f64 = 24.0;
/// The margin in standard deviations of what hours differ by: with two, hours that were a fifth higher or lower than
/// usual by chance alarmed once in five days. Beyond this lies one hour in 90 days.
const MARGIN_DEVIATIONS: f64 = 3.3;
const MARGIN_MIN: f64 = 1.25;
const MARGIN_MAX: f64 = 20.0;
/// Failures of so many hundredths of the subjects in the last two hours show something.
const SLICES_MIN: usize = 5;
/// M is kept below this many times what it has to reach.
const BEYOND: f64 = 100.0;
/// The logarithm of nothing, as it is stored.
const LOG_NONE: f64 = -1_000.0;
const HOURS: usize = 24;

/// What new has done so far, and whether that has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnPast {
    /// By hour of the day: exposures, events, each counting as much as is left of it.
    usual: Vec<[f64; 2]>,
    /// The hours that are known, each counting as much as is left of it.
    hours: f64,
    /// What hours differed by: the square beyond chance, the square of what was expected, and in how many hours.
    differed: [f64; 3],
    /// Within hours: how events cluster.
    within: Spread,
    /// Between the minutes of an hour: how events come in bursts.
    #[serde(default)]
    bursts: Spread,
    /// Exposures and events of the minute under way, and which it is.
    #[serde(default)]
    now: [f64; 2],
    #[serde(default)]
    counted: Minute,
    /// Of the minutes of the hour under way: the sums of x², of x · n and of n².
    #[serde(default)]
    squares: [f64; 3],
    /// The hour under way, and the one before.
    open: Slices,
    last: Slices,
    /// That hour, since 1970.
    hour: u64,
    /// By λ: the logarithm of M.
    sums: Sums,
    /// The last minute in which all began anew.
    minute: Minute,
}

#[derive(Clone, Debug, PartialEq)]
struct Sums([f64; GRID]);

impl Serialize for Sums {
    /// As thousandths.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&pack(self.0.iter().map(|own| [(own.max(LOG_NONE) * 1_000.0).round() as i64])))
    }
}

impl<'de> Deserialize<'de> for Sums {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = tidegate_model::serial::text(deserializer, unpack::<1>)?;
        let mut own = [LOG_NONE; GRID];
        own.iter_mut().zip(numbers).for_each(|(own, [number])| *own = number as f64 / 1_000.0);
        Ok(Self(own))
    }
}

impl Default for OwnPast {
    fn default() -> Self {
        Self {
            usual: vec![[0.0; 2]; HOURS],
            hours: 0.0,
            differed: [0.0; 3],
            within: Spread::default(),
            bursts: Spread::default(),
            now: [0.0; 2],
            counted: Minute::EPOCH,
            squares: [0.0; 3],
            open: Slices::default(),
            last: Slices::default(),
            hour: 0,
            sums: Sums([LOG_NONE; GRID]),
            minute: Minute::EPOCH,
        }
    }
}

impl OwnPast {
    /// Takes in what has arrived of new by this minute.
    pub fn add(&mut self, arrived: &Slices, minute: Minute) {
        if minute > self.counted {
            let [n, x] = std::mem::take(&mut self.now);
            let [xx, xn, nn] = self.squares;
            (self.squares, self.counted) = ([xx + x * x, xn + x * n, nn + n * n], minute);
        }
        let total = arrived.total();
        let [n, x] = self.now;
        self.now = [n + total.n, x + total.x];
        let hour = minute.hour();
        if hour > self.hour {
            self.close(hour);
        }
        if self.is_ready() {
            self.detect(arrived, minute);
        }
        self.open.merge(arrived);
    }

    fn detect(&mut self, arrived: &Slices, minute: Minute) {
        let (exposures, events) = (arrived.total().n, arrived.corroborated(&self.open));
        let expected = exposures * self.usual_rate() * self.margin();
        let factor = self.factor();
        let begins = minute > self.minute;
        self.minute = self.minute.max(minute);
        let weights: f64 = RATIOS.iter().map(|tried| tried.weight).sum();
        for (sum, tried) in self.sums.0.iter_mut().zip(&*RATIOS) {
            if begins {
                *sum = log_sum(*sum, (tried.weight / weights).ln());
            }
            *sum += (events * tried.log - (tried.ratio - 1.0) * expected) / factor;
        }
        let beyond = self.log_m() - (MINUTES_PER_ALARM * BEYOND).ln();
        self.sums.0.iter_mut().for_each(|sum| *sum = (*sum - beyond.max(0.0)).max(LOG_NONE));
    }

    /// Ends the hour under way.
    fn close(&mut self, next: u64) {
        let open = std::mem::take(&mut self.open);
        let total = open.total();
        let kept = (-(next.saturating_sub(self.hour) as f64) / HALF_LIFE_HOURS).exp2();
        let (expected, factor) = (total.n * self.usual_rate(), self.factor());
        if self.is_ready() && expected > 0.0 {
            let [square, of, hours] = &mut self.differed;
            *square += (total.x - expected).powi(2) - factor * expected;
            *of += expected.powi(2);
            *hours += 1.0;
        }
        if self.hours > 0.0 {
            self.usual.iter_mut().flatten().chain(&mut self.differed).for_each(|own| *own *= kept);
            self.hours *= kept;
        }
        if total.n > 0.0 {
            self.within = self.within.plus(open.spread());
            let [xx, xn, nn] = std::mem::take(&mut self.squares);
            let rate = total.x / total.n;
            let between = xx - 2.0 * rate * xn + rate * rate * nn;
            self.bursts = self.bursts.plus(Spread { between, independent: total.x });
            if let Some([n, x]) = self.usual.get_mut((self.hour % HOURS as u64) as usize) {
                (*n, *x) = (*n + total.n, *x + total.x);
            }
            self.hours += 1.0;
        }
        (self.last, self.hour) = (open, next);
    }

    /// The rate that is usual at this hour of the day.
    #[must_use]
    pub fn usual_rate(&self) -> f64 {
        let [n, x] = self.usual.iter().fold([0.0, EVENTS_MORE], |[all_n, all_x], [n, x]| [all_n + n, all_x + x]);
        let Some([own_n, own_x]) = self.usual.get((self.hour % HOURS as u64) as usize).copied() else { return 0.0 };
        if n <= 0.0 {
            return 0.0;
        }
        let rate = x / n;
        (own_x + SHRUNK_BY) / (own_n + SHRUNK_BY / rate)
    }

    /// By how much events cluster, by subject or in time, from 1.
    fn factor(&self) -> f64 {
        self.within.factor().max(self.bursts.factor())
    }

    /// How many times what is usual says nothing yet.
    #[must_use]
    pub fn margin(&self) -> f64 {
        let [square, of, hours] = self.differed;
        let first = SIGMA_FIRST.powi(2) * SIGMA_HOURS;
        let differs = if of > 0.0 { (square / of).max(0.0) * hours } else { 0.0 };
        let between = (differs + first) / (hours + SIGMA_HOURS);
        let x = self.usual.get((self.hour % HOURS as u64) as usize).map_or(0.0, |[_, x]| *x);
        let of_usual = self.factor() / (x + SHRUNK_BY);
        (MARGIN_DEVIATIONS * (between + of_usual).sqrt()).exp().clamp(MARGIN_MIN, MARGIN_MAX)
    }

    /// Whether enough is known to find a change.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        // A day, of which some is forgotten by its end.
        self.hours >= HOURS_MIN * 0.9
    }

    /// How many hours are known.
    #[must_use]
    pub const fn hours(&self) -> f64 {
        self.hours
    }

    /// The logarithm of M.
    #[must_use]
    pub fn log_m(&self) -> f64 {
        self.sums.0.iter().copied().fold(f64::NEG_INFINITY, log_sum)
    }

    /// Whether it has changed, where so many rates (from 1) are watched together.
    #[must_use]
    pub fn has_changed(&self, rates: usize) -> bool {
        let mut seen = self.open.clone();
        seen.merge(&self.last);
        seen.with_events() >= SLICES_MIN && self.log_m() >= (MINUTES_PER_ALARM * rates.max(1) as f64).ln()
    }

    /// The rate of the hour under way and of the one before, and on how many exposures it rests.
    #[must_use]
    pub fn recent(&self) -> (Option<f64>, f64) {
        let (open, last) = (self.open.total(), self.last.total());
        let n = open.n + last.n;
        ((n > 0.0).then(|| (open.x + last.x) / n), n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 exposures a slice, with so many events in all, spread over the slices.
    fn minute(events: f64) -> Slices {
        let mut slices = Slices::default();
        (0..100).for_each(|slice| slices.add(slice, 10.0, events / 100.0));
        slices
    }

    /// The rate of a site that is four times as high at noon as at midnight.
    fn daily(minute: u64) -> f64 {
        let day = (minute % 1_440) as f64 / 1_440.0;
        10.0 * (1.0 - 0.6 * (day * std::f64::consts::TAU).cos())
    }

    fn known(days: u64) -> OwnPast {
        let mut own = OwnPast::default();
        (0..days * 1_440).for_each(|at| own.add(&minute(daily(at)), Minute::new(1_440 + at)));
        own
    }

    #[test]
    fn the_time_of_day_is_no_change_and_a_rate_that_doubles_is_one_within_minutes() {
        let mut own = known(3);
        assert!(own.is_ready() && own.log_m() < (MINUTES_PER_ALARM / 10.0).ln(), "{}", own.log_m());
        let start = 4 * 1_440 + 180;
        (4 * 1_440..start).for_each(|at| own.add(&minute(daily(at)), Minute::new(at)));
        let found = (start..start + 600).find(|at| {
            own.add(&minute(2.0 * daily(*at)), Minute::new(*at));
            own.has_changed(1)
        });
        assert!(found.is_some_and(|at| at - start < 60), "{found:?} after {start}");
    }

    #[test]
    fn bursts_of_a_minute_are_usual_where_they_always_were() {
        let mut own = OwnPast::default();
        for at in 0..4 * 1_440 {
            own.add(&minute(if at * 7 % 10 == 0 { 50.0 } else { 5.0 }), Minute::new(1_440 + at));
            assert!(!own.has_changed(1), "minute {at}");
        }
        assert!(own.factor() > 10.0, "{}", own.factor());
    }

    #[test]
    fn an_alarm_ends_when_the_rate_is_what_it_was() {
        let mut own = known(3);
        (0..180).for_each(|at| own.add(&minute(5.0 * daily(at)), Minute::new(4 * 1_440 + at)));
        assert!(own.has_changed(1));
        let ended = (180..1_440).find(|at| {
            own.add(&minute(daily(*at)), Minute::new(4 * 1_440 + *at));
            !own.has_changed(1)
        });
        assert!(ended.is_some_and(|at| at < 400), "{ended:?}");
    }

    #[test]
    fn a_day_has_to_be_known_and_one_subject_alone_is_no_change() {
        let mut fresh = OwnPast::default();
        (0..600).for_each(|at| fresh.add(&minute(if at < 300 { 10.0 } else { 900.0 }), Minute::new(1_440 + at)));
        assert!(!fresh.is_ready() && !fresh.has_changed(1));
        let mut own = known(2);
        let mut one = minute(5.0);
        one.add(7, 0.0, 30.0);
        (0..600).for_each(|at| own.add(&one, Minute::new(3 * 1_440 + at)));
        assert!(!own.has_changed(1), "{}", own.log_m());
    }

    /// The rate of each hour differs from what is usual by a fifth or so, at random.
    #[test]
    fn days_that_differ_raise_the_margin_and_no_alarm() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut own = OwnPast::default();
        let mut level = 1.0;
        for at in 0..30 * 1_440 {
            if at % 60 == 0 {
                level = (0.2 * (random.f64() + random.f64() + random.f64() - 1.5) * 2.0).exp();
            }
            own.add(&minute(level * daily(at)), Minute::new(1_440 + at));
            assert!(!own.has_changed(1), "minute {at}");
        }
        assert!((1.5..2.6).contains(&own.margin()), "{}", own.margin());
    }

    #[test]
    fn what_is_stored_reads_back_and_goes_on_alike() {
        let mut own = known(2);
        let text = serde_json::to_string(&own).unwrap();
        assert!(text.len() < 9_000, "{}", text.len());
        let mut read: OwnPast = serde_json::from_str(&text).unwrap();
        for own in [&mut own, &mut read] {
            (0..60).for_each(|at| own.add(&minute(15.0), Minute::new(3 * 1_440 + at)));
        }
        assert!((own.log_m() - read.log_m()).abs() < 0.1, "{} {}", own.log_m(), read.log_m());
    }
}
