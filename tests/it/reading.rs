//! Reading takes no time to speak of, whatever thousands of things a plan holds: measured as the processor's
//! time of this thread, which other programs do not add to, and with a wide margin, since tests are built
//! without much optimisation. What was found here once took minutes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

#[path = "../shapes/mod.rs"]
mod shapes;

use tidegate::model::fault::FAULTS_MAX;
use tidegate::text::Source;
use tidegate::text::fault_lines::lines;
use tidegate::text::plans::read_all;

const CPU_MS_MAX: u64 = 10_000;

/// The time that this thread has been on a processor; none where the system does not tell.
fn cpu_ms() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(ns / 1_000_000)
}

#[test]
fn thousands_of_anything_are_read_in_bounded_time_and_reported_in_bounded_length() {
    for shape in shapes::all() {
        let before = cpu_ms();
        let loaded = read_all(vec![Source::new("plan.toml".into(), shape.text)], None).unwrap();
        let faults = &loaded.sources[0].faults;
        let reported = serde_json::to_string(&lines(&loaded.sources)).unwrap();
        let took = cpu_ms().zip(before).map(|(after, before)| after - before);
        assert!(took.is_none_or(|ms| ms < CPU_MS_MAX), "{} took {took:?} ms", shape.name);
        assert!(faults.len() <= 2 * FAULTS_MAX + 2, "{} has {} faults", shape.name, faults.len());
        assert!(reported.len() < 2_000_000, "{} is reported in {} bytes", shape.name, reported.len());
    }
}
