//! Mail, by the platform's `send_email` binding.
//!
//! The HTML is one table with its styles beside each element, since mail programs drop style sheets, and in
//! colours that are readable before light and dark alike: a program that turns a mail dark turns these too.

use std::fmt::Write as _;

use tidegate_model::Name;
use tidegate_model::history::sha256_hex;
use tidegate_model::notification::Notification;
use tidegate_model::plan::channel::MailAddress;
use tidegate_model::plan::words::SecretName;

use super::Request;
use super::answer::{Answer, Outcome};
use super::keys::Keys;
use super::markup::{Span, escaped, spans};
use super::text::{self, Tone, cut, line};

/// Mail programs show about so much of a subject at the most.
const SUBJECT_CHARS: usize = 120;
/// So long may each text be.
const TEXT_CHARS: usize = 8_000;

/// A message.
///
/// # Errors
/// When there is no sender, or an address is none.
pub fn request(
    keys: &Keys<'_>,
    to: &[MailAddress],
    from: Option<&MailAddress>,
    binding: &Name,
    id: &str,
    n: &Notification,
) -> Result<Request, String> {
    if let Some(malformed) = to.iter().find(|address| !address.is_valid()) {
        return Err(format!("`{malformed}` is no mail address: `mail = \"ops@example.com\"`"));
    }
    let from = match from {
        Some(from) => from.to_string(),
        None => sender(keys)?,
    };
    let headline = line(&n.headline);
    let mut headers = vec![
        // So that no holiday reply comes back.
        ("auto-submitted".to_owned(), "auto-generated".to_owned()),
        ("x-tidegate-message".to_owned(), id.to_owned()),
    ];
    // Mail programs lay what refers to the same message together.
    headers.extend(n.incident.as_ref().map(|incident| ("references".to_owned(), thread(incident, &from))));
    Ok(Request::Mail {
        binding: binding.to_string(),
        to: to.iter().map(ToString::to_string).collect(),
        subject: subject(n),
        text: format!("{headline}\n\n{}", text::plain(n)),
        html: html(n),
        headers,
        from,
    })
}

/// How bad it is, what happened, and where there is room what to do. Phones show its beginning alone.
fn subject(n: &Notification) -> String {
    let marked = |text: &str| match Tone::of(n) {
        Tone::Plain => line(text),
        tone => format!("[{}] {}", tone.word(), line(text)),
    };
    text::title(&[&marked(&n.headline), &marked(n.what())], SUBJECT_CHARS)
}

fn sender(keys: &Keys<'_>) -> Result<String, String> {
    let missing = "the mail has no sender: set `from` of the channel, or the variable MAIL_FROM of the Worker";
    let name = "MAIL_FROM".parse().map(SecretName).map_err(|_| missing.to_owned())?;
    let from = keys.text(&name).map_err(|_| missing.to_owned())?;
    let address: MailAddress = from.parse().map_err(|_| format!("MAIL_FROM, `{from}`, is no mail address"))?;
    Ok(address.to_string())
}

/// The id of a message that is never sent, to which all mails of an incident refer.
fn thread(incident: &str, from: &str) -> String {
    let hash = sha256_hex(incident.as_bytes());
    format!("<{:.24}@{}>", hash, from.rsplit_once('@').map_or("localhost", |(_, host)| host))
}

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const MONO: &str = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace";
const INK: &str = "#1b1f24";
const SOFT: &str = "#57606a";
const GROUND: &str = "#ffffff";
const FIELD: &str = "#f3f4f6";

/// The rows of the one table, each with the space above it.
#[derive(Default)]
struct Rows(String);

impl Rows {
    fn add(&mut self, html: &str, space: u32) {
        self.styled(html, space, "");
    }

    fn styled(&mut self, html: &str, space: u32, style: &str) {
        if !html.is_empty() {
            let _ = write!(
                self.0,
                "<tr><td style=\"padding:{space}px 24px 0;{FONT};font-size:15px;line-height:22px;color:{INK};{style}\">{html}</td></tr>"
            );
        }
    }
}

fn html(n: &Notification) -> String {
    let tone = Tone::of(n);
    let headline = escaped(&cut(&text::sentence(&n.headline), TEXT_CHARS));
    let mut rows = Rows::default();
    let label = "font-size:13px;line-height:18px;font-weight:700;letter-spacing:.04em;text-transform:uppercase";
    rows.styled(tone.word(), 16, &format!("{label};color:{}", tone.color()));
    let title = "margin:0;font-size:20px;line-height:27px;font-weight:600";
    rows.add(&format!("<h1 style=\"{title};color:{INK}\">{headline}</h1>"), 20);
    let action = text::to_do(n).map(|action| format!("<b>What to do:</b> {}", sentence(&action)));
    rows.add(&action.unwrap_or_default(), 12);
    rows.add(&n.text.as_ref().map(|words| own_words(words, tone)).unwrap_or_default(), 12);
    rows.add(&sentence(&n.why), 12);
    let figure = |figure: String| format!("<li style=\"margin:0 0 4px\">{}</li>", sentence(&figure));
    let figures: String = text::figures(n).map(figure).collect();
    if !figures.is_empty() {
        rows.add(&format!("<ul style=\"margin:0;padding:0 0 0 20px\">{figures}</ul>"), 8);
    }
    let facts: String = text::facts(n).iter().map(fact_row).collect();
    if !facts.is_empty() {
        let table = "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\">";
        rows.add(&format!("{table}{facts}</table>"), 14);
    }
    let commands = text::commands(n);
    if !commands.is_empty() {
        rows.add(&code(text::command_label(n), &commands), 14);
    }
    let links: Vec<String> = text::links(n).map(|(title, url)| link(&title, url)).collect();
    rows.add(&links.join(" &nbsp;·&nbsp; "), 16);
    let small = text::small_print(n).map(|words| escaped(&format!("{words} · {}", text::at(n.at))));
    rows.styled(&small.unwrap_or_default(), 16, &format!("font-size:13px;line-height:18px;color:{SOFT}"));
    rows.styled("&nbsp;", 0, "font-size:4px;line-height:20px");
    page(&headline, tone, &rows.0)
}

fn page(headline: &str, tone: Tone, rows: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"supported-color-schemes\" content=\"light dark\">\
         <title>{headline}</title></head><body style=\"margin:0;padding:0;background:{FIELD}\">\
         <table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"background:{FIELD}\"><tr><td align=\"center\" style=\"padding:16px 8px\">\
         <table role=\"presentation\" width=\"600\" cellpadding=\"0\" cellspacing=\"0\" style=\"width:100%;max-width:600px;background:{GROUND};border-radius:8px;border-top:6px solid {color}\">\
         {rows}</table></td></tr></table></body></html>",
        color = tone.color(),
    )
}

/// The plan's own words, marked as such unless they are all that there is.
fn own_words(words: &str, tone: Tone) -> String {
    let words = escaped(&cut(&text::lines(words), TEXT_CHARS)).replace('\n', "<br>");
    if tone == Tone::Plain {
        return words;
    }
    format!("<div style=\"border-left:3px solid #d0d7de;padding:2px 0 2px 12px\">{words}</div>")
}

fn code(label: &str, commands: &[String]) -> String {
    let commands: Vec<String> = commands.iter().map(|command| escaped(&cut(command, TEXT_CHARS))).collect();
    let command = commands.join("<br>");
    let style = "margin:6px 0 0;padding:10px 12px;border-radius:6px;font-size:14px;word-break:break-word";
    format!("<b>{label}</b><div style=\"{style};background:{FIELD};{MONO};color:{INK}\">{command}</div>")
}

fn fact_row((label, words): &(&str, String)) -> String {
    format!(
        "<tr><td valign=\"top\" style=\"padding:0 12px 4px 0;{FONT};font-size:14px;line-height:20px;color:{SOFT};white-space:nowrap\">{label}</td>\
         <td style=\"padding:0 0 4px;{FONT};font-size:14px;line-height:20px;color:{INK}\">{}</td></tr>",
        sentence(words)
    )
}

fn link(title: &str, url: &str) -> String {
    format!("<a href=\"{}\" style=\"color:#0b57d0;font-weight:600\">{}</a>", escaped(url), escaped(&cut(title, 200)))
}

/// A sentence with its code as code.
fn sentence(words: &str) -> String {
    let words = cut(&text::sentence(words), TEXT_CHARS);
    let one = |span| match span {
        Span::Text(text) => escaped(text),
        Span::Code(code) => format!(
            "<code style=\"padding:1px 4px;background:{FIELD};border-radius:4px;{MONO};font-size:90%;color:{INK}\">{}</code>",
            escaped(code)
        ),
    };
    spans(&words).into_iter().map(one).collect()
}

/// What the platform's errors mean that no other try changes.
const FINAL: [(&str, &str); 13] = [
    ("E_NO_BINDING", "the Worker has no such `send_email` binding: add it to wrangler.toml"),
    ("E_SENDER_NOT_VERIFIED", "the sender's address is not one that this account may send from"),
    ("E_SENDER_DOMAIN_NOT_AVAILABLE", "the sender's domain is not set up for sending"),
    ("E_RECIPIENT_NOT_ALLOWED", "the binding does not allow this recipient, or the address is not verified"),
    ("RCPT_NOT_ALLOWED", "the binding does not allow this recipient, or the address is not verified"),
    ("E_RECIPIENT_SUPPRESSED", "mail to this recipient came back before, so the platform sends none"),
    ("E_VALIDATION_ERROR", "the platform takes the mail for malformed"),
    ("E_FIELD_MISSING", "the platform takes the mail for malformed"),
    ("E_TOO_MANY_RECIPIENTS", "the mail has too many recipients"),
    ("E_CONTENT_TOO_LARGE", "the mail is too large"),
    ("E_HEADER_NOT_ALLOWED", "the platform does not take one of the headers"),
    ("E_HEADER_VALUE_INVALID", "the platform does not take one of the headers"),
    ("not allowed", "the binding does not allow this sender or recipient"),
];
/// How long to wait where the platform says that today's mails are used up.
const AFTER_DAILY_MS: u64 = 3_600_000;
/// How long to wait where it says that they come too fast.
const AFTER_RATE_MS: u64 = 60_000;

/// What the platform's answer means.
pub fn outcome(answer: &Answer<'_>) -> Outcome {
    if answer.is_success() {
        return Outcome::Sent { reference: None };
    }
    let said = cut(&line(answer.body), 300);
    if let Some((_, meaning)) = FINAL.into_iter().find(|(code, _)| said.contains(code)) {
        return Outcome::Dead { error: format!("the mail was refused: {meaning} ({said})") };
    }
    let after_ms = match &said {
        said if said.contains("E_DAILY_LIMIT_EXCEEDED") => Some(AFTER_DAILY_MS),
        said if said.contains("E_RATE_LIMIT") => Some(AFTER_RATE_MS),
        _ => None,
    };
    Outcome::Retry { after_ms, error: format!("the mail was not taken: {said}") }
}
