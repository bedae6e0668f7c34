//! What becomes of a request from its arrival to its end, as the edge's driver is reported step by step.

use tidegate::isolate::{Arrival, Isolate, Platform, Setup};
use tidegate::protocol::message::{AnswerText, RequestText};
use tidegate::protocol::step::{NoAnswer, Step};

use crate::world::{START_MS, World};

/// A platform with these variables.
#[derive(Default)]
struct Platformed {
    variables: Vec<(&'static str, &'static str)>,
    country: Option<&'static str>,
}

impl Platform for Platformed {
    fn country(&self) -> Option<String> {
        self.country.map(str::to_owned)
    }
    fn text(&self, name: &str) -> Option<String> {
        self.variables.iter().find(|(own, _)| *own == name).map(|(_, text)| (*text).to_owned())
    }
    fn id(&self) -> Option<String> {
        Some("a-minted-id-of-22-chars".to_owned())
    }
}

const KEY: (&str, &str) = ("SIGNING_KEY", "a key of thirty-two bytes, or so");

/// A warm isolate with these variables that serves the rollout `a`.
fn warm(variables: &[(&'static str, &'static str)]) -> (World, Platformed) {
    let mut world = World::new(&["a"]);
    let platform = Platformed { variables: variables.to_vec(), country: None };
    let (setup, log) = Setup::read(|name| platform.text(name), Some("one".into()), Some(1), true);
    assert!(log.is_empty(), "{log:?}");
    world.isolate.set_up(setup);
    world.ask("a");
    (world, platform)
}

fn request(url: &str, headers: &[&str]) -> RequestText {
    RequestText::new([&["GET", url], headers].concat().join("\n"))
}

fn arrive(isolate: &mut Isolate, platform: &Platformed, url: &str, headers: &[&str]) -> String {
    isolate.arrive(request(url, headers), platform, false, START_MS as f64).to_text()
}

/// The step's lines without its number.
fn reported(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.parse::<u32>().is_err()).collect()
}

fn answer(status: u16, content_type: &str) -> AnswerText {
    AnswerText::new(format!("{status}\n\ncontent-type:{content_type}"))
}

#[test]
fn what_is_tidegates_own_goes_to_no_upstream() {
    let (mut world, platform) = warm(&[("CONSOLE_HOST", "ops.example"), ("BEACON_PATH", "/assets/m")]);
    for (url, expected) in [
        ("https://shop.example/_tidegate/health", "own"),
        ("https://shop.example/_tidegate", "own"),
        ("https://ops.example/a/page", "own"),
        ("https://shop.example/assets/m?x=1", "own\nhttps://shop.example/_tidegate/beacon?x=1"),
        ("https://ops.example:8443/assets/m.js", "own\nhttps://ops.example:8443/_tidegate/beacon.js"),
    ] {
        assert_eq!(arrive(&mut world.isolate, &platform, url, &[]), expected, "{url}");
    }
    let site = arrive(&mut world.isolate, &platform, "https://shop.example/a/_tidegate", &[]);
    assert!(site.starts_with("ask\n"), "{site}");
}

#[test]
fn an_address_that_nobody_can_read_is_refused() {
    let (mut world, platform) = warm(&[]);
    let text = arrive(&mut world.isolate, &platform, "nonsense", &[]);
    assert_eq!(reported(&text), ["sentence", "unreadable", "The request's address could not be read."]);
}

#[test]
fn a_cold_isolate_makes_its_first_request_wait_once() {
    let mut world = World::new(&["a"]);
    let url = "https://shop.example/a/page";
    let platform = Platformed::default();
    assert_eq!(arrive(&mut world.isolate, &platform, url, &[]), "wait");
    let text = world.isolate.arrive(request(url, &[]), &platform, true, START_MS as f64).to_text();
    assert_eq!(reported(&text)[..2], ["sentence", "no_config"], "it goes on with what is known: nothing");
    let log = world.isolate.take_log();
    assert_eq!(log[0].message, "no configuration could be read, and FALLBACK_UPSTREAM names no upstream");
}

#[test]
fn the_fallback_answers_for_whom_no_rollout_takes() {
    let (mut world, platform) = warm(&[("FALLBACK_UPSTREAM", "https://old.example/base")]);
    let text = arrive(&mut world.isolate, &platform, "https://shop.example/elsewhere?q", &[]);
    assert!(text.contains("\nhttps://old.example/base/elsewhere?q\n"), "{text}");
    assert!(world.isolate.take_log().is_empty(), "there is a configuration");
    let (mut world, platform) = warm(&[]);
    let text = arrive(&mut world.isolate, &platform, "https://shop.example/elsewhere", &[]);
    assert_eq!(reported(&text), ["sentence", "unrouted", "No rollout takes this address."]);
}

#[test]
fn a_preview_is_obeyed_where_it_is_signed_and_asks_the_environment_nothing() {
    let (mut world, platform) = warm(&[KEY]);
    world.put("stage/a", "0");
    world.pass(6_000);
    world.ask("a");
    let key = tidegate::protocol::preview::PreviewKey::derive(KEY.1).unwrap();
    let variant = tidegate::model::variant::Variant::New;
    let token = key.sign("a", variant, "shop.example", START_MS as u64 / 1_000 + 60);
    let cookie = format!("cookie:__Host-tidegate-preview-a={token}");
    let text = arrive(&mut world.isolate, &platform, "https://shop.example/a/page", &[&cookie]);
    assert!(text.contains("\nhttps://n.example/a/page\n"), "{text}");
    let text = arrive(&mut world.isolate, &platform, "https://shop.example/a/page", &[&cookie.replace('~', "-")]);
    assert!(text.contains("\nhttps://l.example/a/page\n"), "{text}");
}

#[test]
fn a_preflight_is_nobodys_and_gets_no_id() {
    let (mut world, platform) = warm(&[]);
    let headers = ["origin:https://other.example", "access-control-request-method:PUT"];
    let text = [&["OPTIONS", "https://shop.example/a/page"], &headers[..]].concat().join("\n");
    let Arrival::Begins(number, Step::Ask { .. }) =
        world.isolate.arrive(RequestText::new(text), &platform, false, START_MS as f64)
    else {
        panic!("it is asked")
    };
    let step = {
        let permission = "204\n\naccess-control-allow-origin:*\naccess-control-allow-methods:PUT";
        world.isolate.go_on(number, Ok(AnswerText::new(permission.to_owned())), START_MS as f64)
    };
    let Step::Answer { edits: Some(edits), .. } = step else { panic!("{step:?}") };
    assert!(!edits.as_str().contains("set-cookie"), "{}", edits.as_str());
}

#[test]
fn a_client_without_cookies_gets_one_side_for_a_page_and_its_data() {
    let (mut world, platform) = warm(&[]);
    let text = String::from_utf8(world.kv["plans"].clone()).unwrap();
    let identity = r#""identity":{"from":["cookie:uid"],"anonymous":true},"upstreams""#;
    world.put("plans", &text.replacen(r#""upstreams""#, identity, 1).replace("\"revision\":1", "\"revision\":2"));
    world.put("stage/a", "50");
    world.pass(6_000);
    world.ask("a");
    let client = ["user-agent:feeder/1", "cf-connecting-ip:192.0.2.1"];
    let page = [&client[..], &["sec-fetch-dest:document", "sec-fetch-mode:navigate", "accept:text/html"]].concat();
    let side = |text: &str| text.contains("https://n.example/");
    let now = arrive(&mut world.isolate, &platform, "https://shop.example/a/page", &page);
    let data = arrive(&mut world.isolate, &platform, "https://shop.example/a/data", &client);
    assert_eq!(side(&now), side(&data), "{now}\n{data}");
}

#[test]
fn an_answer_is_the_next_step_of_its_own_request_and_counts() {
    let (mut world, platform) = warm(&[]);
    let begin = |world: &mut World| {
        let url = "https://shop.example/a/page";
        match world.isolate.arrive(request(url, &["x-user-id:ana"]), &platform, false, START_MS as f64) {
            Arrival::Begins(number, Step::Ask { .. }) => number,
            other => panic!("{other:?}"),
        }
    };
    let (one, two) = (begin(&mut world), begin(&mut world));
    assert_ne!(one, two);
    let now_ms = START_MS as f64 + 5.0;
    let rescue = world.isolate.go_on(two, Err(NoAnswer::new("timeout", "no headers".into())), now_ms);
    assert!(matches!(&rescue, Step::Ask { url, .. } if url == "https://l.example/a/page"), "{rescue:?}");
    let step = world.isolate.go_on(one, Ok(answer(200, "text/plain")), now_ms).to_text(one);
    assert!(step.starts_with(&format!("answer\n{one}\n0\nlast\n")), "{step}");
    let step = world.isolate.go_on(two, Ok(answer(200, "text/plain")), now_ms).to_text(two);
    assert!(step.contains("=tidegate-reason:rescued"), "{step}");
    assert_eq!(world.isolate.take_log()[0].event, "rescued");
    assert!(world.isolate.are_counts_due(now_ms + 10_000.0), "both are counted");
    let late = world.isolate.go_on(one, Ok(answer(200, "text/plain")), now_ms).to_text(one);
    assert_eq!((late.as_str(), world.isolate.take_log()[0].event), ("untouched\nlast", "exchange_evicted"));
}

#[test]
fn requests_that_never_come_back_make_room_the_oldest_first() {
    let (mut world, platform) = warm(&[]);
    for _ in 0..4_097 {
        arrive(&mut world.isolate, &platform, "https://shop.example/a/page", &[]);
    }
    let now_ms = START_MS as f64;
    assert_eq!(world.isolate.go_on(1, Ok(answer(200, "a/b")), now_ms).to_text(1), "untouched\nlast");
    assert!(world.isolate.go_on(2, Ok(answer(200, "a/b")), now_ms).to_text(2).starts_with("answer\n"));
}

/// What was counted of one request to new that is watched, whose end is reported by `end`: errors and requests.
fn counted(end: impl FnOnce(&mut Isolate, u32)) -> (u64, u64, Vec<&'static str>) {
    let (mut world, platform) = warm(&[]);
    let headers = ["accept:text/html", "sec-fetch-dest:document", "sec-fetch-mode:navigate", "x-user-id:ana"];
    let now_ms = START_MS as f64;
    let arrival = world.isolate.arrive(request("https://shop.example/a/page", &headers), &platform, false, now_ms);
    let Arrival::Begins(number, _) = arrival else { panic!("{arrival:?}") };
    let step = world.isolate.go_on(number, Ok(answer(200, "text/html")), now_ms);
    assert!(step.is_followed(), "a page is watched: {step:?}");
    end(&mut world.isolate, number);
    let events = world.isolate.take_log().iter().map(|line| line.event).collect();
    world.pass(2_000);
    world.ask("a");
    world.pass(2_000);
    let counted = world.controller.stored.iter().flat_map(|batch| &batch.counted);
    let tallies: Vec<_> =
        counted.filter_map(|counted| counted.window.tally(tidegate::model::variant::Variant::New, None)).collect();
    let sum = |of: fn(&tidegate::model::measured::Tally) -> u64| tallies.iter().map(|tally| of(tally)).sum();
    (sum(|tally| tally.errors), sum(|tally| tally.requests), events)
}

#[test]
fn a_page_that_breaks_off_is_an_error_and_one_without_a_body_too() {
    let now_ms = START_MS as f64;
    assert_eq!(counted(|isolate, number| isolate.end(number, true, None, now_ms)), (0, 1, vec![]));
    assert_eq!(counted(|isolate, number| isolate.end(number, false, None, now_ms)), (1, 1, vec!["page_broken"]));
    let shown = |page: &'static str| counted(move |isolate, number| isolate.end(number, true, Some(page), now_ms));
    assert_eq!(shown("<html><body>Hello"), (0, 1, vec![]));
    assert_eq!(shown("<html><body></body></html>"), (1, 1, vec!["page_broken"]), "a blank one too");
    assert_eq!(counted(|isolate, number| isolate.end_without_body(number, 200, now_ms)), (1, 1, vec!["page_broken"]));
    assert_eq!(counted(|isolate, number| isolate.end_without_body(number, 304, now_ms)), (0, 1, vec![]));
}

#[test]
fn a_client_that_leaves_counts_as_gone_unless_it_was_still_sending() {
    let abandoned = |is_sent: bool| {
        let (mut world, platform) = warm(&[]);
        let now_ms = START_MS as f64;
        let url = "https://shop.example/a/page";
        let arrival = world.isolate.arrive(request(url, &["x-user-id:ana"]), &platform, false, now_ms);
        let Arrival::Begins(number, _) = arrival else { panic!("{arrival:?}") };
        world.isolate.abandon(number, is_sent, now_ms + 10.0);
        world.isolate.are_counts_due(now_ms + 10_000.0)
    };
    assert!(abandoned(true) && !abandoned(false));
}

#[test]
fn flags_that_have_no_room_in_the_header_are_reported_until_they_have() {
    let (mut world, platform) = warm(&[]);
    let flag = |n| {
        format!(
            r#",{{"key":"flag-{n}","identity":{{"from":["header:x-user-id"]}},"stage":[{{"name":"on","percentage":100}}]}}"#
        )
    };
    let flags: String = (0..400).map(flag).collect();
    let text = String::from_utf8(world.kv["plans"].clone()).unwrap();
    let text = text.strip_suffix("]}").unwrap().replace("\"revision\":1", "\"revision\":2");
    world.put("plans", &format!("{text}{flags}]}}"));
    let set = |world: &mut World, percentage: &str| {
        (0..400).for_each(|n| world.put(&format!("stage/flag-{n}"), percentage));
        world.pass(6_000);
        // First come the plans, then the states of what is new in them.
        (0..2).for_each(|_| drop(world.ask("a")));
    };
    let send = |world: &mut World| {
        let now_ms = world.now_ms as f64;
        let asked = request("https://shop.example/a/page", &["x-user-id:ana"]);
        let text = world.isolate.arrive(asked, &platform, false, now_ms).to_text();
        let header = text.lines().find_map(|line| line.strip_prefix("=tidegate-flags:")).unwrap_or_default().len();
        world.pass(2_000);
        world.ask("a");
        let faults = world.controller.flushes.last().map(|flush| flush.faults.clone()).unwrap_or_default();
        (header, faults.into_iter().filter(|(of, _)| of == "flags").map(|(_, fault)| fault).next())
    };
    set(&mut world, "100");
    let (header, fault) = send(&mut world);
    assert!((4_000..=4_096).contains(&header), "{header}");
    let fault = fault.unwrap();
    assert!(fault.contains("no room for 100 of the flags that are started, from `flag-300` on"), "{fault}");
    set(&mut world, "0");
    assert!(send(&mut world).1.is_some(), "it may come back with the next request");
    world.pass(601_000);
    world.ask("a");
    assert_eq!(send(&mut world), (0, None));
}
