//! What is said of new beside its own past, where nobody is on legacy.

use super::comparing::{ComparisonKey, ComparisonTracker};
use super::metrics_view::MetricsView;
use super::{Judgement, Verdict};
use crate::explain;
use crate::own_past::{MINUTES_PER_ALARM, OwnPast};
use tidegate_model::figure::{Basis, Because, Counted, Figure, Shows, Unit};

/// One judgement for each rate that guardrails compare with legacy and of which enough is known; a rate that is
/// asked for twice is watched once.
pub(super) fn judged(trackers: &[ComparisonTracker], metrics_view: &MetricsView<'_>) -> Vec<Judgement> {
    if !metrics_view.is_alone() || metrics_view.has_legacy() {
        return Vec::new();
    }
    let mut watched: Vec<(&ComparisonKey, &OwnPast)> = Vec::new();
    for tracker in trackers {
        let key = &tracker.question;
        let is_known =
            |(other, _): &(&ComparisonKey, &OwnPast)| other.metric == key.metric && other.endpoint == key.endpoint;
        if let Some(own) = tracker.own.as_deref().filter(|own| own.is_ready())
            && !watched.iter().any(is_known)
        {
            watched.push((key, own));
        }
    }
    let rates = watched.len();
    watched.into_iter().map(|(key, own)| judgement(key, own, rates)).collect()
}

fn judgement(key: &ComparisonKey, own: &OwnPast, rates: usize) -> Judgement {
    let has_changed = own.has_changed(rates);
    let (value, observations) = own.recent();
    let metric = match &key.endpoint {
        Some(endpoint) => format!("{}@{endpoint}", key.metric),
        None => key.metric.to_string(),
    };
    let mut figure = Figure {
        metric,
        endpoint: key.endpoint.as_ref().map(ToString::to_string),
        unit: Unit::Share,
        value,
        usual: Some(own.usual_rate()),
        op: ">".to_owned(),
        bound: own.margin(),
        basis: Basis::OwnPast,
        then: Some("alert".to_owned()),
        of: Counted::Users,
        observations,
        e_value: Some(own.log_m().exp().min(1e300)),
        e_needed: Some(MINUTES_PER_ALARM * rates as f64),
        shows: Some(Shows::More),
        because: if has_changed { Because::Significant } else { Because::NotSignificant },
        ..Figure::default()
    };
    figure.text = explain::figure(&figure);
    let verdict = if has_changed { Verdict::Fail } else { Verdict::Pass };
    Judgement { verdict, since: None, text: figure.text.clone(), figures: vec![figure] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Evaluation;
    use crate::metrics::RolloutMetrics;
    use tidegate_model::live::Phase;
    use tidegate_model::measured::{Quantity, SlicedCounts, Window};
    use tidegate_model::plan::set::read_rollout;
    use tidegate_model::record::Record;
    use tidegate_model::variant::Variant;
    use tidegate_model::{Minute, Percentage};

    const PLAN: &str = r#"{"key":"shop","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},"stage":[{"name":"full","percentage":100,"hold":"1h"}]}"#;

    /// A minute with everybody on new, of whom so many in a hundred fail, always others.
    fn minute(metrics: &mut RolloutMetrics, record: &Record, at: u64, failing: u8) -> Evaluation {
        let plan = read_rollout(PLAN).unwrap_or_else(|_| unreachable!());
        let mut compared = SlicedCounts::default();
        if let Some(trials) = compared.trials(&Quantity::Errors, None, Variant::New) {
            let is_failing = |slice: u8| (u64::from(slice) * 37 + at * 13) % 100 < u64::from(failing);
            trials.slices = (0..100).map(|slice| (slice, 10, u32::from(is_failing(slice)))).collect();
        }
        let mut window = Window::at(Minute::new(at), 0);
        if let Some(tally) = window.tally_mut(Variant::New, None) {
            (tally.requests, tally.errors) = (1_000, u64::from(failing));
        }
        let now = Minute::new(at).start();
        metrics.count(window, &compared, now);
        metrics.evaluate(&plan, record, 0, now).clone()
    }

    #[test]
    fn with_nobody_on_legacy_a_doubling_is_said_and_rolls_nothing_back() {
        let plan = read_rollout(PLAN).unwrap_or_else(|_| unreachable!());
        let start = 1_440 * 20_000;
        let mut record = Record::draft(&plan, Minute::new(start).start());
        (record.live.phase, record.live.percentage) = (Phase::Completed, Percentage::FULL);
        let mut metrics = RolloutMetrics::default();
        let quiet = |at: u64| if at.is_multiple_of(3) { 11 } else { 10 };
        for at in start..start + 2 * 1_440 {
            let evaluation = minute(&mut metrics, &record, at, quiet(at));
            assert!(evaluation.own_past.iter().all(|own| own.verdict == Verdict::Pass), "minute {}", at - start);
            let is_known = at - start > 26 * 60;
            // Of both guardrails that are built in.
            assert!(!is_known || evaluation.own_past.len() == 2, "{:?} at {}", evaluation.own_past, at - start);
        }
        let found = (0..120).find_map(|more| {
            let evaluation = minute(&mut metrics, &record, start + 2 * 1_440 + more, 2 * quiet(more));
            assert!(evaluation.fired.is_empty() && evaluation.order().is_none());
            let own = evaluation.own_past.into_iter().find(|own| own.verdict == Verdict::Fail)?;
            Some((more, own.text))
        });
        let (after, text) = found.unwrap_or_default();
        assert!((1..60).contains(&after) && text.contains("at this time of day before"), "{after}: {text}");
        assert!(text.contains("it has changed"), "{text}");
    }
}
