//! When a message of the communication plan is sent: near something that happens, or on a date.

use std::fmt;

use super::business_day::{BusinessDay, parted};
use super::words::{Sign, WordError};
use crate::{Duration, Instant, Name, serialize_as_text};

/// When a notice is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At something that happens, or before or after it.
    Near {
        /// The stage's name, `start`, `end`, `rollback` or `incident`.
        anchor: Name,
        /// How long before (`-`) or after (`+`) it.
        offset: Option<(Sign, Duration)>,
        /// The business day that is next to it.
        then: Option<BusinessDay>,
    },
    /// On a day, at an hour.
    Date(Instant),
}

impl Moment {
    /// The anchors that every plan has. An incident is when users are taken back, by a rollback or a kill, by
    /// Tidegate or by a person.
    pub const ANCHORS: [&str; 4] = ["start", "end", "rollback", Self::INCIDENT];
    /// The one of these that comes again: it is over once the rollout is neither rolled back nor killed.
    pub const INCIDENT: &str = "incident";

    /// Whether it is near this anchor.
    pub fn is_near(&self, name: &str) -> bool {
        matches!(self, Self::Near { anchor, .. } if anchor.as_str() == name)
    }

    /// Whether it is near a rollback or an incident.
    pub fn is_of_incident(&self) -> bool {
        self.is_near("rollback") || self.is_near(Self::INCIDENT)
    }

    /// Whether it waits for a business day.
    pub const fn waits_for_business_day(&self) -> bool {
        matches!(self, Self::Near { then: Some(_), .. })
    }

    /// Reads a moment, given the names of the plan's stages: `beta-1` may be a stage, and
    /// `beta-1d` a day before another.
    ///
    /// # Errors
    /// When it names neither a stage nor one of [`Self::ANCHORS`], nor is a date, or its offset is no duration.
    pub fn parse(text: &str, stages: &[&str]) -> Result<Self, WordError> {
        let (moment, then) = parted(text)?;
        let anchor = |word: &str| {
            let is_known = stages.contains(&word) || Self::ANCHORS.contains(&word);
            if is_known { word.parse::<Name>().ok() } else { None }
        };
        let shifted = || {
            let (word, rest) = moment.split_at(moment.rfind(['-', '+'])?);
            let (sign, duration) = rest.split_at(1);
            Some((anchor(word)?, Some((sign.parse().ok()?, duration.parse().ok()?))))
        };
        let near = anchor(moment).map(|anchor| (anchor, None)).or_else(shifted);
        if let Some((anchor, offset)) = near {
            return Ok(Self::Near { anchor, offset, then });
        }
        match (moment.parse(), then) {
            (Ok(at), None) => Ok(Self::Date(at)),
            (Ok(_), Some(_)) => {
                let help = "no business day is sought behind a date: name the day itself, such as 2026-12-02T09:00:00Z";
                Err(WordError::new(text, "a moment of this plan", help))
            }
            (Err(_), _) => {
                let help = "a stage's name, `start`, `end`, `rollback` or `incident`, with an offset such as `-1d` or `+2h`, and with `, next business day 09:00` (or `previous`) where it must be one; or a date such as 2026-12-02T09:00:00Z";
                Err(WordError::new(moment, "a moment of this plan", help))
            }
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near { anchor, offset, then } => {
                anchor.fmt(f)?;
                if let Some((sign, duration)) = offset {
                    write!(f, "{sign}{duration}")?;
                }
                then.as_ref().map_or(Ok(()), |then| write!(f, ", {then}"))
            }
            Self::Date(at) => at.fmt(f),
        }
    }
}

serialize_as_text!(Moment);
