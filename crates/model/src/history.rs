//! The history of a rollout: one entry for each revision, chained by hash.
//!
//! An entry's text is what is stored, served and hashed, byte for byte, so that whoever holds the
//! entries can check them without knowing how they were printed.
//!
//! What led to a change stands in it as values: its `cause`, and the figures that decided (`measured`).
//! Sentences are made of them where they are shown (`decide::explain`). Entries of before that
//! have neither; their `reason` and `figures` are sentences, and stay as they are.
//! A field that is not known here belongs to another version, and is passed over.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::broke::Broke;
use super::command::{self, Command};
use super::figure::Figure;
use super::live::LiveState;
use super::node::Node;
use super::plan::fields::Reader;
use super::record::live_state;
use super::{Instant, Name};

/// The hash that the first entry follows.
pub const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One change of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The rollout's key.
    pub rollout: Name,
    /// The revision that it made.
    pub revision: u64,
    /// When.
    pub at: Instant,
    /// Whose command it was: an operator's name, `schedule` or `kv`.
    pub actor: String,
    /// What was asked.
    pub command: Command,
    /// What led to it; `None` in entries of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<EntryCause>,
    /// Why, in the words of whoever asked for it. In entries of before, also in those of the controller.
    pub reason: String,
    /// The figures that decided, as sentences: in entries of before alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<String>,
    /// The figures that decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Figure>,
    /// What broke, of what takes something back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broke: Option<Broke>,
    /// The state that it led to.
    pub state: LiveState,
    /// The hash of the entry before.
    pub previous: String,
}

/// What led to a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum EntryCause {
    /// A person's command.
    Operator,
    /// The plan's schedule.
    Schedule {
        /// The stage that was left, where one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<String>,
        /// Its hold, which is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// The rollouts that it comes after, where those were waited for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<String>,
        /// The gates of the stage that was left; absent in entries of before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gates: Option<GatesLeft>,
    },
    /// A guardrail that came true.
    Guardrail {
        /// Its place among the guardrails in force: the plan's own first, then those that are built in.
        index: usize,
        /// Its condition.
        condition: String,
    },
    /// Something that makes the figures worth less, and that the plan acts on.
    Problem {
        /// Which: `srm`.
        problem: String,
        /// How it showed.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        found: String,
    },
    /// A hook of the plan that said stop.
    Hook {
        /// When it is asked: `before canary`.
        hook: String,
        /// What it said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        said: String,
    },
    /// What was read in KV.
    Kv {
        /// The key.
        key: String,
        /// Its text, where one was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// What it meant.
        #[serde(default)]
        found: KvFound,
    },
    /// Answers of new, in this header.
    Served {
        /// Its name; `etag of PATH` where it is the `ETag` of a file.
        header: String,
    },
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The gates of a stage that the schedule has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatesLeft {
    /// How many were met.
    pub met: usize,
    /// How many ask only that new is not shown to be worse, while the comparison could not tell either way.
    pub undecided: usize,
}

/// What was found in KV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvFound {
    /// A text that somebody wrote by hand.
    Text,
    /// A state that the controller wrote and somebody edited.
    EditedState,
    /// A state from before the controller knew the rollout.
    EarlierState,
    /// A key that is gone, for as long as a read may be stale.
    Gone,
    /// The key.
    #[default]
    #[serde(other)]
    Key,
}

/// Why a text is no entry of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// It is no entry, or has no hash at its end.
    Malformed(String),
    /// Its hash is not that of its text.
    Hash,
}

impl std::error::Error for EntryError {}

impl std::fmt::Display for EntryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "it cannot be read: {why}"),
            Self::Hash => f.write_str("its text has been changed: the hash does not fit"),
        }
    }
}

impl Entry {
    /// The entry's text, which ends with its hash, and the hash.
    pub fn print(&self) -> (String, String) {
        let body = serde_json::to_string(self).unwrap_or_default();
        let hash = sha256_hex(body.as_bytes());
        let fields = body.strip_suffix('}').unwrap_or_default();
        (format!("{fields},\"hash\":\"{hash}\"}}"), hash)
    }

    /// Reads an entry's text and checks its hash, which is returned too.
    ///
    /// # Errors
    /// When it is no entry, or was changed.
    pub fn parse(text: &str) -> Result<(Self, String), EntryError> {
        let without_hash = || EntryError::Malformed("it does not end with its hash".into());
        let (fields, hash) = text.rsplit_once(",\"hash\":\"").ok_or_else(without_hash)?;
        let hash = hash.strip_suffix("\"}").ok_or_else(without_hash)?;
        if sha256_hex(format!("{fields}}}").as_bytes()) != hash {
            return Err(EntryError::Hash);
        }
        let malformed = |error: serde_json::Error| EntryError::Malformed(error.to_string());
        let node: Node = serde_json::from_str(&format!("{fields}}}")).map_err(malformed)?;
        let values: Values = serde_json::from_str(text).map_err(malformed)?;
        let mut reader = Reader::default();
        match entry(&mut reader, &node) {
            Some(entry) if reader.faults.is_empty() => {
                let Values { cause, measured, broke } = values;
                Ok((Self { cause, measured, broke, ..entry }, hash.to_owned()))
            }
            _ => Err(EntryError::Malformed(reader.faults.first().map_or_else(String::new, ToString::to_string))),
        }
    }
}

/// What entries of before do not have.
#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    cause: Option<EntryCause>,
    #[serde(default)]
    measured: Vec<Figure>,
    #[serde(default)]
    broke: Option<Broke>,
}

fn entry(r: &mut Reader, node: &Node) -> Option<Entry> {
    let mut f = r.fields(node)?;
    let rollout = f.required(r, "rollout", Reader::parsed);
    let revision = f.required(r, "revision", Reader::whole);
    let at = f.required(r, "at", Reader::parsed);
    let actor = f.required(r, "actor", Reader::text);
    let command = f.required(r, "command", command::read);
    let reason = f.required(r, "reason", Reader::text);
    let figures = f.optional(r, "figures", |r, node| r.list(node, Reader::text)).unwrap_or_default();
    let state = f.required(r, "state", live_state);
    let previous = f.required(r, "previous", Reader::text);
    Some(Entry {
        rollout: rollout?,
        revision: revision?,
        at: at?,
        actor: actor?,
        command: command?,
        cause: None,
        reason: reason?,
        figures,
        measured: Vec::new(),
        broke: None,
        state: state?,
        previous: previous?,
    })
}

/// The SHA-256 of bytes, in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry as the release before this one wrote it.
    const BEFORE: &str = r#"{"rollout":"demo","revision":3,"at":"2026-11-20T10:00:00Z","actor":"guardrail","command":{"command":"rollback","to":"off"},"reason":"the guardrail `error_rate > 5%` has come true: error_rate is 7 %","figures":["error_rate is 7 %"],"state":{"revision":3,"plan":1,"attempt":1,"phase":"rolled_back","killed":false,"stage":"canary","percentage":0,"groups":[],"since":"2026-11-20T10:00:00Z"},"previous":"00"}"#;

    fn hashed(body: &str) -> String {
        format!("{},\"hash\":\"{}\"}}", body.strip_suffix('}').unwrap(), sha256_hex(body.as_bytes()))
    }

    #[test]
    fn an_entry_of_before_keeps_its_words_and_its_hash() {
        let (entry, hash) = Entry::parse(&hashed(BEFORE)).unwrap();
        assert_eq!((entry.cause.as_ref(), entry.measured.len(), entry.figures.len()), (None, 0, 1));
        assert_eq!(entry.print(), (hashed(BEFORE), hash));
    }

    #[test]
    fn what_led_to_a_change_reads_back_and_what_another_version_adds_is_passed_over() {
        let (mut entry, _) = Entry::parse(&hashed(BEFORE)).unwrap();
        entry.cause = Some(EntryCause::Guardrail { index: 2, condition: "error_rate > 5%".into() });
        entry.measured = vec![Figure { metric: "error_rate".into(), value: Some(0.07), ..Figure::default() }];
        (entry.reason, entry.figures) = (String::new(), Vec::new());
        let (text, _) = entry.print();
        assert_eq!(Entry::parse(&text).unwrap().0, entry);
        let newer = BEFORE.replace(r#""reason""#, r#""cause":{"by":"moon","phase":1},"mood":"calm","reason""#);
        let (read, _) = Entry::parse(&hashed(&newer)).unwrap();
        assert_eq!(read.cause, Some(EntryCause::Unknown));
    }

    #[test]
    fn what_was_changed_is_found() {
        assert_eq!(Entry::parse(&hashed(BEFORE).replace("7 %", "1 %")), Err(EntryError::Hash));
    }
}
