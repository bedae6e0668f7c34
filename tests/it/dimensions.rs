//! By what failures are told apart: from a request and its headers to what an operator reads, and what a plan may ask
//! for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::rc::Rc;

use tidegate::decide::assign::{Assignment, Reason, Variant};
use tidegate::decide::metrics::RolloutMetrics;
use tidegate::decide::reconcile::isolate::settle;
use tidegate::decide::{broke, explain};
use tidegate::model::fault::Severity;
use tidegate::model::measured::{ByValue, SlicedCounts, Window};
use tidegate::model::node::Node;
use tidegate::model::plan::{Plan, read};
use tidegate::model::record::Record;
use tidegate::model::subject::SubjectHash;
use tidegate::model::{Instant, Minute};
use tidegate::protocol::config::{Catalogue, Snapshot, States};
use tidegate::protocol::decision::Decision;
use tidegate::protocol::exchange::{Accepted, Exchange};
use tidegate::protocol::flush::Counted;
use tidegate::protocol::measuring::Instruments;
use tidegate::protocol::message::{AnswerText, RequestText};
use tidegate::protocol::meter::Meter;
use tidegate::protocol::meter::by_value::Country;

const MINUTE: Minute = Minute::new(29_000_000);
const SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15";
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

fn rollout(more: &str) -> String {
    format!(
        r#"{{"key":"shop","routes":["/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},
        "identity":{{"from":["header:x-user"]}},{more}"stage":[{{"name":"full","percentage":50}}]}}"#
    )
}

struct Isolate {
    snapshot: Rc<Snapshot>,
    meter: Meter,
}

impl Isolate {
    fn new(more: &str) -> Self {
        let text = format!(r#"{{"v":1,"revision":1,"rollouts":[{}]}}"#, rollout(more));
        let (catalogue, broken) = Catalogue::compile(&text, None).unwrap();
        assert!(broken.is_empty(), "{broken:?}");
        let mut states = States::default();
        let state = settle(catalogue.plan(0).unwrap(), None, Some("50"), Instant::from_epoch_ms(0)).unwrap();
        states.live.insert("shop".into(), state);
        let snapshot = Rc::new(Snapshot::new(Rc::new(catalogue), &states, Vec::new()));
        Self { snapshot, meter: Meter::default() }
    }

    /// A request of somebody, that is answered with this status.
    fn ask(&mut self, id: u64, variant: Variant, headers: &str, status: u16) {
        let now_ms = MINUTE.start().as_epoch_ms() as f64;
        let assignment = Assignment { variant, reason: Reason::Bucketed, stage: 0, bucket: Some(1), revision: 7 };
        let decision = Decision {
            assignment: Some(assignment),
            subject: Some(SubjectHash::of(&id.to_le_bytes())),
            country: Country::read("DE"),
            ..Decision::default()
        };
        let request = RequestText::new(format!("POST\nhttps://shop.example/cart\n{headers}"));
        let snapshot = Rc::clone(&self.snapshot);
        let begun = Accepted { request, snapshot, decision, number: Some(0), started_ms: now_ms };
        let (mut way, _) = Exchange::start(begun, None, true).unwrap();
        let answer = AnswerText::new(format!("{status}\n\ncontent-type:text/html"));
        way.next(Ok(answer), &mut Instruments { now_ms, meter: &mut self.meter, issuer: None, messages: &[] });
    }

    /// What it has counted, as the wire has it.
    fn flushed(&mut self) -> String {
        serde_json::to_string(&self.meter.take().map(|batch| batch.counted).unwrap_or_default()).unwrap()
    }
}

fn by(window: &Window, variant: Variant) -> Vec<ByValue> {
    window.tally(variant, None).map(|tally| tally.by.clone()).unwrap_or_default()
}

#[test]
fn a_plan_without_dimensions_counts_nothing_by_them() {
    let mut isolate = Isolate::new("");
    isolate.ask(1, Variant::New, &format!("user-agent:{SAFARI}"), 500);
    assert!(!isolate.flushed().contains("\"by\""));
}

#[test]
fn what_fails_in_one_browser_is_said_with_its_name() {
    let mut isolates =
        [(); 2].map(|()| Isolate::new(r#""dimensions":["country","browser","device","header:x-tier"],"#));
    for id in 0..900_u64 {
        let variant = if id % 2 == 0 { Variant::New } else { Variant::Legacy };
        let agent = if id % 9 == 0 { SAFARI } else { CHROME };
        let tier = ["free", "gold"][(id % 4 / 2) as usize];
        let status = if variant == Variant::New && agent == SAFARI { 500 } else { 200 };
        isolates[(id % 7 % 2) as usize].ask(id, variant, &format!("user-agent:{agent}\nx-tier:{tier}"), status);
    }
    // Over the wire, and added up in both orders.
    let texts = isolates.each_mut().map(Isolate::flushed);
    let windows: Vec<Window> = texts
        .iter()
        .flat_map(|text| serde_json::from_str::<Vec<Counted>>(text).unwrap())
        .map(|counted| counted.window)
        .collect();
    let added = |windows: &mut dyn Iterator<Item = &Window>| {
        let mut all = Window::at(MINUTE, 7);
        windows.for_each(|window| all.merge(window));
        all
    };
    let all = added(&mut windows.iter());
    let backwards = added(&mut windows.iter().rev());
    assert_eq!(by(&all, Variant::New), by(&backwards, Variant::New));
    for own in by(&all, Variant::New) {
        assert_eq!(own.iter().map(|(_, counts)| counts.requests).sum::<u64>(), 450, "{own:?}");
    }

    let catalogue = Rc::clone(&isolates[0].snapshot);
    let plan = catalogue.catalogue.plan(0).unwrap();
    let now = MINUTE.start();
    let mut metrics = RolloutMetrics::default();
    windows.into_iter().for_each(|window| _ = metrics.count(window, &SlicedCounts::default(), now));
    let broke = broke::of(plan, &Record::draft(plan, now), &metrics, now).unwrap();
    let sentences = explain::broke(&broke);
    assert!(
        sentences.contains(
            &"browser Safari stands out: 100 % (50 of 50) of its requests failed on new, of all others 0 % (0 of 400); of its own on legacy 0 % (0 of 50)"
                .to_owned()
        ),
        "{sentences:#?}"
    );
}

#[test]
fn a_header_that_only_its_sender_has_is_never_stored() {
    let mut isolate = Isolate::new(r#""dimensions":["header:x-tier"],"#);
    for id in 0..2_000_u64 {
        isolate.ask(id, Variant::New, &format!("x-tier:secret of {id}"), 500);
        isolate.ask(7, Variant::New, &format!("x-tier:seven {}", id % 20), 500);
        isolate.ask(id, Variant::New, "x-tier:<script>alert(1)</script>", 500);
    }
    let text = isolate.flushed();
    for hidden in ["secret", "seven", "script"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert!(text.contains(r#""by":{"header:x-tier":{"":[6000,6000,"#), "{text}");
}

#[test]
fn one_window_stays_small_whatever_clients_send() {
    let mut isolate = Isolate::new(r#""dimensions":["country","browser","device","header:x-tier"],"#);
    for id in 0..20_000_u64 {
        for value in 0..3 {
            isolate.ask(id, Variant::New, &format!("x-tier:value {}\nuser-agent:Edg/{id}", (id + value) % 400), 500);
        }
    }
    let counted: Vec<Counted> = serde_json::from_str(&isolate.flushed()).unwrap();
    let longest = by(&counted[0].window, Variant::New).iter().map(|own| own.iter().count()).max();
    assert_eq!(longest, Some(17), "16 values, and all others");
}

fn refused(dimensions: &str) -> Vec<String> {
    let node: Node = serde_json::from_str(&rollout(&format!(r#""dimensions":{dimensions},"#))).unwrap();
    let (plan, faults): (Option<Plan>, _) = read::plan(&node);
    let errors: Vec<String> =
        faults.iter().filter(|fault| fault.severity == Severity::Error).map(|fault| fault.message.clone()).collect();
    assert_eq!(plan.is_none(), !errors.is_empty());
    errors
}

#[test]
fn a_plan_may_choose_four_that_say_nothing_of_who_somebody_is() {
    assert!(refused(r#"["country","browser","device","header:X-Tier"]"#).is_empty());
    assert!(refused(r#""browser""#).is_empty());
    for id in ["header:x-user", "header:cookie", "header:X-Session-Id", "header:authorization"] {
        let sentence = format!("`{}` says who somebody is, or which request it was", id.to_lowercase());
        assert_eq!(refused(&format!(r#"["{id}"]"#)), [sentence]);
    }
    assert_eq!(refused(r#"["browser","browser"]"#), ["`browser` is there twice"]);
    assert_eq!(refused(r#"["cookie:tier"]"#), ["`cookie:tier` is nothing that failures are told apart by"]);
    assert_eq!(refused(r#"["country","browser","device","header:a","header:b"]"#), ["5 dimensions are more than 4"]);
}
