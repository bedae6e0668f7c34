//! No plan, however careless, lets a bad release through: random plans that are accepted, each lived
//! through with a new that fails for everybody from a random moment on. None may complete.
//!
//! `TIDEGATE_PLANS=20000 cargo test --test it careless` tries more of them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use fastrand::Rng;
use tidegate::model::plan::Plan;
use tidegate::model::plan::set::read_rollout;
use tidegate::simulate::scenario::parse;
use tidegate::simulate::{Outcome, RunOutcome, Settings, Simulation};

const PLANS: u64 = 1_000;
const HOUR_MS: i64 = 3_600_000;

fn pick<'a>(chance: &mut Rng, all: &[&'a str]) -> &'a str {
    all[chance.usize(..all.len())]
}

/// A plan as somebody careless writes it: few stages or many, gates and guardrails that say little, and
/// nothing that must be done by a person.
fn plan(chance: &mut Rng) -> String {
    let mut percentages: Vec<u32> =
        (0..chance.u32(0..4)).map(|_| *[0, 1, 5, 10, 25, 50, 75, 90].get(chance.usize(..8)).unwrap()).collect();
    percentages.push(100);
    percentages.sort_unstable();
    let stages: Vec<String> = percentages
        .iter()
        .enumerate()
        .map(|(index, percentage)| {
            let hold = pick(chance, &["10m", "30m", "1h", "3h", "6h"]);
            let groups = if *percentage == 0 { r#","groups":["team"]"# } else { "" };
            let gates = if chance.u8(..3) == 0 {
                format!(
                    r#","gates":["{}"]"#,
                    pick(
                        chance,
                        &[
                            "requests > 0 over stage",
                            "errors < 1000000 over stage",
                            "latency.p95 < 60s over stage",
                            "percentage >= 0%",
                            "error_rate < 100% over stage min 1",
                            "rescued >= 0 over stage"
                        ]
                    )
                )
            } else {
                String::new()
            };
            format!(r#"{{"name":"s{index}","percentage":{percentage},"hold":"{hold}"{groups}{gates}}}"#)
        })
        .collect();
    let guardrail = match chance.u8(..3) {
        0 => format!(
            r#","guardrail":[{{"when":"{}","then":"{}"}}]"#,
            pick(
                chance,
                &[
                    "errors > 1000000",
                    "latency.p95 > 60s",
                    "error_rate > legacy",
                    "error_rate > 99.9% over 1h",
                    "subjects > 1000000"
                ]
            ),
            pick(chance, &["alert", "pause", "rollback"])
        ),
        _ => String::new(),
    };
    let rescue = pick(chance, &["true", "false", r#""until_completed""#]);
    let holdout = pick(chance, &["", "", r#","holdout":"1%""#, r#","holdout":"5%""#]);
    let alpha = pick(chance, &["", "", r#","alpha":0.001"#, r#","alpha":0.05"#]);
    let groups = if percentages[0] == 0 { r#","groups":{"team":{"ids":["ana","ben"]}}"# } else { "" };
    format!(
        r#"{{"key":"shop","routes":["/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example","rescue":{rescue}}}{groups}{holdout}{alpha},"stage":[{}]{guardrail}}}"#,
        stages.join(",")
    )
}

fn fails(chance: &mut Rng, plan: &Plan) -> String {
    let stage = &plan.stages[chance.usize(..plan.stages.len())];
    let hold_ms = stage.hold.unwrap().as_ms();
    // In the first half of a hold: what fails for the first time as the last hold ends, nobody can know.
    let after_s = chance.u64(..hold_ms / 2) / 1_000;
    let what = pick(
        chance,
        &[
            "new.error_rate = 100%",
            "new.client_error_rate = 100%",
            "new down",
            "new.timeout_rate = 100%",
            "new.broken_rate = 100%",
        ],
    );
    format!("{what} from {}+{after_s}s", stage.name)
}

fn live(plan: &Plan, line: &str, settings: &Settings) -> RunOutcome {
    let scenario = parse(line, &[plan]).unwrap_or_else(|faults| panic!("{faults:?}"));
    Simulation::new(std::slice::from_ref(plan), &scenario, settings).run().fates.remove(0)
}

/// Lets a plan that nobody has thought about live with a new that fails for everybody, and says whether it was taken
/// back; it never completes.
fn is_taken_back(seed: u64) -> bool {
    let mut chance = Rng::with_seed(seed);
    let text = plan(&mut chance);
    let plan = read_rollout(&text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    let line = fails(&mut chance, &plan);
    let holds_ms: u64 = plan.stages.iter().filter_map(|stage| stage.hold).map(|hold| hold.as_ms()).sum();
    let until_ms = i64::try_from(holds_ms).unwrap() * 3 + 12 * HOUR_MS;
    let settings = Settings {
        seed,
        subjects: chance.usize(50..400),
        requests_per_hour: f64::from(chance.u32(30..1_500)),
        until_ms: Some(until_ms),
        look_ms: Some(60_000),
        ..Settings::default()
    };
    let fate = live(&plan, &line, &settings);
    assert_ne!(fate.outcome, Outcome::Completed, "{text}\n{line}\n{settings:?}\n{fate:?}");
    fate.outcome == Outcome::RolledBack
}

#[test]
fn no_plan_that_is_accepted_completes_with_a_new_that_fails_for_everybody() {
    let plans = std::env::var("TIDEGATE_PLANS").ok().and_then(|count| count.parse().ok()).unwrap_or(PLANS);
    // The longest of the native tests.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let part = |first: u64| move || (first..plans).step_by(cores).filter(|seed| is_taken_back(*seed)).count() as u64;
    let back: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores as u64).map(|first| scope.spawn(part(first))).collect();
        workers.into_iter().map(|worker| worker.join().expect("none completes")).sum()
    });
    println!("{back} rolled back, {} wait", plans - back);
    assert!(back * 2 > plans, "most of them are rolled back: {back} of {plans}");
}

#[test]
fn what_is_harmless_completes_by_a_careless_plan() {
    let text = r#"{"key":"shop","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},
        "stage":[{"name":"tenth","percentage":10,"hold":"48h"},{"name":"half","percentage":50,"hold":"24h"},{"name":"full","percentage":100,"hold":"24h"}]}"#;
    let plan = read_rollout(text).unwrap();
    for seed in 0..20 {
        let settings =
            Settings { seed, subjects: 150, requests_per_hour: 60.0, look_ms: Some(60_000), ..Settings::default() };
        let healthy = live(&plan, "", &settings);
        assert_eq!(healthy.outcome, Outcome::Completed, "{healthy:?}");
        let fate = live(&plan, "new.error_rate = 100% from tenth", &settings);
        assert_eq!((fate.outcome, fate.stage.as_str()), (Outcome::RolledBack, "tenth"), "{fate:?}");
        assert!(fate.at_hours < 6.0, "{fate:?}");
    }
}
