//! How many messages a channel gets: few people want to read the same thing three hundred times.
//!
//! 1. Of one rollout a channel gets at most five messages a minute, and at most ten of all rollouts. What is more
//!    waits for the end of that minute, and is then one message.
//! 2. A storm that goes on is reported ever more rarely: after one minute, two, four and so on, to a quarter of an
//!    hour. What is critical, or about who is on new, is held for five minutes at the most.
//! 3. A rollback, a kill and an escalation wait for nothing, unless there have been five of those within the minute; nor
//!    does what revokes the last of them.

use tidegate_model::Instant;

/// The time in which messages are counted.
pub const WINDOW_MS: i64 = 60_000;
/// So many messages of one rollout.
pub const OF_ROLLOUT_MAX: usize = 5;
/// So many messages of all rollouts.
pub const OF_ALL_MAX: usize = 10;
/// Within this time a storm is remembered, in milliseconds.
pub const STORM_MS: i64 = 7_200_000;
/// The longest that a message is held, in milliseconds.
const HELD_MS_MAX: i64 = 900_000;
/// The same for what is critical.
const CRITICAL_MS_MAX: i64 = 300_000;
/// A pause doubles so often at the most; by then it is longer than any.
const DOUBLINGS_MAX: u32 = 10;

/// A message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// Whether it was held, or made of several.
    pub is_storm: bool,
}

/// How long a message may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as any.
    Calm,
    /// It is critical, or about who is on new.
    Critical,
}

impl Patience {
    const fn ms(self) -> i64 {
        match self {
            Self::Calm => HELD_MS_MAX,
            Self::Critical => CRITICAL_MS_MAX,
        }
    }
}

/// From when on a message may go, after what was sent lately, in its order; `most` of them a minute.
pub fn free_at(sent: &[Sent], most: usize, patience: Patience, now: Instant) -> Instant {
    let since = |ms: i64| move |own: &&Sent| own.at.as_epoch_ms() > now.as_epoch_ms().saturating_sub(ms);
    let lately: Vec<&Sent> = sent.iter().filter(since(WINDOW_MS)).collect();
    let first = lately.len().checked_sub(most).and_then(|index| lately.get(index));
    let mut free_ms = first.map_or(i64::MIN, |own| own.at.as_epoch_ms().saturating_add(WINDOW_MS));
    let storms: Vec<&Sent> = sent.iter().filter(|own| own.is_storm).filter(since(STORM_MS)).collect();
    if let Some(last) = storms.last() {
        let doublings = u32::try_from(storms.len() - 1).unwrap_or(DOUBLINGS_MAX).min(DOUBLINGS_MAX);
        let held_ms = (WINDOW_MS << doublings).min(patience.ms());
        free_ms = free_ms.max(last.at.as_epoch_ms().saturating_add(held_ms));
    }
    Instant::from_epoch_ms(free_ms).max(now)
}

/// Whether those that wait are to be one: with what was sent in the last minute there are more than `most`, or they
/// come in a storm.
pub fn is_over(sent: &[Sent], waiting: usize, most: usize, now: Instant) -> bool {
    let lately = |ms: i64| sent.iter().filter(move |own| own.at.as_epoch_ms() > now.as_epoch_ms().saturating_sub(ms));
    waiting > 1 && (lately(WINDOW_MS).count() + waiting > most || lately(STORM_MS).any(|own| own.is_storm))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Instant {
        Instant::from_epoch_ms(second * 1_000)
    }

    fn sent(seconds: &[i64], is_storm: bool) -> Vec<Sent> {
        seconds.iter().map(|second| Sent { at: at(*second), is_storm }).collect()
    }

    #[test]
    fn the_sixth_message_waits_for_the_end_of_the_minute() {
        let own = sent(&[100, 101, 102, 103], false);
        assert_eq!(free_at(&own, OF_ROLLOUT_MAX, Patience::Calm, at(104)), at(104));
        let own = sent(&[100, 101, 102, 103, 104], false);
        assert_eq!(free_at(&own, OF_ROLLOUT_MAX, Patience::Calm, at(105)), at(160));
    }

    #[test]
    fn a_storm_that_goes_on_is_reported_ever_more_rarely() {
        let mut own = sent(&[0], true);
        for (last, pause, critical) in [(0, 60, 60), (60, 120, 120), (180, 240, 240), (420, 480, 300), (900, 900, 300)]
        {
            own.last_mut().unwrap().at = at(last);
            assert_eq!(free_at(&own, OF_ROLLOUT_MAX, Patience::Calm, at(last)), at(last + pause));
            assert_eq!(free_at(&own, OF_ROLLOUT_MAX, Patience::Critical, at(last)), at(last + critical));
            own.push(Sent { at: at(last), is_storm: true });
        }
        assert_eq!(free_at(&own, OF_ROLLOUT_MAX, Patience::Calm, at(10_000)), at(10_000), "it is forgotten");
    }
}
