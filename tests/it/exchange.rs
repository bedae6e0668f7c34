//! The way of a request, step by step, without a network.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::rc::Rc;

use tidegate::decide::assign::{Assignment, Reason, Variant};
use tidegate::decide::reconcile::isolate::settle;
use tidegate::model::Instant;
use tidegate::protocol::config::{Catalogue, Snapshot, States};
use tidegate::protocol::decision::Decision;
use tidegate::protocol::exchange::{Accepted, Exchange, Outcome};
use tidegate::protocol::measuring::Instruments;
use tidegate::protocol::message::{AnswerText, RequestText};
use tidegate::protocol::meter::Meter;
use tidegate::protocol::step::{NoAnswer, Remark, Step, Which};

const ROLLOUT: &str = r#"{"v":1,"revision":1,"rollouts":[{"key":"shop","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example","timeout":"3s"},"stage":[{"name":"full","percentage":100}]}]}"#;

fn start(variant: Variant, request: &str) -> (Exchange, Step) {
    let catalogue = Rc::new(Catalogue::compile(ROLLOUT, None).unwrap().0);
    let mut states = States::default();
    let state = settle(catalogue.plan(0).unwrap(), None, Some("50"), Instant::from_epoch_ms(0)).unwrap();
    states.live.insert("shop".into(), state);
    let snapshot = Rc::new(Snapshot::new(catalogue, &states, Vec::new()));
    let assignment = Assignment { variant, reason: Reason::Bucketed, stage: 0, bucket: Some(1), revision: 0 };
    let decision = Decision { assignment: Some(assignment), ..Decision::default() };
    let begun = Accepted {
        request: RequestText::new(request.to_owned()),
        snapshot,
        decision,
        number: Some(0),
        started_ms: 0.0,
    };
    Exchange::start(begun, None, true).unwrap()
}

fn refused() -> Outcome {
    Err(NoAnswer::Unreachable("refused".into()))
}

fn next(way: &mut Exchange, outcome: Outcome) -> (Step, Option<Remark>) {
    way.next(outcome, &mut Instruments { now_ms: 5.0, meter: &mut Meter::default(), issuer: None, messages: &[] })
}

fn asked(step: &Step) -> String {
    match step {
        Step::Ask { url, timeout_ms, .. } => format!("{url} {timeout_ms}"),
        other => format!("{other:?}"),
    }
}

fn answered(step: &Step) -> (Which, String) {
    let Step::Answer { which, edits: Some(edits), .. } = step else { unreachable!("{step:?}") };
    let marks = edits.as_str().lines().filter(|line| line.starts_with("=tidegate"));
    (*which, marks.collect::<Vec<_>>().join(" "))
}

fn answer(status: u16, content_type: &str) -> Outcome {
    Ok(AnswerText::new(format!("{status}\n\ncontent-type:{content_type}")))
}

const PAGE: &str = "GET\nhttps://shop.example/a?b\naccept:text/html";
const SCRIPT: &str = "GET\nhttps://shop.example/app.js\nsec-fetch-dest:script";
const FORM: &str = "POST\nhttps://shop.example/a\ncontent-length:3";

#[test]
fn the_side_of_the_assignment_answers() {
    let (mut way, step) = start(Variant::New, PAGE);
    assert_eq!(asked(&step), "https://n.example/a?b 3000");
    assert_eq!(
        answered(&next(&mut way, answer(200, "text/html")).0),
        (Which::Last, "=tidegate-variant:new =tidegate-reason:bucketed".into())
    );
    let (_, step) = start(Variant::Legacy, PAGE);
    assert_eq!(asked(&step), "https://l.example/a?b 0");
}

#[test]
fn legacy_answers_where_new_fails() {
    for failure in [answer(500, ""), answer(503, ""), Err(NoAnswer::Timeout("no headers within 3000 ms".into()))] {
        let (mut way, _) = start(Variant::New, PAGE);
        let (step, remark) = next(&mut way, failure);
        assert_eq!(
            (asked(&step).as_str(), remark.map(|remark| remark.event)),
            ("https://l.example/a?b 0", Some("rescued"))
        );
        assert_eq!(
            answered(&next(&mut way, answer(200, "text/html")).0),
            (Which::Last, "=tidegate-variant:legacy =tidegate-reason:rescued".into())
        );
    }
}

#[test]
fn where_both_fail_the_failure_of_new_is_passed_on() {
    let (mut way, _) = start(Variant::New, PAGE);
    next(&mut way, answer(503, ""));
    assert_eq!(answered(&next(&mut way, refused()).0).0, Which::Before);
    let (mut way, _) = start(Variant::New, PAGE);
    next(&mut way, refused());
    assert!(matches!(next(&mut way, refused()).0, Step::Sentence { status: 502, .. }));
}

#[test]
fn a_request_with_a_body_is_asked_once_and_without_a_limit() {
    let (mut way, step) = start(Variant::New, FORM);
    assert_eq!(asked(&step), "https://n.example/a 0");
    assert_eq!(
        answered(&next(&mut way, answer(500, "")).0),
        (Which::Last, "=tidegate-variant:new =tidegate-reason:bucketed".into())
    );
}

#[test]
fn an_asset_that_one_side_lacks_comes_from_the_other() {
    let (mut way, _) = start(Variant::New, SCRIPT);
    assert_eq!(asked(&next(&mut way, answer(404, "")).0), "https://l.example/app.js 3000");
    assert_eq!(
        answered(&next(&mut way, answer(200, "text/javascript")).0),
        (Which::Last, "=tidegate-variant:legacy =tidegate-reason:skew".into())
    );
}

#[test]
fn an_asset_that_both_lack_is_missed_on_its_own_side() {
    for other in [answer(404, ""), answer(200, "text/html"), refused()] {
        let (mut way, _) = start(Variant::Legacy, SCRIPT);
        assert_eq!(asked(&next(&mut way, answer(404, "")).0), "https://n.example/app.js 3000");
        assert_eq!(
            answered(&next(&mut way, other).0),
            (Which::Before, "=tidegate-variant:legacy =tidegate-reason:bucketed".into())
        );
    }
}

#[test]
fn a_switched_connection_is_passed_on_untouched() {
    let (mut way, _) = start(Variant::New, "GET\nhttps://shop.example/ws\nupgrade:websocket\nconnection:Upgrade");
    assert_eq!(next(&mut way, answer(101, "")).0, Step::Answer { which: Which::Last, edits: None, watch_ms: 0 });
}
