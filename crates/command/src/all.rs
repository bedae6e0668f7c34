//! `kill --all` and `revive --all`: one command to every rollout, with one question at most.

use super::client::{Answer, Client};
use super::operator::Consent;
use super::paint::{BAD, BOLD, note, paint, print, print_raw};
use super::words::{counted, listed};
use super::{Failure, ask, change, reach};
use tidegate_model::command::Command;
use tidegate_protocol::api::shapes::{AllDone, Rollouts};

pub fn run(command: &Command, consent: &Consent, json: bool) -> Result<(), Failure> {
    ask::check(consent, !command.is_stop())?;
    let client = Client::new(&consent.connection)?;
    let done = if matches!(command, Command::Kill(_)) {
        kill(&client, command, consent)
    } else {
        revive(&client, command, consent)
    };
    let (answer, meant) = done.map_err(|failure| change::with_way_out(failure, "*", command))?;
    let mut changed: AllDone = answer.read()?;
    // To revive what is not killed is refused, but nobody asked for that.
    changed
        .refused
        .retain(|refused| meant.as_ref().is_none_or(|meant| meant.iter().any(|key| refused.rollout == key.as_str())));
    if json {
        print_raw(&answer.text)?;
    } else {
        print(&shown(&changed))?;
        if command.is_stop() {
            super::note::follow(&client, "*", consent);
        }
    }
    if matches!(command, Command::Kill(_)) {
        reach::follow(&client, &changed.rollouts);
    }
    if changed.refused.is_empty() { Ok(()) } else { Err(Failure::Refused) }
}

/// The answer, and the rollouts that were meant where not all are.
type Done = Result<(Answer, Option<Vec<String>>), Failure>;

fn kill(client: &Client, command: &Command, consent: &Consent) -> Done {
    if !consent.yes {
        let all: Rollouts = client.get("rollouts", &[])?.read()?;
        note(&paint(BOLD, forecast(&affected(&all, true), true)));
    }
    ask::stop(consent, "Kill every rollout now?")?;
    Ok((change::send(client, "*", command, change::stop_reason(consent), None)?, None))
}

fn revive(client: &Client, command: &Command, consent: &Consent) -> Done {
    let all: Rollouts = client.get("rollouts", &[])?.read()?;
    let meant = affected(&all, false);
    note(&paint(BOLD, forecast(&meant, false)));
    let reason = ask::words(consent, "Revive every rollout that is killed?")?;
    Ok((change::send(client, "*", command, &reason, Some("*"))?, Some(meant)))
}

/// The rollouts that a kill, or else a revive, would change.
fn affected(all: &Rollouts, is_kill: bool) -> Vec<String> {
    all.rollouts
        .iter()
        .filter(|rollout| rollout.state.killed != is_kill)
        .map(|rollout| rollout.key.to_string())
        .collect()
}

fn forecast(meant: &[String], is_kill: bool) -> String {
    let count = counted(meant.len(), "rollout");
    match (meant.is_empty(), is_kill) {
        (true, true) => "All rollouts are killed already".into(),
        (true, false) => "No rollout is killed".into(),
        (false, true) => format!("{count}: all traffic goes to legacy in {}", listed(meant)),
        (false, false) => format!("Revives {count}: {}", listed(meant)),
    }
}

fn shown(changed: &AllDone) -> String {
    let mut lines: Vec<String> = changed.rollouts.iter().map(change::stands).collect();
    for refused in &changed.refused {
        let help = refused.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        lines.push(format!("{} {}: {}{help}", paint(BAD, "refused:"), refused.rollout, refused.detail));
    }
    if lines.is_empty() {
        lines.push("Nothing was changed: there is no rollout that could be.".into());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_about_those_that_would_change() {
        let all = serde_json::from_str(r#"{"rollouts":[{"key":"a"},{"key":"b","state":{"killed":true}},{"key":"c"}]}"#)
            .unwrap();
        let forecast = |all, is_kill| forecast(&affected(all, is_kill), is_kill);
        assert_eq!(forecast(&all, true), "2 rollouts: all traffic goes to legacy in a and c");
        assert_eq!(forecast(&all, false), "Revives 1 rollout: b");
        assert_eq!(forecast(&Rollouts::default(), false), "No rollout is killed");
    }

    #[test]
    fn those_that_are_refused_are_reported_with_why() {
        let changed = serde_json::from_str(r#"{"rollouts":[{"key":"a","summary":"a draft","state":{"revision":4,"phase":"draft"}}],"refused":[{"rollout":"b","detail":"kill/b stands in KV"}]}"#).unwrap();
        assert_eq!(
            anstream::adapter::strip_str(&shown(&changed)).to_string(),
            "a is a draft, revision 4\nrefused: b: kill/b stands in KV"
        );
    }
}
