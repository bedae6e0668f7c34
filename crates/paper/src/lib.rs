//! What a rollout says of itself on paper: the runbook before it, the report after it, its dates as a calendar.
//!
//! A paper is a [`Document`], a value; two renderers print it, for a wiki ([`markdown`]) and for a printer ([`html`]),
//! so that both say the same. Every word of a plan or a history is somebody's text, and no renderer takes it for
//! markup. Sentences about figures, verdicts and commands are those of `decide::explain`.

pub mod dates;
pub mod document;
pub mod html;
pub mod ics;
pub mod markdown;
mod plot;
pub mod report;
pub mod runbook;

pub use document::Document;
