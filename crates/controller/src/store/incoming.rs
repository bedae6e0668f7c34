//! What is stored of signals from elsewhere: when a receiver last got something, which alerts are there, what was
//! counted already, and what is wrong with sources.

use super::{Batch, Storage, StorageError};
use tidegate_decide::deployment::Deployment;
use tidegate_decide::sources::{About, AlertStatus, KnownAlert, PullState, RESOLVED_MS_MAX};
use tidegate_model::{Instant, Name};
use tidegate_protocol::receive::BODY_PREFIX;

/// What is stored of each rollout; it goes with the rollout.
pub const OF_ROLLOUTS: [&str; 5] = ["receivers", "alerts", "deliveries", "pulls", "alerts_of"];
/// The migration that these came with.
pub const TABLES: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS receivers (rollout TEXT NOT NULL, name TEXT NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY (rollout, name)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS alerts (rollout TEXT NOT NULL, receiver TEXT NOT NULL, alert TEXT NOT NULL, status TEXT NOT NULL, at INTEGER NOT NULL, delivered_at INTEGER NOT NULL, signals TEXT NOT NULL, PRIMARY KEY (rollout, receiver, alert)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS deliveries (rollout TEXT NOT NULL, receiver TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (rollout, receiver, id)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pulls (rollout TEXT NOT NULL, signal TEXT NOT NULL, since INTEGER NOT NULL, error TEXT NOT NULL, is_blank INTEGER NOT NULL, PRIMARY KEY (rollout, signal)) WITHOUT ROWID",
];

/// What the senders of alerts call them, by signal; a migration of its own.
pub const ABOUT: [&str; 1] = [
    "CREATE TABLE IF NOT EXISTS alerts_of (rollout TEXT NOT NULL, signal TEXT NOT NULL, about TEXT NOT NULL, PRIMARY KEY (rollout, signal)) WITHOUT ROWID",
];

/// A delivery without a name of its own is known again for so long, in milliseconds: whoever retries does so soon.
const BODY_MS_MAX: i64 = 600_000;

impl Batch {
    /// A receiver has got something.
    pub fn receiver(&mut self, rollout: &Name, name: &str, at: Instant) {
        self.put("receivers", 2, [("rollout", rollout.into()), ("name", name.into()), ("last_at", at.into())]);
    }

    /// An alert, as it is now.
    pub fn alert(&mut self, rollout: &Name, receiver: &str, key: &str, alert: &KnownAlert) {
        self.put(
            "alerts",
            3,
            [
                ("rollout", rollout.into()),
                ("receiver", receiver.into()),
                ("alert", key.into()),
                ("status", word(alert.status).into()),
                ("at", alert.at.into()),
                ("delivered_at", alert.delivered_at.into()),
                ("signals", alert.signals.join(" ").into()),
            ],
        );
    }

    /// What the sender of an alert about a signal calls it.
    pub fn about(&mut self, rollout: &Name, signal: &str, about: &About) {
        let text = serde_json::to_string(about).unwrap_or_default();
        self.put("alerts_of", 2, [("rollout", rollout.into()), ("signal", signal.into()), ("about", text.into())]);
    }

    /// An alert is forgotten.
    pub fn forget_alert(&mut self, rollout: &Name, receiver: &str, key: &str) {
        self.push(
            "DELETE FROM alerts WHERE rollout = ? AND receiver = ? AND alert = ?",
            [rollout.into(), receiver.into(), key.into()],
        );
    }

    /// What a delivery was counted by.
    pub fn deliveries(&mut self, rollout: &Name, receiver: &str, ids: &[&str], at: Instant) {
        for id in ids {
            self.push(
                "INSERT INTO deliveries (rollout, receiver, id, at) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at",
                [rollout.into(), receiver.into(), (*id).into(), at.into()],
            );
        }
    }

    /// What is wrong with a source.
    pub fn pull(&mut self, rollout: &Name, signal: &str, state: &PullState) {
        let Some((since, error)) = &state.error else {
            self.push("DELETE FROM pulls WHERE rollout = ? AND signal = ?", [rollout.into(), signal.into()]);
            return;
        };
        self.put(
            "pulls",
            2,
            [
                ("rollout", rollout.into()),
                ("signal", signal.into()),
                ("since", (*since).into()),
                ("error", error.as_str().into()),
                ("is_blank", i64::from(state.is_blank).into()),
            ],
        );
    }

    /// What was counted so long ago that nobody delivers it again goes.
    pub fn prune_deliveries(&mut self, now: Instant) {
        let oldest_ms = now.as_epoch_ms().saturating_sub(RESOLVED_MS_MAX);
        self.push("DELETE FROM deliveries WHERE at < ?", [oldest_ms.into()]);
    }
}

const fn word(status: AlertStatus) -> &'static str {
    match status {
        AlertStatus::Firing => "firing",
        AlertStatus::NoData => "no_data",
        AlertStatus::Resolved | AlertStatus::Moment => "resolved",
    }
}

fn status(word: &str) -> AlertStatus {
    match word {
        "firing" => AlertStatus::Firing,
        "no_data" => AlertStatus::NoData,
        _ => AlertStatus::Resolved,
    }
}

/// Which of these a receiver's deliveries were counted by before.
///
/// # Errors
/// When the storage refuses.
pub fn known(
    storage: &mut dyn Storage,
    rollout: &Name,
    receiver: &str,
    ids: &[&str],
    now: Instant,
) -> Result<Vec<String>, StorageError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = serde_json::to_string(ids).unwrap_or_default();
    let statement = "SELECT deliveries.id, deliveries.at FROM json_each(?) AS own CROSS JOIN deliveries ON rollout = ? AND receiver = ? AND deliveries.id = own.value";
    let rows = storage.rows(statement, &[ids.into(), rollout.into(), receiver.into()])?;
    let is_recent = |id: &str, at: Option<Instant>| {
        let age_ms = at.map_or(i64::MAX, |at| now.ms_since(at));
        !id.starts_with(BODY_PREFIX) || age_ms < BODY_MS_MAX
    };
    let known = rows.iter().filter(|row| is_recent(row.text(0), row.moment(1)));
    Ok(known.map(|row| row.text(0).to_owned()).collect())
}

/// Loads what is known of receivers and sources, once the signals are there.
///
/// # Errors
/// When the storage refuses.
pub fn load(storage: &mut dyn Storage, deployment: &mut Deployment) -> Result<(), StorageError> {
    let keys: Vec<Name> = deployment.rollouts.keys().cloned().collect();
    for key in keys {
        let metrics = deployment.metrics.get_mut(&key);
        for row in storage.rows("SELECT name, last_at FROM receivers WHERE rollout = ?", &[(&key).into()])? {
            metrics.sources.receiver_mut(row.text(0)).last_at = row.moment(1);
        }
        let statement = "SELECT receiver, alert, status, at, delivered_at, signals FROM alerts WHERE rollout = ?";
        for row in storage.rows(statement, &[(&key).into()])? {
            let (Some(at), Some(delivered_at)) = (row.moment(3), row.moment(4)) else { continue };
            let signals: Vec<String> = row.text(5).split_whitespace().map(str::to_owned).collect();
            let alert = KnownAlert { status: status(row.text(2)), at, delivered_at, signals };
            metrics.sources.receiver_mut(row.text(0)).alerts.insert(row.text(1).to_owned(), alert);
        }
        for row in storage.rows("SELECT signal, about FROM alerts_of WHERE rollout = ?", &[(&key).into()])? {
            let about = serde_json::from_str(row.text(1)).unwrap_or_default();
            metrics.sources.remember_about(row.text(0).to_owned(), about);
        }
        // What alerts set holds for longer than reports are loaded.
        for (signal, at) in metrics.sources.levels() {
            let level = if metrics.sources.level(&signal) == AlertStatus::Firing { 1.0 } else { 0.0 };
            metrics.signals.restore(&signal, at.minute(), 0.0, at, level);
        }
        for signal in metrics.sources.blank_levels() {
            metrics.signals.blank(&signal, metrics.sources.changed_at(&signal).unwrap_or(Instant::from_epoch_ms(0)));
        }
        let statement = "SELECT signal, since, error, is_blank FROM pulls WHERE rollout = ?";
        for row in storage.rows(statement, &[(&key).into()])? {
            let Some(since) = row.moment(1) else { continue };
            let state = metrics.sources.pull_mut(row.text(0));
            (state.error, state.is_blank) = (Some((since, row.text(2).to_owned())), row.number(3) == 1);
            if state.is_blank {
                metrics.signals.blank(row.text(0), since);
            }
        }
    }
    Ok(())
}
