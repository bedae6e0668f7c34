//! Operators, isolates and auditors of the virtual world.

use serde_json::{Value, json};
use tidegate::controller::Input;
use tidegate::decide::replay::Replay;
use tidegate::model::history::{Entry, sha256_hex};
use tidegate::model::measured::{SlicedCounts, Window};
use tidegate::model::plan::set::read_rollout;
use tidegate::model::variant::Variant;
use tidegate::protocol::api::Call;
use tidegate::protocol::flush::{Batch, Counted, Flush};

use crate::world::World;

/// The plan of a rollout whose stages nobody leaves but by command.
pub fn plan(key: &str) -> Value {
    json!({
        "key": key, "routes": [format!("/{key}/*")], "upstreams": {"legacy": "https://legacy.example", "new": "https://new.example"},
        "identity": {"from": ["header:x-user-id"]},
        "stage": [
            {"name": "canary", "percentage": 10, "hold": "30d"},
            {"name": "half", "percentage": 50, "hold": "30d"},
            {"name": "full", "percentage": 100, "hold": "30d"},
        ],
    })
}

pub fn get(path: &str, query: &str) -> Call {
    Call { method: "GET".into(), path: path.into(), query: query.into(), actor: "vic".into(), ..Call::default() }
}

pub fn put_plans(rollouts: &[Value]) -> Call {
    let body = json!({"rollouts": rollouts, "reason": "ana applies"}).to_string();
    Call { method: "PUT".into(), path: "plans".into(), actor: "ana".into(), body, ..Call::default() }
}

/// A command under a reason of its own, decided on a revision or on any (`*`).
pub fn command(actor: &str, key: &str, reason: &str, if_match: Option<&str>, mut fields: Value) -> Call {
    fields["reason"] = reason.into();
    Call {
        method: "POST".into(),
        path: format!("rollouts/{key}/commands"),
        actor: actor.into(),
        if_match: if_match.map(str::to_owned),
        body: fields.to_string(),
        ..Call::default()
    }
}

/// A deployment of rollouts with these keys, each of them started and set to a percentage.
pub fn deployed(seed: u64, keys: &[&str], percentage: u32) -> World {
    let mut world = World::new(seed);
    let plans: Vec<Value> = keys.iter().map(|key| plan(key)).collect();
    grant(&mut world, put_plans(&plans));
    for key in keys {
        grant(&mut world, command("ana", key, "begin", Some("*"), json!({"command": "start"})));
        grant(&mut world, command("ana", key, "begin", Some("*"), json!({"command": "set", "percentage": percentage})));
    }
    world.pass(60_000);
    world
}

/// Calls, expecting success; the body.
#[track_caller]
pub fn grant(world: &mut World, call: Call) -> Value {
    let reply = world.call(call).expect("nothing dies");
    assert_eq!(reply.status, 200, "{}", reply.body);
    serde_json::from_str(&reply.body).unwrap()
}

pub fn rollout(world: &mut World, key: &str) -> Value {
    grant(world, get(&format!("rollouts/{key}"), ""))
}

/// What an isolate sends that has counted so many requests to new.
pub fn counts(world: &World, isolate: &str, sequence: u64, key: &str, requests: u64) -> Flush {
    let mut window = Window::at(world.now().minute(), 1);
    window.tally_mut(Variant::New, None).unwrap().requests = requests;
    let counted = vec![Counted { rollout: key.parse().unwrap(), window, compared: SlicedCounts::default() }];
    let batch = Batch { sequence, counted, ..Batch::default() };
    Flush { isolate: isolate.into(), known: Some(Vec::new()), batch: Some(batch), ..Flush::default() }
}

/// What an isolate sends that has read a text of somebody's in KV.
pub fn seen(isolate: &str, key: &str, text: &str) -> Flush {
    let (texts, known) = (vec![(key.to_owned(), text.to_owned())], vec![(key.to_owned(), 1_000)]);
    Flush { isolate: isolate.into(), known: Some(known), texts, ..Flush::default() }
}

/// Everything that was ever counted of a rollout, as Prometheus reads it.
pub fn counted(world: &mut World, key: &str) -> u64 {
    let text = world.call(get("/_tidegate/metrics", "")).expect("nothing dies").body;
    let sample = format!("tidegate_requests_total{{rollout=\"{key}\",variant=\"new\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&sample)).map_or(0, |count| count.parse::<f64>().unwrap() as u64)
}

/// The history of a rollout, which is one chain: no revision lacks, none is there twice, each entry names the hash of
/// the one before, and its command leads to its state.
pub fn history(world: &World, key: &str) -> Vec<Entry> {
    let texts = world.database.texts("SELECT entry FROM history WHERE rollout = ? ORDER BY revision", &[key]);
    let mut replay = Replay::default();
    let mut entries = Vec::new();
    for text in texts {
        let (entry, hash) = Entry::parse(&text).unwrap();
        let plan = |revision: u64, digest: &str| {
            let sql = "SELECT plan FROM plans WHERE rollout = ? AND revision = CAST(? AS INTEGER)";
            let text = world.database.texts(sql, &[key, &revision.to_string()]).pop()?;
            (sha256_hex(text.as_bytes()) == digest).then(|| read_rollout(&text).unwrap())
        };
        replay.next(&entry, &hash, plan).unwrap_or_else(|error| panic!("{key}: {error}"));
        entries.push(entry);
    }
    entries
}

/// Lets KV come to rest and checks that it holds what is stored, within minutes; the history.
pub fn settled(world: &mut World, key: &str) -> Vec<Entry> {
    (world.kv.stale_ms, world.kv.fail_rate, world.kv.late_rate) = (0, 0.0, 0.0);
    world.input(None, Input::Alarm);
    // What is gone for two minutes has ended by then.
    world.pass(200_000);
    let entries = history(world, key);
    let last = entries.last().unwrap();
    assert_eq!(world.held(&format!("stage/{key}")), Some(last.state.to_json().as_str()), "KV holds the state of {key}");
    let shown = rollout(world, key);
    assert_eq!(shown["state"]["revision"], last.revision);
    assert_eq!(shown["published"]["is_current"], true, "{shown}");
    entries
}
