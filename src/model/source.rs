//! Where a fact about a request comes from: a header, a cookie, a claim of a verified JWT, or the
//! country.

use std::fmt;
use std::str::FromStr;

use super::fault::Explain;
use super::{Name, serialize_as_text};

/// A place in a request that holds a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A request header, its name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A claim of the token that `[identity.jwt.NAME]` describes; deeper claims by their path.
    Claim {
        /// The token's name.
        token: Name,
        /// The claim's name, preceded by those of the claims around it.
        path: Vec<String>,
    },
    /// The two-letter country from which the request came, as the platform tells it.
    Country,
}

/// Why a text is no source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceError(String);

impl std::error::Error for SourceError {}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a place in a request", self.0)
    }
}

impl Explain for SourceError {
    fn help(&self) -> Option<String> {
        Some("`header:NAME`, `cookie:NAME`, `jwt:TOKEN.CLAIM` or `country`".into())
    }
}

/// Whether `text` is a token of RFC 9110 §5.6.2, as the names of headers and cookies are.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let malformed = || SourceError(text.to_owned());
        if text == "country" {
            return Ok(Self::Country);
        }
        let (kind, name) = text.split_once(':').ok_or_else(malformed)?;
        match kind {
            "header" if is_token(name) => Ok(Self::Header(name.to_ascii_lowercase())),
            "cookie" if is_token(name) => Ok(Self::Cookie(name.to_owned())),
            "jwt" => {
                let (token, path) = name.split_once('.').ok_or_else(malformed)?;
                let path: Vec<String> = path.split('.').map(str::to_owned).collect();
                if path.iter().any(String::is_empty) {
                    return Err(malformed());
                }
                Ok(Self::Claim { token: token.parse().map_err(|_| malformed())?, path })
            }
            _ => Err(malformed()),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Claim { token, path } => write!(f, "jwt:{token}.{}", path.join(".")),
            Self::Country => f.write_str("country"),
        }
    }
}

serialize_as_text!(Source);

/// A source and the values that count as a match: `header:x-department = sales | support`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    /// Where the value is read.
    pub source: Source,
    /// Any of these, letter by letter.
    pub values: Vec<String>,
}

/// Why a text is no match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchError {
    /// Its source is malformed.
    Source(SourceError),
    /// It has no `=`, or no value after it.
    NoValue(String),
}

impl std::error::Error for MatchError {}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::NoValue(text) => write!(f, "`{text}` compares with nothing"),
        }
    }
}

impl Explain for MatchError {
    fn help(&self) -> Option<String> {
        Some("`header:x-department = sales`, `country = DE | AT`, `cookie:plan = pro` or `jwt:session.team = web`".into())
    }
}

impl FromStr for Match {
    type Err = MatchError;

    fn from_str(text: &str) -> Result<Self, MatchError> {
        let no_value = || MatchError::NoValue(text.to_owned());
        let (source, values) = text.split_once('=').ok_or_else(no_value)?;
        let source = source.trim().parse().map_err(MatchError::Source)?;
        let values: Vec<String> = values.split('|').map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err(no_value());
        }
        Ok(Self { source, values })
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.source, self.values.join(" | "))
    }
}

serialize_as_text!(Match);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_matches_print_back() {
        for text in ["header:x-user-id", "cookie:uid", "jwt:session.sub", "jwt:session.org.id", "country"] {
            assert_eq!(text.parse::<Source>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in ["header:x-department = sales", "country = DE | AT"] {
            assert_eq!(text.parse::<Match>().map(|m| m.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn malformed_ones_are_refused() {
        for text in ["", "header", "header:", "header:a b", "cookie:a;b", "jwt:session", "jwt:session.", "ip:1", "Header:x"] {
            assert_eq!(text.parse::<Source>(), Err(SourceError(text.into())));
        }
        for text in ["country", "country =", "country = DE |", "planet = earth"] {
            assert!(text.parse::<Match>().is_err(), "{text}");
        }
    }
}
