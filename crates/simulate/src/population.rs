//! Who comes: subjects with ids of their own, assigned by the real assignment, some of whom come far
//! more often than others.

use std::collections::BTreeMap;
use std::rc::Rc;

use fixedbitset::FixedBitSet;
use rand::Rng as _;

use super::chance::{Chance, Picks, normal};
use tidegate_decide::assign::{Assignment, Reason, Visit, Visitor, assign};
use tidegate_decide::cohort::{SAMPLE_SALT, SLICES_SALT, Seed};
use tidegate_decide::compiled::{CompiledRollout, GroupIndex};
/// Of the requests within a visit, one in so many is for a page.
pub use tidegate_decide::forecast::PAGE_ONE_IN;
use tidegate_model::measured::Seen;
use tidegate_model::minute::MINUTE_MS;
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;
use tidegate_model::subject::SubjectHash;
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Name};

/// How unequal subjects are: the standard deviation of the logarithm of their activity. The busiest
/// tenth makes two fifths of the requests.
const ACTIVITY_SIGMA: f64 = 1.0;
/// A subject who has not come for so long begins another visit, with a page.
const VISIT_MS: i64 = 30 * MINUTE_MS;
/// The bits of a fraction of a millisecond.
const FRACTION_BITS: u32 = 16;
/// Of the other requests, one in so many is no GET, so that nothing can answer in new's place.
pub const WRITE_ONE_IN: u32 = 4;
/// A group whose members the plan does not name has one in so many of the subjects.
const MEMBERS_ONE_IN: u64 = 20;

/// A subject.
#[derive(Clone, Debug)]
pub struct Subject {
    hash: SubjectHash,
    /// Under the seed of samples.
    pub sampled: u64,
    /// In which slice comparisons have it.
    slice: u8,
}

/// A request, before it is known what comes of it.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// By whom.
    pub subject: u32,
    /// In which minute it comes: the number of a [`tidegate_model::Minute`], in half the room.
    pub minute: u32,
    /// Picks the endpoint.
    draw: u32,
    /// Whether it is the first of a visit.
    pub begins_visit: bool,
    /// Whether it is a page view, whose browser reports.
    pub is_page: bool,
    /// Whether legacy may answer in new's place.
    pub is_get: bool,
}

impl Request {
    /// At which of so many places it is.
    pub const fn place(&self, places: usize) -> usize {
        ((self.draw as u64 * places as u64) >> 32) as usize
    }
}

/// Where a subject stands in one rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// On new.
    pub is_new: bool,
    /// The slice in which comparisons have it, where the hash alone has put it there.
    pub slice: Option<u8>,
}

impl Assigned {
    /// On which side.
    const fn variant(self) -> Variant {
        if self.is_new { Variant::New } else { Variant::Legacy }
    }
}

/// Where everybody stands in one rollout.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    /// In the order of the population.
    pub all: Vec<Assigned>,
    /// The same as samples have it.
    pub seen: Vec<Seen>,
    /// Who is on new.
    pub on_new: FixedBitSet,
    /// Who of them has stayed there though the percentage has stepped down.
    pub kept: u64,
    /// Who stays where they are until their visit ends, and where they stand then.
    staying: BTreeMap<u32, Assigned>,
}

impl Seats {
    /// Where the subject of a request stands: in a visit that has just begun, as the percentage of now has it.
    #[inline]
    pub fn of(&mut self, request: &Request) -> Option<Assigned> {
        let index = request.subject as usize;
        let seat = self.all.get_mut(index)?;
        if request.begins_visit
            && !self.staying.is_empty()
            && let Some(next) = self.staying.remove(&request.subject)
        {
            *seat = next;
            self.on_new.set(index, next.is_new);
            if let Some(seen) = self.seen.get_mut(index) {
                (seen.is_new, seen.is_compared) = (next.is_new, next.slice.is_some());
            }
        }
        Some(*seat)
    }
}

/// All subjects.
#[derive(Clone, Debug)]
pub struct Population {
    /// In the order of their hashes under the seed of samples.
    pub subjects: Vec<Subject>,
    /// Until when the visit of each lasts, if it does not come again; a time before all others where it has not come yet.
    lasts_until_ms: Vec<i64>,
    picks: Picks,
}

/// A rollout as the assignment knows it.
pub struct Dealt<'a> {
    plan: Rc<Plan>,
    standing: CompiledRollout,
    /// Who has used new since the percentage left 0.
    used: &'a FixedBitSet,
}

impl Population {
    /// So many subjects, and those whom the plans name.
    pub fn new(count: usize, plans: &[Rc<Plan>], chance: &mut Chance) -> Self {
        let (sampled, sliced) = (Seed::of(SAMPLE_SALT), Seed::of(SLICES_SALT));
        let subject = |id: &str| {
            let hash = SubjectHash::of(id.as_bytes());
            Subject { hash, sampled: sampled.hash(hash), slice: sliced.slice(hash) }
        };
        let mut named: Vec<&str> = plans
            .iter()
            .flat_map(|plan| &plan.groups.0)
            .flat_map(|(_, group)| &group.ids)
            .map(String::as_str)
            .collect();
        named.sort_unstable();
        named.dedup();
        let mut weighted: Vec<(Subject, f64)> = named.into_iter().map(|id| (subject(id), 1.0)).collect();
        for _ in 0..count {
            let id = format!("user-{:016x}", chance.next_u64());
            weighted.push((subject(&id), (ACTIVITY_SIGMA * normal(chance)).exp()));
        }
        weighted.sort_by_key(|(subject, _)| subject.sampled);
        let (subjects, weights): (Vec<Subject>, Vec<f64>) = weighted.into_iter().unzip();
        Self { lasts_until_ms: vec![i64::MIN; subjects.len()], picks: Picks::new(&weights), subjects }
    }

    /// So many requests, evenly spread over this time, in milliseconds, in the place of those that `requests` had.
    pub fn requests(
        &mut self,
        from: Instant,
        length_ms: i64,
        count: usize,
        chance: &mut Chance,
        requests: &mut Vec<Request>,
    ) {
        requests.clear();
        if self.subjects.is_empty() {
            return;
        }
        // In 65,536ths of a millisecond.
        let every = (length_ms << FRACTION_BITS) / i64::try_from(count.max(1)).unwrap_or(i64::MAX);
        let mut at = from.as_epoch_ms() << FRACTION_BITS;
        let mut minute = from.minute().get() as u32;
        let mut minute_ends_ms = (i64::from(minute) + 1) * MINUTE_MS;
        // A copy of its own stays in registers.
        let mut own = chance.clone();
        requests.extend((0..count).map(|_| {
            let at_ms = at >> FRACTION_BITS;
            at += every;
            while at_ms >= minute_ends_ms {
                (minute, minute_ends_ms) = (minute + 1, minute_ends_ms + MINUTE_MS);
            }
            let number = own.next_u64();
            let (subject, draw) = (self.picks.pick((number >> 32) as u32), number as u32);
            // The place is in the upper bits.
            let mut begins_visit = false;
            if let Some(until_ms) = self.lasts_until_ms.get_mut(subject) {
                begins_visit = at_ms > *until_ms;
                *until_ms = at_ms + VISIT_MS;
            }
            let is_page = begins_visit || draw.is_multiple_of(PAGE_ONE_IN);
            let is_get = is_page || !(draw >> 8).is_multiple_of(WRITE_ONE_IN);
            Request { subject: subject as u32, minute, draw, begins_visit, is_page, is_get }
        }));
        *chance = own;
    }

    /// Where everybody stands in each rollout at `now`, given where they stood before.
    pub fn seats(&self, rollouts: &[Dealt<'_>], last: &[Seats], now: Instant) -> Vec<Seats> {
        let before = Before { rollouts, last, lasts_until_ms: &self.lasts_until_ms, now };
        let of = |(index, dealt): (usize, &Dealt<'_>)| {
            let on_new = FixedBitSet::with_capacity(self.subjects.len());
            let mut seats = Seats { on_new, ..Seats::default() };
            seats.all.reserve(self.subjects.len());
            seats.seen.reserve(self.subjects.len());
            for (number, subject) in self.subjects.iter().enumerate() {
                let coming = Coming {
                    before: &before,
                    index,
                    number,
                    hash: subject.hash,
                    is_new_visit: false,
                    depth: rollouts.len(),
                };
                let assignment = assign(&dealt.standing, &coming);
                if assignment.reason == Reason::Visit {
                    let next = assign(&dealt.standing, &Coming { is_new_visit: true, ..coming });
                    seats.staying.insert(number as u32, subject.seat(&next));
                }
                let seat = subject.seat(&assignment);
                seats.on_new.set(number, seat.is_new);
                seats.kept += u64::from(seat.is_new && assignment.reason == Reason::SteppedDown);
                seats.all.push(seat);
                seats.seen.push(Seen::new(subject.sampled, seat.variant(), seat.slice.is_some()));
            }
            seats
        };
        rollouts.iter().enumerate().map(of).collect()
    }
}

impl Subject {
    /// Where it stands by its assignment.
    fn seat(&self, assignment: &Assignment) -> Assigned {
        let is_compared = matches!(assignment.reason, Reason::Bucketed | Reason::Holdout);
        Assigned { is_new: assignment.variant == Variant::New, slice: is_compared.then_some(self.slice) }
    }
}

impl<'a> Dealt<'a> {
    /// A rollout in this state, among those with these keys; `used` says who has used new since the percentage left 0.
    pub fn new(plan: &Rc<Plan>, record: &Record, keys: &[Name], used: &'a FixedBitSet) -> Self {
        let standing = CompiledRollout::new(plan, Some(&record.live), false, record.is_waiting, &Keys(keys));
        Self { plan: Rc::clone(plan), standing, used }
    }
}

struct Keys<'a>(&'a [Name]);

impl GroupIndex for Keys<'_> {
    fn group(&self, plan: &Plan, name: &str) -> Option<usize> {
        plan.groups.names().position(|own| own == name)
    }

    fn rollout(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|own| own.as_str() == key)
    }
}

/// What everybody has done before.
struct Before<'a> {
    rollouts: &'a [Dealt<'a>],
    last: &'a [Seats],
    lasts_until_ms: &'a [i64],
    now: Instant,
}

/// A subject who comes to one rollout.
#[derive(Clone, Copy)]
struct Coming<'a> {
    before: &'a Before<'a>,
    index: usize,
    number: usize,
    hash: SubjectHash,
    /// Whether no visit that has begun before counts.
    is_new_visit: bool,
    /// Rollouts that require each other in a circle are refused by `check`; here they end.
    depth: usize,
}

impl Visitor for Coming<'_> {
    fn subject(&self) -> Option<SubjectHash> {
        Some(self.hash)
    }

    fn is_in(&self, group: usize) -> Option<bool> {
        let (name, group) = self.before.rollouts.get(self.index)?.plan.groups.0.get(group)?;
        let is_unnamed = group.kv || group.matches.is_some();
        let is_member = is_unnamed && Seed::of(name.as_str()).hash(self.hash).is_multiple_of(MEMBERS_ONE_IN);
        Some(is_member || group.fingerprints.contains(self.hash))
    }

    fn chosen(&self) -> Option<Variant> {
        None
    }

    fn visit(&self) -> Option<Visit> {
        let goes_on = self.before.now.as_epoch_ms() <= *self.before.lasts_until_ms.get(self.number)?;
        let seat = self.before.last.get(self.index)?.all.get(self.number)?;
        (goes_on && !self.is_new_visit).then_some(Visit { variant: seat.variant(), begun_s: 0 })
    }

    fn used_since(&self, _: u32) -> Option<u64> {
        self.before.rollouts.get(self.index)?.used.contains(self.number).then_some(u64::MAX)
    }

    fn variant_in(&self, rollout: usize) -> Variant {
        match (self.before.rollouts.get(rollout), self.depth) {
            (Some(dealt), 1..) => {
                assign(&dealt.standing, &Coming { index: rollout, depth: self.depth - 1, ..*self }).variant
            }
            _ => Variant::Legacy,
        }
    }
}
