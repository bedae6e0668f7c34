//! A beacon's body, read leniently: it comes from any browser, and from anybody.
//!
//! ```json
//! {"token":"…","metrics":{"lcp":1234.5,"cls":0.02,"timing.tti":2300},"js_errors":2,"events":["used"],
//!  "errors":[{"name":"TypeError","message":"x is not a function","frame":"at f (https://…/app.1a2b.js:1:9)"}],"mixed":["shop"]}
//! {"token":"…","view":1,"metrics":{},"js_errors":0,"events":["used"],"messages":true}
//! ```
//! `messages` asks for what the page is to show. `view` is the screen of an app that changes its screens in the browser, after the first, which is 0.
//! What is wrong with one metric or event leaves out that one; what is not known is ignored. Only a
//! body that is no JSON, that brings no token or is about no screen that there is, is refused whole.

use super::{Report, SCREENS_MAX, fingerprint};
use crate::api::problem::Problem;
use crate::exposure::ExposureKey;
use tidegate_decide::judge::adoption::{OPTED_OUT, VIEW};
use tidegate_model::condition::Vital;
use tidegate_model::measured::{Measure, sketch};
use tidegate_model::node::{Node, Value};
use tidegate_model::{Minute, Name};

/// The longest body, in bytes.
pub const BODY_BYTES_MAX: u32 = 16 << 10;
/// So many metrics of one page view count, and so many events.
const METRICS_MAX: usize = 32;
const EVENTS_MAX: usize = 16;
/// The longest time: who takes ten minutes to load has gone.
const TIME_MS_MAX: f64 = 600_000.0;
/// The highest number that a page reports under a name.
const VALUE_MAX: f64 = 1_000_000.0;
/// The highest layout shift.
const SHIFT_MAX: f64 = 100.0;
/// So many errors of one page view count.
const JS_ERRORS_MAX: f64 = 1_000.0;
/// And so many different ones are distinguished.
const SCRIPTS_MAX: usize = 3;

/// What a page has sent.
#[derive(Debug, Default)]
pub struct Body {
    /// What it reports, once for each exposure of its token.
    pub reports: Vec<Report>,
    /// Whether it asks for messages to show.
    pub asks: bool,
}

/// Reads a body that was sent to `host` at `minute`.
///
/// # Errors
/// When it cannot be read, or its token does not count.
pub fn read(text: &str, key: &ExposureKey, host: &str, minute: Minute) -> Result<Body, Problem> {
    let node: Node = serde_json::from_str(text).map_err(|error| {
        Problem::malformed(format!("the body is no JSON: {error}"), "send what `/_tidegate/beacon.js` sends")
    })?;
    let token = match node.field("token").map(|node| &node.value) {
        Some(Value::Text(token)) => token,
        _ => {
            return Err(Problem::malformed(
                "`token` is missing",
                "send the description of the page's Server-Timing entry `tidegate`",
            ));
        }
    };
    let screen = screen(node.field("view"))?;
    let mut reports = key.verify(token, host, minute).ok_or_else(bad_token)?;
    let js_errors = node
        .field("js_errors")
        .and_then(number)
        .filter(|count| *count >= 0.0)
        .map_or(0, |count| count.min(JS_ERRORS_MAX) as u32);
    let scripts = if js_errors > 0 { scripts(node.field("errors")) } else { Vec::new() };
    let measures = measures(node.field("metrics"));
    let values = values(node.field("metrics"), &measures);
    let events = events(node.field("events"));
    for report in &mut reports {
        if screen > 0 {
            report.to_screen(screen, minute);
        }
        report.js_errors = js_errors;
        report.scripts.clone_from(&scripts);
        // Who was dealt out by no hash has a side for another reason.
        report.is_mixed =
            screen == 0 && report.slice.is_some() && is_among(node.field("mixed"), report.rollout.as_str());
        report.measures.clone_from(&measures);
        report.values.clone_from(&values);
        report.events.clone_from(&events);
    }
    let asks = matches!(node.field("messages").map(|node| &node.value), Some(Value::Bool(true)));
    Ok(Body { reports, asks })
}

fn number(node: &Node) -> Option<f64> {
    match node.value {
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}

/// Which screen it is about. To count a wrong one as another would be worse than not to count it.
fn screen(node: Option<&Node>) -> Result<u16, Problem> {
    let Some(node) = node else { return Ok(0) };
    let screen = match node.value {
        Value::Integer(number) => u16::try_from(number).ok().filter(|screen| *screen <= SCREENS_MAX),
        _ => None,
    };
    screen.ok_or_else(|| {
        Problem::malformed(format!("`view` is no screen: {}", node.value), "count the page's screens from 0 to 200")
    })
}

fn measures(node: Option<&Node>) -> Vec<(Measure, i16)> {
    let Some(Value::Table(entries)) = node.map(|node| &node.value) else { return Vec::new() };
    let measured = entries.iter().filter_map(|entry| {
        let measure: Measure = entry.key.parse().ok()?;
        let max = match measure {
            Measure::Latency | Measure::Waited | Measure::ShadowLatency => return None,
            Measure::Vital(Vital::Cls) => SHIFT_MAX,
            Measure::Vital(_) | Measure::Timing(_) => TIME_MS_MAX,
            Measure::Value(_) => VALUE_MAX,
        };
        let value = number(&entry.node).filter(|value| *value <= max)?;
        Some((measure, sketch::bucket(value)?))
    });
    measured.take(METRICS_MAX).collect()
}

/// The numbers among them, in thousandths.
fn values(node: Option<&Node>, measures: &[(Measure, i16)]) -> Vec<(Name, u64)> {
    let of = |measure: &Measure| {
        let Measure::Value(name) = measure else { return None };
        let value = node?.field(&measure.to_string()).and_then(number)?;
        // It is at least 0, and not over the highest.
        Some((name.clone(), (value * 1_000.0).round() as u64))
    };
    measures.iter().filter_map(|(measure, _)| of(measure)).collect()
}

/// The fingerprints of its errors.
fn scripts(node: Option<&Node>) -> Vec<String> {
    let Some(Value::List(items)) = node.map(|node| &node.value) else { return Vec::new() };
    let mut scripts: Vec<String> = Vec::new();
    for item in items.iter().take(SCRIPTS_MAX) {
        let text = |key: &str| match item.field(key).map(|node| &node.value) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let script = fingerprint::of(text("name"), text("message"), text("frame"));
        if !scripts.contains(&script) {
            scripts.push(script);
        }
    }
    scripts
}

fn is_among(node: Option<&Node>, name: &str) -> bool {
    let Some(Value::List(items)) = node.map(|node| &node.value) else { return false };
    items.iter().any(|item| matches!(&item.value, Value::Text(text) if text == name))
}

fn events(node: Option<&Node>) -> Vec<Name> {
    let Some(Value::List(items)) = node.map(|node| &node.value) else { return Vec::new() };
    let mut events: Vec<Name> = Vec::new();
    for item in items {
        if let Value::Text(text) = &item.value
            && text != VIEW
            && text != OPTED_OUT
            && let Ok(event) = text.parse()
            && !events.contains(&event)
            && events.len() < EVENTS_MAX
        {
            events.push(event);
        }
    }
    events
}

/// Forged, damaged or too old; which of them is nobody's business.
fn bad_token() -> Problem {
    Problem {
        kind: "bad-exposure",
        status: 403,
        title: "Not a page of ours",
        detail: "the token was not issued on this host, or more than 12 hours ago".to_owned(),
        help: Some("send the token of the page that reports, to the host of that page".to_owned()),
        more: Box::default(),
        allow: None,
        retry_after_s: None,
        revision: None,
    }
}

/// An address that reports too often.
pub fn too_many() -> Problem {
    Problem {
        kind: "too-many",
        status: 429,
        title: "Too many reports",
        detail: "this address has reported 60 times, and may once a second from now on".to_owned(),
        help: Some("send one report for each page view, when the page is hidden".to_owned()),
        more: Box::default(),
        allow: None,
        retry_after_s: Some(1),
        revision: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::{Exposure, Issuer};
    use tidegate_decide::assign::Variant;

    const HOST: &str = "shop.example.com";
    const MINUTE: Minute = Minute::new(29_000_000);

    fn key() -> ExposureKey {
        ExposureKey::derive("a key of thirty-two bytes, or so").unwrap_or_else(|| unreachable!())
    }

    fn token() -> String {
        let exposure = |rollout| Exposure {
            rollout,
            variant: Variant::New,
            stage: "canary",
            revision: 7,
            subject: 5,
            slice: Some(3),
            endpoints: Vec::new(),
            is_counted: true,
        };
        Issuer::new(key(), 1).issue(HOST, MINUTE, ["shop", "banner"].into_iter().map(exposure)).unwrap_or_default()
    }

    fn read(rest: &str) -> Vec<Report> {
        body(rest).reports
    }

    fn body(rest: &str) -> Body {
        super::read(&format!("{{\"token\":\"{}\"{rest}}}", token()), &key(), HOST, MINUTE).unwrap_or_default()
    }

    #[track_caller]
    fn measured(metrics: &str, expected: &[&str]) {
        let reports = read(&format!(",\"metrics\":{metrics}"));
        let names: Vec<Vec<String>> = reports
            .iter()
            .map(|report| report.measures.iter().map(|(measure, _)| measure.to_string()).collect())
            .collect();
        assert_eq!(names, vec![expected.to_vec(); 2], "{metrics}");
    }

    #[test]
    fn a_page_asks_for_messages_by_saying_so() {
        for (rest, asks) in [
            ("", false),
            (",\"messages\":true", true),
            (",\"messages\":false", false),
            (",\"messages\":\"true\"", false),
        ] {
            assert_eq!(body(rest).asks, asks, "{rest}");
        }
    }

    #[test]
    fn one_body_tells_of_every_rollout_of_the_page() {
        let reports = read(
            r#","metrics":{"lcp":1234.5,"timing.tti":2300},"js_errors":2,"events":["used","failure","used"],"later":{}"#,
        );
        let counted: Vec<_> = reports
            .iter()
            .map(|r| (r.rollout.as_str(), r.variant, r.js_errors, r.measures.len(), r.events.len(), r.is_view))
            .collect();
        assert_eq!(counted, [("shop", Variant::New, 2, 2, 2, true), ("banner", Variant::New, 2, 2, 2, true)]);
    }

    #[test]
    fn each_screen_counts_as_a_page_view_under_a_nonce_that_no_other_has() {
        let nonces = |view: &str| {
            read(&format!(",\"view\":{view}"))
                .into_iter()
                .map(|report| (report.nonce, report.screen_minute))
                .collect::<Vec<_>>()
        };
        assert_eq!(nonces("0"), read("").into_iter().map(|report| (report.nonce, None)).collect::<Vec<_>>());
        let all: Vec<String> =
            (0..=SCREENS_MAX).flat_map(|view| nonces(&view.to_string())).map(|(nonce, _)| nonce).collect();
        let mut different = all.clone();
        different.sort();
        different.dedup();
        assert_eq!((all.len(), different.len()), (402, 402));
        assert!(all.iter().all(|nonce| nonce.len() == 32));
        assert_eq!(nonces("1").first().and_then(|(_, minute)| *minute), Some(MINUTE));
        for wrong in ["201", "65536", "-1", "1.5", "\"1\"", "null", "[1]"] {
            assert_eq!(nonces(wrong), [], "{wrong}");
        }
    }

    #[test]
    fn a_page_does_not_tell_itself_who_reports() {
        let reports = read(r#","events":["view","opted_out","used"]"#);
        assert_eq!(
            reports.first().map(|report| report.events.iter().map(Name::as_str).collect::<Vec<_>>()),
            Some(vec!["used"])
        );
    }

    #[test]
    fn a_wrong_value_leaves_out_that_metric_alone() {
        measured(r#"{"lcp":1.5,"cls":0,"inp":0,"fcp":600000,"ttfb":3}"#, &["lcp", "cls", "inp", "fcp", "ttfb"]);
        measured(
            r#"{"lcp":-1,"cls":100.1,"inp":600001,"fcp":"12","ttfb":null,"timing.a":1e300,"timing.b":[1],"timing.c":7}"#,
            &["timing.c"],
        );
        measured(r#"{"latency":5,"speed":5,"timing.":5,"timing. x":5,"timing.é":5,"LCP":5,"":5}"#, &[]);
        measured("[1,2]", &[]);
        measured("null", &[]);
    }

    #[test]
    fn numbers_of_a_page_are_added_up_exactly() {
        let sum_of = |metrics: &str, name: &str| {
            let window = read(&format!(",\"metrics\":{metrics}")).first().map(|report| report.count().window);
            let tally = window.and_then(|window| window.tally(Variant::New, None).cloned()).unwrap_or_default();
            tally.sum_of(&name.parse().unwrap_or_else(|_| unreachable!()))
        };
        assert_eq!(sum_of(r#"{"value.charts":4}"#, "charts"), (4.0, 1));
        assert_eq!(sum_of(r#"{"value.charts":0}"#, "charts"), (0.0, 1));
        assert_eq!(sum_of(r#"{"value.charts":1000000}"#, "charts"), (1_000_000.0, 1));
        assert_eq!(sum_of(r#"{"value.charts":0.3336}"#, "charts"), (0.334, 1));
        for wrong in ["-1", "1000001", "\"4\"", "null", "[4]", "1e300", "true"] {
            assert_eq!(sum_of(&format!("{{\"value.charts\":{wrong}}}"), "charts"), (0.0, 0), "{wrong}");
        }
        let mut both = crate::beacon::Report::count(&read(r#","metrics":{"value.charts":4}"#)[0]).window;
        let other = crate::beacon::Report::count(&read(r#","metrics":{"value.charts":3}"#)[0]).window;
        both.merge(&other);
        let tally = both.tally(Variant::New, None).cloned().unwrap_or_default();
        assert_eq!(tally.sum_of(&"charts".parse().unwrap_or_else(|_| unreachable!())), (7.0, 2));
        let text = serde_json::to_string(&tally).unwrap_or_default();
        assert!(text.contains(r#""sums":{"charts":7000}"#), "{text}");
        assert_eq!(serde_json::from_str(&text).ok(), Some(tally));
    }

    #[test]
    fn errors_and_events_are_bounded() {
        for (js_errors, expected) in [("7", 7), ("7.9", 7), ("1e18", 1_000), ("-1", 0), ("\"7\"", 0), ("{}", 0)] {
            assert_eq!(
                read(&format!(",\"js_errors\":{js_errors}")).first().map(|report| report.js_errors),
                Some(expected),
                "{js_errors}"
            );
        }
        let many: Vec<String> = (0..1_000).map(|n| format!("\"timing.t{n}\":5")).collect();
        measured(
            &format!("{{{}}}", many.join(",")),
            &(0..METRICS_MAX)
                .map(|n| format!("timing.t{n}"))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        );
        let events: Vec<String> = (0..1_000).map(|n| format!("\"e{n}\"")).collect();
        let reports = read(&format!(",\"events\":[\"\",5,\"a b\",{}]", events.join(",")));
        assert_eq!(reports.first().map(|report| report.events.len()), Some(EVENTS_MAX));
    }

    #[test]
    fn what_is_no_beacon_is_refused_and_a_foreign_token_too() {
        let status = |text: &str| {
            super::read(text, &key(), HOST, MINUTE).map_err(|problem| problem.status).map(|body| body.reports.len())
        };
        let lcp = |value: &str| format!("{{\"token\":\"{}\",\"metrics\":{{\"lcp\":{value}}}}}", token());
        for text in [
            "",
            "[]",
            "{}",
            "nonsense",
            "{\"token\":5}",
            "\"token\"",
            &lcp("NaN"),
            &lcp("1e999"),
            &"[".repeat(16 << 10),
        ] {
            assert_eq!(status(text), Err(400), "{text}");
        }
        assert_eq!(status(&lcp("5")), Ok(2));
        for token in ["", "x", &token().replace(":new:", ":legacy:")] {
            assert_eq!(status(&format!("{{\"token\":\"{token}\"}}")), Err(403), "{token}");
        }
        assert!(
            matches!(super::read(&lcp("5"), &key(), HOST, MINUTE + 721), Err(Problem { status: 403, .. })),
            "it has expired"
        );
        assert!(
            matches!(super::read(&lcp("5"), &key(), HOST, MINUTE - 6), Err(Problem { status: 403, .. })),
            "it is from the future"
        );
    }
}
