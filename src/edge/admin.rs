//! Requests that are Tidegate's own, under `/_tidegate/` or on the console's host.

use web_sys::{Request, Response};
use worker::Env;

use super::proxy::Asked;
use super::{api, clock, glue, isolate};
use tidegate_isolate::{Delivery, Reporting};
use tidegate_protocol::address::Address;
use tidegate_protocol::answer::Answer;
use tidegate_protocol::api::access;
use tidegate_protocol::api::asking::Asking;
use tidegate_protocol::api::auth::{Credentials, all_tokens};
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::api::session;
use tidegate_protocol::api::{BODY_BYTES_MAX, Reply};
use tidegate_protocol::beacon::body;
use tidegate_protocol::choice::{self, Choosing, Chosen};
use tidegate_protocol::message::RequestText;
use tidegate_protocol::own_paths::OwnPath;
use tidegate_protocol::{preview, receive, www};

/// A request to one of the paths.
pub struct AdminRequest<'a> {
    /// Its method.
    pub method: String,
    /// Where it goes.
    pub address: Address<'a>,
    /// For its headers and its body.
    pub raw: &'a Request,
    /// The worker's bindings.
    pub env: &'a Env,
}

impl AdminRequest<'_> {
    /// The query, without `?`.
    pub fn query(&self) -> &str {
        self.address.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.raw.headers().get(name).ok().flatten()
    }

    /// All that it says but its body.
    fn to_text(&self) -> RequestText {
        let headers = worker::Headers(self.raw.headers());
        let lines = headers.entries().map(|(name, value)| format!("\n{name}:{value}"));
        RequestText::new([format!("{}\n{}", self.method, self.raw.url())].into_iter().chain(lines).collect())
    }

    /// The network address that it comes from.
    fn from(&self) -> String {
        self.header("cf-connecting-ip").unwrap_or_default()
    }

    /// Its body as text.
    ///
    /// # Errors
    /// When it is longer than `bytes_max`, or cannot be read.
    pub async fn body(&self, bytes_max: u32) -> Result<String, Problem> {
        let read = glue::body_text(self.raw, bytes_max)
            .await
            .map_err(|error| Problem::malformed(glue::message(&error), "send the body again"))?;
        read.ok_or_else(|| Problem::too_large(bytes_max))
    }

    /// A variable or a secret of the environment.
    pub fn text(&self, name: &str) -> Option<String> {
        glue::text(self.env, name)
    }
}

/// Answers a request to one of the paths.
pub async fn serve(request: &Request, env: &Env) -> Response {
    isolate::prepare(env);
    let url = request.url();
    let Some(address) = Address::parse(&url) else { return glue::answer(&Answer::text(400, "This is no address.")) };
    let request = AdminRequest { method: request.method(), address, raw: request, env };
    let path = isolate::with(|isolate| OwnPath::find(&request.method, &request.address, &isolate.settings().console));
    let answered = match path {
        OwnPath::File => return file(&request).await,
        OwnPath::Nothing(answer) => Ok(answer),
        OwnPath::Health => Ok(isolate::with(|isolate| isolate.health(clock::now_ms())).answer()),
        OwnPath::Preview => Ok(open_preview(&request)),
        OwnPath::Choose => Ok(choose(&request).await),
        OwnPath::Reports => take_report(&request).await,
        OwnPath::SessionShown => api::admitted(&request).await.map(session::whose),
        OwnPath::SignIn => sign_in(&request).await,
        OwnPath::SignOut => session::sign_out(&Sent::read(&request).credentials()),
        OwnPath::Exposition => api::expose(&request).await,
        OwnPath::Feed(name) => api::calendar(&request, name).await.map(Answer::from),
        OwnPath::Receiver(name) => deliver(&request, name).await.map(Answer::from),
        OwnPath::Api(path) => api::handle(&request, path).await.map(Answer::from),
    };
    glue::answer(&answered.unwrap_or_else(Answer::from).to(&request.method))
}

/// The console or the beacon's script.
async fn file(request: &AdminRequest<'_>) -> Response {
    let is_by_access =
        request.header(access::HEADER).is_some() && isolate::with(|isolate| isolate.settings().access.is_some());
    let headers = www::headers(request.address.path, is_by_access);
    let found = glue::asset(request.env, request.raw, &headers).await;
    found.unwrap_or_else(|| glue::answer(&Answer::from(Problem::not_found(request.address.path)).to(&request.method)))
}

fn open_preview(request: &AdminRequest<'_>) -> Answer {
    let now_s = clock::now_ms() / 1_000.0;
    isolate::with(|isolate| {
        preview::open(request.query(), request.address.authority, isolate.settings().previews.as_ref(), now_s)
    })
}

/// Lets somebody choose a side. What it counts as is reported before the answer, which does not depend on it.
async fn choose(request: &AdminRequest<'_>) -> Answer {
    let form = if request.method == "POST" { request.body(choice::BODY_BYTES_MAX).await } else { Ok(String::new()) };
    let fields = [request.query(), &form.unwrap_or_default()].join("&");
    let header = |name: &str| request.header(name);
    let (origin, fetch_site, referer) = (header("origin"), header("sec-fetch-site"), header("referer"));
    let (purpose, cookies) = (header("sec-purpose").or_else(|| header("purpose")), header("cookie"));
    let choosing = Choosing {
        method: &request.method,
        address: request.address,
        fields: &fields,
        origin: origin.as_deref(),
        fetch_site: fetch_site.as_deref(),
        purpose: purpose.as_deref(),
        referer: referer.as_deref(),
        cookies: cookies.as_deref().unwrap_or_default(),
    };
    if let Some(key) = choosing.rollout().filter(|key| !isolate::with(|isolate| isolate.knows(key))) {
        isolate::prepare_rollout(request.env, key.as_str()).await;
    }
    let from = request.from();
    let Chosen { answer, signals } = isolate::act(|isolate| isolate.choose(&choosing, &from, clock::now_ms()));
    for call in signals {
        let _ = api::ask(request, &Asking::delivery(call)).await;
    }
    answer
}

/// Takes what a page reports.
async fn take_report(request: &AdminRequest<'_>) -> Result<Answer, Problem> {
    let (from, origin, fetch_site) = (request.from(), request.header("origin"), request.header("sec-fetch-site"));
    let user_agent = request.header("user-agent");
    let reporting = Reporting {
        method: &request.method,
        from: &from,
        origin: origin.as_deref(),
        fetch_site: fetch_site.as_deref(),
        host: request.address.authority,
        user_agent: user_agent.as_deref(),
    };
    isolate::act(|isolate| isolate.admit_report(&reporting, clock::now_ms()))?;
    let text = request.body(body::BODY_BYTES_MAX).await?;
    let asked = Asked { request: request.raw, env: request.env };
    let asking = isolate::act(|isolate| isolate.take_report(&reporting, &text, &asked, clock::now_ms()))?;
    let Some(asking) = asking else { return Ok(Answer::empty()) };
    Ok(isolate::with(|isolate| isolate.answer_page(&asking, &request.to_text(), &asked, clock::now_ms())))
}

/// Takes what another tool delivers to a receiver.
async fn deliver(request: &AdminRequest<'_>, receiver: &str) -> Result<Reply, Problem> {
    let from = request.from();
    isolate::act(|isolate| isolate.deliveries.admit(&from, clock::now_ms()))?;
    if let Some(ms_max) = isolate::act(|isolate| isolate.deliveries.news_ms_max(clock::now_ms())) {
        isolate::learn(request.env, ms_max).await;
    }
    isolate::with(|isolate| isolate.knows_receiver(receiver))?;
    let body = request.body(receive::BODY_BYTES_MAX).await?;
    let (header, secret) = (|name: &str| request.header(name), |name: &str| request.text(name));
    let delivery = Delivery { receiver, from: &from, header: &header, secret: &secret };
    let call = isolate::act(|isolate| isolate.deliver(&delivery, body, clock::now_ms()))?;
    api::ask(request, &Asking::delivery(call)).await
}

async fn sign_in(request: &AdminRequest<'_>) -> Result<Answer, Problem> {
    let (from, sent) = (request.from(), Sent::read(request));
    isolate::act(|isolate| isolate.sign_ins.admit(&sent.credentials(), &from, clock::now_ms()))?;
    let text = request.body(BODY_BYTES_MAX).await?;
    let tokens = all_tokens(|name| request.text(name));
    isolate::act(|isolate| isolate.sign_in(&text, &from, tokens.as_deref(), &request.address, clock::now_ms()))
}

/// Where a browser says that a request was sent from, and to.
pub struct Sent {
    to: String,
    origin: Option<String>,
    fetch_site: Option<String>,
    is_read: bool,
}

impl Sent {
    /// Reads it off a request.
    pub fn read(request: &AdminRequest<'_>) -> Self {
        Self {
            to: request.address.origin(),
            origin: request.header("origin"),
            fetch_site: request.header("sec-fetch-site"),
            is_read: matches!(request.method.as_str(), "GET" | "HEAD"),
        }
    }

    /// What this says of who sends it.
    pub fn credentials(&self) -> Credentials<'_> {
        Credentials {
            authorization: None,
            sessions: Vec::new(),
            access: None,
            origin: self.origin.as_deref(),
            fetch_site: self.fetch_site.as_deref(),
            own_origin: &self.to,
            is_read: self.is_read,
            reports: None,
            now_s: clock::now_ms() / 1_000.0,
        }
    }
}
