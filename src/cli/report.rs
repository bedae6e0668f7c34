//! Shows faults: to people as a compiler does, to programs as JSON.

use std::io::{self, IsTerminal as _, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::plan_file::{Loaded, PlanFile};
use super::Failure;
use crate::model::fault::{Fault, Severity};

/// A fault as a program reads it.
#[derive(Serialize)]
pub struct FaultLine<'a> {
    file: String,
    line: usize,
    column: usize,
    severity: &'static str,
    path: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// Shows every fault on standard error.
pub fn show(loaded: &Loaded) -> Result<(), Failure> {
    let mut out = io::stderr().lock();
    let renderer = if out.is_terminal() { Renderer::styled() } else { Renderer::plain() };
    for file in &loaded.files {
        for fault in &file.faults {
            writeln!(out, "{}\n", render(&renderer, file, fault)).map_err(|error| Failure::Io("standard error".into(), error))?;
        }
    }
    Ok(())
}

fn render(renderer: &Renderer, file: &PlanFile, fault: &Fault) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let span = fault.span.clone().unwrap_or(0..0);
    let path = file.path.display().to_string();
    let snippet = Snippet::source(file.text.as_str()).path(path).annotation(AnnotationKind::Primary.span(span).label(fault.path.as_str()));
    let mut group = Group::with_title(level.primary_title(fault.message.as_str())).element(snippet);
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The faults as a program reads them.
pub fn lines(loaded: &Loaded) -> Vec<FaultLine<'_>> {
    let of_file = |file: &'_ PlanFile, fault: &'_ Fault| {
        let (line, column) = position(&file.text, fault.span.as_ref().map_or(0, |span| span.start));
        (file.path.display().to_string(), line, column)
    };
    let mut lines = Vec::new();
    for file in &loaded.files {
        for fault in &file.faults {
            let (name, line, column) = of_file(file, fault);
            let severity = match fault.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            lines.push(FaultLine { file: name, line, column, severity, path: &fault.path, message: &fault.message, help: fault.help.as_deref() });
        }
    }
    lines
}

/// The line and column, both from 1, of a byte; columns count characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}
