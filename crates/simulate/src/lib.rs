//! Simulates rollouts under a virtual clock and generated traffic, with the controller of production: users are
//! assigned by the real assignment, their requests are counted in windows as isolates count them and reach the
//! controller in flushes, operators' commands come as calls, and the controller alone decides what follows.
//!
//! Only these are generated: the time, who comes and when, what new and legacy answer, what others report, and what
//! operators do. The healthy figures come from the plan ([`healthy`]); a [`scenario`] changes them. Rollouts of one
//! file run in one deployment, so that they can wait for and require each other. They share the requests, but each
//! has its own outcome on new.
//!
//! Operators start plans without a `start`, and advance stages with `advance = "manual"` once nothing else blocks
//! them. They approve checklist items only where the scenario says so.
//!
//! Nothing here reads a clock or a file or starts a thread, so that a browser can run it too; the same seed gives the
//! same run.

mod act;
pub mod chance;
pub mod counts;
mod ending;
mod expected;
pub mod healthy;
pub mod life;
pub mod outcome;
mod platform;
pub mod point;
pub mod population;
mod rhythm;
pub mod run;
pub mod scenario;
pub mod summary;
pub mod traffic;
mod watch;
pub mod world;

pub use outcome::{Event, Kind, Outcome, Report, RunOutcome};
pub use run::Simulation;

use std::ops::RangeInclusive;

use tidegate_model::plan::Plan;
use tidegate_model::{Instant, Name};

/// 4 January 2027, a Monday, at 08:00 UTC: where neither the settings nor a plan says when.
pub const START_MS: i64 = 1_799_049_600_000;
const DAY_MS: i64 = 86_400_000;

/// What is made up.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Chance.
    pub seed: u64,
    /// How many subjects there are.
    pub subjects: usize,
    /// How many requests they make.
    pub requests_per_hour: f64,
    /// When it begins.
    pub start: Option<Instant>,
    /// How long it goes on at the most, in milliseconds.
    pub until_ms: Option<i64>,
    /// From one look to the next, in milliseconds, where that is not left to the simulation.
    pub look_ms: Option<i64>,
    /// The rollout that counts: the run ends with it.
    pub rollout: Option<Name>,
}

/// How many subjects there may be.
pub const SUBJECTS: RangeInclusive<u32> = 1..=1_000_000;
/// How many requests they may make in an hour.
pub const REQUESTS_PER_HOUR: RangeInclusive<u32> = 0..=10_000_000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            subjects: 2_000,
            requests_per_hour: 6_000.0,
            start: None,
            until_ms: None,
            look_ms: None,
            rollout: None,
        }
    }
}

impl Settings {
    /// When it begins: as said, else with the first plan that says when, else on a Monday at 08:00 UTC.
    pub fn start(&self, plans: &[Plan]) -> Instant {
        let planned = || plans.iter().filter_map(|plan| plan.start_at()).min();
        self.start.or_else(planned).unwrap_or_else(|| Instant::from_epoch_ms(START_MS))
    }

    /// How long it goes on at the most: as said, else three times all holds, and two weeks.
    pub fn until_ms(&self, plans: &[Plan]) -> i64 {
        let holds: u64 =
            plans.iter().flat_map(|plan| &plan.stages).filter_map(|stage| stage.hold).map(|hold| hold.as_ms()).sum();
        self.until_ms
            .unwrap_or_else(|| i64::try_from(holds.saturating_mul(3)).unwrap_or(i64::MAX).saturating_add(14 * DAY_MS))
    }
}
