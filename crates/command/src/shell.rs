//! What a shell needs to know of this command: completions and the manual, both from the same
//! definition as `--help`.
//!
//! The script that a shell gets asks the command itself at each key that completes, with a variable
//! set: so it knows the rollouts that there are now.

use std::io;

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_complete::env::{CompleteEnv, Shells};
use clap_mangen::Man;

use super::Failure;
use super::arguments::Arguments;
use super::paint::print_raw;

#[derive(Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Args)]
pub struct ManArguments {
    /// One subcommand only [default: the whole manual]
    #[arg(value_name = "SUBCOMMAND")]
    subcommand: Option<String>,
}

/// The variable by which a shell's script asks for what completes a line.
const ASKED: &str = "TIDEGATE_COMPLETE";

/// Answers the script of a shell, and ends; does nothing where none has asked.
pub fn complete() {
    CompleteEnv::with_factory(Arguments::command).var(ASKED).complete();
}

pub fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let name = arguments.shell.to_string();
    let mut script = Vec::new();
    let written = Shells::builtins()
        .completer(&name)
        .map(|shell| shell.write_registration(ASKED, "tidegate", "tidegate", &own_path(), &mut script));
    written.transpose().map_err(|error| Failure::Io("the script".into(), error))?;
    print_raw(&String::from_utf8_lossy(&script))
}

/// How the shell calls this command: by its name, where it was found by it.
fn own_path() -> String {
    let called = std::env::args().next().unwrap_or_default();
    let is_path = called.contains(std::path::MAIN_SEPARATOR);
    let found = if is_path { std::env::current_exe().ok() } else { None };
    found.map_or_else(|| "tidegate".to_owned(), |path| path.to_string_lossy().into_owned())
}

pub fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let mut command = Arguments::command();
    command.build();
    let known: Vec<String> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).filter(|name| name != "help").collect();
    let page = match &arguments.subcommand {
        None => whole(&command),
        Some(name) => match command.find_subcommand(name).filter(|_| known.contains(name)) {
            Some(subcommand) => one(subcommand),
            None => {
                return Err(Failure::Usage(format!("there is no subcommand `{name}` (known: {})", known.join(", "))));
            }
        },
    };
    print_raw(&page.map_err(|error| Failure::Io("the manual".into(), error))?)
}

fn one(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).replace(".SH EXTRA", ".SH EXAMPLES"))
}

/// The command's own page, and each subcommand as a section of it.
fn whole(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut text = String::from_utf8_lossy(&page).into_owned();
    text.push_str(".SH COMMANDS\n");
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        text.push_str(&section(subcommand)?);
    }
    let mut end = Vec::new();
    man.render_extra_section(&mut end)?;
    man.render_version_section(&mut end)?;
    text.push_str(&String::from_utf8_lossy(&end).replace(".SH EXTRA", ".SH ENVIRONMENT"));
    Ok(text)
}

fn section(command: &Command) -> io::Result<String> {
    // What every subcommand takes stands at the top of the page, once.
    let man = Man::new(command.clone().mut_args(|argument| {
        if ["json", "help"].contains(&argument.get_id().as_str()) { argument.hide(true) } else { argument }
    }));
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    man.render_options_section(&mut parts)?;
    man.render_extra_section(&mut parts)?;
    let mut text = format!(".SS {}\n", command.get_name());
    for line in String::from_utf8_lossy(&parts).lines() {
        match line.strip_prefix(".SH ") {
            // A heading inside a section would look like one of the page.
            Some(_) => text.push_str(".PP\n"),
            // Each part opens with the same definitions for the printer.
            None if line.starts_with(".ie") || line.starts_with(".el") => {}
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(text)
}
