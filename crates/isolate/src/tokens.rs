//! Tokens whose keys are published (RS256, ES256).
//!
//! The platform verifies them, which takes an await: a request that brings a token not seen before
//! waits for it once, as a cold one waits for its configuration. Until then, and where the keys
//! cannot be read, the token is ignored.

use fnv::FnvHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::effect::{Effect, Log};
use tidegate_model::node::Node;
use tidegate_model::plan::Token;
use tidegate_protocol::config::Snapshot;
use tidegate_protocol::facts::{Facts, Known};
use tidegate_protocol::jwt::{Parts, Unverified, accepted};

/// So many tokens are remembered.
const CHECKED_MAX: usize = 1_000;
/// A verified token is verified again after this long, in milliseconds, since keys are withdrawn.
const GOOD_MS: f64 = 600_000.0;
/// One that could not be verified is tried again after this long, in milliseconds.
const BAD_MS: f64 = 10_000.0;
/// Keys are read again after this long, in milliseconds, and, when a token names one that is not there, after
/// [`BAD_MS`].
const KEYS_MS: f64 = 600_000.0;

/// The tokens that were seen, what came of each, and the keys that are published.
#[derive(Default)]
pub struct TokenCache {
    numbers: FnvHashMap<String, usize>,
    outcomes: Vec<Outcome>,
    /// One for each address that a plan names.
    sets: Vec<KeySet>,
}

struct Outcome {
    claims: Result<Node, Unverified>,
    until_ms: f64,
}

struct KeySet {
    address: String,
    keys: Vec<PublishedKey>,
    read_at_ms: f64,
}

struct PublishedKey {
    id: Option<String>,
    /// The key as it was published (a JWK in JSON).
    json: String,
}

/// A token that is being verified.
#[derive(Debug)]
pub struct TokenCheck {
    /// Where its keys are published.
    pub address: String,
    name: String,
    text: String,
    /// The keys may be this old, in milliseconds.
    keys_ms_max: f64,
    /// Whether keys of that age have been asked for.
    has_read: bool,
}

/// A signature to be checked by the platform.
#[derive(Debug)]
pub struct SignatureCheck {
    /// The key as JSON (JWK).
    pub key: String,
    /// `RS256` or `ES256`. A key that is not for the algorithm makes the signature wrong.
    pub algorithm: String,
    /// The text that is signed.
    pub signed: String,
    /// The signature.
    pub signature: Vec<u8>,
    /// What comes back with the result.
    pub check: TokenCheck,
}

/// What a token is remembered under: one that is good for one issuer says nothing to another.
fn name(token: &Token, text: &str) -> Option<String> {
    token.jwks.as_ref().map(|keys| format!("{keys} {text}"))
}

impl TokenCache {
    /// The claims of a token that has been verified.
    pub fn claims(&self, token: &Token, text: &str, may_have_expired: bool, now_ms: f64) -> Option<Node> {
        let claims = self.get(&name(token, text)?)?.claims.as_ref().ok()?;
        accepted(claims, token, now_ms / 1_000.0, may_have_expired).then(|| claims.clone())
    }

    /// What came of verifying a token; `None` where that is still to be done. Whether the claims count is not
    /// decided here.
    pub fn verified(&self, token: &Token, text: &str, now_ms: f64) -> Option<Result<&Node, Unverified>> {
        let outcome = self.get(&name(token, text)?).filter(|outcome| outcome.until_ms >= now_ms)?;
        Some(outcome.claims.as_ref().map_err(|why| *why))
    }

    /// The tokens of a request that are still to be verified, with their texts.
    pub fn pending<F: Facts>(
        &self,
        snapshot: &Snapshot,
        number: Option<usize>,
        facts: &F,
        now_ms: f64,
    ) -> Vec<(Token, String)> {
        let catalogue = &snapshot.catalogue;
        // Most deployments name no token, and then no flag's identity is looked at.
        if catalogue.identities.iter().all(|identity| identity.jwt.is_empty()) {
            return Vec::new();
        }
        let known = Known::new(facts, "");
        let is_new = |name: String| self.get(&name).is_none_or(|outcome| outcome.until_ms < now_ms);
        let rollouts = number.into_iter().chain(catalogue.flags.numbers());
        let identities =
            rollouts.filter_map(|number| catalogue.identities.get(catalogue.rollouts.get(number)?.identity));
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

    /// Begins to verify a token.
    pub(super) fn check(&mut self, token: &Token, text: String, now_ms: f64) -> Vec<Effect> {
        let Some((name, address)) = name(token, &text).zip(token.jwks.as_ref()) else { return Vec::new() };
        let check = TokenCheck { address: address.to_string(), name, text, keys_ms_max: KEYS_MS, has_read: false };
        self.go_on(check, now_ms)
    }

    pub(super) fn keys_read(
        &mut self,
        check: TokenCheck,
        keys: Result<String, String>,
        now_ms: f64,
        log: &mut Log,
    ) -> Vec<Effect> {
        match keys.and_then(|text| published(&text)) {
            Ok(keys) => {
                self.sets.retain(|set| set.address != check.address);
                self.sets.push(KeySet { address: check.address.clone(), keys, read_at_ms: now_ms });
            }
            Err(error) => log.warn("keys_unreadable", &check.address, &error),
        }
        self.go_on(check, now_ms)
    }

    pub(super) fn checked(&mut self, check: TokenCheck, is_signed: bool, now_ms: f64) -> Vec<Effect> {
        let claims = match Parts::parse(&check.text) {
            None => Err(Unverified::NoToken),
            Some(_) if !is_signed => Err(Unverified::Signature),
            Some(parts) => Ok(parts.claims),
        };
        self.found(check, claims, now_ms)
    }

    fn found(&mut self, check: TokenCheck, claims: Result<Node, Unverified>, now_ms: f64) -> Vec<Effect> {
        let good_for_ms = if claims.is_ok() { GOOD_MS } else { BAD_MS };
        self.keep(check.name, Outcome { claims, until_ms: now_ms + good_for_ms });
        Vec::new()
    }

    /// Looks for the key: among those that are known, then among younger ones.
    fn go_on(&mut self, mut check: TokenCheck, now_ms: f64) -> Vec<Effect> {
        let parts = Parts::parse(&check.text).map(|parts| (parts.signed.to_owned(), parts));
        let Some((signed, Parts { algorithm, key_id, signature, .. })) = parts else {
            return self.found(check, Err(Unverified::NoToken), now_ms);
        };
        if !matches!(algorithm.as_str(), "RS256" | "ES256") {
            return self.found(check, Err(Unverified::Algorithm), now_ms);
        }
        loop {
            let set = self.sets.iter().find(|set| set.address == check.address);
            let is_fresh = set.is_some_and(|set| now_ms - set.read_at_ms < check.keys_ms_max);
            if !is_fresh && !check.has_read {
                check.has_read = true;
                return vec![Effect::ReadKeys(check)];
            }
            if let Some(key) = set.and_then(|set| set.key(key_id.as_deref())) {
                let key = key.to_owned();
                return vec![Effect::CheckSignature(SignatureCheck { key, algorithm, signed, signature, check })];
            }
            if check.keys_ms_max <= BAD_MS {
                let why = if set.is_some() { Unverified::UnknownKey } else { Unverified::NoKeys };
                return self.found(check, Err(why), now_ms);
            }
            (check.keys_ms_max, check.has_read) = (BAD_MS, false);
        }
    }

    fn get(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.get(*self.numbers.get(name)?)
    }

    fn keep(&mut self, name: String, outcome: Outcome) {
        if self.outcomes.len() >= CHECKED_MAX {
            self.numbers.clear();
            self.outcomes.clear();
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

impl KeySet {
    /// The key of this id, or the only one.
    fn key(&self, id: Option<&str>) -> Option<&str> {
        let found = match id {
            Some(_) => self.keys.iter().find(|key| key.id.as_deref() == id),
            None => self.keys.first().filter(|_| self.keys.len() == 1),
        };
        found.map(|key| key.json.as_str())
    }
}

/// The keys of a published set (RFC 7517).
fn published(text: &str) -> Result<Vec<PublishedKey>, String> {
    #[derive(Deserialize)]
    struct Set<'t> {
        #[serde(borrow)]
        keys: Vec<&'t RawValue>,
    }
    #[derive(Deserialize)]
    struct Named {
        kid: Option<String>,
    }
    let set: Set<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let key = |raw: &RawValue| PublishedKey {
        id: serde_json::from_str::<Named>(raw.get()).ok().and_then(|named| named.kid),
        json: raw.get().to_owned(),
    };
    Ok(set.keys.into_iter().map(key).collect())
}
