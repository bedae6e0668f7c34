//! What a relay stores: the batches that are still to be brought up, and the number of the last batch that it has of
//! each isolate.
//!
//! 1. A batch that isolates' batches were added up to is stored in one transaction with their numbers; then these are
//!    acknowledged. So it counts each of them once, whatever dies when.
//! 2. A batch has one receiver, which is stored with it: it alone can tell whether it has it already.
//! 3. The numbers stand in one text beside the batch, and become rows of their own when it goes: that is every minute
//!    instead of every second, and rows written are what storage costs.

use super::{Batch, Row, Storage, StorageError};
use tidegate_model::Instant;
use tidegate_protocol::relays::Place;

/// The tables.
const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS relay_batches (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, receiver TEXT NOT NULL, marks TEXT NOT NULL, batch TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS relay_marks (isolate TEXT PRIMARY KEY, sequence INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS relay_numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
];
/// The names of the numbers of its place.
const LEVEL: &str = "level";
const NUMBER: &str = "number";
/// The name of the number of the last batch that went.
const GONE: &str = "gone";
/// An isolate's number is kept this long after it last came, in milliseconds.
const MARK_MS_KEPT: i64 = 2 * 86_400_000;

/// The numbers of isolates' last batches.
pub type Marks = Vec<(String, u64)>;

/// A batch that is still to be brought up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub number: u64,
    /// Whom it goes to; `None` for the controller.
    pub receiver: Option<Place>,
    /// The batch, as JSON; empty where there is nothing to bring.
    pub text: String,
}

impl Batch {
    /// A batch that is to be brought up, and the numbers of those that it was added up from.
    pub fn keep(&mut self, kept: &Kept, marks: &Marks, now: Instant) {
        let receiver = kept.receiver.map(|place| place.to_string()).unwrap_or_default();
        let marks = serde_json::to_string(marks).unwrap_or_default();
        self.put(
            "relay_batches",
            1,
            [
                ("number", kept.number.into()),
                ("at", now.into()),
                ("receiver", receiver.into()),
                ("marks", marks.into()),
                ("batch", kept.text.as_str().into()),
            ],
        );
    }

    /// The relay's place.
    pub fn place(&mut self, place: Place) {
        for (name, value) in [(LEVEL, u32::from(place.level)), (NUMBER, place.number)] {
            self.put("relay_numbers", 1, [("name", name.into()), ("value", value.into())]);
        }
    }

    /// The batches up to this number have been brought up. The numbers of what they were added up from stay.
    pub fn let_go(&mut self, number: u64, marks: &Marks, now: Instant) {
        for (isolate, sequence) in marks {
            let row = [("isolate", isolate.as_str().into()), ("sequence", (*sequence).into()), ("at", now.into())];
            self.put("relay_marks", 1, row);
        }
        self.put("relay_numbers", 1, [("name", GONE.into()), ("value", number.into())]);
        self.push("DELETE FROM relay_batches WHERE number <= ?", [number.into()]);
        self.push("DELETE FROM relay_marks WHERE at < ?", [(now.as_epoch_ms() - MARK_MS_KEPT).into()]);
    }
}

/// Makes the tables where there are none.
fn open(storage: &mut dyn Storage) -> Result<(), StorageError> {
    let mut tables = Batch::default();
    for sql in TABLES {
        tables.push(sql, []);
    }
    tables.commit(storage)
}

/// The place of the relay that this storage is; `None` where it was never called.
///
/// # Errors
/// When the storage refuses.
pub fn place(storage: &mut dyn Storage) -> Result<Option<Place>, StorageError> {
    open(storage)?;
    let rows = storage.rows("SELECT name, value FROM relay_numbers", &[])?;
    let number = |name: &str| -> Option<u32> {
        rows.iter().find(|row| row.text(0) == name).and_then(|row| row.number(1).try_into().ok())
    };
    let place = number(LEVEL).zip(number(NUMBER));
    Ok(place.and_then(|(level, number)| Some(Place { level: level.try_into().ok()?, number })))
}

/// Opens the storage of a relay: the batches that it keeps in their order, the numbers that stand beside them, and the
/// number of the last batch that there was.
///
/// # Errors
/// When the storage refuses.
pub fn load(storage: &mut dyn Storage) -> Result<(Vec<Kept>, Marks, u64), StorageError> {
    open(storage)?;
    let rows = storage.rows("SELECT number, receiver, marks, batch FROM relay_batches ORDER BY number", &[])?;
    let marks = rows.iter().flat_map(|row| serde_json::from_str::<Marks>(row.text(2)).unwrap_or_default()).collect();
    let kept =
        |row: &Row| Kept { number: row.number(0), receiver: row.text(1).parse().ok(), text: row.text(3).to_owned() };
    let kept: Vec<Kept> = rows.iter().map(kept).collect();
    let gone = storage.rows("SELECT value FROM relay_numbers WHERE name = ?", &[GONE.into()])?;
    let gone = gone.first().map_or(0, |row| row.number(0));
    let last = kept.last().map_or(gone, |own| own.number.max(gone));
    Ok((kept, marks, last))
}

/// The number of the last batch of an isolate that is stored apart; 0 for none.
///
/// # Errors
/// When the storage refuses.
pub fn mark(storage: &mut dyn Storage, isolate: &str) -> Result<u64, StorageError> {
    let rows = storage.rows("SELECT sequence FROM relay_marks WHERE isolate = ?", &[isolate.into()])?;
    Ok(rows.first().map_or(0, |row| row.number(0)))
}
