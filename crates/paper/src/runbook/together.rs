//! What stands before everything else, and what several rollouts of one file say together.

use super::{IntoList as _, Part, Writing};
use crate::document::{Block, Table, Text, Tone};
use tidegate_decide::explain::{self, listed, sentence};
use tidegate_decide::timeline::outlook;
use tidegate_model::plan::moment::Moment;
use tidegate_model::plan::words::Audience;
use tidegate_model::plan::{Gate, Guardrail, Notice, Plan, Start};
use tidegate_model::{Instant, Name};

/// What stands for the key of one of several rollouts.
pub(super) const KEY: &str = "KEY";
/// What stands for the only endpoint of one of several rollouts.
const ENDPOINT: &str = "ENDPOINT";

/// A plan as it is printed beside others: its only endpoint is called as theirs are, so that what they say alike
/// reads alike.
pub(super) fn alike(plan: &Plan) -> Plan {
    let mut own = plan.clone();
    let Ok(name) = ENDPOINT.parse::<Name>() else { return own };
    let [(only, _)] = own.endpoints.0.as_mut_slice() else { return own };
    only.clone_from(&name);
    let gates = own.stages.iter_mut().flat_map(|stage| stage.gates.iter_mut());
    gates.for_each(|gate: &mut Gate| gate.when = gate.when.at_endpoint(&name));
    own.guardrails.iter_mut().for_each(|guardrail: &mut Guardrail| guardrail.when = guardrail.when.at_endpoint(&name));
    own
}

/// Where it is and how to stop it; of several rollouts, also what each of them is.
pub(super) fn first(all: &[Writing<'_>]) -> Vec<Block> {
    let [own] = all else {
        let mut blocks = vec![stop_any(all)];
        blocks.push(Block::Heading(2, "The rollouts, in their order".to_owned()));
        blocks.push(Block::Table(overview(all)));
        blocks.push(Block::Paragraph(Text::from(order(all))));
        return blocks;
    };
    let outlook = outlook(own.plan, own.forecast, own.zone);
    let text = match own.subject.record {
        Some(record) => format!("It is {} now. {outlook}", explain::state(&record.live)),
        None => outlook,
    };
    vec![stop_it(own), Block::Paragraph(Text::from(text))]
}

fn stop_it(own: &Writing<'_>) -> Block {
    let key = own.key();
    let mut texts = vec![
        Text::default()
            .plain("Not sure? ")
            .code(format!("tidegate kill {key}"))
            .plain(": everybody is on the old version within seconds. Its opposite, ")
            .code(format!("tidegate revive {key}"))
            .plain(", brings the same share back."),
        Text::default()
            .plain("Sure that the release is at fault? ")
            .code(format!("tidegate rollback {key} --reason \"what you see\""))
            .plain(" takes everybody back as well; the next try starts over at the first stage."),
        where_commands_run(own),
        by_hand(&format!("kill/{key}")),
        Text::from(
            "After any of these nothing goes up again by itself: a kill lasts until somebody revives it, a rollback until somebody resumes it.",
        ),
    ];
    if let Some(text) = outside(std::slice::from_ref(own), key) {
        texts.insert(1, text);
    }
    texts.extend(own.first_contact().map(|who| Text::from(format!("Then tell {who}."))));
    Block::Callout(Tone::Bad, "If something is wrong now".into(), texts)
}

fn stop_any(all: &[Writing<'_>]) -> Block {
    let mut texts = vec![Text::from(
        "Not sure? `tidegate kill --all`: every user gets the old version, and every flag its default, within seconds. `tidegate revive KEY` brings back the same share, one rollout at a time.",
    )];
    for master in all.iter().filter(|own| all.iter().any(|other| other.plan.requires.contains(&own.plan.key))) {
        let key = &master.plan.key;
        let needing: Vec<&str> =
            all.iter().filter(|other| other.plan.requires.contains(key)).map(|other| other.plan.key.as_str()).collect();
        let needing =
            if needing.len() + 1 == all.len() { "all others of this paper".to_owned() } else { listed(&needing) };
        texts.push(Text::from(format!(
            "`tidegate kill {key}`, like a rollback of it, switches off {key} and what requires it: {needing}."
        )));
    }
    let but = if texts.len() > 1 { ", but for what requires it" } else { "" };
    texts.push(Text::from(format!(
        "A single one: `tidegate kill KEY`, or `tidegate rollback KEY --reason \"what you see\"`, after which the next try starts over at its first stage. The others stay as they are{but}. The keys stand in the table below."
    )));
    texts.extend(outside(all, KEY));
    texts.extend(all.first().map(where_commands_run));
    texts.push(by_hand("kill/*"));
    texts.push(Text::from(
        "After any of them nothing goes up again by itself: a kill lasts until somebody revives it, a rollback until somebody resumes it.",
    ));
    let who = all.iter().find_map(Writing::first_contact);
    texts.push(match (who, all.first()) {
        (Some(who), _) => Text::from(format!("Then tell {who}.")),
        (None, Some(own)) => Text::from(format!(
            "Then write to {}: the plan names nobody who looks after the release.",
            own.unnamed(false)
        )),
        (None, None) => Text::default(),
    });
    Block::Callout(Tone::Bad, "If something is wrong now".into(), texts)
}

/// To whom a kill or a rollback writes outside of the team, at once.
fn outside(all: &[Writing<'_>], key: &str) -> Option<Text> {
    let own = |own: &Writing<'_>| -> Vec<(bool, Vec<String>, bool)> {
        let notices = own.plan.notices.iter().filter(|notice| {
            let is_at_once = matches!(&notice.at, Moment::Near { offset: None, then: None, .. });
            notice.at.is_of_incident() && is_at_once && notice.by.is_none() && notice.audience != Some(Audience::Team)
        });
        let of = |notice: &Notice| {
            let is_of_kill = notice.at.is_near(Moment::INCIDENT);
            let to = notice.to.iter().map(|name| own.addressee(name)).collect();
            (is_of_kill, to, notice.in_app.is_some())
        };
        notices.map(of).collect()
    };
    let notices: Vec<(bool, Vec<String>, bool)> = all.iter().flat_map(own).collect();
    let mut to: Vec<String> = Vec::new();
    for name in notices.iter().flat_map(|(_, to, _)| to) {
        if !to.contains(name) {
            to.push(name.clone());
        }
    }
    if notices.iter().any(|(.., in_app)| *in_app) {
        to.push("everybody on the site's pages".to_owned());
    }
    if to.is_empty() {
        return None;
    }
    let what = if notices.iter().any(|(is_of_kill, ..)| *is_of_kill) { "A kill or a rollback" } else { "A rollback" };
    Some(Text::from(format!(
        "{what} of what users are on also writes to {} at once. `tidegate pause {key}` only stops the next step, and writes to none of them.",
        listed(&to)
    )))
}

fn where_commands_run(own: &Writing<'_>) -> Text {
    let text = Text::from(
        "Commands run in a terminal in which `TIDEGATE_URL` is the address of the deployment and `TIDEGATE_TOKEN` your own token (whoever deployed Tidegate makes one: `tidegate token NAME --role operator`). In the console",
    );
    let text = match own.console {
        Some(console) => {
            text.plain(", ").link(format!("{console}/_tidegate/"), format!("{console}/_tidegate/")).plain(",")
        }
        None => text.plain(" (that address, with ").code("/_tidegate/").plain(" behind it)"),
    };
    text.plain(" the same are buttons; the key ").code("k").plain(" asks whether to kill.")
}

fn by_hand(key: &str) -> Text {
    let quoted = if key.contains('*') { format!("'{key}'") } else { key.to_owned() };
    Text::from(format!(
        "Neither answers? In the project's folder, logged in to Cloudflare (`npx wrangler login`): `npx wrangler kv key put --remote --binding ROLLOUTS {quoted} on`. It takes up to a minute, and is ended by `npx wrangler kv key delete --remote --binding ROLLOUTS {quoted}`, and then `tidegate revive`."
    ))
}

/// What each of them is.
fn overview(all: &[Writing<'_>]) -> Table {
    let has_endpoint = all.iter().any(|own| own.endpoint().is_some());
    let mut table = Table::new(&["KEY", "What it is", "Begins", "Share of users", "Earliest dates"]);
    if has_endpoint {
        table.head.push(ENDPOINT);
    }
    for own in all {
        let plan = own.plan;
        let shares: Vec<String> = plan.stages.iter().map(|stage| stage.percentage.to_string()).collect();
        let what = plan.description.clone().unwrap_or_default();
        let kind = match &plan.values {
            Some(values) => format!(" (a feature flag: `{}`, by default `{}`)", values.new, values.legacy),
            None => String::new(),
        };
        let date = |at: Option<Instant>| at.map_or_else(|| "unknown".to_owned(), |at| own.at(at));
        let dates = if own.is_dated() {
            format!("{} to {}", date(own.forecast.start), date(own.forecast.end))
        } else {
            "none planned".to_owned()
        };
        let mut row = vec![
            Text::default().code(plan.key.as_str()),
            Text::from(format!("{what}{kind}")),
            Text::from(sentence(&own.begins())),
            Text::from(format!("{} %", shares.join(" → "))),
            Text::from(dates),
        ];
        if has_endpoint {
            row.push(own.endpoint().map_or_else(Text::default, |endpoint| Text::default().code(endpoint)));
        }
        table.rows.push(row);
    }
    table
}

fn order(all: &[Writing<'_>]) -> String {
    let waits = all.iter().any(|own| !own.plan.after.is_empty());
    let start = if waits { "Start all of them at once: each waits for those that it begins after. " } else { "" };
    let requires = if all.iter().any(|own| !own.plan.requires.is_empty()) {
        "A rollout that requires another does not wait for it: it is on only for users for whom the other is. "
    } else {
        ""
    };
    let endpoint = if all.iter().any(|own| own.endpoint().is_some()) {
        " In what follows `KEY` and `ENDPOINT` stand for those of the rollout that a row or a command is about."
    } else {
        ""
    };
    let from_now = if all.iter().any(|own| own.plan.start.is_some()) { "" } else { "started now, " };
    format!(
        "{start}{requires}The dates are the earliest possible: {from_now}every gate passes, and every item is ticked in time.{endpoint}"
    )
}

impl Writing<'_> {
    fn begins(&self) -> String {
        let plan = self.plan;
        let mut parts = Vec::new();
        if !plan.after.is_empty() {
            let names: Vec<&str> = plan.after.iter().map(Name::as_str).collect();
            let have = if names.len() == 1 { "has" } else { "have" };
            parts.push(format!("after {} {have} ended", listed(&names)));
        }
        match plan.start {
            Some(Start::At(at)) => parts.push(format!("by itself on {}", self.at(at))),
            Some(Start::OnDeploy) => parts.push("by itself, with the next version of new".to_owned()),
            None if plan.after.is_empty() => parts.push("when somebody starts it".to_owned()),
            None => {}
        }
        if !plan.requires.is_empty() {
            let names: Vec<&str> = plan.requires.iter().map(Name::as_str).collect();
            parts.push(format!("requires {}", listed(&names)));
        }
        parts.join("; ")
    }

    /// The only endpoint of one of several rollouts, as the file has it.
    fn endpoint(&self) -> Option<String> {
        match self.subject.plan.endpoints.0.as_slice() {
            [(_, endpoint)] => Some(format!("path:{}", endpoint.0)),
            _ => None,
        }
    }
}

/// What a section says of each rollout. Those of which it says the same stand together; what it says first stands once
/// where it is the same of all.
pub(super) fn grouped(all: &[Writing<'_>], intro: Part, of: Part) -> Vec<Block> {
    let intros = merged(all.iter().map(|own| (own.plan.key.as_str(), intro(own))));
    let is_common = intros.len() == 1;
    let whole = |own: &Writing<'_>| {
        let body = of(own);
        if is_common || body.is_empty() { body } else { intro(own).into_iter().chain(body).collect() }
    };
    let own = merged(all.iter().map(|own| (own.plan.key.as_str(), whole(own))));
    let mut blocks = if is_common { intros.into_iter().flat_map(|(blocks, _)| blocks).collect() } else { Vec::new() };
    if let [_] = own.as_slice() {
        // All alike: its headings stand one level higher.
        let body = all.first().map(|own| whole(&Writing { level: 2, ..*own })).unwrap_or_default();
        return if body.is_empty() { body } else { blocks.into_iter().chain(body).collect() };
    }
    let mut silent: Vec<&str> = Vec::new();
    for (body, keys) in own {
        if body.is_empty() {
            silent = keys;
            continue;
        }
        blocks.push(Block::Heading(3, listed(&keys)));
        blocks.extend(body);
    }
    if !silent.is_empty() {
        blocks.push(Block::Paragraph(Text::from(format!("The plan has nothing here for {}.", listed(&silent)))));
    }
    blocks
}

/// Each thing once, with those that have it, in the order in which they first stand.
pub(super) fn merged<'k, T: PartialEq>(all: impl Iterator<Item = (&'k str, T)>) -> Vec<(T, Vec<&'k str>)> {
    let mut own: Vec<(T, Vec<&str>)> = Vec::new();
    for (key, thing) in all {
        match own.iter_mut().find(|(other, _)| *other == thing) {
            Some((_, keys)) => keys.push(key),
            None => own.push((thing, vec![key])),
        }
    }
    own
}

/// Whose something is, where it is not everybody's.
pub(super) fn whose(keys: &[&str], all: &[Writing<'_>]) -> String {
    if keys.len() == all.len() { "all".to_owned() } else { keys.join(", ") }
}

/// The risks of all of them, in one table.
pub(super) fn risks(all: &[Writing<'_>]) -> Vec<Block> {
    let own = merged(all.iter().flat_map(|own| own.plan.risks.iter().map(|risk| (own.plan.key.as_str(), risk))));
    if own.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["Risk", "Likelihood", "Impact", "What is done about it"]);
    if all.len() > 1 {
        table.head.push("Of");
    }
    for (risk, keys) in own {
        let mut row = vec![
            Text::from(risk.what.as_str()),
            Text::from(risk.likelihood.to_string()),
            Text::from(risk.impact.to_string()),
            Text::from(risk.mitigation.as_str()),
        ];
        if all.len() > 1 {
            row.push(Text::from(whose(&keys, all)));
        }
        table.rows.push(row);
    }
    vec![Block::Table(table)]
}

/// The remarks of all of them.
pub(super) fn notes(all: &[Writing<'_>]) -> Vec<Block> {
    let own = merged(all.iter().flat_map(|own| own.plan.notes.iter().map(|note| (own.plan.key.as_str(), note))));
    let texts = own.into_iter().map(|(note, keys)| {
        let text = Text::from(note.as_str());
        if all.len() == 1 {
            return text;
        }
        let mut whole = Text::default().strong(whose(&keys, all)).plain(": ");
        whole.0.extend(text.0);
        whole
    });
    texts.collect::<Vec<_>>().into_list()
}

/// Where people read on.
pub(super) fn links(all: &[Writing<'_>]) -> Vec<Block> {
    let console = all.first().and_then(|own| {
        let console = own.console?;
        let words = format!("{console}/_tidegate/");
        let place = if all.len() == 1 { format!("#/rollouts/{}", own.plan.key) } else { String::new() };
        Some(Text::default().plain("The console: ").link(words.clone(), format!("{words}{place}")))
    });
    let own = merged(all.iter().flat_map(|own| own.plan.links.0.iter().map(|link| (own.plan.key.as_str(), link))));
    let texts = own.into_iter().map(|((name, url), keys)| {
        let name = match name.as_str() {
            "runbook" => "the team's own runbook".to_owned(),
            name => explain::readable(name),
        };
        let of = if keys.len() == all.len() { String::new() } else { format!(" of {}", whose(&keys, all)) };
        let url = url.to_string();
        Text::default().plain(format!("{}{of}: ", sentence(&name).trim_end_matches('.'))).link(url.clone(), url)
    });
    console.into_iter().chain(texts).collect::<Vec<_>>().into_list()
}
