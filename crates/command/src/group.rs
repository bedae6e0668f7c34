//! `tidegate group`: ids to fingerprints.
//!
//! Fingerprints cannot be read back, so this is the last place to see that a list is not what was
//! meant: an export with a heading, ids in quotes, one line with all of them.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _, Read as _, Write as _};

use serde::Serialize;

use super::Failure;
use super::paint::{WARN, note, paint};
use super::pick;
use super::plans::{GroupArguments, GroupVerb};
use super::words::counted;
use tidegate_model::Name;
use tidegate_model::fault::Explain as _;
use tidegate_model::group::{Fingerprints, GroupError, MAGIC, lines, trimmed};
use tidegate_model::no_id::is_no_id;

/// What an export of a spreadsheet or a database calls a column of ids; in lower case, `_` between words.
pub const HEADINGS: [&str; 30] = [
    "id",
    "ids",
    "uid",
    "uids",
    "uuid",
    "guid",
    "user",
    "users",
    "user_id",
    "user_ids",
    "userid",
    "username",
    "user_name",
    "login",
    "subject",
    "sub",
    "email",
    "emails",
    "e_mail",
    "mail",
    "email_address",
    "account",
    "account_id",
    "customer",
    "customer_id",
    "member_id",
    "visitor_id",
    "distinct_id",
    "external_id",
    "name",
];
/// An example is cut after so many letters.
const EXAMPLE_CHARS_MAX: usize = 40;

#[derive(Serialize)]
struct Written<'a> {
    group: &'a str,
    subjects: usize,
    bytes: usize,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
}

pub fn run(arguments: &GroupArguments, json: bool) -> Result<(), Failure> {
    match (&arguments.verb, &arguments.name) {
        (Some(GroupVerb::Pick(arguments)), _) => pick::run(arguments, json),
        (None, Some(name)) => compress(name, json),
        (None, None) => Err(Failure::Usage("which group?".into())),
    }
}

fn compress(name: &Name, json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        return Err(Failure::Usage(format!(
            "the list is not text: send it to a file, `tidegate group {name} < ids.txt > {name}.group`"
        )));
    }
    let mut input = Vec::new();
    io::stdin().lock().read_to_end(&mut input).map_err(|error| Failure::Io("standard input".into(), error))?;
    let unreadable = |error: GroupError| Failure::Usage(format!("{error} ({})", error.help().unwrap_or_default()));
    let list = Fingerprints::read(&input).map_err(unreadable)?;
    let warnings = if input.starts_with(&MAGIC) {
        Vec::new()
    } else {
        doubts(&lines(&input).map_err(unreadable)?.collect::<Vec<_>>())
    };
    let bytes = list.to_bytes();
    out.write_all(&bytes).and_then(|()| out.flush()).map_err(|error| Failure::Io("standard output".into(), error))?;
    if json {
        let written = Written { group: name.as_str(), subjects: list.len(), bytes: bytes.len(), warnings: &warnings };
        eprintln!("{}", serde_json::to_string(&written).unwrap_or_default());
        return Ok(());
    }
    for warning in &warnings {
        note(&format!("{} {warning}", paint(WARN, "warning:")));
    }
    eprintln!(
        "{}, {} bytes; next: npx wrangler kv key put --remote --binding ROLLOUTS group/{name} --path FILE",
        counted(list.len(), "id"),
        bytes.len()
    );
    Ok(())
}

/// A property of an id that makes one doubt that it is meant so: what it is, and what comes of it.
struct Doubt(fn(&str) -> bool, &'static str, &'static str);

const DOUBTS: [Doubt; 7] = [
    Doubt(
        |id| id.contains([',', ';', '\t']),
        "with commas, semicolons or tabs",
        "each line is one id, with all that is in it",
    ),
    Doubt(|id| id.starts_with(QUOTES) || id.ends_with(QUOTES), "with quotes", "they count as part of the id"),
    Doubt(|id| id.contains(' '), "with spaces inside", "each line is one id"),
    Doubt(
        |id| id.contains(is_invisible),
        "with letters that do not show",
        "they count as part of the id; type it again",
    ),
    Doubt(|id| id.starts_with('#') || id.starts_with("//"), "with the mark of a comment", "every line counts as an id"),
    Doubt(
        |id| id.contains('%') && id.contains(is_hex),
        "with percent signs",
        "ids are compared as they are sent, not decoded",
    ),
    Doubt(is_no_id, "with a placeholder", "a request with such a text has no id"),
];
const QUOTES: [char; 6] = ['"', '\'', '`', '“', '”', '„'];

/// Spaces of no width, marks of a text's direction, control codes.
fn is_invisible(letter: char) -> bool {
    letter.is_control() && letter != '\t'
        || matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_hex(letter: char) -> bool {
    letter.is_ascii_hexdigit()
}

/// What of a list may not be meant so.
fn doubts(lines: &[&str]) -> Vec<String> {
    let ids: Vec<&str> = lines.iter().map(|line| trimmed(line)).filter(|id| !id.is_empty()).collect();
    let Some(first) = ids.first() else {
        return vec!["there is no id in it, so the group will be empty".into()];
    };
    if first.starts_with('[') || *first == "{" || first.starts_with("{\"") {
        return vec![format!(
            "`{}` looks like JSON, of which each line counts as an id; `jq -r '.[]'` writes one id per line",
            example(first)
        )];
    }
    let mut doubts = Vec::new();
    if is_heading(first) {
        doubts.push(format!("the first line, `{}`, looks like a heading; it counts as an id", example(first)));
    }
    for Doubt(is_doubtful, what, so) in DOUBTS {
        let mut doubtful = ids.iter().filter(|id| is_doubtful(id));
        if let Some(one) = doubtful.next() {
            let all =
                if ids.len() == 1 { "the only id is one".to_owned() } else { counted(1 + doubtful.count(), "id") };
            doubts.push(format!("{all} {what}, such as `{}`: {so}", example(one)));
        }
    }
    let around =
        lines.iter().filter(|line| line.trim_matches('\u{feff}') != trimmed(line) && !trimmed(line).is_empty()).count();
    if around > 0 {
        doubts.push(format!("{} with white space around, which was left out", counted(around, "line")));
    }
    let repeated = ids.len() - ids.iter().collect::<HashSet<_>>().len();
    if repeated > 0 {
        doubts.push(format!("{} with an id that stands there already, counted once", counted(repeated, "line")));
    }
    doubts
}

/// Whether a line, or its first column, is what people write over ids.
fn is_heading(line: &str) -> bool {
    let column = line.split([',', ';', '\t']).next().unwrap_or(line).trim_matches(QUOTES).trim().to_lowercase();
    HEADINGS.contains(&as_heading(&column).as_str())
}

/// The name of a column as [`HEADINGS`] has it.
pub fn as_heading(column: &str) -> String {
    column.trim().to_lowercase().replace([' ', '-'], "_")
}

fn example(id: &str) -> String {
    let shown: String = id
        .chars()
        .take(EXAMPLE_CHARS_MAX)
        .flat_map(|letter| if is_invisible(letter) { letter.escape_unicode().collect() } else { vec![letter] })
        .collect();
    if id.chars().nth(EXAMPLE_CHARS_MAX).is_some() { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn tells(text: &str, expected: &[&str]) {
        assert_eq!(doubts(&lines(text.as_bytes()).unwrap().collect::<Vec<_>>()), expected, "{text:?}");
    }

    #[test]
    fn a_list_of_ids_is_not_doubted() {
        tells("ana\nben@example.com\njosé\n0d0e8a1c-7b1e-4c57-9c9d-5a0b3a3c2f10\n42\n", &[]);
        tells("\u{feff}ana\r\n{0d0e8a1c-7b1e-4c57-9c9d-5a0b3a3c2f10}\r\n", &[]);
    }

    #[test]
    fn exports_of_other_programs_are_doubted() {
        tells(
            "\"ana\",\"ben\"",
            &[
                "the only id is one with commas, semicolons or tabs, such as `\"ana\",\"ben\"`: each line is one id, with all that is in it",
                "the only id is one with quotes, such as `\"ana\",\"ben\"`: they count as part of the id",
            ],
        );
        tells("id\nana\nben\n", &["the first line, `id`, looks like a heading; it counts as an id"]);
        tells(
            "\"User ID\";\"Since\"\n7;2026\n",
            &[
                "the first line, `\"User ID\";\"Since\"`, looks like a heading; it counts as an id",
                "2 ids with commas, semicolons or tabs, such as `\"User ID\";\"Since\"`: each line is one id, with all that is in it",
                "1 id with quotes, such as `\"User ID\";\"Since\"`: they count as part of the id",
                "1 id with spaces inside, such as `\"User ID\";\"Since\"`: each line is one id",
            ],
        );
        tells("“ana”\nben\n", &["1 id with quotes, such as `“ana”`: they count as part of the id"]);
        tells(
            "[\"ana\",\n\"ben\"]",
            &["`[\"ana\",` looks like JSON, of which each line counts as an id; `jq -r '.[]'` writes one id per line"],
        );
        tells(
            "ana\tbeta\n",
            &[
                "the only id is one with commas, semicolons or tabs, such as `ana\tbeta`: each line is one id, with all that is in it",
            ],
        );
    }

    #[test]
    fn what_does_not_show_is_shown() {
        tells(
            "ana\u{200b}\nben\n",
            &[
                "1 id with letters that do not show, such as `ana\\u{200b}`: they count as part of the id; type it again",
            ],
        );
        tells(
            "ana \n ana\nben\n",
            &[
                "2 lines with white space around, which was left out",
                "1 line with an id that stands there already, counted once",
            ],
        );
        tells(
            "# the team\nana%40example.com\nnull\n",
            &[
                "1 id with spaces inside, such as `# the team`: each line is one id",
                "1 id with the mark of a comment, such as `# the team`: every line counts as an id",
                "1 id with percent signs, such as `ana%40example.com`: ids are compared as they are sent, not decoded",
                "1 id with a placeholder, such as `null`: a request with such a text has no id",
            ],
        );
        tells("\n\n", &["there is no id in it, so the group will be empty"]);
    }
}
