//! A relay: takes the reports of isolates, adds their counts up, and brings them to the controller each second. A machine
//! without clock, network or platform, like the controller.
//!
//! 1. Upwards it is an isolate: its counts are batches with numbers, one under way at a time, sent again unchanged until
//!    they are acknowledged. Downwards it is the controller: it acknowledges what is stored, and tells states that are
//!    newer. So relays may stand above relays.
//! 2. An isolate's batch is added up in memory, and its call is held until the next tick. Then the sum is stored in one
//!    transaction with the number of each batch in it, and the calls are answered. So each batch counts once, whichever
//!    of relay, isolate and controller dies when: [`super::store::relay`].
//! 3. A batch that is stored goes to one receiver, whatever the layout says later. So does an isolate's batch, once it
//!    was sent: who moves to another relay begins there with the next one.
//! 4. What is told from above comes with the answers, and unasked where something changes; it is passed on at once, to
//!    relays below and to all calls that are held.
//! 5. A relay that has heard nothing from above for seconds answers nobody: whoever asks it asks the controller. And one
//!    that cannot bring its batches up takes no more of them: those below it count on, in the room that they have.

mod known;
mod merged;

use std::collections::{HashMap, VecDeque};

use self::known::Known;
use self::merged::Merged;
use super::after;
use super::intake::{IMPLAUSIBLE, is_plausible};
use super::registry::IsolateRegistry;
use super::store::counts::REVISION_MAX;
use super::store::relay::{self as store, Kept};
use super::store::{Batch as Statements, Storage, StorageError};
use tidegate_model::Instant;
use tidegate_protocol::flush::{Answer, Flush, LISTS_MAX, REFUSALS_MAX, Refused, Relayed, Version};
use tidegate_protocol::log::LogLine;
use tidegate_protocol::pace::Pace;
use tidegate_protocol::relays::Place;

/// Counts are stored, calls answered and the controller asked this often, in milliseconds.
pub const TICK_MS: i64 = 1_000;
/// A call that cannot be answered is refused after this long, in milliseconds: before its isolate gives it up.
const HELD_MS_MAX: i64 = 2_500;
/// An answer from above is waited for so long, in milliseconds.
const ANSWER_MS_MAX: i64 = 5_000;
/// Ticks go on for so long after the last report, in milliseconds.
const IDLE_MS: i64 = 5_000;
/// The alarm is set for so long after something is stored, in milliseconds: it brings up what nobody has since.
const ALARM_MS: i64 = 30_000;
/// So many batches may wait to be brought up.
const KEPT_MAX: usize = 16;
/// What has been brought up goes from the storage this often, in milliseconds, or when so many batches have.
const LET_GO_MS: i64 = 60_000;
const LET_GO_BATCHES: u64 = 256;
/// So many edits by hand and kill keys are told of at once.
const NEWS_MAX: usize = 1_000;
/// Faults that isolates report are passed on, so many.
const FAULTS_MAX: usize = 32;

/// What comes in.
#[derive(Debug)]
pub enum Input {
    /// An isolate has come, or a relay from below: [`Effect::Answer`] or [`Effect::Refuse`], with this number.
    Flush(u64, Box<Flush>),
    /// The time of [`Effect::TickIn`] is over.
    Tick,
    /// The time of [`Effect::WakeAt`] has come.
    Alarm,
    /// What was answered from above, or why nothing was.
    Answered(Ask, Result<String, String>),
    /// What comes unasked from above: an answer to nothing.
    News(String),
    /// So many flushes took so many milliseconds.
    FlushCost(f64, u32),
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Answer the flush with this number.
    Answer(u64, Box<Answer>),
    /// Answer it with an error: whoever sent it is to ask the controller.
    Refuse(u64, &'static str),
    /// Send this flush, then [`Input::Answered`].
    Ask(Ask),
    /// Send this to these relays, and do not wait: [`Input::News`] there.
    Push(Vec<Place>, String),
    /// Hand [`Input::Tick`] in after so many milliseconds. There is one at a time.
    TickIn(i64),
    /// Hand [`Input::Alarm`] in at this time, even if the object dies before.
    WakeAt(Instant),
    /// Log this.
    Log(LogLine),
}

/// A flush that has not been answered yet.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Whom it goes to; `None` for the controller.
    pub receiver: Option<Place>,
    /// The flush, as JSON.
    pub text: String,
    /// The number of its batch.
    number: Option<u64>,
    /// Whether no other one is sent meanwhile.
    is_regular: bool,
}

/// One relay.
#[derive(Default)]
pub struct Relay {
    /// What it knows; nothing before the first input, and after the storage has refused.
    state: Option<State>,
}

impl Relay {
    /// Takes an input in, and stores what comes of it. Returns what is to be done then, in this order.
    ///
    /// # Errors
    /// When the storage refuses. Then nothing is to be done, and nobody is answered of those who wait: they come again.
    pub fn handle(
        &mut self,
        storage: &mut dyn Storage,
        place: Place,
        input: Input,
        now: Instant,
    ) -> Result<Vec<Effect>, StorageError> {
        let mut turn = Turn { storage, now, effects: Vec::new() };
        let mut state = match self.state.take() {
            Some(state) => state,
            None => State::load(&mut turn, place)?,
        };
        state.act(&mut turn, input)?;
        self.state = Some(state);
        Ok(turn.effects)
    }
}

/// What one input leads to.
struct Turn<'a> {
    storage: &'a mut dyn Storage,
    now: Instant,
    effects: Vec<Effect>,
}

impl Turn<'_> {
    fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn warn(&mut self, event: &'static str, subject: &str, message: &str) {
        let line = LogLine { is_warning: true, event, subject: subject.to_owned(), message: message.to_owned() };
        self.push(Effect::Log(line));
    }
}

/// A call that is to be answered at the next tick.
struct Held {
    number: u64,
    since: Instant,
    flush: Box<Flush>,
    refused: Option<Refused>,
    /// Whether it brought a batch, which is acknowledged.
    had_batch: bool,
}

struct State {
    place: Place,
    known: Known,
    isolates: IsolateRegistry,
    pace: Pace,
    held: Vec<Held>,
    /// What the held calls have counted.
    merged: Merged,
    /// The numbers of the batches in it.
    merged_marks: HashMap<String, u64>,
    /// The batches that are still to be brought up, the oldest first.
    kept: VecDeque<Kept>,
    /// The numbers that stand beside a batch in the storage, and in no row of their own.
    loose_marks: HashMap<String, u64>,
    /// The number of the last batch, and of the last one that was brought up, and of the last one that went.
    last: u64,
    brought: u64,
    gone: u64,
    gone_at: Instant,
    /// How often the first of them was refused.
    refusals: u32,
    /// Edits by hand and kill keys that isolates see: a rollout's key and a text, or a kill key; each since when.
    texts: HashMap<(String, String), Instant>,
    kills: HashMap<String, Instant>,
    /// The greatest revision of plans that isolates have seen.
    seen: u64,
    /// When the flush was sent that is under way.
    asking_since: Option<Instant>,
    /// The last one was not answered: the next goes to the controller itself, without a batch.
    has_failed: bool,
    asked_at: Option<Instant>,
    tick_at: Option<Instant>,
    alarm_at: Option<Instant>,
    busy_at: Instant,
}

impl State {
    fn load(turn: &mut Turn<'_>, place: Place) -> Result<Self, StorageError> {
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

    fn act(&mut self, turn: &mut Turn<'_>, input: Input) -> Result<(), StorageError> {
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
        let had_batch = flush.batch.is_some() || flush.unreadable.is_some();
        let refused = self.take_batch(turn, &mut flush)?;
        // One with a batch waits for the tick that stores it, and any waits for what only those above know.
        let held = Held { number, since: now, flush, refused, had_batch };
        if had_batch || !self.known.is_fresh(now) {
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
        for told in &flush.texts {
            is_new |= self.texts.insert(told.clone(), now).is_none();
        }
        for kill in &flush.kills {
            is_new |= self.kills.insert(kill.clone(), now).is_none();
        }
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
                turn.push(Effect::Refuse(held.number, "this relay has heard nothing from the controller"));
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
    fn commit(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
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
        statements.commit(turn.storage)?;
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
    fn skip_empty(&mut self) {
        while let Some(own) = self.kept.pop_front_if(|own| own.text.is_empty()) {
            self.brought = own.number;
        }
    }

    fn answer(&mut self, turn: &mut Turn<'_>, held: Held) {
        let Held { number, flush, refused, had_batch, .. } = held;
        let interval_ms = self.pace.interval_ms(self.isolates.reporters(), &flush.isolate);
        let acknowledged = self.isolates.sequence(&flush.isolate).filter(|_| had_batch);
        let answer = Answer { acknowledged, refused, ..self.known.answer(&flush, interval_ms, turn.now) };
        let layout = self.known.layout;
        let receiver = match flush.isolate.parse() {
            Ok(below) => layout.above(below),
            Err(()) => layout.of(&flush.isolate),
        };
        if receiver != Some(self.place) {
            self.isolates.dismiss(&flush.isolate);
        }
        turn.push(Effect::Answer(number, Box::new(answer)));
    }

    /// Asks above. With its batches it goes to their receiver, one after the other; what is urgent goes without.
    fn ask(&mut self, turn: &mut Turn<'_>, is_regular: bool) {
        let now = turn.now;
        let is_detour = std::mem::take(&mut self.has_failed);
        let first = self.kept.front().filter(|_| is_regular && !is_detour);
        let receiver = match first {
            Some(own) => own.receiver,
            None if is_detour => None,
            None => self.known.layout.above(self.place),
        };
        let (number, batch) = (first.map(|own| own.number), first.map(|own| own.text.clone()));
        let mut text = serde_json::to_string(&self.report(now)).unwrap_or_default();
        if let Some(batch) = batch
            && text.pop() == Some('}')
        {
            text.push_str(",\"batch\":");
            text.push_str(&batch);
            text.push('}');
        }
        self.asked_at = Some(now);
        if is_regular {
            self.asking_since = Some(now);
        }
        turn.push(Effect::Ask(Ask { receiver, text, number, is_regular }));
    }

    /// What it tells above, without a batch.
    fn report(&self, now: Instant) -> Flush {
        let behind = |(key, revision): (&str, u64)| {
            (key.to_owned(), revision, self.isolates.behind(key, revision, now))
        };
        let relayed = Relayed {
            isolates: self.isolates.count(),
            behind: self.known.kills(now).map(behind).collect(),
            digest: self.known.digest(),
        };
        let lists = self.isolates.lists(now).into_iter();
        let lists = lists.flat_map(|held| held.ids.into_iter().map(move |ids| (held.group.clone(), ids)));
        let faults = self.isolates.faults(now).into_iter().map(|own| (own.subject, own.message));
        Flush {
            isolate: self.place.to_string(),
            plans: self.known.plans(),
            seen: Some(self.seen).filter(|seen| *seen > self.known.plans()),
            known: Some(Vec::new()),
            texts: self.texts.keys().take(NEWS_MAX).cloned().collect(),
            kills: self.kills.keys().take(NEWS_MAX).cloned().collect(),
            faults: faults.take(FAULTS_MAX).collect(),
            lists: lists.take(LISTS_MAX).collect(),
            relay: Some(relayed),
            ..Flush::default()
        }
    }

    fn answered(
        &mut self,
        turn: &mut Turn<'_>,
        ask: &Ask,
        outcome: Result<String, String>,
    ) -> Result<(), StorageError> {
        if ask.is_regular {
            self.asking_since = None;
        }
        let answer =
            outcome.and_then(|text| Answer::parse(&text).ok_or_else(|| "its answer cannot be read".to_owned()));
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.has_failed = true;
                let receiver = ask.receiver.map_or_else(|| "controller".to_owned(), |place| place.to_string());
                turn.warn("relay_unanswered", &self.place.to_string(), &format!("{receiver}: {error}"));
                return Ok(());
            }
        };
        if answer.v < Version::RELAYS {
            turn.warn("relay_unknown", &self.place.to_string(), "the controller is of a release without relays");
        }
        let acknowledged = answer.acknowledged.take().unwrap_or_default();
        let is_brought = |own: &mut Kept| own.number <= acknowledged && own.receiver == ask.receiver;
        let mut has_brought = false;
        while let Some(own) = self.kept.pop_front_if(is_brought) {
            (self.brought, self.refusals, has_brought) = (own.number, 0, true);
        }
        if let Some(refused) = answer.refused.take().filter(|_| ask.number.is_some()) {
            self.refused(turn, ask, &refused);
        }
        self.skip_empty();
        let news = self.known.absorb(answer, turn.now);
        self.pass_on(turn, news)?;
        // Whatever waits goes on at once, and not with the next second.
        if has_brought && !self.kept.is_empty() && self.asking_since.is_none() {
            self.ask(turn, true);
        }
        Ok(())
    }

    /// A batch is refused by whoever is to take it. After so many times it is given up, and that is said.
    fn refused(&mut self, turn: &mut Turn<'_>, ask: &Ask, refused: &Refused) {
        if self.kept.front().map(|own| own.number) != ask.number {
            return;
        }
        self.refusals += 1;
        if self.refusals < REFUSALS_MAX {
            return;
        }
        self.refusals = 0;
        if let Some(own) = self.kept.pop_front() {
            self.brought = own.number;
            let sentence = format!(
                "batch {} of {} was refused {REFUSALS_MAX} times and counts nowhere: {}",
                own.number, self.place, refused.why
            );
            turn.warn("counts_lost", &self.place.to_string(), &sentence);
            self.isolates.note_faults(&[("counts".to_owned(), sentence)], turn.now);
        }
    }

    /// Tells those below what is new, and whoever is held.
    fn pass_on(&mut self, turn: &mut Turn<'_>, news: Option<Answer>) -> Result<(), StorageError> {
        if let Some(news) = news {
            let below = self.known.layout.below(Some(self.place));
            if !below.is_empty() {
                turn.push(Effect::Push(below, serde_json::to_string(&news).unwrap_or_default()));
            }
        } else if self.held.iter().all(|held| held.had_batch) {
            return Ok(());
        }
        self.commit(turn)?;
        if self.known.is_fresh(turn.now) {
            for held in std::mem::take(&mut self.held) {
                self.answer(turn, held);
            }
        }
        Ok(())
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
        statements.commit(turn.storage)?;
        (self.gone, self.gone_at) = (self.brought, turn.now);
        Ok(())
    }

    /// Sees to it that there is a next tick while there is anything to do, and an alarm while anything is stored.
    fn keep_going(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let is_busy = !self.held.is_empty() || !self.kept.is_empty() || !is_over(self.busy_at, IDLE_MS, now);
        // One that is long over has got lost.
        if is_busy && self.tick_at.is_none_or(|at| now > after(at, TICK_MS)) {
            self.tick_at = Some(after(now, TICK_MS));
            turn.push(Effect::TickIn(TICK_MS));
        }
        if !self.kept.is_empty() && self.alarm_at.is_none_or(|at| at <= now) {
            let at = after(now, ALARM_MS);
            self.alarm_at = Some(at);
            turn.push(Effect::WakeAt(at));
        }
    }
}

fn keep(batch: &tidegate_protocol::flush::Batch, receiver: Option<Place>) -> Kept {
    Kept { number: batch.sequence, receiver, text: serde_json::to_string(batch).unwrap_or_default() }
}

/// Whether so much time has passed; a clock that was set back says that it has.
fn is_over(since: Instant, ms: i64, now: Instant) -> bool {
    !(0..ms).contains(&(now.as_epoch_ms() - since.as_epoch_ms()))
}
