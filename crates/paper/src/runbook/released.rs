//! What is released, and to whom.

use super::Writing;
use crate::document::{Block, Table, Text};
use tidegate_decide::explain::{listed, spelled};
use tidegate_model::number::Grouped;
use tidegate_model::plan::{Backend, Choice, Values};
use tidegate_model::{Name, Percentage};

use super::Load;

impl Writing<'_> {
    pub(super) fn how_it_works(&self) -> Vec<Block> {
        vec![Block::Paragraph(Text::from(if self.plan.is_flag() {
            "A share of the users gets it. For each request Tidegate decides who does, and tells the application in the header `tidegate-flags`; the application obeys."
        } else if self.is_shadow_alone() {
            "Tidegate stands in front of two versions of the site, the old one (legacy) and the new one. The old one answers all users. Copies of their requests go to the new one, and the answers are compared."
        } else {
            "Tidegate stands in front of two versions of the site, the old one (legacy) and the new one. It sends a growing share of the users to the new one, measures both, and goes on or goes back by the rules on these pages."
        }))]
    }

    /// Whether no user is ever on new, and copies alone go there.
    pub(super) fn is_shadow_alone(&self) -> bool {
        let plan = self.plan;
        let copies = plan.shadow.is_some() || plan.stages.iter().any(|stage| stage.shadow.is_some());
        copies && plan.stages.iter().all(|stage| stage.percentage == Percentage::ZERO && stage.groups.is_empty())
    }

    pub(super) fn released(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut table = Table::new(&["", ""]);
        // Of several, the table of all of them has what it is, its key and its values.
        if !self.is_one_of_many {
            let what = plan.description.as_deref().unwrap_or(plan.key.as_str());
            row(&mut table, "Released", Text::from(what));
            row(&mut table, "Its key", Text::default().code(plan.key.as_str()));
            self.values(&mut table, plan.values.as_ref());
        }
        self.places(&mut table);
        self.users(&mut table);
        if let Some(load) = self.subject.load {
            row(&mut table, "Traffic", Text::from(traffic(&load)));
        }
        vec![Block::Table(table)]
    }

    fn values(&self, table: &mut Table, values: Option<&Values>) {
        let Some(Values { new, legacy }) = values else { return };
        let text = format!("`{new}` for users who have it, `{legacy}` for all others: the safe default");
        row(table, "Values", Text::from(text));
    }

    /// Where it is: routes, versions, endpoints.
    fn places(&self, table: &mut Table) {
        let plan = self.plan;
        if !plan.routes.is_empty() {
            let routes: Vec<String> = plan.routes.iter().map(|route| format!("`{route}`")).collect();
            let except: Vec<String> = plan.except.iter().map(|route| format!("`{route}`")).collect();
            let except = if except.is_empty() { String::new() } else { format!(", but not {}", except.join(", ")) };
            row(table, "Where", Text::from(format!("requests to {}{except}", routes.join(", "))));
        }
        if let Some(upstreams) = &plan.upstreams {
            row(table, "The old version", Text::default().code(place(&upstreams.legacy)));
            row(table, "The new version", Text::default().code(place(&upstreams.new)));
        }
        // Of several rollouts the table of all of them has the only endpoint of each.
        let is_shown = !self.is_one_of_many || plan.endpoints.0.len() > 1;
        for (name, endpoint) in plan.endpoints.0.iter().filter(|_| is_shown) {
            let text = Text::default()
                .plain("requests “at ")
                .plain(name.as_str())
                .plain("”: ")
                .code(format!("path:{}", endpoint.0));
            row(table, "Endpoint", text);
        }
    }

    /// Who the users are, and who of them gets what.
    fn users(&self, table: &mut Table) {
        let plan = self.plan;
        let from: Vec<String> = plan.identity.from.iter().map(|source| format!("`{source}`")).collect();
        let anonymous = if plan.identity.anonymous {
            "whoever has none gets an anonymous id"
        } else {
            "whoever has none stays on the old version"
        };
        let by = match from.is_empty() {
            true => "an anonymous id".to_owned(),
            false => format!("{}; {anonymous}", from.join(", else ")),
        };
        row(table, "A user is known by", Text::from(by));
        for (name, group) in &plan.groups.0 {
            let mut parts = Vec::new();
            if !group.ids.is_empty() {
                let shown: Vec<&str> = group.ids.iter().take(5).map(String::as_str).collect();
                let rest = group.ids.len().saturating_sub(5);
                let rest = if rest == 0 {
                    String::new()
                } else {
                    format!(" and {} more, which the plan lists", Grouped(rest))
                };
                parts.push(format!("{}{rest}", shown.join(", ")));
            }
            parts.extend(group.matches.as_ref().map(|own| format!("whoever has `{own}`")));
            if group.kv {
                parts.push(format!("the ids under the key `group/{name}` in KV"));
            }
            row(table, "Group", Text::from(format!("{name}: {}", parts.join("; "))));
        }
        if plan.holdout > Percentage::ZERO {
            let text = format!("{} % of the users stay on the old version throughout, to compare with", plan.holdout);
            row(table, "Never", Text::from(text));
        }
        if let Some(eligible) = &plan.eligible {
            row(table, "Only", Text::from(format!("users of the group {eligible}")));
        }
        if !plan.exclude.is_empty() {
            let names: Vec<&str> = plan.exclude.iter().map(Name::as_str).collect();
            row(table, "Not", Text::from(format!("users of {}", listed(&names))));
        }
        if let Some(choice) = plan.choice {
            let what = match choice {
                Choice::In => "go to the new version",
                Choice::Out => "go back to the old version",
                Choice::Both => "go to the new version, or back",
            };
            let lasts = spelled(&plan.choice_for.to_string());
            let text = format!("by a link on the site users may {what}, for {lasts}, whatever their share says");
            row(table, "Users choose", Text::from(text));
        }
    }
}

fn row(table: &mut Table, name: &str, text: Text) {
    table.rows.push(vec![Text::default().strong(name), text]);
}

/// So much traffic, in words.
fn traffic(load: &Load) -> String {
    let users =
        load.users.map(|users| format!(", from about {} users", Grouped(users.round() as u64))).unwrap_or_default();
    format!(
        "about {} requests an hour in the last day{users}; {} of them an hour to the new version",
        Grouped(load.requests_per_hour.round() as u64),
        Grouped(load.new_per_hour.round() as u64)
    )
}

fn place(backend: &Backend) -> String {
    backend.place.to_string()
}
