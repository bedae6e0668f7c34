//! What operators and the scenario do in a run, and the events of what the controller has done: they are read from
//! its evaluations and its history.

use super::life::SimulatedRollout;
use super::outcome::{Event, Kind};
use super::platform::{OPERATOR, Refused};
use super::run::Simulation;
use super::scenario::What;
use tidegate_decide::explain;
use tidegate_decide::judge::{Evaluation, Fired};
use tidegate_decide::schedule::Blocker;
use tidegate_model::Instant;
use tidegate_model::command::Command;
use tidegate_model::history::Entry;
use tidegate_model::live::Phase;
use tidegate_model::plan::words::Action;
use tidegate_model::plan::{Item, Mode, Start};
use tidegate_model::record::Checklist;

/// Operators take at most so many steps at once, however the plans refer to each other.
const STEPS_MAX: usize = 1_000;

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
                self.command(index, &command, "the scenario has it", true);
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
        let Some(rollout) = self.deployment().rollouts.get(&life.key) else { return };
        if life.ticked != Some(rollout.record.live.revision) {
            self.tick(index);
        }
        self.start(index);
    }

    /// Operators tick what the scenario lets them tick.
    fn tick(&mut self, index: usize) {
        let Some(life) = self.lives.get(index) else { return };
        let Some(rollout) = self.deployment().rollouts.get(&life.key) else { return };
        let (record, plan) = (&rollout.record, &rollout.plan);
        let wanted = |item: &Item| {
            life.turns.iter().any(|turn| turn.is_on && turn.line.what == What::Approve(item.text.clone()))
        };
        let is_all = life.ticks_all();
        let is_open = |of: &Checklist, item: &Item| record.approval(of, item).is_none() && (is_all || wanted(item));
        let items: Vec<Item> = record
            .checklist(plan)
            .map_or_else(Vec::new, |of| of.items(plan).iter().filter(|item| is_open(&of, item)).cloned().collect());
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
            return;
        }
        let what = match record.live.phase {
            Phase::Draft => "before the start".to_owned(),
            Phase::RolledBack => "after the rollback".to_owned(),
            _ => format!("of {}", record.live.stage),
        };
        let text = if items.len() == 1 {
            format!("ticked {what}: {}", items.iter().map(|item| item.text.as_str()).collect::<String>())
        } else {
            format!("ticked {what}: {} items", items.len())
        };
        let key = life.key.clone();
        for item in items {
            // Who is refused tells nothing: the item stays open.
            let _ = self.platform.approve(&key, &item, &text, self.now);
            self.take_in();
        }
        self.tell(index, Kind::Change, OPERATOR, "approve", text);
    }

    /// Operators start what has no start of its own.
    fn start(&mut self, index: usize) {
        let Some(life) = self.lives.get(index) else { return };
        let is_left_to_scenario = life.turns.iter().any(|turn| turn.line.what == What::Command(Command::Start));
        let is_draft = self
            .deployment()
            .rollouts
            .get(&life.key)
            .is_some_and(|rollout| rollout.record.live.phase == Phase::Draft && !rollout.record.live.killed);
        if is_draft && life.plan.start == Some(Start::OnDeploy) {
            self.deploy(index);
            return;
        }
        if !is_draft || life.plan.start.is_some() || is_left_to_scenario {
            return;
        }
        let is_reported = life.refused.is_none();
        let is_done = self.command(index, &Command::Start, "operators start what has no `start`", is_reported);
        if let Some(life) = self.lives.get_mut(index).filter(|_| is_done) {
            life.refused = None;
        }
    }

    /// Operators deploy what starts with a deployment, unless the scenario does.
    fn deploy(&mut self, index: usize) {
        let Some(life) = self.lives.get(index) else { return };
        let is_left_to_scenario =
            life.turns.iter().any(|turn| matches!(turn.line.what, What::Command(Command::Deployed(_))));
        let is_open = self.deployment().rollouts.get(&life.key).is_some_and(|rollout| !rollout.record.is_deployed);
        if let Some(version) = "v1".parse().ok().filter(|_| is_open && !is_left_to_scenario) {
            self.command(index, &Command::Deployed(version), "operators deploy what starts with a deployment", true);
        }
    }

    /// Takes note of what the controller has done: what it has evaluated, and its history.
    pub(super) fn take_in(&mut self) {
        for index in 0..self.lives.len() {
            let Some(life) = self.lives.get(index) else { continue };
            let metrics = self.deployment().metrics.get(&life.key);
            let evaluation = metrics.and_then(|metrics| metrics.last.as_ref());
            let Some(Evaluation { at, fired, .. }) = evaluation.filter(|own| own.at != life.evaluated_at) else {
                continue;
            };
            let (at, fired) = (*at, fired.clone());
            if let Some(life) = self.lives.get_mut(index) {
                life.evaluated_at = at;
            }
            if !fired.is_empty() {
                self.fire(index, &fired);
            }
        }
        for entry in self.platform.take_entries() {
            if let Some(index) = self.lives.iter().position(|life| life.key == entry.rollout) {
                self.changed(index, entry);
            }
        }
    }

    /// Guardrails have come true.
    fn fire(&mut self, index: usize, fired: &[Fired]) {
        let (at_ms, now_on) = (self.at_ms(), self.lives.get(index).map_or(0, |life| life.traffic.toll.on_new));
        let mut alerts = Vec::new();
        if let Some(life) = self.lives.get_mut(index) {
            let guardrails = fired
                .iter()
                .filter_map(|fired| life.plan.guardrail(fired.guardrail).map(|guardrail| (fired, guardrail)));
            for (fired, guardrail) in guardrails.filter(|(fired, _)| fired.order.is_none()) {
                let tail = if guardrail.then == Action::Alert {
                    String::new()
                } else if guardrail.mode == Mode::Observe {
                    format!("; it only observes, so `{}` is not done", guardrail.then)
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
            if is_harmed && fired.iter().any(|fired| fired.order.is_some()) {
                life.acted.get_or_insert((at_ms, now_on));
            }
        }
        for text in alerts {
            self.tell(index, Kind::Alert, "guardrail", "alert", text);
        }
    }

    /// Takes note of what stands in the way of each rollout, and takes the steps that plans leave to operators.
    pub(super) fn go_on(&mut self) {
        for _ in 0..STEPS_MAX {
            self.note_outlooks();
            let Some((index, command)) = self.left_to_operators() else { return };
            if !self.command(index, &command, "nothing else blocks it", true) {
                return;
            }
        }
    }

    /// Looks ahead, where something may have changed.
    fn note_outlooks(&mut self) {
        let deployment = self.platform.deployment();
        let mut waiting: Vec<(usize, String)> = Vec::new();
        for (index, life) in self.lives.iter_mut().enumerate() {
            if life.asleep.1 == self.changes && self.now < life.asleep.0 {
                continue;
            }
            let Some(rollout) = deployment.rollouts.get(&life.key) else { continue };
            let outlook = deployment.outlook(rollout, self.now);
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
            if is_under_way && !is_held && !codes.is_empty() && codes != life.reported {
                waiting.push((index, life.blocked.iter().map(words).collect::<Vec<_>>().join("; ")));
            }
            if is_held || codes.is_empty() { life.reported.clear() } else { life.reported = codes }
        }
        for (index, text) in waiting {
            self.tell(index, Kind::Waiting, "schedule", "wait", text);
        }
    }

    /// A step that the plan leaves to operators, and that nothing else stands in the way of.
    fn left_to_operators(&self) -> Option<(usize, Command)> {
        let index = self.lives.iter().position(|life| life.blocked == [Blocker::Manual])?;
        let rollout = self.deployment().rollouts.get(&self.lives.get(index)?.key)?;
        Some((index, self.deployment().outlook(rollout, self.now).next?.command))
    }

    /// An operator commands; whether it was not refused.
    fn command(&mut self, index: usize, command: &Command, reason: &str, is_reported: bool) -> bool {
        let Some(key) = self.lives.get(index).map(|life| life.key.clone()) else { return false };
        let refused = self.platform.command(&key, command, reason, self.now);
        self.take_in();
        let Err(Refused { detail, help }) = refused else { return true };
        if let Some(life) = self.lives.get_mut(index).filter(|_| *command == Command::Start) {
            life.refused = Some(detail.clone());
        }
        if is_reported {
            let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
            let text = format!("{command} is refused: {detail}{help}");
            self.tell(index, Kind::Refused, OPERATOR, command.name(), text);
        }
        false
    }

    /// Notes a change and lists it as an event; what is applied and what is ticked off is reported by whoever does so.
    fn changed(&mut self, index: usize, entry: Entry) {
        let (at_ms, requests_per_hour) = (self.at_ms(), self.settings.requests_per_hour);
        let Some(life) = self.lives.get_mut(index) else { return };
        let (reason, figures) = (explain::of_entry(&entry), explain::figures(&entry));
        let (before, after) = (std::mem::replace(&mut life.live, entry.state), life.live.clone());
        self.changes += 1;
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
        if (&before.stage, before.percentage, before.phase) != (&after.stage, after.percentage, after.phase) {
            life.watch.enter(&life.plan, &life.healthy, &after, requests_per_hour);
        }
        let has_fallen = after.percentage < before.percentage || after.killed && !before.killed;
        let is_forward = after.percentage > before.percentage
            || after.stage != before.stage
            || after.has_ended() && !before.has_ended();
        let kind = match entry.command {
            Command::Apply { .. } | Command::Approve(_) => return,
            _ if has_fallen => Kind::Back,
            Command::Rollback(_) | Command::Kill(_) | Command::Pause => Kind::Back,
            _ if is_forward => Kind::Forward,
            _ => Kind::Change,
        };
        self.tell(index, kind, &entry.actor, entry.command.name(), reason);
        if let Some(event) = self.events.last_mut() {
            event.figures = figures;
        }
    }

    fn tell(&mut self, index: usize, kind: Kind, by: &str, command: &'static str, text: String) {
        let Some(life) = self.lives.get(index) else { return };
        let live = &life.live;
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
        let evaluation = self.deployment().metrics.get(&life.key).and_then(|metrics| metrics.last.as_ref());
        let mut texts = Vec::new();
        for blocker in &life.blocked {
            texts.push(match (&life.refused, blocker) {
                (Some(why), Blocker::Draft) => format!("not started: {why}"),
                _ => words(blocker),
            });
            if matches!(blocker, Blocker::Gates(..))
                && let Some(evaluation) = evaluation
            {
                let open = evaluation.gates.iter().filter(|gate| gate.verdict != tidegate_decide::judge::Verdict::Pass);
                texts.extend(open.map(|gate| match gate.text.as_str() {
                    "" => gate.figures.iter().map(explain::figure).collect::<Vec<_>>().join("; "),
                    text => text.to_owned(),
                }));
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
