//! `tidegate simulate` as its user meets it, and what a simulated life must be true to.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("simulate")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn file(name: &str, content: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

const DEMO: &str = "plans/demo.toml";
const ADMIN: &str = "plans/admin-workbench.toml";

#[test]
fn a_healthy_life_is_reported_from_its_start_to_its_end() {
    let output = simulate(&[DEMO]);
    let reported = text(&output.stdout);
    assert!(output.status.success() && !reported.contains('\u{1b}'), "{reported}");
    let at = |words: &str| reported.find(words).unwrap_or_else(|| panic!("no `{words}` in\n{reported}"));
    assert!(
        at("start ") < at("advance")
            && at("advance") < at("complete")
            && at("complete") < at("Completed in full at 100 %")
    );
    assert!(reported.contains("users on new, with") && reported.contains(" failed"));
}

#[test]
fn the_same_seed_gives_the_same_life_and_another_gives_another() {
    let run = |seed: &str| {
        text(&simulate(&[DEMO, "--json", "--seed", seed, "--inject", "new.error_rate = 3% from canary+10s"]).stdout)
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8").replace("\"seed\":8", "\"seed\":7"));
}

#[test]
fn a_failure_is_reported_with_what_it_cost_and_when_it_was_noticed() {
    let output = simulate(&[DEMO, "--json", "--inject", "new.error_rate = 30% from quarter+20s"]);
    let fate = &lines(&output)[0];
    assert_eq!(
        (fate["rollout"].as_str(), fate["outcome"].as_str(), fate["stage"].as_str(), fate["percentage"].as_f64()),
        (Some("demo"), Some("rolled_back"), Some("quarter"), Some(0.0))
    );
    assert!(
        fate["reason"].as_str().unwrap().starts_with("the guardrail `error_rate > 5% over 1m min 20` came true"),
        "{fate}"
    );
    assert!(
        fate["requests_until_detection"].as_u64().unwrap() < 200 && fate["requests_rescued"].as_u64().unwrap() > 0,
        "{fate}"
    );
    let reported = text(&simulate(&[DEMO, "--inject", "new.error_rate = 30% from quarter+20s"]).stdout);
    assert!(
        reported.contains("scenario")
            && reported.contains("Rolled back in quarter at 0 %")
            && reported.contains("detected"),
        "{reported}"
    );
}

/// A plan with these fields, from 20 % to half to all.
fn stepping(name: &str, fields: &str) -> String {
    let plan = format!(
        r#"
key = "shop"
routes = ["/*"]
upstreams = {{ legacy = "https://l.example", new = "https://n.example" }}
identity = {{ from = ["header:x-user-id"] }}
{fields}
stage = [
  {{ name = "fifth", percentage = 20, hold = "2h" }},
  {{ name = "half", percentage = 50, hold = "4h" }},
  {{ name = "full", percentage = 100, hold = "1h" }},
]
"#
    );
    file(name, &plan)
}

#[test]
fn who_has_used_new_stays_on_a_step_down_and_the_sample_ratio_is_that_of_the_rest() {
    let lived = |fields: &str| {
        let plan = stepping("stepping.toml", fields);
        let scenario = ["--inject", "rollback to previous at half+2h", "--inject", "resume at half+3h"];
        let arguments =
            [&[plan.as_str(), "--requests-per-hour", "20000", "--subjects", "4000"][..], &scenario].concat();
        let fate = lines(&simulate(&[&arguments[..], &["--json"]].concat())).remove(0);
        (fate, text(&simulate(&arguments).stdout))
    };
    let (fate, printed) = lived(r#"keep = "used""#);
    let kept = fate["subjects_kept"].as_u64().unwrap();
    // 30 % of 4,000 subjects were on new and are not any more; most of them have come in two hours.
    assert!((600..=1_300).contains(&kept), "{fate}");
    assert!(printed.contains("stayed on new after a step down"), "{printed}");
    assert_eq!(fate["outcome"], "completed", "{printed}");
    assert!(!printed.contains("sample ratio"), "{printed}");
    for fields in ["", r#"sticky_moves = "visit""#] {
        let (fate, printed) = lived(fields);
        assert_eq!(
            (&fate["subjects_kept"], &fate["outcome"]),
            (&Value::from(0), &Value::from("completed")),
            "{printed}"
        );
        assert!(!printed.contains("sample ratio"), "{printed}");
    }
}

#[test]
fn who_goes_back_is_a_share_that_a_guardrail_may_be_about() {
    let guarded = r#"choice = "out"
guardrail = [{ when = "opt_out_rate > 2% over 1h", then = "rollback" }]"#;
    let plan = stepping("choosing.toml", guarded);
    let fate = |inject: &[&str]| {
        let all = [&[plan.as_str(), "--json", "--requests-per-hour", "20000"][..], inject].concat();
        lines(&simulate(&all)).remove(0)
    };
    assert_eq!(fate(&[])["outcome"], "completed");
    let left = fate(&["--inject", "opt_out_rate = 6% from half"]);
    assert_eq!((&left["outcome"], &left["stage"]), (&Value::from("rolled_back"), &Value::from("half")), "{left}");
    let wrong = simulate(&[DEMO, "--inject", "opt_out_rate = 6%"]);
    assert!(text(&wrong.stderr).contains("no condition is about `opt_out_rate`"), "{}", text(&wrong.stderr));
}

#[test]
fn operators_do_what_the_scenario_has() {
    let fate = |inject: &[&str]| {
        let mut arguments = vec![DEMO, "--json", "--until", "30m"];
        inject.iter().for_each(|line| arguments.extend(["--inject", line]));
        lines(&simulate(&arguments)).remove(0)
    };
    let paused = fate(&["pause at 1m"]);
    assert_eq!((paused["outcome"].as_str(), paused["stage"].as_str()), (Some("paused"), Some("first")));
    assert_eq!(fate(&["pause at 1m", "resume at 5m"])["outcome"], "completed");
    assert_eq!(fate(&["kill at 1m"])["outcome"], "rolled_back");
    assert_eq!(fate(&["rollback at 1m"])["outcome"], "rolled_back");
    assert_eq!(fate(&["set 25% at 1m"])["percentage"], 25.0);
    let again = fate(&[
        "rollback at 1m",
        "approve \"Cause found\"",
        "approve \"The new shop is well again\" at 2m",
        "resume at 3m",
    ]);
    assert_eq!((again["outcome"].as_str(), again["at_hours"].as_f64().unwrap() > 0.1), (Some("completed"), true));
}

#[test]
fn new_that_is_down_is_rescued_and_rolled_back() {
    let reported = lines(&simulate(&[DEMO, "--json", "--runs", "40", "--inject", "new down from half+10s"]));
    let (fates, summary) = reported.split_at(40);
    let sum = |field: &str| fates.iter().map(|fate| fate[field].as_u64().unwrap()).sum::<u64>();
    assert!(fates.iter().all(|fate| fate["outcome"] == "rolled_back"), "{}", summary[0]);
    // Where the circuit breaker keeps requests from new, legacy answers what is no GET, too.
    let (rescued, failed) = (sum("requests_rescued"), sum("requests_failed"));
    assert!(rescued > 3 * failed && rescued > 0, "{rescued} rescued, {failed} failed");
}

#[test]
fn a_release_that_is_wrong_for_everybody_is_rolled_back_by_a_built_in_guardrail() {
    let plan = |rest: &str| {
        let text = format!(
            "key = \"shop\"\nroutes = [\"/*\"]\n{rest}\n[upstreams]\nlegacy = \"https://l.example\"\nnew = \"https://n.example\"\n[[stage]]\nname = \"half\"\npercentage = 50\nhold = \"2h\"\n[[stage]]\nname = \"full\"\npercentage = 100\nhold = \"1h\"\n"
        );
        file("unguarded.toml", &text)
    };
    let fate = |plan: &str, line: &str| lines(&simulate(&[plan, "--json", "--inject", line])).remove(0);
    let builtin = plan("");
    let missing = fate(&builtin, "new.client_error_rate = 100% from half+10m");
    assert_eq!(
        (missing["outcome"].as_str(), missing["stage"].as_str()),
        (Some("rolled_back"), Some("half")),
        "{missing}"
    );
    assert!(
        missing["reason"].as_str().unwrap().starts_with("the guardrail `client_error_rate > legacy` came true"),
        "{missing}"
    );
    assert!(
        missing["requests_failed"].as_u64().unwrap() > 0 && missing["requests_rescued"].as_u64().unwrap() < 10,
        "{missing}"
    );
    for line in ["new.timeout_rate = 30% from half+10m", "new.broken_rate = 30% from half+10m"] {
        let fate = fate(&builtin, line);
        assert!(
            fate["reason"].as_str().unwrap().starts_with("the guardrail `error_rate > legacy` came true"),
            "{fate}"
        );
    }
    for harmless in ["legacy.client_error_rate = 50% from half+10m", "new.abandoned_rate = 5% from half+10m"] {
        assert_eq!(fate(&builtin, harmless)["outcome"], "completed");
    }
    let none = plan("defaults = \"none\"");
    assert_eq!(fate(&none, "new.client_error_rate = 100% from half+10m")["outcome"], "completed");
}

#[test]
fn what_cannot_go_on_says_what_stands_in_its_way() {
    let fate = &lines(&simulate(&[ADMIN, "--json"]))[0];
    assert_eq!(
        (fate["outcome"].as_str(), fate["at_hours"].as_f64().unwrap() < 0.1),
        (Some("unfinished"), true),
        "{fate}"
    );
    assert!(fate["reason"].as_str().unwrap().contains("not approved yet: Implementation done"), "{fate}");
    let blocked =
        &lines(&simulate(&[DEMO, "--json", "--until", "20m", "--inject", "no traffic on new from canary"]))[0];
    assert!(
        blocked["outcome"] == "unfinished"
            && blocked["stage"] == "canary"
            && blocked["reason"].as_str().unwrap().contains("latency.p95 over stage"),
        "{blocked}"
    );
}

#[test]
fn a_line_whose_time_never_comes_is_reported() {
    let output = simulate(&[DEMO, "--json", "--inject", "pause at 1m", "--inject", "new.error_rate = 50% from full"]);
    assert!(
        output.status.success()
            && text(&output.stderr).contains("the time of this line never came: new.error_rate = 50% from full"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn many_runs_are_summed_up() {
    let output =
        simulate(&[DEMO, "--json", "--runs", "40", "--seed", "100", "--inject", "new.error_rate = 30% from half"]);
    let reported = lines(&output);
    assert_eq!(reported.len(), 41);
    assert_eq!((reported[0]["seed"].as_u64(), reported[39]["seed"].as_u64()), (Some(100), Some(139)));
    let summary = &reported[40];
    let back = summary["outcomes"].as_array().unwrap().iter().find(|rate| rate["outcome"] == "rolled_back").unwrap();
    assert!(summary["summary"] == true && summary["runs"] == 40 && back["rate"].as_f64().unwrap() > 0.9, "{summary}");
    assert!(
        back["low"].as_f64() < back["rate"].as_f64()
            && back["requests_until_detection"]["median"].as_f64().unwrap() < 500.0,
        "{summary}"
    );
    let shown = text(&simulate(&[DEMO, "--runs", "3"]).stdout);
    assert!(shown.contains("demo: 3 runs") && shown.contains("completed") && shown.contains("100.0 %"), "{shown}");
}

#[test]
fn each_fault_of_a_scenario_is_reported_with_its_place_and_the_way_out() {
    let path = file("bad.scenario", "approve everything\nnew.eror_rate = 2% from 6h\nsignal.p2 = 1 at 3h # a typo\n");
    let output = simulate(&[DEMO, "--scenario", &path]);
    let reported = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(reported.contains(&format!("{path}:2:1")) && reported.contains("did you mean `error_rate`?"), "{reported}");
    assert!(reported.contains(&format!("{path}:3:1")) && reported.contains("did you mean `p1`?"), "{reported}");
    let faults: Value =
        serde_json::from_slice(&simulate(&[DEMO, "--json", "--inject", "pause at noon"]).stdout).unwrap();
    assert_eq!(
        (&faults[0]["file"], &faults[0]["line"], &faults[0]["column"]),
        (&"--inject".into(), &1.into(), &10.into())
    );
}

#[test]
fn what_cannot_be_done_says_so_with_its_exit_code() {
    let bad = file("bad-plan.toml", "key = \"x\"\n");
    for (arguments, code, words) in [
        (vec!["missing.toml"], 1, "missing.toml: No such file"),
        (vec![bad.as_str()], 1, "error"),
        (vec![DEMO, "--scenario", "missing.txt"], 1, "missing.txt: No such file"),
        (vec![DEMO, "--runs", "0"], 2, "0 is not in 1..=1000000"),
        (vec![DEMO, "--look", "3m"], 2, "1s to 2m"),
        (vec![DEMO, "--rollout", "dem"], 2, "known: demo"),
        (vec![], 2, "required arguments"),
    ] {
        let output = simulate(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn help_tells_of_the_healthy_world_and_of_scenarios() {
    let reported = text(&simulate(&["--help"]).stdout);
    for words in [
        "approve everything",
        "new.error_rate = 2% from 6h to 8h",
        "half of what they must stay under",
        "Examples:",
        "--requests-per-hour",
    ] {
        assert!(reported.contains(words), "{words}");
    }
}

/// Looking less often while all is well must not change what becomes of a rollout.
#[test]
fn how_often_is_looked_does_not_decide() {
    let outcomes = |look: &[&str]| {
        let mut arguments = vec![
            ADMIN,
            "--json",
            "--until",
            "60h",
            "--requests-per-hour",
            "600",
            "--inject",
            "approve everything",
            "--inject",
            "signal.p1 = 6 at ramp-25+2h",
        ];
        arguments.extend(look);
        let fate = lines(&simulate(&arguments)).remove(0);
        (
            fate["outcome"].clone(),
            fate["stage"].clone(),
            fate["percentage"].clone(),
            (fate["at_hours"].as_f64().unwrap() * 10.0).round(),
        )
    };
    assert_eq!(outcomes(&[]), outcomes(&["--look", "30s"]));
}
