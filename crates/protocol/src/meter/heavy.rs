//! Whether one id makes an implausible share of a rollout's requests: a source of ids that gives the same
//! to everybody, such as a placeholder, puts all of them on one side.
//!
//! A minute's ids go through Misra and Gries' counters: an id that is not among the eight takes a free one,
//! or takes one off each. A counter also remembers how often its id came since it took it, which is never
//! more than the truth, and for an id that comes all the time hardly less.
//! (Misra, Gries, "Finding repeated elements", Science of Computer Programming 2, 1982.)

use tidegate_model::subject::SubjectHash;
use tidegate_model::{Minute, Name};

const COUNTERS: usize = 8;
/// In fewer requests a single visitor may well have made many of them.
const REQUESTS_MIN: u32 = 500;
/// With fewer others there is no crowd that one could stand out of.
const OTHERS_MIN: usize = 10;
/// So much of all requests is no person's.
const SHARE_MIN: f64 = 0.2;
/// So many rollouts are watched.
const ROLLOUTS_MAX: usize = 1_024;

/// The heaviest ids of each rollout.
#[derive(Default)]
pub struct Heaviest {
    /// By number of rollout.
    rollouts: Vec<Option<Ids>>,
}

/// One rollout's ids of the current minute.
struct Ids {
    rollout: Name,
    minute: Minute,
    requests: u32,
    counters: [Counter; COUNTERS],
    /// The first different ids, one more than the others that there have to be.
    ids: Vec<u64>,
    is_reported: bool,
}

#[derive(Clone, Copy, Default)]
struct Counter {
    id: u64,
    /// 0 in one that is free.
    weight: u32,
    requests: u32,
}

impl Heaviest {
    /// Takes note of a request.
    pub fn note(&mut self, number: usize, rollout: &Name, minute: Minute, subject: SubjectHash) {
        if number >= ROLLOUTS_MAX {
            return;
        }
        if self.rollouts.len() <= number {
            self.rollouts.resize_with(number + 1, || None);
        }
        let Some(own) = self.rollouts.get_mut(number) else { return };
        match own {
            Some(own) if own.minute == minute && own.rollout == *rollout => own.add(subject.get()),
            _ => own.insert(Ids::new(rollout, minute)).add(subject.get()),
        }
    }

    /// A rollout of which one id made an implausible share of a minute's requests, and that share. Each
    /// minute of a rollout is reported once.
    pub fn take(&mut self) -> Option<(Name, f64)> {
        self.rollouts.iter_mut().flatten().filter(|own| !own.is_reported).find_map(|own| {
            let share = own.implausible()?;
            own.is_reported = true;
            Some((own.rollout.clone(), share))
        })
    }
}

impl Ids {
    fn new(rollout: &Name, minute: Minute) -> Self {
        Self {
            rollout: rollout.clone(),
            minute,
            requests: 0,
            counters: [Counter::default(); COUNTERS],
            ids: Vec::new(),
            is_reported: false,
        }
    }

    fn add(&mut self, id: u64) {
        self.requests = self.requests.saturating_add(1);
        if self.ids.len() <= OTHERS_MIN && !self.ids.contains(&id) {
            self.ids.push(id);
        }
        let known = self.counters.iter().position(|own| own.weight > 0 && own.id == id);
        match known.or_else(|| self.counters.iter().position(|own| own.weight == 0)) {
            Some(index) => {
                if let Some(own) = self.counters.get_mut(index) {
                    let requests = if known.is_some() { own.requests } else { 0 };
                    *own = Counter { id, weight: own.weight + 1, requests: requests + 1 };
                }
            }
            None => self.counters.iter_mut().for_each(|own| own.weight -= 1),
        }
    }

    fn implausible(&self) -> Option<f64> {
        if self.requests < REQUESTS_MIN || self.ids.len() <= OTHERS_MIN {
            return None;
        }
        let most = self.counters.iter().filter(|own| own.weight > 0).map(|own| own.requests).max()?;
        Some(f64::from(most) / f64::from(self.requests)).filter(|share| *share >= SHARE_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(requests: impl Iterator<Item = u64>) -> Option<f64> {
        let mut heaviest = Heaviest::default();
        let name: Name = "shop".parse().unwrap();
        requests.for_each(|id| heaviest.note(3, &name, Minute::new(7), SubjectHash::of(&id.to_le_bytes())));
        let reported = heaviest.take();
        assert_eq!(heaviest.take(), None, "once a minute");
        reported.map(|(rollout, share)| {
            assert_eq!(rollout, name);
            share
        })
    }

    #[test]
    fn an_id_with_a_quarter_of_all_requests_is_reported_among_any_others() {
        for others in [11, 50, 100_000] {
            let share = reported((0..2_000).map(|n| if n % 4 == 3 { 0 } else { 1 + n % others })).unwrap();
            assert!((share - 0.25).abs() < 0.02, "{share} among {others}");
        }
        assert_eq!(reported((0..2_000).map(|n| if n < 500 { 0 } else { 1 + n })), Some(0.25));
        let share = reported((0..2_000).map(|n| if n >= 1_500 { 0 } else { 1 + n })).unwrap();
        assert!((share - 0.25).abs() < 0.01, "{share} at the end");
    }

    #[test]
    fn what_is_plausible_is_not_reported() {
        assert_eq!(reported((0..2_000).map(|n| if n % 6 == 0 { 0 } else { n })), None, "a sixth");
        assert_eq!(reported((0..499).map(|n| if n % 2 == 0 { 0 } else { n })), None, "a handful of requests");
        assert_eq!(reported((0..2_000).map(|n| n % 10)), None, "everybody alike");
        assert_eq!(reported((0..2_000).map(|n| if n % 2 == 0 { 0 } else { 1 + n % 9 })), None, "nine others");
    }

    #[test]
    fn each_minute_begins_anew() {
        let mut heaviest = Heaviest::default();
        let name: Name = "shop".parse().unwrap();
        for minute in (1..=3).map(Minute::new) {
            (0..600_u64).for_each(|n| heaviest.note(0, &name, minute, SubjectHash::of(&(n % 2 * n).to_le_bytes())));
            assert!(heaviest.take().is_some() && heaviest.take().is_none());
        }
        (0..100_u64).for_each(|n| heaviest.note(0, &name, Minute::new(4), SubjectHash::of(&(n % 2 * n).to_le_bytes())));
        assert_eq!(heaviest.take(), None);
    }
}
