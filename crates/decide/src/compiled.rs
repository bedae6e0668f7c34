//! A rollout as an assignment needs it: its plan and its live state, boiled down to numbers.
//!
//! Made once for each revision, so that an assignment is a few comparisons and one multiplication.

use std::ops::Range;

use super::cohort::Seed;
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::plan::{Plan, RobotSide, StickyMoves};
use tidegate_model::subject::SubjectHash;
use tidegate_model::variant::Variant;

/// Finds the number under which a deployment knows a group or a rollout.
pub trait GroupIndex {
    /// The number of a group of this plan.
    fn group(&self, plan: &Plan, name: &str) -> Option<usize>;
    /// The number of a rollout.
    fn rollout(&self, key: &str) -> Option<usize>;
}

/// A rollout by itself: no groups, and no other rollouts.
pub struct Alone;

impl GroupIndex for Alone {
    fn group(&self, _: &Plan, _: &str) -> Option<usize> {
        None
    }

    fn rollout(&self, _: &str) -> Option<usize> {
        None
    }
}

/// What holds for every subject alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The kill switch is on.
    Killed,
    /// No live state could be read.
    Unknown,
    /// Draft, waiting for another rollout, or rolled back to 0 %.
    Inactive,
    /// Subjects are distinguished.
    Active,
    /// Everybody is on new.
    Completed,
}

/// The step before which a visit began that stays where it is.
fn visits_since_s(plan: &Plan, known: &LiveState) -> Option<u64> {
    let since_s = u64::try_from(known.since.as_epoch_ms() / 1_000).ok()?;
    plan.sticky_moves.map(|StickyMoves::Visit| since_s)
}

/// Who is kept on new after a step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The buckets that the percentage has covered, and covers no more; empty where it has not gone down.
    pub buckets: Range<u32>,
    /// Use of new counts from here on, in seconds since 1970.
    pub from_s: u64,
}

/// Whom the plan keeps. It is known where the plan wants that, also before any step down, since use is noted then.
fn kept(plan: &Plan, known: &LiveState) -> Option<Kept> {
    let reached = known.reached.filter(|_| plan.keep.is_some())?;
    Some(Kept { buckets: known.left_behind(), from_s: u64::try_from(reached.from.as_epoch_ms() / 1_000).ok()? })
}

/// What people may choose: to go to legacy, and to new. A rollback is above who wants to be on new.
fn choices(plan: &Plan, phase: Phase) -> [bool; 2] {
    let allows = |variant| plan.choice.is_some_and(|choice| choice.allows(variant));
    [allows(Variant::Legacy), allows(Variant::New) && phase != Phase::RolledBack]
}

/// A rollout at one revision, ready to assign.
#[derive(Clone, Debug)]
pub struct CompiledRollout {
    /// What holds for every subject alike.
    pub mode: Mode,
    /// The live state's revision.
    pub revision: u64,
    /// The index of the current stage.
    pub stage: usize,
    /// Whether the rollout has ever been started, so that browsers may hold what new has sent.
    pub has_started: bool,
    /// What people may choose: to go to legacy, and to new.
    choices: [bool; 2],
    /// Visits that began before this, in seconds since 1970, stay where they are.
    pub(super) visits_since_s: Option<u64>,
    /// Who is kept on new after a step down, where the plan keeps who has used it.
    pub kept: Option<Kept>,
    pub(super) robots: RobotSide,
    pub(super) seed: Seed,
    pub(super) limit: u32,
    pub(super) holdout_seed: Seed,
    pub(super) holdout_limit: u32,
    pub(super) exclude: Box<[Option<usize>]>,
    pub(super) include: Box<[usize]>,
    pub(super) eligible: Option<Option<usize>>,
    pub(super) requires: Box<[Option<usize>]>,
}

impl CompiledRollout {
    /// Boils a rollout down. `state` is `None` when none could be read; `is_killed` is the kill
    /// switch outside the state; `is_waiting` that a rollout named in `after` has not ended.
    pub fn new(
        plan: &Plan,
        state: Option<&LiveState>,
        is_killed: bool,
        is_waiting: bool,
        directory: &impl GroupIndex,
    ) -> Self {
        let draft;
        let known = match state {
            Some(state) => state,
            None => {
                draft = LiveState::draft(plan);
                &draft
            }
        };
        let is_nobody = known.percentage.limit() == 0 && known.groups.is_empty();
        let mode = match (state, known.phase) {
            _ if is_killed || known.killed => Mode::Killed,
            (None, _) => Mode::Unknown,
            (_, Phase::Draft) => Mode::Inactive,
            (_, Phase::RolledBack) if is_nobody => Mode::Inactive,
            _ if is_waiting => Mode::Inactive,
            (_, Phase::Completed) => Mode::Completed,
            _ => Mode::Active,
        };
        let group = |name: &tidegate_model::Name| directory.group(plan, name.as_str());
        Self {
            mode,
            revision: known.revision,
            // Nobody knows where no state can be read.
            has_started: state.is_none_or(|state| state.phase != Phase::Draft),
            choices: choices(plan, known.phase),
            visits_since_s: visits_since_s(plan, known),
            kept: kept(plan, known),
            robots: plan.robots.side,
            stage: plan.stage_index(known.stage.as_str()).unwrap_or(0),
            seed: Seed::of(plan.salt()),
            limit: known.percentage.limit(),
            holdout_seed: Seed::of_holdout(plan.salt()),
            holdout_limit: plan.holdout.limit(),
            exclude: plan.exclude.iter().map(group).collect(),
            include: known.groups.iter().filter_map(group).collect(),
            eligible: plan.eligible.as_ref().map(group),
            requires: plan.requires.iter().map(|key| directory.rollout(key.as_str())).collect(),
        }
    }

    /// Whether anybody but a preview may be on new.
    pub fn may_be_new(&self) -> bool {
        match self.mode {
            Mode::Killed | Mode::Unknown | Mode::Inactive => false,
            Mode::Active => {
                !self.is_at_nobody() || self.has_choice() || self.visits_since_s.is_some() || self.kept.is_some()
            }
            Mode::Completed => true,
        }
    }

    /// Whether its assignment asks for that of another rollout.
    pub const fn has_requirements(&self) -> bool {
        !self.requires.is_empty()
    }

    /// Whether there is anything to choose.
    pub const fn has_choice(&self) -> bool {
        let [out, into] = self.choices;
        out || into
    }

    /// Whether people may choose a side now.
    pub fn may_choose(&self, variant: Variant) -> bool {
        let [out, into] = self.choices;
        if variant == Variant::New { into } else { out }
    }

    /// Whether the hash alone, at the percentage of now, puts a bucket on new.
    pub const fn covers(&self, bucket: u32) -> bool {
        bucket < self.limit
    }

    /// Whether it is at 0 %, and no group is on new.
    pub fn is_at_nobody(&self) -> bool {
        self.limit == 0 && self.include.is_empty()
    }

    /// The bucket that the subject has in this rollout, 0..=99_999.
    pub fn bucket(&self, subject: SubjectHash) -> u32 {
        self.seed.bucket(subject)
    }
}
