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
use super::markup::{Span, spans};
use super::pagerduty::summary;
use super::text::{self, cut, line};
use crate::address::encoded;

/// Jira refuses a longer summary.
const SUMMARY_CHARS: usize = 255;
/// Jira refuses a longer description or comment, a document's markup included: 32,767 characters.
const TEXT_CHARS: usize = 30_000;
/// How long each sentence of a document may be: the first at which the whole fits.
const SENTENCE_CHARS: [usize; 4] = [2_000, 800, 300, 100];

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
    let base = keys.base(url, "/rest")?;
    let token = keys.text(token)?;
    let authorization = match user {
        Some(user) => format!("Basic {}", STANDARD.encode(format!("{}:{token}", keys.text(user)?))),
        None => format!("Bearer {token}"),
    };
    let headers = [("authorization", authorization), ("accept", "application/json".to_owned())];
    let is_cloud = is_cloud(&base);
    let api = format!("{base}/rest/api/{}/issue", if is_cloud { 3 } else { 2 });
    let words = |headline: bool| if is_cloud { fitting(n, headline) } else { wiki(n, headline) };
    if let Some(issue) = reference {
        let url = format!("{api}/{}/comment", encoded(issue));
        return Ok(Request::json("POST", url, &headers, &json!({ "body": words(true) })));
    }
    if !opens(n) {
        return Ok(Request::Nothing);
    }
    let body = json!({ "fields": {
        "project": { "key": project },
        "issuetype": { "name": issue_type },
        "summary": text::title(&[&summary(n), &line(&n.headline), &line(n.what())], SUMMARY_CHARS),
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

/// All of it as a document that Jira takes.
fn fitting(n: &Notification, headline: bool) -> Value {
    let made = |chars_max| Document { chars_max }.of(n, headline);
    text::fitting(&SENTENCE_CHARS, made, |document| document.to_string().encode_utf16().count() <= TEXT_CHARS)
}

/// Makes a document, each sentence of it at most so long.
struct Document {
    chars_max: usize,
}

impl Document {
    fn of(&self, n: &Notification, headline: bool) -> Value {
        let mut content = Vec::new();
        if headline {
            content.push(paragraph(vec![self.marked(&text::signed_headline(n), &json!([{ "type": "strong" }]))]));
        }
        content.extend(text::to_do(n).map(|action| self.labelled("What to do", &action)));
        if let Some(words) = &n.text {
            let quoted: Vec<Value> = text::paragraphs(words).map(|words| self.plain(&words)).collect();
            content.push(json!({ "type": "blockquote", "content": quoted }));
        }
        content.push(paragraph(self.sentence(&n.why)));
        let item = |figure: String| json!({ "type": "listItem", "content": [paragraph(self.sentence(&figure))] });
        content.push(json!({ "type": "bulletList", "content": text::figures(n).map(item).collect::<Value>() }));
        content.extend(text::facts(n).into_iter().map(|(label, words)| self.labelled(label, &words)));
        let commands = text::commands(n);
        if !commands.is_empty() {
            content.push(self.labelled(text::command_label(n), ""));
            let code = json!({ "type": "text", "text": cut(&commands.join("\n"), self.chars_max) });
            content.push(json!({ "type": "codeBlock", "attrs": { "language": "bash" }, "content": [code] }));
        }
        for (title, url) in text::links(n) {
            content.push(paragraph(vec![self.marked(&title, &json!([{ "type": "link", "attrs": { "href": url } }]))]));
        }
        content.extend(text::small_print(n).map(|words| self.plain(&format!("{words} · {}", text::at(n.at)))));
        // Jira refuses what is empty.
        content.retain(|block| block["content"].as_array().is_some_and(|parts| !parts.is_empty()));
        json!({ "type": "doc", "version": 1, "content": content })
    }

    fn marked(&self, words: &str, marks: &Value) -> Value {
        let words = line(words);
        let words = if words.is_empty() { "–".to_owned() } else { cut(&words, self.chars_max) };
        match marks {
            Value::Null => json!({ "type": "text", "text": words }),
            marks => json!({ "type": "text", "text": words, "marks": marks }),
        }
    }

    fn plain(&self, words: &str) -> Value {
        paragraph(vec![self.marked(words, &Value::Null)])
    }

    fn labelled(&self, label: &str, words: &str) -> Value {
        let mut content =
            vec![json!({ "type": "text", "text": format!("{label}: "), "marks": [{ "type": "strong" }] })];
        content.extend(self.sentence(words));
        paragraph(content)
    }

    /// A sentence with its code as code.
    fn sentence(&self, words: &str) -> Vec<Value> {
        let words = cut(&line(words), self.chars_max);
        let one = |span| match span {
            Span::Text(text) => json!({ "type": "text", "text": text }),
            Span::Code(code) => json!({ "type": "text", "text": code, "marks": [{ "type": "code" }] }),
        };
        spans(&words).into_iter().map(one).collect()
    }
}

fn paragraph(content: Vec<Value>) -> Value {
    json!({ "type": "paragraph", "content": content })
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
        Outcome::Dead { error } => match described(&json) {
            words if words.is_empty() => Outcome::Dead { error },
            words => Outcome::Dead { error: format!("Jira answered {}: {}", answer.status, cut(&words, 400)) },
        },
        outcome => outcome,
    }
}

/// What Jira says is wrong: with the whole, and with single fields.
fn described(json: &Value) -> String {
    let whole = json.get("errorMessages").and_then(Value::as_array).into_iter().flatten();
    let whole = whole.filter_map(Value::as_str).map(str::to_owned);
    let fields = json.get("errors").and_then(Value::as_object).into_iter().flatten();
    let fields = fields.filter_map(|(field, error)| Some(format!("{field}: {}", error.as_str()?)));
    line(&whole.chain(fields).collect::<Vec<_>>().join("; "))
}
