//! What a JavaScript error is known by: its name, its message without what is another in each browser and for each
//! user, and the file of its top frame without the hash of its build.
//!
//! 1. The same error has the same fingerprint, in whichever browser, session and build it happens, as far as its
//!    browser words it alike.
//! 2. Nothing of a person is in it: what stands in quotes, addresses, e-mail addresses, paths, ids and numbers are
//!    taken out. A word that stands free in a message stays, since messages consist of those.
//! 3. It has at most [`KIND_BYTES_MAX`] bytes, and a fingerprint of a fingerprint is the same one.

use tidegate_model::measured::commonest::KIND_BYTES_MAX;

/// So much of a message is read, in characters.
const READ_MAX: usize = 600;
/// A message, a name and a file with its function have so many bytes at most.
const MESSAGE_BYTES_MAX: usize = 150;
const NAME_BYTES_MAX: usize = 30;
const PLACE_BYTES_MAX: usize = 56;
/// A longer word is no word but a value.
const WORD_MAX: usize = 40;
/// Shorter names of functions are what a minifier left.
const FUNCTION_MIN: usize = 4;
/// Hexadecimal digits from this length on are an id.
const HEX_MIN: usize = 6;
/// The hash of a build is at least so long.
const HASH_MIN: usize = 6;
/// What scripts end with.
const SCRIPTS: [&str; 3] = [".js", ".mjs", ".cjs"];
/// Bundlers put so many characters of base 64 behind a name.
const HASH_BASE64: usize = 8;

const ELLIPSIS: char = '…';
/// What stands in for what was taken out. None of them has anything that is taken out.
const QUOTED: &str = "'…'";

/// The fingerprint of an error, from what its page has sent: its name, its message and the line of its top frame.
pub fn of(name: &str, message: &str, frame: &str) -> String {
    let message = unprefixed(message, name);
    let mut print = String::new();
    let is_name = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '$'));
    let name = if is_name { name } else { named(message).unwrap_or("Error") };
    print.push_str(name);
    let message = plain(unprefixed(message, name));
    if !message.is_empty() {
        print.push_str(": ");
        print.push_str(&cut(&message, MESSAGE_BYTES_MAX));
    }
    if let Some(place) = place(frame) {
        print.push_str(" at ");
        print.push_str(&cut(&place, PLACE_BYTES_MAX));
    }
    debug_assert!(print.len() <= KIND_BYTES_MAX);
    print
}

/// The message without what browsers and consoles put before it.
fn unprefixed<'m>(message: &'m str, name: &str) -> &'m str {
    let mut rest = message.trim();
    loop {
        let before = rest;
        for prefix in ["Uncaught (in promise) ", "Uncaught ", "Unhandled Promise Rejection: ", "uncaught exception: "] {
            rest = rest.strip_prefix(prefix).unwrap_or(rest);
        }
        if !name.is_empty()
            && let Some(message) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'))
        {
            rest = message.trim_start();
        }
        if rest == before {
            return rest;
        }
    }
}

/// The name that a message begins with: `TypeError: …`.
fn named(message: &str) -> Option<&str> {
    let (name, _) = message.split_once(':')?;
    let is_name = name.ends_with("Error") || name.ends_with("Exception");
    (is_name && name.len() <= NAME_BYTES_MAX && name.chars().all(|c| c.is_ascii_alphabetic())).then_some(name)
}

/// At most so many bytes, whole words of it.
fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut short = String::new();
    for word in text.split(' ') {
        if short.len() + 1 + word.len() + ELLIPSIS.len_utf8() > bytes_max {
            break;
        }
        if !short.is_empty() {
            short.push(' ');
        }
        short.push_str(word);
    }
    short.push(ELLIPSIS);
    short
}

/// A text without its variable parts.
fn plain(text: &str) -> String {
    let text: Vec<char> = text.chars().take(READ_MAX).collect();
    let mut out = String::new();
    let mut rest = text.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let taken = if first.is_whitespace() || first.is_control() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
            1
        } else if let Some(length) = quoted(rest, out.chars().next_back()) {
            out.push_str(QUOTED);
            length
        } else if is_inner(*first) {
            let length = rest.iter().position(|c| !is_inner(*c)).unwrap_or(rest.len());
            let word: String = rest.iter().take(length).collect();
            out.push_str(&worded(&word));
            length
        } else {
            out.push(*first);
            1
        };
        rest = rest.get(taken..).unwrap_or(if taken == 1 { after } else { &[] });
    }
    out.trim_end().to_owned()
}

/// How long what stands in quotes here is, with both of them; to the end where it is never closed.
fn quoted(text: &[char], before: Option<char>) -> Option<usize> {
    let first = *text.first()?;
    let end = match first {
        '\'' | '"' | '`' => first,
        '“' => '”',
        '‘' => '’',
        '«' => '»',
        _ => return None,
    };
    // `can't`, and the quote at the end of something that was not opened.
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let is_end = |index: usize| {
        text.get(index) == Some(&end) && text.get(index + 1).is_none_or(|after| !after.is_alphanumeric())
    };
    Some((1..text.len()).find(|index| is_end(*index)).map_or(text.len(), |index| index + 1))
}

/// Whether a character belongs to a word, an address, a path or an id.
fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || "_$-./:@?&=%#+~\\".contains(c)
}

/// A word without its variable parts.
fn worded(word: &str) -> String {
    let body = word.trim_end_matches(['.', ':', '?', '=', '/']);
    let tail = word.get(body.len()..).unwrap_or_default();
    let stand_in =
        if body.contains("://") || ["data:", "blob:", "mailto:", "www."].iter().any(|own| body.starts_with(own)) {
            "<url>"
        } else if is_address(body) {
            "<email>"
        } else if body.starts_with(['/', '\\']) && body.chars().any(char::is_alphanumeric)
            || body.matches(['/', '\\']).count() > 1
            || body.contains(['/', '\\']) && body.contains(char::is_numeric)
            || body.contains(['?', '&', '%'])
        {
            "<path>"
        } else if is_id(body) || body.chars().count() > WORD_MAX {
            "<id>"
        } else {
            return format!("{}{tail}", without_numbers(body));
        };
    format!("{stand_in}{tail}")
}

fn is_address(word: &str) -> bool {
    word.match_indices('@').any(|(at, _)| at > 0 && word.get(at..).is_some_and(|host| host.contains('.')))
}

/// Whether a word is a value that some program has made: a UUID, hexadecimal digits, a token.
fn is_id(word: &str) -> bool {
    let letters = word.chars().filter(|c| c.is_alphanumeric()).count();
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let hex = word.strip_prefix("0x").unwrap_or(word);
    let is_hex = hex.len() >= HEX_MIN && hex.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let is_token = letters >= 16 && digits >= 2 && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_=".contains(c));
    // Numbers alone are numbers.
    digits > 0 && digits < letters && (is_hex || is_token)
}

/// A word with `<n>` for each number in it.
fn without_numbers(word: &str) -> String {
    let mut out = String::new();
    let mut is_number = false;
    let letters: Vec<char> = word.chars().collect();
    for (index, c) in letters.iter().enumerate() {
        let is_digit_at = |index: usize| letters.get(index).is_some_and(|c| c.is_numeric());
        // `1,024` and `1.5` are one number each.
        let goes_on = is_number && matches!(c, '.' | '_') && is_digit_at(index + 1);
        if c.is_numeric() || goes_on {
            if !is_number {
                out.push_str("<n>");
            }
            is_number = true;
        } else {
            is_number = false;
            out.push(*c);
        }
    }
    out
}

/// The file of a frame without its build's hash, and its function where a minifier has left a name:
/// `app.js, in render`.
fn place(frame: &str) -> Option<String> {
    let frame: String = frame.trim().chars().take(READ_MAX).collect();
    let frame = frame.strip_prefix("at ").unwrap_or(&frame);
    // Chrome: `render (https://…/app.js:10:5)`; Firefox and Safari: `render@https://…/app.js:10:5`.
    let (function, address) = match (frame.rsplit_once(" ("), frame.split_once('@')) {
        (Some((function, address)), _) => (function, address.trim_end_matches(')')),
        (None, Some((function, address))) => (function, address),
        (None, None) => ("", frame),
    };
    let (_, rest) = address.split(['?', '#']).next().unwrap_or_default().split_once("://")?;
    let file = rest.split_once('/').map_or("", |(_, path)| path.rsplit('/').next().unwrap_or_default());
    // The line and the column are another in each build.
    let file = file.trim_end_matches(|c: char| c.is_ascii_digit() || c == ':');
    // A page's address may be a person's; a script's is none.
    let is_script = SCRIPTS.iter().any(|extension| file.ends_with(extension))
        && file.chars().all(|c| c.is_ascii_alphanumeric() || "._~-".contains(c));
    let file = if is_script { plain(&unhashed(file)) } else { "a page".to_owned() };
    let function = function.rsplit(['.', ' ', '/']).next().unwrap_or_default().trim_matches(['<', '*']);
    let is_named = (FUNCTION_MIN..=NAME_BYTES_MAX).contains(&function.len())
        && function.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
        && function != "anonymous";
    Some(if is_named { format!("{file}, in {function}") } else { file })
}

/// A file's name without the hash that a bundler has put into it.
fn unhashed(file: &str) -> String {
    let (stem, extension) = match file.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 4 => (stem, extension),
        _ => (file, ""),
    };
    let mut parts: Vec<String> = Vec::new();
    for part in stem.split('.') {
        // `index-BxK3_9aZ`: what is behind the name may have a dash in it.
        let at = part.char_indices().rev().nth(HASH_BASE64).map(|(index, _)| index);
        let behind = at.and_then(|at| part.get(at..)).and_then(|rest| rest.strip_prefix(['-', '_']));
        let part = match (behind.filter(|rest| is_scrambled(rest)), at) {
            (Some(_), Some(at)) => part.get(..at).unwrap_or_default(),
            _ => part,
        };
        let kept: Vec<&str> = part.split(['-', '_']).filter(|own| !is_hash(own)).collect();
        if !kept.is_empty() {
            parts.push(kept.join("-"));
        }
    }
    match (parts.is_empty(), extension) {
        (true, "") => String::new(),
        (true, extension) => format!("*.{extension}"),
        (false, "") => parts.join("."),
        (false, extension) => format!("{}.{extension}", parts.join(".")),
    }
}

/// Digits alone, hexadecimal digits, or what only a program writes.
fn is_hash(part: &str) -> bool {
    let is_hex = part.len() >= HASH_MIN
        && part.chars().all(|c| c.is_ascii_hexdigit())
        && part.contains(|c: char| c.is_ascii_digit());
    let is_number = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    is_number || is_hex || part.is_empty() || part.len() >= HASH_BASE64 && is_scrambled(part)
}

/// Whether letters are mixed as no name is: digits among them, or capitals behind small ones and small ones again.
fn is_scrambled(text: &str) -> bool {
    let has = |wanted: fn(&char) -> bool| text.chars().filter(wanted).count();
    let (digits, capitals) = (has(char::is_ascii_digit), has(char::is_ascii_uppercase));
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        && (digits > 0 && digits < text.len() || capitals > 1 && capitals < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As browsers and bundles say it: name, message, top frame, and what it is known by.
    const SEEN: &[(&str, &str, &str, &str)] = &[
        // Chrome.
        (
            "TypeError",
            "Cannot read properties of undefined (reading 'price')",
            "    at renderCart (https://shop.example.com/assets/index-BxK3_9aZ.js:12:34567)",
            "TypeError: Cannot read properties of undefined (reading '…') at index.js, in renderCart",
        ),
        (
            "ReferenceError",
            "Uncaught ReferenceError: dataLayer is not defined",
            "at https://shop.example.com/checkout?session=4f9a2c:3:1",
            "ReferenceError: dataLayer is not defined at a page",
        ),
        (
            "",
            "Uncaught (in promise) TypeError: Failed to fetch dynamically imported module: https://shop.example.com/assets/Cart-DiwrgTda.js",
            "",
            "TypeError: Failed to fetch dynamically imported module: <url>",
        ),
        (
            "SyntaxError",
            "Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
            "at JSON.parse (<anonymous>)",
            "SyntaxError: Unexpected token '…', '…'... is not valid JSON",
        ),
        // Firefox.
        (
            "TypeError",
            "can't access property \"price\", this.items[3] is undefined",
            "renderCart@https://shop.example.com/static/js/main.7c9e41ab.chunk.js:2:98765",
            "TypeError: can't access property '…', this.items[<n>] is undefined at main.chunk.js, in renderCart",
        ),
        (
            "NetworkError",
            "NetworkError when attempting to fetch resource.",
            "load@https://shop.example.com/_next/static/chunks/4bd1b696-182b6b13bdad92e3.js:1:5",
            "NetworkError: NetworkError when attempting to fetch resource. at *.js, in load",
        ),
        // Safari.
        (
            "TypeError",
            "undefined is not an object (evaluating 'cart.items[0].price')",
            "t@https://shop.example.com/app.js:1:2345",
            "TypeError: undefined is not an object (evaluating '…') at app.js",
        ),
        (
            "QuotaExceededError",
            "The quota has been exceeded.",
            "setItem@[native code]",
            "QuotaExceededError: The quota has been exceeded.",
        ),
        // Minified bundles and frameworks.
        (
            "Error",
            "Minified React error #418; visit https://reactjs.org/docs/error-decoder.html?invariant=418 for the full message or use the non-minified dev environment",
            "at Oe (https://shop.example.com/static/js/vendors~main.3a7b9c21.js:2:1)",
            "Error: Minified React error #<n>; visit <url> for the full message or use the non-minified dev environment at vendors~main.js",
        ),
        (
            "ChunkLoadError",
            "Loading chunk 417 failed.\n(error: https://shop.example.com/static/js/417.2f3b9a1c.chunk.js)",
            "at n.f.j (https://shop.example.com/static/js/runtime.5d2e8f90.js:1:900)",
            "ChunkLoadError: Loading chunk <n> failed. (error: <url>) at runtime.js",
        ),
        (
            "AxiosError",
            "Request failed with status code 502",
            "at settle (https://shop.example.com/build/app-4a5b6c7d.mjs:9:1)",
            "AxiosError: Request failed with status code <n> at app.mjs, in settle",
        ),
        // What is a person's, and what is no error at all.
        (
            "Error",
            "user ana@example.com (id 0d0e8a1c-7b1e-4c57-9c9d-5a0b3a3c2f10) has no cart eyJhbGciOiJIUzI1NiJ9 at /account/ana/orders/9921",
            "",
            "Error: user <email> (id <id>) has no cart <id> at <path>",
        ),
        ("", "[object Object]", "", "Error: [object Object]"),
        ("", "", "", "Error"),
        ("<script>", "5", "?", "Error: <n>"),
    ];

    #[test]
    fn errors_of_real_browsers_are_known_by_what_stays_the_same() {
        for (name, message, frame, expected) in SEEN {
            assert_eq!(of(name, message, frame), *expected, "{message}");
        }
    }

    #[test]
    fn another_build_user_or_line_is_the_same_error() {
        let print = |hash: &str, user: &str, line: u32| {
            of(
                "TypeError",
                &format!("cannot load \"{user}\" of order {line}"),
                &format!("at load (https://shop.example.com/assets/app.{hash}.js:{line}:{line})"),
            )
        };
        assert_eq!(print("3f2a9c1b", "ana", 3), print("99ab00cd", "ben o'neil", 90_210));
        assert_ne!(of("TypeError", "a is not a function", ""), of("TypeError", "b is not a function", ""));
    }

    #[test]
    fn whatever_is_sent_it_is_bounded_says_nothing_that_is_taken_out_and_stays_the_same() {
        let mut dice = fastrand::Rng::with_seed(7);
        let pieces = [
            "'",
            "\"",
            "`",
            " ",
            "\n",
            "@",
            "/",
            ".",
            ":",
            "-",
            "…",
            "<n>",
            "<url>",
            "12",
            "deadbeef1",
            "x",
            "é",
            "😀",
            "https://a.b/c?d=1",
            "ana@example.com",
            "can't",
            "“",
            "”",
            "(",
            ")",
            "#",
            "%",
            "0x1F",
            "Error",
            "TypeError:",
            "Uncaught ",
            "longwordlongwordlongwordlongwordlongwordlong",
        ];
        for round in 0..20_000 {
            let mut text = || {
                let count = dice.usize(0..14);
                (0..count).map(|_| pieces[dice.usize(0..pieces.len())]).collect::<String>()
            };
            let (name, message, frame) = (text(), text(), text());
            let print = of(&name, &message, &frame);
            assert!(print.len() <= KIND_BYTES_MAX, "{print}");
            assert!(!print.contains("example.com") && !print.contains("https:"), "{round}: {print}");
            assert_eq!(plain(&print), print, "{round}: {name:?} {message:?} {frame:?}");
        }
    }
}
