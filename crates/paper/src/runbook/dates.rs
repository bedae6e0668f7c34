//! The timeline and the messages: everything with a date, in its order.

use super::Writing;
use crate::document::{Block, Table, Text};
use tidegate_decide::explain::{readable, sentence, spelled};
use tidegate_decide::timeline::{Ahead, Event, Kind, events};
use tidegate_model::Instant;
use tidegate_model::plan::Notice;
use tidegate_model::plan::words::{Moment, Sign};

const DAY_MS: i64 = 86_400_000;
/// Of what repeats, so many dates stand in the table.
const REPEATS_SHOWN: usize = 3;

impl Writing<'_> {
    pub(super) fn timeline(&self) -> Vec<Block> {
        let ahead = Ahead { plan: self.plan, record: self.subject.record };
        let all = events(&ahead, self.forecast, &[], self.now);
        let is_reported =
            |event: &&Event| !matches!(event.kind, Kind::Checkin | Kind::Approval | Kind::Freeze | Kind::Done);
        let mut table = Table::new(&["When", "Day", "What", "Who"]);
        let mut repeated: Vec<(String, usize)> = Vec::new();
        for event in all.iter().filter(is_reported) {
            let place = match repeated.iter().position(|(title, _)| *title == event.title) {
                Some(place) => place,
                None => {
                    repeated.push((event.title.clone(), 0));
                    repeated.len() - 1
                }
            };
            if let Some((_, count)) = repeated.get_mut(place) {
                *count += 1;
                if *count > REPEATS_SHOWN {
                    continue;
                }
            }
            let detail = event.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
            let title = if event.kind == Kind::Notice { format!("“{}”", event.title) } else { event.title.clone() };
            table.rows.push(vec![
                Text::from(self.at(event.at)),
                Text::from(self.day(event.at)),
                Text::default().strong(title).plain(detail),
                Text::from(event.who.as_deref().map(readable_who).unwrap_or_default()),
            ]);
        }
        let note = "Dates from the second stage on are the earliest possible ones. T is the start.";
        let mut blocks = Vec::new();
        if !table.rows.is_empty() {
            blocks.push(Block::Table(table));
            blocks.push(Block::Paragraph(Text::from(note)));
        }
        blocks
    }

    /// How many days from the start: `T`, `T+4`, `T-7`.
    fn day(&self, at: Instant) -> String {
        let Some(start) = self.forecast.start else { return String::new() };
        let local = |at: Instant| self.zone.local_ms(at.as_epoch_ms()).div_euclid(DAY_MS);
        match local(at) - local(start) {
            0 => "T".to_owned(),
            days if days > 0 => format!("T+{days}"),
            days => format!("T-{}", -days),
        }
    }

    pub(super) fn messages(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut blocks = Vec::new();
        let audiences: Vec<Option<tidegate_model::plan::words::Audience>> = {
            let mut all = Vec::new();
            for notice in &plan.notices {
                if !all.contains(&notice.audience) {
                    all.push(notice.audience);
                }
            }
            all
        };
        for audience in audiences {
            let mut table = Table::new(&["When", "Earliest date", "Who sends it", "Text"]);
            for notice in plan.notices.iter().filter(|notice| notice.audience == audience) {
                let at = self.forecast.moment(plan, &notice.at);
                table.rows.push(vec![
                    Text::from(when(notice)),
                    Text::from(at.map_or_else(|| "–".to_owned(), |at| self.at(at))),
                    Text::from(self.sender(notice)),
                    Text::from(notice.text.as_str()),
                ]);
            }
            let title = audience
                .map_or_else(|| "To whoever it concerns".to_owned(), |own| format!("To {}", own.with_article()));
            blocks.push(self.heading(title));
            blocks.push(Block::Table(table));
        }
        let digests: Vec<Text> = plan
            .digests
            .iter()
            .map(|digest| {
                let at: Vec<String> = digest.at.iter().map(ToString::to_string).collect();
                Text::from(format!("The figures {} to {}, automatically.", at.join(" and "), self.channels(&digest.to)))
            })
            .collect();
        if !digests.is_empty() {
            blocks.push(self.heading("Figures at certain hours"));
            blocks.push(Block::List(digests));
        }
        blocks
    }

    fn sender(&self, notice: &Notice) -> String {
        match &notice.by {
            Some(by) => format!("{}: completes the text, sends it, ticks it off", self.who(by.as_str())),
            None => format!("automatically, by {}", self.channels(&notice.to)),
        }
    }
}

/// A role or a person as people read it; addresses stay as they are.
fn readable_who(who: &str) -> String {
    match who.split_once(" (") {
        Some((role, person)) => format!("{} ({person}", readable(role)),
        None => who.to_owned(),
    }
}

/// When a notice is sent, in words: `3 days before pilot`.
fn when(notice: &Notice) -> String {
    let anchor = |name: &str| match name {
        "start" => "the start".to_owned(),
        "end" => "the end".to_owned(),
        "rollback" => "a rollback".to_owned(),
        stage => format!("the stage {stage}"),
    };
    let at = match &notice.at {
        Moment::Date(_) => "on that day".to_owned(),
        Moment::Near { anchor: name, offset: None } => format!("at {}", anchor(name.as_str())),
        Moment::Near { anchor: name, offset: Some((sign, duration)) } => {
            let side = if *sign == Sign::Minus { "before" } else { "after" };
            format!("{} {side} {}", spelled(&duration.to_string()), anchor(name.as_str()))
        }
    };
    let every = notice.every.map(|every| format!(", then every {}", spelled(&every.to_string()))).unwrap_or_default();
    let text = sentence(&format!("{at}{every}"));
    text.strip_suffix('.').map_or(text.clone(), str::to_owned)
}
