//! `tidegate token`: a random token and its entry for `ADMIN_TOKENS`, or `REPORTER_TOKENS`, which hold only its hash.

use std::fs::File;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, ValueEnum};
use serde_json::json;
use tidegate_model::history::sha256_hex;

use super::Failure;
use super::paint::{BOLD, note, paint, print_raw};

/// 256 bits: nobody guesses these.
const TOKEN_BYTES: usize = 32;
/// Who acts without a token in the history.
const RESERVED: [&str; 3] = ["kv", "schedule", "guardrail"];

#[derive(Args)]
pub struct TokenArguments {
    /// The owner: the name in the history
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// viewer: read only; operator: read and change; reporter: report signals only
    #[arg(long)]
    role: Role,
    /// A reporter's rollout; without it any rollout that has the signal
    #[arg(long, value_name = "KEY", value_parser = scope)]
    rollout: Option<String>,
    /// A reporter's signal; without it all signals of the rollout
    #[arg(long, value_name = "NAME", value_parser = scope)]
    signal: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    Viewer,
    Operator,
    Reporter,
}

pub fn run(arguments: &TokenArguments, json: bool) -> Result<(), Failure> {
    let name = &arguments.name;
    let role = role(arguments).map_err(|why| Failure::Usage(why.to_owned()))?;
    let token = format!("tg_{}", URL_SAFE_NO_PAD.encode(random()?));
    let entry = entry(name, &role, &token);
    if json {
        return print_raw(&json!({ "name": name, "role": role, "token": token, "entry": entry }).to_string());
    }
    note(&format!(
        "{} is the token of {name}. It is shown this once: export TIDEGATE_TOKEN=…",
        paint(BOLD, "Standard output")
    ));
    let secret = if matches!(arguments.role, Role::Reporter) { "REPORTER_TOKENS" } else { "ADMIN_TOKENS" };
    note(&format!("Add this entry to {secret}, which holds all entries, with commas between:"));
    note(&format!("  {entry}"));
    note(&format!("In production: npx wrangler secret put {secret}. On this machine: {secret}=\"…\" in .dev.vars"));
    print_raw(&token)
}

/// The role as the entry has it.
fn role(TokenArguments { role, rollout, signal, .. }: &TokenArguments) -> Result<String, &'static str> {
    match (role, rollout, signal) {
        (Role::Viewer, None, None) => Ok("viewer".to_owned()),
        (Role::Operator, None, None) => Ok("operator".to_owned()),
        (Role::Viewer | Role::Operator, ..) => Err("`--rollout` and `--signal` are for `--role reporter`"),
        (Role::Reporter, None, None) => {
            Err("a reporter's token says what it may report: `--rollout KEY`, `--signal NAME`, or both")
        }
        (Role::Reporter, Some(rollout), None) => Ok(format!("reporter/{rollout}")),
        (Role::Reporter, rollout, Some(signal)) => {
            Ok(format!("reporter/{}/{signal}", rollout.as_deref().unwrap_or("*")))
        }
    }
}

fn scope(text: &str) -> Result<String, String> {
    text.parse::<tidegate_model::Name>().map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn random() -> Result<[u8; TOKEN_BYTES], Failure> {
    let mut bytes = [0; TOKEN_BYTES];
    let source = "/dev/urandom";
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Failure::Io(format!("{source}, where randomness comes from"), error))?;
    Ok(bytes)
}

fn entry(name: &str, role: &str, token: &str) -> String {
    let hash = sha256_hex(token.as_bytes());
    format!("{name}:{role}:{hash}")
}

fn name(text: &str) -> Result<String, String> {
    if RESERVED.contains(&text) {
        return Err(format!("`{text}` acts in the history without a token: take another name"));
    }
    let is_name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c));
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a name: letters, digits, `-`, `_`, `.` and `@`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_holds_the_hash_of_the_token() {
        assert_eq!(
            entry("ana", "viewer", "abc"),
            "ana:viewer:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_reporter_says_what_it_reports() {
        let of = |role: Role, rollout: Option<&str>, signal: Option<&str>| {
            let (rollout, signal) = (rollout.map(str::to_owned), signal.map(str::to_owned));
            super::role(&TokenArguments { name: "ci".to_owned(), role, rollout, signal })
        };
        assert_eq!(of(Role::Reporter, Some("shop"), None).as_deref(), Ok("reporter/shop"));
        assert_eq!(of(Role::Reporter, Some("shop"), Some("p1")).as_deref(), Ok("reporter/shop/p1"));
        assert_eq!(of(Role::Reporter, None, Some("p1")).as_deref(), Ok("reporter/*/p1"));
        assert_eq!(of(Role::Viewer, None, None).as_deref(), Ok("viewer"));
        assert!(of(Role::Reporter, None, None).is_err() && of(Role::Operator, Some("shop"), None).is_err());
    }

    #[test]
    fn names_are_those_that_the_history_can_tell_apart() {
        for text in ["ana", "ana@example.com", "ci-2.x_y"] {
            assert_eq!(name(text), Ok(text.to_owned()));
        }
        for text in ["", "a:b", "a,b", "a b", "kv", "schedule", "guardrail", "ä"] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
