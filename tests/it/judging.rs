//! The judge at work: guardrails, gates and the sample ratio, on traffic that is split as in operation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

use std::rc::Rc;

use tidegate::decide::cohort::{SAMPLE_SALT, SLICES_SALT, Seed};
use tidegate::decide::explain;
use tidegate::decide::judge::{Evaluation, Judge, Judgement, Verdict};
use tidegate::decide::metrics::RolloutMetrics;
use tidegate::decide::rollout::{Order, Rollout};
use tidegate::model::command::{Command, Setting, Target};
use tidegate::model::history::EntryCause;
use tidegate::model::history::sha256_hex;
use tidegate::model::measured::{Measure, Quantity, Seen, SlicedCounts, Window, sketch};
use tidegate::model::plan::set::read_rollout;
use tidegate::model::subject::SubjectHash;
use tidegate::model::variant::Variant;
use tidegate::model::{Instant, Percentage};

/// A Monday, 09:00.
const MONDAY_MS: i64 = 1_795_424_400_000;
const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// The judge looks this often.
const STEP_MS: i64 = 10 * SECOND_MS;

/// How a side behaves.
#[derive(Clone, Copy)]
struct Behaviour {
    error_rate: f64,
    client_error_rate: f64,
    latency_ms: f64,
}

const WELL: Behaviour = Behaviour { error_rate: 0.01, client_error_rate: 0.02, latency_ms: 100.0 };

/// A rollout with traffic.
struct World {
    rollout: Rollout,
    metrics: RolloutMetrics,
    now_ms: i64,
    chance: fastrand::Rng,
    clients: fastrand::Rng,
    /// Requests a step.
    requests: usize,
    legacy: Behaviour,
    new: Behaviour,
    /// Whether the judge is stored and read again after each look.
    is_evicted: bool,
    /// Whether one subject in a hundred causes nearly all errors, on either side.
    is_heavy: bool,
}

fn at(ms: i64) -> Instant {
    Instant::from_epoch_ms(ms)
}

impl World {
    /// A running rollout at 10 % with these guardrails alone and these gates, as lists in JSON.
    fn new(guardrails: &str, gates: &str) -> Self {
        Self::of("none", guardrails, gates)
    }

    /// The same with these defaults.
    fn of(defaults: &str, guardrails: &str, gates: &str) -> Self {
        Self::with(&format!(
            r#"{{"key": "shop", "defaults": "{defaults}", "identity": {{"from": ["header:x-user-id"]}}, "groups": {{"team": {{"ids": ["ana"]}}}}, "routes": ["/*"],
            "upstreams": {{"legacy": "https://old.example.com", "new": "https://new.example.com"}},
            "signals": {{"p1": {{"kind": "count"}}, "crashes": {{"kind": "count", "heartbeat": "10m"}}, "cpu": {{"kind": "gauge", "fresh": "5m"}}}},
            "stage": [{{"name": "canary", "percentage": 10, "hold": "1h", "gates": {gates}}}, {{"name": "half", "percentage": 50, "hold": "1h"}}, {{"name": "full", "percentage": 100, "hold": "1h", "gates": {gates}}}],
            "guardrail": {guardrails}}}"#
        ))
    }

    fn with(plan: &str) -> Self {
        let mut world = Self::draft(plan);
        world.order(Command::Start);
        world
    }

    fn draft(plan: &str) -> Self {
        let plan = Rc::new(read_rollout(plan).unwrap_or_else(|faults| panic!("{faults:?}")));
        let text = serde_json::to_string(plan.as_ref()).unwrap();
        let digest = sha256_hex(text.as_bytes());
        let rollout = Rollout::new(plan, text.into(), 0, at(MONDAY_MS));
        let mut world = Self {
            rollout,
            metrics: RolloutMetrics::default(),
            now_ms: MONDAY_MS,
            chance: fastrand::Rng::with_seed(1),
            clients: fastrand::Rng::with_seed(2),
            requests: 400,
            legacy: WELL,
            new: WELL,
            is_evicted: false,
            is_heavy: false,
        };
        world.order(Command::Apply { plan: 1, digest });
        world
    }

    fn order(&mut self, command: Command) {
        self.obey(Order::new(command, "ana", "because".into()));
    }

    fn obey(&mut self, order: Order) {
        self.rollout =
            self.rollout.change(order, at(self.now_ms)).unwrap_or_else(|refusal| panic!("{refusal}")).rollout;
    }

    /// Counts a request of each of many subjects.
    fn traffic(&mut self, requests: usize) {
        let (slices, sample, seed) = (Seed::of(SLICES_SALT), Seed::of(SAMPLE_SALT), Seed::of("shop"));
        let live = self.rollout.record.live.clone();
        let mut window = Window::at(at(self.now_ms).minute(), live.revision);
        let mut compared = SlicedCounts::default();
        for _ in 0..requests {
            let number = self.chance.u32(0..20_000);
            let subject = SubjectHash::of(format!("user-{number}").as_bytes());
            let variant = if seed.bucket(subject) < live.percentage.limit() { Variant::New } else { Variant::Legacy };
            let side = if variant == Variant::New { self.new } else { self.legacy };
            let times = match self.is_heavy {
                true if number.is_multiple_of(100) => 80.0,
                true => 0.2,
                false => 1.0,
            };
            let is_error = self.chance.f64() < side.error_rate * times;
            let is_client_error = !is_error && self.clients.f64() < side.client_error_rate;
            let latency = side.latency_ms * (1.0 + self.chance.f64() * self.chance.f64() * 4.0);
            let bucket = sketch::bucket(latency).unwrap();
            let tally = window.tally_mut(variant, None).unwrap();
            tally.requests += 1;
            tally.errors += u64::from(is_error);
            tally.client_errors += u64::from(is_client_error);
            tally.sketch_mut(&Measure::Latency).unwrap().add(bucket, 1);
            let seen = Seen::new(sample.hash(subject), variant, true);
            window.subjects.add(seen);
            for (of, _) in [(Quantity::Errors, is_error), (Quantity::ClientErrors, is_client_error)]
                .into_iter()
                .filter(|(_, has_come)| *has_come)
            {
                compared.fail(&of, seen);
            }
            compared.trials(&Quantity::Errors, None, variant).unwrap().add(
                slices.slice(subject),
                1,
                u32::from(is_error),
            );
            compared.trials(&Quantity::ClientErrors, None, variant).unwrap().add(
                slices.slice(subject),
                0,
                u32::from(is_client_error),
            );
            let bin = (seed.bucket(subject) / 100) as u16;
            compared.binned(&Quantity::Errors, None, variant).unwrap().add(bin, 1, u32::from(is_error));
            compared.binned(&Quantity::ClientErrors, None, variant).unwrap().add(bin, 0, u32::from(is_client_error));
            compared.values(&Measure::Latency, None, variant).unwrap().add(slices.slice(subject), bucket, 1);
        }
        self.metrics.count(window, &compared, at(self.now_ms));
    }

    fn evaluate(&mut self) -> Evaluation {
        let evaluation = self.metrics.evaluate(&self.rollout.plan, &self.rollout.record, 0, at(self.now_ms)).clone();
        if self.is_evicted {
            let bins = self.metrics.judge.bins_to_json().expect("comparisons are by bin");
            self.metrics.judge = Judge::parse(&self.metrics.judge.to_json()).expect("what is stored can be read");
            self.metrics.judge.restore_bins(&bins).expect("what is stored can be read");
            let pasts = serde_json::to_string(&self.metrics.pasts).expect("the past is plain");
            self.metrics.pasts = serde_json::from_str(&pasts).expect("what is stored can be read");
        }
        evaluation
    }

    fn step(&mut self) -> Evaluation {
        self.now_ms += STEP_MS;
        self.traffic(self.requests);
        self.evaluate()
    }

    /// Steps for so long; the looks.
    fn go(&mut self, ms: i64) -> Vec<Evaluation> {
        (0..ms / STEP_MS).map(|_| self.step()).collect()
    }

    /// Steps until a guardrail fires, for at most so long; what it asked for.
    fn until_fired(&mut self, ms: i64) -> Option<(i64, Evaluation)> {
        let start_ms = self.now_ms;
        (0..ms / STEP_MS).find_map(|_| {
            let evaluation = self.step();
            (!evaluation.fired.is_empty()).then(|| (self.now_ms - start_ms, evaluation))
        })
    }
}

fn guardrail(when: &str, then: &str) -> String {
    format!(r#"{{"when": "{when}", "then": "{then}"}}"#)
}

fn one(when: &str, then: &str) -> String {
    format!("[{}]", guardrail(when, then))
}

fn verdicts(judgements: &[Judgement]) -> Vec<Verdict> {
    judgements.iter().map(|judgement| judgement.verdict).collect()
}

#[test]
fn a_bound_that_is_broken_rolls_back_and_says_its_figures() {
    let mut world = World::new(&one("error_rate > 3% over 5m", "rollback"), "[]");
    assert!(world.until_fired(10 * MINUTE_MS).is_none());
    world.new.error_rate = 0.10;
    let (_, evaluation) = world.until_fired(10 * MINUTE_MS).expect("it fires");
    let order = evaluation.order().unwrap();
    assert_eq!((&order.command, order.actor.as_str()), (&Command::Rollback(Target::Off), "guardrail"));
    assert_eq!(
        (&order.cause, order.reason.as_str()),
        (&EntryCause::Guardrail { index: 0, condition: "error_rate > 3% over 5m".into() }, "")
    );
    let printed = explain::in_full(order);
    assert!(printed.starts_with("the guardrail `error_rate > 3% over 5m` came true: error_rate is "), "{printed}");
    assert!(printed.contains(" % over 5m, of ") && printed.ends_with(" requests; rolls back above 3 %"), "{printed}");
    assert_eq!(order.measured.len(), 1, "{order:?}");
    world.obey(order.clone());
    let evaluation = world.step();
    assert_eq!(
        (evaluation.guardrails[0].verdict, evaluation.guardrails[0].text.as_str()),
        (Verdict::Inconclusive, "no traffic on new")
    );
}

#[test]
fn no_data_few_data_and_old_data_say_nothing() {
    let mut world = World::new(&one("error_rate > 0.1% over 5m", "off"), r#"["error_rate < 5% over stage"]"#);
    (world.new.error_rate, world.requests) = (1.0, 100);
    let evaluation = world.evaluate();
    assert_eq!(
        (evaluation.guardrails[0].verdict, evaluation.gates[0].verdict),
        (Verdict::Inconclusive, Verdict::Inconclusive)
    );
    assert!(evaluation.gates[0].text.ends_with("no data yet"), "{}", evaluation.gates[0].text);
    let evaluation = world.step();
    assert_eq!(verdicts(&evaluation.guardrails), [Verdict::Inconclusive], "a few failures are no rate");
    assert!(
        evaluation.guardrails[0].text.contains("not enough data: ")
            && evaluation.guardrails[0].text.ends_with(" of 50 requests on new over 5m"),
        "{}",
        evaluation.guardrails[0].text
    );
    world.requests = 4_000;
    (world.new.error_rate, world.rollout.record.live.killed) = (0.0, false);
    assert_eq!(verdicts(&world.step().gates), [Verdict::Pass]);
    world.now_ms += 3 * MINUTE_MS;
    let evaluation = world.evaluate();
    assert_eq!(
        (evaluation.guardrails[0].verdict, evaluation.gates[0].verdict),
        (Verdict::Inconclusive, Verdict::Inconclusive)
    );
    assert!(evaluation.gates[0].text.contains("no data for 3m"), "{}", evaluation.gates[0].text);
}

#[test]
fn a_doubling_against_legacy_is_found_and_a_harmless_release_is_not() {
    let plan = one("error_rate > legacy", "rollback");
    let mut harmless = World::new(&plan, "[]");
    assert!(harmless.until_fired(6 * HOUR_MS).is_none());
    let mut world = World::new(&plan, "[]");
    world.go(HOUR_MS);
    world.new.error_rate = 0.05;
    let (ms, evaluation) = world.until_fired(2 * HOUR_MS).expect("it is found");
    assert!(ms < 30 * MINUTE_MS, "after {ms} ms");
    let figure = &evaluation.guardrails[0].figures[0];
    assert!(figure.e_value.unwrap() >= 100.0 && figure.legacy.unwrap() < figure.value.unwrap(), "{figure:?}");
    assert!(figure.text.contains("; evidence that it is more than legacy's: "), "{}", figure.text);
    assert!(figure.text.contains(" exposures; significant"), "{}", figure.text);
    let used = figure.exposures.unwrap();
    assert!(0.0 < used.new && used.new <= figure.observations, "no user counts twice in a minute: {figure:?}");
    assert!(used.legacy <= figure.observations_legacy.unwrap(), "{figure:?}");
}

#[test]
fn a_release_that_answers_404_to_everybody_is_rolled_back_though_no_guardrail_says_so() {
    let mut harmless = World::of("builtin", "[]", "[]");
    assert!(harmless.until_fired(6 * HOUR_MS).is_none());
    let mut world = World::of("builtin", "[]", "[]");
    world.go(HOUR_MS);
    world.new.client_error_rate = 1.0;
    let (ms, evaluation) = world.until_fired(HOUR_MS).expect("it is found");
    assert!(ms <= 2 * MINUTE_MS, "after {ms} ms");
    let order = evaluation.order().unwrap();
    assert_eq!(order.command, Command::Rollback(Target::Off));
    let of = EntryCause::Guardrail { index: 1, condition: "client_error_rate > legacy".into() };
    assert_eq!(order.cause, of);
    let needed = evaluation.guardrails[1].figures[0].e_needed;
    assert!(needed.is_some_and(|needed| (190.0..=200.0).contains(&needed)), "two comparisons share 0.01: {needed:?}");
    let mut world = World::of("none", "[]", "[]");
    (world.new.client_error_rate, world.new.error_rate) = (1.0, 1.0);
    assert!(world.until_fired(HOUR_MS).is_none());
}

#[test]
fn repeats_of_one_client_make_no_rate_and_an_outage_does() {
    let verdict = |clients: u64, failures: u64, others: u64| {
        let mut world = World::new(&one("error_rate > 5% over 5m", "rollback"), "[]");
        let mut window = Window::at(at(world.now_ms).minute(), world.rollout.record.live.revision);
        let tally = window.tally_mut(Variant::New, None).unwrap();
        (tally.requests, tally.errors) = (clients * failures + others, clients * failures);
        tally.add_repeats(&Quantity::Errors, clients * (failures - 1));
        world.metrics.count(window, &SlicedCounts::default(), at(world.now_ms));
        let evaluation = world.evaluate();
        (
            evaluation.guardrails[0].verdict,
            evaluation.guardrails[0].figures[0].value.map(|value| (value * 1e4).round() / 1e4),
            evaluation.guardrails[0].figures[0].observations,
        )
    };
    assert_eq!(verdict(1, 64, 100), (Verdict::Pass, Some(0.0099), 101.0));
    assert_eq!(verdict(100, 64, 0), (Verdict::Fail, Some(1.0), 100.0));
    assert_eq!(verdict(1, 640, 40), (Verdict::Inconclusive, Some(0.0244), 41.0), "`min` is about what is left");
}

#[test]
fn a_condition_may_ask_for_a_number_of_different_subjects() {
    let guardrails = format!(
        "[{}, {}]",
        guardrail("error_rate > 5% over 5m min 20 subjects", "rollback"),
        guardrail("error_rate > legacy min 20 subjects", "rollback")
    );
    let mut world = World::new(&guardrails, r#"["error_rate < 50% over stage min 10 min 20 subjects"]"#);
    let revision = world.rollout.record.live.revision;
    let mut count = |subjects: u64| {
        let mut window = Window::at(at(world.now_ms).minute(), revision);
        let tally = window.tally_mut(Variant::New, None).unwrap();
        (tally.requests, tally.errors) = (100, 10);
        (0..subjects).for_each(|n| window.subjects.add(Seen::new(n << 40, Variant::New, true)));
        (0..100).for_each(|n| window.subjects.add(Seen::new(n << 30, Variant::Legacy, true)));
        world.metrics.count(window, &SlicedCounts::default(), at(world.now_ms));
        world.evaluate()
    };
    let evaluation = count(19);
    assert_eq!(
        (verdicts(&evaluation.guardrails), verdicts(&evaluation.gates)),
        (vec![Verdict::Inconclusive; 2], vec![Verdict::Inconclusive])
    );
    assert_eq!(evaluation.guardrails[0].text, "error_rate: not enough data: 19 of 20 users on new over 5m");
    assert_eq!(evaluation.gates[0].text, "error_rate: not enough data: 19 of 20 users on new over stage");
    let evaluation = count(20);
    assert_eq!((evaluation.guardrails[0].verdict, verdicts(&evaluation.gates)), (Verdict::Fail, vec![Verdict::Pass]));
}

#[test]
fn only_slower_by_forty_percent_trips_a_guardrail_of_thirty() {
    let mut world = World::new(&one("latency.p75 > 1.3x legacy", "previous"), "[]");
    assert!(world.until_fired(2 * HOUR_MS).is_none());
    world.new.latency_ms = 140.0;
    let (ms, evaluation) = world.until_fired(HOUR_MS).expect("it is found");
    assert!(ms <= 30 * MINUTE_MS, "after {ms} ms");
    assert_eq!(evaluation.order().unwrap().command, Command::Rollback(Target::Previous));
    let mut world = World::new(&one("latency.p75 > 1.3x legacy", "previous"), "[]");
    world.new.latency_ms = 115.0;
    assert!(world.until_fired(2 * HOUR_MS).is_none(), "less than the factor is no breach");
}

#[test]
fn gates_against_legacy_pass_once_it_is_shown() {
    let mut world =
        World::new("[]", r#"["latency.p75 <= 1.2x legacy", "error_rate <= legacy", "error_rate <= 2x legacy"]"#);
    assert_eq!(verdicts(&world.step().gates)[0], Verdict::Inconclusive);
    let looks = world.go(3 * HOUR_MS);
    assert_eq!(verdicts(&looks.last().unwrap().gates), [Verdict::Pass; 3], "{:?}", looks.last().unwrap().gates);
    assert!(looks.iter().all(|evaluation| evaluation.gates.iter().all(|gate| gate.verdict != Verdict::Fail)));
    (world.new.latency_ms, world.new.error_rate) = (200.0, 0.1);
    let looks = world.go(3 * HOUR_MS);
    assert_eq!(verdicts(&looks.last().unwrap().gates), [Verdict::Fail; 3], "{:?}", looks.last().unwrap().gates);
}

#[test]
fn what_must_hold_for_a_time_breaks_with_the_figures_and_with_the_clock() {
    let mut world = World::new("[]", r#"["error_rate < 5% over 1m for 10m"]"#);
    let looks = world.go(15 * MINUTE_MS);
    let first = looks.iter().position(|evaluation| evaluation.gates[0].verdict == Verdict::Pass).unwrap();
    assert!((60..=75).contains(&first), "after {first} looks");
    assert!(
        looks[30].gates[0].text.contains("; for ") && looks[30].gates[0].text.ends_with(" of 10m"),
        "{}",
        looks[30].gates[0].text
    );
    world.new.error_rate = 0.5;
    assert_eq!(verdicts(&world.go(2 * MINUTE_MS).last().unwrap().gates), [Verdict::Fail]);
    world.new.error_rate = 0.0;
    assert_eq!(verdicts(&world.go(9 * MINUTE_MS).last().unwrap().gates), [Verdict::Inconclusive]);
    world.go(5 * MINUTE_MS);
    world.now_ms += 5 * MINUTE_MS;
    assert_eq!(verdicts(&world.step().gates), [Verdict::Inconclusive], "five minutes that nobody saw");
    world.go(10 * MINUTE_MS);
    world.now_ms -= 60 * MINUTE_MS;
    assert_ne!(verdicts(&world.step().gates), [Verdict::Pass], "a clock that jumped back");
}

#[test]
fn signals_count_report_and_go_silent() {
    let mut world = World::new(
        &format!(
            "[{}, {}, {}]",
            guardrail("signal.p1 > 2 over 1h", "pause"),
            guardrail("signal.crashes > 0 over 1h", "off"),
            guardrail("signal.cpu > 80%", "5%")
        ),
        r#"["signal.cpu < 70%"]"#,
    );
    let evaluation = world.step();
    assert_eq!(
        verdicts(&evaluation.guardrails),
        [Verdict::Inconclusive; 3],
        "whether anybody would report anything is not known yet"
    );
    let now = at(world.now_ms);
    for (name, value) in [("p1", 2.0), ("crashes", 0.0), ("cpu", 0.6)] {
        world.metrics.signals.report(name, value, now);
    }
    let evaluation = world.step();
    assert_eq!(
        (verdicts(&evaluation.guardrails), verdicts(&evaluation.gates)),
        (vec![Verdict::Pass; 3], vec![Verdict::Pass])
    );
    world.now_ms += 6 * MINUTE_MS;
    assert_eq!(
        verdicts(&world.step().guardrails),
        [Verdict::Pass, Verdict::Pass, Verdict::Inconclusive],
        "a level grows old"
    );
    world.metrics.signals.report("p1", 1.0, at(world.now_ms));
    world.metrics.signals.report("cpu", 0.85, at(world.now_ms));
    let evaluation = world.step();
    assert_eq!(evaluation.fired.iter().map(|fired| fired.guardrail).collect::<Vec<_>>(), [2, 0], "the severest first");
    assert_eq!(evaluation.order().unwrap().command, Command::Set(Setting::percentage("5".parse().unwrap())));
    world.obey(evaluation.order().unwrap().clone());
    assert!(world.step().fired.is_empty(), "it fires once");
    world.now_ms += 2 * HOUR_MS;
    world.metrics.signals.report("cpu", 0.5, at(world.now_ms));
    assert!(world.step().fired.is_empty());
    world.metrics.signals.report("cpu", 0.9, at(world.now_ms));
    let evaluation = world.step();
    assert_eq!(evaluation.fired.len(), 1, "and again once it was false");
    assert_eq!(evaluation.order(), None, "which changes nothing any more");
}

#[test]
fn what_happens_in_a_warm_up_enters_no_figure_and_no_evidence() {
    let guardrails = r#"[{"when": "error_rate > legacy", "then": "rollback", "after": "10m"}, {"when": "error_rate > 3% over 30m", "then": "rollback", "after": "10m"}]"#;
    let mut world = World::new(guardrails, r#"[{"when": "error_rate < 2% over stage", "after": "10m"}]"#);
    world.is_evicted = true;
    world.new.error_rate = 0.5;
    let cold = world.go(9 * MINUTE_MS);
    assert!(cold.iter().all(|evaluation| evaluation.fired.is_empty()));
    let evaluation = cold.last().unwrap();
    assert_eq!(
        (evaluation.guardrails[0].text.as_str(), evaluation.gates[0].text.as_str()),
        ("starts 10m after the stage was entered", "starts 10m after the stage was entered")
    );
    world.new = WELL;
    let warm = world.go(HOUR_MS);
    assert!(
        warm.iter().all(|evaluation| evaluation.fired.is_empty()),
        "{:?}",
        warm.iter().find(|evaluation| !evaluation.fired.is_empty())
    );
    assert_eq!(verdicts(&warm.last().unwrap().gates), [Verdict::Pass], "{:?}", warm.last().unwrap().gates);
    world.new.error_rate = 0.5;
    assert!(world.until_fired(10 * MINUTE_MS).is_some(), "what comes later counts");
}

#[test]
fn a_gate_shows_superiority_or_that_new_is_not_worse() {
    let mut world = World::new("[]", r#"["error_rate < legacy", "error_rate <= legacy", "event.order > legacy"]"#);
    let looks = world.go(HOUR_MS);
    let gates = &looks.last().unwrap().gates;
    assert_eq!(
        verdicts(gates),
        [Verdict::Inconclusive, Verdict::Pass, Verdict::Inconclusive],
        "as good as legacy is not better: {gates:?}"
    );
    assert!(gates[2].text.contains("never reported, so it shows nothing"), "{}", gates[2].text);
    world.new.error_rate = 0.001;
    assert_eq!(verdicts(&world.go(2 * HOUR_MS).last().unwrap().gates)[..2], [Verdict::Pass, Verdict::Pass]);
}

#[test]
fn a_sample_ratio_mismatch_stops_advancing() {
    let mut world = World::new("[]", "[]");
    let looks = world.go(20 * MINUTE_MS);
    assert!(looks.iter().all(|evaluation| evaluation.sample_ratio.as_ref().unwrap().verdict == Verdict::Pass));
    // The state says 10 %, but 15 % come to new.
    let mut world = World::new("[]", "[]");
    let percentage = world.rollout.record.live.percentage;
    for _ in 0..60 {
        world.rollout.record.live.percentage = Percentage::from_limit(15_000).unwrap();
        world.now_ms += STEP_MS;
        world.traffic(400);
        world.rollout.record.live.percentage = percentage;
        world.evaluate();
    }
    let ratio = world.metrics.last.clone().unwrap().sample_ratio.unwrap();
    assert_eq!(ratio.verdict, Verdict::Fail, "{}", ratio.text);
    assert!(ratio.text.contains("where 10 % should be; sample ratio mismatch: "), "{}", ratio.text);
}

#[test]
fn at_a_hundred_percent_old_evidence_says_so_and_gates_use_legacys_last_day() {
    let mut world = World::new(
        &one("error_rate > legacy", "rollback"),
        r#"["latency.p75 < 1.1x legacy", "error_rate < 1.05x legacy"]"#,
    );
    world.go(HOUR_MS);
    world.new = Behaviour { error_rate: 0.009, ..WELL };
    world.order(Command::Set(Setting::percentage(Percentage::FULL)));
    world.order(Command::Resume(None));
    let evaluation = world.go(HOUR_MS).pop().unwrap();
    assert_eq!(
        (evaluation.guardrails[0].verdict, verdicts(&evaluation.gates)),
        (Verdict::Pass, vec![Verdict::Pass; 2]),
        "{:?}",
        evaluation.gates
    );
    assert!(
        evaluation.guardrails[0].text.contains("(twice legacy's last rate, taken as 1.0"),
        "{}",
        evaluation.guardrails[0].text
    );
    assert!(
        evaluation.gates[0].text.contains("in its last day with traffic, until Mon 23 Nov 2026"),
        "{}",
        evaluation.gates[0].text
    );
    world.new.latency_ms = 300.0;
    assert_eq!(verdicts(&world.go(3 * HOUR_MS).pop().unwrap().gates)[0], Verdict::Fail);
    world.new.error_rate = 0.3;
    let (_, evaluation) = world.until_fired(10 * MINUTE_MS).expect("a release that fails at 100 % goes back");
    assert!(evaluation.fired[0].text.contains("in the last minute"), "{}", evaluation.fired[0].text);
}

#[test]
fn an_attempt_begins_without_the_last_ones_figures() {
    let plan = format!(
        "[{}, {}, {}]",
        guardrail("error_rate > 5% over 1d", "rollback"),
        guardrail("error_rate > legacy", "rollback"),
        guardrail("signal.p1 > 0 over 1w", "rollback")
    );
    let mut world = World::new(&plan, "[]");
    world.new.error_rate = 0.3;
    world.metrics.signals.report("p1", 1.0, at(world.now_ms));
    let (_, evaluation) = world.until_fired(10 * MINUTE_MS).unwrap();
    world.obey(evaluation.order().unwrap().clone());
    world.go(5 * MINUTE_MS);
    world.order(Command::Resume(None));
    world.new = WELL;
    let looks = world.go(30 * MINUTE_MS);
    assert!(looks.iter().all(|evaluation| evaluation.fired.is_empty()));
    assert_eq!(verdicts(&looks.last().unwrap().guardrails), [Verdict::Pass; 3]);
}

#[test]
fn a_judge_that_is_stored_and_read_goes_on_alike() {
    let plan = format!(
        "[{}, {}]",
        guardrail("error_rate > 1.3x legacy", "rollback"),
        guardrail("latency.p75 > 1.5x legacy", "alert")
    );
    let run = |is_evicted: bool| {
        let mut world = World::new(&plan, r#"["latency.p75 <= 1.3x legacy", "error_rate < 5% over 1m for 10m"]"#);
        world.is_evicted = is_evicted;
        let mut looks = world.go(30 * MINUTE_MS);
        world.new.error_rate = 0.03;
        looks.extend(world.go(30 * MINUTE_MS));
        looks
            .iter()
            .map(|evaluation| {
                (
                    verdicts(&evaluation.guardrails),
                    verdicts(&evaluation.gates),
                    evaluation.fired.len(),
                    evaluation.guardrails[0].since,
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(true), run(false));
}

/// Twelve hours of a draft's traffic, and then a release: errors that nearly all come from few subjects do not hide
/// a doubling, and are no reason to roll back.
#[test]
fn what_bins_did_in_the_draft_is_known_when_the_release_starts() {
    let plan = |share: u32| {
        format!(
            r#"{{"key": "shop", "defaults": "none", "identity": {{"from": ["header:x-user-id"]}}, "routes": ["/*"],
            "upstreams": {{"legacy": "https://old.example.com", "new": "https://new.example.com"}},
            "stage": [{{"name": "canary", "percentage": {share}}}], "guardrail": {}}}"#,
            one("error_rate > legacy", "rollback")
        )
    };
    let mut world = World::draft(&plan(10));
    world.is_heavy = true;
    for _ in 0..144 {
        world.now_ms += 5 * MINUTE_MS;
        world.traffic(2_000);
        world.evaluate();
    }
    let worth = world.metrics.pasts.get(&Quantity::Errors, None).map(|past| (past.hours(), past.worth()));
    assert!(worth.is_some_and(|(hours, worth)| hours > 9.0 && worth > 0.5), "{worth:?}");
    world.order(Command::Start);
    assert!(world.until_fired(2 * HOUR_MS).is_none(), "harmless");
    let evaluation = world.step();
    let figure = &evaluation.guardrails[0].figures[0];
    assert!(figure.stands.is_some() && figure.ratio.is_some(), "{figure:?}");
    world.new.error_rate = 0.03;
    let found = world.until_fired(HOUR_MS);
    let (after_ms, evaluation) = found.expect("three times as many errors, of the same subjects");
    assert!(after_ms <= 30 * MINUTE_MS, "{} min", after_ms / MINUTE_MS);
    assert!(evaluation.guardrails[0].text.contains("; worse"), "{}", evaluation.guardrails[0].text);
}

#[test]
fn people_are_reported_once_and_in_time() {
    let mut world = World::with(
        r#"{"key": "shop", "identity": {"from": ["header:x-user-id"]}, "routes": ["/*"], "roles": {"lead": "ben"}, "channels": {"chat": {"slack": "secret:CHAT"}},
        "upstreams": {"legacy": "https://old.example.com", "new": "https://new.example.com"}, "signals": {"p1": {"kind": "count"}},
        "stage": [{"name": "canary", "percentage": 10, "hold": "2h", "owner": "lead", "checkins": ["10m until 30m", "1h"], "gates": ["signal.p1 = 0 over stage"]}, {"name": "full", "percentage": 100, "hold": "1h"}],
        "guardrail": [{"when": "signal.p1 > 1 over 10m", "then": "alert", "notify": ["chat"], "severity": "critical", "text": "Look.", "escalate": [{"after": "5m", "to": "lead", "text": "Decide"}, {"after": "20m", "to": "lead"}]}],
        "notice": [{"at": "full-30m", "to": ["chat"], "text": "Soon"}, {"at": "full", "to": ["chat"], "text": "Now"}, {"at": "canary+1h", "to": ["chat"], "text": "An hour"}, {"at": "rollback", "to": ["chat"], "text": "Back"}]}"#,
    );
    (world.requests, world.is_evicted) = (10, true);
    world.metrics.signals.report("p1", 0.0, at(world.now_ms));
    let start_ms = world.now_ms;
    let printed = |world: &mut World, ms: i64| {
        let messages = world.go(ms).into_iter().flat_map(|evaluation| evaluation.messages);
        messages
            .map(|message| {
                (message.kind, (message.at.as_epoch_ms() - start_ms) / MINUTE_MS, message.to.join(" "), message.text)
            })
            .collect::<Vec<_>>()
    };
    let first = printed(&mut world, 2 * HOUR_MS);
    let brief: Vec<(&str, i64)> = first.iter().map(|(kind, minute, _, _)| (*kind, *minute)).collect();
    assert_eq!(
        brief,
        [
            ("checkin", 10),
            ("checkin", 20),
            ("checkin", 30),
            ("checkin", 60),
            ("notice", 60),
            ("notice", 90),
            ("checkin", 120)
        ]
    );
    assert_eq!(
        (first[0].2.as_str(), first[0].3.as_str()),
        ("lead", "check-in of canary at 10 %: 1 of 3 gates met, 2 let through undecided")
    );
    world.order(Command::Advance);
    world.metrics.signals.report("p1", 2.0, at(world.now_ms));
    let second = printed(&mut world, 8 * MINUTE_MS);
    let brief: Vec<(&str, &str)> = second.iter().map(|(kind, _, to, _)| (*kind, to.as_str())).collect();
    assert_eq!(brief, [("alert", "chat"), ("notice", "chat"), ("escalation", "lead")], "{second:?}");
    assert_eq!(second[0].3, "critical guardrail `signal.p1 > 1 over 10m` came true: Look.");
    assert_eq!(printed(&mut world, HOUR_MS), [], "what is false again goes no higher");
    world.order(Command::Rollback(Target::Off));
    assert_eq!(printed(&mut world, HOUR_MS).len(), 1);
}
