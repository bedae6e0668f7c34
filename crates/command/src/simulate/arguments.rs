//! The arguments of `tidegate simulate`, and what its `--help` has to say beyond them.

use std::path::PathBuf;

use clap::Args;

use crate::plans::PlanArguments;
use tidegate_model::{Duration, Instant, Name};
use tidegate_simulate::{REQUESTS_PER_HOUR, SUBJECTS};

/// Looks further apart would break what must hold without a break.
const LOOK_MS_MAX: u64 = 120_000;

pub const HELP: &str = "\
The controller of production runs the plan; time, traffic, reports and operators
are simulated. Without a scenario the release is healthy: new performs like
legacy, and all figures and signals let the plan's gates pass and fire no
guardrail:
  errors    0.02 % of requests, or a fifth of the plan's lowest bound (far
            fewer where it counts them)
  latency   300 ms at p95, or seven tenths of the lowest bound; LCP 1.8 s,
            FCP 1.1 s, CLS 0.05, INP 150 ms, TTFB 400 ms and timings 2 s at
            p75, likewise
  gauges    half of what they must stay under, or a tenth over what they must
            exceed
  counts    zero, reported where the plan expects a heartbeat
  events    99.5 % of the users on new report the events that the plan wants to
            see, half of them those that it counts users of; no other events
Operators start plans without a `start`, and advance stages with `advance =
\"manual\"` once nothing else blocks them. Only `approve` approves items of a
checklist.

A scenario has one entry per line (--scenario FILE, or --inject for each):
  new.error_rate = 2% from 6h to 8h       also @ENDPOINT; legacy.error_rate;
                                          5x for five times healthy
  new.client_error_rate = 100% from half  4xx; also timeout_rate,
                                          abandoned_rate, broken_rate
  new.latency = 900ms from canary+2h      at p95; 1.6x; new.lcp, fcp, inp, ttfb,
                                          timing.NAME at p75; new.cls = 0.3;
                                          new.js_error_rate = 5%
  signal.p1 = 6 at 30h                    6 events at that time (a count)
  signal.db_pool = 100% from 5h           this value from then on (a gauge)
  silence signal.db_p95 from 5h for 1h    no reports
  probe.login = 50% from 5h               this share of the probes of new passes
  event.failure = 12 at 3h                12 different users on new report it
  event.used = 20% from canary+1d         20 % of the users on new report it
  opt_out_rate = 5% from canary           5 % of the users on new go back
  new down from 3h                        new does not answer; with `rescue`,
                                          legacy answers instead
  no traffic on new from 2d to 3d         or on legacy; both without `on`
  errors clustered                        5 % of the users have all the errors
  faults = 2 from 3h                      configuration faults that isolates
                                          report
  approve everything                      or: approve \"the item's text\" at 5h
  pause at 3h                             also resume, start, advance, complete,
                                          kill, revive, set 25%, rollback,
                                          rollback to previous, rollback to 5%
Times count from the start, or from the entry into a stage (`canary+2h`). `KEY:`
before a line limits it to one of several rollouts. `#` starts a comment.

Examples:
  tidegate simulate plans/checkout.toml --inject 'approve everything'
  tidegate simulate plans/checkout.toml --inject 'approve everything' \\
      --inject 'new.error_rate = 2% from canary+2h'
  tidegate simulate plans/checkout.toml --scenario bad-night.txt --runs 1000
  tidegate simulate plans/checkout.toml --inject 'approve everything' \\
      --seed 7 --json | jq .outcome

Exit codes: 0 whatever the outcome of the rollout, 1 if the plan or the scenario
has errors, 2 wrong usage.";

#[derive(Args)]
pub struct SimulateArguments {
    #[command(flatten)]
    pub plans: PlanArguments,
    /// A file of scenario lines
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// One scenario line; may be repeated
    #[arg(long, value_name = "LINE")]
    pub inject: Vec<String>,
    /// Random seed: the same seed gives the same run. With --runs, the first of them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Number of runs; prints how often each outcome occurred
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,
    /// Number of users
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(i64::from(*SUBJECTS.start())..=i64::from(*SUBJECTS.end())))]
    pub subjects: u32,
    /// Requests per hour, to both sides together
    #[arg(long, value_name = "N", default_value_t = 6_000, value_parser = clap::value_parser!(u32).range(i64::from(*REQUESTS_PER_HOUR.start())..=i64::from(*REQUESTS_PER_HOUR.end())))]
    pub requests_per_hour: u32,
    /// Start time [default: the plan's `start`, else Monday 2027-01-04T08:00:00Z]
    #[arg(long, value_name = "TIME", value_parser = str::parse::<Instant>)]
    pub start: Option<Instant>,
    /// Time limit [default: three times all bake times, and two weeks]
    #[arg(long, value_name = "DURATION", value_parser = str::parse::<Duration>)]
    pub until: Option<Duration>,
    /// Interval between evaluations [default: 1m, and 10s where it matters]
    #[arg(long, value_name = "DURATION", value_parser = look)]
    pub look: Option<Duration>,
    /// The rollout to report on, if the plans hold several; the run ends with it
    #[arg(long, value_name = "KEY")]
    pub rollout: Option<Name>,
    /// Show the figures behind each step
    #[arg(long)]
    pub figures: bool,
}

fn look(text: &str) -> Result<Duration, String> {
    let look: Duration = text.parse().map_err(|error: tidegate_model::duration::DurationError| error.to_string())?;
    if (1_000..=LOOK_MS_MAX).contains(&look.as_ms()) {
        Ok(look)
    } else {
        Err("1s to 2m: a condition with `for` must be evaluated at least that often".to_owned())
    }
}
