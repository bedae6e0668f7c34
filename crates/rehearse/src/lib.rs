//! A simulation as the console's page Rehearse has it: texts in, JSON out, in pieces small enough that
//! a browser can draw while it runs and stop it. It decides nothing: plans and scenarios are read where
//! the command reads them, and what comes of them is the simulation's doing.

#[cfg(target_arch = "wasm32")]
mod bindings;
mod outline;
mod settings;

use serde::Serialize;

use self::outline::Outline;
use self::settings::{Limits, SettingFault};
use tidegate_model::Name;
use tidegate_model::plan::Plan;
use tidegate_simulate::point::{Compared, Point, comparisons};
use tidegate_simulate::scenario::{Scenario, parse};
use tidegate_simulate::summary::summaries;
use tidegate_simulate::{Event, RunOutcome, Settings, Simulation};
use tidegate_text::Source;
use tidegate_text::fault_lines::{FaultLine, lines};
use tidegate_text::plans::read_all;

/// Points are so close that a plot of any length shows none between them: each is this share of the
/// time so far after the one before,
const POINTS_SHARE: i64 = 500;
/// but no less than one look.
const POINTS_MS_MIN: i64 = 10_000;

/// What is wrong with plans, a scenario and settings, and what the plans hold.
#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    plan: Vec<FaultLine<'a>>,
    scenario: Vec<FaultLine<'a>>,
    settings: Vec<SettingFault>,
    rollouts: Vec<Outline>,
    limits: Limits,
}

/// What was asked for, read.
struct Asked {
    plan: [Source; 1],
    scenario: [Source; 1],
    plans: Vec<Plan>,
    read: Scenario,
    settings: Settings,
    faults: Vec<SettingFault>,
    is_ok: bool,
}

impl Asked {
    fn read(plans_text: &str, scenario_text: &str, settings_text: &str) -> Self {
        let [mut plan, mut scenario] = [("plan", plans_text), ("scenario", scenario_text)]
            .map(|(name, text)| Source::new(name.to_owned(), text.to_owned()));
        let mut plans: Vec<Plan> = Vec::new();
        let mut is_ok = false;
        if let Ok(loaded) = read_all(vec![plan.clone()], None) {
            is_ok = !loaded.has_errors();
            plans = loaded.plans.into_iter().map(|(_, plan)| plan).collect();
            plan.faults = loaded.sources.into_iter().flat_map(|source| source.faults).collect();
        }
        let mut read = Scenario::default();
        let (settings, faults) = settings::read(settings_text, &plans);
        // What a scenario is about is known once the plans are.
        if is_ok {
            match parse(scenario_text, &plans.iter().collect::<Vec<_>>()) {
                Ok(found) => read = found,
                Err(found) => scenario.faults = found,
            }
        }
        is_ok &= scenario.faults.is_empty() && faults.is_empty() && !plans.is_empty();
        Self { plan: [plan], scenario: [scenario], plans, read, settings, faults, is_ok }
    }

    fn progress(&self) -> String {
        let rollouts = self.plans.iter().map(|plan| Outline::of(plan, self.settings.requests_per_hour)).collect();
        json(&Checked {
            ok: self.is_ok,
            plan: lines(&self.plan),
            scenario: lines(&self.scenario),
            settings: self.faults.clone(),
            rollouts,
            limits: Limits::new(),
        })
    }
}

/// What is wrong with plans (TOML, or the JSON of `tidegate compile`), a scenario and settings, and what
/// the plans hold, as JSON.
pub fn check(plans: &str, scenario: &str, settings: &str) -> String {
    Asked::read(plans, scenario, settings).progress()
}

/// What came of many runs, of their fates as a JSON list, as JSON.
///
/// # Errors
/// When they are no fates.
pub fn summary(fates: &str) -> Result<String, String> {
    let fates: Vec<RunOutcome> = serde_json::from_str(fates).map_err(|error| error.to_string())?;
    Ok(json(&summaries(&fates.iter().collect::<Vec<_>>())))
}

/// A simulation under way.
pub struct Rehearsal {
    simulation: Simulation,
    /// The rollouts that count.
    tracks: Vec<Track>,
    /// When the last points were taken, in milliseconds since the start.
    pointed_ms: i64,
    /// How many events were there then, and how many have been reported.
    events: (usize, usize),
    is_over: bool,
}

/// The points of one rollout that have not been reported yet.
#[derive(Serialize)]
struct Track {
    rollout: Name,
    comparisons: Vec<Compared>,
    points: Vec<Point>,
}

/// How far a rehearsal is.
#[derive(Serialize)]
struct Progress {
    over: bool,
    start_ms: i64,
    at_ms: i64,
    until_ms: i64,
}

/// An event with the time since the start.
#[derive(Serialize)]
struct Happened<'a> {
    at_ms: i64,
    #[serde(flatten)]
    event: &'a Event,
}

/// What has become of a rehearsal.
#[derive(Serialize)]
struct Results {
    over: bool,
    start: tidegate_model::Instant,
    fates: Vec<RunOutcome>,
    never: Vec<String>,
}

impl Rehearsal {
    /// Begins one.
    ///
    /// # Errors
    /// With what [`check`] says.
    pub fn new(plans: &str, scenario: &str, settings: &str) -> Result<Self, String> {
        let asked = Asked::read(plans, scenario, settings);
        if !asked.is_ok {
            return Err(asked.progress());
        }
        let simulation = Simulation::new(&asked.plans, &asked.read, &asked.settings);
        let counts = |plan: &&Plan| asked.settings.rollout.as_ref().is_none_or(|key| *key == plan.key);
        let tracks = asked
            .plans
            .iter()
            .filter(counts)
            .map(|plan| Track { rollout: plan.key.clone(), comparisons: comparisons(plan), points: Vec::new() })
            .collect();
        let mut rehearsal = Self { simulation, tracks, pointed_ms: 0, events: (0, 0), is_over: false };
        rehearsal.point();
        Ok(rehearsal)
    }

    /// Goes on by so many steps at the most. Returns how far it is, as JSON.
    pub fn step(&mut self, steps: u32) -> String {
        for _ in 0..steps {
            if self.is_over {
                break;
            }
            self.is_over = !self.simulation.step();
            let at_ms = self.simulation.at_ms();
            let is_due = at_ms - self.pointed_ms >= (at_ms / POINTS_SHARE).max(POINTS_MS_MIN);
            if is_due || self.is_over || self.simulation.events().len() > self.events.0 {
                self.point();
            }
        }
        json(&Progress {
            over: self.is_over,
            start_ms: self.simulation.began().as_epoch_ms(),
            at_ms: self.simulation.at_ms(),
            until_ms: self.simulation.until_ms(),
        })
    }

    /// The points of each rollout that counts since they were last asked for, as JSON.
    pub fn points(&mut self) -> String {
        let progress = json(&self.tracks);
        self.tracks.iter_mut().for_each(|track| track.points.clear());
        progress
    }

    /// What has happened to them since that was last asked for, as JSON.
    pub fn events(&mut self) -> String {
        let start_ms = self.simulation.began().as_epoch_ms();
        let events = self.simulation.events();
        let is_shown = |event: &&Event| self.tracks.iter().any(|track| track.rollout == event.rollout);
        let new = events.iter().skip(self.events.1).filter(is_shown);
        let progress =
            json(&new.map(|event| Happened { at_ms: event.at.as_epoch_ms() - start_ms, event }).collect::<Vec<_>>());
        self.events.1 = events.len();
        progress
    }

    /// What has become of them so far, as JSON; each fate as `tidegate simulate --json` prints it.
    pub fn report(&self) -> String {
        let is_shown = |fate: &RunOutcome| self.tracks.iter().any(|track| track.rollout == fate.rollout);
        let fates = self.simulation.fates().into_iter().filter(is_shown).collect();
        json(&Results { over: self.is_over, start: self.simulation.began(), fates, never: self.simulation.never() })
    }

    fn point(&mut self) {
        self.pointed_ms = self.simulation.at_ms();
        self.events.0 = self.simulation.events().len();
        for track in &mut self.tracks {
            track.points.extend(self.simulation.point(&track.rollout, &track.comparisons));
        }
    }
}

fn json(progress: &impl Serialize) -> String {
    serde_json::to_string(progress).unwrap_or_default()
}
