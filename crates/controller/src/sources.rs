//! Signals from elsewhere: deliveries for receivers, and the sources that the controller asks.
//!
//! A delivery is taken in together with everything that keeps it from counting twice, in one commit, and only then
//! answered. A source is asked behind the turn that finds it due; nothing ever waits for its answer.

use std::collections::BTreeSet;

use super::evaluation::serves;
use super::state::State;
use super::store::{Batch, StorageError, incoming};
use super::turn::{Effect, Fetch, Turn};
use tidegate_decide::notify;
use tidegate_decide::sources::{Spacing, Taken};
use tidegate_model::live::Phase;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::plan::{Plan, Signal};
use tidegate_model::record::Record;
use tidegate_model::subject::fnv1a64;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::Reply;
use tidegate_protocol::api::body::Reported;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::shapes::{DeliveryTaken, DeliveryTakenBy, Text};
use tidegate_protocol::receive::pull::{self, Pulled};
use tidegate_protocol::receive::{self, Received};

/// What a source has answered, or why there is no answer.
#[derive(Debug)]
pub struct Fetched {
    /// What was asked.
    pub fetch: Fetch,
    /// The status and the body.
    pub answer: Result<(u16, String), String>,
}

/// Whether anybody may want to know a rollout's signals. One that ended, or was taken back to nobody, waits for its
/// next attempt, and its sources are asked again then.
pub(super) fn is_watched(record: &Record) -> bool {
    let is_open = matches!(record.live.phase, Phase::Draft | Phase::Running | Phase::Paused);
    !record.live.killed && (is_open || serves(record))
}

fn is_count(plan: &Plan, signal: &str) -> bool {
    plan.signals.get(signal).is_some_and(|own| own.kind == SignalKind::Count)
}

impl State {
    /// Takes in a delivery for a receiver, of each rollout whose secret has proved it.
    ///
    /// # Errors
    /// When the storage refuses; then nothing was taken in.
    pub fn receive(&mut self, turn: &mut Turn<'_>, received: &Received, body: &str) -> Result<Reply, StorageError> {
        let name = received.receiver.as_str();
        let mut accepted = Vec::new();
        let mut problem = Problem::unknown_receiver(name);
        let mut batch = Batch::default();
        for (key, secret) in &received.proved {
            let found = key.parse::<Name>().ok().and_then(|key| self.deployment.rollouts.get(&key));
            let Some((key, plan)) = found.map(|rollout| (rollout.plan.key.clone(), rollout.plan.clone())) else {
                continue;
            };
            let Some(receiver) = plan.receivers.get(name) else { continue };
            // The isolate may have had an older plan.
            if receiver.secret().is_none_or(|own| own.0.as_str() != secret) {
                problem = Problem::not_genuine();
                continue;
            }
            let alerts = match receive::read(receiver.kind, received, body, turn.now) {
                Ok(alerts) => alerts,
                Err(why) => {
                    problem = Problem::bad_delivery(receiver.kind, &why);
                    continue;
                }
            };
            let count = alerts.len();
            let occurrences = receive::occurrences(receiver, alerts);
            let lacking = occurrences.iter().flat_map(|own| &own.rules).filter(|rule| rule.number == Some(None));
            // Each once, however many alerts a delivery has.
            let without: BTreeSet<&str> = lacking.map(|rule| rule.outcome.signal().as_str()).collect();
            let without_number = without.into_iter().map(Text::from).collect();
            let once: Vec<&str> = occurrences.iter().filter_map(|own| own.once.as_deref()).collect();
            let known = incoming::known(turn.storage, &key, name, &once, turn.now)?;
            batch.deliveries(&key, name, &once, turn.now);
            let sources = &mut self.deployment.metrics.get_mut(&key).sources;
            let taken = sources.take(&plan, name, occurrences, &|once| known.iter().any(|own| own == once), turn.now);
            batch.receiver(&key, name, turn.now);
            if let Some(state) = sources.receiver(name) {
                for alert in &taken.changed {
                    if let Some(known) = state.alerts.get(alert) {
                        batch.alert(&key, name, alert, known);
                    }
                }
            }
            for (signal, about) in &taken.about {
                batch.about(&key, signal, about);
            }
            for alert in &taken.forgotten {
                batch.forget_alert(&key, name, alert);
            }
            let signals = self.report(&key, &taken, &mut batch, turn.now);
            let signals = signals.iter().map(|signal| signal.as_str().into()).collect();
            let rollout = (&key).into();
            accepted.push(DeliveryTakenBy { rollout, alerts: count, new: taken.news, signals, without_number });
        }
        if accepted.is_empty() {
            return Ok(problem.into());
        }
        turn.commit(batch)?;
        for DeliveryTakenBy { rollout, new, signals, .. } in accepted.iter().filter(|own| own.new > 0) {
            turn.note("received", rollout.as_str(), &format!("{new} new from {name}: {}", signals.join(", ")));
        }
        for DeliveryTakenBy { rollout, without_number, .. } in
            accepted.iter().filter(|own| !own.without_number.is_empty())
        {
            let signals: Vec<&str> = without_number.iter().map(Text::as_str).collect();
            turn.warn(
                "no_number",
                rollout.as_str(),
                &format!("a delivery for {name} has no number for {}", signals.join(", ")),
            );
        }
        Ok(Reply::json(202, &DeliveryTaken { receiver: name.into(), rollouts: accepted }))
    }

    /// Takes in what a delivery says of signals. Where the storage refuses the batch, the state goes with it.
    fn report(&mut self, key: &Name, taken: &Taken, batch: &mut Batch, now: Instant) -> Vec<String> {
        let plan = self.deployment.rollouts.get(key).map(|rollout| rollout.plan.clone());
        let is_known = |signal: &String| plan.as_ref().is_some_and(|plan| plan.signals.contains(signal));
        let signals = &mut self.deployment.metrics.get_mut(key).signals;
        let mut names = Vec::new();
        for (signal, value) in taken.reports.iter().filter(|(signal, _)| is_known(signal)) {
            batch.signal(key, signal, signals.minute(now), *value, now);
            signals.report(signal, *value, now);
            // A zero says that somebody is there, and nothing of the signal.
            let is_counted = plan.as_ref().is_some_and(|plan| is_count(plan, signal));
            if *value != 0.0 || !is_counted {
                names.push(signal.clone());
            }
        }
        for signal in taken.blank.iter().filter(|signal| is_known(signal)) {
            signals.blank(signal, now);
            names.push(signal.clone());
        }
        names
    }

    /// Stores a report of a signal, together with what else is in the batch, and counts it.
    ///
    /// # Errors
    /// When the storage refuses; then nothing was counted.
    pub fn take_signal(
        &mut self,
        turn: &mut Turn<'_>,
        key: &Name,
        reported: &Reported,
        mut batch: Batch,
    ) -> Result<(), StorageError> {
        let minute = self.deployment.metrics.get_mut(key).signals.minute(turn.now);
        batch.signal(key, &reported.name, minute, reported.value, turn.now);
        turn.commit(batch)?;
        self.deployment.metrics.get_mut(key).signals.report(&reported.name, reported.value, turn.now);
        Ok(())
    }

    /// Passes on somebody's words, where the plan names those who want them. They are kept nowhere but in the outbox.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn tell_note(
        &mut self,
        turn: &mut Turn<'_>,
        batch: &mut Batch,
        key: &Name,
        signal: &str,
        note: &str,
    ) -> Result<(), StorageError> {
        let addressed = notify::feedback(&self.deployment, key, signal, note, self.console.as_deref(), turn.now);
        self.post(turn, batch, addressed)
    }

    /// Somebody has reported a gauge by hand, so alerts that set it do so no more.
    pub(super) fn overrule(&mut self, key: &Name, signal: &str, batch: &mut Batch) {
        let sources = &mut self.deployment.metrics.get_mut(key).sources;
        for (receiver, alert) in sources.overrule(signal) {
            if let Some(known) = sources.receiver(&receiver).and_then(|state| state.alerts.get(&alert)) {
                batch.alert(key, &receiver, &alert, known);
            }
        }
    }

    /// Asks each source that is due. Where several rollouts have the same one, it is asked once.
    pub(super) fn ask_sources(&mut self, turn: &mut Turn<'_>) {
        if !self.rhythm.asks {
            return;
        }
        let now = turn.now;
        let mut fetches: Vec<Fetch> = Vec::new();
        for (key, name, signal) in self.pulled() {
            let is_due = self.pull_due_at(&key, &name, now) <= now;
            let index = fetches.iter().position(|fetch| fetch.signal.pull() == signal.pull());
            match index.and_then(|index| fetches.get_mut(index)) {
                Some(fetch) => {
                    fetch.is_due |= is_due;
                    fetch.wanted.push((key, name));
                }
                None => fetches.push(Fetch { wanted: vec![(key, name)], signal: Box::new(signal), is_due }),
            }
        }
        for fetch in fetches.into_iter().filter(|fetch| fetch.is_due) {
            for (key, name) in &fetch.wanted {
                self.deployment.metrics.get_mut(key).sources.pull_mut(name.as_str()).ask(now);
            }
            turn.push(Effect::Fetch(fetch));
        }
    }

    /// When a source is due next.
    pub(super) fn ask_at(&self, now: Instant) -> Option<Instant> {
        if !self.rhythm.asks {
            return None;
        }
        self.pulled().into_iter().map(|(key, name, _)| self.pull_due_at(&key, &name, now)).min()
    }

    fn pull_due_at(&self, key: &Name, name: &Name, now: Instant) -> Instant {
        let state = self.deployment.metrics.get(key).and_then(|metrics| metrics.sources.pull(name.as_str()));
        state.map_or(now, |state| state.due_at(now))
    }

    /// The signals that are asked for, of all rollouts of which anybody may want to know them.
    fn pulled(&self) -> Vec<(Name, Name, Signal)> {
        let rollouts = self.deployment.rollouts.iter().filter(|rollout| rollout.unread.is_none());
        rollouts
            .filter(|rollout| is_watched(&rollout.record))
            .flat_map(|rollout| {
                let signals = rollout.plan.signals.0.iter().filter(|(_, signal)| signal.pull().is_some());
                signals.map(|(name, signal)| (rollout.plan.key.clone(), name.clone(), signal.clone()))
            })
            .collect()
    }

    /// Takes in what a source has answered.
    ///
    /// # Errors
    /// When the storage refuses; then it is asked again.
    pub fn fetched(&mut self, turn: &mut Turn<'_>, fetched: &Fetched) -> Result<(), StorageError> {
        let Some(pull) = fetched.fetch.signal.pull() else { return Ok(()) };
        let now = turn.now;
        let pulled = match &fetched.answer {
            Ok((status, body)) => pull::read(&pull, *status, body),
            Err(why) => Pulled::Failed(why.clone()),
        };
        let mut batch = Batch::default();
        let mut lines = Vec::new();
        for (key, name) in &fetched.fetch.wanted {
            let rollout = self.deployment.rollouts.get(key);
            let is_same = rollout
                .and_then(|rollout| rollout.plan.signals.get(name.as_str()))
                .is_some_and(|signal| signal.pull() == Some(pull));
            if !is_same {
                continue;
            }
            let metrics = self.deployment.metrics.get_mut(key);
            let error = match &pulled {
                Pulled::Value(value) => {
                    batch.signal(key, name.as_str(), metrics.signals.minute(now), *value, now);
                    metrics.signals.report(name.as_str(), *value, now);
                    None
                }
                Pulled::Blank(why) => {
                    metrics.signals.blank(name.as_str(), now);
                    Some((why.clone(), true))
                }
                Pulled::Failed(why) => Some((why.clone(), false)),
            };
            let spacing = Spacing { every: pull.every, number: fnv1a64(name.as_str().as_bytes()) };
            let state = metrics.sources.pull_mut(name.as_str());
            let was_wrong = state.error.is_some();
            if state.answer(error, spacing, now) {
                batch.pull(key, name.as_str(), state);
                match &state.error {
                    Some((_, why)) => lines.push((true, key, format!("the source of {name}: {why}"))),
                    None if was_wrong => lines.push((false, key, format!("the source of {name} has a value again"))),
                    None => {}
                }
            }
        }
        turn.commit(batch)?;
        for (is_warning, key, line) in lines {
            if is_warning {
                turn.warn("source", key.as_str(), &line);
            } else {
                turn.note("source", key.as_str(), &line);
            }
        }
        self.wake_in_time(turn);
        Ok(())
    }
}
