//! What has been counted of a window, before it becomes one.

use rand::RngExt as _;
use tidegate_model::measured::sliced::SLICES;
use tidegate_model::measured::{Quantity, Sample, Seen, Tally};
use tidegate_model::plan::{Breaker, Plan, Rescue};

use super::chance::Chance;
use super::healthy::RATES;
use super::population::Request;
use super::world::Conditions;

/// Where errors cluster, one in so many subjects has all of them.
const CLUSTER_ONE_IN: u64 = 20;

/// Of what a distribution has values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Requests that were answered.
    Answers,
    /// Page views whose browsers reported.
    Pages,
    /// Requests whose clients gave up.
    Abandoned,
}

impl Observed {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Answers, Self::Pages, Self::Abandoned];
}

/// What was counted of a side at one place: elsewhere, or at an endpoint.
#[derive(Clone, Debug)]
pub struct Place {
    /// Requests.
    pub requests: u64,
    /// JavaScript errors.
    pub js_errors: u64,
    /// What may come of requests here.
    pub fate: Fate,
    /// In the order of [`Observed::ALL`].
    values: [Values; Observed::ALL.len()],
}

/// What may come of requests to a side at one place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    /// Nobody comes.
    pub is_empty: bool,
    /// Nothing is answered.
    is_down: bool,
    /// Whether a breaker keeps its requests from it.
    is_open: bool,
    /// The share that fails.
    errors: f64,
    /// Whether few subjects have all of the failures.
    is_clustered: bool,
    /// The shares of what else may come of them, in the order of [`RATES`].
    rates: [f64; RATES.len()],
}

impl Fate {
    /// Under these conditions.
    pub fn of(conditions: &Conditions, side: usize, place: usize, rescues: Rescues) -> Self {
        let of =
            |pair: &[Vec<f64>; 2]| pair.get(side).and_then(|places| places.get(place)).copied().unwrap_or_default();
        let is_down = conditions.is_down.get(side).copied().unwrap_or_default();
        let errors = of(&conditions.errors);
        let is_open = side == 1 && rescues.breaker != Breaker::Off && (is_down || errors >= BREAKER_SHARE);
        Self {
            is_empty: conditions.is_empty.get(side).copied().unwrap_or_default(),
            is_down,
            is_open,
            errors,
            is_clustered: conditions.is_clustered,
            rates: conditions.rates.each_ref().map(of),
        }
    }

    /// Whether a breaker keeps its requests from it.
    pub const fn is_open(&self) -> bool {
        self.is_open
    }

    /// The share of a subject's requests that fails.
    pub const fn error_rate(&self, sampled: u64) -> f64 {
        self.error_rate_of((sampled >> 7).is_multiple_of(CLUSTER_ONE_IN))
    }

    const fn error_rate_of(&self, is_hit: bool) -> f64 {
        match (self.is_clustered, is_hit) {
            // What is kept from it counts as failed.
            _ if self.is_open => 1.0,
            (false, _) => self.errors,
            (true, true) => self.errors * CLUSTER_ONE_IN as f64,
            (true, false) => 0.0,
        }
    }

    /// The share of requests of which anything comes, at the most: whoever's they are.
    pub fn share_max(&self) -> f64 {
        if self.is_empty { 0.0 } else { self.any(self.error_rate_of(true)) }
    }

    /// The share of a subject's requests of which anything comes.
    pub fn share(&self, sampled: u64) -> f64 {
        if self.is_empty { 0.0 } else { self.any(self.error_rate(sampled)) }
    }

    fn any(&self, error_rate: f64) -> f64 {
        let well = self.rates.iter().fold(1.0 - error_rate.min(1.0), |well, rate| well * (1.0 - rate));
        if self.is_down { 1.0 } else { 1.0 - well }
    }

    /// What comes of a subject's request of which anything does, each thing by its own share and independent of the
    /// others: whether it fails, and what else; of what else, whether more than these shares would have had it.
    pub fn strike(
        &self,
        sampled: u64,
        healthy: &[f64; RATES.len()],
        chance: &mut Chance,
    ) -> (bool, [Option<bool>; RATES.len()]) {
        // Of what is asked about and all after it, the share of which anything comes; `None` once something has.
        let mut rest = Some(self.share(sampled));
        let mut comes = |rate: f64, chance: &mut Chance| {
            let has_come = chance.random::<f64>() < rest.map_or(rate, |rest| rate / rest);
            rest = rest.filter(|_| !has_come).map(|rest| 1.0 - (1.0 - rest) / (1.0 - rate));
            has_come
        };
        let is_refused = comes(self.error_rate(sampled).min(1.0), chance);
        let mut others = [None; RATES.len()];
        for ((own, rate), healthy) in others.iter_mut().zip(self.rates).zip(healthy) {
            if rate > 0.0 && comes(rate, chance) {
                *own = Some(chance.random::<f64>() * rate >= *healthy);
            }
        }
        (is_refused, others)
    }
}

/// The share of failures at which a breaker opens. How many answers it takes is less than a simulated minute has.
const BREAKER_SHARE: f64 = 0.5;

/// Which requests to new legacy answers.
#[derive(Clone, Copy, Debug)]
pub struct Rescues {
    is_on: bool,
    breaker: Breaker,
}

impl Rescues {
    /// By the plan.
    pub fn of(plan: &Plan) -> Self {
        let upstreams = plan.upstreams.as_ref().filter(|upstreams| upstreams.rescue != Rescue::Off);
        Self { is_on: upstreams.is_some(), breaker: upstreams.map_or(Breaker::Off, |upstreams| upstreams.breaker) }
    }

    /// Whether legacy answers a request that fails, with the breaker open or not.
    pub fn covers(&self, is_get: bool, is_open: bool) -> bool {
        self.is_on && (is_get || (is_open && self.breaker == Breaker::On))
    }
}

/// So many values, which nobody has picked yet.
#[derive(Clone, Debug)]
pub struct Values {
    /// How many there are in each slice of whom comparisons may use, and behind them of all others.
    counts: [u32; OTHERS + 1],
    /// Whether a comparison asks for it.
    is_compared: bool,
}

/// Behind the slices.
const OTHERS: usize = SLICES as usize;

impl Values {
    const fn new(is_compared: bool) -> Self {
        Self { counts: [0; OTHERS + 1], is_compared }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// How many there are of which it is all the same whose they are: where no comparison asks for it, all.
    pub fn others(&self) -> u32 {
        let others = self.counts.get(OTHERS).copied().unwrap_or_default();
        if self.is_compared { others } else { self.counts.iter().sum() }
    }

    /// How many there are of the rest in each slice that has any.
    pub fn compared(&self) -> impl Iterator<Item = (u8, u32)> {
        self.slices().filter(|_| self.is_compared)
    }

    /// How many there are in each slice that has any.
    pub fn slices(&self) -> impl Iterator<Item = (u8, u32)> {
        (0..SLICES).zip(self.counts).filter(|(_, count)| *count > 0)
    }
}

impl Place {
    /// Nothing yet; `is_compared` tells what comparisons ask for.
    pub fn new(is_compared: [bool; Observed::ALL.len()]) -> Self {
        Self { requests: 0, js_errors: 0, fate: Fate::default(), values: is_compared.map(Values::new) }
    }

    /// Adds a value.
    #[inline]
    pub fn observe(&mut self, of: Observed, slice: Option<u8>) {
        let [answers, pages, abandoned] = &mut self.values;
        let values = match of {
            Observed::Answers => answers,
            Observed::Pages => pages,
            Observed::Abandoned => abandoned,
        };
        if let Some(own) = values.counts.get_mut(slice.map_or(OTHERS, usize::from)) {
            *own += 1;
        }
    }

    /// The values of this kind.
    pub const fn values(&self, of: Observed) -> &Values {
        let [answers, pages, abandoned] = &self.values;
        match of {
            Observed::Answers => answers,
            Observed::Pages => pages,
            Observed::Abandoned => abandoned,
        }
    }

    /// Page views that reported.
    pub fn pages(&self) -> u64 {
        self.values(Observed::Pages).count()
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        (self.requests, self.js_errors) = (0, 0);
        self.values.iter_mut().for_each(|values| values.counts.fill(0));
    }
}

/// What has come of the requests to a side, everywhere or at one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    /// Requests that failed.
    errors: u64,
    /// What else came of them, in the order of [`RATES`].
    others: [u64; RATES.len()],
    /// Those that were answered with a 500.
    refused: u64,
    /// Those of them that legacy answered.
    rescued: u64,
    /// Of what came of them: how much had the same subject and minute as another.
    repeats: Vec<(Quantity, u64)>,
    /// Of what came of them: the minute in which that came of each subject's requests last.
    last: Vec<(Quantity, Vec<u32>)>,
}

impl Troubles {
    /// Adds what came of a request, of one of so many subjects.
    pub fn add(&mut self, request: &Request, came: &Came, subjects: usize) {
        self.rescued += u64::from(came.is_rescued);
        for of in came.of() {
            let count = match &of {
                Quantity::Errors => Some(&mut self.errors),
                Quantity::Status(500) => Some(&mut self.refused),
                _ => RATES.iter().position(|(own, _)| *own == of).and_then(|index| self.others.get_mut(index)),
            };
            if let Some(count) = count {
                *count += 1;
            }
            let index = self.last.iter().position(|(own, _)| *own == of).unwrap_or_else(|| {
                self.last.push((of.clone(), vec![0; subjects]));
                self.last.len() - 1
            });
            let last = self.last.get_mut(index).and_then(|(_, minutes)| minutes.get_mut(request.subject as usize));
            if last.is_some_and(|last| std::mem::replace(last, request.minute) == request.minute) {
                match self.repeats.iter_mut().find(|(own, _)| *own == of) {
                    Some((_, count)) => *count += 1,
                    None => self.repeats.push((of, 1)),
                }
            }
        }
    }

    /// Puts what was counted into a tally, and starts over.
    pub fn close(&mut self, tally: &mut Tally) {
        (tally.errors, tally.rescued) = (self.errors, self.rescued);
        for ((of, _), count) in RATES.iter().zip(self.others) {
            if let Some(own) = tally.count_mut(of) {
                *own = count;
            }
        }
        for (status, count) in [(404, tally.client_errors), (500, self.refused)] {
            if count > 0 {
                tally.add_status(status, count);
            }
        }
        for (of, count) in self.repeats.drain(..) {
            tally.add_repeats(&of, count);
        }
        *self = Self { last: std::mem::take(&mut self.last), ..Self::default() };
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Came {
    /// It failed.
    pub is_error: bool,
    /// What else, in the order of [`RATES`].
    pub others: [bool; RATES.len()],
    /// It was answered with a 500.
    pub is_refused: bool,
    /// Legacy answered it.
    pub is_rescued: bool,
}
impl Came {
    /// Each of them.
    fn of(self) -> impl Iterator<Item = Quantity> {
        let others = RATES.iter().zip(self.others).filter(|(_, has_come)| *has_come).map(|((of, _), _)| of.clone());
        let [is_client_error, ..] = self.others;
        let statuses = [(self.is_refused, 500), (is_client_error, 404)]
            .into_iter()
            .filter(|(has_come, _)| *has_come)
            .map(|(_, status)| Quantity::Status(status));
        self.is_error.then_some(Quantity::Errors).into_iter().chain(others).chain(statuses)
    }

    /// Whether this is among them.
    pub fn has(self, wanted: &Quantity) -> bool {
        self.of().any(|of| of == *wanted)
    }
}

/// A rate that a comparison asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What happens.
    pub of: Quantity,
    /// Everywhere, or the endpoint of this index.
    pub place: usize,
    /// The minute in which it came of each subject's requests last.
    last: Vec<u32>,
    /// By side and slice: exposures and events.
    pub slices: [Vec<(u32, u32)>; 2],
    /// Of whose requests it came, on either side.
    pub who: Sample,
}

impl Asked {
    /// Nothing yet, of so many subjects.
    pub fn new(of: Quantity, place: usize, subjects: usize) -> Self {
        let slices = vec![(0, 0); usize::from(SLICES)];
        Self { of, place, last: vec![0; subjects], slices: [slices.clone(), slices], who: Sample::EMPTY }
    }

    /// Whether it is something that comes of requests.
    pub const fn is_of_requests(&self) -> bool {
        !matches!(self.of, Quantity::JsErrors | Quantity::Event(_))
    }

    /// Whether it is asked for of this place, alone or with all others.
    pub const fn is_at(&self, place: usize) -> bool {
        self.place == 0 || self.place == place
    }

    /// Adds what came of a request of a subject, which is one event a minute at most. (Whatever comes of requests has
    /// the exposures of errors, which are added when the minute is over.)
    pub fn add_request(&mut self, side: usize, slice: u8, request: &Request, came: &Came, seen: Seen) {
        if !came.has(&self.of) {
            return;
        }
        let last = self.last.get_mut(request.subject as usize);
        if last.is_some_and(|last| std::mem::replace(last, request.minute) != request.minute) {
            self.add(side, slice, 0, 1);
            if self.place == 0 {
                self.who.add(seen);
            }
        }
    }

    /// Adds exposures and events of a slice.
    pub fn add(&mut self, side: usize, slice: u8, n: u32, x: u32) {
        if let Some((exposures, events)) =
            self.slices.get_mut(side).and_then(|slices| slices.get_mut(usize::from(slice)))
        {
            *exposures += n;
            *events += x;
        }
    }
}
