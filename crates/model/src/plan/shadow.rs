//! Shadow traffic: of requests that legacy answers, copies go to new, and nobody waits for them.
//!
//! What a plan says here is a budget, what may be copied at all, and what a comparison passes over. A stage may say
//! its own share.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::Plan;
use super::fields::Reader;
use super::words::WordError;
use crate::node::Node;
use crate::route::PathPattern;
use crate::shadow::Difference;
use crate::{Percentage, deserialize_from_text, serialize_as_text};

/// The share where a plan has the table and names none: 5 %.
const SHARE_DEFAULT: u32 = 5_000;
/// So many copies a second one isolate sends where the plan does not say.
pub const RPS_DEFAULT: u32 = 5;
/// More copies a second from one isolate are a load test.
pub const RPS_MAX: u32 = 100;
/// So much of each answer is read where the plan does not say, and at most, in KB.
pub const KB_MAX: u32 = 256;
/// So many places of JSON may be passed over.
pub const IGNORED_MAX: usize = 64;

/// What is copied to new, and how it is compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shadow {
    /// The share of requests that legacy answers.
    pub share: Percentage,
    /// So many copies a second from one isolate at most.
    #[serde(skip_serializing_if = "is_rps_default")]
    pub max_rps: u32,
    /// So much of each answer is read to compare it, in KB; 0 reads none.
    #[serde(skip_serializing_if = "is_kb_default")]
    pub max_kb: u32,
    /// Whether cookies and `authorization` go with a copy.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub credentials: bool,
    /// Where requests that are no GET are copied too: what they do twice is safe there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathPattern>,
    /// What a comparison passes over.
    #[serde(skip_serializing_if = "Compare::is_default")]
    pub compare: Compare,
}

/// What a comparison passes over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compare {
    /// Places in JSON that may differ, with all that is under them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json_ignore: Vec<Pointer>,
    /// Differences that are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Difference>,
}

impl Compare {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Shadow {
    fn default() -> Self {
        Self {
            share: Percentage::from_limit(SHARE_DEFAULT).unwrap_or(Percentage::ZERO),
            max_rps: RPS_DEFAULT,
            max_kb: KB_MAX,
            credentials: true,
            paths: Vec::new(),
            compare: Compare::default(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
const fn is_rps_default(rps: &u32) -> bool {
    *rps == RPS_DEFAULT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
const fn is_kb_default(kb: &u32) -> bool {
    *kb == KB_MAX
}

/// A place in JSON as RFC 6901 has it, `/items/*/price`; `*` is every item of a list, and every field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    /// Its names, in which `~1` is `/` and `~0` is `~`.
    pub names: Vec<String>,
}

impl FromStr for Pointer {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let error = || {
            WordError::new(
                text,
                "a place in JSON",
                "names after `/`, such as `/time` or `/items/*/id`; `*` is any name",
            )
        };
        let rest = text.strip_prefix('/').filter(|rest| !rest.is_empty()).ok_or_else(error)?;
        let is_escaped = |name: &str| name.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if text.len() > 200 || !rest.split('/').all(is_escaped) {
            return Err(error());
        }
        let names = rest.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        Ok(Self { text: text.to_owned(), names })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Difference {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let allowed = "`type`, `redirect`, `size`, `json`, `title`, `landmarks`, `links` or `assets`; what fails is never passed over";
        let known = Self::ALL.into_iter().find(|own| own.as_str() == text);
        let may_be = known.filter(|own| !matches!(own, Self::NoAnswer | Self::Status));
        may_be.ok_or_else(|| WordError::new(text, "a difference that may be passed over", allowed))
    }
}

serialize_as_text!(Pointer);
deserialize_from_text!(Pointer);

impl Plan {
    /// The share of requests on legacy that are copied to new in the stage at `index`.
    pub fn shadow_share(&self, index: usize) -> Percentage {
        let own = self.stages.get(index).and_then(|stage| stage.shadow);
        own.or(self.shadow.as_ref().map(|shadow| shadow.share)).unwrap_or(Percentage::ZERO)
    }

    /// Whether any stage copies anything.
    pub fn has_shadow(&self) -> bool {
        (0..self.stages.len()).any(|index| self.shadow_share(index) > Percentage::ZERO)
    }
}

/// Reads the table.
pub fn read(r: &mut Reader, node: &Node) -> Option<Shadow> {
    let mut f = r.fields(node)?;
    let other = Shadow::default();
    let shadow = Shadow {
        share: f.optional(r, "share", Reader::percentage).unwrap_or(other.share),
        max_rps: f.optional(r, "max_rps", |r, node| at_most(r, node, 1, RPS_MAX)).unwrap_or(other.max_rps),
        max_kb: f.optional(r, "max_kb", |r, node| at_most(r, node, 0, KB_MAX)).unwrap_or(other.max_kb),
        credentials: f.optional(r, "credentials", Reader::boolean).unwrap_or(other.credentials),
        paths: f.optional(r, "paths", |r, node| r.one_or_more(node, super::read::path_pattern)).unwrap_or_default(),
        compare: f.optional(r, "compare", compare).unwrap_or_default(),
    };
    f.end(r);
    Some(shadow)
}

fn compare(r: &mut Reader, node: &Node) -> Option<Compare> {
    let mut f = r.fields(node)?;
    let json_ignore = f.optional(r, "json_ignore", Reader::parsed_one_or_more).unwrap_or_default();
    let ignore = f.optional(r, "ignore", Reader::parsed_one_or_more).unwrap_or_default();
    f.end(r);
    Some(Compare { json_ignore, ignore })
}

fn at_most(r: &mut Reader, node: &Node, least: u32, most: u32) -> Option<u32> {
    let number = r.whole(node)?;
    let fitting = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
    if fitting.is_none() {
        r.error(node.span.clone(), format_args!("{number} is not from {least} to {most}"), None);
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_json_is_names_after_slashes() {
        let names = |text: &str| text.parse::<Pointer>().map(|pointer| pointer.names).ok();
        assert_eq!(names("/time"), Some(vec!["time".to_owned()]));
        assert_eq!(names("/items/*/a~1b~0c"), Some(vec!["items".into(), "*".into(), "a/b~c".into()]));
        for wrong in ["", "/", "time", "items/0", "/a~2", "/a~"] {
            assert_eq!(names(wrong), None, "{wrong}");
        }
    }
}
