//! What the words mean, those that this runbook uses.

use super::Writing;
use crate::document::{Block, Table, Text};
use tidegate_model::condition::{Metric, Term, Vital, Window};
use tidegate_model::plan::Plan;

pub(super) fn words(all: &[Writing<'_>]) -> Vec<Block> {
    let has = |is_it: &dyn Fn(&Plan) -> bool| all.iter().any(|own| is_it(own.plan));
    let uses = |is_it: &dyn Fn(&Term) -> bool| {
        has(&|plan| {
            let gates = (0..plan.stages.len()).flat_map(|index| plan.gates_in_force(index)).map(|gate| &gate.when);
            gates.chain(plan.guardrails_in_force().map(|own| &own.when)).flat_map(|own| &own.terms).any(is_it)
        })
    };
    let mut table = Table::new(&["Word", "Meaning"]);
    let mut word = |name: &str, meaning: &str| {
        table.rows.push(vec![Text::default().strong(name), Text::from(meaning)]);
    };
    word("legacy, new", "the old version, and the one that is being released");
    if has(&|plan| plan.is_flag()) {
        word("flag", "a switch that the application asks for: on for some users, its default for all others");
    }
    word("rollout, key", "one release with its rules, and the name under which commands know it");
    word("stage", "a step of the release: a share of the users, for a time");
    word("bake time", "how long a stage lasts at least");
    word("gate", "a figure that must be in order before the next stage; the release waits for it");
    word("guardrail", "a condition that must not come true; when it does, Tidegate acts by itself, within seconds");
    word("rollback", "users go back to legacy; the next try begins at the first stage");
    word("kill", "everybody gets legacy at once, whatever else holds, until somebody revives it");
    word(
        "try",
        "one run through the stages, from the start or a resume to the end or a rollback; in conditions `attempt`",
    );
    if has(&|plan| !plan.freeze.is_empty()) {
        word("change freeze", "hours or days in which no step forward is taken");
    }
    word("instance", "Tidegate runs on many machines at once; each is one");
    word("console", "Tidegate's page in the browser, with the same figures and commands");
    word(
        "KV, bound to",
        "Cloudflare's store of keys and values, which Tidegate reads; `ROLLOUTS` is the name by which the project's `wrangler.toml` binds it",
    );
    if uses(&|term| term.metric.quantile().is_some()) {
        word(
            "p75, p95",
            "the value under which 75, or 95, of 100 lie: `latency.p95` is the 95th percentile of response times",
        );
    }
    if uses(&|term| term.endpoint.is_some()) {
        word("@, endpoint", "only requests to a part of the site");
    }
    if uses(&|term| matches!(term.metric, Metric::Signal(_))) {
        word("signal", "a figure that another system or a person reports, such as tickets or the load of a database");
    }
    if uses(&|term| matches!(term.metric, Metric::Event(_) | Metric::Reporters(_) | Metric::Adoption)) {
        word("reported", "by the site's pages, through Tidegate's script on them");
    }
    if uses(&|term| term.bound.is_legacy()) {
        word("measurably", "by more than chance explains: a sequential test, which may be looked at at any time");
    }
    if uses(&|term| matches!(term.metric, Metric::Vital(Vital::Lcp | Vital::Fcp | Vital::Cls, _))) {
        word(
            "LCP, FCP, CLS",
            "how soon a page shows its largest part, its first part, and how much it jumps while it loads",
        );
    }
    if uses(&|term| matches!(term.over, Some(Window::Stage | Window::Attempt))) {
        word("over stage, over attempt", "in conditions: since the stage, or this try, began");
    }
    vec![Block::Table(table)]
}
