//! The signals, receivers and probes of a rollout as lines: each with what was last seen, and what is wrong with it.

use super::paint::{BAD, DIM, WARN, paint};
use super::words::relative;
use tidegate_model::Instant;
use tidegate_protocol::api::shapes::{ProbeState, ReceiverState, SignalState};

/// A signal.
pub fn signal_line(signal: &SignalState, now: Instant) -> (String, String) {
    let from = match (signal.source.as_str(), &signal.receiver) {
        ("receiver", Some(receiver)) => format!(", from {receiver}"),
        ("reported" | "", _) => String::new(),
        (source, _) => format!(", from {source}"),
    };
    let value = match (signal.value, signal.at.get()) {
        (Some(value), Some(at)) => {
            let age = relative(at, now);
            let stale = if signal.is_stale { "; that counts no more" } else { "" };
            match signal.counted {
                Some(counted) => format!(
                    "{} {counted} in this attempt {}",
                    signal.name,
                    paint(DIM, format!("(last report {age}{from}{stale})"))
                ),
                None => format!("{} {value} {}", signal.name, paint(DIM, format!("({age}{from}{stale})"))),
            }
        }
        _ => format!("{} {}", signal.name, paint(DIM, format!("(never reported{from})"))),
    };
    let (mark, error) = match &signal.error {
        Some(error) => (format!("{} ", paint(BAD, "!")), format!(": {error}")),
        None if signal.is_stale => (format!("{} ", paint(WARN, "!")), String::new()),
        None => (String::new(), String::new()),
    };
    (mark, format!("{value}{error}"))
}

/// A receiver.
pub fn receiver_line(receiver: &ReceiverState, now: Instant) -> (String, String) {
    let last = receiver
        .last_at
        .get()
        .map_or_else(|| "nothing has arrived".to_owned(), |at| format!("last {}", relative(at, now)));
    let firing = if receiver.firing > 0 { format!(", {} firing", receiver.firing) } else { String::new() };
    let mark = if receiver.is_silent { format!("{} ", paint(WARN, "!")) } else { String::new() };
    let about = format!("({}: {last}{firing})", receiver.kind);
    (mark, format!("{} {}", receiver.path, paint(DIM, about)))
}

/// A probe of one side.
pub fn probe_line(probe: &ProbeState, now: Instant) -> (String, String) {
    let passed = probe.passed.map_or_else(String::new, |share| format!(" {:.1} % pass", share * 100.0));
    let last = match (probe.at.get(), probe.took_ms) {
        (Some(at), Some(ms)) => format!("({}, {ms} ms)", relative(at, now)),
        (Some(at), None) => format!("({})", relative(at, now)),
        (None, _) => "(not made yet)".to_owned(),
    };
    let mark = if probe.failure.is_some() { format!("{} ", paint(BAD, "!")) } else { String::new() };
    let failure = probe.failure.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    (mark, format!("{} on {}{passed} {}{failure}", probe.path, probe.on, paint(DIM, last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(line: (String, String), expected: &str) {
        let text = format!("{}{}", line.0, line.1);
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), expected);
    }

    #[test]
    fn a_probe_says_how_many_pass_and_what_was_not_as_expected() {
        let now: Instant = "2026-12-02T14:00:00Z".parse().unwrap();
        let probe = |text: &str| serde_json::from_str::<ProbeState>(text).unwrap();
        says(
            probe_line(
                &probe(r#"{"path":"/login","on":"new","passed":0.9666,"at":"2026-12-02T13:59:30Z","took_ms":120}"#),
                now,
            ),
            "/login on new 96.7 % pass (30 s ago, 120 ms)",
        );
        says(
            probe_line(
                &probe(
                    r#"{"path":"/","on":"legacy","at":"2026-12-02T13:59:30Z","failure":"it answers 503, and 200 is expected"}"#,
                ),
                now,
            ),
            "! / on legacy (30 s ago): it answers 503, and 200 is expected",
        );
        says(probe_line(&probe(r#"{"path":"/","on":"new"}"#), now), "/ on new (not made yet)");
    }

    #[test]
    fn a_signal_says_what_it_is_since_when_and_what_is_wrong() {
        let now: Instant = "2026-12-02T14:00:00Z".parse().unwrap();
        let signal = |text: &str| serde_json::from_str::<SignalState>(text).unwrap();
        says(
            signal_line(
                &signal(
                    r#"{"name":"cpu","kind":"gauge","source":"prometheus","value":0.42,"at":"2026-12-02T13:59:48Z"}"#,
                ),
                now,
            ),
            "cpu 0.42 (12 s ago, from prometheus)",
        );
        says(
            signal_line(
                &signal(
                    r#"{"name":"cpu","kind":"gauge","source":"json","value":0.4,"at":"2026-12-02T13:50:00Z","is_stale":true,"error":"it answers 502"}"#,
                ),
                now,
            ),
            "! cpu 0.4 (10 min ago, from json; that counts no more): it answers 502",
        );
        says(
            signal_line(&signal(r#"{"name":"p1","kind":"count","source":"receiver","receiver":"alerts"}"#), now),
            "p1 (never reported, from alerts)",
        );
        says(
            signal_line(
                &signal(
                    r#"{"name":"p1","kind":"count","source":"reported","value":0,"counted":3,"at":"2026-12-02T13:59:48Z"}"#,
                ),
                now,
            ),
            "p1 3 in this attempt (last report 12 s ago)",
        );
        let receiver: ReceiverState = serde_json::from_str(
            r#"{"name":"alerts","kind":"alertmanager","path":"/_tidegate/in/alerts","last_at":"2026-12-02T13:59:00Z","firing":2}"#,
        )
        .unwrap();
        says(receiver_line(&receiver, now), "/_tidegate/in/alerts (alertmanager: last 1 min ago, 2 firing)");
    }
}
