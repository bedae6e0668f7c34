//! A channel as it is written in a plan: read, and printed as it was read.

use std::fmt;

use serde::de::Error as _;
use serde::ser::Serializer;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Channel, ChannelKind, ISSUE_TYPE, MAIL_BINDING, MailAddress, RECIPIENTS_MAX, Region};
use crate::fault::nearest;
use crate::node::{self, Node};
use crate::plan::fields::{Fields, Reader};

/// Each kind with its words: the first is today's, the others are those of plans of before.
const WORDS: [(&str, ChannelKind); 13] = [
    ("slack", ChannelKind::Slack),
    ("teams", ChannelKind::Teams),
    ("pagerduty", ChannelKind::PagerDuty),
    ("pager", ChannelKind::PagerDuty),
    ("opsgenie", ChannelKind::Opsgenie),
    ("jsm", ChannelKind::Jsm),
    ("jira", ChannelKind::Jira),
    ("mail", ChannelKind::Mail),
    ("email", ChannelKind::Mail),
    ("statuspage", ChannelKind::Statuspage),
    ("sentry", ChannelKind::Sentry),
    ("grafana", ChannelKind::Grafana),
    ("webhook", ChannelKind::Webhook),
];

/// Reads a channel.
pub fn read(r: &mut Reader, node: &Node) -> Option<Channel> {
    let mut f = r.fields(node)?;
    let (word, kind) = kind(r, node, &f)?;
    let channel = match kind {
        ChannelKind::Slack => f.required(r, word, Reader::parsed).map(|url| Channel::Slack { url }),
        ChannelKind::Teams => f.required(r, word, Reader::parsed).map(|url| Channel::Teams { url }),
        ChannelKind::PagerDuty => pagerduty(r, &mut f, word),
        ChannelKind::Opsgenie | ChannelKind::Jsm => alerts(r, &mut f, word, kind),
        ChannelKind::Jira => jira(r, &mut f),
        ChannelKind::Mail => mail(r, &mut f, word),
        ChannelKind::Statuspage => statuspage(r, &mut f),
        ChannelKind::Sentry => {
            let url = f.required(r, word, Reader::parsed);
            let signing_secret = f.required(r, "signing_secret", Reader::parsed);
            url.zip(signing_secret).map(|(url, signing_secret)| Channel::Sentry { url, signing_secret })
        }
        ChannelKind::Grafana => {
            let url = f.required(r, word, Reader::parsed);
            let token = f.required(r, "token", Reader::parsed);
            let dashboard = f.optional(r, "dashboard", Reader::parsed);
            url.zip(token).map(|(url, token)| Channel::Grafana { url, token, dashboard })
        }
        ChannelKind::Webhook => {
            let url = f.required(r, word, Reader::parsed);
            let signing_secret = f.optional(r, "signing_secret", Reader::parsed);
            url.map(|url| Channel::Webhook { url, signing_secret })
        }
    };
    f.end(r);
    channel
}

/// The one field that says what carries the messages, in the word that stands there.
fn kind(r: &mut Reader, node: &Node, fields: &Fields<'_>) -> Option<(&'static str, ChannelKind)> {
    let known = |key: &str| WORDS.into_iter().find(|(word, _)| *word == key);
    let mut kinds = fields.keys().filter_map(known);
    match (kinds.next(), kinds.next()) {
        (Some(kind), None) => Some(kind),
        (Some((first, _)), Some((second, _))) => {
            let message = format!("a channel has one kind, and this one has two: `{first}` and `{second}`");
            r.error(node.span.clone(), message, Some("declare a channel for each".into()));
            None
        }
        (None, _) => {
            let near = fields.keys().find_map(|key| nearest(key, WORDS.into_iter().map(|(word, _)| word)));
            let help = near.map_or_else(
                || format!("such as `slack = \"secret:CHAT_URL\"`; the kinds: {}", kinds_known()),
                |near| format!("did you mean `{near}`?"),
            );
            r.error(node.span.clone(), "the channel names no kind", Some(help));
            None
        }
    }
}

/// The kinds, for an error.
fn kinds_known() -> String {
    let words: Vec<&str> = WORDS.into_iter().map(|(word, _)| word).filter(|word| !is_of_before(word)).collect();
    words.join(", ")
}

/// Whether it is a word that only plans of before use.
fn is_of_before(word: &str) -> bool {
    matches!(word, "pager" | "email")
}

fn pagerduty(r: &mut Reader, f: &mut Fields<'_>, word: &'static str) -> Option<Channel> {
    let key = f.required(r, word, Reader::parsed);
    let region = f.optional(r, "region", Reader::parsed).unwrap_or(Region::Us);
    let url = f.optional(r, "url", Reader::parsed);
    Some(Channel::PagerDuty { word, key: key?, region, url })
}

fn alerts(r: &mut Reader, f: &mut Fields<'_>, word: &'static str, kind: ChannelKind) -> Option<Channel> {
    let key = f.required(r, word, Reader::parsed);
    let team = f.optional(r, "team", Reader::text);
    let url = f.optional(r, "url", Reader::parsed);
    if kind == ChannelKind::Jsm {
        return Some(Channel::Jsm { key: key?, team, url });
    }
    let region = f.optional(r, "region", Reader::parsed).unwrap_or(Region::Us);
    Some(Channel::Opsgenie { key: key?, region, team, url })
}

fn jira(r: &mut Reader, f: &mut Fields<'_>) -> Option<Channel> {
    let url = f.required(r, "jira", Reader::parsed);
    let user = f.optional(r, "user", Reader::parsed);
    let token = f.required(r, "token", Reader::parsed);
    let project = f.required(r, "project", Reader::parsed);
    let issue_type = f.optional(r, "issue_type", Reader::text).unwrap_or_else(|| ISSUE_TYPE.into());
    Some(Channel::Jira { url: url?, user, token: token?, project: project?, issue_type })
}

fn mail(r: &mut Reader, f: &mut Fields<'_>, word: &'static str) -> Option<Channel> {
    let to = f.required(r, word, |r, node| {
        if is_of_before(word) {
            return r.text(node).map(|text| vec![MailAddress(text)]);
        }
        let to = r.parsed_one_or_more::<MailAddress>(node)?;
        let is_list = matches!(node.value, node::Value::List(_));
        if is_list && (to.is_empty() || to.len() > RECIPIENTS_MAX) {
            let message = format!("mail goes to 1 to {RECIPIENTS_MAX} addresses, and these are {}", to.len());
            r.error(node.span.clone(), message, Some("a list's own address has room for more".into()));
            return None;
        }
        Some(to)
    });
    let from = f.optional(r, "from", Reader::parsed);
    let binding = f.optional(r, "binding", Reader::parsed);
    Some(Channel::Mail { word, to: to?, from, binding: binding.or_else(|| MAIL_BINDING.parse().ok())? })
}

fn statuspage(r: &mut Reader, f: &mut Fields<'_>) -> Option<Channel> {
    let key = f.required(r, "statuspage", Reader::parsed);
    let page = f.required(r, "page", Reader::parsed);
    let components = f.optional(r, "components", Reader::parsed_one_or_more).unwrap_or_default();
    let url = f.optional(r, "url", Reader::parsed);
    Some(Channel::Statuspage { key: key?, page: page?, components, url })
}

/// A field as it is printed.
type Field = Option<(&'static str, Value)>;

/// A field that is there.
fn field(name: &'static str, value: &impl fmt::Display) -> Field {
    Some((name, Value::String(value.to_string())))
}

/// A field that may be absent.
fn given(name: &'static str, value: Option<&impl fmt::Display>) -> Field {
    value.and_then(|value| field(name, value))
}

/// One value by itself, several as a list, none not at all.
fn listed(name: &'static str, values: &[impl fmt::Display]) -> Field {
    match values {
        [] => None,
        [only] => field(name, only),
        several => Some((name, several.iter().map(ToString::to_string).collect())),
    }
}

impl Channel {
    /// Its fields, those left out that say what holds anyway.
    fn fields(&self) -> [Field; 5] {
        let region = |region: &Region| given("region", Some(region).filter(|region| **region != Region::Us));
        match self {
            Self::Slack { url } => [field("slack", url), None, None, None, None],
            Self::Teams { url } => [field("teams", url), None, None, None, None],
            Self::PagerDuty { word, key, region: at, url } => {
                [field(word, key), region(at), given("url", url.as_ref()), None, None]
            }
            Self::Opsgenie { key, region: at, team, url } => {
                [field("opsgenie", key), region(at), given("team", team.as_ref()), given("url", url.as_ref()), None]
            }
            Self::Jsm { key, team, url } => {
                [field("jsm", key), given("team", team.as_ref()), given("url", url.as_ref()), None, None]
            }
            Self::Jira { url, user, token, project, issue_type } => [
                field("jira", url),
                given("user", user.as_ref()),
                field("token", token),
                field("project", project),
                given("issue_type", Some(issue_type).filter(|name| *name != ISSUE_TYPE)),
            ],
            Self::Mail { word, to, from, binding } => [
                listed(word, to),
                given("from", from.as_ref()),
                given("binding", Some(binding).filter(|name| name.as_str() != MAIL_BINDING)),
                None,
                None,
            ],
            Self::Statuspage { key, page, components, url } => [
                field("statuspage", key),
                field("page", page),
                listed("components", components),
                given("url", url.as_ref()),
                None,
            ],
            Self::Sentry { url, signing_secret } => {
                [field("sentry", url), field("signing_secret", signing_secret), None, None, None]
            }
            Self::Grafana { url, token, dashboard } => {
                [field("grafana", url), field("token", token), given("dashboard", dashboard.as_ref()), None, None]
            }
            Self::Webhook { url, signing_secret } => {
                [field("webhook", url), given("signing_secret", signing_secret.as_ref()), None, None, None]
            }
        }
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields().into_iter().flatten())
    }
}

/// As one of Tidegate's own parts has stored it.
impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Node::deserialize(deserializer)?;
        let mut reader = Reader::of_stored();
        read(&mut reader, &node).ok_or_else(|| D::Error::custom("it is no channel"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attempt(fields: serde_json::Value, mut reader: Reader) -> (Option<Channel>, Vec<String>) {
        let node: Node = serde_json::from_value(fields).unwrap();
        let channel = read(&mut reader, &node);
        let found = |fault: &crate::fault::Fault| match &fault.help {
            Some(help) => format!("{}: {help}", fault.message),
            None => fault.message.clone(),
        };
        (channel, reader.faults.iter().map(found).collect())
    }

    #[track_caller]
    fn is_refused(fields: serde_json::Value, faults: &[&str]) {
        assert_eq!(attempt(fields, Reader::default()).1, faults);
    }

    #[test]
    fn each_kind_reads_and_is_printed_as_it_was_read() {
        for fields in [
            json!({ "slack": "secret:A" }),
            json!({ "teams": "secret:A" }),
            json!({ "pagerduty": "secret:A" }),
            json!({ "pagerduty": "secret:A", "region": "eu", "url": "secret:B" }),
            json!({ "opsgenie": "secret:A", "region": "eu", "team": "platform", "url": "secret:B" }),
            json!({ "jsm": "secret:A", "team": "platform" }),
            json!({ "jira": "secret:A", "user": "secret:B", "token": "secret:C", "project": "OPS", "issue_type": "Bug" }),
            json!({ "mail": "ops@example.com" }),
            json!({ "mail": ["a@example.com", "b@example.com"], "from": "t@example.com", "binding": "MAIL" }),
            json!({ "statuspage": "secret:A", "page": "p1", "components": ["c1", "c2"] }),
            json!({ "sentry": "secret:A", "signing_secret": "secret:B" }),
            json!({ "grafana": "secret:A", "token": "secret:B", "dashboard": "shop" }),
            json!({ "webhook": "secret:A", "signing_secret": "secret:B" }),
            // As plans of before have it.
            json!({ "webhook": "secret:A" }),
            json!({ "pager": "secret:A" }),
            json!({ "email": "the team" }),
        ] {
            let (channel, faults) = attempt(fields.clone(), Reader::default());
            assert_eq!(faults, [""; 0], "{fields}");
            let channel = channel.unwrap();
            assert_eq!(serde_json::to_value(&channel).unwrap(), fields);
            let word = fields.as_object().unwrap().keys().find(|key| WORDS.iter().any(|(word, _)| word == key));
            let is_same = word.unwrap() == channel.kind().as_str();
            assert!(is_same || is_of_before(word.unwrap()), "{fields}");
            let named = fields
                .as_object()
                .unwrap()
                .values()
                .filter(|value| value.as_str().is_some_and(|text| text.starts_with("secret:")));
            assert_eq!(channel.secrets().len(), named.count(), "{fields}");
        }
    }

    #[test]
    fn secrets_stand_in_a_plan_by_name_alone() {
        let way_out =
            "write `secret:NAME`, and set its value with `npx wrangler secret put NAME` (locally in .dev.vars)";
        is_refused(
            json!({ "slack": "https://hooks.slack.com/services/T0/B0/key" }),
            &[&format!("an address stands here in plain text, and whoever reads the plan could use it: {way_out}")],
        );
        is_refused(
            json!({ "pagerduty": "0123456789abcdef0123456789abcdef" }),
            &[&format!("this is not the name of a secret: {way_out}")],
        );
    }

    #[test]
    fn faults_say_what_would_be_right() {
        is_refused(json!({ "slac": "secret:A" }), &["the channel names no kind: did you mean `slack`?"]);
        is_refused(
            json!({ "carrier_pigeon": "secret:A" }),
            &[
                "the channel names no kind: such as `slack = \"secret:CHAT_URL\"`; the kinds: slack, teams, pagerduty, opsgenie, jsm, jira, mail, statuspage, sentry, grafana, webhook",
            ],
        );
        is_refused(
            json!({ "slack": "secret:A", "teams": "secret:B" }),
            &["a channel has one kind, and this one has two: `slack` and `teams`: declare a channel for each"],
        );
        is_refused(json!({ "slack": "secret:A", "region": "eu" }), &["`region` is not a field: known here: slack"]);
        is_refused(json!({ "pagerduty": "secret:A", "region": "mars" }), &["`mars` is not a region: `us` or `eu`"]);
        is_refused(json!({ "jira": "secret:A" }), &["`token` is missing", "`project` is missing"]);
        is_refused(
            json!({ "mail": "Ana <ana@example.com>" }),
            &["`Ana <ana@example.com>` is not a mail address: one address without a name, such as `ops@example.com`"],
        );
        is_refused(
            json!({ "mail": [] }),
            &["mail goes to 1 to 50 addresses, and these are 0: a list's own address has room for more"],
        );
        is_refused(json!({ "sentry": "secret:A" }), &["`signing_secret` is missing"]);
    }

    #[test]
    fn what_another_release_has_stored_reads_as_far_as_it_is_known() {
        let (channel, faults) = attempt(json!({ "slack": "secret:A", "thread": true }), Reader::of_stored());
        assert_eq!((channel.map(|channel| channel.kind()), faults), (Some(ChannelKind::Slack), vec![]));
    }
}
