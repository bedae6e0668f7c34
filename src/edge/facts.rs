//! A request's facts: what stands in its text, and what is asked of the platform only when needed.

use std::borrow::Cow;

use wasm_bindgen::JsValue;

use super::{clock, glue, tokens};
use crate::model::node::Node;
use crate::model::plan::Token;
use crate::decide::assign::Variant;
use crate::protocol::facts::Facts;
use crate::protocol::preview::{self, PreviewKey};
use crate::protocol::jwt;
use crate::protocol::message::RequestText;

/// A request's facts.
pub struct EdgeFacts<'a> {
    /// The request, read in one crossing.
    pub text: &'a RequestText,
    /// For what is hardly ever asked.
    pub request: &'a web_sys::Request,
    /// For the secrets of tokens.
    pub env: &'a JsValue,
}

impl Facts for EdgeFacts<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.text.header(name).map(Cow::Borrowed)
    }

    fn country(&self) -> Option<Cow<'_, str>> {
        glue::country(self.request).map(Cow::Owned)
    }

    fn claims(&self, token: &Token, text: &str) -> Option<Node> {
        let Some(secret) = &token.secret else { return tokens::claims(token, text) };
        let key = glue::text(self.env, secret.0.as_str())?;
        jwt::verify_hs256(text, key.as_bytes(), token, clock::now_ms() / 1_000.0)
    }

    fn preview(&self, cookies: &str, rollout: &str, host: &str) -> Option<Variant> {
        let key = PreviewKey::derive(&glue::text(self.env, "SIGNING_KEY")?)?;
        preview::chosen(cookies, rollout, host, &key, clock::now_ms() / 1_000.0)
    }
}
