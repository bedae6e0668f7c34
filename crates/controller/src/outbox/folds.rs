//! Which messages of a line become one.
//!
//! 1. Only messages that were never tried: a receiver may have got one that was.
//! 2. Where people read, those of a rollout that has too many, and then those of all rollouts.
//! 3. Where incidents are kept, what opens incidents becomes one incident of its own, which is resolved when the last
//!    of them is. What resolves an incident that was opened before stays as it is. Of an incident that opens and closes
//!    again and again while nothing can be sent, the last opening stays, and the closing if it was last.
//! 4. Where each change is recorded nothing is folded.

use super::rates::{OF_ALL_MAX, OF_ROLLOUT_MAX, Sent, is_over};
use super::{Line, Manner};
use crate::store::Batch;
use crate::store::outbox::{self as stored, Stored};
use crate::store::{Storage, StorageError};
use tidegate_decide::folding::{Part, fold};
use tidegate_model::notification::{Notification, NotificationKind};
use tidegate_model::{Instant, Name};

impl Line {
    /// Folds what has become too much.
    ///
    /// # Errors
    /// When the storage refuses.
    pub(super) fn fold(
        &mut self,
        storage: &mut dyn Storage,
        batch: &mut Batch,
        in_flight: &[(String, Instant)],
        now: Instant,
    ) -> Result<(), StorageError> {
        if self.manner() == Manner::Records {
            return Ok(());
        }
        let is_open = |own: &Stored| own.tries == 0 && !in_flight.iter().any(|(id, _)| *id == own.id);
        let mut rollouts: Vec<Name> =
            self.queue.iter().filter(|own| is_open(own)).map(|own| own.rollout.clone()).collect();
        rollouts.sort_unstable();
        rollouts.dedup();
        for key in rollouts {
            let own: Vec<u64> =
                self.queue.iter().filter(|own| is_open(own) && own.rollout == key).map(|own| own.number).collect();
            if is_over(&self.sent_of(Some(&key)), own.len(), OF_ROLLOUT_MAX, now) {
                self.merge(storage, batch, &own)?;
            }
        }
        let all: Vec<u64> = self.queue.iter().filter(|own| is_open(own)).map(|own| own.number).collect();
        let sent: Vec<Sent> = self.sent_of(None).into_iter().map(|sent| Sent { is_storm: false, ..sent }).collect();
        if is_over(&sent, all.len(), OF_ALL_MAX, now) {
            self.merge(storage, batch, &all)?;
        }
        Ok(())
    }

    fn sent_of(&self, key: Option<&Name>) -> Vec<Sent> {
        self.sent.iter().filter(|(own, ..)| key.is_none_or(|key| own == key)).map(|(_, sent, _)| *sent).collect()
    }

    /// Makes one message of these, in the place of the first.
    fn merge(&mut self, storage: &mut dyn Storage, batch: &mut Batch, numbers: &[u64]) -> Result<(), StorageError> {
        let own = |number: u64| self.queue.iter().find(|own| own.number == number);
        let (chosen, closing) = match self.manner() {
            Manner::Incidents => openings(&numbers.iter().filter_map(|number| own(*number)).collect::<Vec<_>>()),
            _ => (numbers.to_vec(), Vec::new()),
        };
        let (Some(first), true) = (chosen.first().copied(), chosen.len() > 1) else { return Ok(()) };
        let mut bodies = stored::bodies(storage, &chosen)?;
        bodies.sort_by_key(|(number, _)| *number);
        let parts: Vec<Part> = bodies
            .iter()
            .map(|(number, body)| Part { notification: body.clone(), folded: own(*number).map_or(1, |own| own.folded) })
            .collect();
        let Some(mut notification) = fold(&parts) else { return Ok(()) };
        let incidents = Incidents::of(&chosen, &closing, |number| own(number).cloned());
        let is_over = incidents.open.is_empty();
        let Some(mut message) = own(first).cloned() else { return Ok(()) };
        if self.manner() == Manner::Incidents {
            (message.incident, message.members) = incidents.named(&message.id);
        } else {
            (message.incident, message.members) = (incidents.only(), Vec::new());
        }
        notification.incident.clone_from(&message.incident);
        message.kind = notification.kind;
        message.folded = parts.iter().map(|part| part.folded).sum();
        batch.post(&message, &notification);
        for number in chosen.iter().skip(1) {
            batch.unpost(*number);
        }
        self.close(storage, batch, message.incident.as_deref(), &closing, is_over)?;
        self.queue.retain(|own| !chosen.contains(&own.number) || own.number == first);
        if let Some(slot) = self.queue.iter_mut().find(|own| own.number == first) {
            *slot = message;
        }
        Ok(())
    }

    /// What closes incidents that were opened and folded with these: the last one closes what they have become, and
    /// the others go.
    fn close(
        &mut self,
        storage: &mut dyn Storage,
        batch: &mut Batch,
        incident: Option<&str>,
        closing: &[u64],
        is_over: bool,
    ) -> Result<(), StorageError> {
        // Where one of several is open still, what closes it later closes them all.
        let (Some(last), Some(incident)) = (closing.last().copied(), incident.map(str::to_owned)) else {
            return Ok(());
        };
        for number in closing.iter().filter(|number| !is_over || **number != last) {
            batch.unpost(*number);
        }
        self.queue.retain(|own| !closing.contains(&own.number) || is_over && own.number == last);
        if !is_over {
            return Ok(());
        }
        let body: Option<(u64, Notification)> = stored::bodies(storage, &[last])?.pop();
        if let (Some(message), Some((_, mut body))) = (self.queue.iter_mut().find(|own| own.number == last), body) {
            message.incident = Some(incident.clone());
            body.incident = Some(incident);
            batch.post(message, &body);
        }
        Ok(())
    }
}

/// Of messages to a keeper of incidents, those that open one, and those that close what was opened among them.
fn openings(messages: &[&Stored]) -> (Vec<u64>, Vec<u64>) {
    let (mut opening, mut closing): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    for message in messages {
        let is_own =
            |number: &u64| messages.iter().any(|own| own.number == *number && own.incident == message.incident);
        if message.kind != NotificationKind::Resolved {
            opening.push(message.number);
        } else if message.incident.is_some() && opening.iter().any(is_own) {
            closing.push(message.number);
        }
    }
    (opening, closing)
}

/// The incidents of messages that are folded: all of them, and those that are open after the last.
struct Incidents {
    all: Vec<String>,
    open: Vec<String>,
}

impl Incidents {
    fn of(opening: &[u64], closing: &[u64], message: impl Fn(u64) -> Option<Stored>) -> Self {
        let mut numbers: Vec<u64> = opening.iter().chain(closing).copied().collect();
        numbers.sort_unstable();
        let (mut all, mut open): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for message in numbers.into_iter().filter_map(message) {
            // A folded one stands for its members, and where all of those are over for itself.
            let own =
                if message.members.is_empty() { message.incident.iter().cloned().collect() } else { message.members };
            for incident in own {
                open.retain(|known| *known != incident);
                if message.kind != NotificationKind::Resolved {
                    open.push(incident.clone());
                }
                if !all.contains(&incident) {
                    all.push(incident);
                }
            }
        }
        Self { all, open }
    }

    /// The incident, where there is one alone.
    fn only(&self) -> Option<String> {
        self.all.first().filter(|_| self.all.len() == 1).cloned()
    }

    /// What the folded message opens: its own incident, and what is open of it.
    fn named(self, id: &str) -> (Option<String>, Vec<String>) {
        match self.only() {
            Some(incident) => (Some(incident), Vec::new()),
            None if self.all.is_empty() => (None, Vec::new()),
            None => (Some(format!("tidegate-{id}")), self.open),
        }
    }
}
