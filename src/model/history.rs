//! The history of a rollout: one entry for each revision, chained by hash.
//!
//! An entry's text is what is stored, served and hashed, byte for byte, so that whoever holds the
//! entries can check them without knowing how they were printed.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::command::{self, Command};
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
    /// Why.
    pub reason: String,
    /// The figures that decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<String>,
    /// The state that it led to.
    pub state: LiveState,
    /// The hash of the entry before.
    pub previous: String,
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
        let node: Node =
            serde_json::from_str(&format!("{fields}}}")).map_err(|error| EntryError::Malformed(error.to_string()))?;
        let mut reader = Reader::default();
        match entry(&mut reader, &node) {
            Some(entry) if reader.faults.is_empty() => Ok((entry, hash.to_owned())),
            _ => Err(EntryError::Malformed(reader.faults.first().map_or_else(String::new, ToString::to_string))),
        }
    }
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
    f.end(r);
    Some(Entry {
        rollout: rollout?,
        revision: revision?,
        at: at?,
        actor: actor?,
        command: command?,
        reason: reason?,
        figures,
        state: state?,
        previous: previous?,
    })
}

/// The SHA-256 of bytes, in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
