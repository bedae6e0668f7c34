//! What the controller stores, in the SQLite of its Durable Object.
//!
//! A change, its entry in the history and the answer that a retry gets are one transaction. The object
//! is put to sleep after seconds without work, so what is to outlast that is stored, and not only
//! what is to outlast a crash.

pub mod counts;
pub mod unread;

use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::decide::deployment::Deployment;
use crate::decide::explain;
use crate::decide::rollout::{Change, Rollout};
use crate::model::command::Command;
use crate::model::history::Entry;
use crate::model::node::{Node, Value};
use crate::model::plan::limits::REVISION_MAX;
use crate::model::{Instant, Name};
use crate::protocol::api::Reply;
use crate::protocol::api::prometheus::LastChange;

#[wasm_bindgen(module = "/src/edge/store.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = rows)]
    fn rows_of(context: &JsValue, statement: &str, parameters: &str) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = commit)]
    fn commit_all(context: &JsValue, statements: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(js_name = wakeAt)]
    pub fn wake_at(context: &JsValue, ms: f64);

    #[wasm_bindgen(catch, js_name = writeTexts)]
    pub async fn write_texts(context: &JsValue, env: &JsValue, pairs: &str) -> Result<JsValue, JsValue>;

    /// The keys of writes that KV has carried out long after they were given up, a line each.
    #[wasm_bindgen(js_name = lateWrites)]
    fn late_lines() -> String;
}

/// The keys of writes that KV has carried out long after they were given up: what they wrote may have
/// come after what was written next. Each is told once.
pub fn late_writes() -> Vec<String> {
    late_lines().lines().map(str::to_owned).collect()
}

const TABLES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS deployment (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS rollouts (key TEXT PRIMARY KEY, plan TEXT NOT NULL, record TEXT NOT NULL, hash TEXT NOT NULL, published INTEGER NOT NULL, published_at INTEGER NOT NULL, key_absent_since INTEGER NOT NULL, key_gone_at INTEGER NOT NULL, echoes TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS plans (rollout TEXT NOT NULL, revision INTEGER NOT NULL, plan TEXT NOT NULL, PRIMARY KEY (rollout, revision)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS history (rollout TEXT NOT NULL, revision INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (rollout, revision)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT NOT NULL, reply TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS removed (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, in_kv INTEGER NOT NULL) WITHOUT ROWID",
];
/// Stands for a time that has not come.
const NEVER: i64 = -1;
/// Answers are kept for retries this long.
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

/// A parameter of a statement.
#[derive(Serialize)]
#[serde(untagged)]
enum Parameter<'a> {
    Text(&'a str),
    Whole(i64),
    Real(f64),
}
use Parameter::{Text, Whole};

fn revision(number: u64) -> Parameter<'static> {
    Whole(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A time, or one that has not come.
fn ms(at: Option<Instant>) -> i64 {
    at.map_or(NEVER, Instant::as_epoch_ms)
}

fn moment(at: Option<Instant>) -> Parameter<'static> {
    Whole(ms(at))
}

fn at(ms: i64) -> Option<Instant> {
    (ms != NEVER).then(|| Instant::from_epoch_ms(ms))
}

/// Statements that are run together.
#[derive(Default)]
pub struct Batch(String);

impl Batch {
    /// A list of the statement and its parameters, as JSON.
    fn push(&mut self, statement: &str, parameters: &[Parameter<'_>]) {
        self.0.push_str(if self.0.is_empty() { "[[" } else { ",[" });
        self.0.push_str(&serde_json::to_string(statement).unwrap_or_default());
        for parameter in parameters {
            self.0.push(',');
            self.0.push_str(&serde_json::to_string(parameter).unwrap_or_default());
        }
        self.0.push(']');
    }

    /// A rollout as it is now.
    pub fn save(&mut self, rollout: &Rollout) {
        let echoes: Vec<(&str, i64)> =
            rollout.echoes.iter().map(|echo| (echo.text.as_str(), ms(echo.overwritten))).collect();
        self.push(
            "INSERT OR REPLACE INTO rollouts (key, plan, record, hash, published, published_at, key_absent_since, key_gone_at, echoes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            &[
                Text(rollout.plan.key.as_str()),
                Text(&rollout.plan_text),
                Text(&rollout.record.to_json()),
                Text(&rollout.hash),
                revision(rollout.published),
                Whole(rollout.published_at.as_epoch_ms()),
                moment(rollout.key_absent_since),
                moment(rollout.key_gone_at),
                Text(&serde_json::to_string(&echoes).unwrap_or_default()),
            ],
        );
    }

    /// A change and its entry in the history.
    pub fn change(&mut self, change: &Change) {
        let key = Text(change.key.as_str());
        self.save(&change.rollout);
        self.push(
            "INSERT INTO history (rollout, revision, entry) VALUES (?, ?, ?)",
            &[key, revision(change.entry.revision), Text(&change.text)],
        );
        if let Command::Apply { plan, .. } = &change.entry.command {
            self.push(
                "INSERT OR REPLACE INTO plans (rollout, revision, plan) VALUES (?, ?, ?)",
                &[Text(change.key.as_str()), revision(*plan), Text(&change.rollout.plan_text)],
            );
        }
    }

    /// A rollout that goes, with its counts. What it was stays stored, under a name that no new rollout
    /// can have.
    pub fn remove(&mut self, rollout: &Rollout, now: Instant) {
        let key = rollout.plan.key.as_str();
        let past = format!("{key} until {now}");
        for table in ["plans", "history"] {
            self.push(&format!("UPDATE {table} SET rollout = ? WHERE rollout = ?"), &[Text(&past), Text(key)]);
        }
        self.forget_counts(key);
        self.push("DELETE FROM rollouts WHERE key = ?", &[Text(key)]);
        self.push(
            "INSERT OR REPLACE INTO removed (key, revision, in_kv) VALUES (?, ?, 1)",
            &[Text(key), revision(rollout.record.live.revision)],
        );
    }

    /// The state of a rollout that went is gone from KV.
    pub fn gone(&mut self, key: &str) {
        self.push("UPDATE removed SET in_kv = 0 WHERE key = ?", &[Text(key)]);
    }

    /// A number of the deployment.
    pub fn number(&mut self, name: &str, value: u64) {
        self.push("INSERT OR REPLACE INTO deployment (name, value) VALUES (?, ?)", &[Text(name), revision(value)]);
    }

    /// The answer to a request, for when it is sent again.
    pub fn answer(&mut self, key: &str, request: &str, reply: &Reply, now: Instant) {
        let now_ms = now.as_epoch_ms();
        self.push("DELETE FROM answers WHERE at < ?", &[Whole(now_ms - ANSWER_MS_MAX)]);
        let reply = serde_json::to_string(reply).unwrap_or_default();
        self.push(
            "INSERT INTO answers (key, request, reply, at) VALUES (?, ?, ?, ?)",
            &[Text(key), Text(request), Text(&reply), Whole(now_ms)],
        );
    }

    /// Runs the statements: all of them or none.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn commit(self, context: &JsValue) -> Result<(), JsValue> {
        if self.0.is_empty() { Ok(()) } else { commit_all(context, &format!("{}]", self.0)) }
    }
}

fn rows(context: &JsValue, statement: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, JsValue> {
    let text = rows_of(context, statement, &serde_json::to_string(parameters).unwrap_or_default())?;
    let node: Node = serde_json::from_str(&text).map_err(|error| JsValue::from_str(&error.to_string()))?;
    let Value::List(rows) = node.value else { return Ok(Vec::new()) };
    let columns = |row: Node| match row.value {
        Value::List(columns) => Row(columns),
        _ => Row(Vec::new()),
    };
    Ok(rows.into_iter().map(columns).collect())
}

struct Row(Vec<Node>);

impl Row {
    fn text(&self, column: usize) -> &str {
        match self.0.get(column).map(|node| &node.value) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    fn moment(&self, column: usize) -> Option<Instant> {
        match self.0.get(column).map(|node| &node.value) {
            Some(Value::Integer(ms)) => at(*ms),
            _ => None,
        }
    }

    fn real(&self, column: usize) -> f64 {
        match self.0.get(column).map(|node| &node.value) {
            Some(Value::Float(number)) => *number,
            Some(Value::Integer(number)) => *number as f64,
            _ => 0.0,
        }
    }

    fn number(&self, column: usize) -> u64 {
        match self.0.get(column).map(|node| &node.value) {
            Some(Value::Integer(number)) => u64::try_from(*number).unwrap_or_default(),
            _ => 0,
        }
    }
}

/// What is stored of everything but counts.
pub struct Stored {
    pub deployment: Deployment,
    pub removed: Vec<Removed>,
    /// When what was too old last went.
    pub pruned_minute: u64,
}

/// Opens the storage and loads the deployment, and the rollouts that went. What cannot be read of a
/// rollout is told.
///
/// # Errors
/// When the storage refuses.
pub fn load(context: &JsValue, now: Instant, broken: &mut dyn FnMut(&str)) -> Result<Stored, JsValue> {
    let mut batch = Batch::default();
    for statement in TABLES.into_iter().chain(counts::TABLES) {
        batch.push(statement, &[]);
    }
    batch.commit(context)?;
    let mut deployment = Deployment::default();
    let mut pruned_minute = 0;
    for row in rows(context, "SELECT name, value FROM deployment", &[])? {
        match row.text(0) {
            "pruned_minute" => pruned_minute = row.number(1),
            "plans" => deployment.plans = row.number(1),
            "plans_published" => deployment.plans_published = row.number(1),
            _ => {}
        }
    }
    // An earlier version took in any revision by hand, also one that nobody can count on from.
    if deployment.plans > REVISION_MAX {
        deployment.plans = u64::try_from(now.as_epoch_ms() / 1_000).unwrap_or(1);
        let mut batch = Batch::default();
        batch.number("plans", deployment.plans);
        batch.commit(context)?;
    }
    for row in rows(
        context,
        "SELECT key, plan, record, hash, published, published_at, key_absent_since, key_gone_at, echoes FROM rollouts",
        &[],
    )? {
        match unread::rollout(context, &row, now)? {
            Some(rollout) => deployment.rollouts.insert(rollout),
            None => broken(row.text(0)),
        }
    }
    let removed =
        |row: Row| Removed { key: row.text(0).to_owned(), revision: row.number(1), is_in_kv: row.number(2) == 1 };
    let removed = rows(context, "SELECT key, revision, in_kv FROM removed", &[])?.into_iter().map(removed).collect();
    Ok(Stored { deployment, removed, pruned_minute })
}

/// Up to `limit` entries of a history before a revision, the newest first.
///
/// # Errors
/// When the storage refuses.
pub fn history(context: &JsValue, key: &Name, before: u64, limit: u64) -> Result<Vec<(u64, String)>, JsValue> {
    let rows = rows(
        context,
        "SELECT revision, entry FROM history WHERE rollout = ? AND revision < ? ORDER BY revision DESC LIMIT ?",
        &[Text(key.as_str()), revision(before), revision(limit)],
    )?;
    Ok(rows.iter().map(|row| (row.number(0), row.text(1).to_owned())).collect())
}

/// The last change of each rollout.
///
/// # Errors
/// When the storage refuses.
pub fn last_changes(context: &JsValue) -> Result<Vec<LastChange>, JsValue> {
    let statement = "SELECT history.rollout, revision, entry ->> '$.actor', entry ->> '$.command.command', entry, entry ->> '$.at' FROM rollouts CROSS JOIN history ON history.rollout = key AND revision = (SELECT MAX(revision) FROM history AS own WHERE own.rollout = key)";
    let change = |row: &Row| LastChange {
        rollout: row.text(0).to_owned(),
        revision: row.number(1),
        actor: row.text(2).to_owned(),
        command: row.text(3).to_owned(),
        reason: Entry::parse(row.text(4)).map(|(entry, _)| explain::why(&entry)).unwrap_or_default(),
        at: row.text(5).parse().ok(),
    };
    Ok(rows(context, statement, &[])?.iter().map(change).collect())
}

/// The plan that a rollout had under a revision of the plans.
///
/// # Errors
/// When the storage refuses.
pub fn plan(context: &JsValue, key: &Name, number: u64) -> Result<Option<String>, JsValue> {
    let rows = rows(
        context,
        "SELECT plan FROM plans WHERE rollout = ? AND revision = ?",
        &[Text(key.as_str()), revision(number)],
    )?;
    Ok(rows.first().map(|row| row.text(0).to_owned()))
}

/// The request and the answer that a key stands for.
///
/// # Errors
/// When the storage refuses.
pub fn answer(context: &JsValue, key: &str) -> Result<Option<(String, Reply)>, JsValue> {
    let rows = rows(context, "SELECT request, reply FROM answers WHERE key = ?", &[Text(key)])?;
    Ok(rows.first().and_then(|row| Some((row.text(0).to_owned(), Reply::parse(row.text(1))?))))
}
