//! What isolates and relays are sent: the states that are newer than what they know, the plans, and which relays there
//! are. In answers to all of them, and unasked to relays where something changes.

use super::intake::Receipt;
use super::state::State;
use super::store::{Batch, StorageError};
use super::turn::{Effect, Turn};
use tidegate_decide::rollout::Rollout;
use tidegate_model::Instant;
use tidegate_protocol::flush::{Answer, Flush, PageMessages, RolloutUpdate, Version};
use tidegate_protocol::pace::ELSEWHERE_MS;
use tidegate_protocol::relays::digest;

impl State {
    /// Decides anew which relays there are, and stores it where that is another layout.
    ///
    /// # Errors
    /// When the storage refuses.
    pub fn plan_relays(&mut self, turn: &mut Turn<'_>) -> Result<(), StorageError> {
        if self.planner.note(self.isolates.count(), turn.now.as_epoch_ms()) {
            let layout = self.planner.layout;
            let mut batch = Batch::default();
            batch.layout(&layout);
            turn.commit(batch)?;
            turn.note("relays", "controller", &format!("isolates report to {} relays from now on", layout.leaves));
            self.push(turn, std::iter::empty());
        }
        Ok(())
    }

    /// Tells relays of rollouts that have changed, and which relays there are.
    pub fn push<'a>(&self, turn: &mut Turn<'_>, changed: impl Iterator<Item = &'a Rollout>) {
        let layout = self.planner.layout;
        let places = layout.below(None);
        if places.is_empty() {
            return;
        }
        let states = changed.map(|rollout| update(rollout, turn.now)).collect();
        let news = Answer { states, layout: Some(layout), ..Answer::default() };
        turn.push(Effect::Push(places, serde_json::to_string(&news).unwrap_or_default()));
    }

    /// What an isolate is answered, or a relay.
    pub fn answer(&mut self, flush: &Flush, receipt: Option<Receipt>, now: Instant) -> Answer {
        let is_reported = |key: &str| flush.texts.iter().any(|(reported, _)| reported == key);
        let all = || self.deployment.rollouts.iter();
        let tell = |rollout: &Rollout| update(rollout, now);
        let revisions = all().map(|rollout| (rollout.plan.key.as_str(), rollout.record.live.revision));
        let is_whole = flush.relay.as_ref().is_some_and(|relay| relay.digest != digest(revisions));
        let layout = Some(self.planner.layout).filter(|layout| layout.at > 0 && flush.v >= Version::RELAYS);
        let receiver = layout.and_then(|layout| layout.receiver(&flush.isolate));
        let is_elsewhere = receiver.is_some() && flush.known.is_none();
        let states = match &flush.known {
            None if is_elsewhere => Vec::new(),
            None => all().map(tell).collect(),
            Some(_) if is_whole => all().map(tell).collect(),
            Some(_) if flush.relay.is_some() => {
                all().filter(|rollout| is_reported(rollout.plan.key.as_str())).map(tell).collect()
            }
            Some(known) => {
                let is_news =
                    |key: &str, known: u64, rollout: &Rollout| known < rollout.record.live.revision || is_reported(key);
                let found = |(key, known): &(String, u64)| {
                    self.deployment.rollouts.get(&key.parse().ok()?).filter(|rollout| is_news(key, *known, rollout))
                };
                known.iter().filter_map(found).map(tell).collect()
            }
        };
        let interval_ms = match receiver {
            Some(_) => ELSEWHERE_MS,
            None => self.pace.interval_ms(self.isolates.reporters(), &flush.isolate),
        };
        let plans = (flush.plans < self.deployment.plans && !is_elsewhere).then(|| self.plans_text());
        let (acknowledged, refused) = match receipt {
            Some(Receipt { stored, refused }) => (Some(stored), refused),
            None => (None, None),
        };
        if receiver.is_some() {
            self.isolates.dismiss(&flush.isolate);
        }
        let messages = flush.messages.filter(|_| !is_elsewhere).and_then(|known| {
            let shown = PageMessages::of(self.deployment.shown(now));
            (shown.digest != known).then_some(shown)
        });
        Answer {
            interval_ms,
            plans,
            states,
            acknowledged,
            refused,
            messages,
            breakers: self.isolates.open_breakers(now),
            layout,
            is_whole,
            is_elsewhere,
            ..Answer::default()
        }
    }
}

/// The state of a rollout as isolates get it.
fn update(rollout: &Rollout, now: Instant) -> RolloutUpdate {
    RolloutUpdate {
        key: rollout.plan.key.to_string(),
        state: rollout.record.live.to_json(),
        echoes: rollout.echoes(now).map(str::to_owned).collect(),
    }
}
