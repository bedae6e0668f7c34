//! The arguments of the commands that work on plans and need no deployment.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::forecast::PerHour;
use tidegate_model::plan::limits::REVISION_BY_HAND_MAX;
use tidegate_model::{Name, Percentage};

#[derive(Args)]
pub struct PlanArguments {
    /// Plans in TOML; checked together, as one deployment
    #[arg(required = true, value_name = "PLAN")]
    pub plans: Vec<PathBuf>,
    /// Apply each plan's [environments.NAME] overrides
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
}

#[derive(Args)]
pub struct CheckArguments {
    #[command(flatten)]
    pub plans: PlanArguments,
    /// Also predict false alarms and sample sizes at this traffic to both sides together, such as
    /// 20000/h, 300/min, 5/s or 400000/day
    #[arg(long, value_name = "RATE", value_parser = str::parse::<PerHour>)]
    pub traffic: Option<PerHour>,
    /// With --traffic: the number of different users, for conditions with `min N subjects`
    #[arg(long, value_name = "N", requires = "traffic", value_parser = clap::value_parser!(u32).range(1..))]
    pub subjects: Option<u32>,
}

#[derive(Args)]
pub struct CompileArguments {
    #[command(flatten)]
    pub plans: PlanArguments,
    /// The plans' revision; isolates ignore one older than theirs [default: the time in seconds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=REVISION_BY_HAND_MAX))]
    pub revision: Option<u64>,
}

#[derive(Args)]
pub struct AssignArguments {
    /// The plan in TOML
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Apply the plan's [environments.NAME] overrides
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// The rollout, if the plan holds several
    #[arg(long, value_name = "KEY")]
    pub rollout: Option<String>,
    /// As if the KV key `stage/KEY` held this percentage
    #[arg(long, value_name = "P", conflicts_with = "stage", value_parser = str::parse::<Percentage>)]
    pub percentage: Option<Percentage>,
    /// As if the rollout were in this stage [default: the first]
    #[arg(long, value_name = "NAME")]
    pub stage: Option<String>,
    /// A file with the value of the KV key `group/NAME`; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    pub group: Vec<String>,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct GroupArguments {
    #[command(subcommand)]
    pub verb: Option<GroupVerb>,
    /// The group's name, as in [groups.NAME]
    #[arg(value_name = "NAME", value_parser = str::parse::<Name>, required = true)]
    pub name: Option<Name>,
}

#[derive(Subcommand)]
pub enum GroupVerb {
    /// Pick users from a CSV file who are like all of them, for a pilot
    #[command(after_help = "\
The file's first line names its columns. With --like, each combination of values
in those columns has its share of the pick but for one user; how far the pick is
from all users in each column is printed (total variation distance: the share of
the pick that would have to be others). The same file and seed pick the same
users. The group goes to standard output, everything else to standard error.

Examples:
  tidegate group pick pilot --from users.csv --size 200 --like country,plan > pilot.group
  tidegate group pick pilot --from users.csv --id email --size 50 --ids pilot.txt > pilot.group
  npx wrangler kv key put --remote --binding ROLLOUTS group/pilot --path pilot.group")]
    Pick(PickArguments),
}

#[derive(Args)]
pub struct PickArguments {
    /// The group's name, as in [groups.NAME]
    #[arg(value_name = "NAME", value_parser = str::parse::<Name>)]
    pub name: Name,
    /// The CSV file with all users; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub from: String,
    /// How many users to pick
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub size: u32,
    /// The columns in which the pick is to be like all users
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub like: Vec<String>,
    /// The column with the ids [default: the one that is called so]
    #[arg(long, value_name = "COLUMN")]
    pub id: Option<String>,
    /// Another seed picks other users
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Also write the ids here, one per line, to know whom to tell
    #[arg(long, value_name = "FILE")]
    pub ids: Option<String>,
}
