//! The run, step by step: requests come and are counted, an isolate flushes the counts to the controller, and the
//! controller's alarm rings at each time that it asks for. What it decides then is its own; nothing of it is decided
//! here.

use std::rc::Rc;

use rand_xoshiro::rand_core::SeedableRng as _;

use super::Settings;
use super::chance::{Chance, poisson};
use super::life::SimulatedRollout;
use super::outcome::{Event, Outcome, Report};
use super::platform::Platform;
use super::population::{Dealt, Population, Request, Seats};
use super::rhythm::STEP_MS_MIN;
use super::scenario::{Scenario, What};
use tidegate_decide::deployment::Deployment;
use tidegate_model::live::Phase;
use tidegate_model::measured::{SlicedCounts, Window};
use tidegate_model::minute::MINUTE_MS;
use tidegate_model::plan::Plan;
use tidegate_model::{Instant, Name};
use tidegate_protocol::flush::Counted;

/// What is counted of so long is one window.
const WINDOW_MS: i64 = 2 * MINUTE_MS;
/// The controller's alarm rings at most so often in a step.
const ALARMS_MAX: usize = 1_000;
/// A flush arrives so much before the alarm rings that evaluates what it brings.
const FLUSH_MS: i64 = 1;
/// What the scenario does after a rollout has ended is given so long to show.
const SHOWING_MS: i64 = 24 * 3_600_000;

/// A deployment and its made-up world.
pub struct Simulation {
    pub(super) platform: Platform,
    pub(super) lives: Vec<SimulatedRollout>,
    pub(super) events: Vec<Event>,
    /// Why the plans were refused; then there are no rollouts.
    pub(super) refused: Option<String>,
    /// How many changes there have been.
    pub(super) changes: u64,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) settings: Settings,
    until_ms: i64,
    chance: Chance,
    population: Population,
    seats: Vec<Seats>,
    /// The requests of one window; what is here is of the last one.
    requests: Vec<Request>,
    /// The revision that each rollout has there.
    revisions: Vec<u64>,
    /// Whether each life goes on.
    pub(super) lived: Vec<bool>,
    /// How long the last step was, in milliseconds.
    pub(super) stepped_ms: i64,
    /// The changes up to which the seats are right.
    seated: Option<u64>,
    is_over: bool,
}

impl Simulation {
    /// The plans of one deployment, and what happens to them.
    pub fn new(plans: &[Plan], scenario: &Scenario, settings: &Settings) -> Self {
        let mut chance = Chance::seed_from_u64(settings.seed);
        let start = settings.start(plans);
        let mut shared: Vec<Rc<Plan>> = plans.iter().cloned().map(Rc::new).collect();
        shared.sort_by(|one, other| one.key.cmp(&other.key));
        let population = Population::new(settings.subjects, &shared, &mut chance);
        let mut platform = Platform::default();
        platform.evaluate_every(settings.look_ms.unwrap_or(STEP_MS_MIN), true, start);
        let applied = platform.apply(&serde_json::to_string(plans).unwrap_or_default(), start);
        let lives = shared
            .iter()
            .map(|plan| {
                SimulatedRollout::new(plan, scenario, settings.requests_per_hour, population.subjects.len(), start)
            })
            .collect();
        let mut simulation = Self {
            platform,
            refused: applied.err().map(|refused| refused.detail),
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
            requests: Vec::new(),
            revisions: Vec::new(),
            lived: Vec::new(),
            stepped_ms: 0,
            seated: None,
            is_over: false,
        };
        simulation.lives.iter_mut().for_each(SimulatedRollout::place);
        simulation.platform.ring(start);
        simulation.take_in();
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
    pub fn deployment(&self) -> &Deployment {
        self.platform.deployment()
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
        self.now.ms_since(self.start)
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
        let from = self.now;
        let evaluate_ms = self.evaluate_ms();
        let is_read = self.is_read();
        self.platform.evaluate_every(evaluate_ms, is_read, from);
        self.seat();
        let wanted = self.ring_until(self.step_until(evaluate_ms));
        let (counted, reached) = self.traffic(from, wanted);
        let until = reached.max(self.now);
        self.now = until;
        self.stepped_ms = until.ms_since(from);
        self.report_signals();
        self.platform.flush(counted, self.faults(), until.minus_ms(FLUSH_MS));
        if until < wanted {
            self.platform.evaluate_every(STEP_MS_MIN, is_read, until);
        }
        self.platform.ring(until);
        self.take_in();
        self.go_on();
        self.turn();
        self.go_on();
        self.is_over = self.is_settled();
        true
    }

    /// Until when the next step goes: until the next evaluation, or until the scenario has something.
    fn step_until(&self, evaluate_ms: i64) -> Instant {
        let (now_ms, at_ms) = (self.now.as_epoch_ms(), self.at_ms());
        let turn_ms = self.lives.iter().filter_map(|life| life.next_turn_ms(at_ms)).min();
        let turn_ms = turn_ms.map(|turn_ms| (turn_ms - at_ms).max(STEP_MS_MIN));
        let wanted_ms = if self.settings.look_ms.is_some() { None } else { turn_ms };
        Instant::from_epoch_ms(now_ms + evaluate_ms.min(wanted_ms.unwrap_or(evaluate_ms)))
    }

    /// Rings the controller's alarm at each time before `until` that it asks for. Returns when something changed, which
    /// ends the step: who comes later comes to another state.
    fn ring_until(&mut self, until: Instant) -> Instant {
        let changes = self.changes;
        for _ in 0..ALARMS_MAX {
            let Some(at) = self.platform.wake(self.now).filter(|at| *at < until) else { break };
            self.now = self.now.max(at);
            self.platform.ring(self.now);
            self.take_in();
            if self.changes != changes {
                return self.now;
            }
        }
        until
    }

    /// Others report what they measure.
    fn report_signals(&mut self) {
        let (now, at_ms) = (self.now, self.at_ms());
        for life in self.lives.iter_mut().zip(&self.lived).filter(|(_, is_lived)| **is_lived).map(|(life, _)| life) {
            let platform = &mut self.platform;
            let key = life.key.clone();
            life.report(at_ms, |name, value| platform.report(&key, name, value, now));
        }
    }

    /// What isolates find wrong with the configuration.
    fn faults(&self) -> Vec<(String, String)> {
        let lived = self.lives.iter().zip(&self.lived).filter(|(_, is_lived)| **is_lived).map(|(life, _)| life);
        let of = |life: &SimulatedRollout| {
            let subject = format!("stage/{}", life.key);
            (1..=life.conditions.faults).map(move |fault| (subject.clone(), format!("fault {fault} of the scenario")))
        };
        lived.flat_map(of).collect()
    }

    /// Deals the subjects out, where anything has changed.
    fn seat(&mut self) {
        if self.seated == Some(self.changes) {
            return;
        }
        let keys: Vec<Name> = self.lives.iter().map(|life| life.key.clone()).collect();
        let rollouts = &self.platform.deployment().rollouts;
        for (life, rollout) in self.lives.iter_mut().zip(rollouts.iter()) {
            if rollout.record.live.reached.is_none() {
                life.traffic.forget_use();
            }
        }
        let dealt: Vec<Dealt<'_>> = rollouts
            .iter()
            .zip(&self.lives)
            .map(|(rollout, life)| Dealt::new(&rollout.plan, &rollout.record, &keys, life.traffic.used()))
            .collect();
        self.seats = self.population.seats(&dealt, &self.seats, self.now);
        for (life, seats) in self.lives.iter_mut().zip(&self.seats) {
            life.traffic.toll.kept = life.traffic.toll.kept.max(seats.kept);
        }
        self.revisions = self.lives.iter().map(|life| life.live.revision).collect();
        self.seated = Some(self.changes);
    }

    /// Lets requests come, to where the state at the beginning of the step deals them out: isolates learn of a new
    /// one within a second or two. Returns what is counted of them, and until when they came: a calm step ends as soon as
    /// it is calm no longer.
    fn traffic(&mut self, from: Instant, until: Instant) -> (Vec<Counted>, Instant) {
        let is_calm = self.settings.look_ms.is_none() && self.is_calm();
        let window_ms = if is_calm { self.calm_window_ms() } else { WINDOW_MS };
        let mut flushed = Vec::new();
        let mut at_ms = from.as_epoch_ms();
        while at_ms < until.as_epoch_ms() {
            let end_ms = (at_ms - at_ms.rem_euclid(window_ms) + window_ms).min(until.as_epoch_ms());
            self.window(Instant::from_epoch_ms(at_ms), end_ms - at_ms, &mut flushed);
            at_ms = end_ms;
            if is_calm && !self.is_calm() {
                break;
            }
        }
        // An isolate says once in a flush what comparisons may use.
        for life in &mut self.lives {
            if let Some(last) = flushed.iter_mut().rev().find(|counted| counted.rollout == life.key) {
                last.compared = life.traffic.compared();
            }
        }
        (flushed, Instant::from_epoch_ms(at_ms))
    }

    /// The same for one window.
    fn window(&mut self, from: Instant, length_ms: i64, flushed: &mut Vec<Counted>) {
        let count = poisson(&mut self.chance, self.settings.requests_per_hour * length_ms as f64 / 3_600_000.0);
        self.population.requests(from, length_ms, count, &mut self.chance, &mut self.requests);
        let lived = self.lives.iter_mut().zip(&mut self.seats).zip(&self.revisions).zip(&self.lived);
        for ((life, seats), revision) in lived.filter(|(_, is_lived)| **is_lived).map(|(life, _)| life) {
            let mut window =
                life.traffic.count(&self.requests, &self.population, seats, from.minute(), *revision, &mut self.chance);
            life.traffic.copy(&mut window, life.shadow_share(), &mut self.chance);
            if !window.sides.is_empty() {
                life.watch.note(&life.plan, &window);
                flushed.push(Counted { rollout: life.key.clone(), window, compared: SlicedCounts::default() });
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
        match what {
            What::Count(name, count) => self.platform.report(&life.key, name.as_str(), *count, now),
            What::Reporters(name, count) => {
                let Some(rollout) = self.platform.deployment().rollouts.get(&life.key) else { return };
                let mut window = Window::at(now.minute(), rollout.record.live.revision);
                if let Some(seats) = self.seats.get(index) {
                    let count = usize::try_from(*count).unwrap_or_default();
                    life.traffic.reporters(name, count, seats, &mut window);
                }
                let counted = Counted { rollout: life.key.clone(), window, compared: SlicedCounts::default() };
                self.platform.flush(vec![counted], Vec::new(), now);
            }
            _ => {}
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
        let Some(rollout) = self.deployment().rollouts.get(&life.key) else { return false };
        let live = &rollout.record.live;
        let goes_on =
            Outcome::of(live) == Outcome::Unfinished || self.is_showing(life) || life.has_turns_after(self.at_ms());
        goes_on && live.phase != Phase::Draft && !rollout.record.is_waiting
    }

    /// Whether a rollout goes nowhere by itself any more; `depth` bounds how far it is looked who
    /// waits for whom.
    fn is_stuck(&self, key: &Name, depth: usize) -> bool {
        use tidegate_decide::schedule::Blocker;
        let (Some(rollout), Some(life)) =
            (self.deployment().rollouts.get(key), self.lives.iter().find(|life| life.key == *key))
        else {
            return true;
        };
        if Outcome::of(&rollout.record.live) != Outcome::Unfinished {
            return true;
        }
        let is_for_good = |blocker: &Blocker| match blocker {
            Blocker::Draft | Blocker::Checklist(_) => true,
            Blocker::After(names) => names.iter().any(|name| {
                let has_ended = self.deployment().rollouts.get(name).is_some_and(|other| other.record.live.has_ended());
                !has_ended && depth > 0 && self.is_stuck(name, depth - 1)
            }),
            _ => false,
        };
        let is_passing =
            |blocker: &Blocker| matches!(blocker, Blocker::Hold(..) | Blocker::Gates(..) | Blocker::SampleRatio(_));
        life.blocked.iter().any(is_for_good) && !life.blocked.iter().any(is_passing)
    }
}
