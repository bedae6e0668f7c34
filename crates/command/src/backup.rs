//! `tidegate backup` and `tidegate restore`: everything that the controller has stored, as one file, and back into a
//! deployment that has nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::client::Client;
use super::operator::{Connection, Consent};
use super::paint::{GOOD, note, paint, print, print_raw};
use super::words::counted;
use super::{Failure, ask};

#[derive(Args)]
pub struct BackupArguments {
    /// Where to write it; `-` for standard output
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// The file that `tidegate backup` has written
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub consent: Consent,
}

pub fn backup(arguments: &BackupArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    note("Reading all that is stored …");
    let answer = client.get("backup", &[])?;
    let shown = summary(&answer.read()?);
    if arguments.file == Path::new("-") {
        print_raw(&answer.text)?;
        note(&shown);
        return Ok(());
    }
    write_new(&arguments.file, &answer.text)?;
    if json {
        return print_raw(&serde_json::json!({ "file": arguments.file, "bytes": answer.text.len() }).to_string());
    }
    print(&format!("{} {}: {shown}", paint(GOOD, "✓"), arguments.file.display()))
}

/// Writes a file that is not there yet: what was saved before is never lost to what is saved now.
pub fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error| Failure::Io(path.display().to_string(), error);
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// What a backup holds.
fn summary(backup: &Value) -> String {
    let rows = |table: &str| {
        let pointer = format!("/tables/{table}/rows");
        backup.pointer(&pointer).and_then(Value::as_array).map_or(0, Vec::len)
    };
    format!("{}, {} of history", counted(rows("rollouts"), "rollout"), counted(rows("history"), "entry"))
}

pub fn restore(arguments: &RestoreArguments, json: bool) -> Result<(), Failure> {
    let name = arguments.file.display().to_string();
    let text = std::fs::read_to_string(&arguments.file).map_err(|error| Failure::Io(name.clone(), error))?;
    let body: Value = serde_json::from_str(&text).map_err(|error| Failure::WithHelp {
        message: format!("{name} is no backup: {error}"),
        help: "name a file that `tidegate backup` has written".to_owned(),
    })?;
    ask::check(&arguments.consent, false)?;
    let client = Client::new(&arguments.consent.connection)?;
    if !arguments.consent.yes {
        ask::confirm(&format!("Restore {} into this deployment, which has to be empty?", summary(&body)))?;
    }
    let answer = client.send("PUT", "backup", &body)?;
    if json {
        return print_raw(&answer.text);
    }
    print(&format!(
        "{} restored {}. Its states are being published; `tidegate status` shows them.",
        paint(GOOD, "✓"),
        summary(&body)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_says_what_it_holds() {
        let backup = serde_json::json!({ "tables": { "rollouts": { "rows": [[]] }, "history": { "rows": [[], []] } } });
        assert_eq!(summary(&backup), "1 rollout, 2 entries of history");
        assert_eq!(summary(&Value::Null), "0 rollouts, 0 entries of history");
    }
}
