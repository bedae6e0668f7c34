//! What pages report to an isolate, from the token of a page to the next batch.

use serde_json::Value;
use tidegate::decide::notify::in_app::InAppMessage;
use tidegate::isolate::{Arrival, Isolate, Platform, Reporting, Setup};
use tidegate::model::Instant;
use tidegate::model::live::{LiveState, LiveText, Phase};
use tidegate::model::variant::Variant;
use tidegate::protocol::answer::Answer;
use tidegate::protocol::flush::PageMessages;
use tidegate::protocol::message::{AnswerText, RequestText};
use tidegate::protocol::step::Step;

use crate::world::{START_MS, World, plans, update};

const NOW_MS: f64 = START_MS as f64;

struct Bare;

impl Platform for Bare {
    fn country(&self) -> Option<String> {
        None
    }
    fn text(&self, _: &str) -> Option<String> {
        None
    }
    fn id(&self) -> Option<String> {
        None
    }
}

fn warm(variables: &[(&str, &str)]) -> World {
    let mut world = World::new(&["a"]);
    let text = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, text)| (*text).to_owned());
    world.isolate.set_up(Setup::read(text, Some("one".into()), Some(1), true).0);
    let identity = r#""identity":{"from":["header:x-user-id"]},"groups":{"beta":{"match":"header:x-department = beta"}},"upstreams""#;
    world.put("plans", &plans(1, &["a"]).replace(r#""upstreams""#, identity));
    world.ask("a");
    world
}

const KEY: (&str, &str) = ("SIGNING_KEY", "a key of thirty-two bytes, or so");

/// The token that a page gets.
fn token(isolate: &mut Isolate) -> String {
    token_if_any(isolate).expect("a page has a token")
}

fn token_if_any(isolate: &mut Isolate) -> Option<String> {
    let page = "GET\nhttps://shop.example/a/page\naccept:text/html\nsec-fetch-dest:document\nsec-fetch-mode:navigate\nx-user-id:ana";
    let Arrival::Begins(number, Step::Ask { .. }) =
        isolate.arrive(RequestText::new(page.to_owned()), &Bare, false, NOW_MS)
    else {
        panic!("it is asked")
    };
    let answer = AnswerText::new("200\n\ncontent-type:text/html".to_owned());
    let step = isolate.go_on(number, Ok(answer), NOW_MS);
    let Step::Answer { edits: Some(edits), .. } = step else { panic!("{step:?}") };
    let (_, token) = edits.as_str().split_once("tidegate;desc=\"")?;
    Some(token.split('"').next().unwrap().to_owned())
}

const HERE: Reporting<'_> = Reporting {
    method: "POST",
    from: "192.0.2.1",
    origin: None,
    fetch_site: None,
    host: "shop.example",
    user_agent: None,
};

/// What a page reports, as it comes in; the problem's status where it is refused.
fn report(isolate: &mut Isolate, reporting: &Reporting<'_>, token: &str) -> Result<(), u16> {
    isolate.admit_report(reporting, NOW_MS).map_err(|problem| problem.status)?;
    let text = format!(r#"{{"token":"{token}","metrics":{{"lcp":1200}},"js_errors":0,"events":["used"]}}"#);
    isolate.take_report(reporting, &text, &Bare, NOW_MS).map(|_| ()).map_err(|problem| problem.status)
}

/// The reports in the batches that were sent, each with its network.
fn sent(world: &mut World) -> Vec<Option<u32>> {
    world.pass(10_000);
    world.ask("a");
    world.pass(2_000);
    world.controller.stored.iter().flat_map(|batch| &batch.reports).map(|report| report.network).collect()
}

#[test]
fn a_report_goes_into_the_next_batch_with_a_number_for_its_network() {
    let mut world = warm(&[KEY]);
    let token = token(&mut world.isolate);
    report(&mut world.isolate, &HERE, &token).unwrap();
    let other = Reporting { from: "198.51.100.7", ..HERE };
    report(&mut world.isolate, &other, &token).unwrap();
    let networks = sent(&mut world);
    assert!(networks.len() == 2 && networks.iter().all(Option::is_some) && networks[0] != networks[1], "{networks:?}");
}

#[test]
fn where_all_visitors_come_from_one_network_none_is_noted() {
    let mut world = warm(&[KEY, ("BEACON_ONE_NETWORK", "allow")]);
    let token = token(&mut world.isolate);
    report(&mut world.isolate, &HERE, &token).unwrap();
    assert_eq!(sent(&mut world), [None]);
}

#[test]
fn what_is_no_report_of_a_page_of_this_host_is_refused() {
    let mut world = warm(&[KEY]);
    let token = token(&mut world.isolate);
    let isolate = &mut world.isolate;
    assert_eq!(report(isolate, &Reporting { method: "GET", ..HERE }, &token), Err(405));
    let foreign = Reporting { origin: Some("https://evil.example"), ..HERE };
    assert_eq!(report(isolate, &foreign, &token), Err(403));
    assert_eq!(report(isolate, &Reporting { fetch_site: Some("cross-site"), ..HERE }, &token), Err(403));
    assert_eq!(report(isolate, &Reporting { host: "other.example", ..HERE }, &token), Err(403));
    assert_eq!(report(isolate, &HERE, &token.replace('~', "-")), Err(403));
    assert_eq!(sent(&mut world), []);
}

#[test]
fn an_address_reports_so_often_and_others_are_not_in_its_way() {
    let mut world = warm(&[KEY]);
    let token = token(&mut world.isolate);
    let taken = (0..100).filter(|_| report(&mut world.isolate, &HERE, &token).is_ok()).count();
    assert_eq!((taken, report(&mut world.isolate, &HERE, &token)), (60, Err(429)));
    report(&mut world.isolate, &Reporting { from: "198.51.100.7", ..HERE }, &token).unwrap();
}

#[test]
fn without_a_key_nothing_can_be_reported() {
    let mut world = warm(&[]);
    assert_eq!(report(&mut world.isolate, &HERE, "1~1~a"), Err(503));
}

/// What the controller says that pages show.
fn shows(world: &mut World, messages: &[InAppMessage]) {
    world.controller.messages = PageMessages::of(messages.to_vec());
    world.pass(2_000);
    world.ask("a");
    world.pass(2_000);
}

fn message(side: Option<Variant>, groups: &[&str]) -> InAppMessage {
    InAppMessage {
        rollout: "a".parse().unwrap(),
        id: "1-0-5".into(),
        kind: "preview".into(),
        side,
        groups: groups.iter().map(|name| name.parse().unwrap()).collect(),
        text: "Try it".into(),
        link: None,
        until: Instant::from_epoch_ms(START_MS + 3_600_000),
    }
}

/// The answer to a page that asks for messages, sent with these headers.
fn asked(isolate: &mut Isolate, token: &str, headers: &str) -> Answer {
    let text = format!(r#"{{"token":"{token}","messages":true}}"#);
    let asking = isolate.take_report(&HERE, &text, &Bare, NOW_MS).unwrap();
    let request = RequestText::new(format!("POST\nhttps://shop.example/_tidegate/beacon\n{headers}"));
    asking.map_or_else(Answer::empty, |asking| isolate.answer_page(&asking, &request, &Bare, NOW_MS))
}

fn titles(answer: &Answer) -> usize {
    let reported: Value = serde_json::from_str(&answer.body).unwrap();
    reported["messages"].as_array().unwrap().iter().filter(|own| own["title"] == "Try it").count()
}

#[test]
fn a_page_that_asks_gets_the_messages_that_are_for_it_and_no_other_page_any() {
    let mut world = warm(&[KEY]);
    let own = token(&mut world.isolate);
    assert_eq!(asked(&mut world.isolate, &own, "").status, 204, "there are none");
    shows(&mut world, &[message(None, &[]), message(Some(Variant::Legacy), &[]), message(None, &["beta"])]);
    let answer = asked(&mut world.isolate, &own, "");
    assert_eq!((answer.status, titles(&answer)), (200, 1), "{}", answer.body);
    assert_eq!(asked(&mut world.isolate, &own, "").body, answer.body, "asked again it says the same");
    let member = asked(&mut world.isolate, &own, "x-department:beta");
    assert_eq!(titles(&member), 2, "the report's own request says who is in a group");
    let silent = format!(r#"{{"token":"{own}"}}"#);
    assert!(
        world.isolate.take_report(&HERE, &silent, &Bare, NOW_MS).unwrap().is_none(),
        "who does not ask gets nothing"
    );
    let forged = format!(r#"{{"token":"{}","messages":true}}"#, own.replacen(":new:", ":legacy:", 1));
    assert_eq!(world.isolate.take_report(&HERE, &forged, &Bare, NOW_MS).unwrap_err().status, 403);
    shows(&mut world, &[]);
    assert_eq!(asked(&mut world.isolate, &own, "").status, 204, "it is over");
}

#[test]
fn pages_of_a_rollout_that_took_everybody_back_can_show_an_incident_and_what_they_report_counts_nowhere() {
    let mut world = warm(&[KEY]);
    let mut back = update("a", 9, "0", &[]);
    back.state = rolled_back(&back.state);
    world.put("stage/a", &back.state);
    world.controller.updates = vec![back];
    world.pass(2_000);
    world.ask("a");
    assert_eq!(token_if_any(&mut world.isolate), None, "it gives nobody anything");
    shows(&mut world, &[message(Some(Variant::New), &[])]);
    assert_eq!(token_if_any(&mut world.isolate), None, "nobody is on new");
    shows(&mut world, &[message(None, &[])]);
    let own = token(&mut world.isolate);
    assert_eq!(titles(&asked(&mut world.isolate, &own, "")), 1);
    report(&mut world.isolate, &HERE, &own).unwrap();
    assert_eq!(sent(&mut world), []);
}

fn rolled_back(state: &str) -> String {
    let LiveText::Written(live) = LiveText::parse(state).unwrap() else { panic!("{state}") };
    LiveState { phase: Phase::RolledBack, ..live }.to_json()
}
