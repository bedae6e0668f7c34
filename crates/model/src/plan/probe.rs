//! Probes: pages that the controller asks for again and again, and what it expects of them. Hooks: what is asked before
//! a stage is entered, or left.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::fields::Reader;
use super::words::{SecretName, WordError, words};
use crate::name::is_name_byte;
use crate::node::Node;
use crate::variant::Variant;
use crate::{Duration, Name, serialize_as_text};

/// How often a probe is made where the plan says nothing.
pub const EVERY_DEFAULT: Duration = Duration::minutes(1);
/// It is not made more often than this: each is a request to a frontend.
pub const EVERY_MIN: Duration = Duration::seconds(10);
/// A probe that takes longer has failed.
pub const PROBE_MAX: Duration = Duration::seconds(10);
/// How long a hook may take to answer where the plan says nothing.
pub const HOOK_DEFAULT: Duration = Duration::seconds(10);
/// A hook has no longer than this: it says `wait` where it is not done.
pub const HOOK_MAX: Duration = Duration::seconds(25);
/// The longest text that is looked for, in bytes.
const CONTAINS_BYTES_MAX: usize = 1_000;
/// The longest path, in bytes; servers take hardly more.
const PATH_BYTES_MAX: usize = 2_000;

/// A page that is asked for again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What conditions call it: `probe.NAME`.
    pub name: Name,
    /// The path, with its query.
    pub path: ProbePath,
    /// The sides that are asked, each by itself.
    pub on: Vec<Variant>,
    /// How often.
    pub every: Duration,
    /// What makes it pass.
    pub expect: Expectation,
}

/// What makes a probe pass: all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// The status.
    pub status: u16,
    /// A text that the body holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// All of the answer is there within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under: Option<Duration>,
}

impl Default for Expectation {
    fn default() -> Self {
        Self { status: 200, contains: None, under: None }
    }
}

/// The path of a probe, with its query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProbePath(String);

impl ProbePath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as a name: `/account/login?x=1` is `account-login`, `/` is `root`.
    fn name(&self) -> Option<Name> {
        let path = self.0.split('?').next().unwrap_or_default().trim_matches('/');
        let text: String = path
            .chars()
            .map(|own| if u8::try_from(own).is_ok_and(is_name_byte) { own } else { '-' })
            .take(60)
            .collect();
        let text = text.trim_matches(['-', '.', '_']);
        if text.is_empty() { "root".parse().ok() } else { text.parse().ok() }
    }
}

impl FromStr for ProbePath {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let is_path = text.starts_with('/')
            && !text.starts_with("//")
            && text.len() <= PATH_BYTES_MAX
            && !text.contains('#')
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_path { Ok(Self(text.to_owned())) } else { Err(WordError::new(text, "a path", "such as `/login`")) }
    }
}

impl fmt::Display for ProbePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serialize_as_text!(ProbePath);

/// Reads a probe.
pub fn probe(r: &mut Reader, node: &Node) -> Option<Probe> {
    let mut f = r.fields(node)?;
    let path: Option<ProbePath> = f.required(r, "path", Reader::parsed);
    let name: Option<Name> = f.optional(r, "name", Reader::parsed);
    let on: Vec<Side> = f.optional(r, "on", Reader::parsed_one_or_more).unwrap_or_else(|| vec![Side(Variant::New)]);
    let mut on: Vec<Variant> = on.into_iter().map(|side| side.0).collect();
    on.dedup();
    let every: Duration = f.optional(r, "every", Reader::parsed).unwrap_or(EVERY_DEFAULT);
    let expect = f.optional(r, "expect", expectation).unwrap_or_default();
    f.end(r);
    if every.as_ms() < EVERY_MIN.as_ms() {
        r.error(node.span.clone(), format_args!("`{every}` is too often"), Some(format!("{EVERY_MIN} or longer")));
    }
    let path = path?;
    let name = name.or_else(|| path.name())?;
    Some(Probe { name, path, on, every, expect })
}

/// A side, as a list of them has it.
struct Side(Variant);

impl FromStr for Side {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        text.parse().map(Self).map_err(|()| WordError::new(text, "a side", "`legacy` or `new`"))
    }
}

fn expectation(r: &mut Reader, node: &Node) -> Option<Expectation> {
    let mut f = r.fields(node)?;
    let status = f.optional(r, "status", status).unwrap_or(200);
    let contains: Option<String> = f.optional(r, "contains", Reader::text);
    let under: Option<Duration> = f.optional(r, "under", Reader::parsed);
    f.end(r);
    if let Some(under) = under.filter(|under| under.as_ms() > PROBE_MAX.as_ms()) {
        let help = format!("{PROBE_MAX} or less: a probe that takes longer has failed anyway");
        r.error(node.span.clone(), format_args!("`{under}` is too long"), Some(help));
    }
    if contains.as_ref().is_some_and(|text| text.is_empty() || text.len() > CONTAINS_BYTES_MAX) {
        let help = format!("a text of 1 to {CONTAINS_BYTES_MAX} bytes that the page holds");
        r.error(node.span.clone(), "`contains` cannot be looked for", Some(help));
    }
    Some(Expectation { status, contains, under })
}

fn status(r: &mut Reader, node: &Node) -> Option<u16> {
    let whole = r.whole(node)?;
    let status = u16::try_from(whole).ok().filter(|status| (200..600).contains(status));
    if status.is_none() {
        let help = "from 200 to 599, such as 200, or 302 for a page that redirects to the sign-in".to_owned();
        r.error(node.span.clone(), format_args!("{whole} is no status of an answer"), Some(help));
    }
    status
}

words! {
    /// Before a stage is entered, or before it is left.
    HookSide is "a side of a step" of {
        /// Before the stage is entered.
        Before = "before",
        /// After it was entered, and before it is left.
        After = "after",
    } allows "`before` or `after`"
}

/// When a hook is asked: `before canary`, `after canary`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookAt {
    /// On which side of the step.
    pub side: HookSide,
    /// The stage.
    pub stage: Name,
}

impl FromStr for HookAt {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let read = || {
            let (side, stage) = text.split_once(' ')?;
            Some(Self { side: side.parse().ok()?, stage: stage.trim().parse().ok()? })
        };
        read().ok_or_else(|| WordError::new(text, "a moment of a hook", "`before STAGE` or `after STAGE`"))
    }
}

impl fmt::Display for HookAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.side, self.stage)
    }
}

serialize_as_text!(HookAt);

/// What is asked before a stage is entered, or left: a signed webhook whose answer says go, wait or stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// When it is asked.
    pub at: HookAt,
    /// The secret that holds its address.
    pub url: SecretName,
    /// The secret that holds the key, or keys, that sign what it is asked.
    pub signing_secret: SecretName,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// What it does, for people.
    pub description: Option<String>,
}

impl Serialize for Hook {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("webhook", &self.url)?;
        map.serialize_entry("signing_secret", &self.signing_secret)?;
        if self.timeout != HOOK_DEFAULT {
            map.serialize_entry("timeout", &self.timeout)?;
        }
        if let Some(description) = &self.description {
            map.serialize_entry("description", description)?;
        }
        map.end()
    }
}

/// Reads a hook.
pub fn hook(r: &mut Reader, node: &Node) -> Option<Hook> {
    let mut f = r.fields(node)?;
    let at = f.required(r, "at", Reader::parsed);
    let url = f.required(r, "webhook", Reader::parsed);
    let signing_secret = f.required(r, "signing_secret", Reader::parsed);
    let timeout: Duration = f.optional(r, "timeout", Reader::parsed).unwrap_or(HOOK_DEFAULT);
    let description = f.optional(r, "description", Reader::text);
    f.end(r);
    if timeout.as_ms() == 0 || timeout.as_ms() > HOOK_MAX.as_ms() {
        let help = format!("at most {HOOK_MAX}: what takes longer answers `wait`, and is asked again");
        r.error(node.span.clone(), format_args!("a hook cannot have {timeout}"), Some(help));
    }
    Some(Hook { at: at?, url: url?, signing_secret: signing_secret?, timeout, description })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T>(reading: fn(&mut Reader, &Node) -> Option<T>, value: serde_json::Value) -> (Option<T>, Vec<String>) {
        let node: Node = serde_json::from_value(value).unwrap();
        let mut reader = Reader::default();
        let found = reading(&mut reader, &node);
        (found, reader.faults.into_iter().map(|fault| fault.message).collect())
    }

    #[test]
    fn a_probe_says_little_and_prints_all() {
        let (found, faults) = read(probe, json!({ "path": "/account/login?x=1" }));
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(
            serde_json::to_value(found.unwrap()).unwrap(),
            json!({ "name": "account-login", "path": "/account/login?x=1", "on": ["new"], "every": "1m", "expect": { "status": 200 } })
        );
        let (root, _) = read(probe, json!({ "path": "/" }));
        assert_eq!(root.unwrap().name.as_str(), "root");
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let whole = json!({ "name": "in", "path": "/login", "on": ["new", "legacy"], "every": "30s",
            "expect": { "status": 302, "contains": "Sign in", "under": "2s" } });
        assert_eq!(serde_json::to_value(read(probe, whole.clone()).0.unwrap()).unwrap(), whole);
        let whole = json!({ "at": "before canary", "webhook": "secret:URL", "signing_secret": "secret:KEY",
            "timeout": "20s", "description": "Load test" });
        assert_eq!(serde_json::to_value(read(hook, whole.clone()).0.unwrap()).unwrap(), whole);
    }

    #[test]
    fn what_makes_no_probe_is_refused() {
        for (value, fault) in [
            (json!({}), "`path` is missing"),
            (json!({ "path": "login" }), "`login` is not a path"),
            (json!({ "path": "//evil.example" }), "`//evil.example` is not a path"),
            (json!({ "path": "/", "every": "5s" }), "`5s` is too often"),
            (json!({ "path": "/", "on": ["old"] }), "`old` is not a side"),
            (json!({ "path": "/", "expect": { "status": 99 } }), "99 is no status of an answer"),
            (json!({ "path": "/", "expect": { "under": "1m" } }), "`1m` is too long"),
            (json!({ "path": "/", "expect": { "contains": "" } }), "`contains` cannot be looked for"),
        ] {
            assert_eq!(read(probe, value.clone()).1, [fault], "{value}");
        }
    }

    #[test]
    fn what_makes_no_hook_is_refused() {
        let whole = |at: &str, timeout: &str| json!({ "at": at, "webhook": "secret:A", "signing_secret": "secret:B", "timeout": timeout });
        for (value, fault) in [
            (whole("at canary", "1s"), "`at canary` is not a moment of a hook"),
            (whole("before canary", "1m"), "a hook cannot have 1m"),
            (
                json!({ "at": "before a", "webhook": "https://a.example", "signing_secret": "secret:B" }),
                "an address stands here in plain text, and whoever reads the plan could use it",
            ),
            (json!({ "at": "before a", "webhook": "secret:A" }), "`signing_secret` is missing"),
        ] {
            assert_eq!(read(hook, value.clone()).1, [fault], "{value}");
        }
    }
}
