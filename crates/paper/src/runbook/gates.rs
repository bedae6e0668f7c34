//! Go or no-go: what is measured and what people tick, before the start, before a stage is left, after a rollback.

use super::Writing;
use super::messages::near;
use crate::document::{Block, Check, Text, Tone};
use tidegate_decide::explain::{self, sentence, spelled};
use tidegate_decide::timeline::Premise;
use tidegate_model::Percentage;
use tidegate_model::condition::{Bound, Metric};
use tidegate_model::plan::checklist::Due;
use tidegate_model::plan::{Gate, Item, Stage, Start};
use tidegate_model::record::Checklist;

/// So many gates and items are said once, of the first stage that has them.
const ALIKE_MIN: usize = 2;

impl Writing<'_> {
    pub(super) fn before_start(&self) -> Vec<Block> {
        let plan = self.plan;
        let items = &plan.checklist;
        let ticked = if items.is_empty() { "" } else { ", once all of this is ticked" };
        let when = match plan.start {
            Some(Start::At(at)) => format!("It starts by itself on {}{ticked}.", self.at(at)),
            Some(Start::OnDeploy) => format!("It starts by itself when another version of new is deployed{ticked}."),
            None if items.is_empty() => return Vec::new(),
            None if plan.after.is_empty() => format!("Somebody starts it by `tidegate start {}`{ticked}.", self.key()),
            None => {
                format!("Started, it waits for the rollouts before it; it begins{}.", ticked.trim_start_matches(','))
            }
        };
        let mut blocks = vec![Block::Paragraph(Text::from(when))];
        if !items.is_empty() {
            blocks.push(Block::Checks(self.checks(&Checklist::Start, items)));
            blocks.push(Block::Paragraph(Text::from(format!(
                "`tidegate approve {key}` lists what is open, `tidegate approve {key} NUMBER` ticks it; so does the console.",
                key = self.key()
            ))));
        }
        blocks
    }

    pub(super) fn after_rollback(&self) -> Vec<Block> {
        let items = &self.plan.after_rollback;
        if items.is_empty() {
            return Vec::new();
        }
        let key = self.key();
        vec![
            Block::Checks(self.checks(&Checklist::Rollback, items)),
            Block::Paragraph(Text::from(format!(
                "Tick each with `tidegate approve {key} NUMBER`. Then `tidegate resume {key}` begins the next try at the first stage."
            ))),
        ]
    }

    fn checks(&self, of: &Checklist, items: &[Item]) -> Vec<Check> {
        items.iter().map(|item| self.check(of, item)).collect()
    }

    fn check(&self, of: &Checklist, item: &Item) -> Check {
        let mut details = Vec::new();
        if let Some(owner) = &item.owner {
            details.push(Text::from(format!("owner: {}", self.who(owner))));
        }
        if let Some(role) = &item.role {
            details.push(Text::from(format!("only {} may tick it", self.who(role.as_str()))));
        }
        if item.approvals > 1 {
            details.push(Text::from(format!("by {} different people", item.approvals)));
        }
        details.extend(self.due(item).map(Text::from));
        details.extend(item.note.as_deref().map(Text::from));
        details.extend(item.link.as_ref().map(|link| Text::default().link(link.to_string(), link.to_string())));
        let Some(record) = self.subject.record else {
            return Check { is_done: false, text: Text::from(item.text.as_str()), details };
        };
        for approval in record.approvals(of, &item.text) {
            details.push(Text::default().toned(Tone::Good, format!("{}, {}", approval.by, self.at(approval.at))));
        }
        Check { is_done: record.approval(of, item).is_some(), text: Text::from(item.text.as_str()), details }
    }

    /// By when, where the item says it: the plan's own words, with a date where they are relative.
    fn due(&self, item: &Item) -> Option<String> {
        let due = item.due.as_ref()?;
        // What hangs on a start that nobody has planned has no date.
        let has_date = self.forecast.premise != Some(Premise::Start);
        let at = self.forecast.due(self.plan, Some(due), None).filter(|_| has_date);
        Some(match (due, at) {
            (Due::Day(day), _) => format!("by the end of {day}"),
            (Due::At(at), _) => format!("by {}", self.at(*at)),
            (Due::Near { anchor, offset, then }, at) => {
                let words = near(anchor.as_str(), offset.as_ref(), then.as_ref());
                let at = at.map(|at| format!("{}: ", self.at(at)));
                format!("by {}{words}", at.unwrap_or_default())
            }
        })
    }

    /// What is asked before a stage is left: what is measured, and what people tick.
    pub(super) fn go_or_no_go(&self, index: usize, stage: &Stage) -> Vec<Block> {
        let plan = self.plan;
        let to = match plan.stages.get(index + 1) {
            Some(next) => format!("Go or no-go, to leave it for {} ({} %)", next.name, next.percentage),
            None if stage.percentage == Percentage::FULL => "Go or no-go, to complete".to_owned(),
            None => format!(
                "It stays at {} %; to complete it by hand would put everybody on the new version. It counts as ended by itself, and what comes after it may begin, once",
                stage.percentage
            ),
        };
        let gates: Vec<(&Gate, bool)> =
            plan.gates_in_force(index).enumerate().map(|(n, gate)| (gate, n >= stage.gates.len())).collect();
        if gates.is_empty() && stage.checklist.is_empty() {
            let then = if index + 1 < plan.stages.len() { "the next stage follows" } else { "it is complete" };
            let text = format!("When its time is over {then}: no gate and no item of a checklist stands before it.");
            return vec![Block::Paragraph(Text::from(text))];
        }
        // Beside other rollouts, what an earlier stage asks for is not said again.
        let earlier = plan.stages.iter().take(index).filter(|_| self.is_one_of_many);
        let same = earlier
            .filter(|own| own.percentage > Percentage::ZERO && own.gates.len() + own.checklist.len() >= ALIKE_MIN)
            .find(|own| {
                own.gates.iter().all(|gate| stage.gates.contains(gate))
                    && own.checklist.iter().all(|item| stage.checklist.contains(item))
            });
        let is_said = |gate: &Gate| same.is_some_and(|own| own.gates.contains(gate) || !stage.gates.contains(gate));
        let gates: Vec<_> = gates.into_iter().filter(|(gate, _)| !is_said(gate)).collect();
        let items = stage.checklist.iter().filter(|item| same.is_none_or(|own| !own.checklist.contains(item)));
        let items: Vec<Item> = items.cloned().collect();
        let title = match same {
            Some(same) if gates.is_empty() && items.is_empty() => format!("{to}: as for {}.", same.name),
            Some(same) => format!("{to}: as for {}, and besides:", same.name),
            None => format!("{to}:"),
        };
        let mut blocks = vec![Block::Paragraph(strong_with_code(&title))];
        if !gates.is_empty() {
            blocks.push(Block::List(gates.iter().map(|(gate, built_in)| self.gate(gate, *built_in, stage)).collect()));
        }
        if !items.is_empty() {
            blocks.push(Block::Checks(self.checks(&Checklist::Stage(stage.name.clone()), &items)));
        }
        blocks
    }

    fn gate(&self, gate: &Gate, is_built_in: bool, stage: &Stage) -> Text {
        let words = match built_in(gate).filter(|_| is_built_in) {
            Some(words) => words.to_owned(),
            None => {
                let text = sentence(&explain::condition(&gate.when, self.plan));
                text.strip_suffix('.').map_or(text.clone(), str::to_owned)
            }
        };
        let after = gate.after.map(|after| format!(", from {} after its entry on", spelled(&after.to_string())));
        // At 100 % nobody is left to compare with.
        let is_alone = stage.percentage == Percentage::FULL && self.plan.holdout == Percentage::ZERO;
        let last_day = if is_alone && gate.when.terms.iter().any(|term| term.bound.is_legacy()) {
            " (at 100 %: legacy's on its last day with traffic)"
        } else {
            ""
        };
        Text::from(format!("{words}{}{last_day} ", after.unwrap_or_default())).code(gate.when.to_string())
    }
}

/// What a gate asks for that is built in.
fn built_in(gate: &Gate) -> Option<&'static str> {
    let [term] = gate.when.terms.as_slice() else { return None };
    Some(match (&term.metric, term.bound) {
        (Metric::ErrorRate, Bound::Legacy(_)) => "New's error rate is not measurably above legacy's (built in)",
        (Metric::ClientErrorRate, Bound::Legacy(_)) => {
            "New does not answer measurably more requests with a 4xx than legacy (built in)"
        }
        (Metric::ErrorRate, _) => "At least one request came, and most succeeded (built in)",
        (Metric::ClientErrorRate, _) => "Most of them were not answered with a 4xx (built in)",
        _ => return None,
    })
}

/// Words that stand out, but for what is typed.
fn strong_with_code(words: &str) -> Text {
    use crate::document::Span;
    let spans = Text::from(words).0.into_iter();
    Text(spans.map(|span| if let Span::Plain(words) = span { Span::Strong(words) } else { span }).collect())
}
