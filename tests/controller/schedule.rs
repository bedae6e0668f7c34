//! What the schedule does by itself, and what it waits for.

use serde_json::{Value, json};
use tidegate::model::minute::MINUTE_MS;
use tidegate::protocol::api::Call;

use crate::people::{command, grant, history, plan, put_plans, rollout};
use crate::world::{START_MS, World};

const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Longer than all holds together.
const LONG_MS: i64 = 6 * HOUR_MS;

/// A rollout that nobody watches: what is built in waits for visitors, and nobody comes here.
fn quick(key: &str, changes: &Value, first: &Value) -> Value {
    let mut own = plan(key);
    own["defaults"] = "none".into();
    own["stage"] = json!([
        {"name": "canary", "percentage": 10, "hold": "10m"},
        {"name": "half", "percentage": 50, "hold": "20m"},
        {"name": "full", "percentage": 100, "hold": "10m"},
    ]);
    changes.as_object().unwrap().iter().for_each(|(name, value)| own[name] = value.clone());
    first.as_object().unwrap().iter().for_each(|(name, value)| own["stage"][0][name] = value.clone());
    own
}

fn applied(plans: &[Value]) -> World {
    let mut world = World::new(1);
    grant(&mut world, put_plans(plans));
    world
}

fn orders(key: &str, mut fields: Value) -> Call {
    let name = fields["command"].as_str().unwrap().to_owned();
    fields["reason"] = name.clone().into();
    command("ana", key, &name, Some("*"), fields)
}

fn asks(world: &mut World, key: &str, name: &str) {
    grant(world, orders(key, json!({"command": name})));
}

#[track_caller]
fn refuses(world: &mut World, key: &str, name: &str, refusal: &str) {
    let reply = world.call(orders(key, json!({"command": name}))).unwrap();
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &body["refusal"]), (409, &json!(refusal)), "{body}");
}

/// Whose commands they were.
fn reported(world: &World, key: &str) -> Vec<String> {
    history(world, key).iter().map(|entry| format!("{} {}", entry.command.name(), entry.actor)).collect()
}

fn stands(world: &mut World, key: &str) -> (String, f64, String, Vec<String>) {
    let shown = rollout(world, key);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let blocked = shown["blocked"].as_array().unwrap().iter().map(|own| text(&own["by"])).collect();
    (text(&shown["state"]["phase"]), shown["percentage"].as_f64().unwrap(), text(&shown["state"]["stage"]), blocked)
}

/// Asserts that a rollout stays where it is for these reasons, however long its holds are over.
#[track_caller]
fn waits(world: &mut World, key: &str, stage: &str, by: &[&str]) {
    world.pass(LONG_MS);
    let entries = reported(world, key);
    let (_, _, now, blocked) = stands(world, key);
    assert_eq!((now.as_str(), blocked), (stage, by.iter().map(|own| (*own).to_owned()).collect()), "{entries:?}");
}

#[track_caller]
fn completes(world: &mut World, key: &str) {
    world.pass(LONG_MS);
    let entries = reported(world, key);
    let (phase, percentage, _, blocked) = stands(world, key);
    assert_eq!(
        (phase.as_str(), percentage, blocked),
        ("completed", 100.0, vec!["completed".to_owned()]),
        "{entries:?}"
    );
}

#[test]
fn a_plan_goes_through_its_stages_to_the_end_each_after_its_hold() {
    let mut world = applied(&[quick("goes", &json!({}), &json!({}))]);
    asks(&mut world, "goes", "start");
    completes(&mut world, "goes");
    let expected = ["apply ana", "start ana", "advance schedule", "advance schedule", "complete schedule"];
    assert_eq!(reported(&world, "goes"), expected);
    let at: Vec<i64> = history(&world, "goes").iter().map(|entry| entry.at.as_epoch_ms()).collect();
    let held: Vec<i64> = at.windows(2).skip(1).map(|pair| (pair[1] - pair[0]) / MINUTE_MS).collect();
    assert_eq!(held, [10, 20, 10], "to the minute, though nobody asks");
}

#[test]
fn what_is_paused_or_killed_waits_and_holds_anew() {
    for (stop, go_on, by) in [("pause", "resume", &["paused"][..]), ("kill", "revive", &["killed"])] {
        let mut world = applied(&[quick("stops", &json!({}), &json!({}))]);
        asks(&mut world, "stops", "start");
        world.pass(9 * MINUTE_MS);
        asks(&mut world, "stops", stop);
        world.pass(LONG_MS);
        let (_, _, stage, blocked) = stands(&mut world, "stops");
        assert!(stage == "canary" && by.iter().all(|own| blocked.contains(&(*own).to_owned())), "{stop}: {blocked:?}");
        asks(&mut world, "stops", go_on);
        world.pass(9 * MINUTE_MS);
        assert_eq!(stands(&mut world, "stops").2, "canary", "{go_on}: the hold has begun anew");
        completes(&mut world, "stops");
    }
}

#[test]
fn a_checklist_waits_for_each_of_its_items() {
    let first = json!({"checklist": ["Looked at", "Signed off"]});
    let mut world = applied(&[quick("checks", &json!({}), &first)]);
    asks(&mut world, "checks", "start");
    waits(&mut world, "checks", "canary", &["checklist"]);
    grant(&mut world, orders("checks", json!({"command": "approve", "item": "Looked at"})));
    waits(&mut world, "checks", "canary", &["checklist"]);
    grant(&mut world, orders("checks", json!({"command": "approve", "item": "Signed off"})));
    completes(&mut world, "checks");
}

#[test]
fn a_manual_plan_waits_for_an_operator() {
    let mut world = applied(&[quick("manual", &json!({"advance": "manual"}), &json!({}))]);
    asks(&mut world, "manual", "start");
    waits(&mut world, "manual", "canary", &["manual"]);
    asks(&mut world, "manual", "advance");
    waits(&mut world, "manual", "half", &["manual"]);
}

#[test]
fn nobody_advances_in_a_freeze_but_by_a_set() {
    let freeze = json!({"freeze": ["Mon-Sun 00:00-24:00 UTC"]});
    let mut world = applied(&[quick("freezes", &json!({}), &json!({}))]);
    asks(&mut world, "freezes", "start");
    grant(&mut world, put_plans(&[quick("freezes", &freeze, &json!({}))]));
    waits(&mut world, "freezes", "canary", &["freeze"]);
    refuses(&mut world, "freezes", "advance", "frozen");
    let set = orders("freezes", json!({"command": "set", "percentage": 20, "dry_run": true}));
    assert_eq!(world.call(set).unwrap().status, 200);
    grant(&mut world, put_plans(&[quick("freezes", &json!({}), &json!({}))]));
    completes(&mut world, "freezes");
}

#[test]
fn a_stage_is_entered_in_its_hours_and_when_no_freeze_is_left() {
    let mut own = quick("enters", &json!({"freeze": ["Mon 00:00-24:00 UTC"]}), &json!({}));
    own["stage"][1]["enter"] = json!(["Tue-Thu 08:00-16:00 UTC"]);
    let mut world = applied(&[own]);
    grant(&mut world, orders("enters", json!({"command": "set", "percentage": 10})));
    asks(&mut world, "enters", "resume");
    waits(&mut world, "enters", "canary", &["freeze", "enter"]);
    refuses(&mut world, "enters", "advance", "frozen");
    // Tuesday, 07:59: the freeze is over.
    let tuesday_ms = START_MS + 23 * HOUR_MS;
    world.pass(tuesday_ms - MINUTE_MS - world.now_ms);
    assert_eq!(stands(&mut world, "enters").3, ["enter"]);
    refuses(&mut world, "enters", "advance", "enter");
    world.pass(2 * MINUTE_MS);
    assert_eq!(stands(&mut world, "enters").2, "half");
}

#[test]
fn what_comes_after_another_waits_until_that_has_ended() {
    let core = quick("core", &json!({"advance": "manual"}), &json!({}));
    let mut world = applied(&[core, quick("late", &json!({"after": ["core"]}), &json!({}))]);
    asks(&mut world, "core", "start");
    asks(&mut world, "late", "start");
    world.pass(LONG_MS);
    let (phase, percentage, _, blocked) = stands(&mut world, "late");
    assert!(phase == "running" && percentage == 0.0 && blocked.contains(&"after".to_owned()), "{blocked:?}");
    asks(&mut world, "core", "complete");
    completes(&mut world, "late");
    assert_eq!(reported(&world, "late")[2..4], ["release schedule", "advance schedule"]);
}

#[test]
fn a_plan_starts_on_time_once_its_checklist_is_done() {
    let start_ms = START_MS + HOUR_MS;
    let start = tidegate::model::Instant::from_epoch_ms(start_ms).to_string();
    let changes = json!({"start": start, "checklist": ["Ready"]});
    let mut world = applied(&[quick("timed", &changes, &json!({})), quick("unready", &changes, &json!({}))]);
    grant(&mut world, orders("timed", json!({"command": "approve", "item": "Ready"})));
    assert_eq!(stands(&mut world, "timed").3, ["start"]);
    completes(&mut world, "timed");
    let entry = &history(&world, "timed")[2];
    assert_eq!((entry.command.name(), entry.at.as_epoch_ms()), ("start", start_ms));
    let (phase, _, _, blocked) = stands(&mut world, "unready");
    assert_eq!((phase.as_str(), blocked), ("draft", vec!["checklist".to_owned()]));
    grant(&mut world, orders("unready", json!({"command": "approve", "item": "Ready"})));
    completes(&mut world, "unready");
}

#[test]
fn a_last_stage_under_all_ends_and_stays() {
    let mut ends = quick("ends", &json!({}), &json!({}));
    ends["stage"] = json!([{"name": "canary", "percentage": 10, "hold": "10m"}]);
    let mut world = applied(&[ends, quick("follows", &json!({"after": ["ends"]}), &json!({}))]);
    asks(&mut world, "ends", "start");
    asks(&mut world, "follows", "start");
    completes(&mut world, "follows");
    assert_eq!(reported(&world, "ends").last().map(String::as_str), Some("end schedule"));
    let (phase, percentage, _, blocked) = stands(&mut world, "ends");
    assert_eq!((phase.as_str(), percentage, blocked), ("running", 10.0, vec!["last_stage".to_owned()]));
}
