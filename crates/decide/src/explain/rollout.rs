//! Sentences about a rollout: where it is, what was done to it, who gets which side, how far a kill has come.

use tidegate_model::command::{Cause, Command, Target};
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::number::{Grouped, counted};
use tidegate_model::{Name, Percentage};

use super::rounded;
use crate::assign::{Assignment, Reason, Variant};
use crate::compiled::CompiledRollout;

/// Where a rollout is: `running in canary at 10 %`, `killed (was paused in half at 50 %)`.
pub fn state(live: &LiveState) -> String {
    let (stage, at) = (&live.stage, live.percentage);
    let phase = match live.phase {
        Phase::Draft => "a draft".to_owned(),
        Phase::Running => format!("running in {stage} at {at} %"),
        Phase::Paused => format!("paused in {stage} at {at} %"),
        Phase::RolledBack => format!("rolled back to {at} %"),
        Phase::Completed => "completed".to_owned(),
    };
    if live.killed { format!("killed (was {phase})") } else { phase }
}

/// What a command has done: `rolled it back to 0 %`.
pub fn done(command: &Command) -> String {
    let from_kv = |text: String, kv: Option<&str>| kv.map_or(text.clone(), |kv| format!("{text}: `{kv}` in KV"));
    let by = |text: &str, cause: &Cause| match cause {
        Cause::Command => text.to_owned(),
        Cause::Text(kv) => from_kv(text.to_owned(), Some(kv)),
        Cause::Key(key) => format!("{text}: the key {key} in KV"),
    };
    match command {
        Command::Start => "started it".to_owned(),
        Command::Advance => "advanced it".to_owned(),
        Command::Set(setting) => from_kv(format!("set it to {} %", setting.percentage), setting.kv.as_deref()),
        Command::Pause => "paused it".to_owned(),
        Command::Resume(None) => "resumed it".to_owned(),
        Command::Resume(Some(stage)) => format!("resumed it in {stage}"),
        Command::Rollback(Target::Off) => "rolled it back to 0 %".to_owned(),
        Command::Rollback(Target::Previous) => "rolled it back to the stage before".to_owned(),
        Command::Rollback(Target::Percentage(share)) => format!("rolled it back to {share} %"),
        Command::Kill(cause) => by("killed it", cause),
        Command::Revive(Cause::Key(key)) => format!("revived it: the key {key} is gone from KV"),
        Command::Revive(cause) => by("revived it", cause),
        Command::Approve(item) => format!("approved “{item}”"),
        Command::Complete(_) => "completed it".to_owned(),
        Command::Note => "added a note".to_owned(),
        Command::Deployed(version) => format!("noted that new is {version} now"),
        Command::Apply { plan, .. } => format!("applied the plans of revision {plan}"),
        Command::TakeOver(_) => "took it over as it was set through KV".to_owned(),
        Command::Release => "released it: the rollouts before it have ended".to_owned(),
        Command::Wait => "made it wait: a rollout before it runs again".to_owned(),
        Command::End => "ended it: the bake time of its last stage is over".to_owned(),
    }
}

/// What the schedule does next: `advances to quarter (25 %)`.
pub fn step(command: &str, stage: Option<&Name>, share: Option<Percentage>) -> String {
    let share = share.map(|share| format!(" ({share} %)")).unwrap_or_default();
    let to = |word: &str| stage.map(|stage| format!(" {word} {stage}{share}")).unwrap_or_default();
    match command {
        "start" => format!("starts{}", to("in")),
        "advance" => format!("advances{}", to("to")),
        "complete" => "completes".to_owned(),
        "end" => "ends".to_owned(),
        "release" => format!("is released{}", to("in")),
        other => other.to_owned(),
    }
}

/// Why a user gets the side that they get, as the end of a sentence. `stage` is the current stage's name.
pub fn assignment(rollout: &CompiledRollout, stage: &str, assignment: &Assignment) -> String {
    let share = |limit: u32| Percentage::from_limit(limit).unwrap_or_default();
    match assignment.reason {
        Reason::Killed => "the rollout is killed".to_owned(),
        Reason::Override => "a preview link chose it for this browser".to_owned(),
        Reason::Inactive if !rollout.has_started => "the rollout has not started".to_owned(),
        Reason::Inactive if rollout.is_at_nobody() => "the rollout is rolled back to 0 %".to_owned(),
        Reason::Inactive => "the rollout waits for another one to end".to_owned(),
        Reason::Robot => "the request is a robot's".to_owned(),
        Reason::Unidentified => "there is no id".to_owned(),
        Reason::Excluded => "the user is in a group that the plan excludes".to_owned(),
        Reason::Required => "the user is on legacy in another rollout, which this one requires".to_owned(),
        Reason::Completed => "the rollout has completed".to_owned(),
        Reason::Chosen => "the user of this browser has chosen it".to_owned(),
        Reason::Visit => {
            "the visit began on this side before the last step, and ends after 30 minutes without a request".to_owned()
        }
        Reason::Group => format!("the user is in a group that is on new in the stage {stage}"),
        Reason::Ineligible => "the user is not in the plan's eligible group".to_owned(),
        Reason::Holdout => "the user is in the holdout, which stays on legacy at every percentage".to_owned(),
        Reason::SteppedDown => {
            let bucket = assignment.bucket.map(|bucket| format!(" {} %", share(bucket))).unwrap_or_default();
            let above = format!("bucket{bucket} is above the current {} %", share(rollout.limit));
            if assignment.variant == Variant::New {
                format!("{above}, but its user has used new in this browser before the step down, and keeps it")
            } else {
                format!(
                    "{above}; since the step down only browsers that have used new before keep it, which their cookie says"
                )
            }
        }
        Reason::Bucketed => {
            let side = if assignment.variant == Variant::New { "below" } else { "above" };
            let bucket = assignment.bucket.map(|bucket| format!(" {} %", share(bucket))).unwrap_or_default();
            format!("bucket{bucket} is {side} the current {} %", share(rollout.limit))
        }
        Reason::NoConfig => "no configuration can be read".to_owned(),
    }
}

/// How far a kill has come: `isolates` were seen in the last minute, `behind` of them have not confirmed it, and
/// for `quiet_ms` no request to new was reported.
pub fn kill_reach(isolates: usize, behind: usize, quiet_ms: i64) -> String {
    let seen = format!("{} seen in the last minute", counted(isolates, "isolate"));
    match (isolates, behind) {
        (0, _) => "no isolate was seen in the last minute, so nothing is served".to_owned(),
        (1, 0) => {
            format!("0 requests to new for {}, confirmed by the one isolate seen in the last minute", rounded(quiet_ms))
        }
        (_, 0) => format!("0 requests to new for {}, confirmed by all {seen}", rounded(quiet_ms)),
        _ => {
            let (have, they) = if behind == 1 { ("has", "it has") } else { ("have", "they have") };
            format!(
                "{behind} of {seen} {have} not confirmed the kill yet: {they} had no request since, or cannot reach the controller; the next requests there may still get new"
            )
        }
    }
}

/// How many ids a group's list in KV has, by which one sees whether it was read as it was meant.
pub fn held_list(group: &str, ids: &[u64]) -> String {
    match ids {
        [ids] => format!("group {group}: {}", counted(*ids, "id")),
        several => {
            let counts: Vec<String> = several.iter().map(|ids| Grouped(*ids).to_string()).collect();
            format!(
                "group {group}: {} ids; isolates hold different versions, and read it again every 60 s",
                counts.join(" or ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiled::Alone;
    use tidegate_model::command::Setting;
    use tidegate_model::plan::set::read_rollout;

    fn live(phase: Phase, killed: bool) -> LiveState {
        LiveState {
            revision: 3,
            plan: 1,
            attempt: 1,
            phase,
            killed,
            stage: "half".parse().unwrap(),
            percentage: "50".parse().unwrap(),
            groups: Vec::new(),
            since: tidegate_model::Instant::from_epoch_ms(0),
            ended: false,
            version: None,
            reached: None,
            kv: None,
        }
    }

    #[test]
    fn a_state_is_a_few_words() {
        for (phase, killed, text) in [
            (Phase::Draft, false, "a draft"),
            (Phase::Running, false, "running in half at 50 %"),
            (Phase::RolledBack, false, "rolled back to 50 %"),
            (Phase::Completed, false, "completed"),
            (Phase::Paused, true, "killed (was paused in half at 50 %)"),
        ] {
            assert_eq!(state(&live(phase, killed)), text);
        }
    }

    #[test]
    fn a_command_is_what_was_done() {
        let set = |kv: Option<&str>| {
            let setting = Setting::percentage("2.5".parse().unwrap());
            Command::Set(Setting { kv: kv.map(str::to_owned), ..setting })
        };
        for (command, text) in [
            (Command::Start, "started it"),
            (set(None), "set it to 2.5 %"),
            (set(Some("2.5")), "set it to 2.5 %: `2.5` in KV"),
            (Command::Resume("half".parse().ok()), "resumed it in half"),
            (Command::Rollback(Target::Off), "rolled it back to 0 %"),
            (Command::Rollback(Target::Percentage("5".parse().unwrap())), "rolled it back to 5 %"),
            (Command::Kill(Cause::Key("kill/*".into())), "killed it: the key kill/* in KV"),
            (Command::Revive(Cause::Key("kill/demo".into())), "revived it: the key kill/demo is gone from KV"),
            (Command::Approve("Backups".into()), "approved “Backups”"),
            (Command::Apply { plan: 7, digest: "ab".into() }, "applied the plans of revision 7"),
        ] {
            assert_eq!(done(&command), text);
        }
    }

    #[test]
    fn an_assignment_says_its_bucket_and_what_it_is_compared_with() {
        let plan = read_rollout(
            r#"{"key":"demo","identity":{"from":["header:x-user-id"]},"stage":[{"name":"half","percentage":50,"hold":"1h"}]}"#,
        )
        .unwrap();
        let said = |live: &LiveState, reason, variant, bucket| {
            let rollout = CompiledRollout::new(&plan, Some(live), false, false, &Alone);
            assignment(&rollout, "half", &Assignment { variant, reason, stage: 0, bucket, revision: 3 })
        };
        let running = live(Phase::Running, false);
        let bucketed = |bucket, variant| said(&running, Reason::Bucketed, variant, Some(bucket));
        assert_eq!(bucketed(98_607, Variant::Legacy), "bucket 98.607 % is above the current 50 %");
        assert_eq!(bucketed(1_000, Variant::New), "bucket 1 % is below the current 50 %");
        let down = |variant| said(&running, Reason::SteppedDown, variant, Some(70_000));
        assert_eq!(
            down(Variant::New),
            "bucket 70 % is above the current 50 %, but its user has used new in this browser before the step down, and keeps it"
        );
        assert_eq!(
            down(Variant::Legacy),
            "bucket 70 % is above the current 50 %; since the step down only browsers that have used new before keep it, which their cookie says"
        );
        let inactive = |live: &LiveState| said(live, Reason::Inactive, Variant::Legacy, None);
        assert_eq!(inactive(&live(Phase::Draft, false)), "the rollout has not started");
        assert_eq!(inactive(&running), "the rollout waits for another one to end");
        let nobody = LiveState { percentage: Percentage::ZERO, ..live(Phase::RolledBack, false) };
        assert_eq!(inactive(&nobody), "the rollout is rolled back to 0 %");
    }

    #[test]
    fn how_far_a_kill_has_come_is_a_sentence() {
        for (isolates, behind, text) in [
            (0, 0, "no isolate was seen in the last minute, so nothing is served"),
            (1, 0, "0 requests to new for 3s, confirmed by the one isolate seen in the last minute"),
            (2, 0, "0 requests to new for 3s, confirmed by all 2 isolates seen in the last minute"),
            (
                4,
                1,
                "1 of 4 isolates seen in the last minute has not confirmed the kill yet: it has had no request since, or cannot reach the controller; the next requests there may still get new",
            ),
        ] {
            assert_eq!(kill_reach(isolates, behind, 3_100), text);
        }
    }

    #[test]
    fn a_list_names_how_many_ids_it_has() {
        assert_eq!(held_list("beta", &[1]), "group beta: 1 id");
        assert!(held_list("beta", &[1_200, 1_300]).starts_with("group beta: 1,200 or 1,300 ids; isolates hold"));
    }
}
