//! Closes windows: who has come, how long answers took, and what of it may be compared.

use fixedbitset::FixedBitSet;
use rand::Rng as _;
use tidegate_decide::judge::adoption::OPTED_OUT;
use tidegate_model::Name;
use tidegate_model::condition::Vital;
use tidegate_model::measured::sliced::Failed;
use tidegate_model::measured::{Measure, Quantity, Sample, Sketch, SlicedCounts, Window};
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;

use super::{Measured, Traffic};
use crate::chance::{Chance, Spread};
use crate::counts::{Observed, Place};
use crate::healthy::{Healthy, terms};
use crate::population::Seats;

const SIDES: [Variant; 2] = [Variant::Legacy, Variant::New];

impl Traffic {
    /// Who has used new since the percentage left 0.
    pub const fn used(&self) -> &FixedBitSet {
        &self.seen.used
    }

    /// The percentage is 0: what was used before counts no more.
    pub fn forget_use(&mut self) {
        self.seen.used.clear();
    }

    /// Lets so many different subjects on new report an event, in this window.
    pub fn reporters(&self, name: &Name, count: usize, seats: &Seats, window: &mut Window) {
        for seen in seats.seen.iter().filter(|seen| seen.is_new).take(count) {
            for event in self.view.iter().chain([name]) {
                if let Some(sample) = window.event_mut(event) {
                    sample.add(*seen);
                }
            }
        }
    }

    /// Puts what was counted into the window.
    pub(super) fn close(&mut self, mut window: Window, seats: &Seats, chance: &mut Chance) -> Window {
        window.subjects = sample(&self.seen.window, seats);
        let mut on_new = self.seen.window.clone();
        on_new.intersect_with(&seats.on_new);
        self.seen.exposed.union_with(&on_new);
        self.seen.used.union_with(&on_new);
        self.toll.exposed = self.seen.exposed.count_ones(..) as u64;
        self.close_events(&mut window, seats);
        self.close_exposures();
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
    fn close_events(&mut self, window: &mut Window, seats: &Seats) {
        let reporting = &mut self.seen.reporting;
        if let Some(own) = self.view.as_ref().filter(|_| !reporting.is_clear()).and_then(|view| window.event_mut(view))
        {
            *own = sample(reporting, seats);
        }
        if self.events.is_empty() {
            return;
        }
        // Only what is new has events.
        let mut on_new = reporting.clone();
        on_new.intersect_with(&seats.on_new);
        for (name, reporters) in &self.events {
            // Who chooses needs no script for it.
            let is_choice = name.as_str() == OPTED_OUT;
            let mut who = if is_choice { self.seen.window.clone() } else { on_new.clone() };
            who.intersect_with(reporters);
            who.intersect_with(&seats.on_new);
            if let Some(own) = Some(name).filter(|_| !who.is_clear()).and_then(|name| window.event_mut(name)) {
                *own = sample(&who, seats);
            }
        }
    }

    /// Who was exposed to errors of requests, and which page views to JavaScript's.
    fn close_exposures(&mut self) {
        self.seen.minute.close(&mut self.asked);
        self.seen.places.iter_mut().for_each(|(_, exposed)| exposed.close(&mut self.asked));
        for asked in self.asked.iter_mut().filter(|asked| asked.of == Quantity::JsErrors) {
            for (side, places) in self.places.iter().enumerate() {
                for (at, place) in places.iter().enumerate() {
                    if asked.is_at(at) {
                        let slices = place.values(Observed::Pages).slices();
                        slices.for_each(|(slice, count)| asked.add(side, slice, count, 0));
                    }
                }
            }
        }
    }

    /// What may be compared of the windows since this was last asked for.
    pub fn compared(&mut self) -> SlicedCounts {
        let mut all = SlicedCounts::default();
        self.compare_copies(&mut all);
        let endpoint_of = |place: usize| place.checked_sub(1).and_then(|index| self.endpoints.get(index));
        for measured in &mut self.measured {
            for (place, sides) in &mut measured.compared {
                for (variant, values) in SIDES.into_iter().zip(sides).filter(|(_, values)| !values.is_empty()) {
                    if let Some(own) = all.values(&measured.of, endpoint_of(*place), variant) {
                        own.buckets = values.take();
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
            let Some(spread) = spreads.get(at).or_else(|| spreads.first()).filter(|_| values.count() > 0) else {
                continue;
            };
            counts.clear();
            counts.resize(spread.length, 0);
            pick(spread, values.others(), &mut counts, chance, |_| {});
            // Of everywhere and of an endpoint.
            let mut compared = self.compared.iter_mut().filter(|(own, _)| *own == 0 || *own == at);
            let mut compared = [compared.next(), compared.next()].map(|own| own.and_then(|(_, own)| own.get_mut(side)));
            compared.iter_mut().flatten().for_each(|own| own.reach(spread.first, spread.length));
            for (slice, count) in values.compared() {
                pick(spread, count, &mut counts, chance, |bucket| {
                    compared.iter_mut().flatten().for_each(|own| own.add(slice, bucket, 1));
                });
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

/// Picks so many values, counts them by their bucket from the spread's first on, and passes on the bucket of each; one
/// number is enough for two.
fn pick(spread: &Spread, count: u32, counts: &mut [u64], chance: &mut Chance, mut take: impl FnMut(i16)) {
    // A copy of its own stays in registers.
    let (mut own, mut number) = (chance.clone(), 0);
    for index in 0..count {
        number = if index % 2 == 0 { own.next_u64() } else { number << 32 };
        let bucket = spread.pick((number >> 32) as u32);
        if let Some(own) = counts.get_mut(bucket) {
            *own += 1;
        }
        take(spread.first.wrapping_add(bucket as i16));
    }
    *chance = own;
}

/// These subjects, as a window has them. The population is in the order of samples.
fn sample(subjects: &FixedBitSet, seats: &Seats) -> Sample {
    Sample::of(subjects.ones().filter_map(|index| seats.seen.get(index).copied()))
}

/// The distributions that a plan's conditions are about; latency is always measured.
pub(super) fn measured(plan: &Plan, healthy: &Healthy) -> Vec<Measured> {
    let is_wanted =
        |measure: &Measure| terms(plan).any(|term| term.metric.distribution().is_some_and(|(own, _)| own == *measure));
    let vitals = Vital::ALL.into_iter().map(Measure::Vital).filter(is_wanted);
    let timings = healthy.timings.iter().map(|(name, _)| Measure::Timing(name.clone()));
    let waited = Some(Measure::Waited).filter(is_wanted);
    let values = healthy.values.iter().map(|(name, _)| Measure::Value(name.clone()));
    let all = std::iter::once(Measure::Latency).chain(vitals).chain(timings).chain(values).chain(waited);
    let of = |of: Measure| {
        let kind = match of {
            Measure::Latency => Observed::Answers,
            Measure::Waited => Observed::Abandoned,
            Measure::Vital(_) | Measure::Timing(_) | Measure::Value(_) | Measure::ShadowLatency => Observed::Pages,
        };
        Measured { of, kind, spreads: Default::default(), compared: Vec::new() }
    };
    all.map(of).collect()
}
