//! The operator's commands as their user meets them, against a server with answers made up here:
//! what is sent, in which order, and what is said. The API itself is tested in tests/edge.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// What one request asked for.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// What a request is answered with.
#[derive(Clone)]
enum Reply {
    Json(u16, Value, &'static [(&'static str, &'static str)]),
    Text(u16, &'static str, &'static [(&'static str, &'static str)]),
    /// The connection breaks after the request.
    Break,
}

fn ok(body: Value) -> Reply {
    Reply::Json(200, body, &[])
}

fn problem(status: u16, kind: &str, detail: &str, extra: Value) -> Reply {
    let mut body =
        json!({ "type": format!("urn:tidegate:problem:{kind}"), "title": kind, "status": status, "detail": detail });
    body.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    Reply::Json(status, body, &[("content-type", "application/problem+json")])
}

/// A server that answers one request after the other with `replies`, the last of them for ever.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn new(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let reply = &replies[index.min(replies.len() - 1)];
                serve(stream.unwrap(), reply, &seen);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        tidegate(arguments, &[("TIDEGATE_URL", &self.url), ("TIDEGATE_TOKEN", "tg_secret")])
    }
}

fn serve(stream: TcpStream, reply: &Reply, seen: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(&stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let line = next().trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<(String, String)> =
        std::iter::from_fn(|| next().split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())))
            .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    seen.lock().unwrap().push(Asked { line, headers, body: serde_json::from_slice(&body).unwrap_or_default() });
    let (status, content_type, text, headers) = match reply {
        Reply::Json(status, body, headers) => (*status, "application/json", body.to_string(), *headers),
        Reply::Text(status, text, headers) => (*status, "text/html", (*text).to_owned(), *headers),
        Reply::Break => return,
    };
    let mut head = format!("HTTP/1.1 {status} Reported\r\nconnection: close\r\ncontent-length: {}\r\n", text.len());
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        head.push_str(&format!("content-type: {content_type}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let _ = (&stream).write_all(format!("{head}\r\n{text}").as_bytes());
}

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["TIDEGATE_URL", "TIDEGATE_TOKEN", "SSL_CERT_FILE", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

fn tidegate(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(variables).args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn ends(output: &Output, code: i32, reported: &[&str]) {
    let all = format!("{}{}", out(output), err(output));
    assert_eq!(output.status.code(), Some(code), "{all}");
    for text in reported {
        assert!(all.contains(text), "`{text}` is not in:\n{all}");
    }
}

fn state(revision: u64, stage: &str, percentage: f64, phase: &str) -> Value {
    json!({ "revision": revision, "plan": 1, "attempt": 1, "phase": phase, "killed": false, "stage": stage, "percentage": percentage, "groups": [], "since": "2026-01-01T00:00:00Z" })
}

fn rollout(state: &Value) -> Value {
    json!({
        "key": "demo", "routes": ["/*"], "is_flag": false, "state": state, "percentage": state["percentage"],
        "summary": summary(state),
        "stages": [{ "name": "canary", "percentage": 10, "gates": [], "checklist": [] }, { "name": "quarter", "percentage": 25, "gates": [], "checklist": [] }],
        "guardrails": [], "blocked": [{ "by": "hold", "text": "bake time of 48h not over" }], "commands": ["advance", "kill"],
        "checklist": { "of": "stage", "items": [{ "item": "Backups confirmed" }, { "item": "Rollback tested" }] },
        "advance": "auto", "faults": [], "published": { "revision": 12, "is_current": true }
    })
}

/// The words of the server for a state.
fn summary(state: &Value) -> String {
    let (stage, percentage) = (state["stage"].as_str().unwrap(), state["percentage"].as_f64().unwrap());
    let phase = match state["phase"].as_str().unwrap() {
        "draft" => "a draft".to_owned(),
        "rolled_back" => format!("rolled back to {percentage} %"),
        "completed" => "completed".to_owned(),
        phase => format!("{phase} in {stage} at {percentage} %"),
    };
    if state["killed"] == true { format!("killed (was {phase})") } else { phase }
}

fn dry_run() -> Reply {
    let body = json!({
        "dry_run": true, "from": state(12, "canary", 10.0, "running"), "to": state(12, "quarter", 25.0, "running"),
        "moves": { "from": 10, "to": 25, "direction": "new", "share": 15, "subjects": null, "basis": "percentage" },
        "explanation": {
            "before": { "stage": "canary", "percentage": 10, "facts": [] }, "after": { "stage": "quarter", "percentage": 25, "facts": [] },
            "following": [], "movers": ["15 % of users move from legacy to new."], "is_unconditional": false, "needs_revision": true,
            "warnings": [{ "code": "skipped", "text": "Skipped: bake time of 48h not over." }]
        }
    });
    Reply::Json(200, body, &[("etag", "\"12\"")])
}

fn done() -> Reply {
    Reply::Json(
        200,
        json!({ "rollout": rollout(&state(13, "quarter", 25.0, "running")), "entry": {}, "moves": {} }),
        &[("etag", "\"13\"")],
    )
}

fn looked() -> Reply {
    Reply::Json(200, rollout(&state(12, "canary", 10.0, "running")), &[("etag", "\"12\"")])
}

const SURE: [&str; 3] = ["--yes", "--reason", "fine so far"];

fn sure<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(SURE).collect()
}

#[test]
fn a_change_is_sent_on_the_revision_that_was_looked_at() {
    let server = Server::new(vec![dry_run(), done()]);
    let output = server.run(&sure(&["advance", "demo"]));
    ends(
        &output,
        0,
        &[
            "demo: canary 10 % → quarter 25 %",
            "15 % of users move from legacy to new.",
            "! Skipped: bake time of 48h not over",
        ],
    );
    assert_eq!(out(&output), "demo is running in quarter at 25 %, revision 13\n");
    let asked = server.asked();
    assert_eq!(
        server.lines(),
        ["POST /_tidegate/api/rollouts/demo/commands", "POST /_tidegate/api/rollouts/demo/commands"]
    );
    assert_eq!(asked[0].body, json!({ "command": "advance", "reason": "fine so far", "dry_run": true }));
    assert_eq!(asked[1].body, json!({ "command": "advance", "reason": "fine so far" }));
    assert_eq!(
        (asked[1].header("if-match"), asked[1].header("authorization")),
        (Some("\"12\""), Some("Bearer tg_secret"))
    );
    assert_eq!(asked[1].header("idempotency-key").map(str::len), Some(32));
}

#[test]
fn arguments_travel_as_the_api_names_them() {
    for (arguments, body) in [
        (vec!["set", "demo", "2.5%"], json!({ "command": "set", "percentage": 2.5, "reason": "fine so far" })),
        (
            vec!["resume", "demo", "--stage", "canary"],
            json!({ "command": "resume", "stage": "canary", "reason": "fine so far" }),
        ),
        (vec!["rollback", "demo"], json!({ "command": "rollback", "to": "off", "reason": "fine so far" })),
        (
            vec!["rollback", "demo", "--to", "previous"],
            json!({ "command": "rollback", "to": "previous", "reason": "fine so far" }),
        ),
        (vec!["rollback", "demo", "--to", "5"], json!({ "command": "rollback", "to": 5, "reason": "fine so far" })),
        (vec!["complete", "demo"], json!({ "command": "complete", "reason": "fine so far" })),
    ] {
        let server = Server::new(vec![done()]);
        ends(&server.run(&sure(&arguments)), 0, &[]);
        assert_eq!(server.asked().last().unwrap().body, body);
    }
}

#[test]
fn whoever_stops_something_sends_one_request_and_no_revision() {
    for verb in ["kill", "pause", "rollback"] {
        let server = Server::new(vec![done()]);
        ends(&server.run(&sure(&[verb, "demo"])), 0, &["demo is running"]);
        assert_eq!(server.lines(), ["POST /_tidegate/api/rollouts/demo/commands"], "{verb}");
        assert_eq!(server.asked()[0].header("if-match"), None);
    }
}

/// A rollout that has just been killed, and how far that has come.
fn killed(behind: u64, quiet_ms: Option<u64>) -> Value {
    let mut killed = rollout(&state(13, "canary", 10.0, "running"));
    let text = format!("0 requests to new for {} ms", quiet_ms.unwrap_or_default());
    killed["reach"] = json!({ "revision": 13, "isolates": 2, "behind": behind, "quiet_ms": quiet_ms, "text": text });
    killed
}

#[test]
fn a_kill_waits_until_no_isolate_serves_new_and_says_so() {
    let kill = || ok(json!({ "rollout": killed(2, None), "entry": {}, "moves": {} }));
    let server = Server::new(vec![kill(), ok(killed(1, None)), ok(killed(0, Some(3_200)))]);
    ends(
        &server.run(&sure(&["kill", "demo"])),
        0,
        &["demo is running", "Waiting until no isolate serves new", "0 requests to new for 3200 ms"],
    );
    assert_eq!(
        server.lines(),
        [
            "POST /_tidegate/api/rollouts/demo/commands",
            "GET /_tidegate/api/rollouts/demo",
            "GET /_tidegate/api/rollouts/demo"
        ]
    );

    let all =
        Server::new(vec![ok(json!({ "rollouts": [killed(2, None)], "refused": [] })), ok(killed(0, Some(9_000)))]);
    ends(&all.run(&sure(&["kill", "--all"])), 0, &["0 requests to new for 9000 ms"]);
    let programs = Server::new(vec![kill(), ok(killed(0, Some(3_000)))]);
    let output = programs.run(&sure(&["kill", "demo", "--json"]));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["rollout"]["reach"]["behind"], 2);
}

#[test]
fn a_dry_run_needs_no_consent_and_changes_nothing() {
    let mut body = json!({
        "dry_run": true, "from": state(1, "a", 0.0, "draft"), "to": state(2, "a", 0.0, "running"),
        "moves": { "from": 0, "to": 100, "direction": "new", "share": 100, "subjects": null, "basis": "percentage" },
        "explanation": {
            "before": { "stage": "a", "percentage": 0, "facts": ["draft"] }, "after": { "stage": "a", "percentage": 0, "facts": ["running"] },
            "following": ["And then at once: b 100 %, completed."], "movers": ["100 % of users move from legacy to new."], "warnings": []
        }
    });
    let server = Server::new(vec![ok(body.clone())]);
    let output = server.run(&["start", "demo", "--dry-run"]);
    ends(&output, 0, &[]);
    assert_eq!(
        out(&output),
        "demo: a 0 %, draft → a 0 %, running\n  And then at once: b 100 %, completed.\n  100 % of users move from legacy to new.\n"
    );
    assert_eq!(server.asked()[0].body, json!({ "command": "start", "dry_run": true }));
    assert_eq!(server.lines().len(), 1);
    body["explanation"]["warnings"] = json!([{ "code": "ends", "text": "Rescue ends." }]);
    ends(&Server::new(vec![ok(body)]).run(&["complete", "demo", "--dry-run"]), 0, &["! Rescue ends."]);
    body = json!({ "from": state(1, "a", 0.0, "draft") });
    ends(&Server::new(vec![ok(body)]).run(&["start", "demo", "--dry-run"]), 0, &["demo"]);
    ends(&server.run(&["kill", "--all", "--dry-run"]), 2, &["one rollout at a time"]);
}

/// The answer to a `complete` that something speaks against.
fn unconfirmed() -> Reply {
    let help = "`approve` each once it is true; to complete it all the same, name it: `--confirm demo`";
    problem(
        409,
        "refused",
        "not approved yet: Cause found",
        json!({ "refusal": "checklist", "help": help, "confirm": "demo", "ends": [{ "what": "rescue", "text": "rescue ends: legacy no longer answers" }] }),
    )
}

#[test]
fn a_completion_that_is_advised_against_says_what_ends_and_wants_the_key() {
    let server = Server::new(vec![unconfirmed()]);
    ends(
        &server.run(&sure(&["complete", "demo"])),
        1,
        &["error: not approved yet: Cause found", "! Rescue ends: legacy no longer answers.\n", "--confirm demo"],
    );
    let server = Server::new(vec![dry_run(), done()]);
    ends(&server.run(&sure(&["complete", "demo", "--confirm", "demo"])), 0, &["demo is running"]);
    assert_eq!(server.asked()[1].body, json!({ "command": "complete", "confirm": "demo", "reason": "fine so far" }));
}

#[test]
#[cfg(target_os = "linux")]
fn at_a_terminal_the_key_of_a_completion_is_typed() {
    let server = Server::new(vec![unconfirmed(), dry_run(), done()]);
    let Some((code, reported)) = at_a_terminal(&server, "complete demo --yes --reason why", "demo\n") else { return };
    assert!(
        code == Some(0) && reported.contains("Type demo to complete it all the same, or Enter to cancel:"),
        "{reported}"
    );
    assert_eq!(server.asked()[2].body, json!({ "command": "complete", "confirm": "demo", "reason": "why" }));
    let server = Server::new(vec![unconfirmed()]);
    let Some((code, reported)) = at_a_terminal(&server, "complete demo --yes --reason why", "yes\n") else { return };
    assert!(code == Some(1) && reported.contains("Nothing was changed."), "{reported}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn where_nobody_can_be_asked_nothing_is_sent_until_all_is_said() {
    let server = Server::new(vec![dry_run()]);
    for (arguments, missing) in [
        (vec!["advance", "demo"], "--yes and --reason TEXT"),
        (vec!["advance", "demo", "--yes"], "add --reason TEXT"),
        (vec!["kill", "demo"], "add --yes"),
        (vec!["apply", "plans/demo.toml"], "add --yes"),
    ] {
        ends(&server.run(&arguments), 2, &["standard input is no terminal", missing]);
    }
    assert_eq!(server.lines(), Vec::<String>::new());
}

/// Runs at a terminal of its own, made by `script`, where somebody types. `None` where there is no `script`.
#[cfg(target_os = "linux")]
fn at_a_terminal(server: &Server, arguments: &str, typed: &str) -> Option<(Option<i32>, String)> {
    let mut child = Command::new("script")
        .args(["-qec", &format!("{} {arguments}", env!("CARGO_BIN_EXE_tidegate")), "/dev/null"])
        .envs([("TIDEGATE_URL", server.url.as_str()), ("TIDEGATE_TOKEN", "tg_secret"), ("NO_COLOR", "1")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((output.status.code(), String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")))
}

#[test]
#[cfg(target_os = "linux")]
fn at_a_terminal_what_exposes_wants_words_and_enter_alone_leaves_it() {
    let server = Server::new(vec![dry_run(), done()]);
    let Some((code, reported)) = at_a_terminal(&server, "advance demo", "y\nlooks fine\n") else { return };
    assert!(
        code == Some(0)
            && reported.contains("Advance demo? Reason (Enter cancels): ")
            && reported.contains("a few words, for the history")
            && reported.contains("demo is running in quarter"),
        "{reported}"
    );
    assert_eq!(server.asked()[1].body, json!({ "command": "advance", "reason": "looks fine" }));

    for (arguments, typed) in [
        ("advance demo", "\n"),
        ("advance demo", "n\n"),
        ("advance demo --reason because", "\n"),
        ("complete demo", "two quiet weeks\nshop\n"),
        ("complete demo", "two quiet weeks\n\n"),
    ] {
        let server = Server::new(vec![dry_run(), done()]);
        let Some((code, reported)) = at_a_terminal(&server, arguments, typed) else { return };
        assert!(code == Some(1) && reported.contains("Nothing was changed."), "{reported}");
        assert_eq!(server.asked().len(), 1, "{arguments}");
    }
    let server = Server::new(vec![dry_run(), done()]);
    let Some((code, reported)) = at_a_terminal(&server, "complete demo", "two quiet weeks\ndemo\n") else { return };
    assert!(code == Some(0) && reported.contains("Type demo to confirm: "), "{reported}");
    assert_eq!(server.asked()[1].body, json!({ "command": "complete", "reason": "two quiet weeks" }));
}

#[test]
#[cfg(target_os = "linux")]
fn at_a_terminal_enter_stops_and_the_reason_may_follow() {
    for (arguments, typed, sent) in [
        ("kill demo", "\n\n", vec![json!({ "command": "kill", "reason": "no reason given" })]),
        (
            "kill demo",
            "\ncarts are empty\n",
            vec![
                json!({ "command": "kill", "reason": "no reason given" }),
                json!({ "command": "note", "reason": "carts are empty" }),
            ],
        ),
        ("pause demo", "y\n\n", vec![json!({ "command": "pause", "reason": "no reason given" })]),
        (
            "rollback demo --reason because",
            "\n",
            vec![json!({ "command": "rollback", "to": "off", "reason": "because" })],
        ),
    ] {
        let server = Server::new(vec![dry_run(), done()]);
        let Some((code, reported)) = at_a_terminal(&server, arguments, typed) else { return };
        assert!(code == Some(0) && reported.contains(" [Y/n] ") && reported.contains("demo is running"), "{reported}");
        let asked = server.asked();
        assert_eq!(asked[1..].iter().map(|asked| asked.body.clone()).collect::<Vec<_>>(), sent, "{reported}");
        assert!(asked.iter().all(|asked| asked.header("if-match").is_none()));
    }
    // What it would do is unknown, but a kill does not wait for that.
    let silent = || problem(503, "unavailable", "no answer in time", json!({}));
    let server = Server::new(vec![silent(), silent(), done()]);
    let Some((code, reported)) = at_a_terminal(&server, "kill demo", "\n\n") else { return };
    assert!(code == Some(0) && reported.contains("demo: what it would do is unknown, no answer in time"), "{reported}");
    // Words are neither a yes nor a no, so they are asked again.
    for typed in ["n\n", "nope\nNO\n", "maybe\nstop it\nwhat\n"] {
        let server = Server::new(vec![dry_run(), done()]);
        let Some((code, reported)) = at_a_terminal(&server, "kill demo", typed) else { return };
        assert!(
            code == Some(1) && reported.contains("Kill demo now? [Y/n] ") && reported.contains("Nothing was changed."),
            "{reported}"
        );
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_stop_needs_no_reason_and_a_note_adds_one() {
    for verb in ["kill", "pause", "rollback"] {
        let server = Server::new(vec![done()]);
        ends(&server.run(&[verb, "demo", "--yes"]), 0, &["demo is running"]);
        assert_eq!(
            server.asked().iter().map(|asked| asked.body["reason"].clone()).collect::<Vec<_>>(),
            [json!("no reason given")],
            "{verb}"
        );
    }
    let server = Server::new(vec![done()]);
    ends(&server.run(&["note", "demo", "Payments failed"]), 0, &["demo: noted, revision 13"]);
    assert_eq!(
        (server.lines(), server.asked()[0].body.clone()),
        (
            vec!["POST /_tidegate/api/rollouts/demo/commands".to_owned()],
            json!({ "command": "note", "reason": "Payments failed" })
        )
    );
}

#[test]
fn a_key_that_is_missing_is_reported_with_those_there_are() {
    let server = Server::new(vec![ok(json!({ "rollouts": [{ "key": "demo" }, { "key": "shop" }] }))]);
    ends(
        &server.run(&["kill"]),
        2,
        &["<KEY>", "Rollouts here: demo and shop", "Every rollout at once: tidegate kill --all"],
    );
    assert_eq!(server.lines(), ["GET /_tidegate/api/rollouts"]);
    ends(
        &tidegate(&["kill"], &[("TIDEGATE_URL", "http://127.0.0.1:9"), ("TIDEGATE_TOKEN", "tg_secret")]),
        2,
        &["<KEY>", "tidegate kill --all"],
    );
}

#[test]
fn a_verb_of_another_tool_does_nothing_and_leads_to_the_right_one() {
    let server = Server::new(vec![done()]);
    for (verb, meant) in [
        ("abort", "tidegate kill demo "),
        ("stop", "tidegate rollback demo "),
        ("off", "tidegate pause demo "),
        ("promote", "tidegate advance demo "),
        ("promote", "tidegate complete demo "),
        ("undo", "tidegate rollback demo --to previous "),
    ] {
        ends(
            &server.run(&[verb, "demo", "--yes", "--reason", "x"]),
            2,
            &[&format!("there is no command `{verb}`. It may mean:"), meant, "Nothing was done."],
        );
    }
    assert_eq!(server.lines(), Vec::<String>::new());
    let listed = Server::new(vec![ok(json!({ "rollouts": [] }))]);
    for alias in ["list", "ls"] {
        ends(&listed.run(&[alias]), 0, &["There are no rollouts yet"]);
    }
    ends(&tidegate(&["--help"], &[]), 0, &["[aliases: list, ls]"]);
}

/// What bash completes, by the script that the command prints.
fn completed(line: &str, url: &str) -> Option<Vec<String>> {
    let script = r#"source <("$0" completions bash); read -ra COMP_WORDS <<< "$1"; [[ "$1" == *" " ]] && COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_TYPE=9; _clap_complete_tidegate tidegate "${COMP_WORDS[COMP_CWORD]}" 2>&1; printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_tidegate"), line])
        .env("TIDEGATE_URL", url)
        .env("TIDEGATE_TOKEN", "tg_secret")
        .output()
        .ok()?;
    Some(out(&output).lines().map(str::to_owned).collect())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long somebody waits is what is tested")]
fn a_shell_completes_keys_and_is_silent_where_nobody_knows_them() {
    let server = Server::new(vec![ok(
        json!({ "rollouts": [{ "key": "checkout" }, { "key": "checkout-ai" }, { "key": "shop" }] }),
    )]);
    let Some(found) = completed("tidegate kill check", &server.url) else { return };
    assert_eq!(found, ["checkout", "checkout-ai"]);
    assert_eq!(completed("tidegate rollb", &server.url), Some(vec!["rollback".to_owned()]));
    // Somebody listens there and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(
        completed("tidegate kill check", &format!("http://{}", silent.local_addr().unwrap())),
        Some(vec![String::new()])
    );
    assert!(begun.elapsed() < std::time::Duration::from_secs(3));
    assert_eq!(completed("tidegate kill check", "no address"), Some(vec![String::new()]));
}

#[test]
fn a_command_is_sent_once_more_under_the_same_key_when_the_connection_breaks() {
    let server = Server::new(vec![Reply::Break, done()]);
    ends(&server.run(&sure(&["kill", "demo"])), 0, &["demo is running"]);
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0].header("idempotency-key")), (2, asked[1].header("idempotency-key")));
    assert_eq!(asked[0].body, asked[1].body);

    let broken = Server::new(vec![Reply::Break]);
    ends(
        &broken.run(&sure(&["pause", "demo"])),
        1,
        &["broke before the answer", "it is unknown whether it was done: look with `tidegate status demo`"],
    );
    ends(&broken.run(&sure(&["kill", "demo"])), 1, &["KV kills as well", "ROLLOUTS 'kill/demo' on"]);
    assert_eq!(broken.asked().len(), 4);

    let signal = Server::new(vec![Reply::Break]);
    ends(&signal.run(&["signal", "demo", "p1"]), 1, &["it is unknown whether it was counted"]);
    assert_eq!(signal.asked().len(), 1);
}

#[test]
fn a_controller_that_is_away_is_asked_once_more() {
    let server = Server::new(vec![problem(503, "unavailable", "the controller does not answer", json!({})), done()]);
    ends(&server.run(&sure(&["pause", "demo"])), 0, &["demo is running"]);
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn whoever_decided_on_an_old_state_hears_what_it_is_now() {
    let stale = problem(
        412,
        "stale-revision",
        "decided on revision 12, but the rollout is at 14 by now",
        json!({ "current": rollout(&state(14, "quarter", 25.0, "paused")) }),
    );
    let server = Server::new(vec![dry_run(), stale]);
    let output = server.run(&sure(&["advance", "demo"]));
    ends(
        &output,
        1,
        &[
            "error: decided on revision 12",
            "now: demo is paused in quarter at 25 %, revision 14",
            "help: look again with `tidegate status`",
        ],
    );
    assert_eq!(out(&output), "");
}

#[test]
fn a_refusal_is_reported_with_its_help_and_as_it_came_to_programs() {
    let refused = || {
        Server::new(vec![problem(
            409,
            "refused",
            "the checklist is open: Backups confirmed",
            json!({ "refusal": "checklist", "help": "approve it" }),
        )])
    };
    ends(
        &refused().run(&sure(&["advance", "demo"])),
        1,
        &["error: the checklist is open: Backups confirmed\n  help: approve it\n"],
    );
    let output = refused().run(&sure(&["advance", "demo", "--json"]));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &document["refusal"]), (Some(1), &json!("checklist")));
    assert!(err(&output).starts_with("error: the checklist is open"));
}

#[test]
fn json_is_the_answer_as_it_came() {
    let body = rollout(&state(12, "canary", 10.0, "running"));
    let server = Server::new(vec![ok(body.clone())]);
    for arguments in [["status", "demo", "--json"], ["explain", "demo", "--json"]] {
        let arguments: Vec<&str> = if arguments[0] == "explain" {
            vec!["explain", "demo", "ana@example.com", "--json"]
        } else {
            arguments.to_vec()
        };
        let output = server.run(&arguments);
        assert_eq!((out(&output).trim(), err(&output).as_str()), (body.to_string().as_str(), ""));
    }
    assert_eq!(server.lines()[1], "GET /_tidegate/api/assign?rollout=demo&id=ana%40example.com");
    let change = Server::new(vec![dry_run(), done()]);
    let output = change.run(&sure(&["advance", "demo", "--json"]));
    assert_eq!(
        (
            serde_json::from_str::<Value>(&out(&output)).unwrap()["rollout"]["state"]["revision"].as_u64(),
            err(&output).as_str()
        ),
        (Some(13), "")
    );
}

/// A server that answers whatever it gets, TLS too, with plain HTTP.
fn plain_only() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    url
}

#[test]
fn every_way_of_not_reaching_tidegate_has_its_own_words() {
    let closed = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let token = ("TIDEGATE_TOKEN", "tg_secret");
    let at = |url: &str| tidegate(&["status", "--url", url], &[token]);
    ends(&at(&format!("http://{closed}")), 1, &["the connection is refused", "make dev", "--url or TIDEGATE_URL"]);
    ends(&at("http://tidegate.invalid"), 1, &["http://tidegate.invalid", "check the address"]);
    ends(&at("shop.example.com"), 2, &["--url: `shop.example.com` is not a URL", "such as https://shop.example.com"]);
    ends(&tidegate(&["status"], &[token, ("TIDEGATE_URL", "ftp://x")]), 2, &["TIDEGATE_URL: `ftp://x`"]);
    ends(
        &tidegate(&["status"], &[]),
        2,
        &["TIDEGATE_TOKEN is not set", "export TIDEGATE_TOKEN", "tidegate token NAME"],
    );

    let html = Server::new(vec![Reply::Text(404, "<html>Not here</html>", &[])]);
    ends(
        &html.run(&["status"]),
        1,
        &["is not Tidegate's API: it answered 404 with text/html", "a site behind a Tidegate that has the API"],
    );
    let shop = Server::new(vec![Reply::Text(200, "<html>Welcome</html>", &[])]);
    ends(&shop.run(&["status"]), 1, &["is not Tidegate's API: it answered 200 with text/html"]);
    let moved = Server::new(vec![Reply::Text(301, "", &[("location", "https://www.shop.example.com/")])]);
    ends(&moved.run(&["status"]), 1, &["redirects to https://www.shop.example.com/", "the token is not sent along"]);
    assert_eq!(moved.asked().len(), 1);
    let stranger = Server::new(vec![problem(401, "unauthorized", "the token is not known", json!({}))]);
    ends(&stranger.run(&["status"]), 1, &["error: the token is not known", "check TIDEGATE_TOKEN"]);
    let viewer =
        Server::new(vec![problem(403, "forbidden", "the token of ana may read but not change anything", json!({}))]);
    ends(&viewer.run(&sure(&["kill", "demo"])), 1, &["may read but not change", "--role operator"]);
    ends(
        &at(&plain_only().replace("http:", "https:")),
        1,
        &["no secure connection to https://127.0.0.1", "it seems to speak plain HTTP"],
    );
}

#[test]
fn the_status_of_one_and_of_all_and_of_none() {
    let one = Server::new(vec![looked()]);
    ends(
        &one.run(&["status", "demo"]),
        0,
        &[
            "demo  running in canary at 10 %",
            "▸ canary  10 %",
            "Blocked by  bake time of 48h not over",
            "1 [ ] Backups confirmed",
            "Allowed now advance, kill",
        ],
    );
    let all = Server::new(vec![ok(
        json!({ "rollouts": [rollout(&state(12, "canary", 10.0, "running"))], "plans": 1, "at": "2026-01-01T00:00:00Z" }),
    )]);
    ends(
        &all.run(&["status"]),
        0,
        &[
            "ROLLOUT  STATE    STAGE       NOW   NEXT  BLOCKED BY\ndemo     running  canary 1/2  10 %  –     bake time\n",
        ],
    );
    let none = Server::new(vec![ok(json!({ "rollouts": [] }))]);
    ends(&none.run(&["status"]), 0, &["tidegate apply PLAN.toml"]);
    let colourful =
        tidegate(&["status", "demo"], &[("TIDEGATE_URL", &one.url), ("TIDEGATE_TOKEN", "t"), ("CLICOLOR_FORCE", "1")]);
    assert!(out(&colourful).contains("\u{1b}["));
}

#[test]
fn an_item_is_approved_by_its_number_or_its_beginning() {
    for named in ["2", "rollb", "Rollback tested"] {
        let server = Server::new(vec![looked(), done()]);
        ends(&server.run(&sure(&["approve", "demo", named])), 0, &["demo is running"]);
        let asked = server.asked();
        assert_eq!((&asked[1].body["item"], asked[1].header("if-match")), (&json!("Rollback tested"), Some("\"12\"")));
    }
    let server = Server::new(vec![looked()]);
    ends(
        &server.run(&sure(&["approve", "demo", "Coffee"])),
        2,
        &["no item of the checklist is or begins with `Coffee`", "2 Rollback tested"],
    );
    ends(&server.run(&["approve", "demo"]), 0, &["1 [ ] Backups confirmed", "2 items open"]);
}

#[test]
fn all_items_are_approved_each_on_the_revision_of_the_one_before() {
    let server = Server::new(vec![looked(), done()]);
    ends(&server.run(&sure(&["approve", "demo", "--all"])), 0, &["demo is running"]);
    let sent: Vec<(Value, Option<String>)> = server
        .asked()
        .iter()
        .skip(1)
        .map(|asked| (asked.body["item"].clone(), asked.header("if-match").map(str::to_owned)))
        .collect();
    assert_eq!(
        sent,
        [(json!("Backups confirmed"), Some("\"12\"".into())), (json!("Rollback tested"), Some("\"13\"".into()))]
    );
}

#[test]
fn every_rollout_is_killed_at_once_and_revived_where_it_was_killed() {
    let answer = json!({ "rollouts": [rollout(&state(13, "canary", 10.0, "running"))], "refused": [{ "rollout": "search", "detail": "it is not killed" }] });
    let kill = Server::new(vec![ok(answer.clone())]);
    ends(&kill.run(&sure(&["kill", "--all"])), 1, &["demo is running", "refused: search: it is not killed"]);
    assert_eq!(kill.lines(), ["POST /_tidegate/api/rollouts/*/commands"]);
    let all = json!({ "rollouts": [{ "key": "demo", "state": { "killed": true } }, { "key": "search" }] });
    let revive = Server::new(vec![ok(all), ok(answer)]);
    let output = revive.run(&sure(&["revive", "--all"]));
    ends(&output, 0, &["demo is running"]);
    assert!(!out(&output).contains("search"));
    ends(&tidegate(&["kill"], &[]), 2, &["<KEY>"]);
    ends(&tidegate(&["kill", "demo", "--all"], &[]), 2, &["cannot be used with"]);
}

fn entry(revision: u64, previous: &str) -> Value {
    json!({ "rollout": "demo", "revision": revision, "at": "2026-01-01T00:00:00Z", "actor": "ana", "command": { "command": "advance" }, "reason": "fine", "state": state(revision, "canary", 10.0, "running"), "previous": previous, "hash": format!("{revision:064x}") })
}

#[test]
fn the_history_is_read_page_by_page() {
    let hash = |revision: u64| format!("{revision:064x}");
    let explained =
        json!([{ "revision": 3, "done": "advanced", "outcome": "running in canary at 10 %", "reason": "fine" }]);
    let pages = |first: u64| {
        vec![
            ok(json!({ "entries": [entry(3, &hash(2)), entry(2, &hash(1))], "explanations": explained, "before": 2 })),
            ok(json!({ "entries": [entry(first, &hash(0))], "before": null })),
        ]
    };
    let server = Server::new(pages(1));
    ends(
        &server.run(&["history", "demo", "--limit", "3"]),
        0,
        &["2026-01-01 00:00:00 UTC  r3  ana  advanced  → running in canary at 10 %", "“fine”", "r1  ana"],
    );
    assert_eq!(
        server.lines(),
        [
            "GET /_tidegate/api/rollouts/demo/history?limit=3",
            "GET /_tidegate/api/rollouts/demo/history?limit=1&before=2",
            "GET /_tidegate/api/rollouts/demo/messages?limit=1000"
        ]
    );
    let short = Server::new(pages(1));
    ends(&short.run(&["history", "demo", "--limit", "2"]), 0, &["… and older ones: tidegate history demo --limit 20"]);
    let json = Server::new(pages(1));
    let document: Value = serde_json::from_slice(&json.run(&["history", "demo", "--json"]).stdout).unwrap();
    assert_eq!((document["entries"].as_array().map(Vec::len), &document["before"]), (Some(3), &Value::Null));
}

#[test]
fn a_changed_history_is_reported() {
    let pages = vec![
        ok(json!({ "key": "demo", "state": { "revision": 2 } })),
        ok(json!({ "entries": [entry(2, "")], "before": 2 })),
        ok(json!({ "entries": [entry(1, "")], "before": null })),
    ];
    let server = Server::new(pages);
    let output = server.run(&["history", "demo", "--verify", "--json"]);
    ends(&output, 1, &["the history of demo does not hold together", "- revision 1: ", "--limit 1000000"]);
    assert_eq!(
        server.lines(),
        [
            "GET /_tidegate/api/rollouts/demo",
            "GET /_tidegate/api/rollouts/demo/history?limit=1000",
            "GET /_tidegate/api/rollouts/demo/history?limit=1000&before=2"
        ]
    );
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["faults"][0]["revision"], json!(1));
}

#[test]
fn a_plan_is_checked_compared_and_applied() {
    let foreseen = json!({ "revision": 4, "changes": [{ "rollout": "demo", "change": "changed" }, { "rollout": "old", "change": "removed" }], "dry_run": true });
    let applied = json!({ "revision": 5, "changes": foreseen["changes"], "dry_run": false });
    let compiled = tidegate(&["compile", "plans/demo.toml"], &[]);
    let mut known: Value = serde_json::from_slice(&compiled.stdout).unwrap();
    known["rollouts"][0]["upstreams"]["new"] = json!("https://elsewhere.example.com");
    let server = Server::new(vec![ok(foreseen.clone()), ok(known), ok(applied)]);
    let output = server.run(&["apply", "plans/demo.toml", "--prune", "--yes"]);
    let difference = "    upstreams.new: \"https://elsewhere.example.com\" → \"http://127.0.0.1:8789\"";
    ends(&output, 0, &["~ demo  changed", difference, "- old   removed", "1 rollout will be removed"]);
    assert_eq!(out(&output), "2 changes applied; the plans are at revision 5\n");
    let asked = server.asked();
    assert_eq!(server.lines(), ["PUT /_tidegate/api/plans", "GET /_tidegate/api/plans", "PUT /_tidegate/api/plans"]);
    assert_eq!(
        (
            &asked[0].body["dry_run"],
            &asked[2].body["dry_run"],
            &asked[2].body["prune"],
            &asked[2].body["rollouts"][0]["key"]
        ),
        (&json!(true), &json!(false), &json!(true), &json!("demo"))
    );

    let same = Server::new(vec![ok(json!({ "changes": [{ "rollout": "demo", "change": "unchanged" }] }))]);
    ends(&same.run(&["apply", "plans/demo.toml", "--yes"]), 0, &["Nothing to change."]);
    assert_eq!(same.asked().len(), 1);

    let broken = Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken.toml");
    std::fs::write(&broken, "key = \"x\"\n").unwrap();
    let server = Server::new(vec![ok(foreseen)]);
    ends(&server.run(&["apply", &broken.display().to_string(), "--yes"]), 1, &["broken.toml: "]);
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn faults_that_the_api_finds_are_all_reported() {
    let faults = json!({ "faults": [{ "rollout": "demo", "path": "routes[0]", "message": "`/*` is taken by shop" }, { "rollout": "demo", "path": "after", "message": "no rollout has the key `core`", "help": "known: shop" }] });
    let server = Server::new(vec![problem(422, "invalid-plans", "the plans have errors", faults)]);
    ends(
        &server.run(&["apply", "plans/demo.toml", "--yes"]),
        1,
        &[
            "error: the plans have errors\n  - demo: routes[0]: `/*` is taken by shop\n  - demo: after: no rollout has the key `core` (known: shop)",
        ],
    );
}

#[test]
fn signals_previews_and_explanations() {
    let server = Server::new(vec![Reply::Json(
        202,
        json!({ "rollout": "demo", "name": "p1", "at": "2026-01-01T00:00:00Z" }),
        &[],
    )]);
    ends(&server.run(&["signal", "demo", "p1"]), 0, &["demo: p1 counted 1 time"]);
    ends(&server.run(&["signal", "demo", "db_cpu", "--value", "-0.5"]), 0, &["demo: db_cpu is -0.5"]);
    let bodies: Vec<Value> = server.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [json!({ "name": "p1", "count": 1 }), json!({ "name": "db_cpu", "value": -0.5 })]);
    ends(&server.run(&["signal", "demo", "p1", "--count", "2", "--value", "1"]), 2, &["cannot be used with"]);

    let preview = Server::new(vec![Reply::Json(
        201,
        json!({ "url": "https://shop.example.com/_tidegate/preview?x", "variant": "new", "host": "shop.example.com", "expires": "2026-01-01T02:00:00Z" }),
        &[],
    )]);
    let output = preview.run(&["preview", "demo", "new", "--for", "30m", "--host", "shop.example.com"]);
    assert_eq!(out(&output), "https://shop.example.com/_tidegate/preview?x\n");
    assert!(err(&output).contains("https://shop.example.com/_tidegate/preview?end=demo"));
    assert_eq!(preview.asked()[0].body, json!({ "variant": "new", "for": "30m", "host": "shop.example.com" }));

    let explain = Server::new(vec![ok(
        json!({ "rollout": "demo", "id": "ana", "bucket": 4200, "variant": "new", "reason": "bucketed", "why": "bucket 4.2 % is under the percentage of the stage canary", "stage": "canary", "revision": 12 }),
    )]);
    ends(
        &explain.run(&["explain", "demo", "ana"]),
        0,
        &["`ana` gets new in demo: bucket 4.2 % is under the percentage of the stage canary."],
    );
}

#[test]
fn a_watch_tells_each_change_once_and_goes_on_after_lost_contact() {
    let at = |revision, stage, percentage| {
        ok(json!({ "rollouts": [rollout(&state(revision, stage, percentage, "running"))] }))
    };
    let gone = problem(401, "unauthorized", "the token is not known", json!({}));
    let server =
        Server::new(vec![at(12, "canary", 10.0), at(12, "canary", 10.0), Reply::Break, at(13, "quarter", 25.0), gone]);
    let output = server.run(&["watch"]);
    ends(&output, 1, &["no contact: the connection", "contact again", "the token is not known"]);
    let reported = out(&output);
    let lines: Vec<&str> = reported.lines().filter_map(|line| line.split_once("UTC  ")).map(|(_, line)| line).collect();
    assert_eq!(
        lines,
        [
            "demo: running in canary at 10 %, revision 12; blocked by bake time",
            "demo: running in quarter at 25 %, revision 13; blocked by bake time"
        ]
    );
}

#[test]
fn a_watch_for_programs_prints_rollouts() {
    let body = rollout(&state(12, "canary", 10.0, "running"));
    let server = Server::new(vec![
        ok(body.clone()),
        problem(404, "unknown-rollout", "no rollout has the key `demo`", json!({})),
    ]);
    let output = server.run(&["watch", "demo", "--json"]);
    let reported = out(&output);
    let lines: Vec<Value> = reported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0], &lines[1]["status"]), (2, &body, &json!(404)));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_token_is_printed_alone_and_its_entry_beside_it() {
    let output = tidegate(&["token", "ana", "--role", "operator"], &[]);
    let token = out(&output).trim().to_owned();
    assert!(token.starts_with("tg_") && token.len() == 46 && !token.contains(char::is_whitespace), "{token}");
    assert!(err(&output).contains("  ana:operator:") && err(&output).contains("wrangler secret put ADMIN_TOKENS"));
    let again = tidegate(&["token", "ana", "--role", "operator", "--json"], &[]);
    let document: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_ne!(document["token"], json!(token));
    ends(&tidegate(&["token", "kv", "--role", "viewer"], &[]), 2, &["take another name"]);
}

#[test]
fn the_shell_is_served() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = tidegate(&["completions", shell], &[]);
        assert!(output.status.success() && out(&output).contains("TIDEGATE_COMPLETE"), "{shell}");
    }
    let whole = out(&tidegate(&["man"], &[]));
    for text in [".TH tidegate", ".SH COMMANDS", ".SS rollback", "previous", "TIDEGATE_TOKEN", ".SS man"] {
        assert!(whole.contains(text), "{text}");
    }
    assert!(out(&tidegate(&["man", "rollback"], &[])).contains("tidegate\\-rollback"));
    ends(&tidegate(&["man", "rolback"], &[]), 2, &["there is no subcommand `rolback`"]);
}

#[test]
fn every_command_has_examples() {
    let whole = out(&tidegate(&["--help"], &[]));
    let names: Vec<&str> = whole
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names.into_iter().filter(|name| *name != "help") {
        let help = out(&tidegate(&[name, "--help"], &[]));
        assert!(
            help.contains("Example") && help.contains(&format!("tidegate {name} "))
                || help.contains(&format!("tidegate {name}\n")),
            "{name}:\n{help}"
        );
    }
}
