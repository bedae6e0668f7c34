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
pub(crate) fn is_token(text: &str) -> bool {
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

/// A source and the values that count as a match: `header:x-department = sales | support`,
/// `header:user-agent contains bot | monitor`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Match {
    /// Where the value is read.
    pub source: Source,
    /// How it is compared with each of the values.
    pub comparison: Comparison,
    /// Any of these.
    pub values: Vec<String>,
}

/// How a value of a request is compared with one of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`: it is the same, letter by letter.
    Equals,
    /// `contains`: it is somewhere in it, in upper or lower case.
    Contains,
}

impl Match {
    /// Whether a value that was read at the source is a match.
    pub fn is_met(&self, value: &str) -> bool {
        match self.comparison {
            Comparison::Equals => self.values.iter().any(|own| own == value),
            Comparison::Contains => self.values.iter().any(|own| contains(value, own)),
        }
    }
}

/// Whether `part` is in `text`, whatever the case of either.
fn contains(text: &str, part: &str) -> bool {
    if text.is_ascii() && part.is_ascii() {
        return text.as_bytes().windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part.as_bytes()));
    }
    text.to_lowercase().contains(&part.to_lowercase())
}

/// Why a text is no match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchError {
    /// Its source is malformed.
    Source(SourceError),
    /// It compares with nothing: it has neither `=` nor `contains`, or no value after it.
    NoValue(String),
    /// It compares in a way that there is not: `!=`, `==`.
    Operator(String),
    /// A value has a `*`, which would be compared like any other letter.
    Star {
        /// Where the value is read.
        source: Source,
        /// The value.
        value: String,
    },
}

impl std::error::Error for MatchError {}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::NoValue(text) => write!(f, "`{text}` compares with nothing"),
            Self::Operator(operator) => write!(f, "`{operator}` is no comparison"),
            Self::Star { value, .. } => write!(f, "the `*` in `{value}` would be compared like any other letter"),
        }
    }
}

impl Explain for MatchError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Source(error) => return error.help(),
            Self::NoValue(_) => "`header:x-department = sales`, `country = DE | AT`, `cookie:plan = pro`, `jwt:session.team = web` or `header:user-agent contains bot | monitor`".into(),
            Self::Operator(_) => "`=` for the same value, `contains` for a part of it".into(),
            Self::Star { source, value } => match value.trim_matches('*') {
                "" => "name the values that count".into(),
                part => format!("`{source} contains {part}` finds it anywhere in the value"),
            },
        })
    }
}

impl FromStr for Match {
    type Err = MatchError;

    fn from_str(text: &str) -> Result<Self, MatchError> {
        let no_value = || MatchError::NoValue(text.to_owned());
        let (source, comparison, values) = split(text).ok_or_else(no_value)?;
        if let Some(operator) = operator(source, comparison, values) {
            return Err(MatchError::Operator(operator));
        }
        let source: Source = source.trim().parse().map_err(MatchError::Source)?;
        let values: Vec<String> = values.split('|').map(|value| value.trim().to_owned()).collect();
        if values.iter().any(String::is_empty) {
            return Err(no_value());
        }
        match values.iter().find(|value| is_pattern(value)) {
            Some(value) => Err(MatchError::Star { source, value: value.clone() }),
            None => Ok(Self { source, comparison, values }),
        }
    }
}

/// The source, the comparison that comes first, and the values.
fn split(text: &str) -> Option<(&str, Comparison, &str)> {
    let equals = text.split_once('=').map(|(source, values)| (source, Comparison::Equals, values));
    let contains =
        text.split_once(" contains").filter(|(_, values)| values.is_empty() || values.starts_with(char::is_whitespace));
    let contains = contains.map(|(source, values)| (source, Comparison::Contains, values));
    equals.into_iter().chain(contains).min_by_key(|(source, ..)| source.len())
}

/// What looks like a comparison of other languages around a `=`.
fn operator(source: &str, comparison: Comparison, values: &str) -> Option<String> {
    if comparison != Comparison::Equals {
        return None;
    }
    let before = source.chars().next_back().filter(|letter| "!~^$*<>=".contains(*letter));
    let after = values.chars().next().filter(|letter| matches!(letter, '=' | '~'));
    (before.is_some() || after.is_some()).then(|| before.into_iter().chain(['=']).chain(after).collect())
}

/// Whether somebody meant a pattern: a `*` at either end, unless all of it is the media type `*/*`.
fn is_pattern(value: &str) -> bool {
    (value.starts_with('*') || value.ends_with('*')) && value != "*/*"
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = match self.comparison {
            Comparison::Equals => "=",
            Comparison::Contains => "contains",
        };
        write!(f, "{} {comparison} {}", self.source, self.values.join(" | "))
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
        for text in [
            "header:x-department = sales",
            "country = DE | AT",
            "header:user-agent contains bot | Monitor",
            "header:accept = */*",
            "header:x-note = a contains b",
            "jwt:session.team contains =web",
        ] {
            assert_eq!(text.parse::<Match>().map(|m| m.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn malformed_ones_are_refused() {
        for text in
            ["", "header", "header:", "header:a b", "cookie:a;b", "jwt:session", "jwt:session.", "ip:1", "Header:x"]
        {
            assert_eq!(text.parse::<Source>(), Err(SourceError(text.into())));
        }
    }

    #[track_caller]
    fn is_refused(text: &str, expected: &str) {
        let reported = text.parse::<Match>().map_err(|error| format!("{error}: {}", error.help().unwrap_or_default()));
        assert_eq!(reported, Err(expected.to_owned()), "{text}");
    }

    #[test]
    fn what_is_no_match_is_refused_with_the_way_out() {
        const EXAMPLES: &str = "`header:x-department = sales`, `country = DE | AT`, `cookie:plan = pro`, `jwt:session.team = web` or `header:user-agent contains bot | monitor`";
        for text in [
            "country",
            "country =",
            "country = DE |",
            "country contains",
            "header:user-agent contains bot |",
            "header:user-agent includes bot",
            "header:user-agent containsbot",
        ] {
            is_refused(text, &format!("`{text}` compares with nothing: {EXAMPLES}"));
        }
        const SOURCES: &str = "`header:NAME`, `cookie:NAME`, `jwt:TOKEN.CLAIM` or `country`";
        is_refused("planet = earth", &format!("`planet` is not a place in a request: {SOURCES}"));
        is_refused("user-agent contains bot", &format!("`user-agent` is not a place in a request: {SOURCES}"));
        for (text, operator) in [
            ("country != DE", "!="),
            ("country == DE", "=="),
            ("header:x-email ~= ana", "~="),
            ("header:x-email =~ ana", "=~"),
            ("header:x-email *= ana", "*="),
        ] {
            is_refused(
                text,
                &format!("`{operator}` is no comparison: `=` for the same value, `contains` for a part of it"),
            );
        }
    }

    #[test]
    fn a_star_is_refused_and_contains_is_named() {
        is_refused(
            "header:x-email = *@example.com",
            "the `*` in `*@example.com` would be compared like any other letter: `header:x-email contains @example.com` finds it anywhere in the value",
        );
        is_refused(
            "cookie:plan = pro | team-*",
            "the `*` in `team-*` would be compared like any other letter: `cookie:plan contains team-` finds it anywhere in the value",
        );
        is_refused(
            "header:user-agent contains *bot*",
            "the `*` in `*bot*` would be compared like any other letter: `header:user-agent contains bot` finds it anywhere in the value",
        );
        is_refused(
            "header:x-beta = *",
            "the `*` in `*` would be compared like any other letter: name the values that count",
        );
    }

    #[track_caller]
    fn is_met(text: &str, values: &[&str], others: &[&str]) {
        let own: Match = text.parse().unwrap();
        for value in values {
            assert!(own.is_met(value), "{text} by {value:?}");
        }
        for value in others {
            assert!(!own.is_met(value), "{text} by {value:?}");
        }
    }

    #[test]
    fn equality_is_letter_by_letter_and_containing_is_in_any_case() {
        is_met(
            "header:x-department = sales | support",
            &["sales", "support"],
            &["Sales", "sale", "sales2", "", "sales | support"],
        );
        is_met(
            "header:user-agent contains MyMonitor | probe/2",
            &["Mozilla/5.0 (mymonitor/1.0)", "MYMONITOR", "xProbe/2.1"],
            &["my monitor", "monitor", "", "probe/1"],
        );
        is_met(
            "cookie:city contains köln | ß",
            &["KÖLN", "in Köln am Rhein", "Straße"],
            &["koln", "ko\u{308}ln", "STRASSE"],
        );
    }
}
