//! What a healthy world measures: figures under which every gate of a plan can pass and no guardrail
//! fires, taken from the plan's own conditions. Legacy has the same, so new is as good as legacy.
//!
//! Where the plan says nothing, these: 0.02 % of requests fail and 0.5 % are answered with a 4xx. Where a
//! condition is about it, 0.2 % are given up by their clients, and 0.05 % time out or break; else nobody
//! gives up, and nothing times out or breaks. 0.2 % of page views have a JavaScript error, latency is 300 ms at p95; LCP 1.8 s, FCP 1.1 s, CLS 0.05, INP 150 ms, TTFB 400 ms and every
//! named timing 2 s at p75. A number that pages report is like a level from outside. A bound moves them: errors to a fifth of it, times to seven tenths. A level
//! from outside lies at half of what it must stay under, or a tenth over what it must exceed (halfway
//! to 100 % for a share).

use super::chance::deviations;
use tidegate_decide::forecast::JS_ERROR_RATE;
use tidegate_decide::judge::adoption::OPTED_OUT;
use tidegate_model::Name;
use tidegate_model::condition::{Bound, Metric, Op, Term, Vital};
use tidegate_model::measured::Quantity;
use tidegate_model::plan::Plan;
use tidegate_model::plan::words::SignalKind;

/// How much latencies spread: the standard deviation of their logarithm. p95 is 2.1 times the median.
pub const LATENCY_SIGMA: f64 = 0.45;
/// The same of what browsers measure: p75 is 1.27 times the median.
pub const VITAL_SIGMA: f64 = 0.35;
/// The same of numbers that pages report: p95 is 1.18 times the median.
pub const VALUE_SIGMA: f64 = 0.1;
/// The quantile that a figure of latency means where none is named, in thousandths.
pub const LATENCY_QUANTILE: u16 = 950;
/// The same of what browsers measure.
pub const VITAL_QUANTILE: u16 = 750;

const ERROR_RATE: f64 = 0.000_2;
/// What comes of requests beside errors, and of which share.
pub const RATES: [(Quantity, f64); 4] = [
    (Quantity::ClientErrors, 0.005),
    (Quantity::Timeouts, 0.000_5),
    (Quantity::Abandoned, 0.002),
    (Quantity::Broken, 0.000_5),
];
const LATENCY_MS: f64 = 300.0;
const TIMING_MS: f64 = 2_000.0;
/// The share of subjects who use what the plan wants to see used.
const ADOPTION: f64 = 0.995;
/// The share of subjects on new who report what the plan counts reporters of.
const REPORTERS: f64 = 0.5;

/// The share of subjects on new who choose to go back.
const OPT_OUTS: f64 = 0.005;

/// The healthy figures of one rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Healthy {
    /// The share of requests that fail.
    pub error_rate: f64,
    /// The shares of requests to which something else happens, in the order of [`RATES`].
    pub rates: [f64; RATES.len()],
    /// The share of page views with a JavaScript error.
    pub js_error_rate: f64,
    /// The median of latency, in milliseconds.
    pub latency: f64,
    /// The medians of the web vitals, in the order of [`Vital::ALL`].
    pub vitals: [f64; 5],
    /// The medians of the timings that the plan names.
    pub timings: Vec<(Name, f64)>,
    /// The medians of the numbers of pages that the plan names.
    pub values: Vec<(Name, f64)>,
    /// Events that the plan names, each with the share of subjects on new who report it.
    pub events: Vec<(Name, f64)>,
    /// What the plan's signals report: the value of a level, or how many events an hour.
    pub signals: Vec<(Name, f64)>,
}

/// What the conditions of a plan leave open for a figure.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: Option<f64>,
    high: Option<f64>,
    /// Whether a bound is a share.
    is_share: bool,
}

impl Healthy {
    /// The healthy figures of a plan that sees so many requests an hour.
    pub fn of(plan: &Plan, requests_per_hour: f64) -> Self {
        let errors = |wanted: fn(&Metric) -> bool| range(plan, |metric| wanted(metric).then_some(1.0)).high;
        // So few that a counted bound is hardly ever reached, whatever is counted in.
        let requests: f64 = requests_per_hour * hours_on_new(plan).max(1.0);
        let rate = |default: f64, share: Option<f64>, count: Option<f64>| {
            let by_share = share.map_or(default, |high| default.min(high * 0.2));
            count.map_or(by_share, |high| by_share.min(high * 0.02 / requests))
        };
        let latency = range(plan, |metric| match metric {
            Metric::Latency(quantile) => Some((-deviations(quantile.per_mille()) * LATENCY_SIGMA).exp()),
            _ => None,
        });
        let at = |ms: f64, quantile: u16, sigma: f64| ms * (-deviations(quantile) * sigma).exp();
        let vitals = Vital::ALL.map(|vital| {
            let healthy = match vital {
                Vital::Lcp => 1_800.0,
                Vital::Fcp => 1_100.0,
                Vital::Cls => 0.05,
                Vital::Inp => 150.0,
                Vital::Ttfb => 400.0,
            };
            let range = range(plan, |metric| match metric {
                Metric::Vital(own, quantile) if *own == vital => {
                    Some((-deviations(quantile.per_mille()) * VITAL_SIGMA).exp())
                }
                _ => None,
            });
            time(at(healthy, VITAL_QUANTILE, VITAL_SIGMA), range)
        });
        Self {
            error_rate: rate(
                ERROR_RATE,
                errors(|metric| *metric == Metric::ErrorRate),
                errors(|metric| matches!(metric, Metric::Errors | Metric::Rescued)),
            ),
            rates: RATES.map(|(of, default)| {
                if of == Quantity::ClientErrors || is_asked(plan, &of) { rate_of(plan, &of, default) } else { 0.0 }
            }),
            js_error_rate: rate(
                JS_ERROR_RATE,
                errors(|metric| *metric == Metric::JsErrorRate),
                errors(|metric| *metric == Metric::JsErrors),
            ),
            latency: time(at(LATENCY_MS, LATENCY_QUANTILE, LATENCY_SIGMA), latency),
            vitals,
            timings: timings(plan),
            values: values(plan),
            events: events(plan),
            signals: signals(plan),
        }
    }
}

/// Whether a condition of a plan is about something that comes of requests.
pub fn is_asked(plan: &Plan, of: &Quantity) -> bool {
    terms(plan).any(|term| match &term.metric {
        Metric::Waited(_) => *of == Quantity::Abandoned,
        metric => metric.of_requests().as_ref() == Some(of),
    })
}

fn rate_of(plan: &Plan, of: &Quantity, default: f64) -> f64 {
    let range = range(plan, |metric| (metric.of_requests().as_ref() == Some(of)).then_some(1.0));
    range.high.map_or(default, |high| default.min(high * 0.2))
}

/// All terms of a plan's conditions.
pub fn terms(plan: &Plan) -> impl Iterator<Item = &Term> {
    let gates = (0..plan.stages.len()).flat_map(|index| plan.gates_in_force(index)).map(|gate| &gate.when);
    gates.chain(plan.guardrails_in_force().map(|guardrail| &guardrail.when)).flat_map(|condition| &condition.terms)
}

/// For how many hours everybody would have to be on new to see as much of it as the plan's holds do,
/// twice over for what is waited beside them.
fn hours_on_new(plan: &Plan) -> f64 {
    let share = |limit: u32| f64::from(limit) / f64::from(tidegate_model::percentage::BUCKETS);
    2.0 * plan
        .stages
        .iter()
        .map(|stage| {
            share(stage.percentage.limit()) * stage.hold.map_or(24.0, |hold| hold.as_ms() as f64 / 3_600_000.0)
        })
        .sum::<f64>()
}

/// What gates and guardrails leave open. `factor` tells of which metrics, and what each bound is
/// multiplied by. Of a guardrail with several comparisons one that is false is enough: the first.
fn range(plan: &Plan, factor: impl Fn(&Metric) -> Option<f64>) -> Range {
    let mut range = Range { low: None, high: None, is_share: false };
    let gates =
        plan.stages.iter().flat_map(|stage| &stage.gates).flat_map(|gate| &gate.when.terms).map(|term| (term, term.op));
    let contrary = |op: Op| match op {
        Op::Less => Op::AtLeast,
        Op::AtMost => Op::More,
        Op::More | Op::Equal => Op::AtMost,
        Op::AtLeast => Op::Less,
    };
    let guardrails = plan
        .guardrails
        .iter()
        .filter_map(|guardrail| guardrail.when.terms.first())
        .map(|term| (term, contrary(term.op)));
    for (term, op) in gates.chain(guardrails).filter(|(term, _)| !term.bound.is_legacy()) {
        let Some(factor) = factor(&term.metric) else { continue };
        let bound = term.bound.figure() * factor;
        range.is_share |= matches!(term.bound, Bound::Percent(_));
        if matches!(op, Op::Less | Op::AtMost | Op::Equal) {
            range.high = Some(range.high.map_or(bound, |high| high.min(bound)));
        }
        if matches!(op, Op::More | Op::AtLeast | Op::Equal) {
            range.low = Some(range.low.map_or(bound, |low| low.max(bound)));
        }
    }
    range
}

/// A time that lies well under what the plan allows.
fn time(default: f64, range: Range) -> f64 {
    let under = range.high.map_or(default, |high| default.min(high * 0.7));
    range.low.map_or(under, |low| under.max(low * 1.1))
}

/// A level that lies well inside.
fn level(range: Range) -> f64 {
    match (range.low, range.high) {
        (None, None) => 0.0,
        (Some(low), Some(high)) => f64::midpoint(low, high),
        (None, Some(high)) => high * 0.5,
        (Some(low), None) if range.is_share && low < 1.0 => f64::midpoint(low, 1.0),
        (Some(low), None) => low + low.abs().max(1.0) * 0.1,
    }
}

fn named<T: PartialEq>(list: &mut Vec<T>, thing: T) {
    if !list.contains(&thing) {
        list.push(thing);
    }
}

fn timings(plan: &Plan) -> Vec<(Name, f64)> {
    let mut names: Vec<Name> = Vec::new();
    for term in terms(plan) {
        if let Metric::Timing(name, _) = &term.metric {
            named(&mut names, name.clone());
        }
    }
    let default = TIMING_MS * (-deviations(VITAL_QUANTILE) * VITAL_SIGMA).exp();
    let of = |name: &Name| {
        range(plan, |metric| match metric {
            Metric::Timing(own, quantile) if own == name => {
                Some((-deviations(quantile.per_mille()) * VITAL_SIGMA).exp())
            }
            _ => None,
        })
    };
    names.into_iter().map(|name| (name.clone(), time(default, of(&name)))).collect()
}

fn values(plan: &Plan) -> Vec<(Name, f64)> {
    let mut names: Vec<Name> = Vec::new();
    for term in terms(plan) {
        if let Metric::ValueMean(name) | Metric::Value(name, _) = &term.metric {
            named(&mut names, name.clone());
        }
    }
    let of = |name: &Name| {
        range(plan, |metric| match metric {
            Metric::ValueMean(own) if own == name => Some(1.0),
            Metric::Value(own, quantile) if own == name => {
                Some((-deviations(quantile.per_mille()) * VALUE_SIGMA).exp())
            }
            _ => None,
        })
    };
    names.into_iter().map(|name| (name.clone(), level(of(&name)))).collect()
}

/// Events that the plan wants to see are reported by most; those that it does not, by nobody.
fn events(plan: &Plan) -> Vec<(Name, f64)> {
    let mut names: Vec<Name> = Vec::new();
    for term in terms(plan) {
        match &term.metric {
            Metric::Event(name) | Metric::Reporters(name) => named(&mut names, name.clone()),
            Metric::OptOutRate => {
                if let Ok(out) = OPTED_OUT.parse() {
                    named(&mut names, out);
                }
            }
            Metric::Adoption => {
                if let Ok(used) = "used".parse() {
                    named(&mut names, used);
                }
            }
            _ => {}
        }
    }
    let share = |name: &Name| {
        if name.as_str() == OPTED_OUT {
            return rate_of_opt_outs(plan);
        }
        let wanted = range(plan, |metric| match metric {
            Metric::Event(own) if own == name => Some(1.0),
            Metric::Adoption if name.as_str() == "used" => Some(1.0),
            _ => None,
        });
        let counted =
            range(
                plan,
                |metric| if matches!(metric, Metric::Reporters(own) if own == name) { Some(1.0) } else { None },
            );
        let adopted = wanted.low.map(|_| ADOPTION);
        let reported = counted.low.filter(|low| *low > 0.0).map(|_| REPORTERS);
        adopted.or(reported).unwrap_or(0.0)
    };
    names.into_iter().map(|name| (name.clone(), share(&name))).collect()
}

/// Some go back from whatever is new, and fewer where the plan wants fewer.
fn rate_of_opt_outs(plan: &Plan) -> f64 {
    let range = range(plan, |metric| (*metric == Metric::OptOutRate).then_some(1.0));
    range.high.map_or(OPT_OUTS, |high| OPT_OUTS.min(high * 0.2))
}

fn signals(plan: &Plan) -> Vec<(Name, f64)> {
    let healthy = |name: &Name, kind: SignalKind| {
        let range =
            range(plan, |metric| if matches!(metric, Metric::Signal(own) if own == name) { Some(1.0) } else { None });
        match kind {
            SignalKind::Gauge => level(range),
            SignalKind::Count => range.low.filter(|low| *low > 0.0).map_or(0.0, |low| low + 1.0),
        }
    };
    plan.signals.0.iter().map(|(name, signal)| (name.clone(), healthy(name, signal.kind))).collect()
}
