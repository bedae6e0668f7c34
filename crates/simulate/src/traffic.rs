//! What comes of the requests of one step in one rollout, counted as an isolate counts it: a request once
//! for the side that was asked, everywhere and at its endpoint; and for comparisons, of each subject that
//! the hash assigned, a minute's exposure and failure at most.

mod closing;

use fastrand::Rng;

use super::chance::Spread;
use super::counts::{Acc, Asked, Came, pack};
use super::healthy::{Healthy, LATENCY_SIGMA, RATES, VALUE_SIGMA, VITAL_SIGMA, terms};
use super::population::{Assigned, Population, Request};
use super::world::Conditions;
use tidegate_decide::judge::adoption::VIEW;
use tidegate_decide::judge::comparing::questions;
use tidegate_model::Name;
use tidegate_model::condition::{Metric, Vital};
use tidegate_model::measured::{Measure, Quantity, Seen, SlicedCounts, Window};
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;

const SIDES: [Variant; 2] = [Variant::Legacy, Variant::New];
/// Where errors cluster, one in so many subjects has all of them.
const CLUSTER_ONE_IN: u64 = 20;
/// Who gives up has waited so many times as long as an answer takes.
pub const WAITED: f64 = 5.0;

/// What has come of all requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// Requests to new.
    pub on_new: u64,
    /// Those of them whose users saw a failure.
    pub failed: u64,
    /// Those of them that legacy answered.
    pub rescued: u64,
    /// Subjects who were on new.
    pub exposed: u64,
}

/// The traffic of one rollout.
pub struct Traffic {
    endpoints: Vec<Name>,
    has_rescue: bool,
    /// The healthy shares of what comes of requests.
    healthy_rates: [f64; RATES.len()],
    /// The measure of how long those waited who gave up, where a condition is about it.
    waited: Option<usize>,
    /// Latency first, then what browsers measure.
    measures: Vec<Measure>,
    /// By measure and side: of latency for each place, of the others one.
    spreads: Vec<[Vec<Spread>; 2]>,
    /// By measure: at which places a comparison asks for it.
    compared: Vec<Vec<usize>>,
    asked: Vec<Asked>,
    /// The event of all who report, where the plan asks for it.
    view: Option<Name>,
    events: Vec<Name>,
    conditions: Conditions,
    accs: [Vec<Acc>; 2],
    is_exposed: Vec<bool>,
    /// What has come of it.
    pub toll: Toll,
}

impl Traffic {
    /// The traffic of a plan's rollout among so many subjects.
    pub fn new(plan: &Plan, healthy: &Healthy, conditions: Conditions, subjects: usize) -> Self {
        let is_wanted =
            |vital: Vital| terms(plan).any(|term| matches!(term.metric, Metric::Vital(own, _) if own == vital));
        let has_waited = terms(plan).any(|term| matches!(term.metric, Metric::Waited(_)));
        let vitals = Vital::ALL.into_iter().filter(|vital| is_wanted(*vital)).map(Measure::Vital);
        let timings = healthy.timings.iter().map(|(name, _)| Measure::Timing(name.clone()));
        let values = healthy.values.iter().map(|(name, _)| Measure::Value(name.clone()));
        let measures: Vec<Measure> = std::iter::once(Measure::Latency)
            .chain(vitals)
            .chain(timings)
            .chain(values)
            .chain(has_waited.then_some(Measure::Waited))
            .collect();
        let waited = measures.iter().position(|measure| *measure == Measure::Waited);
        let endpoints: Vec<Name> = plan.endpoints.0.iter().map(|(name, _)| name.clone()).collect();
        let place = |endpoint: Option<&Name>| {
            endpoint.and_then(|name| endpoints.iter().position(|own| own == name)).map_or(0, |index| index + 1)
        };
        let mut compared = vec![Vec::new(); measures.len()];
        let mut asked: Vec<Asked> = Vec::new();
        let (guardrails, gates) = questions(plan);
        for question in guardrails.iter().chain(&gates) {
            let place = place(question.endpoint.as_ref());
            let measure = match &question.metric {
                Metric::Latency(_) => Some(Measure::Latency),
                Metric::Vital(vital, _) => Some(Measure::Vital(*vital)),
                Metric::Timing(name, _) => Some(Measure::Timing(name.clone())),
                Metric::Value(name, _) => Some(Measure::Value(name.clone())),
                Metric::Waited(_) => Some(Measure::Waited),
                _ => None,
            };
            if let Some(places) = measure
                .and_then(|measure| measures.iter().position(|own| *own == measure))
                .and_then(|index| compared.get_mut(index))
                && !places.contains(&place)
            {
                places.push(place);
            }
            let quantities = question.quantities().map(|(exposures, events)| [exposures, events]);
            for of in quantities.into_iter().flatten() {
                if !asked.iter().any(|own| own.of == of && own.place == place) {
                    asked.push(Asked::new(of, place, subjects));
                }
            }
        }
        let acc = Acc::new(measures.len());
        let accs = vec![acc; endpoints.len() + 1];
        let view = if terms(plan)
            .any(|term| matches!(term.metric, Metric::Adoption | Metric::Event(_) | Metric::Reporters(_)))
        {
            VIEW.parse().ok()
        } else {
            None
        };
        let events = healthy.events.iter().map(|(name, _)| name.clone()).collect();
        let has_rescue =
            plan.upstreams.as_ref().is_some_and(|upstreams| upstreams.rescue != tidegate_model::plan::Rescue::Off);
        let mut traffic = Self {
            endpoints,
            has_rescue,
            healthy_rates: healthy.rates,
            waited,
            measures,
            spreads: Vec::new(),
            compared,
            asked,
            view,
            events,
            conditions,
            accs: [accs.clone(), accs],
            is_exposed: vec![false; subjects],
            toll: Toll::default(),
        };
        traffic.spread();
        traffic
    }

    /// The world is another one now.
    pub fn suffer(&mut self, conditions: Conditions) {
        if self.conditions != conditions {
            self.conditions = conditions;
            self.spread();
        }
    }

    fn spread(&mut self) {
        let Conditions { latency, vitals, timings, values, .. } = &self.conditions;
        let (mut named, mut valued) = (0, 0);
        let mut spreads = Vec::new();
        for measure in &self.measures {
            let medians = |side: usize| -> Vec<f64> {
                match measure {
                    Measure::Latency => latency.get(side).cloned().unwrap_or_default(),
                    Measure::Vital(vital) => Vital::ALL
                        .iter()
                        .position(|own| own == vital)
                        .and_then(|index| vitals.get(side)?.get(index))
                        .copied()
                        .into_iter()
                        .collect(),
                    Measure::Waited => latency.get(side).into_iter().flatten().map(|median| median * WAITED).collect(),
                    Measure::Value(_) => {
                        values.get(side).and_then(|own| own.get(valued)).copied().into_iter().collect()
                    }
                    Measure::Timing(_) => {
                        timings.get(side).and_then(|timings| timings.get(named)).copied().into_iter().collect()
                    }
                }
            };
            let sigma = match measure {
                Measure::Latency => LATENCY_SIGMA,
                Measure::Value(_) => VALUE_SIGMA,
                _ => VITAL_SIGMA,
            };
            let of = |side: usize| medians(side).into_iter().map(|median| Spread::around(median, sigma)).collect();
            spreads.push([of(0), of(1)]);
            named += usize::from(matches!(measure, Measure::Timing(_)));
            valued += usize::from(matches!(measure, Measure::Value(_)));
        }
        self.spreads = spreads;
    }

    /// Counts the requests of one step, which go into the window of its first minute.
    pub fn count(
        &mut self,
        requests: &[Request],
        population: &Population,
        seats: &[Assigned],
        minute: u64,
        revision: u64,
        chance: &mut Rng,
    ) -> (Window, SlicedCounts) {
        let mut window = Window::at(minute, revision);
        for request in requests {
            let (Some(subject), Some(seat)) = (population.subjects.get(request.subject), seats.get(request.subject))
            else {
                continue;
            };
            let side = usize::from(seat.is_new);
            if self.conditions.is_empty.get(side).copied().unwrap_or_default() {
                continue;
            }
            let variant = if seat.is_new { Variant::New } else { Variant::Legacy };
            let seen = Seen::new(subject.sampled, variant, seat.is_compared);
            window.subjects.add(seen);
            let slice = seat.is_compared.then_some(subject.slice);
            let is_reported = self.answer(request, side, subject.sampled, slice, chance);
            if is_reported {
                self.view(&mut window, seen);
                self.browse(request, side, slice, chance);
                if seat.is_new {
                    self.report(&mut window, seen, subject.sampled, slice);
                }
            }
        }
        self.close(window)
    }

    /// What the side makes of a request; whether a browser reports of it.
    fn answer(&mut self, request: &Request, side: usize, sampled: u64, slice: Option<u8>, chance: &mut Rng) -> bool {
        let place = request.draw as usize % (self.endpoints.len() + 1);
        let is_down = self.conditions.is_down.get(side).copied().unwrap_or_default();
        let is_refused = !is_down && chance.f64() < self.error_rate(side, place, sampled);
        let [client_error, timeout, abandoned, broken] = self.others(request, side, place);
        let is_abandoned = abandoned.is_some() && !is_down;
        let is_refused = is_refused && !is_abandoned;
        let is_timeout = timeout.is_some() && !is_down && !is_abandoned;
        let is_late = is_down || is_timeout || is_refused;
        let is_client_error = client_error.is_some() && !is_late && !is_abandoned;
        let is_broken = broken.is_some() && !is_late && !is_abandoned;
        let is_error = is_late || is_broken;
        let came = Came {
            is_error,
            others: [is_client_error, is_timeout, is_abandoned, is_broken],
            is_refused: is_refused && !is_timeout,
        };
        // What comes of a healthy request is nobody's trouble.
        let is_trouble = is_client_error && client_error == Some(true) || is_abandoned && abandoned == Some(true);
        let is_rescued = is_late && side == 1 && self.has_rescue && request.is_get;
        if side == 1 {
            self.toll.on_new += 1;
            if let Some(is_exposed) = self.is_exposed.get_mut(request.subject).filter(|is_exposed| !**is_exposed) {
                *is_exposed = true;
                self.toll.exposed += 1;
            }
            let is_legacy_no_help = is_rescued && chance.f64() < self.error_rate(0, place, sampled);
            self.toll.rescued += u64::from(is_rescued);
            self.toll.failed += u64::from(is_error && !is_rescued || is_legacy_no_help || is_trouble);
        }
        let latency = if is_down { None } else { self.pick(0, side, place, chance) };
        let latency = latency.filter(|_| !is_abandoned && !is_timeout);
        let waited = self.waited.filter(|_| is_abandoned).and_then(|index| self.pick(index, side, place, chance));
        for at in [Some(0), Some(place).filter(|place| *place > 0)].into_iter().flatten() {
            if let Some(acc) = self.accs.get_mut(side).and_then(|accs| accs.get_mut(at)) {
                acc.add(request, &came, self.is_exposed.len());
                acc.rescued += u64::from(is_rescued);
                if let (Some(bucket), Some(values)) = (latency, acc.values.first_mut()) {
                    values.push(pack(bucket, slice));
                }
                if let (Some(bucket), Some(values)) = (waited, self.waited.and_then(|index| acc.values.get_mut(index)))
                {
                    values.push(pack(bucket, slice));
                }
            }
        }
        if let Some(slice) = slice {
            for asked in self
                .asked
                .iter_mut()
                .filter(|asked| asked.is_of_requests() && (asked.place == 0 || asked.place == place))
            {
                asked.add_request(
                    side,
                    slice,
                    request,
                    &came,
                    Seen::new(sampled, if side == 1 { Variant::New } else { Variant::Legacy }, true),
                );
            }
        }
        request.is_page && !is_error && !is_abandoned && !is_trouble
    }

    /// What beside an error comes of a request, in the order of [`RATES`]; of what does, whether more than
    /// the healthy share would have had it.
    fn others(&self, request: &Request, side: usize, place: usize) -> [Option<bool>; RATES.len()] {
        let mut of = 0;
        self.conditions.rates.each_ref().map(|rates| {
            let rate = rates.get(side).and_then(|rates| rates.get(place)).copied().unwrap_or_default();
            let healthy = self.healthy_rates.get(of).copied().unwrap_or_default();
            let share = request.share(of as u64);
            of += 1;
            (share < rate).then_some(share >= healthy)
        })
    }

    fn error_rate(&self, side: usize, place: usize, sampled: u64) -> f64 {
        let rate = self.conditions.errors.get(side).and_then(|rates| rates.get(place)).copied().unwrap_or_default();
        match (self.conditions.is_clustered, (sampled >> 7).is_multiple_of(CLUSTER_ONE_IN)) {
            (false, _) => rate,
            (true, true) => rate * CLUSTER_ONE_IN as f64,
            (true, false) => 0.0,
        }
    }

    fn pick(&self, measure: usize, side: usize, place: usize, chance: &mut Rng) -> Option<i16> {
        let spreads = self.spreads.get(measure)?.get(side)?;
        spreads.get(place).or_else(|| spreads.first()).map(|spread| spread.pick(chance))
    }

    /// What a page view measures in the browser.
    fn browse(&mut self, request: &Request, side: usize, slice: Option<u8>, chance: &mut Rng) {
        let place = request.draw as usize % (self.endpoints.len() + 1);
        let js_errors = chance.f64() < self.conditions.js_errors.get(side).copied().unwrap_or_default();
        for at in [Some(0), Some(place).filter(|place| *place > 0)].into_iter().flatten() {
            if let Some(acc) = self.accs.get_mut(side).and_then(|accs| accs.get_mut(at)) {
                acc.pages += 1;
                acc.failed_pages += u64::from(js_errors);
                acc.js_errors += u64::from(js_errors);
            }
        }
        for measure in (1..self.measures.len()).filter(|measure| self.waited != Some(*measure)) {
            let Some(bucket) = self.pick(measure, side, 0, chance) else { continue };
            for at in [Some(0), Some(place).filter(|place| *place > 0)].into_iter().flatten() {
                if let Some(values) = self.accs.get_mut(side).and_then(|accs| accs.get_mut(at)?.values.get_mut(measure))
                {
                    values.push(pack(bucket, slice));
                }
            }
        }
        if let Some(slice) = slice {
            for asked in self
                .asked
                .iter_mut()
                .filter(|asked| asked.of == Quantity::JsErrors && (asked.place == 0 || asked.place == place))
            {
                asked.add(side, slice, 1, u32::from(js_errors));
            }
        }
    }

    /// Somebody reports.
    fn view(&self, window: &mut Window, seen: Seen) {
        if let Some(sample) = self.view.as_ref().and_then(|view| window.event_mut(view)) {
            sample.add(seen);
        }
    }

    /// The events that a page view on new tells of.
    fn report(&mut self, window: &mut Window, seen: Seen, sampled: u64, slice: Option<u8>) {
        for (index, name) in self.events.iter().enumerate() {
            let share = self.conditions.events.get(index).copied().unwrap_or_default();
            // Who does so once does so always; for each event others do.
            let own = sampled.rotate_left(17 * (index as u32 + 1)) as f64 / u64::MAX as f64;
            if own >= share {
                continue;
            }
            if let Some(sample) = window.event_mut(name) {
                sample.add(seen);
            }
            if let Some(slice) = slice {
                let is_it = |asked: &&mut Asked| matches!(&asked.of, Quantity::Event(of) if of == name);
                self.asked.iter_mut().filter(is_it).for_each(|asked| asked.add(1, slice, 0, 1));
            }
        }
    }

    /// Lets so many different subjects on new report an event, in this window.
    pub fn reporters(
        &self,
        name: &Name,
        count: usize,
        population: &Population,
        seats: &[Assigned],
        window: &mut Window,
    ) {
        let on_new = population.subjects.iter().zip(seats).filter(|(_, seat)| seat.is_new);
        for (subject, seat) in on_new.take(count) {
            let seen = Seen::new(subject.sampled, Variant::New, seat.is_compared);
            self.view(window, seen);
            if let Some(sample) = window.event_mut(name) {
                sample.add(seen);
            }
        }
    }
}
