//! The command line as clap reads it: what can be asked, and the examples of each `--help`.
//!
//! A token is never an argument, since arguments show in the list of processes.

use clap::{Parser, Subcommand};

use super::archive::ArchiveArguments;
use super::backup::{BackupArguments, RestoreArguments};
use super::doctor::DoctorArguments;
use super::freeze::FreezeArguments;
use super::notify::NotifyArguments;
use super::operator::{
    ApplyArguments, ApproveArguments, ChangeArguments, CompleteArguments, DeployedArguments, ExplainArguments,
    HistoryArguments, KillArguments, NoteArguments, PreviewArguments, ResumeArguments, RollbackArguments, SetArguments,
    SignalArguments, StatusArguments, StatusOnceArguments,
};
use super::outbox::OutboxArguments;
use super::paper::{ReportArguments, RunbookArguments, TimelineArguments};
use super::plans::{AssignArguments, CheckArguments, CompileArguments, GroupArguments};
use super::served::VerifyArguments;
use super::shell::{CompletionsArguments, ManArguments};
use super::simulate::{self, SimulateArguments};
use super::stale::StaleArguments;
use super::token::TokenArguments;
use super::wait::WaitArguments;

#[derive(Parser)]
#[command(name = "tidegate", version, about = "Release a new frontend step by step", max_term_width = 100)]
#[command(after_help = "\
The commands from `apply` to `explain` talk to a deployment:
  TIDEGATE_URL     its address [default: http://localhost:8787]; or --url
  TIDEGATE_TOKEN   your token; `tidegate token` creates one
  SSL_CERT_FILE    trust these certificates (PEM) instead of the public ones
  NO_COLOR         no colours

Exit codes: 0 done, 1 refused or failed, 2 wrong usage; of `wait`, `verify` and
`status --check` also 3 rolled back or killed, 4 waits for a person, 5 timed
out.")]
pub struct Arguments {
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Check plans and show every fault, with file, line and column
    #[command(after_help = "\
With --traffic it also prints the false alarms to expect on a healthy release
(the healthy figures of `tidegate simulate`): how often each guardrail with a
bound fires by chance, and which form of it would not. For each stage it prints
how long it takes to collect the minimum sample (50 on each side, or a
condition's own `min N`), and whether that fits into the stage's bake time.
Lines with ! need a change.

Examples:
  tidegate check plans/checkout.toml
  tidegate check plans/checkout.toml --traffic 20000/h
  tidegate check plans/checkout.toml --traffic 60/h --subjects 150
  tidegate check --json plans/*.toml")]
    Check(CheckArguments),
    /// Print plans as JSON, as the KV key `plans` holds them
    #[command(
        after_help = "Examples:\n  tidegate compile plans/checkout.toml > plans.json\n  npx wrangler kv key put --remote --binding ROLLOUTS plans --path plans.json"
    )]
    Compile(CompileArguments),
    /// Assign ids (one per line on standard input) and print one JSON line for each
    #[command(
        after_help = "Examples:\n  echo user-1 | tidegate assign plans/checkout.toml --percentage 25\n  tidegate assign plans/flags.toml --rollout search --stage canary < ids.txt"
    )]
    Assign(AssignArguments),
    /// Simulate a rollout in seconds: a healthy release, or a scenario of failures
    #[command(after_long_help = simulate::HELP, after_help = "`--help` describes the healthy release and the scenario language.")]
    Simulate(SimulateArguments),
    /// Compress ids (one per line on standard input) into the value of the KV key `group/NAME`
    #[command(
        after_help = "Examples:\n  tidegate group beta < ids.txt > beta.group\n  npx wrangler kv key put --remote --binding ROLLOUTS group/beta --path beta.group"
    )]
    Group(GroupArguments),
    /// Run the sequential test on counts (JSON lines on standard input), one verdict per line
    #[command(after_help = "\
A line holds the windows in the order in which they came: n exposures and x
events of each side.
  theta    fail if new's rate is shown to be more than theta times legacy's
           [default: 1]
  alpha    the false alarm rate of the whole test, however often it is
           evaluated [default: 0.01]
  restart  true: restart the test every quarter of an hour, as in production;
           each window then needs \"minute\", counted from the attempt's start

A sentence for each line says the verdict and its figures. With --json it holds
the natural logarithm of the evidence that new is worse, and of the evidence
that it is not, and the verdict: fail, pass or inconclusive; what new's rate
over legacy's lies between (`ratio`, valid at any time, null for no bound), and
how many minutes more it would take to show twice the bound. A line that cannot
be read is reported and skipped, and the exit code is 1. Events are
assumed to be independent of each other.

Examples:
  echo '{\"windows\":[{\"legacy\":{\"n\":9500,\"x\":95},\"new\":{\"n\":500,\"x\":25}}]}' | tidegate judge
  tidegate judge --json < comparisons.jsonl")]
    Judge,
    /// Apply plans: shows what would change, asks, applies
    #[command(
        after_help = "Rollouts without a plan among these stay as they are; --prune removes them.\n\nExamples:\n  tidegate apply plans/checkout.toml\n  tidegate apply plans/checkout.toml --dry-run\n  tidegate apply plans/*.toml --env staging --prune\n  tidegate apply plans/checkout.toml --reason \"shorter bake times\" --yes"
    )]
    Apply(ApplyArguments),
    /// Show the state of all rollouts, or one in full
    #[command(visible_aliases = ["list", "ls"], after_help = "Examples:\n  tidegate status\n  tidegate status checkout\n  tidegate status checkout --json\n  tidegate status --check || echo \"somebody has to look\"")]
    Status(StatusOnceArguments),
    /// Show the same live, until it ends or Ctrl-C; into a pipe, one line per change
    #[command(
        after_help = "Examples:\n  tidegate watch\n  tidegate watch checkout\n  tidegate watch --json >> changes.jsonl"
    )]
    Watch(StatusArguments),
    /// Wait until a rollout has come so far; the exit code says how it ended
    #[command(after_help = "\
It reads, and changes nothing. What passes by itself is waited out: bake times,
gates, a deployment that does not answer for a while.

Exit codes:
  0  it is where --until says, or further
  1  the API refused
  3  it is rolled back, or killed
  4  only a person can go on: a checklist, a pause, a start or a step by hand
     (--patient waits for them too)
  5  the time is over

Examples:
  tidegate wait checkout --until canary --timeout 2h
  tidegate wait checkout --until completed --timeout 14d --patient
  tidegate wait checkout --json | jq -r .outcome")]
    Wait(WaitArguments),
    /// Verify from outside that visitors get what the rollout's state says
    #[command(after_help = "\
It asks the public host as browsers do, each request a new visitor, until all of
them get the side that they should, every isolate is on the rollout's revision,
and what is served is not from a cache. Legacy alone is expected where a rollout
is killed, at 0 % or a draft; new alone where it is completed; else either side,
by a decision of this rollout.

Exit codes:
  0  what is served is as expected
  1  the API or the public host cannot be asked
  3  --expect new or split, and it is rolled back or killed
  4  --expect new or split, and it is a draft or at 0 %: a person has to go on
  5  within --timeout it was not so

Examples:
  tidegate kill checkout --yes && tidegate verify checkout
  tidegate verify checkout --expect legacy --timeout 1m
  tidegate verify checkout --at https://shop.example.com/checkout/ --requests 50")]
    Verify(VerifyArguments),
    /// Look at the live sites and the deployment for what will hurt in a rollout
    #[command(after_help = "\
It asks the public host, both upstreams under their own names and the API, a few
requests each, and changes nothing. Each finding says what is so, why it hurts
in a rollout, and how to mend it. Without PLAN it takes the plans in force.

Exit codes: 0 nothing found, 1 findings (or it could not look), 2 wrong usage.

Examples:
  tidegate doctor
  tidegate doctor plans/checkout.toml
  tidegate doctor plans/checkout.toml --sites-only --public https://staging.example.com
  tidegate doctor --json | jq -r '.findings[].code'")]
    Doctor(DoctorArguments),
    /// Report rollouts and flags that nobody needs any more: who left them, since when, and where the code asks
    #[command(after_help = "\
Ended, rolled back, killed, paused or never started, and so for the time of
--after. Of a flag, --code shows the lines that name it, by `git grep`.

Examples:
  tidegate stale
  tidegate stale --after 30d --code ~/src/shop
  tidegate stale --json | jq -r '.stale[].rollout'")]
    Stale(StaleArguments),
    /// Archive a rollout that is over: its history and plan into a file, its figures out of the deployment
    #[command(after_help = "\
The file has one JSON document a line: plan, state, the whole history (verified
before it is written), messages and measured hours. Then the rollout is removed
from the deployment, which keeps the history and frees the rest. One that sends
users to new is only removed with --routed.

Examples:
  tidegate archive checkout
  tidegate archive checkout --out archive/checkout.ndjson --yes
  tidegate archive checkout --keep")]
    Archive(ArchiveArguments),
    /// Back up all that the controller has stored, into one file
    #[command(after_help = "\
Plans, states, histories, figures and messages of all rollouts, at one moment.
Secrets are not in it. The ids that plans name are: keep it as you keep plans.

Examples:
  tidegate backup tidegate-2026-12-02.json
  tidegate backup - | age -r KEY > backup.age")]
    Backup(BackupArguments),
    /// Restore a backup into a deployment that has nothing
    #[command(after_help = "\
It goes on exactly where the backup was made: stages, bake times, evidence,
checklists. Refused where there is, or was, any rollout. Groups in KV are no
part of it: write them again.

Examples:
  tidegate restore tidegate-2026-12-02.json --url https://ops2.example.com
  tidegate restore tidegate-2026-12-02.json --yes")]
    Restore(RestoreArguments),
    /// Show the history of a rollout, newest first
    #[command(
        after_help = "Examples:\n  tidegate history checkout\n  tidegate history checkout --limit 200\n  tidegate history checkout --verify\n  tidegate history checkout --export > checkout.ndjson"
    )]
    History(HistoryArguments),
    /// Show or set when no rollout of the deployment advances; rolling back always works
    #[command(
        after_help = "It holds beside the freezes of plans. What is added holds beside what is in force.\n\nExamples:\n  tidegate freeze\n  tidegate freeze \"2026-12-24/2027-01-02 Europe/Berlin\" --reason \"holidays\"\n  tidegate freeze \"Fri 15:00-Mon 08:00 Europe/Berlin\" 2026-11-27 --reason \"sale\"\n  tidegate freeze --replace \"2027-04-02/2027-04-05 Europe/Berlin\" --reason \"Easter\"\n  tidegate freeze --lift --reason \"back at work\""
    )]
    Freeze(FreezeArguments),
    /// Write the runbook of a plan, or of a rollout of the deployment: all that somebody on call has to know
    #[command(
        after_help = "A file is read as a plan, and needs no deployment; anything else is the key of a rollout, whose runbook also has what was measured and ticked.\n\nExamples:\n  tidegate runbook plans/checkout.toml > runbook.md\n  tidegate runbook plans/checkout.toml --html > runbook.html\n  tidegate runbook plans/checkout.toml --traffic 20000/h\n  tidegate runbook checkout --html > runbook.html"
    )]
    Runbook(RunbookArguments),
    /// Show what was and what is to come, with dates: stages, messages, freezes, what is due and by whom
    #[command(
        after_help = "Dates ahead are the earliest possible: every gate passes, and every item is ticked in time.\n\nExamples:\n  tidegate timeline\n  tidegate timeline checkout\n  tidegate timeline plans/checkout.toml\n  tidegate timeline checkout --json\n  tidegate timeline checkout --ics > checkout.ics\n  tidegate timeline --feed"
    )]
    Timeline(TimelineArguments),
    /// Write the report of a rollout: what happened, to whom, for how long and why
    #[command(
        after_help = "After the end, or an incident: minute by minute with figures and causes, and the skeleton of a blameless post-mortem with what is known filled in.\n\nExamples:\n  tidegate report checkout > report.md\n  tidegate report checkout --html > report.html"
    )]
    Report(ReportArguments),
    /// Start a draft: enter its first stage
    #[command(
        after_help = "Examples:\n  tidegate start checkout --reason \"signed off by ben\"\n  tidegate start checkout --dry-run"
    )]
    Start(ChangeArguments),
    /// Advance to the next stage without waiting for bake time and gates; never skips the checklist
    #[command(
        after_help = "Example:\n  tidegate advance checkout --reason \"figures are fine, the sale starts at nine\""
    )]
    Advance(ChangeArguments),
    /// Hold a rollout at a percentage
    #[command(
        after_help = "Examples:\n  tidegate set checkout 25\n  tidegate set checkout 0.5% --reason \"a first look\" --yes"
    )]
    Set(SetArguments),
    /// Pause a rollout at its current percentage
    #[command(
        after_help = "Examples:\n  tidegate pause checkout\n  tidegate pause checkout --reason \"looking into the errors\" --yes"
    )]
    Pause(ChangeArguments),
    /// Resume a paused rollout; after a rollback, start the next attempt
    #[command(
        after_help = "Examples:\n  tidegate resume checkout --reason \"it was the cache\"\n  tidegate resume checkout --stage canary"
    )]
    Resume(ResumeArguments),
    /// Roll back: to 0 %, to the previous stage or to a smaller percentage
    #[command(
        after_help = "Examples:\n  tidegate rollback checkout\n  tidegate rollback checkout --reason \"cart is empty\"\n  tidegate rollback checkout --to previous\n  tidegate rollback checkout --to 5 --reason \"too slow\" --yes"
    )]
    Rollback(RollbackArguments),
    /// Send all traffic to legacy within seconds; overrides everything until revived
    #[command(
        after_help = "Enter confirms. The reason is asked for afterwards and may be skipped.\n\nExamples:\n  tidegate kill checkout\n  tidegate kill checkout --yes\n  tidegate kill --all --reason \"new cluster is down\" --yes\n\nWhere the API cannot be reached, KV kills as well:\n  npx wrangler kv key put --remote --binding ROLLOUTS kill/checkout on"
    )]
    Kill(KillArguments),
    /// End a kill: users go back to the side they had before
    #[command(
        after_help = "Examples:\n  tidegate revive checkout --reason \"payments work again\"\n  tidegate revive --all"
    )]
    Revive(KillArguments),
    /// Approve an item of the current checklist; without ITEM, list the open ones
    #[command(
        after_help = "ITEM is the item's text, the beginning of it, or its number in the list.\n\nExamples:\n  tidegate approve checkout\n  tidegate approve checkout 2 --reason \"restored to staging\"\n  tidegate approve checkout Backups --reason \"restored to staging\" --yes\n  tidegate approve checkout --all"
    )]
    Approve(ApproveArguments),
    /// Complete a rollout: 100 % on new for good
    #[command(
        after_help = "Refused while a checklist is open, after a rollback, and after a guardrail has acted until the rollout is resumed; --confirm KEY does it all the same. It first says what ends with the rollout.\n\nExamples:\n  tidegate complete checkout --reason \"two quiet weeks\"\n  tidegate complete checkout --dry-run\n  tidegate complete checkout --confirm checkout --reason \"legacy is switched off today\""
    )]
    Complete(CompleteArguments),
    /// Add a note to a rollout's history, such as the reason for a kill
    #[command(after_help = "Example:\n  tidegate note checkout \"killed because payments failed; ticket 4711\"")]
    Note(NoteArguments),
    /// Tell which version of new was deployed, from CI: the stage's bake time, figures and evidence begin anew
    #[command(
        after_help = "A plan with `redeploy = \"continue\"` lets them go on. Where new's answers name their version, `version = \"header:NAME\"` under [upstreams] new does without this command.\n\nExample:\n  tidegate deployed checkout v2.1.0"
    )]
    Deployed(DeployedArguments),
    /// Report a signal: count events, or set a gauge
    #[command(
        after_help = "Examples:\n  tidegate signal checkout p1\n  tidegate signal checkout p1 --count 3\n  tidegate signal checkout db_cpu --value 0.7"
    )]
    Signal(SignalArguments),
    /// Print a preview link: it shows one browser the side of your choice
    #[command(
        after_help = "Only the link is printed to standard output.\n\nExamples:\n  tidegate preview checkout new\n  tidegate preview checkout legacy --for 30m --host shop.example.com\n  tidegate preview checkout new | pbcopy"
    )]
    Preview(PreviewArguments),
    /// Explain which side a user gets; without one, how a rollout is
    #[command(
        after_help = "Examples:\n  tidegate explain checkout\n  tidegate explain checkout user-1\n  tidegate explain checkout ana@example.com --json\n\nIf a form is refused with 403 behind Tidegate, it is usually a check of the framework (Django, SvelteKit; Rails, Next.js and Laravel behind a proxy that they do not trust), which compares Origin with Host: docs/frameworks.md names the settings."
    )]
    Explain(ExplainArguments),
    /// See what messages to people look like, and whether they arrive
    #[command(
        after_help = "Examples:\n  tidegate notify preview --channel slack --kind rollback\n  tidegate notify preview --plan plans/checkout.toml --channel chat\n  tidegate notify test\n  tidegate notify test chat"
    )]
    Notify(NotifyArguments),
    /// Show the messages that wait or were given up, and the channels that they go to
    #[command(
        after_help = "Examples:\n  tidegate outbox\n  tidegate outbox --rollout checkout --sent\n  tidegate outbox --retry all\n  tidegate outbox --retry msg_1f0c2d9a3b4e5f60718293a4\n  tidegate outbox --json"
    )]
    Outbox(OutboxArguments),
    /// Create a token for a person or a program, and its entry for ADMIN_TOKENS
    #[command(
        after_help = "The token is printed to standard output, its entry to standard error.\n\nExamples:\n  tidegate token ana --role operator\n  export TIDEGATE_TOKEN=$(tidegate token ana --role operator)\n  tidegate token dashboard --role viewer\n  tidegate token tickets --role reporter --rollout checkout --signal p1"
    )]
    Token(TokenArguments),
    /// Print a completion script for your shell; it completes rollout keys too
    #[command(
        after_help = "Examples:\n  source <(tidegate completions bash)\n  tidegate completions bash > ~/.local/share/bash-completion/completions/tidegate\n  tidegate completions zsh > \"${fpath[1]}/_tidegate\"\n  tidegate completions fish > ~/.config/fish/completions/tidegate.fish"
    )]
    Completions(CompletionsArguments),
    /// Print the manual as a man page
    #[command(
        after_help = "Examples:\n  tidegate man > ~/.local/share/man/man1/tidegate.1\n  tidegate man | man -l -\n  tidegate man rollback | man -l -"
    )]
    Man(ManArguments),
}
