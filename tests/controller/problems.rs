//! What makes a rollout's figures worth less, each with each thing that is done about it; guardrails that only
//! observe; and what broke, as the history, the messages and the API tell of it.

use serde_json::{Value, json};
use tidegate::model::measured::by_value::Troubles;
use tidegate::model::measured::{Seen, SlicedCounts, ValueCounts, Window};
use tidegate::model::minute::MINUTE_MS;
use tidegate::model::subject::fnv1a64;
use tidegate::model::variant::Variant;
use tidegate::protocol::flush::{Batch, Counted, Flush};

use crate::people::{command, get, grant, history, put_plans, rollout};
use crate::world::World;

fn plan(more: Value) -> Value {
    let mut plan = json!({
        "key": "shop", "routes": ["/*"],
        "upstreams": {"legacy": "https://legacy.example", "new": "https://new.example"},
        "identity": {"from": ["header:x-user-id"]},
        "defaults": "none",
        "channels": {"chat": {"slack": "secret:CHAT_URL"}},
        "endpoints": {"api": "path:/api/*", "pages": "path:/shop/*"},
        "stage": [
            {"name": "half", "percentage": 50, "hold": "4h"},
            {"name": "full", "percentage": 100, "hold": "1d"},
        ],
    });
    for (name, value) in more.as_object().unwrap() {
        plan[name] = value.clone();
    }
    plan
}

/// A rollout that has started, whose messages of that have gone out.
fn started(more: Value) -> World {
    let mut world = World::new(1);
    grant(&mut world, put_plans(&[plan(more)]));
    grant(&mut world, command("ana", "shop", "the sale begins", Some("*"), json!({"command": "start"})));
    world.pass(MINUTE_MS);
    world
}

fn revision(world: &mut World) -> u64 {
    rollout(world, "shop")["state"]["revision"].as_u64().unwrap()
}

/// A minute of what an isolate has counted.
fn minute(world: &mut World, fill: impl FnOnce(&mut Window)) {
    let mut window = Window::at(world.now().minute(), revision(world));
    fill(&mut window);
    let counted = vec![Counted { rollout: "shop".parse().unwrap(), window, compared: SlicedCounts::default() }];
    let batch = Batch { sequence: world.now_ms as u64, counted, ..Batch::default() };
    world.flush(Flush { isolate: "one".into(), batch: Some(batch), ..Flush::default() });
    world.pass(MINUTE_MS);
}

fn requests(window: &mut Window, legacy: u64, new: u64) {
    window.tally_mut(Variant::Legacy, None).unwrap().requests = legacy;
    window.tally_mut(Variant::New, None).unwrap().requests = new;
}

/// Healthy traffic, and then one of the problems.
fn with_problem(kind: &str, then: Option<&str>) -> World {
    let mut more = match kind {
        "measuring_stopped" => json!({"guardrail": [{"when": "js_error_rate > 50%", "then": "alert"}]}),
        _ => json!({}),
    };
    if let Some(then) = then {
        more["problem"] = json!([{"on": kind, "then": then}]);
    }
    let mut world = started(more);
    let healthy = |window: &mut Window| {
        requests(window, 100, 100);
        for side in [Variant::Legacy, Variant::New] {
            window.tally_mut(side, None).unwrap().pages = 50;
        }
    };
    if kind != "low_traffic" {
        (0..20).for_each(|_| minute(&mut world, healthy));
    }
    match kind {
        "srm" => (0..5_u64).for_each(|round| {
            minute(&mut world, |window| {
                requests(window, 400, 100);
                for n in 0..250_u64 {
                    let hash = fnv1a64(&(round * 1_000 + n).to_le_bytes()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let side = if n % 5 == 0 { Variant::New } else { Variant::Legacy };
                    window.subjects.add(Seen::new(hash, side, true));
                }
            });
        }),
        "no_traffic" => world.pass(20 * MINUTE_MS),
        "low_traffic" => (0..70).for_each(|n| minute(&mut world, |window| requests(window, 1, u64::from(n % 10 == 0)))),
        "measuring_stopped" => (0..20).for_each(|_| {
            minute(&mut world, |window| {
                requests(window, 100, 100);
                window.tally_mut(Variant::Legacy, None).unwrap().pages = 50;
            });
        }),
        "identity_mixed" => (0..3).for_each(|_| {
            minute(&mut world, |window| {
                healthy(window);
                window.tally_mut(Variant::New, None).unwrap().mixed = 20;
            });
        }),
        "config_fault" => {
            for _ in 0..15 {
                let faults = vec![("stage/shop".to_owned(), "`a lot` is no percentage".to_owned())];
                world.flush(Flush { isolate: "two".into(), faults, known: Some(Vec::new()), ..Flush::default() });
                world.pass(MINUTE_MS / 3);
            }
        }
        _ => unreachable!("{kind}"),
    }
    world
}

const KINDS: [&str; 6] = ["srm", "no_traffic", "low_traffic", "measuring_stopped", "identity_mixed", "config_fault"];

fn found<'a>(view: &'a Value, kind: &str) -> &'a Value {
    view["problems"].as_array().unwrap().iter().find(|own| own["on"] == kind).unwrap()
}

fn is_held(view: &Value) -> bool {
    view["blocked"].as_array().unwrap().iter().any(|own| own["by"] == "problem" || own["by"] == "sample_ratio")
}

/// How many messages have reported a problem, and not of a change.
fn reported(world: &mut World) -> usize {
    world.pass(MINUTE_MS);
    let all: Vec<String> =
        world.receivers.of_channel("chat").map(|got| got.notification.kind.as_str().to_owned()).collect();
    all.iter().filter(|kind| *kind == "fault" || *kind == "alert").count()
}

#[test]
fn each_problem_is_found_shown_and_met_as_the_table_says_where_the_plan_says_nothing() {
    for (kind, tells, holds) in [
        ("srm", true, true),
        ("no_traffic", true, false),
        ("low_traffic", false, false),
        ("measuring_stopped", true, false),
        ("identity_mixed", true, false),
        ("config_fault", true, false),
    ] {
        let mut world = with_problem(kind, None);
        let view = rollout(&mut world, "shop");
        assert_eq!(found(&view, kind)["is_found"], true, "{kind}: {}", view["problems"]);
        assert!(found(&view, kind)["text"].as_str().unwrap().len() > 20, "{kind}");
        assert!(found(&view, kind)["since"].is_string(), "{kind}");
        assert_eq!((view["state"]["phase"].as_str(), is_held(&view)), (Some("running"), holds), "{kind}");
        assert_eq!(reported(&mut world) > 0, tells, "{kind}");
        let others = KINDS.iter().filter(|own| **own != kind && found(&view, own)["is_found"] == true);
        assert_eq!(others.collect::<Vec<_>>(), [&""; 0], "{kind} is not taken for another");
    }
}

#[test]
fn a_problem_is_shown_to_nobody_reported_held_paused_or_rolled_back_as_the_plan_says_once() {
    for kind in KINDS {
        for (then, phase, holds, tells) in [
            ("show", "running", false, false),
            ("alert", "running", false, true),
            ("hold", "running", true, true),
            ("pause", "paused", false, true),
            ("rollback", "rolled_back", false, true),
        ] {
            let mut world = with_problem(kind, Some(then));
            let view = rollout(&mut world, "shop");
            assert_eq!((view["state"]["phase"].as_str().unwrap(), is_held(&view)), (phase, holds), "{kind} {then}");
            let entries = history(&world, "shop");
            let acted = entries.iter().filter(|entry| entry.actor == "guardrail").count();
            assert_eq!(acted, usize::from(!matches!(then, "show" | "alert" | "hold")), "{kind} {then}");
            if acted > 0 {
                let page = grant(&mut world, get("rollouts/shop/history", ""));
                let why = page["explanations"][0]["reason"].as_str().unwrap();
                assert!(why.starts_with(&format!("the problem `{kind}` was found: ")), "{why}");
            } else {
                assert_eq!(reported(&mut world) > 0, tells, "{kind} {then}");
            }
        }
    }
}

#[test]
fn a_problem_that_is_over_holds_nothing_and_one_that_comes_again_acts_again() {
    let mut world = with_problem("no_traffic", Some("pause"));
    let paused = |world: &World| history(world, "shop").iter().filter(|entry| entry.actor == "guardrail").count();
    assert_eq!(paused(&world), 1);
    world.pass(60 * MINUTE_MS);
    assert_eq!(paused(&world), 1, "it lasts, and acts once");
    grant(&mut world, command("ana", "shop", "it was a night", Some("*"), json!({"command": "resume"})));
    (0..5).for_each(|_| minute(&mut world, |window| requests(window, 100, 100)));
    assert_eq!(found(&rollout(&mut world, "shop"), "no_traffic")["is_found"], false);
    world.pass(20 * MINUTE_MS);
    assert_eq!(paused(&world), 2);
}

#[test]
fn a_guardrail_that_observes_acts_on_nobody_for_hours_and_notes_each_time_once() {
    let observes = json!({"guardrail": [{"when": "error_rate > 5% over 5m", "then": "rollback", "mode": "observe"}]});
    let mut world = started(observes);
    let fails = |window: &mut Window| {
        requests(window, 100, 100);
        window.tally_mut(Variant::New, None).unwrap().errors = 40;
    };
    (0..180).for_each(|_| minute(&mut world, fails));
    let view = rollout(&mut world, "shop");
    let own = &view["guardrails"][0];
    assert_eq!((view["state"]["phase"].as_str(), own["verdict"].as_str()), (Some("running"), Some("fail")));
    assert_eq!((own["mode"].as_str(), own["acts"].as_str()), (Some("observe"), Some("would have rolled back")));
    let first = own["observed_at"].as_str().unwrap().to_owned();
    let noted = |world: &mut World| {
        let messages = grant(world, get("rollouts/shop/messages", ""));
        let all = messages["messages"].as_array().unwrap().clone();
        all.into_iter().filter(|own| own["kind"] == "observed").collect::<Vec<_>>()
    };
    let once = noted(&mut world);
    assert_eq!((once.len(), once[0]["at"].as_str()), (1, Some(first.as_str())));
    assert_eq!(
        once[0]["text"],
        "guardrail `error_rate > 5% over 5m` came true and would have rolled back: it observes, and acts on nobody"
    );
    let got: Vec<String> = world.receivers.of_channel("chat").map(|got| got.notification.headline.clone()).collect();
    let of_it = got.iter().filter(|own| own.contains("it only observes")).count();
    assert!(of_it <= 1 && history(&world, "shop").iter().all(|entry| entry.actor != "guardrail"), "{got:?}");
    // It outlasts the controller, and counts anew once it was false.
    world.crash();
    (0..10).for_each(|_| minute(&mut world, |window| requests(window, 100, 100)));
    (0..10).for_each(|_| minute(&mut world, fails));
    assert_eq!(noted(&mut world).len(), 2);
    assert_ne!(rollout(&mut world, "shop")["guardrails"][0]["observed_at"].as_str(), Some(first.as_str()));
}

/// New answers with 5xx at the endpoint of the API and has an error of its own on pages.
fn breaks(window: &mut Window) {
    let api = "api".parse().unwrap();
    let minute = window.minute;
    for (side, endpoint, requests, errors) in [
        (Variant::Legacy, None, 900, 1),
        (Variant::New, None, 900, 90),
        (Variant::Legacy, Some(&api), 300, 1),
        (Variant::New, Some(&api), 300, 90),
    ] {
        let tally = window.tally_mut(side, endpoint).unwrap();
        (tally.requests, tally.errors, tally.server_errors) = (requests, errors, errors);
        tally.add_status(502, errors);
        tally.add_status(404, 2);
        tally.client_errors = 2;
    }
    for (side, own, times) in
        [(Variant::Legacy, "Error: old at app.js", 5), (Variant::New, "TypeError: new at app.js", 7)]
    {
        let tally = window.tally_mut(side, None).unwrap();
        tally.pages = 100;
        (0..times).for_each(|_| tally.scripts.add(own, minute));
        (0..5).for_each(|_| tally.scripts.add("Error: on both at app.js", minute));
    }
    for n in 0..30_u64 {
        let hash = fnv1a64(&n.to_le_bytes()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        window.failing.add(Seen::new(hash, Variant::New, true));
    }
}

#[test]
fn a_rollback_says_what_broke_in_the_history_the_messages_the_report_and_the_view() {
    let mut world = started(json!({"guardrail": [{"when": "error_rate > 2% over 5m", "then": "rollback"}]}));
    (0..2).for_each(|_| minute(&mut world, |window| requests(window, 900, 900)));
    minute(&mut world, breaks);
    let view = rollout(&mut world, "shop");
    assert_eq!(view["state"]["phase"], "rolled_back");
    let entry = history(&world, "shop").into_iter().find(|entry| entry.actor == "guardrail").unwrap();
    let broke = entry.broke.expect("it is kept with the rollback");
    assert_eq!(broke.failures.len(), 1, "4xx are alike: {broke:?}");
    assert_eq!(broke.failing.map(|people| (people.about, people.from, people.to)), Some((30, 30, 30)));
    let page = grant(&mut world, get("rollouts/shop/history", ""));
    let figures: Vec<&str> =
        page["explanations"][0]["figures"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(figures[1], "5xx at api (/api/*): 90 of 300 requests on new, 1 of 300 on legacy (502 × 90)");
    assert_eq!(figures[2], "30 users of new had a failed request, rescued ones included");
    assert!(
        figures[3].starts_with("TypeError: new at app.js: 7 of 100 page views on new, 0 of 100 on legacy; first seen on new Mon 23 Nov 2026 09:0"),
        "{figures:?}"
    );
    assert_eq!(figures.len(), 4, "what both have is not what broke");
    assert_eq!(view["what_broke"][0].as_str(), Some(figures[1]));
    world.pass(MINUTE_MS);
    let rolled: Vec<_> =
        world.receivers.of_channel("chat").filter(|got| got.notification.kind.as_str() == "rollback").collect();
    assert!(rolled[0].notification.figures.iter().any(|own| own.starts_with("5xx at api (/api/*): 90 of 300")));
    let report = world.call(get("rollouts/shop/report", "format=markdown")).unwrap().body;
    assert!(report.contains("90 of 300 requests on new, 1 of 300 on legacy"), "{report}");
    // It outlasts the controller.
    world.crash();
    assert_eq!(rollout(&mut world, "shop")["what_broke"][0].as_str(), Some(figures[1]));
    // What legacy answers afterwards is not what new has broken.
    let api = "api".parse().unwrap();
    let legacy = |window: &mut Window| window.tally_mut(Variant::Legacy, Some(&api)).unwrap().requests = 900;
    (0..5).for_each(|_| minute(&mut world, legacy));
    assert_eq!(rollout(&mut world, "shop")["what_broke"][0].as_str(), Some(figures[1]));
}

/// Every eighth request to new from Safari fails, of as many subjects.
fn breaks_in_safari(window: &mut Window) {
    let browser = "browser".parse().unwrap();
    for (side, value, requests, failed) in [
        (Variant::Legacy, "Safari", 800, 1),
        (Variant::Legacy, "Chrome", 8_000, 8),
        (Variant::New, "Safari", 800, 100),
        (Variant::New, "Chrome", 8_000, 8),
    ] {
        let tally = window.tally_mut(side, None).unwrap();
        (tally.requests, tally.errors) = (tally.requests + requests, tally.errors + failed);
        tally.server_errors += failed;
        let count = u32::try_from(failed).unwrap();
        let errors = Troubles { count, first: count, users: u32::MAX };
        tally.by_mut(&browser).unwrap().add(value, &ValueCounts { requests, errors, ..ValueCounts::default() });
    }
}

const SAFARI: &str = "browser Safari stands out: 12.5 % (100 of 800) of its requests failed on new, of all others 0.1 % (8 of 8,000); of its own on legacy 0.125 % (1 of 800)";

#[test]
fn a_rollback_and_an_alert_name_the_browser_that_stands_out() {
    for then in ["rollback", "alert"] {
        let guardrail = json!([{"when": "errors > 50 over 5m", "then": then, "notify": ["chat"]}]);
        let mut world = started(json!({"guardrail": guardrail, "dimensions": ["browser"]}));
        minute(&mut world, breaks_in_safari);
        world.pass(MINUTE_MS);
        let view = rollout(&mut world, "shop");
        assert_eq!(view["what_broke"][1], SAFARI, "{then}");
        assert_eq!(view["broke"]["stands_out"][0]["value"], "Safari");
        let told = world.receivers.of_channel("chat").any(|got| {
            got.notification.kind.as_str() == then && got.notification.figures.iter().any(|own| own.starts_with(SAFARI))
        });
        assert!(told, "{then}");
        // It outlasts the controller.
        world.crash();
        assert_eq!(rollout(&mut world, "shop")["what_broke"][1], SAFARI, "{then}");
    }
}

#[test]
fn an_operator_who_rolls_back_has_what_broke_in_the_history_too_and_a_healthy_rollout_says_nothing() {
    let mut world = started(json!({}));
    (0..3).for_each(|_| minute(&mut world, |window| requests(window, 900, 900)));
    let view = rollout(&mut world, "shop");
    assert_eq!((view["broke"].is_null(), view["what_broke"].is_null()), (true, true));
    minute(&mut world, breaks);
    grant(&mut world, command("ana", "shop", "it fails", None, json!({"command": "rollback"})));
    let last = history(&world, "shop").pop().unwrap();
    assert_eq!((last.actor.as_str(), last.broke.is_some()), ("ana", true));
}
