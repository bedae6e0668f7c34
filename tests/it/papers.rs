//! What the documents say of this repository is true: links, headings, paths and tasks exist.
//!
//! A document that points to what is no longer there is worse than none, and nobody notices by reading.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate::model::condition::metric::METRICS;
use tidegate::model::condition::{Condition, Dimension};

/// The README is read in a few minutes or not at all; what does not fit belongs to `docs/`.
const README_LINES_MAX: usize = 220;
/// Folders of what is built, installed or not ours.
const SKIPPED: [&str; 5] = ["target", "node_modules", "build", ".git", ".wrangler"];
/// A path in backticks that begins with one of these is a path of this repository.
const FOLDERS: [&str; 9] = ["src", "crates", "tests", "docs", "scripts", "benches", "www", "plans", ".ci"];

struct Paper {
    path: PathBuf,
    /// Without blocks of code, so that neither their comments are headings nor their brackets links.
    prose: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn papers() -> Vec<Paper> {
    let mut papers = Vec::new();
    let mut open = vec![root().to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !SKIPPED.iter().any(|name| path.ends_with(name)) {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                papers.push(read(path));
            }
        }
    }
    assert!(papers.len() > 10, "the documents are not where they should be");
    papers
}

fn read(path: PathBuf) -> Paper {
    let mut is_code = false;
    let prose = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        })
        .map(String::from)
        .collect();
    Paper { path, prose }
}

/// The targets of the line's links, without those in code.
fn links(line: &str) -> Vec<&str> {
    line.match_indices("](")
        .map(|(at, _)| line.split_at(at))
        .filter(|(before, _)| before.matches('`').count() % 2 == 0)
        .filter_map(|(_, link)| link.trim_start_matches("](").split_once(')'))
        .map(|(target, _)| target)
        .collect()
}

/// What stands in backticks: every second piece of the line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The anchors of a document's headings, made as GitHub makes them.
fn anchors(paper: &Paper) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in paper.prose.iter().filter(|line| line.starts_with('#')) {
        let anchor: String = heading
            .trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        let again = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(again).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut broken = Vec::new();
    for paper in papers() {
        let links = paper.prose.iter().flat_map(|line| links(line));
        for link in links.filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { paper.path.clone() } else { paper.path.parent().unwrap().join(file) };
            let is_good = target.exists() && (anchor.is_empty() || anchors(&read(target)).contains(anchor));
            if !is_good {
                broken.push(format!("{}: {link}", paper.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_path_in_backticks_exists() {
    let mut missing = Vec::new();
    for paper in papers() {
        for line in &paper.prose {
            for span in spans(line) {
                let is_path = FOLDERS.iter().any(|folder| span.starts_with(&format!("{folder}/")))
                    && !span.contains(|letter: char| letter.is_whitespace() || matches!(letter, '*' | '{' | '<'));
                if is_path && !root().join(span).exists() {
                    missing.push(format!("{}: {span}", paper.path.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "paths that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_task_in_backticks_is_one_of_the_makefile() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let tasks: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(task, _)| task).collect();
    let mut missing = Vec::new();
    for paper in papers() {
        for line in &paper.prose {
            for task in spans(line).filter_map(|span| span.split("make ").nth(1)) {
                let task = task.split_whitespace().next().unwrap_or_default();
                if !tasks.contains(task) && !task.contains('*') {
                    missing.push(format!("{}: make {task}", paper.path.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "tasks that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_condition_of_a_ready_made_plan_stands_in_it_letter_by_letter() {
    let mut wrong = Vec::new();
    let mut plan = None;
    for line in read(root().join("docs/plans.md")).prose {
        if let Some(heading) = line.strip_prefix("## ") {
            plan = fs::read_to_string(root().join(format!("plans/{heading}.toml"))).ok();
        }
        let Some(plan) = &plan else { continue };
        let conditions = spans(&line).filter(|span| span.parse::<Condition>().is_ok());
        wrong.extend(conditions.filter(|condition| !plan.contains(condition)).map(String::from));
    }
    assert!(wrong.is_empty(), "docs/plans.md has conditions that no plan has:\n{}", wrong.join("\n"));
}

/// The words of a bound in the table of metrics.
const fn words(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Share => "percent",
        Dimension::Count => "whole number",
        Dimension::Time => "time",
        Dimension::Score => "number",
        Dimension::Free => "any",
    }
}

#[test]
fn the_reference_has_every_metric_as_it_is() {
    let reference = read(root().join("docs/reference.md")).prose;
    let rows = reference.iter().skip_while(|line| !line.starts_with("| metric")).skip(2);
    let rows: Vec<Vec<&str>> =
        rows.take_while(|line| line.starts_with('|')).map(|line| line.split('|').map(str::trim).collect()).collect();
    for row in METRICS {
        for syntax in row.syntax() {
            let found = rows.iter().find(|cells| spans(cells[1]).any(|span| span == syntax));
            let Some([_, _, bound, endpoint, legacy, ..]) = found.map(Vec::as_slice) else {
                panic!("docs/reference.md has no `{syntax}`")
            };
            let dimension = if syntax.starts_with("cls") { Dimension::Score } else { row.spec.dimension };
            let says = |is_so: bool| if is_so { "yes" } else { "–" };
            assert_eq!(
                (*bound, *endpoint, *legacy),
                (words(dimension), says(row.spec.has_endpoints), says(row.spec.is_comparable)),
                "{syntax}"
            );
        }
    }
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines");
}
