//! What was measured, for plots.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidegate_model::Name;
use tidegate_model::variant::Variant;

use super::vocabulary::EvidenceOf;
use super::{Percent, Text, Time, shape};

/// What was measured of a rollout.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Metrics {
    /// The rollout.
    pub rollout: Text<Name>,
    /// From when on.
    pub since: Time,
    /// Now, by the controller's clock.
    pub at: Time,
    /// How many minutes a window spans: 1 or 60.
    pub minutes: u32,
    /// The one that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Text<Name>>,
    /// Those of the plan that are measured.
    pub endpoints: Vec<Text<Name>>,
    /// The oldest first. Those that are over stand as they were stored.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Measured>"))]
    pub windows: Vec<Box<RawValue>>,
    /// The sequential tests.
    pub evidence: Vec<Evidence>,
}

shape! {
    /// What was measured under one revision in one minute or hour.
    pub struct Measured {
        /// When it begins.
        pub at: Time,
        /// How many minutes it spans: 1 or 60.
        pub minutes: u32,
        /// Under which revision.
        pub revision: u64,
        /// In effect under this revision, where its history is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub percentage: Option<Percent>,
        /// The version of new under this revision, where it was known.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub version: Option<String>,
        /// The sides: of the whole rollout, or of the endpoint that was asked for.
        pub sides: Vec<MeasuredSide>,
        /// The share of users who chose legacy though the percentage has them on new, among them and those on new;
        /// absent where nobody did.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub opt_out_rate: Option<f64>,
        /// Distinct users of the whole rollout; to 1,024 exactly, then to about 3 %.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub subjects: Option<Subjects>,
    }
}

shape! {
    /// Distinct users by side.
    pub struct Subjects {
        /// On legacy.
        pub legacy: f64,
        /// On new.
        pub new: f64,
    }
}

shape! {
    /// One side: of the whole rollout, or of the endpoint that was asked for.
    pub struct MeasuredSide {
        /// Which.
        pub variant: Text<Variant>,
        /// Absent for the whole rollout.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub endpoint: Option<Text<Name>>,
        /// That the side was asked to answer.
        pub requests: u64,
        /// Those that failed, as the plan defines it: answered with a 5xx, too late or not at all.
        pub errors: u64,
        /// Those that it answered with a 4xx. This and the next three are absent in windows of older versions.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub client_errors: Option<u64>,
        /// Those that had no headers in time.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub timeouts: Option<u64>,
        /// Those that their clients gave up before there were headers.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub abandoned: Option<u64>,
        /// Pages whose body ended early or stalled.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub broken: Option<u64>,
        /// Those that legacy answered in its place.
        pub rescued: u64,
        /// Page views that reported.
        pub pages: u64,
        /// Those with a JavaScript error.
        pub failed_pages: u64,
        /// JavaScript errors.
        pub js_errors: u64,
        /// Copies that it was sent of requests on legacy; none of them is a request. This and the next two are absent
        /// for none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub shadowed: Option<u64>,
        /// Those of them that failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub shadow_errors: Option<u64>,
        /// Those of them that it answered otherwise than legacy, or not at all.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub shadow_mismatches: Option<u64>,
        /// By status from 400: those answered with it. The lowest 16; absent for none.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub statuses: BTreeMap<String, u64>,
        /// By `errors`, `client_errors`, `timeouts`, `abandoned`, `broken` or `status.NNN`: those of a user or client
        /// that had one in the same minute already. Rates leave them out; absent for none.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub repeats: BTreeMap<String, u64>,
        /// By measure (`latency`, `waited`, `shadow_latency`, `lcp`, `fcp`, `cls`, `inp`, `ttfb`, `timing.NAME`): quantiles to 2 %, in
        /// milliseconds but for `cls`.
        pub measures: BTreeMap<String, Quantiles>,
    }
}

shape! {
    /// Quantiles of what was measured; null without observations.
    pub struct Quantiles {
        /// How many observations.
        pub count: u64,
        /// The median.
        pub p50: Option<f64>,
        /// The third quartile.
        pub p75: Option<f64>,
        /// The 95th percentile.
        pub p95: Option<f64>,
        /// The 99th percentile.
        pub p99: Option<f64>,
    }
}

shape! {
    /// How far a comparison is from its decision: a sequential test, which may be evaluated as often as one likes.
    pub struct Evidence {
        /// What it serves.
        pub of: Text<EvidenceOf>,
        /// The condition.
        pub condition: String,
        /// The metric.
        pub metric: String,
        /// Null where it is too large for a number.
        pub e_value: Option<f64>,
        /// The threshold from which it is significant.
        pub e_needed: Option<f64>,
        /// The same in words.
        pub text: String,
        /// The last minute of a comparison that is not made any more, such as after a rollback; it is shown for two
        /// hours.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub ended: Time,
        /// `e_value` at the end of each minute of the last two hours in which it was evaluated, the oldest first. A
        /// controller that is restarted begins a new one.
        pub trail: Vec<(Time, Option<f64>)>,
        /// Between what new's figure lay at the end of each of these minutes, as a multiple of legacy's: an interval
        /// that holds the true one at all times together, but for α. Null for no bound; absent where none is known.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub intervals: Vec<(Time, Option<f64>, Option<f64>)>,
    }
}

shape! {
    /// What copies of legacy's requests have shown of new since the stage began.
    pub struct Shadow {
        /// The share of requests on legacy that is copied now.
        pub share: Percent,
        /// How many copies there were.
        pub copies: u64,
        /// The share of them that new answered otherwise than legacy, or not at all, from 0 to 1; null without copies.
        pub mismatch_rate: Option<f64>,
        /// The share of them that new failed; null without copies.
        pub error_rate: Option<f64>,
        /// The 95th percentile of legacy's times to headers, of the requests that were copied, in milliseconds.
        pub latency_ms_legacy: Option<f64>,
        /// The same of new's, to the copies.
        pub latency_ms_new: Option<f64>,
        /// Copies that new answered otherwise, the newest first, at most 20. A controller that is restarted begins
        /// anew.
        pub samples: Vec<ShadowSample>,
    }
}

shape! {
    /// A copy that new answered otherwise than legacy.
    pub struct ShadowSample {
        /// When.
        pub at: Time,
        /// The path, without what looks like an id.
        pub path: String,
        /// In what the answers differ: `no_answer`, `status`, `type`, `redirect`, `size`, `json`, `title`, `landmarks`,
        /// `links`.
        pub differences: Vec<String>,
        /// The place in JSON at which they do, or what new lacks.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub place: Option<String>,
        /// Legacy's answer.
        pub legacy: ShadowAnswer,
        /// New's.
        pub new: ShadowAnswer,
    }
}

shape! {
    /// What is kept of an answer.
    pub struct ShadowAnswer {
        /// Its status; null where there was none.
        pub status: Option<u16>,
        /// Its type.
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        pub content_type: Option<String>,
        /// A hash of the page's title.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub title: Option<String>,
    }
}
