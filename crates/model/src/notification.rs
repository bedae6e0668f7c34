//! What a message to people says, whatever channel carries it.
//!
//! A notification is made where its cause is decided (`tidegate-decide`), stored with that, and turned into the
//! form of a channel (`tidegate-protocol`) when it is sent. It holds no id of a user, and no secret.

use serde::{Deserialize, Serialize};

use super::{Instant, Name};

/// What a notification is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum NotificationKind {
    /// A guardrail came true.
    Alert,
    /// What an earlier notification was about is over.
    Resolved,
    /// A guardrail has been true for so long that somebody else is to know.
    Escalation,
    /// The figures, at an interval of the stage.
    Checkin,
    /// The figures, at an hour of the day.
    Digest,
    /// A message that the plan has for this time.
    #[default]
    Notice,
    /// The rollout has gone on: started, advanced, set, paused, resumed, completed.
    Stage,
    /// The rollout was sent back.
    Rollback,
    /// All traffic goes to legacy until it is revived.
    Kill,
    /// A person is waited for.
    Waiting,
    /// It does not go on, though its time has come.
    Blocked,
    /// Something is wrong with what Tidegate relies on.
    Fault,
    /// A report on a rollout that has ended.
    Report,
    /// A sample, to see whether a channel works.
    Test,
}

impl NotificationKind {
    /// The kind's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Resolved => "resolved",
            Self::Escalation => "escalation",
            Self::Checkin => "checkin",
            Self::Digest => "digest",
            Self::Notice => "notice",
            Self::Stage => "stage",
            Self::Rollback => "rollback",
            Self::Kill => "kill",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Fault => "fault",
            Self::Report => "report",
            Self::Test => "test",
        }
    }
}

/// How soon somebody should look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Urgency {
    /// Whenever they like.
    #[default]
    Info,
    /// In working hours.
    Warning,
    /// At once.
    Critical,
}

impl Urgency {
    /// The urgency's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Where to read on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// What is there: `console`, or the name that the plan gives it.
    pub title: String,
    /// Its address, `https://…` or `http://…`.
    pub url: String,
}

/// A message to people. What is missing in a stored one reads as empty; what a later release adds is passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notification {
    /// What it is about.
    pub kind: NotificationKind,
    /// How soon somebody should look.
    pub urgency: Urgency,
    /// When what it is about happened.
    pub at: Instant,
    /// The rollout's key.
    pub rollout: Name,
    /// What is being released: the plan's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The revision of the history entry that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// What happened, to which rollout, and whether somebody has to do anything. One line.
    pub headline: String,
    /// Where the rollout is since then: `running in canary at 10 %`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// What somebody has to do; `None` where nobody has to do anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Why, in one plain sentence with the figures.
    pub why: String,
    /// The figures, each a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<String>,
    /// Who looks after the stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What happens next, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Where to read on: the console at that entry, then the plan's dashboards and runbook.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// The command that stops or undoes it, or those that go on from here; several are on lines of their own, in the
    /// order in which they are run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What the trigger and the end of one incident have in common, at most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Of a message of the communication plan: `team`, `client` or `users`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The plan's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The history entry as the API shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<serde_json::Value>,
    /// Of a message that is made of several: what it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folded: Option<Folded>,
}

/// What a message is made of that stands for several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Folded {
    /// When the first of them happened.
    pub since: Option<Instant>,
    /// The first line of the gravest.
    pub headline: String,
    /// What they are about, each kind and rollout once.
    pub of: Vec<(NotificationKind, Name)>,
}

/// What a headline ends with where nothing is asked of anybody.
pub const NOTHING_TO_DO: &str = "No action needed.";

impl Notification {
    /// The headline without what it asks for.
    pub fn what(&self) -> &str {
        let ask = self.action.as_deref().unwrap_or(NOTHING_TO_DO);
        self.headline.strip_suffix(ask).unwrap_or(&self.headline).trim_end()
    }
}

impl Default for Notification {
    fn default() -> Self {
        Self {
            kind: NotificationKind::default(),
            urgency: Urgency::default(),
            at: Instant::from_epoch_ms(0),
            rollout: Name::unreadable(),
            description: None,
            revision: None,
            headline: String::new(),
            state: String::new(),
            action: None,
            why: String::new(),
            figures: Vec::new(),
            owner: None,
            next: None,
            links: Vec::new(),
            command: None,
            incident: None,
            audience: None,
            text: None,
            entry: None,
            folded: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_reads_back_and_what_another_release_adds_is_passed_over() {
        let own = Notification {
            kind: NotificationKind::Rollback,
            urgency: Urgency::Critical,
            at: Instant::from_epoch_ms(1_800_000_000_000),
            rollout: "checkout".parse().unwrap(),
            revision: Some(18),
            headline: "checkout was rolled back".into(),
            links: vec![Link { title: "console".into(), url: "https://x.example.com".into() }],
            entry: Some(serde_json::json!({ "revision": 18 })),
            ..Notification::default()
        };
        let text = serde_json::to_string(&own).unwrap();
        assert_eq!(serde_json::from_str::<Notification>(&text).unwrap(), own);
        let newer = text.replacen('{', r#"{"mood":"calm","#, 1);
        assert_eq!(serde_json::from_str::<Notification>(&newer).unwrap(), own);
        let least: Notification = serde_json::from_str(r#"{"rollout":"checkout"}"#).unwrap();
        assert_eq!(
            (least.kind, least.urgency, least.rollout.as_str()),
            (NotificationKind::Notice, Urgency::Info, "checkout")
        );
    }
}
