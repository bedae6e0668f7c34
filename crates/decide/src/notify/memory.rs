//! Which messages have been made, so that none is made twice. It is stored with what a judge remembers.

use serde::{Deserialize, Serialize};

use tidegate_model::{Instant, Name};

/// Which messages have been made about one rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What was reported as an incident and is not over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) incidents: Vec<Incident>,
    /// What lasts: since when, and when it was last reported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) standing: Vec<Lasting>,
    /// Until when digests are made, or need not be made any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digested: Option<Instant>,
    /// Whether it was changed since it was last stored.
    #[serde(skip)]
    pub(super) is_changed: bool,
}

/// Something that was reported and whose end is reported too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Incident {
    /// What its beginning and its end have in common.
    pub key: String,
    /// The guardrail that it is about, as the judge remembers it; none where a person acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<String>,
    /// Whether the rollout was changed by it: then it is not over before a person has acted.
    pub has_acted: bool,
    /// Whether the rollout was killed.
    pub is_kill: bool,
    /// What it was, for its end.
    pub title: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Instant>,
    /// Who got the messages.
    pub channels: Vec<Name>,
}

/// Something that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lasting {
    /// What.
    pub what: String,
    /// Since when.
    pub since: Instant,
    /// When it was last reported.
    #[serde(default, rename = "told", skip_serializing_if = "Option::is_none")]
    pub sent: Option<Instant>,
    /// When it is to be reported next, where the time alone decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Instant>,
    /// Who got the messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Name>,
    /// What it was, for its end; empty where its end is not reported.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}

impl Memory {
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty() && self.standing.is_empty() && self.digested.is_none()
    }

    /// Whether it was changed since this was last asked: then it has to be stored.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Takes note of an incident.
    pub(super) fn open(&mut self, incident: Incident) {
        self.is_changed = true;
        self.incidents.retain(|own| own.key != incident.key);
        self.incidents.push(incident);
    }

    /// The last incident that took users back and is not over. These channels show it from now on, and get its end too.
    pub(super) fn shown_on<'a>(&mut self, pages: impl Iterator<Item = &'a Name>) -> Option<String> {
        let incident = self.incidents.iter_mut().rfind(|own| own.has_acted)?;
        let more: Vec<Name> = pages.filter(|name| !incident.channels.contains(name)).cloned().collect();
        self.is_changed |= !more.is_empty();
        incident.channels.extend(more);
        Some(incident.key.clone())
    }

    /// Since when something has lasted.
    pub(super) fn since(&self, what: &str) -> Option<Instant> {
        self.standing.iter().find(|own| own.what == what).map(|own| own.since)
    }
}
