//! The small closed vocabularies of a plan, each with the words that it allows.

use std::fmt;
use std::str::FromStr;

use crate::fault::Explain;
use crate::variant::Variant;
use crate::{Duration, Name, Percentage, serialize_as_text};

/// Why a text is none of the words allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordError {
    word: String,
    what: &'static str,
    allowed: &'static str,
}

impl WordError {
    /// `word` is not `what` (with its article); `allowed` would have been.
    pub fn new(word: &str, what: &'static str, allowed: &'static str) -> Self {
        Self { word: word.to_owned(), what, allowed }
    }
}

impl std::error::Error for WordError {}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.word, self.what)
    }
}

impl Explain for WordError {
    fn help(&self) -> Option<String> {
        Some(self.allowed.to_owned())
    }
}

/// The place of `text` among `words`; behind the last of them if it is not there.
#[inline(never)]
pub(crate) fn place(text: &str, words: &[&str]) -> usize {
    words.iter().position(|word| *word == text).unwrap_or(words.len())
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident is $what:literal of { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? } allows $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl std::str::FromStr for $name {
            type Err = $crate::plan::words::WordError;

            fn from_str(text: &str) -> Result<Self, $crate::plan::words::WordError> {
                let known = [$(Self::$variant),+].get($crate::plan::words::place(text, &[$($word),+]));
                known.copied().ok_or_else(|| $crate::plan::words::WordError::new(text, $what, $allowed))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        crate::serialize_as_text!($name);

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Who takes the next step.
    Advance is "a way to advance" of {
        /// The schedule.
        Auto = "auto",
        /// An operator.
        Manual = "manual",
    } allows "`auto` or `manual`"
}

impl Advance {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::Auto
    }
}

words! {
    /// What shared caches may keep of a response that depends on the cohort.
    CachePolicy is "a cache policy" of {
        /// Nothing: such responses become private.
        Private = "private",
        /// What the upstream says: the site's caches key on the variant.
        Upstream = "upstream",
    } allows "`private` or `upstream`"
}

impl CachePolicy {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::Private
    }
}

words! {
    /// Who keeps their side for a while when the percentage moves.
    StickyMoves is "a way to move people" of {
        /// Who is in a visit, until it ends.
        Visit = "visit",
    } allows "`visit`"
}

words! {
    /// What people may choose for their own browser.
    Choice is "what people may choose" of {
        /// To go to new.
        In = "in",
        /// To go back to legacy.
        Out = "out",
        /// Either.
        Both = "both",
    } allows "`in`, `out` or `both`"
}

impl Choice {
    /// Whether somebody may choose this side.
    pub fn allows(self, variant: Variant) -> bool {
        match self {
            Self::Both => true,
            Self::In => variant == Variant::New,
            Self::Out => variant == Variant::Legacy,
        }
    }
}

words! {
    /// How loud a guardrail is.
    Severity is "a severity" of {
        /// Someone is woken up.
        Critical = "critical",
        /// Someone looks in the morning.
        Warning = "warning",
    } allows "`critical` or `warning`"
}

words! {
    /// How likely or how bad a risk is.
    Level is "a level" of {
        /// Hardly.
        Low = "low",
        /// Somewhat.
        Medium = "medium",
        /// Very.
        High = "high",
    } allows "`low`, `medium` or `high`"
}

words! {
    /// What kind of fact a signal is.
    SignalKind is "a kind of signal" of {
        /// Events, added up; none reported is zero.
        Count = "count",
        /// A level; the last value counts.
        Gauge = "gauge",
    } allows "`count` or `gauge`"
}

/// What a guardrail does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Kill: legacy for everyone, above all else.
    Off,
    /// To 0 %, no groups.
    Rollback,
    /// To the stage before.
    Previous,
    /// To this percentage or the current one, whichever is less; then paused.
    Reduce(Percentage),
    /// Stay, and advance no further.
    Pause,
    /// Tell someone.
    Alert,
}

impl FromStr for Action {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let plain = [Self::Off, Self::Rollback, Self::Previous, Self::Pause, Self::Alert];
        let known = plain.get(place(text, &["off", "rollback", "previous", "pause", "alert"])).copied();
        let known = known.or_else(|| text.strip_suffix('%')?.parse().ok().map(Self::Reduce));
        known.ok_or_else(|| {
            WordError::new(
                text,
                "an action",
                "`off`, `rollback`, `previous`, `pause`, `alert` or a percentage such as `5%`",
            )
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Rollback => f.write_str("rollback"),
            Self::Previous => f.write_str("previous"),
            Self::Reduce(percentage) => write!(f, "{percentage}%"),
            Self::Pause => f.write_str("pause"),
            Self::Alert => f.write_str("alert"),
        }
    }
}

serialize_as_text!(Action);

/// The name of one of the Worker's secrets, written `secret:NAME`; its value never stands in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretName(pub Name);

/// Why a text is not the name of a secret. The text may be the secret itself, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretNameError {
    /// It is an address, and those carry keys.
    Address,
    /// It is something else.
    NoName,
}

impl fmt::Display for SecretNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "an address stands here in plain text, and whoever reads the plan could use it",
            Self::NoName => "this is not the name of a secret",
        })
    }
}

impl Explain for SecretNameError {
    fn help(&self) -> Option<String> {
        Some("write `secret:NAME`, and set its value with `npx wrangler secret put NAME` (locally in .dev.vars)".into())
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        let kind = if text.contains("://") { SecretNameError::Address } else { SecretNameError::NoName };
        let name = text.strip_prefix("secret:").and_then(|name| name.parse().ok());
        name.map(Self).ok_or(kind)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret:{}", self.0)
    }
}

serialize_as_text!(SecretName);

/// How often figures are looked at: `15m until 8h`, or `1h` for the rest of the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckIn {
    /// The time between two looks.
    pub every: Duration,
    /// Since the stage was entered; absent means to its end.
    pub until: Option<Duration>,
}

impl FromStr for CheckIn {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let read = || {
            let (every, until) = text.split_once(" until ").map_or((text, None), |(every, until)| (every, Some(until)));
            let every: Duration = every.trim().parse().ok()?;
            let until = match until {
                Some(until) => Some(until.trim().parse().ok()?),
                None => None,
            };
            (every.as_ms() > 0).then_some(Self { every, until })
        };
        read().ok_or_else(|| WordError::new(text, "a check-in", "`15m until 8h`, or `1h` for the rest of the stage"))
    }
}

impl fmt::Display for CheckIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(f, "{} until {until}", self.every),
            None => write!(f, "{}", self.every),
        }
    }
}

serialize_as_text!(CheckIn);

words! {
    /// Whom a message of the communication plan is for.
    Audience is "an audience" of {
        /// Those who release.
        Team = "team",
        /// Those for whom it is released.
        Client = "client",
        /// Those who use it.
        Users = "users",
    } allows "`team`, `client` or `users`"
}

impl Audience {
    /// `the team`, `the client`, `users`.
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Team => "the team",
            Self::Client => "the client",
            Self::Users => "users",
        }
    }
}

/// An address that people open, such as a dashboard's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url(String);

impl FromStr for Url {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_whole = rest.is_some_and(|rest| {
            let has_host = rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '[');
            has_host && !rest.contains(|letter: char| letter.is_whitespace() || letter.is_control())
        });
        if is_whole {
            return Ok(Self(text.to_owned()));
        }
        Err(WordError::new(text, "an address", "such as `https://grafana.example.com/d/checkout`"))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serialize_as_text!(Url);

words! {
    /// Before or after.
    Sign is "a sign" of {
        /// Before.
        Minus = "-",
        /// After.
        Plus = "+",
    } allows "`-` or `+`"
}
