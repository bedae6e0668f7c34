//! Deals subjects out to cohorts.
//!
//! ```text
//! seed(rollout) = fmix64(fnv1a64(salt))
//! bucket        = (fmix64(fnv1a64(id) XOR seed) * 100_000) >> 64
//! new           ⇔ bucket < percentage × 1_000
//! ```
//! FNV-1a (RFC 9923) alone will not do: the buckets of two rollouts whose salts differ in one
//! letter are correlated, so that one experiment's cohort is another's too. MurmurHash3's finaliser
//! after the XOR makes them independent. The multiplication maps the hash to a bucket without the
//! bias of a remainder (Lemire, "Fast Random Integer Generation in an Interval", 2019).

use tidegate_model::measured::sliced::SLICES;
use tidegate_model::percentage::BUCKETS;
use tidegate_model::subject::{SubjectHash, fnv1a64};

/// The salt by which subjects are dealt into slices, and by which they are sampled: the same in all
/// rollouts, and independent of every rollout's buckets.
pub const SLICES_SALT: &str = "tidegate/slices";
/// The salt of the samples of subjects.
pub const SAMPLE_SALT: &str = "tidegate/subjects";

/// What makes one rollout's buckets independent of another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// The seed of a salt.
    pub fn of(salt: &str) -> Self {
        Self(fmix64(fnv1a64(salt.as_bytes())))
    }

    /// The seed of a salt's holdout.
    pub fn of_holdout(salt: &str) -> Self {
        Self::of(&format!("{salt}/holdout"))
    }

    /// The subject's bucket, 0..=99_999.
    pub fn bucket(self, subject: SubjectHash) -> u32 {
        self.part(subject, BUCKETS)
    }

    /// The subject's slice, 0..=99, where this is the seed of [`SLICES_SALT`].
    pub fn slice(self, subject: SubjectHash) -> u8 {
        self.part(subject, u32::from(SLICES)) as u8
    }

    /// The subject's hash under this seed.
    pub const fn hash(self, subject: SubjectHash) -> u64 {
        fmix64(subject.get() ^ self.0)
    }

    /// In which of so many equal parts the subject's hash lies.
    fn part(self, subject: SubjectHash, parts: u32) -> u32 {
        ((u128::from(self.hash(subject)) * u128::from(parts)) >> 64) as u32
    }
}

/// The finaliser of MurmurHash3 (Appleby, 2011): each bit of the input changes half of the output's.
pub const fn fmix64(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fmix64_matches_the_reference_values() {
        for (input, output) in [
            (0, 0),
            (1, 0xb456_bcfc_34c2_cb2c),
            (0xcbf2_9ce4_8422_2325, 0xefd0_1f60_ba99_2926),
            (u64::MAX, 0x64b5_720b_4b82_5f21),
        ] {
            assert_eq!(fmix64(input), output);
        }
    }
}
