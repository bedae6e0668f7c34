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

/// Everything that people have written into a plan, or have to know of it. Of one of several rollouts, commands name
/// `KEY`, and its only endpoint is `ENDPOINT`.
fn facts(plan: &Plan, is_one: bool) -> Vec<String> {
    let condition = |own: &tidegate_model::condition::Condition| match plan.endpoints.0.as_slice() {
        [_] if !is_one => own.at_endpoint(&"ENDPOINT".parse().unwrap()).to_string(),
        _ => own.to_string(),
    };
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
        all.extend(stage.gates.iter().map(|gate| condition(&gate.when)));
        all.extend(stage.checklist.iter().map(|item| item.text.clone()));
        all.extend(stage.enter.iter().map(ToString::to_string));
        all.extend(stage.notes.iter().map(|note| note.trim_end_matches('.').to_owned()));
    }
    all.extend(plan.checklist.iter().chain(&plan.after_rollback).map(|item| item.text.clone()));
    for guardrail in plan.guardrails_in_force() {
        all.push(condition(&guardrail.when));
        all.push(guardrail.severity.to_string());
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
    all.extend(plan.endpoints.0.iter().map(|(_, endpoint)| format!("path:{}", endpoint.0)));
    all.extend(plan.notices.iter().filter_map(|notice| notice.in_app_kind()).map(|kind| format!("as {kind}")));
    let key = if is_one { plan.key.as_str() } else { "KEY" };
    for back in [
        format!("tidegate kill {key}"),
        format!("tidegate verify {key}"),
        format!("tidegate rollback {key} --to 1"),
        format!("kill/{key}"),
    ] {
        if back.contains("verify") && plan.is_flag() {
            continue;
        }
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
        let plans = plans(name);
        for plan in &plans {
            for fact in facts(plan, plans.len() == 1) {
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
        "| Thu 7 Jan 2027 09:00 | T-7 |  | `analytics-service` | **“T-7: infrastructure”**",
        "| Thu 14 Jan 2027 09:00 | T | Fri 15 Jan 2027 09:00 | `analytics-service` | **alpha: 1 %**",
        "| Fri 15 Jan 2027 09:00 | T+1 | Mon 18 Jan 2027 09:00 | `analytics-service` | **beta: 10 %**",
        "| Mon 18 Jan 2027 09:00 | T+4 | Wed 20 Jan 2027 09:00 | `analytics-service` | **gamma: 25 %**",
        "| Wed 20 Jan 2027 09:00 | T+6 | Fri 22 Jan 2027 09:00 | `analytics-service` | **delta: 50 %**",
        "| Fri 22 Jan 2027 09:00 | T+8 | Fri 29 Jan 2027 09:00 | `analytics-service` | **full: 100 %**",
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

/// The place of each of these texts, in this order.
#[track_caller]
fn stand_in_this_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let at = text[from..].find(part).unwrap_or_else(|| panic!("not there, or too early: {part}\n{text}"));
        from += at + part.len();
    }
}

#[test]
fn what_is_needed_at_night_comes_first() {
    for name in PLANS {
        let text = markdown::print(&document(name, None));
        stand_in_this_order(
            &text,
            &[
                "**If something is wrong now**",
                "Not sure? `tidegate kill",
                "TIDEGATE_URL",
                "npx wrangler login",
                "nothing goes up again by itself",
                "\n## Ways back, and how to verify them",
                "### Verify it",
                "\n## Commands for decisions",
                "\n## Who decides",
                "\n## Who is who, by the hour",
                "\n## Words",
                "\n## Timeline",
                "\n## Stages",
                "\n## Decision tree",
                "\n## What is watched",
            ],
        );
    }
}

#[test]
fn what_several_rollouts_say_alike_stands_once_and_nothing_is_left_out_silently() {
    let text = markdown::print(&document("dark-launch", None));
    assert!(text.lines().count() < 800, "{} lines", text.lines().count());
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    assert!(longest < 600, "a line of {longest} characters");
    assert_eq!(text.matches("Some of you get this feature the old way again").count(), 1);
    assert_eq!(
        text.matches("`error_rate@ENDPOINT > 5% over 5m`").count(),
        4,
        "alike, without a stage at 100 %, with data, with downtime"
    );
    let text = markdown::print(&document("analytics-playbook", None));
    assert!(!text.contains("\\_"), "keys keep no backslashes");
    let flags = "FEATURE_ANALYTICS_ENABLED, FEATURE_TREND_FORECASTING, FEATURE_CROSS_PLATFORM, FEATURE_RECOMMENDATIONS and FEATURE_COMPETITOR_HEATMAP";
    assert!(text.contains(&format!("### {flags}\n")), "their stages and triggers");
    assert!(text.contains(&format!("The plan has nothing here for {flags}.")), "their messages");
    assert!(text.contains(&format!("No date is planned for {flags}: off until somebody starts it")));
    // A Saturday and a Sunday are no days for them.
    for part in [
        "| Mon 25 Jan 2027 09:00 | T+11 |  | `analytics-service` | **“T+9, or the working day after it: validation",
        "| Mon 25 Jan 2027 14:00 | T+11 |  | `analytics-service` | **“Analytics has a second phase",
        "| Fri 8 Jan 2027 09:00 | T-6 |  | `analytics-service` | **“T-5, or the working day before it: staging validation",
        "by Mon 11 Jan 2027 09:00: 3 days before the start",
        "by Mon 25 Jan 2027 12:00: 1 day after the stage full, on the next business day 12:00",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn whoever_is_notified_has_a_name_and_what_cannot_come_true_is_said() {
    let text = markdown::print(&document("staged", None));
    for part in [
        "Then tell platform-team@example.com (business hours), Mon-Fri 08:00-18:00 Europe/Berlin; at other hours after hours (on-call@example.com).",
        "The owner of the stage (“Who decides”) is notified of every row too, by a pager only of critical ones.",
        // A built-in rollback names nobody.
        "(built in) | critical | team (slack), page (pagerduty) and page head (pagerduty) |",
        "`latency.p95 > 1.5x legacy`. At 100 % nobody is on legacy, and this can no longer come true.",
        "9 gates, 2 of them built in",
        "by a link on the site users may go back to the old version, for 14 days",
        "A message before a stage goes out by the clock alone",
        "The message at a rollback or a kill goes out when users are taken back",
        "A kill or a rollback of what users are on also writes to users (mail), client (mail) and everybody on the site's pages at once.",
        "After 2 weeks here its owner gets a message: go on, or back.",
        "| 1 week, 2 weeks at most |",
        "while it is paused, and after it has completed",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    for name in PLANS {
        let text = markdown::print(&document(name, None));
        for odd in ["the last 1 ", "every 1 ", "Is it so that", "the groups internal;", "the team's channels", "20160"]
        {
            assert!(!text.contains(odd), "{name}: {odd}");
        }
    }
}
