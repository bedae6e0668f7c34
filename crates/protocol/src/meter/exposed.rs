//! Which subjects the current minute has seen, and what has come of their requests, each at which places.
//!
//! An open table of keys that are hashes already. It is looked at once for every request and rollout,
//! which a tree or a sorted list would make dearer, and it ends at a fixed size: in an isolate that is
//! flooded with ids, who comes later in the minute is not compared.

use tidegate_model::Minute;
use tidegate_model::measured::Quantity;

/// So many subjects of a minute are remembered, each once for every rollout, so with a thousand flags 131 of them: 8 MB.
const SUBJECTS_MAX: usize = 131_072;
/// The first size of the table, a power of two.
const SLOTS_MIN: usize = 64;
/// What is reported this many minutes late belongs to the current minute; what is earlier still comes from a
/// clock that has been set back.
const LATE_MINUTES_MAX: u64 = 60;

/// What may come of a request and is kept by subject.
pub const KINDS: [Quantity; 5] =
    [Quantity::Errors, Quantity::ClientErrors, Quantity::Timeouts, Quantity::Abandoned, Quantity::Broken];

/// By kind: whether it has come of a request.
pub type Kinds = [bool; KINDS.len()];

/// The subjects of one minute.
#[derive(Default)]
pub struct Exposed {
    minute: Minute,
    /// A power of two, at least twice as many as are used.
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    key: u64,
    /// The places at which it was seen; none in a free slot.
    seen: u32,
    /// By kind: the places at which that has come of its requests.
    happened: [u32; KINDS.len()],
}

/// The places at which something is so for the first time in the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The subject was seen.
    pub exposures: u32,
    /// By kind: that has come of its requests.
    pub events: [u32; KINDS.len()],
}

impl Fresh {
    /// Everything is new of whom nothing is remembered.
    pub const ALL: Self = Self { exposures: u32::MAX, events: [u32::MAX; KINDS.len()] };
}

impl Exposed {
    /// Takes note of a subject at these places; `None` where there is no room for it.
    pub fn note(&mut self, minute: Minute, key: u64, places: u32, happened: Kinds) -> Option<Fresh> {
        if minute > self.minute || minute + LATE_MINUTES_MAX < self.minute {
            self.minute = minute;
            self.used = 0;
            self.slots.fill(Slot::default());
        }
        if self.slots.len() < (self.used + 1) * 2 {
            self.grow();
        }
        let is_full = self.used >= SUBJECTS_MAX;
        let slot = find(&mut self.slots, key)?;
        if slot.seen == 0 {
            if is_full {
                return None;
            }
            slot.key = key;
            self.used += 1;
        }
        let mut fresh = Fresh { exposures: places & !slot.seen, events: [0; KINDS.len()] };
        slot.seen |= places;
        for ((fresh, known), has_happened) in fresh.events.iter_mut().zip(&mut slot.happened).zip(happened) {
            if has_happened {
                *fresh = places & !*known;
                *known |= places;
            }
        }
        Some(fresh)
    }

    fn grow(&mut self) {
        if self.slots.len() >= SUBJECTS_MAX * 2 {
            return;
        }
        let size = (self.slots.len() * 2).max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        for slot in old.into_iter().filter(|slot| slot.seen != 0) {
            if let Some(free) = find(&mut self.slots, slot.key) {
                *free = slot;
            }
        }
    }
}

/// The slot of a key, or the free one that it may take. Half of the slots are free, so there is one.
fn find(slots: &mut [Slot], key: u64) -> Option<&mut Slot> {
    let last = slots.len().checked_sub(1)?;
    let start = key as usize & last;
    let is_it = |slot: &Slot| slot.seen == 0 || slot.key == key;
    let index = (start..=last).chain(0..start).find(|index| slots.get(*index).is_some_and(is_it))?;
    slots.get_mut(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Kinds = [false; KINDS.len()];
    const FAILED: Kinds = [true, false, false, false, false];

    fn key(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn fresh(exposures: u32, failures: u32) -> Option<Fresh> {
        Some(Fresh { exposures, events: [failures, 0, 0, 0, 0] })
    }

    #[test]
    fn a_minute_exposes_a_subject_once_and_fails_it_once() {
        let mut exposed = Exposed::default();
        assert_eq!(exposed.note(Minute::new(1), 7, 0b01, NOTHING), fresh(0b01, 0));
        assert_eq!(exposed.note(Minute::new(1), 7, 0b11, FAILED), fresh(0b10, 0b11));
        assert_eq!(exposed.note(Minute::new(1), 7, 0b11, FAILED), fresh(0, 0));
        assert_eq!(exposed.note(Minute::new(2), 7, 0b01, FAILED), fresh(0b01, 0b01));
    }

    #[test]
    fn each_kind_of_event_is_remembered_by_itself() {
        let mut exposed = Exposed::default();
        let timed_out = [true, false, true, false, false];
        assert_eq!(exposed.note(Minute::new(1), 7, 0b01, FAILED), fresh(0b01, 0b01));
        assert_eq!(
            exposed.note(Minute::new(1), 7, 0b11, timed_out),
            Some(Fresh { exposures: 0b10, events: [0b10, 0, 0b11, 0, 0] })
        );
        assert_eq!(
            exposed.note(Minute::new(1), 7, 0b11, [false, true, true, true, true]),
            Some(Fresh { exposures: 0, events: [0, 0b11, 0, 0b11, 0b11] })
        );
    }

    #[test]
    fn what_is_reported_late_does_not_begin_a_minute_again() {
        let mut exposed = Exposed::default();
        assert_eq!(exposed.note(Minute::new(100), 7, 1, FAILED), fresh(1, 1));
        assert_eq!(exposed.note(Minute::new(99), 7, 1, FAILED), fresh(0, 0));
        assert_eq!(exposed.note(Minute::new(100), 7, 1, FAILED), fresh(0, 0));
        assert_eq!(exposed.note(Minute::new(30), 7, 1, FAILED), fresh(1, 1), "the clock has been set back");
    }

    #[test]
    fn it_ends_at_its_size_and_knows_those_whom_it_has() {
        let mut exposed = Exposed::default();
        let taken = (0..150_000).filter(|n| exposed.note(Minute::new(1), key(*n), 1, NOTHING).is_some()).count();
        assert_eq!((taken, exposed.slots.len()), (SUBJECTS_MAX, SUBJECTS_MAX * 2));
        assert_eq!(exposed.note(Minute::new(1), key(5), 1, FAILED), fresh(0, 1));
        assert_eq!(exposed.note(Minute::new(1), key(149_999), 1, FAILED), None);
        assert!(exposed.note(Minute::new(2), key(149_999), 1, FAILED).is_some(), "the next minute begins anew");
    }
}
