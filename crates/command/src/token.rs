//! `tidegate token`: a random token and its entry for `ADMIN_TOKENS`, which holds only its hash.

use std::fs::File;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, ValueEnum};
use serde_json::json;
use sha2::{Digest as _, Sha256};

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
    /// viewer: read only; operator: read and change
    #[arg(long)]
    role: Role,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    Viewer,
    Operator,
}

pub fn run(arguments: &TokenArguments, json: bool) -> Result<(), Failure> {
    let name = &arguments.name;
    let role = match arguments.role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
    };
    let token = format!("tg_{}", URL_SAFE_NO_PAD.encode(random()?));
    let entry = entry(name, role, &token);
    if json {
        return print_raw(&json!({ "name": name, "role": role, "token": token, "entry": entry }).to_string());
    }
    note(&format!(
        "{} is the token of {name}. It is shown this once: export TIDEGATE_TOKEN=…",
        paint(BOLD, "Standard output")
    ));
    note("Add this entry to ADMIN_TOKENS, which holds all entries, with commas between:");
    note(&format!("  {entry}"));
    note("In production: npx wrangler secret put ADMIN_TOKENS. On this machine: ADMIN_TOKENS=\"…\" in .dev.vars");
    print_raw(&token)
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
    let hash: String = Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
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
    fn names_are_those_that_the_history_can_tell_apart() {
        for text in ["ana", "ana@example.com", "ci-2.x_y"] {
            assert_eq!(name(text), Ok(text.to_owned()));
        }
        for text in ["", "a:b", "a,b", "a b", "kv", "schedule", "guardrail", "ä"] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
