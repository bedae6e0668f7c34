//! Who is who, and who is reached at which hour.

use super::Writing;
use crate::document::{Block, Table, Text};
use tidegate_decide::explain::readable;
use tidegate_model::Name;
use tidegate_model::plan::Role;

impl Writing<'_> {
    pub(super) fn contacts(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut blocks = Vec::new();
        if !plan.roles.is_empty() {
            let mut table = Table::new(&["Role", "Who", "Reached", "Outside of these hours", "Looks after"]);
            for (name, role) in &plan.roles.0 {
                table.rows.push(vec![
                    Text::default().strong(readable(name.as_str())),
                    Text::from(role.person.as_deref().unwrap_or("–")),
                    Text::from(self.reached(role)),
                    Text::from(self.otherwise(role)),
                    Text::from(self.looks_after(name)),
                ]);
            }
            blocks.push(Block::Table(table));
            let local: Vec<String> = plan
                .roles
                .0
                .iter()
                .filter(|(_, role)| !role.hours.is_empty())
                .map(|(name, role)| {
                    let is_there = role.is_there(self.now);
                    let whom = if is_there { readable(name.as_str()) } else { self.otherwise(role) };
                    format!("for {}: {whom}", readable(name.as_str()))
                })
                .collect();
            if !local.is_empty() {
                blocks.push(Block::Paragraph(Text::from(format!(
                    "At the time of writing ({}) whoever answers is, {}.",
                    self.at(self.now),
                    local.join("; ")
                ))));
            }
        }
        if !plan.channels.is_empty() {
            let mut table = Table::new(&["Channel", "What it is"]);
            for (name, channel) in &plan.channels.0 {
                table.rows.push(vec![
                    Text::default().strong(readable(name.as_str())),
                    Text::from(channel.kind().to_string()),
                ]);
            }
            blocks.push(Block::Table(table));
        }
        blocks
    }

    fn reached(&self, role: &Role) -> String {
        let channels: Vec<String> = role.tell.iter().map(|name| self.addressee(name)).collect();
        let hours: Vec<String> = role.hours.iter().map(ToString::to_string).collect();
        let hours = if hours.is_empty() { "at any hour".to_owned() } else { hours.join(", ") };
        if channels.is_empty() { "–".to_owned() } else { format!("{hours}, by {}", channels.join(", ")) }
    }

    fn otherwise(&self, role: &Role) -> String {
        role.otherwise.as_ref().map_or_else(|| "–".to_owned(), |name| self.addressee(name))
    }

    /// The stages, messages and items that are a role's.
    fn looks_after(&self, name: &Name) -> String {
        let plan = self.plan;
        let stages: Vec<&str> = plan
            .stages
            .iter()
            .filter(|stage| stage.owner.as_ref() == Some(name))
            .map(|stage| stage.name.as_str())
            .collect();
        let mut parts = Vec::new();
        if !stages.is_empty() {
            parts.push(format!("the stages {}", stages.join(", ")));
        }
        let sends = plan.notices.iter().filter(|notice| notice.by.as_ref() == Some(name)).count();
        if sends > 0 {
            parts.push(tidegate_model::number::counted(sends, "message"));
        }
        let items = plan
            .checklist
            .iter()
            .chain(plan.stages.iter().flat_map(|stage| &stage.checklist))
            .chain(&plan.after_rollback)
            .filter(|item| item.owner.as_deref() == Some(name.as_str()) || item.role.as_ref() == Some(name))
            .count();
        if items > 0 {
            parts.push(format!("{} to tick", tidegate_model::number::counted(items, "item")));
        }
        if plan.guardrails.iter().any(|own| own.escalate.iter().any(|escalation| escalation.to == *name)) {
            parts.push("escalations".to_owned());
        }
        if parts.is_empty() { "–".to_owned() } else { parts.join("; ") }
    }

    /// A role or a channel, as people call it.
    pub(super) fn addressee(&self, name: &Name) -> String {
        match self.plan.channels.get(name.as_str()) {
            Some(channel) => format!("{} ({})", readable(name.as_str()), channel.kind()),
            None => self.who(name.as_str()),
        }
    }

    /// Whom to tell first: the owner of the present stage, else the first role.
    pub(super) fn first_contact(&self) -> Option<String> {
        let plan = self.plan;
        let stage = self.subject.record.map(|record| record.live.stage.as_str());
        let stage = stage.and_then(|name| plan.stage_index(name)).unwrap_or(0);
        let owner = plan.stages.get(stage).and_then(|stage| stage.owner.as_ref());
        let name = owner.or_else(|| plan.roles.0.first().map(|(name, _)| name))?;
        Some(self.who(name.as_str()))
    }
}
