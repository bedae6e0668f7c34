//! What keeps the schedule and operators from going on, as the API shows it.

use serde::Serialize;

use tidegate_decide::ends::Ends;
use tidegate_decide::offers::NotNow;
use tidegate_decide::schedule::Blocker;
use tidegate_decide::transition::Refusal;
use tidegate_model::Instant;
use tidegate_model::fault::Explain as _;

/// What the schedule waits for.
#[derive(Serialize)]
pub struct BlockerView {
    by: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Instant>,
}

/// Shows a blocker.
pub fn blocker(blocker: &Blocker) -> BlockerView {
    BlockerView { by: blocker.code(), text: blocker.to_string(), until: blocker.until() }
}

/// A command that would be refused now.
#[derive(Serialize)]
pub struct NotNowView {
    command: &'static str,
    refusal: &'static str,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Instant>,
    /// Whether it becomes possible here once its reasons are gone. The others are no way on.
    waits: bool,
    /// Whether it is done for whoever names the rollout in `confirm`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    confirmable: bool,
}

/// Shows why a command is not possible.
pub fn not_now(own: &NotNow) -> NotNowView {
    let first = own.refusals.first();
    NotNowView {
        command: own.command,
        refusal: first.map_or("", Refusal::code),
        reason: own.reason(),
        help: first.and_then(Refusal::help),
        at: own.at,
        waits: own.is_waited_for(),
        confirmable: own.is_confirmable(),
    }
}

/// What a completion ends.
#[derive(Serialize)]
pub struct EndsView {
    what: &'static str,
    text: String,
}

/// Shows what a completion ends.
pub fn ends(ends: &[Ends]) -> Vec<EndsView> {
    ends.iter().map(|own| EndsView { what: own.code(), text: own.to_string() }).collect()
}
