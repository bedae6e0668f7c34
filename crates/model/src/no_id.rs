//! Texts that stand where an id belongs and name nobody.
//!
//! A program that has no id at hand often sends a text all the same: what its language prints for no
//! value, what its framework calls a visitor without an account, or a template that nobody filled in.
//! Taken for an id, such a text is one subject with a large share of the visitors. A text is on this
//! list only if no account can bear it; words that an application chose (`guest`, `unknown`) are ids
//! until a plan says otherwise.

/// No text of this kind is longer, and most ids need not be looked at twice.
const BYTES_MAX: usize = 80;
/// What is shorter may be a number that people count from 0.
const ZEROS_MIN: usize = 16;

/// What languages print for no value, and frameworks for nobody; in lower case, without brackets.
const WORDS: [&str; 11] = [
    // JavaScript; `null` in JSON, Java, SQL and PHP too.
    "undefined",
    "null",
    "nan",
    "false",
    "object object",
    // Python; Ruby, Go, Lua and Swift.
    "none",
    "nil",
    // The same in the query string of a form.
    "object+object",
    // People's own word, Spring Security's and Django's.
    "anonymous",
    "anonymoususer",
    "anonymous user",
];

/// The characters that cookies and headers often carry in percent-encoding.
const ENCODED: [(&str, &str); 11] = [
    ("%22", "\""),
    ("%27", "'"),
    ("%20", " "),
    ("%5b", "["),
    ("%5d", "]"),
    ("%7b", "{"),
    ("%7d", "}"),
    ("%28", "("),
    ("%29", ")"),
    ("%3c", "<"),
    ("%3e", ">"),
];

/// Whether a text names nobody, in whatever case, quotes and brackets it stands.
pub fn is_no_id(text: &str) -> bool {
    let text = text.trim();
    if text.len() > BYTES_MAX {
        return false;
    }
    let mut text = text.to_ascii_lowercase();
    if text.contains('%') {
        text = ENCODED.iter().fold(text, |text, (from, to)| text.replace(from, to));
    }
    if text.bytes().all(|byte| byte.is_ascii_punctuation() || byte == b' ') || is_template(&text) {
        return true;
    }
    let bare = text.trim_matches(|letter: char| "\"'`()[]{}<> ".contains(letter));
    WORDS.contains(&bare) || is_all_zero(bare.strip_prefix("urn:uuid:").unwrap_or(bare))
}

/// `{{user.id}}`, `${userId}`, `<%= id %>`.
fn is_template(text: &str) -> bool {
    [("{{", "}}"), ("${", "}"), ("<%", "%>")].iter().any(|(start, end)| text.starts_with(start) && text.ends_with(end))
}

/// Whether it is the empty UUID, or another long number of nothing but zeros.
fn is_all_zero(text: &str) -> bool {
    let zeros = text.bytes().filter(|byte| *byte == b'0').count();
    zeros >= ZEROS_MIN && text.bytes().all(|byte| matches!(byte, b'0' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn are_no_ids(texts: &[&str]) {
        for text in texts {
            assert!(is_no_id(text), "{text:?}");
            assert!(is_no_id(&format!(" {}\t", text.to_uppercase())), "{text:?}");
        }
    }

    #[track_caller]
    fn are_ids(texts: &[&str]) {
        for text in texts {
            assert!(!is_no_id(text), "{text:?}");
        }
    }

    #[test]
    fn what_a_language_prints_for_no_value_is_no_id() {
        are_no_ids(&["undefined", "null", "NaN", "[object Object]", "[object+Object]", "false"]);
        are_no_ids(&["None", "nil", "<nil>", "(null)", "<null>", "(nil)", "[null]", "[undefined]"]);
        are_no_ids(&[
            "",
            "\"\"",
            "''",
            "{}",
            "[]",
            "\"undefined\"",
            "'null'",
            "\"None\"",
            "%22%22",
            "%22undefined%22",
            "%5Bobject%20Object%5D",
        ]);
    }

    #[test]
    fn what_a_framework_calls_nobody_is_no_id() {
        are_no_ids(&["anonymous", "anonymousUser", "AnonymousUser", "anonymous user", "<anonymous>", "(anonymous)"]);
    }

    #[test]
    fn an_empty_uuid_in_any_notation_is_no_id() {
        are_no_ids(&[
            "00000000-0000-0000-0000-000000000000",
            "00000000000000000000000000000000",
            "{00000000-0000-0000-0000-000000000000}",
            "(00000000-0000-0000-0000-000000000000)",
            "urn:uuid:00000000-0000-0000-0000-000000000000",
            "%7B00000000-0000-0000-0000-000000000000%7D",
        ]);
        // MongoDB's empty ObjectId, an empty ULID, an empty span id.
        are_no_ids(&["000000000000000000000000", "00000000000000000000000000", "0000000000000000"]);
    }

    #[test]
    fn what_nobody_filled_in_is_no_id() {
        are_no_ids(&["{{user.id}}", "{{ userId }}", "${userId}", "<%= current_user.id %>"]);
        // What logs and tables have for nothing.
        are_no_ids(&["-", "--", "?", ".", "*", "..."]);
    }

    #[test]
    fn numbers_are_ids() {
        // `0` is somebody's in systems that count from there, and a UUID with one digit is a UUID.
        are_ids(&[
            "0",
            "-1",
            "00",
            "000000",
            "1",
            "0.0",
            "00000000-0000-0000-0000-000000000001",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ]);
    }

    #[test]
    fn words_of_an_application_are_ids_until_a_plan_says_otherwise() {
        // An account may have each of these names, and `not_ids` takes them out.
        are_ids(&[
            "guest",
            "unknown",
            "user",
            "visitor",
            "default",
            "test",
            "admin",
            "public",
            "n/a",
            "(not set)",
            "true",
            "anon",
            "no",
            "void",
            "empty",
        ]);
    }

    #[test]
    fn ids_that_only_contain_such_a_word_are_ids() {
        are_ids(&[
            "nullable",
            "nan@example.com",
            "anonymous-fox-12",
            "user-undefined",
            "null-1",
            "Nanette",
            "nilsson",
            "undefined undefined",
            "anonymous@example.com",
            "@anonymous",
            "null%",
        ]);
        are_ids(&[
            "ana",
            "josé",
            "😀",
            "名無し",
            "u%33",
            "A_-A",
            "{0d0e8a1c-7b1e-4c57-9c9d-5a0b3a3c2f10}",
            "{\"id\":7}",
        ]);
    }
}
