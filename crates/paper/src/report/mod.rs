//! The report: what happened, to whom, for how long and why, as far as figures and history know it, and room for what
//! only people know.
//!
//! It blames nobody: it tells what was done and what the figures were then. What is estimated is said to be.

mod figures;
mod incident;
mod log;

use super::document::{Block, Document, Span, Table, Text, Tone};
pub use figures::{SideFigures, Stretch};
use incident::{Incident, incidents};
use tidegate_decide::explain::{self, sentence};
use tidegate_decide::judge::{Judgement, Verdict};
use tidegate_model::command::Command;
use tidegate_model::figure::Figure;
use tidegate_model::history::{Entry, EntryCause};
use tidegate_model::live::Phase;
use tidegate_model::number::{Grouped, counted};
use tidegate_model::plan::{Gate, Plan};
use tidegate_model::record::{Checklist, Record};
use tidegate_model::zone::Zone;
use tidegate_model::{Instant, Percentage};

/// What a report is made of.
pub struct Input<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Where the rollout is.
    pub record: &'a Record,
    /// Its history, the oldest entry first.
    pub history: &'a [Entry],
    /// What was measured since it began, in the order of time: minutes, or hours of a long one.
    pub measured: &'a [Stretch],
    /// The same by minutes, as far as they are kept.
    pub minutes: &'a [Stretch],
    /// Different users on new in this attempt, where they were counted.
    pub users: Option<f64>,
    /// Messages to people: when, and what.
    pub sent: &'a [(Instant, String)],
    /// The gates of the present stage, as they were last judged.
    pub gates: &'a [Judgement],
    /// What is wrong with it now, a sentence for each: problems, faults, what breaks.
    pub wrong: &'a [String],
    /// The public address of the console.
    pub console: Option<&'a str>,
    /// The time.
    pub now: Instant,
}

/// A report, with what all its sections need.
struct Writing<'a> {
    input: &'a Input<'a>,
    plan: &'a Plan,
    record: &'a Record,
    zone: Zone,
    /// What was measured, as fine as each time was kept.
    minutes: Vec<Stretch>,
    incidents: Vec<Incident<'a>>,
}

/// Writes the report.
pub fn report(input: &Input<'_>) -> Document {
    let minutes = figures::finest(input.measured, input.minutes);
    let writing = Writing {
        input,
        plan: input.plan,
        record: input.record,
        zone: input.plan.zone(),
        incidents: incidents(input, &minutes),
        minutes,
    };
    let what = input.plan.description.clone().unwrap_or_else(|| input.plan.key.to_string());
    let is_over = input.record.live.phase == Phase::Completed && !input.record.live.killed;
    let kind = if writing.incidents.is_empty() || is_over { "Report" } else { "Incident report" };
    let (gates, criteria) = (writing.gates(), writing.criteria());
    // Gates that new fails, and criteria that a rollout that is over has not met.
    let is_unmet = [&gates, &criteria].iter().flat_map(|blocks| blocks.iter()).any(has_bad);
    let mut document = Document {
        title: format!("{kind}: {what}"),
        about: vec![
            format!("Rollout {}, attempt {}", input.plan.key, input.record.live.attempt),
            format!("written on {} ({})", writing.at(input.now), writing.zone.name()),
            "all times are those of this zone".to_owned(),
        ],
        blocks: writing.summary(is_unmet),
    };
    let mut section = |title: &str, blocks: Vec<Block>| {
        if !blocks.is_empty() {
            document.blocks.push(Block::Heading(2, title.to_owned()));
            document.blocks.extend(blocks);
        }
    };
    let wrong = input.wrong.iter().map(|own| Text::from(sentence(own))).collect::<Vec<_>>();
    section("What is wrong now", if wrong.is_empty() { Vec::new() } else { vec![Block::List(wrong)] });
    section("In figures", writing.in_figures());
    for (index, incident) in writing.incidents.iter().enumerate() {
        let title = if writing.incidents.len() == 1 {
            "The incident".to_owned()
        } else {
            format!("Incident {}: {}", index + 1, writing.at(incident.entry.at))
        };
        section(&title, writing.incident(incident));
    }
    section("What was measured", writing.plots());
    section("What happened, step by step", writing.log());
    section("What was asked before each step (gates)", gates);
    section("Success criteria", criteria);
    section("Who did what", writing.people());
    section("Post-mortem", writing.post_mortem());
    document
}

impl Writing<'_> {
    fn at(&self, at: Instant) -> String {
        at.shown_by(&self.zone)
    }

    /// The clock alone, with its seconds.
    fn clock(&self, at: Instant) -> String {
        let shown = at.shown_by(&self.zone);
        let hour = shown.rsplit(' ').next().unwrap_or_default();
        format!("{hour}:{:02}", at.as_epoch_ms().rem_euclid(60_000) / 1_000)
    }

    /// What somebody reads who reads nothing else.
    fn summary(&self, is_unmet: bool) -> Vec<Block> {
        let (record, plan) = (self.record, self.plan);
        let what = plan.description.as_deref().unwrap_or(plan.key.as_str());
        let state = explain::state(&record.live);
        let mut texts = Vec::new();
        match self.incidents.last() {
            Some(incident) => {
                let times = match self.incidents.len() {
                    1 => String::new(),
                    times => format!(" It was taken back {times} times. The last time:"),
                };
                texts.push(Text::from(format!(
                    "“{what}” was being released to a growing share of the users; Tidegate sends each of them to the old or the new version and watches both.{times} On {} {}",
                    self.at(incident.entry.at),
                    self.what_happened(incident)
                )));
                texts.push(Text::from(self.impact(incident)));
                texts.push(Text::from(sentence(&format!("now the rollout is {state}"))));
            }
            None => {
                let began = self.input.history.iter().find(|entry| entry.command == Command::Start);
                let began = began.map(|entry| format!(", since {}", self.at(entry.at))).unwrap_or_default();
                texts.push(Text::from(format!(
                    "“{what}” is being released to a growing share of the users{began}. The rollout is {state}. Nothing had to be taken back."
                )));
            }
        }
        let wrong = self.input.wrong.len();
        if wrong > 0 {
            let (is, things) = if wrong == 1 { ("is", "thing") } else { ("are", "things") };
            texts.push(Text::default().strong(format!("{wrong} {things} {is} wrong now; the next section says what.")));
        }
        if is_unmet {
            texts.push(Text::from(
                "Not everything that the plan asks for is met: see the gates and the criteria below.",
            ));
        }
        let tone = match record.live.phase {
            _ if record.live.killed => Tone::Bad,
            Phase::RolledBack => Tone::Bad,
            _ if wrong > 0 || is_unmet => Tone::Plain,
            Phase::Completed => Tone::Good,
            _ if self.incidents.is_empty() => Tone::Good,
            _ => Tone::Plain,
        };
        vec![Block::Callout(tone, "Summary".into(), texts)]
    }

    fn in_figures(&self) -> Vec<Block> {
        let sum = figures::sum(self.input.measured);
        let mut table = Table::new(&["", "New version", "Old version (legacy)"]);
        let mut row = |name: &str, new: String, legacy: String| {
            table.rows.push(vec![Text::default().strong(name), Text::from(new), Text::from(legacy)]);
        };
        let number = |count: u64| Grouped(count).to_string();
        row("Requests", number(sum.new.requests), number(sum.legacy.requests));
        let failed = |own: &SideFigures| share(own.errors, own.requests, "no requests");
        row("Failed", failed(&sum.new), failed(&sum.legacy));
        if sum.new.rescued > 0 {
            row(
                "Of these answered by legacy in its place, unseen by the user",
                number(sum.new.rescued),
                "–".to_owned(),
            );
            row(
                "Failures that users saw",
                number(sum.new.errors.saturating_sub(sum.new.rescued)),
                number(sum.legacy.errors),
            );
        }
        if sum.new.pages + sum.legacy.pages > 0 {
            row(
                "Page views with a JavaScript error",
                share(sum.new.failed_pages, sum.new.pages, "no page views"),
                share(sum.legacy.failed_pages, sum.legacy.pages, "no page views"),
            );
        }
        let most = self.input.history.iter().map(|entry| entry.state.percentage).max().unwrap_or(Percentage::ZERO);
        row("Largest share of users", format!("{most} %"), "–".to_owned());
        if let Some(users) = self.input.users {
            row("Different users in this attempt", format!("about {}", Grouped(users.round() as u64)), "–".to_owned());
        }
        let mut blocks = Vec::new();
        if self.record.live.attempt > 1 {
            let all = format!("All {} attempts together, unless a row says otherwise.", self.record.live.attempt);
            blocks.push(Block::Paragraph(Text::from(all)));
        }
        blocks.push(Block::Table(table));
        blocks
    }

    /// The gates as they were when a stage was left, and as they are now.
    fn gates(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let steps = self.input.history.windows(2).filter_map(|pair| match pair {
            [before, entry] if matches!(entry.command, Command::Advance | Command::Complete(_)) => {
                Some((before, entry))
            }
            _ => None,
        });
        for (before, entry) in steps {
            let figures = explain::figures(entry);
            let how = match &entry.cause {
                Some(EntryCause::Schedule { gates, .. }) => format!("the schedule: {}", explain::gates_left(*gates)),
                _ => format!("{}, without waiting for gates", entry.actor),
            };
            blocks.push(Block::Heading(3, format!("{} left on {}", before.state.stage, self.at(entry.at))));
            blocks.push(Block::Paragraph(Text::from(sentence(&format!("by {how}")))));
            if !figures.is_empty() {
                blocks.push(Block::List(figures.iter().map(|figure| Text::from(sentence(figure))).collect()));
            }
        }
        let index = self.plan.stage_index(self.record.live.stage.as_str());
        let gates: Vec<&Gate> = index.into_iter().flat_map(|index| self.plan.gates_in_force(index)).collect();
        if self.record.live.phase == Phase::Running && !self.input.gates.is_empty() {
            blocks.push(Block::Heading(3, format!("{}, now", self.record.live.stage)));
            let mut table = Table::new(&["Asked for (gate)", "Met", "Figures"]);
            for (gate, judged) in gates.iter().zip(self.input.gates) {
                table.rows.push(vec![
                    Text::default().code(gate.to_string()),
                    verdict(judged),
                    Text::from(sentence(&judged.text)),
                ]);
            }
            blocks.push(Block::Table(table));
        }
        blocks
    }

    /// What the release has to show at its full share: each met or not, with its figure. That is what the stages at
    /// the last one's percentage ask for.
    fn criteria(&self) -> Vec<Block> {
        let plan = self.plan;
        let Some(full) = plan.stages.last().map(|stage| stage.percentage) else { return Vec::new() };
        let mut table = Table::new(&["Criterion", "Met", "Figure"]);
        for (index, stage) in plan.stages.iter().enumerate().filter(|(_, stage)| stage.percentage == full) {
            let left = self.left(stage.name.as_str());
            let is_there = self.record.live.stage == stage.name && self.record.live.phase == Phase::Running;
            for (n, gate) in plan.gates_in_force(index).enumerate() {
                let words = format!("{} ", explain::condition(&gate.when, plan));
                let (met, figure) = match (left, self.input.gates.get(n).filter(|_| is_there)) {
                    (Some(entry), _) => (when_left(entry, gate), figures_of(entry, gate)),
                    (None, Some(judged)) => (verdict(judged), sentence(&judged.text)),
                    (None, None) => {
                        let word = if self.was_in(stage.name.as_str()) {
                            Text::default().toned(Tone::Bad, "not met")
                        } else {
                            Text::default().plain("not reached")
                        };
                        (word, self.not_reached(gate, stage.name.as_str()))
                    }
                };
                table.rows.push(vec![Text::from(words).code(gate.when.to_string()), met, Text::from(figure)]);
            }
            let of = Checklist::Stage(stage.name.clone());
            for item in &stage.checklist {
                let approval = self.record.approval(&of, item);
                let met = match approval {
                    Some(_) => Text::default().toned(Tone::Good, "met"),
                    None => Text::default().toned(Tone::Bad, "open"),
                };
                let by = approval.map(|own| format!("{}, {}", own.by, self.at(own.at))).unwrap_or_default();
                table.rows.push(vec![Text::from(item.text.as_str()), met, Text::from(by)]);
            }
        }
        if table.rows.is_empty() {
            return Vec::new();
        }
        let count = |words: &[&str]| {
            let is_it = |row: &&Vec<Text>| row.get(1).is_some_and(|cell| words.contains(&cell.words().as_str()));
            table.rows.iter().filter(is_it).count()
        };
        let (met, through) = (count(&["met"]), count(&[LET_THROUGH, BY_HAND]));
        let through = if through > 0 { format!(", {through} let through") } else { String::new() };
        vec![
            Block::Paragraph(Text::from(format!(
                "What the plan asks for at {full} %, before the rollout counts as a success: {met} of {} met{through}.",
                table.rows.len()
            ))),
            Block::Table(table),
        ]
    }

    /// The step by which a stage was left for the next, or by which the rollout ended in it, in this attempt.
    fn left(&self, stage: &str) -> Option<&Entry> {
        let attempt = self.record.live.attempt;
        let steps = self.input.history.windows(2).filter_map(|pair| match pair {
            [before, entry] if before.state.stage.as_str() == stage && entry.state.attempt == attempt => Some(entry),
            _ => None,
        });
        let is_step = |entry: &&Entry| matches!(entry.command, Command::Advance | Command::Complete(_) | Command::End);
        steps.rev().find(is_step)
    }

    /// Whether the rollout was ever in a stage.
    fn was_in(&self, stage: &str) -> bool {
        self.input.history.iter().any(|entry| entry.state.stage.as_str() == stage)
    }

    /// Why a criterion has no verdict, with what was measured at the end.
    fn not_reached(&self, gate: &Gate, stage: &str) -> String {
        let names: Vec<String> = gate.when.terms.iter().map(|term| term.metric_at_endpoint()).collect();
        let seen = self.input.history.iter().rev().find_map(|entry| {
            let own = entry.measured.iter().find(|figure| names.contains(&figure.metric))?;
            Some(format!("; on {}: {}", self.at(entry.at), explain::measured(own)))
        });
        let why = if self.was_in(stage) {
            format!("the rollout went back before {stage} was over")
        } else {
            format!("{stage} was not reached")
        };
        sentence(&format!("{why}{}", seen.unwrap_or_default()))
    }

    fn people(&self) -> Vec<Block> {
        let mut actors: Vec<(&str, Vec<&Entry>)> = Vec::new();
        for entry in
            self.input.history.iter().filter(|entry| !matches!(entry.actor.as_str(), "schedule" | "guardrail" | "kv"))
        {
            match actors.iter_mut().find(|(own, _)| *own == entry.actor) {
                Some((_, entries)) => entries.push(entry),
                None => actors.push((&entry.actor, vec![entry])),
            }
        }
        let mut table = Table::new(&["Who", "What"]);
        for (actor, entries) in actors {
            let what: Vec<String> = entries
                .iter()
                .map(|entry| {
                    let reason = if entry.reason.is_empty() { String::new() } else { format!(" ({})", entry.reason) };
                    format!("{} {}{reason}", self.clock(entry.at), explain::done(&entry.command))
                })
                .collect();
            table.rows.push(vec![Text::default().strong(actor), Text::from(what.join("; "))]);
        }
        let by_itself =
            self.input.history.iter().filter(|entry| matches!(entry.actor.as_str(), "schedule" | "guardrail")).count();
        if by_itself > 0 {
            table.rows.push(vec![
                Text::default().strong("Tidegate itself"),
                Text::from(format!("{}, by the plan (above)", counted(by_itself, "step"))),
            ]);
        }
        if table.rows.is_empty() { Vec::new() } else { vec![Block::Table(table)] }
    }
}

/// What a gate is that passes although its comparison cannot tell.
const LET_THROUGH: &str = "undecided, let through";
/// What one is that an operator has not waited for.
const BY_HAND: &str = "let through by hand";

fn verdict(judged: &Judgement) -> Text {
    match judged.verdict {
        Verdict::Pass if judged.is_let_through() => Text::default().plain(LET_THROUGH),
        Verdict::Pass => Text::default().toned(Tone::Good, "met"),
        Verdict::Fail => Text::default().toned(Tone::Bad, "not met"),
        Verdict::Inconclusive => Text::default().plain("not known yet"),
    }
}

/// How a gate was when its stage was left.
fn when_left(entry: &Entry, gate: &Gate) -> Text {
    if !matches!(entry.cause, Some(EntryCause::Schedule { .. })) {
        return Text::default().plain(BY_HAND);
    }
    let figures = measured_of(entry, gate).cloned().collect();
    verdict(&Judgement { verdict: Verdict::Pass, figures, ..Judgement::default() })
}

/// Whether something in a table is bad news.
fn has_bad(block: &Block) -> bool {
    let is_bad = |text: &Text| text.0.iter().any(|span| matches!(span, Span::Toned(Tone::Bad, _)));
    matches!(block, Block::Table(table) if table.rows.iter().flatten().any(is_bad))
}

fn measured_of<'e>(entry: &'e Entry, gate: &Gate) -> impl Iterator<Item = &'e Figure> {
    let names: Vec<String> = gate.when.terms.iter().map(|term| term.metric_at_endpoint()).collect();
    entry.measured.iter().filter(move |figure| names.contains(&figure.metric))
}

/// The figures of an entry that a gate is about.
fn figures_of(entry: &Entry, gate: &Gate) -> String {
    measured_of(entry, gate).map(explain::figure).map(|text| sentence(&text)).collect::<Vec<_>>().join(" ")
}

/// `25 of 4,000 (0.63 %)`; of nothing there is no share.
fn share(part: u64, all: u64, none: &str) -> String {
    if all == 0 {
        return none.to_owned();
    }
    let share = explain::amount(tidegate_model::figure::Unit::Share, part as f64 / all as f64);
    format!("{} of {} ({share})", Grouped(part), Grouped(all))
}
