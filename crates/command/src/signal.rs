//! `tidegate signal`: facts from outside, for gates and guardrails to judge by.

use serde_json::json;

use super::client::Client;
use super::operator::SignalArguments;
use super::paint::{BOLD, paint, print, print_raw};
use super::{Failure, problem::Error};
use tidegate_model::number::counted;

pub fn run(arguments: &SignalArguments, json: bool) -> Result<(), Failure> {
    let SignalArguments { key, name, count, value, connection } = arguments;
    let client = Client::new(connection)?;
    let (body, shown) = match (value, count.unwrap_or(1)) {
        (Some(value), _) => (json!({ "name": name, "value": value }), format!("is {value}")),
        (None, count) => (json!({ "name": name, "count": count }), format!("counted {}", counted(count, "time"))),
    };
    let answer = client.send("POST", &format!("rollouts/{key}/signals"), &body).map_err(twice)?;
    if json { print_raw(&answer.text) } else { print(&format!("{}: {name} {shown}", paint(BOLD, key))) }
}

/// A signal is not sent once more by itself: it would count twice.
fn twice(error: Error) -> Failure {
    let extra = error.may_have_arrived().then(|| "it is unknown whether it was counted".to_owned());
    Failure::Api(Box::new(error), extra)
}
