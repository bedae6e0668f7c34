//! The request that goes upstream: the client's own, with the fewest changes that are right.
//!
//! A client cannot speak for the proxy. Names are compared with `_` read as `-`, since CGI, WSGI and PHP
//! merge the two (`X_Forwarded_Host` arrives there as the real one).

use super::address::Address;
use super::headers::{HOP_BY_HOP, HeaderEdits, named_by_connection};
use super::message::RequestText;
use super::validators;
use tidegate_decide::assign::Variant;
use tidegate_model::plan::{Backend, OriginPolicy, Place};

/// What the upstream learns of the decision.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    /// The side, the rollout's key and the stage's name, where a rollout takes the request.
    pub rollout: Option<(Variant, &'a str, &'a str)>,
    /// The flags; empty where there are none.
    pub flags: &'a str,
}

/// Whose copies the request's conditions may speak of.
#[derive(Clone, Copy, Debug)]
pub enum Conditions {
    /// They go as they came.
    Untouched,
    /// One side's alone are translated for the side that is asked.
    For {
        /// The side that is asked.
        asked: Variant,
        /// Whether browsers may hold either side's copies.
        is_varying: bool,
    },
}

/// The client's request, and what was decided of it before.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// The request.
    pub request: &'a RequestText,
    /// Its URL.
    pub address: Address<'a>,
    /// What becomes of its conditions.
    pub conditions: Conditions,
}

/// The URL upstream: its base, and the client's path and query. A Worker sees the public address.
pub fn url(place: &Place, address: &Address<'_>) -> String {
    match place {
        Place::Url(upstream) => [upstream.as_str(), address.path_and_query].concat(),
        Place::Service(_) => [address.scheme, "://", address.authority, address.path_and_query].concat(),
    }
}

/// Headers by which a proxy in front tells the address of its client. What a client says of itself in them is
/// replaced by what the platform knows.
const CLIENT_ADDRESS: [&str; 4] = ["x-real-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip"];

/// Headers, besides `x-forwarded-*` and `x-original-*`, by which a proxy in front tells what was asked of it, and
/// which some frameworks believe.
const CLAIMS: [&str; 9] = [
    "forwarded",
    "x-rewrite-url",
    "x-host",
    "x-http-host-override",
    "x-url-scheme",
    "x-scheme",
    "front-end-https",
    "x-forwarded",
    "client-ip",
];

/// Whether only a proxy may set the header, and Tidegate does not.
fn is_claim(name: &str) -> bool {
    name.starts_with("tidegate-")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-original-")
        || CLAIMS.contains(&name)
}

/// Whether a request's header is changed or taken away for its name's sake.
pub fn is_edited(name: &str) -> bool {
    name.contains('_') || is_claim(name) || CLIENT_ADDRESS.contains(&name) || HOP_BY_HOP.contains(&name)
}

/// Whether a request keeps a header that ends at this hop: the runtime sends a body only as it is framed.
fn is_kept(name: &str, is_upgrade: bool) -> bool {
    name == "transfer-encoding" || (is_upgrade && matches!(name, "upgrade" | "connection"))
}

/// The changes to the client's headers.
pub fn edits(inbound: &Inbound<'_>, marks: &Marks<'_>, backend: &Backend) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    let request = inbound.request;
    let named: Vec<String> = request.header("connection").into_iter().flat_map(named_by_connection).collect();
    let is_upgrade = request.is_upgrade();
    let ip = request.header("cf-connecting-ip");
    for name in request.names() {
        let ends_here = HOP_BY_HOP.contains(&name) || named.iter().any(|own| own == name);
        let is_ours = matches!(name, "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto");
        if name.contains('_') && is_claim_in_disguise(name) {
            edits.remove(name);
        } else if CLIENT_ADDRESS.contains(&name) {
            edits.set_or_remove(name, ip);
        } else if (is_claim(name) && !is_ours) || (ends_here && !is_kept(name, is_upgrade)) {
            edits.remove(name);
        }
    }
    if let Conditions::For { asked, is_varying } = inbound.conditions {
        validators::edit_conditions(&mut edits, request, asked, is_varying);
    }
    // The platform knows the client's address; what the client says of it is hearsay.
    edits.set_or_remove("x-forwarded-for", ip);
    edits.set("x-forwarded-host", inbound.address.authority);
    edits.set("x-forwarded-proto", inbound.address.scheme);
    if backend.origin == OriginPolicy::Rewrite {
        rewrite_origin(&mut edits, inbound, &backend.place);
    }
    if let Some((variant, rollout, stage)) = marks.rollout {
        edits.set("tidegate-variant", variant.as_str());
        edits.set("tidegate-rollout", rollout);
        edits.set("tidegate-stage", stage);
    }
    if !marks.flags.is_empty() {
        edits.set("tidegate-flags", marks.flags);
    }
    edits
}

/// Whether a name with `_` is, with `-`, one that the client may not set.
fn is_claim_in_disguise(name: &str) -> bool {
    let name = name.replace('_', "-");
    is_claim(&name) || CLIENT_ADDRESS.contains(&name.as_str()) || name.starts_with("cf-")
}

/// Makes the upstream see its own origin where the browser says the public one. Another site's stays, so
/// that a framework goes on refusing what other sites post.
fn rewrite_origin(edits: &mut HeaderEdits, inbound: &Inbound<'_>, place: &Place) {
    let Some(upstream) = place.url() else { return };
    let public = [inbound.address.scheme, "://", inbound.address.authority].concat();
    if inbound.request.header("origin").is_some_and(|origin| origin.eq_ignore_ascii_case(&public)) {
        edits.set("origin", upstream.origin());
    }
    let referer = inbound.request.header("referer");
    let under = referer
        .and_then(|referer| referer.strip_prefix(public.as_str()))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some(rest) = under {
        edits.set("referer", &[upstream.as_str(), rest].concat());
    }
}

/// Whether a request asks for a document, whose stored copy may be the other side's. `accept`
/// decides only for clients that do not send `Sec-Fetch-Dest`.
pub fn asks_for_document(destination: Option<&str>, accept: Option<&str>) -> bool {
    match destination {
        Some(destination) => matches!(destination, "document" | "iframe" | "frame" | "embed" | "object"),
        None => accept.is_some_and(|accept| accept.contains("text/html")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Address<'_> =
        Address { scheme: "https", authority: "shop.example.com", path: "/a", path_and_query: "/a?b" };

    fn backend(url: &str, origin: OriginPolicy) -> Backend {
        Backend { origin, ..url.parse::<Place>().map(Backend::from).unwrap_or_else(|_| unreachable!("{url}")) }
    }

    fn request(headers: &str) -> RequestText {
        RequestText::new(format!("GET\nhttps://shop.example.com/a?b\ncf-connecting-ip:192.0.2.1\n{headers}"))
    }

    const FORWARDED: &str = "=x-forwarded-for:192.0.2.1\n=x-forwarded-host:shop.example.com\n=x-forwarded-proto:https";

    #[track_caller]
    fn changes(headers: &str, origin: OriginPolicy, before: &str, after: &str) {
        let request = request(headers);
        let inbound = Inbound { request: &request, address: ADDRESS, conditions: Conditions::Untouched };
        let edits =
            edits(&inbound, &Marks { rollout: None, flags: "" }, &backend("https://new.example.com/shop", origin));
        let expected: Vec<&str> =
            before.split_whitespace().chain(FORWARDED.lines()).chain(after.split_whitespace()).collect();
        assert_eq!(edits.as_str(), expected.join("\n"), "{headers}");
    }

    #[test]
    fn only_what_ends_at_this_hop_or_is_ours_is_taken_away() {
        let public = OriginPolicy::Public;
        changes("accept:*/*\ncookie:a=b\nif-none-match:\"x\"", public, "", "");
        changes(
            "accept:*/*\ntidegate-variant:new\ntidegate-anything:x",
            public,
            "-tidegate-variant -tidegate-anything",
            "",
        );
        changes(
            "connection:X-Secret, close\nx-secret:1\nkeep-alive:1\nproxy-authorization:x",
            public,
            "-connection -x-secret -keep-alive -proxy-authorization",
            "",
        );
        changes("transfer-encoding:chunked\nte:trailers", public, "-te", "");
    }

    #[test]
    fn a_client_does_not_speak_for_a_proxy_in_any_spelling() {
        let public = OriginPolicy::Public;
        changes(
            "tidegate_variant:new\nx_forwarded_host:evil\nx-forwarded_proto:http\nx_custom:1",
            public,
            "-tidegate_variant -x_forwarded_host -x-forwarded_proto",
            "",
        );
        changes(
            "forwarded:for=1\nx-original-url:/admin\nx-rewrite-url:/admin\nx-forwarded-port:1\nx-forwarded-prefix:/x",
            public,
            "-forwarded -x-original-url -x-rewrite-url -x-forwarded-port -x-forwarded-prefix",
            "",
        );
        changes(
            "x-real-ip:1.1.1.1\ntrue-client-ip:1.1.1.1\nx_real_ip:1.1.1.1",
            public,
            "=x-real-ip:192.0.2.1 =true-client-ip:192.0.2.1 -x_real_ip",
            "",
        );
        changes("x-forwarded-for:1.1.1.1\nx-http-method-override:PUT\nx-request-id:1", public, "", "");
    }

    #[test]
    fn a_websocket_keeps_its_upgrade() {
        changes("connection:Upgrade\nupgrade:websocket\nsec-websocket-key:x", OriginPolicy::Public, "", "");
    }

    #[test]
    fn an_upstream_sees_its_own_origin_where_the_plan_says_so() {
        let own = "origin:https://shop.example.com\nreferer:https://shop.example.com/a?b";
        changes(own, OriginPolicy::Public, "", "");
        changes(
            own,
            OriginPolicy::Rewrite,
            "",
            "=origin:https://new.example.com =referer:https://new.example.com/shop/a?b",
        );
        changes("origin:https://evil.example\nreferer:https://shop.example.com.evil/", OriginPolicy::Rewrite, "", "");
        changes("origin:null", OriginPolicy::Rewrite, "", "");
    }

    #[test]
    fn documents_are_known_by_metadata_or_accept() {
        assert!(asks_for_document(Some("document"), None) && asks_for_document(None, Some("text/html,*/*")));
        assert!(
            !asks_for_document(Some("script"), Some("text/html"))
                && !asks_for_document(None, Some("*/*"))
                && !asks_for_document(None, None)
        );
    }

    #[test]
    fn the_upstream_gets_the_decision() {
        let marks = Marks { rollout: Some((Variant::New, "checkout", "canary")), flags: "a=new" };
        let request = request("if-none-match:\"x~tg-l\"");
        let conditions = Conditions::For { asked: Variant::New, is_varying: true };
        let text = edits(
            &Inbound { request: &request, address: ADDRESS, conditions },
            &marks,
            &backend("service:NEW", OriginPolicy::Rewrite),
        );
        assert_eq!(
            text.as_str(),
            format!(
                "-if-none-match\n{FORWARDED}\n=tidegate-variant:new\n=tidegate-rollout:checkout\n=tidegate-stage:canary\n=tidegate-flags:a=new"
            )
        );
    }

    #[test]
    fn a_base_path_stands_before_the_clients_path() {
        let url = |base: &str| base.parse::<Place>().map(|place| url(&place, &ADDRESS));
        assert_eq!(url("https://new.example.com"), Ok("https://new.example.com/a?b".into()));
        assert_eq!(url("https://apps.example.com/shop/"), Ok("https://apps.example.com/shop/a?b".into()));
        assert_eq!(url("service:NEW"), Ok("https://shop.example.com/a?b".into()));
    }
}
