//! The law of what crosses into the machine and back: a request that comes without the headers that nobody needs, and
//! whose steps go out as shapes, is sent, answered and counted as one that comes with all of them. Over random plans,
//! requests, answers and changes, kills in mid-flight among them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::cell::Cell;
use std::collections::HashMap;

use fastrand::Rng;
use tidegate_isolate::{Arrival, Effect, Encoded, Input, Isolate, Platform, Setup};
use tidegate_model::Instant;
use tidegate_protocol::message::{AnswerText, RequestText};
use tidegate_protocol::needed::{Need, names_others};
use tidegate_protocol::step::NoAnswer;

const START_MS: i64 = 29_000_000 * 60_000;
const KEYS: [&str; 3] = ["shop", "banner", "search"];

type Header = (String, String);

/// A platform that mints the ids `1`, `2`, … of the right length.
#[derive(Default)]
struct Minting(Cell<u64>);

impl Platform for Minting {
    fn country(&self) -> Option<String> {
        Some("DE".to_owned())
    }

    fn text(&self, name: &str) -> Option<String> {
        (name == "LOGIN").then(|| "a key of thirty-two bytes, or so".to_owned())
    }

    fn id(&self) -> Option<String> {
        self.0.set(self.0.get() + 1);
        Some(format!("{:022}", self.0.get()))
    }
}

/// One isolate, and how requests come to it.
struct Site {
    isolate: Isolate,
    platform: Minting,
    is_short: bool,
    shapes: HashMap<u32, String>,
    /// What it sent to the controller.
    flushes: Vec<String>,
}

/// What is done next, as the world outside sees it.
#[derive(Debug, PartialEq)]
enum Seen {
    Asked { timeout: String, service: String, url: String, headers: Vec<Header> },
    Answered { watch: String, which: String, headers: Vec<Header> },
    Other(String),
}

impl Site {
    fn new(is_short: bool) -> Self {
        let text = |name: &str| (name == "SIGNING_KEY").then(|| "a key of thirty-two bytes, or so".to_owned());
        let mut isolate = Isolate::default();
        isolate.set_up(Setup::read(text, Some("one".to_owned()), Some(7), true).0);
        Self { isolate, platform: Minting::default(), is_short, shapes: HashMap::new(), flushes: Vec::new() }
    }

    fn input(&mut self, input: Input, kv: &HashMap<String, String>, now_ms: i64) {
        let now = Instant::from_epoch_ms(now_ms);
        let mut open = self.isolate.handle(input, now);
        let mut has_waited = false;
        while let Some(effect) = open.pop() {
            let input = match effect {
                Effect::ReadTexts(read) => {
                    let texts = read.keys().into_iter().filter_map(|key| Some((key.clone(), kv.get(&key)?.clone())));
                    let texts = texts.collect();
                    Input::Texts(read, Ok(texts))
                }
                Effect::ReadList(read) => Input::List(read, Ok(None)),
                Effect::LoadCopy => Input::CopyLoaded(Ok(None)),
                Effect::SaveCopy(_) => Input::CopySaved(Ok(())),
                Effect::AskController(ask) => {
                    self.flushes.push(ask.text.clone());
                    Input::Answered(ask, Err("gone".to_owned()))
                }
                // What would be sent later goes down with its request.
                Effect::Wait(_, run) if !std::mem::replace(&mut has_waited, true) => Input::Waited(run),
                _ => continue,
            };
            open.extend(self.isolate.handle(input, now));
        }
    }

    /// A text of these headers, as `border.js` makes it.
    fn text(&self, head: &str, headers: &[Header], is_of_request: bool) -> String {
        let named = self.isolate.named();
        let need = |name: &str| if is_of_request { named.of_request(name) } else { named.of_answer(name) };
        let is_all =
            !self.is_short || headers.iter().any(|(name, value)| need(name) == Need::All && names_others(value));
        let taken = headers.iter().filter(|(name, _)| is_all || need(name) != Need::None);
        taken.fold(head.to_owned(), |text, (name, value)| format!("{text}\n{name}:{value}"))
    }

    fn arrive(&mut self, request: &Request, kv: &HashMap<String, String>, now_ms: i64) -> (u32, Seen) {
        let all = request.headers.iter().fold(request.head(), |text, (name, value)| format!("{text}\n{name}:{value}"));
        let text = self.text(&request.head(), &request.headers, true);
        let now = now_ms as f64;
        let step = self.take(text, false, now);
        if step.2 != "wait" {
            return self.seen(step, request, &[]);
        }
        let (host, path) = ("shop.example".to_owned(), request.path().to_owned());
        self.input(Input::RequestWaits { host, path }, kv, now_ms);
        for (token, text) in self.isolate.pending(&RequestText::new(all.clone()), &self.platform, now) {
            self.input(Input::TokenBrought(token, text), kv, now_ms);
        }
        let step = self.take(all, true, now);
        self.seen(step, request, &[])
    }

    /// The number, the own edits, and all of the step or its shape.
    fn take(&mut self, text: String, has_waited: bool, now_ms: f64) -> (u32, String, String) {
        let request = RequestText::new(text);
        if self.is_short {
            let step = self.isolate.arrive_encoded(request, &self.platform, has_waited, now_ms);
            return self.step(step);
        }
        let arrival = self.isolate.arrive(request, &self.platform, has_waited, now_ms);
        let number = if let Arrival::Begins(number, _) = &arrival { *number } else { 0 };
        (number, String::new(), arrival.to_text())
    }

    fn step(&mut self, step: Encoded) -> (u32, String, String) {
        match step {
            Encoded::Text(text) => {
                let number = text.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0);
                (number, String::new(), text)
            }
            Encoded::Shape { number, shape, own } => {
                let isolate = &self.isolate;
                let text = self.shapes.entry(shape).or_insert_with(|| isolate.shape(shape).unwrap().to_string());
                (number, own, format!("shape {text}"))
            }
        }
    }

    fn go_on(
        &mut self,
        number: u32,
        outcome: &Result<Answer, NoAnswer>,
        request: &Request,
        before: &[Header],
        now_ms: i64,
    ) -> (u32, Seen) {
        let now = now_ms as f64;
        let step = match outcome {
            Err(error) => {
                let step = self.isolate.go_on(number, Err(error.clone()), now);
                (number, String::new(), step.to_text(number))
            }
            Ok(answer) => {
                let text = AnswerText::new(self.text(&format!("{}\n", answer.status), &answer.headers, false));
                if self.is_short {
                    let step = self.isolate.go_on_encoded(number, text, now);
                    self.step(step)
                } else {
                    (number, String::new(), self.isolate.go_on(number, Ok(text), now).to_text(number))
                }
            }
        };
        let last = outcome.as_ref().map_or(&[][..], |answer| &answer.headers);
        let headers = if step.2.contains("\nbefore") { before } else { last };
        let (seen_number, seen) = self.seen(step, request, headers);
        (if seen_number == 0 { number } else { seen_number }, seen)
    }

    /// What comes of a step for whoever sees only requests and answers.
    fn seen(&self, (number, own, text): (u32, String, String), request: &Request, answer: &[Header]) -> (u32, Seen) {
        let (text, is_shape) = text.strip_prefix("shape ").map_or((text.as_str(), false), |text| (text, true));
        let mut lines = text.split('\n');
        let kind = lines.next().unwrap_or_default();
        let number = if is_shape { number } else { lines.next().and_then(|line| line.parse().ok()).unwrap_or(number) };
        let mut next = || lines.next().unwrap_or_default().to_owned();
        let seen = match kind {
            "ask" => {
                let (timeout, service, base) = (next(), next(), next());
                let url = if is_shape { base + request.path_and_query() } else { base };
                let headers = edited(&request.headers, lines, &request.headers);
                Seen::Asked { timeout, service, url, headers }
            }
            "answer" => {
                let (watch, which) = (next(), next());
                let has_own = is_shape && next() == "1";
                assert_eq!(has_own, !own.is_empty());
                let headers = edited(answer, lines.chain(own.lines()), &request.headers);
                Seen::Answered { watch, which, headers }
            }
            _ => Seen::Other(text.to_owned()),
        };
        (number, seen)
    }
}

/// Headers as edits leave them, by name; several of a name in their order.
fn edited<'a>(headers: &[Header], edits: impl Iterator<Item = &'a str>, asked: &[Header]) -> Vec<Header> {
    let mut all = headers.to_vec();
    for edit in edits.filter(|edit| !edit.is_empty()) {
        let (mark, rest) = edit.split_at(1);
        let (name, value) = rest.split_once(':').unwrap_or((rest, ""));
        let own = all.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone()).unwrap_or_default();
        let set = match mark {
            "-" => None,
            "=" | "+" => Some(value.to_owned()),
            "@" => asked.iter().find(|(own, _)| own == value).map(|(_, value)| value.clone()),
            "~" => Some(format!("{}{value}\"", own.strip_suffix('"').unwrap())),
            other => panic!("{other} in {edit}"),
        };
        if mark != "+" {
            all.retain(|(own, _)| own != name);
        }
        all.extend(set.map(|value| (name.to_owned(), value)));
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

struct Request {
    method: &'static str,
    url: String,
    headers: Vec<Header>,
}

impl Request {
    fn head(&self) -> String {
        format!("{}\n{}", self.method, self.url)
    }

    fn path_and_query(&self) -> &str {
        let rest = self.url.split_once("://").unwrap().1;
        let rest = rest.split('#').next().unwrap();
        &rest[rest.find('/').unwrap()..]
    }

    fn path(&self) -> &str {
        self.path_and_query().split('?').next().unwrap()
    }
}

#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<Header>,
}

fn one<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// Some of a pool, in the order of their names, as the platform gives them.
fn some(random: &mut Rng, pool: &[(&str, &[&str])], share: f64) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for (name, values) in pool {
        if random.f64() < share {
            headers.push(((*name).to_owned(), one(random, values).to_owned()));
        }
    }
    headers.sort();
    headers
}

const COOKIES: [&str; 7] = [
    "uid=ana; theme=dark",
    "uid=ben",
    "theme=dark",
    "partner=yes; uid=ana",
    "__Host-tidegate-id=AAAAAAAAAAAAAAAAAAAAAA",
    "__Host-tidegate-visit-shop=shop~new~1~2~shop.example.x; uid=cy",
    "__Host-tidegate-choice-shop=x; __Host-tidegate-preview-shop=y",
];

const ASKED: &[(&str, &[&str])] = &[
    ("accept", &["*/*", "text/html,*/*;q=0.8", "text/css"]),
    ("accept-encoding", &["gzip, br"]),
    ("accept-language", &["en", "de"]),
    ("access-control-request-method", &["PUT"]),
    ("authorization", &["Bearer a.b.c", "Basic eDp5"]),
    ("cache-control", &["no-cache"]),
    ("cf-connecting-ip", &["192.0.2.1", "2001:db8::1", "shop.example"]),
    ("cf-ray", &["8a", "8b"]),
    ("client-ip", &["9.9.9.9"]),
    ("connection", &["keep-alive", "close", "x-trace, close", "Upgrade"]),
    ("content-length", &["0", "3"]),
    ("cookie", &COOKIES),
    ("forwarded", &["for=1"]),
    ("if-match", &["\"a~tg-n\"", "\"a\""]),
    ("if-modified-since", &["Wed, 21 Oct 2026 07:28:00 GMT"]),
    ("if-none-match", &["\"a~tg-l\"", "\"a~tg-n\", W/\"b\"", "*"]),
    ("if-range", &["\"a~tg-n\"", "Wed, 21 Oct 2026 07:28:00 GMT"]),
    ("if-unmodified-since", &["Wed, 21 Oct 2026 07:28:00 GMT"]),
    ("origin", &["https://shop.example", "https://evil.example"]),
    ("proxy-authorization", &["Basic eDp5"]),
    ("range", &["bytes=0-1"]),
    ("referer", &["https://shop.example/shop/x", "https://other.example/"]),
    ("sec-fetch-dest", &["document", "script", "empty", "image", "manifest", "iframe", "serviceworker"]),
    ("sec-fetch-mode", &["navigate", "no-cors", "cors"]),
    ("sec-fetch-site", &["same-origin", "cross-site"]),
    ("service-worker", &["script"]),
    ("te", &["trailers"]),
    ("tidegate-variant", &["new"]),
    ("transfer-encoding", &["chunked"]),
    ("upgrade", &["websocket", "h2c"]),
    ("user-agent", &["Mozilla/5.0 Firefox/130", "Googlebot/2.1", "probe/1"]),
    ("x-department", &["sales", "legal"]),
    ("x-forwarded-for", &["1.1.1.1"]),
    ("x-forwarded-port", &["1"]),
    ("x-late", &["1"]),
    ("x-original-url", &["/admin"]),
    ("x-probe", &["yes"]),
    ("x-real-ip", &["1.1.1.1"]),
    ("x-request-id", &["1", "2"]),
    ("x-trace", &["1"]),
    ("x-user-id", &["ana", "dan", "null"]),
    ("x_custom", &["1"]),
    ("x_forwarded_host", &["evil"]),
];

const ANSWERED: &[(&str, &[&str])] = &[
    ("access-control-allow-origin", &["https://n.example", "*"]),
    ("alt-svc", &["h3"]),
    ("cache-control", &["public, max-age=60", "private, no-store", "no-cache", "max-age=1, s-maxage=2"]),
    ("cdn-cache-control", &["max-age=9"]),
    ("connection", &["x-secret", "close"]),
    ("content-length", &["5", "5000000"]),
    ("content-location", &["https://n.example/shop/y"]),
    ("content-type", &["text/html; charset=utf-8", "text/css", "application/json"]),
    ("date", &["Wed, 21 Oct 2026 07:28:00 GMT"]),
    ("etag", &["\"a\"", "W/\"b\"", "odd", "\"", "\"\""]),
    ("expires", &["0"]),
    ("link", &["<https://n.example/a.css>; rel=preload"]),
    ("location", &["https://n.example/shop/z", "/shop/a", "#x"]),
    ("proxy-connection", &["close"]),
    ("refresh", &["0;url=https://n.example/"]),
    ("server", &["nginx"]),
    ("server-timing", &["db;dur=1"]),
    ("set-cookie", &["a=1; Domain=n.example", "uid=ana; Path=/"]),
    ("surrogate-control", &["max-age=9"]),
    ("vary", &["Cookie"]),
    ("x-build", &["7", "8"]),
    ("x-late-build", &["1"]),
    ("x-secret", &["1"]),
];

fn request(random: &mut Rng) -> Request {
    let paths =
        ["/shop/a", "/shop/app.js?v=1", "/shop/basket?x=/y#top", "/shop/pinned/b.css", "/shop/except/c", "/else"];
    let share = random.f64();
    Request {
        method: one(random, &["GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS"]),
        url: format!("https://shop.example{}", one(random, &paths)),
        headers: some(random, ASKED, share),
    }
}

fn answer(random: &mut Rng) -> Answer {
    let status = [200, 200, 200, 204, 301, 304, 307, 404, 500, 503][random.usize(..10)];
    let share = random.f64();
    Answer { status, headers: some(random, ANSWERED, share) }
}

/// Plans of which parts are there or not.
fn plans(random: &mut Rng, revision: u64) -> String {
    let mut maybe = |text: &str| if random.bool() { format!("{text}\n") } else { String::new() };
    let head = [
        "key = \"shop\"\nroutes = [\"/shop/*\"]",
        "except = [\"/shop/except/*\"]",
        "holdout = \"5%\"",
        "sticky_moves = \"visit\"",
        "choice = \"both\"",
    ];
    let mut text = format!("[[rollout]]\n{}\n", head[0]);
    head[1..].iter().for_each(|line| text += &maybe(line));
    text += "[rollout.upstreams]\nlegacy = \"https://l.example\"\n";
    let new = [
        "new = \"https://n.example/base\"",
        "new = { url = \"https://n.example\", version = \"header:x-build\" }",
        "new = { url = \"https://n.example\", origin = \"rewrite\", version = \"header:X-Late-Build\" }",
        "new = \"service:NEW\"",
    ];
    let backends = [maybe(""), maybe("")];
    text += new[usize::from(!backends[0].is_empty()) * 2 + usize::from(!backends[1].is_empty())];
    text += "\n";
    for line in ["timeout = \"300ms\"", "rescue = true", "breaker = false"] {
        text += &maybe(line);
    }
    text += "[rollout.identity]\nfrom = [";
    for source in ["\"jwt:login.sub\",", "\"header:x-user-id\",", "\"header:x-late\","] {
        text += maybe(source).trim();
    }
    text += "\"cookie:uid\"]\n";
    for line in ["anonymous = true", "sticky = \"device\""] {
        text += &maybe(line);
    }
    text += "[rollout.identity.jwt.login]\nfrom = \"header:authorization\"\nsecret = \"secret:LOGIN\"\n";
    text += &maybe("[rollout.robots]\nalso = [\"header:x-probe = yes\"]");
    text += "[rollout.endpoints]\nbasket = \"path:/shop/basket\"\n";
    text += "[rollout.groups.sales]\nmatch = \"header:x-department = sales\"\n[rollout.groups.partners]\nmatch = \"cookie:partner = yes\"\n";
    text += "[[rollout.stage]]\nname = \"canary\"\npercentage = 50\ngroups = [\"sales\"]\n[[rollout.stage]]\nname = \"all\"\npercentage = 100\n";
    text += &maybe("[[rollout.path]]\nmatch = \"/shop/pinned/*\"\nside = \"new\"");
    for key in &KEYS[1..] {
        text += &format!(
            "[[rollout]]\nkey = \"{key}\"\n[rollout.identity]\nfrom = [\"header:x-user-id\", \"cookie:uid\"]\nanonymous = true\n[[rollout.stage]]\nname = \"all\"\npercentage = 50\n"
        );
    }
    let plans: serde_json::Value = toml::from_str(&text).unwrap();
    serde_json::json!({ "v": 1, "revision": revision, "rollouts": plans["rollout"] }).to_string()
}

/// Something changes in KV: plans, a stage, a kill.
fn change(random: &mut Rng, kv: &mut HashMap<String, String>, revision: u64) {
    let key = one(random, &KEYS);
    match random.u8(..5) {
        0 => drop(kv.insert("plans".to_owned(), plans(random, revision))),
        1 | 2 => drop(kv.insert(format!("stage/{key}"), one(random, &["0", "50", "100", "10%"]).to_owned())),
        3 => drop(kv.insert(format!("kill/{key}"), String::new())),
        _ => drop(kv.remove(&format!("kill/{key}"))),
    }
}

/// What an isolate tells the controller; some of its lists are in no order.
fn parsed(flush: &str) -> serde_json::Value {
    assert!(!flush.contains("has errors"), "{flush}");
    let mut flush: serde_json::Value = serde_json::from_str(flush).unwrap();
    for list in ["texts", "known", "kills"] {
        if let Some(list) = flush[list].as_array_mut() {
            list.sort_by_key(ToString::to_string);
        }
    }
    flush
}

/// One life of an isolate, twice. Returns how many requests were asked of an upstream, and how many came as shapes.
fn life(seed: u64) -> (usize, usize) {
    let random = &mut Rng::with_seed(seed);
    let mut kv = HashMap::from([("plans".to_owned(), plans(random, 1))]);
    KEYS.iter().for_each(|key| drop(kv.insert(format!("stage/{key}"), "50".to_owned())));
    let mut sites = [Site::new(false), Site::new(true)];
    let mut now_ms = START_MS;
    let mut asked = 0;
    for turn in 0..60 {
        now_ms += random.i64(0..3_000);
        let request = request(random);
        let step = sites.each_mut().map(|site| site.arrive(&request, &kv, now_ms));
        assert_eq!(step[0], step[1], "seed {seed}, turn {turn}: {} {:?}", request.head(), request.headers);
        let (mut number, mut seen) = {
            let [step, _] = step;
            step
        };
        let mut before: Vec<Header> = Vec::new();
        while matches!(seen, Seen::Asked { .. }) {
            asked += 1;
            if random.u8(..4) == 0 {
                change(random, &mut kv, turn + 2);
                now_ms += 6_000;
                sites.iter_mut().for_each(|site| site.input(Input::ReadDue, &kv, now_ms));
            }
            now_ms += random.i64(0..500);
            if random.u8(..20) == 0 {
                sites.iter_mut().for_each(|site| site.isolate.abandon(number, true, now_ms as f64));
                break;
            }
            let outcome = match random.u8(..8) {
                0 => Err(NoAnswer::new(one(random, &["timeout", "unsent", "unreachable"]), "x".to_owned())),
                _ => Ok(answer(random)),
            };
            let step = sites.each_mut().map(|site| site.go_on(number, &outcome, &request, &before, now_ms));
            let headers = outcome.as_ref().map(|answer| (answer.status, answer.headers.clone()));
            assert_eq!(
                step[0],
                step[1],
                "seed {seed}, turn {turn}: {} {:?}, {headers:?}",
                request.head(),
                request.headers
            );
            before = outcome.map(|answer| answer.headers).unwrap_or_default();
            (number, seen) = {
                let [step, _] = step;
                step
            };
        }
        if matches!(&seen, Seen::Answered { watch, .. } if watch != "0") {
            let is_whole = random.bool();
            sites.iter_mut().for_each(|site| site.isolate.end(number, is_whole, None, now_ms as f64));
        }
        if random.u8(..6) == 0 {
            sites.iter_mut().for_each(|site| site.input(Input::FlushDue, &kv, now_ms));
        }
    }
    sites.iter_mut().for_each(|site| site.input(Input::FlushDue, &kv, now_ms + 10_000));
    assert!(!sites[0].flushes.is_empty());
    let [all, short] = sites.each_ref().map(|site| site.flushes.iter().map(|text| parsed(text)).collect::<Vec<_>>());
    assert_eq!(all, short, "seed {seed}: what is counted");
    (asked, sites[1].shapes.len())
}

#[test]
fn what_crosses_by_the_short_way_is_what_all_of_it_would_be() {
    let (mut asked, mut shapes) = (0, 0);
    for seed in 0..100 {
        let (more, others) = life(seed);
        (asked, shapes) = (asked + more, shapes + others);
    }
    assert!(asked > 2_000 && shapes > 700, "{asked} asked, {shapes} shapes: the way is hardly taken");
}
