//! What passes between an isolate and the controller: what it saw and counted goes there, what is newer comes back.
//!
//! What comes back is taken in at once; the highest revision wins. A kill is confirmed at once. A batch is kept until the controller has
//! acknowledged it, whatever became of the flush.
//!
//! Where the controller has named relays, what is counted goes to one of them, and what is new comes from there. A
//! batch that was sent once goes to the same receiver until it is acknowledged: no other could tell whether it has been
//! counted. What an operator waits for is asked of the controller itself; after a flush that was not answered another
//! relay is asked, without a batch.

use super::Isolate;
use super::effect::Effect;
use super::reading::ms;
use tidegate_model::Instant;
use tidegate_protocol::flush::{Answer, Flush};
use tidegate_protocol::relays::Place;

/// The flushes behind one request: one after the other while there is more, and the runtime lets them go on.
#[derive(Debug)]
pub struct FlushRun {
    begun_ms: f64,
}

/// A flush that the controller has not answered yet.
#[derive(Debug)]
pub struct Ask {
    /// The relay that it goes to; `None` for the controller.
    pub receiver: Option<Place>,
    /// The flush, as JSON.
    pub text: String,
    /// The revisions that it says are known; `None` where it asks for everything.
    known: Option<Vec<(String, u64)>>,
    had_batch: bool,
    /// `None` where the flush was wanted at once. What was counted waits for its own time.
    run: Option<FlushRun>,
}

impl Isolate {
    /// Begins the flushes behind a request.
    pub(super) fn flush_due(&mut self, now: Instant) -> Vec<Effect> {
        self.wait_or_ask(FlushRun { begun_ms: ms(now) }, now)
    }

    fn wait_or_ask(&mut self, run: FlushRun, now: Instant) -> Vec<Effect> {
        let wait_ms = self.schedule.wait_ms(ms(now));
        if wait_ms > 0.0 { vec![Effect::Wait(wait_ms, run)] } else { self.ask_with_counts(run, now) }
    }

    pub(super) fn ask_with_counts(&mut self, run: FlushRun, now: Instant) -> Vec<Effect> {
        self.ask(&[], Some(run), None, now)
    }

    /// Asks the controller now, for the states of `wanted` too.
    pub(super) fn ask_now(&mut self, wanted: &[String], now: Instant) -> Vec<Effect> {
        self.ask(wanted, None, None, now)
    }

    /// The same of its relay, where it knows of one.
    pub(super) fn ask_near(&mut self, wanted: &[String], now: Instant) -> Vec<Effect> {
        let receiver = self.layout.of(&self.setup.id);
        self.ask(wanted, None, receiver, now)
    }

    /// Asks for what is new, also of `wanted`: with what was counted where the flush belongs to a `run`, else of
    /// `receiver`, `None` being the controller.
    fn ask(&mut self, wanted: &[String], run: Option<FlushRun>, receiver: Option<Place>, now: Instant) -> Vec<Effect> {
        self.schedule.begin(ms(now));
        if !self.setup.has_controller {
            self.schedule.give_up();
            self.meter.stop();
            return self.go_on_flushing(run, now);
        }
        if let Some(suspect) = self.meter.take_suspect() {
            self.configuration.note_suspect(&suspect, ms(now));
        }
        self.configuration.forget_noted(ms(now));
        let report = self.configuration.report(ms(now), wanted);
        let may_have_batch = self.schedule.takes_batch();
        // Without a name the controller could not tell this isolate's batches from another's.
        let takes_counts = run.is_some() && !self.setup.id.is_empty() && may_have_batch;
        if !self.meter.is_under_way() {
            self.receiver = self.layout.of(&self.setup.id);
        }
        let receiver = match &run {
            Some(_) if takes_counts => self.receiver,
            // After a failure: not of the one that has not answered.
            Some(_) => self.layout.of(&self.setup.id).and_then(|own| self.layout.beside(own)),
            None => receiver,
        };
        let batch = if takes_counts { self.meter.take() } else { None };
        let (messages, versions) = (Some(self.messages.digest), self.versions.take());
        let shadow = self.shadows.take_samples();
        let breakers = self.breakers.open(ms(now));
        let mut flush = Flush { isolate: self.setup.id.clone(), messages, batch, versions, shadow, breakers, ..report };
        flush.faults.extend(self.meter.fault(ms(now)));
        let text = serde_json::to_string(&flush).unwrap_or_default();
        flush.batch.take().into_iter().for_each(|batch| self.meter.keep(batch));
        let lost = self.meter.take_lost();
        if lost > 0 {
            self.configuration.log.warn(
                "counts_lost",
                "controller",
                &format!("it takes less than is counted here; {lost} counts of minutes or requests had no room"),
            );
        }
        vec![Effect::AskController(Ask { receiver, text, known: flush.known, had_batch: takes_counts, run })]
    }

    pub(super) fn answered(&mut self, ask: Ask, outcome: Result<String, String>, now: Instant) -> Vec<Effect> {
        let answer =
            outcome.and_then(|text| Answer::parse(&text).ok_or_else(|| "its answer cannot be read".to_owned()));
        match answer {
            Ok(answer) => {
                self.schedule.answered(answer.interval_ms);
                self.layout = answer.layout.filter(|reported| reported.at > self.layout.at).unwrap_or(self.layout);
                // A new isolate learns from its relay what there is to be known.
                let is_unconfirmed =
                    answer.is_elsewhere || self.configuration.absorb_answer(&answer, ask.known.as_deref(), now);
                self.breakers.learn(answer.breakers, ms(now));
                if let Some(messages) = answer.messages {
                    self.messages = messages;
                }
                if let Some(sequence) = answer.acknowledged {
                    self.meter.acknowledge(sequence);
                }
                let lost = answer.refused.and_then(|refused| self.meter.refuse(&refused, ms(now)));
                if let Some(sentence) = lost {
                    self.configuration.log.warn("counts_lost", "controller", &sentence);
                }
                // Whoever has killed waits for every isolate's word, and no further request may come.
                let relay = self.layout.of(&self.setup.id);
                if is_unconfirmed && (!answer.is_elsewhere || relay.is_some()) {
                    let receiver = if answer.is_elsewhere { relay } else { ask.receiver };
                    return self.ask(&[], ask.run, receiver, now);
                }
            }
            Err(error) => {
                self.schedule.failed(ask.had_batch);
                let receiver = ask.receiver.map_or_else(|| "controller".to_owned(), |place| place.to_string());
                self.configuration.log.warn("controller_unreachable", &receiver, &error);
            }
        }
        self.go_on_flushing(ask.run, now)
    }

    fn go_on_flushing(&mut self, run: Option<FlushRun>, now: Instant) -> Vec<Effect> {
        match run {
            Some(run) if self.schedule.follows(self.meter.has_counts(), run.begun_ms, ms(now)) => {
                self.wait_or_ask(run, now)
            }
            _ => Vec::new(),
        }
    }
}
