//! Shows faults to people, as a compiler does.

use std::io::{self, IsTerminal as _, Write};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::Failure;
use crate::model::fault::{Fault, Severity};
use crate::text::Source;

/// Shows every fault on standard error.
pub fn show(sources: &[Source]) -> Result<(), Failure> {
    let mut out = io::stderr().lock();
    let renderer = if out.is_terminal() { Renderer::styled() } else { Renderer::plain() };
    for source in sources {
        for fault in &source.faults {
            writeln!(out, "{}\n", render(&renderer, source, fault)).map_err(|error| Failure::Io("standard error".into(), error))?;
        }
    }
    Ok(())
}

fn render(renderer: &Renderer, source: &Source, fault: &Fault) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let span = fault.span.clone().unwrap_or(0..0);
    let snippet = Snippet::source(source.text.as_str()).path(source.name.as_str()).annotation(AnnotationKind::Primary.span(span).label(fault.path.as_str()));
    let mut group = Group::with_title(level.primary_title(fault.message.as_str())).element(snippet);
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}
