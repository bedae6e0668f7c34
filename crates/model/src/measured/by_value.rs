//! Requests and failures by the value of a dimension, in fixed room.
//!
//! 1. So many values are kept apart as the dimension allows; everything else counts under [`OTHER`].
//! 2. Those are kept whose ranks are the lowest, and a rank is a hash of the value alone. A value that is kept in the end
//!    was among the lowest at each step before, so its counts are exact, and adding up gives the same in any order.
//! 3. Beside all failures stands how many were the first of their subject in a minute, and whom they met at least. It is
//!    by these that a value stands out, so that one broken account makes none of them do.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tally::COUNT_MAX;
use crate::dimension::Dimension;
use crate::subject::fnv1a64;

/// What stands for all values that are not kept apart, and for requests that tell none.
pub const OTHER: &str = "";

/// What came of the requests, or page views, with one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValueCounts {
    /// Requests.
    pub requests: u64,
    /// Those of them that failed, as the plan defines it.
    pub errors: Troubles,
    /// Those of them that were answered with a 4xx.
    pub client_errors: Troubles,
    /// Page views that reported.
    pub pages: u64,
    /// Those of them with a JavaScript error.
    pub failed_pages: Troubles,
}

/// How often something went wrong, and for how many. In few bytes: hundreds of values are kept of each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// So often; [`u32::MAX`] and no more where it was more often than that.
    pub count: u32,
    /// So often for the first time in a subject's minute.
    pub first: u32,
    /// A bit for each subject, of 32 that a hash chooses from.
    pub users: u32,
}

impl Troubles {
    /// Once, for a subject that is known by a hash.
    pub fn once(is_first: bool, subject: Option<u64>) -> Self {
        // The low bits of a sample's hashes are not among those by which it thins.
        let users = subject.map_or(0, |hash| 1 << (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59));
        Self { count: 1, first: u32::from(is_first), users }
    }

    /// For so many subjects at least.
    pub const fn users_min(&self) -> u32 {
        self.users.count_ones()
    }

    fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.saturating_add(other.first);
        self.users |= other.users;
    }
}

const COUNTS: usize = 11;

impl ValueCounts {
    fn list(&self) -> [u64; COUNTS] {
        let Self { requests, errors, client_errors, pages, failed_pages } = *self;
        let ([a, b, c], [d, e, f], [g, h, i]) = (three(errors), three(client_errors), three(failed_pages));
        [requests, a, b, c, d, e, f, pages, g, h, i]
    }

    fn of([requests, a, b, c, d, e, f, pages, g, h, i]: [u64; COUNTS]) -> Self {
        let most = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let of = |count, first, users| Troubles { count: most(count), first: most(first), users: most(users) };
        Self { requests, errors: of(a, b, c), client_errors: of(d, e, f), pages, failed_pages: of(g, h, i) }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors.add(&other.errors);
        self.client_errors.add(&other.client_errors);
        self.pages = self.pages.saturating_add(other.pages);
        self.failed_pages.add(&other.failed_pages);
    }
}

fn three(own: Troubles) -> [u64; 3] {
    [own.count, own.first, own.users].map(u64::from)
}

/// A list of numbers, without the zeros at its end. A later release may count more.
impl Serialize for ValueCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let list = self.list();
        let used = list.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        serializer.collect_seq(list.iter().take(used))
    }
}

impl<'de> Deserialize<'de> for ValueCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counts;

        impl<'de> Visitor<'de> for Counts {
            type Value = ValueCounts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of counts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ValueCounts, A::Error> {
                let mut list = [0; COUNTS];
                let mut own = list.iter_mut();
                while let Some(count) = items.next_element::<u64>()? {
                    if let Some(own) = own.next() {
                        *own = count;
                    }
                }
                Ok(ValueCounts::of(list))
            }
        }

        deserializer.deserialize_seq(Counts)
    }
}

/// What came of requests by the value of one dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByValue {
    dimension: Dimension,
    /// Ascending by value.
    values: Vec<(Box<str>, ValueCounts)>,
}

impl ByValue {
    /// Nothing yet.
    pub const fn new(dimension: Dimension) -> Self {
        Self { dimension, values: Vec::new() }
    }

    /// The dimension.
    pub const fn dimension(&self) -> &Dimension {
        &self.dimension
    }

    /// Adds to what came of a value's requests.
    pub fn add(&mut self, value: &str, counts: &ValueCounts) {
        if let Some(own) = self.place(value).ok().and_then(|index| self.values.get_mut(index)) {
            own.1.add(counts);
            return;
        }
        // What cannot be shown is never kept, whoever sends it.
        self.put(if Dimension::shown(value) == Some(value) { value } else { OTHER }, counts);
        // `OTHER` has a place of its own.
        let others = usize::from(self.place(OTHER).is_ok());
        if self.values.len() - others > self.dimension.values_max()
            && let Some(last) =
                (others..self.values.len()).max_by_key(|index| self.values.get(*index).map(|own| rank(&own.0)))
        {
            let (_, counts) = self.values.remove(last);
            self.put(OTHER, &counts);
        }
    }

    fn place(&self, value: &str) -> Result<usize, usize> {
        self.values.binary_search_by(|(own, _)| (**own).cmp(value))
    }

    fn put(&mut self, value: &str, counts: &ValueCounts) {
        match self.place(value) {
            Ok(index) => self.values.get_mut(index).into_iter().for_each(|(_, own)| own.add(counts)),
            Err(index) => self.values.insert(index, (value.into(), *counts)),
        }
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        // Both ascend, and mostly have the same values.
        let mut own = self.values.iter_mut().peekable();
        let mut unknown = Vec::new();
        for (value, counts) in &other.values {
            while own.next_if(|(own, _)| own < value).is_some() {}
            match own.next_if(|(own, _)| own == value) {
                Some((_, own)) => own.add(counts),
                None => unknown.push((value, counts)),
            }
        }
        unknown.into_iter().for_each(|(value, counts)| self.add(value, counts));
    }

    /// Each value and what came of its requests; [`OTHER`] first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ValueCounts)> {
        self.values.iter().map(|(value, counts)| (&**value, counts))
    }

    /// What came of a value's requests.
    pub fn get(&self, value: &str) -> Option<&ValueCounts> {
        self.values.get(self.place(value).ok()?).map(|(_, counts)| counts)
    }

    /// Whether each count is one that can be.
    pub(super) fn is_plausible(&self) -> bool {
        let is_plausible = |counts: &ValueCounts| {
            let troubles = [counts.errors, counts.client_errors, counts.failed_pages];
            counts.requests.max(counts.pages) < COUNT_MAX && troubles.iter().all(|own| own.count < u32::MAX)
        };
        self.values.iter().all(|(_, counts)| is_plausible(counts))
    }

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let texts: usize = self.values.iter().map(|(value, _)| value.len()).sum();
        size_of::<Self>() + self.values.len() * size_of::<(Box<str>, ValueCounts)>() + texts
    }

    /// About how long its text is in bytes, rather too long.
    pub fn text_bytes(&self) -> usize {
        let digits = |count: u64| count.checked_ilog10().unwrap_or_default() as usize + 2;
        let values = self
            .values
            .iter()
            .map(|(value, counts)| 2 * value.len() + 6 + counts.list().into_iter().map(digits).sum::<usize>());
        50 + values.sum::<usize>()
    }
}

/// Which values stay, where there is no room for all: an order that has nothing to do with when they came. (FNV alone
/// tells similar texts apart in its low bits only.)
fn rank(value: &str) -> (u64, &str) {
    (fnv1a64(value.as_bytes()).wrapping_mul(0x9e37_79b9_7f4a_7c15), value)
}

/// Several dimensions as an object, for `#[serde(with)]`.
pub(super) mod object {
    use std::collections::BTreeMap;

    use super::{ByValue, Deserializer, Dimension, Serialize, Serializer, ValueCounts};
    use crate::dimension::DIMENSIONS_MAX;
    use crate::serial::pairs;

    struct Values<'a>(&'a [(Box<str>, ValueCounts)]);

    impl Serialize for Values<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            pairs::serialize(self.0, serializer)
        }
    }

    pub fn serialize<S: Serializer>(all: &[ByValue], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(all.iter().map(|own| (&own.dimension, Values(&own.values))))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ByValue>, D::Error> {
        let read: Vec<(Dimension, BTreeMap<String, ValueCounts>)> = pairs::deserialize(deserializer)?;
        let mut all: Vec<ByValue> = Vec::new();
        for (dimension, values) in read.into_iter().take(DIMENSIONS_MAX) {
            let mut own = ByValue::new(dimension);
            values.iter().for_each(|(value, counts)| own.add(value, counts));
            all.push(own);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tally;
    use super::*;

    const NOTHING: Troubles = Troubles { count: 0, first: 0, users: 0 };
    const ONE: ValueCounts =
        ValueCounts { requests: 1, errors: NOTHING, client_errors: NOTHING, pages: 0, failed_pages: NOTHING };

    fn tier() -> ByValue {
        ByValue::new(Dimension::Header("x-tier".into()))
    }

    fn requests(own: &ByValue) -> u64 {
        own.iter().map(|(_, counts)| counts.requests).sum()
    }

    #[test]
    fn values_that_do_not_fit_count_together_and_nothing_is_lost() {
        let mut own = tier();
        (0..10_000).for_each(|n| own.add(&format!("v{}", n % 500), &ONE));
        assert_eq!(own.iter().count(), Dimension::Header(String::new()).values_max() + 1);
        assert_eq!(requests(&own), 10_000);
        assert!(own.iter().filter(|(value, _)| *value != OTHER).all(|(_, counts)| counts.requests == 20));
        assert!(own.bytes() < 8_000);
    }

    #[test]
    fn what_cannot_be_shown_counts_under_other() {
        let mut own = tier();
        for value in ["<script>", "ana@example.com", "4915112345678", " gold", &"x".repeat(33), "\u{7f}"] {
            own.add(value, &ONE);
        }
        own.add("gold", &ONE);
        assert_eq!(
            own.iter().map(|(value, counts)| (value, counts.requests)).collect::<Vec<_>>(),
            [("", 6), ("gold", 1)]
        );
    }

    #[test]
    fn whatever_the_order_the_sums_are_the_same_and_bounded() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let dimension = if seed % 2 == 0 { Dimension::Country } else { Dimension::Header("x-tier".into()) };
            let kinds = random.usize(1..600);
            let mut sent: Vec<ByValue> = (0..random.usize(1..60))
                .map(|_| {
                    let mut own = ByValue::new(dimension.clone());
                    for _ in 0..random.usize(0..80) {
                        let value = match random.usize(0..kinds) {
                            n if n % 7 == 0 => format!("<{n}>"),
                            n => format!("v{n}"),
                        };
                        let is_error = random.bool();
                        let subject = Some(random.u64(..));
                        let errors = if is_error { Troubles::once(random.bool(), subject) } else { NOTHING };
                        own.add(&value, &ValueCounts { errors, ..ONE });
                    }
                    own
                })
                .collect();
            let added = |order: &[ByValue]| {
                let mut all = ByValue::new(dimension.clone());
                order.iter().for_each(|own| all.merge(own));
                all
            };
            let forwards = added(&sent);
            let total: u64 = sent.iter().map(requests).sum();
            random.shuffle(&mut sent);
            // As relays do: each adds up a part, and the parts are added up above.
            let parts: Vec<ByValue> = sent.chunks(random.usize(1..9)).map(&added).collect();
            assert_eq!(added(&parts), forwards, "seed {seed}");
            assert_eq!(requests(&forwards), total, "seed {seed}");
            assert!(forwards.iter().count() <= dimension.values_max() + 1, "seed {seed}");
            let tally = Tally { by: vec![forwards.clone()], ..Tally::default() };
            let text = serde_json::to_string(&tally).unwrap();
            assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), tally, "seed {seed}");
            assert!(text.len() <= forwards.text_bytes(), "seed {seed}: {} of {}", text.len(), forwards.text_bytes());
        }
    }

    #[test]
    fn counts_are_a_list_that_may_grow() {
        let errors = Troubles { count: 2, first: 1, users: 4 };
        let counts = ValueCounts { requests: 9, errors, ..ValueCounts::default() };
        assert_eq!(serde_json::to_string(&counts).unwrap(), "[9,2,1,4]");
        assert_eq!(serde_json::from_str::<ValueCounts>("[9,2,1,4]").unwrap(), counts);
        let later = "[9,2,1,4,0,0,0,0,0,0,0,7,8]";
        assert_eq!(serde_json::from_str::<ValueCounts>(later).unwrap(), counts, "of a later release");
        assert!(serde_json::from_str::<ValueCounts>("[-1]").is_err());
        assert_eq!(serde_json::from_str::<ValueCounts>("[1,1,1,99999999999]").unwrap().errors.users_min(), 32);
    }

    #[test]
    fn one_subject_is_one_however_often_it_fails() {
        let mut one = NOTHING;
        (0..1_000).for_each(|n| one.add(&Troubles::once(n == 0, Some(7 << 40))));
        assert_eq!((one.count, one.first, one.users_min()), (1_000, 1, 1));
        let mut many = NOTHING;
        (0..200_u64).for_each(|n| many.add(&Troubles::once(true, Some(n.wrapping_mul(0x2545_f491_4f6c_dd1d)))));
        assert!(many.users_min() > 28, "{}", many.users_min());
    }
}
