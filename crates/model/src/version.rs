//! Which build of new answers: whatever its makers call it, such as `v2.1.0` or a commit.
//!
//! Versions are compared for equality alone: nothing is older or newer than another, since a deployment may go back.

use std::fmt;
use std::str::FromStr;

use super::fault::Explain;
use super::{deserialize_from_text, serialize_as_text};

/// The longest version, in bytes.
const LENGTH_MAX: usize = 100;

/// A build: 1 to 100 visible ASCII characters other than `"` and `\`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(Box<str>);

impl Version {
    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionError(String);

impl std::error::Error for VersionError {}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a version", self.0)
    }
}

impl Explain for VersionError {
    fn help(&self) -> Option<String> {
        Some(format!(
            "such as v2.1.0 or a commit: at most {LENGTH_MAX} visible ASCII characters, without quotation marks, `\\` and spaces"
        ))
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let is_good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_good) {
            Ok(Self(text.into()))
        } else {
            let shown: String = text.chars().take(LENGTH_MAX).collect();
            Err(VersionError(shown))
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serialize_as_text!(Version);
deserialize_from_text!(Version);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_its_makers_call_it() {
        for text in ["v2.1.0", "2026-11-29.4+abc", "3f1c9ae", "main/417", &"x".repeat(100)] {
            assert_eq!(text.parse::<Version>().map(|version| version.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "a b", "\"x\"", "a\\b", "é", "a\n", &"x".repeat(101)] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
