//! Problem documents (RFC 9457): the one place that turns what went wrong into an answer.

mod messages;
mod receiving;

use serde::{Serialize, Serializer};

use super::shapes::{self, RefusedPlan, Text};
use tidegate_decide::transition::Refusal;
use tidegate_model::fault::{Explain, Fault, Severity};

/// What went wrong, for people and for programs.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The stable end of its `type`.
    pub kind: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// What kind of problem it is.
    pub title: &'static str,
    /// What is wrong this time.
    pub detail: String,
    /// What to do.
    pub help: Option<String>,
    /// Further members of the document; those above are empty in it.
    pub more: Box<shapes::Problem>,
    /// The methods that would have been allowed.
    pub allow: Option<String>,
    /// After how many seconds to try again.
    pub retry_after_s: Option<u64>,
    /// The rollout's revision, where that is what one has to know.
    pub revision: Option<u64>,
}

impl Problem {
    pub(super) fn new(
        kind: &'static str,
        status: u16,
        title: &'static str,
        detail: impl Into<String>,
        help: impl Into<Option<&'static str>>,
    ) -> Self {
        let help: Option<&str> = help.into();
        Self {
            kind,
            status,
            title,
            detail: detail.into(),
            help: help.map(str::to_owned),
            more: Box::default(),
            allow: None,
            retry_after_s: None,
            revision: None,
        }
    }

    /// `ADMIN_TOKENS` is not set.
    pub fn no_tokens() -> Self {
        let help = "make one with `tidegate token ana --role operator` and set what it prints with `npx wrangler secret put ADMIN_TOKENS`; `make dev` sets its own";
        Self::new(
            "no-tokens",
            503,
            "The API is closed",
            "no tokens are configured, and without them the API is closed",
            help,
        )
    }

    /// `ADMIN_TOKENS` cannot be read.
    pub fn bad_tokens(detail: String) -> Self {
        let help = "entries NAME:ROLE:SHA256HEX, separated by commas or white space; `tidegate token ana --role operator` prints one";
        Self::new("bad-tokens", 503, "The API is closed", detail, help)
    }

    /// No token, or an unknown one.
    pub fn unauthorized(detail: &str) -> Self {
        Self::new(
            "unauthorized",
            401,
            "Unauthorized",
            detail,
            "send `Authorization: Bearer TOKEN` with a token whose hash is in ADMIN_TOKENS",
        )
    }

    /// A sign-in by Cloudflare Access that does not count.
    pub fn access_refused() -> Self {
        Self::new(
            "access-refused",
            401,
            "Not signed in",
            "the sign-in by Cloudflare Access does not count here",
            "sign in again; whoever operates Tidegate finds the reason in the worker's log, as `access_refused`",
        )
    }

    /// Somebody that Cloudflare Access has signed in, and who may do nothing.
    pub fn no_access_role() -> Self {
        Self::new(
            "no-role",
            403,
            "No role",
            "Cloudflare Access has signed you in, and this deployment gives you no role",
            "whoever operates Tidegate can add your address or a group of yours to ACCESS_ROLES",
        )
    }

    /// A viewer asks for a change.
    pub fn forbidden(name: &str) -> Self {
        Self::new(
            "forbidden",
            403,
            "Forbidden",
            format!("{name} may read but not change anything"),
            "use an operator's token",
        )
    }

    /// A change that a page of another site asks for.
    pub fn cross_site() -> Self {
        Self::new(
            "cross-site",
            403,
            "Not from another site",
            "a browser sends this from a page of another origin",
            "send changes from the command, or from a page of the same origin",
        )
    }

    /// A sign-in over plain HTTP, where a browser would not keep the session's cookie.
    pub fn plain_http() -> Self {
        Self::new(
            "plain-http",
            403,
            "Not over plain HTTP",
            "a session needs HTTPS: a browser keeps its cookie only there, and on this machine",
            "open the console with https://",
        )
    }

    /// An address that has failed to sign in too often.
    pub fn too_many_sign_ins(after_s: u64) -> Self {
        let detail = format!("this address has failed to sign in too often; it may try again in {after_s} s");
        let problem = Self::new(
            "too-many",
            429,
            "Too many tries",
            detail,
            "sessions stay signed in, and the command needs no sign-in: `tidegate status` with TIDEGATE_TOKEN",
        );
        Self { retry_after_s: Some(after_s), ..problem }
    }

    /// A kill that the controller has not answered in time; `key` is the rollout's, or `*`.
    pub fn kill_unanswered(key: &str, why: &str) -> Self {
        let detail = format!("it is unknown whether it kills: {why}");
        let mut problem = Self::new("unavailable", 503, "The controller does not answer", detail, None);
        problem.help = Some(format!(
            "kill in KV, which needs no controller: npx wrangler kv key put --remote --binding ROLLOUTS 'kill/{key}' on"
        ));
        problem
    }

    /// No such path.
    pub fn not_found(path: &str) -> Self {
        Self::new(
            "not-found",
            404,
            "Not found",
            format!("there is nothing at `{path}`"),
            "`/_tidegate/api/openapi.json` describes what there is",
        )
    }

    /// No such rollout.
    pub fn unknown_rollout(key: &str, known: &[String]) -> Self {
        let mut problem =
            Self::new("unknown-rollout", 404, "No such rollout", format!("no rollout has the key `{key}`"), None);
        problem.help = Some(match tidegate_model::fault::nearest(key, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "there are none yet: `tidegate apply PLAN` makes one".to_owned(),
            None => format!("known: {}", known.join(", ")),
        });
        problem
    }

    /// The path does not take this method.
    pub fn method_not_allowed(method: &str, allow: &str) -> Self {
        let problem = Self::new(
            "method-not-allowed",
            405,
            "Method not allowed",
            format!("{method} is not allowed here; it takes {allow}"),
            None,
        );
        Self { allow: Some(allow.to_owned()), ..problem }
    }

    /// A body longer than `max` bytes.
    pub fn too_large(max: u32) -> Self {
        Self::new(
            "too-large",
            413,
            "Too large",
            format!("the body is longer than {} KB", max >> 10),
            "send less at once",
        )
    }

    /// A body or a parameter that cannot be read.
    pub fn malformed(detail: impl Into<String>, help: &'static str) -> Self {
        Self::new("malformed", 400, "Malformed", detail, help)
    }

    /// A body with these faults.
    pub fn faulty(faults: &[Fault]) -> Self {
        let detail = faults.first().map_or_else(String::new, ToString::to_string);
        let mut problem = Self::new("malformed", 400, "Malformed", detail, None);
        problem.help = faults
            .first()
            .and_then(|fault| fault.help.clone())
            .or_else(|| Some("`/_tidegate/api/openapi.json` describes what is expected".into()));
        problem.more.faults = faults.iter().map(|own| fault(None, own)).collect();
        problem
    }

    /// One field that is wrong.
    pub fn field(name: &str, message: &str, help: &str) -> Self {
        Self::faulty(&[Fault {
            severity: Severity::Error,
            path: name.to_owned(),
            span: None,
            message: message.to_owned(),
            help: Some(help.to_owned()),
        }])
    }

    /// Plans with faults; `rollouts` are the names of the rollouts that the first ones are in.
    pub fn invalid_plans(rollouts: &[String], faults: Vec<Fault>) -> Self {
        let names = rollouts.iter().map(Some).chain(std::iter::repeat(None));
        let detail = match (rollouts.first(), faults.first()) {
            (Some(rollout), Some(fault)) => format!("{rollout}: {fault}"),
            (_, fault) => fault.map_or_else(String::new, ToString::to_string),
        };
        let mut problem = Self::new(
            "invalid-plans",
            422,
            "The plans have errors",
            detail,
            "`tidegate check PLAN` shows each with its line; nothing was applied",
        );
        problem.more.faults = names.zip(&faults).map(|(rollout, own)| fault(rollout, own)).collect();
        problem
    }

    /// A plan of this rollout has a route that names the console's host.
    pub fn route_of_console(rollout: &str, route: &str) -> Self {
        let fault = Fault {
            severity: Severity::Error,
            path: "routes".to_owned(),
            span: None,
            message: format!("`{route}` is on the host of the console (CONSOLE_HOST), where nothing of a site may be"),
            help: Some("take the site's own host; `/*` means every host but that one".to_owned()),
        };
        Self::invalid_plans(&[rollout.to_owned()], vec![fault])
    }

    /// The command needs the revision that it was decided on.
    pub fn revision_required(revision: u64) -> Self {
        let help = "send `If-Match` with the ETag of the rollout as you saw it; `*` if it does not matter";
        let problem = Self::new(
            "revision-required",
            428,
            "Precondition required",
            "this command needs the revision that it was decided on",
            help,
        );
        Self { revision: Some(revision), ..problem }
    }

    /// Somebody was faster.
    pub fn stale_revision(asked: &str, revision: u64, current: shapes::Rollout) -> Self {
        let detail = format!("decided on revision {asked}, but the rollout is at {revision} by now");
        let mut problem = Self::new(
            "stale-revision",
            412,
            "Stale revision",
            detail,
            "look at what it is now (`current`), and decide again",
        );
        problem.more.current = Some(Box::new(current));
        Self { revision: Some(revision), ..problem }
    }

    /// The command is refused.
    pub fn refused(refusal: &Refusal, revision: u64, current: shapes::Rollout) -> Self {
        let mut problem = Self::new("refused", 409, "Refused", refusal.to_string(), None);
        problem.help = refusal.help();
        problem.revision = Some(revision);
        problem.more.refusal = Some(Text::word(refusal.code()));
        problem.more.current = Some(Box::new(current));
        problem
    }

    /// Plans that started rollouts do not allow.
    pub fn refused_plans(refusals: &[(String, Refusal)]) -> Self {
        let detail = refusals.first().map_or_else(String::new, |(key, refusal)| format!("{key}: {refusal}"));
        let mut problem = Self::new("refused", 409, "Refused", detail, None);
        problem.help = refusals.first().and_then(|(_, refusal)| refusal.help());
        let view = |(rollout, refusal): &(String, Refusal)| RefusedPlan {
            rollout: rollout.as_str().into(),
            refusal: Text::word(refusal.code()),
            detail: refusal.to_string(),
            help: refusal.help(),
        };
        problem.more.refusals = refusals.iter().map(view).collect();
        problem
    }

    /// An `Idempotency-Key` that another request had.
    pub fn key_reused() -> Self {
        Self::new(
            "key-reused",
            422,
            "Key used before",
            "another request had this Idempotency-Key",
            "use a new key for each command, and the same one only to send the same again",
        )
    }

    /// The worker has no controller.
    pub fn no_controller() -> Self {
        Self::new(
            "no-controller",
            503,
            "No controller",
            "the worker has no binding CONTROLLER",
            "add the Durable Object to wrangler.toml, as the one that Tidegate ships has it",
        )
    }

    /// The controller does not answer.
    pub fn unavailable(detail: String) -> Self {
        Self::new(
            "unavailable",
            503,
            "The controller does not answer",
            detail,
            "try again; in an emergency put `kill/KEY` into KV, which needs no controller",
        )
    }

    /// `SIGNING_KEY` is not set.
    pub fn no_signing_key() -> Self {
        Self::new(
            "no-signing-key",
            503,
            "SIGNING_KEY missing",
            "SIGNING_KEY is not set, or is shorter than 16 bytes",
            "npx wrangler secret put SIGNING_KEY, with 32 random bytes as text",
        )
    }
}

fn fault(rollout: Option<&String>, fault: &Fault) -> shapes::Fault {
    shapes::Fault {
        rollout: rollout.cloned(),
        path: fault.path.clone(),
        message: fault.message.clone(),
        help: fault.help.clone(),
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = shapes::Problem {
            r#type: format!("urn:tidegate:problem:{}", self.kind).as_str().into(),
            title: self.title.to_owned(),
            status: self.status,
            detail: self.detail.clone(),
            help: self.help.clone(),
            ..(*self.more).clone()
        };
        document.serialize(serializer)
    }
}
