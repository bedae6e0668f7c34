//! What a command would do, in words, before it is done: where the rollout goes, who moves, and
//! what the person should think of first.

use super::chance::Forecast;
use super::ladder::SAID_BY_STATE;
use super::view::{Changed, Moves, Rollout, State, Step};
use super::words::{listed, number, percent, sentence};
use crate::model::command::Command;

/// `demo: canary 10 % → quarter 25 %`, and who moves.
pub fn lines(key: &str, foreseen: &Changed) -> Vec<String> {
    let (from, to) = (&foreseen.from, &foreseen.to);
    let mut lines = vec![format!("{key}: {}", change(from, to))];
    lines.extend(then(foreseen));
    lines.push(format!("  {}", moves(&foreseen.moves, to)));
    if !from.killed && !to.killed {
        let only = |these: &State, those: &State| {
            these.groups.iter().filter(|group| !those.groups.contains(group)).cloned().collect::<Vec<_>>()
        };
        let (gone, come) = (only(from, to), only(to, from));
        for (groups, way) in [(gone, "back to legacy"), (come, "to new")] {
            if !groups.is_empty() {
                lines.push(format!(
                    "  {} {} {way}",
                    if groups.len() == 1 { "The group" } else { "The groups" },
                    verb(&groups)
                ));
            }
        }
    }
    lines
}

/// What the schedule makes of it at once, and what it waits for then.
pub fn then(foreseen: &Changed) -> Vec<String> {
    let waits: Vec<&str> = foreseen
        .waits
        .iter()
        .filter(|block| !SAID_BY_STATE.contains(&block.by.as_str()))
        .map(|block| block.text.as_str())
        .collect();
    let mut lines: Vec<String> = at_once(foreseen).into_iter().collect();
    let is_running = foreseen.then.last().map_or(foreseen.to.phase.as_str(), |last| last.phase.as_str()) == "running";
    if is_running && !waits.is_empty() {
        lines.push(format!("  then it waits: {}", waits.join("; ")));
    }
    lines
}

/// What the schedule makes of it at once, if anything.
pub fn at_once(foreseen: &Changed) -> Option<String> {
    let steps: Vec<String> = foreseen.then.iter().map(step).collect();
    (!steps.is_empty()).then(|| format!("  and then at once: {}", steps.join(", ")))
}

fn step(step: &Step) -> String {
    match step.command.as_str() {
        "complete" => "completed".to_owned(),
        "end" => "counts as ended".to_owned(),
        "release" => format!("let go in {} {}", step.stage, percent(step.percentage)),
        "wait" => "waits for what it comes after".to_owned(),
        _ => format!("{} {}", step.stage, percent(step.percentage)),
    }
}

fn verb(groups: &[String]) -> String {
    format!("{} {}", listed(groups), if groups.len() == 1 { "goes" } else { "go" })
}

fn change(from: &State, to: &State) -> String {
    let has_other_phase = from.phase != to.phase || from.killed != to.killed || from.attempt != to.attempt;
    let side = |state: &State| {
        let mut text = format!("{} {}", state.stage, percent(state.percentage));
        if has_other_phase {
            text.push_str(&format!(", {}", state.phase_words()));
            if state.killed {
                text.push_str(", killed");
            }
            if from.attempt != to.attempt {
                text.push_str(&format!(", attempt {}", state.attempt));
            }
        }
        text
    };
    let (before, after) = (side(from), side(to));
    if before == after { format!("stays at {before}") } else { format!("{before} → {after}") }
}

/// Who changes sides.
pub fn moves(moves: &Moves, to: &State) -> String {
    let (old, new) = match moves.direction.as_str() {
        "new" => ("legacy", "new"),
        "legacy" => ("new", "legacy"),
        _ if to.killed => return "Nobody moves: everybody is on legacy while it is killed".into(),
        _ => return "Nobody moves".into(),
    };
    let subjects =
        moves.subjects.map(|subjects| format!(": about {} of those seen", number(subjects))).unwrap_or_default();
    format!("{} of subjects move from {old} to {new}{subjects}", percent(moves.share))
}

/// What the person should know before they agree.
pub fn warnings(command: &Command, foreseen: &Changed, rollout: &Rollout) -> Vec<String> {
    let mut warnings = Vec::new();
    let skipped: &[&str] = match command {
        Command::Advance | Command::Complete(_) => &["hold", "gates"],
        Command::Set(_) if foreseen.moves.direction == "new" => &["hold", "gates", "checklist", "freeze", "enter"],
        _ => &[],
    };
    for block in rollout.blocked.iter().filter(|block| skipped.contains(&block.by.as_str())) {
        warnings.push(format!("skipped: {}", block.text));
    }
    warnings.extend(leap(foreseen, rollout));
    if *command == Command::Start {
        warnings.extend(foreseen.forecast.iter().flat_map(Forecast::warnings));
        warnings.extend(silent(rollout));
    }
    match command {
        Command::Set(_) if foreseen.from.phase == "running" => {
            warnings.push(format!("it stays there until somebody resumes it: `tidegate resume {}`", rollout.key))
        }
        Command::Set(_) if foreseen.from.phase == "rolled_back" => {
            warnings.push(format!("this begins attempt {}", foreseen.to.attempt))
        }
        Command::Resume(_) if foreseen.from.phase == "rolled_back" => warnings.push(format!(
            "this begins attempt {}, in {}; its checklists begin anew",
            foreseen.to.attempt, foreseen.to.stage
        )),
        Command::Complete(confirm) => {
            let against = rollout.not_now.iter().filter(|own| confirm.is_some() && own.command == "complete");
            warnings.extend(against.map(|own| format!("done all the same: {}", own.reason)));
            warnings.push("everybody goes to new, and no stage follows".into());
        }
        Command::Advance if foreseen.to.percentage >= 100.0 => warnings.push("everybody goes to new".into()),
        _ => {}
    }
    warnings.extend(foreseen.ends.iter().map(|own| own.text.clone()));
    warnings.into_iter().map(|warning| sentence(&warning)).collect()
}

/// What gates and guardrails rely on, and nobody has ever reported.
pub fn silent(rollout: &Rollout) -> Option<String> {
    let names = &rollout.never_reported;
    let is_too_early = rollout.state.phase == "draft" && names.iter().any(|name| !name.starts_with("signal."));
    let why = if is_too_early { " (pages report once the rollout has started)" } else { "" };
    (!names.is_empty()).then(|| {
        format!("nobody has ever reported {}{why}: what rests on it says nothing until somebody does", listed(names))
    })
}

/// The stages that a change jumps over.
fn leap(foreseen: &Changed, rollout: &Rollout) -> Option<String> {
    let place = |state: &State| rollout.stages.iter().position(|stage| stage.name == state.stage);
    let (from, to) = (place(&foreseen.from)?, place(&foreseen.to)?);
    if foreseen.from.phase == "draft" {
        return None;
    }
    let over: Vec<String> = rollout.stages.iter().take(to).skip(from + 1).map(|stage| stage.name.clone()).collect();
    (!over.is_empty()).then(|| format!("this jumps over {}", listed(&over)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Percentage;
    use crate::model::command::Setting;

    fn foreseen(text: &str) -> Changed {
        serde_json::from_str(text).unwrap()
    }

    const ADVANCE: &str = r#"{"from":{"phase":"running","stage":"canary","percentage":10,"groups":["team"]},"to":{"phase":"running","stage":"quarter","percentage":25,"groups":["team","sales"]},"moves":{"direction":"new","share":15,"subjects":1234}}"#;

    #[test]
    fn a_step_says_from_where_to_where_and_who_moves() {
        assert_eq!(
            lines("demo", &foreseen(ADVANCE)),
            [
                "demo: canary 10 % → quarter 25 %",
                "  15 % of subjects move from legacy to new: about 1,234 of those seen",
                "  The group sales goes to new"
            ]
        );
    }

    #[test]
    fn what_the_schedule_does_at_once_and_waits_for_is_told() {
        let start = foreseen(
            r#"{"from":{"phase":"draft","stage":"a","percentage":0},"to":{"phase":"running","stage":"a","percentage":0,"groups":["me"]},"moves":{"direction":"new","share":100},
                "then":[{"command":"advance","stage":"b","percentage":100,"phase":"running"},{"command":"complete","stage":"b","percentage":100,"phase":"completed"}],
                "waits":[{"by":"completed","text":"completed: everybody is on new"}],"ends":[{"what":"holdout","text":"the holdout ends: its 5 % of subjects go to new"}]}"#,
        );
        assert_eq!(
            lines("demo", &start),
            [
                "demo: a 0 %, draft → a 0 %, running",
                "  and then at once: b 100 %, completed",
                "  100 % of subjects move from legacy to new",
                "  The group me goes to new"
            ]
        );
        assert_eq!(
            warnings(&Command::Start, &start, &Rollout::default()),
            ["The holdout ends: its 5 % of subjects go to new"]
        );
        let held = foreseen(
            r#"{"to":{"phase":"running"},"waits":[{"by":"hold","text":"the stage's hold of 1h is not over"},{"by":"gates","text":"one gate is inconclusive"}]}"#,
        );
        assert_eq!(then(&held), ["  then it waits: the stage's hold of 1h is not over; one gate is inconclusive"]);
        let paused = foreseen(
            r#"{"to":{"phase":"paused"},"waits":[{"by":"paused","text":"paused"},{"by":"freeze","text":"frozen"}]}"#,
        );
        assert_eq!(then(&paused), Vec::<String>::new());
    }

    #[test]
    fn a_completion_against_advice_says_what_it_goes_around_and_what_ends() {
        let rollout = serde_json::from_str(
            r#"{"not_now":[{"command":"complete","reason":"not approved yet: Cause found","confirmable":true}]}"#,
        )
        .unwrap();
        let done = foreseen(
            r#"{"to":{"phase":"completed"},"ends":[{"what":"rescue","text":"rescue ends: where new fails, legacy no longer answers"}]}"#,
        );
        let told = |confirm: Option<&str>| {
            warnings(&Command::Complete(confirm.map(|key| key.parse().unwrap())), &done, &rollout)
        };
        let end =
            ["Everybody goes to new, and no stage follows", "Rescue ends: where new fails, legacy no longer answers"];
        assert_eq!(told(None), end);
        assert_eq!(
            told(Some("demo")),
            [&["Done all the same: not approved yet: Cause found"], end.as_slice()].concat()
        );
    }

    #[test]
    fn a_start_says_what_chance_will_do_and_what_nobody_reports() {
        let tried = r#"{"from":{"phase":"draft","stage":"canary"},"to":{"phase":"running","stage":"canary","percentage":1},"moves":{"direction":"new","share":1},
            "forecast":{"alarms":[{"is_frequent":true,"text":"`js_error_rate > 2%` fires by chance about once in 2 hours"},{"is_frequent":false,"text":"`error_rate > 9%` hardly ever fires"}],
                "stages":[{"stage":"canary","needs":[{"is_reached":true,"text":"50 requests on legacy take 1 min"},{"is_reached":false,"text":"50 requests on new do not come within the hold of 1 h: they take 83 h"}]}]}}"#;
        let rollout = serde_json::from_str(
            r#"{"key":"demo","state":{"phase":"draft"},"never_reported":["event.order","signal.p1"]}"#,
        )
        .unwrap();
        let expected = [
            "`js_error_rate > 2%` fires by chance about once in 2 hours",
            "In canary: 50 requests on new do not come within the hold of 1 h: they take 83 h",
            "Nobody has ever reported event.order and signal.p1 (pages report once the rollout has started): what rests on it says nothing until somebody does",
        ];
        assert_eq!(warnings(&Command::Start, &foreseen(tried), &rollout), expected);
        assert_eq!(warnings(&Command::Pause, &foreseen(tried), &rollout), Vec::<String>::new());
    }

    #[test]
    fn a_kill_says_the_phase_too() {
        let kill = r#"{"from":{"phase":"paused","stage":"half","percentage":50,"groups":["team"]},"to":{"phase":"paused","killed":true,"stage":"half","percentage":50,"groups":["team"]},"moves":{"direction":"legacy","share":50}}"#;
        assert_eq!(
            lines("demo", &foreseen(kill)),
            ["demo: half 50 %, paused → half 50 %, paused, killed", "  50 % of subjects move from new to legacy"]
        );
        let again = r#"{"from":{"killed":true,"stage":"half","percentage":50},"to":{"killed":true,"stage":"half","percentage":50},"moves":{"direction":"none"}}"#;
        assert_eq!(
            lines("demo", &foreseen(again)),
            ["demo: stays at half 50 %", "  Nobody moves: everybody is on legacy while it is killed"]
        );
    }

    const LADDER: &str = r#"{"key":"demo","stages":[{"name":"canary"},{"name":"quarter"},{"name":"half"},{"name":"full"}],"blocked":[{"by":"hold","text":"the stage's hold of 48m is not over"},{"by":"checklist","text":"not approved yet: Backups"},{"by":"enter","text":"the stage quarter may not be entered at this time"}]}"#;

    #[test]
    fn an_advance_warns_of_what_it_skips() {
        let rollout = serde_json::from_str(LADDER).unwrap();
        assert_eq!(
            warnings(&Command::Advance, &foreseen(ADVANCE), &rollout),
            ["Skipped: the stage's hold of 48m is not over"]
        );
    }

    #[test]
    fn a_set_warns_of_all_that_it_goes_around() {
        let rollout = serde_json::from_str(LADDER).unwrap();
        let set = Command::Set(Setting::percentage(Percentage::FULL));
        let to_full = foreseen(
            r#"{"from":{"phase":"running","stage":"canary","percentage":10},"to":{"phase":"paused","stage":"full","percentage":100},"moves":{"direction":"new","share":90}}"#,
        );
        assert_eq!(
            warnings(&set, &to_full, &rollout),
            [
                "Skipped: the stage's hold of 48m is not over",
                "Skipped: not approved yet: Backups",
                "Skipped: the stage quarter may not be entered at this time",
                "This jumps over quarter and half",
                "It stays there until somebody resumes it: `tidegate resume demo`"
            ]
        );
        let down = foreseen(
            r#"{"from":{"phase":"paused","stage":"half","percentage":50},"to":{"phase":"paused","stage":"canary","percentage":10},"moves":{"direction":"legacy","share":40}}"#,
        );
        assert_eq!(warnings(&set, &down, &rollout), Vec::<String>::new());
    }
}
