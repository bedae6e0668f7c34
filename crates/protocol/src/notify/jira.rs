//! Jira: a ticket for each incident, opened once and commented as it goes on.
//!
//! Jira's cloud takes documents (the Atlassian Document Format), in which text is text. Jira Data Center
//! takes wiki markup, so everything there stands in a block that is not formatted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidegate_model::notification::{Notification, NotificationKind, Urgency};
use tidegate_model::plan::Channel;

use super::Request;
use super::answer::{Answer, Outcome};
use super::keys::Keys;
use super::markup::{Span, segment, spans};
use super::pagerduty::summary;
use super::text::{self, Tone, cut, line};

/// Jira refuses a longer summary.
const SUMMARY_CHARS: usize = 255;
/// Jira refuses a longer description or comment: 32,767 characters in all.
const TEXT_CHARS: usize = 20_000;
/// So long may each sentence of a document be.
const SENTENCE_CHARS: usize = 2_000;

/// A message.
///
/// # Errors
/// When the address or the token is not set.
pub fn request(
    keys: &Keys<'_>,
    channel: &Channel,
    n: &Notification,
    reference: Option<&str>,
) -> Result<Request, String> {
    let Channel::Jira { url, user, token, project, issue_type } = channel else { return Ok(Request::Nothing) };
    let base = keys.base(url)?;
    let token = keys.text(token)?;
    let authorization = match user {
        Some(user) => format!("Basic {}", STANDARD.encode(format!("{}:{token}", keys.text(user)?))),
        None => format!("Bearer {token}"),
    };
    let headers = [("authorization", authorization), ("accept", "application/json".to_owned())];
    let is_cloud = is_cloud(&base);
    let api = format!("{base}/rest/api/{}/issue", if is_cloud { 3 } else { 2 });
    let words = |headline: bool| if is_cloud { document(n, headline) } else { wiki(n, headline) };
    if let Some(issue) = reference {
        let url = format!("{api}/{}/comment", segment(issue));
        return Ok(Request::json("POST", url, &headers, &json!({ "body": words(true) })));
    }
    if !opens(n) {
        return Ok(Request::Nothing);
    }
    let body = json!({ "fields": {
        "project": { "key": project },
        "issuetype": { "name": issue_type },
        "summary": cut(&summary(n), SUMMARY_CHARS),
        "description": words(false),
        "labels": ["tidegate", n.rollout],
    }});
    Ok(Request::json("POST", api, &headers, &body))
}

/// Whether a notification is worth a ticket of its own.
fn opens(n: &Notification) -> bool {
    use NotificationKind as Kind;
    match n.kind {
        Kind::Resolved | Kind::Digest | Kind::Checkin | Kind::Report | Kind::Stage | Kind::Notice => false,
        Kind::Rollback | Kind::Kill | Kind::Test => true,
        Kind::Alert | Kind::Escalation | Kind::Waiting | Kind::Blocked | Kind::Fault => n.urgency != Urgency::Info,
    }
}

/// Whether an address is Atlassian's own.
fn is_cloud(base: &str) -> bool {
    let host = base.split_once("://").map_or("", |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
    host.ends_with(".atlassian.net") || host == "api.atlassian.com" || host.ends_with(".jira.com")
}

/// All of it as a document.
fn document(n: &Notification, headline: bool) -> Value {
    let mut content = Vec::new();
    if headline {
        let strong = json!([{ "type": "strong" }]);
        let words = format!("{} {}", Tone::of(n).sign(), line(&n.headline));
        content.push(paragraph(vec![json!({ "type": "text", "text": cut(&words, SENTENCE_CHARS), "marks": strong })]));
    }
    if let Some(action) = &n.action {
        content.push(labelled("What to do", action));
    }
    if let Some(words) = &n.text {
        let quoted: Vec<Value> =
            text::lines(words).lines().filter(|words| !words.trim().is_empty()).map(plain).collect();
        if !quoted.is_empty() {
            content.push(json!({ "type": "blockquote", "content": quoted }));
        }
    }
    content.push(paragraph(sentence(&line(&n.why))));
    let figures: Vec<Value> = text::figures(n)
        .map(|figure| json!({ "type": "listItem", "content": [paragraph(sentence(&figure))] }))
        .collect();
    if !figures.is_empty() {
        content.push(json!({ "type": "bulletList", "content": figures }));
    }
    content.extend(text::facts(n).into_iter().map(|(label, words)| labelled(label, &words)));
    if let Some(command) = &n.command {
        content.push(labelled("To stop or undo it", ""));
        let code = json!({ "type": "text", "text": cut(&line(command), SENTENCE_CHARS) });
        content.push(json!({ "type": "codeBlock", "attrs": { "language": "bash" }, "content": [code] }));
    }
    for (title, url) in text::links(n) {
        let marks = json!([{ "type": "link", "attrs": { "href": url } }]);
        content.push(paragraph(vec![json!({ "type": "text", "text": cut(&title, 200), "marks": marks })]));
    }
    content.push(plain(&format!("{} · {}", text::small_print(n), text::at(n.at))));
    content.retain(|block| block["content"].as_array().is_none_or(|parts| !parts.is_empty()));
    json!({ "type": "doc", "version": 1, "content": content })
}

fn paragraph(content: Vec<Value>) -> Value {
    json!({ "type": "paragraph", "content": content })
}

fn plain(words: &str) -> Value {
    paragraph(vec![json!({ "type": "text", "text": cut(words, SENTENCE_CHARS) })])
}

fn labelled(label: &str, words: &str) -> Value {
    let mut content = vec![json!({ "type": "text", "text": format!("{label}: "), "marks": [{ "type": "strong" }] })];
    content.extend(sentence(&line(words)));
    paragraph(content)
}

/// A sentence with its code as code. An empty text is none: Jira refuses one.
fn sentence(words: &str) -> Vec<Value> {
    let words = cut(words, SENTENCE_CHARS);
    let one = |span| match span {
        Span::Text(text) => json!({ "type": "text", "text": text }),
        Span::Code(code) => json!({ "type": "text", "text": code, "marks": [{ "type": "code" }] }),
    };
    spans(&words).into_iter().map(one).collect()
}

/// All of it as wiki markup.
fn wiki(n: &Notification, headline: bool) -> Value {
    let first = if headline { format!("{}\n\n", line(&n.headline)) } else { String::new() };
    let words = format!("{first}{}", text::plain(n)).replace("{noformat}", "{ noformat }");
    format!("{{noformat}}\n{}\n{{noformat}}", cut(words.trim_end(), TEXT_CHARS)).into()
}

/// What an answer means. The key of a new ticket is what later comments name.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    let json = answer.json();
    match answer.by_status("Jira", true) {
        Outcome::Sent { .. } => Outcome::Sent { reference: json.get("key").and_then(Value::as_str).map(str::to_owned) },
        Outcome::Dead { .. } if answer.status == 401 => Outcome::Dead {
            error: "Jira answered 401: user and token do not fit together, or the token has expired".into(),
        },
        Outcome::Dead { error } => match told(&json) {
            words if words.is_empty() => Outcome::Dead { error },
            words => Outcome::Dead { error: format!("Jira answered {}: {}", answer.status, cut(&words, 400)) },
        },
        outcome => outcome,
    }
}

/// What Jira says is wrong: with the whole, and with single fields.
fn told(json: &Value) -> String {
    let whole = json.get("errorMessages").and_then(Value::as_array).into_iter().flatten();
    let whole = whole.filter_map(Value::as_str).map(str::to_owned);
    let fields = json.get("errors").and_then(Value::as_object).into_iter().flatten();
    let fields = fields.filter_map(|(field, error)| Some(format!("{field}: {}", error.as_str()?)));
    line(&whole.chain(fields).collect::<Vec<_>>().join("; "))
}
