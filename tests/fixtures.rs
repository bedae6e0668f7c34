//! What earlier releases stored, wrote into KV and sent is read by this one, and written back as it was:
//! then the release before reads it too, and a deployment can be taken back to it.
//!
//! `tests/fixtures/make.mjs` makes a release's fixtures with that release's own build.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

use std::hash::Hasher as _;

use fnv::FnvHasher;
use serde_json::Value;

use tidegate::decide::judge::Judge;
use tidegate::model::history::Entry;
use tidegate::model::live::LiveText;
use tidegate::model::measured::Window;
use tidegate::model::node::Node;
use tidegate::model::plan::read;
use tidegate::model::plan::set::{self, PlanSet, read_rollout};
use tidegate::model::record::Record;
use tidegate::protocol::flush::{Answer, Batch, Flush, Version};

const RELEASES: [&str; 1] = ["release-1"];

fn fixture(release: &str, name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{release}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect(&path)
}

/// A column of a table, as texts.
fn column(storage: &Value, table: &str, column: &str) -> Vec<String> {
    let rows = storage[table].as_array().expect(table);
    let texts: Vec<String> = rows.iter().map(|row| row[column].as_str().expect(column).to_owned()).collect();
    assert!(!texts.is_empty(), "{table} is empty");
    texts
}

#[track_caller]
fn comes_back<T>(texts: Vec<String>, read: impl Fn(&str) -> Option<T>, print: impl Fn(&T) -> String) {
    for text in texts {
        let value = read(&text).unwrap_or_else(|| panic!("it cannot be read: {text}"));
        let printed = print(&value);
        assert!(is_same(&parsed(&printed), &parsed(&text)), "{text}\nis printed as\n{printed}");
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Whether two values hold the same. serde_json reads fractions to the last bit but one.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.0 == b.0 && is_same(a.1, b.1))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_same(a, b))
        }
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(a), Some(b)) => a == b || one.is_f64() && (a - b).abs() <= 4.0 * f64::EPSILON * a.abs(),
            _ => false,
        },
        _ => one == other,
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it prints")
}

#[test]
fn what_a_controller_stored_comes_back_as_it_was() {
    for release in RELEASES {
        let storage = fixture(release, "storage");
        let of = |table, name| column(&storage, table, name);
        let plan = |text: &str| read_rollout(text).ok();
        comes_back(of("rollouts", "plan"), plan, json);
        comes_back(of("plans", "plan"), plan, json);
        comes_back(of("rollouts", "record"), Record::parse, Record::to_json);
        comes_back(of("windows", "data"), Window::parse, json);
        comes_back(of("totals", "data"), Window::parse, json);
        comes_back(of("batches", "text"), |text| Batch::parse(text).ok(), json);
        comes_back(of("judges", "state"), Judge::parse, Judge::to_json);
        comes_back(of("history", "entry"), |text| Entry::parse(text).ok(), |(entry, _)| entry.print().0);
    }
}

#[test]
fn what_stood_in_kv_comes_back_as_it_was() {
    for release in RELEASES {
        let kv = fixture(release, "kv");
        for (key, text) in kv.as_object().expect("keys") {
            let text = text.as_str().expect("a text");
            if key == "plans" {
                let read = PlanSet::parse(text).expect("a set");
                let plans: Vec<_> =
                    read.rollouts.iter().map(|plan| read_rollout(plan.get()).expect("a plan")).collect();
                assert_eq!(set::print(&plans, read.revision).expect("it prints"), text);
            } else {
                let LiveText::Written(state) = LiveText::parse(text).expect(key) else { panic!("{key}: {text}") };
                assert_eq!(state.to_json(), text);
            }
        }
    }
}

#[test]
fn what_isolates_and_the_controller_sent_is_read_and_what_is_sent_now_adds_the_version_alone() {
    for release in RELEASES {
        let messages = fixture(release, "flushes");
        let messages = messages.as_array().expect("messages");
        let mut batches = 0;
        for message in messages {
            let (sent, answered) =
                (message["flush"].as_str().expect("a text"), message["answer"].as_str().expect("a text"));
            let mut flush = Flush::parse(sent).expect(sent);
            let mut answer = Answer::parse(answered).expect(answered);
            assert_eq!((flush.v, answer.v, &flush.unreadable), (Version::FIRST, Version::FIRST, &None));
            batches += usize::from(flush.batch.is_some());
            (flush.v, answer.v) = (Version::OWN, Version::OWN);
            let with_version = |text: &str| text.replacen('{', &format!("{{\"v\":{},", Version::OWN.0), 1);
            assert_eq!(json(&flush), with_version(sent));
            assert_eq!(json(&answer), with_version(answered));
        }
        assert!(batches > 0, "there are counts in them");
    }
}

/// What a later release may have added to an object.
fn with_more(text: &str, first: &str) -> String {
    text.replace(first, &format!("\"later\":{{\"of\":[1,null]}},{first}"))
}

#[test]
fn a_stored_plan_of_a_later_release_is_read_as_far_as_it_is_known() {
    for text in RELEASES.iter().flat_map(|release| column(&fixture(release, "storage"), "rollouts", "plan")) {
        let own = read_rollout(&text).expect("it is one of an earlier release");
        let mut later = text.clone();
        for first in ["\"key\":", "\"from\":", "\"legacy\":", "\"kind\":", "\"ids\":", "\"percentage\":", "\"when\":"] {
            later = with_more(&later, first);
        }
        assert_ne!(later, text);
        assert_eq!(read_rollout(&later).as_ref(), Ok(&own));
        let node: Node = serde_json::from_str(&later).expect("JSON");
        let (accepted, faults) = read::plan(&node);
        assert!(accepted.is_none() && faults.iter().any(|fault| fault.message == "`later` is not a field"));
    }
}

#[test]
fn a_rule_of_good_sense_stops_no_rollout_that_is_stored() {
    let text = |fields: &str| format!(r#"{{"key":"shop","identity":{{"from":["header:id"]}},{fields}}}"#);
    let stages = r#""stage":[{"name":"one","percentage":5,"hold":"1h"},{"name":"full","percentage":100}]"#;
    for (fields, is_stored) in [
        (r#""guardrail":[{"when":"signal.p1 > 0","then":"alert"}],"#, true),
        (r#""guardrail":[{"when":"error_rate > 5%","then":"alert","notify":["pager"]}],"#, true),
        (r#""holdout":100,"#, true),
        (r#""groups":{"nobody":{}},"#, true),
        // Without these nobody could tell what is to happen.
        (r#""exclude":["unknown"],"#, false),
        (r#""alpha":7,"#, false),
        (r#""guardrail":[{"when":"unheard_of > 0","then":"rollback"}],"#, false),
        (r#""advance":"backwards","#, false),
    ] {
        let text = text(&format!("{fields}{stages}"));
        let node: Node = serde_json::from_str(&text).expect("JSON");
        assert!(read::plan(&node).0.is_none(), "it is refused where somebody writes it: {fields}");
        assert_eq!(read_rollout(&text).is_ok(), is_stored, "{fields}");
    }
    let text = text(r#""stage":[]"#);
    assert!(read_rollout(&text).is_err(), "without a stage there is no plan");
}

#[test]
fn a_state_of_a_later_release_is_no_edit_by_hand() {
    let texts = RELEASES.map(|release| fixture(release, "kv")["stage/shop"].as_str().expect("a state").to_owned());
    for text in texts {
        let LiveText::Written(own) = LiveText::parse(&text).expect(&text) else { panic!("{text}") };
        let (fields, _) = text.strip_prefix("{\"v\":1,").and_then(|text| text.split_once(",\"sum\"")).expect(&text);
        let later = format!("{fields},\"later\":[{{}}]");
        let mut sum = FnvHasher::default();
        sum.write(format!("{{{later}}}").as_bytes());
        let sum = sum.finish();
        let written = format!("{{\"v\":1,{later},\"sum\":\"{sum:016x}\"}}");
        assert_eq!(LiveText::parse(&written), Ok(LiveText::Written(own.clone())), "{written}");
        let edited = written.replace("\"percentage\":50", "\"percentage\":60");
        assert!(matches!(LiveText::parse(&edited), Ok(LiveText::Edited(_))), "{edited}");
    }
}

#[test]
fn a_record_of_a_later_release_is_read_as_far_as_it_is_known() {
    for text in RELEASES.iter().flat_map(|release| column(&fixture(release, "storage"), "rollouts", "record")) {
        let later = with_more(&with_more(&with_more(&text, "\"is_waiting\":"), "\"phase\":"), "\"item\":");
        assert_ne!(later, text);
        assert_eq!(Record::parse(&later), Record::parse(&text));
    }
}

#[test]
fn what_a_later_release_judged_is_read_as_far_as_it_is_known() {
    for text in RELEASES.iter().flat_map(|release| column(&fixture(release, "storage"), "judges", "state")) {
        let own = Judge::parse(&text).expect("it is one of an earlier release").to_json();
        let mut later = text.clone();
        for first in ["\"question\":", "\"theta\":", "\"anchors\":", "\"fired\":", "\"of\":"] {
            later = with_more(&later, first);
        }
        // The evidence for what is not known here is passed over.
        let mut value = parsed(&later);
        if let Some(mut unknown) = value["gatherings"].get(0).cloned() {
            unknown["question"] = "warmth > 1x legacy".into();
            value["gatherings"].as_array_mut().expect("a list").push(unknown);
        }
        value["firsts"] = match value["firsts"].take() {
            Value::Array(mut firsts) => {
                firsts.push(serde_json::json!({"of": "retries", "failed": {}}));
                firsts.into()
            }
            _ => serde_json::json!([{"of": "retries"}]),
        };
        let read = Judge::parse(&value.to_string()).expect("it is known but for that").to_json();
        assert!(is_same(&parsed(&read), &parsed(&own)), "{read}\n{own}");
    }
}
