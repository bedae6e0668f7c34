//! What is done in a run, by guardrails, the schedule and operators, and what is told of it.

use super::life::SimulatedRollout;
use super::run::Simulation;
use super::scenario::What;
use super::told::{Event, Kind};
use crate::decide::explain;
use crate::decide::judge::Fired;
use crate::decide::rollout::Order;
use crate::decide::schedule::Blocker;
use crate::model::command::Command;
use crate::model::fault::Explain as _;
use crate::model::live::Phase;
use crate::model::plan::words::Action;
use crate::model::{Instant, Name};

/// Whose command an operator's is.
const OPERATOR: &str = "operator";
/// One change calls for another at most so often, however the plans refer to each other.
const CONSEQUENCES_MAX: usize = 1_000;

impl Simulation {
    /// A line of the scenario begins, or is done.
    pub(super) fn begin(&mut self, index: usize, turn: usize) {
        let Some((what, text)) = self
            .lives
            .get(index)
            .and_then(|life| life.turns.get(turn))
            .map(|turn| (turn.line.what.clone(), turn.line.text.clone()))
        else {
            return;
        };
        if what.is_by_hand() {
            if let What::Command(command) = what {
                self.order(index, Order::new(command, OPERATOR, "the scenario has it".to_owned()), true);
            }
            return;
        }
        let at_ms = self.at_ms();
        if let Some(life) = self.lives.get_mut(index) {
            life.harm(at_ms);
        }
        self.tell(index, Kind::Scenario, "scenario", "", text);
        self.happen(index, &what);
    }

    /// A line of the scenario ends.
    pub(super) fn end(&mut self, index: usize, turn: usize) {
        if let Some(text) =
            self.lives.get(index).and_then(|life| life.turns.get(turn)).map(|turn| turn.line.text.clone())
        {
            self.tell(index, Kind::Scenario, "scenario", "", format!("over: {text}"));
        }
    }

    /// What operators do: start, and tick what the scenario lets them tick.
    pub(super) fn operate(&mut self, index: usize) {
        let Some(life) = self.lives.get(index) else { return };
        let Some(rollout) = self.deployment.rollouts.get(&life.key) else { return };
        let (record, plan) = (&rollout.record, &rollout.plan);
        let open = record.checklist(plan).map(|of| record.open_items(&of, plan)).unwrap_or_default();
        let wanted =
            |item: &String| life.turns.iter().any(|turn| turn.is_on && turn.line.what == What::Approve(item.clone()));
        let is_all = life.ticks_all();
        let items: Vec<String> = if life.ticked == Some(record.live.revision) {
            Vec::new()
        } else {
            open.iter().filter(|item| is_all || wanted(item)).cloned().collect()
        };
        if items.is_empty() {
            // A line that begins later ticks more.
            if !life
                .turns
                .iter()
                .any(|turn| matches!(turn.line.what, What::Approve(_) | What::ApproveAll) && !turn.is_on)
            {
                let revision = record.live.revision;
                if let Some(life) = self.lives.get_mut(index) {
                    life.ticked = Some(revision);
                }
            }
        } else {
            let what = match record.live.phase {
                Phase::Draft => "before the start".to_owned(),
                Phase::RolledBack => "after the rollback".to_owned(),
                _ => format!("of {}", record.live.stage),
            };
            let text = if items.len() == 1 {
                format!("ticked {what}: {}", items.concat())
            } else {
                format!("ticked {what}: {} items", items.len())
            };
            for item in items {
                self.order(index, Order::new(Command::Approve(item), OPERATOR, String::new()), false);
            }
            self.tell(index, Kind::Change, OPERATOR, "approve", text);
        }
        self.start(index);
    }

    /// Operators start what has no start of its own.
    fn start(&mut self, index: usize) {
        let Some(life) = self.lives.get(index) else { return };
        let is_left_to_scenario = life.turns.iter().any(|turn| turn.line.what == What::Command(Command::Start));
        let is_draft = self
            .deployment
            .rollouts
            .get(&life.key)
            .is_some_and(|rollout| rollout.record.live.phase == Phase::Draft && !rollout.record.live.killed);
        if !is_draft || life.plan.start.is_some() || is_left_to_scenario {
            return;
        }
        let is_told = life.refused.is_some();
        let is_done = self.order(
            index,
            Order::new(Command::Start, OPERATOR, "operators start what has no `start`".to_owned()),
            !is_told,
        );
        if let Some(life) = self.lives.get_mut(index).filter(|_| is_done) {
            life.refused = None;
        }
    }

    /// Guardrails have come true.
    pub(super) fn fire(&mut self, index: usize, fired: &[Fired], order: Option<Order>) {
        let (at_ms, now_on) = (self.at_ms(), self.lives.get(index).map_or(0, |life| life.traffic.toll.on_new));
        let mut alerts = Vec::new();
        if let Some(life) = self.lives.get_mut(index) {
            let guardrails = fired
                .iter()
                .filter_map(|fired| life.plan.guardrail(fired.guardrail).map(|guardrail| (fired, guardrail)));
            for (fired, guardrail) in guardrails.filter(|(fired, _)| fired.order.is_none()) {
                let tail = if guardrail.then == Action::Alert {
                    String::new()
                } else {
                    format!("; `{}` would change nothing", guardrail.then)
                };
                alerts.push(format!("{}: {}{tail}", guardrail.when, fired.text));
            }
            let is_harmed = life.first_harm.is_some();
            life.alerts += alerts.len();
            if is_harmed && !alerts.is_empty() {
                life.alerted.get_or_insert((at_ms, now_on));
            }
            if is_harmed && order.is_some() {
                life.acted.get_or_insert((at_ms, now_on));
            }
        }
        for text in alerts {
            self.tell(index, Kind::Alert, "guardrail", "alert", text);
        }
        if let Some(order) = order {
            self.order(index, order, true);
        }
    }

    /// Does what is due, and takes note of what stands in the way of the rest.
    pub(super) fn go_on(&mut self) {
        for _ in 0..CONSEQUENCES_MAX {
            if !self.note_outlooks() {
                return;
            }
            let Some((key, order)) = self.deployment.due(self.now).or_else(|| self.left_to_operators()) else { return };
            let Some(index) = self.lives.iter().position(|life| life.key == key) else { return };
            if !self.order(index, order, true) {
                return;
            }
        }
    }

    /// Looks ahead, where something may have changed; whether anything is due.
    fn note_outlooks(&mut self) -> bool {
        let mut is_due = false;
        let mut waiting: Vec<(usize, String)> = Vec::new();
        for (index, life) in self.lives.iter_mut().enumerate() {
            if life.asleep.1 == self.changes && self.now < life.asleep.0 {
                continue;
            }
            let Some(rollout) = self.deployment.rollouts.get(&life.key) else { continue };
            let outlook = self.deployment.outlook(rollout, self.now);
            is_due |= outlook.due.is_some() || outlook.blocked == [Blocker::Manual];
            // All of them have to go, so the last of those that only the time takes away says when.
            let until = outlook.blocked.iter().filter_map(Blocker::until).max();
            life.asleep = (until.unwrap_or(self.now), self.changes);
            let is_held =
                outlook.blocked.iter().any(|blocker| matches!(blocker, Blocker::Hold(..) | Blocker::Start(_)));
            let codes: Vec<&'static str> = outlook.blocked.iter().map(Blocker::code).collect();
            let is_under_way = rollout.record.live.phase == Phase::Running
                && !rollout.record.live.killed
                && !rollout.record.live.ended;
            life.blocked = outlook.blocked;
            if is_under_way && !is_held && !codes.is_empty() && codes != life.told {
                waiting.push((index, life.blocked.iter().map(words).collect::<Vec<_>>().join("; ")));
            }
            if is_held || codes.is_empty() { life.told.clear() } else { life.told = codes }
        }
        for (index, text) in waiting {
            self.tell(index, Kind::Waiting, "schedule", "wait", text);
        }
        is_due
    }

    /// A step that the plan leaves to operators, and that nothing else stands in the way of.
    fn left_to_operators(&self) -> Option<(Name, Order)> {
        let life = self.lives.iter().find(|life| life.blocked == [Blocker::Manual])?;
        let rollout = self.deployment.rollouts.get(&life.key)?;
        let next = self.deployment.outlook(rollout, self.now).next?;
        Some((life.key.clone(), Order::new(next.command, OPERATOR, "nothing else stands in the way".to_owned())))
    }

    /// Carries an order out, as the controller would; whether it was not refused.
    fn order(&mut self, index: usize, order: Order, is_told: bool) -> bool {
        let Some(key) = self.lives.get(index).map(|life| life.key.clone()) else { return false };
        let Some(rollout) = self.deployment.rollouts.get(&key) else { return false };
        let before = rollout.record.live.clone();
        let (command, by, reason) = (order.command.clone(), order.actor.clone(), explain::in_full(&order));
        let figures: Vec<String> = order.measured.iter().map(explain::figure).collect();
        let change = match rollout.change(order, self.now) {
            Ok(change) => change,
            Err(refusal) => {
                if let Some(life) = self.lives.get_mut(index).filter(|_| command == Command::Start) {
                    life.refused = Some(refusal.to_string());
                }
                if is_told {
                    let help = refusal.help().map(|help| format!(" ({help})")).unwrap_or_default();
                    self.tell(
                        index,
                        Kind::Refused,
                        &by,
                        command.name(),
                        format!("{command} is refused: {refusal}{help}"),
                    );
                }
                return false;
            }
        };
        let after = change.rollout.record.live.clone();
        self.deployment.accept(change);
        self.changes += 1;
        let at_ms = self.at_ms();
        if let Some(life) = self.lives.get_mut(index) {
            let has_moved = (before.phase, before.killed, before.ended) != (after.phase, after.killed, after.ended);
            if has_moved {
                life.last = Some((reason.clone(), at_ms));
                life.stage = before.stage.clone();
            }
            if before.stage != after.stage
                || before.phase == Phase::Draft && after.phase != Phase::Draft
                || before.attempt != after.attempt
            {
                let stage = after.stage.clone();
                life.enter(&stage, at_ms);
            }
        }
        if is_told {
            let has_fallen = after.percentage < before.percentage || after.killed && !before.killed;
            let is_forward = after.percentage > before.percentage
                || after.stage != before.stage
                || after.has_ended() && !before.has_ended();
            let kind = match command {
                _ if has_fallen || matches!(command, Command::Rollback(_) | Command::Kill(_) | Command::Pause) => {
                    Kind::Back
                }
                _ if is_forward => Kind::Forward,
                _ => Kind::Change,
            };
            self.tell(index, kind, &by, command.name(), reason);
            if let Some(event) = self.events.last_mut() {
                event.figures = figures;
            }
        }
        true
    }

    fn tell(&mut self, index: usize, kind: Kind, by: &str, command: &'static str, text: String) {
        let Some(life) = self.lives.get(index) else { return };
        let Some(rollout) = self.deployment.rollouts.get(&life.key) else { return };
        let live = &rollout.record.live;
        self.events.push(Event {
            at: self.now,
            rollout: life.key.clone(),
            kind,
            by: by.to_owned(),
            command,
            text,
            figures: Vec::new(),
            stage: live.stage.clone(),
            percentage: live.percentage,
        });
    }

    /// What stands in the way of a rollout, with the gates that do.
    pub(super) fn in_the_way(&self, life: &SimulatedRollout) -> String {
        let evaluation = self.deployment.metrics.get(&life.key).and_then(|metrics| metrics.last.as_ref());
        let mut texts = Vec::new();
        for blocker in &life.blocked {
            texts.push(match (&life.refused, blocker) {
                (Some(why), Blocker::Draft) => format!("not started: {why}"),
                _ => words(blocker),
            });
            if matches!(blocker, Blocker::Gates(..))
                && let Some(evaluation) = evaluation
            {
                let open = evaluation.gates.iter().filter(|gate| gate.verdict != crate::decide::judge::Verdict::Pass);
                texts.extend(open.map(|gate| gate.text.clone()));
            }
        }
        texts.join("; ")
    }
}

/// What stands in the way, and until when.
fn words(blocker: &Blocker) -> String {
    match (blocker, blocker.until()) {
        (Blocker::Start(_), _) | (_, None) => blocker.to_string(),
        (_, Some(until)) => format!("{blocker}, until {}", minutes(until)),
    }
}

/// `2027-01-11 09:15 UTC`.
fn minutes(at: Instant) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}
