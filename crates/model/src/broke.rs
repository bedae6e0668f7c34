//! What broke, as values: which failures, where, which errors of pages, how many people. The history keeps them with
//! a rollback; sentences are made of them where they are shown.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::dimension::Dimension;
use crate::plan::words::words;
use crate::{Minute, Name};

words! {
    /// A kind of failure.
    FailureClass is "a class of failures" of {
        /// Answers of 5xx.
        ServerErrors = "5xx",
        /// Answers of 4xx.
        ClientErrors = "4xx",
        /// No headers in time.
        Timeouts = "timeout",
        /// No answer at all, though not for want of time.
        Refused = "refused",
        /// A page's body ended early or stalled.
        Broken = "broken",
        /// The client gave up before there were headers.
        Abandoned = "abandoned",
    } allows "`5xx`, `4xx`, `timeout`, `refused`, `broken` or `abandoned`"
}

crate::deserialize_from_text!(FailureClass);

impl FailureClass {
    /// All of them, the worst first.
    pub const ALL: [Self; 6] =
        [Self::ServerErrors, Self::Timeouts, Self::Refused, Self::Broken, Self::ClientErrors, Self::Abandoned];
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Share {
    /// So many.
    pub count: u64,
    /// Of so many.
    pub of: u64,
}

impl Share {
    /// The share; 0 of nothing.
    pub fn rate(&self) -> f64 {
        if self.of == 0 { 0.0 } else { self.count as f64 / self.of as f64 }
    }
}

/// A class of failures that is more frequent on new, somewhere or everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// Which failures.
    pub class: FailureClass,
    /// The plan's endpoint; absent for everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Name>,
    /// The endpoint's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of its requests on new.
    #[serde(default)]
    pub new: Share,
    /// Of its requests on legacy.
    #[serde(default)]
    pub legacy: Share,
    /// The statuses, the most frequent first: the status and how often new answered with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<(u16, u64)>,
}

/// A JavaScript error that is more frequent on new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ScriptError {
    /// Its fingerprint: name, message and file without their variable parts.
    pub fingerprint: String,
    /// Page views of new with it, at least, of those that reported.
    pub new: Share,
    /// Page views of legacy with it.
    pub legacy: Share,
    /// The minute in which new first had it, counted since 1970, where legacy never had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_on_new: Option<Minute>,
}

words! {
    /// What goes wrong, as dimensions tell it apart.
    Trouble is "a trouble" of {
        /// Requests that failed, as the plan defines it.
        Failures = "failures",
        /// Answers of 4xx.
        ClientErrors = "4xx",
        /// Page views with a JavaScript error.
        JsErrors = "js_errors",
    } allows "`failures`, `4xx` or `js_errors`"
}

crate::deserialize_from_text!(Trouble);

impl Trouble {
    /// All of them, the worst first.
    pub const ALL: [Self; 3] = [Self::Failures, Self::ClientErrors, Self::JsErrors];
}

/// A value of one of the plan's dimensions that has much more of a trouble on new than all others have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StandsOut {
    /// What goes wrong.
    pub trouble: Trouble,
    /// The dimension.
    pub dimension: Dimension,
    /// The value.
    pub value: String,
    /// Of its requests, or page views, on new.
    pub new: Share,
    /// Of those of all other values on new.
    pub others: Share,
    /// Of its own on legacy.
    pub legacy: Share,
}

/// How many people: an estimate with its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct People {
    /// About so many.
    pub about: u64,
    /// At least, with a confidence of 95 %. The same as `about` where everybody was counted.
    pub from: u64,
    /// At most, likewise.
    pub to: u64,
}

/// What broke.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Broke {
    /// How many minutes this is about, up to now.
    pub minutes: u32,
    /// Failures of requests, those with the most over legacy first.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known")]
    pub failures: Vec<Failure>,
    /// JavaScript errors, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<ScriptError>,
    /// Values of the plan's dimensions that stand out.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known")]
    pub stands_out: Vec<StandsOut>,
    /// Users of new with a failed request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<People>,
    /// Users of new with a JavaScript error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erring: Option<People>,
}

/// Those whose words are known here: a later release may have others.
fn known<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(all.into_iter().filter_map(|own| serde_json::from_value(own).ok()).collect())
}

impl Broke {
    /// Whether there is nothing to say.
    pub const fn is_empty(&self) -> bool {
        self.failures.is_empty() && self.scripts.is_empty() && self.stands_out.is_empty()
    }
}
