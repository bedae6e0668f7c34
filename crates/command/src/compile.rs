//! `tidegate compile`: plans as the value of the KV key `plans`.

use std::io::{self, Write};

use super::clock::now;
use super::plan_file::load;
use super::plans::CompileArguments;
use super::{Failure, report};
use tidegate_model::plan::{Plan, set};
use tidegate_text::fault_lines::lines;

pub fn run(arguments: &CompileArguments, json: bool) -> Result<(), Failure> {
    let loaded = load(&arguments.plans)?;
    if json {
        for line in lines(&loaded.sources) {
            eprintln!("{}", serde_json::to_string(&line).unwrap_or_default());
        }
    } else {
        report::show(&loaded.sources)?;
    }
    if loaded.has_errors() {
        return Err(Failure::Refused);
    }
    let plans: Vec<Plan> = loaded.plans.into_iter().map(|(_, plan)| plan).collect();
    let revision = arguments.revision.unwrap_or_else(seconds_now);
    let printed = set::print(&plans, revision).map_err(io::Error::from);
    printed
        .and_then(|text| writeln!(io::stdout(), "{text}"))
        .map_err(|error| Failure::Io("standard output".into(), error))
}

/// The clock makes a revision that grows from one deployment by hand to the next without asking anybody.
fn seconds_now() -> u64 {
    u64::try_from(now().as_epoch_ms() / 1_000).unwrap_or_default()
}
