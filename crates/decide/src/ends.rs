//! What ends when a rollout completes, so that whoever completes it, or lets the schedule do so, knows.

use std::fmt;

use tidegate_model::Percentage;
use tidegate_model::live::Phase;
use tidegate_model::plan::{Plan, Rescue};
use tidegate_model::record::Record;

/// Something that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Legacy answers no longer where new fails.
    Rescue,
    /// A page gets no longer the assets of the side that it came from.
    Skew,
    /// This share goes to new.
    Holdout(Percentage),
    /// Subjects outside of this group go to new.
    Eligible(String),
    /// These guardrails have nothing to compare with.
    Comparisons(Vec<String>),
}

impl Ends {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Rescue => "rescue",
            Self::Skew => "skew",
            Self::Holdout(_) => "holdout",
            Self::Eligible(_) => "eligible",
            Self::Comparisons(_) => "comparisons",
        }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rescue => {
                f.write_str("rescue ends: where new fails, legacy no longer answers, and users see the error")
            }
            Self::Skew => f.write_str(
                "skew protection ends: pages of legacy that are still open lose the assets that only legacy has",
            ),
            Self::Holdout(share) => write!(f, "the holdout ends: its {share} % of users go to new"),
            Self::Eligible(group) => write!(f, "the limit to the group {group} ends: all other users go to new too"),
            Self::Comparisons(guardrails) => {
                write!(f, "comparisons end, since no users are left on legacy: {}", guardrails.join(", "))
            }
        }
    }
}

/// What ends by the completion of a rollout.
pub fn at_completion(plan: &Plan) -> Vec<Ends> {
    let is_last = plan.upstreams.as_ref().is_some_and(|upstreams| upstreams.rescue == Rescue::UntilCompleted);
    let compared: Vec<String> = plan
        .guardrails_in_force()
        .filter(|own| own.when.terms.iter().any(|term| term.bound.is_legacy()))
        .map(|own| own.when.to_string())
        .collect();
    [
        is_last.then_some(Ends::Rescue),
        is_last.then_some(Ends::Skew),
        (plan.holdout > Percentage::ZERO).then_some(Ends::Holdout(plan.holdout)),
        plan.eligible.as_ref().map(|group| Ends::Eligible(group.to_string())),
        (!compared.is_empty()).then_some(Ends::Comparisons(compared)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What ends between two records.
pub fn ends(plan: &Plan, before: &Record, after: &Record) -> Vec<Ends> {
    let completes = before.live.phase != Phase::Completed && after.live.phase == Phase::Completed;
    if completes { at_completion(plan) } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::plan::set::read_rollout;

    fn reported(more: &str, rescue: &str) -> Vec<&'static str> {
        let text = format!(
            r#"{{"key":"shop","routes":["/*"],"upstreams":{{"legacy":"https://a.example.com","new":"https://b.example.com","rescue":{rescue}}},"identity":{{"from":["header:x-user-id"]}},{more}"stage":[{{"name":"full","percentage":100,"hold":"1h"}}]}}"#
        );
        at_completion(&read_rollout(&text).unwrap()).iter().map(Ends::code).collect()
    }

    #[test]
    fn rescue_and_skew_end_only_where_the_plan_says_so() {
        assert_eq!(reported(r#""defaults":"none","#, "true"), Vec::<&str>::new());
        assert_eq!(reported(r#""defaults":"none","#, "\"until_completed\""), ["rescue", "skew"]);
        assert_eq!(reported(r#""defaults":"none","holdout":"5%","#, "false"), ["holdout"]);
        assert_eq!(reported("", "true"), ["comparisons"], "the built-in guardrails compare with legacy");
    }
}
