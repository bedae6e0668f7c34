//! A request as the runtime gives it, read in one crossing.

use std::borrow::Cow;

use wasm_bindgen::JsValue;

use super::{clock, glue};
use crate::model::plan::Token;
use crate::protocol::facts::Facts;
use crate::protocol::jwt;

/// A request's method, URL and headers.
pub struct RequestText {
    text: String,
}

impl RequestText {
    /// Reads a request.
    ///
    /// # Errors
    /// When the runtime throws.
    pub fn read(request: &web_sys::Request) -> Result<Self, JsValue> {
        glue::read_request(request).map(|text| Self { text })
    }

    /// The method, as sent.
    pub fn method(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The URL.
    pub fn url(&self) -> &str {
        self.text.split('\n').nth(1).unwrap_or_default()
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.split('\n').skip(2).filter_map(|line| line.split_once(':'))
    }

    /// The names of the headers, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.headers().map(|(name, _)| name)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(own, _)| *own == name).map(|(_, value)| value)
    }
}

/// A request's facts.
pub struct EdgeFacts<'a> {
    /// What was read in one crossing.
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

    fn claims(&self, token: &Token, text: &str) -> Option<serde_json::Value> {
        let secret = token.secret.as_ref()?;
        let key = glue::text(self.env, secret.0.as_str())?;
        jwt::verify_hs256(text, key.as_bytes(), token, clock::now_ms() / 1_000.0)
    }
}
