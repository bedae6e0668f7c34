//! `tidegate notify`: what messages to people look like, and whether they arrive.

mod preview;

use clap::{Args, Subcommand};

use super::Failure;

#[derive(Args)]
pub struct NotifyArguments {
    #[command(subcommand)]
    command: NotifyCommand,
}

#[derive(Subcommand)]
enum NotifyCommand {
    /// Print what would be sent to a channel, without sending it
    #[command(after_help = "\
Without --plan the channel is a sample of its kind. Secrets are looked up in the
environment; one that is not there is made up.

Examples:
  tidegate notify preview --channel slack --kind rollback
  tidegate notify preview --plan plans/checkout.toml --channel chat
  tidegate notify preview --channel mail --kind alert --html > mail.html
  tidegate notify preview --channel webhook --json notification.json")]
    Preview(preview::PreviewArguments),
}

pub fn run(arguments: &NotifyArguments, json: bool) -> Result<(), Failure> {
    match &arguments.command {
        NotifyCommand::Preview(command) => preview::run(command, json),
    }
}
