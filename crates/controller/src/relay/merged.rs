//! What isolates have counted, added up: one window for each rollout, revision and minute, however many isolates there
//! are. Adding is exact, and its order means nothing.

use std::collections::HashMap;

use tidegate_model::measured::SlicedCounts;
use tidegate_model::{Minute, Name};
use tidegate_protocol::beacon::Report;
use tidegate_protocol::flush::{Batch, Counted};

/// A window with more numbers to compare goes on in another, since a batch cannot split it.
const CELLS_MAX: usize = 30_000;
/// A batch takes so much text of windows, and so much of reports; the controller stores 1 MB as one.
const WINDOWS_BYTES_MAX: usize = 600_000;
const REPORTS_BYTES_MAX: usize = 200_000;

/// Counts that have been added up.
#[derive(Default)]
pub struct Merged {
    rows: Vec<Counted>,
    /// Where the windows are that are being added to: by rollout, revision and minute.
    open: HashMap<(Name, u64, Minute), usize>,
    reports: Vec<Report>,
}

impl Merged {
    /// Adds what one isolate has counted.
    pub fn add(&mut self, counted: Vec<Counted>, reports: Vec<Report>) {
        for own in counted {
            let place = (own.rollout.clone(), own.window.revision, own.window.minute);
            let open = self.open.get(&place).copied();
            match open.and_then(|index| self.rows.get_mut(index)).filter(|row| cells(&row.compared) < CELLS_MAX) {
                Some(row) => {
                    row.window.merge(&own.window);
                    row.compared.merge(&own.compared);
                }
                None => {
                    self.open.insert(place, self.rows.len());
                    self.rows.push(own);
                }
            }
        }
        self.reports.extend(reports);
    }

    /// Takes all of it out, as batches of which each can be stored. The first has this number.
    pub fn take(&mut self, sequence: u64) -> Vec<Batch> {
        let Self { rows, reports, .. } = std::mem::take(self);
        let mut batches: Vec<Batch> = Vec::new();
        let mut bytes = 0;
        for row in rows {
            let own = row.bytes();
            if batches.is_empty() || bytes + own > WINDOWS_BYTES_MAX {
                batches.push(Batch::default());
                bytes = 0;
            }
            bytes += own;
            if let Some(batch) = batches.last_mut() {
                batch.counted.push(row);
            }
        }
        let (mut index, mut bytes) = (0, 0);
        for report in reports {
            let own = report.bytes();
            if bytes > 0 && bytes + own > REPORTS_BYTES_MAX {
                (index, bytes) = (index + 1, 0);
            }
            bytes += own;
            if batches.len() <= index {
                batches.push(Batch::default());
            }
            if let Some(batch) = batches.get_mut(index) {
                batch.reports.push(report);
            }
        }
        for (number, batch) in (sequence..).zip(&mut batches) {
            batch.sequence = number;
        }
        batches
    }
}

/// How many numbers there are to compare.
fn cells(compared: &SlicedCounts) -> usize {
    compared.trials.iter().map(|own| own.slices.len()).sum::<usize>()
        + compared.values.iter().map(|own| own.buckets.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::{Measure, Window};
    use tidegate_model::variant::Variant;

    fn counted(rollout: &str, minute: u64, requests: u64) -> Counted {
        let mut window = Window::at(Minute::new(minute), 1);
        if let Some(tally) = window.tally_mut(Variant::New, None) {
            tally.requests = requests;
        }
        let rollout = rollout.parse().unwrap_or_else(|_| unreachable!());
        Counted { rollout, window, compared: SlicedCounts::default() }
    }

    fn requests(batches: &[Batch]) -> u64 {
        let windows = batches.iter().flat_map(|batch| &batch.counted).flat_map(|own| &own.window.sides);
        windows.map(|(_, tally)| tally.requests).sum()
    }

    #[test]
    fn a_thousand_isolates_count_as_one() {
        let mut merged = Merged::default();
        for n in 0..1_000 {
            merged.add(vec![counted("shop", 1, n), counted("shop", 2, 1), counted("cart", 1, 1)], Vec::new());
        }
        let batches = merged.take(7);
        assert_eq!((batches.len(), batches[0].sequence, batches[0].counted.len()), (1, 7, 3));
        assert_eq!(requests(&batches), 999 * 500 + 2_000);
        assert!(merged.take(8).is_empty(), "it is taken once");
    }

    #[test]
    fn no_batch_is_longer_than_can_be_stored_and_nothing_is_left_out() {
        let mut merged = Merged::default();
        for isolate in 0..900_i32 {
            let mut own = counted("shop", 1, 1);
            if let Some(values) = own.compared.values(&Measure::Latency, None, Variant::New) {
                // Spread as far as buckets go: more than any latencies are.
                (0..100_u8).for_each(|slice| values.add(slice, (isolate * 7 % 997) as i16, 1));
            }
            merged.add(vec![own], Vec::new());
        }
        let batches = merged.take(1);
        assert!(batches.len() > 1);
        assert!(batches.iter().all(|batch| serde_json::to_string(batch).unwrap_or_default().len() < 1 << 20));
        assert_eq!(requests(&batches), 900);
        let numbers: Vec<u64> = batches.iter().map(|batch| batch.sequence).collect();
        assert_eq!(numbers, (1..=batches.len() as u64).collect::<Vec<_>>());
    }
}
