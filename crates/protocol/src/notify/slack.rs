//! Slack: an incoming webhook, with Block Kit.
//!
//! The headline stands alone at the top, as the notification on a phone shows it; the rest hangs on a bar in
//! the colour of its urgency. Links are links and no buttons: a click on a button calls back the app behind
//! the webhook, and Slack warns who clicks when nobody answers. The texts are `verbatim`, so that nothing in
//! them becomes a mention, and what could be one is broken up besides.

use serde_json::{Value, json};
use tidegate_model::notification::Notification;

use super::answer::{Answer, Outcome};
use super::markup::{Span, spans};
use super::text::{self, Tone, cut, cut_as};

/// Slack refuses a longer header.
const HEADER_CHARS: usize = 150;
/// Slack refuses a longer text of a section.
const SECTION_CHARS: usize = 3_000;
/// Slack refuses a longer text of a field.
const FIELD_CHARS: usize = 2_000;
/// What fits beside a section's own words.
const TEXT_CHARS: usize = 2_800;
/// So much of a description is small print.
const ROLLOUT_CHARS: usize = 300;
/// The text that phones show; Slack itself cuts what is much longer.
const FALLBACK_CHARS: usize = 600;

/// The body of a message.
pub fn message(n: &Notification) -> Value {
    let tone = Tone::of(n);
    let is_long = |headline: &str| headline.encode_utf16().count() > HEADER_CHARS;
    let mut headline = text::signed_headline(n);
    let mut to_do = text::to_do(n);
    if is_long(&headline) && n.action.is_some() && n.what() != n.headline {
        // A title of what happened, and below it what to do.
        to_do = n.action.as_deref().map(text::line);
        headline = text::signed(n, n.what());
    }
    let mut blocks = Vec::new();
    if is_long(&headline) {
        blocks.push(section(mrkdwn(&text::sentence(&n.headline), TEXT_CHARS)));
    }
    if let Some(action) = &to_do {
        blocks.push(section(format!("*What to do:* {}", mrkdwn(&text::sentence(action), TEXT_CHARS))));
    }
    if let Some(words) = &n.text {
        blocks.push(section(quoted(words)));
    }
    let why: Vec<String> = [text::sentence(&n.why)]
        .into_iter()
        .chain(text::figures(n).map(|figure| format!("• {}", text::sentence(&figure))))
        .collect();
    let why = why.join("\n");
    if !why.trim().is_empty() {
        blocks.push(section(mrkdwn(why.trim(), SECTION_CHARS)));
    }
    // The headline names the rollout, so its description is small print here.
    let (rollout, facts): (Vec<_>, Vec<_>) = text::facts(n).into_iter().partition(|(label, _)| *label == "Rollout");
    if !facts.is_empty() {
        blocks.push(json!({ "type": "section", "fields": facts.into_iter().map(field).collect::<Value>() }));
    }
    let commands = text::commands(n);
    if !commands.is_empty() {
        // Within a code block nothing is markup but its own end.
        let code = cut_as(&disarmed(&commands.join("\n")).replace('`', "'"), TEXT_CHARS, escape);
        blocks.push(section(format!("*{}*\n```{code}```", text::command_label(n))));
    }
    let links = links(n);
    if !links.is_empty() {
        blocks.push(section(links));
    }
    let rollout: String =
        rollout.iter().map(|(_, words)| format!(" · {}", mrkdwn(&text::sentence(words), ROLLOUT_CHARS))).collect();
    if let Some(words) = text::small_print(n) {
        let words = format!("{words}{rollout} · {}", local_time(n));
        blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "verbatim": true, "text": words }] }));
    }
    let fallback = to_do.map_or_else(|| headline.clone(), |action| format!("{headline} – {action}"));
    json!({
        "text": cut_as(&disarmed(&fallback), FALLBACK_CHARS, escape),
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [{ "type": "header", "text": { "type": "plain_text", "emoji": false, "text": cut(&disarmed(&headline), HEADER_CHARS) } }],
        "attachments": [{ "color": tone.color(), "blocks": blocks }],
    })
}

fn section(mrkdwn: String) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "verbatim": true, "text": mrkdwn } })
}

fn field((label, words): (&str, String)) -> Value {
    let words = mrkdwn(&text::sentence(&words), FIELD_CHARS - 40);
    json!({ "type": "mrkdwn", "verbatim": true, "text": format!("*{label}*\n{words}") })
}

/// The links, the console's first.
fn links(n: &Notification) -> String {
    let mut links = String::new();
    for (title, url) in text::links(n) {
        let link =
            format!("<{}|{}>", url.replace('&', "&amp;"), cut_as(&disarmed(&title).replace('|', "/"), 100, escape));
        let separator = if links.is_empty() { "" } else { "  ·  " };
        // Whole links or none: half of one would be none.
        if links.encode_utf16().count() + separator.len() + link.encode_utf16().count() <= SECTION_CHARS {
            links.push_str(separator);
            links.push_str(&link);
        }
    }
    links
}

/// When it happened, in the time zone of whoever reads it.
fn local_time(n: &Notification) -> String {
    let seconds = n.at.as_epoch_ms().div_euclid(1_000);
    format!("<!date^{seconds}^{{date_short_pretty}} {{time_secs}}|{}>", text::at(n.at))
}

/// The plan's own words, each line as a quote.
fn quoted(words: &str) -> String {
    let paragraphs: Vec<String> = text::paragraphs(words).collect();
    let quoted = mrkdwn(&paragraphs.join("\n"), TEXT_CHARS);
    quoted.lines().map(|line| format!(">{line}")).collect::<Vec<_>>().join("\n")
}

/// A text in Slack's markup, with code as code and everything else as it stands there.
fn mrkdwn(text: &str, chars_max: usize) -> String {
    let text = disarmed(text);
    let mut out = String::new();
    for span in spans(&text) {
        match span {
            Span::Text(text) => out.push_str(&flat(text)),
            Span::Code(code) => {
                out.push('`');
                out.push_str(code);
                out.push('`');
            }
        }
    }
    cut_as(&out, chars_max, escape)
}

/// Words with look-alikes for the signs that would make them bold, italic or struck through. Within a word
/// (`error_rate`) they do nothing.
fn flat(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let inner = |index: usize| {
        let is_word = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
        is_word(index.checked_sub(1)) && is_word(index.checked_add(1))
    };
    let one = |(index, c): (usize, &char)| match c {
        '*' => '∗',
        '~' => '∼',
        '_' if !inner(index) => 'ˍ',
        '`' => 'ʼ',
        _ => *c,
    };
    chars.iter().enumerate().map(one).collect()
}

/// A text in which nothing can be read as a mention, whatever Slack's clients make of an @.
fn disarmed(text: &str) -> String {
    let mut out = text.to_owned();
    for word in ["channel", "here", "everyone", "group"] {
        out = out.replace(&format!("@{word}"), &format!("@\u{2060}{word}"));
    }
    out
}

fn escape(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => out.push(c),
    }
}

/// What Slack's answers mean that say more than their status.
const MEANINGS: [(&str, &str); 9] = [
    ("no_service", "the webhook was removed or turned off: make a new one and put its address into the secret"),
    ("no_service_id", "the address is not whole: copy it again into the secret"),
    ("no_team", "the workspace is gone: the address is of another time"),
    ("team_disabled", "the workspace is turned off"),
    ("invalid_token", "the address is not whole, or was revoked: copy it again into the secret"),
    ("channel_not_found", "the webhook's room is gone: make a webhook for another"),
    ("channel_is_archived", "the webhook's room was archived: unarchive it, or make a webhook for another"),
    ("action_prohibited", "an administrator of the workspace forbids it"),
    ("posting_to_general_channel_denied", "an administrator forbids apps to write into that room"),
];

/// What an answer means. Errors are words in the body, mostly with a status to them.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    let body = answer.body.trim();
    let json = answer.json();
    if answer.is_success() {
        let is_ok = |field: &str| json.get(field).and_then(Value::as_bool);
        let is_sent = body.is_empty() || body == "ok" || is_ok("ok").or(is_ok("success")) == Some(true);
        if is_sent {
            return Outcome::Sent { reference: None };
        }
        let word = json.get("error").and_then(Value::as_str).unwrap_or(body);
        if matches!(word, "ratelimited" | "rate_limited" | "message_limit_exceeded") {
            return answer.retry(answer.describe("Slack"));
        }
        return Outcome::Dead { error: format!("{} instead of `ok`", answer.describe("Slack")) };
    }
    let known = MEANINGS.into_iter().find(|(word, _)| *word == body);
    match (known, answer.by_status("Slack", true)) {
        (Some((word, meaning)), Outcome::Dead { .. }) => {
            Outcome::Dead { error: format!("Slack answered {}: {word}: {meaning}", answer.status) }
        }
        (_, outcome) => outcome,
    }
}
