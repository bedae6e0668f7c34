//! `tidegate wait`: for scripts, until a rollout is where it should be, or will not get there by itself.
//!
//! 1. It reads, and never changes anything.
//! 2. What passes by itself is waited out: a bake time, a gate, a deployment that does not answer for a while.
//! 3. What does not pass by itself ends it at once, with an exit code that says which.

use std::thread::sleep;
use std::time::Duration as StdDuration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::Failure;
use super::client::Client;
use super::clock::now;
use super::keys;
use super::operator::{Connection, explained};
use super::paint::{BAD, GOOD, WARN, note, paint, print, print_raw};
use super::standing::{self, Standing, TIMED_OUT};
use super::words::span;
use tidegate_model::{Duration, Instant, Name};
use tidegate_protocol::api::shapes::{Rollout, State};

/// From one question to the next.
const INTERVAL: StdDuration = StdDuration::from_secs(2);

#[derive(Args)]
pub struct WaitArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// Until it has come so far: the name of a stage, `completed`, or `ended` (completed, or its last stage is over)
    #[arg(long, value_name = "STAGE", default_value = "ended", value_parser = explained::<Name>)]
    pub until: Name,
    /// How long at most
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = explained::<Duration>)]
    pub timeout: Duration,
    /// Do not end where only a person can go on: wait for them too
    #[arg(long)]
    pub patient: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// How the waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// It is where it should be.
    Reached,
    /// It is rolled back, or killed.
    RolledBack,
    /// Only a person can go on.
    WaitingForPerson,
    /// The time is over.
    TimedOut,
}

impl Outcome {
    const fn code(self) -> u8 {
        match self {
            Self::Reached => 0,
            Self::RolledBack => Standing::RolledBack.code(),
            Self::WaitingForPerson => Standing::WaitingForPerson.code(),
            Self::TimedOut => TIMED_OUT,
        }
    }
}

/// What programs get.
#[derive(Serialize)]
struct Shown<'a> {
    rollout: &'a str,
    until: &'a str,
    outcome: Outcome,
    exit_code: u8,
    waited_ms: i64,
    /// Where the rollout is and what it waits for.
    text: &'a str,
    /// As it was last seen; absent where the deployment never answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a State>,
}

pub fn run(arguments: &WaitArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let began = now();
    let path = format!("rollouts/{}", arguments.key);
    let progress = Progress::new();
    // Whoever has the key or the token wrong learns of it at once; what passes by itself does not end a script.
    let mut seen: Option<Rollout> = None;
    let (outcome, lost) = loop {
        let lost = match client.get(&path, &[]) {
            Ok(answer) => {
                let rollout: Rollout = answer.read()?;
                check_stage(&rollout, &arguments.until)?;
                let outcome = outcome(&rollout, &arguments.until, arguments.patient);
                seen = Some(rollout);
                if let Some(outcome) = outcome {
                    break (outcome, None);
                }
                None
            }
            Err(error) if error.is_passing() => Some(error.message()),
            Err(error) => return Err(error.into()),
        };
        let left_ms = left_ms(began, arguments.timeout, now());
        if left_ms == 0 {
            break (Outcome::TimedOut, lost);
        }
        progress.show(&text(&arguments.key, seen.as_ref(), lost.as_deref()), began);
        sleep(INTERVAL.min(StdDuration::from_millis(left_ms)));
    };
    progress.end();
    let text = text(&arguments.key, seen.as_ref(), lost.as_deref());
    let shown = Shown {
        rollout: arguments.key.as_str(),
        until: arguments.until.as_str(),
        outcome,
        exit_code: outcome.code(),
        waited_ms: now().ms_since(began),
        text: &text,
        state: seen.as_ref().map(|rollout| &rollout.state),
    };
    if json {
        print_raw(&serde_json::to_string(&shown).unwrap_or_default())?;
    } else {
        print(&said(&shown))?;
    }
    match outcome {
        Outcome::Reached => Ok(()),
        other => Err(Failure::Code(other.code())),
    }
}

/// Refuses a stage that the plan does not have, which would be waited for in vain.
fn check_stage(rollout: &Rollout, until: &Name) -> Result<(), Failure> {
    let is_known = matches!(until.as_str(), "completed" | "ended")
        || rollout.stages.iter().any(|stage| stage.name == until.as_str());
    if is_known {
        return Ok(());
    }
    let stages: Vec<&str> = rollout.stages.iter().map(|stage| stage.name.as_str()).collect();
    Err(Failure::Usage(format!(
        "{} has no stage `{until}`: --until takes completed, ended, or one of {}",
        rollout.key,
        stages.join(", ")
    )))
}

/// Whether the waiting is over.
fn outcome(rollout: &Rollout, until: &Name, is_patient: bool) -> Option<Outcome> {
    let standing = Standing::of(rollout);
    if standing == Standing::RolledBack {
        return Some(Outcome::RolledBack);
    }
    if is_reached(rollout, until) {
        return Some(Outcome::Reached);
    }
    match standing {
        Standing::WaitingForPerson if !is_patient => Some(Outcome::WaitingForPerson),
        // It has ended under 100 %, so it will not complete by itself.
        Standing::Done if !is_patient => Some(Outcome::WaitingForPerson),
        _ => None,
    }
}

fn is_reached(rollout: &Rollout, until: &Name) -> bool {
    let state = &rollout.state;
    match until.as_str() {
        "completed" => state.phase == "completed",
        "ended" => Standing::of(rollout) == Standing::Done,
        stage => {
            let wanted = rollout.stages.iter().position(|own| own.name == stage);
            let is_started = matches!(state.phase.as_str(), "running" | "paused");
            state.phase == "completed" || is_started && rollout.position() >= wanted
        }
    }
}

/// How long is left, in milliseconds. A clock that was set back leaves no more than there was.
pub fn left_ms(began: Instant, timeout: Duration, now: Instant) -> u64 {
    let gone_ms = now.ms_since(began);
    timeout.as_ms().saturating_sub(u64::try_from(gone_ms).unwrap_or_default())
}

fn text(key: &Name, seen: Option<&Rollout>, lost: Option<&str>) -> String {
    match (seen, lost) {
        (_, Some(why)) => format!("{key}: no contact: {why}"),
        (Some(rollout), None) => standing::line(rollout),
        (None, None) => key.to_string(),
    }
}

fn said(shown: &Shown<'_>) -> String {
    let until = match shown.until {
        "completed" => "completed".to_owned(),
        "ended" => "ended".to_owned(),
        stage => format!("reached {stage}"),
    };
    let mark = match shown.outcome {
        Outcome::Reached => paint(GOOD, format!("✓ {until}")),
        Outcome::RolledBack => paint(BAD, "✗ rolled back or killed"),
        Outcome::WaitingForPerson => paint(WARN, "! waits for a person"),
        Outcome::TimedOut => paint(WARN, format!("! not {until} within {}", span(shown.waited_ms))),
    };
    format!("{mark}  {}", shown.text)
}

/// What is going on, on standard error: a line that is rewritten on a terminal, else one for each change.
pub struct Progress {
    bar: Option<ProgressBar>,
    last: std::cell::RefCell<String>,
}

impl Progress {
    pub fn new() -> Self {
        let target = ProgressDrawTarget::stderr();
        let bar = (!target.is_hidden()).then(|| {
            let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::with_draw_target(None, target).with_style(style);
            bar.enable_steady_tick(StdDuration::from_millis(200));
            bar
        });
        Self { bar, last: std::cell::RefCell::default() }
    }

    /// Shows a line, where it says something new.
    pub fn show(&self, text: &str, began: Instant) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
            return;
        }
        // What counts down is no change.
        let timeless = text.split(", until ").next().unwrap_or_default();
        if *self.last.borrow() != timeless {
            note(&format!("{:>6}  {text}", span(now().ms_since(began))));
            timeless.clone_into(&mut self.last.borrow_mut());
        }
    }

    /// Leaves nothing of it.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(state: &str, blocked: &str) -> Rollout {
        serde_json::from_str(&format!(
            r#"{{"key":"demo","state":{{{state}}},"blocked":[{blocked}],
                "stages":[{{"name":"team"}},{{"name":"canary"}},{{"name":"full"}}]}}"#
        ))
        .unwrap()
    }

    #[track_caller]
    fn ends(until: &str, state: &str, blocked: &str, expected: Option<Outcome>) {
        assert_eq!(outcome(&rollout(state, blocked), &until.parse().unwrap(), false), expected, "{until} {state}");
    }

    const HOLD: &str = r#"{"by":"hold"}"#;

    #[test]
    fn a_stage_is_reached_once_it_or_a_later_one_is_entered() {
        ends("canary", r#""phase":"running","stage":"team""#, HOLD, None);
        ends("canary", r#""phase":"running","stage":"canary""#, HOLD, Some(Outcome::Reached));
        ends("canary", r#""phase":"paused","stage":"full""#, "", Some(Outcome::Reached));
        ends("canary", r#""phase":"completed","stage":"full""#, "", Some(Outcome::Reached));
        ends("team", r#""phase":"draft","stage":"team""#, r#"{"by":"start"}"#, None);
        ends("canary", r#""phase":"rolled_back","stage":"canary""#, "", Some(Outcome::RolledBack));
        ends("canary", r#""phase":"running","stage":"canary","killed":true"#, "", Some(Outcome::RolledBack));
    }

    #[test]
    fn the_end_is_a_completion_or_a_last_stage_that_is_over() {
        let over = r#""phase":"running","stage":"full","ended":true"#;
        ends("ended", over, "", Some(Outcome::Reached));
        ends("completed", over, "", Some(Outcome::WaitingForPerson));
        ends("completed", r#""phase":"completed","stage":"full""#, "", Some(Outcome::Reached));
        ends("completed", r#""phase":"running","stage":"full""#, HOLD, None);
    }

    #[test]
    fn whoever_is_patient_waits_for_people_too() {
        let waits = rollout(r#""phase":"paused","stage":"team""#, r#"{"by":"paused"}"#);
        let until: Name = "full".parse().unwrap();
        assert_eq!(outcome(&waits, &until, false), Some(Outcome::WaitingForPerson));
        assert_eq!(outcome(&waits, &until, true), None);
    }

    #[test]
    fn an_unknown_stage_is_refused_with_those_there_are() {
        let Err(Failure::Usage(why)) = check_stage(&rollout("", ""), &"canry".parse().unwrap()) else {
            unreachable!("it is no stage")
        };
        assert_eq!(why, "demo has no stage `canry`: --until takes completed, ended, or one of team, canary, full");
    }

    #[test]
    fn the_time_that_is_left_ends_at_nothing() {
        let at = |ms| Instant::from_epoch_ms(ms);
        assert_eq!(left_ms(at(0), Duration::seconds(10), at(4_000)), 6_000);
        assert_eq!(left_ms(at(0), Duration::seconds(10), at(14_000)), 0);
        assert_eq!(left_ms(at(9_000), Duration::seconds(10), at(0)), 10_000);
    }
}
