//! What makes a rollout's figures worth less, and what is done about each: one table, from which the judge, the
//! messages, the runbook and the console have what they say and do.
//!
//! A guardrail is about what was measured. A problem is about the measuring itself: users are not split as they
//! should be, nothing arrives, pages fall silent. What a plan says nothing of is done as the table has it.

use serde::Serialize;

use super::Plan;
use super::words::words;

words! {
    /// Something that makes a rollout's figures worth less.
    ProblemKind is "a problem" of {
        /// Sample ratio mismatch: users are not split as the percentage says.
        Srm = "srm",
        /// No requests arrive, at all or on new.
        NoTraffic = "no_traffic",
        /// Too few requests arrive on new to show anything.
        LowTraffic = "low_traffic",
        /// What conditions need others to report has stopped coming.
        MeasuringStopped = "measuring_stopped",
        /// One browser gets both sides.
        IdentityMixed = "identity_mixed",
        /// Something is wrong with what KV holds of the rollout.
        ConfigFault = "config_fault",
    } allows "`srm`, `no_traffic`, `low_traffic`, `measuring_stopped`, `identity_mixed` or `config_fault`"
}

words! {
    /// What is done about a problem, the mildest first.
    Response is "what is done about a problem" of {
        /// It is shown, and nobody is notified.
        Show = "show",
        /// People are notified.
        Alert = "alert",
        /// People are notified, and no stage is left while it lasts.
        Hold = "hold",
        /// People are notified, and the rollout is paused.
        Pause = "pause",
        /// People are notified, and everybody goes back to legacy.
        Rollback = "rollback",
    } allows "`show`, `alert`, `hold`, `pause` or `rollback`"
}

/// What a plan does about one kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The problem.
    pub on: ProblemKind,
    /// What is done.
    pub then: Response,
}

impl ProblemKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Srm, Self::NoTraffic, Self::LowTraffic, Self::MeasuringStopped, Self::IdentityMixed, Self::ConfigFault];

    /// What is done about it where the plan says nothing; and what it is, as a question asks for it.
    const fn row(self) -> (Response, &'static str) {
        match self {
            Self::Srm => (Response::Hold, "users are not split as the percentage says (sample ratio mismatch)"),
            Self::NoTraffic => (Response::Alert, "no requests arrive, or none on new where many should"),
            // Gates wait for their data by themselves.
            Self::LowTraffic => (Response::Show, "too few requests arrive on new to show anything"),
            Self::MeasuringStopped => {
                (Response::Alert, "a figure that another system or a page should report is missing")
            }
            Self::IdentityMixed => (Response::Alert, "one browser gets both versions in turn"),
            Self::ConfigFault => (Response::Alert, "something is wrong with what KV holds of the rollout"),
        }
    }

    /// What is done about it where the plan says nothing.
    pub const fn response(self) -> Response {
        self.row().0
    }

    /// What it is, in a clause.
    pub const fn what(self) -> &'static str {
        self.row().1
    }
}

impl Response {
    /// Whether people are notified.
    pub fn notifies(self) -> bool {
        self != Self::Show
    }

    /// What it does, in the third person; nothing where it only shows or notifies.
    pub const fn acts(self) -> Option<&'static str> {
        match self {
            Self::Show | Self::Alert => None,
            Self::Hold => Some("stays in its stage while it lasts"),
            Self::Pause => Some("pauses it: nobody new is added"),
            Self::Rollback => Some("rolls back to 0 %"),
        }
    }
}

impl Plan {
    /// What is done about a problem.
    pub fn response(&self, to: ProblemKind) -> Response {
        self.own_response(to).unwrap_or_else(|| to.response())
    }

    /// The same where the plan itself says it.
    pub fn own_response(&self, to: ProblemKind) -> Option<Response> {
        self.problems.iter().find(|own| own.on == to).map(|own| own.then)
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    use crate::fault::Severity;
    use crate::node::Node;

    fn read(rest: &str) -> Result<Plan, String> {
        let text = format!(
            r#"{{"key":"shop","identity":{{"from":["cookie:uid"]}},"stage":[{{"name":"full","percentage":50,"hold":"1h"}}]{rest}}}"#
        );
        let node: Node = serde_json::from_str(&text).unwrap();
        let (plan, faults) = read::plan(&node);
        plan.ok_or_else(|| {
            let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).map(|fault| {
                let help = fault.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
                format!("{}: {}{help}", fault.path, fault.message)
            });
            errors.collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn a_plan_that_says_nothing_gets_the_table() {
        let plan = read("").unwrap();
        let table: Vec<String> =
            ProblemKind::ALL.iter().map(|kind| format!("{kind} {}", plan.response(*kind))).collect();
        assert_eq!(
            table,
            [
                "srm hold",
                "no_traffic alert",
                "low_traffic show",
                "measuring_stopped alert",
                "identity_mixed alert",
                "config_fault alert"
            ]
        );
        assert!(!serde_json::to_string(&plan).unwrap().contains("problem"), "it is never written into it");
    }

    #[test]
    fn a_plan_says_otherwise_and_is_printed_back() {
        let rest = r#","problem":[{"on":"srm","then":"rollback"},{"on":"no_traffic","then":"pause"}]"#;
        let plan = read(rest).unwrap();
        assert_eq!(
            (plan.response(ProblemKind::Srm), plan.response(ProblemKind::NoTraffic)),
            (Response::Rollback, Response::Pause)
        );
        assert!(serde_json::to_string(&plan).unwrap().contains(rest.trim_start_matches(',')));
    }

    #[test]
    fn what_is_no_problem_or_no_response_is_refused_with_the_way_out() {
        for (rest, expected) in [
            (
                r#","problem":[{"on":"srn","then":"hold"}]"#,
                "problem[0].on: `srn` is not a problem (`srm`, `no_traffic`, `low_traffic`, `measuring_stopped`, `identity_mixed` or `config_fault`)",
            ),
            (
                r#","problem":[{"on":"srm","then":"off"}]"#,
                "problem[0].then: `off` is not what is done about a problem (`show`, `alert`, `hold`, `pause` or `rollback`)",
            ),
            (r#","problem":[{"on":"srm"}]"#, "problem[0]: `then` is missing"),
            (
                r#","problem":[{"on":"srm","then":"hold"},{"on":"srm","then":"alert"}]"#,
                "problem[1].on: `srm` stands here twice (say once what is done about it)",
            ),
        ] {
            assert_eq!(read(rest).map(|_| ()), Err(expected.to_owned()), "{rest}");
        }
    }
}
