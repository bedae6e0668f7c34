//! The shapes of the API's answers, once: the worker writes them, the command reads them, and the OpenAPI document
//! is made of them (`make format` writes it, and a test holds it to them).
//!
//! 1. What is written is as the document says. A field that may be absent has `skip_serializing_if`.
//! 2. Reading is tolerant: a field that is missing has its default, one that is not known here is ignored, and a
//!    word that is not known here ([`Text`]) stays as it is. So an older command can still stop a rollout of a newer
//!    deployment, and a newer command one of an older.
//! 3. Fields are only added.
//!
//! To add a shape: a struct in [`shape!`] here, its name in [`document`](super::document), the route in
//! `openapi.json` by hand with a `$ref` to it, then `make format`.

mod change;
mod checklist;
mod measured;
mod others;
mod outbox;
mod problem;
mod record;
mod rollout;
mod signals;
mod text;
mod timeline;
pub mod vocabulary;

pub use change::{AllDone, Changed, Consequences, Done, Ends, Moves, Refused, Standing, Step, Tried, Warning};
pub use checklist::{Approved, Checklist, Item};
pub use measured::{
    Evidence, Measured, MeasuredSide, Metrics, Quantiles, Shadow, ShadowAnswer, ShadowSample, Subjects,
};
pub use others::{
    Assignment, ConfigFault, Health, HeldList, PlanApplied, PlansApplied, Preview, ProblemState, Published, Reach,
    Session, SignalTaken, SnapshotHealth,
};
pub use outbox::{ChannelTest, ChannelTests, NotRetried, Outbox, OutboxChannel, OutboxMessage, Retried};
pub use problem::{Fault, Problem, RefusedPlan};
pub use record::{Entry, Explanation, History, Message, Messages, RecordedCommand, RollbackTo};
pub use rollout::{
    Adopted, Blocker, Gate, Guardrail, Hold, Judgement, Next, NotNow, Reached, Rollout, Rollouts, StageView, State,
    Term,
};
pub use signals::{DeliveryTaken, DeliveryTakenBy, ProbeState, ReceiverState, SignalState};
pub use text::{Percent, Text, Time};
pub use timeline::{Freeze, RolloutTimeline, Timeline, TimelineEvent, TimelineKind};

/// Derives what every shape has.
macro_rules! shape {
    ($shape:item) => {
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(default)]
        $shape
    };
}
use shape;
