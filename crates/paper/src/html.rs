//! A paper as one HTML page that stands alone and prints well: no script, no other file, and black on white on paper.
//!
//! Every text is escaped, in elements and in attributes alike. Links lead to `https`, `http` and `mailto` alone.

use std::fmt::Write as _;

use super::document::{Block, Check, Document, Span, Table, Text, is_address};
use super::plot;

/// What a browser may do with the page: show it, with its own style.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// How it looks, on a screen and on paper.
const STYLE: &str = include_str!("paper.css");

/// Prints a paper.
pub fn print(document: &Document) -> String {
    let mut out = String::new();
    let title = escaped(&document.title);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>{title}</h1>\n"
    );
    if !document.about.is_empty() {
        let about: Vec<String> = document.about.iter().map(|line| escaped(line)).collect();
        let _ = writeln!(out, "<p class=\"about\">{}</p>", about.join(" · "));
    }
    out.push_str("</header>\n");
    let mut plots = 0;
    // What must be seen first stands before the contents.
    let first = document.blocks.iter().take_while(|block| matches!(block, Block::Callout(..))).count();
    for (index, block) in document.blocks.iter().enumerate() {
        if index == first {
            contents(&mut out, document);
        }
        print_block(&mut out, block, index, &mut plots);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// The headings of level 2, where there are many.
fn contents(out: &mut String, document: &Document) {
    const LEAST: usize = 5;
    let headings: Vec<(usize, &String)> = document
        .blocks
        .iter()
        .enumerate()
        .filter_map(|(index, block)| match block {
            Block::Heading(2, title) => Some((index, title)),
            _ => None,
        })
        .collect();
    if headings.len() < LEAST {
        return;
    }
    out.push_str("<nav aria-label=\"Contents\">\n<ol>\n");
    for (index, title) in headings {
        let _ = writeln!(out, "<li><a href=\"#s{index}\">{}</a></li>", escaped(title));
    }
    out.push_str("</ol>\n</nav>\n");
}

fn print_block(out: &mut String, block: &Block, index: usize, plots: &mut usize) {
    match block {
        Block::Heading(level, title) => {
            let level = level.clamp(&2, &4);
            let _ = writeln!(out, "<h{level} id=\"s{index}\">{}</h{level}>", escaped(title));
        }
        Block::Paragraph(text) => {
            let _ = writeln!(out, "<p>{}</p>", line(text));
        }
        Block::Callout(tone, title, texts) => {
            let _ = writeln!(out, "<aside class=\"{}\">\n<p><strong>{}</strong></p>", tone.as_str(), escaped(title));
            for text in texts {
                let _ = writeln!(out, "<p>{}</p>", line(text));
            }
            out.push_str("</aside>\n");
        }
        Block::List(texts) => list(out, "ul", texts),
        Block::Steps(texts) => list(out, "ol", texts),
        Block::Checks(checks) => {
            out.push_str("<ul class=\"checks\">\n");
            checks.iter().for_each(|check| print_check(out, check));
            out.push_str("</ul>\n");
        }
        Block::Table(table) => print_table(out, table),
        Block::Code(code) => {
            let _ = writeln!(out, "<pre><code>{}</code></pre>", escaped(code.trim_end()));
        }
        Block::Plot(own) => {
            *plots += 1;
            let _ = writeln!(
                out,
                "<figure>\n<figcaption>{}</figcaption>\n{}</figure>",
                escaped(&own.title),
                plot::svg(own, *plots)
            );
        }
        Block::Write(asked) => {
            let _ = writeln!(out, "<div class=\"write\"><p>{}</p></div>", escaped(asked));
        }
    }
}

fn list(out: &mut String, tag: &str, texts: &[Text]) {
    let _ = writeln!(out, "<{tag}>");
    for text in texts {
        let _ = writeln!(out, "<li>{}</li>", line(text));
    }
    let _ = writeln!(out, "</{tag}>");
}

fn print_check(out: &mut String, check: &Check) {
    let (mark, said) = if check.is_done { ("☑", "done") } else { ("☐", "open") };
    let details: Vec<String> = check.details.iter().map(line).collect();
    let details = if details.is_empty() {
        String::new()
    } else {
        format!(" <span class=\"details\">{}</span>", details.join("; "))
    };
    let _ = writeln!(
        out,
        "<li class=\"{said}\"><span class=\"mark\" role=\"img\" aria-label=\"{said}\">{mark}</span> {}{details}</li>",
        line(&check.text)
    );
}

fn print_table(out: &mut String, table: &Table) {
    out.push_str("<div class=\"table\"><table>\n");
    // A table of names and values needs no head.
    if table.head.iter().any(|name| !name.is_empty()) {
        out.push_str("<thead><tr>");
        for name in &table.head {
            let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(name));
        }
        out.push_str("</tr></thead>\n");
    }
    out.push_str("<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{}</td>", line(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

fn line(text: &Text) -> String {
    text.0.iter().map(span).collect()
}

fn span(span: &Span) -> String {
    match span {
        Span::Plain(words) => kept_together(words),
        Span::Strong(words) => format!("<strong>{}</strong>", kept_together(words)),
        Span::Toned(tone, words) => format!("<strong class=\"{}\">{}</strong>", tone.as_str(), kept_together(words)),
        Span::Code(code) => format!("<code>{}</code>", escaped(code)),
        Span::Link(words, address) if is_address(address) => {
            format!("<a href=\"{}\" rel=\"noopener noreferrer\">{}</a>", escaped(address), escaped(words))
        }
        Span::Link(words, address) => escaped(&format!("{words} ({address})")),
    }
}

/// Words of an element, in which a percentage is not torn apart.
fn kept_together(words: &str) -> String {
    escaped(words).replace(" %", "\u{a0}%")
}

/// Words of which nothing is markup, in an element or in an attribute.
pub(crate) fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Line, Mark, Plot, Side, Tone};
    use tidegate_model::Instant;
    use tidegate_model::figure::Unit;
    use tidegate_model::zone::Zone;

    const HOSTILE: &str = "\"><img src=x onerror=alert(1)>'&<script>alert(1)</script>\u{0}";

    fn document() -> Document {
        let text = || Text::default().plain(HOSTILE).strong(HOSTILE).code(HOSTILE).toned(Tone::Bad, HOSTILE);
        let at = Instant::from_epoch_ms(1_780_000_000_000);
        let plot = Plot {
            title: HOSTILE.into(),
            unit: Unit::Share,
            lines: vec![Line { name: "new", side: Side::New, is_stepped: false, points: vec![(at, Some(0.5))] }],
            marks: vec![Mark { at, label: HOSTILE.into(), tone: Tone::Bad }],
            bound: Some((0.5, HOSTILE.into())),
            span: (at, at),
            zone: Zone::UTC,
        };
        Document {
            title: HOSTILE.into(),
            about: vec![HOSTILE.into()],
            blocks: vec![
                Block::Heading(2, HOSTILE.into()),
                Block::Paragraph(
                    text().link(HOSTILE, "https://a.example/\"onclick=\"alert(1)").link("x", "javascript:alert(1)"),
                ),
                Block::Callout(Tone::Bad, HOSTILE.into(), vec![text()]),
                Block::List(vec![text()]),
                Block::Checks(vec![Check { is_done: false, text: text(), details: vec![text()] }]),
                Block::Table(Table { head: vec!["a"], rows: vec![vec![text()]] }),
                Block::Code(HOSTILE.into()),
                Block::Plot(plot),
                Block::Write(HOSTILE.into()),
            ],
        }
    }

    #[test]
    fn whatever_a_text_says_it_is_words() {
        let page = print(&document());
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("href=\"javascript"), "{page}");
        assert!(page.contains("href=\"https://a.example/&quot;onclick=&quot;alert(1)\""), "{page}");
        assert!(page.contains("x (javascript:alert(1))"), "what leads nowhere is printed as words");
        // Between tags nothing is left that could open one.
        let body = page.split("<body>").nth(1).unwrap();
        for tag in body.split('<').skip(1) {
            let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            let known = [
                "main",
                "header",
                "h1",
                "h2",
                "p",
                "aside",
                "strong",
                "code",
                "a",
                "ul",
                "li",
                "span",
                "div",
                "table",
                "thead",
                "tr",
                "th",
                "tbody",
                "td",
                "pre",
                "figure",
                "figcaption",
                "svg",
                "title",
                "desc",
                "g",
                "path",
                "line",
                "text",
                "rect",
                "circle",
                "body",
                "html",
                "polyline",
            ];
            assert!(known.contains(&name.as_str()), "<{tag}");
        }
    }

    #[test]
    fn what_must_be_seen_first_stands_before_the_contents() {
        let headings = ["a", "b", "c", "d", "e"].map(|title| Block::Heading(2, title.into()));
        let mut blocks = vec![Block::Callout(Tone::Bad, "Stop".into(), vec!["type it".into()])];
        blocks.extend(headings);
        let page = print(&Document { title: "Runbook".into(), about: Vec::new(), blocks });
        let at = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}\n{page}"));
        assert!(at("<aside") < at("<nav") && at("<nav") < at("<h2"));
    }

    #[test]
    fn the_page_stands_alone() {
        let page = print(&document());
        assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
        for other in ["<link", "src=", "url(", "@import", "<script"] {
            assert!(!page.replace("src=x", "").contains(other), "{other}");
        }
        assert!(STYLE.contains("@media print") && STYLE.contains("break-inside"));
    }
}
