//! How long a message waits after a try that failed, and when it is given up.
//!
//! 1. The pauses grow: a receiver that has hiccupped gets its message within seconds, and one that is down for the
//!    night is not asked thousands of times.
//! 2. Each pause is up to a fifth longer or shorter, by the message's id: forty messages that failed at once do not
//!    come again at once. The same id gives the same pauses, so that a life can be repeated.
//! 3. A receiver that names a time gets at least that.
//! 4. After a day it is given up, with a last try at the end of the day.

use tidegate_model::Instant;
use tidegate_model::history::sha256_hex;

/// After the first try, the second and so on, in milliseconds.
const PAUSES_MS: [i64; 5] = [1_000, 5_000, 30_000, 120_000, 600_000];
/// After every further one.
const PAUSE_MS_MAX: i64 = 3_600_000;
/// A message is tried for so long, in milliseconds.
pub const TRIED_MS_MAX: i64 = 86_400_000;
/// A pause differs by up to so many thousandths.
const JITTER: i64 = 200;

/// When a message is tried again that has failed `tries` times since `since`; never where it is given up now.
/// `after_ms` is what the receiver has asked for.
pub fn next_try(id: &str, tries: u32, since: Instant, after_ms: Option<u64>, now: Instant) -> Option<Instant> {
    let end_ms = since.as_epoch_ms().saturating_add(TRIED_MS_MAX);
    if now.as_epoch_ms() >= end_ms {
        return None;
    }
    let index = usize::try_from(tries.max(1) - 1).unwrap_or(usize::MAX);
    let pause_ms = PAUSES_MS.get(index).copied().unwrap_or(PAUSE_MS_MAX);
    let jittered_ms = pause_ms * (1_000 + jitter(id, tries)) / 1_000;
    let asked_ms = i64::try_from(after_ms.unwrap_or_default()).unwrap_or(i64::MAX);
    let at_ms = now.as_epoch_ms().saturating_add(jittered_ms.max(asked_ms));
    Some(Instant::from_epoch_ms(at_ms.min(end_ms)))
}

/// Between -200 and 200.
fn jitter(id: &str, tries: u32) -> i64 {
    let digest = sha256_hex(format!("{id} {tries}").as_bytes());
    let dice = digest.get(..8).and_then(|hex| i64::from_str_radix(hex, 16).ok()).unwrap_or_default();
    dice % (2 * JITTER + 1) - JITTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_differ_by_a_fifth_at_most() {
        let now = Instant::from_epoch_ms(1_000_000);
        for (tries, pause_ms) in
            [(1, 1_000), (2, 5_000), (3, 30_000), (4, 120_000), (5, 600_000), (6, 3_600_000), (20, 3_600_000)]
        {
            let pauses: Vec<i64> = (0..200)
                .map(|id| next_try(&format!("msg_{id}"), tries, now, None, now).unwrap().as_epoch_ms() - 1_000_000)
                .collect();
            let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
            assert!(*least >= pause_ms * 8 / 10 && *most <= pause_ms * 12 / 10, "{tries}: {least} to {most}");
            assert!(*least < pause_ms * 9 / 10 && *most > pause_ms * 11 / 10, "{tries}: they differ");
        }
    }

    #[test]
    fn a_receiver_gets_the_time_that_it_asks_for_but_not_more_than_a_day() {
        let now = Instant::from_epoch_ms(0);
        assert_eq!(next_try("a", 1, now, Some(90_000), now), Some(Instant::from_epoch_ms(90_000)));
        assert_eq!(next_try("a", 1, now, Some(u64::MAX), now), Some(Instant::from_epoch_ms(TRIED_MS_MAX)));
        assert_eq!(next_try("a", 30, now, None, Instant::from_epoch_ms(TRIED_MS_MAX)), None);
    }
}
