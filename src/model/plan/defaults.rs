//! What watches over every rollout, whether its plan thinks of it or not.
//!
//! A release that answers with errors, or with 4xx to everybody, is rolled back although no guardrail of
//! its plan says so. A plan's own guardrail takes the place of one with the same condition, so that it
//! may act in another way or in some stages only; `defaults = "none"` switches all of them off.

use std::sync::LazyLock;

use super::words::{Action, Severity, WordError};
use super::{Guardrail, Plan};
use crate::model::serialize_as_text;

/// Whether a rollout has the guardrails that every rollout has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// It has them, beside its own.
    BuiltIn,
    /// It has only its own.
    None,
}

impl Defaults {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::BuiltIn
    }
}

impl std::str::FromStr for Defaults {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "builtin" => Ok(Self::BuiltIn),
            "none" => Ok(Self::None),
            _ => Err(WordError::new(text, "a set of defaults", "`builtin` or `none`")),
        }
    }
}

impl std::fmt::Display for Defaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "builtin",
            Self::None => "none",
        })
    }
}

serialize_as_text!(Defaults);

/// The conditions on which a rollout goes back.
const CONDITIONS: [&str; 2] = ["error_rate > legacy", "client_error_rate > legacy"];

static BUILT_IN: LazyLock<Vec<Guardrail>> = LazyLock::new(|| {
    let guardrail = |when| Guardrail { when, then: Action::Rollback, severity: Severity::Critical, notify: Vec::new(), stages: Vec::new(), escalate: Vec::new(), text: None };
    CONDITIONS.iter().filter_map(|condition| condition.parse().ok()).map(guardrail).collect()
});

impl Plan {
    /// All guardrails that watch: the plan's own, in their order, and behind them those that are built in.
    pub fn guardrails_in_force(&self) -> impl Iterator<Item = &Guardrail> {
        self.guardrails.iter().chain(self.built_in_guardrails())
    }

    /// The guardrails that watch without being in the plan. A flag has none: what comes of its requests
    /// is another rollout's doing.
    pub fn built_in_guardrails(&self) -> impl Iterator<Item = &Guardrail> {
        let is_watched = !self.is_flag() && self.defaults == Defaults::BuiltIn;
        let is_own = |built_in: &Guardrail| self.guardrails.iter().any(|own| own.when == built_in.when);
        BUILT_IN.iter().filter(move |built_in| is_watched && !is_own(built_in))
    }

    /// The guardrail at an index of [`Self::guardrails_in_force`].
    pub fn guardrail(&self, index: usize) -> Option<&Guardrail> {
        self.guardrails_in_force().nth(index)
    }
}

#[cfg(test)]
mod tests {
    use super::super::set::read_rollout;

    fn in_force(upstreams: &str, rest: &str) -> Vec<String> {
        let text = format!(r#"{{"key":"shop",{upstreams}"stage":[{{"name":"full","percentage":100,"hold":"1h"}}]{rest}}}"#);
        let plan = read_rollout(&text).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert!(!serde_json::to_string(&plan).unwrap().contains("client_error_rate"), "they are never written into it");
        plan.guardrails_in_force().map(|guardrail| format!("{} {}", guardrail.when, guardrail.then)).collect()
    }

    const ROUTED: &str = r#""routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},"#;
    const BUILT_IN: [&str; 2] = ["error_rate > legacy rollback", "client_error_rate > legacy rollback"];

    #[test]
    fn every_rollout_with_upstreams_is_guarded() {
        assert_eq!(in_force(ROUTED, ""), BUILT_IN);
        assert_eq!(in_force(ROUTED, r#","defaults":"builtin""#), BUILT_IN);
        assert_eq!(in_force(ROUTED, r#","guardrail":[{"when":"errors > 5","then":"alert"}]"#), ["errors > 5 alert", BUILT_IN[0], BUILT_IN[1]]);
    }

    #[test]
    fn a_plan_may_say_otherwise() {
        assert_eq!(in_force(ROUTED, r#","defaults":"none""#), [""; 0]);
        assert_eq!(in_force(ROUTED, r#","guardrail":[{"when":"error_rate  > legacy","then":"alert"}]"#), ["error_rate > legacy alert", BUILT_IN[1]]);
        assert_eq!(in_force("", ""), [""; 0], "a flag");
        let faults = read_rollout(r#"{"key":"a","stage":[{"name":"full","percentage":100}],"defaults":"some"}"#).unwrap_err();
        assert!(faults.iter().any(|fault| fault.message == "`some` is not a set of defaults" && fault.help.as_deref() == Some("`builtin` or `none`")), "{faults:?}");
    }
}
