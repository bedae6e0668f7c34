//! What a plan's conditions need others to report, and what of it nobody ever has.
//!
//! Requests are counted here; events, timings, web vitals and JavaScript errors come from pages that load
//! the beacon, and signals from other programs. A condition on a name that nobody reports says nothing,
//! and a misspelt name looks like that.

use std::fmt;

use super::judge::adoption::VIEW;
use super::metrics::RolloutMetrics;
use tidegate_model::condition::{Metric, Vital};
use tidegate_model::measured::{Measure, Window};
use tidegate_model::plan::Plan;
use tidegate_model::variant::Variant;
use tidegate_model::{Name, serialize_as_text};

/// The event that a page reports when its visitor has used what is new.
const USED: &str = "used";

/// Something that others report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reported {
    /// An event of pages.
    Event(Name),
    /// That visitors have used what is new: `adoption` counts them.
    Used,
    /// A timing of pages.
    Timing(Name),
    /// A number of pages.
    Value(Name),
    /// A web vital.
    Vital(Vital),
    /// Page views, and their JavaScript errors.
    Pages,
    /// A signal of the plan.
    Signal(Name),
}

impl Reported {
    fn of(metric: &Metric) -> Option<Self> {
        Some(match metric {
            Metric::Event(name) | Metric::Reporters(name) => Self::Event(name.clone()),
            Metric::Adoption => Self::Used,
            Metric::Timing(name, _) => Self::Timing(name.clone()),
            Metric::ValueMean(name) | Metric::Value(name, _) => Self::Value(name.clone()),
            Metric::Vital(vital, _) => Self::Vital(*vital),
            Metric::JsErrorRate | Metric::JsErrors => Self::Pages,
            Metric::Signal(name) => Self::Signal(name.clone()),
            _ => return None,
        })
    }

    /// Whether pages report it, through the beacon.
    pub const fn is_from_pages(&self) -> bool {
        !matches!(self, Self::Signal(_))
    }

    fn is_in(&self, window: &Window) -> bool {
        let has_event =
            |name: &str| window.events.iter().any(|(own, sample)| own.as_str() == name && !sample.is_empty());
        let has_measure = |measure: &Measure| window.sides.iter().any(|(_, tally)| tally.sketch(measure).is_some());
        match self {
            Self::Event(name) => has_event(name.as_str()),
            Self::Used => has_event(USED),
            Self::Timing(name) => has_measure(&Measure::Timing(name.clone())),
            Self::Value(name) => has_measure(&Measure::Value(name.clone())),
            Self::Vital(vital) => has_measure(&Measure::Vital(*vital)),
            Self::Pages => {
                has_event(VIEW)
                    || [Variant::Legacy, Variant::New]
                        .into_iter()
                        .any(|variant| window.tally(variant, None).is_some_and(|tally| tally.pages > 0))
            }
            Self::Signal(_) => false,
        }
    }
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(name) => write!(f, "event.{name}"),
            Self::Used => write!(f, "event.{USED} (adoption)"),
            Self::Timing(name) => write!(f, "timing.{name}"),
            Self::Value(name) => write!(f, "value.{name}"),
            Self::Vital(vital) => write!(f, "{vital}"),
            Self::Pages => f.write_str("JavaScript errors"),
            Self::Signal(name) => write!(f, "signal.{name}"),
        }
    }
}

serialize_as_text!(Reported);

/// What a plan's gates and guardrails need others to report, each once: what pages do, then signals.
pub fn relied_on(plan: &Plan) -> Vec<Reported> {
    let gates = plan.stages.iter().flat_map(|stage| &stage.gates).map(|gate| &gate.when);
    let conditions = gates.chain(plan.guardrails_in_force().map(|guardrail| &guardrail.when));
    let mut all: Vec<Reported> = Vec::new();
    for reported in conditions.flat_map(|condition| &condition.terms).filter_map(|term| Reported::of(&term.metric)) {
        if !all.contains(&reported) {
            all.push(reported);
        }
    }
    all.sort_by_key(|reported| !reported.is_from_pages());
    all
}

/// What of it nobody has reported in all the time that is remembered.
pub fn never_reported(plan: &Plan, metrics: Option<&RolloutMetrics>) -> Vec<Reported> {
    let mut all = relied_on(plan);
    if let Some(metrics) = metrics {
        all.retain(|reported| match reported {
            Reported::Signal(name) => metrics.signals.last(name.as_str()).is_none(),
            reported => !metrics.series.iter().any(|window| reported.is_in(window)),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::{Seen, SlicedCounts};
    use tidegate_model::plan::set::read_rollout;
    use tidegate_model::{Instant, Minute};

    const PLAN: &str = r#"{"key":"a","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},"signals":{"p1":{"kind":"count"}},
        "stage":[{"name":"half","percentage":50,"hold":"1h","gates":["signal.p1 = 0 over stage","reporters.order >= 5 over stage","event.order > 1% over stage","timing.tti.p75 < 2s"]},{"name":"full","percentage":100,"hold":"1h"}],
        "guardrail":[{"when":"js_error_rate > legacy","then":"rollback"},{"when":"errors > 5 and lcp.p75 > 4s","then":"alert"}]}"#;

    fn texts(all: &[Reported]) -> Vec<String> {
        all.iter().map(Reported::to_string).collect()
    }

    #[test]
    fn each_thing_is_named_once_and_no_more_once_somebody_reports_it() {
        let plan = read_rollout(PLAN).unwrap_or_else(|faults| panic!("{faults:?}"));
        let all = ["event.order", "timing.tti", "JavaScript errors", "lcp", "signal.p1"];
        assert_eq!(texts(&relied_on(&plan)), all);
        assert_eq!(texts(&never_reported(&plan, None)), all);
        let now = Instant::from_epoch_ms(1_800_000_000_000);
        let mut metrics = RolloutMetrics::default();
        metrics.signals.report("p1", 0.0, now);
        let mut window = Window::at(Minute::new(30_000_000), 1);
        let name = |text: &str| text.parse::<Name>().unwrap();
        if let Some(sample) = window.event_mut(&name("order")) {
            sample.add(Seen::new(u64::MAX / 3, Variant::Legacy, true));
        }
        if let Some(sketch) =
            window.tally_mut(Variant::Legacy, None).and_then(|tally| tally.sketch_mut(&Measure::Timing(name("tti"))))
        {
            sketch.add(100, 1);
        }
        metrics.count(window, &SlicedCounts::default(), now);
        assert_eq!(texts(&never_reported(&plan, Some(&metrics))), ["JavaScript errors", "lcp"]);
    }
}
