//! Backup and restore: a deployment that has nothing goes on exactly where another one was.

use serde_json::{Value, json};
use tidegate::protocol::api::Call;

use crate::people::{command, counts, get, grant, history, plan, put_plans, rollout};
use crate::world::World;

fn restore(backup: &str) -> Call {
    Call { method: "PUT".into(), path: "backup".into(), actor: "ana".into(), body: backup.into(), ..Call::default() }
}

fn backup(world: &mut World) -> String {
    world.call(get("backup", "")).expect("nothing dies").body
}

/// A deployment with a past: two rollouts, one of them half-way through a bake time, counts, a rollback.
fn lived(seed: u64) -> World {
    let mut shop = plan("shop");
    shop["defaults"] = "none".into();
    shop["stage"][0]["hold"] = "1h".into();
    shop["stage"][0]["checklist"] = json!(["Looked at"]);
    shop["signals"] = json!({"p1": {"kind": "count"}});
    shop["guardrail"] = json!([{"when": "signal.p1 > 2 over attempt", "then": "rollback"}]);
    let mut world = World::new(seed);
    grant(&mut world, put_plans(&[shop, plan("other")]));
    for key in ["shop", "other"] {
        grant(&mut world, command("ana", key, "begin", Some("*"), json!({"command": "start"})));
    }
    let flush = counts(&world, "a", 1, "shop", 40);
    world.flush(flush);
    grant(&mut world, command("ana", "other", "bad", None, json!({"command": "rollback", "to": "off"})));
    report(&mut world, 2);
    world.pass(20 * 60_000);
    world
}

fn report(world: &mut World, count: u32) {
    let body = json!({"name": "p1", "count": count}).to_string();
    let call = Call {
        method: "POST".into(),
        path: "rollouts/shop/signals".into(),
        actor: "ana".into(),
        body,
        ..Call::default()
    };
    assert_eq!(world.call(call).expect("nothing dies").status, 202);
}

/// An empty deployment, at the same time, into which a backup was restored.
fn restored(from: &mut World, seed: u64) -> World {
    let text = backup(from);
    let mut world = World::new(seed);
    world.now_ms = from.now_ms;
    let reported = grant(&mut world, restore(&text));
    assert_eq!(reported["rollouts"], 2);
    world
}

/// What people see of a rollout, without where KV stands.
fn seen(world: &mut World, key: &str) -> Value {
    let mut shown = rollout(world, key);
    shown.as_object_mut().unwrap().remove("published");
    shown
}

fn texts(world: &World, key: &str) -> Vec<String> {
    world.database.texts("SELECT entry FROM history WHERE rollout = ? ORDER BY revision", &[key])
}

#[test]
fn what_was_restored_is_the_same_and_is_published() {
    let mut first = lived(1);
    let mut second = restored(&mut first, 2);
    for key in ["shop", "other"] {
        assert_eq!(seen(&mut second, key), seen(&mut first, key), "{key}");
        assert_eq!(texts(&second, key), texts(&first, key), "{key}");
    }
    second.pass(5_000);
    let last = history(&second, "shop").pop().unwrap();
    assert_eq!(second.held("stage/shop"), Some(last.state.to_json().as_str()), "KV holds it");
    assert!(second.held("plans").is_some());
}

#[test]
fn it_goes_on_exactly() {
    let mut first = lived(3);
    let mut second = restored(&mut first, 4);
    for world in [&mut first, &mut second] {
        // The bake time goes on where it was, and what was reported before counts on.
        grant(world, command("ana", "shop", "fine", Some("*"), json!({"command": "approve", "item": "Looked at"})));
        world.pass(39 * 60_000);
        assert_eq!(rollout(world, "shop")["state"]["stage"], "canary");
        world.pass(2 * 60_000);
        assert_eq!(rollout(world, "shop")["state"]["stage"], "half");
        report(world, 1);
        world.pass(60_000);
        assert_eq!(rollout(world, "shop")["state"]["phase"], "rolled_back");
    }
    let reported = |world: &World| -> Vec<(u64, String, String)> {
        let entries = history(world, "shop").into_iter();
        entries.map(|own| (own.revision, own.actor, own.command.name().to_owned())).collect()
    };
    assert_eq!(reported(&second), reported(&first));
}

#[test]
fn what_is_not_empty_is_not_written_over_and_what_is_no_backup_is_refused() {
    let mut first = lived(5);
    let text = backup(&mut first);
    let reply = first.call(restore(&text)).unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("never writes anything over"), "{}", reply.body);
    let mut empty = World::new(6);
    for body in ["", "{}", r#"{"tidegate":"backup","v":2}"#, r#"{"tidegate":"backup","v":1}"#] {
        assert_eq!(empty.call(restore(body)).unwrap().status, 400, "{body}");
    }
    assert_eq!(grant(&mut empty, get("rollouts", ""))["rollouts"], json!([]));
}
