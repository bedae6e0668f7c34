//! The run: step by step, what comes in is counted, looked at and acted upon, as in the controller.
//!
//! A step takes ten seconds where it matters when something is noticed: in the first hour of a rollout, in
//! the hour after the scenario did something to it, and in stages that last seconds. Else it takes a
//! minute while the scenario has something in force, and two while all is well, which is still less than
//! the break between two looks that conditions with `for` allow. While a stage's hold has long to go its
//! gates are not looked at, since they count at its end alone.

use std::rc::Rc;

use fastrand::Rng;

use super::Settings;
use super::chance::poisson;
use super::life::SimulatedRollout;
use super::population::{Assigned, Dealt, Population, Request};
use super::scenario::{Scenario, What};
use super::told::{Event, Outcome, Report};
use crate::decide::deployment::Deployment;
use crate::decide::rollout::Rollout;
use crate::decide::series::{MINUTE_MS, minute_of};
use crate::model::live::Phase;
use crate::model::measured::{SlicedCounts, Window};
use crate::model::plan::Plan;
use crate::model::{Instant, Name};

/// A step where it matters.
const STEP_MS_MIN: i64 = 10_000;
/// A step while all is well.
const STEP_MS_MAX: i64 = 2 * MINUTE_MS;
/// For so long it does.
const FINE_MS: i64 = 3_600_000;
/// Stages with a shorter hold are looked at in fine steps.
const HOLD_MS_MIN: u64 = 600_000;
/// Old minutes are folded into hours so often.
const FOLD_MS: i64 = 30 * MINUTE_MS;
/// What the scenario does after a rollout has ended is given so long to show.
const SHOWING_MS: i64 = 24 * 3_600_000;

/// A deployment and its made-up world.
pub struct Simulation {
    pub(super) deployment: Deployment,
    pub(super) lives: Vec<SimulatedRollout>,
    pub(super) events: Vec<Event>,
    /// How many changes there have been.
    pub(super) changes: u64,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) settings: Settings,
    until_ms: i64,
    chance: Rng,
    population: Population,
    seats: Vec<Vec<Assigned>>,
    /// Whether each life goes on.
    lived: Vec<bool>,
    /// The changes up to which the seats are right.
    seated: Option<u64>,
    is_over: bool,
}

impl Simulation {
    /// The plans of one deployment, and what happens to them.
    pub fn new(plans: &[Plan], scenario: &Scenario, settings: &Settings) -> Self {
        let mut chance = Rng::with_seed(settings.seed);
        let start = settings.start(plans);
        let mut shared: Vec<Rc<Plan>> = plans.iter().cloned().map(Rc::new).collect();
        shared.sort_by(|one, other| one.key.cmp(&other.key));
        let population = Population::new(settings.subjects, &shared, &mut chance);
        let mut deployment = Deployment::default();
        shared.iter().for_each(|plan| deployment.rollouts.insert(Rollout::new(Rc::clone(plan), "".into(), 0, start)));
        let lives = shared
            .iter()
            .map(|plan| {
                SimulatedRollout::new(plan, scenario, settings.requests_per_hour, population.subjects.len(), start)
            })
            .collect();
        let mut simulation = Self {
            deployment,
            lives,
            events: Vec::new(),
            changes: 0,
            start,
            now: start,
            settings: settings.clone(),
            until_ms: settings.until_ms(plans),
            chance,
            population,
            seats: Vec::new(),
            lived: Vec::new(),
            seated: None,
            is_over: false,
        };
        simulation.lives.iter_mut().for_each(SimulatedRollout::place);
        simulation.turn();
        simulation.go_on();
        simulation
    }

    /// Runs to the end.
    pub fn run(mut self) -> Report {
        while self.step() {}
        self.report()
    }

    /// The deployment as it is now.
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// What has happened so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// When it began.
    pub const fn began(&self) -> Instant {
        self.start
    }

    /// Milliseconds since the start.
    pub fn at_ms(&self) -> i64 {
        self.now.as_epoch_ms() - self.start.as_epoch_ms()
    }

    /// The most that it may take, in milliseconds.
    pub const fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// One step; whether there is another.
    pub fn step(&mut self) -> bool {
        if self.is_over || self.at_ms() >= self.until_ms {
            return false;
        }
        self.lived = self.lives.iter().map(|life| self.is_lived(life)).collect();
        let (from, step_ms) = (self.now, self.step_ms());
        self.traffic(from, step_ms);
        self.now = Instant::from_epoch_ms(from.as_epoch_ms() + step_ms);
        let (now, at_ms) = (self.now, self.at_ms());
        for life in self.lives.iter_mut().zip(&self.lived).filter(|(_, is_lived)| **is_lived).map(|(life, _)| life) {
            let metrics = self.deployment.metrics.get_mut(&life.key);
            life.report(&mut metrics.signals, at_ms, now);
            if now.as_epoch_ms() % FOLD_MS == 0 {
                metrics.series.fold(now, &mut |_| ());
            }
        }
        self.evaluate();
        self.go_on();
        self.turn();
        self.go_on();
        self.is_over = self.is_settled();
        true
    }

    fn step_ms(&self) -> i64 {
        if let Some(look_ms) = self.settings.look_ms {
            return look_ms;
        }
        let at_ms = self.at_ms();
        let is_recent = |ms: i64| at_ms - ms < FINE_MS;
        let matters = |life: &SimulatedRollout| {
            let Some(rollout) = self.deployment.rollouts.get(&life.key) else { return false };
            let record = &rollout.record;
            let runs = record.live.phase == Phase::Running && !record.is_waiting;
            let stage = life.plan.stage_index(record.live.stage.as_str()).and_then(|index| life.plan.stages.get(index));
            let is_short = stage.and_then(|stage| stage.hold).is_some_and(|hold| hold.as_ms() < HOLD_MS_MIN);
            let begun_ms = record.begun.as_epoch_ms() - self.start.as_epoch_ms();
            runs && (is_short || is_recent(begun_ms)) || life.harmed_ms.is_some_and(is_recent)
        };
        let is_harmed = |life: &SimulatedRollout| {
            life.turns.iter().any(|turn| turn.is_on && !turn.is_over && !turn.line.what.is_by_hand())
        };
        let wanted_ms = match () {
            () if self.lives.iter().any(matters) => STEP_MS_MIN,
            () if self.lives.iter().any(is_harmed) => MINUTE_MS,
            () => STEP_MS_MAX,
        };
        // Steps end at whole minutes, and where the scenario has something.
        let now_ms = self.now.as_epoch_ms();
        let next_ms = self
            .lives
            .iter()
            .filter_map(|life| life.next_turn_ms(at_ms))
            .min()
            .map_or(i64::MAX, |next| (next - at_ms).max(STEP_MS_MIN));
        (wanted_ms - now_ms.rem_euclid(wanted_ms)).min(next_ms)
    }

    /// Lets requests come.
    fn traffic(&mut self, from: Instant, length_ms: i64) {
        if self.seated != Some(self.changes) {
            let keys: Vec<Name> = self.lives.iter().map(|life| life.key.clone()).collect();
            let dealt: Vec<Dealt> = self
                .deployment
                .rollouts
                .iter()
                .map(|rollout| Dealt::new(&rollout.plan, &rollout.record, &keys))
                .collect();
            self.seats = self.population.seats(&dealt);
            self.seated = Some(self.changes);
        }
        let count = poisson(&mut self.chance, self.settings.requests_per_hour * length_ms as f64 / 3_600_000.0);
        let moment = |index: usize| {
            Instant::from_epoch_ms(
                from.as_epoch_ms()
                    + length_ms * i64::try_from(index).unwrap_or_default() / i64::try_from(count).unwrap_or(i64::MAX),
            )
        };
        let requests: Vec<Request> =
            (0..count).map(|index| self.population.request(moment(index), &mut self.chance)).collect();
        let end = Instant::from_epoch_ms(from.as_epoch_ms() + length_ms);
        for ((life, seats), is_lived) in self.lives.iter_mut().zip(&self.seats).zip(&self.lived) {
            let Some(rollout) = self.deployment.rollouts.get(&life.key).filter(|_| *is_lived) else { continue };
            let (window, compared) = life.traffic.count(
                &requests,
                &self.population,
                seats,
                minute_of(from),
                rollout.record.live.revision,
                &mut self.chance,
            );
            if !window.sides.is_empty() {
                self.deployment.metrics.get_mut(&life.key).count(window, &compared, end);
            }
        }
    }

    /// Does what the scenario has for now.
    fn turn(&mut self) {
        let at_ms = self.at_ms();
        for index in 0..self.lives.len() {
            let Some(life) = self.lives.get_mut(index) else { continue };
            let (begun, ended) = life.turn(at_ms);
            for turn in begun {
                self.begin(index, turn);
            }
            for turn in ended {
                self.end(index, turn);
            }
            self.operate(index);
        }
    }

    /// Reports that happen once.
    pub(super) fn happen(&mut self, index: usize, what: &What) {
        let (Some(life), now) = (self.lives.get(index), self.now) else { return };
        let Some(rollout) = self.deployment.rollouts.get(&life.key) else { return };
        match what {
            What::Count(name, count) => {
                self.deployment.metrics.get_mut(&life.key).signals.report(name.as_str(), *count, now)
            }
            What::Reporters(name, count) => {
                let mut window = Window::at(minute_of(now), rollout.record.live.revision);
                let seats = self.seats.get(index).map_or(&[][..], Vec::as_slice);
                life.traffic.reporters(
                    name,
                    usize::try_from(*count).unwrap_or_default(),
                    &self.population,
                    seats,
                    &mut window,
                );
                self.deployment.metrics.get_mut(&life.key).count(window, &SlicedCounts::default(), now);
            }
            _ => {}
        }
    }

    /// Looks at what was measured, and carries out what guardrails ask for.
    fn evaluate(&mut self) {
        for index in 0..self.lives.len() {
            let Some(life) = self.lives.get(index) else { continue };
            let Deployment { rollouts, metrics, .. } = &mut self.deployment;
            let Some(rollout) = rollouts.get(&life.key).filter(|_| self.lived.get(index) == Some(&true)) else {
                continue;
            };
            let evaluation = metrics.get_mut(&life.key).evaluate(
                life.looked_at(&rollout.record, self.now),
                &rollout.record,
                life.conditions.faults,
                self.now,
            );
            if !evaluation.fired.is_empty() {
                let (fired, order) = (evaluation.fired.clone(), evaluation.order().cloned());
                self.fire(index, &fired, order);
            }
        }
    }

    /// Whether nothing more can happen that anybody wants to see.
    fn is_settled(&self) -> bool {
        let at_ms = self.at_ms();
        let counts = |life: &&SimulatedRollout| self.settings.rollout.as_ref().is_none_or(|key| *key == life.key);
        let is_over = |life: &SimulatedRollout| self.is_stuck(&life.key, self.lives.len()) && !self.is_showing(life);
        self.lives.iter().filter(counts).all(is_over) && !self.lives.iter().any(|life| life.has_turns_after(at_ms))
    }

    /// Whether the scenario has done something to a rollout after its end, which may still show.
    fn is_showing(&self, life: &SimulatedRollout) -> bool {
        let ended_ms = life.last.as_ref().map(|(_, ended_ms)| *ended_ms);
        life.harmed_ms
            .is_some_and(|ms| ended_ms.is_some_and(|ended_ms| ms >= ended_ms) && self.at_ms() < ms + SHOWING_MS)
    }

    /// Whether there is anything to be seen of a rollout. Who has not begun serves nobody, so no guardrail
    /// watches and no gate counts. Who has ended is left in peace unless the scenario goes on with it.
    fn is_lived(&self, life: &SimulatedRollout) -> bool {
        let Some(rollout) = self.deployment.rollouts.get(&life.key) else { return false };
        let live = &rollout.record.live;
        let goes_on =
            Outcome::of(live) == Outcome::Unfinished || self.is_showing(life) || life.has_turns_after(self.at_ms());
        goes_on && live.phase != Phase::Draft && !rollout.record.is_waiting
    }

    /// Whether a rollout goes nowhere by itself any more; `depth` bounds how far it is looked who
    /// waits for whom.
    fn is_stuck(&self, key: &Name, depth: usize) -> bool {
        use crate::decide::schedule::Blocker;
        let (Some(rollout), Some(life)) =
            (self.deployment.rollouts.get(key), self.lives.iter().find(|life| life.key == *key))
        else {
            return true;
        };
        if Outcome::of(&rollout.record.live) != Outcome::Unfinished {
            return true;
        }
        let is_for_good = |blocker: &Blocker| match blocker {
            Blocker::Draft | Blocker::Checklist(_) => true,
            Blocker::After(names) => names.iter().any(|name| {
                let has_ended = self.deployment.rollouts.get(name).is_some_and(|other| other.record.live.has_ended());
                !has_ended && depth > 0 && self.is_stuck(name, depth - 1)
            }),
            _ => false,
        };
        let is_passing =
            |blocker: &Blocker| matches!(blocker, Blocker::Hold(..) | Blocker::Gates(..) | Blocker::SampleRatio(_));
        life.blocked.iter().any(is_for_good) && !life.blocked.iter().any(is_passing)
    }
}
