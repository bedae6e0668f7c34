//! The API's requests as an isolate gets them: who asks is settled here, then most go to the
//! controller. A change has reached this isolate when its answer leaves.

use web_sys::Response;

use super::admin::{AdminRequest, answer};
use super::{clock, console, glue, isolate};
use tidegate_decide::assign::{Variant, Visitor, assign};
use tidegate_decide::explain::assignment as why;
use tidegate_model::Instant;
use tidegate_model::route::HostPattern;
use tidegate_model::subject::SubjectHash;
use tidegate_protocol::api::auth::{Credentials, Person, admit};
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::prometheus::CONTENT_TYPE;
use tidegate_protocol::api::session::{self, SessionKey};
use tidegate_protocol::api::shapes::{self, Text};
use tidegate_protocol::api::{BODY_BYTES_MAX, Call, EXPOSITION, PLANS_BYTES_MAX, Reply, Route, body, parameter};
use tidegate_protocol::config::Snapshot;
use tidegate_protocol::preview::{self, PreviewKey};

/// The longest that the controller is waited for: it may be waiting for KV in turn.
const ANSWER_MS_MAX: f64 = 10_000.0;
/// The same for a kill, which waits for nothing there: whoever kills must learn soon that they have to kill in
/// another way.
const KILLED_MS_MAX: f64 = 1_500.0;
/// So long a kill's answer waits for this isolate to learn of it.
const LEARNED_MS_MAX: f64 = 300.0;

/// Under this name the entry hands over the API's description.
const DESCRIPTION: &str = "OPENAPI";

/// Answers a path of the API.
pub async fn route(request: &AdminRequest<'_>, path: &str) -> Response {
    match handle(request, path).await {
        Ok(reply) => answer(request, &reply),
        Err(problem) => answer(request, &problem.into()),
    }
}

/// Answers Prometheus, which has a path of its own.
pub async fn expose(request: &AdminRequest<'_>) -> Response {
    match handle(request, EXPOSITION).await {
        Ok(reply) if !reply.is_problem => glue::plain(
            reply.status,
            CONTENT_TYPE,
            "x-content-type-options:nosniff",
            if request.method == "HEAD" { "" } else { &reply.body },
        ),
        Ok(reply) => answer(request, &reply),
        Err(problem) => answer(request, &problem.into()),
    }
}

/// Who asks, and when their session ends, in seconds since 1970.
///
/// # Errors
/// When they may not do it.
pub fn admitted(request: &AdminRequest<'_>) -> Result<(Person, Option<u64>), Problem> {
    let (authorization, cookies) = (request.header("authorization"), request.header("cookie").unwrap_or_default());
    let sessions = glue::text(request.env, "SIGNING_KEY").and_then(|key| SessionKey::derive(&key));
    let sent = Sent::read(request);
    let credentials = Credentials {
        authorization: authorization.as_deref(),
        sessions: session::brought(&cookies),
        ..sent.credentials(request)
    };
    admit(glue::text(request.env, "ADMIN_TOKENS").as_deref(), sessions.as_ref(), &credentials)
}

/// Where a browser says that a request was sent from, and to.
pub struct Sent {
    to: String,
    origin: Option<String>,
    fetch_site: Option<String>,
}

impl Sent {
    /// Reads it off a request.
    pub fn read(request: &AdminRequest<'_>) -> Self {
        Self {
            to: format!("{}://{}", request.address.scheme, request.address.authority),
            origin: request.header("origin"),
            fetch_site: request.header("sec-fetch-site"),
        }
    }

    /// What this says of who sends it.
    pub fn credentials(&self, request: &AdminRequest<'_>) -> Credentials<'_> {
        Credentials {
            authorization: None,
            sessions: Vec::new(),
            origin: self.origin.as_deref(),
            fetch_site: self.fetch_site.as_deref(),
            own_origin: &self.to,
            is_read: request.is_read(),
            now_s: clock::now_ms() / 1_000.0,
        }
    }
}

async fn handle(request: &AdminRequest<'_>, path: &str) -> Result<Reply, Problem> {
    let (person, _) = admitted(request)?;
    let route = Route::find(&request.method, path)?;
    let bytes_max = if route == Route::Plans { PLANS_BYTES_MAX } else { BODY_BYTES_MAX };
    let body = if request.is_read() { String::new() } else { request.body(bytes_max).await? };
    match route {
        Route::Description => Ok(Reply::text(glue::text(request.env, DESCRIPTION).unwrap_or_default())),
        Route::Assign => explain(request).await,
        Route::Previews(key) => preview_link(request, &key, &body).await,
        _ => {
            let killed = body::killed(&route, &body);
            let call = Call {
                method: if request.is_read() { "GET".to_owned() } else { request.method.clone() },
                path: path.to_owned(),
                query: request.query().to_owned(),
                actor: person.name,
                if_match: request.header("if-match"),
                key: request.header("idempotency-key"),
                console_host: if route == Route::Plans { glue::text(request.env, "CONSOLE_HOST") } else { None },
                body,
            };
            let reply = ask(request, &call, killed.as_deref()).await?;
            if !request.is_read() && !reply.is_problem {
                learn(request, killed.is_some()).await;
            }
            Ok(reply)
        }
    }
}

/// Waits until this isolate has learned of a change.
async fn learn(request: &AdminRequest<'_>, is_kill: bool) {
    isolate::learn(request.env, is_kill.then_some(LEARNED_MS_MAX)).await;
}

/// Asks the controller; for a kill of `killed`, not for long.
async fn ask(request: &AdminRequest<'_>, call: &Call, killed: Option<&str>) -> Result<Reply, Problem> {
    if !glue::has_controller(request.env) {
        return Err(Problem::no_controller());
    }
    let text = serde_json::to_string(call).unwrap_or_default();
    let ms = if killed.is_some() { KILLED_MS_MAX } else { ANSWER_MS_MAX };
    let answered = glue::ask_controller(request.env, "call", &text, ms).await;
    let text = answered.map_err(|error| {
        let why = glue::message(&error);
        killed.map_or_else(|| Problem::unavailable(why.clone()), |key| Problem::kill_unanswered(key, &why))
    })?;
    Reply::parse(&text).ok_or_else(|| Problem::unavailable("its answer cannot be read".into()))
}

/// The rollout of this key, with all that it depends on read.
async fn ready(request: &AdminRequest<'_>, key: &str) -> Result<(std::rc::Rc<Snapshot>, usize), Problem> {
    isolate::prepare_rollout(request.env, key).await;
    let snapshot = isolate::with(|isolate| isolate.snapshot());
    match snapshot.catalogue.number_of(key) {
        Some(number) => Ok((snapshot, number)),
        None => Err(Problem::unknown_rollout(
            key,
            &snapshot.catalogue.rollouts.iter().map(|entry| entry.plan.key.to_string()).collect::<Vec<_>>(),
        )),
    }
}

/// Explains what one subject gets, by its id alone.
async fn explain(request: &AdminRequest<'_>) -> Result<Reply, Problem> {
    let asked = |name: &'static str| parameter(request.query(), name).filter(|value| !value.is_empty());
    let missing = |name: &str| Problem::malformed(format!("`{name}` is missing"), "ask for assign?rollout=KEY&id=ID");
    let key = asked("rollout").ok_or_else(|| missing("rollout"))?;
    let id = asked("id").ok_or_else(|| missing("id"))?;
    let (snapshot, number) = ready(request, &key).await?;
    let id = id.trim();
    let hash = SubjectHash::of(id.as_bytes());
    // An empty id has a bucket like any other, but a request with it has no id.
    let subject = Subject { snapshot: &snapshot, hash: Some(hash).filter(|_| !id.is_empty()), depth: 0 };
    let (Some(standing), Some(plan)) = (snapshot.standings.get(number), snapshot.catalogue.plan(number)) else {
        return Err(Problem::unknown_rollout(&key, &[]));
    };
    let assignment = assign(standing, &subject);
    let stage = plan.stages.get(assignment.stage).map_or("", |stage| stage.name.as_str());
    let answer = shapes::Assignment {
        rollout: key.as_str().into(),
        id: id.to_owned(),
        bucket: standing.bucket(hash),
        variant: (&assignment.variant).into(),
        reason: Text::word(assignment.reason.as_str()),
        why: why(standing, stage, &assignment),
        stage: stage.into(),
        revision: assignment.revision,
    };
    Ok(Reply::json(200, &answer))
}

/// Rollouts that require each other in a circle are refused by the plans' rules; this is the end of
/// what could slip through.
const DEPTH_MAX: u8 = 32;

/// A subject of whom only the id is known.
struct Subject<'a> {
    snapshot: &'a Snapshot,
    hash: Option<SubjectHash>,
    depth: u8,
}

impl Visitor for Subject<'_> {
    fn subject(&self) -> Option<SubjectHash> {
        self.hash
    }

    fn is_in(&self, group: usize) -> Option<bool> {
        let entry = self.snapshot.catalogue.groups.get(group)?;
        let hash = self.hash?;
        if entry.group()?.fingerprints.contains(hash) {
            return Some(true);
        }
        match entry.list {
            None => Some(false),
            Some(list) => self.snapshot.lists.get(list)?.as_ref().map(|list| list.contains(hash)),
        }
    }

    fn chosen(&self) -> Option<Variant> {
        None
    }

    fn variant_in(&self, rollout: usize) -> Variant {
        match self.snapshot.standings.get(rollout) {
            Some(standing) if self.depth < DEPTH_MAX => {
                assign(standing, &Subject { depth: self.depth + 1, ..*self }).variant
            }
            _ => Variant::Legacy,
        }
    }
}

/// Signs a link that shows one browser the side of its choice.
async fn preview_link(request: &AdminRequest<'_>, key: &str, text: &str) -> Result<Reply, Problem> {
    let asked = body::preview(text)?;
    let signing = glue::text(request.env, "SIGNING_KEY")
        .and_then(|key| PreviewKey::derive(&key))
        .ok_or_else(Problem::no_signing_key)?;
    let (snapshot, number) = ready(request, key).await?;
    let host = match asked.host {
        Some(host) => host,
        // The console's own host has no pages.
        None if console::with(request.env, |console| console.owns(&request.address)) => first_host(&snapshot, number)
            .ok_or_else(|| {
            Problem::field(
                "host",
                "`host` is missing",
                "the host of the site that the link is for: no route of the rollout names one",
            )
        })?,
        None => request.address.authority.to_ascii_lowercase(),
    };
    let expires_ms = clock::now_ms() as u64 + asked.life_ms;
    let token = signing.sign(key, asked.variant, &host, expires_ms / 1_000);
    let path = snapshot
        .catalogue
        .plan(number)
        .and_then(|plan| plan.routes.first())
        .map_or("/".to_owned(), |route| route.start());
    let url = format!("{}://{host}{}?token={token}&to={path}", request.address.scheme, preview::PATH);
    let expires = Instant::from_epoch_ms((expires_ms / 1_000 * 1_000) as i64);
    let link = shapes::Preview { url, variant: (&asked.variant).into(), host, expires: expires.into() };
    Ok(Reply::json(201, &link))
}

/// The host that the first of a rollout's routes names which names one.
fn first_host(snapshot: &Snapshot, number: usize) -> Option<String> {
    snapshot.catalogue.plan(number)?.routes.iter().find_map(|route| match &route.host {
        HostPattern::Exactly(host) => Some(host.clone()),
        _ => None,
    })
}
