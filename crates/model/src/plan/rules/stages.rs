//! Stages that cannot be reached, that fall, or that are left as soon as they are entered.

use super::Step::{Index, Key};
use super::names::Known;
use super::{Rules, Step, safety};
use crate::calendar::Window;
use crate::plan::moment::Moment;
use crate::plan::{Plan, Stage};
use crate::weekly::Closed;
use crate::{Duration, Percentage};

/// Checks the stages of a plan.
pub fn check<'a>(rules: &mut Rules<'a>, known: &Known<'_>) {
    let plan = rules.plan;
    let closed = Closed::of(plan.freeze.iter().filter_map(Window::weekly));
    if plan.stages.is_empty() {
        rules.error(
            &[Key("stage")],
            "the plan has no stage".into(),
            "add [[stage]] with `name` and `percentage`".to_owned(),
        );
    }
    let mut highest = Percentage::ZERO;
    for (index, stage) in plan.stages.iter().enumerate() {
        let at = |rest: &[Step<'a>]| [&[Key("stage"), Index(index)], rest].concat();
        if plan.stage_index(stage.name.as_str()).is_some_and(|first| first < index) {
            rules.error(
                &at(&[Key("name")]),
                format!("two stages are called `{}`, so this one cannot be reached", stage.name),
                None,
            );
        }
        if stage.percentage < highest {
            rules.error(
                &at(&[Key("percentage")]),
                format!("the percentage falls from {highest} to {}", stage.percentage),
                "stages only widen; a way back is a rollback".to_owned(),
            );
        }
        highest = highest.max(stage.percentage);
        if !stage.enter.is_empty() && stage.enter.iter().all(|window| is_frozen(plan, &closed, window)) {
            rules.unwise(
                &at(&[Key("enter")]),
                format!(
                    "the stage `{}` cannot be reached: `freeze` covers every moment at which it may be entered",
                    stage.name
                ),
                None,
            );
        }
        for (n, name) in stage.groups.iter().enumerate() {
            rules.refers(&at(&[Key("groups"), Index(n)]), "group", name, &plan.groups, &known.groups);
            if known.excluded.contain(name.as_str()) {
                rules.warn(
                    &at(&[Key("groups"), Index(n)]),
                    format!("the group `{name}` is excluded, and that wins"),
                    None,
                );
            }
        }
        for (n, gate) in stage.gates.iter().enumerate() {
            rules.condition(&at(&[Key("gates"), Index(n)]), &gate.when, known);
            let compares = gate.when.terms.iter().any(|term| term.bound.is_legacy());
            if compares && stage.percentage == Percentage::FULL && plan.holdout == Percentage::ZERO {
                rules.warn(
                    &at(&[Key("gates"), Index(n)]),
                    "at 100 % legacy has no traffic to compare with".into(),
                    "its figures of the last day are used; `holdout = \"1%\"` would keep a live comparison".to_owned(),
                );
            }
        }
        ambiguous(rules, known, index, stage);
        deadline(rules, index, stage);
        let is_last = index + 1 == plan.stages.len();
        let waits = stage.hold.is_some() || !stage.gates.is_empty() || !stage.checklist.is_empty();
        if !is_last && !waits && plan.advance.is_default() && !safety::is_rushed(plan, index) {
            rules.warn(
                &at(&[]),
                format!("the stage `{}` is left as soon as it is entered", stage.name),
                "give it a `hold`, `gates` or a `checklist`".to_owned(),
            );
        }
    }
}

/// Names by which moments and `tidegate wait` mean something else than a stage. No error: the stage of a rollout that runs
/// cannot be renamed.
fn ambiguous(rules: &mut Rules<'_>, known: &Known<'_>, index: usize, stage: &Stage) {
    let name = stage.name.as_str();
    let is_anchor = |word: &str| Moment::ANCHORS.contains(&word);
    let before = name.rsplit_once('-').filter(|(anchor, offset)| {
        (is_anchor(anchor) || known.stages.contain(anchor)) && offset.parse::<Duration>().is_ok()
    });
    let means = match (name, before) {
        ("completed" | "ended", _) => {
            format!("`tidegate wait --until {name}` waits for the end of the rollout, not for this stage")
        }
        (_, Some((anchor, offset))) => {
            format!("in a moment, `{name}` means this stage, and no longer {offset} before `{anchor}`")
        }
        (Moment::INCIDENT, _) => {
            "in a moment, `incident` means this stage, so no message goes out at an incident".to_owned()
        }
        _ if is_anchor(name) => {
            format!("in a moment, `{name}` means the {name} of the rollout or this stage, whichever comes first")
        }
        _ => return,
    };
    let message = format!("a stage is called `{name}`: {means}");
    rules.warn(&[Key("stage"), Index(index), Key("name")], message, "give it another name".to_owned());
}

fn deadline(rules: &mut Rules<'_>, index: usize, stage: &Stage) {
    let hold = stage.hold.map_or(0, Duration::as_ms);
    let Some(deadline) = stage.deadline.filter(|deadline| deadline.as_ms() <= hold) else { return };
    let over = stage.hold.map_or_else(
        || "it would be over at once".to_owned(),
        |hold| format!("{deadline} is over before the bake time of {hold} is"),
    );
    let help = "a longer one, such as `2w`, or leave it out".to_owned();
    rules.unwise(&[Key("stage"), Index(index), Key("deadline")], over, help);
}

/// Whether no moment of a window is free of the plan's freeze.
fn is_frozen(plan: &Plan, closed: &Closed, window: &Window) -> bool {
    match window {
        Window::Weekly(weekly) => closed.covers(weekly),
        Window::Days(days) => plan
            .freeze
            .iter()
            .filter_map(Window::days)
            .any(|frozen| frozen.start() <= days.start() && days.end() <= frozen.end()),
    }
}

#[cfg(test)]
mod tests {
    use crate::node::Node;
    use crate::plan::read;

    #[test]
    fn a_stage_whose_name_means_something_else_is_warned_of() {
        let found = |first: &str, second: &str| {
            let text = format!(
                r#"{{"key":"shop","stage":[{{"name":"{first}","percentage":10,"hold":"1h"}},{{"name":"{second}","percentage":100,"hold":"1h"}}]}}"#
            );
            let node: Node = serde_json::from_str(&text).unwrap();
            let faults: Vec<String> = read::plan(&node).1.iter().map(ToString::to_string).collect();
            faults.into_iter().filter(|fault| fault.contains("a stage is called")).collect::<Vec<_>>()
        };
        assert_eq!(found("canary", "full"), [""; 0]);
        assert_eq!(found("beta-2", "beta-one"), [""; 0], "no offset");
        for name in ["start", "end", "rollback"] {
            let means = format!("`{name}` means the {name} of the rollout or this stage, whichever comes first");
            assert_eq!(
                found(name, "full"),
                [format!("stage[0].name: a stage is called `{name}`: in a moment, {means} (give it another name)")]
            );
        }
        assert_eq!(
            found("incident", "full"),
            [
                "stage[0].name: a stage is called `incident`: in a moment, `incident` means this stage, so no message goes out at an incident (give it another name)"
            ]
        );
        assert_eq!(
            found("beta", "beta-1d"),
            [
                "stage[1].name: a stage is called `beta-1d`: in a moment, `beta-1d` means this stage, and no longer 1d before `beta` (give it another name)"
            ]
        );
        assert_eq!(
            found("canary", "completed"),
            [
                "stage[1].name: a stage is called `completed`: `tidegate wait --until completed` waits for the end of the rollout, not for this stage (give it another name)"
            ]
        );
    }

    #[test]
    fn a_deadline_lies_behind_the_bake_time() {
        for (stage, expected) in [
            (r#""hold":"1d","deadline":"2d""#, None),
            (r#""deadline":"2d""#, None),
            (
                r#""hold":"2d","deadline":"2d""#,
                Some(
                    "stage[0].deadline: 2d is over before the bake time of 2d is (a longer one, such as `2w`, or leave it out)",
                ),
            ),
            (
                r#""hold":"1w","deadline":"2d""#,
                Some(
                    "stage[0].deadline: 2d is over before the bake time of 1w is (a longer one, such as `2w`, or leave it out)",
                ),
            ),
            (
                r#""deadline":"0d""#,
                Some("stage[0].deadline: it would be over at once (a longer one, such as `2w`, or leave it out)"),
            ),
        ] {
            let text = format!(r#"{{"key":"shop","stage":[{{"name":"full","percentage":100,{stage}}}]}}"#);
            let node: Node = serde_json::from_str(&text).unwrap();
            let faults: Vec<String> = read::plan(&node).1.iter().map(ToString::to_string).collect();
            assert_eq!(faults.iter().find(|fault| fault.contains("deadline")).map(String::as_str), expected, "{stage}");
        }
    }
}
