//! What has become of a run, once it is over.

use super::life::SimulatedRollout;
use super::outcome::{Outcome, Report, RunOutcome};
use super::run::Simulation;

impl Simulation {
    /// What has become of it.
    pub fn report(self) -> Report {
        Report { start: self.start, end: self.now, fates: self.fates(), never: self.never(), events: self.events }
    }

    /// What has become of each rollout so far, in the order of their keys.
    pub fn fates(&self) -> Vec<RunOutcome> {
        self.lives.iter().map(|life| self.fate(life)).collect()
    }

    /// Lines of the scenario whose time has not come so far.
    pub fn never(&self) -> Vec<String> {
        let never = self
            .lives
            .iter()
            .flat_map(|life| life.turns.iter().filter(|turn| !turn.is_on).map(|turn| turn.line.text.clone()));
        let mut never: Vec<String> = never.collect();
        never.dedup();
        never
    }

    fn fate(&self, life: &SimulatedRollout) -> RunOutcome {
        let live = self.deployment().rollouts.get(&life.key).map(|rollout| &rollout.record.live);
        let outcome = live.map_or(Outcome::Unfinished, Outcome::of);
        let hours = |ms: i64| (ms as f64 / 36_000.0).round() / 100.0;
        let (reason, at_ms) = match (&life.last, outcome) {
            (Some((reason, at_ms)), Outcome::Completed | Outcome::RolledBack | Outcome::Paused) => {
                (reason.clone(), *at_ms)
            }
            _ => (self.refused.clone().unwrap_or_else(|| self.in_the_way(life)), self.at_ms()),
        };
        let noticed = life.acted.or(life.alerted).zip(life.first_harm);
        let toll = life.traffic.toll;
        RunOutcome {
            rollout: life.key.clone(),
            seed: self.settings.seed,
            outcome,
            stage: if outcome == Outcome::RolledBack {
                life.stage.clone()
            } else {
                live.map_or_else(|| life.stage.clone(), |live| live.stage.clone())
            },
            percentage: live.map(|live| live.percentage).unwrap_or_default(),
            at_hours: hours(at_ms),
            reason,
            subjects_exposed: toll.exposed,
            subjects_kept: toll.kept,
            requests_on_new: toll.on_new,
            requests_failed: toll.failed,
            requests_rescued: toll.rescued,
            requests_until_detection: noticed.map(|((_, acted), (_, harmed))| acted.saturating_sub(harmed)),
            hours_until_detection: noticed.map(|((acted, _), (harmed, _))| hours(acted - harmed)),
            alerts: life.alerts,
        }
    }
}
