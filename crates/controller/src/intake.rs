//! What a flush brings: it goes into the log first, and then into the metrics. What cannot go there is
//! refused, and not acknowledged: nobody may believe that it was counted.

use super::state::State;
use super::store::counts::{self, Nonce, REPORT_MINUTES_MAX, REVISION_MAX};
use super::store::{Batch as Statements, StorageError};
use super::turn::Turn;
use tidegate_model::measured::Tally;
use tidegate_model::{Instant, Minute, Name};
use tidegate_protocol::api::metrics::counts as counts_of;
use tidegate_protocol::beacon::Report;
use tidegate_protocol::flush::{Batch, Counted, Flush, Refused, Version};

/// The longest text of a batch that is stored; a row of the storage holds 2 MB.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// What one page view may report under names of its own choice.
const KNOWN_BYTES_MAX: usize = 2_048;
const NONCE_DIGITS: usize = 32;
/// A page's minute may be so far ahead of this clock.
const AHEAD_MINUTES_MAX: u64 = 5;
/// No isolate counts so much in a minute, and sums of less never overflow what can be stored.
const COUNT_MAX: u64 = 1 << 32;

/// What became of a batch.
pub struct Receipt {
    /// The number of the isolate's last batch that is stored.
    pub stored: u64,
    /// The batch, where it was not taken in.
    pub refused: Option<Refused>,
}

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
                match Batch::parse(&text) {
                    Ok(batch) => self.absorb(batch, at),
                    // It was read before it was stored, so it is damaged or of another release.
                    Err(Refused { why, .. }) => {
                        let message = format!("entry {number} of the log of counts cannot be read: {why}");
                        self.notice(turn, "counts", message);
                    }
                }
                self.counting.logged = number;
            }
        }
    }

    /// Takes in the batch of a flush, where it has one.
    ///
    /// # Errors
    /// When the storage refuses; then nothing was counted.
    pub fn take_batch(&mut self, turn: &mut Turn<'_>, flush: &mut Flush) -> Result<Option<Receipt>, StorageError> {
        let now = turn.now;
        let batch = flush.batch.take();
        let isolate = flush.isolate.as_str();
        let sequence = batch.as_ref().map(|batch| batch.sequence);
        let Some(sequence) = sequence.or(flush.unreadable.as_ref().map(|refused| refused.sequence)) else {
            return Ok(None);
        };
        let last = match self.isolates.sequence(isolate) {
            Some(last) => last,
            None => counts::last_sequence(turn.storage, isolate)?,
        };
        let is_repeated = sequence <= last && sequence > 0;
        let refused = match (batch, &flush.unreadable) {
            _ if is_repeated => None,
            (Some(batch), _) => self.take_in(turn, isolate, batch)?,
            (None, unreadable) => unreadable.clone(),
        };
        let Some(refused) = refused else { return Ok(Some(Receipt { stored: last.max(sequence), refused: None })) };
        turn.warn("batch_refused", isolate, &format!("batch {}: {}", refused.sequence, refused.why));
        if flush.v >= Version::REFUSALS {
            return Ok(Some(Receipt { stored: last, refused: Some(refused) }));
        }
        // This isolate would send it forever, and nothing else.
        turn.warn("counts_lost", isolate, &format!("batch {sequence} counts nothing: {}", refused.why));
        self.isolates.note_faults(&[("counts".to_owned(), format!("a batch was lost: {}", refused.why))], now);
        if (1..REVISION_MAX).contains(&sequence) {
            let mut statements = Statements::default();
            statements.isolate(isolate, sequence, now);
            turn.commit(statements)?;
        }
        if sequence > last {
            self.isolates.note_sequence(isolate.to_owned(), sequence, now);
        }
        Ok(Some(Receipt { stored: last.max(sequence), refused: None }))
    }

    /// Takes in a batch that has not come before, or says why not.
    fn take_in(&mut self, turn: &mut Turn<'_>, isolate: &str, batch: Batch) -> Result<Option<Refused>, StorageError> {
        let now = turn.now;
        let Batch { sequence, mut counted, reports: reported } = batch;
        let refuse = |why: String| Ok(Some(Refused { sequence, why }));
        if !(1..REVISION_MAX).contains(&sequence) {
            return refuse("its number is too large to count on from".to_owned());
        }
        let (reports, nonces) = new_reports(turn, &reported)?;
        counted.retain(|counted| {
            let is_plausible = is_plausible(counted);
            if !is_plausible {
                turn.warn("counts_dropped", counted.rollout.as_str(), IMPLAUSIBLE);
            }
            is_plausible && self.is_known(turn, &counted.rollout, counted.window.revision)
        });
        let known: Vec<Report> =
            reports.into_iter().filter(|report| self.is_known(turn, &report.rollout, report.revision)).collect();
        // What is over a network's share has used up its nonce, and is in no log.
        let reports: Vec<Report> =
            known.into_iter().filter_map(|report| self.networks.admit(report, now.minute())).collect();
        let accepted = Batch { sequence, counted, reports };
        let mut statements = Statements::default();
        statements.isolate(isolate, sequence, now);
        statements.nonces(&nonces);
        if !accepted.is_empty() && turn.storage.keeps() {
            let text = serde_json::to_string(&accepted).unwrap_or_default();
            if text.len() > BATCH_BYTES_MAX {
                return refuse(format!("it has {} bytes; at most {BATCH_BYTES_MAX} are stored", text.len()));
            }
            statements.log(self.counting.logged + 1, &text, now);
        }
        turn.commit(statements)?;
        self.isolates.note_sequence(isolate.to_owned(), sequence, now);
        if !accepted.is_empty() {
            self.counting.logged += 1;
            self.absorb(accepted, now);
        }
        Ok(None)
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
                        own.merge_all_values(tally);
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
    let minute = turn.now.minute();
    let is_timely = |report: &&Report| {
        report.nonce.len() == NONCE_DIGITS
            && report.minute <= minute + AHEAD_MINUTES_MAX
            && report.minute + REPORT_MINUTES_MAX >= minute
    };
    let timely: Vec<&Report> = reports.iter().filter(is_timely).collect();
    let views: Vec<(Minute, &str, &str)> =
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

/// What is logged of counts that are not plausible.
pub const IMPLAUSIBLE: &str = "an isolate counted more than there can be";

/// Whether an isolate, or thousands of them, can have counted this.
pub fn is_plausible(counted: &Counted) -> bool {
    let is_small = |tally: &Tally| {
        counts_of(tally).iter().all(|(_, count)| *count < COUNT_MAX)
            && tally.sketches.iter().all(|(_, sketch)| sketch.count() < COUNT_MAX)
    };
    counted.window.sides.iter().all(|(_, tally)| is_small(tally))
}
