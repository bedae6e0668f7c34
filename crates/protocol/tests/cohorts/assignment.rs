//! Who gets which side and why, on this machine and on wasm: the same file runs on both.

#![allow(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use tidegate_decide::assign::{Reason, Variant};
use tidegate_model::group::Fingerprints;
use tidegate_model::live::LiveState;
use tidegate_model::plan::Token;
use tidegate_model::{Instant, Percentage};
use tidegate_protocol::address::Address;
use tidegate_protocol::config::{Catalogue, Snapshot, States};
use tidegate_protocol::decision::{Decision, Request, decide};
use tidegate_protocol::facts::Facts;
use tidegate_protocol::flags::LeftOut;

struct Headers(HashMap<&'static str, String>);

impl Facts for Headers {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.get(name).map(|value| Cow::Borrowed(value.as_str()))
    }

    fn country(&self) -> Option<Cow<'_, str>> {
        self.header("country")
    }

    fn preview(&self, _: &str, _: &str, _: &str) -> Option<tidegate_decide::assign::Variant> {
        None
    }

    fn claims(&self, _: &Token, _: &str, _: bool) -> Option<tidegate_model::node::Node> {
        None
    }
}

fn catalogue(rollouts: &[&str]) -> Rc<Catalogue> {
    let text = format!(r#"{{"v":1,"revision":1,"rollouts":[{}]}}"#, rollouts.join(","));
    let (catalogue, broken) = Catalogue::compile(&text, None).unwrap();
    assert!(broken.is_empty(), "{broken:?}");
    Rc::new(catalogue)
}

/// A rollout with every rule that a plan can have, `rest` added to it.
fn checkout(rest: &str) -> String {
    format!(
        r#"{{"key":"checkout","routes":["/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},
        "identity":{{"from":["header:id"]}},
        "groups":{{"team":{{"ids":["ana","bob"]}},"banned":{{"ids":["bob","eve"]}},"market":{{"match":"country = DE | AT"}},"beta":{{"kv":true}}}},
        "stage":[{{"name":"internal","percentage":0,"groups":["team"],"hold":"1h"}},{{"name":"canary","percentage":10,"groups":["beta"],"hold":"1h"}},{{"name":"full","percentage":100}}]{rest}}}"#
    )
}

const FLAG: &str = r#"{"key":"master","identity":{"from":["header:id"]},"stage":[{"name":"on","percentage":100}]}"#;

fn at(percentage: &str) -> States {
    let mut states = States::default();
    states.live.insert("checkout".into(), live(&catalogue(&[&checkout("")]), "checkout", percentage));
    states
}

fn live(catalogue: &Catalogue, key: &str, text: &str) -> LiveState {
    let plan = catalogue.plan(catalogue.number_of(key).unwrap()).unwrap();
    tidegate_decide::reconcile::isolate::settle(plan, None, Some(text), Instant::from_epoch_ms(0)).unwrap()
}

fn decision(
    catalogue: &Rc<Catalogue>,
    states: &States,
    lists: Vec<Option<Rc<Fingerprints>>>,
    headers: &[(&'static str, &str)],
) -> Decision {
    let snapshot = Snapshot::new(Rc::clone(catalogue), states, lists);
    let facts = Headers(headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect());
    let request =
        Request { facts: &facts, address: Address::parse("https://shop.example/").unwrap(), method: "GET", hour: 0 };
    decide(&snapshot, &request, catalogue.number_of("checkout"), &|| Some("AAAAAAAAAAAAAAAAAAAAAA".into()))
}

#[track_caller]
fn gives(rest: &str, states: &States, headers: &[(&'static str, &str)], expected: (Variant, Reason)) {
    let catalogue = catalogue(&[&checkout(rest)]);
    let assignment = decision(&catalogue, states, vec![None], headers).assignment.unwrap();
    assert_eq!((assignment.variant, assignment.reason), expected, "{rest} {headers:?}");
}

const ALL: &str = r#","exclude":["banned"],"eligible":"market","holdout":50"#;

#[test]
fn the_first_rule_that_matches_wins() {
    use Variant::{Legacy, New};
    let mut killed = at("100");
    killed.killed.push("checkout".into());
    let all_killed = States { all_killed: true, ..at("100") };
    gives("", &killed, &[("id", "ana")], (Legacy, Reason::Killed));
    gives("", &all_killed, &[("id", "ana")], (Legacy, Reason::Killed));
    gives("", &at("off"), &[("id", "ana")], (Legacy, Reason::Killed));
    gives("", &States::default(), &[("id", "ana")], (Legacy, Reason::NoConfig));
    gives("", &at("100"), &[], (Legacy, Reason::Unidentified));
    gives("", &at("100"), &[("id", "  ")], (Legacy, Reason::Unidentified));
    gives(ALL, &at("100"), &[("id", "bob")], (Legacy, Reason::Excluded));
    gives(ALL, &at("0"), &[("id", "ana")], (New, Reason::Group));
    gives(ALL, &at("100"), &[("id", "user-1")], (Legacy, Reason::Ineligible));
    gives(ALL, &at("100"), &[("id", "user-1"), ("country", "FR")], (Legacy, Reason::Ineligible));
    gives("", &at("100"), &[("id", "user-1")], (New, Reason::Bucketed));
    gives("", &at("46.629"), &[("id", "user-1")], (Legacy, Reason::Bucketed));
    gives("", &at("46.63"), &[("id", "user-1")], (New, Reason::Bucketed));
}

#[test]
fn a_holdout_keeps_its_share_on_legacy_at_every_percentage() {
    let catalogue = catalogue(&[&checkout(r#","holdout":50"#)]);
    for n in 0..2_000 {
        let id = format!("user-{n}");
        let full = decision(&catalogue, &at("100"), vec![None], &[("id", &id)]).assignment.unwrap();
        let half = decision(&catalogue, &at("50"), vec![None], &[("id", &id)]).assignment.unwrap();
        assert_eq!(full.reason, half.reason, "{id}");
        assert_eq!(full.variant == Variant::Legacy, full.reason == Reason::Holdout);
    }
}

#[test]
fn a_list_that_cannot_be_read_has_nobody_in_it_unless_that_means_new() {
    use Variant::{Legacy, New};
    let list = Some(Rc::new(Fingerprints::of_ids(["kim"])));
    for (rest, lists, expected) in [
        ("", vec![list.clone()], (New, Reason::Group)),
        ("", vec![None], (Legacy, Reason::Bucketed)),
        (r#","exclude":["beta"]"#, vec![None], (Legacy, Reason::Excluded)),
        (r#","eligible":"beta""#, vec![None], (Legacy, Reason::Ineligible)),
        (r#","exclude":["beta"]"#, vec![list], (Legacy, Reason::Excluded)),
    ] {
        let catalogue = catalogue(&[&checkout(rest)]);
        let assignment = decision(&catalogue, &at("10"), lists, &[("id", "kim")]).assignment.unwrap();
        assert_eq!((assignment.variant, assignment.reason), expected, "{rest}");
    }
}

#[test]
fn a_required_rollout_must_be_on_new() {
    let catalogue = catalogue(&[&checkout(r#","requires":["master"]"#), FLAG]);
    for (master, expected) in [("100", Reason::Bucketed), ("0", Reason::Required), ("off", Reason::Required)] {
        let mut states = at("100");
        states.live.insert("master".into(), live(&catalogue, "master", master));
        let decision = decision(&catalogue, &states, vec![None], &[("id", "user-1")]);
        assert_eq!(decision.assignment.map(|assignment| assignment.reason), Some(expected));
    }
}

#[test]
fn a_rollout_waits_for_those_that_it_comes_after() {
    let catalogue = catalogue(&[&checkout(r#","after":["master"]"#), FLAG]);
    for (master, expected) in [(None, Reason::Inactive), (Some("100"), Reason::Bucketed)] {
        let mut states = at("100");
        if let Some(text) = master {
            states.live.insert("master".into(), live(&catalogue, "master", text));
        }
        let decision = decision(&catalogue, &states, vec![None], &[("id", "user-1")]);
        assert_eq!(decision.assignment.map(|assignment| assignment.reason), Some(expected));
    }
}

#[test]
fn rollouts_that_require_each_other_stay_on_legacy() {
    let other = r#"{"key":"other","identity":{"from":["header:id"]},"requires":["checkout"],"stage":[{"name":"on","percentage":100}]}"#;
    let catalogue = catalogue(&[&checkout(r#","requires":["other"]"#), other]);
    let mut states = at("100");
    states.live.insert("other".into(), live(&catalogue, "other", "100"));
    let decision = decision(&catalogue, &states, vec![None], &[("id", "user-1")]);
    assert_eq!(decision.assignment.map(|assignment| assignment.reason), Some(Reason::Required));
}

#[test]
fn flags_travel_with_their_values() {
    let valued = FLAG
        .replace("master", "forecast")
        .replace(r#""stage""#, r#""values":{"new":"on","legacy":"history-only"},"stage""#);
    let catalogue = catalogue(&[&checkout(""), FLAG, &valued]);
    let mut states = at("100");
    states.live.insert("master".into(), live(&catalogue, "master", "100"));
    states.live.insert("forecast".into(), live(&catalogue, "forecast", "0"));
    assert_eq!(
        decision(&catalogue, &states, vec![None], &[("id", "user-1")]).flags,
        "master=new, forecast=history-only"
    );
}

/// What somebody gets of so many flags, each at this percentage.
fn flags_of(count: usize, percentage: impl Fn(usize) -> &'static str) -> Decision {
    let texts: Vec<String> = (0..count).map(|n| FLAG.replace("master", &format!("flag-{n:03}"))).collect();
    let catalogue = catalogue(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut states = States::default();
    for n in 0..count {
        let key = format!("flag-{n:03}");
        states.live.insert(key.clone(), live(&catalogue, &key, percentage(n)));
    }
    decision(&catalogue, &states, Vec::new(), &[("id", "user-1")])
}

/// With what stands between them a flag is 17 bytes long on legacy, and 14 on new.
#[test]
fn a_header_of_flags_that_would_be_too_long_names_those_on_new() {
    let all = flags_of(241, |_| "0");
    assert!(all.flags.starts_with("flag-000=legacy, flag-001=legacy"), "{}", all.flags);
    assert_eq!((all.flags.len(), all.flagged.len(), all.left_out), (4_095, 241, None));
    let few = flags_of(242, |n| if n % 100 == 7 { "100" } else { "0" });
    assert_eq!(few.flags, "flag-007=new, flag-107=new, flag-207=new");
    assert_eq!((few.flagged.len(), few.left_out), (242, None), "what is not named is on legacy, and counts there");
    assert_eq!((flags_of(1_000, |_| "0").flags, flags_of(0, |_| "0").flags), (String::new(), String::new()));
}

/// Else those alone who are on new would be missing, and the sides could not be compared.
#[test]
fn flags_that_have_no_room_in_the_header_are_the_same_for_everybody() {
    for percentage in ["100", "50", "0.001"] {
        let decision = flags_of(1_000, |_| percentage);
        assert!(decision.flags.len() <= 4_096, "{}", decision.flags);
        assert_eq!(decision.flagged.len(), 292, "{percentage} %: 292 times 14 bytes");
        assert_eq!(decision.left_out, Some(LeftOut { first: 292, count: 708 }), "{percentage} %");
    }
    let all = flags_of(1_000, |_| "100");
    assert!(all.flags.starts_with("flag-000=new, ") && all.flags.ends_with(", flag-291=new"), "{}", all.flags);
    // Nobody can be on new in most of them.
    let some = flags_of(1_000, |n| if n % 10 == 0 { "50" } else { "0" });
    assert_eq!((some.flagged.len(), some.left_out), (1_000, None));
}

#[test]
fn one_id_is_minted_for_all_and_kept_by_one_cookie() {
    let anonymous =
        |text: &str| text.replace(r#"{"from":["header:id"]}"#, r#"{"from":["header:id"],"anonymous":true}"#);
    let catalogue = catalogue(&[&anonymous(&checkout("")), &anonymous(FLAG)]);
    let decision = decision(&catalogue, &at("100"), vec![None], &[("sec-fetch-dest", "document")]);
    assert_eq!(
        decision.cookies,
        ["__Host-tidegate-id=AAAAAAAAAAAAAAAAAAAAAA; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax"]
    );
    assert_eq!(decision.assignment.map(|assignment| assignment.reason), Some(Reason::Bucketed));
}

#[test]
fn whoever_is_on_new_stays_while_the_percentage_grows() {
    let catalogue = catalogue(&[&checkout("")]);
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..500 {
        let id = format!("user-{}", random.u32(..));
        let mut limits: Vec<u32> = (0..6).map(|_| random.u32(..=100_000)).collect();
        limits.sort_unstable();
        let mut was_new = false;
        for limit in limits {
            let percentage = Percentage::from_limit(limit).unwrap().to_string();
            let assignment = decision(&catalogue, &at(&percentage), vec![None], &[("id", &id)]).assignment.unwrap();
            assert!(assignment.variant == Variant::New || !was_new, "{id} left at {percentage}");
            was_new = assignment.variant == Variant::New;
        }
    }
}
