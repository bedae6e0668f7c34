//! The HTTP API under `/_tidegate/api/`, as values: who may, what is asked, what is answered.
//!
//! The isolate that gets a request authenticates it and passes it to the controller as a [`Call`];
//! the controller answers with a [`Reply`]. Every refusal is a [`problem::Problem`].

pub mod access;
pub mod asking;
pub mod auth;
pub mod body;
pub mod commands;
pub mod consequences;
#[cfg(feature = "schema")]
pub mod document;
pub mod forecast;
pub mod history;
pub mod local;
pub mod metrics;
pub mod moves;
pub mod plans;
pub mod problem;
pub mod prometheus;
pub mod session;
pub mod shapes;
pub mod view;

use serde::{Deserialize, Serialize};

use self::auth::{Person, Role};
use self::problem::Problem;
use crate::receive::Received;
use tidegate_model::node::Node;
use tidegate_model::plan::fields::Reader;

/// The API's description, in OpenAPI. In the module and not in the entry's script, which the runtime parses before it
/// serves: that cost 5 ms of each start.
pub const DESCRIPTION: &str = include_str!("openapi.json");

/// The prefix of the API's paths.
pub const PREFIX: &str = "/_tidegate/api/";
/// Where Prometheus reads.
pub const EXPOSITION: &str = "/_tidegate/metrics";
/// The longest body of a set of plans, in bytes.
pub const PLANS_BYTES_MAX: u32 = 1 << 20;
/// The longest body of a backup, in bytes: what a call to the controller can carry.
pub const BACKUP_BYTES_MAX: u32 = 24 << 20;
/// The longest body of anything else, in bytes.
pub const BODY_BYTES_MAX: u32 = 64 << 10;

/// An authenticated request to the controller.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Its path below the prefix.
    pub path: String,
    /// Its query, without `?`.
    pub query: String,
    /// Whose token it carried.
    pub actor: String,
    /// The address of a calendar of the same dates, signed; `None` where nothing is signed.
    #[serde(default)]
    pub feed: Option<String>,
    /// The roles of plans that they have by their token or their groups.
    #[serde(default)]
    pub roles: Vec<String>,
    /// `If-Match`.
    pub if_match: Option<String>,
    /// `Idempotency-Key`.
    pub key: Option<String>,
    /// Its body.
    pub body: String,
    /// Scheme and host that it was sent to.
    #[serde(default)]
    pub origin: Option<String>,
    /// The text of `CONSOLE_HOST`, which no plan's route may name.
    #[serde(default)]
    pub console_host: Option<String>,
    /// The one signal that its token may report; `None` for any.
    #[serde(default)]
    pub signal: Option<String>,
    /// Where it is no call of the API but a delivery for a receiver: what the isolate has found of it.
    #[serde(default)]
    pub received: Option<Received>,
}

impl Call {
    /// Whether it only reads.
    pub fn is_read(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// Reads what an isolate has passed on.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The rollout of which a request to this path reports a signal, if it does.
pub fn reported_on<'p>(method: &str, path: &'p str) -> Option<&'p str> {
    let key = path.strip_prefix(PREFIX)?.strip_prefix("rollouts/")?.strip_suffix("/signals")?;
    (method == "POST" && !key.contains('/')).then_some(key)
}

/// An answer.
#[derive(Debug, Serialize)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// `application/json` or `application/problem+json`.
    pub is_problem: bool,
    /// The revision of the rollout that it tells of.
    pub revision: Option<u64>,
    /// `Allow`, of a 405.
    pub allow: Option<String>,
    /// `Retry-After` in seconds, of a 429.
    pub retry_after_s: Option<u64>,
    /// What its body is, where it is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// Its body.
    pub body: String,
}

impl Reply {
    /// Reads what the controller has answered, now or to the same request before.
    pub fn parse(text: &str) -> Option<Self> {
        let node: Node = serde_json::from_str(text).ok()?;
        let r = &mut Reader::default();
        let mut f = r.fields(&node)?;
        Some(Self {
            status: u16::try_from(f.required(r, "status", Reader::whole)?).ok()?,
            is_problem: f.required(r, "is_problem", Reader::boolean)?,
            revision: f.optional(r, "revision", Reader::whole),
            allow: f.optional(r, "allow", Reader::text),
            retry_after_s: f.optional(r, "retry_after_s", Reader::whole),
            media: f.optional(r, "media", Reader::text).and_then(|word| Media::of(&word)),
            body: f.required(r, "body", Reader::text)?,
        })
    }

    /// An answer whose body is JSON already.
    pub fn text(body: String) -> Self {
        Self { status: 200, is_problem: false, revision: None, allow: None, retry_after_s: None, media: None, body }
    }

    /// An answer in JSON.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        Self {
            status,
            is_problem: false,
            revision: None,
            allow: None,
            retry_after_s: None,
            media: None,
            body: serde_json::to_string(body).unwrap_or_default(),
        }
    }

    /// A paper.
    pub fn paper(media: Media, body: String) -> Self {
        Self { media: Some(media), ..Self::text(body) }
    }

    /// The same with the revision of the rollout that it tells of.
    #[must_use]
    pub fn at(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        let mut reply = Self {
            is_problem: true,
            allow: problem.allow.clone(),
            retry_after_s: problem.retry_after_s,
            ..Self::json(problem.status, &problem)
        };
        reply.revision = problem.revision;
        reply
    }
}

/// What a body is that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// A page.
    Html,
    /// A text with marks.
    Markdown,
    /// A calendar.
    Calendar,
}

impl Media {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "html" => Self::Html,
            "markdown" => Self::Markdown,
            "calendar" => Self::Calendar,
            _ => return None,
        })
    }
}

/// What a path of the API names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `rollouts`
    Rollouts,
    /// `rollouts/KEY`
    Rollout(String),
    /// `rollouts/KEY/commands`
    Commands(String),
    /// `rollouts/*/commands`
    AllCommands,
    /// `rollouts/KEY/history`
    History(String),
    /// `rollouts/KEY/messages`
    Messages(String),
    /// `rollouts/KEY/plan`
    Plan(String),
    /// `rollouts/KEY/signals`
    Signals(String),
    /// `rollouts/KEY/metrics`
    Metrics(String),
    /// `rollouts/KEY/previews`
    Previews(String),
    /// `rollouts/KEY/timeline`
    Timeline(String),
    /// `timeline`
    AllTimelines,
    /// `rollouts/KEY/runbook`
    Runbook(String),
    /// `rollouts/KEY/report`
    Report(String),
    /// `freeze`
    Freeze,
    /// `outbox`
    Outbox,
    /// `outbox/ID/retry`
    OutboxRetry(String),
    /// `channels/NAME/test`
    ChannelTest(String),
    /// `plans`
    Plans,
    /// `backup`
    Backup,
    /// `assign`
    Assign,
    /// `openapi.json`
    Description,
    /// What Prometheus reads, which has a path of its own.
    Exposition,
}

impl Route {
    /// Finds what a request asks for.
    ///
    /// # Errors
    /// When there is no such path, or it does not take the method.
    pub fn find(method: &str, path: &str) -> Result<Self, Problem> {
        let parts: Vec<&str> = path.split('/').collect();
        let (route, methods) = match parts.as_slice() {
            ["rollouts"] => (Self::Rollouts, "GET, HEAD"),
            ["rollouts", "*" | "%2A", "commands"] => (Self::AllCommands, "POST"),
            ["rollouts", key] => (Self::Rollout((*key).to_owned()), "GET, HEAD"),
            ["rollouts", key, "commands"] => (Self::Commands((*key).to_owned()), "POST"),
            ["rollouts", key, "messages"] => (Self::Messages((*key).to_owned()), "GET, HEAD"),
            ["rollouts", key, "history"] => (Self::History((*key).to_owned()), "GET, HEAD"),
            ["rollouts", key, "plan"] => (Self::Plan((*key).to_owned()), "GET, HEAD"),
            ["rollouts", key, "signals"] => (Self::Signals((*key).to_owned()), "POST"),
            ["rollouts", key, "metrics"] => (Self::Metrics((*key).to_owned()), "GET, HEAD"),
            ["rollouts", key, "previews"] => (Self::Previews((*key).to_owned()), "POST"),
            ["rollouts", key, "timeline"] => (Self::Timeline((*key).to_owned()), "GET, HEAD"),
            ["rollouts", key, "runbook"] => (Self::Runbook((*key).to_owned()), "GET, HEAD"),
            ["rollouts", key, "report"] => (Self::Report((*key).to_owned()), "GET, HEAD"),
            ["timeline"] => (Self::AllTimelines, "GET, HEAD"),
            ["freeze"] => (Self::Freeze, "GET, HEAD, PUT"),
            ["outbox"] => (Self::Outbox, "GET, HEAD"),
            ["outbox", id, "retry"] => (Self::OutboxRetry((*id).to_owned()), "POST"),
            ["channels", name, "test"] => (Self::ChannelTest((*name).to_owned()), "POST"),
            ["plans"] => (Self::Plans, "GET, HEAD, PUT"),
            ["backup"] => (Self::Backup, "GET, HEAD, PUT"),
            ["assign"] => (Self::Assign, "GET, HEAD"),
            ["openapi.json"] => (Self::Description, "GET, HEAD"),
            _ if path == EXPOSITION => (Self::Exposition, "GET, HEAD"),
            _ => return Err(Problem::not_found(path)),
        };
        if methods.split(", ").any(|known| known == method) {
            Ok(route)
        } else {
            Err(Problem::method_not_allowed(method, methods))
        }
    }
}

impl Route {
    /// Whether somebody who was admitted may ask for this: what holds everything is for operators alone.
    ///
    /// # Errors
    /// With the problem to answer.
    pub fn admits(&self, person: &Person) -> Result<(), Problem> {
        match self {
            Self::Backup if person.role != Role::Operator => Err(Problem::forbidden(&person.name)),
            _ => Ok(()),
        }
    }

    /// The longest body that a request with this method may have, in bytes; `None` where it has none.
    pub fn body_bytes_max(&self, method: &str) -> Option<u32> {
        match self {
            _ if matches!(method, "GET" | "HEAD") => None,
            Self::Plans => Some(PLANS_BYTES_MAX),
            Self::Backup => Some(BACKUP_BYTES_MAX),
            _ => Some(BODY_BYTES_MAX),
        }
    }
}

/// The value of a query's parameter, decoded as forms are; what is malformed stays.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(parameter("rollout=demo&id=a%40b+c%C3%A9%zz", "id").as_deref(), Some("a@b cé%zz"));
        assert_eq!(parameter("rollout=demo", "id"), None);
        assert_eq!(parameter("id", "id").as_deref(), Some(""));
    }

    #[test]
    fn paths_take_their_methods_only() {
        assert_eq!(Route::find("GET", "rollouts/demo").ok(), Some(Route::Rollout("demo".into())));
        assert_eq!(Route::find("HEAD", "rollouts").ok(), Some(Route::Rollouts));
        assert_eq!(Route::find("POST", "rollouts/*/commands").ok(), Some(Route::AllCommands));
        assert_eq!(
            Route::find("DELETE", "rollouts/demo").err().map(|problem| (problem.status, problem.allow)),
            Some((405, Some("GET, HEAD".into())))
        );
        assert_eq!(Route::find("GET", "rollouts/demo/").err().map(|problem| problem.status), Some(404));
    }
}
