//! Messages out, in virtual time: none is lost and few are sent twice whatever dies, in order, folded where there are
//! too many, and nothing else waits for them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tidegate::controller::Input;
use tidegate::model::minute::MINUTE_MS;
use tidegate::model::notification::NotificationKind;
use tidegate::protocol::flush::Flush;

use crate::people::{command, get, grant, history, plan, put_plans, rollout};
use crate::receivers::{Answer, Got};
use crate::seeds;
use crate::sqlite::Fault;
use crate::world::World;

/// So many deployments see so many faults each.
const LIVES: u64 = 5;
const FAULTS: u32 = 50;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The plan of a rollout with two channels that get everything.
fn listed(key: &str) -> Value {
    let mut plan = plan(key);
    plan["channels"] = json!({"chat": {"slack": "secret:CHAT_URL"}, "hook": {"webhook": "secret:HOOK_URL"}});
    plan
}

/// Rollouts that have been started, and whose messages of that have gone out.
fn deployed(seed: u64, plans: &[Value]) -> World {
    let mut world = World::new(seed);
    grant(&mut world, put_plans(plans));
    for plan in plans {
        let key = plan["key"].as_str().unwrap();
        grant(&mut world, command("ana", key, "begin", Some("*"), json!({"command": "start"})));
    }
    world.pass(2 * HOUR_MS);
    world.receivers.got.clear();
    world.receivers.tries.clear();
    world
}

fn set(world: &mut World, key: &str, percentage: u64) {
    let fields = json!({"command": "set", "percentage": percentage});
    grant(world, command("ana", key, &format!("to {percentage}"), Some("*"), fields));
}

/// The revisions that a message tells of, by its entry and those of the messages that are folded into it; none where it
/// is about no change.
fn revisions(got: &Got) -> Vec<(String, u64)> {
    let Some(entry) = got.notification.entry.as_ref() else { return Vec::new() };
    let folded = entry["folded"].as_array().cloned().unwrap_or_default();
    let of = |entry: &Value| {
        let key = entry["rollout"].as_str().unwrap_or_default().to_owned();
        (key, entry["revision"].as_u64().unwrap())
    };
    folded.iter().chain([entry]).map(of).collect()
}

fn outbox(world: &mut World, query: &str) -> Value {
    grant(world, get("outbox", query))
}

fn counter(world: &mut World, name: &str) -> f64 {
    let text = world.call(get("/_tidegate/metrics", "")).expect("nothing dies").body;
    text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).map_or(0.0, |value| value.parse().unwrap())
}

#[test]
fn hundreds_of_crashes_lose_no_message_and_repeat_at_most_the_one_that_was_under_way() {
    for seed in seeds(LIVES) {
        let mut world = deployed(seed, &[listed("shop")]);
        let before = history(&world, "shop").len();
        let happened = |world: &World| world.crashes + world.database.faults;
        for _ in 0..FAULTS {
            let so_far = happened(&world);
            match world.dice.u32(0..4) {
                0 | 1 => world.effects_left = Some(world.dice.u32(0..8)),
                2 => world.database.fault = Some(Fault::Refuse(world.dice.u32(1..6))),
                _ => world.database.fault = Some(Fault::Swallow(world.dice.u32(1..6))),
            }
            while happened(&world) == so_far {
                if world.dice.u32(0..3) == 0 {
                    let (percentage, reason) = (world.dice.u32(0..=100), world.dice.u64(..).to_string());
                    let fields = json!({"command": "set", "percentage": percentage});
                    let _ = world.begin(command("ana", "shop", &reason, Some("*"), fields));
                } else if !world.step() {
                    world.pass(1_000);
                }
                let ms = world.dice.i64(0..20_000);
                world.pass(ms);
            }
        }
        (world.effects_left, world.database.fault) = (None, None);
        // The platform rings an alarm again that has died.
        world.input(None, Input::Alarm);
        world.pass(2 * HOUR_MS);
        let listed: BTreeSet<u64> = history(&world, "shop").iter().skip(before).map(|entry| entry.revision).collect();
        let faults = happened(&world) as usize;
        assert!(listed.len() > 10, "something was reported: {}", listed.len());
        for channel in ["chat", "hook"] {
            let got: Vec<&Got> = world.receivers.of_channel(channel).collect();
            let arrived: BTreeSet<u64> =
                got.iter().flat_map(|own| revisions(own)).map(|(_, revision)| revision).collect();
            let lost: Vec<&u64> = listed.difference(&arrived).collect();
            assert!(lost.is_empty() && arrived.is_subset(&listed), "{channel}, seed {seed}: {lost:?} are lost");
            let ids: BTreeSet<&str> = got.iter().map(|own| own.id.as_str()).collect();
            let repeated = got.len() - ids.len();
            assert!(repeated <= faults, "{channel}, seed {seed}: {repeated} repeated, {faults} faults");
            let mut known = BTreeSet::new();
            let firsts: Vec<u64> = got
                .iter()
                .filter(|own| known.insert(own.id.clone()))
                .flat_map(|own| revisions(own))
                .map(|(_, revision)| revision)
                .collect();
            assert!(firsts.is_sorted(), "{channel}, seed {seed}: in order: {firsts:?}");
        }
        assert_eq!(outbox(&mut world, "")["messages"], json!([]), "nothing waits");
    }
}

#[test]
fn a_channel_that_fails_holds_up_itself_alone_and_keeps_its_order() {
    let mut world = deployed(1, &[listed("shop")]);
    world.receivers.answers.insert("chat", Answer::Fails);
    for percentage in 1..=4 {
        set(&mut world, "shop", percentage);
        let (asked_ms, before) = (world.now_ms, world.receivers.got.len());
        world.pass(20_000);
        let got = &world.receivers.got[before..];
        let listed: Vec<&Got> = got.iter().filter(|own| !revisions(own).is_empty()).collect();
        assert_eq!(listed.len(), 1, "the other channel gets it");
        assert!(listed[0].channel == "hook" && listed[0].at_ms - asked_ms <= 1_000);
    }
    let shown = outbox(&mut world, "");
    let errors: Vec<&Value> = shown["messages"].as_array().unwrap().iter().map(|own| &own["error"]).collect();
    assert_eq!(errors, [&Value::Null, &Value::Null, &Value::Null, &json!("500")], "one of a line is tried at a time");
    world.pass(HOUR_MS);
    let fault = rollout(&mut world, "shop")["faults"][0].clone();
    assert_eq!(
        (fault["subject"].as_str(), fault["message"].as_str()),
        (Some("channel/chat"), Some("4 messages wait for chat: 500"))
    );
    world.receivers.answers.insert("chat", Answer::Takes(100));
    world.pass(2 * HOUR_MS);
    let revisions: Vec<u64> =
        world.receivers.of_channel("chat").flat_map(revisions).map(|(_, revision)| revision).collect();
    assert!(revisions.len() == 4 && revisions.is_sorted(), "{revisions:?}");
    assert_eq!(rollout(&mut world, "shop")["faults"], json!([]));
}

#[test]
fn pauses_grow_and_after_a_day_a_message_is_given_up_and_shown_and_can_be_sent_again() {
    let mut world = deployed(1, &[listed("shop")]);
    world.receivers.answers.insert("chat", Answer::Fails);
    set(&mut world, "shop", 5);
    world.pass(DAY_MS + MINUTE_MS);
    let id = world.receivers.tries.iter().find(|(_, own, _)| own == "chat").unwrap().2.clone();
    let tries: Vec<i64> = world.receivers.tries.iter().filter(|(.., own)| *own == id).map(|own| own.0).collect();
    let pauses: Vec<i64> = tries.windows(2).map(|pair| pair[1] - pair[0] - 100).collect();
    for (pause, wanted) in pauses.iter().zip([1_000, 5_000, 30_000, 120_000, 600_000, HOUR_MS, HOUR_MS]) {
        assert!((wanted * 8 / 10..=wanted * 12 / 10).contains(pause), "{pause} for {wanted}");
    }
    assert_eq!(tries.last().unwrap() - tries[0], DAY_MS, "the last try is at the end of the day");
    let shown = outbox(&mut world, "state=dead");
    let message = shown["messages"].as_array().unwrap().iter().find(|own| own["id"] == id.as_str()).unwrap();
    assert_eq!(
        (message["state"].as_str(), message["error"].as_str(), message["channel"].as_str()),
        (Some("dead"), Some("500; tried for a day"), Some("chat"))
    );
    let fault = rollout(&mut world, "shop")["faults"][0]["message"].as_str().unwrap().to_owned();
    assert_eq!(
        fault,
        "messages to chat are given up: 500; tried for a day. Once that is mended: tidegate outbox --retry all"
    );
    let listed = world.receivers.of_channel("hook").filter(|own| own.notification.kind == NotificationKind::Fault);
    assert!(listed.count() >= 1, "the other channel is reported it: {:?}", world.receivers.headlines("hook"));
    assert!(counter(&mut world, "tidegate_messages_dead_total{channel=\"chat\"}") >= 1.0);
    // The line is free: what comes next goes, and shows that the channel is well again.
    world.receivers.answers.insert("chat", Answer::Takes(100));
    let retried = grant(&mut world, post("outbox/*/retry"));
    assert!(retried["retried"].as_array().unwrap().contains(&json!(id)));
    world.pass(10_000);
    assert_eq!(world.receivers.of_channel("chat").filter(|own| own.id == id).count(), 1, "under the same id");
    assert_eq!(rollout(&mut world, "shop")["faults"], json!([]));
    assert_eq!(outbox(&mut world, "")["messages"], json!([]));
}

fn post(path: &str) -> tidegate::protocol::api::Call {
    tidegate::protocol::api::Call {
        method: "POST".into(),
        path: path.into(),
        actor: "ana".into(),
        body: "{}".into(),
        ..Default::default()
    }
}

#[test]
fn a_receiver_gets_the_time_that_it_asks_for() {
    let mut world = deployed(1, &[listed("shop")]);
    world.receivers.answers.insert("chat", Answer::Busy(90_000));
    set(&mut world, "shop", 5);
    world.pass(100_000);
    let tries: Vec<i64> =
        world.receivers.tries.iter().filter(|(_, own, _)| own == "chat").map(|(at_ms, ..)| *at_ms).collect();
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[1] - tries[0], 90_100);
}

#[test]
fn what_a_receiver_will_never_take_is_given_up_at_once_and_the_next_message_goes() {
    let mut world = deployed(1, &[listed("shop")]);
    world.receivers.answers.insert("chat", Answer::Gone);
    set(&mut world, "shop", 5);
    world.pass(1_000);
    let shown = outbox(&mut world, "");
    assert_eq!(shown["messages"][0]["tries"], 1);
    assert_eq!(shown["messages"][0]["state"], "dead");
    let chat = shown["channels"].as_array().unwrap().iter().find(|own| own["channel"] == "chat").unwrap();
    assert_eq!((&chat["is_dead"], &chat["waiting"]), (&json!(true), &json!(0)));
    world.receivers.answers.insert("chat", Answer::Takes(100));
    set(&mut world, "shop", 6);
    world.pass(1_000);
    assert_eq!(world.receivers.headlines("chat").len(), 1, "the line is free");
    assert_eq!(rollout(&mut world, "shop")["faults"], json!([]));
}

#[test]
fn a_plan_that_is_mended_takes_what_waits_along_and_so_does_a_secret_that_is_set() {
    let mut world = deployed(1, &[listed("shop")]);
    world.receivers.answers.insert("chat", Answer::Unset);
    set(&mut world, "shop", 5);
    world.pass(2 * MINUTE_MS);
    let fault = rollout(&mut world, "shop")["faults"][0]["message"].as_str().unwrap().to_owned();
    assert_eq!(fault, "1 message waits for chat: the secret CHAT_URL is not set");
    // Whoever sets a secret deploys anew, and the object starts anew.
    world.receivers.answers.insert("chat", Answer::Takes(100));
    world.crash();
    grant(&mut world, get("rollouts", ""));
    world.pass(1_000);
    assert_eq!(world.receivers.headlines("chat").len(), 1, "it goes at once, not after the pause");
    world.receivers.answers.insert("chat", Answer::Fails);
    set(&mut world, "shop", 6);
    world.pass(MINUTE_MS);
    let mut mended = listed("shop");
    mended["channels"]["chat"] = json!({"slack": "secret:OTHER_URL"});
    world.receivers.answers.insert("chat", Answer::Takes(100));
    world.receivers.got.clear();
    grant(&mut world, put_plans(&[mended]));
    world.pass(5 * MINUTE_MS);
    assert!(world.receivers.of_channel("chat").count() >= 1, "what waited goes where the plan says now");
    assert_eq!(outbox(&mut world, "")["messages"], json!([]));
}

#[test]
fn what_lacks_its_secret_is_a_fault_before_anything_is_sent_and_is_told_to_the_others() {
    let faults = |world: &mut World| -> Vec<(String, String)> {
        let text = |fault: &Value, key: &str| fault[key].as_str().unwrap_or_default().to_owned();
        let faults = rollout(world, "shop")["faults"].clone();
        faults.as_array().unwrap().iter().map(|own| (text(own, "subject"), text(own, "message"))).collect()
    };
    let mut world = World::new(1);
    world.unset = vec!["CHAT_URL", "ALERTS_TOKEN"];
    let mut plan = listed("shop");
    plan["receivers"] = json!({"alerts": {"kind": "json", "token": "secret:ALERTS_TOKEN",
        "signals": [{"count": "p1", "at": "/count"}]}});
    plan["signals"] = json!({"p1": {"kind": "count"}});
    grant(&mut world, put_plans(&[plan.clone()]));
    let unset = |subject: &str, name: &str| {
        (subject.to_owned(), format!("the secret {name} is not set: npx wrangler secret put {name}"))
    };
    let expected = [unset("channel/chat", "CHAT_URL"), unset("receiver/alerts", "ALERTS_TOKEN")];
    assert_eq!(faults(&mut world), expected, "a draft has sent nothing yet");
    grant(&mut world, command("ana", "shop", "begin", Some("*"), json!({"command": "start"})));
    world.pass(HOUR_MS);
    let told = world.receivers.headlines("hook");
    assert!(told.iter().any(|own| own.starts_with("shop: messages do not reach the channel chat. ")), "{told:?}");
    let got_by_chat = world.receivers.headlines("chat");
    assert!(!got_by_chat.iter().any(|own| own.contains("do not reach the channel chat")), "{got_by_chat:?}");
    world.crash();
    assert_eq!(faults(&mut world), expected, "it is known again at once");
    // Whoever sets a secret deploys anew, and the object starts anew.
    world.unset.clear();
    world.crash();
    assert_eq!(faults(&mut world), []);
    // Another plan names another one.
    world.unset = vec!["OTHER_URL"];
    plan["channels"]["chat"] = json!({"slack": "secret:OTHER_URL"});
    grant(&mut world, put_plans(&[plan]));
    assert_eq!(faults(&mut world), [unset("channel/chat", "OTHER_URL")]);
}

#[test]
fn nothing_waits_for_a_channel_that_hangs() {
    let lived = |channels: bool| {
        let mut one = listed("shop");
        if !channels {
            one.as_object_mut().unwrap().remove("channels");
        }
        let mut world = deployed(7, &[one]);
        for name in ["chat", "hook"] {
            world.receivers.answers.insert(name, Answer::Hangs);
        }
        let mut moments = Vec::new();
        for percentage in [20, 40, 60] {
            set(&mut world, "shop", percentage);
            moments.push(world.now_ms);
            world.pass(7_000);
        }
        let published: Vec<i64> = world.kv.versions("stage/shop").iter().map(|(at_ms, _)| *at_ms).collect();
        let entries: Vec<i64> = history(&world, "shop").iter().map(|entry| entry.at.as_epoch_ms()).collect();
        (moments, published, entries)
    };
    assert_eq!(lived(true), lived(false), "commands, entries and KV are at the same milliseconds");
}

#[test]
fn a_hanging_channel_does_not_slow_a_healthy_one_down() {
    let mut one = listed("shop");
    for index in 0..8 {
        one["channels"][format!("slow-{index}")] = json!({"webhook": format!("secret:SLOW_{index}")});
    }
    let mut world = deployed(1, &[one]);
    for name in ["slow-0", "slow-1", "slow-2", "slow-3", "slow-4", "slow-5", "slow-6", "slow-7"] {
        world.receivers.answers.insert(name, Answer::Hangs);
    }
    // After the first failures of all of them the healthy ones never wait for those again.
    set(&mut world, "shop", 5);
    world.pass(5 * MINUTE_MS);
    for percentage in 6..=12 {
        let asked_ms = world.now_ms;
        set(&mut world, "shop", percentage);
        world.pass(30_000);
        let last = world.receivers.of_channel("hook").last().unwrap();
        assert!((asked_ms..asked_ms + 2_000).contains(&last.at_ms), "{} ms", last.at_ms - asked_ms);
    }
}

#[test]
fn many_messages_of_a_rollout_become_few_and_none_is_left_out() {
    let mut world = deployed(1, &[listed("shop")]);
    for percentage in 1..=20 {
        set(&mut world, "shop", percentage);
        world.pass(2_000);
    }
    world.pass(10 * MINUTE_MS);
    let got: Vec<&Got> = world.receivers.of_channel("chat").collect();
    assert_eq!(got.len(), 6, "five, and one of the other fifteen: {:?}", world.receivers.headlines("chat"));
    let listed: BTreeSet<u64> = got.iter().flat_map(|own| revisions(own)).map(|(_, revision)| revision).collect();
    assert_eq!(listed.len(), 20);
    let folded = &got[5].notification;
    assert_eq!(folded.figures.len(), 15, "each has its line: {:?}", folded.figures);
}

#[test]
fn an_hour_of_back_and_forth_is_reported_ever_more_rarely() {
    let mut world = deployed(1, &[listed("shop")]);
    for step in 0..360 {
        set(&mut world, "shop", step % 50 + 1);
        world.pass(10_000);
    }
    world.pass(30 * MINUTE_MS);
    let got: Vec<&Got> = world.receivers.of_channel("chat").collect();
    let times: Vec<i64> = got.iter().map(|own| (own.at_ms - world.now_ms) / 1_000 + 5_400).collect();
    assert!(got.len() <= 30, "{} messages for 360 changes: {times:?}", got.len());
    let revisions: Vec<u64> = got.iter().flat_map(|own| revisions(own)).map(|(_, revision)| revision).collect();
    assert_eq!(revisions.last(), history(&world, "shop").last().map(|entry| &entry.revision), "the last is reported");
}

#[test]
fn what_revokes_a_kill_waits_for_no_storm_and_a_message_of_many_says_how_it_is_now() {
    let mut world = deployed(1, &[listed("shop")]);
    for percentage in 1..=20 {
        set(&mut world, "shop", percentage);
        world.pass(2_000);
    }
    world.pass(5 * MINUTE_MS);
    for name in ["kill", "revive"] {
        grant(&mut world, command("ana", "shop", "it was the cache", Some("*"), json!({ "command": name })));
        world.pass(3_000);
    }
    let headlines = world.receivers.headlines("chat");
    assert!(headlines.iter().any(|own| own.contains("shop was revived by ana")), "{headlines:?}");
    let folded = headlines.iter().find(|own| own.contains("15 messages since")).unwrap();
    assert!(folded.ends_with("No action needed."), "{folded}");
}

#[test]
fn forty_rollouts_at_once_are_one_message_of_a_channel() {
    let plans: Vec<Value> = (0..40).map(|index| listed(&format!("page-{index:02}"))).collect();
    let mut world = deployed(1, &plans);
    let call = command("ana", "*", "the cluster is down", None, json!({"command": "kill"}));
    let asked_ms = world.now_ms;
    assert_eq!(world.call(call).unwrap().status, 200);
    world.pass(5_000);
    let got: Vec<&Got> = world.receivers.of_channel("chat").collect();
    assert_eq!(got.len(), 1, "{:?}", world.receivers.headlines("chat"));
    assert!(got[0].at_ms - asked_ms <= 1_000, "it goes at once");
    let rollouts: BTreeMap<String, u64> = revisions(got[0]).into_iter().collect();
    assert_eq!(rollouts.len(), 40, "each of them is in it");
    assert!(got[0].notification.headline.starts_with("40 rollouts within a second: 40 "));
    world.pass(10_000);
    let programs: BTreeMap<String, u64> = world.receivers.of_channel("hook").flat_map(revisions).collect();
    assert_eq!((world.receivers.of_channel("hook").count(), programs.len()), (40, 40), "a program gets each");
}

#[test]
fn a_sample_goes_to_each_channel_once_and_says_what_came_back() {
    let mut world = deployed(1, &[listed("shop"), listed("cart")]);
    world.receivers.answers.insert("hook", Answer::Gone);
    let tests = grant(&mut world, post("channels/*/test"))["tests"].clone();
    assert_eq!(
        tests,
        json!([
            {"channel": "chat", "kind": "slack", "rollouts": ["cart", "shop"], "outcome": "sent", "status": 200, "body": "ok", "took_ms": 50},
            {"channel": "hook", "kind": "webhook", "rollouts": ["cart", "shop"], "outcome": "refused", "error": "410 Gone", "body": "ok", "took_ms": 50},
        ])
    );
    assert_eq!(outbox(&mut world, "")["messages"], json!([]), "a sample does not stay");
    let reply = world.call(post("channels/chta/test")).unwrap();
    assert_eq!(reply.status, 404);
    assert!(reply.body.contains("did you mean `chat`?"), "{}", reply.body);
}

#[test]
fn what_has_ended_goes_after_its_time_and_what_waits_stays() {
    let mut world = deployed(1, &[listed("shop")]);
    world.receivers.answers.insert("chat", Answer::Fails);
    set(&mut world, "shop", 5);
    world.pass(MINUTE_MS);
    let ids = |world: &World, state: &str| world.database.texts("SELECT id FROM outbox WHERE state = ?", &[state]);
    let (sent, waiting) = (ids(&world, "sent"), ids(&world, "waiting"));
    assert!(!sent.is_empty() && !waiting.is_empty());
    world.pass(2 * HOUR_MS);
    assert!(sent.iter().all(|id| ids(&world, "sent").contains(id)), "a week is not over");
    world.database.run(&format!("UPDATE outbox SET ended_at = ended_at - {} WHERE state = 'sent'", 7 * DAY_MS));
    world.pass(2 * HOUR_MS);
    assert!(sent.iter().all(|id| !ids(&world, "sent").contains(id)));
    assert!(waiting.iter().all(|id| ids(&world, "waiting").contains(id)));
}

/// A rollout whose guardrail pages somebody when `p1` is reported, and acts like this.
fn paged(key: &str, then: &str) -> Value {
    let mut plan = plan(key);
    plan["signals"] = json!({"p1": {"kind": "count"}});
    plan["channels"] = json!({"page": {"pagerduty": "secret:PAGE_KEY"}});
    plan["guardrail"] = json!([
        {"when": "signal.p1 > 0 over 1m", "then": then, "severity": "critical", "notify": ["page"]},
    ]);
    plan
}

fn report(world: &mut World, key: &str) {
    let call = tidegate::protocol::api::Call {
        method: "POST".into(),
        path: format!("rollouts/{key}/signals"),
        actor: "ana".into(),
        body: json!({"name": "p1", "count": 1}).to_string(),
        ..Default::default()
    };
    assert_eq!(world.call(call).unwrap().status, 202);
}

/// What a pager got: whether it opens or resolves an incident, and which.
fn pages(world: &World) -> Vec<(bool, String)> {
    let of = |own: &Got| {
        let incident = own.notification.incident.clone().unwrap_or_default();
        (own.notification.kind != NotificationKind::Resolved, incident)
    };
    world.receivers.of_channel("page").map(of).collect()
}

#[test]
fn forty_incidents_at_once_are_one_page_which_is_resolved_with_the_last_of_them() {
    let keys: Vec<String> = (0..40).map(|index| format!("page-{index:02}")).collect();
    let plans: Vec<Value> = keys.iter().map(|key| paged(key, "rollback")).collect();
    let mut world = deployed(1, &plans);
    for key in &keys {
        report(&mut world, key);
    }
    world.pass(2 * MINUTE_MS);
    let opened = pages(&world);
    assert!(!opened.is_empty() && opened.len() <= 3, "{opened:?}");
    assert!(opened.iter().all(|(opens, incident)| *opens && *incident == opened[0].1), "{opened:?}");
    let resume = |world: &mut World, key: &str| {
        grant(world, command("ana", key, "it was the cluster", Some("*"), json!({"command": "resume"})));
    };
    for key in &keys[1..] {
        resume(&mut world, key);
    }
    world.pass(5 * MINUTE_MS);
    assert!(pages(&world).iter().all(|(opens, _)| *opens), "one of them is not over: {:?}", pages(&world));
    resume(&mut world, &keys[0]);
    world.pass(10 * MINUTE_MS);
    let resolved: Vec<(bool, String)> = pages(&world).into_iter().filter(|(opens, _)| !opens).collect();
    assert_eq!(resolved, [(false, opened[0].1.clone())], "{:?}", pages(&world));
    assert_eq!(outbox(&mut world, "")["messages"], json!([]));
}

#[test]
fn what_comes_and_goes_while_a_pager_is_down_is_opened_and_resolved_once() {
    let mut world = deployed(1, &[paged("shop", "alert")]);
    world.receivers.answers.insert("page", Answer::Fails);
    for _ in 0..8 {
        report(&mut world, "shop");
        world.pass(3 * MINUTE_MS);
    }
    world.receivers.answers.insert("page", Answer::Takes(100));
    grant(&mut world, post("outbox/*/retry"));
    world.pass(2 * HOUR_MS);
    let pages = pages(&world);
    let (opened, resolved): (Vec<_>, Vec<_>) = pages.iter().partition(|(opens, _)| *opens);
    assert!(!opened.is_empty() && pages.len() <= 6, "{pages:?}");
    assert!(pages.last().is_some_and(|(opens, _)| !opens), "it is over: {pages:?}");
    for (_, incident) in &opened {
        let ends = resolved.iter().any(|(_, own)| own == incident);
        assert!(ends, "what was opened is resolved: {pages:?}");
    }
}

#[test]
fn isolates_learn_what_pages_show_once_whatever_dies_and_that_it_is_over() {
    let mut own = plan("shop");
    own["notice"] = json!([{"at": "rollback", "audience": "users", "text": "We have gone back", "in_app": {"to": "all", "for": "1h"}}]);
    let mut world = deployed(1, &[own]);
    let ask = |world: &mut World, known: Option<u64>| {
        let flush = Flush { isolate: "one".into(), messages: known, ..Flush::default() };
        world.flush(flush).expect("nothing dies").messages
    };
    assert_eq!(ask(&mut world, Some(0)), None, "there is nothing to show");
    grant(&mut world, command("ana", "shop", "the cart is empty", Some("*"), json!({"command": "rollback"})));
    world.pass(10_000);
    let listed = ask(&mut world, Some(0)).expect("it is news");
    let [message] = listed.list.as_slice() else { panic!("{listed:?}") };
    assert_eq!((message.kind.as_str(), message.text.as_str()), ("incident", "We have gone back"));
    assert_eq!(ask(&mut world, Some(listed.digest)), None, "it is known");
    assert_eq!(ask(&mut world, None), None, "an isolate of the release before shows none");
    world.crash();
    world.input(None, Input::Alarm);
    world.pass(10_000);
    assert_eq!(ask(&mut world, Some(listed.digest)), None, "it is the same one");
    world.pass(HOUR_MS);
    assert_eq!(ask(&mut world, Some(listed.digest)).map(|own| own.list), Some(Vec::new()));
}

#[test]
fn a_resume_says_which_guardrail_would_end_the_next_attempt_too() {
    let mut plan = paged("shop", "rollback");
    plan["signals"] = json!({"cpu": {"kind": "gauge", "fresh": "30m"}});
    plan["guardrail"][0]["when"] = "signal.cpu > 90%".into();
    let mut world = deployed(1, &[plan]);
    let report = |world: &mut World, share: f64| {
        let call = tidegate::protocol::api::Call {
            method: "POST".into(),
            path: "rollouts/shop/signals".into(),
            actor: "ana".into(),
            body: json!({"name": "cpu", "value": share}).to_string(),
            ..Default::default()
        };
        assert_eq!(world.call(call).unwrap().status, 202);
        world.pass(2 * MINUTE_MS);
    };
    let warnings = |world: &mut World| -> String {
        let resume = json!({"command": "resume", "dry_run": true});
        let answer = grant(world, command("ana", "shop", "again", None, resume));
        answer["explanation"]["warnings"].to_string()
    };
    report(&mut world, 0.95);
    assert_eq!(rollout(&mut world, "shop")["state"]["phase"], "rolled_back");
    let still = "`signal.cpu > 90%` is still true, and rolls back again.";
    assert!(warnings(&mut world).contains(still), "{}", warnings(&mut world));
    report(&mut world, 0.5);
    assert!(!warnings(&mut world).contains("still true"), "{}", warnings(&mut world));
    report(&mut world, 0.95);
    assert!(warnings(&mut world).contains(still));
    world.pass(HOUR_MS);
    assert!(!warnings(&mut world).contains("still true"), "nobody knows whether it is");
}
