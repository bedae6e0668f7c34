//! Microsoft Teams: the webhook of a workflow, with an Adaptive Card.
//!
//! Sentences are rich text, not text blocks: in a text block Markdown counts, and what people wrote would
//! too. The card is of version 1.4, which every client of Teams draws.

use serde_json::{Value, json};
use tidegate_model::notification::Notification;

use super::answer::{Answer, Outcome};
use super::markup::{Span, spans};
use super::text::{self, Tone, cut};
use super::{Request, put};

/// Teams takes 28 KB, but counts two bytes for each of ASCII where somebody between has re-encoded the body.
const BYTES_MAX: usize = 14_000;
/// How long each text may be: the first at which the whole fits.
const CHARS: [usize; 6] = [2_000, 1_000, 500, 250, 100, 40];
/// Teams draws so many buttons side by side.
const LINKS_MAX: usize = 6;
/// So long may the addresses of all buttons be together.
const URL_BYTES_MAX: usize = 3_000;

/// A message.
pub fn request(url: String, n: &Notification) -> Request {
    let body = text::fitting(&CHARS, |chars_max| message(n, chars_max), |body| body.to_string().len() <= BYTES_MAX);
    Request::json("POST", url, &[], &body)
}

fn message(n: &Notification, chars_max: usize) -> Value {
    let tone = Tone::of(n);
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": cut(&text::signed_headline(n), chars_max.min(300)),
                "msteams": { "width": "Full" },
                "body": body(n, tone, chars_max),
                "actions": links(n, chars_max),
            },
        }],
    })
}

fn body(n: &Notification, tone: Tone, chars_max: usize) -> Vec<Value> {
    let headline = text::signed_headline(n);
    let mut body = vec![json!({
        "type": "Container", "style": style(tone), "bleed": true,
        "items": [rich(&[run(&cut(&headline, chars_max.min(400)), json!({ "size": "Large", "weight": "Bolder" }))])],
    })];
    let mut add = |runs: Vec<Value>, spacing: &str| {
        let mut block = rich(&runs);
        put(&mut block, "spacing", spacing);
        body.push(block);
    };
    if let Some(action) = &text::to_do(n) {
        let mut runs = vec![run("What to do: ", json!({ "weight": "Bolder" }))];
        runs.extend(sentence(&cut(&text::line(action), chars_max)));
        add(runs, "Medium");
    }
    for words in n.text.iter().flat_map(|words| text::paragraphs(words)).take(10) {
        add(vec![run(&cut(&words, chars_max), json!({ "italic": true }))], "Small");
    }
    add(sentence(&cut(&text::line(&n.why), chars_max)), "Medium");
    for figure in text::figures(n).take(10) {
        add(sentence(&format!("• {}", cut(&figure, chars_max.min(300)))), "Small");
    }
    for (index, (label, words)) in text::facts(n).into_iter().enumerate() {
        let mut runs = vec![run(&format!("{label}: "), json!({ "weight": "Bolder" }))];
        runs.extend(sentence(&cut(&words, chars_max.min(500))));
        add(runs, if index == 0 { "Medium" } else { "Small" });
    }
    for (index, command) in text::commands(n).into_iter().enumerate() {
        let code = run(&cut(&command, chars_max.min(500)), json!({ "fontType": "Monospace" }));
        if index == 0 {
            let label = run(&format!("{}: ", text::command_label(n)), json!({ "weight": "Bolder" }));
            add(vec![label, code], "Medium");
        } else {
            add(vec![code], "Small");
        }
    }
    body.extend(text::small_print(n).map(|words| {
        json!({
            "type": "TextBlock", "isSubtle": true, "size": "Small", "wrap": true, "spacing": "Medium",
            "text": format!("{words} · {}", local_time(n)),
        })
    }));
    body.retain(|block| block["inlines"].as_array().is_none_or(|runs| !runs.is_empty()));
    body
}

const fn style(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "attention",
        Tone::Warning => "warning",
        Tone::Info => "accent",
        Tone::Resolved => "good",
        Tone::Test | Tone::Plain => "emphasis",
    }
}

fn rich(runs: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs })
}

fn run(text: &str, mut with: Value) -> Value {
    put(&mut with, "type", "TextRun");
    put(&mut with, "text", literal(text));
    with
}

/// A sentence with its code as code.
fn sentence(text: &str) -> Vec<Value> {
    let one = |span| match span {
        Span::Text(text) => run(text, json!({})),
        Span::Code(code) => run(code, json!({ "fontType": "Monospace" })),
    };
    spans(&text::sentence(text)).into_iter().map(one).collect()
}

/// A text in which no card's function (`{{DATE(…)}}`) stands and no mention (`<at>`).
fn literal(text: &str) -> String {
    text.replace("{{", "{\u{2060}{").replace("<at", "<\u{2060}at").replace("</at", "<\u{2060}/at")
}

/// When it happened, in the time zone of whoever reads it: a function of the card's language.
fn local_time(n: &Notification) -> String {
    let whole = n.at.as_epoch_ms().div_euclid(1_000) * 1_000;
    let at = tidegate_model::Instant::from_epoch_ms(whole);
    format!("{{{{DATE({at}, SHORT)}}}} {{{{TIME({at})}}}}")
}

fn links(n: &Notification, chars_max: usize) -> Vec<Value> {
    let button = |(title, url): (String, &str)| json!({ "type": "Action.OpenUrl", "title": cut(&literal(&title), chars_max.min(60)), "url": url });
    let mut room = URL_BYTES_MAX;
    let fits = |(_, url): &(String, &str)| {
        let left = room.checked_sub(url.len());
        room = left.unwrap_or(room);
        left.is_some()
    };
    text::links(n).filter(fits).take(LINKS_MAX).map(button).collect()
}

/// What an answer means. A workflow answers 202 before it posts; older connectors answer 200, and tell
/// in the body when they could not.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    let error = || answer.describe("Microsoft Teams");
    if answer.is_success() {
        let failed = answer.body.contains("delivery failed") || answer.body.contains("HTTP error");
        return match failed {
            false => Outcome::Sent { reference: None },
            true if ["error 429", "error 5", "error 412"].iter().any(|error| answer.body.contains(error)) => {
                answer.retry(error())
            }
            true => Outcome::Dead { error: error() },
        };
    }
    match answer.by_status("Microsoft Teams", true) {
        Outcome::Dead { .. } if answer.body.contains("WorkflowTriggerIsNotEnabled") => {
            Outcome::Dead { error: "the workflow is turned off in Power Automate: turn it on, and send again".into() }
        }
        Outcome::Dead { .. } if answer.body.contains("DirectApiAuthorizationRequired") => Outcome::Dead {
            error: "the workflow takes nobody without a sign-in: let anyone trigger it, and put its new address into the secret".into(),
        },
        outcome => outcome,
    }
}
