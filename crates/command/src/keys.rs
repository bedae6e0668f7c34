//! The keys of a deployment, where knowing them is a kindness: in completions, and beside an error.
//!
//! Quick, and silent whatever happens: there is no deployment, no token, no answer in time.

use std::ffi::OsStr;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;

use super::client::Client;
use tidegate_protocol::api::shapes::{Rollout, Rollouts};

use super::ladder::summary;

/// Whoever presses a key waits no longer.
const PATIENCE: Duration = Duration::from_millis(700);

/// Every rollout of the deployment that the words of the command line name; none where it cannot be
/// asked.
pub fn rollouts() -> Vec<Rollout> {
    let client = Client::quick(url(std::env::args()), PATIENCE);
    let read = client.and_then(|client| client.get("rollouts", &[]).ok()?.read::<Rollouts>().ok());
    read.unwrap_or_default().rollouts
}

/// What can stand for a KEY that begins with `typed`.
pub fn complete(typed: &OsStr) -> Vec<CompletionCandidate> {
    let begun = typed.to_string_lossy();
    let candidate =
        |rollout: Rollout| CompletionCandidate::new(rollout.key.as_str()).help(Some(summary(&rollout).into()));
    rollouts().into_iter().filter(|rollout| rollout.key.starts_with(begun.as_ref())).map(candidate).collect()
}

/// The URL among arguments that have not been read, or cannot be.
fn url(words: impl Iterator<Item = String>) -> Option<String> {
    let mut words = words.skip_while(|word| word != "--url" && !word.starts_with("--url="));
    let word = words.next()?;
    word.strip_prefix("--url=").map(str::to_owned).or_else(|| words.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_found_in_a_line_that_is_not_finished() {
        let found = |line: &str| url(line.split(' ').map(str::to_owned));
        assert_eq!(found("tidegate kill --url http://a de").as_deref(), Some("http://a"));
        assert_eq!(found("tidegate kill --url=http://a").as_deref(), Some("http://a"));
        assert_eq!((found("tidegate kill"), found("tidegate kill --url")), (None, None));
    }
}
