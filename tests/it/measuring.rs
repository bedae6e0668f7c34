//! What requests leave in an isolate's meter, and what its batches carry away.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::rc::Rc;

use tidegate::decide::assign::{Assignment, Reason, Variant};
use tidegate::decide::reconcile::isolate::settle;
use tidegate::model::measured::{Measure, Quantity, Tally};
use tidegate::model::plan::Plan;
use tidegate::model::subject::SubjectHash;
use tidegate::model::{Instant, Minute, Name};
use tidegate::protocol::beacon::Report;
use tidegate::protocol::config::{Catalogue, Snapshot, States};
use tidegate::protocol::decision::{Assigned, Decision};
use tidegate::protocol::exchange::{Accepted, Exchange};
use tidegate::protocol::exposure::{ExposureKey, Issuer};
use tidegate::protocol::flush::{Batch, Counted, REFUSALS_MAX, Refused};
use tidegate::protocol::measuring::Instruments;
use tidegate::protocol::message::{AnswerText, RequestText};
use tidegate::protocol::meter::{Meter, Outcome, Visit};
use tidegate::protocol::step::{NoAnswer, Step};

const MINUTE: Minute = Minute::new(29_000_000);
const START_MS: f64 = MINUTE.get() as f64 * 60_000.0;
const KEY: &str = "a key of thirty-two bytes, or so";
const REVISION: u64 = 7;
const PAGE: &str = "accept:text/html";

/// A rollout and a flag under one configuration, and a meter that sees their requests.
struct Isolate {
    snapshot: Rc<Snapshot>,
    meter: Meter,
    issuer: Option<Issuer>,
    now_ms: f64,
    /// The bucket of whoever asks.
    bucket: u32,
}

/// What a request is assigned, and who it is.
#[derive(Clone, Copy)]
struct Who {
    id: u64,
    variant: Variant,
    reason: Reason,
    flag: Option<Variant>,
}

fn who(id: u64, variant: Variant) -> Who {
    Who { id, variant, reason: Reason::Bucketed, flag: None }
}

impl Isolate {
    fn new(cache: &str) -> Self {
        let text = format!(
            r#"{{"v":1,"revision":1,"rollouts":[
            {{"key":"shop","routes":["/*"],"cache":"{cache}","upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},
              "endpoints":{{"api":"path:/api/*","cart":"path:/api/cart"}},"stage":[{{"name":"full","percentage":100}}]}},
            {{"key":"banner","stage":[{{"name":"on","percentage":100}}]}}]}}"#
        );
        let (catalogue, broken) = Catalogue::compile(&text, None).unwrap();
        assert!(broken.is_empty(), "{broken:?}");
        let mut states = States::default();
        for (number, key) in ["shop", "banner"].into_iter().enumerate() {
            let state = settle(catalogue.plan(number).unwrap(), None, Some("50"), Instant::from_epoch_ms(0)).unwrap();
            states.live.insert(key.into(), state);
        }
        let snapshot = Rc::new(Snapshot::new(Rc::new(catalogue), &states, Vec::new()));
        let issuer = Some(Issuer::new(ExposureKey::derive(KEY).unwrap(), 1));
        Self { snapshot, meter: Meter::default(), issuer, now_ms: START_MS, bucket: 1 }
    }

    /// Sends a request, and lets its upstreams answer with these statuses (0: not at all), each after
    /// 100 ms. Returns the changes to the last answer's headers.
    fn ask(&mut self, who: Who, path: &str, headers: &str, answers: &[u16]) -> String {
        let subject = Some(SubjectHash::of(&who.id.to_le_bytes()));
        let bucket = Some(self.bucket);
        let assignment = |variant, reason| Assignment { variant, reason, stage: 0, bucket, revision: REVISION };
        let flagged =
            who.flag.map(|variant| Assigned { number: 1, assignment: assignment(variant, Reason::Bucketed), subject });
        let decision = Decision {
            assignment: Some(assignment(who.variant, who.reason)),
            subject,
            flags: flagged.map(|_| "banner=on".to_owned()).unwrap_or_default(),
            flagged: flagged.into_iter().collect(),
            ..Decision::default()
        };
        let request = RequestText::new(format!("GET\nhttps://shop.example{path}?q\n{headers}"));
        let begun = Accepted {
            request,
            snapshot: Rc::clone(&self.snapshot),
            decision,
            number: Some(0),
            started_ms: self.now_ms,
        };
        let (mut way, mut step) = Exchange::start(begun, None, true).unwrap();
        for status in answers {
            assert!(matches!(step, Step::Ask { .. }), "{step:?}");
            self.now_ms += 100.0;
            let outcome = if *status == 0 {
                Err(NoAnswer::Unreachable("refused".to_owned()))
            } else {
                Ok(AnswerText::new(format!("{status}\n\ncontent-type:text/html; charset=utf-8")))
            };
            let mut instruments = Instruments {
                now_ms: self.now_ms,
                meter: &mut self.meter,
                issuer: self.issuer.as_mut(),
                messages: &[],
            };
            step = way.next(outcome, &mut instruments).0;
        }
        match step {
            Step::Answer { edits, .. } => edits.map(|edits| edits.as_str().to_owned()).unwrap_or_default(),
            Step::Sentence { status, .. } => status.to_string(),
            Step::Keep { edits } => edits.as_str().to_owned(),
            Step::Ask { .. } | Step::Recall { .. } | Step::Unregister { .. } | Step::Beside(..) => {
                unreachable!("one answer was missing")
            }
        }
    }

    fn counted(&mut self) -> Vec<Counted> {
        self.meter.take().map(|batch| batch.counted).unwrap_or_default()
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn tally(counted: &Counted, variant: Variant, endpoint: Option<&str>) -> Tally {
    counted.window.tally(variant, endpoint.map(name).as_ref()).cloned().unwrap_or_default()
}

/// The exposures and events of errors, everywhere or at one endpoint, over all slices.
fn trials(counted: &Counted, variant: Variant, endpoint: Option<&str>) -> (u32, u32) {
    let of = |trials: &&tidegate::model::measured::Exposures| {
        trials.of == Quantity::Errors && trials.variant == variant && trials.endpoint == endpoint.map(name)
    };
    let slices = counted.compared.trials.iter().filter(of).flat_map(|trials| &trials.slices);
    slices.fold((0, 0), |(n, x), (_, own_n, own_x)| (n + own_n, x + own_x))
}

fn token(edits: &str) -> Option<&str> {
    edits.lines().find_map(|line| line.strip_prefix("+server-timing:tidegate;desc=\"")?.strip_suffix('"'))
}

#[test]
fn a_request_counts_once_with_its_time_to_headers() {
    let mut isolate = Isolate::new("private");
    isolate.ask(who(1, Variant::Legacy), "/", "", &[200]);
    isolate.ask(who(2, Variant::New), "/", "", &[404]);
    let counted = isolate.counted();
    let [counted] = counted.as_slice() else { unreachable!("{counted:?}") };
    assert_eq!((counted.rollout.as_str(), counted.window.minute, counted.window.revision), ("shop", MINUTE, REVISION));
    for variant in [Variant::Legacy, Variant::New] {
        let tally = tally(counted, variant, None);
        assert_eq!((tally.requests, tally.errors, tally.rescued), (1, 0, 0), "a 404 is no error");
        let latency = tally.sketch(&Measure::Latency).and_then(|sketch| sketch.quantile(500)).unwrap();
        assert!((latency / 100.0 - 1.0).abs() <= 0.02, "{latency}");
        assert_eq!(trials(counted, variant, None), (1, 0));
    }
    assert_eq!(counted.window.subjects.distinct(|seen| seen.is_compared), 2.0);
    assert_eq!(counted.compared.values.len(), 2);
}

#[test]
fn a_minute_has_one_exposure_and_one_failure_of_a_subject() {
    let mut isolate = Isolate::new("private");
    for statuses in [[200], [500], [500], [200]] {
        isolate.ask(who(1, Variant::Legacy), "/", "", &statuses);
    }
    let counted = isolate.counted();
    assert_eq!(
        (tally(&counted[0], Variant::Legacy, None).requests, tally(&counted[0], Variant::Legacy, None).errors),
        (4, 2)
    );
    assert_eq!(trials(&counted[0], Variant::Legacy, None), (1, 1));
    isolate.ask(who(1, Variant::Legacy), "/", "", &[500]);
    isolate.now_ms += 60_000.0;
    isolate.ask(who(1, Variant::Legacy), "/", "", &[500]);
    let later: Vec<_> = isolate
        .counted()
        .iter()
        .map(|counted| (counted.window.minute, trials(counted, Variant::Legacy, None)))
        .collect();
    assert_eq!(later, [(MINUTE, (0, 0)), (MINUTE + 1, (1, 1))], "the batch was new, the minute was not");
}

#[test]
fn a_failure_after_the_batch_adds_an_event_without_an_exposure() {
    let mut isolate = Isolate::new("private");
    isolate.ask(who(1, Variant::Legacy), "/", "", &[200]);
    assert_eq!(trials(&isolate.counted()[0], Variant::Legacy, None), (1, 0));
    isolate.ask(who(1, Variant::Legacy), "/", "", &[0]);
    assert_eq!(trials(&isolate.counted()[0], Variant::Legacy, None), (0, 1));
}

/// Numbers by bin.
type Bins = Vec<(u16, u32)>;

/// Exposures and events of a rate by bin.
fn binned(counted: &Counted, of: &Quantity) -> (Bins, Bins) {
    let own = counted.compared.binned.iter().find(|own| own.of == *of);
    own.map(|own| (own.exposures.clone(), own.events.clone())).unwrap_or_default()
}

#[test]
fn while_nobody_is_on_new_bins_count_what_the_plan_compares_and_nothing_else_is_compared() {
    let mut isolate = Isolate::new("private");
    let draft = |id: u64| Who { reason: Reason::Inactive, ..who(id, Variant::Legacy) };
    for (id, status) in [(1, 200), (1, 500), (1, 500), (2, 404)] {
        isolate.ask(draft(id), "/api/orders", "", &[status]);
    }
    let counted = isolate.counted();
    assert!(counted[0].compared.trials.is_empty() && counted[0].compared.failed.is_empty());
    assert_eq!(binned(&counted[0], &Quantity::Errors), (vec![(0, 2)], vec![(0, 1)]), "a subject's minute counts once");
    assert_eq!(binned(&counted[0], &Quantity::ClientErrors), (vec![], vec![(0, 1)]));
    assert_eq!(counted[0].compared.binned.len(), 2, "no guardrail compares an endpoint or time-outs");
    isolate.ask(Who { reason: Reason::Group, ..who(3, Variant::New) }, "/", "", &[500, 200]);
    assert!(isolate.counted()[0].compared.binned.is_empty(), "whom the hash has not assigned is in no bin");
}

/// A batch of a second of a busy isolate: what bins add to it.
#[test]
fn a_flush_grows_by_less_than_three_tenths() {
    for subjects in [20_u64, 100, 1_000] {
        let mut isolate = Isolate::new("private");
        for id in 0..subjects {
            let variant = if id % 20 == 0 { Variant::New } else { Variant::Legacy };
            isolate.bucket = (id * 7_919 % 100_000) as u32;
            isolate.ask(who(id, variant), "/", "", if id % 100 == 1 { &[500] } else { &[200] });
        }
        let batch = isolate.meter.take().unwrap();
        let with = serde_json::to_string(&batch).unwrap();
        let mut without = batch;
        without.counted.iter_mut().for_each(|counted| counted.compared.binned.clear());
        let without = serde_json::to_string(&without).unwrap();
        assert!(with.contains("\"binned\"") && !without.contains("binned"));
        let times = with.len() as f64 / without.len() as f64;
        assert!(times < 1.3, "{subjects} subjects: {} instead of {} bytes", with.len(), without.len());
        assert!(Batch::parse(&without).is_ok(), "an isolate of the release before sends this");
    }
}

#[test]
fn requests_count_everywhere_and_at_each_endpoint_that_takes_them() {
    let mut isolate = Isolate::new("private");
    isolate.ask(who(1, Variant::Legacy), "/", "", &[200]);
    isolate.ask(who(1, Variant::Legacy), "/api/orders", "", &[200]);
    isolate.ask(who(1, Variant::Legacy), "/api/cart", "", &[503]);
    let counted = isolate.counted();
    let requests = |endpoint| {
        (tally(&counted[0], Variant::Legacy, endpoint).requests, trials(&counted[0], Variant::Legacy, endpoint))
    };
    assert_eq!(
        [requests(None), requests(Some("api")), requests(Some("cart"))],
        [(3, (1, 1)), (2, (1, 1)), (1, (1, 1))]
    );
}

#[test]
fn what_legacy_rescues_is_still_news_failure() {
    let mut isolate = Isolate::new("private");
    let edits = isolate.ask(who(1, Variant::New), "/", PAGE, &[0, 200]);
    isolate.ask(who(1, Variant::New), "/", PAGE, &[500, 200]);
    isolate.ask(who(1, Variant::New), "/", PAGE, &[500, 0]);
    let counted = isolate.counted();
    let new = tally(&counted[0], Variant::New, None);
    assert_eq!((new.requests, new.errors, new.rescued), (3, 3, 2));
    assert_eq!(new.sketch(&Measure::Latency).map(|sketch| sketch.count()), Some(2), "where headers came");
    assert_eq!(tally(&counted[0], Variant::Legacy, None), Tally::default());
    assert_eq!(trials(&counted[0], Variant::New, None), (1, 1));
    assert!(edits.contains("=tidegate-reason:rescued") && token(&edits).is_none(), "{edits}");
}

#[test]
fn a_rescue_counts_in_the_minute_of_the_failure() {
    let mut isolate = Isolate::new("private");
    isolate.now_ms += 60_000.0 - 150.0;
    isolate.ask(who(1, Variant::New), "/", "", &[500, 200]);
    let counted = isolate.counted();
    assert_eq!((counted.len(), tally(&counted[0], Variant::New, None).rescued), (1, 1));
}

#[test]
fn an_asset_that_the_other_side_had_counts_where_it_was_missed() {
    let mut isolate = Isolate::new("private");
    isolate.ask(who(1, Variant::Legacy), "/app.js", "sec-fetch-dest:image", &[404, 404]);
    let counted = isolate.counted();
    assert_eq!(
        (tally(&counted[0], Variant::Legacy, None).requests, tally(&counted[0], Variant::New, None).requests),
        (1, 0)
    );
}

#[test]
fn only_whom_the_hash_dealt_out_is_compared() {
    let mut isolate = Isolate::new("private");
    for (id, reason) in
        [Reason::Holdout, Reason::Bucketed, Reason::Group, Reason::Killed, Reason::Override, Reason::Excluded]
            .into_iter()
            .enumerate()
    {
        isolate.ask(Who { reason, ..who(id as u64, Variant::Legacy) }, "/", "", &[500]);
    }
    isolate.ask(Who { reason: Reason::NoConfig, ..who(9, Variant::Legacy) }, "/", "", &[500]);
    let counted = isolate.counted();
    assert_eq!(tally(&counted[0], Variant::Legacy, None).requests, 6, "nothing is known of a request without a state");
    assert_eq!(trials(&counted[0], Variant::Legacy, None), (2, 2));
    assert_eq!(
        (counted[0].window.subjects.distinct(|seen| seen.is_compared), counted[0].window.subjects.distinct(|_| true)),
        (2.0, 6.0)
    );
}

#[test]
fn who_fails_is_reported_once_a_minute_and_only_of_those_whom_the_hash_dealt_out() {
    let mut isolate = Isolate::new("private");
    let other = Who { reason: Reason::Group, ..who(3, Variant::New) };
    for (who, statuses) in [
        (who(1, Variant::New), &[502, 200][..]),
        (who(1, Variant::New), &[502, 200]),
        (who(2, Variant::Legacy), &[500]),
        (other, &[502, 200]),
        (who(4, Variant::New), &[200]),
    ] {
        isolate.ask(who, "/api/cart", PAGE, statuses);
    }
    let counted = isolate.counted().remove(0);
    let failed: Vec<(String, Vec<bool>)> = counted
        .compared
        .failed
        .iter()
        .map(|failed| (failed.of.to_string(), failed.subjects.iter().map(|seen| seen.is_new).collect()))
        .collect();
    let [(of, sides)] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((of.as_str(), sides.len(), sides.iter().filter(|is_new| **is_new).count()), ("errors", 2, 1));
    let text = serde_json::to_string(&counted).unwrap();
    let batch = Batch::parse(&format!(r#"{{"sequence":1,"counted":[{text}],"reports":[]}}"#)).unwrap();
    assert_eq!(batch.counted[0].compared.failed, counted.compared.failed, "and it reads back");
}

#[test]
fn a_flag_has_the_outcome_of_the_request_under_its_own_assignment() {
    let mut isolate = Isolate::new("private");
    isolate.ask(Who { flag: Some(Variant::New), ..who(1, Variant::Legacy) }, "/api", "", &[500]);
    let counted = isolate.counted();
    let reported: Vec<_> = counted
        .iter()
        .map(|counted| {
            (
                counted.rollout.as_str(),
                tally(counted, Variant::Legacy, None).errors,
                tally(counted, Variant::New, None).errors,
            )
        })
        .collect();
    assert_eq!(reported, [("shop", 1, 0), ("banner", 0, 1)]);
    assert_eq!(counted[1].window.sides.len(), 1, "the endpoints are the other plan's");
}

#[test]
fn a_page_has_a_token_of_everything_that_it_was_given() {
    let mut isolate = Isolate::new("private");
    let edits = isolate.ask(Who { flag: Some(Variant::New), ..who(1, Variant::Legacy) }, "/api/cart", PAGE, &[200]);
    let reports = ExposureKey::derive(KEY).unwrap().verify(token(&edits).unwrap(), "shop.example", MINUTE).unwrap();
    let reported: Vec<_> = reports
        .iter()
        .map(|r| (r.rollout.as_str(), r.variant, r.revision, r.slice.is_some(), r.endpoints.len()))
        .collect();
    assert_eq!(reported, [("shop", Variant::Legacy, REVISION, true, 2), ("banner", Variant::New, REVISION, true, 0)]);
    let counted = isolate.counted();
    let seen = counted[0].window.subjects.iter().next().unwrap();
    let slice = counted[0].compared.trials[0].slices[0].0;
    assert_eq!((reports[0].subject, reports[0].slice), (seen.hash, Some(slice)), "the page's subject is the request's");
}

#[test]
fn nothing_else_has_a_token() {
    let given = |headers: &str, reason, cache: &str| {
        let mut isolate = Isolate::new(cache);
        let edits = isolate.ask(Who { reason, ..who(1, Variant::Legacy) }, "/", headers, &[200]);
        token(&edits).is_some()
    };
    for headers in [PAGE, "sec-fetch-dest:document", "sec-fetch-dest:iframe"] {
        assert!(given(headers, Reason::Bucketed, "private"), "{headers}");
        assert!(!given(headers, Reason::Bucketed, "upstream"), "shared caches may keep it: {headers}");
    }
    for headers in ["", "accept:*/*", "sec-fetch-dest:empty\naccept:text/html", "sec-fetch-dest:report"] {
        assert!(!given(headers, Reason::Bucketed, "private"), "{headers}");
    }
    for reason in [Reason::Killed, Reason::Inactive, Reason::NoConfig] {
        assert!(!given(PAGE, reason, "private"), "{reason}");
    }
    let mut isolate = Isolate::new("private");
    isolate.issuer = None;
    assert_eq!(token(&isolate.ask(who(1, Variant::Legacy), "/", PAGE, &[200])), None);
    let mut isolate = Isolate::new("private");
    assert_eq!(token(&isolate.ask(who(1, Variant::Legacy), "/", PAGE, &[302])), None);
}

#[test]
fn a_batch_is_sent_again_unchanged_until_it_is_acknowledged() {
    let mut isolate = Isolate::new("private");
    assert_eq!(isolate.meter.take(), None);
    let sent = |isolate: &mut Isolate| {
        let batch = isolate.meter.take().unwrap();
        let text = serde_json::to_string(&batch).unwrap();
        isolate.meter.keep(batch);
        text
    };
    isolate.ask(who(1, Variant::Legacy), "/", "", &[200]);
    let first = sent(&mut isolate);
    isolate.ask(who(2, Variant::Legacy), "/", "", &[200]);
    assert_eq!(sent(&mut isolate), first);
    isolate.meter.acknowledge(0);
    assert_eq!(sent(&mut isolate), first);
    isolate.meter.acknowledge(1);
    let second = Batch::parse(&sent(&mut isolate)).unwrap();
    assert_eq!((second.sequence, tally(&second.counted[0], Variant::Legacy, None).requests), (2, 1));
    assert_eq!(Batch::parse(&first).unwrap().sequence, 1);
    isolate.meter.acknowledge(2);
    assert!(!isolate.meter.has_counts() && isolate.meter.take().is_none());
}

#[test]
fn a_batch_that_is_refused_is_tried_again_and_then_given_up_loudly() {
    let mut isolate = Isolate::new("private");
    let send = |isolate: &mut Isolate| {
        let batch = isolate.meter.take().unwrap();
        let sequence = batch.sequence;
        isolate.meter.keep(batch);
        sequence
    };
    isolate.ask(who(1, Variant::Legacy), "/", "", &[200]);
    isolate.ask(who(2, Variant::New), "/", "", &[200]);
    let refused = |sequence| Refused { sequence, why: "unknown variant `blue`".to_owned() };
    for tries in 1..=REFUSALS_MAX {
        assert_eq!(send(&mut isolate), 1, "it is tried again");
        assert_eq!(isolate.meter.refuse(&refused(7), START_MS), None, "that is another's");
        assert_eq!(isolate.meter.fault(START_MS), None);
        let lost = isolate.meter.refuse(&refused(if tries % 2 == 0 { 0 } else { 1 }), START_MS);
        assert_eq!(lost.is_some(), tries == REFUSALS_MAX, "{tries}");
    }
    let sentence = "the controller refused batch 1 10 times, so 2 requests and 0 reports of pages count nowhere: unknown variant `blue`";
    let fault = Some(("counts".to_owned(), sentence.to_owned()));
    assert_eq!(isolate.meter.fault(START_MS + 599_000.0), fault);
    assert_eq!(isolate.meter.fault(START_MS + 600_000.0), None, "it is over");
    // What is counted afterwards goes on under the next number, with tries of its own.
    isolate.ask(who(3, Variant::Legacy), "/", "", &[200]);
    assert_eq!((send(&mut isolate), isolate.meter.refuse(&refused(2), START_MS)), (2, None));
    isolate.meter.acknowledge(2);
    assert!(!isolate.meter.has_counts());
    assert_eq!(isolate.meter.refuse(&refused(2), START_MS), None, "nothing is under way");
}

#[test]
fn a_flood_of_ids_does_not_fill_the_memory() {
    let mut isolate = Isolate::new("private");
    for id in 0..300_000 {
        let variant = if id % 2 == 0 { Variant::Legacy } else { Variant::New };
        isolate.now_ms = START_MS;
        let answers: &[u16] = match (id % 4, variant) {
            (0 | 1, _) => &[200],
            (_, Variant::Legacy) => &[500],
            (_, Variant::New) => &[500, 200],
        };
        isolate.ask(who(id, variant), "/", "", answers);
    }
    let counted = isolate.counted();
    assert_eq!(tally(&counted[0], Variant::Legacy, None).requests, 150_000);
    let (legacy, new) = (trials(&counted[0], Variant::Legacy, None), trials(&counted[0], Variant::New, None));
    assert_eq!(
        (legacy, new),
        ((65_536, 32_768), (65_536, 32_768)),
        "who comes too late is not compared, on either side"
    );
    let text = serde_json::to_string(&Batch { sequence: 1, counted, reports: Vec::new() }).unwrap();
    assert!(text.len() < 100_000, "{}", text.len());
}

#[test]
fn minutes_that_nobody_takes_make_room() {
    let mut isolate = Isolate::new("private");
    for minute in 0..3_000 {
        isolate.now_ms = START_MS + 60_000.0 * f64::from(minute);
        isolate.ask(who(1, Variant::Legacy), "/", "", &[200]);
    }
    assert_eq!((isolate.meter.take_lost(), isolate.meter.take_lost()), (952, 0));
    let mut minutes = Vec::new();
    while let Some(batch) = isolate.meter.take() {
        minutes.extend(batch.counted.iter().map(|counted| counted.window.minute));
    }
    assert_eq!((minutes.len(), minutes[0]), (2_048, MINUTE + 952));
}

/// Counts a request of a subject in each of these rollouts.
fn count_in_each(meter: &mut Meter, plans: &[Rc<Plan>], subject: u64, revision: u64, minute: Minute) {
    for (number, plan) in plans.iter().enumerate() {
        let assignment =
            Assignment { variant: Variant::New, reason: Reason::Bucketed, stage: 0, bucket: Some(1), revision };
        let visit = Visit {
            plan,
            assigned: Assigned { number, assignment, subject: Some(SubjectHash::of(&subject.to_le_bytes())) },
            path: "/",
            has_opted_out: false,
            minute,
            client: None,
            traits: None,
        };
        meter.count(&visit, Outcome { status: Some(200), latency: Some((subject % 400) as i16), ..Outcome::default() });
    }
}

fn flags(count: usize) -> Vec<Rc<Plan>> {
    let flag = |n| format!(r#"{{"key":"flag-{n}","stage":[{{"name":"on","percentage":100}}]}}"#);
    let text = format!(r#"{{"v":1,"revision":1,"rollouts":[{}]}}"#, (0..count).map(flag).collect::<Vec<_>>().join(","));
    let (catalogue, _) = Catalogue::compile(&text, None).unwrap();
    catalogue.rollouts.iter().map(|entry| Rc::clone(&entry.plan)).collect()
}

/// All windows that batches carry away: rollout, revision, minute, requests and subjects to compare.
fn windows(meter: &mut Meter) -> Vec<(String, u64, Minute, u64, u32)> {
    let mut windows = Vec::new();
    while let Some(batch) = meter.take() {
        windows.extend(batch.counted.iter().map(|counted| {
            let Counted { rollout, window, .. } = counted;
            let (requests, compared) =
                (tally(counted, Variant::New, None).requests, trials(counted, Variant::New, None).0);
            (rollout.to_string(), window.revision, window.minute, requests, compared)
        }));
    }
    windows
}

#[test]
fn a_thousand_flags_lose_no_count() {
    let (plans, mut meter) = (flags(1_000), Meter::default());
    for subject in 0..100 {
        count_in_each(&mut meter, &plans, subject, REVISION, MINUTE);
        count_in_each(&mut meter, &plans, subject, REVISION, MINUTE);
    }
    let windows = windows(&mut meter);
    assert_eq!((windows.len(), meter.take_lost()), (1_000, 0));
    assert!(windows.iter().all(|(.., requests, compared)| (*requests, *compared) == (200, 100)), "{windows:?}");
}

#[test]
fn a_window_goes_on_whichever_minute_or_revision_was_counted_between() {
    let (plans, mut meter) = (flags(2), Meter::default());
    for subject in 0..50 {
        for (revision, minute) in [(REVISION, MINUTE), (REVISION + 1, MINUTE), (REVISION + 1, MINUTE + 1)] {
            count_in_each(&mut meter, &plans, subject, revision, minute);
        }
    }
    let windows = windows(&mut meter);
    assert_eq!(windows.len(), 6, "{windows:?}");
    assert!(windows.iter().all(|(.., requests, _)| *requests == 50), "{windows:?}");
}

/// Numbers of rollouts are those of one configuration; the next one gives them to others.
#[test]
fn a_number_that_goes_to_another_rollout_takes_no_counts_along() {
    let (plans, mut meter) = (flags(2), Meter::default());
    count_in_each(&mut meter, &plans, 1, REVISION, MINUTE);
    let turned: Vec<Rc<Plan>> = plans.iter().rev().map(Rc::clone).collect();
    count_in_each(&mut meter, &turned, 2, REVISION, MINUTE);
    count_in_each(&mut meter, &plans, 3, REVISION, MINUTE);
    let mut by_key = std::collections::BTreeMap::new();
    windows(&mut meter).into_iter().for_each(|(key, .., requests, _)| *by_key.entry(key).or_insert(0) += requests);
    assert_eq!(by_key.into_iter().collect::<Vec<_>>(), [("flag-0".to_owned(), 3), ("flag-1".to_owned(), 3)]);
}

#[test]
fn a_controller_that_is_away_for_minutes_fills_no_memory() {
    let (plans, mut meter) = (flags(1_000), Meter::default());
    count_in_each(&mut meter, &plans, 0, REVISION, MINUTE);
    let under_way = meter.take().unwrap();
    meter.keep(under_way);
    for minute in 1..=3 {
        (0..300).for_each(|subject| count_in_each(&mut meter, &plans, subject, REVISION, MINUTE + minute));
    }
    let lost = meter.take_lost();
    meter.acknowledge(1);
    let mut bytes = 0;
    while let Some(batch) = meter.take() {
        bytes += serde_json::to_string(&batch).unwrap().len();
    }
    assert!(lost > 952 && bytes < 9 << 20, "{lost} windows were given up, and {bytes} bytes waited");
}

/// A visit of somebody, or of a client without an id, to the rollout.
fn visit<'a>(
    isolate: &'a Snapshot,
    subject: Option<u64>,
    client: Option<u64>,
    variant: Variant,
    minute: u64,
) -> Visit<'a> {
    let hash = |id: u64| SubjectHash::of(&id.to_le_bytes());
    let reason = if subject.is_some() { Reason::Bucketed } else { Reason::Unidentified };
    let assignment = Assignment { variant, reason, stage: 0, bucket: None, revision: REVISION };
    let plan = isolate.catalogue.plan(0).unwrap();
    Visit {
        plan,
        assigned: Assigned { number: 0, assignment, subject: subject.map(hash) },
        path: "/api/x",
        minute: MINUTE + minute,
        client: client.map(hash),
        has_opted_out: false,
        traits: None,
    }
}

fn answered(status: u16) -> Outcome {
    Outcome { status: Some(status), is_failure: status >= 500, is_timeout: false, latency: Some(100) }
}

/// The events of a quantity in what comparisons may use, everywhere.
fn events(counted: &Counted, of: &Quantity, variant: Variant) -> u32 {
    let own = counted
        .compared
        .trials
        .iter()
        .filter(|trials| trials.of == *of && trials.variant == variant && trials.endpoint.is_none());
    own.flat_map(|trials| &trials.slices).map(|(_, _, x)| x).sum()
}

#[test]
fn what_comes_of_a_request_is_counted_by_its_kind_and_status() {
    let Isolate { snapshot, mut meter, .. } = Isolate::new("private");
    let visit = |subject| visit(&snapshot, Some(subject), None, Variant::New, 0);
    for (subject, status) in [(1, 200), (1, 404), (2, 403), (3, 500), (4, 302)] {
        meter.count(&visit(subject), answered(status));
    }
    meter.count(&visit(5), Outcome { is_failure: true, is_timeout: true, ..Outcome::default() });
    meter.count_abandoned(&visit(6), 1_500.0);
    meter.count_broken(&visit(4), true);
    meter.count_broken(&visit(1), false);
    let counted = meter.take().unwrap().counted;
    for endpoint in [None, Some("api")] {
        let new = tally(&counted[0], Variant::New, endpoint);
        assert_eq!(
            (new.requests, new.errors, new.client_errors, new.timeouts, new.abandoned, new.broken),
            (7, 3, 2, 1, 1, 2)
        );
        assert_eq!(new.statuses, [(403, 1), (404, 1), (500, 1)]);
        assert_eq!(new.repeats, []);
        let waited = new.sketch(&Measure::Waited).and_then(|sketch| sketch.quantile(500)).unwrap();
        assert!((waited / 1_500.0 - 1.0).abs() <= 0.02, "{waited}");
        assert_eq!(new.sketch(&Measure::Latency).map(|sketch| sketch.count()), Some(5));
    }
    let own = |of| events(&counted[0], &of, Variant::New);
    assert_eq!(
        [Quantity::Errors, Quantity::ClientErrors, Quantity::Timeouts, Quantity::Abandoned, Quantity::Broken].map(own),
        [3, 2, 1, 1, 2]
    );
    assert_eq!(trials(&counted[0], Variant::New, None).0, 6, "six subjects, whatever came of their requests");
    assert_eq!(own(Quantity::Status(404)), 0, "no condition compares it");
}

#[test]
fn a_subject_or_client_that_fails_again_and_again_fails_once_a_minute() {
    let Isolate { snapshot, mut meter, .. } = Isolate::new("private");
    for (subject, client) in [(Some(1), None), (None, Some(1)), (None, None)] {
        for status in std::iter::repeat_n(404, 32).chain(std::iter::repeat_n(500, 32)) {
            meter.count(&visit(&snapshot, subject, client, Variant::Legacy, 0), answered(status));
        }
    }
    meter.count_broken(&visit(&snapshot, Some(1), None, Variant::Legacy, 0), true);
    let counted = meter.take().unwrap().counted;
    let legacy = tally(&counted[0], Variant::Legacy, None);
    assert_eq!((legacy.requests, legacy.errors, legacy.client_errors, legacy.broken), (192, 97, 96, 1));
    let repeats =
        [Quantity::Errors, Quantity::ClientErrors, Quantity::Status(404), Quantity::Status(500), Quantity::Broken]
            .map(|of| legacy.repeats(&of));
    assert_eq!(repeats, [63, 62, 62, 62, 0], "of a request without any name nobody knows whose it is");
    assert_eq!(
        (
            events(&counted[0], &Quantity::Errors, Variant::Legacy),
            events(&counted[0], &Quantity::ClientErrors, Variant::Legacy)
        ),
        (1, 1)
    );
    assert_eq!(counted[0].window.subjects.distinct(|_| true), 1.0, "a client is no subject");
    meter.count(&visit(&snapshot, Some(1), None, Variant::Legacy, 1), answered(500));
    let counted = meter.take().unwrap().counted;
    assert_eq!(tally(&counted[0], Variant::Legacy, None).repeats, [], "the next minute");
}

#[test]
fn statuses_that_a_condition_compares_become_evidence() {
    let text = r#"{"v":1,"revision":1,"rollouts":[{"key":"shop","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},
        "stage":[{"name":"full","percentage":100,"gates":["status.409_rate <= 1.5x legacy"]}],
        "guardrail":[{"when":"status.403_rate > legacy","then":"rollback"},{"when":"status.429_rate > 5%","then":"alert"}]}]}"#;
    let (catalogue, broken) = Catalogue::compile(text, None).unwrap();
    assert!(broken.is_empty(), "{broken:?}");
    let snapshot = Snapshot::new(Rc::new(catalogue), &States::default(), Vec::new());
    let mut meter = Meter::default();
    for subject in 0..10 {
        for status in [403, 403, 409, 429, 404] {
            meter.count(&visit(&snapshot, Some(subject), None, Variant::New, 0), answered(status));
        }
    }
    let counted = meter.take().unwrap().counted;
    let own = |status| events(&counted[0], &Quantity::Status(status), Variant::New);
    assert_eq!([403, 409, 429, 404].map(own), [10, 10, 0, 0]);
    let text = serde_json::to_string(&Batch { sequence: 1, counted: counted.clone(), reports: Vec::new() }).unwrap();
    assert_eq!(Batch::parse(&text).unwrap().counted, counted);
}

#[test]
fn an_id_that_everybody_seems_to_have_is_a_suspect() {
    let Isolate { snapshot, mut meter, .. } = Isolate::new("private");
    for n in 0..1_000_u64 {
        meter.count(&visit(&snapshot, Some(if n % 3 == 0 { 0 } else { n }), None, Variant::New, 0), answered(200));
        let _ = meter.take();
    }
    let (rollout, share) = meter.take_suspect().unwrap();
    assert_eq!(rollout.as_str(), "shop");
    assert!((share - 1.0 / 3.0).abs() < 0.02, "{share}");
    assert_eq!(meter.take_suspect(), None);
}

/// Sends requests of many users that take many different times, at two endpoints.
fn flood(isolate: &mut Isolate, requests: u64) {
    for n in 0..requests {
        isolate.now_ms = START_MS;
        let subject = Some(SubjectHash::of(&(n % 20_000).to_le_bytes()));
        let variant = if n % 2 == 0 { Variant::Legacy } else { Variant::New };
        let assignment = Assignment { variant, reason: Reason::Bucketed, stage: 0, bucket: None, revision: REVISION };
        let plan = isolate.snapshot.catalogue.plan(0).unwrap();
        let visit = Visit {
            plan,
            assigned: Assigned { number: 0, assignment, subject },
            path: "/api/cart",
            minute: MINUTE,
            client: None,
            has_opted_out: false,
            traits: None,
        };
        isolate.meter.count(
            &visit,
            Outcome {
                status: Some(if n % 5 == 0 { 400 + (n % 100) as u16 } else { 200 }),
                is_failure: n % 7 == 0,
                is_timeout: n % 11 == 0,
                latency: Some((n * 7 % 397) as i16 - 200),
            },
        );
    }
}

/// The rollout is at 50 %, so the bucket 1 is on new, and 60 % is not.
#[test]
fn who_chose_legacy_though_the_percentage_has_them_on_new_has_opted_out() {
    let mut isolate = Isolate::new("private");
    let chosen = |id, variant| Who { reason: Reason::Chosen, ..who(id, variant) };
    for (who, bucket) in [
        (who(1, Variant::New), 1),
        (chosen(2, Variant::Legacy), 1),
        (chosen(2, Variant::Legacy), 1),
        (chosen(3, Variant::New), 1),
        (chosen(4, Variant::Legacy), 60_000),
        (who(5, Variant::Legacy), 60_000),
    ] {
        isolate.bucket = bucket;
        isolate.ask(who, "/", PAGE, &[200]);
    }
    let counted = isolate.counted();
    let events: Vec<(&str, f64)> = counted
        .iter()
        .flat_map(|counted| &counted.window.events)
        .map(|(name, sample)| (name.as_str(), sample.distinct(|_| true)))
        .collect();
    assert_eq!(events, [("opted_out", 1.0)]);
}

#[test]
fn no_batch_is_too_long_to_be_stored_and_nothing_is_lost_between_them() {
    let mut isolate = Isolate::new("private");
    flood(&mut isolate, 100_000);
    let mut requests = 0;
    let mut exposures = 0;
    let mut batches = 0;
    while let Some(batch) = isolate.meter.take() {
        batches += 1;
        let text = serde_json::to_string(&batch).unwrap();
        assert!(text.len() < 1 << 20, "{}", text.len());
        assert_eq!(Batch::parse(&text).as_ref(), Ok(&batch));
        for counted in &batch.counted {
            requests +=
                tally(counted, Variant::Legacy, None).requests + tally(counted, Variant::New, Some("cart")).requests;
            exposures += trials(counted, Variant::Legacy, Some("api")).0;
        }
        assert_eq!(batch.sequence, batches);
    }
    assert!(batches > 1);
    assert_eq!((requests, exposures, isolate.meter.take_lost()), (100_000, 10_000, 0));
}

#[test]
fn reports_wait_up_to_a_number() {
    let mut meter = Meter::default();
    let long = name(&"e".repeat(100));
    let report = || Report {
        is_counted: true,
        rollout: name("shop"),
        revision: 1,
        minute: MINUTE,
        screen_minute: None,
        variant: Variant::New,
        endpoints: Vec::new(),
        nonce: "0".repeat(32),
        subject: 1,
        slice: None,
        network: None,
        is_view: true,
        js_errors: 0,
        scripts: Vec::new(),
        by: Vec::new(),
        is_mixed: false,
        measures: vec![(Measure::Timing(long.clone()), 5); 32],
        values: Vec::new(),
        events: vec![long.clone(); 16],
    };
    assert_eq!((0..2_000).filter(|_| meter.report(report())).count(), 500);
    let mut reports = 0;
    while let Some(batch) = meter.take() {
        reports += batch.reports.len();
        assert!(serde_json::to_string(&batch).unwrap().len() < 250_000);
    }
    assert_eq!(reports, 500);
    assert!(meter.report(report()));
    meter.stop();
    assert!(meter.report(report()) && !meter.has_counts(), "where nobody takes them, they are let go of");
}
