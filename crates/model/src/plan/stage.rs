//! The parts of a plan that the controller works through: stages, guardrails, signals, messages.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeMap as _;

use super::checklist::Item;
use super::words::{Action, CheckIn, Level, Severity, words};
use crate::calendar::{Window, first_moment};
use crate::condition::Condition;
use crate::{Duration, Instant, Name, Percentage};

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    /// Unique in its plan.
    pub name: Name,
    /// The share of subjects on new.
    pub percentage: Percentage,
    /// Groups on new from here on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Name>,
    /// The share of requests on legacy that are copied to new, where it is not the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Percentage>,
    /// How long it lasts at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Duration>,
    /// How long it is meant to last at most: whoever looks after it gets a message then, and nothing else happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Duration>,
    /// When it may be entered; any time if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enter: Vec<Window>,
    /// Before this it is not entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Instant>,
    /// The role that looks after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Name>,
    /// How often digests of the figures are made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checkins: Vec<CheckIn>,
    /// What must be true to leave it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// What people must have approved to leave it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checklist: Vec<Item>,
    /// Remarks for operators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Stage {
    /// The first moment from this one on at which the calendar lets it be entered; `None` where there is none.
    pub fn opens(&self, from: Instant) -> Option<Instant> {
        let from = self.not_before.map_or(from, |at| at.max(from));
        if self.enter.is_empty() {
            return Some(from);
        }
        first_moment(&self.enter, from.as_epoch_ms(), true).map(Instant::from_epoch_ms)
    }
}

/// A condition that must be true to leave a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The condition.
    pub when: Condition,
    /// How long after the stage's entry nothing counts for it yet.
    pub after: Option<Duration>,
}

impl Gate {
    /// A gate that counts from the stage's entry on.
    pub const fn new(when: Condition) -> Self {
        Self { when, after: None }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            Some(after) => write!(f, "{}, after {after}", self.when),
            None => self.when.fmt(f),
        }
    }
}

impl Serialize for Gate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(after) = self.after else { return self.when.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("when", &self.when)?;
        map.serialize_entry("after", &after)?;
        map.end()
    }
}

words! {
    /// Whether a guardrail acts.
    Mode is "a mode" of {
        /// It does what it is there for.
        Act = "act",
        /// It is judged and shown, and acts on nobody.
        Observe = "observe",
    } allows "`act` or `observe`"
}

impl Mode {
    /// Whether this is what a guardrail that says nothing has.
    pub fn is_default(&self) -> bool {
        *self == Self::Act
    }
}

/// A condition that must not come true, and what is done when it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guardrail {
    /// The condition.
    pub when: Condition,
    /// How long after the stage's entry nothing counts for it yet: caches are cold then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Duration>,
    /// What is done.
    pub then: Action,
    /// Whether it does so, or only says when it would have.
    #[serde(skip_serializing_if = "Mode::is_default")]
    pub mode: Mode,
    /// How loud it is.
    pub severity: Severity,
    /// The channels and roles that are notified.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Name>,
    /// The stages in which it watches; all if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Name>,
    /// Whom to involve if it lasts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalate: Vec<Escalation>,
    /// What to do about it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where people read on, before what the plan links to.
    #[serde(skip_serializing_if = "super::Table::is_empty")]
    pub links: super::Links,
}

impl Guardrail {
    /// What is done: no more than an alert by one that only observes.
    pub fn does(&self) -> Action {
        match self.mode {
            Mode::Act => self.then,
            Mode::Observe => Action::Alert,
        }
    }
}

/// Whom to involve when a guardrail's condition lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// How long after it fired.
    pub after: Duration,
    /// The role or channel.
    pub to: Name,
    /// What is due by then, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What could go wrong, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// The risk.
    pub what: String,
    /// How likely it is.
    pub likelihood: Level,
    /// How bad it would be.
    pub impact: Level,
    /// What is done about it.
    pub mitigation: String,
}
