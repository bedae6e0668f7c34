//! The windows that wait for a batch: found by rollout at once, however many there are, and bounded.

use std::collections::VecDeque;

use super::row::Row;
use super::visit::Visit;
use crate::flush::Counted;
use tidegate_model::{Minute, Name};

/// So many windows wait for a batch: two minutes of a thousand flags, or a day of one rollout.
const WINDOWS_MAX: usize = 2_048;
/// And so much text, in bytes.
const BYTES_MAX: usize = 8 << 20;
/// A window with more numbers to compare goes on in another, since a batch cannot split it.
const CELLS_MAX: usize = 30_000;
/// How much text waits is worked out each time that so many more have been opened.
const OPENED_MAX: usize = 256;
/// No row.
const NONE: usize = usize::MAX;

/// Windows, the oldest first. A row keeps its place when those before it go.
#[derive(Default)]
pub struct Rows {
    rows: VecDeque<Linked>,
    /// The place of the first row.
    first: usize,
    /// By number of rollout: the place of the row that was opened last.
    latest: Vec<usize>,
    /// How many were opened since the text was worked out.
    opened: usize,
    lost: u64,
}

struct Linked {
    row: Row,
    /// The place of the row that was opened before it under the same number.
    before: usize,
}

impl Rows {
    /// The row of a visit, made if there is none; `None` where there is no room.
    pub fn of(&mut self, visit: &Visit<'_>) -> Option<&mut Row> {
        let (number, revision, minute) = (visit.assigned.number, visit.assigned.assignment.revision, visit.minute);
        let place = match self.find(number, &visit.plan.key, revision, minute) {
            Some(place) => place,
            None => {
                self.make_room(minute)?;
                self.open(number, Row::new(visit.plan, revision, minute))
            }
        };
        self.rows.get_mut(place.checked_sub(self.first)?).map(|linked| &mut linked.row)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes the oldest windows, about as many as make so much text, and one in any case.
    pub fn take(&mut self, bytes_max: usize) -> Vec<Counted> {
        self.shorten();
        let count = super::fitting(self.rows.iter().map(|linked| linked.row.bytes()), bytes_max);
        self.first += count;
        self.rows.drain(..count).map(|linked| linked.row.counted).collect()
    }

    /// How many windows and requests found no room since it was asked last.
    pub const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }

    /// Where the row of a minute is. Those of one number are few: mostly it is the first that is looked at.
    fn find(&self, number: usize, rollout: &Name, revision: u64, minute: Minute) -> Option<usize> {
        let mut place = *self.latest.get(number)?;
        loop {
            // Older ones have gone, and so have those before them.
            let Linked { row, before } = self.rows.get(place.checked_sub(self.first)?)?;
            let Counted { rollout: own, window, .. } = &row.counted;
            if window.minute == minute && window.revision == revision && row.cells < CELLS_MAX && own == rollout {
                return Some(place);
            }
            place = *before;
        }
    }

    /// Makes room for a row of this minute; `None` where only rows of the same minute could go.
    fn make_room(&mut self, minute: Minute) -> Option<()> {
        if self.opened >= OPENED_MAX {
            self.shorten();
        }
        if self.rows.len() >= WINDOWS_MAX {
            self.lost += 1;
            self.rows.front().filter(|linked| linked.row.counted.window.minute < minute)?;
            self.drop_first();
        }
        Some(())
    }

    fn open(&mut self, number: usize, row: Row) -> usize {
        if self.latest.len() <= number {
            self.latest.resize(number + 1, NONE);
        }
        let place = self.first + self.rows.len();
        let before = self.latest.get_mut(number).map_or(NONE, |latest| std::mem::replace(latest, place));
        self.rows.push_back(Linked { row, before });
        self.opened += 1;
        place
    }

    /// Gives up the oldest windows while there is too much text.
    fn shorten(&mut self) {
        self.opened = 0;
        let mut bytes: usize = self.rows.iter().map(|linked| linked.row.bytes()).sum();
        while bytes > BYTES_MAX && self.rows.len() > 1 {
            bytes -= self.rows.front().map_or(0, |linked| linked.row.bytes());
            self.drop_first();
            self.lost += 1;
        }
    }

    fn drop_first(&mut self) {
        if self.rows.pop_front().is_some() {
            self.first += 1;
        }
    }
}
