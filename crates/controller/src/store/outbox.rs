//! The outbox in the database: messages that wait, that were sent, and that were given up.
//!
//! A message is inserted in the transaction of what causes it. What becomes of it is an update of its row; only a
//! message that has become part of another one, and was never tried, is deleted.

use tidegate_model::history::sha256_hex;
use tidegate_model::notification::{Notification, NotificationKind};
use tidegate_model::{Instant, Name};

use super::{Batch, Row, Storage, StorageError};

/// Messages that were sent are kept this long.
const SENT_MS_KEPT: i64 = 7 * 86_400_000;
/// Messages that were given up are kept this long: somebody may want to send them after all.
const DEAD_MS_KEPT: i64 = 30 * 86_400_000;
/// So many messages are kept that have ended, the newest ones.
const ENDED_KEPT: i64 = 5_000;

/// What is stored of a message beside its text.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its place in the order.
    pub number: u64,
    /// Its stable id.
    pub id: String,
    /// When it was caused.
    pub at: Instant,
    /// Since when it is tried: it was caused then, or somebody had it sent again.
    pub since: Instant,
    /// The rollout that it is about.
    pub rollout: Name,
    /// The channel that it goes to.
    pub channel: Name,
    /// That channel's definition when the message was last touched, as JSON.
    pub target: String,
    /// What it is about.
    pub kind: NotificationKind,
    /// What it belongs to.
    pub incident: Option<String>,
    /// Of a message that opens several incidents as one, those that are open.
    pub members: Vec<String>,
    /// How many messages it is made of.
    pub folded: u64,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next.
    pub next_try: Instant,
    /// Whether the last try failed over the configuration, rather than over the receiver.
    pub is_configuration: bool,
    /// Why the last try failed.
    pub last_error: String,
}

impl Stored {
    /// The id of a message: stable, and never that of another one, though rows go and numbers come again.
    pub fn id_of(number: u64, rollout: &Name, channel: &Name, at: Instant) -> String {
        let digest = sha256_hex(format!("{number}\n{rollout}\n{channel}\n{}", at.as_epoch_ms()).as_bytes());
        format!("msg_{}", digest.get(..24).unwrap_or_default())
    }

    fn read(row: &Row) -> Option<Self> {
        Some(Self {
            number: row.number(0),
            id: row.text(1).to_owned(),
            at: row.moment(2)?,
            since: row.moment(3)?,
            rollout: row.text(4).parse().ok()?,
            channel: row.text(5).parse().ok()?,
            target: row.text(6).to_owned(),
            kind: kind(row.text(7)),
            incident: Some(row.text(8)).filter(|incident| !incident.is_empty()).map(str::to_owned),
            members: serde_json::from_str(row.text(9)).unwrap_or_default(),
            folded: row.number(10).max(1),
            tries: u32::try_from(row.number(11)).unwrap_or(u32::MAX),
            next_try: row.moment(12)?,
            is_configuration: row.number(13) == 1,
            last_error: row.text(14).to_owned(),
        })
    }
}

/// The columns of a [`Stored`], in its order.
const COLUMNS: &str = "number, id, at, since, rollout, channel, target, kind, incident, members, folded, tries, next_try, is_configuration, last_error";

fn kind(text: &str) -> NotificationKind {
    serde_json::from_value(text.into()).unwrap_or_default()
}

fn list(members: &[String]) -> String {
    serde_json::to_string(members).unwrap_or_default()
}

/// How a message has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was sent.
    Sent,
    /// It was given up.
    Dead,
}

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }
}

impl Batch {
    /// A message that is to be sent.
    pub fn post(&mut self, message: &Stored, notification: &Notification) {
        let entry = notification.revision.map_or(0, |revision| revision);
        self.put(
            "outbox",
            1,
            [
                ("number", message.number.into()),
                ("id", message.id.as_str().into()),
                ("at", message.at.into()),
                ("since", message.since.into()),
                ("rollout", (&message.rollout).into()),
                ("entry", entry.into()),
                ("channel", (&message.channel).into()),
                ("target", message.target.as_str().into()),
                ("kind", message.kind.as_str().into()),
                ("incident", message.incident.clone().unwrap_or_default().into()),
                ("members", list(&message.members).into()),
                ("folded", message.folded.into()),
                ("body", serde_json::to_string(notification).unwrap_or_default().into()),
                ("tries", message.tries.into()),
                ("next_try", message.next_try.into()),
                ("state", "waiting".into()),
                ("is_configuration", 0_i64.into()),
                ("last_error", "".into()),
                ("reference", "".into()),
                ("ended_at", 0_i64.into()),
            ],
        );
    }

    /// A message goes: it is part of another one now, or its channel has no use for it.
    pub fn unpost(&mut self, number: u64) {
        self.push("DELETE FROM outbox WHERE number = ?", [number.into()]);
    }

    /// A message waits on after a try, or anew.
    pub fn wait(&mut self, message: &Stored) {
        self.push(
            "UPDATE outbox SET state = 'waiting', since = ?, target = ?, tries = ?, next_try = ?, is_configuration = ?, last_error = ?, ended_at = 0 WHERE number = ?",
            [
                message.since.into(),
                message.target.as_str().into(),
                message.tries.into(),
                message.next_try.into(),
                i64::from(message.is_configuration).into(),
                message.last_error.as_str().into(),
                message.number.into(),
            ],
        );
    }

    /// A message has ended; `reference` is what the receiver calls what it has made of it.
    pub fn end(&mut self, message: &Stored, ending: Ending, reference: Option<&str>, now: Instant) {
        self.push(
            "UPDATE outbox SET state = ?, target = ?, tries = ?, is_configuration = ?, last_error = ?, reference = ?, ended_at = ? WHERE number = ?",
            [
                ending.as_str().into(),
                message.target.as_str().into(),
                message.tries.into(),
                i64::from(message.is_configuration).into(),
                message.last_error.as_str().into(),
                reference.unwrap_or_default().into(),
                now.into(),
                message.number.into(),
            ],
        );
    }

    /// Of a message that opened several incidents as one, only these are open any more.
    pub fn members(&mut self, number: u64, members: &[String]) {
        self.push("UPDATE outbox SET members = ? WHERE number = ?", [list(members).into(), number.into()]);
    }

    /// Counts what has become of a try, for Prometheus: sent, failed, given up.
    pub fn tried(&mut self, channel: &Name, [sent, failed, dead]: [u64; 3]) {
        self.push(
            "INSERT INTO outbox_totals (channel, sent, failed, dead) VALUES (?, ?, ?, ?) ON CONFLICT (channel) DO UPDATE SET sent = sent + excluded.sent, failed = failed + excluded.failed, dead = dead + excluded.dead",
            [channel.into(), sent.into(), failed.into(), dead.into()],
        );
    }

    /// A text of the deployment.
    pub fn setting(&mut self, name: &str, value: &str) {
        self.put("settings", 1, [("name", name.into()), ("value", value.into())]);
    }

    /// What is too old, or too much, of what has ended goes. What waits stays.
    pub fn prune_outbox(&mut self, now: Instant) {
        for (state, kept) in [("sent", SENT_MS_KEPT), ("dead", DEAD_MS_KEPT)] {
            self.push(
                "DELETE FROM outbox WHERE state = ? AND ended_at < ?",
                [state.into(), now.as_epoch_ms().saturating_sub(kept).into()],
            );
        }
        self.push(
            "DELETE FROM outbox WHERE state <> 'waiting' AND number <= (SELECT number FROM outbox WHERE state <> 'waiting' ORDER BY number DESC LIMIT 1 OFFSET ?)",
            [ENDED_KEPT.into()],
        );
    }
}

/// The messages that wait, in their order.
///
/// # Errors
/// When the storage refuses.
pub fn waiting(storage: &mut dyn Storage) -> Result<Vec<Stored>, StorageError> {
    let sql = format!("SELECT {COLUMNS} FROM outbox WHERE state = 'waiting' ORDER BY number");
    Ok(storage.rows(&sql, &[])?.iter().filter_map(Stored::read).collect())
}

/// The greatest number that a message has.
///
/// # Errors
/// When the storage refuses.
pub fn last_number(storage: &mut dyn Storage) -> Result<u64, StorageError> {
    Ok(storage.rows("SELECT MAX(number) FROM outbox", &[])?.first().map_or(0, |row| row.number(0)))
}

/// What was sent lately: the channel, its definition, the rollout, when, and of how many messages it was made.
pub type SentLately = (Name, String, Name, Instant, u64);

/// What was sent since a moment, in the order in which it was sent.
///
/// # Errors
/// When the storage refuses.
pub fn sent_since(storage: &mut dyn Storage, since: Instant) -> Result<Vec<SentLately>, StorageError> {
    let rows = storage.rows(
        "SELECT channel, target, rollout, ended_at, folded FROM outbox WHERE state = 'sent' AND ended_at >= ? ORDER BY ended_at",
        &[since.into()],
    )?;
    let read = |row: &Row| {
        let (channel, rollout) = (row.text(0).parse().ok()?, row.text(2).parse().ok()?);
        Some((channel, row.text(1).to_owned(), rollout, row.moment(3)?, row.number(4)))
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// The channels whose last message was given up: their names, their definitions then, the error, and since when.
///
/// # Errors
/// When the storage refuses.
pub fn dead_channels(storage: &mut dyn Storage) -> Result<Vec<(Name, String, String, Instant)>, StorageError> {
    // SQLite takes the other columns from the row of the maximum.
    let rows = storage.rows(
        "SELECT channel, target, state, last_error, ended_at, MAX(ended_at) FROM outbox WHERE state <> 'waiting' GROUP BY channel, target",
        &[],
    )?;
    let read = |row: &Row| {
        (row.text(2) == "dead")
            .then(|| Some((row.text(0).parse().ok()?, row.text(1).to_owned(), row.text(3).to_owned(), row.moment(4)?)))
            .flatten()
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// The texts of messages, by their numbers.
///
/// # Errors
/// When the storage refuses.
pub fn bodies(storage: &mut dyn Storage, numbers: &[u64]) -> Result<Vec<(u64, Notification)>, StorageError> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = serde_json::to_string(numbers).unwrap_or_default();
    let rows = storage.rows(
        "SELECT number, body FROM json_each(?) AS asked CROSS JOIN outbox ON number = asked.value",
        &[numbers.into()],
    )?;
    Ok(rows.iter().filter_map(|row| Some((row.number(0), serde_json::from_str(row.text(1)).ok()?))).collect())
}

/// What an earlier message of an incident has brought back from a channel.
///
/// # Errors
/// When the storage refuses.
pub fn reference(storage: &mut dyn Storage, channel: &Name, incident: &str) -> Result<Option<String>, StorageError> {
    let rows = storage.rows(
        "SELECT reference FROM outbox WHERE channel = ? AND incident = ? AND reference <> '' ORDER BY number DESC LIMIT 1",
        &[channel.into(), incident.into()],
    )?;
    Ok(rows.first().map(|row| row.text(0).to_owned()))
}

/// The message that opened an incident on a channel: where that was one for several incidents, its number, its own
/// incident, and those of its members that are open.
///
/// # Errors
/// When the storage refuses.
pub fn opened_by(
    storage: &mut dyn Storage,
    channel: &Name,
    incident: &str,
) -> Result<Option<(u64, String, Vec<String>)>, StorageError> {
    let rows = storage.rows(
        "SELECT number, incident, members FROM outbox WHERE channel = ?1 AND kind <> 'resolved' AND (incident = ?2 OR EXISTS (SELECT 1 FROM json_each(members) WHERE value = ?2)) ORDER BY number DESC LIMIT 1",
        &[channel.into(), incident.into()],
    )?;
    Ok(rows.first().and_then(|row| {
        let members: Vec<String> = serde_json::from_str(row.text(2)).unwrap_or_default();
        members.iter().any(|own| own == incident).then(|| (row.number(0), row.text(1).to_owned(), members))
    }))
}

/// A text of the deployment.
///
/// # Errors
/// When the storage refuses.
pub fn setting(storage: &mut dyn Storage, name: &str) -> Result<Option<String>, StorageError> {
    let rows = storage.rows("SELECT value FROM settings WHERE name = ?", &[name.into()])?;
    Ok(rows.first().map(|row| row.text(0).to_owned()))
}

/// A row as the API shows it: what is stored of the message, its text, its state, and when it ended.
pub struct Shown {
    pub message: Stored,
    pub notification: Notification,
    pub state: String,
    pub ended_at: Option<Instant>,
}

/// Messages in these states, of all rollouts or of one, the newest first.
///
/// # Errors
/// When the storage refuses.
pub fn shown(
    storage: &mut dyn Storage,
    states: &[&str],
    rollout: Option<&str>,
    limit: u64,
) -> Result<Vec<Shown>, StorageError> {
    let states = serde_json::to_string(states).unwrap_or_default();
    let sql = format!(
        "SELECT {COLUMNS}, body, state, ended_at FROM outbox WHERE state IN (SELECT value FROM json_each(?1)) AND (?2 = '' OR rollout = ?2) ORDER BY number DESC LIMIT ?3"
    );
    let rows = storage.rows(&sql, &[states.into(), rollout.unwrap_or_default().into(), limit.into()])?;
    let read = |row: &Row| {
        Some(Shown {
            message: Stored::read(row)?,
            notification: serde_json::from_str(row.text(15)).unwrap_or_default(),
            state: row.text(16).to_owned(),
            ended_at: row.moment(17).filter(|at| at.as_epoch_ms() > 0),
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// The messages that were given up, or the one with this id, whatever its state.
///
/// # Errors
/// When the storage refuses.
pub fn to_retry(storage: &mut dyn Storage, id: Option<&str>) -> Result<Vec<(Stored, String)>, StorageError> {
    let sql = format!(
        "SELECT {COLUMNS}, state FROM outbox WHERE CASE WHEN ?1 = '' THEN state = 'dead' ELSE id = ?1 END ORDER BY number"
    );
    let rows = storage.rows(&sql, &[id.unwrap_or_default().into()])?;
    Ok(rows.iter().filter_map(|row| Some((Stored::read(row)?, row.text(15).to_owned()))).collect())
}

/// Whether an incident was resolved on a channel after a message.
///
/// # Errors
/// When the storage refuses.
pub fn is_over(storage: &mut dyn Storage, message: &Stored) -> Result<bool, StorageError> {
    let Some(incident) = &message.incident else { return Ok(false) };
    let rows = storage.rows(
        "SELECT 1 FROM outbox WHERE channel = ? AND incident = ? AND number > ? AND kind = 'resolved' LIMIT 1",
        &[(&message.channel).into(), incident.as_str().into(), message.number.into()],
    )?;
    Ok(!rows.is_empty() && message.kind != NotificationKind::Resolved)
}

/// Everything that was ever sent, failed and given up, by channel.
///
/// # Errors
/// When the storage refuses.
pub fn totals(storage: &mut dyn Storage) -> Result<Vec<(String, [u64; 3])>, StorageError> {
    let rows = storage.rows("SELECT channel, sent, failed, dead FROM outbox_totals ORDER BY channel", &[])?;
    Ok(rows.iter().map(|row| (row.text(0).to_owned(), [row.number(1), row.number(2), row.number(3)])).collect())
}
