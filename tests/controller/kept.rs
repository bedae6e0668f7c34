//! What is kept, so that whoever asks twice is answered as once, and what is no longer needed and goes.

use serde_json::{Value, json};
use tidegate::protocol::api::{Call, Reply};
use tidegate::protocol::flush::Flush;

use crate::people::{command, counted, counts, deployed, grant, history, plan, put_plans, rollout, seen, settled};
use crate::world::World;

const DAY_MS: i64 = 86_400_000;
const ECHO_MS: i64 = 120_000;

fn with_key(call: Call, key: &str) -> Call {
    Call { key: Some(key.to_owned()), ..call }
}

fn signal(count: u32) -> Call {
    let body = json!({"name": "p1", "count": count}).to_string();
    let path = "rollouts/shop/signals".to_owned();
    Call { method: "POST".into(), path, actor: "ana".into(), body, ..Call::default() }
}

fn watched(gates: &[&str]) -> Value {
    let mut watched = plan("shop");
    watched["signals"] = json!({"p1": {"kind": "count"}});
    watched["defaults"] = "none".into();
    watched["stage"][0]["gates"] = json!(gates);
    watched
}

/// A rollout that counts a signal, at 10 %.
fn started(gates: &[&str]) -> World {
    let mut world = World::new(1);
    grant(&mut world, put_plans(&[watched(gates)]));
    grant(&mut world, command("ana", "shop", "begin", Some("*"), json!({"command": "start"})));
    world.pass(60_000);
    world
}

fn body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

#[test]
fn whatever_is_sent_again_under_its_key_gets_the_answer_that_it_got_and_happens_once() {
    let revised = || {
        let mut revised = watched(&[]);
        revised["description"] = "revised".into();
        put_plans(&[revised])
    };
    let kill_all = || {
        let fields = json!({"command": "kill", "reason": "all"}).to_string();
        let path = "rollouts/*/commands".to_owned();
        Call { method: "POST".into(), path, actor: "ana".into(), body: fields, ..Call::default() }
    };
    let set = || command("ana", "shop", "on", Some("\"2\""), json!({"command": "set", "percentage": 20}));
    let calls: [(&str, &dyn Fn() -> Call); 4] =
        [("command", &set), ("plans", &revised), ("kill --all", &kill_all), ("signal", &|| signal(3))];
    for (name, call) in calls {
        for dies in [false, true] {
            let mut world = started(&[]);
            let first = world.call(with_key(call(), "once")).unwrap();
            assert!(first.status < 300, "{name}: {}", first.body);
            let entries = history(&world, "shop").len();
            world.pass(30_000);
            if dies {
                world.crash();
            }
            let again = world.call(with_key(call(), "once")).unwrap();
            assert_eq!((again.status, &again.body), (first.status, &first.body), "{name}, dies: {dies}");
            assert_eq!(history(&world, "shop").len(), entries, "{name} happens once");
            let stored = world.database.number("SELECT CAST(SUM(sum) AS INTEGER) FROM signal_minutes", &[]);
            assert_eq!(stored, if name == "signal" { 3 } else { 0 }, "{name}");
        }
    }
}

#[test]
fn a_key_stands_for_one_request_of_one_person_for_a_day() {
    let mut world = started(&[]);
    grant(
        &mut world,
        with_key(command("ana", "shop", "on", Some("*"), json!({"command": "set", "percentage": 20})), "k"),
    );
    let other = || command("ana", "shop", "on", Some("*"), json!({"command": "set", "percentage": 30}));
    let refused = world.call(with_key(other(), "k")).unwrap();
    assert_eq!((refused.status, &body(&refused)["type"]), (422, &json!("urn:tidegate:problem:key-reused")));
    let ben = command("ben", "shop", "on", Some("*"), json!({"command": "set", "percentage": 30}));
    assert_eq!(grant(&mut world, with_key(ben, "k"))["rollout"]["percentage"], 30.0);
    world.pass(DAY_MS + 1_000);
    // What is too old goes when the next answer is kept.
    grant(&mut world, with_key(command("ana", "shop", "x", Some("*"), json!({"command": "note"})), "other"));
    grant(
        &mut world,
        with_key(command("ana", "shop", "on", Some("*"), json!({"command": "set", "percentage": 40})), "k"),
    );
    assert_eq!(rollout(&mut world, "shop")["percentage"], 40.0);
}

#[test]
fn the_log_of_batches_is_empty_after_a_checkpoint_and_holds_what_came_since() {
    let mut world = deployed(1, &["shop"], 10);
    let logged = |world: &World| world.database.number("SELECT COUNT(*) FROM batches", &[]);
    let mut most = 0;
    for sequence in 1..=300 {
        let flush = counts(&world, "isolate", sequence, "shop", 1);
        world.flush(flush).unwrap();
        most = most.max(logged(&world));
        world.pass(1_000);
    }
    assert!(most > 1, "they are logged first");
    world.pass(60_000);
    assert_eq!(logged(&world), 0, "a checkpoint makes the log superfluous");
    let flush = counts(&world, "isolate", 301, "shop", 1);
    world.flush(flush).unwrap();
    assert_eq!(logged(&world), 1);
    world.crash();
    assert_eq!(counted(&mut world, "shop"), 301, "the checkpoint and the log add up");
    world.pass(60_000);
    world.crash();
    assert_eq!(counted(&mut world, "shop"), 301);
}

#[test]
fn what_was_adopted_is_an_echo_after_a_restart_too() {
    let mut world = deployed(1, &["shop"], 100);
    world.put("stage/shop", Some("0"));
    world.pass(31_000);
    grant(&mut world, command("ana", "shop", "half", Some("*"), json!({"command": "set", "percentage": 50})));
    world.pass(10_000);
    world.crash();
    world.flush(seen("sleeper", "shop", "0")).unwrap();
    let adopted = settled(&mut world, "shop").iter().filter(|entry| entry.actor == "kv").count();
    assert_eq!(adopted, 1, "the edit is adopted once");
}

#[test]
fn a_kill_ends_two_minutes_after_its_key_is_gone_whoever_dies_meanwhile() {
    let mut world = deployed(1, &["shop"], 100);
    world.put("kill/shop", Some("on"));
    world.pass(31_000);
    let is_killed = |world: &mut World| rollout(world, "shop")["state"]["killed"] == Value::Bool(true);
    assert!(is_killed(&mut world));
    world.put("kill/shop", None);
    world.pass(31_000);
    assert!(is_killed(&mut world));
    world.pass(ECHO_MS - 40_000);
    world.crash();
    assert!(is_killed(&mut world), "a restart ends nothing");
    world.pass(45_000);
    assert!(!is_killed(&mut world), "and the two minutes do not begin anew");
    // Nor does an isolate that slept bring the key back, whoever has died since it went.
    world.crash();
    let kills = Flush { isolate: "sleeper".into(), kills: vec!["kill/shop".into()], ..Flush::default() };
    world.flush(kills).unwrap();
    assert!(!is_killed(&mut world), "an echo");
}

#[test]
fn a_page_view_counts_once_for_each_of_its_figures_whoever_dies_meanwhile() {
    let view = |world: &World, sequence: u64, nonce: &str| {
        let minute = world.now().minute();
        let report = json!({
            "rollout": "shop", "revision": 3, "minute": minute, "variant": "new", "nonce": nonce.repeat(32),
            "subject": 1, "is_view": true, "js_errors": 1
        });
        let batch = json!({"sequence": sequence, "counted": [], "reports": [report]});
        let flush = json!({"v": 2, "isolate": "isolate", "plans": 1, "known": [], "texts": [], "kills": [], "faults": [], "batch": batch});
        Flush::parse(&flush.to_string()).unwrap()
    };
    let mut world = deployed(1, &["shop"], 10);
    let pages = |world: &mut World| {
        let text = world.call(crate::people::get("/_tidegate/metrics", "")).unwrap().body;
        let sample = "tidegate_page_views_total{rollout=\"shop\",variant=\"new\"} ";
        text.lines().find_map(|line| line.strip_prefix(sample)).map_or(0.0, |count| count.parse::<f64>().unwrap())
    };
    for (sequence, nonce) in [(1, "a"), (2, "a"), (3, "b")] {
        let flush = view(&world, sequence, nonce);
        world.flush(flush).unwrap();
    }
    assert_eq!(pages(&mut world), 2.0);
    world.crash();
    let flush = view(&world, 4, "a");
    world.flush(flush).unwrap();
    assert_eq!(pages(&mut world), 2.0, "what was stored is known after a restart");
}

#[test]
fn nobody_completes_a_rollout_whose_gates_fail_unless_they_name_it() {
    let mut world = started(&["signal.p1 = 0 over stage"]);
    let complete = |more: Value| {
        let mut fields = json!({"command": "complete"});
        if let Some(more) = more.as_str() {
            fields["confirm"] = more.into();
        }
        command("ana", "shop", "enough", Some("*"), fields)
    };
    world.call(signal(1)).unwrap();
    let flush = counts(&world, "isolate", 1, "shop", 100);
    world.flush(flush).unwrap();
    world.pass(15_000);
    let refused = world.call(complete(Value::Null)).unwrap();
    let problem = body(&refused);
    assert_eq!((refused.status, &problem["refusal"], &problem["confirm"]), (409, &json!("gates"), &json!("shop")));
    assert_eq!(problem["detail"], "the gate `signal.p1 = 0 over stage` fails");
    assert_eq!(
        problem["help"],
        "`rollback` takes new back; a rollout completes once its gates pass; to complete it all the same, name it: `--confirm shop`, in the API `\"confirm\":\"shop\"`"
    );
    let shown = rollout(&mut world, "shop");
    let not_now = shown["not_now"].as_array().unwrap().iter().find(|own| own["command"] == "complete").unwrap();
    assert_eq!((&not_now["refusal"], &not_now["confirmable"]), (&json!("gates"), &json!(true)));
    let done = grant(&mut world, complete("shop".into()));
    assert_eq!(done["rollout"]["state"]["phase"], "completed");
    let warnings = done["explanation"]["warnings"].to_string();
    assert!(warnings.contains("Done all the same: the gate `signal.p1 = 0 over stage` fails."), "{warnings}");
}

#[test]
fn gates_that_pass_or_that_nobody_can_tell_are_in_no_operators_way() {
    for gate in ["signal.p1 = 0 over stage", "latency.p95 < 1s over stage"] {
        let mut world = started(&[gate]);
        let flush = counts(&world, "isolate", 1, "shop", 100);
        world.flush(flush).unwrap();
        world.pass(15_000);
        grant(&mut world, command("ana", "shop", "enough", Some("*"), json!({"command": "complete"})));
    }
}

#[test]
fn a_write_that_kv_carries_out_late_after_the_next_one_does_not_stand() {
    let mut world = deployed(1, &["shop"], 10);
    let set =
        |percentage: u32| command("ana", "shop", "on", Some("*"), json!({"command": "set", "percentage": percentage}));
    world.kv.late_rate = 1.0;
    grant(&mut world, set(20));
    world.pass(1_000);
    world.kv.late_rate = 0.0;
    grant(&mut world, set(30));
    let revision = |text: &str| serde_json::from_str::<Value>(text).unwrap()["revision"].as_u64().unwrap();
    world.pass(20_000);
    let held: Vec<u64> =
        world.kv.versions("stage/shop").iter().filter_map(|(_, text)| text.as_deref().map(revision)).collect();
    assert!(held.windows(2).any(|pair| pair[0] > pair[1]), "the late write has come after the next one: {held:?}");
    assert_eq!(held.last(), Some(&5), "and does not stand: {held:?}");
}

#[test]
fn a_batch_that_nobody_can_take_is_refused_and_not_acknowledged() {
    let mut world = deployed(1, &["shop"], 10);
    let flush = |world: &World, sequence: u64| {
        let flush = counts(world, "isolate", sequence, "shop", 5);
        Flush { v: tidegate::protocol::flush::Version::REFUSALS, ..flush }
    };
    let odd = flush(&world, 1 << 60);
    let answer = world.flush(odd).unwrap();
    assert_eq!(answer.refused.map(|refused| refused.sequence), Some(1 << 60));
    assert_eq!((answer.acknowledged, counted(&mut world, "shop")), (Some(0), 0));
    let next = flush(&world, 1);
    assert_eq!(world.flush(next).unwrap().acknowledged, Some(1));
    assert_eq!(counted(&mut world, "shop"), 5);
}

#[test]
fn counts_of_a_revision_that_never_was_are_left_out() {
    let mut world = deployed(1, &["shop"], 10);
    let mut flush = counts(&world, "isolate", 1, "shop", 5);
    flush.batch.as_mut().unwrap().counted[0].window.revision = 99;
    assert_eq!(world.flush(flush).unwrap().acknowledged, Some(1));
    assert_eq!(counted(&mut world, "shop"), 0);
    assert!(world.log.iter().any(|line| line.event == "counts_dropped"));
}

#[test]
fn a_state_that_somebody_took_out_of_kv_is_written_again() {
    let mut world = deployed(1, &["shop"], 10);
    let state = world.held("stage/shop").unwrap().to_owned();
    world.put("stage/shop", None);
    world.pass(ECHO_MS + 60_000);
    assert_eq!(world.held("stage/shop"), Some(state.as_str()), "once a stale read cannot be the reason");
}
