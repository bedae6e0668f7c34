//! What goes wrong where others report: by a reporter's token, or at a receiver.

use super::Problem;
use crate::api::auth::Person;
use tidegate_model::plan::receiver::ReceiverKind;

impl Problem {
    /// A report of a page of another host.
    pub fn foreign_report() -> Self {
        Self::new(
            "cross-site",
            403,
            "Not from another site",
            "a browser sends this from a page of another host",
            "let each page report to the host that it came from",
        )
    }

    /// A reporter asks for anything but its signals.
    pub fn only_reports(person: &Person) -> Self {
        let detail = format!("the token of {} may report {} and nothing else", person.name, person.scope);
        let help = "post to rollouts/KEY/signals with it; for anything else use a viewer's or an operator's token";
        Self::new("forbidden", 403, "Forbidden", detail, help)
    }

    /// A reporter reports another signal than its own.
    pub fn not_its_signal(name: &str, signal: &str) -> Self {
        let detail = format!("the token of {name} may not report `{signal}`");
        Self::new(
            "forbidden",
            403,
            "Forbidden",
            detail,
            "make a token for it with `tidegate token NAME --role reporter`",
        )
    }

    /// No plan has the receiver that a delivery is for.
    pub fn unknown_receiver(name: &str) -> Self {
        Self::new(
            "unknown-receiver",
            404,
            "No such receiver",
            format!("no plan has a receiver called `{name}`"),
            "give it to a plan, as [receivers.NAME], and apply that",
        )
    }

    /// A delivery without the receiver's secret.
    pub fn not_genuine() -> Self {
        Self::new(
            "unauthorized",
            401,
            "Unauthorized",
            "the delivery does not carry the receiver's secret, or is not signed with it",
            "let the sender bring it as its plan says: as a bearer token, as the password of basic authentication, or by its signature",
        )
    }

    /// The secret of a receiver is not set.
    pub fn no_receiver_secret(name: &str) -> Self {
        Self::new(
            "no-secret",
            503,
            "The receiver's secret is not set",
            format!(
                "the secret of the receiver `{name}` is not set, or is shorter than 16 characters, so nobody can prove a delivery"
            ),
            "set it with `npx wrangler secret put NAME`; `tidegate check` names it",
        )
    }

    /// A delivery that its tool did not send like this.
    pub fn bad_delivery(kind: ReceiverKind, why: &str) -> Self {
        Self::new(
            "malformed",
            400,
            "Malformed",
            format!("this is no delivery of {kind}: {why}"),
            "see docs/signals.md for what each tool has to send",
        )
    }

    /// An address whose deliveries are not genuine.
    pub fn too_many_deliveries(after_s: u64) -> Self {
        let detail = "too many deliveries of this address do not carry the receiver's secret";
        let help = "let the sender bring the right secret";
        Self { retry_after_s: Some(after_s), ..Self::new("too-many", 429, "Too many tries", detail, help) }
    }
}
