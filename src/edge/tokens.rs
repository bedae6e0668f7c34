//! Tokens whose keys are published (RS256, ES256).
//!
//! The platform verifies them, which takes an await: a request that brings a token not seen before
//! waits for it once, as a cold one waits for its configuration. Until then, and where the keys
//! cannot be read, the token is ignored.

use std::cell::RefCell;

use fnv::FnvHashMap;
use js_sys::Uint8Array;

use super::{clock, glue, log};
use crate::model::node::{Entry, Node, Value};
use crate::model::plan::Token;
use crate::protocol::config::Snapshot;
use crate::protocol::facts::{Facts, Known};
use crate::protocol::jwt::{self, Parts, accepted};

/// So many tokens are remembered.
const CHECKED_MAX: usize = 1_000;
/// A verified token is verified again after this long, since keys are withdrawn.
const GOOD_MS: f64 = 600_000.0;
/// One that could not be verified is tried again after this long.
const BAD_MS: f64 = 10_000.0;
/// Keys are read again after this long, and, when a token names one that is not there, after `BAD_MS`.
const KEYS_MS: f64 = 600_000.0;

thread_local! {
    static CHECKED: RefCell<Memory> = RefCell::default();
    /// One for each address that a plan names.
    static KEYS: RefCell<Vec<Keys>> = RefCell::default();
}

/// The tokens that were seen, and what came of each.
#[derive(Default)]
struct Memory {
    numbers: FnvHashMap<String, usize>,
    outcomes: Vec<Checked>,
}

struct Checked {
    claims: Option<Node>,
    until_ms: f64,
}

struct Keys {
    address: String,
    set: Node,
    read_at_ms: f64,
}

impl Memory {
    fn get(&self, name: &str) -> Option<&Checked> {
        self.outcomes.get(*self.numbers.get(name)?)
    }

    fn keep(&mut self, name: String, outcome: Checked) {
        if self.outcomes.len() >= CHECKED_MAX {
            *self = Self::default();
        }
        match self.numbers.get(&name).and_then(|number| self.outcomes.get_mut(*number)) {
            Some(known) => *known = outcome,
            None => {
                self.numbers.insert(name, self.outcomes.len());
                self.outcomes.push(outcome);
            }
        }
    }
}

/// What a token is remembered under: one that is good for one issuer says nothing to another.
fn name(token: &Token, text: &str) -> Option<String> {
    token.jwks.as_ref().map(|keys| format!("{keys} {text}"))
}

/// The claims of a token that has been verified.
pub fn claims(token: &Token, text: &str, may_have_expired: bool) -> Option<Node> {
    let claims = CHECKED.with_borrow(|checked| checked.get(&name(token, text)?)?.claims.clone())?;
    accepted(&claims, token, clock::now_ms() / 1_000.0, may_have_expired).then_some(claims)
}

/// The tokens of a request that are still to be verified, with their texts.
pub fn pending<F: Facts>(snapshot: &Snapshot, number: Option<usize>, facts: &F) -> Vec<(Token, String)> {
    let catalogue = &snapshot.catalogue;
    // Most deployments name no token, and then no flag's identity is looked at.
    if catalogue.identities.iter().all(|identity| identity.jwt.is_empty()) {
        return Vec::new();
    }
    let known = Known::new(facts, "");
    let now_ms = clock::now_ms();
    let is_new = |name: String| {
        CHECKED.with_borrow(|checked| checked.get(&name).is_none_or(|checked| checked.until_ms < now_ms))
    };
    let rollouts = number.into_iter().chain(catalogue.flags.iter().copied());
    let identities = rollouts.filter_map(|number| catalogue.identities.get(catalogue.rollouts.get(number)?.identity));
    let mut pending: Vec<(Token, String)> = Vec::new();
    for (_, token) in identities.flat_map(|identity| &identity.jwt.0).filter(|(_, token)| token.jwks.is_some()) {
        if let Some(text) = known.token_text(token)
            && name(token, &text).is_some_and(is_new)
        {
            pending.push((token.clone(), text));
        }
    }
    pending
}

/// Verifies a token and remembers the outcome.
pub async fn check(token: &Token, text: &str) {
    let Some(name) = name(token, text) else { return };
    let claims = verified(token, text).await;
    let good_for_ms = if claims.is_some() { GOOD_MS } else { BAD_MS };
    let outcome = Checked { claims, until_ms: clock::now_ms() + good_for_ms };
    CHECKED.with_borrow_mut(|checked| checked.keep(name, outcome));
}

async fn verified(token: &Token, text: &str) -> Option<Node> {
    let parts = Parts::parse(text).filter(|parts| matches!(parts.algorithm.as_str(), "RS256" | "ES256"))?;
    let address = token.jwks.as_ref()?.to_string();
    let key = match key(&address, parts.key_id.as_deref(), KEYS_MS).await {
        Some(key) => key,
        None => key(&address, parts.key_id.as_deref(), BAD_MS).await?,
    };
    let signature = Uint8Array::from(parts.signature.as_slice());
    // A key that does not fit the algorithm is refused by the platform, and so is the token.
    let is_signed = glue::is_signed(&key, &parts.algorithm, parts.signed, &signature).await.unwrap_or(false);
    is_signed.then_some(parts.claims)
}

/// The key of this id (or the only one) of a set that is not older than `age_max_ms`, as JSON.
async fn key(address: &str, id: Option<&str>, age_max_ms: f64) -> Option<String> {
    let is_fresh = KEYS.with_borrow(|keys| {
        of_address(keys, address).is_some_and(|keys| clock::now_ms() - keys.read_at_ms < age_max_ms)
    });
    if !is_fresh {
        let read = glue::fetch_text(address).await.map_err(|error| glue::message(&error));
        match read.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string())) {
            Ok(set) => KEYS.with_borrow_mut(|keys| {
                keys.retain(|keys| keys.address != address);
                keys.push(Keys { address: address.to_owned(), set, read_at_ms: clock::now_ms() });
            }),
            Err(error) => log::warn("keys_unreadable", address, &error),
        }
    }
    KEYS.with_borrow(|keys| {
        let Value::List(keys) = &of_address(keys, address)?.set.field("keys")?.value else { return None };
        let is_it = |key: &&Node| id.is_none() || jwt::text_of(key, "kid") == id;
        keys.iter().find(is_it).filter(|_| id.is_some() || keys.len() == 1).map(json)
    })
}

fn of_address<'k>(keys: &'k [Keys], address: &str) -> Option<&'k Keys> {
    keys.iter().find(|keys| keys.address == address)
}

/// A key as JSON again.
fn json(node: &Node) -> String {
    let mut text = String::new();
    write(node, &mut text);
    text
}

fn write(node: &Node, text: &mut String) {
    let comma = |index| if index > 0 { "," } else { "" };
    match &node.value {
        Value::Text(own) => text.push_str(&log::quoted(own)),
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(comma(index));
                write(item, text);
            }
            text.push(']');
        }
        Value::Table(entries) => {
            text.push('{');
            for (index, Entry { key, node, .. }) in entries.iter().enumerate() {
                text.push_str(comma(index));
                text.push_str(&log::quoted(key));
                text.push(':');
                write(node, text);
            }
            text.push('}');
        }
        // The others print as they stand in JSON.
        plain => text.push_str(&plain.to_string()),
    }
}
