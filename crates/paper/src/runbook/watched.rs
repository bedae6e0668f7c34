//! What is watched: each figure, where it comes from, and what it must be for the release to go on. What happens when
//! it gets worse is the decision tree's.

use super::together::{merged, whose};
use super::{IntoList as _, Writing};
use crate::document::{Block, Table, Text};
use tidegate_decide::explain::{self, counted_from_two, listed, readable, spelled};
use tidegate_model::condition::{Condition, Dimension, Metric, Op, Term, Window};
use tidegate_model::plan::Probe;

/// A figure: its name, what it is, and what it must be to leave a stage.
type Row = (String, String, String);

/// All figures, of several rollouts each once.
pub(super) fn watched(all: &[Writing<'_>]) -> Vec<Block> {
    let rows = merged(all.iter().flat_map(|own| own.figures().into_iter().map(|row| (own.plan.key.as_str(), row))));
    let Some(first) = all.first().filter(|_| !rows.is_empty()) else { return Vec::new() };
    let mut table = Table::new(&["Figure", "What it is", "To leave a stage"]);
    if all.len() > 1 {
        table.head.push("Of");
    }
    for ((name, meaning, targets), keys) in rows {
        let mut row = vec![Text::default().code(name), Text::from(meaning), Text::from(targets)];
        if all.len() > 1 {
            row.push(Text::from(whose(&keys, all)));
        }
        table.rows.push(row);
    }
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(all.iter().flat_map(Writing::probes).collect::<Vec<_>>().into_list());
    let mut words = format!(
        "All figures of this moment: `tidegate status {}`, or the console. Of too few observations (50, where a condition names no other number) a rate or a percentile decides nothing: the release neither goes on nor back by it. Counts of tickets, reports and users count from the first one on.",
        first.key()
    );
    let gates =
        |own: &Writing<'_>| own.plan.stages.iter().flat_map(|stage| &stage.gates).any(|gate| counts_up(&gate.when));
    if all.iter().any(gates) {
        words.push_str(&format!(
            " A gate on a count over the whole stage or try that has failed stays so, until another build of the new version or the next try begins the count anew, or somebody goes on by `tidegate advance {}`.",
            first.key()
        ));
    }
    blocks.push(Block::Paragraph(Text::from(words)));
    blocks
}

/// Whether it bounds what only grows.
fn counts_up(condition: &Condition) -> bool {
    condition.terms.iter().any(|term| {
        let is_count = matches!(term.metric, Metric::Signal(_)) || term.metric.spec().dimension == Dimension::Count;
        let is_bounded = matches!(term.op, Op::Less | Op::AtMost | Op::Equal);
        is_count && is_bounded && matches!(term.over, Some(Window::Stage | Window::Attempt))
    })
}

impl Writing<'_> {
    fn figures(&self) -> Vec<Row> {
        let plan = self.plan;
        let row = |(name, meaning): (String, String)| {
            let has = |condition: &Condition| condition.terms.iter().any(|own| own.metric_at_endpoint() == name);
            let mut targets: Vec<(String, Vec<&str>)> = Vec::new();
            for (index, stage) in plan.stages.iter().enumerate() {
                for gate in plan.gates_in_force(index).filter(|gate| has(&gate.when)) {
                    let text = terms_of(&gate.when, &name);
                    match targets.iter_mut().find(|(own, _)| *own == text) {
                        Some((_, stages)) => stages.push(stage.name.as_str()),
                        None => targets.push((text, vec![stage.name.as_str()])),
                    }
                }
            }
            let texts = targets.into_iter().map(|(text, stages)| {
                let is_everywhere = stages.len() == plan.stages.len();
                if is_everywhere { format!("`{text}`") } else { format!("`{text}` ({})", listed(&stages)) }
            });
            let targets = texts.collect::<Vec<_>>().join("; ");
            (name, meaning, targets)
        };
        self.metrics().into_iter().map(row).collect()
    }

    /// The metrics that conditions name, each once, with what each is.
    fn metrics(&self) -> Vec<(String, String)> {
        let plan = self.plan;
        let gates = (0..plan.stages.len()).flat_map(|index| plan.gates_in_force(index)).map(|gate| &gate.when);
        let conditions = gates.chain(plan.guardrails_in_force().map(|own| &own.when));
        let mut all: Vec<(String, String)> = Vec::new();
        for term in conditions.flat_map(|own| &own.terms) {
            let name = term.metric_at_endpoint();
            if name != "percentage" && !all.iter().any(|(own, _)| *own == name) {
                all.push((name, self.meaning(term)));
            }
        }
        all
    }

    fn meaning(&self, term: &Term) -> String {
        let name = term.metric.to_string();
        let signal = name.strip_prefix("signal.").and_then(|name| self.plan.signals.get(name));
        match signal.and_then(|signal| signal.description.as_deref()) {
            Some(description) => description.to_owned(),
            None => {
                let at = term.endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
                format!("{}{at}", explain::metric(&term.metric))
            }
        }
    }

    /// The pages that the controller asks for by itself.
    fn probes(&self) -> Vec<Text> {
        let probe = |own: &Probe| {
            let sides: Vec<String> = own.on.iter().map(ToString::to_string).collect();
            let mut expected = vec![format!("status {}", own.expect.status)];
            expected.extend(own.expect.contains.as_ref().map(|text| format!("with “{text}”")));
            expected.extend(own.expect.under.map(|under| format!("within {}", spelled(&under.to_string()))));
            Text::from(format!(
                "Probe {}: Tidegate asks for `{}` on {} every {}; expected: {}",
                readable(own.name.as_str()),
                own.path,
                sides.join(" and "),
                counted_from_two(&own.every),
                expected.join(", ")
            ))
        };
        self.plan.probes.iter().map(probe).collect()
    }
}

/// Of a condition, what it says of one metric; all of it where others come in.
fn terms_of(condition: &Condition, metric: &str) -> String {
    let text = condition.to_string();
    text.strip_prefix(metric).filter(|_| condition.terms.len() == 1).map_or(text.clone(), |rest| rest.trim().to_owned())
}
