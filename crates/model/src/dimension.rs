//! By what failures are told apart: the country, the browser, the device, or a header of the request, as a plan chooses.
//!
//! Nothing that identifies somebody is a dimension. Headers that name a person, a session or one request are refused,
//! and a value is only taken where it could be shared by many.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::fault::Explain;
use crate::serial::Word;
use crate::{deserialize_from_text, serialize_as_text};

/// So many dimensions a plan may choose: each is counted for each request.
pub const DIMENSIONS_MAX: usize = 4;
/// The longest value, in bytes; what is longer is cut.
pub const VALUE_BYTES_MAX: usize = 32;
/// More digits than so many in a row number something: an account, a telephone, a moment.
const DIGITS_MAX: usize = 6;

/// A property of requests by which failures are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The two-letter country, as the platform tells it.
    Country,
    /// The browser's family.
    Browser,
    /// The class of device.
    Device,
    /// The value of a request header, its name in lower case.
    Header(String),
}

impl Dimension {
    /// So many values of it are kept apart. Countries are about 250; browsers and devices are two short tables.
    pub const fn values_max(&self) -> usize {
        match self {
            Self::Country => 256,
            Self::Browser | Self::Device => 32,
            Self::Header(_) => 16,
        }
    }

    /// Why it cannot be one, if it cannot: its header says who somebody is.
    pub fn is_identifying(&self) -> bool {
        let Self::Header(name) = self else { return false };
        IDENTIFYING.contains(&name.as_str()) || IDENTIFYING_ENDINGS.iter().any(|ending| name.ends_with(ending))
    }

    /// What may be shown of a value: printable, short, and nothing that numbers somebody.
    pub fn shown(value: &str) -> Option<&str> {
        let value = value.trim();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" -_.+/:()".contains(&byte);
        let has_number = value.as_bytes().split(|byte| !byte.is_ascii_digit()).any(|run| run.len() > DIGITS_MAX);
        if value.is_empty() || !value.bytes().all(is_plain) || has_number {
            return None;
        }
        // Plain is ASCII, so it can be cut anywhere.
        value.get(..value.len().min(VALUE_BYTES_MAX)).map(str::trim_end)
    }

    /// What it is called in a sentence.
    pub fn title(&self) -> Cow<'_, str> {
        match self {
            Self::Country => "country".into(),
            Self::Browser => "browser".into(),
            Self::Device => "device".into(),
            Self::Header(name) => name.as_str().into(),
        }
    }
}

/// Headers that say who somebody is, where they are, or which request it was.
const IDENTIFYING: [&str; 20] = [
    "authorization",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "cf-ray",
    "cookie",
    "forwarded",
    "from",
    "if-none-match",
    "proxy-authorization",
    "referer",
    "set-cookie",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-user",
    "x-real-ip",
];
const IDENTIFYING_ENDINGS: [&str; 12] = [
    "-account",
    "-email",
    "-id",
    "-ip",
    "-key",
    "-login",
    "-phone",
    "-secret",
    "-session",
    "-token",
    "-user",
    "-username",
];

/// Why a text is no dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionError(String);

impl std::error::Error for DimensionError {}

impl fmt::Display for DimensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is nothing that failures are told apart by", self.0)
    }
}

impl Explain for DimensionError {
    fn help(&self) -> Option<String> {
        Some("`country`, `browser`, `device` or `header:NAME`".into())
    }
}

impl FromStr for Dimension {
    type Err = DimensionError;

    fn from_str(text: &str) -> Result<Self, DimensionError> {
        match text {
            "country" => Ok(Self::Country),
            "browser" => Ok(Self::Browser),
            "device" => Ok(Self::Device),
            _ => text
                .strip_prefix("header:")
                .filter(|name| crate::source::is_token(name))
                .map(|name| Self::Header(name.to_ascii_lowercase()))
                .ok_or_else(|| DimensionError(text.to_owned())),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country => f.write_str("country"),
            Self::Browser => f.write_str("browser"),
            Self::Device => f.write_str("device"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

serialize_as_text!(Dimension);
deserialize_from_text!(Dimension);

impl Word for Dimension {
    const KINDS: &'static [&'static str] = &["header:"];
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Dimension {
    fn schema_name() -> Cow<'static, str> {
        "Dimension".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`country`, `browser`, `device` or `header:NAME`.",
            "pattern": "^(country|browser|device|header:.+)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_is_printed_as_it_is_read() {
        for text in ["country", "browser", "device", "header:x-tier"] {
            assert_eq!(text.parse::<Dimension>().map(|own| own.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("header:X-Tier".parse(), Ok(Dimension::Header("x-tier".into())));
        for text in ["", "Country", "cookie:tier", "jwt:login.sub", "header:", "header:a b", "user"] {
            assert!(text.parse::<Dimension>().is_err(), "{text}");
        }
    }

    #[test]
    fn headers_that_say_who_somebody_is_are_known() {
        let is_identifying = |name: &str| Dimension::Header(name.into()).is_identifying();
        for name in ["cookie", "authorization", "cf-connecting-ip", "x-user-id", "x-session-token", "user-agent"] {
            assert!(is_identifying(name), "{name}");
        }
        for name in ["x-tier", "accept-language", "x-app-version", "sec-ch-ua-platform", "x-paid"] {
            assert!(!is_identifying(name), "{name}");
        }
        assert!(!Dimension::Country.is_identifying());
    }

    #[test]
    fn what_is_shown_of_a_value_is_short_and_plain() {
        assert_eq!(Dimension::shown(" gold "), Some("gold"));
        assert_eq!(Dimension::shown("2.14.0 (beta)"), Some("2.14.0 (beta)"));
        assert_eq!(Dimension::shown(&"x".repeat(4_000)).map(str::len), Some(VALUE_BYTES_MAX));
        for value in ["", "  ", "a\tb", "<b>", "ana@example.com", "größe", "a\u{202e}b", "+49301234567", "id-20261130"]
        {
            assert_eq!(Dimension::shown(value), None, "{value}");
        }
    }
}
