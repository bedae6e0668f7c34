//! What one rollout's world is like at a moment: the healthy one, with what the scenario does to it.

use super::chance::deviations;
use super::healthy::{Healthy, LATENCY_QUANTILE, LATENCY_SIGMA, RATES, VITAL_QUANTILE, VITAL_SIGMA};
use super::scenario::{Amount, Figure, Line, Moment, Until, What, When};
use tidegate_model::Name;
use tidegate_model::condition::Vital;
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;

/// The place of a side in a pair.
pub const fn place(side: Variant) -> usize {
    match side {
        Variant::Legacy => 0,
        Variant::New => 1,
    }
}

/// A line of the scenario that is about this rollout.
#[derive(Clone, Debug)]
pub struct Injection {
    /// The line.
    pub line: Line,
    /// When it begins, in milliseconds since the start, once that is known.
    pub from_ms: Option<i64>,
    /// When it ends.
    pub to_ms: Option<i64>,
    /// Whether it is in force, or was done.
    pub is_on: bool,
    /// Whether it is over.
    pub is_over: bool,
}

impl Injection {
    /// A line whose time is not known yet.
    pub const fn new(line: Line) -> Self {
        Self { line, from_ms: None, to_ms: None, is_on: false, is_over: false }
    }

    /// Finds out when it is; `entered` tells when a stage was first entered, `None` being the start.
    pub fn place(&mut self, entered: impl Fn(Option<&Name>) -> Option<i64>) {
        let at = |moment: &Moment| entered(moment.stage.as_ref()).map(|ms| ms.saturating_add(moment.offset_ms));
        if self.from_ms.is_none() {
            self.from_ms = at(self.line.when.begins());
        }
        if let When::Span(_, Some(until)) = &self.line.when {
            self.to_ms = match until {
                Until::At(moment) => at(moment),
                Until::For(length_ms) => self.from_ms.map(|from| from.saturating_add(*length_ms)),
            };
        }
    }

    /// Whether its time has come.
    pub fn is_due(&self, at_ms: i64) -> bool {
        self.from_ms.is_some_and(|from| from <= at_ms)
    }
}

/// What a world is like. Pairs are legacy and new.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// The share of requests that fail: by side, then elsewhere and at each endpoint.
    pub errors: [Vec<f64>; 2],
    /// The shares to which something else happens, by what that is, likewise.
    pub rates: [[Vec<f64>; 2]; RATES.len()],
    /// The share of copies that new answers otherwise than legacy.
    pub mismatches: f64,
    /// The median latency, likewise.
    pub latency: [Vec<f64>; 2],
    /// The medians of the vitals.
    pub vitals: [[f64; 5]; 2],
    /// The medians of the named timings, in the order of the healthy ones.
    pub timings: [Vec<f64>; 2],
    /// The medians of the named numbers, in the order of the healthy ones.
    pub values: [Vec<f64>; 2],
    /// The share of page views with a JavaScript error.
    pub js_errors: [f64; 2],
    /// The share of subjects on new who report each event, in the order of the healthy ones.
    pub events: Vec<f64>,
    /// What each signal reports, in the order of the healthy ones; `None` for nothing.
    pub signals: Vec<Option<f64>>,
    /// The share of each probe of new that passes, in the plan's order.
    pub probes: Vec<f64>,
    /// Sides that answer nothing.
    pub is_down: [bool; 2],
    /// Sides that nobody comes to.
    pub is_empty: [bool; 2],
    /// Whether few subjects have all of the errors.
    pub is_clustered: bool,
    /// Configuration faults.
    pub faults: u64,
}

impl Conditions {
    /// The healthy world with these things done to it, the later above the earlier.
    pub fn of<'a>(plan: &Plan, healthy: &Healthy, done: impl Iterator<Item = &'a What>) -> Self {
        let places = plan.endpoints.0.len() + 1;
        let timings: Vec<f64> = healthy.timings.iter().map(|(_, median)| *median).collect();
        let values: Vec<f64> = healthy.values.iter().map(|(_, median)| *median).collect();
        let mut conditions = Self {
            errors: [vec![healthy.error_rate; places], vec![healthy.error_rate; places]],
            rates: healthy.rates.map(|rate| [vec![rate; places], vec![rate; places]]),
            mismatches: healthy.mismatch_rate,
            latency: [vec![healthy.latency; places], vec![healthy.latency; places]],
            vitals: [healthy.vitals; 2],
            timings: [timings.clone(), timings],
            values: [values.clone(), values],
            js_errors: [healthy.js_error_rate; 2],
            events: healthy.events.iter().map(|(_, share)| *share).collect(),
            signals: healthy.signals.iter().map(|(_, value)| Some(*value)).collect(),
            probes: vec![1.0; plan.probes.len()],
            is_down: [false; 2],
            is_empty: [false; 2],
            is_clustered: false,
            faults: 0,
        };
        done.for_each(|what| conditions.suffer(plan, healthy, what));
        conditions
    }

    fn suffer(&mut self, plan: &Plan, healthy: &Healthy, what: &What) {
        let of = |list: &[(Name, f64)], name: &Name| list.iter().position(|(own, _)| own == name);
        match what {
            What::Figure { side, figure, endpoint, amount } => {
                self.figure(plan, healthy, *side, figure, endpoint.as_ref(), *amount)
            }
            What::Gauge(name, value) => set(&mut self.signals, of(&healthy.signals, name), Some(*value)),
            What::Silence(name) => set(&mut self.signals, of(&healthy.signals, name), None),
            What::Share(name, share) => set(&mut self.events, of(&healthy.events, name), *share),
            What::Probe(name, share) => {
                set(&mut self.probes, plan.probes.iter().position(|own| own.name == *name), *share);
            }
            What::Faults(count) => self.faults = *count,
            What::Down(side) => set(&mut self.is_down, Some(place(*side)), true),
            What::NoTraffic(Some(side)) => set(&mut self.is_empty, Some(place(*side)), true),
            What::NoTraffic(None) => self.is_empty = [true; 2],
            What::Clustered => self.is_clustered = true,
            What::Count(..) | What::Reporters(..) | What::ApproveAll | What::Approve(_) | What::Command(_) => {}
        }
    }

    fn figure(
        &mut self,
        plan: &Plan,
        healthy: &Healthy,
        side: Variant,
        figure: &Figure,
        endpoint: Option<&Name>,
        amount: Amount,
    ) {
        let side = place(side);
        let value = |healthy: f64, to_median: f64| match amount {
            Amount::Value(value) => value * to_median,
            Amount::Times(times) => healthy * times,
        };
        let latency = value(healthy.latency, (-deviations(LATENCY_QUANTILE) * LATENCY_SIGMA).exp());
        let of_vital = (-deviations(VITAL_QUANTILE) * VITAL_SIGMA).exp();
        let index = endpoint.and_then(|endpoint| plan.endpoints.names().position(|name| name == endpoint.as_str()));
        // Elsewhere is the first place.
        let is_meant = |place: usize| endpoint.is_none() || index == place.checked_sub(1);
        let fill = |list: &mut [Vec<f64>; 2], value: f64| {
            let places = list.get_mut(side).into_iter().flatten().enumerate();
            places.filter(|(place, _)| is_meant(*place)).for_each(|(_, own)| *own = value);
        };
        match figure {
            Figure::ErrorRate => fill(&mut self.errors, value(healthy.error_rate, 1.0).min(1.0)),
            Figure::Rate(of) => {
                let index = RATES.iter().position(|(own, _)| own == of);
                let normal = index.and_then(|index| healthy.rates.get(index)).copied().unwrap_or_default();
                if let Some(rates) = index.and_then(|index| self.rates.get_mut(index)) {
                    fill(rates, value(normal, 1.0).min(1.0));
                }
            }
            Figure::Mismatches => self.mismatches = value(healthy.mismatch_rate, 1.0).min(1.0),
            Figure::Latency => fill(&mut self.latency, latency),
            Figure::JsErrorRate => set(&mut self.js_errors, Some(side), value(healthy.js_error_rate, 1.0).min(1.0)),
            Figure::Vital(vital) => {
                let index = Vital::ALL.iter().position(|own| own == vital);
                let normal = index.and_then(|index| healthy.vitals.get(index)).copied().unwrap_or_default();
                if let Some(vitals) = self.vitals.get_mut(side) {
                    set(vitals, index, value(normal, of_vital));
                }
            }
            Figure::Value(name) => {
                let index = healthy.values.iter().position(|(own, _)| own == name);
                let normal = index.and_then(|index| healthy.values.get(index)).map_or(0.0, |(_, median)| *median);
                if let Some(values) = self.values.get_mut(side) {
                    set(values, index, value(normal, 1.0));
                }
            }
            Figure::Timing(name) => {
                let index = healthy.timings.iter().position(|(own, _)| own == name);
                let normal = index.and_then(|index| healthy.timings.get(index)).map_or(0.0, |(_, median)| *median);
                if let Some(timings) = self.timings.get_mut(side) {
                    set(timings, index, value(normal, of_vital));
                }
            }
        }
    }
}

fn set<T>(list: &mut [T], index: Option<usize>, value: T) {
    if let Some(slot) = index.and_then(|index| list.get_mut(index)) {
        *slot = value;
    }
}
