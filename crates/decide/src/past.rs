//! What each bin's subjects did on legacy: their own past, by which comparisons weigh them.
//!
//! The hash assigns a heavy or broken account to one side once and for all; but before its bin moved, that
//! account was on legacy, and what it did there is known. Per stretch of an hour, a bin's events are set
//! beside those expected of its exposures at the level of all bins then, so a busy hour or an outage of
//! everybody says nothing of a bin. They go to two halves in turn, three hours each.
//!
//! **What the past is worth** is what one half tells of the other: ρ, the correlation of what the events of
//! bins differ by from what was expected. Where each subject's trouble is over within hours, or events are
//! independent, it is about 0; where the same few subjects are always in trouble, about 1. Of both halves
//! together, `2ρ/(1 + ρ)` of a bin's difference stays (the Spearman–Brown formula), and that is what a
//! weight keeps of it:
//! ```text
//! r_i = 1 + 2ρ/(1 + ρ) · ((x_i + 1)/(e_i + 1) − 1)
//! ```
//! with `x_i` the events and `e_i` those expected. With less than [`HOURS_MIN`] hours all weights are 1.
//! A week-old hour counts a fifth.

use serde::{Deserialize, Serialize};

use super::bins::{BINS, BinCounts};
use super::firsts::PARTS;
use super::interval::{RATIO_ASKED, log_missing, minutes_needed};
use super::judge::by_bin::side_of;
use tidegate_model::measured::{Quantity, SlicedCounts};
use tidegate_model::serial::known_entries;
use tidegate_model::variant::Variant;
use tidegate_model::{Minute, Name};

/// So many hours of past make no weights.
pub const HOURS_MIN: f64 = 6.0;
/// The halves take turns after so many hours: longer than what a subject does in a row.
const TURN_HOURS: u64 = 3;
/// After so many hours, half is forgotten.
const HALF_LIFE_HOURS: f64 = 72.0;
/// A correlation of so many bins by chance alone, twice its standard deviation.
const CHANCE: f64 = 0.063;
/// Fewer events tell nothing.
const EVENTS_MIN: f64 = 200.0;
/// No bin weighs less.
const WEIGHT_MIN: f64 = 0.05;

/// The past of one metric at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// What happened.
    pub of: Quantity,
    /// Where, if not anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// Events, and those expected in the place of exposures, in turn.
    halves: [BinCounts; 2],
    /// Exposures and events of the hour under way.
    open: BinCounts,
    /// That hour, since 1970.
    hour: u64,
    /// How many hours there have been with traffic, each counting as much as is left of it.
    hours: f64,
}

/// What a comparison takes of the past when its sides change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// By how much each bin is to be expected to differ, 1 on average; none for 1 in all bins.
    #[serde(default, with = "weights")]
    of_bins: Vec<f32>,
    /// By how much the past itself varies by chance, as the variance of its events over their number, times
    /// the square of what was kept.
    #[serde(default)]
    pub noise: f64,
    /// On how many events it rests.
    #[serde(default)]
    pub events: f64,
}

/// As thousandths, one number after another.
mod weights {
    use serde::{Deserializer, Serializer};

    use tidegate_model::measured::binned::{decode, encode};

    pub fn serialize<S: Serializer>(weights: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<(u16, u32)> =
            weights.iter().zip(0..).map(|(weight, bin)| (bin, (weight * 1_000.0).round() as u32)).collect();
        serializer.serialize_str(&encode(&rows))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        let rows = tidegate_model::serial::text(deserializer, decode)?;
        let mut weights = Vec::new();
        if !rows.is_empty() {
            weights = vec![super::WEIGHT_MIN as f32; super::BINS];
        }
        for (bin, thousandths) in rows {
            if let Some(own) = weights.get_mut(usize::from(bin)) {
                *own = super::unit(thousandths).max(super::WEIGHT_MIN as f32);
            }
        }
        Ok(weights)
    }
}

fn unit(thousandths: u32) -> f32 {
    thousandths as f32 / 1_000.0
}

/// What the past is worth to a release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// How many hours of legacy's traffic are known, each counting as much as is left of it.
    pub hours: f64,
    /// How many events new's bins have had on legacy for each that they should have had: far from 1, the salt
    /// has dealt an unlucky cohort.
    pub cohort: f64,
    /// In about how many minutes a doubling would be found; `None` for never.
    pub minutes: Option<f64>,
    /// With how many of the other salts, as a share from 0 to 1, the cohort would lie nearer to 1: each stretch of as
    /// many bins is one that another salt might have dealt.
    pub evener: f64,
}

impl Weights {
    /// That of a bin, above 0.
    #[must_use]
    pub fn get(&self, bin: usize) -> f64 {
        self.of_bins.get(bin).map_or(1.0, |weight| f64::from(*weight))
    }

    /// Those of all bins; none where all are 1.
    #[must_use]
    pub fn all(&self) -> &[f32] {
        &self.of_bins
    }

    /// Whether all are 1.
    #[must_use]
    pub const fn is_even(&self) -> bool {
        self.of_bins.is_empty()
    }
}

impl Past {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(of: Quantity, endpoint: Option<Name>) -> Self {
        Self { of, endpoint, halves: <[BinCounts; 2]>::default(), open: BinCounts::default(), hour: 0, hours: 0.0 }
    }

    /// Takes in what bins did on legacy in a minute. What comes late counts in the hour under way.
    pub fn take(&mut self, legacy: &BinCounts, minute: Minute) {
        let hour = minute.hour();
        if hour > self.hour {
            self.close(hour);
        }
        self.open.merge(legacy);
    }

    /// Ends the hour under way.
    fn close(&mut self, next: u64) {
        let open = std::mem::take(&mut self.open);
        let elapsed = next.saturating_sub(self.hour) as f64;
        let turn = (self.hour / TURN_HOURS % 2) as usize;
        self.hour = next;
        let weights = self.weights();
        let expected: f64 = open.n.iter().map(|(bin, n)| f64::from(n) * weights.get(bin)).sum();
        let kept = (-elapsed / HALF_LIFE_HOURS).exp2();
        if self.hours > 0.0 {
            self.halves.iter_mut().for_each(|half| half.scale(kept as f32));
            self.hours *= kept;
        }
        if expected <= 0.0 {
            return;
        }
        self.hours += 1.0;
        let level = open.x.sum() / expected;
        let Some(half) = self.halves.get_mut(turn) else { return };
        for (bin, n) in open.n.iter() {
            half.n.add(bin, (f64::from(n) * level) as f32);
        }
        half.x.merge(&open.x);
    }

    /// How many hours are known, each counting as much as is left of it.
    #[must_use]
    pub const fn hours(&self) -> f64 {
        self.hours
    }

    /// How much of what bins differed by stays, from 0 to 1; 0 where that cannot be reported yet.
    #[must_use]
    pub fn worth(&self) -> f64 {
        let rho = self.correlation();
        2.0 * rho / (1.0 + rho)
    }

    fn correlation(&self) -> f64 {
        let [a, b] = &self.halves;
        if self.hours < HOURS_MIN || a.x.sum().min(b.x.sum()) < EVENTS_MIN / 2.0 {
            return 0.0;
        }
        let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
        for bin in 0..BINS {
            let (a, b) = (f64::from(a.x.get(bin) - a.n.get(bin)), f64::from(b.x.get(bin) - b.n.get(bin)));
            both += a * b;
            of_a += a * a;
            of_b += b * b;
        }
        if of_a <= 0.0 || of_b <= 0.0 { 0.0 } else { (both / (of_a * of_b).sqrt() - CHANCE).clamp(0.0, 1.0) }
    }

    /// What it is worth to a release that begins with this share (above 0 and below 1) of the bins on new.
    #[must_use]
    pub fn outlook(&self, share: f64, alpha: f64) -> Option<Outlook> {
        let weights = self.weights();
        let [a, b] = &self.halves;
        let events = a.x.sum() + b.x.sum();
        if self.hours < 1.0 || events < EVENTS_MIN || !(share > 0.0 && share < 1.0) {
            return None;
        }
        let end = (share * BINS as f64).round() as usize;
        let of_new = (0..end).map(|bin| weights.get(bin)).sum::<f64>() / end.max(1) as f64;
        let of_all = (0..BINS).map(|bin| weights.get(bin)).sum::<f64>() / BINS as f64;
        let variance =
            if weights.events > 0.0 { weights.noise / weights.events / (share * (1.0 - share)) } else { 0.0 };
        let margin = (2.0 * variance.sqrt()).exp();
        let a_minute = events / self.hours / 60.0;
        let missing = log_missing(-(alpha * PARTS[1]).ln(), 0.0);
        let minutes =
            minutes_needed([(1.0 - share) * a_minute, share * a_minute], 1.0, margin, RATIO_ASKED, 1.0, missing);
        let cohort = of_new / of_all;
        Some(Outlook { hours: self.hours, cohort, minutes, evener: evener(&weights, end, cohort) })
    }

    /// The weights that follow from it.
    #[must_use]
    pub fn weights(&self) -> Weights {
        let rho = self.correlation();
        if rho <= 0.0 {
            return Weights::default();
        }
        let worth = 2.0 * rho / (1.0 + rho);
        let [a, b] = &self.halves;
        let of = |bin: usize| {
            let (x, e) = (f64::from(a.x.get(bin) + b.x.get(bin)), f64::from(a.n.get(bin) + b.n.get(bin)));
            (1.0 + worth * ((x + 1.0) / (e + 1.0) - 1.0)).max(WEIGHT_MIN)
        };
        let variance = |half: &BinCounts| {
            let left: f64 = (0..BINS).map(|bin| f64::from(half.x.get(bin) - half.n.get(bin)).powi(2)).sum();
            left / half.x.sum().max(1.0)
        };
        let clustering = f64::midpoint(variance(a), variance(b));
        Weights {
            of_bins: (0..BINS).map(|bin| of(bin) as f32).collect(),
            noise: worth * worth * (clustering * (1.0 - rho)).max(1.0),
            events: a.x.sum() + b.x.sum(),
        }
    }
}

/// How many stretches of so many bins lie nearer to the mean of all than one that is `cohort` times that.
fn evener(weights: &Weights, bins: usize, cohort: f64) -> f64 {
    let weight = |bin: usize| weights.get(bin % BINS);
    let mean = (0..BINS).map(weight).sum::<f64>() / BINS as f64 * bins.max(1) as f64;
    let mut stretch: f64 = (0..bins).map(weight).sum();
    let mut found = 0;
    for first in 0..BINS {
        found += usize::from((stretch / mean).ln().abs() < cohort.ln().abs());
        stretch += weight(first + bins) - weight(first);
    }
    found as f64 / BINS as f64
}

/// The past of everything that a plan compares of requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pasts(#[serde(deserialize_with = "known_entries::<Quantity, _, _>")] Vec<Past>);

impl Pasts {
    /// Of each of these rates, and of no other.
    pub fn keep(&mut self, rates: &[(Quantity, Option<Name>)]) {
        let is_of =
            |past: &Past, (of, endpoint): &(Quantity, Option<Name>)| past.of == *of && past.endpoint == *endpoint;
        self.0.retain(|past| rates.iter().any(|rate| is_of(past, rate)));
        for rate in rates {
            if !self.0.iter().any(|past| is_of(past, rate)) {
                self.0.push(Past::new(rate.0.clone(), rate.1.clone()));
            }
        }
    }

    /// Takes in what bins did on legacy in a minute.
    pub fn take(&mut self, compared: &SlicedCounts, minute: Minute) {
        for past in &mut self.0 {
            let legacy = side_of(&past.of, past.endpoint.as_ref(), Variant::Legacy, compared);
            if !(legacy.n.is_empty() && legacy.x.is_empty()) {
                past.take(&legacy, minute);
            }
        }
    }

    /// The past of a rate.
    #[must_use]
    pub fn get(&self, of: &Quantity, endpoint: Option<&Name>) -> Option<&Past> {
        self.0.iter().find(|past| past.of == *of && past.endpoint.as_ref() == endpoint)
    }

    /// How much memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|past| past.open.bytes() + past.halves.iter().map(BinCounts::bytes).sum::<usize>()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hours` of traffic, ten exposures and the events of `of(bin, hour)` an hour.
    fn past(hours: u64, of: impl Fn(usize, u64) -> f32) -> Past {
        let mut past = Past::new(Quantity::Errors, None);
        for hour in 0..hours {
            let mut counts = BinCounts::default();
            for bin in 0..BINS {
                counts.n.add(bin, 10.0);
                counts.x.add(bin, of(bin, hour));
            }
            past.take(&counts, Minute::new(60 * (1_000 + hour)));
        }
        past.take(&BinCounts::default(), Minute::new(60 * (1_000 + hours)));
        past
    }

    #[test]
    fn bins_that_are_always_in_trouble_weigh_more() {
        let past = past(24, |bin, _| if bin.is_multiple_of(50) { 8.0 } else { 0.2 });
        let weights = past.weights();
        assert!(past.worth() > 0.95 && weights.noise < 3.0, "{} {}", past.worth(), weights.noise);
        let ratio = weights.get(100) / weights.get(101);
        assert!((15.0..45.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn trouble_that_passes_within_hours_makes_no_weights() {
        let past = past(24, |bin, hour| if (bin as u64 + 131 * (hour / 2)).is_multiple_of(50) { 8.0 } else { 0.2 });
        assert!(past.worth() < 0.1, "{}", past.worth());
    }

    #[test]
    fn a_level_that_all_bins_share_says_nothing_of_any() {
        let past = past(24, |_, hour| if hour % 7 == 0 { 5.0 } else { 1.0 });
        assert!(past.weights().is_even());
    }

    #[test]
    fn a_short_past_and_a_forgotten_one_make_no_weights() {
        let heavy = |bin: usize, _| if bin.is_multiple_of(50) { 8.0 } else { 0.2 };
        assert!(past(5, heavy).weights().is_even());
        let mut old = past(24, heavy);
        let mut counts = BinCounts::default();
        counts.n.add(0, 1.0);
        old.take(&counts, Minute::new(60 * 2_000));
        assert!(old.weights().is_even(), "{} h", old.hours());
    }

    #[test]
    fn a_release_shows_what_the_past_is_worth_and_how_lucky_its_cohort_is() {
        let past = past(24, |bin, _| if bin < 100 { 2.0 } else { 0.2 });
        let unlucky = past.outlook(0.05, 0.01).unwrap();
        assert!((unlucky.cohort - 5.0).abs() < 0.6 && (unlucky.hours - 22.0).abs() < 2.0, "{unlucky:?}");
        assert!(unlucky.minutes.is_some_and(|minutes| (30.0..300.0).contains(&minutes)), "{unlucky:?}");
        // The stretches that begin in the other nine hundred bins.
        assert!((0.85..0.96).contains(&unlucky.evener), "{unlucky:?}");
        assert!(past.outlook(0.5, 0.01).unwrap().minutes < unlucky.minutes);
        assert_eq!(past.outlook(1.0, 0.01), None);
    }

    #[test]
    fn what_is_stored_reads_back_and_weighs_alike() {
        let past = past(24, |bin, _| if bin.is_multiple_of(50) { 8.0 } else { 0.25 });
        let text = serde_json::to_string(&past).unwrap();
        let read: Past = serde_json::from_str(&text).unwrap();
        assert!(text.len() < 20_000, "{}", text.len());
        assert!((read.worth() - past.worth()).abs() < 0.01);
        let weights = past.weights();
        let again: Weights = serde_json::from_str(&serde_json::to_string(&weights).unwrap()).unwrap();
        assert!((0..BINS).all(|bin| (again.get(bin) - weights.get(bin)).abs() < 0.001));
    }
}
