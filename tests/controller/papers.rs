//! Runbook, report, timeline and calendar of a rollout that breaks; checklists of several people; the freeze of the
//! whole deployment.

use serde_json::{Value, json};
use tidegate::model::measured::sketch::bucket;
use tidegate::model::measured::{Measure, SlicedCounts, Window};
use tidegate::model::variant::Variant;
use tidegate::protocol::api::{Call, Media};
use tidegate::protocol::flush::{Batch, Counted, Flush};

use crate::people::{command, get, grant, put_plans, rollout};
use crate::world::World;

fn plan(more: Value) -> Value {
    let mut plan = json!({
        "key": "shop", "description": "The new shop", "routes": ["/*"],
        "upstreams": {"legacy": "https://legacy.example", "new": "https://new.example"},
        "identity": {"from": ["header:x-user-id"]},
        "roles": {"qa": {"person": "quin"}, "lead": "ben"},
        "defaults": "none",
        "stage": [
            {"name": "canary", "percentage": 10, "hold": "10m", "owner": "lead"},
            {"name": "full", "percentage": 100, "hold": "1d", "gates": ["error_rate < 1% over stage"]},
        ],
        "guardrail": [{"when": "error_rate > 5% over 1m min 20", "then": "rollback"}],
        "after_rollback": ["Cause found"],
    });
    for (name, value) in more.as_object().unwrap() {
        plan[name] = value.clone();
    }
    plan
}

/// A minute of requests on both sides.
fn minute(world: &mut World, sequence: u64, new: (u64, u64, u64)) {
    let revision = rollout(world, "shop")["state"]["revision"].as_u64().unwrap();
    let mut window = Window::at(world.now().minute(), revision);
    for (variant, requests, errors, rescued) in [(Variant::Legacy, 900, 3, 0), (Variant::New, new.0, new.1, new.2)] {
        let tally = window.tally_mut(variant, None).unwrap();
        (tally.requests, tally.errors, tally.rescued) = (requests, errors, rescued);
        let ms = if errors > 20 { 900.0 } else { 120.0 };
        tally.sketch_mut(&Measure::Latency).unwrap().add(bucket(ms).unwrap(), requests);
    }
    let counted = vec![Counted { rollout: "shop".parse().unwrap(), window, compared: SlicedCounts::default() }];
    let batch = Batch { sequence, counted, ..Batch::default() };
    world.flush(Flush { isolate: "one".into(), batch: Some(batch), ..Flush::default() });
    world.pass(60_000);
}

/// The new shop works for a quarter of an hour, and fails then.
fn broken() -> World {
    let mut world = World::new(1);
    grant(&mut world, put_plans(&[plan(json!({}))]));
    grant(&mut world, command("ana", "shop", "the sale begins", Some("*"), json!({"command": "start"})));
    for sequence in 1..=14 {
        minute(&mut world, sequence, (100, 0, 0));
    }
    minute(&mut world, 15, (800, 400, 350));
    for sequence in 16..=20 {
        minute(&mut world, sequence, (0, 0, 0));
    }
    world
}

#[track_caller]
fn paper(world: &mut World, path: &str, query: &str, media: Media) -> String {
    let reply = world.call(get(path, query)).unwrap();
    assert_eq!((reply.status, reply.media), (200, Some(media)), "{}", reply.body);
    if let Ok(folder) = std::env::var("PAPERS") {
        let name = format!("{}-{}", path.replace('/', "-"), query.rsplit('=').next().unwrap_or_default());
        std::fs::write(format!("{folder}/{name}"), &reply.body).unwrap();
    }
    reply.body
}

#[test]
fn a_report_says_what_happened_to_whom_for_how_long_and_why() {
    let mut world = broken();
    assert_eq!(rollout(&mut world, "shop")["state"]["phase"], "rolled_back");
    let text = paper(&mut world, "rollouts/shop/report", "format=markdown", Media::Markdown);
    for reported in [
        "# Incident report: The new shop",
        "Tidegate rolled it back to 0 %, from full at 100 %",
        "because the share of requests that fail is above 5 %",
        "guardrail `error_rate > 5% over 1m min 20` came true",
        "legacy answered 350 of them in its place",
        "| **Time to detect** |",
        "| **Time to recover** |",
        "the sale begins",
        "## What was asked before each step (gates)",
        "### canary left on",
        "not met",
        "## Success criteria",
        "| Cause found |",
        "_Why did it happen?",
    ] {
        let is_there =
            text.contains(reported) || text.replace(['`', '\\'], "").contains(&reported.replace(['`', '\\'], ""));
        assert!(is_there, "{reported}\n{text}");
    }
    let page = paper(&mut world, "rollouts/shop/report", "format=html", Media::Html);
    assert!(page.matches("<svg ").count() >= 3 && !page.contains("<script"), "{page}");
    assert_eq!(world.call(get("rollouts/shop/report", "format=pdf")).unwrap().status, 400);
}

#[test]
fn a_report_of_a_later_attempt_has_the_incidents_of_those_before() {
    let mut world = broken();
    grant(
        &mut world,
        command("ana", "shop", "a cache", Some("*"), json!({"command": "approve", "item": "Cause found"})),
    );
    grant(&mut world, command("ana", "shop", "again", Some("*"), json!({"command": "resume"})));
    // Long enough for the first attempt to lie before all that the second one is about.
    for sequence in 21..=60 {
        minute(&mut world, sequence, (10, 0, 0));
    }
    let text = paper(&mut world, "rollouts/shop/report", "format=markdown", Media::Markdown);
    for reported in ["All 2 attempts together", "legacy answered 350 of them in its place"] {
        assert!(text.contains(reported), "{reported}\n{text}");
    }
    assert!(!text.contains("0 of 0"), "{text}");
    let row = text.lines().find(|line| line.contains("Requests**")).unwrap_or_default();
    let new: u64 = row.split('|').nth(2).unwrap_or_default().replace(',', "").trim().parse().unwrap();
    assert!(new >= 14 * 100 + 800 + 40 * 10, "{row}");
}

#[test]
fn a_runbook_of_a_deployment_says_the_load_of_each_stage_by_what_was_measured() {
    let mut world = broken();
    let text = paper(&mut world, "rollouts/shop/runbook", "format=markdown", Media::Markdown);
    assert!(text.contains("It is rolled back to 0 % now."), "{text}");
    assert!(text.contains("requests an hour"), "{text}");
    paper(&mut world, "rollouts/shop/runbook", "", Media::Html);
}

#[test]
fn a_timeline_tells_what_was_and_what_is_to_come_and_is_a_calendar_too() {
    let mut world = World::new(1);
    grant(&mut world, put_plans(&[plan(json!({"freeze": ["Sat-Sun Europe/Berlin"]}))]));
    grant(&mut world, command("ana", "shop", "go", Some("*"), json!({"command": "start"})));
    let timeline = grant(&mut world, get("rollouts/shop/timeline", ""));
    let events = timeline["rollouts"][0]["events"].as_array().unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    for kind in ["done", "hold", "stage", "end"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    assert!(events.iter().any(|event| event["who"] == "ana" && event["past"] == true));
    assert!(timeline["rollouts"][0]["end"].is_string() && timeline["feed"].is_null());
    let calendar = paper(&mut world, "timeline", "format=ics", Media::Calendar);
    assert!(calendar.contains("UID:shop-stage-full@"), "{calendar}");
    // The same event is the same one an hour later.
    let uids = |text: &str| text.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect::<Vec<_>>();
    world.pass(300_000);
    let later = paper(&mut world, "timeline", "format=ics", Media::Calendar);
    assert_eq!(uids(&calendar), uids(&later));
}

fn approve(actor: &str, roles: &[&str], item: &str) -> Call {
    let call = command(actor, "shop", "looked", Some("*"), json!({"command": "approve", "item": item}));
    Call { roles: roles.iter().map(|role| (*role).to_owned()).collect(), ..call }
}

#[test]
fn two_people_are_two_and_a_role_is_a_role() {
    let mut world = World::new(1);
    let items =
        json!(["Free", {"text": "Signed off", "role": "qa", "due": "canary-1d"}, {"text": "Go", "approvals": 2}]);
    grant(&mut world, put_plans(&[plan(json!({ "checklist": items }))]));
    let mut refused = |call: Call| {
        let reply = world.call(call).unwrap();
        let problem: Value = serde_json::from_str(&reply.body).unwrap();
        (reply.status, problem["refusal"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(refused(approve("ana", &[], "Signed off")).1, "other-role");
    assert_eq!(refused(approve("quin", &[], "Signed off")), (200, String::new()));
    assert_eq!(refused(approve("ana", &["qa"], "Signed off")).1, "approved-already");
    assert_eq!(refused(approve("ana", &[], "Go")).0, 200);
    assert_eq!(refused(approve("ana", &[], "Go")).1, "same-person");
    assert_eq!(refused(approve("ana", &[], "Free")).0, 200);
    let start = command("ana", "shop", "go", Some("*"), json!({"command": "start"}));
    assert_eq!(refused(start).1, "checklist", "one of two has ticked it");
    let shown = rollout(&mut world, "shop");
    let go = &shown["checklist"]["items"][2];
    assert_eq!((go["approved"].is_null(), &go["approvals"][0]["by"], &go["needed"]), (true, &json!("ana"), &json!(2)));
    // The object is made anew: both ticks are on record.
    world.crash();
    grant(&mut world, approve("ben", &[], "Go"));
    world.crash();
    assert_eq!(rollout(&mut world, "shop")["checklist"]["items"][2]["approved"]["by"], "ben");
    grant(&mut world, command("ana", "shop", "go", Some("*"), json!({"command": "start"})));
}

#[test]
fn while_the_deployment_is_frozen_nothing_advances_and_going_back_works() {
    let mut world = World::new(1);
    grant(&mut world, put_plans(&[plan(json!({}))]));
    grant(&mut world, command("ana", "shop", "go", Some("*"), json!({"command": "start"})));
    let set = |windows: &[&str]| Call {
        method: "PUT".into(),
        path: "freeze".into(),
        actor: "ana".into(),
        body: json!({"freeze": windows, "reason": "holidays"}).to_string(),
        ..Call::default()
    };
    // 2026-11-23 is the Monday on which this world begins.
    assert_eq!(grant(&mut world, set(&["2026-11-23/2026-11-24"]))["by"], "ana");
    assert_eq!(world.call(set(&["Mon 9"])).unwrap().status, 400);
    world.crash();
    for sequence in 1..=30 {
        minute(&mut world, sequence, (100, 0, 0));
    }
    let shown = rollout(&mut world, "shop");
    assert_eq!((&shown["state"]["stage"], &shown["freeze"][0]), (&json!("canary"), &json!("2026-11-23/2026-11-24")));
    assert!(shown["blocked"].as_array().unwrap().iter().any(|own| own["by"] == "freeze"), "{}", shown["blocked"]);
    let advance = command("ana", "shop", "now", Some("*"), json!({"command": "advance"}));
    assert!(world.call(advance).unwrap().body.contains("frozen"));
    let plan = grant(&mut world, get("rollouts/shop/plan", ""));
    assert!(plan["freeze"].is_null(), "the plan stays as it was applied");
    grant(&mut world, set(&[]));
    world.pass(60_000);
    assert_eq!(rollout(&mut world, "shop")["state"]["stage"], "full");
    grant(&mut world, set(&["Mon-Sun"]));
    grant(&mut world, command("ana", "shop", "back", None, json!({"command": "rollback"})));
    assert_eq!(grant(&mut world, get("freeze", ""))["freeze"], json!(["Mon-Sun"]));
}

#[test]
fn days_on_which_the_deployment_is_frozen_are_no_business_days_of_its_messages() {
    let channels = json!({"chat": {"slack": "secret:CHAT_URL"}});
    let notice = json!({"at": "canary+1h, next business day 09:00", "to": "chat", "text": "Announced"});
    let mut world = World::new(1);
    // 2026-11-23 is the Monday on which this world begins.
    let windows = json!({"freeze": ["2026-11-24/2026-11-25"], "reason": "holidays"});
    let set = Call {
        method: "PUT".into(),
        path: "freeze".into(),
        actor: "ana".into(),
        body: windows.to_string(),
        ..Call::default()
    };
    grant(&mut world, set);
    grant(&mut world, put_plans(&[plan(json!({"channels": channels, "notice": [notice]}))]));
    grant(&mut world, command("ana", "shop", "go", Some("*"), json!({"command": "start"})));
    world.pass(10 * 60_000);
    world.crash();
    let announced = |world: &World| {
        world.receivers.of_channel("chat").any(|got| got.notification.text.as_deref() == Some("Announced"))
    };
    let due: tidegate::model::Instant = "2026-11-26T09:00:00Z".parse().unwrap();
    let left = due.as_epoch_ms() - world.now_ms;
    world.pass(left - 60_000);
    assert!(!announced(&world), "Tuesday and Wednesday are days off");
    world.pass(2 * 60_000);
    assert!(announced(&world), "on Thursday at 9");
}
