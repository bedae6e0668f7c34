//! Stages: who is on new, for how long, at which load, and what is asked before they are left.

use super::{IntoList as _, Writing};
use crate::document::{Block, Table, Text};
use tidegate_decide::explain::{counted_from_two, listed, readable, sentence, spelled};
use tidegate_model::number::Grouped;
use tidegate_model::plan::{Advance, Stage};
use tidegate_model::{Name, Percentage};

impl Writing<'_> {
    pub(super) fn how_it_goes_on(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut blocks = Vec::new();
        let advance = if plan.advance == Advance::Manual {
            format!(
                "Nothing goes on by itself: when a stage's bake time is over and its gates pass, an operator says `tidegate advance {}`.",
                self.key()
            )
        } else {
            "When a stage's bake time is over, all its gates pass and all its items are ticked, Tidegate goes on to the next by itself.".to_owned()
        };
        blocks.push(Block::Paragraph(Text::from(advance)));
        if !plan.freeze.is_empty() {
            let windows: Vec<String> = plan.freeze.iter().map(ToString::to_string).collect();
            blocks.push(Block::Paragraph(Text::from(format!(
                "Change freeze, in which no step forward is taken: {}. Going back always works.",
                windows.join("; ")
            ))));
        }
        blocks
    }

    pub(super) fn stages(&self) -> Vec<Block> {
        let stages = self.plan.stages.iter().enumerate();
        std::iter::once(Block::Table(self.overview()))
            .chain(stages.flat_map(|(index, stage)| self.stage(index, stage)))
            .collect()
    }

    fn overview(&self) -> Table {
        let plan = self.plan;
        let has_owner = plan.stages.iter().any(|stage| stage.owner.is_some());
        let mut table = Table::new(&["Stage", "On the new version", "Lasts at least", "Load on the new version"]);
        if has_owner {
            table.head.push("Owner");
        }
        for (index, stage) in plan.stages.iter().enumerate() {
            let groups: Vec<String> = plan.groups_through(index).iter().map(|name| readable(name.as_str())).collect();
            let word = if groups.len() == 1 { "group" } else { "groups" };
            let and = if groups.is_empty() { String::new() } else { format!(", and the {word} {}", listed(&groups)) };
            let is_current = self.subject.record.is_some_and(|record| {
                record.live.stage == stage.name && record.live.phase != tidegate_model::live::Phase::Draft
            });
            let name = if is_current {
                Text::default().strong(format!("{} (now)", stage.name))
            } else {
                Text::from(stage.name.as_str())
            };
            let mut row = vec![
                name,
                Text::from(format!("{} % of the users{and}", stage.percentage)),
                Text::from(self.lasts(stage)),
                Text::from(self.load(index, stage)),
            ];
            if has_owner {
                let owner = stage.owner.as_ref().map(|owner| self.who(owner.as_str()));
                row.push(Text::from(owner.unwrap_or_else(|| "–".to_owned())));
            }
            table.rows.push(row);
        }
        table
    }

    /// How long a stage lasts: its bake time, what its gates ask to last, and what it is meant to last at most.
    fn lasts(&self, stage: &Stage) -> String {
        let longest = stage.gates.iter().flat_map(|gate| gate.when.terms.iter().filter_map(|term| term.hold));
        let longest = longest.max_by_key(|duration| duration.as_ms());
        let most = stage.deadline.map(|deadline| format!("{} at most", spelled(&deadline.to_string())));
        let hold: Vec<String> = stage.hold.map(|hold| spelled(&hold.to_string())).into_iter().chain(most).collect();
        let hold = (!hold.is_empty()).then(|| hold.join(", "));
        match longest.filter(|own| stage.hold.is_none_or(|hold| own.as_ms() > hold.as_ms())) {
            Some(longest) => {
                let longest = spelled(&longest.to_string());
                let hold = hold.map(|hold| format!("{hold}; ")).unwrap_or_default();
                format!("{hold}{longest}, since a gate has to pass for so long")
            }
            None => hold.unwrap_or_else(|| "–".to_owned()),
        }
    }

    /// The requests to new in a stage, beside those of today, else of the stage before.
    fn load(&self, index: usize, stage: &Stage) -> String {
        let share = |percentage: Percentage| f64::from(percentage.limit()) / f64::from(Percentage::FULL.limit());
        // A holdout never gets any.
        let on_new = share(stage.percentage) * (1.0 - share(self.plan.holdout));
        if on_new <= 0.0 {
            let copied = stage.shadow.or_else(|| self.plan.shadow.as_ref().map(|shadow| shadow.share));
            return match copied.filter(|share| *share > Percentage::ZERO) {
                Some(share) if stage.groups.is_empty() => {
                    format!("copies of {share} % of the requests; no user is on the new version")
                }
                Some(share) => format!("that of the groups, and copies of {share} % of the requests"),
                None if stage.groups.is_empty() => "none: no user is on the new version".to_owned(),
                None => "that of the groups alone".to_owned(),
            };
        }
        if let Some(load) = self.subject.load {
            let requests = load.requests_per_hour * on_new;
            let users = load.users.map(|users| format!(", {} users a day", Grouped((users * on_new).round() as u64)));
            let times = requests / load.new_per_hour;
            let beside = if load.new_per_hour >= 1.0 && times.is_finite() {
                format!("about {} today's requests to the new version: ", factor(times))
            } else {
                String::new()
            };
            return format!(
                "{beside}{} requests an hour{}",
                Grouped(requests.round() as u64),
                users.unwrap_or_default()
            );
        }
        let before = index.checked_sub(1).and_then(|before| self.plan.stages.get(before));
        let before = before.map(|before| share(before.percentage) * (1.0 - share(self.plan.holdout)));
        match before.filter(|before| *before > 0.0) {
            Some(before) if (on_new - before).abs() < f64::EPSILON => "as in the stage before".to_owned(),
            Some(before) => format!("about {} that of the stage before", factor(on_new / before)),
            None => format!("about {} % of all requests", percent(on_new)),
        }
    }

    fn stage(&self, index: usize, stage: &Stage) -> Vec<Block> {
        let mut blocks = vec![self.heading(format!("{}: {} %", stage.name, stage.percentage))];
        let mut facts = Vec::new();
        // Of several rollouts the timeline has the dates, so that what is else alike stands once.
        let stay = self.forecast.stays.iter().find(|stay| stay.stage == index);
        if let Some(stay) = stay.filter(|_| !self.is_one_of_many) {
            let until = stay.until.map_or_else(|| "an unknown date".to_owned(), |until| self.at(until));
            facts.push(Text::from(format!("From {} to {until}, at the earliest.", self.at(stay.from))));
        }
        if !stage.enter.is_empty() || stage.not_before.is_some() {
            let mut parts: Vec<String> = stage.enter.iter().map(ToString::to_string).collect();
            parts.extend(stage.not_before.map(|at| format!("not before {}", self.at(at))));
            facts.push(Text::from(format!(
                "It is entered only {}; what misses these hours waits for the next.",
                parts.join(", ")
            )));
        }
        if let Some(owner) = &stage.owner {
            facts.push(Text::from(format!("Owner: {}.", self.who(owner.as_str()))));
        }
        if !stage.checkins.is_empty() {
            let every: Vec<String> = stage
                .checkins
                .iter()
                .map(|own| {
                    let until =
                        own.until.map(|until| format!(" until {} after its entry", spelled(&until.to_string())));
                    format!("every {}{}", counted_from_two(&own.every), until.unwrap_or_default())
                })
                .collect();
            let to = if stage.owner.is_some() { "the owner".to_owned() } else { self.unnamed(false) };
            let has_pager = self.plan.channels.0.iter().any(|(_, channel)| channel.is_pager());
            let but = if has_pager { ", never by a pager" } else { "" };
            facts.push(Text::from(format!("Figures go to {to} {}{but}.", every.join(", then "))));
        }
        for hook in self.plan.hooks.iter().filter(|hook| hook.at.stage == stage.name) {
            let what = hook.description.as_deref().map(|what| format!(": {what}")).unwrap_or_default();
            facts.push(Text::from(sentence(&format!(
                "{} it another system is asked whether to go on{what}; it may say go, wait or stop",
                hook.at.side
            ))));
        }
        if let Some(deadline) = stage.deadline {
            let to = if stage.owner.is_some() {
                "its owner gets".to_owned()
            } else {
                format!("{} gets", self.unnamed(true))
            };
            let longest = spelled(&deadline.to_string());
            facts.push(Text::from(format!(
                "After {longest} here {to} a message: go on, or back. Nothing else happens."
            )));
        }
        facts.extend(stage.notes.iter().map(|note| Text::from(sentence(note))));
        blocks.extend(facts.into_list());
        blocks.extend(self.go_or_no_go(index, stage));
        blocks
    }
}

/// ` in canary and ramp`; nothing for all of them.
pub(super) fn stages_of(stages: &[Name]) -> String {
    listed(&stages.iter().map(Name::as_str).collect::<Vec<_>>())
}

/// `the same as`, `twice`, `2.5 times`.
fn factor(times: f64) -> String {
    match times {
        _ if (times - 1.0).abs() < 0.05 => "as many as".to_owned(),
        _ if (times - 2.0).abs() < 0.05 => "twice".to_owned(),
        _ if times >= 10.0 => format!("{times:.0} times"),
        _ => format!("{} times", (times * 10.0).round() / 10.0),
    }
}

fn percent(share: f64) -> f64 {
    (share * 100_000.0).round() / 1_000.0
}
