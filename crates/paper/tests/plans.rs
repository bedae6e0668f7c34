//! The runbook of each ready-made plan has all that stands in the plan, in both forms.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that panics fails, as it should")]

use std::path::Path;

use pulldown_cmark::{Event, Options, Parser};
use tidegate_model::Instant;
use tidegate_model::plan::Plan;
use tidegate_paper::runbook::{Input, Load, Subject, runbook};
use tidegate_paper::{html, markdown};
use tidegate_text::Source;
use tidegate_text::plans::read_all;

const PLANS: [&str; 5] = ["admin-workbench", "staged", "dark-launch", "analytics-playbook", "demo"];

fn plans(name: &str) -> Vec<Plan> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans").join(format!("{name}.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    let loaded = read_all(vec![Source::new(name.into(), text)], None).unwrap();
    assert!(!loaded.has_errors(), "{name}");
    loaded.plans.into_iter().map(|(_, plan)| plan).collect()
}

fn document(name: &str, load: Option<Load>) -> tidegate_paper::Document {
    let plans = plans(name);
    let rollouts = plans.iter().map(|plan| Subject { plan, record: None, load }).collect();
    let now: Instant = "2026-11-29T19:00:00Z".parse().unwrap();
    runbook(&Input { name, rollouts, console: None, now })
}

/// What a reader sees, in one line.
fn words_of_markdown(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_GFM;
    let mut words = String::new();
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::End(_) | Event::SoftBreak => words.push(' '),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words_of_html(page: &str) -> String {
    let body = page.split("<body>").nth(1).unwrap();
    let mut words = String::new();
    for (index, part) in body.split('<').enumerate() {
        let text = if index == 0 { part } else { part.split_once('>').map_or("", |(_, text)| text) };
        // What breaks a line is a space; what is inside of one is nothing.
        let is_inline =
            ["code", "/code", "strong", "/strong", "a ", "/a", "span", "/span"].iter().any(|tag| part.starts_with(tag));
        words.push_str(if is_inline { "" } else { " " });
        words.push_str(text);
    }
    let words = words
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Everything that people have written into a plan, or have to know of it.
fn facts(plan: &Plan) -> Vec<String> {
    let mut all = vec![plan.key.to_string()];
    all.extend(plan.description.clone());
    all.extend(plan.routes.iter().map(ToString::to_string));
    all.extend(plan.notes.clone());
    all.extend(plan.freeze.iter().map(ToString::to_string));
    for (name, role) in &plan.roles.0 {
        all.push(name.as_str().replace('-', " "));
        all.extend(role.person.clone());
        all.extend(role.hours.iter().map(ToString::to_string));
    }
    for stage in &plan.stages {
        all.push(format!("{}: {} %", stage.name, stage.percentage));
        all.extend(stage.gates.iter().map(|gate| gate.when.to_string()));
        all.extend(stage.checklist.iter().map(|item| item.text.clone()));
        all.extend(stage.enter.iter().map(ToString::to_string));
        all.extend(stage.notes.iter().map(|note| note.trim_end_matches('.').to_owned()));
    }
    all.extend(plan.checklist.iter().chain(&plan.after_rollback).map(|item| item.text.clone()));
    for guardrail in plan.guardrails_in_force() {
        all.push(guardrail.when.to_string());
        all.extend(guardrail.text.clone());
        all.extend(guardrail.escalate.iter().filter_map(|own| own.text.clone()));
    }
    all.extend(plan.notices.iter().map(|notice| notice.text.clone()));
    all.extend(plan.digests.iter().flat_map(|digest| digest.at.iter().map(ToString::to_string)));
    for risk in &plan.risks {
        all.extend([risk.what.clone(), risk.mitigation.clone(), risk.likelihood.to_string(), risk.impact.to_string()]);
    }
    all.extend(plan.links.0.iter().map(|(_, url)| url.to_string()));
    all.extend(plan.values.iter().map(|values| values.legacy.to_string()));
    let used = |name: &str| {
        let signal = format!("signal.{name} ");
        let conditions = plan.stages.iter().flat_map(|stage| &stage.gates).map(|gate| gate.when.to_string());
        conditions.chain(plan.guardrails.iter().map(|own| own.when.to_string())).any(|text| text.contains(&signal))
    };
    for (name, signal) in plan.signals.0.iter().filter(|(name, _)| used(name.as_str())) {
        all.push(format!("signal.{name}"));
        all.extend(signal.description.as_ref().map(|text| text.replace('`', "")));
    }
    for back in [
        format!("tidegate kill {}", plan.key),
        format!("tidegate rollback {} --to 1", plan.key),
        format!("kill/{}", plan.key),
    ] {
        if !back.contains("--to") || plan.stages.iter().any(|stage| stage.percentage > "1".parse().unwrap()) {
            all.push(back);
        }
    }
    all
}

#[test]
fn a_runbook_has_all_that_stands_in_its_plan() {
    for name in PLANS {
        let document = document(name, None);
        let squeezed = |text: String| text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ");
        let seen = [words_of_markdown(&markdown::print(&document)), words_of_html(&html::print(&document))];
        for plan in plans(name) {
            for fact in facts(&plan) {
                let fact = squeezed(fact);
                for text in &seen {
                    let text = text.replace('`', "");
                    let is_there = text.to_lowercase().contains(&fact.to_lowercase());
                    assert!(is_there, "{name}: the runbook does not say: {fact}");
                }
            }
        }
    }
}

#[test]
fn dates_hang_on_the_start_and_the_load_on_the_traffic() {
    let text = markdown::print(&document("analytics-playbook", None));
    // T is a Thursday at 9:00; the brief's T-7, T+1, T+4, T+6 and T+8.
    for row in [
        "| Thu 7 Jan 2027 09:00 | T-7 | **“T-7: infrastructure”**",
        "| Thu 14 Jan 2027 09:00 | T | **alpha: 1 %**",
        "| Fri 15 Jan 2027 09:00 | T+1 | **beta: 10 %**",
        "| Mon 18 Jan 2027 09:00 | T+4 | **gamma: 25 %**",
        "| Wed 20 Jan 2027 09:00 | T+6 | **delta: 50 %**",
        "| Fri 22 Jan 2027 09:00 | T+8 | **full: 100 %**",
        "about 2.5 times that of the stage before",
    ] {
        assert!(text.contains(row), "{row}\n{text}");
    }
    let load = Load { requests_per_hour: 20_000.0, new_per_hour: 2_000.0, users: Some(900.0) };
    let text = markdown::print(&document("admin-workbench", Some(load)));
    assert!(
        text.contains("about 2.5 times today's requests to the new version: 5,000 requests an hour, 225 users a day"),
        "{text}"
    );
}
