//! What is read from KV, however broken, late or out of order.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::rc::Rc;

use proptest::prelude::*;
use tidegate::decide::compiled::Mode;
use tidegate::decide::reconcile::isolate::settle;
use tidegate::model::Instant;
use tidegate::model::condition::Condition;
use tidegate::model::live::{Adopted, LiveState, Phase};
use tidegate::model::plan::Plan;
use tidegate::model::plan::set::{print, read_rollout};
use tidegate::protocol::config::by_hand::Partial;
use tidegate::protocol::config::{Catalogue, Snapshot, States};

const ROLLOUT: &str = r#"{"key":"checkout","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},
    "groups":{"team":{"ids":["ana"]}},
    "stage":[{"name":"internal","percentage":0,"groups":["team"],"hold":"1h"},{"name":"canary","percentage":10,"hold":"1h"},{"name":"full","percentage":100}]}"#;

fn plan() -> Plan {
    read_rollout(ROLLOUT).unwrap()
}

const NOW: i64 = 1_800_000_000_000;

fn settled(last: Option<&LiveState>, text: Option<&str>, now_ms: i64) -> Result<LiveState, String> {
    settle(&plan(), last, text, Instant::from_epoch_ms(now_ms)).map_err(|error| error.to_string())
}

fn written(revision: u64, percentage: &str) -> LiveState {
    let state = settled(None, Some(percentage), NOW).unwrap();
    LiveState { revision, phase: Phase::Running, ..state }
}

#[test]
fn a_bare_number_is_that_percentage_in_the_last_stage_that_it_reaches() {
    for (text, stage, groups) in
        [("0", "internal", 1), ("9.999", "internal", 1), ("10", "canary", 1), ("50", "canary", 1), ("100", "full", 1)]
    {
        let state = settled(None, Some(text), NOW).unwrap();
        assert_eq!((state.stage.as_str(), state.groups.len(), state.phase), (stage, groups, Phase::Paused), "{text}");
        assert_eq!(state.percentage.to_string(), text);
    }
}

#[test]
fn a_bare_number_keeps_the_revision_and_revives() {
    let killed = LiveState { killed: true, ..written(7, "50") };
    let state = settled(Some(&killed), Some("25"), NOW).unwrap();
    assert_eq!((state.revision, state.killed, state.percentage.to_string().as_str()), (7, false, "25"));
}

#[test]
fn off_kills_and_keeps_the_rest() {
    let state = settled(Some(&written(7, "50")), Some("off"), NOW).unwrap();
    assert_eq!(state, LiveState { killed: true, ..written(7, "50") });
}

#[test]
fn an_older_revision_never_wins() {
    let (old, new) = (written(7, "50"), written(8, "10"));
    assert_eq!(settled(Some(&new), Some(&old.to_json()), NOW), Ok(new.clone()));
    assert_eq!(settled(Some(&old), Some(&new.to_json()), NOW), Ok(new));
}

#[test]
fn an_adopted_text_is_a_stale_read_for_two_minutes() {
    let adopted = Adopted { text: "25".into(), at: Instant::from_epoch_ms(NOW) };
    let state = LiveState { kv: Some(adopted), ..written(9, "50") };
    assert_eq!(settled(Some(&state), Some("25\n"), NOW + 119_999), Ok(state.clone()));
    assert_eq!(settled(Some(&state), Some("25"), NOW + 120_000).map(|s| s.percentage.to_string()), Ok("25".into()));
    assert_eq!(settled(Some(&state), Some("26"), NOW).map(|s| s.percentage.to_string()), Ok("26".into()));
}

#[test]
fn a_state_edited_by_hand_is_a_set() {
    let edited = written(7, "10").to_json().replace("\"percentage\":10", "\"percentage\":60");
    let state = settled(Some(&written(7, "10")), Some(&edited), NOW).unwrap();
    assert_eq!(
        (state.phase, state.percentage.to_string().as_str(), state.stage.as_str()),
        (Phase::Paused, "60", "canary")
    );
    let moved = written(7, "10").to_json().replace("\"stage\":\"canary\"", "\"stage\":\"full\"");
    assert_eq!(settled(Some(&written(7, "10")), Some(&moved), NOW).map(|s| s.stage.to_string()), Ok("full".into()));
}

#[test]
fn a_missing_key_is_a_draft_unless_the_controller_has_written_it() {
    assert_eq!(settled(None, None, NOW).map(|state| state.phase), Ok(Phase::Draft));
    assert_eq!(settled(Some(&written(7, "50")), None, NOW), Ok(written(7, "50")));
}

#[test]
fn one_broken_rollout_spoils_no_other_and_keeps_its_last_good_plan() {
    let set = |revision: u64, second: &str| {
        format!(r#"{{"v":1,"revision":{revision},"rollouts":[{},{second}]}}"#, ROLLOUT.replace("/*", "/a/*"))
    };
    let second = ROLLOUT.replace("checkout", "search").replace("/*", "/b/*");
    let (first, broken) = Catalogue::compile(&set(1, &second), None).unwrap();
    assert!(broken.is_empty() && first.rollouts.len() == 2);
    let (next, broken) =
        Catalogue::compile(&set(2, &second.replace("\"percentage\":10,", "\"percentage\":1000,")), Some(&first))
            .unwrap();
    assert_eq!(next.rollouts.len(), 2);
    assert_eq!(
        broken[0].to_string(),
        "the plan of `search` has errors, so its last good plan goes on: stage[1].percentage: `1000` is more than 100 % (a number from 0 to 100 with at most three decimals, such as 10, 2.5 or 0.001)"
    );
    let (cold, broken) = Catalogue::compile(&set(2, "[]"), None).unwrap();
    assert_eq!((cold.rollouts.len(), broken[0].key.as_str(), broken[0].keeps_last), (1, "rollouts[1]", false));
}

/// A set of KV, by revision and rollouts.
fn set(revision: u64, rollouts: &[&str]) -> String {
    format!(r#"{{"v":1,"revision":{revision},"rollouts":[{}]}}"#, rollouts.join(","))
}

fn two() -> (String, String, Catalogue) {
    let (first, second) = (ROLLOUT.replace("/*", "/a/*"), ROLLOUT.replace("checkout", "search").replace("/*", "/b/*"));
    let (catalogue, broken) = Catalogue::compile(&set(5, &[&first, &second]), None).unwrap();
    assert!(broken.is_empty());
    (first, second, catalogue)
}

#[track_caller]
fn stay(text: &str, is_controlled: bool, expected: &[&str], why: Option<Partial>) {
    let (_, _, last) = two();
    let read = Catalogue::read(text, &last, is_controlled).unwrap();
    let keys: Vec<&str> = read.catalogue.rollouts.iter().map(|entry| entry.plan.key.as_str()).collect();
    assert_eq!((keys.as_slice(), read.why_partial.as_ref()), (expected, why.as_ref()), "{text}");
    // A set that is not whole leaves the revision, so that the controller tells its own.
    assert_eq!(read.catalogue.revision, if why.is_some() { 5 } else { read.revision });
}

#[test]
fn known_rollouts_stay_where_a_set_by_hand_is_empty_or_has_one_without_a_key() {
    let (first, _, _) = two();
    let third = ROLLOUT.replace("checkout", "third").replace("/*", "/c/*");
    for is_controlled in [true, false] {
        for revision in [4, 5, 9, 1 << 52] {
            stay(&set(revision, &[]), is_controlled, &["checkout", "search"], Some(Partial::Empty));
            stay(
                &set(revision, &[&third, "{}", "7"]),
                is_controlled,
                &["third", "checkout", "search"],
                Some(Partial::Keyless(2)),
            );
        }
    }
    stay(&set(9, &[&first]), true, &["checkout", "search"], Some(Partial::Lacks(vec!["search".into()])));
    stay(&set(9, &[&first]), false, &["checkout"], None);
}

#[test]
fn a_revision_from_which_nobody_can_count_on_is_unreadable() {
    let (first, _, last) = two();
    assert!(Catalogue::compile(&set(1 << 53, &[&first]), None).is_ok(), "the controller may have come so far");
    for revision in [(1 << 52) + 1, (1 << 53) + 1, u64::MAX >> 1, u64::MAX] {
        let error = Catalogue::read(&set(revision, &[&first]), &last, true).err().map(|error| error.to_string());
        assert_eq!(
            error,
            Some(format!("the value of `plans` has the revision {revision}; at most 4503599627370496 is read"))
        );
    }
    assert!(Catalogue::compile(&set((1 << 53) + 1, &[&first]), None).is_err());
    let state = written(7, "10").to_json().replace("\"revision\":7", "\"revision\":9007199254740993");
    assert_eq!(settled(Some(&written(7, "50")), Some(&state), NOW), Err("the live state is malformed: revision: the revision 9007199254740993 is too great (at most 9007199254740992)".into()));
}

#[test]
fn a_cold_isolate_serves_legacy_where_only_routes_and_upstreams_can_be_read() {
    let broken = ROLLOUT.replace("\"percentage\":10,", "\"percentage\":\"many\",\"of\":\"a later version\",");
    let (catalogue, reported) = Catalogue::compile(&set(3, &[&broken]), None).unwrap();
    assert!(
        reported[0].to_string().starts_with("the plan of `checkout` has errors, so legacy answers its requests: "),
        "{}",
        reported[0]
    );
    let states =
        States { live: [("checkout".to_owned(), written(7, "100"))].into_iter().collect(), ..States::default() };
    let number = catalogue.router.find("any.example", "/x").unwrap();
    let snapshot = Snapshot::new(Rc::new(catalogue), &states, Vec::new());
    assert_eq!(snapshot.standings[number].mode, Mode::Unknown);
    // Once it can be read, it is served as any other.
    let (whole, reported) = Catalogue::compile(&set(4, &[ROLLOUT]), Some(&snapshot.catalogue)).unwrap();
    assert_eq!(
        (reported.len(), Snapshot::new(Rc::new(whole), &states, Vec::new()).standings[number].mode),
        (0, Mode::Active)
    );
}

#[test]
fn what_is_too_large_is_not_read() {
    let many = vec!["{}"; 1_001];
    let error = |text: &str| Catalogue::compile(text, None).err().map(|error| error.to_string());
    assert_eq!(
        error(&set(1, &many)).as_deref(),
        Some("the value of `plans` has 1,001 rollouts; at most 1,000 are read")
    );
    assert_eq!(
        error(&" ".repeat(5 << 20)).as_deref(),
        Some("the value of `plans` has 5,242,880 bytes; at most 4,194,304 are read")
    );
}

#[test]
fn what_is_printed_is_read_as_the_same_plan() {
    let printed = print(&[plan()], 5).unwrap();
    let (catalogue, broken) = Catalogue::compile(&printed, None).unwrap();
    assert_eq!(
        (broken.len(), catalogue.revision, catalogue.plan(0).map(|plan| plan.as_ref().clone())),
        (0, 5, Some(plan()))
    );
}

fn condition() -> impl Strategy<Value = String> {
    let quantile = prop_oneof![
        (1_u16..100).prop_map(|p| format!("p{p}")),
        (1_u16..100, 1_u16..10).prop_map(|(p, d)| format!("p{p}.{d}"))
    ];
    let duration = (1_u32..1_000, prop_oneof![Just("s"), Just("m"), Just("h"), Just("d"), Just("w")])
        .prop_map(|(n, unit)| format!("{n}{unit}"));
    let op = prop_oneof![Just("<"), Just("<="), Just(">"), Just(">=")];
    let number = (0_u32..100, 0_u32..1_000).prop_map(|(a, b)| match format!("{b:03}").trim_end_matches('0') {
        "" => a.to_string(),
        decimals => format!("{a}.{decimals}"),
    });
    let metric = prop_oneof![
        (Just("error_rate".to_owned()), number.clone().prop_map(|n| format!("{n}%"))),
        (Just("errors".to_owned()), (0_u32..1_000).prop_map(|n| n.to_string())),
        (quantile.clone().prop_map(|q| format!("latency.{q}")), (1_u32..9_000).prop_map(|n| format!("{n}ms"))),
        (quantile.clone().prop_map(|q| format!("timing.tti.{q}")), number.clone().prop_map(|n| format!("{n}s"))),
        (quantile.prop_map(|q| format!("cls.{q}")), number.clone()),
        ("[a-z][a-z0-9_]{0,8}".prop_map(|name| format!("signal.{name}")), number),
    ];
    let tail =
        (proptest::option::of(duration.clone()), proptest::option::of(duration), proptest::option::of(1_u32..10_000));
    let term = (metric, op, tail).prop_map(|((metric, bound), op, (over, hold, min))| {
        let clause =
            |word: &str, value: Option<String>| value.map(|value| format!(" {word} {value}")).unwrap_or_default();
        format!(
            "{metric} {op} {bound}{}{}{}",
            clause("over", over),
            clause("for", hold),
            clause("min", min.map(|n| n.to_string()))
        )
    });
    proptest::collection::vec(term, 1..4).prop_map(|terms| terms.join(" and "))
}

proptest! {
    #[test]
    fn every_condition_prints_back_exactly(text in condition()) {
        prop_assert_eq!(text.parse::<Condition>().map(|condition| condition.to_string()), Ok(text));
    }

    #[test]
    fn no_text_breaks_a_reader(text in any::<String>()) {
        let _ = text.parse::<Condition>();
        let _ = settled(None, Some(&text), NOW);
        let _ = read_rollout(&text);
        let _ = Catalogue::compile(&text, None);
    }

    #[test]
    fn no_damage_to_a_plan_breaks_its_reader(at in 0_usize..ROLLOUT.len(), byte in any::<u8>()) {
        let mut bytes = ROLLOUT.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = read_rollout(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn states_never_go_back(revisions in proptest::collection::vec(1_u64..50, 1..20)) {
        let mut known: Option<LiveState> = None;
        for revision in revisions {
            let next = settled(known.as_ref(), Some(&written(revision, "50").to_json()), NOW).unwrap();
            prop_assert!(known.is_none_or(|known| next.revision >= known.revision));
            known = Some(next);
        }
    }
}
