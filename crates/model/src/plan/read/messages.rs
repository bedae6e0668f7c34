//! Roles, links, digests, notices and checklists of a plan.

use crate::node::{Node, Value};
use crate::plan::checklist::Item;
use crate::plan::fields::Reader;
use crate::plan::in_app::InApp;
use crate::plan::messages::{Digest, Links, Notice, Role};
use crate::plan::moment::Moment;

/// A text, which names a person, or a table.
pub fn role(r: &mut Reader, node: &Node) -> Option<Role> {
    if !matches!(node.value, Value::Table(_)) {
        return r.text(node).map(|person| Role { person: Some(person), ..Role::default() });
    }
    let mut f = r.fields(node)?;
    let role = Role {
        person: f.optional(r, "person", Reader::text),
        tell: f.optional(r, "tell", Reader::parsed_one_or_more).unwrap_or_default(),
        hours: f.optional(r, "hours", Reader::parsed_one_or_more).unwrap_or_default(),
        otherwise: f.optional(r, "otherwise", Reader::parsed),
    };
    f.end(r);
    Some(role)
}

pub fn links(r: &mut Reader, node: &Node) -> Option<Links> {
    r.table(node, Reader::parsed)
}

pub fn digest(r: &mut Reader, node: &Node) -> Option<Digest> {
    let mut f = r.fields(node)?;
    let at = f.required(r, "at", Reader::parsed_one_or_more);
    let to = f.required(r, "to", Reader::parsed_one_or_more);
    f.end(r);
    Some(Digest { at: at?, to: to? })
}

pub fn notice(r: &mut Reader, node: &Node, stages: &[&str]) -> Option<Notice> {
    let mut f = r.fields(node)?;
    let at = f.required(r, "at", |r, node| r.parsed_by(node, |text| Moment::parse(text, stages)));
    let every = f.optional(r, "every", Reader::parsed);
    let by = f.optional(r, "by", Reader::parsed);
    let in_app = f.optional(r, "in_app", in_app);
    // One that cannot be read has its own fault.
    let to = if by.is_some() || node.given("in_app").is_some() {
        f.optional(r, "to", Reader::parsed_one_or_more)
    } else {
        f.required(r, "to", Reader::parsed_one_or_more)
    };
    let audience = f.optional(r, "audience", Reader::parsed);
    let text = f.required(r, "text", Reader::text);
    f.end(r);
    Some(Notice { at: at?, every, to: to.unwrap_or_default(), by, audience, in_app, text: text? })
}

/// The side whose pages show it, or a table.
fn in_app(r: &mut Reader, node: &Node) -> Option<InApp> {
    if !matches!(node.value, Value::Table(_)) {
        return r.parsed(node).map(InApp::to);
    }
    let mut f = r.fields(node)?;
    let to = f.required(r, "to", Reader::parsed);
    let groups = f.optional(r, "group", Reader::parsed_one_or_more).unwrap_or_default();
    let kind = f.optional(r, "kind", Reader::parsed);
    let link = f.optional(r, "link", Reader::parsed);
    let lasts = f.optional(r, "for", Reader::parsed);
    f.end(r);
    Some(InApp { to: to?, groups, kind, link, lasts })
}

pub fn checklist(r: &mut Reader, node: &Node) -> Option<Vec<Item>> {
    r.list(node, item)
}

/// A text, or a table of one and what else is known of the item.
fn item(r: &mut Reader, node: &Node) -> Option<Item> {
    if !matches!(node.value, Value::Table(_)) {
        return r.text(node).map(|text| Item::of(&text));
    }
    let mut f = r.fields(node)?;
    let text = f.required(r, "text", Reader::text);
    let item = Item {
        owner: f.optional(r, "owner", Reader::text),
        role: f.optional(r, "role", Reader::parsed),
        due: f.optional(r, "due", Reader::parsed),
        note: f.optional(r, "note", Reader::text),
        link: f.optional(r, "link", Reader::parsed),
        // Zero of them, or too many, are a rule's matter.
        approvals: f.optional(r, "approvals", Reader::whole).map_or(1, |count| u8::try_from(count).unwrap_or(u8::MAX)),
        text: text.clone().unwrap_or_default(),
    };
    f.end(r);
    text.map(|_| item)
}
