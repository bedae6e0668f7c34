//! The hash of a subject's id, made once per request and used for every rollout and group.

use std::hash::Hasher;

use fnv::FnvHasher;

/// FNV-1a 64 (RFC 9923) of a subject's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectHash(u64);

impl SubjectHash {
    /// Hashes the bytes of an id, as received (white space around it already trimmed).
    pub fn of(id: &[u8]) -> Self {
        Self(fnv1a64(id))
    }

    /// The hash that [`Self::get`] gave as a number.
    pub const fn from_number(hash: u64) -> Self {
        Self(hash)
    }

    /// The hash as a number: the subject's fingerprint in a group list.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// FNV-1a 64. `Hasher::write` is used because `Hash for str` would append a byte 0xff.
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_matches_the_vectors_of_rfc_9923() {
        for (text, hash) in [
            ("", 0xcbf2_9ce4_8422_2325),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("b", 0xaf63_df4c_8601_f1a5),
            ("foo", 0xdcb2_7518_fed9_d577),
            ("foobar", 0x8594_4171_f739_67e8),
            ("a\0", 0x089b_e207_b544_f1e4),
        ] {
            assert_eq!(fnv1a64(text.as_bytes()), hash, "{text:?}");
        }
    }
}
