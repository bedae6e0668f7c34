//! `tidegate runbook`, `timeline` and `report`: papers, as Markdown, HTML or a calendar, on standard output.
//!
//! What is made of a plan alone is made here; what needs a deployment, that answers with the paper itself.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::client::Client;
use super::clock::now;
use super::forecast::PerHour;
use super::operator::{Connection, explained};
use super::paint::{BOLD, DIM, paint, print, print_exactly, print_raw};
use super::plan_file::load_one;
use super::{Failure, keys, report};
use tidegate_decide::timeline::{Ahead, Event, Forecast, events, forecast, outlook};
use tidegate_model::Name;
use tidegate_model::plan::Plan;
use tidegate_paper::document::Document;
use tidegate_paper::runbook::{Input, Load, Subject};
use tidegate_paper::{html, ics, markdown};
use tidegate_protocol::api::shapes::Timeline;
use tidegate_protocol::api::view::timeline as shown;

/// Under which name a calendar made of a plan stands.
const NO_HOST: &str = "tidegate.invalid";

#[derive(Args)]
pub struct RunbookArguments {
    /// The plan in TOML, or the key of a rollout of the deployment
    #[arg(value_name = "PLAN|KEY", add = ArgValueCompleter::new(keys::complete))]
    pub of: String,
    /// A page that prints well, instead of Markdown
    #[arg(long)]
    pub html: bool,
    /// Apply the plan's [environments.NAME] overrides
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// Of a plan: say the load of each stage at this traffic, such as 20000/h or 400000/day
    #[arg(long, value_name = "RATE", value_parser = str::parse::<PerHour>)]
    pub traffic: Option<PerHour>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct TimelineArguments {
    /// The key of a rollout, or a plan in TOML [default: all rollouts of the deployment]
    #[arg(value_name = "KEY|PLAN", add = ArgValueCompleter::new(keys::complete))]
    pub of: Option<String>,
    /// A calendar (RFC 5545)
    #[arg(long, conflicts_with = "feed")]
    pub ics: bool,
    /// Print the address that calendars can subscribe to; whoever has it can read the dates
    #[arg(long)]
    pub feed: bool,
    /// Apply the plan's [environments.NAME] overrides
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct ReportArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// A page that prints well, with plots, instead of Markdown
    #[arg(long)]
    pub html: bool,
    #[command(flatten)]
    pub connection: Connection,
}

pub fn runbook(arguments: &RunbookArguments, json: bool) -> Result<(), Failure> {
    no_json(json, "runbook")?;
    let RunbookArguments { of, html, env, traffic, connection } = arguments;
    let Some(path) = plan_path(of) else {
        if traffic.is_some() || env.is_some() {
            return Err(Failure::Usage("--traffic and --env are for a plan; the deployment knows its own".into()));
        }
        return paper(connection, &key(of)?, "runbook", *html);
    };
    let plans = plans(&path, env.as_deref())?;
    let load = traffic.map(|PerHour(requests)| Load { requests_per_hour: requests, new_per_hour: 0.0, users: None });
    let name = match plans.as_slice() {
        [plan] => plan.key.to_string(),
        _ => path.file_stem().map_or_else(|| of.clone(), |stem| stem.to_string_lossy().into_owned()),
    };
    let rollouts = plans.iter().map(|plan| Subject { plan, record: None, load }).collect();
    let input = Input { name: &name, rollouts, console: None, now: now() };
    print_raw(&printed(&tidegate_paper::runbook::runbook(&input), *html))
}

pub fn report(arguments: &ReportArguments, json: bool) -> Result<(), Failure> {
    no_json(json, "report")?;
    paper(&arguments.connection, &arguments.key, "report", arguments.html)
}

pub fn timeline(arguments: &TimelineArguments, json: bool) -> Result<(), Failure> {
    let TimelineArguments { of, ics, feed, env, connection } = arguments;
    if let Some(path) = of.as_deref().and_then(plan_path) {
        if *feed {
            return Err(Failure::Usage("only a deployment has a feed".into()));
        }
        return of_plans(&plans(&path, env.as_deref())?, *ics, json);
    }
    let path = match of {
        Some(of) => format!("rollouts/{}/timeline", key(of)?),
        None => "timeline".to_owned(),
    };
    let client = Client::new(connection)?;
    if *ics {
        return print_exactly(&client.text(&path, &[("format", "ics")])?);
    }
    let answer = client.get(&path, &[])?;
    if json && !feed {
        return print_raw(&answer.text);
    }
    let timeline: Timeline = answer.read()?;
    match (feed, &timeline.feed) {
        (false, _) => print(&lines(&timeline)),
        (true, Some(feed)) => print_raw(feed),
        (true, None) => Err(Failure::WithHelp {
            message: "this deployment signs no feeds".into(),
            help: "set SIGNING_KEY, as docs/deploy.md has it; `--ics` prints the calendar once".into(),
        }),
    }
}

fn of_plans(plans: &[Plan], is_ics: bool, json: bool) -> Result<(), Failure> {
    let now = now();
    let all: Vec<Ahead<'_>> = plans.iter().map(|plan| Ahead { plan, record: None }).collect();
    let forecasts: Vec<Forecast> = forecast(&all, now);
    let dated: Vec<(&Plan, Vec<Event>)> =
        all.iter().zip(&forecasts).map(|(ahead, forecast)| (ahead.plan, events(ahead, forecast, &[], now))).collect();
    if is_ics {
        let name = plans.first().map_or("tidegate", |plan| plan.key.as_str());
        let events = dated.iter().flat_map(|(plan, events)| events.iter().map(|event| (plan.key.as_str(), event)));
        return print_exactly(&ics::print(name, NO_HOST, events, now));
    }
    let rollouts = dated.iter().zip(&forecasts).map(|((plan, events), forecast)| {
        shown::rollout(plan, forecast, events, &outlook(plan, forecast, &plan.zone()))
    });
    let timeline = shown::all(rollouts.collect(), now);
    if json {
        return print_raw(&serde_json::to_string(&timeline).unwrap_or_default());
    }
    print(&lines(&timeline))
}

fn lines(timeline: &Timeline) -> String {
    let mut lines = Vec::new();
    for own in &timeline.rollouts {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("{}  {}", paint(BOLD, &own.rollout), own.outlook));
        for event in &own.events {
            let until = event.until.get().map(|until| format!(" – {}", until.to_words())).unwrap_or_default();
            let who = event.who.as_deref().map(|who| format!("  {}", paint(DIM, who))).unwrap_or_default();
            let at = event.at.get().map(tidegate_model::Instant::to_words).unwrap_or_default();
            let mark = if event.past { "✓" } else { "·" };
            lines.push(format!("  {mark} {at}{until}  {}{who}", event.title));
        }
    }
    if timeline.rollouts.is_empty() {
        lines.push("There is no rollout.".to_owned());
    }
    lines.join("\n")
}

/// A paper that the deployment writes.
fn paper(connection: &Connection, key: &Name, what: &str, is_html: bool) -> Result<(), Failure> {
    let client = Client::new(connection)?;
    let format = if is_html { "html" } else { "markdown" };
    print_raw(client.text(&format!("rollouts/{key}/{what}"), &[("format", format)])?.trim_end())
}

fn printed(document: &Document, is_html: bool) -> String {
    let text = if is_html { html::print(document) } else { markdown::print(document) };
    text.trim_end().to_owned()
}

/// The path of a plan, where this is one: a file, or what can only be meant to be one.
fn plan_path(of: &str) -> Option<PathBuf> {
    let is_path = Path::new(of).is_file() || of.contains(['/', '\\']) || of.ends_with(".toml") || of.ends_with(".json");
    is_path.then(|| PathBuf::from(of))
}

fn key(of: &str) -> Result<Name, Failure> {
    of.parse().map_err(|error| Failure::Usage(format!("`{of}` is neither a file nor the key of a rollout: {error}")))
}

fn plans(path: &Path, env: Option<&str>) -> Result<Vec<Plan>, Failure> {
    let loaded = load_one(path, env)?;
    if loaded.has_errors() {
        report::show(&loaded.sources)?;
        return Err(Failure::Refused);
    }
    Ok(loaded.plans.into_iter().map(|(_, plan)| plan).collect())
}

fn no_json(json: bool, what: &str) -> Result<(), Failure> {
    if json {
        return Err(Failure::Usage(format!(
            "a {what} is for people: Markdown, or --html; `timeline --json` has the dates"
        )));
    }
    Ok(())
}
