//! The arguments of `tidegate simulate`, and what its `--help` has to say beyond them.

use std::path::PathBuf;

use clap::Args;

use crate::plans::PlanArguments;
use tidegate_model::{Duration, Instant, Name};
use tidegate_simulate::{REQUESTS_PER_HOUR, SUBJECTS};

/// Looks further apart would break what must hold without a break.
const LOOK_MS_MAX: u64 = 120_000;

pub const HELP: &str = "\
The plan is lived through on the code that decides in operation; what is made
up is time, traffic, reports and operators. Without a scenario the world is
healthy: both sides are alike, and every figure and signal is one under which
the plan's gates can pass and no guardrail fires:
  errors    0.02 % of requests, or a fifth of the plan's lowest bound (far
            fewer where it counts them)
  latency   300 ms at p95, or seven tenths of the lowest bound; LCP 1.8 s,
            FCP 1.1 s, CLS 0.05, INP 150 ms, TTFB 400 ms and timings 2 s at
            p75, likewise
  gauges    half of what they must stay under, or a tenth over what they must
            exceed
  counts    zero, reported where the plan waits for a heartbeat
  events    99.5 % of the users on new report what the plan wants to see used,
            half of them what it counts reporters of, nobody anything else
Operators start what has no `start`, and advance what the plan leaves to them
once nothing else stands in the way. Checklists are ticked only by `approve`.

A scenario is one thing a line (--scenario FILE, or --inject for each):
  new.error_rate = 2% from 6h to 8h       also @ENDPOINT; legacy.error_rate;
                                          5x for five times healthy
  new.client_error_rate = 100% from half  4xx; also timeout_rate,
                                          abandoned_rate, broken_rate
  new.latency = 900ms from canary+2h      at p95; 1.6x; new.lcp, fcp, inp, ttfb,
                                          timing.NAME at p75; new.cls = 0.3;
                                          new.js_error_rate = 5%
  signal.p1 = 6 at 30h                    so many events at that time (a count)
  signal.db_pool = 100% from 5h           that level from then on (a gauge)
  silence signal.db_p95 from 5h for 1h    nobody reports it
  event.failure = 12 at 3h                12 different users on new report it
  event.used = 20% from canary+1d         that share of the users on new does
  new down from 3h                        it answers nothing; legacy does, where
                                          the plan rescues
  no traffic on new from 2d to 3d         or on legacy, or on both without `on`
  errors clustered                        a twentieth of the subjects has all of
                                          the errors
  faults = 2 from 3h                      configuration faults that isolates
                                          report
  approve everything                      or: approve \"the item's text\" at 5h
  pause at 3h                             also resume, start, advance, complete,
                                          kill, revive, set 25%, rollback,
                                          rollback to previous, rollback to 5%
Times count from the start, or from when a stage was entered. `KEY:` before a
line limits it to one rollout of several. `#` begins a comment.

Examples:
  tidegate simulate plans/checkout.toml --inject 'approve everything'
  tidegate simulate plans/checkout.toml --inject 'approve everything' \\
      --inject 'new.error_rate = 2% from canary+2h'
  tidegate simulate plans/checkout.toml --scenario bad-night.txt --runs 1000
  tidegate simulate plans/checkout.toml --inject 'approve everything' \\
      --seed 7 --json | jq .outcome

Exit codes: 0 whatever became of the rollout, 1 where the plan or the scenario
has errors, 2 wrong usage.";

#[derive(Args)]
pub struct SimulateArguments {
    #[command(flatten)]
    pub plans: PlanArguments,
    /// What happens, one thing a line
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// One line of a scenario; may be repeated
    #[arg(long, value_name = "LINE")]
    pub inject: Vec<String>,
    /// Seeds chance; the same seed gives the same life. With --runs, the first of them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Live it so many times, and tell how often each outcome came
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,
    /// How many subjects there are
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(i64::from(*SUBJECTS.start())..=i64::from(*SUBJECTS.end())))]
    pub subjects: u32,
    /// How many requests they make in an hour, to both sides together
    #[arg(long, value_name = "N", default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(i64::from(*REQUESTS_PER_HOUR.start())..=i64::from(*REQUESTS_PER_HOUR.end())))]
    pub requests_per_hour: u32,
    /// When it begins [default: the plan's `start`, else Monday 2027-01-04T08:00:00Z]
    #[arg(long, value_name = "TIME", value_parser = str::parse::<Instant>)]
    pub start: Option<Instant>,
    /// How long it may take [default: three times all holds, and two weeks]
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<Duration>)]
    pub until: Option<Duration>,
    /// From one look at the figures to the next [default: 1m, and 10s where it matters]
    #[arg(long, value_name = "DURATION", value_parser = look)]
    pub look: Option<Duration>,
    /// The rollout that counts, where the plan holds several: the run ends with it
    #[arg(long, value_name = "KEY")]
    pub rollout: Option<Name>,
    /// Show the figures that each step rests on
    #[arg(long)]
    pub figures: bool,
}

fn look(text: &str) -> Result<Duration, String> {
    let look: Duration = text.parse().map_err(|error: tidegate_model::duration::DurationError| error.to_string())?;
    if (1_000..=LOOK_MS_MAX).contains(&look.as_ms()) {
        Ok(look)
    } else {
        Err("1s to 2m: what must hold without a break may not be looked at less often".to_owned())
    }
}
