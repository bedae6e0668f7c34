//! Which of legacy's requests are copied to new, what of that is counted, and what is reported.

use tidegate::isolate::{Arrival, Setup};
use tidegate::model::measured::{Measure, Tally};
use tidegate::model::shadow::Difference;
use tidegate::model::variant::Variant;
use tidegate::protocol::diversion::OpenBreaker;
use tidegate::protocol::message::{AnswerText, RequestText};
use tidegate::protocol::shadow::{Body, Finished};
use tidegate::protocol::step::{Aside, NoAnswer, Step};

use crate::world::{Nothing, START_MS, World, written};

/// A site whose every visitor is on legacy, in virtual time.
struct Site {
    world: World,
    now_ms: f64,
    visitors: u32,
}

impl Site {
    /// `more` is added to the plan, before its stages.
    fn new(more: &str) -> Self {
        let mut world = World::new(&["a"]);
        let text = String::from_utf8(world.kv["plans"].clone()).unwrap();
        world.put("plans", &text.replacen(r#""stage""#, &format!(r#"{more},"stage""#), 1));
        world.put("stage/a", &written(9, "0"));
        world.isolate.set_up(Setup { id: "one".to_owned(), has_controller: true, ..Setup::default() });
        world.ask("a");
        Self { world, now_ms: START_MS as f64, visitors: 0 }
    }

    /// A request that legacy answers so: the steps at its beginning and at its end.
    #[track_caller]
    fn ask(&mut self, head: &str, headers: &str, answer: &str) -> (u32, Step, Step) {
        self.visitors += 1;
        let (method, path) = head.split_once(' ').unwrap();
        let headers = headers.replace(';', "\n");
        let text = format!("{method}\nhttps://shop.example/a{path}\nx-user-id:user-{}\n{headers}", self.visitors);
        let arrival = self.world.isolate.arrive(RequestText::new(text), &Nothing, true, self.now_ms);
        let Arrival::Begins(number, first) = arrival else { panic!("{arrival:?}") };
        let answered = Ok(AnswerText::new(answer.to_owned()));
        (number, first, self.world.isolate.go_on(number, answered, self.now_ms + 80.0))
    }

    /// Whether such a request is copied.
    #[track_caller]
    fn copies(&mut self, head: &str, headers: &str, answer: &str) -> bool {
        let (number, _, last) = self.ask(head, headers, answer);
        let is_copied = matches!(last, Step::Beside(Aside::Copy, _));
        assert_eq!(self.world.isolate.copy_beside(number).is_some(), is_copied);
        if is_copied {
            self.finish(number, Err(NoAnswer::new("timeout", String::new())), "", "");
        }
        self.now_ms += 1_000.0;
        is_copied
    }

    fn finish(&mut self, number: u32, outcome: Result<AnswerText, NoAnswer>, legacy: &str, new: &str) {
        let body = |text: &'static str| Body { bytes: Some(text.as_bytes()), is_whole: true };
        let (legacy, new) = (body(legacy.to_owned().leak()), body(new.to_owned().leak()));
        self.world.isolate.copied(number, &Finished { outcome, took_ms: 120.0, legacy, new, assets: "" }, self.now_ms);
    }

    fn tally(&mut self, variant: Variant) -> Tally {
        self.world.now_ms = self.now_ms as i64;
        self.world.pass(2_000);
        self.world.ask("a");
        self.world.pass(2_000);
        let counted = self.world.controller.stored.iter().flat_map(|batch| &batch.counted);
        let tallies = counted.filter_map(|counted| counted.window.tally(variant, None));
        tallies.fold(Tally::default(), |mut sum, tally| {
            sum.merge(tally);
            sum
        })
    }
}

const SHADOW: &str = r#""shadow":{"share":100,"max_rps":100,"paths":"/a/search"}"#;
const HTML: &str = "200\n\ncontent-type:text/html";

#[test]
fn what_reads_is_copied_and_nothing_that_changes_something_or_compares_nothing() {
    let mut site = Site::new(SHADOW);
    for (head, headers, answer) in [
        ("GET /x?y", "cookie:a=b", HTML),
        ("HEAD /x", "", HTML),
        ("GET /x", "", "404\n\ncontent-type:text/html"),
        ("GET /x", "", "302\nhttps://shop.example/a/y\nlocation:/a/y"),
        ("POST /search", "content-length:9", HTML),
        ("POST /search", "", HTML),
    ] {
        assert!(site.copies(head, headers, answer), "{head} {headers} {answer}");
    }
    for (head, headers, answer) in [
        ("POST /x", "content-length:9", HTML),
        ("PUT /search/x", "content-length:9", HTML),
        ("DELETE /x", "", HTML),
        ("GET /x", "content-length:9", HTML),
        ("POST /search", "content-length:65537", HTML),
        ("POST /search", "transfer-encoding:chunked", HTML),
        ("OPTIONS /search", "origin:https://x.example;access-control-request-method:POST", HTML),
        ("GET /x", "upgrade:websocket;connection:upgrade", "101\n"),
        ("GET /x", "range:bytes=0-", HTML),
        ("GET /x", "if-none-match:\"a\"", HTML),
        ("GET /x", "user-agent:Googlebot/2.1 (+http://www.google.com/bot.html)", HTML),
        ("GET /x", "", "500\n\ncontent-type:text/html"),
        ("GET /x", "", "304\n"),
        ("GET /x", "", "206\n"),
    ] {
        assert!(!site.copies(head, headers, answer), "{head} {headers} {answer}");
    }
    let mut none = Site::new(r#""shadow":{"share":0}"#);
    assert!((0..100).all(|_| !none.copies("GET /x", "", HTML)));
}

#[test]
fn a_copy_goes_to_new_with_its_mark_and_its_body_is_kept() {
    let mut site = Site::new(SHADOW);
    let (number, first, _) = site.ask("POST /search?q", "content-length:9;cookie:a=b;tidegate-shadow:0", HTML);
    assert!(matches!(first, Step::Beside(Aside::Spare, _)));
    let (ask, bytes_max) = site.world.isolate.copy_beside(number).unwrap();
    let text = ask.to_text(number);
    assert!(text.starts_with(&format!("ask\n{number}\n10000\n\nhttps://n.example/a/search?q\n")), "{text}");
    for edit in ["=tidegate-shadow:1", "=tidegate-variant:new", "=tidegate-rollout:a", "=tidegate-stage:canary"] {
        assert!(text.lines().any(|line| line == edit), "{edit} {text}");
    }
    assert!(!text.contains("cookie"), "{text}");
    assert_eq!(bytes_max, 262_144);
    let mut bare = Site::new(r#""shadow":{"share":100,"max_kb":0,"credentials":false}"#);
    let (number, first, _) = bare.ask("GET /x", "cookie:a=b;authorization:Basic x", HTML);
    assert!(matches!(first, Step::Ask { .. }));
    let (ask, bytes_max) = bare.world.isolate.copy_beside(number).unwrap();
    let text = ask.to_text(number);
    assert!(text.contains("\n-cookie") && text.contains("\n-authorization"), "{text}");
    assert_eq!(bytes_max, 0);
}

#[test]
fn a_share_is_drawn_and_seconds_and_copies_under_way_are_bounded() {
    let mut site = Site::new(r#""shadow":{"share":20,"max_rps":100}"#);
    let copied = (0..2_000).filter(|_| site.copies("GET /x", "", HTML)).count();
    assert!((320..480).contains(&copied), "{copied} of 2,000");

    let mut site = Site::new(r#""shadow":{"share":100,"max_rps":3}"#);
    let mut begun = Vec::new();
    for _ in 0..50 {
        begun.extend(Some(site.ask("GET /x", "", HTML)).filter(|(.., last)| matches!(last, Step::Beside(..))));
    }
    assert_eq!(begun.len(), 3, "in one moment");

    let mut site = Site::new(SHADOW);
    let hanging = (0..50).filter(|_| matches!(site.ask("GET /x", "", HTML).2, Step::Beside(..))).count();
    assert_eq!(hanging, 16, "while none of them ends");
    site.now_ms += 41_000.0;
    assert!(site.copies("GET /x", "", HTML), "what is lost makes room");
}

#[test]
fn a_copy_is_no_request_and_no_exposure_and_counts_by_itself() {
    let mut site = Site::new(SHADOW);
    for (outcome, new) in [
        (Ok("200\n\ncontent-type:text/html"), "<title>A</title>"),
        (Ok("200\n\ncontent-type:text/html"), "<title>B</title>"),
        (Ok("503\n\ncontent-type:text/html"), ""),
        (Err("timeout"), ""),
    ] {
        let (number, ..) = site.ask("GET /orders/4711?token=x", "", HTML);
        let outcome = outcome
            .map(|text: &str| AnswerText::new(text.to_owned()))
            .map_err(|why: &str| NoAnswer::new(why, String::new()));
        site.finish(number, outcome, "<title>A</title>", new);
    }
    let (new, legacy) = (site.tally(Variant::New), site.tally(Variant::Legacy));
    assert_eq!((new.shadowed, new.shadow_errors, new.shadow_mismatches), (4, 2, 3));
    assert_eq!((new.requests, new.errors, new.timeouts, new.pages), (0, 0, 0, 0));
    let latencies = |tally: &Tally| tally.sketch(&Measure::ShadowLatency).map_or(0, |sketch| sketch.count());
    assert_eq!((latencies(&new), latencies(&legacy)), (3, 3), "of copies that were answered");
    assert_eq!(legacy.errors, 0);
    let counted = site.world.controller.stored.iter().flat_map(|batch| &batch.counted);
    let on_new: usize = counted.map(|own| own.window.subjects.iter().filter(|seen| seen.is_new).count()).sum();
    assert_eq!(on_new, 0);
    let samples: Vec<_> = site.world.controller.flushes.iter().flat_map(|flush| &flush.shadow).collect();
    let reported: Vec<_> =
        samples.iter().map(|own| (own.sample.path.as_str(), own.sample.differences.clone())).collect();
    let of = |difference| ("/a/orders/*", vec![difference]);
    assert_eq!(reported, [of(Difference::Title), of(Difference::Status), of(Difference::NoAnswer)]);
    assert!(!serde_json::to_string(&samples).unwrap().contains("token"));
}

#[test]
fn nothing_is_copied_once_it_is_killed() {
    for (key, text) in [("kill/a", "now"), ("stage/a", "off")] {
        let mut site = Site::new(SHADOW);
        assert!(site.copies("GET /x", "", HTML));
        site.world.put(key, text);
        site.world.restart(true);
        site.world.ask("a");
        assert!(!site.copies("GET /x", "", HTML), "{key}");
    }
}

/// What other isolates say of new's breaker, and what this one has seen itself, keep copies from it.
#[test]
fn nothing_is_copied_while_new_is_left_alone() {
    let mut site = Site::new(SHADOW);
    assert!(site.copies("GET /x", "", HTML));
    let new = "https://n.example".to_owned();
    site.world.controller.breakers = vec![OpenBreaker { rollout: "a".to_owned(), new, endpoint: None }];
    let hear = |site: &mut Site| {
        site.now_ms += 1_000.0;
        site.world.now_ms = site.now_ms as i64;
        site.world.ask("a");
        site.world.pass(2_000);
        site.now_ms = site.world.now_ms as f64;
    };
    hear(&mut site);
    assert!((0..3).all(|_| !site.copies("GET /x", "", HTML)), "it is down elsewhere");
    site.world.controller.breakers.clear();
    hear(&mut site);
    site.now_ms += 6_000.0;
    assert!(site.copies("GET /x", "", HTML), "nobody says so any more");
}

#[test]
fn nothing_is_copied_while_its_own_breaker_is_open() {
    let mut site = Site::new(&format!(r#"{SHADOW},"identity":{{"from":["header:x-user-id"]}}"#));
    site.world.put("stage/a", &written(10, "50"));
    site.now_ms += 6_000.0;
    site.world.now_ms = site.now_ms as i64;
    site.world.ask("a");
    assert!((0..40).any(|_| site.copies("GET /x", "", HTML)), "half of them are legacy's");
    for visitor in 0..200 {
        let text = format!("GET\nhttps://shop.example/a/x\nx-user-id:other-{visitor}");
        let arrival = site.world.isolate.arrive(RequestText::new(text), &Nothing, true, site.now_ms);
        let Arrival::Begins(number, mut step) = arrival else { panic!("{arrival:?}") };
        while let Step::Ask { url, .. } = &step {
            let down = Err(NoAnswer::new("unreachable", String::new()));
            let outcome = if url.starts_with("https://n.") { down } else { Ok(AnswerText::new(HTML.to_owned())) };
            step = site.world.isolate.go_on(number, outcome, site.now_ms);
        }
        if let Step::Beside(Aside::Copy, _) = step {
            site.finish(number, Err(NoAnswer::new("unreachable", String::new())), "", "");
        }
    }
    assert!((0..4).all(|_| !site.copies("GET /x", "", HTML)), "a new that is down gets no copies");
}

/// The addresses of assets that are asked for behind a copy of a page of new.
fn assets(site: &mut Site, page: &str) -> Vec<String> {
    let (number, _, last) = site.ask("GET /page", "cookie:a=b", HTML);
    assert!(matches!(last, Step::Beside(Aside::Copy, _)));
    let answer = AnswerText::new(HTML.to_owned());
    let body = Body { bytes: Some(page.as_bytes()), is_whole: true };
    let text = site.world.isolate.assets_beside(number, &answer, body, site.now_ms);
    assert!(!text.contains("a=b"), "as nobody in particular: {text}");
    site.finish(number, Ok(answer), "", "");
    site.now_ms += 1_000.0;
    text.lines().nth(2).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_few_assets_of_a_page_are_asked_for_out_of_the_budget_and_none_of_another_host() {
    let mut site = Site::new(SHADOW);
    let load = |path: &str| format!("<script src='{path}'></script>");
    let own: Vec<String> = (0..9).map(|n| load(&format!("/a/{n}.js"))).collect();
    let mut asked: Vec<String> = Vec::new();
    for _ in 0..9 {
        let some = assets(&mut site, &own.concat());
        assert!(some.len() <= 2, "{some:?}");
        asked.extend(some);
    }
    asked.sort();
    let all: Vec<String> = (0..9).map(|n| format!("https://n.example/a/{n}.js")).collect();
    assert_eq!(asked, all, "each once");
    let hosts =
        ["https://cdn.example/a/x.js", "//cdn.example/a/x.js", "/b/elsewhere.js", "x.js", "data:,x", "/a/x y.js"];
    assert_eq!(assets(&mut site, &hosts.map(load).concat()), [""; 0]);
    let named = ["https://shop.example/a/p.js?v=1", "//n.example/a/q.js"].map(load);
    let mut both = assets(&mut site, &named.concat());
    both.sort();
    assert_eq!(both, ["https://n.example/a/p.js?v=1", "https://n.example/a/q.js"]);
    let mut slow = Site::new(r#""shadow":{"share":100,"max_rps":1}"#);
    assert_eq!(assets(&mut slow, &own.concat()).len(), 0, "the copy has used the second's budget");
    let mut none = Site::new(r#""shadow":{"share":100,"compare":{"ignore":["assets"]}}"#);
    assert_eq!(assets(&mut none, &own.concat()), [""; 0]);
}
