//! The command `tidegate`: native only, and the one place that reads files and arguments.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage; for scripts that wait also 3 rolled back or killed, 4 waits
//! for a person, 5 timed out. Results go to standard output, everything else to standard error; colours to terminals
//! only.

mod all;
mod apply;
mod approve;
mod archive;
mod arguments;
mod ask;
mod assign;
mod backup;
mod change;
mod check;
mod client;
mod clock;
mod compile;
mod complete;
mod connection;
mod doctor;
mod explain;
mod forecast;
mod freeze;
mod group;
mod history;
mod judge;
mod keys;
mod ladder;
mod note;
mod notify;
mod operator;
mod outbox;
mod paint;
mod paper;
mod pick;
mod plan_file;
mod plans;
mod preview;
mod problem;
mod reach;
mod report;
mod served;
mod shadow;
mod shell;
mod signal;
mod signals;
mod simulate;
mod stale;
mod standing;
mod status;
mod token;
mod verbs;
mod verify;
mod wait;
mod watch;
mod words;
mod wrap;

use std::io;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use operator::{ChangeArguments, KillArguments};

use tidegate_model::command::{Cause, Command as Change, Setting};

/// Why a command did not do what it was asked.
enum Failure {
    /// The reasons have been shown.
    Refused,
    /// What was asked for is reported, and this exit code says how it stands.
    Code(u8),
    /// The person said no.
    Cancelled,
    /// An argument does not fit the plan, or the place where the command runs.
    Usage(String),
    /// Reading or writing failed.
    Io(String, io::Error),
    /// The API refused or could not be asked; perhaps with one thing more to say.
    Api(Box<problem::Error>, Option<String>),
    /// Something else is wrong, and this is the way out.
    WithHelp { message: String, help: String },
}

impl Failure {
    fn exit_code(self, json: bool) -> ExitCode {
        match self {
            Self::Refused => {}
            Self::Code(code) => return code.into(),
            Self::Cancelled => paint::note("Nothing was changed."),
            Self::Usage(message) => {
                eprintln!("error: {message}\n\nFor more information, try '--help'.");
                return ExitCode::from(2);
            }
            // Whoever reads our output has enough of it.
            Self::Io(_, error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Io(what, error) => eprintln!("error: {what}: {error}"),
            Self::Api(error, extra) => problem::show(&error, extra.as_deref(), json),
            Self::WithHelp { message, help } => eprintln!("error: {message}\n  help: {help}"),
        }
        ExitCode::from(1)
    }
}

/// Runs the command line that the process was started with.
pub fn main() -> ExitCode {
    shell::complete();
    let Arguments { json, command } = verbs::read();
    match run(command, json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.exit_code(json),
    }
}

fn run(command: Command, json: bool) -> Result<(), Failure> {
    let simple = |arguments: &ChangeArguments, command: &Change| {
        change::run(&arguments.key, command, &arguments.foresight, &arguments.consent, json)
    };
    match command {
        Command::Check(command) => check::run(&command, json),
        Command::Compile(command) => compile::run(&command, json),
        Command::Assign(command) => assign::run(&command, json),
        Command::Simulate(command) => simulate::run(&command, json),
        Command::Group(command) => group::run(&command, json),
        Command::Judge => judge::run(json),
        Command::Apply(command) => apply::run(&command, json),
        Command::Status(command) => status::run(&command, json),
        Command::Watch(command) => watch::run(&command, json),
        Command::Wait(command) => wait::run(&command, json),
        Command::Verify(command) => served::run(&command, json),
        Command::Doctor(command) => doctor::run(&command, json),
        Command::Stale(command) => stale::run(&command, json),
        Command::Archive(command) => archive::run(&command, json),
        Command::Backup(command) => backup::backup(&command, json),
        Command::Restore(command) => backup::restore(&command, json),
        Command::History(command) => history::run(&command, json),
        Command::Freeze(command) => freeze::run(&command, json),
        Command::Runbook(command) => paper::runbook(&command, json),
        Command::Timeline(command) => paper::timeline(&command, json),
        Command::Report(command) => paper::report(&command, json),
        Command::Start(command) => simple(&command, &Change::Start),
        Command::Advance(command) => simple(&command, &Change::Advance),
        Command::Set(command) => change::run(
            &command.key,
            &Change::Set(Setting::percentage(command.percentage)),
            &command.foresight,
            &command.consent,
            json,
        ),
        Command::Pause(command) => simple(&command, &Change::Pause),
        Command::Resume(command) => {
            change::run(&command.key, &Change::Resume(command.stage), &command.foresight, &command.consent, json)
        }
        Command::Rollback(command) => {
            change::run(&command.key, &Change::Rollback(command.to), &command.foresight, &command.consent, json)
        }
        Command::Kill(command) => one_or_all(&command, &Change::Kill(Cause::Command), json),
        Command::Revive(command) => one_or_all(&command, &Change::Revive(Cause::Command), json),
        Command::Approve(command) => approve::run(&command, json),
        Command::Complete(command) => complete::run(&command, json),
        Command::Note(command) => note::run(&command, json),
        Command::Deployed(command) => note::deployed(&command, json),
        Command::Signal(command) => signal::run(&command, json),
        Command::Preview(command) => preview::run(&command, json),
        Command::Explain(command) => explain::run(&command, json),
        Command::Notify(command) => notify::run(&command, json),
        Command::Outbox(command) => outbox::run(&command, json),
        Command::Token(command) => token::run(&command, json),
        Command::Completions(command) => shell::completions(&command),
        Command::Man(command) => shell::man(&command),
    }
}

fn one_or_all(arguments: &KillArguments, command: &Change, json: bool) -> Result<(), Failure> {
    match &arguments.key {
        Some(key) => change::run(key, command, &arguments.foresight, &arguments.consent, json),
        None if arguments.foresight.dry_run => {
            Err(Failure::Usage("a dry run is for one rollout at a time: name one instead of --all".into()))
        }
        None => all::run(command, &arguments.consent, json),
    }
}
