//! Whom a plan addresses, when, and with what: roles, links, digests and the communication plan.

use serde::Serialize;
use serde::ser::SerializeMap as _;

use super::Table;
use super::in_app::{InApp, InAppKind, ShownTo};
use super::moment::Moment;
use super::words::{Audience, Url};
use crate::daily::Daily;
use crate::weekly::Weekly;
use crate::{Duration, Instant, Name};

/// Somebody who has a part in the rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Who that is, for people: shown, never addressed.
    pub person: Option<String>,
    /// The channels that reach them.
    pub tell: Vec<Name>,
    /// When these reach them; at any time if empty.
    pub hours: Vec<Weekly>,
    /// The role or channel in their place outside of these hours.
    pub otherwise: Option<Name>,
}

impl Role {
    /// Whether its own channels reach it at a moment.
    pub fn is_there(&self, at: Instant) -> bool {
        self.hours.is_empty() || self.hours.iter().any(|window| window.contains(at.as_epoch_ms()))
    }
}

impl Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let (Some(person), true, true, None) =
            (&self.person, self.tell.is_empty(), self.hours.is_empty(), &self.otherwise)
        {
            return serializer.serialize_str(person);
        }
        let mut map = serializer.serialize_map(None)?;
        if let Some(person) = &self.person {
            map.serialize_entry("person", person)?;
        }
        if !self.tell.is_empty() {
            map.serialize_entry("tell", &self.tell)?;
        }
        if !self.hours.is_empty() {
            map.serialize_entry("hours", &self.hours)?;
        }
        if let Some(otherwise) = &self.otherwise {
            map.serialize_entry("otherwise", otherwise)?;
        }
        map.end()
    }
}

/// Where people read on, by what is there: `dashboard`, `runbook`.
pub type Links = Table<Url>;

/// The figures at an hour of the day, while the rollout is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// When.
    pub at: Vec<Daily>,
    /// The channels and roles.
    pub to: Vec<Name>,
}

/// A message of the communication plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// When.
    pub at: Moment,
    /// And then again, while the stage of that moment lasts; of a moment without a stage, until the rollout ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// The channels and roles that it goes out to.
    pub to: Vec<Name>,
    /// The role that sends it: it gets the text to send, instead of those whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// How the site's own pages show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_app: Option<InApp>,
    /// What it says.
    pub text: String,
}

impl Notice {
    /// What it is about in the app: an incident where its moment is one, an invitation on legacy's pages, else
    /// a launch. `None` where it is not shown there.
    pub fn in_app_kind(&self) -> Option<InAppKind> {
        let in_app = self.in_app.as_ref()?;
        Some(in_app.kind.unwrap_or(match in_app.to {
            _ if self.at.is_of_incident() => InAppKind::Incident,
            ShownTo::Legacy => InAppKind::Preview,
            ShownTo::All | ShownTo::New => InAppKind::Launch,
        }))
    }

    /// What whoever sends it ticks off.
    pub fn item(&self) -> String {
        match self.audience {
            Some(audience) => format!("Send to {}: {}", audience.with_article(), self.text),
            None => format!("Send: {}", self.text),
        }
    }
}
