//! Shows faults to people, as a compiler does.

use std::io::{self, IsTerminal as _, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::Failure;
use tidegate_model::fault::{Fault, Severity};
use tidegate_text::{Lines, Source};

/// So much of a source is shown with a fault, in bytes.
const SHOWN_BYTES_MAX: usize = 2_000;
/// Of a longer line, so much before the place that is meant, and so much from there on.
const BEFORE_BYTES: usize = 60;
const AFTER_BYTES: usize = 100;

/// Shows every fault on standard error.
pub fn show(sources: &[Source]) -> Result<(), Failure> {
    let mut out = io::stderr().lock();
    let renderer = if out.is_terminal() { Renderer::styled() } else { Renderer::plain() };
    for source in sources {
        let lines = Lines::of(&source.text);
        for fault in &source.faults {
            writeln!(out, "{}\n", render(&renderer, source, &lines, fault))
                .map_err(|error| Failure::Io("standard error".into(), error))?;
        }
    }
    Ok(())
}

fn render(renderer: &Renderer, source: &Source, lines: &Lines<'_>, fault: &Fault) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = Group::with_title(level.primary_title(fault.message.as_str()));
    let group = if fault.span.is_none() && fault.path.is_empty() {
        group.element(Origin::path(source.name.as_str()))
    } else {
        shown(group, source, lines, fault)
    };
    let group = match &fault.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    };
    renderer.render(&[group])
}

/// Adds the lines that a fault is about. They alone are handed to the renderer, which goes through all that it
/// is given.
fn shown<'a>(group: Group<'a>, source: &'a Source, lines: &Lines<'_>, fault: &'a Fault) -> Group<'a> {
    let text = source.text.as_str();
    let span = fault.span.clone().unwrap_or(0..0);
    let at = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.floor_char_boundary(span.end.clamp(at, text.len()));
    let (number, start) = lines.line(at);
    let snippet = |from: usize, to: usize| {
        let annotation = AnnotationKind::Primary.span(at - from..end.min(to) - from).label(fault.path.as_str());
        Snippet::source(text.get(from..to).unwrap_or_default()).line_start(number).annotation(annotation)
    };
    let (line_end, last_end) = (lines.end(at), lines.end(end));
    if let Some(to) = [last_end, line_end].into_iter().find(|to| to - start <= SHOWN_BYTES_MAX) {
        return group.element(snippet(start, to).path(source.name.as_str()));
    }
    let (line, column) = lines.position(at);
    let from = text.floor_char_boundary(at.saturating_sub(BEFORE_BYTES)).max(start);
    let to = text.floor_char_boundary(at + AFTER_BYTES).min(line_end);
    group.element(Origin::path(source.name.as_str()).line(line).char_column(column)).element(snippet(from, to))
}
