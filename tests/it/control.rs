//! The laws of control: what holds of every history, whoever commands, whatever KV shows and when.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails, as it should"
)]

use std::rc::Rc;

use proptest::prelude::*;
use tidegate::decide::deployment::Deployment;
use tidegate::decide::judge::Verdict;
use tidegate::decide::replay::Replay;
use tidegate::decide::rollout::{Change, Noticed, Order, Rollout};
use tidegate::decide::schedule::{Facts, outlook};
use tidegate::decide::transition::{Refusal, amend};
use tidegate::model::command::{Cause, Command, Setting, Target};
use tidegate::model::history::{Entry, sha256_hex};
use tidegate::model::live::Phase;
use tidegate::model::plan::Plan;
use tidegate::model::plan::set::read_rollout;
use tidegate::model::record::Record;
use tidegate::model::{Instant, Percentage};

const PLAN: &str = r#"{
    "key": "shop", "checklist": ["Backups confirmed"], "after_rollback": ["Cause found"], "freeze": ["Fri 17:00-Mon 08:00 UTC"],
    "identity": {"from": ["header:x-user-id"]}, "groups": {"team": {"ids": ["ana"]}},
    "stage": [
        {"name": "team", "percentage": 0, "groups": ["team"], "hold": "1h"},
        {"name": "canary", "percentage": 10, "hold": "48h", "checklist": ["Rollback tested"]},
        {"name": "half", "percentage": 50, "enter": ["Mon-Thu 08:00-16:00 UTC"], "hold": "1d"},
        {"name": "full", "percentage": 100, "hold": "1h"}
    ]}"#;
/// A Monday, 09:00.
const MONDAY_MS: i64 = 1_795_424_400_000;
const HOUR_MS: i64 = 3_600_000;

fn at(ms: i64) -> Instant {
    Instant::from_epoch_ms(ms)
}

fn rollout_of(text: &str, now: Instant) -> (Rollout, Vec<String>) {
    let plan = Rc::new(read_rollout(text).unwrap_or_else(|faults| panic!("{faults:?}")));
    let plan_text = serde_json::to_string(plan.as_ref()).unwrap();
    let digest = sha256_hex(plan_text.as_bytes());
    let fresh = Rollout::new(plan, plan_text.into(), 0, now);
    let change = order(&fresh, Command::Apply { plan: 1, digest }, now).unwrap();
    (change.rollout, vec![change.text])
}

fn order(rollout: &Rollout, command: Command, now: Instant) -> Result<Change, Refusal> {
    rollout.change(Order::new(command, "ana", "because".into()), now)
}

fn percentage(text: &str) -> Percentage {
    text.parse().unwrap()
}

/// The stages that are shown as jumped over.
fn skipped(rollout: &Rollout) -> Vec<String> {
    let plan = &rollout.plan;
    let own = (0..plan.stages.len()).filter(|index| rollout.record.has_skipped(plan, *index));
    own.map(|index| plan.stages[index].name.to_string()).collect()
}

#[test]
fn a_stage_that_the_attempt_was_never_in_was_skipped() {
    let now = at(MONDAY_MS);
    let (mut rollout, _) = rollout_of(PLAN, now);
    let resume = Command::Resume("half".parse().ok());
    for (command, expected) in [
        (Command::Set(Setting::percentage(percentage("50"))), &["team", "canary"][..]),
        (Command::Set(Setting::percentage(percentage("10"))), &["team"]),
        (Command::Set(Setting::percentage(percentage("100"))), &["team"]),
        (Command::Rollback(Target::Off), &["team"]),
        (Command::Approve("Cause found".into()), &["team"]),
        (resume, &["team", "canary"]),
        (Command::Complete("shop".parse().ok()), &["team", "canary"]),
    ] {
        rollout = order(&rollout, command.clone(), now).unwrap_or_else(|error| panic!("{error}")).rollout;
        assert_eq!(skipped(&rollout), expected, "{command:?}");
        let stored = Record::parse(&rollout.record.to_json());
        assert_eq!(stored.as_ref(), Some(&rollout.record), "{command:?}");
    }
    // Of an attempt that an earlier release began nobody knows, until the next one.
    let (fresh, _) = rollout_of(PLAN, now);
    let set = Command::Set(Setting::percentage(percentage("50")));
    let mut old = order(&fresh, set, now).unwrap().rollout;
    old.record.been = None;
    let old = order(&old, Command::Set(Setting::percentage(percentage("100"))), now).unwrap().rollout;
    assert_eq!(skipped(&old), [""; 0]);
}

fn commands() -> impl Strategy<Value = Command> {
    let share = || (0_u32..=100_000).prop_map(|limit| Percentage::from_limit(limit).unwrap());
    prop_oneof![
        3 => Just(Command::Start),
        4 => Just(Command::Advance),
        2 => share().prop_map(|share| Command::Set(Setting::percentage(share))),
        1 => share().prop_map(|share| Command::Set(Setting { percentage: share, stage: None, killed: Some(false), kv: Some(share.to_string()) })),
        2 => Just(Command::Pause),
        3 => Just(Command::Resume(None)),
        1 => Just(Command::Resume(Some("canary".parse().unwrap()))),
        1 => Just(Command::Rollback(Target::Off)),
        1 => Just(Command::Rollback(Target::Previous)),
        1 => share().prop_map(|share| Command::Rollback(Target::Percentage(share))),
        1 => Just(Command::Kill(Cause::Command)),
        1 => Just(Command::Kill(Cause::Text("off".into()))),
        1 => Just(Command::Kill(Cause::Key("kill/shop".into()))),
        2 => Just(Command::Revive(Cause::Command)),
        1 => Just(Command::Revive(Cause::Key("kill/shop".into()))),
        2 => Just(Command::Approve("Backups confirmed".into())),
        2 => Just(Command::Approve("Rollback tested".into())),
        2 => Just(Command::Approve("Cause found".into())),
        1 => Just(Command::Complete(None)),
        1 => Just(Command::Complete(Some("shop".parse().unwrap()))),
        1 => Just(Command::Release),
        1 => Just(Command::Wait),
        1 => Just(Command::End),
    ]
}

fn check_law(last: &Record, next: &Record, command: &Command) {
    assert_eq!(next.live.revision, last.live.revision + 1, "a revision is one more than the last");
    let may_fall = matches!(command, Command::Rollback(_) | Command::Set(_)) || next.live.attempt > last.live.attempt;
    assert!(
        may_fall || next.live.percentage >= last.live.percentage,
        "{command} made {} % of {} %",
        next.live.percentage,
        last.live.percentage
    );
    if matches!(command, Command::Rollback(_)) {
        assert!(next.live.percentage <= last.live.percentage, "a rollback never leads to more");
        assert_eq!(next.live.phase, Phase::RolledBack);
    }
    let runs = next.live.phase == Phase::Running && !next.live.killed && !next.is_waiting;
    assert_eq!(next.held_since.is_some(), runs, "a hold runs only while the rollout does");
    assert_eq!(next.live.killed, next.is_killed || next.kill_key.is_some());
    let is_revival = matches!(command, Command::Revive(_) | Command::Set(Setting { killed: Some(false), .. }));
    assert!(!last.live.killed || next.live.killed || is_revival, "only a revival ends a kill");
    assert_eq!(Record::parse(&next.to_json()).as_ref(), Some(next), "a record is stored as it is");
}

fn replayed(entries: &[String], plan: &Plan) -> Record {
    let mut replay = Replay::default();
    for text in entries {
        let (entry, hash) = Entry::parse(text).unwrap();
        replay.next(&entry, &hash, |_, _| Some(plan.clone())).unwrap_or_else(|found| panic!("{found}"));
    }
    replay.record.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_laws_and_replays(steps in prop::collection::vec((commands(), 0_i64..20 * HOUR_MS), 1..80)) {
        let mut now_ms = MONDAY_MS;
        let (mut rollout, mut entries) = rollout_of(PLAN, at(now_ms));
        for (command, pause_ms) in steps {
            now_ms += pause_ms;
            let now = at(now_ms);
            prop_assert!(order(&rollout, Command::Kill(Cause::Command), now).is_ok(), "a kill is possible from {}", rollout.record.live.phase);
            prop_assert!(order(&rollout, Command::Rollback(Target::Off), now).is_ok(), "a rollback is possible from {}", rollout.record.live.phase);
            if let Ok(change) = order(&rollout, command.clone(), now) {
                check_law(&rollout.record, &change.rollout.record, &change.entry.command);
                entries.push(change.text);
                rollout = change.rollout;
            }
            let seen = outlook(&rollout.plan, &rollout.record, &Facts::default(), now);
            prop_assert!(seen.wake.is_none_or(|wake| wake > now), "the schedule never waits for the past");
            if let Some(due) = seen.due {
                prop_assert!(order(&rollout, due.clone(), now).is_ok(), "what is due is never refused: {due}");
            }
        }
        prop_assert_eq!(replayed(&entries, &rollout.plan), rollout.record);
    }

    /// KV shows whatever was ever written under the key, in any order, within the time that a read
    /// may be stale; between two edits operators command.
    #[test]
    fn an_edit_in_kv_is_adopted_once_however_stale_the_reads(
        steps in prop::collection::vec((0_usize..6, 0_usize..8, 0_i64..9_000), 1..60),
    ) {
        let mut now_ms = MONDAY_MS;
        let (mut rollout, mut entries) = rollout_of(PLAN, at(now_ms));
        let mut written: Vec<(String, i64)> = vec![(rollout.record.live.to_json(), now_ms)];
        let mut edits = 0;
        let mut adopted: Vec<String> = Vec::new();
        for (kind, age, pause_ms) in steps {
            now_ms += pause_ms;
            let now = at(now_ms);
            match kind {
                // Somebody writes a number that nobody wrote before.
                0 => {
                    edits += 1;
                    written.push((format!("{}.{edits:03}", edits % 90), now_ms));
                }
                1 => if let Ok(change) = order(&rollout, Command::Set(Setting::percentage(percentage("33"))), now) {
                    entries.push(change.text);
                    rollout = change.rollout;
                },
                // The controller publishes.
                2 => {
                    written.push((rollout.record.live.to_json(), now_ms));
                    rollout.note_published(rollout.record.live.revision, now);
                }
                // Somebody reads what stood there a while ago, at most as long ago as KV may lag.
                _ => {
                    let recent: Vec<_> = written.iter().rev().take(age + 1).collect();
                    let current_since_ms = |index: usize| if index == 0 { i64::MAX } else { recent[index - 1].1 };
                    let (text, _) = recent.iter().enumerate().filter(|(index, _)| now_ms.saturating_sub(current_since_ms(*index)) < 60_000).map(|(_, seen)| *seen).next_back().unwrap();
                    if let Some(seen) = rollout.see_text(text, now) {
                        prop_assert!(!adopted.contains(text), "{text} was adopted twice");
                        adopted.push(text.clone());
                        let change = rollout.change(seen, now).unwrap();
                        entries.push(change.text);
                        rollout = change.rollout;
                    }
                }
            }
        }
        prop_assert_eq!(replayed(&entries, &rollout.plan), rollout.record);
    }
}

#[test]
fn a_kill_by_key_ends_only_after_it_has_not_been_seen_for_two_minutes() {
    let (mut rollout, _) = rollout_of(PLAN, at(MONDAY_MS));
    let key = || Some("kill/shop".to_owned());
    let kill = rollout.see_kill_key(key(), at(MONDAY_MS)).expect("the key kills");
    rollout = rollout.change(kill, at(MONDAY_MS)).unwrap().rollout;
    assert!(rollout.record.live.killed);
    let seconds = |seconds: i64| at(MONDAY_MS + seconds * 1_000);
    assert!(rollout.see_kill_key(None, seconds(10)).is_none());
    assert!(rollout.see_kill_key(None, seconds(100)).is_none());
    assert!(rollout.see_kill_key(key(), seconds(110)).is_none(), "a stale read, or the key is back");
    assert!(rollout.see_kill_key(None, seconds(120)).is_none());
    assert!(rollout.see_kill_key(None, seconds(239)).is_none());
    let revive = rollout.see_kill_key(None, seconds(240)).expect("it is gone");
    rollout = rollout.change(revive, seconds(240)).unwrap().rollout;
    assert!(!rollout.record.live.killed);
    assert!(rollout.hear_of_kill_key("kill/shop", seconds(245)).is_none(), "an isolate saw it before it went");
    assert!(rollout.see_kill_key(key(), seconds(250)).is_some(), "a new kill is a kill");
}

#[test]
fn an_operator_revives_once_the_key_is_gone() {
    let (mut rollout, _) = rollout_of(PLAN, at(MONDAY_MS));
    let kill = rollout.see_kill_key(Some("kill/*".into()), at(MONDAY_MS)).unwrap();
    rollout = rollout.change(kill, at(MONDAY_MS)).unwrap().rollout;
    rollout = order(&rollout, Command::Kill(Cause::Command), at(MONDAY_MS)).unwrap().rollout;
    let refused = order(&rollout, Command::Revive(Cause::Command), at(MONDAY_MS)).err().unwrap();
    assert_eq!(refused, Refusal::KillKey("kill/*".into()));
    assert!(rollout.see_kill_key(None, at(MONDAY_MS + 1_000)).is_none());
    rollout = order(&rollout, Command::Revive(Cause::Command), at(MONDAY_MS + 2_000)).unwrap().rollout;
    assert!(!rollout.record.live.killed, "both kills are over");
}

fn started() -> Rollout {
    let (rollout, _) = rollout_of(PLAN, at(MONDAY_MS));
    let approved = order(&rollout, Command::Approve("Backups confirmed".into()), at(MONDAY_MS)).unwrap().rollout;
    order(&approved, Command::Start, at(MONDAY_MS)).unwrap().rollout
}

#[track_caller]
fn blocks(rollout: &Rollout, gates: &[Verdict], now_ms: i64, expected: &[&str]) {
    let facts = Facts { gates: gates.to_vec(), ..Facts::default() };
    let seen = outlook(&rollout.plan, &rollout.record, &facts, at(now_ms));
    let blocked: Vec<&str> = seen.blocked.iter().map(|blocker| blocker.code()).collect();
    assert_eq!(blocked, expected);
    assert_eq!(seen.due.is_some(), expected.is_empty());
}

#[test]
fn the_schedule_waits_for_hold_checklist_freeze_and_window() {
    let team = started();
    blocks(&team, &[], MONDAY_MS, &["hold"]);
    blocks(&team, &[], MONDAY_MS + HOUR_MS, &[]);
    let canary = order(&team, Command::Advance, at(MONDAY_MS + HOUR_MS)).unwrap().rollout;
    blocks(&canary, &[], MONDAY_MS + 49 * HOUR_MS, &["checklist"]);
    let ready =
        order(&canary, Command::Approve("Rollback tested".into()), at(MONDAY_MS + 2 * HOUR_MS)).unwrap().rollout;
    blocks(&ready, &[], MONDAY_MS + 48 * HOUR_MS, &["hold"]);
    blocks(&ready, &[], MONDAY_MS + 49 * HOUR_MS, &[]);
    // Wednesday 18:00 is after hours, Friday 18:00 is frozen too.
    blocks(&ready, &[], MONDAY_MS + 57 * HOUR_MS, &["enter"]);
    blocks(&ready, &[], MONDAY_MS + 105 * HOUR_MS, &["freeze", "enter"]);
    let paused = order(&ready, Command::Pause, at(MONDAY_MS + 3 * HOUR_MS)).unwrap().rollout;
    blocks(&paused, &[], MONDAY_MS + 49 * HOUR_MS, &["paused"]);
    let resumed = order(&paused, Command::Resume(None), at(MONDAY_MS + 4 * HOUR_MS)).unwrap().rollout;
    blocks(&resumed, &[], MONDAY_MS + 51 * HOUR_MS, &["hold"]);
}

#[test]
fn no_figures_are_no_pass() {
    let gated = PLAN.replace(
        r#""hold": "1h"},
        {"name": "canary""#,
        r#""hold": "1h", "gates": ["error_rate < 1%", "requests > 5"]},
        {"name": "canary""#,
    );
    assert_ne!(gated, PLAN);
    let (rollout, _) = rollout_of(&gated, at(MONDAY_MS));
    let approved = order(&rollout, Command::Approve("Backups confirmed".into()), at(MONDAY_MS)).unwrap().rollout;
    let team = order(&approved, Command::Start, at(MONDAY_MS)).unwrap().rollout;
    let later = MONDAY_MS + 2 * HOUR_MS;
    blocks(&team, &[], later, &["gates"]);
    blocks(&team, &[Verdict::Pass, Verdict::Inconclusive], later, &["gates"]);
    blocks(&team, &[Verdict::Pass, Verdict::Fail], later, &["gates"]);
    blocks(&team, &[Verdict::Pass, Verdict::Pass], later, &[]);
}

#[track_caller]
fn amends(rollout: &Rollout, text: &str, expected: Result<(), Refusal>) {
    assert_eq!(amend::check(&rollout.plan, &read_rollout(text).unwrap(), &rollout.record), expected);
}

#[test]
fn a_started_rollout_keeps_what_deals_its_subjects_out() {
    let team = started();
    amends(&team, &PLAN.replace("48h", "24h"), Ok(()));
    amends(
        &team,
        &PLAN.replace(r#""key": "shop","#, r#""key": "shop", "salt": "x","#),
        Err(Refusal::RunningPlan("changes its salt")),
    );
    amends(&team, &PLAN.replace("x-user-id", "x-id"), Err(Refusal::RunningPlan("changes its identity")));
    amends(
        &team,
        &PLAN.replace(r#""key": "shop","#, r#""key": "shop", "holdout": "5%","#),
        Err(Refusal::RunningPlan("changes its holdout")),
    );
    amends(
        &team,
        &PLAN.replace(r#""name": "team""#, r#""name": "insiders""#),
        Err(Refusal::RunningPlan("has lost its current stage")),
    );
    let (draft, _) = rollout_of(PLAN, at(MONDAY_MS));
    amends(&draft, &PLAN.replace("x-user-id", "x-id"), Ok(()));
}

#[test]
fn what_waits_for_another_goes_when_that_has_ended() {
    let second = PLAN
        .replace(r#""key": "shop","#, r#""key": "next", "after": ["shop"],"#)
        .replace("\"freeze\": [\"Fri 17:00-Mon 08:00 UTC\"],", "");
    let mut deployment = Deployment::default();
    deployment.rollouts.insert(started());
    let (next, _) = rollout_of(&second, at(MONDAY_MS));
    let next = order(&next, Command::Approve("Backups confirmed".into()), at(MONDAY_MS)).unwrap().rollout;
    let next = order(&next, Command::Start, at(MONDAY_MS)).unwrap().rollout;
    assert!(next.record.is_waiting && next.record.held_since.is_none());
    deployment.rollouts.insert(next);
    let later = at(MONDAY_MS + 30 * 60_000);
    assert!(deployment.due(later).is_none(), "shop has not ended");
    let shop = deployment.rollouts.get(&"shop".parse().unwrap()).unwrap();
    let done = order(shop, Command::Complete(None), later).unwrap();
    deployment.accept(done);
    let (key, release) = deployment.due(later).expect("next is released");
    assert_eq!((key.as_str(), release.command.name()), ("next", "release"));
    let released = deployment.rollouts.get(&key).unwrap().change(release, later).unwrap();
    assert_eq!(released.rollout.record.held_since, Some(later), "its hold begins now");
    deployment.accept(released);
    let shop = deployment.rollouts.get(&"shop".parse().unwrap()).unwrap();
    let back = order(shop, Command::Rollback(Target::Off), later).unwrap();
    deployment.accept(back);
    assert_eq!(
        deployment.due(later).map(|(key, order)| (key.to_string(), order.command)),
        Some(("next".into(), Command::Wait))
    );
}

/// A rollout in its stage canary, by order of `actor` paused, or sent back.
fn stopped(command: Command, actor: &str) -> Rollout {
    let canary = order(&started(), Command::Advance, at(MONDAY_MS)).unwrap().rollout;
    let approved = order(&canary, Command::Approve("Rollback tested".into()), at(MONDAY_MS)).unwrap().rollout;
    approved.change(Order::new(command, actor, "because".into()), at(MONDAY_MS)).unwrap().rollout
}

#[test]
fn nothing_completes_while_something_speaks_against_it_unless_its_key_is_named() {
    let done = |rollout: &Rollout, confirm: Option<&str>| {
        order(rollout, Command::Complete(confirm.map(|key| key.parse().unwrap())), at(MONDAY_MS))
    };
    let refused = |rollout: &Rollout| match done(rollout, None) {
        Err(Refusal::Unconfirmed(key, why)) => format!("{key}: {}", why.code()),
        Err(other) => other.code().to_owned(),
        Ok(change) => change.rollout.record.live.phase.to_string(),
    };
    let canary = order(&started(), Command::Advance, at(MONDAY_MS)).unwrap().rollout;
    let back = stopped(Command::Rollback(Target::Off), "guardrail");
    let mended = order(&back, Command::Approve("Cause found".into()), at(MONDAY_MS)).unwrap().rollout;
    let held = stopped(Command::Pause, "guardrail");
    for (rollout, why) in
        [(&canary, "shop: checklist"), (&back, "shop: checklist"), (&mended, "shop: phase"), (&held, "shop: guardrail")]
    {
        assert_eq!(refused(rollout), why);
        assert!(matches!(done(rollout, Some("shopp")), Err(Refusal::OtherKey(..))));
        assert_eq!(done(rollout, Some("shop")).unwrap().rollout.record.live.phase, Phase::Completed);
    }
    // A person's pause, and a guardrail's that somebody has answered, speak against nothing.
    assert_eq!(refused(&stopped(Command::Pause, "ana")), "completed");
    assert_eq!(refused(&order(&held, Command::Resume(None), at(MONDAY_MS)).unwrap().rollout), "completed");
    // Naming it opens neither a freeze nor a kill.
    let saturday = at(MONDAY_MS + 5 * 24 * HOUR_MS);
    assert!(matches!(
        order(&back, Command::Complete(Some("shop".parse().unwrap())), saturday),
        Err(Refusal::Frozen(_))
    ));
    let killed = order(&back, Command::Kill(Cause::Command), at(MONDAY_MS)).unwrap().rollout;
    assert_eq!(done(&killed, Some("shop")).err(), Some(Refusal::Killed));
}

#[test]
fn what_was_completed_under_older_rules_still_replays() {
    let (rollout, mut entries) = rollout_of(PLAN, at(MONDAY_MS));
    let mut record = rollout;
    for command in [Command::Approve("Backups confirmed".into()), Command::Start, Command::Rollback(Target::Off)] {
        let change = order(&record, command, at(MONDAY_MS)).unwrap();
        entries.push(change.text);
        record = change.rollout;
    }
    let done = order(&record, Command::Complete(Some("shop".parse().unwrap())), at(MONDAY_MS)).unwrap();
    // So it stood in the history when a rollback was no obstacle.
    let old = Entry { command: Command::Complete(None), ..done.entry };
    entries.push(old.print().0);
    assert_eq!(replayed(&entries, &record.plan).live, done.rollout.record.live);
}

#[test]
fn nothing_starts_before_the_plan_does_but_by_a_set() {
    let (rollout, _) = rollout_of(
        &PLAN.replace("\"checklist\": [\"Backups confirmed\"]", "\"start\": \"2026-11-23T10:00:00Z\""),
        at(MONDAY_MS),
    );
    assert!(
        matches!(order(&rollout, Command::Start, at(MONDAY_MS)), Err(Refusal::Early(start)) if start == at(MONDAY_MS + HOUR_MS))
    );
    assert!(order(&rollout, Command::Start, at(MONDAY_MS + HOUR_MS)).is_ok());
    assert!(order(&rollout, Command::Set(Setting::percentage(percentage("1"))), at(MONDAY_MS)).is_ok());
}

#[test]
fn a_draft_tells_all_that_keeps_it_from_starting() {
    let saturday = at(MONDAY_MS + 5 * 24 * HOUR_MS);
    let (draft, _) = rollout_of(PLAN, saturday);
    let facts = Facts { awaited: vec!["core".parse().unwrap()], ..Facts::default() };
    let codes: Vec<&str> =
        outlook(&draft.plan, &draft.record, &facts, saturday).blocked.iter().map(|blocker| blocker.code()).collect();
    assert_eq!(codes, ["draft", "after", "checklist", "freeze"]);
}

#[test]
fn a_resume_after_a_rollback_is_the_next_attempt() {
    let team = started();
    let canary = order(&team, Command::Advance, at(MONDAY_MS)).unwrap().rollout;
    let approved = order(&canary, Command::Approve("Rollback tested".into()), at(MONDAY_MS)).unwrap().rollout;
    let back = order(&approved, Command::Rollback(Target::Off), at(MONDAY_MS)).unwrap().rollout;
    assert!(matches!(order(&back, Command::Resume(None), at(MONDAY_MS)), Err(Refusal::Checklist(..))));
    let cause = order(&back, Command::Approve("Cause found".into()), at(MONDAY_MS)).unwrap().rollout;
    let again = order(&cause, Command::Resume(None), at(MONDAY_MS)).unwrap().rollout;
    let live = &again.record.live;
    assert_eq!(
        (live.attempt, live.phase, live.stage.as_str(), live.percentage),
        (2, Phase::Running, "team", Percentage::ZERO)
    );
    let canary = order(&again, Command::Advance, at(MONDAY_MS)).unwrap().rollout;
    assert!(
        matches!(order(&canary, Command::Advance, at(MONDAY_MS)), Err(Refusal::Checklist(..))),
        "its checklists are cleared"
    );
}

#[test]
fn a_rollout_whose_plan_cannot_be_read_is_held_and_can_be_killed() {
    let mut rollout = started();
    rollout.unread = Some(Noticed { subject: "shop".into(), message: "damaged".into(), at: at(MONDAY_MS) });
    let later = at(MONDAY_MS + 2 * HOUR_MS);
    for command in [
        Command::Advance,
        Command::Complete(None),
        Command::Resume(None),
        Command::Set(Setting::percentage(percentage("100"))),
        Command::Rollback(Target::Previous),
    ] {
        assert_eq!(order(&rollout, command, later).err(), Some(Refusal::UnreadPlan));
    }
    let killed = order(&rollout, Command::Kill(Cause::Command), later).unwrap().rollout;
    assert!(killed.record.live.killed && killed.unread.is_some());
    let revived = order(&killed, Command::Revive(Cause::Command), later).unwrap().rollout;
    assert!(order(&revived, Command::Rollback(Target::Off), later).is_ok());
    let mut deployment = Deployment::default();
    deployment.rollouts.insert(rollout);
    assert!(
        deployment.due(later).is_none() && deployment.wake(later).is_none(),
        "the schedule leaves it alone, though its hold is over"
    );
    assert_eq!(deployment.evaluate(|_| 0, later), [], "and so do guardrails");
}
