//! What a judge remembers by bin, as it is stored: less often than the rest, since there is more of it.
//!
//! What is lost with a controller between two of these is evidence that is missing, never evidence that is
//! wrong: which windows are missing does not depend on what is in them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Judge;
use super::comparing::ComparisonTracker;
use crate::binned::BinnedComparison;
use crate::interval::Ratios;
use tidegate_model::Duration;

#[derive(Serialize, Deserialize)]
struct StoredBins<'a> {
    begun_revision: u64,
    weighed_revision: Option<u64>,
    comparisons: Vec<StoredComparison<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredComparison<'a> {
    /// The question as it is stored elsewhere.
    question: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binned: Option<Cow<'a, BinnedComparison>>,
    #[serde(default)]
    ratios: Cow<'a, Ratios>,
}

impl<'a> StoredComparison<'a> {
    fn of(own: &'a ComparisonTracker) -> Self {
        Self {
            question: own.question.key(),
            after: own.question.after,
            binned: own.binned.as_ref().map(Cow::Borrowed),
            ratios: Cow::Borrowed(&own.ratios),
        }
    }
}

impl Judge {
    /// What has to be stored of it by bin; `None` for nothing.
    pub fn bins_to_json(&self) -> Option<String> {
        let comparisons: Vec<StoredComparison<'_>> = self.gatherings.iter().map(StoredComparison::of).collect();
        if comparisons.is_empty() {
            return None;
        }
        let stored =
            StoredBins { begun_revision: self.begun_revision, weighed_revision: self.weighed_revision, comparisons };
        serde_json::to_string(&stored).ok()
    }

    /// Takes in what [`Self::bins_to_json`] wrote. Of another attempt, or of questions that are not asked any
    /// more, nothing is taken.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn restore_bins(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let stored: StoredBins<'_> = serde_json::from_str(text)?;
        if stored.begun_revision != self.begun_revision {
            return Ok(());
        }
        self.weighed_revision = stored.weighed_revision;
        for own in stored.comparisons {
            let is_it = |tracker: &&mut ComparisonTracker| {
                tracker.question.key() == own.question && tracker.question.after == own.after
            };
            if let Some(tracker) = self.gatherings.iter_mut().find(is_it) {
                tracker.binned = own.binned.map(Cow::into_owned).or_else(|| tracker.binned.take());
                tracker.ratios = own.ratios.into_owned();
            }
        }
        Ok(())
    }
}
