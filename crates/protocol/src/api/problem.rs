//! Problem documents (RFC 9457): the one place that turns what went wrong into an answer.

mod receiving;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

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
    /// Further members, as JSON.
    pub extra: Vec<(&'static str, Box<RawValue>)>,
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
            extra: Vec::new(),
            allow: None,
            retry_after_s: None,
            revision: None,
        }
    }

    /// The same with a further member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Box<RawValue>) -> Self {
        self.extra.push((name, value));
        self
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
            "send `Authorization: Bearer TOKEN` with a token whose hash stands in ADMIN_TOKENS",
        )
    }

    /// A viewer asks for a change.
    pub fn forbidden(name: &str) -> Self {
        Self::new(
            "forbidden",
            403,
            "Forbidden",
            format!("the token of {name} may look but not change anything"),
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
            "whoever is signed in stays so, and the command needs no sign-in: `tidegate status` with TIDEGATE_TOKEN",
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
        problem.with("faults", raw(&faults.iter().map(|fault| FaultView::new(None, fault)).collect::<Vec<_>>()))
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
        let problem = Self::new(
            "invalid-plans",
            422,
            "The plans have errors",
            detail,
            "`tidegate check PLAN` shows each with its line; nothing was applied",
        );
        problem.with(
            "faults",
            raw(&names.zip(&faults).map(|(rollout, fault)| FaultView::new(rollout, fault)).collect::<Vec<_>>()),
        )
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
    pub fn stale_revision(asked: &str, revision: u64, current: Box<RawValue>) -> Self {
        let detail = format!("decided on revision {asked}, but the rollout is at {revision} by now");
        let problem = Self::new(
            "stale-revision",
            412,
            "Stale revision",
            detail,
            "look at what it is now (`current`), and decide again",
        );
        Self { revision: Some(revision), ..problem }.with("current", current)
    }

    /// The command is refused.
    pub fn refused(refusal: &Refusal, revision: u64, current: Box<RawValue>) -> Self {
        let mut problem = Self::new("refused", 409, "Refused", refusal.to_string(), None);
        problem.help = refusal.help();
        problem.revision = Some(revision);
        problem.with("refusal", raw(&refusal.code())).with("current", current)
    }

    /// Plans that started rollouts do not allow.
    pub fn refused_plans(refusals: &[(String, Refusal)]) -> Self {
        let detail = refusals.first().map_or_else(String::new, |(key, refusal)| format!("{key}: {refusal}"));
        let mut problem = Self::new("refused", 409, "Refused", detail, None);
        problem.help = refusals.first().and_then(|(_, refusal)| refusal.help());
        let view = |(rollout, refusal): &(String, Refusal)| RefusalView {
            rollout: rollout.clone(),
            refusal: refusal.code(),
            detail: refusal.to_string(),
            help: refusal.help(),
        };
        problem.with("refusals", raw(&refusals.iter().map(view).collect::<Vec<_>>()))
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

/// Anything as JSON, ready to stand in an answer.
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

#[derive(serde::Serialize)]
struct FaultView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<&'a str>,
    path: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

impl<'a> FaultView<'a> {
    fn new(rollout: Option<&'a String>, fault: &'a Fault) -> Self {
        Self {
            rollout: rollout.map(String::as_str),
            path: &fault.path,
            message: &fault.message,
            help: fault.help.as_deref(),
        }
    }
}

#[derive(serde::Serialize)]
struct RefusalView {
    rollout: String,
    refusal: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:tidegate:problem:{}", self.kind))?;
        map.serialize_entry("title", self.title)?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("detail", &self.detail)?;
        if let Some(help) = &self.help {
            map.serialize_entry("help", help)?;
        }
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
