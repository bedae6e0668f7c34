//! The address that calendars subscribe to: they bring no token, so the address itself is signed.
//!
//! ```text
//! /_tidegate/timeline/NAME.ics?token=base64url(HMAC-SHA-256(key, NAME))       NAME: a rollout's key, or `all`
//! key = HMAC-SHA-256(SIGNING_KEY, "tidegate feed 1")                          so that no other use shares it
//! ```
//! Whoever has it can read the dates of that rollout, and nothing else; another `SIGNING_KEY` ends all of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::api::{Call, parameter};
use super::signing;

/// The start of its path.
pub const PREFIX: &str = "/_tidegate/timeline/";
/// The end of its path.
const SUFFIX: &str = ".ics";
/// The name of all rollouts: no rollout's, since that of one that is called so would be the same.
const ALL: &str = "all";
const USE: &[u8] = b"tidegate feed 1";

/// The key that feeds are signed with, made from `SIGNING_KEY`.
pub struct FeedKey(signing::Key);

impl FeedKey {
    /// Derives the key; `None` where the signing key is too short to be one.
    pub fn derive(signing_key: &str) -> Option<Self> {
        signing::derive(signing_key, USE).map(Self)
    }

    /// The address of the feed of a rollout, or of all, at this origin.
    pub fn address(&self, origin: &str, rollout: Option<&str>) -> String {
        let name = rollout.unwrap_or(ALL);
        let token = URL_SAFE_NO_PAD.encode(signing::sign(&self.0, name));
        format!("{origin}{PREFIX}{name}{SUFFIX}?token={token}")
    }

    /// What a request for the feed of this name asks the controller, if its query is signed.
    pub fn call(&self, name: &str, query: &str) -> Option<Call> {
        let token = URL_SAFE_NO_PAD.decode(parameter(query, "token")?).ok()?;
        if !signing::is_signed(&self.0, name, &token) {
            return None;
        }
        let path = if name == ALL { "timeline".to_owned() } else { format!("rollouts/{name}/timeline") };
        Some(Call {
            method: "GET".into(),
            path,
            query: "format=ics".into(),
            actor: "calendar".into(),
            ..Call::default()
        })
    }
}

/// The name of the feed at a path, if there is one.
pub fn name(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX)?.strip_suffix(SUFFIX).filter(|name| !name.is_empty() && !name.contains('/'))
}

/// Of which rollout a call of the API shows the dates: the inner `None` for all. `None` for another call.
pub fn shown_by(path: &str) -> Option<Option<&str>> {
    if path == "timeline" {
        return Some(None);
    }
    path.strip_prefix("rollouts/")?.strip_suffix("/timeline").map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_for_its_rollout_and_its_key_alone() {
        let key = FeedKey::derive("a key of thirty-two bytes, or so").unwrap();
        let address = key.address("https://ops.example", Some("shop"));
        let (path, query) = address.strip_prefix("https://ops.example").unwrap().split_once('?').unwrap();
        assert_eq!(name(path), Some("shop"));
        let call = key.call("shop", query).unwrap();
        assert_eq!((call.path.as_str(), call.query.as_str()), ("rollouts/shop/timeline", "format=ics"));
        assert!(key.call("cart", query).is_none() && key.call("all", query).is_none());
        assert!(key.call("shop", "token=x").is_none() && key.call("shop", "").is_none());
        assert!(FeedKey::derive("another key of thirty-two bytes!").unwrap().call("shop", query).is_none());
        let all = key.address("", None);
        assert_eq!(key.call("all", all.split_once('?').unwrap().1).unwrap().path, "timeline");
    }

    #[test]
    fn a_path_names_one_feed() {
        assert_eq!(name("/_tidegate/timeline/shop.ics"), Some("shop"));
        for path in ["/_tidegate/timeline/.ics", "/_tidegate/timeline/a/b.ics", "/_tidegate/timeline/shop", "/x.ics"] {
            assert_eq!(name(path), None, "{path}");
        }
        assert_eq!(shown_by("rollouts/shop/timeline"), Some(Some("shop")));
        assert_eq!((shown_by("timeline"), shown_by("rollouts/shop")), (Some(None), None));
    }
}
