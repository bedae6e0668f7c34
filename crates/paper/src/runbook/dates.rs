//! The timeline: everything with a date, in its order; of several rollouts, all of them together.

use super::Writing;
use crate::document::{Block, Table, Text};
use tidegate_decide::explain::{counted_from_two, listed, readable};
use tidegate_decide::timeline::{Ahead, Event, Kind, Premise, Stay, events};
use tidegate_model::Instant;
use tidegate_model::calendar::first_moment;

const DAY_MS: i64 = 86_400_000;

/// The dates of all of them.
pub(super) fn timeline(all: &[Writing<'_>]) -> Vec<Block> {
    let is_many = all.len() > 1;
    let mut rows: Vec<(Instant, Vec<Text>)> = Vec::new();
    for own in all.iter().filter(|own| own.is_dated()) {
        for event in own.events() {
            let mut row = vec![
                Text::from(own.at(event.at)),
                Text::from(own.day(event.at, all)),
                Text::from(event.until.map(|until| own.at(until)).unwrap_or_default()),
                own.what(&event),
                Text::from(event.who.as_deref().map(readable_who).unwrap_or_default()),
            ];
            if is_many {
                row.insert(3, Text::default().code(own.plan.key.as_str()));
            }
            rows.push((event.at, row));
        }
    }
    rows.sort_by_key(|(at, _)| *at);
    let mut head = vec!["When", "Day", "Until", "What", "Who"];
    if is_many {
        head.insert(3, "Rollout");
    }
    let mut blocks = Vec::new();
    if !rows.is_empty() {
        blocks.push(Block::Table(Table { head, rows: rows.into_iter().map(|(_, row)| row).collect() }));
        let started = all.iter().any(|own| own.forecast.premise == Some(Premise::Start) && own.is_dated());
        let started = if started { " They are as if it were started now, since the plan names no date." } else { "" };
        blocks.push(Block::Paragraph(Text::from(format!(
            "T is the start. From the second stage on, dates are the earliest possible ones: a stage lasts until its gates pass and its items are ticked.{started}"
        ))));
    }
    let undated: Vec<&str> = all.iter().filter(|own| !own.is_dated()).map(|own| own.plan.key.as_str()).collect();
    if !undated.is_empty() {
        blocks.push(Block::Paragraph(Text::from(format!(
            "No date is planned for {}: off until somebody starts it by `tidegate start KEY`.",
            listed(&undated)
        ))));
    }
    blocks
}

impl Writing<'_> {
    fn events(&self) -> Vec<Event> {
        let ahead = Ahead { plan: self.subject.plan, record: self.subject.record };
        let mut all = events(&ahead, self.forecast, &[], self.now);
        // A stage's row has its bake time, and of several rollouts also its end. What repeats is one row.
        all.retain(|event| match event.kind {
            Kind::Stage | Kind::Notice => true,
            Kind::End => !self.is_one_of_many,
            _ => false,
        });
        all.retain(|event| self.repeats(event).is_none_or(|(_, n)| n == 0));
        all.extend(self.never_sent());
        all.sort_by_key(|event| event.at);
        all
    }

    /// Of a message that repeats: its place in the plan, and which time this is.
    fn repeats(&self, event: &Event) -> Option<(usize, usize)> {
        let (place, n) = event.id.strip_prefix("notice-")?.split_once('-')?;
        let (place, n) = (place.parse().ok()?, n.parse().ok()?);
        self.plan.notices.get::<usize>(place).filter(|own| own.every.is_some()).map(|_| (place, n))
    }

    /// Messages that come only if a stage lasts longer than it must.
    fn never_sent(&self) -> Vec<Event> {
        let ahead = Ahead { plan: self.subject.plan, record: self.subject.record };
        let sent = events(&ahead, self.forecast, &[], self.now);
        let is_sent = |place: usize| sent.iter().any(|own| own.id.starts_with(&format!("notice-{place}-")));
        let all = self.plan.notices.iter().enumerate().filter(|(place, own)| own.every.is_some() && !is_sent(*place));
        let of = |(place, notice): (usize, &tidegate_model::plan::Notice)| {
            let at = self.forecast.moment(self.plan, &notice.at).filter(|at| *at >= self.now)?;
            Some(Event {
                id: format!("notice-{place}-0"),
                at,
                until: None,
                kind: Kind::Notice,
                title: notice.text.clone(),
                detail: Some("only if the stage lasts longer than it must".to_owned()),
                who: notice.by.as_ref().map(|by| self.who(by.as_str())).or_else(|| Some("sent automatically".into())),
                is_past: false,
            })
        };
        all.filter_map(of).collect()
    }

    fn what(&self, event: &Event) -> Text {
        let detail = event.detail.as_deref().map(|detail| format!(": {}", lower(detail))).unwrap_or_default();
        match event.kind {
            Kind::Notice => {
                let every = self.repeats(event).and_then(|(place, _)| self.plan.notices.get(place)?.every);
                let every = every.map(|every| format!("; then every {} while it lasts", counted_from_two(&every)));
                Text::default()
                    .strong(format!("“{}”", event.title))
                    .plain(format!("{detail}{}", every.unwrap_or_default()))
            }
            Kind::Stage => {
                let waits = self.forecast.stays.iter().find(|stay| stay.from == event.at && stay.until == event.until);
                let waits = waits.and_then(|stay| self.waits(stay)).map(|waits| format!(" Then it waits for {waits}."));
                Text::default().strong(event.title.as_str()).plain(format!("{detail}{}", waits.unwrap_or_default()))
            }
            _ => Text::default().strong(event.title.as_str()).plain(detail),
        }
    }

    /// What a stage waits for whose time is over.
    fn waits(&self, stay: &Stay) -> Option<String> {
        let until = stay.until.filter(|until| *until > stay.baked)?;
        let is_frozen = self.plan.freeze.iter().any(|window| window.contains(stay.baked.as_epoch_ms()));
        let free = first_moment(&self.plan.freeze, stay.baked.as_epoch_ms(), false);
        if is_frozen && free == Some(until.as_epoch_ms()) {
            return Some(format!("the end of the change freeze, from {} on", self.at(stay.baked)));
        }
        let next = self.plan.stages.get(stay.stage + 1)?;
        Some(format!("the hours in which {} may be entered, from {} on", next.name, self.at(stay.baked)))
    }

    /// How many days from the start: `T`, `T+4`, `T-7`. Of several rollouts, from the first of all starts.
    fn day(&self, at: Instant, all: &[Writing<'_>]) -> String {
        let starts = all.iter().filter(|own| own.is_dated()).filter_map(|own| own.forecast.start);
        let Some(start) = starts.min() else { return String::new() };
        let local = |at: Instant| self.zone.local_ms(at.as_epoch_ms()).div_euclid(DAY_MS);
        match local(at) - local(start) {
            0 => "T".to_owned(),
            days if days > 0 => format!("T+{days}"),
            days => format!("T-{}", -days),
        }
    }
}

/// A sentence as it stands behind a colon.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|first| first.to_lowercase().collect()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

/// A role or a person as people read it; addresses stay as they are.
fn readable_who(who: &str) -> String {
    match who.split_once(" (") {
        Some((role, person)) => format!("{} ({person}", readable(role)),
        None => who.to_owned(),
    }
}
