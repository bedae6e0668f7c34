//! A rollout at one moment of its simulated run, as a plot shows it: where it stood, whom it had
//! reached, and what both sides measured just before.

use serde::Serialize;

use super::healthy::LATENCY_QUANTILE;
use super::run::Simulation;
use tidegate_decide::series::{Series, Span};
use tidegate_model::measured::{Measure, Sketch};
use tidegate_model::minute::MINUTE_MS;
use tidegate_model::plan::{Guardrail, Plan};
use tidegate_model::variant::Variant;
use tidegate_model::{Minute, Name, Percentage};

/// Figures are those of the last hundredth of the time so far, which is a dot's width in a plot, but of no
/// less than guardrails look at where they do not say, and of no more than an hour.
const SPAN_SHARE: i64 = 100;
const SPAN_MS_MIN: i64 = 5 * MINUTE_MS;
const SPAN_MS_MAX: i64 = 60 * MINUTE_MS;

/// One side's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Requests.
    pub requests: u64,
    /// The share of them that failed.
    pub error_rate: Option<f64>,
    /// Their latency at p95, in milliseconds.
    pub latency_ms: Option<f64>,
}

/// A rollout at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// When, in milliseconds since the start.
    pub at_ms: i64,
    /// In which stage.
    pub stage: Name,
    /// The share of subjects on new.
    pub percentage: Percentage,
    /// Different subjects who have been on new so far.
    pub subjects_exposed: u64,
    /// Failures that their users have seen so far.
    pub requests_failed: u64,
    /// Measured on legacy.
    pub legacy: Figures,
    /// Measured on new.
    pub new: Figures,
    /// Of each of [`comparisons`], once it was looked at: how many times likelier what was seen is if new is
    /// worse than the guardrail allows, and how much of that it takes.
    pub evidence: Vec<Option<(f64, f64)>>,
}

/// A guardrail's comparison with legacy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The guardrail's index among those in force.
    pub guardrail: usize,
    /// The term's index in its condition.
    #[serde(skip)]
    term: usize,
    /// The term as it is written.
    pub text: String,
}

/// The comparisons of a plan's guardrails, in their order.
pub fn comparisons(plan: &Plan) -> Vec<Compared> {
    let of = |(guardrail, own): (usize, &Guardrail)| {
        let terms = own.when.terms.iter().enumerate().filter(|(_, term)| term.bound.is_legacy());
        terms.map(|(term, own)| Compared { guardrail, term, text: own.to_string() }).collect::<Vec<_>>()
    };
    plan.guardrails_in_force().enumerate().flat_map(of).collect()
}

impl Simulation {
    /// Where a rollout stands now; `compared` are its plan's comparisons.
    pub fn point(&self, key: &Name, compared: &[Compared]) -> Option<Point> {
        let life = self.lives.iter().find(|life| life.key == *key)?;
        let live = &self.deployment().rollouts.get(key)?.record.live;
        let metrics = self.deployment().metrics.get(key);
        let span_ms = (self.at_ms() / SPAN_SHARE).clamp(SPAN_MS_MIN, SPAN_MS_MAX).max(self.stepped_ms);
        let minute = self.now().minute() - span_ms.unsigned_abs() / MINUTE_MS.unsigned_abs();
        let figures = |variant: Variant| {
            metrics.map_or_else(Figures::default, |metrics| figures(&metrics.series, minute, variant))
        };
        let evaluation = metrics.and_then(|metrics| metrics.last.as_ref());
        let evidence = |own: &Compared| {
            let figure = evaluation?.guardrails.get(own.guardrail)?.figures.get(own.term)?;
            figure.e_value.zip(figure.e_needed)
        };
        Some(Point {
            at_ms: self.at_ms(),
            stage: live.stage.clone(),
            percentage: live.percentage,
            subjects_exposed: life.traffic.toll.exposed,
            requests_failed: life.traffic.toll.failed,
            legacy: figures(Variant::Legacy),
            new: figures(Variant::New),
            evidence: compared.iter().map(evidence).collect(),
        })
    }
}

fn figures(series: &Series, minute: Minute, variant: Variant) -> Figures {
    let (mut requests, mut errors, mut latency) = (0, 0, Sketch::default());
    for tally in
        series.over(Span { revision: 0, minute: Some(minute) }).filter_map(|window| window.tally(variant, None))
    {
        requests += tally.requests;
        errors += tally.errors;
        if let Some(own) = tally.sketch(&Measure::Latency) {
            latency.merge(own);
        }
    }
    let error_rate = (requests > 0).then(|| errors as f64 / requests as f64);
    Figures { requests, error_rate, latency_ms: latency.quantile(LATENCY_QUANTILE) }
}
