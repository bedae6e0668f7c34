//! Who is told what, and when: from what has happened to messages with an address.
//!
//! Nothing is sent from here. What a turn gives back is stored with what caused it, in one commit, together with
//! what is remembered of it ([`Memory`], a part of what the judge remembers). So a crash loses no message and makes
//! none twice: each occurrence is told once, however often it is looked at.
//!
//! 1. A change of a rollout is told with its history entry: [`Deployment::notify_change`].
//! 2. What evaluations and the time show is told when it begins, some of it again while it lasts, and its end to
//!    those who were told of its beginning: [`Deployment::notify`].
//! 3. Names become channels at the moment at which this is decided, since roles have hours.

pub mod address;
mod change;
mod digest;
mod memory;
mod standing;
mod watch;
pub mod words;

use serde::{Deserialize, Serialize};

pub use self::memory::Memory;
use crate::deployment::Deployment;
use crate::rollout::{Change, Noticed, Rollout};
use tidegate_model::notification::{Notification, NotificationKind};
use tidegate_model::plan::Plan;
use tidegate_model::{Instant, Name};

/// A message with its address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Addressed {
    /// A channel of the rollout's plan.
    pub channel: Name,
    /// The message.
    pub notification: Notification,
}

/// What is known of a rollout from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What is wrong with its configuration and its sources, each for as long as it is.
    pub faults: Vec<Noticed>,
}

/// One notification, and the channels that it goes to.
pub(crate) struct Outgoing {
    channels: Vec<Name>,
    notification: Notification,
}

impl Outgoing {
    fn addressed(self) -> impl Iterator<Item = Addressed> {
        let notification = self.notification;
        self.channels.into_iter().map(move |channel| Addressed { channel, notification: notification.clone() })
    }
}

impl Deployment {
    /// What is told of a change, before it is accepted. `console` is the public address of the console, without a
    /// slash at its end.
    pub fn notify_change(&mut self, change: &Change, console: Option<&str>) -> Vec<Addressed> {
        let outlook = self.outlook(&change.rollout, change.entry.at);
        let before = self.rollouts.get(&change.key).map(|rollout| rollout.record.clone());
        let memory = &mut self.metrics.get_mut(&change.key).judge.notified;
        let words = words::Words { rollout: &change.rollout, outlook: &outlook, console, now: change.entry.at };
        let outgoing = change::told(&words, before.as_ref(), change, memory);
        outgoing.into_iter().flat_map(Outgoing::addressed).collect()
    }

    /// What evaluations and the time show. To be called after each evaluation, and at [`Deployment::notify_at`].
    pub fn notify(&mut self, facts: &dyn Fn(&Rollout) -> Facts, console: Option<&str>, now: Instant) -> Vec<Addressed> {
        let mut outgoing = Vec::new();
        let keys: Vec<Name> = self.rollouts.keys().cloned().collect();
        for key in keys {
            let Some(rollout) = self.rollouts.get(&key) else { continue };
            let (outlook, facts) = (self.outlook(rollout, now), facts(rollout));
            let words = words::Words { rollout, outlook: &outlook, console, now };
            let metrics = self.metrics.get_mut(&key);
            outgoing.extend(watch::told(&words, metrics, &facts));
        }
        outgoing.into_iter().flat_map(Outgoing::addressed).collect()
    }

    /// When [`Deployment::notify`] has to be called because of the time alone.
    pub fn notify_at(&self, now: Instant) -> Option<Instant> {
        let of = |rollout: &Rollout| {
            let judge = self.metrics.get(&rollout.plan.key).map(|metrics| &metrics.judge);
            watch::due_at(rollout, judge, now)
        };
        self.rollouts.iter().filter_map(of).min()
    }
}

/// What the other channels are told of one that takes no messages any more.
pub fn channel_dead(
    deployment: &Deployment,
    key: &Name,
    channel: &Name,
    error: &str,
    console: Option<&str>,
    now: Instant,
) -> Vec<Addressed> {
    let Some(rollout) = deployment.rollouts.get(key) else { return Vec::new() };
    let outlook = deployment.outlook(rollout, now);
    let words = words::Words { rollout, outlook: &outlook, console, now };
    let notification = words.channel_dead(channel, error);
    let others = address::resolve(&rollout.plan, &[], notification.urgency, now);
    let channels = others.into_iter().filter(|own| own != channel).collect();
    Outgoing { channels, notification }.addressed().collect()
}

/// A sample, to see whether a channel works.
pub fn sample(plan: &Plan, channel: &Name, console: Option<&str>, now: Instant) -> Notification {
    Notification {
        kind: NotificationKind::Test,
        at: now,
        rollout: plan.key.clone(),
        description: plan.description.clone(),
        headline: format!("{}: test of the channel {channel}. Nobody has to do anything.", plan.key),
        why: format!("Somebody asked for it by `tidegate notify test {channel}`."),
        links: words::links(plan, None, None, console),
        ..Notification::default()
    }
}

#[cfg(test)]
mod tests;
