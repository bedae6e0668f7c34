//! What a decision costs natively, beside its goal (`make bench-native`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark has no input")]

use std::borrow::Cow;
use std::hint::black_box;
use std::rc::Rc;

use divan::{Bencher, counter::ItemsCount};
use tidegate::decide::assign::{Variant, Visitor, assign};
use tidegate::decide::compiled::{CompiledRollout, GroupIndex};
use tidegate::decide::reconcile::isolate::settle;
use tidegate::model::Instant;
use tidegate::model::group::Fingerprints;
use tidegate::model::plan::{Plan, Token};
use tidegate::model::subject::SubjectHash;
use tidegate::protocol::address::Address;
use tidegate::protocol::config::{Catalogue, Snapshot, States};
use tidegate::protocol::decision::{Request, decide};
use tidegate::protocol::facts::Facts;

fn main() {
    println!(
        "goals: one_assignment <= 50 ns beyond hashing the id; a_thousand_flags <= 10 µs; routing flat from 1 to 1000\n"
    );
    divan::main();
}

const ID: &str = "0d0e8a1c-7b1e-4c57-9c9d-5a0b3a3c2f10";

fn flag(key: &str) -> String {
    format!(r#"{{"key":"{key}","identity":{{"from":["header:id"]}},"stage":[{{"name":"half","percentage":50}}]}}"#)
}

fn rollout(key: &str, route: &str) -> String {
    format!(
        r#"{{"key":"{key}","routes":["{route}"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},"identity":{{"from":["header:id"]}},"stage":[{{"name":"half","percentage":50}}]}}"#
    )
}

fn catalogue(rollouts: &[String]) -> Rc<Catalogue> {
    let text = format!(r#"{{"v":1,"revision":1,"rollouts":[{}]}}"#, rollouts.join(","));
    Rc::new(Catalogue::compile(&text, None).unwrap().0)
}

fn half(catalogue: &Catalogue) -> States {
    let mut states = States::default();
    for entry in &catalogue.rollouts {
        let state = settle(&entry.plan, None, Some("50"), Instant::from_epoch_ms(0)).unwrap();
        states.live.insert(entry.plan.key.to_string(), state);
    }
    states
}

struct Alone;

impl GroupIndex for Alone {
    fn group(&self, _: &Plan, _: &str) -> Option<usize> {
        None
    }

    fn rollout(&self, _: &str) -> Option<usize> {
        None
    }
}

struct Subject(SubjectHash);

impl Visitor for Subject {
    fn subject(&self) -> Option<SubjectHash> {
        Some(self.0)
    }

    fn is_in(&self, _: usize) -> Option<bool> {
        Some(false)
    }

    fn chosen(&self) -> Option<Variant> {
        None
    }

    fn variant_in(&self, _: usize) -> Variant {
        Variant::Legacy
    }
}

struct Headers;

impl Facts for Headers {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        (name == "id").then_some(Cow::Borrowed(ID))
    }

    fn country(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn preview(&self, _: &str, _: &str, _: &str) -> Option<tidegate::decide::assign::Variant> {
        None
    }

    fn claims(&self, _: &Token, _: &str, _: bool) -> Option<tidegate::model::node::Node> {
        None
    }
}

#[divan::bench]
fn hashing_an_id(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| SubjectHash::of(black_box(ID.as_bytes())));
}

#[divan::bench]
fn one_assignment(bencher: Bencher<'_, '_>) {
    let catalogue = catalogue(&[rollout("checkout", "/*")]);
    let plan = catalogue.plan(0).unwrap();
    let standing = CompiledRollout::new(plan, half(&catalogue).live.get("checkout"), false, false, &Alone);
    let subject = Subject(SubjectHash::of(ID.as_bytes()));
    bencher.bench_local(|| assign(black_box(&standing), black_box(&subject)));
}

/// A thousand assignments of one subject whose id is hashed already.
#[divan::bench]
fn a_thousand_flags(bencher: Bencher<'_, '_>) {
    let catalogue = catalogue(&(0..1_000).map(|n| flag(&format!("flag-{n}"))).collect::<Vec<_>>());
    let states = half(&catalogue);
    let snapshot = Snapshot::new(Rc::clone(&catalogue), &states, Vec::new());
    let subject = Subject(SubjectHash::of(ID.as_bytes()));
    bencher.counter(ItemsCount::new(1_000_usize)).bench_local(|| {
        let on_new = |standing: &&CompiledRollout| assign(standing, black_box(&subject)).variant == Variant::New;
        snapshot.standings.iter().filter(on_new).count()
    });
}

/// The same within a request, and written out as the header `tidegate-flags`.
#[divan::bench]
fn a_thousand_flags_as_a_header(bencher: Bencher<'_, '_>) {
    let catalogue = catalogue(&(0..1_000).map(|n| flag(&format!("flag-{n}"))).collect::<Vec<_>>());
    let states = half(&catalogue);
    let snapshot = Snapshot::new(Rc::clone(&catalogue), &states, Vec::new());
    let request =
        Request { facts: &Headers, address: Address::parse("https://shop.example/").unwrap(), method: "GET", hour: 0 };
    bencher.bench_local(|| decide(black_box(&snapshot), &request, None, &|| None));
}

#[divan::bench(args = [1, 10, 100, 1_000])]
fn routing_among(bencher: Bencher<'_, '_>, count: usize) {
    let catalogue = catalogue(
        &(0..count).map(|n| rollout(&format!("r-{n}"), &format!("shop-{n}.example.com/app/*"))).collect::<Vec<_>>(),
    );
    let host = format!("shop-{}.example.com", count / 2);
    bencher.bench_local(|| catalogue.router.find(black_box(&host), black_box("/app/products/42")));
}

#[divan::bench(args = [1_000, 1_000_000])]
fn membership_in_a_group_of(bencher: Bencher<'_, '_>, count: usize) {
    let ids: Vec<String> = (0..count).map(|n| format!("user-{n}")).collect();
    let list = Fingerprints::of_ids(ids.iter().map(String::as_str));
    let subjects: Vec<SubjectHash> =
        (0..1_024).map(|n| SubjectHash::of(format!("user-{}", n * 997).as_bytes())).collect();
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 1) % subjects.len();
        list.contains(black_box(subjects[at]))
    });
}
