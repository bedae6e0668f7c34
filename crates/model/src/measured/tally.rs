//! What happened on one side: counts by kind, and distributions by measure.
//!
//! A tally is written with the fields that are not 0 alone, so a release that counts something more
//! writes a field more. Nothing of it is believed that cannot have been counted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::by_value::{self, ByValue};
use super::commonest::Commonest;
use super::sketch::{Sketch, value};
use super::sliced::{Quantity, STATUSES};
use crate::Name;
use crate::condition::Vital;
use crate::dimension::{DIMENSIONS_MAX, Dimension};
use crate::serial::{Word, is_zero, pairs};
use crate::{deserialize_from_text, serialize_as_text};

/// Names of timings and events are chosen by pages; so many are kept in one window.
pub const NAMES_MAX: usize = 32;
/// So many different statuses are kept of one side: the lowest, so that the order in which counts are
/// added up means nothing.
pub const STATUSES_MAX: usize = 16;
/// The most that a window may count of anything; more is no isolate's, but damage.
pub(super) const COUNT_MAX: u64 = 1 << 40;

/// Something measured as a distribution, in milliseconds but for CLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Upstream time to headers.
    Latency,
    /// How long those waited who gave up before there were headers.
    Waited,
    /// Upstream time to headers of requests on legacy that were copied: of legacy's own answer, or of new's to the copy.
    ShadowLatency,
    /// A web vital.
    Vital(Vital),
    /// A timing that pages report under a name.
    Timing(Name),
    /// A number that pages report under a name.
    Value(Name),
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency => f.write_str("latency"),
            Self::Waited => f.write_str("waited"),
            Self::ShadowLatency => f.write_str("shadow_latency"),
            Self::Vital(vital) => write!(f, "{vital}"),
            Self::Timing(name) => write!(f, "timing.{name}"),
            Self::Value(name) => write!(f, "value.{name}"),
        }
    }
}

serialize_as_text!(Measure);
deserialize_from_text!(Measure);

impl FromStr for Measure {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "latency" => return Ok(Self::Latency),
            "waited" => return Ok(Self::Waited),
            "shadow_latency" => return Ok(Self::ShadowLatency),
            _ => {}
        }
        if let Some(vital) = Vital::ALL.into_iter().find(|vital| vital.word() == text) {
            return Ok(Self::Vital(vital));
        }
        if let Some(name) = text.strip_prefix("value.") {
            return name.parse().map(Self::Value).map_err(|_| ());
        }
        text.strip_prefix("timing.").and_then(|name| name.parse().ok()).map(Self::Timing).ok_or(())
    }
}

impl Word for Measure {
    const KINDS: &'static [&'static str] = &["timing.", "value."];
}

/// What happened on one side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Requests that the side was asked to answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Those of them that failed, as the plan defines it.
    #[serde(skip_serializing_if = "is_zero")]
    pub errors: u64,
    /// Those of them that it answered with a 4xx.
    #[serde(skip_serializing_if = "is_zero")]
    pub client_errors: u64,
    /// Those of them that had no headers in time.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeouts: u64,
    /// Those of them that their clients gave up before there were headers.
    #[serde(skip_serializing_if = "is_zero")]
    pub abandoned: u64,
    /// Those of them that it answered with a 5xx.
    #[serde(skip_serializing_if = "is_zero")]
    pub server_errors: u64,
    /// Those of them that failed with no answer, though not for want of time: refused, reset, no such host.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused: u64,
    /// Pages among them whose body ended early or stalled.
    #[serde(skip_serializing_if = "is_zero")]
    pub broken: u64,
    /// Those of them that legacy answered in its place.
    #[serde(skip_serializing_if = "is_zero")]
    pub rescued: u64,
    /// Page views that reported.
    #[serde(skip_serializing_if = "is_zero")]
    pub pages: u64,
    /// Those of them with a JavaScript error.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed_pages: u64,
    /// JavaScript errors.
    #[serde(skip_serializing_if = "is_zero")]
    pub js_errors: u64,
    /// Page views among them that followed one of the other side in the same browser, under the same revision.
    #[serde(skip_serializing_if = "is_zero")]
    pub mixed: u64,
    /// Sessions whose last request it was. A minute's are counted when it becomes part of a longer window.
    #[serde(skip_serializing_if = "is_zero")]
    pub sessions: u64,
    /// Copies that it was sent of requests that the other side answers. None of them is a request.
    #[serde(skip_serializing_if = "is_zero")]
    pub shadowed: u64,
    /// Those of them that failed, as the plan defines it.
    #[serde(skip_serializing_if = "is_zero")]
    pub shadow_errors: u64,
    /// Those of them that it answered otherwise than the other side, or not at all.
    #[serde(skip_serializing_if = "is_zero")]
    pub shadow_mismatches: u64,
    /// By status, ascending: those of them that it answered with it, from 400. At most [`STATUSES_MAX`].
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "pairs::serialize",
        deserialize_with = "read_statuses"
    )]
    pub statuses: Vec<(u16, u64)>,
    /// How many of each of these had the same subject, or client, and the same minute as another. At most
    /// [`NAMES_MAX`].
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "pairs::serialize",
        deserialize_with = "read_repeats"
    )]
    pub repeats: Vec<(Quantity, u64)>,
    /// The commonest JavaScript errors, by fingerprint: page views with each.
    #[serde(skip_serializing_if = "Commonest::is_empty")]
    pub scripts: Commonest,
    /// By the plan's dimensions, everywhere only. At most [`DIMENSIONS_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty", with = "by_value::object")]
    pub by: Vec<ByValue>,
    /// Distributions.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "pairs")]
    pub sketches: Vec<(Measure, Sketch)>,
    /// What the numbers that pages report come to, in thousandths, by name: a distribution knows them to 2 % alone.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "pairs")]
    pub sums: Vec<(Name, u64)>,
}

impl Tally {
    /// Checks what its format does not say.
    ///
    /// # Errors
    /// With what cannot have been counted.
    pub fn check(&self) -> Result<(), String> {
        match self.counts().max() {
            Some(count) if count >= COUNT_MAX => Err(format!("{count} is more than can be counted")),
            _ if !self.by.iter().all(ByValue::is_plausible) => Err("a value has more than can be counted".to_owned()),
            _ => Ok(()),
        }
    }

    /// All of its counts, but those in distributions.
    fn counts(&self) -> impl Iterator<Item = u64> {
        let plain = [
            self.requests,
            self.errors,
            self.client_errors,
            self.timeouts,
            self.abandoned,
            self.server_errors,
            self.refused,
            self.broken,
            self.rescued,
            self.pages,
            self.failed_pages,
            self.js_errors,
            self.mixed,
            self.sessions,
            self.shadowed,
            self.shadow_errors,
            self.shadow_mismatches,
        ];
        let statuses = self.statuses.iter().map(|(_, count)| *count);
        plain.into_iter().chain(statuses).chain(self.repeats.iter().map(|(_, count)| *count))
    }

    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        self.merge_all_values(other);
        for theirs in &other.by {
            if let Some(own) = self.by_mut(theirs.dimension()) {
                own.merge(theirs);
            }
        }
    }

    /// Adds another's counts of all values of the dimensions together, without those of each.
    pub fn merge_all_values(&mut self, other: &Self) {
        let pairs = [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.client_errors, other.client_errors),
            (&mut self.timeouts, other.timeouts),
            (&mut self.abandoned, other.abandoned),
            (&mut self.server_errors, other.server_errors),
            (&mut self.refused, other.refused),
            (&mut self.broken, other.broken),
            (&mut self.rescued, other.rescued),
            (&mut self.pages, other.pages),
            (&mut self.failed_pages, other.failed_pages),
            (&mut self.js_errors, other.js_errors),
            (&mut self.mixed, other.mixed),
            (&mut self.sessions, other.sessions),
            (&mut self.shadowed, other.shadowed),
            (&mut self.shadow_errors, other.shadow_errors),
            (&mut self.shadow_mismatches, other.shadow_mismatches),
        ];
        for (own, theirs) in pairs {
            *own = own.saturating_add(theirs);
        }
        other.statuses.iter().for_each(|(status, count)| self.add_status(*status, *count));
        other.repeats.iter().for_each(|(of, count)| self.add_repeats(of, *count));
        self.scripts.merge(&other.scripts);
        for (measure, sketch) in &other.sketches {
            if let Some(own) = self.sketch_mut(measure) {
                own.merge(sketch);
            }
        }
        for (name, sum) in &other.sums {
            if self.sketch(&Measure::Value(name.clone())).is_some() {
                self.add_sum(name, *sum);
            }
        }
    }

    /// What was counted by a dimension, to add to; `None` once there are too many.
    pub fn by_mut(&mut self, dimension: &Dimension) -> Option<&mut ByValue> {
        let index = match self.by.iter().position(|own| own.dimension() == dimension) {
            Some(index) => index,
            None if self.by.len() >= DIMENSIONS_MAX => return None,
            None => {
                self.by.push(ByValue::new(dimension.clone()));
                self.by.len() - 1
            }
        };
        self.by.get_mut(index)
    }

    /// Adds to what the numbers of a name come to, in thousandths.
    pub fn add_sum(&mut self, name: &Name, thousandths: u64) {
        let is_full = self.sums.len() >= NAMES_MAX;
        match self.sums.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = own.saturating_add(thousandths),
            None if is_full => {}
            None => self.sums.push((name.clone(), thousandths)),
        }
    }

    /// What the numbers of a name come to, and how many there are. Where only their distribution is known, that
    /// says it to 2 %.
    pub fn sum_of(&self, name: &Name) -> (f64, u64) {
        let Some(sketch) = self.sketch(&Measure::Value(name.clone())) else { return (0.0, 0) };
        let sum = self.sums.iter().find(|(own, _)| own == name).map(|(_, sum)| *sum as f64 / 1_000.0);
        let estimate = || sketch.bins().map(|(bin, count)| value(bin) * count as f64).sum();
        (sum.unwrap_or_else(estimate), sketch.count())
    }

    /// Adds answers with a status; one under 400 is not kept.
    pub fn add_status(&mut self, status: u16, count: u64) {
        if !STATUSES.contains(&status) {
            return;
        }
        match self.statuses.binary_search_by_key(&status, |(own, _)| *own) {
            Ok(index) => {
                if let Some((_, own)) = self.statuses.get_mut(index) {
                    *own = own.saturating_add(count);
                }
            }
            Err(index) if index < STATUSES_MAX => {
                self.statuses.truncate(STATUSES_MAX - 1);
                self.statuses.insert(index, (status, count));
            }
            Err(_) => {}
        }
    }

    /// Adds to how often something happened to a subject's minute to which it had happened already.
    pub fn add_repeats(&mut self, of: &Quantity, count: u64) {
        let is_full = self.repeats.len() >= NAMES_MAX;
        match self.repeats.iter_mut().find(|(own, _)| own == of) {
            Some((_, own)) => *own = own.saturating_add(count),
            None if is_full => {}
            None => self.repeats.push((of.clone(), count)),
        }
    }

    /// How often something came of a request; `None` for what does not come of requests.
    pub fn count_mut(&mut self, of: &Quantity) -> Option<&mut u64> {
        match of {
            Quantity::Errors => Some(&mut self.errors),
            Quantity::ClientErrors => Some(&mut self.client_errors),
            Quantity::Timeouts => Some(&mut self.timeouts),
            Quantity::Abandoned => Some(&mut self.abandoned),
            Quantity::Broken => Some(&mut self.broken),
            Quantity::Status(_) | Quantity::JsErrors | Quantity::Event(_) => None,
        }
    }

    /// How many requests something came of; 0 for what does not come of requests.
    pub fn count(&self, of: &Quantity) -> u64 {
        match of {
            Quantity::Errors => self.errors,
            Quantity::ClientErrors => self.client_errors,
            Quantity::Timeouts => self.timeouts,
            Quantity::Abandoned => self.abandoned,
            Quantity::Broken => self.broken,
            Quantity::Status(status) => {
                self.statuses.iter().find(|(own, _)| own == status).map_or(0, |(_, count)| *count)
            }
            Quantity::JsErrors | Quantity::Event(_) => 0,
        }
    }

    /// How many of them had the same subject, or client, and the same minute as another.
    pub fn repeats(&self, of: &Quantity) -> u64 {
        self.repeats.iter().find(|(own, _)| own == of).map_or(0, |(_, count)| *count)
    }

    /// The distribution of a measure.
    pub fn sketch(&self, measure: &Measure) -> Option<&Sketch> {
        self.sketches.iter().find(|(own, _)| own == measure).map(|(_, sketch)| sketch)
    }

    /// The same, to add to; `None` once there are too many names.
    pub fn sketch_mut(&mut self, measure: &Measure) -> Option<&mut Sketch> {
        let index = match self.sketches.iter().position(|(own, _)| own == measure) {
            Some(index) => index,
            None if matches!(measure, Measure::Timing(_) | Measure::Value(_)) && self.sketches.len() >= NAMES_MAX => {
                return None;
            }
            None => {
                self.sketches.push((measure.clone(), Sketch::default()));
                self.sketches.len() - 1
            }
        };
        self.sketches.get_mut(index).map(|(_, sketch)| sketch)
    }
}

fn read_statuses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(u16, u64)>, D::Error> {
    let mut tally = Tally::default();
    let read: Vec<(Status, u64)> = pairs::deserialize(deserializer)?;
    read.into_iter().for_each(|(status, count)| tally.add_status(status.0, count));
    Ok(tally.statuses)
}

fn read_repeats<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Quantity, u64)>, D::Error> {
    let mut tally = Tally::default();
    let read: Vec<(Quantity, u64)> = pairs::deserialize(deserializer)?;
    read.iter().for_each(|(of, count)| tally.add_repeats(of, *count));
    Ok(tally.repeats)
}

/// A status that is counted one by one; no other stands where statuses do.
struct Status(u16);

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        status(text).map(Self).ok_or(())
    }
}

impl Word for Status {
    const KINDS: &'static [&'static str] = &[""];
}

/// One of the statuses that are counted one by one.
pub fn status(text: &str) -> Option<u16> {
    let has_digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| has_digits && STATUSES.contains(status))
}
