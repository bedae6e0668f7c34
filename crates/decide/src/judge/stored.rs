//! What a judge remembers, as it is stored: it must outlive the memory of the controller.
//!
//! Whatever another release stores beside it is passed over, and so is the evidence for what this release
//! does not know.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};

use super::alone::Alone;
use super::comparing::{ComparisonKey, ComparisonTracker, Direction};
use super::notifications::Notifications;
use super::{Judge, Verdict};
use crate::comparison::Comparison;
use crate::firsts::{FirstEvidence, Firsts};
use crate::means::MeanComparison;
use crate::notify::Memory;
use crate::overdispersion::SideSlices;
use crate::own_past::OwnPast;
use crate::problems::Lasting;
use tidegate_model::condition::Condition;
use tidegate_model::measured::Quantity;
use tidegate_model::serial::known_entries;
use tidegate_model::{Duration, Instant, Minute};

/// Borrowed to be written, owned where it was read.
#[derive(Serialize, Deserialize)]
struct StoredJudge<'a> {
    begun_revision: u64,
    gatherings: Vec<StoredTracker<'a>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty", deserialize_with = "firsts")]
    firsts: Cow<'a, [Firsts]>,
    held: Cow<'a, [(String, Instant, Instant)]>,
    fired: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    observed: Cow<'a, [(String, Instant)]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    problems: Cow<'a, [Lasting]>,
    since: Cow<'a, [(String, Verdict, Instant)]>,
    #[serde(default, rename = "agenda")]
    notifications: Cow<'a, Notifications>,
    #[serde(default, skip_serializing_if = "Memory::is_empty")]
    notified: Cow<'a, Memory>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfair_revision: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    looked_at: Option<Instant>,
}

fn firsts<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, [Firsts]>, D::Error> {
    known_entries::<Quantity, _, _>(deserializer).map(Cow::Owned)
}

#[derive(Serialize, Deserialize)]
struct StoredTracker<'a> {
    /// The question as a condition, `error_rate@api > 1.3x legacy`.
    question: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Duration>,
    comparison: Cow<'a, Comparison>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<Cow<'a, FirstEvidence>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alone: Option<Cow<'a, Alone>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean: Option<Cow<'a, MeanComparison>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own: Option<Cow<'a, OwnPast>>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    open: Cow<'a, [(u64, SideSlices)]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edge: Option<(i16, Minute)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    added_at: Option<Instant>,
}

impl<'a> StoredTracker<'a> {
    fn of(own: &'a ComparisonTracker) -> Self {
        Self {
            question: format!("{}x legacy", own.question.key()),
            after: own.question.after,
            comparison: Cow::Borrowed(&own.comparison),
            first: own.first.as_ref().map(Cow::Borrowed),
            alone: own.alone.as_ref().map(Cow::Borrowed),
            mean: own.mean.as_deref().map(Cow::Borrowed),
            own: own.own.as_deref().map(Cow::Borrowed),
            open: Cow::Borrowed(&own.open),
            edge: own.edge,
            added_at: own.added_at,
        }
    }

    /// The tracker; `None` where the question is of a kind that is not known here.
    fn read(self) -> Option<ComparisonTracker> {
        let condition: Condition = self.question.parse().ok()?;
        let term = condition.terms.first()?;
        let question = ComparisonKey::of(term, Direction::of(term.op), self.after)?;
        let fresh = ComparisonTracker::new(question);
        Some(ComparisonTracker {
            comparison: self.comparison.into_owned(),
            binned: fresh.binned,
            open_bins: fresh.open_bins,
            ratios: fresh.ratios,
            first: self.first.map(Cow::into_owned).or(fresh.first),
            alone: self.alone.map(Cow::into_owned),
            mean: self.mean.map(|own| Box::new(own.into_owned())).or(fresh.mean),
            own: self.own.map(|own| Box::new(own.into_owned())),
            open: self.open.into_owned(),
            edge: self.edge,
            added_at: self.added_at,
            question: fresh.question,
        })
    }
}

impl Judge {
    /// What has to be stored of it.
    pub fn to_json(&self) -> String {
        let stored = StoredJudge {
            begun_revision: self.begun_revision,
            gatherings: self.gatherings.iter().map(StoredTracker::of).collect(),
            firsts: Cow::Borrowed(&self.firsts),
            held: Cow::Borrowed(&self.held),
            fired: Cow::Borrowed(&self.fired),
            observed: Cow::Borrowed(&self.observed),
            problems: Cow::Borrowed(&self.problems),
            since: Cow::Borrowed(&self.since),
            notifications: Cow::Borrowed(&self.notifications),
            notified: Cow::Borrowed(&self.notified),
            unfair_revision: self.unfair_revision,
            looked_at: self.looked_at,
        };
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote, in this release or another one.
    pub fn parse(text: &str) -> Option<Self> {
        let stored: StoredJudge<'_> = serde_json::from_str(text).ok()?;
        Some(Self {
            begun_revision: stored.begun_revision,
            weighed_revision: None,
            gatherings: stored.gatherings.into_iter().filter_map(StoredTracker::read).collect(),
            firsts: stored.firsts.into_owned(),
            held: stored.held.into_owned(),
            fired: stored.fired.into_owned(),
            observed: stored.observed.into_owned(),
            problems: stored.problems.into_owned(),
            since: stored.since.into_owned(),
            since_revision: None,
            notifications: stored.notifications.into_owned(),
            notified: stored.notified.into_owned(),
            unfair_revision: stored.unfair_revision,
            looked_at: stored.looked_at,
        })
    }
}
