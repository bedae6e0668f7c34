//! What a command does, or would do.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidegate_decide::forecast::Forecast;
use tidegate_model::Name;
use tidegate_model::live::Phase;

use super::rollout::{Blocker, Rollout, State};
use super::vocabulary::{Direction, EndsCode, MovesBasis, ScheduledCommand, WarningCode};
use super::{Percent, Text, shape};

/// What was done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Done {
    /// The rollout, as the change leaves it.
    pub rollout: Rollout,
    /// The entry of the history, byte for byte as it is stored.
    #[cfg_attr(feature = "schema", schemars(with = "super::Entry"))]
    pub entry: Box<RawValue>,
    /// Whom it moves.
    pub moves: Moves,
    /// What the schedule makes of it at once, until it next waits. Gates of stages that have yet to be entered
    /// count as inconclusive.
    pub then: Vec<Step>,
    /// What it waits for then.
    pub waits: Vec<Blocker>,
    /// What ends, where all this completes the rollout.
    pub ends: Vec<Ends>,
    /// The same in sentences.
    pub explanation: Consequences,
}

shape! {
    /// What would be done.
    pub struct Tried {
        /// Always true: nothing was done.
        pub dry_run: bool,
        /// The state now.
        pub from: State,
        /// The state after the command alone.
        pub to: State,
        /// Whom it moves.
        pub moves: Moves,
        /// What the schedule makes of it at once, until it next waits. Gates of stages that have yet to be entered
        /// count as inconclusive.
        pub then: Vec<Step>,
        /// What it waits for then.
        pub waits: Vec<Blocker>,
        /// What ends, where all this completes the rollout.
        pub ends: Vec<Ends>,
        /// Of a start, where legacy was measured for ten minutes or more.
        #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
        pub forecast: Option<Forecast>,
        /// The same in sentences.
        pub explanation: Consequences,
    }
}

/// The answer to a command, whether it was carried out or only tried: what both have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Changed {
    /// The rollout, where it was carried out.
    pub rollout: Rollout,
    /// The state before, where it was only tried.
    pub from: State,
    /// What it does, in sentences.
    pub explanation: Consequences,
}

shape! {
    /// The answer to a command to all rollouts.
    pub struct AllDone {
        /// Those that it changed, as they are now.
        pub rollouts: Vec<Rollout>,
        /// Those that refused it.
        pub refused: Vec<Refused>,
    }
}

shape! {
    /// A rollout that refused a command to all.
    pub struct Refused {
        /// Its key.
        pub rollout: Text<Name>,
        /// Why.
        pub detail: String,
        /// What to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub help: Option<String>,
    }
}

shape! {
    /// Whom a change moves, together with what the schedule makes of it at once. Groups are not counted.
    pub struct Moves {
        /// In effect before.
        pub from: Percent,
        /// In effect after.
        pub to: Percent,
        /// The side that users move to.
        pub direction: Text<Direction>,
        /// How many move, in percentage points of all users.
        pub share: Percent,
        /// How many of the users of the last day that is; null where none were seen.
        pub subjects: Option<u64>,
        /// What `share` follows from.
        pub basis: Text<MovesBasis>,
    }
}

shape! {
    /// A step of the schedule, and the state that it leads to.
    pub struct Step {
        /// The step.
        pub command: Text<ScheduledCommand>,
        /// The stage that it leads to.
        pub stage: Text<Name>,
        /// The percentage that it leads to.
        pub percentage: Percent,
        /// The phase that it leads to.
        pub phase: Text<Phase>,
    }
}

shape! {
    /// Something that ends when a rollout completes.
    pub struct Ends {
        /// What.
        pub what: Text<EndsCode>,
        /// The same in a sentence.
        pub text: String,
    }
}

shape! {
    /// What a command does, in sentences: the command `tidegate` and the console show these.
    pub struct Consequences {
        /// Where the rollout stands before.
        pub before: Standing,
        /// Where it stands after the command alone.
        pub after: Standing,
        /// What the schedule makes of it at once, and what it waits for then.
        pub following: Vec<String>,
        /// Who changes sides.
        pub movers: Vec<String>,
        /// What a person should know before they agree.
        pub warnings: Vec<Warning>,
        /// It stops something, and so needs no reason.
        pub is_unconditional: bool,
        /// It needs `If-Match`.
        pub needs_revision: bool,
    }
}

shape! {
    /// Where a rollout stands.
    pub struct Standing {
        /// The stage.
        pub stage: Text<Name>,
        /// The percentage in effect.
        pub percentage: Percent,
        /// What else the command changes: the phase, a kill, the attempt.
        pub facts: Vec<String>,
    }
}

shape! {
    /// Something to know before agreeing.
    pub struct Warning {
        /// What it is about.
        pub code: Text<WarningCode>,
        /// The sentence.
        pub text: String,
    }
}
