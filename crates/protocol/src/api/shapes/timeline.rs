//! What was and what is to come, and when nothing advances.

use tidegate_decide::timeline::Kind;
use tidegate_model::Name;
use tidegate_model::calendar::Window;

use super::{Text, Time, shape};

shape! {
    /// What was and what is to come.
    pub struct Timeline {
        /// Now, by the controller's clock.
        pub at: Time,
        /// The address that calendars can subscribe to. Whoever has it can read the dates; another `SIGNING_KEY` ends
        /// it. Absent where nothing is signed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub feed: Option<String>,
        /// The rollouts, by their keys.
        pub rollouts: Vec<RolloutTimeline>,
    }
}

shape! {
    /// The dates of a rollout.
    pub struct RolloutTimeline {
        /// Its key.
        pub rollout: Text<Name>,
        /// When it will be done, in a sentence.
        pub outlook: String,
        /// When it started or will; absent where nobody can tell.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub start: Time,
        /// When it will be done at the earliest: if every gate passes and every item is ticked in time.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub end: Time,
        /// In the order of time.
        pub events: Vec<TimelineEvent>,
    }
}

shape! {
    /// Something that has a date.
    pub struct TimelineEvent {
        /// The same whenever it is asked for, within its rollout.
        pub id: String,
        /// When, or from when on.
        pub at: Time,
        /// Until when, of what lasts.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub until: Time,
        /// What it is: `done` (it was done), `start`, `stage`, `hold` (bake time over), `checkin`, `notice`, `freeze`,
        /// `approval` (an item is due), `end`.
        pub kind: Text<TimelineKind>,
        /// What happens, or happened.
        pub title: String,
        /// More of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub detail: Option<String>,
        /// Who has to act, or has acted.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub who: Option<String>,
        /// Whether it is over, or has begun.
        pub past: bool,
    }
}

/// What an event of a timeline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimelineKind {}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TimelineKind {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimelineKind".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": Kind::WORDS })
    }
}

impl From<Kind> for Text<TimelineKind> {
    fn from(kind: Kind) -> Self {
        Self::word(kind.as_str())
    }
}

shape! {
    /// When no rollout of the deployment advances. Rolling back always works.
    pub struct Freeze {
        /// The windows; none for no freeze.
        pub freeze: Vec<Text<Window>>,
        /// Who has set it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub by: Option<String>,
        /// When.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub at: Time,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reason: Option<String>,
    }
}
