//! A paper as Markdown, for a wiki or a pull request: CommonMark with GitHub's tables and task lists.
//!
//! 1. Whatever a text says it is words: all that Markdown would take for markup is escaped.
//! 2. A text is one line: a line break in it would begin something new.
//! 3. A plot is a table of its figures, since Markdown has no drawings.

use std::fmt::Write as _;

use super::document::{Block, Check, Document, Plot, Span, Table, Text, Tone, is_address};
use tidegate_decide::explain;

/// So many rows of figures stand for a plot at most.
const PLOT_ROWS_MAX: usize = 12;

/// Prints a paper.
pub fn print(document: &Document) -> String {
    let mut out = format!("# {}\n", escaped(&document.title));
    if !document.about.is_empty() {
        let about: Vec<String> = document.about.iter().map(|line| escaped(line)).collect();
        let _ = write!(out, "\n_{}_\n", about.join(" · "));
    }
    for block in &document.blocks {
        out.push('\n');
        print_block(&mut out, block);
    }
    out
}

fn print_block(out: &mut String, block: &Block) {
    match block {
        Block::Heading(level, title) => {
            let _ = writeln!(out, "{} {}", "#".repeat(usize::from(*level)), escaped(title));
        }
        Block::Paragraph(text) => {
            let _ = writeln!(out, "{}", line(text));
        }
        Block::Callout(tone, title, texts) => {
            let word = match tone {
                Tone::Bad => "WARNING",
                Tone::Good => "TIP",
                Tone::Plain => "NOTE",
            };
            let _ = writeln!(out, "> [!{word}]\n> **{}**", escaped(title));
            for text in texts {
                let _ = writeln!(out, ">\n> {}", line(text));
            }
        }
        Block::List(texts) => texts.iter().for_each(|text| {
            let _ = writeln!(out, "- {}", line(text));
        }),
        Block::Steps(texts) => texts.iter().zip(1..).for_each(|(text, number)| {
            let _ = writeln!(out, "{number}. {}", line(text));
        }),
        Block::Checks(checks) => checks.iter().for_each(|check| print_check(out, check)),
        Block::Table(table) => print_table(out, table),
        Block::Code(code) => {
            let fence = fence(code, 3);
            let _ = writeln!(out, "{fence}sh\n{}\n{fence}", code.trim_end());
        }
        Block::Plot(plot) => {
            let _ = writeln!(out, "**{}**\n", escaped(&plot.title));
            print_table(out, &figures(plot));
        }
        Block::Write(asked) => {
            let _ = writeln!(out, "_{}_\n\n…", escaped(asked));
        }
    }
}

fn print_check(out: &mut String, check: &Check) {
    let mark = if check.is_done { 'x' } else { ' ' };
    let details: Vec<String> = check.details.iter().map(line).collect();
    let details = if details.is_empty() { String::new() } else { format!(" — {}", details.join("; ")) };
    let _ = writeln!(out, "- [{mark}] {}{details}", line(&check.text));
}

fn print_table(out: &mut String, table: &Table) {
    let head: Vec<String> = table.head.iter().map(|name| escaped(name)).collect();
    let _ = writeln!(out, "| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(cell).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
}

/// The figures of a plot: those at even distances.
fn figures(plot: &Plot) -> Table {
    let mut head = vec!["When"];
    head.extend(plot.lines.iter().map(|line| line.name));
    let mut table = Table { head, rows: Vec::new() };
    let count = plot.lines.iter().map(|line| line.points.len()).max().unwrap_or_default();
    let step = count.div_ceil(PLOT_ROWS_MAX).max(1);
    for begin in (0..count).step_by(step) {
        // Of each stretch its peak, so that no peak is left out.
        let value = |index: usize| plot.lines.first().and_then(|line| line.points.get(index)).and_then(|(_, own)| *own);
        let peak = |one: &usize, other: &usize| {
            value(*one).unwrap_or(f64::MIN).total_cmp(&value(*other).unwrap_or(f64::MIN)).then(other.cmp(one))
        };
        let Some(index) = (begin..(begin + step).min(count)).max_by(peak) else { continue };
        let Some((at, _)) = plot.lines.iter().find_map(|line| line.points.get(index)) else { continue };
        let mut row = vec![Text::default().plain(at.shown_by(&plot.zone))];
        row.extend(plot.lines.iter().map(|line| {
            let value = line.points.get(index).and_then(|(_, value)| *value);
            Text::default().plain(value.map_or_else(|| "–".to_owned(), |value| explain::amount(plot.unit, value)))
        }));
        table.rows.push(row);
    }
    table
}

/// A text as a line of its own.
fn line(text: &Text) -> String {
    let printed: String = text.0.iter().map(span).collect();
    let trimmed = printed.trim();
    // What would begin a list, a rule or a heading at the beginning of a line.
    let digits = trimmed.chars().take_while(char::is_ascii_digit).count();
    let begins_number = digits > 0 && trimmed.get(digits..).is_some_and(|rest| rest.starts_with(['.', ')']));
    match trimmed.chars().next() {
        Some('-' | '+' | '=') => format!("\\{trimmed}"),
        _ if begins_number => {
            let (number, rest) = trimmed.split_at_checked(digits).unwrap_or((trimmed, ""));
            format!("{number}\\{rest}")
        }
        _ => trimmed.to_owned(),
    }
}

/// A text in a cell: a pipe would end it, in code too.
fn cell(text: &Text) -> String {
    let spans = text.0.iter().map(|own| match own {
        Span::Code(code) => span(&Span::Code(code.clone())).replace('|', "\\|"),
        own => span(own),
    });
    spans.collect::<String>().trim().to_owned()
}

fn span(span: &Span) -> String {
    match span {
        Span::Plain(words) => escaped(words),
        Span::Strong(words) | Span::Toned(_, words) => {
            let trimmed = words.trim();
            if trimmed.is_empty() {
                return escaped(words);
            }
            // Spaces inside of the asterisks would make them none; between two words they are needed.
            let space = |is_there: bool| if is_there { " " } else { "" };
            let (before, after) = (space(words.starts_with(' ')), space(words.ends_with(' ')));
            format!("{before}**{}**{after}", escaped(trimmed))
        }
        Span::Code(code) => {
            let code = one_line(code);
            let fence = fence(&code, 1);
            let pad = if code.starts_with('`') || code.ends_with('`') || code.trim().is_empty() { " " } else { "" };
            format!("{fence}{pad}{code}{pad}{fence}")
        }
        Span::Link(words, address) if is_address(address) => {
            let address = address.replace('<', "%3C").replace('>', "%3E").replace('\\', "%5C").replace('|', "%7C");
            format!("[{}](<{address}>)", escaped(words))
        }
        Span::Link(words, address) => escaped(&format!("{words} ({address})")),
    }
}

/// More backticks than stand anywhere in the text, at least so many.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(least.max(if longest == 0 { 0 } else { longest + 1 }))
}

fn one_line(text: &str) -> String {
    let is_break = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    text.chars().map(|letter| if is_break(letter) { ' ' } else { letter }).collect()
}

/// Words of which nothing is markup.
fn escaped(words: &str) -> String {
    let words = one_line(words);
    let mut out = String::with_capacity(words.len());
    let mut before = ' ';
    let mut letters = words.chars().peekable();
    while let Some(letter) = letters.next() {
        // Inside of a word, such as a key, an underscore is no markup.
        let is_inside =
            letter == '_' && before.is_ascii_alphanumeric() && letters.peek().is_some_and(char::is_ascii_alphanumeric);
        before = letter;
        if !is_inside && matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&') {
            out.push('\\');
        }
        out.push(letter);
    }
    // Spaces at the ends would keep what stands out from doing so, or break the line.
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    /// What a reader sees of Markdown, and which tags it has but for paragraphs.
    fn read(markdown: &str) -> (String, Vec<String>) {
        let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
        let (mut words, mut tags) = (String::new(), Vec::new());
        for event in Parser::new_ext(markdown, options) {
            match event {
                Event::Text(text) | Event::Code(text) => words.push_str(&text),
                Event::Start(Tag::Paragraph) => {}
                Event::Start(tag) => tags.push(format!("{tag:?}")),
                Event::Html(text) | Event::InlineHtml(text) => tags.push(format!("html {text}")),
                Event::SoftBreak | Event::HardBreak | Event::Rule => tags.push("break".into()),
                _ => {}
            }
        }
        (words, tags)
    }

    const HOSTILE: [&str; 22] = [
        "<script>alert(1)</script>",
        "**bold** _it_ ~~gone~~ `code`",
        "[a](javascript:alert(1)) ![x](https://evil.example/p.png)",
        "# heading",
        "> quoted",
        "- item",
        "+ item",
        "1. one",
        "12) one",
        "* item",
        "a | b | c",
        "---",
        "===",
        "line\nbreak\r\n\r\nparagraph",
        "&lt;b&gt; &#60; &amp;",
        "\\` \\* back\\slash",
        "``double`` ` single",
        "<https://evil.example> <!-- x -->",
        "[^1]: note",
        "~~~\ncode\n~~~",
        "    indented",
        "[x] done",
    ];

    #[test]
    fn whatever_a_text_says_it_is_words() {
        for words in HOSTILE {
            let seen: String = one_line(words).split_whitespace().collect::<Vec<_>>().join(" ");
            let squeezed = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let (plain, tags) = read(&line(&Text::default().plain(words)));
            assert_eq!((squeezed(plain), tags), (seen.clone(), vec![]), "{words}");
            let table = Table {
                head: vec!["a", "b"],
                rows: vec![vec![Text::default().plain(words), Text::default().code(words)]],
            };
            let mut out = String::new();
            print_table(&mut out, &table);
            let (cells, tags) = read(&out);
            assert_eq!(squeezed(cells).replace(' ', ""), format!("ab{seen}{seen}").replace(' ', ""), "{words}\n{out}");
            assert_eq!(tags.iter().filter(|tag| tag.starts_with("TableCell")).count(), 4, "{words}\n{out}");
            let (strong, _) = read(&format!("a {} b", span(&Span::Strong(words.to_owned()))));
            assert_eq!(squeezed(strong), format!("a {seen} b"), "{words}");
        }
    }

    #[test]
    fn words_that_stand_out_keep_the_spaces_between_them_and_code() {
        let spans = [Span::Strong("To end it: ".into()), Span::Code("stop".into()), Span::Strong(" ends it".into())];
        let text: String = spans.iter().map(span).collect();
        assert_eq!(text, "**To end it:** `stop` **ends it**");
    }

    #[test]
    fn a_link_leads_where_a_browser_runs_nothing() {
        let link = |address: &str| span(&Span::Link("dash".into(), address.into()));
        assert_eq!(link("https://a.example/d(1)?a=<b>"), "[dash](<https://a.example/d(1)?a=%3Cb%3E>)");
        for address in ["javascript:alert(1)", "data:text/html,x", "https://a b", " https://a"] {
            let (_, tags) = read(&link(address));
            assert!(tags.is_empty(), "{address}: {tags:?}");
        }
    }

    #[test]
    fn each_block_has_its_form() {
        let document = Document {
            title: "Runbook".into(),
            about: vec!["made of a plan".into()],
            blocks: vec![
                Block::Heading(2, "Stages".into()),
                Block::Callout(Tone::Bad, "Stop".into(), vec!["type `tidegate kill a`".into()]),
                Block::Checks(vec![Check { is_done: true, text: "Tested".into(), details: vec!["by ana".into()] }]),
                Block::Steps(vec!["one".into(), "two".into()]),
                Block::Code("tidegate kill a\n".into()),
                Block::Write("What went well?".into()),
            ],
        };
        assert_eq!(
            print(&document),
            "# Runbook\n\n_made of a plan_\n\n## Stages\n\n> [!WARNING]\n> **Stop**\n>\n> type `tidegate kill a`\n\n- [x] Tested — by ana\n\n1. one\n2. two\n\n```sh\ntidegate kill a\n```\n\n_What went well?_\n\n…\n"
        );
    }
}
