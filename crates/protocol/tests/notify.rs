//! What channels get: for each kind of channel and of message, however hostile or long the words in it are,
//! and what their answers mean. Whether the vendors' own packages take it is tested in tests/notify of the workspace.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails, as it should"
)]
#![cfg(not(target_arch = "wasm32"))]

use std::fmt::Write as _;

use serde_json::{Value, json};
use tidegate_model::Instant;
use tidegate_model::notification::{Link, Notification, NotificationKind, Urgency};
use tidegate_model::plan::Channel;
use tidegate_model::plan::words::SecretName;
use tidegate_protocol::notify::samples::{KINDS, sample};
use tidegate_protocol::notify::{Outcome, Request, outcome, request};

/// 2026-11-29T03:12:05Z
const AT_MS: i64 = 1_795_921_925_000;

/// A channel of each kind, and of each that differs by an option.
fn channels() -> Vec<(&'static str, Channel)> {
    [
        ("slack", json!({ "slack": "secret:CHAT_URL" })),
        ("teams", json!({ "teams": "secret:TEAMS_URL" })),
        ("pagerduty", json!({ "pagerduty": "secret:PAGE_KEY" })),
        ("opsgenie", json!({ "opsgenie": "secret:OPS_KEY", "region": "eu", "team": "platform" })),
        ("jsm", json!({ "jsm": "secret:OPS_KEY" })),
        ("jira", json!({ "jira": "secret:CLOUD_URL", "user": "secret:USER", "token": "secret:TOKEN", "project": "OPS", "issue_type": "Bug" })),
        ("jira-server", json!({ "jira": "secret:SERVER_URL", "token": "secret:TOKEN", "project": "OPS" })),
        ("mail", json!({ "mail": ["ops@example.com", "lead@example.com"], "from": "tidegate@example.com" })),
        ("statuspage", json!({ "statuspage": "secret:PAGE_KEY", "page": "kctbh9vrtdwd", "components": ["8kbf7d35c070"] })),
        ("sentry", json!({ "sentry": "secret:SENTRY_URL", "signing_secret": "secret:SENTRY_SECRET" })),
        ("grafana", json!({ "grafana": "secret:GRAFANA_URL", "token": "secret:TOKEN", "dashboard": "shop" })),
        ("webhook", json!({ "webhook": "secret:HOOK_URL", "signing_secret": "secret:HOOK_SECRET" })),
    ]
    .into_iter()
    .map(|(name, fields)| (name, channel(fields)))
    .collect()
}

fn channel(fields: Value) -> Channel {
    serde_json::from_value(fields).unwrap()
}

fn secret(name: &SecretName) -> Option<String> {
    let value = match name.0.as_str() {
        "PAGE_KEY" => "0123456789abcdef0123456789abcdef",
        "CLOUD_URL" => "https://example.atlassian.net/",
        "USER" => "ana@example.com",
        "HOOK_SECRET" => "whsec_bm90LWEtc2VjcmV0LWJ1dC1sb25nLWVub3VnaA==",
        name if name.ends_with("_URL") => {
            return Some(format!("https://{}.example.com", name.to_lowercase().replace('_', "-")));
        }
        name => name,
    };
    Some(value.to_owned())
}

fn at() -> Instant {
    Instant::from_epoch_ms(AT_MS)
}

fn of_kind(kind: NotificationKind) -> Notification {
    sample(kind, "checkout".parse().unwrap(), at())
}

fn sent(channel: &Channel, n: &Notification, reference: Option<&str>) -> Request {
    request("msg-1", channel, &secret, n, reference, at()).unwrap()
}

/// A request in one line: what is asked of whom.
fn reported(request: &Request) -> String {
    match request {
        Request::Nothing => "nothing".into(),
        Request::Mail { subject, .. } => format!("mail {subject}"),
        Request::Http { method, url, body, .. } => {
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            let word = ["/event_action", "/incident/status", "/type", "/priority", "/data/0/action"]
                .into_iter()
                .find_map(|at| body.pointer(at).and_then(Value::as_str))
                .unwrap_or_default();
            format!("{method} {url} {word}").trim_end().to_owned()
        }
    }
}

/// A header without the value of a signature, which depends on the order of the body's members. Another test
/// verifies signatures by the vendors' own packages.
fn unsigned((name, value): &(String, String)) -> (String, String) {
    let value = if name.ends_with("signature") { "signature" } else { value.as_str() };
    (name.clone(), value.to_owned())
}

/// A request in full, as it stands in a golden file.
fn whole(request: &Request) -> Value {
    match request {
        Request::Nothing => Value::Null,
        Request::Http { method, url, headers, body } => json!({
            "request": format!("{method} {url}"), "headers": headers.iter().map(unsigned).collect::<Vec<_>>(),
            "body": serde_json::from_str(body).unwrap_or_else(|_| Value::from(body.as_str())),
        }),
        Request::Mail { binding, from, to, subject, text, html, headers } => json!({
            "binding": binding, "from": from, "to": to, "subject": subject, "headers": headers,
            "text": text.lines().collect::<Vec<_>>(), "html": html.replace("<tr>", "\n<tr>").lines().collect::<Vec<_>>(),
        }),
    }
}

/// Compares with a file. `GOLDEN=write` writes it anew: read what has changed before it is committed.
fn golden(name: &str, found: &str) {
    let path = format!("tests/notify/{name}");
    if std::env::var("GOLDEN").is_ok_and(|word| word == "write") {
        std::fs::create_dir_all("tests/notify").unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or(serde_json::Value::Null);
    // A build with the document's schemas keeps the order of members; the worker sorts them.
    let is_same = kept == found || (path.ends_with(".json") && read(&kept) == read(found));
    assert!(is_same, "{path} differs; GOLDEN=write writes it anew. Found:\n{found}");
}

#[test]
fn each_channel_gets_what_it_is_for_and_nothing_else() {
    let mut table = String::new();
    for (name, channel) in channels() {
        let _ = writeln!(table, "{name}");
        for kind in KINDS {
            let n = of_kind(kind);
            let first = reported(&sent(&channel, &n, None));
            let later = reported(&sent(&channel, &n, Some("REF-1")));
            let _ = writeln!(table, "  {:<11} {first}", kind.as_str());
            if later != first {
                let _ = writeln!(table, "  {:<11} {later}", "… later");
            }
        }
    }
    golden("table.txt", &table);
}

#[test]
fn the_requests_stand_as_they_were_agreed_on() {
    for (name, channel) in channels() {
        let kinds =
            [NotificationKind::Alert, NotificationKind::Rollback, NotificationKind::Resolved, NotificationKind::Notice];
        let requests: serde_json::Map<String, Value> = kinds
            .into_iter()
            .map(|kind| (kind.as_str().to_owned(), whole(&sent(&channel, &of_kind(kind), None))))
            .collect();
        golden(&format!("{name}.json"), &format!("{}\n", serde_json::to_string_pretty(&requests).unwrap()));
    }
}

#[test]
fn a_trigger_and_its_end_share_a_key() {
    let body = |kind, channel: &Channel| match sent(channel, &of_kind(kind), None) {
        Request::Http { url, body, .. } => (url, serde_json::from_str::<Value>(&body).unwrap()),
        other => panic!("{other:?}"),
    };
    let pager = channel(json!({ "pagerduty": "secret:PAGE_KEY" }));
    let (_, trigger) = body(NotificationKind::Rollback, &pager);
    let (_, resolve) = body(NotificationKind::Resolved, &pager);
    assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);
    let alerts = channel(json!({ "jsm": "secret:OPS_KEY" }));
    let (_, create) = body(NotificationKind::Rollback, &alerts);
    let (close, _) = body(NotificationKind::Resolved, &alerts);
    let alias = create["alias"].as_str().unwrap();
    assert!(close.ends_with(&format!("/v2/alerts/{alias}/close?identifierType=alias")), "{close}");
}

#[test]
fn a_key_that_is_too_long_is_still_one() {
    let mut n = of_kind(NotificationKind::Rollback);
    n.incident = Some("x".repeat(2_000));
    let key = |kind| {
        let Request::Http { body, .. } =
            sent(&channel(json!({ "pagerduty": "secret:PAGE_KEY" })), &Notification { kind, ..n.clone() }, None)
        else {
            panic!("nothing was sent")
        };
        serde_json::from_str::<Value>(&body).unwrap()["dedup_key"].as_str().unwrap().to_owned()
    };
    assert_eq!(key(NotificationKind::Rollback), key(NotificationKind::Resolved));
    assert!(key(NotificationKind::Rollback).len() <= 255);
}

/// What somebody could write into a description, a reason or a name of a link.
const HOSTILE: [&str; 16] = [
    "<!channel> <!here> <!everyone> @channel @here",
    "<@U012AB3CD> <#C123> <!subteam^S1|all>",
    "<https://evil.example.com|Console>",
    "[Console](https://evil.example.com) ![x](https://evil.example.com/x.png)",
    "<at>Everyone</at> {{DATE(2026-01-01T00:00:00Z, SHORT)}}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "\"><a href=\"javascript:alert(1)\">x</a>",
    "{noformat} !https://evil.example.com/x.png! [~admin] {panel}",
    "a\r\nBcc: evil@example.com\r\n\r\n<h1>b</h1>",
    "*bold* _it_ ~no~ `code` ```block``` > quote",
    "\u{202e}kcabllor\u{202c} \u{2066}x\u{2069}\0\u{7}",
    "&lt;!channel&gt; &amp;lt;b&amp;gt; &#60;!here&#62;",
    "' OR 1=1 -- ${jndi:ldap://evil} @{triggerBody()}",
    "🧑‍🚒🧑‍🚒 𝒳 مرحبا 你好",
    "</td></tr></table></body></html><!--",
    "````` ` `` ` \n> x\n```",
];

/// A notification whose every free text is hostile.
fn hostile(kind: NotificationKind, words: &str) -> Notification {
    let n = of_kind(kind);
    Notification {
        description: Some(words.into()),
        headline: words.into(),
        action: Some(words.into()),
        why: words.into(),
        figures: vec![format!("figure {words}")],
        owner: Some(words.into()),
        next: Some(words.into()),
        links: vec![
            Link { title: words.into(), url: "https://ops.example.com/_tidegate/#/checkout".into() },
            Link { title: "bad".into(), url: "javascript:alert(1)".into() },
            Link { title: "bad".into(), url: "https://x.example.com/\"><b>".into() },
            Link { title: "bad".into(), url: "https://x.example.com/|evil> <!here".into() },
        ],
        command: Some(words.into()),
        audience: Some(words.into()),
        text: Some(words.into()),
        incident: n.incident.as_ref().map(|_| words.into()),
        ..n
    }
}

fn each_text<'a>(value: &'a Value, at: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::String(text) => found.push((at.to_owned(), text)),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, at, found)),
        Value::Object(fields) => fields.iter().for_each(|(key, field)| each_text(field, &format!("{at}/{key}"), found)),
        _ => {}
    }
}

fn body(request: &Request) -> Value {
    match request {
        Request::Http { body, .. } => serde_json::from_str(body).unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

/// What a text has of a format's control characters.
fn count(text: &str, sign: char) -> usize {
    text.chars().filter(|c| *c == sign).count()
}

#[test]
fn in_slack_hostile_words_mention_nobody_and_are_no_links() {
    let slack = channel(json!({ "slack": "secret:CHAT_URL" }));
    for words in HOSTILE {
        for kind in KINDS {
            let message = body(&sent(&slack, &hostile(kind, words), None));
            let mut texts = Vec::new();
            each_text(&message, "", &mut texts);
            for (at, text) in texts {
                let own = text.matches("<https://ops.example.com/_tidegate/#/checkout|").count()
                    + text.matches("<!date^").count();
                if at.ends_with("/text") && !at.contains("/blocks/text/text") {
                    assert_eq!(count(text, '<'), own, "{at}: {text}");
                    assert_eq!(
                        text.matches('>').count() - text.matches("\n>").count() - usize::from(text.starts_with('>')),
                        own,
                        "{at}: {text}"
                    );
                }
                for mention in ["@channel", "@here", "@everyone"] {
                    assert!(!text.contains(mention), "{at}: {text}");
                }
                assert!(
                    !text.contains("javascript:alert(1)|") && !text.contains('\u{202e}') && !text.contains('\0'),
                    "{at}: {text}"
                );
            }
            let mut blocks = message["attachments"][0]["blocks"].as_array().unwrap().iter();
            assert!(blocks.all(|block| block.get("text").is_none_or(|text| text["verbatim"] == true)));
        }
    }
}

#[test]
fn in_teams_hostile_words_are_text() {
    let teams = channel(json!({ "teams": "secret:TEAMS_URL" }));
    for words in HOSTILE {
        for kind in KINDS {
            let message = body(&sent(&teams, &hostile(kind, words), None));
            let card = &message["attachments"][0]["content"];
            for block in card["body"].as_array().unwrap() {
                if block["type"] == "TextBlock" {
                    let own = body(&sent(&teams, &of_kind(kind), None));
                    let small_print = own["attachments"][0]["content"]["body"].as_array().unwrap().last().unwrap();
                    assert_eq!(block["text"], small_print["text"], "markup counts in a text block");
                }
            }
            let mut texts = Vec::new();
            each_text(&card["body"], "", &mut texts);
            for (at, text) in texts.iter().filter(|(at, _)| at.contains("inlines")) {
                assert!(!text.contains("<at") && !text.contains("{{"), "{at}: {text}");
            }
            let urls: Vec<&str> =
                card["actions"].as_array().unwrap().iter().map(|action| action["url"].as_str().unwrap()).collect();
            assert_eq!(urls, ["https://ops.example.com/_tidegate/#/checkout"]);
        }
    }
}

#[test]
fn in_mail_hostile_words_are_text_and_add_no_header() {
    let mail = channel(json!({ "mail": "ops@example.com", "from": "tidegate@example.com" }));
    for words in HOSTILE {
        for kind in KINDS {
            let Request::Mail { subject, html, headers, to, .. } = sent(&mail, &hostile(kind, words), None) else {
                panic!("no mail")
            };
            // The same mail with quiet words in the same places has the same elements.
            let quiet = hostile(kind, "quiet");
            let Request::Mail { html: plain, .. } = sent(&mail, &quiet, None) else { panic!("no mail") };
            let without_code = html.replace("<code", "").replace("</code", "").replace("<br", "");
            assert_eq!(count(&without_code, '<'), count(&plain, '<'), "{words}\n{html}");
            assert!(
                !html.contains("javascript:alert(1)\"") && !html.contains("<script") && !html.contains("<img"),
                "{html}"
            );
            assert_eq!(to, ["ops@example.com"]);
            for text in headers.iter().map(|(_, value)| value).chain([&subject]) {
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    }
}

#[test]
fn in_jira_and_grafana_hostile_words_are_text() {
    for words in HOSTILE {
        for kind in KINDS {
            let n = hostile(kind, words);
            let cloud = channel(json!({ "jira": "secret:CLOUD_URL", "token": "secret:TOKEN", "project": "OPS" }));
            let request = sent(&cloud, &n, Some("OPS-1"));
            let mut texts = Vec::new();
            let document = body(&request);
            each_text(&document["body"], "", &mut texts);
            for (at, text) in texts {
                assert!(!text.is_empty(), "{at} is empty, which Jira refuses");
                assert!(!at.ends_with("/href") || text == "https://ops.example.com/_tidegate/#/checkout", "{text}");
            }
            let server = channel(json!({ "jira": "secret:SERVER_URL", "token": "secret:TOKEN", "project": "OPS" }));
            let comment = body(&sent(&server, &n, Some("OPS-1")));
            let comment = comment["body"].as_str().unwrap();
            assert_eq!(comment.matches("{noformat}").count(), 2, "{comment}");
            let grafana = channel(json!({ "grafana": "secret:GRAFANA_URL", "token": "secret:TOKEN" }));
            let plain = body(&sent(&grafana, &hostile(kind, "quiet"), None));
            let annotation = body(&sent(&grafana, &n, None));
            if let Some(text) = annotation["text"].as_str() {
                assert_eq!(count(text, '<'), count(plain["text"].as_str().unwrap(), '<'), "{text}");
            }
        }
    }
}

#[test]
fn clients_and_users_are_reported_the_plans_words_and_nothing_else() {
    for audience in ["client", "users"] {
        let n = Notification {
            audience: Some(audience.into()),
            text: Some("The pilot starts on Monday\nWrite to us at pilot@example.com.".into()),
            ..of_kind(NotificationKind::Rollback)
        };
        for (name, channel) in channels() {
            let reported = match sent(&channel, &n, None) {
                Request::Http { body, .. } => body,
                Request::Mail { subject, text, html, .. } => {
                    assert_eq!(subject, "The pilot starts on Monday");
                    assert_eq!(text, "The pilot starts on Monday\n\nWrite to us at pilot@example.com.\n");
                    html
                }
                Request::Nothing => continue,
            };
            for word in [
                "error_rate",
                "5.1",
                "on-call",
                "tidegate resume",
                "legacy",
                "ops.example.com",
                "guardrail",
                "ritical · ",
            ] {
                assert!(!reported.contains(word), "{name}, {word}: {reported}");
            }
        }
    }
}

#[test]
fn the_public_page_tells_no_figures_and_no_names() {
    let page = channel(json!({ "statuspage": "secret:PAGE_KEY", "page": "page" }));
    for kind in KINDS {
        let n = Notification { text: None, ..of_kind(kind) };
        for reference in [None, Some("inc")] {
            let Request::Http { body, .. } = sent(&page, &n, reference) else { continue };
            for secret in ["error_rate", "lcp", "5.1", "ana", "ben", "legacy", "guardrail", "canary"] {
                assert!(!body.contains(secret), "{body}");
            }
        }
    }
}

#[test]
fn what_is_too_long_is_cut_to_what_the_vendor_takes() {
    for piece in ["x", "<", "😀", "界", "`a`", "a\n", "\"", "&*_~"] {
        let long = piece.repeat(40_000 / piece.len());
        for kind in [NotificationKind::Rollback, NotificationKind::Resolved, NotificationKind::Notice] {
            let mut n = hostile(kind, &long);
            n.figures = vec![piece.repeat(600); 200];
            n.links =
                vec![Link { title: long.clone(), url: format!("https://x.example.com/{}", "y".repeat(1_900)) }; 40];
            for (name, channel) in channels() {
                for reference in [None, Some("1")] {
                    check_limits(name, &sent(&channel, &n, reference), piece);
                }
            }
        }
    }
}

fn check_limits(name: &str, request: &Request, piece: &str) {
    let chars = |value: &Value| value.as_str().unwrap_or_default().encode_utf16().count();
    let at_most = |value: &Value, max: usize| assert!(chars(value) <= max, "{name}, {piece}: {} > {max}", chars(value));
    if let Request::Mail { subject, text, html, .. } = request {
        assert!(subject.encode_utf16().count() <= 120 && text.len() + html.len() < 5 << 20);
    }
    let Request::Http { body: text, .. } = request else { return };
    let body = body(request);
    match name {
        "slack" => {
            at_most(&body["blocks"][0]["text"]["text"], 150);
            let blocks = body["attachments"][0]["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50);
            for block in blocks {
                at_most(&block["text"]["text"], 3_000);
                let fields = block["fields"].as_array().map_or(&[][..], Vec::as_slice);
                assert!(fields.len() <= 10);
                fields.iter().for_each(|field| at_most(&field["text"], 2_000));
            }
        }
        "teams" => assert!(text.len() <= 14_000, "{} bytes of {piece}", text.len()),
        "pagerduty" => {
            at_most(&body["payload"]["summary"], 1_024);
            at_most(&body["dedup_key"], 255);
            assert!(text.len() < 512 * 1_024);
        }
        "opsgenie" | "jsm" => {
            at_most(&body["message"], 130);
            at_most(&body["alias"], 512);
            at_most(&body["description"], 15_000);
            at_most(&body["note"], 25_000);
            let details = body["details"].as_object().map_or(0, |details| details.values().map(chars).sum());
            assert!(details <= 8_000, "{details}");
        }
        "jira" | "jira-server" => {
            at_most(&body["fields"]["summary"], 255);
            for words in [&body["fields"]["description"], &body["body"]] {
                let length = words.as_str().map_or_else(|| words.to_string(), str::to_owned).encode_utf16().count();
                assert!(length <= 32_767, "{length} characters of {piece}");
            }
        }
        "sentry" => at_most(&body["data"][0]["flag"], 100),
        _ => {}
    }
}

#[test]
fn what_is_not_set_up_is_said_by_name_and_without_the_value() {
    let error = |fields: Value, value: Option<&str>| {
        let lookup = |_: &SecretName| value.map(str::to_owned);
        request("m", &channel(fields), &lookup, &of_kind(NotificationKind::Rollback), None, at()).unwrap_err()
    };
    let slack = || json!({ "slack": "secret:CHAT_URL" });
    assert_eq!(error(slack(), None), "the secret CHAT_URL is not set: `wrangler secret put CHAT_URL`");
    assert_eq!(error(slack(), Some(" \n")), "the secret CHAT_URL is not set: `wrangler secret put CHAT_URL`");
    assert_eq!(
        error(slack(), Some("https://a.example.com\nhttps://b.example.com")),
        "the secret CHAT_URL holds more than one line: set it again with its value alone"
    );
    assert_eq!(
        error(slack(), Some("hooks.slack.com/services/x")),
        "the secret CHAT_URL is no address to send to: it does not start with https://"
    );
    assert_eq!(
        error(slack(), Some("http://hooks.example.com/x")),
        "the secret CHAT_URL is no address to send to: it must start with https://, since what is sent carries a key"
    );
    assert_eq!(
        error(slack(), Some("https://user@hooks.example.com/x")),
        "the secret CHAT_URL is no address to send to: its host is malformed"
    );
    assert_eq!(
        error(json!({ "pagerduty": "secret:PAGE_KEY" }), Some("https://events.pagerduty.com/v2/enqueue")),
        "the secret PAGE_KEY holds an address, where PagerDuty's integration key belongs: 32 letters and digits, shown with the service's integration Events API v2"
    );
    assert_eq!(
        error(json!({ "webhook": "secret:URL", "signing_secret": "secret:URL" }), Some("https://x.example.com")),
        "the secret URL is no key of Standard Webhooks, `whsec_` and 24 to 64 bytes in base64: `echo \"whsec_$(openssl rand -base64 32)\"` makes one"
    );
    assert_eq!(
        error(json!({ "mail": "ops@example.com" }), None),
        "the mail has no sender: set `from` of the channel, or the variable MAIL_FROM of the Worker"
    );
    assert_eq!(
        error(json!({ "email": "the team" }), Some("a@example.com")),
        "`the team` is no mail address: `mail = \"ops@example.com\"`"
    );
}

#[test]
fn a_secret_may_end_with_a_line_break_and_may_be_on_this_machine() {
    let url = |value: &str| {
        let lookup = |_: &SecretName| Some(value.to_owned());
        let slack = channel(json!({ "slack": "secret:CHAT_URL" }));
        match request("m", &slack, &lookup, &of_kind(NotificationKind::Alert), None, at()).unwrap() {
            Request::Http { url, .. } => url,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(url("https://hooks.slack.com/services/x\r\n"), "https://hooks.slack.com/services/x");
    assert_eq!(url("http://127.0.0.1:8080/chat"), "http://127.0.0.1:8080/chat");
    assert_eq!(url("http://[::1]:8080/chat"), "http://[::1]:8080/chat");
}

#[test]
fn several_keys_sign_a_webhook_while_a_receiver_changes_from_one_to_the_next() {
    let keys = "whsec_bm90LWEtc2VjcmV0LWJ1dC1sb25nLWVub3VnaA== whsec_YW5vdGhlci1rZXktdGhhdC1pcy1sb25nLWVub3VnaA==";
    let lookup =
        |name: &SecretName| Some(if name.0.as_str() == "KEYS" { keys } else { "https://x.example.com" }.to_owned());
    let hook = channel(json!({ "webhook": "secret:URL", "signing_secret": "secret:KEYS" }));
    let Request::Http { headers, .. } =
        request("m", &hook, &lookup, &of_kind(NotificationKind::Stage), None, at()).unwrap()
    else {
        panic!("nothing was sent")
    };
    let (_, signature) = headers.iter().find(|(name, _)| name == "webhook-signature").unwrap();
    let signatures: Vec<&str> = signature.split(' ').collect();
    assert!(
        signatures.len() == 2 && signatures[0] != signatures[1] && signatures.iter().all(|one| one.starts_with("v1,"))
    );
}

/// What an answer means, in one line.
fn meaning(fields: Value, status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    match outcome(&channel(fields), status, &headers, body) {
        Outcome::Sent { reference: None } => "sent".into(),
        Outcome::Sent { reference: Some(reference) } => format!("sent {reference}"),
        Outcome::Retry { after_ms: None, error } => format!("retry: {error}"),
        Outcome::Retry { after_ms: Some(ms), error } => format!("retry in {ms} ms: {error}"),
        Outcome::Dead { error } => format!("dead: {error}"),
    }
}

#[test]
fn slacks_answers() {
    let slack =
        |status, headers: &[(&str, &str)], body: &str| meaning(json!({ "slack": "secret:U" }), status, headers, body);
    assert_eq!(slack(200, &[], "ok"), "sent");
    assert_eq!(slack(200, &[], "{\"ok\":true}"), "sent");
    assert_eq!(
        slack(200, &[], "{\"ok\":false,\"error\":\"ratelimited\"}"),
        "retry: Slack answered 200: {\"ok\":false,\"error\":\"ratelimited\"}"
    );
    assert_eq!(slack(200, &[], "<html>Sign in</html>"), "dead: Slack answered 200 instead of `ok`");
    assert_eq!(slack(400, &[], "invalid_blocks"), "dead: Slack answered 400: invalid_blocks");
    assert_eq!(
        slack(404, &[], "no_service"),
        "dead: Slack answered 404: no_service: the webhook was removed or turned off: make a new one and put its address into the secret"
    );
    assert_eq!(
        slack(410, &[], "channel_is_archived"),
        "dead: Slack answered 410: channel_is_archived: the webhook's room was archived: unarchive it, or make a webhook for another"
    );
    assert_eq!(
        slack(429, &[("retry-after", "30")], "rate_limited"),
        "retry in 30000 ms: Slack answered 429: rate_limited"
    );
    assert_eq!(slack(500, &[], "rollup_error"), "retry: Slack answered 500: rollup_error");
}

#[test]
fn teams_answers_even_where_they_fail_with_200() {
    let teams = |status, body: &str| meaning(json!({ "teams": "secret:U" }), status, &[], body);
    assert_eq!(teams(202, ""), "sent");
    assert_eq!(teams(200, "1"), "sent");
    let failed = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error";
    assert_eq!(
        teams(200, &format!("{failed} 429 with ContextId x")),
        format!("retry: Microsoft Teams answered 200: {failed} 429 with ContextId x")
    );
    assert_eq!(
        teams(200, &format!("{failed} 413 with ContextId x")),
        format!("dead: Microsoft Teams answered 200: {failed} 413 with ContextId x")
    );
    assert_eq!(
        teams(400, "{\"error\":{\"code\":\"WorkflowTriggerIsNotEnabled\",\"message\":\"…\"}}"),
        "dead: the workflow is turned off in Power Automate: turn it on, and send again"
    );
    assert!(teams(502, "").starts_with("retry"));
}

#[test]
fn the_pagers_answers() {
    let pager = |status, headers: &[(&str, &str)], body: &str| {
        meaning(json!({ "pagerduty": "secret:K" }), status, headers, body)
    };
    assert_eq!(pager(202, &[], "{\"status\":\"success\",\"message\":\"Event processed\",\"dedup_key\":\"k\"}"), "sent");
    assert_eq!(
        pager(
            400,
            &[],
            "{\"status\":\"invalid event\",\"message\":\"Event object is invalid\",\"errors\":[\"Length of 'routing_key' is incorrect (should be 32 characters)\"]}"
        ),
        "dead: PagerDuty answered 400: Length of 'routing_key' is incorrect (should be 32 characters)"
    );
    assert_eq!(pager(429, &[], ""), "retry in 120000 ms: PagerDuty answered 429");
    assert_eq!(pager(500, &[], ""), "retry: PagerDuty answered 500");
    let alerts = |status, headers: &[(&str, &str)], body: &str| {
        meaning(json!({ "opsgenie": "secret:K" }), status, headers, body)
    };
    assert_eq!(alerts(202, &[], "{\"result\":\"Request will be processed\",\"requestId\":\"x\"}"), "sent");
    assert_eq!(alerts(429, &[("x-ratelimit-period-in-sec", "60")], ""), "retry in 60000 ms: Opsgenie answered 429");
    assert_eq!(alerts(422, &[], "{\"message\":\"x\"}"), "dead: Opsgenie answered 422: {\"message\":\"x\"}");
}

#[test]
fn the_answers_of_those_who_keep_an_incident_bring_back_its_name() {
    let jira = |status, body: &str| {
        meaning(json!({ "jira": "secret:U", "token": "secret:T", "project": "OPS" }), status, &[], body)
    };
    assert_eq!(jira(201, "{\"id\":\"10000\",\"key\":\"OPS-24\",\"self\":\"https://…\"}"), "sent OPS-24");
    assert_eq!(jira(201, "{\"id\":\"10001\",\"self\":\"https://…/comment/10001\"}"), "sent");
    assert_eq!(
        jira(400, "{\"errorMessages\":[],\"errors\":{\"issuetype\":\"Specify a valid issue type\"}}"),
        "dead: Jira answered 400: issuetype: Specify a valid issue type"
    );
    assert_eq!(jira(401, ""), "dead: Jira answered 401: user and token do not fit together, or the token has expired");
    assert_eq!(jira(503, ""), "retry: Jira answered 503");
    let page = |status, body: &str| meaning(json!({ "statuspage": "secret:K", "page": "p" }), status, &[], body);
    assert_eq!(page(201, "{\"id\":\"inc1\",\"page_id\":\"p\"}"), "sent inc1");
    assert_eq!(page(200, "{\"id\":\"p\",\"name\":\"Shop\"}"), "sent");
    assert_eq!(
        page(420, "{\"error\":\"slow down\"}"),
        "retry in 60000 ms: Statuspage answered 420: {\"error\":\"slow down\"}"
    );
    let grafana =
        |status, body: &str| meaning(json!({ "grafana": "secret:U", "token": "secret:T" }), status, &[], body);
    assert_eq!(grafana(200, "{\"message\":\"Annotation added\",\"id\":7}"), "sent 7");
    assert_eq!(
        grafana(403, "{\"message\":\"no\"}"),
        "dead: Grafana answered 403: {\"message\":\"no\"}: the token may not write annotations"
    );
}

#[test]
fn sentrys_answers_even_where_it_could_not_read_the_change() {
    let sentry =
        |status, body: &str| meaning(json!({ "sentry": "secret:U", "signing_secret": "secret:S" }), status, &[], body);
    assert_eq!(sentry(200, ""), "sent");
    assert_eq!(
        sentry(200, "{\"data\":[{\"flag\":[\"This field is required.\"]}]}"),
        "dead: Sentry answered 200: {\"data\":[{\"flag\":[\"This field is required.\"]}]}: Sentry could not read the change"
    );
    assert_eq!(
        sentry(401, "\"Not authorized.\""),
        "dead: Sentry answered 401: the signing secret is not the one of its generic provider"
    );
}

#[test]
fn the_platforms_answers_to_mail() {
    let mail = |status, body: &str| meaning(json!({ "mail": "a@example.com" }), status, &[], body);
    assert_eq!(mail(200, ""), "sent");
    assert_eq!(
        mail(0, "E_SENDER_NOT_VERIFIED: sender is not verified"),
        "dead: the mail was refused: the sender's address is not one that this account may send from (E_SENDER_NOT_VERIFIED: sender is not verified)"
    );
    assert_eq!(
        mail(0, "E_RATE_LIMIT_EXCEEDED: slow"),
        "retry in 60000 ms: the mail was not taken: E_RATE_LIMIT_EXCEEDED: slow"
    );
    assert_eq!(
        mail(0, "E_DAILY_LIMIT_EXCEEDED: enough"),
        "retry in 3600000 ms: the mail was not taken: E_DAILY_LIMIT_EXCEEDED: enough"
    );
    assert_eq!(
        mail(0, "E_INTERNAL_SERVER_ERROR: oops"),
        "retry: the mail was not taken: E_INTERNAL_SERVER_ERROR: oops"
    );
}

#[test]
fn a_webhooks_answers_are_tried_again_but_for_an_address_that_is_gone() {
    let hook = |status, headers: &[(&str, &str)]| meaning(json!({ "webhook": "secret:U" }), status, headers, "");
    assert_eq!(hook(204, &[]), "sent");
    assert_eq!(hook(410, &[]), "dead: the receiver answered 410: nothing takes messages at that address");
    assert_eq!(hook(404, &[]), "dead: the receiver answered 404: nothing takes messages at that address");
    assert_eq!(
        hook(301, &[]),
        "dead: the receiver answered 301 with a redirect, which is not followed: put the new address into the secret"
    );
    assert_eq!(hook(302, &[]), "retry: the receiver answered 302");
    assert_eq!(hook(400, &[]), "retry: the receiver answered 400");
    let date = ("date", "Sun, 29 Nov 2026 03:12:05 GMT");
    assert_eq!(
        hook(503, &[date, ("retry-after", "Sun, 29 Nov 2026 03:14:05 GMT")]),
        "retry in 120000 ms: the receiver answered 503"
    );
    assert_eq!(hook(503, &[("retry-after", "Sun, 29 Nov 2026 03:14:05 GMT")]), "retry: the receiver answered 503");
    assert_eq!(hook(503, &[("retry-after", "soon")]), "retry: the receiver answered 503");
    assert_eq!(hook(503, &[("retry-after", "-5")]), "retry in 0 ms: the receiver answered 503");
    assert_eq!(hook(429, &[("retry-after", "9999999999")]), "retry in 86400000 ms: the receiver answered 429");
}

#[test]
fn urgency_alone_decides_whether_a_pager_rings() {
    let pager = channel(json!({ "pagerduty": "secret:PAGE_KEY" }));
    let of = |kind, urgency| reported(&sent(&pager, &Notification { urgency, ..of_kind(kind) }, None));
    assert!(of(NotificationKind::Rollback, Urgency::Info).contains("/v2/change/enqueue"));
    assert!(of(NotificationKind::Rollback, Urgency::Warning).ends_with("/v2/enqueue trigger"));
    assert_eq!(of(NotificationKind::Digest, Urgency::Critical), "nothing");
}
