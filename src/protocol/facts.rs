//! What a request says, asked for only when something depends on it.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::{cookie, preview};
use crate::decide::assign::Variant;
use crate::model::plan::Token;
use crate::model::source::{Match, Source};

/// A request as the edge sees it.
pub trait Facts {
    /// The value of a header, several joined by `, `; its name in lower case.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// The two-letter country, as the platform tells it.
    fn country(&self) -> Option<Cow<'_, str>>;
    /// The claims of a token, if it is verified.
    fn claims(&self, token: &Token, text: &str) -> Option<serde_json::Value>;
    /// The side that the browser has chosen with a signed preview, on this host. Asked only where
    /// the cookies hold one.
    fn preview(&self, cookies: &str, rollout: &str, host: &str) -> Option<Variant>;
}

/// A request's facts, each read once.
pub struct Known<'a, F> {
    facts: &'a F,
    cookies: OnceCell<Option<Cow<'a, str>>>,
}

impl<'a, F: Facts> Known<'a, F> {
    /// Nothing is read yet.
    pub fn new(facts: &'a F) -> Self {
        Self { facts, cookies: OnceCell::new() }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.facts.header(name)
    }

    /// The `Cookie` header.
    pub fn cookies(&self) -> &str {
        self.cookies.get_or_init(|| self.facts.header("cookie")).as_deref().unwrap_or_default()
    }

    /// The side that the browser has chosen in a rollout.
    pub fn preview(&self, rollout: &str, host: &str) -> Option<Variant> {
        let cookies = self.cookies();
        if cookies.contains(preview::COOKIE) { self.facts.preview(cookies, rollout, host) } else { None }
    }

    /// The value at a source, trimmed and not empty.
    pub fn value<'t>(&self, source: &Source, tokens: impl Fn(&str) -> Option<&'t Token>) -> Option<String> {
        let value = match source {
            Source::Header(name) => self.header(name).map(Cow::into_owned),
            Source::Cookie(name) => cookie::first(self.cookies(), name).map(str::to_owned),
            Source::Country => self.facts.country().map(Cow::into_owned),
            Source::Claim { token, path } => self.claim(tokens(token.as_str())?, path),
        };
        let trimmed = value.as_deref().map(str::trim).filter(|value| !value.is_empty())?;
        Some(trimmed.to_owned())
    }

    /// Whether a source holds one of a match's values.
    pub fn matches<'t>(&self, matches: &Match, tokens: impl Fn(&str) -> Option<&'t Token>) -> bool {
        self.value(&matches.source, tokens).is_some_and(|value| matches.values.contains(&value))
    }

    /// The token's text, without a leading `Bearer`.
    pub fn token_text(&self, token: &Token) -> Option<String> {
        let text = self.value(&token.from, |_| None)?;
        let bearer = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        Some(bearer.and_then(|scheme| text.strip_prefix(scheme)).unwrap_or(&text).trim().to_owned())
    }

    fn claim(&self, token: &Token, path: &[String]) -> Option<String> {
        let claims = self.facts.claims(token, &self.token_text(token)?)?;
        let claim = path.iter().try_fold(&claims, |value, step| value.get(step))?;
        match claim {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            serde_json::Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }
}
