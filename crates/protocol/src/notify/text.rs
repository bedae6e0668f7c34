//! A notification in words, for every channel alike.

use std::borrow::Cow;
use std::fmt::Write as _;

use tidegate_model::Instant;
use tidegate_model::notification::{Link, Notification, NotificationKind, Urgency};

/// Nobody reads more figures in a message; the console has them all.
const FIGURES_MAX: usize = 20;
/// So long may each be.
const FIGURE_CHARS: usize = 500;

/// Nobody reads more paragraphs of a plan's words in a message.
const PARAGRAPHS_MAX: usize = 20;
/// Nobody copies more commands.
const COMMANDS_MAX: usize = 8;
/// Nobody follows more links.
const LINKS_MAX: usize = 10;

/// A longer first line is no title.
const TITLE_CHARS: usize = 120;

/// How loud a message is, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Somebody has to act now.
    Critical,
    /// Needs attention.
    Warning,
    /// Nothing is wrong.
    Info,
    /// What was wrong is over.
    Resolved,
    /// A sample.
    Test,
    /// A message to people outside of the team: the plan's words, and nothing of Tidegate's.
    Plain,
}

impl Tone {
    /// The tone of a notification.
    pub fn of(n: &Notification) -> Self {
        if is_for_outsiders(n) {
            return Self::Plain;
        }
        match (n.kind, n.urgency) {
            (NotificationKind::Resolved, _) => Self::Resolved,
            (NotificationKind::Test, _) => Self::Test,
            (_, Urgency::Critical) => Self::Critical,
            (_, Urgency::Warning) => Self::Warning,
            (_, Urgency::Info) => Self::Info,
        }
    }

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::Warning => "Warning",
            Self::Info => "Info",
            Self::Resolved => "Resolved",
            Self::Test => "Test",
            Self::Plain => "",
        }
    }

    /// Its sign: each has a shape of its own, for those who do not see the colour.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Critical => "🚨",
            Self::Warning => "⚠️",
            Self::Info => "ℹ️",
            Self::Resolved => "✅",
            Self::Test => "🧪",
            Self::Plain => "",
        }
    }

    /// Its colour, as red, green and blue in hex.
    pub const fn color(self) -> &'static str {
        match self {
            Self::Critical => "#c8102e",
            Self::Warning => "#d97706",
            Self::Info => "#2563eb",
            Self::Resolved => "#15803d",
            Self::Test | Self::Plain => "#6b7280",
        }
    }
}

/// Whether a message goes to clients or users, who get the plan's words alone.
fn is_for_outsiders(n: &Notification) -> bool {
    matches!(n.audience.as_deref(), Some("client" | "users"))
}

/// What goes out of a message: to people outside of the team the plan's words, whose first line is the headline.
pub fn for_audience(n: &Notification) -> Cow<'_, Notification> {
    if !is_for_outsiders(n) {
        return Cow::Borrowed(n);
    }
    let words = n.text.clone().unwrap_or_default();
    let (first, rest) = words.trim().split_once('\n').unwrap_or((words.trim(), ""));
    let (headline, text) = if line(first).encode_utf16().count() <= TITLE_CHARS && !first.trim().is_empty() {
        (first, rest)
    } else {
        (n.description.as_deref().unwrap_or(n.rollout.as_str()), words.as_str())
    };
    Cow::Owned(Notification {
        headline: line(headline),
        text: Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        description: None,
        revision: None,
        action: None,
        why: String::new(),
        figures: Vec::new(),
        owner: None,
        next: None,
        links: Vec::new(),
        command: None,
        entry: None,
        ..n.clone()
    })
}

/// The headline with the sign of its tone.
pub fn signed_headline(n: &Notification) -> String {
    signed(n, &n.headline)
}

/// A line of a message with the sign of its tone.
pub fn signed(n: &Notification, line: &str) -> String {
    format!("{} {}", Tone::of(n).sign(), sentence(line)).trim_start().to_owned()
}

/// A text of at most `chars_max` characters, `…` included where it was longer. Characters are counted as
/// UTF-16 does, which is what vendors count, and never cut in two.
pub fn cut(text: &str, chars_max: usize) -> String {
    cut_as(text, chars_max, |c, out| out.push(c))
}

/// The same of a text whose characters `write` writes in another form, counted in that form.
pub fn cut_as(text: &str, chars_max: usize, write: impl Fn(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    let (mut used, mut fits) = (0, 0);
    let mut piece = String::new();
    for c in text.chars() {
        piece.clear();
        write(c, &mut piece);
        used += piece.chars().map(char::len_utf16).sum::<usize>();
        if used > chars_max {
            out.truncate(fits);
            out.push('…');
            return out;
        }
        out.push_str(&piece);
        // Up to here there is room for the sign of the cut.
        if used < chars_max {
            fits = out.len();
        }
    }
    out
}

/// A title of at most `chars_max` characters: the first of these texts, the fullest of which comes first, that is short
/// enough; else the last of them up to the end of a clause, or of a word.
pub fn title(texts: &[&str], chars_max: usize) -> String {
    let length = |text: &str| text.encode_utf16().count();
    if let Some(whole) = texts.iter().find(|text| length(text) <= chars_max) {
        return (*whole).to_owned();
    }
    let text = cut(texts.last().copied().unwrap_or_default(), chars_max);
    let begun = text.trim_end_matches('…');
    let ends = |marks: &[&str]| marks.iter().filter_map(|mark| begun.rfind(mark)).max();
    // A clause that leaves little of it says too little.
    let clause = ends(&[". ", ": ", "; ", ", "]).filter(|end| *end >= begun.len() / 2);
    match clause.or_else(|| ends(&[" "])) {
        Some(end) => format!("{}…", begun.get(..end).unwrap_or(begun).trim_end_matches([' ', ',', ':', ';', '.'])),
        None => text,
    }
}

/// A text on one line, without characters that control anything.
pub fn line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if is_odd(c) { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A sentence on one line, in which no number is parted from its percent sign. Not for what is copied.
pub fn sentence(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = line(text);
    let mut chars = text.chars().peekable();
    let mut is_after_digit = false;
    while let Some(c) = chars.next() {
        out.push(if c == ' ' && is_after_digit && chars.peek() == Some(&'%') { '\u{a0}' } else { c });
        is_after_digit = c.is_ascii_digit();
    }
    out
}

/// A text as it was written, without characters that control anything but line breaks.
pub fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars().map(|c| if is_odd(c) && c != '\n' { ' ' } else { c }).collect()
}

/// The paragraphs of a longer text, so many that they are read.
pub fn paragraphs(text: &str) -> impl Iterator<Item = String> {
    let lines: Vec<String> = text.lines().map(line).filter(|words| !words.is_empty()).take(PARAGRAPHS_MAX).collect();
    lines.into_iter()
}

/// What `make` makes of the first size at which it `fits`; of the last size whatever comes of it.
pub fn fitting<T>(sizes: &[usize], make: impl Fn(usize) -> T, fits: impl Fn(&T) -> bool) -> T {
    let (last, larger) = sizes.split_last().map_or((0, &[][..]), |(last, larger)| (*last, larger));
    larger.iter().map(|size| make(*size)).find(fits).unwrap_or_else(|| make(last))
}

/// Whether a character controls how others are shown: control characters, and those that turn the direction
/// of writing, by which a text can be made to read as something else.
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Its links that are links: http or https, without anything that could end one early. A plan names them by
/// keys, such as `runbook`.
pub fn links(n: &Notification) -> impl Iterator<Item = (String, &str)> {
    n.links
        .iter()
        .filter(|link| is_link(&link.url))
        .take(LINKS_MAX)
        .map(|Link { title, url }| (capital(&line(title)), url.as_str()))
}

fn capital(title: &str) -> String {
    let mut chars = title.chars();
    chars.next().map_or_else(|| "Link".into(), |first| first.to_uppercase().chain(chars).collect())
}

fn is_link(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"'`\\|{}^".contains(&byte);
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_plain)) && url.len() <= 2_000
}

/// The figures that the sentence does not have already, so many that they are read.
pub fn figures(n: &Notification) -> impl Iterator<Item = String> {
    let is_new = |figure: &&String| !figure.trim().is_empty() && !n.why.contains(figure.as_str());
    let more = n.figures.iter().filter(is_new).count().saturating_sub(FIGURES_MAX);
    let shown = n.figures.iter().filter(is_new).take(FIGURES_MAX).map(|figure| cut(&line(figure), FIGURE_CHARS));
    shown.chain((more > 0).then(|| format!("and {more} more, in the console and in `tidegate history {}`", n.rollout)))
}

/// What stands below the sentences, each with its label.
pub fn facts(n: &Notification) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if is_for_outsiders(n) {
        return facts;
    }
    let mut add = |label, text: Option<&String>| facts.extend(text.map(|text| (label, line(text))));
    add("Next", n.next.as_ref());
    add("Stage owner", n.owner.as_ref());
    let rollout = match &n.description {
        Some(description) => format!("{} ({description})", n.rollout),
        None => n.rollout.to_string(),
    };
    add("Rollout", Some(&rollout));
    add("For", n.audience.as_ref());
    facts
}

/// What somebody has to do, on one line, where the headline does not say it already.
pub fn to_do(n: &Notification) -> Option<String> {
    n.action.as_deref().map(line).filter(|action| !line(&n.headline).contains(action.as_str()))
}

/// The commands of a message, each on a line, so many that they are read.
pub fn commands(n: &Notification) -> Vec<String> {
    let lines = n.command.iter().flat_map(|text| text.lines()).map(line);
    lines.filter(|own| !own.is_empty()).take(COMMANDS_MAX).collect()
}

/// What the commands of a message are for.
pub fn command_label(n: &Notification) -> &'static str {
    match n.kind {
        // They do what is asked for, and take nothing back.
        NotificationKind::Waiting
        | NotificationKind::Blocked
        | NotificationKind::Notice
        | NotificationKind::Fault
        | NotificationKind::Report
        | NotificationKind::Test => "Command",
        _ if commands(n).len() > 1 && !goes_on(n) => "As you decide",
        NotificationKind::Rollback | NotificationKind::Kill | NotificationKind::Escalation if goes_on(n) => {
            "Once the cause is mended"
        }
        _ => "To stop or undo it",
    }
}

/// Whether none of its commands takes anything back: each is a step on the way to new.
fn goes_on(n: &Notification) -> bool {
    let is_step = |own: &String| {
        let verb = own.strip_prefix("tidegate ").and_then(|rest| rest.split(' ').next());
        // Deleting the key that kills revives.
        matches!(verb, Some("approve" | "resume" | "revive")) || own.contains(" kv key delete ")
    };
    let commands = commands(n);
    !commands.is_empty() && commands.iter().all(is_step)
}

/// A point in time for people: `2026-11-29 03:12 UTC`.
pub fn at(at: Instant) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(date), Some(time)) => format!("{date} {time} UTC"),
        _ => text,
    }
}

/// What kind of message it is, and about which revision: the small print, for the team alone.
pub fn small_print(n: &Notification) -> Option<String> {
    if is_for_outsiders(n) {
        return None;
    }
    let (tone, kind) = (Tone::of(n).word(), n.kind.as_str());
    let kind = if tone.eq_ignore_ascii_case(kind) { String::new() } else { format!(" · {kind}") };
    let revision = n.revision.map(|revision| format!(" · revision {revision}")).unwrap_or_default();
    Some(format!("{tone}{kind}{revision}"))
}

/// All of it as plain text, without the headline.
pub fn plain(n: &Notification) -> String {
    let mut text = String::new();
    let mut paragraph = |label: &str, words: &str| {
        if !words.is_empty() {
            let separator = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{separator}{label}{words}");
        }
    };
    paragraph("What to do: ", &to_do(n).unwrap_or_default());
    paragraph("", &n.text.as_deref().map(lines).unwrap_or_default());
    let why: Vec<String> = [line(&n.why)].into_iter().chain(figures(n).map(|figure| format!("- {figure}"))).collect();
    paragraph("", why.join("\n").trim());
    let facts: Vec<String> = facts(n).into_iter().map(|(label, words)| format!("{label}: {words}")).collect();
    paragraph("", &facts.join("\n"));
    let commands = commands(n);
    let separator = if commands.len() > 1 { "\n  " } else { "" };
    paragraph(&format!("{}: {separator}", command_label(n)), &commands.join("\n  "));
    let links: Vec<String> = links(n).map(|(title, url)| format!("{title}: {url}")).collect();
    paragraph("", &links.join("\n"));
    paragraph("", &small_print(n).map(|words| format!("{words} · {}", at(n.at))).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_that_is_too_long_leaves_out_what_to_do_and_then_ends_with_a_clause() {
        let whole = "[Critical] shop was rolled back from canary, 10 %, to 0 % (everybody is on legacy): error_rate is 5.1 % over 5m. Find the cause and approve 1 item; then resume it.";
        let what = "[Critical] shop was rolled back from canary, 10 %, to 0 % (everybody is on legacy): error_rate is 5.1 % over 5m.";
        let at = |chars_max: usize| title(&[whole, what], chars_max);
        assert_eq!(at(200), whole);
        assert_eq!(at(120), what);
        assert_eq!(at(100), "[Critical] shop was rolled back from canary, 10 %, to 0 % (everybody is on legacy)…");
        assert_eq!(at(75), "[Critical] shop was rolled back from canary, 10 %…");
        assert_eq!(at(30), "[Critical] shop was rolled…");
        assert_eq!(title(&["unbroken".repeat(9).as_str()], 10), "unbrokenu…");
        assert!((1..170).all(|chars| at(chars).chars().count() <= chars));
    }
}
