//! The request that goes upstream: the client's own, with the fewest changes that are right.

use super::address::Address;
use super::headers::{HOP_BY_HOP, HeaderEdits, named_by_connection};
use super::message::RequestText;
use crate::decide::assign::Variant;
use crate::model::upstream::Upstream;

/// What the upstream is told about the decision.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a> {
    /// The side, the rollout's key and the stage's name, where a rollout takes the request.
    pub rollout: Option<(Variant, &'a str, &'a str)>,
    /// The flags; empty where there are none.
    pub flags: &'a str,
}

/// The client's request, and what was decided of it before.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// The request.
    pub request: &'a RequestText,
    /// Its URL.
    pub address: Address<'a>,
    /// Whether its conditional headers are taken away.
    pub is_unconditional: bool,
}

/// The URL upstream: its base, and the client's path and query.
pub fn url(upstream: &Upstream, address: &Address<'_>) -> String {
    [upstream.as_str(), address.path_and_query].concat()
}

/// The changes to the client's headers.
pub fn edits(inbound: &Inbound<'_>, marks: &Marks<'_>) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    let request = inbound.request;
    let named: Vec<String> = request.header("connection").into_iter().flat_map(named_by_connection).collect();
    let is_upgrade = request.is_upgrade();
    for name in request.names() {
        let is_own = name.starts_with("tidegate-");
        let ends_here = HOP_BY_HOP.contains(&name) || named.iter().any(|own| own == name);
        let is_switch = is_upgrade && (name == "upgrade" || name == "connection");
        let is_condition = inbound.is_unconditional && matches!(name, "if-none-match" | "if-modified-since");
        if is_own || is_condition || (ends_here && !is_switch) {
            edits.remove(name);
        }
    }
    // The platform knows the client's address; what the client says of it is hearsay.
    match request.header("cf-connecting-ip") {
        Some(ip) => edits.set("x-forwarded-for", ip),
        None => edits.remove("x-forwarded-for"),
    }
    edits.set("x-forwarded-host", inbound.address.authority);
    edits.set("x-forwarded-proto", inbound.address.scheme);
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

    const ADDRESS: Address<'_> = Address { scheme: "https", authority: "shop.example.com", path: "/a", path_and_query: "/a?b" };

    fn request(headers: &str) -> RequestText {
        RequestText::new(format!("GET\nhttps://shop.example.com/a?b\ncf-connecting-ip:192.0.2.1\n{headers}"))
    }

    const FORWARDED: &str = "=x-forwarded-for:192.0.2.1\n=x-forwarded-host:shop.example.com\n=x-forwarded-proto:https";

    #[track_caller]
    fn changes(headers: &str, is_unconditional: bool, removed: &str) {
        let request = request(headers);
        let edits = edits(&Inbound { request: &request, address: ADDRESS, is_unconditional }, &Marks { rollout: None, flags: "" });
        let expected: Vec<&str> = removed.split_whitespace().chain(FORWARDED.lines()).collect();
        assert_eq!(edits.as_str(), expected.join("\n"));
    }

    #[test]
    fn only_what_ends_at_this_hop_or_is_ours_is_taken_away() {
        changes("accept:*/*\ncookie:a=b\nif-none-match:\"x\"", false, "");
        changes("accept:*/*\ntidegate-variant:new\ntidegate-anything:x", false, "-tidegate-variant -tidegate-anything");
        changes("connection:X-Secret, close\nx-secret:1\nkeep-alive:1\nproxy-authorization:x", false, "-connection -x-secret -keep-alive -proxy-authorization");
    }

    #[test]
    fn a_websocket_keeps_its_upgrade() {
        changes("connection:Upgrade\nupgrade:websocket\nsec-websocket-key:x", false, "");
    }

    #[test]
    fn a_document_is_asked_for_without_conditions() {
        changes("if-none-match:\"x\"\nif-modified-since:x\nif-match:\"x\"", true, "-if-none-match -if-modified-since");
        assert!(asks_for_document(Some("document"), None) && asks_for_document(None, Some("text/html,*/*")));
        assert!(!asks_for_document(Some("script"), Some("text/html")) && !asks_for_document(None, Some("*/*")) && !asks_for_document(None, None));
    }

    #[test]
    fn the_upstream_is_told_the_decision() {
        let marks = Marks { rollout: Some((Variant::New, "checkout", "canary")), flags: "a=new" };
        let request = request("");
        let text = edits(&Inbound { request: &request, address: ADDRESS, is_unconditional: false }, &marks);
        assert_eq!(text.as_str(), format!("{FORWARDED}\n=tidegate-variant:new\n=tidegate-rollout:checkout\n=tidegate-stage:canary\n=tidegate-flags:a=new"));
    }

    #[test]
    fn a_base_path_stands_before_the_clients_path() {
        let url = |base: &str| base.parse().map(|upstream| url(&upstream, &ADDRESS));
        assert_eq!(url("https://new.example.com"), Ok("https://new.example.com/a?b".into()));
        assert_eq!(url("https://apps.example.com/shop/"), Ok("https://apps.example.com/shop/a?b".into()));
    }
}
