//! What comes from below: counts are added up, stored with the numbers of their batches, and then acknowledged.

use std::collections::{HashMap, VecDeque};

use super::above::ANSWER_MS_MAX;
use super::known::Known;
use super::merged::Merged;
use super::turn::Turn;
use super::{Effect, Input};
use crate::intake::{IMPLAUSIBLE, is_plausible};
use crate::is_over;
use crate::registry::IsolateRegistry;
use crate::store::counts::REVISION_MAX;
use crate::store::relay::{self as store, Kept};
use crate::store::{Batch as Statements, StorageError};
use tidegate_model::Instant;
use tidegate_model::shadow::SampleOf;
use tidegate_protocol::diversion::OpenBreaker;
use tidegate_protocol::flush::{Answer, Batch, Flush, Refused, SHADOW_SAMPLES_MAX, VERSIONS_MAX};
use tidegate_protocol::pace::{ELSEWHERE_MS, Pace};
use tidegate_protocol::relays::Place;

/// Counts are stored, calls answered and the controller asked this often, in milliseconds.
pub const TICK_MS: i64 = 1_000;
/// A call that cannot be answered is refused after this long, in milliseconds: before its isolate gives it up.
const HELD_MS_MAX: i64 = 2_500;
/// Ticks go on for so long after the last report, in milliseconds.
const IDLE_MS: i64 = 5_000;
/// The alarm is set for so long after something is stored, in milliseconds: it brings up what nobody has since.
const ALARM_MS: i64 = 30_000;
/// So many batches may wait to be brought up.
const KEPT_MAX: usize = 16;
/// What has been brought up goes from the storage this often, in milliseconds, or when so many batches have.
const LET_GO_MS: i64 = 60_000;
const LET_GO_BATCHES: u64 = 256;

/// A call that is to be answered at the next tick.
pub struct Held {
    pub(super) number: u64,
    pub(super) since: Instant,
    pub(super) flush: Box<Flush>,
    pub(super) refused: Option<Refused>,
    /// Whether it brought a batch, which is acknowledged.
    pub(super) had_batch: bool,
}

/// What a relay knows.
pub struct State {
    pub(super) place: Place,
    pub(super) known: Known,
    pub(super) isolates: IsolateRegistry,
    pub(super) pace: Pace,
    pub(super) held: Vec<Held>,
    /// What the held calls have counted.
    pub(super) merged: Merged,
    /// The numbers of the batches in it.
    pub(super) merged_marks: HashMap<String, u64>,
    /// The batches that are still to be brought up, the oldest first.
    pub(super) kept: VecDeque<Kept>,
    /// The numbers that stand beside a batch in the storage, and in no row of their own.
    pub(super) loose_marks: HashMap<String, u64>,
    /// The number of the last batch, and of the last one that was brought up, and of the last one that went.
    pub(super) last: u64,
    pub(super) brought: u64,
    pub(super) gone: u64,
    pub(super) gone_at: Instant,
    /// How often the first of them was refused.
    pub(super) refusals: u32,
    /// Edits by hand and kill keys that isolates see: a rollout's key and a text, or a kill key; each since when.
    pub(super) texts: HashMap<(String, String), Instant>,
    pub(super) kills: HashMap<String, Instant>,
    /// The versions that answers of new name: a rollout's key and the version, each since when.
    pub(super) versions: HashMap<(String, String), Instant>,
    /// Samples of copies, until they have gone up.
    pub(super) shadow: Vec<SampleOf>,
    /// The greatest revision of plans that isolates have seen.
    pub(super) seen: u64,
    /// When the flush was sent that is under way.
    pub(super) asking_since: Option<Instant>,
    /// The last one was not answered: the next goes elsewhere, without a batch.
    pub(super) has_failed: bool,
    pub(super) asked_at: Option<Instant>,
    pub(super) tick_at: Option<Instant>,
    pub(super) alarm_at: Option<Instant>,
    pub(super) busy_at: Instant,
}

impl State {
    /// Loads what is stored.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn load(turn: &mut Turn<'_>, place: Place) -> Result<Self, StorageError> {
        if store::place(turn.storage)? != Some(place) {
            let mut statements = Statements::default();
            statements.place(place);
            turn.commit(statements)?;
        }
        let (kept, marks, last) = store::load(turn.storage)?;
        let brought = kept.first().map_or(last, |own| own.number.saturating_sub(1));
        Ok(Self {
            place,
            known: Known::default(),
            isolates: IsolateRegistry::default(),
            pace: Pace::default(),
            held: Vec::new(),
            merged: Merged::default(),
            merged_marks: HashMap::new(),
            kept: kept.into(),
            loose_marks: marks.into_iter().collect(),
            last,
            brought,
            gone: brought,
            gone_at: turn.now,
            refusals: 0,
            texts: HashMap::new(),
            versions: HashMap::new(),
            shadow: Vec::new(),
            kills: HashMap::new(),
            seen: 0,
            asking_since: None,
            has_failed: false,
            asked_at: None,
            tick_at: None,
            alarm_at: None,
            busy_at: turn.now,
        })
    }

    /// Takes an input in.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn act(&mut self, turn: &mut Turn<'_>, input: Input) -> Result<(), StorageError> {
        match input {
            Input::Flush(number, flush) => self.flush(turn, number, flush)?,
            Input::Tick => {
                self.tick_at = None;
                self.tick(turn)?;
            }
            Input::Alarm => {
                self.alarm_at = None;
                if !self.kept.is_empty() {
                    self.tick(turn)?;
                }
            }
            Input::Answered(ask, outcome) => self.answered(turn, &ask, outcome)?,
            Input::News(text) => {
                if let Some(answer) = Answer::parse(&text) {
                    let news = self.known.hear(answer, turn.now);
                    self.pass_on(turn, news)?;
                }
            }
            Input::FlushCost(ms, flushes) => self.pace.note(ms, flushes),
        }
        self.keep_going(turn);
        Ok(())
    }

    fn flush(&mut self, turn: &mut Turn<'_>, number: u64, mut flush: Box<Flush>) -> Result<(), StorageError> {
        let now = turn.now;
        self.busy_at = now;
        self.isolates.note(&flush, now);
        self.isolates.note_revisions(&flush);
        self.isolates.note_faults(&flush.faults, now);
        self.isolates.note_lists(&flush.isolate, &flush.lists);
        self.seen = self.seen.max(flush.plans).max(flush.seen.unwrap_or_default());
        let is_urgent = self.note_news(&flush, now);
        let room = SHADOW_SAMPLES_MAX.saturating_sub(self.shadow.len());
        self.shadow.extend(flush.shadow.drain(..).take(room));
        let had_batch = flush.batch.is_some() || flush.unreadable.is_some();
        let refused = self.take_batch(turn, &mut flush)?;
        // One with a batch waits for the tick that stores it, and any waits for what only those above know. News do not
        // wait: the batch is not acknowledged with them, and comes again.
        let is_fresh = self.known.is_fresh(now);
        let has_news = is_fresh && self.known.has_news_for(&flush, now);
        let held = Held { number, since: now, flush, refused, had_batch: had_batch && !has_news };
        if held.had_batch || !is_fresh {
            self.held.push(held);
        } else {
            self.answer(turn, held);
        }
        let is_cold = self.asked_at.is_none_or(|at| is_over(at, TICK_MS, now));
        if is_urgent || is_cold && self.asking_since.is_none() {
            self.ask(turn, is_cold && self.asking_since.is_none());
        }
        Ok(())
    }

    /// Takes note of what isolates see in KV; whether any of it is new here. They tell it again with each flush.
    fn note_news(&mut self, flush: &Flush, now: Instant) -> bool {
        let mut is_new = false;
        for reported in &flush.texts {
            is_new |= self.texts.insert(reported.clone(), now).is_none();
        }
        for kill in &flush.kills {
            is_new |= self.kills.insert(kill.clone(), now).is_none();
        }
        for version in flush.versions.iter().take(VERSIONS_MAX) {
            if self.versions.len() < VERSIONS_MAX || self.versions.contains_key(version) {
                self.versions.insert(version.clone(), now);
            }
        }
        self.versions.retain(|_, at| !is_over(*at, 2 * TICK_MS, now));
        self.texts.retain(|_, at| !is_over(*at, 2 * TICK_MS, now));
        self.kills.retain(|_, at| !is_over(*at, 2 * TICK_MS, now));
        is_new
    }

    /// Adds the batch of a flush to the others, unless it has been; why not, where it cannot be.
    fn take_batch(&mut self, turn: &mut Turn<'_>, flush: &mut Flush) -> Result<Option<Refused>, StorageError> {
        let Some(batch) = flush.batch.take() else { return Ok(flush.unreadable.take()) };
        let (isolate, sequence) = (flush.isolate.as_str(), batch.sequence);
        if !(1..REVISION_MAX).contains(&sequence) {
            let why = "its number is too large to count on from".to_owned();
            return Ok(Some(Refused { sequence, why }));
        }
        if self.merged_marks.get(isolate).is_some_and(|mark| sequence <= *mark)
            || sequence <= self.mark(turn, isolate)?
            || self.kept.len() >= KEPT_MAX
        {
            return Ok(None);
        }
        let (counted, implausible): (Vec<_>, Vec<_>) = batch.counted.into_iter().partition(is_plausible);
        for own in implausible {
            turn.warn("counts_dropped", own.rollout.as_str(), IMPLAUSIBLE);
        }
        self.merged.add(counted, batch.reports);
        self.merged_marks.insert(isolate.to_owned(), sequence);
        Ok(None)
    }

    /// The number of an isolate's last batch that is stored here; 0 for none.
    fn mark(&mut self, turn: &mut Turn<'_>, isolate: &str) -> Result<u64, StorageError> {
        if let Some(mark) = self.isolates.sequence(isolate) {
            return Ok(mark);
        }
        let mark = match self.loose_marks.get(isolate) {
            Some(mark) => *mark,
            None => store::mark(turn.storage, isolate)?,
        };
        self.isolates.note_sequence(isolate.to_owned(), mark, turn.now);
        Ok(mark)
    }

    fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        self.commit(turn)?;
        for held in std::mem::take(&mut self.held) {
            if self.known.is_fresh(turn.now) {
                self.answer(turn, held);
            } else if is_over(held.since, HELD_MS_MAX, turn.now) {
                turn.push(Effect::Refuse(held.number, "this relay has received nothing from the controller"));
            } else {
                self.held.push(held);
            }
        }
        if self.asking_since.is_none_or(|at| is_over(at, ANSWER_MS_MAX, turn.now)) {
            self.ask(turn, true);
        }
        self.let_go(turn)
    }

    /// Stores what has been added up.
    pub(super) fn commit(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        if self.merged_marks.is_empty() {
            return Ok(());
        }
        let receiver = self.known.layout.above(self.place);
        let marks: store::Marks = self.merged_marks.drain().collect();
        let mut kept: Vec<Kept> = self.merged.take(self.last + 1).iter().map(|batch| keep(batch, receiver)).collect();
        if kept.is_empty() {
            kept.push(Kept { number: self.last + 1, receiver, text: String::new() });
        }
        let mut statements = Statements::default();
        for (index, own) in kept.iter().enumerate() {
            statements.keep(own, if index == 0 { &marks } else { const { &store::Marks::new() } }, turn.now);
        }
        turn.commit(statements)?;
        self.last = kept.last().map_or(self.last, |own| own.number);
        self.kept.extend(kept);
        for (isolate, mark) in marks {
            self.isolates.note_sequence(isolate.clone(), mark, turn.now);
            self.loose_marks.insert(isolate, mark);
        }
        self.skip_empty();
        Ok(())
    }

    /// What has nothing in it need not be brought up.
    pub(super) fn skip_empty(&mut self) {
        while let Some(own) = self.kept.pop_front_if(|own| own.text.is_empty()) {
            self.brought = own.number;
        }
    }

    pub(super) fn answer(&mut self, turn: &mut Turn<'_>, held: Held) {
        let Held { number, flush, refused, had_batch, .. } = held;
        let acknowledged = self.isolates.sequence(&flush.isolate).filter(|_| had_batch);
        let is_elsewhere = self.known.layout.receiver(&flush.isolate) != Some(self.place);
        let interval_ms =
            if is_elsewhere { ELSEWHERE_MS } else { self.pace.interval_ms(self.isolates.reporters(), &flush.isolate) };
        let mut answer = Answer { acknowledged, refused, ..self.known.answer(&flush, interval_ms, turn.now) };
        let own = self.isolates.open_breakers(turn.now).into_iter();
        let news: Vec<OpenBreaker> = own.filter(|own| !answer.breakers.contains(own)).collect();
        answer.breakers.extend(news);
        if is_elsewhere {
            self.isolates.dismiss(&flush.isolate);
        }
        turn.push(Effect::Answer(number, Box::new(answer)));
    }

    /// Lets go of what has been brought up.
    fn let_go(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        let is_due = is_over(self.gone_at, LET_GO_MS, turn.now) || self.brought >= self.gone + LET_GO_BATCHES;
        if self.brought <= self.gone || !is_due {
            return Ok(());
        }
        let marks: store::Marks = self.loose_marks.drain().collect();
        let mut statements = Statements::default();
        statements.let_go(self.brought, &marks, turn.now);
        turn.commit(statements)?;
        (self.gone, self.gone_at) = (self.brought, turn.now);
        Ok(())
    }

    /// Sees to it that there is a next tick while there is anything to do, and an alarm while anything is stored.
    fn keep_going(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let is_busy = !self.held.is_empty() || !self.kept.is_empty() || !is_over(self.busy_at, IDLE_MS, now);
        // One that is long over has got lost.
        if is_busy && self.tick_at.is_none_or(|at| now > at.plus_ms(TICK_MS)) {
            self.tick_at = Some(now.plus_ms(TICK_MS));
            turn.push(Effect::TickIn(TICK_MS));
        }
        if !self.kept.is_empty() && self.alarm_at.is_none_or(|at| at <= now) {
            let at = now.plus_ms(ALARM_MS);
            self.alarm_at = Some(at);
            turn.push(Effect::WakeAt(at));
        }
    }
}

fn keep(batch: &Batch, receiver: Option<Place>) -> Kept {
    Kept { number: batch.sequence, receiver, text: serde_json::to_string(batch).unwrap_or_default() }
}
