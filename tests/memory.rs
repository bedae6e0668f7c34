//! What an isolate and the controller keep in memory at most: heap in use, counted allocation by allocation,
//! with 200 busy rollouts and a million ids. Here pointers and lengths take eight bytes, in wasm four.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::alloc::System;
use std::sync::{Mutex, PoisonError};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tidegate::decide::assign::{Assignment, Reason, Variant};
use tidegate::decide::metrics::MetricsOfAll;
use tidegate::model::condition::Vital;
use tidegate::model::measured::{Measure, SlicedCounts, Window};
use tidegate::model::plan::Plan;
use tidegate::model::record::Record;
use tidegate::model::subject::SubjectHash;
use tidegate::model::{Instant, Minute, Name};
use tidegate::protocol::beacon::Report;
use tidegate::protocol::beacon::networks::Networks;
use tidegate::protocol::config::Catalogue;
use tidegate::protocol::decision::Assigned;
use tidegate::protocol::flush::Counted;
use tidegate::protocol::meter::{Meter, Outcome, Visit};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROLLOUTS: usize = 200;
const IDS: u64 = 1_000_000;
const HEAP_MAX: usize = 64 << 20;
const START: Minute = Minute::new(29_000_040);
const REVISION: u64 = 7;

/// The heap in use. Tests that run at once would see each other's, so they take turns.
fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

static TURN: Mutex<()> = Mutex::new(());

fn catalogue() -> Catalogue {
    let rollout = |n: usize| {
        format!(
            r#"{{"key":"rollout-{n}","routes":["/r{n}/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},"endpoints":{{"api":"path:/r{n}/api/*"}},"stage":[{{"name":"half","percentage":50,"hold":"1d"}},{{"name":"full","percentage":100}}]}}"#
        )
    };
    let rollouts: Vec<String> = (0..ROLLOUTS).map(rollout).collect();
    let (catalogue, broken) =
        Catalogue::compile(&format!(r#"{{"v":1,"revision":1,"rollouts":[{}]}}"#, rollouts.join(",")), None).unwrap();
    assert!(broken.is_empty());
    catalogue
}

/// Counts one id's request, on the side of its parity, with a latency of its own.
fn ask(meter: &mut Meter, plan: &Plan, number: usize, id: u64, minute: Minute) {
    let variant = if id.is_multiple_of(2) { Variant::New } else { Variant::Legacy };
    let assignment = Assignment { variant, reason: Reason::Bucketed, stage: 0, bucket: Some(1), revision: REVISION };
    let assigned = Assigned { number, assignment, subject: Some(SubjectHash::of(&id.to_le_bytes())) };
    let path = if id.is_multiple_of(3) { format!("/r{number}/api/x") } else { format!("/r{number}/page") };
    let visit = Visit { plan, assigned, path: &path, minute, client: None, has_opted_out: false, traits: None };
    let latency = i16::try_from(60 + (id.wrapping_mul(2_654_435_761) >> 8) % 160).ok();
    let is_failure = id.is_multiple_of(50);
    meter.count(
        &visit,
        Outcome { status: Some(if is_failure { 500 } else { 200 }), is_failure, is_timeout: false, latency },
    );
}

/// An isolate that counts, and the metrics of the controller that takes it in, each with the heap that it has in use.
struct Deployment {
    catalogue: Catalogue,
    meter: Meter,
    metrics: MetricsOfAll,
    networks: Networks,
    frugality: usize,
    before: usize,
    controller: usize,
    isolate_max: usize,
    controller_max: usize,
}

impl Deployment {
    fn new() -> Self {
        let before = in_use();
        let (catalogue, meter) = (catalogue(), Meter::default());
        Self {
            catalogue,
            meter,
            metrics: MetricsOfAll::default(),
            networks: Networks::default(),
            frugality: 0,
            before,
            controller: 0,
            isolate_max: 0,
            controller_max: 0,
        }
    }

    /// Counts so many ids from `first` on, spread over all rollouts and over a minute.
    fn count(&mut self, minute: u64, first: u64, ids: u64, is_taken_in: bool) {
        for n in 0..ids {
            let id = (first + n) % IDS;
            let number = usize::try_from(id % ROLLOUTS as u64).unwrap();
            let minute = START + minute;
            ask(&mut self.meter, self.catalogue.plan(number).unwrap(), number, id, minute);
            if n.is_multiple_of(5_000) {
                self.note();
                if is_taken_in {
                    self.take_in(minute.start().plus_ms((n * 60_000 / ids) as i64));
                }
            }
        }
    }

    fn take_in(&mut self, now: Instant) {
        while let Some(batch) = self.meter.take() {
            self.note();
            self.grow(|own| {
                for Counted { rollout, window, compared } in &batch.counted {
                    own.metrics.get_mut(rollout).count(window.clone(), compared, now);
                }
            });
            self.meter.acknowledge(batch.sequence);
        }
    }

    /// What the controller does each minute.
    fn end_minute(&mut self, minute: u64) {
        let (begun, now) = (START.start(), (START + minute + 1).start());
        self.grow(|own| {
            own.frugality = own.metrics.frugality(own.frugality);
            for (key, metrics) in own.metrics.iter_mut() {
                let plan = own.catalogue.plan(own.catalogue.number_of(key.as_str()).unwrap()).unwrap();
                metrics.evaluate(plan, &Record::draft(plan, begun), 0, now);
                metrics.series.since(REVISION);
                metrics.series.fold_frugally(own.frugality, now, &mut |_| ());
            }
        });
    }

    /// Whatever this takes is the controller's.
    fn grow(&mut self, act: impl FnOnce(&mut Self)) {
        let before = in_use();
        act(self);
        self.controller = (self.controller + in_use()).saturating_sub(before);
        self.controller_max = self.controller_max.max(self.controller);
    }

    fn note(&mut self) {
        self.isolate_max = self.isolate_max.max(in_use() - self.before - self.controller);
    }
}

#[test]
fn an_isolate_and_the_controller_stay_under_64_mb_each() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut own = Deployment::new();
    // All ids within a minute, then half an hour of fewer.
    own.count(0, 0, IDS, true);
    own.end_minute(0);
    for minute in 1..30 {
        own.count(minute, minute * 20_000, 20_000, true);
        own.end_minute(minute);
    }
    // Ten days whose tens of minutes are each as full as that first one.
    let full: Vec<(Name, Window)> =
        own.metrics.iter_mut().map(|(key, metrics)| (key.clone(), metrics.series.since(REVISION).clone())).collect();
    for ten in 3..10 * 24 * 6_u64 {
        let minute = ten * 10;
        let now = (START + minute).start();
        // Each hour of the first day, then each eighth.
        if ten < 24 * 6 || ten.is_multiple_of(48) {
            own.grow(|own| {
                for (key, window) in &full {
                    own.metrics.get_mut(key).count(
                        Window { minute: START + minute, minutes: 1, ..window.clone() },
                        &SlicedCounts::default(),
                        now,
                    );
                }
            });
            own.end_minute(minute);
        }
    }
    // Reports from everywhere, of more things than there are.
    let key: Name = "rollout-0".parse().unwrap();
    let keys: Vec<Name> = full.iter().map(|(key, _)| key.clone()).collect();
    own.grow(|own| {
        for n in 0..200_000_u32 {
            let rollout = keys.get(n as usize % ROLLOUTS).unwrap_or(&key).clone();
            own.networks.admit(report(rollout, n), START);
        }
    });
    println!(
        "isolate: {} MB at most; controller: {} MB at most, {} MB at the end, at frugality {}",
        own.isolate_max >> 20,
        own.controller_max >> 20,
        own.controller >> 20,
        own.frugality
    );
    assert!(own.isolate_max < HEAP_MAX, "isolate: {} MB", own.isolate_max >> 20);
    assert!(own.controller_max < HEAP_MAX, "controller: {} MB", own.controller_max >> 20);
    assert!(own.frugality > 0, "the load is one that it has to be frugal for");
}

#[test]
fn an_isolate_whose_counts_nobody_takes_does_too() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut own = Deployment::new();
    for minute in 0..5 {
        own.count(minute, minute * 100_000, 100_000, false);
    }
    println!("isolate: {} MB at most", own.isolate_max >> 20);
    assert!(own.isolate_max < HEAP_MAX, "isolate: {} MB", own.isolate_max >> 20);
}

/// The report of the nth page, from a network of its own, with an event that hardly any other has.
fn report(rollout: Name, n: u32) -> Report {
    Report {
        is_counted: true,
        rollout,
        revision: REVISION,
        minute: START,
        screen_minute: None,
        variant: if n.is_multiple_of(2) { Variant::New } else { Variant::Legacy },
        endpoints: Vec::new(),
        nonce: format!("{n:032x}"),
        subject: u64::from(n),
        slice: None,
        network: Some(n),
        is_view: true,
        js_errors: 1,
        scripts: Vec::new(),
        by: Vec::new(),
        is_mixed: false,
        measures: vec![(Measure::Vital(Vital::Lcp), 190)],
        values: Vec::new(),
        events: vec![format!("event-{}", n / 2_000).parse().unwrap()],
    }
}
