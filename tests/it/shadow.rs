//! Shadow traffic in a plan, and what gates and guardrails on it do in a life.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidegate::text::Source;
use tidegate::text::plans::read_all;

const GATES: &str = r#"["shadow.mismatch_rate < 2% over stage", "shadow.error_rate < 2% over stage", "shadow.latency.p95 <= 1.2x legacy"]"#;

/// A plan with a dark stage; `shadow` and `stage` are added to it and to that stage.
fn plan(shadow: &str, stage: &str) -> String {
    format!(
        r#"key = "shop"
routes = ["/shop/*"]
upstreams = {{ legacy = "https://l.example", new = "https://n.example" }}
identity = {{ from = ["cookie:uid"], anonymous = true, same_site = "lax" }}
{shadow}
[[stage]]
name = "dark"
percentage = 0
hold = "4h"
{stage}
[[stage]]
name = "full"
percentage = 100
hold = "1h"
"#
    )
}

fn faults(text: &str) -> Vec<String> {
    let loaded = read_all(vec![Source::new("plan.toml".into(), text.into())], None).unwrap();
    let faults = loaded.sources[0].faults.iter();
    faults.map(|own| [&own.message, own.help.as_deref().unwrap_or_default()].join("; ")).collect()
}

#[track_caller]
fn refuses(shadow: &str, stage: &str, expected: &str) {
    let found = faults(&plan(shadow, stage));
    assert!(found.iter().any(|own| own == expected), "{found:#?}");
}

#[test]
fn a_plan_says_what_is_copied_and_each_fault_says_what_would_be_right() {
    let gates = format!("gates = {GATES}");
    let full = r#"shadow = { share = "5%", max_rps = 9, max_kb = 64, credentials = false, paths = "/shop/search", compare = { json_ignore = "/time", ignore = ["links"] } }"#;
    for (shadow, stage) in [(full, gates.as_str()), ("", "shadow = \"20%\""), ("shadow = {}", gates.as_str())] {
        let guarded =
            format!("{shadow}\nguardrail = [{{ when = \"latency.p95 > 1.3x legacy\", then = \"rollback\" }}]");
        assert_eq!(faults(&plan(&guarded, stage)), [""; 0], "{shadow} {stage}");
    }
    refuses(
        "shadow = { rps = 3 }",
        "",
        "`rps` is not a field; known here: share, max_rps, max_kb, credentials, paths, compare",
    );
    refuses("shadow = { max_rps = 0 }", "", "0 is not from 1 to 100; ");
    refuses("shadow = { max_kb = 1000 }", "", "1000 is not from 0 to 256; ");
    refuses(
        "",
        "shadow = \"120%\"",
        "`120%` is more than 100 %; a number from 0 to 100 with at most three decimals, such as 10, 2.5 or 0.001",
    );
    refuses(
        "shadow = { compare = { json_ignore = \"time\" } }",
        "",
        "`time` is not a place in JSON; names after `/`, such as `/time` or `/items/*/id`; `*` is any name",
    );
    refuses(
        "shadow = { compare = { ignore = \"status\" } }",
        "",
        "`status` is not a difference that may be passed over; `type`, `redirect`, `size`, `json`, `title`, `landmarks`, `links` or `assets`; what fails is never passed over",
    );
    refuses("shadow = { paths = \"/other/*\" }", "", "no route of this rollout takes `/other/*`; ");
    refuses(
        "",
        "gates = [\"shadow.mismatch_rate < 1%\"]",
        "`shadow.mismatch_rate` is not measured: nothing is copied to new; add [shadow] with `share = \"5%\"`, or `shadow = \"5%\"` to a stage",
    );
    refuses(
        "shadow = { share = \"5%\" }",
        "shadow = 0\ngates = [\"shadow.latency.p95 < 1s\"]",
        "`shadow.latency.p95` is not measured in `dark`, which copies nothing to new; `shadow = \"5%\"` in the stage copies",
    );
    let late = plan("shadow = {}", "").replace("\"1h\"", "\"1h\"\ngates = [\"shadow.error_rate < 1%\"]");
    assert!(
        faults(&late).contains(&"`shadow.error_rate` is not measured at 100 %: legacy answers nothing that could be copied; ask for it in a stage before".to_owned()),
        "{:#?}",
        faults(&late)
    );
    let flag = plan("", "shadow = \"5%\"").replace("routes = [\"/shop/*\"]\n", "").replace("upstreams", "values");
    let flag = flag.replace("https://l.example", "off").replace("https://n.example", "on");
    assert!(
        faults(&flag).contains(&"a flag routes no requests that could be copied to new; ".to_owned()),
        "{:#?}",
        faults(&flag)
    );
}

/// How a simulated life of the plan ends.
fn fate(name: &str, text: &str, inject: &[&str]) -> Value {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("simulate").arg(&path).args(["--json", "--until", "2d"]);
    for line in inject {
        command.args(["--inject", line]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let first = text.lines().next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(first).unwrap()
}

#[test]
fn a_dark_stage_is_left_once_copies_show_that_new_answers_as_legacy_does() {
    let healthy = plan("shadow = { share = \"20%\" }", &format!("gates = {GATES}"));
    let ended = fate("shadow-healthy.toml", &healthy, &[]);
    assert_eq!(ended["outcome"], "completed", "{ended}");
    for inject in ["new.shadow.mismatch_rate = 10%", "new.error_rate = 10%", "new.latency = 3x"] {
        let ended = fate("shadow-held.toml", &healthy, &[inject]);
        assert_eq!((&ended["outcome"], &ended["stage"]), (&"unfinished".into(), &"dark".into()), "{inject}: {ended}");
    }
}

#[test]
fn a_guardrail_on_copies_acts_while_nobody_is_on_new() {
    let guarded = plan("shadow = { share = \"20%\" }", "")
        + "[[guardrail]]\nwhen = \"shadow.error_rate > 20% over 10m\"\nthen = \"rollback\"\n";
    let ended = fate("shadow-guarded.toml", &guarded, &["new down from 1h"]);
    assert_eq!((&ended["outcome"], &ended["stage"]), (&"rolled_back".into(), &"dark".into()), "{ended}");
}
