//! What an isolate and the controller keep in memory at most: heap in use, counted allocation by allocation,
//! with 200 busy rollouts and a million ids. Here pointers and lengths take eight bytes, in wasm four.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tidegate::decide::assign::{Assignment, Reason, Variant};
use tidegate::decide::book::Books;
use tidegate::model::Instant;
use tidegate::model::plan::Plan;
use tidegate::model::subject::SubjectHash;
use tidegate::protocol::config::Catalogue;
use tidegate::protocol::decision::Assigned;
use tidegate::protocol::meter::{Meter, Outcome, Visit};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROLLOUTS: usize = 200;
const IDS: u64 = 1_000_000;
const HEAP_MAX: usize = 64 << 20;
const START_MS: f64 = 29_000_040.0 * 60_000.0;

fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn catalogue() -> Catalogue {
    let rollout = |n: usize| format!(r#"{{"key":"rollout-{n}","routes":["/r{n}/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},"endpoints":{{"api":"path:/r{n}/api/*"}},"stage":[{{"name":"half","percentage":50,"hold":"1d"}},{{"name":"full","percentage":100}}]}}"#);
    let rollouts: Vec<String> = (0..ROLLOUTS).map(rollout).collect();
    let (catalogue, broken) = Catalogue::compile(&format!(r#"{{"v":1,"revision":1,"rollouts":[{}]}}"#, rollouts.join(",")), None).unwrap();
    assert!(broken.is_empty());
    catalogue
}

/// Counts one id's request, on the side of its parity, with a latency of its own.
fn ask(meter: &mut Meter, plan: &Plan, number: usize, id: u64, at_ms: f64) {
    let variant = if id % 2 == 0 { Variant::New } else { Variant::Legacy };
    let assignment = Assignment { variant, reason: Reason::Bucketed, stage: 0, bucket: Some(1), revision: 7 };
    let assigned = Assigned { number, assignment, subject: Some(SubjectHash::of(&id.to_le_bytes())) };
    let path = if id % 3 == 0 { format!("/r{number}/api/x") } else { format!("/r{number}/page") };
    let visit = Visit { plan, assigned, path: &path, at_ms, client: None };
    let latency = i16::try_from(60 + (id.wrapping_mul(2_654_435_761) >> 8) % 160).ok();
    let is_failure = id % 50 == 0;
    meter.count(&visit, Outcome { status: Some(if is_failure { 500 } else { 200 }), is_failure, is_timeout: false, latency });
}

#[test]
fn an_isolate_and_the_controller_stay_under_64_mb_each() {
    let before = in_use();
    let catalogue = catalogue();
    let mut meter = Meter::default();
    let (mut isolate_max, mut controller_max) = (0, 0);
    let mut books = Books::default();
    let mut text_max = 0;
    // A minute's ids go through all rollouts; three hours of minutes.
    let minutes = std::env::var("MINUTES").ok().and_then(|t| t.parse().ok()).unwrap_or(180_u64);
    let per_minute = IDS / 10;
    let mut controller = 0_usize;
    for minute in 0..minutes {
        for n in 0..per_minute {
            let id = (minute * per_minute + n) % IDS;
            let number = usize::try_from(id % ROLLOUTS as u64).unwrap();
            let at_ms = START_MS + (minute as f64 + n as f64 / per_minute as f64) * 60_000.0;
            ask(&mut meter, catalogue.plan(number).unwrap(), number, id, at_ms);
            if n % 5_000 == 0 {
                let now = Instant::from_epoch_ms(at_ms as i64);
                isolate_max = isolate_max.max(in_use() - before - controller);
                while let Some(batch) = meter.take() {
                    let text = serde_json::to_string(&batch).unwrap();
                    text_max = text_max.max(text.len());
                    let sequence = batch.sequence;
                    isolate_max = isolate_max.max(in_use() - before - controller);
                    let here = in_use();
                    for counted in &batch.counted {
                        books.get_mut(&counted.rollout).count(counted.window.clone(), &counted.compared, now);
                    }
                    controller += in_use() - here;
                    meter.keep(batch);
                    meter.acknowledge(sequence);
                }
            }
        }
        let now = Instant::from_epoch_ms((START_MS + (minute + 1) as f64 * 60_000.0) as i64);
        let here = in_use();
        for (_, book) in books.iter_mut() {
            book.series.since(7);
            book.series.fold(now, &mut |_| ());
        }
        controller = (controller + in_use()).saturating_sub(here);
        controller_max = controller_max.max(controller);
        if minute % 10 == 0 { println!("minute {minute}: isolate {} MB at most, controller {} MB", isolate_max >> 20, controller >> 20); }
    }
    println!("text {text_max}");
    assert!(isolate_max < HEAP_MAX, "isolate: {} MB", isolate_max >> 20);
    assert!(controller_max < HEAP_MAX, "controller: {} MB", controller_max >> 20);
}
