//! Plans that are longer than what can be stored, or sent to isolates.

use serde_json::{Value, json};

use crate::people::{command, deployed, get, grant, plan, put_plans, rollout};

/// A plan with a list of so many ids, 30 bytes each.
fn long(key: &str, ids: usize) -> Value {
    let ids: Vec<String> = (0..ids).map(|id| format!("user-{id:06}-of-a-long-list")).collect();
    let mut plan = plan(key);
    plan["groups"] = json!({"pilots": {"ids": ids}});
    plan["stage"][0]["groups"] = json!(["pilots"]);
    plan
}

#[test]
fn plans_beyond_the_limits_are_refused_with_the_way_out_and_all_others_go_on() {
    let mut world = deployed(1, &["shop"], 10);
    let before = rollout(&mut world, "shop");
    let refused = |world: &mut crate::world::World, plans: &[Value]| {
        let reply = world.call(put_plans(plans)).expect("nothing dies");
        assert_eq!(reply.status, 422, "{:.300}", reply.body);
        let problem: Value = serde_json::from_str(&reply.body).unwrap();
        let fault = &problem["faults"][0];
        assert!(fault["help"].as_str().unwrap().contains("the KV key `group/NAME`"), "{fault}");
        fault["message"].as_str().unwrap().to_owned()
    };
    let message = refused(&mut world, &[long("search", 40_000)]);
    assert!(message.starts_with("the plan has 1,") && message.ends_with("at most 1,048,576"), "{message}");
    // Four that fit one by one, and a fifth for which there is no room beside them.
    (0..4).for_each(|n| _ = grant(&mut world, put_plans(&[long(&format!("long-{n}"), 32_000)])));
    let message = refused(&mut world, &[long("long-4", 32_000)]);
    assert!(message.starts_with("all plans together have ") && message.ends_with("at most 4,194,304"), "{message}");
    world.crash();
    let keys: Vec<String> = grant(&mut world, get("rollouts", ""))["rollouts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| own["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["long-0", "long-1", "long-2", "long-3", "shop"]);
    assert_eq!(rollout(&mut world, "shop")["live"], before["live"]);
}

#[test]
fn a_flag_that_has_no_room_in_the_header_is_warned_of_at_its_start() {
    let mut world = deployed(1, &["shop"], 10);
    let key = |n: usize| format!("{}-{n:02}", "f".repeat(90));
    let flag = |n| json!({"key": key(n), "stage": [{"name": "on", "percentage": 100}]});
    // 99 bytes each with what stands between them: 41 are 4,059.
    grant(&mut world, put_plans(&(0..43).map(flag).collect::<Vec<_>>()));
    let mut start = |n: usize, dry_run: bool| {
        let body = json!({"command": "start", "dry_run": dry_run});
        let answer = grant(&mut world, command("ana", &key(n), &format!("start-{n}-{dry_run}"), Some("*"), body));
        answer["explanation"]["warnings"].to_string()
    };
    (0..41).for_each(|n| assert!(!start(n, false).contains("tidegate-flags"), "{n}"));
    let warning = "The flags that are started may need 4,158 bytes of `tidegate-flags`, which has 4,096";
    assert!(start(41, true).contains(warning), "{}", start(41, true));
}
