//! What watches over every rollout, whether its plan thinks of it or not.
//!
//! A release that answers with errors, or with 4xx to everybody, is rolled back although no guardrail of
//! its plan says so. A plan's own guardrail takes the place of one with the same condition, so that it
//! may act in another way or in some stages only; one that only observes does not, since nothing would act then.
//!
//! And no stage is left because time has passed: new has to be seen, and must not be shown to be worse.
//! While only groups are on new there is nothing to compare with, and most of what they ask for has to be
//! answered. `defaults = "none"` switches all of this off.

use std::sync::LazyLock;

use super::words::{Action, Severity, WordError};
use super::{Gate, Guardrail, Mode, Percentage, Plan};
use crate::condition::Term;
use crate::serialize_as_text;

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

/// The conditions to leave a stage with a percentage: that new is not shown to be worse.
const NOT_WORSE: [&str; 2] = ["error_rate <= legacy", "client_error_rate <= legacy"];
/// And one in which only groups are on new.
const ANSWERED: [&str; 2] = ["error_rate < 50% over stage min 1", "client_error_rate < 50% over stage min 1"];

static BUILT_IN: LazyLock<Vec<Guardrail>> = LazyLock::new(|| {
    let guardrail = |when| Guardrail {
        when,
        after: None,
        then: Action::Rollback,
        mode: Mode::Act,
        severity: Severity::Critical,
        notify: Vec::new(),
        stages: Vec::new(),
        escalate: Vec::new(),
        text: None,
        links: super::Links::default(),
    };
    CONDITIONS.iter().filter_map(|condition| condition.parse().ok()).map(guardrail).collect()
});

fn gates(conditions: &[&str]) -> Vec<Gate> {
    conditions.iter().filter_map(|condition| condition.parse().ok()).map(Gate::new).collect()
}

static NOT_WORSE_GATES: LazyLock<Vec<Gate>> = LazyLock::new(|| gates(&NOT_WORSE));
static ANSWERED_GATES: LazyLock<Vec<Gate>> = LazyLock::new(|| gates(&ANSWERED));

impl Plan {
    /// What must be true to leave the stage at an index: its own gates, in their order, and behind them
    /// those that are built in.
    pub fn gates_in_force(&self, index: usize) -> impl Iterator<Item = &Gate> {
        let own = self.stages.get(index).map_or(&[][..], |stage| &stage.gates);
        own.iter().chain(self.built_in_gates(index))
    }

    /// The gates of the stage at an index that hold without being in the plan. A flag has none, and nor
    /// has a stage in which nobody is on new. A stage's own comparison of the same metric with legacy takes
    /// the place of one, with its own margin and minimum.
    pub fn built_in_gates(&self, index: usize) -> impl Iterator<Item = &Gate> {
        let stage = self.stages.get(index).filter(|_| !self.is_flag() && self.defaults == Defaults::BuiltIn);
        let own = stage.map_or(&[][..], |stage| &stage.gates);
        let has_groups = || self.stages.iter().take(index + 1).any(|stage| !stage.groups.is_empty());
        let built_in: &[Gate] = match stage {
            Some(stage) if stage.percentage > Percentage::ZERO => &NOT_WORSE_GATES,
            Some(_) if has_groups() => &ANSWERED_GATES,
            _ => &[],
        };
        let is_same = |own: &Term, built_in: &Term| {
            own.metric == built_in.metric
                && own.endpoint == built_in.endpoint
                && own.op == built_in.op
                && own.bound.is_legacy() == built_in.bound.is_legacy()
        };
        let has_own = move |built_in: &Gate| {
            built_in
                .when
                .terms
                .iter()
                .all(|term| own.iter().flat_map(|gate| &gate.when.terms).any(|own| is_same(own, term)))
        };
        built_in.iter().filter(move |built_in| !has_own(built_in))
    }

    /// All guardrails that watch: the plan's own, in their order, and behind them those that are built in.
    pub fn guardrails_in_force(&self) -> impl Iterator<Item = &Guardrail> {
        self.guardrails.iter().chain(self.built_in_guardrails())
    }

    /// The guardrails that watch without being in the plan. A flag has none: what comes of its requests
    /// is another rollout's doing.
    pub fn built_in_guardrails(&self) -> impl Iterator<Item = &Guardrail> {
        let is_watched = !self.is_flag() && self.defaults == Defaults::BuiltIn;
        let is_own =
            |built_in: &Guardrail| self.guardrails.iter().any(|own| own.mode == Mode::Act && own.when == built_in.when);
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
        let text =
            format!(r#"{{"key":"shop",{upstreams}"stage":[{{"name":"full","percentage":100,"hold":"1h"}}]{rest}}}"#);
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
        assert_eq!(
            in_force(ROUTED, r#","guardrail":[{"when":"errors > 5","then":"alert"}]"#),
            ["errors > 5 alert", BUILT_IN[0], BUILT_IN[1]]
        );
    }

    #[test]
    fn a_plan_may_say_otherwise() {
        assert_eq!(in_force(ROUTED, r#","defaults":"none""#), [""; 0]);
        assert_eq!(
            in_force(ROUTED, r#","guardrail":[{"when":"error_rate  > legacy","then":"alert"}]"#),
            ["error_rate > legacy alert", BUILT_IN[1]]
        );
        assert_eq!(
            in_force(ROUTED, r#","guardrail":[{"when":"error_rate > legacy","then":"rollback","mode":"observe"}]"#),
            [BUILT_IN[0], BUILT_IN[0], BUILT_IN[1]],
            "what only observes guards nothing"
        );
        assert_eq!(in_force("", ""), [""; 0], "a flag");
        let faults =
            read_rollout(r#"{"key":"a","stage":[{"name":"full","percentage":100}],"defaults":"some"}"#).unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.message == "`some` is not a set of defaults"
                && fault.help.as_deref() == Some("`builtin` or `none`")),
            "{faults:?}"
        );
    }
}
