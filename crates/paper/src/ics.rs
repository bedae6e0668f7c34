//! Dates as a calendar (RFC 5545), for whoever has to be there: one event for each, which stays the same event when
//! its date moves.
//!
//! 1. Lines end with CRLF and have at most 75 octets; a longer one goes on in the next, behind a space, and never
//!    within a character.
//! 2. Texts are escaped: `\`, `;`, `,` and line breaks. What cannot stand in a line at all is left out.
//! 3. Times are UTC, so that no zone has to be described.
//! 4. Nothing that Tidegate does by itself blocks anybody's time; what somebody has to do is due, and does.

use tidegate_decide::timeline::{Event, Kind};
use tidegate_model::Instant;

/// The most octets of a line, without its break.
const OCTETS_MAX: usize = 75;
/// How often a calendar may ask again.
const REFRESH: &str = "PT1H";
/// How long an event of one moment is shown, in milliseconds: a quarter of an hour.
const MOMENT_MS: i64 = 15 * 60_000;

/// The media type.
pub const CONTENT_TYPE: &str = "text/calendar; charset=utf-8";

/// Prints the events of rollouts, each under its key. `host` makes their ids unique in the world.
pub fn print<'a>(name: &str, host: &str, events: impl Iterator<Item = (&'a str, &'a Event)>, now: Instant) -> String {
    let mut out = Lines::default();
    out.line("BEGIN:VCALENDAR");
    out.line("VERSION:2.0");
    out.line("PRODID:-//Tidegate//Timeline 1//EN");
    out.line("CALSCALE:GREGORIAN");
    out.line("METHOD:PUBLISH");
    out.text("X-WR-CALNAME", name);
    out.line(&format!("REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}"));
    out.line(&format!("X-PUBLISHED-TTL:{REFRESH}"));
    for (key, event) in events {
        let until = event.until.filter(|until| *until > event.at).unwrap_or_else(|| event.at.plus_ms(MOMENT_MS));
        out.line("BEGIN:VEVENT");
        out.text("UID", &format!("{key}-{}@{host}", event.id));
        out.line(&format!("DTSTAMP:{}", utc(now)));
        out.line(&format!("DTSTART:{}", utc(event.at)));
        out.line(&format!("DTEND:{}", utc(until)));
        let who = event.who.as_deref().map(|who| format!(" – {who}")).unwrap_or_default();
        let title = if event.title.contains(key) { event.title.clone() } else { format!("{key}: {}", event.title) };
        out.text("SUMMARY", &title);
        let detail = event.detail.clone().unwrap_or_default();
        out.text("DESCRIPTION", format!("{detail}{who}").trim_start_matches(" – "));
        out.text("CATEGORIES", event.kind.as_str());
        out.line(if event.is_past { "STATUS:CONFIRMED" } else { "STATUS:TENTATIVE" });
        let is_work = event.kind == Kind::Approval;
        out.line(if is_work { "TRANSP:OPAQUE" } else { "TRANSP:TRANSPARENT" });
        out.line("END:VEVENT");
    }
    out.line("END:VCALENDAR");
    out.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// A property whose value is a text.
    fn text(&mut self, name: &str, value: &str) {
        self.line(&format!("{name}:{}", escaped(value)));
    }

    /// A line of content, folded.
    fn line(&mut self, line: &str) {
        let mut octets = 0;
        for letter in line.chars() {
            let length = letter.len_utf8();
            if octets + length > OCTETS_MAX {
                self.0.push_str("\r\n ");
                octets = 1;
            }
            self.0.push(letter);
            octets += length;
        }
        self.0.push_str("\r\n");
    }
}

/// A moment: `20261202T080000Z`.
fn utc(at: Instant) -> String {
    let text = at.minus_ms(at.as_epoch_ms().rem_euclid(1_000)).to_string();
    text.chars().filter(|letter| !matches!(letter, '-' | ':')).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(letter);
            }
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => out.push_str("\\n"),
            '\t' => out.push(letter),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(title: &str) -> Event {
        Event {
            id: "stage-canary".into(),
            at: "2026-12-02T08:00:00.5Z".parse().unwrap(),
            until: None,
            kind: Kind::Stage,
            title: title.into(),
            detail: Some("two, lines;\nand a \\".into()),
            who: Some("ana".into()),
            is_past: false,
        }
    }

    fn printed(title: &str) -> String {
        let event = event(title);
        print("demo", "shop.example", std::iter::once(("demo", &event)), "2026-11-29T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn an_event_has_all_that_a_calendar_asks_for() {
        let text = printed("canary: 10 %");
        for line in [
            "UID:demo-stage-canary@shop.example",
            "DTSTAMP:20261129T000000Z",
            "DTSTART:20261202T080000Z",
            "DTEND:20261202T081500Z",
            "SUMMARY:demo: canary: 10 %",
            "DESCRIPTION:two\\, lines\\;\\nand a \\\\ – ana",
            "TRANSP:TRANSPARENT",
        ] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}\n{text}");
        }
        assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n") && text.ends_with("END:VCALENDAR\r\n"));
    }

    #[test]
    fn no_line_is_too_long_and_no_character_is_cut() {
        let title = "ä😀ж".repeat(60);
        let text = printed(&title);
        assert!(text.split("\r\n").all(|line| line.len() <= OCTETS_MAX), "{text}");
        assert!(text.replace("\r\n ", "").contains(&format!("SUMMARY:demo: {title}")));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn a_text_adds_no_property() {
        let text = printed("a\r\nEND:VEVENT\r\nBEGIN:VALARM\u{2028}x\u{7}");
        assert_eq!(text.matches("\r\nEND:VEVENT\r\n").count(), 1);
        assert!(text.contains("SUMMARY:demo: a\\nEND:VEVENT\\nBEGIN:VALARM\\nx"));
    }
}
