//! What comes of the requests of one step in one rollout, counted as an isolate counts it: a request once
//! for the side that was asked, everywhere and at its endpoint; and for comparisons, of each subject that
//! the hash assigned, a minute's exposure and failure at most.
//!
//! A life has millions of requests, and nothing comes of nearly all of them. So those of which nothing comes are skipped
//! together, and only mark their subjects as seen; and how long answers took, which depends on nobody, is picked when
//! the window is closed ([`closing`]).

mod buckets;
mod closing;
mod copies;
mod seen;

use fixedbitset::FixedBitSet;
use rand::RngExt as _;
use tidegate_decide::judge::adoption::VIEW;
use tidegate_decide::judge::comparing::questions;
use tidegate_model::condition::{Metric, Vital};
use tidegate_model::measured::{Measure, Quantity, Seen, Window};
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;
use tidegate_model::{Minute, Name};

use self::buckets::Buckets;
use self::seen::{Exposed, SeenSubjects};
use super::chance::{Chance, Rare, Spread};
use super::counts::{Asked, Came, Fate, Observed, Place, Rescues, Troubles};
use super::healthy::{Healthy, LATENCY_SIGMA, RATES, VALUE_SIGMA, VITAL_SIGMA, terms};
use super::population::{Assigned, Population, Request, Seats};
use super::world::Conditions;

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
    /// Those of them who stayed there when the percentage stepped down: of several times, the most.
    pub kept: u64,
}

/// The traffic of one rollout.
pub struct Traffic {
    endpoints: Vec<Name>,
    rescues: Rescues,
    /// The healthy shares of what comes of requests.
    healthy_rates: [f64; RATES.len()],
    /// What is measured as a distribution: latency first.
    measured: Vec<Measured>,
    asked: Vec<Asked>,
    /// Whether it is asked for what pages report, beside errors.
    asks_events: bool,
    /// The event of all who report, where the plan asks for it.
    view: Option<Name>,
    /// The events of the plan, and who on new reports each.
    events: Vec<(Name, FixedBitSet)>,
    conditions: Conditions,
    /// Requests of which anything may come, wherever they go and whoever's they are.
    eventful: Rare,
    /// Page views that may have a JavaScript error, likewise.
    failing: Rare,
    /// Whether it is known who reports the events under these conditions.
    has_reporters: bool,
    /// By side: what was counted elsewhere, then at each endpoint.
    places: [Vec<Place>; 2],
    /// By side: what has come of requests everywhere, then at each endpoint.
    troubles: [Vec<Troubles>; 2],
    seen: SeenSubjects,
    /// Copies of legacy's requests that comparisons may use, where a condition compares them.
    copies: Option<copies::Compared>,
    /// What has come of it.
    pub toll: Toll,
}

/// Whose request it is, and where it goes.
struct Who {
    side: usize,
    place: usize,
    /// The slice of whom comparisons may use.
    slice: Option<u8>,
}

/// A distribution that a condition is about.
struct Measured {
    of: Measure,
    /// Of what there are values.
    kind: Observed,
    /// By side: of latency for each place, of the others one.
    spreads: [Vec<Spread>; 2],
    /// At which places a comparison asks for it: the values of both sides.
    compared: Vec<(usize, [Buckets; 2])>,
}

impl Traffic {
    /// The traffic of a plan's rollout among so many subjects.
    pub fn new(plan: &Plan, healthy: &Healthy, conditions: Conditions, subjects: usize) -> Self {
        let endpoints: Vec<Name> = plan.endpoints.0.iter().map(|(name, _)| name.clone()).collect();
        let place = |endpoint: Option<&Name>| {
            endpoint.and_then(|name| endpoints.iter().position(|own| own == name)).map_or(0, |index| index + 1)
        };
        let mut measured = closing::measured(plan, healthy);
        let mut asked: Vec<Asked> = Vec::new();
        let (guardrails, gates) = questions(plan);
        for question in guardrails.iter().chain(&gates) {
            let place = place(question.endpoint.as_ref());
            let distribution = question.metric.distribution().map(|(measure, _)| measure);
            let distribution = distribution.or_else(|| question.metric.mean_of());
            if let Some(own) = measured.iter_mut().find(|own| Some(&own.of) == distribution.as_ref())
                && own.compared.iter().all(|(compared, _)| *compared != place)
            {
                own.compared.push((place, Default::default()));
            }
            let quantities = question.quantities().map(|(exposures, events)| [exposures, events]);
            for of in quantities.into_iter().flatten() {
                if !asked.iter().any(|own| own.of == of && own.place == place) {
                    asked.push(Asked::new(of, place, subjects));
                }
            }
        }
        let is_reported =
            |metric: &Metric| matches!(metric, Metric::Adoption | Metric::Event(_) | Metric::Reporters(_));
        let view = VIEW.parse().ok().filter(|_| terms(plan).any(|term| is_reported(&term.metric)));
        let nobody = FixedBitSet::with_capacity(subjects);
        let exposures = |place: usize| asked.iter().position(|own| own.of == Quantity::Errors && own.place == place);
        let of_place = |place: usize| Some((place, Exposed::new(Some(exposures(place)?), subjects)));
        let seen_at = (1..=endpoints.len()).filter_map(of_place).collect();
        let minute = Exposed::new(exposures(0), subjects);
        let asks_events = asked.iter().any(|own| matches!(own.of, Quantity::Event(_)));
        let keeps = |kind: Observed| measured.iter().any(|own| own.kind == kind && !own.compared.is_empty());
        let places = vec![Place::new(Observed::ALL.map(keeps)); endpoints.len() + 1];
        let troubles = vec![Troubles::default(); endpoints.len() + 1];
        let mut traffic = Self {
            endpoints,
            rescues: Rescues::of(plan),
            healthy_rates: healthy.rates,
            measured,
            asked,
            asks_events,
            view,
            events: healthy.events.iter().map(|(name, _)| (name.clone(), nobody.clone())).collect(),
            conditions,
            eventful: Rare::new(0.0),
            failing: Rare::new(0.0),
            has_reporters: false,
            places: [places.clone(), places],
            troubles: [troubles.clone(), troubles],
            seen: SeenSubjects {
                minute,
                places: seen_at,
                window: nobody.clone(),
                reporting: nobody.clone(),
                exposed: nobody.clone(),
                used: nobody,
            },
            copies: guardrails.iter().chain(&gates).any(|own| own.metric.is_of_shadow()).then(Vec::new),
            toll: Toll::default(),
        };
        traffic.spread();
        traffic
    }

    /// The world is another one now.
    pub fn suffer(&mut self, conditions: Conditions) {
        if self.conditions != conditions {
            self.conditions = conditions;
            self.has_reporters = false;
            self.spread();
        }
    }

    fn spread(&mut self) {
        let mut share: f64 = 0.0;
        for (side, places) in self.places.iter_mut().enumerate() {
            for (index, place) in places.iter_mut().enumerate() {
                place.fate = Fate::of(&self.conditions, side, index, self.rescues);
                share = share.max(place.fate.share_max());
            }
        }
        self.eventful = Rare::new(share.min(1.0));
        self.failing = Rare::new(self.conditions.js_errors.into_iter().fold(0.0, f64::max));
        let Conditions { latency, vitals, timings, values, .. } = &self.conditions;
        let (mut named, mut valued) = (0, 0);
        for measured in &mut self.measured {
            let medians = |side: usize| -> Vec<f64> {
                match &measured.of {
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
                    // Copies are counted by themselves.
                    Measure::ShadowLatency => Vec::new(),
                    Measure::Timing(_) => {
                        timings.get(side).and_then(|timings| timings.get(named)).copied().into_iter().collect()
                    }
                }
            };
            let sigma = match measured.of {
                Measure::Latency => LATENCY_SIGMA,
                Measure::Value(_) => VALUE_SIGMA,
                _ => VITAL_SIGMA,
            };
            let of = |side: usize| medians(side).into_iter().map(|median| Spread::around(median, sigma)).collect();
            measured.spreads = [of(0), of(1)];
            named += usize::from(matches!(measured.of, Measure::Timing(_)));
            valued += usize::from(matches!(measured.of, Measure::Value(_)));
        }
    }

    /// Finds out who on new reports each event: who does so once does so always, and for each event others do.
    fn note_reporters(&mut self, population: &Population) {
        for (index, ((_, reporters), share)) in self.events.iter_mut().zip(&self.conditions.events).enumerate() {
            reporters.clear();
            for (at, subject) in population.subjects.iter().enumerate() {
                let own = subject.sampled.rotate_left(17 * (index as u32 + 1)) as f64 / u64::MAX as f64;
                reporters.set(at, own < *share);
            }
        }
        self.has_reporters = true;
    }

    /// Counts the requests of one window, in their order.
    pub fn count(
        &mut self,
        requests: &[Request],
        population: &Population,
        seats: &mut Seats,
        minute: Minute,
        revision: u64,
        chance: &mut Chance,
    ) -> Window {
        if !self.has_reporters {
            self.note_reporters(population);
        }
        for mut rest in requests.chunk_by(|one, other| one.minute == other.minute) {
            while !rest.is_empty() {
                let quiet = self.eventful.skip(rest.len(), chance);
                let (before, from) = rest.split_at_checked(quiet).unwrap_or((rest, &[]));
                for request in before {
                    self.arrive(request, seats, chance);
                }
                let Some((request, after)) = from.split_first() else { break };
                self.perhaps(request, population, seats, chance);
                rest = after;
            }
            self.seen.window.union_with(&self.seen.minute.who);
            self.seen.minute.who.clear();
            self.seen.places.iter_mut().for_each(|(_, exposed)| exposed.who.clear());
        }
        self.close(Window::at(minute, revision), seats, chance)
    }

    /// A request comes, of which nothing comes but an answer.
    #[inline]
    fn arrive(&mut self, request: &Request, seats: &mut Seats, chance: &mut Chance) {
        let Some(who) = self.meet(request, seats) else { return };
        self.observe(Observed::Answers, &who);
        if request.is_page {
            self.browse(request, &who, chance);
        }
    }

    /// A request comes, of which something comes where the side that it goes to has as much of that as any.
    fn perhaps(&mut self, request: &Request, population: &Population, seats: &mut Seats, chance: &mut Chance) {
        let Some(who) = self.meet(request, seats) else { return };
        let sampled = population.subjects.get(request.subject as usize).map_or(0, |subject| subject.sampled);
        let share = self.place(&who).map_or(0.0, |place| place.fate.share(sampled));
        let is_well = if chance.random::<f64>() * self.eventful.share() < share {
            self.trouble(request, &who, sampled, chance)
        } else {
            self.observe(Observed::Answers, &who);
            true
        };
        if request.is_page && is_well {
            self.browse(request, &who, chance);
        }
    }

    /// Counts a request and whose it is; `None` where nobody comes.
    #[inline]
    fn meet(&mut self, request: &Request, seats: &mut Seats) -> Option<Who> {
        let Assigned { is_new, slice } = seats.of(request)?;
        let who = Who { side: usize::from(is_new), place: request.place(self.endpoints.len() + 1), slice };
        let place = self.place(&who)?;
        if place.fate.is_empty {
            return None;
        }
        place.requests += 1;
        let subject = request.subject as usize;
        self.seen.minute.meet(subject, who.side, slice);
        for (_, exposed) in self.seen.places.iter_mut().filter(|(at, _)| *at == who.place) {
            exposed.meet(subject, who.side, slice);
        }
        Some(who)
    }

    /// What comes of a request that not all is well with; whether its page reports all the same.
    fn trouble(&mut self, request: &Request, who: &Who, sampled: u64, chance: &mut Chance) -> bool {
        let is_down = self.conditions.is_down.get(who.side).copied().unwrap_or_default();
        let healthy = self.healthy_rates;
        let struck = self.place(who).filter(|_| !is_down).map(|place| place.fate.strike(sampled, &healthy, chance));
        let (is_refused, [client_error, timeout, abandoned, broken]) = struck.unwrap_or_default();
        let is_abandoned = abandoned.is_some() && !is_down;
        let is_refused = is_refused && !is_abandoned;
        let is_timeout = timeout.is_some() && !is_down && !is_abandoned;
        let is_late = is_down || is_timeout || is_refused;
        let is_client_error = client_error.is_some() && !is_late && !is_abandoned;
        let is_broken = broken.is_some() && !is_late && !is_abandoned;
        let is_error = is_late || is_broken;
        // What comes of a healthy request is nobody's trouble.
        let is_trouble = is_client_error && client_error == Some(true) || is_abandoned && abandoned == Some(true);
        let is_open = self.place(who).is_some_and(|place| place.fate.is_open());
        let is_rescued = is_late && who.side == 1 && self.rescues.covers(request.is_get, is_open);
        if who.side == 1 {
            let is_legacy_no_help = is_rescued && chance.random::<f64>() < self.legacy_error_rate(who, sampled);
            self.toll.rescued += u64::from(is_rescued);
            self.toll.failed += u64::from(is_error && !is_rescued || is_legacy_no_help || is_trouble);
        }
        if is_abandoned {
            self.observe(Observed::Abandoned, who);
        } else if !is_down && !is_timeout {
            self.observe(Observed::Answers, who);
        }
        let came = Came {
            is_error,
            others: [is_client_error, is_timeout, is_abandoned, is_broken],
            is_refused: is_refused && !is_timeout,
            is_rescued,
        };
        self.note(request, who, sampled, &came);
        !is_error && !is_abandoned && !is_trouble
    }

    /// Counts what has come of a request.
    fn note(&mut self, request: &Request, who: &Who, sampled: u64, came: &Came) {
        let subjects = self.seen.window.len();
        for at in [Some(0), Some(who.place).filter(|place| *place > 0)].into_iter().flatten() {
            if let Some(troubles) = self.troubles.get_mut(who.side).and_then(|places| places.get_mut(at)) {
                troubles.add(request, came, subjects);
            }
        }
        let Some(slice) = who.slice else { return };
        let seen = Seen::new(sampled, if who.side == 1 { Variant::New } else { Variant::Legacy }, true);
        for asked in self.asked.iter_mut().filter(|asked| asked.is_at(who.place) && asked.is_of_requests()) {
            asked.add_request(who.side, slice, request, came, seen);
        }
    }

    fn legacy_error_rate(&self, who: &Who, sampled: u64) -> f64 {
        let place = self.places.first().and_then(|places| places.get(who.place));
        place.map_or(0.0, |place| place.fate.error_rate(sampled))
    }

    /// A page whose browser reports.
    #[inline]
    fn browse(&mut self, request: &Request, who: &Who, chance: &mut Chance) {
        self.seen.reporting.insert(request.subject as usize);
        self.observe(Observed::Pages, who);
        if self.failing.comes(chance) {
            let share = self.conditions.js_errors.get(who.side).copied().unwrap_or_default();
            if chance.random::<f64>() * self.failing.share() < share {
                self.fail(who);
            }
        }
        if self.asks_events && who.side == 1 {
            self.use_new(request, who);
        }
    }

    /// A page view has a JavaScript error.
    fn fail(&mut self, who: &Who) {
        if let Some(place) = self.place(who) {
            place.js_errors += 1;
        }
        let Some(slice) = who.slice else { return };
        for asked in self.asked.iter_mut().filter(|asked| asked.of == Quantity::JsErrors && asked.is_at(who.place)) {
            asked.add(who.side, slice, 0, 1);
        }
    }

    /// A page view of new reports the events that its subject reports.
    fn use_new(&mut self, request: &Request, who: &Who) {
        let Some(slice) = who.slice else { return };
        for asked in self.asked.iter_mut().filter(|asked| asked.is_at(who.place)) {
            let Quantity::Event(name) = &asked.of else { continue };
            let reporters = self.events.iter().find(|(own, _)| own == name).map(|(_, reporters)| reporters);
            let does = reporters.is_some_and(|reporters| reporters.contains(request.subject as usize));
            asked.add(1, slice, 0, u32::from(does));
        }
    }

    /// Takes note of a value, which is picked when the window is closed.
    #[inline]
    fn observe(&mut self, kind: Observed, who: &Who) {
        if let Some(place) = self.place(who) {
            place.observe(kind, who.slice);
        }
    }

    #[inline]
    fn place(&mut self, who: &Who) -> Option<&mut Place> {
        self.places.get_mut(who.side)?.get_mut(who.place)
    }
}
