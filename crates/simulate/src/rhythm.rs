//! How often a simulated controller evaluates.
//!
//! The controller evaluates every ten seconds where it matters when something is noticed: in the first hour of a
//! rollout, in the hour after the scenario did something to it, and in stages that last seconds. Else it evaluates
//! every minute while the scenario has something in force, and every other minute while all is well.
//!
//! Where all is calm it evaluates every quarter of an hour, and as soon as a guardrail may have come true ([`watch`]): that
//! is, where the scenario has done nothing, nothing but a time is waited for, and no guardrail is near to coming true.
//! What must hold without a break has one where two evaluations are further apart than that. A step goes from one
//! evaluation to the next, unless the scenario has something in between, or the controller changes something; what is
//! counted in it has windows of two minutes, and longer ones in a calm step where no condition sees the difference.
//!
//! What is evaluated is put into words only where somebody reads it, which takes as long as evaluating it.
//!
//! [`watch`]: super::watch

use tidegate_decide::judge::{Evaluation, Judgement, Verdict};
use tidegate_model::figure::Because;
use tidegate_model::live::Phase;
use tidegate_model::minute::MINUTE_MS;

use super::life::SimulatedRollout;
use super::run::Simulation;

/// A step where it matters.
pub const STEP_MS_MIN: i64 = 10_000;
/// A step while all is well.
const STEP_MS_MAX: i64 = 2 * MINUTE_MS;
/// A step while all is calm. In each quarter of an hour a comparison lays a new stake, which a longer step would play on
/// what came before it.
pub const CALM_MS: i64 = 15 * MINUTE_MS;
/// For so long it does.
const FINE_MS: i64 = 3_600_000;
/// Stages with a shorter hold are looked at in fine steps.
const HOLD_MS_MIN: u64 = 600_000;

impl Simulation {
    /// From now to the next evaluation, in milliseconds.
    pub(super) fn evaluate_ms(&self) -> i64 {
        if let Some(look_ms) = self.settings.look_ms {
            return look_ms;
        }
        let at_ms = self.at_ms();
        let is_recent = |ms: i64| at_ms - ms < FINE_MS;
        let matters = |life: &SimulatedRollout| {
            let Some(rollout) = self.deployment().rollouts.get(&life.key) else { return false };
            let record = &rollout.record;
            let runs = record.live.phase == Phase::Running && !record.is_waiting;
            let stage = life.plan.stage_index(record.live.stage.as_str()).and_then(|index| life.plan.stages.get(index));
            let is_short = stage.and_then(|stage| stage.hold).is_some_and(|hold| hold.as_ms() < HOLD_MS_MIN);
            let begun_ms = record.begun.ms_since(self.start);
            runs && (is_short || is_recent(begun_ms)) || life.harmed_ms.is_some_and(is_recent)
        };
        let is_harmed = |life: &SimulatedRollout| {
            life.turns.iter().any(|turn| turn.is_on && !turn.is_over && !turn.line.what.is_by_hand())
        };
        let wanted_ms = match () {
            () if self.lives.iter().any(matters) => STEP_MS_MIN,
            () if self.lives.iter().any(is_harmed) => MINUTE_MS,
            () if self.is_calm() => return self.calm_ms(),
            () => STEP_MS_MAX,
        };
        self.to_whole(wanted_ms)
    }

    /// From now to the next whole multiple of a time: evaluations are at whole minutes, as windows are.
    const fn to_whole(&self, ms: i64) -> i64 {
        ms - self.now.as_epoch_ms().rem_euclid(ms)
    }

    /// Whether an evaluation more or less changes nothing: the scenario has done nothing, no guardrail is near to coming
    /// true, and nothing but a time is waited for.
    pub(super) fn is_calm(&self) -> bool {
        let deployment = self.platform.deployment();
        let mut lived = self.lives.iter().zip(&self.lived).filter(|(_, is_lived)| **is_lived);
        self.lived.contains(&true)
            && lived.all(|(life, _)| {
                let waits = life.blocked.iter().any(|blocker| blocker.until().is_some());
                let evaluation = deployment.metrics.get(&life.key).and_then(|metrics| metrics.last.as_ref());
                life.first_harm.is_none()
                    && evaluation.is_some_and(|evaluation| {
                        (waits || holds_for_ms(evaluation) > CALM_MS)
                            && !is_unfair(evaluation)
                            && !life.watch.is_near(&life.plan, evaluation)
                    })
            })
    }

    /// Whether somebody reads what the controller evaluates: where a rollout waits for more than the time.
    pub(super) fn is_read(&self) -> bool {
        let waits = |life: &SimulatedRollout| {
            !life.blocked.is_empty() && life.blocked.iter().all(|blocker| blocker.until().is_none())
        };
        self.lives.iter().any(waits)
    }

    /// How long windows are while all is calm, in milliseconds: as fine as one of the rollouts needs them.
    pub(super) fn calm_window_ms(&self) -> i64 {
        let lived = self.lives.iter().zip(&self.lived).filter(|(_, is_lived)| **is_lived);
        lived.map(|(life, _)| life.watch.window_ms()).min().unwrap_or(CALM_MS)
    }

    /// From now to the next evaluation while all is calm, in milliseconds: until the schedule has something, at the
    /// latest.
    fn calm_ms(&self) -> i64 {
        let due = self.deployment().wake(self.now).map(|at| at.ms_since(self.now));
        let calm_ms = self.to_whole(CALM_MS);
        due.filter(|due_ms| *due_ms > 0).map_or(calm_ms, |due_ms| calm_ms.min(due_ms))
    }
}

/// For how long at the least every gate that does not pass has to hold on, in milliseconds; 0 where one waits for
/// anything else.
fn holds_for_ms(evaluation: &Evaluation) -> i64 {
    let rest_ms = |judgement: &Judgement| {
        let figures = judgement.figures.iter();
        let rests = figures.filter_map(|figure| match figure.because {
            Because::Held { for_ms, needed_ms } => Some(i64::try_from(needed_ms).unwrap_or(i64::MAX) - for_ms),
            _ => None,
        });
        rests.max().unwrap_or_default()
    };
    let open = evaluation.gates.iter().filter(|gate| gate.verdict != Verdict::Pass);
    open.map(rest_ms).min().unwrap_or_default()
}

/// Whether a sample ratio mismatch has half of the evidence that it needs.
fn is_unfair(evaluation: &Evaluation) -> bool {
    let mut figures = evaluation.sample_ratio.iter().flat_map(|judgement| &judgement.figures);
    figures.any(|figure| figure.e_value.zip(figure.e_needed).is_some_and(|(value, needed)| value * value > needed))
}
