//! What other tools send: each tool's published deliveries, and what is wrong, repeated, late or hostile.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

use std::collections::HashMap;

use tidegate::decide::sources::{AlertStatus, Sources, Taken};
use tidegate::model::Instant;
use tidegate::model::node::Node;
use tidegate::model::plan::signal::Pull;
use tidegate::model::plan::{Plan, Signal, read};
use tidegate::protocol::receive::proof::is_genuine;
use tidegate::protocol::receive::pull::{self, Pulled};
use tidegate::protocol::receive::{self, Alert, Received};

const SECRET: &str = "a secret of thirty-two bytes, or so";

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/receivers/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn now() -> Instant {
    "2026-12-02T09:00:00Z".parse().unwrap()
}

fn later(minutes: i64) -> Instant {
    now().plus_ms(minutes * 60_000)
}

/// The plan of a flag with these signals and receivers, and what is said of it.
fn reported(fields: &str) -> (Option<Plan>, Vec<String>) {
    let text = format!(r#"{{"key":"shop","stage":[{{"name":"full","percentage":100,"hold":"1h"}}],{fields}}}"#);
    let node: Node = serde_json::from_str(&text).unwrap();
    let (plan, faults) = read::plan(&node);
    (plan, faults.iter().map(ToString::to_string).collect())
}

const SIGNALS: &str = r#""signals":{"high":{"kind":"gauge"},"low":{"kind":"gauge"},"p1":{"kind":"count"},"level":{"kind":"gauge","fresh":"1h"}}"#;

fn receiving(kind: &str, rules: &str) -> Plan {
    let fields = format!(
        r#"{SIGNALS},"receivers":{{"in":{{"kind":"{kind}","token":"secret:IN_TOKEN","heartbeat":"10m","signals":{rules}}}}}"#
    );
    let (plan, faults) = reported(&fields);
    plan.unwrap_or_else(|| panic!("{faults:?}"))
}

fn read_of(kind: &str, body: &str) -> Result<Vec<Alert>, String> {
    receive::read(kind.parse().unwrap(), &Received::default(), body, now())
}

fn field<'a>(alert: &'a Alert, name: &str) -> Option<&'a str> {
    alert.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// Deliveries to one receiver, as the controller takes them in.
struct Deliveries {
    plan: Plan,
    sources: Sources,
    known: Vec<String>,
    levels: HashMap<String, f64>,
    counts: HashMap<String, f64>,
}

impl Deliveries {
    fn new(kind: &str, rules: &str) -> Self {
        let (sources, known) = (Sources::default(), Vec::new());
        Self { plan: receiving(kind, rules), sources, known, levels: HashMap::new(), counts: HashMap::new() }
    }

    fn deliver(&mut self, body: &str, at: Instant) -> Taken {
        self.try_deliver(body, at).unwrap()
    }

    fn try_deliver(&mut self, body: &str, at: Instant) -> Result<Taken, String> {
        let receiver = self.plan.receivers.get("in").unwrap();
        let alerts = receive::read(receiver.kind, &Received::default(), body, at)?;
        let occurrences = receive::occurrences(receiver, alerts);
        let once: Vec<String> = occurrences.iter().filter_map(|own| own.once.clone()).collect();
        let known = self.known.clone();
        let taken = self.sources.take(&self.plan, "in", occurrences, &|id| known.iter().any(|own| own == id), at);
        self.known.extend(once);
        for (signal, value) in &taken.reports {
            *self.counts.entry(signal.clone()).or_default() += value;
            self.levels.insert(signal.clone(), *value);
        }
        taken.blank.iter().for_each(|signal| {
            self.levels.remove(signal);
        });
        Ok(taken)
    }

    fn level(&self, signal: &str) -> Option<f64> {
        self.levels.get(signal).copied()
    }

    fn count(&self, signal: &str) -> f64 {
        self.counts.get(signal).copied().unwrap_or_default()
    }
}

fn alert(status: &str, name: &str, began: &str, ended: &str) -> String {
    format!(
        r#"{{"status":"{status}","labels":{{"alertname":"{name}","severity":"p1"}},"startsAt":"{began}","endsAt":"{ended}","fingerprint":"{name}"}}"#
    )
}

fn group(alerts: &[String]) -> String {
    format!(r#"{{"version":"4","status":"firing","alerts":[{}]}}"#, alerts.join(","))
}

const ZERO: &str = "0001-01-01T00:00:00Z";
const RULES: &str = r#"[{"match":{"alertname":["A","B"]},"set":"high"},{"match":{"severity":"p1"},"count":"p1"},{"match":{"alertname":"C"},"set":"low"}]"#;

#[test]
fn a_group_of_alerts_sets_and_counts_once_whatever_is_sent_again() {
    let mut own = Deliveries::new("alertmanager", RULES);
    let firing = group(&[
        alert("firing", "A", "2026-12-02T08:00:00Z", ZERO),
        alert("firing", "B", "2026-12-02T08:01:00Z", ZERO),
    ]);
    own.deliver(&firing, now());
    assert_eq!((own.level("high"), own.level("low"), own.count("p1")), (Some(1.0), Some(0.0), 2.0));
    for minutes in 1..=10 {
        let taken = own.deliver(&firing, later(minutes));
        assert_eq!((own.level("high"), own.count("p1"), taken.news), (Some(1.0), 2.0, 0), "sent again");
    }
    // It stays until all of them are resolved.
    own.deliver(&group(&[alert("resolved", "A", "2026-12-02T08:00:00Z", "2026-12-02T09:10:00Z")]), later(11));
    assert_eq!(own.level("high"), Some(1.0));
    own.deliver(&group(&[alert("resolved", "B", "2026-12-02T08:01:00Z", "2026-12-02T09:11:00Z")]), later(12));
    assert_eq!((own.level("high"), own.count("p1")), (Some(0.0), 2.0));
    // The same alert begins anew.
    own.deliver(&group(&[alert("firing", "A", "2026-12-02T09:20:00Z", ZERO)]), later(21));
    assert_eq!((own.level("high"), own.count("p1")), (Some(1.0), 3.0));
    // And again, and nobody has said that it was over.
    own.deliver(&group(&[alert("firing", "A", "2026-12-02T09:40:00Z", ZERO)]), later(41));
    assert_eq!((own.level("high"), own.count("p1")), (Some(1.0), 4.0));
}

#[test]
fn what_is_late_changes_nothing() {
    let firing = group(&[alert("firing", "A", "2026-12-02T08:00:00Z", ZERO)]);
    let resolved = group(&[alert("resolved", "A", "2026-12-02T08:00:00Z", "2026-12-02T08:30:00Z")]);
    let mut own = Deliveries::new("alertmanager", RULES);
    own.deliver(&resolved, now());
    assert_eq!((own.level("high"), own.count("p1")), (Some(0.0), 0.0), "resolved before it fired");
    own.deliver(&firing, now());
    assert_eq!((own.level("high"), own.count("p1")), (Some(0.0), 0.0), "a late delivery");
    // Long after its end it is no late delivery: Prometheus goes on with an alert after a restart.
    own.deliver(&firing, later(2));
    assert_eq!((own.level("high"), own.count("p1")), (Some(1.0), 1.0));
    // The end of the episode before is not the end of this one.
    own.deliver(&group(&[alert("firing", "A", "2026-12-02T08:50:00Z", ZERO)]), later(3));
    own.deliver(&resolved, later(3));
    assert_eq!(own.level("high"), Some(1.0));
    own.deliver(&group(&[alert("resolved", "A", "2026-12-02T08:50:00Z", "2026-12-02T08:55:00Z")]), later(4));
    assert_eq!(own.level("high"), Some(0.0));
}

#[test]
fn whoever_delivers_and_has_nothing_to_say_means_that_nothing_fires() {
    let mut own = Deliveries::new("alertmanager", RULES);
    own.deliver(&group(&[alert("firing", "Watchdog", "2026-12-02T08:00:00Z", ZERO).replace("p1", "none")]), now());
    assert_eq!((own.level("high"), own.level("low"), own.count("p1")), (Some(0.0), Some(0.0), 0.0));
    own.deliver(&group(&[]), later(1));
    assert_eq!(own.level("high"), Some(0.0));
}

#[test]
fn a_gauge_that_was_reported_by_hand_stays_so_until_its_alert_begins_anew() {
    let mut own = Deliveries::new("alertmanager", RULES);
    let firing = group(&[alert("firing", "A", "2026-12-02T08:00:00Z", ZERO)]);
    own.deliver(&firing, now());
    assert_eq!(own.sources.overrule("high"), [("in".to_owned(), "A".to_owned())]);
    own.deliver(&firing, later(1));
    assert_eq!(own.level("high"), Some(0.0));
    own.deliver(&group(&[alert("firing", "A", "2026-12-02T09:30:00Z", ZERO)]), later(31));
    assert_eq!(own.level("high"), Some(1.0));
}

#[test]
fn grafana_is_read_as_its_papers_say() {
    let alerts = read_of("grafana", &fixture("grafana.json")).unwrap();
    let read: Vec<_> = alerts.iter().map(|own| (own.key.as_str(), own.status, field(own, "alertname"))).collect();
    assert_eq!(
        read,
        [
            ("c6eadffa33fcdf37", AlertStatus::Firing, Some("High memory usage")),
            ("bc97ff14869b13e3", AlertStatus::Firing, Some("High CPU usage")),
        ]
    );
    assert_eq!(alerts[0].at.to_string(), "2021-10-12T07:51:03.157Z");
    let rules = r#"[{"match":{"alertname":"High CPU usage"},"set":"high"},{"match":{"alertname":"High memory usage"},"value":"level","at":"/values/B"}]"#;
    let mut own = Deliveries::new("grafana", rules);
    own.deliver(&fixture("grafana.json"), now());
    assert_eq!((own.level("high"), own.level("level")), (Some(1.0), Some(44.239_437_375_419_08)));
    // The query finds nothing: that stands for the rule, and the one that fires is above it.
    own.deliver(&fixture("grafana-no-data.json"), later(1));
    assert_eq!(own.level("high"), Some(1.0));
    let mut blank = Deliveries::new("grafana", rules);
    let taken = blank.deliver(&fixture("grafana-no-data.json"), now());
    assert_eq!((taken.blank, blank.level("high")), (vec!["high".to_owned()], None));
    let over = fixture("grafana-no-data.json").replacen("\"firing\"", "\"resolved\"", 2);
    blank.deliver(&over.replace(ZERO, "2026-12-02T09:01:00Z"), later(2));
    assert_eq!(blank.level("high"), Some(0.0));
    // What it sent before it had groups.
    let mut old = Deliveries::new("grafana", rules);
    let state =
        |state: &str| format!(r#"{{"ruleId":7,"ruleName":"High CPU usage","state":"{state}","evalMatches":[]}}"#);
    for (word, expected) in [("alerting", Some(1.0)), ("pending", Some(1.0)), ("no_data", None), ("ok", Some(0.0))] {
        old.deliver(&state(word), now());
        assert_eq!(old.level("high"), expected, "{word}");
    }
}

#[test]
fn sentry_is_read_as_its_papers_say() {
    let mut own = Deliveries::new(
        "sentry",
        r#"[{"match":{"rule":"Too many errors"},"set":"high"},{"match":{"resource":"event_alert","level":["error","fatal"]},"count":"p1"},{"match":{"rule":"Very Important Alert Rule!"},"set":"low"}]"#,
    );
    for (action, expected) in [("critical", 1.0), ("warning", 1.0), ("resolved", 0.0)] {
        own.deliver(&fixture("sentry-metric-alert.json").replace("\"critical\"", &format!("\"{action}\"")), now());
        assert_eq!(own.level("high"), Some(expected), "{action}");
    }
    for _ in 0..10 {
        own.deliver(&fixture("sentry-issue-alert.json"), now());
    }
    assert_eq!((own.count("p1"), own.level("low")), (1.0, Some(1.0)), "one event counts once");
    own.deliver(&fixture("sentry-issue-alert.json").replace("e4874d664c35", "f4874d664c35"), later(1));
    assert_eq!(own.count("p1"), 2.0, "another event of the same issue");
    // That the issue is resolved says so of the alert, whichever rule had it.
    own.deliver(&fixture("sentry-issue.json"), later(2));
    assert_eq!(own.level("low"), Some(0.0));
    let installed = r#"{"action":"created","data":{"installation":{"uuid":"x"}},"actor":{}}"#;
    assert_eq!(own.deliver(installed, later(3)).news, 0);
}

#[test]
fn datadog_is_read_by_the_template_of_our_papers() {
    let mut own = Deliveries::new(
        "datadog",
        r#"[{"match":{"monitor":"1234","role":"computing-node"},"set":"high"},{"match":{"priority":"P1"},"count":"p1"}]"#,
    );
    let at = |transition: &str, minutes: i64| {
        let date = (now().as_epoch_ms() + minutes * 60_000).to_string();
        fixture("datadog.json").replace("Triggered\",\n", &format!("{transition}\",\n")).replace("1406662672000", &date)
    };
    for (minutes, transition, level, count) in [
        (-60, "Triggered", Some(1.0), 1.0),
        (-55, "Re-Triggered", Some(1.0), 1.0),
        (-54, "Renotify", Some(1.0), 1.0),
        (-50, "Warn", Some(1.0), 1.0),
        (-40, "No Data", None, 1.0),
        (-30, "Recovered", Some(0.0), 1.0),
        (-45, "Warn", Some(0.0), 1.0),
        (-20, "Triggered", Some(1.0), 2.0),
    ] {
        own.deliver(&at(transition, minutes), now());
        assert_eq!((own.level("high"), own.count("p1")), (level, count), "{transition} at {minutes}");
    }
    // An event without a transition counts by its id.
    let event = fixture("datadog.json").replace("\"Triggered\"", "\"\"");
    for _ in 0..3 {
        own.deliver(&event, now());
    }
    assert_eq!(own.count("p1"), 3.0);
}

#[test]
fn pagerduty_is_read_as_its_papers_say() {
    let mut own = Deliveries::new(
        "pagerduty",
        r#"[{"match":{"service":"API Service","urgency":"high"},"set":"high"},{"match":{"priority":"P1","team":"Engineering"},"count":"p1"}]"#,
    );
    let event = |kind: &str, status: &str, at: &str| {
        fixture("pagerduty-triggered.json")
            .replace("incident.triggered", kind)
            .replace("\"status\": \"triggered\"", &format!("\"status\": \"{status}\""))
            .replace("2021-04-26T17:36:27.458Z", at)
    };
    for (kind, status, at, level, count) in [
        ("incident.triggered", "triggered", "2026-12-02T08:00:00Z", Some(1.0), 1.0),
        ("incident.triggered", "triggered", "2026-12-02T08:00:00Z", Some(1.0), 1.0),
        ("incident.acknowledged", "acknowledged", "2026-12-02T08:05:00Z", Some(1.0), 1.0),
        ("incident.annotated", "acknowledged", "2026-12-02T08:06:00Z", Some(1.0), 1.0),
        ("incident.resolved", "resolved", "2026-12-02T08:10:00Z", Some(0.0), 1.0),
        ("incident.acknowledged", "acknowledged", "2026-12-02T08:07:00Z", Some(0.0), 1.0),
        ("incident.reopened", "triggered", "2026-12-02T08:20:00Z", Some(1.0), 2.0),
        ("incident.resolved", "resolved", "2026-12-02T08:10:00Z", Some(1.0), 2.0),
        ("service.updated", "active", "2026-12-02T08:30:00Z", Some(1.0), 2.0),
        ("pagey.ping", "", "2026-12-02T08:30:00Z", Some(1.0), 2.0),
    ] {
        own.deliver(&event(kind, status, at), now());
        assert_eq!((own.level("high"), own.count("p1")), (level, count), "{kind} at {at}");
    }
}

#[test]
fn plain_json_counts_a_body_once_and_finds_numbers_in_texts() {
    let mut own = Deliveries::new(
        "json",
        r#"[{"match":{"/event/kind":"survey"},"value":"level","at":"/scores/0/value"},{"match":{"severity":["1",2]},"count":"p1"},{"match":{"kind":"tickets"},"count":"p1","at":"/new"}]"#,
    );
    let survey = |value: &str| format!(r#"{{"event":{{"kind":"survey"}},"scores":[{{"value":{value}}}]}}"#);
    for (text, expected) in [
        ("7.5", Some(7.5)),
        ("\"8.25\"", Some(8.25)),
        ("true", Some(1.0)),
        ("\" 3 \"", Some(3.0)),
        ("null", Some(3.0)),
        ("\"NaN\"", Some(3.0)),
        ("\"inf\"", Some(3.0)),
        ("\"eight\"", Some(3.0)),
        ("[8]", Some(3.0)),
        ("1e400", Some(3.0)),
    ] {
        let _ = own.try_deliver(&survey(text), now());
        assert_eq!(own.level("level"), expected, "{text}");
    }
    for _ in 0..10 {
        own.deliver(r#"{"severity":1}"#, now());
    }
    own.deliver(r#"{"severity":2}"#, now());
    assert_eq!(own.count("p1"), 2.0);
    for (new, expected) in [("3", 5.0), ("\"4\"", 9.0), ("-5", 9.0), ("2.9", 11.0), ("null", 11.0)] {
        own.deliver(&format!(r#"{{"kind":"tickets","new":{new}}}"#), now());
        assert_eq!(own.count("p1"), expected, "{new}");
    }
}

#[test]
fn what_is_no_delivery_is_refused_and_what_lacks_something_is_left_out() {
    for (kind, body) in [
        ("alertmanager", ""),
        ("alertmanager", "nonsense"),
        ("alertmanager", "[]"),
        ("alertmanager", "{}"),
        ("alertmanager", r#"{"alerts":{}}"#),
        ("alertmanager", r#"{"alerts":"firing"}"#),
        ("grafana", r#"{"alerts":7}"#),
        ("sentry", "{}"),
        ("datadog", "[1]"),
        ("pagerduty", r#"{"messages":[{"event":"incident.trigger"}]}"#),
        ("pagerduty", r#"{"event":"incident.triggered"}"#),
        ("json", "{\"a\":"),
    ] {
        assert!(read_of(kind, body).is_err(), "{kind} {body}");
    }
    assert!(read_of("json", &"[".repeat(200_000)).is_err(), "too deep");
    let nothing = [
        ("alertmanager", r#"{"alerts":[]}"#),
        ("alertmanager", r#"{"alerts":[null,7,"x",[],{}]}"#),
        ("alertmanager", r#"{"alerts":[{"status":"firing"}]}"#),
        ("alertmanager", r#"{"alerts":[{"status":"burning","labels":{}}]}"#),
        ("alertmanager", r#"{"alerts":[{"status":7,"labels":{}}]}"#),
        ("sentry", r#"{"action":"critical","data":{"metric_alert":{}}}"#),
        ("sentry", r#"{"action":7,"data":{"metric_alert":{"alert_rule":{"id":"7"}}}}"#),
        ("sentry", r#"{"data":null}"#),
        ("pagerduty", r#"{"event":{"event_type":"incident.triggered"}}"#),
        (
            "pagerduty",
            r#"{"event":{"event_type":"incident.triggered","data":{"type":"incident_note","id":"x","status":"triggered"}}}"#,
        ),
    ];
    for (kind, body) in nothing {
        assert_eq!(read_of(kind, body).map(|alerts| alerts.len()), Ok(0), "{kind} {body}");
    }
    // Labels of any kind and language; times that are none.
    let odd = r#"{"alerts":[{"status":"firing","labels":{"alertname":"тревога 🔥","n":7,"deep":{"x":[1]},"none":null,"":"x"},"startsAt":"yesterday","endsAt":7,"fingerprint":null,"more":[[]]}],"later":{}}"#;
    let alerts = read_of("alertmanager", odd).unwrap();
    assert_eq!(
        (field(&alerts[0], "alertname"), field(&alerts[0], "n"), alerts[0].at),
        (Some("тревога 🔥"), Some("7"), now())
    );
    assert_eq!(alerts[0].key.len(), 64, "known by its labels");
    // From the future, or from the beginning of time.
    let future = group(&[alert("firing", "A", "9999-12-31T23:59:59Z", ZERO), alert("firing", "B", "-1", ZERO)]);
    assert!(read_of("alertmanager", &future).unwrap().iter().all(|own| own.at == now()));
    let many: Vec<String> = (0..5_000).map(|n| alert("firing", &format!("a{n}"), ZERO, ZERO)).collect();
    assert_eq!(read_of("alertmanager", &group(&many)).unwrap().len(), 2_000);
}

#[test]
fn thousands_of_alerts_take_no_endless_memory() {
    let mut own = Deliveries::new("alertmanager", r#"[{"set":"high"}]"#);
    for round in 0..8 {
        let many: Vec<String> =
            (0..1_500).map(|n| alert("firing", &format!("a{round}-{n}"), "2026-12-02T08:00:00Z", ZERO)).collect();
        own.deliver(&group(&many), later(round));
    }
    assert_eq!(own.sources.receiver("in").map(|state| state.alerts.len()), Some(5_000));
    assert_eq!(own.level("high"), Some(1.0));
}

/// Whether a delivery with these headers is genuine.
fn proves(kind: &str, is_signed: bool, headers: &[(&str, &str)], body: &str, now_s: f64) -> bool {
    let field = if is_signed { "signing_secret" } else { "token" };
    let fields =
        format!(r#"{SIGNALS},"receivers":{{"in":{{"kind":"{kind}","{field}":"secret:IN","heartbeat":"10m"}}}}"#);
    let (plan, faults) = reported(&fields);
    let receiver = plan.unwrap_or_else(|| panic!("{faults:?}")).receivers.get("in").unwrap().clone();
    let header = |name: &str| headers.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
    let secret = if kind == "pagerduty" { PAGERDUTY_SECRET } else { SECRET };
    is_genuine(&receiver, secret, &header, body, now_s)
}

/// Of PagerDuty's own test.
const PAGERDUTY_SECRET: &str = "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK";
const PAGERDUTY_SIGNATURE: &str = "v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd";

#[test]
fn a_delivery_is_proved_by_its_token_or_its_signature() {
    let basic = "Basic YW55Ym9keTphIHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLCBvciBzbw==";
    let bearer = format!("Bearer {SECRET}");
    for kind in ["alertmanager", "grafana", "sentry", "datadog", "pagerduty", "json"] {
        let token = if kind == "pagerduty" { format!("Bearer {PAGERDUTY_SECRET}") } else { bearer.clone() };
        assert!(proves(kind, false, &[("authorization", &token)], "{}", 0.0), "{kind}");
        for wrong in ["", "Bearer", "Bearer ", "Bearer wrong", "Basic", "Basic !!!", "Basic eDp5", SECRET, "Digest x"] {
            assert!(!proves(kind, false, &[("authorization", wrong)], "{}", 0.0), "{kind} {wrong}");
        }
        assert!(!proves(kind, false, &[], "{}", 0.0), "{kind}");
    }
    assert!(proves("alertmanager", false, &[("authorization", basic)], "{}", 0.0));
    assert!(proves("json", false, &[("authorization", &format!("bearer   {SECRET}"))], "{}", 0.0));
    // HMAC-SHA-256 of `{}` and of `1796115600:{}` under the secret.
    let sign = |text: &str| hex(&hmac(SECRET, text));
    let (own, timed) = (sign("{}"), sign("1796115600:{}"));
    assert!(proves("sentry", true, &[("sentry-hook-signature", &own)], "{}", 0.0));
    assert!(proves("grafana", true, &[("x-grafana-alerting-signature", &own)], "{}", 0.0));
    let at = |time: &'static str, signature: &str, now_s: f64| {
        proves(
            "grafana",
            true,
            &[("x-grafana-alerting-timestamp", time), ("x-grafana-alerting-signature", signature)],
            "{}",
            now_s,
        )
    };
    assert!(at("1796115600", &timed, 1_796_115_700.0));
    assert!(!at("1796115600", &timed, 1_796_116_000.0), "too old");
    assert!(!at("1796115600", &own, 1_796_115_700.0) && !at("soon", &timed, 1_796_115_700.0));
    for wrong in ["", "00", "zz", &own[1..], &format!("{own}00"), &sign("{} ")] {
        assert!(!proves("sentry", true, &[("sentry-hook-signature", wrong)], "{}", 0.0), "{wrong}");
    }
    assert!(!proves("sentry", true, &[("authorization", &bearer)], "{}", 0.0), "a signature is asked for");
}

#[test]
fn pagerdutys_own_example_is_genuine_also_among_several_signatures() {
    let body = fixture("pagerduty-signed.txt");
    let is_genuine = |signatures: &str| proves("pagerduty", true, &[("x-pagerduty-signature", signatures)], &body, 0.0);
    assert!(is_genuine(PAGERDUTY_SIGNATURE));
    assert!(is_genuine(&format!("v1={},{PAGERDUTY_SIGNATURE}", "0".repeat(64))));
    assert!(is_genuine(&format!("v2=abc, {PAGERDUTY_SIGNATURE}")));
    for wrong in
        ["", "v1=", "v1=7020c8a7ec668a9b7012bc3dd82e483394b038f4230acc6785efbf2a7d8bcaf5", &PAGERDUTY_SIGNATURE[3..]]
    {
        assert!(!is_genuine(wrong), "{wrong}");
    }
    let body = body.replace("bump", "jump");
    assert!(!proves("pagerduty", true, &[("x-pagerduty-signature", PAGERDUTY_SIGNATURE)], &body, 0.0));
}

/// HMAC-SHA-256 by its definition, so that nothing is compared with itself.
fn hmac(key: &str, text: &str) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key.as_bytes());
    let pad = |with: u8, rest: &[u8]| {
        let bytes: Vec<u8> = block.iter().map(|byte| byte ^ with).chain(rest.iter().copied()).collect();
        unhex(&tidegate::model::history::sha256_hex(&bytes))
    };
    pad(0x5c, &pad(0x36, text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

fn pulled(signal: &str) -> Signal {
    let (plan, faults) = reported(&format!(r#""signals":{{"x":{signal}}}"#));
    plan.unwrap_or_else(|| panic!("{faults:?}")).signals.get("x").unwrap().clone()
}

#[track_caller]
fn answers(pull: &Pull<'_>, status: u16, body: &str, expected: &Pulled) {
    assert_eq!(&pull::read(pull, status, body), expected, "{status} {body}");
}

#[test]
fn prometheus_is_asked_and_its_answer_is_one_number_or_none() {
    let signal =
        pulled(r#"{"prometheus":{"url":"secret:PROM_URL","query":"avg(rate(cpu{job=\"db\"}[5m]))","every":"1m"}}"#);
    let pull = signal.pull().unwrap();
    const QUERY: &str = "query=avg%28rate%28cpu%7Bjob%3D%22db%22%7D%5B5m%5D%29%29&timeout=8s";
    for (address, expected) in [
        ("https://prom.example", format!("https://prom.example/api/v1/query?{QUERY}")),
        ("http://prom.example:9090/ ", format!("http://prom.example:9090/api/v1/query?{QUERY}")),
        ("https://x.example/prometheus/api/v1/query", format!("https://x.example/prometheus/api/v1/query?{QUERY}")),
        ("https://x.example/a?tenant=7", format!("https://x.example/a/api/v1/query?{QUERY}&tenant=7")),
    ] {
        assert_eq!(pull::url(&pull, address), Ok(expected));
    }
    for wrong in ["", "prom.example", "ftp://prom.example", "https://prom .example", "https://prom\n.example"] {
        assert_eq!(pull::url(&pull, wrong), Err("secret:PROM_URL is not an address of http or https".to_owned()));
    }
    let vector = |result: &str| format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#);
    answers(&pull, 200, &vector(r#"[{"metric":{},"value":[1796115600.1,"0.42"]}]"#), &Pulled::Value(0.42));
    answers(
        &pull,
        200,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1796115600,"3"]}}"#,
        &Pulled::Value(3.0),
    );
    let blank = |why: &str| Pulled::Blank(why.to_owned());
    answers(&pull, 200, &vector("[]"), &blank("the query finds nothing"));
    answers(&pull, 200, &vector(r#"[{"value":[1,"NaN"]}]"#), &blank("the query yields NaN"));
    answers(&pull, 200, &vector(r#"[{"value":[1,"+Inf"]}]"#), &blank("the query yields +Inf"));
    answers(
        &pull,
        200,
        &vector(r#"[{"value":[1,"1"]},{"value":[1,"2"]}]"#),
        &blank("the query yields 2 series, and a signal is one number: aggregate them, as in `avg(…)`"),
    );
    answers(
        &pull,
        200,
        r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
        &blank("the query yields a matrix, and a signal is one number"),
    );
    let failed = |why: &str| Pulled::Failed(why.to_owned());
    answers(
        &pull,
        400,
        r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error"}"#,
        &failed("it refuses the query (400): 1:5: parse error"),
    );
    for (status, body, why) in [
        (502, "<html>", "it answers 502"),
        (401, "{}", "it answers 401"),
        (302, "", "it redirects (302), and redirects are not followed"),
        (200, "<html>", "its answer is no JSON"),
        (200, "", "its answer is no JSON"),
        (200, "{}", "its answer is none of Prometheus' API"),
        (
            200,
            r#"{"status":"success","data":{"resultType":"vector","result":{}}}"#,
            "its answer is none of Prometheus' API",
        ),
        (
            200,
            r#"{"status":"success","data":{"resultType":"vector","result":[{}]}}"#,
            "its answer is none of Prometheus' API",
        ),
    ] {
        answers(&pull, status, body, &failed(why));
    }
    assert_eq!(pull::authorization("abc"), "Bearer abc");
    assert_eq!(pull::authorization(" Basic dXNlcjp0b2tlbg== "), "Basic dXNlcjp0b2tlbg==");
    let said = pull::said(
        "getaddrinfo prom.internal: https://prom.internal:9090/x?query=1 failed",
        "https://prom.internal:9090/x?query=1",
    );
    assert_eq!(said, "getaddrinfo …: … failed");
}

#[test]
fn plain_json_is_asked_for_the_number_at_a_path() {
    let signal = pulled(r#"{"json":{"url":"https://nps.example/latest?days=7","at":"/data/0/value","every":"10s"}}"#);
    let pull = signal.pull().unwrap();
    assert_eq!(
        pull::url(&pull, "https://nps.example/latest?days=7").as_deref(),
        Ok("https://nps.example/latest?days=7")
    );
    answers(&pull, 200, r#"{"data":[{"value":"7.5"}]}"#, &Pulled::Value(7.5));
    answers(&pull, 203, r#"{"data":[{"value":-2}]}"#, &Pulled::Value(-2.0));
    answers(&pull, 200, r#"{"data":[]}"#, &Pulled::Blank("its answer has nothing at `/data/0/value`".to_owned()));
    answers(
        &pull,
        200,
        r#"{"data":[{"value":null}]}"#,
        &Pulled::Blank("`/data/0/value` is null, and no number".to_owned()),
    );
    answers(&pull, 500, r#"{"data":[{"value":1}]}"#, &Pulled::Failed("it answers 500".to_owned()));
    answers(&pull, 204, "", &Pulled::Failed("its answer is no JSON".to_owned()));
}

#[test]
fn plans_of_receivers_and_sources_are_read_strictly_and_print_back() {
    let good = r#""signals":{"high":{"kind":"gauge"},"p1":{"kind":"count"},"cpu":{"kind":"gauge","prometheus":{"url":"secret:PROM_URL","query":"avg(cpu)","every":"30s","token":"secret:PROM_TOKEN"}},"nps":{"kind":"gauge","fresh":"1d","json":{"url":"https://nps.example/","at":"/a~1b/0","every":"1h"}}},"receivers":{"alerts":{"kind":"alertmanager","token":"secret:ALERTS","heartbeat":"10m","signals":[{"match":{"alertname":["A","B"]},"set":"high"},{"match":{"severity":["p1"]},"count":"p1"}]}}"#;
    let (plan, faults) = reported(good);
    assert_eq!(faults, [""; 0]);
    let printed = serde_json::to_string(&plan.unwrap()).unwrap();
    for part in good.split_inclusive("}}") {
        let part = part.trim_start_matches(',');
        assert!(printed.contains(part) || part.len() < 5, "{part}\n{printed}");
    }
    for (fields, expected) in [
        (
            r#""receivers":{"a":{"kind":"alertmanager"}}"#,
            "receivers.a: a receiver without a secret would take signals from anybody (`token = \"secret:NAME\"`: the sender brings it as a bearer token, or as the password of basic authentication)",
        ),
        (
            r#""receivers":{"a":{"kind":"grafana","token":"secret:A","signing_secret":"secret:B","heartbeat":"1m"}}"#,
            "receivers.a: a receiver has either `token` or `signing_secret`",
        ),
        (
            r#""receivers":{"a":{"kind":"datadog","signing_secret":"secret:B","heartbeat":"1m"}}"#,
            "receivers.a: the signature of `datadog` is not known here (give it `token = \"secret:NAME\"`)",
        ),
        (
            r#""receivers":{"a":{"kind":"nagios","token":"secret:A"}}"#,
            "receivers.a.kind: `nagios` is not a kind of receiver (`alertmanager`, `grafana`, `sentry`, `datadog`, `pagerduty` or `json`)",
        ),
        (
            r#""receivers":{"a":{"kind":"json","token":"s3cret-itself","heartbeat":"1m"}}"#,
            "receivers.a.token: this is not the name of a secret (write `secret:NAME`, and set its value with `npx wrangler secret put NAME` (locally in .dev.vars))",
        ),
        (
            r#""receivers":{"a":{"kind":"json","token":"secret:A","signals":[{"set":"x","at":"/y"}]}},"signals":{"x":{"kind":"gauge"}}"#,
            "receivers.a.signals[0]: plain JSON neither fires nor is resolved (`value` with `at`: `true` is 1, `false` is 0)",
        ),
        (
            r#""receivers":{"a":{"kind":"json","token":"secret:A","signals":[{"value":"x"}]}},"signals":{"x":{"kind":"gauge"}}"#,
            "receivers.a.signals[0]: `value` needs `at`, where the number stands (`at = \"/score\"`, a path into what arrives)",
        ),
        (
            r#""receivers":{"a":{"kind":"json","token":"secret:A","signals":[{"count":"x","value":"x","at":"/y"}]}},"signals":{"x":{"kind":"gauge"}}"#,
            "receivers.a.signals[0]: a rule names one signal (`set = \"SIGNAL\"` (1 while it fires), `count = \"SIGNAL\"` or `value = \"SIGNAL\"` with `at`)",
        ),
        (
            r#""receivers":{"a":{"kind":"json","token":"secret:A","signals":[{"count":"x","at":"y"}]}},"signals":{"x":{"kind":"count"}}"#,
            "receivers.a.signals[0].at: `y` is not a path into JSON (a JSON pointer such as `/data/0/value`)",
        ),
        (
            r#""receivers":{"a":{"kind":"sentry","signing_secret":"secret:A","heartbeat":"1m","signals":[{"set":"hihg"}]}},"signals":{"high":{"kind":"gauge"}}"#,
            "receivers.a.signals[0].set: no signal is called `hihg` (did you mean `high`?)",
        ),
        (
            r#""receivers":{"a":{"kind":"sentry","signing_secret":"secret:A","heartbeat":"1m","signals":[{"set":"high"}]}},"signals":{"high":{"kind":"count"}}"#,
            "receivers.a.signals[0].set: `set` makes a gauge, and the signal `high` is a count (`kind = \"gauge\"` in [signals.high])",
        ),
        (
            r#""receivers":{"a":{"kind":"sentry","signing_secret":"secret:A","signals":[{"set":"high"}]}},"signals":{"high":{"kind":"gauge"}}"#,
            "receivers.a.signals[0]: `high` stays unknown until an alert of it arrives, and nobody notices when none can (give the receiver a `heartbeat`, and let the sender send one alert that always fires)",
        ),
        (
            r#""signals":{"x":{"prometheus":{"url":"prom","query":"up"}}}"#,
            "signals.x.prometheus.url: `prom` is not the address of a source (`secret:NAME`, or an address such as `https://metrics.example.com`, without a password)",
        ),
        (
            r#""signals":{"x":{"prometheus":{"url":"https://me:pw@prom.example","query":"up"}}}"#,
            "signals.x.prometheus.url: `the value` is not the address of a source (`secret:NAME`, or an address such as `https://metrics.example.com`, without a password)",
        ),
        (
            r#""signals":{"x":{"prometheus":{"url":"secret:P","query":" "}}}"#,
            "signals.x.prometheus: the query is empty (PromQL that yields one number, such as `avg(db_cpu)`)",
        ),
        (
            r#""signals":{"x":{"prometheus":{"url":"secret:P","query":"up","every":"5s"}}}"#,
            "signals.x.prometheus.every: `5s` is too often (10s or longer)",
        ),
        (
            r#""signals":{"x":{"prometheus":{"url":"secret:P","query":"up","every":"10m"}}}"#,
            "signals.x: it is asked for every 10m, and counts for 5m (`fresh` has to be longer than `every`)",
        ),
        (
            r#""signals":{"x":{"kind":"count","json":{"url":"secret:P","at":"/a"}}}"#,
            "signals.x: what is asked for is a gauge (a source has a level, not events: `increase(…)` makes one of a counter)",
        ),
        (
            r#""signals":{"x":{"json":{"url":"secret:P","at":"/a"},"prometheus":{"url":"secret:P","query":"up"}}}"#,
            "signals.x: a signal has one source (leave out `prometheus` or `json`)",
        ),
    ] {
        let (_, faults) = reported(fields);
        assert!(faults.iter().any(|fault| fault == expected), "{expected}\n{faults:#?}");
    }
    // What a later release knows is passed over in what is stored.
    let later = r#"{"key":"a","stage":[{"name":"full","percentage":100}],"receivers":{"x":{"kind":"opsgenie","token":"secret:A"},"y":{"kind":"json","token":"secret:A","mode":"new"}}}"#;
    let stored = read::stored(&serde_json::from_str::<Node>(later).unwrap()).0.unwrap();
    assert_eq!(stored.receivers.names().collect::<Vec<_>>(), ["y"]);
}
