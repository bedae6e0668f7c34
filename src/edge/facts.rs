//! A request's facts: what stands in its text, and what is asked of the platform only when needed.

use std::borrow::Cow;
use std::cell::RefCell;

use worker::Env;

use super::{clock, glue, isolate, mint};
use tidegate_decide::assign::Variant;
use tidegate_model::node::Node;
use tidegate_model::plan::Token;
use tidegate_model::subject::SubjectHash;
use tidegate_protocol::cookieless::Cookieless;
use tidegate_protocol::facts::Facts;
use tidegate_protocol::identity::Newcomers;
use tidegate_protocol::jwt;
use tidegate_protocol::message::RequestText;
use tidegate_protocol::preview::{self, PreviewKey};
use tidegate_protocol::robots::Robots;

thread_local! {
    static ROBOTS: RefCell<Robots> = RefCell::default();
    static COOKIELESS: RefCell<Cookieless> = RefCell::default();
}

/// Mints ids, and remembers the clients that this isolate has seen without one.
pub struct EdgeNewcomers {
    /// The time, in milliseconds since 1970.
    pub now_ms: f64,
}

impl Newcomers for EdgeNewcomers {
    fn mint(&self) -> Option<String> {
        mint::id()
    }

    fn note_document(&self, client: SubjectHash, subject: SubjectHash) {
        COOKIELESS.with_borrow_mut(|cookieless| cookieless.note_document(client, subject, self.now_ms));
    }

    fn last_document(&self, client: SubjectHash) -> Option<SubjectHash> {
        COOKIELESS.with_borrow(|cookieless| cookieless.subject(client, self.now_ms))
    }
}

/// A request's facts.
pub struct EdgeFacts<'a> {
    /// The request, read in one crossing.
    pub text: &'a RequestText,
    /// For what is hardly ever asked.
    pub request: &'a web_sys::Request,
    /// For the secrets of tokens.
    pub env: &'a Env,
}

impl Facts for EdgeFacts<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.text.header(name).map(Cow::Borrowed)
    }

    fn country(&self) -> Option<Cow<'_, str>> {
        glue::country(self.request).map(Cow::Owned)
    }

    fn claims(&self, token: &Token, text: &str, may_have_expired: bool) -> Option<Node> {
        let Some(secret) = &token.secret else {
            return isolate::with(|isolate| isolate.tokens().claims(token, text, may_have_expired, clock::now_ms()));
        };
        let key = glue::text(self.env, secret.0.as_str())?;
        jwt::verify_hs256(text, key.as_bytes(), token, clock::now_ms() / 1_000.0, may_have_expired)
    }

    fn is_robot(&self, user_agent: &str) -> bool {
        ROBOTS.with_borrow_mut(|robots| robots.is_robot(user_agent))
    }

    fn preview(&self, cookies: &str, rollout: &str, host: &str) -> Option<Variant> {
        let key = PreviewKey::derive(&glue::text(self.env, "SIGNING_KEY")?)?;
        preview::chosen(cookies, rollout, host, &key, clock::now_ms() / 1_000.0)
    }
}
