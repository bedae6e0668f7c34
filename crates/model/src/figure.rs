//! What a verdict rests on, as values: a metric on both sides, its bound, and what the sequential test
//! used. `decide::explain` is the one place that makes sentences of it.
//!
//! A figure is stored with the change that it led to and read again by other versions, so every field has
//! a default and every word that is not known here reads as the one that says least.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Duration, Instant};

/// What one comparison of a condition rests on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Figure {
    /// The metric, with its endpoint: `latency.p95@api`.
    pub metric: String,
    /// The endpoint alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The unit of `value`, `legacy` and, but for a factor, of `bound`.
    pub unit: Unit,
    /// On new: shares as fractions of 1, times in milliseconds.
    pub value: Option<f64>,
    /// On legacy, where it is compared.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::OrTooLarge"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy: Option<f64>,
    /// What new's is at this time of day, where it is compared with its own past.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::OrTooLarge"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual: Option<f64>,
    /// `<`, `<=`, `>`, `>=` or `=`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The bound in the same unit; the factor of a comparison with legacy.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::OrTooLarge"))]
    pub bound: f64,
    /// What it is compared with.
    pub basis: Basis,
    /// When legacy was last measured, where its last day stands in.
    #[serde(deserialize_with = "moment", skip_serializing_if = "Option::is_none")]
    pub legacy_until: Option<Instant>,
    /// What the guardrail does where it comes true, as the plan has it; none for a gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// The span measured: a duration, `stage` or `attempt`; none where the metric has no span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<String>,
    /// What `observations` counts.
    pub of: Counted,
    /// On how many observations of new the value rests.
    pub observations: f64,
    /// On how many of legacy, where it is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observations_legacy: Option<f64>,
    /// The exposures that the sequential test used: it counts a user's minutes, not requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposures: Option<Exposures>,
    /// The evidence of a comparison, as a number: how many times likelier what was seen is if the
    /// condition is true.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::OrTooLarge"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e_value: Option<f64>,
    /// How much of it there has to be.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::OrTooLarge"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e_needed: Option<f64>,
    /// What the evidence is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shows: Option<Shows>,
    /// Between what new's figure lies, as a multiple of legacy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// What the comparison says so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands: Option<Stands>,
    /// How much longer it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
    /// The most that legacy's can have been, where that stands in for legacy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_most: Option<f64>,
    /// The same over the last minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Now>,
    /// Why the answer is what it is, where the figures alone do not say it.
    #[serde(skip_serializing_if = "Because::is_plain")]
    pub because: Because,
    /// The same in a sentence. The API has it; the history does not store it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A fraction of 1, shown as percent.
    Share,
    /// Milliseconds.
    Milliseconds,
    /// A plain number.
    #[default]
    #[serde(other)]
    Number,
}

/// What a figure is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The same figure of legacy, times the bound, by a sequential test.
    Legacy,
    /// Legacy's figure of its last day with traffic, since too few users or none are on legacy.
    LegacyBefore,
    /// New's own figure at this time of day before, since nobody is on legacy.
    OwnPast,
    /// The share of users that the percentage promises.
    SampleRatio,
    /// A number.
    #[default]
    #[serde(other)]
    Limit,
}

/// What observations are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Requests to the upstreams.
    Requests,
    /// Reports of browsers.
    PageViews,
    /// Different users.
    Users,
    /// Visits without a pause of half an hour.
    Sessions,
    /// Requests on legacy that were copied to new.
    Copies,
    /// Nothing that could be too few: a signal, a percentage, a count.
    #[default]
    #[serde(other)]
    Nothing,
}

/// What the sequential test has counted on either side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Exposures {
    /// Of new.
    pub new: f64,
    /// Of legacy.
    pub legacy: f64,
}

/// What evidence is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Shows {
    /// That new's figure is less than the bound times legacy's.
    Less,
    /// That it is more than twice the bound times the most that legacy's can have been.
    Doubled,
    /// That it is more than the bound times legacy's.
    #[default]
    #[serde(other)]
    More,
}

/// New's figure as a multiple of legacy's: an interval that may be read at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Ratio {
    /// At least so many times; none where nothing can be said yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<f64>,
    /// At most so many times; none where nothing can be said yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// How sure that is, from 0 to 1: the chance that the truth is never outside.
    pub level: f64,
    /// Over the last so many minutes.
    pub minutes: f64,
}

/// What a comparison says so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// New is worse than the bound.
    Worse,
    /// New is not worse, or by less than a quarter.
    NotWorse,
    /// More is needed.
    #[default]
    #[serde(other)]
    Unclear,
}

/// How much longer a comparison needs, at this traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Needs {
    /// About so many minutes.
    pub minutes: f64,
    /// If new's figure is so many times legacy's; none for as much as it seems to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// A figure over the last minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Now {
    /// How many minutes: 1, 5 or 60.
    pub minutes: u32,
    /// On new.
    pub value: Option<f64>,
    /// On legacy, where it is compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy: Option<f64>,
    /// Requests of new in that time that legacy answered instead.
    pub rescued: f64,
}

/// Why a verdict is what it is, beside its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Because {
    /// There is no figure.
    Missing {
        /// Why.
        #[serde(flatten)]
        why: Missing,
    },
    /// Fewer observations of new than needed.
    TooFew {
        /// So many are there.
        found: f64,
        /// So many are needed.
        needed: f64,
        /// How long the rest takes at the traffic so far, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rest_ms: Option<i64>,
    },
    /// Fewer different users on new than needed.
    TooFewUsers {
        /// So many are there.
        found: f64,
        /// So many are needed.
        needed: f64,
    },
    /// Fewer observations of legacy than needed.
    TooFewOfLegacy {
        /// So many are there.
        found: f64,
        /// So many are needed.
        needed: f64,
    },
    /// It has been true for a time, and has to be for longer.
    Held {
        /// For so long, in milliseconds.
        for_ms: i64,
        /// So long is asked for, in milliseconds.
        needed_ms: u64,
    },
    /// The events come from too few users: they may be a trouble of their own.
    FewAffected,
    /// The evidence is enough.
    Significant,
    /// It is not.
    NotSignificant,
    /// What the gate asks for is shown to be false.
    Contrary,
    /// Nothing shows that new is worse.
    NotShownWorse,
    /// Too few users to show anything, but most requests of new fail.
    MostFail,
    /// Nobody comparable is on legacy any more.
    LegacyGone {
        /// When evidence was last added.
        #[serde(default, deserialize_with = "moment", skip_serializing_if = "Option::is_none")]
        last: Option<Instant>,
    },
    /// The figures say it.
    #[default]
    #[serde(other)]
    Plain,
}

impl Because {
    /// Whether the figures say all.
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// Why there is no figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "missing", rename_all = "snake_case")]
pub enum Missing {
    /// Nothing has come in for so long.
    Stale {
        /// For how long, in milliseconds.
        age_ms: i64,
    },
    /// Nothing has come in at all.
    NothingYet,
    /// Legacy has never had traffic.
    NoLegacy,
    /// No page has reported.
    NoPage,
    /// No page has reported anything, so an event may have happened unseen.
    NoBeacon,
    /// Nobody has ever reported this event.
    NoEvent,
    /// The plan does not declare the signal.
    NoSignal,
    /// Nobody has reported the gauge.
    NoGauge,
    /// The gauge's last report is too old.
    OldGauge {
        /// How old, in milliseconds.
        age_ms: i64,
    },
    /// Whoever watches it says that there is no data.
    NoData,
    /// Nobody has ever reported the counted signal.
    NoCount,
    /// The counted signal's reports have stopped.
    Silent {
        /// For how long at least, in milliseconds.
        for_ms: u64,
    },
    /// Nothing was measured in this span.
    #[default]
    #[serde(other)]
    Nothing,
}

impl Missing {
    /// The reports of a counted signal have stopped for this long.
    pub const fn silent(heartbeat: Duration) -> Self {
        Self::Silent { for_ms: heartbeat.as_ms() }
    }
}

/// Reads a moment; what is none is left out.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Instant>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_reads_back_and_one_of_another_version_is_read_as_far_as_it_is_known() {
        let figure = Figure {
            metric: "error_rate".into(),
            unit: Unit::Share,
            value: Some(0.05),
            basis: Basis::Legacy,
            exposures: Some(Exposures { new: 12.0, legacy: 40.0 }),
            now: Some(Now { minutes: 1, value: Some(0.1), legacy: None, rescued: 2.0 }),
            because: Because::Missing { why: Missing::Stale { age_ms: 3 } },
            ..Figure::default()
        };
        let text = serde_json::to_string(&figure).unwrap();
        assert_eq!(serde_json::from_str::<Figure>(&text).unwrap(), figure, "{text}");
        let odd = r#"{"metric":"mood","unit":"smiles","basis":"moon","because":{"code":"eclipse","at":1},"shows":"so","more":[1]}"#;
        let read: Figure = serde_json::from_str(odd).unwrap();
        assert_eq!((read.metric.as_str(), read.unit, read.because), ("mood", Unit::Number, Because::Plain));
        let gone = Because::LegacyGone { last: Some("2026-12-02T14:00:00Z".parse().unwrap()) };
        assert_eq!(serde_json::from_str::<Because>(&serde_json::to_string(&gone).unwrap()).unwrap(), gone);
    }
}
