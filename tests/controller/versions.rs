//! Another version of new: what was shown of the one before says nothing of it.

use serde_json::{Value, json};
use tidegate::model::minute::MINUTE_MS;
use tidegate::protocol::api::Call;
use tidegate::protocol::errand::ErrandAnswer;
use tidegate::protocol::flush::Flush;

use crate::people::{command, get, grant, history, plan, put_plans, rollout};
use crate::world::World;

/// A rollout in a stage of an hour that nobody but the time ends, whose new names its version.
fn started(changes: &Value) -> World {
    let mut own = plan("shop");
    own["defaults"] = "none".into();
    own["upstreams"]["new"] = json!({"url": own["upstreams"]["new"], "version": "header:x-build"});
    own["stage"] = json!([{"name": "half", "percentage": 50, "hold": "1h"}, {"name": "full", "percentage": 100}]);
    changes.as_object().unwrap().iter().for_each(|(name, value)| own[name] = value.clone());
    let mut world = World::new(1);
    grant(&mut world, put_plans(&[own]));
    let fields = json!({"command": "start", "reason": "start"});
    grant(&mut world, command("ana", "shop", "start", Some("*"), fields));
    world
}

/// Minutes pass in which isolates see these versions.
fn answers(world: &mut World, versions: &[&str], minutes: i64) {
    for _ in 0..minutes * 6 {
        let versions = versions.iter().map(|version| ("shop".to_owned(), (*version).to_owned())).collect();
        world.flush(Flush { isolate: "one".into(), known: Some(Vec::new()), versions, ..Flush::default() });
        world.pass(10_000);
    }
}

fn deployed(version: &str) -> Call {
    command("ana", "shop", version, None, json!({"command": "deployed", "version": version}))
}

/// The commands so far, each with the version that was known then.
fn reported(world: &World) -> Vec<String> {
    let entries = history(world, "shop");
    let of = |version: Option<&str>| version.map(|version| format!(" {version}")).unwrap_or_default();
    let reported = entries.iter().skip(2).map(|entry| {
        let version = entry.state.version.as_ref().map(ToString::to_string);
        format!("{}{} by {}", entry.command.name(), of(version.as_deref()), entry.actor)
    });
    reported.collect()
}

/// How many minutes of the hold are left.
fn left(world: &mut World) -> i64 {
    let hold = rollout(world, "shop")["hold"].clone();
    let of = |name: &str| hold[name].as_i64().unwrap_or_else(|| panic!("{hold}"));
    (of("length_ms") - of("elapsed_ms") + MINUTE_MS - 1) / MINUTE_MS
}

#[test]
fn one_that_answers_name_is_an_entry_and_begins_the_stage_anew_once_it_answers_alone() {
    let mut world = started(&json!({}));
    answers(&mut world, &["v1"], 30);
    assert_eq!(
        (reported(&world), left(&mut world)),
        (vec!["deployed v1 by schedule".to_owned()], 30),
        "it was there before"
    );
    answers(&mut world, &["v1", "v2"], 10);
    let shown = rollout(&mut world, "shop");
    assert_eq!((&shown["versions"], &shown["state"]["version"]), (&json!(["v1", "v2"]), &json!("v1")));
    assert_eq!(left(&mut world), 20, "while both answer nothing is begun");
    answers(&mut world, &["v2"], 5);
    assert_eq!(reported(&world), ["deployed v1 by schedule", "deployed v2 by schedule"]);
    assert!((55..60).contains(&left(&mut world)), "{}", left(&mut world));
    let shown = rollout(&mut world, "shop");
    assert_eq!((&shown["versions"], &shown["state"]["version"]), (&Value::Null, &json!("v2")));
    answers(&mut world, &["v2"], 60);
    assert!(reported(&world).contains(&"advance v2 by schedule".to_owned()), "{:?}", reported(&world));
}

#[test]
fn what_is_deployed_by_hand_begins_the_stage_anew_the_first_time_too() {
    let mut world = started(&json!({}));
    world.pass(30 * MINUTE_MS);
    grant(&mut world, deployed("v2.1.0"));
    assert_eq!((reported(&world), left(&mut world)), (vec!["deployed v2.1.0 by ana".to_owned()], 60));
    world.pass(30 * MINUTE_MS);
    grant(&mut world, deployed("v2.1.0"));
    assert_eq!(left(&mut world), 30, "the same again is no other");
}

#[test]
fn a_plan_may_let_the_stage_go_on() {
    let mut world = started(&json!({"redeploy": "continue"}));
    world.pass(30 * MINUTE_MS);
    grant(&mut world, deployed("v1"));
    grant(&mut world, deployed("v2"));
    assert_eq!(
        (reported(&world), left(&mut world)),
        (vec!["deployed v1 by ana".into(), "deployed v2 by ana".into()], 30)
    );
}

#[test]
fn a_kill_stays_and_a_rollback_too() {
    let mut world = started(&json!({}));
    for (name, phase) in [("kill", "running"), ("rollback", "rolled_back")] {
        grant(&mut world, command("ana", "shop", name, None, json!({"command": name})));
        grant(&mut world, deployed(name));
        let shown = rollout(&mut world, "shop");
        assert_eq!((&shown["state"]["killed"], &shown["state"]["phase"]), (&json!(true), &json!(phase)));
        assert_eq!(shown["state"]["version"], json!(name));
    }
}

#[test]
fn what_is_no_version_is_refused_with_the_way_out() {
    let mut world = started(&json!({}));
    let reply = world.call(deployed("a b")).unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("`a b` is not a version"), "{}", reply.body);
    answers(&mut world, &["a b", "\"x\""], 2);
    assert_eq!(reported(&world), [""; 0]);
}

/// New answers to the controller with a file of this tag.
fn tagged(world: &mut World, tag: &str) {
    let headers = vec![("etag".to_owned(), tag.to_owned())];
    let answer = Ok(ErrandAnswer { status: 200, headers, ..ErrandAnswer::default() });
    world.hosts = vec![("https://new.example/version.json", answer)];
}

fn etag() -> Value {
    json!({"url": "https://new.example", "version": "etag of /version.json"})
}

#[test]
fn the_tag_of_a_file_is_a_version_that_the_controller_asks_for() {
    let mut world = started(&json!({}));
    let mut own = plan("shop");
    own["defaults"] = "none".into();
    own["upstreams"]["new"] = etag();
    own["stage"] = json!([{"name": "half", "percentage": 50, "hold": "1h"}, {"name": "full", "percentage": 100}]);
    grant(&mut world, put_plans(&[own]));
    tagged(&mut world, "\"b7\"");
    world.errands.clear();
    world.pass(MINUTE_MS);
    let looks = world.errands.iter().filter(|(_, own)| own.url == "https://new.example/version.json").count();
    assert!((5..=7).contains(&looks), "{looks} in a minute");
    assert!(reported(&world).contains(&"deployed b7 by schedule".to_owned()), "{:?}", reported(&world));
    world.pass(20 * MINUTE_MS);
    tagged(&mut world, "W/\"b8\"");
    world.pass(2 * MINUTE_MS);
    assert!(reported(&world).contains(&"deployed b8 by schedule".to_owned()), "{:?}", reported(&world));
    assert!((57..60).contains(&left(&mut world)), "{}", left(&mut world));
    world.hosts =
        vec![("https://new.example/version.json", Ok(ErrandAnswer { status: 404, ..ErrandAnswer::default() }))];
    world.pass(MINUTE_MS);
    let faults = rollout(&mut world, "shop")["faults"].clone();
    assert!(faults[0]["message"].as_str().unwrap().starts_with("new's version cannot be read"), "{faults}");
}

/// A draft that starts with a deployment.
fn waiting(changes: &Value) -> World {
    let mut own = plan("shop");
    own["defaults"] = "none".into();
    own["start"] = "on deploy".into();
    own["checklist"] = json!(["Signed off"]);
    own["upstreams"]["new"] = etag();
    changes.as_object().unwrap().iter().for_each(|(name, value)| own[name] = value.clone());
    let mut world = World::new(1);
    grant(&mut world, put_plans(&[own]));
    world
}

fn phase(world: &mut World) -> String {
    rollout(world, "shop")["state"]["phase"].as_str().unwrap().to_owned()
}

#[test]
fn a_draft_may_start_with_a_deployment_once_its_checklist_is_done() {
    let mut world = waiting(&json!({}));
    world.pass(10 * MINUTE_MS);
    let shown = rollout(&mut world, "shop");
    assert_eq!(shown["blocked"][0]["by"], "start", "{shown}");
    grant(&mut world, deployed("v2"));
    world.pass(MINUTE_MS);
    assert_eq!(phase(&mut world), "draft", "the checklist is open");
    let approve = json!({"command": "approve", "item": "Signed off"});
    grant(&mut world, command("ana", "shop", "approve", Some("*"), approve));
    world.pass(MINUTE_MS);
    assert_eq!(phase(&mut world), "running");
    let last = history(&world, "shop").pop().unwrap();
    assert_eq!((last.actor.as_str(), last.command.name()), ("schedule", "start"));
}

#[test]
fn a_draft_starts_with_another_version_than_the_first_that_was_seen() {
    let mut world = waiting(&json!({"checklist": []}));
    tagged(&mut world, "\"b7\"");
    world.pass(10 * MINUTE_MS);
    assert_eq!(phase(&mut world), "draft", "that one was there before");
    tagged(&mut world, "\"b8\"");
    world.pass(2 * MINUTE_MS);
    assert_eq!(phase(&mut world), "running");
}

#[test]
fn a_step_back_to_a_percentage_is_verified_against_the_version_wanted() {
    let mut world = started(&json!({}));
    answers(&mut world, &["v1"], 2);
    grant(&mut world, command("ana", "shop", "back", None, json!({"command": "rollback", "to": 5})));
    answers(&mut world, &["v1", "v0"], 3);
    let messages = grant(&mut world, get("rollouts/shop/messages", ""));
    let text = messages["messages"].as_array().unwrap().iter().find(|own| own["kind"] == "verification").unwrap();
    let text = text["text"].as_str().unwrap();
    assert!(text.starts_with("not as it should be: new is v1 and v0, and v1 is wanted"), "{text}");
}
