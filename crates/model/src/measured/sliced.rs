//! What a comparison with legacy may use: only subjects that the hash assigned, in slices.
//!
//! Errors cluster by user, and the hash assigns users once. So everything here is kept by slice, a
//! hundredth of the subjects by a second hash: how much the slices differ tells how much the events
//! cluster.

use serde::{Deserialize, Serialize};

use super::binned::BinnedCounts;
use super::packed::{pack, unpack};
use super::sample::{Sample, Seen};
use super::tally::{self, Measure};
use crate::Name;
use crate::serial::{Word, known_entries, text};
use crate::variant::Variant;
use crate::{deserialize_from_text, serialize_as_text};

/// Subjects are dealt into so many slices by a second hash.
pub const SLICES: u8 = 100;
/// The most that one row may count; more is no isolate's, but damage.
const COUNT_MAX: i64 = 1 << 32;

/// The statuses that are counted one by one.
pub const STATUSES: std::ops::RangeInclusive<u16> = 400..=599;

/// Something that happens to an exposure, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A subject's minute with a failed request.
    Errors,
    /// A subject's minute with a request that was answered with a 4xx.
    ClientErrors,
    /// A subject's minute with a request that had no headers in time.
    Timeouts,
    /// A subject's minute with a request that its client gave up before it had headers.
    Abandoned,
    /// A subject's minute with a page whose body ended early or stalled.
    Broken,
    /// A subject's minute with a request that was answered with this status, one of [`STATUSES`].
    Status(u16),
    /// A page view with a JavaScript error.
    JsErrors,
    /// A page view that reported this event.
    Event(Name),
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Errors => f.write_str("errors"),
            Self::ClientErrors => f.write_str("client_errors"),
            Self::Timeouts => f.write_str("timeouts"),
            Self::Abandoned => f.write_str("abandoned"),
            Self::Broken => f.write_str("broken"),
            Self::Status(status) => write!(f, "status.{status}"),
            Self::JsErrors => f.write_str("js_errors"),
            Self::Event(name) => write!(f, "event.{name}"),
        }
    }
}

serialize_as_text!(Quantity);
deserialize_from_text!(Quantity);

impl std::str::FromStr for Quantity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "errors" => Ok(Self::Errors),
            "client_errors" => Ok(Self::ClientErrors),
            "timeouts" => Ok(Self::Timeouts),
            "abandoned" => Ok(Self::Abandoned),
            "broken" => Ok(Self::Broken),
            "js_errors" => Ok(Self::JsErrors),
            _ => match text.strip_prefix("status.") {
                Some(status) => tally::status(status).map(Self::Status).ok_or(()),
                None => text.strip_prefix("event.").and_then(|name| name.parse().ok()).map(Self::Event).ok_or(()),
            },
        }
    }
}

impl Word for Quantity {
    const KINDS: &'static [&'static str] = &["status.", "event."];
}

/// Exposures and what happened to them, on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposures {
    /// What happens.
    pub of: Quantity,
    /// Where, if not anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// On which side.
    pub variant: Variant,
    /// By slice: exposures, events.
    #[serde(with = "slices")]
    pub slices: Vec<(u8, u32, u32)>,
}

/// Observations of a measure, on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurements {
    /// Of what.
    pub of: Measure,
    /// Where, if not anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// On which side.
    pub variant: Variant,
    /// Slice, bucket of the sketch, how many; ascending, since there are thousands of them.
    #[serde(with = "buckets")]
    pub buckets: Vec<(u8, i16, u32)>,
}

/// The subjects of whose requests something came, on whichever side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What came of them.
    pub of: Quantity,
    /// Who they are, of many those with the smallest hashes.
    pub subjects: Sample,
}

/// What one rollout's comparisons may use of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SlicedCounts {
    /// Rates.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known_entries::<Quantity, _, _>")]
    pub trials: Vec<Exposures>,
    /// Quantiles.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known_entries::<Measure, _, _>")]
    pub values: Vec<Measurements>,
    /// Subjects that failed.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known_entries::<Quantity, _, _>")]
    pub failed: Vec<Failed>,
    /// Rates by bin, of what the plan compares. While nobody is on new they are all that there is: what
    /// bins did before.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known_entries::<Quantity, _, _>")]
    pub binned: Vec<BinnedCounts>,
}

impl SlicedCounts {
    /// Whether there is nothing.
    pub const fn is_empty(&self) -> bool {
        self.trials.is_empty() && self.values.is_empty() && self.failed.is_empty() && self.binned.is_empty()
    }

    /// The trials of this kind, made if there are none.
    pub fn trials(&mut self, of: &Quantity, endpoint: Option<&Name>, variant: Variant) -> Option<&mut Exposures> {
        let index = self
            .trials
            .iter()
            .position(|own| own.of == *of && own.variant == variant && own.endpoint.as_ref() == endpoint);
        let index = index.unwrap_or_else(|| {
            self.trials.push(Exposures { of: of.clone(), endpoint: endpoint.cloned(), variant, slices: Vec::new() });
            self.trials.len() - 1
        });
        self.trials.get_mut(index)
    }

    /// The values of this kind, made if there are none.
    pub fn values(&mut self, of: &Measure, endpoint: Option<&Name>, variant: Variant) -> Option<&mut Measurements> {
        let index = self
            .values
            .iter()
            .position(|own| own.of == *of && own.variant == variant && own.endpoint.as_ref() == endpoint);
        let index = index.unwrap_or_else(|| {
            self.values.push(Measurements {
                of: of.clone(),
                endpoint: endpoint.cloned(),
                variant,
                buckets: Vec::new(),
            });
            self.values.len() - 1
        });
        self.values.get_mut(index)
    }

    /// The counts by bin of this kind, made if there are none.
    pub fn binned(&mut self, of: &Quantity, endpoint: Option<&Name>, variant: Variant) -> Option<&mut BinnedCounts> {
        let index = self
            .binned
            .iter()
            .position(|own| own.of == *of && own.variant == variant && own.endpoint.as_ref() == endpoint);
        let index = index.unwrap_or_else(|| {
            self.binned.push(BinnedCounts {
                of: of.clone(),
                endpoint: endpoint.cloned(),
                variant,
                exposures: Vec::new(),
                events: Vec::new(),
            });
            self.binned.len() - 1
        });
        self.binned.get_mut(index)
    }

    /// Adds a subject that failed, and returns by how many those that are kept have grown.
    pub fn fail(&mut self, of: &Quantity, subject: Seen) -> usize {
        let Some(failed) = self.failed(of) else { return 0 };
        let before = failed.subjects.len();
        failed.subjects.add(subject);
        failed.subjects.len().saturating_sub(before)
    }

    /// Those who failed like this, made if there are none.
    fn failed(&mut self, of: &Quantity) -> Option<&mut Failed> {
        let index = self.failed.iter().position(|own| own.of == *of).unwrap_or_else(|| {
            self.failed.push(Failed { of: of.clone(), subjects: Sample::EMPTY });
            self.failed.len() - 1
        });
        self.failed.get_mut(index)
    }

    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        for theirs in &other.trials {
            if let Some(own) = self.trials(&theirs.of, theirs.endpoint.as_ref(), theirs.variant) {
                theirs.slices.iter().for_each(|(slice, n, x)| own.add(*slice, *n, *x));
            }
        }
        for theirs in &other.values {
            if let Some(own) = self.values(&theirs.of, theirs.endpoint.as_ref(), theirs.variant) {
                theirs.buckets.iter().for_each(|(slice, bucket, count)| own.add(*slice, *bucket, *count));
            }
        }
        for theirs in &other.failed {
            if let Some(own) = self.failed(&theirs.of) {
                own.subjects.merge(&theirs.subjects);
            }
        }
        for theirs in &other.binned {
            if let Some(own) = self.binned(&theirs.of, theirs.endpoint.as_ref(), theirs.variant) {
                own.merge(theirs);
            }
        }
    }
}

impl Exposures {
    /// Adds exposures and events of a slice.
    pub fn add(&mut self, slice: u8, n: u32, x: u32) {
        match self.slices.iter_mut().find(|(own, _, _)| *own == slice) {
            Some((_, exposures, events)) => {
                (*exposures, *events) = (exposures.saturating_add(n), events.saturating_add(x))
            }
            None => self.slices.push((slice, n, x)),
        }
    }
}

impl Measurements {
    /// Adds observations of a slice.
    pub fn add(&mut self, slice: u8, bucket: i16, count: u32) {
        add_row(&mut self.buckets, slice, bucket, count);
    }
}

fn add_row(rows: &mut Vec<(u8, i16, u32)>, slice: u8, bucket: i16, count: u32) {
    // In the order of the pairs, and compared as one number: each request looks here for each of its rollouts.
    let place = |slice: u8, bucket: i16| i32::from(slice) << 16 | (i32::from(bucket) - i32::from(i16::MIN));
    match rows.binary_search_by_key(&place(slice, bucket), |(own, at, _)| place(*own, *at)) {
        Ok(index) => {
            if let Some((_, _, own)) = rows.get_mut(index) {
                *own = own.saturating_add(count);
            }
        }
        Err(index) => rows.insert(index, (slice, bucket, count)),
    }
}

fn slice(number: i64) -> Option<u8> {
    u8::try_from(number).ok().filter(|slice| *slice < SLICES)
}

fn count(number: i64) -> Option<u32> {
    if (0..COUNT_MAX).contains(&number) { u32::try_from(number).ok() } else { None }
}

/// Rows as one packed text, for `#[serde(with = "slices")]`.
mod slices {
    use super::{count, pack, slice, text, unpack};

    pub fn serialize<S: serde::Serializer>(rows: &[(u8, u32, u32)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&pack(rows.iter().map(|(slice, n, x)| [(*slice).into(), (*n).into(), (*x).into()])))
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(u8, u32, u32)>, D::Error> {
        let row = |[own, n, x]: [i64; 3]| Some((slice(own)?, count(n)?, count(x)?));
        text(deserializer, |text| unpack(text)?.into_iter().map(row).collect())
    }
}

/// The same of measurements.
mod buckets {
    use super::{add_row, count, pack, slice, text, unpack};

    pub fn serialize<S: serde::Serializer>(rows: &[(u8, i16, u32)], serializer: S) -> Result<S::Ok, S::Error> {
        let row = |(slice, bucket, count): &(u8, i16, u32)| [(*slice).into(), (*bucket).into(), (*count).into()];
        serializer.serialize_str(&pack(rows.iter().map(row)))
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<(u8, i16, u32)>, D::Error> {
        let row = |[own, bucket, many]: [i64; 3]| Some((slice(own)?, i16::try_from(bucket).ok()?, count(many)?));
        let read: Vec<_> = text(deserializer, |text| unpack(text)?.into_iter().map(row).collect())?;
        let mut rows = Vec::with_capacity(read.len());
        read.into_iter().for_each(|(slice, bucket, count)| add_row(&mut rows, slice, bucket, count));
        Ok(rows)
    }
}
