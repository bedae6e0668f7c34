//! The plans that are shipped, lived through: each to its end when all is well, and each trigger, alert
//! and gate alone, as `docs/plans.md` has them. What is hurried is the time, never a threshold: holds
//! last two hours, and there are no weekends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidegate::model::plan::Plan;
use tidegate::model::plan::set::read_rollout;
use tidegate::simulate::scenario::parse;
use tidegate::simulate::{Kind, Outcome, Report, Settings, Simulation};

/// The rollouts of a shipped plan as JSON.
fn rollouts(plan: &str) -> Vec<Value> {
    let path = Path::new("plans").join(format!("{plan}.toml"));
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["compile", &path.display().to_string()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    set["rollouts"].as_array().unwrap().clone()
}

fn read(rollouts: &[Value]) -> Vec<Plan> {
    rollouts
        .iter()
        .map(|rollout| read_rollout(&rollout.to_string()).unwrap_or_else(|faults| panic!("{faults:?}")))
        .collect()
}

fn live(plans: &[Plan], lines: &[&str], settings: &Settings) -> Report {
    let about: Vec<&Plan> = plans.iter().collect();
    let scenario = parse(&lines.join("\n"), &about).unwrap_or_else(|faults| panic!("{faults:?}"));
    let report = Simulation::new(plans, &scenario, settings).run();
    assert!(report.never.is_empty(), "the time of {:?} never came", report.never);
    report
}

#[track_caller]
fn completes(plan: &str, days: std::ops::Range<f64>) {
    let plans = read(&rollouts(plan));
    let settings = Settings { subjects: 500, requests_per_hour: 1_500.0, ..Settings::default() };
    let report = live(&plans, &["approve everything"], &settings);
    for fate in &report.fates {
        assert_eq!(fate.outcome, Outcome::Completed, "{plan}: {fate:?}");
    }
    let last = report.fates.iter().map(|fate| fate.at_hours / 24.0).fold(0.0, f64::max);
    assert!(days.contains(&last), "{plan} took {last} days");
}

#[test]
fn admin_workbench_completes_when_healthy() {
    completes("admin-workbench", 10.0..13.0);
}

#[test]
fn staged_completes_when_healthy() {
    completes("staged", 22.0..30.0);
}

#[test]
fn dark_launch_completes_when_healthy() {
    completes("dark-launch", 30.0..60.0);
}

#[test]
fn analytics_playbook_completes_when_healthy() {
    completes("analytics-playbook", 14.0..18.0);
}

#[test]
fn the_demo_completes_when_healthy() {
    completes("demo", 0.0..0.1);
}

/// A third of all requests to new fails, from an hour after the first subjects are dealt out on.
#[track_caller]
fn goes_back(plan: &str, line: &str) {
    let plans = read(&rollouts(plan));
    let settings = Settings {
        subjects: 500,
        requests_per_hour: 1_500.0,
        rollout: plans.iter().find(|plan| !plan.is_flag()).map(|plan| plan.key.clone()),
        ..Settings::default()
    };
    let about: Vec<&Plan> = plans.iter().collect();
    let scenario = parse(&format!("approve everything\n{line}"), &about).unwrap_or_else(|faults| panic!("{faults:?}"));
    let report = Simulation::new(&plans, &scenario, &settings).run();
    let fate = report.fates.iter().find(|fate| Some(&fate.rollout) == settings.rollout.as_ref()).unwrap();
    assert!(fate.outcome == Outcome::RolledBack && fate.reason.contains("error_rate"), "{fate:?}");
}

#[test]
fn a_third_of_errors_rolls_each_of_the_plans_back() {
    goes_back("admin-workbench", "new.error_rate = 33% from canary+1h");
    goes_back("staged", "new.error_rate = 33% from pilot+1h");
    goes_back("analytics-playbook", "new.error_rate = 33% from alpha+1h");
    goes_back("demo", "new.error_rate = 33% from canary");
}

/// A rollout of a shipped plan alone, in a hurry.
fn hurried(plan: &str, key: &str) -> Plan {
    let mut rollout = rollouts(plan).into_iter().find(|rollout| rollout["key"] == key).unwrap();
    let fields = rollout.as_object_mut().unwrap();
    ["start", "freeze", "after", "requires"].into_iter().for_each(|field| drop(fields.remove(field)));
    for stage in fields["stage"].as_array_mut().unwrap() {
        let stage = stage.as_object_mut().unwrap();
        stage.remove("enter");
        stage.insert("hold".to_owned(), "2h".into());
        let gates = stage.get_mut("gates").and_then(Value::as_array_mut);
        for gate in gates.into_iter().flatten() {
            *gate = gate.as_str().unwrap().replace(" for 3d", " for 1h").replace(" for 7d", " for 1h").into();
        }
    }
    read(&[rollout]).pop().unwrap()
}

/// What a trigger is to do.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Roll back to nobody, by this guardrail.
    Back(&'static str),
    /// Go back to the stage before, at this percentage.
    Previous(&'static str, &'static str),
    /// Be held at this percentage.
    Hold(&'static str, &'static str),
    /// Tell of this guardrail, and go on.
    Tell(&'static str),
    /// Neither tell nor act.
    Nothing,
    /// Keep the stage from being left, by this gate's figure.
    Block(&'static str),
    /// The same, or a guardrail was there before.
    Keep(&'static str),
}

struct Case {
    plan: &'static str,
    key: &'static str,
    /// The percentage at which it begins, where that is not the first stage's.
    at: &'static str,
    requests_per_hour: f64,
}

/// Enough for what is about counts of signals and the like.
const CALM: f64 = 6_000.0;
/// So many that a share of five minutes' requests is hardly chance.
const BUSY: f64 = 60_000.0;

/// Lives one case: two hours and a half, of which the first half hour is healthy.
#[track_caller]
fn check(case: &Case, lines: &[&str], does: Does) {
    let minutes = if matches!(does, Does::Block(_)) { 150 } else { 110 };
    let report = life(&[hurried(case.plan, case.key)], case, lines, minutes, 1);
    assert!(does.is_done(&report), "{} at {}: {lines:?} should {does:?}\n{}", case.key, case.at, reported(&report));
}

/// One life of a case, of so many minutes.
fn life(plans: &[Plan], case: &Case, lines: &[&str], minutes: i64, seed: u64) -> Report {
    let mut script = vec!["approve everything".to_owned()];
    if !case.at.is_empty() {
        script.extend([format!("set {} at 1m", case.at), "resume at 1m".to_owned()]);
    }
    script.extend(lines.iter().map(|line| (*line).to_owned()));
    let script: Vec<&str> = script.iter().map(String::as_str).collect();
    let settings = Settings {
        seed,
        until_ms: Some(minutes * 60_000),
        look_ms: Some(60_000),
        requests_per_hour: case.requests_per_hour,
        ..Settings::default()
    };
    live(plans, &script, &settings)
}

fn reported(report: &Report) -> String {
    let events = report.events.iter().map(|event| format!("{} {}: {}", event.stage, event.command, event.text));
    format!("{:?}\n{:#?}", report.fates, events.collect::<Vec<_>>())
}

/// So many lives show what chance has a part in.
const LIVES: u64 = 20;

/// What a case does in at least so many of a hundred lives, each of so many minutes. What one life shows is luck: a
/// comparison, or a share of few requests, comes true in one life and not in another.
#[track_caller]
fn mostly(case: &Case, minutes: i64, lines: &[&str], does: Does, percent: usize) {
    let plans = [hurried(case.plan, case.key)];
    let reports: Vec<Report> = (1..=LIVES).map(|seed| life(&plans, case, lines, minutes, seed)).collect();
    let done = reports.iter().filter(|report| does.is_done(report)).count();
    let other = reports.iter().find(|report| !does.is_done(report));
    assert!(
        done * 100 >= percent * reports.len(),
        "{} at {}: {lines:?} should {does:?} in {percent} % of {LIVES} lives, and did in {done}; one that did not:\n{}",
        case.key,
        case.at,
        other.map(reported).unwrap_or_default()
    );
}

impl Does {
    /// Whether a life of one rollout went like this.
    fn is_done(self, report: &Report) -> bool {
        let Some(fate) = report.fates.first() else { return false };
        let mut alerts =
            report.events.iter().filter(|event| event.kind == Kind::Alert).map(|event| event.text.as_str());
        let ended = |outcome: Outcome, guardrail: &str, percentage: &str| {
            fate.outcome == outcome
                && fate.reason.starts_with(&format!("the guardrail `{guardrail}`"))
                && fate.percentage.to_string() == percentage
        };
        let goes_on = fate.outcome == Outcome::Unfinished;
        let has_advanced = report.events.iter().any(|event| ["advance", "complete"].contains(&event.command));
        match self {
            Self::Back(guardrail) => ended(Outcome::RolledBack, guardrail, "0"),
            Self::Previous(guardrail, percentage) => ended(Outcome::RolledBack, guardrail, percentage),
            Self::Hold(guardrail, percentage) => ended(Outcome::Paused, guardrail, percentage),
            Self::Tell(guardrail) => goes_on && alerts.any(|text| text.starts_with(&format!("{guardrail}: "))),
            Self::Nothing => goes_on && alerts.next().is_none(),
            Self::Block(gate) => goes_on && !has_advanced && fate.reason.contains(gate),
            Self::Keep(gate) => !has_advanced && (!goes_on || fate.reason.contains(gate)),
        }
    }
}

/// A test for each line: its name, what happens, and what that does.
macro_rules! cases {
    ($plan:literal, $key:literal, $at:literal, $requests_per_hour:ident: $($name:ident: $lines:expr => $does:expr;)+) => {
        $(#[test]
        fn $name() {
            check(&Case { plan: $plan, key: $key, at: $at, requests_per_hour: $requests_per_hour }, &$lines, $does);
        })+
    };
}

/// The same, of what chance has a part in: in what share of the lives, and after how many minutes at the latest.
macro_rules! shares {
    ($plan:literal, $key:literal, $at:literal, $requests_per_hour:ident:
        $($name:ident: $lines:expr => $does:expr, in $percent:literal % within $minutes:literal min;)+) => {
        $(#[test]
        fn $name() {
            let case = Case { plan: $plan, key: $key, at: $at, requests_per_hour: $requests_per_hour };
            mostly(&case, $minutes, &$lines, $does, $percent);
        })+
    };
}

mod admin_canary {
    use super::*;
    use Does::{Back, Block, Keep, Nothing, Tell};
    cases! { "admin-workbench", "admin-workbench", "", CALM:
        six_p1_in_an_hour: ["signal.p1 = 6 at 30m"] => Back("signal.p1 > 5 over 1h");
        five_p1_in_an_hour: ["signal.p1 = 5 at 30m"] => Nothing;
        six_p1_in_two_hours: ["signal.p1 = 3 at 10m", "signal.p1 = 3 at 80m"] => Nothing;
        lcp_a_tenth_more: ["new.lcp = 1.1x from 30m"] => Nothing;
        database_pool_exhausted: ["signal.db_pool = 100% from 30m"] => Back("signal.db_pool >= 100%");
        memory_leak: ["signal.memory_leaks = 1 at 30m"] => Back("signal.memory_leaks > 0 over 1h");
        eleven_users_report_failures: ["event.failure = 11 at 30m"] => Back("reporters.failure > 10 over stage");
        ten_users_report_failures: ["event.failure = 10 at 30m"] => Nothing;
        six_logged_errors: ["signal.logged_errors = 6 at 30m"] => Tell("signal.logged_errors > 5 over 10m");
        five_logged_errors: ["signal.logged_errors = 5 at 30m"] => Nothing;
        gate_errors: ["new.error_rate = 1% from 30m for 30m", "legacy.error_rate = 1% from 30m for 30m"] => Block("errors is");
        gate_error_rate: ["new.error_rate = 1% from 30m", "legacy.error_rate = 1% from 30m"] => Block("error_rate is");
        gate_p1: ["signal.p1 = 1 at 30m"] => Block("signal.p1 is 1");
        gate_p2: ["signal.p2 = 1 at 30m"] => Block("signal.p2 is 1");
        gate_new_error_patterns: ["signal.new_error_patterns = 1 at 30m"] => Block("signal.new_error_patterns is 1");
        gate_login_failures: ["signal.login_failures = 1 at 30m"] => Block("signal.login_failures is 1");
        gate_lcp: ["new.lcp = 2.8s", "legacy.lcp = 2.8s"] => Block("lcp.p75 is 2.");
        gate_lcp_regression: ["new.lcp = 1.25x"] => Block("the contrary is significant");
        gate_latency: ["new.latency@api = 600ms"] => Block("latency.p95@api is");
        gate_database: ["signal.db_p95 = 250ms from 70m"] => Block("signal.db_p95 is 250");
        gate_memory_growth: ["signal.memory_growth = 16% from 70m"] => Block("signal.memory_growth is 16 %");
        gate_complaints: ["signal.complaints = 1 at 30m"] => Block("signal.complaints is 1");
        gate_negative_surveys: ["signal.negative_surveys = 1 at 30m"] => Block("signal.negative_surveys is 1");
        gate_adoption: ["event.used = 30%"] => Block("adoption is");
        silence_is_no_pass: ["silence signal.db_p95 from 30m"] => Block("signal.db_p95: the last report is");
        nothing_measured_is_no_pass: ["no traffic from 5m"] => Block("no data for");
    }
    shares! { "admin-workbench", "admin-workbench", "", CALM:
        lcp_half_as_much_again: ["new.lcp = 1.5x from 30m"] => Back("lcp.p75 > 1.3x legacy"), in 80 % within 480 min;
        gate_errors_of_new_alone: ["new.error_rate = 1% from 30m for 30m"] => Keep("errors is"), in 55 % within 150 min;
    }
}

mod admin_ramp {
    use super::*;
    use Does::{Back, Block, Hold, Keep, Nothing, Tell};
    cases! { "admin-workbench", "admin-workbench", "25", CALM:
        eleven_p1: ["signal.p1 = 11 at 30m"] => Back("signal.p1 > 10 over attempt");
        eleven_p1_one_by_one_of_which_few_are_affected: ["signal.p1 = 5 at 10m", "signal.p1 = 6 at 30m"] => Back("signal.p1 > 10 over attempt");
        a_p1_that_affects_four: ["event.failure = 4 at 30m", "signal.p1 = 1 at 30m"] => Tell("signal.p1 > 0 over 1h and reporters.failure < 5 over 1h and percentage < 100%");
        a_p1_that_affects_five: ["event.failure = 5 at 30m", "signal.p1 = 1 at 30m"] => Hold("signal.p1 > 0 over 1h and reporters.failure >= 5 over 1h and percentage < 100%", "5");
        failures_without_a_p1: ["event.failure = 20 at 30m"] => Nothing;
        six_logged_errors: ["signal.logged_errors = 6 at 30m"] => Tell("signal.logged_errors > 5 over 10m");
        gate_errors: ["new.error_rate = 1% from 30m for 30m", "legacy.error_rate = 1% from 30m for 30m"] => Block("errors is");
        gate_p1: ["signal.p1 = 1 at 30m"] => Block("signal.p1 is 1");
        gate_p2: ["signal.p2 = 1 at 30m"] => Block("signal.p2 is 1");
        gate_lcp: ["new.lcp = 2.8s", "legacy.lcp = 2.8s"] => Block("lcp.p75 is 2.");
        gate_lcp_regression: ["new.lcp = 1.25x"] => Block("the contrary is significant");
        gate_latency: ["new.latency@api = 600ms"] => Block("latency.p95@api is");
        gate_database: ["signal.db_p95 = 250ms from 70m"] => Block("signal.db_p95 is 250");
        gate_memory_growth: ["signal.memory_growth = 11% from 70m"] => Block("signal.memory_growth is 11 %");
        gate_adoption: ["event.used = 30%"] => Block("adoption is");
    }
    shares! { "admin-workbench", "admin-workbench", "25", CALM:
        gate_errors_of_new_alone: ["new.error_rate = 1% from 30m for 30m"] => Keep("errors is"), in 90 % within 150 min;
    }
}

mod admin_full {
    use super::*;
    use Does::{Back, Nothing, Tell};
    // A percentage of 100 is the last stage's, whose P1 guardrails are those of `full`.
    cases! { "admin-workbench", "admin-workbench", "100", CALM:
        eleven_p1: ["signal.p1 = 11 at 30m"] => Back("signal.p1 > 10 over attempt");
        a_p1_that_affects_many: ["event.failure = 50 at 30m", "signal.p1 = 1 at 30m"] => Tell("signal.p1 > 0 over 1h and percentage = 100%");
        a_p1_that_affects_few: ["signal.p1 = 1 at 30m"] => Tell("signal.p1 > 0 over 1h and percentage = 100%");
        a_slow_page: ["new.lcp = 2x from 30m"] => Nothing;
    }
}

/// The gates of a stage that has no percentage of its own: they are looked at after an advance.
#[track_caller]
fn blocks(plan: &str, key: &str, before: &str, lines: &[&str], gate: &str) {
    let mut plan = serde_json::to_value(hurried(plan, key)).unwrap();
    let stages = plan["stage"].as_array_mut().unwrap();
    let index = stages.iter().position(|stage| stage["name"] == before).unwrap() + 1;
    let held = stages[index].as_object_mut().unwrap();
    held.insert("hold".to_owned(), "2h".into());
    let name = held["name"].as_str().unwrap().to_owned();
    let stage = stages[index - 1].as_object_mut().unwrap();
    ["gates", "checklist"].into_iter().for_each(|field| drop(stage.remove(field)));
    stage.insert("hold".to_owned(), "1h".into());
    let percentage = stage["percentage"].to_string();
    let plans = read(&[plan]);
    let mut script =
        vec!["approve everything".to_owned(), format!("set {percentage} at 1m"), "resume at 1m".to_owned()];
    script.extend(lines.iter().map(|line| (*line).to_owned()));
    let script: Vec<&str> = script.iter().map(String::as_str).collect();
    let settings = Settings { until_ms: Some(220 * 60_000), look_ms: Some(60_000), ..Settings::default() };
    let report = live(&plans, &script, &settings);
    let fate = &report.fates[0];
    let reported = || {
        format!(
            "{lines:?} should block {name} by {gate}\n{fate:?}\n{:#?}",
            report
                .events
                .iter()
                .map(|event| format!("{} {}: {}", event.stage, event.command, event.text))
                .collect::<Vec<_>>()
        )
    };
    if gate.is_empty() {
        assert!(fate.stage.as_str() != name || fate.outcome == Outcome::Completed, "{}", reported());
    } else {
        assert!(
            fate.outcome == Outcome::Unfinished && fate.stage.as_str() == name && fate.reason.contains(gate),
            "{}",
            reported()
        );
    }
}

macro_rules! blocked {
    ($plan:literal, $key:literal, $before:literal: $($name:ident: $lines:expr => $gate:expr;)+) => {
        $(#[test]
        fn $name() {
            blocks($plan, $key, $before, &$lines, $gate);
        })+
    };
}

mod admin_completion {
    use super::*;
    blocked! { "admin-workbench", "admin-workbench", "ramp-75":
        healthy_it_goes_on: [] => "";
        p1: ["signal.p1 = 1 at full+30m"] => "signal.p1 is 1";
        p2: ["signal.p2 = 2 at full+30m"] => "signal.p2 is 2";
        errors: ["new.error_rate = 1% from full for 10m"] => "errors is";
        error_rate: ["new.error_rate = 0.2% from full"] => "error_rate is";
        timeouts: ["signal.timeouts = 1 at full+30m"] => "signal.timeouts is 1";
        database_connection_errors: ["signal.db_connection_errors = 1 at full+30m"] => "signal.db_connection_errors is 1";
        uptime: ["signal.uptime = 99.8% from full+30m"] => "signal.uptime is 99.8 %";
        lcp: ["new.lcp = 2.5s", "legacy.lcp = 2.5s"] => "lcp.p75 is 2.";
        lcp_against_legacy: ["new.lcp = 1.15x from full"] => "in its last day with traffic";
        fcp: ["new.fcp = 1.7s from full"] => "fcp.p75 is 1.";
        cls: ["new.cls = 0.12 from full"] => "cls.p75 is 0.1";
        tti: ["timing.tti = 3.8s from full"] => "timing.tti.p75 is";
        latency: ["new.latency@api = 600ms from full"] => "latency.p95@api is";
        database: ["signal.db_p95 = 250ms from full+70m"] => "signal.db_p95 is 250";
        database_pool: ["signal.db_pool = 85% from full+70m"] => "signal.db_pool is 85 %";
        memory: ["signal.memory_growth = 1% from full+70m"] => "signal.memory_growth is 1 %";
        adoption: ["event.used = 95% from full"] => "adoption is 9";
        satisfaction: ["signal.satisfaction = 4.5 from full+30m"] => "signal.satisfaction is 4.5";
        critical_complaints: ["signal.critical_complaints = 1 at full+30m"] => "signal.critical_complaints is 1";
        escalations: ["signal.escalations = 1 at full+30m"] => "signal.escalations is 1";
        revert_requests: ["signal.revert_requests = 1 at full+30m"] => "signal.revert_requests is 1";
    }
}

mod staged_pilot {
    use super::*;
    use Does::{Back, Block, Nothing, Tell};
    cases! { "staged", "staged", "5", CALM:
        errors_over_five_percent: ["new.error_rate = 9% from 30m"] => Back("error_rate > 5% over 5m");
        critical_security_issue: ["signal.critical_security_issues = 1 at 30m"] => Back("signal.critical_security_issues > 0 over 1h");
        data_integrity_issue: ["signal.data_integrity_issues = 1 at 30m"] => Back("signal.data_integrity_issues > 0 over 1h");
        slow: ["new.latency = 3.5s from 30m", "legacy.latency = 3.5s from 30m"] => Tell("latency.p95 > 3s over 15m");
        several_complaints: ["signal.complaints = 3 at 30m"] => Tell("signal.complaints >= 3 over 1d");
        two_complaints: ["signal.complaints = 2 at 30m"] => Nothing;
        six_complaints: ["signal.complaints = 6 at 30m"] => Tell("signal.complaints > 5 over 1w");
        eleven_tickets: ["signal.tickets = 11 at 30m"] => Tell("signal.tickets > 10 over 1w");
        ten_tickets: ["signal.tickets = 10 at 30m"] => Nothing;
        critical_bug: ["signal.critical_bugs_without_fix = 1 at 30m"] => Tell("signal.critical_bugs_without_fix > 0 over 1h");
        gate_latency: ["new.latency = 2.3s", "legacy.latency = 2.3s"] => Block("latency.p95");
        gate_open_p0: ["signal.open_p0 = 1 from 30m"] => Block("signal.open_p0 is 1");
        gate_open_p1: ["signal.open_p1 = 1 from 30m"] => Block("signal.open_p1 is 1");
        gate_nps: ["signal.nps = 7 from 30m"] => Block("signal.nps is 7");
        gate_complaints: ["signal.complaints = 2 at 30m"] => Block("signal.complaints is 2");
        gate_tickets: ["signal.tickets = 5 at 30m"] => Block("signal.tickets is 5");
    }
    cases! { "staged", "staged", "5", BUSY:
        errors_over_two_percent_for_an_hour: ["new.error_rate = 3.1% from 10m", "legacy.error_rate = 3.1% from 10m"] => Tell("error_rate > 2% over 15m for 1h");
        errors_over_two_percent: ["new.error_rate = 2.8% from 30m for 20m", "legacy.error_rate = 2.8% from 30m for 20m"] => Tell("error_rate > 2% over 15m");
        gate_error_rate: ["new.error_rate = 1.5% from 5m", "legacy.error_rate = 1.5% from 5m"] => Block("error_rate");
    }
}

mod staged_internal {
    use super::*;
    use Does::Block;
    cases! { "staged", "staged", "", CALM:
        gate_open_p0: ["signal.open_p0 = 1 from 30m"] => Block("signal.open_p0 is 1");
        gate_security: ["signal.open_security_issues = 1 from 30m"] => Block("signal.open_security_issues is 1");
    }

    #[test]
    fn without_its_checklist_it_is_not_left() {
        let plans = [hurried("staged", "staged")];
        let report = live(&plans, &[], &Settings::default());
        assert!(
            report.fates[0].outcome == Outcome::Unfinished
                && report.fates[0].reason.contains("not approved yet: Critical paths tested"),
            "{:?}",
            report.fates
        );
    }
}

mod staged_expanded {
    use super::*;
    use Does::{Back, Block, Tell};
    shares! { "staged", "staged", "25", CALM:
        half_as_slow_again: ["new.latency = 1.8x from 30m"] => Back("latency.p95 > 1.5x legacy"), in 80 % within 240 min;
        a_fifth_slower: ["new.latency = 1.35x from 30m"] => Tell("latency.p95 > 1.2x legacy"), in 40 % within 200 min;
    }
    cases! { "staged", "staged", "25", CALM:
        errors: ["new.error_rate = 1.8% from 30m", "legacy.error_rate = 1.8% from 30m"] => Tell("error_rate > 1.5% over 15m");
        slow: ["new.latency = 2.9s from 30m", "legacy.latency = 2.9s from 30m"] => Tell("latency.p95 > 2.5s over 15m");
        cpu: ["signal.cpu = 81% from 30m"] => Tell("signal.cpu > 80%");
        memory: ["signal.memory = 86% from 30m"] => Tell("signal.memory > 85%");
        gate_error_rate: ["new.error_rate = 1.3% from 5m", "legacy.error_rate = 1.3% from 5m"] => Block("error_rate");
        gate_latency: ["new.latency = 2.3s", "legacy.latency = 2.3s"] => Block("latency.p95");
        gate_new_p0: ["signal.p0 = 1 at 30m"] => Block("signal.p0 is 1");
        gate_new_p1: ["signal.p1 = 1 at 30m"] => Block("signal.p1 is 1");
        gate_cpu: ["signal.cpu = 65% from 70m"] => Block("signal.cpu is 65 %");
        gate_memory: ["signal.memory = 75% from 70m"] => Block("signal.memory is 75 %");
    }
}

mod staged_ga {
    use super::*;
    use Does::{Back, Block, Tell};
    cases! { "staged", "staged", "100", CALM:
        errors_over_five_percent: ["new.error_rate = 8% from 30m"] => Back("error_rate > 5% over 5m");
        errors: ["new.error_rate = 1.8% from 30m"] => Tell("error_rate > 1.5% over 15m");
        half_as_slow_again: ["new.latency = 3.5s from 30m"] => Back("latency.p95 > 3s over 15m");
        gate_error_rate: ["new.error_rate = 1.3% from 2m"] => Block("error_rate is");
        gate_latency: ["new.latency = 2.3s"] => Block("latency.p95 is");
    }
}

mod analytics_alpha {
    use super::*;
    use Does::{Back, Block};
    cases! { "analytics-playbook", "analytics-service", "", CALM:
        any_p1: ["signal.p1 = 1 at 30m"] => Back("signal.p1 > 0 over stage");
        gate_replication_lag: ["signal.replication_lag = 6s from 30m"] => Block("signal.replication_lag is");
    }
}

mod analytics_beta {
    use super::*;
    use Does::{Back, Keep, Nothing};
    cases! { "analytics-playbook", "analytics-service", "10", CALM:
        a_p1_is_alphas_matter: ["signal.p1 = 1 at 30m"] => Nothing;
        latency_half_over_target: ["new.latency = 1s from 30m"] => Back("latency.p95 > 750ms over 5m");
    }
    shares! { "analytics-playbook", "analytics-service", "10", CALM:
        gate_latency: ["new.latency = 600ms from 30m"] => Keep("latency.p95 is"), in 90 % within 150 min;
    }
}

mod analytics_gamma {
    use super::*;
    use Does::{Back, Keep, Tell};
    cases! { "analytics-playbook", "analytics-service", "25", CALM:
        errors_over_half_a_percent: ["new.error_rate = 0.9% from 20m"] => Back("error_rate > 0.5% over 1h min 400");
        latency: ["new.latency = 900ms from 30m"] => Back("latency.p95 > 750ms over 5m");
        database_cpu: ["signal.db_cpu = 86% from 30m"] => Back("signal.db_cpu > 85% for 10m");
        database_cpu_for_five_minutes: ["signal.db_cpu = 86% from 30m for 5m"] => Tell("signal.db_cpu > 80%");
        security_finding: ["signal.critical_security_findings = 1 at 30m"] => Back("signal.critical_security_findings > 0 over 1h");
        data_integrity: ["signal.data_integrity_findings = 1 at 30m"] => Back("signal.data_integrity_findings > 0 over 1h");
        memory: ["signal.memory = 86% from 30m"] => Tell("signal.memory > 85%");
        cache: ["signal.cache_hits = 59% from 30m"] => Tell("signal.cache_hits < 60%");
        vector_queries: ["signal.vector_p95 = 210ms from 30m"] => Tell("signal.vector_p95 > 200ms");
        inference: ["signal.inference_avg = 510ms from 30m"] => Tell("signal.inference_avg > 500ms");
    }
    shares! { "analytics-playbook", "analytics-service", "25", CALM:
        gate_error_rate: ["new.error_rate = 0.25% from 2m", "legacy.error_rate = 0.25% from 2m"] => Keep("error_rate is"), in 85 % within 150 min;
    }
}

mod analytics_delta {
    use super::*;
    use Does::{Back, Block, Tell};
    shares! { "analytics-playbook", "analytics-service", "50", CALM:
        errors_over_a_percent_for_five_minutes: ["new.error_rate = 4% from 30m for 5m", "legacy.error_rate = 4% from 30m for 5m"] => Tell("error_rate > 0.5% over 1h min 400"), in 40 % within 110 min;
    }
    cases! { "analytics-playbook", "analytics-service", "50", CALM:
        cpu: ["signal.cpu = 91% from 30m"] => Back("signal.cpu > 90%");
        memory: ["signal.memory = 91% from 30m"] => Back("signal.memory > 90%");
        errors_over_a_percent_for_a_quarter: ["new.error_rate = 4% from 30m", "legacy.error_rate = 4% from 30m"] => Back("error_rate > 1% over 5m for 15m");
        errors_over_half_a_percent: ["new.error_rate = 0.8% from 20m", "legacy.error_rate = 0.8% from 20m"] => Tell("error_rate > 0.5% over 1h min 400");
        database_cpu: ["signal.db_cpu = 81% from 30m"] => Tell("signal.db_cpu > 80%");
        gate_cpu: ["signal.cpu = 75% from 70m"] => Block("signal.cpu is 75 %");
        gate_memory: ["signal.memory = 75% from 70m"] => Block("signal.memory is 75 %");
    }

    #[test]
    fn latency_over_800_ms_is_reported_as_well_as_rolled_back() {
        let plans = [hurried("analytics-playbook", "analytics-service")];
        let report = live(
            &plans,
            &["approve everything", "set 50% at 1m", "resume at 1m", "new.latency = 1.5s from 30m"],
            &Settings { until_ms: Some(4_000_000), ..Settings::default() },
        );
        let fate = &report.fates[0];
        assert!(
            fate.outcome == Outcome::RolledBack
                && report.events.iter().all(|event| event.kind != Kind::Alert || event.text.contains("800ms")),
            "{fate:?}"
        );
    }
}

mod analytics_full {
    use super::*;
    use Does::Block;
    cases! { "analytics-playbook", "analytics-service", "100", CALM:
        latency: ["new.latency = 600ms from 2m"] => Block("latency.p95 is");
        error_rate: ["new.error_rate = 0.3% from 2m"] => Block("error_rate");
        database_cpu: ["signal.db_cpu = 65% from 70m"] => Block("signal.db_cpu is 65 %");
        memory: ["signal.memory = 75% from 70m"] => Block("signal.memory is 75 %");
        cache: ["signal.cache_hits = 75% from 70m"] => Block("signal.cache_hits is 75 %");
        vector_queries: ["signal.vector_p95 = 120ms from 70m"] => Block("signal.vector_p95 is 120");
        inference: ["signal.inference_avg = 350ms from 70m"] => Block("signal.inference_avg is 350");
        forecasts: ["signal.forecast_accuracy = 79% from 30m"] => Block("signal.forecast_accuracy is 79 %");
        charts: ["value.charts_viewed = 1 from 30m"] => Block("value.charts_viewed.mean is");
        click_through: ["signal.click_through = 14% from 30m"] => Block("signal.click_through is 14 %");
        repeat_use: ["signal.repeat_use = 59% from 30m"] => Block("signal.repeat_use is 59 %");
        time_to_insight: ["signal.time_to_insight = 31% from 30m"] => Block("signal.time_to_insight is 31 %");
        session_use: ["signal.session_use = 39% from 30m"] => Block("signal.session_use is 39 %");
        nps: ["signal.nps_gain = 14 from 30m"] => Block("signal.nps_gain is 14");
    }
}

/// The endpoint of each of dark-launch's features, the percentage of its last stage but one or of its
/// last, and the one before that.
const FEATURES: [(&str, &str, &str, &str); 10] = [
    ("core-read", "read", "50", "10"),
    ("core-search", "search", "50", "10"),
    ("core-write", "write", "50", "10"),
    ("core-frontend", "frontend", "50", "10"),
    ("ai-generation", "generate", "25", "5"),
    ("analytics", "analytics", "25", "5"),
    ("experimental-generator", "generator", "25", "5"),
    ("experimental-features", "lab", "25", "5"),
    ("migration-tools", "migrate", "50", "10"),
    ("legacy-shutdown", "api", "25", "5"),
];

fn features(line: &str, guardrail: &str, does: fn(&'static str) -> Does) {
    let requests_per_hour = if line.starts_with("new.") { BUSY } else { CALM };
    for (key, endpoint, at, _) in FEATURES {
        let guardrail: &'static str = guardrail.replace("HERE", endpoint).leak();
        check(
            &Case { plan: "dark-launch", key, at, requests_per_hour },
            &[&line.replace("HERE", endpoint)],
            does(guardrail),
        );
    }
}

mod dark_launch {
    use super::*;
    use Does::{Back, Block, Nothing, Tell};

    #[test]
    fn errors_over_five_percent_switch_a_feature_off() {
        features("new.error_rate@HERE = 9% from 30m", "error_rate@HERE > 5% over 5m", Back);
    }

    #[test]
    fn a_failing_toggle_switches_a_feature_off() {
        features("signal.toggle_failures = 1 at 30m", "signal.toggle_failures > 0 over 5m", Back);
    }

    #[test]
    fn over_two_seconds_a_feature_goes_back_a_stage() {
        for (key, endpoint, at, before) in FEATURES {
            let guardrail: &'static str = format!("latency.p95@{endpoint} > 2s over 5m").leak();
            check(
                &Case { plan: "dark-launch", key, at, requests_per_hour: CALM },
                &[&format!("new.latency@{endpoint} = 3s from 30m")],
                Does::Previous(guardrail, before),
            );
        }
    }

    #[test]
    fn three_complaints_switch_a_feature_off() {
        features("signal.complaints = 3 at 30m", "signal.complaints >= 3 over 1d", Back);
        features("signal.complaints = 2 at 30m", "", |_| Nothing);
    }

    #[test]
    fn errors_over_two_percent_are_reported() {
        features("new.error_rate@HERE = 2.6% from 80m", "error_rate@HERE > 2% over 15m", Tell);
    }

    #[test]
    fn over_a_second_is_reported() {
        features("new.latency@HERE = 1.4s from 80m", "latency.p95@HERE > 1s over 15m", Tell);
    }

    #[test]
    fn more_errors_than_without_the_feature_are_reported() {
        features("new.error_rate@HERE = 1.5% from 80m", "error_rate@HERE > legacy", Tell);
    }

    #[test]
    fn a_feature_that_is_slower_than_without_it_is_reported() {
        features("new.latency@HERE = 1.6x from 80m", "latency.p95@HERE > 1.2x legacy", Tell);
    }

    #[test]
    fn what_is_damaged_switches_writing_and_the_shutdown_off() {
        for (key, at) in [("core-write", "50"), ("legacy-shutdown", "25")] {
            check(
                &Case { plan: "dark-launch", key, at, requests_per_hour: CALM },
                &["signal.data_integrity_issues = 1 at 30m"],
                Back("signal.data_integrity_issues > 0 over 1h"),
            );
        }
        check(
            &Case { plan: "dark-launch", key: "legacy-shutdown", at: "25", requests_per_hour: CALM },
            &["signal.downtime = 1 at 30m"],
            Back("signal.downtime > 0 over 1h"),
        );
    }

    cases! { "dark-launch", "toggles", "100", CALM:
        errors_everywhere_switch_all_off: ["new.error_rate = 8% from 30m"] => Back("error_rate > 5% over 5m for 5m");
        slowness_everywhere_is_reported: ["new.latency = 2.6s from 30m"] => Tell("latency.p95 > 2s over 5m for 5m");
        failing_toggles_switch_all_off: ["signal.toggle_failures = 1 at 30m"] => Back("signal.toggle_failures > 0 over 5m");
        unreadable_toggles_are_reported: ["faults = 1 from 30m"] => Tell("faults > 0 over 5m");
        warning_of_errors: ["new.error_rate = 3% from 30m"] => Tell("error_rate > 2% over 15m");
        warning_of_slowness: ["new.latency = 1.4s from 30m"] => Tell("latency.p95 > 1s over 15m");
        warning_of_cpu: ["signal.cpu = 81% from 30m"] => Tell("signal.cpu > 80% for 5m");
        warning_of_memory: ["signal.memory = 81% from 30m"] => Tell("signal.memory > 80% for 5m");
        gate_cpu: ["signal.cpu = 80% from 30m"] => Block("signal.cpu is 80 %");
        gate_error_rate: ["new.error_rate = 1.5% from 2m"] => Block("error_rate is");
        gate_throughput: ["no traffic from 2m"] => Block("requests");
    }

    cases! { "dark-launch", "core-shadow", "", CALM:
        a_healthy_core_is_never_reported: [] => Nothing;
        copies_that_fail_end_the_comparison: ["new.error_rate = 12% from 30m"] => Back("shadow.error_rate > 5% over 15m");
        warning_of_copies_that_fail: ["new.error_rate = 2.6% from 80m"] => Tell("shadow.error_rate > 2% over 15m");
        warning_of_other_answers: ["new.shadow.mismatch_rate = 12% from 30m"] => Tell("shadow.mismatch_rate > 5% over 15m");
        gate_other_answers: ["new.shadow.mismatch_rate = 3% from 2m"] => Block("shadow.mismatch_rate is");
        gate_copies_that_fail: ["new.error_rate = 1.5% from 2m"] => Block("shadow.error_rate is");
        gate_slower_copies: ["new.latency = 1.6x from 2m"] => Block("shadow.latency.p95");
    }

    #[test]
    fn killing_the_master_sends_all_features_to_their_defaults() {
        let plans = read(&rollouts("dark-launch"));
        let key = "core-read".parse().unwrap();
        let settings = Settings {
            rollout: Some(key),
            until_ms: Some(4 * 86_400_000),
            look_ms: Some(120_000),
            ..Settings::default()
        };
        let report = live(&plans, &["approve everything", "toggles: kill at 30h"], &settings);
        let fate = report.fates.iter().find(|fate| fate.rollout.as_str() == "core-read").unwrap();
        let toggles = report.fates.iter().find(|fate| fate.rollout.as_str() == "toggles").unwrap();
        assert!(toggles.outcome == Outcome::RolledBack && fate.outcome == Outcome::Unfinished, "{fate:?} {toggles:?}");
    }

    #[test]
    fn gates_of_features_block() {
        for (line, gate) in [
            ("new.error_rate@HERE = 1.4% from 2m", "error_rate@HERE"),
            ("new.latency@HERE = 1.1s from 2m", "latency.p95@HERE"),
        ] {
            for (key, endpoint, at, _) in FEATURES {
                let gate: &'static str = gate.replace("HERE", endpoint).leak();
                check(
                    &Case { plan: "dark-launch", key, at, requests_per_hour: BUSY },
                    &[&line.replace("HERE", endpoint)],
                    Block(gate),
                );
            }
        }
        for key in ["ai-generation", "analytics"] {
            check(
                &Case { plan: "dark-launch", key, at: "25", requests_per_hour: CALM },
                &["signal.daily_cost = 101% from 30m"],
                Block("signal.daily_cost is 101 %"),
            );
        }
        for (key, event) in
            [("experimental-generator", "generator_feedback"), ("experimental-features", "lab_feedback")]
        {
            check(
                &Case { plan: "dark-launch", key, at: "25", requests_per_hour: CALM },
                &[&format!("event.{event} = 0%")],
                Block(format!("reporters.{event}").leak()),
            );
        }
        for (key, event, share) in [
            ("core-frontend", "frontend_used", "40%"),
            ("ai-generation", "ai_generation_used", "5%"),
            ("analytics", "analytics_used", "5%"),
        ] {
            check(
                &Case { plan: "dark-launch", key, at: "100", requests_per_hour: CALM },
                &[&format!("event.{event} = {share}")],
                Block(format!("event.{event} is").leak()),
            );
        }
        check(
            &Case { plan: "dark-launch", key: "legacy-shutdown", at: "100", requests_per_hour: CALM },
            &["signal.support_load = 101% from 30m"],
            Block("signal.support_load is 101 %"),
        );
    }
}

mod demo {
    use super::*;
    use Does::{Back, Hold, Previous, Tell};
    cases! { "demo", "demo", "25", CALM:
        errors: ["new.error_rate = 12% from 10m"] => Back("error_rate > 5% over 1m min 20");
        a_severe_bug: ["signal.p1 = 1 at 10m"] => Hold("signal.p1 > 0 over 1m", "25");
        slowness: ["new.latency = 4s from 10m"] => Previous("latency.p95 > 2s over 1m min 20", "10");
        failing_scripts: ["new.js_error_rate = 20% from 10m"] => Tell("js_error_rate > 10% over 5m min 10");
    }
    cases! { "demo", "demo", "25", BUSY:
        more_errors_than_legacy: ["new.error_rate = 2% from 10m"] => Back("error_rate > legacy");
    }
}

mod analytics_flags {
    use super::*;
    use Does::{Back, Block};

    const FLAGS: [&str; 5] = [
        "FEATURE_ANALYTICS_ENABLED",
        "FEATURE_TREND_FORECASTING",
        "FEATURE_CROSS_PLATFORM",
        "FEATURE_RECOMMENDATIONS",
        "FEATURE_COMPETITOR_HEATMAP",
    ];

    #[test]
    fn errors_switch_a_flag_off() {
        for key in FLAGS {
            check(
                &Case { plan: "analytics-playbook", key, at: "", requests_per_hour: CALM },
                &["new.error_rate = 3% from 30m"],
                Back("error_rate > 1% over 5m for 15m"),
            );
            check(
                &Case { plan: "analytics-playbook", key, at: "", requests_per_hour: CALM },
                &["new.error_rate = 0.3% from 2m"],
                Block("error_rate is"),
            );
        }
    }

    #[test]
    fn killing_the_master_takes_the_others_off_their_users() {
        let plans = read(&rollouts("analytics-playbook"));
        let settings = Settings { until_ms: Some(10 * 3_600_000), ..Settings::default() };
        let exposed = |lines: &[&str]| {
            let report = live(&plans, lines, &settings);
            report
                .fates
                .iter()
                .find(|fate| fate.rollout.as_str() == "FEATURE_TREND_FORECASTING")
                .unwrap()
                .requests_on_new
        };
        let (on, off) = (
            exposed(&["approve everything"]),
            exposed(&["approve everything", "FEATURE_ANALYTICS_ENABLED: kill at 1h"]),
        );
        assert!(off * 4 < on, "{off} of {on}");
    }
}

#[test]
fn every_shipped_plan_has_its_cases_here() {
    let count = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("plans")).unwrap().count();
    assert_eq!(count, 5);
}
