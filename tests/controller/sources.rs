//! Signals from elsewhere, in virtual time and on SQLite: what a receiver is delivered counts once, whatever dies; a
//! source is asked in its time, and nothing ever waits for it.

use serde_json::{Value, json};
use tidegate::protocol::api::Call;
use tidegate::protocol::receive::Received;

use crate::people::{command, grant, plan, put_plans, rollout};
use crate::sqlite::Fault;
use crate::world::World;

/// A rollout with a receiver of plain JSON and of alerts, and a source.
fn sourced(key: &str) -> Value {
    let mut sourced = plan(key);
    sourced["signals"] = json!({
        "p1": {"kind": "count"}, "high": {"kind": "gauge"}, "nps": {"kind": "gauge"},
        "cpu": {"fresh": "5m", "prometheus": {"url": "secret:PROM_URL", "query": "avg(cpu)", "every": "1m"}},
    });
    sourced["receivers"] = json!({
        "alerts": {"kind": "alertmanager", "token": "secret:ALERTS", "heartbeat": "10m", "signals": [{"match": {"alertname": "A"}, "set": "high"}]},
        "tickets": {"kind": "json", "token": "secret:TICKETS", "signals": [{"count": "p1"}]},
        "figures": {"kind": "json", "token": "secret:FIGURES", "signals": [{"value": "nps", "at": "/value"}]},
    });
    sourced["stage"][0]["gates"] = json!(["signal.cpu < 80%", "signal.high = 0", "signal.p1 = 0 over attempt"]);
    sourced
}

fn delivery(key: &str, receiver: &str, secret: &str, body: &Value) -> Call {
    let proved = vec![(key.to_owned(), secret.to_owned())];
    Call {
        method: "POST".into(),
        path: format!("in/{receiver}"),
        actor: format!("receiver {receiver}"),
        body: body.to_string(),
        received: Some(Received { receiver: receiver.into(), proved, ..Received::default() }),
        ..Call::default()
    }
}

fn alert(status: &str, minute: u32) -> Value {
    json!({"alerts": [{"status": status, "labels": {"alertname": "A"}, "fingerprint": "f",
        "startsAt": format!("2026-11-23T08:{minute:02}:00Z"), "endsAt": format!("2026-11-23T08:{:02}:00Z", minute + 1)}]})
}

fn begun(seed: u64) -> World {
    let mut world = World::new(seed);
    world.source = Some(Ok((200, vector("0.5"))));
    grant(&mut world, put_plans(&[sourced("shop"), sourced("other")]));
    for key in ["shop", "other"] {
        grant(&mut world, command("ana", key, "begin", Some("*"), json!({"command": "start"})));
    }
    world.pass(120_000);
    world
}

fn vector(value: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"value":[1,"{value}"]}}]}}}}"#)
}

fn signal(world: &mut World, name: &str) -> Value {
    let signals = rollout(world, "shop")["signals"].as_array().cloned().unwrap();
    signals.into_iter().find(|own| own["name"] == name).unwrap()
}

/// The verdicts of the three gates.
fn gates(world: &mut World) -> Vec<String> {
    let gates = rollout(world, "shop")["stages"][0]["gates"].as_array().cloned().unwrap();
    gates.iter().filter(|gate| gate["built_in"] != true).map(|gate| gate["verdict"].as_str().unwrap().into()).collect()
}

#[test]
fn a_delivery_counts_once_whatever_dies() {
    let mut world = begun(1);
    for effects in 0..6 {
        for body in [json!({"ticket": 1}), json!({"ticket": 2})] {
            world.effects_left = Some(effects);
            let _ = world.call(delivery("shop", "tickets", "TICKETS", &body));
            world.effects_left = None;
        }
        world.crash();
    }
    let reply = world.call(delivery("shop", "tickets", "TICKETS", &json!({"ticket": 2}))).unwrap();
    assert_eq!((reply.status, reply.body.contains("\"new\":0")), (202, true), "{}", reply.body);
    let sql = "SELECT CAST(SUM(sum) AS INTEGER) FROM signal_minutes WHERE rollout = 'shop' AND name = 'p1'";
    assert_eq!(world.database.texts(&format!("SELECT CAST(({sql}) AS TEXT)"), &[]), ["2"]);
    // Ten minutes later the same words are something new.
    world.pass(11 * 60_000);
    let reply = world.call(delivery("shop", "tickets", "TICKETS", &json!({"ticket": 2}))).unwrap();
    assert!(reply.body.contains("\"new\":1"), "{}", reply.body);
}

#[test]
fn a_storage_that_refuses_takes_nothing_and_the_next_try_does() {
    let mut world = begun(2);
    world.database.fault = Some(Fault::Refuse(1));
    assert!(world.call(delivery("shop", "alerts", "ALERTS", &alert("firing", 0))).is_err());
    let reply = world.call(delivery("shop", "alerts", "ALERTS", &alert("firing", 0))).unwrap();
    assert!(reply.body.contains("\"new\":1"), "{}", reply.body);
    assert_eq!(signal(&mut world, "high")["value"], 1.0);
}

#[test]
fn what_an_alert_sets_outlasts_the_controller_and_its_silence_is_a_fault() {
    let mut world = begun(3);
    assert_eq!(gates(&mut world), ["pass", "inconclusive", "inconclusive"], "nothing was delivered yet");
    assert!(
        rollout(&mut world, "shop")["faults"]
            .to_string()
            .contains("no delivery has arrived at /_tidegate/in/alerts yet")
    );
    let deliver = |world: &mut World, body: &Value| {
        assert_eq!(world.call(delivery("shop", "alerts", "ALERTS", body)).unwrap().status, 202)
    };
    deliver(&mut world, &alert("firing", 0));
    world.call(delivery("shop", "tickets", "TICKETS", &json!({"ticket": 1}))).unwrap();
    world.crash();
    world.pass(60_000);
    assert_eq!(signal(&mut world, "high")["value"], 1.0);
    assert_eq!(gates(&mut world), ["pass", "fail", "fail"]);
    deliver(&mut world, &alert("resolved", 0));
    world.pass(60_000);
    assert_eq!(gates(&mut world), ["pass", "pass", "fail"]);
    assert_eq!(rollout(&mut world, "shop")["faults"], json!([]));
    world.pass(11 * 60_000);
    assert_eq!(
        gates(&mut world),
        ["pass", "inconclusive", "fail"],
        "nobody has delivered for longer than the heartbeat"
    );
    let shown = rollout(&mut world, "shop");
    assert_eq!(shown["faults"][0]["subject"], "receiver/alerts");
    assert_eq!(shown["receivers"][0]["is_silent"], true);
}

#[test]
fn a_value_that_is_no_number_is_said_to_whoever_sends_it_and_logged() {
    let mut world = begun(5);
    let mut deliver = |body: Value| {
        let reply = world.call(delivery("shop", "figures", "FIGURES", &body)).unwrap();
        assert_eq!(reply.status, 202);
        let answer: Value = serde_json::from_str(&reply.body).unwrap();
        (answer["rollouts"][0]["signals"].clone(), answer["rollouts"][0]["without_number"].clone())
    };
    for body in [json!({"value": "high"}), json!({"score": 8}), json!({"value": null}), json!({"value": "NaN"})] {
        assert_eq!(deliver(body), (json!([]), json!(["nps"])));
    }
    assert_eq!(deliver(json!({"value": "7.5"})), (json!(["nps"]), Value::Null));
    let logged = world.log.iter().filter(|line| format!("{line:?}").contains("no number for nps")).count();
    assert!(logged >= 1, "{:?}", world.log);
}

#[test]
fn an_older_plans_secret_proves_nothing() {
    let mut world = begun(4);
    let reply = world.call(delivery("shop", "alerts", "OLD_SECRET", &alert("firing", 0))).unwrap();
    assert_eq!((reply.status, reply.body.contains("unauthorized")), (401, true), "{}", reply.body);
    let reply = world.call(delivery("shop", "nothing", "ALERTS", &alert("firing", 0))).unwrap();
    assert_eq!(reply.status, 404, "{}", reply.body);
    assert_eq!(signal(&mut world, "high").get("value"), None);
}

#[test]
fn a_source_is_asked_each_minute_once_for_all_rollouts_and_again_after_a_crash() {
    let mut world = begun(5);
    let before = world.asked.len();
    world.pass(10 * 60_000);
    let asked: Vec<i64> = world.asked[before..].iter().map(|(at, _)| *at).collect();
    assert!((9..=11).contains(&asked.len()), "{asked:?}");
    assert!(world.asked[before..].iter().all(|(_, fetch)| fetch.wanted.len() == 2), "one question for both");
    world.crash();
    let before = world.asked.len();
    world.pass(60_000);
    assert!(world.asked.len() > before);
    // Nobody wants to know it of what was killed.
    for key in ["shop", "other"] {
        grant(&mut world, command("ana", key, "stop", None, json!({"command": "kill"})));
    }
    world.pass(60_000);
    let before = world.asked.len();
    world.pass(600_000);
    assert_eq!(world.asked.len(), before);
}

#[test]
fn a_source_that_fails_is_asked_ever_more_seldom_and_is_a_fault_and_no_pass() {
    let mut world = begun(6);
    assert_eq!(gates(&mut world)[0], "pass");
    world.source = Some(Err("it cannot be asked: connection refused".into()));
    world.pass(3 * 60_000);
    assert_eq!(gates(&mut world)[0], "pass", "the last value still counts");
    world.pass(5 * 60_000);
    assert_eq!(gates(&mut world)[0], "inconclusive");
    let shown = signal(&mut world, "cpu");
    assert_eq!((&shown["error"], &shown["is_stale"]), (&json!("it cannot be asked: connection refused"), &json!(true)));
    let faults = rollout(&mut world, "shop")["faults"].to_string();
    assert!(faults.contains("the source of `cpu` has no value: it cannot be asked"), "{faults}");
    let before = world.asked.len();
    world.pass(60 * 60_000);
    assert!((10..=15).contains(&(world.asked.len() - before)), "{} questions in an hour", world.asked.len() - before);
    world.crash();
    world.pass(1);
    assert!(signal(&mut world, "cpu")["error"].is_string(), "what is wrong outlasts the controller");
    world.source = Some(Ok((200, vector("0.7"))));
    world.pass(6 * 60_000);
    assert_eq!(gates(&mut world)[0], "pass");
    assert_eq!(signal(&mut world, "cpu").get("error"), None);
}

#[test]
fn a_source_that_has_no_value_is_unknown_at_once() {
    let mut world = begun(7);
    for (body, why) in [
        (vector("NaN"), "the query yields NaN"),
        (r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#.into(), "the query finds nothing"),
    ] {
        world.source = Some(Ok((200, body)));
        world.pass(75_000);
        assert_eq!(gates(&mut world)[0], "inconclusive", "{why}");
        assert_eq!(signal(&mut world, "cpu")["error"], why);
        world.crash();
        // What it then cannot be asked leaves as it is.
        world.source = Some(Err("it cannot be asked".into()));
        world.pass(30_000);
        assert_eq!(gates(&mut world)[0], "inconclusive", "{why}");
        world.source = Some(Ok((200, vector("0.2"))));
        world.pass(6 * 60_000);
        assert_eq!(gates(&mut world)[0], "pass");
    }
}

#[test]
fn a_source_that_hangs_holds_nothing_up_and_is_asked_again() {
    let mut world = begun(8);
    world.source = None;
    let before = world.asked.len();
    world.pass(90_000);
    let reply = world.call(command("ana", "shop", "stop", None, json!({"command": "rollback"}))).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    world.pass(120_000);
    assert!(world.asked.len() - before >= 3, "{}", world.asked.len() - before);
    assert!(world.asked.last().is_some_and(|(_, fetch)| fetch.wanted.len() == 1), "the other one still wants it");
}

#[test]
fn a_gauge_reported_by_hand_is_above_an_alert_that_nobody_resolves() {
    let mut world = begun(9);
    world.call(delivery("shop", "alerts", "ALERTS", &alert("firing", 0))).unwrap();
    let report = Call {
        method: "POST".into(),
        path: "rollouts/shop/signals".into(),
        actor: "ana".into(),
        body: r#"{"name":"high","value":0}"#.into(),
        ..Call::default()
    };
    assert_eq!(world.call(report).unwrap().status, 202);
    world.crash();
    world.call(delivery("shop", "alerts", "ALERTS", &alert("firing", 0))).unwrap();
    assert_eq!(signal(&mut world, "high")["value"], 0.0);
    world.call(delivery("shop", "alerts", "ALERTS", &alert("firing", 30))).unwrap();
    assert_eq!(signal(&mut world, "high")["value"], 1.0);
}

#[test]
fn a_token_of_one_signal_reports_no_other() {
    let mut world = begun(10);
    let report = |signal: &str| Call {
        method: "POST".into(),
        path: "rollouts/shop/signals".into(),
        actor: "desk".into(),
        body: r#"{"name":"p1","count":1}"#.into(),
        signal: Some(signal.into()),
        ..Call::default()
    };
    assert_eq!(world.call(report("p1")).unwrap().status, 202);
    let reply = world.call(report("p2")).unwrap();
    assert!(reply.status == 403 && reply.body.contains("the token of desk may not report `p1`"), "{}", reply.body);
}
