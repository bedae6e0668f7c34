//! Checks a history from its first entry to its last: that nothing is missing, changed or added, and
//! that its commands lead, through the controller's own transition, to the states that it tells.
//!
//! Each entry is read from its text as it came, since its hash is over that text.

use serde::Serialize;

use tidegate_decide::replay::Replay;
use tidegate_model::history::{Entry, sha256_hex};
use tidegate_model::plan::Plan;
use tidegate_model::plan::set::read_rollout;

/// What a check has found.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many entries were checked.
    pub entries: usize,
    /// What is wrong, oldest first.
    pub faults: Vec<ChainFault>,
}

/// One thing that is wrong with a history.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ChainFault {
    pub revision: u64,
    pub message: String,
}

/// Checks the entries' texts, oldest first. A history that took over from a state in KV begins with
/// a later revision than 1; what tells its first entry is that it follows none. `plan_text` fetches
/// the plan that an `apply` names; `revision` is the rollout's own, which the last entry must have
/// reached. The first break ends the replay, since nothing follows from it.
pub fn verify(entries: &[&str], plan_text: impl Fn(u64) -> Option<String>, revision: u64) -> Verified {
    let mut replay = Replay::default();
    for (index, text) in entries.iter().enumerate() {
        let expected = replay.record.as_ref().map_or(index as u64 + 1, |record| record.live.revision + 1);
        let broken =
            |revision, message| Verified { entries: entries.len(), faults: vec![ChainFault { revision, message }] };
        let (entry, hash) = match Entry::parse(text) {
            Ok(read) => read,
            Err(error) => return broken(expected, error.to_string()),
        };
        let plan = |number: u64, digest: &str| -> Option<Plan> {
            let text = plan_text(number).filter(|text| sha256_hex(text.as_bytes()) == digest)?;
            read_rollout(&text).ok()
        };
        if let Err(found) = replay.next(&entry, &hash, plan) {
            return broken(entry.revision, found.to_string());
        }
    }
    let last = replay.record.map_or(0, |record| record.live.revision);
    let missing = (last < revision).then(|| ChainFault {
        revision: last + 1,
        message: format!("the entries after revision {last} are missing: the rollout is at revision {revision}"),
    });
    Verified { entries: entries.len(), faults: missing.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use tidegate_decide::rollout::{Order, Rollout};
    use tidegate_model::Instant;
    use tidegate_model::command::{Cause, Command, Setting};

    const PLAN: &str = r#"{"key":"shop","identity":{"from":["header:x-user-id"]},"stage":[{"name":"canary","percentage":10},{"name":"full","percentage":100}]}"#;

    /// A history of five entries, and the text of its plan.
    fn history() -> (Vec<String>, String) {
        let plan = Rc::new(read_rollout(PLAN).unwrap());
        let text = serde_json::to_string(plan.as_ref()).unwrap();
        let at = Instant::from_epoch_ms(1_780_000_000_000);
        let mut rollout = Rollout::new(plan, text.as_str().into(), 0, at);
        let apply = Command::Apply { plan: 1, digest: sha256_hex(text.as_bytes()) };
        let commands = [
            apply,
            Command::Start,
            Command::Set(Setting::percentage("25".parse().unwrap())),
            Command::Kill(Cause::Command),
            Command::Revive(Cause::Command),
        ];
        let entries = commands.map(|command| {
            let change = rollout.change(Order::new(command, "ana", "why not".into()), at).unwrap();
            rollout = change.rollout;
            change.text
        });
        (entries.to_vec(), text)
    }

    #[track_caller]
    fn finds(entries: &[String], plan: &str, expected: Option<(u64, &str)>) {
        let texts: Vec<&str> = entries.iter().map(String::as_str).collect();
        let found = verify(&texts, |_| Some(plan.to_owned()), if entries.is_empty() { 0 } else { 5 });
        assert_eq!(found.faults.first().map(|fault| (fault.revision, fault.message.as_str())), expected);
    }

    #[test]
    fn a_whole_history_replays() {
        let (entries, plan) = history();
        finds(&entries, &plan, None);
        finds(&[], "", None);
    }

    #[test]
    fn what_is_missing_or_changed_is_named() {
        let (entries, plan) = history();
        let without = |index: usize| {
            entries
                .iter()
                .enumerate()
                .filter(|(own, _)| *own != index)
                .map(|(_, entry)| entry.clone())
                .collect::<Vec<_>>()
        };
        finds(&without(2), &plan, Some((4, "revision 4 does not follow the entry before it")));
        finds(&without(4), &plan, Some((5, "the entries after revision 4 are missing: the rollout is at revision 5")));
        finds(&without(0), &plan, Some((2, "revision 2 does not follow the entry before it")));
        let mut changed = entries.clone();
        changed[2] = changed[2].replace("\"percentage\":25", "\"percentage\":20");
        finds(&changed, &plan, Some((3, "its text has been changed: the hash does not fit")));
        finds(
            &entries,
            &plan.replace("10", "11"),
            Some((1, "the plan that revision 1 applied is missing or another one")),
        );
        changed[2] = "{}".into();
        finds(&changed, &plan, Some((3, "it cannot be read: it does not end with its hash")));
    }

    #[test]
    fn a_state_that_no_command_leads_to_is_found_whatever_its_hash() {
        let (mut entries, plan) = history();
        let (mut entry, _) = Entry::parse(&entries[4]).unwrap();
        entry.state.percentage = "99".parse().unwrap();
        entries[4] = entry.print().0;
        finds(&entries, &plan, Some((5, "the command of revision 5 leads to another state than its entry tells")));
    }
}
