//! How long a flush is: it grows less than the requests that it tells of, and never beyond what can be stored.

use tidegate::decide::assign::{Assignment, Reason, Variant};
use tidegate::model::Minute;
use tidegate::model::plan::Plan;
use tidegate::model::plan::set::read_rollout;
use tidegate::model::subject::SubjectHash;
use tidegate::protocol::decision::Assigned;
use tidegate::protocol::meter::{Meter, Outcome, Visit};

/// What the controller stores of a batch at the most, in bytes.
const STORED_BYTES_MAX: usize = 1 << 20;
const MINUTE: Minute = Minute::new(29_000_000);

fn plan(key: &str) -> Plan {
    read_rollout(&format!(
        r#"{{"key":"{key}","routes":["/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},"endpoints":{{"api":"path:/api/*"}},"stage":[{{"name":"half","percentage":50,"hold":"1d"}},{{"name":"full","percentage":100}}]}}"#
    ))
    .unwrap_or_else(|_| unreachable!())
}

/// Counts so many requests of as many subjects in one second, with latencies from about 40 ms to 400 ms.
fn count(meter: &mut Meter, plan: &Plan, number: usize, requests: u64) {
    for n in 0..requests {
        let hash = SubjectHash::of(&n.to_le_bytes());
        let variant = if hash.get().is_multiple_of(2) { Variant::New } else { Variant::Legacy };
        let assignment = Assignment { variant, reason: Reason::Bucketed, stage: 0, bucket: Some(1), revision: 7 };
        let assigned = Assigned { number, assignment, subject: Some(hash) };
        let path = if n.is_multiple_of(3) { "/api/goods" } else { "/page" };
        let visit = Visit { plan, assigned, path, has_opted_out: false, minute: MINUTE, client: None, traits: None };
        // The sum of four even ones: a hump, as latencies have.
        let spread: u64 = (0..4).map(|part| (hash.get() >> (8 * part)) % 30).sum();
        let latency = i16::try_from(90 + spread).ok();
        let is_failure = n.is_multiple_of(50);
        let status = Some(if is_failure { 500 } else { 200 });
        meter.count(&visit, Outcome { status, is_failure, is_timeout: false, latency });
    }
}

/// The lengths of the batches that all of it takes, in bytes.
fn lengths(mut meter: Meter) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let Some(batch) = meter.take() {
        lengths.push(serde_json::to_string(&batch).unwrap_or_default().len());
    }
    lengths
}

#[test]
fn a_flush_grows_less_than_its_requests() {
    let plan = plan("shop");
    let each = |requests: u64| {
        let mut meter = Meter::default();
        count(&mut meter, &plan, 0, requests);
        lengths(meter).into_iter().sum::<usize>() as f64 / requests as f64
    };
    let measured = [20, 460, 5_000].map(each);
    assert!(measured[0] > measured[1] && measured[1] > measured[2], "bytes of a request: {measured:?}");
}

#[test]
fn no_batch_is_longer_than_can_be_stored_however_many_rollouts_are_busy() {
    let plans: Vec<Plan> = (0..200).map(|n| plan(&format!("rollout-{n}"))).collect();
    let mut meter = Meter::default();
    plans.iter().enumerate().for_each(|(number, plan)| count(&mut meter, plan, number, 2_000));
    let lengths = lengths(meter);
    assert!(lengths.len() > 1 && lengths.iter().all(|length| *length < STORED_BYTES_MAX), "{lengths:?}");
}
