//! The command as its user meets it: arguments, files, standard streams, exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

fn tidegate(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that refuses its arguments does not read.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

const PLAN: &str = r#"key = "checkout"
routes = ["shop.example.com/checkout/*"]

[upstreams]
legacy = "https://legacy.shop.example.com"
new = "https://new.shop.example.com"

[identity]
from = ["header:x-user-id"]

[groups.team]
ids = ["ana"]

[[stage]]
name = "internal"
percentage = 0
groups = ["team"]
hold = "1d"

[[stage]]
name = "canary"
percentage = 10
hold = "48h"
gates = ["error_rate < 0.1% over stage"]

[[stage]]
name = "full"
percentage = 100

[environments.staging]
routes = ["staging.example.com/*"]
"#;

/// Written once: who writes a file again empties it first, for others to read.
fn plan() -> String {
    static PLAN_FILE: LazyLock<String> = LazyLock::new(|| file("plan.toml", PLAN.as_bytes()).display().to_string());
    PLAN_FILE.clone()
}

#[test]
fn the_plans_that_are_shipped_pass_the_check_alone_and_together() {
    let plans: Vec<String> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("plans"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    assert!(plans.len() >= 5);
    for plan in &plans {
        let output = tidegate(&["check", plan], b"");
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let arguments: Vec<&str> = ["check"].into_iter().chain(plans.iter().map(String::as_str)).collect();
    let output = tidegate(&arguments, b"");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn the_check_tells_which_guardrails_are_built_in() {
    let reported = |name: &str, plan: String| {
        text(&tidegate(&["check", &file(name, plan.as_bytes()).display().to_string()], b"").stdout)
    };
    let own = "\n[[guardrail]]\nwhen = \"error_rate > legacy\"\nthen = \"alert\"\n\n[environments";
    let both = reported("guarded.toml", PLAN.to_owned());
    assert!(both.contains("(1 gate, 0 guardrails)\n    built in: `error_rate > legacy` → rollback, `client_error_rate > legacy` → rollback\n"), "{both}");
    let other = reported("guarded-itself.toml", PLAN.replace("\n[environments", own));
    assert!(
        other.contains("(1 gate, 1 guardrail)\n    built in: `client_error_rate > legacy` → rollback\n"),
        "{other}"
    );
    let none = reported("unguarded-check.toml", format!("defaults = \"none\"\n{PLAN}"));
    assert!(none.contains("(1 gate, 0 guardrails)") && !none.contains("built in"), "{none}");
}

#[test]
fn the_check_names_what_nobody_may_be_reporting() {
    let own = "\n[signals.p1]\nkind = \"count\"\n\n[[guardrail]]\nwhen = \"signal.p1 > 0\"\nthen = \"pause\"\n\n[[guardrail]]\nwhen = \"timing.tti.p75 > 2s\"\nthen = \"alert\"\n\n[environments";
    let path = file(
        "reported.toml",
        PLAN.replace("\n[environments", own)
            .replace("[\"error_rate < 0.1% over stage\"]", "[\"reporters.order >= 5 over stage\"]")
            .as_bytes(),
    )
    .display()
    .to_string();
    let reported = text(&tidegate(&["check", &path], b"").stdout);
    assert!(reported.contains("relies on reports of: event.order, timing.tti (pages load /_tidegate/beacon.js); signal.p1 (POST /_tidegate/api/rollouts/checkout/signals, or `tidegate signal checkout NAME`)\n"), "{reported}");
    let json: Value = serde_json::from_slice(&tidegate(&["check", "--json", &path], b"").stdout).unwrap();
    assert_eq!(json["plans"][0]["relies_on"], serde_json::json!(["event.order", "timing.tti", "signal.p1"]));
    assert_eq!(json["plans"][0]["built_in"][0]["condition"], "error_rate > legacy");
}

#[test]
fn the_check_foretells_false_alarms_at_a_known_traffic() {
    let own = "\n[[guardrail]]\nwhen = \"js_error_rate > 2%\"\nthen = \"rollback\"\n\n[environments";
    let path = file("alarming.toml", PLAN.replace("\n[environments", own).as_bytes()).display().to_string();
    let reported = |rate: &str| text(&tidegate(&["check", &path, "--traffic", rate], b"").stdout);
    let busy = reported("20000/h");
    assert!(busy.contains("    by chance alone, at 20,000 requests an hour:\n      ! `js_error_rate > 2%` fires by chance about once in "), "{busy}");
    assert!(
        busy.contains(" in canary at 20,000 requests an hour, and so acts on ")
            && busy.contains("; `js_error_rate > 1.5x legacy`, or `js_error_rate > 2% "),
        "{busy}"
    );
    assert!(busy.contains("      ! canary 10 %: 2,000 requests an hour on new, 18,000 on legacy; 50 requests on new take 2 min\n          `js_error_rate > 2%`: 50 page views on new do not come within 5 min, so it is mostly inconclusive: they take 6 min\n"), "{busy}");
    assert_eq!(reported("333.3333/min").lines().nth(6), busy.lines().nth(6));
    let quiet = reported("5/h");
    assert!(
        quiet.contains("      ! canary 10 %: 0.5 requests an hour on new, 4.5 on legacy")
            && quiet.contains("50 requests on new do not arrive within the bake time of 2 d: they take 4 d 4 h\n"),
        "{quiet}"
    );
    let json: Value =
        serde_json::from_slice(&tidegate(&["check", "--json", &path, "--traffic", "20000/h"], b"").stdout).unwrap();
    let alarm = &json["plans"][0]["forecast"]["alarms"][0];
    assert!(
        alarm["is_frequent"] == true
            && alarm["would_not"][0] == "js_error_rate > 1.5x legacy"
            && alarm["every_hours"].as_f64().unwrap() < 168.0,
        "{alarm}"
    );
    let wrong = tidegate(&["check", &path, "--traffic", "many"], b"");
    assert!(
        wrong.status.code() == Some(2) && text(&wrong.stderr).contains("such as 20000/h"),
        "{}",
        text(&wrong.stderr)
    );
}

#[test]
fn the_check_refuses_a_stage_that_nobody_looks_at() {
    let path = file(
        "rushed.toml",
        PLAN.replace("hold = \"48h\"\ngates = [\"error_rate < 0.1% over stage\"]\n", "").as_bytes(),
    )
    .display()
    .to_string();
    let output = tidegate(&["check", &path], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains(
            "error: the stage `canary` raises the percentage to 10 % and has neither a hold nor a gate of its own"
        ),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_bracket_that_is_not_closed_is_one_fault() {
    let table = "identity = { from = [\"header:x-user-id\"]\n";
    for (name, damaged, place, words) in [
        ("list", PLAN.replace("checkout/*\"]", "checkout/*\""), "4:1", "is a `]` or a comma missing before it?"),
        ("stage", PLAN.replace("[\"team\"]", "[\"team\""), "18:1", "is a `]` or a comma missing before it?"),
        ("table", format!("{table}{PLAN}"), "2:1", "is a `}` or a comma missing before it?"),
    ] {
        let path = file(&format!("open-{name}.toml"), damaged.as_bytes()).display().to_string();
        let output = tidegate(&["check", &path], b"");
        let reported = text(&output.stderr);
        assert_eq!((output.status.code(), reported.matches("error:").count()), (Some(1), 1), "{reported}");
        assert!(reported.contains(&format!("{path}:{place}")) && reported.contains(words), "{reported}");
    }
}

/// Each damage to the plan: what is replaced, by what, and the place and words of the error.
const DAMAGES: [(&str, &str, &str, &str); 16] = [
    ("percentage = 10\n", "percentage = 150\n", "22:14", "`150` is more than 100 %"),
    ("percentage = 10\n", "percentage = 0.0005\n", "22:14", "finer than 0.001 %"),
    ("percentage = 100", "percentage = 5", "28:14", "the percentage falls from 10 to 5"),
    ("hold = \"48h\"", "hold = \"48 hours\"", "23:8", "`48 hours` is not a duration"),
    ("0.1%", "0.1", "24:24", "`error_rate` cannot be compared with `0.1`"),
    ("error_rate", "eror_rate", "24:11", "did you mean `error_rate`?"),
    ("error_rate < 0.1%", "signal.p1 = 0", "24:10", "`signal.p1` is not measured"),
    ("error_rate < 0.1%", "latency.p95@api < 1s", "24:10", "no endpoint is called `api`"),
    ("[\"team\"]", "[\"taem\"]", "17:11", "did you mean `team`?"),
    ("name = \"full\"", "name = \"canary\"", "27:8", "two stages are called `canary`"),
    ("legacy = \"https", "legasy = \"https", "5:1", "did you mean `legacy`?"),
    ("https://new.", "ftp://new.", "6:7", "neither https nor http"),
    ("shop.example.com/checkout/*", "shop.example.com/*/checkout", "2:11", "`*` stands only as the whole last segment"),
    ("key = \"checkout\"", "key = \"check out\"", "1:7", "`check out` is not a name"),
    ("hold = \"48h\"", "hold = \"48h\"\nenter = \"Sat 08:00-16:00 UTC\"", "24:9", "is not a field"),
    ("percentage = 0\n", "percentage = \n", "16:14", ""),
];

#[test]
fn each_fault_of_a_plan_is_reported_with_its_place_and_the_way_out() {
    for (index, (good, bad, place, words)) in DAMAGES.into_iter().enumerate() {
        let mut damaged = PLAN.replacen(good, bad, 1);
        if index == 14 {
            damaged = damaged.replace("enter =", "entre =");
        }
        assert_ne!(damaged, PLAN, "{good}");
        let path = file(&format!("damaged-{index}.toml"), damaged.as_bytes()).display().to_string();
        let output = tidegate(&["check", &path], b"");
        let reported = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{bad}");
        let place = if index == 14 { "24:1" } else { place };
        assert!(reported.contains(&format!("{path}:{place}")) && reported.contains(words), "{bad}:\n{reported}");
    }
}

#[test]
fn a_condition_on_an_endpoint_that_is_not_measured_any_more_is_a_fault() {
    let endpoints: String = (1..=32).map(|number| format!("e{number} = \"path:/e{number}\"\n")).collect();
    let check = |endpoint: &str| {
        let plan = format!(
            "{}\n[endpoints]\n{endpoints}",
            PLAN.replace("error_rate < 0.1%", &format!("error_rate@{endpoint} < 0.1%"))
        );
        let path = file(&format!("endpoints-{endpoint}.toml"), plan.as_bytes()).display().to_string();
        text(&tidegate(&["check", &path], b"").stderr)
    };
    assert!(!check("e31").contains("error:"), "{}", check("e31"));
    assert!(check("e32").contains("the endpoint `e32` is not measured: 31 come before it"), "{}", check("e32"));
}

#[test]
fn all_faults_are_reported_at_once() {
    let damaged =
        PLAN.replace("48h", "48x").replace("0.1%", "0.1").replace("[\"team\"]", "[\"taem\"]").replace("1d", "one");
    let path = file("damaged.toml", damaged.as_bytes()).display().to_string();
    let output = tidegate(&["check", "--json", &path], b"");
    let reported: Value = serde_json::from_slice(&output.stdout).unwrap();
    let places: Vec<String> = reported["faults"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|fault| fault["severity"] == "error")
        .map(|fault| format!("{}:{}", fault["line"], fault["column"]))
        .collect();
    assert_eq!(
        (reported["ok"].as_bool(), places),
        (Some(false), ["17:11", "18:8", "23:8", "24:24"].map(str::to_owned).to_vec())
    );
}

#[test]
fn what_cannot_be_done_says_so_with_its_exit_code() {
    let plan = plan();
    for (arguments, code, words) in [
        (vec!["check", "missing.toml"], 1, "missing.toml: No such file"),
        (vec!["check"], 2, "required arguments"),
        (vec!["chekc", &plan], 2, "there is no command `chekc`. Did you mean `check`?"),
        (vec!["assign", &plan, "--percentage", "150"], 2, "`150` is more than 100 %"),
        (vec!["assign", &plan, "--stage", "canry"], 2, "known: internal, canary, full"),
        (vec!["assign", &plan, "--rollout", "search"], 2, "known: checkout"),
        (vec!["compile", &plan, "--env", "prod"], 2, "known: staging"),
    ] {
        let output = tidegate(&arguments, b"");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn compiled_plans_are_the_value_of_the_kv_key() {
    let output = tidegate(&["compile", "--revision", "7", &plan()], b"");
    let set: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&set["v"], &set["revision"], &set["rollouts"][0]["key"], &set["rollouts"][0]["stage"][1]["percentage"]),
        (&1.into(), &7.into(), &"checkout".into(), &10.into())
    );
    let staging: Value =
        serde_json::from_slice(&tidegate(&["compile", "--env", "staging", &plan()], b"").stdout).unwrap();
    assert_eq!(staging["rollouts"][0]["routes"], Value::from(vec!["staging.example.com/*"]));
    assert!(staging["revision"].as_u64().unwrap() > 1_700_000_000);
}

#[test]
fn ids_are_assigned_as_on_the_edge() {
    let ids = "user-1\nana\r\n  user-2  \n\n\u{1f600}\n";
    let output = tidegate(&["assign", &plan(), "--percentage", "50"], ids.as_bytes());
    let lines = [
        r#"{"id":"user-1","bucket":46629,"variant":"new","reason":"bucketed"}"#,
        r#"{"id":"ana","bucket":50858,"variant":"new","reason":"group"}"#,
        r#"{"id":"user-2","bucket":60770,"variant":"legacy","reason":"bucketed"}"#,
        r#"{"id":"","bucket":24359,"variant":"legacy","reason":"unidentified"}"#,
        r#"{"id":"😀","bucket":23992,"variant":"new","reason":"bucketed"}"#,
    ];
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), lines);
    let invalid = tidegate(&["assign", &plan(), "--percentage", "50"], b"\xff\xfe\n");
    assert!(text(&invalid.stdout).starts_with("{\"id\":\"\u{fffd}\u{fffd}\""));
}

#[test]
fn a_group_is_a_list_of_fingerprints_that_assign_reads() {
    let output = tidegate(&["group", "beta"], b"kim\nlee\nkim\n\n");
    assert_eq!(output.stdout.len(), 8 + 2 * 8);
    let list = file("beta.group", &output.stdout);
    let plan = file("beta.toml", PLAN.replace("ids = [\"ana\"]", "kv = true").as_bytes()).display().to_string();
    let assigned = tidegate(
        &["assign", &plan, "--percentage", "0", "--group", &format!("team={}", list.display())],
        b"kim\nmax\n",
    );
    assert_eq!(text(&assigned.stdout).matches("\"reason\":\"group\"").count(), 1);
}

#[test]
fn a_group_tells_how_many_ids_it_read_and_what_looks_odd() {
    let output = tidegate(&["group", "beta"], b"\xef\xbb\xbfana\r\nben\r\n");
    assert_eq!(output.stdout.len(), 8 + 2 * 8);
    assert!(text(&output.stderr).starts_with("2 ids, 24 bytes; next: "), "{}", text(&output.stderr));
    let output = tidegate(&["group", "beta"], b"\"ana\",\"ben\"");
    assert_eq!(output.stdout.len(), 8 + 8);
    assert!(text(&output.stderr).starts_with("warning: the only id is one with commas"), "{}", text(&output.stderr));
    let output = tidegate(&["group", "beta", "--json"], b"id\nana\n");
    assert_eq!(
        text(&output.stderr).trim_end(),
        r#"{"group":"beta","subjects":2,"bytes":24,"warnings":["the first line, `id`, looks like a heading; it counts as an id"]}"#
    );
    let again = tidegate(&["group", "beta"], &output.stdout);
    assert_eq!(again.stdout, output.stdout, "fingerprints stay what they are");
}

#[test]
fn a_group_that_is_no_text_in_utf_8_is_refused_by_line() {
    for (input, error) in [
        (b"\xff\xfea\0n\0a\0".as_slice(), "the list is in UTF-16"),
        (b"ana\nb\0n", "line 2 of the list has a NUL byte"),
        (b"ana\nben\njos\xe9\n", "line 3 of the list is not in UTF-8"),
    ] {
        let output = tidegate(&["group", "beta"], input);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{error}");
        assert!(
            text(&output.stderr).contains(error) && text(&output.stderr).contains("save it as UTF-8"),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_pilot_is_picked_from_a_file_of_users_as_a_group_that_assign_reads() {
    let lines: String = (0..400).map(|n| format!("user-{n},{}\n", ["DE", "DE", "AT", "CH"][n % 4])).collect();
    let users = file("users.csv", format!("id,country\n{lines}").as_bytes()).display().to_string();
    let ids = file("pilot.txt", b"").display().to_string();
    let pick = ["group", "pick", "pilot", "--from", &users, "--size", "40", "--like", "country", "--ids", &ids];
    let output = tidegate(&pick, b"");
    let printed = text(&output.stderr);
    assert!(printed.starts_with("40 of 400 users, by the column id, with the seed 1\n"), "{printed}");
    assert!(printed.contains("  country  0.0 % away from all (3 values); widest at "), "{printed}");
    assert_eq!(output.stdout.len(), 8 + 40 * 8);
    let listed = text(&std::fs::read(&ids).unwrap());
    assert_eq!(tidegate(&["group", "pilot"], listed.as_bytes()).stdout, output.stdout);
    let json = tidegate(&[&pick[..], &["--json"]].concat(), b"");
    assert!(text(&json.stderr).starts_with(r#"{"group":"pilot","picked":40,"of":400,"seed":1,"id":"id","columns":[{"column":"country","values":3,"missing":0,"distance":0.0,"#), "{}", text(&json.stderr));
    let few = tidegate(&["group", "pick", "pilot", "--from", &users, "--size", "401"], b"");
    assert_eq!((few.status.code(), few.stdout.len()), (Some(2), 0));
    assert!(text(&few.stderr).contains("has 400 users, and --size 401 asks for more"), "{}", text(&few.stderr));
}

#[test]
fn a_million_ids_are_assigned_in_one_go() {
    let ids: String = (0..1_000_000).map(|n| format!("user-{n}\n")).collect();
    let output = tidegate(&["assign", &plan(), "--percentage", "10"], ids.as_bytes());
    let reported = text(&output.stdout);
    let on_new = reported.matches("\"variant\":\"new\"").count();
    assert_eq!(reported.lines().count(), 1_000_000);
    assert!((99_000..101_000).contains(&on_new), "{on_new}");
}
