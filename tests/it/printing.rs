//! What is accepted is accepted again as it is printed: the controller stores a plan as it prints it, and
//! what could not be read back would take its rollout away.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tidegate::model::plan::Plan;
use tidegate::model::plan::set::{print, read_rollout};
use tidegate::protocol::config::Catalogue;
use tidegate::text::Source;
use tidegate::text::plans::read_all;

/// A rollout that says everything that one can say.
fn rollout() -> Value {
    json!({
        "key": "checkout", "description": "The new checkout", "routes": ["shop.example.com/checkout/*", "*.example.com/*", "/about"],
        "except": ["shop.example.com/checkout/old/*"],
        "upstreams": { "legacy": "https://legacy.example.com", "new": { "url": "https://New.example.com/base/", "origin": "rewrite", "timeout": "3s" }, "rescue": "until_completed", "timeout": "10s" },
        "failure": ["5xx", "timeout"],
        "path": [{ "match": ["/checkout/api/*", "/checkout/x"], "timeout": "5s", "rescue": false, "measure": true, "failure": ["404", "5xx"] }, { "match": "/checkout/pay/*", "side": "legacy" }, { "match": "/checkout/shared/*", "upstream": "service:SHARED" }],
        "cache": "upstream",
        "identity": { "from": ["header:X-User", "jwt:session.org.id", "cookie:uid"], "anonymous": true, "domain": "example.com", "sticky": "device", "same_site": "none", "not_ids": ["guest"], "ids": ["0"], "jwt": { "session": { "from": "cookie:sid", "secret": "secret:KEY", "issuer": "me", "audience": "you" }, "other": { "jwks": "https://id.example.com/keys" } } },
        "robots": { "side": "assigned", "also": ["header:user-agent contains probe | check", "country = DE|AT"] },
        "endpoints": { "api": "path:/checkout/api/*" },
        "groups": { "team": { "ids": ["ana@example.com", "ben"] }, "sales": { "match": "header:x-department =sales| support" }, "pilots": { "kv": true } },
        "signals": { "p1": { "kind": "count", "heartbeat": "10m", "description": "incidents" }, "db_cpu": { "kind": "gauge", "fresh": "5m" } },
        "roles": { "on-call": "ana", "lead": { "person": "ben", "tell": ["chat"], "hours": "Mon-Fri 08:00-18:00 Europe/Berlin", "otherwise": "on-call" }, "duty": { "tell": "mail" } }, "links": { "dashboard": "https://dash.example.com/d/1" }, "digest": [{ "at": ["09:00 Europe/Berlin", "Mon-Fri 10:00"], "to": "lead" }],
        "start": "2026-12-02T09:00:00Z", "checklist": ["Staging signed off"], "advance": "manual", "freeze": ["Fri 17:00-Mon 08:00 UTC"],
        "holdout": "5%", "exclude": ["sales"], "eligible": "pilots", "salt": "salt", "alpha": 0.02, "after": ["core"], "requires": ["base"],
        "shadow": { "share": "5%", "max_rps": 9, "max_kb": 64, "credentials": false, "paths": ["/checkout/search"], "compare": { "json_ignore": ["/time", "/items/*/a~1b"], "ignore": ["links", "title"] } }, "after_rollback": ["Look"], "notes": ["a", "b"], "channels": { "chat": { "slack": "secret:CHAT" }, "mail": { "email": "ops@example.com" } },
        "stage": [
            { "name": "internal", "percentage": 0, "groups": ["team"], "hold": "1d", "shadow": "2.5%", "checklist": ["Tested"], "owner": "lead" },
            { "name": "canary-1", "percentage": 2.5, "hold": "48h", "enter": "Mon-Thu 08:00-16:00 +02:00", "checkins": ["15m until 8h", "1h"], "gates": ["error_rate  < 0.1% over stage and latency.p95@api <= 1.2x legacy", "signal.p1 = 0 over stage", { "when": "lcp.p75 <= 1.2x legacy", "after": "10m" }], "notes": "slowly" },
            { "name": "full", "percentage": "100 %", "hold": "72h" }
        ],
        "defaults": "builtin",
        "guardrail": [
            { "when": "error_rate > 5% over 5m", "after": "5m", "then": "rollback", "severity": "warning", "notify": ["chat"], "stages": ["canary-1"], "escalate": [{ "after": "15m", "to": "lead", "text": "call" }], "text": "look", "links": { "logs": "https://logs.example.com" } },
            { "when": "signal.db_cpu > 80% over 5m for 2m", "then": "5%" },
            { "when": "js_error_rate > 2% min 100", "then": "alert" }
        ],
        "notice": [{ "at": "canary-1-1d", "to": ["chat"], "text": "soon" }, { "at": "full", "every": "1w", "by": "lead", "audience": "client", "text": "weekly" }, { "at": "2026-12-24T08:00:00+01:00", "to": "duty", "text": "a date" }, { "at": "end+2h", "to": "mail", "text": "done" }],
        "risk": [{ "what": "it breaks", "likelihood": "low", "impact": "high", "mitigation": "roll back" }],
        "environments": { "staging": { "routes": ["staging.example.com/*"] } }
    })
}

/// A flag that says everything that one can say.
fn flag() -> Value {
    json!({ "key": "flag", "values": { "new": "b", "legacy": "a" }, "holdout": 1.25, "stage": [{ "name": "half", "percentage": 50, "hold": "1h" }, { "name": "full", "percentage": 100 }] })
}

/// The places of a tree: each field and each item, as a JSON pointer.
fn places(node: &Value, at: &str, found: &mut Vec<String>) {
    let mut add = |step: String, inner: &Value| {
        let place = format!("{at}/{}", step.replace('~', "~0").replace('/', "~1"));
        found.push(place.clone());
        places(inner, &place, found);
    };
    match node {
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| add(index.to_string(), item)),
        Value::Object(fields) => fields.iter().for_each(|(key, field)| add(key.clone(), field)),
        _ => {}
    }
}

/// What may be done to one place of a plan.
#[derive(Clone, Debug)]
enum Change {
    Remove,
    Put(Value),
    /// The value of another place.
    Copy(Index),
    /// White space around a text, or a text in place of a number.
    Space(String),
}

fn change() -> impl Strategy<Value = Change> {
    const WORDS: &[&str] = &[
        "[]",
        "{}",
        "null",
        "\"\"",
        "0",
        "100",
        "true",
        "false",
        "\"none\"",
        "\"off\"",
        "[\"/*\"]",
        "\"/*\"",
        "[null]",
        "\"2.5\"",
        "0.001",
        "\"0\"",
        "\"a b\"",
        "\"1w\"",
        "[\"4xx\"]",
        "0.123456789012345678",
        "1e-7",
        "\"-1d\"",
        "\"start\"",
        "\"full\"",
        "[[]]",
    ];
    prop_oneof![
        3 => Just(Change::Remove),
        3 => proptest::sample::select(WORDS).prop_map(|word| Change::Put(serde_json::from_str(word).unwrap())),
        1 => any::<Index>().prop_map(Change::Copy),
        1 => "[ \\t|=*a-z0-9.:/%+-]{0,12}".prop_map(|text| Change::Put(text.into())),
        1 => "[ \\t]{0,2}".prop_map(Change::Space),
    ]
}

fn changed(mut plan: Value, changes: &[(Index, Change)]) -> Value {
    for (place, change) in changes {
        let mut found = Vec::new();
        places(&plan, "", &mut found);
        if found.is_empty() {
            break;
        }
        let place = place.get(found.as_slice()).clone();
        let value = match change {
            Change::Remove => {
                let (outer, last) = place.rsplit_once('/').unwrap();
                match plan.pointer_mut(outer) {
                    Some(Value::Object(fields)) => drop(fields.remove(last)),
                    Some(Value::Array(items)) => drop(items.remove(last.parse().unwrap())),
                    _ => {}
                }
                continue;
            }
            Change::Put(value) => value.clone(),
            Change::Copy(other) => plan.pointer(other.get(found.as_slice()).as_str()).unwrap().clone(),
            Change::Space(space) => match plan.pointer(&place).unwrap() {
                Value::String(text) => format!("{space}{text}{space}").into(),
                Value::Number(number) => format!("{space}{number}{space}").into(),
                other => other.clone(),
            },
        };
        *plan.pointer_mut(&place).unwrap() = value;
    }
    plan
}

/// A plan as TOML: what is null is not there.
fn toml(plan: &Value) -> String {
    let fields = plan.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    fields.map(|(key, value)| format!("{} = {}\n", json!(key), inline(value))).collect()
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| format!("{} = {}", json!(key), inline(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Null => "''".to_owned(),
        other => other.to_string(),
    }
}

fn is_printed_as_it_is_read(plan: &Plan) -> Result<(), TestCaseError> {
    let text = serde_json::to_string(plan).unwrap();
    let again = read_rollout(&text);
    prop_assert_eq!(again.as_ref(), Ok(plan), "{}", text);
    prop_assert_eq!(serde_json::to_string(&again.unwrap()).unwrap(), text);
    let (catalogue, broken) = Catalogue::compile(&print(std::slice::from_ref(plan), 1).unwrap(), None).unwrap();
    prop_assert!(broken.is_empty(), "{broken:?}");
    prop_assert_eq!(catalogue.plan(0).unwrap().as_ref(), plan);
    Ok(())
}

fn check(plan: &Value) -> Result<bool, TestCaseError> {
    let mut accepted = false;
    if let Ok(plan) = read_rollout(&plan.to_string()) {
        is_printed_as_it_is_read(&plan)?;
        accepted = true;
    }
    let loaded = read_all(vec![Source::new("plan.toml".into(), toml(plan))], None).unwrap();
    if !loaded.has_errors() {
        for (_, plan) in &loaded.plans {
            is_printed_as_it_is_read(plan)?;
            accepted = true;
        }
    }
    Ok(accepted)
}

#[test]
fn a_plan_that_says_everything_is_read_back() {
    assert!(check(&rollout()).unwrap() && check(&flag()).unwrap());
}

/// Each place, with what is empty there, and left out.
#[test]
fn what_is_empty_is_read_back_or_refused() {
    let mut count = 0;
    for plan in [rollout(), flag()] {
        let mut found = Vec::new();
        places(&plan, "", &mut found);
        for place in found {
            for word in ["[]", "{}", "null", "\"\"", "0", "false"] {
                let mut plan = plan.clone();
                *plan.pointer_mut(&place).unwrap() = serde_json::from_str(word).unwrap();
                count += usize::from(check(&plan).unwrap_or_else(|error| panic!("{place} = {word}: {error}")));
            }
        }
    }
    assert!(count > 100, "only {count} of them are accepted");
}

#[test]
fn a_rollout_without_routes_is_refused_however_that_is_written() {
    for routes in ["[]", "null"] {
        let faults = read_rollout(&format!(r#"{{"key":"a","routes":{routes},"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},"stage":[{{"name":"full","percentage":100}}]}}"#)).unwrap_err();
        assert_eq!(
            faults.first().map(ToString::to_string).as_deref(),
            Some("upstreams: a rollout with upstreams needs routes (such as `routes = [\"/*\"]`)")
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_is_accepted_again_as_printed(is_flag in proptest::bool::weighted(0.2), changes in proptest::collection::vec((any::<Index>(), change()), 0..5)) {
        check(&changed(if is_flag { flag() } else { rollout() }, &changes))?;
    }
}
