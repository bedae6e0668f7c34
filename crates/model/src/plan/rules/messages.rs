//! Whom messages reach: names that lead nowhere, roles that reach nobody, roles that send on in a circle.

use std::collections::{HashMap, HashSet};

use super::Step::{Index, Key};
use super::names::{Known, Names};
use super::{Rules, Step};
use crate::Name;
use crate::fault::{listed, nearest};
use crate::plan::Plan;
use crate::plan::messages::{Notice, Role};
use crate::plan::moment::Moment;
use crate::plan::words::{Audience, CachePolicy};
use crate::weekly::Closed;

/// Who is meant to get what a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is shown; whoever it is need not be reached.
    Shown,
    /// It is to be reached.
    Reached,
}

/// What names may stand for.
struct Addresses<'a> {
    roles: HashMap<&'a str, &'a Role>,
    channels: &'a Names<'a>,
}

/// Checks who is addressed, and how.
pub fn check(rules: &mut Rules<'_>, known: &Known<'_>) {
    let plan = rules.plan;
    let roles_by_name = plan.roles.0.iter().map(|(name, role)| (name.as_str(), role)).collect();
    let addresses = &Addresses { roles: roles_by_name, channels: &known.channels };
    roles(rules, addresses);
    for (index, stage) in plan.stages.iter().enumerate() {
        if let Some(owner) = &stage.owner {
            addressee(rules, addresses, &[Key("stage"), Index(index), Key("owner")], owner, Use::Shown);
        }
    }
    for (index, guardrail) in plan.guardrails.iter().enumerate() {
        for (n, name) in guardrail.notify.iter().enumerate() {
            addressee(rules, addresses, &[Key("guardrail"), Index(index), Key("notify"), Index(n)], name, Use::Reached);
        }
        for (n, escalation) in guardrail.escalate.iter().enumerate() {
            let steps = [Key("guardrail"), Index(index), Key("escalate"), Index(n), Key("to")];
            addressee(rules, addresses, &steps, &escalation.to, Use::Reached);
        }
    }
    for (n, name) in plan.feedback.iter().enumerate() {
        addressee(rules, addresses, &[Key("feedback"), Index(n)], name, Use::Reached);
    }
    for (index, digest) in plan.digests.iter().enumerate() {
        for (n, name) in digest.to.iter().enumerate() {
            addressee(rules, addresses, &[Key("digest"), Index(index), Key("to"), Index(n)], name, Use::Reached);
        }
    }
    for (index, notice) in plan.notices.iter().enumerate() {
        let at = |key| [Key("notice"), Index(index), Key(key)];
        for (n, name) in notice.to.iter().enumerate() {
            addressee(rules, addresses, &[Key("notice"), Index(index), Key("to"), Index(n)], name, Use::Reached);
        }
        if let Some(by) = &notice.by {
            addressee(rules, addresses, &at("by"), by, Use::Reached);
        }
        in_app(rules, known, index, notice);
        if notice.every.is_some_and(|every| every.as_ms() == 0) {
            rules.unwise(&at("every"), "it would be sent all the time".into(), "such as `1w`".to_owned());
        }
        if notice.every.is_some() && matches!(notice.at, Moment::Date(_)) {
            rules.unwise(
                &at("every"),
                "what is repeated begins with a stage, `start`, `end`, `rollback` or `incident`, and not with a date"
                    .into(),
                "it is repeated while that lasts".to_owned(),
            );
        }
    }
}

/// Checks a message that the site's pages show.
fn in_app(rules: &mut Rules<'_>, known: &Known<'_>, index: usize, notice: &Notice) {
    let Some(in_app) = &notice.in_app else { return };
    let at = |key: &'static str| [Key("notice"), Index(index), Key("in_app"), Key(key)];
    let whole = [Key("notice"), Index(index), Key("in_app")];
    for (n, name) in in_app.groups.iter().enumerate() {
        let steps = [Key("notice"), Index(index), Key("in_app"), Key("group"), Index(n)];
        rules.refers(&steps, "group", name, &rules.plan.groups, &known.groups);
    }
    if notice.audience != Some(Audience::Users) {
        let help = "add `audience = \"users\"`, or leave `in_app` out".to_owned();
        rules.unwise(&whole, "users see it, and it is not for them".into(), help);
    }
    if notice.by.is_some() {
        let help = "leave out `by`, or `in_app`".to_owned();
        rules.unwise(&whole, "a text that a person sends cannot be shown by itself".into(), help);
    }
    if in_app.lasts.is_some_and(|lasts| lasts.as_ms() == 0) {
        rules.unwise(&at("for"), "it would never be shown".into(), "such as `7d`".to_owned());
    }
    if rules.plan.cache == CachePolicy::Upstream {
        let help = "without `cache = \"upstream\"` they have one".to_owned();
        rules.warn(&whole, "pages that shared caches keep have no token, and so show no messages".into(), help);
    }
}

fn roles(rules: &mut Rules<'_>, addresses: &Addresses<'_>) {
    let plan = rules.plan;
    let circular = circular(plan, addresses);
    for (name, role) in &plan.roles.0 {
        let at = |key: &'static str| [Key("roles"), Key(name.as_str()), Key(key)];
        if addresses.channels.contain(name.as_str()) {
            rules.unwise(
                &[Key("roles"), Key(name.as_str())],
                format!("a channel is called `{name}` too, so nobody could tell which is addressed"),
                "give one of them another name".to_owned(),
            );
        }
        for (n, channel) in role.tell.iter().enumerate() {
            let steps = [Key("roles"), Key(name.as_str()), Key("tell"), Index(n)];
            rules.refers(&steps, "channel", channel, &plan.channels, addresses.channels);
        }
        if let Some(otherwise) = &role.otherwise {
            addressee(rules, addresses, &at("otherwise"), otherwise, Use::Shown);
            if role.hours.is_empty() {
                rules.unwise(
                    &at("otherwise"),
                    format!("`otherwise` is for the time outside of `hours`, and `{name}` has none"),
                    "add `hours`, such as `hours = \"Mon-Fri 08:00-18:00 Europe/Berlin\"`".to_owned(),
                );
            }
        }
        hours(rules, name, role);
        if circular.contains(name.as_str()) {
            rules.unwise(
                &at("otherwise"),
                format!("`otherwise` leads from `{name}` back to `{name}`, so nobody would be reached at some hours"),
                "let the last of them name a channel".to_owned(),
            );
        }
    }
}

fn hours(rules: &mut Rules<'_>, name: &Name, role: &Role) {
    let at = [Key("roles"), Key(name.as_str()), Key("hours")];
    if role.hours.is_empty() {
        return;
    }
    if role.tell.is_empty() {
        rules.unwise(
            &at,
            format!("`{name}` has hours, and no channel that reaches it in them"),
            "add `tell`, such as `tell = [\"chat\"]`".to_owned(),
        );
    } else if Closed::of(&role.hours).is_everything() {
        rules.warn(&at, format!("the hours of `{name}` are the whole week"), "leave them out".to_owned());
    } else if role.otherwise.is_none() {
        rules.warn(
            &at,
            format!("outside of its hours nobody is reached for `{name}`"),
            "name a role or a channel in `otherwise`".to_owned(),
        );
    }
}

/// The roles from which `otherwise` leads back to them.
fn circular<'a>(plan: &'a Plan, addresses: &Addresses<'a>) -> HashSet<&'a str> {
    let mut settled: HashSet<&str> = HashSet::new();
    let mut circular = HashSet::new();
    for name in plan.roles.names() {
        // The way from here to what has been looked at, to a role on the way, or to its end.
        let mut way: Vec<&str> = Vec::new();
        let mut on_way: HashSet<&str> = HashSet::new();
        let mut next = Some(name);
        while let Some(at) = next.filter(|at| !settled.contains(at) && on_way.insert(at)) {
            way.push(at);
            next = addresses.roles.get(at).and_then(|role| role.otherwise.as_ref()).map(Name::as_str);
        }
        if let Some(start) = next.and_then(|again| way.iter().position(|at| *at == again)) {
            circular.extend(way.iter().skip(start));
        }
        settled.extend(way);
    }
    circular
}

/// A name that stands for a channel or a role.
fn addressee(rules: &mut Rules<'_>, addresses: &Addresses<'_>, steps: &[Step<'_>], name: &Name, usage: Use) {
    let plan = rules.plan;
    if addresses.channels.contain(name.as_str()) {
        return;
    }
    let Some(role) = addresses.roles.get(name.as_str()) else {
        let known = || plan.roles.names().chain(plan.channels.names());
        let help = || match nearest(name.as_str(), known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known().next().is_none() => "the plan has neither [channels] nor [roles]".to_owned(),
            None => format!("known: {}", listed(known())),
        };
        let help = rules.faults.are_few().then(help);
        rules.unwise(steps, format!("no channel and no role is called `{name}`"), help);
        return;
    };
    let is_reached = !role.tell.is_empty() || role.otherwise.is_some();
    if usage == Use::Reached && !is_reached {
        rules.warn(
            steps,
            format!("the role `{name}` has no channel, so this goes to those that get what nobody is named for"),
            format!("give it one: [roles.{name}] with `tell = [\"CHANNEL\"]`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::node::Node;
    use crate::plan::read;

    /// The faults of a plan with these fields, as people read them.
    fn faults(fields: &str) -> Vec<String> {
        let text = format!(
            r#"{{"key":"shop","channels":{{"chat":{{"slack":"secret:CHAT"}},"page":{{"pagerduty":"secret:PAGE"}}}},{fields}"stage":[{{"name":"full","percentage":100,"hold":"1h"}}]}}"#
        );
        let node: Node = serde_json::from_str(&text).unwrap();
        read::plan(&node).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn roles_and_channels_may_be_named_alike() {
        let fields = r#""roles":{"lead":{"person":"ana","tell":"chat","hours":["Mon-Fri 08:00-18:00 Europe/Berlin"],"otherwise":"duty"},"duty":{"tell":["page"]},"cto":"eva"},
            "links":{"dashboard":"https://dash.example.com/d/1"},"digest":[{"at":["09:00 Europe/Berlin","Sat-Sun 10:00"],"to":["lead","chat"]}],
            "guardrail":[{"when":"error_rate > 5%","then":"rollback","notify":["lead","page"],"escalate":[{"after":"5m","to":"page"}],"links":{"logs":"https://logs.example.com"}}],
            "notice":[{"at":"full","to":"lead","text":"Now"},{"at":"full+1w","every":"1w","by":"lead","audience":"client","text":"Weekly"},{"at":"2026-12-24T08:00:00+01:00","to":["chat"],"audience":"users","text":"Then"}],"#;
        assert_eq!(faults(fields), Vec::<String>::new());
    }

    #[test]
    fn names_that_lead_nowhere_are_reported_with_what_was_meant() {
        let fields = r#""roles":{"lead":{"tell":["chta"]}},"digest":[{"at":"09:00","to":["leed"]}],"notice":[{"at":"full","to":["nobody-at-all"],"text":"Now"}],"#;
        assert_eq!(
            faults(fields),
            [
                "roles.lead.tell[0]: no channel is called `chta` (did you mean `chat`?)",
                "digest[0].to[0]: no channel and no role is called `leed` (did you mean `lead`?)",
                "notice[0].to[0]: no channel and no role is called `nobody-at-all` (known: lead, chat, page)",
            ]
        );
    }

    #[test]
    fn roles_that_reach_nobody_are_reported() {
        let circle = r#""roles":{"a":{"tell":"chat","hours":"Mon-Fri 08:00-18:00","otherwise":"b"},"b":{"tell":"chat","hours":"Sat-Sun","otherwise":"a"},"c":{"tell":"chat","hours":"Sat-Sun","otherwise":"a"}},"#;
        let found = |role: &str| {
            format!(
                "roles.{role}.otherwise: `otherwise` leads from `{role}` back to `{role}`, so nobody would be reached at some hours (let the last of them name a channel)"
            )
        };
        assert_eq!(faults(circle), [found("a"), found("b")]);
        let hours = r#""roles":{"a":{"tell":"chat","otherwise":"page"},"b":{"hours":"Sat-Sun","otherwise":"chat"},"c":{"tell":"chat","hours":"Mon-Sun"},"d":{"tell":"chat","hours":"Sat-Sun"},"chat":"ana"},"#;
        assert_eq!(
            faults(hours),
            [
                "roles.a.otherwise: `otherwise` is for the time outside of `hours`, and `a` has none (add `hours`, such as `hours = \"Mon-Fri 08:00-18:00 Europe/Berlin\"`)",
                "roles.b.hours: `b` has hours, and no channel that reaches it in them (add `tell`, such as `tell = [\"chat\"]`)",
                "roles.c.hours: the hours of `c` are the whole week (leave them out)",
                "roles.d.hours: outside of its hours nobody is reached for `d` (name a role or a channel in `otherwise`)",
                "roles.chat: a channel is called `chat` too, so nobody could tell which is addressed (give one of them another name)",
            ]
        );
        let text = r#""roles":{"cto":"eva"},"notice":[{"at":"full","to":"cto","text":"Now"}],"#;
        assert_eq!(
            faults(text),
            [
                "notice[0].to[0]: the role `cto` has no channel, so this goes to those that get what nobody is named for (give it one: [roles.cto] with `tell = [\"CHANNEL\"]`)"
            ]
        );
    }

    #[test]
    fn what_pages_show_is_for_users_goes_by_itself_and_to_groups_that_there_are() {
        let right = r#""groups":{"beta":{"ids":["a"]}},"notice":[{"at":"full","audience":"users","text":"x","in_app":"new"},{"at":"rollback","audience":"users","text":"x","in_app":{"to":"all","group":["beta"],"kind":"incident","link":"/status","for":"1d"}}],"#;
        assert_eq!(faults(right), Vec::<String>::new());
        let wrong = r#""roles":{"lead":{"tell":["chat"]}},"groups":{"beta":{"ids":["a"]}},"notice":[
            {"at":"full","to":"chat","text":"x","in_app":"new"},
            {"at":"full","by":"lead","audience":"users","text":"x","in_app":"all"},
            {"at":"full","audience":"users","text":"x","in_app":{"to":"legacy","group":"beto","for":"0d"}},
            {"at":"full","audience":"users","text":"x","in_app":"old"},
            {"at":"full","audience":"users","text":"x","in_app":{"to":"new","link":"javascript:alert(1)","kind":"news","tone":"warm"}},
            {"at":"full","audience":"users","text":"x"}],"#;
        let faults = faults(wrong);
        for start in [
            "notice[0].in_app: users see it, and it is not for them (add `audience = \"users\"`, or leave `in_app` out)",
            "notice[1].in_app: a text that a person sends cannot be shown by itself (leave out `by`, or `in_app`)",
            "notice[2].in_app.group[0]: no group is called `beto` (did you mean `beta`?)",
            "notice[2].in_app.for: it would never be shown (such as `7d`)",
            "notice[3].in_app: `old` is not a side of a message in the app (`all`, `new` or `legacy`)",
            "notice[4].in_app.link: `javascript:alert(1)` is not a link of a message in the app",
            "notice[4].in_app.kind: `news` is not a kind of message in the app (`preview`, `launch` or `incident`)",
            "notice[4].in_app: `tone` is not a field",
            "notice[5]: `to` is missing",
        ] {
            assert!(faults.iter().any(|fault| fault.starts_with(start)), "{start}\n{faults:#?}");
        }
    }

    #[test]
    fn zones_hours_addresses_and_moments_are_read_strictly() {
        let fields = r#""freeze":"Sat-Sun Europe/Berln","links":{"runbook":"wiki.example.com"},"digest":[{"at":"9 am","to":"chat"}],
            "notice":[{"at":"sometime","to":"chat","text":"x"},{"at":"full","text":"x"},{"at":"full","to":"chat","audience":"everybody","text":"x"},{"at":"2026-12-24T08:00:00Z","every":"1w","to":"chat","text":"x"}],"#;
        let faults = faults(fields);
        let starts = [
            "freeze: no time zone is called `Europe/Berln` (did you mean `Europe/Berlin`?)",
            "links.runbook: `wiki.example.com` is not an address (such as `https://",
            "digest[0].at: `9 am` is not an hour of the day (`09:00`,",
            "notice[0].at: `sometime` is not a moment of this plan",
            "notice[1]: `to` is missing",
            "notice[2].audience: `everybody` is not an audience (`team`, `client` or `users`)",
        ];
        for start in starts {
            assert!(faults.iter().any(|fault| fault.starts_with(start)), "{start}\n{faults:#?}");
        }
        assert_eq!(faults.len(), starts.len() + 1, "{faults:#?}");
    }

    #[test]
    fn a_stored_plan_with_what_this_release_does_not_know_is_read() {
        let text = r#"{"key":"shop","roles":{"lead":{"tell":["gone"],"mood":"calm"},"b":"ben"},"notice":[{"at":"full","to":["nobody"],"text":"x","tone":"warm"}],"stage":[{"name":"full","percentage":100}]}"#;
        let node: Node = serde_json::from_str(text).unwrap();
        let (plan, faults) = read::stored(&node);
        assert!(plan.is_some(), "{faults:?}");
    }
}
