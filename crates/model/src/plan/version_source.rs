//! Where new says which version of it is there.

use std::fmt;
use std::str::FromStr;

use super::probe::ProbePath;
use super::words::WordError;
use crate::serialize_as_text;

/// Where a frontend says which version of it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionSource {
    /// `header:NAME`: a header of its answers to visitors, by its name in lower case.
    Header(String),
    /// `etag of /PATH`: the `ETag` of a file that is another one in each version, which the controller asks for.
    Etag(ProbePath),
}

impl VersionSource {
    /// The header of answers to visitors, where it is one.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Header(name) => Some(name),
            Self::Etag(_) => None,
        }
    }

    /// The path that the controller asks for, where it does.
    pub const fn path(&self) -> Option<&ProbePath> {
        match self {
            Self::Header(_) => None,
            Self::Etag(path) => Some(path),
        }
    }
}

impl FromStr for VersionSource {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let header = text.strip_prefix("header:").filter(|name| !name.is_empty() && name.bytes().all(is_token));
        let path = text.strip_prefix("etag of ").and_then(|path| path.trim_start().parse().ok());
        let source = header.map(|name| Self::Header(name.to_ascii_lowercase())).or_else(|| path.map(Self::Etag));
        source.ok_or_else(|| {
            let help = "a header of new's answers, such as `header:x-build`, or the ETag of a file that each version has its own of: `etag of /version.json`";
            WordError::new(text, "where a version stands", help)
        })
    }
}

impl fmt::Display for VersionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Etag(path) => write!(f, "etag of {path}"),
        }
    }
}

serialize_as_text!(VersionSource);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stands_in_a_header_or_is_the_etag_of_a_file() {
        for text in ["header:x-build", "etag of /version.json", "etag of /a?b=c"] {
            assert_eq!(text.parse::<VersionSource>().map(|source| source.to_string()), Ok(text.to_owned()));
        }
        for text in ["header:", "header:a b", "etag", "etag of ", "etag of version.json", "etag:/x", "x-build"] {
            assert!(text.parse::<VersionSource>().is_err(), "{text}");
        }
    }
}
