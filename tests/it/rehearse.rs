//! What the console's page Rehearse gets is what the command says: the same faults, the same lives.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tidegate::rehearse::{Rehearsal, check, summary};

fn plan(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("plans").join(name)).unwrap()
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What the command prints, as JSON lines.
fn command(arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(read).collect()
}

/// Lives a rehearsal to its end, in pieces as a browser does: its points, events and report.
fn live(plans: &str, scenario: &str, settings: &Value) -> (Vec<Value>, Vec<Value>, Value) {
    let mut rehearsal =
        Rehearsal::new(plans, scenario, &settings.to_string()).unwrap_or_else(|faults| panic!("{faults}"));
    let (mut points, mut events) = (Vec::new(), Vec::new());
    loop {
        let progress = read(&rehearsal.step(37));
        points.extend(read(&rehearsal.points())[0]["points"].as_array().unwrap().clone());
        events.extend(read(&rehearsal.events()).as_array().unwrap().clone());
        if progress["over"] == true {
            return (points, events, read(&rehearsal.report()));
        }
    }
}

#[test]
fn its_fate_is_the_commands() {
    for (name, scenario, seed) in [
        ("demo.toml", "", 1_u64),
        ("demo.toml", "new.error_rate = 30% from quarter+20s", 7),
        ("demo.toml", "new.latency = 2s from canary+10s\nno traffic on new from half", 3),
        ("admin-workbench.toml", "", 1),
        ("staged.toml", "approve everything\nnew down from 1h", 5),
    ] {
        let path = format!("plans/{name}");
        let mut arguments =
            vec!["simulate", &path, "--json", "--requests-per-hour", "1000", "--until", "12h", "--seed"];
        let seed_text = seed.to_string();
        arguments.push(&seed_text);
        scenario.lines().for_each(|line| arguments.extend(["--inject", line]));
        let (points, events, report) =
            live(&plan(name), scenario, &json!({ "seed": seed, "requests_per_hour": 1_000, "until": "12h" }));
        assert_eq!(report["fates"].as_array().unwrap(), &command(&arguments), "{name} {scenario}");
        let (first, last) = (&points[0], &points[points.len() - 1]);
        assert!(first["at_ms"] == 0 && last["percentage"] == report["fates"][0]["percentage"], "{first} {last}");
        assert_eq!(
            (&last["subjects_exposed"], &last["requests_failed"]),
            (&report["fates"][0]["subjects_exposed"], &report["fates"][0]["requests_failed"])
        );
        assert!(points.is_sorted_by_key(|point| point["at_ms"].as_i64()) && points.len() < 4_000, "{}", points.len());
        assert!(!events.is_empty() && events.iter().all(|event| event["at_ms"].is_i64() && event["text"].is_string()));
    }
}

#[test]
fn what_was_compiled_lives_as_what_was_written() {
    let compiled = command(&["compile", "plans/demo.toml", "--revision", "1"])[0].to_string();
    let scenario = "new.error_rate = 30% from quarter+20s";
    assert_eq!(live(&compiled, scenario, &json!({})), live(&plan("demo.toml"), scenario, &json!({})));
}

#[test]
fn faults_are_those_of_check_each_with_its_place() {
    let text = plan("demo.toml")
        .replace("error_rate < 2%", "eror_rate < 2%")
        .replace("hold       = \"30s\"", "hold = \"30 parsecs\"");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rehearsed.toml");
    std::fs::write(&path, &text).unwrap();
    let expected = &command(&["check", "--json", path.to_str().unwrap()])[0];
    let checked = read(&check(&text, "", "{}"));
    let faults = |of: &Value| -> Vec<Value> {
        let strip = |fault: &Value| {
            json!([fault["line"], fault["column"], fault["message"], fault["help"], fault["severity"], fault["path"]])
        };
        of.as_array().unwrap().iter().map(strip).collect()
    };
    assert_eq!(faults(&checked["plan"]), faults(&expected["faults"]));
    assert!(faults(&checked["plan"]).len() >= 7 && checked["ok"] == false);
    let toml = read(&check("key = \"x\n", "", "{}"));
    assert_eq!((&toml["plan"][0]["line"], &toml["ok"]), (&json!(1), &json!(false)));
    let malformed = read(&check("{\n  \"key\": }", "", "{}"));
    assert_eq!((&malformed["plan"][0]["line"], &malformed["plan"][0]["column"]), (&json!(2), &json!(10)));
}

#[test]
fn faults_of_scenario_and_settings_are_reported_together() {
    let settings =
        json!({ "subjects": 0, "requests_per_hour": 20_000_000, "rollout": "dem", "start": "soon" }).to_string();
    let checked = read(&check(&plan("demo.toml"), "pause at 1m\nnew.eror_rate = 2%\n\nsignal.p2 = 1 at 3h", &settings));
    let places: Vec<(u64, u64)> = checked["scenario"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["line"].as_u64().unwrap(), fault["column"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(2, 1), (4, 1)]);
    let settings: Vec<&str> =
        checked["settings"].as_array().unwrap().iter().map(|fault| fault["setting"].as_str().unwrap()).collect();
    assert_eq!(settings, ["subjects", "requests_per_hour", "start", "rollout"]);
    assert_eq!(
        (checked["ok"].as_bool(), checked["limits"]["subjects"]["default"].as_u64()),
        (Some(false), Some(2_000))
    );
    let outline = &checked["rollouts"][0];
    assert_eq!(
        (&outline["key"], &outline["stages"][1]["hold_ms"], &outline["signals"][0]),
        (&json!("demo"), &json!(30_000), &json!({ "name": "p1", "is_count": true }))
    );
    assert!(Rehearsal::new("", "", "{}").is_err(), "nothing is no plan");
}

#[test]
fn many_fates_are_summed_up_as_the_command_does() {
    let scenario = "new.error_rate = 30% from half";
    let lines =
        command(&["simulate", "plans/demo.toml", "--json", "--runs", "12", "--seed", "100", "--inject", scenario]);
    let fates: Vec<Value> = (100..112)
        .map(|seed| live(&plan("demo.toml"), scenario, &json!({ "seed": seed })).2["fates"][0].clone())
        .collect();
    assert_eq!(fates, lines[..12]);
    assert_eq!(read(&summary(&Value::from(fates).to_string()).unwrap())[0], lines[12]);
}
