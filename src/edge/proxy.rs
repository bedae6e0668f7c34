//! The way of a request: `read → route → decide → upstream → answer`, a straight line.

use wasm_bindgen::JsValue;
use web_sys::{Request, Response};
use worker::Context;

use super::facts::{EdgeFacts, RequestText};
use super::snapshot::{self, Ready};
use super::upstream::{Answer, ask};
use super::{glue, log, mint, own};
use crate::decide::assign::Variant;
use crate::decide::standing::Mode;
use crate::model::plan::{CachePolicy, Plan, Upstreams};
use crate::model::route::OWN_PREFIX;
use crate::model::upstream::Upstream;
use crate::protocol::address::Address;
use crate::protocol::decision::{self, Decision};
use crate::protocol::fallback::{self, Asset};
use crate::protocol::forward::{self, Inbound, Marks};
use crate::protocol::respond::{self, Provenance};

/// Answers a request, whatever happens.
pub async fn handle(request: Request, env: &JsValue, context: &Context) -> Response {
    let text = match RequestText::read(&request) {
        Ok(text) => text,
        Err(error) => {
            log::warn("request_unreadable", "proxy", &glue::message(&error));
            return own::sentence(400, "unreadable", "The request could not be read.");
        }
    };
    let Some(address) = Address::parse(text.url()) else {
        return own::sentence(400, "unreadable", "The request's address could not be read.");
    };
    if address.path.starts_with(OWN_PREFIX) {
        return own::route(text.method(), address.path);
    }
    let ready = snapshot::ready(env, context, &address).await;
    let facts = EdgeFacts { text: &text, request: &request, env };
    let way = Way { request: &request, text: &text, address, ready: &ready };
    let asked = decision::Request { facts: &facts, address, method: text.method() };
    let decision = decision::decide(&ready.snapshot, &asked, ready.number, mint::id);
    match ready.number.and_then(|number| ready.snapshot.catalogue.plan(number)) {
        Some(plan) => match &plan.upstreams {
            Some(upstreams) => way.of_rollout(plan, upstreams, &decision).await,
            None => way.of_nobody(env, &decision).await,
        },
        None => way.of_nobody(env, &decision).await,
    }
}

struct Way<'a> {
    request: &'a Request,
    text: &'a RequestText,
    address: Address<'a>,
    ready: &'a Ready,
}

/// An answer and the side that it came from.
struct Served {
    answer: Answer,
    variant: Variant,
    reason: &'static str,
}

impl Way<'_> {
    /// The way of a request that a rollout takes.
    async fn of_rollout(&self, plan: &Plan, upstreams: &Upstreams, decision: &Decision) -> Response {
        let Some(assignment) = decision.assignment else {
            return own::sentence(503, "no_config", "No frontend is configured for this address.");
        };
        let number = self.ready.number.unwrap_or_default();
        let standing = self.ready.snapshot.standings.get(number);
        let mode = standing.map_or(Mode::Unknown, |standing| standing.mode);
        let stage = plan.stages.get(assignment.stage).map_or("", |stage| stage.name.as_str());
        let sides = Sides { way: self, plan, upstreams, stage, flags: &decision.flags, mode };
        let served = match sides.serve(assignment.variant, assignment.reason.as_str()).await {
            Ok(served) => served,
            Err(error) => {
                log::warn("upstream_failed", plan.key.as_str(), &glue::message(&error));
                return own::sentence(502, assignment.reason.as_str(), "The site did not answer. Please try again.");
            }
        };
        // Even of a completed rollout, who is excluded or unidentified stays on legacy.
        let depends = mode != Mode::Inactive || !decision.flags.is_empty();
        let provenance = Provenance {
            variant: Some(served.variant.as_str()),
            reason: served.reason,
            is_private: depends && plan.cache == CachePolicy::Private,
            is_read: self.is_read(),
        };
        self.finish(served.answer, &provenance, &[&upstreams.legacy, &upstreams.new], decision)
    }

    /// The way of a request that no rollout takes.
    async fn of_nobody(&self, env: &JsValue, decision: &Decision) -> Response {
        let reason = if self.ready.is_configured { "unrouted" } else { "no_config" };
        let upstream: Option<Upstream> = glue::text(env, "FALLBACK_UPSTREAM").and_then(|text| text.parse().ok());
        let Some(upstream) = upstream else {
            return if self.ready.is_configured {
                own::sentence(404, reason, "No rollout takes this address.")
            } else {
                log::warn("no_config", "configuration", "no configuration could be read, and FALLBACK_UPSTREAM names no upstream");
                own::sentence(503, reason, "The site is being set up. Please try again in a moment.")
            };
        };
        if !self.ready.is_configured {
            log::warn("no_config", "configuration", "no configuration could be read; FALLBACK_UPSTREAM answers");
        }
        let edits = forward::edits(&self.inbound(false, &self.names()), &Marks { rollout: None, flags: &decision.flags });
        match ask(self.request, &forward::url(&upstream, &self.address), &edits, 0.0).await {
            Ok(answer) => {
                let is_private = !decision.flags.is_empty();
                let provenance = Provenance { variant: None, reason, is_private, is_read: self.is_read() };
                self.finish(answer, &provenance, &[&upstream], decision)
            }
            Err(error) => {
                log::warn("upstream_failed", "FALLBACK_UPSTREAM", &glue::message(&error));
                own::sentence(502, reason, "The site did not answer. Please try again.")
            }
        }
    }

    fn finish(&self, answer: Answer, provenance: &Provenance<'_>, upstreams: &[&Upstream], decision: &Decision) -> Response {
        // A switched connection is passed on as it is: a copy would lose its socket.
        if answer.status() == 101 {
            return answer.response;
        }
        let edits = respond::edits(&answer.outbound(), provenance, &self.address, upstreams, &decision.cookies);
        glue::answer(&answer.response, edits.as_str()).unwrap_or_else(|error| {
            log::warn("answer_unmarked", "proxy", &glue::message(&error));
            answer.response
        })
    }

    fn is_read(&self) -> bool {
        matches!(self.text.method(), "GET" | "HEAD")
    }

    fn names(&self) -> String {
        self.text.names().collect::<Vec<_>>().join("\n")
    }

    fn inbound<'n>(&'n self, is_unconditional: bool, names: &'n str) -> Inbound<'n> {
        let is_upgrade = self.text.header("upgrade").is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"));
        Inbound {
            names,
            connection: self.text.header("connection"),
            client_ip: self.text.header("cf-connecting-ip"),
            address: self.address,
            is_upgrade,
            is_unconditional,
        }
    }
}

/// The two sides of a rollout, as one request sees them.
struct Sides<'a> {
    way: &'a Way<'a>,
    plan: &'a Plan,
    upstreams: &'a Upstreams,
    stage: &'a str,
    flags: &'a str,
    mode: Mode,
}

impl Sides<'_> {
    /// Asks the side of the assignment, and the other one where the rules of rescue and skew say so.
    async fn serve(&self, variant: Variant, reason: &'static str) -> Result<Served, JsValue> {
        let text = self.way.text;
        let is_repeatable = fallback::is_repeatable(text.method(), self.has_body());
        if fallback::may_rescue(self.upstreams.rescue, self.mode, variant, is_repeatable) {
            let timeout_ms = self.upstreams.timeout.as_ms() as f64;
            return match self.ask(variant, timeout_ms).await {
                Ok(answer) if !fallback::is_failure(answer.status()) => self.unskewed(Served { answer, variant, reason }, is_repeatable).await,
                failed => self.rescued(failed).await,
            };
        }
        let answer = self.ask(variant, 0.0).await?;
        self.unskewed(Served { answer, variant, reason }, is_repeatable).await
    }

    /// Legacy's answer for one that new failed to give. Where legacy fails too, new's own stands.
    async fn rescued(&self, failed: Result<Answer, JsValue>) -> Result<Served, JsValue> {
        let why = match &failed {
            Ok(answer) => format!("new answered {}", answer.status()),
            Err(error) => format!("new did not answer: {}", glue::message(error)),
        };
        log::warn("rescued", self.plan.key.as_str(), &format!("{why}; legacy answers instead"));
        match (self.ask(Variant::Legacy, 0.0).await, failed) {
            (Ok(answer), failed) => {
                if let Ok(failed) = failed {
                    failed.discard();
                }
                Ok(Served { answer, variant: Variant::Legacy, reason: "rescued" })
            }
            (Err(_), Ok(answer)) => Ok(Served { answer, variant: Variant::New, reason: "rescued" }),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The other side's answer for an asset that this side does not have.
    async fn unskewed(&self, served: Served, is_repeatable: bool) -> Result<Served, JsValue> {
        let asset = Asset::of(self.way.text.header("sec-fetch-dest")).filter(|_| is_repeatable && self.mode != Mode::Completed);
        let Some(asset) = asset.filter(|asset| asset.is_missed(served.answer.status(), served.answer.content_type())) else {
            return Ok(served);
        };
        let variant = served.variant.other();
        match self.ask(variant, self.upstreams.timeout.as_ms() as f64).await {
            Ok(answer) if asset.is_found(answer.status(), answer.content_type()) => {
                served.answer.discard();
                Ok(Served { answer, variant, reason: "skew" })
            }
            Ok(answer) => {
                answer.discard();
                Ok(served)
            }
            Err(_) => Ok(served),
        }
    }

    async fn ask(&self, variant: Variant, timeout_ms: f64) -> Result<Answer, JsValue> {
        let way = self.way;
        let upstream = match variant {
            Variant::Legacy => &self.upstreams.legacy,
            Variant::New => &self.upstreams.new,
        };
        // A draft has only ever had one side, so every stored copy is that side's.
        let may_differ = self.mode != Mode::Inactive;
        let is_document = forward::asks_for_document(way.text.header("sec-fetch-dest"), way.text.header("accept"));
        let names = way.names();
        let marks = Marks { rollout: Some((variant, self.plan.key.as_str(), self.stage)), flags: self.flags };
        let edits = forward::edits(&way.inbound(may_differ && is_document, &names), &marks);
        ask(way.request, &forward::url(upstream, &way.address), &edits, timeout_ms).await
    }

    fn has_body(&self) -> bool {
        matches!(self.way.text.method(), "GET" | "HEAD") && glue::has_body(self.way.request)
    }
}
