//! Backup and restore: everything that is stored, as one document, and back into a deployment that has nothing.
//!
//! 1. A backup is read in one turn, so it is of one moment: no change stands between two of its tables.
//! 2. It is restored in one transaction, and only where there is no rollout and none was ever removed: nothing is
//!    written over.
//! 3. What is about another place does not come along: that KV holds something, and which number the schema has. The
//!    states are published anew, and the columns that this release has beside keep their defaults.
//!
//! Secrets are not in it: plans name them, and the platform keeps them.

use serde_json::{Map, Value as Json, json};

use super::answer::Answered;
use super::state::State;
use super::store::{Batch, Statement, Storage, StorageError, Value};
use super::turn::Turn;
use tidegate_model::Instant;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::{Call, Reply};

/// The version of the document.
const VERSION: u64 = 1;
/// Tables that are of no use elsewhere: who was sent which answer, and which isolates there are.
const LEFT_OUT: [&str; 2] = ["answers", "isolates"];
/// Rows of `deployment` that are about this database, and not about what it holds.
const OWN_NUMBERS: [&str; 2] = ["schema", "plans_published"];

/// The tables of the database, those of the platform left out.
fn tables(storage: &mut dyn Storage) -> Result<Vec<String>, StorageError> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let names = storage.rows(sql, &[])?.into_iter().map(|row| row.text(0).to_owned());
    Ok(names.filter(|name| is_ours(name) && !LEFT_OUT.contains(&name.as_str())).collect())
}

fn is_ours(name: &str) -> bool {
    !name.starts_with('_') && !name.starts_with("sqlite_") && is_word(name)
}

/// Whether a name can stand in SQL as it is.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn columns(storage: &mut dyn Storage, table: &str) -> Result<Vec<String>, StorageError> {
    let rows = storage.rows("SELECT name FROM pragma_table_info(?)", &[table.into()])?;
    Ok(rows.iter().map(|row| row.text(0).to_owned()).filter(|name| is_word(name)).collect())
}

/// Everything that is stored.
///
/// # Errors
/// When the storage refuses.
pub fn show(turn: &mut Turn<'_>) -> Result<Reply, StorageError> {
    let mut all = Map::new();
    for table in tables(turn.storage)? {
        let columns = columns(turn.storage, &table)?;
        let sql = format!("SELECT {} FROM {table}", columns.join(", "));
        let rows: Vec<Json> =
            turn.storage.rows(&sql, &[])?.into_iter().map(|row| row.0.into_iter().map(json_of).collect()).collect();
        all.insert(table, json!({ "columns": columns, "rows": rows }));
    }
    Ok(Reply::text(json!({ "tidegate": "backup", "v": VERSION, "at": turn.now, "tables": all }).to_string()))
}

fn json_of(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => number.into(),
        // So that a whole one comes back as what it was.
        Value::Real(number) => json!({ "real": number }),
        Value::Text(text) => text.into(),
    }
}

fn value_of(json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null),
        Json::Number(number) => number.as_i64().map(Value::Integer),
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Object(fields) => fields.get("real").and_then(Json::as_f64).map(Value::Real),
        _ => None,
    }
}

/// Restores a backup into a deployment that has nothing.
///
/// # Errors
/// When the storage refuses; then nothing was restored.
pub fn restore(state: &mut State, turn: &mut Turn<'_>, call: &Call) -> Result<Answered, StorageError> {
    if state.deployment.rollouts.iter().next().is_some() || !state.removed.is_empty() {
        return Ok(Err(Problem::malformed(
            "this deployment has rollouts, or has had some, and a backup never writes anything over".to_owned(),
            "restore into a new deployment: another Worker, or another Durable Object",
        )));
    }
    let statements = match statements(turn.storage, &call.body)? {
        Ok(statements) => statements,
        Err(why) => {
            return Ok(Err(Problem::malformed(
                format!("this is no backup that can be restored: {why}"),
                "send a file that `tidegate backup` has written, unchanged",
            )));
        }
    };
    let rows = statements.len();
    turn.commit(Batch::from(statements))?;
    let (rhythm, console) = (state.rhythm, state.console.clone());
    *state = State::load(turn)?;
    state.rhythm = rhythm;
    state.console = console.or(state.console.take());
    state.plans_published_at = Instant::from_epoch_ms(0);
    let rollouts = state.deployment.rollouts.iter().count();
    turn.note("restored", "controller", &format!("{rollouts} rollouts, {rows} rows"));
    Ok(Ok(Reply::json(200, &json!({ "rollouts": rollouts, "rows": rows }))))
}

/// The statements that write a backup, or why it cannot be written.
fn statements(storage: &mut dyn Storage, text: &str) -> Result<Result<Vec<Statement>, String>, StorageError> {
    let Ok(document) = serde_json::from_str::<Json>(text) else { return Ok(Err("it is no JSON".to_owned())) };
    if document.get("tidegate").and_then(Json::as_str) != Some("backup") {
        return Ok(Err("it is something else".to_owned()));
    }
    if document.get("v").and_then(Json::as_u64) != Some(VERSION) {
        return Ok(Err(format!("it has another version than {VERSION}")));
    }
    let Some(stored) = document.get("tables").and_then(Json::as_object) else {
        return Ok(Err("it has no tables".to_owned()));
    };
    let known = tables(storage)?;
    let mut all = Vec::new();
    for (table, content) in stored {
        // What a newer release has beside is of no use to this one.
        if !known.contains(table) {
            continue;
        }
        let own = columns(storage, table)?;
        let names: Vec<&str> =
            content.get("columns").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let wanted: Vec<(usize, &str)> =
            (0..).zip(names).filter(|(_, name)| own.iter().any(|own| own == name)).collect();
        let list: Vec<&str> = wanted.iter().map(|(_, name)| *name).collect();
        let sql = format!(
            "INSERT OR REPLACE INTO {table} ({}) VALUES ({})",
            list.join(", "),
            vec!["?"; list.len()].join(", ")
        );
        for row in content.get("rows").and_then(Json::as_array).into_iter().flatten() {
            let name = row.get(0).and_then(Json::as_str).unwrap_or_default();
            if table == "deployment" && OWN_NUMBERS.contains(&name) {
                continue;
            }
            let values: Option<Vec<Value>> = wanted.iter().map(|(index, _)| value_of(row.get(*index)?)).collect();
            let Some(parameters) = values else { return Ok(Err(format!("a row of `{table}` cannot be read"))) };
            all.push(Statement { sql: sql.clone().into(), parameters });
        }
    }
    // The new deployment's KV holds nothing yet.
    all.push(Statement { sql: "UPDATE rollouts SET published = 0".into(), parameters: Vec::new() });
    Ok(Ok(all))
}
