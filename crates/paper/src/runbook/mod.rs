//! The runbook: what somebody has to know who takes part in a release, or is called at night because of it, and has
//! never used Tidegate.
//!
//! 1. All of it stands in the plan; where the rollout is deployed, with what was measured and ticked so far.
//! 2. It is read at 3 a.m.: first how to stop, how to see that it has stopped, who decides and who is called. What is
//!    planned comes after that.
//! 3. A file of several rollouts makes one runbook. What they say alike stands once, with `KEY` for the key and
//!    `ENDPOINT` for the endpoint; of what differs it says which rollouts it is about. Nothing is left out silently.

mod dates;
mod gates;
mod messages;
mod people;
mod released;
mod stages;
mod together;
mod triggers;
mod watched;
mod ways;
mod words;

use super::document::{Block, Document, Text};
use std::borrow::Cow;
use tidegate_decide::explain;
use tidegate_decide::timeline::{Ahead, Forecast, Premise, forecast};
use tidegate_model::Instant;
use tidegate_model::number::counted;
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;
use tidegate_model::zone::Zone;

/// What a runbook is made of.
pub struct Input<'a> {
    /// What the rollouts are together: a file's name, a key.
    pub name: &'a str,
    /// The rollouts, in the order of the file.
    pub rollouts: Vec<Subject<'a>>,
    /// The public address of the console, where there is one.
    pub console: Option<&'a str>,
    /// The time.
    pub now: Instant,
}

/// A rollout, as far as it is known.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// Where it is, if it is deployed.
    pub record: Option<&'a Record>,
    /// What was measured.
    pub load: Option<Load>,
}

/// The traffic that a rollout has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Requests an hour, to both sides together.
    pub requests_per_hour: f64,
    /// Those of them to new, in the last day.
    pub new_per_hour: f64,
    /// Different users in the last day, where they were counted.
    pub users: Option<f64>,
}

/// One rollout, with what all its sections need.
#[derive(Clone, Copy)]
struct Writing<'a> {
    subject: Subject<'a>,
    plan: &'a Plan,
    forecast: &'a Forecast,
    zone: &'a Zone,
    console: Option<&'a str>,
    now: Instant,
    /// Whether it is one of several in this paper.
    is_one_of_many: bool,
    /// Whether nobody knows when it starts, while others of the file have a date.
    is_undated: bool,
    /// The level of its sections' headings.
    level: u8,
}

/// What is said of one rollout.
type Part = for<'a, 'b> fn(&'a Writing<'b>) -> Vec<Block>;
/// A section of one rollout: its heading, what is said first, which is mostly the same of all, and what follows.
type Section = (&'static str, Part, Part);

/// Where nothing is said first.
const NOTHING: Part = |_| Vec::new();

/// The sections before the words, in their order: what is needed when something is wrong.
const FIRST: [Section; 3] = [
    ("Who decides", NOTHING, |own| own.owners()),
    ("Who is who, by the hour", NOTHING, |own| own.contacts()),
    ("After a rollback, in this order", NOTHING, |own| own.after_rollback()),
];

/// Those behind the timeline: what is planned, and what is watched.
const THEN: [Section; 5] = [
    ("Before the start: go or no-go", NOTHING, |own| own.before_start()),
    ("Stages", |own| own.how_it_goes_on(), |own| own.stages()),
    (
        "Decision tree: what Tidegate does by itself, and what people decide",
        |own| own.how_to_read(),
        |own| own.triggers(),
    ),
    ("When the figures themselves are worth less", NOTHING, |own| own.problems()),
    ("Messages", |own| own.remarks(), |own| own.messages()),
];

/// Writes the runbook.
pub fn runbook(input: &Input<'_>) -> Document {
    let ahead: Vec<Ahead<'_>> = input.rollouts.iter().map(|own| Ahead { plan: own.plan, record: own.record }).collect();
    let forecasts = forecast(&ahead, input.now);
    let zone = input.rollouts.iter().map(|own| own.plan.zone()).find(|zone| *zone != Zone::UTC).unwrap_or(Zone::UTC);
    let is_one = input.rollouts.len() == 1;
    let plans: Vec<Cow<'_, Plan>> = input
        .rollouts
        .iter()
        .map(|own| if is_one { Cow::Borrowed(own.plan) } else { Cow::Owned(together::alike(own.plan)) })
        .collect();
    let has_date = forecasts.iter().any(|own| own.premise.is_none());
    let all: Vec<Writing<'_>> = input
        .rollouts
        .iter()
        .zip(plans.iter().zip(&forecasts))
        .map(|(subject, (plan, forecast))| Writing {
            subject: *subject,
            plan: plan.as_ref(),
            forecast,
            zone: &zone,
            console: input.console,
            now: input.now,
            is_one_of_many: !is_one,
            is_undated: has_date && forecast.premise == Some(Premise::Start) && plan.after.is_empty(),
            level: if is_one { 2 } else { 3 },
        })
        .collect();
    let title = match input.rollouts.first() {
        Some(own) if is_one => own.plan.description.clone().unwrap_or_else(|| own.plan.key.to_string()),
        _ => explain::readable(input.name),
    };
    let about = vec![
        if is_one { format!("Rollout {}", input.name) } else { counted(input.rollouts.len(), "rollout") },
        format!("written on {}", input.now.shown_by(&zone)),
        format!("times are those of {} where no other zone stands beside them", zone.name()),
    ];
    Document { title: format!("Runbook: {title}"), about, blocks: blocks(&all) }
}

fn blocks(all: &[Writing<'_>]) -> Vec<Block> {
    let mut blocks = together::first(all);
    let mut silent: Vec<&str> = Vec::new();
    let mut section = |blocks: &mut Vec<Block>, title: &'static str, own: Vec<Block>| {
        if own.is_empty() {
            silent.push(title);
            return;
        }
        blocks.push(Block::Heading(2, title.to_owned()));
        blocks.extend(own);
    };
    section(&mut blocks, "Ways back, and how to verify them", ways::ways_back(all));
    section(&mut blocks, "Commands for decisions", ways::commands(all));
    for (title, intro, of) in FIRST {
        section(&mut blocks, title, together::grouped(all, intro, of));
    }
    section(&mut blocks, "Words", words::words(all));
    section(
        &mut blocks,
        "What is released, and to whom",
        together::grouped(all, |own| own.how_it_works(), |own| own.released()),
    );
    section(&mut blocks, "Timeline", dates::timeline(all));
    for (title, intro, of) in THEN {
        section(&mut blocks, title, together::grouped(all, intro, of));
    }
    section(&mut blocks, "What is watched", watched::watched(all));
    section(&mut blocks, "Risks", together::risks(all));
    section(&mut blocks, "Remarks", together::notes(all));
    section(&mut blocks, "Where to look", together::links(all));
    if !silent.is_empty() {
        let titles: Vec<String> = silent.iter().map(|title| format!("“{title}”")).collect();
        let text = format!("The plan has nothing for these sections: {}.", titles.join(", "));
        blocks.push(Block::Paragraph(Text::from(text)));
    }
    blocks
}

impl Writing<'_> {
    /// The key as commands name it: of one of several rollouts, a word in its place.
    fn key(&self) -> &str {
        if self.is_one_of_many { together::KEY } else { self.plan.key.as_str() }
    }

    fn heading(&self, title: impl Into<String>) -> Block {
        Block::Heading(self.level + 1, title.into())
    }

    fn at(&self, at: Instant) -> String {
        at.shown_by(self.zone)
    }

    /// Whether its dates are worth printing.
    fn is_dated(&self) -> bool {
        !self.is_undated
    }
}

/// Lists that are left out where they are empty.
trait IntoList {
    fn into_list(self) -> Vec<Block>;
}

impl IntoList for Vec<Text> {
    fn into_list(self) -> Vec<Block> {
        if self.is_empty() { Vec::new() } else { vec![Block::List(self)] }
    }
}
