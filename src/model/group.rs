//! Lists of subjects as sorted fingerprints.
//!
//! A list of a million ids is kept as a million 64-bit hashes (8 MB) and searched by halving. Two
//! ids share a fingerprint with a chance of about 1 in 10^13 for a list of that size; groups steer,
//! they are no access control.

use std::collections::BinaryHeap;
use std::fmt;

use super::fault::Explain;
use super::subject::SubjectHash;

/// The first bytes of a list in its compact form. 0xff never begins a text in UTF-8, so no list
/// of ids can be taken for one.
pub const MAGIC: [u8; 8] = *b"\xffTGIDS1\n";

/// A set of subjects.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Fingerprints(Vec<u64>);

impl Fingerprints {
    /// The list of these ids; white space around an id is ignored, and so is an empty one.
    pub fn of_ids<'a>(ids: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let ids = ids.into_iter().map(<[u8]>::trim_ascii).filter(|id| !id.is_empty());
        Self::sorted(ids.map(|id| SubjectHash::of(id).get()).collect())
    }

    fn sorted(hashes: BinaryHeap<u64>) -> Self {
        let mut hashes = hashes.into_sorted_vec();
        hashes.dedup();
        Self(hashes)
    }

    /// Reads the value of a KV key `group/NAME`: ids, one per line, or the compact form.
    ///
    /// # Errors
    /// When the compact form is cut off or not sorted.
    pub fn read(bytes: &[u8]) -> Result<Self, GroupError> {
        let Some(body) = bytes.strip_prefix(&MAGIC) else {
            return Ok(Self::of_ids(bytes.split(|byte| *byte == b'\n')));
        };
        let (chunks, rest) = body.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(GroupError::CutOff { bytes: bytes.len() });
        }
        let hashes: Vec<u64> = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
        if hashes.is_sorted_by(|a, b| a < b) { Ok(Self(hashes)) } else { Err(GroupError::Unsorted) }
    }

    /// The compact form: [`MAGIC`], then each fingerprint in eight bytes, the least first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.0.iter().flat_map(|hash| hash.to_le_bytes());
        MAGIC.into_iter().chain(hashes).collect()
    }

    /// Whether the subject is in the list.
    pub fn contains(&self, subject: SubjectHash) -> bool {
        self.0.binary_search(&subject.get()).is_ok()
    }

    /// The number of subjects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is in the list.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why a list in the compact form cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupError {
    /// Its length is no multiple of eight.
    CutOff {
        /// The length of the whole value.
        bytes: usize,
    },
    /// Its fingerprints are out of order.
    Unsorted,
}

impl std::error::Error for GroupError {}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff { bytes } => write!(f, "the list of fingerprints is cut off after {bytes} bytes"),
            Self::Unsorted => f.write_str("the list of fingerprints is not sorted"),
        }
    }
}

impl Explain for GroupError {
    fn help(&self) -> Option<String> {
        Some("write the value again with `tidegate group`".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(list: &Fingerprints, id: &str) -> bool {
        list.contains(SubjectHash::of(id.as_bytes()))
    }

    #[test]
    fn a_text_and_its_compact_form_are_the_same_list() {
        let list = Fingerprints::read(b"ana@example.com\r\n\n  ben \nana@example.com").unwrap_or_default();
        assert_eq!(list.len(), 2);
        assert!(has(&list, "ana@example.com") && has(&list, "ben") && !has(&list, "eve") && !has(&list, ""));
        assert_eq!(Fingerprints::read(&list.to_bytes()), Ok(list));
    }

    #[test]
    fn damaged_lists_are_refused() {
        let mut bytes = Fingerprints::of_ids([b"a".as_slice(), b"b", b"c"]).to_bytes();
        assert_eq!(Fingerprints::read(&bytes[..bytes.len() - 1]), Err(GroupError::CutOff { bytes: 31 }));
        bytes[8..].reverse();
        assert_eq!(Fingerprints::read(&bytes), Err(GroupError::Unsorted));
    }
}
