//! What may be asked of a rollout now, and why the rest may not: found by trying each command.
//!
//! Where the time alone stands in the way, the moment is found by trying again at the end of each
//! freeze and window, so that a stage that opens in the middle of a freeze is not promised for then.

use super::transition::{Refusal, transition};
use tidegate_model::Instant;
use tidegate_model::command::{Cause, Command, Setting, Target};
use tidegate_model::plan::checklist::APPROVALS_MAX;
use tidegate_model::plan::{Notice, Plan};
use tidegate_model::record::{Approval, Record};

/// So many windows are looked through; a week has fewer that matter.
const TRIES: usize = 24;

/// What may be asked, and what may not.
#[derive(Debug, Default)]
pub struct Offers {
    /// The commands that would be accepted now.
    pub now: Vec<&'static str>,
    /// The others.
    pub not_now: Vec<NotNow>,
}

/// A command that would be refused now.
#[derive(Debug, PartialEq)]
pub struct NotNow {
    /// Its name.
    pub command: &'static str,
    /// Why, the first reason first.
    pub refusals: Vec<Refusal>,
    /// When it will be possible, where the time alone stands in the way.
    pub at: Option<Instant>,
}

impl NotNow {
    /// Whether somebody may be waiting for it. The others are no way on from here.
    pub fn is_waited_for(&self) -> bool {
        !self.refusals.iter().any(Refusal::is_elsewhere)
    }

    /// Whether it is accepted from whoever names the rollout.
    pub fn is_confirmable(&self) -> bool {
        matches!(self.refusals.as_slice(), [Refusal::Unconfirmed(..)])
    }

    /// The reasons, in a sentence.
    pub fn reason(&self) -> String {
        let reasons: Vec<String> = self.refusals.iter().map(ToString::to_string).collect();
        reasons.join("; ")
    }
}

/// Tries every command of operators that `allows` lets through: one whose plan cannot be read allows few.
/// `against_completion` is what the figures say against completing it.
pub fn offers(
    plan: &Plan,
    record: &Record,
    against_completion: Option<&Refusal>,
    allows: impl Fn(&Command) -> bool,
    now: Instant,
) -> Offers {
    let open = record.checklist(plan).and_then(|of| record.open_items(&of, plan).into_iter().next());
    // A message that comes again can be sent again.
    let mut messages = plan.notices.iter().filter(|notice| notice.by.is_some());
    let open = open.or_else(|| {
        let unsent = |notice: &&Notice| notice.every.is_some() || record.sent(&notice.item()).is_none();
        messages.find(unsent).map(Notice::item)
    });
    let commands = [
        Command::Start,
        Command::Advance,
        Command::Set(Setting::percentage(record.live.percentage)),
        Command::Pause,
        Command::Resume(None),
        Command::Rollback(Target::Off),
        Command::Kill(Cause::Command),
        Command::Revive(Cause::Command),
        Command::Approve(open.clone().unwrap_or_default()),
        Command::Complete(None),
    ];
    let mut offers = Offers::default();
    for command in commands {
        let name = command.name();
        let (refusals, at) = match &command {
            _ if !allows(&command) => (vec![Refusal::UnreadPlan], None),
            Command::Approve(_) if open.is_none() => (vec![Refusal::NothingOpen], None),
            Command::Complete(_) => match (obstacles(plan, record, &command, now), against_completion) {
                ((none, _), Some(refusal)) if none.is_empty() => (vec![refusal.clone()], None),
                (found, _) => found,
            },
            _ => obstacles(plan, record, &command, now),
        };
        if refusals.is_empty() {
            offers.now.push(name)
        } else {
            offers.not_now.push(NotNow { command: name, refusals, at })
        }
    }
    offers
}

/// What stands in the way of a command, and when it is gone, where the time alone does.
fn obstacles(plan: &Plan, record: &Record, command: &Command, now: Instant) -> (Vec<Refusal>, Option<Instant>) {
    let (mut record, mut command) = (record.clone(), command.clone());
    let mut refusals: Vec<Refusal> = Vec::new();
    let mut at = now;
    let mut needs_only_time = true;
    for _ in 0..TRIES {
        let Err(refusal) = transition(plan, &record, &command, "", at) else {
            let is_refused = !refusals.is_empty();
            return (refusals, (is_refused && needs_only_time).then_some(at));
        };
        match (&refusal, refusal.until()) {
            // What else is in the way is reported with it.
            (Refusal::Checklist(of, items), _) => {
                needs_only_time = false;
                // As if as many people as any item may ask for had ticked each.
                for item in items.iter().flat_map(|item| std::iter::repeat_n(item, usize::from(APPROVALS_MAX))) {
                    let approval = Approval { of: of.clone(), item: item.clone(), by: String::new(), at };
                    record.approvals.push(approval);
                }
            }
            (Refusal::Unconfirmed(key, _), _) => {
                needs_only_time = false;
                command = Command::Complete(Some(key.clone()));
            }
            (_, Some(until)) if until > at => at = until,
            _ => {
                refusals.push(refusal);
                return (refusals, None);
            }
        }
        if !refusals.iter().any(|known| known.code() == refusal.code()) {
            refusals.push(refusal);
        }
    }
    (refusals, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transition::transition;
    use tidegate_model::plan::set::read_rollout;

    /// A Saturday, 12:00.
    const SATURDAY: &str = "2026-11-28T12:00:00Z";

    fn plan(head: &str) -> Plan {
        read_rollout(&format!(r#"{{"key":"shop",{head}"identity":{{"from":["header:x-user-id"]}},"after_rollback":["Cause found"],"stage":[{{"name":"canary","percentage":10,"hold":"1h","checklist":["Tested"]}},{{"name":"full","percentage":100,"hold":"1h"}}]}}"#)).unwrap()
    }

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn reported(plan: &Plan, record: &Record, now: &str) -> Vec<String> {
        let offers = offers(plan, record, None, |_| true, at(now));
        let line = |own: &NotNow| {
            format!(
                "{}: {}{}{}",
                own.command,
                own.reason(),
                own.at.map(|at| format!(", until {at}")).unwrap_or_default(),
                if own.is_confirmable() { " (or confirmed)" } else { "" }
            )
        };
        offers.not_now.iter().filter(|own| own.is_waited_for()).map(line).collect()
    }

    fn after(plan: &Plan, record: &Record, command: &Command, now: &str) -> Record {
        transition(plan, record, command, "ana", at(now)).unwrap()
    }

    #[test]
    fn a_draft_tells_all_that_keeps_it_from_starting_and_until_when() {
        let draft = |plan: &Plan, now: &str| reported(plan, &Record::draft(plan, at(now)), now);
        assert_eq!(draft(&plan(""), SATURDAY), Vec::<String>::new());
        let frozen = plan(r#""freeze":["Fri 17:00-Mon 08:00 UTC"],"#);
        assert_eq!(draft(&frozen, SATURDAY), ["start: change freeze, until 2026-11-30T08:00:00Z"]);
        let early = plan(r#""start":"2026-12-05T09:00:00Z","freeze":["Fri 17:00-Mon 08:00 UTC"],"#);
        assert_eq!(
            draft(&early, SATURDAY),
            ["start: the plan's start has not come; change freeze, until 2026-12-07T08:00:00Z"],
            "its start is in a freeze"
        );
        let checked = plan(r#""checklist":["Signed off"],"freeze":["Fri 17:00-Mon 08:00 UTC"],"#);
        assert_eq!(
            draft(&checked, SATURDAY),
            ["start: not approved yet: Signed off; change freeze"],
            "time alone does not open it"
        );
    }

    #[test]
    fn what_is_no_way_on_from_here_is_not_waited_for() {
        let plan = plan("");
        let running = after(&plan, &Record::draft(&plan, at(SATURDAY)), &Command::Start, SATURDAY);
        let all = offers(&plan, &running, None, |_| true, at(SATURDAY));
        let names: Vec<&str> = all.not_now.iter().map(|own| own.command).collect();
        assert_eq!(names, ["start", "advance", "resume", "revive", "complete"]);
        assert_eq!(
            reported(&plan, &running, SATURDAY),
            ["advance: not approved yet: Tested", "complete: not approved yet: Tested (or confirmed)"]
        );
        assert!(all.now.contains(&"approve") && all.now.contains(&"kill"));
    }

    #[test]
    fn after_a_rollback_and_while_killed_it_says_what_opens_the_way_on() {
        let plan = plan("");
        let running = after(&plan, &Record::draft(&plan, at(SATURDAY)), &Command::Start, SATURDAY);
        let back = after(&plan, &running, &Command::Rollback(Target::Off), SATURDAY);
        assert_eq!(
            reported(&plan, &back, SATURDAY),
            ["resume: not approved yet: Cause found", "complete: not approved yet: Cause found (or confirmed)"]
        );
        let mended = after(&plan, &back, &Command::Approve("Cause found".into()), SATURDAY);
        assert_eq!(reported(&plan, &mended, SATURDAY), ["complete: the rollout is rolled back (or confirmed)"]);
        let killed = after(&plan, &running, &Command::Kill(Cause::Command), SATURDAY);
        assert_eq!(
            reported(&plan, &killed, SATURDAY),
            ["advance: the rollout is killed", "complete: the rollout is killed"]
        );
    }
}
