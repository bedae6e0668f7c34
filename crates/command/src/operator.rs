//! The arguments of the commands that talk to a deployment.

use std::fmt::Display;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::keys;
use super::plans::PlanArguments;
use tidegate_model::command::Target;
use tidegate_model::fault::Explain;
use tidegate_model::version::Version;
use tidegate_model::{Duration, Name, Percentage};

/// The longest reason, in characters.
const REASON_MAX: usize = 1_000;

#[derive(Args)]
pub struct Connection {
    /// Where Tidegate answers [default: $TIDEGATE_URL, else http://localhost:8787]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

/// How a change is agreed to.
#[derive(Args)]
pub struct Consent {
    /// The reason, for the history; kill, pause and rollback need none
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// Whether a change is only looked at.
#[derive(Args)]
pub struct Foresight {
    /// Show what would happen, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args)]
pub struct StatusArguments {
    /// The rollout [default: all]
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Option<Name>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct StatusOnceArguments {
    /// The rollout [default: all]
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Option<Name>,
    /// For scripts: also tell by the exit code. 0: goes on or is done; 3: rolled back or killed; 4: waits for a person
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct HistoryArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "verify")]
    pub limit: u64,
    /// Verify the hash chain of the whole history: nothing missing, changed or added
    #[arg(long)]
    pub verify: bool,
    /// Print the whole history as JSON lines (NDJSON), oldest first, each entry as it was hashed
    #[arg(long, conflicts_with_all = ["verify", "limit"])]
    pub export: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct ChangeArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    #[command(flatten)]
    pub foresight: Foresight,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Args)]
pub struct CompleteArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>)]
    pub key: Name,
    /// The rollout's key again: complete it despite an open checklist, a rollback or a guardrail that has acted
    #[arg(long, value_name = "KEY", value_parser = explained::<Name>)]
    pub confirm: Option<Name>,
    #[command(flatten)]
    pub foresight: Foresight,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Args)]
pub struct SetArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// The share of users on new, such as 25 or 0.5%
    #[arg(value_name = "PERCENT", value_parser = explained::<Percentage>)]
    pub percentage: Percentage,
    #[command(flatten)]
    pub foresight: Foresight,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Args)]
pub struct ResumeArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// After a rollback: start the next attempt in this stage [default: the first]
    #[arg(long, value_name = "NAME", value_parser = explained::<Name>)]
    pub stage: Option<Name>,
    #[command(flatten)]
    pub foresight: Foresight,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Args)]
pub struct RollbackArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// Where to: `off` (0 %), `previous` (the previous stage) or a percentage
    #[arg(long, value_name = "TARGET", default_value = "off", value_parser = target)]
    pub to: Target,
    #[command(flatten)]
    pub foresight: Foresight,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Args)]
pub struct KillArguments {
    /// The rollout
    #[arg(value_name = "KEY", required_unless_present = "all", conflicts_with = "all", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Option<Name>,
    /// Every rollout
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub foresight: Foresight,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Args)]
pub struct ApproveArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// The item: its text, the beginning of it, or its number
    #[arg(value_name = "ITEM", conflicts_with = "all")]
    pub item: Option<String>,
    /// Every item that is open
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub foresight: Foresight,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Args)]
pub struct NoteArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// The note, at most 1,000 characters
    #[arg(value_name = "TEXT", value_parser = reason)]
    pub text: String,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct DeployedArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// The version, such as v2.1.0 or a commit
    #[arg(value_name = "VERSION", value_parser = explained::<Version>)]
    pub version: Version,
    /// What is in it, for the history
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct ApplyArguments {
    #[command(flatten)]
    pub plans: PlanArguments,
    /// Remove the rollouts that no plan names
    #[arg(long)]
    pub prune: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Args)]
pub struct SignalArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// The signal, as in [signals.NAME]
    #[arg(value_name = "NAME", value_parser = explained::<Name>)]
    pub name: Name,
    /// How many events [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64))]
    pub count: Option<u64>,
    /// The value of a gauge
    #[arg(long, value_name = "X", conflicts_with = "count", allow_negative_numbers = true, value_parser = finite)]
    pub value: Option<f64>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    New,
    Legacy,
}

impl Side {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Legacy => "legacy",
        }
    }
}

#[derive(Args)]
pub struct PreviewArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// The side to see
    #[arg(value_name = "SIDE")]
    pub side: Side,
    /// How long the preview lasts, at most 7d
    #[arg(long = "for", value_name = "TIME", default_value = "2h", value_parser = explained::<Duration>)]
    pub length: Duration,
    /// The host to preview it on [default: the one of the URL]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Args)]
pub struct ExplainArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// The user's id, as the plan's identity reads it from a request; without one, the rollout itself is explained
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    #[command(flatten)]
    pub connection: Connection,
}

/// Whether a text can stand as the reason of a change.
pub fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a reason needs words: whoever reads the history at 3 a.m. needs to know why".into()),
        length if length > REASON_MAX => {
            Err(format!("the reason is {length} characters long: at most {REASON_MAX} fit"))
        }
        _ => Ok(text.to_owned()),
    }
}

pub fn explained<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Explain,
{
    text.parse().map_err(|error: T::Err| shown(&error))
}

fn shown<E: Explain + Display>(error: &E) -> String {
    error.help().map_or_else(|| error.to_string(), |help| format!("{error}: {help}"))
}

fn target(text: &str) -> Result<Target, String> {
    match text {
        "off" => Ok(Target::Off),
        "previous" => Ok(Target::Previous),
        _ => text.parse().map(Target::Percentage).map_err(|_| {
            format!("`{text}` is not where a rollback can go: `off`, `previous` or a percentage such as 5")
        }),
    }
}

fn finite(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
        .ok_or_else(|| format!("`{text}` is not a number such as 0.7"))
}
