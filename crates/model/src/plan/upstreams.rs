//! Where a rollout's requests go, and what is expected of the answers: the two frontends, rules for
//! single paths, and which answers count as failures.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::probe::ProbePath;
use super::words::WordError;
use crate::fault::Explain;
use crate::route::PathPattern;
use crate::upstream::{Upstream, UpstreamError};
use crate::variant::Variant;
use crate::{Duration, serialize_as_text};

/// How long the new upstream may take to send headers where the plan names nothing.
pub const TIMEOUT_DEFAULT: Duration = Duration::seconds(10);

/// The two frontends of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upstreams {
    /// The frontend that everybody had.
    pub legacy: Backend,
    /// The frontend being released.
    pub new: Backend,
    /// How long legacy answers where new fails.
    #[serde(skip_serializing_if = "Rescue::is_default")]
    pub rescue: Rescue,
    /// Which requests legacy answers at once while new fails.
    #[serde(skip_serializing_if = "Breaker::is_default")]
    pub breaker: Breaker,
    /// How long an upstream may take to send headers. Requests to new that legacy can answer are given up
    /// then; any other that takes longer counts as a time-out, on both sides alike.
    pub timeout: Duration,
}

impl Upstreams {
    /// The frontend of a side.
    pub const fn side(&self, variant: Variant) -> &Backend {
        match variant {
            Variant::Legacy => &self.legacy,
            Variant::New => &self.new,
        }
    }
}

/// A frontend, or a service that both sides share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Where it is.
    pub place: Place,
    /// What it sees as the origin of requests that come from the public host.
    pub origin: OriginPolicy,
    /// How long it may take to send headers, whatever is asked; without limit where absent.
    pub timeout: Option<Duration>,
    /// Where its answers say which version it is.
    pub version: Option<VersionSource>,
}

impl From<Place> for Backend {
    fn from(place: Place) -> Self {
        Self { place, origin: OriginPolicy::Public, timeout: None, version: None }
    }
}

impl Serialize for Backend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.origin == OriginPolicy::Public && self.timeout.is_none() && self.version.is_none() {
            return self.place.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("url", &self.place)?;
        if self.origin != OriginPolicy::Public {
            map.serialize_entry("origin", &self.origin)?;
        }
        if let Some(timeout) = &self.timeout {
            map.serialize_entry("timeout", timeout)?;
        }
        if let Some(version) = &self.version {
            map.serialize_entry("version", version)?;
        }
        map.end()
    }
}

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

super::words::words! {
    /// What another version of new means to a stage that is under way.
    Redeploy is "what a deployment means" of {
        /// Its hold, figures and evidence begin anew.
        Restart = "restart",
        /// They go on.
        Continue = "continue",
    } allows "`restart` or `continue`"
}

impl Redeploy {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::Restart
    }
}

/// Where an upstream is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// At an address.
    Url(Upstream),
    /// Another Worker, by the name of its service binding. It sees the public address.
    Service(String),
}

impl Place {
    /// The address, unless it is a Worker.
    pub const fn url(&self) -> Option<&Upstream> {
        match self {
            Self::Url(upstream) => Some(upstream),
            Self::Service(_) => None,
        }
    }
}

/// Why a text is no place of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceError {
    /// Its address is malformed.
    Url(UpstreamError),
    /// Its service binding has no valid name.
    Service(String),
}

impl std::error::Error for PlaceError {}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Service(name) => write!(f, "`{name}` is not the name of a service binding"),
        }
    }
}

impl Explain for PlaceError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Url(error) => {
                error.help().map(|help| format!("{help}; another Worker by its binding: `service:NAME`"))
            }
            Self::Service(_) => {
                Some("letters, digits and `_`, as in `binding = \"NEW\"` of `[[services]]` in wrangler.toml".into())
            }
        }
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let Some(name) = text.strip_prefix("service:") else {
            return text.parse().map(Self::Url).map_err(PlaceError::Url);
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name { Ok(Self::Service(name.to_owned())) } else { Err(PlaceError::Service(name.to_owned())) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(upstream) => upstream.fmt(f),
            Self::Service(name) => write!(f, "service:{name}"),
        }
    }
}

serialize_as_text!(Place);

super::words::words! {
    /// What an upstream sees in `Origin` and `Referer` of requests that come from the public host.
    OriginPolicy is "an origin policy" of {
        /// The public host, as the browser says.
        Public = "public",
        /// Its own address, for frameworks that compare it with `Host`.
        Rewrite = "rewrite",
    } allows "`public` or `rewrite`"
}

/// How long legacy answers where new fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rescue {
    /// Never.
    Off,
    /// As long as the plan names legacy.
    #[default]
    On,
    /// Until the rollout has completed.
    UntilCompleted,
}

impl Rescue {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::On
    }
}

impl Serialize for Rescue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On => serializer.serialize_bool(true),
            Self::UntilCompleted => serializer.serialize_str("until_completed"),
        }
    }
}

/// Which requests legacy answers at once while new fails, so that new is not asked and nobody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Breaker {
    /// None: new is asked each time.
    Off,
    /// GET and HEAD: what changes something waits for new.
    Reads,
    /// All.
    #[default]
    On,
}

impl Breaker {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::On
    }
}

impl Serialize for Breaker {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On => serializer.serialize_bool(true),
            Self::Reads => serializer.serialize_str("reads"),
        }
    }
}

/// What holds for some paths of a rollout. What a rule leaves out is as the next less specific one, and at
/// last the plan, has it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct PathRule {
    /// The paths.
    #[serde(rename = "match")]
    pub paths: Vec<PathPattern>,
    /// How long an upstream may take to send headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether legacy answers where new fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rescue: Option<bool>,
    /// Which requests legacy answers at once while new fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Whether its requests are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<bool>,
    /// The side that answers, once the rollout is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Variant>,
    /// What counts as a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failures>,
    /// A backend that both sides share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Backend>,
}

impl PathRule {
    /// How specific the pattern is by which the rule takes a path, or `None` where it does not take it.
    pub fn specificity(&self, path: &str) -> Option<usize> {
        self.paths.iter().filter(|pattern| pattern.matches(path)).map(PathPattern::specificity).max()
    }
}

/// The rules that take one path, the most specific first.
#[derive(Clone, Debug, Default)]
pub struct PathRules<'a>(Vec<&'a PathRule>);

impl<'a> PathRules<'a> {
    /// The rules of a plan that take a path.
    pub fn of(rules: &'a [PathRule], path: &str) -> Self {
        // Most plans have none, and then nothing is allocated.
        let mut taking: Vec<(usize, &PathRule)> =
            rules.iter().filter_map(|rule| Some((rule.specificity(path)?, rule))).collect();
        taking.sort_by_key(|(specificity, _)| std::cmp::Reverse(*specificity));
        Self(taking.into_iter().map(|(_, rule)| rule).collect())
    }

    /// What the most specific rule says that says anything.
    pub fn find<T>(&self, field: impl Fn(&'a PathRule) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|rule| field(rule))
    }
}

/// What of an answer counts as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// A status of this hundred: 4 or 5.
    Class(u16),
    /// This status.
    Status(u16),
    /// No headers in time.
    Timeout,
    /// A page that ends early, or stalls.
    Broken,
}

impl FromStr for FailureKind {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let status = || text.parse::<u16>().ok().filter(|status| text.len() == 3 && (400..600).contains(status));
        match text {
            "4xx" => Ok(Self::Class(4)),
            "5xx" => Ok(Self::Class(5)),
            "timeout" => Ok(Self::Timeout),
            "broken" => Ok(Self::Broken),
            _ => status().map(Self::Status).ok_or_else(|| {
                WordError::new(
                    text,
                    "a kind of failure",
                    "`4xx`, `5xx`, a status from 400 to 599 such as `404`, `timeout` or `broken`",
                )
            }),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Timeout => f.write_str("timeout"),
            Self::Broken => f.write_str("broken"),
        }
    }
}

serialize_as_text!(FailureKind);

/// What counts as a failure. That no answer comes at all always does, and so does a status over 599, which
/// HTTP does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failures(pub Vec<FailureKind>);

impl Default for Failures {
    fn default() -> Self {
        Self(vec![FailureKind::Class(5), FailureKind::Timeout, FailureKind::Broken])
    }
}

impl Failures {
    /// Whether an answer with this status is one.
    pub fn has_status(&self, status: u16) -> bool {
        status > 599
            || self.0.iter().any(|kind| {
                matches!(*kind, FailureKind::Class(class) if status / 100 == class)
                    || *kind == FailureKind::Status(status)
            })
    }

    /// Whether this is one.
    pub fn has(&self, kind: FailureKind) -> bool {
        self.0.contains(&kind)
    }

    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_address_or_a_service_binding() {
        for text in ["https://new.example.com", "https://apps.example.com/shop", "service:NEW", "service:new_2"] {
            assert_eq!(text.parse::<Place>().map(|place| place.to_string()), Ok(text.to_owned()));
        }
        for text in ["service:", "service:a-b", "service:1", "service:a b", "Service:NEW", "binding:NEW"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_stands_in_a_header_or_is_the_etag_of_a_file() {
        for text in ["header:x-build", "etag of /version.json", "etag of /a?b=c"] {
            assert_eq!(text.parse::<VersionSource>().map(|source| source.to_string()), Ok(text.to_owned()));
        }
        for text in ["header:", "header:a b", "etag", "etag of ", "etag of version.json", "etag:/x", "x-build"] {
            assert!(text.parse::<VersionSource>().is_err(), "{text}");
        }
    }

    #[test]
    fn failures_are_classes_statuses_and_what_is_no_status() {
        let failures = |words: &[&str]| Failures(words.iter().filter_map(|word| word.parse().ok()).collect());
        for (words, failing, passing) in [
            (&["5xx"][..], &[500, 503, 599, 600, 999][..], &[200, 301, 404, 499][..]),
            (&["404", "5xx"], &[404, 500], &[403, 410]),
            (&["4xx"], &[400, 499, 999], &[500, 399]),
            (&[], &[600], &[500, 599]),
        ] {
            let failures = failures(words);
            assert!(failing.iter().all(|status| failures.has_status(*status)), "{words:?}");
            assert!(!passing.iter().any(|status| failures.has_status(*status)), "{words:?}");
        }
        for text in ["3xx", "6xx", "200", "600", "04", "timeouts", "5XX", ""] {
            assert!(text.parse::<FailureKind>().is_err(), "{text}");
        }
    }

    #[test]
    fn of_several_rules_the_most_specific_that_says_anything_counts() {
        let rule = |path: &str, timeout: Option<u32>, rescue: Option<bool>| PathRule {
            paths: path.parse().into_iter().collect(),
            timeout: timeout.map(Duration::seconds),
            rescue,
            ..PathRule::default()
        };
        let rules =
            [rule("/*", Some(1), None), rule("/api/poll/*", Some(60), None), rule("/api/*", Some(5), Some(false))];
        let found = |path: &str| {
            let rules = PathRules::of(&rules, path);
            (rules.find(|rule| rule.timeout).map(Duration::as_ms), rules.find(|rule| rule.rescue))
        };
        assert_eq!(found("/api/poll/1"), (Some(60_000), Some(false)));
        assert_eq!(found("/api/x"), (Some(5_000), Some(false)));
        assert_eq!(found("/x"), (Some(1_000), None));
    }
}
