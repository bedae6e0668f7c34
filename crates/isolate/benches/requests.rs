//! What a whole request costs in the isolate's machine, natively (`make bench-native`): from its text to the step that
//! asks an upstream, and from the answer's text to the one that passes it on. With the plans of the benchmark in workerd.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark has no input")]

use std::collections::HashMap;

use divan::Bencher;
use tidegate_isolate::{Arrival, Effect, Input, Isolate, Platform, Setup};
use tidegate_model::Instant;
use tidegate_protocol::message::{AnswerText, RequestText};

fn main() {
    divan::main();
}

const NOW_MS: f64 = 29_000_000.0 * 60_000.0;

const DOCUMENT: &str = "GET\nhttp://127.0.0.1:8787/checkout/basket?step=2&ref=1\n\
accept:text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\n\
accept-encoding:gzip, deflate, br, zstd\naccept-language:en-GB,en;q=0.9,de;q=0.8\n\
cookie:_ga=GA1.1.1234567890.1760000000; theme=dark; consent=all; session=9f8e7d6c5b4a3928; uid=user-7; gbuuid=user-7\n\
host:127.0.0.1:8787\nreferer:https://shop.example.com/checkout/\n\
sec-ch-ua:\"Chromium\";v=\"142\", \"Not?A_Brand\";v=\"99\"\nsec-ch-ua-mobile:?0\nsec-ch-ua-platform:\"Linux\"\n\
sec-fetch-dest:document\nsec-fetch-mode:navigate\nsec-fetch-site:same-origin\nsec-fetch-user:?1\n\
upgrade-insecure-requests:1\n\
user-agent:Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

const PAGE: &str = "200\n\ncache-control:private, no-cache\n\
content-security-policy:default-src 'self'; img-src 'self' data: https:; style-src 'self' 'unsafe-inline'\n\
content-length:5600\ncontent-type:text/html; charset=utf-8\netag:W/\"18f3-9c2b1e7d4a5f\"\n\
referrer-policy:strict-origin-when-cross-origin\nset-cookie:csrf=Zk3v8QyR1t; Path=/; HttpOnly; Secure; SameSite=Lax\n\
strict-transport-security:max-age=31536000; includeSubDomains\nvary:Accept-Encoding, Cookie\n\
x-content-type-options:nosniff\nx-frame-options:SAMEORIGIN\nx-powered-by:Express\n\
x-request-id:5b1f2a0c-6c1f-4b39-9a57-0f8e4a1d2c3b";

const FILE: &str = "GET\nhttp://127.0.0.1:8787/checkout/assets/part-1.9e3779b1.css\naccept:text/css,*/*;q=0.1\n\
accept-encoding:gzip, deflate, br, zstd\naccept-language:en-GB,en;q=0.9,de;q=0.8\n\
cookie:_ga=GA1.1.1234567890.1760000000; theme=dark; consent=all; session=9f8e7d6c5b4a3928; uid=user-7; gbuuid=user-7\n\
host:127.0.0.1:8787\nreferer:https://shop.example.com/checkout/basket\n\
sec-ch-ua:\"Chromium\";v=\"142\", \"Not?A_Brand\";v=\"99\"\nsec-ch-ua-mobile:?0\nsec-ch-ua-platform:\"Linux\"\n\
sec-fetch-dest:style\nsec-fetch-mode:no-cors\nsec-fetch-site:same-origin\n\
user-agent:Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

const STYLE: &str = "200\n\naccept-ranges:bytes\ncache-control:public, max-age=31536000, immutable\ncontent-length:6000\n\
content-type:text/css; charset=utf-8\netag:\"5f3a-9c2b1e7d4a5f\"\nlast-modified:Wed, 21 Oct 2026 07:28:00 GMT\n\
strict-transport-security:max-age=31536000; includeSubDomains\nvary:Accept-Encoding\nx-content-type-options:nosniff\n\
x-request-id:5b1f2a0c-6c1f-4b39-9a57-0f8e4a1d2c3b";

struct Nowhere;

impl Platform for Nowhere {
    fn country(&self) -> Option<String> {
        None
    }

    fn text(&self, _: &str) -> Option<String> {
        None
    }

    fn id(&self) -> Option<String> {
        Some("AAAAAAAAAAAAAAAAAAAAAA".to_owned())
    }
}

/// An isolate that has read these plans, each at 50 %.
fn warm(plans: &str) -> Isolate {
    let plans: serde_json::Value = toml::from_str(plans).unwrap();
    let rollouts = plans["rollout"].as_array().unwrap();
    let mut kv: HashMap<String, String> = rollouts
        .iter()
        .map(|rollout| (format!("stage/{}", rollout["key"].as_str().unwrap()), "50".to_owned()))
        .collect();
    kv.insert("plans".to_owned(), serde_json::json!({ "v": 1, "revision": 1, "rollouts": rollouts }).to_string());
    let mut isolate = Isolate::default();
    let text = |name: &str| (name == "SIGNING_KEY").then(|| "a key for the benchmark, 32 bytes or more".to_owned());
    isolate.set_up(Setup::read(text, Some("one".to_owned()), Some(7), true).0);
    let host = "127.0.0.1".to_owned();
    let now = Instant::from_epoch_ms(NOW_MS as i64);
    let mut open = isolate.handle(Input::RequestWaits { host, path: "/checkout/basket".to_owned() }, now);
    while let Some(effect) = open.pop() {
        if let Effect::Log(line) = &effect {
            assert!(!line.is_warning, "{}", line.message);
        }
        if let Effect::ReadTexts(read) = effect {
            let texts = read.keys().into_iter().filter_map(|key| Some((key.clone(), kv.get(&key)?.clone()))).collect();
            open.extend(isolate.handle(Input::Texts(read, Ok(texts)), now));
        }
    }
    isolate
}

fn begin(isolate: &mut Isolate, request: &str) -> (u32, String) {
    match isolate.arrive(RequestText::new(request.to_owned()), &Nowhere, false, NOW_MS) {
        Arrival::Begins(number, step) => (number, step.to_text(number)),
        other => unreachable!("{other:?}"),
    }
}

fn go_on(isolate: &mut Isolate, number: u32, answer: &str) -> String {
    isolate.go_on(number, Ok(AnswerText::new(answer.to_owned())), NOW_MS + 5.0).to_text(number)
}

/// So many visitors come in a minute.
const VISITORS: usize = 1_000;

fn plan() -> &'static str {
    include_str!("../../../benches/edge/plan.toml")
}

fn flags(count: usize) -> String {
    let flag = |n: usize| {
        format!(
            "\n[[rollout]]\nkey = \"flag-number-{n}\"\n[rollout.identity]\nfrom = [\"cookie:uid\"]\n[[rollout.stage]]\nname = \"half\"\npercentage = 50\n"
        )
    };
    plan().to_owned() + &(0..count).map(flag).collect::<String>()
}

#[divan::bench(args = ["document", "file"])]
fn begun(bencher: Bencher<'_, '_>, what: &str) {
    let mut isolate = warm(plan());
    let request = if what == "file" { FILE } else { DOCUMENT };
    assert!(begin(&mut isolate, request).1.contains("tidegate-stage:half"));
    bencher.bench_local(|| {
        let (number, step) = begin(&mut isolate, request);
        isolate.abandon(number, false, NOW_MS);
        step
    });
}

#[divan::bench(args = ["document", "file"])]
fn whole(bencher: Bencher<'_, '_>, what: &str) {
    let mut isolate = warm(plan());
    let (request, answer) = if what == "file" { (FILE, STYLE) } else { (DOCUMENT, PAGE) };
    bencher.bench_local(|| {
        let (number, _) = begin(&mut isolate, request);
        let step = go_on(&mut isolate, number, answer);
        isolate.end(number, true, None, NOW_MS + 6.0);
        step
    });
}

/// Before the upstream is asked: all of them travel along as a header. With the three plans they are as many as can be.
#[divan::bench(args = [0, 100, 997])]
fn flags_in_a_header(bencher: Bencher<'_, '_>, count: usize) {
    let mut isolate = warm(&flags(count));
    bencher.bench_local(|| {
        let (number, step) = begin(&mut isolate, DOCUMENT);
        isolate.abandon(number, false, NOW_MS);
        step
    });
}

/// The same with its answer, of one visitor after the other: each flag counts what came of the request.
#[divan::bench(args = [0, 100, 300, 997], sample_count = 1000)]
fn flags_whole(bencher: Bencher<'_, '_>, count: usize) {
    let mut isolate = warm(&flags(count));
    let requests: Vec<String> =
        (0..VISITORS).map(|n| DOCUMENT.replace("uid=user-7;", &format!("uid=visitor-{n};"))).collect();
    let mut visitors = requests.iter().cycle();
    let mut one = || {
        let (number, _) = begin(&mut isolate, visitors.next().unwrap());
        let step = go_on(&mut isolate, number, PAGE);
        isolate.end(number, true, None, NOW_MS + 6.0);
        step
    };
    // A minute has begun, and the windows are open.
    (0..10).for_each(|_| drop(one()));
    bencher.bench_local(one);
}
