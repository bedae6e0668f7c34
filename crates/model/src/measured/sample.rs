//! Who was seen: the k smallest hashes of the subjects, each with its side.
//!
//! A hash that is uniform makes the k smallest of them a fair sample of the distinct subjects, however
//! often each came, and the k-th smallest tells how many there are: (k − 1) / u for a k-th hash of u on
//! a scale from 0 to 1, with a standard error of 1/√k, 3 % for k = 1,024. Samples merge by taking the
//! smallest of both. Where room is scarce a sample is thinned: it keeps fewer, and from then on knows nothing of
//! whoever lies above the last of them. (Cohen, Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.)

use super::packed::{pack, unpack};
use crate::serial::text;
use crate::variant::Variant;

/// So many subjects are kept.
pub const SAMPLE_MAX: usize = 1_024;
/// Hashes have so many bits, so that one fits into JSON's numbers together with two flags.
pub const HASH_BITS: u32 = 50;

/// Stands behind the last number of one that was thinned.
const THINNED: &str = " /";

/// A subject on a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The subject's hash, `HASH_BITS` wide.
    pub hash: u64,
    /// The side that it was assigned to.
    pub is_new: bool,
    /// Whether the hash dealt it out, so that it may be compared.
    pub is_compared: bool,
}

impl Seen {
    /// A subject by its hash of any width.
    pub const fn new(hash: u64, variant: Variant, is_compared: bool) -> Self {
        Self { hash: hash >> (64 - HASH_BITS), is_new: matches!(variant, Variant::New), is_compared }
    }

    /// In the same order as those that it stands for.
    const fn pack(self) -> u64 {
        self.hash << 2 | (self.is_new as u64) << 1 | self.is_compared as u64
    }

    const fn unpack(number: u64) -> Self {
        Self { hash: number >> 2, is_new: number & 2 != 0, is_compared: number & 1 != 0 }
    }
}

/// A sample of the distinct subjects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Ascending, at most `SAMPLE_MAX`, each packed into one number.
    seen: Vec<u64>,
    /// Whether it was thinned: nobody above its last is in it.
    is_thinned: bool,
}

impl Sample {
    /// Nobody.
    pub const EMPTY: Self = Self { seen: Vec::new(), is_thinned: false };

    /// These subjects, which come in the order of their hashes.
    pub fn of(seen: impl Iterator<Item = Seen>) -> Self {
        let mut sample = Self { seen: Vec::with_capacity(SAMPLE_MAX), ..Self::default() };
        sample.seen.extend(seen.map(Seen::pack).take(SAMPLE_MAX));
        if !sample.seen.is_sorted_by(|one, other| one < other) {
            // Of the same hash, new stands behind legacy.
            sample.seen.sort_unstable();
            sample.seen.dedup();
        }
        sample
    }

    /// Adds a subject; one that is known changes nothing.
    pub fn add(&mut self, seen: Seen) {
        self.add_packed(seen.pack());
    }

    fn add_packed(&mut self, seen: u64) {
        if self.seen.len() >= SAMPLE_MAX && self.seen.last().is_some_and(|last| *last <= seen) {
            return;
        }
        if let Err(index) = self.seen.binary_search(&seen)
            && index < SAMPLE_MAX
            && !(self.is_thinned && index == self.seen.len())
        {
            self.seen.truncate(SAMPLE_MAX - 1);
            self.seen.insert(index, seen);
        }
    }

    /// Adds another sample.
    pub fn merge(&mut self, other: &Self) {
        let ends = [&*self, other].map(|sample| sample.seen.last().copied().filter(|_| sample.is_thinned));
        if let Some(end) = ends.into_iter().flatten().min() {
            self.is_thinned = false;
            self.merge_all(other);
            self.seen.truncate(self.seen.partition_point(|seen| *seen <= end));
            self.is_thinned = true;
        } else {
            self.merge_all(other);
        }
    }

    fn merge_all(&mut self, other: &Self) {
        // Most of a busy side's subjects are known: nothing is written for those.
        let mut theirs = other.seen.as_slice();
        if self.seen.len() >= SAMPLE_MAX
            && let Some(last) = self.seen.last()
        {
            // Whoever lies above the last of a full one stays out.
            theirs = theirs.split_at_checked(theirs.partition_point(|their| their <= last)).map_or(theirs, |own| own.0);
        }
        let mut at = 0;
        while let Some((their, rest)) = theirs.split_first() {
            while self.seen.get(at).is_some_and(|own| own < their) {
                at += 1;
            }
            if self.seen.get(at) != Some(their) {
                break;
            }
            (at, theirs) = (at + 1, rest);
        }
        if theirs.is_empty() || at >= SAMPLE_MAX {
            return;
        }
        let mut theirs = theirs.iter().copied().peekable();
        let rest = self.seen.split_off(at);
        self.seen.reserve(SAMPLE_MAX.min(at + rest.len() + theirs.len()) - at);
        let mut ours = rest.into_iter().peekable();
        while self.seen.len() < SAMPLE_MAX {
            let next = match (ours.peek(), theirs.peek()) {
                (Some(own), Some(their)) if own == their => {
                    theirs.next();
                    ours.next()
                }
                (Some(own), Some(their)) if own > their => theirs.next(),
                (Some(_), _) => ours.next(),
                (None, _) => theirs.next(),
            };
            let Some(next) = next else { break };
            self.seen.push(next);
        }
    }

    /// Keeps so many of them at most, and gives back the room of the others.
    pub fn thin(&mut self, subjects_max: usize) {
        if self.seen.len() > subjects_max && subjects_max > 0 {
            self.seen.truncate(subjects_max);
            self.is_thinned = true;
        }
        self.seen.shrink_to_fit();
    }

    /// The hash up to which everybody is in it; `None` where that is everybody.
    pub fn end(&self) -> Option<u64> {
        let is_partial = self.is_thinned || self.seen.len() >= SAMPLE_MAX;
        self.seen.last().filter(|_| is_partial).map(|last| Seen::unpack(*last).hash)
    }

    /// About how much memory it takes, in bytes.
    pub const fn bytes(&self) -> usize {
        self.seen.capacity() * size_of::<u64>()
    }

    /// Whether nobody was seen.
    pub const fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// How many subjects are kept.
    pub const fn len(&self) -> usize {
        self.seen.len()
    }

    /// The sampled subjects, the smallest hash first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Seen> {
        self.seen.iter().map(|seen| Seen::unpack(*seen))
    }

    /// How many distinct subjects there are like this: exact while the sample is not full, then with a
    /// standard error of 3 % of all.
    pub fn distinct(&self, is_wanted: impl Fn(&Seen) -> bool) -> f64 {
        let mut last = None;
        // Who was seen on both sides, or before and after a start, stands here more than once.
        let is_another = |seen: &Seen| last.replace(seen.hash) != Some(seen.hash);
        let wanted = self.iter().filter(|seen| is_wanted(seen)).filter(is_another).count() as f64;
        match self.end() {
            Some(end) => {
                let width = (end as f64 + 1.0) / (1_u64 << HASH_BITS) as f64;
                let all = (self.seen.len() - 1) as f64 / width;
                all * wanted / self.seen.len() as f64
            }
            None => wanted,
        }
    }

    /// The comparable subjects whose hash is under `2^-halvings` of the scale, as (legacy, new), for the
    /// least number of halvings that leaves none out which could be in. A threshold that stays makes
    /// the counts grow one by one, as a test that is looked at repeatedly needs it.
    pub fn dealt(&self) -> (u32, u64, u64) {
        let complete = self.end().unwrap_or(1 << HASH_BITS);
        let halvings =
            (0..HASH_BITS).find(|halvings| (1_u64 << (HASH_BITS - halvings)) <= complete).unwrap_or(HASH_BITS);
        let under = 1_u64 << (HASH_BITS - halvings);
        let dealt = self.iter().filter(|seen| seen.is_compared && seen.hash < under);
        let (legacy, new) =
            dealt.fold((0, 0), |(legacy, new), seen| if seen.is_new { (legacy, new + 1) } else { (legacy + 1, new) });
        (halvings, legacy, new)
    }

    /// Reads what [`Sample`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        let mut sample = Self::default();
        let (text, is_thinned) = text.strip_suffix(THINNED).map_or((text, false), |text| (text, true));
        for [number] in unpack::<1>(text)? {
            let number = u64::try_from(number).ok().filter(|number| number >> (HASH_BITS + 2) == 0)?;
            sample.add_packed(number);
        }
        sample.is_thinned = is_thinned && !sample.seen.is_empty();
        Some(sample)
    }
}

impl serde::Serialize for Sample {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = pack(self.seen.iter().map(|seen| [i64::try_from(*seen).unwrap_or_default()]));
        if self.is_thinned {
            text.push_str(THINNED);
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> serde::Deserialize<'de> for Sample {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(count: u64) -> Sample {
        let mut sample = Sample::default();
        // A multiplicative hash is uniform enough for consecutive numbers.
        for n in 0..count {
            let variant = if n % 10 == 0 { Variant::New } else { Variant::Legacy };
            sample.add(Seen::new(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), variant, true));
        }
        sample
    }

    #[test]
    fn few_are_counted_and_many_estimated() {
        assert_eq!(sample(700).distinct(|_| true), 700.0);
        let mut twice = Sample::default();
        for (variant, is_compared) in [(Variant::Legacy, false), (Variant::Legacy, true), (Variant::New, true)] {
            twice.add(Seen::new(7 << 14, variant, is_compared));
        }
        assert_eq!(
            (twice.distinct(|_| true), twice.distinct(|seen| !seen.is_new), twice.distinct(|seen| seen.is_new)),
            (1.0, 1.0, 1.0)
        );
        let estimate = sample(200_000).distinct(|seen| seen.is_new);
        assert!((estimate / 20_000.0 - 1.0).abs() < 0.3, "{estimate}");
        let all = sample(200_000).distinct(|_| true);
        assert!((all / 200_000.0 - 1.0).abs() < 0.12, "{all}");
    }

    #[test]
    fn a_subject_counts_once_and_order_means_nothing() {
        let mut twice = sample(5_000);
        twice.merge(&sample(5_000));
        assert_eq!(twice, sample(5_000));
    }

    #[test]
    fn text_comes_back_and_what_is_none_does_not() {
        let sample = sample(50);
        let text = serde_json::to_string(&sample).unwrap_or_default();
        assert_eq!(Sample::parse(text.trim_matches('"')), Some(sample));
        assert_eq!(Sample::parse("-4"), None);
        assert_eq!(Sample::parse(&i64::MAX.to_string()), None);
    }

    #[test]
    fn a_thinned_sample_stays_a_fair_one_however_it_is_added_up() {
        let thin = |count, subjects_max| {
            let mut sample = sample(count);
            sample.thin(subjects_max);
            sample
        };
        assert_eq!(thin(50, 64), sample(50), "it keeps what it has room for");
        let thinned = thin(100_000, 64);
        assert_eq!((thinned.iter().count(), thinned.bytes()), (64, 512));
        let all = thinned.distinct(|_| true);
        assert!((all / 100_000.0 - 1.0).abs() < 0.4, "{all}");
        let text = serde_json::to_string(&thinned).unwrap_or_default();
        assert_eq!(Sample::parse(text.trim_matches('"')), Some(thinned.clone()));
        // With a full one, with a small one, and with itself, in both orders.
        for other in [sample(100_000), sample(300), thin(100_000, 64), thin(100_000, 10)] {
            let (mut one, mut two) = (thinned.clone(), other.clone());
            one.merge(&other);
            two.merge(&thinned);
            assert_eq!(one, two);
            assert!(one.end().unwrap() <= thinned.end().unwrap());
            let all = one.distinct(|_| true);
            assert!((all / 100_000.0 - 1.0).abs() < 0.9, "{all}");
        }
        let mut grown = thinned.clone();
        (0..100_000_u64).for_each(|n| {
            grown.add(Seen::new(
                n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                if n % 10 == 0 { Variant::New } else { Variant::Legacy },
                true,
            ))
        });
        assert_eq!(grown, thinned, "those above its end stay out");
    }

    #[test]
    fn a_threshold_halves_when_the_sample_is_full() {
        assert_eq!(sample(100).dealt(), (0, 90, 10));
        let (halvings, legacy, new) = sample(100_000).dealt();
        assert!((6..=8).contains(&halvings) && (200..=1_024).contains(&(legacy + new)), "{halvings} {legacy} {new}");
    }
}
