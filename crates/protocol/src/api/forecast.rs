//! What chance alone will do to a rollout that is about to be started, forecast from what its legacy
//! showed in the last day: a healthy release is one like it.

use super::view::Present;
use tidegate_decide::forecast::{Basis, Expected, Forecast, JS_ERROR_RATE, PAGE_ONE_IN, forecast};
use tidegate_decide::rollout::Rollout;
use tidegate_decide::series::Span;
use tidegate_model::Name;
use tidegate_model::condition::{Metric, Term};
use tidegate_model::measured::sketch::bucket;
use tidegate_model::measured::{Tally, Window};
use tidegate_model::minute::DAY_MINUTES;
use tidegate_model::variant::Variant;

/// What was measured in less time says nothing of an hour, in minutes.
const MINUTES_MIN: u64 = 10;
/// Among fewer observations a share cannot be distinguished from none.
const OBSERVATIONS_MIN: u64 = 1_000;

/// Foretells what was measured long enough for it.
pub fn measured(present: &Present<'_>, rollout: &Rollout) -> Option<Forecast> {
    let now = present.now.minute();
    let metrics = present.deployment.metrics.get(&rollout.plan.key)?;
    let windows: Vec<&Window> = metrics.series.over(Span { revision: 0, minute: Some(now - DAY_MINUTES) }).collect();
    let since = windows.iter().map(|window| window.minute).min()?;
    let minutes = now.minutes_since(since).saturating_add(1);
    if minutes < MINUTES_MIN {
        return None;
    }
    let hours = minutes as f64 / 60.0;
    let day = Day { windows: &windows, hours };
    let requests = day.sum(Variant::Legacy, None).requests.saturating_add(day.sum(Variant::New, None).requests);
    let subjects = super::metrics::subjects_of_day(present, &rollout.plan.key).map(|sample| sample.distinct(|_| true));
    let expected = |term: &Term| day.expected(term);
    (requests > 0).then(|| {
        forecast(&rollout.plan, &Basis { requests_per_hour: requests as f64 / hours, subjects, expected: &expected })
    })
}

/// What was measured.
struct Day<'a> {
    windows: &'a [&'a Window],
    hours: f64,
}

impl Day<'_> {
    fn sum(&self, variant: Variant, endpoint: Option<&Name>) -> Tally {
        let mut sum = Tally::default();
        self.windows.iter().filter_map(|window| window.tally(variant, endpoint)).for_each(|tally| sum.merge(tally));
        sum
    }

    /// What legacy shows to a term.
    fn expected(&self, term: &Term) -> Option<Expected> {
        let endpoint = term.endpoint.as_ref();
        let (legacy, new) = (self.sum(Variant::Legacy, endpoint), self.sum(Variant::New, endpoint));
        let measure = term.metric.distribution().map(|(measure, _)| measure);
        let of = |count: &dyn Fn(&Tally) -> u64| (count(&legacy), count(&legacy).saturating_add(count(&new)));
        let ((observed, all), counted) = match (&measure, &term.metric) {
            (Some(measure), _) => {
                let edge = bucket(term.bound.figure())?;
                (
                    of(&|tally| tally.sketch(measure).map_or(0, |sketch| sketch.count())),
                    legacy.sketch(measure).map_or(0, |sketch| sketch.count_over(edge)),
                )
            }
            (None, Metric::JsErrorRate) => (of(&|tally| tally.pages), legacy.failed_pages),
            (None, Metric::JsErrors) => (of(&|tally| tally.pages), legacy.js_errors),
            (None, Metric::Errors | Metric::Rescued) => (of(&|tally| tally.requests), legacy.errors),
            (None, metric) => {
                let quantity = metric.of_requests()?;
                // Each subject counts once a minute, as in operation.
                (of(&|tally| tally.requests), legacy.count(&quantity).saturating_sub(legacy.repeats(&quantity)))
            }
        };
        if observed >= OBSERVATIONS_MIN {
            return Some(Expected {
                per_hour: all as f64 / self.hours,
                share: (counted as f64 / observed as f64).min(1.0),
                is_assumed: false,
            });
        }
        // Pages of a draft report nothing yet.
        let is_of_pages = matches!(term.metric, Metric::JsErrorRate | Metric::JsErrors) && all == 0;
        let requests = legacy.requests.saturating_add(new.requests);
        let healthy = if term.metric == Metric::JsErrorRate {
            JS_ERROR_RATE.min(term.bound.figure() / 5.0)
        } else {
            JS_ERROR_RATE
        };
        is_of_pages.then(|| Expected {
            per_hour: requests as f64 / self.hours / f64::from(PAGE_ONE_IN),
            share: healthy,
            is_assumed: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use tidegate_decide::deployment::Deployment;
    use tidegate_model::Minute;
    use tidegate_model::measured::{Measure, SlicedCounts};
    use tidegate_model::plan::set::read_rollout;

    const PLAN: &str = r#"{"key":"shop","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},
        "stage":[{"name":"canary","percentage":10,"hold":"1d"},{"name":"full","percentage":100,"hold":"1d"}],
        "guardrail":[{"when":"error_rate > 1%","then":"rollback"},{"when":"latency.p95 > 1s over 15m","then":"alert"},{"when":"js_error_rate > 2%","then":"rollback"},{"when":"lcp.p75 > 4s","then":"rollback"}]}"#;

    /// So many minutes of 300 requests to legacy, of which one or two fail and three take longer than a second.
    fn after(minutes: u64) -> Option<Forecast> {
        let plan = Rc::new(read_rollout(PLAN).unwrap_or_else(|faults| panic!("{faults:?}")));
        let start = Minute::new(30_000_000);
        let mut deployment = Deployment::default();
        deployment.rollouts.insert(Rollout::new(Rc::clone(&plan), "".into(), 0, start.start()));
        for minute in 0..minutes {
            let at = start + minute;
            let mut window = Window::at(at, 0);
            let tally = window.tally_mut(Variant::Legacy, None).unwrap();
            (tally.requests, tally.errors) = (300, 1 + minute % 2);
            let sketch = tally.sketch_mut(&Measure::Latency).unwrap();
            sketch.add(bucket(200.0).unwrap(), 297);
            sketch.add(bucket(2_000.0).unwrap(), 3);
            deployment.metrics.get_mut(&plan.key).count(window, &SlicedCounts::default(), at.start());
        }
        let present = Present {
            deployment: &deployment,
            faults: &[],
            lists: &[],
            setup: &[],
            reaches: &[],
            isolates: 0,
            now: (start + (minutes - 1)).start(),
        };
        measured(&present, deployment.rollouts.get(&plan.key)?)
    }

    #[test]
    fn legacy_s_day_tells_what_fires_by_chance() {
        let answer = after(120).unwrap();
        assert!((answer.requests_per_hour - 18_000.0).abs() < 1.0, "{answer:?}");
        // A day at 1,800 requests an hour on new, of which 0.5 % fail as on legacy.
        let [errors, latency, in_pages] = answer.alarms.as_slice() else { panic!("{answer:?}") };
        assert!(errors.is_frequent && errors.stage.as_str() == "canary" && errors.chance > 0.99, "{errors:?}");
        assert_eq!(errors.would_not.first().map(String::as_str), Some("error_rate > 1.5x legacy"));
        // 3 of the first 50 are more than 5 %.
        assert_eq!((latency.is_frequent, latency.every_hours), (false, None));
        assert_eq!(
            latency.text,
            "`latency.p95 > 1s over 15m` fires on 2.7 % of healthy releases by chance at 18,000 requests an hour, while it has few observations yet"
        );
        assert!(in_pages.is_frequent && in_pages.text.ends_with("`js_error_rate > 2% over 1h min 100` would not (no page view has been reported yet: with as many, and as few errors, as a healthy site has)"), "{in_pages:?}");
        assert_eq!(answer.unforeseen, ["lcp.p75 > 4s"], "pages of a draft do not report");
    }

    #[test]
    fn what_was_measured_for_minutes_tells_nothing() {
        assert_eq!(after(9), None);
        assert!(after(10).is_some());
    }
}
