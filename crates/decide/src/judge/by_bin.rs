//! Counts by bin: of what they are made, and what a question takes of them.

use super::comparing::{ComparisonKey, questions};
use crate::bins::{BinCounts, SideBins};
use tidegate_model::Name;
use tidegate_model::measured::{BinnedCounts, Quantity, SlicedCounts};
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;

/// Bins are counted of so many rates of a plan, those that come first in it.
const RATES_MAX: usize = 16;

/// What a plan compares of requests, and where: bins are counted of these.
pub fn rates(plan: &Plan) -> Vec<(Quantity, Option<Name>)> {
    let (guardrails, gates) = questions(plan);
    let mut rates: Vec<(Quantity, Option<Name>)> = Vec::new();
    for question in guardrails.into_iter().chain(gates) {
        let rate = question.metric.of_requests().map(|of| (of, question.endpoint));
        rates.extend(rate.filter(|rate| !rates.contains(rate)));
    }
    rates.truncate(RATES_MAX);
    rates
}

/// The exposures and events by bin of what a question is about; `None` where there are none.
pub(super) fn bins_of(question: &ComparisonKey, compared: &SlicedCounts) -> Option<SideBins> {
    let of = question.metric.of_requests()?;
    let mut bins = SideBins::default();
    for variant in [Variant::Legacy, Variant::New] {
        let side = if variant == Variant::New { &mut bins.new } else { &mut bins.legacy };
        *side = side_of(&of, question.endpoint.as_ref(), variant, compared);
    }
    let is_none = |own: &BinCounts| own.n.is_empty() && own.x.is_empty();
    let is_empty = is_none(&bins.legacy) && is_none(&bins.new);
    (!is_empty).then_some(bins)
}

/// The same of one side and of a rate.
pub fn side_of(of: &Quantity, endpoint: Option<&Name>, variant: Variant, compared: &SlicedCounts) -> BinCounts {
    let mut side = BinCounts::default();
    let is_here = |own: &&BinnedCounts| own.variant == variant && own.endpoint.as_ref() == endpoint;
    for own in compared.binned.iter().filter(is_here) {
        if own.of == Quantity::Errors {
            own.exposures.iter().for_each(|(bin, n)| side.n.add(usize::from(*bin), *n as f32));
        }
        if own.of == *of {
            own.events.iter().for_each(|(bin, x)| side.x.add(usize::from(*bin), *x as f32));
        }
    }
    side
}
