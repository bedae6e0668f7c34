//! How a rollout stands, for scripts: one of four words, each with an exit code of its own.
//!
//! 1. **Going on**: the schedule takes the next step by itself, once a time has passed or a gate has its data.
//! 2. **Done**: completed, or its last stage is over.
//! 3. **Rolled back**: rolled back, or killed. Nothing goes up again without a person.
//! 4. **Waiting for a person**: all that still blocks is a checklist, a pause, a start or a step by hand. Where a
//!    time or a gate blocks as well, the person is not what it waits for yet.

use serde::Serialize;

use super::ladder::{blockers, summary};
use tidegate_protocol::api::shapes::Rollout;

/// What keeps a rollout until a person does something, once nothing else does.
const BY_PEOPLE: [&str; 3] = ["checklist", "manual", "last_stage"];
/// What keeps it until then, whatever else does.
const HELD: [&str; 2] = ["paused", "draft"];

/// How a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Completed, or its last stage is over.
    Done,
    /// The schedule goes on by itself.
    GoingOn,
    /// A person has to do something.
    WaitingForPerson,
    /// Rolled back, or killed.
    RolledBack,
}

/// A script asked for something that did not come in time.
pub const TIMED_OUT: u8 = 5;

impl Standing {
    /// How this rollout stands.
    pub fn of(rollout: &Rollout) -> Self {
        let state = &rollout.state;
        if state.killed || state.phase == "rolled_back" {
            return Self::RolledBack;
        }
        if state.phase == "completed" || state.ended {
            return Self::Done;
        }
        let blocked = &rollout.blocked;
        let is_held = blocked.iter().any(|block| HELD.contains(&block.by.as_str()));
        let is_by_people = !blocked.is_empty() && blocked.iter().all(|block| BY_PEOPLE.contains(&block.by.as_str()));
        if is_held || is_by_people { Self::WaitingForPerson } else { Self::GoingOn }
    }

    /// The exit code that tells a script: 0 while it goes on or is done, 3 rolled back or killed, 4 a person has to
    /// do something.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done | Self::GoingOn => 0,
            Self::RolledBack => 3,
            Self::WaitingForPerson => 4,
        }
    }
}

/// Where a rollout is and what it waits for, in one line.
pub fn line(rollout: &Rollout) -> String {
    let waits: Vec<&str> = blockers(rollout).map(|block| block.text.as_str()).filter(|text| !text.is_empty()).collect();
    let waits = if waits.is_empty() { String::new() } else { format!("; waits: {}", waits.join(", ")) };
    format!("{}: {}{waits}", rollout.key, summary(rollout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn stands(json: &str, expected: Standing) {
        let rollout: Rollout = serde_json::from_str(&format!("{{\"key\":\"demo\",{json}}}")).unwrap();
        assert_eq!(Standing::of(&rollout), expected, "{json}");
    }

    #[test]
    fn a_kill_and_a_rollback_come_before_everything() {
        stands(r#""state":{"phase":"running","killed":true}"#, Standing::RolledBack);
        stands(r#""state":{"phase":"completed","killed":true}"#, Standing::RolledBack);
        stands(r#""state":{"phase":"rolled_back"}"#, Standing::RolledBack);
    }

    #[test]
    fn what_has_ended_is_done() {
        stands(r#""state":{"phase":"completed"},"blocked":[{"by":"completed"}]"#, Standing::Done);
        stands(r#""state":{"phase":"running","ended":true},"blocked":[{"by":"last_stage"}]"#, Standing::Done);
    }

    #[test]
    fn a_person_is_waited_for_once_nothing_else_blocks() {
        let running = |blocked: &str| format!(r#""state":{{"phase":"running"}},"blocked":[{blocked}]"#);
        for (blocked, expected) in [
            (r#"{"by":"hold"}"#, Standing::GoingOn),
            (r#"{"by":"gates"}"#, Standing::GoingOn),
            (r#"{"by":"hold"},{"by":"checklist"}"#, Standing::GoingOn),
            (r#"{"by":"checklist"}"#, Standing::WaitingForPerson),
            (r#"{"by":"manual"},{"by":"checklist"}"#, Standing::WaitingForPerson),
            (r#"{"by":"last_stage"}"#, Standing::WaitingForPerson),
            ("", Standing::GoingOn),
        ] {
            stands(&running(blocked), expected);
        }
        stands(r#""state":{"phase":"paused"},"blocked":[{"by":"paused","is_state":true}]"#, Standing::WaitingForPerson);
        stands(
            r#""state":{"phase":"draft"},"blocked":[{"by":"draft","is_state":true},{"by":"freeze"}]"#,
            Standing::WaitingForPerson,
        );
        stands(r#""state":{"phase":"draft"},"blocked":[{"by":"start"}]"#, Standing::GoingOn);
        stands(r#""state":{"phase":"draft"},"blocked":[{"by":"checklist"}]"#, Standing::WaitingForPerson);
    }

    #[test]
    fn each_has_its_exit_code() {
        let codes = [Standing::Done, Standing::GoingOn, Standing::RolledBack, Standing::WaitingForPerson];
        assert_eq!(codes.map(Standing::code), [0, 0, 3, 4]);
    }
}
