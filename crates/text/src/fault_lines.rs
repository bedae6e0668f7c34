//! Faults as programs and pages read them: with their line and column.

use serde::Serialize;

use super::{Lines, Source};
use tidegate_model::fault::Severity;

/// One fault.
#[derive(Debug, Serialize)]
pub struct FaultLine<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    severity: &'static str,
    path: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// The faults of these sources.
pub fn lines(sources: &[Source]) -> Vec<FaultLine<'_>> {
    let mut lines = Vec::new();
    for source in sources {
        let own = Lines::of(&source.text);
        for fault in &source.faults {
            let (line, column) = own.position(fault.span.as_ref().map_or(0, |span| span.start));
            let severity = match fault.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            lines.push(FaultLine {
                file: &source.name,
                line,
                column,
                severity,
                path: &fault.path,
                message: &fault.message,
                help: fault.help.as_deref(),
            });
        }
    }
    lines
}
