//! One simulated rollout beside the deployment's own state: its world, its traffic, its scenario.

use std::rc::Rc;

use super::healthy::Healthy;
use super::scenario::{Line, Scenario, What};
use super::traffic::Traffic;
use super::watch::Watch;
use super::world::{Conditions, Injection};
use tidegate_decide::probes::counter;
use tidegate_decide::schedule::Blocker;
use tidegate_decide::sources::{fresh_for, heartbeat_of};
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::plan::Plan;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::record::Record;
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Name, Percentage};

/// Somebody whose reports are not expected at any time reports this often.
const REPORT_MS: i64 = 3_600_000;

/// One simulated rollout.
pub struct SimulatedRollout {
    /// Its key.
    pub key: Name,
    /// Its plan.
    pub plan: Rc<Plan>,
    /// What it would be like without the scenario.
    pub healthy: Healthy,
    /// What it is like.
    pub conditions: Conditions,
    /// What comes of its requests.
    pub traffic: Traffic,
    /// The lines of the scenario that are about it.
    pub turns: Vec<Injection>,
    /// When each stage was first entered, in milliseconds since the start.
    entered: Vec<(Name, i64)>,
    /// When each signal is reported next.
    reports: Vec<i64>,
    /// When each probe is made next.
    probed: Vec<i64>,
    /// When the scenario last did something to it, beside what people did.
    pub harmed_ms: Option<i64>,
    /// When it first did, and how many requests new had had.
    pub first_harm: Option<(i64, u64)>,
    /// When a guardrail acted on it, and how many requests new had had.
    pub acted: Option<(i64, u64)>,
    /// The same of the first alert.
    pub alerted: Option<(i64, u64)>,
    /// How many alerts there were.
    pub alerts: usize,
    /// What stood in the way when that was last looked at.
    pub blocked: Vec<Blocker>,
    /// Until when nothing but a change can take that away, and at which change that was found.
    pub asleep: (Instant, u64),
    /// What was last reported to stand in the way.
    pub reported: Vec<&'static str>,
    /// Its state, as of the last change.
    pub live: LiveState,
    /// When it was last evaluated.
    pub evaluated_at: Option<Instant>,
    /// Why it came into its last state, and when.
    pub last: Option<(String, i64)>,
    /// The stage that it was in before that.
    pub stage: Name,
    /// The revision at which checklists were last ticked.
    pub ticked: Option<u64>,
    /// Why operators could not start it, once that has been reported.
    pub refused: Option<String>,
    /// Whether a guardrail may come true.
    pub watch: Watch,
}

impl SimulatedRollout {
    /// The share of legacy's requests that is copied to new now.
    pub fn shadow_share(&self) -> Percentage {
        let LiveState { phase, killed, stage, .. } = &self.live;
        let is_on = matches!(phase, Phase::Running | Phase::Paused) && !killed;
        let index = self.plan.stage_index(stage.as_str()).filter(|_| is_on);
        index.map_or(Percentage::ZERO, |index| self.plan.shadow_share(index))
    }

    /// A rollout that nothing has happened to.
    pub fn new(plan: &Rc<Plan>, scenario: &Scenario, requests_per_hour: f64, subjects: usize, start: Instant) -> Self {
        let healthy = Healthy::of(plan, requests_per_hour);
        let about = |line: &&Line| line.is_about(&plan.key);
        let turns: Vec<Injection> = scenario.lines.iter().filter(about).cloned().map(Injection::new).collect();
        let conditions = Conditions::of(plan, &healthy, std::iter::empty());
        let traffic = Traffic::new(plan, &healthy, conditions.clone(), subjects);
        Self {
            key: plan.key.clone(),
            plan: Rc::clone(plan),
            reports: vec![0; healthy.signals.len()],
            probed: vec![0; plan.probes.len()],
            healthy,
            conditions,
            traffic,
            turns,
            entered: Vec::new(),
            harmed_ms: None,
            first_harm: None,
            acted: None,
            alerted: None,
            alerts: 0,
            blocked: Vec::new(),
            asleep: (start, 0),
            reported: Vec::new(),
            live: Record::draft(plan, start).live,
            evaluated_at: None,
            last: None,
            stage: plan.stages.first().map_or_else(|| plan.key.clone(), |stage| stage.name.clone()),
            ticked: None,
            refused: None,
            watch: Watch::new(plan),
        }
    }

    /// A stage was entered.
    pub fn enter(&mut self, stage: &Name, at_ms: i64) {
        if !self.entered.iter().any(|(own, _)| own == stage) {
            self.entered.push((stage.clone(), at_ms));
        }
        self.place();
    }

    /// Finds out when the scenario's lines are.
    pub fn place(&mut self) {
        for turn in &mut self.turns {
            turn.place(|stage| match stage {
                None => Some(0),
                Some(stage) => self.entered.iter().find(|(own, _)| own == stage).map(|(_, at_ms)| *at_ms),
            });
        }
    }

    /// The lines that begin or are done now, and those that end, each by its index.
    pub fn turn(&mut self, at_ms: i64) -> (Vec<usize>, Vec<usize>) {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        for (index, turn) in self.turns.iter_mut().enumerate().filter(|(_, turn)| !turn.is_over) {
            if !turn.is_on && turn.is_due(at_ms) {
                turn.is_on = true;
                begun.push(index);
            }
            if turn.is_on && turn.to_ms.is_some_and(|to| to <= at_ms) {
                turn.is_over = true;
                ended.push(index);
            }
        }
        if !begun.is_empty() || !ended.is_empty() {
            let done: Vec<What> = self
                .turns
                .iter()
                .filter(|turn| turn.is_on && !turn.is_over)
                .map(|turn| turn.line.what.clone())
                .collect();
            self.conditions = Conditions::of(&self.plan, &self.healthy, done.iter());
            self.traffic.suffer(self.conditions.clone());
            // Whoever measures a level tells of a change at once.
            self.reports.fill(at_ms);
            self.probed.fill(at_ms);
        }
        (begun, ended)
    }

    /// Takes note that the scenario has done something to it.
    pub fn harm(&mut self, at_ms: i64) {
        self.harmed_ms = Some(at_ms);
        self.first_harm.get_or_insert((at_ms, self.traffic.toll.on_new));
    }

    /// Whether operators tick every item.
    pub fn ticks_all(&self) -> bool {
        self.turns.iter().any(|turn| turn.is_on && turn.line.what == What::ApproveAll)
    }

    /// When the scenario next has something for it.
    pub fn next_turn_ms(&self, at_ms: i64) -> Option<i64> {
        let begins = self.turns.iter().filter(|turn| !turn.is_on).filter_map(|turn| turn.from_ms);
        let ends = self.turns.iter().filter(|turn| turn.is_on && !turn.is_over).filter_map(|turn| turn.to_ms);
        begins.chain(ends).filter(|ms| *ms > at_ms).min()
    }

    /// Whether a line's time may still come.
    pub fn has_turns_after(&self, at_ms: i64) -> bool {
        self.turns.iter().any(|turn| !turn.is_on && turn.from_ms.is_some_and(|from| from > at_ms))
    }

    /// Reports what others measure.
    pub fn report(&mut self, at_ms: i64, mut tell: impl FnMut(&str, f64)) {
        for ((probe, share), next_ms) in self.plan.probes.iter().zip(&self.conditions.probes).zip(&mut self.probed) {
            if *next_ms > at_ms {
                continue;
            }
            *next_ms = at_ms.saturating_add(i64::try_from(probe.every.as_ms()).unwrap_or(i64::MAX));
            for variant in &probe.on {
                // What the scenario does to a probe is done to new.
                let passed = if *variant == Variant::New { *share } else { 1.0 };
                tell(&counter(&probe.name, *variant, false), 1.0);
                tell(&counter(&probe.name, *variant, true), passed);
            }
        }
        for (((name, _), value), next_ms) in
            self.healthy.signals.iter().zip(&self.conditions.signals).zip(&mut self.reports)
        {
            let (Some(value), Some(signal)) = (value, self.plan.signals.get(name.as_str())) else { continue };
            if *next_ms > at_ms {
                continue;
            }
            let limit = match signal.kind {
                SignalKind::Gauge => fresh_for(&self.plan, name.as_str()),
                SignalKind::Count => heartbeat_of(&self.plan, name.as_str()),
            };
            let every_ms = limit.map_or(REPORT_MS, |limit| i64::try_from(limit.as_ms() / 2).unwrap_or(i64::MAX));
            let is_first = *next_ms == 0;
            *next_ms = at_ms.saturating_add(every_ms);
            // Of a count that nobody waits for, nothing is reported where there is nothing, but once, to
            // show that somebody is there.
            if *value > 0.0 || limit.is_some() || is_first {
                tell(name.as_str(), *value);
            }
        }
    }
}
