//! The commands that change one rollout: look ahead, ask, then send on the revision looked at.
//!
//! Whoever stops something (`kill`, `pause`, `rollback`) loses no time: one question at most, which
//! Enter answers, no revision, and with `--yes` nothing to look at first. The reason can follow.

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::operator::{Consent, Foresight};
use super::paint::{BOLD, WARN, note, paint, print, print_raw};
use super::problem::Error;
use super::words::sentence;
use super::{Failure, ask, ladder, reach, wrap};
use tidegate_model::Name;
use tidegate_model::command::{Command, NO_REASON, Target};
use tidegate_protocol::api::shapes::{Changed, Consequences, Rollout, Standing};

pub fn run(key: &Name, command: &Command, foresight: &Foresight, consent: &Consent, json: bool) -> Result<(), Failure> {
    if foresight.dry_run {
        return foresee(key, command, consent, json);
    }
    ask::check(consent, !command.is_stop())?;
    let client = Client::new(&consent.connection)?;
    let done = if command.is_stop() {
        stop(&client, key, command, consent)
    } else {
        decide(&client, key, command, consent, json)
    };
    let answer = done.map_err(|failure| with_way_out(failure, key.as_str(), command))?;
    if json {
        print_raw(&answer.text)?;
        if matches!(command, Command::Kill(_)) {
            reach::follow(&client, &[answer.read::<Changed>()?.rollout]);
        }
        return Ok(());
    }
    let changed: Changed = answer.read()?;
    print(&stands(&changed.rollout))?;
    if command.is_stop() {
        if consent.yes {
            changed.explanation.movers.iter().for_each(|line| note(&format!("  {line}")));
        }
        super::note::follow(&client, key.as_str(), consent);
    }
    tell_following(&changed);
    if matches!(command, Command::Kill(_)) {
        reach::follow(&client, std::slice::from_ref(&changed.rollout));
    }
    Ok(())
}

/// Says what would happen, and does nothing.
fn foresee(key: &Name, command: &Command, consent: &Consent, json: bool) -> Result<(), Failure> {
    let client = Client::new(&consent.connection)?;
    let answer = client.command(key.as_str(), &body(command, consent.reason.as_deref(), true), None)?;
    if json {
        return print_raw(&answer.text);
    }
    let foreseen: Consequences = answer.read::<Changed>()?.explanation;
    let warnings = foreseen.warnings.iter().map(|warning| format!("  {} {}", paint(WARN, "!"), warning.text));
    print(&lines(key.as_str(), &foreseen).into_iter().chain(warnings).collect::<Vec<_>>().join("\n"))
}

/// `demo: canary 10 % → quarter 25 %`, and below it what follows and who moves.
fn lines(key: &str, foreseen: &Consequences) -> Vec<String> {
    let (before, after) = (standing(&foreseen.before), standing(&foreseen.after));
    let change = match (before.is_empty(), before == after) {
        // An older deployment does not say it.
        (true, _) => key.to_owned(),
        (false, true) => format!("{key}: stays at {before}"),
        (false, false) => format!("{key}: {before} → {after}"),
    };
    let more = foreseen.following.iter().chain(&foreseen.movers).map(|line| format!("  {line}"));
    [change].into_iter().chain(more).collect()
}

fn standing(place: &Standing) -> String {
    if place.stage.is_empty() {
        return String::new();
    }
    let facts: String = place.facts.iter().map(|fact| format!(", {fact}")).collect();
    format!("{} {}{facts}", place.stage, place.percentage)
}

/// What the schedule has made of a command at once.
pub fn tell_following(changed: &Changed) {
    changed.explanation.following.iter().for_each(|line| note(&format!("  {line}")));
}

/// Sends a command, on a revision where it needs one.
pub fn send(
    client: &Client,
    key: &str,
    command: &Command,
    reason: &str,
    if_match: Option<&str>,
) -> Result<Answer, Error> {
    client.command(key, &body(command, Some(reason), false), if_match)
}

/// The reason of what stops something. One is always sent, since older deployments want one.
pub fn stop_reason(consent: &Consent) -> &str {
    consent.reason.as_deref().unwrap_or(NO_REASON)
}

/// Adds to a failure what else can be done, where that matters most.
pub fn with_way_out(failure: Failure, key: &str, command: &Command) -> Failure {
    let Failure::Api(error, None) = failure else { return failure };
    let is_answered = matches!(&*error, Error::Problem(problem) if matches!(problem.kind(), "unknown-rollout" | "refused" | "malformed"));
    let way_out = match command {
        Command::Kill(_) if !is_answered => Some(format!(
            "KV kills as well, without the API: npx wrangler kv key put --remote --binding ROLLOUTS 'kill/{key}' on"
        )),
        _ if error.may_have_arrived() => Some(format!(
            "it is unknown whether it was done: look with `tidegate status{}`",
            if key == "*" { String::new() } else { format!(" {key}") }
        )),
        _ => None,
    };
    Failure::Api(error, way_out)
}

/// Whether nothing is left to be asked.
pub fn is_said(consent: &Consent) -> bool {
    consent.yes && consent.reason.is_some()
}

/// Where a rollout stands after a command.
pub fn stands(rollout: &Rollout) -> String {
    format!("{} is {}, revision {}", paint(BOLD, &rollout.key), ladder::summary(rollout), rollout.state.revision)
}

fn stop(client: &Client, key: &Name, command: &Command, consent: &Consent) -> Result<Answer, Failure> {
    if !consent.yes {
        // What stops something does not wait for a controller that cannot say what it would do.
        match dry_run(client, key, command, consent) {
            Ok((foreseen, _)) => show(key, &foreseen.explanation),
            Err(failure) => match &failure {
                Failure::Api(error, _)
                    if let Error::Problem(problem) = &**error
                        && problem.kind() == "unavailable" =>
                {
                    note(&format!("{key}: what it would do is unknown, {}", problem.detail));
                }
                _ => return Err(failure),
            },
        }
    }
    ask::stop(consent, &question(command, key.as_str()))?;
    Ok(send(client, key.as_str(), command, stop_reason(consent), None)?)
}

fn decide(client: &Client, key: &Name, command: &Command, consent: &Consent, json: bool) -> Result<Answer, Failure> {
    let (foreseen, revision) = dry_run(client, key, command, consent)?;
    if !(json && is_said(consent)) {
        show(key, &foreseen.explanation);
    }
    let reason = ask::words(consent, &question(command, key.as_str()))?;
    if matches!(command, Command::Complete(None)) && !consent.yes {
        ask::typed(&format!("Type {key} to confirm:"), key.as_str())?;
    }
    Ok(send(client, key.as_str(), command, &reason, Some(&revision))?)
}

/// What the person is asked to agree to.
pub fn question(command: &Command, key: &str) -> String {
    match command {
        Command::Set(setting) => format!("Set {key} to {} %?", setting.percentage),
        Command::Resume(Some(stage)) => format!("Resume {key} in {stage}?"),
        Command::Rollback(Target::Off) => format!("Roll {key} back to 0 %?"),
        Command::Rollback(Target::Previous) => format!("Roll {key} back to the stage before?"),
        Command::Rollback(Target::Percentage(percentage)) => format!("Roll {key} back to {percentage} %?"),
        Command::Approve(item) => format!("Approve `{item}` of {key}?"),
        Command::Kill(_) => format!("Kill {key} now?"),
        command => format!("{} {key}?", sentence(command.name())),
    }
}

fn show(key: &Name, foreseen: &Consequences) {
    let width = wrap::of_stderr();
    for (index, line) in lines(key.as_str(), foreseen).iter().enumerate() {
        note(&wrap::lines(&if index == 0 { paint(BOLD, line) } else { line.clone() }, width));
    }
    for warning in &foreseen.warnings {
        note(&wrap::hung(&format!("  {} ", paint(WARN, "!")), &warning.text, width));
    }
}

fn dry_run(client: &Client, key: &Name, command: &Command, consent: &Consent) -> Result<(Changed, String), Failure> {
    let answer = client.command(key.as_str(), &body(command, consent.reason.as_deref(), true), None)?;
    let foreseen: Changed = answer.read()?;
    let revision = answer.etag.unwrap_or_else(|| format!("\"{}\"", foreseen.from.revision));
    Ok((foreseen, revision))
}

fn body(command: &Command, reason: Option<&str>, is_dry_run: bool) -> Value {
    let mut body = serde_json::to_value(command).unwrap_or_default();
    if let Value::Object(fields) = &mut body {
        fields.extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
        if is_dry_run {
            fields.insert("dry_run".into(), json!(true));
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::super::problem::Contact;
    use super::*;
    use tidegate_model::Percentage;
    use tidegate_model::command::{Cause, Setting};

    fn json(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_command_travels_with_its_arguments_and_its_reason() {
        assert_eq!(body(&Command::Start, None, true), json(r#"{"command":"start","dry_run":true}"#));
        assert_eq!(
            body(&Command::Rollback(Target::Previous), Some("why"), false),
            json(r#"{"command":"rollback","reason":"why","to":"previous"}"#)
        );
        assert_eq!(
            body(&Command::Kill(Cause::Command), Some("why"), false),
            json(r#"{"command":"kill","reason":"why"}"#)
        );
    }

    #[test]
    fn the_question_names_what_is_going_to_happen() {
        for (command, text) in [
            (Command::Advance, "Advance demo?"),
            (Command::Set(Setting::percentage(Percentage::FULL)), "Set demo to 100 %?"),
            (Command::Rollback(Target::Off), "Roll demo back to 0 %?"),
            (Command::Rollback(Target::Previous), "Roll demo back to the stage before?"),
            (Command::Approve("Backups".into()), "Approve `Backups` of demo?"),
            (Command::Kill(Cause::Command), "Kill demo now?"),
        ] {
            assert_eq!(question(&command, "demo"), text);
        }
    }

    #[test]
    fn whoever_cannot_kill_through_the_api_hears_of_kv() {
        let lost =
            || Failure::from(Error::Contact { origin: "https://shop.example.com".into(), kind: Contact::Refused });
        let way_out = |failure| match failure {
            Failure::Api(_, way_out) => way_out,
            _ => None,
        };
        assert!(
            way_out(with_way_out(lost(), "demo", &Command::Kill(Cause::Command)))
                .is_some_and(|text| text.ends_with("ROLLOUTS 'kill/demo' on"))
        );
        assert!(
            way_out(with_way_out(lost(), "*", &Command::Kill(Cause::Command)))
                .is_some_and(|text| text.ends_with("ROLLOUTS 'kill/*' on"))
        );
        assert_eq!(way_out(with_way_out(lost(), "demo", &Command::Pause)), None);
    }
}
