//! `tidegate judge` as its user meets it. The figures were computed apart from this code, in a few
//! lines of Python, from the formulas
//! ```text
//! ln LR(λ) = y · ln(λ/θ) − (x + y) · ln((a + λb) / (a + θb))        λ/θ = 1.1 · (20/1.1)^(i/31), i = 0..=31
//! plain    E = Σ over λ of Π LR(λ) / 32
//! restart  S(λ) ← (S(λ) + w) · LR(λ), E = Σ over λ of (λ/θ)^−1.5 · S(λ) / Σ over λ of (λ/θ)^−1.5 + 1 − Σ w
//! ratio    ends of the grid 2^(i/6), i = −30..=30, where L(λ) is α/2 of its mean, straight between two of them
//! ```

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn judge(input: &str) -> Output {
    run(&["judge", "--json"], input)
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn assert_judged(input: &str, worse: f64, ok: f64, verdict: &str) {
    let output = judge(input);
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let is_near = |field: &str, expected: f64| (line[field].as_f64().unwrap() - expected).abs() < 1e-9;
    assert!(is_near("log_e_worse", worse) && is_near("log_e_ok", ok), "{line}");
    assert_eq!(
        (line["verdict"].as_str().unwrap(), output.status.code(), line.as_object().unwrap().len()),
        (verdict, Some(0), 5)
    );
}

const TWO: &str =
    r#""windows":[{"legacy":{"n":950,"x":9},"new":{"n":50,"x":2}},{"legacy":{"n":900,"x":7},"new":{"n":100,"x":6}}]}"#;

#[test]
fn the_evidence_is_the_formulas() {
    assert_judged(&format!("{{{TWO}"), 5.620588607852717, -3.275443818897883, "fail");
    assert_judged(&format!(r#"{{"theta":1.3,{TWO}"#), 4.070344200935535, -3.1844144171738167, "inconclusive");
    assert_judged(
        r#"{"windows":[{"legacy":{"n":9500,"x":95},"new":{"n":500,"x":25}}]}"#,
        16.69057996801774,
        -5.131851374645044,
        "fail",
    );
}

#[test]
fn between_what_the_ratio_lies_is_said_beside_it() {
    let of = |input: &str| -> Value { serde_json::from_slice(&judge(input).stdout).unwrap() };
    let line = of(&format!("{{{TWO}"));
    assert_eq!(line["ratio"], serde_json::json!([0.918, 30.634]));
    assert_eq!(line["minutes_to_show_double"], Value::Null, "no time has passed");
    let window = |minute: u32| format!(r#"{{"minute":{minute},"legacy":{{"n":5700,"x":57}},"new":{{"n":300,"x":3}}}}"#);
    let line = of(&format!(r#"{{"restart":true,"windows":[{}]}}"#, (0..10).map(window).collect::<Vec<_>>().join(",")));
    assert!(line["minutes_to_show_double"].as_f64().is_some_and(|minutes| (3.0..15.0).contains(&minutes)), "{line}");
}

#[test]
fn not_twice_as_many_is_shown_by_equal_sides() {
    let window = r#"{"legacy":{"n":5000,"x":50},"new":{"n":5000,"x":50}}"#;
    assert_judged(
        &format!(r#"{{"theta":2,"windows":[{}]}}"#, [window; 6].join(",")),
        -13.595779276115296,
        32.65234277245441,
        "pass",
    );
}

#[test]
fn new_starts_come_with_the_quarters_of_an_hour() {
    let window = |(minute, x, y): (u32, u32, u32)| {
        format!(r#"{{"minute":{minute},"legacy":{{"n":950,"x":{x}}},"new":{{"n":50,"x":{y}}}}}"#)
    };
    let windows = [(0, 9, 0), (10, 11, 1), (20, 8, 4), (50, 9, 7)].map(window).join(",");
    assert_judged(
        &format!(r#"{{"restart":true,"windows":[{windows}]}}"#),
        8.827436231707306,
        -0.807422784510601,
        "fail",
    );
}

#[test]
fn alpha_says_how_much_evidence_is_enough() {
    let verdict = |alpha: &str| judge(&format!("{{{alpha}{TWO}")).stdout;
    let ends_with = |alpha: &str, verdict_expected: &str| {
        String::from_utf8(verdict(alpha)).unwrap().contains(&format!("\"verdict\":\"{verdict_expected}\""))
    };
    assert!(ends_with("", "fail"), "0.01 where nothing is said");
    assert!(
        ends_with(r#""alpha":0.0037,"#, "fail") && ends_with(r#""alpha":0.0035,"#, "inconclusive"),
        "exp(-5.62) is 0.0036"
    );
}

#[test]
fn no_data_is_inconclusive() {
    assert_judged(r#"{"windows":[]}"#, 0.0, 0.0, "inconclusive");
    assert_judged(r#"{"windows":[{"legacy":{"n":0,"x":0},"new":{"n":500,"x":500}}]}"#, 0.0, 0.0, "inconclusive");
}

/// Each bad line, the words of its error and of the way out.
const FAULTS: [(&str, &str, &str); 13] = [
    (
        r#"{"windows":[{"legacy":{"n":9,"x":1},"new":{"n":50,"x":51}}]}"#,
        "windows[0].new: x, 51, is more than n, 50",
        "n counts all exposures",
    ),
    (
        r#"{"windows":[{"legacy":{"n":-9,"x":1},"new":{"n":50,"x":1}}]}"#,
        "windows[0].legacy.n: -9 is out of range",
        "a count from 0",
    ),
    (
        r#"{"windows":[{"legacy":{"n":NaN,"x":1},"new":{"n":50,"x":1}}]}"#,
        "no JSON: expected value, at column 28",
        "a line looks like",
    ),
    (
        r#"{"windows":[{"legacy":{"n":1e999,"x":1},"new":{"n":50,"x":1}}]}"#,
        "no JSON: number out of range",
        "a line looks like",
    ),
    (
        r#"{"windows":[{"legacy":{"n":9},"new":{"n":50,"x":1}}]}"#,
        "windows[0].legacy: `x` is missing",
        "a line looks like",
    ),
    (
        r#"{"windows":[{"legacy":{"n":"9","x":1},"new":{"n":50,"x":1}}]}"#,
        "windows[0].legacy.n: `9` is not a number",
        "a line looks like",
    ),
    (r#"{"windows":[],"alpha":1}"#, "alpha: 1 is out of range", "between 0 and 1"),
    (r#"{"windows":[],"alpha":0}"#, "alpha: 0 is out of range", "between 0 and 1"),
    (r#"{"windows":[],"theta":0}"#, "theta: 0 is out of range", "from 0.001 to 1000"),
    (r#"{"windows":[],"tehta":2}"#, "`tehta` is not a field", "did you mean `theta`?"),
    (
        r#"{"restart":true,"windows":[{"legacy":{"n":9,"x":1},"new":{"n":50,"x":1}}]}"#,
        "windows[0]: `minute` is missing",
        "a line looks like",
    ),
    (r#"{"theta":1}"#, "`windows` is missing", "a line looks like"),
    (r#"[1]"#, "a list is not a table", "a line looks like"),
];

#[test]
fn a_bad_line_is_reported_and_the_others_are_judged() {
    let good = r#"{"windows":[]}"#;
    for (bad, words, help) in FAULTS {
        let output = judge(&format!("{good}\n\n{bad}\n{good}"));
        let (judged, reported) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!((judged.lines().count(), output.status.code()), (2, Some(1)), "{bad}");
        assert!(
            reported.contains(&format!("error: line 3: {words}"))
                && reported.contains("\n  help: ")
                && reported.contains(help),
            "{bad}: {reported}"
        );
    }
}

#[test]
fn people_read_a_sentence_with_the_figures() {
    let lines = concat!(
        "{\"windows\":[{\"legacy\":{\"n\":9500,\"x\":95},\"new\":{\"n\":500,\"x\":25}}]}\n",
        "{\"windows\":[{\"legacy\":{\"n\":950,\"x\":9},\"new\":{\"n\":50,\"x\":1}}]}\n"
    );
    let output = run(&["judge"], lines);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "fail: new's rate is more than legacy's: 25 of 500 (5 %) on new, 95 of 9500 (1 %) on legacy; it is 1.872 to 11.425 times legacy's (99 % sure). The evidence is 1.773e7, and 100 is needed."
    );
    assert!(
        lines[1].starts_with("inconclusive: nothing shows yet that new's rate is more or less than legacy's"),
        "{text}"
    );
}
