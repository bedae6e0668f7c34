//! Closes minutes and windows: who was exposed, how long answers took, and what of it may be compared.

use fixedbitset::FixedBitSet;
use tidegate_model::Name;
use tidegate_model::measured::sliced::{Failed, SLICES};
use tidegate_model::measured::{Quantity, Sample, Seen, Sketch, SlicedCounts, Window};
use tidegate_model::variant::Variant;

use super::{Measured, Traffic};
use crate::chance::Chance;
use crate::counts::{Place, runs};
use crate::population::{Assigned, Population};

/// Fewer values than one in so many of what they may be are sorted, more are counted.
const SPARSE: usize = 16;
const SIDES: [Variant; 2] = [Variant::Legacy, Variant::New];

impl Traffic {
    /// A minute is over: whoever has come in it, and may be compared, was exposed once.
    pub(super) fn close_minute(&mut self, population: &Population, seats: &[Assigned]) {
        let everywhere = (0, &mut self.seen.minute);
        self.seen.window.union_with(everywhere.1);
        let places = self.seen.places.iter_mut().map(|(place, subjects)| (*place, subjects));
        for (place, subjects) in std::iter::once(everywhere).chain(places) {
            if let Some(asked) =
                self.asked.iter_mut().find(|asked| asked.of == Quantity::Errors && asked.place == place)
            {
                for index in subjects.ones() {
                    let Some((subject, seat)) = population.subjects.get(index).zip(seats.get(index)) else { continue };
                    if seat.is_compared {
                        asked.add(usize::from(seat.is_new), subject.slice, 1, 0);
                    }
                }
            }
            subjects.clear();
        }
    }

    /// Puts what was counted into the window.
    pub(super) fn close(
        &mut self,
        mut window: Window,
        population: &Population,
        seats: &[Assigned],
        chance: &mut Chance,
    ) -> Window {
        window.subjects = sample(&self.seen.window, population, seats);
        for index in self.seen.window.ones() {
            if seats.get(index).is_some_and(|seat| seat.is_new) {
                self.seen.exposed.insert(index);
            }
        }
        self.toll.exposed = self.seen.exposed.count_ones(..) as u64;
        self.close_events(&mut window, population, seats);
        for (side, variant) in SIDES.into_iter().enumerate() {
            let (Some(places), Some(troubles)) = (self.places.get_mut(side), self.troubles.get_mut(side)) else {
                continue;
            };
            let requests: u64 = places.iter().map(|place| place.requests).sum();
            if requests == 0 {
                continue;
            }
            if variant == Variant::New {
                self.toll.on_new += requests;
            }
            // What is counted everywhere stands first.
            window.tally_mut(variant, None);
            for measured in &mut self.measured {
                measured.close(side, variant, places, &self.endpoints, &mut window, chance);
            }
            for (at, troubles) in troubles.iter_mut().enumerate() {
                let endpoint = at.checked_sub(1).and_then(|index| self.endpoints.get(index));
                let counted = places.iter().enumerate().filter(|(place, _)| at == 0 || *place == at);
                let sum = |count: fn(&Place) -> u64| counted.clone().map(|(_, place)| count(place)).sum::<u64>();
                let requests = sum(|place| place.requests);
                if let Some(tally) = window.tally_mut(variant, endpoint).filter(|_| requests > 0) {
                    tally.requests = requests;
                    tally.pages = sum(Place::pages);
                    tally.js_errors = sum(|place| place.js_errors);
                    // A page view of this world has one error at the most.
                    tally.failed_pages = tally.js_errors;
                    troubles.close(tally);
                }
            }
            places.iter_mut().for_each(Place::clear);
        }
        self.seen.window.clear();
        self.seen.reporting.clear();
        window
    }

    /// Who has reported what in the window.
    fn close_events(&mut self, window: &mut Window, population: &Population, seats: &[Assigned]) {
        let reporting = &mut self.seen.reporting;
        if let Some(own) = self.view.as_ref().filter(|_| !reporting.is_clear()).and_then(|view| window.event_mut(view))
        {
            *own = sample(reporting, population, seats);
        }
        if self.events.is_empty() {
            return;
        }
        // Only what is new has events.
        let on_new: FixedBitSet =
            reporting.ones().filter(|index| seats.get(*index).is_some_and(|seat| seat.is_new)).collect();
        for (name, reporters) in &self.events {
            let mut who = on_new.clone();
            who.intersect_with(reporters);
            if let Some(own) = Some(name).filter(|_| !who.is_clear()).and_then(|name| window.event_mut(name)) {
                *own = sample(&who, population, seats);
            }
        }
    }

    /// What may be compared of the windows since this was last asked for.
    pub fn compared(&mut self) -> SlicedCounts {
        let mut all = SlicedCounts::default();
        let endpoint_of = |place: usize| place.checked_sub(1).and_then(|index| self.endpoints.get(index));
        for measured in &mut self.measured {
            for (place, sides) in &mut measured.compared {
                for (variant, values) in SIDES.into_iter().zip(sides) {
                    if !values.is_empty()
                        && let Some(own) = all.values(&measured.of, endpoint_of(*place), variant)
                    {
                        own.buckets = rows(values);
                        values.clear();
                    }
                }
            }
        }
        for asked in &mut self.asked {
            let endpoint = endpoint_of(asked.place);
            for (variant, slices) in SIDES.into_iter().zip(&mut asked.slices) {
                if slices.iter().any(|(n, x)| n + x > 0)
                    && let Some(trials) = all.trials(&asked.of, endpoint, variant)
                {
                    let counted = slices.iter().enumerate().filter(|(_, (n, x))| n + x > 0);
                    trials
                        .slices
                        .extend(counted.filter_map(|(slice, (n, x))| Some((u8::try_from(slice).ok()?, *n, *x))));
                    slices.fill((0, 0));
                }
            }
            if !asked.who.is_empty() {
                all.failed
                    .push(Failed { of: asked.of.clone(), subjects: std::mem::replace(&mut asked.who, Sample::EMPTY) });
            }
        }
        all
    }
}

impl Measured {
    /// Picks the values of a side, at each place and so everywhere, and puts them into the window.
    fn close(
        &mut self,
        side: usize,
        variant: Variant,
        places: &[Place],
        endpoints: &[Name],
        window: &mut Window,
        chance: &mut Chance,
    ) {
        let Some(spreads) = self.spreads.get(side) else { return };
        let mut everywhere = Sketch::default();
        let mut counts: Vec<u64> = Vec::new();
        for (at, place) in places.iter().enumerate() {
            let values = place.values(self.kind);
            let Some(spread) = spreads.get(at).or_else(|| spreads.first()).filter(|_| values.count > 0) else {
                continue;
            };
            counts.clear();
            counts.resize(spread.length, 0);
            for index in 0..values.count {
                let bucket = spread.pick(chance);
                if let Some(own) = counts.get_mut(bucket) {
                    *own += 1;
                }
                if let Some(Some(slice)) = values.slices.get(index) {
                    let value = pack(*slice, spread.first.saturating_add_unsigned(u16::try_from(bucket).unwrap_or(0)));
                    for (_, sides) in self.compared.iter_mut().filter(|(own, _)| *own == 0 || *own == at) {
                        if let Some(values) = sides.get_mut(side) {
                            values.push(value);
                        }
                    }
                }
            }
            everywhere.add_all(spread.first, &counts);
            let endpoint = at.checked_sub(1).and_then(|index| endpoints.get(index));
            if let Some(own) =
                endpoint.and_then(|endpoint| window.tally_mut(variant, Some(endpoint))?.sketch_mut(&self.of))
            {
                own.add_all(spread.first, &counts);
            }
        }
        if everywhere != Sketch::default()
            && let Some(own) = window.tally_mut(variant, None).and_then(|tally| tally.sketch_mut(&self.of))
        {
            *own = everywhere;
        }
    }
}

/// These subjects, as a window has them. The population is in the order of samples.
fn sample(subjects: &FixedBitSet, population: &Population, seats: &[Assigned]) -> Sample {
    let seen = |index: usize| {
        let (subject, seat) = population.subjects.get(index).zip(seats.get(index))?;
        let variant = if seat.is_new { Variant::New } else { Variant::Legacy };
        Some(Seen::new(subject.sampled, variant, seat.is_compared))
    };
    Sample::of(subjects.ones().filter_map(seen))
}

/// How often each value is there, by slice and bucket, ascending.
fn rows(values: &mut [u32]) -> Vec<(u8, i16, u32)> {
    let buckets = values.iter().map(|value| unpack(*value).1);
    let (low, high) = buckets.fold((i16::MAX, i16::MIN), |(low, high), bucket| (low.min(bucket), high.max(bucket)));
    let width = usize::from(high.abs_diff(low)) + 1;
    let mut rows = Vec::new();
    if values.len() * SPARSE < width * usize::from(SLICES) {
        values.sort_unstable();
        runs(values.iter().map(|value| unpack(*value)), |(slice, bucket), count| rows.push((slice, bucket, count)));
        return rows;
    }
    // Where there are many it is faster to count than to sort.
    let mut counts = vec![0_u32; width * usize::from(SLICES)];
    for (slice, bucket) in values.iter().map(|value| unpack(*value)) {
        if let Some(own) = counts.get_mut(usize::from(slice) * width + usize::from(bucket.abs_diff(low))) {
            *own += 1;
        }
    }
    for (slice, counts) in (0..SLICES).zip(counts.chunks(width)) {
        rows.extend((low..).zip(counts).filter(|(_, own)| **own > 0).map(|(bucket, own)| (slice, bucket, *own)));
    }
    rows
}

/// A value as one number that sorts by its slice, then by its bucket.
fn pack(slice: u8, bucket: i16) -> u32 {
    u32::from(slice) << 16 | (i32::from(bucket) - i32::from(i16::MIN)).unsigned_abs()
}

/// The slice and the bucket of a value.
fn unpack(value: u32) -> (u8, i16) {
    let bucket = (value & 0xffff).cast_signed() + i32::from(i16::MIN);
    (u8::try_from(value >> 16).unwrap_or_default(), i16::try_from(bucket).unwrap_or_default())
}
