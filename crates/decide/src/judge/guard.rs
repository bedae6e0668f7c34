//! Guardrails that come true, and what they ask for.

use super::metrics_view::gauge;
use super::notifications::Notifications;
use super::term::holds;
use super::{Evaluation, Judge, Judgement, Verdict};
use crate::rollout::Order;
use crate::signals::Signals;
use crate::transition::transition;
use tidegate_model::Instant;
use tidegate_model::command::{Cause, Command, Setting, Target};
use tidegate_model::condition::{Metric, Term};
use tidegate_model::history::EntryCause;
use tidegate_model::live::Phase;
use tidegate_model::plan::words::{Action, SignalKind};
use tidegate_model::plan::{Guardrail, Mode, Notice, Plan};
use tidegate_model::record::{Record, Sent};

/// The actor of what a guardrail asks for.
pub const GUARDRAIL: &str = "guardrail";

/// A guardrail whose condition has come true.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// Its index among those in force.
    pub guardrail: usize,
    /// What it asks for; `None` for an alert, or where that would change nothing.
    pub order: Option<Order>,
    /// The figures, in a sentence.
    pub text: String,
}

/// A message that a person was handed to send.
pub struct Handed<'a> {
    /// The message.
    pub notice: &'a Notice,
    /// What is ticked off.
    pub item: String,
    /// When it was handed to them.
    pub since: Instant,
    /// Who has sent it, and when.
    pub sent: Option<&'a Sent>,
}

impl Judge {
    /// Finds the guardrails that have come true. They fire again only after they were false.
    pub(super) fn fire(&mut self, plan: &Plan, record: &Record, evaluation: &mut Evaluation, now: Instant) {
        let mut fired: Vec<(u8, Fired)> = Vec::new();
        for (index, (guardrail, judgement)) in plan.guardrails_in_force().zip(&evaluation.guardrails).enumerate() {
            if judgement.verdict == Verdict::Inconclusive || judgement.verdict == Verdict::Pass && self.fired.is_empty()
            {
                continue;
            }
            let key = guardrail_key(index, guardrail);
            if judgement.verdict == Verdict::Pass {
                self.fired.retain(|own| *own != key);
            } else if !self.fired.contains(&key) {
                if guardrail.mode == Mode::Observe {
                    self.observed.retain(|(own, _)| *own != key);
                    self.observed.push((key.clone(), now));
                }
                self.fired.push(key);
                let order = order(plan, record, (index, guardrail), judgement, now);
                let severity = severity(guardrail.does());
                let at = fired.partition_point(|(own, _)| *own <= severity);
                fired.insert(at, (severity, Fired { guardrail: index, order, text: judgement.text.clone() }));
            }
        }
        evaluation.fired = fired.into_iter().map(|(_, fired)| fired).collect();
    }
}

impl Judge {
    /// Whether a guardrail, by [`guardrail_key`], is true: it has fired, and was not seen false since.
    pub fn is_true(&self, key: &str) -> bool {
        self.fired.iter().any(|own| own == key)
    }

    /// When a guardrail that only observes, by [`guardrail_key`], last came true in this attempt.
    pub fn observed_at(&self, key: &str) -> Option<Instant> {
        self.observed.iter().find(|(own, _)| own == key).map(|(_, at)| *at)
    }

    /// The messages that people were handed to send, each with when that was and whether it is done.
    pub fn handed<'a>(&'a self, plan: &'a Plan, record: &'a Record) -> impl Iterator<Item = Handed<'a>> {
        let of = |(notice, since): (&'a Notice, Instant)| {
            let item = notice.item();
            let sent = record.sent(&item).filter(|sent| sent.at >= since);
            Handed { notice, item, since, sent }
        };
        self.notifications.handed(plan).map(of)
    }

    /// The messages that pages show, by their place in the plan, each with when it was last sent.
    pub fn shown<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (u64, &'a Notice, Instant)> {
        self.notifications.shown(plan)
    }

    /// When a notice, a check-in or an escalation is due because of the time alone.
    pub fn notices_due_at(judge: Option<&Self>, plan: &Plan, record: &Record, now: Instant) -> Option<Instant> {
        match judge {
            Some(judge) => judge.notifications.due_at(plan, record, now),
            None => Notifications::default().due_at(plan, record, now),
        }
    }
}

/// The guardrails that act on gauges of others alone, and whose conditions hold now, whoever is on new: another attempt
/// ends with what they do. (Counts begin anew with it.)
pub fn true_from_outside<'a>(plan: &'a Plan, signals: &Signals, now: Instant) -> Vec<&'a Guardrail> {
    let holds_now = |term: &Term| {
        let Metric::Signal(name) = &term.metric else { return false };
        let is_gauge = plan.signals.get(name.as_str()).is_some_and(|signal| signal.kind == SignalKind::Gauge);
        is_gauge
            && !term.bound.is_legacy()
            && gauge(plan, signals, name, now).is_ok_and(|value| holds(term.op, value, term.bound.figure()))
    };
    let acting = plan.guardrails_in_force().filter(|own| own.does() != Action::Alert);
    acting.filter(|own| own.when.terms.iter().all(holds_now)).collect()
}

/// Under which a guardrail is remembered.
pub fn guardrail_key(index: usize, guardrail: &Guardrail) -> String {
    format!("{index} {}", guardrail.when)
}

/// The severest acts first: 0 for it, and more for what is milder.
pub const fn severity(action: Action) -> u8 {
    match action {
        Action::Off => 0,
        Action::Rollback => 1,
        Action::Previous => 2,
        Action::Reduce(_) => 3,
        Action::Pause => 4,
        Action::Alert => 5,
    }
}

/// What a guardrail asks for, unless that would change nothing.
fn order(
    plan: &Plan,
    record: &Record,
    (index, guardrail): (usize, &Guardrail),
    judgement: &Judgement,
    now: Instant,
) -> Option<Order> {
    let live = &record.live;
    let command = match guardrail.does() {
        Action::Off => Command::Kill(Cause::Command),
        Action::Rollback => Command::Rollback(Target::Off),
        Action::Previous if live.phase == Phase::RolledBack => return None,
        Action::Previous => Command::Rollback(Target::Previous),
        // What has been rolled back stays so.
        Action::Reduce(percentage) if live.phase == Phase::RolledBack => {
            Command::Rollback(Target::Percentage(percentage.min(live.percentage)))
        }
        Action::Reduce(percentage) => Command::Set(Setting::percentage(percentage.min(live.percentage))),
        Action::Pause if live.phase == Phase::Running => Command::Pause,
        Action::Pause | Action::Alert => return None,
    };
    let after = transition(plan, record, &command, GUARDRAIL, now).ok()?.live;
    let is_same = (after.phase, after.killed, after.percentage, &after.groups)
        == (live.phase, live.killed, live.percentage, &live.groups);
    let cause = EntryCause::Guardrail { index, condition: guardrail.when.to_string() };
    (!is_same).then(|| Order::caused(command, GUARDRAIL, cause, judgement.figures.clone()))
}
