//! Who decides, who is who, and who is reached at which hour.

use super::Writing;
use crate::document::{Block, Table, Text};
use tidegate_decide::explain::{listed, readable};
use tidegate_decide::notify::address;
use tidegate_model::Name;
use tidegate_model::notification::Urgency;
use tidegate_model::number::counted;
use tidegate_model::plan::{Channel, Role};

impl Writing<'_> {
    /// Who decides in which stage.
    pub(super) fn owners(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut owners: Vec<(&Name, Vec<&str>)> = Vec::new();
        for stage in &plan.stages {
            let Some(owner) = &stage.owner else { continue };
            match owners.iter_mut().find(|(name, _)| *name == owner) {
                Some((_, stages)) => stages.push(stage.name.as_str()),
                None => owners.push((owner, vec![stage.name.as_str()])),
            }
        }
        if owners.is_empty() {
            return vec![Block::Paragraph(Text::from(format!(
                "The plan names no owner of any stage. What names nobody goes to {}: whoever reads it decides.",
                self.unnamed_by_severity()
            )))];
        }
        let mut table = Table::new(&["In the stages", "Who decides"]);
        for (owner, stages) in owners {
            let who = Text::default().strong(self.who(owner.as_str())).plain(self.at_hours(owner));
            table.rows.push(vec![Text::from(listed(&stages)), who]);
        }
        vec![Block::Table(table)]
    }

    pub(super) fn contacts(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut blocks = Vec::new();
        if plan.roles.is_empty() {
            blocks.push(Block::Paragraph(Text::from("The plan names no roles, so nobody in person.")));
        } else {
            let mut table = Table::new(&["Role", "Who", "Reached", "Looks after"]);
            for (name, role) in &plan.roles.0 {
                table.rows.push(vec![
                    Text::default().strong(readable(name.as_str())),
                    Text::from(role.person.as_deref().unwrap_or("–")),
                    Text::from(self.reached(role)),
                    Text::from(self.looks_after(name)),
                ]);
            }
            blocks.push(Block::Table(table));
        }
        if !plan.channels.is_empty() {
            let mut table = Table::new(&["Channel", "What it is"]);
            for (name, channel) in &plan.channels.0 {
                let wakes = if channel.is_pager() { ": it wakes somebody up" } else { "" };
                table.rows.push(vec![
                    Text::default().strong(readable(name.as_str())),
                    Text::from(format!("{}{wakes}", channel.kind())),
                ]);
            }
            blocks.push(Block::Table(table));
            blocks.push(Block::Paragraph(Text::from(format!(
                "What names nobody goes to {}.",
                self.unnamed_by_severity()
            ))));
        }
        blocks
    }

    fn unnamed_by_severity(&self) -> String {
        let (warning, critical) = (self.unnamed(false), self.unnamed(true));
        if warning == critical { warning } else { format!("{warning}; where it is critical, to {critical}") }
    }

    /// Who is there when a role is not: a stand-in who keeps the same hours is passed over.
    fn stand_in(&self, role: &Role) -> Option<String> {
        let mut name = role.otherwise.as_ref()?;
        for _ in 0..self.plan.roles.0.len() {
            match self.plan.roles.get(name.as_str()).filter(|own| own.hours == role.hours) {
                Some(own) => name = own.otherwise.as_ref()?,
                None => break,
            }
        }
        Some(self.addressee(name))
    }

    /// The channels that get what nobody is named for.
    pub(super) fn unnamed(&self, is_critical: bool) -> String {
        let urgency = if is_critical { Urgency::Critical } else { Urgency::Warning };
        let names = address::resolve(self.plan, &[], urgency, self.now);
        if names.is_empty() {
            return "nobody, since the plan has no channel for it".to_owned();
        }
        listed(&names.iter().map(|name| self.addressee(name)).collect::<Vec<_>>())
    }

    /// When and how a role is reached, and who is at other hours.
    fn reached(&self, role: &Role) -> String {
        let channels: Vec<String> = role.tell.iter().map(|name| self.addressee(name)).collect();
        let by = if channels.is_empty() { "by no channel".to_owned() } else { format!("by {}", listed(&channels)) };
        if role.hours.is_empty() {
            return format!("at any hour {by}");
        }
        let hours: Vec<String> = role.hours.iter().map(ToString::to_string).collect();
        let otherwise = self.stand_in(role).unwrap_or_else(|| "nobody".to_owned());
        format!("{} {by}; at other hours {otherwise}", hours.join(", "))
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
            let word = if stages.len() == 1 { "the stage" } else { "the stages" };
            parts.push(format!("{word} {}", listed(&stages)));
        }
        let sends = plan.notices.iter().filter(|notice| notice.by.as_ref() == Some(name)).count();
        if sends > 0 {
            parts.push(counted(sends, "message"));
        }
        let items = plan
            .checklist
            .iter()
            .chain(plan.stages.iter().flat_map(|stage| &stage.checklist))
            .chain(&plan.after_rollback)
            .filter(|item| item.owner.as_deref() == Some(name.as_str()) || item.role.as_ref() == Some(name))
            .count();
        if items > 0 {
            parts.push(format!("{} to tick", counted(items, "item")));
        }
        if plan.guardrails.iter().any(|own| own.notify.contains(name)) {
            parts.push("is notified when guardrails act or alert".to_owned());
        }
        if plan.guardrails.iter().any(|own| own.escalate.iter().any(|escalation| escalation.to == *name)) {
            parts.push("escalations".to_owned());
        }
        if plan.roles.0.iter().any(|(_, role)| role.otherwise.as_ref() == Some(name)) {
            parts.push("stands in for others at other hours".to_owned());
        }
        if parts.is_empty() { "–".to_owned() } else { parts.join("; ") }
    }

    /// A role with its person.
    pub(super) fn who(&self, name: &str) -> String {
        match self.plan.roles.get(name).and_then(|role| role.person.as_deref()) {
            Some(person) => format!("{} ({person})", readable(name)),
            None => readable(name),
        }
    }

    /// A role or a channel, as people call it.
    pub(super) fn addressee(&self, name: &Name) -> String {
        match self.plan.channels.get(name.as_str()).map(Channel::kind) {
            Some(kind) => format!("{} ({kind})", readable(name.as_str())),
            None => self.who(name.as_str()),
        }
    }

    pub(super) fn addressees(&self, names: &[Name]) -> String {
        listed(&names.iter().map(|name| self.addressee(name)).collect::<Vec<_>>())
    }

    /// Whom to tell first: the owner of the present stage, else the first role.
    pub(super) fn first_contact(&self) -> Option<String> {
        let plan = self.plan;
        let stage = self.subject.record.map(|record| record.live.stage.as_str());
        let stage = stage.and_then(|name| plan.stage_index(name)).unwrap_or(0);
        let owner = plan.stages.get(stage).and_then(|stage| stage.owner.as_ref());
        let name = owner.or_else(|| plan.roles.0.first().map(|(name, _)| name))?;
        // The person first: a role may be called like a time of day.
        let person = plan.roles.get(name.as_str()).and_then(|role| role.person.as_deref());
        let who = person.map_or_else(|| readable(name.as_str()), |own| format!("{own} ({})", readable(name.as_str())));
        Some(format!("{who}{}", self.at_hours(name)))
    }

    /// At which hours a role is there, and who is at others; nothing where it always is.
    fn at_hours(&self, name: &Name) -> String {
        let role = self.plan.roles.get(name.as_str()).filter(|role| !role.hours.is_empty());
        let Some(role) = role else { return String::new() };
        let hours: Vec<String> = role.hours.iter().map(ToString::to_string).collect();
        let otherwise = self.stand_in(role).map(|name| format!("; at other hours {name}"));
        format!(", {}{}", hours.join(", "), otherwise.unwrap_or_default())
    }
}
