//! What is met most often of something that has no end of kinds, such as error messages: in fixed room, by Misra and
//! Gries' counters as they are merged.
//!
//! 1. There are at most [`KINDS_MAX`] kinds. What does not fit takes as much off each as the one that is left out has.
//!    So a count is never too high, and too low by at most [`Commonest::missed`]; whatever is met more often than that
//!    is there.
//! 2. While there are no more kinds than fit, everything is exact, in whatever order it is added up. Beyond that, the
//!    order may matter within the bound of rule 1, and so to no verdict: nothing is judged by it.
//! 3. A kind is a short text that says nothing of a person; whoever adds it sees to that.
//!
//! (Agarwal, Cormode, Huang, Phillips, Wei, Yi, "Mergeable summaries", PODS 2012.)

use serde::{Deserialize, Deserializer, Serialize};

use crate::Minute;

/// So many kinds are kept.
pub const KINDS_MAX: usize = 8;
/// The longest text of one, in bytes.
pub const KIND_BYTES_MAX: usize = 240;

/// One kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// What it is.
    pub what: String,
    /// How often it was met, at least.
    pub count: u64,
    /// The first minute in which it was.
    pub first: Minute,
}

/// The commonest kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Commonest {
    /// By their names.
    #[serde(deserialize_with = "read_kinds")]
    kinds: Vec<Kind>,
    /// What each count may be too low by.
    #[serde(skip_serializing_if = "crate::serial::is_zero")]
    missed: u64,
}

fn read_kinds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Kind>, D::Error> {
    let read = Vec::<Kind>::deserialize(deserializer)?;
    let mut own = Commonest::default();
    read.into_iter().for_each(|kind| own.note(kind));
    own.shrink();
    Ok(own.kinds)
}

impl Commonest {
    /// Adds what was met once in a minute. A text that is empty or too long is none.
    pub fn add(&mut self, what: &str, minute: Minute) {
        self.note(Kind { what: what.to_owned(), count: 1, first: minute });
        self.shrink();
    }

    /// Adds others.
    pub fn merge(&mut self, other: &Self) {
        other.kinds.iter().for_each(|kind| self.note(kind.clone()));
        self.missed = self.missed.saturating_add(other.missed);
        self.shrink();
    }

    fn note(&mut self, kind: Kind) {
        if kind.what.is_empty() || kind.what.len() > KIND_BYTES_MAX || kind.count == 0 {
            return;
        }
        match self.kinds.binary_search_by(|own| own.what.cmp(&kind.what)) {
            Ok(index) => {
                if let Some(own) = self.kinds.get_mut(index) {
                    own.count = own.count.saturating_add(kind.count);
                    own.first = own.first.min(kind.first);
                }
            }
            Err(index) => self.kinds.insert(index, kind),
        }
    }

    /// Takes off as much as the first that does not fit has.
    fn shrink(&mut self) {
        let mut counts: Vec<u64> = self.kinds.iter().map(|kind| kind.count).collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        let Some(cut) = counts.get(KINDS_MAX).copied() else { return };
        self.kinds.iter_mut().for_each(|kind| kind.count = kind.count.saturating_sub(cut));
        self.kinds.retain(|kind| kind.count > 0);
        self.missed = self.missed.saturating_add(cut);
    }

    /// What each count may be too low by.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// The kinds, the commonest first.
    pub fn most(&self) -> Vec<&Kind> {
        let mut kinds: Vec<&Kind> = self.kinds.iter().collect();
        kinds.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.what.cmp(&other.what)));
        kinds
    }

    /// One of them; `None` where it was met no more often than is missed.
    pub fn get(&self, what: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.what == what)
    }

    /// Whether nothing was met.
    pub const fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.missed == 0
    }

    /// About how much memory it takes, and its text, in bytes.
    pub fn bytes(&self) -> usize {
        self.kinds.iter().map(|kind| size_of::<Kind>() + kind.what.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(own: &Commonest) -> Vec<(&str, u64, u64)> {
        own.most().into_iter().map(|kind| (kind.what.as_str(), kind.count, kind.first.get())).collect()
    }

    #[test]
    fn while_there_is_room_counts_are_exact_in_any_order() {
        let mut forwards = Commonest::default();
        let mut backwards = Commonest::default();
        let met: Vec<(String, Minute)> = (0..40).map(|n| (format!("kind {}", n % 7), Minute::new(100 + n))).collect();
        met.iter().for_each(|(what, minute)| forwards.add(what, *minute));
        met.iter().rev().for_each(|(what, minute)| backwards.add(what, *minute));
        assert_eq!(forwards, backwards);
        assert_eq!(reported(&forwards)[0], ("kind 0", 6, 100));
        let mut merged = forwards.clone();
        merged.merge(&backwards);
        assert_eq!((reported(&merged)[0], merged.missed()), (("kind 0", 12, 100), 0));
        let text = serde_json::to_string(&merged).unwrap();
        assert_eq!(serde_json::from_str::<Commonest>(&text).unwrap(), merged);
    }

    #[test]
    fn whoever_floods_it_hides_nothing_that_is_common() {
        let mut own = Commonest::default();
        for n in 0..30_000_u64 {
            // One of four is a kind of its own.
            let what = if n % 4 == 3 { format!("flood {n}") } else { format!("real {}", n % 3) };
            let mut one = Commonest::default();
            one.add(&what, Minute::new(n));
            own.merge(&one);
        }
        let all = reported(&own);
        assert!(all.len() <= KINDS_MAX, "{all:?}");
        for real in ["real 0", "real 1", "real 2"] {
            let kind = own.get(real).unwrap();
            assert!(kind.count <= 7_500 && kind.count + own.missed() >= 7_500, "{kind:?} {}", own.missed());
        }
        assert!(own.missed() <= 30_000 / (KINDS_MAX as u64 + 1), "{}", own.missed());
    }

    #[test]
    fn what_is_stored_is_bounded_whatever_was_stored() {
        let kinds: Vec<String> =
            (0..100).map(|n| format!(r#"{{"what":"{}","count":{},"first":1}}"#, "x".repeat(n * 5), n + 1)).collect();
        let read: Commonest = serde_json::from_str(&format!(r#"{{"kinds":[{}]}}"#, kinds.join(","))).unwrap();
        assert!(read.most().len() <= KINDS_MAX);
        assert!(read.most().iter().all(|kind| kind.what.len() <= KIND_BYTES_MAX));
    }
}
