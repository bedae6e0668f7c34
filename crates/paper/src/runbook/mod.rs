//! The runbook: what somebody has to know who takes part in a release, or is called at night because of it, and has
//! never used Tidegate.
//!
//! All of it stands in the plan; where the rollout is deployed, with what was measured and ticked so far. A file of
//! several rollouts makes one runbook: first what belongs together and in which order, then each by itself. What two
//! of them say alike is said once.

mod dates;
mod people;
mod stages;
mod triggers;
mod ways;

use super::document::{Block, Document, Table, Text, Tone};
use tidegate_decide::explain::{self, sentence};
use tidegate_decide::timeline::{Ahead, Forecast, forecast, outlook};
use tidegate_model::number::{Grouped, counted};
use tidegate_model::plan::{Backend, Plan};
use tidegate_model::record::Record;
use tidegate_model::zone::Zone;
use tidegate_model::{Instant, Name};

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
struct Writing<'a> {
    subject: Subject<'a>,
    plan: &'a Plan,
    forecast: &'a Forecast,
    zone: Zone,
    console: Option<&'a str>,
    now: Instant,
    /// The level of its sections' headings.
    level: u8,
}

/// Writes the runbook.
pub fn runbook(input: &Input<'_>) -> Document {
    let ahead: Vec<Ahead<'_>> = input.rollouts.iter().map(|own| Ahead { plan: own.plan, record: own.record }).collect();
    let forecasts = forecast(&ahead, input.now);
    let zone = input.rollouts.first().map_or(Zone::UTC, |own| own.plan.zone());
    let is_one = input.rollouts.len() == 1;
    let title = match input.rollouts.first() {
        Some(own) if is_one => own.plan.description.clone().unwrap_or_else(|| own.plan.key.to_string()),
        _ => explain::readable(input.name),
    };
    let mut document = Document {
        title: format!("Runbook: {title}"),
        about: vec![
            if is_one { format!("Rollout {}", input.name) } else { counted(input.rollouts.len(), "rollout") },
            format!("written on {} ({})", input.now.shown_by(&zone), zone.name()),
            "all times are those of this zone".to_owned(),
        ],
        blocks: Vec::new(),
    };
    if !is_one {
        document.blocks.extend(together(input, &forecasts, &zone));
    }
    let mut seen: Vec<String> = Vec::new();
    for (subject, forecast) in input.rollouts.iter().zip(&forecasts) {
        let own = Writing {
            subject: *subject,
            plan: subject.plan,
            forecast,
            zone: subject.plan.zone(),
            console: input.console,
            now: input.now,
            level: if is_one { 2 } else { 3 },
        };
        document.blocks.extend(own.all(is_one, &mut seen));
    }
    document.blocks.extend(words(&input.rollouts));
    document
}

/// What several rollouts are together, and in which order they go.
fn together(input: &Input<'_>, forecasts: &[Forecast], zone: &Zone) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(2, "All together".into())];
    let waits = |plan: &Plan| {
        let names = |list: &[Name]| list.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let mut parts = Vec::new();
        if !plan.after.is_empty() {
            parts.push(format!("begins after {} has ended", names(&plan.after)));
        }
        if !plan.requires.is_empty() {
            parts.push(format!("on only for users who are on {}", names(&plan.requires)));
        }
        if parts.is_empty() { "begins by itself".to_owned() } else { parts.join("; ") }
    };
    let mut table = Table::new(&["Rollout", "What it is", "Order", "Share of users", "Earliest dates"]);
    for (own, forecast) in input.rollouts.iter().zip(forecasts) {
        let plan = own.plan;
        let shares: Vec<String> = plan.stages.iter().map(|stage| format!("{}", stage.percentage)).collect();
        let what = plan.description.clone().unwrap_or_default();
        let kind = if plan.is_flag() { " (a feature flag)" } else { "" };
        let date = |at: Option<Instant>| at.map_or_else(|| "unknown".to_owned(), |at| at.shown_by(zone));
        table.rows.push(vec![
            Text::default().code(plan.key.as_str()),
            Text::from(format!("{what}{kind}")),
            Text::from(sentence(&waits(plan))),
            Text::from(format!("{} %", shares.join(" → "))),
            Text::from(format!("{} to {}", date(forecast.start), date(forecast.end))),
        ]);
    }
    blocks.push(Block::Table(table));
    blocks.push(Block::Paragraph(
        Text::from("Start all of them at once: each waits for those before it. The dates are the earliest possible: every gate passes, and every item is ticked in time."),
    ));
    let masters: Vec<&Plan> = input
        .rollouts
        .iter()
        .map(|own| own.plan)
        .filter(|plan| input.rollouts.iter().any(|other| other.plan.requires.contains(&plan.key)))
        .collect();
    let mut stop = vec![Text::from(
        "All of them at once: `tidegate kill --all` sends every user to legacy, and every flag to its default, within seconds.",
    )];
    for plan in masters {
        let key = &plan.key;
        let needing: Vec<&str> = input
            .rollouts
            .iter()
            .filter(|other| other.plan.requires.contains(key))
            .map(|other| other.plan.key.as_str())
            .collect();
        stop.push(Text::from(format!(
            "`tidegate kill {key}` switches {key} off, and with it what requires it: {}.",
            needing.join(", ")
        )));
    }
    stop.push(Text::from("A single one: `tidegate kill KEY`. The others stay as they are."));
    blocks.push(Block::Callout(Tone::Bad, "To stop it now".into(), stop));
    blocks
}

impl Writing<'_> {
    fn all(&self, is_one: bool, seen: &mut Vec<String>) -> Vec<Block> {
        let mut blocks = Vec::new();
        if !is_one {
            let what = self.plan.description.as_deref().map(|what| format!(": {what}")).unwrap_or_default();
            blocks.push(Block::Heading(2, format!("{}{what}", self.plan.key)));
        }
        blocks.extend(self.now_and_stop(is_one));
        let mut section = |title: &str, own: Vec<Block>| {
            if own.is_empty() {
                return;
            }
            // What an earlier rollout of the file says alike is not said again.
            let printed = format!("{title} {own:?}");
            if seen.contains(&printed) {
                return;
            }
            seen.push(printed);
            blocks.push(Block::Heading(self.level, title.to_owned()));
            blocks.extend(own);
        };
        section("What is released, and to whom", self.purpose());
        section("Timeline", self.timeline());
        section("Before the start: go or no-go", self.before_start());
        section("Stages", self.stages());
        section("What is watched", self.watched());
        section("What happens by itself", self.triggers());
        section("Decision tree", self.tree());
        section("What people decide", self.decisions());
        section("Ways back, and how to verify them", self.ways_back());
        section("After a rollback, in this order", self.after_rollback());
        section("Messages", self.messages());
        section("Risks", self.risks());
        section("Who is who, by the hour", self.contacts());
        section(
            "Remarks",
            self.plan.notes.iter().map(|note| Text::from(note.as_str())).collect::<Vec<_>>().into_list(),
        );
        section("Where to look", self.links());
        blocks
    }

    fn heading(&self, title: impl Into<String>) -> Block {
        Block::Heading(self.level + 1, title.into())
    }

    fn at(&self, at: Instant) -> String {
        at.shown_by(&self.zone)
    }

    /// Where it is, and the commands that stop it.
    fn now_and_stop(&self, is_one: bool) -> Vec<Block> {
        let key = &self.plan.key;
        let mut blocks = Vec::new();
        if let Some(record) = self.subject.record {
            let text = format!(
                "It is {} now. {}",
                explain::state(&record.live),
                outlook(self.plan, self.forecast, &self.zone)
            );
            blocks.push(Block::Paragraph(Text::from(text)));
        } else {
            blocks.push(Block::Paragraph(Text::from(outlook(self.plan, self.forecast, &self.zone))));
        }
        if is_one {
            let who = self.first_contact();
            let mut texts = vec![
                Text::from(format!(
                    "Take users back to the old version, and try again later: `tidegate rollback {key} --reason \"what you see\"`"
                )),
                Text::from(format!("Everybody to the old version at once, whatever else holds: `tidegate kill {key}`")),
                Text::from(format!(
                    "Without the command and the console: `npx wrangler kv key put --remote --binding ROLLOUTS kill/{key} on`"
                )),
            ];
            texts.extend(who.map(|who| Text::from(format!("Then tell {who}."))));
            blocks.push(Block::Callout(Tone::Bad, "If something is wrong now".into(), texts));
        }
        blocks
    }

    fn purpose(&self) -> Vec<Block> {
        let plan = self.plan;
        let what = plan.description.as_deref().unwrap_or(plan.key.as_str());
        let how = if plan.is_flag() {
            "A share of the users gets it. For each request Tidegate decides who does, and tells the application in the header `tidegate-flags`; the application obeys."
        } else {
            "Tidegate stands in front of two versions of the site, the one there is (legacy) and the new one. It sends a growing share of the users to the new one, measures both, and goes on or goes back by the rules on these pages."
        };
        let mut table = Table::new(&["", ""]);
        let mut row = |name: &str, text: Text| table.rows.push(vec![Text::default().strong(name), text]);
        row("Released", Text::from(what));
        row("Its key", Text::default().code(plan.key.as_str()));
        if !plan.routes.is_empty() {
            let routes: Vec<String> = plan.routes.iter().map(|route| format!("`{route}`")).collect();
            let except: Vec<String> = plan.except.iter().map(|route| format!("`{route}`")).collect();
            let except = if except.is_empty() { String::new() } else { format!(", but not {}", except.join(", ")) };
            row("Where", Text::from(format!("requests to {}{except}", routes.join(", "))));
        }
        if let Some(upstreams) = &plan.upstreams {
            row("The old version", Text::default().code(place(&upstreams.legacy)));
            row("The new version", Text::default().code(place(&upstreams.new)));
        }
        if let Some(values) = &plan.values {
            row(
                "Values",
                Text::from(format!(
                    "`{}` for users who have it, `{}` for all others: the safe default",
                    values.new, values.legacy
                )),
            );
        }
        let from: Vec<String> = plan.identity.from.iter().map(|source| format!("`{source}`")).collect();
        let anonymous = if plan.identity.anonymous {
            "whoever has none gets an anonymous id"
        } else {
            "whoever has none stays on the old version"
        };
        let by = if from.is_empty() {
            "an anonymous id".to_owned()
        } else {
            format!("{}; {anonymous}", from.join(", else "))
        };
        row("A user is known by", Text::from(by));
        for (name, group) in &plan.groups.0 {
            let mut parts = Vec::new();
            if !group.ids.is_empty() {
                let shown: Vec<&str> = group.ids.iter().take(5).map(String::as_str).collect();
                let rest = group.ids.len().saturating_sub(5);
                let rest = if rest == 0 { String::new() } else { format!(" and {} more", Grouped(rest)) };
                parts.push(format!("{}{rest}", shown.join(", ")));
            }
            parts.extend(group.matches.as_ref().map(|own| format!("whoever has `{own}`")));
            if group.kv {
                parts.push(format!("the ids under the KV key `group/{name}`"));
            }
            row("Group", Text::from(format!("{name}: {}", parts.join("; "))));
        }
        if plan.holdout > tidegate_model::Percentage::ZERO {
            row(
                "Never",
                Text::from(format!(
                    "{} % of the users stay on the old version throughout, to compare with",
                    plan.holdout
                )),
            );
        }
        if let Some(eligible) = &plan.eligible {
            row("Only", Text::from(format!("users of the group {eligible}")));
        }
        if !plan.exclude.is_empty() {
            let names: Vec<&str> = plan.exclude.iter().map(Name::as_str).collect();
            row("Not", Text::from(format!("users of {}", names.join(", "))));
        }
        if let Some(load) = self.subject.load {
            row("Traffic", Text::from(traffic(&load)));
        }
        vec![Block::Paragraph(Text::from(how)), Block::Table(table)]
    }

    fn links(&self) -> Vec<Block> {
        let console = self.console.map(|console| {
            Text::default()
                .plain("Console: ")
                .link(format!("{console}/_tidegate/"), format!("{console}/_tidegate/#/rollouts/{}", self.plan.key))
        });
        let own = self.plan.links.0.iter().map(|(name, url)| {
            let url = url.to_string();
            Text::default().plain(format!("{}: ", explain::readable(name.as_str()))).link(url.clone(), url)
        });
        console.into_iter().chain(own).collect::<Vec<_>>().into_list()
    }

    fn risks(&self) -> Vec<Block> {
        if self.plan.risks.is_empty() {
            return Vec::new();
        }
        let mut table = Table::new(&["Risk", "Likelihood", "Impact", "What is done about it"]);
        for risk in &self.plan.risks {
            table.rows.push(vec![
                Text::from(risk.what.as_str()),
                Text::from(risk.likelihood.to_string()),
                Text::from(risk.impact.to_string()),
                Text::from(risk.mitigation.as_str()),
            ]);
        }
        vec![Block::Table(table)]
    }
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

/// Lists that are left out where they are empty.
trait IntoList {
    fn into_list(self) -> Vec<Block>;
}

impl IntoList for Vec<Text> {
    fn into_list(self) -> Vec<Block> {
        if self.is_empty() { Vec::new() } else { vec![Block::List(self)] }
    }
}

/// What the words mean.
fn words(rollouts: &[Subject<'_>]) -> Vec<Block> {
    let has = |is_it: &dyn Fn(&Plan) -> bool| rollouts.iter().any(|own| is_it(own.plan));
    let mut table = Table::new(&["Word", "Meaning"]);
    let mut word = |name: &str, meaning: &str| {
        table.rows.push(vec![Text::default().strong(name), Text::from(meaning)]);
    };
    word("legacy, new", "the version that there is, and the one that is being released");
    word("stage", "a step of the release: a share of the users, for a time");
    word("bake time", "how long a stage lasts at least");
    word("gate", "a figure that must be in order before the next stage; the release waits for it");
    word("guardrail", "a figure that must not come true; when it does, Tidegate acts by itself, within seconds");
    word("rollback", "users go back to legacy; the next try begins at the first stage");
    word("kill", "everybody gets legacy at once, whatever else holds, until somebody revives it");
    if has(&|plan| !plan.signals.is_empty()) {
        word("signal", "a figure that another system or a person reports, such as tickets or the load of a database");
    }
    if has(&|plan| plan.guardrails_in_force().any(|own| own.when.terms.iter().any(|term| term.bound.is_legacy()))) {
        word("shown to be more", "more than chance explains: a sequential test that may be looked at at any time");
    }
    vec![Block::Heading(2, "Words".into()), Block::Table(table)]
}
