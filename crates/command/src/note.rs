//! `tidegate note`: something to remember in a rollout's history; `tidegate deployed`: which version of new is there; and the reason of a stop, which may
//! follow once it is done.

use super::change::send;
use super::client::Client;
use super::operator::{Consent, DeployedArguments, NoteArguments};
use super::paint::{BOLD, WARN, note, paint, print, print_raw};
use super::{Failure, ask, change};
use serde_json::{Value, json};
use tidegate_model::command::Command;
use tidegate_model::version::Version;
use tidegate_protocol::api::shapes::Changed;

pub fn run(arguments: &NoteArguments, json: bool) -> Result<(), Failure> {
    let NoteArguments { key, text, connection } = arguments;
    let client = Client::new(connection)?;
    let done = send(&client, key.as_str(), &Command::Note, text, None).map_err(Failure::from);
    let answer = done.map_err(|failure| change::with_way_out(failure, key.as_str(), &Command::Note))?;
    if json {
        return print_raw(&answer.text);
    }
    let changed: Changed = answer.read()?;
    print(&format!("{}: noted, revision {}", paint(BOLD, key), changed.rollout.state.revision))
}

/// Tells which version of new was deployed.
pub fn deployed(arguments: &DeployedArguments, json: bool) -> Result<(), Failure> {
    let DeployedArguments { key, version, reason, connection } = arguments;
    let client = Client::new(connection)?;
    let command = Command::Deployed(version.clone());
    let body = deployed_body(version, reason.as_deref());
    let done = client.command(key.as_str(), &body, None).map_err(Failure::from);
    let answer = done.map_err(|failure| change::with_way_out(failure, key.as_str(), &command))?;
    if json {
        return print_raw(&answer.text);
    }
    let changed: Changed = answer.read()?;
    print(&format!("{}: new is {version}, revision {}", paint(BOLD, key), changed.rollout.state.revision))
}

fn deployed_body(version: &Version, reason: Option<&str>) -> Value {
    let mut body = json!({ "command": "deployed", "version": version.as_str() });
    if let (Some(reason), Some(fields)) = (reason, body.as_object_mut()) {
        fields.insert("reason".to_owned(), reason.into());
    }
    body
}

/// Asks why a stop that is done was needed, unless that has been said. It stays done whatever becomes
/// of the answer.
pub fn follow(client: &Client, rollout: &str, consent: &Consent) {
    let Some(text) = ask::afterwards(consent) else { return };
    match send(client, rollout, &Command::Note, &text, None) {
        Ok(_) => note("  Added to the history."),
        Err(error) => {
            let again = if rollout == "*" { String::new() } else { format!(": try `tidegate note {rollout} TEXT`") };
            note(&format!("{} the reason was not kept ({}){again}", paint(WARN, "!"), error.message()));
        }
    }
}
