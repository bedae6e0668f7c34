//! The decision tree: which condition, in which stages, what Tidegate does by itself, whom it notifies, and what is
//! left for people. The severest comes first.

use super::Writing;
use super::stages::stages_of;
use crate::document::{Block, Table, Text, Tone};
use tidegate_decide::explain::{self, ended, listed, sentence, spelled};
use tidegate_decide::judge::guard::severity;
use tidegate_model::plan::stage::Escalation;
use tidegate_model::plan::words::{Action, Severity};
use tidegate_model::plan::{Guardrail, Mode, ProblemKind, Response};
use tidegate_model::{Name, Percentage};

/// A guardrail, and whether it is built in.
type Row<'a> = (&'a Guardrail, bool);

impl Writing<'_> {
    /// Every trigger, what it does by itself, and who is notified.
    pub(super) fn triggers(&self) -> Vec<Block> {
        let plan = self.plan;
        let all: Vec<Row<'_>> =
            plan.guardrails_in_force().enumerate().map(|(n, own)| (own, n >= plan.guardrails.len())).collect();
        if all.is_empty() {
            return vec![Block::Paragraph(Text::from("No guardrail watches: nothing goes back by itself."))];
        }
        self.tables(&all)
    }

    pub(super) fn how_to_read(&self) -> Vec<Block> {
        let owner = if self.plan.stages.iter().any(|stage| stage.owner.is_some()) {
            "The owner of the stage (“Who decides”) is notified of every row too, by a pager only of critical ones. "
        } else {
            ""
        };
        let key = self.key();
        let reduces = self.plan.guardrails.iter().any(|own| matches!(own.does(), Action::Reduce(_)));
        let held = if reduces {
            format!(
                " Where it goes to a share and holds it there, `tidegate resume {key}` goes on from that share, in the stage that has it."
            )
        } else {
            String::new()
        };
        vec![
            Block::Paragraph(Text::from(
                "Tidegate looks every ten seconds, and sooner when figures come in. Where several rows are true only the severest acts (0 % before a smaller share, that before a pause, that before an alert), and each is reported. They watch as long as anybody is on the new version: while it is paused, and after it has completed.",
            )),
            Block::Paragraph(Text::from(format!(
                "{owner}Where it says “people decide”: if users are hurt, or you cannot tell, `tidegate kill {key}`; else hold it (`tidegate pause {key}`), look, then go back or on.{held}"
            ))),
        ]
    }

    /// A table for each set of stages, in the order in which they first stand; and one of escalations.
    fn tables(&self, all: &[Row<'_>]) -> Vec<Block> {
        let mut sets: Vec<&[Name]> = Vec::new();
        for (guardrail, _) in all {
            if !sets.contains(&guardrail.stages.as_slice()) {
                sets.push(&guardrail.stages);
            }
        }
        let mut blocks = Vec::new();
        let mut escalating: Vec<(&[Escalation], Vec<String>)> = Vec::new();
        let mut number = 0;
        for set in sets {
            let title = if set.is_empty() { "In every stage".to_owned() } else { format!("In {}", stages_of(set)) };
            let mut those: Vec<&Row<'_>> = all.iter().filter(|(guardrail, _)| guardrail.stages == set).collect();
            those.sort_by_key(|(guardrail, _)| (severity(guardrail.does()), guardrail.severity != Severity::Critical));
            let mut table = Table::new(&["", "If", "Then", "Severity", "Who is notified"]);
            for (guardrail, is_built_in) in those {
                number += 1;
                table.rows.push(self.row(number, guardrail, *is_built_in));
                if guardrail.escalate.is_empty() {
                    continue;
                }
                match escalating.iter_mut().find(|(own, _)| *own == guardrail.escalate) {
                    Some((_, numbers)) => numbers.push(number.to_string()),
                    None => escalating.push((&guardrail.escalate, vec![number.to_string()])),
                }
            }
            blocks.push(self.heading(title));
            blocks.push(Block::Table(table));
        }
        if !escalating.is_empty() {
            blocks.push(self.heading("If it lasts"));
            blocks.push(Block::Table(self.escalations(escalating)));
            blocks.push(Block::Paragraph(Text::from(
                "These stop when the condition is false again, or the next try begins.",
            )));
        }
        blocks
    }

    fn row(&self, number: usize, own: &Guardrail, is_built_in: bool) -> Vec<Text> {
        let after = own.after.map(|after| format!(", from {} after a stage's entry on", spelled(&after.to_string())));
        let words = format!("{}{}", explain::condition(&own.when, self.plan), after.unwrap_or_default());
        let words = sentence(&words);
        let mut when = Text::from(format!("{} ", words.strip_suffix('.').unwrap_or(&words))).code(own.when.to_string());
        if let Some(note) = self.at_full(own) {
            when = when.plain(format!(". {note}."));
        }
        let does = match own.mode {
            Mode::Act if own.then == Action::Rollback && self.is_shadow_alone() => "stops: no more copies".to_owned(),
            Mode::Act => does(own.then),
            Mode::Observe => {
                format!("only watches, and says when it {}", explain::would_have(&own.then.to_string()))
            }
        };
        let tone = if own.does() == Action::Alert { Tone::Plain } else { Tone::Bad };
        let mut then = Text::default().toned(tone, does);
        if is_built_in {
            then = then.plain(" (built in)");
        }
        if let Some(text) = &own.text {
            then = then.plain(": ").and(Text::from(ended(text)));
        }
        for (name, url) in &own.links.0 {
            then = then.plain(" ").link(explain::readable(name.as_str()), url.to_string());
        }
        let is_critical = own.severity == Severity::Critical;
        let who = if own.notify.is_empty() { self.unnamed(is_critical) } else { self.addressees(&own.notify) };
        vec![Text::from(number.to_string()), when, then, Text::from(own.severity.to_string()), Text::from(who)]
    }

    /// What becomes of a comparison with legacy where nobody is left on it.
    fn at_full(&self, own: &Guardrail) -> Option<&'static str> {
        let watches = |name: &Name| own.stages.is_empty() || own.stages.contains(name);
        let has_full =
            self.plan.stages.iter().any(|stage| stage.percentage == Percentage::FULL && watches(&stage.name));
        let is_alone = has_full && self.plan.holdout == Percentage::ZERO;
        let compared = own.when.terms.iter().find(|term| is_alone && term.bound.is_legacy())?;
        let is_rate = compared.metric.quantile().is_none() && compared.metric.mean_of().is_none();
        Some(if is_rate {
            "At 100 % nobody is on legacy: it acts once new's rate is measurably more than twice legacy's of its last day with traffic"
        } else {
            "At 100 % nobody is on legacy, and this can no longer come true"
        })
    }

    fn escalations(&self, all: Vec<(&[Escalation], Vec<String>)>) -> Table {
        let mut table = Table::new(&["Row", "After", "Is notified too", "With the words"]);
        for (steps, numbers) in all {
            for step in steps {
                table.rows.push(vec![
                    Text::from(listed(&numbers)),
                    Text::from(spelled(&step.after.to_string())),
                    Text::from(self.addressee(&step.to)),
                    Text::from(step.text.as_deref().map(ended).unwrap_or_default()),
                ]);
            }
        }
        table
    }

    /// What makes the figures worth less, and what is done about it.
    pub(super) fn problems(&self) -> Vec<Block> {
        let mut table = Table::new(&["If", "Then"]);
        for kind in ProblemKind::ALL {
            let then = self.plan.response(kind);
            let does = match (then.acts(), then.notifies()) {
                (Some(acts), _) => format!("{acts}, and notifies people"),
                (None, true) => "notifies people, and does nothing else".to_owned(),
                (None, false) => "shows it, and does nothing else".to_owned(),
            };
            let tone = if then == Response::Rollback { Tone::Bad } else { Tone::Plain };
            let what = sentence(kind.what());
            let what = Text::from(format!("{} ", what.trim_end_matches('.'))).code(kind.to_string());
            table.rows.push(vec![what, Text::default().toned(tone, does)]);
        }
        vec![Block::Table(table)]
    }
}

/// What it does, in words that need no others.
fn does(action: Action) -> String {
    let what = explain::acts(&action.to_string());
    match action {
        Action::Off => format!("{what} it: everybody gets legacy"),
        Action::Rollback => format!("{what} to 0 %"),
        Action::Previous => format!("{what}, and stays there"),
        Action::Reduce(_) => format!("{what} and holds it there"),
        Action::Pause => format!("{what} it: nobody new is added"),
        Action::Alert => "alerts; people decide".to_owned(),
    }
}
