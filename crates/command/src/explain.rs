//! `tidegate explain`: which side one user gets, and why, in a sentence.

use super::Failure;
use super::client::Client;
use super::operator::ExplainArguments;
use super::paint::{BOLD, paint, print, print_raw};
use tidegate_protocol::api::shapes::Assignment;

pub fn run(arguments: &ExplainArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let answer = client.get("assign", &[("rollout", arguments.key.as_str()), ("id", &arguments.id)])?;
    if json { print_raw(&answer.text) } else { print(&said(&answer.read()?)) }
}

fn said(assignment: &Assignment) -> String {
    let Assignment { rollout, id, variant, reason, why, .. } = assignment;
    // An older deployment says no more than the code.
    let why = if why.is_empty() { reason.as_str() } else { why };
    format!("{} gets {} in {rollout}: {why}.", paint(BOLD, format!("`{id}`")), paint(BOLD, variant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(assignment: &str, text: &str) {
        assert_eq!(anstream::adapter::strip_str(&said(&serde_json::from_str(assignment).unwrap())).to_string(), text);
    }

    #[test]
    fn an_assignment_is_a_sentence() {
        says(
            r#"{"rollout":"demo","id":"user-1","bucket":46629,"variant":"legacy","reason":"bucketed","why":"bucket 46.629 % is above the current 25 %","stage":"quarter"}"#,
            "`user-1` gets legacy in demo: bucket 46.629 % is above the current 25 %.",
        );
        says(r#"{"rollout":"demo","id":"x","variant":"new","reason":"moonphase"}"#, "`x` gets new in demo: moonphase.");
    }
}
