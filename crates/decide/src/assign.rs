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
    /// In a visit that began before the last step, and ends where it began.
    Visit,
    /// In a group of a stage up to the current one.
    Group,
    /// Not in the plan's `eligible` group.
    Ineligible,
    /// In the share that stays on legacy.
    Holdout,
    /// In the share that a step down has left: who has used new keeps it, where the plan says so.
    SteppedDown,
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
            Self::Visit => "visit",
            Self::Group => "group",
            Self::Ineligible => "ineligible",
            Self::Holdout => "holdout",
            Self::SteppedDown => "stepped_down",
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

/// A visit that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The side on which it is.
    pub variant: Variant,
    /// When it began, in seconds since 1970.
    pub begun_s: u64,
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
    /// The visit that this is part of.
    fn visit(&self) -> Option<Visit> {
        None
    }
    /// Since when the subject, whose bucket this is, has used new in this browser, in seconds since 1970.
    fn used_since(&self, _bucket: u32) -> Option<u64> {
        None
    }
    /// The variant in another rollout, by its number.
    fn variant_in(&self, rollout: usize) -> Variant;
}

/// Assigns a subject.
///
/// A group whose list could not be read has nobody in it, unless being in it would mean legacy.
#[inline]
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
    if let Some(since_s) = standing.visits_since_s
        && let Some(visit) = visitor.visit().filter(|visit| visit.begun_s < since_s)
    {
        return (visit.variant, Reason::Visit);
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
    // All of them are left out of comparisons: were only those compared who have not used new, legacy would have its
    // least eager users alone, and too few of them.
    if let Some(kept) = standing.kept.as_ref().filter(|kept| kept.buckets.contains(&bucket)) {
        let is_kept = visitor.used_since(bucket).is_some_and(|since_s| since_s >= kept.from_s);
        return (if is_kept { New } else { Legacy }, Reason::SteppedDown);
    }
    let variant = if bucket < standing.limit { New } else { Legacy };
    (variant, Reason::Bucketed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compiled::Alone;
    use tidegate_model::Instant;
    use tidegate_model::live::{LiveState, Phase};
    use tidegate_model::plan::set::read_rollout;

    const STEP_S: u64 = 1_780_000_000;

    /// Somebody who has chosen, or is in a visit.
    #[derive(Clone, Copy, Default)]
    struct Somebody {
        choice: Option<Variant>,
        visit: Option<Visit>,
        used_since: Option<u64>,
    }

    impl Visitor for Somebody {
        fn subject(&self) -> Option<SubjectHash> {
            Some(SubjectHash::of(b"somebody"))
        }
        fn is_in(&self, _: usize) -> Option<bool> {
            Some(false)
        }
        fn chosen(&self) -> Option<Variant> {
            None
        }
        fn own_choice(&self) -> Option<Variant> {
            self.choice
        }
        fn visit(&self) -> Option<Visit> {
            self.visit
        }
        fn used_since(&self, _: u32) -> Option<u64> {
            self.used_since
        }
        fn variant_in(&self, _: usize) -> Variant {
            Variant::Legacy
        }
    }

    /// The side in a phase at a percentage, and why, under a plan with these fields.
    fn given(fields: &str, phase: Phase, percentage: &str, who: Somebody) -> String {
        let text = format!(
            r#"{{"key":"shop","routes":["/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},{fields}"stage":[{{"name":"full","percentage":100}}]}}"#
        );
        let plan = read_rollout(&text).unwrap_or_else(|_| unreachable!("{text}"));
        let percentage = percentage.parse().unwrap_or_default();
        let since = Instant::from_epoch_ms(STEP_S as i64 * 1_000);
        let state = LiveState { phase, percentage, since, ..LiveState::draft(&plan) };
        let compiled = CompiledRollout::new(&plan, Some(&state), false, false, &Alone);
        let Assignment { variant, reason, .. } = assign(&compiled, &who);
        format!("{variant} {reason}")
    }

    #[test]
    fn a_choice_counts_where_the_plan_allows_it_and_a_rollback_is_above_an_opt_in() {
        let who = |choice| Somebody { choice: Some(choice), ..Somebody::default() };
        let (into, out) = (who(Variant::New), who(Variant::Legacy));
        for (choice, phase, percentage, who, expected) in [
            (r#""choice":"both","#, Phase::Running, "0.001", into, "new chosen"),
            (r#""choice":"both","#, Phase::Paused, "100", out, "legacy chosen"),
            (r#""choice":"out","#, Phase::Running, "0.001", into, "legacy bucketed"),
            (r#""choice":"in","#, Phase::Running, "100", out, "new bucketed"),
            ("", Phase::Running, "100", out, "new bucketed"),
            (r#""choice":"both","#, Phase::RolledBack, "0.001", into, "legacy bucketed"),
            (r#""choice":"both","#, Phase::RolledBack, "100", out, "legacy chosen"),
            (r#""choice":"both","#, Phase::RolledBack, "0", into, "legacy inactive"),
            (r#""choice":"both","#, Phase::Completed, "100", out, "new completed"),
            (r#""choice":"both","#, Phase::Draft, "0", into, "legacy inactive"),
        ] {
            assert_eq!(given(choice, phase, percentage, who), expected, "{choice} {phase} {percentage}");
        }
    }

    #[test]
    fn a_visit_from_before_the_step_stays_where_it_is_up_and_down() {
        let visit = |variant, begun_s| Somebody { visit: Some(Visit { variant, begun_s }), ..Somebody::default() };
        let plan = r#""sticky_moves":"visit","#;
        let (legacy, new) = (visit(Variant::Legacy, STEP_S - 1), visit(Variant::New, STEP_S - 1));
        for (plan, phase, percentage, who, expected) in [
            (plan, Phase::Running, "100", legacy, "legacy visit"),
            (plan, Phase::RolledBack, "0.001", new, "new visit"),
            (plan, Phase::Running, "100", new, "new visit"),
            (plan, Phase::Running, "100", visit(Variant::Legacy, STEP_S), "new bucketed"),
            (plan, Phase::RolledBack, "0", new, "legacy inactive"),
            ("", Phase::Running, "100", legacy, "new bucketed"),
        ] {
            assert_eq!(given(plan, phase, percentage, who), expected, "{phase} {percentage}");
        }
    }

    /// Those of this bucket, which the rollout has reached at 100 %, or at `reached`.
    fn stepped_down(fields: &str, reached: &str, percentage: &str, who: Somebody) -> String {
        let text = format!(
            r#"{{"key":"shop","routes":["/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},{fields}"stage":[{{"name":"full","percentage":100}}]}}"#
        );
        let plan = read_rollout(&text).unwrap_or_else(|_| unreachable!("{text}"));
        let now = Instant::from_epoch_ms(STEP_S as i64 * 1_000);
        let at = |percentage: &str| percentage.parse().unwrap_or_default();
        let up = LiveState { phase: Phase::Running, percentage: at(reached), ..LiveState::draft(&plan) };
        let up = up.reaching(&plan, now);
        let down = LiveState { phase: Phase::RolledBack, percentage: at(percentage), ..up }.reaching(&plan, now);
        let compiled = CompiledRollout::new(&plan, Some(&down), false, false, &Alone);
        let Assignment { variant, reason, .. } = assign(&compiled, &who);
        format!("{variant} {reason}")
    }

    #[test]
    fn who_has_used_new_stays_there_on_a_step_down_but_not_at_nobody() {
        let (keep, now) = (r#""keep":"used","#, Some(STEP_S));
        let used = |used_since| Somebody { used_since, ..Somebody::default() };
        // Somebody's bucket is at 86.6 %.
        for (fields, reached, percentage, who, expected) in [
            (keep, "100", "10", used(now), "new stepped_down"),
            (keep, "100", "10", used(None), "legacy stepped_down"),
            (keep, "100", "10", used(Some(STEP_S - 1)), "legacy stepped_down"),
            (keep, "100", "99", used(None), "new bucketed"),
            (keep, "20", "10", used(now), "legacy bucketed"),
            (keep, "100", "0", used(now), "legacy inactive"),
            ("", "100", "10", used(now), "legacy bucketed"),
            (r#""keep":"used","holdout":"99.999%","#, "100", "10", used(now), "legacy holdout"),
            (
                r#""keep":"used","choice":"out","#,
                "100",
                "10",
                Somebody { choice: Some(Variant::Legacy), ..used(now) },
                "legacy chosen",
            ),
        ] {
            assert_eq!(stepped_down(fields, reached, percentage, who), expected, "{fields} {reached} {percentage}");
        }
    }
}
