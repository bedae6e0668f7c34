//! What a request says, asked for only when something depends on it.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::used::{self, Owner};
use super::visit::{self, Given, Presented};
use super::{choice, cookie, preview};
use tidegate_decide::assign::Variant;
use tidegate_model::node::{Node, Value};
use tidegate_model::plan::Token;
use tidegate_model::source::{Match, Source};

/// A request as the edge sees it.
pub trait Facts {
    /// The value of a header, several joined by `, `; its name in lower case.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// The two-letter country, as the platform tells it.
    fn country(&self) -> Option<Cow<'_, str>>;
    /// The claims of a token, if it is signed, meant for us, and within its time. One that `may_have_expired` is
    /// taken after its time too.
    fn claims(&self, token: &Token, text: &str, may_have_expired: bool) -> Option<Node>;
    /// Whether the program that a `User-Agent` names is a robot.
    fn is_robot(&self, _user_agent: &str) -> bool {
        false
    }
    /// The side that the browser has chosen with a signed preview, on this host. Asked only where
    /// the cookies hold one.
    fn preview(&self, cookies: &str, rollout: &str, host: &str) -> Option<Variant>;
    /// The visit that the browser's cookies tell of. Asked only where they hold one, and the plan wants it.
    fn visit(&self, _cookies: &str, _rollout: &str, _host: &str) -> Option<Presented> {
        None
    }
    /// The cookie by which a visit begins or goes on, where one is due.
    fn renewed(&self, _presented: Option<&Presented>, _given: &Given<'_>) -> Option<String> {
        None
    }
    /// Since when the owner of a mark has used new, in seconds since 1970. Asked only where the cookies hold one, and the
    /// plan wants it.
    fn used_since(&self, _cookies: &str, _owner: &Owner<'_>) -> Option<u64> {
        None
    }
    /// The cookie that marks its owner as one who has used new.
    fn mark_used(&self, _owner: &Owner<'_>) -> Option<String> {
        None
    }
    /// The side that the browser's user has chosen on this host, where the plan allows that. Asked only where the
    /// cookies hold such a choice.
    fn choice(&self, _cookies: &str, _rollout: &str, _host: &str) -> Option<Variant> {
        None
    }
}

/// A request's facts, each read once.
pub struct Known<'a, F> {
    facts: &'a F,
    method: &'a str,
    cookies: OnceCell<Option<Cow<'a, str>>>,
    /// Whether the cookies hold a preview of any rollout.
    has_preview: OnceCell<bool>,
}

impl<'a, F: Facts> Known<'a, F> {
    /// Nothing is read yet.
    pub fn new(facts: &'a F, method: &'a str) -> Self {
        Self { facts, method, cookies: OnceCell::new(), has_preview: OnceCell::new() }
    }

    /// The method.
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// Whether the program that asks is a robot.
    pub fn is_robot(&self) -> bool {
        self.header("user-agent").is_some_and(|program| self.facts.is_robot(&program))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.facts.header(name)
    }

    /// The `Cookie` header.
    pub fn cookies(&self) -> &str {
        self.cookies.get_or_init(|| self.facts.header("cookie")).as_deref().unwrap_or_default()
    }

    /// Whether the cookies hold a preview of any rollout.
    pub fn has_preview(&self) -> bool {
        *self.has_preview.get_or_init(|| self.cookies().contains(preview::COOKIE))
    }

    /// The side that the browser has chosen in a rollout.
    pub fn preview(&self, rollout: &str, host: &str) -> Option<Variant> {
        if self.has_preview() { self.facts.preview(self.cookies(), rollout, host) } else { None }
    }

    /// The visit that this is part of in a rollout.
    pub fn visit(&self, rollout: &str, host: &str) -> Option<Presented> {
        let cookies = self.cookies();
        if cookies.contains(visit::COOKIE) { self.facts.visit(cookies, rollout, host) } else { None }
    }

    /// Since when the owner of a mark has used new, in seconds since 1970.
    pub fn used_since(&self, owner: &Owner<'_>) -> Option<u64> {
        let cookies = self.cookies();
        if cookies.contains(used::COOKIE) { self.facts.used_since(cookies, owner) } else { None }
    }

    /// The side that the browser's user has chosen in a rollout.
    pub fn choice(&self, rollout: &str, host: &str) -> Option<Variant> {
        let cookies = self.cookies();
        if cookies.contains(choice::COOKIE) { self.facts.choice(cookies, rollout, host) } else { None }
    }

    /// The value at a source, trimmed and not empty.
    fn value<'t>(&self, source: &Source, tokens: impl Fn(&str) -> Option<&'t Token>) -> Option<String> {
        self.value_of(source, tokens, false)
    }

    /// The same, where it says who somebody is: a token that has expired still does.
    pub fn identifying<'t>(&self, source: &Source, tokens: impl Fn(&str) -> Option<&'t Token>) -> Option<String> {
        self.value_of(source, tokens, true)
    }

    fn value_of<'t>(
        &self,
        source: &Source,
        tokens: impl Fn(&str) -> Option<&'t Token>,
        may_have_expired: bool,
    ) -> Option<String> {
        match source {
            Source::Claim { token, path } => trimmed(&self.claim(tokens(token.as_str())?, path, may_have_expired)?),
            plain => self.plain(plain),
        }
    }

    /// The value at a source that is no claim.
    fn plain(&self, source: &Source) -> Option<String> {
        match source {
            Source::Header(name) => trimmed(&self.header(name)?),
            Source::Cookie(name) => trimmed(cookie::first(self.cookies(), name)?),
            Source::Country => trimmed(&self.facts.country()?),
            Source::Claim { .. } => None,
        }
    }

    /// Whether a source holds one of a match's values.
    pub fn matches<'t>(&self, matches: &Match, tokens: impl Fn(&str) -> Option<&'t Token>) -> bool {
        self.value(&matches.source, tokens).is_some_and(|value| matches.is_met(&value))
    }

    /// The token's text, without a leading `Bearer`.
    pub fn token_text(&self, token: &Token) -> Option<String> {
        let text = self.plain(&token.from)?;
        let bearer = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        Some(bearer.and_then(|scheme| text.strip_prefix(scheme)).unwrap_or(&text).trim().to_owned())
    }

    fn claim(&self, token: &Token, path: &[String], may_have_expired: bool) -> Option<String> {
        let claims = self.facts.claims(token, &self.token_text(token)?, may_have_expired)?;
        let claim = path.iter().try_fold(&claims, |node, step| node.field(step))?;
        match &claim.value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            // As JSON writes it, so that the whole number 2.0 stays apart from 2.
            Value::Float(number) => serde_json::to_string(number).ok(),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }
}

fn trimmed(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() { None } else { Some(text.to_owned()) }
}
