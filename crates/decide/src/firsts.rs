//! First failures: of the subjects that were seen, when has each failed for the first time, and on which
//! side?
//!
//! Subjects are what the hash assigns, so this is exact however errors cluster, and a small site's few
//! subjects show what its few requests cannot. When a subject fails for the first time in the attempt, it
//! is on new with the probability `b/(a + b)`, with a and b the subjects of legacy and of new that were
//! seen and have not failed, itself included. The likelihood ratio is that of [`super::evidence`], with
//! subjects at risk in the place of exposures. Several failures between two looks count as if each had
//! been drawn with replacement, which is never more evidence than they are (Hoeffding, "Probability
//! inequalities for sums of bounded random variables", JASA 58, 1963, theorem 4). The test: Grünwald, Ly,
//! Pérez-Ortiz, ter Schure, "The safe logrank test", AISTATS 2021.
//!
//! Who is at risk is known while the sample of the subjects holds all of them, 1,024. Beyond, the shares
//! that the hash assigns stand in: while the sides do not differ, whoever fails next is on new with that
//! probability, whoever has failed before. (Corrected by the sampled subjects that have failed, of whom
//! there are few on a small side, the test rolled up to 2.5 % of harmless releases back.)
//!
//! So many failed subjects are remembered ([`FAILED_MAX`]). Beyond, only those with the smallest hashes go
//! on counting, which are a fair sample of all: the test stays exact, and sees less.

use serde::{Deserialize, Serialize};

use super::evidence::{Count, Evidence, Window, log_sum};
use tidegate_model::measured::packed::{pack, unpack};
use tidegate_model::measured::{Quantity, Sample};
use tidegate_model::{Duration, deserialize_from_text, serialize_as_text};

/// So many failed subjects are remembered of each quantity.
pub const FAILED_MAX: usize = 4_096;
/// First failures on the suspect side below this number show nothing: a handful of subjects may share a
/// device, a network or a habit.
pub const SUBJECTS_MIN: u32 = 4;

/// The subjects that have failed in an attempt, by one kind of failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Firsts {
    /// What came of their requests.
    pub of: Quantity,
    /// How long after a stage's entry nothing counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Duration>,
    /// Their hashes, ascending.
    failed: Hashes,
    /// Only subjects with smaller hashes count.
    #[serde(default = "everybody", skip_serializing_if = "is_everybody")]
    below: u64,
}

const fn everybody() -> u64 {
    u64::MAX
}

const fn is_everybody(below: &u64) -> bool {
    *below == u64::MAX
}

/// Who was seen, and how the hash deals subjects out.
#[derive(Clone, Copy, Debug)]
pub struct AtRisk<'a> {
    /// The subjects seen since the percentage was last changed.
    pub seen: &'a Sample,
    /// The share of subjects on new, from 0 to 1.
    pub share: f64,
}

impl Firsts {
    /// Nobody has failed yet.
    pub const fn new(of: Quantity, after: Option<Duration>) -> Self {
        Self { of, after, failed: Hashes(Vec::new()), below: u64::MAX }
    }

    /// Takes those in who have failed since the last look; a subject that is known changes nothing.
    /// Returns the subjects at risk and the first failures on either side. `None` in the place of
    /// `at_risk` only remembers them.
    pub fn take(&mut self, arrived: &Sample, at_risk: Option<AtRisk<'_>>) -> Window {
        if let Some(end) = arrived.end() {
            // An isolate has left out who comes behind, on either side.
            self.narrow(end);
        }
        let is_first = |hash: &u64| *hash < self.below && self.failed.0.binary_search(hash).is_err();
        let mut fresh: Vec<(u64, bool)> = arrived
            .iter()
            .filter(|seen| seen.is_compared)
            .map(|seen| (seen.hash, seen.is_new))
            .filter(|(hash, _)| is_first(hash))
            .collect();
        fresh.dedup_by_key(|(hash, _)| *hash);
        if fresh.is_empty() {
            return Window::default();
        }
        let on_new = fresh.iter().filter(|(_, is_new)| *is_new).count();
        let mut window = Window::default();
        if let Some(at_risk) = at_risk {
            let (x, y) = ((fresh.len() - on_new) as f64, on_new as f64);
            let [a, b] = self.at_risk(&at_risk, [x, y]);
            window = Window { legacy: Count { n: a, x }, new: Count { n: b, x: y } };
        }
        self.failed.insert(&fresh);
        if let Some(end) = self.failed.0.get(FAILED_MAX).copied() {
            self.narrow(end);
        }
        window
    }

    fn narrow(&mut self, below: u64) {
        self.below = self.below.min(below);
        let end = self.failed.0.partition_point(|hash| *hash < self.below);
        self.failed.0.truncate(end);
    }

    /// How many subjects of legacy and of new were seen and have not failed, of whom so many fail now; where
    /// the sample does not hold all of them, their shares.
    fn at_risk(&self, at_risk: &AtRisk<'_>, failing: [f64; 2]) -> [f64; 2] {
        if at_risk.seen.end().is_some() {
            return [1.0 - at_risk.share, at_risk.share];
        }
        let mut left = [0.0_f64; 2];
        // Both ascend, so each failed subject is passed once.
        let mut failed = self.failed.0.iter().copied().peekable();
        for own in at_risk.seen.iter().filter(|own| own.is_compared && own.hash < self.below) {
            while failed.next_if(|hash| *hash < own.hash).is_some() {}
            if failed.peek() != Some(&own.hash)
                && let Some(count) = left.get_mut(usize::from(own.is_new))
            {
                *count += 1.0;
            }
        }
        // Who fails has been seen, also where the sample says so later.
        let [legacy, new] = left;
        let [x, y] = failing;
        [legacy.max(x), new.max(y)]
    }
}

/// What first failures tell of one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstEvidence {
    evidence: Evidence,
    /// Whether the sides are exchanged: the question is then whether new is *not* worse.
    is_mirrored: bool,
    /// First failures so far, on legacy and on new.
    counts: [f64; 2],
}

impl FirstEvidence {
    /// No evidence yet that new's failures are more than `theta` times legacy's, or, mirrored, less.
    pub const fn new(theta: f64, is_mirrored: bool) -> Self {
        let theta = if is_mirrored { 1.0 / theta } else { theta };
        Self { evidence: Evidence::restarting(theta), is_mirrored, counts: [0.0, 0.0] }
    }

    /// The same with the restarts of earlier releases, to be compared with.
    #[must_use]
    pub const fn restarting_quickly(mut self) -> Self {
        self.evidence = self.evidence.restarted_quickly();
        self
    }

    /// Takes in what [`Firsts::take`] has found, `minute` minutes after the attempt began.
    pub fn add(&mut self, window: &Window, minute: f64) {
        let [legacy, new] = &mut self.counts;
        (*legacy, *new) = (*legacy + window.legacy.x, *new + window.new.x);
        let window = if self.is_mirrored { window.mirrored() } else { *window };
        self.evidence.add(&window, 1.0, minute);
    }

    /// Whether enough subjects of the suspect side have failed to show anything.
    pub fn is_ready(&self) -> bool {
        let [legacy, new] = self.counts;
        (if self.is_mirrored { legacy } else { new }) >= f64::from(SUBJECTS_MIN)
    }

    /// The natural logarithm of the evidence; 0 is none.
    pub fn log_e(&self) -> f64 {
        self.evidence.log_e()
    }
}

/// The average of two pieces of evidence, as logarithms; `None` is one that shows nothing. The average of
/// two e-values is one, however they depend on each other.
pub fn average(one: Option<f64>, other: Option<f64>) -> f64 {
    let log = |evidence: Option<f64>| evidence.unwrap_or(f64::NEG_INFINITY);
    log_sum(log(one), log(other)) - std::f64::consts::LN_2
}

/// What each part of the evidence counts: that of exposures by slice, of exposures by
/// bin, and of first failures. Each alone needs the reciprocal as much.
pub const PARTS: [f64; 3] = [0.2, 0.4, 0.4];

/// The evidence of parts together, as logarithms; `None` is one that shows nothing. A weighted mean of
/// e-values is one, however they depend on each other.
pub fn mixed(parts: [Option<f64>; 3]) -> f64 {
    let weighed = parts.into_iter().zip(PARTS).filter_map(|(log_e, weight)| Some(log_e? + weight.ln()));
    weighed.fold(f64::NEG_INFINITY, log_sum)
}

/// Ascending hashes, printed as packed numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hashes(Vec<u64>);

impl Hashes {
    /// Adds hashes that are not in it yet, ascending: from the largest on, so that each of the others moves once.
    fn insert(&mut self, fresh: &[(u64, bool)]) {
        let mut end = self.0.len();
        self.0.resize(end + fresh.len(), 0);
        for (smaller, (hash, _)) in fresh.iter().enumerate().rev() {
            let at = self.0.get(..end).map_or(0, |own| own.partition_point(|own| own < hash));
            self.0.copy_within(at..end, at + smaller + 1);
            if let Some(place) = self.0.get_mut(at + smaller) {
                *place = *hash;
            }
            end = at;
        }
    }
}

impl std::fmt::Display for Hashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&pack(self.0.iter().map(|hash| [i64::try_from(*hash).unwrap_or_default()])))
    }
}

impl std::str::FromStr for Hashes {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let hashes = unpack::<1>(text).ok_or(())?.into_iter().map(|[hash]| u64::try_from(hash));
        let mut hashes: Vec<u64> = hashes.collect::<Result<_, _>>().map_err(|_| ())?;
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Self(hashes))
    }
}

serialize_as_text!(Hashes);
deserialize_from_text!(Hashes);

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::Seen;
    use tidegate_model::measured::sample::HASH_BITS;
    use tidegate_model::variant::Variant;

    fn subject(n: u64, is_new: bool) -> Seen {
        // A multiplicative hash is uniform enough for consecutive numbers.
        Seen::new(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), if is_new { Variant::New } else { Variant::Legacy }, true)
    }

    fn sample(subjects: impl IntoIterator<Item = (u64, bool)>) -> Sample {
        let mut sample = Sample::default();
        subjects.into_iter().for_each(|(n, is_new)| sample.add(subject(n, is_new)));
        sample
    }

    /// One in ten is on new.
    fn crowd(size: u64) -> Sample {
        sample((0..size).map(|n| (n, n % 10 == 0)))
    }

    #[test]
    fn a_subject_fails_once_and_leaves_those_at_risk() {
        let seen = crowd(100);
        let at_risk = Some(AtRisk { seen: &seen, share: 0.1 });
        let mut firsts = Firsts::new(Quantity::Errors, None);
        let window = |a: f64, x: f64, b: f64, y: f64| Window { legacy: Count { n: a, x }, new: Count { n: b, x: y } };
        assert_eq!(firsts.take(&sample([(0, true), (1, false)]), at_risk), window(90.0, 1.0, 10.0, 1.0));
        assert_eq!(firsts.take(&sample([(0, true), (10, true)]), at_risk), window(89.0, 0.0, 9.0, 1.0));
        assert_eq!(firsts.take(&sample([(0, true), (1, false)]), at_risk), Window::default(), "they are known");
        firsts.take(&sample([(20, true)]), None);
        assert_eq!(
            firsts.take(&sample([(20, true), (30, true)]), at_risk),
            window(89.0, 0.0, 7.0, 1.0),
            "who failed unseen is not at risk"
        );
        assert_eq!(firsts.take(&sample([(1_000, true)]), at_risk).new.x, 1.0, "also who is not in the sample yet");
    }

    #[test]
    fn those_who_are_not_compared_count_on_neither_side() {
        let seen = crowd(100);
        let mut failed = Sample::default();
        failed.add(Seen { is_compared: false, ..subject(0, true) });
        let mut firsts = Firsts::new(Quantity::Errors, None);
        assert_eq!(firsts.take(&failed, Some(AtRisk { seen: &seen, share: 0.1 })), Window::default());
    }

    #[test]
    fn of_many_subjects_the_shares_of_the_hash_stand_in() {
        let seen = crowd(50_000);
        let mut firsts = Firsts::new(Quantity::Errors, None);
        let window = firsts.take(&sample([(0, true)]), Some(AtRisk { seen: &seen, share: 0.1 }));
        let share = window.new.n / (window.new.n + window.legacy.n);
        assert!((share - 0.1).abs() < 0.001, "{share}");
    }

    #[test]
    fn many_failures_are_thinned_on_both_sides_alike() {
        let mut firsts = Firsts::new(Quantity::Errors, None);
        for chunk in 0..200_u64 {
            firsts.take(&sample((chunk * 100..chunk * 100 + 100).map(|n| (n, n % 10 == 0))), None);
        }
        assert!(
            firsts.failed.0.len() <= FAILED_MAX && firsts.failed.0.len() > FAILED_MAX / 2,
            "{}",
            firsts.failed.0.len()
        );
        let part = firsts.below as f64 / (1_u64 << HASH_BITS) as f64;
        assert!((part - FAILED_MAX as f64 / 20_000.0).abs() < 0.02, "{part}");
        let mut flooded = Firsts::new(Quantity::Errors, None);
        let flood = crowd(10_000);
        flooded.take(&flood, None);
        assert_eq!(Some(flooded.below), flood.end(), "whom an isolate left out, nobody counts");
    }

    #[test]
    fn what_is_printed_reads_back() {
        let seen = crowd(100);
        let mut firsts = Firsts::new(Quantity::Status(404), Some(Duration::minutes(5)));
        firsts.take(&sample([(0, true), (1, false)]), Some(AtRisk { seen: &seen, share: 0.1 }));
        firsts.narrow(1 << 49);
        let text = serde_json::to_string(&firsts).unwrap();
        assert_eq!(serde_json::from_str::<Firsts>(&text).ok(), Some(firsts));
    }

    /// All who are on new fail at their first request, one of the 150 a minute, and nobody on legacy does.
    #[test]
    fn a_small_site_whose_new_fails_is_found_after_a_handful_of_subjects() {
        let (mut firsts, mut evidence) = (Firsts::new(Quantity::Errors, None), FirstEvidence::new(1.0, false));
        let minute = (0..600).find(|minute| {
            let seen = crowd(minute + 1);
            let failed = sample((minute % 10 == 0).then_some((*minute, true)));
            evidence.add(&firsts.take(&failed, Some(AtRisk { seen: &seen, share: 0.1 })), *minute as f64);
            evidence.is_ready() && evidence.log_e() >= 800_f64.ln()
        });
        assert!(minute.is_some_and(|minute| minute <= 60), "{minute:?}");
    }
}
