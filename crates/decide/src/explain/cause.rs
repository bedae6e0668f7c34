//! What led to a change: in full, and in a few words that fit into a headline; and how gates stood and stand.

use super::super::judge::{Judgement, Verdict};
use super::{measured, or_unknown, span};
use tidegate_model::command::Command;
use tidegate_model::figure::{Basis, Figure};
use tidegate_model::history::{Entry, EntryCause, GatesLeft, KvFound};

/// What decided, in a few words that fit into a headline: `error_rate is 5.1 % over 5m`. Nothing where a person did.
pub fn cause(entry: &Entry) -> Option<String> {
    match &entry.cause {
        Some(EntryCause::Guardrail { condition, .. }) => {
            let known = entry.measured.iter().find(|own| own.value.is_some());
            Some(known.map_or_else(|| format!("`{condition}` came true"), briefly))
        }
        Some(EntryCause::Problem { problem, .. }) => Some(format!("the problem `{problem}` was found")),
        Some(EntryCause::Hook { hook, .. }) => Some(format!("the hook `{hook}` says stop")),
        _ => None,
    }
}

/// What was measured, in a few words.
fn briefly(figure: &Figure) -> String {
    let name = &figure.metric;
    let recent = figure.now.as_ref().filter(|now| now.value.is_some());
    let value = or_unknown(figure.unit, recent.and_then(|now| now.value).or(figure.value));
    let legacy = or_unknown(figure.unit, recent.and_then(|now| now.legacy).or(figure.legacy));
    match figure.basis {
        Basis::Legacy => format!("{name} is {value} on new, {legacy} on legacy"),
        Basis::LegacyBefore => {
            let (new, legacy) = (or_unknown(figure.unit, figure.value), or_unknown(figure.unit, figure.legacy));
            format!("{name} is {new} on new, and was {legacy} on legacy")
        }
        Basis::Limit => format!("{name} is {}{}", or_unknown(figure.unit, figure.value), span(figure)),
        Basis::OwnPast | Basis::SampleRatio => measured(figure),
    }
}

/// Why a rollout was changed, as the end of a sentence.
pub fn because(command: &Command, cause: Option<&EntryCause>, reason: &str) -> String {
    match cause {
        // Whoever gives a reason says it better, and entries of before have nothing else.
        _ if !reason.is_empty() => reason.to_owned(),
        Some(EntryCause::Guardrail { condition, .. }) => format!("the guardrail `{condition}` came true"),
        Some(EntryCause::Served { header }) if header.contains(' ') => format!("the `{header}` says so"),
        Some(EntryCause::Served { header }) => format!("its answers say so in `{header}`"),
        Some(EntryCause::Kv { key, text, found }) => kv(key, text.as_deref(), *found),
        Some(EntryCause::Schedule { stage, hold, after, gates }) => {
            scheduled(command, (stage.as_deref(), hold.as_deref()), *gates, &after.join(", "))
        }
        Some(EntryCause::Problem { problem, found }) if found.is_empty() => {
            format!("the problem `{problem}` was found")
        }
        Some(EntryCause::Problem { problem, found }) => format!("the problem `{problem}` was found: {found}"),
        Some(EntryCause::Hook { hook, said }) if said.is_empty() => format!("the hook `{hook}` says stop"),
        Some(EntryCause::Hook { hook, said }) => format!("the hook `{hook}` says stop: {said}"),
        _ if matches!(command, Command::Apply { .. }) => "a plan was applied".to_owned(),
        _ => String::new(),
    }
}

fn kv(key: &str, text: Option<&str>, found: KvFound) -> String {
    match found {
        KvFound::Text => match text {
            Some(text) => format!("the KV key `{key}` was set to `{}`", text.trim()),
            None => format!("the KV key `{key}` was written by hand"),
        },
        KvFound::EditedState => format!("the state under the KV key `{key}` was edited"),
        KvFound::EarlierState => format!("the KV key `{key}` held this before the controller knew the rollout"),
        KvFound::Gone => format!("the KV key `{key}` has been gone for two minutes"),
        KvFound::Key => format!("the KV key `{key}` exists"),
    }
}

fn scheduled(
    command: &Command,
    (stage, hold): (Option<&str>, Option<&str>),
    gates: Option<GatesLeft>,
    after: &str,
) -> String {
    match (command, stage, hold) {
        (Command::Start, ..) => "the plan's start has come, and its checklist is approved".to_owned(),
        (Command::Release, ..) => format!("the rollouts before it have ended: {after}"),
        (Command::Wait, ..) => format!("a rollout before it runs again: {after}"),
        (_, Some(stage), Some(hold)) => format!("bake time of {stage} ({hold}) over, {}", gates_left(gates)),
        (_, Some(stage), None) => format!("in {stage}, {}", gates_left(gates)),
        _ => String::new(),
    }
}

/// With which gates a stage was left: `all 3 gates passed`, `1 of 3 gates passed, 2 undecided and let through`.
pub fn gates_left(gates: Option<GatesLeft>) -> String {
    let Some(GatesLeft { met, undecided }) = gates else { return "all gates passed".to_owned() };
    match (met, undecided) {
        (0, 0) => "no gates to pass".to_owned(),
        (1, 0) => "its gate passed".to_owned(),
        (2, 0) => "both gates passed".to_owned(),
        (met, 0) => format!("all {met} gates passed"),
        (met, undecided) => {
            let gates = if met + undecided == 1 { "gate" } else { "gates" };
            format!("{met} of {} {gates} passed, {undecided} undecided and {LET_THROUGH}", met + undecided)
        }
    }
}

/// What a gate is that passes although its comparison cannot tell.
pub const LET_THROUGH: &str = "let through (the plan asks only that new is not shown to be worse)";

/// How the gates of the present stage stand: `2 of 4 gates met, 1 let through undecided, 1 waits for data`.
pub fn gates(gates: &[Judgement]) -> String {
    let count = |verdict: Verdict| gates.iter().filter(|own| own.verdict == verdict).count();
    let let_through = gates.iter().filter(|own| own.is_let_through()).count();
    let met = count(Verdict::Pass) - let_through;
    let word = if gates.len() == 1 { "gate" } else { "gates" };
    let parts = [
        (let_through, "let through undecided"),
        (count(Verdict::Fail), "not met"),
        (count(Verdict::Inconclusive), "without enough data"),
    ];
    let parts: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}")).collect();
    if gates.is_empty() { "no gates".to_owned() } else { format!("{met} of {} {word} met{parts}", gates.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::figure::{Because, Now, Stands, Unit};

    #[test]
    fn a_stage_is_left_with_its_gates_counted_and_what_was_undecided_said() {
        let why = |hold: Option<&str>, gates: Option<(usize, usize)>| {
            let gates = gates.map(|(met, undecided)| GatesLeft { met, undecided });
            let (stage, hold) = (Some("canary".to_owned()), hold.map(str::to_owned));
            let cause = EntryCause::Schedule { stage, hold, after: Vec::new(), gates };
            because(&Command::Advance, Some(&cause), "")
        };
        let through = "let through (the plan asks only that new is not shown to be worse)";
        assert_eq!(why(Some("1h"), Some((3, 0))), "bake time of canary (1h) over, all 3 gates passed");
        assert_eq!(
            why(Some("1h"), Some((1, 2))),
            format!("bake time of canary (1h) over, 1 of 3 gates passed, 2 undecided and {through}")
        );
        assert_eq!(
            why(Some("1h"), Some((0, 1))),
            format!("bake time of canary (1h) over, 0 of 1 gate passed, 1 undecided and {through}")
        );
        assert_eq!(why(None, Some((1, 0))), "in canary, its gate passed");
        assert_eq!(why(Some("1h"), Some((0, 0))), "bake time of canary (1h) over, no gates to pass");
        assert_eq!(why(Some("1h"), None), "bake time of canary (1h) over, all gates passed", "an entry of before");
    }

    #[test]
    fn gates_that_are_undecided_are_not_counted_as_met() {
        let judged = |verdict, because, stands| Judgement {
            verdict,
            figures: vec![Figure { because, stands, ..Figure::default() }],
            ..Judgement::default()
        };
        let met = judged(Verdict::Pass, Because::NotShownWorse, Some(Stands::NotWorse));
        let undecided = judged(Verdict::Pass, Because::NotShownWorse, Some(Stands::Unclear));
        let waiting = judged(Verdict::Inconclusive, Because::FewAffected, Some(Stands::Unclear));
        let failing = judged(Verdict::Fail, Because::Contrary, Some(Stands::Worse));
        assert_eq!(gates(&[]), "no gates");
        assert_eq!(gates(std::slice::from_ref(&met)), "1 of 1 gate met");
        assert_eq!(
            gates(&[met, undecided, waiting, failing]),
            "1 of 4 gates met, 1 let through undecided, 1 not met, 1 without enough data"
        );
    }

    #[test]
    fn what_decided_is_said_with_its_figures_and_nothing_else() {
        let share = |basis| Figure {
            metric: "error_rate".into(),
            unit: Unit::Share,
            value: Some(0.051),
            basis,
            ..Figure::default()
        };
        let limit = Figure { span: Some("5m".into()), ..share(Basis::Limit) };
        assert_eq!(briefly(&limit), "error_rate is 5.1 % over 5m");
        let legacy = Figure { legacy: Some(0.001), ..share(Basis::Legacy) };
        assert_eq!(briefly(&legacy), "error_rate is 5.1 % on new, 0.1 % on legacy");
        let now = Now { value: Some(0.2), legacy: Some(0.002), minutes: 1, ..Now::default() };
        let recent = Figure { now: Some(now), ..legacy };
        assert_eq!(briefly(&recent), "error_rate is 20 % on new, 0.2 % on legacy");
        let before = Figure { legacy: Some(0.001), ..share(Basis::LegacyBefore) };
        assert_eq!(briefly(&before), "error_rate is 5.1 % on new, and was 0.1 % on legacy");
    }
}
