//! What the controller stores, and how it is read again. All of its SQL stands here, once: the Durable
//! Object's SQLite runs it in production, and SQLite itself in tests.
//!
//! A change, its entry in the history and the answer that a retry gets are one transaction. The object
//! is put to sleep after seconds without work, so what is to outlast that is stored, and not only
//! what is to outlast a crash.

pub mod counts;
pub mod incoming;
pub mod outbox;
pub mod relay;
pub mod schema;
pub mod unread;

use std::borrow::Cow;
use std::fmt;

use super::turn::Turn;
use tidegate_decide::deployment::Deployment;
use tidegate_decide::explain;
use tidegate_decide::rollout::{Change, Rollout};
use tidegate_model::command::Command;
use tidegate_model::history::Entry;
use tidegate_model::plan::limits::REVISION_MAX;
use tidegate_model::{Instant, Minute, Name};
use tidegate_protocol::api::Reply;
use tidegate_protocol::api::prometheus::LastChange;
use tidegate_protocol::relays::Layout;

/// A database, as far as the controller needs one.
pub trait Storage {
    /// The rows that a statement yields.
    ///
    /// # Errors
    /// When the storage refuses.
    fn rows(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StorageError>;

    /// Runs statements in one transaction: all of them or none.
    ///
    /// # Errors
    /// When the storage refuses. Whether the statements have been run is not known then: the object may have
    /// died after the commit and before its answer.
    fn commit(&mut self, statements: &[Statement]) -> Result<(), StorageError>;

    /// Whether what is committed can be read again. Where it cannot, as in a simulated run, the controller prints
    /// no counts for it and never drops what it has in memory.
    fn keeps(&self) -> bool {
        true
    }
}

/// What the storage said when it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageError(pub String);

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the storage refuses: {}", self.0)
    }
}

impl std::error::Error for StorageError {}

/// A value of a column, or of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number. JavaScript's numbers are whole up to 2⁵³, so no greater one comes back as it was.
    Integer(i64),
    /// Any other number. One that happens to be whole may come back as [`Value::Integer`].
    Real(f64),
    /// A text.
    Text(String),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&Name> for Value {
    fn from(name: &Name) -> Self {
        Self::Text(name.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(i64::from(number))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<Instant> for Value {
    fn from(at: Instant) -> Self {
        Self::Integer(at.as_epoch_ms())
    }
}

/// A time, or one that has not come.
impl From<Option<Instant>> for Value {
    fn from(at: Option<Instant>) -> Self {
        Self::Integer(ms(at))
    }
}

/// A statement of SQL with a parameter for each of its `?`.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The statement.
    pub sql: Cow<'static, str>,
    /// Its parameters, in their order.
    pub parameters: Vec<Value>,
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Value>);

impl Row {
    pub(super) fn text(&self, column: usize) -> &str {
        match self.0.get(column) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    fn moment(&self, column: usize) -> Option<Instant> {
        match self.0.get(column) {
            Some(Value::Integer(ms)) => at(*ms),
            _ => None,
        }
    }

    fn real(&self, column: usize) -> f64 {
        match self.0.get(column) {
            Some(Value::Real(number)) => *number,
            Some(Value::Integer(number)) => *number as f64,
            _ => 0.0,
        }
    }

    fn number(&self, column: usize) -> u64 {
        match self.0.get(column) {
            Some(Value::Integer(number)) => u64::try_from(*number).unwrap_or_default(),
            _ => 0,
        }
    }
}

/// Stands for a time that has not come.
const NEVER: i64 = -1;
/// Answers are kept for retries this long, in milliseconds.
const ANSWER_MS_MAX: i64 = 86_400_000;

/// A rollout that has been taken out of the plans.
pub struct Removed {
    /// Its key.
    pub key: String,
    /// Its last revision; whatever gets its key next goes on from there.
    pub revision: u64,
    /// Whether KV still holds its state.
    pub is_in_kv: bool,
}

fn ms(at: Option<Instant>) -> i64 {
    at.map_or(NEVER, Instant::as_epoch_ms)
}

fn at(ms: i64) -> Option<Instant> {
    (ms != NEVER).then(|| Instant::from_epoch_ms(ms))
}

/// Statements that are run together.
#[derive(Clone, Debug, Default)]
pub struct Batch(Vec<Statement>);

impl From<Vec<Statement>> for Batch {
    fn from(statements: Vec<Statement>) -> Self {
        Self(statements)
    }
}

impl Batch {
    fn push<const N: usize>(&mut self, sql: impl Into<Cow<'static, str>>, parameters: [Value; N]) {
        self.0.push(Statement { sql: sql.into(), parameters: parameters.into() });
    }

    /// Puts a row in the place of the one with the same key, of which it changes these columns alone: a column
    /// that a newer release has added keeps its value.
    fn put<const N: usize>(&mut self, table: &str, keys: usize, columns: [(&str, Value); N]) {
        let names = columns.each_ref().map(|(name, _)| *name);
        let (key, rest) = names.split_at(keys.min(N));
        let updates: Vec<String> = rest.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}",
            names.join(", "),
            ["?"; N].join(", "),
            key.join(", "),
            updates.join(", ")
        );
        self.push(sql, columns.map(|(_, value)| value));
    }

    /// Takes the statements of another batch in, behind its own.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A rollout as it is now.
    pub fn save(&mut self, rollout: &Rollout) {
        let echoes: Vec<(&str, i64)> =
            rollout.echoes.iter().map(|echo| (echo.text.as_str(), ms(echo.overwritten))).collect();
        self.put(
            "rollouts",
            1,
            [
                ("key", (&rollout.plan.key).into()),
                ("plan", (&*rollout.plan_text).into()),
                ("record", rollout.record.to_json().into()),
                ("hash", rollout.hash.as_str().into()),
                ("published", rollout.published.into()),
                ("published_at", rollout.published_at.into()),
                ("key_absent_since", rollout.key_absent_since.into()),
                ("key_gone_at", rollout.key_gone_at.into()),
                ("echoes", serde_json::to_string(&echoes).unwrap_or_default().into()),
            ],
        );
    }

    /// A change and its entry in the history.
    pub fn change(&mut self, change: &Change) {
        self.save(&change.rollout);
        self.push(
            "INSERT INTO history (rollout, revision, entry) VALUES (?, ?, ?)",
            [(&change.key).into(), change.entry.revision.into(), change.text.as_str().into()],
        );
        if let Command::Apply { plan, .. } = &change.entry.command {
            let text = (&*change.rollout.plan_text).into();
            self.put("plans", 2, [("rollout", (&change.key).into()), ("revision", (*plan).into()), ("plan", text)]);
        }
    }

    /// A rollout that goes, with its counts. What it was stays stored, under a name that no new rollout
    /// can have.
    pub fn remove(&mut self, rollout: &Rollout, now: Instant) {
        let key = rollout.plan.key.as_str();
        let past = format!("{key} until {now}");
        for table in ["plans", "history"] {
            self.push(format!("UPDATE {table} SET rollout = ? WHERE rollout = ?"), [past.as_str().into(), key.into()]);
        }
        self.forget_counts(key);
        self.push("DELETE FROM rollouts WHERE key = ?", [key.into()]);
        self.put(
            "removed",
            1,
            [("key", key.into()), ("revision", rollout.record.live.revision.into()), ("in_kv", 1_i64.into())],
        );
    }

    /// The state of a rollout that went is gone from KV.
    pub fn gone(&mut self, key: &str) {
        self.push("UPDATE removed SET in_kv = 0 WHERE key = ?", [key.into()]);
    }

    /// A number of the deployment.
    pub fn number(&mut self, name: &str, value: u64) {
        self.put("deployment", 1, [("name", name.into()), ("value", value.into())]);
    }

    /// Which relays there are.
    pub fn layout(&mut self, layout: &Layout) {
        self.number("relays", layout.leaves.into());
        self.number("relays_fan", layout.fan.into());
        self.number("relays_at", u64::try_from(layout.at).unwrap_or_default());
    }

    /// The answer to a request, for when it is sent again.
    pub fn answer(&mut self, key: &str, request: &str, reply: &Reply, now: Instant) {
        let oldest_ms = now.as_epoch_ms() - ANSWER_MS_MAX;
        self.push("DELETE FROM answers WHERE at < ?", [oldest_ms.into()]);
        let reply = serde_json::to_string(reply).unwrap_or_default();
        self.push(
            "INSERT INTO answers (key, request, reply, at) VALUES (?, ?, ?, ?)",
            [key.into(), request.into(), reply.into(), now.into()],
        );
    }

    /// Runs the statements: all of them or none.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn commit(self, storage: &mut dyn Storage) -> Result<(), StorageError> {
        if self.0.is_empty() { Ok(()) } else { storage.commit(&self.0) }
    }
}

/// What is stored of everything but counts.
pub struct Stored {
    /// The rollouts, without their metrics.
    pub deployment: Deployment,
    /// The rollouts that went.
    pub removed: Vec<Removed>,
    /// When what was too old last went.
    pub pruned_minute: Minute,
    /// Which relays there are.
    pub layout: Layout,
}

/// Opens the storage and loads the deployment, and the rollouts that went. Rollouts of which nothing can be
/// read go into `unreadable`.
///
/// # Errors
/// When the storage refuses.
pub fn load(turn: &mut Turn<'_>, unreadable: &mut Vec<String>) -> Result<Stored, StorageError> {
    schema::open(turn)?;
    let mut deployment = Deployment::default();
    let mut pruned_minute = Minute::EPOCH;
    let mut layout = Layout::default();
    for row in turn.storage.rows("SELECT name, value FROM deployment", &[])? {
        match row.text(0) {
            "pruned_minute" => pruned_minute = row.minute(1),
            "plans" => deployment.plans = row.number(1),
            "relays" => layout.leaves = u32::try_from(row.number(1)).unwrap_or_default(),
            "relays_fan" => layout.fan = u32::try_from(row.number(1)).unwrap_or_default(),
            "relays_at" => layout.at = i64::try_from(row.number(1)).unwrap_or_default(),
            "plans_published" => deployment.plans_published = row.number(1),
            _ => {}
        }
    }
    // An earlier version took in any revision by hand, also one that nobody can count on from.
    if deployment.plans > REVISION_MAX {
        deployment.plans = u64::try_from(turn.now.as_epoch_ms() / 1_000).unwrap_or(1);
        let mut batch = Batch::default();
        batch.number("plans", deployment.plans);
        turn.commit(batch)?;
    }
    for row in turn.storage.rows(
        "SELECT key, plan, record, hash, published, published_at, key_absent_since, key_gone_at, echoes FROM rollouts",
        &[],
    )? {
        match unread::rollout(turn, &row)? {
            Some(rollout) => deployment.rollouts.insert(rollout),
            None => unreadable.push(row.text(0).to_owned()),
        }
    }
    let read =
        |row: Row| Removed { key: row.text(0).to_owned(), revision: row.number(1), is_in_kv: row.number(2) == 1 };
    let removed = turn.storage.rows("SELECT key, revision, in_kv FROM removed", &[])?.into_iter().map(read).collect();
    Ok(Stored { deployment, removed, pruned_minute, layout })
}

/// Up to `limit` entries of a history before a revision, the newest first.
///
/// # Errors
/// When the storage refuses.
pub fn history(
    storage: &mut dyn Storage,
    key: &Name,
    before: u64,
    limit: u64,
) -> Result<Vec<(u64, String)>, StorageError> {
    let rows = storage.rows(
        "SELECT revision, entry FROM history WHERE rollout = ? AND revision < ? ORDER BY revision DESC LIMIT ?",
        &[key.as_str().into(), before.into(), limit.into()],
    )?;
    Ok(rows.iter().map(|row| (row.number(0), row.text(1).to_owned())).collect())
}

/// The last change of each rollout.
///
/// # Errors
/// When the storage refuses.
pub fn last_changes(storage: &mut dyn Storage) -> Result<Vec<LastChange>, StorageError> {
    let statement = "SELECT history.rollout, revision, entry ->> '$.actor', entry ->> '$.command.command', entry, entry ->> '$.at' FROM rollouts CROSS JOIN history ON history.rollout = key AND revision = (SELECT MAX(revision) FROM history AS own WHERE own.rollout = key)";
    let change = |row: &Row| LastChange {
        rollout: row.text(0).to_owned(),
        revision: row.number(1),
        actor: row.text(2).to_owned(),
        command: row.text(3).to_owned(),
        reason: Entry::parse(row.text(4)).map(|(entry, _)| explain::why(&entry)).unwrap_or_default(),
        at: row.text(5).parse().ok(),
    };
    Ok(storage.rows(statement, &[])?.iter().map(change).collect())
}

/// The plan that a rollout had under a revision of the plans.
///
/// # Errors
/// When the storage refuses.
pub fn plan(storage: &mut dyn Storage, key: &Name, number: u64) -> Result<Option<String>, StorageError> {
    let rows = storage
        .rows("SELECT plan FROM plans WHERE rollout = ? AND revision = ?", &[key.as_str().into(), number.into()])?;
    Ok(rows.first().map(|row| row.text(0).to_owned()))
}

/// The request and the answer that a key stands for.
///
/// # Errors
/// When the storage refuses.
pub fn answer(storage: &mut dyn Storage, key: &str) -> Result<Option<(String, Reply)>, StorageError> {
    let rows = storage.rows("SELECT request, reply FROM answers WHERE key = ?", &[key.into()])?;
    Ok(rows.first().and_then(|row| Some((row.text(0).to_owned(), Reply::parse(row.text(1))?))))
}
