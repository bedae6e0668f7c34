//! What a healthy release shows to a term of a condition, as a forecast needs it: the same figures and the
//! same traffic as a simulation has.

use super::chance::share_under;
use super::healthy::{Healthy, LATENCY_SIGMA, RATES, VITAL_SIGMA};
use super::population::{PAGE_ONE_IN, WRITE_ONE_IN};
use super::traffic::WAITED;
use tidegate_decide::forecast::Expected;
use tidegate_model::condition::{Metric, Term, Vital};
use tidegate_model::measured::Quantity;
use tidegate_model::plan::Plan;

impl Healthy {
    /// What a healthy release of a plan shows to a term at so many requests an hour, were everybody on new;
    /// `None` for what is no matter of chance. Endpoints share the requests evenly.
    pub fn expected(&self, plan: &Plan, term: &Term, requests_per_hour: f64) -> Option<Expected> {
        let places = plan.endpoints.0.len() as f64 + 1.0;
        let requests = if term.endpoint.is_some() { requests_per_hour / places } else { requests_per_hour };
        let pages = requests / f64::from(PAGE_ONE_IN);
        let bound = term.bound.figure();
        let rate = |of: &Quantity| {
            RATES
                .iter()
                .position(|(own, _)| own == of)
                .and_then(|index| self.rates.get(index))
                .copied()
                .unwrap_or_default()
        };
        // A page that breaks off, or comes too late, has failed as well.
        let failing = self.error_rate + rate(&Quantity::Timeouts) + rate(&Quantity::Broken);
        let over = |median: f64, sigma: f64| {
            1.0 - share_under((bound.max(f64::MIN_POSITIVE) / median.max(f64::MIN_POSITIVE)).ln() / sigma)
        };
        let read = 1.0 - (1.0 - 1.0 / f64::from(PAGE_ONE_IN)) / f64::from(WRITE_ONE_IN);
        let (per_hour, share) = match &term.metric {
            Metric::ErrorRate | Metric::Errors => (requests, failing),
            Metric::Rescued => (requests, if plan.upstreams.is_some() { failing * read } else { 0.0 }),
            Metric::StatusRate(status) => (
                requests,
                if *status == 500 {
                    self.error_rate
                } else if *status == 404 {
                    rate(&Quantity::ClientErrors)
                } else {
                    0.0
                },
            ),
            Metric::Latency(_) => (requests, over(self.latency, LATENCY_SIGMA)),
            Metric::Waited(_) => (requests * rate(&Quantity::Abandoned), over(self.latency * WAITED, VITAL_SIGMA)),
            Metric::JsErrorRate | Metric::JsErrors => (pages, self.js_error_rate),
            Metric::Vital(vital, _) => {
                let median = Vital::ALL.iter().position(|own| own == vital).and_then(|index| self.vitals.get(index))?;
                (pages, over(*median, VITAL_SIGMA))
            }
            Metric::Timing(name, _) => {
                let (_, median) = self.timings.iter().find(|(own, _)| own == name)?;
                (pages, over(*median, VITAL_SIGMA))
            }
            metric => (requests, rate(&metric.of_requests()?)),
        };
        Some(Expected { per_hour, share, is_assumed: false })
    }
}
