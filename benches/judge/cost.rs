//! What evaluations cost the controller: without what is counted by bin, as before there were bins, with it, and with
//! four dimensions too.

use std::time::Duration;

use fastrand::Rng;
use tidegate::decide::metrics::RolloutMetrics;
use tidegate::model::dimension::Dimension;
use tidegate::model::measured::by_value::Troubles;
use tidegate::model::measured::{Measure, Quantity, Seen, SlicedCounts, Tally, ValueCounts, Window};
use tidegate::model::plan::set::read_rollout;
use tidegate::model::record::Record;
use tidegate::model::variant::Variant;
use tidegate::model::{Minute, live::Phase};
use tidegate::protocol::flush::Counted;

use crate::figures::{head, row};

const PLAN: &str = r#"{"key":"shop","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},"stage":[{"name":"canary","percentage":5,"hold":"1h"}]}"#;
const START: Minute = Minute::new(1_440 * 20_000);
/// An evaluation every ten seconds, for so many hours.
const HOURS: u64 = 3;
const EXPOSURES: u32 = 1_000;
/// What an isolate reports in a second, of thousands of isolates.
const FEW: u32 = 20;

/// The CPU that this thread has taken so far, as Linux counts it: others on the machine do not matter.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

/// What of the counts is there.
#[derive(Clone, Copy)]
struct With {
    bins: bool,
    dimensions: bool,
}

/// So many exposures, 5 % of them on new, 1 % of them failed.
fn arrived(random: &mut Rng, exposures: u32, with: With) -> SlicedCounts {
    let mut compared = SlicedCounts::default();
    for (variant, bins) in [(Variant::Legacy, 50..1_000_u16), (Variant::New, 0..50)] {
        let share = bins.len() as u32;
        let mut slices = vec![(0, 0, 0); 100];
        slices.iter_mut().enumerate().for_each(|(slice, own)| own.0 = slice as u8);
        for _ in 0..exposures * share / 1_000 {
            let (slice, is_failed) = (random.usize(..100), u32::from(random.f64() < 0.01));
            slices[slice] = (slice as u8, slices[slice].1 + 1, slices[slice].2 + is_failed);
            if with.bins
                && let Some(own) = compared.binned(&Quantity::Errors, None, variant)
            {
                own.add(random.u16(bins.clone()), 1, is_failed);
            }
        }
        if let Some(trials) = compared.trials(&Quantity::Errors, None, variant) {
            slices.retain(|own| own.1 > 0);
            trials.slices = slices;
        }
    }
    compared
}

fn window(random: &mut Rng, minute: Minute, exposures: u32, with: With) -> Window {
    let mut window = Window::at(minute, 1);
    let exposures = u64::from(exposures);
    for (variant, requests) in [(Variant::Legacy, exposures * 19 / 20), (Variant::New, exposures / 20)] {
        if let Some(tally) = window.tally_mut(variant, None) {
            (tally.requests, tally.errors) = (requests, requests / 100);
            for _ in 0..requests {
                if let Some(sketch) = tally.sketch_mut(&Measure::Latency) {
                    sketch.add(random.i16(150..230), 1);
                }
                if with.dimensions {
                    count_by_value(random, tally);
                }
            }
        }
    }
    window
}

/// A request by its country, browser, device and customer tier, of as many values as are usual.
fn count_by_value(random: &mut Rng, tally: &mut Tally) {
    let tier = Dimension::Header("x-tier".to_owned());
    let errors = if random.f64() < 0.01 { Troubles::once(true, Some(random.u64(..))) } else { Troubles::default() };
    for (dimension, most) in [(Dimension::Country, 120), (Dimension::Browser, 12), (Dimension::Device, 6), (tier, 4)] {
        let counts = ValueCounts { requests: 1, errors, ..ValueCounts::default() };
        // Two letters, as countries have them.
        let number = random.u8(..most);
        let value = String::from_utf8(vec![b'A' + number / 26, b'A' + number % 26]).unwrap();
        if let Some(own) = tally.by_mut(&dimension) {
            own.add(&value, &counts);
        }
    }
}

/// CPU per evaluation, and the memory of everything measured of the rollout, in bytes.
fn measured(with: With) -> (Duration, usize) {
    let mut random = Rng::with_seed(1);
    let plan = read_rollout(PLAN).unwrap_or_else(|faults| panic!("{faults:?}"));
    let at = |second: u64| START.start().plus_ms(second as i64 * 1_000);
    let mut record = Record::draft(&plan, at(0));
    (record.live.phase, record.live.percentage, record.live.revision) = (Phase::Running, plan.stages[0].percentage, 1);
    (record.begun_revision, record.entered_revision, record.exposed_revision) = (1, 1, 1);
    let mut metrics = RolloutMetrics::default();
    let mut spent = Duration::ZERO;
    let evaluations = HOURS * 360;
    for look in 0..evaluations {
        let (second, compared) = (look * 10, arrived(&mut random, EXPOSURES, with));
        let window = window(&mut random, START + second / 60, EXPOSURES, with);
        let begun = cpu();
        metrics.count(window, &compared, at(second));
        metrics.evaluate(&plan, &record, 0, at(second));
        metrics.series.fold(at(second), &mut |_| ());
        spent += cpu() - begun;
    }
    let bytes = metrics.series.bytes() + metrics.values.bytes() + metrics.pasts.bytes() + metrics.judge.bytes();
    (spent / evaluations as u32, bytes)
}

/// How long the text is in which an isolate reports so many requests, in bytes.
fn flushed(exposures: u32, with: With) -> usize {
    let mut random = Rng::with_seed(2);
    let (mut window, compared) = (window(&mut random, START, exposures, with), arrived(&mut random, exposures, with));
    for index in 0..exposures {
        let seen = if index % 20 == 0 { Variant::New } else { Variant::Legacy };
        window.subjects.add(Seen::new(random.u64(..), seen, true));
    }
    let rollout = "shop".parse().unwrap();
    serde_json::to_string(&Counted { rollout, window, compared }).unwrap().len()
}

pub fn table() {
    println!(
        "\n## What an evaluation costs, a rollout of 6,000 exposures a minute with the guardrails that are built in"
    );
    let flush = |of: u32| format!("a flush of {of} requests, bytes");
    head([String::new(), "CPU per evaluation, µs".to_owned(), "memory, kB".to_owned(), flush(FEW), flush(EXPOSURES)]);
    let rows = [
        ("before: by slice alone", With { bins: false, dimensions: false }),
        ("by bin too", With { bins: true, dimensions: false }),
        ("by bin too, and by four dimensions", With { bins: true, dimensions: true }),
    ];
    for (name, with) in rows {
        let (spent, bytes) = measured(with);
        let [few, many] = [FEW, EXPOSURES].map(|exposures| flushed(exposures, with).to_string());
        row([name.to_owned(), format!("{:.0}", spent.as_secs_f64() * 1e6), (bytes / 1_000).to_string(), few, many]);
    }
}
