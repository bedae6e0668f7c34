//! Names that travel in KV keys, headers and URLs: keys of rollouts, stages, groups, signals.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use super::fault::Explain;
use super::{deserialize_from_text, serialize_as_text};

/// The longest name, in bytes; KV keys end at 512.
const LENGTH_MAX: usize = 100;

/// A word of letters, digits, `_`, `-` and `.`, 1 to 100 bytes long, that starts with a letter or
/// a digit. It needs no escaping in a KV key, a header or a URL.
///
/// A copy shares the text, and is known to be equal without a look at it: each request compares names of a thousand
/// flags with those of their counts.
#[derive(Clone, Debug, Eq, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Stands for a name that could not be read, in a plan that is not going to be used.
    pub fn unreadable() -> Self {
        Self("?".into())
    }
}

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError(String);

impl std::error::Error for NameError {}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a name", self.0)
    }
}

impl Explain for NameError {
    fn help(&self) -> Option<String> {
        Some(format!("letters, digits, `_`, `-` and `.`, starting with a letter or a digit, at most {LENGTH_MAX} long"))
    }
}

/// Whether `byte` may stand in a name after its first byte.
pub fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && text.len() <= LENGTH_MAX && text.bytes().all(is_name_byte) {
            Ok(Self(text.into()))
        } else {
            Err(NameError(text.to_owned()))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

serialize_as_text!(Name);
deserialize_from_text!(Name);

impl super::serial::Word for Name {
    const KINDS: &'static [&'static str] = &[""];
}
