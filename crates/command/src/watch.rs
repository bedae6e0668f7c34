//! `tidegate watch`: the status, live. One thread asks, the other draws, so that the age of what is
//! shown goes on while an answer is late.
//!
//! It ends by itself once nothing is left to watch: all rollouts that are watched have ended, or are gone. Nothing has
//! to be put back at the end: Ctrl-C leaves the last picture where it is.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Answer, Client};
use super::clock::now;
use super::operator::StatusArguments;
use super::paint::{BAD, DIM, note, paint, print, print_raw};
use super::problem::Error;
use super::standing::Standing;
use super::status::{few_words, overview, path};
use super::words::{counted, span, stamp};
use super::{Failure, ladder, wrap};
use tidegate_decide::judge::Verdict;
use tidegate_model::Instant;
use tidegate_protocol::api::shapes::{Blocker, Rollout, Rollouts, Time};

/// From one answer to the next question, and from one picture to the next.
const INTERVAL: Duration = Duration::from_secs(1);

type Answers = Receiver<Result<Answer, Error>>;

/// The last answer, and why there is no later one.
struct Seen {
    answer: Answer,
    at: Instant,
    lost: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRollouts {
    rollouts: Vec<Box<RawValue>>,
}

pub fn run(arguments: &StatusArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let path = path(arguments.key.as_ref());
    // Who has the address or the token wrong hears of it before anything is drawn.
    let first = Seen { answer: client.get(&path, &[])?, at: now(), lost: None };
    let is_one = arguments.key.is_some();
    let (sender, answers) = channel();
    thread::spawn(move || {
        loop {
            thread::sleep(INTERVAL);
            if sender.send(client.get(&path, &[])).is_err() {
                return;
            }
        }
    });
    if stdout().is_terminal() && !json { draw(first, &answers, is_one) } else { list(first, &answers, is_one, json) }
}

impl Seen {
    /// Takes in the next answer; an error that will not pass by itself ends the watch.
    fn take(&mut self, next: Result<Answer, Error>) -> Result<(), Failure> {
        match next {
            Ok(answer) => *self = Self { answer, at: now(), lost: None },
            Err(error) if error.is_passing() => self.lost = Some(error.message()),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether everything that is watched has ended. While there is no contact nobody knows; and whoever watches before
    /// there is anything waits for it.
    fn is_over(&self, is_one: bool) -> bool {
        let answer = &self.answer;
        let is_done = |rollout: &Rollout| Standing::of(rollout) == Standing::Done;
        self.lost.is_none()
            && if is_one {
                answer.read::<Rollout>().is_ok_and(|rollout| is_done(&rollout))
            } else {
                answer.read::<Rollouts>().is_ok_and(|all| !all.rollouts.is_empty() && all.rollouts.iter().all(is_done))
            }
    }

    fn age(&self, now: Instant) -> String {
        span(now.ms_since(self.at))
    }
}

fn draw(mut seen: Seen, answers: &Answers, is_one: bool) -> Result<(), Failure> {
    let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let screen = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout()).with_style(style);
    let has_colours = AutoStream::choice(&stdout()) != ColorChoice::Never;
    loop {
        let picture = picture(&seen, is_one, now(), wrap::of_stdout())?;
        screen.set_message(if has_colours { picture } else { anstream::adapter::strip_str(&picture).to_string() });
        if seen.is_over(is_one) {
            screen.abandon();
            note("Nothing is left to watch.");
            return Ok(());
        }
        let next = match answers.recv_timeout(INTERVAL) {
            Ok(answer) => seen.take(answer),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if next.is_err() {
            screen.abandon();
            return next;
        }
    }
}

fn picture(seen: &Seen, is_one: bool, now: Instant, width: usize) -> Result<String, Error> {
    let page = if is_one {
        ladder::page(&seen.answer.read()?, &[], now, width)
    } else {
        overview(&seen.answer.read()?, now, width)
    };
    // On top, since a picture that is higher than the screen is cut at its end.
    let contact = match &seen.lost {
        None => paint(DIM, format!("{} · Ctrl-C ends", stamp(seen.at))),
        Some(why) => paint(BAD, format!("No contact for {}: {why}; trying again · Ctrl-C ends", seen.age(now))),
    };
    Ok(format!("{}\n\n{page}", wrap::hung("", &contact, width)))
}

/// A line for each change, for pipes and programs.
fn list(mut seen: Seen, answers: &Answers, is_one: bool, json: bool) -> Result<(), Failure> {
    let mut shown = BTreeMap::new();
    let mut is_lost = false;
    loop {
        match (&seen.lost, is_lost) {
            (Some(why), false) => note(&format!("no contact: {why}; trying again")),
            (None, true) => note("contact again"),
            _ => {}
        }
        is_lost = seen.lost.is_some();
        let changes = changes(&seen.answer, is_one, &mut shown)?;
        for Change { line, raw, at } in changes.shown {
            if json {
                print_raw(&one_line(&raw))?
            } else {
                print(&format!("{}  {line}", stamp(at.unwrap_or(seen.at))))?
            }
        }
        for key in changes.gone.iter().filter(|_| !json) {
            print(&format!("{}  {key}: is gone", stamp(seen.at)))?;
        }
        if seen.is_over(is_one) {
            note("nothing is left to watch");
            return Ok(());
        }
        match answers.recv() {
            Ok(next) => seen.take(next)?,
            Err(_) => return Ok(()),
        }
    }
}

/// What one answer tells that the one before did not.
struct Changes {
    /// The rollouts of which something else is to be reported.
    shown: Vec<Change>,
    /// The keys of those that are there no more.
    gone: Vec<String>,
}

/// Something else about a rollout.
struct Change {
    line: String,
    /// Its JSON.
    raw: String,
    /// When that came into force, where it is another state: the time that the history has too. Other news have the
    /// time at which they were seen.
    at: Option<Instant>,
}

/// What was last shown of each rollout: its line, and since when its state is in force.
type Shown = BTreeMap<String, (String, Time)>;

fn changes(answer: &Answer, is_one: bool, shown: &mut Shown) -> Result<Changes, Error> {
    let texts: Vec<String> = if is_one {
        vec![answer.text.clone()]
    } else {
        answer.read::<RawRollouts>()?.rollouts.iter().map(|raw| raw.get().to_owned()).collect()
    };
    let rollouts: Vec<Rollout> = if is_one { vec![answer.read()?] } else { answer.read::<Rollouts>()?.rollouts };
    Ok(differences(&rollouts, texts, shown))
}

fn differences(rollouts: &[Rollout], texts: Vec<String>, shown: &mut Shown) -> Changes {
    let mut changed = Vec::new();
    for (rollout, raw) in rollouts.iter().zip(texts) {
        let (line, since) = (line(rollout), rollout.state.since);
        let known = shown.insert(rollout.key.to_string(), (line.clone(), since));
        if known.as_ref().is_none_or(|(known, _)| *known != line) {
            let at = known.filter(|(_, known)| *known != since).and_then(|_| since.get());
            changed.push(Change { line, raw, at });
        }
    }
    let gone: Vec<String> =
        shown.keys().filter(|key| !rollouts.iter().any(|rollout| rollout.key == key.as_str())).cloned().collect();
    for key in &gone {
        shown.remove(key);
    }
    Changes { shown: changed, gone }
}

/// What counts as a change when it differs: no times, or every second would be one.
fn line(rollout: &Rollout) -> String {
    let mut line = format!("{}: {}, revision {}", rollout.key, ladder::summary(rollout), rollout.state.revision);
    let timeless = |block: &Blocker| {
        few_words(&Blocker { until: Time::default(), ..block.clone() }, rollout, Instant::from_epoch_ms(0))
    };
    let blocked: Vec<String> = ladder::blockers(rollout).map(timeless).collect();
    if !blocked.is_empty() {
        line.push_str(&format!("; blocked by {}", blocked.join(", ")));
    }
    for guardrail in rollout.guardrails.iter().filter(|guardrail| guardrail.verdict == Verdict::Fail) {
        line.push_str(&format!("; guardrail {}", guardrail.when));
    }
    if let Some(fault) = rollout.faults.first() {
        line.push_str(&format!("; {}: {} {}", counted(rollout.faults.len(), "fault"), fault.subject, fault.message));
    }
    line
}

/// JSON lines have no line feeds inside.
fn one_line(json: &str) -> String {
    // A text inside JSON holds no bare line feed, so all of them are white space between.
    json.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_state_has_the_time_of_the_history_and_other_news_have_that_at_which_they_were_seen() {
        let mut shown = Shown::new();
        let mut look = |phase: &str, since: &str, blocked: &str| -> Vec<Option<String>> {
            let text = format!(
                r#"{{"key":"demo","state":{{"revision":3,"phase":"{phase}","stage":"half","since":"{since}"}},"blocked":[{blocked}]}}"#
            );
            let rollout = serde_json::from_str(&text).unwrap();
            let changes = differences(&[rollout], vec![text], &mut shown);
            changes.shown.iter().map(|own| own.at.map(|at| at.to_string())).collect()
        };
        let (begun, back) = ("2026-12-02T13:00:00Z", "2026-12-02T14:05:09.4Z");
        assert_eq!(look("running", begun, ""), [None], "how it is when the watch begins");
        assert_eq!(look("running", begun, ""), [] as [Option<String>; 0]);
        assert_eq!(look("running", begun, r#"{"by":"gates"}"#), [None]);
        assert_eq!(look("rolled_back", back, ""), [Some(back.to_owned())]);
    }

    #[test]
    fn time_alone_is_no_change() {
        let at = |elapsed: u32, until: &str| -> Rollout {
            serde_json::from_str(&format!(
                r#"{{"key":"demo","state":{{"revision":3,"phase":"running","stage":"half","percentage":50}},"hold":{{"elapsed_ms":{elapsed}}},"blocked":[{{"by":"hold","until":"{until}"}}]}}"#
            ))
            .unwrap()
        };
        assert_eq!(line(&at(1, "2026-12-02T14:00:00Z")), line(&at(2, "2026-12-02T14:00:01Z")));
        assert_eq!(line(&at(1, "2026-12-02T14:00:00Z")), "demo: running, revision 3; blocked by bake time");
    }

    #[test]
    fn a_fault_and_a_guardrail_that_fails_are_changes() {
        let rollout: Rollout = serde_json::from_str(
            r#"{"key":"demo","state":{"revision":3,"phase":"completed"},"guardrails":[{"when":"error_rate > 5%","verdict":"fail"}],"faults":[{"subject":"stage/demo","message":"cannot be read"}]}"#,
        )
        .unwrap();
        assert_eq!(
            line(&rollout),
            "demo: completed, revision 3; guardrail error_rate > 5%; 1 fault: stage/demo cannot be read"
        );
    }
}
