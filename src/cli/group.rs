//! `tidegate group`: ids to fingerprints.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use serde::Serialize;

use super::Failure;
use super::plans::GroupArguments;
use crate::model::group::Fingerprints;

#[derive(Serialize)]
struct Written<'a> {
    group: &'a str,
    subjects: usize,
    bytes: usize,
}

pub fn run(arguments: &GroupArguments, json: bool) -> Result<(), Failure> {
    let name = &arguments.name;
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(Failure::Usage(format!("the list is not text: send it to a file, `tidegate group {name} < ids.txt > {name}.group`")));
    }
    let mut input = Vec::new();
    io::stdin().lock().read_to_end(&mut input).map_err(|error| Failure::Io("standard input".into(), error))?;
    let list = Fingerprints::of_ids(input.split(|byte| *byte == b'\n'));
    let bytes = list.to_bytes();
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(|error| Failure::Io("standard output".into(), error))?;
    if json {
        let written = Written { group: name.as_str(), subjects: list.len(), bytes: bytes.len() };
        eprintln!("{}", serde_json::to_string(&written).unwrap_or_default());
    } else {
        eprintln!("{} subjects, {} bytes; next: npx wrangler kv key put --remote --binding ROLLOUTS group/{name} --path FILE", list.len(), bytes.len());
    }
    Ok(())
}
