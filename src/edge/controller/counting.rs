//! Counts: what a flush brings goes into the log and into the books; a look judges what has come in,
//! and a checkpoint stores what the log adds up to. What a look decides is stored together with it.

use wasm_bindgen::prelude::*;

use super::desk::Desk;
use super::store::Batch as Statements;
use super::store::counts::{self, Nonce, REPORT_MINUTES_MAX, REVISION_MAX, Totals};
use crate::decide::rollout::Change;
use crate::decide::series::minute_of;
use crate::edge::log;
use crate::model::live::Phase;
use crate::model::measured::{Tally, Window};
use crate::model::record::Record;
use crate::model::{Instant, Name, Percentage};
use crate::protocol::beacon::Report;
use crate::protocol::flush::{Batch, Counted};

/// Whatever serves somebody on new is looked at this often.
const LOOK_MS: i64 = 10_000;
/// What has come in, or has changed, is looked at this soon.
const LOOK_SOON_MS: i64 = 2_000;
/// The log is checkpointed this often, and whenever something was decided.
const CHECKPOINT_MS: i64 = 10_000;
/// The longest text of a batch that is stored; a row of the storage holds 2 MB.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// What one page view may report under names of its own choice.
const KNOWN_BYTES_MAX: usize = 2_048;
const NONCE_DIGITS: usize = 32;
/// A page's minute may be so far ahead of this clock.
const AHEAD_MINUTES_MAX: u64 = 5;
/// No isolate counts so much in a minute, and sums of less never overflow what can be stored.
const COUNT_MAX: u64 = 1 << 32;

/// What is known of counts beside the books.
#[derive(Default)]
pub struct Counting {
    /// Everything that was ever counted, without the subjects. In the order of the keys.
    pub totals: Totals,
    /// The minutes that have changed since the last checkpoint: rollout, minute, revision. In order.
    changed: Vec<(Name, u64, u64)>,
    /// The number of the last batch in the log; 0 while it is empty.
    logged: u64,
    /// Whether something has come in since the last look.
    has_arrived: bool,
    looked_at: Option<Instant>,
    stored_at: Option<Instant>,
    /// When what is too old last went.
    pub pruned_minute: u64,
}

impl Counting {
    /// What was ever counted of a rollout.
    pub fn total(&self, key: &Name) -> Option<&Window> {
        self.totals.binary_search_by(|(own, _)| own.cmp(key)).ok().and_then(|index| self.totals.get(index)).map(|(_, total)| total)
    }

    fn total_mut(&mut self, key: &Name) -> Option<&mut Window> {
        let index = self.totals.binary_search_by(|(own, _)| own.cmp(key)).unwrap_or_else(|index| {
            self.totals.insert(index, (key.clone(), Window::at(0, 0)));
            index
        });
        self.totals.get_mut(index).map(|(_, total)| total)
    }

    fn note_changed(&mut self, key: &Name, (minute, revision): (u64, u64)) {
        let own = (key.clone(), minute, revision);
        if let Err(index) = self.changed.binary_search(&own) {
            self.changed.insert(index, own);
        }
    }

    /// A rollout is gone.
    pub fn forget(&mut self, key: &Name) {
        self.totals.retain(|(own, _)| own != key);
        self.changed.retain(|(own, ..)| own != key);
    }
}

/// Whether somebody may be on new, so that guardrails watch.
fn serves(record: &Record) -> bool {
    let live = &record.live;
    let is_somebody = live.percentage > Percentage::ZERO || !live.groups.is_empty();
    !live.killed && live.phase != Phase::Draft && (live.phase != Phase::RolledBack || is_somebody)
}

fn is_over(since: Option<Instant>, ms: i64, now: Instant) -> bool {
    // A clock that has been set back says nothing about how long ago that was.
    since.is_none_or(|since| since > now || now.as_epoch_ms() - since.as_epoch_ms() >= ms)
}

impl Desk {
    /// Adds the log to the books: what has come in since the last checkpoint.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn replay_log(&mut self, context: &JsValue) -> Result<(), JsValue> {
        for (number, at, text) in counts::log(context)? {
            self.absorb(&Batch::parse(&text), at);
            self.counting.logged = number;
        }
        Ok(())
    }

    /// Takes in a batch, once. Returns the number of the isolate's last batch that is stored.
    ///
    /// # Errors
    /// When the storage refuses; then nothing was counted.
    pub fn take_in(&mut self, context: &JsValue, isolate: &str, batch: &Batch, now: Instant) -> Result<u64, JsValue> {
        let last = match self.last_sequence(isolate) {
            Some(last) => last,
            None => counts::last_sequence(context, isolate)?,
        };
        if batch.sequence <= last {
            return Ok(last);
        }
        // Nothing of it is stored, and it would never stop coming.
        if batch.sequence >= REVISION_MAX || batch.is_empty() {
            log::warn("batch_damaged", isolate, &format!("batch {} cannot be read; it counts nothing", batch.sequence));
        }
        let (reports, nonces) = new_reports(context, &batch.reports, now)?;
        let known = |rollout: &Name, revision: u64| self.is_known(rollout, revision);
        let counted: Vec<Counted> = batch.counted.iter().filter(|counted| known(&counted.rollout, counted.window.revision) && is_plausible(counted)).cloned().collect();
        let reports: Vec<Report> = reports.into_iter().filter(|report| known(&report.rollout, report.revision)).collect();
        let accepted = Batch { sequence: batch.sequence, counted, reports };
        let mut statements = Statements::default();
        if batch.sequence < REVISION_MAX {
            statements.isolate(isolate, batch.sequence, now);
        }
        statements.nonces(&nonces);
        let text = if accepted.is_empty() { String::new() } else { serde_json::to_string(&accepted).unwrap_or_default() };
        let is_stored = !text.is_empty() && text.len() <= BATCH_BYTES_MAX;
        if is_stored {
            statements.log(self.counting.logged + 1, &text, now);
        } else if !text.is_empty() {
            log::warn("batch_too_large", isolate, &format!("batch {} has {} bytes; it counts nothing", batch.sequence, text.len()));
        }
        statements.commit(context)?;
        self.note_sequence(isolate, batch.sequence);
        if is_stored {
            self.counting.logged += 1;
            self.absorb(&accepted, now);
        }
        Ok(batch.sequence)
    }

    /// Whether a rollout has had this revision.
    fn is_known(&self, rollout: &Name, revision: u64) -> bool {
        match self.deployment.rollouts.get(rollout) {
            Some(own) if revision <= own.record.live.revision => true,
            Some(own) => {
                log::warn("counts_dropped", rollout.as_str(), &format!("counts of revision {revision}, but it is at {}", own.record.live.revision));
                false
            }
            None => false,
        }
    }

    fn absorb(&mut self, batch: &Batch, at: Instant) {
        for counted in batch.counted.iter().cloned().chain(batch.reports.iter().map(Report::count)) {
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
            let place = self.deployment.books.get_mut(&rollout).count(window, &compared, at);
            self.counting.note_changed(&rollout, place);
            self.counting.has_arrived = true;
        }
    }

    /// When the rollouts are to be looked at next, in milliseconds since 1970.
    pub fn look_ms(&self, now: Instant) -> Option<i64> {
        let own = &self.counting;
        let mut rollouts = self.deployment.rollouts.iter().filter(|rollout| rollout.record.live.phase != Phase::Draft);
        let is_stale = || rollouts.any(|rollout| self.deployment.books.get(&rollout.plan.key).and_then(|book| book.last.as_ref()).is_none_or(|look| look.revision != rollout.record.live.revision));
        let after_ms = if own.has_arrived || is_stale() {
            LOOK_SOON_MS
        } else if own.logged > 0 || self.deployment.rollouts.iter().any(|rollout| serves(&rollout.record)) {
            LOOK_MS
        } else {
            return None;
        };
        let now_ms = now.as_epoch_ms();
        Some(own.looked_at.filter(|at| *at <= now).map_or(now_ms, |at| at.as_epoch_ms().saturating_add(after_ms)))
    }

    /// Looks at all rollouts, and stores what comes of it.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn look(&mut self, context: &JsValue, now: Instant) -> Result<(), JsValue> {
        let faults = self.heard.by_rollout(&self.deployment, now);
        let of = |key: &Name| faults.iter().find(|(own, _)| own == key).map_or(0, |(_, count)| *count);
        let orders = self.deployment.look(of, now);
        self.counting.looked_at = Some(now);
        self.counting.has_arrived = false;
        let has_fired = self.tell_fired();
        let mut changes: Vec<Change> = Vec::new();
        for (key, order) in orders {
            let Some(rollout) = self.deployment.rollouts.get(&key) else { continue };
            match rollout.change(order, now) {
                Ok(change) => changes.push(change),
                Err(refusal) => log::warn("refused", key.as_str(), &refusal.to_string()),
            }
        }
        let is_decided = has_fired || !changes.is_empty() || self.deployment.due(now).is_some();
        let is_due = is_decided || is_over(self.counting.stored_at, CHECKPOINT_MS, now);
        let statements = if is_due { self.checkpoint(now) } else { Statements::default() };
        self.commit(context, changes, statements)
    }

    /// Tells of guardrails that have come true; whether there are any.
    fn tell_fired(&self) -> bool {
        let mut has_fired = false;
        for rollout in self.deployment.rollouts.iter() {
            let look = self.deployment.books.get(&rollout.plan.key).and_then(|book| book.last.as_ref());
            for fired in look.map(|look| &look.fired[..]).unwrap_or_default() {
                let guardrail = rollout.plan.guardrails.get(fired.guardrail).map(|guardrail| guardrail.when.to_string());
                log::note("guardrail", rollout.plan.key.as_str(), &format!("{} has come true: {}", guardrail.unwrap_or_default(), fired.text));
                has_fired = true;
            }
        }
        has_fired
    }

    /// What makes the log superfluous.
    fn checkpoint(&mut self, now: Instant) -> Statements {
        let mut statements = Statements::default();
        let own = &mut self.counting;
        let changed = std::mem::take(&mut own.changed);
        for (key, minute, revision) in &changed {
            if let Some(window) = self.deployment.books.get(key).and_then(|book| book.series.get(*minute, 1, *revision)) {
                statements.window(key, window);
            }
        }
        for rollout in self.deployment.rollouts.iter() {
            let (plan, key) = (&rollout.plan, &rollout.plan.key);
            let has_changed = changed.iter().any(|(own, ..)| own == key);
            if has_changed && let Some(total) = own.total(key) {
                statements.total(key, total);
            }
            let is_judged = has_changed || !plan.guardrails.is_empty() || plan.stages.iter().any(|stage| !stage.gates.is_empty());
            if is_judged && let Some(book) = self.deployment.books.get(key) {
                statements.judge(key, &book.judge);
            }
        }
        if own.logged > 0 {
            statements.settle(own.logged);
            own.logged = 0;
        }
        own.stored_at = Some(now);
        let minute = minute_of(now);
        if minute > own.pruned_minute {
            own.pruned_minute = minute;
            statements.number("pruned_minute", minute);
            self.fold(&mut statements, now);
            statements.prune(self.deployment.rollouts.keys(), now);
        }
        statements
    }

    /// Makes hours of old minutes.
    fn fold(&mut self, statements: &mut Statements, now: Instant) {
        for (key, book) in self.deployment.books.iter_mut() {
            let folded = book.series.fold(now);
            for (minute, revision) in folded.minutes {
                statements.fold(key, minute, revision);
            }
            for (minute, revision) in folded.hours {
                if let Some(hour) = book.series.get(minute, 60, revision) {
                    statements.window(key, hour);
                }
            }
        }
    }
}

/// The reports of which something is left to be counted, and what their page views have counted for
/// then.
fn new_reports<'b>(context: &JsValue, reports: &'b [Report], now: Instant) -> Result<(Vec<Report>, Vec<Nonce<'b>>), JsValue> {
    let minute = minute_of(now);
    let is_timely = |report: &&Report| report.nonce.len() == NONCE_DIGITS && report.minute <= minute + AHEAD_MINUTES_MAX && report.minute + REPORT_MINUTES_MAX >= minute;
    let timely: Vec<&Report> = reports.iter().filter(is_timely).collect();
    let views: Vec<(u64, &str, &str)> = timely.iter().map(|report| (report.minute, report.nonce.as_str(), report.rollout.as_str())).collect();
    let known = counts::known_nonces(context, &views)?;
    let mut nonces: Vec<Nonce<'b>> = Vec::new();
    let mut kept = Vec::new();
    for (report, (minute, nonce, rollout)) in timely.into_iter().zip(views) {
        let index = nonces.iter().position(|own| (own.minute, own.nonce, own.rollout) == (minute, nonce, rollout));
        let before = match index.and_then(|index| nonces.get(index)) {
            Some(own) => own.known.as_str(),
            None => known.iter().find(|own| (own.0, own.1.as_str(), own.2.as_str()) == (minute, nonce, rollout)).map_or("", |own| own.3.as_str()),
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

/// Whether an isolate can have counted this.
fn is_plausible(counted: &Counted) -> bool {
    let is_small = |tally: &Tally| {
        let counts = [tally.requests, tally.errors, tally.rescued, tally.pages, tally.failed_pages, tally.js_errors];
        counts.iter().all(|count| *count < COUNT_MAX) && tally.sketches.iter().all(|(_, sketch)| sketch.count() < COUNT_MAX)
    };
    let is_plausible = counted.window.sides.iter().all(|(_, tally)| is_small(tally));
    if !is_plausible {
        log::warn("counts_dropped", counted.rollout.as_str(), "an isolate counted more than there can be");
    }
    is_plausible
}
