//! What `tidegate check --traffic` foretells, beside what healthy simulations live.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use tidegate::decide::forecast::{Basis, Forecast, forecast};
use tidegate::model::condition::Term;
use tidegate::model::plan::Plan;
use tidegate::model::plan::set::read_rollout;
use tidegate::simulate::healthy::Healthy;
use tidegate::simulate::scenario::parse;
use tidegate::simulate::{Outcome, Settings, Simulation};

fn plan(guardrail: &str, percentage: u32, hold: &str) -> Plan {
    let text = format!(
        r#"{{"key":"shop","routes":["/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},"defaults":"none",
        "stage":[{{"name":"canary","percentage":{percentage},"hold":"{hold}"}}],"guardrail":[{{"when":"{guardrail}","then":"rollback"}}]}}"#
    );
    read_rollout(&text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn rollout_forecast(plan: &Plan, requests_per_hour: f64) -> Forecast {
    let healthy = Healthy::of(plan, 0.0);
    let expected = |term: &Term| healthy.expected(plan, term, requests_per_hour);
    forecast(plan, &Basis { requests_per_hour, subjects: None, expected: &expected })
}

/// The share of healthy releases that are rolled back. A simulation has so few JavaScript errors that a
/// counted bound is hardly ever reached, so here they come as to everybody.
fn lived(plan: &Plan, requests_per_hour: f64, runs: u64) -> f64 {
    let scenario = parse("new.js_error_rate = 0.2%", &[plan]).unwrap_or_else(|faults| panic!("{faults:?}"));
    let back = (0..runs).filter(|seed| {
        let settings = Settings {
            seed: *seed,
            subjects: 3_000,
            requests_per_hour,
            until_ms: Some(13 * 3_600_000),
            ..Settings::default()
        };
        let report = Simulation::new(std::slice::from_ref(plan), &scenario, &settings).run();
        // What is built in has a false alarm now and then, too.
        report.fates[0].outcome == Outcome::RolledBack
            && report.fates[0].reason.contains(&format!("`{}`", plan.guardrails[0].when))
    });
    back.count() as f64 / runs as f64
}

/// Rates are compared, since shares near 1 are alike whatever they come from.
#[track_caller]
fn agrees(guardrail: &str, percentage: u32, requests_per_hour: f64, runs: u64) {
    let plan = plan(guardrail, percentage, "12h");
    let rate = |chance: f64| -(1.0 - chance).ln();
    let (forecast, lived) = (rollout_forecast(&plan, requests_per_hour), lived(&plan, requests_per_hour, runs));
    let ratio = rate(forecast.alarms[0].chance) / rate(lived);
    assert!(
        (0.5..2.0).contains(&ratio),
        "{guardrail} at {percentage} % of {requests_per_hour}/h: {lived} lived, {forecast:?}"
    );
}

#[test]
fn a_share_of_few_page_views_fires_as_often_as_is_forecast() {
    agrees("js_error_rate > 2%", 10, 20_000.0, 200);
}

#[test]
fn a_share_of_many_requests_fires_as_often_as_is_forecast() {
    agrees("client_error_rate > 1.2%", 10, 60_000.0, 40);
}

#[test]
fn a_count_fires_as_often_as_is_forecast() {
    agrees("js_errors > 2 over 10m", 20, 20_000.0, 40);
}

#[test]
fn a_quantile_fires_as_often_as_is_forecast() {
    agrees("latency.p95 > 330ms", 10, 12_000.0, 40);
}

#[test]
fn a_share_of_the_stage_fires_as_often_as_is_forecast() {
    agrees("js_error_rate > 1.5% over stage", 10, 6_000.0, 120);
}

#[test]
fn what_is_said_not_to_fire_does_not() {
    let loud = plan("js_error_rate > 2%", 10, "12h");
    let reported = rollout_forecast(&loud, 20_000.0);
    let alarm = &reported.alarms[0];
    assert!(alarm.is_frequent, "{alarm:?}");
    assert_eq!(alarm.would_not[0], "js_error_rate > 1.5x legacy");
    assert_eq!(alarm.would_not.len(), 2, "{alarm:?}");
    for form in &alarm.would_not {
        let quiet = plan(form, 10, "12h");
        assert!(lived(&quiet, 20_000.0, 20) == 0.0, "{form}");
        assert!(rollout_forecast(&quiet, 20_000.0).frequent().next().is_none(), "{form}");
    }
}

/// At 60 requests an hour and 10 % on new, 50 requests on new take eight hours and twenty minutes.
#[test]
fn a_small_site_sees_how_long_it_needs() {
    let reported = |hold: &str| rollout_forecast(&plan("latency.p95 > 2s over 5m", 10, hold), 60.0).stages.remove(0);
    let day = reported("48h");
    let built_in: Vec<(&str, bool)> =
        day.needs.iter().filter(|need| need.of.is_none()).map(|need| (need.text.as_str(), need.is_reached)).collect();
    assert_eq!(built_in, [("50 requests on new take 8 h 20 min", true), ("50 requests on legacy take 56 min", true)]);
    let hour = reported("1h");
    assert_eq!(
        hour.needs[0].text,
        "50 requests on new do not arrive within the bake time of 1 h: they take 8 h 20 min"
    );
    let own = hour.needs.iter().find(|need| need.of.is_some()).unwrap();
    assert_eq!(
        (own.text.as_str(), own.is_reached),
        (
            "`latency.p95 > 2s over 5m`: 50 requests on new do not come within 5 min, so it is mostly inconclusive: they take 8 h 20 min",
            false
        )
    );
}
