//! The way of a request, step by step, without a network.

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
    start_under("", variant, request)
}

/// The same under a plan with more fields.
fn start_under(fields: &str, variant: Variant, request: &str) -> (Exchange, Step) {
    let plans = ROLLOUT.replace(r#""stage""#, &format!(r#"{fields}"stage""#));
    let catalogue = Rc::new(Catalogue::compile(&plans, None).unwrap().0);
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

const KEEPING: &str = r#""keep_assets":"7d","#;
const CHUNK: &str =
    "GET\nhttps://shop.example/app-3f2a1b9c.js?v=1\nsec-fetch-dest:script\ncookie:session=1\nrange:bytes=0-";

fn keeping(variant: Variant, request: &str) -> Exchange {
    start_under(KEEPING, variant, request).0
}

fn recalled(step: &Step) -> &str {
    let Step::Recall { key } = step else { unreachable!("{step:?}") };
    key.strip_prefix("https://tidegate.invalid/kept/").unwrap()
}

fn text(headers: &str) -> Outcome {
    Ok(AnswerText::new(format!("200\n\n{headers}")))
}

const JS: &str = "content-type:text/javascript";

#[test]
fn a_file_is_kept_by_asking_for_it_as_nobody_in_particular() {
    let mut way = keeping(Variant::New, CHUNK);
    let (step, _) = next(&mut way, text(JS));
    let Step::Keep { edits } = &step else { unreachable!("{step:?}") };
    assert!(edits.as_str().contains("=tidegate-reason:bucketed"), "{}", edits.as_str());
    let copy = way.copy().unwrap();
    assert_eq!(Some(copy.key.clone()), way.copied());
    assert_eq!(copy.key, "https://tidegate.invalid/kept/shop/new/shop.example/app-3f2a1b9c.js?v=1");
    assert_eq!((copy.url.as_str(), copy.service), ("https://n.example/app-3f2a1b9c.js?v=1", None));
    assert_eq!((copy.life_s, copy.fresh_s), (907_200, 302_400));
    let names: Vec<&str> = copy.edits.as_str().lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(
        names,
        [
            "=accept",
            "=accept-encoding",
            "=user-agent",
            "=x-forwarded-host",
            "=x-forwarded-proto",
            "=tidegate-variant",
            "=tidegate-rollout"
        ],
        "nothing of the visitor's"
    );
}

#[test]
fn what_is_private_or_may_change_is_not_kept_and_costs_nothing() {
    let passes = |request: &str, outcome: Outcome| {
        let mut way = keeping(Variant::New, request);
        let (step, _) = next(&mut way, outcome);
        assert!(matches!(step, Step::Answer { .. }), "{request}: {step:?}");
        assert_eq!(way.copy(), None);
    };
    for headers in ["set-cookie:a=1", "cache-control:private", "cache-control:no-store"] {
        passes(CHUNK, text(&format!("{JS}\n{headers}")));
    }
    passes(&format!("{CHUNK}\nauthorization:Bearer x"), text(JS));
    passes(SCRIPT, text(JS));
    passes(PAGE, text("content-type:text/html\ncache-control:immutable"));
    passes("GET\nhttps://shop.example/me-3f2a1b9c.png\nsec-fetch-dest:image", text("content-type:image/png"));
    passes(CHUNK, Ok(AnswerText::new(format!("206\n\n{JS}"))));
    let (mut way, _) = start(Variant::New, CHUNK);
    assert!(matches!(next(&mut way, text(JS)).0, Step::Answer { .. }), "no plan asks for it");
    let immutable = format!("{JS}\ncache-control:max-age=31536000, immutable");
    assert!(matches!(next(&mut keeping(Variant::New, SCRIPT), text(&immutable)).0, Step::Keep { .. }));
}

#[test]
fn what_was_kept_is_given_where_its_side_has_lost_it_before_the_other_is_asked() {
    for lost in [answer(404, "text/html"), answer(410, ""), answer(200, "text/html")] {
        let mut way = keeping(Variant::New, CHUNK);
        let (step, _) = next(&mut way, lost);
        assert_eq!(recalled(&step), "shop/new/shop.example/app-3f2a1b9c.js?v=1");
        let (step, _) = next(&mut way, text(JS));
        assert_eq!(answered(&step), (Which::Kept, "=tidegate-variant:new =tidegate-reason:kept".into()));
    }
}

#[test]
fn what_nobody_has_kept_comes_from_the_other_side_or_from_what_was_kept_of_that() {
    let absent = || Err(NoAnswer::new("absent", "nothing was kept".into()));
    let mut way = keeping(Variant::Legacy, CHUNK);
    next(&mut way, answer(404, ""));
    assert_eq!(asked(&next(&mut way, absent()).0), "https://n.example/app-3f2a1b9c.js?v=1 3000");
    let (step, _) = next(&mut way, text(JS));
    assert!(matches!(step, Step::Keep { .. }), "it may be lost there soon: {step:?}");
    assert_eq!(way.copy().map(|copy| copy.key), way.copied());
    assert!(way.copied().is_some_and(|key| key.contains("/shop/new/")));

    let mut way = keeping(Variant::Legacy, CHUNK);
    next(&mut way, answer(404, ""));
    next(&mut way, absent());
    let (step, _) = next(&mut way, answer(404, ""));
    assert_eq!(recalled(&step), "shop/new/shop.example/app-3f2a1b9c.js?v=1");
    let (step, _) = next(&mut way, text(JS));
    assert_eq!(answered(&step), (Which::Kept, "=tidegate-variant:new =tidegate-reason:kept".into()));

    let mut way = keeping(Variant::Legacy, CHUNK);
    next(&mut way, answer(404, ""));
    next(&mut way, absent());
    next(&mut way, refused());
    let (step, _) = next(&mut way, absent());
    let marks = "=tidegate-variant:legacy =tidegate-reason:bucketed =tidegate-stale:1";
    assert_eq!(answered(&step), (Which::Before, marks.into()));
}

#[test]
fn a_page_in_the_store_is_no_file_and_what_depends_on_an_origin_is_for_those_without_one() {
    let mut way = keeping(Variant::New, CHUNK);
    next(&mut way, answer(404, ""));
    assert!(asked(&next(&mut way, answer(200, "text/html")).0).starts_with("https://l.example"));
    let mut way = keeping(Variant::New, &format!("{CHUNK}\norigin:https://other.example"));
    next(&mut way, answer(404, ""));
    assert!(asked(&next(&mut way, text(&format!("{JS}\nvary:Origin"))).0).starts_with("https://l.example"));
}

#[test]
fn nothing_is_looked_up_for_what_is_never_kept() {
    let images = "GET\nhttps://shop.example/me-3f2a1b9c.png\nsec-fetch-dest:image";
    for request in [images, "HEAD\nhttps://shop.example/app-3f2a1b9c.js\nsec-fetch-dest:script"] {
        let mut way = keeping(Variant::New, request);
        assert!(asked(&next(&mut way, answer(404, "")).0).starts_with("https://l.example"), "{request}");
        let marks = "=tidegate-variant:new =tidegate-reason:bucketed";
        assert_eq!(answered(&next(&mut way, answer(404, "")).0), (Which::Before, marks.into()), "{request}");
    }
    let ended = r#""keep_assets":"7d","path":[{"match":"/*","upstream":"https://api.example"}],"#;
    let (mut way, _) = start_under(ended, Variant::New, CHUNK);
    assert!(matches!(next(&mut way, answer(404, "")).0, Step::Answer { .. }), "what both sides share is no side's");
}
