//! What was counted and measured, by rollout, side and endpoint, as counters and histograms.

use super::{Label, MS_PER_SECOND, Text};
use crate::api::metrics::counts;
use tidegate_model::Name;
use tidegate_model::condition::Vital;
use tidegate_model::measured::sketch::value;
use tidegate_model::measured::{Measure, Sketch, Tally, Window};
use tidegate_model::variant::Variant;

/// The upper bounds of histograms of times, in seconds.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Those of layout shifts.
const SHIFTS: [f64; 8] = [0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0];
/// Those of numbers that pages report.
const NUMBERS: [f64; 10] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1_000.0, 10_000.0];

/// Counters.
pub fn count(text: &mut Text, totals: &[(Name, Window)]) {
    let families = [
        ("tidegate_requests_total", "Requests that a side was asked to answer."),
        ("tidegate_errors_total", "Requests that failed on a side, as the plan defines it."),
        ("tidegate_client_errors_total", "Requests that a side answered with a 4xx."),
        ("tidegate_timeouts_total", "Requests for which a side had no headers in time."),
        ("tidegate_abandoned_total", "Requests that clients gave up before there were headers."),
        ("tidegate_broken_pages_total", "Pages whose body ended early or stalled."),
        ("tidegate_rescued_total", "Requests that legacy answered because new had failed."),
        ("tidegate_page_views_total", "Page views that reported."),
        ("tidegate_failed_page_views_total", "Page views with a JavaScript error."),
        ("tidegate_javascript_errors_total", "JavaScript errors."),
        ("tidegate_shadow_copies_total", "Copies of requests on legacy that new was sent."),
        ("tidegate_shadow_errors_total", "Copies that new failed, as the plan defines it."),
        ("tidegate_shadow_mismatches_total", "Copies that new answered otherwise than legacy, or not at all."),
    ];
    for (index, (name, help)) in families.into_iter().enumerate() {
        text.family(name, "counter", help);
        for (key, total) in totals {
            for (side, tally) in &total.sides {
                let value = counts(tally).get(index).map_or(0, |(_, count)| *count);
                text.sample(name, &labels(key, side.variant, side.endpoint.as_ref()), value as f64);
            }
        }
    }
    parts(text, totals);
}

/// What a side's counts are made of: its statuses, and what is counted in them more than once.
fn parts(text: &mut Text, totals: &[(Name, Window)]) {
    let statuses =
        |tally: &Tally| tally.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect::<Vec<_>>();
    let repeats = |tally: &Tally| tally.repeats.iter().map(|(of, count)| (of.to_string(), *count)).collect::<Vec<_>>();
    type Parts<'a> = &'a dyn Fn(&Tally) -> Vec<(String, u64)>;
    let families: [(&str, &str, &str, Parts<'_>); 2] = [
        (
            "tidegate_error_statuses_total",
            "status",
            "Requests that a side answered with a status from 400, by status; the lowest 16.",
            &statuses,
        ),
        (
            "tidegate_repeats_total",
            "of",
            "Of the requests counted as `of`, those of a subject or client that had one in the same minute already.",
            &repeats,
        ),
    ];
    for (name, label, help, parts) in families {
        text.family(name, "counter", help);
        for (key, (side, tally)) in totals.iter().flat_map(|(key, total)| total.sides.iter().map(move |own| (key, own)))
        {
            let [rollout, variant, endpoint] = labels(key, side.variant, side.endpoint.as_ref());
            for (part, count) in parts(tally) {
                text.sample(name, &[rollout, variant, endpoint, (label, &part)], count as f64);
            }
        }
    }
}

fn labels<'a>(key: &'a Name, variant: Variant, endpoint: Option<&'a Name>) -> [Label<'a>; 3] {
    [("rollout", key.as_str()), ("variant", variant.as_str()), ("endpoint", endpoint.map_or("", Name::as_str))]
}

/// Histograms.
pub fn measure(text: &mut Text, totals: &[(Name, Window)]) {
    let families: [(&str, &str, &[f64], f64); 7] = [
        ("tidegate_request_duration_seconds", "Upstream time to headers.", &SECONDS, MS_PER_SECOND),
        ("tidegate_web_vital_seconds", "Web vitals that are times, as browsers report them.", &SECONDS, MS_PER_SECOND),
        ("tidegate_layout_shift", "Cumulative layout shift, as browsers report it.", &SHIFTS, 1.0),
        ("tidegate_timing_seconds", "Timings that pages report under names of their own.", &SECONDS, MS_PER_SECOND),
        (
            "tidegate_waited_seconds",
            "How long clients waited for headers before they gave up.",
            &SECONDS,
            MS_PER_SECOND,
        ),
        ("tidegate_page_value", "Numbers that pages report under names of their own.", &NUMBERS, 1.0),
        (
            "tidegate_shadow_duration_seconds",
            "Upstream time to headers of requests on legacy that were copied, and of the copies on new.",
            &SECONDS,
            MS_PER_SECOND,
        ),
    ];
    for (index, (name, help, bounds, unit)) in families.into_iter().enumerate() {
        text.family(name, "histogram", help);
        for (key, total) in totals {
            for (side, tally) in &total.sides {
                let [rollout, variant, endpoint] = labels(key, side.variant, side.endpoint.as_ref());
                for (measure, sketch) in &tally.sketches {
                    let (own, what) = match measure {
                        Measure::Latency => (0, ("", "")),
                        Measure::Vital(Vital::Cls) => (2, ("", "")),
                        Measure::Vital(vital) => (1, ("vital", vital.word())),
                        Measure::Timing(timing) => (3, ("timing", timing.as_str())),
                        Measure::Waited => (4, ("", "")),
                        Measure::Value(own) => (5, ("value", own.as_str())),
                        Measure::ShadowLatency => (6, ("", "")),
                    };
                    if own == index {
                        histogram(text, name, &[rollout, variant, endpoint, what], sketch, bounds, unit);
                    }
                }
            }
        }
    }
}

/// A sketch knows its values to 2 %, and so does this: a value that near a bound may lie beside it.
fn histogram(text: &mut Text, name: &str, labels: &[Label<'_>; 4], sketch: &Sketch, bounds: &[f64], unit: f64) {
    let [a, b, c, d] = *labels;
    let bucket = format!("{name}_bucket");
    for bound in bounds {
        let under = sketch
            .bins()
            .filter(|(bin, _)| value(*bin) <= bound * unit)
            .fold(0, |sum: u64, (_, count)| sum.saturating_add(count));
        text.sample(&bucket, &[a, b, c, d, ("le", &bound.to_string())], under as f64);
    }
    let all = sketch.count() as f64;
    text.sample(&bucket, &[a, b, c, d, ("le", "+Inf")], all);
    let sum: f64 = sketch.bins().map(|(bin, count)| value(bin) / unit * count as f64).sum();
    text.sample(&format!("{name}_sum"), labels, sum);
    text.sample(&format!("{name}_count"), labels, all);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::Minute;

    #[test]
    fn what_came_of_requests_is_counted_by_side() {
        let mut total = Window::at(Minute::EPOCH, 0);
        let tally = total.tally_mut(Variant::New, None).unwrap();
        (tally.requests, tally.errors, tally.client_errors, tally.timeouts, tally.abandoned, tally.broken) =
            (9, 8, 7, 6, 5, 4);
        tally.add_status(404, 7);
        tally.add_repeats(&tidegate_model::measured::Quantity::ClientErrors, 3);
        let totals = [("shop".parse().unwrap(), total)];
        let mut text = Text::default();
        count(&mut text, &totals);
        for (family, count) in [
            ("requests_total", 9),
            ("errors_total", 8),
            ("client_errors_total", 7),
            ("timeouts_total", 6),
            ("abandoned_total", 5),
            ("broken_pages_total", 4),
            ("rescued_total", 0),
        ] {
            let line = format!("tidegate_{family}{{rollout=\"shop\",variant=\"new\"}} {count}");
            assert!(text.0.lines().any(|own| own == line), "{line}\n{}", text.0);
        }
        for line in [
            "tidegate_error_statuses_total{rollout=\"shop\",variant=\"new\",status=\"404\"} 7",
            "tidegate_repeats_total{rollout=\"shop\",variant=\"new\",of=\"client_errors\"} 3",
        ] {
            assert!(text.0.lines().any(|own| own == line), "{line}\n{}", text.0);
        }
    }

    #[test]
    fn buckets_add_up() {
        let mut sketch = Sketch::default();
        for (ms, count) in [(3.0, 2), (80.0, 3), (60_000.0, 1)] {
            sketch.add(tidegate_model::measured::sketch::bucket(ms).unwrap_or_default(), count);
        }
        let mut text = Text::default();
        histogram(&mut text, "h", &[("r", "s"), ("", ""), ("", ""), ("", "")], &sketch, &SECONDS, MS_PER_SECOND);
        for line in [
            "h_bucket{r=\"s\",le=\"0.005\"} 2",
            "h_bucket{r=\"s\",le=\"0.1\"} 5",
            "h_bucket{r=\"s\",le=\"30\"} 5",
            "h_bucket{r=\"s\",le=\"+Inf\"} 6",
            "h_count{r=\"s\"} 6",
        ] {
            assert!(text.0.lines().any(|own| own == line), "{line}\n{}", text.0);
        }
    }
}
