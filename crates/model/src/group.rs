//! Lists of subjects as sorted fingerprints.
//!
//! A list of a million ids is kept as a million 64-bit hashes (8 MB) and searched by halving. Two
//! ids share a fingerprint with a chance of about 1 in 10^13 for a list of that size; groups steer,
//! they are no access control.
//!
//! A list that people write is UTF-8, one id per line. What only programs put there (a byte-order
//! mark, the line ends of another system, white space that no request's id has around it) is left
//! out. Otherwise ids stay as they are: quotes may belong to them. In another encoding every id
//! would be another one, silently, so such a list is refused.

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
    pub fn of_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let ids = ids.into_iter().map(trimmed).filter(|id| !id.is_empty());
        Self::sorted(ids.map(|id| SubjectHash::of(id.as_bytes()).get()).collect())
    }

    fn sorted(hashes: BinaryHeap<u64>) -> Self {
        let mut hashes = hashes.into_sorted_vec();
        hashes.dedup();
        Self(hashes)
    }

    /// Reads the value of a KV key `group/NAME`: ids, one per line, or the compact form.
    ///
    /// # Errors
    /// When the ids are no text in UTF-8, or the compact form is cut off or not sorted.
    pub fn read(bytes: &[u8]) -> Result<Self, GroupError> {
        let Some(body) = bytes.strip_prefix(&MAGIC) else {
            return Ok(Self::of_ids(lines(bytes)?));
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

/// The lines of a list that is a text, whichever system ended them: by a line feed, a carriage
/// return, or both, which then encloses an empty line.
///
/// # Errors
/// When it is no text in UTF-8.
pub fn lines(bytes: &[u8]) -> Result<impl Iterator<Item = &str>, GroupError> {
    if [[0xff, 0xfe], [0xfe, 0xff]].iter().any(|mark| bytes.starts_with(mark)) {
        return Err(GroupError::Utf16);
    }
    if ARCHIVES.iter().any(|start| bytes.starts_with(start)) {
        return Err(GroupError::Archive);
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        // The first letter of most texts in UTF-16 has one.
        return Err(if at < 2 { GroupError::Utf16 } else { GroupError::Nul { line: line_at(bytes, at) } });
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.split(['\n', '\r'])),
        Err(error) => Err(GroupError::NotUtf8 { line: line_at(bytes, error.valid_up_to()) }),
    }
}

/// What surrounds an id in a list, and no id of a request. A byte-order mark stands at the beginning
/// of a text, and in the middle where two were joined.
pub fn trimmed(id: &str) -> &str {
    id.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
}

/// How spreadsheets (XLSX, ODS) and what else is zipped begin, and what is gzipped.
const ARCHIVES: [&[u8]; 2] = [b"PK\x03\x04", b"\x1f\x8b"];

/// The line of the byte at an index, from 1. A pair of carriage return and line feed ends one line.
fn line_at(bytes: &[u8], index: usize) -> usize {
    let before = bytes.get(..index).unwrap_or_default();
    let is_end = |pair: &&[u8]| matches!(pair, [b'\r', next] if *next != b'\n') || matches!(pair, [b'\n', _]);
    let last = usize::from(matches!(before, [.., b'\n' | b'\r']));
    1 + before.windows(2).filter(is_end).count() + last
}

/// Why a list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupError {
    /// It is a text in UTF-16 or UTF-32.
    Utf16,
    /// It is a file of a spreadsheet, or compressed.
    Archive,
    /// A line has a byte that is in no text.
    Nul {
        /// The line, from 1.
        line: usize,
    },
    /// It is a text in another encoding, such as Latin-1.
    NotUtf8 {
        /// The first line that shows it, from 1.
        line: usize,
    },
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
            Self::Utf16 => f.write_str("the list is in UTF-16, so no id in it would be found"),
            Self::Archive => f.write_str("the list is a spreadsheet's own file or an archive, no text"),
            Self::Nul { line } => write!(f, "line {line} of the list has a NUL byte, as texts in UTF-16 have"),
            Self::NotUtf8 { line } => {
                write!(f, "line {line} of the list is not in UTF-8, so its id would not be found")
            }
            Self::CutOff { bytes } => write!(f, "the list of fingerprints is cut off after {bytes} bytes"),
            Self::Unsorted => f.write_str("the list of fingerprints is not sorted"),
        }
    }
}

impl Explain for GroupError {
    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Utf16 | Self::Nul { .. } | Self::NotUtf8 { .. } => "save it as UTF-8, one id per line",
            Self::Archive => "save it as text in UTF-8, one id per line",
            Self::CutOff { .. } | Self::Unsorted => "write the value again with `tidegate group`",
        };
        Some(help.into())
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

    #[track_caller]
    fn reads(bytes: &[u8], ids: &[&str]) {
        assert_eq!(
            Fingerprints::read(bytes),
            Ok(Fingerprints::of_ids(ids.iter().copied())),
            "{}",
            bytes.escape_ascii()
        );
        assert_eq!(Fingerprints::read(bytes).map(|list| list.len()), Ok(ids.len()), "{}", bytes.escape_ascii());
    }

    #[test]
    fn what_programs_put_around_ids_is_left_out() {
        reads(b"\xef\xbb\xbfana\r\nben\r\n", &["ana", "ben"]);
        reads(b"ana\n\xef\xbb\xbfben\n\xef\xbb\xbf", &["ana", "ben"]);
        reads(b"\xef\xbb\xbf", &[]);
        reads(b"ana\rben\r", &["ana", "ben"]);
        reads("\u{a0}ana\u{a0}\n\u{3000}josé\u{2028}\n\x0cben\t\n".as_bytes(), &["ana", "josé", "ben"]);
    }

    #[test]
    fn what_may_belong_to_an_id_stays() {
        reads(b"\"ana\",\"ben\"", &["\"ana\",\"ben\""]);
        reads(b"\"ana\"\n'ben'\n", &["\"ana\"", "'ben'"]);
        reads(b"id\nana;ben\nana smith\n# team\n", &["id", "ana;ben", "ana smith", "# team"]);
    }

    #[track_caller]
    fn refuses(bytes: &[u8], error: &str) {
        let reported =
            Fingerprints::read(bytes).map_err(|error| format!("{error} ({})", error.help().unwrap_or_default()));
        assert_eq!(reported, Err(error.to_owned()), "{}", bytes.escape_ascii());
    }

    #[test]
    fn texts_in_other_encodings_are_refused_with_the_way_out() {
        const UTF_16: &str = "the list is in UTF-16, so no id in it would be found (save it as UTF-8, one id per line)";
        refuses(b"\xff\xfea\0n\0a\0\n\0", UTF_16);
        refuses(b"\xfe\xff\0a\0n\0a\0\n", UTF_16);
        refuses(b"a\0n\0a\0\n\0", UTF_16);
        refuses(b"\0a\0n\0a\0\n", UTF_16);
        refuses(b"\xff\xfe\0\0a\0\0\0", UTF_16);
        refuses(
            b"ana\nben\r\nc\0arl\n",
            "line 3 of the list has a NUL byte, as texts in UTF-16 have (save it as UTF-8, one id per line)",
        );
        // Cyrillic in UTF-16 without a mark: the line end shows it.
        refuses(
            b"\x30\x04\n\0",
            "line 2 of the list has a NUL byte, as texts in UTF-16 have (save it as UTF-8, one id per line)",
        );
        refuses(
            b"ana\rben\r\njos\xe9\n",
            "line 3 of the list is not in UTF-8, so its id would not be found (save it as UTF-8, one id per line)",
        );
        refuses(
            b"\n\n\x80",
            "line 3 of the list is not in UTF-8, so its id would not be found (save it as UTF-8, one id per line)",
        );
        refuses(
            b"PK\x03\x04\x14\0",
            "the list is a spreadsheet's own file or an archive, no text (save it as text in UTF-8, one id per line)",
        );
        // A mark of the compact form that was cut is no text either.
        refuses(
            &MAGIC[..4],
            "line 1 of the list is not in UTF-8, so its id would not be found (save it as UTF-8, one id per line)",
        );
    }

    #[test]
    fn damaged_lists_are_refused() {
        let mut bytes = Fingerprints::of_ids(["a", "b", "c"]).to_bytes();
        assert_eq!(Fingerprints::read(&bytes[..bytes.len() - 1]), Err(GroupError::CutOff { bytes: 31 }));
        bytes[8..].reverse();
        assert_eq!(Fingerprints::read(&bytes), Err(GroupError::Unsorted));
    }
}
