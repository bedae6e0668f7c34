//! The isolate's meter: what it has counted since its last batch, and the batch that is under way.
//!
//! Rules:
//! 1. A request counts once, for the side that was asked first and with what came of that, in the minute
//!    in which it came. Legacy's answer in new's place adds to `rescued`, and to nothing else.
//! 2. What a comparison may use is bucketed or held-out subjects alone. Of each, a minute has one
//!    exposure at most, and one event at most of each kind, for each rollout, revision and endpoint.
//!    Where a subject, or the client of a request without one, has more of a kind, those are repeats.
//! 3. A batch that is not acknowledged is sent again unchanged; counting goes on beside it.
//! 4. Nothing grows without a bound, also where nobody takes the batches. What is given up is the oldest.
//! 5. A batch is never too long to be stored. What does not fit waits for the next one.
//! 6. A batch that the controller refuses is sent again [`REFUSALS_MAX`] times in all. Then it is given up,
//!    since what is counted after it would wait forever; that is said, and is never silent.

pub mod by_value;
mod exposed;
mod heavy;
mod row;
mod rows;
mod visit;

use self::by_value::Vouched;
use self::exposed::{Exposed, Fresh, Kinds};
use self::heavy::Heaviest;
use self::row::{Dealt, Happened};
use self::rows::Rows;
use self::visit::EVERYWHERE;
pub use self::visit::{Outcome, Visit, at, is_compared, places};
use super::beacon::Report;
use super::decision::Assigned;
use super::flush::{Batch, REFUSALS_MAX, Refused};
use tidegate_decide::assign::{Reason, Variant};
use tidegate_decide::cohort::{SAMPLE_SALT, SLICES_SALT, Seed};
use tidegate_decide::judge::adoption::OPTED_OUT;
use tidegate_model::Name;
use tidegate_model::measured::binned::BINS;
use tidegate_model::measured::{Seen, sketch};
use tidegate_model::percentage::BUCKETS;

/// Sets keys apart that would be the same.
const SALT: u64 = 0x9e37_79b9_7f4a_7c15;
/// A batch takes so much text of windows, and so much of reports; the controller stores 1 MB as one.
const BATCH_WINDOWS_BYTES: usize = 700_000;
const BATCH_REPORTS_BYTES: usize = 200_000;
/// That counts were lost is reported for so long.
const LOSS_MS: f64 = 600_000.0;
/// What that is reported under.
const LOSS_SUBJECT: &str = "counts";
/// So many reports of pages wait.
const REPORTS_MAX: usize = 500;

/// What an isolate has counted.
pub struct Meter {
    sampled: Seed,
    sliced: Seed,
    /// The event of those who have chosen legacy, though the hash has them on new.
    opted_out: Option<Name>,
    rows: Rows,
    /// Whom comparisons may use.
    exposed: Exposed,
    /// Of all others, those of whose requests something came; and everybody's statuses.
    others: Exposed,
    heaviest: Heaviest,
    vouched: Vouched,
    reports: Vec<Report>,
    /// What was taken and is not acknowledged.
    under_way: Option<Batch>,
    /// How often that was refused.
    refusals: u32,
    /// The last batch that was given up: what to say of it, and when it was.
    loss: Option<(String, f64)>,
    /// The number of the last batch.
    sequence: u64,
    is_off: bool,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            sampled: Seed::of(SAMPLE_SALT),
            sliced: Seed::of(SLICES_SALT),
            opted_out: OPTED_OUT.parse().ok(),
            rows: Rows::default(),
            exposed: Exposed::default(),
            others: Exposed::default(),
            heaviest: Heaviest::default(),
            vouched: Vouched::default(),
            reports: Vec::new(),
            under_way: None,
            refusals: 0,
            loss: None,
            sequence: 0,
            is_off: false,
        }
    }
}

impl Meter {
    /// Counts a request and what came of it.
    pub fn count(&mut self, visit: &Visit<'_>, outcome: Outcome) {
        let Outcome { status, is_failure, is_timeout, latency } = outcome;
        let is_client_error = status.is_some_and(|status| (400..500).contains(&status));
        self.enter(
            visit,
            &Happened {
                is_request: true,
                kinds: [is_failure, is_client_error, is_timeout, false, false],
                status,
                latency,
                waited: None,
            },
        );
    }

    /// Counts a request whose client left before there were headers, after so long: that is no failure.
    pub fn count_abandoned(&mut self, visit: &Visit<'_>, waited_ms: f64) {
        self.enter(
            visit,
            &Happened {
                is_request: true,
                kinds: [false, false, false, true, false],
                waited: sketch::bucket(waited_ms),
                ..Happened::default()
            },
        );
    }

    /// Counts that the body of a page, whose request was counted before, has ended early or stalled.
    /// `is_failure` tells whether that makes a failure of a request that was none so far.
    pub fn count_broken(&mut self, visit: &Visit<'_>, is_failure: bool) {
        self.enter(visit, &Happened { kinds: [is_failure, false, false, false, true], ..Happened::default() });
    }

    fn enter(&mut self, visit: &Visit<'_>, happened: &Happened) {
        let (Assigned { assignment, subject, number }, minute) = (visit.assigned, visit.minute);
        if self.is_off {
            return;
        }
        let Some(row) = self.rows.of(visit) else { return };
        let places = places(visit.plan, visit.path);
        let salt = if assignment.variant == Variant::New { !row.salt } else { row.salt };
        let hash = subject.map(|subject| self.sampled.hash(subject));
        let who = hash.or_else(|| visit.client.map(|client| self.sampled.hash(client).rotate_left(32)));
        let key = who.map(|who| who ^ salt);
        let mut slice = subject.filter(|_| is_compared(assignment.reason)).map(|subject| self.sliced.slice(subject));
        // While nobody is on new, what bins do is their past.
        let is_past = assignment.reason == Reason::Inactive && subject.is_some();
        let mut bin = assignment.bucket.filter(|_| slice.is_some() || is_past).map(bin_of);
        let mut fresh = Fresh::ALL;
        let mut is_seen = false;
        if let Some(key) = key
            && (slice.is_some() || bin.is_some())
        {
            match self.exposed.note(minute, key, places, happened.kinds) {
                Some(own) => {
                    fresh = own;
                    is_seen = own.exposures & EVERYWHERE == 0;
                }
                // A subject for whom there is no room is not compared at all, on whichever side it is.
                None => (slice, bin) = (None, None),
            }
        } else if let Some(key) = key
            && happened.kinds.contains(&true)
        {
            fresh = self.others.note(minute, key, places, happened.kinds).unwrap_or(fresh);
        }
        let mut fresh_status = u32::MAX;
        if let Some(key) = key
            && let Some(status) = happened.counted_status()
        {
            let key = key ^ u64::from(status).wrapping_mul(SALT);
            fresh_status =
                self.others.note(minute, key, places, Kinds::default()).map_or(u32::MAX, |own| own.exposures);
        }
        let seen = hash.map(|hash| Seen::new(hash, assignment.variant, is_compared(assignment.reason)));
        if let Some(seen) = seen {
            // Whoever was seen in this minute stands in its sample, in this batch or in one before.
            if !is_seen {
                row.counted.window.subjects.add(seen);
            }
            if happened.is_failure() {
                row.counted.window.failing.add(seen);
            }
            if visit.has_opted_out
                && let Some(out) = self.opted_out.as_ref().and_then(|name| row.counted.window.event_mut(name))
            {
                out.add(seen);
            }
        }
        if let Some(subject) = subject.filter(|_| happened.is_request) {
            self.heaviest.note(number, &visit.plan.key, minute, subject);
        }
        if !visit.plan.dimensions.is_empty()
            && let Some(tally) = row.counted.window.tally_mut(assignment.variant, None)
        {
            by_value::count(tally, visit, happened, &fresh, who, &mut self.vouched);
        }
        for (bit, endpoint) in at(visit.plan, places) {
            let side = (assignment.variant, endpoint);
            row.add(side, happened, bit, &fresh, fresh_status);
            if let Some((slice, seen)) = slice.zip(seen) {
                row.compare(side, happened, Dealt { slice, seen }, bit, &fresh, fresh_status);
            }
            if let Some(bin) = bin {
                row.bin(side, happened, bin, bit, &fresh, fresh_status);
            }
        }
    }

    /// Counts that legacy has answered a request in the place of the side that was counted.
    pub fn count_rescue(&mut self, visit: &Visit<'_>) {
        if self.is_off {
            return;
        }
        let Some(row) = self.rows.of(visit) else { return };
        for (_, endpoint) in at(visit.plan, places(visit.plan, visit.path)) {
            if let Some(tally) = row.counted.window.tally_mut(visit.assigned.assignment.variant, endpoint) {
                tally.rescued = tally.rescued.saturating_add(1);
            }
        }
    }

    /// Counts a copy that new was sent of a request on legacy: whether that failed, whether it was answered otherwise,
    /// and the times to headers of legacy and new. It is no request of either, and exposes nobody.
    pub fn count_copy(&mut self, visit: &Visit<'_>, is_error: bool, is_mismatch: bool, latency: Option<(f64, f64)>) {
        let Assigned { assignment, subject, .. } = visit.assigned;
        if self.is_off {
            return;
        }
        let Some(row) = self.rows.of(visit) else { return };
        let slice = subject.filter(|_| is_compared(assignment.reason)).map(|subject| self.sliced.slice(subject));
        let bucket = |ms: f64| sketch::bucket(ms.max(0.0));
        let latency = latency.and_then(|(legacy, new)| bucket(legacy).zip(bucket(new)));
        for (_, endpoint) in at(visit.plan, places(visit.plan, visit.path)) {
            row.copy(endpoint, [is_error, is_mismatch], latency, slice);
        }
    }

    /// Takes in what a page has reported; whether there was room for it.
    pub fn report(&mut self, report: Report) -> bool {
        let has_room = self.reports.len() < REPORTS_MAX;
        if has_room && !self.is_off {
            self.reports.push(report);
        }
        has_room
    }

    /// Whether anything waits to be sent, or to be acknowledged.
    pub fn has_counts(&self) -> bool {
        self.under_way.is_some() || !self.rows.is_empty() || !self.reports.is_empty()
    }

    /// Whether a batch has been sent that is not acknowledged.
    pub const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The batch that is to be sent: the one before until it is acknowledged, else what was counted
    /// since; `None` for nothing. Whoever sends it gives it back with [`Meter::keep`].
    pub fn take(&mut self) -> Option<Batch> {
        if self.under_way.is_some() {
            return self.under_way.take();
        }
        if self.rows.is_empty() && self.reports.is_empty() {
            return None;
        }
        self.sequence += 1;
        let reports = fitting(self.reports.iter().map(Report::bytes), BATCH_REPORTS_BYTES);
        let counted = self.rows.take(BATCH_WINDOWS_BYTES);
        Some(Batch { sequence: self.sequence, counted, reports: self.reports.drain(..reports).collect() })
    }

    /// Keeps a batch that was sent until it is acknowledged.
    pub fn keep(&mut self, batch: Batch) {
        self.under_way = Some(batch);
    }

    /// Lets go of the batch that is under way, if this or a later one is stored.
    pub fn acknowledge(&mut self, sequence: u64) {
        if self.under_way.take_if(|batch| batch.sequence <= sequence).is_some() {
            self.refusals = 0;
        }
    }

    /// The controller has refused a batch. Gives up the one that is under way, if it is that and was refused
    /// [`REFUSALS_MAX`] times; then returns what is lost, for the log.
    pub fn refuse(&mut self, refused: &Refused, now_ms: f64) -> Option<String> {
        let Refused { sequence, why } = refused;
        // 0 is the number of one whose number could not be read.
        self.under_way.as_ref().filter(|batch| *sequence == 0 || batch.sequence == *sequence)?;
        self.refusals += 1;
        if self.refusals < REFUSALS_MAX {
            return None;
        }
        self.refusals = 0;
        let batch = self.under_way.take()?;
        let sides = batch.counted.iter().flat_map(|counted| &counted.window.sides);
        let requests: u64 = sides.filter(|(side, _)| side.endpoint.is_none()).map(|(_, tally)| tally.requests).sum();
        let sentence = format!(
            "the controller refused batch {} {REFUSALS_MAX} times, so {requests} requests and {} reports of pages count nowhere: {why}",
            batch.sequence,
            batch.reports.len()
        );
        self.loss = Some((sentence.clone(), now_ms));
        Some(sentence)
    }

    /// What the controller is to show of counts that were given up lately: a subject and a sentence.
    pub fn fault(&self, now_ms: f64) -> Option<(String, String)> {
        let (sentence, at_ms) = self.loss.as_ref()?;
        (now_ms - at_ms < LOSS_MS).then(|| (LOSS_SUBJECT.to_owned(), sentence.clone()))
    }

    /// A rollout of which one id made an implausible share of an isolate's requests within a minute, and
    /// that share; each minute is reported once. The id is nobody's business.
    pub fn take_suspect(&mut self) -> Option<(Name, f64)> {
        self.heaviest.take()
    }

    /// How many windows and requests found no room since it was asked last.
    pub const fn take_lost(&mut self) -> u64 {
        self.rows.take_lost()
    }

    /// Counts nothing any more: there is nobody who takes it.
    pub fn stop(&mut self) {
        *self = Self { is_off: true, ..Self::default() };
    }
}

/// The bin of a bucket: each is a thousandth of all.
const fn bin_of(bucket: u32) -> u16 {
    (bucket as u64 * BINS as u64 / BUCKETS as u64) as u16
}

/// How many of these, from the first, are not longer than `bytes_max` together; one is in any case.
fn fitting(lengths: impl Iterator<Item = usize>, bytes_max: usize) -> usize {
    let mut sum = 0;
    let fits = |(index, bytes): &(usize, usize)| {
        sum += bytes;
        *index == 0 || sum <= bytes_max
    };
    lengths.enumerate().take_while(fits).count()
}
