//! What a flush brings: it goes into the log first, and then into the metrics.

use super::state::State;
use super::store::counts::{self, Nonce, REPORT_MINUTES_MAX, REVISION_MAX};
use super::store::{Batch as Statements, StorageError};
use super::turn::Turn;
use crate::decide::series::minute_of;
use crate::model::measured::Tally;
use crate::model::{Instant, Name};
use crate::protocol::api::metrics::counts as counts_of;
use crate::protocol::beacon::Report;
use crate::protocol::flush::{Batch, Counted};

/// The longest text of a batch that is stored; a row of the storage holds 2 MB.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// What one page view may report under names of its own choice.
const KNOWN_BYTES_MAX: usize = 2_048;
const NONCE_DIGITS: usize = 32;
/// A page's minute may be so far ahead of this clock.
const AHEAD_MINUTES_MAX: u64 = 5;
/// No isolate counts so much in a minute, and sums of less never overflow what can be stored.
const COUNT_MAX: u64 = 1 << 32;

impl State {
    /// Adds the log to the metrics: what has come in since the last checkpoint.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn replay_log(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        loop {
            let page = counts::log(turn.storage, self.counting.logged)?;
            if page.is_empty() {
                return Ok(());
            }
            for (number, at, text) in page {
                self.absorb(Batch::parse(&text), at);
                self.counting.logged = number;
            }
        }
    }

    /// Takes in a batch, once. Returns the number of the isolate's last batch that is stored.
    ///
    /// # Errors
    /// When the storage refuses; then nothing was counted.
    pub fn take_batch(&mut self, turn: &mut Turn<'_>, isolate: &str, batch: Batch) -> Result<u64, StorageError> {
        let now = turn.now;
        let last = match self.isolates.sequence(isolate) {
            Some(last) => last,
            None => counts::last_sequence(turn.storage, isolate)?,
        };
        if batch.sequence <= last {
            return Ok(last);
        }
        let sequence = batch.sequence;
        // Nothing of it is stored, and it would never stop coming.
        if batch.sequence >= REVISION_MAX || is_empty(&batch) {
            turn.warn("batch_damaged", isolate, &format!("batch {} cannot be read; it counts nothing", batch.sequence));
        }
        let (reports, nonces) = new_reports(turn, &batch.reports)?;
        let counted: Vec<Counted> = batch
            .counted
            .into_iter()
            .filter(|counted| {
                self.is_known(turn, &counted.rollout, counted.window.revision) && is_plausible(turn, counted)
            })
            .collect();
        let known: Vec<Report> =
            reports.into_iter().filter(|report| self.is_known(turn, &report.rollout, report.revision)).collect();
        // What is over a network's share has used up its nonce, and is in no log.
        let reports: Vec<Report> =
            known.into_iter().filter_map(|report| self.networks.admit(report, minute_of(now))).collect();
        let accepted = Batch { sequence, counted, reports };
        let mut statements = Statements::default();
        if sequence < REVISION_MAX {
            statements.isolate(isolate, sequence, now);
        }
        statements.nonces(&nonces);
        let text = if is_empty(&accepted) || !turn.storage.keeps() {
            String::new()
        } else {
            serde_json::to_string(&accepted).unwrap_or_default()
        };
        let is_stored = !is_empty(&accepted) && text.len() <= BATCH_BYTES_MAX;
        if is_stored {
            statements.log(self.counting.logged + 1, &text, now);
        } else if !text.is_empty() {
            turn.warn(
                "batch_too_large",
                isolate,
                &format!("batch {} has {} bytes; it counts nothing", sequence, text.len()),
            );
        }
        turn.commit(statements)?;
        self.isolates.note_sequence(isolate.to_owned(), sequence, now);
        if is_stored {
            self.counting.logged += 1;
            self.absorb(accepted, now);
        }
        Ok(sequence)
    }

    /// Whether a rollout has had this revision.
    fn is_known(&self, turn: &mut Turn<'_>, rollout: &Name, revision: u64) -> bool {
        match self.deployment.rollouts.get(rollout) {
            Some(own) if revision <= own.record.live.revision => true,
            Some(own) => {
                turn.warn(
                    "counts_dropped",
                    rollout.as_str(),
                    &format!("counts of revision {revision}, but it is at {}", own.record.live.revision),
                );
                false
            }
            None => false,
        }
    }

    fn absorb(&mut self, batch: Batch, at: Instant) {
        for counted in batch.counted.into_iter().chain(batch.reports.iter().map(Report::count)) {
            let Counted { rollout, window, compared } = counted;
            if self.deployment.rollouts.get(&rollout).is_none() {
                continue;
            }
            if let Some(total) = self.counting.total_mut(&rollout) {
                for (side, tally) in &window.sides {
                    if let Some(own) = total.tally_mut(side.variant, side.endpoint.as_ref()) {
                        own.merge(tally);
                    }
                }
            }
            let place = self.deployment.metrics.get_mut(&rollout).count(window, &compared, at);
            self.counting.note_changed(&rollout, place);
        }
    }
}

/// The reports of which something is left to be counted, and what their page views have counted for
/// then.
fn new_reports<'b>(turn: &mut Turn<'_>, reports: &'b [Report]) -> Result<(Vec<Report>, Vec<Nonce<'b>>), StorageError> {
    let minute = minute_of(turn.now);
    let is_timely = |report: &&Report| {
        report.nonce.len() == NONCE_DIGITS
            && report.minute <= minute + AHEAD_MINUTES_MAX
            && report.minute + REPORT_MINUTES_MAX >= minute
    };
    let timely: Vec<&Report> = reports.iter().filter(is_timely).collect();
    let views: Vec<(u64, &str, &str)> =
        timely.iter().map(|report| (report.minute, report.nonce.as_str(), report.rollout.as_str())).collect();
    let known = counts::known_nonces(turn.storage, &views)?;
    let mut nonces: Vec<Nonce<'b>> = Vec::new();
    let mut kept = Vec::new();
    for (report, (minute, nonce, rollout)) in timely.into_iter().zip(views) {
        let index = nonces.iter().position(|own| (own.minute, own.nonce, own.rollout) == (minute, nonce, rollout));
        let before = match index.and_then(|index| nonces.get(index)) {
            Some(own) => own.known.as_str(),
            None => known
                .iter()
                .find(|own| (own.0, own.1.as_str(), own.2.as_str()) == (minute, nonce, rollout))
                .map_or("", |own| own.3.as_str()),
        };
        let mut report = report.clone();
        let Some(after) = report.keep_new(before).filter(|after| after.len() <= KNOWN_BYTES_MAX) else { continue };
        kept.push(report);
        match index.and_then(|index| nonces.get_mut(index)) {
            Some(own) => own.known = after,
            None => nonces.push(Nonce { minute, nonce, rollout, known: after }),
        }
    }
    Ok((kept, nonces))
}

fn is_empty(batch: &Batch) -> bool {
    batch.counted.is_empty() && batch.reports.is_empty()
}

/// Whether an isolate can have counted this.
fn is_plausible(turn: &mut Turn<'_>, counted: &Counted) -> bool {
    let is_small = |tally: &Tally| {
        counts_of(tally).iter().all(|(_, count)| *count < COUNT_MAX)
            && tally.sketches.iter().all(|(_, sketch)| sketch.count() < COUNT_MAX)
    };
    let is_plausible = counted.window.sides.iter().all(|(_, tally)| is_small(tally));
    if !is_plausible {
        turn.warn("counts_dropped", counted.rollout.as_str(), "an isolate counted more than there can be");
    }
    is_plausible
}
