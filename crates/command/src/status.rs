//! `tidegate status`: all rollouts in a table, or one in full.

use super::client::Client;
use super::clock::now;
use super::operator::StatusOnceArguments;
use super::paint::{BOLD, DIM, WARN, cell, paint, print, print_raw};
use super::standing::Standing;
use super::words::{counted, relative, span};
use super::wrap::{self, hung};
use super::{Failure, explain, ladder};
use tidegate_decide::judge::Verdict;
use tidegate_model::{Instant, Name};
use tidegate_protocol::api::shapes::{Blocker, Rollout, Rollouts};

pub fn run(arguments: &StatusOnceArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let answer = client.get(&path(arguments.key.as_ref()), &[])?;
    let now = now();
    let (text, standing) = if arguments.key.is_some() {
        let rollout: Rollout = answer.read()?;
        let why = if json { None } else { explain::last(&rollout, &client) };
        let why = why.as_ref().map(explain::why).unwrap_or_default();
        (ladder::page(&rollout, &why, now, wrap::of_stdout()), Standing::of(&rollout))
    } else {
        let all: Rollouts = answer.read()?;
        // The one that needs somebody most speaks for all.
        let worst = all.rollouts.iter().map(Standing::of).max().unwrap_or(Standing::Done);
        (overview(&all, now, wrap::of_stdout()), worst)
    };
    if json {
        print_raw(&answer.text)?
    } else {
        print(&text)?
    }
    match standing.code() {
        0 => Ok(()),
        code if arguments.check => Err(Failure::Code(code)),
        _ => Ok(()),
    }
}

/// Where the API tells of what was asked for.
pub fn path(key: Option<&Name>) -> String {
    key.map_or_else(|| "rollouts".to_owned(), |key| format!("rollouts/{key}"))
}

/// All rollouts, a line for each, or more where one is longer than this width.
pub fn overview(all: &Rollouts, now: Instant, width: usize) -> String {
    if all.rollouts.is_empty() {
        return "There are no rollouts yet. Put a plan into force: tidegate apply PLAN.toml".into();
    }
    let header = ["ROLLOUT", "STATE", "STAGE", "NOW", "NEXT", "BLOCKED BY"].map(str::to_owned);
    // The server's clock made these times, so it also tells how far off they are.
    let now = all.at.get().unwrap_or(now);
    let rows: Vec<[String; 6]> = all.rollouts.iter().map(|rollout| row(rollout, now)).collect();
    let width_of = |column: usize| {
        rows.iter()
            .chain([&header])
            .filter_map(|row| row.get(column))
            .map(|text| text.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width_of).collect();
    let styled = |row: &[String; 6], styles: [anstyle::Style; 6]| {
        let mut cells: Vec<String> =
            row.iter().zip(styles).zip(&widths).map(|((text, style), width)| cell(style, text, *width)).collect();
        let last = cells.pop().unwrap_or_default();
        hung(&format!("{}  ", cells.join("  ")), last.trim_end(), width)
    };
    let plain = anstyle::Style::new();
    let mut lines = vec![styled(&header, [DIM; 6])];
    for (rollout, row) in all.rollouts.iter().zip(&rows) {
        lines.push(styled(row, [BOLD, ladder::style(rollout), plain, plain, plain, plain]));
    }
    for rollout in all.rollouts.iter().filter(|rollout| !rollout.faults.is_empty()) {
        lines.push(hung(
            &format!("{} ", paint(WARN, "!")),
            &format!("{} has {}: tidegate status {}", rollout.key, counted(rollout.faults.len(), "fault"), rollout.key),
            width,
        ));
    }
    for fault in &all.faults {
        lines.push(hung(&format!("{} ", paint(WARN, "!")), &format!("{}: {}", fault.subject, fault.message), width));
    }
    lines.join("\n")
}

fn row(rollout: &Rollout, now: Instant) -> [String; 6] {
    let state = &rollout.state;
    let phase = state.phase.replace('_', " ");
    let word = if state.killed { format!("killed ({phase})") } else { phase };
    let stage = match rollout.position() {
        _ if state.phase == "draft" => "–".into(),
        Some(index) => format!("{} {}/{}", state.stage, index + 1, rollout.stages.len()),
        None => state.stage.to_string(),
    };
    let waits = match state.phase.as_str() {
        _ if state.killed => "waits for revive",
        "draft" => "waits for start",
        "paused" | "rolled_back" => "waits for resume",
        _ => "–",
    };
    let next = rollout.next.as_ref().filter(|_| !state.killed).map_or_else(
        || waits.to_owned(),
        |next| {
            let what = next.stage.as_ref().filter(|_| next.command != "complete").map_or_else(
                || next.command.to_string(),
                |stage| format!("{stage}{}", next.percentage.map(|share| format!(" {share}")).unwrap_or_default()),
            );
            let at = next.at.get().map(|at| format!(" {}", relative(at, now))).unwrap_or_default();
            format!("{what}{at}")
        },
    );
    let blockers: Vec<String> = ladder::blockers(rollout).map(|block| few_words(block, rollout, now)).collect();
    [rollout.key.to_string(), word, stage, rollout.percentage.to_string(), next, blockers.join(", ")]
}

/// A blocker in so few words that several fit a line.
pub fn few_words(block: &Blocker, rollout: &Rollout, now: Instant) -> String {
    let until = block.until.get().map(|until| format!(" {}", span(until.ms_since(now))));
    let until = until.unwrap_or_default();
    match block.by.as_str() {
        "gates" => {
            let gates = rollout
                .position()
                .and_then(|index| rollout.stages.get(index))
                .map(|stage| stage.gates.as_slice())
                .unwrap_or_default();
            let passed = gates.iter().filter(|gate| gate.verdict == Verdict::Pass).count();
            if gates.is_empty() { "gates".into() } else { format!("gates {passed}/{}", gates.len()) }
        }
        "checklist" => {
            let items = rollout.checklist.as_ref().map(|list| list.items.as_slice()).unwrap_or_default();
            let done = items.iter().filter(|item| item.approved.is_some()).count();
            if items.is_empty() { "checklist".into() } else { format!("checklist {done}/{}", items.len()) }
        }
        "hold" => format!("bake time{until}"),
        "enter" => format!("hours{until}"),
        "manual" => "by hand".into(),
        "last_stage" => "last stage".into(),
        by => format!("{by}{until}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(all: &str) -> String {
        let all: Rollouts = serde_json::from_str(all).unwrap();
        anstream::adapter::strip_str(&overview(&all, "1970-01-01T00:00:00Z".parse().unwrap(), wrap::UNBROKEN))
            .to_string()
    }

    #[test]
    fn all_rollouts_stand_in_aligned_columns() {
        let text = r#"{"at":"2026-12-02T14:00:00Z","rollouts":[
            {"key":"checkout","percentage":10,"state":{"phase":"running","stage":"canary","percentage":10},
             "stages":[{"name":"team"},{"name":"canary","gates":[{"verdict":"pass"},{"verdict":"fail"}]}],
             "checklist":{"of":"stage","items":[{"item":"a","approved":{"by":"x"}},{"item":"b"},{"item":"c"}]},
             "next":{"command":"advance","stage":"full","percentage":100,"at":"2026-12-02T14:04:00Z"},
             "blocked":[{"by":"hold","until":"2026-12-02T14:04:00Z"},{"by":"gates"},{"by":"checklist"}],
             "faults":[{"subject":"stage/checkout"}]},
            {"key":"ai","state":{"phase":"rolled_back","killed":true,"stage":"half"},"stages":[{"name":"half"}],"blocked":[{"by":"killed","is_state":true},{"by":"last_stage"}]}]}"#;
        assert_eq!(
            shown(text),
            "ROLLOUT   STATE                 STAGE       NOW   NEXT                 BLOCKED BY
checkout  running               canary 2/2  10 %  full 100 % in 4 min  bake time 4 min, gates 1/2, checklist 1/3
ai        killed (rolled back)  half 1/1    0 %   waits for revive     last stage
! checkout has 1 fault: tidegate status checkout"
        );
    }

    #[test]
    fn where_there_is_nothing_the_way_to_something_is_reported() {
        assert_eq!(
            shown(r#"{"rollouts":[]}"#),
            "There are no rollouts yet. Put a plan into force: tidegate apply PLAN.toml"
        );
    }
}
