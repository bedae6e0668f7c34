//! Asks the person at the terminal: whether they are sure, and why.
//!
//! Enter means the same as in the console. It does what stops something (`kill`, `pause`, `rollback`),
//! for which nothing else is asked before. Of everything else it does nothing: that needs words, the
//! reason.
//!
//! Questions go to standard error, so that a pipe gets answers only. Where nobody can be asked,
//! everything must have been said on the command line.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::Failure;
use super::operator::{Consent, reason as check_reason};
use super::paint::{BOLD, WARN, note, paint};

/// So often a reason is asked for before giving up.
const TRIES: usize = 3;

/// Whether somebody can be asked.
pub fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Refuses to begin what nobody can be asked about.
pub fn check(consent: &Consent, needs_reason: bool) -> Result<(), Failure> {
    if is_there() { Ok(()) } else { unattended(consent, needs_reason).map_err(Failure::Usage) }
}

fn unattended(consent: &Consent, needs_reason: bool) -> Result<(), String> {
    let mut missing = Vec::new();
    if !consent.yes {
        missing.push("--yes");
    }
    if needs_reason && consent.reason.is_none() {
        missing.push("--reason TEXT");
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("standard input is no terminal, so nothing can be asked: add {}", missing.join(" and ")))
    }
}

/// The reason of the command line, or one that is asked for with `prompt`.
pub fn reason(consent: &Consent, prompt: &str) -> Result<String, Failure> {
    if let Some(reason) = &consent.reason {
        return Ok(reason.clone());
    }
    for _ in 0..TRIES {
        match check_reason(&line(prompt)?) {
            Ok(reason) => return Ok(reason),
            Err(why) => note(&format!("{} {why}", paint(WARN, "again:"))),
        }
    }
    Err(Failure::Cancelled)
}

/// Asks for the words with which something is done that exposes or restores: they are the reason. Enter
/// alone leaves it.
pub fn words(consent: &Consent, question: &str) -> Result<String, Failure> {
    match (&consent.reason, consent.yes) {
        (Some(reason), true) => return Ok(reason.clone()),
        (Some(reason), false) => return confirm(question).map(|()| reason.clone()),
        (None, true) => return reason(consent, "Reason:"),
        (None, false) => {}
    }
    for _ in 0..TRIES {
        let answer = line(&format!("{question} Reason (Enter cancels):"))?;
        // Who answers as to another question has not said why.
        match answered(&answer) {
            Answer::Nothing | Answer::No => return Err(Failure::Cancelled),
            Answer::Yes => note(&format!("{} a few words, for the history: they are the yes", paint(WARN, "why:"))),
            Answer::Words => match check_reason(&answer) {
                Ok(reason) => return Ok(reason),
                Err(why) => note(&format!("{} {why}", paint(WARN, "again:"))),
            },
        }
    }
    Err(Failure::Cancelled)
}

/// Asks whether to stop something: Enter does it.
pub fn stop(consent: &Consent, question: &str) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    for _ in 0..TRIES {
        match answered(&line(&format!("{question} [Y/n]"))?) {
            Answer::Nothing | Answer::Yes => return Ok(()),
            Answer::No => return Err(Failure::Cancelled),
            Answer::Words => note(&format!(
                "{} Enter does it, n leaves it; the reason is asked for afterwards",
                paint(WARN, "again:")
            )),
        }
    }
    Err(Failure::Cancelled)
}

/// Asks for the reason of what is done already, unless it has been said or nobody wants to be asked.
pub fn afterwards(consent: &Consent) -> Option<String> {
    if consent.reason.is_some() || consent.yes || !is_there() {
        return None;
    }
    let answer = line("Reason (Enter to skip):").ok()?;
    if answer.trim().is_empty() { None } else { check_reason(&answer).map_err(|why| note(&why)).ok() }
}

/// Goes on only if the person types `name`.
pub fn typed(question: &str, name: &str) -> Result<(), Failure> {
    if line(question)?.trim() == name { Ok(()) } else { Err(Failure::Cancelled) }
}

/// Goes on only if the person says so; Enter alone means no.
pub fn confirm(question: &str) -> Result<(), Failure> {
    let answer = line(&format!("{question} [y/N]"))?;
    if answered(&answer) == Answer::Yes { Ok(()) } else { Err(Failure::Cancelled) }
}

/// What somebody has answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    Yes,
    No,
    Words,
}

fn answered(text: &str) -> Answer {
    match text.trim().to_lowercase().as_str() {
        "" => Answer::Nothing,
        "y" | "yes" => Answer::Yes,
        "n" | "no" => Answer::No,
        _ => Answer::Words,
    }
}

fn line(prompt: &str) -> Result<String, Failure> {
    let mut out = anstream::stderr().lock();
    let _ = write!(out, "{} ", paint(BOLD, prompt)).and_then(|()| out.flush());
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(0) => {
            let _ = writeln!(out);
            Err(Failure::Cancelled)
        }
        Ok(_) => Ok(answer),
        Err(error) => Err(Failure::Io("standard input".into(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::operator::Connection;
    use super::*;

    #[test]
    fn where_nobody_can_be_asked_all_must_be_said() {
        let consent = |reason: Option<&str>, yes| Consent {
            reason: reason.map(str::to_owned),
            yes,
            connection: Connection { url: None },
        };
        let missing = |consent, needs_reason| {
            unattended(&consent, needs_reason)
                .err()
                .and_then(|message| message.split_once("add ").map(|(_, what)| what.to_owned()))
        };
        assert_eq!(missing(consent(None, false), true).as_deref(), Some("--yes and --reason TEXT"));
        assert_eq!(missing(consent(None, true), true).as_deref(), Some("--reason TEXT"));
        assert_eq!(missing(consent(None, false), false).as_deref(), Some("--yes"));
        assert_eq!(missing(consent(Some("why"), true), true), None);
        assert_eq!(missing(consent(None, true), false), None);
    }

    #[test]
    fn an_answer_is_a_yes_a_no_or_words() {
        for (text, answer) in [
            ("y\n", Answer::Yes),
            ("YES\r\n", Answer::Yes),
            (" \n", Answer::Nothing),
            ("n\n", Answer::No),
            ("nope\n", Answer::Words),
        ] {
            assert_eq!(answered(text), answer, "{text:?}");
        }
    }
}
