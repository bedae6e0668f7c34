//! What can be asked of a rollout.
//!
//! Operators, the schedule and edits in KV all ask by these commands, and the history keeps each
//! exactly as it was asked, so that replaying them rebuilds the state.

use std::fmt;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::live::LiveState;
use super::node::{Node, Value};
use super::plan::fields::{Fields, Reader};
use super::plan::words::WordError;
use super::record::live_state;
use super::version::Version;
use super::{Name, Percentage};

/// A command to one rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A draft begins its first stage.
    Start,
    /// On to the next stage.
    Advance,
    /// Held at a percentage from now on.
    Set(Setting),
    /// Held at what it is.
    Pause,
    /// On again; after a rollback, in the next attempt, at this stage or the first.
    Resume(Option<Name>),
    /// Back to less.
    Rollback(Target),
    /// Legacy for everyone.
    Kill(Cause),
    /// The end of a kill.
    Revive(Cause),
    /// An item of the checklist that counts now is done.
    Approve(String),
    /// Everybody on new, for good. With the rollout's key also where something speaks against it.
    Complete(Option<Name>),
    /// Nothing changes; its reason is something to remember, such as why somebody has killed it.
    Note,
    /// Another version of new answers.
    Deployed(Version),
    /// Another plan.
    Apply {
        /// The plans' revision from which it is in force.
        plan: u64,
        /// SHA-256 of the plan as JSON, in hex.
        digest: String,
    },
    /// It goes on in this state, in which it was led through KV before.
    TakeOver(Box<LiveState>),
    /// The rollouts named in `after` have ended: its time begins.
    Release,
    /// A rollout named in `after` has not ended any more.
    Wait,
    /// A last stage under 100 % has done its time.
    End,
}

/// What a `set` sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The share of subjects on new.
    pub percentage: Percentage,
    /// The stage, where it is not the last that the percentage reaches.
    pub stage: Option<Name>,
    /// Whether it is killed from now on; `None` leaves that as it is.
    pub killed: Option<bool>,
    /// The text in KV that asked for it.
    pub kv: Option<String>,
}

impl Setting {
    /// What an operator sets.
    pub const fn percentage(percentage: Percentage) -> Self {
        Self { percentage, stage: None, killed: None, kv: None }
    }
}

/// Where a rollback goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To nobody, groups included.
    Off,
    /// To the stage before.
    Previous,
    /// To a smaller percentage.
    Percentage(Percentage),
}

/// What a kill or its end comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The command itself.
    Command,
    /// The text `off` under `stage/KEY` in KV.
    Text(String),
    /// The KV key `kill/KEY` or `kill/*`.
    Key(String),
}

impl Command {
    /// The command's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Advance => "advance",
            Self::Set(_) => "set",
            Self::Pause => "pause",
            Self::Resume(_) => "resume",
            Self::Rollback(_) => "rollback",
            Self::Kill(_) => "kill",
            Self::Revive(_) => "revive",
            Self::Approve(_) => "approve",
            Self::Complete(_) => "complete",
            Self::Note => "note",
            Self::Deployed(_) => "deployed",
            Self::Apply { .. } => "apply",
            Self::TakeOver(_) => "take_over",
            Self::Release => "release",
            Self::Wait => "wait",
            Self::End => "end",
        }
    }

    /// The text in KV that asked for it.
    pub fn kv_text(&self) -> Option<&str> {
        match self {
            Self::Set(setting) => setting.kv.as_deref(),
            Self::Kill(Cause::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether it stops something. Then nothing may be in the way: it needs no reason, which can
    /// follow by a `note`, and no revision, since whoever stops something must not have to look first.
    pub const fn is_stop(&self) -> bool {
        matches!(self, Self::Kill(_) | Self::Pause | Self::Rollback(_))
    }

    /// Whether it may be asked for without the revision that it was decided on. What was deployed is so, whatever
    /// else has happened.
    pub fn needs_no_revision(&self) -> bool {
        UNCONDITIONAL.contains(&self.name()) || matches!(self, Self::Deployed(_))
    }
}

/// The commands that may be asked for without the revision that they were decided on: those that stop
/// something, and a note.
pub const UNCONDITIONAL: [&str; 4] = ["kill", "pause", "rollback", "note"];

/// The reason of a command that stops something where nobody gives one.
pub const NO_REASON: &str = "no reason given";

/// What operators may ask for.
pub const OPERATORS: [&str; 12] = [
    "start", "advance", "set", "pause", "resume", "rollback", "kill", "revive", "approve", "complete", "note",
    "deployed",
];

/// Reads a command that an operator asks for: the field `command` and its arguments. The outer
/// `None` says that there is no such command, and so nobody knows its arguments.
pub fn read_operators(r: &mut Reader, f: &mut Fields<'_>) -> Option<Option<Command>> {
    let name = f.required(r, "command", |r, node| {
        let name = r.text(node)?;
        if OPERATORS.contains(&name.as_str()) {
            return Some(name);
        }
        let known = super::fault::nearest(&name, OPERATORS)
            .map_or_else(|| OPERATORS.join(", "), |near| format!("did you mean `{near}`?"));
        r.error(None, format_args!("`{name}` is not a command"), Some(known));
        None
    })?;
    Some(match name.as_str() {
        "set" => f
            .required(r, "percentage", Reader::percentage)
            .map(|percentage| Command::Set(Setting::percentage(percentage))),
        "kill" => Some(Command::Kill(Cause::Command)),
        "revive" => Some(Command::Revive(Cause::Command)),
        _ => read_common(r, f, &name),
    })
}

/// Reads a command of the history. A field that is not known belongs to another version.
pub fn read(r: &mut Reader, node: &Node) -> Option<Command> {
    let mut f = r.fields(node)?;
    let name = f.required(r, "command", Reader::text)?;
    match name.as_str() {
        "set" => setting(r, &mut f).map(Command::Set),
        "kill" => cause(r, &mut f).map(Command::Kill),
        "revive" => cause(r, &mut f).map(Command::Revive),
        "apply" => {
            let plan = f.required(r, "plan", Reader::whole);
            let digest = f.required(r, "digest", Reader::text);
            plan.zip(digest).map(|(plan, digest)| Command::Apply { plan, digest })
        }
        "take_over" => f.required(r, "state", live_state).map(|state| Command::TakeOver(Box::new(state))),
        "release" => Some(Command::Release),
        "wait" => Some(Command::Wait),
        "end" => Some(Command::End),
        name => read_common(r, &mut f, name),
    }
}

fn read_common(r: &mut Reader, f: &mut Fields<'_>, name: &str) -> Option<Command> {
    match name {
        "start" => Some(Command::Start),
        "advance" => Some(Command::Advance),
        "pause" => Some(Command::Pause),
        "resume" => Some(Command::Resume(f.optional(r, "stage", Reader::parsed))),
        "rollback" => match f.node("to") {
            None => Some(Command::Rollback(Target::Off)),
            Some(_) => f.required(r, "to", target).map(Command::Rollback),
        },
        "approve" => f.required(r, "item", Reader::text).map(Command::Approve),
        "complete" => Some(Command::Complete(f.optional(r, "confirm", Reader::parsed))),
        "deployed" => f.required(r, "version", Reader::parsed).map(Command::Deployed),
        "note" => match f.node("version") {
            None => Some(Command::Note),
            Some(_) => f.required(r, "version", Reader::parsed).map(Command::Deployed),
        },
        _ => None,
    }
}

fn target(r: &mut Reader, node: &Node) -> Option<Target> {
    match &node.value {
        Value::Text(text) if text == "off" => Some(Target::Off),
        Value::Text(text) if text == "previous" => Some(Target::Previous),
        Value::Text(text) if !text.starts_with(|c: char| c.is_ascii_digit()) => {
            let error = WordError::new(text, "where a rollback can go", "`off`, `previous` or a percentage");
            r.error(None, &error, super::fault::Explain::help(&error));
            None
        }
        _ => r.percentage(node).map(Target::Percentage),
    }
}

fn setting(r: &mut Reader, f: &mut Fields<'_>) -> Option<Setting> {
    let percentage = f.required(r, "percentage", Reader::percentage);
    let stage = f.optional(r, "stage", Reader::parsed);
    let killed = f.optional(r, "killed", Reader::boolean);
    let kv = f.optional(r, "kv", Reader::text);
    Some(Setting { percentage: percentage?, stage, killed, kv })
}

fn cause(r: &mut Reader, f: &mut Fields<'_>) -> Option<Cause> {
    let text = f.optional(r, "kv", Reader::text).map(Cause::Text);
    let key = f.optional(r, "key", Reader::text).map(Cause::Key);
    Some(key.or(text).unwrap_or(Cause::Command))
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // The release before knows no `deployed`, and reads it as the note that it is then.
        let name = if matches!(self, Self::Deployed(_)) { "note" } else { self.name() };
        map.serialize_entry("command", name)?;
        match self {
            Self::Set(setting) => {
                map.serialize_entry("percentage", &setting.percentage)?;
                if let Some(stage) = &setting.stage {
                    map.serialize_entry("stage", stage)?;
                }
                if let Some(killed) = &setting.killed {
                    map.serialize_entry("killed", killed)?;
                }
                if let Some(kv) = &setting.kv {
                    map.serialize_entry("kv", kv)?;
                }
            }
            Self::Resume(Some(stage)) => map.serialize_entry("stage", stage)?,
            Self::Complete(Some(key)) => map.serialize_entry("confirm", key)?,
            Self::Rollback(target) => match target {
                Target::Off => map.serialize_entry("to", "off")?,
                Target::Previous => map.serialize_entry("to", "previous")?,
                Target::Percentage(percentage) => map.serialize_entry("to", percentage)?,
            },
            Self::Kill(Cause::Text(text)) | Self::Revive(Cause::Text(text)) => map.serialize_entry("kv", text)?,
            Self::Kill(Cause::Key(key)) | Self::Revive(Cause::Key(key)) => map.serialize_entry("key", key)?,
            Self::Approve(item) => map.serialize_entry("item", item)?,
            Self::Deployed(version) => map.serialize_entry("version", version)?,
            Self::TakeOver(state) => map.serialize_entry("state", state)?,
            Self::Apply { plan, digest } => {
                map.serialize_entry("plan", plan)?;
                map.serialize_entry("digest", digest)?;
            }
            _ => {}
        }
        map.end()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Set(setting) => write!(f, " {}", setting.percentage),
            Self::Resume(Some(stage)) => write!(f, " at {stage}"),
            Self::Rollback(Target::Previous) => f.write_str(" to the previous stage"),
            Self::Rollback(Target::Percentage(percentage)) => write!(f, " to {percentage} %"),
            Self::Approve(item) => write!(f, " `{item}`"),
            Self::Deployed(version) => write!(f, " {version}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn round_trips(text: &str) {
        let node: Node = serde_json::from_str(text).unwrap_or_default();
        let mut reader = Reader::default();
        let command = read(&mut reader, &node);
        assert_eq!(reader.faults, [], "{text}");
        assert_eq!(command.map(|command| serde_json::to_string(&command).unwrap_or_default()), Some(text.to_owned()));
    }

    #[test]
    fn the_history_reads_back_what_it_wrote() {
        for text in [
            r#"{"command":"start"}"#,
            r#"{"command":"advance"}"#,
            r#"{"command":"set","percentage":2.5}"#,
            r#"{"command":"set","percentage":40,"stage":"half","killed":false,"kv":"40"}"#,
            r#"{"command":"pause"}"#,
            r#"{"command":"resume"}"#,
            r#"{"command":"resume","stage":"canary"}"#,
            r#"{"command":"rollback","to":"off"}"#,
            r#"{"command":"rollback","to":"previous"}"#,
            r#"{"command":"rollback","to":5}"#,
            r#"{"command":"kill"}"#,
            r#"{"command":"kill","kv":"off"}"#,
            r#"{"command":"kill","key":"kill/*"}"#,
            r#"{"command":"revive","key":"kill/demo"}"#,
            r#"{"command":"approve","item":"Backups confirmed"}"#,
            r#"{"command":"complete"}"#,
            r#"{"command":"complete","confirm":"demo"}"#,
            r#"{"command":"note"}"#,
            r#"{"command":"note","version":"v2.1.0"}"#,
            r#"{"command":"apply","plan":7,"digest":"ab"}"#,
            r#"{"command":"take_over","state":{"revision":3,"plan":1,"attempt":1,"phase":"completed","killed":false,"stage":"full","percentage":100,"groups":[],"since":"2026-11-01T00:00:00Z"}}"#,
            r#"{"command":"release"}"#,
            r#"{"command":"wait"}"#,
            r#"{"command":"end"}"#,
        ] {
            round_trips(text);
        }
    }

    #[track_caller]
    fn refuses(text: &str, expected: &str) {
        let node: Node = serde_json::from_str(text).unwrap_or_default();
        let mut reader = Reader::default();
        if let Some(mut fields) = reader.fields(&node)
            && read_operators(&mut reader, &mut fields).is_some()
        {
            fields.end(&mut reader);
        }
        assert_eq!(reader.faults.first().map(ToString::to_string).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn what_operators_may_not_ask_for_is_refused_with_the_way_out() {
        refuses(r#"{"command":"sett","percentage":5}"#, "command: `sett` is not a command (did you mean `set`?)");
        refuses(
            r#"{"command":"apply","plan":5,"digest":""}"#,
            "command: `apply` is not a command (start, advance, set, pause, resume, rollback, kill, revive, approve, complete, note, deployed)",
        );
        refuses(r#"{"command":"set"}"#, "`percentage` is missing");
        refuses(
            r#"{"command":"set","percentage":150}"#,
            "percentage: `150` is more than 100 % (a number from 0 to 100 with at most three decimals, such as 10, 2.5 or 0.001)",
        );
        refuses(
            r#"{"command":"rollback","to":"legacy"}"#,
            "to: `legacy` is not where a rollback can go (`off`, `previous` or a percentage)",
        );
        refuses(r#"{"command":"kill","key":"kill/demo"}"#, "`key` is not a field (known here: command)");
    }
}
