//! The messages of the plan: to whom, when, by whom, and where the site's own pages show them.

use super::{IntoList as _, Writing};
use crate::document::{Block, Table, Text};
use tidegate_decide::explain::{counted_from_two, listed, sentence, spelled};
use tidegate_model::Duration;
use tidegate_model::plan::Notice;
use tidegate_model::plan::business_day::BusinessDay;
use tidegate_model::plan::in_app::ShownTo;
use tidegate_model::plan::moment::Moment;
use tidegate_model::plan::words::{Audience, Sign};

impl Writing<'_> {
    pub(super) fn messages(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut blocks = Vec::new();
        let mut audiences: Vec<Option<Audience>> = Vec::new();
        for notice in &plan.notices {
            if !audiences.contains(&notice.audience) {
                audiences.push(notice.audience);
            }
        }
        for audience in audiences {
            let those: Vec<&Notice> = plan.notices.iter().filter(|notice| notice.audience == audience).collect();
            let has_in_app = those.iter().any(|notice| notice.in_app.is_some());
            // Of several rollouts the timeline has the dates, so that what is else alike stands once.
            let has_date = !self.is_one_of_many && those.iter().any(|notice| self.date(notice).is_some());
            let mut table = Table::new(&["When", "Who sends it", "Text"]);
            if has_in_app {
                table.head.push("On the site's pages");
            }
            if has_date {
                table.head.insert(1, "Earliest date");
            }
            for notice in those {
                let mut row =
                    vec![Text::from(when(notice)), Text::from(self.sender(notice)), Text::from(notice.text.as_str())];
                if has_in_app {
                    row.push(Text::from(in_app(notice)));
                }
                if has_date {
                    row.insert(1, Text::from(self.date(notice).unwrap_or_else(|| "–".to_owned())));
                }
                table.rows.push(row);
            }
            let title = audience
                .map_or_else(|| "To whoever it concerns".to_owned(), |own| format!("To {}", own.with_article()));
            blocks.push(self.heading(title));
            blocks.push(Block::Table(table));
        }
        let digests = plan.digests.iter().map(|digest| {
            let at: Vec<String> = digest.at.iter().map(ToString::to_string).collect();
            Text::from(format!(
                "The figures go to {} automatically, {}.",
                self.addressees(&digest.to),
                at.join(" and ")
            ))
        });
        let digests: Vec<Text> = digests.collect();
        if !digests.is_empty() {
            blocks.push(self.heading("Figures at certain hours"));
            blocks.push(Block::List(digests));
        }
        blocks
    }

    fn date(&self, notice: &Notice) -> Option<String> {
        self.forecast.moment(self.plan, &notice.at).filter(|_| self.is_dated()).map(|at| self.at(at))
    }

    fn sender(&self, notice: &Notice) -> String {
        match &notice.by {
            Some(by) => format!("{}: completes the text, sends it, ticks it off", self.who(by.as_str())),
            None if notice.to.is_empty() => "automatically, on the site's pages alone".to_owned(),
            None => format!("automatically, to {}", self.addressees(&notice.to)),
        }
    }

    /// What nobody would expect of these messages.
    pub(super) fn remarks(&self) -> Vec<Block> {
        let plan = self.plan;
        let is_before = |notice: &&Notice| match &notice.at {
            Moment::Near { anchor, offset: Some((Sign::Minus, _)), .. } => {
                notice.by.is_none() && plan.stage_index(anchor.as_str()).is_some()
            }
            _ => false,
        };
        let mut texts: Vec<Text> = Vec::new();
        if plan.notices.iter().any(|notice| is_before(&notice)) {
            texts.push(Text::from(
                "A message before a stage goes out by the clock alone, whether or not the gates pass and the checklist is ticked. If the stage will be late, tell the receivers by hand.",
            ));
        }
        let to_users = |notice: &&Notice| notice.at.is_of_incident() && notice.audience == Some(Audience::Users);
        let of_incidents: Vec<&Notice> = plan.notices.iter().filter(to_users).collect();
        if !of_incidents.is_empty() {
            let is_of_kill = of_incidents.iter().any(|notice| notice.at.is_near(Moment::INCIDENT));
            let (what, without) =
                if is_of_kill { ("a rollback or a kill", "an alert") } else { ("a rollback", "an alert or a kill") };
            texts.push(Text::from(format!(
                "The message at {what} goes out when users are taken back, by Tidegate or by a person, also to a smaller share. After {without} the plan has no message to users: write to them by hand.",
            )));
        }
        texts.into_list()
    }
}

/// On whose pages, and for how long.
fn in_app(notice: &Notice) -> String {
    let Some(own) = &notice.in_app else { return "–".to_owned() };
    let to = match own.to {
        ShownTo::All => "on every page",
        ShownTo::New => "on the new version's pages",
        ShownTo::Legacy => "on the old version's pages",
    };
    let names: Vec<&str> = own.groups.iter().map(tidegate_model::Name::as_str).collect();
    let groups = if names.is_empty() { String::new() } else { format!(", to {} alone", listed(&names)) };
    let kind = notice.in_app_kind().map(|kind| format!(", as {kind}")).unwrap_or_default();
    let link = own.link.as_ref().map(|link| format!(", leading to {link}")).unwrap_or_default();
    format!("{to}{groups}, for {}{kind}{link}", spelled(&own.lasts().to_string()))
}

/// A moment near something, in words: `3 days before the stage pilot`, and without an offset `the start`.
pub(super) fn near(anchor: &str, offset: Option<&(Sign, Duration)>, then: Option<&BusinessDay>) -> String {
    let anchor = match anchor {
        "start" => "the start".to_owned(),
        "end" => "the end".to_owned(),
        "rollback" => "a rollback".to_owned(),
        Moment::INCIDENT => "a rollback or a kill".to_owned(),
        stage => format!("the stage {stage}"),
    };
    let near = match offset {
        None => anchor,
        Some((sign, duration)) => {
            let side = if *sign == Sign::Minus { "before" } else { "after" };
            format!("{} {side} {anchor}", spelled(&duration.to_string()))
        }
    };
    then.map_or(near.clone(), |then| format!("{near}, on the {then}"))
}

/// When a notice is sent, in words.
fn when(notice: &Notice) -> String {
    let at = match &notice.at {
        Moment::Date(_) => "on that day".to_owned(),
        Moment::Near { anchor, offset, then } => {
            let at = if offset.is_none() { "at " } else { "" };
            format!("{at}{}", near(anchor.as_str(), offset.as_ref(), then.as_ref()))
        }
    };
    let every = notice.every.map(|every| format!(", then every {} while it lasts", counted_from_two(&every)));
    let text = sentence(&format!("{at}{}", every.unwrap_or_default()));
    text.strip_suffix('.').map_or(text.clone(), str::to_owned)
}
