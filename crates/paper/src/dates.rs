//! The dates of rollouts as a paper: what was, what is to come, and who must act by when.

use super::document::{Block, Document, Table, Text, Tone};
use tidegate_decide::timeline::{Event, Forecast, Kind, outlook};
use tidegate_model::Instant;
use tidegate_model::plan::Plan;
use tidegate_model::zone::Zone;

/// So many steps of the past are shown, the last.
const PAST_MAX: usize = 40;

/// The dates of one rollout.
pub struct Dates<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// How it goes on.
    pub forecast: &'a Forecast,
    /// Everything that has a date.
    pub events: &'a [Event],
}

/// Writes them.
pub fn dates(name: &str, all: &[Dates<'_>], now: Instant) -> Document {
    let zone = all.first().map_or(Zone::UTC, |own| own.plan.zone());
    let mut document = Document {
        title: format!("Timeline: {name}"),
        about: vec![
            format!("written on {} ({})", now.shown_by(&zone), zone.name()),
            "all times are those of this zone".to_owned(),
        ],
        blocks: Vec::new(),
    };
    for own in all {
        if all.len() > 1 {
            document.blocks.push(Block::Heading(2, own.plan.key.to_string()));
        }
        document.blocks.push(Block::Paragraph(Text::from(outlook(own.plan, own.forecast, &zone))));
        let (past, ahead): (Vec<&Event>, Vec<&Event>) = own.events.iter().partition(|event| event.is_past);
        let is_work = |event: &&&Event| {
            event.kind == Kind::Approval
                || event.kind == Kind::Notice && event.who.as_deref() != Some("sent automatically")
        };
        let work: Vec<&Event> = ahead.iter().filter(is_work).copied().collect();
        section(&mut document, "Who must act, by when", &work, &zone, now);
        section(&mut document, "What is to come", &ahead, &zone, now);
        let skipped = past.len().saturating_sub(PAST_MAX);
        section(&mut document, "What was", past.get(skipped..).unwrap_or_default(), &zone, now);
        if skipped > 0 {
            let text = format!("{skipped} earlier dates are in `tidegate history {}`.", own.plan.key);
            document.blocks.push(Block::Paragraph(Text::from(text)));
        }
    }
    document
}

fn section(document: &mut Document, title: &str, events: &[&Event], zone: &Zone, now: Instant) {
    if events.is_empty() {
        return;
    }
    let mut table = Table::new(&["When", "Until", "What", "Who"]);
    for event in events {
        let detail = event.detail.as_deref().map(|detail| format!(" {detail}")).unwrap_or_default();
        let is_late = event.kind == Kind::Approval && event.at < now;
        let when = event.at.shown_by(zone);
        let when = if is_late { Text::default().toned(Tone::Bad, format!("{when} (late)")) } else { Text::from(when) };
        table.rows.push(vec![
            when,
            Text::from(event.until.map(|until| until.shown_by(zone)).unwrap_or_default()),
            Text::default().strong(event.title.as_str()).plain(detail),
            Text::from(event.who.as_deref().unwrap_or_default()),
        ]);
    }
    document.blocks.push(Block::Heading(3, title.to_owned()));
    document.blocks.push(Block::Table(table));
}
