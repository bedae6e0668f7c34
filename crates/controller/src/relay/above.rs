//! What goes up: batches one after the other, each to its receiver until it is acknowledged, and what isolates see. And
//! what comes back, which is passed on at once.

use super::state::State;
use super::turn::Turn;
use super::{Ask, Effect};
use crate::store::StorageError;
use crate::store::relay::Kept;
use tidegate_model::Instant;
use tidegate_protocol::flush::{Answer, Flush, LISTS_MAX, REFUSALS_MAX, Refused, Relayed, Version};

/// An answer from above is waited for so long, in milliseconds.
pub(super) const ANSWER_MS_MAX: i64 = 5_000;
/// So many edits by hand and kill keys are reported at once.
const NEWS_MAX: usize = 1_000;
/// Faults that isolates report are passed on, so many.
const FAULTS_MAX: usize = 32;

impl State {
    /// Asks above. With its batches it goes to their receiver, one after the other; what is urgent goes without.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>, is_regular: bool) {
        let now = turn.now;
        let is_detour = std::mem::take(&mut self.has_failed);
        let first = self.kept.front().filter(|_| is_regular && !is_detour);
        let receiver = match first {
            Some(own) => own.receiver,
            // Not the one that has not answered.
            None if is_detour => {
                let layout = &self.known.layout;
                layout.above(self.place).and_then(|above| layout.beside(above))
            }
            None => self.known.layout.above(self.place),
        };
        let (number, batch) = (first.map(|own| own.number), first.map(|own| own.text.clone()));
        // Samples are reported once: what goes down with an ask is no loss.
        let shadow = std::mem::take(&mut self.shadow);
        let report = Flush { shadow, ..self.report(now) };
        let mut text = serde_json::to_string(&report).unwrap_or_default();
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
        let behind =
            |(key, revision): (&str, u64)| (key.to_owned(), revision, self.isolates.behind(key, revision, now));
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
            versions: self.versions.keys().cloned().collect(),
            breakers: self.isolates.open_breakers(now),
            kills: self.kills.keys().take(NEWS_MAX).cloned().collect(),
            faults: faults.take(FAULTS_MAX).collect(),
            lists: lists.take(LISTS_MAX).collect(),
            relay: Some(relayed),
            messages: Some(self.known.messages()),
            ..Flush::default()
        }
    }

    /// Takes in what was answered from above, or why nothing was.
    ///
    /// # Errors
    /// When the storage refuses.
    pub(super) fn answered(
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
    pub(super) fn pass_on(&mut self, turn: &mut Turn<'_>, news: Option<Answer>) -> Result<(), StorageError> {
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
}
