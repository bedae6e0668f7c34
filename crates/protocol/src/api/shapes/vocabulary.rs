//! The closed vocabularies of the API that are no types of their own: codes that programs decide by.

use tidegate_model::command::{OPERATORS, UNCONDITIONAL};

/// Those that the document names, since several fields have them.
#[cfg(feature = "schema")]
const NAMED: [&str; 2] = ["CommandName", "RefusalCode"];

/// Words that a field can have; for the document, and to tell one kind of text from another.
macro_rules! vocabulary {
    ($($(#[doc = $doc:literal])+ $name:ident is $words:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {}

        impl $name {
            /// All of them.
            pub const WORDS: &[&str] = &$words;
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                !NAMED.contains(&stringify!($name))
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "enum": Self::WORDS,
                    "description": concat!($($doc),+).trim(),
                })
            }
        }
    )+};
}

vocabulary! {
    /// A command of an operator.
    CommandName is OPERATORS;
    /// A command that may be sent without `If-Match`: one that stops something, or a note.
    UnconditionalCommand is UNCONDITIONAL;
    /// A step of the schedule.
    ScheduledCommand is ["start", "advance", "complete", "release", "wait", "end"];
    /// A command in the history: one of the operators', or `apply` (the plan changed), `release` and `wait` (the
    /// rollouts named in `after` have ended, or no longer), `take_over` (the rollout goes on as KV held it before
    /// the controller knew it), `end` (a last stage under 100 % is over).
    RecordedName is [
        "start", "advance", "set", "pause", "resume", "rollback", "kill", "revive", "approve", "complete", "note",
        "apply", "release", "wait", "take_over", "end",
    ];
    /// Where a rollback goes: to 0 % without groups, or to the stage before.
    RollbackWord is ["off", "previous"];
    /// Why a command is refused. `phase`: not in this phase. `killed`: revive it first. `not-killed`: there is
    /// nothing to revive. `kill-key`: a kill key stands in KV and only deleting it there ends the kill.
    /// `checklist`: items are open. `early`: before the plan's `start`. `guardrail`: one has acted, and the rollout
    /// was not resumed since. `gates`: gates of the stage fail. `other-key`: `confirm` names another rollout. `nothing-open`: nothing is left to
    /// approve. `frozen`: in a `freeze`. `enter`: outside the next stage's `enter`. `last-stage`: there is no next
    /// one. `unknown-stage`, `unknown-item`: the plan has none of that name. `approved-already`. `same-person`: the item needs several
    /// people. `other-role`: it is for another role. `would-rise`: a
    /// rollback goes down. `running-plan`: the plan of a started rollout cannot change in this way. `unread-plan`:
    /// what is stored of the rollout cannot be read; kill, pause and a rollback to 0 % work, and applying its plan
    /// again mends it.
    RefusalCode is [
        "phase", "killed", "not-killed", "kill-key", "checklist", "early", "frozen", "enter", "guardrail", "gates",
        "other-key", "nothing-open", "last-stage", "unknown-stage", "unknown-item", "approved-already",
        "same-person", "other-role",
        "would-rise", "running-plan", "unread-plan",
    ];
    /// Whether a message was sent; `dead`: it was given up.
    DeliveryState is ["waiting", "sent", "dead"];
    /// What has become of a sample; `nothing` where this kind of channel has no test message.
    TestOutcome is ["sent", "nothing", "failed", "refused"];
    /// What keeps the schedule from going on.
    BlockedBy is [
        "hold", "gates", "sample_ratio", "problem", "checklist", "hook", "freeze", "enter", "manual", "after", "start", "killed",
        "paused", "rolled_back", "completed", "draft", "last_stage",
    ];
    /// What ends when a rollout completes.
    EndsCode is ["rescue", "skew", "holdout", "eligible", "comparisons"];
    /// What a warning is about.
    WarningCode is [
        "confirmed", "skipped", "chance", "never_reported", "jump", "held", "attempt", "killed", "all", "ends",
    ];
    /// The side that users move to.
    Direction is ["new", "legacy", "none"];
    /// Whether a share follows from the percentages alone or from measured traffic.
    MovesBasis is ["percentage", "traffic"];
    /// Before the start, before the current stage is left, or before the resume after a rollback.
    ChecklistOf is ["start", "stage", "rollback"];
    /// What a message is.
    MessageKind is ["alert", "observed", "escalation", "checkin", "notice", "verification"];
    /// What a comparison serves.
    EvidenceOf is ["guardrail", "gate", "sample_ratio"];
    /// Where a signal comes from.
    SignalSource is ["reported", "receiver", "prometheus", "json"];
    /// What applying plans does to a rollout.
    PlanChange is ["added", "changed", "unchanged", "removed"];
    /// The first rule that applied. `unidentified`: no id. `excluded`: in a group that the plan excludes.
    /// `required`: on legacy in a rollout that this one requires. `ineligible`: not in the plan's eligible group.
    /// `holdout`: in the share that stays on legacy at every percentage. `stepped_down`: in the share that a step down
    /// has left, where browsers that have used new keep it.
    AssignmentReason is [
        "killed", "inactive", "excluded", "required", "completed", "chosen", "visit", "group", "ineligible", "holdout",
        "stepped_down", "bucketed", "unidentified",
    ];
    /// What a token allows: `viewer` to read, `operator` to read and to change, `reporter` to report its signals.
    RoleName is ["viewer", "operator", "reporter"];
    /// The kind of a problem. Stable: programs decide by it.
    ProblemType is [
        "urn:tidegate:problem:no-tokens", "urn:tidegate:problem:bad-tokens", "urn:tidegate:problem:unauthorized",
        "urn:tidegate:problem:forbidden", "urn:tidegate:problem:cross-site", "urn:tidegate:problem:plain-http",
        "urn:tidegate:problem:not-found", "urn:tidegate:problem:unknown-message",
        "urn:tidegate:problem:unknown-channel", "urn:tidegate:problem:unknown-rollout",
        "urn:tidegate:problem:method-not-allowed", "urn:tidegate:problem:too-large", "urn:tidegate:problem:too-many",
        "urn:tidegate:problem:malformed", "urn:tidegate:problem:revision-required",
        "urn:tidegate:problem:stale-revision", "urn:tidegate:problem:refused", "urn:tidegate:problem:key-reused",
        "urn:tidegate:problem:invalid-plans", "urn:tidegate:problem:no-controller",
        "urn:tidegate:problem:unavailable", "urn:tidegate:problem:no-signing-key", "urn:tidegate:problem:unknown-receiver",
        "urn:tidegate:problem:no-secret",
    ];
}

/// SHA-256 in lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Hash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hash".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "SHA-256 in lower-case hexadecimal.",
            "pattern": "^[0-9a-f]{64}$",
        })
    }
}
