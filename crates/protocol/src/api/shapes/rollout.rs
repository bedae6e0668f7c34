//! A rollout as the API shows it.

use tidegate_decide::judge::{Figure, Verdict};
use tidegate_model::broke::Broke;
use tidegate_model::calendar::Window;
use tidegate_model::live::Phase;
use tidegate_model::plan::words::Severity;
use tidegate_model::plan::{Advance, Mode};
use tidegate_model::{Duration, Name};

use super::checklist::{Checklist, Item};
use super::measured::Shadow;
use super::others::{ConfigFault, HeldList, ProblemState, Published, Reach};
use super::signals::{ProbeState, ReceiverState, SignalState};
use super::text::readable;
use super::vocabulary::{BlockedBy, CommandName, RefusalCode, ScheduledCommand, UnconditionalCommand};
use super::{Percent, Text, Time, shape};

shape! {
    /// All rollouts.
    pub struct Rollouts {
        /// By their keys.
        pub rollouts: Vec<Rollout>,
        /// The revision of the plans.
        pub plans: u64,
        /// Now, by the controller's clock.
        pub at: Time,
        /// What is wrong with the deployment as a whole, such as with the KV key `plans`.
        pub faults: Vec<ConfigFault>,
    }
}

shape! {
    /// A rollout, as an operator sees it.
    pub struct Rollout {
        /// Names it everywhere.
        pub key: Text<Name>,
        /// For people.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub description: Option<String>,
        /// The requests that it takes; none for a flag.
        pub routes: Vec<String>,
        /// Without upstreams: assigned on each request, and passed on to the upstream.
        pub is_flag: bool,
        /// Where it is, in words: `running in canary at 10 %`.
        pub summary: String,
        /// The live state.
        pub state: State,
        /// In effect now: 0 while killed, draft or waiting for another rollout.
        pub percentage: Percent,
        /// The key in KV that kills it. Only deleting it there ends the kill.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kill_key: Option<String>,
        /// The stages of the plan.
        pub stages: Vec<StageView>,
        /// The guardrails in force: the plan's own, then those that are built in.
        pub guardrails: Vec<Guardrail>,
        /// Whether as many users are on each side as the percentage says; absent where they are not split.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub sample_ratio: Option<Judgement>,
        /// Where nobody is on legacy: whether each rate that guardrails compare is what it was at this time of day, by
        /// new's own past. `fail` is an alert, and never a rollback. Absent where it is not watched, or not yet for a day.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub own_past: Vec<Judgement>,
        /// What makes the figures worth less: each kind, with what is done about it and whether it is found now.
        pub problems: Vec<ProblemState>,
        /// What new has more of than legacy in the last hour: failures, where, errors of pages, how many people.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub broke: Option<Broke>,
        /// The same in sentences.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub what_broke: Vec<String>,
        /// The checklist that counts now.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub checklist: Option<Checklist>,
        /// The messages of the plan that people were handed to send (`by` of a `[[notice]]`). `approve` ticks one off;
        /// nothing waits for them. Absent for none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub to_send: Vec<Item>,
        /// The versions of new that have answered in the last half a minute, where they are several: one is being deployed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub versions: Vec<String>,
        /// The bake time of the current stage.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub hold: Option<Hold>,
        /// What the schedule will do next.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub next: Option<Next>,
        /// All that keeps the schedule from going on.
        pub blocked: Vec<Blocker>,
        /// The commands that would be accepted now.
        pub commands: Vec<Text<CommandName>>,
        /// The commands that may be sent without `If-Match`: those that stop something, and a note.
        pub unconditional: Vec<Text<UnconditionalCommand>>,
        /// The commands that would be refused now.
        pub not_now: Vec<NotNow>,
        /// How far a kill has come.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reach: Option<Reach>,
        /// Who takes the next step: the schedule or an operator.
        pub advance: Text<Advance>,
        /// When nothing advances. Rolling back always works.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub freeze: Vec<Text<Window>>,
        /// It waits until these rollouts have ended.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub after: Vec<Text<Name>>,
        /// The plan's checklist for after a rollback.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub after_rollback: Vec<String>,
        /// Remarks for operators.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub notes: Vec<String>,
        /// What is wrong with its configuration.
        pub faults: Vec<ConfigFault>,
        /// The plan's signals, with the last report of each.
        pub signals: Vec<SignalState>,
        /// Where other tools deliver what becomes signals.
        pub receivers: Vec<ReceiverState>,
        /// The plan's probes, each on each of its sides, with what came of the last one. Absent for none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub probes: Vec<ProbeState>,
        /// What copies of legacy's requests have shown of new. Absent where the plan copies nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub shadow: Option<Shadow>,
        /// Events, timings, web vitals, JavaScript errors and signals that gates or guardrails rely on, and that
        /// were never reported.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub never_reported: Vec<String>,
        /// The same in a sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub silence: Option<String>,
        /// While nobody is on new: what is known of legacy, and how soon a doubling of its errors would be found.
        /// Absent where nothing is.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub known: Option<String>,
        /// The lists of its groups in KV, as isolates held them within the last minute.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub lists: Vec<HeldList>,
        /// What KV holds.
        pub published: Published,
    }
}

impl Rollout {
    /// The place of the current stage among the stages, from 0; none where the plan does not have it any more.
    pub fn position(&self) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == self.state.stage)
    }
}

shape! {
    /// The live state of a rollout, as it is also published to KV.
    pub struct State {
        /// Grows by one with each change.
        pub revision: u64,
        /// The revision of the plan that it follows.
        pub plan: u64,
        /// One run through the stages; a resume after a rollback starts the next.
        pub attempt: u32,
        /// How far it has come.
        pub phase: Text<Phase>,
        /// The kill switch: all traffic goes to legacy, whatever the phase.
        pub killed: bool,
        /// The current stage.
        pub stage: Text<Name>,
        /// As set. What is in effect is the `percentage` of the rollout.
        pub percentage: Percent,
        /// On new beside the percentage: those of the stages up to the current one.
        pub groups: Vec<Text<Name>>,
        /// Since when the same users get the same side by it.
        pub since: Time,
        /// Present and true once its last stage is over, so that rollouts that come after it may go.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub ended: bool,
        /// The version of new that answers, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub version: Option<String>,
        /// How far the percentage has come since it last was 0. Present where the plan has `keep = "used"`: browsers
        /// that have used new since, and that the percentage covers no more, stay on new.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub reached: Option<Reached>,
        /// The edit by hand in KV that was adopted last.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kv: Option<Adopted>,
    }
}

shape! {
    /// How far a percentage has come since it last was 0.
    pub struct Reached {
        /// The highest percentage.
        pub percentage: Percent,
        /// When it left 0.
        pub from: Time,
    }
}

shape! {
    /// An edit by hand in KV that the controller has adopted.
    pub struct Adopted {
        /// The value of the key `stage/KEY`, as it was read.
        pub text: String,
        /// When it was adopted.
        pub at: Time,
    }
}

shape! {
    /// A stage of the plan and how far it is.
    pub struct StageView {
        /// Its name.
        pub name: Text<Name>,
        /// Its percentage.
        pub percentage: Percent,
        /// On new from this stage on.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub groups: Vec<Text<Name>>,
        /// How long it lasts at least: its bake time.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub hold: Option<Text<Duration>>,
        /// How long it is meant to last at most: its owner gets a message then.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub deadline: Option<Text<Duration>>,
        /// The role that looks after it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub owner: Option<Text<Name>>,
        /// When it may be entered.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub enter: Vec<Text<Window>>,
        /// Before this it is not entered.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub not_before: Time,
        /// What has to be true before it is left.
        pub gates: Vec<Gate>,
        /// Guards leaving the stage.
        pub checklist: Vec<Item>,
        /// It lies behind the current stage, and this attempt was never in it: it was jumped over. Absent where that
        /// is not so.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub skipped: bool,
    }
}

shape! {
    /// A condition that must be true before the stage is left.
    pub struct Gate {
        /// The condition, as in the plan.
        pub condition: String,
        /// Its comparisons.
        pub terms: Vec<Term>,
        /// What it says now.
        pub verdict: Verdict,
        /// The figures behind the verdict, in words.
        pub text: String,
        /// Since when the verdict has been this.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub since: Time,
        /// The figures, one for each comparison.
        #[serde(deserialize_with = "readable", skip_serializing_if = "Vec::is_empty")]
        pub figures: Vec<Figure>,
        /// It holds without being in the plan; `defaults = "none"` in the plan switches it off. Absent for the
        /// plan's own.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub built_in: bool,
        /// It passes although its comparison cannot tell, since it asks only that new is not shown to be worse.
        /// Absent where that is not so.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub let_through: bool,
    }
}

shape! {
    /// A condition that acts when it comes true.
    pub struct Guardrail {
        /// The condition that must not come true.
        pub when: String,
        /// Its comparisons.
        pub terms: Vec<Term>,
        /// How long after a stage's entry nothing counts for it yet, such as `5m`; absent for none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub after: Option<Text<Duration>>,
        /// What is done: `off`, `rollback`, `previous`, `pause`, `alert`, or a percentage such as `5%`.
        pub then: String,
        /// The same in words: `rolls back`; of one that observes, `would have rolled back`.
        pub acts: String,
        /// `observe`: it is judged and shown, and acts on nobody.
        pub mode: Text<Mode>,
        /// Of one that observes: when it last came true in this attempt, and would have acted.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub observed_at: Time,
        /// `critical` pages somebody.
        pub severity: Text<Severity>,
        /// What it says now.
        pub verdict: Verdict,
        /// The figures behind the verdict, in words.
        pub text: String,
        /// Since when the verdict has been this.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub since: Time,
        /// The figures, one for each comparison.
        #[serde(deserialize_with = "readable", skip_serializing_if = "Vec::is_empty")]
        pub figures: Vec<Figure>,
        /// The stages in which it watches; all where absent.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub stages: Vec<Text<Name>>,
        /// It is in force without being in the plan; `defaults = "none"` in the plan switches it off. Absent for
        /// the plan's own.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub built_in: bool,
    }
}

shape! {
    /// One comparison of a condition.
    pub struct Term {
        /// The metric, with its endpoint: `latency.p95@api`.
        pub metric: String,
        /// The bound: shares from 0 to 1, times in milliseconds. Absent for a comparison with legacy.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub bound: Option<f64>,
    }
}

shape! {
    /// A verdict and what it rests on.
    pub struct Judgement {
        /// The verdict.
        pub verdict: Verdict,
        /// Since when it has been this.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub since: Time,
        /// Why, in words.
        pub text: String,
        /// The figures, one for each comparison.
        #[serde(deserialize_with = "readable")]
        pub figures: Vec<Figure>,
    }
}

shape! {
    /// The least time in the current stage.
    pub struct Hold {
        /// Milliseconds.
        pub length_ms: u64,
        /// Milliseconds. It runs only while the rollout is running.
        pub elapsed_ms: u64,
        /// Absent while it does not run.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub until: Time,
    }
}

shape! {
    /// What the schedule will do next.
    pub struct Next {
        /// The step.
        pub command: Text<ScheduledCommand>,
        /// The same in words: `advances to quarter (25 %)`.
        pub text: String,
        /// The stage that it leads to.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub stage: Option<Text<Name>>,
        /// The percentage that it leads to.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub percentage: Option<Percent>,
        /// Absent while something other than time blocks.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub at: Time,
        /// When at the earliest, where `condition` has to be met as well.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub earliest: Time,
        /// What has to be met beside the time: `2 gates pass and 1 item is approved`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub condition: Option<String>,
    }
}

shape! {
    /// Something that keeps the schedule from going on.
    pub struct Blocker {
        /// What it is.
        pub by: Text<BlockedBy>,
        /// The same in words.
        pub text: String,
        /// When it ends by itself.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub until: Time,
        /// Whether the state says the same, such as `paused`: whoever shows the state need not show it again.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub is_state: bool,
    }
}

shape! {
    /// A command that would be refused now.
    pub struct NotNow {
        /// The command.
        pub command: Text<CommandName>,
        /// Why.
        pub refusal: Text<RefusalCode>,
        /// Why, in a sentence.
        pub reason: String,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub help: Option<String>,
        /// When it will be possible, where the time alone stands in the way.
        #[serde(skip_serializing_if = "Time::is_unknown")]
        pub at: Time,
        /// Whether it becomes possible from here once the reason is gone. The others are no way on.
        pub waits: bool,
        /// It is done for whoever names the rollout in `confirm`.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub confirmable: bool,
    }
}
