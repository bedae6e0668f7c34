//! Probes, hooks and verification, in virtual time and on SQLite: what is asked when, what its answers do, and what
//! outlasts a crash.

use serde_json::{Value, json};
use tidegate::model::minute::MINUTE_MS;
use tidegate::protocol::errand::ErrandAnswer;
use tidegate::protocol::flush::Flush;

use crate::people::{command, get, grant, history, plan, put_plans, rollout};
use crate::world::World;

fn answers(status: u16, body: &str) -> Result<ErrandAnswer, String> {
    Ok(ErrandAnswer { status, body: body.to_owned(), took_ms: 40, ..ErrandAnswer::default() })
}

/// What the public site answers.
fn serves(variant: &str, reason: &str) -> Result<ErrandAnswer, String> {
    let headers = [("tidegate-variant", variant), ("tidegate-reason", reason)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Ok(ErrandAnswer { status: 200, headers, ..ErrandAnswer::default() })
}

fn start(world: &mut World, plan: &Value) {
    grant(world, put_plans(std::slice::from_ref(plan)));
    grant(world, command("ana", "shop", "begin", Some("*"), json!({"command": "start"})));
}

fn probed() -> Value {
    let mut probed = plan("shop");
    probed["probe"] = json!([{"path": "/login", "on": ["new", "legacy"], "expect": {"contains": "Sign in"}}]);
    probed["guardrail"] = json!([{"when": "probe.login < 70% over 5m", "then": "rollback"}]);
    probed["stage"][0]["gates"] = json!(["probe.login > 99% over stage"]);
    probed
}

fn probe(world: &mut World, side: &str) -> Value {
    let probes = rollout(world, "shop")["probes"].as_array().cloned().unwrap();
    probes.into_iter().find(|own| own["on"] == side).unwrap()
}

fn gate(world: &mut World) -> Value {
    rollout(world, "shop")["stages"][0]["gates"][0].clone()
}

#[test]
fn probes_are_made_in_their_rhythm_on_both_sides_and_a_gate_rests_on_those_of_new() {
    let mut world = World::new(1);
    world.hosts =
        vec![("https://new.example/login", answers(200, "Sign in")), ("https://legacy.example", answers(500, ""))];
    start(&mut world, &probed());
    world.errands.clear();
    world.pass(5 * MINUTE_MS);
    let asked = |world: &World, host: &str| world.errands.iter().filter(|(_, own)| own.url.starts_with(host)).count();
    assert_eq!((asked(&world, "https://new.example/login"), asked(&world, "https://legacy.example/login")), (5, 5));
    let new = probe(&mut world, "new");
    assert_eq!((&new["passed"], new.get("failure")), (&json!(1.0), None), "{new}");
    assert_eq!(probe(&mut world, "legacy")["failure"], "it answers 500, and 200 is expected");
    assert_eq!(gate(&mut world)["verdict"], "pass");
    let faults = rollout(&mut world, "shop")["faults"].clone();
    assert_eq!(faults[0]["subject"], "probe/login", "{faults}");
}

#[test]
fn a_probe_that_fails_rolls_back_and_one_that_is_not_answered_says_nothing() {
    let mut world = World::new(2);
    start(&mut world, &probed());
    world.pass(3 * MINUTE_MS);
    assert_eq!(gate(&mut world)["verdict"], "inconclusive", "nothing was answered");
    world.hosts = vec![("https://new.example/login", answers(200, "Welcome"))];
    world.pass(4 * MINUTE_MS);
    let last = history(&world, "shop").pop().unwrap();
    assert_eq!((last.actor.as_str(), last.command.name()), ("guardrail", "rollback"));
    assert_eq!(probe(&mut world, "new")["failure"], "its answer does not contain `Sign in`");
}

#[test]
fn what_probes_have_shown_outlasts_a_crash() {
    let mut world = World::new(3);
    world.hosts = vec![("https://", answers(200, "Sign in"))];
    start(&mut world, &probed());
    world.pass(3 * MINUTE_MS);
    world.hosts = vec![("https://", answers(503, ""))];
    world.pass(MINUTE_MS + 1_000);
    world.crash();
    world.pass(1_000);
    let passed = probe(&mut world, "new")["passed"].as_f64().unwrap();
    assert!((0.5..0.9).contains(&passed), "{passed}");
}

#[test]
fn a_step_is_followed_by_probes_at_once() {
    let mut world = World::new(4);
    world.hosts = vec![("https://", answers(200, "Sign in"))];
    start(&mut world, &probed());
    world.pass(10_000);
    world.errands.clear();
    grant(&mut world, command("ana", "shop", "on", Some("*"), json!({"command": "advance"})));
    assert_eq!(world.errands.len(), 2, "both sides");
}

fn hooked(at: &str) -> Value {
    let mut hooked = plan("shop");
    hooked["stage"][0]["hold"] = "1m".into();
    hooked["defaults"] = "none".into();
    hooked["hook"] = json!([{"at": at, "webhook": "secret:URL", "signing_secret": "secret:KEY"}]);
    hooked
}

/// A world whose hook is set up.
fn with_hook(seed: u64, at: &str) -> World {
    let mut world = World::new(seed);
    world.environment.insert("URL", "https://hooks.example/a");
    world.environment.insert("KEY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    start(&mut world, &hooked(at));
    world
}

fn stage(world: &mut World) -> String {
    rollout(world, "shop")["state"]["stage"].as_str().unwrap().to_owned()
}

#[test]
fn a_hook_before_a_step_is_asked_once_nothing_else_blocks_it_and_go_lets_it_happen() {
    let mut world = with_hook(5, "before half");
    world.hosts =
        vec![("https://hooks.example", answers(200, r#"{"answer":"wait","after":"1m","reason":"load test"}"#))];
    world.pass(50_000);
    assert!(world.errands.is_empty(), "the bake time is not over");
    world.pass(30_000);
    let (_, asked) = world.errands.first().cloned().expect("it was asked");
    let header = |name: &str| asked.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    assert_eq!(header("webhook-id").as_deref(), Some("hook_shop_1_2_0"));
    assert!(header("webhook-signature").unwrap().starts_with("v1,"));
    let blocked = rollout(&mut world, "shop")["blocked"].clone();
    assert_eq!(blocked[0]["by"], "hook");
    assert_eq!(blocked[0]["text"], "the hook `before half` says wait: load test");
    world.hosts = vec![("https://hooks.example", answers(200, r#"{"answer":"go"}"#))];
    world.pass(MINUTE_MS);
    assert_eq!(stage(&mut world), "half");
    assert!(world.errands.iter().all(|(_, own)| own.headers == asked.headers || own.url == asked.url));
}

#[test]
fn a_hook_after_a_step_keeps_the_stage_and_stop_pauses_it() {
    let mut world = with_hook(6, "after canary");
    world.hosts = vec![("https://hooks.example", answers(200, r#"{"answer":"stop","reason":"p95 is 4 s"}"#))];
    // What was asked before anybody was there is given up first.
    world.pass(70_000);
    let last = history(&world, "shop").pop().unwrap();
    assert_eq!((last.actor.as_str(), last.command.name()), ("hook", "pause"));
    let shown = rollout(&mut world, "shop");
    assert_eq!(shown["state"]["phase"], "paused");
    // Whoever resumes has it asked anew.
    world.hosts = vec![("https://hooks.example", answers(200, r#"{"answer":"go"}"#))];
    grant(&mut world, command("ana", "shop", "again", Some("*"), json!({"command": "resume"})));
    world.pass(2 * MINUTE_MS);
    assert_eq!(stage(&mut world), "half");
}

#[test]
fn a_hook_that_does_not_answer_waits_for_ever_and_is_a_fault() {
    for (seed, hosts) in [
        (7, vec![]),
        (8, vec![("https://hooks.example", answers(500, r#"{"answer":"go"}"#))]),
        (9, vec![("https://hooks.example", answers(200, "ok"))]),
        (10, vec![("https://hooks.example", Err("no answer within 10 s".to_owned()))]),
    ] {
        let is_silent = hosts.is_empty();
        let mut world = with_hook(seed, "before half");
        world.hosts = hosts;
        world.pass(6 * 60 * MINUTE_MS);
        assert_eq!(stage(&mut world), "canary", "{seed}");
        let faults = rollout(&mut world, "shop")["faults"].clone();
        assert!(is_silent || faults[0]["subject"] == "hook/before/half", "{seed}: {faults}");
        let asked = world.errands.len();
        assert!((20..400).contains(&asked), "{seed}: asked {asked} times in six hours");
    }
    let mut world = with_hook(11, "before half");
    world.environment.remove("URL");
    world.pass(10 * MINUTE_MS);
    let faults = rollout(&mut world, "shop")["faults"].clone();
    assert!(faults[0]["message"].as_str().unwrap().contains("the secret URL is not set"), "{faults}");
    assert_eq!(stage(&mut world), "canary");
}

#[test]
fn a_crash_between_go_and_the_step_asks_again_and_takes_it_once() {
    let mut world = with_hook(12, "before half");
    world.hosts = vec![("https://hooks.example", answers(200, r#"{"answer":"go"}"#))];
    world.pass(59_000);
    world.crash();
    world.pass(2 * MINUTE_MS);
    assert_eq!(stage(&mut world), "half");
    let advances = history(&world, "shop").iter().filter(|entry| entry.command.name() == "advance").count();
    assert_eq!(advances, 1);
}

/// What a verification reported.
fn verified(world: &mut World) -> Vec<String> {
    let messages = grant(world, get("rollouts/shop/messages", ""))["messages"].as_array().cloned().unwrap();
    let own = messages.iter().filter(|message| message["kind"] == "verification");
    own.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

fn named() -> Value {
    let mut named = plan("shop");
    named["routes"] = json!(["shop.example/*"]);
    named
}

fn kill(world: &mut World) -> u64 {
    grant(world, command("ana", "shop", "bad", None, json!({"command": "kill"})));
    rollout(world, "shop")["state"]["revision"].as_u64().unwrap()
}

fn isolate(world: &mut World, revision: u64) {
    let known = Some(vec![("shop".to_owned(), revision)]);
    world.flush(Flush { isolate: "a".into(), known, ..Flush::default() });
}

#[test]
fn a_kill_is_verified_from_outside_and_at_the_isolates_and_makes_no_revision() {
    let mut world = World::new(13);
    world.hosts = vec![("https://shop.example/", serves("new", "bucketed"))];
    start(&mut world, &named());
    isolate(&mut world, 2);
    let revision = kill(&mut world);
    world.pass(20_000);
    assert!(verified(&mut world).is_empty(), "a visitor is still on new");
    world.hosts = vec![("https://shop.example/", serves("legacy", "killed"))];
    world.pass(20_000);
    isolate(&mut world, revision);
    world.pass(60_000);
    assert_eq!(
        verified(&mut world),
        [format!(
            "verified: a new visitor gets legacy (killed), status 200; the one isolate of the last minute goes by revision {revision} or later; too few requests since then to say whether errors settle (0)"
        )]
    );
    assert_eq!(rollout(&mut world, "shop")["state"]["revision"], revision);
}

#[test]
fn what_is_not_taken_back_is_reported_within_two_minutes() {
    let mut world = World::new(14);
    world.hosts = vec![("https://shop.example/", serves("new", "bucketed"))];
    start(&mut world, &named());
    grant(&mut world, command("ana", "shop", "bad", None, json!({"command": "rollback", "to": "off"})));
    world.pass(121_000);
    let reported = verified(&mut world);
    assert!(
        reported[0].starts_with("not as it should be: a new visitor gets new (bucketed), status 200; "),
        "{reported:?}"
    );
}

#[test]
fn a_verification_outlasts_a_crash_and_ends_with_a_revive() {
    let mut world = World::new(15);
    world.hosts = vec![("https://shop.example/", serves("legacy", "killed"))];
    start(&mut world, &named());
    kill(&mut world);
    world.crash();
    world.pass(100_000);
    assert_eq!(verified(&mut world).len(), 1);
    grant(&mut world, command("ana", "shop", "fine", Some("*"), json!({"command": "revive"})));
    kill(&mut world);
    grant(&mut world, command("ana", "shop", "fine", Some("*"), json!({"command": "revive"})));
    world.pass(300_000);
    assert_eq!(verified(&mut world).len(), 1, "what goes on is not verified as taken back");
}
