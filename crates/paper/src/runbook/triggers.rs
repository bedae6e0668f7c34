//! What happens by itself, what people have to decide, and the way to a decision.

use super::Writing;
use super::stages::stages_of;
use crate::document::{Block, Table, Text, Tone};
use tidegate_decide::explain::{self, sentence, spelled};
use tidegate_decide::judge::guard::severity;
use tidegate_model::Name;
use tidegate_model::plan::stage::Escalation;
use tidegate_model::plan::words::Action;
use tidegate_model::plan::{Guardrail, Mode, ProblemKind, Response};

impl Writing<'_> {
    /// Every trigger, and what it does by itself. The severest first.
    pub(super) fn triggers(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut all: Vec<(&Guardrail, bool)> =
            plan.guardrails_in_force().enumerate().map(|(n, own)| (own, n >= plan.guardrails.len())).collect();
        if all.is_empty() {
            return Vec::new();
        }
        all.sort_by_key(|(own, _)| severity(own.does()));
        let mut table = Table::new(&["If", "In", "Tidegate", "Who is notified"]);
        for (own, built_in) in all {
            let after =
                own.after.map(|after| format!(", from {} after a stage's entry on", spelled(&after.to_string())));
            let when = Text::from(format!("{}{} ", explain::condition(&own.when, plan), after.unwrap_or_default()))
                .code(own.when.to_string());
            let stages = if own.stages.is_empty() {
                "every stage".to_owned()
            } else {
                stages_of(&own.stages).trim_start_matches(" in ").to_owned()
            };
            let tone = if own.does() == Action::Alert { Tone::Plain } else { Tone::Bad };
            let built_in = if built_in { " (of every rollout)" } else { "" };
            let does = match own.mode {
                Mode::Act => does(own.then),
                Mode::Observe => {
                    format!("acts on nobody, and notes that it {}", explain::would_have(&own.then.to_string()))
                }
            };
            let then = Text::default().toned(tone, does).plain(built_in);
            let mut shown = vec![self.channels(&own.notify)];
            shown.extend(own.escalate.iter().map(|escalation| self.escalation(escalation)));
            let mut text = Text::from(shown.join("; "));
            if let Some(own_text) = &own.text {
                text = text.plain(". ").strong(sentence(own_text));
            }
            for (name, url) in &own.links.0 {
                text = text.plain(" ").link(explain::readable(name.as_str()), url.to_string());
            }
            table.rows.push(vec![when, Text::from(stages), then, text]);
        }
        vec![
            Block::Paragraph(Text::from(
                "Tidegate looks every ten seconds, and sooner when figures come in. When several come true at once, the severest acts, and every alert is sent.",
            )),
            Block::Table(table),
            Block::Paragraph(Text::from(
                "Figures are worth less where users are not split as they should be, or where nothing arrives. What is done then:",
            )),
            Block::Table(self.problems()),
        ]
    }

    /// What makes the figures worth less, and what is done about it.
    fn problems(&self) -> Table {
        let mut table = Table::new(&["If", "Tidegate"]);
        for kind in ProblemKind::ALL {
            let then = self.plan.response(kind);
            let does = match (then.acts(), then.notifies()) {
                (Some(acts), _) => acts,
                (None, true) => "notifies people, and does nothing else",
                (None, false) => "shows it, and does nothing else",
            };
            let tone = if then == Response::Rollback { Tone::Bad } else { Tone::Plain };
            let what = Text::from(format!("{} ", kind.what())).code(kind.to_string());
            table.rows.push(vec![what, Text::default().toned(tone, does)]);
        }
        table
    }

    fn escalation(&self, own: &Escalation) -> String {
        let text = own.text.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        format!("after {}, if it lasts, {}{text}", spelled(&own.after.to_string()), self.who(own.to.as_str()))
    }

    pub(super) fn channels(&self, names: &[Name]) -> String {
        if names.is_empty() {
            return "the team's channels".to_owned();
        }
        names.iter().map(|name| self.addressee(name)).collect::<Vec<_>>().join(", ")
    }

    /// The questions in their order, by stages: the way from what is seen to what is done.
    pub(super) fn tree(&self) -> Vec<Block> {
        let plan = self.plan;
        let own: Vec<&Guardrail> = plan.guardrails_in_force().filter(|own| own.mode == Mode::Act).collect();
        if own.len() < 2 {
            return Vec::new();
        }
        // Those that watch in the same stages belong together, in the order in which they first stand.
        let mut sets: Vec<Vec<Name>> = Vec::new();
        for guardrail in &own {
            if !sets.contains(&guardrail.stages) {
                sets.push(guardrail.stages.clone());
            }
        }
        let mut blocks = vec![Block::Paragraph(Text::from(
            "From the first question down. What Tidegate does by itself is done when you read this; what is left is for people.",
        ))];
        for set in sets {
            let title = if set.is_empty() {
                "In every stage".to_owned()
            } else {
                format!("In {}", set.iter().map(Name::as_str).collect::<Vec<_>>().join(", "))
            };
            let mut those: Vec<&&Guardrail> = own.iter().filter(|guardrail| guardrail.stages == set).collect();
            those.sort_by_key(|guardrail| severity(guardrail.then));
            let count = those.len();
            let steps = those.into_iter().enumerate().map(|(index, guardrail)| {
                let then = if guardrail.then == Action::Alert {
                    match &guardrail.text {
                        Some(text) => format!("people decide: {}", sentence(text)),
                        None => "people are notified, and decide (below).".to_owned(),
                    }
                } else {
                    let text = guardrail.text.as_deref().map(|text| format!(" {}", sentence(text))).unwrap_or_default();
                    format!("Tidegate {}.{text}", does(guardrail.then))
                };
                let otherwise = if index + 1 == count { " Otherwise: go on, and keep looking." } else { "" };
                Text::default()
                    .plain(sentence_of_question(&explain::condition(&guardrail.when, plan)))
                    .plain(" → ")
                    .toned(if guardrail.then == Action::Alert { Tone::Plain } else { Tone::Bad }, then)
                    .plain(otherwise)
            });
            blocks.push(self.heading(title));
            blocks.push(Block::Steps(steps.collect()));
        }
        blocks
    }

    /// Who decides what else, and which commands there are for it.
    pub(super) fn decisions(&self) -> Vec<Block> {
        let plan = self.plan;
        let key = &plan.key;
        let mut blocks = Vec::new();
        let mut owners = Table::new(&["In", "Who decides"]);
        for stage in &plan.stages {
            if let Some(owner) = &stage.owner {
                owners.rows.push(vec![Text::from(stage.name.as_str()), Text::from(self.who(owner.as_str()))]);
            }
        }
        if !owners.rows.is_empty() {
            blocks.push(Block::Table(owners));
        }
        let mut table = Table::new(&["Decision", "Command"]);
        let mut row = |what: &str, command: String| {
            table.rows.push(vec![Text::from(what), Text::default().code(command)]);
        };
        row("Hold it where it is, and look", format!("tidegate pause {key} --reason \"…\""));
        row("Go on after a pause, or begin the next try after a rollback", format!("tidegate resume {key}"));
        row("Go on without waiting for bake time and gates", format!("tidegate advance {key} --reason \"…\""));
        row("Take back users, or all", format!("tidegate rollback {key} --reason \"…\""));
        row("Tick an item", format!("tidegate approve {key}"));
        row("See what a command would do, and do nothing", format!("tidegate advance {key} --dry-run"));
        row("Say why, afterwards", format!("tidegate note {key} \"…\""));
        blocks.push(Block::Table(table));
        blocks
    }
}

/// What it does, in words that need no others.
fn does(action: Action) -> String {
    let what = explain::acts(&action.to_string());
    match action {
        Action::Off => format!("{what} it: everybody gets legacy"),
        Action::Rollback => format!("{what} to 0 %"),
        Action::Previous => what,
        Action::Reduce(_) => format!("{what} and holds it there"),
        Action::Pause => format!("{what} it: nobody new is added"),
        Action::Alert => "tells people, and does nothing else".to_owned(),
    }
}

fn sentence_of_question(condition: &str) -> String {
    format!("Is it so that {condition}?")
}
