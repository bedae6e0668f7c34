//! What a copy of a request has shown: in what new's answer differs from legacy's, and samples of it for people.
//!
//! A sample has a path and what both answers were; no body, no query, no header but the type. What looks like an id
//! in a path is not kept.

use serde::{Deserialize, Serialize};

use crate::{Instant, Name};

/// So many samples are kept of one rollout.
pub const SAMPLES_MAX: usize = 20;
/// So long a path of a sample is at most, in bytes.
pub const PATH_BYTES_MAX: usize = 200;
/// Longer names in a path are taken for ids.
const NAME_BYTES_MAX: usize = 40;
/// So many digits in a name of a path make it an id.
const DIGITS_MIN: usize = 4;

/// In what new's answer differs from legacy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// New sent no headers in time, or could not be reached.
    NoAnswer,
    /// The class of the status: 2xx, 3xx, 4xx, 5xx.
    Status,
    /// The type of what is in it.
    Type,
    /// Where it redirects to.
    Redirect,
    /// One is empty, or several times as long.
    Size,
    /// The shape of JSON: fields, and what kind of value each has.
    Json,
    /// The title of a page.
    Title,
    /// The parts of a page: its headings, its main part, navigation, forms.
    Landmarks,
    /// Where a page leads: to less of what legacy's leads to.
    Links,
    /// A script or style sheet that new's page loads and new does not have.
    Assets,
    /// One that this release does not know.
    #[serde(other)]
    Other,
}

impl Difference {
    /// Those that there are.
    pub const ALL: [Self; 10] = [
        Self::NoAnswer,
        Self::Status,
        Self::Type,
        Self::Redirect,
        Self::Size,
        Self::Json,
        Self::Title,
        Self::Landmarks,
        Self::Links,
        Self::Assets,
    ];

    /// Its name in plans, in the API and on the screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Status => "status",
            Self::Type => "type",
            Self::Redirect => "redirect",
            Self::Size => "size",
            Self::Json => "json",
            Self::Title => "title",
            Self::Landmarks => "landmarks",
            Self::Links => "links",
            Self::Assets => "assets",
            Self::Other => "other",
        }
    }
}

/// What is kept of one side's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Answered {
    /// Its status; none where there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its type, without parameters.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// A hash of the page's title: two that are the same have the same title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// One copy that was answered otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShadowSample {
    /// When.
    pub at: Instant,
    /// The path, without what looks like an id.
    pub path: String,
    /// In what the answers differ.
    pub differences: Vec<Difference>,
    /// The place in JSON at which they do, or what new lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Legacy's answer.
    pub legacy: Answered,
    /// New's.
    pub new: Answered,
}

/// A sample, and the rollout that it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleOf {
    /// The rollout.
    pub rollout: Name,
    /// The sample.
    pub sample: ShadowSample,
}

impl ShadowSample {
    /// Whether it is one that an isolate of any release can have sent: short, and without a query.
    pub fn is_plausible(&self) -> bool {
        let is_short = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() <= PATH_BYTES_MAX);
        let is_answer = |own: &Answered| is_short(&own.content_type) && is_short(&own.title);
        self.path.len() <= PATH_BYTES_MAX
            && !self.path.contains('?')
            && self.differences.len() <= Difference::ALL.len()
            && is_short(&self.place)
            && is_answer(&self.legacy)
            && is_answer(&self.new)
    }
}

/// The samples of one rollout: the newest of each kind first, at most [`SAMPLES_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowSamples(pub Vec<ShadowSample>);

impl ShadowSamples {
    /// Keeps a sample. One of the same path that differs in the same gives way to it; else the oldest does, but the
    /// only one of its kind stays as long as another kind has several.
    pub fn add(&mut self, sample: ShadowSample) {
        self.0.retain(|own| own.path != sample.path || own.differences != sample.differences);
        if self.0.len() >= SAMPLES_MAX {
            let is_single = |own: &ShadowSample| {
                self.0.iter().filter(|other| other.differences.first() == own.differences.first()).count() == 1
            };
            let last = self.0.iter().rposition(|own| !is_single(own)).unwrap_or(SAMPLES_MAX - 1);
            self.0.remove(last);
        }
        self.0.insert(0, sample);
    }
}

/// A path, or a place in JSON, without what looks like an id, at most [`PATH_BYTES_MAX`] long.
pub fn masked(path: &str) -> String {
    let is_id = |name: &str| {
        let digits = name.bytes().filter(u8::is_ascii_digit).count();
        digits >= DIGITS_MIN
            || (digits > 0 && digits == name.len())
            || name.len() > NAME_BYTES_MAX
            || name.contains('@')
            || name.to_ascii_lowercase().contains("%40")
    };
    let path = path.split(['?', '#', ';']).next().unwrap_or_default();
    let names: Vec<&str> = path.split('/').map(|name| if is_id(name) { "*" } else { name }).collect();
    let mut text = names.join("/");
    let end = (0..=PATH_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_an_id_is_not_kept() {
        for (path, kept) in [
            ("/", "/"),
            ("/products/blue-shoe", "/products/blue-shoe"),
            ("/orders/17", "/orders/*"),
            ("/u/ana@example.com/cart", "/u/*/cart"),
            ("/u/ana%40example.com", "/u/*"),
            ("/x/3f2504e0-4f89-11d3-9a0c-0305e82c3301?token=1", "/x/*"),
            ("/p2/index;jsessionid=1", "/p2/index"),
        ] {
            assert_eq!(masked(path), kept);
        }
        assert!(masked(&"/ä".repeat(300)).len() <= PATH_BYTES_MAX);
    }

    fn sample(path: String, difference: Difference) -> ShadowSample {
        ShadowSample {
            at: Instant::from_epoch_ms(1),
            path,
            differences: vec![difference],
            place: None,
            legacy: Answered::default(),
            new: Answered::default(),
        }
    }

    #[test]
    fn samples_are_bounded_and_a_rare_kind_stays() {
        let mut samples = ShadowSamples::default();
        samples.add(sample("/rare".into(), Difference::Redirect));
        (0..100).for_each(|n| samples.add(sample(format!("/p{n}"), Difference::Status)));
        (0..9).for_each(|_| samples.add(sample("/p99".into(), Difference::Status)));
        assert_eq!(samples.0.len(), SAMPLES_MAX);
        assert_eq!(samples.0[0].path, "/p99");
        assert_eq!(samples.0.iter().filter(|own| own.path == "/p99").count(), 1);
        assert!(samples.0.iter().any(|own| own.path == "/rare"));
    }

    #[test]
    fn a_difference_of_a_later_release_is_read() {
        assert_eq!(serde_json::from_str::<Difference>("\"fonts\"").ok(), Some(Difference::Other));
        for own in Difference::ALL {
            assert_eq!(serde_json::to_string(&own).ok(), Some(format!("\"{}\"", own.as_str())));
        }
    }
}
