//! `tidegate freeze`: when no rollout of the deployment advances.

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::operator::Consent;
use super::paint::{note, print, print_raw};
use super::words::moment;
use super::{Failure, ask, clock};
use tidegate_model::calendar::Window;
use tidegate_model::fault::Explain as _;
use tidegate_protocol::api::shapes::Freeze;

#[derive(Args)]
pub struct FreezeArguments {
    /// Days or a part of each week, such as "2026-12-24/2027-01-02 Europe/Berlin"; none shows what is in force
    #[arg(value_name = "WINDOW", value_parser = window)]
    pub windows: Vec<Window>,
    /// End the freeze, all of it
    #[arg(long, conflicts_with = "windows")]
    pub lift: bool,
    /// In place of what is in force, which otherwise goes on beside it
    #[arg(long, requires = "windows")]
    pub replace: bool,
    #[command(flatten)]
    pub consent: Consent,
}

fn window(text: &str) -> Result<Window, String> {
    text.parse::<Window>().map_err(|error| match error.help() {
        Some(help) => format!("{error}: {help}"),
        None => error.to_string(),
    })
}

pub fn run(arguments: &FreezeArguments, json: bool) -> Result<(), Failure> {
    let FreezeArguments { windows, lift, replace, consent } = arguments;
    let client = Client::new(&consent.connection)?;
    if windows.is_empty() && !lift {
        let answer = client.get("freeze", &[])?;
        if json {
            return print_raw(&answer.text);
        }
        return print(&shown(&answer.read()?));
    }
    let mut texts: Vec<String> = Vec::new();
    let question = if *lift {
        "Let rollouts advance again, as their plans say?".to_owned()
    } else {
        let own: Freeze = client.get("freeze", &[])?.read()?;
        let in_force: Vec<String> = own.freeze.iter().map(ToString::to_string).collect();
        let kept: &[String] = if *replace { &[] } else { &in_force };
        for window in kept.iter().cloned().chain(windows.iter().map(ToString::to_string)) {
            if !texts.contains(&window) {
                texts.push(window);
            }
        }
        let ended: Vec<&str> = in_force.iter().filter(|window| !texts.contains(window)).map(String::as_str).collect();
        if !ended.is_empty() {
            note(&format!("This ends the freeze {}.", ended.join("; ")));
        }
        note(&format!("No rollout advances {}. Rolling back always works.", texts.join("; ")));
        "Freeze the deployment?".to_owned()
    };
    let reason = ask::words(consent, &question)?;
    let answer = client.send("PUT", "freeze", &json!({ "freeze": texts, "reason": reason }))?;
    if json { print_raw(&answer.text) } else { print(&shown(&answer.read()?)) }
}

fn shown(freeze: &Freeze) -> String {
    if freeze.freeze.is_empty() {
        return "No freeze of the deployment: rollouts advance as their plans say.".to_owned();
    }
    let by = freeze.by.as_deref().map(|by| format!(", by {by}")).unwrap_or_default();
    let at = freeze.at.get().map(|at| format!(", {}", moment(at, clock::now()))).unwrap_or_default();
    let reason = freeze.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("No rollout advances {}{by}{at}{reason}\nRolling back always works.", freeze.freeze.join("; "))
}
