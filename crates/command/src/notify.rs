//! `tidegate notify`: what messages to people look like, and whether they arrive.

mod preview;

use clap::{Args, Subcommand};

use super::Failure;
use super::outbox::{self, NotifyTestArguments};

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
    /// Have a deployment send a sample to a channel, or to all, and print what came back
    #[command(after_help = "\
Exit code 1 where a receiver did not take it.

Examples:
  tidegate notify test
  tidegate notify test chat
  tidegate notify test page --rollout checkout")]
    Test(NotifyTestArguments),
}

pub fn run(arguments: &NotifyArguments, json: bool) -> Result<(), Failure> {
    match &arguments.command {
        NotifyCommand::Preview(command) => preview::run(command, json),
        NotifyCommand::Test(command) => outbox::test(command, json),
    }
}
