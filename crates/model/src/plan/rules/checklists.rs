//! What nobody could tick: items that stand twice, of a role that there is not, due by a stage that there is not.

use std::collections::HashSet;

use super::Step::{Index, Key};
use super::names::Known;
use super::{Rules, Step};
use crate::fault::{listed, nearest};
use crate::plan::Item;
use crate::plan::checklist::{APPROVALS_MAX, Due};

/// Checks all checklists of a plan.
pub fn check(rules: &mut Rules<'_>, known: &Known<'_>) {
    let plan = rules.plan;
    list(rules, known, &[Key("checklist")], &plan.checklist);
    for (index, stage) in plan.stages.iter().enumerate() {
        list(rules, known, &[Key("stage"), Index(index), Key("checklist")], &stage.checklist);
    }
    list(rules, known, &[Key("after_rollback")], &plan.after_rollback);
}

fn list(rules: &mut Rules<'_>, known: &Known<'_>, steps: &[Step<'_>], items: &[Item]) {
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let at = |key: &'static str| [steps, &[Index(index), Key(key)]].concat();
        if !seen.insert(item.text.as_str()) {
            let message = format!("`{}` stands here twice, and one tick would count for both", item.text);
            rules.unwise(&[steps, &[Index(index)]].concat(), message, None);
        }
        if let Some(role) = &item.role {
            rules.refers(&at("role"), "role", role, &rules.plan.roles, &rules.plan.roles.names().collect());
        }
        if !(1..=APPROVALS_MAX).contains(&item.approvals) {
            let message = format!("{} people cannot approve anything", item.approvals);
            rules.unwise(&at("approvals"), message, format!("1 to {APPROVALS_MAX}"));
        }
        if let Some(Due::Near { anchor, .. }) = &item.due
            && !known.stages.contain(anchor.as_str())
            && !Due::ANCHORS.contains(&anchor.as_str())
        {
            let anchors = || rules.plan.stages.iter().map(|stage| stage.name.as_str()).chain(Due::ANCHORS);
            let help = match nearest(anchor.as_str(), anchors()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", listed(anchors())),
            };
            rules.unwise(&at("due"), format!("no stage is called `{anchor}`"), help);
        }
    }
}
