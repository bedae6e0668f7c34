//! What the controller stores of counts: a log of batches, and what they have been added up to.
//!
//! 1. A batch is appended to the log in one transaction with its isolate's number and the nonces that
//!    it uses up; then it is acknowledged.
//! 2. A checkpoint stores what the log adds up to, together with what was judged of it, and empties
//!    the log, in one transaction.
//! 3. So loading the last checkpoint and adding the log counts each acknowledged batch once, whatever
//!    died when.

use super::{Batch, Row, Storage, StorageError, Value, incoming};
use crate::turn::Turn;
use tidegate_decide::deployment::Deployment;
use tidegate_decide::judge::Judge;
use tidegate_decide::judge::notifications::Message;
use tidegate_decide::metrics::RolloutMetrics;
use tidegate_decide::notify::Memory;
use tidegate_decide::rollout::Rollout;
use tidegate_decide::values;
use tidegate_model::measured::Window;
use tidegate_model::minute::DAY_MINUTES;
use tidegate_model::record::Record;
use tidegate_model::{Instant, Minute, Name};
use tidegate_protocol::api::metrics::{Asked, InForce, last_views};

/// What is stored of each rollout's counts; it goes with the rollout.
const OF_ROLLOUTS: [&str; 7] = ["windows", "totals", "judges", "signal_minutes", "messages", "notified", "bins"];

/// JavaScript's numbers are whole up to here.
pub const REVISION_MAX: u64 = 1 << 53;
/// Minutes are kept this long, for plots.
pub const MINUTES_KEPT: u64 = 2 * DAY_MINUTES;
/// Hours, days and signals are kept this long.
pub const HOURS_KEPT: u64 = 90 * DAY_MINUTES;
/// What was counted by dimensions stays stored for so many minutes.
const VALUES_KEPT: u64 = 120;
/// Messages are kept this long.
const MESSAGE_MS_KEPT: i64 = 90 * 86_400_000;
/// An isolate's number is kept this long after it last came.
const ISOLATE_MS_KEPT: i64 = 2 * 86_400_000;
/// Reports of pages that are older than this are dropped: tokens live for 12 hours.
pub const REPORT_MINUTES_MAX: u64 = 13 * 60;
/// Nonces are kept longer than any report is taken.
const NONCE_MINUTES_KEPT: u64 = REPORT_MINUTES_MAX + 60;

/// What a page view of a rollout has counted for.
pub struct Nonce<'a> {
    pub minute: Minute,
    pub nonce: &'a str,
    pub rollout: &'a str,
    /// A list of words, a space before each.
    pub known: String,
}

impl From<Minute> for Value {
    fn from(minute: Minute) -> Self {
        minute.get().into()
    }
}

impl Row {
    pub(super) fn minute(&self, column: usize) -> Minute {
        Minute::new(self.number(column))
    }
}

impl Batch {
    /// Appends a batch to the log.
    pub fn log(&mut self, number: u64, text: &str, now: Instant) {
        self.push("INSERT INTO batches (number, at, text) VALUES (?, ?, ?)", [number.into(), now.into(), text.into()]);
    }

    /// The number of an isolate's last batch.
    pub fn isolate(&mut self, isolate: &str, sequence: u64, now: Instant) {
        self.put("isolates", 1, [("isolate", isolate.into()), ("sequence", sequence.into()), ("at", now.into())]);
    }

    /// What page views have counted for.
    pub fn nonces(&mut self, nonces: &[Nonce<'_>]) {
        for nonce in nonces {
            self.put(
                "nonces",
                3,
                [
                    ("minute", nonce.minute.into()),
                    ("nonce", nonce.nonce.into()),
                    ("rollout", nonce.rollout.into()),
                    ("known", nonce.known.as_str().into()),
                ],
            );
        }
    }

    /// The log up to this number is in what is stored with this.
    pub fn settle(&mut self, number: u64) {
        self.push("DELETE FROM batches WHERE number <= ?", [number.into()]);
    }

    /// A window, as it is now.
    pub fn window(&mut self, rollout: &Name, window: &Window) {
        self.put_window(rollout, window, false, serde_json::to_string(window).unwrap_or_default());
    }

    /// A window that is part of a longer one now: it stays as plots show it.
    pub fn fold(&mut self, rollout: &Name, window: &Window) {
        self.put_window(rollout, window, true, last_views(window));
    }

    fn put_window(&mut self, rollout: &Name, window: &Window, is_folded: bool, data: String) {
        self.put(
            "windows",
            4,
            [
                ("rollout", rollout.into()),
                ("minutes", window.minutes.into()),
                ("minute", window.minute.into()),
                ("revision", window.revision.into()),
                ("is_folded", i64::from(is_folded).into()),
                ("data", data.into()),
            ],
        );
    }

    /// Everything that was ever counted of a rollout, and when something last came in.
    pub fn total(&mut self, rollout: &Name, total: &Window, arrived_at: Option<Instant>) {
        let data = serde_json::to_string(total).unwrap_or_default();
        self.put("totals", 1, [("rollout", rollout.into()), ("arrived_at", arrived_at.into()), ("data", data.into())]);
    }

    /// What a judge remembers.
    pub fn judge(&mut self, rollout: &Name, judge: &Judge) {
        self.put("judges", 1, [("rollout", rollout.into()), ("state", judge.to_json().into())]);
    }

    /// What bins did before, and the evidence by bin.
    pub fn bins(&mut self, rollout: &Name, metrics: &RolloutMetrics) {
        let evidence = metrics.judge.bins_to_json().unwrap_or_default();
        if metrics.pasts.is_empty() && evidence.is_empty() {
            return;
        }
        let past = serde_json::to_string(&metrics.pasts).unwrap_or_default();
        self.put("bins", 1, [("rollout", rollout.into()), ("past", past.into()), ("evidence", evidence.into())]);
    }

    /// What a rollout remembers of its messages.
    pub fn notified(&mut self, rollout: &Name, memory: &Memory) {
        let state = serde_json::to_string(memory).unwrap_or_default();
        self.put("notified", 1, [("rollout", rollout.into()), ("state", state.into())]);
    }

    /// A report of a signal, with the minute that it stands with.
    pub fn signal(&mut self, rollout: &Name, name: &str, minute: Minute, value: f64, now: Instant) {
        self.push(
            "INSERT INTO signal_minutes (rollout, name, minute, sum, last_at, last) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET sum = sum + excluded.sum, last_at = excluded.last_at, last = excluded.last",
            [rollout.into(), name.into(), minute.into(), value.into(), now.into(), value.into()],
        );
    }

    /// The messages.
    pub fn message(&mut self, rollout: &Name, message: &Message) {
        let text = serde_json::to_string(message).unwrap_or_default();
        self.push(
            "INSERT INTO messages (rollout, at, message) VALUES (?, ?, ?)",
            [rollout.into(), message.at.into(), text.into()],
        );
    }

    /// The counts of a rollout go.
    pub fn forget_counts(&mut self, rollout: &str) {
        for table in OF_ROLLOUTS.into_iter().chain(incoming::OF_ROLLOUTS) {
            self.push(format!("DELETE FROM {table} WHERE rollout = ?"), [rollout.into()]);
        }
    }

    /// What is too old goes.
    pub fn prune<'a>(&mut self, rollouts: impl Iterator<Item = &'a Name>, now: Instant) {
        let before = |minutes: u64| now.minute() - minutes;
        for rollout in rollouts {
            let kept = [
                (1, MINUTES_KEPT),
                (10, MINUTES_KEPT),
                (u64::from(values::MINUTES), VALUES_KEPT),
                (60, HOURS_KEPT),
                (DAY_MINUTES, HOURS_KEPT),
            ];
            for (minutes, kept) in kept {
                self.push(
                    "DELETE FROM windows WHERE rollout = ? AND minutes = ? AND minute < ?",
                    [rollout.into(), minutes.into(), before(kept).into()],
                );
            }
            self.push(
                "DELETE FROM signal_minutes WHERE rollout = ? AND minute < ?",
                [rollout.into(), before(HOURS_KEPT).into()],
            );
            self.push(
                "DELETE FROM messages WHERE rollout = ? AND at < ?",
                [rollout.into(), now.minus_ms(MESSAGE_MS_KEPT).into()],
            );
        }
        self.prune_outbox(now);
        self.push("DELETE FROM nonces WHERE minute < ?", [before(NONCE_MINUTES_KEPT).into()]);
        self.prune_deliveries(now);
        self.push("DELETE FROM isolates WHERE at < ?", [now.minus_ms(ISOLATE_MS_KEPT).into()]);
    }
}

/// The number of the last batch of an isolate that is stored; 0 for none.
///
/// # Errors
/// When the storage refuses.
pub fn last_sequence(storage: &mut dyn Storage, isolate: &str) -> Result<u64, StorageError> {
    let rows = storage.rows("SELECT sequence FROM isolates WHERE isolate = ?", &[isolate.into()])?;
    Ok(rows.first().map_or(0, |row| row.number(0)))
}

/// The isolates that sent a batch since a moment, with its number and when it came.
///
/// # Errors
/// When the storage refuses.
pub fn isolates_since(storage: &mut dyn Storage, ms: i64) -> Result<Vec<(String, u64, Instant)>, StorageError> {
    let rows = storage.rows("SELECT isolate, sequence, at FROM isolates WHERE at >= ?", &[ms.into()])?;
    Ok(rows.iter().filter_map(|row| Some((row.text(0).to_owned(), row.number(1), row.moment(2)?))).collect())
}

/// What page views, each by minute, nonce and rollout, have counted for already.
///
/// # Errors
/// When the storage refuses.
pub fn known_nonces(
    storage: &mut dyn Storage,
    views: &[(Minute, &str, &str)],
) -> Result<Vec<(Minute, String, String, String)>, StorageError> {
    if views.is_empty() {
        return Ok(Vec::new());
    }
    let views = serde_json::to_string(views).unwrap_or_default();
    let statement = "SELECT nonces.minute, nonces.nonce, nonces.rollout, known FROM json_each(?) AS view CROSS JOIN nonces ON nonces.minute = view.value ->> 0 AND nonces.nonce = view.value ->> 1 AND nonces.rollout = view.value ->> 2";
    let rows = storage.rows(statement, &[views.as_str().into()])?;
    Ok(rows
        .iter()
        .map(|row| (row.minute(0), row.text(1).to_owned(), row.text(2).to_owned(), row.text(3).to_owned()))
        .collect())
}

/// What is stored of a rollout beside its windows: everything that was ever counted of it.
pub type Totals = Vec<(Name, Window)>;

/// Loads the metrics of a deployment up to the last checkpoint. Rollouts of whose counts something
/// cannot be read go into `unreadable`.
///
/// # Errors
/// When the storage refuses.
pub fn load(
    turn: &mut Turn<'_>,
    deployment: &mut Deployment,
    unreadable: &mut Vec<String>,
) -> Result<Totals, StorageError> {
    let now = turn.now;
    let mut totals = Totals::new();
    let of = |rollout: &Rollout| {
        let record = &rollout.record;
        (rollout.plan.key.clone(), record.begun, record.begun_revision, begun_minute(record, now))
    };
    let keys: Vec<(Name, Instant, u64, Minute)> = deployment.rollouts.iter().map(of).collect();
    for (key, begun, begun_revision, begun_minute) in keys {
        let metrics = deployment.metrics.get_mut(&key);
        // What an earlier attempt counted is nobody's evidence; legacy's last day is compared with.
        let day = (now.minute() - DAY_MINUTES).get();
        let wanted = format!("(revision >= {begun_revision} OR minute >= {day})");
        windows(turn.storage, &key, &wanted, &mut |window| match window {
            Some(window) => metrics.restore(window),
            None => unreadable.push(key.to_string()),
        })?;
        let mut forgotten = Batch::default();
        windows(turn.storage, &key, &format!("NOT {wanted} AND minutes < {DAY_MINUTES}"), &mut |window| {
            if let Some(window) = window {
                forgotten.fold(&key, &window);
            }
        })?;
        turn.commit(forgotten)?;
        for row in turn.storage.rows("SELECT state FROM judges WHERE rollout = ?", &[(&key).into()])? {
            match Judge::parse(row.text(0)) {
                Some(judge) => metrics.judge = judge,
                None => unreadable.push(key.to_string()),
            }
        }
        for row in turn.storage.rows("SELECT past, evidence FROM bins WHERE rollout = ?", &[(&key).into()])? {
            // Without either, comparisons know less and are as right.
            match serde_json::from_str(row.text(0)) {
                Ok(pasts) => metrics.pasts = pasts,
                Err(error) => turn.warn("bins", key.as_str(), &format!("the past of the bins cannot be read: {error}")),
            }
            let evidence = row.text(1);
            if let Err(error) = if evidence.is_empty() { Ok(()) } else { metrics.judge.restore_bins(evidence) } {
                turn.warn("bins", key.as_str(), &format!("the evidence by bin cannot be read: {error}"));
            }
        }
        for row in turn.storage.rows("SELECT state FROM notified WHERE rollout = ?", &[(&key).into()])? {
            // It is newer than what the judge was stored with: changes are stored between checkpoints.
            match serde_json::from_str(row.text(0)) {
                Ok(memory) => metrics.judge.notified = memory,
                Err(_) => unreadable.push(key.to_string()),
            }
        }
        for row in turn.storage.rows(
            "SELECT name, minute, sum, last_at, last FROM signal_minutes WHERE rollout = ? AND minute >= ?",
            &[(&key).into(), begun_minute.into()],
        )? {
            restore_signal(metrics, &row);
        }
        metrics.signals.begin(begun);
        for row in turn.storage.rows("SELECT data, arrived_at FROM totals WHERE rollout = ?", &[(&key).into()])? {
            metrics.arrived_at = row.moment(1);
            match Window::parse(row.text(0)) {
                Some(total) => totals.push((key.clone(), total)),
                None => unreadable.push(key.to_string()),
            }
        }
    }
    Ok(totals)
}

/// Since when an attempt's signals count, and at least those of the last day.
fn begun_minute(record: &Record, now: Instant) -> Minute {
    record.begun.minute().min(now.minute() - DAY_MINUTES)
}

fn restore_signal(metrics: &mut RolloutMetrics, row: &Row) {
    if let Some(last_at) = row.moment(3) {
        metrics.signals.restore(row.text(0), row.minute(1), row.real(2), last_at, row.real(4));
    }
}

/// The log after a number: the next batches' numbers, when they came, and their texts. Each may have a megabyte,
/// so they come in pages.
///
/// # Errors
/// When the storage refuses.
pub fn log(storage: &mut dyn Storage, after: u64) -> Result<Vec<(u64, Instant, String)>, StorageError> {
    let rows = storage
        .rows("SELECT number, at, text FROM batches WHERE number > ? ORDER BY number LIMIT 8", &[after.into()])?;
    Ok(rows.iter().filter_map(|row| Some((row.number(0), row.moment(1)?, row.text(2).to_owned()))).collect())
}

/// Windows come in pages: a rollout may have thousands.
const PAGE: usize = 50;

/// Tells of each window that is not part of a longer one and that `wanted` wants; `None` for one that
/// cannot be read.
fn windows(
    storage: &mut dyn Storage,
    key: &Name,
    wanted: &str,
    tell: &mut dyn FnMut(Option<Window>),
) -> Result<(), StorageError> {
    let statement = format!(
        "SELECT minutes, minute, revision, data FROM windows WHERE rollout = ? AND (minutes, minute, revision) > (?, ?, ?) AND is_folded = 0 AND {wanted} ORDER BY minutes, minute, revision LIMIT {PAGE}"
    );
    let mut after = (0, Minute::EPOCH, 0);
    loop {
        let rows = storage.rows(&statement, &[key.into(), after.0.into(), after.1.into(), after.2.into()])?;
        for row in &rows {
            after = (row.number(0), row.minute(1), row.number(2));
            tell(Window::parse(row.text(3)));
        }
        if rows.len() < PAGE {
            return Ok(());
        }
    }
}

/// Tells of each window that is part of a longer one, as plots show it: its minute, its revision, and the
/// view of the endpoint that is asked for.
///
/// # Errors
/// When the storage refuses.
pub fn views(
    storage: &mut dyn Storage,
    key: &Name,
    asked: &Asked,
    tell: &mut dyn FnMut(Minute, u64, &str),
) -> Result<(), StorageError> {
    let statement = format!(
        "SELECT minute, revision, data -> ? FROM windows WHERE rollout = ? AND minutes = ? AND (minute, revision) > (?, ?) AND is_folded = 1 ORDER BY minute, revision LIMIT {PAGE}"
    );
    let endpoint = format!("$.\"{}\"", asked.endpoint.as_ref().map_or("", Name::as_str));
    let mut after = (asked.minute() - 1, REVISION_MAX);
    loop {
        let rows = storage.rows(
            &statement,
            &[endpoint.as_str().into(), key.into(), asked.minutes.into(), after.0.into(), after.1.into()],
        )?;
        for row in &rows {
            after = (row.minute(0), row.number(1));
            tell(after.0, after.1, row.text(2));
        }
        if rows.len() < PAGE {
            return Ok(());
        }
    }
}

/// What was in force under each revision that has windows from this minute on.
///
/// # Errors
/// When the storage refuses.
pub fn in_force(storage: &mut dyn Storage, key: &Name, minute: Minute) -> Result<Vec<(u64, InForce)>, StorageError> {
    let statement = "SELECT revision, CASE WHEN entry ->> '$.state.killed' OR entry ->> '$.state.phase' = 'draft' THEN 0 ELSE entry ->> '$.state.percentage' END, COALESCE(entry ->> '$.state.version', '') FROM history WHERE rollout = ?1 AND revision >= (SELECT COALESCE(MIN(revision), 0) FROM windows WHERE rollout = ?1 AND minute >= ?2) ORDER BY revision";
    let rows = storage.rows(statement, &[key.into(), minute.into()])?;
    let version = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let of = |row: &Row| InForce { percentage: row.real(1), version: version(row.text(2)) };
    Ok(rows.iter().map(|row| (row.number(0), of(row))).collect())
}

/// Up to `limit` messages before a moment, the newest first, as JSON.
///
/// # Errors
/// When the storage refuses.
pub fn messages(
    storage: &mut dyn Storage,
    key: &Name,
    before: Instant,
    limit: u64,
) -> Result<Vec<(Option<Instant>, String)>, StorageError> {
    let rows = storage.rows(
        "SELECT at, message FROM messages WHERE rollout = ? AND at < ? ORDER BY at DESC, rowid DESC LIMIT ?",
        &[key.into(), before.into(), limit.into()],
    )?;
    Ok(rows.iter().map(|row| (row.moment(0), row.text(1).to_owned())).collect())
}
