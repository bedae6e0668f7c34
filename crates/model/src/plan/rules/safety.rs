//! What a careless plan would do to its visitors: go on without having looked, be guarded by nothing, or go
//! back because of what anybody can send.
//!
//! These rules are for whoever writes a plan. One that is stored already is in force as it was accepted, so
//! they do not keep it from being read.

use super::Step::{Index, Key};
use super::{Rules, Step};
use crate::Percentage;
use crate::fault::Faults;
use crate::node::Node;
use crate::plan::words::Action;
use crate::plan::{Guardrail, Plan};

/// Checks one plan.
pub fn check(plan: &Plan, root: &Node) -> Faults {
    let mut rules = Rules::new(plan, root);
    if plan.upstreams.is_some() {
        stages(&mut rules);
        guardrails(&mut rules);
    }
    rules.faults
}

/// Whether more subjects come to new in this stage, and neither time, figures nor people keep it: it is
/// no last stage.
pub(super) fn is_rushed(plan: &Plan, index: usize) -> bool {
    let Some(stage) = plan.stages.get(index) else { return false };
    let before = index
        .checked_sub(1)
        .and_then(|before| plan.stages.get(before))
        .map_or(Percentage::ZERO, |before| before.percentage);
    let waits =
        stage.hold.is_some_and(|hold| hold.as_ms() > 0) || !stage.gates.is_empty() || !stage.checklist.is_empty();
    let is_last = index + 1 == plan.stages.len();
    plan.upstreams.is_some() && plan.advance.is_default() && !is_last && !waits && stage.percentage > before
}

fn stages(rules: &mut Rules<'_>) {
    let plan = rules.plan;
    for (index, stage) in plan.stages.iter().enumerate() {
        if is_rushed(plan, index) {
            let message = format!(
                "the stage `{}` raises the percentage to {} % and has neither a hold nor a gate of its own, so the next stage follows before anyone sees its figures",
                stage.name, stage.percentage
            );
            rules.error(&[Key("stage"), Index(index)], message, "give it a `hold`, such as \"1h\", or `gates`; a `checklist` or `advance = \"manual\"` waits for people".to_owned());
        }
    }
    let Some((index, last)) = plan.stages.len().checked_sub(1).and_then(|index| Some((index, plan.stages.get(index)?)))
    else {
        return;
    };
    let is_held =
        last.hold.is_some_and(|hold| hold.as_ms() > 0) || !last.checklist.is_empty() || !plan.advance.is_default();
    if last.percentage == Percentage::FULL && !is_held {
        let when = if rules.plan.gates_in_force(rules.plan.stages.len().saturating_sub(1)).next().is_none() {
            "as soon as it is entered"
        } else {
            "as soon as its gates pass"
        };
        rules.warn(
            &[Key("stage"), Index(index)],
            format!("the last stage `{}` has no `hold`, so the rollout completes {when}, before anyone has seen it at 100 %", last.name),
            "give it a `hold`, such as \"1d\"".to_owned(),
        );
    }
}

fn guardrails(rules: &mut Rules<'_>) {
    let plan = rules.plan;
    let acts = |guardrail: &&Guardrail| guardrail.does() != Action::Alert;
    let is_beacon = |guardrail: &Guardrail| guardrail.when.terms.iter().all(|term| term.metric.spec().is_from_browsers);
    let own_acts = plan.guardrails.iter().any(|guardrail| acts(&guardrail));
    let at: &[Step<'_>] = if rules.root.field("defaults").is_some() { &[Key("defaults")] } else { &[] };
    if plan.guardrails_in_force().filter(acts).count() == 0 {
        let message = if plan.guardrails.is_empty() {
            "nothing guards this rollout: the built-in guardrails are off, and the plan has none of its own"
        } else {
            "nothing guards this rollout: the built-in guardrails are off, and its own only send alerts"
        };
        rules.warn(at, message.to_owned(), "leave `defaults = \"none\"` out, or add a [[guardrail]] such as `when = \"error_rate > legacy\"` with `then = \"rollback\"`".to_owned());
    } else if !own_acts {
        rules.warn(
            &[],
            "only the built-in guardrails guard this rollout: they see errors and 4xx, and neither slow pages nor what fails in the browser".to_owned(),
            "add a [[guardrail]] such as `when = \"latency.p95 > 1.3x legacy\"` with `then = \"rollback\"`".to_owned(),
        );
    }
    let is_back = |guardrail: &Guardrail| matches!(guardrail.does(), Action::Rollback | Action::Off | Action::Previous);
    let on_beacons: Vec<(usize, &Guardrail)> = plan
        .guardrails
        .iter()
        .enumerate()
        .filter(|(_, guardrail)| is_back(guardrail) && is_beacon(guardrail))
        .collect();
    let Some((first, _)) = on_beacons.first() else { return };
    let all: Vec<String> = on_beacons.iter().map(|(_, guardrail)| format!("`{}`", guardrail.when)).collect();
    let is_all = plan.guardrails_in_force().filter(acts).all(is_beacon);
    let rest = if is_all { ", and nothing else guards this rollout" } else { "" };
    rules.warn(
        &[Key("guardrail"), Index(*first), Key("when")],
        format!("a rollback rests on what browsers report alone, which anybody can send: {}{rest}", all.join(", ")),
        "`then = \"pause\"` or `\"alert\"` lets people look first; `and error_rate > legacy` asks for what Tidegate counts itself".to_owned(),
    );
}

#[cfg(test)]
mod tests {
    use crate::fault::Severity;
    use crate::node::Node;
    use crate::plan::read;

    const ROUTED: &str = r#""routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},"identity":{"from":["header:id"],"anonymous":false},"#;
    const GUARD: &str = r#""guardrail":[{"when":"latency.p95 > 1.5x legacy","then":"rollback"}]"#;

    /// What is said of a plan, and whether it may be stored and what is stored be read.
    fn found(head: &str, stages: &str, rest: &str) -> (Vec<String>, bool, bool) {
        let text = format!(r#"{{"key":"shop",{head}"stage":[{stages}],{rest}}}"#);
        let node: Node = serde_json::from_str(&text).unwrap();
        let (plan, faults) = read::plan(&node);
        let said = |severity| if severity == Severity::Error { "error" } else { "warning" };
        (
            faults.iter().map(|fault| format!("{} {}: {}", said(fault.severity), fault.path, fault.message)).collect(),
            plan.is_some(),
            read::stored(&node).0.is_some(),
        )
    }

    const FULL: &str = r#"{"name":"full","percentage":100,"hold":"1h"}"#;

    #[test]
    fn a_stage_that_raises_the_percentage_is_watched() {
        let rushed = [
            r#"{"name":"a","percentage":5}"#,
            r#"{"name":"a","percentage":5,"hold":"0s"}"#,
            r#"{"name":"a","percentage":100}"#,
        ];
        for stage in rushed {
            let (faults, is_new, is_stored) = found(ROUTED, &format!("{stage},{FULL}"), GUARD);
            assert!(
                faults.len() == 1 && faults[0].starts_with("error stage[0]: the stage `a` raises the percentage to"),
                "{stage}: {faults:?}"
            );
            assert_eq!((is_new, is_stored), (false, true), "what is stored is in force");
        }
        for more in [r#""hold":"1m""#, r#""gates":["requests > 50 over stage"]"#, r#""checklist":["Looked at"]"#] {
            assert_eq!(
                found(ROUTED, &format!(r#"{{"name":"a","percentage":5,{more}}},{FULL}"#), GUARD).0,
                [""; 0],
                "{more}"
            );
        }
        let manual = format!(r#"{GUARD},"advance":"manual""#);
        assert_eq!(found(ROUTED, &format!("{},{FULL}", rushed[0]), &manual).0, [""; 0]);
        let second = format!(r#"{{"name":"a","percentage":5,"hold":"1h"}},{{"name":"b","percentage":50}},{FULL}"#);
        assert!(found(ROUTED, &second, GUARD).0[0].starts_with("error stage[1]: the stage `b`"));
        // Nobody more comes to new, or it routes nothing: only a warning.
        let level = format!(r#"{{"name":"a","percentage":5,"hold":"1h"}},{{"name":"b","percentage":5}},{FULL}"#);
        assert_eq!(
            found(ROUTED, &level, GUARD).0,
            ["warning stage[1]: the stage `b` is left as soon as it is entered"]
        );
        let flag = format!("{},{FULL}", rushed[0]);
        assert_eq!(
            found("", &flag, r#""defaults":"none""#).0,
            ["warning stage[0]: the stage `a` is left as soon as it is entered"]
        );
    }

    #[test]
    fn a_last_stage_is_held() {
        let last = |more: &str| {
            found(
                ROUTED,
                &format!(r#"{{"name":"a","percentage":5,"hold":"1h"}},{{"name":"full","percentage":100{more}}}"#),
                GUARD,
            )
            .0
        };
        assert_eq!(
            last(""),
            [
                "warning stage[1]: the last stage `full` has no `hold`, so the rollout completes as soon as its gates pass, before anyone has seen it at 100 %"
            ]
        );
        assert!(
            found(ROUTED, r#"{"name":"full","percentage":100}"#, r#""defaults":"none""#)
                .0
                .iter()
                .any(|found| found.contains("completes as soon as it is entered"))
        );
        assert_eq!(last(r#","hold":"1h""#), [""; 0]);
        assert_eq!(last(r#","checklist":["Looked at"]"#), [""; 0]);
        assert_eq!(found(ROUTED, r#"{"name":"half","percentage":50}"#, GUARD).0, [""; 0], "it stays there");
    }

    #[test]
    fn something_guards_and_not_beacons_alone() {
        let of = |rest: &str| found(ROUTED, FULL, rest).0;
        assert!(of(r#""defaults":"none""#)[0].starts_with(
            "warning defaults: nothing guards this rollout: the built-in guardrails are off, and the plan has none"
        ));
        assert!(
            of(r#""defaults":"none","guardrail":[{"when":"errors > 5","then":"alert"}]"#)[0]
                .ends_with("its own only send alerts")
        );
        assert!(
            of(r#""defaults":"builtin""#)[0].starts_with("warning : only the built-in guardrails guard this rollout")
        );
        let beacons = of(
            r#""guardrail":[{"when":"js_error_rate > 2%","then":"rollback"},{"when":"event.oops > 1% and lcp.p75 > 4s","then":"off"},{"when":"js_errors > 9","then":"alert"}]"#,
        );
        assert_eq!(
            beacons,
            [
                "warning guardrail[0].when: a rollback rests on what browsers report alone, which anybody can send: `js_error_rate > 2%`, `event.oops > 1% and lcp.p75 > 4s`"
            ]
        );
        let alone = of(r#""defaults":"none","guardrail":[{"when":"js_error_rate > 2%","then":"rollback"}]"#);
        assert!(
            alone.len() == 1 && alone[0].ends_with("`js_error_rate > 2%`, and nothing else guards this rollout"),
            "{alone:?}"
        );
        assert_eq!(
            of(r#""guardrail":[{"when":"js_error_rate > 2% and error_rate > legacy","then":"rollback"}]"#),
            [""; 0]
        );
    }
}
