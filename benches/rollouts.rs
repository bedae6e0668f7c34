//! What a thousand rollouts cost, a hundred of them busy (`make bench-native`): the controller's turns on SQLite itself,
//! beside those of ten; and an isolate's snapshot and routing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a benchmark has no input")]

#[path = "../tests/controller/sqlite.rs"]
#[allow(dead_code, unreachable_pub, reason = "its faults are for tests")]
mod sqlite;

use std::alloc::System;
use std::time::Duration;

use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tidegate::controller::{Controller, Effect, Input};
use tidegate::model::Instant;
use tidegate::model::measured::{Measure, SlicedCounts, Window};
use tidegate::model::variant::Variant;
use tidegate::protocol::api::{Call, Reply};
use tidegate::protocol::config::Catalogue;
use tidegate::protocol::flush::{Batch, Counted, Flush};

use sqlite::Sqlite;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const START_MS: i64 = 1_795_424_400_000;
const ISOLATES: usize = 50;
const SECONDS: i64 = 60;
/// What a report of an isolate may take of the controller, and what a look at all rollouts may.
const FLUSH_GOAL: Duration = Duration::from_millis(2);
const LOOK_GOAL: Duration = Duration::from_millis(500);

/// The CPU that this thread has taken so far, as Linux counts it: others on the machine do not matter.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

struct Bench {
    controller: Controller,
    storage: Sqlite,
    now_ms: i64,
    reply: Option<Reply>,
}

impl Bench {
    fn handle(&mut self, input: Input) -> Duration {
        let begun = cpu();
        let effects = self.controller.handle(&mut self.storage, input, Instant::from_epoch_ms(self.now_ms)).unwrap();
        let took = cpu() - begun;
        for effect in effects {
            match effect {
                Effect::Reply(reply) => self.reply = Some(reply),
                // Nobody has written anything there.
                Effect::ReadKv(read) => drop(self.handle(Input::KvRead(read, Ok(Default::default())))),
                _ => {}
            }
        }
        took
    }

    fn call(&mut self, method: &str, path: &str, body: Value) -> Duration {
        let call = Call {
            method: method.into(),
            path: path.into(),
            actor: "ana".into(),
            if_match: Some("*".into()),
            body: if method == "GET" { String::new() } else { body.to_string() },
            ..Call::default()
        };
        let took = self.handle(Input::Call(call));
        let reply = self.reply.take().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        took
    }
}

fn plan(n: usize) -> Value {
    json!({
        "key": format!("rollout-{n}"), "routes": [format!("/r{n}/*")],
        "upstreams": {"legacy": "https://l.example", "new": "https://n.example"},
        "identity": {"from": ["header:id"]},
        "stage": [{"name": "canary", "percentage": 10, "hold": "30d"}, {"name": "full", "percentage": 100}],
    })
}

/// What an isolate has counted in a second: some of the busy rollouts, each with a few requests.
fn flush(isolate: usize, sequence: u64, busy: usize, now_ms: i64) -> Flush {
    let minute = Instant::from_epoch_ms(now_ms).minute();
    let counted = (0..5).map(|n| {
        let number = (isolate * 7 + sequence as usize * 3 + n * 11) % busy;
        let mut window = Window::at(minute, 3);
        let mut compared = SlicedCounts::default();
        for variant in [Variant::Legacy, Variant::New] {
            let tally = window.tally_mut(variant, None).unwrap();
            tally.requests = 4;
            (0..4).for_each(|k| tally.sketch_mut(&Measure::Latency).unwrap().add(100 + k * 9, 1));
            let values = compared.values(&Measure::Latency, None, variant).unwrap();
            (0..4_u8).for_each(|k| values.add(k * 23, 100 + i16::from(k) * 9, 1));
        }
        Counted { rollout: format!("rollout-{number}").parse().unwrap(), window, compared }
    });
    let batch = Batch { sequence, counted: counted.collect(), ..Batch::default() };
    let known = (0..5).map(|n| (format!("rollout-{n}"), 3)).collect();
    Flush { isolate: format!("{isolate:032x}"), plans: 1, known: Some(known), batch: Some(batch), ..Flush::default() }
}

struct Row {
    flush: Duration,
    flush_max: Duration,
    alarm_max: Duration,
    list: Duration,
    kill: Duration,
    heap_mb: f64,
}

fn measure(rollouts: usize, busy: usize) -> Row {
    let stats = || ALLOCATOR.stats().bytes_allocated - ALLOCATOR.stats().bytes_deallocated;
    let before = stats();
    let mut bench = Bench { controller: Controller::default(), storage: Sqlite::new(), now_ms: START_MS, reply: None };
    let plans: Vec<Value> = (0..rollouts).map(plan).collect();
    for part in plans.chunks(500) {
        bench.call("PUT", "plans", json!({"rollouts": part, "reason": "a benchmark"}));
    }
    for n in 0..rollouts {
        let path = format!("rollouts/rollout-{n}/commands");
        bench.call("POST", &path, json!({"command": "start", "reason": "go"}));
        bench.call("POST", &path, json!({"command": "pause", "reason": "stay"}));
    }
    let (mut flushes, mut alarms) = (Vec::new(), Vec::new());
    for second in 0..SECONDS {
        for isolate in 0..ISOLATES {
            bench.now_ms = START_MS + 60_000 + second * 1_000 + isolate as i64 * 1_000 / ISOLATES as i64;
            let own = flush(isolate, second as u64 + 1, busy, bench.now_ms);
            flushes.push(bench.handle(Input::Flush(own)));
        }
        while bench
            .controller
            .wake(Instant::from_epoch_ms(bench.now_ms))
            .is_some_and(|at| at.as_epoch_ms() <= bench.now_ms)
        {
            alarms.push(bench.handle(Input::Alarm));
            if alarms.len() > 10_000 {
                panic!("the alarm rings forever");
            }
        }
    }
    let heap_mb = (stats() - before) as f64 / f64::from(1 << 20);
    let list = (0..100).map(|_| bench.call("GET", "rollouts", Value::Null)).sum::<Duration>() / 100;
    let kill = bench.call("POST", "rollouts/rollout-0/commands", json!({"command": "kill"}));
    Row {
        // The kernel counts CPU in ticks of some milliseconds: of so many reports the mean is right, and the longest
        // to a tick.
        flush: flushes.iter().sum::<Duration>() / flushes.len() as u32,
        flush_max: flushes.iter().copied().max().unwrap_or_default(),
        alarm_max: alarms.into_iter().max().unwrap_or_default(),
        list,
        kill,
        heap_mb,
    }
}

fn main() {
    println!(
        "CPU of the controller natively, {ISOLATES} isolates that report every second; a wasm takes about three times as long\n"
    );
    println!(
        "{:>9} {:>6} {:>12} {:>12} {:>12} {:>12} {:>12} {:>8}",
        "rollouts", "busy", "report", "longest", "look", "list", "kill", "MB"
    );
    let mut is_met = true;
    for (rollouts, busy) in [(10, 10), (100, 100), (1_000, 100)] {
        let row = measure(rollouts, busy);
        let us = |took: Duration| format!("{} µs", took.as_micros());
        println!(
            "{rollouts:>9} {busy:>6} {:>12} {:>12} {:>12} {:>12} {:>12} {:>8.1}",
            us(row.flush),
            us(row.flush_max),
            us(row.alarm_max),
            us(row.list),
            us(row.kill),
            row.heap_mb
        );
        is_met &= row.flush <= FLUSH_GOAL && row.alarm_max.max(row.flush_max) <= LOOK_GOAL;
    }
    println!(
        "\ngoal: a report within {FLUSH_GOAL:?}, no look longer than {LOOK_GOAL:?}: {}",
        if is_met { "met" } else { "MISSED" }
    );
    let plans: Vec<String> = (0..1_000).map(|n| plan(n).to_string()).collect();
    let text = format!(r#"{{"v":1,"revision":1,"rollouts":[{}]}}"#, plans.join(","));
    let begun = cpu();
    let (catalogue, _) = Catalogue::compile(&text, None).unwrap();
    let first = cpu() - begun;
    let begun = cpu();
    let (again, _) = Catalogue::compile(&text.replace("/r7/*", "/r7x/*"), Some(&catalogue)).unwrap();
    println!(
        "an isolate compiles {} plans ({} KB) in {} ms, and after one of them has changed in {} ms",
        again.rollouts.len(),
        text.len() >> 10,
        first.as_millis(),
        (cpu() - begun).as_millis()
    );
    if !is_met {
        std::process::exit(1);
    }
}
