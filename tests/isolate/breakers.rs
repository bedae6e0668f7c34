//! New is left alone while it fails: who is on new gets legacy at once, and it counts.

use tidegate::isolate::{Arrival, Setup};
use tidegate::model::measured::Tally;
use tidegate::model::variant::Variant;
use tidegate::protocol::diversion::OpenBreaker;
use tidegate::protocol::message::{AnswerText, RequestText};
use tidegate::protocol::step::{NoAnswer, Step};

use crate::world::{Nothing, START_MS, World};

/// A site whose every visitor is on new, in virtual time.
struct Site {
    world: World,
    now_ms: f64,
    visitors: u32,
}

const NEW: &str = "https://n.example";
const LEGACY: &str = "https://l.example";

impl Site {
    /// `more` is added to the plan: fields of `upstreams`, and others.
    fn new(upstreams: &str, more: &str) -> Self {
        let mut world = World::new(&["a"]);
        let text = String::from_utf8(world.kv["plans"].clone()).unwrap();
        let text = text.replacen(r#"n.example""#, &format!(r#"n.example"{upstreams}"#), 1);
        world.put("plans", &text.replacen(r#""stage""#, &format!(r#"{more}"stage""#), 1));
        world.isolate.set_up(Setup { id: "one".to_owned(), has_controller: true, ..Setup::default() });
        world.ask("a");
        Self { world, now_ms: START_MS as f64, visitors: 0 }
    }

    /// Sends a request; where it is asked for first.
    #[track_caller]
    fn begin(&mut self, method: &str, path: &str) -> (u32, &'static str) {
        self.visitors += 1;
        let text = format!("{method}\nhttps://shop.example/a{path}\nx-user-id:user-{}", self.visitors);
        match self.world.isolate.arrive(RequestText::new(text), &Nothing, true, self.now_ms) {
            Arrival::Begins(number, Step::Ask { url, .. }) => (number, side(&url)),
            other => panic!("{other:?}"),
        }
    }

    fn go_on(&mut self, number: u32, outcome: Result<u16, &str>) -> Step {
        let outcome = match outcome {
            Ok(status) => Ok(AnswerText::new(format!("{status}\n\ncontent-type:text/plain"))),
            Err(why) => Err(NoAnswer::new(why, "nothing came".into())),
        };
        self.world.isolate.go_on(number, outcome, self.now_ms)
    }

    /// A GET that new answers so; what the visitor gets, if new is asked at all, is legacy's 200 where new fails.
    #[track_caller]
    fn new_answers(&mut self, path: &str, outcome: Result<u16, &str>) {
        let (number, first) = self.begin("GET", path);
        assert_eq!(first, NEW, "it is asked");
        if let Step::Ask { .. } = self.go_on(number, outcome) {
            self.go_on(number, Ok(200));
        }
    }

    fn tally(&mut self) -> Tally {
        self.world.now_ms = self.now_ms as i64;
        self.world.pass(2_000);
        self.world.ask("a");
        self.world.pass(2_000);
        let counted = self.world.controller.stored.iter().flat_map(|batch| &batch.counted);
        let tallies = counted.filter_map(|counted| counted.window.tally(Variant::New, None));
        tallies.fold(Tally::default(), |mut sum, tally| {
            sum.merge(tally);
            sum
        })
    }

    /// What the isolate reports to the others, and then learns.
    fn flush(&mut self, reported: Vec<OpenBreaker>) -> Vec<OpenBreaker> {
        self.world.controller.breakers = reported;
        self.now_ms += 2_000.0;
        self.world.now_ms = self.now_ms as i64;
        self.world.ask("a");
        self.world.pass(2_000);
        self.now_ms += 2_000.0;
        self.world.controller.flushes.pop().unwrap().breakers
    }

    fn events(&mut self) -> Vec<&'static str> {
        let events = self.world.isolate.take_log().into_iter().map(|line| line.event);
        events.filter(|event| event.starts_with("breaker")).collect()
    }
}

fn side(url: &str) -> &'static str {
    if url.starts_with(NEW) { NEW } else { LEGACY }
}

#[track_caller]
fn is_rescued(step: &Step) {
    let Step::Answer { edits: Some(edits), .. } = step else { panic!("{step:?}") };
    let edits = edits.as_str();
    assert!(edits.contains("=tidegate-reason:rescued") && edits.contains("=tidegate-variant:legacy"), "{edits}");
}

#[test]
fn after_five_time_outs_legacy_answers_at_once_posts_too_and_it_counts_against_new() {
    let mut site = Site::new("", "");
    (0..5).for_each(|_| site.new_answers("/x", Err("timeout")));
    assert_eq!(site.events(), ["breaker_open"]);
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
        let (number, first) = site.begin(method, "/x");
        assert_eq!(first, LEGACY, "{method}");
        is_rescued(&site.go_on(number, Ok(200)));
    }
    let Tally { requests, errors, rescued, .. } = site.tally();
    assert_eq!((requests, errors, rescued), (10, 10, 10));
}

#[test]
fn a_probe_ends_it_and_its_visitor_is_rescued_where_it_fails() {
    let mut site = Site::new("", "");
    (0..5).for_each(|_| site.new_answers("/x", Err("timeout")));
    site.now_ms += 6_100.0;
    let (probe, first) = site.begin("GET", "/x");
    assert_eq!((first, site.begin("GET", "/x").1), (NEW, LEGACY), "one at a time");
    assert!(matches!(site.go_on(probe, Err("timeout")), Step::Ask { url, .. } if url.starts_with(LEGACY)));
    is_rescued(&site.go_on(probe, Ok(200)));
    site.now_ms += 6_100.0;
    assert_eq!(site.begin("GET", "/x").1, LEGACY, "the pause is twice as long now");
    site.now_ms += 6_100.0;
    site.new_answers("/x", Ok(200));
    site.new_answers("/x", Ok(200));
    assert_eq!(site.events(), ["breaker_open", "breaker_closed"]);
}

#[test]
fn a_failing_endpoint_does_not_take_the_rest_with_it() {
    let mut site = Site::new("", r#""endpoints":{"api":"path:/a/api/*","x":"path:/a/api/x"},"#);
    (0..20).for_each(|_| site.new_answers("/api/x", Ok(503)));
    assert_eq!(site.begin("GET", "/api/x").1, LEGACY);
    assert_eq!((site.begin("GET", "/api/y").1, site.begin("GET", "/page").1), (NEW, NEW));
}

#[test]
fn the_plan_may_keep_what_writes_or_all_from_it() {
    for (upstreams, more, get, post) in [
        (r#","breaker":"reads""#, "", LEGACY, NEW),
        (r#","breaker":false"#, "", NEW, NEW),
        (r#","rescue":false"#, "", NEW, NEW),
        ("", r#""path":[{"match":"/a/*","breaker":false}],"#, NEW, NEW),
    ] {
        let mut site = Site::new(upstreams, more);
        (0..5).for_each(|_| site.new_answers("/x", Err("timeout")));
        let firsts = (site.begin("GET", "/x").1, site.begin("POST", "/x").1);
        assert_eq!(firsts, (get, post), "{upstreams}{more}");
    }
}

#[test]
fn a_clients_error_says_nothing_of_new() {
    let mut site = Site::new("", r#""failure":["4xx","5xx"],"#);
    (0..40).for_each(|_| site.new_answers("/x", Ok(404)));
    assert_eq!(site.begin("GET", "/x").1, NEW);
}

#[test]
fn where_legacy_fails_too_new_is_asked_and_the_breaker_closes() {
    let mut site = Site::new("", "");
    (0..5).for_each(|_| site.new_answers("/x", Err("timeout")));
    let (number, first) = site.begin("GET", "/x");
    assert_eq!(first, LEGACY);
    let step = site.go_on(number, Ok(502));
    assert!(matches!(&step, Step::Ask { url, .. } if url.starts_with(NEW)), "{step:?}");
    let Step::Answer { edits: Some(edits), .. } = site.go_on(number, Ok(200)) else { panic!("it is passed on") };
    assert!(edits.as_str().contains("=tidegate-variant:new"), "{}", edits.as_str());
    assert_eq!(site.events(), ["breaker_open", "breaker_closed"]);
    assert_eq!(site.begin("POST", "/x").1, NEW, "nobody is sent to one that is down");
}

#[test]
fn a_probe_whose_client_leaves_makes_way_for_another() {
    let mut site = Site::new("", "");
    (0..5).for_each(|_| site.new_answers("/x", Err("timeout")));
    site.now_ms += 6_100.0;
    let (probe, _) = site.begin("GET", "/x");
    let now_ms = site.now_ms;
    site.world.isolate.abandon(probe, true, now_ms);
    assert_eq!(site.begin("GET", "/x").1, NEW);
}

#[test]
fn legacy_has_no_breaker() {
    let mut site = Site::new("", "");
    site.world.put("stage/a", "0");
    site.world.pass(6_000);
    site.world.ask("a");
    for _ in 0..30 {
        let (number, first) = site.begin("GET", "/x");
        assert_eq!(first, LEGACY);
        site.go_on(number, Err("timeout"));
    }
    assert_eq!((site.begin("GET", "/x").1, site.events().len()), (LEGACY, 0));
}

#[test]
fn what_one_isolate_has_seen_makes_one_request_of_another_a_probe() {
    let endpoints = r#""endpoints":{"api":"path:/a/api/*"},"#;
    let mut seeing = Site::new("", endpoints);
    (0..20).for_each(|_| seeing.new_answers("/api/x", Ok(503)));
    let reported = seeing.flush(Vec::new());
    let endpoint = Some("api".to_owned());
    assert_eq!(reported, [OpenBreaker { rollout: "a".to_owned(), new: NEW.to_owned(), endpoint }]);

    let mut hearing = Site::new("", endpoints);
    assert_eq!(hearing.flush(reported.clone()), [], "it has seen nothing");
    assert_eq!(hearing.begin("GET", "/page").1, NEW, "another endpoint");
    let (probe, first) = hearing.begin("GET", "/api/x");
    let (other, second) = hearing.begin("GET", "/api/x");
    assert_eq!((first, second), (NEW, LEGACY), "one at a time");
    is_rescued(&hearing.go_on(other, Ok(200)));
    assert!(matches!(hearing.go_on(probe, Ok(503)), Step::Ask { url, .. } if url.starts_with(LEGACY)));
    is_rescued(&hearing.go_on(probe, Ok(200)));
    assert_eq!(hearing.begin("POST", "/api/x").1, LEGACY);
    assert_eq!(hearing.events(), ["breaker_reported", "breaker_open"]);
    let Tally { requests, errors, rescued, .. } = hearing.tally();
    assert_eq!(
        (requests, errors, rescued),
        (2, 2, 1),
        "the probe and the POST; what was kept from new on a report of others not"
    );

    let mut healthy = Site::new("", endpoints);
    healthy.flush(reported.clone());
    healthy.new_answers("/api/x", Ok(200));
    healthy.new_answers("/api/x", Ok(200));
    assert_eq!(healthy.events(), ["breaker_reported"]);
    assert_eq!(healthy.flush(reported), [], "it has seen that new answers");
    assert_eq!((healthy.begin("GET", "/api/x").1, healthy.begin("GET", "/api/x").1), (NEW, NEW));
}

#[test]
fn what_others_say_of_another_upstream_says_nothing() {
    let mut site = Site::new("", "");
    let reported = OpenBreaker { rollout: "a".to_owned(), new: "https://elsewhere.example".to_owned(), endpoint: None };
    site.flush(vec![reported]);
    assert_eq!((site.begin("GET", "/x").1, site.begin("GET", "/x").1), (NEW, NEW));
}
