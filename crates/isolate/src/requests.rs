//! The requests of one isolate, from their arrival to the end of their answers.
//!
//! 1. What is Tidegate's own goes no further: its paths, the beacon's under the operator's name, the console's host.
//! 2. A request that lacks its configuration, or the proof of a token that it brings, waits once and begins again.
//! 3. An answer that comes is the next step of its own request. Of requests that never come back, the oldest make
//!    room.

use std::borrow::Cow;
use std::cell::RefCell;

use super::breakers::{BreakerRemark, Slot};
use super::tokens::TokenCache;
use super::{Isolate, Ready, Settings};
use tidegate_decide::assign::Variant;
use tidegate_model::node::Node;
use tidegate_model::plan::{Backend, Place, Token};
use tidegate_model::route::is_own;
use tidegate_model::subject::SubjectHash;
use tidegate_protocol::address::Address;
use tidegate_protocol::beacon;
use tidegate_protocol::choice::{self, ChoiceKey};
use tidegate_protocol::cookieless::Cookieless;
use tidegate_protocol::decision::{self, Decision};
use tidegate_protocol::exchange::{Accepted, Exchange, Outcome};
use tidegate_protocol::facts::Facts;
use tidegate_protocol::identity::Newcomers;
use tidegate_protocol::jwt;
use tidegate_protocol::kept::Copy;
use tidegate_protocol::message::{AnswerText, RequestText};
use tidegate_protocol::needed::{Named, Need};
use tidegate_protocol::page::is_blank;
use tidegate_protocol::preview::{self, PreviewKey};
use tidegate_protocol::robots::Robots;
use tidegate_protocol::shadow::{Body, Finished};
use tidegate_protocol::step::{Aside, Remark, Step, Which};
use tidegate_protocol::used::{Owner, UsedKey};
use tidegate_protocol::visit::{Given, Presented, VisitKey};

/// At most so many requests are in flight in one isolate; workerd itself allows far fewer. One that was cancelled
/// never completes, so the oldest is evicted.
const IN_FLIGHT_MAX: usize = 4_096;
pub(super) const HOUR_MS: f64 = 3_600_000.0;

/// What is asked of the platform in the middle of a request, because hardly any request needs it.
pub trait Platform {
    /// The two-letter country that the request came from.
    fn country(&self) -> Option<String>;
    /// A variable or a secret of the environment.
    fn text(&self, name: &str) -> Option<String>;
    /// A new random id.
    fn id(&self) -> Option<String>;
}

/// What is to be done with a request that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is Tidegate's own; its standard URL, where it was asked for under another name.
    Own(Option<String>),
    /// It has to wait, with [`super::Input::RequestWaits`] and its [`Isolate::pending`] tokens, and then begins again.
    Waits,
    /// The number of the request, and its first step.
    Begins(u32, Step),
}

impl Arrival {
    /// As the platform's driver reads it: `own`, with the standard URL on the second line; `wait`; or the step.
    pub fn to_text(&self) -> String {
        match self {
            Self::Own(None) => "own".to_owned(),
            Self::Own(Some(url)) => format!("own\n{url}"),
            Self::Waits => "wait".to_owned(),
            Self::Begins(number, step) => step.to_text(*number),
        }
    }
}

/// The requests that wait for their upstreams, or whose answers are watched.
#[derive(Default)]
pub(super) struct InFlight {
    last: u32,
    /// The least number first; boxed, so that making room moves little.
    exchanges: Vec<(u32, Box<OnItsWay>)>,
}

struct OnItsWay {
    exchange: Exchange,
    /// The breaker that it has passed.
    breaker: Option<Slot>,
    /// Whether it is copied to new, if its answer is one to compare with.
    is_copied: bool,
}

impl InFlight {
    fn add(&mut self, way: OnItsWay) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.keep(self.last, Box::new(way));
        self.last
    }

    fn keep(&mut self, number: u32, exchange: Box<OnItsWay>) {
        if self.exchanges.len() >= IN_FLIGHT_MAX {
            self.exchanges.remove(0);
        }
        let at = self.exchanges.partition_point(|(own, _)| *own < number);
        self.exchanges.insert(at, (number, exchange));
    }

    fn take(&mut self, number: u32) -> Option<Box<OnItsWay>> {
        let at = self.exchanges.binary_search_by_key(&number, |(own, _)| *own).ok()?;
        Some(self.exchanges.remove(at).1)
    }
}

/// The clients of one isolate that it remembers for a while.
#[derive(Default)]
pub(super) struct Clients {
    robots: RefCell<Robots>,
    cookieless: RefCell<Cookieless>,
}

/// What a request says, and what is asked of the platform only when something depends on it.
pub(super) struct RequestFacts<'a, P> {
    request: &'a RequestText,
    platform: &'a P,
    named: &'a Named,
    tokens: &'a TokenCache,
    clients: &'a Clients,
    previews: Option<&'a PreviewKey>,
    choices: Option<&'a ChoiceKey>,
    visits: Option<&'a VisitKey>,
    used: Option<&'a UsedKey>,
    now_ms: f64,
}

impl<P: Platform> Facts for RequestFacts<'_, P> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        debug_assert!(self.named.of_request(name) != Need::None, "{name} may have been left out");
        self.request.named(name).map(Cow::Borrowed)
    }

    fn country(&self) -> Option<Cow<'_, str>> {
        self.platform.country().map(Cow::Owned)
    }

    fn claims(&self, token: &Token, text: &str, may_have_expired: bool) -> Option<Node> {
        let Some(secret) = &token.secret else {
            return self.tokens.claims(token, text, may_have_expired, self.now_ms);
        };
        let key = self.platform.text(secret.0.as_str())?;
        jwt::verify_hs256(text, key.as_bytes(), token, self.now_ms / 1_000.0, may_have_expired)
    }

    fn is_robot(&self, user_agent: &str) -> bool {
        self.clients.robots.borrow_mut().is_robot(user_agent)
    }

    fn preview(&self, cookies: &str, rollout: &str, host: &str) -> Option<Variant> {
        preview::chosen(cookies, rollout, host, self.previews?, self.now_ms / 1_000.0)
    }

    fn visit(&self, cookies: &str, rollout: &str, host: &str) -> Option<Presented> {
        self.visits?.presented(cookies, rollout, host, self.now_ms / 1_000.0)
    }

    fn renewed(&self, presented: Option<&Presented>, given: &Given<'_>) -> Option<String> {
        self.visits?.renewed(presented, given, self.now_ms / 1_000.0)
    }

    fn used_since(&self, cookies: &str, owner: &Owner<'_>) -> Option<u64> {
        self.used?.since(cookies, owner)
    }

    fn mark_used(&self, owner: &Owner<'_>) -> Option<String> {
        Some(self.used?.mark(owner, self.now_ms / 1_000.0))
    }

    fn choice(&self, cookies: &str, rollout: &str, host: &str) -> Option<Variant> {
        choice::chosen(cookies, rollout, host, self.choices?, self.now_ms / 1_000.0)
    }
}

impl<P: Platform> Newcomers for RequestFacts<'_, P> {
    fn mint(&self) -> Option<String> {
        self.platform.id()
    }

    fn note_document(&self, client: SubjectHash, subject: SubjectHash) {
        self.clients.cookieless.borrow_mut().note_document(client, subject, self.now_ms);
    }

    fn last_document(&self, client: SubjectHash) -> Option<SubjectHash> {
        self.clients.cookieless.borrow().subject(client, self.now_ms)
    }
}

impl Isolate {
    /// Takes a request in. `has_waited` says whether it has waited before, and goes on with what is known.
    pub fn arrive(&mut self, request: RequestText, platform: &impl Platform, has_waited: bool, now_ms: f64) -> Arrival {
        let Some(address) = request.address() else {
            let text = "The request's address could not be read.";
            return Arrival::Begins(0, Step::Sentence { status: 400, reason: "unreadable", text });
        };
        if let Some(own) = self.own(&address) {
            return own;
        }
        let Some(ready) = self.ready(&address, has_waited, now_ms) else { return Arrival::Waits };
        let facts = self.facts(&request, platform, now_ms);
        if !has_waited && !self.tokens.pending(&ready.snapshot, ready.number, &facts, now_ms).is_empty() {
            return Arrival::Waits;
        }
        let decision = if request.is_preflight() {
            Decision { is_unmeasured: true, ..Decision::default() }
        } else {
            let hour = (now_ms / HOUR_MS) as u64;
            let asked = decision::Request { facts: &facts, address, method: request.method(), hour };
            decision::decide(&ready.snapshot, &asked, ready.number, &facts)
        };
        if let Some(left_out) = &decision.left_out {
            self.configuration.note_left_out(left_out, now_ms);
        }
        let fallback = self.fallback(&ready, &address);
        self.note_unconfigured(&ready, fallback.is_some());
        let Ready { snapshot, number, is_configured } = ready;
        let accepted = Accepted { request, snapshot, decision, number, started_ms: now_ms };
        match Exchange::of(accepted, fallback, is_configured) {
            Err(step) => Arrival::Begins(0, step),
            Ok(exchange) => self.begin(exchange, now_ms),
        }
    }

    /// Begins the way of a request, as its breaker lets it.
    fn begin(&mut self, mut exchange: Exchange, now_ms: f64) -> Arrival {
        let passed = exchange.guarded().and_then(|guarded| self.breakers.pass(&guarded, now_ms));
        let (breaker, passage, remark) =
            passed.map_or((None, None, None), |(slot, passage, remark)| (Some(slot), Some(passage), remark));
        self.log_breaker(remark);
        let is_copied = exchange
            .copyable()
            .is_some_and(|own| self.breakers.is_closed(&own.guarded, now_ms) && self.shadows.choose(&own, now_ms));
        let mut step = exchange.begin(passage, &mut self.instruments(now_ms));
        if is_copied && exchange.has_body() {
            step = Step::Beside(Aside::Spare, Box::new(step));
        }
        Arrival::Begins(self.in_flight.add(OnItsWay { exchange, breaker, is_copied }), step)
    }

    fn tell_breaker(&mut self, way: &mut OnItsWay, now_ms: f64) {
        let remark =
            way.breaker.zip(way.exchange.take_news()).and_then(|(slot, news)| self.breakers.note(slot, news, now_ms));
        self.log_breaker(remark);
    }

    fn log_breaker(&mut self, remark: Option<BreakerRemark>) {
        if let Some(BreakerRemark { is_warning, event, rollout, message }) = remark {
            let log = &mut self.configuration.log;
            if is_warning { log.warn(event, &rollout, &message) } else { log.note(event, &rollout, &message) }
        }
    }

    /// Whether a request is Tidegate's own.
    fn own(&self, address: &Address<'_>) -> Option<Arrival> {
        let settings = &self.setup.settings;
        if is_own(address.path) {
            return Some(Arrival::Own(None));
        }
        if let Some(path) = beacon::own_path(settings.beacon_path.as_ref(), address.path) {
            let query = address.path_and_query.strip_prefix(address.path).unwrap_or_default();
            return Some(Arrival::Own(Some(format!("{}://{}{path}{query}", address.scheme, address.authority))));
        }
        settings.console.owns(address).then_some(Arrival::Own(None))
    }

    pub(super) fn facts<'a, P>(
        &'a self,
        request: &'a RequestText,
        platform: &'a P,
        now_ms: f64,
    ) -> RequestFacts<'a, P> {
        let Settings { previews, choices, visits, used, .. } = &self.setup.settings;
        let (previews, choices) = (previews.as_ref(), choices.as_ref());
        let (visits, used) = (visits.as_ref(), used.as_ref());
        let (named, tokens, clients) = (&self.configuration.named, &self.tokens, &self.clients);
        RequestFacts { request, platform, named, tokens, clients, previews, choices, visits, used, now_ms }
    }

    /// Where a request goes that no rollout takes.
    fn fallback(&self, ready: &Ready, address: &Address<'_>) -> Option<Backend> {
        if ready.number.is_some() {
            return None;
        }
        let named = self.setup.settings.fallback.clone().map(|upstream| Backend::from(Place::Url(upstream)));
        named.or_else(|| ready.snapshot.catalogue.excepting(address).cloned())
    }

    fn note_unconfigured(&mut self, ready: &Ready, has_fallback: bool) {
        if !ready.is_configured {
            let message = if has_fallback {
                "no configuration could be read; FALLBACK_UPSTREAM answers"
            } else {
                "no configuration could be read, and FALLBACK_UPSTREAM names no upstream"
            };
            self.configuration.log.warn("no_config", "configuration", message);
        }
    }

    /// The tokens of a request that are still to be verified, with their texts: [`super::Input::TokenBrought`].
    pub fn pending(&mut self, request: &RequestText, platform: &impl Platform, now_ms: f64) -> Vec<(Token, String)> {
        let Some(address) = request.address() else { return Vec::new() };
        let Some(ready) = self.ready(&address, true, now_ms) else { return Vec::new() };
        self.tokens.pending(&ready.snapshot, ready.number, &self.facts(request, platform, now_ms), now_ms)
    }

    /// Goes on with a request: an upstream has answered, or has not.
    pub fn go_on(&mut self, number: u32, outcome: Outcome, now_ms: f64) -> Step {
        let Some(mut way) = self.in_flight.take(number) else {
            let message = "too many requests were in flight at once; the answer is passed on unmarked";
            self.configuration.log.warn("exchange_evicted", "proxy", message);
            return Step::Answer { which: Which::Last, edits: None, watch_ms: 0 };
        };
        if let Ok(answer) = &outcome
            && let Some((plan, version)) = way.exchange.version(answer)
        {
            self.versions.note(&plan.key, version);
        }
        let copy =
            outcome.as_ref().ok().filter(|_| way.is_copied).and_then(|answer| way.exchange.shadow_copy(answer, now_ms));
        let (mut step, remark) = way.exchange.next(outcome, &mut self.instruments(now_ms));
        if let Some(copy) = copy
            && matches!(step, Step::Answer { which: Which::Last, edits: Some(_), .. })
        {
            self.shadows.begin(number, copy, now_ms);
            step = Step::Beside(Aside::Copy, Box::new(step));
        }
        self.tell_breaker(&mut way, now_ms);
        if let Some(Remark { event, subject, message }) = remark {
            self.configuration.log.warn(event, &subject, &message);
        }
        let step = match step {
            Step::Keep { edits } if !self.keeping.is_due(way.exchange.copied().as_deref(), now_ms) => {
                Step::Answer { which: Which::Last, edits: Some(edits), watch_ms: 0 }
            }
            step => step,
        };
        if step.is_followed() {
            self.in_flight.keep(number, way);
        }
        step
    }

    /// Lets go of a request whose file is to be kept: the copy that is to be made of it.
    pub fn copy(&mut self, number: u32) -> Option<Copy> {
        self.in_flight.take(number)?.exchange.copy()
    }

    /// Lets go of a request whose client has left. It counts as abandoned unless its own body was still being sent.
    pub fn abandon(&mut self, number: u32, is_sent: bool, now_ms: f64) {
        let Some(mut way) = self.in_flight.take(number) else { return };
        way.exchange.abandon(is_sent, &mut self.instruments(now_ms));
        self.tell_breaker(&mut way, now_ms);
    }

    /// How the copy of a request is asked for, and how much of each answer's body is read, in bytes.
    pub fn copy_beside(&self, number: u32) -> Option<(&Step, u32)> {
        self.shadows.get(number).map(|copy| (&copy.ask, copy.bytes_max))
    }

    /// What is asked for of what new's page loads, and how: [`ShadowCopy::asking`]; empty for nothing.
    pub fn assets_beside(&mut self, number: u32, answer: &AnswerText, body: Body<'_>, now_ms: f64) -> String {
        self.shadows.ask_assets(number, answer, body, now_ms)
    }

    /// Takes in what has come of the copy of a request.
    pub fn copied(&mut self, number: u32, finished: &Finished<'_>, now_ms: f64) {
        let Some(copy) = self.shadows.take(number) else { return };
        if let Some(plan) = copy.snapshot.catalogue.plan(copy.assigned.number) {
            self.shadows.note_missing(&plan.key, copy.missing(finished.assets));
        }
        let sample = copy.finish(finished, &mut self.instruments(now_ms));
        sample.into_iter().for_each(|sample| self.shadows.keep(sample));
    }

    /// Lets go of a request whose answer was to be watched and has no body: a page must have one.
    pub fn end_without_body(&mut self, number: u32, status: u16, now_ms: f64) {
        self.end(number, status != 200, None, now_ms);
    }

    /// Lets go of a request whose answer was watched: whether its body ended as it should, and all of it where it is
    /// short.
    pub fn end(&mut self, number: u32, is_whole: bool, page: Option<&str>, now_ms: f64) {
        let is_well = is_whole && !page.is_some_and(is_blank);
        if let Some(way) = self.in_flight.take(number).filter(|_| !is_well) {
            let message = "a page's body ended early, took too long, or was blank";
            self.configuration.log.warn("page_broken", "proxy", message);
            way.exchange.note_broken(&mut self.instruments(now_ms));
        }
    }
}
