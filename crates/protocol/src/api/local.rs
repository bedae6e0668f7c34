//! What an isolate answers of the API itself: who gets which side, and links to previews.

use serde::Serialize;

use super::problem::Problem;
use super::{Reply, body, parameter};
use crate::address::Address;
use crate::config::Snapshot;
use crate::console::Console;
use crate::preview::{self, PreviewKey};
use tidegate_decide::assign::{Variant, Visitor, assign};
use tidegate_model::route::HostPattern;
use tidegate_model::subject::SubjectHash;
use tidegate_model::{Instant, Name};

/// Rollouts that require each other in a circle are refused by the plans' rules; this is the end of what could slip
/// through.
const DEPTH_MAX: u8 = 32;

/// Who is to be explained: `assign?rollout=KEY&id=ID`.
#[derive(Debug, PartialEq, Eq)]
pub struct Explaining {
    /// The rollout's key.
    pub rollout: String,
    id: String,
}

/// A link to a preview that is to be signed.
#[derive(Debug)]
pub struct Linking {
    /// The rollout's key.
    pub rollout: String,
    asked: body::Preview,
}

/// The number of a rollout that is to be answered about.
fn number_of(snapshot: &Snapshot, key: &str) -> Result<usize, Problem> {
    let keys = || snapshot.catalogue.rollouts.iter().map(|entry| entry.plan.key.to_string()).collect::<Vec<_>>();
    snapshot.catalogue.number_of(key).ok_or_else(|| Problem::unknown_rollout(key, &keys()))
}

impl Explaining {
    /// Reads a query.
    ///
    /// # Errors
    /// When it does not say of whom, or in which rollout.
    pub fn read(query: &str) -> Result<Self, Problem> {
        let asked = |name: &'static str| {
            let missing = || Problem::malformed(format!("`{name}` is missing"), "ask for assign?rollout=KEY&id=ID");
            parameter(query, name).filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        Ok(Self { rollout: asked("rollout")?, id: asked("id")?.trim().to_owned() })
    }

    /// Explains what the subject gets, by its id alone.
    ///
    /// # Errors
    /// When there is no such rollout.
    pub fn answer(&self, snapshot: &Snapshot) -> Result<Reply, Problem> {
        let number = number_of(snapshot, &self.rollout)?;
        let (Some(compiled), Some(plan)) = (snapshot.standings.get(number), snapshot.catalogue.plan(number)) else {
            return Err(Problem::unknown_rollout(&self.rollout, &[]));
        };
        let hash = SubjectHash::of(self.id.as_bytes());
        // An empty id has a bucket like any other, but a request with it has no id.
        let subject = Subject { snapshot, hash: Some(hash).filter(|_| !self.id.is_empty()), depth: 0 };
        let assignment = assign(compiled, &subject);
        Ok(Reply::json(
            200,
            &Explained {
                rollout: &self.rollout,
                id: &self.id,
                bucket: compiled.bucket(hash),
                variant: assignment.variant.as_str(),
                reason: assignment.reason.as_str(),
                stage: plan.stages.get(assignment.stage).map(|stage| &stage.name),
                revision: assignment.revision,
            },
        ))
    }
}

#[derive(Serialize)]
struct Explained<'a> {
    rollout: &'a str,
    id: &'a str,
    bucket: u32,
    variant: &'static str,
    reason: &'static str,
    stage: Option<&'a Name>,
    revision: u64,
}

/// A subject of whom only the id is known.
struct Subject<'a> {
    snapshot: &'a Snapshot,
    hash: Option<SubjectHash>,
    depth: u8,
}

impl Visitor for Subject<'_> {
    fn subject(&self) -> Option<SubjectHash> {
        self.hash
    }

    fn is_in(&self, group: usize) -> Option<bool> {
        let entry = self.snapshot.catalogue.groups.get(group)?;
        let hash = self.hash?;
        if entry.group()?.fingerprints.contains(hash) {
            return Some(true);
        }
        match entry.list {
            None => Some(false),
            Some(list) => self.snapshot.lists.get(list)?.as_ref().map(|list| list.contains(hash)),
        }
    }

    fn chosen(&self) -> Option<Variant> {
        None
    }

    fn variant_in(&self, rollout: usize) -> Variant {
        match self.snapshot.standings.get(rollout) {
            Some(compiled) if self.depth < DEPTH_MAX => {
                assign(compiled, &Subject { depth: self.depth + 1, ..*self }).variant
            }
            _ => Variant::Legacy,
        }
    }
}

impl Linking {
    /// Reads the body of a request for a link to a preview of `rollout`.
    ///
    /// # Errors
    /// With every fault.
    pub fn read(rollout: &str, text: &str) -> Result<Self, Problem> {
        Ok(Self { rollout: rollout.to_owned(), asked: body::preview(text)? })
    }

    /// Signs the link, which shows one browser the side of its choice. The request came to `address`.
    ///
    /// # Errors
    /// When there is no such rollout, no key to sign with, or no host that the link can be for.
    pub fn answer(
        self,
        snapshot: &Snapshot,
        key: Option<&PreviewKey>,
        console: &Console,
        address: &Address<'_>,
        now_ms: f64,
    ) -> Result<Reply, Problem> {
        let key = key.ok_or_else(Problem::no_signing_key)?;
        let number = number_of(snapshot, &self.rollout)?;
        let routes = snapshot.catalogue.plan(number).map_or(&[][..], |plan| &plan.routes);
        let host = match self.asked.host {
            Some(host) => host,
            // The console's own host has no pages.
            None if console.owns(address) => routes
                .iter()
                .find_map(|route| match &route.host {
                    HostPattern::Exactly(host) => Some(host.clone()),
                    _ => None,
                })
                .ok_or_else(|| {
                    Problem::field(
                        "host",
                        "`host` is missing",
                        "the host of the site that the link is for: no route of the rollout names one",
                    )
                })?,
            None => address.authority.to_ascii_lowercase(),
        };
        let expires_s = (now_ms as u64).saturating_add(self.asked.life_ms) / 1_000;
        let token = key.sign(&self.rollout, self.asked.variant, &host, expires_s);
        let path = routes.first().map_or("/".to_owned(), |route| route.start());
        let url = format!("{}://{host}{}?token={token}&to={path}", address.scheme, preview::PATH);
        let expires = Instant::from_epoch_ms(i64::try_from(expires_s).unwrap_or(i64::MAX).saturating_mul(1_000));
        Ok(Reply::json(201, &Link { url: &url, variant: self.asked.variant.as_str(), host: &host, expires }))
    }
}

#[derive(Serialize)]
struct Link<'a> {
    url: &'a str,
    variant: &'static str,
    host: &'a str,
    expires: Instant,
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::config::{Catalogue, States};
    use serde_json::Value;
    use tidegate_decide::reconcile::isolate::settle;

    const PLANS: &str = r#"{"v":1,"revision":1,"rollouts":[{"key":"shop","routes":["*.example/shop/*","www.example/shop/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},"groups":{"team":{"ids":["ana"]}},"requires":["base"],"stage":[{"name":"canary","percentage":10,"groups":["team"],"hold":"1h"},{"name":"full","percentage":100}]},{"key":"base","stage":[{"name":"full","percentage":100}]}]}"#;

    fn snapshot() -> Snapshot {
        let catalogue = Rc::new(Catalogue::compile(PLANS, None).unwrap().0);
        let mut states = States::default();
        for (key, text) in [("shop", "10"), ("base", "100")] {
            let plan = catalogue.plan(catalogue.number_of(key).unwrap()).unwrap();
            states.live.insert(key.into(), settle(plan, None, Some(text), Instant::from_epoch_ms(0)).unwrap());
        }
        Snapshot::new(catalogue, &states, Vec::new())
    }

    fn explained(query: &str) -> Result<(String, String, u64), Problem> {
        let reply = Explaining::read(query)?.answer(&snapshot())?;
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Ok((text("variant"), text("reason"), body["bucket"].as_u64().unwrap()))
    }

    #[test]
    fn a_subject_is_explained_by_its_id_alone() {
        assert_eq!(explained("rollout=shop&id=ana").unwrap().1, "group");
        assert_eq!(explained("rollout=shop&id=+ana%20").unwrap().1, "group", "ids are trimmed");
        let (variant, reason, bucket) = explained("rollout=shop&id=user-1").unwrap();
        assert_eq!((variant == "new", reason.as_str()), (bucket < 10_000, "bucketed"));
        let (variant, reason, _) = explained("rollout=shop&id=%20").unwrap();
        assert_eq!((variant.as_str(), reason.as_str()), ("legacy", "unidentified"));
    }

    #[test]
    fn what_cannot_be_explained_is_said_so() {
        assert_eq!(explained("rollout=shop").unwrap_err().detail, "`id` is missing");
        assert_eq!(explained("id=ana&rollout=").unwrap_err().detail, "`rollout` is missing");
        assert_eq!(explained("rollout=shp&id=ana").unwrap_err().status, 404);
    }

    fn link(body: &str, at: &str, console: &str, key: &str) -> Result<String, Problem> {
        let (key, console) = (PreviewKey::derive(key), Console::read(Some(console)));
        let reply = Linking::read("shop", body)?.answer(
            &snapshot(),
            key.as_ref(),
            &console,
            &Address::parse(at).unwrap(),
            1_000_500.0,
        )?;
        assert_eq!(reply.status, 201);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(body["expires"], "1970-01-01T00:17:40Z", "tokens count in whole seconds");
        Ok(format!("{} {}", body["host"].as_str().unwrap(), body["url"].as_str().unwrap()))
    }

    const KEY: &str = "a key of thirty-two bytes, or so";
    const NEW: &str = r#"{"variant":"new","for":"1m"}"#;

    #[test]
    fn a_link_is_for_the_host_that_it_was_asked_for_at_or_the_first_that_a_route_names() {
        let here = link(NEW, "https://Shop.example:8443/_tidegate/api/x", "", KEY).unwrap();
        assert!(
            here.starts_with("shop.example:8443 https://shop.example:8443/_tidegate/preview?token=shop~new~1060~"),
            "{here}"
        );
        assert!(here.ends_with("&to=/shop/"), "{here}");
        let console = link(NEW, "https://ops.example/_tidegate/api/x", "ops.example", KEY).unwrap();
        assert!(console.starts_with("www.example https://www.example/_tidegate/preview?"), "{console}");
        let named = r#"{"variant":"new","for":"1m","host":"other.example"}"#;
        assert!(link(named, "https://ops.example/", "ops.example", KEY).unwrap().starts_with("other.example "));
    }

    #[test]
    fn without_a_key_or_a_rollout_there_is_no_link() {
        assert_eq!(link(NEW, "https://shop.example/", "", "short").unwrap_err().kind, Problem::no_signing_key().kind);
        let asked = Linking::read("shp", NEW).unwrap();
        let (key, here) = (PreviewKey::derive(KEY), Address::parse("https://shop.example/").unwrap());
        let problem = asked.answer(&snapshot(), key.as_ref(), &Console::Everywhere, &here, 0.0).unwrap_err();
        assert_eq!(problem.status, 404);
    }
}
