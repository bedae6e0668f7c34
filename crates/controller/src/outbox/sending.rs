//! What the controller does with messages in a turn: it takes them in, hands out what is due, and stores what became
//! of it.

use super::pauses::next_try;
use super::rates::Sent;
use super::{Manner, Outbox, STORM_MS, definition, is_urgent};
use crate::state::State;
use crate::store::outbox::{self as stored, Ending, Stored};
use crate::store::{Batch, Storage, StorageError};
use crate::turn::{Delivered, Delivery, Effect, Outgoing, Turn};
use tidegate_decide::notify::{Addressed, Facts};
use tidegate_decide::rollout::{Change, Noticed, Rollout};
use tidegate_model::notification::NotificationKind;
use tidegate_model::plan::Channel;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::view::is_about;

/// Under this name the database holds where people find the console.
pub const CONSOLE: &str = "console";
/// So many messages wait for a channel that records each change; then the oldest are given up.
const WAITING_MAX: usize = 500;

impl Outbox {
    /// Takes messages in, which are stored with the batch. `channel` finds the channel of a rollout.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn post<'a>(
        &mut self,
        storage: &mut dyn Storage,
        batch: &mut Batch,
        addressed: Vec<Addressed>,
        channel: impl Fn(&Name, &Name) -> Option<&'a Channel>,
        now: Instant,
    ) -> Result<(), StorageError> {
        for Addressed { channel: name, mut notification } in addressed {
            let rollout = notification.rollout.clone();
            let Some(own) = channel(&rollout, &name) else { continue };
            if notification.kind == NotificationKind::Resolved
                && Manner::of(own.kind()) == Manner::Incidents
                && let Some(incident) = &notification.incident
                && let Some((number, whole, mut members)) = self.opened_by(storage, &name, incident)?
            {
                members.retain(|own| own != incident);
                batch.members(number, &members);
                self.note_members(number, &whole, &members);
                if !members.is_empty() {
                    continue;
                }
                notification.incident = Some(whole);
            }
            self.last_number += 1;
            let message = Stored {
                number: self.last_number,
                id: Stored::id_of(self.last_number, &rollout, &name, now),
                at: notification.at,
                since: now,
                rollout,
                target: definition(own),
                kind: notification.kind,
                incident: notification.incident.clone(),
                members: Vec::new(),
                folded: 1,
                tries: 0,
                next_try: now,
                is_configuration: false,
                last_error: String::new(),
                channel: name,
            };
            batch.post(&message, &notification);
            self.put_in_order(message);
        }
        Ok(())
    }

    /// The message that opened an incident among several: of those that wait, else of those that are stored.
    fn opened_by(
        &self,
        storage: &mut dyn Storage,
        channel: &Name,
        incident: &str,
    ) -> Result<Option<(u64, String, Vec<String>)>, StorageError> {
        // What this turn stores cannot be read before it is committed.
        if let Some(own) = self.left_open.iter().find(|(.., members)| members.iter().any(|own| own == incident)) {
            return Ok(Some(own.clone()));
        }
        let lines = self.lines.iter().filter(|line| line.channel == *channel);
        let waiting = lines
            .flat_map(|line| line.queue.iter().rev())
            .find(|own| own.incident.as_deref() == Some(incident) || own.members.iter().any(|own| own == incident));
        match waiting {
            Some(own) if own.members.is_empty() => Ok(None),
            Some(own) => Ok(Some((own.number, own.incident.clone().unwrap_or_default(), own.members.clone()))),
            None => stored::opened_by(storage, channel, incident),
        }
    }

    fn note_members(&mut self, number: u64, incident: &str, members: &[String]) {
        self.left_open.retain(|(own, ..)| *own != number);
        self.left_open.push((number, incident.to_owned(), members.to_vec()));
        let waiting = self.lines.iter_mut().flat_map(|line| line.queue.iter_mut()).find(|own| own.number == number);
        if let Some(message) = waiting {
            message.members = members.to_vec();
        }
    }
}

impl State {
    /// Takes messages in, together with what else is in the batch.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn post(
        &mut self,
        turn: &mut Turn<'_>,
        batch: &mut Batch,
        addressed: Vec<Addressed>,
    ) -> Result<(), StorageError> {
        let Self { outbox, deployment, .. } = self;
        let channel = |rollout: &Name, name: &Name| {
            deployment.rollouts.get(rollout).and_then(|own| own.plan.channels.get(name.as_str()))
        };
        outbox.post(turn.storage, batch, addressed, channel, turn.now)
    }

    /// Takes in the messages about a change, before it is stored.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn post_change(&mut self, turn: &mut Turn<'_>, batch: &mut Batch, change: &Change) -> Result<(), StorageError> {
        if !turn.storage.keeps() {
            return Ok(());
        }
        let addressed = self.deployment.notify_change(change, self.console.as_deref());
        let plan = &change.rollout.plan;
        // Where the plan itself has changed, it goes where that says now.
        let channel = |_: &Name, name: &Name| plan.channels.get(name.as_str());
        self.outbox.post(turn.storage, batch, addressed, channel, turn.now)?;
        self.remember_notified(batch);
        Ok(())
    }

    /// Takes in where people find the console.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn see_console(&mut self, turn: &mut Turn<'_>, address: &str) -> Result<(), StorageError> {
        if self.console.as_deref() == Some(address) {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.setting(CONSOLE, address);
        turn.commit(batch)?;
        self.console = Some(address.to_owned());
        Ok(())
    }

    /// What is wrong with channels, and what lacks a secret, by the rollouts whose plans have it.
    pub fn setup_faults(&self, now: Instant) -> Vec<(Name, Noticed)> {
        let mut faults = Vec::new();
        for line in self.outbox.lines() {
            let Some((message, at)) = line.fault(now) else { continue };
            for rollout in self.deployment.rollouts.iter().filter(|own| line.is_of(&own.plan)) {
                let fault = Noticed { subject: format!("channel/{}", line.channel), message: message.clone(), at };
                faults.push((rollout.plan.key.clone(), fault));
            }
        }
        for (key, fault) in self.secret_faults(now) {
            let is_of = |(own, known): &(Name, Noticed)| *own == key && known.subject == fault.subject;
            if !faults.iter().any(is_of) {
                faults.push((key, fault));
            }
        }
        faults
    }

    /// Finds the messages that are due because of the figures or the time, and puts it into the batch. Whether there
    /// is anything.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn notify(&mut self, turn: &mut Turn<'_>, batch: &mut Batch) -> Result<bool, StorageError> {
        if !turn.storage.keeps() {
            return Ok(false);
        }
        let now = turn.now;
        let (reported, channels) = (self.isolates.faults(now), self.setup_faults(now));
        let facts = |rollout: &Rollout| {
            let plan = &rollout.plan;
            let about = reported.iter().filter(|fault| is_about(plan, &fault.subject));
            let own = channels.iter().filter(|(key, _)| *key == plan.key).map(|(_, fault)| fault);
            Facts { faults: rollout.unread.iter().chain(&rollout.fault).chain(about).chain(own).cloned().collect() }
        };
        let mut addressed = self.deployment.notify(&facts, self.console.as_deref(), now);
        // What is wrong with a channel is nothing to tell by that channel.
        addressed.retain(|own| own.notification.kind != NotificationKind::Fault || !self.is_faulty(own, now));
        let is_any = !addressed.is_empty();
        self.post(turn, batch, addressed)?;
        let has_changed = self.remember_notified(batch);
        Ok(is_any || has_changed)
    }

    fn is_faulty(&self, addressed: &Addressed, now: Instant) -> bool {
        let rollout = self.deployment.rollouts.get(&addressed.notification.rollout);
        if rollout.is_some_and(|own| self.lacks_secret(&own.plan, &format!("channel/{}", addressed.channel))) {
            return true;
        }
        let channel = rollout.and_then(|own| own.plan.channels.get(addressed.channel.as_str()));
        let line = channel.and_then(|channel| self.outbox.line(&addressed.channel, &definition(channel)));
        line.is_some_and(|line| line.fault(now).is_some())
    }

    /// Stores what notifications remember; whether there was anything new.
    pub fn remember_notified(&mut self, batch: &mut Batch) -> bool {
        let mut has_changed = false;
        for (key, metrics) in self.deployment.metrics.iter_mut() {
            if metrics.judge.notified.take_changed() {
                batch.notified(key, &metrics.judge.notified);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Ends a turn: hands out what is to be sent now.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn dispatch(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        self.outbox.left_open.clear();
        if self.outbox.is_empty() || !turn.storage.keeps() {
            return Ok(());
        }
        let now = turn.now;
        let mut batch = Batch::default();
        if std::mem::take(&mut self.outbox.is_unfolded) {
            let in_flight = self.outbox.in_flight.clone();
            for line in &mut self.outbox.lines {
                line.fold(turn.storage, &mut batch, &in_flight, now)?;
                line.shorten(&mut batch, &in_flight, now);
            }
        }
        turn.commit(batch)?;
        let outgoing = self.take_due(turn)?;
        if !outgoing.is_empty() {
            turn.push(Effect::Send(outgoing));
        }
        self.wake_in_time(turn);
        Ok(())
    }

    fn take_due(&mut self, turn: &mut Turn<'_>) -> Result<Vec<Outgoing>, StorageError> {
        let now = turn.now;
        let mut outgoing = Vec::new();
        for index in self.outbox.due(now) {
            let Some(line) = self.outbox.lines.get_mut(index) else { continue };
            let Some(head) = line.queue.front().cloned() else { continue };
            let body = stored::bodies(turn.storage, &[head.number])?.pop().map(|(_, body)| body);
            let (Some(target), Some(notification)) = (line.definition.clone(), body) else {
                // Neither is ever so, but for rows that a newer release has written.
                turn.warn(
                    "message_unreadable",
                    head.channel.as_str(),
                    "a message of the outbox cannot be read by this version",
                );
                line.queue.pop_front();
                continue;
            };
            let reference = match &head.incident {
                Some(incident) => stored::reference(turn.storage, &head.channel, incident)?,
                None => None,
            };
            if head.tries == 0 {
                line.note_sent(&head, now);
            }
            self.outbox.in_flight.push((head.id.clone(), now));
            outgoing.push(Outgoing { id: head.id, channel: head.channel, target, notification, reference });
        }
        Ok(outgoing)
    }

    /// Stores what has become of a message.
    ///
    /// # Errors
    /// When the storage refuses; then the message is sent again.
    pub fn delivered(&mut self, turn: &mut Turn<'_>, delivered: Delivered) -> Result<(), StorageError> {
        let Delivered { id, delivery } = delivered;
        let now = turn.now;
        self.outbox.in_flight.retain(|(own, _)| *own != id);
        let found = self.outbox.lines.iter_mut().find_map(|line| {
            let index = line.queue.iter().position(|own| own.id == id)?;
            Some((line, index))
        });
        // It may have gone meanwhile: a late answer to a try that was thought lost.
        let Some((line, index)) = found else { return Ok(()) };
        let Some(mut message) = line.queue.remove(index) else { return Ok(()) };
        message.tries = message.tries.saturating_add(1);
        let mut batch = Batch::default();
        match delivery {
            Delivery::Sent { reference } => {
                (message.last_error, message.is_configuration, line.dead) = (String::new(), false, None);
                batch.tried(&message.channel, [1, 0, 0]);
                batch.end(&message, Ending::Sent, reference.as_deref(), now);
            }
            Delivery::Nothing => batch.unpost(message.number),
            Delivery::Failed { after_ms, error, is_configuration } => {
                (message.last_error, message.is_configuration) = (error, is_configuration);
                match next_try(&message.id, message.tries, message.since, after_ms, now) {
                    Some(at) => {
                        message.next_try = at;
                        batch.tried(&message.channel, [0, 1, 0]);
                        batch.wait(&message);
                        turn.warn(
                            "message_failed",
                            message.channel.as_str(),
                            &format!("{}; the next try is at {at}", message.last_error),
                        );
                        line.queue.insert(index, message);
                    }
                    None => {
                        message.last_error = format!("{}; tried for a day", message.last_error);
                        turn.warn("message_dead", message.channel.as_str(), &message.last_error);
                        line.bury(&mut batch, &message, now);
                    }
                }
            }
            Delivery::Dead { error } => {
                message.last_error = error;
                turn.warn("message_dead", message.channel.as_str(), &message.last_error);
                line.bury(&mut batch, &message, now);
            }
        }
        turn.commit(batch)
    }
}

impl super::Line {
    /// A message is on its way for the first time.
    fn note_sent(&mut self, message: &Stored, now: Instant) {
        let since_ms = now.as_epoch_ms().saturating_sub(STORM_MS);
        self.sent.retain(|(_, sent, _)| sent.at.as_epoch_ms() > since_ms);
        let is_held = now > message.since && message.folded > 1;
        let sent = Sent { at: now, is_storm: is_held || message.folded > 1 };
        self.sent.push((message.rollout.clone(), sent, is_urgent(message.kind)));
    }

    /// A message is given up.
    pub(super) fn bury(&mut self, batch: &mut Batch, message: &Stored, now: Instant) {
        batch.tried(&message.channel, [0, 1, 1]);
        batch.end(message, Ending::Dead, None, now);
        self.dead = Some((message.last_error.clone(), now));
    }

    /// Gives up the oldest of what has become too much where nothing is folded.
    fn shorten(&mut self, batch: &mut Batch, in_flight: &[(String, Instant)], now: Instant) {
        while self.queue.len() > WAITING_MAX {
            let is_free = |own: &Stored| !in_flight.iter().any(|(id, _)| *id == own.id);
            let Some(index) = self.queue.iter().position(is_free) else { return };
            let Some(mut message) = self.queue.remove(index) else { return };
            message.last_error = format!("more than {WAITING_MAX} messages waited for this channel");
            self.bury(batch, &message, now);
        }
    }
}
