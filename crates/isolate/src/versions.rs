//! The versions that answers of new have named since the last flush: each once.
//!
//! What goes down with a flush is named again by the next answers.

use tidegate_model::Name;
use tidegate_model::version::Version;
use tidegate_protocol::flush::VERSIONS_MAX;

/// The versions that were seen.
#[derive(Default)]
pub struct SeenVersions(Vec<(Name, Box<str>)>);

impl SeenVersions {
    /// Takes note of what an answer of a rollout's new has said. What is no version is passed over.
    pub fn note(&mut self, rollout: &Name, text: &str) {
        let is_it = |(key, own): &(Name, Box<str>)| **own == *text && key == rollout;
        if self.0.len() < VERSIONS_MAX && !self.0.iter().any(is_it) && text.parse::<Version>().is_ok() {
            self.0.push((rollout.clone(), text.into()));
        }
    }

    /// What is to be reported, and reported once.
    pub fn take(&mut self) -> Vec<(String, String)> {
        self.0.drain(..).map(|(rollout, version)| (rollout.to_string(), version.into())).collect()
    }
}
