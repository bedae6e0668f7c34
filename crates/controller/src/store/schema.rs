//! The tables, and how an older database becomes one of this release.
//!
//! 1. The row `schema` of `deployment` holds the number of the database. One without that row is number 1: that is
//!    what the release wrote before there were numbers.
//! 2. Each migration raises the number by one, in one transaction with its number. A crash leaves the database at
//!    one number or at the next, never between.
//! 3. A migration only adds: tables, indexes, and columns that have a default. It never renames, drops or gives
//!    another meaning. So a release still reads, and writes, what a *newer* one has migrated, which is what allows
//!    a rollback of Tidegate itself: it leaves the number alone, names the columns that it knows in every statement,
//!    and changes those alone. The newer release finds its own columns as they were when it comes back.

use super::{Batch, Storage, StorageError, incoming};
use crate::turn::Turn;

/// The tables of number 1.
const TABLES: [&str; 15] = [
    "CREATE TABLE IF NOT EXISTS deployment (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS rollouts (key TEXT PRIMARY KEY, plan TEXT NOT NULL, record TEXT NOT NULL, hash TEXT NOT NULL, published INTEGER NOT NULL, published_at INTEGER NOT NULL, key_absent_since INTEGER NOT NULL, key_gone_at INTEGER NOT NULL, echoes TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS plans (rollout TEXT NOT NULL, revision INTEGER NOT NULL, plan TEXT NOT NULL, PRIMARY KEY (rollout, revision)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS history (rollout TEXT NOT NULL, revision INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (rollout, revision)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, request TEXT NOT NULL, reply TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS removed (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, in_kv INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS isolates (isolate TEXT PRIMARY KEY, sequence INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS windows (rollout TEXT NOT NULL, minutes INTEGER NOT NULL, minute INTEGER NOT NULL, revision INTEGER NOT NULL, is_folded INTEGER NOT NULL, data TEXT NOT NULL, PRIMARY KEY (rollout, minutes, minute, revision))",
    "CREATE TABLE IF NOT EXISTS totals (rollout TEXT PRIMARY KEY, arrived_at INTEGER NOT NULL, data TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS judges (rollout TEXT PRIMARY KEY, state TEXT NOT NULL)",
    // A page view has one minute, which its token tells: so old ones are found without looking at all.
    "CREATE TABLE IF NOT EXISTS nonces (minute INTEGER NOT NULL, nonce TEXT NOT NULL, rollout TEXT NOT NULL, known TEXT NOT NULL, PRIMARY KEY (minute, nonce, rollout)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS signal_minutes (rollout TEXT NOT NULL, name TEXT NOT NULL, minute INTEGER NOT NULL, sum REAL NOT NULL, last_at INTEGER NOT NULL, last REAL NOT NULL, PRIMARY KEY (rollout, name, minute)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS messages (rollout TEXT NOT NULL, at INTEGER NOT NULL, message TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS messages_by_time ON messages (rollout, at)",
];

/// The number of a database that has no row `schema`.
const UNNUMBERED: u64 = 1;
/// The statements of the migration to number 2, to number 3 and so on. Only ever appended to.
const MIGRATIONS: &[&[&str]] = &[OUTBOX, &incoming::TABLES, BINS, &incoming::ABOUT];
/// Messages out: the messages themselves, how many of each channel, what rollouts remember of their messages,
/// and texts of the deployment.
const OUTBOX: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, since INTEGER NOT NULL, rollout TEXT NOT NULL, entry INTEGER NOT NULL, channel TEXT NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL, incident TEXT NOT NULL, members TEXT NOT NULL, folded INTEGER NOT NULL, body TEXT NOT NULL, tries INTEGER NOT NULL, next_try INTEGER NOT NULL, state TEXT NOT NULL, is_configuration INTEGER NOT NULL, last_error TEXT NOT NULL, reference TEXT NOT NULL, ended_at INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS outbox_by_state ON outbox (state, number)",
    "CREATE INDEX IF NOT EXISTS outbox_by_incident ON outbox (channel, incident)",
    "CREATE TABLE IF NOT EXISTS outbox_totals (channel TEXT PRIMARY KEY, sent INTEGER NOT NULL, failed INTEGER NOT NULL, dead INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS notified (rollout TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
];
/// What bins did on legacy before, and the evidence by bin of the attempt under way.
const BINS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS bins (rollout TEXT PRIMARY KEY, past TEXT NOT NULL, evidence TEXT NOT NULL) WITHOUT ROWID",
];
/// The name of the row that holds the number.
const SCHEMA: &str = "schema";

/// Makes the database one of this release.
///
/// # Errors
/// When the storage refuses.
pub fn open(turn: &mut Turn<'_>) -> Result<(), StorageError> {
    let (found, ours) = migrate(turn.storage, MIGRATIONS)?;
    if found > ours {
        turn.note(
            "schema_newer",
            "controller",
            &format!("the database has the schema {found} of a newer release; this one knows {ours} and leaves the rest of it alone"),
        );
    }
    Ok(())
}

/// Creates the tables where there are none, and migrates. Returns the number of the database and that of the
/// last migration.
///
/// # Errors
/// When the storage refuses; then the database is at a number in between, and the next call goes on from there.
pub fn migrate(storage: &mut dyn Storage, migrations: &[&[&'static str]]) -> Result<(u64, u64), StorageError> {
    let mut tables = Batch::default();
    for sql in TABLES {
        tables.push(sql, []);
    }
    tables.commit(storage)?;
    let known = storage.rows("SELECT value FROM deployment WHERE name = ?", &[SCHEMA.into()])?;
    let known = known.first().map(|row| row.number(0));
    let mut number = known.unwrap_or(UNNUMBERED);
    if known.is_none() {
        let mut batch = Batch::default();
        batch.number(SCHEMA, number);
        batch.commit(storage)?;
    }
    let ours = UNNUMBERED + migrations.len() as u64;
    for (target, statements) in (UNNUMBERED + 1..).zip(migrations) {
        if target <= number {
            continue;
        }
        let mut batch = Batch::default();
        for sql in *statements {
            batch.push(*sql, []);
        }
        batch.number(SCHEMA, target);
        batch.commit(storage)?;
        number = target;
    }
    Ok((number, ours))
}
