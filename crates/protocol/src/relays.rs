//! Relays between isolates and the controller: which there are, and who reports to whom.
//!
//! One object takes a few hundred reports a second. So above [`Sizes::direct_max`] isolates report to relays, each of
//! them one of [`Layout::leaves`], which report to the controller; and where these are more than [`Layout::fan`],
//! relays of the next level stand in between, and so on.
//!
//! 1. The controller alone decides on a layout. It tells it in its answers, and each answer below passes it on. The
//!    latest counts, by [`Layout::at`].
//! 2. Everything else follows from the layout and a name, so there is no list of relays anywhere: an isolate's relay is
//!    that of its name's hash, and a relay's place in the tree is in its own name.
//! 3. A layout moves few: of `n` leaves that become `m`, about `1 - n/m` of the isolates change their relay (Lamping,
//!    Veach, "A fast, minimal memory, consistent hash algorithm", 2014).
//! 4. Who moves takes nothing along: a batch that was sent once goes to the same receiver until it is acknowledged
//!    there, since nobody else could tell that it has been counted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use tidegate_decide::cohort::fmix64;
use tidegate_model::subject::fnv1a64;

/// No layout has more levels.
const LEVELS_MAX: u8 = 8;
/// No layout has more leaves: 20 million isolates.
pub const LEAVES_MAX: u32 = 100_000;
/// Before a relay's level and number in its name.
const PREFIX: &str = "relay-";

/// Which relays there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// How many relays isolates report to; 0 where they report to the controller itself.
    pub leaves: u32,
    /// More than so many never report to one relay of the next level, or to the controller.
    pub fan: u32,
    /// When the controller decided on it, in milliseconds since 1970.
    pub at: i64,
}

impl Default for Layout {
    fn default() -> Self {
        Self { leaves: 0, fan: Sizes::default().fan, at: 0 }
    }
}

/// A relay, by its place in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// 1 for those that isolates report to.
    pub level: u8,
    /// Its number among those of its level, from 0.
    pub number: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-{}", self.level, self.number)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (level, number) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')).ok_or(())?;
        let place = Self { level: level.parse().map_err(|_| ())?, number: number.parse().map_err(|_| ())? };
        let is_one = (1..=LEVELS_MAX).contains(&place.level) && place.number < LEAVES_MAX && place.to_string() == text;
        is_one.then_some(place).ok_or(())
    }
}

impl Layout {
    /// The relay of an isolate; `None` for the controller itself.
    pub fn of(&self, isolate: &str) -> Option<Place> {
        let number = jump(fmix64(fnv1a64(isolate.as_bytes())), self.leaves.min(LEAVES_MAX))?;
        Some(Place { level: 1, number })
    }

    /// Whom a relay reports to; `None` for the controller. That is defined for relays of another layout too, which
    /// have to bring what they still hold to its end.
    pub fn above(&self, place: Place) -> Option<Place> {
        let level = place.level.checked_add(1)?;
        let size = self.size(level);
        (size > 0).then(|| Place { level, number: place.number % size })
    }

    /// Whom a caller reports to, an isolate or a relay by its name; `None` for the controller.
    pub fn receiver(&self, caller: &str) -> Option<Place> {
        match caller.parse() {
            Ok(place) => self.above(place),
            Err(()) => self.of(caller),
        }
    }

    /// The one to be asked where a relay does not answer: the next of its level, or the controller where there is no
    /// other. So what a relay cannot do is never the controller's at once, which would be everybody's.
    pub fn beside(&self, place: Place) -> Option<Place> {
        let size = self.size(place.level);
        let next = place.number.wrapping_add(1).checked_rem(size)?;
        (size > 1).then_some(Place { level: place.level, number: next })
    }

    /// Those that report to a relay, or to the controller, of the relays of this layout.
    pub fn below(&self, place: Option<Place>) -> Vec<Place> {
        let level = match place {
            Some(place) => place.level.saturating_sub(1),
            None => (1..=LEVELS_MAX).rev().find(|level| self.size(*level) > 0).unwrap_or(0),
        };
        let own = |number| Place { level, number };
        (0..self.size(level)).map(own).filter(|below| self.above(*below) == place).collect()
    }

    /// How many relays a level has.
    fn size(&self, level: u8) -> u32 {
        if level == 0 || level > LEVELS_MAX {
            return 0;
        }
        let fan = self.fan.max(2);
        let mut size = self.leaves.min(LEAVES_MAX);
        for _ in 1..level {
            size = if size > fan { size.div_ceil(fan) } else { 0 };
        }
        size
    }
}

/// How large what stands below one object may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// So many isolates report to the controller itself.
    pub direct_max: usize,
    /// So many isolates report to one relay.
    pub per_relay: usize,
    /// So many relays report to one relay, or to the controller.
    pub fan: u32,
    /// A layout that is too large is made smaller after it has been so for this long, in milliseconds.
    pub calm_ms: i64,
}

impl Default for Sizes {
    /// Those of operation. A report takes an object about 1 ms of CPU and isolates come every second, so a relay of
    /// 200 is busy for a fifth of its time, and has room for a burst. A controller commits each report by itself, a
    /// relay all of a second together: from some ten isolates on the rows that this saves are worth more than a relay
    /// costs (docs/scale.md).
    fn default() -> Self {
        Self { direct_max: 16, per_relay: 200, fan: 32, calm_ms: 600_000 }
    }
}

/// The layout and what it follows from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planner {
    /// The layout that is sent.
    pub layout: Layout,
    /// How large it may grow.
    pub sizes: Sizes,
    /// Since when it has been too large, in milliseconds since 1970.
    large_since: Option<i64>,
}

impl Planner {
    /// Goes on with a layout that was stored.
    pub fn new(layout: Layout) -> Self {
        Self { layout, ..Self::default() }
    }

    /// Takes note of how many isolates there are. Returns whether there is another layout from now on. It grows at once,
    /// by half more than is needed; it shrinks when a quarter would have been enough for a while.
    pub fn note(&mut self, isolates: usize, now_ms: i64) -> bool {
        let Sizes { direct_max, per_relay, fan, calm_ms } = self.sizes;
        let per_relay = per_relay.max(1);
        let leaves = self.layout.leaves as usize;
        let capacity = if leaves == 0 { direct_max } else { leaves.saturating_mul(per_relay) };
        let needed = if isolates <= direct_max / 2 { 0 } else { (isolates.saturating_mul(3) / 2).div_ceil(per_relay) };
        let needed = needed.min(LEAVES_MAX as usize) as u32;
        let is_small = isolates > capacity && needed > self.layout.leaves;
        let is_large = leaves > 0 && needed < self.layout.leaves && isolates.saturating_mul(4) <= capacity;
        let since = self.large_since.take().filter(|since| *since <= now_ms).unwrap_or(now_ms);
        self.large_since = is_large.then_some(since);
        let is_other = is_small || is_large && now_ms - since >= calm_ms;
        if is_other {
            self.large_since = None;
            self.layout = Layout { leaves: needed, fan, at: now_ms.max(self.layout.at + 1) };
        }
        is_other
    }
}

/// A number for what a set of states is, in whatever order it comes: the keys and their revisions.
pub fn digest<'a>(states: impl Iterator<Item = (&'a str, u64)>) -> u64 {
    states.fold(0, |sum: u64, (key, revision)| {
        sum.wrapping_add(fmix64(fnv1a64(key.as_bytes()) ^ fmix64(revision.wrapping_add(1))))
    })
}

/// The bucket of a hash among so many, of which it changes as seldom as can be when their number does.
fn jump(mut hash: u64, buckets: u32) -> Option<u32> {
    let (mut last, mut next) = (None, 0_i64);
    while next < i64::from(buckets) {
        last = u32::try_from(next).ok();
        hash = hash.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let share = (1_u64 << 31) as f64 / ((hash >> 33) + 1) as f64;
        next = ((next + 1) as f64 * share) as i64;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(leaves: u32, fan: u32) -> Layout {
        Layout { leaves, fan, at: 1 }
    }

    #[test]
    fn a_name_is_a_place_and_nothing_else_is() {
        for place in [Place { level: 1, number: 0 }, Place { level: 3, number: 99_999 }] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for other in ["relay-0-1", "relay-1", "relay-1-01", "relay-1-100000", "relay-9-1", "tidegate", "relay--1-1"] {
            assert_eq!(other.parse::<Place>(), Err(()), "{other}");
        }
    }

    #[test]
    fn every_relay_reports_to_one_and_none_has_more_below_it_than_the_fan() {
        for (leaves, fan) in [(0, 25), (1, 25), (25, 25), (26, 25), (400, 25), (5_000, 25), (7, 2), (9, 3)] {
            let own = layout(leaves, fan);
            let mut open = own.below(None);
            assert!(open.len() <= fan as usize, "{leaves} {fan}");
            let mut found = 0;
            while let Some(place) = open.pop() {
                found += u32::from(place.level == 1);
                let below = own.below(Some(place));
                assert!(below.len() <= fan as usize && below.iter().all(|own| own.level + 1 == place.level));
                open.extend(below);
            }
            assert_eq!(found, leaves, "each leaf is found once from above, with a fan of {fan}");
        }
    }

    #[test]
    fn isolates_spread_over_the_leaves_and_few_move() {
        let names: Vec<String> = (0..20_000).map(|n| format!("{n:032x}")).collect();
        let of = |leaves: u32| -> Vec<u32> {
            names.iter().map(|name| layout(leaves, 25).of(name).map_or(u32::MAX, |place| place.number)).collect()
        };
        assert!(of(0).iter().all(|number| *number == u32::MAX), "nobody has a relay where there is none");
        let (before, after) = (of(100), of(150));
        let busiest = (0..100).map(|leaf| before.iter().filter(|own| **own == leaf).count()).max();
        assert!(busiest.is_some_and(|most| most < 280), "{busiest:?} of 200 on average");
        let moved = before.iter().zip(&after).filter(|(one, two)| one != two).count();
        assert!((6_000..7_400).contains(&moved), "{moved} of 20,000 move; a third have to");
    }

    #[test]
    fn who_is_not_answered_asks_the_next_relay_and_the_controller_where_there_is_none() {
        let own = layout(3, 2);
        let place = |level, number| Place { level, number };
        assert_eq!(own.beside(place(1, 0)), Some(place(1, 1)));
        assert_eq!(own.beside(place(1, 2)), Some(place(1, 0)));
        assert_eq!(own.beside(place(2, 1)), Some(place(2, 0)));
        assert_eq!(own.beside(place(3, 0)), None);
        assert_eq!(layout(1, 2).beside(place(1, 0)), None);
    }

    #[test]
    fn a_layout_grows_at_once_and_shrinks_when_it_is_calm() {
        let mut planner = Planner::default();
        assert!(!planner.note(16, 0));
        assert!(planner.note(17, 1) && planner.layout.leaves == 1, "{:?}", planner.layout);
        assert!(!planner.note(200, 2));
        assert!(planner.note(100_000, 3) && planner.layout.leaves == 750, "{:?}", planner.layout);
        assert!(!planner.note(150_000, 4));
        assert!(!planner.note(30_000, 5));
        assert!(!planner.note(30_000, 600_004));
        assert!(!planner.note(90_000, 600_005), "the calm was broken");
        assert!(!planner.note(30_000, 600_006));
        assert!(planner.note(30_000, 1_200_006) && planner.layout.leaves == 225, "{:?}", planner.layout);
        assert!(!planner.note(0, 1_200_007) && planner.note(0, 1_800_007) && planner.layout.leaves == 0);
        let at = planner.layout.at;
        assert!(planner.note(1_000, 5) && planner.layout.at > at, "a clock that was set back makes no older layout");
    }

    #[test]
    fn a_digest_tells_sets_of_states_apart_and_not_their_order() {
        let states = [("shop", 4), ("cart", 7)];
        assert_eq!(digest(states.into_iter()), digest(states.into_iter().rev()));
        for other in [&[("shop", 4)][..], &[("shop", 7), ("cart", 4)], &[("shop", 5), ("cart", 7)]] {
            assert_ne!(digest(other.iter().copied()), digest(states.into_iter()));
        }
    }
}
