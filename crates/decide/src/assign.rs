//! Who gets which side.
//!
//! First match wins, and the reason comes from the same pass as the variant, so the two can never
//! disagree. There is no `Result`: a decision never fails.

use std::fmt;

use super::compiled::{CompiledRollout, Mode};
use tidegate_model::plan::RobotSide;
use tidegate_model::subject::SubjectHash;
pub use tidegate_model::variant::Variant;

/// Why that side, in the order in which the reasons are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No configuration could be read.
    NoConfig,
    /// The kill switch is on.
    Killed,
    /// This browser has chosen, with a signed override.
    Override,
    /// Draft, waiting for another rollout, or rolled back to 0 %.
    Inactive,
    /// A crawler, a monitor or the like.
    Robot,
    /// No id, and none may be minted.
    Unidentified,
    /// In a group named in `exclude`.
    Excluded,
    /// On legacy in a rollout named in `requires`.
    Required,
    /// The rollout has completed.
    Completed,
    /// This browser's user has chosen, as the plan allows.
    Chosen,
    /// In a group of a stage up to the current one.
    Group,
    /// Not in the plan's `eligible` group.
    Ineligible,
    /// In the share that stays on legacy.
    Holdout,
    /// By the bucket.
    Bucketed,
}

impl Reason {
    /// The reason's name in headers and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoConfig => "no_config",
            Self::Killed => "killed",
            Self::Override => "override",
            Self::Inactive => "inactive",
            Self::Robot => "robot",
            Self::Unidentified => "unidentified",
            Self::Excluded => "excluded",
            Self::Required => "required",
            Self::Completed => "completed",
            Self::Chosen => "chosen",
            Self::Group => "group",
            Self::Ineligible => "ineligible",
            Self::Holdout => "holdout",
            Self::Bucketed => "bucketed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The outcome for one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which side.
    pub variant: Variant,
    /// Why.
    pub reason: Reason,
    /// The index of the rollout's current stage.
    pub stage: usize,
    /// The subject's bucket, where there is a subject.
    pub bucket: Option<u32>,
    /// The revision of the rollout's live state.
    pub revision: u64,
}

/// What an assignment asks about the request.
pub trait Visitor {
    /// The subject, unless the request has none.
    fn subject(&self) -> Option<SubjectHash>;
    /// Whether the request is a robot's.
    fn is_robot(&self) -> bool {
        false
    }
    /// Whether the subject is in the group of this number; `None` when its list could not be read.
    fn is_in(&self, group: usize) -> Option<bool>;
    /// The variant that a signed override has chosen.
    fn chosen(&self) -> Option<Variant>;
    /// The variant that the browser's user has chosen.
    fn own_choice(&self) -> Option<Variant> {
        None
    }
    /// The variant in another rollout, by its number.
    fn variant_in(&self, rollout: usize) -> Variant;
}

/// Assigns a subject.
///
/// A group whose list could not be read has nobody in it, unless being in it would mean legacy.
pub fn assign(standing: &CompiledRollout, visitor: &impl Visitor) -> Assignment {
    let subject = visitor.subject();
    let bucket = subject.map(|subject| standing.seed.bucket(subject));
    let (variant, reason) = decide(standing, visitor, subject, bucket);
    Assignment { variant, reason, stage: standing.stage, bucket, revision: standing.revision }
}

fn decide(
    standing: &CompiledRollout,
    visitor: &impl Visitor,
    subject: Option<SubjectHash>,
    bucket: Option<u32>,
) -> (Variant, Reason) {
    use Variant::{Legacy, New};
    match standing.mode {
        Mode::Killed => return (Legacy, Reason::Killed),
        Mode::Unknown => return (Legacy, Reason::NoConfig),
        Mode::Inactive | Mode::Active | Mode::Completed => {}
    }
    if let Some(variant) = visitor.chosen() {
        return (variant, Reason::Override);
    }
    if standing.mode == Mode::Inactive {
        return (Legacy, Reason::Inactive);
    }
    // A search engine that stayed on legacy for good would never learn of the new site.
    if standing.mode != Mode::Completed && standing.robots != RobotSide::Assigned && visitor.is_robot() {
        return (if standing.robots == RobotSide::New { New } else { Legacy }, Reason::Robot);
    }
    if standing.mode == Mode::Completed && subject.is_none() && visitor.is_robot() {
        return (New, Reason::Completed);
    }
    let (Some(subject), Some(bucket)) = (subject, bucket) else {
        return (Legacy, Reason::Unidentified);
    };
    let is_in = |group: Option<usize>| group.and_then(|group| visitor.is_in(group));
    if standing.exclude.iter().any(|group| is_in(*group).unwrap_or(true)) {
        return (Legacy, Reason::Excluded);
    }
    let is_on_new = |rollout: Option<usize>| rollout.is_some_and(|rollout| visitor.variant_in(rollout) == New);
    if !standing.requires.iter().all(|rollout| is_on_new(*rollout)) {
        return (Legacy, Reason::Required);
    }
    if standing.mode == Mode::Completed {
        return (New, Reason::Completed);
    }
    if standing.has_choice()
        && let Some(variant) = visitor.own_choice().filter(|variant| standing.may_choose(*variant))
    {
        return (variant, Reason::Chosen);
    }
    if standing.include.iter().any(|group| visitor.is_in(*group) == Some(true)) {
        return (New, Reason::Group);
    }
    if standing.eligible.is_some_and(|group| is_in(group) != Some(true)) {
        return (Legacy, Reason::Ineligible);
    }
    if standing.holdout_limit > 0 && standing.holdout_seed.bucket(subject) < standing.holdout_limit {
        return (Legacy, Reason::Holdout);
    }
    let variant = if bucket < standing.limit { New } else { Legacy };
    (variant, Reason::Bucketed)
}
