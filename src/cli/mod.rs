//! The command `tidegate`: native only, and the one place that reads files and arguments.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

mod plan_file;
mod report;
mod check;
mod compile;
mod assign;
mod group;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::model::{Name, Percentage};

#[derive(Parser)]
#[command(name = "tidegate", version, about = "Release a new frontend step by step", max_term_width = 100)]
struct Arguments {
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check plans and show every fault, with file, line and column
    #[command(after_help = "Examples:\n  tidegate check plans/checkout.toml\n  tidegate check --json plans/*.toml")]
    Check(PlanArguments),
    /// Print plans as JSON, the value of the KV key `plans`
    #[command(
        after_help = "Examples:\n  tidegate compile plans/checkout.toml > plans.json\n  npx wrangler kv key put --remote --binding ROLLOUTS plans --path plans.json"
    )]
    Compile(CompileArguments),
    /// Assign ids (one per line on standard input) and print one JSON line for each
    #[command(
        after_help = "Examples:\n  echo user-1 | tidegate assign plans/checkout.toml --percentage 25\n  tidegate assign plans/flags.toml --rollout search --stage canary < ids.txt"
    )]
    Assign(AssignArguments),
    /// Turn ids (one per line on standard input) into a compact list, the value of the KV key `group/NAME`
    #[command(
        after_help = "Examples:\n  tidegate group beta < ids.txt > beta.group\n  npx wrangler kv key put --remote --binding ROLLOUTS group/beta --path beta.group"
    )]
    Group(GroupArguments),
}

#[derive(Args)]
struct PlanArguments {
    /// Plans in TOML; together they are one deployment
    #[arg(required = true, value_name = "PLAN")]
    plans: Vec<PathBuf>,
    /// Lay each plan's [environments.NAME] over it
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

#[derive(Args)]
struct CompileArguments {
    #[command(flatten)]
    plans: PlanArguments,
    /// The plans' revision; the edge ignores one older than it has [default: the time in seconds]
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

#[derive(Args)]
struct AssignArguments {
    /// The plan in TOML
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// Lay the plan's [environments.NAME] over it
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// The rollout, where the plan holds several
    #[arg(long, value_name = "KEY")]
    rollout: Option<String>,
    /// As if this number stood under the KV key `stage/KEY`
    #[arg(long, value_name = "P", conflicts_with = "stage", value_parser = str::parse::<Percentage>)]
    percentage: Option<Percentage>,
    /// As if the rollout were in this stage [default: the first]
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// The value of a KV key `group/NAME`; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    group: Vec<String>,
}

#[derive(Args)]
struct GroupArguments {
    /// The group's name, as in [groups.NAME]
    #[arg(value_name = "NAME", value_parser = str::parse::<Name>)]
    name: Name,
}

/// Why a command did not do what it was asked.
enum Failure {
    /// The plans have errors, and they have been shown.
    Refused,
    /// An argument does not fit the plan.
    Usage(String),
    /// Reading or writing failed.
    Io(String, io::Error),
}

impl Failure {
    fn exit_code(self) -> ExitCode {
        match self {
            Self::Refused => ExitCode::from(1),
            Self::Usage(message) => {
                eprintln!("error: {message}\n\nFor more information, try '--help'.");
                ExitCode::from(2)
            }
            // Whoever reads our output has enough of it.
            Self::Io(_, error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Self::Io(what, error) => {
                eprintln!("error: {what}: {error}");
                ExitCode::from(1)
            }
        }
    }
}

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Check(command) => check::run(&command, arguments.json),
        Command::Compile(command) => compile::run(&command, arguments.json),
        Command::Assign(command) => assign::run(&command, arguments.json),
        Command::Group(command) => group::run(&command, arguments.json),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit_code(),
    }
}
