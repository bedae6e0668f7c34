//! `tidegate complete`: everybody on new for good. Where something speaks against it, it is done for
//! whoever names the rollout, after they have read what ends.

use super::operator::CompleteArguments;
use super::paint::{WARN, note, paint};
use super::problem::Error;
use super::{Failure, ask, change};
use tidegate_decide::explain::sentence;
use tidegate_model::command::Command;

pub fn run(arguments: &CompleteArguments, json: bool) -> Result<(), Failure> {
    let CompleteArguments { key, confirm, foresight, consent } = arguments;
    let complete = |confirm| change::run(key, &Command::Complete(confirm), foresight, consent, json);
    let failure = match complete(confirm.clone()) {
        Err(failure) if confirm.is_none() && !json => failure,
        done => return done,
    };
    let Failure::Api(error, _) = &failure else { return Err(failure) };
    let Error::Problem(problem) = &**error else { return Err(failure) };
    let Some(name) = &problem.confirm else { return Err(failure) };
    if !ask::is_there() || foresight.dry_run {
        note(&format!("completing {key} now would mean:"));
        problem.ends.iter().for_each(|ends| note(&format!("  {} {}", paint(WARN, "!"), sentence(&ends.text))));
        return Err(failure);
    }
    note(&format!("{} {}", paint(WARN, "Refused:"), problem.detail));
    problem.ends.iter().for_each(|ends| note(&format!("  {} {}", paint(WARN, "!"), sentence(&ends.text))));
    ask::typed(&format!("Type {name} to complete it all the same, or Enter to cancel:"), name)?;
    complete(name.parse().ok())
}
